"""What does simulating a market cost beside carrying out its commands?

In each round one trading session is simulated into a file, with a commit of its own; then the very same commands go
into another file with `execute_many`, 100 in each commit, from memory. What the session costs more is its venue, its
participants, the measuring, and the answers that it waits for one by one.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, Scale, Target, ratios
from benchmarks.lifecycle import BATCH
from oms_engine import Engine
from oms_engine.simulation.load.run import Load
from oms_engine.simulation.market.mixes import MIXES
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.session import Session, Step
from oms_engine.simulation.market.world import World

WARM_UP = 1
MOST_BYTES = 1_500
RATIO: Target = ("at least", 0.5)
BYTES: Target = ("at most", MOST_BYTES)

_MICRO = timedelta(microseconds=1)


def simulate(scale: Scale) -> list[Figure]:
    """Simulate trading sessions, and carry out their commands again with execute_many, 100 per commit."""
    figures = []
    for mix in MIXES:
        with TemporaryDirectory(prefix="oms-bench-") as folder:
            figures += _of_mix(Path(folder), mix, scale)
    return figures


def _of_mix(folder: Path, mix: str, scale: Scale) -> list[Figure]:
    rounds = WARM_UP + scale.rounds
    plan = MarketPlan(scale.orders * rounds, seed=7, mix=mix, orders_per_session=scale.orders)
    simulated, again = [], []
    own, other = World(), World()
    with _opened(folder / "simulated.db", own) as engine, _opened(folder / "again.db", other) as bare:
        load = Load(engine, plan, own)
        steps: list[Step] = []
        before = 0.0
        for session in load.sessions(steps.append):
            simulated.append(len(steps) / (load.seconds - before))
            before = load.seconds
            again.append(len(steps) / _carry_out(bare, other, session, steps))
            steps.clear()
        _require_same_work(engine, bare)
        carried_out = load.tally.commands.total() - load.tally.refused.total()
        size = engine.size / carried_out
    rates, bare_rates = simulated[WARM_UP:], again[WARM_UP:]
    return [
        Figure.of(f"{mix}: simulated", "commands/s", rates),
        Figure.of(f"{mix}: execute_many", "commands/s", bare_rates),
        Figure.of(f"{mix}: simulated / execute_many", "x", ratios(rates, bare_rates), RATIO),
        Figure.of(f"{mix}: stored per command", "bytes", [size], BYTES),
    ]


def _opened(file: Path, world: World) -> Engine:
    return Engine.open(str(file), clock=world.clock, new_id=world.new_id, session_id="simulation")


def _carry_out(engine: Engine, world: World, session: Session, steps: Sequence[Step]) -> float:
    """Seconds that the commands of a session take when nothing is known but them."""
    world.begin(session.number, session.hours.opening)
    began = time.perf_counter()
    for first in range(0, len(steps), BATCH):
        part = steps[first : first + BATCH]
        world.move((part[-1].at - session.hours.opening) // _MICRO)
        engine.execute_many([step.command for step in part])
    return time.perf_counter() - began


def _require_same_work(engine: Engine, bare: Engine) -> None:
    """A benchmark that carried out something else would compare nothing."""
    if engine.counts() != bare.counts():
        raise RuntimeError(f"the market led to {engine.counts()}, its commands alone to {bare.counts()}")
