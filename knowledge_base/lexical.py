"""Which chunks share words with a question? An FTS5 index in memory, made once for each state of the documents.

Whatever the user writes is quoted term by term, so no text can be read as FTS5 syntax.
"""

import math
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor

from knowledge_base.prose import asked, fenced, prose
from knowledge_base.sections import Chunk, Document
from knowledge_base.spelling import meant, words_of

_KEPT_WEIGHTS = 10_000
"""Terms whose weight is remembered: questions share most of their words."""

MAX_TERMS = 64
"""Terms of a question that are looked up; a thousand characters of prose hold more than anyone means."""

_STOP_TEXT = """
a about after all also am an and any are as at be because been before being but by can could did do does doing
done for from get gets give given had has have having he her here him his how i if in into is it its just let
like may me might more most my need no nor of on or our out over own please say she should so some such tell
than that the their them then there these they this those to too under until up us use very want was we were
what when where whether which while who whom whose why will with would you your
"""
STOP_WORDS = frozenset(_STOP_TEXT.split())
"""English words that say nothing about the subject; not, only, between, once and again stay, they carry rules."""

_TERM = re.compile(r"\w+(?:[-./']\w+)*")
_SCHEMA = """
CREATE VIRTUAL TABLE chunks
USING fts5(title, breadcrumb, body, asked, code, tokenize = "porter unicode61 remove_diacritics 2");
CREATE TABLE vocabulary (word TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""
_LIKE = "SELECT word, count FROM vocabulary WHERE word >= ? AND word < ? AND length(word) BETWEEN ? AND ?"
_RANKED = """
SELECT rowid - 1, -bm25(chunks, 4.0, 1.0, 1.0, 1.0, 0.2) FROM chunks WHERE chunks MATCH ? ORDER BY 2 DESC, 1 LIMIT ?
"""


def terms_of(query: str) -> list[str]:
    """The words of a question that matter, in order and without repeats; all its words when none matters."""
    words = [word for word in (match.strip("_") for match in _TERM.findall(query.lower())) if word]
    wanted = [word for word in words if word not in STOP_WORDS] or words
    return list(dict.fromkeys(wanted))[:MAX_TERMS]


class LexicalIndex:
    """The words of all chunks; safe to use from several threads.

    Args:
        documents: whose chunks they are.
        kept: what `image` has given for the same documents; their words need not be read again.
    """

    def __init__(self, documents: Sequence[Document], kept: bytes = b"") -> None:
        self._lock = threading.Lock()
        self._weights: dict[str, tuple[float, bool]] = {}
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="knowledge-base-words")
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        chunks = [chunk for document in documents for chunk in document.chunks]
        self._size = len(chunks)
        if kept:
            self._connection.deserialize(kept)
            return
        self._connection.executescript(_SCHEMA)
        rows = [_columns(chunk) for chunk in chunks]
        words = Counter(word for *texts, _ in rows for text in texts for word in words_of(text))
        with self._connection:
            self._connection.executemany(
                "INSERT INTO chunks (title, breadcrumb, body, asked, code) VALUES (?, ?, ?, ?, ?)", rows
            )
            self._connection.executemany("INSERT INTO vocabulary VALUES (?, ?)", words.items())
            self._connection.execute("INSERT INTO chunks (chunks) VALUES ('optimize')")  # one tree instead of several

    def image(self) -> bytes:
        """The index as bytes."""
        with self._lock:
            return self._connection.serialize()

    def rank(self, query: str, allowed: AbstractSet[int] | None, limit: int) -> list[tuple[int, float]]:
        """Positions of chunks with their scores, best first; only those in `allowed` unless it is None."""
        terms = terms_of(query)
        if not terms:
            return []
        rows = self._rows(_RANKED, (" OR ".join(map(_quoted, terms)), limit if allowed is None else self._size))
        return [(row, score) for row, score in rows if allowed is None or row in allowed][:limit]

    def begin(self, query: str, allowed: AbstractSet[int] | None, limit: int) -> Future[list[tuple[int, float]]]:
        """Begin to `rank` while the caller does something else; SQLite and the model both leave Python to others."""
        return self._beside.submit(self.rank, query, allowed, limit)

    def known_share(self, query: str) -> float:
        """Which share of a question's words the corpus knows, 0 to 1, rare words counting more."""
        weights = [self._weight(term) for term in terms_of(query)]
        total = sum(weight for weight, _ in weights)
        return sum(weight for weight, known in weights if known) / total if total else 0.0

    def corrections(self, query: str) -> dict[str, str]:
        """For words of a question that no chunk has, the words that seem to be meant."""
        unknown = [word for word in terms_of(query) if words_of(word) == [word] and not self._weight(word)[1]]
        found = ((word, meant(word, self._alike(word))) for word in unknown)
        return {word: other for word, other in found if other is not None}

    def _alike(self, word: str) -> list[tuple[str, int]]:
        """Words with the same first letter and about as many letters, with how often each occurs."""
        first = word[0]
        bounds = (first, chr(ord(first) + 1), len(word) - 1, len(word) + 1)
        with self._lock:
            return self._connection.execute(_LIKE, bounds).fetchall()

    def close(self) -> None:
        """Give the memory back."""
        self._beside.shutdown()
        with self._lock:
            self._connection.close()

    def _weight(self, term: str) -> tuple[float, bool]:
        """How rare a term is, and whether any chunk has it."""
        known = self._weights.get(term)
        if known is None:
            if len(self._weights) >= _KEPT_WEIGHTS:
                self._weights.clear()
            known = self._weights[term] = self._weighed(term)
        return known

    def _weighed(self, term: str) -> tuple[float, bool]:
        ((count, _),) = self._rows("SELECT count(*), 0.0 FROM chunks WHERE chunks MATCH ?", (_quoted(term),))
        return math.log(1 + (self._size - count + 0.5) / (count + 0.5)), count > 0

    def _rows(self, sql: str, parameters: tuple[object, ...]) -> list[tuple[int, float]]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()


def _quoted(term: str) -> str:
    return f'"{term}"'


def _columns(chunk: Chunk) -> tuple[str, str, str, str, str]:
    """What is weighed apart; an example in a fenced block counts little, it repeats the words of every other one."""
    titles = " / ".join(part.section.title for part in chunk.parts)
    breadcrumb = " / ".join(chunk.main.section.breadcrumb[:-1])
    return titles, breadcrumb, prose(chunk.text), "; ".join(asked(chunk.text)), fenced(chunk.text)
