"""How does a markdown file become a document with anchored sections that can be cited, read and searched?

The sections of a document tile it: each line belongs to exactly one section's own text, and a section's whole text is
its own text followed by its sub-sections.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

MIN_CHUNK = 200
"""Characters below which a section's own text is merged into a neighbour: too little to be found or useful alone."""

MAX_CHUNK = 6000
"""Characters above which a section's own text is split at blank lines outside code fences."""

MAX_TITLE = 1_000
"""Characters of a line that may be a heading; a longer one is text."""

MAX_LINE = 10_000
"""Characters of a line that retrieval sees: enough for any prose, and no more than needed of an image within a text."""

MAX_RUN = 24_000
"""Characters of a chunk above which it is cut between lines, where it has no blank one."""

_FIRST_LETTERS = frozenset("#`~=-< ")
_BLOCK_START = re.compile(r" {0,3}(?:#|`{3}|~{3}|<[h!pst]|(?:=+|-+)[ \t]*$)", re.IGNORECASE)
"""What a line begins with that may be more than text; most lines are, and are passed over."""

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_NO_PARAGRAPH = re.compile(r" {4}|\t| {0,3}(?:[-*+>|<]|\d{1,9}[.)](?:\s|$)|(?:\*[ \t]*){3,}$)")
"""How a line begins that no heading can stand in: code, a list, a quotation, a table or HTML."""

_HTML_HEADING = re.compile(r" {0,3}<h([1-6])\b[^>]*>(.*?)</h\1>[ \t]*$", re.IGNORECASE)
_HTML_TEXT = re.compile(r" {0,3}<(?:(!--)|(pre|script|style|textarea)(?=[\s>]|$))", re.IGNORECASE)
"""The start of HTML in which nothing is markdown before it ends."""

_FRONT_MATTER = re.compile(r"(?:[A-Za-z_][\w -]*:(?:[ \t].*)?|[ \t-].*|#.*|\]|\})?$")
_STATED = re.compile(r"([A-Za-z_][\w -]*):[ \t]+(.+)$")
_FRONT_MATTER_LINES = 200
_VALUE_END = re.compile(r"[ \t]#")
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)$")
_FENCE_END = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*$")
_METADATA = re.compile(
    r"\*\*(Version|Status|Category|Last Updated)(?::\*\*|\*\*:)\s*([^|\n]*?)\s*(?=\||\*\*|$)",
    re.IGNORECASE | re.MULTILINE,
)
_METADATA_LINES = 30
_TITLE_LINES = 8
"""Lines of a paragraph that may be underlined as a heading."""

_SAME_AS = {"updated": "last updated", "date": "last updated", "lastmod": "last updated", "lastupdated": "last updated"}
"""Names that front matter uses for what we call otherwise."""

_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_TAG = re.compile(r"<[^>\s][^>]*>")
_EMPHASIS = re.compile(r"(?<!\w)_{1,3}(\S(?:.*?\S)?)_{1,3}(?!\w)")
_CODE_SPAN = re.compile(r"(`+[^`]+`+)")
_DECORATED = re.compile(r"[`\[<_*]")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


_Heading = tuple[int, int, str]
"""First line, level and title."""


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of a document with its lines; text before the first heading has level 0 and no anchor."""

    path: str
    anchor: str
    title: str
    level: int
    breadcrumb: tuple[str, ...]
    """Titles from the document's down to this section's own."""
    start_line: int
    """1-based line of the heading."""
    own_end: int
    """Last line before the next heading of any level."""
    end_line: int
    """Last line of its last sub-section."""

    @property
    def citation(self) -> str:
        """`path#anchor`, or the path alone for the text before the first heading."""
        return f"{self.path}#{self.anchor}" if self.anchor else self.path


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of one section inside one chunk."""

    section: Section
    start_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What retrieval finds: one section's own text, several small sections together, or a piece of a long one."""

    path: str
    parts: tuple[Part, ...]
    text: str

    @property
    def main(self) -> Part:
        """The part with the most lines: what the chunk is about."""
        return max(self.parts, key=lambda part: part.end_line - part.start_line)

    @property
    def flag(self) -> str:
        """Empty, or `short` or `long` when no merge or split could bring the text to 200-6000 characters."""
        return "short" if len(self.text) < MIN_CHUNK else "long" if len(self.text) > MAX_CHUNK else ""


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced code block: info string, line of the opening fence, and content without the fence's indent."""

    info: str
    line: int
    text: str

    @property
    def is_scenario(self) -> bool:
        """Is it marked as a scenario?"""
        return self.info.split()[:1] == ["scenario"]

    def stated(self, field: str) -> str:
        """The value of the first line such as `id: N1`, without quotes and comment; empty where there is none."""
        line = next((line for line in self.text.splitlines() if line.startswith(f"{field}:")), "")
        value = line.removeprefix(f"{field}:").strip()
        if value[:1] in {"'", '"'} and (end := value.find(value[0], 1)) > 0:
            return value[1:end]
        return _VALUE_END.split(value, maxsplit=1)[0].rstrip()


