"""Which vectors are nearest to one? All of them are compared where they are few; Chroma is asked where they are many.

Comparing misses none, and up to some fifty thousand vectors it takes less time and memory than Chroma. Beyond, an index
that looks at some of them only is faster. Either is written once and never changes.
"""

import json
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from knowledge_base.errors import SemanticUnavailable
from knowledge_base.rows import Rows

if TYPE_CHECKING:
    from knowledge_base.rows import Vectors

MANY = 50_000
"""From so many vectors on Chroma is asked, unless OMS_KB_CHROMA_FROM says otherwise."""

COLLECTION = "kb_passages"

DATABASE = "chroma.sqlite3"
"""Chroma's database, in which it counts how often it was opened."""

VECTORS = "vectors.bin"
"""The vectors in their order: rows of numbers and nothing else."""

_CODES, _NAMES = "labels.npy", "labels.json"
"""What comparing is narrowed by: a row of numbers for each label, and what they stand for. Chroma keeps metadata."""

_NUMBER = re.compile(r"[0-9]{1,12}")

_LEAST_STEP = 2
"""Least number of writes that Chroma takes for a step; an index of one vector writes it twice."""

Labels = Mapping[str, Sequence[str]]
"""By the name of a label that of each vector."""


class Nearest(Protocol):
    """The vectors of an index, open for questions; safe to use from several threads."""

    def __len__(self) -> int:
        """How many there are."""

    def rank(self, vector: "Vectors", labelled: Mapping[str, str], limit: int) -> list[tuple[int, float]]:
        """Positions of the nearest vectors that have all of these labels, with their cosine, best first."""

    def take(self, positions: Sequence[int]) -> "Vectors":
        """Some of the vectors, one row for each."""

    def close(self) -> None:
        """Give files and memory back."""


def asks_chroma(count: int) -> bool:
    """Whether Chroma is asked for the nearest of so many vectors.

    Raises:
        SemanticUnavailable: OMS_KB_CHROMA_FROM is no number of passages.
    """
    wanted = os.environ.get("OMS_KB_CHROMA_FROM") or str(MANY)
    if not _NUMBER.fullmatch(wanted):
        raise SemanticUnavailable(
            f"OMS_KB_CHROMA_FROM is {wanted[:64]!r}; give from how many passages on Chroma is asked, such as {MANY}"
        )
    return count >= int(wanted)


def write_nearest(folder: Path, vectors: "Vectors", labels: Labels, *, chroma: bool) -> None:
    """Write what `open_nearest` needs beside the vectors."""
    import numpy as np  # noqa: PLC0415 - heavy, and only there with the semantic extra

    if chroma:
        _fill(folder, vectors, labels)
        return
    names = {name: [*dict.fromkeys(each)] for name, each in labels.items()}
    numbers = {name: {value: number for number, value in enumerate(values)} for name, values in names.items()}
    codes = [[numbers[name][value] for value in each] for name, each in labels.items()]
    np.save(folder / _CODES, np.array(codes, dtype=np.int32))
    (folder / _NAMES).write_text(json.dumps(names))


def open_nearest(folder: Path, width: int, *, chroma: bool) -> Nearest:
    """The vectors in a folder, each of so many numbers."""
    return _InChroma(folder, width) if chroma else _InMemory(folder, width)


class _InMemory:
    """All vectors are compared."""

    def __init__(self, folder: Path, width: int) -> None:
        import numpy as np  # noqa: PLC0415 - heavy, and only there with the semantic extra

        self._vectors: Vectors = np.fromfile(folder / VECTORS, dtype=np.float32).reshape(-1, width)
        self._names: dict[str, list[str]] = json.loads((folder / _NAMES).read_text())
        self._codes = dict(zip(self._names, np.load(folder / _CODES), strict=True))

    def __len__(self) -> int:
        return len(self._vectors)

    def rank(self, vector: "Vectors", labelled: Mapping[str, str], limit: int) -> list[tuple[int, float]]:
        import numpy as np  # noqa: PLC0415 - as above

        near = self._vectors @ vector
        found = np.arange(len(near))
        for name, value in labelled.items():
            code = self._names[name].index(value) if value in self._names[name] else -1
            found = found[self._codes[name][found] == code]
        near = near[found]
        if len(found) > limit:
            among = near >= np.partition(near, -limit)[-limit]
            found, near = found[among], near[among]
        best = np.argsort(-near, kind="stable")[:limit]
        return list(zip(found[best].tolist(), near[best].tolist(), strict=True))

    def take(self, positions: Sequence[int]) -> "Vectors":
        return self._vectors[list(positions)]

    def close(self) -> None:
        """Nothing is open; the memory goes with the last reader."""


class _InChroma:
    """Chroma knows which are near."""

    def __init__(self, folder: Path, width: int) -> None:
        self._rows = Rows(folder / VECTORS, "float32", width)
        self._lock = Lock()
        client = _client(folder)
        self._close = weakref.finalize(self, client.close)
        try:
            self._collection = client.get_collection(COLLECTION, embedding_function=None)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        with self._lock:
            return int(self._collection.count())

    def rank(self, vector: "Vectors", labelled: Mapping[str, str], limit: int) -> list[tuple[int, float]]:
        conditions: list[dict[str, Any]] = [{name: value} for name, value in labelled.items()]
        where = {"$and": conditions} if len(conditions) > 1 else conditions[0] if conditions else None
        with self._lock:
            found = self._collection.query(
                query_embeddings=[vector], n_results=limit, where=where, include=["distances"]
            )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(int(position), 1.0 - float(distance)) for position, distance in pairs]

    def take(self, positions: Sequence[int]) -> "Vectors":
        return self._rows.take((position, position + 1) for position in positions)

    def close(self) -> None:
        self._close()


def _fill(folder: Path, vectors: "Vectors", labels: Labels) -> None:
    """Put the vectors into Chroma."""
    with closing(_client(folder)) as client:
        # Chroma keeps the last vectors below this threshold in a log that every reader would fold into the index
        # again, writing to it: with all of them in one step the readers leave the index as it is.
        count, step = len(vectors), max(_LEAST_STEP, len(vectors))
        space = {"space": "cosine", "batch_size": step, "sync_threshold": step}
        collection = client.get_or_create_collection(COLLECTION, embedding_function=None, configuration={"hnsw": space})
        most = client.get_max_batch_size()
        for start in [*range(0, count, most), *([0] * (_LEAST_STEP - count))]:
            positions = range(start, min(start + most, count))
            collection.upsert(
                ids=[str(position) for position in positions],
                embeddings=vectors[start : start + most],
                metadatas=[{name: each[position] for name, each in labels.items()} for position in positions],
            )


def _client(folder: Path) -> Any:  # noqa: ANN401 - chromadb is optional, so untyped here
    import chromadb  # noqa: PLC0415 - heavy, and only there with the semantic extra
    from chromadb.config import Settings  # noqa: PLC0415

    return chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
