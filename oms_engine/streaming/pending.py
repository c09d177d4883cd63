"""What waits for a subscriber who is slower than the market? A bounded queue, conflated by key when it is full."""

from collections import OrderedDict, deque
from dataclasses import replace

from oms_engine.streaming.messages import MessageType, ObjectId, StreamMessage


class Pending:
    """Messages in the order of their positions.

    When it is full, messages about one object become one: the newest state stands, in the place of the oldest. So its
    position stays that of the oldest, and resuming there repeats rather than loses. A LEAVE stays: it takes in the
    UPDATE before it, and an UPDATE after it stands for itself.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: OrderedDict[int, StreamMessage] = OrderedDict()
        self._numbers: dict[ObjectId, deque[int]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: StreamMessage) -> bool:
        """Let a message wait; False when there is no room for it."""
        if len(self) == self._limit:
            if self._taken_in(message):
                return True
            self._conflate()
            if len(self) == self._limit:
                return False
        self._append(message)
        return True

    def take(self) -> StreamMessage | None:
        """The message that waits longest; None when none does."""
        if not self._messages:
            return None
        _, message = self._messages.popitem(last=False)
        numbers = self._numbers[message.object_id]
        numbers.popleft()
        if not numbers:
            del self._numbers[message.object_id]
        return message

    def _append(self, message: StreamMessage) -> None:
        self._messages[self._next] = message
        self._numbers.setdefault(message.object_id, deque()).append(self._next)
        self._next += 1

    def _taken_in(self, message: StreamMessage) -> bool:
        """Let the last message about the object stand for this one too; False where it cannot."""
        numbers = self._numbers.get(message.object_id)
        if not numbers or (self._leaves(numbers[-1]) and message.type is not MessageType.LEAVE):
            return False
        self._messages[numbers[-1]] = _merged(self._messages[numbers[-1]], message)
        if len(numbers) > 1 and self._leaves(numbers[-1]) and self._leaves(numbers[-2]):
            last = self._messages.pop(numbers.pop())  # what left before has not come back as far as anybody knows
            self._messages[numbers[-1]] = _merged(self._messages[numbers[-1]], last)
        return True

    def _leaves(self, number: int) -> bool:
        return self._messages[number].type is MessageType.LEAVE

    def _conflate(self) -> None:
        """Make as few messages as can be of those that wait for one object."""
        waiting = list(self._messages.values())
        self._messages.clear()
        self._numbers.clear()
        for message in waiting:
            if not self._taken_in(message):
                self._append(message)


def _merged(older: StreamMessage, newer: StreamMessage) -> StreamMessage:
    """One message in place of two: where it goes on, it stands for all that happened since the older began.

    Events are left out: a subscriber who is never read would otherwise keep all of them.
    """
    return replace(newer, position=older.position, from_version=older.from_version, events=())
