"""Do the benchmarks run, and say what they measured? What they measure is for people to judge."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ("parallel", "write", "eventsourcing", "queries", "rebuild", "simulate", "http", "kb", "stdio")

pytestmark = pytest.mark.slow


def bench(*arguments: str, folder: Path | None = None) -> str:
    """What scripts/bench prints; files that it keeps for the next run go into a folder of the test."""
    done = subprocess.run(
        [ROOT / "scripts/bench", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | ({"TMPDIR": str(folder)} if folder else {}),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_benchmark_tells_medians_and_quartiles_as_json() -> None:
    figures = json.loads(bench("parallel", "--rounds", "5", "--json"))["figures"]
    assert [figure["name"] for figure in figures] == ["serial", "block", "block / serial"]
    assert all(0 < figure["lower"] <= figure["median"] <= figure["upper"] for figure in figures)


def test_an_unknown_benchmark_is_refused_with_the_ones_there_are() -> None:
    done = subprocess.run([ROOT / "scripts/bench", "nothing"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert all(name in done.stderr for name in NAMES)


@pytest.mark.usefixtures("by_meaning")
def test_every_benchmark_tells_what_is_promised_and_whether_it_was_met(tmp_path: Path) -> None:
    lines = bench("all", "--quick", "--json", folder=tmp_path).splitlines()
    found: dict[str, dict[str, Any]] = {line["benchmark"]: line for line in map(json.loads, lines)}
    assert tuple(found) == NAMES
    promised = {
        name: {figure["name"]: figure["target"] for figure in line["figures"] if figure["target"]}
        for name, line in found.items()
    }
    assert promised["write"] == {
        "FULL, 1 per commit: engine / sqlite3": "at least 0.7",
        "NORMAL, 1 per commit: engine / sqlite3": "at least 0.55",
        "FULL, 100 per commit: engine / sqlite3": "at least 0.35",
        "FULL: 64 callers / one caller": "at least 4",
        "stored per command": "at most 1536",
    }
    assert sorted(promised["eventsourcing"].values()) == sorted(
        f"at least {bound}" for bound in ("1.7", "1.2", 7, 10, "1.5")
    )
    assert list(promised["queries"].values()).count("at most 20") == 8
    assert list(promised["queries"].values()).count("at most 50") == 9
    assert {"at most 1.5", "at most 1.1"} <= set(promised["queries"].values())
    assert promised["kb"] == {
        "open and first search by keyword, without imports": "at most 50",
        "search, hybrid": "at most 5",
        "search, auto": "at most 20",
        "a changed document is found by words": "at most 1000",
        "server: from its start to semantic search": "at most 1500",
        "server: memory after warm-up": "at most 350",
    }
    assert promised["http"] == {
        "2026-07-28: get_order / empty tool on the SDK's": "at least 0.7",
        "2025-11-25: get_order / empty tool on the SDK's": "at least 0.7",
    }
    assert promised["stdio"] == {
        "start to initialize: ours / empty": "at most 1.4",
        "get_order on the SDK's transport / empty tool": "at least 0.8",
        "get_order on ours / empty tool on the SDK's": "at least 1.3",
    }
    assert promised["simulate"] == {
        f"{mix}: {what}": target
        for mix in ("retail", "institutional", "market-maker")
        for what, target in (("simulated / execute_many", "at least 0.5"), ("stored per command", "at most 1500"))
    }
    assert promised["rebuild"] == {"rebuild / scan + json.loads": "at least 0.9"}
    for line in found.values():
        for figure in line["figures"]:
            assert figure["lower"] <= figure["median"] <= figure["upper"]
            assert (figure["met"] is None) == (figure["target"] == "")


def test_a_table_is_readable_where_nobody_sees_colours(tmp_path: Path) -> None:
    shown = bench("rebuild", "--quick", folder=tmp_path)
    assert "rebuild / scan + json.loads" in shown
    assert "at least 0.9: " in shown
    assert "rounds 2, orders 1000, python" in shown


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("write", ["INSERT INTO events", "INSERT INTO orders", "UPDATE orders SET", "INSERT INTO commands"]),
        ("eventsourcing", ["FROM events ORDER BY stream_id, version;"]),
        ("queries", ["FROM orders WHERE order_id = ?;"]),
        ("rebuild", ["FROM events ORDER BY position;"]),
        ("parallel", ["-- parallel is compared with no SQL"]),
    ],
)
def test_the_sql_of_a_baseline_is_listed(name: str, parts: list[str]) -> None:
    listed = bench(name, "--sql")
    assert all(part in listed for part in parts)
