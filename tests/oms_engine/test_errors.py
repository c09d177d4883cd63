"""Does every refusal say what was, what it means, and where it is explained?"""

import pytest

from oms_engine import OmsError, Problem, Refused, StoreError
from oms_engine.domain.catalogue import RULES, STATEMENTS, citation, in_catalogue_order, violation
from oms_engine.errors import (
    CODES,
    ScenarioError,
    SettingsError,
    StoreBusy,
    StoreRolledBack,
    problem,
    problem_of,
    shown,
)
from oms_engine.workflows import WORKFLOWS, rules_of

STATUS = {
    400: "VAL-001 VAL-002 VAL-003 VAL-004 VAL-005 VAL-006 ORDER-003 ORDER-004 EXEC-003 EXEC-004",
    403: "AUTH-001 AUTH-002 AUTH-003",
    404: "ORDER-001 EXEC-001 QUOTE-001 QUOTE-002",
    409: "STATE-001 STATE-002 STATE-003 ORDER-002 ORDER-005 ORDER-006 EXEC-002 EXEC-005 QUOTE-003 QUOTE-004 "
    "RISK-007 DATA-001 LOCK-001 LOCK-002",
    422: "RISK-001 RISK-002 RISK-003 RISK-004 RISK-005 RISK-006",
    429: "RISK-008",
    500: "DATA-002 DATA-003 SYS-001",
}
RETRYABLE = {"OMS-RISK-008", "OMS-DATA-002", "OMS-DATA-003", "OMS-LOCK-001", "OMS-LOCK-002"}


def test_every_code_has_its_status_and_says_whether_to_try_again() -> None:
    assert {code: row.status for code, row in CODES.items()} == {
        f"OMS-{name}": status for status, names in STATUS.items() for name in names.split()
    }
    assert {code for code, row in CODES.items() if row.retryable} == RETRYABLE
    for code, row in CODES.items():
        assert row.title
        assert row.remedy
        assert row.citation.startswith("framework/error-handling.md#")
        assert code.lower() in row.citation


def test_every_code_of_a_rule_is_a_code_of_the_table() -> None:
    assert {rule.code for name in WORKFLOWS for rule in rules_of(name)} <= set(CODES)


def test_the_first_violation_of_the_catalogue_is_the_primary_one() -> None:
    found = [
        violation("EX-03", "OMS-VAL-005", "lastQty", "too small"),
        violation("EX-02", "OMS-VAL-003", "execId", "gone"),
    ]
    told = problem_of(in_catalogue_order(found), context={"orderId": "o1", "execId": None}, command_id="K")
    assert told.error_code == "OMS-VAL-003"
    assert told.detail == "gone (1 more: see violations)"
    assert told.citation == citation("EX-02")
    assert told.context == {"orderId": "o1"}
    assert (told.type, told.instance) == ("urn:oms:error:oms-val-003", "urn:oms:command:K")
    assert Problem.model_validate(told.to_wire()) == told


def test_a_version_that_the_command_named_is_not_worth_a_second_try() -> None:
    found = [violation("ENV-04", "OMS-LOCK-001", "expectedVersion", "moved")]
    assert not problem_of(found).retryable
    assert problem("OMS-LOCK-001", "lost the race").retryable


def test_a_problem_without_a_rule_cites_the_section_of_its_code() -> None:
    told = problem("OMS-DATA-003", "taken back")
    assert (told.citation, told.violations, told.instance) == (CODES["OMS-DATA-003"].citation, (), None)


def test_a_refusal_carries_its_problem() -> None:
    told = problem("OMS-VAL-006", "ask first")
    refused = Refused(told)
    assert (str(refused), refused.problem) == ("ask first", told)


@pytest.mark.parametrize("error", [Refused, SettingsError, ScenarioError, StoreError, StoreBusy, StoreRolledBack])
def test_every_error_is_one_of_ours(error: type[OmsError]) -> None:
    assert issubclass(error, OmsError)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ('a"b\n\u202e\ud800', '"a\\"b\\n\\u202e\\ud800"'),
        ("x" * 65, '"' + "x" * 64 + '..."'),
        (5, "5"),
        (None, "null"),
        (["x" * 100], '["' + "x" * 62 + "..."),
        ({(1,): 2}, "(dict)"),
        pytest.param(10**5000, "(int)", id="10^5000"),
        (b"x", "\"b'x'\""),
    ],
)
def test_a_value_from_outside_is_shown_quoted_and_cut(value: object, text: str) -> None:
    assert shown(value) == text


def test_every_rule_has_a_number_words_and_a_section() -> None:
    rows = RULES | STATEMENTS
    assert len(rows) == len(RULES) + len(STATEMENTS)
    sections = set()
    for rule_id, (number, words) in rows.items():
        assert words
        page, _, anchor = citation(rule_id).partition("#")
        assert page.startswith("framework/")
        assert anchor.startswith(f"{number.replace('.', '')}-{rule_id.lower()}-")
        sections.add((page, number))
    assert len(sections) == len(rows)
