"""Which state of the documents is the newest? A change is noticed when somebody asks, and seen whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from time import monotonic, time_ns

from knowledge_base.documents import Corpus
from knowledge_base.errors import KnowledgeBaseError
from knowledge_base.semantic import SemanticSearch
from knowledge_base.snapshot import Snapshot
from knowledge_base.sources import Signature, Source, checked, signature, walk

LOOK_SECONDS = 0.2
"""How long the documents are taken for unchanged after somebody has looked."""

_SETTLED = 100_000_000
"""Nanoseconds after which a file may be told from one that was written since: clocks of file systems are coarse."""


class Shelf:
    """Holds the newest snapshot of some sources; safe to use from several threads.

    Args:
        sources: what is read.
        cache: where models and indexes are wanted.
        semantic: False to search by keyword alone.

    Attributes:
        note: why the snapshot is not the newest; None while it is.

    Raises:
        CorpusNotFound: a source is no folder that can be read, or none holds markdown.
        InvalidCorpus: the sources make no corpus together.
    """

    def __init__(self, sources: Sequence[Source], cache: Path, *, semantic: bool) -> None:
        self._sources = checked(sources)
        self._cache = cache
        corpus = Corpus(*self._sources)
        self._snapshot = Snapshot(corpus, SemanticSearch(corpus, cache, enabled=semantic), cache)
        self._seen = _settled(corpus.signature)
        self._lock = Lock()
        self._looked = monotonic()
        self._closed = False
        self.note: str | None = None

    def newest(self) -> Snapshot:
        """The newest snapshot; whoever comes while another caller looks gets the one before."""
        if monotonic() - self._looked >= LOOK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._snapshot

    def look(self) -> bool:
        """Read the sources again if they changed; whether there is a new snapshot."""
        with self._lock:
            return self._look()

    def close(self) -> None:
        """Stop a running build and give the indexes back; from now on nothing changes."""
        with self._lock:
            self._closed = True
        self._snapshot.semantic.close()

    def _look(self) -> bool:
        """What `look` does, for a caller who holds the lock."""
        before = self._snapshot
        if self._closed:
            return False
        try:
            corpus = self._read()
        except KnowledgeBaseError as problem:
            self.note = f"the documents cannot be read as they are now ({problem}); these are from before"
            return False
        finally:
            self._looked = monotonic()
        self.note = None
        if corpus is before.corpus and not before.semantic.may_recover():
            return False
        following = before.semantic.successor(corpus)
        self._snapshot = Snapshot(corpus, following, self._cache)
        before.semantic.give_way(following)
        return True

    def _read(self) -> Corpus:
        """The documents as they are; the corpus that is held where nothing changed."""
        known = self._snapshot.corpus
        if self._seen is not None and signature(walk(self._sources)) == self._seen:
            return known
        corpus = Corpus(*self._sources, earlier=known)
        if signature(walk(self._sources)) != corpus.signature:
            raise KnowledgeBaseError("they are being written")
        self._seen = _settled(corpus.signature)
        return known if (corpus.hash, corpus.left_out) == (known.hash, known.left_out) else corpus


def _settled(seen: Signature) -> Signature | None:
    """The signature, or None where a file is so fresh that a later change of it might look the same."""
    return seen if time_ns() - seen.newest > _SETTLED else None
