"""Which command may meet which state? The whole matrix of every profile, cell by cell."""

import pytest

from oms_engine import CommandResult
from oms_engine.domain import commands
from tests.oms_engine.desk import Desk

STANDARD = """
                                 NEW    UNACK  LIVE   PART   FILLED CXL    REJ    EXP    CLOSED
OrderPlaceCmd                    UNACK  S-001  S-001  S-001  S-001  S-001  S-001  S-001  S-003
OrderAcceptCmd                   S-001  LIVE   S-001  S-001  S-001  S-001  S-001  S-001  S-003
OrderRejectCmd                   S-001  REJ    REJ    S-002  S-001  S-001  S-001  S-001  S-003
ExecutionCreateCmd               S-002  S-002  LIVE   LIVE   S-002  S-002  S-002  S-002  S-002
ExecutionCreateCmd/whole         S-002  S-002  FILLED E-004  S-002  S-002  S-002  S-002  S-002
OrderCancelCmd                   S-001  UNACK  LIVE   LIVE   O-006  O-005  S-003  S-003  S-003
OrderCancelAcceptCmd             S-001  S-001  S-002  S-002  S-001  S-001  S-001  S-001  S-003
OrderCancelAcceptCmd/unsolicited S-001  S-001  CXL    CXL    S-001  S-001  S-001  S-001  S-003
OrderCancelRejectCmd             S-002  S-002  S-002  S-002  S-002  S-002  S-002  S-002  S-003
OrderReplaceCmd                  NEW    UNACK  LIVE   LIVE   O-006  O-005  S-003  S-003  S-003
OrderReplaceAcceptCmd            S-002  S-002  S-002  S-002  S-002  S-002  S-002  S-002  S-003
OrderReplaceRejectCmd            S-002  S-002  S-002  S-002  S-002  S-002  S-002  S-002  S-003
OrderExpireCmd                   S-001  S-001  EXP    EXP    S-001  S-001  S-001  S-001  S-003
OrderCloseCmd                    S-001  S-001  S-001  S-001  CLOSED CLOSED CLOSED CLOSED S-003
ExecutionWhackCmd                E-001  E-001  E-001  LIVE   LIVE   CXL    E-001  EXP    E-005
ExecutionBustCmd                 E-001  E-001  E-001  LIVE   LIVE   CXL    E-001  EXP    E-005
ExecutionCorrectCmd              E-001  E-001  E-001  LIVE   LIVE   CXL    E-001  EXP    E-005
ExecutionCorrectCmd/whole        E-001  E-001  E-001  FILLED FILLED CXL    E-001  EXP    E-005
"""
"""The outcome of each command in each state (PART is LIVE with fills): the next state, or the code of the refusal."""

PENDING = """
                                 UNACK+PCXL LIVE+PCXL  PART+PCXL  UNACK+PMOD LIVE+PMOD  PART+PMOD
OrderPlaceCmd                    S-001      S-001      S-001      S-001      S-001      S-001
OrderAcceptCmd                   LIVE+PCXL  S-001      S-001      LIVE+PMOD  S-001      S-001
OrderRejectCmd                   REJ+REJ    REJ+REJ    S-002      REJ+REJ    REJ+REJ    S-002
ExecutionCreateCmd               S-002      LIVE+PCXL  LIVE+PCXL  S-002      LIVE+PMOD  LIVE+PMOD
ExecutionCreateCmd/whole         S-002      FILLED+REJ E-004      S-002      FILLED+REJ E-004
OrderCancelCmd                   S-002      S-002      S-002      S-002      S-002      S-002
OrderCancelAcceptCmd             S-001      CXL+CXL    CXL+CXL    S-001      S-002      S-002
OrderCancelAcceptCmd/unsolicited S-001      CXL+CXL    CXL+CXL    S-001      CXL+REJ    CXL+REJ
OrderCancelRejectCmd             UNACK+REJ  LIVE+REJ   LIVE+REJ   S-002      S-002      S-002
OrderReplaceCmd                  S-002      S-002      S-002      S-002      S-002      S-002
OrderReplaceAcceptCmd            S-002      S-002      S-002      S-002      LIVE+null  LIVE+null
OrderReplaceRejectCmd            S-002      S-002      S-002      UNACK+REJ  LIVE+REJ   LIVE+REJ
OrderExpireCmd                   S-001      EXP+REJ    EXP+REJ    S-001      EXP+REJ    EXP+REJ
OrderCloseCmd                    S-001      S-001      S-001      S-001      S-001      S-001
ExecutionWhackCmd                E-001      E-001      LIVE+PCXL  E-001      E-001      LIVE+PMOD
ExecutionBustCmd                 E-001      E-001      LIVE+PCXL  E-001      E-001      LIVE+PMOD
ExecutionCorrectCmd              E-001      E-001      LIVE+PCXL  E-001      E-001      LIVE+PMOD
ExecutionCorrectCmd/whole        E-001      E-001      FILLED+REJ E-001      E-001      FILLED+REJ
"""
"""The same while a cancel or a replace is pending; the second word is the cancelState after the command."""

