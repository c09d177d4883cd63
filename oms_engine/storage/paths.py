"""Which index gives the rows of a question in its order, so that a page reads its own rows and no more?"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

from oms_engine.domain.filters import ENTITIES, START, Condition, Operator, Query, QueryField
from oms_engine.domain.vocabulary import OPEN_STATES
from oms_engine.storage.codec import SqlValue, to_sql
from oms_engine.storage.schema import OPEN
from oms_engine.storage.statements import Clause, Key, all_of, behind, clause_of, end_of_prefix

MOST_BRANCHES = 100
"""So many values are looked up side by side; of more, all rows are read in order and compared."""

TIMES_GO_BACK = "recorded_times_go_back"
"""Fact of a store in which an event was recorded at an earlier time than one before it; see `note_times`."""


class AccessPath(NamedTuple):
    """Rows of `orders` with one value in each of some columns, in the order of a column and then of id.

    So an index holds them; one of open orders has no others.
    """

    equal: tuple[str, ...]
    order: str
    is_open: bool = False


ACCESS_PATHS = (
    AccessPath(("symbol", "state"), "created_at"),
    AccessPath(("symbol",), "created_at"),
    AccessPath(("account",), "created_at", is_open=True),
    AccessPath(("account",), "created_at"),
    AccessPath(("state",), "created_at"),
    AccessPath(("price",), "id"),
    AccessPath((), "id"),
    AccessPath((), "created_at"),
    AccessPath((), "price"),
)
"""The ways that the indexes of `orders` offer; the first of those that fit best is taken."""

_PINNED = frozenset(column for path in ACCESS_PATHS for column in path.equal)
_FOUND_AT_ONCE = frozenset({"id", "order_id", "cl_ord_id", "group_order_id"})
"""Columns whose values have few rows: SQLite finds the index, and sorting what it finds costs nothing."""

_EQUAL = frozenset({Operator.EQ, Operator.IN})
_UPPER = frozenset({Operator.LT, Operator.LTE})
_LOWER = frozenset({Operator.GT, Operator.GTE})
_RANGES = _UPPER | _LOWER | {Operator.BETWEEN}


class Route(NamedTuple):
    """How the rows of a question are reached: in which order, and in which branches that exclude each other."""

    keys: tuple[Key, ...]
    branches: tuple[Clause, ...]
    conditions: Clause
    steered: bool

    def wheres(self, start: Sequence[SqlValue] | None) -> list[Clause]:
        """One WHERE per branch, of all rows or of those behind a row with these keys."""
        parts = [Clause("1")] if start is None else behind(self.keys, start)
        return [all_of([branch, part, self.conditions]) for branch in self.branches for part in parts]


def route(connection: sqlite3.Connection, query: Query) -> Route:
    """The way to the rows of a question."""
    keys = _keys(query)
    if query.entity.name == "order" and not any(map(_finds_at_once, query.conditions)):
        pins = _pins(connection, query.conditions)
        counts = tuple((column, len(pin.values)) for column, pin in pins.items())
        is_open = "state" in pins and OPEN_STATES.issuperset(pins["state"].values)
        bounded = frozenset(part.field.attribute for part in query.conditions if part.operator in _RANGES)
        ascend = all(key.column != "created_at" for key in keys) and times_ascend(connection)
        best = _best(keys, counts, bounded, is_open=is_open, times_ascend=ascend)
        if best:
            return _steered(query, *best, pins)
    return Route(keys, (Clause("1"),), all_of(map(clause_of, query.conditions)), steered=False)


@lru_cache(maxsize=1_024)
def _best(
    keys: tuple[Key, ...],
    counts: tuple[tuple[str, int], ...],
    bounded: frozenset[str],
    *,
    is_open: bool,
    times_ascend: bool,
) -> tuple[AccessPath, tuple[Key, ...]] | None:
    """The path that fits a kind of question best, and its keys.

    Args:
        keys: The order that was asked for.
        counts: The columns that are compared for equality, with so many values each.
        bounded: The columns that are compared with a range.
        is_open: Only open orders are asked for.
        times_ascend: Recorded times never go back along positions.
    """
    values = dict(counts)
    fits = [
        (path, order)
        for path in ACCESS_PATHS
        if values.keys() >= {*path.equal}
        and prod(values[column] for column in path.equal) <= MOST_BRANCHES
        and (is_open or not path.is_open)
        and (order := _order_on(path, keys, values, times_ascend=times_ascend)) is not None
    ]
    return max(fits, key=lambda fit: (len(fit[0].equal), fit[0].order in bounded), default=None)


def _keys(query: Query) -> tuple[Key, ...]:
    """The sort keys up to the sequence, which is unique; a key that cannot be null here is no nullable one."""
    keys: list[Key] = []
    for sort in query.sort:
        excluded = any(condition.field is sort.field and not _meets_null(condition) for condition in query.conditions)
        keys.append(Key(sort.field, sort.descending, sort.field.nullable and not excluded))
        if sort.field.name == query.entity.sequence:
            break
    return tuple(keys)


def _meets_null(condition: Condition) -> bool:
    """May a row without a value meet this condition?"""
    return condition.operator is (Operator.NE if condition.values else Operator.EQ)


def _finds_at_once(condition: Condition) -> bool:
    return condition.operator in _EQUAL and bool(condition.values) and condition.field.attribute in _FOUND_AT_ONCE


class _Pin(NamedTuple):
    """The values that a column is compared with for equality, and the condition that says so."""

    condition: Condition
    values: tuple[SqlValue, ...]


def _pins(connection: sqlite3.Connection, conditions: Iterable[Condition]) -> dict[str, _Pin]:
    """The columns with few values each; a prefix stands for the values that start so, when they are not too many."""
    pins: dict[str, _Pin] = {}
    prefixes: list[Condition] = []
    for condition in conditions:
        column = condition.field.attribute
        if column not in _PINNED or not condition.values:
            continue
        if condition.operator in _EQUAL:
            values = tuple(dict.fromkeys(to_sql(condition.field, value) for value in condition.values))
            if column not in pins or len(values) < len(pins[column].values):
                pins[column] = _Pin(condition, values)
        elif condition.operator is Operator.STARTSWITH:
            prefixes.append(condition)
    for condition in prefixes:
        column = condition.field.attribute
        if column not in pins:
            found = _starting_with(connection, column, str(condition.values[0]))
            if len(found) <= MOST_BRANCHES:
                pins[column] = _Pin(condition, found)
    return pins


def _starting_with(connection: sqlite3.Connection, column: str, prefix: str) -> tuple[SqlValue, ...]:
    """The values of a column that start so; one step in the index for each, and one more than can be used at most."""
    end = end_of_prefix(prefix)
    below = "" if end is None else f" AND {column} < :end"
    sql = (
        f"WITH RECURSIVE found(value) AS (SELECT min({column}) FROM orders WHERE {column} >= :prefix{below} "  # noqa: S608 - own names
        f"UNION ALL SELECT (SELECT min({column}) FROM orders WHERE {column} > found.value{below}) "
        f"FROM found WHERE found.value IS NOT NULL LIMIT {MOST_BRANCHES + 1}) "
        "SELECT value FROM found WHERE value IS NOT NULL"
    )
    return tuple(row[0] for row in connection.execute(sql, {"prefix": prefix, "end": end}))


def _order_on(
    path: AccessPath, keys: tuple[Key, ...], values: Mapping[str, int], *, times_ascend: bool
) -> tuple[Key, ...] | None:
    """The keys by which this path gives the order that was asked for; None when it does not."""
    asked = tuple(key for key in keys if key.column not in path.equal or values[key.column] > 1)
    columns = tuple(key.column for key in asked)
    if columns == (path.order, "id") or columns == (path.order,) == ("id",):
        return asked
    if columns == ("id",) and path.order == "created_at" and times_ascend:  # then both orders are the same
        (last,) = asked
        return (Key(_creation_time(), last.descending, nullable=False), last)
    return None


@cache
def _creation_time() -> QueryField:
    return ENTITIES["order"].fields["createdAt"]


def _steered(query: Query, path: AccessPath, keys: tuple[Key, ...], pins: Mapping[str, _Pin]) -> Route:
    """A route along a path: every condition but those of the path is hidden from the choice of an index."""
    used = {id(pins[column].condition) for column in path.equal}
    rest = [condition for condition in query.conditions if id(condition) not in used]
    seen = _EQUAL | _UPPER | _LOWER
    if query.cursor not in {None, START}:  # what stands behind the cursor is bounded by it on the other side
        seen = _EQUAL | (_LOWER if keys[0].descending else _UPPER)
    conditions = [
        clause_of(part, hidden=part.field.attribute != path.order or part.operator not in seen)
        for condition in rest
        for part in _ends(condition)
    ]
    if path.is_open:
        conditions.append(Clause(OPEN))
    branches = [
        all_of(Clause(f"{column} = ?", (value,)) for column, value in zip(path.equal, values, strict=True))
        for values in product(*(pins[column].values for column in path.equal))
    ]
    return Route(keys, tuple(branches), all_of(conditions), steered=True)


def _ends(condition: Condition) -> Iterable[Condition]:
    """The two ends of `between` as conditions of their own."""
    if condition.operator is not Operator.BETWEEN:
        return (condition,)
    ends = zip((Operator.GTE, Operator.LTE), condition.values, strict=True)
    return (Condition(condition.field, operator, (value,)) for operator, value in ends if value is not None)


def times_ascend(connection: sqlite3.Connection) -> bool:
    """Do recorded times never go back along positions? Those of this program do not; in an older file they may."""
    return connection.execute("SELECT 1 FROM store_facts WHERE name = ?", (TIMES_GO_BACK,)).fetchone() is None


def note_times(connection: sqlite3.Connection) -> None:
    """Look once whether recorded times go back somewhere, and keep the answer, inside the transaction that is open."""
    connection.execute("DELETE FROM store_facts WHERE name = ?", (TIMES_GO_BACK,))
    found = connection.execute(
        "SELECT position FROM (SELECT position, recorded_at, lag(recorded_at) OVER (ORDER BY position) AS before "
        "FROM events) WHERE recorded_at < before LIMIT 1"
    ).fetchone()
    if found:
        connection.execute("INSERT INTO store_facts VALUES (?, ?)", (TIMES_GO_BACK, f"at position {found[0]}"))
