"""How does a task go? World, server, script, and then a look at the file with plain SQL, past everything of ours."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import DEFAULT_TOOLSETS, ServerOptions, build_server
from tests.agent_tasks.client import ScriptedAgent
from tests.agent_tasks.solutions import SOLUTIONS
from tests.agent_tasks.tasks import Clock, Task, populate, tasks
from tests.oms_mcp.agent import Agent, Era

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Solved:
    """How a task went: what the agent reported, what is wrong with it and with the file, and what it cost."""

    task: Task
    answer: Wire
    wrong: Sequence[str]
    calls: int
    tokens: int


def solve(task: Task, library: Library, path: Path, era: Era = "auto") -> Solved:
    """Let the script of a task solve it on a file of its own, and look at what is there afterwards."""
    clock = Clock()
    with Engine.open(str(path), clock=clock, session_id="desk") as engine:
        populate(engine, clock, task.world)
        before = _events(path)

        def meanwhile(calls: int) -> None:
            for entry in task.meanwhile:
                if entry["after"] == calls:
                    _by_somebody_else(path, clock, entry)

        options = ServerOptions(toolsets=task.toolsets or DEFAULT_TOOLSETS)
        with Agent(build_server(engine, library, options), era, name="agent") as connected:
            agent = ScriptedAgent(connected, task.text, meanwhile)
            answer = SOLUTIONS[task.id](agent)
    wrong = [*_of_answer(task, answer), *_of_database(task, path, _events(path) - before)]
    return Solved(task, answer, wrong, agent.calls, agent.tokens)


def _by_somebody_else(path: Path, clock: Clock, entry: Wire) -> None:
    envelope = {name: value for name, value in entry.items() if name != "after"}
    with Engine.open(str(path), clock=clock, session_id="market") as other:
        assert other.execute(envelope).ok


def _of_answer(task: Task, answer: Wire) -> Iterator[str]:
    for name in {*task.answer, *answer}:
        if task.answer.get(name) != answer.get(name):
            yield f"answered {name} = {answer.get(name)!r}, which is {task.answer.get(name)!r}"


def _of_database(task: Task, path: Path, events: int) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as connection:
        for check in task.database:
            found = [list(row) for row in connection.execute(check["sql"])]
            if found != check["rows"]:
                yield f"{check['sql']} finds {found}, not {check['rows']}"
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            yield "the file is damaged"
    if task.events not in {None, events}:
        yield f"{events} events were written, not {task.events}"


def _events(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


def report(library: Library) -> Iterator[Solved]:
    """Every task with its first data set."""
    for task in tasks("names").values():
        with TemporaryDirectory() as folder:
            yield solve(task, library, Path(folder) / "oms.db")
