"""How do messages come in and answers go out, over the pipes that a client started the server with?

The event loop itself waits until a pipe can be read or written, so no thread takes part and nothing is handed over. A
frame is a line of JSON. What is no message is answered with an error, under the id of the request where one can be
found in it, and the connection goes on. A client that reads none of its answers is not read any further either.

While serving, fd 0 is empty and fd 1 is stderr: whatever prints, or a child process that reads, stays off the wire.
"""

import asyncio
import json
import os
import re
import stat
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of one frame; a longer one is refused."""

MOST_UNANSWERED = 4_096
"""Requests that are worked on at once; one more is refused."""

MOST_UNREAD = 16 * 1024 * 1024
"""Bytes of answers that the client does not read; then nothing is read of the client either, until it does."""

GRACE_SECONDS = 1.0
"""How long, after the client said its last word, the server waits for one more answer to be ready, or to be read."""

_CHUNK = 64 * 1024
_AHEAD = 256 * 1024
"""Bytes that are taken before somebody asks for them."""

_EDGE = 512
"""Bytes at either end of a frame in which its id is looked for."""

_ID = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\\x00-\x1f]{1,200}")\s*'
_ID_AT_START = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID + rb",")
_ID_AT_END = re.compile(rb"," + rb"\s*" + _ID + rb"\}\s*$")

_LISTEN = "subscriptions/listen"
"""The request that is answered when the client goes away: nobody waits for the answer."""

_BUSY = -32000


def can_wait() -> bool:
    """Are stdin and stdout pipes that the event loop can wait for? Not on Windows, not for files and terminals."""
    if sys.platform == "win32":
        return False
    try:
        kinds = [os.fstat(fd) for fd in (0, 1, 2)]
    except OSError:
        return False
    both = all(stat.S_ISFIFO(each.st_mode) or stat.S_ISSOCK(each.st_mode) for each in kinds[:2])
    own = (kinds[1].st_dev, kinds[1].st_ino) != (kinds[2].st_dev, kinds[2].st_ino)  # it is made not to block
    return both and own


@asynccontextmanager
async def pipes() -> AsyncIterator[tuple["Incoming", "Outgoing"]]:
    """Serve stdin and stdout; both are as before afterwards."""
    sys.stdout.flush()
    wire_in, wire_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    os.set_blocking(wire_out, False)
    try:
        async with anyio.create_task_group() as tasks:
            outgoing = Outgoing(wire_out, tasks)
            with closing(Incoming(wire_in, outgoing)) as incoming:
                yield incoming, outgoing
            await outgoing.flush()
            tasks.cancel_scope.cancel()
    finally:
        sys.stdout.flush()
        os.set_blocking(wire_out, True)
        os.dup2(wire_in, 0)
        os.dup2(wire_out, 1)
        os.close(wire_in)
        os.close(wire_out)


class _Stream:
    """What both directions have in common with a stream of the SDK."""

    async def aclose(self) -> None:
        """Nothing more is wanted of it; the pipe stays open until the end of `pipes`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.aclose()


class Outgoing(_Stream):
    """Answers and notifications, in the order they were sent, each as a whole."""

    def __init__(self, fd: int, tasks: TaskGroup) -> None:
        """Nothing waits yet.

        Args:
            fd: The pipe; it does not block.
            tasks: Where what the pipe does not take at once is written.
        """
        self._fd = fd
        self._tasks = tasks
        self._frames: deque[memoryview] = deque()
        self._unread = 0
        self._moved = anyio.Event()
        self.broken = False
        self.when_broken: list[Callable[[], None]] = []
        self.unanswered: set[object] = set()

    async def send(self, item: SessionMessage, /) -> None:
        """Write a message, after those that wait; raises BrokenResourceError when the client is gone."""
        await self.room()
        message = item.message
        self.write(_encoded(message))
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self.unanswered.discard(message.id)

    def write(self, frame: bytes) -> None:
        """Write a frame now, as far as the pipe takes it; the rest follows when it is read."""
        if self.broken:
            raise anyio.BrokenResourceError
        idle = not self._frames
        self._frames.append(memoryview(frame))
        self._unread += len(frame)
        if idle:
            self._write()
            if self._frames:
                self._tasks.start_soon(self._drain)

    async def moved(self) -> None:
        """Wait until the client has read some of what waits for it."""
        await self._moved.wait()

    async def room(self) -> None:
        """Wait until little enough is unread."""
        while self._unread >= MOST_UNREAD:
            await self.moved()

    async def flush(self) -> None:
        """Wait until everything was read, as long as the client goes on reading."""
        while self._frames:
            with anyio.move_on_after(GRACE_SECONDS) as patience:
                await self.moved()
            if patience.cancelled_caught:
                break

    async def _drain(self) -> None:
        while self._frames:
            await anyio.wait_writable(self._fd)
            self._write()

    def _write(self) -> None:
        try:
            while self._frames:
                written = os.write(self._fd, self._frames[0])
                self._unread -= written
                if written < len(self._frames[0]):
                    self._frames[0] = self._frames[0][written:]
                else:
                    self._frames.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._frames.clear()
            self._unread = 0
            self.broken = True
            for tell in self.when_broken:
                tell()
        self._moved.set()
        self._moved = anyio.Event()


