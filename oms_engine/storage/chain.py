"""Was an event changed behind our back? Each hash covers one event and the hash before it.

Chaining starts where the setting `store.hashChain` is first on. From then on it is a fact of the file, kept in
`store_facts`, and every process that appends continues it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence

from oms_engine.errors import StoreUnavailable

FROM = "chainFrom"
"""Name of the fact: the position of the first event that is chained."""

START = bytes(32)
"""What stands in place of a hash before the first one."""

Row = Sequence[object]
"""An event as it stands in `events`: position, stream, version, type, and so on to the time it was recorded."""


def link(before: bytes, row: Row) -> bytes:
    """The hash of an event: SHA-256 of the hash before it and of its row as JSON, in the order of the columns."""
    content = json.dumps([*row], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(before + content.encode()).digest()


def chained_from(connection: sqlite3.Connection) -> int | None:
    """The position from which events are chained; None where they are not."""
    found = connection.execute("SELECT value FROM store_facts WHERE name = ?", (FROM,)).fetchone()
    return int(found[0]) if found else None


def head(connection: sqlite3.Connection) -> tuple[int, bytes] | None:
    """Position and hash of the last event that is chained; None where none is."""
    found = connection.execute("SELECT position, hash FROM chain ORDER BY position DESC LIMIT 1").fetchone()
    return (int(found[0]), bytes(found[1])) if found else None


def begin(connection: sqlite3.Connection, first: int) -> int:
    """Chain the events from this position on, inside the transaction that is open; a chain that is there stays.

    Returns:
        The position from which events are chained.
    """
    connection.execute("INSERT OR IGNORE INTO store_facts (name, value) VALUES (?, ?)", (FROM, str(first)))
    return chained_from(connection) or first


class Chain:
    """The chain as a writer continues it, inside the transaction that is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._from: int | None = None

    def starts_at(self, fact: str | None) -> None:
        """A transaction begins; this is what `store_facts` says of the chain."""
        self._from = None if fact is None else int(fact)

    def extend(self, rows: Sequence[Row]) -> None:
        """Chain these rows, which were just appended; nothing where no chain has begun yet."""
        if self._from is None or int(str(rows[0][0])) < self._from:
            return
        before = self._before(int(str(rows[0][0])))
        links = []
        for row in rows:
            before = link(before, row)
            links.append((row[0], before))
        self._connection.executemany("INSERT INTO chain (position, hash) VALUES (?, ?)", links)

    def _before(self, first: int) -> bytes:
        if first == self._from:
            return START
        found = self._connection.execute("SELECT hash FROM chain WHERE position = ?", (first - 1,)).fetchone()
        if found is None:
            raise StoreUnavailable(
                f"the hash chain has no link for event {first - 1}, so the file was changed from outside; "
                "run oms verify and restore a backup"
            )
        return bytes(found[0])
