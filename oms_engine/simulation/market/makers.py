"""What do market makers send? A bid and an offer, moved again and again, taken back in the end."""

from oms_engine.domain.vocabulary import OrdType, Side
from oms_engine.simulation.market.amounts import price_of
from oms_engine.simulation.market.chance import Chance, Weighted
from oms_engine.simulation.market.floor import LOT, Floor, terms, toward
from oms_engine.simulation.market.line import MINUTE, SECOND

ACTOR = "maker"

_ROUNDS = Weighted(((2, 3), (4, 3), (6, 2), (10, 1)))
_LOTS = Weighted(((3, 2), (5, 3), (10, 1)))
_MAKERS = 8
_PAUSE = (500_000, 2 * SECOND, 10 * SECOND, MINUTE)
_SIDES = (Side.BUY, Side.SELL)


class MarketMakers:
    """Makers who quote both sides; each arrival is one of them who quotes a symbol for a while."""

    orders_per_arrival = 2

    def __init__(self, floor: Floor, chance: Chance) -> None:
        self._floor = floor
        self._chance = chance

    def arrive(self) -> None:
        """A maker begins to quote."""
        chance, floor = self._chance, self._floor
        symbol = chance.pick(floor.symbols)
        account = f"M{chance.between(1, _MAKERS)}"
        lots = chance.weighted(_LOTS)
        quotes = [
            floor.send(ACTOR, terms(account, symbol, side, OrdType.LIMIT, LOT * lots, limit=self._price(symbol, side)))
            for side in _SIDES[: floor.left]
        ]
        floor.later(chance.quantile(_PAUSE), self._move, quotes, chance.weighted(_ROUNDS))

    def _price(self, symbol: str, side: Side) -> int:
        return max(1, self._floor.last(symbol) - toward(side, self._chance.between(1, 4)))

    def _move(self, quotes: list[str], rounds: int) -> None:
        """Give both quotes new prices, or take them back when the maker has quoted long enough."""
        floor = self._floor
        for name in quotes:
            if not floor.is_working(name):
                continue
            order = floor.orders[name]
            price = price_of(self._price(order.symbol, order.side))
            if not rounds:
                floor.cancel(ACTOR, name)
            elif price != order.price:
                floor.replace(ACTOR, name, price=price)
        if rounds:
            floor.later(self._chance.quantile(_PAUSE), self._move, quotes, rounds - 1)
