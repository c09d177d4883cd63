"""What does an error of SQLite mean to whoever gets it, and what is the way out? No SQL and no path leaves with it."""

import sqlite3
from collections.abc import Mapping

from oms_engine.errors import StoreBusy, StoreError, StoreRolledBack, StoreUnavailable

_PRIMARY = 0xFF
"""The low byte of an extended result code is the primary one."""

_MOVED: tuple[type[StoreError], str] = (
    StoreUnavailable,
    "the database file was moved, removed or replaced while it was open; start this program again with the file meant",
)

_BUSY: tuple[type[StoreError], str] = (
    StoreBusy,
    "another process holds the write lock of the database; send the command again",
)

_DAMAGED: tuple[type[StoreError], str] = (
    StoreUnavailable,
    "the database file is damaged; stop the programs that use it, run oms verify, and restore a backup",
)
_AFTER_DAMAGE = "stop the programs that use it, run oms verify on a copy, and restore a backup"

_CLOSED: tuple[type[StoreError], str] = (StoreUnavailable, "the engine is closed; open the store again")

_UNUSABLE: tuple[type[StoreError], str] = (StoreUnavailable, "the database could not be read or written")

_ROOM = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
}
"""Codes of a disk that is full: of the file, its log, and the index of the log."""

_MEANINGS: Mapping[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_CONSTRAINT: (StoreRolledBack, "the database refused a row; everything was rolled back"),
    sqlite3.SQLITE_FULL: (
        StoreRolledBack,
        "the disk of the database is full, so nothing of this was stored; free some space, then send it again",
    ),
    sqlite3.SQLITE_READONLY: (
        StoreUnavailable,
        "the database can be read but not written: file or folder is write-protected; allow writing, or use a copy",
    ),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: (
        StoreUnavailable,
        "the disk failed while the database was read or written; check the disk, then run oms verify",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreUnavailable,
        "the database file cannot be opened; its folder must exist, and this program may have to read and write in it",
    ),
}
"""Primary result code -> the error of ours, and what it says."""


def meaning(error: sqlite3.Error) -> StoreError:
    """The error of ours that says what an error of SQLite means."""
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return _CLOSED[0](_CLOSED[1])
    code = getattr(error, "sqlite_errorcode", 0)
    kind, words = _MOVED if code == sqlite3.SQLITE_READONLY_DBMOVED else _MEANINGS.get(code & _PRIMARY, _UNUSABLE)
    if (kind, words) == _DAMAGED:
        return kind(words, remedy=_AFTER_DAMAGE, lasts=True)
    return kind(words)


def is_about_room(error: sqlite3.Error) -> bool:
    """Does it say that something could not be written, so that the disk may be full?"""
    return getattr(error, "sqlite_errorcode", 0) in _ROOM


def cannot_be_written(error: sqlite3.Error) -> bool:
    """Does it say that file or folder are write-protected, so that reading may still work?"""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    return code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


class _Translated:
    """SQLite's errors as ours; a class, because a generator costs as much as a statement."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise meaning(error) from error


TRANSLATED = _Translated()
"""What every access to the database is wrapped in."""
