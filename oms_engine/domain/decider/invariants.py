"""What must be true of an order after every command? I1 to I4; a violation is a defect of ours.

What holds of sums is asked of what the command changed: a sum that was true before and moved by as much as its parts is
true, however many parts there are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, compress, repeat
from operator import is_not
from typing import TypeVar

from oms_engine.domain.decider.book import Book
from oms_engine.domain.decider.evolve import NO_LEAVES
from oms_engine.domain.model import LotKey, OrderState
from oms_engine.domain.quantities import ZERO, add, counted, notional, subtract
from oms_engine.domain.vocabulary import State

K = TypeVar("K")
V = TypeVar("V")


def broken_invariants(book: Book) -> list[str]:
    """The invariants that do not hold of an order that the command changed, each as `O7: I1: what is wrong`."""
    changed = [state for state in book.touched().values() if isinstance(state, OrderState)]
    below = _by_parent(changed)
    return [
        f"{state.order.order_id}: {sentence}"
        for state in changed
        for sentence in chain(
            _alone(state),
            _with_lots(book.before(state.order.order_id), state),
            _with_children(book, state, below.get(state.order.order_id, [])) if state.children else (),
            _with_members(book, state) if state.members else (),
        )
    ]


def _by_parent(changed: Iterable[OrderState]) -> dict[str, list[OrderState]]:
    below: dict[str, list[OrderState]] = {}
    for state in changed:
        below.setdefault(state.order.parent_order_id or "", []).append(state)
    return below


def _alone(state: OrderState) -> Iterator[str]:
    order, quantity = state.order, state.quantity
    cum_qty, leaves_qty = order.cum_qty, order.leaves_qty or ZERO
    if not 0 <= cum_qty <= quantity:
        yield "I1: cumQty lies between 0 and orderQty"
    if leaves_qty < 0:
        yield "I1: leavesQty is not negative"
    if leaves_qty != (ZERO if order.state in NO_LEAVES else subtract(quantity, cum_qty)):
        yield "I1: cumQty + leavesQty = orderQty, or leavesQty = 0 when nothing is open"
    if order.state is State.FILLED and cum_qty != order.order_qty:
        yield "I2: a FILLED order is complete"
    if order.state is State.LIVE and cum_qty >= quantity:
        yield "I2: a LIVE order is not complete"
    if order.state is State.REJ and cum_qty:
        yield "I2: a REJ order has no fills"
    if not 0 <= order.alloc_qty <= cum_qty:
        yield "I3: allocQty lies between 0 and cumQty"
    if not state.has_receiver and order.alloc_qty != cum_qty:
        yield "I4: a client order is allocated what it got"


def _with_lots(before: OrderState | None, after: OrderState) -> Iterator[str]:
    was = before or OrderState(after.order.but(cum_qty=ZERO))
    if (
        after.executions is was.executions
        and after.received is was.received
        and after.handed is was.handed
        and after.order.cum_qty is was.order.cum_qty
        and after.notional is was.notional
    ):
        return  # nothing of this moved
    fills = _changed(was.executions, after.executions)
    lots = _changed(was.received, after.received)
    handed = _changed(was.handed, after.handed)
    had, had_amount = _counting(was, fills, lots)
    has, has_amount = _counting(after, fills, lots)
    order_id = after.order.order_id
    keys = {(order_id, exec_id) for exec_id in fills} | {*lots, *handed}
    one_source = not (after.executions and after.received)
    if not one_source or subtract(after.order.cum_qty, was.order.cum_qty) != subtract(has, had):
        yield "I3: cumQty is the sum of what counts"
    if subtract(after.notional, was.notional) != subtract(has_amount, had_amount):
        yield "I3: the notional is that of what counts"
    if not all(_holds(after, key) for key in keys):
        yield "I3: no lot is handed on beyond itself"


def _changed(before: Mapping[K, V], after: Mapping[K, V]) -> list[K]:
    """The keys under which something else stands than before; what is new stands behind what was there."""
    if before is after:
        return []
    return list(compress(after, map(is_not, after.values(), chain(before.values(), repeat(None)))))


def _counting(state: OrderState, exec_ids: Iterable[str], keys: Iterable[LotKey]) -> tuple[Decimal, Decimal]:
    """Quantity and notional of these executions and lots, as far as the order has them and they count."""
    quantity = amount = ZERO
    for exec_id in exec_ids:
        fill = state.executions.get(exec_id)
        if fill is not None and fill.is_active:
            quantity = add(quantity, fill.last_qty)
            amount = add(amount, notional(fill.last_qty, fill.last_px))
    for key in keys:
        lot = state.received.get(key)
        if lot is not None:
            quantity = add(quantity, lot.quantity)
            amount = add(amount, notional(lot.quantity, lot.price))
    return quantity, amount


def _holds(state: OrderState, key: LotKey) -> bool:
    handed = ZERO
    for quantity in state.handed.get(key, {}).values():
        handed = add(handed, quantity)
    lot = state.received.get(key)
    fill = state.executions.get(key[1])
    held = lot.quantity if lot else fill.last_qty if fill and fill.is_active else ZERO
    return 0 <= handed <= held


def _with_children(book: Book, state: OrderState, changed: Sequence[OrderState]) -> Iterator[str]:
    before = book.before(state.order.order_id)
    cum_qty, place_qty = state.order.cum_qty, state.order.place_qty
    if before is not None and before.has_ended is state.has_ended:
        cum_qty = subtract(cum_qty, before.order.cum_qty)
        place_qty = subtract(place_qty, before.order.place_qty)
        had = [book.before(child.order.order_id) for child in changed]
    else:
        changed, had = book.children(state), []
    allocated, placed = _below(changed, parent_ended=state.has_ended)
    had_allocated, had_placed = _below((child for child in had if child), parent_ended=state.has_ended)
    if cum_qty != subtract(allocated, had_allocated):
        yield "I4: cumQty is the sum of what the children handed on"
    if place_qty != subtract(placed, had_placed):
        yield "I4: placeQty is the sum of what the children count"
    if state.order.place_qty > state.quantity:
        yield "I4: placeQty does not exceed orderQty"


def _below(children: Iterable[OrderState], *, parent_ended: bool) -> tuple[Decimal, Decimal]:
    """What these children handed on, and what they count in their parent's placeQty."""
    allocated = placed = ZERO
    for child in children:
        allocated = add(allocated, child.order.alloc_qty)
        placed = add(placed, counted(child, parent_ended=parent_ended))
    return allocated, placed


def _with_members(book: Book, state: OrderState) -> Iterator[str]:
    ordered = received = ZERO
    for member in book.members(state):
        ordered = add(ordered, member.quantity)
        received = add(received, member.order.cum_qty)
    if state.quantity != ordered:
        yield "I4: orderQty of a group is the sum of its members'"
    if received != state.order.alloc_qty:
        yield "I4: what the members got is what the group handed on"
