"""What holds for all tests?

None may be skipped where everything has to run: with OMS_NO_SKIP=1 a skipped test is a failed one. None compares
meaning by chance: a model that is not there keeps servers and commands from building an index that nobody waits for.
And what a test starts can be interrupted, also where a shell runs the tests in the background and has SIGINT ignored.
"""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)
_NO_SKIP = os.environ.get("OMS_NO_SKIP") == "1"


def pytest_configure() -> None:
    """Before anything is collected, so that it also holds for what is made once for many tests."""
    os.environ["OMS_KB_MODEL"] = "/nowhere/model"
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def large_cache(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A cache that all processes of a run of tests share, for what takes a minute to build."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if hasattr(request.config, "workerinput") else base) / "large-cache"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture
def by_meaning(monkeypatch: pytest.MonkeyPatch, large_cache: Path) -> None:
    """For tests that compare meaning with the model that is installed."""
    monkeypatch.delenv("OMS_KB_MODEL")
    monkeypatch.setenv("OMS_CACHE_DIR", str(large_cache))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judges each phase of a test."""
    report = yield
    return _judged(report, item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judges each module: it may skip all of its tests at once."""
    report = yield
    return _judged(report, collector.nodeid)


def _judged(report: _Report, name: str) -> _Report:
    if _NO_SKIP and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{name} was skipped or expected to fail, and OMS_NO_SKIP=1 allows neither: {report.longrepr}"
    return report
