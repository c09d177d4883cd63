"""How are the vectors of a corpus kept, so that they are computed once, shared, and never served half-built?

An index is a folder named by everything that decides its content: the vectors of the passages, which tell what is near
to a question, and those of their words, which tell how well each word of it is met. It is built in a temporary folder
under a lock and renamed into place; after that it never changes, but for the marks of the corpora that use it. What was
embedded also stands in an SQLite file, so that a changed document costs only its own passages.
"""

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from knowledge_base.cache import replacing
from knowledge_base.encoder import Encoded, Encoder
from knowledge_base.errors import SemanticUnavailable
from knowledge_base.nearest import DATABASE, VECTORS, open_nearest, write_nearest
from knowledge_base.rows import Rows

if TYPE_CHECKING:
    from knowledge_base.rows import Vectors

KEPT_INDEXES = 2
"""Indexes that each corpus keeps, the last used first: switching back to the one before is free."""

UNUSED_DAYS = 30
"""Days after which a corpus that nobody opened keeps nothing."""

KEPT_EMBEDDINGS = 4
"""How many times as many texts as all indexes hold may be remembered; beyond that only theirs are."""

_LABELS = ("category", "status")
"""What of an entry searches may be narrowed by."""

_SAME = 0.999
"""Least cosine at which a vector counts as the one that was written."""

_LAYOUT = 4
"""Counts the ways in which an index was laid out; one of another layout has another name."""

_EMBEDDED = 2
"""Counts the same for the cache of embeddings."""

_SCALE = 127
"""The vectors of words are kept in one byte for each dimension: their cosines stay right to two decimals."""

_BLOCK = 1024
"""Vectors of words that are compared at once, so that the memory for it stays small."""

_TITLES, _WORDS = "titles.bin", "words.bin"
"""Rows of numbers and nothing else; each title stands there once."""

_ENDS, _TITLED = "ends.npy", "titled.npy"
"""For each entry where its words end, and which title it has."""

_KEYS = "texts.bin"
"""Hashes of all texts, by which the cache of embeddings knows them."""

_USER = "used-by-"
"""What the name of the mark begins with by which a corpus says when it last used an index."""

_MANIFEST = "manifest.json"

_STEP = 32
"""Texts between two commits to the cache of embeddings and two reports of progress."""

Progress = Callable[[int, int], None]


class Entry(NamedTuple):
    """A passage as the index knows it: text and title to embed, and in lower case what searches may be narrowed by."""

    text: str
    title: str
    category: str
    status: str


def index_folder(cache: Path, entries: Sequence[Entry], model: str, *, chroma: bool) -> Path:
    """Where the index of these entries is: its name tells content, model, and whether and which Chroma is asked."""
    digest = hashlib.sha256(json.dumps([_LAYOUT, entries]).encode())
    asked = f"-chroma{version('chromadb')}" if chroma else ""
    return cache / "index" / f"{digest.hexdigest()[:16]}-{model}{asked}"


def embeddings_file(cache: Path, model: str) -> Path:
    """Where everything stands that this model has embedded."""
    return cache / "embeddings" / f"{model}-{_EMBEDDED}.sqlite"


def mark_used(folder: Path, user: str) -> None:
    """Note that a corpus uses this index now; where nothing can be written nothing is pruned either."""
    with suppress(OSError):
        (folder / f"{_USER}{user}").touch()


