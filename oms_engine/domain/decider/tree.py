"""How does a parent follow its children, and how do the members of a group follow it? Rule by rule, level by level.

`follow` is asked once for an order that a command has changed: it compares what the order was with what it is, lets the
parent follow, and goes on upwards. `flow` comes before it and moves the quantities.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from oms_engine.domain.decider.allocation import hand_on, take_back
from oms_engine.domain.decider.book import Book
from oms_engine.domain.events import (
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderCancelRejected,
    OrderCancelRequested,
    OrderExpired,
    OrderFilled,
    OrderPlaced,
    OrderPlacementChanged,
    OrderRejected,
    OrderReopened,
    OrderReplaceRejected,
)
from oms_engine.domain.model import Lot, OrderState
from oms_engine.domain.quantities import ZERO, counted, open_quantity, subtract
from oms_engine.domain.rules.facts import at_rest, is_at_work
from oms_engine.domain.vocabulary import (
    OPEN_STATES,
    WORKING_STATES,
    CancelState,
    CxlRejReason,
    OrdRejReason,
    Origin,
    PlacementReason,
    State,
)


@dataclass(frozen=True, slots=True)
class Situation:
    """A parent and the child that it may have to follow, the child as it was and as it is."""

    book: Book
    parent: OrderState
    child: OrderState
    before: OrderState | None

    @property
    def became(self) -> State | None:
        """The state that the child got into; None when it stays in its state."""
        state = self.child.order.state
        return state if self.before is None or self.before.order.state is not state else None

    @property
    def waits_for_cancel(self) -> bool:
        """Is a cancel of the parent pending?"""
        return self.parent.order.cancel_state is CancelState.PCXL

    def can_become(self, state: State) -> bool:
        """Has the lifecycle the transition of the parent into this state?"""
        return self.book.machine.is_valid_transition(self.parent.order.state, state)

    @property
    def at_rest(self) -> bool:
        """Is nothing of the parent in the market any more, and nothing below waiting to be handed on?"""
        return not is_at_work(self.child) and at_rest(self.parent, self.book.children)

    @property
    def ended_whole_by_market(self) -> bool:
        """Did the market end the last open child of a parent whose whole quantity was placed?"""
        was_open = self.before is not None and self.before.order.state in OPEN_STATES
        if not was_open or self.parent.order.state not in WORKING_STATES or self.waits_for_cancel:
            return False
        was = self.book.before(self.parent.order.order_id)
        placed = was is not None and was.order.place_qty == self.parent.order.order_qty
        if not (placed and self.child.ended_by_market and self.at_rest):
            return False
        return all(child.order.state is not State.NEW for child in self.book.children(self.parent))

    @property
    def id(self) -> str:
        """The orderId of the child, which the parent's event names."""
        return self.child.order.order_id


def _first_child_placed(s: Situation) -> Event | None:
    if s.parent.order.state is State.NEW and s.child.order.state in WORKING_STATES:
        return OrderPlaced(routing="child", followed_order_id=s.id)
    return None


def _first_child_lives(s: Situation) -> Event | None:
    if s.parent.order.state is State.UNACK and s.became in {State.LIVE, State.FILLED}:
        return OrderAccepted(followed_order_id=s.id)
    return None


def _last_child_rejected(s: Situation) -> Event | None:
    if s.parent.order.state is not State.UNACK or s.became is not State.REJ:
        return None
    if any(child.order.state in OPEN_STATES for child in s.book.children(s.parent)):
        return None
    return OrderRejected(ord_rej_reason=_reason(s.child), followed_order_id=s.id)


def _reason(child: OrderState) -> OrdRejReason:
    return child.rejection or OrdRejReason.OTHER


def filled(state: OrderState, followed: str | None = None, exec_id: str | None = None) -> OrderFilled | None:
    """OrderFilled for an order in the market that has got everything."""
    order = state.order
    if order.state in WORKING_STATES and order.cum_qty == order.order_qty:
        return OrderFilled.of(cum_qty=order.cum_qty, avg_px=order.avg_px, exec_id=exec_id, followed_order_id=followed)
    return None


def _waiting_parent_at_rest(s: Situation) -> Event | None:
    if s.waits_for_cancel and s.at_rest and open_quantity(s.parent) and s.can_become(State.CXL):
        return OrderCancelled(cancelled_qty=open_quantity(s.parent), unsolicited=False, followed_order_id=s.id)
    return None


