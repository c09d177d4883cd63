"""Does the door of the engine do what its words promise?"""

import ast
import inspect
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import oms_engine
from oms_engine import BatchOutcome, Engine, Refused, Settings, SettingsError
from oms_engine.domain.decider.book import Book, Stamp
from oms_engine.domain.decider.invariants import broken_invariants
from oms_engine.domain.events import (
    AllocationApplied,
    AllocationReversed,
    Event,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderReplaced,
)
from oms_engine.domain.lifecycle import MACHINES
from oms_engine.domain.model import Lot, ReplaceTerms
from oms_engine.domain.vocabulary import Direction, OrdRejReason
from oms_engine.engine import random_id
from oms_engine.executor import MAX_BATCH
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.schema import utc_now
from oms_engine.unit_of_work import UnitOfWork
from tests.oms_engine.desk import START, Desk

PUBLIC = [
    "Batch", "BatchOutcome", "Command", "CommandResult", "Disconnected", "Engine", "Execution", "OmsError", "Order",
    "Outcome", "Page", "Problem", "Projection", "ProjectionStatus", "Refused", "RetryResult", "ScenarioError",
    "Settings", "SettingsError", "StoreError", "StoredEvent", "StreamMessage", "Subscription", "Tables",
    "TransitionCheck",
]  # fmt: skip


def test_the_public_names_are_these_and_each_explains_itself() -> None:
    assert oms_engine.__all__ == PUBLIC
    for name in PUBLIC:
        assert inspect.getdoc(getattr(oms_engine, name)), name
    imported = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(inspect.getsource(oms_engine)))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(PUBLIC)


def test_an_engine_opens_without_any_choice() -> None:
    with Engine.open() as engine:
        assert (engine.settings, engine.mode, engine.session_id) == (Settings(), "sandbox", "engine")
        created = engine.execute({"type": "OrderCreateCmd", "order": Desk().asked(orderId=None)}, session_id="me")
        order = engine.find(created.id)
        assert order.session_id == "me"
        assert order.order_id.startswith("ORD-")
        assert len(order.order_id) == 36
        assert utc_now() - order.created_at < timedelta(minutes=1)
        assert order.created_at.tzinfo is UTC


def test_generated_ids_are_new_each_time() -> None:
    ids = {random_id("ORD") for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) == 36 and set(one[4:]) <= set("0123456789abcdef") for one in ids)


def test_settings_may_be_given_as_they_are_or_by_name() -> None:
    chosen = Settings.of({"maxOrderQty": "5"})
    with Engine.open(settings=chosen) as first, Engine.open(settings={"maxOrderQty": 5}) as second:
        assert first.settings == second.settings == chosen
        assert [event.type for event in second.events()] == ["SettingsChanged"]


def test_settings_that_this_store_does_not_let_us_set_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "oms.db")
    Engine.open(path, settings={"roles": {"SettingsChangeCmd": ["ann"]}}).close()
    with pytest.raises(SettingsError, match=r"the settings given cannot be set: actor .* may not send"):
        Engine.open(path, settings={"routing": "manual"})
    with Engine.open(path, session_id="ann", settings={"routing": "manual"}) as engine:
        assert engine.settings.routing == "manual"


def test_what_makes_ids_may_ask_the_engine(desk: Desk) -> None:
    desk.engine._executor._new_id = lambda prefix: f"{prefix}-{desk.engine.counts()['events']}"
    assert [desk.create(orderId=None).id for _ in range(2)] == ["ORD-0", "ORD-2"]


def test_what_is_not_there_is_none_or_refused(desk: Desk) -> None:
    for name in ("nobody", "", " ", "null", "x" * 100, "a,b", "\ud800", "'; --"):
        assert desk.engine.get(name) is None
        assert desk.engine.executions(name) == []
        assert desk.engine.state_at(name) is None
        for ask in (desk.engine.find, desk.engine.history):
            with pytest.raises(Refused) as refused:
                ask(name)
            problem = refused.value.problem
            assert (problem.error_code, problem.violations[0].rule_id, problem.status) == (
                "OMS-ORDER-001",
                "ENV-09",
                404,
            )


def test_an_order_may_have_any_id_that_is_well_formed(desk: Desk) -> None:
    for name in ("null", "-", "..", "o" * 64, "ORD-x"):
        desk.create(orderId=name)
        assert desk.order(name).order_id == name
        assert desk.engine.history(name)


