"""Do the calls in the documents work? Each page is one conversation, with a real server and a real client."""

import json
from typing import Any

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import ServerOptions, build_server
from tests.docs.pages import PACKAGED
from tests.oms_mcp.agent import Agent


@pytest.mark.parametrize("page", ["contracts/tools.md", "methodology/working-with-agents.md"])
def test_every_call_of_a_page_is_answered_as_the_page_says(page: str) -> None:
    options = ServerOptions(toolsets=("all",))
    with (
        Engine.open() as engine,
        Library.open(semantic=False) as library,
        Agent(build_server(engine, library, options)) as agent,
    ):
        for fence in PACKAGED.pages.fences(page, "jsonl"):
            for line in fence.text.splitlines():
                _send(agent, json.loads(line))


def _send(agent: Agent, line: dict[str, Any]) -> None:
    if "refused" in line:
        found, told = agent.refused(line["call"], **line["with"]), line["refused"]
    else:
        found, told = agent.ok(line["call"], **line["with"]), line.get("answers", {})
    assert {name: found.get(name) for name in told} == told, line
