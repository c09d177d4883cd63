"""How many orders stand in each state, and how many went from one state to another? Counted by SQLite."""

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from oms_engine.domain.filters import Query
from oms_engine.domain.lifecycle import ENTERED_BY
from oms_engine.domain.vocabulary import State
from oms_engine.storage.statements import SqlCompiler

MOST_EVENTS = 1_000_000
"""Events that are looked at unless told otherwise: some seconds of work."""

_ENTERING = ", ".join(f"'{name}'" for name in ENTERED_BY)

_PASSED = f"""
SELECT before, entered, count(*) FROM (
  SELECT e.type AS entered, (
    SELECT p.type FROM events AS p
    WHERE p.stream_id = e.stream_id AND p.version < e.version AND p.type IN ({_ENTERING})
    ORDER BY p.version DESC LIMIT 1
  ) AS before
  FROM events AS e WHERE e.position > ? AND e.type IN ({_ENTERING})
) GROUP BY before, entered
"""  # noqa: S608 - names of our own events


class Flow(NamedTuple):
    """What became of the orders of a store.

    Attributes:
        standing: How many orders are in each state now.
        passed: How many times an order went from one state to the next; from None when it was created.
        behind: Only events behind this position were looked at for `passed`; 0 when all were.
        position: The position of the last event.
    """

    standing: dict[State, int]
    passed: dict[tuple[State | None, State], int]
    behind: int
    position: int


def standing(connection: sqlite3.Connection, query: Query) -> dict[State, int]:
    """How many orders that meet the conditions of a question are in each state."""
    where = query.specification.compile(SqlCompiler())
    return _by_state(connection, f"WHERE {where.sql}", where.values)


def _by_state(connection: sqlite3.Connection, where: str = "", values: Sequence[Any] = ()) -> dict[State, int]:
    rows = connection.execute(f"SELECT state, count(*) FROM orders {where} GROUP BY state", values)  # noqa: S608 - bound values
    return {**dict.fromkeys(State, 0), **{State[name]: count for name, count in rows}}


def flow(connection: sqlite3.Connection, most_events: int) -> Flow:
    """Where orders stand and which way they went; the last events alone where there are more than so many."""
    (last,) = connection.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()
    behind = max(0, last - most_events)
    passed: dict[tuple[State | None, State], int] = {}
    for before, entered, count in connection.execute(_PASSED, (behind,)):
        way = (ENTERED_BY[before] if before else None, ENTERED_BY[entered])
        passed[way] = passed.get(way, 0) + count
    return Flow(_by_state(connection), passed, behind, last)