MATRIX = """
              EXP
OrderCloseCmd S-003
"""
"""What is different in profile `matrix`, in which EXP has no exits."""

DESK = """
                                 NEW    UNACK  LIVE   PART   UNACK+PCXL UNACK+PMOD
OrderRejectCmd                   REJ    REJ    REJ    S-002  REJ+REJ    REJ+REJ
ExecutionCreateCmd               S-002  LIVE   LIVE   LIVE   LIVE+PCXL  LIVE+PMOD
ExecutionCreateCmd/whole         S-002  FILLED FILLED E-004  FILLED+REJ FILLED+REJ
OrderCancelCmd                   CXL    UNACK  LIVE   LIVE   S-002      S-002
OrderCancelAcceptCmd             S-001  S-002  S-002  S-002  CXL+CXL    S-002
OrderCancelAcceptCmd/unsolicited S-001  CXL    CXL    CXL    CXL+CXL    CXL+REJ
OrderExpireCmd                   S-001  EXP    EXP    EXP    EXP+REJ    EXP+REJ
OrderCloseCmd                    S-001  S-001  CLOSED CLOSED S-001      S-001
"""
DESK_CLOSES = """
              LIVE+PCXL  PART+PCXL  LIVE+PMOD  PART+PMOD
OrderCloseCmd CLOSED+REJ CLOSED+REJ CLOSED+REJ CLOSED+REJ
"""
"""What is different in profile `desk`, which lets more happen to orders that are not LIVE, and closes LIVE ones."""

FAMILIES = {"S": "OMS-STATE", "O": "OMS-ORDER", "E": "OMS-EXEC"}

COMMANDS: dict[str, dict[str, object]] = {
    "OrderPlaceCmd": {},
    "OrderAcceptCmd": {},
    "OrderRejectCmd": {"ordRejReason": 0},
    "ExecutionCreateCmd": {"execution": {"execId": "new", "lastQty": "100", "lastPx": "100"}},
    "ExecutionCreateCmd/whole": {"execution": {"execId": "new", "lastQty": "1000", "lastPx": "100"}},
    "OrderCancelCmd": {},
    "OrderCancelAcceptCmd": {},
    "OrderCancelAcceptCmd/unsolicited": {"unsolicited": True},
    "OrderCancelRejectCmd": {},
    "OrderReplaceCmd": {"price": "102"},
    "OrderReplaceAcceptCmd": {},
    "OrderReplaceRejectCmd": {},
    "OrderExpireCmd": {},
    "OrderCloseCmd": {},
    "ExecutionWhackCmd": {"execId": "e1", "requestedBy": "ann", "approvedBy": "bob", "approvalLevel": "RISK_COMMITTEE"},
    "ExecutionBustCmd": {"execId": "e1"},
    "ExecutionCorrectCmd": {"execRefId": "e1", "lastQty": "200", "lastPx": "100"},
    "ExecutionCorrectCmd/whole": {"execRefId": "e1", "lastQty": "1000", "lastPx": "99"},
}

EVENTS = {
    "OrderPlaceCmd": "OrderPlaced",
    "OrderAcceptCmd": "OrderAccepted",
    "OrderRejectCmd": "OrderRejected",
    "ExecutionCreateCmd": "ExecutionCreated",
    "OrderCancelCmd": "OrderCancelRequested",
    "OrderCancelAcceptCmd": "OrderCancelled",
    "OrderCancelRejectCmd": "OrderCancelRejected",
    "OrderReplaceCmd": "OrderReplaceRequested",
    "OrderReplaceAcceptCmd": "OrderReplaced",
    "OrderReplaceRejectCmd": "OrderReplaceRejected",
    "OrderExpireCmd": "OrderExpired",
    "OrderCloseCmd": "OrderClosed",
    "ExecutionWhackCmd": "ExecutionWhacked",
    "ExecutionBustCmd": "ExecutionBusted",
    "ExecutionCorrectCmd": "ExecutionCorrected",
}
"""The first event of each command."""

