"""What is a check? A function of the documents and of the code that tells what differs between the two."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from mcp_types import Tool

from knowledge_base import Library
from oms_engine import Engine
from oms_engine.domain.catalogue import RULES, STATEMENTS
from oms_engine.domain.commands import COMMANDS, Command
from oms_engine.domain.events import EVENTS, Event
from oms_engine.errors import CODES, ErrorCode
from oms_mcp.server import ServerOptions, build_server
from tests.docs.pages import Pages, Place
from tests.oms_mcp.agent import Agent


@cache
def _tools() -> tuple[Tool, ...]:
    options = ServerOptions(toolsets=("all",))
    with (
        Engine.open() as engine,
        Library.open(semantic=False) as library,
        Agent(build_server(engine, library, options)) as agent,
    ):
        return tuple(agent.tools())


@dataclass(frozen=True)
class Known:
    """What the code has; a test that proves a check puts something else into it."""

    rules: Mapping[str, tuple[str, str]] = field(default_factory=lambda: RULES | STATEMENTS)
    codes: Mapping[str, ErrorCode] = field(default_factory=lambda: CODES)
    commands: Mapping[str, type[Command]] = field(default_factory=lambda: COMMANDS)
    events: Mapping[str, type[Event]] = field(default_factory=lambda: EVENTS)
    tools: tuple[Tool, ...] = field(default_factory=_tools)


Problems = Callable[[Pages, Known], list[str]]


@dataclass(frozen=True)
class Check:
    """One comparison of documents with the code.

    Attributes:
        name: What is compared.
        problems: What differs; nothing where the documents tell the truth.
        places: The tables whose rows are compared, all of them.
        pictures: The sections whose pictures are compared, arrow by arrow.
    """

    name: str
    problems: Problems
    places: tuple[Place, ...] = ()
    pictures: tuple[Place, ...] = ()


def differences(what: str, told: Iterable[object], known: Iterable[object]) -> list[str]:
    """What is told and not so, what is so and not told, and what is told twice."""
    counted, there = Counter(list(told)), Counter(list(known))
    return [
        *(f"{what}: {_shown(item)} is told and does not exist" for item in counted if item not in there),
        *(f"{what}: {_shown(item)} exists and is not told" for item in there if item not in counted),
        *(
            f"{what}: {_shown(item)} is told {number} times and exists {there[item]} times"
            for item, number in counted.items()
            if item in there and number != there[item]
        ),
    ]


def _shown(item: object) -> str:
    return " ".join(map(str, item)) if isinstance(item, tuple) else str(item)
