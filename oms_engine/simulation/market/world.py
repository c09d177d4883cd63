"""What time is it in the simulation, and how are new things called? As the session says, and counted."""

from datetime import UTC, datetime, timedelta

from oms_engine.simulation.ids import CountedIds

_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """Clock and ids of a simulated engine: `Engine.open(clock=world.clock, new_id=world.new_id)`.

    Args:
        start: The time until the first session begins.
    """

    def __init__(self, start: datetime = _BEFORE) -> None:
        self.begin(0, start)

    def begin(self, number: int, opening: datetime) -> None:
        """The n-th session begins: time goes from its opening, ids are counted from 1 and carry its number."""
        self._opening = self._now = opening
        self._ids = CountedIds(f"S{number}-")

    def move(self, micros: int) -> None:
        """It is so many microseconds after the opening."""
        self._now = self._opening + timedelta(microseconds=micros)

    def clock(self) -> datetime:
        """The time."""
        return self._now

    def new_id(self, prefix: str) -> str:
        """An id that nobody else has: `PREFIX-S3-1` is the first one of the third session."""
        return self._ids(prefix)
