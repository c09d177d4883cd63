"""How do ticks and units become prices and quantities, and back?"""

from decimal import Decimal
from functools import lru_cache

from oms_engine.record import plain

TICK = Decimal("0.01")
"""The price step of every symbol of the market."""

_TICKS_IN_ONE = 100


@lru_cache(maxsize=65_536)
def price_of(ticks: int) -> Decimal:
    """The price of so many ticks, written as records write it."""
    return Decimal(plain(Decimal(ticks).scaleb(-2)))


@lru_cache(maxsize=65_536)
def quantity_of(units: int) -> Decimal:
    """The quantity of so many units."""
    return Decimal(units)


def ticks_of(price: Decimal) -> int | None:
    """A price in ticks; None where it lies between two of them."""
    return units_of(price * _TICKS_IN_ONE)


def units_of(quantity: Decimal) -> int | None:
    """A quantity in units; None where it is no whole number of them."""
    whole = int(quantity)
    return whole if whole == quantity else None
