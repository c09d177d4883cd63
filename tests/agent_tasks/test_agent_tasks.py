"""Can an agent do what it is asked with these tools, knowing only what it was told, and at which price?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from knowledge_base import PACKAGED_CORPUS, Library
from oms_engine import Engine
from oms_mcp.server import build_server
from tests.agent_tasks.client import ScriptedAgent
from tests.agent_tasks.running import solve
from tests.agent_tasks.solutions import SOLUTIONS
from tests.agent_tasks.tasks import tasks
from tests.oms_mcp.agent import ERAS, Agent

PAGE = PACKAGED_CORPUS / "methodology" / "agent-tasks.md"
_ROW = re.compile(r"^\| (.+) \| (\d+) \| ([\d,]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with Library.open(semantic=False) as library:
        yield library


@cache
def told() -> Mapping[str, tuple[int, int]]:
    """Title of a task -> calls and tokens, as the page tells them."""
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {title: (int(calls), int(tokens.replace(",", ""))) for title, calls, tokens in rows}


def test_there_are_twenty_tasks_and_each_has_its_script_and_its_row() -> None:
    assert len(SOLUTIONS) == 20
    assert [*SOLUTIONS] == [*tasks("names")] == [*tasks("renamed")]
    assert [*told()] == [task.title for task in tasks("names").values()]


@pytest.mark.parametrize("data", ["names", "renamed"])
@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_task_is_solved_whatever_its_things_are_called(
    name: str, data: str, library: Library, tmp_path: Path
) -> None:
    solved = solve(tasks(data)[name], library, tmp_path / "oms.db", ERAS[data == "renamed"])
    assert list(solved.wrong) == []
    if data == "names":
        calls, tokens = told()[solved.task.title]
        assert solved.calls == calls
        assert solved.tokens == pytest.approx(tokens, rel=0.1, abs=60)


def test_no_name_of_one_data_set_stands_in_the_other() -> None:
    for name, task in tasks("names").items():
        other = tasks("renamed")[name]
        assert task.text != other.text
        for value in re.findall(r"\b[A-Z]+-\d+\b", task.text):
            assert value not in other.text


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_task_that_nobody_works_on_is_not_solved(
    name: str, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOLUTIONS, name, lambda _agent: {})  # type: ignore[arg-type] # it is a dict
    assert solve(replace(tasks("names")[name], meanwhile=()), library, tmp_path / "oms.db").wrong


def test_what_is_wrong_in_the_file_is_found(library: Library, tmp_path: Path) -> None:
    task = tasks("names")["the-line-dropped"]
    wrong = replace(task, database=[{"sql": "SELECT count(*) FROM orders", "rows": [[2]]}], events=7)
    found = solve(wrong, library, tmp_path / "oms.db").wrong
    assert found == ["SELECT count(*) FROM orders finds [[1]], not [[2]]", "2 events were written, not 7"]


def test_an_agent_that_uses_what_nobody_told_it_is_caught(library: Library) -> None:
    with Engine.open() as engine, Agent(build_server(engine, library)) as connected:
        order_id = connected.create()
        agent = ScriptedAgent(connected, "Look at the newest order.", lambda _: None)
        for arguments in ({"order_id": order_id}, {"order_id": "ORD-9"}, {"cl_ord_id": "c1"}):
            with pytest.raises(AssertionError, match="nobody told the agent"):
                agent.ask("get_order", **arguments)
        agent.ask("search_orders", where=["state=UNACK"], size=1)
        assert agent.ask("get_order", order_id=order_id)["state"] == "UNACK"
        assert agent.calls == 2
