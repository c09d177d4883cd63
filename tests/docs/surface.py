"""Are the tools of the server and the commands of the command line told completely and as they are?"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import typer
from mcp_types import Tool

from oms_mcp.arguments import Actions
from oms_mcp.cli import app
from oms_mcp.server import DEFAULT_TOOLSETS, TOOLSETS
from oms_mcp.tools import desk, executions, orders, quotes, settings
from tests.docs.checks import Check, Known, differences
from tests.docs.contracts import ENUMS
from tests.docs.pages import Pages, Place, codes

TOOL_PAGE = "contracts/tools.md"
LINE_PAGE = "contracts/command-line.md"

TOOL_LIST = Place(TOOL_PAGE, "1-overview")
SHARED = Place(TOOL_PAGE, "2-arguments-that-many-tools-share")
ANSWERS = Place(TOOL_PAGE, "81-members-of-the-answers")
ACTIONS: Mapping[str, Actions] = {
    "update_order": orders.UPDATES,
    "end_order": orders.ENDINGS,
    "allocate": desk.ALLOCATIONS,
    "group_orders": desk.GROUPINGS,
    "quote": quotes.QUOTES,
    "correct_execution": executions.CORRECTIONS,
    "settings": settings.CHANGES,
}


def toolset_of(name: str) -> str:
    return next((toolset for toolset, specs in TOOLSETS.items() for spec in specs if spec.name == name), "none")


def _tools(pages: Pages, known: Known) -> list[str]:
    told = [(row["Tool"].strip("`"), *row.cells[1:5]) for row in pages.table(TOOL_LIST).rows]
    there = [(tool.name, toolset_of(tool.name), *_hints(tool)) for tool in known.tools]
    count = re.search(r"the (\d+) tools of the MCP server", pages.text(TOOL_PAGE))
    default = re.search(r"A server offers the toolsets ((?:`\w+`[ ,and\n]*)+)", pages.text(TOOL_PAGE))
    return [
        *differences("tool", told, there),
        *differences("tool with a section", sections(pages), [tool.name for tool in known.tools]),
        *differences("number of tools", [int(count[1]) if count else 0], [len(known.tools)]),
        *differences("toolset of every server", codes(default[1]) if default else [], DEFAULT_TOOLSETS),
    ]


def _hints(tool: Tool) -> tuple[str, str, str]:
    hints = tool.annotations
    assert hints
    return _yes(hints.read_only_hint), _yes(hints.destructive_hint), _yes(hints.idempotent_hint)


def _yes(value: object) -> str:
    return "yes" if value else "no"


def sections(pages: Pages) -> dict[str, str]:
    """Tool -> anchor of its section."""
    document = pages.documents.get(TOOL_PAGE)
    found = ((re.fullmatch(r"[3-7]\.\d+ (\w+)", s.title), s.anchor) for s in (document.sections if document else ()))
    return {title[1]: anchor for title, anchor in found if title}


def _shared(pages: Pages) -> dict[str, tuple[str, list[str]]]:
    return {row["Argument"].strip("`"): (row["Type"], codes(row["Taken by"])) for row in pages.table(SHARED).rows}


def _arguments(pages: Pages, known: Known) -> list[str]:
    """The arguments of each tool: those of its own table and the shared ones that name it."""
    found = []
    shared, anchors = _shared(pages), sections(pages)
    for tool in known.tools:
        own = pages.table(Place(TOOL_PAGE, anchors.get(tool.name, ""), "Argument"))
        told = [(row["Argument"].strip("`"), row["Type"], row["Required"]) for row in own.rows]
        told += [(name, kind, "no") for name, (kind, takers) in shared.items() if tool.name in takers]
        required = tool.input_schema.get("required", ())
        properties: dict[str, Any] = tool.input_schema["properties"]
        there = [(name, kind_of(schema), _yes(name in required)) for name, schema in properties.items()]
        found += differences(f"argument of {tool.name}", told, there)
    unknown = {name for _, takers in shared.values() for name in takers} - {tool.name for tool in known.tools}
    return [*found, *(f"{name} is no tool" for name in unknown)]


def kind_of(schema: Mapping[str, Any]) -> str:
    """How the page writes the type of an argument."""
    values = schema.get("enum") or schema.get("items", {}).get("enum")
    many = "list of " if schema["type"] == "array" else ""
    if not values:
        return "list" if schema["type"] == "array" else str(schema["type"])
    enums = [kind.__name__ for kind in ENUMS if [member.value for member in kind] == list(values)]
    return f"{many or ('' if enums else 'one of ')}{enums[0] if enums else ', '.join(f'`{value}`' for value in values)}"


def _actions(pages: Pages, _: Known) -> list[str]:
    found = []
    for tool, actions in ACTIONS.items():
        rows = pages.table(Place(TOOL_PAGE, sections(pages).get(tool, ""), "Action")).rows
        told = [(row["Action"].strip("`"), row["Command"], *codes(row["Arguments it uses"])) for row in rows]
        there = [(action, command, *arguments) for action, (command, arguments) in actions.items()]
        found += differences(f"action of {tool}", told, there)
    return found


def _answers(pages: Pages, known: Known) -> list[str]:
    told = [
        (tool, member)
        for row in pages.table(ANSWERS).rows
        for tool in codes(row["Tools"])
        for member in codes(row["Members"])
    ]
    there = [(tool.name, member) for tool in known.tools for member in (tool.output_schema or {}).get("properties", ())]
    return differences("member of an answer", told, there)


def examples(pages: Pages, tool: str) -> list[dict[str, Any]]:
    """The calls in the section of a tool: `call`, `with`, and what the answer must have."""
    fences = pages.fences_of(TOOL_PAGE, sections(pages).get(tool, ""), "jsonl")
    return [json.loads(line) for fence in fences for line in fence.text.splitlines()]


def _examples(pages: Pages, known: Known) -> list[str]:
    """Each tool is called in its own section, and what comes back is looked at."""
    return [
        f"{tool.name} has no example that looks at the answer"
        for tool in known.tools
        if not any(line["call"] == tool.name and line.get("answers") for line in examples(pages, tool.name))
    ]


def _tool_places() -> Iterator[Place]:
    for tool in Known().tools:
        anchor = _section_numbers().get(tool.name)
        yield Place(TOOL_PAGE, f"{anchor}-{tool.name}", "Argument")


def _section_numbers() -> dict[str, str]:
    """Tool -> number of its section without the point, as the toolsets are told one after the other."""
    chapters = (("orders",), ("executions",), ("queries", "states", "simulation"), ("knowledge",), ("raw", "admin"))
    return {
        spec.name: f"{chapter}{number}"
        for chapter, toolsets in enumerate(chapters, 3)
        for number, spec in enumerate((spec for name in toolsets for spec in TOOLSETS[name]), 1)
    }


LINE_LIST = Place(LINE_PAGE, "1-overview")
LINE_SHARED = Place(LINE_PAGE, "2-options-of-most-commands")


LINE_SECTIONS = (
    *("31-orders", "32-following", "33-scenarios-and-the-server", "34-looking-after-a-store", "35-the-outbox"),
    *("36-projections-and-settings", "37-these-documents", "38-fix-logs"),
)


@cache
def line_commands() -> dict[str, Any]:
    """`settings set` -> the command, for every command of `oms`."""
    return dict(_walk(typer.main.get_command(app), ()))


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own click
    if hasattr(command, "commands"):
        for name, part in command.commands.items():
            yield from _walk(part, (*path, name))
    else:
        yield " ".join(path), command


def options_of(command: Any) -> list[str]:  # noqa: ANN401 - as above
    """How the page writes what a command takes: `--db`, `--follow` or `-f`, and the name of an argument in capitals."""
    return [_written(parameter) for parameter in command.params if parameter.name != "help"]


def _written(parameter: Any) -> str:  # noqa: ANN401 - as above
    if parameter.opts[0].startswith("-"):
        return str(parameter.opts[0])
    name = str(parameter.metavar or parameter.name.upper()).removesuffix("...")
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def _line(pages: Pages, _: Known) -> list[str]:
    rows = [row for table in pages.tables(LINE_PAGE, LINE_LIST.anchor) for row in table.rows]
    told = [row["Command"].strip("`").removeprefix("oms ") for row in rows]
    return differences("command of oms", told, line_commands())


def _line_options(pages: Pages, _: Known) -> list[str]:
    """What each command takes: what its row lists, and the shared options under whose row it stands."""
    listed: dict[str, list[str]] = {name: [] for name in line_commands()}
    for table in pages.tables(LINE_PAGE, "3-what-each-command-takes", own=False):
        for row in table.rows:
            name = row["Command"].strip("`").removeprefix("oms ")
            listed.setdefault(name, []).append(row["Takes"].strip("`"))
    for row in pages.table(LINE_SHARED).rows:
        for name in codes(row["Taken by"]):
            listed.setdefault(name, []).append(row["Option"].strip("`"))
    found = []
    for name, told in listed.items():
        command = line_commands().get(name)
        found += differences(f"what oms {name} takes", told, options_of(command) if command else ())
    return found


CHECKS = (
    Check("tools", _tools, (TOOL_LIST,)),
    Check("arguments of tools", _arguments, (SHARED, *_tool_places())),
    Check(
        "actions of tools",
        _actions,
        tuple(Place(TOOL_PAGE, f"{_section_numbers()[tool]}-{tool}", "Action") for tool in ACTIONS),
    ),
    Check("answers of tools", _answers, (ANSWERS,)),
    Check("examples of tools", _examples),
    Check("commands of oms", _line, (LINE_LIST,)),
    Check(
        "what the commands of oms take",
        _line_options,
        (LINE_SHARED, *(Place(LINE_PAGE, anchor) for anchor in LINE_SECTIONS)),
    ),
)
