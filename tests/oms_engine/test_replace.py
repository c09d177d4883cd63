"""How do the terms of an order change, and how do requests end? Rules RPL and CXL, their steps and races."""

from datetime import timedelta

import pytest

from tests.oms_engine.desk import START, Desk
from tests.oms_engine.trees import book, child, client, members, payload, told, tree, written

LATER = (START + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def refusal(desk: Desk, kind: str = "OrderReplaceCmd", /, **fields: object) -> tuple[str, str, object]:
    """Code, rule and cxlRejReason of a refused request."""
    problem = desk.refused(kind, **fields)
    return *told(problem), problem.context["cxlRejReason"]


def test_rpl_01_the_order_exists(desk: Desk) -> None:
    assert refusal(desk, orderId="nobody", price="1") == ("OMS-ORDER-001", "RPL-01", 1)


def test_rpl_02_the_client_order_id_is_the_current_one(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    assert refusal(desk, orderId=order_id, price="1", origClOrdId="other") == ("OMS-VAL-001", "RPL-02", 1)
    desk.ok("OrderReplaceCmd", orderId=order_id, price="1", origClOrdId=desk.order(order_id).cl_ord_id)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("FILLED", "OMS-ORDER-006"),
        ("CXL", "OMS-ORDER-005"),
        ("REJ", "OMS-STATE-003"),
        ("EXP", "OMS-STATE-003"),
        ("CLOSED", "OMS-STATE-003"),
    ],
)
def test_rpl_03_the_order_has_not_ended(state: str, why: str, desk: Desk) -> None:
    assert refusal(desk, orderId=desk.given(state), price="1") == (why, "RPL-03", 0)


@pytest.mark.parametrize("pending", ["OrderCancelCmd", "OrderReplaceCmd"])
def test_rpl_04_nothing_is_pending(pending: str, desk: Desk) -> None:
    more = {"price": "2"} if pending == "OrderReplaceCmd" else {}
    order_id = desk.given("LIVE")
    desk.ok(pending, orderId=order_id, **more)
    assert refusal(desk, orderId=order_id, price="1") == ("OMS-STATE-002", "RPL-04", 3)
    root, market = tree(desk, "1000", "300")
    desk.ok(pending, orderId=market, **more)
    assert refusal(desk, orderId=root, price="1") == ("OMS-STATE-002", "RPL-04", 3)


def test_rpl_04_a_child_that_has_ended_holds_nothing_up(desk: Desk) -> None:
    root, market = tree(desk, "1000", "300")
    desk.ok("OrderCancelCmd", orderId=market)
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    desk.ok("OrderReplaceCmd", orderId=root, price="1")


@pytest.mark.parametrize("kind", ["OrderReplaceCmd", "OrderCancelCmd"])
def test_rpl_05_the_new_client_order_id_is_unused(kind: str, desk: Desk) -> None:
    first, second = desk.given("LIVE", clOrdId="a"), desk.given("LIVE", clOrdId="b")
    rule = "RPL-05" if kind == "OrderReplaceCmd" else "CXL-02"
    price = {"price": "1"} if kind == "OrderReplaceCmd" else {}
    assert refusal(desk, kind, orderId=first, clOrdId="b", **price) == ("OMS-ORDER-002", rule, 6)
    desk.ok("OrderReplaceCmd", orderId=first, price="1", clOrdId="c")
    desk.ok("OrderReplaceRejectCmd", orderId=first)
    assert refusal(desk, kind, orderId=second, clOrdId="c", **price) == ("OMS-ORDER-002", rule, 6)
    desk.ok(kind, orderId=second, clOrdId="c", sessionId="S2", **price)


def test_rpl_06_the_new_quantity_holds_what_is_executed(desk: Desk) -> None:
    order_id = desk.given("PART")
    assert refusal(desk, orderId=order_id, orderQty="299.99") == ("OMS-ORDER-004", "RPL-06", 99)
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="300")


