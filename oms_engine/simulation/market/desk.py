"""What does the desk decide? What pending quantity is handed on, and how the day ends for what is left."""

from oms_engine.domain.commands import (
    AllocationApproveCmd,
    AllocationRejectCmd,
    OrderCancelCmd,
    OrderExpireCmd,
    OrderPlaceCmd,
)
from oms_engine.domain.model import Order
from oms_engine.domain.vocabulary import OPEN_STATES, State, TimeInForce
from oms_engine.simulation.market.amounts import quantity_of
from oms_engine.simulation.market.chance import Chance, Weighted
from oms_engine.simulation.market.floor import Floor
from oms_engine.simulation.market.line import MINUTE

ACTOR = "desk"

_DECISIONS = Weighted((("all", 6), ("half", 3), ("none", 2)))
_THINKS = (MINUTE // 4, MINUTE, 3 * MINUTE, 15 * MINUTE)


class Desk:
    """Decides on allocations during the day, and clears up after it."""

    def __init__(self, floor: Floor, chance: Chance) -> None:
        self._floor = floor
        self._chance = chance
        self._deciding: set[str] = set()
        floor.on_pending = self._think

    def tidy(self) -> bool:
        """After the close: ask for whatever still has to end; False when nothing is left to ask for.

        Pending quantity is handed on; what was never placed is, and the venue refuses it; a parent that is at rest
        expires, or is cancelled where its time in force has no end.
        """
        before = len(self._floor.asked)
        for order in self._floor.orders.values():
            self._finish(order)
        return len(self._floor.asked) > before

    def _finish(self, order: Order) -> None:
        ask, name = self._floor.ask, order.order_id
        if order.pending_alloc_qty:
            ask(AllocationApproveCmd, ACTOR, order_id=name)
        elif order.state not in OPEN_STATES or (order.group_order_id and not order.is_grouped_order):
            return
        elif not self._floor.children.get(name):
            if order.state is State.NEW:
                ask(OrderPlaceCmd, ACTOR, order_id=name)
        elif order.state is State.LIVE and self._is_at_rest(name):
            ends = order.time_in_force is TimeInForce.DAY
            ask(OrderExpireCmd if ends else OrderCancelCmd, ACTOR, order_id=name)

    def _is_at_rest(self, order_id: str) -> bool:
        known = self._floor.orders
        below = [known[child] for child in self._floor.children[order_id] if child in known]
        return all(
            child.state not in OPEN_STATES and not child.pending_alloc_qty and self._is_at_rest_below(child)
            for child in below
        )

    def _is_at_rest_below(self, order: Order) -> bool:
        return order.order_id not in self._floor.children or self._is_at_rest(order.order_id)

    def _think(self, order: Order) -> None:
        """Something is pending that nobody thinks about yet."""
        if order.order_id not in self._deciding:
            self._deciding.add(order.order_id)
            self._floor.later(self._chance.quantile(_THINKS), self._decide, order.order_id)

    def _decide(self, order_id: str) -> None:
        self._deciding.discard(order_id)
        pending = int(self._floor.orders[order_id].pending_alloc_qty)
        if not pending:
            return
        match self._chance.weighted(_DECISIONS):
            case "none":
                self._floor.ask(AllocationRejectCmd, ACTOR, order_id=order_id, reason="to be looked at again")
            case "half" if pending > 1:
                half = quantity_of(pending // 2)
                self._floor.ask(AllocationApproveCmd, ACTOR, order_id=order_id, quantity=half)
            case _:
                self._floor.ask(AllocationApproveCmd, ACTOR, order_id=order_id)
