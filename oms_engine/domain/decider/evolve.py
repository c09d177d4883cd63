"""What does an event change in an order? evolve(state, event) -> state; it never refuses.

Events are applied to a draft, so that a long stream is folded with one copy at its beginning. What follows from other
values (leavesQty, avgPx, what is pending) is computed when the draft is finished, not at every event.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

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


class Happened(Protocol):
    """An event with what folding needs to know of its place."""

    @property
    def type(self) -> str: ...  # noqa: D102 - name of the event
    @property
    def payload(self) -> Any: ...  # noqa: ANN401, D102 - an event, or what has its attributes
    @property
    def position(self) -> int: ...  # noqa: D102 - place in the store
    @property
    def version(self) -> int: ...  # noqa: D102 - place in its stream
    @property
    def recorded_at(self) -> datetime: ...  # noqa: D102 - when it was recorded


class Draft:
    """An order while events happen to it.

    Args:
        order: The fields of the order; they belong to the draft.
        beside: What the state holds beside the order, likewise.
    """

    __slots__ = ("_executed", "_owned", "_settles", "beside", "order")

    def __init__(self, order: dict[str, Any], beside: dict[str, Any]) -> None:
        self.order = order
        self.beside = beside
        self._owned: set[str] = set()
        self._executed = False
        self._settles = False

    @classmethod
    def of(cls, state: OrderState) -> "Draft":
        """A draft of an order as it is."""
        return cls({**state.order.__dict__}, {**state.__dict__})

    def own(self, name: str) -> dict[Any, Any]:
        """A mapping of the state that may be changed in place."""
        if name not in self._owned:
            self.beside[name] = dict(self.beside[name])
            self._owned.add(name)
        mapping: dict[Any, Any] = self.beside[name]
        return mapping

    def add(self, quantity: Decimal, amount: Decimal) -> None:
        """So much more is executed here, or received."""
        self.order["cum_qty"] = add(self.order["cum_qty"], quantity)
        self.beside["notional"] = add(self.beside["notional"], amount)
        self._executed = self._settles = True

    def settle(self) -> None:
        """Something changed that other quantities follow from."""
        self._settles = True

    def finished(self, last: Happened) -> OrderState:
        """The order after its last event."""
        order = self.order
        if self._settles:
            self._follow()
        order["version"] = last.version
        order["updated_at"] = order["transact_time"] = last.recorded_at
        self.beside["order"] = Order.made(order)
        return OrderState.made(self.beside)

    def _follow(self) -> None:
        """Set the quantities that follow from the others."""
        order = self.order
        cum_qty, ordered = order["cum_qty"], order["order_qty"]
        if self._executed:
            order["avg_px"] = average(self.beside["notional"], cum_qty)
        if order["state"] in NO_LEAVES:
            order["leaves_qty"] = ZERO
        else:
            order["leaves_qty"] = None if ordered is None else subtract(ordered, cum_qty)
        if order["parent_order_id"] is None and not order["is_grouped_order"]:
            order["alloc_qty"] = cum_qty
            return
        pending = subtract(cum_qty, order["alloc_qty"])
        order["pending_alloc_qty"] = pending
        if pending:
            refused = self.beside["allocation_refused"]
            order["alloc_state"] = AllocState.ALLOC_FAILED if refused else AllocState.PENDING_ALLOC
        else:
            order["alloc_state"] = AllocState.ALLOCATED if order["alloc_qty"] else AllocState.NEW


def evolve(state: OrderState | None, stored: Happened) -> OrderState:
    """The order after an event."""
    if state is None:
        return _begun(stored).finished(stored)
    draft = Draft.of(state)
    _CHANGES[stored.type](draft, stored.payload, stored)
    return draft.finished(stored)


def fold(events: Iterable[Happened], state: OrderState | None = None) -> OrderState | None:
    """The order after all these events; None when there are none."""
    draft = last = None
    for last in events:
        if draft is not None:
            _CHANGES[last.type](draft, last.payload, last)
        elif state is None:
            draft = _begun(last)
        else:
            draft = Draft.of(state)
            _CHANGES[last.type](draft, last.payload, last)
    return state if draft is None or last is None else draft.finished(last)


_NEW: dict[str, Any] = {
    **Order.blank,
    "state": State.NEW,
    "cancel_state": None,
    "orig_cl_ord_id": None,
    "pending_replace": None,
    "cum_qty": ZERO,
    "avg_px": ZERO,
    "place_qty": ZERO,
    "alloc_qty": ZERO,
    "pending_alloc_qty": ZERO,
    "grouped_at": None,
    "grouped_by": None,
    "member_count": None,
    "tif_timestamp": None,
}
"""What every order begins with."""


def _begun(stored: Happened) -> Draft:
    """What an order is when it was created."""
    assert stored.type == "OrderCreated"  # noqa: S101 - the store keeps the first event of a stream
    event = stored.payload
    is_group = event.role is Role.GROUP
    order = {**_NEW, **event.as_dict()}
    order["id"] = stored.position
    order["leaves_qty"] = event.order_qty
    order["alloc_state"] = AllocState.NEW if is_group or event.parent_order_id else None
    order["group_order_id"] = event.order_id if is_group else None
    order["is_grouped_order"] = is_group
    order["created_at"] = stored.recorded_at
    return Draft(order, {**_EMPTY})


_EMPTY: dict[str, Any] = {
    "executions": {},
    "received": {},
    "handed": {},
    "correcting": frozenset(),
    "notional": ZERO,
    "children": (),
    "members": (),
    "late_cancel": False,
    "late_replace": False,
    "restore": None,
    "refusal": None,
    "rejection": None,
    "ended_by_market": False,
    "allocation_refused": False,
}
"""What stands beside an order that nothing happened to yet; its mappings are never changed in place."""


def _placed(draft: Draft, event: OrderPlaced, _: Happened) -> None:
    draft.order["state"] = State.UNACK
    if event.ex_destination is not None:
        draft.order["ex_destination"] = event.ex_destination


def _placement_changed(draft: Draft, event: OrderPlacementChanged, _: Happened) -> None:
    draft.order["place_qty"] = add(draft.order["place_qty"], event.place_qty_delta)
    if event.reason is PlacementReason.CHILD_CREATED:
        draft.beside["children"] = (*draft.beside["children"], event.child_order_id)


def _accepted(draft: Draft, event: OrderAccepted, _: Happened) -> None:
    draft.order["state"] = State.LIVE
    if event.order_qty is not None:
        draft.order["order_qty"] = event.order_qty
        draft.settle()


def _filled(draft: Draft, _event: OrderFilled, _: Happened) -> None:
    draft.order["state"] = State.FILLED


def _rejected(draft: Draft, event: OrderRejected, _: Happened) -> None:
    draft.order["state"] = State.REJ
    draft.beside["rejection"] = event.ord_rej_reason
    draft.beside["ended_by_market"] = True
    draft.settle()


def _cancel_requested(draft: Draft, _event: OrderCancelRequested, _: Happened) -> None:
    draft.order["cancel_state"] = CancelState.PCXL
    draft.beside["late_cancel"] = False
    draft.beside["refusal"] = None


def _cancelled(draft: Draft, event: OrderCancelled, _: Happened) -> None:
    draft.order["state"] = State.CXL
    draft.order["cancel_state"] = CancelState.CXL
    draft.beside["ended_by_market"] = event.unsolicited
    draft.settle()


def _cancel_rejected(draft: Draft, event: OrderCancelRejected, _: Happened) -> None:
    """A refusal that the order's end brought about leaves the market's own refusal to come late."""
    draft.order["cancel_state"] = CancelState.REJ
    draft.beside["late_cancel"] = draft.order["state"] not in OPEN_STATES
    draft.beside["refusal"] = event.cxl_rej_reason


def _replace_requested(draft: Draft, event: OrderReplaceRequested, _: Happened) -> None:
    order = draft.order
    draft.beside["restore"] = (order["cl_ord_id"], order["orig_cl_ord_id"])
    draft.beside["late_replace"] = False
    draft.beside["refusal"] = None
    order["cancel_state"] = CancelState.PMOD
    order["pending_replace"] = event.requested
    order["cl_ord_id"] = event.cl_ord_id
    order["orig_cl_ord_id"] = event.orig_cl_ord_id


def _replaced(draft: Draft, event: OrderReplaced, _: Happened) -> None:
    draft.order.update(changes_of(event.changed))
    draft.order["cancel_state"] = None
    draft.order["pending_replace"] = None
    draft.beside["restore"] = None
    draft.settle()


def changes_of(terms: ReplaceTerms) -> dict[str, Any]:
    """The values that a replace names."""
    return {name: value for name in ReplaceTerms.model_fields if (value := getattr(terms, name)) is not None}


def _replace_rejected(draft: Draft, event: OrderReplaceRejected, _: Happened) -> None:
    """A refusal whose reason is what happened meanwhile leaves the market's own refusal to come late."""
    order = draft.order
    as_it_was = draft.beside["restore"] or (order["cl_ord_id"], order["orig_cl_ord_id"])
    order["cl_ord_id"], order["orig_cl_ord_id"] = as_it_was
    order["cancel_state"] = CancelState.REJ
    order["pending_replace"] = None
    draft.beside["late_replace"] = not event.answered
    draft.beside["refusal"] = event.cxl_rej_reason
    draft.beside["restore"] = None


