"""Do the tools of orders and executions carry an order through its life, and tell what they did?"""

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import build_server
from tests.oms_mcp.agent import GOOD, Agent


def test_an_order_is_traded_from_creation_to_the_end(agent: Agent, engine: Engine) -> None:
    created = agent.ok("create_order", cl_ord_id="c1", **GOOD)
    order_id = created["orderId"]
    assert (created["state"], created["version"], created["mode"]) == ("UNACK", 2, "sandbox")
    assert [state["to"] for state in created["nextStates"]] == ["LIVE", "REJ"]
    accepted = agent.ok("update_order", order_id=order_id, action="accept")
    assert (accepted["before"]["state"], accepted["after"]["state"]) == ("UNACK", "LIVE")
    partial = agent.fill(order_id, "e1", "300", "100.10")
    assert partial["after"] == {
        "state": "LIVE",
        "orderQty": "1000",
        "cumQty": "300",
        "leavesQty": "700",
        "avgPx": "100.1",
        "version": 4,
    }
    filled = agent.fill(order_id, "e2", "700")
    assert (filled["id"], filled["orderId"], filled["state"]) == ("e2", order_id, "FILLED")
    assert [event["type"] for event in filled["events"]] == ["ExecutionCreated", "OrderFilled"]
    closed = agent.ok("end_order", order_id=order_id, action="close", confirm=True)
    assert (closed["state"], closed["nextStates"]) == ("CLOSED", [])
    assert engine.find(order_id).state == "CLOSED"


def test_a_new_order_has_no_before(modern: Agent) -> None:
    assert "before" not in modern.ok("create_order", cl_ord_id="c1", **GOOD)


def test_a_result_names_the_seven_tasks(modern: Agent) -> None:
    tasks = modern.ok("create_order", cl_ord_id="c1", **GOOD)["tasks"]
    assert [task["name"] for task in tasks] == [
        "ValidateTransaction",
        "ValidateOrder",
        "StateTransition",
        "BusinessRules",
        "RiskCheck",
        "PersistOrder",
        "PublishEvent",
    ]


def test_a_detailed_result_holds_the_whole_order(modern: Agent) -> None:
    order_id = modern.create()
    answer = modern.ok("update_order", order_id=order_id, action="accept", response_format="detailed")
    assert answer["before"]["symbol"] == answer["after"]["symbol"] == "IBM"
    assert answer["after"]["handlInst"] == "AUTO"


def test_an_order_for_the_desk_is_placed_by_hand(agent: Agent) -> None:
    order_id = agent.create(handl_inst="MANUAL")
    assert agent.order(order_id)["state"] == "NEW"
    placed = agent.ok("update_order", order_id=order_id, action="place", ex_destination="XNYS")
    assert placed["state"] == "UNACK"


def test_a_live_order_is_cancelled_in_two_steps(agent: Agent) -> None:
    order_id = agent.given("PART")
    asked = agent.ok(
        "end_order", order_id=order_id, action="cancel", cl_ord_id="x1", orig_cl_ord_id="c1", reason="why", confirm=True
    )
    assert (asked["after"]["state"], asked["after"]["cancelState"]) == ("LIVE", "PCXL")
    ended = agent.ok("end_order", order_id=order_id, action="accept_cancel", reason="done", confirm=True)
    assert (ended["after"]["state"], ended["after"]["leavesQty"], ended["after"]["cumQty"]) == ("CXL", "0", "300")


def test_a_cancel_can_be_refused_by_the_market(agent: Agent) -> None:
    order_id = agent.given("LIVE")
    agent.ok("end_order", order_id=order_id, action="cancel", confirm=True)
    refused = agent.ok("end_order", order_id=order_id, action="reject_cancel", reject_code=0, confirm=True)
    assert (refused["after"]["state"], refused["after"]["cancelState"]) == ("LIVE", "REJ")


@pytest.mark.parametrize(("action", "state"), [("reject", "REJ"), ("expire", "EXP")])
def test_the_market_ends_an_order(action: str, state: str, agent: Agent) -> None:
    order_id = agent.given("LIVE")
    assert agent.ok("end_order", order_id=order_id, action=action, confirm=True)["state"] == state


