"""How much may one client ask for, how much may all of them at once, and until when?"""

import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from time import monotonic

from anyio import Event, create_task_group
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oms_mcp.inputs import Misuse
from oms_mcp.web.replies import try_again

_MOST_CLIENTS = 10_000
_BURST_SECONDS = 2
_PAUSE = 1
_PARTS = 4
"""One client may have one part of what is in flight."""

_LONGEST_ANSWER = 65_536
"""Bytes of an answer to a question, or of a notification, that comes in while there is no room."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes; each is a positive number.

    Attributes:
        rate: Requests per second of one client; twice as many may come at once. 0 counts none.
        in_flight: Requests that are worked on at once; a quarter of them, and at least one, for the holder of a token.
        streams: Open streams of notifications.
        sessions: Open sessions of clients of the handshake era.
        body_bytes: Longest body of a request.
        request_seconds: How long a client may take to send a request, or to take what is sent to it.
        stop_seconds: How long the server waits, when it stops, for what is in flight.
    """

    rate: int = 100
    in_flight: int = 64
    streams: int = 256
    sessions: int = 1_000
    body_bytes: int = 4 * 1024 * 1024
    request_seconds: int = 30
    stop_seconds: int = 30

    def require(self) -> None:
        """Raises Misuse for a limit that would let nobody in."""
        for option, value in (
            ("--max-in-flight", self.in_flight),
            ("--max-streams", self.streams),
            ("--max-sessions", self.sessions),
            ("--max-body", self.body_bytes),
            ("--request-timeout", self.request_seconds),
            ("--stop-timeout", self.stop_seconds),
        ):
            if value < 1:
                raise Misuse(f"{option} {value} is too little; it must be at least 1")
        if self.rate < 0:
            raise Misuse(f"--rate {self.rate} is no rate; use 0 for none, or requests per second")


