"""How does the MCP server come to be? From an engine, a library and options, and nothing happens at import."""

# ruff: noqa: PLC0415 - what the handshake does not need is loaded after it

import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import ToolManager
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    GetPromptResult,
    InputRequiredResult,
    PromptReference,
    ResourceTemplateReference,
)
from pydantic import AnyUrl

from oms_engine import Engine, Problem, Refused, Settings, SettingsError
from oms_engine.domain.catalogue import violation
from oms_engine.errors import problem_of, shown
from oms_engine.framework.validation import Violation
from oms_mcp.arguments import ToolSpec, build
from oms_mcp.consent import declined
from oms_mcp.icons import SERVER
from oms_mcp.inputs import LaterLibrary
from oms_mcp.live import Changes
from oms_mcp.pipes import can_wait, pipes
from oms_mcp.scopes import require_scopes, requiring_scopes, scopes_of_tool
from oms_mcp.seam import CORRECT_FIRST, READ_ONLY, Backend, answer, internal_problem, refused_wire
from oms_mcp.shapes import problem_from
from oms_mcp.subscriptions import add_subscriptions
from oms_mcp.tools import desk, executions, knowledge, orders, queries, quotes, raw, settings, simulation, states

if TYPE_CHECKING:
    from knowledge_base import Library

NAME = "oms-mcp"

TOOLSETS: Mapping[str, tuple[ToolSpec, ...]] = {
    "orders": (*orders.TOOLS, *desk.TOOLS, *quotes.TOOLS),
    "executions": executions.TOOLS,
    "queries": queries.TOOLS,
    "states": states.TOOLS,
    "simulation": simulation.TOOLS,
    "knowledge": knowledge.TOOLS,
    "raw": raw.TOOLS,
    "admin": settings.TOOLS,
}
"""Toolset -> its tools."""

DEFAULT_TOOLSETS = ("orders", "executions", "queries", "states", "simulation", "knowledge")

_ASKING_TOOLS = frozenset(spec.name for specs in TOOLSETS.values() for spec in specs if spec.asks)
_COMMAND_TOOLS = frozenset(spec.name for toolset in ("orders", "executions", "admin") for spec in TOOLSETS[toolset])
MAX_RESULT_TOKENS = 20_000
_LEAST_RESULT_TOKENS = 2_000
_HANDSHAKE = frozenset({"initialize", "server/discover"})
_UNUSED = frozenset({"OpenTelemetryMiddleware"})
"""Middleware of the SDK that costs each request time and that nothing here reads."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server offers.

    Attributes:
        toolsets: Names of toolsets, or `all`; the default ones when None, and none when tools are named.
        tools: Names of tools that are offered beside those of the toolsets.
        exclude_tools: Names of tools that are not offered, whatever else is said.
        read_only: Offer only what reads.
        max_result_tokens: Longest result; longer ones are cut.
    """

    toolsets: Sequence[str] | None = None
    tools: Sequence[str] = ()
    exclude_tools: Sequence[str] = ()
    read_only: bool = False
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


def chosen_tools(options: ServerOptions) -> tuple[ToolSpec, ...]:
    """The tools that options mean, in the order of the table; raises SettingsError for what cannot be meant."""
    tools, excluded = _known_tools("tool", options.tools), _known_tools("excluded tool", options.exclude_tools)
    named = (() if tools else DEFAULT_TOOLSETS) if options.toolsets is None else chosen_toolsets(options.toolsets)
    specs = {spec.name: (toolset, spec) for toolset, specs in TOOLSETS.items() for spec in specs}
    writing = [name for name in tools if options.read_only and not specs[name][1].read_only]
    if writing:
        raise SettingsError(f"tool {writing[0]} writes, and the server is read-only; leave out one of the two")
    chosen = tuple(
        spec
        for name, (toolset, spec) in specs.items()
        if (toolset in named or name in tools) and name not in excluded and (spec.read_only or not options.read_only)
    )
    if not chosen:
        raise SettingsError("no tool is left to offer; name other toolsets or tools, or exclude fewer")
    return chosen


def _known_tools(what: str, names: Sequence[str]) -> tuple[str, ...]:
    known = [spec.name for specs in TOOLSETS.values() for spec in specs]
    wanted = tuple(name.strip() for name in names if name.strip())
    for name in wanted:
        if name not in known:
            raise SettingsError(f"{what} {shown(name)} is unknown; use {', '.join(known)}")
    return wanted