@pytest.mark.parametrize("action", ["whack", "bust"])
def test_a_fill_is_taken_back(action: str, agent: Agent) -> None:
    order_id = agent.given("FILLED")
    people = {"approved_by": "bob", "approval_level": "RISK_COMMITTEE"} if action == "whack" else {}
    answer = agent.ok(
        "correct_execution",
        order_id=order_id,
        exec_id="e2",
        action=action,
        reason="typing error",
        requested_by="ann",
        confirm=True,
        **people,
    )
    assert (answer["id"], answer["state"], answer["after"]["cumQty"]) == ("e2", "LIVE", "300")
    booked = agent.ok("get_order", order_id=order_id, include=["executions"])["executions"]
    assert [fill["status"] for fill in booked] == ["ACTIVE", "WHACKED" if action == "whack" else "BUSTED"]


def test_a_fill_is_restated(agent: Agent) -> None:
    order_id = agent.given("FILLED")
    answer = agent.ok(
        "correct_execution",
        order_id=order_id,
        exec_id="e2",
        action="correct",
        last_qty="500",
        last_px="99",
        new_exec_id="e3",
        reason="misread",
        confirm=True,
    )
    assert (answer["id"], answer["state"], answer["after"]["cumQty"]) == ("e2", "LIVE", "800")
    booked = agent.ok("get_order", order_id=order_id, include=["executions"])["executions"]
    assert [(fill["execId"], fill["lastQty"], fill["status"]) for fill in booked] == [
        ("e1", "300", "ACTIVE"),
        ("e2", "500", "CORRECTED"),
    ]


@pytest.mark.parametrize("exec_id", [None, " "])
def test_the_id_of_the_report_never_stands_for_the_fill_that_is_restated(
    exec_id: str | None, modern: Agent, engine: Engine
) -> None:
    order_id = modern.given("FILLED")
    before = engine.counts()
    error = modern.refused(
        "correct_execution",
        order_id=order_id,
        exec_id=exec_id,
        action="correct",
        last_qty="500",
        last_px="99",
        new_exec_id="e2",
        confirm=True,
    )
    assert (error["errorCode"], error["violations"][0]["field"]) == ("OMS-VAL-003", "exec_id")
    assert engine.counts() == before


def test_the_terms_of_an_order_are_replaced_in_two_steps(agent: Agent) -> None:
    order_id = agent.given("PART")
    asked = agent.ok(
        "update_order",
        order_id=order_id,
        action="replace",
        cl_ord_id="r1",
        orig_cl_ord_id="c1",
        order_qty="500",
        price="101",
        time_in_force="GOOD_TILL_CANCEL",
        exec_inst="MID_PEG",
        text="smaller",
    )
    assert (asked["after"]["cancelState"], asked["after"]["orderQty"]) == ("PMOD", "1000")
    pending = agent.order(order_id)["pendingReplace"]
    assert pending == {
        "orderQty": "500",
        "price": "101",
        "timeInForce": "GOOD_TILL_CANCEL",
        "execInst": "MID_PEG",
        "text": "smaller",
    }
    done = agent.ok("update_order", order_id=order_id, action="accept_replace")
    assert (done["after"]["orderQty"], done["after"]["leavesQty"]) == ("500", "200")
    assert "pendingReplace" not in agent.order(order_id)
    assert agent.order(order_id)["clOrdId"] == "r1"


def test_a_replace_can_be_refused_by_the_market(agent: Agent) -> None:
    order_id = agent.given("LIVE")
    agent.ok("update_order", order_id=order_id, action="replace", price="101")
    refused = agent.ok("update_order", order_id=order_id, action="reject_replace", reject_code=0, text="too late")
    assert (refused["after"]["state"], refused["after"]["cancelState"]) == ("LIVE", "REJ")
    assert agent.order(order_id)["price"] == "100"


