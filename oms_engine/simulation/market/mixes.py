"""Who trades in the market? Mixes of participants, by the share of the day that each begins."""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """A kind of participant."""

    RETAIL = "retail"
    INSTITUTIONAL = "institutional"
    MARKET_MAKER = "market-maker"


MIXES: Mapping[str, Mapping[Kind, int]] = {
    "retail": {Kind.RETAIL: 100},
    "institutional": {Kind.INSTITUTIONAL: 70, Kind.RETAIL: 30},
    "market-maker": {Kind.MARKET_MAKER: 80, Kind.RETAIL: 20},
}
"""Name -> kind of participant -> how many of a hundred arrivals are of this kind."""
