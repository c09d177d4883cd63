"""Do the quantities come out as the specification works them? Examples N1 to N14, N16, N17 and N31."""

from decimal import ROUND_HALF_UP, Decimal

import pytest

from oms_engine.domain.quantities import round_half_up
from tests.oms_engine.desk import Desk

Fill = tuple[str, str]


def filled(desk: Desk, quantity: str, *fills: Fill) -> str:
    order_id = desk.given("LIVE", orderQty=quantity)
    for last_qty, last_px in fills:
        desk.fill(order_id, last_qty, last_px)
    return order_id


def position(desk: Desk, order_id: str) -> str:
    """State, cumQty, leavesQty and the average at 4 decimals."""
    order = desk.order(order_id)
    average = order.avg_px.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    assert average == round_half_up(order.avg_px, 4)
    return f"{order.state} cum {order.cum_qty} leaves {order.leaves_qty} avg {average}"


@pytest.mark.parametrize(
    ("quantity", "fills", "expected"),
    [
        pytest.param("1000", [("300", "100.00")], "LIVE cum 300 leaves 700 avg 100.0000", id="N1"),
        pytest.param("1000", [("300", "100"), ("700", "100.50")], "FILLED cum 1000 leaves 0 avg 100.3500", id="N2"),
        pytest.param("1", [("0.99996", "7")], "LIVE cum 0.99996 leaves 0.00004 avg 7.0000", id="N6"),
        pytest.param("1", [("0.00004", "7")] * 10, "LIVE cum 0.0004 leaves 0.9996 avg 7.0000", id="N7"),
        pytest.param(
            "1000",
            [("300", "100.00"), ("500", "100.50"), ("200", "99.50")],
            "FILLED cum 1000 leaves 0 avg 100.1500",
            id="N8",
        ),
        pytest.param(
            "12",
            [("5", "10.92"), ("4", "10.75"), ("2", "10.40"), ("1", "10.02")],
            "FILLED cum 12 leaves 0 avg 10.7017",
            id="N9",
        ),
        pytest.param("1000", [("500", "100"), ("300", "101")], "LIVE cum 800 leaves 200 avg 100.3750", id="N10"),
    ],
)
def test_fills_add_up(quantity: str, fills: list[Fill], expected: str, desk: Desk) -> None:
    assert position(desk, filled(desk, quantity, *fills)) == expected


def test_n3_versions_follow_each_other_without_gaps(desk: Desk) -> None:
    order_id = desk.given("UNACK", orderQty="10")
    answers = [desk.accept(order_id), desk.fill(order_id, "4"), desk.fill(order_id, "6")]
    assert [answer.state for answer in answers] == ["LIVE", "LIVE", "FILLED"]
    assert [[(event.type, event.version) for event in answer.events] for answer in answers] == [
        [("OrderAccepted", 3)],
        [("ExecutionCreated", 4)],
        [("ExecutionCreated", 5), ("OrderFilled", 6)],
    ]
    assert desk.types(order_id)[:2] == ["OrderCreated", "OrderPlaced"]
    assert position(desk, order_id) == "FILLED cum 10 leaves 0 avg 100.0000"


@pytest.mark.parametrize(
    ("before", "quantity"), [pytest.param([], "999", id="N4"), pytest.param(["4"], "6.0001", id="N5")]
)
def test_more_than_the_open_quantity_is_not_booked(before: list[str], quantity: str, desk: Desk) -> None:
    order_id = filled(desk, "10", *((done, "1") for done in before))
    fill = {"orderId": order_id, "execId": "over", "lastQty": quantity, "lastPx": "1"}
    assert desk.refused("ExecutionCreateCmd", execution=fill).error_code == "OMS-EXEC-004"
    assert desk.order(order_id).cum_qty == sum(map(Decimal, before))
    assert len(desk.engine.executions(order_id)) == len(before)


def test_n9_the_average_is_divided_once_and_shown_with_eight_decimals(desk: Desk) -> None:
    order_id = filled(desk, "12", ("5", "10.92"), ("4", "10.75"), ("2", "10.40"), ("1", "10.02"))
    state = desk.engine.state_at(order_id)
    assert state is not None
    assert (state.notional, state.order.avg_px) == (Decimal("128.42"), Decimal("10.70166667"))


def test_n11_a_bust_takes_quantity_and_amount_back(desk: Desk) -> None:
    order_id = filled(desk, "1000", ("500", "100"), ("300", "101"))
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e2")
    assert position(desk, order_id) == "LIVE cum 500 leaves 500 avg 100.0000"


