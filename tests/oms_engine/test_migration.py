"""Does a file of the previous schema open as if it had always been of this one, or stay as it was?

`tests/data/schema_1.sql` is a file of schema version 1 as text: orders in every state, fills, a whack, busts, cancels
that were confirmed, refused and overtaken.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import Engine
from oms_engine.domain.decider.evolve import fold
from oms_engine.errors import StoreUnavailable
from oms_engine.record import canonical_json
from oms_engine.storage import schema
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.projections import EXECUTIONS, ORDERS
from tests.oms_engine.desk import READ_MODEL, TABLES, Clock, Desk

SCRIPT = (Path(__file__).parent.parent / "data" / "schema_1.sql").read_text(encoding="utf-8")

STATES = {
    "waiting": "NEW", "sent": "UNACK", "full": "FILLED", "working": "LIVE", "gone": "CXL", "kept": "LIVE",
    "refused": "REJ", "late": "EXP", "pegged": "CLOSED", "reopened": "LIVE", "raced": "FILLED",
}  # fmt: skip

Rows = list[tuple[object, ...]]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that the previous release wrote."""
    path = tmp_path / "oms.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    return path


def opened(path: Path) -> Engine:
    return Engine.open(str(path), clock=Clock(), session_id="old-desk")


def rows(path: Path, query: str) -> Rows:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def schema_of(path: Path) -> Rows:
    found = rows(path, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2")
    return [row for row in found if "sqlite_" not in str(row[1])]


def columns_of(path: Path, table: str) -> list[str]:
    return [str(row[1]) for row in rows(path, f"PRAGMA table_info({table})")]


def test_the_file_is_of_the_first_schema(old: Path) -> None:
    assert rows(old, "PRAGMA user_version") == [(1,)]
    assert rows(old, "PRAGMA application_id") == [(schema.APPLICATION_ID,)]
    assert "place_qty" not in columns_of(old, "orders")
    assert not {"allocations", "quotes"} & {row[0] for row in rows(old, "SELECT name FROM sqlite_master")}


def test_an_older_file_gets_the_schema_of_a_new_one(old: Path, tmp_path: Path) -> None:
    opened(old).close()
    new = tmp_path / "new.db"
    opened(new).close()
    assert schema_of(old) == schema_of(new)
    for pragma in ("user_version", "application_id", "journal_mode"):
        assert rows(old, f"PRAGMA {pragma}") == rows(new, f"PRAGMA {pragma}")
    assert rows(old, "PRAGMA integrity_check") == [("ok",)]
    assert [row[0] for row in rows(old, "SELECT name FROM _sqlite_migrations ORDER BY id")] == [
        "0001_events_and_read_model",
        "0002_trees_groups_and_quotes",
        "0003_upkeep",
    ]


def test_nothing_that_was_written_is_lost_or_changed(old: Path) -> None:
    kept = {table: rows(old, f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("events", "commands")}  # noqa: S608 - own names
    used = "SELECT session_id, cl_ord_id, order_id FROM client_order_ids ORDER BY 1, 2"
    ids = rows(old, used)
    shared = {table: columns_of(old, table) for table in ("orders", "executions")}
    before = {
        table: rows(old, f"SELECT {', '.join(names)} FROM {table} ORDER BY id")  # noqa: S608 - own names
        for table, names in shared.items()
    }
    opened(old).close()
    assert {table: rows(old, f"SELECT * FROM {table} ORDER BY 1, 2") for table in kept} == kept  # noqa: S608 - own names
    assert rows(old, used) == ids
    assert len(ids) == 13
    for table, names in shared.items():
        assert set(names) <= set(columns_of(old, table))
        assert rows(old, f"SELECT {', '.join(names)} FROM {table} ORDER BY id") == before[table]  # noqa: S608 - own names
        assert len(before[table]) > 8


def test_the_read_model_is_the_fold_of_the_events(old: Path) -> None:
    with opened(old) as engine:
        assert {order.order_id: order.state for order in engine.query(size=50).content} == STATES  # type: ignore[attr-defined]
        connection = engine._store.connection
        for order_id in STATES:
            state = fold(engine.history(order_id))
            assert state is not None
            assert state == engine.state_at(order_id)
            assert canonical_json(state.order.to_wire()) == canonical_json(engine.find(order_id).to_wire())
            columns = ", ".join(ORDERS.columns)
            row = connection.execute(f"SELECT {columns} FROM orders WHERE order_id = ?", (order_id,)).fetchone()  # noqa: S608 - own names
            assert row == ORDERS.row(state.order)
            columns = ", ".join(EXECUTIONS.columns)
            found = connection.execute(f"SELECT {columns} FROM executions WHERE order_id = ? ORDER BY id", (order_id,))  # noqa: S608 - own names
            assert found.fetchall() == [EXECUTIONS.row(one) for one in state.executions.values()]


def test_a_rebuilt_read_model_is_the_migrated_one(old: Path) -> None:
    opened(old).close()
    migrated = Desk(str(old))
    before = migrated.rows(READ_MODEL)
    assert len(before["orders"]) == 11
    assert migrated.engine.rebuild() == 56
    assert migrated.rows(READ_MODEL) == before
    migrated.engine.close()


def test_orders_of_an_older_file_have_the_new_fields(old: Path) -> None:
    with opened(old) as engine:
        working = engine.find("working")
        assert (working.role, working.leg, working.root_order_id) == ("CLIENT", "CLI", "working")
        assert (working.cum_qty, working.alloc_qty, working.pending_alloc_qty, working.place_qty) == (
            working.alloc_qty,
            working.cum_qty,
            0,
            0,
        )
        assert (working.auto_allocation, working.auto_forward, working.is_grouped_order) == (True, True, False)
        assert [one.status for one in engine.executions("working")] == ["ACTIVE", "WHACKED", "BUSTED"]
        assert [(one.requested_by, one.approved_by) for one in engine.executions("working")] == [
            (None, None),
            ("ann", "bob"),
            (None, None),
        ]


def test_the_desk_works_on_with_an_older_file(old: Path) -> None:
    with opened(old) as engine:

        def ok(kind: str, **fields: object) -> None:
            result = engine.execute({"type": kind, **fields})
            assert result.ok, result.message

        ok("OrderCancelAcceptCmd", orderId="working")
        ok("OrderReplaceCmd", orderId="kept", price="101")
        ok("OrderReplaceAcceptCmd", orderId="kept")
        ok("ExecutionCorrectCmd", orderId="full", execRefId="e2", lastQty="500", lastPx="100.5")
        ok("ExecutionBustCmd", execId="g1")
        child = {"account": "ACC", "symbol": "IBM", "side": "BUY", "ordType": "LIMIT", "price": "100"}
        ok("OrderCreateCmd", order={**child, "clOrdId": "k1", "parentOrderId": "waiting", "orderQty": "400"})
        assert [engine.find(name).state for name in ("working", "kept", "full", "gone", "waiting")] == [
            "CXL", "LIVE", "LIVE", "CXL", "UNACK",
        ]  # fmt: skip
        late = engine.execute({"type": "OrderCancelRejectCmd", "orderId": "raced"})
        assert (late.ok, late.duplicate) == (True, True)


def test_what_was_sent_to_the_previous_release_is_recognised(old: Path) -> None:
    order = {
        "orderId": "full", "clOrdId": "c-full", "account": "ACC", "symbol": "IBM", "side": "BUY", "ordType": "LIMIT",
        "orderQty": "1000", "price": "100.25",
    }  # fmt: skip
    with opened(old) as engine:
        by_key = engine.execute({"type": "OrderCreateCmd", "order": order | {"orderId": None}})
        assert (by_key.id, by_key.duplicate, by_key.state) == ("full", True, "FILLED")
        by_command = engine.execute({"type": "OrderCreateCmd", "commandId": "create-full", "order": order})
        assert (by_command.id, by_command.duplicate, by_command.version) == ("full", True, 2)
        other = engine.execute({"type": "OrderCreateCmd", "order": order | {"orderId": None, "price": "100"}}).error
        assert other is not None
        assert other.error_code == "OMS-ORDER-002"
        used = engine.execute({"type": "OrderCancelCmd", "orderId": "kept", "clOrdId": "c-working-2"}).error
        assert used is not None
        assert used.violations[0].rule_id == "CXL-02"


def test_a_second_opening_changes_nothing(old: Path) -> None:
    opened(old).close()
    before = {table: rows(old, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}  # noqa: S608 - own names
    opened(old).close()
    assert {table: rows(old, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES} == before  # noqa: S608 - own names


def everything(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_migration_that_fails_half_way_leaves_the_file_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, dump = old.read_bytes(), everything(old)
    monkeypatch.setattr(schema, "_READ", schema._READ + "CREATE TABLE orders (a);\n")
    with pytest.raises(StoreUnavailable):
        opened(old)
    assert everything(old) == dump
    assert old.read_bytes() == before
    assert rows(old, "PRAGMA user_version") == [(1,)]
    monkeypatch.undo()
    with opened(old) as engine:
        assert engine.counts() == {"orders": 11, "executions": 9, "events": 56}


def test_events_that_cannot_be_read_leave_the_file_as_it_was(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET payload = '{}' WHERE type = 'ExecutionBusted'")
        connection.commit()
    dump = everything(old)
    with pytest.raises(StoreUnavailable, match=r"event \d+ \(ExecutionBusted\) cannot be read"):
        opened(old)
    assert everything(old) == dump
    assert rows(old, "PRAGMA user_version") == [(1,)]


def test_an_older_file_is_not_opened_without_an_engine(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(StoreUnavailable, match="older schema; open it with an engine"):
        EventStore.open(str(old))
    assert old.read_bytes() == before