def _expired(draft: Draft, event: OrderExpired, _: Happened) -> None:
    draft.order["state"] = State.EXP
    draft.order["tif_timestamp"] = event.tif_timestamp
    draft.beside["ended_by_market"] = True
    draft.settle()


def _closed(draft: Draft, _event: OrderClosed, _: Happened) -> None:
    draft.order["state"] = State.CLOSED
    draft.settle()


def _reopened(draft: Draft, _event: OrderReopened, _: Happened) -> None:
    draft.order["state"] = State.LIVE


_REPORTED: dict[str, Any] = {
    **Execution.blank,
    "status": ExecutionStatus.ACTIVE,
    "orig_last_qty": None,
    "orig_last_px": None,
    "status_reason": None,
    "requested_by": None,
    "approved_by": None,
    "status_at": None,
}


def _executed(draft: Draft, event: ExecutionCreated, stored: Happened) -> None:
    fill = {**_REPORTED, **event.as_dict()}
    fill["id"] = stored.position
    fill["received_at"] = stored.recorded_at
    draft.own("executions")[event.exec_id] = Execution.made(fill)
    draft.add(event.last_qty, notional(event.last_qty, event.last_px))


def _corrected(draft: Draft, event: ExecutionCorrected, stored: Happened) -> None:
    executions = draft.own("executions")
    before: Execution = executions[event.exec_ref_id]
    first = before.orig_last_qty is None
    executions[event.exec_ref_id] = before.but(
        status=ExecutionStatus.CORRECTED,
        last_qty=event.last_qty,
        last_px=event.last_px,
        orig_last_qty=before.last_qty if first else before.orig_last_qty,
        orig_last_px=before.last_px if first else before.orig_last_px,
        status_reason=event.reason,
        status_at=stored.recorded_at,
    )
    amount = subtract(notional(event.last_qty, event.last_px), notional(before.last_qty, before.last_px))
    draft.add(event.qty_delta, amount)
    if event.exec_id is not None:
        draft.beside["correcting"] |= {event.exec_id}


