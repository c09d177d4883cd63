"""What happens by chance? Draws from whole numbers alone, so that a seed gives the same on every machine."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")

MILLION = 1_000_000

_BITS = 48


class Weighted(Generic[T]):
    """Things that are drawn more or less often.

    Args:
        things: Each thing with its weight, a whole number; weights need not add up to anything.
    """

    __slots__ = ("_ends", "_things", "_total")

    def __init__(self, things: Sequence[tuple[T, int]]) -> None:
        self._things = tuple(thing for thing, _ in things)
        self._ends = tuple(accumulate(weight for _, weight in things))
        self._total = self._ends[-1]

    def at(self, draw: int) -> T:
        """The thing at a place from 0 up to the sum of the weights."""
        return self._things[bisect_right(self._ends, draw)]

    @property
    def total(self) -> int:
        """The sum of the weights."""
        return self._total


class Chance:
    """A stream of draws for one purpose; what one purpose draws moves no other.

    Args:
        seed: What the whole simulation begins with.
        session: Number of the trading session.
        purpose: What is drawn for, such as `venue`.
    """

    __slots__ = ("_bits",)

    def __init__(self, seed: int, session: int, purpose: str) -> None:
        name = f"{seed}/{session}/{purpose}".encode()
        start = int.from_bytes(hashlib.sha256(name).digest(), "big")
        self._bits = Random(start).getrandbits  # noqa: S311 - chance that can be repeated, no secret

    def below(self, end: int) -> int:
        """A whole number from 0 up to `end`, which is left out; `end` is far below 2**48."""
        return (self._bits(_BITS) * end) >> _BITS

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def happens(self, per_million: int) -> bool:
        """Does something happen that happens so often in a million times?"""
        return per_million > 0 and self.below(MILLION) < per_million

    def pick(self, things: Sequence[T]) -> T:
        """One of the things, each as likely as the others."""
        return things[self.below(len(things))]

    def weighted(self, things: Weighted[T]) -> T:
        """One of the things by their weights."""
        return things.at(self.below(things.total))

    def quantile(self, table: Sequence[int]) -> int:
        """A draw from a distribution that is given by its quantiles at equal distances, the first 0 %, the last 100 %.

        Between two of them every value is as likely as the others.
        """
        place = self._bits(_BITS) * (len(table) - 1)
        index, within = place >> _BITS, place & ((1 << _BITS) - 1)
        low = table[index]
        return low + (((table[index + 1] - low) * within) >> _BITS)
