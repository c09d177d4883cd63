"""How does a question become one bound SQL statement, and its rows a page?"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from oms_engine.domain.filters import Condition, Operator, Query, fold_case
from oms_engine.record import Record
from oms_engine.storage.codec import RowCodec, SqlValue, to_sql
from oms_engine.storage.event_store import SELECT_EVENTS, EventStore, read_event
from oms_engine.storage.projections import EXECUTIONS, ORDERS


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
