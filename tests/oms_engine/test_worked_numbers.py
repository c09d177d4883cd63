"""Do the quantities come out as the specification works them? Examples N1 to N31, G1 to G10, X1 and X2."""

from decimal import ROUND_HALF_UP, Decimal

import pytest

from oms_engine.domain.quantities import round_half_up
from tests.oms_engine.desk import Desk
from tests.oms_engine.trees import book, bust, child, client, code, correct, got, handed, live_group, tree

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


def test_n15_a_correction_counts_with_its_new_values(desk: Desk) -> None:
    order_id = filled(desk, "1000", ("500", "100"), ("300", "101"))
    correct(desk, order_id, "50", "10")
    state = desk.engine.state_at(order_id)
    assert state is not None
    assert state.notional == 30800
    assert position(desk, order_id) == "LIVE cum 350 leaves 650 avg 88.0000"


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


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("1500", "LIVE cum 500 leaves 1000 avg 100.0000"),
        ("600", "LIVE cum 500 leaves 100 avg 100.0000"),
        ("500", "FILLED cum 500 leaves 0 avg 100.0000"),
        ("400", "OMS-ORDER-004"),
    ],
)
def test_n18_a_replace_moves_what_is_open(asked: str, expected: str, desk: Desk) -> None:
    order_id = filled(desk, "1000", ("500", "100"))
    if expected.startswith("OMS"):
        assert code(desk, "OrderReplaceCmd", orderId=order_id, orderQty=asked) == expected
        return
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty=asked)
    desk.ok("OrderReplaceAcceptCmd", orderId=order_id)
    assert position(desk, order_id) == expected


def test_n19_a_fill_beyond_the_pending_quantity_refuses_the_replace(desk: Desk) -> None:
    order_id = filled(desk, "1000")
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="500")
    result = desk.fill(order_id, "600")
    assert [event.type for event in result.events] == ["ExecutionCreated", "OrderReplaceRejected"]
    assert position(desk, order_id) == "LIVE cum 600 leaves 400 avg 100.0000"
    assert (desk.order(order_id).cancel_state, desk.order(order_id).order_qty) == ("REJ", 1000)


def test_n20_children_are_placed_within_their_parent(desk: Desk) -> None:
    root = client(desk)
    placed = []
    for quantity in ("500", "300"):
        child(desk, root, quantity, "NEW")
        placed.append(desk.order(root).place_qty)
    assert placed == [500, 800]
    problem = desk.refused("OrderCreateCmd", order=desk.asked(parentOrderId=root, orderQty="300"))
    assert problem.error_code == "OMS-ORDER-004"
    assert "1100" in problem.detail


def test_n21_what_a_child_leaves_is_free_again(desk: Desk) -> None:
    root, first, _second = tree(desk, "1000", "500", "500")
    desk.fill(first, "300")
    assert desk.order(root).place_qty == 1000
    desk.ok("OrderCancelCmd", orderId=first)
    desk.ok("OrderCancelAcceptCmd", orderId=first)
    assert (book(desk, root), desk.order(root).place_qty) == ("LIVE 300/700", 800)


def test_n22_fills_go_straight_through(desk: Desk) -> None:
    root, market = tree(desk, "1000", "500")
    seen = []
    for fill in (("300", "100.00"), ("150", "100.50"), ("50", "101.00")):
        desk.fill(market, *fill)
        seen.append(position(desk, root))
    assert seen == [
        "LIVE cum 300 leaves 700 avg 100.0000",
        "LIVE cum 450 leaves 550 avg 100.1667",
        "LIVE cum 500 leaves 500 avg 100.2500",
    ]
    assert desk.order(market).state == "FILLED"


def test_n23_children_add_up(desk: Desk) -> None:
    root, first, second = tree(desk, "2000", "1200", "800")
    desk.fill(first, "1200", "100")
    desk.fill(second, "500", "101")
    assert position(desk, root) == "LIVE cum 1700 leaves 300 avg 100.2941"
    assert desk.order(root).place_qty == 2000


