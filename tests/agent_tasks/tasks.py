"""What is a task: its text, the world before it, what others do meanwhile, and what must be true afterwards?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from oms_engine import Engine
from oms_engine.record import parse_instant
from oms_engine.simulation.plain_yaml import read_documents

FILE = Path(__file__).with_name("tasks.yaml")

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """One task with one data set.

    Attributes:
        id: Its name.
        title: What it is about.
        text: What the agent is told.
        toolsets: What its server offers; the default ones when empty.
        world: Envelopes, with `at` and `repeat`.
        meanwhile: Envelopes, with the number of calls `after` which others send them.
        answer: What the agent must report.
        database: `sql` and the `rows` it must find afterwards.
        events: How many events the agent and the others may have caused; None where that says nothing.
    """

    id: str
    title: str
    text: str
    toolsets: Sequence[str]
    world: Sequence[Wire]
    meanwhile: Sequence[Wire]
    answer: Wire
    database: Sequence[Wire]
    events: int | None


class Clock:
    """A clock that moves a millisecond whenever it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 18, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@cache
def tasks(data: str) -> Mapping[str, Task]:
    """Every task by its id, with the data set `names` or `renamed`."""
    return {task.id: task for task in _read(data)}


def _read(data: str) -> Iterator[Task]:
    for document in FILE.read_text(encoding="utf-8").split("\n---\n"):
        (named,) = _documents(document)
        (wire,) = _documents(Template(document).substitute(named[data]))
        yield Task(
            id=wire["id"],
            title=wire["title"],
            text=wire["task"],
            toolsets=wire.get("toolsets", ()),
            world=wire.get("world", ()),
            meanwhile=wire.get("meanwhile", ()),
            answer=wire["answer"],
            database=wire.get("database", ()),
            events=wire.get("events"),
        )


def _documents(text: str) -> list[Wire]:
    return [data for _, data in read_documents(text)]


def populate(engine: Engine, clock: Clock, world: Sequence[Wire]) -> None:
    """Carry out the envelopes of a world, each of which must be accepted."""
    later = clock.now
    for entry in world:
        clock.now = parse_instant(entry["at"])
        envelope = {name: value for name, value in entry.items() if name not in {"at", "repeat"}}
        done = engine.execute_many(_numbered(envelope, n) for n in range(1, entry.get("repeat", 1) + 1))
        assert all(outcome.result.ok for outcome in done.outcomes), [each.result.message for each in done.outcomes]
    clock.now = later


def _numbered(part: Any, number: int) -> Any:  # noqa: ANN401 - JSON
    """An envelope in which `{n}` is a number."""
    if isinstance(part, dict):
        return {name: _numbered(value, number) for name, value in part.items()}
    return part.replace("{n}", str(number)) if isinstance(part, str) else part
