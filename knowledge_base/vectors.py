"""How are the vectors of a corpus kept, so that they are computed once, shared, and never served half-built?

An index is a Chroma folder named by everything that decides its content. It is built in a temporary folder under a lock
and renamed into place; after that its vectors never change. The vector of each text also stands in an SQLite file, so
that a changed document costs only its own sections.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from knowledge_base.cache import replacing
from knowledge_base.encoder import Encoder
from knowledge_base.errors import SemanticUnavailable

if TYPE_CHECKING:
    from knowledge_base.encoder import Vectors

COLLECTION = "kb_sections"
KEPT_INDEXES = 8
"""Folders of earlier corpora that are kept, newest first: switching back to one is free."""

_SAME = 0.999
"""Least cosine at which a vector counts as the one that was written."""

_MANIFEST = "manifest.json"
_DATABASE = "chroma.sqlite3"
_STEP = 32
"""Texts between two commits to the cache of embeddings and two reports of progress."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk as the index knows it: the text to embed, and in lower case what searches may be narrowed by."""

    text: str
    category: str
    status: str


def index_folder(cache: Path, entries: Sequence[Entry], model: str) -> Path:
    """Where the index of these entries is: its name tells content, model and Chroma's version apart."""
    digest = hashlib.sha256(json.dumps([(e.text, e.category, e.status) for e in entries]).encode())
    return cache / "index" / f"{digest.hexdigest()[:16]}-{model}-chroma{version('chromadb')}"


