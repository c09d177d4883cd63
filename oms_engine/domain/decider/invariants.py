"""What must be true of an order after every command? I1 to I4; a violation is a defect of ours."""

from decimal import Decimal

from oms_engine.domain.decider.book import Book
from oms_engine.domain.decider.evolve import NO_LEAVES
from oms_engine.domain.model import OrderState
from oms_engine.domain.quantities import ZERO, add, counted, executed, subtract, total
from oms_engine.domain.vocabulary import OPEN_STATES, State


def broken_invariants(book: Book) -> list[str]:
    """The invariants that do not hold of an order that the command changed, each as `O7: I1: what is wrong`."""
    changed = [state for state in book.touched().values() if isinstance(state, OrderState)]
    return [
        f"{state.order.order_id}: {sentence}"
        for state in changed
        for sentence, holds in (_alone(state) | _with_children(book, state) | _with_members(book, state)).items()
        if not holds
    ]


def _alone(state: OrderState) -> dict[str, bool]:
    order = state.order
    quantity, amount = _sources(state)
    open_qty = order.leaves_qty or ZERO
    if order.state not in NO_LEAVES:
        open_qty = subtract(add(order.cum_qty, open_qty), state.quantity)
    return {
        "I1: cumQty lies between 0 and orderQty": 0 <= order.cum_qty <= state.quantity,
        "I1: leavesQty is not negative": (order.leaves_qty or ZERO) >= 0,
        "I1: cumQty + leavesQty = orderQty, or leavesQty = 0 when nothing is open": not open_qty,
        "I2: a FILLED order is complete": order.state is not State.FILLED or order.cum_qty == order.order_qty,
        "I2: a LIVE order is not complete": order.state is not State.LIVE or order.cum_qty < state.quantity,
        "I2: a REJ order has no fills": order.state is not State.REJ or not order.cum_qty,
        "I3: cumQty is the sum of what counts": order.cum_qty == quantity,
        "I3: the notional is that of what counts": state.notional == amount,
        "I3: allocQty lies between 0 and cumQty": 0 <= order.alloc_qty <= order.cum_qty,
        "I3: no lot is handed on beyond itself": _lots_hold(state),
        "I4: a client order is allocated what it got": state.has_receiver or order.alloc_qty == order.cum_qty,
    }


def _sources(state: OrderState) -> tuple[Decimal, Decimal]:
    """Quantity and notional of the executions that count, or of the lots received."""
    if state.received:
        return total((lot.quantity, lot.price) for lot in state.received.values())
    return executed(state.executions.values())


def _lots_hold(state: OrderState) -> bool:
    for key, shares in state.handed.items():
        handed = ZERO
        for quantity in shares.values():
            handed = add(handed, quantity)
        lot = state.received.get(key)
        fill = state.executions.get(key[1])
        held = lot.quantity if lot else fill.last_qty if fill and fill.is_active else ZERO
        if not 0 <= handed <= held:
            return False
    return True


def _with_children(book: Book, state: OrderState) -> dict[str, bool]:
    if not state.children:
        return {}
    allocated = placed = ZERO
    for child in book.children(state):
        allocated = add(allocated, child.order.alloc_qty)
        placed = add(placed, counted(child, parent_ended=state.order.state not in OPEN_STATES))
    return {
        "I4: cumQty is the sum of what the children handed on": state.order.cum_qty == allocated,
        "I4: placeQty is the sum of what the children count": state.order.place_qty == placed,
        "I4: placeQty does not exceed orderQty": state.order.place_qty <= state.quantity,
    }


def _with_members(book: Book, state: OrderState) -> dict[str, bool]:
    if not state.members:
        return {}
    ordered = received = ZERO
    for member in book.members(state):
        ordered = add(ordered, member.quantity)
        received = add(received, member.order.cum_qty)
    return {
        "I4: orderQty of a group is the sum of its members'": state.quantity == ordered,
        "I4: what the members got is what the group handed on": received == state.order.alloc_qty,
    }
