"""What happens next? Things to do, in the order of their time; what was entered first of the same time comes first."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Action = Callable[..., None]


class Agenda:
    """The agenda of one session and its clock; times are microseconds since the opening.

    Args:
        close: When the session ends.

    Attributes:
        now: The time of what happened last.
    """

    __slots__ = ("_entered", "_entries", "close", "now")

    def __init__(self, close: int) -> None:
        self.now = 0
        self.close = close
        self._entered = 0
        self._entries: list[tuple[int, int, Action, tuple[Any, ...]]] = []

    def at(self, when: int, action: Action, *arguments: object) -> None:
        """Do something at a time, whether the session has ended or not."""
        self._entered += 1
        heappush(self._entries, (when, self._entered, action, arguments))

    def later(self, delay: int, action: Action, *arguments: object) -> None:
        """Do something after a delay, unless the session will have ended by then."""
        if self.now + delay < self.close:
            self.at(self.now + delay, action, *arguments)

    def clock(self) -> int:
        """The time."""
        return self.now

    def go_on(self) -> bool:
        """Do what comes next; False when nothing is left to do."""
        if not self._entries:
            return False
        self.now, _, action, arguments = heappop(self._entries)
        action(*arguments)
        return True