def test_a_replace_below_what_is_filled_is_refused_with_rule_and_section(agent: Agent) -> None:
    order_id = agent.given("PART")
    error = agent.refused("update_order", order_id=order_id, action="replace", order_qty="299")
    found = error["violations"][0]
    assert (error["errorCode"], found["ruleId"]) == ("OMS-ORDER-004", "RPL-06")
    assert error["context"]["cxlRejReason"] == 99
    code = agent.refused("update_order", order_id=order_id, action="reject_replace", reject_code=77)["violations"][0]
    assert (code["field"], code["message"].startswith("reject_code (cxlRejReason) 77 is")) == ("reject_code", True)


def test_a_fund_order_by_amount_gets_its_units_with_the_ack(agent: Agent) -> None:
    order_id = agent.create(
        side="SUBSCRIBE", ord_type="MARKET", price=None, order_qty=None, symbol="FUND1", more={"cashOrderQty": "5000"}
    )
    assert "orderQty" not in agent.order(order_id)
    assert agent.refused("update_order", order_id=order_id, action="accept")["violations"][0]["field"] == "orderQty"
    accepted = agent.ok("update_order", order_id=order_id, action="accept", order_qty="12.5")
    assert (accepted["after"]["orderQty"], accepted["after"]["leavesQty"]) == ("12.5", "12.5")


def test_an_execution_on_several_orders_needs_its_order(modern: Agent) -> None:
    for _ in range(2):
        modern.given("PART")
    error = modern.refused("correct_execution", exec_id="e1", action="bust", confirm=True)
    assert error["errorCode"] == "OMS-VAL-003"


def test_other_fields_of_an_order_come_in_more(modern: Agent) -> None:
    order_id = modern.create(more={"text": "hello", "securityType": "CS", "orderId": "MINE-1"})
    order = modern.ok("get_order", order_id="MINE-1", response_format="detailed")
    assert (order_id, order["text"], order["securityType"]) == ("MINE-1", "hello", "CS")


def test_other_fields_of_a_fill_come_in_more(modern: Agent) -> None:
    order_id = modern.given("LIVE")
    modern.ok(
        "report_execution",
        order_id=order_id,
        exec_id="e1",
        last_qty="1",
        last_px="2",
        last_mkt="XNYS",
        transact_time="2026-01-02T09:30:00+01:00",
        more={"lastCapacity": "A"},
    )
    order = modern.ok("get_order", order_id=order_id, include=["executions"], response_format="detailed")
    assert order["executions"][0]["lastCapacity"] == "A"
    assert order["executions"][0]["transactTime"] == "2026-01-02T08:30:00.000000Z"


def test_more_may_come_as_json_text(modern: Agent) -> None:
    order_id = modern.create(more='{"text": "hello"}')
    assert modern.ok("get_order", order_id=order_id, response_format="detailed")["text"] == "hello"


@pytest.mark.parametrize("quantity", ["1000", "2000"])
def test_a_field_is_given_once(quantity: str, modern: Agent, engine: Engine) -> None:
    error = modern.refused("create_order", **GOOD, cl_ord_id="c9", more={"orderQty": quantity, "text": "hello"})
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == ("OMS-VAL-001", "ENV-10")
    assert error["detail"] == "orderQty is given as an argument and in more; send one of the two"
    assert engine.counts()["orders"] == 0


@pytest.mark.parametrize("quantity", ["100.50", 100.5, 100])
def test_decimals_come_as_text_or_as_json_numbers(quantity: object, modern: Agent) -> None:
    order_id = modern.create(order_qty=quantity)
    assert modern.order(order_id)["orderQty"] in {"100.5", "100"}


def test_null_is_absent(modern: Agent) -> None:
    answer = modern.ok("create_order", **GOOD, cl_ord_id="c1", stop_px=None, more=None, dry_run=None)
    assert answer["state"] == "UNACK"


def test_a_preview_stores_nothing(agent: Agent, engine: Engine) -> None:
    order_id = agent.given("PART")
    before = engine.counts()
    shown = agent.ok("report_execution", order_id=order_id, exec_id="e9", last_qty="700", last_px="1", dry_run=True)
    assert (shown["dryRun"], shown["after"]["state"]) == (True, "FILLED")
    assert all("position" not in event for event in shown["events"])
    assert engine.counts() == before
    assert agent.order(order_id)["state"] == "LIVE"