def test_n12_a_bust_reopens_a_filled_order(desk: Desk) -> None:
    order_id = filled(desk, "1000", ("400", "10.00"), ("300", "10.10"), ("300", "10.20"))
    assert position(desk, order_id) == "FILLED cum 1000 leaves 0 avg 10.0900"
    result = desk.ok("ExecutionBustCmd", orderId=order_id, execId="e3", reason="wrong price", requestedBy="venue")
    assert [event.type for event in result.events] == ["ExecutionBusted", "OrderReopened"]
    assert position(desk, order_id) == "LIVE cum 700 leaves 300 avg 10.0429"
    busted = desk.engine.executions(order_id)[2]
    assert (busted.status, busted.status_reason, busted.requested_by) == ("BUSTED", "wrong price", "venue")
    assert (busted.cum_qty, busted.leaves_qty, busted.avg_px) == (Decimal(1000), Decimal(0), Decimal("10.09"))


def test_a_bust_is_exact_beyond_the_digits_of_the_default_context(desk: Desk) -> None:
    order_id = filled(desk, "9999999", ("1234567.12345678", "123456789012345678.12345678"), ("1", "3"))
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e1")
    assert position(desk, order_id) == "LIVE cum 1 leaves 9999998 avg 3.0000"


def test_n13_busts_can_follow_each_other(desk: Desk) -> None:
    prices = ("20.00", "20.10", "20.20", "20.30")
    order_id = filled(desk, "1500", *(("300", price) for price in prices))
    assert position(desk, order_id) == "LIVE cum 1200 leaves 300 avg 20.1500"
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e4")
    assert position(desk, order_id) == "LIVE cum 900 leaves 600 avg 20.1000"
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e3")
    assert position(desk, order_id) == "LIVE cum 600 leaves 900 avg 20.0500"


def test_n14_a_bust_of_a_cancelled_order_opens_nothing(desk: Desk) -> None:
    order_id = desk.given("CXL")
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e1")
    assert position(desk, order_id) == "CXL cum 0 leaves 0 avg 0.0000"


def test_n16_a_cancel_keeps_what_was_executed(desk: Desk) -> None:
    order_id = desk.given("PART+PCXL")
    desk.ok("OrderCancelAcceptCmd", orderId=order_id, text="done")
    assert position(desk, order_id) == "CXL cum 300 leaves 0 avg 100.0000"
    cancelled = desk.engine.history(order_id)[-1].payload.to_wire()
    assert cancelled == {"cancelledQty": "700", "unsolicited": False, "text": "done"}


def test_n17_an_expiry_keeps_what_was_executed(desk: Desk) -> None:
    order_id = filled(desk, "1000", ("500", "100"))
    desk.ok("OrderExpireCmd", orderId=order_id)
    assert position(desk, order_id) == "EXP cum 500 leaves 0 avg 100.0000"
    assert desk.engine.history(order_id)[-1].payload.to_wire()["expiredQty"] == "500"


@pytest.mark.parametrize(
    ("quantity", "level", "next_lower"),
    [
        pytest.param("400", "SENIOR_TRADER", None, id="N31: 40,000"),
        pytest.param("499.99999999", "SENIOR_TRADER", None, id="just below 50,000"),
        pytest.param("500", "HEAD_OF_TRADING", "SENIOR_TRADER", id="50,000"),
        pytest.param("600", "HEAD_OF_TRADING", "SENIOR_TRADER", id="N31: 60,000"),
        pytest.param("4999.99999999", "HEAD_OF_TRADING", "SENIOR_TRADER", id="just below 500,000"),
        pytest.param("5000", "RISK_COMMITTEE", "HEAD_OF_TRADING", id="N31: 500,000"),
    ],
)
def test_the_notional_of_a_whack_asks_for_a_level(
    quantity: str, level: str, next_lower: str | None, desk: Desk
) -> None:
    order_id = filled(desk, "9000", (quantity, "100"))
    whack = {"orderId": order_id, "execId": "e1", "requestedBy": "ann", "approvedBy": "bob"}
    if next_lower:
        problem = desk.refused("ExecutionWhackCmd", **whack, approvalLevel=next_lower)
        assert (problem.error_code, problem.status) == ("OMS-AUTH-002", 403)
        assert level in problem.detail
    desk.ok("ExecutionWhackCmd", **whack, approvalLevel=level, reason="wrong book")
    whacked = desk.engine.executions(order_id)[0]
    assert (whacked.status, whacked.approved_by, whacked.status_reason) == ("WHACKED", "bob", "wrong book")
    assert desk.engine.history(order_id)[-1].payload.to_wire()["approvalLevel"] == level


def test_without_four_eyes_the_actor_stands_for_both() -> None:
    alone = Desk(whack__fourEyes=False, approvers={"ann": "HEAD_OF_TRADING"})
    order_id = filled(alone, "5000", ("600", "100"))
    problem = alone.refused("ExecutionWhackCmd", orderId=order_id, execId="e1", actor="bob")
    assert problem.error_code == "OMS-AUTH-002"
    alone.ok("ExecutionWhackCmd", orderId=order_id, execId="e1", actor="ann")
    whacked = alone.engine.executions(order_id)[0]
    assert (whacked.requested_by, whacked.approved_by) == ("ann", "ann")
