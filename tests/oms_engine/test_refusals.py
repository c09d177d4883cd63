"""What happens when a file cannot be used as it is? A clear sentence, and the file stays as it was, byte for byte."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from oms_engine import Engine, StoreError
from oms_engine.engine import random_id
from oms_engine.errors import StoreBusy, StoreRolledBack, StoreUnavailable
from oms_engine.storage import connections
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.failures import TRANSLATED, meaning
from oms_engine.storage.projections import refill
from tests.oms_engine.desk import Desk
from tests.oms_engine.test_migration import SCRIPT

NOBODY = 65_534


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user to whom permissions apply; root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may read."""
    with tempfile.TemporaryDirectory(prefix="oms-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
        Path(name).chmod(0o755)


def written(path: Path, state: str = "PART") -> bytes:
    desk = Desk(str(path))
    desk.given(state)
    desk.engine.close()
    return path.read_bytes()


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o777), (0o444, 0o555), (0o666, 0o555)])
def test_what_is_write_protected_can_be_read_and_says_so_when_written(
    file_mode: int, folder_mode: int, folder: Path
) -> None:
    path = folder / "oms.db"
    before = written(path)
    path.chmod(file_mode)
    folder.chmod(folder_mode)
    with without_rights():
        with Engine.open(str(path)) as engine:
            assert engine.find("o1").state == "LIVE"
            assert engine.verify().sound
            assert len(engine.history("o1")) == 4
            result = engine.execute({"type": "OrderExpireCmd", "orderId": "o1"})
            with pytest.raises(StoreUnavailable, match="can be read but not written"):
                engine.rebuild()
            with pytest.raises(StoreUnavailable, match="can be read but not written"):
                engine.compact()
        with pytest.raises(StoreUnavailable, match="can be read but not written"):
            Engine.open(str(path), settings={"store.hashChain": "on"})
    assert result.error is not None
    assert result.error.error_code == "OMS-DATA-002"
    assert "allow writing, or use a copy" in result.error.detail
    assert path.read_bytes() == before
    folder.chmod(0o755)
    path.chmod(0o644)
    with Engine.open(str(path)) as engine:
        assert engine.execute({"type": "OrderExpireCmd", "orderId": "o1"}).ok


def test_a_write_protected_store_in_use_is_read_with_its_log(folder: Path) -> None:
    path = folder / "oms.db"
    writer = Desk(str(path))
    writer.given("PART")
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    with without_rights(), Engine.open(str(path)) as engine:
        assert engine.find("o1").state == "LIVE"
        writer.ok("OrderExpireCmd", orderId="o1")
        assert engine.find("o1").state == "EXP"
    writer.engine.close()


def test_a_write_protected_file_of_an_older_schema_says_that_it_has_to_be_written(folder: Path) -> None:
    path = folder / "oms.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    before = path.read_bytes()
    path.chmod(0o444)
    folder.chmod(0o555)
    with without_rights(), pytest.raises(StoreUnavailable, match="can be read but not written"):
        Engine.open(str(path))
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_gets_no_store(folder: Path) -> None:
    folder.chmod(0o555)
    with without_rights(), pytest.raises(StoreUnavailable, match="cannot be opened; its folder must exist"):
        Engine.open(str(folder / "new.db"))
    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_read_is_refused(folder: Path) -> None:
    path = folder / "oms.db"
    before = written(path)
    path.chmod(0o000)
    with without_rights(), pytest.raises(StoreUnavailable, match="cannot be opened"):
        Engine.open(str(path))
    assert path.read_bytes() == before


def test_a_backup_into_a_protected_folder_leaves_nothing(folder: Path) -> None:
    path = folder / "oms.db"
    written(path)
    (folder / "safe").mkdir(mode=0o555)
    folder.chmod(0o777)
    path.chmod(0o666)
    with without_rights(), Engine.open(str(path)) as engine:
        with pytest.raises(StoreUnavailable, match="Permission denied"):
            engine.backup(folder / "safe" / "copy.db")
        with pytest.raises(StoreUnavailable, match="Permission denied"):
            engine.export(folder / "safe" / "copy.jsonl")
    assert list((folder / "safe").iterdir()) == []


def test_a_full_disk_loses_nothing_and_is_told(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"))
    desk.given("LIVE")
    connection = desk.engine._store.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    acknowledged, full = [], None
    while full is None:
        result = desk.create(text="x" * 2000)
        if result.ok:
            acknowledged.append(result.id)
        else:
            full = result.error
    assert (full.error_code, full.retryable, full.status) == ("OMS-DATA-003", True, 500)
    assert full.detail.startswith("the disk of the database is full, so nothing of this was stored; free some space")
    before = desk.rows()
    creates = [{"type": "OrderCreateCmd", "order": desk.asked(text="y" * 2000)} for _ in range(3)]
    with pytest.raises(StoreRolledBack, match="disk is full"):
        desk.engine.execute_many(creates)
    assert desk.engine.verify().sound
    assert desk.rows() == before
    connection.execute("PRAGMA max_page_count = 1000000")
    again = desk.engine.execute(creates[0])
    assert again.ok
    assert all(desk.order(order_id).state == "UNACK" for order_id in acknowledged)
    assert desk.engine.verify().sound
    desk.engine.close()


def test_an_import_onto_a_full_disk_imports_nothing(tmp_path: Path) -> None:
    desk = Desk()
    for _ in range(20):
        desk.create(text="x" * 2000)
    desk.engine.export(tmp_path / "all.jsonl")
    with Engine.open(str(tmp_path / "new.db")) as engine, (tmp_path / "all.jsonl").open("rb") as lines:
        connection = engine._store.connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreRolledBack, match="disk of the database is full"):
            engine.import_archive(lines)
        assert engine.counts() == {"orders": 0, "executions": 0, "events": 0}


