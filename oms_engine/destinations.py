"""Where do messages go? Lines of a file, lines on standard output, calls of a Python function."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

Receive = Callable[[Mapping[str, Any]], object]
"""Takes one message; raising means that it was not taken."""


class ReaderGone(Exception):
    """Nobody reads what is printed any more; the messages wait for the next relay."""


class Destination(Protocol):
    """Where a sink's messages go. A message is delivered once `flush` has returned after `send`."""

    def send(self, text: str) -> None:
        """Hand a message over; raises whatever goes wrong."""

    def flush(self) -> None:
        """Make what was handed over last."""

    def close(self) -> None:
        """Let go of what is open."""


class JsonLines:
    """A file that every message is appended to as one line of JSON; on the disk when `flush` returns.

    Several relays may append to one file: each line is written at once. Half a line, left by a full disk or a power
    cut, is ended before the next message, so that it spoils itself alone.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file: int | None = None

    def send(self, text: str) -> None:
        """Append a line."""
        line = text.encode() + b"\n"
        try:
            if self._file is None:
                self._file = _opened(self._path)
            written = os.write(self._file, line)
        except OSError:
            self.close()
            raise
        if written < len(line):
            self.close()
            raise OSError(f"only {written} of {len(line)} bytes were written")

    def flush(self) -> None:
        """Wait for the disk."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file; the next message opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _opened(path: Path) -> int:
    """The file, ready for a whole line; a new one is durable as an entry of its folder."""
    new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file


class Printed:
    """A text stream, standard output unless another is given; every message is one line of JSON."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def send(self, text: str) -> None:
        """Print a line at once."""
        stream = self._stream or sys.stdout
        try:
            stream.write(text + "\n")
            stream.flush()
        except BrokenPipeError as error:
            raise ReaderGone("nobody reads the messages any more") from error

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The stream belongs to somebody else."""


class Called:
    """A Python function that gets every message as a mapping."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def send(self, text: str) -> None:
        """Call it."""
        self._receive(json.loads(text))

    def flush(self) -> None:
        """What was called has returned."""

    def close(self) -> None:
        """A function is not closed."""
