"""Does a load end with the same events however it is run, cut off and gone on with, and is it told as it was?"""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import Engine, ScenarioError
from oms_engine.errors import StoreError
from oms_engine.simulation.load.report import LoadReport, report
from oms_engine.simulation.load.resuming import OtherPlan
from oms_engine.simulation.load.run import Load
from oms_engine.simulation.load.tally import NOTE, Tally
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.world import World
from tests.oms_engine.simulation.loading import Cut, cut_after, everything, loaded

PLAN = MarketPlan(24, seed=7, faults="many", orders_per_session=10)
"""Three sessions, the last one shorter."""

TOO_FAST = MarketPlan(60, seed=3, mix="institutional", faults="many")
LIMIT = {"risk.maxCommandsPerSecond": 1}
"""A plan, and a limit that its sessions reach."""


@pytest.fixture(scope="module")
def whole() -> LoadReport:
    """The report of the plan, run in one go in memory."""
    return loaded(PLAN)


def outcome_of(told: LoadReport) -> dict[str, object]:
    wire: dict[str, object] = told.outcome.to_wire()
    return wire


def test_a_plan_ends_with_the_same_events_in_memory_in_a_file_and_at_any_commit_size(
    whole: LoadReport, tmp_path: Path
) -> None:
    file = loaded(PLAN, str(tmp_path / "one.db"))
    paced = loaded(PLAN, str(tmp_path / "other.db"), paced=True)
    assert outcome_of(file) == outcome_of(paced) == outcome_of(whole)
    assert everything(tmp_path / "one.db") == everything(tmp_path / "other.db")


def test_another_seed_ends_with_other_events(whole: LoadReport) -> None:
    other = MarketPlan(24, seed=8, faults="many", orders_per_session=10)
    assert loaded(other).outcome.events_hash != whole.outcome.events_hash


@pytest.mark.parametrize(
    ("mix", "events_hash"),
    [
        ("retail", "636045b3886b827f7ada060f69dec7c24d0aaf33a28b1fdedd4dbc94ee7473e0"),
        ("institutional", "a0e077b9f685083603626069ff644568c491ebd350897e21b912b34725d70468"),
        ("market-maker", "c9fb2f4e64ac950a1e1d4d6a6677618cc635883ebdcb46d1b2b7881ce1f39562"),
    ],
)
def test_a_seed_leads_to_the_same_events_on_every_machine(mix: str, events_hash: str) -> None:
    """Ids, times and what the engine made of the commands are in it; who changes them on purpose changes it here."""
    plan = MarketPlan(30, seed=7, mix=mix, faults="many", orders_per_session=15)
    assert loaded(plan).outcome.events_hash == events_hash


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["retail", "institutional", "market-maker"])
def test_every_mix_is_the_same_in_another_process_with_other_hashes_of_texts(mix: str, tmp_path: Path) -> None:
    program = (
        "import sys; from tests.oms_engine.simulation.loading import MarketPlan, loaded;"
        f"loaded(MarketPlan(40, seed=3, mix='{mix}', faults='many', orders_per_session=20), sys.argv[1])"
    )
    files = [tmp_path / "one.db", tmp_path / "other.db"]
    for seed, file in enumerate(files):
        subprocess.run(
            [sys.executable, "-c", program, str(file)],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": str(seed), "TZ": ("UTC", "Asia/Tokyo")[seed]},
            timeout=60,
        )
    one, other = map(everything, files)
    assert one == other
    assert len(one["orders"]) == 40


@pytest.mark.parametrize(("commands", "paced"), [(1, True), (30, True), (60, False), (60, True), (66, True)])
def test_a_run_that_is_cut_off_anywhere_goes_on_to_the_same_end(
    commands: int, paced: bool, whole: LoadReport, tmp_path: Path
) -> None:
    file = tmp_path / "cut.db"
    with pytest.raises(Cut):
        loaded(PLAN, str(file), paced=paced, heard=cut_after(commands))
    with pytest.raises(Cut):
        loaded(PLAN, str(file), paced=not paced, heard=cut_after(8))
    told = loaded(PLAN, str(file))
    assert outcome_of(told) == outcome_of(whole)
    loaded(PLAN, str(tmp_path / "whole.db"))
    assert everything(file) == everything(tmp_path / "whole.db")


