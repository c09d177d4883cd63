"""How does an unchanged corpus open at once? Its words are kept in the cache, named by all that decides them.

A file is written beside and renamed into place, so that nobody reads half of one; it begins with a hash of the rest,
and one that does not fit is made anew. Where nothing can be written, each start reads the words again.
"""

import hashlib
import os
import sqlite3
import tempfile
from contextlib import suppress
from functools import cache as once
from pathlib import Path

from knowledge_base.documents import Corpus
from knowledge_base.lexical import LexicalIndex

KEPT = 8
"""Files of earlier corpora that are kept, newest first."""

_HASH_BYTES = 32


def kept_words(cache: Path, corpus: Corpus) -> LexicalIndex:
    """The words of a corpus, from the cache where they are there."""
    documents = [*corpus.documents.values()]
    file = cache / "words" / f"{corpus.hash}-{_maker()}"
    with suppress(OSError, sqlite3.Error):
        if image := _sound(file.read_bytes()):
            return LexicalIndex(documents, image)
    made = LexicalIndex(documents)
    with suppress(OSError):
        _keep(file, made.image())
    return made


def _sound(content: bytes) -> bytes:
    """The image in a file; empty when the file is damaged."""
    digest, image = content[:_HASH_BYTES], content[_HASH_BYTES:]
    return image if hashlib.sha256(image).digest() == digest else b""


def _keep(file: Path, image: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, written = tempfile.mkstemp(dir=file.parent, prefix=".writing-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(hashlib.sha256(image).digest() + image)
        Path(written).replace(file)
    except OSError:
        Path(written).unlink(missing_ok=True)
        raise
    others = sorted(file.parent.glob("[!.]*"), key=lambda other: other.stat().st_mtime, reverse=True)
    for other in others[KEPT:]:
        other.unlink(missing_ok=True)


@once
def _maker() -> str:
    """A name that changes with this program and with SQLite: either may see other words in the same text."""
    digest = hashlib.sha256(sqlite3.sqlite_version.encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        seen = module.stat()
        digest.update(f"{module.name} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:8]
