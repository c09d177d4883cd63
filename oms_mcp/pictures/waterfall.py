"""What became of the quantity of an order? From what was ordered down to what is open, step by step."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

from oms_engine import Engine, StoredEvent
from oms_engine.domain.decider.evolve import evolve
from oms_engine.domain.model import Order
from oms_engine.domain.quantities import ZERO, add, subtract
from oms_engine.domain.vocabulary import Side
from oms_engine.record import Exact, Record
from oms_mcp.pictures.labels import label, terms_of
from oms_mcp.pictures.timeline import said

MOST_STEPS = 24
_FIRST = 8
"""Of too many steps so many are told from the beginning, and the others from the end."""


class Kind(StrEnum):
    """What a step does to the open quantity."""

    ORDERED = "ordered"
    REPLACED = "replaced"
    FILLED = "filled"
    RECEIVED = "received"
    CORRECTED = "corrected"
    TAKEN_BACK = "taken back"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    CLOSED = "closed"
    OTHER = "other"
    SUMMARY = "summary"


_CUM: Mapping[str, Kind] = {
    "ExecutionCreated": Kind.FILLED,
    "ExecutionCorrected": Kind.CORRECTED,
    "ExecutionWhacked": Kind.TAKEN_BACK,
    "ExecutionBusted": Kind.TAKEN_BACK,
    "AllocationApplied": Kind.RECEIVED,
    "AllocationReversed": Kind.TAKEN_BACK,
}
"""Event that changes what is executed -> what the step is."""

_ENDED: Mapping[str, Kind] = {
    "OrderCancelled": Kind.CANCELLED,
    "OrderExpired": Kind.EXPIRED,
    "OrderRejected": Kind.REJECTED,
    "OrderClosed": Kind.CLOSED,
}
"""Event that ends an order -> what became of what was open."""


class Step(Record):
    """A change of the open quantity.

    Attributes:
        name: What changed it, such as `E1 300 @ 100.5`.
        change: How much is open more (or less, below 0) than before.
        open_after: What is open after it.
    """

    kind: Kind
    name: str
    change: Exact
    open_after: Exact


class Waterfall(Record):
    """The way of an order's quantity: the changes of all steps add up to what is open.

    Attributes:
        order_qty: What is ordered now; None while that of a cash order is not known.
        place_qty: What of it the children of a parent hold.
        cum_qty: What is executed.
        taken_back: What was executed once and was taken back.
        ended: What ended without being executed: cancelled, expired, rejected.
        leaves_qty: What is open.
        peak: The most that was ever open.
    """

    order_id: str
    terms: str
    side: Side
    order_qty: Exact | None = None
    place_qty: Exact
    cum_qty: Exact
    taken_back: Exact
    ended: Exact
    leaves_qty: Exact | None = None
    peak: Exact
    steps: tuple[Step, ...]


def waterfall_of(engine: Engine, order_id: str, *, most_steps: int = MOST_STEPS) -> Waterfall:
    """The waterfall of an order.

    Args:
        engine: The engine, or one that shows the past.
        order_id: The order.
        most_steps: Of more steps those in the middle become one.

    Raises:
        Refused: OMS-ORDER-001, there is no such order.
    """
    order = engine.find(order_id)
    steps = list(_steps(engine.history(order_id)))
    ordered = order.order_qty or ZERO
    return Waterfall(
        order_id=order_id,
        terms=terms_of(order),
        side=order.side,
        order_qty=order.order_qty,
        place_qty=order.place_qty,
        cum_qty=order.cum_qty,
        taken_back=_sum(each.change for each in steps if each.kind is Kind.TAKEN_BACK),
        ended=subtract(subtract(ordered, order.cum_qty), order.leaves_qty or ZERO),
        leaves_qty=order.leaves_qty,
        peak=max((each.open_after for each in steps), default=ZERO),
        steps=tuple(_shortened(steps, most_steps)),
    )


def _steps(history: Sequence[StoredEvent]) -> Iterator[Step]:
    """What each event changed: what is ordered, what is executed, and what ended with neither."""
    state = None
    was_ordered = was_cum = was_open = ZERO
    for event in history:
        state = evolve(state, event)
        ordered, cum, is_open = _quantities(state.order)
        by_order, by_fills = subtract(ordered, was_ordered), subtract(was_cum, cum)
        by_end = subtract(subtract(subtract(is_open, was_open), by_order), by_fills)
        for kind, change in (
            (Kind.ORDERED if not was_ordered else Kind.REPLACED, by_order),
            (_CUM.get(event.type, Kind.OTHER), by_fills),
            (_ENDED.get(event.type, Kind.OTHER), by_end),
        ):
            if change:
                was_open = add(was_open, change)
                yield Step(kind=kind, name=_name(kind, event, state.order), change=change, open_after=was_open)
        was_ordered, was_cum = ordered, cum


def _quantities(order: Order) -> tuple[Decimal, Decimal, Decimal]:
    """What is ordered, executed and open; 0 for what is not known."""
    return order.order_qty or ZERO, order.cum_qty, order.leaves_qty or ZERO


def _name(kind: Kind, event: StoredEvent, order: Order) -> str:
    match kind:
        case Kind.FILLED | Kind.CORRECTED | Kind.TAKEN_BACK | Kind.RECEIVED:
            return label(said(event.payload, order)).removesuffix(f" {Kind.TAKEN_BACK}")
        case Kind.OTHER:
            return "ended with it"
        case _:
            return ""


def _shortened(steps: list[Step], most: int) -> list[Step]:
    """The steps, those in the middle as one where there are too many."""
    if len(steps) <= most:
        return steps
    rest = most - _FIRST - 1
    middle = steps[_FIRST:-rest]
    change = _sum(each.change for each in middle)
    told = Step(kind=Kind.SUMMARY, name=f"{len(middle):,} more steps", change=change, open_after=middle[-1].open_after)
    return [*steps[:_FIRST], told, *steps[-rest:]]


def _sum(changes: Iterator[Decimal]) -> Decimal:
    total = ZERO
    for change in changes:
        total = add(total, change)
    return total
