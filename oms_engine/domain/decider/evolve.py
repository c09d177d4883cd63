"""What does an event change? evolve(state, event) -> state; it never refuses."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Any

from oms_engine.domain.events import (
    Event,
    ExecutionBusted,
    ExecutionCreated,
    ExecutionWhacked,
    OrderAccepted,
    OrderCancelled,
    OrderCancelRejected,
    OrderCancelRequested,
    OrderClosed,
    OrderCreated,
    OrderExpired,
    OrderFilled,
    OrderPlaced,
    OrderRejected,
    OrderReopened,
    StoredEvent,
)
from oms_engine.domain.model import Execution, Order, OrderState
from oms_engine.domain.quantities import ZERO, add, average, notional, subtract
from oms_engine.domain.vocabulary import OPEN_STATES, CancelState, ExecutionStatus, State

NO_LEAVES = frozenset({State.CXL, State.REJ, State.EXP, State.CLOSED})
"""States in which nothing is open any more, whatever was executed."""


def evolve(state: OrderState | None, stored: StoredEvent) -> OrderState:
    """The order after an event."""
    event = stored.payload
    if state is None:
        return _created(event, stored)
    after = _CHANGES[type(event)](state, event, stored)
    order = after.order.model_copy(
        update={
            "version": stored.version,
            "updated_at": stored.recorded_at,
            "transact_time": stored.recorded_at,
        }
    )
    return replace(after, order=order)


def fold(events: Iterable[StoredEvent], state: OrderState | None = None) -> OrderState | None:
    """The order after all these events; None when there are none."""
    return reduce(evolve, events, state)


def _created(event: Event, stored: StoredEvent) -> OrderState:
    assert isinstance(event, OrderCreated)  # noqa: S101 - the store keeps the first event of a stream
    terms = {name: getattr(event, name) for name in OrderCreated.model_fields if name != "transact_time"}
    order = Order.model_construct(
        **terms,
        id=stored.position,
        version=stored.version,
        state=State.NEW,
        cancel_state=None,
        cum_qty=ZERO,
        leaves_qty=event.order_qty,
        avg_px=ZERO,
        alloc_qty=ZERO,
        transact_time=stored.recorded_at,
        tif_timestamp=None,
        created_at=stored.recorded_at,
        updated_at=stored.recorded_at,
    )
    return OrderState(order)


def _with(before: OrderState, /, **changes: Any) -> OrderState:  # noqa: ANN401 - fields of an order
    return replace(before, order=before.order.model_copy(update=changes))


def _placed(state: OrderState, event: OrderPlaced, _: StoredEvent) -> OrderState:
    changes: dict[str, Any] = {"state": State.UNACK}
    if event.ex_destination is not None:
        changes["ex_destination"] = event.ex_destination
    return _with(state, **changes)


def _accepted(state: OrderState, _event: OrderAccepted, _: StoredEvent) -> OrderState:
    return _with(state, state=State.LIVE)


def _filled(state: OrderState, _event: OrderFilled, _: StoredEvent) -> OrderState:
    return _with(state, state=State.FILLED)


def _rejected(state: OrderState, _event: OrderRejected, _: StoredEvent) -> OrderState:
    return _with(state, state=State.REJ, leaves_qty=ZERO)


def _cancel_requested(state: OrderState, _event: OrderCancelRequested, _: StoredEvent) -> OrderState:
    return replace(_with(state, cancel_state=CancelState.PCXL), late_cancel=False)


def _cancelled(state: OrderState, _event: OrderCancelled, _: StoredEvent) -> OrderState:
    return _with(state, state=State.CXL, cancel_state=CancelState.CXL, leaves_qty=ZERO)


def _cancel_rejected(state: OrderState, _event: OrderCancelRejected, _: StoredEvent) -> OrderState:
    """A refusal that the order's end brought about leaves the market's own refusal to come late."""
    late = state.order.state not in OPEN_STATES
    return replace(_with(state, cancel_state=CancelState.REJ), late_cancel=late)


def _expired(state: OrderState, event: OrderExpired, _: StoredEvent) -> OrderState:
    return _with(state, state=State.EXP, leaves_qty=ZERO, tif_timestamp=event.tif_timestamp)


def _closed(state: OrderState, _event: OrderClosed, _: StoredEvent) -> OrderState:
    return _with(state, state=State.CLOSED, leaves_qty=ZERO)


def _reopened(state: OrderState, _event: OrderReopened, _: StoredEvent) -> OrderState:
    return _with(state, state=State.LIVE)


def _executed(state: OrderState, event: ExecutionCreated, stored: StoredEvent) -> OrderState:
    facts = {name: getattr(event, name) for name in ExecutionCreated.model_fields}
    execution = Execution.model_construct(
        **facts,
        id=stored.position,
        received_at=stored.recorded_at,
        status=ExecutionStatus.ACTIVE,
        status_reason=None,
        requested_by=None,
        approved_by=None,
        status_at=None,
    )
    return _book(state, execution, event.last_qty, notional(event.last_qty, event.last_px))


def _taken_back(state: OrderState, event: ExecutionWhacked | ExecutionBusted, stored: StoredEvent) -> OrderState:
    before = state.executions[event.exec_id]
    whacked = isinstance(event, ExecutionWhacked)
    execution = before.model_copy(
        update={
            "status": ExecutionStatus.WHACKED if whacked else ExecutionStatus.BUSTED,
            "status_reason": event.reason,
            "requested_by": event.requested_by,
            "approved_by": event.approved_by if isinstance(event, ExecutionWhacked) else None,
            "status_at": stored.recorded_at,
        }
    )
    amount = notional(before.last_qty, before.last_px)
    return _book(state, execution, before.last_qty.copy_negate(), amount.copy_negate())


def _book(state: OrderState, execution: Execution, quantity: Decimal, amount: Decimal) -> OrderState:
    """The order with one execution entered or marked, its quantities and its average moved along."""
    cum_qty = add(state.order.cum_qty, quantity)
    total = add(state.notional, amount)
    after = _with(
        state,
        cum_qty=cum_qty,
        alloc_qty=cum_qty,
        leaves_qty=ZERO if state.order.state in NO_LEAVES else subtract(state.order.order_qty, cum_qty),
        avg_px=average(total, cum_qty),
    )
    return replace(after, executions={**state.executions, execution.exec_id: execution}, notional=total)


_CHANGES: dict[type[Event], Callable[[OrderState, Any, StoredEvent], OrderState]] = {
    OrderPlaced: _placed,
    OrderAccepted: _accepted,
    ExecutionCreated: _executed,
    OrderFilled: _filled,
    OrderRejected: _rejected,
    OrderCancelRequested: _cancel_requested,
    OrderCancelled: _cancelled,
    OrderCancelRejected: _cancel_rejected,
    OrderExpired: _expired,
    OrderClosed: _closed,
    OrderReopened: _reopened,
    ExecutionWhacked: _taken_back,
    ExecutionBusted: _taken_back,
}
