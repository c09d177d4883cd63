"""Which tools search and read the knowledge base?"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from anyio.to_thread import run_sync
from mcp_types import CallToolResult
from pydantic import Field, StrictInt

from knowledge_base import Reading
from knowledge_base.results import PAGE
from oms_engine.contracts.formats import FORMATS
from oms_engine.domain.catalogue import refused_value
from oms_engine.errors import shown
from oms_mcp.arguments import Raw, ToolSpec, text
from oms_mcp.seam import CHARACTERS_PER_TOKEN, Backend, Ctx, Out, answer, backend_of, compact, cut_to, without_paths
from oms_mcp.shapes import Wire

_NARROW = "read one section with its anchor"


class HitOut(Out):
    """One section that was found."""

    citation: str
    path: str
    anchor: str
    breadcrumb: str
    start_line: int
    end_line: int
    excerpt: str
    score: float


class HitsOut(Out):
    """Sections, best first; lowConfidence: nothing seems to fit."""

    hits: list[HitOut]
    mode: str
    semantic: str
    confidence: float
    low_confidence: bool
    note: str | None = None
    truncated: str | None = None


async def search_kb(
    ctx: Ctx,
    *,
    query: Annotated[str, Field(description="a question or words")],
    category: Annotated[str, Field(description="only documents of this category, such as concepts")] = "",
    status: Annotated[str, Field(description="only documents of this status")] = "",
    limit: Annotated[StrictInt, Field(description="hits, 1 to 50")] = 5,
) -> CallToolResult:
    """Search the specification of this system: why a command is refused, states, rules, error codes, quantities.

    Each hit has a citation that read_kb opens.
    """
    backend = backend_of(ctx)
    search = partial(backend.library.search, query, category=category, status=status, limit=limit)
    found = await run_sync(search)
    wire = found.to_wire()
    if found.note:
        wire["note"] = without_paths(found.note)
    return answer(backend, wire, narrow="give a smaller limit")


class ReadingOut(Out):
    """A page of a document; nextOffset leads to the next page. The outline comes with the first page."""

    path: str
    anchor: str
    text: str
    start_line: int
    end_line: int
    outline: list[dict[str, Any]]
    next_offset: int | None = None
    truncated: str | None = None


async def read_kb(
    ctx: Ctx,
    *,
    path: Annotated[
        str,
        Field(
            description="document, path#anchor as in a citation, or an address: kb://, order://, spec://, oms://status"
        ),
    ] = "",
    anchor: Annotated[str, Field(description="one section of the document")] = "",
    format: Annotated[Raw, text("of a spec://schema/NAME address (spec://index lists them)", FORMATS)] = "",  # noqa: A002 - the name of the argument
    offset: Annotated[StrictInt, Field(description="characters to skip (nextOffset of the last page)")] = 0,
    limit: Annotated[StrictInt, Field(description="most characters to return")] = PAGE,
) -> CallToolResult:
    """Read a document, a section or a contract of the specification; without path an overview of all documents."""
    backend = backend_of(ctx)
    read = partial(_read, backend, path, anchor, _known_format(format), offset=offset)
    wire = await run_sync(partial(_page, backend, read, limit, first=offset == 0))
    return answer(backend, wire, narrow=_NARROW)


def _page(backend: Backend, read: Callable[..., Reading], limit: int, *, first: bool) -> Wire:
    """As much text as one answer can take, and more of it next time; the outline comes with the first page only."""
    room = backend.max_result_tokens * CHARACTERS_PER_TOKEN
    reading = read(limit=limit)
    outline = {"outline": reading.to_wire()["outline"] if first else []}
    head = cut_to(outline, room // 2, _NARROW)
    while (size := len(compact(wire := reading.to_wire() | head))) > room:
        length = len(compact(reading.text))
        reading = read(limit=max(len(reading.text) * (room - size + length) // length, 1))
    return wire


def _known_format(form: object) -> str:
    if form == "" or form in FORMATS:
        return str(form)
    raise refused_value("format", f"format {shown(form)} is unknown; use one of {', '.join(FORMATS)}")


def _read(backend: Backend, path: str, anchor: str, form: str, *, offset: int, limit: int) -> Reading:
    from oms_engine.contracts.spec import require_text  # noqa: PLC0415 - loading it is no part of a start
    from oms_mcp.addresses import open_address, require_one_anchor  # noqa: PLC0415 - as above
    from oms_mcp.scopes import is_address  # noqa: PLC0415 - as above

    require_one_anchor(path.partition("#")[2] if not is_address(path) else "", anchor)
    if is_address(path):
        return open_address(backend, path, anchor, form, offset=offset, limit=limit)
    require_text(form, path)
    return backend.library.read(path, anchor, offset=offset, limit=limit)


TOOLS = (
    ToolSpec(search_kb, HitsOut, "Search the specification", read_only=True),
    ToolSpec(read_kb, ReadingOut, "Read the specification", read_only=True),
)
