"""What time is it while a log is replayed?"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from oms_engine.simulation.fix.reading import Message, Unreadable
from oms_engine.simulation.fix.translating import moment

_TICK = timedelta(milliseconds=1)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)
"""Where the clock stands still: there is hardly a time behind it."""
_FAR = timedelta(days=1)
_MAX_WAITING = 64


class LogClock:
    """The time of the message that is replayed: SendingTime (52), and never back. An engine is opened with it."""

    def __init__(self) -> None:
        self.now = datetime(2000, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time now."""
        return self.now

    def at(self, text: str, following: datetime | None = None) -> bool:
        """Move to a UTCTimestamp; a millisecond on where it is none, and nowhere in the last day of all years.

        Args:
            text: SendingTime of the message.
            following: SendingTime of the next message that has one.

        Returns:
            Whether the time is believed: one that is more than a day ahead of both its neighbours is not, and counts as
            none.
        """
        given = moment(text)
        believed = given is None or following is None or given - max(self.now, following) <= _FAR
        self.now = min(max(self.now, given) if given and believed else self.now + _TICK, _LATEST)
        return believed


def with_following(
    pieces: Iterable[Message | Unreadable], *, garbled: bool
) -> Iterator[tuple[Message | Unreadable, datetime | None]]:
    """Each piece of a log with the SendingTime of the next message that has one, among the next 64 pieces.

    Args:
        pieces: What stands in the log.
        garbled: Believe the time of a garbled message, too.
    """
    waiting: list[Message | Unreadable] = []
    for piece in pieces:
        time = _time_of(piece, garbled=garbled)
        if time is not None or len(waiting) >= _MAX_WAITING:
            yield from ((each, time) for each in waiting)
            waiting.clear()
        waiting.append(piece)
    yield from ((each, None) for each in waiting)


def _time_of(piece: Message | Unreadable, *, garbled: bool) -> datetime | None:
    if isinstance(piece, Unreadable) or (piece.garbled and not garbled):
        return None
    return moment(piece.get(52))
