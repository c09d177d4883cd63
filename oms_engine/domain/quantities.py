"""How are quantities and prices computed? Exactly: nothing is rounded but the average price that is shown."""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from oms_engine.domain.model import OrderState
from oms_engine.domain.vocabulary import OPEN_STATES, State
from oms_engine.record import MAX_FRACTION_DIGITS, plain

EXACT = Context(prec=160, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
"""Arithmetic that raises where a result would have to be rounded."""

ZERO = Decimal(0)


def add(a: Decimal, b: Decimal) -> Decimal:
    """A + b, exactly."""
    return EXACT.add(a, b)


def subtract(a: Decimal, b: Decimal) -> Decimal:
    """A - b, exactly."""
    return EXACT.subtract(a, b)


def notional(quantity: Decimal, price: Decimal) -> Decimal:
    """Quantity x price, exactly."""
    return EXACT.multiply(quantity, price)


def average(total: Decimal, quantity: Decimal, digits: int = MAX_FRACTION_DIGITS) -> Decimal:
    """Total / quantity, divided once and rounded half-up (half away from zero) for output; 0 without quantity."""
    if not quantity:
        return ZERO
    scaled = EXACT.scaleb(total.copy_abs(), digits)
    whole, rest = EXACT.divmod(scaled, quantity)
    if EXACT.multiply(rest, Decimal(2)) >= quantity:
        whole = EXACT.add(whole, Decimal(1))
    return EXACT.scaleb(whole.copy_sign(total), -digits)


def round_half_up(value: Decimal, digits: int) -> Decimal:
    """The value with at most so many fraction digits, half away from zero."""
    return average(value, Decimal(1), digits)


def is_multiple(value: Decimal, unit: Decimal) -> bool:
    """Is the value a whole number of units?"""
    return not EXACT.remainder(value, unit)


def fraction_digits(value: Decimal) -> int:
    """How many digits the value has after the point, trailing zeros left out."""
    return len(plain(value).partition(".")[2])


def open_quantity(state: OrderState) -> Decimal:
    """What an order asks for and has not got, in whatever state it is."""
    return subtract(state.quantity, state.order.cum_qty)


def counted(state: OrderState, *, parent_ended: bool = False) -> Decimal:
    """What a child counts in its parent's placeQty.

    A final child counts what it executed; an open one the larger of its quantity and of the one it asks for; one that
    is NEW under a parent that has ended counts nothing, because it cannot be placed any more.
    """
    order = state.order
    if order.state not in OPEN_STATES:
        return order.cum_qty
    if parent_ended and order.state is State.NEW:
        return ZERO
    asked = order.pending_replace.order_qty if order.pending_replace else None
    return max(state.quantity, asked or ZERO)
