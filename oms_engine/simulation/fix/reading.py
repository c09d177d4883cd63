"""What does a FIX message say, and is it whole? Fields through simplefix, then BodyLength and CheckSum."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from simplefix import FixParser
from simplefix.errors import ParsingError

from oms_engine.simulation.fix.framing import Piece
from oms_engine.simulation.fix.tags import BEGIN_STRING, ORDER, SOH, TAGS, tag_name

_MSG_SEQ_NUM = 34
_HEADER = (_MSG_SEQ_NUM, 52)
_ONCE = frozenset(
    {mapped.tag for mapped in ORDER} | {6, 14, 17, 19, 31, 32, 34, 35, 37, 39, 41, 49, 56, 102, 103, 150, 151}
)
"""Tags that a message has once; others may be repeated, in groups."""

_MAX_SHOWN = 64
_MAX_TAG = 12


class Finding(StrEnum):
    """What may be wrong with a message or with the order of messages, and does not keep a log from being replayed."""

    GAP = "gap"
    RESENT = "resent"
    OUT_OF_ORDER = "out of order"
    REPEATED_NUMBER = "repeated number"
    NEW_SESSION = "new session"
    SEQUENCE_RESET = "sequence reset"
    DIRECTIONS = "too many directions"
    TIME_JUMPS = "SendingTime jumps"
    MISSING_TAG = "missing tag"
    REPEATED_TAG = "repeated tag"
    BEGIN_STRING = "BeginString"
    GARBLED = "garbled"


Findings = tuple[tuple[Finding, str], ...]
"""What was found, each with what is to say of it."""


class Message(NamedTuple):
    """A message of a log.

    Attributes:
        number: Its number among the pieces of the log, from 1.
        offset: Where it begins, in bytes from 0.
        line: Its line, from 1.
        size: Bytes it has in the log.
        fields: Tag -> its first value.
        unknown: Tags that FIX 4.4 as it is known here does not have, as often as they come.
        findings: What is wrong with it that does not keep it from being replayed.
        garbled: Why a FIX session would ignore it, when it would.
    """

    number: int
    offset: int
    line: int
    size: int
    fields: dict[int, str]
    unknown: tuple[int, ...] = ()
    findings: Findings = ()
    garbled: str = ""

    def get(self, tag: int) -> str:
        """The value of a tag; empty when the message does not have it."""
        return self.fields.get(tag, "")

    @property
    def type(self) -> str:
        """MsgType (35)."""
        return self.fields.get(35, "")

    @property
    def place(self) -> str:
        """Where a person finds it: `message 12 (line 12, MsgSeqNum 7)`."""
        number = self.get(_MSG_SEQ_NUM)
        sequence = f", MsgSeqNum {number[:_MAX_SHOWN]}" if number else ""
        return f"message {self.number} (line {self.line}{sequence})"


class Unreadable(NamedTuple):
    """Bytes that are no message, and why."""

    number: int
    offset: int
    line: int
    size: int
    reason: str
    was_message: bool


def read(piece: Piece, number: int) -> Message | Unreadable:
    """The message in a piece of a log, or why there is none; it never raises.

    Args:
        piece: The bytes.
        number: Its number among the pieces of the log.
    """
    if piece.problem:
        return Unreadable(number, piece.offset, piece.line, piece.size, piece.problem, piece.was_message)
    try:
        pairs = _pairs(piece.data)
    except (ParsingError, ValueError) as error:
        reason = f"is no list of tag=value fields: {str(error)[:_MAX_SHOWN] or type(error).__name__}"
        return Unreadable(number, piece.offset, piece.line, piece.size, reason, was_message=True)
    fields: dict[int, str] = {}
    for tag, value in pairs:
        fields.setdefault(tag, value.decode("utf-8", "backslashreplace"))
    return Message(
        number,
        piece.offset,
        piece.line,
        piece.size,
        fields,
        tuple(tag for tag, _ in pairs if tag not in TAGS),
        tuple(_findings(pairs, fields)),
        _garbled(piece.data, fields),
    )


def _pairs(data: bytes) -> list[tuple[int, bytes]]:
    parser = FixParser(allow_empty_values=True)
    parser.append_buffer(data)
    message = parser.get_message()
    if message is None:
        raise ValueError("a field of raw data is not as long as its length says")
    if parser.get_buffer():
        raise ValueError("there are fields behind its CheckSum (10)")
    pairs = [(int(tag), bytes(value)) for tag, value in message.pairs]
    _check_tags(data, pairs)
    return pairs


def _check_tags(data: bytes, pairs: list[tuple[int, bytes]]) -> None:
    """A tag is digits without leading zeros (FIX 4.4, volume 1); simplefix takes signs, blanks and underscores, too."""
    at = 0
    for tag, value in pairs:
        field = b"%d=%b\x01" % (tag, value)
        if tag < 0 or not data.startswith(field, at):
            shown = data[at:].partition(b"=")[0][:_MAX_TAG].decode("ascii", "backslashreplace")
            raise ValueError(f"a tag is digits alone, and {shown!r} is none")
        at += len(field)


def _garbled(data: bytes, fields: dict[int, str]) -> str:
    """Why FIX has a message like this ignored: BodyLength or CheckSum is wrong (volume 2, "garbled messages")."""
    trailer = data.rindex(SOH + b"10=") + 1
    said, counted = fields[10], sum(data[:trailer]) % 256
    if said != f"{counted:03}":
        return f"CheckSum (10) says {said[:_MAX_SHOWN]}, its bytes add up to {counted:03}"
    second = data.index(SOH) + 1
    if not data.startswith(b"9=", second):
        return "BodyLength (9) is not its second field"
    length = trailer - data.index(SOH, second) - 1
    if fields[9].isascii() and fields[9].isdecimal() and int(fields[9]) == length:
        return ""
    return f"BodyLength (9) says {fields[9][:_MAX_SHOWN]}, its body has {length} bytes"


def _findings(pairs: list[tuple[int, bytes]], fields: dict[int, str]) -> Iterator[tuple[Finding, str]]:
    if fields.get(8) != BEGIN_STRING:
        yield Finding.BEGIN_STRING, f"BeginString (8) is {fields.get(8, '')[:_MAX_SHOWN]}, not {BEGIN_STRING}"
    for tag in _HEADER:
        if tag not in fields:
            yield Finding.MISSING_TAG, f"{tag_name(tag)} is missing"
    if len(pairs) != len(fields):
        counts = Counter(tag for tag, _ in pairs)
        for tag in sorted(tag for tag, count in counts.items() if count > 1 and tag in _ONCE):
            yield Finding.REPEATED_TAG, f"{tag_name(tag)} stands {counts[tag]} times; its first value counts"
