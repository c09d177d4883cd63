"""How is a database opened, and how long is waited for others who use it?"""

import random
import sqlite3
import time
from pathlib import Path

from oms_engine.errors import StoreBusy, StoreError, StoreUnavailable, shown
from oms_engine.storage import snapshots
from oms_engine.storage.failures import cannot_be_written, is_about_room, meaning
from oms_engine.storage.schema import Now, Refill, prepare

MEMORY = ":memory:"

BUSY_SECONDS = 5.0
"""How long one process waits for another."""

TURN = 0.02
"""Seconds that SQLite waits in one go; see `take_write_lock`."""


def path_of(url: str) -> str:
    """The file that a store URL names: `sqlite:///oms.db`, a plain path, or `:memory:`."""
    if "\0" in url or not url.strip():
        raise StoreUnavailable("the database has no usable name; give a path such as oms.db, or :memory:")
    scheme, found, rest = url.partition("://")
    if found and scheme != "sqlite":
        raise StoreUnavailable(f"no store is known for {shown(scheme)}; use sqlite:///PATH, a path, or :memory:")
    return (rest.removeprefix("/") if found else url) or MEMORY


def connected(
    path: str, *, in_memory: bool, refill: Refill | None, busy_seconds: float, synchronous: str, now: Now
) -> tuple[sqlite3.Connection, bool]:
    """A connection to a database of the present schema, and whether it can write.

    A write-protected folder has no room for the files of a log; where there is no log, the database itself is all there
    is, and can be read.
    """
    file = Path(path).absolute()
    name = path if in_memory else str(file)  # an absolute name is never read as an address
    try:
        connection = _prepared(name, in_memory=in_memory, refill=refill, busy_seconds=busy_seconds, now=now)
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if synchronous == 'NORMAL' else 'FULL'}")
    except sqlite3.Error as error:
        if in_memory or not cannot_be_written(error) or not file.is_file() or Path(f"{path}-wal").exists():
            raise
        return (
            _prepared(read_only(file), uri=True, in_memory=False, refill=None, busy_seconds=busy_seconds, now=now),
            False,
        )
    else:
        return connection, True


def read_only(file: Path, *, alone: bool = True) -> str:
    """The address of a file that is only read; `alone` where nobody writes to it, so that it needs no lock."""
    return f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"


def _prepared(
    address: str, *, in_memory: bool, refill: Refill | None, busy_seconds: float, now: Now, uri: bool = False
) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address,
        uri=uri,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        prepare(connection, in_memory=in_memory, refill=refill, now=now)
        if not in_memory:
            _patiently(connection, "PRAGMA journal_mode = WAL", busy_seconds)  # here SQLite itself may not wait
        if not uri:
            snapshots.settle(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def looking_at(file: Path) -> sqlite3.Connection:
    """A connection that sees the database as it is now, whatever is written meanwhile."""
    for alone in (False, True):
        connection = sqlite3.connect(
            read_only(file, alone=alone), uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            connection.close()
            if alone or not cannot_be_written(error):
                raise
        else:
            break
    return connection


def take_write_lock(connection: sqlite3.Connection, seconds: float) -> None:
    """Begin to write, as soon as no other process does.

    SQLite sleeps the longer the longer it has waited already, so that who comes late is first and some wait for many
    others. On a connection with a short timeout nobody sleeps long, and chance decides whose turn it is.

    Args:
        connection: With a timeout of a few milliseconds.
        seconds: How long to wait in all.
    """
    _patiently(connection, "BEGIN IMMEDIATE", seconds)


def _patiently(connection: sqlite3.Connection, sql: str, seconds: float) -> None:
    """Run a statement as soon as no other process keeps it from running."""
    until = time.monotonic() + seconds
    while True:
        try:
            connection.execute(sql)
        except sqlite3.OperationalError as error:
            if not isinstance(meaning(error), StoreBusy) or time.monotonic() >= until:
                raise
            time.sleep(random.random() * TURN / 10)  # noqa: S311 - whose turn it is is no secret
        else:
            return


def be_patient(connection: sqlite3.Connection, seconds: float) -> None:
    """How long SQLite itself waits for another process."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1_000)}")


def unusable(path: str, error: sqlite3.Error) -> StoreError:
    """The error of ours for a database that could not be opened."""
    said = meaning(error)
    if isinstance(said, StoreBusy):
        return StoreBusy(f"another process holds the write lock of {shown(path)}; try again")
    words, remedy, lasts = str(said), said.remedy, said.lasts
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
        remedy = "restore a backup, or name another file"
        words = f"it is no SQLite file, or its beginning is damaged; it was left as it was. {_sentence(remedy)}"
    elif is_about_room(error):
        remedy = "free some space and try again; the database itself may be sound"
        words = f"the disk is full or failed, so the file cannot be opened; {remedy}"
    return StoreUnavailable(f"{shown(path)} cannot be used as a database: {words}", remedy=remedy, lasts=lasts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def file_of(connection: sqlite3.Connection) -> str:
    """The full name of the file of a connection; empty for one to memory."""
    return str(connection.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0])


PARTS = ("", "-wal", "-shm", "-journal")
"""Ends of the names of a database and of the files that SQLite keeps beside it."""


def belongs_to(database: str, path: Path) -> bool:
    """Is this path, by whatever name, the file of a database or one that SQLite keeps beside it?"""
    if not database:
        return False
    parts = [Path(database + end) for end in PARTS]
    return any(path.resolve() == part.resolve() or _same(path, part) for part in parts)


def _same(path: Path, part: Path) -> bool:
    return path.exists() and part.exists() and path.samefile(part)


_READ_CACHE = 16_384
"""KiB of pages that a reader keeps: the inner ones of every tree of a store with millions of orders."""


def reader_of(connection: sqlite3.Connection, busy_seconds: float) -> sqlite3.Connection:
    """Another connection to the same file, which only reads."""
    reader = sqlite3.connect(
        f"{Path(file_of(connection)).as_uri()}?mode=rw",  # a file that is gone is not made anew
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    reader.execute("PRAGMA query_only = ON")
    reader.execute(f"PRAGMA cache_size = -{_READ_CACHE}")
    return reader
