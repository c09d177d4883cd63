"""What do orders and executions look like now? Rows written with the events, and rebuilt from events alone."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from oms_engine.domain.decider.evolve import fold
from oms_engine.domain.decider.order import terms_hash
from oms_engine.domain.events import (
    ExecutionBusted,
    ExecutionCreated,
    ExecutionWhacked,
    OrderCancelRequested,
    OrderCreated,
    StoredEvent,
)
from oms_engine.domain.filters import ENTITIES
from oms_engine.domain.model import OrderState
from oms_engine.storage.codec import RowCodec
from oms_engine.storage.event_store import EventStore

ORDERS = RowCodec(ENTITIES["order"])
EXECUTIONS = RowCodec(ENTITIES["execution"])

Progress = Callable[[int, int], None]
"""Told how many events were read, and how many there are."""


def _insert(table: str, codec: RowCodec) -> str:
    names = ", ".join(codec.columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(codec.columns))})"  # noqa: S608 - own names


def _update(table: str, codec: RowCodec) -> str:
    changes = ", ".join(f"{name} = ?" for name in codec.columns)
    return f"UPDATE {table} SET {changes} WHERE id = ?"  # noqa: S608 - own names


_INSERT_ORDER = _insert("orders", ORDERS)
_UPDATE_ORDER = _update("orders", ORDERS)
_INSERT_EXECUTION = _insert("executions", EXECUTIONS)
_UPDATE_EXECUTION = _update("executions", EXECUTIONS)
_INSERT_CLIENT_ORDER_ID = "INSERT INTO client_order_ids VALUES (?, ?, ?, ?)"


def project(connection: sqlite3.Connection, events: Sequence[StoredEvent], after: OrderState) -> None:
    """Write what new events of one order change in the read model; `after` is the order with these events."""
    order = after.order
    if isinstance(events[0].payload, OrderCreated):
        connection.execute(_INSERT_ORDER, ORDERS.row(order))
    else:
        connection.execute(_UPDATE_ORDER, (*ORDERS.row(order), order.id))
    for stored in events:
        match stored.payload:
            case ExecutionCreated(exec_id=exec_id):
                connection.execute(_INSERT_EXECUTION, EXECUTIONS.row(after.executions[exec_id]))
            case ExecutionWhacked(exec_id=exec_id) | ExecutionBusted(exec_id=exec_id):
                execution = after.executions[exec_id]
                connection.execute(_UPDATE_EXECUTION, (*EXECUTIONS.row(execution), execution.id))
    connection.executemany(_INSERT_CLIENT_ORDER_ID, _client_order_ids(events, order.order_id))


def _client_order_ids(events: Iterable[StoredEvent], order_id: str) -> list[tuple[str, str, str, str]]:
    rows = []
    for stored in events:
        match stored.payload:
            case OrderCreated(session_id=session_id, cl_ord_id=cl_ord_id) as created:
                rows.append((session_id, cl_ord_id, order_id, terms_hash(created)))
            case OrderCancelRequested(session_id=str(session_id), cl_ord_id=str(cl_ord_id)):
                rows.append((session_id, cl_ord_id, order_id, ""))
    return rows


def rebuild(store: EventStore, progress: Progress = lambda _done, _all: None) -> int:
    """Write the read model anew from the events, in one transaction; returns how many events were read."""
    with store.writing():
        total = int(store.connection.execute("SELECT count(*) FROM events").fetchone()[0])
        for table in ("orders", "executions", "client_order_ids"):
            store.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - own names
        done = 0
        for _, stream in groupby(store.all_by_stream(), key=lambda stored: stored.stream_id):
            events = list(stream)
            _write(store.connection, events)
            done += len(events)
            progress(done, total)
        store.commit()
    return total


def _write(connection: sqlite3.Connection, events: Sequence[StoredEvent]) -> None:
    after = fold(events)
    assert after is not None  # noqa: S101 - a stream has at least one event
    connection.execute(_INSERT_ORDER, ORDERS.row(after.order))
    connection.executemany(_INSERT_EXECUTION, [EXECUTIONS.row(execution) for execution in after.executions.values()])
    connection.executemany(_INSERT_CLIENT_ORDER_ID, _client_order_ids(events, after.order.order_id))