class VectorIndex:
    """A built index, open for questions; safe to use from several threads.

    Args:
        folder: where `build` has put it.

    Raises:
        SemanticUnavailable: there is no index, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        facts = _verified_manifest(folder)
        self._lock = Lock()
        self._client = _client(folder)
        try:
            self._collection = self._client.get_collection(COLLECTION, embedding_function=None)
            found = self.rank(facts["probe"], {}, 1)
            sound = self._collection.count() == facts["count"] and found[0][1] > _SAME
        except Exception as problem:
            self.close()
            raise SemanticUnavailable(f"the index in {folder} cannot be read: {problem}") from problem
        if not sound:
            self.close()
            raise SemanticUnavailable(f"the index in {folder} does not hold what was written")

    def rank(self, vector: Any, filters: dict[str, str], limit: int) -> list[tuple[int, float]]:  # noqa: ANN401
        """Positions of entries with their cosine to a vector, best first."""
        conditions: list[dict[str, Any]] = [{field: value} for field, value in filters.items()]
        where = {"$and": conditions} if len(conditions) > 1 else conditions[0] if conditions else None
        with self._lock:
            found = self._collection.query(
                query_embeddings=[vector], n_results=limit, where=where, include=["distances"]
            )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(int(position), 1.0 - float(distance)) for position, distance in pairs]

    def close(self) -> None:
        """Give files and memory back."""
        self._client.close()


def is_whole(folder: Path) -> bool:
    """Whether an index is there and undamaged, as far as can be told without opening it."""
    try:
        _verified_manifest(folder)
    except SemanticUnavailable:
        return False
    return True


def open_or_discard(folder: Path) -> VectorIndex | None:
    """The index, or None when there is none that can be served; a damaged one is marked so that it is built anew."""
    try:
        return VectorIndex(folder)
    except SemanticUnavailable:
        (folder / _MANIFEST).unlink(missing_ok=True)
        return None


def build(
    folder: Path, entries: Sequence[Entry], encoder: Encoder, embeddings: Path, progress: Progress | None = None
) -> None:
    """Embed the entries and put the index at `folder`, replacing what is there; the caller holds `build_lock`.

    Args:
        folder: as `index_folder` names it.
        entries: at least one; questions are answered with their positions.
        encoder: what embeds them.
        embeddings: the SQLite file of vectors known already; its name tells models apart.
        progress: called with the number of entries embedded so far, and of all.
    """
    vectors = _embed([entry.text for entry in entries], encoder, embeddings, progress or _ignore)
    with replacing(folder) as written:
        _write(written, entries, vectors)
    _prune(folder)


def _write(folder: Path, entries: Sequence[Entry], vectors: "Vectors") -> None:
    with closing(_client(folder)) as client:
        # Chroma keeps the last entries below this threshold in a log that every reader would fold into the index
        # again, writing to it: with all of them in one step the readers leave the index as it is.
        step = max(2, len(entries))
        space = {"space": "cosine", "batch_size": step, "sync_threshold": step}
        collection = client.get_or_create_collection(COLLECTION, embedding_function=None, configuration={"hnsw": space})
        most = client.get_max_batch_size()
        for start in range(0, len(entries), most):
            batch = entries[start : start + most]
            collection.add(
                ids=[str(start + offset) for offset in range(len(batch))],
                embeddings=vectors[start : start + most],
                metadatas=[{"category": entry.category, "status": entry.status} for entry in batch],
            )
    manifest = {"count": len(entries), "probe": vectors[0].tolist(), "files": _hashes(folder)}
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _client(folder: Path) -> Any:  # noqa: ANN401 - chromadb is optional, so untyped here
    import chromadb  # noqa: PLC0415 - heavy, and only there with the semantic extra
    from chromadb.config import Settings  # noqa: PLC0415

    return chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))


def _verified_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
        damaged = _hashes(folder, manifest["files"]) != manifest["files"] or not _sound_database(folder / _DATABASE)
    except (OSError, ValueError, KeyError, TypeError, sqlite3.Error) as problem:
        raise SemanticUnavailable(f"there is no whole index in {folder}: {problem}") from problem
    if damaged:
        raise SemanticUnavailable(f"the index in {folder} is damaged")
    return manifest


def _hashes(folder: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """A hash of each file but the database, in which Chroma counts how often it was opened."""
    found = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    wanted = found if names is None else names
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in wanted
        if not name.startswith(_DATABASE)
    }


def _sound_database(file: Path) -> bool:
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
        return bool(database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))


def _embed(texts: Sequence[str], encoder: Encoder, file: Path, progress: Progress) -> "Vectors":
    """The vectors of all texts, from the cache where they are known; what is new is kept step by step."""
    import numpy as np  # noqa: PLC0415 - see _client

    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    with closing(_open_embeddings(file)) as cache:
        known = dict(cache.execute("SELECT content, vector FROM embeddings"))
        new = sorted(
            {key: text for key, text in zip(keys, texts, strict=True) if key not in known}.items(), key=_length
        )
        progress(len(texts) - len(new), len(texts))
        for start in range(0, len(new), _STEP):
            step = new[start : start + _STEP]
            rows = encoder.encode([text for _, text in step])
            fresh = {key: row.tobytes() for (key, _), row in zip(step, rows, strict=True)}
            with cache:
                cache.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", fresh.items())
            known |= fresh
            progress(len(texts) - len(new) + start + len(step), len(texts))
    return np.stack([np.frombuffer(known[key], dtype=np.float32) for key in keys])


def _length(item: tuple[bytes, str]) -> int:
    """Texts of like length are encoded together, so that little of a batch is padding."""
    return len(item[1])


def _open_embeddings(file: Path) -> sqlite3.Connection:
    """The cache of vectors; one that cannot be read is started anew."""
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS embeddings (content BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
        )
        sound = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError:
        sound = False
    if sound:
        return connection
    connection.close()
    file.unlink()
    return _open_embeddings(file)


def _prune(current: Path) -> None:
    """Remove the oldest indexes beyond those that are kept."""
    others = [folder for folder in current.parent.iterdir() if folder != current and folder.is_dir()]
    others.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in others[KEPT_INDEXES - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)


def _ignore(_done: int, _total: int) -> None:
    """Nobody watches."""
