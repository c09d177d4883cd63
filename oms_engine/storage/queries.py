"""How does a question become one bound SQL statement, and its rows a page?"""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from oms_engine.domain.filters import Condition, Operator, Query, fold_case
from oms_engine.domain.model import Order
from oms_engine.domain.quantities import ZERO
from oms_engine.domain.rules.facts import OpenOrder
from oms_engine.domain.vocabulary import OPEN_STATES, WORKING_STATES, CancelState, ExecutionStatus, TimeInForce
from oms_engine.record import Record, instant_text
from oms_engine.storage.codec import RowCodec, SqlValue, from_sortable, sortable, to_sql
from oms_engine.storage.event_store import SELECT_EVENTS, EventStore, read_event
from oms_engine.storage.projections import ALLOCATIONS, EXECUTIONS, ORDERS, QUOTE_REQUESTS, QUOTES


class PageInfo(Record):
    """Where a page stands in its result."""

    number: int
    size: int
    total_elements: int
    total_pages: int


class Page(NamedTuple):
    """One page of a result, in its order."""

    content: list[Record]
    page: PageInfo
    warnings: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """The page as JSON."""
        return {
            "content": [record.to_wire() for record in self.content],
            "page": self.page.to_wire(),
            "warnings": list(self.warnings),
        }


class Clause(NamedTuple):
    """SQL text with the values that are bound to it."""

    sql: str
    values: tuple[SqlValue, ...] = ()


class SqlCompiler:
    """Turns conditions into a WHERE clause; column names come from the registry, values are bound."""

    def leaf(self, predicate: Callable[[Record], bool]) -> Clause:
        """One condition."""
        if not isinstance(predicate, Condition):
            raise TypeError(f"{predicate!r} is no condition of the registry")
        return _clause(predicate)

    def both(self, left: Clause, right: Clause) -> Clause:
        """Left and right."""
        return Clause(f"({left.sql} AND {right.sql})", left.values + right.values)

    def either(self, left: Clause, right: Clause) -> Clause:
        """Left or right."""
        return Clause(f"({left.sql} OR {right.sql})", left.values + right.values)

    def negation(self, inner: Clause) -> Clause:
        """Everything but inner; a condition is never unknown, because null was treated in the leaf."""
        return Clause(f"NOT {inner.sql}", inner.values)

    def everything(self) -> Clause:
        """No restriction."""
        return Clause("1")


def _clause(condition: Condition) -> Clause:
    column = condition.field.attribute
    if not condition.values:
        return Clause(f"{column} IS {'' if condition.operator is Operator.EQ else 'NOT '}NULL")
    values = tuple(to_sql(condition.field, value) for value in condition.values)
    return _CLAUSES[condition.operator](column, values)


def _known(column: str, sql: str, values: tuple[SqlValue, ...]) -> Clause:
    """A comparison that null never meets."""
    return Clause(f"({column} IS NOT NULL AND {sql})", values)


def _between(column: str, values: tuple[SqlValue, ...]) -> Clause:
    low, high = values
    if low is None:
        return _known(column, f"{column} <= ?", (high,))
    if high is None:
        return _known(column, f"{column} >= ?", (low,))
    return _known(column, f"{column} BETWEEN ? AND ?", (low, high))


def _compare(sign: str) -> Callable[[str, tuple[SqlValue, ...]], Clause]:
    return lambda column, values: _known(column, f"{column} {sign} ?", values)


_CLAUSES: Mapping[Operator, Callable[[str, tuple[SqlValue, ...]], Clause]] = {
    Operator.EQ: lambda column, values: Clause(f"{column} IS ?", values),
    Operator.NE: lambda column, values: Clause(f"{column} IS NOT ?", values),
    Operator.LIKE: lambda column, values: _known(
        column, f"instr(lower({column}), ?) > 0", (fold_case(str(values[0])),)
    ),
    Operator.IN: lambda column, values: _known(column, f"{column} IN ({', '.join('?' * len(values))})", values),
    Operator.GT: _compare(">"),
    Operator.GTE: _compare(">="),
    Operator.LT: _compare("<"),
    Operator.LTE: _compare("<="),
    Operator.BETWEEN: _between,
}
"""Operator -> SQL; the values are bound in the order they stand."""


def _order_by(query: Query) -> str:
    return ", ".join(
        f"{key.field.attribute} {'DESC' if key.descending else 'ASC'}{' NULLS LAST' if key.field.nullable else ''}"
        for key in query.sort
    )


class _Source(NamedTuple):
    """Where the rows of an entity come from and how they are read."""

    select: str
    table: str
    read: Callable[[tuple[Any, ...]], Record]


def _of(table: str, codec: RowCodec) -> _Source:
    return _Source(f"SELECT {', '.join(codec.columns)} FROM {table} ", table, codec.read)  # noqa: S608 - own names


_SOURCES: Mapping[str, _Source] = {
    "order": _of("orders", ORDERS),
    "execution": _of("executions", EXECUTIONS),
    "allocation": _of("allocations", ALLOCATIONS),
    "quote": _of("quotes", QUOTES),
    "quote_request": _of("quote_requests", QUOTE_REQUESTS),
    "event": _Source(SELECT_EVENTS, "events", read_event),
}


def statement(query: Query) -> Clause:
    """The one statement that answers a question."""
    where = query.specification.compile(SqlCompiler())
    sql = f"{_SOURCES[query.entity.name].select}WHERE {where.sql} ORDER BY {_order_by(query)} LIMIT ? OFFSET ?"
    return Clause(sql, (*where.values, query.size, query.page * query.size))


