"""How near is the engine to SQLite's own limit when it writes?

The baseline is plain sqlite3 that writes the same rows to the same tables and indexes: the statements that an engine
sends are noted with their values while it takes the same orders through their life in another file, and are then run
from memory, one transaction per command or per batch. No outbox is written, because no sink is registered.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from benchmarks.figures import Figure, Scale, Target, speed, take_turns
from benchmarks.lifecycle import (
    BATCH,
    COMMANDS,
    Json,
    check,
    each_part,
    execute_all,
    execute_in_batches,
    life_in_blocks,
    lives,
    rates,
)
from oms_engine import Engine

Statement = tuple[bool, str, Any]
"""Whether it is run for many rows, the SQL, and its values."""

CALLERS = 64
WARM_UP = 1

MOST_BYTES = 1_536
"""What a command may store: 1.5 KB."""

TARGETS: dict[str, Target] = {
    "FULL": ("at least", 0.70),
    "NORMAL": ("at least", 0.55),
    "batches": ("at least", 0.35),
    "callers": ("at least", 4),
    "bytes": ("at most", MOST_BYTES),
}

_WRITES = ("INSERT", "UPDATE", "DELETE")


class Noting(sqlite3.Connection):
    """A connection that notes what is written through it."""

    noted: list[Statement] | None = None

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 declares it
        """Run a statement; note one that writes."""
        self._note(sql, values)
        return super().execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        """Run a statement for many rows; note it, if it writes."""
        kept = list(rows)
        if kept:
            self._note(sql, kept, many=True)
        return super().executemany(sql, kept)

    def _note(self, sql: str, values: Any, *, many: bool = False) -> None:  # noqa: ANN401 - as above
        if self.noted is not None and sql.lstrip().startswith(_WRITES):
            self.noted.append((many, sql, values))


def noted(path: Path, commands: Sequence[Json]) -> list[list[Statement]]:
    """What an engine writes for each of these commands, into an empty file."""
    statements: list[list[Statement]] = []
    with patch("sqlite3.connect", partial(sqlite3.connect, factory=Noting)):
        engine = Engine.open(str(path))
    with engine:
        connection = engine._store.connection  # noqa: SLF001 - what it writes is what is wanted
        if not isinstance(connection, Noting):
            raise TypeError("the engine's connection was made in another way, so nothing can be noted")
        for command in commands:
            connection.noted = []
            execute_all(engine, [command])
            statements.append(connection.noted)
        connection.noted = None
    return statements


def written_sql() -> list[str]:
    """The SQL of the baseline: every statement in the life of an order, in its order."""
    with TemporaryDirectory() as folder:
        each = noted(Path(folder) / "noted.db", lives(0, 1))
    return [sql for statements in each for _, sql, _ in statements]


def write(scale: Scale) -> list[Figure]:
    """Write the life of orders: the engine against plain sqlite3 that writes the same rows; shared commits."""
    with TemporaryDirectory(prefix="oms-bench-") as name:
        folder = Path(name)
        commands = life_in_blocks(scale, WARM_UP + scale.rounds)
        statements = noted(folder / "noted.db", commands)
        figures = []
        for synchronous in ("FULL", "NORMAL"):
            figures += _against_sqlite3(folder, commands, statements, scale, synchronous=synchronous)
        figures += _against_sqlite3(folder, commands, statements, scale, per_commit=BATCH)
        figures += _callers(folder, commands, scale)
        figures.append(_bytes_per_command(folder / "FULL-1.db", len(commands)))
    return figures


def _against_sqlite3(
    folder: Path,
    commands: list[Json],
    statements: list[list[Statement]],
    scale: Scale,
    *,
    synchronous: str = "FULL",
    per_commit: int = 1,
) -> list[Figure]:
    name = f"{synchronous}, {per_commit} per commit"
    ours, plainly = f"{name}: engine", f"{name}: sqlite3"
    with ExitStack() as opened:
        engine = opened.enter_context(_engine(folder / f"{synchronous}-{per_commit}.db", synchronous))
        plain = opened.enter_context(_plain(folder / f"plain-{synchronous}-{per_commit}.db", synchronous))
        execute = partial(execute_all if per_commit == 1 else execute_in_batches, engine)
        size = scale.orders * COMMANDS
        took = take_turns(
            {
                ours: each_part(execute, commands, size),
                plainly: each_part(partial(_run_all, plain, per_commit), statements, size),
            },
            scale.rounds,
            WARM_UP,
        )
    target = TARGETS[synchronous if per_commit == 1 else "batches"]
    return [*rates(took, scale), speed(f"{name}: engine / sqlite3", took, ours, plainly, target)]


def _callers(folder: Path, commands: list[Json], scale: Scale) -> list[Figure]:
    """Many callers wait at the same time, each for its own command; one commit serves all that wait."""
    together, alone = f"FULL: {CALLERS} callers", "FULL: one caller"
    with ExitStack() as opened:
        many, one = (opened.enter_context(_engine(folder / f"{name}.db")) for name in ("many", "one"))
        size = scale.orders * COMMANDS
        took = take_turns(
            {
                together: each_part(lambda part: asyncio.run(_submit(many, part, CALLERS)), commands, size),
                alone: each_part(lambda part: asyncio.run(_submit(one, part, 1)), commands, size),
            },
            scale.rounds,
            WARM_UP,
        )
    return [
        *rates(took, scale),
        speed(f"FULL: {CALLERS} callers / one caller", took, together, alone, TARGETS["callers"]),
    ]


async def _submit(engine: Engine, commands: Sequence[Json], callers: int) -> None:
    """Callers share the orders; each sends the commands of an order one after the other."""
    orders = len(commands) // COMMANDS

    async def caller(number: int) -> None:
        for order in range(number, orders, callers):
            for command in commands[order::orders]:
                check((await engine.submit(command)).ok, command)

    await asyncio.gather(*map(caller, range(callers)))


def _bytes_per_command(path: Path, commands: int) -> Figure:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Figure.of("stored per command", "bytes", [path.stat().st_size / commands], TARGETS["bytes"])


def _engine(path: Path, synchronous: str = "FULL") -> Engine:
    return Engine.open(str(path), settings={"store.synchronous": synchronous})


@contextmanager
def _plain(path: Path, synchronous: str = "FULL") -> Iterator[sqlite3.Connection]:
    """Plain sqlite3 on a file with the engine's tables and indexes."""
    _engine(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, cached_statements=256)) as connection:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        yield connection


def _run_all(connection: sqlite3.Connection, per_commit: int, statements: list[list[Statement]]) -> None:
    """Write what was noted of some commands, so many of them in one transaction."""
    for first in range(0, len(statements), per_commit):
        connection.execute("BEGIN IMMEDIATE")
        for noted_of_one in statements[first : first + per_commit]:
            for many, sql, values in noted_of_one:
                if many:
                    connection.executemany(sql, values)
                else:
                    connection.execute(sql, values)
        connection.execute("COMMIT")
