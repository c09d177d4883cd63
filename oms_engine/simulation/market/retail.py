"""What do private clients send? Small orders of every type, few changes of mind."""

from oms_engine.domain.vocabulary import OrdType, Side, TimeInForce
from oms_engine.simulation.market.amounts import price_of, quantity_of
from oms_engine.simulation.market.chance import Chance, Weighted
from oms_engine.simulation.market.floor import LOT, Floor, terms, toward
from oms_engine.simulation.market.line import MINUTE, SECOND

ACTOR = "retail"

_TYPES = Weighted(((OrdType.MARKET, 35), (OrdType.LIMIT, 50), (OrdType.STOP, 8), (OrdType.STOP_LIMIT, 7)))
_TIMES = Weighted(
    (
        (TimeInForce.DAY, 80),
        (TimeInForce.GOOD_TILL_CANCEL, 8),
        (TimeInForce.IMMEDIATE_OR_CANCEL, 8),
        (TimeInForce.FILL_OR_KILL, 4),
    )
)
_LOTS = Weighted(((1, 50), (2, 25), (3, 12), (5, 9), (10, 4)))
_STOPS = (OrdType.STOP, OrdType.STOP_LIMIT)
_ACCOUNTS = 500
_CANCELS, _REPLACES, _CARELESS = 120_000, 80_000, 250_000
_PATIENCE = (5 * SECOND, MINUTE, 5 * MINUTE, 20 * MINUTE, 90 * MINUTE)


class Retail:
    """Private clients; each arrival is one order."""

    orders_per_arrival = 1

    def __init__(self, floor: Floor, chance: Chance) -> None:
        self._floor = floor
        self._chance = chance

    def arrive(self) -> None:
        """A client sends an order, and may change its mind about it later."""
        chance, floor = self._chance, self._floor
        side = Side.BUY if chance.below(2) else Side.SELL
        symbol = chance.pick(floor.symbols)
        ord_type = chance.weighted(_TYPES)
        last = floor.last(symbol)
        stop = last + toward(side, chance.between(2, 12)) if ord_type in _STOPS else None
        limit = self._limit(side, last if stop is None else stop) if ord_type in _WITH_LIMIT else None
        order_id = floor.send(
            ACTOR,
            terms(
                f"R{chance.between(1, _ACCOUNTS):03}",
                symbol,
                side,
                ord_type,
                LOT * chance.weighted(_LOTS),
                limit=limit,
                stop_px=None if stop is None else price_of(stop),
                time_in_force=TimeInForce.DAY if stop is not None else chance.weighted(_TIMES),
            ),
        )
        self._change_mind(order_id)

    def _limit(self, side: Side, around: int) -> int:
        return max(1, around + toward(side, self._chance.between(-12, 4)))

    def _change_mind(self, order_id: str) -> None:
        chance, later = self._chance, self._floor.later
        if chance.happens(_CANCELS):
            later(chance.quantile(_PATIENCE), self._cancel, order_id, not chance.happens(_CARELESS))
        elif chance.happens(_REPLACES):
            later(chance.quantile(_PATIENCE), self._replace, order_id)

    def _cancel(self, order_id: str, looks: bool) -> None:
        if order_id in self._floor.orders:
            self._floor.cancel(ACTOR, order_id, looks=looks)

    def _replace(self, order_id: str) -> None:
        """Ask for a better price, or for another quantity."""
        floor, chance = self._floor, self._chance
        if not floor.is_working(order_id):
            return
        order = floor.orders[order_id]
        if order.price is not None and chance.below(2):
            limit = self._limit(order.side, floor.last(order.symbol))
            if price_of(limit) != order.price:
                floor.replace(ACTOR, order_id, price=price_of(limit))
                return
        quantity = max(int(order.order_qty or 0) + LOT * chance.pick((-1, 1, 2)), int(order.cum_qty), LOT)
        if quantity != order.order_qty:
            floor.replace(ACTOR, order_id, order_qty=quantity_of(quantity))


_WITH_LIMIT = (OrdType.LIMIT, OrdType.STOP_LIMIT)
