"""Which command may meet which state? The whole matrix of profile `standard`, cell by cell."""

import pytest

from oms_engine.domain import commands
from tests.oms_engine.desk import Desk

MATRIX = """
                                 NEW    UNACK  LIVE   PART   FILLED CXL    REJ    EXP    CLOSED
OrderPlaceCmd                    UNACK  S-001  S-001  S-001  S-001  S-001  S-001  S-001  S-003
OrderAcceptCmd                   S-001  LIVE   S-001  S-001  S-001  S-001  S-001  S-001  S-003
OrderRejectCmd                   S-001  REJ    REJ    S-002  S-001  S-001  S-001  S-001  S-003
ExecutionCreateCmd               S-002  S-002  LIVE   LIVE   S-002  S-002  S-002  S-002  S-002
OrderCancelCmd                   S-001  UNACK  LIVE   LIVE   O-006  O-005  S-003  S-003  S-003
OrderCancelAcceptCmd             S-001  S-001  S-002  S-002  S-001  S-001  S-001  S-001  S-003
OrderCancelAcceptCmd/unsolicited S-001  S-001  CXL    CXL    S-001  S-001  S-001  S-001  S-003
OrderCancelRejectCmd             S-002  S-002  S-002  S-002  S-002  S-002  S-002  S-002  S-003
OrderExpireCmd                   S-001  S-001  EXP    EXP    S-001  S-001  S-001  S-001  S-003
OrderCloseCmd                    S-001  S-001  S-001  S-001  CLOSED CLOSED CLOSED CLOSED S-003
ExecutionWhackCmd                E-001  E-001  E-001  LIVE   LIVE   CXL    E-001  EXP    E-005
ExecutionBustCmd                 E-001  E-001  E-001  LIVE   LIVE   CXL    E-001  EXP    E-005
"""
"""The outcome of each command in each state (PART is LIVE with fills): the next state, or the code of the refusal."""

PENDING = """
                                 UNACK+PCXL LIVE+PCXL  PART+PCXL
OrderPlaceCmd                    S-001      S-001      S-001
OrderAcceptCmd                   LIVE+PCXL  S-001      S-001
OrderRejectCmd                   REJ+REJ    REJ+REJ    S-002
ExecutionCreateCmd               S-002      LIVE+PCXL  LIVE+PCXL
OrderCancelCmd                   S-002      S-002      S-002
OrderCancelAcceptCmd             S-001      CXL+CXL    CXL+CXL
OrderCancelAcceptCmd/unsolicited S-001      CXL+CXL    CXL+CXL
OrderCancelRejectCmd             UNACK+REJ  LIVE+REJ   LIVE+REJ
OrderExpireCmd                   S-001      EXP+REJ    EXP+REJ
OrderCloseCmd                    S-001      S-001      S-001
ExecutionWhackCmd                E-001      E-001      LIVE+PCXL
ExecutionBustCmd                 E-001      E-001      LIVE+PCXL
"""
"""The same while a cancel request is pending; the second word is the cancelState after the command."""

FAMILIES = {"S": "OMS-STATE", "O": "OMS-ORDER", "E": "OMS-EXEC"}

COMMANDS: dict[str, dict[str, object]] = {
    "OrderPlaceCmd": {},
    "OrderAcceptCmd": {},
    "OrderRejectCmd": {"ordRejReason": 0},
    "ExecutionCreateCmd": {"execution": {"execId": "new", "lastQty": "100", "lastPx": "100"}},
    "OrderCancelCmd": {},
    "OrderCancelAcceptCmd": {},
    "OrderCancelAcceptCmd/unsolicited": {"unsolicited": True},
    "OrderCancelRejectCmd": {},
    "OrderExpireCmd": {},
    "OrderCloseCmd": {},
    "ExecutionWhackCmd": {"execId": "e1", "requestedBy": "ann", "approvedBy": "bob", "approvalLevel": "RISK_COMMITTEE"},
    "ExecutionBustCmd": {"execId": "e1"},
}

EVENTS = {
    "OrderPlaceCmd": ["OrderPlaced"],
    "OrderAcceptCmd": ["OrderAccepted"],
    "OrderRejectCmd": ["OrderRejected"],
    "ExecutionCreateCmd": ["ExecutionCreated"],
    "OrderCancelCmd": ["OrderCancelRequested"],
    "OrderCancelAcceptCmd": ["OrderCancelled"],
    "OrderCancelRejectCmd": ["OrderCancelRejected"],
    "OrderExpireCmd": ["OrderExpired"],
    "OrderCloseCmd": ["OrderClosed"],
    "ExecutionWhackCmd": ["ExecutionWhacked"],
    "ExecutionBustCmd": ["ExecutionBusted"],
}


