"""Which chunks mean the same as a question, whatever its words?

Everything that takes time happens beside the caller: loading in a thread, building in a process of its own. Until both
are done `rank` answers None, and the state says why.
"""

import atexit
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import IO

from knowledge_base.cache import Cache, build_lock
from knowledge_base.documents import Corpus
from knowledge_base.encoder import (
    HOW_TO_ADD,
    Encoder,
    find_model,
    load_encoder,
    load_or_export,
    missing_packages,
    model_id,
)
from knowledge_base.errors import SemanticUnavailable
from knowledge_base.prose import prose
from knowledge_base.results import SemanticState
from knowledge_base.sections import Chunk, Document
from knowledge_base.vectors import Entry, VectorIndex, build, index_folder, is_whole, open_or_discard

_NUMBER = re.compile(r"^\d+(?:\.\d+)*\.? ")


class SemanticSearch:
    """The semantic side of one corpus; safe to use from several threads.

    Args:
        corpus: whose documents say what searches may be narrowed by.
        chunks: in the order in which `rank` counts them.
        cache: where models and indexes are wanted.
        enabled: False to answer "unavailable" for ever.

    Attributes:
        state: ready, loading, building or unavailable.
        note: why it is not ready, or what else a reader of results should know; None when there is nothing to say.
        model: the id of the model, once known.
    """

    def __init__(self, corpus: Corpus, chunks: Sequence[Chunk], cache: Path, *, enabled: bool) -> None:
        self._corpus = corpus
        self._chunks = chunks
        self._wanted_cache = cache
        self._cache: Cache | None = None
        self._lock = Lock()
        self._thread: Thread | None = None
        self._builder: subprocess.Popen[str] | None = None
        self._closed = False
        self._encoder: Encoder | None = None
        self._index: VectorIndex | None = None
        self.model: str | None = None
        self.state: SemanticState = "unavailable"
        self.note: str | None = "semantic search is switched off; these hits are by keyword"
        if enabled:
            self.note = _why_unavailable()
            if self.note is None:
                self.state, self.note = "loading", "semantic search is loading; until then hits are by keyword"

    @property
    def folder(self) -> str | None:
        """The cache folder in use; None while none was needed."""
        return str(self._cache.folder) if self._cache else None

    def start(self, *, wait: bool = False) -> SemanticState:
        """Load in a thread, after building in a process if there is no index; with `wait` return when that is over."""
        with self._lock:
            if self._thread is None and self.state == "loading" and not self._closed:
                self._thread = Thread(target=self._run, name="knowledge-base-semantic", daemon=True)
                self._thread.start()
                atexit.register(
                    self.close
                )  # libraries of native code abort when the interpreter leaves while they load
        if wait and self._thread is not None:
            self._thread.join()
        return self.state

    def rank(self, query: str, filters: dict[str, str], limit: int) -> list[tuple[int, float]] | None:
        """Positions of chunks with their cosine, best first; None while not ready."""
        if self.state != "ready" or self._encoder is None or self._index is None:
            return None
        try:
            return self._index.rank(self._encoder.encode([query])[0], filters, limit)
        except Exception as problem:  # noqa: BLE001 - whatever happened to the index, the caller still gets keyword hits
            self._give_up(f"semantic search has failed ({problem}); a restart rebuilds its index")
            return None

    def build(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Build what is missing, in this process.

        Raises:
            SemanticUnavailable: packages or model are missing, or the cache cannot take the index.
        """
        if reason := _why_unavailable():
            raise SemanticUnavailable(reason)
        try:
            self._build(progress)
        except (OSError, sqlite3.Error) as problem:
            raise SemanticUnavailable(f"the cache {self.folder} cannot take the index: {problem}") from problem

    def close(self) -> None:
        """Stop a running build, wait for the thread, and give the index back."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
            if self._builder is not None:
                self._builder.terminate()
        if self._thread is not None:
            self._thread.join()
        if self._index is not None:
            self._index.close()
            self._index = self._encoder = None
            self._give_up("the library is closed")

    def _run(self) -> None:
        try:
            self._load()
        except BaseException as problem:  # noqa: BLE001 - the edge of a thread, and Chroma's panics are no Exceptions
            self._give_up(str(problem) or type(problem).__name__)

    def _load(self) -> None:
        cache, model, entries = self._open_cache(), self._open_model(), self._entries()
        folder = index_folder(cache.folder, entries, model_id(model))
        self._encoder = load_encoder(model, self._exported(cache))
        self._index = open_or_discard(folder)
        if self._encoder is None or self._index is None:
            self._build_beside(cache, model)
            self._encoder = load_encoder(model, self._exported(cache))
            self._index = self._index or VectorIndex(folder)
        self.state, self.note = "ready", cache.note

    def _build(self, progress: Callable[[int, int], None] | None) -> None:
        cache, model, entries = self._open_cache(), self._open_model(), self._entries()
        with build_lock(cache.folder):
            folder = index_folder(cache.folder, entries, model_id(model))
            encoder = load_or_export(model, self._exported(cache))
            if not is_whole(folder):
                build(folder, entries, encoder, cache.folder / "embeddings" / f"{self.model}.sqlite", progress)

    def _build_beside(self, cache: Cache, model: Path) -> None:
        """Build in another process: it needs torch, which would slow this one and never leave its memory."""
        self.state = "building"
        self.note = "the semantic index is being built; until then hits are by keyword"
        with tempfile.TemporaryFile("w+") as errors:
            with self._lock:
                if self._closed:
                    raise SemanticUnavailable("the library was closed")
                self._builder = _start_builder(self._corpus.root, cache.folder, model, errors)
            for line in self._builder.stdout or ():
                self.note = f"the semantic index is being built ({line.strip()}); until then hits are by keyword"
            if self._builder.wait() != 0:
                errors.seek(0)
                reason = (errors.read().strip().splitlines() or ["it was stopped"])[-1]
                raise SemanticUnavailable(f"the semantic index could not be built: {reason}")

    def _give_up(self, reason: str) -> None:
        self.state, self.note = "unavailable", f"{reason}; hits are by keyword"

    def _open_cache(self) -> Cache:
        if self._cache is None:
            self._cache = Cache(self._wanted_cache)
        return self._cache

    def _open_model(self) -> Path:
        model = find_model()
        self.model = model_id(model)
        return model

    def _exported(self, cache: Cache) -> Path:
        return cache.folder / "models" / str(self.model)

    def _entries(self) -> list[Entry]:
        documents = self._corpus.documents
        return [_entry(documents[chunk.path], chunk) for chunk in self._chunks]


def _why_unavailable() -> str | None:
    if missing := missing_packages():
        return f"semantic search is not installed ({', '.join(missing)}); {HOW_TO_ADD}; hits are by keyword"
    try:
        find_model()
    except SemanticUnavailable as problem:
        return f"{problem}; hits are by keyword"
    return None


def _entry(document: Document, chunk: Chunk) -> Entry:
    """A chunk as the index knows it; the model reads where it stands, then what it says.

    It reads a few hundred words at most, so examples, targets of links and section numbers are kept from it.
    """
    titles = (_NUMBER.sub("", title) for title in chunk.main.section.breadcrumb)
    text = f"{' > '.join(titles)}\n{prose(chunk.text)}"
    return Entry(text, document.category.casefold(), document.status.casefold())


def _start_builder(corpus: Path, cache: Path, model: Path, errors: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own module, and no shell reads the two folders
        [sys.executable, "-m", "knowledge_base.builder", str(corpus.resolve()), str(cache.resolve())],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMS_KB_MODEL": str(model.resolve())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
