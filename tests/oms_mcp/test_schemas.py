"""Is the list of tools what clients and models need: small, portable, complete, and changed only on purpose?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import bpe_openai
import pytest
from mcp_types import Tool

from knowledge_base import Library
from oms_engine import Engine, SettingsError
from oms_mcp.server import DEFAULT_TOOLSETS, MAX_RESULT_TOKENS, TOOLSETS, ServerOptions, build_server
from tests.oms_mcp.agent import Agent, Era

Wire = dict[str, Any]

SNAPSHOT = Path(__file__).with_name("tools_list.json")

READING = ["search_orders", "get_order", "order_history", "check_transitions", "simulate"]
READING += ["search_kb", "read_kb"]
WRITING = ["create_order", "update_order", "end_order", "allocate", "group_orders", "quote"]
WRITING += ["report_execution", "correct_execution"]
DESTROYING = {"end_order", "correct_execution", "execute_commands", "settings"}

BUDGET_DEFAULT, BUDGET_READING, BUDGET_OUTPUT = 5_000, 1_800, 6_000


def _tools(engine: Engine, library: Library, *toolsets: str, era: Era = "auto") -> list[Tool]:
    options = ServerOptions(toolsets=toolsets or DEFAULT_TOOLSETS)
    with Agent(build_server(engine, library, options), era) as agent:
        return agent.tools()


def _tokens(value: object) -> int:
    encoding = bpe_openai.get_encoding("o200k_base")
    return len(encoding.encode(json.dumps(value, separators=(",", ":"), ensure_ascii=False)))


def _input(tool: Tool) -> Wire:
    return {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}


def _parts(schema: object) -> Iterator[Wire]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from _parts(part)
    if isinstance(schema, list):
        for part in schema:
            yield from _parts(part)


def test_the_default_tools_stay_within_their_budget(engine: Engine, library: Library) -> None:
    tools = _tools(engine, library)
    assert [tool.name for tool in tools] == [*WRITING, *READING]
    assert sum(_tokens(_input(tool)) for tool in tools) <= BUDGET_DEFAULT
    assert sum(_tokens(_input(tool)) for tool in tools if tool.name in READING) <= BUDGET_READING
    assert sum(_tokens(tool.output_schema) for tool in tools) <= BUDGET_OUTPUT


def test_the_list_of_tools_changes_only_on_purpose(engine: Engine, library: Library, era: Era) -> None:
    """Whoever changes a tool writes the file anew and reviews the difference: delete it and run this test."""
    listed = [
        tool.model_dump(mode="json", by_alias=True, exclude_none=True)
        for tool in _tools(engine, library, "all", era=era)
    ]
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pytest.fail(f"{SNAPSHOT.name} was written anew; review it")
    assert listed == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("toolset", TOOLSETS)
def test_every_tool_is_described_in_full(toolset: str, engine: Engine, library: Library) -> None:
    for tool in _tools(engine, library, toolset):
        assert tool.title
        assert tool.description
        assert tool.output_schema
        assert tool.annotations
        hints = tool.annotations
        assert hints.title == tool.title
        assert hints.read_only_hint is (tool.name in READING)
        assert hints.destructive_hint is (tool.name in DESTROYING)
        assert hints.idempotent_hint is (tool.name != "execute_commands")
        assert hints.open_world_hint is False


@pytest.mark.parametrize("toolset", TOOLSETS)
def test_every_parameter_is_described_in_one_line(toolset: str, engine: Engine, library: Library) -> None:
    for tool in _tools(engine, library, toolset):
        for name, schema in tool.input_schema["properties"].items():
            assert schema["type"] in {"string", "integer", "boolean", "array", "object"}, (tool.name, name)
            assert schema["description"], (tool.name, name)
            assert "\n" not in schema["description"]


@pytest.mark.parametrize("toolset", TOOLSETS)
def test_schemas_are_portable(toolset: str, engine: Engine, library: Library) -> None:
    for tool in _tools(engine, library, toolset):
        schema = tool.input_schema
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        assert set(schema.get("required", ())) <= set(schema["properties"])
        for part in _parts(schema):
            assert not {"anyOf", "oneOf", "allOf", "$ref", "$defs"} & set(part)
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        for part in _parts(tool.output_schema):
            assert not {"anyOf", "oneOf", "allOf"} & set(part)


def test_reading_tools_take_what_their_kind_takes(engine: Engine, library: Library) -> None:
    without_format = {"search_kb", "read_kb", "check_transitions"}
    for tool in _tools(engine, library, "all"):
        names = set(tool.input_schema["properties"])
        assert ("response_format" in names) is (tool.name not in without_format)
        if tool.name in {*WRITING, "settings"}:
            assert {"dry_run", "command_id", "expected_version"} <= names
        assert ("confirm" in names) is (tool.name in DESTROYING - {"execute_commands"})


def test_the_server_says_how_to_trade(engine: Engine, library: Library, tmp_path: Path, era: Era) -> None:
    with Agent(build_server(engine, library), era) as agent:
        told = agent.instructions()
    for step in ("sandbox", "create_order", "accept", "report_execution", "FILLED", "close", "read_kb"):
        assert step in told
    with Engine.open(str(tmp_path / "oms.db")) as kept, Agent(build_server(kept, library), era) as agent:
        assert "Mode file" in agent.instructions()
        assert agent.ok("search_orders")["content"] == []
        order_id = agent.create()
        assert agent.ok("update_order", order_id=order_id, action="accept")["mode"] == "file"


@pytest.mark.parametrize(
    ("names", "tools"),
    [
        (("queries", "states"), READING[:4]),
        (("knowledge", " states "), [READING[3], *READING[5:]]),
        (("all",), [*WRITING, *READING, "execute_commands", "settings"]),
        (("raw", "raw"), ["execute_commands"]),
        (("admin",), ["settings"]),
    ],
)
def test_toolsets_choose_the_tools(names: tuple[str, ...], tools: list[str], engine: Engine, library: Library) -> None:
    assert [tool.name for tool in _tools(engine, library, *names)] == tools


@pytest.mark.parametrize(
    ("options", "tools"),
    [
        (ServerOptions(read_only=True), READING),
        (ServerOptions(read_only=True, toolsets=("all",)), READING),
        (ServerOptions(read_only=True, toolsets=("orders", "states")), ["check_transitions"]),
        (ServerOptions(tools=("get_order", "create_order")), ["create_order", "get_order"]),
        (ServerOptions(toolsets=("states",), tools=(" settings ",)), ["check_transitions", "settings"]),
        (
            ServerOptions(exclude_tools=("quote", "end_order", "settings")),
            [*WRITING[:2], *WRITING[3:5], *WRITING[6:], *READING],
        ),
        (ServerOptions(tools=("quote", "read_kb"), exclude_tools=("quote",)), ["read_kb"]),
    ],
)
def test_tools_are_chosen_one_by_one(
    options: ServerOptions, tools: list[str], engine: Engine, library: Library, era: Era
) -> None:
    with Agent(build_server(engine, library, options), era) as agent:
        assert [tool.name for tool in agent.tools()] == tools
        assert json.loads(agent.resource("oms://status"))["tools"] == tools


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ServerOptions(tools=("get_ordr",)), 'tool "get_ordr" is unknown; use create_order, update_order'),
        (ServerOptions(exclude_tools=("secret",)), 'excluded tool "secret" is unknown; use create_order'),
        (ServerOptions(read_only=True, tools=("quote",)), "tool quote writes, and the server is read-only"),
        (ServerOptions(read_only=True, toolsets=("raw",)), "no tool is left to offer"),
        (ServerOptions(tools=("quote",), exclude_tools=("quote",)), "no tool is left to offer"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(
    options: ServerOptions, message: str, engine: Engine, library: Library
) -> None:
    with pytest.raises(SettingsError, match=message):
        build_server(engine, library, options)


def test_a_read_only_server_says_so_and_refuses_by_name(engine: Engine, library: Library, era: Era) -> None:
    options = ServerOptions(read_only=True)
    with Agent(build_server(engine, library, options), era) as agent:
        told = agent.instructions()
        assert ("Mode read-only" in told, "create_order" in told, "confirm" in told) == (True, False, False)
        assert json.loads(agent.resource("oms://status"))["mode"] == "read-only"
        answer, is_error = agent.call("create_order")
    assert is_error
    assert answer["mode"] == "read-only"
    assert "writes, and this server is read-only" in answer["error"]["detail"]


def test_a_tool_that_was_excluded_says_so(engine: Engine, library: Library) -> None:
    with Agent(build_server(engine, library, ServerOptions(exclude_tools=("quote",)))) as agent:
        answer, _ = agent.call("quote")
    assert "tool quote is switched off on this server" in answer["error"]["detail"]


def test_the_server_and_every_tool_have_an_icon(engine: Engine, library: Library, era: Era) -> None:
    with Agent(build_server(engine, library, ServerOptions(toolsets=("all",))), era) as agent:
        icons = [agent.icons(), *(tool.icons or [] for tool in agent.tools())]
    for each in icons:
        assert [icon.src.startswith("data:image/svg+xml,") for icon in each] == [True]
        ET.fromstring(unquote(each[0].src.partition(",")[2]))  # noqa: S314 - our own drawing


@pytest.mark.parametrize("names", [("order",), ("orders", "secret"), ("",), (" ",)])
def test_an_unknown_toolset_is_refused_with_the_valid_ones(
    names: tuple[str, ...], engine: Engine, library: Library
) -> None:
    with pytest.raises(SettingsError, match="queries, states, simulation, knowledge, raw, admin or all"):
        build_server(engine, library, ServerOptions(toolsets=names))


def test_results_cannot_be_limited_to_nothing(engine: Engine, library: Library) -> None:
    assert ServerOptions().max_result_tokens == MAX_RESULT_TOKENS
    with pytest.raises(SettingsError, match="at least 2000"):
        build_server(engine, library, ServerOptions(max_result_tokens=10))
