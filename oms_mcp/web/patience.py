"""How long is a client waited for that sends slowly, or does not take its answer?"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_LARGEST_HEAD = 65_536
"""Bytes that may come before the head of a request is complete, or ahead of the answer to the request before."""

_MOST_AHEAD = 16
"""Requests that may wait on a connection for the answer to the one before them."""

_MOST_UNWANTED = 16 * 1024 * 1024
"""Bytes that may come of a body whose request was answered already."""

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _Timer:
    """Calls a function once, unless it is stopped before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, end: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._end = end
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._handle is None:
            self._handle = self._loop.call_later(self._seconds, self._end)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _Patience(asyncio.Protocol):
    """A connection that ends when a request is not complete in time, or when what is sent is not taken in time."""

    seconds: float
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    cycle: Any
    pipeline: Sequence[object] = ()

    _sending: _Timer
    _taking: _Timer
    _unread = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._sending = _Timer(self.loop, self.seconds, self._too_slow)
        self._taking = _Timer(self.loop, self.seconds, self.transport.abort)
        self._sending.start()

    def data_received(self, data: bytes) -> None:
        early = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        super().data_received(data)
        answered = self.cycle is None or self.cycle.response_complete
        if not answered and not self.cycle.more_body:
            self._sending.stop()
        else:
            self._sending.start()
        self._unread = self._unread + len(data) if answered or early else 0
        unwanted = answered and self.cycle is not None and self.cycle.more_body
        if self._unread > (_MOST_UNWANTED if unwanted else _LARGEST_HEAD) or len(self.pipeline) > _MOST_AHEAD:
            self._end(b"" if unwanted or early else _TOO_LARGE)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taking.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._sending.stop()
        self._taking.stop()
        super().connection_lost(exc)

    def _too_slow(self) -> None:
        """End a request; one whose answer began already loses its connection alone."""
        cycle = self.cycle
        began = cycle is not None and cycle.response_started and (cycle.more_body or not cycle.response_complete)
        self._end(b"" if began else _TIMED_OUT)

    def _end(self, last_words: bytes) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # what reads the body is told so
            self.cycle.message_event.set()
        if last_words and not self.transport.is_closing():
            self.transport.write(last_words)
        self.transport.close()
        self._taking.start()  # closing waits until everything was taken


def patient(seconds: float) -> type[asyncio.Protocol]:
    """The protocol of connections that wait for a client so long, on top of the parser that is installed."""
    return type("PatientProtocol", (_Patience, AutoHTTPProtocol), {"seconds": seconds})
