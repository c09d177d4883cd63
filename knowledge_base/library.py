"""How does a program read, search and run the documents? Through one object that never uses the network."""

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self, get_args

from knowledge_base.cache import default_cache
from knowledge_base.documents import Corpus, split_reference
from knowledge_base.errors import InvalidArgument, InvalidPath, InvalidSearch, ScenarioNotFound
from knowledge_base.excerpts import best_part, excerpt
from knowledge_base.lexical import LexicalIndex, terms_of
from knowledge_base.ranking import DEPTH, fuse, identifiers, is_doubtful, lead, names
from knowledge_base.results import (
    DocumentSummary,
    Hit,
    LibraryStatus,
    OutlineEntry,
    Overview,
    Reading,
    Scenario,
    SearchMode,
    SearchResult,
    SemanticState,
)
from knowledge_base.sections import Document, Section
from knowledge_base.semantic import SemanticSearch

PACKAGED_CORPUS = Path(__file__).with_name("corpus")
"""The documents that come with this package."""

MAX_QUERY = 1000
"""Characters a question may have."""

MAX_HITS = 50
"""Hits one search may ask for."""

PAGE = 20_000
"""Characters `read` returns at once unless told otherwise: about 5,000 tokens."""

MAX_PAGE = 200_000
"""Characters `read` may be asked for at once."""

_DOUBT = "nothing in the knowledge base seems to answer this; the hits are only the nearest there is"
_ID = re.compile(r"""^id:[ \t]*(["']?)(.*?)\1[ \t]*(?:[ \t]#.*)?$""", re.MULTILINE)
_TITLE = re.compile(r"""^title:[ \t]*(["']?)(.*?)\1[ \t]*(?:[ \t]#.*)?$""", re.MULTILINE)


