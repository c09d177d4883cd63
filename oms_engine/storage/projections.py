"""What do orders, fills, allocations and quotes look like now? Rows written with the events, from them alone."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from oms_engine.domain.decider.evolve import Happened
from oms_engine.domain.decider.order import created_hash
from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.events import (
    AllocationApplied,
    AllocationReversed,
    Event,
    ExecutionBusted,
    ExecutionCorrected,
    ExecutionCreated,
    ExecutionWhacked,
    QuoteAccepted,
    QuoteCreated,
    QuoteExpired,
    QuoteRejected,
    Share,
    StoredEvent,
    by_stream,
)
from oms_engine.domain.filters import ENTITIES
from oms_engine.domain.model import Allocation, OrderState, QuoteRequestState, ReplaceTerms, StreamState
from oms_engine.domain.vocabulary import AllocStatus, Direction, Role
from oms_engine.record import Record, instant_text
from oms_engine.storage.codec import RowCodec, SqlValue
from oms_engine.storage.paths import note_times
from oms_engine.storage.rows import Happening, happenings_by_stream
from oms_engine.storage.schema import READ_MODEL_TABLES

ORDERS = RowCodec(ENTITIES["order"], {"pending_replace": ReplaceTerms})
EXECUTIONS = RowCodec(ENTITIES["execution"])
ALLOCATIONS = RowCodec(ENTITIES["allocation"])
QUOTE_REQUESTS = RowCodec(ENTITIES["quote_request"])
QUOTES = RowCodec(ENTITIES["quote"])

Progress = Callable[[int, int], None]
"""Told how many events were read, and how many there are."""

LOTS_PER_EVENT = 1_000_000
"""The id of an allocation is position x this + its place in the event, so that it can be found again from events."""


@lru_cache(maxsize=1_024)
def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - own names


@lru_cache(maxsize=1_024)
def _update(table: str, columns: tuple[str, ...]) -> str:
    return f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"  # noqa: S608 - own names


_REVERSE_ALLOCATION = (
    "UPDATE allocations SET status = ?, reversed_at = ? "
    "WHERE giver_order_id = ? AND order_id = ? AND exec_id = ? AND status = ?"
)
_INSERT_CLIENT_ORDER_ID = "INSERT INTO client_order_ids VALUES (?, ?, ?, ?)"


_UNKNOWN: Mapping[str, StreamState | None] = MappingProxyType({})


def project(
    connection: sqlite3.Connection,
    events: Sequence[StoredEvent],
    states: Mapping[str, StreamState],
    before: Mapping[str, StreamState | None] = _UNKNOWN,
) -> None:
    """Write what new events change in the read model.

    Args:
        connection: The database, in a transaction.
        events: The new events.
        states: The streams with these events.
        before: The streams as the read model has them, as far as they are known: only what differs is written.
    """
    for stream_id, its_events in by_stream(events).items():
        was = before.get(stream_id)
        match states[stream_id]:
            case OrderState() as after:
                _project_order(connection, its_events, after, was if isinstance(was, OrderState) else None)
            case QuoteRequestState() as after:
                _project_quotes(connection, its_events, after)
            case _:
                pass


def _write(connection: sqlite3.Connection, table: str, codec: RowCodec, record: Record) -> None:
    """Insert a record as a new row."""
    given = codec.given(record)
    connection.execute(_insert(table, tuple(given)), tuple(given.values()))


def _overwrite(
    connection: sqlite3.Connection, table: str, codec: RowCodec, record: Record, before: Record | None = None
) -> None:
    """Update the row of a record; all of it where it is not known what it was."""
    if before is None:
        connection.execute(_update(table, codec.columns), (*codec.row(record), record.id))  # type: ignore[attr-defined] # every entity of the read model has an id
    elif changes := codec.changed(before, record):
        connection.execute(_update(table, tuple(changes)), (*changes.values(), record.id))  # type: ignore[attr-defined] # as above


def _project_order(
    connection: sqlite3.Connection, events: Sequence[StoredEvent], after: OrderState, before: OrderState | None
) -> None:
    order = after.order
    if events[0].type == "OrderCreated":
        _write(connection, "orders", ORDERS, order)
    else:
        _overwrite(connection, "orders", ORDERS, order, before.order if before else None)
    for stored in events:
        follow = _BESIDE_ORDERS.get(stored.type)
        if follow is not None:
            follow(connection, stored, stored.payload, after)


def _booked(connection: sqlite3.Connection, _: StoredEvent, event: ExecutionCreated, after: OrderState) -> None:
    given = EXECUTIONS.given(after.executions[event.exec_id])
    given["symbol"] = after.order.symbol
    connection.execute(_insert("executions", tuple(given)), tuple(given.values()))


def _taken_back(
    connection: sqlite3.Connection, _: StoredEvent, event: ExecutionWhacked | ExecutionBusted, after: OrderState
) -> None:
    _overwrite(connection, "executions", EXECUTIONS, after.executions[event.exec_id])


def _restated(connection: sqlite3.Connection, _: StoredEvent, event: ExecutionCorrected, after: OrderState) -> None:
    _overwrite(connection, "executions", EXECUTIONS, after.executions[event.exec_ref_id])


def _applied(connection: sqlite3.Connection, stored: StoredEvent, event: AllocationApplied, after: OrderState) -> None:
    if event.direction is Direction.OUT:
        for allocation in _allocations(stored, event, after.order.order_id):
            _write(connection, "allocations", ALLOCATIONS, allocation)


def _reversed(
    connection: sqlite3.Connection, stored: StoredEvent, event: AllocationReversed, after: OrderState
) -> None:
    if event.direction is Direction.OUT:
        at, giver = instant_text(stored.recorded_at), after.order.order_id
        connection.executemany(
            _REVERSE_ALLOCATION,
            [
                (AllocStatus.REVERSED.value, at, giver, lot.order_id, lot.exec_id, AllocStatus.APPLIED.value)
                for lot in event.lots
            ],
        )


def _named(connection: sqlite3.Connection, stored: StoredEvent, _: Event, after: OrderState) -> None:
    connection.executemany(_INSERT_CLIENT_ORDER_ID, _client_order_ids((stored,), after.order.order_id))


_BESIDE_ORDERS: Mapping[str, Callable[[sqlite3.Connection, StoredEvent, Any, OrderState], None]] = {
    "OrderCreated": _named,
    "OrderCancelRequested": _named,
    "OrderReplaceRequested": _named,
    "ExecutionCreated": _booked,
    "ExecutionCorrected": _restated,
    "ExecutionWhacked": _taken_back,
    "ExecutionBusted": _taken_back,
    "AllocationApplied": _applied,
    "AllocationReversed": _reversed,
}
"""Event -> what it writes beside the row of its order."""


def _allocations(stored: Happened, applied: AllocationApplied, giver: str) -> list[Allocation]:
    shares = applied.shares or (Share(order_id=applied.counterpart or "", lots=applied.lots),)
    handed = [(share.order_id, lot) for share in shares for lot in share.lots]
    return [
        Allocation(
            id=stored.position * LOTS_PER_EVENT + index,
            giver_order_id=giver,
            receiver_order_id=receiver,
            order_id=lot.order_id,
            exec_id=lot.exec_id,
            quantity=lot.quantity,
            price=lot.price,
            status=AllocStatus.APPLIED,
            approved_by=applied.approved_by,
            created_at=stored.recorded_at,
        )
        for index, (receiver, lot) in enumerate(handed)
    ]


def _project_quotes(connection: sqlite3.Connection, events: Sequence[StoredEvent], after: QuoteRequestState) -> None:
    request = after.request
    if events[0].type == "QuoteRequested":
        _write(connection, "quote_requests", QUOTE_REQUESTS, request)
    else:
        _overwrite(connection, "quote_requests", QUOTE_REQUESTS, request)
    created = {stored.payload.quote_id for stored in events if isinstance(stored.payload, QuoteCreated)}
    for name in sorted(created):
        _write(connection, "quotes", QUOTES, after.quotes[name])
    for name in sorted(_ended(events, after) - created):
        _overwrite(connection, "quotes", QUOTES, after.quotes[name])


def _ended(events: Iterable[StoredEvent], after: QuoteRequestState) -> set[str]:
    """The quotes that these events end: the one that an event names, all of the request where it names none."""
    ended: set[str] = set()
    for stored in events:
        match stored.payload:
            case (
                QuoteAccepted(quote_id=str(quote_id))
                | QuoteRejected(quote_id=str(quote_id))
                | QuoteExpired(quote_id=str(quote_id))
            ):
                ended.add(quote_id)
            case QuoteRejected() | QuoteExpired():
                ended.update(after.quotes)
            case _:
                pass
    return ended


def _client_order_ids(events: Iterable[Happened], order_id: str) -> list[tuple[str, str, str, str]]:
    rows = []
    for stored in events:
        event = stored.payload
        if stored.type == "OrderCreated":
            asked = "" if event.role is Role.GROUP else created_hash(event)
            rows.append((event.session_id, event.cl_ord_id, order_id, asked))
        elif stored.type in _NAMING and event.session_id is not None and event.cl_ord_id is not None:
            rows.append((event.session_id, event.cl_ord_id, order_id, ""))
    return rows


_NAMING = frozenset({"OrderCancelRequested", "OrderReplaceRequested"})
"""The events, beside the one that creates an order, that may use a clOrdId."""


class Rows:
    """The rows of whole streams, those that `project` would have written event by event; written in bulk.

    Rows that have the same columns are written together: most columns of an order are null, and naming them costs more
    than leaving them out.

    Args:
        prefix: Of the tables they are written to.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._rows: dict[tuple[str, tuple[str, ...]], list[tuple[SqlValue, ...]]] = {}
        self._ids: dict[str, list[tuple[SqlValue, ...]]] = {"orders": [], "quote_requests": [], "quotes": []}
        self._order_ids: list[tuple[str]] = []
        self._client_order_ids: list[tuple[str, str, str, str]] = []

    def add(self, events: Sequence[Happened], after: StreamState) -> None:
        """Take in a stream: all its events, and what they lead to."""
        match after:
            case OrderState():
                self._add_order(events, after)
            case QuoteRequestState():
                self._keep("quote_requests", QUOTE_REQUESTS, after.request)
                for quote in after.quotes.values():
                    self._keep("quotes", QUOTES, quote)
            case _:
                pass

    def _add_order(self, events: Sequence[Happened], after: OrderState) -> None:
        order_id = after.order.order_id
        self._order_ids.append((order_id,))
        self._keep("orders", ORDERS, after.order)
        for execution in after.executions.values():
            self._keep("executions", EXECUTIONS, execution, symbol=after.order.symbol)
        self._client_order_ids.extend(_client_order_ids(events, order_id))
        if after.handed:
            for allocation in _all_allocations(events, order_id):
                self._keep("allocations", ALLOCATIONS, allocation)

    def _keep(self, table: str, codec: RowCodec, record: Record, **more: SqlValue) -> None:
        given = codec.given(record) | more
        self._rows.setdefault((table, tuple(given)), []).append(tuple(given.values()))
        if table in self._ids:
            self._ids[table].append((given["id"],))

    def write(self, connection: sqlite3.Connection, *, again: bool = False) -> None:
        """Write the rows inside the transaction that is open, as far as possible in the order of their keys.

        Args:
            connection: Where to.
            again: Rows of these streams may be there already, and are taken away before.
        """
        self._client_order_ids.sort()
        if again:
            self._clear(connection)
        for (table, columns), rows in self._rows.items():
            rows.sort(key=itemgetter(columns.index("id")))
            connection.executemany(_insert(self._prefix + table, columns), rows)
        connection.executemany(
            f"INSERT INTO {self._prefix}client_order_ids VALUES (?, ?, ?, ?)",  # noqa: S608 - own names
            self._client_order_ids,
        )

    def _clear(self, connection: sqlite3.Connection) -> None:
        for table, key in (("executions", "order_id"), ("allocations", "giver_order_id")):
            connection.executemany(f"DELETE FROM {self._prefix}{table} WHERE {key} = ?", self._order_ids)  # noqa: S608 - own names
        for table, ids in self._ids.items():
            connection.executemany(f"DELETE FROM {self._prefix}{table} WHERE id = ?", ids)  # noqa: S608 - own names
        connection.executemany(
            f"DELETE FROM {self._prefix}client_order_ids WHERE session_id = ? AND cl_ord_id = ?",  # noqa: S608 - own names
            [row[:2] for row in self._client_order_ids],
        )


