"""What stays true of any simulated day, whatever goes wrong?"""

import hashlib
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine import Engine
from oms_engine.domain.vocabulary import OPEN_STATES
from oms_engine.record import canonical_json
from oms_engine.simulation.market.faults import FAULTS
from oms_engine.simulation.market.mixes import MIXES
from oms_engine.simulation.market.plan import MarketPlan, session_of
from oms_engine.simulation.market.reconciling import problems
from oms_engine.simulation.market.session import Session
from oms_engine.simulation.market.world import World
from tests.oms_engine.desk import READ_MODEL, TABLES
from tests.oms_engine.simulation.market.days import engine_of, run_all

RACES = {
    ("OrderCancelCmd", "OMS-ORDER-005"),
    ("OrderCancelCmd", "OMS-ORDER-006"),
    ("OrderCancelCmd", "OMS-STATE-002"),
    ("OrderCancelCmd", "OMS-STATE-003"),
    ("OrderReplaceCmd", "OMS-ORDER-004"),
    ("OrderCancelRejectCmd", "OMS-STATE-002"),
}
"""What may be refused: a request that comes too late, and a venue's refusal of a cancel that has happened already."""


def wrong_in(plan: MarketPlan, happened: Counter[str] | None = None) -> list[str]:
    """Everything that is not as it should be after every session of a plan."""
    world, found = World(), []
    with engine_of(world) as engine:
        for session, _ in run_all(plan, world, engine):
            found += [f"seed {plan.seed}: {problem}" for problem in problems(session, engine)]
            found += [f"seed {plan.seed}: {each} was refused" for each in session.refused if each not in RACES]
            if happened is not None:
                happened += session.venue.happened
        found += [f"seed {plan.seed}: {finding}" for finding in engine.verify().findings]
    return found


@pytest.mark.parametrize("mix", MIXES)
def test_venue_and_engine_agree_after_a_day_on_which_much_went_wrong(mix: str) -> None:
    found = [each for seed in range(1, 4) for each in wrong_in(MarketPlan(24, seed, mix, "many"))]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
def test_venue_and_engine_agree_after_hundreds_of_such_days(mix: str) -> None:
    happened: Counter[str] = Counter()
    found = [each for seed in range(100) for each in wrong_in(MarketPlan(20, seed, mix, "many"), happened)]
    assert found == []
    kinds = {"reject", "late reject", "bust", "refused cancel", "refused replace", "outage", "cancel on disconnect"}
    assert set(happened) == kinds


@pytest.mark.parametrize("mix", MIXES)
def test_the_read_model_of_a_day_is_what_its_events_make_of_it(mix: str) -> None:
    world = World()
    with engine_of(world) as engine:
        run_all(MarketPlan(60, 3, mix, "many"), world, engine)
        rows = stored(engine, READ_MODEL)
        engine.rebuild()
        assert stored(engine, READ_MODEL) == rows


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("faults", FAULTS)
def test_the_same_plan_leaves_the_same_rows(mix: str, faults: str) -> None:
    plan = MarketPlan(40, 5, mix, faults, orders_per_session=25)
    assert rows_of(plan) == rows_of(plan)


def test_another_seed_leaves_other_rows() -> None:
    assert rows_of(MarketPlan(10, 1))["events"] != rows_of(MarketPlan(10, 2))["events"]


@pytest.mark.parametrize(
    ("mix", "digest"),
    [
        ("retail", "a0e51d9d52efdc3a"),
        ("institutional", "b240f3c01a4c8642"),
        ("market-maker", "d44818885f7febcf"),
    ],
)
def test_a_seed_leads_to_the_same_commands_on_every_machine(mix: str, digest: str) -> None:
    """Whoever changes what a plan leads to counts EDITION up, so that no old file is gone on with."""
    sent = hashlib.sha256()
    world, plan = World(), MarketPlan(80, 7, mix, "many")
    with engine_of(world) as engine:
        for step in Session(plan, 1, world, engine.run).run():
            command = {**step.command.to_wire(), "commandId": None, "correlationId": None}
            sent.update(canonical_json([step.at.isoformat(), command]).encode())
    assert sent.hexdigest()[:16] == digest


def test_a_session_is_the_same_whether_others_ran_before_it_or_not() -> None:
    plan = MarketPlan(60, 2, "institutional", "many", orders_per_session=30)
    world = World()
    with engine_of(world) as engine:
        after_others = [step.command for step in run_all(plan, world, engine)[1][1]]
    world = World()
    with engine_of(world) as engine:
        alone = [step.command for step in Session(plan, 2, world, engine.run).run()]
    assert alone == after_others


def test_every_command_names_plan_and_session_and_has_an_id_of_its_own() -> None:
    plan, world = MarketPlan(30, 4, orders_per_session=15), World()
    with engine_of(world) as engine:
        days = run_all(plan, world, engine)
    commands = [step.command for _, steps in days for step in steps]
    told = [session_of(command.correlation_id or "") for command in commands]
    assert told == [(plan.digest, session.number) for session, steps in days for _ in steps]
    assert len({command.command_id for command in commands}) == len(commands)


