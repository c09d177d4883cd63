"""May a test be skipped? Not where everything has to run: with OMS_NO_SKIP=1 a skipped test is a failed one."""

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)
_NO_SKIP = os.environ.get("OMS_NO_SKIP") == "1"


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
