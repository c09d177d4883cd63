"""Do the pages that the code writes about itself name everything there is, once, and cite what exists?"""

import re

import pytest

from knowledge_base import PACKAGED_CORPUS, Library
from knowledge_base.sections import parse_document
from oms_engine.contracts.catalogue import names, type_named
from oms_engine.contracts.pages import PAGES, spec_documents
from oms_engine.contracts.spec import written
from oms_engine.domain.catalogue import RULES, STATEMENTS, citation
from oms_engine.domain.commands import COMMANDS, ENVELOPE_FIELDS
from oms_engine.domain.events import EVENTS
from oms_engine.domain.lifecycle import TRANSITIONS
from oms_engine.domain.vocabulary import QuoteState, State
from oms_engine.errors import CODES
from oms_engine.workflows import WORKFLOWS, rules_of

PATHS = spec_documents()


def _rows(page: str, heading: str) -> list[list[str]]:
    section = written(page).partition(f"## {heading}")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table[1:]]


def _first_cells(page: str) -> list[str]:
    return re.findall(r"^\| ([A-Z]+(?:-[A-Z]+)*-\d+) \|", written(page), re.MULTILINE)


def test_every_rule_statement_and_code_stands_once_on_the_page_of_rules() -> None:
    assert sorted(_first_cells("rules")) == sorted([*RULES, *STATEMENTS, *CODES])


def test_every_rule_and_code_is_told_with_the_section_that_explains_it() -> None:
    text = written("rules")
    with Library.open(PACKAGED_CORPUS, semantic=False) as library:
        for cited in re.findall(r"`([^`]+\.md#[^`]+)`", text):
            assert library.resolve(cited)
    for rule in RULES:
        assert f"`{citation(rule)}`" in text


def test_a_rule_is_told_with_its_codes_and_with_who_is_asked() -> None:
    rows = {row[0]: row for row in _rows("rules", "Executions: rules EX")}
    assert rows["EX-05"][1:4] == ["a fill fits into the open quantity", "OMS-EXEC-004", "ExecutionCreateCmd"]
    rows = {row[0]: row for row in _rows("rules", "Envelope: rules ENV")}
    assert rows["ENV-05"][3] == "every command"
    asked = sum(any(rule.id == "ENV-07" for rule in rules) for rules in WORKFLOWS.values())
    assert rows["ENV-07"][3] == f"{asked} commands"
    rows = {row[0]: row for row in _rows("rules", "Asset classes")}
    assert rows["EQ-01"][3] == "orders of EQUITY"
    assert rows["DIG-01"][2] == "OMS-VAL-005"


def test_a_code_is_told_with_its_status_and_whether_to_try_again() -> None:
    rows = _rows("rules", "Error codes of what a request says") + _rows("rules", "Error codes of what stands")
    told = {code: (int(status), again == "yes") for code, status, again, *_ in rows}
    assert told == {code: (row.status, row.retryable) for code, row in CODES.items()}


@pytest.mark.parametrize(("page", "known"), [("commands", COMMANDS), ("events", EVENTS)])
def test_every_command_and_event_stands_once_on_its_page(page: str, known: dict[str, type]) -> None:
    assert sorted(re.findall(r"^- \*\*(\w+)\*\*:", written(page), re.MULTILINE)) == sorted(known)


@pytest.mark.parametrize("name", [*COMMANDS, *EVENTS])
def test_a_command_or_an_event_is_told_with_all_its_own_fields(name: str) -> None:
    page = "commands" if name in COMMANDS else "events"
    line = next(line for line in written(page).splitlines() if line.startswith(f"- **{name}**"))
    told = re.findall(r"`(\w+)`(\??)", line.partition(" Fields: ")[2])
    around = {"type", *ENVELOPE_FIELDS} if name in COMMANDS else set()
    fields = [field for field in type_named(name).fields if field.attribute not in around]
    assert told == [(field.name, "" if field.required else "?") for field in fields]


def test_a_command_is_told_with_its_rules() -> None:
    line = next(line for line in written("commands").splitlines() if line.startswith("- **OrderCloseCmd**"))
    told = set(re.findall(r"\b[A-Z]+-\d+\b", line))
    assert told <= {rule.id for rule in rules_of("OrderCloseCmd")}
    assert told == {rule.id for rule in WORKFLOWS["OrderCloseCmd"]}
    assert "Into CLOSED." in line


def test_every_record_is_a_section_of_its_page() -> None:
    sections = [section.title for section in parse_document("records.md", written("records")).sections]
    assert sections[1:] == names("record")


def test_the_transitions_are_those_of_every_profile() -> None:
    for row in _rows("states", "Transitions by profile"):
        for profile, cell in zip(TRANSITIONS, row[1:], strict=True):
            following = {State[name] for name in cell.split(", ") if name != "nothing"}
            assert following == set(TRANSITIONS[profile][State[row[0]]])
    assert [row[0] for row in _rows("states", "States of an order")] == [state.value for state in State]
    assert [row[0] for row in _rows("states", "States of a quote")] == [state.value for state in QuoteState]


def test_the_index_names_every_address() -> None:
    text = written("index")
    assert {f"spec://{page}" for page in PAGES} <= set(re.findall(r"spec://\w+", text))
    assert set(re.findall(r"spec://schema/(\w+):", text)) == {*COMMANDS, *EVENTS, *names("record")}


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_a_document_with_sections_of_a_good_size(path: str) -> None:
    document = parse_document(f"spec/{path}", PATHS[path])
    assert (document.status, document.category) == ("generated", "spec")
    assert [chunk.main.section.anchor for chunk in document.chunks if chunk.flag] == []
    anchors = [section.anchor for section in document.sections]
    assert len(set(anchors)) == len(anchors)