@dataclass(frozen=True)
class Document:
    """One markdown file of the corpus, parsed."""

    path: str
    lines: tuple[str, ...]
    title: str
    version: str
    status: str
    category: str
    last_updated: str
    sections: tuple[Section, ...]
    fences: tuple[Fence, ...]

    @cached_property
    def by_anchor(self) -> dict[str, Section]:
        """The sections by anchor."""
        return {section.anchor: section for section in self.sections}

    @property
    def root(self) -> Section:
        """The whole document as one section."""
        first = self.sections[0]
        return Section(self.path, "", self.title, 0, (self.title,), first.start_line, first.own_end, len(self.lines))

    def text(self, start_line: int, end_line: int) -> str:
        """The lines from start to end, both 1-based and included."""
        return "\n".join(self.lines[start_line - 1 : end_line])

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """The document as retrieval sees it; the chunks tile the document too."""
        groups: list[list[Part]] = []
        for section in self.sections:
            groups.extend([part] for part in self._split(section))
        merged = self._merge(groups)
        return tuple(Chunk(self.path, tuple(group), self._text_of(group)) for group in merged)

    def _text_of(self, group: list[Part]) -> str:
        return self.searchable(group[0].start_line, group[-1].end_line)

    def searchable(self, start_line: int, end_line: int) -> str:
        """The lines as retrieval sees them."""
        return "\n".join(self._cut_lines[start_line - 1 : end_line])

    @cached_property
    def _cut_lines(self) -> tuple[str, ...]:
        return self.lines if max(map(len, self.lines)) <= MAX_LINE else tuple(line[:MAX_LINE] for line in self.lines)

    def _size(self, start_line: int, end_line: int) -> int:
        """Characters of the lines as retrieval sees them."""
        return self._ends[end_line] - self._ends[start_line - 1] - 1

    @cached_property
    def _ends(self) -> list[int]:
        """Where each line ends in the whole text, line break included; first where none does."""
        return [0, *accumulate(len(line) + 1 for line in self._cut_lines)]

    def _size_of(self, group: list[Part]) -> int:
        return self._size(group[0].start_line, group[-1].end_line)

    def _split(self, section: Section) -> Iterator[Part]:
        whole = Part(section, section.start_line, section.own_end)
        size = self._size_of([whole])
        if size <= MAX_CHUNK:
            yield whole
            return
        target = size / -(-size // MAX_CHUNK)
        start = section.start_line
        for end, following in pairwise(self._paragraph_ends(section)):
            if self._size(start, end) >= target or self._size(start, following) > MAX_CHUNK:
                yield from self._runs(section, start, end)
                start = end + 1
        yield from self._runs(section, start, section.own_end)

    def _runs(self, section: Section, start: int, end: int) -> Iterator[Part]:
        """The lines as one part, or cut where they are very many without a blank one; a fence stays whole."""
        size = 0
        for number in range(start, end + 1):
            length = len(self._cut_lines[number - 1]) + 1
            if size and size + length > MAX_RUN and number - 1 not in self._fenced:
                yield Part(section, start, number - 1)
                start, size = number, 0
            size += length
        yield Part(section, start, end)

    def _paragraph_ends(self, section: Section) -> Iterator[int]:
        """Lines after which the section may be cut: the last of each run of blank lines outside fences, and its end."""
        for number in range(section.start_line, section.own_end):
            if not self.lines[number - 1].strip() and self.lines[number].strip() and number not in self._fenced:
                yield number
        yield section.own_end

    @cached_property
    def _fenced(self) -> frozenset[int]:
        return frozenset(n for fence in self.fences for n in range(fence.line, fence.line + fence.text.count("\n") + 1))

    def _merge(self, groups: list[list[Part]]) -> list[list[Part]]:
        """Join what is short: an introduction with its first sub-section, anything else with what precedes it."""
        merged: list[list[Part]] = []
        for position, group in enumerate(groups):
            if not merged or not self._joins(merged, group, groups[position + 1 : position + 2]):
                merged.append(group)
            else:
                merged[-1] = merged[-1] + group
        return merged

    def _joins(self, merged: list[list[Part]], group: list[Part], following: list[list[Part]]) -> bool:
        before = merged[-1]
        if self._size_of(before + group) > MAX_CHUNK:
            return False
        if self._size_of(before) < MIN_CHUNK:
            return True
        introduces = bool(following) and following[0][0].section.level > group[0].section.level
        return self._size_of(group) < MIN_CHUNK and not introduces


def parse_document(path: str, text: str, category: str | None = None) -> Document:
    """Read one markdown file.

    Args:
        path: relative to the corpus, with forward slashes.
        text: the markdown, with any line ends.
        category: what is true of a document that states none; the first folder of the path when None.
    """
    lines = tuple(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    if len(lines) > 1 and not lines[-1]:
        lines = lines[:-1]
    front = _front_matter_end(lines)
    headings, fences = _scan(lines, front)
    stated = _metadata(lines, headings) | _front_matter(lines[:front])
    own_title = next((title for _, level, title in headings if level == 1), "")
    title = own_title or stated.get("title", "") or _name(path)
    folder = path.split("/", 1)[0] if "/" in path else ""
    return Document(
        path=path,
        lines=lines,
        title=title,
        version=stated.get("version", ""),
        status=stated.get("status", ""),
        category=stated.get("category", "") or (folder if category is None else category),
        last_updated=stated.get("last updated", ""),
        sections=tuple(_sections(path, title, headings, len(lines))),
        fences=tuple(fences),
    )


def _name(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[0] or name


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading, before repeats are numbered; "section" when nothing would be left."""
    return _slug_of(plain(heading))


def _slug_of(title: str) -> str:
    """The anchor of a heading's text as a reader sees it."""
    return _NOT_IN_SLUG.sub("", title.lower()).replace(" ", "-") or "section"


def plain(heading: str) -> str:
    """A heading's text as a reader sees it: without links, tags, emphasis and backticks."""
    if not _DECORATED.search(heading):
        return heading.strip()
    pieces = _CODE_SPAN.split(heading)
    return "".join(piece.strip("`") if index % 2 else _undecorated(piece) for index, piece in enumerate(pieces)).strip()


def _undecorated(text: str) -> str:
    return _EMPHASIS.sub(r"\1", _TAG.sub("", _LINK.sub(r"\1", text))).replace("*", "")


def _scan(lines: tuple[str, ...], front: int) -> tuple[list[_Heading], list[Fence]]:
    """Headings and fences behind the front matter; what is unclosed reaches to the end, as in CommonMark."""
    headings: list[_Heading] = []
    fences: list[Fence] = []
    opening: tuple[str, str, str, int] | None = None
    html_end = ""
    block_end = front
    for number, line in enumerate(lines[front:], front + 1):
        if opening is not None:
            if opening[1] in line and _closes(line, opening[1]):
                fences.append(_fence(lines, opening, number))
                opening, block_end = None, number
        elif html_end:
            html_end, block_end = ("" if html_end in line.lower() else html_end), number
        elif line[:1] not in _FIRST_LETTERS or not _BLOCK_START.match(line):
            continue
        elif found := _FENCE.match(line):
            opening = (found[1], found[2], found[3].strip(), number)
        elif heading := _heading(lines, number, block_end):
            headings.append(heading)
            block_end = number
        elif found := _HTML_TEXT.match(line):
            html_end, block_end = _html_end(line, found), number
    if opening is not None:
        fences.append(_fence(lines, opening, len(lines) + 1))
    return headings, fences


def _heading(lines: tuple[str, ...], number: int, block_end: int) -> _Heading | None:
    """The heading that ends in a line: one with #, one in HTML, or a paragraph that the line underlines."""
    line = lines[number - 1]
    if not line or len(line) > MAX_TITLE:
        return None
    start = number
    if found := _HEADING.match(line):
        level, text = len(found[1]), found[2] or ""
    elif found := _HTML_HEADING.match(line):
        level, text = int(found[1]), found[2]
    elif (found := _UNDERLINE.match(line)) and (start := _paragraph_start(lines, number, block_end)) < number:
        level, text = (1 if found[1][0] == "=" else 2), " ".join(map(str.strip, lines[start - 1 : number - 1]))
    else:
        return None
    title = plain(text)
    return (start, level, title) if title and len(text) <= MAX_TITLE else None


def _paragraph_start(lines: tuple[str, ...], number: int, block_end: int) -> int:
    """The first line of the paragraph that ends above a line; the line itself when none does."""
    start = number
    while start - 1 > block_end and lines[start - 2].strip() and number - start < _TITLE_LINES:
        start -= 1
    goes_on = start - 1 > block_end and lines[start - 2].strip() != ""
    return number if goes_on or any(map(_NO_PARAGRAPH.match, lines[start - 1 : number - 1])) else start


def _html_end(line: str, start: re.Match[str]) -> str:
    """What ends HTML that begins in a line; empty when it ends there too."""
    end = "-->" if start[1] else f"</{start[2].lower()}>"
    return "" if end in line[start.end() :].lower() else end


def _closes(line: str, mark: str) -> bool:
    found = _FENCE_END.match(line)
    return found is not None and found[1].startswith(mark)


def _fence(lines: tuple[str, ...], opening: tuple[str, str, str, int], closing: int) -> Fence:
    indent, _, info, line = opening
    content = (text.removeprefix(indent) for text in lines[line : closing - 1])
    return Fence(info, line, "".join(f"{text}\n" for text in content))


def _metadata(lines: tuple[str, ...], headings: list[_Heading]) -> dict[str, str]:
    end = next((number for number, level, _ in headings if level > 1), len(lines) + 1)
    head = "\n".join(line[:MAX_TITLE] for line in lines[: min(end - 1, _METADATA_LINES)])
    return {name.lower(): value for name, value in reversed(_METADATA.findall(head))}


def _front_matter_end(lines: tuple[str, ...]) -> int:
    """The last line of the YAML with which the document begins; 0 when it begins otherwise."""
    if lines[0].rstrip() != "---":
        return 0
    for number, line in enumerate(lines[1:_FRONT_MATTER_LINES], 2):
        if line.rstrip() in {"---", "..."}:
            return number
        if not _FRONT_MATTER.match(line):
            return 0
    return 0


def _front_matter(lines: tuple[str, ...]) -> dict[str, str]:
    """What front matter states in one line; the first value of a list, without quotation marks."""
    stated: dict[str, str] = {}
    for line in lines:
        if found := _STATED.match(line[:MAX_TITLE]):
            name = found[1].strip().lower().replace("_", " ").replace("-", " ")
            value = found[2].strip().removeprefix("[").removesuffix("]").split(", ")[0].strip().strip("\"'")
            stated.setdefault(_SAME_AS.get(name, name), value)
    return {name: value for name, value in stated.items() if value}


def _sections(path: str, title: str, headings: list[_Heading], last: int) -> Iterator[Section]:
    """Sections in order of their lines; anchors are numbered as github-slugger does, so that none repeats."""
    if not headings or headings[0][0] > 1:
        own_end = headings[0][0] - 1 if headings else last
        yield Section(path, "", title, 0, (title,), 1, own_end, own_end)
    ends = _subtree_ends(headings, last)
    taken: dict[str, int] = {}
    trail: list[tuple[int, str]] = [] if headings and headings[0][1] == 1 else [(0, title)]
    for (line, level, heading), (own_end, end) in zip(headings, ends, strict=True):
        while trail and trail[-1][0] >= level:
            trail.pop()
        trail.append((level, heading))
        yield Section(path, _unique(heading, taken), heading, level, tuple(t for _, t in trail), line, own_end, end)


def _subtree_ends(headings: list[_Heading], last: int) -> list[tuple[int, int]]:
    """For each heading the last line of its own text and of its last sub-section."""
    ends: list[tuple[int, int]] = []
    following: list[tuple[int, int]] = []
    own_end = last
    for line, level, _ in reversed(headings):
        while following and following[-1][1] > level:
            following.pop()
        ends.append((own_end, following[-1][0] - 1 if following else last))
        following.append((line, level))
        own_end = line - 1
    return ends[::-1]


def _unique(heading: str, taken: dict[str, int]) -> str:
    base = _slug_of(heading)
    anchor = base
    while anchor in taken:
        taken[base] += 1
        anchor = f"{base}-{taken[base]}"
    taken[anchor] = 0
    return anchor
