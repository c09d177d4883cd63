"""How are requests to subscribe handed to the changes of the running server, and what is promised about them?"""

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp_types import (
    DiscoverResult,
    EmptyResult,
    RequestParams,
    ServerCapabilities,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from oms_mcp.live import Changes

RequestContext = ServerRequestContext[Any, Any]


def add_subscriptions(server: Server[Any]) -> None:
    """Serve subscriptions in both eras, and promise no more than they tell."""

    async def subscribe(ctx: RequestContext, params: SubscribeRequestParams) -> EmptyResult:
        return _changes(ctx).subscribed(ctx, params)

    async def unsubscribe(ctx: RequestContext, params: UnsubscribeRequestParams) -> EmptyResult:
        return _changes(ctx).unsubscribed(ctx, params)

    async def listen(ctx: RequestContext, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        return await _changes(ctx).listen(ctx, params)

    async def discover(ctx: RequestContext, _: RequestParams) -> DiscoverResult:
        return DiscoverResult(
            supported_versions=list(MODERN_PROTOCOL_VERSIONS),
            capabilities=_honest(server.get_capabilities(protocol_version=ctx.protocol_version)),
            instructions=server.instructions,
        )

    server.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
    server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, listen)
    server.add_request_handler("server/discover", RequestParams, discover)


def _changes(ctx: RequestContext) -> Changes:
    changes: Changes = ctx.lifespan_context.changes
    return changes


def _honest(capabilities: ServerCapabilities) -> ServerCapabilities:
    """What the server can do without the lists that it never changes: the SDK promises all that a stream could tell."""
    lists = {
        name: each.model_copy(update={"list_changed": False})
        for name in ("tools", "prompts", "resources")
        if (each := getattr(capabilities, name)) is not None
    }
    return capabilities.model_copy(update=lists)
