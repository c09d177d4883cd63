"""How does a program read, search and run the documents? Through one object that works offline.

Only a model of a hub, where OMS_KB_MODEL names one, is fetched over the network.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

from knowledge_base.cache import default_cache
from knowledge_base.documents import split_reference
from knowledge_base.errors import InvalidArgument, InvalidPath, InvalidSearch, ScenarioNotFound
from knowledge_base.results import (
    PAGE,
    DocumentSummary,
    LibraryStatus,
    OutlineEntry,
    Overview,
    Reading,
    Scenario,
    SearchMode,
    SearchResult,
    SemanticState,
)
from knowledge_base.retrieval import find
from knowledge_base.sections import Document, Section
from knowledge_base.shelf import Shelf
from knowledge_base.snapshot import Snapshot
from knowledge_base.sources import Source, name_of

PACKAGED_CORPUS = Path(__file__).with_name("corpus")
"""The documents that come with this package."""

MAX_QUERY = 1000
"""Characters a question may have."""

MAX_HITS = 50
"""Hits one search may ask for."""

MAX_PAGE = 200_000
"""Characters `read` may be asked for at once."""


class Library:
    """A corpus of markdown documents that can be read, searched and run; safe to use from several threads."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @classmethod
    def open(cls, *sources: Source, cache: Path | None = None, semantic: bool = True) -> Self:
        """Read some sources; models and indexes wait until `warm_up` or the first search that wants them.

        From then on each call sees the documents as they are: a change is noticed within a second, and a call that is
        under way keeps what it began with.

        Args:
            sources: folders of markdown, and documents that a program writes; the packaged documents without any.
            cache: where models and indexes are kept; OMS_CACHE_DIR or the user's cache folder when None.
            semantic: False to search by keyword alone.

        Raises:
            CorpusNotFound: a source is no folder that can be read, or none holds markdown.
            InvalidCorpus: the sources make no corpus together, such as one that is given twice.
        """
        return cls(Shelf(sources or (PACKAGED_CORPUS,), cache or default_cache(), semantic=semantic))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop a running build and give the indexes back."""
        self._shelf.close()

    def refresh(self) -> bool:
        """Read the sources again if they changed since somebody looked; whether anything is different now."""
        return self._shelf.look()

    def overview(self) -> Overview:
        """All documents with their metadata, by path."""
        corpus = self._now().corpus
        return Overview(
            documents=[_summary(document) for document in corpus.documents.values()], left_out=corpus.left_out
        )

    def read(self, path: str = "", anchor: str = "", *, offset: int = 0, limit: int = PAGE) -> Reading:
        """A document, one section with its sub-sections, or without path the overview; one page of it.

        Args:
            path: below the corpus; may be `path#anchor`, may lack `.md`, and may lack the folder when unique.
            anchor: a section's anchor.
            offset: characters to skip, 0 or a `next_offset`.
            limit: characters to return, 1 to 200,000; pages end with a line where possible, and join to the whole.

        Raises:
            InvalidPath: path or anchor cannot be one.
            DocumentNotFound, SectionNotFound: nothing has this name; the message lists the nearest.
            InvalidArgument: offset or limit is out of range.
        """
        _require_int("offset", offset, 0, 1_000_000_000, InvalidArgument)
        _require_int("limit", limit, 1, MAX_PAGE, InvalidArgument)
        if path == "" and anchor == "":
            return _page("", "", self.overview().as_text(), 1, [], span=(offset, limit))
        document, section = _section(self._now(), path, anchor)
        outline = [_outline_entry(other) for other in document.sections if _within(other, section) and other.level]
        text = document.text(section.start_line, section.end_line)
        return _page(document.path, section.anchor, text, section.start_line, outline, span=(offset, limit))

    def resolve(self, citation: str) -> Section:
        """The section that `path#anchor` means, or the whole document without anchor.

        Raises:
            InvalidPath: the citation cannot be one.
            DocumentNotFound, SectionNotFound: it names nothing; the message lists the nearest.
        """
        _, section = _section(self._now(), citation, "")
        return section

    def search(
        self,
        query: str,
        *,
        category: str = "",
        status: str = "",
        limit: int = 10,
        mode: SearchMode = "auto",
        explain: bool = False,
    ) -> SearchResult:
        """The sections that answer a question best.

        Args:
            query: words or a question, 1 to 1,000 characters.
            category: only documents of this category; case does not matter.
            status: only documents of this status; case does not matter.
            limit: hits, 1 to 50.
            mode: `keyword` compares words, `semantic` meaning; `hybrid` joins the two by their ranks, and `auto` then
                compares what they found closely. Until semantic search is ready, and where it is not installed,
                all of them compare words, and the result says so.
            explain: give each hit with the scores that decided.

        Raises:
            InvalidSearch: an argument breaks one of these rules.
        """
        _require_query(query)
        _require_int("limit", limit, 1, MAX_HITS, InvalidSearch)
        if mode not in get_args(SearchMode):
            raise InvalidSearch("mode", mode, f"choose one of {', '.join(get_args(SearchMode))}")
        now = self._now()
        wanted = {
            "category": _known_value(now, "category", category),
            "status": _known_value(now, "status", status),
        }
        filters = {field: value for field, value in wanted.items() if value}
        found = find(now, query, filters, limit, mode, explain=explain)
        if not self._shelf.note:
            return found
        return found.model_copy(update={"note": "; ".join(filter(None, [found.note, self._shelf.note]))})

    def scenarios(self) -> list[Scenario]:
        """Every fenced block marked `scenario`, in order of documents and lines."""
        return [scenario for document in self._now().corpus.documents.values() for scenario in _scenarios(document)]

    def scenario(self, reference: str) -> Scenario:
        """The scenario that `DOC#ID` means; DOC as in `read`, ID exactly as written in the block.

        Raises:
            InvalidPath: the reference cannot be one.
            DocumentNotFound, ScenarioNotFound: it names nothing; the message lists the nearest.
        """
        path, name = split_reference(reference)
        document = self._now().corpus.find(path)
        by_id = {scenario.id: scenario for scenario in _scenarios(document)}
        if not name or name not in by_id:
            raise ScenarioNotFound(name, document.path, filter(None, by_id))
        return by_id[name]

    def warm_up(self, *, wait: bool = False) -> SemanticState:
        """Start loading semantic search in the background, building its index first if need be; returns how it stands.

        Args:
            wait: return only when it is ready or unavailable: for a program that asks one question and ends.
        """
        return self._now().semantic.start(wait=wait)

    def build_index(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Build the semantic index of this corpus now, in this process; quick when it is there already.

        Args:
            progress: called with the number of sections embedded so far, and of all.

        Raises:
            SemanticUnavailable: its packages or its model are missing; the message says how to add them.
        """
        self._now().semantic.build(progress)

    def status(self) -> LibraryStatus:
        """How the library stands: its corpus, and whether semantic search is ready."""
        now = self._now()
        documents = now.corpus.documents.values()
        return LibraryStatus(
            corpus=os.pathsep.join(map(name_of, now.corpus.sources)),
            documents=len(documents),
            sections=sum(len(document.sections) for document in documents),
            chunks=len(now.chunks),
            corpus_hash=now.corpus.hash,
            semantic=now.semantic.state,
            model=now.semantic.model,
            cache=now.semantic.folder,
            left_out=now.corpus.left_out,
            stale=self._shelf.note,
            note=now.semantic.note,
        )

    def _now(self) -> Snapshot:
        """The documents as they are; a call asks once, so that it sees one state of them."""
        return self._shelf.newest()


