"""Does the lifecycle of the specification hold through the tools, transition by transition and command by command?"""

import pytest

from oms_engine import Engine
from oms_engine.domain.commands import COMMANDS
from tests.oms_mcp.agent import GOOD, Agent, Wire

MATRIX = """
         NEW UNACK LIVE FILLED CXL REJ CLOSED EXP
NEW      -   y     -    -      -   -   -      -
UNACK    -   -     y    -      -   y   -      -
LIVE     -   -     -    y      y   y   -      y
FILLED   -   -     -    -      -   -   y      -
CXL      -   -     -    -      -   -   y      -
REJ      -   -     -    -      -   -   y      -
CLOSED   -   -     -    -      -   -   -      -
EXP      -   -     -    -      -   -   -      -
"""
"""The matrix of the specification, literally; profile standard also leads from EXP to CLOSED."""

INTO: dict[str, tuple[str, Wire]] = {
    "UNACK": ("update_order", {"action": "place"}),
    "LIVE": ("update_order", {"action": "accept"}),
    "FILLED": ("report_execution", {"exec_id": "all", "last_qty": "1000", "last_px": "100"}),
    "CXL": ("end_order", {"action": "accept_cancel", "unsolicited": True, "confirm": True}),
    "REJ": ("end_order", {"action": "reject", "confirm": True}),
    "CLOSED": ("end_order", {"action": "close", "confirm": True}),
    "EXP": ("end_order", {"action": "expire", "confirm": True}),
}
"""State -> the tool call that leads an order there. Nothing leads an existing order to NEW."""


def _cells() -> list[tuple[str, str, bool]]:
    heads, *rows = (line.split() for line in MATRIX.strip().splitlines())
    return [(row[0], target, mark == "y") for row in rows for target, mark in zip(heads, row[1:], strict=True)]


CELLS = _cells()


def test_the_matrix_has_all_states_in_both_directions() -> None:
    assert len(CELLS) == 64
    assert sum(legal for _, _, legal in CELLS) == 10


@pytest.mark.parametrize(("start", "target", "legal"), [cell for cell in CELLS if cell[1] != "NEW"])
def test_a_transition_happens_exactly_when_the_lifecycle_has_it(
    start: str, target: str, legal: bool, modern: Agent, engine: Engine
) -> None:
    order_id = modern.given(start)
    tool, arguments = INTO[target]
    if legal or (start, target) == ("EXP", "CLOSED"):
        answer = modern.ok(tool, order_id=order_id, **arguments)
        assert (answer["before"]["state"], answer["after"]["state"]) == (start, target)
        return
    before = engine.counts()
    error = modern.refused(tool, order_id=order_id, **arguments)
    assert error["errorCode"].startswith("OMS-STATE-")
    assert error["context"]["fromState"] == start
    assert not error["retryable"]
    assert engine.counts() == before
    assert modern.order(order_id)["state"] == start
    section = modern.ok("read_kb", path=error["citation"])
    assert error["violations"][0]["ruleId"] in section["text"]


@pytest.mark.parametrize(("start", "target", "legal"), CELLS)
def test_a_state_check_answers_as_the_matrix_says(start: str, target: str, legal: bool, modern: Agent) -> None:
    answer = modern.ok("check_transitions", from_state=start, path=[target], profile="matrix")
    assert answer["valid"] is legal
    if not legal:
        assert (answer["failedFrom"], answer["failedTo"]) == (start, target)
        assert start in answer["errorMessage"]


COMMAND_TABLE: dict[str, tuple[str, str, Wire]] = {
    "OrderCreateCmd": ("", "create_order", {**GOOD, "cl_ord_id": "new"}),
    "OrderAcceptCmd": ("UNACK", "update_order", {"action": "accept"}),
    "ExecutionCreateCmd": ("LIVE", "report_execution", {"exec_id": "e1", "last_qty": "1", "last_px": "1"}),
    "ExecutionWhackCmd": (
        "FILLED",
        "correct_execution",
        {
            "action": "whack",
            "exec_id": "e1",
            "requested_by": "ann",
            "approved_by": "bob",
            "approval_level": "RISK_COMMITTEE",
            "confirm": True,
        },
    ),
    "ExecutionBustCmd": ("FILLED", "correct_execution", {"action": "bust", "exec_id": "e1", "confirm": True}),
}
"""The commands of the specification's table: the state they need, and the tool call that sends them."""

WITHOUT_FILLS = "REJ"


@pytest.mark.parametrize("command", COMMAND_TABLE)
def test_a_command_of_the_table_is_carried_out(command: str, agent: Agent) -> None:
    state, tool, arguments = COMMAND_TABLE[command]
    order = {"order_id": agent.given(state)} if state else {}
    answer = agent.ok(tool, **order, **arguments)
    assert (answer["status"], answer["duplicate"]) == ("OK", False)


@pytest.mark.parametrize("command", [name for name, row in COMMAND_TABLE.items() if row[0]])
def test_a_command_of_the_table_is_refused_out_of_place(command: str, agent: Agent, engine: Engine) -> None:
    _, tool, arguments = COMMAND_TABLE[command]
    order_id = agent.given(WITHOUT_FILLS)
    before = engine.counts()
    error = agent.refused(tool, order_id=order_id, **arguments)
    assert error["errorCode"].split("-")[1] in {"STATE", "EXEC"}
    assert engine.counts() == before


def test_every_command_of_the_engine_is_sent_by_a_tool() -> None:
    from oms_mcp.tools import desk, executions, orders, quotes, settings  # noqa: PLC0415 - only this test looks behind the protocol

    tables = (orders.UPDATES, orders.ENDINGS, executions.CORRECTIONS)
    tables += (desk.ALLOCATIONS, desk.GROUPINGS, quotes.QUOTES, settings.CHANGES)
    sent = {command for table in tables for command, _ in table.values()}
    assert sent | {"OrderCreateCmd", "ExecutionCreateCmd"} == set(COMMANDS)
