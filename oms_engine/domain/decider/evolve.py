"""What does an event change in an order? evolve(state, event) -> state; it never refuses."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Any

from oms_engine.domain.events import (
    AllocationApplied,
    AllocationRejected,
    AllocationReversed,
    Event,
    ExecutionBusted,
    ExecutionCorrected,
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
    OrderGrouped,
    OrderPlaced,
    OrderPlacementChanged,
    OrderRejected,
    OrderReopened,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceRequested,
    OrderUngrouped,
    Share,
    StoredEvent,
)
from oms_engine.domain.model import Execution, Lot, LotKey, Order, OrderState, ReplaceTerms
from oms_engine.domain.quantities import ZERO, add, average, notional, subtract
from oms_engine.domain.vocabulary import (
    OPEN_STATES,
    AllocState,
    CancelState,
    Direction,
    ExecutionStatus,
    PlacementReason,
    Role,
    State,
)

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
    is_group = event.role is Role.GROUP
    order = Order.model_construct(
        **terms,
        id=stored.position,
        version=stored.version,
        state=State.NEW,
        cancel_state=None,
        orig_cl_ord_id=None,
        pending_replace=None,
        cum_qty=ZERO,
        leaves_qty=event.order_qty,
        avg_px=ZERO,
        place_qty=ZERO,
        alloc_qty=ZERO,
        pending_alloc_qty=ZERO,
        alloc_state=AllocState.NEW if is_group or event.parent_order_id else None,
        group_order_id=event.order_id if is_group else None,
        grouped_at=None,
        grouped_by=None,
        is_grouped_order=is_group,
        member_count=None,
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


def _placement_changed(state: OrderState, event: OrderPlacementChanged, _: StoredEvent) -> OrderState:
    after = _with(state, place_qty=add(state.order.place_qty, event.place_qty_delta))
    if event.reason is PlacementReason.CHILD_CREATED:
        return replace(after, children=(*state.children, event.child_order_id))
    return after


def _accepted(state: OrderState, event: OrderAccepted, _: StoredEvent) -> OrderState:
    if event.order_qty is None:
        return _with(state, state=State.LIVE)
    return _with(state, state=State.LIVE, order_qty=event.order_qty, leaves_qty=event.order_qty)


def _filled(state: OrderState, _event: OrderFilled, _: StoredEvent) -> OrderState:
    return _with(state, state=State.FILLED)


def _rejected(state: OrderState, event: OrderRejected, _: StoredEvent) -> OrderState:
    after = _with(state, state=State.REJ, leaves_qty=ZERO)
    return replace(after, rejection=event.ord_rej_reason, ended_by_market=True)


def _cancel_requested(state: OrderState, _event: OrderCancelRequested, _: StoredEvent) -> OrderState:
    return replace(_with(state, cancel_state=CancelState.PCXL), late_cancel=False, refusal=None)


def _cancelled(state: OrderState, event: OrderCancelled, _: StoredEvent) -> OrderState:
    after = _with(state, state=State.CXL, cancel_state=CancelState.CXL, leaves_qty=ZERO)
    return replace(after, ended_by_market=event.unsolicited)


def _cancel_rejected(state: OrderState, event: OrderCancelRejected, _: StoredEvent) -> OrderState:
    """A refusal that the order's end brought about leaves the market's own refusal to come late."""
    late = state.order.state not in OPEN_STATES
    return replace(_with(state, cancel_state=CancelState.REJ), late_cancel=late, refusal=event.cxl_rej_reason)


def _replace_requested(state: OrderState, event: OrderReplaceRequested, _: StoredEvent) -> OrderState:
    asked = _with(
        state,
        cancel_state=CancelState.PMOD,
        pending_replace=event.requested,
        cl_ord_id=event.cl_ord_id,
        orig_cl_ord_id=event.orig_cl_ord_id,
    )
    before = (state.order.cl_ord_id, state.order.orig_cl_ord_id)
    return replace(asked, late_replace=False, refusal=None, restore=before)


def _replaced(state: OrderState, event: OrderReplaced, _: StoredEvent) -> OrderState:
    changes = changes_of(event.changed)
    after = _with(state, **changes, cancel_state=None, pending_replace=None)
    return replace(_settled(after), restore=None)


def changes_of(terms: ReplaceTerms) -> dict[str, Any]:
    """The values that a replace names."""
    return {name: value for name in ReplaceTerms.model_fields if (value := getattr(terms, name)) is not None}


def _replace_rejected(state: OrderState, event: OrderReplaceRejected, _: StoredEvent) -> OrderState:
    """A refusal whose reason is what happened meanwhile leaves the market's own refusal to come late."""
    cl_ord_id, orig_cl_ord_id = state.restore or (state.order.cl_ord_id, state.order.orig_cl_ord_id)
    after = _with(
        state,
        cancel_state=CancelState.REJ,
        pending_replace=None,
        cl_ord_id=cl_ord_id,
        orig_cl_ord_id=orig_cl_ord_id,
    )
    return replace(after, late_replace=not event.answered, refusal=event.cxl_rej_reason, restore=None)


