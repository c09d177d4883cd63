"""Do the benchmarks run, and say what they measured? What they measure is for people to judge."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_benchmark_tells_medians_and_quartiles_as_json() -> None:
    command = [ROOT / "scripts/bench", "parallel", "--rounds", "5", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    figures = json.loads(done.stdout)["figures"]
    assert [figure["name"] for figure in figures] == ["serial", "block", "block / serial"]
    assert all(0 < figure["lower"] <= figure["median"] <= figure["upper"] for figure in figures)


@pytest.mark.slow
def test_an_unknown_benchmark_is_refused_with_the_ones_there_are() -> None:
    done = subprocess.run([ROOT / "scripts/bench", "nothing"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "parallel" in done.stderr