def test_rpl_06_a_parent_holds_what_is_placed(desk: Desk) -> None:
    root, market = tree(desk, "1000", "600")
    assert refusal(desk, orderId=root, orderQty="599") == ("OMS-ORDER-004", "RPL-06", 99)
    desk.ok("OrderReplaceCmd", orderId=root, orderQty="600")
    assert (book(desk, root), book(desk, market)) == ("LIVE 0/600", "LIVE 0/600")


def test_rpl_06_a_child_keeps_to_the_placement_of_its_parent(desk: Desk) -> None:
    root, first, _second = tree(desk, "1000", "600", "300")
    assert refusal(desk, orderId=first, orderQty="701") == ("OMS-ORDER-004", "RPL-06", 99)
    result = desk.ok("OrderReplaceCmd", orderId=first, orderQty="700")
    assert written(result) == [f"{first} OrderReplaceRequested", f"{root} OrderPlacementChanged"]
    changed = {"childOrderId": first, "placeQtyDelta": "100", "reason": "CHILD_REPLACED"}
    assert (payload(desk, root, "OrderPlacementChanged"), desk.order(root).place_qty) == (changed, 1000)
    desk.ok("OrderReplaceRejectCmd", orderId=first)
    assert desk.order(root).place_qty == 900


def test_rpl_06_what_a_child_gives_up_is_free_once_the_market_has_accepted(desk: Desk) -> None:
    root, market = tree(desk, "1000", "1000")
    desk.ok("OrderReplaceCmd", orderId=market, orderQty="400")
    assert desk.order(root).place_qty == 1000
    desk.ok("OrderReplaceAcceptCmd", orderId=market)
    assert desk.order(root).place_qty == 400


@pytest.mark.parametrize(
    ("field", "other"), [("symbol", "MSFT"), ("side", "SELL"), ("account", "X"), ("ordType", "STOP_LIMIT")]
)
def test_rpl_07_other_terms_are_not_changed(field: str, other: str, desk: Desk) -> None:
    order_id = desk.given("LIVE")
    assert refusal(desk, orderId=order_id, price="1", **{field: other}) == ("OMS-VAL-001", "RPL-07", 99)
    same = {"symbol": "IBM", "side": "BUY", "account": "ACC", "ordType": "LIMIT"}
    desk.ok("OrderReplaceCmd", orderId=order_id, price="1", **same)


def test_rpl_08_the_resulting_order_is_a_good_order() -> None:
    desk = Desk(tickSize="0.05", maxOrderQty="2000", risk__maxNotional={"*": "150000"})
    order_id = desk.given("LIVE")
    assert refusal(desk, orderId=order_id, price="100.01") == ("OMS-VAL-005", "TICK-01", 18)
    assert refusal(desk, orderId=order_id, price="-1") == ("OMS-VAL-005", "ORD-12", 99)
    assert refusal(desk, orderId=order_id, orderQty="2001") == ("OMS-VAL-005", "ORD-14", 99)
    assert refusal(desk, orderId=order_id, orderQty="0") == ("OMS-VAL-005", "ORD-08", 99)
    assert refusal(desk, orderId=order_id, timeInForce="GOOD_TILL_DATE") == ("OMS-VAL-003", "ORD-16", 99)
    assert refusal(desk, orderId=order_id, price="150.05") == ("OMS-RISK-002", "RSK-02", 99)
    market = desk.given("LIVE", ordType="MARKET", price=None)
    assert refusal(desk, orderId=market, price="1") == ("OMS-VAL-001", "ORD-13", 99)


def test_an_expiry_that_is_not_in_force_holds_no_replace_up(desk: Desk) -> None:
    order_id = desk.given("NEW", timeInForce="GOOD_TILL_DATE", expireTime=LATER)
    desk.ok("OrderReplaceCmd", orderId=order_id, timeInForce="DAY")
    desk.clock.now = START + timedelta(days=2)
    desk.ok("OrderReplaceCmd", orderId=order_id, price="101")
    assert refusal(desk, orderId=order_id, expireTime=LATER) == ("OMS-VAL-005", "ORD-16", 99)
    assert refusal(desk, orderId=order_id, timeInForce="GOOD_TILL_DATE") == ("OMS-VAL-005", "ORD-16", 99)