def _expired(state: OrderState, event: OrderExpired, _: StoredEvent) -> OrderState:
    after = _with(state, state=State.EXP, leaves_qty=ZERO, tif_timestamp=event.tif_timestamp)
    return replace(after, ended_by_market=True)


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
        orig_last_qty=None,
        orig_last_px=None,
        status_reason=None,
        requested_by=None,
        approved_by=None,
        status_at=None,
    )
    return _book(state, execution, event.last_qty, notional(event.last_qty, event.last_px))


def _corrected(state: OrderState, event: ExecutionCorrected, stored: StoredEvent) -> OrderState:
    before = state.executions[event.exec_ref_id]
    first = before.orig_last_qty is None
    execution = before.model_copy(
        update={
            "status": ExecutionStatus.CORRECTED,
            "last_qty": event.last_qty,
            "last_px": event.last_px,
            "orig_last_qty": before.last_qty if first else before.orig_last_qty,
            "orig_last_px": before.last_px if first else before.orig_last_px,
            "status_reason": event.reason,
            "status_at": stored.recorded_at,
        }
    )
    amount = subtract(notional(event.last_qty, event.last_px), notional(before.last_qty, before.last_px))
    corrected = _book(state, execution, event.qty_delta, amount)
    if event.exec_id is None:
        return corrected
    return replace(corrected, correcting=corrected.correcting | {event.exec_id})


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
    moved = _moved(state, quantity, amount)
    return replace(moved, executions={**state.executions, execution.exec_id: execution})


def _moved(state: OrderState, quantity: Decimal, amount: Decimal) -> OrderState:
    """The order with so much more executed, or received."""
    cum_qty = add(state.order.cum_qty, quantity)
    total = add(state.notional, amount)
    return _settled(replace(_with(state, cum_qty=cum_qty, avg_px=average(total, cum_qty)), notional=total))


def _settled(state: OrderState) -> OrderState:
    """The order with the quantities that follow from the others."""
    order = state.order
    open_qty = order.order_qty if order.order_qty is None else subtract(order.order_qty, order.cum_qty)
    changes: dict[str, Any] = {"leaves_qty": ZERO if order.state in NO_LEAVES else open_qty}
    if state.has_receiver:
        pending = subtract(order.cum_qty, order.alloc_qty)
        changes |= {"pending_alloc_qty": pending, "alloc_state": _alloc_state(state, pending)}
    else:
        changes["alloc_qty"] = order.cum_qty
    return _with(state, **changes)


def _alloc_state(state: OrderState, pending: Decimal) -> AllocState:
    if pending:
        return AllocState.ALLOC_FAILED if state.allocation_refused else AllocState.PENDING_ALLOC
    return AllocState.ALLOCATED if state.order.alloc_qty else AllocState.NEW


