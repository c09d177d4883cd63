"""How long does a page of 20 take among very many orders, against the lookup of one order by its key?"""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

from benchmarks.figures import Figure, Rounds, Scale
from benchmarks.filling import filled
from benchmarks.lifecycle import ACCOUNTS, SYMBOLS
from oms_engine import Engine
from oms_engine.storage.projections import ORDERS

T = TypeVar("T")

PAGE = 20
WARM_UP = 5
FAR = 10_000
"""The number of a page far behind the first."""

MEDIAN = ("at most", 20.0)
TAIL = ("at most", 50.0)
DEEP = ("at most", 1.5)
START = ("at most", 50.0)
BOUNDED = ("at most", 1.1)

LOOKUP = f"SELECT {', '.join(ORDERS.columns)} FROM orders WHERE order_id = ?"  # noqa: S608 - own names
NEWEST = "createdAt,DESC"


class Question(NamedTuple):
    """What is asked; the conditions are drawn anew for each round."""

    name: str
    where: Callable[[random.Random], list[str]]
    sort: str = NEWEST
    bounded: bool = True


def _symbol(chance: random.Random) -> str:
    return f"symbol=SYM{chance.randrange(SYMBOLS):03}"


def _between(chance: random.Random) -> str:
    low = chance.randrange(50, 130)
    return f"price__between={low},{low + 20}"


QUESTIONS = (
    Question("symbol", lambda chance: [_symbol(chance)]),
    Question("state", lambda chance: [f"state={chance.choice(['FILLED', 'LIVE', 'UNACK', 'CXL'])}"]),
    Question("symbol prefix", lambda chance: [f"symbol__startswith=SYM{chance.randrange(SYMBOLS // 10):02}"]),
    Question("account", lambda chance: [f"account=ACC-{chance.randrange(ACCOUNTS)}"]),
    Question("open orders", lambda _: ["state__in=NEW,UNACK,LIVE"]),
    Question("symbol, state", lambda chance: [_symbol(chance), "state=FILLED"]),
    Question("symbol, state, price between", lambda chance: [_symbol(chance), "state=FILLED", _between(chance)]),
    Question("price between, by price", lambda chance: [_between(chance)], "price"),
    Question("substring of clOrdId", lambda chance: [f"clOrdId__like={chance.randrange(1_000):03}"], bounded=False),
    Question("sorted by orderQty", lambda _: [], "orderQty,DESC", bounded=False),
)

SELDOM = 50
"""What is not bounded reads all orders, and is asked in one of so many rounds."""


def queries_sql() -> list[str]:
    """The SQL of the baseline."""
    return [LOOKUP]


