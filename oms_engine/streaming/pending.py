"""What waits for a subscriber who is slower than the market? A bounded queue, conflated by key when it is full."""

from collections import OrderedDict
from dataclasses import replace

from oms_engine.streaming.messages import ObjectId, StreamMessage


class Pending:
    """Messages in the order of their positions.

    When it is full, messages about one object become one: the newest state stands, in the place of the oldest. So its
    position stays that of the oldest, and resuming there repeats rather than loses. A LEAVE that is the newest stands.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: OrderedDict[int, StreamMessage] = OrderedDict()
        self._last: dict[ObjectId, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: StreamMessage) -> bool:
        """Let a message wait; False when there is no room for it."""
        if len(self._messages) < self._limit:
            self._append(message)
            return True
        if message.object_id not in self._last:
            self._conflate()
            if len(self._messages) < self._limit:
                self._append(message)
                return True
            return False
        number = self._last[message.object_id]
        self._messages[number] = _merged(self._messages[number], message)
        return True

    def take(self) -> StreamMessage | None:
        """The message that waits longest; None when none does."""
        if not self._messages:
            return None
        number, message = self._messages.popitem(last=False)
        if self._last[message.object_id] == number:
            del self._last[message.object_id]
        return message

    def _append(self, message: StreamMessage) -> None:
        self._messages[self._next] = message
        self._last[message.object_id] = self._next
        self._next += 1

    def _conflate(self) -> None:
        """Make one message of all that wait for one object."""
        first: dict[ObjectId, int] = {}
        for number, message in list(self._messages.items()):
            kept = first.setdefault(message.object_id, number)
            if kept != number:
                self._messages[kept] = _merged(self._messages[kept], message)
                del self._messages[number]
        self._last = first


def _merged(older: StreamMessage, newer: StreamMessage) -> StreamMessage:
    """One message in place of two: where it goes on, it stands for all that happened since the older began.

    Events are left out: a subscriber who is never read would otherwise keep all of them.
    """
    return replace(newer, position=older.position, from_version=older.from_version, events=())
