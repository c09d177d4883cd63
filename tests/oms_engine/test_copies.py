"""Is a copy complete, consistent and put in its place as a whole, while others go on writing?"""

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine
from oms_engine.engine import random_id
from oms_engine.errors import StoreBusy, StoreRolledBack, StoreUnavailable
from oms_engine.storage import copies
from tests.oms_engine.desk import TABLES, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk with some orders in a file."""
    desk = Desk(str(tmp_path / "oms.db"))
    for state in ("PART", "FILLED", "CXL"):
        desk.given(state)
    desk.engine._executor._new_id = random_id
    return desk


def contents(file: Path) -> dict[str, list[object]]:
    with closing(sqlite3.connect(file)) as connection:
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in TABLES}  # noqa: S608 - own names


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_backup_is_a_store_of_its_own_with_the_same_rows(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "safe").mkdir()
    target = tmp_path / "safe" / "copy.db"
    made = desk.engine.backup(target)
    assert made.counts == {"events": 14, "commands": 10, "orders": 3, "executions": 3}
    assert (made.last_position, made.size) == (14, target.stat().st_size)
    assert names(target.parent) == ["copy.db"]
    assert contents(target) == desk.rows()
    with Engine.open(str(target)) as copy:
        assert copy.verify().sound
        assert copy.execute({"type": "OrderCloseCmd", "orderId": "o2"}).ok
    assert desk.order("o2").state == "FILLED"
    desk.engine.close()


def test_a_store_in_memory_can_be_kept_after_all(tmp_path: Path) -> None:
    sandbox = Desk()
    sandbox.given("PART")
    sandbox.engine.backup(str(tmp_path / "kept.db"))
    assert contents(tmp_path / "kept.db") == sandbox.rows()


def test_a_backup_tells_how_far_it_is(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_PAGES", 5)
    steps: list[tuple[int, int]] = []
    desk.engine.backup(tmp_path / "copy.db", progress=lambda done, total: steps.append((done, total)))
    assert len(steps) > 3
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    desk.engine.close()


def test_writers_go_on_and_the_copy_is_as_at_its_beginning(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_PAGES", 3)
    other = Desk(str(tmp_path / "oms.db"))
    other.engine._executor._new_id = random_id
    before, written = desk.rows(), []

    def write(_done: int, _total: int) -> None:
        number = len(written)
        for writer, name in ((desk, f"ours-{number}"), (other, f"theirs-{number}")):
            writer.given("PART", orderId=name, clOrdId=name)
        written.append(number)

    made = desk.engine.backup(tmp_path / "copy.db", progress=write)
    assert len(written) > 5
    assert contents(tmp_path / "copy.db") == before
    assert made.last_position == 14
    assert desk.engine.counts()["orders"] == 3 + 2 * len(written)
    assert desk.engine.verify().sound
    other.engine.close()
    desk.engine.close()


def test_a_thread_that_writes_does_not_wait_for_a_backup(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_PAGES", 3)
    done = threading.Event()

    def write(_done: int, _total: int) -> None:
        if not done.is_set():
            thread = threading.Thread(target=lambda: (desk.fill("o1", "100"), done.set()))
            thread.start()
            assert done.wait(timeout=10)
            thread.join()

    desk.engine.backup(tmp_path / "copy.db", progress=write)
    assert done.is_set()
    desk.engine.close()


def test_a_target_that_is_there_is_replaced_only_when_asked(desk: Desk, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(StoreUnavailable, match=r"exists; choose another name, or replace it with --force"):
        desk.engine.backup(target)
    assert target.read_text() == "precious"
    desk.engine.backup(target, force=True)
    assert contents(target) == desk.rows()
    desk.engine.close()


@pytest.mark.parametrize("force", [True, False])
def test_a_store_is_not_copied_onto_itself(force: bool, desk: Desk, tmp_path: Path) -> None:
    os.link(tmp_path / "oms.db", tmp_path / "same.db")
    for name in ("oms.db", "same.db"):
        with pytest.raises(StoreUnavailable, match="is the store itself"):
            desk.engine.backup(tmp_path / name, force=force)
    assert desk.engine.verify().sound
    desk.engine.close()


def test_a_database_that_is_in_use_is_not_replaced(desk: Desk, tmp_path: Path) -> None:
    used = Desk(str(tmp_path / "used.db"))
    used.given("LIVE")
    with pytest.raises(StoreUnavailable, match="is open in another program"):
        desk.engine.backup(tmp_path / "used.db", force=True)
    assert used.engine.verify().sound
    used.engine.close()
    desk.engine.backup(tmp_path / "used.db", force=True)
    desk.engine.close()


@pytest.mark.parametrize(("target", "words"), [("none/copy.db", "the folder of .* does not exist"), (".", "a folder")])
def test_a_place_where_no_copy_can_be_is_refused(target: str, words: str, desk: Desk, tmp_path: Path) -> None:
    before = names(tmp_path)
    with pytest.raises(StoreUnavailable, match=words):
        desk.engine.backup(tmp_path / target)
    assert names(tmp_path) == before
    desk.engine.close()


def test_a_copy_that_is_not_the_original_is_removed(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names(tmp_path)
    seen: list[int] = []
    real = copies._counts

    def once_more(connection: sqlite3.Connection) -> dict[str, int]:
        seen.append(1)
        return {**real(connection), "events": len(seen)}

    monkeypatch.setattr(copies, "_counts", once_more)
    with pytest.raises(StoreRolledBack, match="the copy is not what was copied and was removed"):
        desk.engine.backup(tmp_path / "copy.db")
    assert names(tmp_path) == before
    desk.engine.close()


def test_a_disk_that_fails_at_the_end_leaves_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names(tmp_path)

    def broken(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreUnavailable, match="cannot be written: Input/output error"):
        desk.engine.backup(tmp_path / "copy.db")
    assert names(tmp_path) == before
    desk.engine.close()


def test_a_disk_without_room_for_the_copy_is_told(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(tmp_path)
    real = sqlite3.connect

    def small(*arguments: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401 - as sqlite3.connect
        connection = real(*arguments, **options)
        if ".partial" in str(arguments[0]):
            connection.execute("PRAGMA max_page_count = 4")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(StoreRolledBack, match="no room for the copy; free some space, or copy to another disk"):
        desk.engine.backup(tmp_path / "copy.db")
    assert names(tmp_path) == before
    desk.engine.close()


def test_compacting_gives_space_back_and_keeps_everything(desk: Desk, tmp_path: Path) -> None:
    connection = desk.engine._store.connection
    connection.execute("CREATE TABLE ballast AS SELECT zeroblob(3000000) AS it")
    connection.execute("DROP TABLE ballast")
    before = desk.rows()
    made = desk.engine.compact()
    assert made.before > 3_000_000 > made.after
    assert not made.log_kept
    assert made.after == (tmp_path / "oms.db").stat().st_size
    assert desk.rows() == before
    assert desk.engine.verify().sound
    desk.fill("o1", "100")
    desk.engine.close()


def test_compacting_waits_for_no_writer(desk: Desk, tmp_path: Path) -> None:
    desk.engine._store.busy_seconds = 0.05
    with closing(sqlite3.connect(tmp_path / "oms.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="another process holds the write lock"):
            desk.engine.compact()
        other.execute("ROLLBACK")
    assert desk.engine.compact().before > 0
    desk.engine.close()


def test_a_reader_keeps_the_log_from_being_emptied(desk: Desk, tmp_path: Path) -> None:
    desk.engine._store.busy_seconds = 0.05
    with closing(sqlite3.connect(tmp_path / "oms.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM events").fetchone() == (14,)
        assert desk.engine.compact().log_kept
        assert other.execute("SELECT count(*) FROM events").fetchone() == (14,)
    assert not desk.engine.compact().log_kept
    desk.engine.close()


def test_a_store_in_memory_has_nothing_to_compact() -> None:
    with pytest.raises(StoreUnavailable, match="in memory has no file"):
        Desk().engine.compact()
