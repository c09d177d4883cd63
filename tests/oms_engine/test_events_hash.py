"""Does the hash over all events tell stores apart, and is nothing kept that comes from another clock or from chance?"""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.record import canonical_json
from tests.oms_engine.desk import Desk

EMPTY = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
"""SHA-256 of `[]`."""

ONE_ORDER = "0e42ec018cea359923423e88a10e96714a95e4a8680834736818ac86cb6cf6c7"
"""SHA-256 of the events of an order of 1000 with a fill of 300, as the standard library makes it."""

NAMES = ["position", "streamId", "version", "type", "schemaVersion", "payload", "commandId", "correlationId"]
NAMES += ["causationId", "actor", "recordedAt"]


def by_the_definition(desk: Desk) -> str:
    """The hash as the standard library makes it, from the rows as they stand."""
    rows = desk.rows(("events",))["events"]
    events = [{**dict(zip(NAMES, row, strict=True)), "payload": json.loads(row[5])} for row in rows]
    return hashlib.sha256(canonical_json(events).encode()).hexdigest()


def test_a_store_without_events_has_the_hash_of_an_empty_array(desk: Desk) -> None:
    assert desk.engine.events_hash() == EMPTY


def test_the_hash_of_a_small_store_is_known(desk: Desk) -> None:
    desk.given("PART")
    assert desk.engine.events_hash() == by_the_definition(desk) == ONE_ORDER


@given(st.text(min_size=1, max_size=40), st.integers(1, 5))
def test_the_hash_is_that_of_the_canonical_json_of_all_events(text: str, fills: int) -> None:
    desk = Desk()
    with closing(desk.engine):
        order_id = desk.given("LIVE", text=text) if desk.create(text=text).ok else desk.given("LIVE")
        for _ in range(fills):
            desk.fill(order_id, "10")
        assert desk.engine.events_hash() == by_the_definition(desk)


def test_the_progress_ends_where_the_events_end(desk: Desk) -> None:
    desk.given("FILLED")
    told: list[tuple[int, int]] = []
    desk.engine.events_hash(lambda done, total: told.append((done, total)))
    assert told == [(5, 5)]


def test_the_past_has_the_hash_that_it_had_then(tmp_path: Path) -> None:
    for url in (":memory:", str(tmp_path / "oms.db")):
        desk = Desk(url)
        with closing(desk.engine):
            then = {desk.engine.position: desk.engine.events_hash()}
            order_id = desk.given("LIVE")
            then[desk.engine.position] = desk.engine.events_hash()
            desk.fill(order_id, "10")
            then[desk.engine.position] = desk.engine.events_hash()
            desk.fill(order_id, "10")
            assert {position: hash_at(desk, position) for position in then} == then
            assert len({*then.values(), desk.engine.events_hash()}) == 4


def hash_at(desk: Desk, position: int) -> str:
    """The hash as of a position; the progress ends there."""
    told = [(0, 0)]
    with desk.engine.at(f"p{position}") as past:
        found = past.events_hash(lambda done, total: told.append((done, total)))
    assert told[-1] == (position, position)
    return found


def test_one_letter_makes_another_hash(desk: Desk) -> None:
    other = Desk()
    with closing(other.engine):
        desk.create(text="a")
        other.create(text="b")
        assert desk.engine.events_hash() != other.engine.events_hash()


def test_a_verification_tells_the_hash_of_a_sound_file(tmp_path: Path) -> None:
    kept = Desk(str(tmp_path / "oms.db"))
    with closing(kept.engine):
        kept.given("PART")
        assert kept.engine.events_hash() == kept.engine.verify().events_hash == by_the_definition(kept)


def test_a_store_that_is_not_sound_is_given_no_hash(desk: Desk) -> None:
    desk.given("PART")
    desk.engine._store.connection.execute("DELETE FROM orders")
    found = desk.engine.verify()
    assert not found.sound
    assert found.events_hash is None


def test_an_erasure_changes_no_event_that_was_hashed(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"), store__personalData="sealed")
    with closing(desk.engine):
        desk.given("CLOSED", account="ANN")
        before = desk.rows(("events",))["events"]
        assert desk.engine.events_hash() == by_the_definition(desk)
        desk.engine.erase("ANN")
        assert desk.rows(("events",))["events"][: len(before)] == before
        assert desk.engine.events_hash() == by_the_definition(desk)


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, those of SQLite itself too."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608 - names in the file


def test_two_files_with_the_same_commands_have_the_same_rows_in_all_tables(tmp_path: Path) -> None:
    files = [tmp_path / "one.db", tmp_path / "other.db"]
    for file in files:
        desk = Desk(str(file), store__hashChain=True, outbox__enabled=True)
        with closing(desk.engine):
            order_id = desk.given("PART")
            desk.engine.rebuild()
            desk.fill(order_id, "700")
    one, other = map(everything, files)
    assert one == other
    assert {"_sqlite_migrations", "chain", "outbox", "sinks", "projections", "store_facts"} <= {*one}
    assert all(one[table] for table in ("_sqlite_migrations", "chain", "outbox", "sinks", "projections"))
