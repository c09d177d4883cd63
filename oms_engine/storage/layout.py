"""How do new tables take the place of old ones in one moment, while others read and write?

They are made beside the old ones under a prefix, and change names with them in one short transaction. SQLite cannot
rename an index, and quotes the name of a table that it renames; so the names are changed where SQLite keeps them, and
afterwards the schema is letter for letter that of a new store.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from typing import NamedTuple

BESIDE = "rebuilt_"
"""Prefix of tables and indexes that are being written."""

FORMER = "former_"
"""Prefix of those whose place was taken; they are dropped next."""

_OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('table', 'index')"


class Piece(NamedTuple):
    """A table or an index; one that SQLite made for a UNIQUE has no text."""

    kind: str
    name: str
    table: str
    sql: str | None

    def named(self, prefix: str) -> "Piece":
        """The same under a prefix; raises ValueError when its text has a form that cannot be renamed."""
        table = prefix + self.table
        if self.sql is None:
            return self._replace(name=self.name.replace(self.table, table, 1), table=table)
        if self.kind == "table":
            pattern, names = rf"(CREATE TABLE [\"`\[]?){re.escape(self.name)}(?!\w)", rf"\g<1>{table}"
        else:
            pattern = (
                rf"(CREATE (?:UNIQUE )?INDEX [\"`\[]?){re.escape(self.name)}"
                rf"([\"`\]]?\s+ON\s+[\"`\[]?){re.escape(self.table)}(?!\w)"
            )
            names = rf"\g<1>{prefix}{self.name}\g<2>{table}"
        sql, found = re.subn(pattern, names, self.sql, count=1, flags=re.IGNORECASE)
        if not found:
            raise ValueError(f"the {self.kind} {self.name} is written in a form that cannot be renamed")
        return Piece(self.kind, prefix + self.name, table, sql)


class Layout(NamedTuple):
    """The tables of a projection with their indexes, as a script makes them."""

    tables: tuple[Piece, ...]
    indexes: tuple[Piece, ...]
    automatic: tuple[Piece, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(table.name for table in self.tables)

    def standing(self, connection: sqlite3.Connection) -> bool:
        """Is there any of the tables?"""
        return bool(self._present(connection))

    def stands(self, connection: sqlite3.Connection) -> bool:
        """Are the tables and indexes there as the script makes them?"""
        return {*self.tables, *self.indexes, *self.automatic} <= set(self._present(connection))

    def create(self, connection: sqlite3.Connection) -> None:
        """Create the tables with their indexes under their own names, inside the transaction that is open."""
        for piece in (*self.tables, *self.indexes):
            connection.execute(piece.sql or "")

    def create_beside(self, connection: sqlite3.Connection) -> None:
        """Create the tables beside, without their indexes, inside the transaction that is open."""
        for table in self.tables:
            connection.execute(table.named(BESIDE).sql or "")

    def create_index_beside(self, connection: sqlite3.Connection, index: Piece) -> None:
        """Create one index of a table beside, inside the transaction that is open."""
        connection.execute(index.named(BESIDE).sql or "")

    def swap(self, connection: sqlite3.Connection) -> None:
        """Give the tables beside the names of those that are there, inside the transaction that is open.

        Afterwards, when the transaction is committed, `reread` has to be called for this connection. Others notice.
        """
        connection.execute("PRAGMA writable_schema = ON")
        for old in self._present(connection):
            try:
                _rename(connection, old, old.named(FORMER))
            except ValueError:  # an index that was made by hand, in a form of its own
                connection.execute(f"DROP {old.kind} {_quoted(old.name)}")
        for new in (*self.tables, *self.indexes, *self.automatic):
            _rename(connection, new.named(BESIDE), new)
        version = connection.execute("PRAGMA schema_version").fetchone()[0]
        connection.execute(f"PRAGMA schema_version = {version + 1}")

    def _present(self, connection: sqlite3.Connection) -> list[Piece]:
        """What stands under the names of the tables."""
        marks = ", ".join("?" * len(self.names))
        rows = connection.execute(f"{_OBJECTS} AND tbl_name IN ({marks}) ORDER BY type DESC", self.names)
        return [Piece(*row) for row in rows.fetchall()]

    def leftovers(self, connection: sqlite3.Connection, *prefixes: str) -> list[str]:
        """The tables of a rebuild that was not finished, or those whose place was taken."""
        wanted = [prefix + name for prefix in prefixes for name in self.names]
        marks = ", ".join("?" * len(wanted))
        rows = connection.execute(
            f"SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({marks}) ORDER BY name",  # noqa: S608 - marks
            wanted,
        )
        return [row[0] for row in rows.fetchall()]


def reread(connection: sqlite3.Connection) -> None:
    """Let a connection read the names anew that it has changed; outside any transaction."""
    connection.execute("PRAGMA writable_schema = RESET")


def drop_table(connection: sqlite3.Connection, name: str) -> None:
    """Drop a table with its indexes."""
    connection.execute(f"DROP TABLE IF EXISTS {_quoted(name)}")


@cache
def layout_of(script: str) -> Layout:
    """What a script creates; raises ValueError when that is not tables with their indexes alone."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch:
        try:
            scratch.executescript(script)
        except sqlite3.Error as error:
            raise ValueError(f"the schema cannot be read: {error}") from error
        pieces = [Piece(*row) for row in scratch.execute(f"{_OBJECTS} ORDER BY rowid")]
        others = scratch.execute("SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')").fetchall()
    if others or not pieces or any(piece.name == "sqlite_sequence" for piece in pieces):
        raise ValueError("a schema has tables with their indexes and nothing else: no view, trigger or AUTOINCREMENT")
    for piece in pieces:
        piece.named(BESIDE)
    return Layout(
        tables=_chosen(pieces, "table", made=True),
        indexes=_chosen(pieces, "index", made=True),
        automatic=_chosen(pieces, "index", made=False),
    )


def _chosen(pieces: Sequence[Piece], kind: str, *, made: bool) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if piece.kind == kind and (piece.sql is not None) == made)


def _rename(connection: sqlite3.Connection, old: Piece, new: Piece) -> None:
    connection.execute(
        "UPDATE sqlite_master SET name = ?, tbl_name = ?, sql = ? WHERE type = ? AND name = ?",
        (new.name, new.table, new.sql, old.kind, old.name),
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