class VectorIndex:
    """A built index, open for questions; safe to use from several threads.

    Args:
        folder: where `build` has put it.

    Raises:
        SemanticUnavailable: there is no index, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        import numpy as np  # noqa: PLC0415 - heavy, and only there with the semantic extra

        facts = _verified_manifest(folder)
        width, count = facts["width"], facts["count"]
        self._words = Rows(folder / _WORDS, "int8", width)
        self._titles: Vectors = np.fromfile(folder / _TITLES, dtype=np.float32).reshape(-1, width)
        self._titled = np.load(folder / _TITLED)
        self._ends = [0, *np.load(folder / _ENDS).tolist()]
        try:
            self._nearest = open_nearest(folder, width, chroma=facts["chroma"])
            last = self._nearest.take([count - 1])[0]
            whole = len(self._nearest) == count == len(self._ends) - 1
            sound = whole and self._nearest.rank(last, {}, 1)[0][1] > _SAME
        except Exception as problem:
            raise SemanticUnavailable(f"the index in {folder} cannot be read: {problem}") from problem
        if not sound:
            self.close()
            raise SemanticUnavailable(f"the index in {folder} does not hold what was written")

    def rank(self, vector: "Vectors", filters: Mapping[str, str], limit: int) -> list[tuple[int, float]]:
        """Positions of entries with their cosine to a vector, best first."""
        return self._nearest.rank(vector, filters, limit)

    def cosines(self, question: Encoded, entries: Sequence[int]) -> list[float]:
        """How near each of some entries is to a question as a whole."""
        near: list[float] = (self._nearest.take(entries) @ question.vector).tolist()
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
        import numpy as np  # noqa: PLC0415 - heavy, and only there with the semantic extra

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
        self._nearest.close()


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
    chroma: bool,
    user: str = "",
) -> None:
    """Embed the entries and put the index at `folder`, replacing what is there; the caller holds `build_lock`.

    Args:
        folder: as `index_folder` names it.
        entries: at least one; questions are answered with their positions.
        encoder: what embeds them.
        embeddings: the SQLite file of vectors known already; its name tells models apart.
        progress: called with the number of entries embedded so far, and of all.
        chroma: whether Chroma is asked, as `index_folder` was told.
        user: the corpus; what it and others have used last is kept, the rest is removed.
    """
    try:
        _build(folder, entries, encoder, embeddings, progress or _ignore, chroma=chroma)
    except sqlite3.DatabaseError as problem:
        if isinstance(problem, sqlite3.OperationalError) or _sound_database(embeddings):
            raise
        embeddings.unlink()  # it is only a cache
        _build(folder, entries, encoder, embeddings, progress or _ignore, chroma=chroma)
    mark_used(folder, user)
    _prune(folder)
    _forget(folder.parent, embeddings)


def _build(
    folder: Path, entries: Sequence[Entry], encoder: Encoder, embeddings: Path, progress: Progress, *, chroma: bool
) -> None:
    texts = dict.fromkeys([*(entry.text for entry in entries), *(entry.title for entry in entries)])
    with closing(_open_embeddings(embeddings)) as known:
        _embed([*texts], encoder, known, progress)
        with replacing(folder) as written:
            (written / _KEYS).write_bytes(b"".join(map(_key, texts)))
            _write(written, entries, known, chroma=chroma)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _write(folder: Path, entries: Sequence[Entry], known: sqlite3.Connection, *, chroma: bool) -> None:
    import numpy as np  # noqa: PLC0415 - heavy, and only there with the semantic extra

    titles = {title: number for number, title in enumerate(dict.fromkeys(entry.title for entry in entries))}
    np.save(folder / _TITLED, np.array([titles[entry.title] for entry in entries]))
    with (folder / _TITLES).open("wb") as file:
        file.writelines(_read(known, title)[0] for title in titles)
    sizes = []
    with (folder / VECTORS).open("wb") as vectors, (folder / _WORDS).open("wb") as words:
        for entry in entries:
            vector, of_words = _read(known, entry.text)
            vectors.write(vector)
            words.write(of_words)
            sizes.append(len(of_words))
    rows = np.fromfile(folder / VECTORS, dtype=np.float32).reshape(len(entries), -1)
    width = rows.shape[1]
    np.save(folder / _ENDS, np.cumsum(sizes) // width)
    labels = {name: [getattr(entry, name) for entry in entries] for name in _LABELS}
    write_nearest(folder, rows, labels, chroma=chroma)
    manifest = {"count": len(entries), "width": width, "chroma": chroma, "files": _hashes(folder)}
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _verified_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
        damaged = _hashes(folder, manifest["files"]) != manifest["files"] or (
            manifest["chroma"] and not _sound_database(folder / DATABASE)
        )
    except (OSError, ValueError, KeyError, TypeError, sqlite3.Error) as problem:
        raise SemanticUnavailable(f"there is no whole index in {folder}: {problem}") from problem
    if damaged:
        raise SemanticUnavailable(f"the index in {folder} is damaged")
    return manifest


def _hashes(folder: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """A hash of each file but Chroma's database."""
    found = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    wanted = found if names is None else names
    return {name: _hash(folder / name) for name in wanted if not name.startswith(DATABASE)}


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
    import numpy as np  # noqa: PLC0415 - heavy, and only there with the semantic extra

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
