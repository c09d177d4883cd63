"""Which orders does the blotter hold, and in which order do they stand? Never more than so many."""

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from oms_engine.domain.filters import ENTITIES
from oms_engine.domain.model import Order

FIELDS = ENTITIES["order"].fields


class Sort(NamedTuple):
    """The field that rows are sorted by, as on the wire, and which way."""

    field: str = "id"
    descending: bool = True

    def to_query(self) -> str:
        """The same, as a query takes it."""
        return f"{self.field},{'DESC' if self.descending else 'ASC'}"


class Rows:
    """The orders that are shown: those that come first, at most as many as there is room for.

    Args:
        most: How many there is room for.
        sort: In which order they stand.
    """

    def __init__(self, most: int, sort: Sort) -> None:
        self.most = most
        self.sort = sort
        self._orders: dict[str, Order] = {}

    def __len__(self) -> int:
        return min(len(self._orders), self.most)

    def fill(self, orders: Iterable[Order]) -> None:
        """Show these and no others."""
        self._orders = {order.order_id: order for order in orders}

    def put(self, order: Order) -> None:
        """Show an order as it is now, where there is room for it; what was known of it already is never older."""
        known = self._orders.get(order.order_id)
        if known is None or known.version < order.version:
            self._orders[order.order_id] = order

    def drop(self, order_id: str, version: int) -> None:
        """Show an order no more, unless it is known as it was later."""
        known = self._orders.get(order_id)
        if known is not None and known.version <= version:
            del self._orders[order_id]

    def ordered(self) -> list[Order]:
        """The orders as they stand: as the store sorts them, so without a value last. Those without room are let go."""
        attribute = FIELDS[self.sort.field].attribute
        rows = sorted(self._orders.values(), key=attrgetter("id"))
        known = [order for order in rows if getattr(order, attribute) is not None]
        known.sort(key=attrgetter(attribute), reverse=self.sort.descending)
        shown = [*known, *(order for order in rows if getattr(order, attribute) is None)][: self.most]
        if len(shown) < len(rows):
            self.fill(shown)
        return shown
