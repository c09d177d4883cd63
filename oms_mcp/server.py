"""How does the MCP server come to be? From an engine, a library and options, and nothing happens at import."""

import logging
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import AnyUrl

from knowledge_base import Library
from oms_engine import Engine, Problem, Settings, SettingsError
from oms_engine.domain.catalogue import violation
from oms_engine.errors import problem_of, shown
from oms_engine.framework.validation import Violation
from oms_mcp.arguments import ToolSpec, build
from oms_mcp.resources import add_resources, read_address
from oms_mcp.seam import CORRECT_FIRST, Backend, answer, internal_problem, refused_wire
from oms_mcp.shapes import problem_from
from oms_mcp.tools import desk, executions, knowledge, orders, queries, quotes, raw, settings, states

NAME = "oms-mcp"

TOOLSETS: Mapping[str, tuple[ToolSpec, ...]] = {
    "orders": (*orders.TOOLS, *desk.TOOLS, *quotes.TOOLS),
    "executions": executions.TOOLS,
    "queries": queries.TOOLS,
    "states": states.TOOLS,
    "knowledge": knowledge.TOOLS,
    "raw": raw.TOOLS,
    "admin": settings.TOOLS,
}
"""Toolset -> its tools."""

DEFAULT_TOOLSETS = ("orders", "executions", "queries", "states", "knowledge")

_COMMAND_TOOLS = frozenset(spec.name for toolset in ("orders", "executions", "admin") for spec in TOOLSETS[toolset])
MAX_RESULT_TOKENS = 20_000
_LEAST_RESULT_TOKENS = 2_000
_HANDSHAKE = frozenset({"initialize", "server/discover"})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server offers.

    Attributes:
        toolsets: Names of toolsets, or `all`.
        max_result_tokens: Longest result; longer ones are cut.
    """

    toolsets: Sequence[str] = DEFAULT_TOOLSETS
    max_result_tokens: int = MAX_RESULT_TOKENS


def chosen_toolsets(names: Sequence[str]) -> tuple[str, ...]:
    """The toolsets that names mean, in the order of the table; raises SettingsError listing the valid ones."""
    wanted = [name.strip() for name in names if name.strip()]
    for name in wanted:
        if name != "all" and name not in TOOLSETS:
            raise SettingsError(f"toolset {shown(name)} is unknown; use {', '.join(TOOLSETS)} or all")
    if not wanted:
        raise SettingsError(f"no toolset is named; use {', '.join(TOOLSETS)} or all")
    return tuple(name for name in TOOLSETS if name in wanted or "all" in wanted)


class OmsServer(MCPServer[Backend]):
    """An MCP server whose errors are problem details, whatever went wrong."""

    def __init__(self, backend: Backend, specs: Sequence[ToolSpec], **options: Any) -> None:  # noqa: ANN401 - the SDK's
        self._backend = backend
        super().__init__(tools=[build(spec) for spec in specs], lifespan=self._lifespan, **options)
        add_resources(self, backend)

    def _lifespan(self, _: MCPServer[Backend]) -> AbstractAsyncContextManager[Backend]:
        @asynccontextmanager
        async def serving() -> AsyncIterator[Backend]:
            yield self._backend

        return serving()

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Backend, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; whatever it refuses becomes an error result that a client can act on."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            return self._refusal(name, self._problem(name, error))

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Backend, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource; nothing of its address is ignored."""
        return await super().read_resource(read_address(str(uri)), context)

    def _problem(self, name: str, error: ToolError) -> Problem:
        tool = self._tool_manager.get_tool(name)
        if tool is None:
            return problem_of([_unknown_tool(name, self._backend.tools)])
        cause = error.__cause__
        told = problem_from(cause) if cause else None
        if told is None:
            logger.error("tool %s failed", name, exc_info=cause)
            return internal_problem(wrote=not (tool.annotations and tool.annotations.read_only_hint))
        return told

    def _refusal(self, name: str, told: Problem) -> CallToolResult:
        wire = refused_wire(self._backend.engine, told) if name in _COMMAND_TOOLS else {"error": told.to_wire()}
        return answer(self._backend, wire, narrow=CORRECT_FIRST, is_error=True)


