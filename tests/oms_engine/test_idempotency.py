"""What happens when something is sent twice? Nothing, and the answer says so."""

import pytest

from oms_engine import CommandResult
from tests.oms_engine.desk import Desk

EVENT = ("type", "streamId", "version", "position")


def events(result: CommandResult) -> list[dict[str, object]]:
    return [event.to_wire() for event in result.events]


def unchanged(desk: Desk, kind: str, **fields: object) -> CommandResult:
    """The answer to a repeat, which must not write anything."""
    before = desk.rows()
    result = desk.ok(kind, **fields)
    assert result.duplicate
    assert desk.rows() == before
    statuses = [task.status for task in result.tasks]
    assert statuses[0] == "SUCCESS"
    assert statuses[1] == "SKIPPED" or kind == "OrderCancelRejectCmd"
    assert statuses[5:] == ["SKIPPED", "SKIPPED"]
    return result


def test_a_command_id_sent_again_gets_the_original_answer(desk: Desk) -> None:
    order = desk.asked()
    first = desk.ok("OrderCreateCmd", order=order, commandId="K1")
    desk.accept(first.id)
    again = unchanged(desk, "OrderCreateCmd", order=order, commandId="K1")
    assert (again.id, again.version, again.state) == (first.id, 2, "UNACK")
    assert events(again) == events(first)


def test_a_fill_sent_again_under_its_command_id_names_the_execution(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    fill = {"orderId": order_id, "execId": "x1", "lastQty": "1000", "lastPx": "5"}
    first = desk.ok("ExecutionCreateCmd", execution=fill, commandId="K1")
    again = unchanged(desk, "ExecutionCreateCmd", execution={**fill, "lastPx": "5.00"}, commandId="K1", sessionId="S2")
    assert (first.id, again.id, again.state, events(again)) == ("x1", "x1", "FILLED", events(first))


def test_a_command_id_belongs_to_one_command(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.ok("OrderCancelCmd", orderId=order_id, commandId="K1")
    for kind, fields in (("OrderCancelCmd", {"text": "why"}), ("OrderExpireCmd", {}), ("OrderCancelAcceptCmd", {})):
        problem = desk.refused(kind, orderId=order_id, commandId="K1", **fields)
        assert [one.rule_id for one in problem.violations] == ["ENV-05"]
        assert (problem.error_code, problem.status) == ("OMS-DATA-001", 409)


def test_a_refused_command_id_is_not_remembered(desk: Desk) -> None:
    order_id = desk.given("UNACK")
    desk.refused("OrderExpireCmd", orderId=order_id, commandId="K1")
    assert not desk.ok("OrderAcceptCmd", orderId=order_id, commandId="K1").duplicate


def test_the_command_id_is_looked_at_before_every_other_key(desk: Desk) -> None:
    order = desk.asked()
    desk.ok("OrderCreateCmd", order=order, commandId="K1")
    problem = desk.refused("OrderCreateCmd", order={**order, "orderQty": "7"}, commandId="K1")
    assert [one.rule_id for one in problem.violations] == ["ENV-05"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"orderQty": "1000.00", "price": "0100.0"}, id="decimals by value"),
        pytest.param({"orderQty": 1000, "price": 100.0}, id="numbers for strings"),
        pytest.param({"timeInForce": "DAY", "handlInst": "AUTO", "assetClass": "EQUITY"}, id="defaults written out"),
        pytest.param({"sendingTime": "2026-01-02T09:31:00Z", "transactTime": "2026-01-02T09:31:00Z"}, id="other times"),
        pytest.param({"orderId": None}, id="without the orderId"),
        pytest.param({"text": None, "exDestination": " "}, id="null and blank for absent"),
        pytest.param({"state": "LIVE", "avgPx": "5"}, id="system fields, which are ignored"),
    ],
)
def test_the_same_order_under_the_same_client_id_is_the_same_order(changes: dict[str, object], desk: Desk) -> None:
    order = desk.asked()
    first = desk.ok("OrderCreateCmd", order=order)
    desk.accept(first.id)
    again = unchanged(desk, "OrderCreateCmd", order={**order, **changes})
    assert (again.id, again.version, again.state) == (first.id, 3, "LIVE")
    assert events(again) == events(first)


def test_an_alias_makes_no_other_order(desk: Desk) -> None:
    order = desk.asked()
    desk.ok("OrderCreateCmd", order=order)
    aliased = {("clOrdID" if name == "clOrdId" else name): value for name, value in order.items()}
    unchanged(desk, "OrderCreateCmd", order=aliased)


def test_a_generated_order_id_makes_no_other_order(desk: Desk) -> None:
    order = desk.asked(orderId=None)
    first = desk.ok("OrderCreateCmd", order=order)
    assert unchanged(desk, "OrderCreateCmd", order=order).id == first.id == "ORD-1"


