"""Which other words does a corpus have for those of a question? Its glossary says so.

A glossary is any document named `glossary.md`, in any corpus: tables whose columns are Term, Also called (names
separated by commas) and Meaning. People ask with the words of their desk, documents answer with those of their authors.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from knowledge_base.sections import Document, plain

MAX_ADDED = 12
"""Names that are added to one question; more would drown its own words."""

_LONGEST_CELL = 300
"""Characters of a cell that are looked at: more than any name has."""

_HEAD = ("term", "also called", "meaning")
_CELL_END = re.compile(r"(?<!\\)\|")
_WORD = re.compile(r"\w+")
_ENDINGS = ("ing", "ed", "es", "s")
_LEAST_ROOT = 2


class Entry(NamedTuple):
    """A row of a glossary: names of one thing, the term first."""

    names: tuple[str, ...]
    line: int


class Glossary:
    """The names that mean the same in a corpus."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._by_root: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        for document in documents:
            if is_glossary(document.path):
                for entry in entries_of(document):
                    self._add(entry)

    def _add(self, entry: Entry) -> None:
        for name in entry.names:
            roots = _roots(name)
            others = tuple(other for other in entry.names if other != name)
            if roots and others:
                self._by_root.setdefault(roots[0], []).append((roots, others))

    def other_names(self, query: str) -> list[str]:
        """What the things in a question are called as well, at most twelve names, in the order of its words."""
        asked = _roots(query)
        added: dict[str, None] = {}
        for start, root in enumerate(asked):
            for roots, others in self._by_root.get(root, ()):
                if asked[start : start + len(roots)] == roots:
                    added.update(dict.fromkeys(others))
        return [name for name in added if not _contains(asked, _roots(name))][:MAX_ADDED]


def is_glossary(path: str) -> bool:
    """Is a document the glossary of its corpus?"""
    return PurePosixPath(path).stem.casefold() == "glossary"


def entries_of(document: Document) -> Iterator[Entry]:
    """The rows of its tables of terms."""
    inside = False
    for number, line in enumerate(document.lines, 1):
        cells = _cells(line)
        if tuple(cell.casefold() for cell in cells) == _HEAD:
            inside = True
        elif len(cells) != len(_HEAD):
            inside = False
        elif inside and _WORD.search(cells[0]):
            names = (cells[0], *cells[1].split(","))
            yield Entry(tuple(dict.fromkeys(name for name in map(str.strip, names) if _WORD.search(name))), number)


def _cells(line: str) -> list[str]:
    stripped = line.strip()
    if not stripped.startswith("|"):
        return []
    return [plain(cell.strip()[:_LONGEST_CELL]) for cell in _CELL_END.split(stripped.strip("|"))]


def _roots(text: str) -> tuple[str, ...]:
    return tuple(_root(word) for word in _WORD.findall(text.lower()))


def _root(word: str) -> str:
    """The word without what English adds to a noun or a verb; only compared with other such roots."""
    ending = next((ending for ending in _ENDINGS if word.endswith(ending) and len(word) > len(ending) + 2), "")
    root = word.removesuffix(ending).removesuffix("e")
    return root[:-1] if len(root) > _LEAST_ROOT and root[-2] == root[-1] else root


def _contains(asked: tuple[str, ...], roots: tuple[str, ...]) -> bool:
    return any(asked[start : start + len(roots)] == roots for start in range(len(asked)))