def _section(now: Snapshot, path: str, anchor: str) -> tuple[Document, Section]:
    if not isinstance(path, str):
        raise InvalidPath("path", path, "give text")
    path, own_anchor = split_reference(path)
    if own_anchor and anchor and own_anchor != anchor:
        raise InvalidPath("anchor", anchor, f"the path already names the section {own_anchor[:64]!r}")
    return now.corpus.find_section(path, own_anchor or anchor)


def _known_value(now: Snapshot, field: str, value: str) -> str:
    """The value in lower case, as filters compare it; empty stays empty."""
    if value == "":
        return value
    known = {getattr(document, field).casefold() for document in now.corpus.documents.values()}
    if not isinstance(value, str) or value.casefold() not in known:
        raise InvalidSearch(field, value, f"choose one of {', '.join(sorted(known))}")
    return value.casefold()


def _summary(document: Document) -> DocumentSummary:
    return DocumentSummary(
        path=document.path,
        title=document.title,
        version=document.version,
        status=document.status,
        category=document.category,
        last_updated=document.last_updated,
        sections=len(document.sections),
    )


def _outline_entry(section: Section) -> OutlineEntry:
    return OutlineEntry(
        anchor=section.anchor,
        title=section.title,
        level=section.level,
        start_line=section.start_line,
        end_line=section.end_line,
    )


def _within(inner: Section, outer: Section) -> bool:
    return outer.start_line <= inner.start_line <= outer.end_line


def _page(
    path: str, anchor: str, text: str, start_line: int, outline: list[OutlineEntry], *, span: tuple[int, int]
) -> Reading:
    offset, limit = span
    if offset and offset >= len(text):
        raise InvalidArgument("offset", offset, f"the text ends at {len(text):,} characters")
    end = offset + limit
    if end < len(text):
        end = text.rfind("\n", offset, end) + 1 or end
    page = text[offset:end]
    first = start_line + text.count("\n", 0, offset)
    return Reading(
        path=path,
        anchor=anchor,
        text=page,
        start_line=first,
        end_line=first + page.count("\n") - (end < len(text) and page.endswith("\n")),
        outline=outline,
        next_offset=end if end < len(text) else None,
    )


def _scenarios(document: Document) -> list[Scenario]:
    return [
        Scenario(
            path=document.path,
            id=fence.stated("id"),
            title=fence.stated("title"),
            text=fence.text,
            line=fence.line,
        )
        for fence in document.fences
        if fence.is_scenario
    ]


def _require_query(query: str) -> None:
    if not isinstance(query, str) or not query.strip():
        raise InvalidSearch("query", query, "give words or a question")
    if len(query) > MAX_QUERY:
        raise InvalidSearch("query", query, f"give at most {MAX_QUERY:,} characters")


def _require_int(field: str, value: int, low: int, high: int, error: type[InvalidArgument]) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise error(field, value, f"give a whole number from {low} to {high:,}")
