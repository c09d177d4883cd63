"""Who trades with whom, and at what price? The book of one symbol: best price first, then who came first."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple

_TIDY_FROM = 64


class BookOrder:
    """An order as the book sees it; prices in ticks, quantities in units, all whole numbers.

    Attributes:
        order_id: Name of the order; the book does not look at it.
        buys: Does it buy? Otherwise it sells.
        limit: The worst price it accepts; None takes any, and never rests.
        stop: The last price that triggers it; None once triggered, and for orders without one.
        rests: May what is left wait in the book? Otherwise it lapses.
        all_or_none: Is it traded whole at once or not at all (fill or kill)?
        quantity: What it asks for in all.
        filled: What it got so far.
        stamp: Its turn among all that wait; 0 while it waits nowhere.
    """

    __slots__ = ("all_or_none", "buys", "filled", "limit", "order_id", "quantity", "rests", "stamp", "stop")

    def __init__(
        self,
        order_id: str,
        quantity: int,
        limit: int | None = None,
        *,
        buys: bool,
        stop: int | None = None,
        rests: bool = True,
        all_or_none: bool = False,
    ) -> None:
        self.order_id = order_id
        self.buys = buys
        self.limit = limit
        self.stop = stop
        self.rests = rests and limit is not None and not all_or_none
        self.all_or_none = all_or_none
        self.quantity = quantity
        self.filled = 0
        self.stamp = 0

    @property
    def open(self) -> int:
        """What it asks for and has not got."""
        return self.quantity - self.filled

    def accepts(self, price: int) -> bool:
        """Would it trade at this price?"""
        return self.limit is None or (price <= self.limit if self.buys else price >= self.limit)

    def is_triggered(self, last: int) -> bool:
        """Does this last price trigger its stop?"""
        return self.stop is None or (last >= self.stop if self.buys else last <= self.stop)


class Trade(NamedTuple):
    """Two orders traded, at the price of the one that waited."""

    resting: BookOrder
    incoming: BookOrder
    price: int
    quantity: int


class Lapsed(NamedTuple):
    """What is left of an order does not wait: there was nobody to trade with, and it may not rest."""

    order: BookOrder


Happening = Trade | Lapsed


class _Line:
    """Orders that wait, the one whose turn it is first; who leaves is passed over when its turn comes."""

    __slots__ = ("_entries", "_gone")

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, BookOrder]] = []
        self._gone = 0

    def join(self, order: BookOrder, rank: int, stamp: int) -> None:
        """Wait; a lower rank comes first, then a lower stamp."""
        order.stamp = stamp
        heappush(self._entries, (rank, stamp, order))

    def leave(self, order: BookOrder) -> None:
        """Wait no more."""
        order.stamp = 0
        self._gone += 1
        if self._gone > _TIDY_FROM and self._gone * 2 > len(self._entries):
            self._entries = [entry for entry in self._entries if entry[2].stamp == entry[1]]
            heapify(self._entries)
            self._gone = 0

    def first(self) -> BookOrder | None:
        """Whose turn it is."""
        entries = self._entries
        while entries:
            _, stamp, order = entries[0]
            if order.stamp == stamp:
                return order
            heappop(entries)
            self._gone -= 1
        return None

    def __iter__(self) -> Iterator[BookOrder]:
        """All who wait, in no order."""
        return (order for _, stamp, order in self._entries if order.stamp == stamp)


class Book:
    """The book of one symbol.

    Args:
        last: Price of the last trade, in ticks; stops are measured by it.
    """

    __slots__ = ("_asks", "_bids", "_buy_stops", "_sell_stops", "_stamp", "last")

    def __init__(self, last: int) -> None:
        self.last = last
        self._bids = _Line()
        self._asks = _Line()
        self._buy_stops = _Line()
        self._sell_stops = _Line()
        self._stamp = 0

    def enter(self, order: BookOrder) -> list[Happening]:
        """Take an order in; tells what happened, in that order, also to others whose stops were triggered by it."""
        happened: list[Happening] = []
        self._take(order, happened)
        while triggered := self._next_triggered():
            triggered.stop = None
            self._take(triggered, happened)
        return happened

    def cancel(self, order: BookOrder) -> None:
        """Take an order out that waits in the book; one that does not is left as it is."""
        if order.stamp:
            self._line_of(order).leave(order)

    def replace(
        self, order: BookOrder, quantity: int, limit: int | None = None, stop: int | None = None
    ) -> list[Happening]:
        """Give an order that waits other terms; it keeps its turn only when nothing but its quantity falls.

        Args:
            order: An order that waits.
            quantity: What it asks for in all, no less than it got.
            limit: As of a new order.
            stop: As of a new order; None for one that was triggered.
        """
        keeps = limit == order.limit and stop == order.stop and quantity <= order.quantity
        order.quantity = quantity
        if keeps and order.open:
            return []
        self.cancel(order)
        order.limit, order.stop = limit, stop
        return self.enter(order) if order.open else []

    def give_back(self, order: BookOrder, quantity: int) -> list[Happening]:
        """Take back what an order got that may wait; it is open again, with a new turn."""
        self.cancel(order)
        order.filled -= quantity
        return self.enter(order)

    def best(self, *, buys: bool) -> int | None:
        """The best price to be had on one side, in ticks; None where nobody waits."""
        first = (self._bids if buys else self._asks).first()
        return first.limit if first else None

    def is_crossed(self) -> bool:
        """Do two orders wait that should have traded? Never, if the book is right."""
        bid, ask = self.best(buys=True), self.best(buys=False)
        return bid is not None and ask is not None and bid >= ask

    def __iter__(self) -> Iterator[BookOrder]:
        """All orders that wait, stops among them, in no order."""
        for line in (self._bids, self._asks, self._buy_stops, self._sell_stops):
            yield from line

    def _take(self, order: BookOrder, happened: list[Happening]) -> None:
        if not order.is_triggered(self.last):
            self._wait(order)
            return
        order.stop = None
        if not order.all_or_none or self._offered(order) >= order.open:
            self._match(order, happened)
        if not order.open:
            return
        if order.rests:
            self._wait(order)
        else:
            happened.append(Lapsed(order))

    def _match(self, order: BookOrder, happened: list[Happening]) -> None:
        others = self._asks if order.buys else self._bids
        while order.open and (other := others.first()):
            price = other.limit
            if price is None or not order.accepts(price):
                return
            quantity = min(order.open, other.open)
            order.filled += quantity
            other.filled += quantity
            if not other.open:
                others.leave(other)
            self.last = price
            happened.append(Trade(other, order, price, quantity))

    def _offered(self, order: BookOrder) -> int:
        """How much could be traded at once within its limit."""
        others = self._asks if order.buys else self._bids
        return sum(other.open for other in others if other.limit is not None and order.accepts(other.limit))

    def _next_triggered(self) -> BookOrder | None:
        for line in (self._buy_stops, self._sell_stops):
            first = line.first()
            if first is not None and first.is_triggered(self.last):
                line.leave(first)
                return first
        return None

    def _wait(self, order: BookOrder) -> None:
        self._stamp += 1
        price = (order.limit if order.stop is None else order.stop) or 0
        low_first = order.buys == (order.stop is not None)
        self._line_of(order).join(order, price if low_first else -price, self._stamp)

    def _line_of(self, order: BookOrder) -> _Line:
        if order.stop is not None:
            return self._buy_stops if order.buys else self._sell_stops
        return self._bids if order.buys else self._asks
