"""Is a change from outside found? Once a store chains its events by hashes, every process goes on with it."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import Engine, SettingsError
from oms_engine.engine import random_id
from oms_engine.storage.chain import START, Chain, begin, chained_from, head, link
from oms_engine.storage.event_store import EventStore
from tests.oms_engine.desk import Desk


def hashes(desk: Desk) -> list[tuple[int, bytes]]:
    return desk.engine._store.connection.execute("SELECT position, hash FROM chain ORDER BY position").fetchall()


def computed(desk: Desk, first: int = 1) -> list[tuple[int, bytes]]:
    """The chain as anybody computes it who has only the rows and the description."""
    rows = desk.engine._store.connection.execute(
        "SELECT * FROM events WHERE position >= ? ORDER BY position", (first,)
    ).fetchall()
    before, links = bytes(32), []
    for row in rows:
        content = json.dumps(list(row), ensure_ascii=False, separators=(",", ":")).encode()
        before = hashlib.sha256(before + content).digest()
        links.append((row[0], before))
    return links


def test_without_the_setting_nothing_is_chained(desk: Desk) -> None:
    desk.given("FILLED")
    assert hashes(desk) == []
    assert desk.engine.verify().chain is None


def test_each_hash_covers_the_one_before_it_and_the_row() -> None:
    desk = Desk(store__hashChain="on")
    desk.given("FILLED", text="größe")
    assert len(hashes(desk)) == 5
    assert hashes(desk) == computed(desk)
    assert link(START, (1, "a")) == hashlib.sha256(bytes(32) + b'[1,"a"]').digest()
    found = desk.engine.verify()
    assert found.sound
    assert found.chain is not None
    assert (found.chain.first, found.chain.last, found.chain.head) == (1, 5, computed(desk)[-1][1].hex())


def test_a_store_chains_from_where_it_was_asked_to(tmp_path: Path) -> None:
    file = str(tmp_path / "oms.db")
    first = Desk(file)
    first.given("LIVE")
    first.engine.close()
    second = Desk(file, store__hashChain="on")
    second.engine._executor._new_id = random_id
    second.fill("o1", "100")
    second.fill("o1", "200")
    assert hashes(second) == computed(second, first=4)
    assert second.engine.verify().sound
    second.engine.close()


def test_a_process_that_says_nothing_goes_on_with_the_chain(tmp_path: Path) -> None:
    file = str(tmp_path / "oms.db")
    early = Desk(file)
    early.given("LIVE")
    chaining = Desk(file, store__hashChain="on")
    chaining.engine._executor._new_id = random_id
    chaining.fill("o1", "100")
    early.fill("o1", "200")
    chaining.fill("o1", "100")
    late = Desk(file)
    late.engine._executor._new_id = random_id
    late.fill("o1", "100")
    assert hashes(late) == computed(late, first=4)
    assert [position for position, _ in hashes(late)] == [4, 5, 6, 7]
    assert late.engine.settings.hash_chain
    assert late.engine.verify().sound
    for desk in (early, chaining, late):
        desk.engine.close()


def test_a_chain_is_not_switched_off(tmp_path: Path) -> None:
    file = str(tmp_path / "oms.db")
    chaining = Desk(file, store__hashChain="on")
    chaining.given("LIVE")
    chaining.engine.close()
    with pytest.raises(
        SettingsError, match=r"store.hashChain cannot be off: this store chains its events from position 1"
    ):
        Desk(file, store__hashChain="off")
    with Engine.open(file, settings={"store.hashChain": "on"}) as engine:
        assert engine.verify().sound


def test_off_is_no_complaint_where_nothing_is_chained(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"), store__hashChain="off")
    desk.given("LIVE")
    assert hashes(desk) == []
    desk.engine.close()


def test_whoever_only_reads_starts_no_chain(tmp_path: Path) -> None:
    file = str(tmp_path / "oms.db")
    Desk(file).engine.close()
    with Engine.open(file, settings={"store.hashChain": "on"}, keep_settings=False) as engine:
        assert chained_from(engine._store.connection) is None


def test_a_refused_command_leaves_no_hash() -> None:
    desk = Desk(store__hashChain="on")
    desk.given("LIVE")
    desk.refused("OrderAcceptCmd", orderId="o1")
    desk.engine.preview({"type": "OrderCloseCmd", "orderId": "o1"})
    desk.fill("o1", "100")
    assert hashes(desk) == computed(desk)


def test_what_a_batch_takes_back_is_not_chained() -> None:
    desk = Desk(store__hashChain="on")
    desk.engine._store.connection.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON commands WHEN new.command_id = 'K2' "
        "BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    creates = [{"type": "OrderCreateCmd", "order": desk.asked(), "commandId": f"K{n}"} for n in (1, 2, 3)]
    batch = desk.engine.execute_many(creates)
    assert [outcome.result.ok for outcome in batch.outcomes] == [True, False, True]
    assert hashes(desk) == computed(desk)
    desk.engine.execute_many([*creates[1:], {"type": "NoCmd"}], atomic=True)
    desk.ok("OrderAcceptCmd", orderId="o1")
    assert hashes(desk) == computed(desk)
    assert len(hashes(desk)) == 5


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("UPDATE events SET actor = 'somebody' WHERE position = 3", "event 3"),
        ("UPDATE events SET recorded_at = '2020-01-01T00:00:00.000000Z' WHERE position = 1", "event 1"),
        ("UPDATE events SET payload = replace(payload, 'IBM', 'SUN') WHERE position = 1", "event 1"),
        ("DELETE FROM chain WHERE position = 2", "event 2"),
        ("UPDATE chain SET hash = zeroblob(32) WHERE position = 5", "event 5"),
        ("INSERT INTO chain VALUES (99, zeroblob(32))", "table chain"),
    ],
)
def test_a_change_from_outside_is_found_where_it_was_made(change: str, where: str, tmp_path: Path) -> None:
    file = tmp_path / "oms.db"
    desk = Desk(str(file), store__hashChain="on")
    desk.given("FILLED")
    desk.engine.close()
    with closing(sqlite3.connect(file)) as connection:
        for trigger in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger[0]}")
        connection.execute(change)
        connection.commit()
    with Engine.open(str(file)) as engine:
        found = engine.verify()
    broken = [finding for finding in found.findings if "hash" in finding.what]
    assert [finding.where for finding in broken] == [where]
    assert "restore a backup" in broken[0].remedy
    assert found.chain is None


def test_nothing_is_appended_behind_a_missing_link(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"), store__hashChain="on")
    desk.given("LIVE")
    connection = desk.engine._store.connection
    connection.execute("DROP TRIGGER chain_is_not_deleted")
    connection.execute("DELETE FROM chain WHERE position = 3")
    problem = desk.refused("OrderExpireCmd", orderId="o1")
    assert problem.error_code == "OMS-DATA-002"
    assert "no link for event 3" in problem.detail
    desk.engine.close()


@pytest.mark.parametrize("statement", ["UPDATE chain SET hash = x'00'", "DELETE FROM chain"])
def test_the_chain_is_append_only(statement: str) -> None:
    desk = Desk(store__hashChain="on")
    desk.given("LIVE")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        desk.engine._store.connection.execute(statement)


def test_a_chain_begins_once() -> None:
    store = EventStore.open()
    assert begin(store.connection, 4) == 4
    assert begin(store.connection, 9) == 4
    assert chained_from(store.connection) == 4
    assert head(store.connection) is None
    chain = Chain(store.connection)
    chain.extend([(3, "before it")])
    chain.starts_at("4")
    chain.extend([(4, "a")])
    chain.extend([(5, "b")])
    assert head(store.connection) == (5, link(link(START, (4, "a")), (5, "b")))


def test_a_program_that_asks_for_a_chain_that_is_there_waits_for_no_writer(tmp_path: Path) -> None:
    file = str(tmp_path / "oms.db")
    Desk(file, store__hashChain="on").engine.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Engine.open(file, settings={"store.hashChain": "on"}) as engine:
            assert engine.settings.hash_chain
