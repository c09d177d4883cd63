"""Who else trades at the venue? The street: orders that nobody here sent, around prices that walk."""

from collections.abc import Mapping

from oms_engine.simulation.market.book import BookOrder
from oms_engine.simulation.market.chance import Chance, Weighted
from oms_engine.simulation.market.venue import Venue

LEVELS = 4
"""How many prices the street quotes on each side."""

_STEPS = Weighted(((-3, 1), (-2, 3), (-1, 8), (0, 10), (1, 8), (2, 3), (3, 1)))
_HALF_SPREAD = Weighted(((1, 6), (2, 3), (3, 1)))
_LOTS = Weighted(((1, 5), (2, 4), (3, 3), (5, 2), (8, 1), (20, 1)))
_LOT = 100
_TAKES = 400_000


class Street:
    """Everybody at the venue who is no client of ours.

    Args:
        venue: Where they trade.
        opening: Each symbol with the price it opens at, in ticks.
        chance: What moves them.
    """

    def __init__(self, venue: Venue, opening: Mapping[str, int], chance: Chance) -> None:
        self._venue = venue
        self._chance = chance
        self._symbols = tuple(opening)
        self._lowest = {symbol: price // 2 for symbol, price in opening.items()}
        self._fair = dict(opening)
        self._quoted: dict[str, list[BookOrder]] = {symbol: [] for symbol in opening}
        for symbol in opening:
            self._quote(symbol)

    def stir(self) -> None:
        """Something happens in one symbol: its price takes a step, its quotes follow, and somebody may trade."""
        symbol = self._chance.pick(self._symbols)
        self._fair[symbol] = max(self._lowest[symbol], self._fair[symbol] + self._chance.weighted(_STEPS))
        self._quote(symbol)
        if self._chance.happens(_TAKES):
            order = BookOrder("", self._quantity(), buys=bool(self._chance.below(2)))
            self._venue.enter(symbol, order)

    def _quote(self, symbol: str) -> None:
        """Take the old quotes back and give new ones around the fair price."""
        book, fair = self._venue.books[symbol], self._fair[symbol]
        for order in self._quoted[symbol]:
            book.cancel(order)
        half = self._chance.weighted(_HALF_SPREAD)
        quotes = []
        for level in range(LEVELS):
            for buys, price in ((True, fair - half - level), (False, fair + half + level)):
                order = BookOrder("", self._quantity(), price, buys=buys)
                quotes.append(order)
                self._venue.enter(symbol, order)
        self._quoted[symbol] = quotes

    def _quantity(self) -> int:
        return _LOT * self._chance.weighted(_LOTS)
