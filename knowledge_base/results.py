"""What does the knowledge base answer with? Frozen values that go out as compact JSON in camelCase."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

SemanticState = Literal["ready", "loading", "building", "unavailable"]
SearchMode = Literal["auto", "keyword", "semantic", "hybrid"]

PAGE = 20_000
"""Characters `read` returns at once unless told otherwise: about 5,000 tokens."""


class Result(BaseModel):
    """An immutable answer: snake_case in Python, camelCase on the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def to_wire(self) -> dict[str, Any]:
        """The JSON object of this answer: camelCase, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class DocumentSummary(Result):
    """One document as the overview lists it; what it does not state is empty, but the category is its top folder."""

    path: str
    title: str
    version: str
    status: str
    category: str
    last_updated: str
    sections: int


class Overview(Result):
    """All documents of the corpus, by source and path.

    Attributes:
        left_out: for each file that could not be taken, its path and why.
    """

    documents: list[DocumentSummary]
    left_out: dict[str, str] = {}

    def as_text(self) -> str:
        """The overview as markdown: one line per document, grouped by category."""
        lines = ["# Knowledge base", ""]
        for category in sorted({document.category for document in self.documents}):
            lines += [f"## {category or 'other'}", ""]
            lines += [_line(document) for document in self.documents if document.category == category]
            lines.append("")
        if self.left_out:
            lines += ["## left out", "", *(f"- `{path}`: {reason}" for path, reason in self.left_out.items()), ""]
        return "\n".join(lines[:-1])


class OutlineEntry(Result):
    """One heading of what was read."""

    anchor: str
    title: str
    level: int
    start_line: int
    end_line: int


class Reading(Result):
    """A document, a section with its sub-sections, or the overview; `text` is one page of it.

    Attributes:
        path: the document, relative to the corpus; empty for the overview.
        anchor: the section; empty for a whole document.
        start_line: 1-based line of the file on which the page begins.
        end_line: the line on which it ends.
        outline: the headings of all that is being read, not only of this page.
        next_offset: pass it as `offset` for the next page; None on the last one.
    """

    path: str
    anchor: str
    text: str
    start_line: int
    end_line: int
    outline: list[OutlineEntry]
    next_offset: int | None = None


class Scores(Result):
    """What decided where a hit stands; None where it was not compared so.

    Attributes:
        keyword: BM25 of the words it shares with the question.
        keyword_rank: its place among those that share words, from 1.
        semantic_rank: its place among those that are near in meaning, from 1.
        meaning: cosine of the question and the passage.
        title: cosine of the question and the title of the section.
        words: how well the passage meets each word of the question, in the mean.
        question: the same for the question that the section says it answers.
        asked_as: that question.
    """

    keyword: float | None = None
    keyword_rank: int | None = None
    semantic_rank: int | None = None
    meaning: float | None = None
    title: float | None = None
    words: float | None = None
    question: float | None = None
    asked_as: str | None = None


class Hit(Result):
    """One section that a search found.

    Attributes:
        citation: `path#anchor`; `read` and `resolve` take it as it stands.
        breadcrumb: the titles from the document down to the section, joined by " > ".
        excerpt: the passage that fits the question best, at most 320 characters.
        score: orders the hits of one search; it has no meaning across searches or modes.
        scores: what the score was made of; None unless asked for.
    """

    citation: str
    path: str
    anchor: str
    breadcrumb: str
    start_line: int
    end_line: int
    excerpt: str
    score: float
    scores: Scores | None = None


class SearchResult(Result):
    """What a search found, best first.

    Attributes:
        mode: what ranked the hits: words, meaning, or both.
        semantic: how semantic search stands in this process.
        confidence: how sure it is that something answers, 0 to 1.
        low_confidence: true when nothing in the corpus seems to answer; the hits are still the nearest there are.
        note: what the caller should know about this answer; None when there is nothing.
    """

    hits: list[Hit]
    mode: Literal["keyword", "semantic", "hybrid"]
    semantic: SemanticState
    confidence: float
    low_confidence: bool
    note: str | None = None


class Scenario(Result):
    """A runnable block of a document.

    Attributes:
        path: the document it stands in.
        id: its `id:`, unique within the document; empty when the block states none.
        title: its `title:`, or empty.
        text: the YAML, without the fence.
        line: 1-based line of the opening fence; the YAML begins on the next one.
    """

    path: str
    id: str
    title: str
    text: str
    line: int

    @property
    def reference(self) -> str:
        """`path#id`, as `scenario()` takes it."""
        return f"{self.path}#{self.id}"


class LibraryStatus(Result):
    """How the library stands.

    Attributes:
        corpus: the folders of the documents, and the names of generated ones, separated as in a search path.
        left_out: for each file that could not be taken, its path and why.
        corpus_hash: changes when any document does.
        cache: the folder for models and indexes; None while none was needed.
        stale: why the documents are not read as they are now; None while they are.
        note: why semantic search is not ready, or what else the operator should know.
    """

    corpus: str
    documents: int
    sections: int
    chunks: int
    corpus_hash: str
    semantic: SemanticState
    left_out: dict[str, str] = {}
    model: str | None = None
    cache: str | None = None
    stale: str | None = None
    note: str | None = None


def _line(document: DocumentSummary) -> str:
    facts = [f"version {document.version}" if document.version else "", document.status]
    stated = ", ".join(fact for fact in [*facts, f"{document.sections} sections"] if fact)
    return f"- `{document.path}` {document.title} ({stated})"
