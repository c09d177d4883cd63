"""How do tests read the documents? Sections, tables with their header, programs and pictures, each with its line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from knowledge_base import PACKAGED_CORPUS
from knowledge_base.documents import Corpus
from knowledge_base.sections import Document, Fence, Section, parse_document

_CELL_ENDS = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"\|(\s*:?-+:?\s*\|)+\s*")
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Row:
    """A row of a table: its line in the document, and its cells by the header above them."""

    line: int
    cells: tuple[str, ...]
    header: tuple[str, ...]

    def __getitem__(self, column: str) -> str:
        return self.cells[self.header.index(column)]

    @property
    def first(self) -> str:
        return self.cells[0]


@dataclass(frozen=True)
class Table:
    """A table of a section; without rows where the section or the table is missing."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> list[str]:
        return [row[name] for row in self.rows] if name in self.header else []


@dataclass(frozen=True)
class Place:
    """Where a table stands: its section; where that has several, the first word of its header, and which of those."""

    path: str
    anchor: str
    begins: str = ""
    number: int = 0


class Pages:
    """The documents of a corpus, and copies of them with something changed."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self.documents = dict(documents)

    @classmethod
    def of(cls, folder: Path) -> "Pages":
        return cls(Corpus(folder).documents)

    def changed(self, path: str, text: str) -> "Pages":
        """The same pages, one of them with another text."""
        return Pages({**self.documents, path: parse_document(path, text)})

    def without_line(self, path: str, line: int) -> "Pages":
        lines = self.documents[path].lines
        return self.changed(path, "\n".join([*lines[: line - 1], *lines[line:]]) + "\n")

    def replaced(self, path: str, old: str, new: str) -> "Pages":
        text = self.text(path)
        assert old in text, f"{path} does not say {old}"
        return self.changed(path, text.replace(old, new))

    def text(self, path: str) -> str:
        return "\n".join(self.documents[path].lines) + "\n"

    def section(self, path: str, anchor: str) -> Section | None:
        document = self.documents.get(path)
        return document.by_anchor.get(anchor) if document else None

    def own_text(self, path: str, anchor: str) -> str:
        section = self.section(path, anchor)
        return self.documents[path].text(section.start_line, section.own_end) if section else ""

    def tables(self, path: str, anchor: str, *, own: bool = True) -> list[Table]:
        """The tables of a section, without those of the sections in it unless they are asked for."""
        section = self.section(path, anchor)
        if section is None:
            return []
        end = section.own_end if own else section.end_line
        return list(_tables(self.documents[path], section.start_line, end))

    def table(self, place: Place) -> Table:
        """The table that a place means; an empty one where it is missing."""
        found = [table for table in self.tables(place.path, place.anchor) if begins(table, place.begins)]
        return found[place.number] if len(found) > place.number else Table((), ())

    def fences(self, path: str, info: str) -> list[Fence]:
        document = self.documents.get(path)
        return [fence for fence in document.fences if fence.info == info] if document else []

    def fences_of(self, path: str, anchor: str, info: str) -> list[Fence]:
        """The blocks of one section alone."""
        section = self.section(path, anchor)
        if section is None:
            return []
        return [fence for fence in self.fences(path, info) if section.start_line <= fence.line <= section.own_end]

    def leads(self, path: str, target: str) -> bool:
        """Does a link on this page lead to a page and a section that exist?"""
        if re.match(r"https?://", target):
            return True
        name, _, anchor = target.partition("#")
        document = self.documents.get(beside(path, name) if name else path)
        return document is not None and (not anchor or anchor in document.by_anchor)


def begins(table: Table, word: str) -> bool:
    return not word or table.header[0] == word


def beside(path: str, name: str) -> str:
    """The path that a relative one means on a page."""
    parts = path.split("/")[:-1]
    for part in name.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _tables(document: Document, start: int, end: int) -> Iterator[Table]:
    fenced = {n for fence in document.fences for n in range(fence.line, fence.line + fence.text.count("\n") + 2)}
    number = start
    while number < end:
        if number not in fenced and _RULE.fullmatch(document.lines[number]):
            header = cells(document.lines[number - 1])
            rows = []
            number += 2
            while number <= end and document.lines[number - 1].startswith("|"):
                rows.append(Row(number, cells(document.lines[number - 1]), header))
                number += 1
            yield Table(header, tuple(rows))
        else:
            number += 1


def cells(line: str) -> tuple[str, ...]:
    """The cells of a line of a table; `\\|` is a bar that ends none."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    return tuple(cell.replace(r"\|", "|").strip() for cell in _CELL_ENDS.split(inner))


def codes(cell: str) -> list[str]:
    """What a cell says in code spans."""
    return _CODE.findall(cell)


def words(cell: str) -> list[str]:
    """The items of a cell that lists them with commas."""
    return [item.strip().strip("`") for item in cell.split(",") if item.strip()]


def links(cell: str) -> list[tuple[str, str]]:
    """The links of a cell: words and target."""
    return _LINK.findall(cell)


class _Packaged:
    @cached_property
    def pages(self) -> Pages:
        return Pages.of(PACKAGED_CORPUS)


PACKAGED = _Packaged()
"""The documents that we ship, read once."""