def _whacked(draft: Draft, event: ExecutionWhacked, stored: Happened) -> None:
    _take_back(draft, event, stored, ExecutionStatus.WHACKED, event.approved_by)


def _busted(draft: Draft, event: ExecutionBusted, stored: Happened) -> None:
    _take_back(draft, event, stored, ExecutionStatus.BUSTED, None)


def _take_back(
    draft: Draft,
    event: ExecutionWhacked | ExecutionBusted,
    stored: Happened,
    status: ExecutionStatus,
    approved_by: str | None,
) -> None:
    executions = draft.own("executions")
    before: Execution = executions[event.exec_id]
    executions[event.exec_id] = before.but(
        status=status,
        status_reason=event.reason,
        requested_by=event.requested_by,
        approved_by=approved_by,
        status_at=stored.recorded_at,
    )
    amount = notional(before.last_qty, before.last_px)
    draft.add(before.last_qty.copy_negate(), amount.copy_negate())


def _grouped(draft: Draft, event: OrderGrouped, stored: Happened) -> None:
    members = tuple(sorted(event.member_order_ids or ()))
    draft.order["grouped_at"] = stored.recorded_at
    draft.order["grouped_by"] = event.grouped_by
    if members:
        draft.order["member_count"] = len(members)
        draft.beside["members"] = members
    else:
        draft.order["group_order_id"] = event.group_order_id


