"""How are quantities and prices computed? Exactly: nothing is rounded but the average price that is shown."""

from collections.abc import Iterable
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from oms_engine.domain.model import Execution
from oms_engine.record import plain

EXACT = Context(prec=160, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
"""Arithmetic that raises where a result would have to be rounded."""

ZERO = Decimal(0)
MAX_INTEGER_DIGITS = 18
MAX_FRACTION_DIGITS = 8


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


def within_digits(value: Decimal) -> bool:
    """Does the value fit 18 integer and 8 fraction digits? Leading and trailing zeros do not count."""
    whole, _, fraction = plain(value.copy_abs()).partition(".")
    return len(whole) <= MAX_INTEGER_DIGITS and len(fraction) <= MAX_FRACTION_DIGITS


def is_multiple(value: Decimal, unit: Decimal) -> bool:
    """Is the value a whole number of units?"""
    return not EXACT.remainder(value, unit)


def executed(executions: Iterable[Execution]) -> tuple[Decimal, Decimal]:
    """Quantity and notional of the executions that still count."""
    quantity = total = ZERO
    for execution in executions:
        if execution.is_active:
            quantity = add(quantity, execution.last_qty)
            total = add(total, notional(execution.last_qty, execution.last_px))
    return quantity, total