def _cancel_not_possible(s: Situation) -> Event | None:
    if not (s.waits_for_cancel and s.parent.order.auto_forward) or s.child.order.cancel_state is CancelState.PCXL:
        return None
    working = [child for child in s.book.children(s.parent) if child.order.state in WORKING_STATES]
    if any(child.order.cancel_state is CancelState.PCXL for child in working) or not (working or s.at_rest):
        return None
    reasons = [child.refusal for child in working if child.refusal is not None]
    return OrderCancelRejected(cxl_rej_reason=reasons[0] if reasons else CxlRejReason.OTHER)


def _last_child_cancelled(s: Situation) -> Event | None:
    if s.became is State.CXL and s.ended_whole_by_market and s.can_become(State.CXL):
        return OrderCancelled(cancelled_qty=open_quantity(s.parent), unsolicited=True, followed_order_id=s.id)
    return None


def _last_living_child_rejected(s: Situation) -> Event | None:
    if s.became is not State.REJ or not s.ended_whole_by_market:
        return None
    if s.parent.order.cum_qty:
        return OrderCancelled(cancelled_qty=open_quantity(s.parent), unsolicited=True, followed_order_id=s.id)
    return OrderRejected(ord_rej_reason=_reason(s.child), followed_order_id=s.id)


def _last_child_expired(s: Situation) -> Event | None:
    if s.became is State.EXP and s.ended_whole_by_market and s.can_become(State.EXP):
        return OrderExpired(tif_timestamp=s.book.now, expired_qty=open_quantity(s.parent), followed_order_id=s.id)
    return None


PARENT_RULES: dict[str, Callable[[Situation], Event | None]] = {
    "PAR-01": _first_child_placed,
    "PAR-02": _first_child_lives,
    "PAR-03": _last_child_rejected,
    "PAR-05": _waiting_parent_at_rest,
    "PAR-06": _cancel_not_possible,
    "PAR-07": _last_child_cancelled,
    "PAR-08": _last_living_child_rejected,
    "PAR-09": _last_child_expired,
}
"""How the state of a parent follows a child, in the order in which it is asked; what none of them says leaves it."""


def follow(book: Book, order_id: str, cause: str | None = None) -> None:
    """Let everything above and around an order that the command changed follow it.

    An order that has ended need not change when something below it comes to rest, for which those above it may wait:
    they are asked all the same.

    Args:
        book: All that the command touches.
        order_id: The order.
        cause: The order below that changed, where this one did not; what follows was brought about by that one.
    """
    _release_new_children(book, order_id)
    _members_follow(book, order_id)
    parent_id = book.order(order_id).order.parent_order_id
    if parent_id is None:
        return
    _cancel_below_ended(book, parent_id, order_id)
    _parent_follows(book, parent_id, order_id, cause or order_id)
    parent = book.order(parent_id)
    if parent is not book.before(parent_id):
        follow(book, parent_id)
    elif parent.has_ended:
        follow(book, parent_id, cause or order_id)


def _parent_follows(book: Book, parent_id: str, child_id: str, cause: str) -> None:
    _placement_follows(book, parent_id, child_id)
    for rule in PARENT_RULES.values():
        parent = book.order(parent_id)
        if parent.order.state not in OPEN_STATES:
            break
        event = rule(Situation(book, parent, book.order(child_id), book.before(child_id)))
        if event is not None:
            end(book, parent_id, event, cause=cause)


def end(book: Book, order_id: str, event: Event, *, cause: str | None = None) -> None:
    """Let an event happen to an order; a request that is pending when it leaves its open states is resolved."""
    after = book.record(order_id, event, cause=cause)
    if after.order.state in OPEN_STATES:
        return
    if after.order.cancel_state is CancelState.PCXL:
        book.record(order_id, OrderCancelRejected(cxl_rej_reason=CxlRejReason.TOO_LATE), cause=cause)
    if after.order.pending_replace is not None:
        refused = OrderReplaceRejected(cxl_rej_reason=CxlRejReason.TOO_LATE, answered=False)
        book.record(order_id, refused, cause=cause)


def _placement_follows(book: Book, parent_id: str, child_id: str) -> None:
    """The parent's placeQty counts what the child counts now (PAR-10: freed quantity can be placed again)."""
    before, child, parent = book.before(child_id), book.order(child_id), book.order(parent_id)
    was = book.before(parent_id)
    had = counted(before, parent_ended=was is not None and was.has_ended) if before else ZERO
    delta = subtract(counted(child, parent_ended=parent.has_ended), had)
    if before is None or delta:
        change = OrderPlacementChanged(
            child_order_id=child_id, place_qty_delta=delta, reason=_placement_reason(before, child)
        )
        book.record(parent_id, change, cause=child_id)


def _placement_reason(before: OrderState | None, child: OrderState) -> PlacementReason:
    if before is None:
        return PlacementReason.CHILD_CREATED
    if child.order.state in OPEN_STATES:
        return PlacementReason.CHILD_REPLACED
    ended_before = before.order.state not in OPEN_STATES
    return PlacementReason.CHILD_CORRECTED if ended_before else PlacementReason.CHILD_ENDED