ACCEPTED_FIRST = {("desk", "ExecutionCreateCmd", state) for state in ("UNACK", "UNACK+PCXL", "UNACK+PMOD")}
"""Where the market fills an order in part before it has acknowledged it."""

WITH_RISK_RULES = {"OrderPlaceCmd", "OrderReplaceCmd"}

CXL_REJ_REASONS = {"OMS-ORDER-006": 0, "OMS-ORDER-005": 0, "OMS-STATE-003": 0, "OMS-STATE-001": 2, "OMS-STATE-002": 3}
"""What a gateway answers in CxlRejReason to a cancel or replace request that comes out of place."""

Cell = tuple[str, str]


def _cells(table: str) -> dict[Cell, str]:
    heads, *rows = (line.split() for line in table.strip().splitlines())
    return {(row[0], state): outcome for row in rows for state, outcome in zip(heads, row[1:], strict=True)}


CELLS = _cells(STANDARD) | _cells(PENDING)
BY_PROFILE = {
    "standard": CELLS,
    "matrix": CELLS | _cells(MATRIX),
    "desk": CELLS | _cells(DESK) | _cells(DESK_CLOSES),
}
ALL = [(profile, *cell, outcome) for profile, cells in BY_PROFILE.items() for cell, outcome in cells.items()]
REFUSED = [(profile, command, state, FAMILIES[out[0]] + out[1:]) for profile, command, state, out in ALL if "-" in out]
CARRIED_OUT = [row for row in ALL if "-" not in row[3]]


def _send(command: str, order_id: str) -> tuple[str, dict[str, object]]:
    kind, fields = command.partition("/")[0], COMMANDS[command]
    fill = fields.get("execution")
    if isinstance(fill, dict):
        return kind, {"execution": {**fill, "orderId": order_id}}
    return kind, {**fields, "orderId": order_id}


def _types(result: CommandResult) -> list[str]:
    return [event.type for event in result.events]


def test_the_matrix_has_every_command_about_an_existing_order() -> None:
    about = {name for name, kind in commands.COMMANDS.items() if {"order_id", "execution"} & set(kind.model_fields)}
    decisions = {"AllocationApproveCmd", "AllocationRejectCmd"}
    assert {name.partition("/")[0] for name, _ in CELLS} == about - decisions
    for cells in BY_PROFILE.values():
        assert len(cells) == 18 * (9 + 6)


@pytest.mark.parametrize(("profile", "command", "state", "code"), REFUSED)
def test_a_command_out_of_place_is_refused_and_leaves_no_trace(
    profile: str, command: str, state: str, code: str
) -> None:
    desk = Desk(lifecycle__profile=profile)
    order_id = desk.given(state)
    before = desk.order(order_id)
    kind, fields = _send(command, order_id)
    problem = desk.refused(kind, **fields)
    assert problem.error_code == code
    assert problem.violations[0].code == code
    assert problem.context["fromState"] == before.state
    assert (
        before.state in problem.detail
        or "does not exist" in problem.detail
        or code in {"OMS-STATE-002", "OMS-EXEC-004"}
    )
    reason = CXL_REJ_REASONS[code] if kind in {"OrderCancelCmd", "OrderReplaceCmd"} else None
    assert problem.context.get("cxlRejReason") == reason


@pytest.mark.parametrize(("profile", "command", "state", "target"), CARRIED_OUT)
def test_a_command_in_its_place_is_carried_out(profile: str, command: str, state: str, target: str) -> None:
    desk = Desk(lifecycle__profile=profile)
    order_id = desk.given(state)
    version = desk.order(order_id).version
    kind, fields = _send(command, order_id)
    result = desk.ok(kind, **fields)
    order = desk.order(order_id)
    wanted_state, _, wanted_cancel = target.partition("+")
    assert (order.state, result.state) == (wanted_state, wanted_state)
    first = "OrderAccepted" if (profile, command, state) in ACCEPTED_FIRST else EVENTS[kind]
    assert _types(result)[0] == first
    assert EVENTS[kind] in _types(result)
    assert order.version == result.version == version + len(result.events)
    if wanted_cancel:
        assert order.cancel_state == (None if wanted_cancel == "null" else wanted_cancel)
    risk = "SUCCESS" if kind in WITH_RISK_RULES else "SKIPPED"
    assert [task.status for task in result.tasks] == ["SUCCESS"] * 4 + [risk, "SUCCESS", "SUCCESS"]


