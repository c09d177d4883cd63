"""How does a markdown file become a document with anchored sections that can be cited, read and searched?

The sections of a document tile it: each line belongs to exactly one section's own text, and a section's whole text is
its own text followed by its sub-sections.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

MIN_CHUNK = 200
"""Characters below which a section's own text is merged into a neighbour: too little to be found or useful alone."""

MAX_CHUNK = 6000
"""Characters above which a section's own text is split at blank lines outside code fences."""

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)$")
_FENCE_END = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*$")
_METADATA = re.compile(
    r"\*\*(Version|Status|Category|Last Updated)(?::\*\*|\*\*:)\s*([^|\n]*?)\s*(?=\||\*\*|$)",
    re.IGNORECASE | re.MULTILINE,
)
_METADATA_LINES = 30
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_TAG = re.compile(r"<[^>\s][^>]*>")
_EMPHASIS = re.compile(r"(?<!\w)_{1,3}(\S(?:.*?\S)?)_{1,3}(?!\w)")
_CODE_SPAN = re.compile(r"(`+[^`]+`+)")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


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
        return self.text(group[0].start_line, group[-1].end_line)

    def _split(self, section: Section) -> Iterator[Part]:
        whole = Part(section, section.start_line, section.own_end)
        size = len(self._text_of([whole]))
        if size <= MAX_CHUNK:
            yield whole
            return
        target = size / -(-size // MAX_CHUNK)
        start = section.start_line
        for end, following in pairwise(self._paragraph_ends(section)):
            if len(self.text(start, end)) >= target or len(self.text(start, following)) > MAX_CHUNK:
                yield Part(section, start, end)
                start = end + 1
        yield Part(section, start, section.own_end)

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
            if not merged or not self._joins(merged, group, groups[position + 1 :]):
                merged.append(group)
            else:
                merged[-1] = merged[-1] + group
        return merged

    def _joins(self, merged: list[list[Part]], group: list[Part], following: list[list[Part]]) -> bool:
        before = merged[-1]
        if len(self._text_of(before + group)) > MAX_CHUNK:
            return False
        if len(self._text_of(before)) < MIN_CHUNK:
            return True
        introduces = bool(following) and following[0][0].section.level > group[0].section.level
        return len(self._text_of(group)) < MIN_CHUNK and not introduces


def parse_document(path: str, text: str) -> Document:
    """Read one markdown file; `path` is relative to the corpus, with forward slashes."""
    lines = tuple(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    if len(lines) > 1 and not lines[-1]:
        lines = lines[:-1]
    headings, fences = _scan(lines)
    title = next((title for _, level, title in headings if level == 1), "") or path.rsplit("/", 1)[-1].removesuffix(
        ".md"
    )
    metadata = _metadata(lines, headings)
    return Document(
        path=path,
        lines=lines,
        title=title,
        version=metadata.get("version", ""),
        status=metadata.get("status", ""),
        category=metadata.get("category", path.split("/", 1)[0] if "/" in path else ""),
        last_updated=metadata.get("last updated", ""),
        sections=tuple(_sections(path, title, headings, len(lines))),
        fences=tuple(fences),
    )


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading, before repeats are numbered; "section" when nothing would be left."""
    text = plain(heading).lower()
    return _NOT_IN_SLUG.sub("", text).replace(" ", "-") or "section"


def plain(heading: str) -> str:
    """A heading's text as a reader sees it: without links, tags, emphasis and backticks."""
    pieces = _CODE_SPAN.split(heading)
    return "".join(piece.strip("`") if index % 2 else _undecorated(piece) for index, piece in enumerate(pieces)).strip()


def _undecorated(text: str) -> str:
    return _EMPHASIS.sub(r"\1", _TAG.sub("", _LINK.sub(r"\1", text))).replace("*", "")


def _scan(lines: tuple[str, ...]) -> tuple[list[tuple[int, int, str]], list[Fence]]:
    """Headings as (line, level, title), and fences; an unclosed fence reaches to the end, as in CommonMark."""
    headings: list[tuple[int, int, str]] = []
    fences: list[Fence] = []
    opening: tuple[str, str, str, int] | None = None
    for number, line in enumerate(lines, 1):
        if opening is None:
            if found := _FENCE.match(line):
                opening = (found[1], found[2], found[3].strip(), number)
            elif (found := _HEADING.match(line)) and (title := plain(found[2] or "")):
                headings.append((number, len(found[1]), title))
        elif _closes(line, opening[1]):
            fences.append(_fence(lines, opening, number))
            opening = None
    if opening is not None:
        fences.append(_fence(lines, opening, len(lines) + 1))
    return headings, fences


def _closes(line: str, mark: str) -> bool:
    found = _FENCE_END.match(line)
    return found is not None and found[1].startswith(mark)


def _fence(lines: tuple[str, ...], opening: tuple[str, str, str, int], closing: int) -> Fence:
    indent, _, info, line = opening
    content = (text.removeprefix(indent) for text in lines[line : closing - 1])
    return Fence(info, line, "".join(f"{text}\n" for text in content))


def _metadata(lines: tuple[str, ...], headings: list[tuple[int, int, str]]) -> dict[str, str]:
    end = next((number for number, level, _ in headings if level > 1), len(lines) + 1)
    head = "\n".join(lines[: min(end - 1, _METADATA_LINES)])
    return {name.lower(): value for name, value in reversed(_METADATA.findall(head))}


def _sections(path: str, title: str, headings: list[tuple[int, int, str]], last: int) -> Iterator[Section]:
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


def _subtree_ends(headings: list[tuple[int, int, str]], last: int) -> list[tuple[int, int]]:
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
    base = slug(heading)
    anchor = base
    while anchor in taken:
        taken[base] += 1
        anchor = f"{base}-{taken[base]}"
    taken[anchor] = 0
    return anchor