def run(store: EventStore, query: Query) -> Page:
    """The page that a question asks for, and how many there are in all; both from one view of the store."""
    source = _SOURCES[query.entity.name]
    where = query.specification.compile(SqlCompiler())
    page = statement(query)
    with store.reading() as connection:
        counted = connection.execute(f"SELECT count(*) FROM {source.table} WHERE {where.sql}", where.values)  # noqa: S608 - own names
        total = int(counted.fetchone()[0])
        content = [source.read(row) for row in connection.execute(page.sql, page.values)]
    pages = -(-total // query.size)
    return Page(
        content, PageInfo(number=query.page, size=query.size, total_elements=total, total_pages=pages), query.warnings
    )


def every(store: EventStore, query: Query) -> list[Record]:
    """Everything that meets the conditions of a question, in the order it came to be; not cut into pages."""
    source = _SOURCES[query.entity.name]
    where = query.specification.compile(SqlCompiler())
    sql = f"{source.select}WHERE {where.sql} ORDER BY {query.entity.sequence}"
    with store.reading() as connection:
        return [source.read(row) for row in connection.execute(sql, where.values)]


class Tree(NamedTuple):
    """A tree of orders: the root first, then by depth and orderId; and the group that a member's tree hangs on."""

    orders: list[Order]
    depths: dict[str, int]
    group: Order | None
    members: list[Order]


_MOST_IN_TREE = 10_000


def _orders(connection: sqlite3.Connection, where: str, values: tuple[SqlValue, ...]) -> list[Order]:
    rows = connection.execute(_SOURCES["order"].select + where, values)
    return [order for row in rows if isinstance(order := ORDERS.read(row), Order)]


def read_tree(connection: sqlite3.Connection, order: Order) -> Tree:
    """The tree of an order; at most 10,000 orders of it."""
    found = _orders(
        connection,
        "WHERE order_id = ? OR (root_order_id = ? AND parent_order_id IS NOT NULL) ORDER BY id LIMIT ?",
        (order.root_order_id, order.root_order_id, _MOST_IN_TREE),
    )
    depths: dict[str, int] = {}
    for each in found:  # a parent is created before its children
        depths[each.order_id] = depths[each.parent_order_id] + 1 if each.parent_order_id else 0
    found.sort(key=lambda each: (depths[each.order_id], each.order_id))
    group_id = found[0].group_order_id
    is_member = group_id is not None and not found[0].is_grouped_order
    linked = _orders(connection, "WHERE group_order_id = ? ORDER BY order_id", (group_id,)) if group_id else []
    return Tree(
        found,
        depths,
        next((each for each in linked if each.is_grouped_order), None) if is_member else None,
        [] if is_member else [each for each in linked if not each.is_grouped_order],
    )


def pending_orders(connection: sqlite3.Connection, before: datetime) -> list[Order]:
    """Orders whose cancel or replace request was sent before a time and waits for its answer, oldest request first."""
    sent = (
        "(SELECT max(recorded_at) FROM events WHERE stream_id = 'order-' || orders.order_id "
        "AND type IN ('OrderCancelRequested', 'OrderReplaceRequested'))"
    )
    where = f"WHERE cancel_state IN (?, ?) AND {sent} < ? ORDER BY {sent}, id LIMIT ?"
    return _orders(connection, where, (CancelState.PCXL, CancelState.PMOD, instant_text(before), _MOST_IN_TREE))


def due_orders(connection: sqlite3.Connection, as_of: datetime, *, day_orders: bool) -> list[Order]:
    """Orders in the market whose time in force has ended, children before their parents."""
    at = instant_text(as_of)
    where = (
        "WHERE state IN (?, ?) AND ((time_in_force = ? AND expire_time <= ?) "
        "OR (? AND time_in_force = ? AND created_at <= ?)) ORDER BY id DESC"
    )
    values: tuple[SqlValue, ...] = (
        *sorted(WORKING_STATES),
        TimeInForce.GOOD_TILL_DATE,
        at,
        int(day_orders),
        TimeInForce.DAY,
        at,
    )
    return _orders(connection, where, values)


def quote_request_of(connection: sqlite3.Connection, quote_id: str) -> str | None:
    """The quote request that a quote answers; None when there is no such quote."""
    row = connection.execute("SELECT quote_req_id FROM quotes WHERE quote_id = ?", (quote_id,)).fetchone()
    return row[0] if row else None


def last_price(connection: sqlite3.Connection, symbol: str) -> Decimal | None:
    """Price of the last execution of a symbol that still counts."""
    row = connection.execute(
        "SELECT e.last_px FROM executions e JOIN orders o ON o.order_id = e.order_id "
        "WHERE o.symbol = ? AND e.status IN (?, ?) ORDER BY e.id DESC LIMIT 1",
        (symbol, ExecutionStatus.ACTIVE, ExecutionStatus.CORRECTED),
    ).fetchone()
    return from_sortable(row[0]) if row else None


def open_orders(connection: sqlite3.Connection, account: str) -> list[OpenOrder]:
    """The roots of an account in NEW, UNACK or LIVE with something open; no groups."""
    rows = connection.execute(
        "SELECT order_id, symbol, leaves_qty, price, cash_order_qty FROM orders "
        "WHERE account = ? AND state IN (?, ?, ?) AND parent_order_id IS NULL AND is_grouped_order = 0 "
        "AND (leaves_qty IS NULL OR leaves_qty > ?) ORDER BY id",
        (account, *sorted(OPEN_STATES), sortable(ZERO)),
    )
    return [
        OpenOrder(order_id, symbol, *(from_sortable(text) if text is not None else None for text in numbers))
        for order_id, symbol, *numbers in rows
    ]
