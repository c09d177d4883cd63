"""What do institutions send? Large orders that a desk works: below them, in blocks, or patiently."""

from oms_engine.domain.commands import OrderGroupCmd, OrderPlaceCmd
from oms_engine.domain.vocabulary import HandlInst, OrdType, Side, TimeInForce
from oms_engine.simulation.market import desk
from oms_engine.simulation.market.chance import Chance, Weighted
from oms_engine.simulation.market.floor import LOT, Floor, terms
from oms_engine.simulation.market.working import LATER, SOON, Work

ACTOR = "fund"

_HEAD = "head-of-desk"

_WAYS = Weighted((("tree", 60), ("patient", 30), ("block", 10)))
_LOTS = Weighted(((10, 4), (20, 3), (40, 2), (80, 1)))
_ACCOUNTS = 40
_HALF, _MANUAL = 500_000, 300_000
_CANCELS, _REPLACES, _KEEPS_CHILDREN, _FOR_THE_DAY = 120_000, 120_000, 150_000, 300_000
_LEAST_FOR_TREE, _LEAST_FOR_BLOCK = 2, 4
_FEWEST_MEMBERS, _MOST_MEMBERS = 2, 4


class Institutional:
    """Funds, whose orders a desk works."""

    orders_per_arrival = 4

    def __init__(self, floor: Floor, chance: Chance) -> None:
        self._floor = floor
        self._chance = chance
        self._work = Work(floor, chance)

    def arrive(self) -> None:
        """A fund sends an order, or several of them an order each for the same thing."""
        way = self._chance.weighted(_WAYS)
        symbol = self._chance.pick(self._floor.symbols)
        side = Side.BUY if self._chance.below(2) else Side.SELL
        if way == "block" and self._floor.left >= _LEAST_FOR_BLOCK:
            self._block(symbol, side)
        elif way == "tree" and self._floor.left >= _LEAST_FOR_TREE:
            self._tree(symbol, side)
        else:
            self._patient(symbol, side)

    def _patient(self, symbol: str, side: Side) -> None:
        """An order that goes to the market as it is, away from it, and is moved or taken back later."""
        chance, floor = self._chance, self._floor
        limit = self._work.limit(symbol, side, chance.between(-30, 2))
        ends = TimeInForce.DAY if chance.happens(_FOR_THE_DAY) else TimeInForce.GOOD_TILL_CANCEL
        name = self._client(symbol, side, self._quantity(), limit, handl_inst=HandlInst.AUTO, time_in_force=ends)
        if chance.happens(_HALF):
            floor.later(chance.quantile(LATER), self._work.chase, ACTOR, name)
        elif chance.happens(_HALF):
            floor.later(chance.quantile(LATER), floor.cancel, ACTOR, name)

    def _tree(self, symbol: str, side: Side) -> None:
        """A client order that the desk works through orders below it."""
        chance, floor, work = self._chance, self._floor, self._work
        quantity = self._quantity()
        limit = work.limit(symbol, side, chance.between(0, 6))
        name = self._client(symbol, side, quantity, limit, auto_forward=not chance.happens(_KEEPS_CHILDREN))
        work.in_parts(name, symbol, side, quantity)
        if chance.happens(_CANCELS):
            floor.later(chance.quantile(LATER), work.cancel, ACTOR, name)
        elif chance.happens(_REPLACES):
            floor.later(chance.quantile(LATER), work.chase, ACTOR, name)

    def _block(self, symbol: str, side: Side) -> None:
        """Orders of several funds for the same thing, which the desk makes one order of."""
        chance, floor = self._chance, self._floor
        limit = self._work.limit(symbol, side, chance.between(0, 6))
        size = chance.between(_FEWEST_MEMBERS, min(_MOST_MEMBERS, floor.left - 1))
        quantities = [self._quantity() for _ in range(size)]
        members = tuple(self._client(symbol, side, quantity, limit) for quantity in quantities)
        floor.later(chance.quantile(SOON), self._group, floor.next_id(), members, sum(quantities))

    def _group(self, group: str, members: tuple[str, ...], quantity: int) -> None:
        """Make a group of the orders and work it: as it is, or in parts below it."""
        floor, chance = self._floor, self._chance
        straight = not chance.happens(_MANUAL)
        floor.ask(
            OrderGroupCmd,
            desk.ACTOR,
            member_order_ids=members,
            group_order_id=group,
            grouped_by=desk.ACTOR,
            approved_by=_HEAD,
            auto_allocation=straight,
        )
        first = floor.orders.get(members[0])
        if first is None or not floor.left or chance.happens(_HALF):
            floor.ask(OrderPlaceCmd, desk.ACTOR, order_id=group)
        else:
            self._work.in_parts(group, first.symbol, first.side, quantity)

    def _client(self, symbol: str, side: Side, quantity: int, limit: int, **more: object) -> str:
        account = f"F{self._chance.between(1, _ACCOUNTS):02}"
        asked = terms(account, symbol, side, OrdType.LIMIT, quantity, limit=limit, handl_inst=HandlInst.MANUAL)
        return self._floor.send(ACTOR, asked | more)

    def _quantity(self) -> int:
        return LOT * self._chance.weighted(_LOTS)
