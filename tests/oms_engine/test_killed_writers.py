"""Is everything there that was acknowledged, and nothing by halves, when a writer is killed at any moment?

Each test kills many writers of one file, one after the other, at moments drawn by chance. What was acknowledged
is kept in this process, so no death of a writer can take it along.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from oms_engine import Engine
from oms_engine.storage.layout import BESIDE, FORMER
from tests.oms_engine.desk import READ_MODEL, Desk
from tests.oms_engine.victims import BATCH, SHARED

ROOT = Path(__file__).parents[2]

KILLS = 80
"""Writers that are killed in each of the four tests."""

MOST_LINES = 60
LONGEST_DELAY = 0.004
VERIFIED_EVERY = 10

pytestmark = pytest.mark.slow


class Death(NamedTuple):
    """What a writer had said when it was killed."""

    acknowledged: list[str]
    rebuilt: int


class Graveyard:
    """Has writers of one file forked, and kills them."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        self.chance = random.Random(kind)  # noqa: S311 - moments, no secrets
        self._forker = subprocess.Popen(
            [sys.executable, "-m", "tests.oms_engine.victims"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def close(self) -> None:
        """No more writers."""
        self._forker.communicate(timeout=60)
        assert self._forker.returncode == 0

    def kill(self, number: int) -> Death:
        """Start a writer, let it say so many lines and work a bit longer, and kill it."""
        assert self._forker.stdin is not None
        self._forker.stdin.write(f"{self.kind} k{number} {self.path}\n")
        self._forker.stdin.flush()
        lines = self._lines()
        first, pid = next(lines)
        assert first == "pid"
        heard = list(islice(lines, self.chance.randrange(MOST_LINES)))
        assert not [words for what, words in heard if what == "failed"]
        time.sleep(self.chance.random() * LONGEST_DELAY)  # no condition to wait for: any moment is as good
        os.kill(int(pid), signal.SIGKILL)
        heard += lines
        assert not [words for what, words in heard if what == "failed"]
        return Death([words for what, words in heard if what == "done"], sum(what == "rebuilt" for what, _ in heard))

    def _lines(self) -> Iterator[tuple[str, str]]:
        """What the writer says, until it is gone."""
        assert self._forker.stdout is not None
        for line in self._forker.stdout:
            what, _, words = line.strip().partition(" ")
            if what == "gone":
                return
            yield what, words


def read(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


MUST_BE_EMPTY = {
    "a gap in positions": (
        "SELECT 1 FROM (SELECT count(*) AS many, max(position) AS last FROM events) WHERE many <> last"
    ),
    "a gap in versions": (
        "SELECT stream_id FROM events GROUP BY 1 HAVING count(*) <> max(version) OR min(version) <> 1"
    ),
    "a command without one of its events": (
        "SELECT command_id FROM commands LEFT JOIN (SELECT command_id, min(position) AS first, max(position) AS last, "
        "count(*) AS many FROM events GROUP BY 1) USING (command_id) WHERE many IS NOT last_position - first_position "
        "+ 1 OR first IS NOT first_position OR last IS NOT last_position"
    ),
    "an event without its command": (
        "SELECT position FROM events WHERE command_id NOT IN (SELECT command_id FROM commands)"
    ),
    "a creation without a placement, or a last fill that did not end its order": (
        "SELECT command_id FROM commands WHERE (command_id LIKE 'k%-1' OR command_id LIKE 'k%-5') "
        "AND last_position <> first_position + 1"
    ),
    "an order that is not at the version of its events": (
        "SELECT 'order-' || order_id, version FROM orders EXCEPT SELECT stream_id, max(version) FROM events GROUP BY 1"
    ),
    "events without an order": (
        "SELECT stream_id FROM events WHERE stream_id LIKE 'order-%' EXCEPT SELECT 'order-' || order_id FROM orders"
    ),
    "a message of what did not happen": (
        "SELECT stream_id, version FROM outbox EXCEPT SELECT stream_id, version FROM events"
    ),
    "damage": "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
}


def check(path: Path, acknowledged: set[str]) -> int:
    """What must hold after every death; returns how many commands there are."""
    stored = {row[0] for row in read(path, "SELECT command_id FROM commands")}
    assert acknowledged <= stored, f"lost: {sorted(acknowledged - stored)[:5]}"
    for what, sql in MUST_BE_EMPTY.items():
        assert read(path, sql) == [], what
    return len(stored)


class Toll(NamedTuple):
    """What came of many deaths.

    Attributes:
        acknowledged: How many commands were.
        unheard: Writers that died between a commit and its answer: the file has more than was acknowledged.
        midway: Writers that left tables behind which a rebuild had not exchanged yet.
        rebuilt: Rebuilds that came to their end.
    """

    acknowledged: int
    unheard: int
    midway: int
    rebuilt: int


def killed(path: Path, kind: str) -> Toll:
    """Kill writers of this kind, and look at the file after each."""
    acknowledged: set[str] = set()
    unheard = midway = rebuilt = 0
    before = len(read(path, "SELECT 1 FROM commands"))
    with closing(Graveyard(path, kind)) as graveyard:
        for number in range(KILLS):
            death = graveyard.kill(number)
            acknowledged.update(death.acknowledged)
            commands = check(path, acknowledged)
            unheard += commands - before > len(death.acknowledged)
            midway += bool(leftovers(path))
            rebuilt += death.rebuilt
            before = commands
            if number % VERIFIED_EVERY == 0:
                with Engine.open(str(path)) as engine:
                    assert engine.verify().sound
    toll = Toll(len(acknowledged), unheard, midway, rebuilt)
    print(f"{KILLS} writers killed, {kind}: {toll}")  # noqa: T201 - shown with -s
    assert toll.acknowledged > KILLS
    return toll


def leftovers(path: Path) -> list[str]:
    names = [str(row[0]) for row in read(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [name for name in names if name.startswith((BESIDE, FORMER))]


def finish(path: Path) -> None:
    """The store goes on, and its read model is the one that its events say."""
    desk = Desk(str(path))
    assert desk.engine.verify().sound
    before = desk.rows(READ_MODEL)
    desk.engine.rebuild()
    assert desk.rows(READ_MODEL) == before
    fills = read(path, f"SELECT count(*) FROM executions WHERE order_id = '{SHARED}'")  # noqa: S608 - our own name
    assert desk.order(SHARED).cum_qty == fills[0][0]
    fill = {"orderId": SHARED, "execId": "last", "lastQty": "1", "lastPx": "5"}
    desk.ok("ExecutionCreateCmd", commandId="last", execution=fill)
    assert desk.engine.verify().sound
    desk.engine.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with an order that all writers fill."""
    path = tmp_path / "oms.db"
    desk = Desk(str(path))
    desk.given("LIVE", orderId=SHARED, orderQty="1000000")
    desk.engine.close()
    return path


def test_writers_of_single_commands_are_killed(path: Path) -> None:
    with Engine.open(str(path), settings={"store.hashChain": True}) as engine:
        engine.sinks.register("audit")
    toll = killed(path, "one-by-one")
    assert toll.unheard > 0, "no writer was killed between its commit and its answer"
    finish(path)
    untold = (
        "SELECT stream_id, max(version) FROM events WHERE command_id LIKE 'k%' GROUP BY 1 "
        "EXCEPT SELECT stream_id, version FROM outbox WHERE topic = 'order-events'"
    )
    assert read(path, untold) == []


def test_writers_of_batches_are_killed(path: Path) -> None:
    killed(path, "in-batches")
    stored = len(read(path, "SELECT 1 FROM commands WHERE command_id LIKE 'k%'"))
    assert stored % BATCH == 0, "a batch was stored by halves"
    finish(path)


def test_writers_whose_callers_share_commits_are_killed(path: Path) -> None:
    toll = killed(path, "together")
    assert toll.unheard > 0, "no writer was killed between its commit and its answers"
    finish(path)


def test_writers_are_killed_while_they_write_the_read_model_anew(path: Path) -> None:
    toll = killed(path, "beside-a-rebuild")
    assert toll.midway > KILLS // 4, "too few were killed in the middle of a rebuild"
    assert toll.rebuilt > 0
    finish(path)
    assert leftovers(path) == []
