"""Is everything that is wrong with a store found, with its place and the way out, and nothing else?"""

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import Engine, Refused
from oms_engine.engine import random_id
from oms_engine.storage import schema
from oms_engine.storage import verify as verifying
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.verify import Verification, verify
from tests.oms_engine.desk import Desk
from tests.oms_engine.trees import child, live_group


def busy(desk: Desk) -> None:
    """Orders in trees and groups, allocations taken back, quotes, settings."""
    for state in ("NEW", "PART", "FILLED", "CXL", "REJ", "EXP", "CLOSED", "LIVE+PMOD"):
        desk.given(state)
    parent = desk.given("NEW", orderId="root")
    leaf = child(desk, parent, "500")
    desk.fill(leaf, "300")
    desk.ok("ExecutionBustCmd", orderId=leaf, execId="e1")
    group = live_group(desk, "100", "200")
    desk.fill(group, "90")
    request = {"quoteReqId": "R1", "symbol": "EUR/USD", "quantity": "1000000", "side": "BUY"}
    desk.ok("QuoteRequestCreateCmd", quoteRequest=request)
    for name in ("q1", "q2"):
        desk.ok("QuoteCreateCmd", quote={"quoteReqId": "R1", "quoteId": name, "price": "1.1", "quotedBy": "desk"})
    desk.ok("QuoteAcceptCmd", quoteId="q1")
    desk.ok("SettingsChangeCmd", changes={"dayEnd": "21:00"})
    desk.ok("ReferencePriceCmd", symbol="IBM", price="100")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with something of everything."""
    path = tmp_path / "oms.db"
    desk = Desk(str(path), snapshotEvery=2)
    busy(desk)
    desk.engine.close()
    return path


def changed(file: Path, *statements: str) -> Verification:
    """What is found after somebody changed the file with another tool."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
    return found_in(file)


def found_in(file: Path) -> Verification:
    with closing(EventStore.open(str(file))) as store:
        return verify(store)


def told(found: Verification) -> list[tuple[str, str]]:
    return [(finding.where, finding.what) for finding in found.findings]


def test_a_store_that_commands_wrote_is_sound(file: Path) -> None:
    found = found_in(file)
    assert told(found) == []
    assert (found.sound, found.more_findings, found.schema_version) == (True, 0, schema.VERSION)
    with Engine.open(str(file)) as engine:
        assert {name: found.counts[name] for name in engine.counts()} == engine.counts()
        assert engine._store.connection.execute("SELECT count(*) FROM snapshots").fetchone()[0] > 10


def test_a_store_in_memory_is_verified_too(desk: Desk) -> None:
    busy(desk)
    assert desk.engine.verify().sound


def test_an_empty_store_is_sound(desk: Desk) -> None:
    found = desk.engine.verify()
    assert found.sound
    assert found.counts == {"orders": 0, "executions": 0, "events": 0, "commands": 0}


def test_progress_ends_when_every_event_was_read(file: Path) -> None:
    steps: list[tuple[int, int]] = []
    with Engine.open(str(file)) as engine:
        engine.verify(lambda done, total: steps.append((done, total)))
        events = engine.counts()["events"]
    assert steps[-1][0] == events
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})


def test_verifying_writes_nothing_and_writers_go_on(file: Path) -> None:
    before = file.read_bytes()
    found_in(file)
    assert file.read_bytes() == before
    with Engine.open(str(file)) as engine:
        other = Desk(str(file))
        other.engine._executor._new_id = random_id

        def write(_done: int, _total: int) -> None:
            other.given("LIVE", orderId=f"w{other._requests}", clOrdId=f"w{other._requests}")

        events = engine.counts()["events"]
        assert engine.verify(write).counts["events"] == events
        assert engine.counts()["events"] > events
        assert engine.verify().sound
        other.engine.close()