def _release_new_children(book: Book, order_id: str) -> None:
    """Children that were never placed count nothing once their parent has ended (PAR-15)."""
    before, after = book.before(order_id), book.order(order_id)
    if not after.has_ended or (before is not None and before.has_ended):
        return
    for child in book.children(after):
        if child.order.state is not State.NEW:
            continue
        child_id = child.order.order_id
        released = OrderPlacementChanged(
            child_order_id=child_id,
            place_qty_delta=counted(child).copy_negate(),
            reason=PlacementReason.CHILD_ENDED,
        )
        book.record(order_id, released)
        if book.machine.is_valid_transition(State.NEW, State.CXL):
            cancel_at_once(book, child_id, OrderCancelRequested(origin=Origin.PARENT), cause=order_id)
            _release_new_children(book, child_id)


def cancel_at_once(book: Book, order_id: str, request: OrderCancelRequested, *, cause: str | None = None) -> None:
    """Cancel an order that was never sent."""
    after = book.record(order_id, request, cause=cause)
    gone = OrderCancelled(cancelled_qty=open_quantity(after), unsolicited=False, followed_order_id=cause)
    end(book, order_id, gone, cause=cause)


def request_cancel(book: Book, order_id: str, request: OrderCancelRequested, *, cause: str | None = None) -> None:
    """Ask for the cancel of an order in the market; a parent asks its children."""
    _ask_below(book, order_id, request, cause)
    _answer_below(book, order_id)


def _ask_below(book: Book, order_id: str, request: OrderCancelRequested, cause: str | None) -> None:
    """Ask an order to cancel, and where cancels are forwarded its open children, and theirs."""
    state = book.record(order_id, request, cause=cause)
    for child in book.children(state) if state.order.auto_forward else ():
        if child.order.state in WORKING_STATES and child.order.cancel_state is not CancelState.PCXL:
            _ask_below(book, child.order.order_id, OrderCancelRequested(origin=Origin.PARENT), cause=order_id)


def _answer_below(book: Book, order_id: str) -> None:
    """A parent that was asked and has nothing in the market is cancelled at once (PAR-19), or stays if it cannot be."""
    state = book.order(order_id)
    for child in book.children(state):
        if child.children and child.order.cancel_state is CancelState.PCXL:
            child_id = child.order.order_id
            _answer_below(book, child_id)
            if book.order(child_id).order.cancel_state is not CancelState.PCXL:
                _release_new_children(book, child_id)
                _parent_follows(book, order_id, child_id, child_id)
    state = book.order(order_id)
    if state.children and state.order.cancel_state is CancelState.PCXL and at_rest(state, book.children):
        if book.machine.is_valid_transition(state.order.state, State.CXL):
            gone = OrderCancelled(cancelled_qty=open_quantity(state), unsolicited=False)
            end(book, order_id, gone, cause=order_id)
        else:
            refused = OrderCancelRejected(cxl_rej_reason=CxlRejReason.BROKER_OPTION)
            book.record(order_id, refused, cause=order_id)


def _cancel_below_ended(book: Book, parent_id: str, child_id: str) -> None:
    """A child that a correction reopens below a parent that has ended is cancelled (PAR-13)."""
    before, child, parent = book.before(child_id), book.order(child_id), book.order(parent_id)
    reopened = before is not None and before.order.state is State.FILLED and child.order.state is State.LIVE
    if reopened and parent.has_ended and child.order.cancel_state is not CancelState.PCXL:
        request_cancel(book, child_id, OrderCancelRequested(origin=Origin.PARENT), cause=parent_id)


def _full(receiver: OrderState, giver_id: str, _reopening: OrderReopened | None) -> Event | None:
    return filled(receiver, giver_id)


def _works_again(receiver: OrderState, _giver_id: str, reopening: OrderReopened | None) -> Event | None:
    return reopening if receiver.order.state is State.FILLED and open_quantity(receiver) else None


RECEIVER_RULES: dict[str, Callable[[OrderState, str, OrderReopened | None], Event | None]] = {
    "PAR-04": _full,
    "PAR-11": _works_again,
}
"""How the state of whoever receives lots, parent or member, follows its quantities."""