def test_the_past_of_an_order_can_be_looked_at(desk: Desk) -> None:
    order_id = desk.given("CLOSED")
    states = [desk.engine.state_at(order_id, version) for version in range(-1, 8)]
    assert [state and state.order.state.value for state in states] == [
        None, None, "NEW", "UNACK", "LIVE", "LIVE", "FILLED", "CLOSED", "CLOSED",
    ]  # fmt: skip


def test_events_of_all_orders_come_in_order_of_position(desk: Desk) -> None:
    desk.given("LIVE")
    desk.given("LIVE")
    assert [event.position for event in desk.engine.events()] == [1, 2, 3, 4, 5, 6]
    assert [event.position for event in desk.engine.events(after=2, limit=3)] == [3, 4, 5]
    assert desk.engine.events(after=6) == []
    wire = desk.engine.events()[1].to_wire()
    assert wire == {
        "position": 2, "streamId": "order-o1", "version": 2, "type": "OrderPlaced", "schemaVersion": 1,
        "payload": {"routing": "auto"}, "commandId": "CMD-1", "correlationId": "CMD-1", "causationId": "CMD-1",
        "actor": "S1", "recordedAt": "2026-01-02T09:30:00.001000Z",
    }  # fmt: skip


def test_an_order_carries_the_times_of_its_events(desk: Desk) -> None:
    order_id = desk.given("LIVE", transactTime="2026-01-01T00:00:00Z")
    order = desk.order(order_id)
    assert order.created_at == START + timedelta(milliseconds=1)
    assert order.updated_at == order.transact_time == START + timedelta(milliseconds=2)
    assert desk.engine.history(order_id)[0].payload.to_wire()["transactTime"] == "2026-01-01T00:00:00.000000Z"


def test_an_outcome_shows_the_order_before_and_after(desk: Desk) -> None:
    created = desk.engine.run({"type": "OrderCreateCmd", "order": desk.asked()})
    assert created.before is None
    assert created.after == desk.order("o1")
    placed, accepted = created.after, desk.engine.run({"type": "OrderAcceptCmd", "orderId": "o1"})
    assert (accepted.before, accepted.after) == (placed, desk.order("o1"))
    refused = desk.engine.run({"type": "OrderAcceptCmd", "orderId": "o1"})
    assert refused.before == refused.after == desk.order("o1")


def test_listeners_are_told_what_was_committed_and_nothing_else(desk: Desk) -> None:
    told: list[list[str]] = []
    end = desk.engine.subscribe(lambda events: told.append([event.type for event in events]))
    order_id = desk.given("LIVE")
    desk.engine.preview({"type": "OrderExpireCmd", "orderId": order_id})
    desk.refused("OrderAcceptCmd", orderId=order_id)
    assert told == [["OrderCreated", "OrderPlaced"], ["OrderAccepted"]]
    expire, accept = {"type": "OrderExpireCmd", "orderId": order_id}, {"type": "OrderAcceptCmd", "orderId": order_id}
    desk.engine.execute_many([expire, accept], atomic=True)
    desk.engine.execute_many([expire], dry_run=True)
    assert len(told) == 2
    desk.engine.execute_many([expire, accept, {"type": "OrderCloseCmd", "orderId": order_id}])
    assert told[2:] == [["OrderExpired", "OrderClosed"]]
    end()
    desk.given("LIVE")
    assert len(told) == 3


def test_a_listener_sees_what_is_stored_and_may_use_the_engine(desk: Desk) -> None:
    seen: list[int] = []

    def follow(_: object) -> None:
        seen.append(desk.engine.counts()["events"])
        if desk.order("o1").state == "UNACK":
            desk.accept("o1")

    desk.engine.subscribe(follow)
    desk.create()
    assert desk.order("o1").state == "LIVE"
    assert seen == [2, 3]


def test_the_failure_of_a_listener_is_a_warning_and_undoes_nothing(desk: Desk) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret")

    desk.engine.subscribe(fail)
    result = desk.ok("OrderCreateCmd", order=desk.asked())
    assert result.tasks[-1].status == "WARNING"
    assert result.tasks[-1].message == "a listener failed (RuntimeError); the events are stored"
    assert desk.order(result.id).state == "UNACK"
    assert desk.engine.execute_many([{"type": "OrderAcceptCmd", "orderId": result.id}]).outcomes[0].result.ok