class Incoming(_Stream):
    """Messages of the client; ends when it closes its side and has its answers."""

    def __init__(self, fd: int, outgoing: Outgoing) -> None:
        self._fd = fd
        self._outgoing = outgoing
        self._loop = asyncio.get_running_loop()
        self._awake: asyncio.Future[None] | None = None
        self._ended = False
        self._paused = False
        self._buffer = bytearray()
        self._looked = 0
        self._skipped = 0
        self._head = b""
        outgoing.when_broken.append(self._end)
        self._loop.add_reader(fd, self._take)

    def close(self) -> None:
        """Read nothing more."""
        self._loop.remove_reader(self._fd)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def receive(self) -> SessionMessage:
        """The next message; raises EndOfStream when there is none any more."""
        while True:
            await self._outgoing.room()
            line = self._line()
            if line is None and not await self._more():
                line = self._line() or self._rest()
                if not line:
                    await self._last_answers()
                    raise anyio.EndOfStream
            if line and not line.isspace() and (message := self._message(line)) is not None:
                return message

    async def _more(self) -> bool:
        """Wait for more; False when nothing comes any more."""
        if not self._ended:
            self._awake = self._loop.create_future()
            if self._paused:
                self._paused = False
                self._loop.add_reader(self._fd, self._take)
            try:
                await self._awake
            finally:
                self._awake = None
        return not self._ended

    def _take(self) -> None:
        """Take what the pipe has; not much more than what is asked for."""
        try:
            chunk = os.read(self._fd, _CHUNK)
        except OSError:
            chunk = b""
        self._buffer += chunk
        if not chunk:
            self._end()
        elif self._awake is None and len(self._buffer) >= _AHEAD:
            self._paused = True
            self._loop.remove_reader(self._fd)
        self._wake()

    def _end(self) -> None:
        self._ended = True
        self._loop.remove_reader(self._fd)
        self._wake()

    def _wake(self) -> None:
        if self._awake is not None and not self._awake.done():
            self._awake.set_result(None)

    async def _last_answers(self) -> None:
        """Let what was asked be answered, as long as answers come."""
        outgoing = self._outgoing
        while outgoing.unanswered and not outgoing.broken:
            with anyio.move_on_after(GRACE_SECONDS) as patience:
                await outgoing.moved()
            if patience.cancelled_caught:
                break

    def _rest(self) -> bytes:
        """What the client said last, without the end of a line."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        return rest

    def _line(self) -> bytes | None:
        """The next frame that is there as a whole; one that is too long is refused and left out."""
        end = self._buffer.find(b"\n", self._looked)
        if end < 0:
            self._looked = len(self._buffer)
            if len(self._buffer) > MOST_BYTES:
                self._head = self._head or bytes(self._buffer[:_EDGE])
                self._skipped += len(self._buffer) - _EDGE
                del self._buffer[:-_EDGE]
                self._looked = _EDGE
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._looked = 0
        if self._skipped + len(line) <= MOST_BYTES:
            return line
        self._refuse_long(self._head or line[:_EDGE], line[-_EDGE:], self._skipped + len(line))
        self._skipped, self._head = 0, b""
        return b""

    def _refuse_long(self, head: bytes, tail: bytes, size: int) -> None:
        told = f"a message of {size:,} bytes was refused; send at most {MOST_BYTES:,}"
        self._refuse(_id_in(head, tail), INVALID_REQUEST, told)

    def _message(self, line: bytes) -> SessionMessage | None:
        """The message of a frame; what is none is answered with an error."""
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            self._refuse_strange(line)
            return None
        unanswered = self._outgoing.unanswered
        match message:
            case JSONRPCRequest() if len(unanswered) >= MOST_UNANSWERED:
                told = f"{MOST_UNANSWERED:,} requests are worked on already; wait for some of the answers"
                self._refuse(message.id, _BUSY, told)
                return None
            case JSONRPCRequest() if message.method != _LISTEN:
                unanswered.add(message.id)
            case JSONRPCNotification() if b'"id"' in line and "id" in json.loads(line):
                self._refuse_strange(line)  # it wants an answer, and its id is none that one could have
                return None
            case JSONRPCNotification(method="notifications/cancelled", params={"requestId": int() | str() as id_}):
                unanswered.discard(id_)
        return SessionMessage(message)

    def _refuse_strange(self, line: bytes) -> None:
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            told = "the message is no JSON in UTF-8; send one JSON object per line"
            self._refuse(_id_in(line[:_EDGE], line[-_EDGE:]), PARSE_ERROR, told)
            return
        id_ = read.get("id") if isinstance(read, dict) else None
        told = "the message is no request, notification or answer of JSON-RPC 2.0; send one JSON object per line"
        self._refuse(id_ if type(id_) in {int, str} else None, INVALID_REQUEST, told)

    def _refuse(self, id_: int | str | None, code: int, message: str) -> None:
        if not self._outgoing.broken:
            self._outgoing.write(_error(id_, code, message))


def _encoded(message: Any) -> bytes:  # noqa: ANN401 - any message of the SDK
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"  # type: ignore[no-any-return] # as above
    except PydanticSerializationError:
        told = "the answer holds text that is no Unicode, which cannot be sent"
        return _error(getattr(message, "id", None), -32603, told)


def _error(id_: int | str | None, code: int, message: str) -> bytes:
    wire = {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}}
    return json.dumps(wire, separators=(",", ":")).encode() + b"\n"


def _id_in(head: bytes, tail: bytes) -> int | str | None:
    """The id of a request, where it stands first or last in its frame, as clients write it."""
    found = _ID_AT_START.match(head) or _ID_AT_END.search(tail)
    if found is None:
        return None
    try:
        id_: int | str = json.loads(found[1])
    except ValueError:
        return None
    return id_
