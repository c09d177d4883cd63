"""Which questions is a search judged by? YAML that people write, of which every mistake is named at once.

A file is one mapping, `queries`: a list of entries with `query`, and `expected_docs` (or `expected`) and
`expected_sections`, or `answerable: false` for a question to which the documents have no answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from knowledge_base.errors import DocumentNotFound, InvalidQuestions, KnowledgeBaseError, nearest, quoted
from knowledge_base.library import MAX_QUERY
from knowledge_base.sections import Section

PACKAGED_QUESTIONS = Path(__file__).with_name("questions.yaml")
"""Our own questions about the packaged documents."""

MAX_QUESTIONS = 10_000
"""Questions of one file."""

MAX_EXPECTED = 100
"""Documents or sections that one question may expect."""

MAX_TEXT = 5_000_000
"""Characters of a file of questions."""

_MAX_DEPTH = 8
_MAX_MISTAKES = 20
_SECTIONS = "expected_sections"
FIELDS = ("query", "expected_docs", "expected", _SECTIONS, "answerable")
"""What an entry of a file may have."""

_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_EXAMPLE = 'queries: [{query: "how do I cancel", expected_docs: guides/cancel.md}]'

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTHING = {"", "~", "null", "Null", "NULL"}

_Value = object
"""Text, None, a list of values, or an `_Entry`."""

Resolve = Callable[[str], Section]
"""What finds the section, or the whole document, that a citation means."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what answers it.

    Attributes:
        query: as a person asks it.
        documents: paths of documents that answer it; empty when none does.
        sections: citations of sections that answer it; empty when none does, or when none was named.
    """

    query: str
    documents: frozenset[str]
    sections: frozenset[str]

    @property
    def answerable(self) -> bool:
        """Whether the documents have an answer."""
        return bool(self.documents)


def read_questions(text: str, file: str, resolve: Resolve) -> list[Question]:
    """The questions of a file.

    Args:
        text: the YAML.
        file: what errors call it.
        resolve: finds what a citation means; raises KnowledgeBaseError where it means nothing.

    Raises:
        InvalidQuestions: the file is no such list; the message names every mistake with its entry, field and remedy.
    """
    entries = _entries(_document(text, file), file)
    questions: list[Question] = []
    mistakes: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            questions.append(_question(entry, resolve))
        except _WrongEntry as wrong:
            line = f" (line {entry.line})" if isinstance(entry, _Entry) else ""
            mistakes += [f"question {number}{line}: {told}" for told in wrong.told]
    if mistakes:
        raise InvalidQuestions(file, mistakes[:_MAX_MISTAKES], max(0, len(mistakes) - _MAX_MISTAKES))
    return questions


class _WrongEntry(Exception):
    """What is wrong with one entry."""

    def __init__(self, *told: str) -> None:
        super().__init__(*told)
        self.told = told


def _wrong(field: str, value: object, remedy: str) -> str:
    """A field, its value, and what would be right; lists and mappings are told by their kind, they may be long."""
    if value is None:
        return f"{field}, which is empty: {remedy}"
    if isinstance(value, list):
        return f"{field}, a list of {len(value):,}: {remedy}"
    return f"{field} {'a mapping' if isinstance(value, _Entry) else quoted(value)}: {remedy}"


class _Entry(dict[str, _Value]):
    """A mapping that knows on which line it began."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


def _entries(document: _Value, file: str) -> list[_Value]:
    if not isinstance(document, _Entry):
        raise InvalidQuestions(file, [f"it is no mapping; write {_EXAMPLE}"])
    if unknown := [key for key in document if key != "queries"]:
        raise InvalidQuestions(file, [f"key {quoted(unknown[0])} is unknown; everything stands under queries"])
    entries = document.get("queries")
    if not isinstance(entries, list) or not entries:
        raise InvalidQuestions(file, [f"queries holds no list of questions; write {_EXAMPLE}"])
    if len(entries) > MAX_QUESTIONS:
        raise InvalidQuestions(
            file, [f"queries holds {len(entries):,} questions, and {MAX_QUESTIONS:,} are the most; split the file"]
        )
    return entries


def _question(entry: _Value, resolve: Resolve) -> Question:
    if not isinstance(entry, _Entry):
        raise _WrongEntry(_wrong("entry", entry, "it is no mapping; write query: and what is expected"))
    _require_fields(entry)
    query = _query(entry)
    field = "expected" if "expected" in entry else "expected_docs"
    wanted = [(field, path) for path in _texts(entry, field)]
    wanted += [(_SECTIONS, citation) for citation in _texts(entry, _SECTIONS)]
    if _is_answerable(entry):
        if not wanted:
            remedy = "nothing is expected; name expected_docs or expected_sections, or write answerable: false"
            raise _WrongEntry(_wrong("query", query, remedy))
    elif wanted:
        raise _WrongEntry(f"answerable 'false': {quoted(wanted[0][1])} is expected all the same; take one of them out")
    return _resolved(query, wanted, resolve)