def queries(scale: Scale) -> list[Figure]:
    """Pages of 20 by cursor among very many orders, against the lookup of one; and the start-up on such a file."""
    path = filled(scale.orders)
    chance = random.Random(20)  # noqa: S311 - which orders are looked up is no secret
    with Engine.open(str(path)) as engine, closing(sqlite3.connect(path)) as connection:
        took = _ask(engine, connection, scale, chance)
        base = took.pop("lookup")
        figures = [
            Figure.of("lookup by key", "us", base),
            Figure.of("  99 of 100 / median: what the machine adds", "x", [_tail(base) / median(base)]),
        ]
        figures += [*_pages(took, median(base))]
        figures += _far(engine, scale)
    figures += _start_up(path, max(2, scale.rounds // 10))
    return [*figures, *_memory(path, kept=min(1_000, scale.orders // 40))]


def _ask(engine: Engine, connection: sqlite3.Connection, scale: Scale, chance: random.Random) -> Rounds:
    """Every question in every round, each for its first page and the one behind it, and the lookup as often."""
    took: Rounds = {"lookup": [], **{question.name: [] for question in QUESTIONS}}
    for number in range(-WARM_UP, scale.rounds):
        if number == 0:
            took = {name: [] for name in took}
        for question in QUESTIONS:
            if question.bounded or number % SELDOM == 0:
                where = question.where(chance)
                ask = partial(engine.query, where=where, sort=question.sort, size=PAGE)
                micros, page = _timed(partial(ask, cursor="*"))
                took[question.name].append(micros)
                if page.next_cursor and question.bounded:
                    took[question.name].append(_timed(partial(ask, cursor=page.next_cursor))[0])
                took["lookup"].append(_timed(partial(_lookup, connection, chance.randrange(scale.orders)))[0])
    return took


def _lookup(connection: sqlite3.Connection, number: int) -> None:
    row = connection.execute(LOOKUP, (f"O-{number}",)).fetchone()
    assert row  # noqa: S101 - the order is there


def _pages(took: Rounds, base: float) -> Iterator[Figure]:
    for question in QUESTIONS:
        micros = took[question.name]
        yield Figure.of(f"page: {question.name}", "us", micros)
        if question.bounded:
            yield Figure.of(f"  {question.name}: median / lookup", "x", [each / base for each in micros], MEDIAN)
            yield Figure.of(f"  {question.name}: 99 of 100 / lookup", "x", [_tail(micros) / base], TAIL)


def _tail(micros: Sequence[float]) -> float:
    """What 99 of 100 do not exceed."""
    return sorted(micros)[-(len(micros) // 100) - 1]


def _far(engine: Engine, scale: Scale) -> list[Figure]:
    """The page a cursor leads to far behind, against the first."""
    ask = partial(engine.query, where=["state=FILLED"], sort=NEWEST, size=PAGE)
    full = (engine.query(where=["state=FILLED"], size=PAGE).page.total_pages or 2) - 1
    cursor, number = "*", 1
    while number < min(FAR, full):
        cursor, number = ask(cursor=cursor).next_cursor or "*", number + 1
    first, far = ([_timed(partial(ask, cursor=at))[0] for _ in range(scale.rounds)] for at in ("*", cursor))
    return [
        Figure.of("page 1 of FILLED", "us", first),
        Figure.of(f"page {number:,} of FILLED", "us", far),
        Figure.of(f"page {number:,} / page 1", "x", [median(far) / median(first)], DEEP),
    ]


def _start_up(path: Path, rounds: int) -> list[Figure]:
    """Opening an engine on the large file and on an empty one."""
    took: Rounds = {"large": [], "empty": []}
    with TemporaryDirectory(prefix="oms-bench-") as folder:
        files = {"large": path, "empty": Path(folder) / "empty.db"}
        Engine.open(str(files["empty"])).close()
        for _ in range(rounds):
            for name, file in files.items():
                micros, engine = _timed(partial(Engine.open, str(file)))
                took[name].append(micros / 1_000)
                engine.close()
    more = [large - empty for large, empty in zip(took["large"], took["empty"], strict=True)]
    return [
        Figure.of("start-up on an empty file", "ms", took["empty"]),
        Figure.of("start-up, more on the large file", "ms", more, START),
    ]


NEEDED = """
import resource, sys
from pathlib import Path

def needed(what):
    status = Path("/proc/self/status")
    if not status.exists():  # where there is only the peak
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024 ** 2
    return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith(what))) / 1_024
"""

READ = (
    NEEDED
    + """
from oms_engine import Engine
with Engine.open(sys.argv[1]) as engine:
    cursor, pages = "*", 0
    while cursor and pages < 2_000:
        cursor, pages = engine.query(size=20, cursor=cursor).next_cursor, pages + 1
    for after in range(0, 200_000, 500):
        engine.events(after=after)
print(needed("VmHWM"))
"""
)

WRITE = (
    NEEDED
    + """
from benchmarks.lifecycle import execute_in_batches, lives
from oms_engine import Engine
kept = int(sys.argv[2])
with Engine.open(sys.argv[1], settings={"store.cachedStreams": kept}) as engine:
    for step in range(6):
        execute_in_batches(engine, lives(step * kept, kept))
        if step in (1, 5):
            print(needed("VmRSS"))
"""
)


def _memory(path: Path, kept: int) -> list[Figure]:
    """What a process needs that reads much, and one that writes more orders than it may remember."""
    with TemporaryDirectory(prefix="oms-bench-") as folder:
        (peak,) = _run(READ, path)
        twice, six_times = _run(WRITE, Path(folder) / "written.db", str(kept))
    return [
        Figure.of("memory: 2,000 pages and 200,000 events are read", "MiB", [peak]),
        Figure.of(f"memory: {2 * kept:,} orders are written, {kept:,} remembered", "MiB", [twice]),
        Figure.of(f"memory: {6 * kept:,} orders / {2 * kept:,}", "x", [six_times / twice], BOUNDED),
    ]


def _run(program: str, *arguments: str | Path) -> list[float]:
    """The numbers that a process prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    return [float(line) for line in done.stdout.splitlines()]


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter_ns()
    result = call()
    return (time.perf_counter_ns() - began) / 1_000, result
