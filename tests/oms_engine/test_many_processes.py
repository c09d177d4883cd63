"""Can eight processes write and read one file for a minute? Nobody is locked out, and no update is lost."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.oms_engine.crowd import SHARED
from tests.oms_engine.desk import READ_MODEL, Desk

ROOT = Path(__file__).parents[2]

PROCESSES = 8
SECONDS = 60
PATIENCE = 120
"""Seconds beyond the minute after which something hangs."""


class Process:
    """A member of the crowd, as its driver sees it."""

    def __init__(self, name: str, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.oms_engine.crowd", name, path, str(SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def tell(self, line: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "a process of the crowd died"
        return line

    def end(self) -> None:
        try:
            self._process.communicate(timeout=PATIENCE)
        finally:
            self._process.kill()
        assert self._process.returncode == 0


@pytest.mark.slow
def test_eight_processes_write_and_read_one_file_for_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    desk = Desk(str(path))
    for order_id in SHARED:
        desk.given("LIVE", orderId=order_id, orderQty="1000000")
    first = desk.engine.events(limit=10_000)[-1].position
    crowd = [Process(f"p{number}", path) for number in range(PROCESSES)]
    assert [process.hear() for process in crowd] == ["ready\n"] * PROCESSES
    for process in crowd:
        process.tell("go")
    told = [json.loads(process.hear()) for process in crowd]
    last = desk.engine._store.next_position() - 1
    for process in crowd:
        process.tell(last)
    seen = [json.loads(process.hear()) for process in crowd]
    for process in crowd:
        process.end()

    did: Counter[str] = sum((Counter(each["did"]) for each in told), Counter())
    slowest = max(each["slowest"] for each in told)
    print(f"{last - first} events, slowest command {slowest:.2f} s, {dict(did)}")  # noqa: T201 - shown with -s
    _nobody_was_refused(did)
    _no_fill_was_lost(desk, told)
    _everybody_saw_everything(desk, seen, first, last)
    assert did["retry"] > 0, "nobody was slower than another, so nothing was tried"
    assert desk.engine.verify().sound
    before = desk.rows(READ_MODEL)
    desk.engine.rebuild()
    assert desk.rows(READ_MODEL) == before
    desk.engine.close()


def _nobody_was_refused(did: Counter[str]) -> None:
    """No lock reaches a caller, and nothing else does either; only who had read an older version tried again."""
    assert {what: times for what, times in did.items() if "OMS-" in what} == {}


def _no_fill_was_lost(desk: Desk, told: list[dict[str, Any]]) -> None:
    fills: Counter[str] = sum((Counter(each["fills"]) for each in told), Counter())
    assert {order_id: int(desk.order(order_id).cum_qty) for order_id in SHARED} == dict(fills)
    assert {order_id: len(desk.engine.executions(order_id)) for order_id in SHARED} == dict(fills)


def _everybody_saw_everything(desk: Desk, seen: list[dict[str, Any]], first: int, last: int) -> None:
    """Every event once, and those of each order in their order."""
    rows = desk.engine._store.connection.execute(
        "SELECT position, stream_id, version FROM events WHERE position > ? ORDER BY position", (first,)
    )
    written = [list(row) for row in rows]
    assert [row[0] for row in written] == list(range(first + 1, last + 1))
    for each in seen:
        assert each["whole"], "messages were made one, so their events cannot be counted"
        assert each["seen"] == written