def test_time_goes_on_and_each_session_has_its_day() -> None:
    plan, world = MarketPlan(30, 4, orders_per_session=15), World()
    with engine_of(world) as engine:
        (one, first), (two, second) = run_all(plan, world, engine)
    assert one.hours.opening == datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
    assert two.hours.opening == datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    for session, steps in ((one, first), (two, second)):
        assert steps[0].at > session.hours.opening
        assert all(before.at <= after.at for before, after in pairwise(steps))
        created = [step for step in steps if step.kind == "OrderCreateCmd"]
        assert all(step.at < session.hours.closing for step in created)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 14), st.sampled_from(sorted(MIXES)), st.integers(0, 10_000))
def test_exactly_the_orders_of_the_plan_are_sent(orders: int, mix: str, seed: int) -> None:
    world = World()
    with engine_of(world) as engine:
        run_all(MarketPlan(orders, seed, mix), world, engine)
        assert engine.counts()["orders"] == orders


def test_without_faults_nothing_goes_wrong() -> None:
    world = World()
    with engine_of(world) as engine:
        ((session, steps),) = run_all(MarketPlan(150, 3, "institutional", "none"), world, engine)
    assert session.venue.happened == {}
    assert {"ExecutionBustCmd", "OrderRejectCmd"} & {step.kind for step in steps} == set()


@pytest.mark.parametrize(
    ("mix", "kinds"),
    [
        ("retail", {"OrderCreateCmd", "ExecutionCreateCmd", "OrderCancelCmd", "OrderExpireCmd"}),
        ("institutional", {"OrderGroupCmd", "OrderPlaceCmd", "AllocationApproveCmd", "AllocationRejectCmd"}),
        ("market-maker", {"OrderReplaceCmd", "OrderReplaceAcceptCmd", "OrderCancelAcceptCmd"}),
    ],
)
def test_each_mix_does_what_it_is_known_for(mix: str, kinds: set[str]) -> None:
    world = World()
    with engine_of(world) as engine:
        ((session, steps),) = run_all(MarketPlan(250, 4, mix, "none"), world, engine)
        states = Counter(order.state for order in session.floor.orders.values())
    assert kinds <= {step.kind for step in steps}
    assert session.commands == Counter(step.kind for step in steps)
    assert sum(states.values()) == 250
    assert not OPEN_STATES & set(states)


@pytest.mark.parametrize(
    ("mix", "setting"),
    [
        ("institutional", {"lifecycle.profile": "matrix"}),
        ("institutional", {"lifecycle.profile": "desk"}),
        ("institutional", {"routing": "manual"}),
        ("institutional", {"tickSize": {"*": "0.05"}}),
        ("retail", {"risk.maxNotional": {"*": "20000"}}),
        *((mix, {"risk.maxCommandsPerSecond": 1}) for mix in MIXES),
    ],
    ids=str,
)
def test_a_day_ends_well_whatever_is_set(mix: str, setting: dict[str, object]) -> None:
    world = World()
    with Engine.open(settings=setting, clock=world.clock, new_id=world.new_id) as engine:
        for session, _ in run_all(MarketPlan(60, 3, mix, "many"), world, engine):
            assert list(problems(session, engine)) == []


def test_what_a_session_sends_too_fast_is_sent_again_in_its_order() -> None:
    world = World()
    with Engine.open(settings={"risk.maxCommandsPerSecond": 1}, clock=world.clock, new_id=world.new_id) as engine:
        ((session, steps),) = run_all(MarketPlan(60, 3, "retail", "none"), world, engine)
    assert session.refused["ExecutionCreateCmd", "OMS-RISK-008"] > 5
    reports = [step.command for step in steps if step.command.session_id == "venue" and step.outcome.result.ok]
    counts = [int((command.command_id or "").rpartition("-")[2]) for command in reports]
    assert counts == sorted(counts)
    assert len(reports) == len({step.command.command_id for step in steps if step.command.session_id == "venue"})


def test_groups_are_approved_where_that_is_asked_for() -> None:
    world = World()
    with Engine.open(settings={"grouping.crossAccount": "approve"}, clock=world.clock, new_id=world.new_id) as engine:
        ((session, _),) = run_all(MarketPlan(200, 4, "institutional"), world, engine)
    assert session.commands["OrderGroupCmd"] > 1
    assert not any(kind == "OrderGroupCmd" for kind, _ in session.refused)


def test_a_day_on_which_the_engine_refuses_every_order_ends_too() -> None:
    world = World()
    with Engine.open(settings={"risk.killSwitch": True}, clock=world.clock, new_id=world.new_id) as engine:
        ((session, _),) = run_all(MarketPlan(30, 3, "institutional"), world, engine)
        assert session.refused["OrderCreateCmd", "OMS-RISK-007"] > 0
        assert engine.counts()["orders"] == 0
        assert session.venue.executions == {}


def rows_of(plan: MarketPlan) -> dict[str, list[tuple[object, ...]]]:
    world = World()
    with engine_of(world) as engine:
        run_all(plan, world, engine)
        return stored(engine, TABLES)


def stored(engine: object, tables: tuple[str, ...]) -> dict[str, list[tuple[object, ...]]]:
    connection = engine._store.connection  # type: ignore[attr-defined] # the rows as they are
    return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}  # noqa: S608 - own names
