"""How is a real book copied, so that things can be tried on it and its file stays as it is, byte for byte?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oms_engine import Engine
    from oms_engine.simulation.run import Script

_PAGES = 1_000
"""Pages that are copied in one step, between two signs of progress."""


@contextmanager
def copied(against: str, settings: Mapping[str, Any], script: "Script") -> Iterator["Engine"]:
    """An engine over a copy of a database; the copy is gone afterwards, and nobody is told what happens to it.

    The file itself is only read: what a newer version would change in it is changed in the copy.

    Args:
        against: The database.
        settings: Those that hold on the copy, beside what is set in it.
        script: Its clock, which is set behind the last event of the copy, and its ids.
    """
    from oms_engine import Engine
    from oms_engine.errors import StoreUnavailable
    from oms_engine.simulation.run import SESSION

    file = _book(against)
    with TemporaryDirectory(prefix="oms-") as folder:
        copy = Path(folder) / file.name
        _copy(file, copy)
        try:
            engine = Engine.open(
                str(copy),
                settings=settings,
                clock=script.clock,
                new_id=script.new_id,
                session_id=SESSION,
                keep_settings=False,
            )
        except StoreUnavailable as error:
            told = str(error).replace(str(copy), str(file))
            raise StoreUnavailable(told, remedy=error.remedy, lasts=error.lasts) from None
        with engine:
            _set_behind(engine, script)
            yield engine


def _book(against: str) -> Path:
    """The file of a database; raises Misuse when there is none."""
    from oms_engine.errors import shown
    from oms_mcp.inputs import Misuse, database_file, required_database

    file = database_file(against)
    if file is None or not file.is_file():
        told = f"--against {shown(against)} is no database that exists; name the file of one"
        raise Misuse(told, "name a database that exists")
    return Path(required_database(str(file), "simulate"))


def _copy(file: Path, target: Path) -> None:
    """Copy a database as it is at this moment, through a connection that only reads."""
    from oms_engine.storage.connections import unusable
    from oms_mcp.printing import terminal

    try:
        with (
            terminal.progress("copying") if _is_large(file) else _in_silence() as progress,
            closing(_reading(file)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy, pages=_PAGES, progress=lambda _status, left, every: progress(every - left, every))
    except sqlite3.Error as error:
        raise unusable(str(file), error) from None


def _reading(file: Path) -> sqlite3.Connection:
    """A connection that leaves the file as it is, and nothing beside it that was not there.

    Where a log stands beside the file, closing a connection that may write could move it into the file. Where none
    does, only such a connection takes away again what it needed itself.
    """
    from oms_engine.storage.connections import looking_at

    if file.with_name(f"{file.name}-wal").exists():
        return looking_at(file)
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        return looking_at(file)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


_LARGE = 20_000_000
"""Bytes from which copying takes so long that it is told."""


def _is_large(file: Path) -> bool:
    return file.stat().st_size > _LARGE


@contextmanager
def _in_silence() -> Iterator[Any]:
    yield lambda _done, _every: None


def _set_behind(engine: "Engine", script: "Script") -> None:
    """Nothing happens on a copy before what happened there already."""
    from oms_engine.domain.events import StoredEvent
    from oms_engine.simulation.run import TICK

    newest = engine.query(entity="event", size=1).content
    if newest and isinstance(newest[0], StoredEvent):
        script.set_clock(newest[0].recorded_at + TICK)
