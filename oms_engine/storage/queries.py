"""How does a question become one bound SQL statement, and its rows a page?"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple, cast

from oms_engine.domain.filters import SUMMED, FieldType, Query, QueryField
from oms_engine.domain.model import Order
from oms_engine.domain.quantities import ZERO
from oms_engine.domain.rules.facts import OpenOrder
from oms_engine.domain.vocabulary import WORKING_STATES, ExecutionStatus, TimeInForce
from oms_engine.record import MAX_FRACTION_DIGITS, Record, instant_text, plain
from oms_engine.storage.codec import RowCodec, SqlValue, from_sortable, sortable
from oms_engine.storage.cursors import cursor_behind, mark_of, start_of
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.paths import Route, route
from oms_engine.storage.projections import ALLOCATIONS, EXECUTIONS, ORDERS, QUOTE_REQUESTS, QUOTES
from oms_engine.storage.rows import SELECT_EVENTS, read_event
from oms_engine.storage.schema import OPEN, WAITING
from oms_engine.storage.statements import Clause, SqlCompiler, order_by


class PageInfo(Record):
    """Where a page stands in its result; only its size is known of a page that goes by cursor."""

    number: int | None = None
    size: int
    total_elements: int | None = None
    total_pages: int | None = None


class Page(NamedTuple):
    """One page of a result, in its order; `next_cursor` goes on behind it and is None on the last page."""

    content: list[Record]
    page: PageInfo
    warnings: tuple[str, ...] = ()
    next_cursor: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """The page as JSON."""
        return {"content": [record.to_wire() for record in self.content], **self.about()}

    def about(self) -> dict[str, Any]:
        """What stands beside the rows: which page it is, the cursor of the next one, warnings."""
        following = {"nextCursor": self.next_cursor} if self.next_cursor else {}
        return {"page": self.page.to_wire(), **following, "warnings": list(self.warnings)}


class _Source(NamedTuple):
    """Where the rows of an entity come from and how they are read."""

    select: str
    table: str
    reader: Callable[[sqlite3.Connection], Callable[[tuple[Any, ...]], Record]]


def _of(table: str, codec: RowCodec) -> _Source:
    return _Source(f"SELECT {', '.join(codec.columns)} FROM {table} ", table, lambda _: codec.read)  # noqa: S608 - own names


_SOURCES: Mapping[str, _Source] = {
    "order": _of("orders", ORDERS),
    "execution": _of("executions", EXECUTIONS),
    "allocation": _of("allocations", ALLOCATIONS),
    "quote": _of("quotes", QUOTES),
    "quote_request": _of("quote_requests", QUOTE_REQUESTS),
    "event": _Source(SELECT_EVENTS, "events", lambda connection: partial(read_event, connection)),
}


_ORDER = f"{_SOURCES['order'].select}WHERE order_id = ?"
_ID = ORDERS.columns.index("id")


def statement(query: Query, way: Route, start: Sequence[SqlValue] | None = None) -> Clause:
    """The statement that finds the rows of a page, and one more where there is one.

    Where an index has them in their order it selects them. Where several ranges have to be merged, or an index has rows
    of the same sort value the other way round, it selects the keys of all rows, ordered by the first key; SQLite reads
    them only as far as they are fetched.
    """
    source = _SOURCES[query.entity.name]
    wheres = way.wheres(start)
    values = tuple(value for where in wheres for value in where.values)
    if _is_merged(way, wheres):
        columns = ", ".join(key.column for key in way.keys)
        ranges = " UNION ALL ".join(f"SELECT {columns} FROM {source.table} WHERE {where.sql}" for where in wheres)  # noqa: S608 - own names
        return Clause(f"{ranges} ORDER BY {order_by(way.keys[:1])}", values)
    where = " OR ".join(f"({where.sql})" for where in wheres)
    sql = f"{source.select}WHERE {where} ORDER BY {order_by(way.keys)} LIMIT ? OFFSET ?"
    return Clause(sql, (*values, query.size + 1, query.page * query.size))


def _is_merged(way: Route, wheres: Sequence[Clause]) -> bool:
    return way.steered and (len(wheres) > 1 or len({key.descending for key in way.keys}) > 1)


def _rows(
    connection: sqlite3.Connection, query: Query, way: Route, start: Sequence[SqlValue] | None
) -> Iterator[tuple[Any, ...]]:
    """The rows of a page in their order, and one more where there is one."""
    page = statement(query, way, start)
    found = connection.execute(page.sql, page.values)
    if not _is_merged(way, way.wheres(start)):
        return found
    descending = way.keys[-1].descending
    groups = (sorted((key[-1] for key in same), reverse=descending) for _, same in groupby(found, itemgetter(0)))
    first = query.page * query.size
    ids = list(islice(chain.from_iterable(groups), first, first + query.size + 1))
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(f"{_SOURCES[query.entity.name].select}WHERE id IN ({marks})", ids)
    by_id = {row[_ID]: row for row in rows}
    return (by_id[number] for number in ids)


def run(store: EventStore, query: Query) -> Page:
    """The page that a question asks for, and unless it goes by cursor how many there are; from one view of the store.

    Raises:
        Refused: OMS-VAL-004, the cursor is malformed or belongs to another question.
    """
    source = _SOURCES[query.entity.name]
    with store.reading() as connection:
        way = route(connection, query)
        mark = mark_of(query, way.keys)
        start = start_of(query, mark, way.keys)
        content: list[Record] = []
        following = None
        if way.branches:
            rows = _rows(connection, query, way, start)
            content = list(map(source.reader(connection), islice(rows, query.size)))
            if content and next(rows, None) is not None:
                following = cursor_behind(mark, way.keys, content[-1])
        total = None if query.cursor else _count(connection, source, query)
    return Page(content, _info(query, total), query.warnings, following)


def _count(connection: sqlite3.Connection, source: _Source, query: Query) -> int:
    where = query.specification.compile(SqlCompiler())
    counted = connection.execute(f"SELECT count(*) FROM {source.table} WHERE {where.sql}", where.values)  # noqa: S608 - own names
    return int(counted.fetchone()[0])


class Group(Record):
    """The rows that have one value of a field: the value as on the wire, None for none; how many; summed quantities."""

    key: str | int | bool | None = None
    count: int
    sums: dict[str, str]


class Groups(NamedTuple):
    """The groups of a result, the one with the most rows first, and how many there are."""

    groups: list[Group]
    total: int
    warnings: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """The groups as JSON."""
        return {"groups": [group.to_wire() for group in self.groups], "warnings": list(self.warnings)}


def grouped(store: EventStore, query: Query, field: QueryField) -> Groups:
    """Count the rows that meet the conditions of a question by a field of theirs, and add their quantities up."""
    entity, table = query.entity, _SOURCES[query.entity.name].table
    added = [entity.fields[name] for name in SUMMED[entity.name]]
    where = query.specification.compile(SqlCompiler())
    sums = "".join(f", {part}" for summed in added for part in _parts_of_sum(summed.attribute))
    key = field.attribute
    rows = f"FROM {table} WHERE {where.sql} GROUP BY {key}"
    with store.reading() as connection:
        found = connection.execute(
            f"SELECT {key}, count(*){sums} {rows} ORDER BY count(*) DESC, {key} LIMIT ?",
            (*where.values, query.size),
        ).fetchall()
        (total,) = connection.execute(f"SELECT count(*) FROM (SELECT 1 {rows})", where.values).fetchone()  # noqa: S608 - own names
    groups = [
        Group(
            key=_on_the_wire(field, value),
            count=count,
            sums={f.name: _sum(parts[n * 3 : n * 3 + 3]) for n, f in enumerate(added)},
        )
        for value, count, *parts in found
    ]
    warnings = query.warnings
    if total > len(groups):
        warnings += (f"{len(groups)} of {total:,} groups are shown; give a larger size or more conditions",)
    return Groups(groups, total, warnings)


_PARTS = ((2, 9), (11, 9), (20, MAX_FRACTION_DIGITS))
"""Where the digits of a sortable decimal stand: so many that no sum of a part leaves the 64 bits of SQLite."""


def _parts_of_sum(column: str) -> list[str]:
    return [f"coalesce(sum(CAST(substr({column}, {first}, {length}) AS INTEGER)), 0)" for first, length in _PARTS]


def _sum(parts: Sequence[int]) -> str:
    """A sum whose upper, lower and fraction digits were added apart, exactly."""
    upper, lower, fraction = parts
    units = (upper * 10**9 + lower) * 10**MAX_FRACTION_DIGITS + fraction
    whole, rest = divmod(units, 10**MAX_FRACTION_DIGITS)
    return f"{whole}.{rest:0{MAX_FRACTION_DIGITS}d}".rstrip("0").rstrip(".")


def _on_the_wire(field: QueryField, value: str | int | None) -> str | int | bool | None:
    if value is None:
        return None
    match field.type:
        case FieldType.DECIMAL:
            return plain(from_sortable(str(value)))
        case FieldType.BOOLEAN:
            return bool(value)
        case _:
            return value


def _info(query: Query, total: int | None) -> PageInfo:
    if total is None:
        return PageInfo(size=query.size)
    return PageInfo(number=query.page, size=query.size, total_elements=total, total_pages=-(-total // query.size))


def order_row(store: EventStore, order_id: str) -> Order | None:
    """The order with this id, as its row has it; None when there is none."""
    row = store.row(_ORDER, order_id)
    return None if row is None else cast("Order", ORDERS.read(row))


def every(store: EventStore, query: Query) -> list[Record]:
    """Everything that meets the conditions of a question, in the order it came to be; not cut into pages."""
    source = _SOURCES[query.entity.name]
    where = query.specification.compile(SqlCompiler())
    sql = f"{source.select}WHERE {where.sql} ORDER BY {query.entity.sequence}"
    with store.reading() as connection:
        return list(map(source.reader(connection), connection.execute(sql, where.values)))


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
    where = f"WHERE {WAITING} AND {sent} < ? ORDER BY {sent}, id LIMIT ?"
    return _orders(connection, where, (instant_text(before), _MOST_IN_TREE))


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
        "SELECT last_px FROM executions WHERE symbol = ? AND status IN (?, ?) ORDER BY id DESC LIMIT 1",
        (symbol, ExecutionStatus.ACTIVE, ExecutionStatus.CORRECTED),
    ).fetchone()
    return from_sortable(row[0]) if row else None


def open_orders(connection: sqlite3.Connection, account: str) -> list[OpenOrder]:
    """The roots of an account in NEW, UNACK or LIVE with something open; no groups."""
    rows = connection.execute(
        "SELECT order_id, symbol, leaves_qty, price, cash_order_qty FROM orders "  # noqa: S608 - own words
        f"WHERE account = ? AND {OPEN} AND parent_order_id IS NULL AND is_grouped_order = 0 "
        "AND (leaves_qty IS NULL OR leaves_qty > ?) ORDER BY id",
        (account, sortable(ZERO)),
    )
    return [
        OpenOrder(order_id, symbol, *(from_sortable(text) if text is not None else None for text in numbers))
        for order_id, symbol, *numbers in rows
    ]
