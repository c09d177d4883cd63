"""Which columns does the blotter have, which of them fit, and what stands in their cells?"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from rich.text import Text

from oms_engine.domain.model import Order
from oms_engine.domain.vocabulary import CancelState
from oms_engine.record import instant_text
from oms_mcp.blotter.rows import Sort
from oms_mcp.pictures.labels import amount
from oms_mcp.printing.pictures.marks import UNICODE
from oms_mcp.printing.terminal import clean

PADDING = 2
"""Columns of the terminal that a column takes beside its width."""

_LONGEST_ID = 36


class Column(NamedTuple):
    """A column.

    Attributes:
        field: The field of an order, as on the wire; rows can be sorted by it.
        head: What stands above.
        width: Its width.
        told: What stands in the cell of an order.
        right: Numbers stand right.
    """

    field: str
    head: str
    width: int
    told: Callable[[Order], Text]
    right: bool = False


def _number(attribute: str) -> Callable[[Order], Text]:
    def told(order: Order) -> Text:
        value: Decimal | None = getattr(order, attribute)
        return Text(amount(value))

    return told


def _word(attribute: str) -> Callable[[Order], Text]:
    return lambda order: Text(clean(getattr(order, attribute) or ""))


def _price(order: Order) -> Text:
    value = order.price if order.price is not None else order.stop_px
    return Text("" if value is None else amount(value))


def _state(order: Order) -> Text:
    told = UNICODE.state(order.state)
    if order.cancel_state in {CancelState.PCXL, CancelState.PMOD}:
        told.append(f" {order.cancel_state}", style="yellow")
    return told


def _updated(order: Order) -> Text:
    when: datetime = order.updated_at
    return Text(instant_text(when)[5:19].replace("T", " "))


COLUMNS = (
    Column("orderId", "orderId", 12, _word("order_id")),
    Column("state", "state", 12, _state),
    Column("symbol", "symbol", 8, _word("symbol")),
    Column("side", "side", 5, _word("side")),
    Column("orderQty", "qty", 8, _number("order_qty"), right=True),
    Column("cumQty", "cum", 8, _number("cum_qty"), right=True),
    Column("leavesQty", "leaves", 8, _number("leaves_qty"), right=True),
    Column("avgPx", "avgPx", 10, _number("avg_px"), right=True),
    Column("price", "price", 9, _price, right=True),
    Column("ordType", "type", 10, _word("ord_type")),
    Column("account", "account", 10, _word("account")),
    Column("updatedAt", "updated", 14, _updated),
)


def fitting(room: int, first: int) -> list[Column]:
    """The columns that fit: the first one always, then from one of them on as many as there is room for.

    Args:
        room: Columns of the terminal.
        first: The column that stands behind the first one, from 1 on.
    """
    ids, others = COLUMNS[0], COLUMNS[first:]
    left = room - ids.width - PADDING
    shown: list[Column] = []
    for column in others:
        left -= column.width + PADDING
        if left < 0:
            left += column.width + PADDING
            break
        shown.append(column)
    wider = min(_LONGEST_ID, ids.width + left) if len(shown) == len(COLUMNS) - 1 else ids.width + min(left, 4)
    return [ids._replace(width=wider), *shown]


def cells_of(order: Order, columns: Sequence[Column]) -> list[Text]:
    """The cells of an order; what does not fit ends with three points in one."""
    return [_cell(column, column.told(order)) for column in columns]


def _cell(column: Column, told: Text) -> Text:
    told.truncate(column.width, overflow="ellipsis")
    told.justify = "right" if column.right else "left"
    told.no_wrap = True
    return told


def scrolled(first: int, by: int, room: int) -> int:
    """The column that stands behind the first one after going on by so many; no farther than to the last one."""
    first = max(1, min(first + by, len(COLUMNS) - 1))
    while first > 1 and len(fitting(room, first - 1)) == len(COLUMNS) - first + 2:
        first -= 1  # there is room for the columns behind anyway
    return first


def next_sort(sort: Sort) -> Sort:
    """Sorted by the column behind the one that is sorted by; behind the last one as at first."""
    fields = [column.field for column in COLUMNS]
    number = fields.index(sort.field) + 1 if sort.field in fields else 0
    return Sort(fields[number], descending=False) if number < len(fields) else Sort()
