"""What is missing, broken, stale or out of proportion in a corpus? Findings with their place and the way out.

Nothing is run and nothing outside of the corpus is looked at. What only some corpora do, such as stating a status or
showing blocks that run, is asked where at least half of the documents do it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote

from knowledge_base.errors import nearest, quoted
from knowledge_base.glossary import entries_of, is_glossary
from knowledge_base.results import Result
from knowledge_base.sections import MAX_CHUNK, Document, Section

Severity = Literal["error", "warning"]

RULES: Mapping[str, Severity] = {
    "no-title": "error",
    "empty-section": "error",
    "broken-link": "error",
    "broken-anchor": "error",
    "duplicate-id": "error",
    "link-outside": "warning",
    "duplicate-title": "warning",
    "duplicate-heading": "warning",
    "no-metadata": "warning",
    "bad-date": "warning",
    "stale": "warning",
    "unlinked": "warning",
    "long-section": "warning",
    "short-section": "warning",
    "no-language": "warning",
    "untested": "warning",
    "unused-term": "warning",
}
"""The rules: errors mislead a reader, warnings make a document harder to find, to trust or to read."""

STALE_DAYS = 365
"""Days after its last update from which a document is stale."""

MIN_WORDS = 5
"""Words below which a section that has no sub-sections says too little to answer anything."""

RUNNABLE = frozenset({"scenario", "python", "bash", "sh", "console", "jsonl"})
"""Fenced blocks that can be run: scenarios, programs, what is typed into a shell, and requests line by line."""

METADATA = ("Category", "Status")
"""What documents say of themselves, where a corpus does that."""

_HOMES = frozenset({"index", "_index", "readme", "home"})
"""Documents that are found without a link."""

_HEAD_LINES = 200
_TARGET = re.compile(r"\]\(\s*(<[^<>\n]*>|(?:[^()\s<>]|\([^()\s]*\))+)(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)")
_DEFINITION = re.compile(r"^ {0,3}\[[^^\]\n][^\]\n]*\]:[ \t]*<?([^\s<>]+)", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
_CODE_SPAN = re.compile(r"(?<!`)(`{1,3})(?!`)[^\n]*?(?<!`)\1(?!`)")
_OWN_ANCHOR = re.compile(r"""\b(?:id|name)=["']([^"'\s]+)["']|\{#([\w:.-]+)\}""")
_WORD = re.compile(r"\w+")


class Finding(Result):
    """Something that a writer should look at.

    Attributes:
        path: the document, relative to the corpus.
        line: 1-based line of it.
        rule: one of `RULES`.
        severity: error or warning.
        message: what was found.
        remedy: what to do about it.
    """

    path: str
    line: int
    rule: str
    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Link:
    """A link from one document to a place in the corpus; `path` is None where it leads out of it."""

    document: Document
    line: int
    target: str
    path: str | None
    anchor: str


Check = Callable[["_Corpus"], Iterator[Finding]]


def lint(
    documents: Mapping[str, Document], root: Path | None, today: date, *, stale_days: int = STALE_DAYS
) -> list[Finding]:
    """What a writer should look at, by document and line.

    Args:
        documents: by path.
        root: the folder they come from, in which links to other files are followed; None to leave those unfollowed.
        today: the day by which documents are stale.
        stale_days: days after its last update from which a document is stale.
    """
    corpus = _Corpus(documents, root, today, stale_days)
    found = [finding for check in CHECKS for finding in check(corpus)]
    return sorted(found, key=lambda finding: (finding.path, finding.line, finding.rule))


class _Corpus:
    """What the checks look at."""

    def __init__(self, documents: Mapping[str, Document], root: Path | None, today: date, stale_days: int) -> None:
        self.documents = documents
        self.root = root
        self.today = today
        self.stale_days = stale_days
        self._own_anchors: dict[str, set[str]] = {}

    @cached_property
    def links(self) -> list[_Link]:
        """All links that do not name another site, in order."""
        return [link for document in self.documents.values() for link in _links(document)]

    def document_at(self, path: str) -> Document | None:
        """The document that a link to a path opens: the file itself, the page made of it, or the home of a folder."""
        stem = path.removesuffix(".html").removesuffix(".md")
        names = (path, f"{stem}.md", *(f"{stem}/{home}.md".removeprefix("/") for home in ("index", "README")))
        return next((self.documents[name] for name in names if name in self.documents), None)

    def holds(self, path: str) -> bool:
        """Whether a link to a path leads to something, a document, another file or a folder."""
        if self.document_at(path) is not None or self.root is None:
            return True
        return (self.root / path).exists()

    def has_anchor(self, document: Document, anchor: str) -> bool:
        """Whether a document has a heading of this anchor, or an anchor that its author made."""
        if anchor in document.by_anchor or anchor.casefold() in document.by_anchor:
            return True
        if document.path not in self._own_anchors:
            found = _OWN_ANCHOR.findall("\n".join(document.lines))
            self._own_anchors[document.path] = {name for names in found for name in names}
        return anchor in self._own_anchors[document.path]

    def do_most(self, does: Callable[[Document], bool]) -> bool:
        """Whether at least half of the documents do something, so that the others should do it too."""
        return 2 * sum(map(does, self.documents.values())) >= len(self.documents)


def _finding(document: Document, line: int, rule: str, message: str, remedy: str) -> Finding:
    return Finding(path=document.path, line=line, rule=rule, severity=RULES[rule], message=message, remedy=remedy)


def _titles(corpus: _Corpus) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for document in corpus.documents.values():
        if all(section.level != 1 for section in document.sections) and not _states(document, "Title"):
            remedy = "begin it with a heading such as # Opening hours"
            yield _finding(document, 1, "no-title", "the document has no title", remedy)
        elif (other := first.setdefault(document.title.casefold(), document.path)) != document.path:
            message = f"{other} has the title {quoted(document.title)} as well"
            yield _finding(document, 1, "duplicate-title", message, "give each document a title of its own")


def _sections(corpus: _Corpus) -> Iterator[Finding]:
    for document in corpus.documents.values():
        for section in document.sections:
            yield from _one_section(document, section)


def _one_section(document: Document, section: Section) -> Iterator[Finding]:
    text = document.text(section.start_line + bool(section.level), section.own_end)
    is_leaf = section.end_line == section.own_end
    if is_leaf and section.level and not text.strip():
        message = f"the section {quoted(section.title)} is empty"
        yield _finding(document, section.start_line, "empty-section", message, "write it, or take the heading out")
    elif is_leaf and section.level > 1 and len(_WORD.findall(text)) < MIN_WORDS:
        message = f"the section {quoted(section.title)} says less than {MIN_WORDS} words"
        remedy = "say more, or join it with its neighbour"
        yield _finding(document, section.start_line, "short-section", message, remedy)
    elif len(text) > MAX_CHUNK:
        message = f"the section {quoted(section.title)} has {len(text):,} characters of its own"
        remedy = f"divide it by headings, so that no part has more than {MAX_CHUNK:,}"
        yield _finding(document, section.start_line, "long-section", message, remedy)


def _headings(corpus: _Corpus) -> Iterator[Finding]:
    for document in corpus.documents.values():
        first: dict[tuple[str, ...], int] = {}
        for section in document.sections:
            if (
                section.level
                and (line := first.setdefault(section.breadcrumb, section.start_line)) != section.start_line
            ):
                message = f"the heading {quoted(section.title)} stands on line {line} as well, under the same heading"
                remedy = f"tell them apart; a link to this one is #{section.anchor}"
                yield _finding(document, section.start_line, "duplicate-heading", message, remedy)


def _ids(corpus: _Corpus) -> Iterator[Finding]:
    for document in corpus.documents.values():
        first: dict[str, int] = {}
        for fence in document.fences:
            name = fence.stated("id") if fence.is_scenario else ""
            if name and (line := first.setdefault(name, fence.line)) != fence.line:
                message = f"the scenario {quoted(name)} stands on line {line} as well"
                yield _finding(document, fence.line, "duplicate-id", message, "give each scenario an id of its own")


def _links_lead_somewhere(corpus: _Corpus) -> Iterator[Finding]:
    for link in corpus.links:
        shown = quoted(link.target)
        if link.path is None or (link.target.startswith("/") and not corpus.holds(link.path)):
            message = f"the link {shown} leads out of the corpus, where nobody follows it"
            remedy = "link to a document of the corpus, or write the whole address"
            yield _finding(link.document, link.line, "link-outside", message, remedy)
            continue
        if not corpus.holds(link.path):
            near = ", ".join(nearest(link.path, corpus.documents)[:3])
            remedy = f"nearest: {near}" if near else "name a document of the corpus"
            yield _finding(link.document, link.line, "broken-link", f"the link {shown} leads to nothing", remedy)
        elif (
            link.anchor and (document := corpus.document_at(link.path)) and not corpus.has_anchor(document, link.anchor)
        ):
            near = ", ".join(f"#{anchor}" for anchor in nearest(link.anchor, filter(None, document.by_anchor))[:3])
            remedy = f"nearest: {near}" if near else "name a section that is there"
            message = f"the link {shown} names a section that {document.path} does not have"
            yield _finding(link.document, link.line, "broken-anchor", message, remedy)


def _documents_are_linked(corpus: _Corpus) -> Iterator[Finding]:
    linked: set[str] = set()
    for link in corpus.links:
        target = None if link.path is None else corpus.document_at(link.path)
        if target is not None and target.path != link.document.path:
            linked.add(target.path)
    for document in corpus.documents.values() if linked else ():
        if document.path not in linked and PurePosixPath(document.path).stem.casefold() not in _HOMES:
            remedy = "link to it where a reader would want it"
            yield _finding(document, 1, "unlinked", "no other document links to this one", remedy)


def _metadata(corpus: _Corpus) -> Iterator[Finding]:
    for field in METADATA:
        if corpus.do_most(lambda document, field=field: _states(document, field)):  # type: ignore[misc] # bound at once
            for document in corpus.documents.values():
                if not _states(document, field):
                    remedy = f"state it below the title: **{field}:** ..."
                    yield _finding(document, 1, "no-metadata", f"the document does not state its {field}", remedy)


def _states(document: Document, field: str) -> bool:
    """Whether the lines before the second heading state something: `**Status:** draft`, or `status: draft` in front."""
    end = next((section.start_line for section in document.sections if section.level > 1), len(document.lines) + 1)
    stated = re.compile(rf"\*\*{field}(?::\*\*|\*\*:)\s*\S|^{field}:\s*\S", re.IGNORECASE)
    return any(stated.search(line) for line in document.lines[: min(end - 1, _HEAD_LINES)])


def _dates(corpus: _Corpus) -> Iterator[Finding]:
    for document in corpus.documents.values():
        if not document.last_updated:
            continue
        line = next((number for number, text in enumerate(document.lines, 1) if document.last_updated in text), 1)
        shown = quoted(document.last_updated)
        try:
            updated = date.fromisoformat(document.last_updated)
        except ValueError:
            message = f"the date of the last update, {shown}, is none"
            yield _finding(document, line, "bad-date", message, "write it as 2026-01-31")
            continue
        if updated > corpus.today + timedelta(days=1):
            message = f"the date of the last update, {shown}, lies in the future"
            yield _finding(document, line, "bad-date", message, "write the day on which it was last true")
        elif (age := (corpus.today - updated).days) > corpus.stale_days:
            message = f"the last update, {shown}, is {age:,} days ago"
            yield _finding(document, line, "stale", message, "read it, mend it, and write the day of today")


def _languages(corpus: _Corpus) -> Iterator[Finding]:
    for document in corpus.documents.values():
        for fence in document.fences:
            if not fence.info:
                remedy = "name it behind the opening fence; text, where it is none"
                yield _finding(document, fence.line, "no-language", "the fenced block names no language", remedy)


def _tests(corpus: _Corpus) -> Iterator[Finding]:
    if corpus.do_most(_is_tested):
        for document in corpus.documents.values():
            is_list = is_glossary(document.path) or PurePosixPath(document.path).stem.casefold() in _HOMES
            if not is_list and not _is_tested(document):
                message = "no block of the document can be run, as those of most others can"
                remedy = f"show what it says in a block: {', '.join(sorted(RUNNABLE))}"
                yield _finding(document, 1, "untested", message, remedy)


def _is_tested(document: Document) -> bool:
    return any(fence.info.split()[:1] and fence.info.split()[0] in RUNNABLE for fence in document.fences)


def _terms(corpus: _Corpus) -> Iterator[Finding]:
    glossaries = [document for document in corpus.documents.values() if is_glossary(document.path)]
    others = [document for document in corpus.documents.values() if not is_glossary(document.path)]
    used = "\n".join("\n".join(document.lines) for document in others if glossaries).casefold()
    for glossary in glossaries:
        leading = {link.line for link in corpus.links if link.document is glossary and link.path != glossary.path}
        for names, line in entries_of(glossary):
            if line not in leading and not any(_occurs(name.casefold(), used) for name in names):
                message = f"no document uses the term {quoted(names[0])}, and it leads to none"
                yield _finding(glossary, line, "unused-term", message, "take it out, use it, or link to what it means")


def _occurs(term: str, text: str) -> bool:
    """Whether a word of the text begins like the term, so that its plural counts too."""
    start = text.find(term)
    while start > 0 and text[start - 1].isalnum():
        start = text.find(term, start + 1)
    return start >= 0


def _links(document: Document) -> Iterator[_Link]:
    """The links of a document that name no other site, with the lines on which their targets stand."""
    fenced = _fenced_lines(document)
    text = "\n".join("" if number in fenced else line for number, line in enumerate(document.lines, 1))
    text = _without_comments(_CODE_SPAN.sub(_blank, text))
    places = [(found.start(1), found[1]) for pattern in (_TARGET, _DEFINITION) for found in pattern.finditer(text)]
    line, before = 1, 0
    for start, target in sorted(places):
        line, before = line + text.count("\n", before, start), start
        bare = target.strip("<>")
        if not _ELSEWHERE.match(bare):
            path, _, anchor = bare.partition("#")
            yield _Link(document, line, bare, _place(document.path, path.partition("?")[0]), unquote(anchor))


def _without_comments(text: str) -> str:
    """The text without what stands between <!-- and -->; its lines stay where they are."""
    kept: list[str] = []
    rest = text
    while (start := rest.find("<!--")) >= 0 and (end := rest.find("-->", start)) >= 0:
        kept += [rest[:start], "\n" * rest.count("\n", start, end)]
        rest = rest[end + 3 :]
    return "".join([*kept, rest])


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _fenced_lines(document: Document) -> set[int]:
    return {n for fence in document.fences for n in range(fence.line, fence.line + fence.text.count("\n") + 2)}


def _place(path: str, target: str) -> str | None:
    """The path in the corpus that a target means, seen from a document; None when it lies outside."""
    if not target:
        return path
    target = unquote(target)
    start = PurePosixPath() if target.startswith("/") else PurePosixPath(path).parent
    parts: list[str] = []
    for part in (start / target.lstrip("/")).parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            return None
    return "/".join(parts)


CHECKS: tuple[Check, ...] = (
    _titles,
    _sections,
    _headings,
    _ids,
    _links_lead_somewhere,
    _documents_are_linked,
    _metadata,
    _dates,
    _languages,
    _tests,
    _terms,
)
