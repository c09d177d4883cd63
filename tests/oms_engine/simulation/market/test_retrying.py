from itertools import pairwise

from oms_engine import Engine
from oms_engine.domain.commands import Command, parse
from oms_engine.simulation.market.agenda import Agenda
from oms_engine.simulation.market.chance import Chance
from oms_engine.simulation.market.line import SECOND
from oms_engine.simulation.market.retrying import Retrying
from oms_engine.simulation.market.world import World


def times_of(seed: int) -> list[int]:
    """When a command is sent that is always refused because its session sends too fast: no time passes for it."""
    world, agenda, asked, times = World(), Agenda(1), [_command("first"), _command("again")], []
    retrying = Retrying(agenda, asked.extend, Chance(seed, 1, "retries"))
    with Engine.open(settings={"risk.maxCommandsPerSecond": 1}, clock=world.clock, new_id=world.new_id) as engine:
        while asked or agenda.go_on():
            for command in asked[:]:
                asked.remove(command)
                retrying.answered(command, engine.run(command))
                times.append(agenda.now)
    return times[1:]


def _command(name: str) -> Command:
    order = {"orderId": name, "clOrdId": name, "account": "A", "symbol": "X", "side": "BUY", "ordType": "MARKET"}
    said = {"commandId": name, "sessionId": "client", "order": {**order, "orderQty": "1"}}
    command = parse({"type": "OrderCreateCmd", **said}).command
    assert command is not None
    return command


def test_what_is_refused_for_now_is_sent_five_times_and_each_pause_is_twice_as_long_but_for_a_fifth() -> None:
    for seed in range(20):
        times = times_of(seed)
        pauses = [after - before for before, after in pairwise(times)]
        assert len(times) == 5
        usual = [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND]
        assert all(abs(pause - each) <= each // 5 for pause, each in zip(pauses, usual, strict=True))


def test_how_long_it_waits_follows_from_the_seed() -> None:
    assert times_of(1) == times_of(1)
    assert len({tuple(times_of(seed)) for seed in range(20)}) == 20
