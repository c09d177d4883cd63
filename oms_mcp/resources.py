"""Which resources can a client attach? Orders, the knowledge base, the settings and the server's status."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from knowledge_base import KnowledgeBaseError
from knowledge_base.library import MAX_PAGE
from oms_engine import Refused
from oms_mcp.addresses import INDEX, SETTINGS, STATUS, events_json, kb_parts, order_json, status
from oms_mcp.seam import Backend, compact
from oms_mcp.shapes import all_settings_wire

T = TypeVar("T")

JSON = "application/json"
MARKDOWN = "text/markdown"


def add_resources(server: MCPServer[Any], backend: Backend) -> None:
    """Offer the resources of this server."""

    @server.resource(
        STATUS, name="status", title="Server status", description="mode, tools, counts, search", mime_type=JSON
    )
    async def server_status() -> str:
        return compact(status(backend))

    @server.resource(
        SETTINGS, name="settings", title="Settings", description="what is set now, by name", mime_type=JSON
    )
    async def effective_settings() -> str:
        return compact(all_settings_wire(backend.engine))

    @server.resource(INDEX, name="kb-index", title="Knowledge base", description="all documents", mime_type=MARKDOWN)
    async def kb_index() -> str:
        return backend.library.read().text

    @server.resource(
        "kb://{+path}{?anchor}",
        name="kb",
        title="A document of the knowledge base, or one section",
        description="path as in a citation; anchor for one section",
        mime_type=MARKDOWN,
    )
    async def kb_document(path: str, anchor: str = "") -> str:
        return _found(lambda: backend.library.read(path, anchor, limit=MAX_PAGE).text)

    @server.resource(
        "order://{orderId}{?as_of}",
        name="order",
        title="An order",
        description=(
            "an order as it stands, or as it was at as_of (v12, p3456, ISO-8601 with offset), "
            "with executions, tree, allocations and what can follow"
        ),
        mime_type=JSON,
    )
    async def order(orderId: str, as_of: str = "") -> str:  # noqa: N803 - the name stands in the address
        return _found(lambda: compact(order_json(backend, orderId, as_of)))

    @server.resource(
        "order://{orderId}/events",
        name="order-events",
        title="The events of an order",
        description="what happened to an order, in order",
        mime_type=JSON,
    )
    async def order_events(orderId: str) -> str:  # noqa: N803 - the name stands in the address
        return _found(lambda: compact(events_json(backend, orderId)))


def read_address(address: str) -> str:
    """The address as the templates know it, which ignore what they do not: `#anchor` becomes `?anchor=`.

    Raises:
        ResourceNotFoundError: The address asks for something that does not exist.
    """
    if not address.startswith("kb://"):
        return address
    _, anchor = _found(lambda: kb_parts(address))
    head, hash_sign, _ = address.partition("#")
    return f"{head.partition('?')[0]}?anchor={quote(anchor, safe='')}" if hash_sign and anchor else head


def _found(read: Callable[[], T]) -> T:
    """What was read, or the protocol's error for a resource that does not exist."""
    try:
        return read()
    except Refused as error:
        raise ResourceNotFoundError(error.problem.detail) from error
    except KnowledgeBaseError as error:
        raise ResourceNotFoundError(str(error)) from error
