"""Which market is to be simulated? A plan, which decides everything that happens."""

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property

from oms_engine.errors import ScenarioError, shown
from oms_engine.record import canonical_json
from oms_engine.simulation.market.faults import FAULTS
from oms_engine.simulation.market.mixes import MIXES

EDITION = 1
"""Counts up whenever the same plan begins to lead to other orders."""

MAX_ORDERS = 10_000_000
MAX_PER_SESSION = 10_000
_MAX_SEED = 2**63 - 1
_DIGEST = 12


@dataclass(frozen=True)
class MarketPlan:
    """What a simulated market is made from; equal plans lead to equal events.

    Args:
        orders: Orders that are sent in all, groups and the orders below others included; 1 to 10,000,000.
        seed: What chance begins with, from 0.
        mix: Who trades, a name of `MIXES`.
        faults: How often things go wrong, a name of `FAULTS`.
        orders_per_session: Orders of one trading session, 1 to 10,000; the last session takes the rest.

    Raises:
        ScenarioError: One of them is impossible; the message names it and what is valid.
    """

    orders: int
    seed: int = 1
    mix: str = "retail"
    faults: str = "some"
    orders_per_session: int = 1_000

    def __post_init__(self) -> None:
        _within("orders", self.orders, 1, MAX_ORDERS)
        _within("seed", self.seed, 0, _MAX_SEED)
        _within("orders_per_session", self.orders_per_session, 1, MAX_PER_SESSION)
        for name, value, valid in (("mix", self.mix, MIXES), ("faults", self.faults, FAULTS)):
            if value not in valid:
                raise ScenarioError(f"{name} {shown(value)} is unknown; use one of {', '.join(valid)}")

    @property
    def sessions(self) -> int:
        """How many trading sessions it takes."""
        return -(-self.orders // self.orders_per_session)

    def orders_of(self, number: int) -> int:
        """How many orders the n-th session sends, counted from 1."""
        _within("session", number, 1, self.sessions)
        return min(self.orders_per_session, self.orders - (number - 1) * self.orders_per_session)

    @cached_property
    def digest(self) -> str:
        """12 hexadecimal digits that name the plan; another plan has others."""
        text = canonical_json(asdict(self) | {"edition": EDITION})
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]

    def correlation_id(self, number: int) -> str:
        """The correlationId of every command of a session: `sim-DIGEST-NUMBER`."""
        return f"sim-{self.digest}-{number}"


def session_of(correlation_id: str) -> tuple[str, int] | None:
    """Plan digest and session number that a correlationId names; None for one of another kind."""
    begins, _, rest = correlation_id.partition("-")
    digest, _, number = rest.partition("-")
    if begins != "sim" or len(digest) != _DIGEST or not (number.isascii() and number.isdigit()):
        return None
    return digest, int(number)


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ScenarioError(f"{name} {shown(value)} is out of range; use a whole number from {low} to {high:,}")