_STREAMS_AT_ONCE = 1_000


def _all_allocations(events: Iterable[Happened], giver: str) -> list[Allocation]:
    """The lots that an order handed on, those it took back marked."""
    made: dict[int, Allocation] = {}
    for stored in events:
        event = stored.payload
        if stored.type == "AllocationApplied" and event.direction is Direction.OUT:
            made.update((each.id, each) for each in _allocations(stored, event, giver))
        elif stored.type == "AllocationReversed" and event.direction is Direction.OUT:
            taken = {lot.key for lot in event.lots}
            for each in made.values():
                if each.status is AllocStatus.APPLIED and (each.order_id, each.exec_id) in taken:
                    made[each.id] = each.but(status=AllocStatus.REVERSED, reversed_at=stored.recorded_at)
    return list(made.values())


def refill(connection: sqlite3.Connection) -> None:
    """Write the read model anew inside the transaction that is open, where nobody else uses the store."""
    for table in READ_MODEL_TABLES:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - own names
    fill(connection, happenings_by_stream(connection))
    note_times(connection)


def fill(connection: sqlite3.Connection, streams: Iterable[tuple[str, Iterable[Happening]]], prefix: str = "") -> None:
    """Write the rows of whole streams inside the transaction that is open.

    Args:
        connection: Where to.
        streams: The name of each stream, and its events from its beginning.
        prefix: Of the tables they are written to.
    """
    rows = Rows(prefix)
    for number, (stream_id, events) in enumerate(streams, 1):
        its_events = list(events)
        state = fold_stream(stream_id, its_events)
        assert state is not None  # noqa: S101 - a stream has at least one event
        rows.add(its_events, state)
        if number % _STREAMS_AT_ONCE == 0:
            rows.write(connection)
            rows = Rows(prefix)
    rows.write(connection)