def _ungrouped(draft: Draft, event: OrderUngrouped, _: Happened) -> None:
    order = draft.order
    if event.order_qty_delta is None:
        order["group_order_id"] = order["grouped_at"] = order["grouped_by"] = None
        return
    order["order_qty"] = add(order["order_qty"] or ZERO, event.order_qty_delta)
    order["member_count"] = 0
    draft.beside["members"] = ()
    draft.settle()


def _allocated(draft: Draft, event: AllocationApplied, _: Happened) -> None:
    if event.direction is Direction.IN:
        _received(draft, event.lots, sign=1)
        return
    if event.approved_by is not None:
        draft.beside["allocation_refused"] = False
    _handed(draft, _shares(event), sign=1)


def _deallocated(draft: Draft, event: AllocationReversed, _: Happened) -> None:
    if event.direction is Direction.IN:
        _received(draft, event.lots, sign=-1)
    else:
        _handed(draft, _shares(event), sign=-1)


def _shares(event: AllocationApplied | AllocationReversed) -> tuple[Share, ...]:
    return event.shares or (Share.of(order_id=event.counterpart or "", lots=event.lots),)


def _received(draft: Draft, lots: Iterable[Lot], *, sign: int) -> None:
    received = draft.own("received")
    quantity = amount = ZERO
    for lot in lots:
        moved = lot.quantity if sign > 0 else lot.quantity.copy_negate()
        held = received[lot.key].quantity if lot.key in received else ZERO
        received[lot.key] = lot.but(quantity=add(held, moved))
        quantity = add(quantity, moved)
        amount = add(amount, notional(moved, lot.price))
    draft.add(quantity, amount)


def _handed(draft: Draft, shares: Iterable[Share], *, sign: int) -> None:
    handed: dict[LotKey, Mapping[str, Decimal]] = draft.own("handed")
    total = ZERO
    for share in shares:
        for lot in share.lots:
            moved = lot.quantity if sign > 0 else lot.quantity.copy_negate()
            had = handed.get(lot.key, {})
            handed[lot.key] = {**had, share.order_id: add(had.get(share.order_id, ZERO), moved)}
            total = add(total, moved)
    draft.order["alloc_qty"] = add(draft.order["alloc_qty"], total)
    draft.settle()


def _allocation_rejected(draft: Draft, _event: AllocationRejected, _: Happened) -> None:
    draft.beside["allocation_refused"] = True
    draft.settle()


_BY_EVENT: dict[type[Event], Callable[[Draft, Any, Happened], None]] = {
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
    ExecutionWhacked: _whacked,
    ExecutionBusted: _busted,
    OrderGrouped: _grouped,
    OrderUngrouped: _ungrouped,
    AllocationApplied: _allocated,
    AllocationReversed: _deallocated,
    AllocationRejected: _allocation_rejected,
}
_CHANGES = {event.__name__: change for event, change in _BY_EVENT.items()}
"""Event -> what it changes in an order."""

FOLDED = frozenset({OrderCreated.__name__, *_CHANGES})
"""The events of an order."""
