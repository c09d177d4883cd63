"""How are the vectors of a corpus kept, so that they are computed once, shared, and never served half-built?

An index is a folder named by everything that decides its content: Chroma finds the passages nearest to a question, and
beside it stand the vectors of their words, which tell how well each word of the question is met. It is built in a
temporary folder under a lock and renamed into place; after that it never changes, but for the marks of the corpora that
use it. What was embedded also stands in an SQLite file, so that a changed document costs only its own passages.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from knowledge_base.cache import replacing
from knowledge_base.encoder import Encoded, Encoder
from knowledge_base.errors import SemanticUnavailable

if TYPE_CHECKING:
    from knowledge_base.encoder import Vectors

COLLECTION = "kb_passages"
KEPT_INDEXES = 2
"""Indexes that each corpus keeps, the last used first: switching back to the one before is free."""

UNUSED_DAYS = 30
"""Days after which a corpus that nobody opened keeps nothing."""

KEPT_EMBEDDINGS = 4
"""How many times as many texts as all indexes hold may be remembered; beyond that only theirs are."""

_SAME = 0.999
"""Least cosine at which a vector counts as the one that was written."""

_LAYOUT = 3
"""Counts the ways in which an index was laid out; one of another layout has another name."""

_EMBEDDED = 2
"""Counts the same for the cache of embeddings."""

_SCALE = 127
"""The vectors of words are kept in one byte for each dimension: their cosines stay right to two decimals."""

_BLOCK = 1024
"""Vectors of words that are compared at once, so that the memory for it stays small."""

_VECTORS, _TITLES, _WORDS = "vectors.bin", "titles.bin", "words.bin"
"""Rows of numbers and nothing else; each title stands there once."""

_ENDS, _TITLED = "ends.npy", "titled.npy"
"""For each entry where its words end, and which title it has."""

_KEYS = "texts.bin"
"""Hashes of all texts, by which the cache of embeddings knows them."""

_USER = "used-by-"
"""What the name of the mark begins with by which a corpus says when it last used an index."""

_MANIFEST = "manifest.json"
_DATABASE = "chroma.sqlite3"
_LEAST_STEP = 2
"""Least number of writes that Chroma takes for a step; an index of one entry writes it twice."""

_STEP = 32
"""Texts between two commits to the cache of embeddings and two reports of progress."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A passage as the index knows it: text and title to embed, and in lower case what searches may be narrowed by."""

    text: str
    title: str
    category: str
    status: str


def keys_of(entries: Iterable[Entry]) -> list[bytes]:
    """A key for each entry; like ones mean that text, title, category and status are alike."""
    return [hashlib.sha256(json.dumps(astuple(entry)).encode()).digest()[:16] for entry in entries]


def index_folder(cache: Path, keys: Iterable[bytes], model: str) -> Path:
    """Where the index of entries with these keys is: its name tells content, model and Chroma's version apart."""
    digest = hashlib.sha256(bytes([_LAYOUT]) + b"".join(keys))
    return cache / "index" / f"{digest.hexdigest()[:16]}-{model}-chroma{version('chromadb')}"


def embeddings_file(cache: Path, model: str) -> Path:
    """Where everything stands that this model has embedded."""
    return cache / "embeddings" / f"{model}-{_EMBEDDED}.sqlite"


def mark_used(folder: Path, user: str) -> None:
    """Note that a corpus uses this index now; where nothing can be written nothing is pruned either."""
    with suppress(OSError):
        (folder / f"{_USER}{user}").touch()


class _Rows:
    """Rows of numbers in a file, read when they are wanted; mapped, all of them would soon be memory of each process.

    Args:
        file: nothing but rows.
        kind: numpy's name of a number's type.
        width: numbers of a row.
    """

    def __init__(self, file: Path, kind: str, width: int) -> None:
        import numpy as np  # noqa: PLC0415 - see _client

        self._kind, self._width = np.dtype(kind), width
        self._bytes = self._kind.itemsize * width
        self._file = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)

    def take(self, spans: Iterable[tuple[int, int]]) -> "Vectors":
        """The rows of some spans, one after another."""
        import numpy as np  # noqa: PLC0415 - see _client

        read = (os.pread(self._file, (end - start) * self._bytes, start * self._bytes) for start, end in _joined(spans))
        return np.frombuffer(b"".join(read), dtype=self._kind).reshape(-1, self._width)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, those that continue the one before joined to it."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