def test_a_preview_of_a_refusal_says_so(modern: Agent) -> None:
    answer, is_error = modern.call("update_order", order_id="nope", action="accept", dry_run=True)
    assert is_error
    assert answer["dryRun"] is True


def test_a_command_id_makes_a_repeat_harmless(agent: Agent, engine: Engine) -> None:
    order_id = agent.create()
    first = agent.ok("update_order", order_id=order_id, action="accept", command_id="K1")
    before = engine.counts()
    again = agent.ok("update_order", order_id=order_id, action="accept", command_id="K1")
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert again["events"] == first["events"]
    assert engine.counts() == before


def test_the_same_order_again_is_the_same_order(modern: Agent, engine: Engine) -> None:
    first = modern.ok("create_order", cl_ord_id="c1", **GOOD)
    again = modern.ok("create_order", cl_ord_id="c1", **GOOD)
    assert (again["orderId"], again["duplicate"]) == (first["orderId"], True)
    assert engine.counts()["orders"] == 1


def test_a_version_that_moved_on_is_refused_for_good(modern: Agent) -> None:
    order_id = modern.given("LIVE")
    error = modern.refused("end_order", order_id=order_id, action="expire", expected_version=2, confirm=True)
    assert (error["errorCode"], error["retryable"]) == ("OMS-LOCK-001", False)
    assert modern.ok("end_order", order_id=order_id, action="expire", expected_version=3, confirm=True)["version"] == 4


def test_the_name_of_the_client_is_its_session(engine: Engine, library: Library) -> None:
    server = build_server(engine, library)
    for name in ("desk-one", "desk-two"):
        with Agent(server, name=name) as agent:
            agent.ok("create_order", cl_ord_id="c1", **GOOD)
    with Agent(server, "legacy", name=" \t ") as agent:
        agent.ok("create_order", cl_ord_id="c1", **GOOD)
    sessions = [order["sessionId"] for order in (record.to_wire() for record in engine.query(sort="id").content)]
    assert sessions == ["desk-one", "desk-two", "mcp"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("end_order", {"action": "expire"}),
        ("end_order", {"action": "cancel"}),
        ("correct_execution", {"action": "bust", "exec_id": "e1"}),
        ("correct_execution", {"action": "correct", "exec_id": "e1", "last_qty": "200", "last_px": "100"}),
    ],
)
def test_what_destroys_needs_confirmation(
    tool: str, arguments: dict[str, object], agent: Agent, engine: Engine
) -> None:
    order_id = agent.given("PART")
    before = engine.counts()
    error = agent.refused(tool, order_id=order_id, **arguments)
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == ("OMS-VAL-006", "CNF-01")
    assert "nothing changed" in error["detail"]
    assert engine.counts() == before
    assert agent.ok(tool, order_id=order_id, **arguments, dry_run=True)["dryRun"] is True
    assert engine.counts() == before
    assert agent.ok(tool, order_id=order_id, **arguments, confirm=True)["status"] == "OK"


@pytest.mark.parametrize(
    ("tool", "arguments", "stray"),
    [
        ("update_order", {"action": "accept", "ex_destination": "XNYS"}, "ex_destination"),
        ("update_order", {"action": "accept", "price": "1"}, "price"),
        ("update_order", {"action": "replace", "reject_code": 1}, "reject_code"),
        ("update_order", {"action": "accept_replace", "text": "x"}, "text"),
        ("update_order", {"action": "reject_replace", "order_qty": "1"}, "order_qty"),
        ("allocate", {"action": "approve", "reason": "x"}, "reason"),
        ("allocate", {"action": "reject", "approved_by": "x"}, "approved_by"),
        ("correct_execution", {"action": "bust", "exec_id": "e1", "last_qty": "1"}, "last_qty"),
        ("correct_execution", {"action": "correct", "exec_id": "e1", "requested_by": "x"}, "requested_by"),
        ("end_order", {"action": "expire", "reason": "late"}, "reason"),
        ("end_order", {"action": "close", "reject_code": 1}, "reject_code"),
        ("end_order", {"action": "cancel", "unsolicited": False}, "unsolicited"),
        ("end_order", {"action": "reject", "cl_ord_id": "x"}, "cl_ord_id"),
        ("end_order", {"action": "accept_cancel", "orig_cl_ord_id": "x"}, "orig_cl_ord_id"),
        ("correct_execution", {"action": "bust", "exec_id": "e1", "approved_by": "bob"}, "approved_by"),
        ("correct_execution", {"action": "bust", "exec_id": "e1", "approval_level": "X"}, "approval_level"),
    ],
)
def test_an_argument_that_the_action_does_not_use_is_refused(
    tool: str, arguments: dict[str, object], stray: str, modern: Agent
) -> None:
    order_id = modern.given("PART")
    confirm = {} if tool in {"update_order", "allocate"} else {"confirm": True}
    error = modern.refused(tool, order_id=order_id, **arguments, **confirm)
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == ("OMS-VAL-002", "ENV-02")
    assert error["violations"][0]["field"] == stray
    assert f"action {arguments['action']}; " in error["detail"]