@pytest.mark.parametrize(
    "changes",
    [
        {"orderQty": "1000.00000001"},
        {"side": "SELL"},
        {"text": "now"},
        {"orderId": "other"},
        {"symbol": "ibm"},
        {"timeInForce": "GOOD_TILL_CANCEL"},
        {"handlInst": "MANUAL"},
        {"assetClass": "FUND"},
    ],
)
def test_another_order_under_the_same_client_id_is_refused_alone(changes: dict[str, object], desk: Desk) -> None:
    order = desk.asked()
    desk.ok("OrderCreateCmd", order=order)
    problem = desk.refused("OrderCreateCmd", order={**order, **changes, "account": "x" * 40})
    assert [(one.rule_id, one.code, one.field) for one in problem.violations] == [
        ("ORD-19", "OMS-ORDER-002", "clOrdId")
    ]
    assert problem.status == 409


def test_another_session_may_use_the_same_client_id(desk: Desk) -> None:
    order = desk.asked()
    first = desk.ok("OrderCreateCmd", order=order)
    second = desk.ok("OrderCreateCmd", order={**order, "orderId": "second"}, sessionId="S2")
    assert not second.duplicate
    assert second.id != first.id
    assert desk.order("second").session_id == "S2"


def test_the_client_id_of_a_cancel_counts_as_used_even_when_the_market_refuses(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.ok("OrderCancelCmd", orderId=order_id, clOrdId="stop-1")
    desk.ok("OrderCancelRejectCmd", orderId=order_id)
    problem = desk.refused("OrderCancelCmd", orderId=order_id, clOrdId="stop-1")
    assert [(one.rule_id, one.code) for one in problem.violations] == [("CXL-02", "OMS-ORDER-002")]
    problem = desk.refused("OrderCreateCmd", order=desk.asked(clOrdId="stop-1"))
    assert [one.rule_id for one in problem.violations] == ["ORD-19"]
    assert desk.ok("OrderCancelCmd", orderId=order_id, clOrdId="stop-1", sessionId="S2").ok


def test_the_client_id_of_a_refused_cancel_command_stays_free(desk: Desk) -> None:
    order_id = desk.given("FILLED")
    desk.refused("OrderCancelCmd", orderId=order_id, clOrdId="stop-1")
    assert desk.create(clOrdId="stop-1").ok


@pytest.mark.parametrize("state", ["PART", "FILLED", "CXL", "CLOSED"])
def test_an_execution_id_is_looked_at_before_state_quantity_and_values(state: str, desk: Desk) -> None:
    order_id = desk.given(state)
    for fill in (
        {"lastQty": "300", "lastPx": "100"},
        {"lastQty": "9999999", "lastPx": "100"},
        {"lastQty": "-1", "execType": "4"},
    ):
        problem = desk.refused("ExecutionCreateCmd", execution={"orderId": order_id, "execId": "e1", **fill})
        assert [(one.rule_id, one.code) for one in problem.violations] == [("EX-06", "OMS-EXEC-002")]


def test_an_execution_id_stays_used_when_the_execution_was_busted(desk: Desk) -> None:
    order_id = desk.given("PART")
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e1")
    fill = {"orderId": order_id, "execId": "e1", "lastQty": "1", "lastPx": "1"}
    assert desk.refused("ExecutionCreateCmd", execution=fill).error_code == "OMS-EXEC-002"


def test_another_order_may_have_the_same_execution_id(desk: Desk) -> None:
    desk.fill(desk.given("LIVE"), "10", exec_id="e1")
    desk.fill(desk.given("LIVE"), "10", exec_id="e1")
    assert desk.engine.counts()["executions"] == 2


def test_a_repeat_is_recognised_inside_a_batch(desk: Desk) -> None:
    create = {"type": "OrderCreateCmd", "order": desk.asked(), "commandId": "K1"}
    batch = desk.engine.execute_many([create, create])
    assert [outcome.result.duplicate for outcome in batch.outcomes] == [False, True]
    assert desk.engine.counts()["orders"] == 1


def test_a_repeat_in_a_preview_answers_as_a_repeat(desk: Desk) -> None:
    create = {"type": "OrderCreateCmd", "order": desk.asked(), "commandId": "K1"}
    desk.engine.execute(create)
    assert desk.engine.preview(create).duplicate


def test_a_group_under_the_same_client_order_id_is_no_repeat_of_an_order(desk: Desk) -> None:
    members = [desk.given("NEW") for _ in range(2)]
    desk.ok("OrderGroupCmd", memberOrderIds=members, groupOrderId="g")
    terms = desk.asked(clOrdId="g", orderId=None, orderQty="2000", handlInst="MANUAL")
    assert desk.refused("OrderCreateCmd", order=terms).error_code == "OMS-ORDER-002"


def test_a_repeat_stays_one_when_the_settings_would_call_its_class_another_now(desk: Desk) -> None:
    order = desk.asked(symbol="AB-CD")
    first = desk.ok("OrderCreateCmd", order=order)
    desk.ok("SettingsChangeCmd", changes={"digitalAssets": ["AB"]})
    again = desk.ok("OrderCreateCmd", order=order)
    assert (again.id, again.duplicate) == (first.id, True)