@pytest.fixture(scope="module")
def whole_under_a_limit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the plan whose sessions send too fast at times, run in one go."""
    file = tmp_path_factory.mktemp("limit") / "whole.db"
    told = loaded(TOO_FAST, str(file), settings=dict(LIMIT))
    assert "OMS-RISK-008" in {each.error_code for each in told.outcome.refusals}
    return file


@pytest.mark.parametrize("commands", [10, 20, 120, 180])
def test_a_run_that_is_cut_off_goes_on_under_a_limit_of_commands_in_a_second(
    commands: int, whole_under_a_limit: Path, tmp_path: Path
) -> None:
    file = tmp_path / "cut.db"
    with pytest.raises(Cut):
        loaded(TOO_FAST, str(file), paced=True, heard=cut_after(commands), settings=dict(LIMIT))
    loaded(TOO_FAST, str(file), paced=True)
    assert everything(file) == everything(whole_under_a_limit)


def test_a_batch_that_is_cut_off_leaves_whole_sessions_alone(tmp_path: Path) -> None:
    file = str(tmp_path / "cut.db")
    with pytest.raises(Cut):
        loaded(PLAN, file, heard=cut_after(60))
    with Engine.open(file) as engine:
        tally = Tally.of_text(engine.noted(NOTE))
        assert tally.sessions == 1
        assert engine.position == tally.position
        assert engine.counts()["orders"] == 10
        assert engine.verify().sound


def test_a_run_that_is_complete_has_nothing_left_to_do(whole: LoadReport, tmp_path: Path) -> None:
    file = str(tmp_path / "done.db")
    loaded(PLAN, file)
    again = loaded(PLAN, file)
    assert outcome_of(again) == outcome_of(whole)
    assert again.complete
    assert (again.speed.sessions, again.speed.commands, again.speed.events) == (0, 0, 0)


def test_another_plan_is_refused_with_the_one_that_is_there(tmp_path: Path) -> None:
    file = str(tmp_path / "other.db")
    loaded(PLAN, file)
    before = everything(Path(file))
    with pytest.raises(OtherPlan, match="with seed 7 and not 8") as refused:
        loaded(MarketPlan(24, seed=8, faults="many", orders_per_session=10), file)
    assert (refused.value.begun.plan, refused.value.begun.sessions) == (PLAN, 3)
    assert everything(Path(file)) == before


def test_a_plan_of_another_edition_is_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "old.db")
    with Engine.open(file) as engine, engine.batch() as batch:
        batch.note(NOTE, Tally(PLAN, "0123456789ab").to_text())
    with pytest.raises(OtherPlan, match="another edition"):
        loaded(PLAN, file)


@pytest.mark.parametrize("note", ["no JSON", "[]", "{}", '{"plan": {"orders": 0}}', '{"plan": 1, "refused": 2}'])
def test_a_note_that_cannot_be_read_is_refused(note: str) -> None:
    with pytest.raises(ScenarioError, match="another version of this program"):
        Tally.of_text(note)


def test_a_file_with_orders_of_others_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "orders.db"
    with Engine.open(str(file)) as engine:
        engine.execute({"type": "OrderCreateCmd", "order": ORDER})
    before = everything(file)
    with pytest.raises(ScenarioError, match='event 1 is of "order-O1"'):
        loaded(PLAN, str(file))
    assert everything(file) == before


ORDER = {
    "orderId": "O1", "clOrdId": "C1", "account": "A", "symbol": "X", "side": "BUY", "ordType": "MARKET",
    "orderQty": "1",
}  # fmt: skip


def test_orders_that_came_after_the_simulation_end_it(tmp_path: Path) -> None:
    file = str(tmp_path / "mixed.db")
    with pytest.raises(Cut):
        loaded(PLAN, file, heard=cut_after(60))
    with Engine.open(file) as engine:
        engine.execute({"type": "OrderCreateCmd", "order": ORDER})
    with pytest.raises(ScenarioError, match="written by another program after the simulation"):
        loaded(PLAN, file)


def test_another_program_that_writes_meanwhile_is_noticed_at_the_next_session(tmp_path: Path) -> None:
    world = World()
    url = str(tmp_path / "shared.db")
    with Engine.open(url, clock=world.clock, new_id=world.new_id) as engine, Engine.open(url) as other:
        load = Load(engine, PLAN, world)

        def writes(_events: object) -> None:
            other.execute({"type": "OrderCreateCmd", "order": ORDER})

        engine.subscribe(writes)
        with pytest.raises(ScenarioError, match="another program wrote into the database while session 2"):
            load.run()
        assert load.tally.sessions == 1


def write_once(other: Engine, at: int) -> Callable[[object], None]:
    """Another program writes an order, right after so many commands of a load."""
    commands = iter(range(1, 1_000))

    def heard(_step: object) -> None:
        if next(commands) == at:
            assert other.execute({"type": "OrderCreateCmd", "order": ORDER}).ok

    return heard


@pytest.mark.parametrize(("at", "session"), [(1, 1), (30, 1), (36, 1), (37, 2), (80, 3)])
def test_another_program_that_writes_in_the_middle_of_a_paced_session_is_noticed_at_once(
    at: int, session: int, tmp_path: Path
) -> None:
    world = World()
    url = str(tmp_path / "shared.db")
    with Engine.open(url, clock=world.clock, new_id=world.new_id) as engine, Engine.open(url) as other:
        load = Load(engine, PLAN, world)
        with pytest.raises(ScenarioError, match=f"another program wrote into the database in session {session};"):
            load.run(write_once(other, at), paced=True)
        assert load.tally.sessions == session - 1
        assert load.commands - at < 10
    with pytest.raises(ScenarioError, match="written by another program after the simulation"):
        loaded(PLAN, url)


def test_another_program_that_simulates_the_same_in_the_same_file_is_noticed(tmp_path: Path) -> None:
    world = World()
    url = str(tmp_path / "shared.db")
    with Engine.open(url, clock=world.clock, new_id=world.new_id) as engine:
        load, commands = Load(engine, PLAN, world), iter(range(100))

        def heard(_step: object) -> None:
            if next(commands) == 20:
                loaded(PLAN, url)

        with pytest.raises(ScenarioError, match="another program wrote into the database in session 1;"):
            load.run(heard, paced=True)
    assert loaded(PLAN, url).outcome.events_hash == loaded(PLAN).outcome.events_hash


def test_a_session_whose_beginning_was_another_one_cannot_go_on(tmp_path: Path) -> None:
    file = tmp_path / "changed.db"
    with pytest.raises(Cut):
        loaded(PLAN, str(file), paced=True, heard=cut_after(20))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET actor = 'nobody' WHERE position = 4")
        connection.commit()
    with pytest.raises(ScenarioError, match="led to other events when it was carried out again"):
        loaded(PLAN, str(file))


def test_a_store_that_fails_keeps_the_sessions_that_are_whole_and_goes_on_later(tmp_path: Path) -> None:
    world = World()
    file = str(tmp_path / "full.db")
    with Engine.open(file, clock=world.clock, new_id=world.new_id) as engine:
        load = Load(engine, PLAN, world)

        def fills_up(_events: object) -> None:
            pages = engine._store.connection.execute("PRAGMA page_count").fetchone()[0]
            engine._store.connection.execute(f"PRAGMA max_page_count = {pages}")

        engine.subscribe(fills_up)
        with pytest.raises(StoreError):
            load.run()
        assert load.tally.sessions == 1
    assert loaded(PLAN, file).outcome.events_hash == loaded(PLAN).outcome.events_hash


def test_settings_of_the_store_hold_for_a_session_that_is_run_again(tmp_path: Path) -> None:
    settings = {"risk.maxOrderQty": "200"}
    whole = loaded(PLAN, settings=dict(settings))
    file = str(tmp_path / "limited.db")
    with pytest.raises(Cut):
        loaded(PLAN, file, settings=dict(settings), paced=True, heard=cut_after(20))
    told = loaded(PLAN, file)
    assert outcome_of(told) == outcome_of(whole)
    assert "OMS-RISK-001" in {each.error_code for each in told.outcome.refusals}


def test_the_report_adds_up(whole: LoadReport) -> None:
    told = whole.outcome
    assert whole.complete
    assert told.orders == 24 == sum(told.states.values())
    assert told.commands == sum(told.commands_by_type.values()) == told.accepted + told.refused
    assert told.refused == sum(each.count for each in told.refusals)
    fills = told.fills
    assert fills.orders == fills.filled + fills.partly + fills.unfilled == 24
    assert fills.filled == told.states["FILLED"]
    assert 0 < int(fills.executed_qty) <= int(fills.ordered_qty)
    assert told.faults
    assert told.reconciled.to_wire() == {"sessions": 3, "problems": [], "crossedBooks": 0}
    speed = whole.speed
    assert speed.all_commands.count == speed.commands == told.commands
    assert sum(bucket.count for bucket in speed.histogram) == told.commands
    assert {name: each.count for name, each in speed.latencies.items()} == told.commands_by_type
    assert (speed.orders, speed.events, speed.commits.count) == (24, told.events, 3)
    assert speed.samples[-1].commands == told.commands
    assert speed.samples[-1].store_bytes == whole.store.bytes
    assert 10_000_000 < speed.memory_bytes < 10**12
    json.dumps(whole.to_wire())


def test_the_quantities_of_the_report_are_those_of_the_orders() -> None:
    world = World()
    with Engine.open(clock=world.clock, new_id=world.new_id) as engine:
        load = Load(engine, MarketPlan(40, seed=2, mix="institutional"), world)
        load.run()
        fills = report(load, engine).outcome.fills
        orders = [engine.find(f"S1-{number}") for number in range(1, 41) if engine.get(f"S1-{number}") is not None]
        clients = [order for order in orders if order.role == "CLIENT"]
        assert fills.orders == len(clients) < len(orders)
        assert int(fills.ordered_qty) == sum(order.order_qty or 0 for order in clients)
        assert int(fills.executed_qty) == sum(order.cum_qty for order in clients)
        assert fills.filled == sum(order.state == "FILLED" for order in clients)
        assert fills.partly == sum(0 < order.cum_qty < (order.order_qty or 0) for order in clients)