class Library:
    """A corpus of markdown documents that can be read, searched and run; safe to use from several threads."""

    def __init__(self, corpus: Corpus, semantic: SemanticSearch) -> None:
        self._corpus = corpus
        self._semantic = semantic
        self._chunks = [(document, chunk) for document in corpus.documents.values() for chunk in document.chunks]
        self._lexical_lock = Lock()

    @classmethod
    def open(cls, corpus: Path | None = None, *, cache: Path | None = None, semantic: bool = True) -> Self:
        """Read a corpus; models and indexes wait until `warm_up` or the first search that wants them.

        Args:
            corpus: a folder of markdown; the packaged documents when None.
            cache: where models and indexes are kept; OMS_CACHE_DIR or the user's cache folder when None.
            semantic: False to search by keyword alone.

        Raises:
            CorpusNotFound: the folder does not exist or holds no markdown.
        """
        documents = Corpus(corpus or PACKAGED_CORPUS)
        chunks = [chunk for document in documents.documents.values() for chunk in document.chunks]
        return cls(documents, SemanticSearch(documents, chunks, cache or default_cache(), enabled=semantic))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop a running build and give the indexes back."""
        self._semantic.close()

    def overview(self) -> Overview:
        """All documents with their metadata, by path."""
        return Overview(documents=[_summary(document) for document in self._corpus.documents.values()])

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
        document, section = self._section(path, anchor)
        outline = [_outline_entry(other) for other in document.sections if _within(other, section) and other.level]
        text = document.text(section.start_line, section.end_line)
        return _page(document.path, section.anchor, text, section.start_line, outline, span=(offset, limit))

    def resolve(self, citation: str) -> Section:
        """The section that `path#anchor` means, or the whole document without anchor.

        Raises:
            InvalidPath: the citation cannot be one.
            DocumentNotFound, SectionNotFound: it names nothing; the message lists the nearest.
        """
        _, section = self._section(citation, "")
        return section

    def search(
        self, query: str, *, category: str = "", status: str = "", limit: int = 10, mode: SearchMode = "auto"
    ) -> SearchResult:
        """The sections that answer a question best.

        Args:
            query: words or a question, 1 to 1,000 characters.
            category: only documents of this category; case does not matter.
            status: only documents of this status; case does not matter.
            limit: hits, 1 to 50.
            mode: `keyword` compares words, `semantic` meaning, `auto` joins both. Until semantic search is
                ready, and where it is not installed, all of them compare words, and the result says so.

        Raises:
            InvalidSearch: an argument breaks one of these rules.
        """
        _require_query(query)
        _require_int("limit", limit, 1, MAX_HITS, InvalidSearch)
        if mode not in get_args(SearchMode):
            raise InvalidSearch("mode", mode, f"choose one of {', '.join(get_args(SearchMode))}")
        wanted = {
            "category": self._known_value("category", category),
            "status": self._known_value("status", status),
        }
        return self._search(query, {field: value for field, value in wanted.items() if value}, limit, mode)

    def scenarios(self) -> list[Scenario]:
        """Every fenced block marked `scenario`, in order of documents and lines."""
        return [scenario for document in self._corpus.documents.values() for scenario in _scenarios(document)]

    def scenario(self, reference: str) -> Scenario:
        """The scenario that `DOC#ID` means; DOC as in `read`, ID exactly as written in the block.

        Raises:
            InvalidPath: the reference cannot be one.
            DocumentNotFound, ScenarioNotFound: it names nothing; the message lists the nearest.
        """
        path, name = split_reference(reference)
        document = self._corpus.find(path)
        by_id = {scenario.id: scenario for scenario in _scenarios(document)}
        if not name or name not in by_id:
            raise ScenarioNotFound(name, document.path, filter(None, by_id))
        return by_id[name]

    def warm_up(self, *, wait: bool = False) -> SemanticState:
        """Start loading semantic search in the background, building its index first if need be; returns how it stands.

        Args:
            wait: return only when it is ready or unavailable: for a program that asks one question and ends.
        """
        return self._semantic.start(wait=wait)

    def build_index(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Build the semantic index of this corpus now, in this process; quick when it is there already.

        Args:
            progress: called with the number of sections embedded so far, and of all.

        Raises:
            SemanticUnavailable: its packages or its model are missing; the message says how to add them.
        """
        self._semantic.build(progress)

    def status(self) -> LibraryStatus:
        """How the library stands: its corpus, and whether semantic search is ready."""
        documents = self._corpus.documents.values()
        return LibraryStatus(
            corpus=str(self._corpus.root),
            documents=len(documents),
            sections=sum(len(document.sections) for document in documents),
            chunks=len(self._chunks),
            corpus_hash=self._corpus.hash,
            semantic=self._semantic.state,
            model=self._semantic.model,
            cache=self._semantic.folder,
            note=self._semantic.note,
        )

    @cached_property
    def _lexical(self) -> LexicalIndex:
        return LexicalIndex([*self._corpus.documents.values()])

    def _section(self, path: str, anchor: str) -> tuple[Document, Section]:
        if not isinstance(path, str):
            raise InvalidPath("path", path, "give text")
        path, own_anchor = split_reference(path)
        if own_anchor and anchor and own_anchor != anchor:
            raise InvalidPath("anchor", anchor, f"the path already names the section {own_anchor[:64]!r}")
        return self._corpus.find_section(path, own_anchor or anchor)

    def _known_value(self, field: str, value: str) -> str:
        """The value in lower case, as filters compare it; empty stays empty."""
        known = {getattr(document, field).casefold() for document in self._corpus.documents.values()} | {""}
        if not isinstance(value, str) or value.casefold() not in known:
            raise InvalidSearch(field, value, f"choose one of {', '.join(sorted(known - {''}))}")
        return value.casefold()

    def _search(self, query: str, filters: dict[str, str], limit: int, mode: SearchMode) -> SearchResult:
        if mode != "keyword":
            self._semantic.start()
        with self._lexical_lock:
            lexical = self._lexical
        allowed = self._allowed(filters)
        depth = max(DEPTH, 2 * limit)
        near = None if mode == "keyword" else self._semantic.rank(query, filters, depth)
        words = [] if mode == "semantic" and near is not None else lexical.rank(query, allowed, depth)
        named = self._named(query, allowed)
        ranked = lead(_ranked(words, near), named)
        doubtful = not named and (not ranked or is_doubtful(lexical.known_share(query), near[0][1] if near else None))
        notes = [_DOUBT if doubtful else None, None if mode == "keyword" else self._semantic.note]
        return SearchResult(
            hits=self._hits(ranked, terms_of(query), limit),
            mode="keyword" if near is None else "semantic" if mode == "semantic" else "hybrid",
            semantic=self._semantic.state,
            low_confidence=doubtful,
            note="; ".join(filter(None, notes)) or None,
        )

    def _named(self, query: str, allowed: set[int] | None) -> set[int]:
        """The chunks with a name from the question in a heading, such as an error code or the id of a rule."""
        wanted = identifiers(query)
        found = {position for position, title in enumerate(self._titles) if wanted and names(title, wanted)}
        return found if allowed is None else found & allowed

    @cached_property
    def _titles(self) -> list[frozenset[str]]:
        """For each chunk the names with digits in its headings."""
        return [identifiers(" ".join(part.section.title for part in chunk.parts)) for _, chunk in self._chunks]

    def _allowed(self, filters: dict[str, str]) -> set[int] | None:
        if not filters:
            return None
        return {
            position
            for position, (document, _) in enumerate(self._chunks)
            if all(getattr(document, field).casefold() == value for field, value in filters.items())
        }

    def _hits(self, ranked: list[tuple[int, float]], terms: list[str], limit: int) -> list[Hit]:
        """One hit per section, at most `limit`."""
        hits: dict[str, Hit] = {}
        for position, score in ranked:
            document, chunk = self._chunks[position]
            part = best_part(document, chunk, terms)
            if part.section.citation not in hits:
                hits[part.section.citation] = Hit(
                    citation=part.section.citation,
                    path=document.path,
                    anchor=part.section.anchor,
                    breadcrumb=" > ".join(part.section.breadcrumb),
                    start_line=part.start_line,
                    end_line=part.end_line,
                    excerpt=excerpt(document.text(part.start_line, part.end_line), terms),
                    score=float(f"{score:.4g}"),
                )
            if len(hits) == limit:
                break
        return list(hits.values())


def _ranked(words: list[tuple[int, float]], near: list[tuple[int, float]] | None) -> list[tuple[int, float]]:
    """The rankings joined, or the only one there is with its own scores."""
    if near is None:
        return words
    if not words:
        return near
    return fuse([position for position, _ in near], [position for position, _ in words])


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
            id=_stated(_ID, fence.text),
            title=_stated(_TITLE, fence.text),
            text=fence.text,
            line=fence.line,
        )
        for fence in document.fences
        if fence.info.split()[:1] == ["scenario"]
    ]


def _stated(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[2] if found else ""


def _require_query(query: str) -> None:
    if not isinstance(query, str) or not query.strip():
        raise InvalidSearch("query", query, "give words or a question")
    if len(query) > MAX_QUERY:
        raise InvalidSearch("query", query, f"give at most {MAX_QUERY:,} characters")


def _require_int(field: str, value: int, low: int, high: int, error: type[InvalidArgument]) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise error(field, value, f"give a whole number from {low} to {high:,}")