@pytest.mark.parametrize(
    ("profile", "state", "command", "events"),
    [
        ("standard", "FILLED", "ExecutionWhackCmd", "ExecutionWhacked OrderReopened"),
        ("standard", "FILLED", "ExecutionBustCmd", "ExecutionBusted OrderReopened"),
        ("standard", "FILLED", "ExecutionCorrectCmd", "ExecutionCorrected OrderReopened"),
        ("standard", "FILLED", "ExecutionCorrectCmd/whole", "ExecutionCorrected"),
        ("standard", "PART", "ExecutionCorrectCmd/whole", "ExecutionCorrected OrderFilled"),
        ("standard", "CXL", "ExecutionCorrectCmd/whole", "ExecutionCorrected"),
        ("standard", "LIVE", "ExecutionCreateCmd/whole", "ExecutionCreated OrderFilled"),
        ("standard", "LIVE+PCXL", "ExecutionCreateCmd/whole", "ExecutionCreated OrderFilled OrderCancelRejected"),
        ("standard", "LIVE+PMOD", "ExecutionCreateCmd/whole", "ExecutionCreated OrderFilled OrderReplaceRejected"),
        ("standard", "LIVE+PMOD", "OrderCancelAcceptCmd/unsolicited", "OrderCancelled OrderReplaceRejected"),
        ("standard", "LIVE+PCXL", "OrderCancelAcceptCmd/unsolicited", "OrderCancelled"),
        ("standard", "UNACK+PCXL", "OrderRejectCmd", "OrderRejected OrderCancelRejected"),
        ("standard", "UNACK+PMOD", "OrderRejectCmd", "OrderRejected OrderReplaceRejected"),
        ("standard", "LIVE+PCXL", "OrderExpireCmd", "OrderExpired OrderCancelRejected"),
        ("standard", "NEW", "OrderReplaceCmd", "OrderReplaceRequested OrderReplaced"),
        ("standard", "LIVE", "OrderReplaceCmd", "OrderReplaceRequested"),
        ("desk", "NEW", "OrderCancelCmd", "OrderCancelRequested OrderCancelled"),
        ("desk", "UNACK", "OrderCancelCmd", "OrderCancelRequested"),
        ("desk", "UNACK", "ExecutionCreateCmd", "OrderAccepted ExecutionCreated"),
        ("desk", "UNACK", "ExecutionCreateCmd/whole", "ExecutionCreated OrderFilled"),
        ("desk", "UNACK+PCXL", "OrderExpireCmd", "OrderExpired OrderCancelRejected"),
        ("desk", "LIVE+PMOD", "OrderCloseCmd", "OrderClosed OrderReplaceRejected"),
    ],
)
def test_what_follows_from_a_command_is_part_of_it(profile: str, state: str, command: str, events: str) -> None:
    desk = Desk(lifecycle__profile=profile)
    kind, fields = _send(command, desk.given(state))
    assert _types(desk.ok(kind, **fields)) == events.split()


LATE: list[tuple[str, str]] = [
    ("PCXL", "ExecutionCreateCmd/whole"),
    ("PCXL", "OrderExpireCmd"),
    ("PCXL", "OrderRejectCmd"),
    ("PMOD", "ExecutionCreateCmd/whole"),
    ("PMOD", "OrderExpireCmd"),
    ("PMOD", "OrderRejectCmd"),
    ("PMOD", "OrderCancelAcceptCmd/unsolicited"),
]
"""The request that is pending, and what resolves it before the market answers."""

ANSWERS = {"PCXL": "OrderCancelRejectCmd", "PMOD": "OrderReplaceRejectCmd"}
ACCEPTS = {"PCXL": ("OrderCancelAcceptCmd", "OMS-STATE-001"), "PMOD": ("OrderReplaceAcceptCmd", "OMS-STATE-002")}


def _resolved(desk: Desk, pending: str, command: str) -> str:
    order_id = desk.given(f"LIVE+{pending}")
    kind, fields = _send(command, order_id)
    desk.ok(kind, **fields)
    order = desk.order(order_id)
    assert order.cancel_state == "REJ"
    assert order.pending_replace is None
    refusal = desk.engine.history(order_id)[-1].payload.to_wire()
    assert refusal["cxlRejReason"] == 0
    return order_id


