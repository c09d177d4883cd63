"""How do conditions, an order, and what stands behind a row become SQL? Columns are our own, values are bound."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from oms_engine.domain.filters import Condition, Operator, QueryField, fold_case
from oms_engine.record import Record
from oms_engine.storage.codec import SqlValue, to_sql

_LAST_LETTER = "\U0010ffff"
_SURROGATES = range(0xD800, 0xE000)


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
        return clause_of(predicate)

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


def clause_of(condition: Condition, *, hidden: bool = False) -> Clause:
    """A condition in SQL.

    Args:
        condition: The condition.
        hidden: No index is to be chosen for this condition: a unary plus changes no value and says so to SQLite.
    """
    column = f"{'+' if hidden else ''}{condition.field.attribute}"
    if not condition.values:
        return Clause(f"{column} IS {'' if condition.operator is Operator.EQ else 'NOT '}NULL")
    if condition.operator is Operator.STARTSWITH:
        return _prefixed(column, str(condition.values[0]))
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


def _prefixed(column: str, prefix: str) -> Clause:
    end = end_of_prefix(prefix)
    if end is None:
        return _known(column, f"{column} >= ?", (prefix,))
    return _known(column, f"{column} >= ? AND {column} < ?", (prefix, end))


def end_of_prefix(prefix: str) -> str | None:
    """The smallest text behind all texts that start like this; None when nothing is.

    SQLite compares text by its UTF-8 bytes, which is the order of the characters' numbers.
    """
    kept = prefix.rstrip(_LAST_LETTER)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


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


class Key(NamedTuple):
    """One key of the order in which rows come; rows without a value come last."""

    field: QueryField
    descending: bool
    nullable: bool

    @property
    def column(self) -> str:
        """The column it compares."""
        return self.field.attribute


def order_by(keys: Sequence[Key]) -> str:
    """What follows ORDER BY."""
    return ", ".join(
        f"{key.column} {'DESC' if key.descending else 'ASC'}{' NULLS LAST' if key.nullable else ''}" for key in keys
    )


def all_of(clauses: Iterable[Clause]) -> Clause:
    """Every clause holds; without clauses everything does."""
    parts = tuple(clauses)
    sql = " AND ".join(part.sql for part in parts) or "1"
    return Clause(sql, tuple(value for part in parts for value in part.values))


def behind(keys: Sequence[Key], values: Sequence[SqlValue]) -> list[Clause]:
    """What stands behind a row: branches that exclude each other, each one range of an index in the order of the keys.

    Behind (a, 7) in the order a, id stand: the same a with a greater id; each greater a; no a at all.
    """
    branches: list[Clause] = []
    same: list[Clause] = []
    for key, value in zip(keys, values, strict=True):
        if value is None:
            same.append(Clause(f"{key.column} IS NULL"))
            continue
        branches.append(all_of([*same, Clause(f"{key.column} {'<' if key.descending else '>'} ?", (value,))]))
        if key.nullable:
            branches.append(all_of([*same, Clause(f"{key.column} IS NULL")]))
        same.append(Clause(f"{key.column} = ?", (value,)))
    return branches
