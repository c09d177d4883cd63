"""Which scenarios does what was typed mean: a file, a document, or the id of one?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from knowledge_base.sections import Fence
    from oms_engine.simulation.scenario import Scenario


def read_scenarios(target: str) -> "list[Scenario]":
    """The scenarios of a file (.yaml, .jsonl, .md with scenario blocks), of a document, or those that a name means."""
    from oms_engine.errors import ScenarioError, shown

    name, hash_sign, wanted = target.partition("#")
    file = Path(name)
    if name == "-" or file.is_file() or file.suffix in _SCENARIO_FILES:
        found = _filed(name, file.suffix)
    else:
        found = _documented(target)
        hash_sign = ""
    if hash_sign:
        chosen = [scenario for scenario in found if scenario.id == wanted]
        if not chosen:
            raise ScenarioError(f"{name} has no scenario {shown(wanted)}; it has {', '.join(s.id for s in found)}")
        found = chosen
    if not found:
        raise ScenarioError(f"{name} has no scenario; a document holds them in fenced blocks marked scenario")
    return found


_FLOWS = {".jsonl", ".ndjson"}
_SCENARIO_FILES = {".yaml", ".yml", *_FLOWS}
"""How a name ends that means a file, also where there is none."""


def is_flow(name: str) -> bool:
    """Does the name of a file say that a flow stands in it, as JSON Lines?"""
    return Path(name).suffix in _FLOWS


def _filed(name: str, suffix: str) -> "list[Scenario]":
    """The scenarios of a file, or of standard input: YAML, JSON Lines, or the blocks of a markdown document."""
    from oms_engine.simulation.flow import parse_flow
    from oms_engine.simulation.scenario import parse_scenarios
    from oms_mcp.inputs import read_text

    text = read_text(name)
    if suffix in _FLOWS:
        return [parse_flow(text, name)]
    if suffix != ".md":
        return parse_scenarios(text, name)
    blocks = ((fence.text, fence.line) for fence in _fences(name, text))
    found = [scenario for block, line in blocks for scenario in parse_scenarios(block, name, line=line + 1)]
    _require_own_ids(found)
    return found


def read_scenario(target: str) -> "Scenario":
    """The one scenario that a name, a file or `DOC#ID` means."""
    from oms_mcp.scenarios import only_one

    return only_one(read_scenarios(target), target)


def _require_own_ids(scenarios: "Sequence[Scenario]") -> None:
    from oms_engine.errors import ScenarioError, shown

    seen: set[str] = set()
    for scenario in scenarios:
        if scenario.id in seen:
            place = f"{scenario.source}, line {scenario.line}"
            raise ScenarioError(f"{place}: id {shown(scenario.id)} is used twice; rename one")
        seen.add(scenario.id)


def _fences(name: str, text: str) -> "list[Fence]":
    from knowledge_base.sections import parse_document

    return [fence for fence in parse_document(name, text).fences if fence.is_scenario]


def _documented(target: str) -> "list[Scenario]":
    from knowledge_base import KnowledgeBaseError
    from oms_engine.errors import shown
    from oms_mcp.inputs import Misuse, opened_library
    from oms_mcp.scenarios import documented_scenarios

    try:
        with opened_library(semantic=False) as library:
            return documented_scenarios(library, target)
    except KnowledgeBaseError as error:
        raise Misuse(f"there is no file {shown(target)}, and {error}") from None