def test_n24_the_desk_hands_on_a_part(desk: Desk) -> None:
    root, market = tree(desk, "1000", "1000", autoAllocation=False)
    desk.fill(market, "800", "50")
    assert (handed(desk, market), desk.order(root).cum_qty) == ("PENDING_ALLOC 0+800", 0)
    desk.ok("AllocationApproveCmd", orderId=market, quantity="600")
    assert handed(desk, market) == "PENDING_ALLOC 600+200"
    assert position(desk, root) == "LIVE cum 600 leaves 400 avg 50.0000"


def test_n25_what_was_refused_is_part_of_the_next_approval(desk: Desk) -> None:
    root, market = tree(desk, "1000", "800", autoAllocation=False)
    desk.fill(market, "500", "99.50")
    desk.ok("AllocationApproveCmd", orderId=market, quantity="300")
    assert position(desk, root) == "LIVE cum 300 leaves 700 avg 99.5000"
    desk.ok("AllocationRejectCmd", orderId=market, quantity="200")
    assert handed(desk, market) == "ALLOC_FAILED 300+200"
    desk.fill(market, "200", "99.75")
    assert desk.order(market).pending_alloc_qty == 400
    desk.ok("AllocationApproveCmd", orderId=market, quantity="400")
    assert position(desk, root) == "LIVE cum 700 leaves 300 avg 99.5714"
    assert handed(desk, market) == "ALLOCATED 700+0"


def test_n26_only_what_was_handed_on_counts_above(desk: Desk) -> None:
    root, first = tree(desk, "2000", "1000")
    second = child(desk, root, "300", autoAllocation=False)
    desk.fill(first, "1000", "50.10")
    desk.fill(second, "300", "50.80")
    desk.ok("AllocationApproveCmd", orderId=second, quantity="200")
    assert position(desk, root) == "LIVE cum 1200 leaves 800 avg 50.2167"


def test_n27_averages_are_made_of_lots_not_of_averages(desk: Desk) -> None:
    root, first, second = tree(desk, "2000", "1000", "500")
    desk.fill(first, "400", "50.00")
    desk.fill(first, "600", "50.50")
    desk.fill(second, "500", "51.00")
    assert position(desk, first) == "FILLED cum 1000 leaves 0 avg 50.3000"
    assert position(desk, root) == "LIVE cum 1500 leaves 500 avg 50.5333"


def test_n28_each_level_has_its_own_leaves(desk: Desk) -> None:
    root, market = tree(desk, "1000", "800")
    desk.fill(market, "600", "150")
    assert (book(desk, root), desk.order(root).place_qty) == ("LIVE 600/400", 800)
    assert (book(desk, market), desk.order(market).alloc_qty) == ("LIVE 600/200", 600)