def test_a_batch_continues_after_a_refusal_or_ends_with_it(desk: Desk) -> None:
    order_id = desk.given("UNACK")
    envelopes = [{"type": kind, "orderId": order_id} for kind in ("OrderAcceptCmd", "OrderAcceptCmd", "OrderExpireCmd")]

    def states(batch: BatchOutcome) -> tuple[list[str], int, bool]:
        return [outcome.result.status.value for outcome in batch.outcomes], batch.not_run, batch.rolled_back

    before = desk.rows()
    assert states(desk.engine.execute_many(envelopes, atomic=True)) == (["OK", "FAILED"], 1, True)
    assert desk.rows() == before
    assert states(desk.engine.execute_many(envelopes, dry_run=True)) == (["OK", "FAILED", "OK"], 0, False)
    assert desk.rows() == before
    assert states(desk.engine.execute_many(envelopes)) == (["OK", "FAILED", "OK"], 0, False)
    assert desk.order(order_id).state == "EXP"
    assert states(desk.engine.execute_many([])) == ([], 0, False)
    assert states(desk.engine.execute_many([], atomic=True)) == ([], 0, False)


def test_a_batch_has_a_largest_size(desk: Desk) -> None:
    with pytest.raises(ValueError, match="at most 10000 commands, not 10001"):
        desk.engine.execute_many([{}] * (MAX_BATCH + 1))


def test_an_internal_error_tells_nothing_of_the_inside(desk: Desk) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("/etc/secret")

    order = desk.asked(orderId=None)
    desk.engine._executor._new_id = broken
    problem = desk.refused("OrderCreateCmd", order=order, commandId="K1")
    assert (problem.error_code, problem.status, problem.retryable) == ("OMS-SYS-001", 500, False)
    assert problem.detail == "an internal error; nothing was changed"
    result = desk.do("OrderCreateCmd", order=order, commandId="K1")
    assert "secret" not in str(result.to_wire())
    assert [task.status for task in result.tasks][3] == "FAILED"