def test_an_expiry_in_the_past_is_refused_whatever_the_time_in_force(desk: Desk) -> None:
    past = (START - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert told(desk.refused("OrderCreateCmd", order=desk.asked(expireTime=past))) == ("OMS-VAL-005", "ORD-16")


def test_rpl_09_something_is_changed(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    assert refusal(desk, orderId=order_id) == ("OMS-VAL-001", "RPL-09", 99)
    assert refusal(desk, orderId=order_id, price="100.0", orderQty="1000") == ("OMS-VAL-001", "RPL-09", 99)


def test_rpl_10_groups_and_members_are_not_replaced(desk: Desk) -> None:
    desk.ok("OrderGroupCmd", memberOrderIds=members(desk, "1", "1"), groupOrderId="g")
    for order_id in ("g", "m1"):
        for terms in ({"price": "1"}, {"orderQty": "0"}, {}):
            assert refusal(desk, orderId=order_id, **terms) == ("OMS-STATE-002", "RPL-10", 2)


def test_rpl_10_a_dissolved_group_is_told_to_be_one(desk: Desk) -> None:
    desk.ok("OrderGroupCmd", memberOrderIds=members(desk, "1", "1"), groupOrderId="g")
    desk.ok("OrderUngroupCmd", groupOrderId="g")
    for terms in ({"price": "1"}, {"orderQty": "0"}, {"price": "-1"}):
        problem = desk.refused("OrderReplaceCmd", orderId="g", **terms)
        assert told(problem) == ("OMS-STATE-002", "RPL-10")
        assert problem.detail == "order g is a group that was dissolved; it takes no further command"


TERMS = {
    "orderQty": "500",
    "price": "101",
    "stopPx": "99",
    "timeInForce": "GOOD_TILL_DATE",
    "expireTime": LATER,
    "execInst": "NO_CROSS",
    "text": "less",
}


@pytest.mark.parametrize("state", ["UNACK", "LIVE", "PART"])
def test_the_market_answers_a_replace_of_an_order_that_it_has(state: str, desk: Desk) -> None:
    order_id = desk.given(state, clOrdId="first")
    result = desk.ok("OrderReplaceCmd", orderId=order_id, clOrdId="second", **TERMS)
    assert written(result) == [f"{order_id} OrderReplaceRequested"]
    order = desk.order(order_id)
    assert (order.cancel_state, order.cl_ord_id, order.orig_cl_ord_id) == ("PMOD", "second", "first")
    assert (order.order_qty, order.price) == (1000, 100)
    assert order.pending_replace is not None
    assert order.pending_replace.to_wire() == TERMS
    if state == "UNACK":
        assert told(desk.refused("OrderReplaceAcceptCmd", orderId=order_id)) == ("OMS-STATE-002", "LIF-02")
        desk.accept(order_id)
        assert desk.order(order_id).cancel_state == "PMOD"
    accepted = desk.ok("OrderReplaceAcceptCmd", orderId=order_id)
    assert written(accepted) == [f"{order_id} OrderReplaced"]
    order = desk.order(order_id)
    assert (order.cancel_state, order.pending_replace, order.cl_ord_id) == (None, None, "second")
    wire = order.to_wire()
    assert {name: wire[name] for name in TERMS} == TERMS
    assert order.leaves_qty == 500 - order.cum_qty
    assert payload(desk, order_id, "OrderReplaced") == {"changed": TERMS, "orderQtyDelta": "-500"}


def test_a_refused_replace_gives_the_client_order_id_back(desk: Desk) -> None:
    order_id = desk.given("LIVE", clOrdId="first")
    desk.ok("OrderReplaceCmd", orderId=order_id, clOrdId="second", price="101")
    desk.ok("OrderReplaceRejectCmd", orderId=order_id, cxlRejReason=2, text="no")
    order = desk.order(order_id)
    assert (order.cancel_state, order.pending_replace, order.price) == ("REJ", None, 100)
    assert (order.cl_ord_id, order.orig_cl_ord_id) == ("first", None)
    assert payload(desk, order_id, "OrderReplaceRejected") == {"cxlRejReason": 2, "text": "no", "answered": True}
    desk.ok("OrderReplaceCmd", orderId=order_id, clOrdId="third", price="101")
    desk.ok("OrderReplaceAcceptCmd", orderId=order_id)
    assert (desk.order(order_id).cl_ord_id, desk.order(order_id).orig_cl_ord_id) == ("third", "first")


def test_without_a_new_client_order_id_the_order_keeps_its_own(desk: Desk) -> None:
    order_id = desk.given("LIVE", clOrdId="first")
    desk.ok("OrderReplaceCmd", orderId=order_id, price="101")
    assert (desk.order(order_id).cl_ord_id, desk.order(order_id).orig_cl_ord_id) == ("first", "first")


def test_a_replace_down_to_what_is_executed_fills_the_order(desk: Desk) -> None:
    order_id = desk.given("PART")
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="300")
    accepted = desk.ok("OrderReplaceAcceptCmd", orderId=order_id)
    assert written(accepted) == [f"{order_id} OrderReplaced", f"{order_id} OrderFilled"]
    assert book(desk, order_id) == "FILLED 300/0"


def test_a_new_order_is_replaced_at_once(desk: Desk) -> None:
    order_id = client(desk)
    result = desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="500", clOrdId="other")
    assert written(result) == [f"{order_id} OrderReplaceRequested", f"{order_id} OrderReplaced"]
    assert (book(desk, order_id), desk.order(order_id).cancel_state) == ("NEW 0/500", None)


