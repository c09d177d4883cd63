"""Is a log complete and in order? Message sequence numbers of each direction: gaps, repetitions, new sessions."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from oms_engine.simulation.fix.reading import Finding, Findings, Message

MAX_DIRECTIONS = 1_000
"""Directions whose numbers are watched; a log of one gateway has two for each session."""

_TOO_MANY = (
    f"more than {MAX_DIRECTIONS:,} pairs of SenderCompID and TargetCompID; MsgSeqNum of later ones is not watched"
)
_MAX_GAPS = 1_000
_SHOWN = 64
_MOST_DIGITS = 18
_LOGON, _SEQUENCE_RESET = "A", "4"


class Gap(NamedTuple):
    """Numbers that a log does not have, and the message (its number in the log) that shows it."""

    first: int
    last: int
    noticed: int


def _without(gap: Gap, first: int, last: int) -> list[Gap]:
    """What is left of a gap without some numbers."""
    if last < gap.first or gap.last < first:
        return [gap]
    parts = ((gap.first, first - 1), (last + 1, gap.last))
    return [Gap(low, high, gap.noticed) for low, high in parts if low <= high]


class Direction:
    """What one side sent to the other: `sender` is SenderCompID (49), `target` TargetCompID (56).

    Attributes:
        expected: The next MsgSeqNum (34); None before the first message.
        gaps: Numbers that are still missing, oldest first.
        messages: How many messages of this direction were read.
        sessions: How often the numbers began again, and 1.
    """

    def __init__(self, sender: str, target: str) -> None:
        self.sender = sender
        self.target = target
        self.expected: int | None = None
        self.gaps: list[Gap] = []
        self.messages = 0
        self.sessions = 1

    def gap_since(self, number: int) -> Gap | None:
        """The newest gap that was noticed after a message with this number."""
        return self.gaps[-1] if self.gaps and self.gaps[-1].noticed > number else None

    def row(self) -> dict[str, Any]:
        """What is told of a direction at the end."""
        return {
            "sender": self.sender[:_SHOWN],
            "target": self.target[:_SHOWN],
            "messages": self.messages,
            "sessions": self.sessions,
            "missing": sum(gap.last - gap.first + 1 for gap in self.gaps),
        }

    def closed(self, first: int, last: int) -> bool:
        """Numbers came after all, or need not come; was one of them missing?"""
        before = self.gaps
        self.gaps = [part for gap in before for part in _without(gap, first, last)]
        return self.gaps != before

    def begins_again(self, expected: int | None) -> None:
        """The numbers start anew; what is missing of the session before stays missing."""
        if self.expected is not None:
            self.sessions += 1
        self.expected = expected


class Sequence(NamedTuple):
    """What a message's number says: why it is not to be replayed (empty: it is), and what is to be told."""

    repeated: str
    findings: Findings


class Sequences:
    """The directions of a log; two for each session between two sides."""

    def __init__(self) -> None:
        self.directions: dict[tuple[str, str], Direction] = {}

    def direction(self, sender: str, target: str) -> Direction | None:
        """What a side sent to another; None when it sent nothing, or when its numbers are not watched."""
        return self.directions.get((sender, target))

    def _of(self, message: Message) -> Direction | None:
        """The direction of a message, begun when there is room for it."""
        key = (message.get(49), message.get(56))
        if key not in self.directions and len(self.directions) < MAX_DIRECTIONS:
            self.directions[key] = Direction(*key)
        return self.directions.get(key)

    def check(self, message: Message) -> Sequence:
        """Take the number of the next message in."""
        direction = self._of(message)
        if direction is None:
            return Sequence("", ((Finding.DIRECTIONS, _TOO_MANY),))
        direction.messages += 1
        number, new = whole(message.get(34)), whole(message.get(36))
        if message.type == _SEQUENCE_RESET and new is not None:
            return _reset(direction, message, number, new)
        if number is None:
            return Sequence("", ())
        if message.type == _LOGON and (message.get(141) == "Y" or number == 1):
            direction.begins_again(number)
        return _placed(direction, message, number)


def whole(text: str) -> int | None:
    """A sequence number; None when it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _placed(direction: Direction, message: Message, number: int) -> Sequence:
    expected = direction.expected if direction.expected is not None else number
    if number >= expected:
        direction.expected = number + 1
        return Sequence("", tuple(_gap(direction, message, expected, number - 1)))
    if direction.closed(number, number):
        kind, told = (
            (Finding.RESENT, "was sent again") if message.get(43) == "Y" else (Finding.OUT_OF_ORDER, "comes late")
        )
        return Sequence("", ((kind, f"MsgSeqNum {number} {told}, after {expected - 1}; it was missing"),))
    if message.get(43) == "Y":
        return Sequence(f"MsgSeqNum {number} was sent again (PossDupFlag) and had been read", ())
    if number == 1:
        direction.begins_again(number + 1)
        return Sequence("", ((Finding.NEW_SESSION, "MsgSeqNum begins with 1 again without a Logon"),))
    told = f"MsgSeqNum {number} had been read, and PossDupFlag (43) does not say that it was sent again"
    return Sequence(told, ((Finding.REPEATED_NUMBER, told),))


def _gap(direction: Direction, message: Message, first: int, last: int) -> Iterator[tuple[Finding, str]]:
    if first <= last:
        direction.gaps.append(Gap(first, last, message.number))
        del direction.gaps[:-_MAX_GAPS]
        yield Finding.GAP, missing(first, last, direction.sender[:_SHOWN])


def missing(first: int, last: int, sender: str) -> str:
    """Which numbers of a side are missing, in words."""
    numbers = f"{first} is" if first == last else f"{first} to {last} are"
    return f"MsgSeqNum {numbers} missing, which {sender} sent"


def _reset(direction: Direction, message: Message, number: int | None, new: int) -> Sequence:
    """SequenceReset (4): the next number is NewSeqNo (36). With GapFillFlag (123) nothing of orders was in between."""
    if message.get(123) != "Y" or number is None:
        direction.expected = new
        return Sequence("", ((Finding.SEQUENCE_RESET, f"SequenceReset without GapFillFlag: {new} comes next"),))
    if direction.closed(number, new - 1) or message.get(43) == "Y":
        direction.expected = max(new, direction.expected or new)
        return Sequence("", ())
    found = _placed(direction, message, number)
    direction.expected = max(new, direction.expected or new)
    return found
