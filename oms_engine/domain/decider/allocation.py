"""Who gets what was executed? Lots handed on level by level, shared among members, and taken back.

A giver hands on what it has in the order it got it (first in, first out); every lot keeps its execution and its price.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from oms_engine.domain.decider.book import Book
from oms_engine.domain.events import AllocationApplied, AllocationReversed, OrderAccepted, Share
from oms_engine.domain.model import Lot, LotKey, OrderState
from oms_engine.domain.quantities import EXACT, ZERO, add, fraction_digits, is_multiple, subtract
from oms_engine.domain.vocabulary import Direction, State


@dataclass(frozen=True, slots=True)
class MemberShare:
    """What a member of a group asked for and has, as the deficit rule looks at it.

    Attributes:
        order_id: The member.
        quantity: What it asked for.
        allocated: What it has.
        is_closed: It is settled: it counts for the targets of all and gets nothing more.
    """

    order_id: str
    quantity: Decimal
    allocated: Decimal
    is_closed: bool = False

    @property
    def room(self) -> Decimal:
        """What it may still get."""
        return ZERO if self.is_closed else subtract(self.quantity, self.allocated)


def lots_of(state: OrderState) -> list[Lot]:
    """What an order has not handed on yet, in the order it got it: of its executions, or of the lots it received.

    What is pending is mostly the newest, so the lots are looked at from the newest on until all of it is found.
    """
    free: list[Lot] = []
    pending = state.order.pending_alloc_qty
    for lot in _newest_first(state):
        if pending <= 0:
            break
        left = subtract(lot.quantity, handed_on(state, lot.key))
        if left > 0:
            free.append(lot.model_copy(update={"quantity": left}))
            pending = subtract(pending, left)
    free.reverse()
    return free


def _newest_first(state: OrderState) -> Iterator[Lot]:
    if state.received:
        yield from reversed(tuple(state.received.values()))
        return
    for fill in reversed(tuple(state.executions.values())):
        if fill.is_active:
            yield Lot.model_construct(
                order_id=state.order.order_id, exec_id=fill.exec_id, quantity=fill.last_qty, price=fill.last_px
            )


def handed_on(state: OrderState, key: LotKey) -> Decimal:
    """How much of a lot an order has handed on."""
    total = ZERO
    for quantity in state.handed.get(key, {}).values():
        total = add(total, quantity)
    return total


def first_in_first_out(state: OrderState, quantity: Decimal) -> list[Lot]:
    """The lots that make up a quantity, oldest first, of what is not handed on yet (ALC-05)."""
    taken: list[Lot] = []
    for lot in lots_of(state):
        part = min(lot.quantity, quantity)
        if part > 0:
            taken.append(lot.model_copy(update={"quantity": part}))
            quantity = subtract(quantity, part)
    return taken


def hand_on(book: Book, order_id: str, quantity: Decimal, *, approved_by: str | None = None) -> None:
    """Give a quantity to the parent or to the members; both sides write it down."""
    giver = book.order(order_id)
    lots = tuple(first_in_first_out(giver, quantity))
    if not lots:
        return
    shares = _shares(book, giver, lots)
    out = AllocationApplied(
        direction=Direction.OUT,
        counterpart=giver.order.parent_order_id,
        lots=lots,
        shares=shares or None,
        approved_by=approved_by,
    )
    book.record(order_id, out, cause=None if approved_by else order_id)
    for share in shares or (Share(order_id=giver.order.parent_order_id or "", lots=lots),):
        if book.order(share.order_id).order.state is State.UNACK:
            book.record(share.order_id, OrderAccepted(followed_order_id=order_id), cause=order_id)
        entered = AllocationApplied(
            direction=Direction.IN, counterpart=order_id, lots=share.lots, approved_by=approved_by
        )
        book.record(share.order_id, entered, cause=order_id)


def _shares(book: Book, giver: OrderState, lots: Sequence[Lot]) -> tuple[Share, ...]:
    """Of a group: what each member gets, lot by lot; nothing for an order with a parent."""
    if not giver.order.is_grouped_order:
        return ()
    unit = book.settings.allocation_unit
    members = [_member(state) for state in book.members(giver)]
    got: dict[str, list[Lot]] = {member.order_id: [] for member in members}
    for lot in lots:
        given = share_out(lot.quantity, members, unit)
        members = [replace(each, allocated=add(each.allocated, given[each.order_id])) for each in members]
        for order_id, quantity in given.items():
            if quantity:
                got[order_id].append(lot.model_copy(update={"quantity": quantity}))
    return tuple(Share(order_id=order_id, lots=tuple(part)) for order_id, part in got.items() if part)


def _member(state: OrderState) -> MemberShare:
    return MemberShare(
        state.order.order_id, state.quantity, state.order.cum_qty, is_closed=state.order.state is State.CLOSED
    )


def share_out(lot: Decimal, members: Sequence[MemberShare], unit: Decimal) -> dict[str, Decimal]:
    """Share one lot by the deficit rule; the shares add up to it and no member exceeds its quantity.

    A member's target is its part of everything allocated after this lot; units go one at a time to the member that is
    farthest below its target, ties to the last orderId. Counted in whole numbers, so nothing is rounded.

    The unit is the one given where it divides the lot and what every member asked for, else the finest fraction among
    these. What members have makes it finer only where whole units of the lot do not fit into what they have open: a
    lot of 1 for members that lack 0.7 and 0.3.

    Args:
        lot: The quantity to share; at most what the members have room for.
        members: The members of the group, in any order.
        unit: Smallest share.
    """
    ranked = sorted(members, key=lambda member: member.order_id)
    unit = _unit_for(lot, ranked, unit)
    fine = _fraction((unit, *(member.quantity for member in ranked), *(member.allocated for member in ranked)))
    step = _count(unit, fine)
    wanted = [_count(member.quantity, fine) for member in ranked]
    had = [_count(member.allocated, fine) for member in ranked]
    whole = sum(wanted)
    after = sum(had) + _count(lot, fine)
    deficits = [quantity * after - allocated * whole for quantity, allocated in zip(wanted, had, strict=True)]
    limits = [_count(member.room, unit) for member in ranked]
    given = _largest_deficits(deficits, limits, whole * step, _count(lot, unit))
    return {member.order_id: EXACT.multiply(Decimal(units), unit) for member, units in zip(ranked, given, strict=True)}


def _unit_for(lot: Decimal, members: Sequence[MemberShare], unit: Decimal) -> Decimal:
    asked = (lot, *(member.quantity for member in members))
    if not all(is_multiple(quantity, unit) for quantity in asked):
        unit = _fraction(asked)
    if sum(_count(member.room, unit) for member in members) >= _count(lot, unit):
        return unit
    return _fraction((unit, *(member.room for member in members)))


def _fraction(quantities: Iterable[Decimal]) -> Decimal:
    """The power of ten of which all are multiples: 1, or the finest fraction among them."""
    return EXACT.scaleb(Decimal(1), -max(map(fraction_digits, quantities)))


def _count(quantity: Decimal, unit: Decimal) -> int:
    """How many whole units a quantity has."""
    return int(EXACT.divide_int(quantity, unit))


def _largest_deficits(deficits: Sequence[int], limits: Sequence[int], scale: int, parts: int) -> list[int]:
    """How many of `parts` units each gets when every unit goes to the largest deficit that is left.

    Deficits are in units x scale, so a unit lowers one by `scale`. All units above a level are given at once, found by
    halving, and those just below it one by one.
    """

    def above(level: int) -> list[int]:
        return [
            min(limit, max(0, -((level * scale - deficit) // scale)))
            for deficit, limit in zip(deficits, limits, strict=True)
        ]

    low = min(deficits) // scale - parts - 1
    high = max(deficits) // scale + 1
    while high - low > 1:
        middle = (low + high) // 2
        if sum(above(middle)) <= parts:
            high = middle
        else:
            low = middle
    given = above(high)
    candidates = [index for index in range(len(given)) if given[index] < limits[index]]
    candidates.sort(key=lambda index: (deficits[index] - given[index] * scale, index), reverse=True)
    for index in candidates[: parts - sum(given)]:
        given[index] += 1
    return given


def take_back(book: Book, order_id: str, lot: Lot) -> None:
    """Reverse what an order handed on of one execution, after those above have given it back (ALC-07).

    The lot names the execution and the price at which it was handed on.
    """
    giver = book.order(order_id)
    handed = {to: quantity for to, quantity in giver.handed.get(lot.key, {}).items() if quantity}
    if not handed:
        return
    shares = tuple(
        Share(order_id=receiver, lots=(lot.model_copy(update={"quantity": quantity}),))
        for receiver, quantity in sorted(handed.items())
    )
    for share in shares:
        take_back(book, share.order_id, lot)
        given_back = AllocationReversed(direction=Direction.IN, counterpart=order_id, lots=share.lots)
        book.record(share.order_id, given_back, cause=order_id)
    out = AllocationReversed(
        direction=Direction.OUT,
        counterpart=giver.order.parent_order_id,
        lots=(lot.model_copy(update={"quantity": handed_on(giver, lot.key)}),),
        shares=shares if giver.order.is_grouped_order else None,
    )
    book.record(order_id, out, cause=order_id)