def flow(
    book: Book,
    order_id: str,
    *,
    approved: Mapping[str, Decimal] | None = None,
    reopening: OrderReopened | None = None,
) -> None:
    """Hand on upwards what an order and its ancestors may hand on, and let each level become full or work again.

    Args:
        book: The orders.
        order_id: Where something was executed, received or corrected.
        approved: What each order had handed on before a correction, by orderId: that much a manual order hands on
            again, as far as it still has it (ALC-08).
        reopening: What a correction tells a FILLED receiver that is no longer complete.
    """
    giver = book.order(order_id)
    if giver.has_receiver:
        hand_on(book, order_id, _to_hand_on(giver, approved))
        _receivers_follow(book, giver, reopening)
    if giver.order.parent_order_id:
        flow(book, giver.order.parent_order_id, approved=approved, reopening=reopening)


def _to_hand_on(giver: OrderState, approved: Mapping[str, Decimal] | None) -> Decimal:
    """All that is pending of a straight-through order; of a manual one what was approved before."""
    if giver.order.auto_allocation:
        return giver.order.pending_alloc_qty
    if approved is None:
        return ZERO
    return subtract(min(approved[giver.order.order_id], giver.order.cum_qty), giver.order.alloc_qty)


def _receivers_follow(book: Book, giver: OrderState, reopening: OrderReopened | None = None) -> None:
    parent = book.parent(giver)
    for receiver in (parent,) if parent else book.members(giver):
        for rule in RECEIVER_RULES.values():
            event = rule(receiver, giver.order.order_id, reopening)
            if event is not None:
                end(book, receiver.order.order_id, event, cause=giver.order.order_id)


def approve(book: Book, order_id: str, quantity: Decimal, approved_by: str) -> None:
    """Hand on what the desk approved, and from there what goes straight through."""
    hand_on(book, order_id, quantity, approved_by=approved_by)
    giver = book.order(order_id)
    _receivers_follow(book, giver)
    if giver.order.parent_order_id:
        flow(book, giver.order.parent_order_id)
    follow(book, order_id)


def executed(book: Book, order_id: str, exec_id: str, reopening: OrderReopened | None = None) -> None:
    """What a changed cumQty means for the executed order itself: complete, open again, or a replace overtaken."""
    state = book.order(order_id)
    complete = filled(state, exec_id=exec_id)
    if complete is not None:
        end(book, order_id, complete)
    elif reopening is not None and state.order.state is State.FILLED and open_quantity(state):
        book.record(order_id, reopening)
    order = book.order(order_id).order
    asked = order.pending_replace.order_qty if order.pending_replace else None
    if asked is not None and order.cum_qty > asked:
        book.record(order_id, OrderReplaceRejected(cxl_rej_reason=CxlRejReason.TOO_LATE, answered=False))


def correct(book: Book, order_id: str, lot: Lot, event: Event, reason: str) -> None:
    """Restate or take back an execution, and with it what was handed on of it (ALC-07, ALC-08).

    Args:
        book: The orders.
        order_id: The order that was executed.
        lot: The execution as it was.
        event: What happens to it.
        reason: What a FILLED order is told that is no longer complete: WHACK, BUST or CORRECT.
    """
    approved = {state.order.order_id: state.order.alloc_qty for state in book.upwards(order_id)}
    reopening = OrderReopened(reason=reason, exec_id=lot.exec_id)
    book.record(order_id, event)
    executed(book, order_id, lot.exec_id, reopening)
    take_back(book, order_id, lot)
    flow(book, order_id, approved=approved, reopening=reopening)
    follow(book, order_id)


def _members_follow(book: Book, order_id: str) -> None:
    """The members of a group get into its state as it does, and what they have open ends with it (GRP-12)."""
    group = book.order(order_id)
    for member in book.members(group) if book.before(order_id) else ():
        event = _member_event(book, group, member)
        if event is not None:
            end(book, member.order.order_id, event, cause=order_id)


def _member_event(book: Book, group: OrderState, member: OrderState) -> Event | None:
    """What happens to a member because of what its group is; None where it has nothing to follow."""
    group_id = group.order.order_id
    leaves = open_quantity(member)
    ends = member.order.state in OPEN_STATES and leaves and not group.order.pending_alloc_qty
    match group.order.state, member.order.state:
        case State.UNACK, State.NEW:
            return OrderPlaced(routing="group", followed_order_id=group_id)
        case State.LIVE | State.FILLED, State.UNACK:
            return OrderAccepted(followed_order_id=group_id)
        case State.REJ, State.NEW | State.UNACK | State.LIVE:
            return OrderRejected(ord_rej_reason=_reason(group), followed_order_id=group_id)
        case State.CXL, _ if ends:
            return OrderCancelled(cancelled_qty=leaves, unsolicited=group.ended_by_market, followed_order_id=group_id)
        case State.EXP, _ if ends:
            return OrderExpired(tif_timestamp=book.now, expired_qty=leaves, followed_order_id=group_id)
        case _:
            return None
