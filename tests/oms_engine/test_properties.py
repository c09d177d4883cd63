"""What stays true whatever is sent? Random commands, and the promises of the event store after each of them."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine import CommandResult
from oms_engine.domain.decider.evolve import evolve, fold
from oms_engine.domain.lifecycle import MACHINES
from oms_engine.domain.model import OrderState
from oms_engine.record import canonical_json
from oms_engine.storage.projections import EXECUTIONS, ORDERS
from tests.oms_engine.desk import READ_MODEL, Desk

Envelope = Mapping[str, Any]

order_ids = st.sampled_from(["o1", "o2", "o3"])
quantities = st.sampled_from(["1", "300", "700", "1000", "0.00000001", "999.99999999", "0", "-1", "1000.00000001"])
prices = st.sampled_from(["100", "99.99999999", "0.00000001", "123456789012345678.12345678"])
fill = st.fixed_dictionaries(
    {"orderId": order_ids, "execId": st.sampled_from(["e1", "e2", "e3", "e4"]), "lastQty": quantities, "lastPx": prices}
)
fills = st.fixed_dictionaries({"type": st.just("ExecutionCreateCmd"), "execution": fill})
corrections = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ExecutionWhackCmd", "ExecutionBustCmd"]),
        "execId": st.sampled_from(["e1", "e2", "e3"]),
        "requestedBy": st.just("ann"),
    },
    optional={"orderId": order_ids},
).map(lambda made: made | ({"approvedBy": "bob", "approvalLevel": "RISK_COMMITTEE"} if "Whack" in made["type"] else {}))
simple = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                "OrderPlaceCmd",
                "OrderAcceptCmd",
                "OrderAcceptCmd",
                "OrderRejectCmd",
                "OrderCancelCmd",
                "OrderCancelAcceptCmd",
                "OrderCancelRejectCmd",
                "OrderExpireCmd",
                "OrderCloseCmd",
            ]
        ),
        "orderId": order_ids,
    },
    optional={"commandId": st.sampled_from(["K1", "K2", "K3"]), "expectedVersion": st.integers(1, 6)},
)
order = st.fixed_dictionaries(
    {
        "orderId": order_ids,
        "clOrdId": st.sampled_from(["c1", "c2", "c3"]),
        "account": st.just("A"),
        "symbol": st.sampled_from(["IBM", "BTC"]),
        "side": st.just("BUY"),
        "ordType": st.just("LIMIT"),
        "orderQty": st.sampled_from(["1000", "1000.0", "1"]),
        "price": st.just("5"),
    },
    optional={"handlInst": st.just("MANUAL"), "timeInForce": st.just("GOOD_TILL_CANCEL")},
)
creates = st.fixed_dictionaries({"type": st.just("OrderCreateCmd"), "order": order})
envelopes = st.one_of(creates, simple, simple, fills, fills, corrections)
START: list[Envelope] = [
    {
        "type": "OrderCreateCmd",
        "order": {
            "orderId": name, "clOrdId": f"start-{name}", "account": "A", "symbol": "IBM", "side": "BUY",
            "ordType": "LIMIT", "orderQty": "1000", "price": "5",
        },
    }
    for name in ("o1", "o2")
]  # fmt: skip
sequences = st.lists(envelopes, min_size=1, max_size=25).map(
    lambda drawn: [*START, {"type": "OrderAcceptCmd", "orderId": "o1"}, *drawn]
)


def play(desk: Desk, sequence: list[Envelope]) -> list[CommandResult]:
    return [desk.engine.execute(envelope) for envelope in sequence]


def orders(desk: Desk) -> list[str]:
    return [row[0] for row in desk.engine._store.connection.execute("SELECT order_id FROM orders ORDER BY id")]


def hold(state: OrderState) -> bool:
    """I1 to I3 of an order that stands alone."""
    order = state.order
    assert order.order_qty is not None
    active = [one for one in state.executions.values() if one.status in {"ACTIVE", "CORRECTED"}]
    has_leaves = order.state in {"NEW", "UNACK", "LIVE", "FILLED"}
    return all(
        (
            0 <= order.cum_qty <= order.order_qty,
            order.leaves_qty == (order.order_qty - order.cum_qty if has_leaves else 0),
            order.state != "FILLED" or order.cum_qty == order.order_qty,
            order.state != "LIVE" or order.cum_qty < order.order_qty,
            order.state != "REJ" or order.cum_qty == 0,
            order.cum_qty == order.alloc_qty == sum((one.last_qty for one in active), Decimal(0)),
        )
    )


def without_times(result: CommandResult) -> dict[str, Any]:
    tasks = tuple(task.model_copy(update={"duration_micros": 0}) for task in result.tasks)
    return result.model_copy(update={"tasks": tasks}).to_wire()


@given(sequence=sequences)
def test_invariants_hold_and_every_step_is_part_of_the_lifecycle(sequence: list[Envelope]) -> None:
    desk = Desk()
    machine = MACHINES["standard"]
    for result in play(desk, sequence):
        assert result.error is None or not result.error.error_code.startswith("OMS-SYS")
    for order_id in orders(desk):
        states = [desk.engine.state_at(order_id, event.version) for event in desk.engine.history(order_id)]
        for state in states:
            assert state is not None
        for before, after in pairwise(state.order.state for state in states if state):
            assert (
                before == after
                or machine.is_valid_transition(before, after)
                or machine.is_valid_correction(before, after)
            )
        final = states[-1]
        assert final
        assert hold(final)
        whole = [desk.engine.state_at(order_id)]
        assert whole == [final]


@given(sequence=sequences)
def test_versions_and_positions_have_no_gaps(sequence: list[Envelope]) -> None:
    desk = Desk()
    results = play(desk, sequence)
    events = desk.engine.events(limit=10_000)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    for order_id in orders(desk):
        history = desk.engine.history(order_id)
        assert [event.version for event in history] == list(range(1, len(history) + 1))
        assert desk.order(order_id).version == len(history)
        assert desk.order(order_id).id == history[0].position
    written = [event.position for result in results if not result.duplicate for event in result.events]
    assert written == [event.position for event in events]


@given(sequence=sequences)
def test_the_fold_of_all_events_is_what_the_rows_hold(sequence: list[Envelope]) -> None:
    desk = Desk()
    play(desk, sequence)
    for order_id in orders(desk):
        history = desk.engine.history(order_id)
        state = fold(history)
        assert state is not None
        assert state == fold(history[2:], fold(history[:2]))
        assert canonical_json(state.order.to_wire()) == canonical_json(desk.order(order_id).to_wire())
        connection = desk.engine._store.connection
        row = connection.execute(f"SELECT {', '.join(ORDERS.columns)} FROM orders WHERE order_id = ?", (order_id,))  # noqa: S608 - own names
        assert row.fetchone() == ORDERS.row(state.order)
        rows = connection.execute(
            f"SELECT {', '.join(EXECUTIONS.columns)} FROM executions WHERE order_id = ? ORDER BY id",  # noqa: S608 - own names
            (order_id,),
        )
        assert rows.fetchall() == [EXECUTIONS.row(one) for one in state.executions.values()]


@given(sequence=sequences)
def test_a_rebuilt_read_model_is_the_same_to_the_byte(sequence: list[Envelope]) -> None:
    desk = Desk()
    play(desk, sequence)
    before = desk.rows(READ_MODEL)
    with desk.engine._store.writing():
        for table in READ_MODEL:
            key = "quote_req_id" if "quote" in table else "order_id"
            desk.engine._store.connection.execute(f"UPDATE {table} SET {key} = 'x' || {key}")  # noqa: S608 - own names
        desk.engine._store.commit()
    assert desk.rows(READ_MODEL) != before
    told: list[tuple[int, int]] = []
    total = desk.engine.rebuild(lambda done, every: told.append((done, every)))
    assert desk.rows(READ_MODEL) == before
    assert told[-1] == (total, total) == (desk.engine.counts()["events"],) * 2


@given(sequence=sequences)
def test_what_is_refused_or_repeated_changes_nothing(sequence: list[Envelope]) -> None:
    desk = Desk()
    for envelope in sequence:
        before = desk.rows()
        result = desk.engine.execute(envelope)
        changed = desk.rows() != before
        assert changed == (result.ok and not result.duplicate)
        assert result.ok == (result.error is None)
        assert bool(result.events) or not changed


@given(sequence=sequences)
@settings(max_examples=25)
def test_a_preview_changes_nothing_and_answers_what_would_happen(sequence: list[Envelope]) -> None:
    desk = Desk()
    for envelope in sequence:
        before, now, last = desk.rows(), desk.clock.now, dict(desk.engine._executor._new_id.last)  # type: ignore[attr-defined]
        seen = desk.engine.run(envelope, dry_run=True)
        assert desk.rows() == before
        desk.clock.now = now
        desk.engine._executor._new_id.last = last  # type: ignore[attr-defined] # the ids of the desk
        done = desk.engine.run(envelope)
        assert (seen.before, seen.after, seen.dry_run, done.dry_run) == (done.before, done.after, True, False)
        preview, result = without_times(seen.result), without_times(done.result)
        if done.result.ok and not done.result.duplicate:
            assert preview.pop("message") == result.pop("message") + " (dry run)"
            assert [task["status"] for task in preview.pop("tasks")[:6]] == [
                task["status"] for task in result.pop("tasks")[:6]
            ]
            for event in result["events"]:
                event.pop("position")
        assert preview == result


@given(sequence=sequences)
@settings(max_examples=25)
def test_a_batch_does_what_its_commands_do_one_by_one(sequence: list[Envelope]) -> None:
    alone, together = Desk(), Desk()
    results = play(alone, sequence)
    batch = together.engine.execute_many(sequence)
    assert [without_times(outcome.result) for outcome in batch.outcomes] == [
        without_times(result) for result in results
    ]
    assert together.rows() == alone.rows()
    assert (batch.not_run, batch.rolled_back) == (0, False)


@given(sequence=sequences)
@settings(max_examples=25)
def test_an_atomic_batch_is_all_or_nothing(sequence: list[Envelope]) -> None:
    alone, together = Desk(), Desk()
    results = play(alone, sequence)
    batch = together.engine.execute_many(sequence, atomic=True)
    refused = [index for index, result in enumerate(results) if not result.ok]
    if refused:
        assert (batch.rolled_back, batch.not_run) == (True, len(sequence) - refused[0] - 1)
        assert not any(together.rows().values())
    else:
        assert not batch.rolled_back
        assert together.rows() == alone.rows()


def test_the_first_event_makes_the_order_and_the_next_one_changes_a_copy() -> None:
    desk = Desk()
    order_id = desk.given("UNACK")
    created, placed = desk.engine.history(order_id)
    first = evolve(None, created)
    second = evolve(first, placed)
    assert (first.order.state, second.order.state) == ("NEW", "UNACK")
    assert fold([]) is None