def _require_fields(entry: "_Entry") -> None:
    for field, value in entry.items():
        if field not in FIELDS:
            near = nearest(field, FIELDS)
            hint = f"use {near[0]}" if near else f"the fields are {', '.join(FIELDS)}"
            raise _WrongEntry(_wrong(field, value, f"there is no such field; {hint}"))
    if "expected" in entry and "expected_docs" in entry:
        raise _WrongEntry(_wrong("expected", entry["expected"], "it means the same as expected_docs; keep one"))


def _query(entry: Mapping[str, _Value]) -> str:
    query = entry.get("query")
    if not isinstance(query, str) or not query.strip():
        raise _WrongEntry(_wrong("query", query, "give the words of a question"))
    if len(query) > MAX_QUERY:
        raise _WrongEntry(_wrong("query", query, f"give at most {MAX_QUERY:,} characters"))
    return query.strip()


def _texts(entry: Mapping[str, _Value], field: str) -> list[str]:
    """One text, a list of texts, or nothing."""
    value = entry.get(field)
    values = [] if value is None else value if isinstance(value, list) else [value]
    if len(values) > MAX_EXPECTED:
        raise _WrongEntry(_wrong(field, value, f"give at most {MAX_EXPECTED}"))
    texts: list[str] = []
    for each in values:
        if not isinstance(each, str) or not each.strip():
            raise _WrongEntry(_wrong(field, each, "give a path, or a list of paths"))
        texts.append(each.strip())
    return texts


def _is_answerable(entry: Mapping[str, _Value]) -> bool:
    value = entry.get("answerable", "true")
    known = _BOOLEANS.get(value.casefold()) if isinstance(value, str) else None
    if known is None:
        raise _WrongEntry(_wrong("answerable", value, "give true or false"))
    return known


def _resolved(query: str, wanted: Sequence[tuple[str, str]], resolve: Resolve) -> Question:
    """The question with what its citations mean; documents follow from the sections where none is named."""
    told: list[str] = []
    documents: list[Section] = []
    sections: list[Section] = []
    for field, citation in wanted:
        if field == _SECTIONS and not citation.partition("#")[2]:
            told.append(_wrong(field, citation, "it names no section; write path#anchor"))
            continue
        try:
            (sections if field == _SECTIONS else documents).append(_found(citation, resolve))
        except KnowledgeBaseError as error:
            told.append(_wrong(field, citation, str(error)))
    if told:
        raise _WrongEntry(*told)
    paths = {section.path for section in documents or sections}
    return Question(query, frozenset(paths), frozenset(section.citation for section in sections))


def _found(citation: str, resolve: Resolve) -> Section:
    """What a citation means, also where it begins further up than the corpus does, such as docs/ before its folder."""
    path, mark, anchor = citation.removeprefix("./").partition("#")
    parts = [part for part in path.split("/") if part]
    try:
        return resolve(f"{'/'.join(parts)}{mark}{anchor}")
    except DocumentNotFound:
        for start in range(1, len(parts)):
            below = "/".join(parts[start:])
            with suppress(DocumentNotFound):
                if resolve(below).path.casefold() in {below.casefold(), f"{below}.md".casefold()}:
                    return resolve(f"{below}{mark}{anchor}")
        raise


def _document(text: str, file: str) -> _Value:
    """The one document of a YAML text; all scalars but null are text, so that nothing is guessed."""
    if len(text) > MAX_TEXT:
        raise InvalidQuestions(file, [f"it has more than {MAX_TEXT:,} characters; split it"])
    try:
        events = (event for event in yaml.parse(text, Loader=_LOADER) if isinstance(event, _TOLD))
        document = _value(next(events, None), events, file, 0)
        if next(events, None) is not None:
            raise InvalidQuestions(file, ["it holds several documents (---); keep one"])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise InvalidQuestions(file, [f"{place}no YAML: {error.problem or error.context}"]) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise InvalidQuestions(file, [f"no YAML: {str(error).splitlines()[0]}"]) from None
    return document


_TOLD = (yaml.NodeEvent, yaml.CollectionEndEvent)


def _value(event: yaml.Event | None, events: Iterator[yaml.Event], file: str, depth: int) -> _Value:
    if event is None:
        return None
    line = _line(event)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise InvalidQuestions(file, [f"line {line}: anchors (&) and aliases (*) are not read; write the value itself"])
    if isinstance(event, yaml.ScalarEvent):
        return None if event.implicit[0] and event.value in _NOTHING else str(event.value)
    if depth == _MAX_DEPTH:
        raise InvalidQuestions(file, [f"line {line}: nested deeper than {_MAX_DEPTH} levels; write it flatter"])
    if isinstance(event, yaml.SequenceStartEvent):
        return [_value(each, events, file, depth + 1) for each in _until_end(events)]
    entry = _Entry(line)
    for key in _until_end(events):
        name = _value(key, events, file, depth + 1)
        if not isinstance(name, str) or name in entry:
            wrong = (
                f"key {quoted(name)} stands twice; keep one" if isinstance(name, str) else "a key must be plain text"
            )
            raise InvalidQuestions(file, [f"line {_line(key)}: {wrong}"])
        entry[name] = _value(next(events), events, file, depth + 1)
    return entry


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _until_end(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield event
