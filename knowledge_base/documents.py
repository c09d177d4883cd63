"""Which documents does a corpus hold, and which of them does a name mean?

A name is only ever looked up among the documents that were found below the corpus folder when it was opened; no
caller's text becomes a path of the file system.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from knowledge_base.errors import CorpusNotFound, DocumentNotFound, InvalidPath, SectionNotFound
from knowledge_base.sections import Document, Section, parse_document

MAX_NAME = 512
"""Characters a path or an anchor may have."""

_PATH_RULE = "give a document's path below the corpus, such as concepts/order-lifecycle.md, without .. or a leading /"


class Corpus:
    """The markdown files below one folder, read once.

    Args:
        root: the folder; symbolic links that lead out of it are left aside, as are hidden files and folders.

    Raises:
        CorpusNotFound: there is no such folder, or it holds no markdown.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        digest = hashlib.sha256()
        self.documents: dict[str, Document] = {}
        for path, content in _files(root):
            digest.update(f"{path}\0{len(content)}\0".encode())
            digest.update(content)
            self.documents[path] = parse_document(path, content.decode("utf-8-sig", errors="replace"))
        if not self.documents:
            raise CorpusNotFound(f"{root} holds no markdown files")
        self.hash = digest.hexdigest()[:16]

    def find(self, path: str) -> Document:
        """The document that a path means; `.md` may be missing, and the folders too when one document alone ends so.

        Raises:
            InvalidPath: the path is no path below the corpus, or several documents end so.
            DocumentNotFound: no document ends so.
        """
        _require_name("path", path)
        if document := self.documents.get(path):
            return document
        if path.startswith(("/", "~", "\\")) or ":" in path or ".." in path.replace("\\", "/").split("/"):
            raise InvalidPath("path", path, _PATH_RULE)
        wanted = path.casefold().removesuffix(".md") + ".md"
        ending = [name for name in self.documents if f"/{name.casefold()}".endswith(f"/{wanted}")]
        exact = [name for name in ending if name.casefold() == wanted]
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


def _require_name(field: str, name: str) -> None:
    if not isinstance(name, str):
        raise InvalidPath(field, name, "give text")
    if len(name) > MAX_NAME:
        raise InvalidPath(field, name, f"give at most {MAX_NAME} characters")
    if not name.isprintable():
        raise InvalidPath(field, name, "give printable characters only")


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Relative path and content of each markdown file, in order of the paths."""
    if not root.is_dir():
        raise CorpusNotFound(f"{root} is not a folder")
    home = root.resolve()
    found = (
        Path(folder, name)
        for folder, folders, names in os.walk(home)
        for name in _visible(folders, names)
        if name.lower().endswith(".md")
    )
    for file in sorted(found):
        if file.is_file() and file.resolve().is_relative_to(home):
            yield file.relative_to(home).as_posix(), file.read_bytes()


def _visible(folders: list[str], names: list[str]) -> list[str]:
    """Keep the walk out of hidden folders, as `os.walk` allows, and hidden names out of the result."""
    folders[:] = [folder for folder in folders if not folder.startswith(".")]
    return [name for name in names if not name.startswith(".")]