@pytest.mark.parametrize(
    ("tool", "arguments", "named", "told"),
    [
        ("end_order", {"action": "reject", "reject_code": 77}, "reject_code", "reject_code (ordRejReason) 77 is"),
        (
            "end_order",
            {"action": "reject_cancel", "reject_code": 77},
            "reject_code",
            "reject_code (cxlRejReason) 77 is",
        ),
        (
            "end_order",
            {"action": "reject_cancel", "reject_code": "7"},
            "reject_code",
            'reject_code (cxlRejReason) "7" is',
        ),
        ("end_order", {"action": "cancel", "reason": "x" * 10_000}, "reason", "reason (text) "),
        ("end_order", {"action": "close", "reason": 7}, "reason", "reason 7 is"),
        ("end_order", {"action": "cancel", "orig_cl_ord_id": "x"}, "origClOrdId", "orig_cl_ord_id (origClOrdId) "),
    ],
)
def test_a_violation_names_the_argument_that_was_sent(
    tool: str, arguments: dict[str, object], named: str, told: str, agent: Agent
) -> None:
    order_id = agent.given("LIVE")
    answer, _ = agent.call(tool, order_id=order_id, confirm=True, **arguments)
    found = answer["error"]["violations"][0]
    assert found["field"] == named
    assert found["message"].startswith(told)
    assert answer["message"] == answer["error"]["detail"]
    assert answer["message"].startswith(found["message"])


def test_a_message_names_the_argument_beside_the_field(modern: Agent) -> None:
    order_id = modern.given("LIVE")
    fill = modern.refused("report_execution", order_id=order_id, exec_id="E9", last_qty="1", last_px="x")
    assert fill["detail"].startswith('last_px (lastPx) "x" ')
    group = modern.refused("group_orders", action="ungroup")
    assert group["detail"].startswith("group_order_id (groupOrderId) is missing")
    further = modern.refused("create_order", **GOOD, cl_ord_id="m1", more={"securityType": 5})
    assert further["detail"].startswith("securityType ")


def test_an_order_without_a_quantity_is_answered_by_the_rule(modern: Agent) -> None:
    order = {name: value for name, value in GOOD.items() if name != "order_qty"}
    tool = next(tool for tool in modern.tools() if tool.name == "create_order")
    assert "order_qty" not in tool.input_schema["required"]
    error = modern.refused("create_order", cl_ord_id="q1", **order)
    assert error["violations"][0]["ruleId"] == "ORD-08"


def test_a_violation_of_a_common_field_keeps_its_name(modern: Agent) -> None:
    error = modern.refused("end_order", action="reject", reject_code=77, confirm=True)
    assert {found["field"] for found in error["violations"]} == {"orderId", "reject_code"}


def test_a_new_order_is_expected_at_version_0(modern: Agent) -> None:
    assert modern.refused("create_order", cl_ord_id="c1", **GOOD, expected_version=1)["errorCode"] == "OMS-LOCK-001"
    assert modern.ok("create_order", cl_ord_id="c1", **GOOD, expected_version=0)["version"] == 2
