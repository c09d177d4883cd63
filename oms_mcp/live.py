"""How do clients hear that something changed, in both eras of the protocol and whoever changed it?

Old clients subscribe to an address (`resources/subscribe`), new ones open a stream (`subscriptions/listen`). Both are
told the address alone and read again. While anybody listens, one task of the event loop looks at the table of events,
so it sees what other processes write, too; no thread is started, and nothing runs while nobody listens.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote

import anyio
from anyio.abc import TaskGroup
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from oms_engine import Engine, StoreError
from oms_engine.domain.events import SETTINGS_STREAM
from oms_engine.errors import shown

CHANGES = "oms://changes"
SETTINGS = "oms://settings"

LOOK_SECONDS = 0.025
"""How long a change may go untold."""

MOST_ADDRESSES = 1_000
"""Addresses that one client is told about."""

_ORDER, _STREAM = "order://", "order-"
_TOLD = f"{_ORDER}ORDER_ID, {_ORDER}ORDER_ID/events, {CHANGES} and {SETTINGS}"
_CHUNK = 500
_STATE = "oms.subscriber"

logger = logging.getLogger(__name__)

RequestContext = ServerRequestContext[Any, Any]


def is_told(address: str) -> bool:
    """Is there anything at this address that changes, so that a client can hear of it?"""
    if address in {CHANGES, SETTINGS}:
        return True
    order_id, _, part = address.removeprefix(_ORDER).partition("/")
    return address.startswith(_ORDER) and bool(order_id) and part in {"", "events"} and not {*"?#"} & {*order_id}


def addresses_of(streams: Iterable[str]) -> list[str]:
    """The addresses that show something else once these streams have new events, each once; `oms://changes` last."""
    told: dict[str, None] = {}
    for stream in streams:
        if stream == SETTINGS_STREAM:
            told[SETTINGS] = None
        elif stream.startswith(_STREAM):
            order_id = stream.removeprefix(_STREAM)
            for name in (order_id, quote(order_id, safe="")):
                told |= {f"{_ORDER}{name}": None, f"{_ORDER}{name}/events": None}
        told[CHANGES] = told.pop(CHANGES, None)
    return list(told)


class Changes(InMemorySubscriptionBus):
    """Everybody who listens to one running server, and the task that looks for them.

    Args:
        engine: Whose store is looked at.
        tasks: Where the task runs, and those that write to clients; they end with it.
    """

    def __init__(self, engine: Engine, tasks: TaskGroup) -> None:
        super().__init__()
        self._engine = engine
        self._tasks = tasks
        self._listening = 0
        self._watched = False
        self._position = 0
        self._fails = False
        self._listen = ListenHandler(self)

    @classmethod
    @asynccontextmanager
    async def of(cls, engine: Engine) -> AsyncIterator[Self]:
        """The changes of an engine, as long as a server runs."""
        async with anyio.create_task_group() as tasks:
            changes = cls(engine, tasks)
            try:
                yield changes
            finally:
                changes._listen.close()
                tasks.cancel_scope.cancel()

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Tell a listener from now on; returns the function that ends it."""
        end = super().subscribe(listener)
        self._listening += 1
        if not self._watched:
            self._watched = True
            self._position = self._engine.position
            self._tasks.start_soon(self._watch)
        ended = False

        def once() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._listening -= 1
                end()

        return once

    async def _watch(self) -> None:
        """Look for new events and publish their addresses, until nobody listens."""
        while self._listening:
            await anyio.sleep(LOOK_SECONDS)
            for address in addresses_of(self._streams()):
                await self.publish(ResourceUpdated(address))
        self._watched = False

    def _streams(self) -> list[str]:
        """The streams that have new events since the last look."""
        streams: list[str] = []
        try:
            while found := self._engine.touched(self._position, _CHUNK):
                self._position = found[-1][0]
                streams += [stream for _, stream in found]
                if len(found) < _CHUNK:
                    break
            self._fails = False
        except StoreError as error:
            if not self._fails:
                logger.warning("changes cannot be looked for now: %s", error)
            self._fails = True
        return streams

    async def listen(self, ctx: RequestContext, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Serve `subscriptions/listen`: acknowledge what is ever told, then tell it until the client goes away."""
        asked = list(params.notifications.resource_subscriptions or ())
        _require_few(len(asked))
        told = SubscriptionFilter(resource_subscriptions=[address for address in asked if is_told(address)] or None)
        return await self._listen(ctx, params.model_copy(update={"notifications": told}))

    def subscribed(self, ctx: RequestContext, params: SubscribeRequestParams) -> EmptyResult:
        """Serve `resources/subscribe`: the client hears of an address until it unsubscribes or goes away.

        Raises:
            MCPError: Nothing at the address ever changes, the client has too many, or it cannot be told.
        """
        address = str(params.uri)
        if not is_told(address):
            raise MCPError(INVALID_PARAMS, f"{shown(address)} is never told; told are {_TOLD}")
        connection = _connection_of(ctx)
        if not connection.has_standalone_channel:
            raise MCPError(INVALID_REQUEST, "a client without a session cannot be told; initialize one first")
        subscriber: _Subscriber | None = connection.state.get(_STATE)
        if subscriber is None:
            subscriber = connection.state[_STATE] = _Subscriber(connection, self)
            connection.exit_stack.callback(subscriber.close)
            self._tasks.start_soon(subscriber.run)
        subscriber.add(address)
        return EmptyResult()

    def unsubscribed(self, ctx: RequestContext, params: UnsubscribeRequestParams) -> EmptyResult:
        """Serve `resources/unsubscribe`; an address that was not subscribed to is none afterwards either."""
        subscriber: _Subscriber | None = _connection_of(ctx).state.get(_STATE)
        if subscriber is not None:
            subscriber.remove(str(params.uri))
        return EmptyResult()


class _Subscriber:
    """A client of the handshake era: what it subscribed to, and which of it waits to be told.

    An address that waits is told once, however often it changed since, so a slow client costs no memory.
    """

    def __init__(self, connection: Connection, changes: Changes) -> None:
        self._connection = connection
        self._changes = changes
        self._end: Callable[[], None] | None = None
        self._addresses: set[str] = set()
        self._waiting: dict[str, None] = {}
        self._woken = anyio.Event()
        self._scope = anyio.CancelScope()

    def add(self, address: str) -> None:
        _require_few(len(self._addresses | {address}))
        self._addresses.add(address)
        if self._end is None:
            self._end = self._changes.subscribe(self._heard)

    def remove(self, address: str) -> None:
        self._addresses.discard(address)
        self._waiting.pop(address, None)
        if not self._addresses and self._end is not None:
            self._end()
            self._end = None

    def close(self) -> None:
        for address in list(self._addresses):
            self.remove(address)
        self._scope.cancel()

    async def run(self) -> None:
        """Write what waits to the client."""
        with self._scope:
            while True:
                await self._woken.wait()
                self._woken = anyio.Event()
                while self._waiting:
                    address = next(iter(self._waiting))
                    del self._waiting[address]
                    await self._connection.send_resource_updated(address)

    def _heard(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri in self._addresses:
            self._waiting[event.uri] = None
            self._woken.set()


def _connection_of(ctx: RequestContext) -> Connection:
    """The connection itself: `ctx.session` is another object for each message."""
    return ctx.session._connection  # noqa: SLF001 - the SDK keeps it nowhere else in this kind of context


def _require_few(addresses: int) -> None:
    if addresses > MOST_ADDRESSES:
        message = f"{addresses:,} addresses are too many; subscribe to {MOST_ADDRESSES:,} at most, or to {CHANGES}"
        raise MCPError(INVALID_PARAMS, message)