class VectorIndex:
    """A built index, open for questions; safe to use from several threads.

    Args:
        folder: where `build` has put it.

    Raises:
        SemanticUnavailable: there is no index, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        import numpy as np  # noqa: PLC0415 - see _client

        facts = _verified_manifest(folder)
        self._lock = Lock()
        width = facts["width"]
        self._vectors = _Rows(folder / _VECTORS, "float32", width)
        self._words = _Rows(folder / _WORDS, "int8", width)
        self._titles: Vectors = np.fromfile(folder / _TITLES, dtype=np.float32).reshape(-1, width)
        self._titled = np.load(folder / _TITLED)
        self._ends = [0, *np.load(folder / _ENDS).tolist()]
        self._client = _client(folder)
        self._close = weakref.finalize(self, self._client.close)
        try:
            self._collection = self._client.get_collection(COLLECTION, embedding_function=None)
            found = self.rank(self._vectors.take([(0, 1)])[0].tolist(), {}, 1)
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

    def cosines(self, question: Encoded, entries: Sequence[int]) -> list[float]:
        """How near each of some entries is to a question as a whole."""
        rows = self._vectors.take((entry, entry + 1) for entry in entries)
        near: list[float] = (rows @ question.vector).tolist()
        return near

    def title_cosines(self, question: Encoded, entries: Sequence[int]) -> list[float]:
        """How near the title of each of some entries is to a question."""
        near: list[float] = (self._titles[self._titled[list(entries)]] @ question.vector).tolist()
        return near

    def matches(self, question: Encoded, entries: Sequence[int]) -> list[float]:
        """How well each of some entries meets the words of a question, -1 to 1.

        For each word of the question the nearest word of the entry counts (MaxSim, as in ColBERT), and of these cosines
        the mean.
        """
        import numpy as np  # noqa: PLC0415 - see _client

        spans = [(self._ends[entry], self._ends[entry + 1]) for entry in entries]
        with_words = [span for span in spans if span[0] < span[1]]
        if not with_words or not len(question.tokens):
            return [0.0] * len(entries)
        words = self._words.take(with_words)
        blocks = (words[start : start + _BLOCK].astype(np.float32) for start in range(0, len(words), _BLOCK))
        near = np.concatenate([block @ question.tokens.T for block in blocks])
        lengths = np.array([end - start for start, end in with_words])
        best = np.maximum.reduceat(near, np.cumsum(lengths) - lengths, axis=0)
        means = iter((best.mean(axis=1) / _SCALE).tolist())
        return [next(means) if start < end else 0.0 for start, end in spans]

    def close(self) -> None:
        """Give files and memory back; it happens by itself when nobody holds the index any more."""
        self._close()


def is_whole(folder: Path) -> bool:
    """Whether an index is there and undamaged, as far as can be told without opening it."""
    try:
        _verified_manifest(folder)
    except SemanticUnavailable:
        return False
    return True


def made_at(folder: Path) -> int:
    """When an index was built, in nanoseconds of the epoch; 0 when there is none."""
    try:
        return (folder / _MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


def open_or_discard(folder: Path) -> VectorIndex | None:
    """The index, or None when there is none that can be served; a damaged one is marked so that it is built anew."""
    try:
        return VectorIndex(folder)
    except SemanticUnavailable:
        (folder / _MANIFEST).unlink(missing_ok=True)
        return None


def build(
    folder: Path,
    entries: Sequence[Entry],
    encoder: Encoder,
    embeddings: Path,
    progress: Progress | None = None,
    *,
    user: str = "",
) -> None:
    """Embed the entries and put the index at `folder`, replacing what is there; the caller holds `build_lock`.

    Args:
        folder: as `index_folder` names it.
        entries: at least one; questions are answered with their positions.
        encoder: what embeds them.
        embeddings: the SQLite file of vectors known already; its name tells models apart.
        progress: called with the number of entries embedded so far, and of all.
        user: the corpus; what it and others have used last is kept, the rest is removed.
    """
    try:
        _build(folder, entries, encoder, embeddings, progress or _ignore)
    except sqlite3.DatabaseError as problem:
        if isinstance(problem, sqlite3.OperationalError) or _sound_database(embeddings):
            raise
        embeddings.unlink()  # it is only a cache
        _build(folder, entries, encoder, embeddings, progress or _ignore)
    mark_used(folder, user)
    _prune(folder)
    _forget(folder.parent, embeddings)


def _build(folder: Path, entries: Sequence[Entry], encoder: Encoder, embeddings: Path, progress: Progress) -> None:
    texts = dict.fromkeys([*(entry.text for entry in entries), *(entry.title for entry in entries)])
    with closing(_open_embeddings(embeddings)) as known:
        _embed([*texts], encoder, known, progress)
        with replacing(folder) as written:
            (written / _KEYS).write_bytes(b"".join(map(_key, texts)))
            _write(written, entries, known)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _write(folder: Path, entries: Sequence[Entry], known: sqlite3.Connection) -> None:
    import numpy as np  # noqa: PLC0415 - see _client

    titles = {title: number for number, title in enumerate(dict.fromkeys(entry.title for entry in entries))}
    np.save(folder / _TITLED, np.array([titles[entry.title] for entry in entries]))
    with (folder / _TITLES).open("wb") as file:
        file.writelines(_read(known, title)[0] for title in titles)
    sizes = []
    with (folder / _VECTORS).open("wb") as vectors, (folder / _WORDS).open("wb") as words:
        for entry in entries:
            vector, of_words = _read(known, entry.text)
            vectors.write(vector)
            words.write(of_words)
            sizes.append(len(of_words))
    rows = np.fromfile(folder / _VECTORS, dtype=np.float32).reshape(len(entries), -1)
    width = rows.shape[1]
    np.save(folder / _ENDS, np.cumsum(sizes) // width)
    _fill(folder, entries, rows)
    manifest = {"count": len(entries), "width": width, "files": _hashes(folder)}
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _fill(folder: Path, entries: Sequence[Entry], vectors: "Vectors") -> None:
    """Put the entries into Chroma."""
    with closing(_client(folder)) as client:
        # Chroma keeps the last entries below this threshold in a log that every reader would fold into the index
        # again, writing to it: with all of them in one step the readers leave the index as it is.
        step = max(_LEAST_STEP, len(entries))
        space = {"space": "cosine", "batch_size": step, "sync_threshold": step}
        collection = client.get_or_create_collection(COLLECTION, embedding_function=None, configuration={"hnsw": space})
        most = client.get_max_batch_size()
        for start in [*range(0, len(entries), most), *([0] * (_LEAST_STEP - len(entries)))]:
            batch = entries[start : start + most]
            collection.upsert(
                ids=[str(start + offset) for offset in range(len(batch))],
                embeddings=vectors[start : start + most],
                metadatas=[{"category": entry.category, "status": entry.status} for entry in batch],
            )


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
    return {name: _hash(folder / name) for name in wanted if not name.startswith(_DATABASE)}


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sound_database(file: Path) -> bool:
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
        try:
            return bool(database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return False


def _embed(texts: Sequence[str], encoder: Encoder, known: sqlite3.Connection, progress: Progress) -> None:
    """Embed the texts that are not known; they are kept step by step."""
    keys = {key for (key,) in known.execute("SELECT content FROM embeddings")}
    new = sorted(((key, text) for text in texts if (key := _key(text)) not in keys), key=_length)
    progress(len(texts) - len(new), len(texts))
    for start in range(0, len(new), _STEP):
        step = new[start : start + _STEP]
        encoded = encoder.encode([text for _, text in step])
        rows = [(key, *_blobs(made)) for (key, _), made in zip(step, encoded, strict=True)]
        with known:
            known.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", rows)
        progress(len(texts) - len(new) + start + len(step), len(texts))


def _blobs(encoded: Encoded) -> tuple[bytes, bytes]:
    import numpy as np  # noqa: PLC0415 - see _client

    return encoded.vector.tobytes(), np.rint(encoded.tokens * _SCALE).astype(np.int8).tobytes()


def _read(known: sqlite3.Connection, text: str) -> tuple[bytes, bytes]:
    """The vector of a text and those of its words, as they were kept."""
    found: tuple[bytes, bytes] = known.execute(
        "SELECT vector, words FROM embeddings WHERE content = ?", (_key(text),)
    ).fetchone()
    return found


def _length(item: tuple[bytes, str]) -> int:
    """Texts of like length are encoded together, so that little of a batch is padding."""
    return len(item[1])


def _open_embeddings(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS embeddings "
            "(content BLOB PRIMARY KEY, vector BLOB NOT NULL, words BLOB NOT NULL)"
        )
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prune(current: Path) -> None:
    """Keep the current index and for each corpus those it used last; remove the others."""
    users: dict[str, list[tuple[float, Path]]] = {}
    for mark in current.parent.glob(f"*/{_USER}*"):
        users.setdefault(mark.name, []).append((mark.stat().st_mtime, mark.parent))
    oldest = time.time() - UNUSED_DAYS * 86_400
    newest = (used for each in users.values() for used in sorted(each, reverse=True)[:KEPT_INDEXES])
    kept = {current} | {folder for used, folder in newest if used > oldest}
    for folder in current.parent.iterdir():
        if folder not in kept and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def _forget(indexes: Path, embeddings: Path) -> None:
    """Remove what no index holds from the cache of embeddings, once it is the far larger part."""
    size = len(_key(""))
    kept = {
        content[start : start + size]
        for file in indexes.glob(f"*/{_KEYS}")
        for content in (file.read_bytes(),)
        for start in range(0, len(content), size)
    }
    with closing(_open_embeddings(embeddings)) as known:
        keys = {key for (key,) in known.execute("SELECT content FROM embeddings")}
        if len(keys) <= KEPT_EMBEDDINGS * len(kept):
            return
        with known:
            known.executemany("DELETE FROM embeddings WHERE content = ?", [(key,) for key in keys - kept])
        known.execute("VACUUM")


def _ignore(_done: int, _total: int) -> None:
    """Nobody watches."""
