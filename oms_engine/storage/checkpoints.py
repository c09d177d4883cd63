"""How far is each projection, and which streams does it wait with because one of their events failed?"""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

MAX_ERROR = 2_000
"""Characters of an error that are kept."""


class Parked(NamedTuple):
    """A stream that a projection waits with: from the event at this position on nothing of it was applied."""

    stream_id: str
    position: int
    error: str
    attempts: int
    parked_at: str


def position_of(connection: sqlite3.Connection, projection: str) -> int:
    """The position up to which a projection has applied, or parked, every event; 0 before the first."""
    row = connection.execute("SELECT position FROM projections WHERE name = ?", (projection,)).fetchone()
    return int(row[0]) if row else 0


def move(connection: sqlite3.Connection, projection: str, position: int) -> None:
    """Set how far a projection is, in the transaction of what it applied."""
    connection.execute(
        "INSERT INTO projections (name, position) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET position = excluded.position",
        (projection, position),
    )


def rebuilt(connection: sqlite3.Connection, projection: str, position: int, at: str) -> None:
    """Note that a projection was written anew up to this position."""
    move(connection, projection, position)
    connection.execute("UPDATE projections SET rebuilt_at = ? WHERE name = ?", (at, projection))


def rebuilt_at(connection: sqlite3.Connection, projection: str) -> str | None:
    """When a projection was last written anew."""
    row = connection.execute("SELECT rebuilt_at FROM projections WHERE name = ?", (projection,)).fetchone()
    return row[0] if row else None


def known(connection: sqlite3.Connection) -> list[str]:
    """The projections that this file has seen, also those of programs that are not running."""
    rows = connection.execute("SELECT name FROM projections UNION SELECT projection FROM parked_events ORDER BY 1")
    return [row[0] for row in rows]


def parked(connection: sqlite3.Connection, projection: str) -> dict[str, Parked]:
    """Stream -> why the projection waits with it, in order of position."""
    rows = connection.execute(
        "SELECT stream_id, position, error, attempts, parked_at FROM parked_events WHERE projection = ? "
        "ORDER BY position",
        (projection,),
    )
    return {row[0]: Parked(*row) for row in rows}


def park(connection: sqlite3.Connection, projection: str, streams: Iterable[Parked]) -> None:
    """Let streams wait, in the transaction in which they failed."""
    connection.executemany(
        "INSERT OR REPLACE INTO parked_events (projection, stream_id, position, error, attempts, parked_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [(projection, *each._replace(error=each.error[:MAX_ERROR])) for each in streams],
    )


def release(connection: sqlite3.Connection, projection: str, stream_id: str | None = None) -> None:
    """Let a stream, or all, wait no longer."""
    chosen, values = ("", ()) if stream_id is None else (" AND stream_id = ?", (stream_id,))
    connection.execute(f"DELETE FROM parked_events WHERE projection = ?{chosen}", (projection, *values))  # noqa: S608 - own words


def last_position(connection: sqlite3.Connection) -> int:
    """The position of the last event; 0 in an empty store."""
    return int(connection.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()[0])