def _grouped(state: OrderState, event: OrderGrouped, stored: StoredEvent) -> OrderState:
    members = tuple(sorted(event.member_order_ids or ()))
    changes: dict[str, Any] = {"grouped_at": stored.recorded_at, "grouped_by": event.grouped_by}
    if members:
        return replace(_with(state, **changes, member_count=len(members)), members=members)
    return _with(state, **changes, group_order_id=event.group_order_id)


def _ungrouped(state: OrderState, event: OrderUngrouped, _: StoredEvent) -> OrderState:
    if event.order_qty_delta is None:
        return _with(state, group_order_id=None, grouped_at=None, grouped_by=None)
    quantity = add(state.quantity, event.order_qty_delta)
    return replace(_with(state, order_qty=quantity, leaves_qty=quantity, member_count=0), members=())


def _allocated(state: OrderState, event: AllocationApplied, _: StoredEvent) -> OrderState:
    if event.direction is Direction.IN:
        return _received(state, event.lots, sign=1)
    decided = replace(state, allocation_refused=state.allocation_refused and event.approved_by is None)
    return _handed(decided, _shares(event), sign=1)


def _deallocated(state: OrderState, event: AllocationReversed, _: StoredEvent) -> OrderState:
    if event.direction is Direction.IN:
        return _received(state, event.lots, sign=-1)
    return _handed(state, _shares(event), sign=-1)


def _shares(event: AllocationApplied | AllocationReversed) -> tuple[Share, ...]:
    return event.shares or (Share(order_id=event.counterpart or "", lots=event.lots),)


def _received(state: OrderState, lots: Iterable[Lot], *, sign: int) -> OrderState:
    received = dict(state.received)
    quantity = amount = ZERO
    for lot in lots:
        moved = lot.quantity if sign > 0 else lot.quantity.copy_negate()
        held = received[lot.key].quantity if lot.key in received else ZERO
        received[lot.key] = lot.model_copy(update={"quantity": add(held, moved)})
        quantity = add(quantity, moved)
        amount = add(amount, notional(moved, lot.price))
    return _moved(replace(state, received=received), quantity, amount)


def _handed(state: OrderState, shares: Iterable[Share], *, sign: int) -> OrderState:
    handed: dict[LotKey, Mapping[str, Decimal]] = dict(state.handed)
    total = ZERO
    for share in shares:
        for lot in share.lots:
            moved = lot.quantity if sign > 0 else lot.quantity.copy_negate()
            had = handed.get(lot.key, {})
            handed[lot.key] = {**had, share.order_id: add(had.get(share.order_id, ZERO), moved)}
            total = add(total, moved)
    after = _with(state, alloc_qty=add(state.order.alloc_qty, total))
    return _settled(replace(after, handed=handed))


def _allocation_rejected(state: OrderState, _event: AllocationRejected, _: StoredEvent) -> OrderState:
    return _settled(replace(state, allocation_refused=True))


_CHANGES: dict[type[Event], Callable[[OrderState, Any, StoredEvent], OrderState]] = {
    OrderPlaced: _placed,
    OrderPlacementChanged: _placement_changed,
    OrderAccepted: _accepted,
    ExecutionCreated: _executed,
    OrderFilled: _filled,
    OrderRejected: _rejected,
    OrderCancelRequested: _cancel_requested,
    OrderCancelled: _cancelled,
    OrderCancelRejected: _cancel_rejected,
    OrderReplaceRequested: _replace_requested,
    OrderReplaced: _replaced,
    OrderReplaceRejected: _replace_rejected,
    OrderExpired: _expired,
    OrderClosed: _closed,
    OrderReopened: _reopened,
    ExecutionCorrected: _corrected,
    ExecutionWhacked: _taken_back,
    ExecutionBusted: _taken_back,
    OrderGrouped: _grouped,
    OrderUngrouped: _ungrouped,
    AllocationApplied: _allocated,
    AllocationReversed: _deallocated,
    AllocationRejected: _allocation_rejected,
}
