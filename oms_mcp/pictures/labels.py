"""How does a text of a caller or a venue become the label of a picture? Bounded, and with nothing that is not seen."""

import re
from datetime import datetime
from decimal import Decimal

from oms_engine.domain.model import Order
from oms_engine.record import instant_text, plain

MOST = 80
"""Characters of a label, enough for an id that the engine makes with a quantity and a price of 8 decimals; what is
longer ends with three points."""


def label(text: str, most: int = MOST) -> str:
    """A text that stands on one line: what cannot be printed is escaped, what is too long is cut."""
    seen = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
    return seen if len(seen) <= most else f"{seen[: most - 3]}..."


def amount(value: Decimal | None) -> str:
    """A quantity as text; a question mark for one that is not known yet."""
    return "?" if value is None else plain(value)


def day_of(time: datetime) -> str:
    """The day of a moment, in UTC."""
    return instant_text(time)[:10]


def time_of(time: datetime) -> str:
    """The time of a moment within its day in UTC, to the millisecond."""
    return instant_text(time)[11:23]


def terms_of(order: Order) -> str:
    """What was asked for, such as `BUY 300 ACME LIMIT 101.5`."""
    cash = f"for {amount(order.cash_order_qty)} of" if order.order_qty is None else plain(order.order_qty)
    price = f" {plain(order.price)}" if order.price is not None else ""
    stop = f" stop {plain(order.stop_px)}" if order.stop_px is not None else ""
    return f"{order.side} {cash} {label(order.symbol, 24)} {order.ord_type}{price}{stop}"


def mermaid_label(text: str) -> str:
    """A label as it may stand in quotes in Mermaid: whatever has a meaning there becomes the number of its letter."""
    return re.sub(r"[^\w .,+@/()=*~!?-]", lambda found: f"#{ord(found[0])};", label(text), flags=re.ASCII)
