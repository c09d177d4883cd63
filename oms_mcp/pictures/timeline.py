"""What happened to an order, one event after the other, and how did it stand after each?"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from heapq import nlargest
from operator import attrgetter

from oms_engine import Engine, StoredEvent
from oms_engine.domain import events as happened
from oms_engine.domain.decider.evolve import evolve, fold
from oms_engine.domain.events import Event
from oms_engine.domain.model import Order, ReplaceTerms
from oms_engine.domain.vocabulary import AllocState, CancelState, Direction, State
from oms_engine.record import Exact, Instant, Record, plain
from oms_mcp.pictures.labels import label, terms_of

MOST_MOMENTS = 500
MOST_ORDERS = 100


class Moment(Record):
    """One event of an order, and the order right after it.

    Attributes:
        said: What the event says in a few words, such as `E1 300 @ 100.5`; empty where its name says it all.
        changed: The state is another one than before.
    """

    order_id: str
    version: int
    position: int
    time: Instant
    event: str
    said: str
    actor: str
    state: State
    changed: bool
    cancel_state: CancelState | None = None
    alloc_state: AllocState | None = None
    order_qty: Exact | None = None
    cum_qty: Exact
    leaves_qty: Exact | None = None
    avg_px: Exact

    @property
    def substates(self) -> tuple[str, ...]:
        """What stands beside the state: the last request, and where the allocation is."""
        told = [each.value for each in (self.cancel_state, self.alloc_state) if each not in {None, AllocState.NEW}]
        return tuple(each for each in told if each != self.state.value)


class Timeline(Record):
    """The events of an order or of its tree, oldest first.

    Attributes:
        order_id: The order that was asked for.
        terms: What it asks for, as it stands now.
        orders: The orders that are told of; one unless it is the timeline of a tree.
        left_out: Earlier events that are not told, because there are too many.
        orders_left_out: Orders of the tree of which nothing is told.
    """

    order_id: str
    terms: str
    orders: tuple[str, ...]
    moments: tuple[Moment, ...]
    left_out: int = 0
    orders_left_out: int = 0


def timeline_of(engine: Engine, order_id: str, *, whole_tree: bool = False, most: int = MOST_MOMENTS) -> Timeline:
    """The timeline of an order, or of all orders of its tree.

    Args:
        engine: The engine, or one that shows the past.
        order_id: The order.
        whole_tree: The other orders of its tree are told of, too.
        most: So many events at most, the last ones.

    Raises:
        Refused: OMS-ORDER-001, there is no such order.
    """
    order = engine.find(order_id)
    family = _family(engine, order) if whole_tree else [order_id]
    told = family[:MOST_ORDERS]
    found: list[Moment] = []
    events = 0
    for name in told:
        history = engine.history(name)
        events += len(history)
        found += _moments(name, history, most)
    kept = sorted(nlargest(most, found, key=attrgetter("position")), key=attrgetter("position"))
    return Timeline(
        order_id=order_id,
        terms=terms_of(order),
        orders=tuple(told),
        moments=tuple(kept),
        left_out=events - len(kept),
        orders_left_out=len(family) - len(told),
    )


def _family(engine: Engine, order: Order) -> list[str]:
    """The order itself, then the others of its tree from the root down."""
    others = (each.order_id for each in engine.tree(order.order_id).orders)
    return [order.order_id, *(name for name in others if name != order.order_id)]


def _moments(order_id: str, history: Sequence[StoredEvent], most: int) -> Iterator[Moment]:
    """The last events of an order, each with the order after it."""
    state = fold(history[:-most])
    for event in history[-most:]:
        before = state.order.state if state else None
        state = evolve(state, event)
        order = state.order
        yield Moment(
            order_id=order_id,
            version=event.version,
            position=event.position,
            time=event.recorded_at,
            event=event.type,
            said=label(said(event.payload, order)),
            actor=label(event.actor),
            state=order.state,
            changed=order.state is not before,
            cancel_state=order.cancel_state,
            alloc_state=order.alloc_state,
            order_qty=order.order_qty,
            cum_qty=order.cum_qty,
            leaves_qty=order.leaves_qty,
            avg_px=order.avg_px,
        )


def said(event: Event, after: Order) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each kind of event
    """What an event says, in a few words."""
    match event:
        case happened.OrderCreated():
            return terms_of(after)
        case happened.OrderPlaced():
            return f"to {event.ex_destination}" if event.ex_destination else ""
        case happened.OrderPlacementChanged():
            return f"{event.child_order_id} {_signed(event.place_qty_delta)}"
        case happened.ExecutionCreated():
            return f"{event.exec_id} {plain(event.last_qty)} @ {plain(event.last_px)}"
        case happened.ExecutionCorrected():
            return f"{event.exec_ref_id} is {plain(event.last_qty)} @ {plain(event.last_px)}"
        case happened.ExecutionWhacked() | happened.ExecutionBusted():
            return f"{event.exec_id} {plain(event.quantity)} taken back"
        case happened.OrderCancelled():
            return f"{plain(event.cancelled_qty)} cancelled{', unasked' if event.unsolicited else ''}"
        case happened.OrderExpired():
            return f"{plain(event.expired_qty)} expired"
        case happened.OrderRejected():
            return event.ord_rej_reason.name
        case happened.OrderCancelRejected() | happened.OrderReplaceRejected():
            return event.cxl_rej_reason.name
        case happened.OrderReplaceRequested():
            return _terms(event.requested)
        case happened.OrderReplaced():
            return _terms(event.changed)
        case happened.AllocationApplied() | happened.AllocationReversed():
            total = plain(sum((lot.quantity for lot in event.lots), Decimal(0)))
            way = "to" if event.direction is Direction.OUT else "from"
            return f"{total} {way} {event.counterpart or f'{len(event.shares or ())} members'}"
        case happened.AllocationRejected():
            return f"{plain(event.quantity)} stays pending"
        case happened.OrderGrouped():
            return f"{len(event.member_order_ids)} members" if event.member_order_ids else f"in {event.group_order_id}"
        case happened.OrderReopened():
            return f"{event.exec_id}: {event.reason}"
        case _:
            return ""


def _signed(value: Decimal) -> str:
    return plain(value) if value < 0 else f"+{plain(value)}"


def _terms(terms: ReplaceTerms) -> str:
    return ", ".join(f"{name} {value}" for name, value in terms.to_wire().items())
