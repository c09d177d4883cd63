"""How are millions of durations and counts kept in a few kilobytes? In buckets, and in a series that thins out."""

from collections.abc import Iterator
from typing import NamedTuple

from oms_engine.record import Record

_PARTS = 16
"""Buckets from one power of two to the next, so a percentile is told at most 1/16 too high."""

_PART_BITS = 4
_MOST_BITS = 45
"""Nanoseconds of nine hours have so many bits; whatever takes longer is counted there."""

_MICRO = 1_000


class Latency(Record):
    """How long something took, in microseconds; percentiles are upper ends of buckets 1/16 wide."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    max: float


class Bucket(Record):
    """How many took at most `up_to` microseconds, and longer than the bucket before."""

    up_to: float
    count: int


class Histogram:
    """Counts durations in buckets that grow with them; its size is fixed."""

    __slots__ = ("_counts", "count", "longest", "total")

    def __init__(self) -> None:
        self._counts = [0] * ((_MOST_BITS - _PART_BITS + 1) * _PARTS)
        self.count = 0
        self.total = 0
        self.longest = 0

    def note(self, nanoseconds: int) -> None:
        """Count one duration."""
        shift = max(nanoseconds.bit_length() - _PART_BITS - 1, 0)
        index = min((shift << _PART_BITS) + (nanoseconds >> shift), len(self._counts) - 1)
        self._counts[index] += 1
        self.count += 1
        self.total += nanoseconds
        self.longest = max(self.longest, nanoseconds)

    def add(self, other: "Histogram") -> None:
        """Count everything that another one counted."""
        for index, number in enumerate(other._counts):  # noqa: SLF001 - one of our own kind
            self._counts[index] += number
        self.count += other.count
        self.total += other.total
        self.longest = max(self.longest, other.longest)

    def percentile(self, percent: int) -> int:
        """So many percent took at most this long, in nanoseconds; 0 where nothing was counted."""
        wanted = -(-self.count * percent // 100)
        seen = 0
        for end, number in self._filled():
            seen += number
            if seen >= wanted:
                return min(end, self.longest)
        return 0

    def told(self) -> Latency:
        """The figures that are reported."""
        p50, p90, p99 = (round(self.percentile(percent) / _MICRO, 1) for percent in (50, 90, 99))
        mean = self.total / self.count if self.count else 0.0
        longest = round(self.longest / _MICRO, 1)
        return Latency(count=self.count, mean=round(mean / _MICRO, 1), p50=p50, p90=p90, p99=p99, max=longest)

    def doubling(self) -> tuple[Bucket, ...]:
        """The counts in buckets each twice as wide as the one before, from the first to the last that has any."""
        by_end: dict[int, int] = {}
        for end, number in self._filled():
            power = 1 << max(end - 1, 1).bit_length()
            by_end[power] = by_end.get(power, 0) + number
        if not by_end:
            return ()
        low, high = min(by_end), max(by_end)
        ends = [1 << bits for bits in range(low.bit_length() - 1, high.bit_length())]
        return tuple(Bucket(up_to=round(end / _MICRO, 3), count=by_end.get(end, 0)) for end in ends)

    def _filled(self) -> Iterator[tuple[int, int]]:
        """Upper end in nanoseconds and count of each bucket that has any, shortest first."""
        for index, number in enumerate(self._counts):
            if number:
                yield _end(index), number


def _end(index: int) -> int:
    """The longest duration of a bucket, in nanoseconds."""
    shift = max((index >> _PART_BITS) - 1, 0)
    return ((index - (shift << _PART_BITS) + 1) << shift) - 1


class Point(NamedTuple):
    """How far a run was at a moment: seconds since it began, commands and orders sent, bytes of the store."""

    seconds: float
    commands: int
    orders: int
    size: int


class Series:
    """Points of a run in order; when there are too many every other one is dropped, and fewer are taken from then on.

    Args:
        most: How many points are kept at most, an even number.
    """

    def __init__(self, most: int = 240) -> None:
        self._most = most
        self._every = 1
        self._seen = 0
        self._points: list[Point] = []
        self._last: Point | None = None

    def note(self, point: Point) -> None:
        """Take a point that comes after all before it."""
        if self._seen % self._every == 0:
            self._points.append(point)
            if len(self._points) > self._most:
                del self._points[1::2]
                self._every *= 2
        self._seen += 1
        self._last = point

    def points(self) -> list[Point]:
        """What was kept, the last point always with it."""
        kept = self._points
        return [*kept, self._last] if self._last is not None and kept[-1] is not self._last else list(kept)