class Rate:
    """A bucket for each client, filled at a steady rate; the client that was silent for longest is forgotten first."""

    def __init__(self, per_second: int, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._most = float(per_second * _BURST_SECONDS)
        self._clock = clock
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def wait(self, client: object, *, counts: bool = True) -> float:
        """Seconds until a client may ask again; 0 when it may ask now, which counts unless told otherwise."""
        if not self._per_second:
            return 0
        now = self._clock()
        left, then = self._buckets.pop(client, (self._most, now))
        left = min(self._most, left + (now - then) * self._per_second)
        allowed = left >= 1
        self._buckets[client] = (left - (allowed and counts), now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if allowed else (1 - left) / self._per_second


class Room:
    """How much of something is going on at once.

    Args:
        what: What is counted, as it is told where there is no room.
        most: Of all clients.
        share: Of one client; the same where nothing is said.
    """

    def __init__(self, what: str, most: int, share: int | None = None) -> None:
        self._what = what
        self._most = most
        self._share = most if share is None else share
        self._taken: Counter[object] = Counter()

    def lack(self, client: object) -> str:
        """Why there is no room for one more of a client; empty where there is."""
        if self._taken.total() >= self._most:
            return f"{self._most} {self._what}"
        return f"{self._share} {self._what} for this client" if self._taken[client] >= self._share else ""

    @contextmanager
    def taken(self, client: object) -> Iterator[None]:
        """One more is going on."""
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


class Admission:
    """Lets a request through while there is room for it; a client is its token, or its address where there is none.

    A call that asks its user holds its place until he answers, and his answer is a request of its own. So answers and
    notifications come in where there is no room for more calls.

    Args:
        app: What is asked in the end.
        limits: What is let in.
        stopping: Set when nothing is let in any more.
        shared: Clients are told from one another, so that none may take more than its share.
    """

    def __init__(self, app: ASGIApp, limits: Limits, stopping: Event, *, shared: bool) -> None:
        self._app = app
        self._limits = limits
        self._rate = Rate(limits.rate)
        self._stopping = stopping
        share = max(1, limits.in_flight // _PARTS) if shared else None
        self._calls = Room("requests are in flight", limits.in_flight, share)
        self._answers = Room("answers are in flight", limits.in_flight, share)
        self._streams = Room("streams are open", limits.streams)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that there is no room for, or pass it on."""
        scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]  # RFC 9110 section 5.5
        client = _client(scope)
        if self._stopping.is_set():
            await try_again(503, "the server is stopping", _PAUSE)(scope, receive, send)
        elif wait := self._rate.wait(client):
            reason = f"more than {self._limits.rate} requests per second"
            await try_again(429, reason, ceil(wait))(scope, receive, send)
        elif is_stream(scope):
            await self._stream(client, scope, receive, send)
        elif lack := self._calls.lack(client):
            await self._answer(client, lack, scope, receive, send)
        else:
            await self._pass_on(self._calls, client, scope, receive, send)

    async def _pass_on(self, room: Room, client: object, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, which holds its place until its answer is sent: who has that may ask at once again."""
        with ExitStack() as place:
            place.enter_context(room.taken(client))

            async def send_and_leave(message: Message) -> None:
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    place.close()

            await self._app(scope, receive, send_and_leave)

    async def _answer(self, client: object, lack: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no call."""
        if scope["method"] == "POST" and not self._answers.lack(client):
            with self._answers.taken(client):
                body = await _short_body(receive)
            if body is not None and _asks_nothing(body):
                await self._pass_on(self._answers, client, scope, _heard(body, receive), send)
                return
        await try_again(503, lack, _PAUSE)(scope, receive, send)

    async def _stream(self, client: object, scope: Scope, receive: Receive, send: Send) -> None:
        if lack := self._streams.lack(client):
            await try_again(503, lack, _PAUSE)(scope, receive, send)
            return
        stream = _Stream(receive, send, self._stopping)
        with self._streams.taken(client):
            await self._app(scope, stream.receive, stream.send)
            await stream.finish()


async def _short_body(receive: Receive) -> bytes | None:
    """A whole body; None for one that is long, or that its client did not send to its end."""
    body = b""
    while len(body) <= _LONGEST_ANSWER:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part: bytes = message.get("body", b"")
        body += part
        if not message.get("more_body"):
            return body
    return None


def _asks_nothing(body: bytes) -> bool:
    """Is it an answer or a notification (JSON-RPC 2.0 sections 4.1 and 5)?"""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and not {"method", "id"} <= message.keys()


def _heard(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read once more."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def hear() -> Message:
        return messages.pop() if messages else await receive()

    return hear


class _Stream:
    """A stream of notifications, which ends when the server stops as if its client had gone."""

    def __init__(self, receive: Receive, send: Send, stopping: Event) -> None:
        self.receive = gone_when(stopping, receive)
        self._send = send
        self._is_open = False

    async def send(self, message: Message) -> None:
        self._is_open = message["type"] == "http.response.start" or bool(message.get("more_body"))
        await self._send(message)

    async def finish(self) -> None:
        """Close an answer that was cut off, so that its client knows that it is over."""
        if self._is_open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _client(scope: Scope) -> object:
    user = scope.get("user")
    if isinstance(user, AuthenticatedUser):
        return tuple(authorization_context(user).values())
    return (scope.get("client") or ("", 0))[0]


def is_stream(scope: Scope) -> bool:
    """Does a request open a stream that stays?

    The SDK refuses a header Mcp-Method that differs from the body, but only in the era that knows this header.
    """
    headers = Headers(scope=scope)
    version, method = (headers.get(name, "").strip() for name in ("mcp-protocol-version", "mcp-method"))
    return scope["method"] == "GET" or (version in MODERN_PROTOCOL_VERSIONS and method == "subscriptions/listen")


def gone_when(over: Event, receive: Receive) -> Receive:
    """What hears a client until something is over, as if it had gone then."""

    async def hear() -> Message:
        message: Message = {"type": "http.disconnect"}
        async with create_task_group() as group:

            async def listen() -> None:
                nonlocal message
                message = await receive()
                group.cancel_scope.cancel()

            group.start_soon(listen)
            await over.wait()
            group.cancel_scope.cancel()
        return message

    return hear