@pytest.mark.parametrize("state", ["UNACK", "LIVE"])
def test_a_parent_is_replaced_at_once_and_its_children_keep_their_values(state: str, desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "300", state)
    desk.ok("OrderReplaceCmd", orderId=root, orderQty="800", price="101")
    assert (book(desk, root), desk.order(root).price, desk.order(market).price) == (f"{state} 0/800", 101, 100)


def test_a_parent_that_asks_for_no_more_than_it_has_is_filled(desk: Desk) -> None:
    root, market = tree(desk, "1000", "300")
    desk.fill(market, "300")
    result = desk.ok("OrderReplaceCmd", orderId=root, orderQty="300")
    assert [event.type for event in result.events][1:] == ["OrderReplaced", "OrderFilled"]
    assert book(desk, root) == "FILLED 300/0"


def test_a_held_child_that_is_replaced_counts_its_new_quantity(desk: Desk) -> None:
    root = client(desk)
    held = child(desk, root, "300", "NEW")
    desk.ok("OrderReplaceCmd", orderId=held, orderQty="700")
    assert desk.order(root).place_qty == 700
    desk.ok("OrderReplaceCmd", orderId=held, orderQty="100")
    assert desk.order(root).place_qty == 100


def test_a_fill_while_a_replace_is_pending_counts_against_the_current_quantity(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="500")
    desk.fill(order_id, "500")
    assert (book(desk, order_id), desk.order(order_id).cancel_state) == ("LIVE 500/500", "PMOD")
    desk.ok("OrderReplaceAcceptCmd", orderId=order_id)
    assert book(desk, order_id) == "FILLED 500/0"


def test_a_fill_beyond_the_pending_quantity_refuses_the_replace_and_the_answer_comes_late(desk: Desk) -> None:
    order_id = desk.given("LIVE", clOrdId="first")
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="500", clOrdId="second")
    result = desk.fill(order_id, "600")
    assert written(result) == [f"{order_id} ExecutionCreated", f"{order_id} OrderReplaceRejected"]
    assert payload(desk, order_id, "OrderReplaceRejected")["cxlRejReason"] == 0
    assert (book(desk, order_id), desk.order(order_id).cl_ord_id) == ("LIVE 600/400", "first")
    late = desk.ok("OrderReplaceRejectCmd", orderId=order_id)
    assert (late.duplicate, late.events) == (True, ())
    assert told(desk.refused("OrderReplaceAcceptCmd", orderId=order_id)) == ("OMS-STATE-002", "LIF-02")
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="700")
    assert not desk.ok("OrderReplaceRejectCmd", orderId=order_id).duplicate