class OmsServer(MCPServer[Backend]):
    """An MCP server whose errors are problem details, whatever went wrong."""

    def __init__(self, backend: Backend, specs: Sequence[ToolSpec], **options: Any) -> None:  # noqa: ANN401 - the SDK's
        self.backend = backend
        self._specs = tuple(specs)
        super().__init__(lifespan=self._lifespan, **options)
        add_subscriptions(self._lowlevel_server)

        @self.completion()  # type: ignore[no-untyped-call, untyped-decorator] # the SDK gives it no types
        async def complete(
            ref: PromptReference | ResourceTemplateReference,
            argument: CompletionArgument,
            context: CompletionContext | None,
        ) -> Completion:
            from oms_mcp.completions import completion

            return await completion(backend, ref, argument, context)

        self.middleware[:] = [each for each in self.middleware if type(each).__name__ not in _UNUSED]
        self.middleware.append(self._furnished)

    async def _furnished(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Have everything ready that is listed, called and read, once the handshake is answered."""
        if ctx.method not in _HANDSHAKE:
            self.furnish()
        return await call_next(ctx)

    def furnish(self) -> None:
        """Offer the tools, resources and prompts: no client waits for them before it asks."""
        if not self._specs:
            return
        from oms_mcp.prompts import add_prompts
        from oms_mcp.resources import add_resources

        tools = ToolManager(tools=[*map(build, self._specs), *self._tool_manager.list_tools()])
        add_resources(self, self.backend)
        add_prompts(self, self.backend)
        self._tool_manager, self._specs = tools, ()

    def _lifespan(self, _: MCPServer[Backend]) -> AbstractAsyncContextManager[Backend]:
        @asynccontextmanager
        async def serving() -> AsyncIterator[Backend]:
            async with Changes.of(self.backend.engine) as changes:
                yield replace(self.backend, changes=changes)

        return serving()

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Backend, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; whatever it refuses becomes an error result that a client can act on."""
        try:
            require_scopes(name, scopes_of_tool(name, arguments))
            return await super().call_tool(name, arguments, context)
        except Refused as error:
            return self._refusal(name, error.problem)
        except ToolError as error:
            return self._refusal(name, self._problem(name, error))
        except MCPError:
            if name not in _ASKING_TOOLS:
                raise
            return self._refusal(name, declined().problem)  # the client was asked, and answered with an error

    async def run_stdio_async(self) -> None:
        """Serve the pipes that the client started the server with; without threads where they can be waited for."""
        async with pipes() if can_wait() else stdio_server() as (incoming, outgoing):
            await self._lowlevel_server.run(incoming, outgoing, self._lowlevel_server.create_initialization_options())

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Backend, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource; nothing of its address is ignored."""
        from oms_mcp.resources import media_type, read_address

        read = await super().read_resource(read_address(str(uri)), context)
        if isinstance(read, InputRequiredResult) or (known := media_type(str(uri))) is None:
            return read
        return [replace(contents, mime_type=known) for contents in read]

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Backend, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Write a prompt out; one that is not there and arguments that do not fit are invalid parameters."""
        from oms_mcp.prompts import require_arguments

        require_arguments(name, arguments or {})
        return await super().get_prompt(name, arguments, context)

    def _problem(self, name: str, error: ToolError) -> Problem:
        tool = self._tool_manager.get_tool(name)
        if tool is None:
            return problem_of([_unknown_tool(name, self.backend)])
        cause = error.__cause__
        if isinstance(cause, ToolError):
            return declined().problem  # the client was asked, and answered with something else
        told = problem_from(cause) if cause else None
        if told is None:
            logger.error("tool %s failed", name, exc_info=cause)
            return internal_problem(wrote=not (tool.annotations and tool.annotations.read_only_hint))
        return told

    def _refusal(self, name: str, told: Problem) -> CallToolResult:
        wire = refused_wire(self.backend, told) if name in _COMMAND_TOOLS else {"error": told.to_wire()}
        return answer(self.backend, wire, narrow=CORRECT_FIRST, is_error=True)


def _unknown_tool(name: str, backend: Backend) -> Violation:
    toolset, spec = next(
        ((toolset, spec) for toolset, specs in TOOLSETS.items() for spec in specs if spec.name == name), ("", None)
    )
    if spec is None:
        message = f"tool {shown(name)} is unknown; use one of {', '.join(backend.tools)}"
    elif backend.read_only and not spec.read_only:
        message = f"tool {name} writes, and this server is read-only; use one of {', '.join(backend.tools)}"
    elif toolset in backend.toolsets:
        message = f"tool {name} is switched off on this server; use one of {', '.join(backend.tools)}"
    else:
        message = f"tool {name} is not switched on; the server must be started with toolset {toolset}"
    return violation("ENV-01", "OMS-VAL-004", "name", message)


def build_server(
    engine: Engine, library: "Library | Callable[[], Library]", options: ServerOptions | None = None
) -> OmsServer:
    """The server for an engine and a library, or what opens it when it is first asked; both are the caller's to close.

    Raises:
        SettingsError: A toolset or a tool is unknown, none is left, or results would be too short; the message says
            what is valid.
    """
    options = options or ServerOptions()
    specs = chosen_tools(options)
    if options.max_result_tokens < _LEAST_RESULT_TOKENS:
        raise SettingsError(f"results need at least {_LEAST_RESULT_TOKENS} tokens, not {options.max_result_tokens}")
    backend = Backend(
        engine=engine,
        open_library=library if callable(library) else lambda: library,
        version=version(NAME),
        toolsets=tuple(name for name, those in TOOLSETS.items() if {*those} & {*specs}),
        tools=tuple(spec.name for spec in specs),
        max_result_tokens=options.max_result_tokens,
        read_only=options.read_only,
    )
    return OmsServer(
        backend,
        specs,
        name=NAME,
        title="Order management system",
        description="Trade orders, ask why, and read the specification they follow.",
        instructions=instructions(backend.mode),
        version=backend.version,
        icons=[SERVER],
        log_level="WARNING",
        middleware=[requiring_scopes, _warming_up(backend)],
    )


def instructions(mode: str) -> str:
    """What a client is told before it calls anything."""
    return (
        "An order management system with its specification. "
        f"{_PLACES[mode]} "
        f"{'' if mode == READ_ONLY else _TRADING}"
        "search_kb answers questions about states, rules, codes and quantities; "
        "read_kb path=spec://index lists the contracts of all commands, events and records. "
        f"{'' if mode == READ_ONLY else _WRITING}"
        "simulate tries commands or a scenario on a copy. "
        "Subscribe to order://ORDER_ID or oms://changes to hear of changes."
    )


_PLACES: Mapping[str, str] = {
    "sandbox": "Mode sandbox: everything lives in memory and ends with this process.",
    "file": "Mode file: orders are kept in a database that others may share.",
    READ_ONLY: "Mode read-only: tools read, and none writes.",
}

_TRADING = (
    "Usual path: create_order (state UNACK), update_order action=accept (LIVE), report_execution until FILLED, "
    "end_order action=close. To cancel: end_order action=cancel, then action=accept_cancel. "
    "To change terms: update_order action=replace, then action=accept_replace. A desk works an order through "
    "children: create_order with parent_order_id. "
    "You play the client and the market: accept, reject and executions are the market's answers. "
    "A refused command changes nothing; its error says what was wrong, what is allowed, and cites a section that "
    "read_kb opens. "
)

_WRITING = (
    "Use dry_run=true to preview a write; send decimals as strings; ask the user before confirm=true, or leave confirm "
    "out where your client can ask. "
)


def _warming_up(backend: Backend) -> ServerMiddleware[Any]:
    """Begin to load semantic search once the handshake is answered, so that it costs neither handshake nor answers."""
    begun = False

    async def middleware(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        nonlocal begun
        answered = await call_next(ctx)
        if not begun and ctx.method not in _HANDSHAKE:
            begun = True
            Thread(target=_warm_up, args=[backend], name="warming-up", daemon=True).start()
        return answered

    return middleware


def _warm_up(backend: Backend) -> None:
    """Read the documents, where nobody has asked for them, and begin to load what compares meaning."""
    from knowledge_base import KnowledgeBaseError

    try:
        backend.library.warm_up()
    except KnowledgeBaseError:
        return  # whoever asks for documents is told
    except Exception:  # the edge of a thread
        logger.exception("the knowledge base cannot be opened")


def over_stdio(server: OmsServer) -> None:
    """Serve one client over standard input and output until it closes them."""
    server.run("stdio")


def serve(
    *,
    db: str = "",
    toolsets: str = "",
    tools: str = "",
    exclude_tools: str = "",
    read_only: bool = False,
    settings: Settings | Mapping[str, Any] | None = None,
    library: "Library | Callable[[], Library] | None" = None,
    max_result_tokens: int | None = None,
    run: Callable[[OmsServer], None] = over_stdio,
) -> None:
    """Serve until the client closes the connection, or the process is told to stop.

    Args:
        db: Path or URL of the database; a private sandbox in memory when empty.
        toolsets: Names separated by commas, or `all`; the default ones when empty, and none when tools are named.
        tools: Names of tools, separated by commas, that are offered beside those of the toolsets.
        exclude_tools: Names of tools, separated by commas, that are not offered.
        read_only: Offer only what reads; the database must exist.
        settings: Settings of the engine; where no tool writes they hold for this server only.
        library: The knowledge base, or what opens it; the caller closes it. What `oms serve` reads when None.
        max_result_tokens: Longest result; longer ones are cut. The usual limit when None.
        run: How the server is reached, and for how long.

    Raises:
        SettingsError: A setting or toolset is unknown or impossible.
        StoreUnavailable: The database cannot be used; it is left as it is.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    options = ServerOptions(
        toolsets=toolsets.split(",") if toolsets.strip() else None,
        tools=tools.split(","),
        exclude_tools=exclude_tools.split(","),
        read_only=read_only,
        max_result_tokens=MAX_RESULT_TOKENS if max_result_tokens is None else max_result_tokens,
    )
    writes = any(not spec.read_only for spec in chosen_tools(options))
    with (
        Engine.open(db or ":memory:", settings=settings, session_id="mcp", keep_settings=writes) as engine,
        nullcontext(library) if library else LaterLibrary() as documents,
        suppress(KeyboardInterrupt),
    ):
        server = build_server(engine, documents, options)
        gc.freeze()
        gc.enable()
        run(server)
