"""Which documents does a corpus hold, and which of them does a name mean?

A name is only ever looked up among the documents that were found in the sources when they were read; no caller's text
becomes a path of the file system.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from knowledge_base.errors import CorpusNotFound, DocumentNotFound, InvalidPath, SectionNotFound
from knowledge_base.sections import Chunk, Document, Section, parse_document
from knowledge_base.sources import (
    ENDINGS,
    MAX_BYTES,
    Found,
    Generated,
    Source,
    checked,
    decoded,
    name_of,
    signature,
    walk,
)

MAX_NAME = 512
"""Characters a path or an anchor may have."""

_SHOWN = 3
"""Files of which an error says why they were left out."""

_PATH_RULE = "give a document's path below the corpus, such as concepts/order-lifecycle.md, without .. or a leading /"


class Corpus:
    """The markdown of all sources, read once.

    A document's path is relative to its source; that of a generated one begins with the name of its source. Where
    several sources have the same path the first keeps it, and those of the others begin with the name of their folder
    too, such as `handbook/intro.md`; a second folder of that name is `handbook-2`.

    Args:
        sources: folders, and documents that a program writes.
        earlier: the same corpus as it was; what did not change since is taken from it.

    Attributes:
        documents: by path, in order of the sources and of their paths.
        digests: for each document a hash of its content.
        left_out: for each file that could not be taken, its path and why.
        hash: changes when any document does.
        signature: what was seen of the files before they were read.

    Raises:
        CorpusNotFound: a source is no folder that can be read, or none holds markdown.
        InvalidCorpus: the sources make no corpus together.
    """

    def __init__(self, *sources: Source, earlier: "Corpus | None" = None) -> None:
        self.sources = checked(sources)
        found = walk(self.sources)
        self.signature = signature(found)
        self.documents: dict[str, Document] = {}
        self.left_out: dict[str, str] = {}
        self.digests: dict[str, bytes] = {}
        for source, name in zip(self.sources, _names(self.sources), strict=True):
            self._take(source, name, found, earlier)
        if not self.documents:
            where = ", ".join(map(name_of, self.sources))
            raise CorpusNotFound(f"{where} holds no markdown files{self._why()}")
        parts = (part for path, digest in self.digests.items() for part in (path.encode(), digest))
        self.hash = _digest(*parts).hex()[:16]

    def _take(self, source: Source, name: str, found: Mapping[Path, Sequence[Found]], earlier: "Corpus | None") -> None:
        if isinstance(source, Generated):
            for path, text in source.documents.items():
                self._add(name, f"{source.name}/{path}", text.encode(), earlier)
            return
        for each in found[source]:
            try:
                content = _content(each)
            except _LeftOut as problem:
                self.left_out[self._free(name, each.path)] = str(problem)
            else:
                self._add(name, each.path, content, earlier)

    def _add(self, name: str, path: str, content: bytes, earlier: "Corpus | None") -> None:
        category = path.split("/", 1)[0] if "/" in path else name
        path = self._free(name, path)
        digest = self.digests[path] = _digest(category.encode(), content)
        if earlier is not None and earlier.digests.get(path) == digest:
            self.documents[path] = earlier.documents[path]
        else:
            self.documents[path] = parse_document(path, decoded(content), category)

    def _free(self, name: str, path: str) -> str:
        """The path, or where another source has it already the path below the name of its own."""
        while path in self.documents or path in self.left_out:
            path = f"{name}/{path}"
        return path

    def _why(self) -> str:
        return "".join(f"; {path}: {reason}" for path, reason in [*self.left_out.items()][:_SHOWN])

    @cached_property
    def chunks(self) -> list[tuple[Document, Chunk]]:
        """What retrieval finds, each with its document; words and passages name them by position."""
        return [(document, chunk) for document in self.documents.values() for chunk in document.chunks]

    def find(self, path: str) -> Document:
        """The document that a path means; without its ending, and without folders too when one document alone ends so.

        Raises:
            InvalidPath: the path is no path below the corpus, or several documents end so.
            DocumentNotFound: no document ends so.
        """
        _require_name("path", path)
        if document := self.documents.get(path):
            return document
        if path.startswith(("/", "~", "\\")) or ":" in path or ".." in path.replace("\\", "/").split("/"):
            raise InvalidPath("path", path, _PATH_RULE)
        wanted = _stem(path)
        ending = [name for name in self.documents if f"/{_stem(name)}".endswith(f"/{wanted}")]
        exact = [name for name in ending if _stem(name) == wanted]
        candidates = exact if len(exact) == 1 else ending
        if len(candidates) > 1:
            raise InvalidPath("path", path, f"it fits several documents, give the folder too: {', '.join(candidates)}")
        if not candidates:
            raise DocumentNotFound(path, "the corpus", self.documents)
        return self.documents[candidates[0]]

    def find_section(self, path: str, anchor: str) -> tuple[Document, Section]:
        """The section of a document that an anchor means; without anchor the whole document.

        Raises:
            InvalidPath: path or anchor cannot be one, or the path fits several documents.
            DocumentNotFound: there is no such document.
            SectionNotFound: the document has no such section.
        """
        document = self.find(path)
        _require_name("anchor", anchor)
        if not anchor:
            return document, document.root
        section = document.by_anchor.get(anchor) or document.by_anchor.get(anchor.casefold())
        if section is None:
            raise SectionNotFound(anchor, document.path, filter(None, document.by_anchor))
        return document, section


def split_reference(reference: str) -> tuple[str, str]:
    """Cut `path#anchor` in two; without `#` the second part is empty."""
    path, _, anchor = reference.partition("#")
    return path, anchor


def _stem(path: str) -> str:
    """A path as names are compared: without its ending, in one case."""
    path = path.casefold()
    return next((path.removesuffix(ending) for ending in ENDINGS if path.endswith(ending)), path)


def _require_name(field: str, name: str) -> None:
    if not isinstance(name, str):
        raise InvalidPath(field, name, "give text")
    if len(name) > MAX_NAME:
        raise InvalidPath(field, name, f"give at most {MAX_NAME} characters")
    if not name.isprintable():
        raise InvalidPath(field, name, "give printable characters only")


class _LeftOut(Exception):
    """Why a file is no document."""


def _content(found: Found) -> bytes:
    """What a file holds.

    Raises:
        CorpusNotFound: the file is not there any more; the folder is being changed.
    """
    if found.size > MAX_BYTES:
        raise _LeftOut(f"it has {found.size:,} bytes, and {MAX_BYTES:,} are the most; split it")
    try:
        return found.file.read_bytes()
    except FileNotFoundError as problem:
        raise CorpusNotFound(f"{found.file} has just been removed; try again") from problem
    except OSError as problem:
        raise _LeftOut(f"it cannot be read: {problem.strerror}") from problem


def _names(sources: Sequence[Source]) -> list[str]:
    """A name for each source, none of them twice."""
    names: list[str] = []
    for source in sources:
        own = source.name
        alike = sum(other.name == own for other in sources[: len(names)])
        names.append(f"{own}-{alike + 1}" if alike else own)
    return names


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