@pytest.mark.parametrize(
    ("statement", "where", "what", "remedy"),
    [
        ("UPDATE orders SET cum_qty = leaves_qty WHERE order_id = 'o2'",
         'stream "order-o2"', "table orders differs from its events: cum_qty is", "oms rebuild"),
        ("UPDATE orders SET text = 'x' WHERE order_id = 'o2'",
         'stream "order-o2"', 'text is "x" and should be null', "oms rebuild"),
        ("DELETE FROM executions WHERE order_id = 'o3'",
         'stream "order-o3"', "table executions differs from its events: 0 rows instead of 1", "oms rebuild"),
        ("UPDATE allocations SET status = 'APPLIED'", 'stream "order-o10"', "table allocations differs", "oms rebuild"),
        ("UPDATE quotes SET state = 'QUOTED' WHERE quote_id = 'q1'",
         'stream "quote-R1"', "table quotes differs", "oms rebuild"),
        ("DELETE FROM quote_requests", 'stream "quote-R1"', "table quote_requests differs", "oms rebuild"),
        ("DELETE FROM client_order_ids WHERE cl_ord_id = 'c1'",
         'stream "order-o1"', 'clOrdId "c1" is not kept', "oms rebuild"),
        ("INSERT INTO client_order_ids VALUES ('S', 'x', 'o1', '')",
         "table client_order_ids", "rows where the events make", "oms rebuild"),
        ("UPDATE events SET payload = '{}' WHERE position = 1", "event 1", "cannot be read", "restore a backup"),
        ("UPDATE events SET payload = '[' WHERE position = 1", "event 1", "cannot be read", "restore a backup"),
        ("UPDATE events SET type = 'NoEvent' WHERE position = 1", "event 1", "cannot be read", "restore a backup"),
        ("UPDATE events SET schema_version = 2 WHERE position = 1", "event 1", "upgrade oms-mcp", "restore a backup"),
        ("UPDATE events SET recorded_at = 'noon' WHERE position = 1", "event 1", "cannot be read", "restore a backup"),
        ("UPDATE events SET version = 9 WHERE stream_id = 'order-o1'",
         'stream "order-o1"', "version 1 is missing", "restore a backup"),
        ("UPDATE events SET type = 'OrderAccepted', payload = '{}' WHERE position = 1",
         'stream "order-o1"', "it begins with OrderAccepted", "changed from outside"),
        ("UPDATE events SET stream_id = 'other-o1' WHERE stream_id = 'order-o1'",
         'stream "other-o1"', "it begins with OrderCreated", "changed from outside"),
        (("UPDATE events SET type = 'QuoteAccepted', payload = '{\"quoteId\": \"q\"}' WHERE stream_id = "
         "'order-o3' AND version = 2"),
         'stream "order-o3"', "contradict each other", "changed from outside"),
        ("DELETE FROM commands WHERE first_position = 1",
         "event 1", "no command accounts for it", "changed from outside"),
        ("UPDATE commands SET last_position = last_position + 1 WHERE first_position = 1",
         "command", "does not name the events it wrote", "changed from outside"),
        ("UPDATE commands SET stream_id = 'order-none' WHERE first_position = 1",
         "command", "does not name the events it wrote", "changed from outside"),
        ("UPDATE snapshots SET state = replace(state, 'IBM', 'SUN') WHERE stream_id = 'order-o3'",
         'stream "order-o3"', "the snapshot of version 5 is not what its events lead to", "oms rebuild drops"),
        ("UPDATE snapshots SET version = 400 WHERE stream_id = 'order-o3' AND version = 5",
         'stream "order-o3"', "a snapshot of version 400, which it does not have", "oms rebuild drops"),
        (("INSERT INTO outbox (sink, topic, key, stream_id, from_version, version, position) VALUES ('s', "
         "'t', 'o1', 'order-o1', 1, 1, 1)"),
         "outbox row 1", "no events, or no sink", "changed from outside"),
        ("DROP INDEX orders_by_price", "the schema", "index orders_by_price is missing", "oms export"),
        ("CREATE TRIGGER spy AFTER INSERT ON orders BEGIN SELECT 1; END",
         "the schema", 'trigger "spy" does not belong here', "oms export"),
        ("DROP VIEW order_view", "the schema", "view order_view is missing", "oms export"),
        ("ALTER TABLE sinks ADD COLUMN more",
         "the schema", "table sinks is not the one of schema version", "oms export"),
        ("DROP TABLE executions", "the schema", "table executions is missing", "oms export"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place_and_the_way_out(
    statement: str, where: str, what: str, remedy: str, file: Path
) -> None:
    found = changed(file, statement)
    assert not found.sound
    matching = [finding for finding in found.findings if where in finding.where and what in finding.what]
    assert len(matching) >= 1, told(found)
    assert remedy in matching[0].remedy


@pytest.mark.parametrize(
    ("statement", "where", "what"),
    [
        ("DELETE FROM executions WHERE order_id = 'o3'", 'stream "order-o3"', '0 rows instead of 1: "e1" is missing'),
        ("UPDATE orders SET order_id = 'x9' WHERE order_id = 'o1'",
         'stream "order-o1"', '0 rows instead of 1: "o1" is missing'),
        ("UPDATE orders SET order_id = 'x9' WHERE order_id = 'o1'", "table orders", 'no event accounts for "x9"'),
        ("UPDATE executions SET exec_id = 'x9' WHERE order_id = 'o3'",
         'stream "order-o3"', '1 rows instead of 1: "e1" is missing and "x9" is too many'),
        ("UPDATE executions SET order_id = 'x9' WHERE order_id = 'o3'", "table executions", 'accounts for "e1"'),
        ("UPDATE orders SET leaves_qty = '0' || substr(leaves_qty, 2) WHERE order_id = 'o1'",
         'stream "order-o1"', 'leaves_qty is "0'),
        ("UPDATE orders SET cum_qty = order_qty WHERE order_id = 'o1'",
         'stream "order-o1"', "cum_qty is 1000 and should be 0"),
        ("UPDATE quotes SET price = '!' WHERE quote_id = 'q2'",
         'stream "quote-R1"', 'price of "q2" is "!" and should be 1.1'),
    ],
)  # fmt: skip
def test_rows_are_named_and_decimals_told_plainly(statement: str, where: str, what: str, file: Path) -> None:
    found = told(changed(file, statement))
    assert any(place == where and what in said for place, said in found), found


def test_a_row_of_an_order_that_never_was_is_named(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(orders)") if row[1] not in {"id", "order_id"}]
    columns = ", ".join(names)
    ghost = "INSERT INTO orders (order_id, %) SELECT 'ghost', % FROM orders WHERE order_id = 'o1'".replace("%", columns)
    assert told(changed(file, ghost)) == [("table orders", 'no event accounts for "ghost"')]


def test_what_is_missing_in_the_schema_is_told_once(file: Path) -> None:
    found = changed(file, "DROP INDEX orders_by_price", "DROP INDEX orders_by_symbol", "DROP VIEW order_view")
    assert told(found) == [
        ("the schema", "indexes orders_by_symbol, orders_by_price are missing"),
        ("the schema", "view order_view is missing"),
    ]


CHANGED = "UPDATE events SET payload = replace(payload, '1000', '9000') WHERE stream_id = 'order-o1' AND version = 1"


def chained(file: Path) -> Path:
    """A store whose events are chained from the first one."""
    path = file.with_name("chained.db")
    desk = Desk(str(path), store__hashChain="on")
    busy(desk)
    desk.engine.close()
    return path


def test_no_rebuild_is_advised_from_events_that_were_changed(file: Path) -> None:
    found = changed(chained(file), CHANGED, "UPDATE orders SET text = 'x' WHERE order_id = 'o2'")
    first, *rest = found.findings
    assert (first.where, first.what[:24]) == ("event 1", "the hash chain is broken")
    assert found.chain is None
    remedies = {finding.where: finding.remedy for finding in rest}
    assert remedies['stream "order-o1"'].startswith("restore a backup; rebuild nothing before")
    assert "oms rebuild" in remedies['stream "order-o2"']


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE position = (SELECT max(position) FROM events WHERE stream_id = 'order-o2')",
        "DELETE FROM events WHERE position = (SELECT max(position) FROM events)",
        "DELETE FROM chain WHERE position = 4",
    ],
)
def test_no_rebuild_is_advised_where_events_are_missing(statement: str, file: Path) -> None:
    found = changed(chained(file), statement, "UPDATE orders SET text = 'x' WHERE order_id = 'o5'")
    assert any("rebuild nothing before" in finding.remedy for finding in found.findings)
    assert not any("oms rebuild" in finding.remedy for finding in found.findings), told(found)


def test_many_broken_links_are_counted(file: Path) -> None:
    found = changed(chained(file), "UPDATE events SET actor = 'x'")
    broken = [what for _, what in told(found) if "hash" in what]
    assert len(broken) == 11
    assert broken[-1].endswith("more events have no hash that fits")


def test_damage_of_the_read_model_is_placed_and_an_export_is_the_first_way_out(file: Path) -> None:
    damaged(file, "executions")
    found = found_in(file)
    assert any(finding.where == "table executions" for finding in found.findings), told(found)
    assert all("oms verify" not in finding.what for finding in found.findings), told(found)
    assert all("oms export, then oms import" in finding.remedy for finding in found.findings)
    with Engine.open(str(file), keep_settings=False) as engine, Engine.open(str(file) + ".new") as new:
        lines = io.BytesIO()
        engine.export(lines)
        new.import_archive(lines.getvalue().splitlines(keepends=True))
        assert new.verify().sound


def test_damage_of_events_calls_for_a_backup(file: Path) -> None:
    damaged(file, "events")
    found = found_in(file)
    placed = [finding for finding in found.findings if finding.where == "table events" and "SQLite" in finding.what]
    assert placed
    assert all("restore a backup" in finding.remedy for finding in placed)


def test_a_rebuild_takes_away_what_it_is_the_remedy_for(file: Path) -> None:
    found = changed(
        file,
        "UPDATE orders SET text = 'x'",
        "DELETE FROM executions",
        "DELETE FROM client_order_ids",
        "UPDATE snapshots SET state = replace(state, 'IBM', 'SUN')",
    )
    assert {finding.remedy.split()[1] for finding in found.findings} == {"rebuild"}
    with Engine.open(str(file)) as engine:
        engine.rebuild()
        assert engine.verify().sound


def test_an_event_that_is_missing_leaves_gaps(file: Path) -> None:
    found = changed(file, "DELETE FROM events WHERE position IN (3, 4, 7)")
    assert {("event 5", "positions 3 to 4 are missing"), ("event 8", "positions 7 to 7 are missing")} <= {*told(found)}
    assert ('stream "order-o2"', "version 2 is missing") in told(found)


def test_a_mark_or_a_version_that_is_not_ours_is_told(file: Path) -> None:
    with closing(EventStore.open(str(file))) as store:
        store.connection.execute("PRAGMA application_id = 7")
        store.connection.execute("PRAGMA user_version = 99")
        assert told(verify(store)) == [
            ("the file", "the mark of an OMS store is missing"),
            ("the file", f"the schema version is not {schema.VERSION}"),
        ]


def test_many_findings_are_counted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "MOST_FINDINGS", 3)
    found = changed(file, "UPDATE orders SET text = 'x'")
    with Engine.open(str(file)) as engine:
        orders = engine.counts()["orders"]
    assert (len(found.findings), found.more_findings) == (3, orders - 3)


def damaged(file: Path, table: str) -> None:
    """Overwrite the first page of a table, as a failing disk would."""
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(file.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    file.write_bytes(data)


@pytest.mark.parametrize("table", ["executions", "events", "commands", "chain", "outbox"])
def test_damaged_pages_are_found_and_the_rest_is_looked_at(table: str, file: Path) -> None:
    with Engine.open(str(file), settings={"store.hashChain": "on"}):
        pass
    damaged(file, table)
    found = found_in(file)
    assert not found.sound
    assert any("SQLite finds damage" in what or "read in part only" in what for _, what in told(found)), told(found)
    assert all("SELECT" not in what for _, what in told(found))


def test_one_stream_is_verified_alone(file: Path) -> None:
    changed(file, "UPDATE orders SET text = 'x' WHERE order_id = 'o2'", "UPDATE quotes SET price = '1'")
    with Engine.open(str(file)) as engine:
        assert engine.verify_stream("order-o1") == ()
        assert engine.verify_stream("settings") == ()
        (finding,) = engine.verify_stream("order-o2")
        assert (finding.where, "should be null" in finding.what) == ('stream "order-o2"', True)
        assert len(engine.verify_stream("quote-R1")) == 1
        with pytest.raises(Refused, match='stream "order-none" has no events') as refused:
            engine.verify_stream("order-none")
        assert refused.value.problem.error_code == "OMS-ORDER-001"


def test_each_stream_is_read_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0
    real: Callable[..., dict[str, int]] = verifying._Verifier.stream

    def noted(self: verifying._Verifier, stream_id: str, rows: list[object], scratch: sqlite3.Connection) -> object:
        nonlocal longest
        longest = max(longest, len(rows))
        return real(self, stream_id, rows, scratch)

    monkeypatch.setattr(verifying._Verifier, "stream", noted)
    assert found_in(file).sound
    with Engine.open(str(file)) as engine:
        ((most,),) = engine._store.connection.execute(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM events GROUP BY stream_id)"
        ).fetchall()
    assert longest == most


def test_messages_that_wait_for_their_sink_are_sound(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"), outbox__enabled="on")
    busy(desk)
    connection = desk.engine._store.connection
    assert connection.execute("SELECT count(*) FROM outbox").fetchone()[0] > 30
    assert desk.engine.verify().sound
    connection.execute("UPDATE outbox SET position = position + 1 WHERE id = 5")
    assert [finding.where for finding in desk.engine.verify().findings] == ["outbox row 5"]
    desk.engine.close()


def test_a_table_that_was_renamed_into_its_place_is_the_same_table(file: Path) -> None:
    found = changed(
        file,
        "CREATE TABLE beside AS SELECT * FROM quotes",
        "ALTER TABLE snapshots RENAME TO away",
        "ALTER TABLE away RENAME TO snapshots",
    )
    with Engine.open(str(file)) as engine:
        query = "SELECT sql FROM sqlite_master WHERE name = 'snapshots'"
        assert engine._store.connection.execute(query).fetchone()[0].startswith('CREATE TABLE "snapshots"')
    assert told(found) == []


def test_rows_that_wait_are_told_of(file: Path) -> None:
    found = changed(
        file,
        "INSERT INTO parked_events VALUES ('read-model', 'order-o2', 5, 'no', 1, '2026-01-02T09:30:00.000000Z')",
        "INSERT INTO parked_events VALUES ('other', 'order-o3', 5, 'no', 1, '2026-01-02T09:30:00.000000Z')",
        "UPDATE orders SET version = 1 WHERE order_id = 'o2'",
    )
    assert told(found) == [('stream "order-o2"', "its rows wait since event 5, which could not be applied")]
    assert "oms projections retry" in found.findings[0].remedy


@pytest.mark.parametrize("query", [verifying._BROKEN_COMMANDS, verifying._ORPHANS])
def test_commands_are_compared_without_reading_whole_streams(query: str, desk: Desk) -> None:
    plan = [row[3] for row in desk.engine._store.connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert not [step for step in plan if "stream_id" in step or "AUTOMATIC" in step], plan
    assert sum("SCAN" in step for step in plan) == 1, plan
