"""Would a wrong document be noticed? Rows and arrows are taken out of copies one by one, and each must be missed."""

from dataclasses import replace

import pytest

from oms_engine.domain.catalogue import RULES, STATEMENTS, citation
from oms_engine.errors import CODES
from tests.docs import glossary, rules, surface
from tests.docs.checks import Known
from tests.docs.pages import PACKAGED, Pages, Place
from tests.docs.registry import ALL


@pytest.mark.parametrize("name", [name for name, check in ALL.items() if check.places])
def test_every_row_that_is_missing_is_missed(name: str) -> None:
    check, pages, known = ALL[name], PACKAGED.pages, Known()
    for place in check.places:
        rows = pages.table(place).rows
        assert rows, f"{place} has no table"
        for row in rows:
            assert check.problems(pages.without_line(place.path, row.line), known), f"{place} without: {row.cells}"


@pytest.mark.parametrize("name", [name for name, check in ALL.items() if check.pictures])
def test_every_line_of_a_picture_that_is_missing_is_missed(name: str) -> None:
    check, pages, known = ALL[name], PACKAGED.pages, Known()
    for place in check.pictures:
        lines = list(_lines_of_pictures(pages, place))
        assert lines, f"{place} has no picture"
        for line in lines:
            without = pages.without_line(place.path, line)
            assert check.problems(without, known), f"{place} without: {pages.documents[place.path].lines[line - 1]}"


def _lines_of_pictures(pages: Pages, place: Place) -> list[int]:
    """The lines of the pictures of a section that say something: not the first, and nothing that is only layout."""
    return [
        fence.line + number
        for fence in pages.fences_of(place.path, place.anchor, "mermaid")
        for number, line in enumerate(fence.text.splitlines(), 1)
        if number > 1 and not line.strip().startswith(("direction", "subgraph", "end", "}"))
    ]


_WORD = "| DK |"
_ROW = "| DK | don't know, DKed trade, unknown trade |"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (_WORD, "| axe |", "axe is explained 2 times"),
        (_ROW, "| DK | bust |", "bust is a synonym and a term of its own"),
        (_ROW, "| DK | fat finger, dead letter |", "dead letter stands for 2 terms"),
        (_WORD, "| DKed |", "DK is missing"),
        (_ROW, "| DK | |", "DK has no other word"),
        ("| NEW |", "| BEGUN |", "NEW is missing"),
        ("GOOD_TILL_CROSSING: until", "Until", "GOOD_TILL_CROSSING is not explained"),
        ("| close | clean up, settle |", "| end | finish |", "OrderCloseCmd has no word in the glossary"),
        ("executions.md#5-overfill", "executions.md#5-too-much", "overfill: executions.md#5-too-much leads nowhere"),
        (" [overfill](executions.md#5-overfill)", "", "overfill: the meaning does not end with a link to a section"),
        ("| Term | Also called | Meaning |", "| Word | Also called | Meaning |", "3. States has"),
    ],
)
def test_a_glossary_with_a_mistake_is_noticed(old: str, new: str, what: str) -> None:
    wrong = PACKAGED.pages.replaced(glossary.PAGE, old, new)
    found = [problem for check in glossary.CHECKS for problem in check.problems(wrong, Known())]
    assert any(problem.startswith(what) for problem in found), found


def _problems(pages: Pages, known: Known, *names: str) -> list[str]:
    return [problem for name in names for problem in ALL[name].problems(pages, known)]


@pytest.mark.parametrize("rule", RULES | STATEMENTS)
def test_a_rule_that_has_another_name_in_the_code_is_noticed(rule: str) -> None:
    known = Known()
    renamed = {f"{name}-NEW" if name == rule else name: words for name, words in known.rules.items()}
    found = _problems(PACKAGED.pages, replace(known, rules=renamed), "rules and statements")
    assert any(f"{rule} " in problem for problem in found), found
    assert any(f"{rule}-NEW" in problem for problem in found), found


