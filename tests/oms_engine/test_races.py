"""Who wins when messages cross? The races of a single order."""

import pytest

from tests.oms_engine.desk import Desk


def cancel_state(desk: Desk, order_id: str) -> tuple[str, str | None]:
    order = desk.order(order_id)
    return order.state, order.cancel_state


def test_a_fill_during_a_cancel_request_is_booked_and_the_request_stays(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.fill(order_id, "999")
    assert cancel_state(desk, order_id) == ("LIVE", "PCXL")
    desk.ok("OrderCancelAcceptCmd", orderId=order_id)
    assert cancel_state(desk, order_id) == ("CXL", "CXL")
    assert desk.order(order_id).cum_qty == 999


def test_a_complete_fill_resolves_the_request_as_refused_too_late(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    result = desk.fill(order_id, "1000")
    assert [event.type for event in result.events] == ["ExecutionCreated", "OrderFilled", "OrderCancelRejected"]
    assert desk.engine.history(order_id)[-1].payload.to_wire() == {"cxlRejReason": 0}
    assert cancel_state(desk, order_id) == ("FILLED", "REJ")


def test_an_expiry_resolves_the_request(desk: Desk) -> None:
    order_id = desk.given("PART+PCXL")
    result = desk.ok("OrderExpireCmd", orderId=order_id)
    assert [event.type for event in result.events] == ["OrderExpired", "OrderCancelRejected"]
    assert cancel_state(desk, order_id) == ("EXP", "REJ")


@pytest.mark.parametrize("state", ["UNACK+PCXL", "LIVE+PCXL"])
def test_a_rejection_resolves_the_request(state: str, desk: Desk) -> None:
    order_id = desk.given(state)
    result = desk.ok("OrderRejectCmd", orderId=order_id, ordRejReason=4, text="closed")
    assert [event.type for event in result.events] == ["OrderRejected", "OrderCancelRejected"]
    assert cancel_state(desk, order_id) == ("REJ", "REJ")
    assert desk.engine.history(order_id)[-2].payload.to_wire() == {"ordRejReason": 4, "text": "closed"}


@pytest.mark.parametrize("end", ["fill", "OrderExpireCmd", "OrderRejectCmd"])
def test_the_late_refusal_of_a_resolved_request_is_a_duplicate(end: str, desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.fill(order_id, "1000") if end == "fill" else desk.ok(end, orderId=order_id)
    for _ in range(2):
        before = desk.rows()
        late = desk.ok("OrderCancelRejectCmd", orderId=order_id, cxlRejReason=0)
        assert late.duplicate
        assert (late.id, late.state, late.events) == (order_id, desk.order(order_id).state, ())
        assert desk.rows() == before


def test_the_late_confirmation_of_a_resolved_request_is_refused(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.fill(order_id, "1000")
    assert desk.refused("OrderCancelAcceptCmd", orderId=order_id).error_code == "OMS-STATE-001"


def test_no_late_refusal_without_a_request(desk: Desk) -> None:
    assert desk.refused("OrderCancelRejectCmd", orderId=desk.given("FILLED")).error_code == "OMS-STATE-002"


def test_a_confirmed_request_has_no_late_refusal(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.ok("OrderCancelAcceptCmd", orderId=order_id)
    assert desk.refused("OrderCancelRejectCmd", orderId=order_id).error_code == "OMS-STATE-002"


def test_a_refusal_that_the_market_gave_in_time_is_not_late_when_it_comes_again(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.ok("OrderCancelRejectCmd", orderId=order_id)
    assert desk.refused("OrderCancelRejectCmd", orderId=order_id).error_code == "OMS-STATE-002"
    desk.fill(order_id, "1000")
    assert desk.refused("OrderCancelRejectCmd", orderId=order_id).error_code == "OMS-STATE-002"


def test_a_late_refusal_ends_when_the_order_is_closed(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.fill(order_id, "1000")
    desk.ok("OrderCloseCmd", orderId=order_id)
    assert desk.refused("OrderCancelRejectCmd", orderId=order_id).error_code == "OMS-STATE-003"


def test_a_late_refusal_still_answers_after_the_order_was_reopened(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.fill(order_id, "1000")
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e1")
    assert cancel_state(desk, order_id) == ("LIVE", "REJ")
    assert desk.ok("OrderCancelRejectCmd", orderId=order_id).duplicate
    desk.ok("OrderCancelCmd", orderId=order_id)
    assert not desk.ok("OrderCancelRejectCmd", orderId=order_id).duplicate


def test_a_second_request_waits_for_the_answer_to_the_first(desk: Desk) -> None:
    order_id = desk.given("UNACK+PCXL")
    assert desk.refused("OrderCancelCmd", orderId=order_id).error_code == "OMS-STATE-002"
    desk.accept(order_id)
    assert desk.refused("OrderCancelCmd", orderId=order_id).error_code == "OMS-STATE-002"
    desk.ok("OrderCancelRejectCmd", orderId=order_id)
    desk.ok("OrderCancelCmd", orderId=order_id)
    assert desk.types(order_id).count("OrderCancelRequested") == 2


def test_a_request_on_an_unacknowledged_order_is_held_until_the_market_answers(desk: Desk) -> None:
    order_id = desk.given("UNACK+PCXL")
    desk.refused("OrderCancelAcceptCmd", orderId=order_id)
    desk.accept(order_id)
    assert cancel_state(desk, order_id) == ("LIVE", "PCXL")
    desk.ok("OrderCancelAcceptCmd", orderId=order_id)
    assert desk.engine.history(order_id)[-1].payload.to_wire()["unsolicited"] is False


def test_the_market_may_confirm_as_unsolicited_what_was_asked_for(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    desk.ok("OrderCancelAcceptCmd", orderId=order_id, unsolicited=True)
    assert desk.engine.history(order_id)[-1].payload.to_wire()["unsolicited"] is False


def test_a_request_keeps_its_words(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.ok("OrderCancelCmd", orderId=order_id, clOrdId="stop", text="risk off")
    request = desk.engine.history(order_id)[-1].payload.to_wire()
    assert request == {"clOrdId": "stop", "sessionId": "S1", "text": "risk off", "origin": "CLIENT"}
    assert desk.order(order_id).cl_ord_id == "c1"
