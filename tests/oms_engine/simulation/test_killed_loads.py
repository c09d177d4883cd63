"""Does a load that is killed again and again end as one that nobody touched, and does it stay small?"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oms_engine import Engine
from oms_engine.simulation.load.tally import NOTE, Tally
from oms_engine.simulation.market.plan import MarketPlan
from tests.oms_engine.simulation.loading import everything, loaded

ROOT = Path(__file__).parents[3]

MEBI = 1 << 20

PROGRAM = """
import os, sys
from tests.oms_engine.simulation.loading import MarketPlan, loaded
plan = MarketPlan(int(sys.argv[2]), seed=7, mix=sys.argv[5], faults="many", orders_per_session=int(sys.argv[3]))
loaded(plan, sys.argv[1], paced=sys.argv[4] == "paced", heard=lambda _step: os.write(1, b".\\n"))
os.write(1, b"done\\n")
"""

GROWING = """
import sys
from oms_engine import Engine
from oms_engine.simulation.load.report import memory
from oms_engine.simulation.load.run import Load
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.world import World
plan, world = MarketPlan(int(sys.argv[2]), seed=7, orders_per_session=100), World()
with Engine.open(sys.argv[1], settings={"store.cachedStreams": 200}, clock=world.clock, new_id=world.new_id) as engine:
    for session in Load(engine, plan, world).sessions():
        print(session.number * 100, memory())
"""
"""Prints how many orders were sent, and the most memory that was held until then, after each session."""

PLAN = MarketPlan(400, seed=7, mix="institutional", faults="many", orders_per_session=40)

pytestmark = pytest.mark.slow


def started(file: Path, plan: MarketPlan, how: str) -> subprocess.Popen[str]:
    words = map(str, (file, plan.orders, plan.orders_per_session, how, plan.mix))
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def killed_after(file: Path, how: str, commands: int, delay: float) -> bool:
    """Start a run and kill it when it has said so many commands, and a moment later; False if it had ended."""
    victim = started(file, PLAN, how)
    assert victim.stdout is not None
    for _ in range(commands):
        if victim.stdout.readline().startswith("done"):
            break
    time.sleep(delay)  # no condition to wait for: any moment is as good, between two sessions too
    os.kill(victim.pid, signal.SIGKILL)
    rest = victim.communicate(timeout=60)[0]
    return "done" not in rest and victim.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("whole") / "load.db"
    loaded(PLAN, str(file))
    return file


@pytest.mark.parametrize("ways", [("batches",), ("paced",), ("paced", "batches")])
def test_a_load_that_is_killed_again_and_again_ends_as_one_in_one_go(
    ways: tuple[str, ...], whole: Path, tmp_path: Path
) -> None:
    file = tmp_path / "killed.db"
    chance = random.Random(ways[0])  # noqa: S311 - moments, no secrets
    kills = 0
    for number in range(5):
        commands = chance.randrange(20, 300)
        kills += killed_after(file, ways[number % len(ways)], commands, chance.random() * 0.02)
        with Engine.open(str(file)) as engine:
            told = Tally.of_text(engine.noted(NOTE))
            assert told.position <= engine.position
            assert "paced" in ways or told.position == engine.position
    assert kills >= 3, "too few were killed before their end"
    loaded(PLAN, str(file))
    assert everything(file) == everything(whole)
    with Engine.open(str(file)) as engine:
        assert engine.verify().sound


def test_a_load_needs_no_more_memory_when_it_is_twice_as_long(tmp_path: Path) -> None:
    """The caches are full after 6,000 orders; from then on the process grows by far less than 1 KB an order."""
    run = subprocess.run(
        [sys.executable, "-c", GROWING, tmp_path / "long.db", "12000"],
        check=True, capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    most = {int(orders): int(memory) for orders, memory in map(str.split, run.stdout.splitlines())}
    assert most[12_000] < 250 * MEBI
    assert most[12_000] - most[6_000] < 6_000 * 1_000
