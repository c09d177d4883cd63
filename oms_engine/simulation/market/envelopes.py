"""How are the commands of a session addressed? Each with an id that is counted, and with the session it belongs to."""

from typing import Any


class Envelopes:
    """Envelopes of one session.

    Args:
        prefix: What every commandId begins with; no other session has it.
        correlation_id: What all commands of the session have in common.

    Attributes:
        count: How many were made.
    """

    __slots__ = ("_correlation_id", "_prefix", "count")

    def __init__(self, prefix: str, correlation_id: str) -> None:
        self._prefix = prefix
        self._correlation_id = correlation_id
        self.count = 0

    def of(self, actor: str) -> dict[str, Any]:
        """The next envelope, for a command of this actor, who is its session too."""
        self.count += 1
        return {
            "command_id": f"{self._prefix}-{self.count}",
            "correlation_id": self._correlation_id,
            "session_id": actor,
        }