def test_a_broken_invariant_is_an_internal_error_and_rolls_back(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    store = desk.engine._store
    desk.fill(order_id, "300")
    with store.writing():
        store.connection.execute("DROP TRIGGER events_are_not_changed")
        store.connection.execute(
            """UPDATE events SET payload = replace(payload, '"orderQty":"1000"', '"orderQty":"200"')"""
        )
        store.commit()
    store._committed.clear()
    problem = desk.refused("OrderCancelAcceptCmd", orderId=order_id, unsolicited=True)
    assert problem.error_code == "OMS-SYS-001"
    assert problem.detail == "an invariant of the order would be broken; nothing was changed"


def _book(desk: Desk) -> Book:
    """The book of a command that did nothing yet."""
    stamp = Stamp(command_id="K", correlation_id="K", causation_id="K", actor="S1", recorded_at=START)
    unit = UnitOfWork(desk.engine._store, [], desk.engine._executor.rate, dry_run=True)
    book = Book(unit, stamp, 1, MACHINES["standard"], Settings())
    assert broken_invariants(book) == []
    return book


def _broken(desk: Desk, order_id: str, event: Event) -> list[str]:
    """What an event would break that no command of ours makes happen to this order."""
    book = _book(desk)
    book.record(order_id, event)
    return [sentence.partition(": ")[2].partition(":")[0] for sentence in broken_invariants(book)]


def _broken_by(desk: Desk, order_id: str, notional: str | None = None, **values: Decimal) -> list[str]:
    """What an order would break that differs from what its events say in these values."""
    book = _book(desk)
    state = book.record(order_id, OrderReopened(reason="bust", exec_id="e1"))
    state = state.but(order=state.order.but(state=desk.order(order_id).state, **values))
    book._after[f"order-{order_id}"] = state if notional is None else state.but(notional=Decimal(notional))
    return [sentence.partition(": ")[2] for sentence in broken_invariants(book)]


def test_what_no_order_may_become_is_an_invariant(desk: Desk) -> None:
    parent, group = desk.given("NEW"), desk.given("NEW", handlInst="MANUAL")
    child = desk.given("PART", parentOrderId=parent, autoAllocation=False)
    group = desk.ok("OrderGroupCmd", memberOrderIds=[group, desk.given("NEW")]).id
    lot = Lot(order_id=child, exec_id="e1", quantity=Decimal(301), price=Decimal(100))
    too_much = AllocationApplied(direction=Direction.OUT, counterpart=parent, lots=(lot,))
    assert _broken(desk, child, too_much) == ["I3", "I3"]
    too_little = AllocationReversed(direction=Direction.OUT, counterpart=parent, lots=(lot,))
    assert _broken(desk, child, too_little) == ["I3", "I3"]
    unknown = AllocationApplied(direction=Direction.IN, counterpart=child, lots=(lot,))
    assert _broken(desk, parent, unknown) == ["I4"]
    assert _broken(desk, child, OrderFilled(cum_qty=Decimal(300), avg_px=Decimal(100))) == ["I2"]
    assert _broken(desk, child, OrderRejected(ord_rej_reason=OrdRejReason.OTHER)) == ["I2"]
    less = OrderReplaced(changed=ReplaceTerms(order_qty=Decimal(299)), order_qty_delta=Decimal(-701))
    assert _broken(desk, child, less) == ["I1", "I1", "I2"]
    assert _broken(desk, group, less) == ["I4"]


def test_every_sum_of_an_order_is_an_invariant(desk: Desk) -> None:
    alone, parent = desk.given("PART"), desk.given("NEW")
    child = desk.given("PART", parentOrderId=parent)
    group = desk.ok("OrderGroupCmd", memberOrderIds=[desk.given("NEW", handlInst="MANUAL"), desk.given("NEW")]).id
    nothing, more = Decimal(0), Decimal(301)
    assert _broken_by(desk, alone) == _broken_by(desk, parent) == _broken_by(desk, group) == []
    assert _broken_by(desk, alone, leaves_qty=Decimal(-1)) == [
        "I1: leavesQty is not negative",
        "I1: cumQty + leavesQty = orderQty, or leavesQty = 0 when nothing is open",
    ]
    assert _broken_by(desk, alone, alloc_qty=nothing) == ["I4: a client order is allocated what it got"]
    assert _broken_by(desk, child, cum_qty=more, leaves_qty=Decimal(699)) == ["I3: cumQty is the sum of what counts"]
    assert _broken_by(desk, alone, notional="1") == ["I3: the notional is that of what counts"]
    assert _broken_by(desk, parent, cum_qty=nothing, leaves_qty=Decimal(1000), alloc_qty=nothing) == [
        "I3: cumQty is the sum of what counts",
        "I4: cumQty is the sum of what the children handed on",
    ]
    assert _broken_by(desk, parent, place_qty=nothing) == ["I4: placeQty is the sum of what the children count"]
    assert _broken_by(desk, parent, place_qty=Decimal(1001)) == [
        "I4: placeQty is the sum of what the children count",
        "I4: placeQty does not exceed orderQty",
    ]
    assert "I4: what the members got is what the group handed on" in _broken_by(desk, group, alloc_qty=Decimal(1))


def test_questions_about_the_lifecycle_are_answered_for_an_order_or_a_state(desk: Desk) -> None:
    order_id = desk.given("FILLED")
    check = desk.engine.check(order_id=order_id, path=["CLOSED"])
    assert (check.valid, check.path, check.final_state) == (True, ("FILLED", "CLOSED"), "CLOSED")
    assert [(step.to, step.correction) for step in desk.engine.next_states(desk.order(order_id))] == [
        ("CLOSED", False),
        ("LIVE", True),
    ]
    assert desk.engine.check(from_state="EXP", path=["CLOSED"]).valid
    assert not desk.engine.check(from_state="EXP", path=["CLOSED"], profile="matrix").valid
    for arguments, code in (
        ({"order_id": "nobody"}, "OMS-ORDER-001"),
        ({"order_id": order_id, "from_state": "NEW"}, "OMS-VAL-001"),
        ({"from_state": "DONE"}, "OMS-VAL-004"),
        ({"path": ["DONE"]}, "OMS-VAL-004"),
        ({"profile": "loose"}, "OMS-VAL-004"),
    ):
        with pytest.raises(Refused) as refused:
            desk.engine.check(**arguments)
        assert refused.value.problem.error_code == code


def test_counts_count(desk: Desk) -> None:
    desk.given("PART")
    assert desk.engine.counts() == {"orders": 1, "executions": 1, "events": 4}


def test_an_engine_can_stand_on_a_store_of_its_own_making() -> None:
    store = EventStore.open()
    desk = Desk()
    engine = Engine(store, settings=Settings(), clock=desk.clock, new_id=desk.engine._executor._new_id)
    assert engine.execute({"type": "OrderCreateCmd", "order": desk.asked()}).ok
    engine.close()
