"""How do we compare with eventsourcing, the best-known event store of Python, on the same orders?

They keep events only, where the engine also keeps the read model, keys and metadata. Their repository caches aggregates
and looks whether another process has written since, as the engine does; `in hand` leaves even that out.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure, Rounds, Scale, Target, speed, take_turns
from benchmarks.lifecycle import (
    BATCH,
    COMMANDS,
    Json,
    each_part,
    execute_all,
    execute_in_batches,
    life_in_blocks,
    rates,
)
from oms_engine import Engine
from oms_engine.storage.rebuilding import load
from oms_engine.storage.rows import COLUMNS, FOR_FOLDING

if TYPE_CHECKING:
    from benchmarks.aggregate import Desk

WARM_UP = 1

FETCHED = f"SELECT {COLUMNS} FROM events ORDER BY stream_id, version"  # noqa: S608 - constants
"""Every event, stream by stream: what stands beside a replay."""

REPLAYED = f"{FOR_FOLDING.select}ORDER BY stream_id, version"
"""The same events, with what a state is made of."""

TARGETS: dict[str, Target] = {
    "FULL": ("at least", 1.7),
    "NORMAL": ("at least", 1.2),
    "batches": ("at least", 7),
    "replay": ("at least", 10),
    "json": ("at least", 1.5),
}

_PAYLOAD = COLUMNS.split(", ").index("payload")


def eventsourcing_sql() -> list[str]:
    """The SQL beside which a replay is measured; their own SQL is theirs."""
    return [FETCHED]


def eventsourcing(scale: Scale) -> list[Figure]:
    """Write and replay the life of orders: Engine against the package eventsourcing, and replay against json.loads."""
    with TemporaryDirectory(prefix="oms-bench-") as name:
        folder = Path(name)
        figures = []
        for synchronous in ("FULL", "NORMAL"):
            figures += _one_by_one(folder, scale, synchronous)
        figures += _in_batches(folder, scale)
        return [*figures, *_replay(folder, scale)]


def _one_by_one(folder: Path, scale: Scale, synchronous: str) -> list[Figure]:
    ours, theirs, in_hand = (f"{synchronous}: {who}" for who in ("engine", "eventsourcing", "eventsourcing in hand"))
    with ExitStack() as opened:
        engine = opened.enter_context(_engine(folder / f"{synchronous}.db", synchronous))
        desk = opened.enter_context(closing(_desk(folder / f"their-{synchronous}.db", synchronous)))
        holder = opened.enter_context(closing(_desk(folder / f"held-{synchronous}.db", synchronous, in_hand=True)))
        took = _take_turns(
            {ours: partial(execute_all, engine), theirs: desk.execute_all, in_hand: holder.execute_all}, scale
        )
    return [
        *rates(took, scale),
        speed(f"{synchronous}: engine / eventsourcing", took, ours, theirs, TARGETS[synchronous]),
        speed(f"{synchronous}: engine / eventsourcing in hand", took, ours, in_hand),
    ]


def _in_batches(folder: Path, scale: Scale) -> list[Figure]:
    ours, single, batched = (
        f"FULL: {who}" for who in (f"engine, {BATCH} per commit", "eventsourcing", f"eventsourcing, {BATCH} per save")
    )
    with ExitStack() as opened:
        engine = opened.enter_context(_engine(folder / "batches.db"))
        desk = opened.enter_context(closing(_desk(folder / "their-single.db")))
        holder = opened.enter_context(closing(_desk(folder / "their-batches.db", in_hand=True)))
        took = _take_turns(
            {
                ours: partial(execute_in_batches, engine),
                single: desk.execute_all,
                batched: holder.execute_in_batches,
            },
            scale,
        )
    return [
        *rates(took, scale),
        speed(f"engine, {BATCH} per commit / eventsourcing, one", took, ours, single, TARGETS["batches"]),
        speed(f"engine, {BATCH} per commit / eventsourcing, {BATCH}", took, ours, batched),
    ]


def _replay(folder: Path, scale: Scale) -> list[Figure]:
    """Read every event and lead every order to its present state."""
    commands = life_in_blocks(scale, scale.rounds)
    with ExitStack() as opened:
        engine = opened.enter_context(_engine(folder / "replay.db"))
        desk = opened.enter_context(closing(_desk(folder / "their-replay.db", in_hand=True)))
        execute_in_batches(engine, commands)
        desk.execute_in_batches(commands)
        desk.application.repository.cache = None  # so that each order is read
        connection = opened.enter_context(closing(sqlite3.connect(folder / "replay.db")))
        took = take_turns(
            {
                "replay: engine": partial(replay, connection),
                "replay: eventsourcing": partial(_replay_theirs, desk),
                "replay: fetch + json.loads": partial(fetch_and_load, connection),
            },
            max(2, scale.rounds // 2),
            WARM_UP,
        )
    ours, theirs, plain = took
    events = 6 * len(commands) // COMMANDS
    return [
        *(Figure.of(name, "events/s", [events / each * 1_000_000 for each in micros]) for name, micros in took.items()),
        speed("replay: engine / eventsourcing", took, ours, theirs, TARGETS["replay"]),
        speed("replay: engine / fetch + json.loads", took, ours, plain, TARGETS["json"]),
    ]


def replay(connection: sqlite3.Connection) -> int:
    """Every stream as its events say; returns how many there are."""
    streams = 0
    for _, rows in groupby(connection.execute(REPLAYED), itemgetter(1)):
        stream, broken = load(connection, rows, FOR_FOLDING)
        if stream is None or broken is not None:
            raise RuntimeError(f"the benchmark's own events cannot be read: {broken}")
        streams += 1
    return streams


def fetch_and_load(connection: sqlite3.Connection) -> int:
    """Every payload as plain Python objects; nothing is done with them."""
    rows = 0
    for row in connection.execute(FETCHED):
        json.loads(row[_PAYLOAD])
        rows += 1
    return rows


def _replay_theirs(desk: "Desk") -> None:
    repository = desk.application.repository
    for order_id in desk.ids.values():
        repository.get(order_id)


def _take_turns(variants: dict[str, Callable[[list[Json]], Any]], scale: Scale) -> Rounds:
    commands = life_in_blocks(scale, WARM_UP + scale.rounds)
    size = scale.orders * COMMANDS
    return take_turns({name: each_part(run, commands, size) for name, run in variants.items()}, scale.rounds, WARM_UP)


def _engine(path: Path, synchronous: str = "FULL") -> Engine:
    return Engine.open(str(path), settings={"store.synchronous": synchronous})


def _desk(path: Path, synchronous: str = "FULL", *, in_hand: bool = False) -> "Desk":
    from benchmarks.aggregate import Desk  # noqa: PLC0415 - needs the extra `bench`, which other benchmarks do not

    return Desk(path, synchronous, in_hand=in_hand)
