"""Do tables follow the events? Whoever is killed, whatever fails, and while others go on reading and writing."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine import Engine, Projection, ProjectionStatus, Refused, StoredEvent, StoreError, Tables
from oms_engine import projections as own_projections
from oms_engine.domain.model import OrderState, StreamState
from oms_engine.errors import StoreBusy
from oms_engine.storage import layout, rebuilding
from tests.oms_engine.desk import READ_MODEL, Desk
from tests.oms_engine.test_properties import play, sequences
from tests.oms_engine.test_snapshots import busy_desk, forget

SCHEMA = """
CREATE TABLE volumes (symbol TEXT PRIMARY KEY, fills INTEGER NOT NULL, events INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE "last states" (order_id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, version INTEGER NOT NULL);
CREATE UNIQUE INDEX states_by_version ON "last states" (version, order_id);
CREATE INDEX "by fills"
  ON volumes (fills)
"""


def count(tables: Tables, events: Sequence[StoredEvent], state: StreamState) -> None:
    if not isinstance(state, OrderState):
        return
    order = state.order
    fills = sum(event.type == "ExecutionCreated" for event in events)
    tables.execute(
        "INSERT INTO {volumes} VALUES (?, ?, ?) "
        "ON CONFLICT (symbol) DO UPDATE SET fills = fills + excluded.fills, events = events + excluded.events",
        (order.symbol, fills, len(events)),
    )
    tables.executemany(
        "INSERT OR REPLACE INTO {last states} VALUES (?, ?, ?)", [(order.order_id, order.state, order.version)]
    )


VOLUMES = Projection("volumes", SCHEMA, count)

Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Desk]:
    """A desk on a file."""
    desk = Desk(str(tmp_path / "oms.db"))
    yield desk
    desk.engine.close()


def path_of(desk: Desk) -> str:
    return str(desk.engine._store.connection.execute("PRAGMA database_list").fetchone()[2])


def volumes(desk: Desk) -> Rows:
    connection = desk.engine._store.connection
    states = connection.execute('SELECT * FROM "last states" ORDER BY 1').fetchall()
    return {"volumes": connection.execute("SELECT * FROM volumes ORDER BY 1").fetchall(), "states": states}


def status(desk: Desk, name: str = "volumes") -> ProjectionStatus:
    (found,) = (each for each in desk.engine.projections() if each.name == name)
    return found


def schema_of(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


def fresh_rows(desk: Desk) -> Rows:
    """The read model of the same events, written by a rebuild of a copy that nobody else touches."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        with closing(sqlite3.connect(path_of(desk))) as source:
            source.backup(copy)
        store = rebuilding.EventStore(copy, in_memory=True)
        rebuilding.rebuild(store, rebuilding.ReadModel(), lambda: "", lambda _done, _all: None)
        return {table: copy.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in READ_MODEL}  # noqa: S608 - own names


def until(done: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + seconds
    tick = threading.Event()
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        tick.wait(0.005)


# --- catching up


def test_a_projection_is_caught_up_with_once_and_only_once(desk: Desk) -> None:
    desk.given("PART")
    desk.engine.add_projection(VOLUMES)
    assert (status(desk).position, status(desk).behind) == (0, 4)
    assert desk.engine.project("volumes") == 4
    assert volumes(desk) == {"volumes": [("IBM", 1, 4)], "states": [("o1", "LIVE", 4)]}
    assert (status(desk).position, status(desk).behind, status(desk).here) == (4, 0, True)
    assert desk.engine.project("volumes") == 0
    desk.given("FILLED", symbol="ACME")
    assert desk.engine.project("volumes") == 5
    assert volumes(desk)["volumes"] == [("ACME", 1, 5), ("IBM", 1, 4)]


@given(sequence=sequences, size=st.integers(1, 7))
@settings(max_examples=25)
def test_however_the_events_are_cut_into_batches_the_rows_are_those_of_a_rebuild(
    sequence: list[Mapping[str, Any]], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_projections, "BATCH", size)
        patch.setattr(own_projections, "_STATES", 1)
        patch.setattr(rebuilding, "WINDOW", size)
        desk = Desk(snapshotEvery=3)
        desk.engine.add_projection(VOLUMES)
        total = 0
        for start in range(0, len(sequence), 5):
            play(desk, list(sequence[start : start + 5]))
            total += desk.engine.project("volumes")
        assert total == desk.engine.counts()["events"]
        before = volumes(desk)
        assert desk.engine.rebuild(name="volumes") == total
        assert volumes(desk) == before


def test_checkpoint_and_rows_are_one_transaction(file: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_projections, "BATCH", 3)
    file.given("PART")
    file.given("PART")
    calls: list[int] = []

    def killed(tables: Tables, events: Sequence[StoredEvent], state: StreamState) -> None:
        calls.append(len(events))
        count(tables, events, state)
        if len(calls) == 3:
            raise KeyboardInterrupt

    file.engine.add_projection(Projection("volumes", SCHEMA, killed))
    with pytest.raises(KeyboardInterrupt):
        file.engine.project("volumes")
    assert status(file).position == 3
    assert volumes(file)["volumes"] == [("IBM", 0, 3)]
    assert file.engine.project("volumes") == 5
    assert volumes(file)["volumes"] == [("IBM", 2, 8)]


def test_two_engines_on_one_file_apply_each_event_once(file: Desk) -> None:
    file.engine.add_projection(VOLUMES)
    with Engine.open(path_of(file)) as other:
        other.add_projection(VOLUMES)
        for _ in range(5):
            file.given("PART")
            assert (other.project("volumes"), file.engine.project("volumes")) == (4, 0)
    assert volumes(file)["volumes"] == [("IBM", 5, 20)]


def test_quotes_and_settings_are_streams_too() -> None:
    desk = busy_desk()
    kinds: set[str] = set()
    desk.engine.add_projection(
        Projection("kinds", "CREATE TABLE kinds (a);", lambda _tables, _events, state: kinds.add(type(state).__name__))
    )
    desk.engine.project("kinds")
    assert kinds == {"OrderState", "QuoteRequestState", "SettingsState"}


def test_in_the_background_a_projection_follows_also_what_others_write(file: Desk) -> None:
    file.engine.add_projection(VOLUMES, background=True)
    file.engine.add_projection(Projection("again", "CREATE TABLE again (a);", lambda *_: None), background=True)
    file.given("PART")
    until(lambda: status(file).position == 4)
    with Engine.open(path_of(file)) as other:
        assert other.execute({"type": "OrderCancelCmd", "orderId": "o1"}).ok
    until(lambda: status(file).position == 5 and status(file, "again").behind == 0)
    assert volumes(file)["volumes"] == [("IBM", 1, 5)]


@pytest.mark.parametrize(
    ("name", "schema", "said"),
    [
        ("", "CREATE TABLE a (b);", "is no name"),
        ("read-model", "CREATE TABLE a (b);", "is no name"),
        ("a b", "CREATE TABLE a (b);", "is no name"),
        ("a", "CREATE TABLE orders (b);", '"orders"; the store has use'),
        ("a", "CREATE TABLE Order_View (b);", "has use for it"),
        ("a", "CREATE TABLE rebuilt_a (b);", "has use for it"),
        ("a", "CREATE TABLE a (b INTEGER PRIMARY KEY AUTOINCREMENT);", "AUTOINCREMENT"),
        ("a", "CREATE TABLE a (b); CREATE VIEW c AS SELECT * FROM a;", "no view"),
        ("a", "", "tables with their indexes"),
        ("a", "CREATE TABEL a (b);", "the schema cannot be read"),
        ("a", "CREATE TABLE a (b); CREATE INDEX c ON /* why */ a (b);", "cannot be renamed"),
    ],
)
def test_what_cannot_be_kept_is_refused_when_it_is_added(desk: Desk, name: str, schema: str, said: str) -> None:
    before = desk.rows(), schema_of(desk.engine._store.connection)
    with pytest.raises(ValueError, match=said):
        desk.engine.add_projection(Projection(name, schema, count))
    assert (desk.rows(), schema_of(desk.engine._store.connection)) == before
    assert [each.name for each in desk.engine.projections()] == ["read-model"]


def test_two_projections_have_no_table_in_common(desk: Desk) -> None:
    desk.engine.add_projection(VOLUMES)
    with pytest.raises(ValueError, match='table "volumes" belongs to projection volumes'):
        desk.engine.add_projection(Projection("other", "CREATE TABLE VOLUMES (a);", count))
    desk.engine.add_projection(VOLUMES)


def test_tables_of_another_form_need_a_rebuild_first(file: Desk) -> None:
    file.engine.add_projection(VOLUMES)
    file.given("PART")
    file.engine.project("volumes")
    more = SCHEMA.replace("state TEXT NOT NULL", "state TEXT NOT NULL DEFAULT ''")
    with Engine.open(path_of(file)) as other:
        other.add_projection(Projection("volumes", more, count))
        with pytest.raises(Refused, match="another form; rebuild it first"):
            other.project("volumes")
        assert other.rebuild(name="volumes") == 4
        assert other.project("volumes") == 0
    assert volumes(file) == {"volumes": [("IBM", 1, 4)], "states": [("o1", "LIVE", 4)]}


def test_a_projection_that_nobody_added_is_told(desk: Desk) -> None:
    for ask in (desk.engine.project, desk.engine.retry, lambda name: desk.engine.rebuild(name=name)):
        with pytest.raises(Refused, match=r'projection "volumes" is unknown; use one of read-model'):
            ask("volumes")
    with pytest.raises(Refused, match="unknown"):
        desk.engine.project("read-model")


def test_a_projection_of_another_program_is_shown_but_not_touched(file: Desk) -> None:
    file.engine.add_projection(VOLUMES)
    with Engine.open(path_of(file)) as other:
        (_, found) = other.projections()
        assert (found.name, found.here) == ("volumes", False)
        with pytest.raises(Refused, match="belongs to a program"):
            other.rebuild(name="volumes")


# --- events that fail


class Picky:
    """Writes as `count` does, and refuses some events until it is repaired."""

    def __init__(self, refuses: Callable[[StoredEvent], bool]) -> None:
        self.refuses = refuses

    def __call__(self, tables: Tables, events: Sequence[StoredEvent], state: StreamState) -> None:
        count(tables, events, state)
        for event in events:
            if self.refuses(event):
                raise LookupError(f"no such thing in {event.type}")


def test_an_event_that_fails_lets_its_stream_wait_and_all_others_go_on(desk: Desk) -> None:
    picky = Picky(lambda event: event.stream_id == "order-o1" and event.type == "OrderAccepted")
    desk.engine.add_projection(Projection("volumes", SCHEMA, picky))
    desk.given("LIVE")
    desk.given("PART", symbol="ACME")
    assert desk.engine.project("volumes") == 7
    desk.fill("o1", "300")
    desk.fill("o2", "300")
    assert desk.engine.project("volumes") == 2
    assert volumes(desk)["volumes"] == [("ACME", 2, 5), ("IBM", 0, 2)]
    (parked,) = status(desk).parked
    assert (parked.stream_id, parked.position, parked.attempts) == ("order-o1", 3, 1)
    assert parked.error == "LookupError: no such thing in OrderAccepted"
    assert status(desk).behind == 0


def test_a_retry_applies_what_waited_and_what_came_after_in_order(desk: Desk) -> None:
    seen: list[int] = []
    picky = Picky(lambda event: event.type == "OrderAccepted")

    def noting(tables: Tables, events: Sequence[StoredEvent], state: StreamState) -> None:
        picky(tables, events, state)
        seen.extend(event.version for event in events)

    desk.engine.add_projection(Projection("volumes", SCHEMA, noting))
    for _ in range(2):
        desk.given("PART")
    desk.engine.project("volumes")
    first = desk.engine.retry("volumes")
    assert (first.applied, [each.attempts for each in first.parked]) == ((), [2, 2])
    assert [each.attempts for each in status(desk).parked] == [2, 2]
    seen.clear()
    picky.refuses = lambda _: False
    desk.fill("o1", "1")
    one = desk.engine.retry("volumes", stream_id="order-o1")
    assert (one.applied, one.parked, seen) == (("order-o1",), (), [3, 4])
    assert desk.engine.project("volumes") == 1
    assert seen == [3, 4, 5]
    assert desk.engine.retry("volumes").applied == ("order-o2",)
    assert status(desk).parked == ()
    before = volumes(desk)
    desk.engine.rebuild(name="volumes")
    assert volumes(desk) == before


def test_a_retry_that_comes_further_waits_with_the_next_event(desk: Desk) -> None:
    picky = Picky(lambda event: event.type in {"OrderAccepted", "OrderFilled"})
    desk.engine.add_projection(Projection("volumes", SCHEMA, picky))
    desk.given("FILLED")
    desk.engine.project("volumes")
    assert [each.position for each in status(desk).parked] == [3]
    picky.refuses = lambda event: event.type == "OrderFilled"
    (still,) = desk.engine.retry("volumes").parked
    assert (still.position, still.attempts) == (5, 2)
    assert volumes(desk)["volumes"] == [("IBM", 1, 4)]


def test_only_what_waits_can_be_retried(desk: Desk) -> None:
    desk.engine.add_projection(VOLUMES)
    with pytest.raises(Refused, match=r'stream "order-x" does not wait in "volumes"; waiting: none'):
        desk.engine.retry("volumes", stream_id="order-x")
    assert desk.engine.retry("volumes").applied == ()
    assert desk.engine.retry().applied == ()


def test_a_row_that_the_database_refuses_parks_its_stream(desk: Desk) -> None:
    schema = "CREATE TABLE sides (symbol TEXT PRIMARY KEY, order_id TEXT);"

    def first_of_symbol(tables: Tables, events: Sequence[StoredEvent], state: StreamState) -> None:
        if isinstance(state, OrderState) and events[0].version == 1:
            tables.execute("INSERT INTO {sides} VALUES (?, ?)", (state.order.symbol, state.order.order_id))

    desk.engine.add_projection(Projection("sides", schema, first_of_symbol))
    for _ in range(2):
        desk.given("UNACK")
    desk.engine.project("sides")
    (parked,) = status(desk, "sides").parked
    assert (parked.stream_id, parked.position) == ("order-o2", 3)
    assert parked.error.startswith("IntegrityError: UNIQUE constraint failed")
    desk.engine._store.connection.execute("DELETE FROM sides")
    assert desk.engine.retry("sides").applied == ("order-o2",)


def test_a_full_disk_is_no_fault_of_a_projection(file: Desk) -> None:
    text = "x" * 20_000
    schema = "CREATE TABLE texts (position INTEGER PRIMARY KEY, text TEXT);"

    def write(tables: Tables, events: Sequence[StoredEvent], _state: StreamState) -> None:
        tables.executemany("INSERT INTO {texts} VALUES (?, ?)", [(event.position, text) for event in events])

    file.engine.add_projection(Projection("texts", schema, write))
    for _ in range(20):
        file.given("PART")
    connection = file.engine._store.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(StoreError, match="disk"):
        file.engine.project("texts")
    assert (status(file, "texts").position, status(file, "texts").parked) == (0, ())
    connection.execute("PRAGMA max_page_count = 1000000")
    assert file.engine.project("texts") == 80


def damage(desk: Desk, position: int) -> str:
    """Make an event unreadable, as somebody with an editor would; returns what stood there."""
    connection = desk.engine._store.connection
    good = str(connection.execute("SELECT payload FROM events WHERE position = ?", (position,)).fetchone()[0])
    rewrite(desk, position, "{}x")
    return good


def rewrite(desk: Desk, position: int, payload: str) -> None:
    connection = desk.engine._store.connection
    trigger = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'events_are_not_changed'").fetchone()[0]
    connection.execute("DROP TRIGGER events_are_not_changed")
    connection.execute("UPDATE events SET payload = ? WHERE position = ?", (payload, position))
    connection.execute(trigger)


def test_an_unreadable_event_lets_a_projection_wait_with_its_stream(desk: Desk) -> None:
    desk.engine.add_projection(VOLUMES)
    for _ in range(2):
        desk.given("PART")
    good = damage(desk, 3)
    assert desk.engine.project("volumes") == 8
    (parked,) = status(desk).parked
    assert (parked.stream_id, parked.position) == ("order-o1", 3)
    assert parked.error.startswith("StoreUnavailable: event 3 (OrderAccepted) cannot be read")
    assert volumes(desk)["volumes"] == [("IBM", 1, 6)]
    rewrite(desk, 3, good)
    assert desk.engine.retry("volumes").applied == ("order-o1",)
    assert volumes(desk)["volumes"] == [("IBM", 2, 8)]


def test_events_behind_an_unreadable_one_wait_too(desk: Desk) -> None:
    desk.engine.add_projection(VOLUMES)
    desk.given("PART")
    desk.engine.project("volumes")
    desk.fill("o1", "1")
    good = damage(desk, 4)
    desk.engine._projections._own["volumes"]._states.clear()
    forget(desk)
    desk.engine.project("volumes")
    assert [each.position for each in status(desk).parked] == [5]
    rewrite(desk, 4, good)
    assert desk.engine.retry("volumes").applied == ("order-o1",)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_rebuild_of_the_read_model_goes_on_past_an_unreadable_event(kind: str, tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db") if kind == "file" else ":memory:")
    for _ in range(3):
        desk.given("PART")
    before = desk.rows(READ_MODEL)
    good = damage(desk, 7)
    lost = damage(desk, 9)
    assert desk.engine.rebuild() == 12
    parked = status(desk, "read-model").parked
    assert [(each.stream_id, each.position, each.attempts) for each in parked] == [
        ("order-o2", 7, 1),
        ("order-o3", 9, 1),
    ]
    assert desk.order("o1").version == 4
    assert desk.order("o2").version == 2
    assert desk.engine.get("o3") is None
    rewrite(desk, 7, good)
    again = desk.engine.retry()
    assert (again.applied, [each.attempts for each in again.parked]) == (("order-o2",), [2])
    rewrite(desk, 9, lost)
    assert desk.engine.retry(stream_id="order-o3").applied == ("order-o3",)
    assert desk.rows(READ_MODEL) == before
    assert status(desk, "read-model").parked == ()
    desk.engine.close()


def test_a_row_that_the_read_model_refuses_parks_its_stream_in_a_rebuild(desk: Desk) -> None:
    for _ in range(3):
        desk.given("PART")
    payload = damage(desk, 5)
    rewrite(desk, 5, payload.replace('"c2"', '"c1"'))
    desk.engine.rebuild()
    (parked,) = status(desk, "read-model").parked
    assert (parked.stream_id, parked.position) in {("order-o1", 1), ("order-o2", 5)}
    assert "UNIQUE constraint failed" in parked.error
    assert desk.engine.counts()["orders"] == 2
    rewrite(desk, 5, payload)
    assert len(desk.engine.retry().applied) == 1
    assert desk.engine.counts()["orders"] == 3


# --- rebuilding


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_rebuild_gives_the_same_rows_and_the_schema_of_a_new_store(kind: str, tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db")) if kind == "file" else busy_desk()
    desk.given("PART")
    desk.engine.add_projection(VOLUMES)
    desk.engine.project("volumes")
    connection = desk.engine._store.connection
    schema, rows, own = schema_of(connection), desk.rows(READ_MODEL), volumes(desk)
    connection.execute("DROP INDEX orders_by_symbol")
    connection.execute("CREATE INDEX by_hand ON /* a form of its own */ orders (symbol)")
    connection.execute("CREATE INDEX by_hand_too ON orders (symbol)")
    connection.execute("UPDATE orders SET account = 'somebody else'")
    connection.execute("DELETE FROM volumes")
    for name in ("read-model", "volumes"):
        assert desk.engine.rebuild(name=name) == desk.engine.counts()["events"]
    assert schema_of(connection) == schema
    assert desk.rows(READ_MODEL) == rows
    assert volumes(desk) == own
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert desk.rows(("store_facts",)) == {"store_facts": []}
    assert all(each.rebuilt_at for each in desk.engine.projections())
    desk.given("FILLED")
    desk.engine.close()


def test_who_reads_during_a_rebuild_sees_the_old_rows_and_then_the_new_ones(
    file: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "WINDOW", 4)
    for _ in range(5):
        file.given("PART")
    connection = file.engine._store.connection
    connection.execute("UPDATE orders SET account = 'old'")
    seen: list[set[str]] = []
    with closing(sqlite3.connect(path_of(file), isolation_level=None)) as reader, Engine.open(path_of(file)) as other:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM orders").fetchone()

        def look(_done: int, _all: int) -> None:
            seen.extend(
                {order.account for order in engine.query(size=50).content}  # type: ignore[attr-defined] # orders
                for engine in (file.engine, other)
            )

        file.engine.rebuild(look)
        assert seen == [{"old"}] * 10
        assert reader.execute("SELECT DISTINCT account FROM order_view").fetchall() == [("old",)]
        reader.execute("ROLLBACK")
        assert reader.execute("SELECT DISTINCT account FROM order_view").fetchall() == [("ACC",)]
        assert {order.account for order in other.query(size=50).content} == {"ACC"}  # type: ignore[attr-defined] # orders
        assert other.execute({"type": "OrderCancelCmd", "orderId": "o1"}).ok
    assert file.order("o1").cancel_state == "PCXL"


@pytest.mark.parametrize("few", [1, 200])
def test_what_is_written_during_a_rebuild_is_in_it(few: int, file: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "WINDOW", 4)
    monkeypatch.setattr(rebuilding, "_FEW", few)
    file.engine.add_projection(VOLUMES)
    for _ in range(5):
        file.given("LIVE")

    def work(_done: int, _all: int) -> None:
        file.given("PART")
        file.fill("o1", "1")

    for name in ("read-model", "volumes"):
        file.engine.rebuild(work, name=name)
        assert file.rows(READ_MODEL) == fresh_rows(file)
    file.engine.project("volumes")
    before = volumes(file)
    file.engine.rebuild(name="volumes")
    assert volumes(file) == before


def test_threads_go_on_writing_while_projections_are_rebuilt(file: Desk) -> None:
    file.engine.add_projection(VOLUMES)
    file.given("LIVE", orderId="shared")
    ended = threading.Event()
    done: list[int] = []

    def write(number: int) -> None:
        step = 0
        while not ended.is_set():
            fill = {"orderId": "shared", "execId": f"{number}-{step}", "lastQty": "0.001", "lastPx": "5"}
            result = file.engine.execute({"type": "ExecutionCreateCmd", "execution": fill})
            assert result.ok, result.message
            created = file.engine.execute({"type": "OrderCreateCmd", "order": file.asked(orderId=f"{number}-{step}")})
            assert created.ok, created.message
            step += 1
        done.append(step)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for name in ("read-model", "volumes") * 3:
        file.engine.rebuild(name=name)
    ended.set()
    for thread in threads:
        thread.join()
    assert len(done) == 2
    assert file.engine.counts()["executions"] == sum(done)
    assert file.rows(READ_MODEL) == fresh_rows(file)
    file.engine.project("volumes")
    before = volumes(file)
    file.engine.rebuild(name="volumes")
    assert volumes(file) == before


class Killed(BaseException):
    """Ends a rebuild where it stands."""


def killed_at(step: int) -> Callable[[int, int], None]:
    steps = iter(range(1, 1_000))

    def tell(_done: int, _all: int) -> None:
        if next(steps) == step:
            raise Killed

    return tell


@pytest.mark.parametrize("name", ["read-model", "volumes"])
def test_a_rebuild_that_is_cut_short_leaves_the_old_rows_and_the_next_one_cleans_up(
    name: str, file: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "WINDOW", 4)
    for _ in range(3):
        file.given("PART")
    file.engine.add_projection(VOLUMES)
    file.engine.project("volumes")
    connection = file.engine._store.connection
    schema, rows, own = schema_of(connection), file.rows(READ_MODEL), volumes(file)
    with pytest.raises(Killed):
        file.engine.rebuild(killed_at(2), name=name)
    assert [row for row in schema_of(connection) if layout.BESIDE in row[1]]
    assert (file.rows(READ_MODEL), volumes(file)) == (rows, own)
    file.engine.rebuild(name=name)
    assert schema_of(connection) == schema
    assert (file.rows(READ_MODEL), volumes(file)) == (rows, own)


def test_in_memory_a_rebuild_that_is_cut_short_leaves_nothing(desk: Desk) -> None:
    desk.given("PART")
    before = desk.rows(), schema_of(desk.engine._store.connection)
    with pytest.raises(Killed):
        desk.engine.rebuild(killed_at(1))
    assert (desk.rows(), schema_of(desk.engine._store.connection)) == before
    desk.engine.rebuild()
    assert desk.rows(READ_MODEL) == {table: before[0][table] for table in READ_MODEL}


@pytest.mark.parametrize("finished", [True, False])
def test_of_two_rebuilds_of_one_projection_the_later_one_goes_on(
    finished: bool, file: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "WINDOW", 4)
    for _ in range(3):
        file.given("PART")
    rows, connection = file.rows(READ_MODEL), file.engine._store.connection
    schema = schema_of(connection)

    def begin_another(_done: int, _all: int) -> None:
        with Engine.open(path_of(file)) as other:
            if finished:
                other.rebuild()
            else:
                with pytest.raises(Killed):
                    other.rebuild(killed_at(1))

    with pytest.raises(StoreBusy, match="another rebuild of the same projection has begun"):
        file.engine.rebuild(begin_another)
    file.engine.rebuild()
    assert (file.rows(READ_MODEL), schema_of(connection)) == (rows, schema)


def test_what_is_derived_can_be_given_up_in_the_middle_of_a_rebuild(
    file: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "WINDOW", 4)
    for _ in range(3):
        file.given("PART")
    connection = file.engine._store.connection
    schema = schema_of(connection)

    def erase(_done: int, _all: int) -> None:
        with file.engine._store.writing():
            rebuilding.give_up(connection)
            file.engine._store.commit()

    with pytest.raises(StoreBusy):
        file.engine.rebuild(erase)
    assert schema_of(connection) == schema


def test_a_failing_rebuild_tells_so_and_leaves_the_old_rows(file: Desk) -> None:
    file.given("PART")
    rows = file.rows(READ_MODEL)
    connection = file.engine._store.connection
    connection.execute("CREATE TRIGGER broken BEFORE INSERT ON projections BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StoreError):
        file.engine.rebuild()
    assert file.rows(READ_MODEL) == rows
    connection.execute("DROP TRIGGER broken")
    file.engine.rebuild()
    assert file.rows(READ_MODEL) == rows


# --- processes

WRITER = """
import sys
from oms_engine import Engine
name, path = sys.argv[1:]
with Engine.open(path) as engine:
    print("ready", flush=True)
    for step in range(150):
        order = {"orderId": f"{name}-{step}", "clOrdId": f"{name}-{step}", "account": "A", "symbol": "IBM",
                 "side": "BUY", "ordType": "LIMIT", "orderQty": "10", "price": "5"}
        result = engine.execute({"type": "OrderCreateCmd", "order": order})
        assert result.ok, result.message
        fill = {"orderId": "shared", "execId": f"{name}-{step}", "lastQty": "1", "lastPx": "5"}
        result = engine.execute({"type": "ExecutionCreateCmd", "execution": fill})
        assert result.ok, result.message
"""

REBUILDER = """
import sys
from oms_engine import Engine
from oms_engine.storage import rebuilding
rebuilding.WINDOW = 20
with Engine.open(sys.argv[1]) as engine:
    print("ready", flush=True)
    while True:
        engine.rebuild()
        print("rebuilt", flush=True)
"""


def started(code: str, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_processes_go_on_writing_while_the_read_model_is_rebuilt(file: Desk) -> None:
    file.given("LIVE", orderId="shared")
    writers = [started(WRITER, name, path_of(file)) for name in ("a", "b")]
    rebuilt = 0
    while any(writer.poll() is None for writer in writers):
        file.engine.rebuild()
        rebuilt += 1
    assert [writer.wait() for writer in writers] == [0, 0]
    assert rebuilt > 2
    assert file.engine.counts() == {"orders": 301, "executions": 300, "events": 3 + 2 * 300 + 300}
    assert file.rows(READ_MODEL) == fresh_rows(file)


@pytest.mark.slow
def test_a_rebuild_can_be_killed_at_any_moment(file: Desk) -> None:
    for _ in range(60):
        file.given("PART")
    schema, rows = schema_of(file.engine._store.connection), file.rows(READ_MODEL)
    for step in range(12):
        process = started(REBUILDER, path_of(file))
        threading.Event().wait(0.013 * step)
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        assert file.rows(READ_MODEL) == rows
        assert file.engine._store.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        created = file.create()
        assert created.ok, created.message
        rows = file.rows(READ_MODEL)
    file.engine.rebuild()
    assert file.rows(READ_MODEL) == rows == fresh_rows(file)
    assert schema_of(file.engine._store.connection) == schema