def test_n29_a_bust_below_reopens_the_client_order(desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    desk.fill(market, "500")
    assert book(desk, root) == "FILLED 500/0"
    bust(desk, market)
    assert [book(desk, each) for each in (market, root)] == ["LIVE 0/500", "LIVE 0/500"]
    assert desk.order(root).alloc_qty == 0


@pytest.mark.parametrize(
    ("answer", "expected", "place_qty", "cancel_state"),
    [
        ("OrderCancelAcceptCmd", "CXL 400/0", 400, "CXL"),
        ("OrderCancelRejectCmd", "LIVE 400/600", 700, "REJ"),
    ],
)
def test_n30_a_client_order_ends_as_its_children_answer(
    answer: str, expected: str, place_qty: int, cancel_state: str, desk: Desk
) -> None:
    root, first, second, third = tree(desk, "1000", "300", "400", "300")
    desk.fill(first, "300")
    desk.fill(second, "100")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok(answer, orderId=second)
    desk.ok("OrderCancelAcceptCmd", orderId=third)
    order = desk.order(root)
    assert (book(desk, root), order.place_qty, order.cancel_state) == (expected, place_qty, cancel_state)


@pytest.mark.parametrize(
    ("busted", "below", "above"),
    [
        ("e1", "LIVE cum 300 leaves 500 avg 99.7500", "LIVE cum 300 leaves 700 avg 99.7500"),
        ("e2", "LIVE cum 500 leaves 300 avg 99.5000", "LIVE cum 500 leaves 500 avg 99.5000"),
    ],
)
def test_x1_pending_quantity_gives_first(busted: str, below: str, above: str, desk: Desk) -> None:
    root, market = tree(desk, "1000", "800", autoAllocation=False)
    desk.fill(market, "500", "99.50")
    desk.fill(market, "300", "99.75")
    desk.ok("AllocationApproveCmd", orderId=market, quantity="600")
    assert position(desk, root) == "LIVE cum 600 leaves 400 avg 99.5417"
    bust(desk, market, busted)
    assert (position(desk, market), position(desk, root)) == (below, above)
    assert desk.order(market).pending_alloc_qty == 0


@pytest.mark.parametrize(
    ("wanted", "lots", "expected"),
    [
        pytest.param("2000 2000 1000", "3000", ["1200 1200 600"], id="G1"),
        pytest.param("1000 1000 1000", "1000", ["333 333 334"], id="G2"),
        pytest.param("1000 1000 1000", "1000 1000 1000", ["333 333 334", "666 667 667", "1000 1000 1000"], id="G3"),
        pytest.param("1000 1000 1000", "3000", ["1000 1000 1000"], id="G4"),
        pytest.param("300 200 100", "7 7 7", ["4 2 1", "7 5 2", "10 7 4"], id="G5"),
        pytest.param("100 100 100", "1 1 1 1 1 1", ["0 0 1", "0 1 1", "1 1 1", "1 1 2", "1 2 2", "2 2 2"], id="G6"),
        pytest.param("700 200 100", "333 333 334", ["233 67 33", "466 133 67", "700 200 100"], id="G7"),
        pytest.param("2000 3000", "3000 2000", ["1200 1800", "2000 3000"], id="G9"),
    ],
)
def test_g_a_group_shares_by_deficit(wanted: str, lots: str, expected: list[str], desk: Desk) -> None:
    live_group(desk, *wanted.split())
    names = [f"m{n}" for n in range(1, len(wanted.split()) + 1)]
    seen = []
    for lot in lots.split():
        desk.fill("g", lot)
        seen.append(got(desk, *names))
    assert seen == expected
    complete = seen[-1] == wanted
    assert {desk.order(name).state for name in ("g", *names)} == {"FILLED" if complete else "LIVE"}


def test_g8_members_have_the_average_of_the_group(desk: Desk) -> None:
    live_group(desk, "1000", "1500")
    desk.fill("g", "2500", "149.95")
    assert [position(desk, each) for each in ("g", "m1", "m2")] == [
        "FILLED cum 2500 leaves 0 avg 149.9500",
        "FILLED cum 1000 leaves 0 avg 149.9500",
        "FILLED cum 1500 leaves 0 avg 149.9500",
    ]


def test_g10_a_cancelled_group_keeps_what_its_members_got(desk: Desk) -> None:
    live_group(desk, "2000", "2000", "1000")
    desk.fill("g", "2000")
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId="g")
    assert [book(desk, each) for each in ("g", "m1", "m2", "m3")] == [
        "CXL 2000/0",
        "CXL 800/0",
        "CXL 800/0",
        "CXL 400/0",
    ]


def test_x2_a_bust_takes_its_own_shares_back_and_later_lots_rebalance(desk: Desk) -> None:
    live_group(desk, "300", "200", "100")
    desk.fill("g", "7")
    desk.fill("g", "7")
    bust(desk, "g", "e1")
    assert got(desk, "m1", "m2", "m3") == "3 3 1"
    desk.fill("g", "7")
    assert got(desk, "m1", "m2", "m3") == "7 5 2"