@pytest.mark.parametrize("rule", RULES | STATEMENTS)
def test_a_rule_that_has_another_name_in_the_documents_is_noticed(rule: str) -> None:
    path, _, _ = citation(rule).partition("#")
    number, words = (RULES | STATEMENTS)[rule]
    wrong = PACKAGED.pages.replaced(path, f"# {number} {rule}: {words}", f"# {number} {rule}0: {words}")
    assert any(rule in problem for problem in _problems(wrong, Known(), "rules and statements", "citations of rules"))


@pytest.mark.parametrize("rule", RULES | STATEMENTS)
def test_a_rule_that_says_something_else_in_the_documents_is_noticed(rule: str) -> None:
    path, _, _ = citation(rule).partition("#")
    number, words = (RULES | STATEMENTS)[rule]
    wrong = PACKAGED.pages.replaced(path, f"# {number} {rule}: {words}", f"# {number} {rule}: never mind")
    assert any(rule in problem for problem in _problems(wrong, Known(), "rules and statements", "citations of rules"))


@pytest.mark.parametrize("code", CODES)
def test_a_code_with_another_status_is_noticed(code: str) -> None:
    known = Known()
    other = {**known.codes, code: known.codes[code]._replace(status=418)}
    assert any(code in problem for problem in _problems(PACKAGED.pages, replace(known, codes=other), "codes"))


@pytest.mark.parametrize("code", [code for code in CODES if any(rule.code == code for rule in rules.ASKED)])
def test_a_code_that_lists_a_rule_too_few_is_noticed(code: str) -> None:
    path, _, anchor = CODES[code].citation.partition("#")
    pages = PACKAGED.pages
    section = pages.section(path, anchor)
    assert section
    lines = pages.documents[path].lines
    listing = [n for n in range(section.start_line, section.own_end + 1) if "**Rules:**" in lines[n - 1]]
    wrong = pages.without_line(path, listing[0])
    assert any(code in problem for problem in _problems(wrong, Known(), "codes"))


def test_a_command_and_an_event_that_nobody_explains_are_noticed() -> None:
    known = Known()
    more = replace(
        known,
        commands={**known.commands, "OrderSplitCmd": known.commands["OrderCloseCmd"]},
        events={**known.events, "OrderSplit": known.events["OrderClosed"]},
    )
    found = _problems(PACKAGED.pages, more, "commands", "events", "who writes what", "words of the glossary")
    assert "command: OrderSplitCmd exists and is not told" in found
    assert "command with its events: OrderSplitCmd exists and is not told" in found
    assert "event: OrderSplit exists and is not told" in found
    assert "OrderSplitCmd has no word in the glossary" in found


TOOL_CHECKS = ("tools", "arguments of tools", "answers of tools", "examples of tools")


def test_a_tool_without_a_page_is_noticed() -> None:
    known = Known()
    new = known.tools[3].model_copy(update={"name": "split_order"})
    found = _problems(PACKAGED.pages, replace(known, tools=(*known.tools, new)), *TOOL_CHECKS)
    assert "tool with a section: split_order exists and is not told" in found
    assert "split_order has no example that looks at the answer" in found


@pytest.mark.parametrize("tool", [tool.name for tool in Known().tools])
def test_a_tool_whose_section_is_missing_is_noticed(tool: str) -> None:
    anchor = surface.sections(PACKAGED.pages)[tool]
    heading = PACKAGED.pages.own_text(surface.TOOL_PAGE, anchor).splitlines()[0]
    wrong = PACKAGED.pages.replaced(surface.TOOL_PAGE, heading + "\n", "")
    assert f"tool with a section: {tool} exists and is not told" in _problems(wrong, Known(), *TOOL_CHECKS)


@pytest.mark.parametrize("tool", [tool.name for tool in Known().tools])
def test_a_tool_that_is_gone_is_noticed(tool: str) -> None:
    known = Known()
    fewer = replace(known, tools=tuple(other for other in known.tools if other.name != tool))
    assert f"tool with a section: {tool} is told and does not exist" in _problems(PACKAGED.pages, fewer, "tools")
