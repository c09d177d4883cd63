"""Which passages mean the same as a question, whatever its words?

Everything that takes time happens beside the caller: loading in a thread, building in a process of its own. Until both
are done `ask` answers None, and the state says why.
"""

import atexit
import hashlib
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock, Thread
from typing import IO

from knowledge_base.cache import Cache, build_lock
from knowledge_base.documents import Corpus
from knowledge_base.encoder import (
    HOW_TO_ADD,
    Encoded,
    Encoder,
    find_model,
    hub_name,
    load_encoder,
    load_or_export,
    missing_packages,
    model_id,
    prepare_libraries,
)
from knowledge_base.errors import SemanticUnavailable
from knowledge_base.likeness import Likeness
from knowledge_base.nearest import asks_chroma
from knowledge_base.passages import Passage, passages_of
from knowledge_base.results import SemanticState
from knowledge_base.sources import name_of
from knowledge_base.vectors import (
    Entry,
    VectorIndex,
    build,
    embeddings_file,
    index_folder,
    is_whole,
    made_at,
    mark_used,
    open_or_discard,
)


class Meaning:
    """A question as the model understands it, and what is near to it."""

    def __init__(self, index: VectorIndex, question: Encoded, nearest: Sequence[tuple[int, float]]) -> None:
        self.nearest = nearest
        """Positions of the nearest passages with their cosines, best first."""
        self._index = index
        self._question = question

    def likenesses(self, passages: Sequence[int]) -> list[Likeness]:
        """How alike some passages are to the question."""
        told = (self._index.cosines, self._index.title_cosines, self._index.matches)
        return [Likeness(*each) for each in zip(*(tell(self._question, passages) for tell in told), strict=True)]


class SemanticSearch:
    """The semantic side of one corpus; safe to use from several threads.

    Args:
        corpus: whose documents say what searches may be narrowed by.
        cache: where models and indexes are wanted.
        enabled: False to answer "unavailable" for ever.

    Attributes:
        state: ready, loading, building or unavailable.
        note: why it is not ready, or what else a reader of results should know; None when there is nothing to say.
        model: the id of the model, once known.
    """

    def __init__(self, corpus: Corpus, cache: Path, *, enabled: bool) -> None:
        self._corpus = corpus
        self._wanted_cache = cache
        self._enabled = enabled
        self._cache: Cache | None = None
        self._lock = Lock()
        self._thread: Thread | None = None
        self._builder: subprocess.Popen[str] | None = None
        self._closed = False
        self._encoder: Encoder | None = None
        self._index: VectorIndex | None = None
        self._folder: Path | None = None
        self._failed_with = 0
        self.model: str | None = None
        self.state: SemanticState = "unavailable"
        self.note: str | None = "semantic search is switched off; these hits are by keyword"
        if enabled:
            self.note = _why_unavailable()
            if self.note is None:
                self.state, self.note = "loading", "semantic search is loading; until then hits are by keyword"

    @cached_property
    def passages(self) -> list[Passage]:
        """What is compared with a question, in the order in which `ask` counts."""
        return passages_of(self._corpus.chunks)

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
                # libraries of native code abort when the interpreter leaves while they load
                atexit.register(self.close)
        if wait and self._thread is not None:
            self._thread.join()
        return self.state

    def ask(self, question: str, filters: dict[str, str], limit: int) -> Meaning | None:
        """What a question means here; None while there is nothing to compare it with."""
        encoder, index = self._encoder, self._index
        if self.state == "unavailable" or encoder is None or index is None:
            return None
        try:
            (encoded,) = encoder.encode([question])
            return Meaning(index, encoded, index.rank(encoded.vector, filters, limit))
        except Exception as problem:  # noqa: BLE001 - whatever happened to the index, the caller still gets keyword hits
            self._index = None
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
            if reason := self._open_cache().note:
                raise SemanticUnavailable(reason)
            self._build(progress)
        except (OSError, sqlite3.Error) as problem:
            raise SemanticUnavailable(f"the cache {self.folder} cannot take the index: {problem}") from problem

    def successor(self, corpus: Corpus) -> "SemanticSearch":
        """The semantic side of the corpus as it is now, with what this one has; not yet started."""
        following = SemanticSearch(corpus, self._wanted_cache, enabled=self._enabled)
        following._cache, following._encoder, following.model = self._cache, self._encoder, self.model
        return following

    def give_way(self, following: "SemanticSearch") -> None:
        """Leave the future to a successor: a running build stops, and the index is given back with its last reader."""
        if self._thread is not None:
            following.start()
        self._stop()
        if self._thread is None or not self._thread.is_alive():
            atexit.unregister(self.close)

    def may_recover(self) -> bool:
        """Whether another process has built what could not be had here."""
        if self.state != "unavailable" or self._folder is None or self._closed:
            return False
        return made_at(self._folder) not in {0, self._failed_with} and is_whole(self._folder)

    def close(self) -> None:
        """Stop a running build, wait for the thread, and give the index back."""
        atexit.unregister(self.close)
        self._stop()
        if self._thread is not None:
            self._thread.join()
        if self._index is not None:
            self._index.close()
            self._index = self._encoder = None
            self._give_up("the library is closed")

    def _stop(self) -> None:
        with self._lock:
            self._closed = True
            if self._builder is not None:
                self._builder.terminate()

    def _run(self) -> None:
        try:
            self._load()
        except BaseException as problem:  # noqa: BLE001 - the edge of a thread, and Chroma's panics are no Exceptions
            self._give_up(str(problem) or type(problem).__name__)
        finally:
            if self._closed:
                atexit.unregister(self.close)

    def _load(self) -> None:
        prepare_libraries()
        cache, model = self._open_cache(), self._open_model()
        exported = exported_model(cache.folder, str(self.model))
        # loading the model is work of native code for the most part, so the index is opened meanwhile
        with ThreadPoolExecutor(1, thread_name_prefix="knowledge-base-model") as beside:
            loading = beside.submit(self._loaded_encoder, model, exported)
            entries = self._entries()
            chroma = asks_chroma(len(entries))
            self._folder = folder = index_folder(cache.folder, entries, str(self.model), chroma=chroma)
            index = open_or_discard(folder)
            self._encoder = loading.result()
        if self._encoder is None or index is None:
            self.state = "building"
            self.note = "the semantic index is being built; until then hits are by keyword"
            self._build_beside(cache, model, entries)
            self._encoder = self._encoder or load_encoder(model, exported)
            index = index or VectorIndex(folder)
        mark_used(folder, self._user())
        self._index = index
        self.state, self.note = "ready", cache.note

    def _loaded_encoder(self, model: Path, exported: Path) -> Encoder | None:
        """That of the corpus before, where there was one."""
        return self._encoder or load_encoder(model, exported)

    def _build(self, progress: Callable[[int, int], None] | None) -> None:
        cache, model, entries = self._open_cache(), self._open_model(), self._entries()
        build_index(cache.folder, model, entries, progress, user=self._user())

    def _build_beside(self, cache: Cache, model: Path, entries: Sequence[Entry]) -> None:
        """Build in another process: it needs torch, which would slow this one and never leave its memory."""
        with tempfile.TemporaryFile("w+") as errors:
            with self._lock:
                if self._closed:
                    raise SemanticUnavailable("the library was closed")
                self._builder = _start_builder(cache.folder, model, self._user(), errors)
            with suppress(BrokenPipeError):  # it has ended already; why is read below
                send_entries(entries, self._builder.stdin)
            for line in self._builder.stdout or ():
                self.note = f"the semantic index is being built ({line.strip()}); until then hits are by keyword"
            if self._builder.wait() != 0:
                errors.seek(0)
                reason = (errors.read().strip().splitlines() or ["it was stopped"])[-1]
                raise SemanticUnavailable(f"the semantic index could not be built: {reason}")

    def _give_up(self, reason: str) -> None:
        self._failed_with = made_at(self._folder) if self._folder else 0
        self.state, self.note = "unavailable", f"{reason}; hits are by keyword"

    def _user(self) -> str:
        """A name of the corpus that stays when its documents change, but not with the model."""
        names = [*map(name_of, self._corpus.sources), self.model]
        return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]

    def _open_cache(self) -> Cache:
        if self._cache is None:
            self._cache = Cache(self._wanted_cache)
        return self._cache

    def _open_model(self) -> Path:
        model = find_model()
        self.model = model_id(model)
        return model

    def _entries(self) -> list[Entry]:
        documents = self._corpus.documents
        return [
            Entry(passage.reading, passage.titles[-1], document.category.casefold(), document.status.casefold())
            for passage in self.passages
            for document in (documents[passage.part.section.path],)
        ]


