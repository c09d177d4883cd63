"""Who comes next? Participants of a mix, each kind as often as its share says."""

from collections.abc import Callable, Mapping

from oms_engine.simulation.market.chance import Chance, Weighted
from oms_engine.simulation.market.floor import Floor
from oms_engine.simulation.market.institutional import Institutional
from oms_engine.simulation.market.makers import MarketMakers
from oms_engine.simulation.market.mixes import Kind
from oms_engine.simulation.market.retail import Retail

Participant = Retail | Institutional | MarketMakers

PARTICIPANTS: Mapping[Kind, type[Participant]] = {
    Kind.RETAIL: Retail,
    Kind.INSTITUTIONAL: Institutional,
    Kind.MARKET_MAKER: MarketMakers,
}


class Crowd:
    """The participants of a session.

    Args:
        mix: Each kind with its share.
        floor: Where they work.
        chance: Gives each of them a stream of draws of its own.
    """

    def __init__(self, mix: Mapping[Kind, int], floor: Floor, chance: Callable[[str], Chance]) -> None:
        self._kinds = Weighted(tuple(mix.items()))
        self._chance = chance("arrivals")
        self._members = {kind: PARTICIPANTS[kind](floor, chance(kind)) for kind in mix}
        self._orders = sum(self._members[kind].orders_per_arrival * share for kind, share in mix.items())

    def arrive(self) -> None:
        """Somebody comes and sends orders."""
        self._members[self._chance.weighted(self._kinds)].arrive()

    def arrivals_for(self, orders: int) -> int:
        """How often somebody comes until so many orders are sent, on the average."""
        return orders * self._kinds.total // self._orders