def _cells(table: str) -> list[tuple[str, str, str]]:
    heads, *rows = (line.split() for line in table.strip().splitlines())
    return [(row[0], state, outcome) for row in rows for state, outcome in zip(heads, row[1:], strict=True)]


def _send(command: str, order_id: str) -> tuple[str, dict[str, object]]:
    fields = COMMANDS[command]
    fill = fields.get("execution")
    if isinstance(fill, dict):
        return command, {"execution": {**fill, "orderId": order_id}}
    return command.partition("/")[0], {**fields, "orderId": order_id}


CELLS = _cells(MATRIX) + _cells(PENDING)
REFUSED = [(command, state, FAMILIES[cell[0]] + cell[1:]) for command, state, cell in CELLS if "-" in cell]
CARRIED_OUT = [cell for cell in CELLS if "-" not in cell[2]]


def test_the_matrix_has_every_command_about_an_existing_order() -> None:
    assert {name.partition("/")[0] for name, _, _ in CELLS} == set(commands.COMMANDS) - {"OrderCreateCmd"}
    assert len(CELLS) == 12 * (9 + 3)


@pytest.mark.parametrize(("command", "state", "code"), REFUSED)
def test_a_command_out_of_place_is_refused_and_leaves_no_trace(command: str, state: str, code: str, desk: Desk) -> None:
    order_id = desk.given(state)
    before = desk.order(order_id)
    kind, fields = _send(command, order_id)
    problem = desk.refused(kind, **fields)
    assert problem.error_code == code
    assert problem.violations[0].code == code
    assert problem.context["fromState"] == before.state
    assert before.state in problem.detail or "does not exist" in problem.detail or code == "OMS-STATE-002"


@pytest.mark.parametrize(("command", "state", "target"), CARRIED_OUT)
def test_a_command_in_its_place_is_carried_out(command: str, state: str, target: str, desk: Desk) -> None:
    order_id = desk.given(state)
    version = desk.order(order_id).version
    kind, fields = _send(command, order_id)
    result = desk.ok(kind, **fields)
    order = desk.order(order_id)
    wanted_state, _, wanted_cancel = target.partition("+")
    assert (order.state, result.state) == (wanted_state, wanted_state)
    assert [event.type for event in result.events][:1] == EVENTS[kind]
    assert order.version == result.version == version + len(result.events)
    if wanted_cancel:
        assert order.cancel_state == wanted_cancel
    assert [task.status for task in result.tasks] == ["SUCCESS"] * 4 + ["SKIPPED", "SUCCESS", "SUCCESS"]


def test_a_filled_order_is_reopened_by_a_whack_in_the_next_version(desk: Desk) -> None:
    order_id = desk.given("FILLED")
    kind, fields = _send("ExecutionWhackCmd", order_id)
    result = desk.ok(kind, **fields)
    assert [event.type for event in result.events] == ["ExecutionWhacked", "OrderReopened"]


def test_a_message_of_a_refused_transition_names_the_states_that_allow_it(desk: Desk) -> None:
    order_id = desk.given("FILLED")
    problem = desk.refused("OrderAcceptCmd", orderId=order_id)
    assert problem.detail == f"order {order_id} is FILLED; OrderAcceptCmd needs UNACK"
    assert problem.context["validTransitions"] == ["CLOSED"]
    assert problem.status == 409
    assert not problem.retryable


def test_a_new_order_waits_for_the_desk_when_the_desk_handles_it(desk: Desk) -> None:
    for handling in ("MANUAL", "BROKER_INTERVENTION_OK"):
        assert desk.create(handlInst=handling).state == "NEW"
    assert desk.create(handlInst="AUTO").state == "UNACK"
    assert desk.create().state == "UNACK"


def test_with_manual_routing_every_order_waits_for_the_desk() -> None:
    desk = Desk(routing="manual")
    created = desk.create()
    assert (created.state, [event.type for event in created.events]) == ("NEW", ["OrderCreated"])
    placed = desk.ok("OrderPlaceCmd", orderId=created.id, exDestination="XNYS")
    assert (placed.state, desk.order(created.id).ex_destination) == ("UNACK", "XNYS")
