"""How long does a message take? A line in one direction: in order, sometimes slow, sometimes down."""

from collections.abc import Mapping, Sequence

from oms_engine.simulation.market import messages
from oms_engine.simulation.market.chance import Chance

MILLISECOND = 1_000
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND
"""In microseconds, as every time of a session."""

LATENCIES: Mapping[type, Sequence[int]] = {
    messages.NewOrderSingle: (180, 210, 230, 250, 280, 310, 350, 420, 600, 1_500, 40_000),
    messages.CancelRequest: (120, 140, 160, 170, 190, 210, 240, 300, 450, 1_200, 30_000),
    messages.ReplaceRequest: (150, 170, 190, 210, 230, 260, 300, 360, 520, 1_400, 35_000),
    messages.Accepted: (150, 180, 200, 220, 240, 270, 310, 380, 550, 1_400, 40_000),
    messages.Rejected: (150, 180, 200, 220, 240, 270, 310, 380, 550, 1_400, 40_000),
    messages.Filled: (90, 100, 110, 120, 140, 160, 190, 240, 380, 1_000, 25_000),
    messages.Busted: (200, 250, 300, 360, 430, 520, 650, 900, 1_500, 4_000, 60_000),
    messages.Cancelled: (110, 130, 150, 160, 180, 200, 230, 290, 430, 1_100, 30_000),
    messages.CancelRejected: (110, 130, 150, 160, 180, 200, 230, 290, 430, 1_100, 30_000),
    messages.Replaced: (130, 150, 170, 190, 210, 240, 280, 340, 500, 1_300, 35_000),
    messages.ReplaceRejected: (130, 150, 170, 190, 210, 240, 280, 340, 500, 1_300, 35_000),
    messages.Expired: (200, 250, 300, 360, 430, 520, 650, 900, 1_500, 4_000, 60_000),
}
"""Kind of message -> its latency in microseconds at 0 %, 10 % and so on up to 100 % of all cases."""


class Line:
    """One direction of the connection between gateway and venue: nothing overtakes, nothing is lost.

    Args:
        chance: What latencies are drawn from.
        slowness: How many times longer they are than on a good day.
    """

    __slots__ = ("_chance", "_down_until", "_last", "_slowness")

    def __init__(self, chance: Chance, slowness: int = 1) -> None:
        self._chance = chance
        self._slowness = slowness
        self._down_until = 0
        self._last = 0

    def arrival(self, message: tuple[object, ...], now: int) -> int:
        """When a message arrives that is sent now; while the line is down it waits until it is up again."""
        sent = max(now, self._down_until)
        latency = self._chance.quantile(LATENCIES[type(message)]) * self._slowness
        self._last = max(self._last, sent + latency)
        return self._last

    def go_down(self, until: int) -> None:
        """Carry nothing that is sent from now on before this time; what is on its way arrives."""
        self._down_until = max(self._down_until, until)
