"""How does a desk work a large order? In parts, some of them through slices, chased, and taken back when it must."""

from oms_engine.domain.vocabulary import OPEN_STATES, HandlInst, OrdType, Side
from oms_engine.simulation.market import desk
from oms_engine.simulation.market.amounts import price_of
from oms_engine.simulation.market.chance import Chance, Weighted
from oms_engine.simulation.market.floor import LOT, Floor, is_waiting, terms, toward
from oms_engine.simulation.market.line import MINUTE, SECOND

ACCOUNT = "DESK"

_PARTS = Weighted(((1, 2), (2, 3), (3, 3), (4, 1)))
_LEAF_TYPES = Weighted(((OrdType.LIMIT, 70), (OrdType.MARKET, 30)))
_MANUAL, _SLICED, _LEAVES_REST = 300_000, 300_000, 200_000
_CANCELS, _REPLACES = 100_000, 250_000
_LEAST_FOR_SLICES = 3
SOON = (SECOND, 20 * SECOND, 2 * MINUTE, 10 * MINUTE)
LATER = (MINUTE, 10 * MINUTE, 40 * MINUTE, 120 * MINUTE)
"""Quantiles of how long people wait."""


class Work:
    """What the desk does for the orders of its clients."""

    def __init__(self, floor: Floor, chance: Chance) -> None:
        self._floor = floor
        self._chance = chance

    def in_parts(self, parent: str, symbol: str, side: Side, quantity: int) -> None:
        """Place the first part of an order now, others later; now and then some of it is never placed."""
        first, *others = self._sizes(quantity)
        self._part(parent, symbol, side, first)
        wait = 0
        for size in others:
            wait += self._chance.quantile(SOON)
            self._floor.later(wait, self._part_later, parent, symbol, side, size)

    def limit(self, symbol: str, side: Side, ticks: int) -> int:
        """A limit so many ticks beyond the last price, in favour of a trade; negative ones are away from it."""
        return max(1, self._floor.last(symbol) + toward(side, ticks))

    def chase(self, actor: str, name: str) -> None:
        """Move the limit of an order to the market, or a little beyond it."""
        floor = self._floor
        if not floor.is_working(name) or self._waits_below(name):
            return
        order = floor.orders[name]
        price = price_of(self.limit(order.symbol, order.side, self._chance.between(0, 4)))
        if order.price is not None and price != order.price:
            floor.replace(actor, name, price=price)

    def cancel(self, actor: str, name: str) -> None:
        """Take back an order that is worked; where its cancel is not passed on, the desk cancels what is below."""
        floor = self._floor
        if not floor.is_working(name) or self._waits_below(name):
            return
        forwards = floor.orders[name].auto_forward
        floor.cancel(actor, name)
        for child in () if forwards else floor.children.get(name, ()):
            self.cancel(desk.ACTOR, child)

    def _sizes(self, quantity: int) -> list[int]:
        parts = self._chance.weighted(_PARTS)
        share = max(1, quantity // LOT // parts) * LOT
        sizes = [share] * (parts - 1)
        sizes.append(quantity - sum(sizes))
        return sizes[:-1] if parts > 1 and self._chance.happens(_LEAVES_REST) else sizes

    def _part(self, parent: str, symbol: str, side: Side, size: int) -> None:
        """One order below another: straight to the market, or through two slices of which the first comes at once."""
        straight = not self._chance.happens(_MANUAL)
        first = size // LOT // 2 * LOT
        if not first or self._floor.left < _LEAST_FOR_SLICES or not self._chance.happens(_SLICED):
            self._leaf(parent, symbol, side, size, auto_allocation=straight)
            return
        asked = terms(ACCOUNT, symbol, side, OrdType.MARKET, size, handl_inst=HandlInst.MANUAL)
        name = self._floor.send(desk.ACTOR, asked | {"parent_order_id": parent, "auto_allocation": straight})
        self._leaf(name, symbol, side, first)
        self._floor.later(self._chance.quantile(SOON), self._slice_later, name, symbol, side, size - first)

    def _part_later(self, parent: str, symbol: str, side: Side, size: int) -> None:
        if self._takes_more(parent):
            self._part(parent, symbol, side, size)

    def _slice_later(self, parent: str, symbol: str, side: Side, size: int) -> None:
        if self._takes_more(parent):
            self._leaf(parent, symbol, side, size)

    def _leaf(self, parent: str, symbol: str, side: Side, size: int, **more: object) -> None:
        """An order that goes to the market, and may be moved or taken back later."""
        chance, floor = self._chance, self._floor
        ord_type = chance.weighted(_LEAF_TYPES)
        limit = self.limit(symbol, side, chance.between(-6, 4)) if ord_type is OrdType.LIMIT else None
        asked = terms(ACCOUNT, symbol, side, ord_type, size, limit=limit)
        name = floor.send(desk.ACTOR, asked | {"parent_order_id": parent, **more})
        if limit is not None and chance.happens(_REPLACES):
            floor.later(chance.quantile(SOON), self.chase, desk.ACTOR, name)
        elif chance.happens(_CANCELS):
            floor.later(chance.quantile(LATER), floor.cancel, desk.ACTOR, name)

    def _takes_more(self, parent: str) -> bool:
        """May an order get another one below it?"""
        order = self._floor.orders.get(parent)
        return bool(self._floor.left) and order is not None and order.state in OPEN_STATES and not is_waiting(order)

    def _waits_below(self, name: str) -> bool:
        """Does an order below wait for an answer?"""
        known = self._floor.orders
        return any(child in known and is_waiting(known[child]) for child in self._floor.children.get(name, ()))
