"""Where do documents come from? From folders of markdown, and from programs that write them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from knowledge_base.errors import CorpusNotFound, InvalidCorpus

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of a file that is read; a larger one is no document that people read, and is named among what was left out."""

MAX_DOCUMENTS = 20_000
"""Documents of a corpus."""

ENDINGS = (".md", ".markdown")
"""What the names of markdown files end with, in any case."""

_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True, slots=True)
class Generated:
    """Documents that a program writes: read, cited and searched like those of a folder.

    Attributes:
        name: what their paths begin with, such as spec for `spec/commands.md`.
        documents: markdown by path below the name.
    """

    name: str
    documents: Mapping[str, str]


Source = Path | Generated
"""A folder of markdown, or documents that a program writes."""

Stamp = tuple[int, int, int, int]
"""What changes when a file does: moments of the last change of content and of the entry, size and number."""


class Found(NamedTuple):
    """A markdown file where a walk met it."""

    path: str
    file: Path
    stamp: Stamp

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.stamp[2]


class Signature(NamedTuple):
    """What can be seen of the files of a corpus without reading them; two alike mean that nothing changed."""

    files: tuple[tuple[Path, Stamp], ...]

    @property
    def newest(self) -> int:
        """When the last change was seen, in nanoseconds of the epoch."""
        return max((max(stamp[:2]) for _, stamp in self.files), default=0)


def checked(sources: Sequence[Source]) -> tuple[Source, ...]:
    """The sources, folders as absolute paths.

    Raises:
        InvalidCorpus: a folder is given twice, or generated documents have a name or a path that cannot be one.
    """
    whole = tuple(source if isinstance(source, Generated) else source.expanduser().resolve() for source in sources)
    for one, other in combinations(whole, 2):
        if one == other or (isinstance(one, Generated) and isinstance(other, Generated) and one.name == other.name):
            raise InvalidCorpus("corpus", name_of(other), "it is given twice; give each source once")
    for source in whole:
        if isinstance(source, Generated):
            for path in (source.name, *source.documents):
                _require_relative(path)
    return whole


def name_of(source: Source) -> str:
    """What people call a source: its folder as given, or the name of what a program writes."""
    return source.name if isinstance(source, Generated) else str(source)


def walk(sources: Sequence[Source]) -> dict[Path, list[Found]]:
    """The markdown files of each folder, in order of their paths.

    A folder inside another one keeps its files for itself; symbolic links that lead out of their folder are left aside,
    as are hidden files and folders.

    Raises:
        CorpusNotFound: a source is no folder, or a folder cannot be read.
        InvalidCorpus: there are more documents than a corpus may hold.
    """
    roots = [source for source in sources if isinstance(source, Path)]
    for root in roots:
        if not root.is_dir():
            raise CorpusNotFound(f"{root} is not a folder; give a folder of markdown")
    others = frozenset(map(str, roots))
    try:
        found = {root: sorted(_below(root, str(root), others)) for root in roots}
    except OSError as problem:
        raise CorpusNotFound(f"{problem.filename} cannot be read: {problem.strerror}") from problem
    total = sum(map(len, found.values()))
    if total > MAX_DOCUMENTS:
        raise InvalidCorpus("corpus", os.pathsep.join(map(str, roots)), _too_many(total))
    return found


def signature(found: Mapping[Path, Sequence[Found]]) -> Signature:
    """What a walk saw of the files."""
    return Signature(tuple((each.file, each.stamp) for files in found.values() for each in files))


def decoded(content: bytes) -> str:
    """The text of a file: in UTF-8, in what a mark at its start says, or else in Latin-1 as Windows writes it."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        repaired = content.decode("utf-8", errors="replace")
    if any(letter > "\x7f" and letter != "\N{REPLACEMENT CHARACTER}" for letter in repaired):
        return repaired  # it is UTF-8 for the most part, and damaged
    return content.decode("cp1252", errors="replace")


def _below(root: Path, folder: str, others: AbstractSet[str]) -> Iterator[Found]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.path not in others:
                    yield from _below(root, entry.path, others)
            elif entry.name.lower().endswith(ENDINGS) and entry.is_file() and _inside(root, entry):
                seen = entry.stat()
                stamp = (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino)
                yield Found(entry.path[len(str(root)) :].lstrip("/"), Path(entry.path), stamp)


def _inside(root: Path, entry: "os.DirEntry[str]") -> bool:
    return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(root)


def _too_many(total: int) -> str:
    return f"it holds {total:,} markdown files, and {MAX_DOCUMENTS:,} are the most; give the folders that matter"


def _require_relative(path: str) -> None:
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or ":" in path or any(part in {"", ".", ".."} for part in parts):
        raise InvalidCorpus("path", path, "generated documents need relative paths, such as commands.md")
