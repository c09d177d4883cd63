"""Which resources can a client attach? Orders, documents, contracts, the settings and the server's status."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from anyio.to_thread import run_sync
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from knowledge_base import KnowledgeBaseError
from knowledge_base.library import MAX_PAGE
from oms_engine import Refused
from oms_engine.contracts import spec
from oms_engine.contracts.formats import FORMATS
from oms_mcp.addresses import INDEX, STATUS, changes_json, events_json, kb_parts, order_json, orders_json, status
from oms_mcp.live import CHANGES, SETTINGS
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
        return await run_sync(lambda: compact(status(backend)))

    @server.resource(
        SETTINGS, name="settings", title="Settings", description="what is set now, by name", mime_type=JSON
    )
    async def effective_settings() -> str:
        return compact(all_settings_wire(backend.engine))

    @server.resource(
        CHANGES,
        name="changes",
        title="What changed last",
        description="the newest events of all orders; subscribe to hear of each change",
        mime_type=JSON,
    )
    async def newest_changes() -> str:
        return compact(changes_json(backend))

    @server.resource(INDEX, name="kb-index", title="Knowledge base", description="all documents", mime_type=MARKDOWN)
    async def kb_index() -> str:
        return (await run_sync(backend.library.read)).text

    @server.resource(
        "kb://{+path}{?anchor}",
        name="kb",
        title="A document of the knowledge base, or one section",
        description="path as in a citation; anchor for one section",
        mime_type=MARKDOWN,
    )
    async def kb_document(path: str, anchor: str = "") -> str:
        return await run_sync(_found, lambda: backend.library.read(path, anchor, limit=MAX_PAGE).text)

    _add_contracts(server)
    _add_orders(server, backend)


def _add_contracts(server: MCPServer[Any]) -> None:
    for page, (title, description) in _PAGES.items():
        server.resource(
            f"{spec.SCHEME}{page}", name=f"spec-{page}", title=title, description=description, mime_type=MARKDOWN
        )(partial(_spec_page, page))

    @server.resource(
        "spec://{page}{?format}",
        name="spec",
        title="All commands, events or records in one file",
        description="page commands, events or records; format as for spec://schema/{name}",
        mime_type=MARKDOWN,
    )
    async def spec_page(page: str, format: str = "") -> str:  # noqa: A002 - the name stands in the address
        return _found(lambda: spec.written(page, format or "text"))

    @server.resource(
        "spec://schema/{name}{?format}",
        name="spec-schema",
        title="The contract of a command, an event or a record",
        description=f"format is {', '.join(FORMATS)}",
        mime_type=MARKDOWN,
    )
    async def spec_schema(name: str, format: str = "") -> str:  # noqa: A002 - as above
        return _found(lambda: spec.written(f"schema/{name}", format or "text"))


def _add_orders(server: MCPServer[Any], backend: Backend) -> None:
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
        "orders://{state}{?symbol}",
        name="orders",
        title="Orders in a state",
        description="the newest orders in a state, all or those of one symbol",
        mime_type=JSON,
    )
    async def orders(state: str, symbol: str = "") -> str:
        return _found(lambda: compact(orders_json(backend, state, symbol)))

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
    if address.startswith(spec.SCHEME):
        _found(lambda: spec.asked(address))
    if not address.startswith("kb://"):
        return address
    _, anchor = _found(lambda: kb_parts(address))
    head, hash_sign, _ = address.partition("#")
    return f"{head.partition('?')[0]}?anchor={quote(anchor, safe='')}" if hash_sign and anchor else head


def media_type(address: str) -> str | None:
    """The media type of what was read at an address, where its template does not know it."""
    return spec.media_type(address) if address.startswith(spec.SCHEME) else None


async def _spec_page(page: str) -> str:
    return spec.written(page)


_PAGES: Mapping[str, tuple[str, str]] = {
    "index": ("Contracts", "every command, event and record, by address"),
    "commands": ("Commands", "every command with its fields and rules, from the code"),
    "states": ("States", "every state and transition, from the code"),
    "events": ("Events", "every event with its payload, from the code"),
    "rules": ("Rules and error codes", "every rule and error code with its section, from the code"),
    "records": ("Records", "every record with its fields, from the code"),
}
"""Page of the contracts -> title and description of its resource."""


def _found(read: Callable[[], T]) -> T:
    """What was read, or the protocol's error for a resource that does not exist."""
    try:
        return read()
    except Refused as error:
        raise ResourceNotFoundError(error.problem.detail) from error
    except KnowledgeBaseError as error:
        raise ResourceNotFoundError(str(error)) from error
