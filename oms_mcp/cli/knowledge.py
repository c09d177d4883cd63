"""Which commands search and read the knowledge base? `oms kb ...`."""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.root import Corpus, Json, OnlyCorpus, app, examples

if TYPE_CHECKING:
    from knowledge_base import DocumentNotFound, Library
    from oms_engine import Problem

_FORMATS = "text, json-schema, avro, openapi, python, typescript or java"
_HITS = 5
_READ = 20_000
_LOOK_SECONDS = 0.2

kb = typer.Typer(help="Read and search the documents that explain it all.", no_args_is_help=True)
app.add_typer(kb, name="kb")


@contextmanager
def _library(folders: Sequence[str] | None, *, only: bool, semantic: bool) -> Iterator["Library"]:
    from oms_mcp.inputs import opened_library

    with opened_library(folders, only=only, semantic=semantic) as library:
        yield library


@kb.command(
    epilog=examples(
        'oms kb search "can a filled order be cancelled"',
        "oms kb search leavesQty --category concepts --limit 3",
        'oms kb search "who may bust a print" --explain',
    )
)
def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Words or a question.")],
    category: Annotated[str, typer.Option(help="Only documents of this category.")] = "",
    status: Annotated[str, typer.Option(help="Only documents of this status.")] = "",
    limit: Annotated[int, typer.Option(help="Hits, 1 to 50.")] = _HITS,
    mode: Annotated[str, typer.Option(help="auto, keyword, semantic or hybrid.")] = "auto",
    explain: Annotated[bool, typer.Option("--explain", help="Show what each score was made of.")] = False,
    corpus: Corpus = None,
    only_corpus: OnlyCorpus = False,
    as_json: Json = False,
) -> None:
    """Find the sections that answer a question best."""
    from oms_mcp.printing import knowledge, terminal

    by_meaning = question.strip() != "" and mode in {"auto", "semantic", "hybrid"}
    with _library(corpus, only=only_corpus, semantic=by_meaning) as library:
        if by_meaning:
            library.search(question, category=category, status=status, limit=limit, mode="keyword")  # refused before
            load(library)
        found = library.search(
            question,
            category=category,
            status=status,
            limit=limit,
            mode=mode,  # type: ignore[arg-type] # the library refuses unknown modes
            explain=explain,
        )
    if as_json:
        terminal.print_json(found.to_wire())
    else:
        knowledge.hits(found.to_wire(), _as_typed(corpus, only=only_corpus))


def _as_typed(folders: Sequence[str] | None, *, only: bool) -> str:
    """The options that lead the next command to the same documents."""
    from shlex import join

    words = [word for folder in folders or () for word in ("--corpus", folder)] + ["--only-corpus"] * only
    return f" {join(words)}" if words else ""


def load(library: "Library") -> None:
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
        "oms kb read spec://schema/Order --format avro",
    )
)
def read(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH[#ANCHOR]", help="A document or a section, as citations name it; or a spec:// address."
        ),
    ],
    anchor: Annotated[str, typer.Option(help="A section of the document.")] = "",
    form: Annotated[str, typer.Option("--format", help=f"Of a contract: {_FORMATS}.")] = "",
    offset: Annotated[int, typer.Option(help="Characters to skip.")] = 0,
    limit: Annotated[
        int | None, typer.Option(help=f"Characters to print; {_READ:,} of a document and a whole contract by default.")
    ] = None,
    corpus: Corpus = None,
    only_corpus: OnlyCorpus = False,
    as_json: Json = False,
) -> None:
    """Read a document, one section of it, or a contract."""
    from knowledge_base import DocumentNotFound
    from oms_engine import Refused
    from oms_engine.contracts.spec import SCHEME, require_text
    from oms_mcp.printing import knowledge, terminal

    if path.startswith(SCHEME):
        _contract(f"{path}#{anchor}" if anchor else path, form, offset, limit, as_json=as_json)
        return
    require_text(form, path)
    path = path.removeprefix("kb://")
    with _library(corpus, only=only_corpus, semantic=False) as library:
        try:
            wire = library.read(path, anchor, offset=offset, limit=_READ if limit is None else limit).to_wire()
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


def _contract(address: str, form: str, offset: int, limit: int | None, *, as_json: bool) -> None:
    """Print what stands behind a spec:// address, whole unless a part is asked for."""
    from oms_engine.contracts.spec import asked, opened
    from oms_mcp.printing import knowledge, terminal
    from oms_mcp.shapes import page_of

    text = opened(address, form)
    wire = page_of(address, text, offset, len(text) if limit is None else limit).to_wire()
    if as_json:
        terminal.print_json(wire)
    elif asked(address, form)[1] == "text":
        knowledge.reading(wire)
    else:
        knowledge.source(wire)


@kb.command(epilog=examples("oms kb overview", "oms kb overview --json"))
def overview(corpus: Corpus = None, only_corpus: OnlyCorpus = False, as_json: Json = False) -> None:
    """List all documents."""
    from oms_mcp.printing import knowledge, terminal

    with _library(corpus, only=only_corpus, semantic=False) as library:
        wire = library.overview().to_wire()
    if as_json:
        terminal.print_json(wire)
    else:
        knowledge.overview(wire)


@kb.command(
    epilog=examples("oms kb index", "oms kb index --corpus handbook --watch", "oms kb index --corpus handbook --json")
)
def index(
    corpus: Corpus = None,
    only_corpus: OnlyCorpus = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and index whatever changes until Ctrl-C.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document for machines; one per line with --watch.")
    ] = False,
) -> None:
    """Build the semantic index now; quick when it is there already, and what did not change is not embedded again."""
    with _library(corpus, only=only_corpus, semantic=True) as library:
        _index(library, as_json=as_json, line=watch)
        if watch:
            with suppress(KeyboardInterrupt):  # Ctrl-C is how one stops watching
                _watch(library, as_json=as_json)


def _index(library: "Library", *, as_json: bool, line: bool) -> str:
    """Build the index, tell of it, and give back the hash of the documents that it holds."""
    from time import perf_counter

    from oms_mcp.printing import knowledge, terminal

    began = perf_counter()
    with terminal.progress("building the semantic index") as progress:
        library.build_index(progress)
    knowledge.indexed(library.status().to_wire(), perf_counter() - began, as_json=as_json, line=line)
    return library.status().corpus_hash


def _watch(library: "Library", *, as_json: bool) -> None:
    """Build the index whenever the documents change; what cannot be read meanwhile is told once."""
    from time import sleep

    from oms_mcp.printing import terminal

    built, told = library.status().corpus_hash, None
    while True:
        sleep(_LOOK_SECONDS)
        library.refresh()
        status = library.status()
        if status.stale != told:
            told = status.stale
            terminal.note(told or "the documents can be read again")
        if status.corpus_hash != built:
            built = _index(library, as_json=as_json, line=True)
