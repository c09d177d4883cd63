"""Can a file be opened after the process that brought it to this schema was killed in the middle?"""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import Engine
from oms_engine.storage.schema import VERSION
from tests.oms_engine.test_migration import SCRIPT, everything, rows

ROOT = Path(__file__).parents[2]

OPENER = """
import os, signal, sqlite3, sys
from oms_engine import Engine

path, last = sys.argv[1], int(sys.argv[2])
real, done = sqlite3.connect, 0

def connect(*arguments, **options):
    def count(_statement):
        global done
        done += 1
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)
    connection = real(*arguments, **options)
    connection.execute("PRAGMA cache_size = 5")  # changed pages reach the file long before the commit
    connection.set_trace_callback(count)
    return connection

sqlite3.connect = connect
Engine.open(path).close()
print(done)
"""


def opened(path: Path, last: int) -> subprocess.CompletedProcess[str]:
    """Open a file in another process, which is killed before it runs so many statements; 0 lets it live."""
    return subprocess.run(
        [sys.executable, "-c", OPENER, path, str(last)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def old(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    return path


@pytest.mark.slow
def test_a_process_killed_while_it_migrates_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    before = everything(old(tmp_path / "original.db"))
    whole = opened(old(tmp_path / "whole.db"), 0)
    assert whole.returncode == 0, whole.stderr
    statements = int(whole.stdout)
    points = sorted({*range(2, statements, statements // 14), *range(statements - 6, statements + 1)})
    versions, journals = [], 0
    for point in points:
        path = old(tmp_path / f"killed-{point}.db")
        assert opened(path, point).returncode == -9
        journals += Path(f"{path}-journal").exists()
        ((version,),) = rows(path, "PRAGMA user_version")
        versions.append(version)
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]
        if version == 1:
            assert everything(path) == before
        with Engine.open(str(path)) as engine:
            assert engine.counts() == {"orders": 11, "executions": 9, "events": 56}
            assert engine.verify().sound
    assert set(versions) == {1, VERSION}
    assert versions == sorted(versions)
    assert journals > 5, "no process was killed in the middle of its transaction"


@pytest.mark.slow
def test_a_process_killed_while_it_creates_a_file_leaves_one_that_can_be_opened(tmp_path: Path) -> None:
    whole = opened(tmp_path / "whole.db", 0)
    assert whole.returncode == 0, whole.stderr
    for point in range(2, int(whole.stdout) + 1, int(whole.stdout) // 6):
        path = tmp_path / f"killed-{point}.db"
        assert opened(path, point).returncode == -9
        with Engine.open(str(path)) as engine:
            assert engine.counts()["events"] == 0
            assert engine.verify().sound
