"""How long does it take to write the read model anew, against reading the events and doing nothing with them?"""

import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, Scale, Target, speed, take_turns
from benchmarks.filling import fill
from benchmarks.versus import replay
from oms_engine import Engine
from oms_engine.storage.rows import COLUMNS

WARM_UP = 1
TARGET: Target = ("at least", 0.9)
SCAN = f"SELECT {COLUMNS} FROM events ORDER BY position"  # noqa: S608 - constants

_PAYLOAD = COLUMNS.split(", ").index("payload")


def rebuild_sql() -> list[str]:
    """The SQL of the baseline."""
    return [SCAN]


def rebuild(scale: Scale) -> list[Figure]:
    """Write the read model anew, and replay: against reading every event and json.loads of it."""
    with TemporaryDirectory(prefix="oms-bench-") as name:
        path = Path(name) / "orders.db"
        fill(path, scale.orders)
        with Engine.open(str(path)) as engine, closing(sqlite3.connect(path)) as connection:
            took = take_turns(
                {
                    "rebuild": engine.rebuild,
                    "replay": partial(replay, connection),
                    "scan + json.loads": partial(_scan, connection),
                },
                scale.rounds,
                WARM_UP,
            )
            events = engine.counts()["events"]
    return [
        *(Figure.of(name, "events/s", [events / each * 1_000_000 for each in micros]) for name, micros in took.items()),
        speed("rebuild / scan + json.loads", took, "rebuild", "scan + json.loads", TARGET),
        speed("replay / scan + json.loads", took, "replay", "scan + json.loads"),
    ]


def _scan(connection: sqlite3.Connection) -> None:
    for row in connection.execute(SCAN):
        json.loads(row[_PAYLOAD])
