"""How is a store copied while it is used, into a file or into memory, and made as small as it can be?"""

import os
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from oms_engine.domain.catalogue import refused_value
from oms_engine.errors import StoreRolledBack, StoreUnavailable, shown
from oms_engine.record import Record
from oms_engine.storage.connections import PARTS, belongs_to
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.failures import TRANSLATED
from oms_engine.storage.past import take_back
from oms_engine.storage.projections import Progress

_PAGES = 1_000
"""Pages that are copied in one step, between two signs of progress."""

_SQLITE = b"SQLite format 3\0"
"""What the file of a database begins with (SQLite file format, 1.3)."""

_COUNTED = ("events", "commands", "orders", "executions")


class Backup(Record):
    """A copy that was made and looked at: its size in bytes, its rows, and the position of its last event."""

    size: int
    counts: dict[str, int]
    last_position: int


class Compacted(Record):
    """The size of file and log in bytes before and after; `log_kept` when readers kept the log from being emptied."""

    before: int
    after: int
    log_kept: bool


def place_of(target: Path, *, force: bool, over_database: bool = False) -> Path:
    """Where a file is to stand: the target, or the file that a link leads to.

    Args:
        target: As it was named.
        force: A file that is there may be replaced.
        over_database: Also a database; nobody else's file is worth one.

    Raises:
        StoreUnavailable: Nothing may be written there.
    """
    place = target.resolve()
    if not place.parent.is_dir():
        raise StoreUnavailable(f"the folder of {shown(str(target))} does not exist; create it first")
    if place.is_dir():
        raise StoreUnavailable(f"{shown(str(target))} is a folder; name a file in it")
    if place.exists() and not force:
        raise StoreUnavailable(f"{shown(str(target))} exists; choose another name, or replace it with --force")
    if place.exists() and not place.is_file():
        raise StoreUnavailable(f"{shown(str(target))} is a device or a pipe, no file; name a file")
    if not over_database and _is_database(place):
        raise StoreUnavailable(f"{shown(str(target))} is a database, which is not replaced; name another file")
    return place


def _is_database(file: Path) -> bool:
    """Is there a database, or what SQLite keeps beside one?"""
    return any(_begins_as_one(file.with_name(file.name.removesuffix(end))) for end in PARTS if file.name != end)


def _begins_as_one(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


@contextmanager
def placed(target: Path, *, force: bool, over_database: bool = False) -> Iterator[Path]:
    """A file beside the target to write to, which takes its place when all went well, and is removed otherwise.

    Args:
        target: As for `place_of`.
        force: As for `place_of`.
        over_database: As for `place_of`.

    Raises:
        StoreUnavailable: Nothing may be written there, or it cannot be.
    """
    target = place_of(target, force=force, over_database=over_database)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.touch(exist_ok=False)
        yield partial
        _flush(partial)
        partial.replace(target)
        _flush(target.parent)
    except OSError as error:
        raise StoreUnavailable(f"{shown(str(target))} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Let what was written reach the disk; of a folder the names in it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def backup(
    store: EventStore, target: Path, *, force: bool = False, progress: Progress = lambda _done, _all: None
) -> Backup:
    """Copy a store as it is at this moment into a file of its own; writers go on meanwhile.

    Args:
        store: The store.
        target: The copy. It is put in its place when it is complete and was found sound.
        force: Replace a target that is there.
        progress: Told how many pages were copied, and how many there are.

    Raises:
        StoreError: The target is there, is the store itself or in use, or cannot be written; nothing was left behind.
    """
    require_apart(store, target)
    with placed(target, force=force, over_database=True) as partial:
        with store.apart() as source:
            should = _counts(source)
            with _room_for_copy(), closing(sqlite3.connect(partial, isolation_level=None)) as copy:
                source.backup(copy, pages=_PAGES, progress=lambda _status, left, all_: progress(all_ - left, all_))
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
                sound = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
                have = _counts(copy)
        if sound != "ok" or have != should:
            raise StoreRolledBack(
                "the copy is not what was copied and was removed again; run oms verify, check the disk, and try again"
            )
        size = partial.stat().st_size
    return Backup(size=size, counts={name: have[name] for name in _COUNTED}, last_position=have["last"])


LARGEST_IN_MEMORY = 256_000_000
"""Bytes of a store that is copied into memory."""


def in_memory(store: EventStore, as_of: str, now: datetime, progress: Progress) -> EventStore:
    """Copy a store into memory, as it is or as it was at a moment; nobody is told what happens to the copy.

    Args:
        store: The store.
        as_of: A position or a time; the present when empty.
        now: The time by the clock.
        progress: Told how many pages were copied, and how many there are; what it raises ends the copying.

    Raises:
        Refused: OMS-VAL-005 the store is larger, or has no such position; OMS-VAL-004 no moment of a whole store.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        with store.apart() as source:
            _require_small(source)
            source.backup(copy, pages=_PAGES, progress=lambda _status, left, all_: progress(all_ - left, all_))
        with TRANSLATED:
            for table in ("outbox", "sinks"):
                copy.execute(f"DELETE FROM {table}")  # noqa: S608 - own names
            if as_of:
                take_back(copy, as_of, now, lambda: progress(1, 1))
        return EventStore(copy, in_memory=True, snapshot_every=store.snapshot_every)
    except BaseException:
        copy.close()
        raise


def _require_small(source: sqlite3.Connection) -> None:
    (size,) = source.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
    if size > LARGEST_IN_MEMORY:
        raise refused_value(
            "base",
            f"the store has {size:,} bytes, and at most {LARGEST_IN_MEMORY:,} are copied into memory; "
            "begin with an empty store, or preview single commands with dry_run",
            "OMS-VAL-005",
        )


@contextmanager
def _room_for_copy() -> Iterator[None]:
    try:
        with TRANSLATED:
            yield
    except StoreRolledBack as error:
        raise StoreRolledBack("the disk has no room for the copy; free some space, or copy to another disk") from error


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    counts = {name: int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in _COUNTED}  # noqa: S608 - own names
    return {**counts, "last": int(connection.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()[0])}


def require_apart(store: EventStore, target: Path) -> None:
    """Refuse a target that is a file of this store, by whatever name, or of a database that is in use.

    Raises:
        StoreUnavailable: It is one; nothing was touched.
    """
    name = shown(str(target))
    if belongs_to(store.file, target):
        raise StoreUnavailable(f"{name} is the store itself, or a file beside it that it needs; choose another name")
    if Path(f"{target}-wal").exists():
        raise StoreUnavailable(
            f"{name} is open in another program, or was not closed; close it, or choose another name"
        )
    database = re.sub("-(wal|shm|journal)$", "", str(target))
    if database != str(target) and Path(database).exists():
        raise StoreUnavailable(f"{name} belongs to the database {shown(database)}; choose another name")


def compact(store: EventStore) -> Compacted:
    """Empty the log into the file and give unused pages back to the disk.

    Raises:
        StoreBusy: Another process writes; nothing was changed.
        StoreRolledBack: The disk has no room for the second copy that this needs for a while.
    """
    before = _size(store)
    with store.alone() as connection:
        connection.execute("VACUUM")
        busy = _log_is_kept(connection)
    return Compacted(before=before, after=_size(store), log_kept=busy)


def _log_is_kept(connection: sqlite3.Connection) -> bool:
    """Empty the log, unless somebody reads it; nobody is waited for."""
    patience = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")


def _size(store: EventStore) -> int:
    if not store.file:
        raise StoreUnavailable("a store in memory has no file; there is nothing to compact")
    return sum(path.stat().st_size for path in (Path(store.file), Path(f"{store.file}-wal")) if path.exists())