def exported_model(cache: Path, model: str) -> Path:
    """Where a model stands that was exported once."""
    return cache / "models" / model


def build_index(
    cache: Path,
    model: Path,
    entries: Sequence[Entry],
    progress: Callable[[int, int], None] | None = None,
    *,
    user: str = "",
) -> None:
    """Export the model and put the index of the entries in the cache, as far as they are not there."""
    name, chroma = model_id(model), asks_chroma(len(entries))
    folder = index_folder(cache, entries, name, chroma=chroma)
    with build_lock(cache):
        encoder = load_or_export(model, exported_model(cache, name))
        if not is_whole(folder):
            build(folder, entries, encoder, embeddings_file(cache, name), progress, chroma=chroma, user=user)


def send_entries(entries: Sequence[Entry], stream: IO[str] | None) -> None:
    """Write entries on one line, as `receive_entries` reads them."""
    if stream is not None:
        stream.write(f"{json.dumps(entries)}\n")
        stream.flush()


def receive_entries(stream: IO[str]) -> list[Entry]:
    """Read the entries that another process has sent."""
    return [Entry(*row) for row in json.loads(stream.readline())]


def _why_unavailable() -> str | None:
    if missing := missing_packages():
        return f"semantic search is not installed ({', '.join(missing)}); {HOW_TO_ADD}; hits are by keyword"
    if hub_name():
        return None  # it is looked for when it is needed
    try:
        find_model()
    except SemanticUnavailable as problem:
        return f"{problem}; hits are by keyword"
    return None


def _start_builder(cache: Path, model: Path, user: str, errors: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own module, and no shell reads the two folders
        [sys.executable, "-m", "knowledge_base.builder", str(cache.resolve()), str(model.resolve()), user],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
    )