def _unknown_tool(name: str, valid: Sequence[str]) -> Violation:
    for toolset, specs in TOOLSETS.items():
        if name in {spec.name for spec in specs}:
            message = f"tool {name} is not switched on; the server must be started with toolset {toolset}"
            return violation("ENV-01", "OMS-VAL-004", "name", message)
    message = f"tool {shown(name)} is unknown; use one of {', '.join(valid)}"
    return violation("ENV-01", "OMS-VAL-004", "name", message)


def build_server(engine: Engine, library: Library, options: ServerOptions | None = None) -> MCPServer[Backend]:
    """The server for an engine and a library, which stay the caller's to close.

    Raises:
        SettingsError: A toolset is unknown, or results would be too short; the message says what is valid.
    """
    options = options or ServerOptions()
    toolsets = chosen_toolsets(options.toolsets)
    if options.max_result_tokens < _LEAST_RESULT_TOKENS:
        raise SettingsError(f"results need at least {_LEAST_RESULT_TOKENS} tokens, not {options.max_result_tokens}")
    specs = [spec for toolset in toolsets for spec in TOOLSETS[toolset]]
    backend = Backend(
        engine=engine,
        library=library,
        version=version(NAME),
        toolsets=toolsets,
        tools=tuple(spec.name for spec in specs),
        max_result_tokens=options.max_result_tokens,
    )
    return OmsServer(
        backend,
        specs,
        name=NAME,
        title="Order management system",
        description="Trade orders, ask why, and read the specification they follow.",
        instructions=instructions(engine.mode),
        version=backend.version,
        log_level="WARNING",
        middleware=[_warming_up(library)],
    )


def instructions(mode: str) -> str:
    """What a client is told before it calls anything."""
    place = (
        "Mode sandbox: everything lives in memory and ends with this process."
        if mode == "sandbox"
        else "Mode file: orders are kept in a database that others may share."
    )
    return (
        "An order management system with its specification. "
        f"{place} "
        "Usual path: create_order (state UNACK), update_order action=accept (LIVE), report_execution until FILLED, "
        "end_order action=close. To cancel: end_order action=cancel, then action=accept_cancel. "
        "To change terms: update_order action=replace, then action=accept_replace. A desk works an order through "
        "children: create_order with parent_order_id. "
        "You play the client and the market: accept, reject and executions are the market's answers. "
        "A refused command changes nothing; its error says what was wrong, what is allowed, and cites a section that "
        "read_kb opens. search_kb answers questions about states, rules, codes and quantities. "
        "Use dry_run=true to preview a write; send decimals as strings; ask the user before confirm=true."
    )


def _warming_up(library: Library) -> ServerMiddleware[Any]:
    """Begin to load semantic search once the handshake is answered, so that it costs the handshake nothing."""

    async def middleware(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        answered = await call_next(ctx)
        if ctx.method not in _HANDSHAKE:
            library.warm_up()
        return answered

    return middleware


def serve(
    *,
    db: str = "",
    toolsets: str = "",
    settings: Settings | Mapping[str, Any] | None = None,
    max_result_tokens: int = MAX_RESULT_TOKENS,
) -> None:
    """Serve over stdio until the client closes it.

    Args:
        db: Path or URL of the database; a private sandbox in memory when empty.
        toolsets: Names separated by commas, or `all`; the default ones when empty.
        settings: Settings of the engine; where no tool writes they hold for this server only.
        max_result_tokens: Longest result; longer ones are cut.

    Raises:
        SettingsError: A setting or toolset is unknown or impossible.
        StoreUnavailable: The database cannot be used; it is left as it is.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    names = chosen_toolsets(toolsets.split(",")) if toolsets.strip() else DEFAULT_TOOLSETS
    options = ServerOptions(toolsets=names, max_result_tokens=max_result_tokens)
    writes = any(not spec.read_only for name in names for spec in TOOLSETS[name])
    with (
        Engine.open(db or ":memory:", settings=settings, session_id="mcp", keep_settings=writes) as engine,
        Library.open() as library,
        suppress(KeyboardInterrupt),
    ):
        build_server(engine, library, options).run("stdio")