def test_a_fill_beyond_the_pending_quantity_frees_nothing_above(desk: Desk) -> None:
    root, market = tree(desk, "1000", "600")
    desk.ok("OrderReplaceCmd", orderId=market, orderQty="1000")
    assert desk.order(root).place_qty == 1000
    desk.fill(market, "600")
    assert (book(desk, market), desk.order(root).place_qty) == ("FILLED 600/0", 600)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("OrderCancelAcceptCmd", {"unsolicited": True}),
        ("OrderRejectCmd", {}),
        ("OrderExpireCmd", {}),
        ("ExecutionCreateCmd", {"execId": "e1", "lastQty": "1000", "lastPx": "1"}),
    ],
)
@pytest.mark.parametrize("request_", ["OrderCancelCmd", "OrderReplaceCmd"])
def test_a_request_is_resolved_when_the_order_ends_otherwise(
    request_: str, kind: str, fields: dict[str, object], desk: Desk
) -> None:
    order_id = desk.given("LIVE")
    desk.ok(request_, orderId=order_id, **({"price": "1"} if request_ == "OrderReplaceCmd" else {}))
    named = {"orderId": order_id, **fields}
    result = desk.ok(kind, **({"execution": named} if kind == "ExecutionCreateCmd" else named))
    answer = "OrderCancelReject" if request_ == "OrderCancelCmd" else "OrderReplaceReject"
    if (request_, kind) == ("OrderCancelCmd", "OrderCancelAcceptCmd"):
        assert desk.order(order_id).cancel_state == "CXL"
        return
    assert written(result)[-1] == f"{order_id} {answer}ed"
    assert payload(desk, order_id, f"{answer}ed")["cxlRejReason"] == 0
    assert (desk.order(order_id).cancel_state, desk.order(order_id).pending_replace) == ("REJ", None)
    late = desk.ok(f"{answer}Cmd", orderId=order_id)
    assert (late.duplicate, late.events) == (True, ())


def test_what_the_market_has_refused_comes_no_second_time(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.ok("OrderReplaceCmd", orderId=order_id, price="1")
    desk.ok("OrderReplaceRejectCmd", orderId=order_id)
    assert told(desk.refused("OrderReplaceRejectCmd", orderId=order_id)) == ("OMS-STATE-002", "LIF-02")


def test_cxl_02_the_client_order_id_is_the_current_one(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    assert refusal(desk, "OrderCancelCmd", orderId=order_id, origClOrdId="x") == ("OMS-VAL-001", "CXL-02", 1)


def test_cxl_05_a_replace_is_answered_before_a_cancel(desk: Desk) -> None:
    root, market = tree(desk, "1000", "300")
    piece = child(desk, market, "300")
    desk.ok("OrderReplaceCmd", orderId=piece, price="1")
    for order_id in (piece, market, root):
        assert refusal(desk, "OrderCancelCmd", orderId=order_id) == ("OMS-STATE-002", "CXL-05", 3)


def test_cxl_05_what_is_not_forwarded_waits_for_nobody(desk: Desk) -> None:
    root = client(desk, autoForward=False)
    market = child(desk, root, "300")
    desk.ok("OrderReplaceCmd", orderId=market, price="1")
    desk.ok("OrderCancelCmd", orderId=root)


def test_a_cancel_asks_no_child_twice(desk: Desk) -> None:
    root, first, second = tree(desk, "1000", "300", "300")
    desk.ok("OrderCancelCmd", orderId=first)
    result = desk.ok("OrderCancelCmd", orderId=root)
    assert written(result) == [f"{root} OrderCancelRequested", f"{second} OrderCancelRequested"]


def test_a_new_order_is_cancelled_at_once_in_the_profile_desk() -> None:
    desk = Desk(lifecycle__profile="desk")
    root = client(desk)
    held = child(desk, root, "300", "NEW")
    result = desk.ok("OrderCancelCmd", orderId=held)
    assert [event.type for event in result.events] == [
        "OrderCancelRequested",
        "OrderCancelled",
        "OrderPlacementChanged",
    ]
    assert (book(desk, held), book(desk, root), desk.order(root).place_qty) == ("CXL 0/0", "NEW 0/1000", 0)
