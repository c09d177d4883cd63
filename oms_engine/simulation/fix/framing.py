"""Where does a FIX message begin and end in the bytes of a log, and what lies between messages?"""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from oms_engine.simulation.fix.tags import SOH

MAX_MESSAGE = 65_536
"""Bytes of the longest message that is read; FIX messages about orders have a few hundred."""

_CHUNK = 4 * MAX_MESSAGE
_MAX_ENDS = 50

_VERSION = rb"8=FIXT?\.[0-9]\.[0-9][^\x01|^<\r\n=]{0,8}(\x01|\||\^A|<SOH>)"
_HEAD = re.compile(_VERSION + rb"(?:9=([0-9]{1,7})\1)?")
_START = re.compile(_VERSION + rb"9=[0-9]{1,7}\1|(?<![0-9])8=FIX")
"""A whole beginning counts wherever it stands, less than that only where no other tag ends with 8."""

_FIELD = re.compile(rb"[0-9]{1,10}=")
_LONGEST_HEAD = 40
_ENDS = {
    separator: re.compile(re.escape(separator) + rb"10=[^\x01|^\r\n]{0,8}?(?=" + re.escape(separator) + rb"|[\r\n]|\Z)")
    for separator in (SOH, b"|", b"^A", b"<SOH>")
}
"""What separates the fields -> the CheckSum that ends a message; at the end of a line its separator may be missing."""


class Piece(NamedTuple):
    """Some bytes of a log that belong together.

    Attributes:
        offset: Where it begins, in bytes from 0.
        line: Line it begins in, from 1.
        size: Bytes it has in the log.
        data: The message with SOH between its fields; of other pieces the bytes as they are, at most so many as a
            message may have.
        problem: Why it is no message; empty for a message.
        was_message: It began as a message, so something of an order may be lost with it.
    """

    offset: int
    line: int
    size: int
    data: bytes
    problem: str = ""
    was_message: bool = True


class Framing:
    """Cuts a stream of bytes into messages and into what is none; iterate over `pieces` once.

    Attributes:
        between: Bytes of no interest so far: line ends, and what log files put before and behind a message in its line.
        consumed: Bytes cut so far.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.between = 0
        self.consumed = 0
        self._stream = stream
        self._buffer = b""
        self._base = 0
        self._line = 1
        self._ended = False
        self._message_in_line = False

    def pieces(self) -> Iterator[Piece]:
        """Every message, and every run of bytes that is none, in the order of the log."""
        while True:
            self._fill()
            start = _START.search(self._buffer, self._here)
            if start is None:
                yield from self._without_start()
                if self._ended and self._here == len(self._buffer):
                    return
                continue
            yield from self._beside(start.start(), followed=True)
            self._fill()
            yield self._message()
            self._message_in_line = True

    @property
    def _here(self) -> int:
        return self.consumed - self._base

    def _fill(self) -> None:
        """Have the longest message in the buffer, unless the log ends before."""
        if self._ended or len(self._buffer) - self._here >= MAX_MESSAGE + _LONGEST_HEAD:
            return
        parts, size = [self._buffer[self._here :]], len(self._buffer) - self._here
        self._base = self.consumed
        while size < _CHUNK and not self._ended:
            part = self._stream.read(_CHUNK - size)
            self._ended = not part
            parts.append(part)
            size += len(part)
        self._buffer = b"".join(parts)

    def _take(self, end: int, problem: str = "", *, was_message: bool = True, data: bytes | None = None) -> Piece:
        """The bytes from here to an index of the buffer, which are done with."""
        raw = self._buffer[self._here : end]
        piece = Piece(self.consumed, self._line, len(raw), raw if data is None else data, problem, was_message)
        self.consumed += len(raw)
        self._line += raw.count(b"\n")
        return piece

    def _without_start(self) -> Iterator[Piece]:
        """Nothing begins in the buffer: all of it is beside messages, but for a beginning that is not complete."""
        kept = 0 if self._ended else _LONGEST_HEAD
        end = max(self._here, len(self._buffer) - kept)
        if not self._ended:
            newline = self._buffer.rfind(b"\n", self._here, end)
            end = newline + 1 if newline >= 0 else end
        yield from self._beside(end, followed=False)

    def _beside(self, end: int, *, followed: bool) -> Iterator[Piece]:
        """What stands before a message, or at the end: rest of a line, whole lines, beginning of the message's line."""
        first = self._buffer.find(b"\n", self._here, end)
        if self._message_in_line:
            self.between += self._take(end if first < 0 else first + 1).size
            self._message_in_line = first < 0
        last = self._buffer.rfind(b"\n", self._here, end) + 1 if followed else end
        if last > self._here:
            if self._buffer[self._here : last].strip():
                yield self._take(last, "holds no message: nothing begins with BeginString (8=FIX)", was_message=False)
            else:
                self.between += self._take(last).size
        self.between += self._take(max(end, self._here)).size

    def _message(self) -> Piece:
        """The message that begins here, or what there is of it."""
        here, limit = self._here, min(len(self._buffer), self._here + MAX_MESSAGE)
        head = _HEAD.match(self._buffer, here, limit)
        if head is None:
            return self._take(
                self._end_of_line(limit), "begins as a message, but BeginString is not followed by SOH, |, ^A or <SOH>"
            )
        separator = head[1]
        end = self._end(head, limit)
        if end is None:
            why = (
                "has no CheckSum (10): it is cut off"
                if limit < here + MAX_MESSAGE
                else (f"has no CheckSum (10) within {MAX_MESSAGE:,} bytes")
            )
            return self._take(self._end_of_line(limit), why)
        return self._take(end, data=_with_soh(self._buffer[here:end], separator))

    def _end(self, head: re.Match[bytes], limit: int) -> int | None:
        """Where the message ends: at the CheckSum that BodyLength leads to, else at the first one it has."""
        separator, length = head[1], int(head[2] or 0)
        first = None
        for count, found in enumerate(_ENDS[separator].finditer(self._buffer, head.end() - len(separator), limit)):
            if found.end() == limit and not (self._ended and limit == len(self._buffer)):
                break
            first = first or found
            body_end = found.start() + len(separator)
            body = body_end - head.end()
            if len(separator) > 1:
                body -= (len(separator) - 1) * self._buffer.count(separator, head.end(), body_end)
            if not length or body == length:
                return self._behind(found, separator)
            if body > length or count > _MAX_ENDS:
                break
        following = _START.search(self._buffer, head.end(), limit)
        if first is None or (following and following.start() < first.start()):
            return None
        return self._behind(first, separator)

    def _behind(self, checksum: re.Match[bytes], separator: bytes) -> int:
        """Behind the CheckSum and its separator, where that is there."""
        end = checksum.end()
        return end + len(separator) * self._buffer.startswith(separator, end)

    def _end_of_line(self, limit: int) -> int:
        """Where what is no message ends: with its line, or where the next message begins."""
        newline = self._buffer.find(b"\n", self._here, limit)
        following = _START.search(self._buffer, self._here + 1, limit)
        ends = [limit, newline + 1 or limit, following.start() if following else limit]
        return min(ends)


def _with_soh(raw: bytes, separator: bytes) -> bytes:
    """The message with SOH between its fields; a part without a tag belongs to the value before it."""
    if separator == SOH:
        return raw if raw.endswith(SOH) else raw + SOH
    fields: list[bytes] = []
    for part in raw.removesuffix(separator).split(separator):
        if _FIELD.match(part) or not fields:
            fields.append(part)
        else:
            fields[-1] += separator + part
    return SOH.join(fields) + SOH
