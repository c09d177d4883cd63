"""Is what is written safe? Whole or not at all, never changed, never lost, and no foreign file touched."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import Engine, StoreError
from oms_engine.errors import CODES, StoreBusy, StoreRolledBack, StoreUnavailable
from oms_engine.storage import schema
from oms_engine.storage.event_store import EventStore
from tests.oms_engine.desk import TABLES, Clock, Desk, Ids

ABORT = "CREATE TRIGGER broken BEFORE {what} BEGIN SELECT RAISE(ABORT, 'no'); END"


def schema_of(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {row for row in rows if "sqlite_" not in row[1]}


@pytest.mark.parametrize(
    "what",
    [
        "INSERT ON events WHEN new.type = 'OrderPlaced'",
        "INSERT ON orders",
        "INSERT ON client_order_ids",
        "INSERT ON commands",
    ],
)
def test_a_write_that_fails_in_the_middle_leaves_nothing(what: str, desk: Desk) -> None:
    desk.given("LIVE")
    desk.engine._store.connection.execute(ABORT.format(what=what))
    problem = desk.refused("OrderCreateCmd", order=desk.asked(), commandId="K1")
    assert (problem.error_code, problem.retryable, problem.status) == ("OMS-DATA-003", True, 500)
    assert "RAISE" not in problem.detail
    assert problem.citation == CODES["OMS-DATA-003"].citation
    desk.engine._store.connection.execute("DROP TRIGGER broken")
    desk.ok("OrderCreateCmd", order=desk.asked(), commandId="K1")


@pytest.mark.parametrize("what", ["UPDATE ON orders", "INSERT ON executions", "INSERT ON events"])
def test_a_fill_that_cannot_be_stored_leaves_the_order_as_it_was(what: str, desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.engine._store.connection.execute(ABORT.format(what=what))
    fill = {"orderId": order_id, "execId": "e1", "lastQty": "1000", "lastPx": "1"}
    assert desk.refused("ExecutionCreateCmd", execution=fill).error_code == "OMS-DATA-003"
    assert desk.order(order_id).cum_qty == 0


def test_a_batch_takes_only_the_failed_write_back(desk: Desk) -> None:
    desk.engine._store.connection.execute(ABORT.format(what="INSERT ON orders WHEN new.symbol = 'BAD'"))
    creates = [{"type": "OrderCreateCmd", "order": desk.asked(symbol=symbol)} for symbol in ("A", "BAD", "B")]
    batch = desk.engine.execute_many(creates)
    assert [outcome.result.status for outcome in batch.outcomes] == ["OK", "FAILED", "OK"]
    assert batch.outcomes[1].result.error is not None
    assert batch.outcomes[1].result.error.error_code == "OMS-DATA-003"
    assert [row[2] for row in desk.rows()["events"]] == [1, 2, 1, 2]
    assert [event.position for event in desk.engine.events()] == [1, 2, 3, 4]


@pytest.mark.parametrize("statement", ["UPDATE events SET actor = 'x'", "DELETE FROM events"])
def test_events_are_only_appended(statement: str, desk: Desk) -> None:
    desk.given("LIVE")
    with pytest.raises(sqlite3.IntegrityError, match="events are append-only"):
        desk.engine._store.connection.execute(statement)


def test_a_version_is_written_once(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    event = desk.engine.history(order_id)[-1]
    store = desk.engine._store
    with pytest.raises(StoreRolledBack), store.writing():
        store.append([event.model_copy(update={"position": store.next_position()})])
    assert len(desk.engine.history(order_id)) == 3


def test_a_file_keeps_everything_until_it_is_opened_again(tmp_path: Path) -> None:
    path = str(tmp_path / "oms.db")
    first = Desk(path)
    order_id = first.given("PART")
    before = (first.rows(), first.order(order_id), first.engine.executions(order_id))
    first.engine.close()
    second = Desk(f"sqlite:///{path}")
    assert (second.rows(), second.order(order_id), second.engine.executions(order_id)) == before
    assert (second.engine.mode, Desk().engine.mode) == ("file", "sandbox")
    assert second.engine._store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    second.engine._executor._new_id = first.engine._executor._new_id
    second.fill(order_id, "700")
    second.engine.close()


def test_a_database_in_memory_is_private() -> None:
    first, second = Desk(), Desk("sqlite://")
    first.given("LIVE")
    assert second.engine.counts() == {"orders": 0, "executions": 0, "events": 0}


def test_a_migrated_file_has_the_schema_of_a_store_in_memory(tmp_path: Path) -> None:
    with Engine.open(str(tmp_path / "oms.db")) as file, Engine.open() as memory:
        assert schema_of(file._store.connection) == schema_of(memory._store.connection)
        for pragma in ("user_version", "application_id"):
            asked = f"PRAGMA {pragma}"
            assert (
                file._store.connection.execute(asked).fetchone() == memory._store.connection.execute(asked).fetchone()
            )
    direct = sqlite3.connect(":memory:")
    schema.run_script(direct, schema.CURRENT)
    assert schema_of(direct) == schema_of(sqlite3.connect(tmp_path / "oms.db"))
    assert {name for kind, name, _ in schema_of(direct) if kind == "table"} == set(TABLES)


def test_a_schema_that_another_process_makes_meanwhile_is_taken_as_it_is(tmp_path: Path) -> None:
    path = str(tmp_path / "oms.db")
    ours, theirs = (sqlite3.connect(path, isolation_level=None) for _ in range(2))

    def meanwhile(statement: str) -> None:
        if statement == "BEGIN IMMEDIATE":
            ours.set_trace_callback(None)
            schema.prepare(theirs, in_memory=False)

    ours.set_trace_callback(meanwhile)
    schema.prepare(ours, in_memory=False)
    assert not ours.in_transaction
    assert schema_of(ours) == schema_of(theirs)
    assert ours.execute("SELECT count(*) FROM _sqlite_migrations").fetchone() == (schema.VERSION,)


def test_a_second_engine_finds_a_schema_that_the_first_has_just_made(tmp_path: Path) -> None:
    path = str(tmp_path / "oms.db")
    connections = [sqlite3.connect(path, isolation_level=None) for _ in range(2)]
    for connection in connections:
        schema.prepare(connection, in_memory=False)
    assert schema_of(connections[0]) == schema_of(connections[1])


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")


def newer(path: Path) -> None:
    Engine.open(str(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        connection.execute("PRAGMA journal_mode = DELETE")


def marked_by_another(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")


def no_database(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 100)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (foreign, "a database of another program"),
        (marked_by_another, "a database of another program"),
        (newer, f"schema version {schema.VERSION + 1}, this program knows versions up to {schema.VERSION}"),
        (no_database, "cannot be used as a database"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(prepare: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    prepare(path)  # type: ignore[operator] # a function of the table
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=words) as refused:
        Engine.open(str(path))
    assert refused.value.code == "OMS-DATA-002"
    assert path.read_bytes() == before
    assert sorted(found.name for found in tmp_path.iterdir()) == ["some.db"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("missing/oms.db", "the folder of .* does not exist"),
        ("", "no usable name"),
        ("   ", "no usable name"),
        ("a\0b", "no usable name"),
        ("postgresql://host/db", 'no store is known for "postgresql"'),
        ("http://x", "no store is known"),
    ],
)
def test_a_name_that_names_no_store_is_refused(
    url: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnavailable, match=words):
        Engine.open(url)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        Engine.open(str(tmp_path))


def test_a_failed_migration_leaves_the_file_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "oms.db"
    monkeypatch.setattr(schema, "CURRENT", schema.CURRENT + "CREATE TABLE orders (a);\n")
    with pytest.raises(StoreUnavailable):
        Engine.open(str(path))
    monkeypatch.undo()
    with Engine.open(str(path)) as engine:
        assert engine.counts()["events"] == 0


def test_a_held_lock_is_told_and_may_be_tried_again(tmp_path: Path) -> None:
    path = str(tmp_path / "oms.db")
    EventStore.open(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    engine = Engine(
        EventStore.open(path, busy_seconds=0.05), settings=Desk().engine.settings, clock=Clock(), new_id=Ids()
    )
    create = {"type": "OrderCreateCmd", "order": Desk().asked(), "commandId": "K1"}
    other.execute("BEGIN IMMEDIATE")
    result = engine.execute(create)
    assert result.error is not None
    assert (result.error.error_code, result.error.retryable) == ("OMS-LOCK-002", True)
    assert result.error.instance == "urn:oms:command:K1"
    assert {task.status for task in result.tasks} == {"NOT_RUN"}
    assert engine.execute(None).error.error_code == "OMS-LOCK-002"  # type: ignore[arg-type,union-attr] # not even readable
    with pytest.raises(StoreBusy):
        engine.execute_many([create])
    assert engine.query().content == []
    other.execute("ROLLBACK")
    assert engine.execute(create).ok


def test_a_closed_engine_says_so(desk: Desk) -> None:
    desk.engine.close()
    result = desk.engine.execute({"type": "OrderCreateCmd", "order": desk.asked()})
    assert result.error is not None
    closed = "the engine is closed; open the store again"
    assert (result.error.error_code, result.error.detail) == ("OMS-DATA-002", closed)
    for ask in (desk.engine.query, lambda: desk.engine.find("o1"), lambda: desk.engine.at("p1")):
        with pytest.raises(StoreError, match=closed):
            ask()


def test_a_damaged_table_is_an_unusable_store_and_no_sql_leaves(desk: Desk) -> None:
    desk.engine._store.connection.execute("ALTER TABLE orders RENAME TO gone")
    problem = desk.do("OrderCreateCmd", order=desk.asked()).error
    assert problem is not None
    assert (problem.error_code, problem.detail) == ("OMS-DATA-002", "the database could not be read or written")


def test_a_savepoint_takes_back_its_own_part_only() -> None:
    store = EventStore.open()
    with store.writing():
        for name in ("kept", "dropped", "kept too"):
            with store.savepoint():
                store.connection.execute("INSERT INTO commands VALUES (?, '', '', 0, 0)", (name,))
                if name != "dropped":
                    store.release()
        store.commit()
    assert {row[0] for row in store.connection.execute("SELECT command_id FROM commands")} == {"kept", "kept too"}


def test_what_is_not_committed_is_rolled_back() -> None:
    store = EventStore.open()
    with store.writing():
        store.connection.execute("INSERT INTO commands VALUES ('K1', '', '', 0, 0)")
    assert store.command("K1") is None


def test_an_error_of_ours_leaves_a_transaction_as_it_is() -> None:
    store = EventStore.open()
    with pytest.raises(StoreBusy, match=r"^ours$"), store.writing():
        raise StoreBusy("ours")
    assert not store.connection.in_transaction


def test_threads_share_an_engine(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"))
    order_id = desk.given("LIVE")

    def fill(number: int) -> None:
        for step in range(10):
            report = {"orderId": order_id, "execId": f"e{number}-{step}", "lastQty": "1", "lastPx": "2"}
            assert desk.engine.execute({"type": "ExecutionCreateCmd", "execution": report}).ok
            assert desk.engine.query(where=["orderId=" + order_id]).page.total_elements == 1

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.order(order_id).cum_qty == 40
    assert [event.version for event in desk.engine.history(order_id)] == list(range(1, 44))
    desk.engine.close()


WRITER = """
import sys
from oms_engine import Engine
name, path = sys.argv[1:]
with Engine.open(path) as engine:
    for step in range(60):
        own = {"orderId": f"{name}-{step}", "clOrdId": f"{name}-{step}", "account": "A", "symbol": "IBM",
               "side": "BUY", "ordType": "LIMIT", "orderQty": "10", "price": "5"}
        assert engine.execute({"type": "OrderCreateCmd", "order": own}).ok
        fill = {"orderId": "shared", "execId": f"{name}-{step}", "lastQty": "1", "lastPx": "5"}
        result = engine.execute({"type": "ExecutionCreateCmd", "execution": fill})
        assert result.ok, result.message
        assert not engine.execute({"type": "ExecutionCreateCmd", "execution": fill}).ok
