"""What if other processes write, or this one is killed, while a store is chained, copied or imported?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oms_engine import Engine
from tests.oms_engine.desk import Desk
from tests.oms_engine.test_storage import WRITER

ROOT = Path(__file__).parents[2]
KILLED = -9

BACKUP = """
import os, signal, sys
from oms_engine import Engine
from oms_engine.storage import copies
copies._PAGES = 3
with Engine.open(sys.argv[1]) as engine:
    engine.backup(sys.argv[2], progress=lambda done, _all: done > 9 and os.kill(os.getpid(), signal.SIGKILL))
"""

IMPORT = """
import os, signal, sys
from oms_engine import Engine
with Engine.open(sys.argv[2]) as engine, open(sys.argv[1], "rb") as lines:
    engine.import_archive(lines, lambda done, all_: done == all_ and os.kill(os.getpid(), signal.SIGKILL))
"""


def run(program: str, *arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return done.returncode


@pytest.mark.slow
def test_processes_write_one_chain_together(tmp_path: Path) -> None:
    path = str(tmp_path / "oms.db")
    desk = Desk(path, store__hashChain="on")
    desk.given("LIVE", orderId="shared")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, path], env=environment) for name in ("a", "b")]
    copies = 0
    while any(writer.poll() is None for writer in writers):
        desk.engine.backup(tmp_path / f"copy-{copies}.db")
        copies += 1
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    found = desk.engine.verify()
    assert found.sound
    assert found.chain is not None
    assert (found.chain.first, found.chain.last) == (1, found.counts["events"])
    assert found.counts["events"] == 3 + 2 * 60 * 3
    for number in {0, copies // 2, copies - 1}:
        with Engine.open(str(tmp_path / f"copy-{number}.db")) as copy:
            assert copy.verify().sound
    desk.engine.close()


@pytest.mark.slow
def test_a_backup_that_is_killed_leaves_no_target_and_the_next_one_works(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"))
    desk.given("FILLED")
    assert run(BACKUP, tmp_path / "oms.db", tmp_path / "copy.db") == KILLED
    assert not (tmp_path / "copy.db").exists()
    assert len(list(tmp_path.glob(".copy.db.*.partial"))) == 1
    assert desk.engine.verify().sound
    desk.engine.backup(tmp_path / "copy.db")
    with Engine.open(str(tmp_path / "copy.db")) as copy:
        assert copy.verify().sound
    desk.engine.close()


@pytest.mark.slow
def test_an_import_that_is_killed_imports_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    desk = Desk(store__hashChain="on")
    desk.given("FILLED")
    desk.engine.export(tmp_path / "all.jsonl")
    assert run(IMPORT, tmp_path / "all.jsonl", tmp_path / "new.db") == KILLED
    with Engine.open(str(tmp_path / "new.db")) as engine, (tmp_path / "all.jsonl").open("rb") as lines:
        assert engine.counts() == {"orders": 0, "executions": 0, "events": 0}
        engine.import_archive(lines)
        assert engine.verify().sound
        assert engine.find("o1").state == "FILLED"
