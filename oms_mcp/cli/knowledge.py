"""Which commands search and read the knowledge base? `oms kb ...`."""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.root import Json, app, examples

if TYPE_CHECKING:
    from knowledge_base import DocumentNotFound, Library
    from oms_engine import Problem

_HITS = 5
_READ = 20_000

kb = typer.Typer(help="Read and search the documents that explain it all.", no_args_is_help=True)
app.add_typer(kb, name="kb")


@contextmanager
def _library(*, semantic: bool) -> Iterator["Library"]:
    from knowledge_base import Library

    with Library.open(semantic=semantic) as library:
        yield library


@kb.command(
    epilog=examples(
        'oms kb search "can a filled order be cancelled"', "oms kb search leavesQty --category concepts --limit 3"
    )
)
def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Words or a question.")],
    category: Annotated[str, typer.Option(help="Only documents of this category.")] = "",
    status: Annotated[str, typer.Option(help="Only documents of this status.")] = "",
    limit: Annotated[int, typer.Option(help="Hits, 1 to 50.")] = _HITS,
    mode: Annotated[str, typer.Option(help="auto, keyword or semantic.")] = "auto",
    as_json: Json = False,
) -> None:
    """Find the sections that answer a question best."""
    from oms_mcp.printing import knowledge, terminal

    by_meaning = question.strip() != "" and mode in {"auto", "semantic"}
    with _library(semantic=by_meaning) as library:
        if by_meaning:
            library.search(question, category=category, status=status, limit=limit, mode="keyword")  # refused before
            _load(library)
        found = library.search(question, category=category, status=status, limit=limit, mode=mode)  # type: ignore[arg-type] # the library refuses unknown modes
    if as_json:
        terminal.print_json(found.to_wire())
    else:
        knowledge.hits(found.to_wire())


def _load(library: "Library") -> None:
    """Load semantic search, and show how far it is where its index has to be built first."""
    from knowledge_base import KnowledgeBaseError
    from oms_mcp.printing import terminal

    with suppress(KnowledgeBaseError), terminal.progress("building the semantic index, once for all") as progress:
        library.build_index(progress)  # where it cannot be built, the search itself says so
    with terminal.waiting("loading semantic search"):
        library.warm_up(wait=True)


@kb.command(
    epilog=examples(
        "oms kb read order-lifecycle",
        "oms kb read framework/validation-rules.md#38-ord-08-order-quantity-is-present-and-positive",
    )
)
def read(
    path: Annotated[
        str, typer.Argument(metavar="PATH[#ANCHOR]", help="A document or a section, as citations name it.")
    ],
    anchor: Annotated[str, typer.Option(help="A section of the document.")] = "",
    offset: Annotated[int, typer.Option(help="Characters to skip.")] = 0,
    limit: Annotated[int, typer.Option(help="Characters to print.")] = _READ,
    as_json: Json = False,
) -> None:
    """Read a document or one section of it."""
    from knowledge_base import DocumentNotFound
    from oms_engine import Refused
    from oms_mcp.printing import knowledge, terminal

    with _library(semantic=False) as library:
        try:
            wire = library.read(path, anchor, offset=offset, limit=limit).to_wire()
        except DocumentNotFound as error:
            if error.nearest:
                raise
            raise Refused(_nothing_alike(path, error, library)) from None
    if as_json:
        terminal.print_json(wire)
    else:
        knowledge.reading(wire)


def _nothing_alike(path: str, error: "DocumentNotFound", library: "Library") -> "Problem":
    """What to say of a name like which there is none: the documents that come nearest all the same."""
    import difflib
    from pathlib import PurePath

    from oms_engine.errors import problem

    paths = {PurePath(document.path).stem: document.path for document in library.overview().documents}
    near = ", ".join(paths[stem] for stem in difflib.get_close_matches(path[:64], paths, n=3, cutoff=0))
    return problem("OMS-VAL-004", f"{error}: oms kb overview lists them; nearest: {near}")


@kb.command(epilog=examples("oms kb overview", "oms kb overview --json"))
def overview(as_json: Json = False) -> None:
    """List all documents."""
    from oms_mcp.printing import knowledge, terminal

    with _library(semantic=False) as library:
        wire = library.overview().to_wire()
    if as_json:
        terminal.print_json(wire)
    else:
        knowledge.overview(wire)


@kb.command(epilog=examples("oms kb index"))
def index(as_json: Json = False) -> None:
    """Build the semantic index now; quick when it is there already."""
    from oms_mcp.printing import terminal

    with _library(semantic=True) as library:
        with terminal.progress("building the semantic index") as progress:
            library.build_index(progress)
        wire = library.status().to_wire()
    if as_json:
        terminal.print_json(wire)
    else:
        terminal.say(f"the index holds {wire['chunks']} sections of {wire['documents']} documents: {wire.get('cache')}")