@pytest.mark.parametrize(("pending", "command"), LATE)
def test_a_late_refusal_is_answered_as_a_duplicate_and_writes_nothing(pending: str, command: str, desk: Desk) -> None:
    order_id = _resolved(desk, pending, command)
    order, before = desk.order(order_id), desk.rows()
    for _ in range(2):
        late = desk.ok(ANSWERS[pending], orderId=order_id)
        assert (late.duplicate, late.events, late.version, late.state) == (True, (), order.version, order.state)
        assert [task.status for task in late.tasks] == ["SUCCESS"] * 3 + ["SKIPPED"] * 4
    assert desk.rows() == before
    desk.ok("OrderCloseCmd", orderId=order_id)
    assert desk.refused(ANSWERS[pending], orderId=order_id).error_code == "OMS-STATE-003"


@pytest.mark.parametrize(("pending", "command"), LATE)
def test_a_refusal_of_what_was_never_asked_is_not_late(pending: str, command: str, desk: Desk) -> None:
    order_id = _resolved(desk, pending, command)
    other = ANSWERS["PMOD" if pending == "PCXL" else "PCXL"]
    assert desk.refused(other, orderId=order_id).error_code == "OMS-STATE-002"


@pytest.mark.parametrize(("pending", "command"), LATE)
def test_a_late_confirmation_is_refused(pending: str, command: str, desk: Desk) -> None:
    order_id = _resolved(desk, pending, command)
    kind, code = ACCEPTS[pending]
    assert desk.refused(kind, orderId=order_id).error_code == code


def test_a_cancel_that_was_confirmed_is_not_refused_late(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.ok("OrderCancelAcceptCmd", orderId=order_id, unsolicited=True)
    assert desk.refused("OrderCancelRejectCmd", orderId=order_id).error_code == "OMS-STATE-002"


def test_a_refusal_that_the_market_gave_is_not_given_again(desk: Desk) -> None:
    for pending in ("PCXL", "PMOD"):
        order_id = desk.given(f"LIVE+{pending}")
        assert not desk.ok(ANSWERS[pending], orderId=order_id).duplicate
        assert desk.refused(ANSWERS[pending], orderId=order_id).error_code == "OMS-STATE-002"


def test_a_replace_that_fills_overtook_is_refused_late_until_the_next_request(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="500")
    desk.fill(order_id, "600")
    assert desk.order(order_id).cancel_state == "REJ"
    assert desk.ok("OrderReplaceRejectCmd", orderId=order_id).duplicate
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="700")
    assert not desk.ok("OrderReplaceRejectCmd", orderId=order_id, cxlRejReason=2).duplicate
    assert desk.refused("OrderReplaceRejectCmd", orderId=order_id).error_code == "OMS-STATE-002"


def test_a_replace_down_to_what_is_executed_fills_the_order(desk: Desk) -> None:
    order_id = desk.given("PART")
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="300")
    assert _types(desk.ok("OrderReplaceAcceptCmd", orderId=order_id)) == ["OrderReplaced", "OrderFilled"]
    order = desk.order(order_id)
    assert (order.state, order.cancel_state, order.order_qty, order.leaves_qty) == ("FILLED", None, 300, 0)


def test_in_profile_matrix_an_expired_order_is_not_closed_and_takes_a_late_answer() -> None:
    desk = Desk(lifecycle__profile="matrix")
    order_id = _resolved(desk, "PCXL", "OrderExpireCmd")
    problem = desk.refused("OrderCloseCmd", orderId=order_id)
    assert (problem.violations[0].rule_id, problem.context["validTransitions"]) == ("END-03", [])
    assert desk.ok("OrderCancelRejectCmd", orderId=order_id).duplicate


@pytest.mark.parametrize(
    ("profile", "state", "needs"),
    [("standard", "FILLED", "UNACK"), ("desk", "NEW", "UNACK")],
)
def test_a_message_of_a_refused_transition_names_the_states_that_allow_it(profile: str, state: str, needs: str) -> None:
    desk = Desk(lifecycle__profile=profile)
    order_id = desk.given(state)
    problem = desk.refused("OrderAcceptCmd", orderId=order_id)
    assert problem.detail == f"order {order_id} is {state}; OrderAcceptCmd needs {needs}"
    assert problem.context["validTransitions"] == (["CLOSED"] if state == "FILLED" else ["CXL", "REJ", "UNACK"])
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