def test_a_batch_that_sqlite_takes_back_as_a_whole_is_not_said_to_be_stored(desk: Desk) -> None:
    desk.engine._store.connection.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON orders WHEN new.symbol = 'BAD' "
        "BEGIN SELECT RAISE(ROLLBACK, 'the disk went away'); END"
    )
    creates = [{"type": "OrderCreateCmd", "order": desk.asked(symbol=symbol)} for symbol in ("A", "BAD", "B")]
    with pytest.raises(StoreRolledBack, match="took the whole transaction back"):
        desk.engine.execute_many(creates)
    assert desk.engine.counts()["events"] == 0
    assert desk.create().ok


def test_a_damaged_header_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    data = bytearray(written(path))
    data[:16] = b"Not SQLite at al"
    path.write_bytes(data)
    with pytest.raises(StoreUnavailable, match="no SQLite file, or its beginning is damaged; it was left as it was"):
        Engine.open(str(path))
    assert path.read_bytes() == bytes(data)
    assert [file.name for file in tmp_path.iterdir()] == ["oms.db"]


def test_a_file_that_was_cut_off_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    data = written(path)[:6_000]
    path.write_bytes(data)
    with pytest.raises(StoreUnavailable), Engine.open(str(path)) as engine:
        engine.query()
    assert path.read_bytes() == data


def test_a_damaged_page_is_told_when_it_is_read_and_commands_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    data = bytearray(written(path))
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(data)
    with Engine.open(str(path), keep_settings=False) as engine:
        with pytest.raises(StoreUnavailable, match="the database file is damaged; stop the programs that use it"):
            engine.events()
        result = engine.execute({"type": "OrderExpireCmd", "orderId": "o1"})
    assert result.error is not None
    assert result.error.error_code == "OMS-DATA-002"
    assert "damaged" in result.error.detail
    assert "malformed" not in result.error.detail
    assert path.read_bytes() == bytes(data)


def test_a_file_that_is_replaced_while_it_is_open_is_told(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    desk = Desk(str(path))
    desk.given("LIVE")
    desk.engine._executor._new_id = random_id
    path.unlink()
    for side in ("-wal", "-shm"):
        Path(f"{path}{side}").unlink()
    written(path, "NEW")
    result = desk.engine.execute({"type": "OrderExpireCmd", "orderId": "o1"})
    desk.engine.close()
    with Engine.open(str(path)) as engine:
        assert engine.verify().sound
        assert engine.find("o1").state == "NEW"
    assert result.ok or result.error is not None  # SQLite notices it, or writes to the file that has no name any more


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreBusy, "another process holds the write lock"),
        (sqlite3.SQLITE_LOCKED, StoreBusy, "another process holds the write lock"),
        (sqlite3.SQLITE_PROTOCOL, StoreBusy, "another process holds the write lock"),
        (sqlite3.SQLITE_FULL, StoreRolledBack, "disk of the database is full"),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, StoreRolledBack, "refused a row"),
        (sqlite3.SQLITE_READONLY, StoreUnavailable, "can be read but not written"),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreUnavailable, "moved, removed or replaced while it was open"),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreUnavailable, "damaged"),
        (sqlite3.SQLITE_NOTADB, StoreUnavailable, "damaged"),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable, "the disk failed"),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable, "cannot be opened"),
        (sqlite3.SQLITE_ERROR, StoreUnavailable, "could not be read or written"),
    ],
)
def test_each_failure_of_sqlite_has_its_meaning(code: int, kind: type[StoreError], words: str) -> None:
    error = sqlite3.OperationalError("SELECT secret FROM /home/me/oms.db")
    error.sqlite_errorcode = code
    said = meaning(error)
    assert type(said) is kind
    assert words in str(said)
    with pytest.raises(kind, match=words), TRANSLATED:
        raise error


def test_an_error_without_a_code_is_an_unusable_store() -> None:
    assert type(meaning(sqlite3.ProgrammingError("closed"))) is StoreUnavailable


def test_a_file_named_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    EventStore.open("file:oms.db?mode=memory", refill=refill).close()
    assert [file.name for file in tmp_path.iterdir()] == ["file:oms.db?mode=memory"]
    with closing(EventStore.open("file:oms.db?mode=memory")) as store, store.apart() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
    assert connections.read_only(tmp_path / "a?b.db").endswith("a%3Fb.db?mode=ro&immutable=1")
