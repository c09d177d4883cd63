"""Where do very many orders come from? Their rows are made by the engine's own codecs and inserted in bulk.

An engine takes a few orders through their life; the others are copies of those with ids, prices and times of their own.
A file is made once and kept for the next run, under a name that changes with the schema.
"""

import hashlib
import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.lifecycle import ACCOUNTS, SYMBOLS, Json, Ticking, check, life
from oms_engine import Engine
from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.events import StoredEvent
from oms_engine.storage.projections import Rows
from oms_engine.storage.rows import INSERT_EVENT, row_of
from oms_engine.storage.schema import CURRENT

KINDS = "FFFFFCCLLU"
"""Of ten orders five are filled, two are cancelled, two are in the market and one waits for its answer."""

AT_ONCE = 2_000
ORIGINAL = "O-0"
SECOND = timedelta(seconds=1)


def filled(orders: int) -> Path:
    """A file with so many orders; made when there is none."""
    made_of = hashlib.sha256((CURRENT + KINDS + Path(__file__).read_text()).encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"oms-bench-{orders}-{made_of}.db"
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            fill(partial, orders)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def fill(path: Path, orders: int) -> None:
    """Write so many orders into a new file."""
    Engine.open(str(path)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "cache_size = -500000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        later = indexes.fetchall()
        for name, _ in later:
            connection.execute(f"DROP INDEX {name}")
        _insert(connection, orders)
        for _, sql in track(later, "indexes", console=_console(), transient=True):
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _insert(connection: sqlite3.Connection, orders: int) -> None:
    originals = {kind: _original(kind) for kind in sorted(set(KINDS))}
    positions = count(1)
    chance = random.Random(4)  # noqa: S311 - the same orders in every file
    for first in track(range(0, orders, AT_ONCE), f"{orders:,} orders", console=_console(), transient=True):
        rows = Rows()
        events: list[StoredEvent] = []
        for number in range(first, min(first + AT_ONCE, orders)):
            its = list(_copies(originals[chance.choice(KINDS)], number, positions, chance))
            state = fold_stream(its[0].stream_id, its)
            assert state is not None  # noqa: S101 - an order has events
            rows.add(its, state)
            events.extend(its)
        connection.executemany(INSERT_EVENT, map(row_of, events))
        connection.executemany("INSERT INTO commands VALUES (?, ?, ?, ?, ?)", _commands(events))
        rows.write(connection)


def _original(kind: str) -> list[StoredEvent]:
    """The events of an order of this kind, as an engine writes them."""
    create, accept, part, rest = life(0)
    cancel: list[Json] = [
        {"type": "OrderCancelCmd", "orderId": ORIGINAL, "clOrdId": "X-0"},
        {"type": "OrderCancelAcceptCmd", "orderId": ORIGINAL},
    ]
    ways = {"U": [], "L": [accept, part], "F": [accept, part, rest], "C": [accept, *cancel]}
    with Engine.open(clock=Ticking()) as engine:
        for command in [create, *ways[kind]]:
            check(engine.execute(command).ok, command)
        return engine.events()


def _copies(
    original: Sequence[StoredEvent], number: int, positions: Iterator[int], chance: random.Random
) -> Iterator[StoredEvent]:
    """The events of another order of this kind."""
    later = number * SECOND
    own = {
        "order_id": f"O-{number}",
        "root_order_id": f"O-{number}",
        "account": f"ACC-{chance.randrange(ACCOUNTS)}",
        "symbol": f"SYM{chance.randrange(SYMBOLS):03}",
        "price": Decimal(chance.randrange(5_000, 15_000)) / 100,
    }
    for stored in original:
        yield stored.but(
            position=next(positions),
            stream_id=f"order-O-{number}",
            command_id=f"{stored.command_id}-{number}",
            correlation_id=f"{stored.correlation_id}-{number}",
            causation_id=f"{stored.causation_id}-{number}",
            payload=stored.payload.but(**dict(_changes(stored.payload, own, number))),
            recorded_at=stored.recorded_at + later,
        )


def _changes(payload: Any, own: Json, number: int) -> Iterator[tuple[str, object]]:  # noqa: ANN401 - any event
    """What an order has of its own in an event."""
    for name, value in own.items():
        if getattr(payload, name, None) is not None:
            yield name, value
    for name in ("cl_ord_id", "exec_id"):
        if getattr(payload, name, None) is not None:
            yield name, f"{getattr(payload, name)}-{number}"


def _commands(events: Sequence[StoredEvent]) -> list[tuple[str, str, str, int, int]]:
    found: dict[str, tuple[str, str, str, int, int]] = {}
    for event in events:
        first = found[event.command_id][3] if event.command_id in found else event.position
        found[event.command_id] = (event.command_id, "0" * 64, event.stream_id, first, event.position)
    return list(found.values())


def _console() -> Console:
    return Console(stderr=True)