"""


@pytest.mark.slow
def test_processes_share_a_file_without_losing_anything(tmp_path: Path) -> None:
    path = str(tmp_path / "oms.db")
    desk = Desk(path)
    desk.given("LIVE", orderId="shared")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, path]) for name in ("a", "b", "c")]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    assert desk.order("shared").cum_qty == 180
    assert [event.version for event in desk.engine.history("shared")] == list(range(1, 184))
    events = desk.engine.events(limit=10_000)
    assert [event.position for event in events] == list(range(1, 3 + 180 + 2 * 180 + 1))
    assert desk.engine.counts() == {"orders": 181, "executions": 180, "events": len(events)}
    kept = tuple(table for table in TABLES if table not in {"projections", "snapshots"})
    before = desk.rows(kept)
    desk.engine.rebuild()
    assert desk.rows(kept) == before
    desk.engine.close()


def test_an_order_is_remembered_only_as_far_as_it_is_committed(tmp_path: Path) -> None:
    file = str(tmp_path / "oms.db")
    ours = Desk(file)
    order_id = ours.given("LIVE")
    fill = {"orderId": order_id, "execId": "e1", "lastQty": "1", "lastPx": "1"}
    ours.engine.preview({"type": "ExecutionCreateCmd", "execution": fill})
    ours.engine.execute_many([{"type": "ExecutionCreateCmd", "execution": fill}, {"type": "NoCmd"}], atomic=True)
    with Engine.open(file) as theirs:
        for exec_id, quantity in (("e2", "300"), ("e3", "100")):
            other = fill | {"execId": exec_id, "lastQty": quantity}
            assert theirs.execute({"type": "ExecutionCreateCmd", "execution": other}).ok
        assert ours.fill(order_id, "100", exec_id="e1").version == 6
        assert ours.order(order_id).cum_qty == 500
        again = theirs.execute({"type": "ExecutionCreateCmd", "execution": fill}).error
        assert again is not None
        assert again.error_code == "OMS-EXEC-002"
    ours.engine.close()


def test_only_so_many_streams_are_remembered() -> None:
    desk = Desk(store__cachedStreams=3)
    ids = [desk.given("LIVE") for _ in range(4)]
    assert set(desk.engine._store._committed) == {"settings", *(f"order-{order_id}" for order_id in ids[2:])}
    assert [desk.fill(order_id, "1").version for order_id in ids] == [4, 4, 4, 4]
    assert len(desk.engine._store._committed) == 3
