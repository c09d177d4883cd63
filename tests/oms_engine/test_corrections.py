"""What does a correction change above the order that was executed? Whack, bust and correct through trees and groups."""

import pytest

from tests.oms_engine.desk import Desk
from tests.oms_engine.trees import (
    READ_MODEL,
    allocations,
    book,
    bust,
    child,
    client,
    correct,
    group,
    handed,
    live_group,
    payload,
    shares,
    told,
    tree,
    whack,
    written,
)

TAKE_BACK = {"ExecutionWhackCmd": whack, "ExecutionBustCmd": bust}


@pytest.mark.parametrize("kind", TAKE_BACK)
def test_a_taken_back_execution_is_taken_back_at_every_level(kind: str, desk: Desk) -> None:
    root, market = tree(desk, "1000", "800")
    piece = child(desk, market, "500")
    desk.fill(piece, "300", "10")
    desk.fill(piece, "100", "20")
    TAKE_BACK[kind](desk, piece)
    assert shares(desk, piece, market, root) == "100@20 100@20 100@20"
    assert [book(desk, each) for each in (piece, market, root)] == ["LIVE 100/400", "LIVE 100/700", "LIVE 100/900"]
    status = "WHACKED" if kind == "ExecutionWhackCmd" else "BUSTED"
    assert [execution.status for execution in desk.engine.executions(piece)] == [status, "ACTIVE"]
    reversed_rows = allocations(desk, status="REVERSED")
    assert [(row.giver_order_id, row.receiver_order_id) for row in reversed_rows] == [(piece, market), (market, root)]


def test_a_restated_price_changes_averages_and_nothing_else(desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    piece = child(desk, market, "500")
    desk.fill(piece, "200", "10")
    desk.fill(piece, "300", "20")
    states = [book(desk, each) for each in (piece, market, root)]
    result = correct(desk, piece, "200", "15")
    assert [book(desk, each) for each in (piece, market, root)] == states == ["FILLED 500/0"] * 3
    assert shares(desk, piece, market, root) == "500@18 500@18 500@18"
    assert not {"OrderReopened", "OrderFilled"} & {event.type for event in result.events}


def test_less_quantity_reopens_and_more_completes_every_level(desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    piece = child(desk, market, "500")
    desk.fill(piece, "500", "10")
    less = correct(desk, piece, "400", "10")
    assert [book(desk, each) for each in (piece, market, root)] == ["LIVE 400/100"] * 3
    assert [event.type for event in less.events].count("OrderReopened") == 3
    assert payload(desk, root, "OrderReopened") == {"reason": "CORRECT", "execId": "e1"}
    more = correct(desk, piece, "500", "10")
    assert [book(desk, each) for each in (piece, market, root)] == ["FILLED 500/0"] * 3
    assert [event.type for event in more.events].count("OrderFilled") == 3
    corrected = desk.engine.executions(piece)[0]
    assert (corrected.status, corrected.last_qty, corrected.orig_last_qty) == ("CORRECTED", 500, 500)


def test_a_corrected_execution_can_be_corrected_and_taken_back_again(desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    desk.fill(market, "200", "10")
    correct(desk, market, "300", "11")
    correct(desk, market, "100", "12")
    assert shares(desk, root) == "100@12"
    whack(desk, market)
    assert shares(desk, market, root) == "0@0 0@0"
    problem = desk.refused("ExecutionBustCmd", orderId=market, execId="e1")
    assert told(problem) == ("OMS-EXEC-005", "WHK-04")


def test_a_restated_quantity_fits_the_order_and_what_its_parents_have_placed(desk: Desk) -> None:
    root, market = tree(desk, "1000", "500")
    desk.fill(market, "300", "10")
    asked = {"orderId": market, "execRefId": "e1", "lastPx": "10"}
    assert told(desk.refused("ExecutionCorrectCmd", **asked, lastQty="501")) == ("OMS-EXEC-004", "COR-02")
    desk.ok("OrderCancelCmd", orderId=market)
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    child(desk, root, "600")
    assert told(desk.refused("ExecutionCorrectCmd", **asked, lastQty="401")) == ("OMS-EXEC-004", "COR-02")
    desk.ok("ExecutionCorrectCmd", **asked, lastQty="400")
    assert (book(desk, market), book(desk, root)) == ("CXL 400/0", "LIVE 400/600")
    changed = {"childOrderId": market, "placeQtyDelta": "100", "reason": "CHILD_CORRECTED"}
    assert (payload(desk, root, "OrderPlacementChanged"), desk.order(root).place_qty) == (changed, 1000)


def test_the_correcting_report_has_an_id_of_its_own(desk: Desk) -> None:
    _root, market = tree(desk, "1000", "500")
    desk.fill(market, "300", "10")
    asked = {"orderId": market, "execRefId": "e1", "execId": "r1"}
    desk.ok("ExecutionCorrectCmd", **asked, lastQty="200", lastPx="10")
    again = desk.refused("ExecutionCorrectCmd", **asked, lastQty="100", lastPx="10")
    assert told(again) == ("OMS-EXEC-002", "COR-04")
    fill = {"orderId": market, "execId": "r1", "lastQty": "1", "lastPx": "1"}
    assert told(desk.refused("ExecutionCreateCmd", execution=fill)) == ("OMS-EXEC-002", "EX-06")
    result = desk.ok("ExecutionCorrectCmd", orderId=market, execId="e1", lastQty="100", lastPx="10")
    assert (result.id, payload(desk, market, "ExecutionCorrected")["qtyDelta"]) == ("e1", "-100")


@pytest.mark.parametrize("auto", [(True, False), (False, True), (False, False)])
def test_straight_and_manual_levels_give_back_together(auto: tuple[bool, bool], desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "800", autoAllocation=auto[0])
    piece = child(desk, market, "800", autoAllocation=auto[1])
    desk.fill(piece, "300", "10")
    desk.fill(piece, "300", "20")
    for each, straight in ((piece, auto[1]), (market, auto[0])):
        if not straight:
            desk.ok("AllocationApproveCmd", orderId=each, quantity="400")
    bust(desk, piece)
    assert shares(desk, piece, market, root) == "300@20 300@20 300@20"
    assert [handed(desk, each) for each in (piece, market)] == ["ALLOCATED 300+0"] * 2


def test_what_is_pending_at_two_levels_gives_first(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "800", autoAllocation=False)
    piece = child(desk, market, "800", autoAllocation=False)
    for price in ("10", "20", "30"):
        desk.fill(piece, "200", price)
    desk.ok("AllocationApproveCmd", orderId=piece, quantity="400")
    desk.ok("AllocationApproveCmd", orderId=market, quantity="200")
    bust(desk, piece)
    assert [handed(desk, each) for each in (piece, market)] == ["ALLOCATED 400+0", "PENDING_ALLOC 200+200"]
    assert shares(desk, market, root) == "400@25 200@20"


@pytest.mark.parametrize(("end", "ended"), [("OrderCancelCmd", "CXL"), ("OrderExpireCmd", "EXP")])
def test_a_correction_below_an_ended_parent_moves_its_quantities_only(end: str, ended: str, desk: Desk) -> None:
    root, market = tree(desk, "1000", "500")
    desk.fill(market, "200", "10")
    desk.ok("OrderExpireCmd", orderId=market)
    desk.ok(end, orderId=root)
    correct(desk, market, "100", "20")
    assert [book(desk, each) for each in (market, root)] == ["EXP 100/0", f"{ended} 100/0"]
    assert (desk.order(root).avg_px, desk.order(root).place_qty) == (20, 100)
    correct(desk, market, "400", "20")
    assert [book(desk, each) for each in (market, root)] == ["EXP 400/0", f"{ended} 400/0"]


def test_a_restated_quantity_can_complete_an_open_parent_of_an_ended_child(desk: Desk) -> None:
    root, market = tree(desk, "300", "300")
    desk.fill(market, "200", "10")
    desk.ok("OrderCancelCmd", orderId=market)
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert book(desk, root) == "LIVE 200/100"
    correct(desk, market, "300", "10")
    assert [book(desk, each) for each in (market, root)] == ["CXL 300/0", "FILLED 300/0"]


@pytest.mark.parametrize("auto", [True, False])
def test_a_correction_reaches_the_members_of_a_group_and_nothing_else_moves(auto: bool, desk: Desk) -> None:
    group(desk, "300", "200", "100", autoAllocation=auto)
    market = child(desk, "g", "600")
    for price in ("10", "20"):
        desk.fill(market, "60", price)
    if not auto:
        desk.ok("AllocationApproveCmd", orderId="g")
    bust(desk, market)
    assert shares(desk, "g", "m1", "m2", "m3") == "60@20 30@20 20@20 10@20"
    correct(desk, market, "120", "25", "e2")
    expected = "120@25 60@25 40@25 20@25" if auto else "120@25 30@25 20@25 10@25"
    assert shares(desk, "g", "m1", "m2", "m3") == expected


def test_a_correction_in_a_group_is_written_giver_first_and_members_by_id(desk: Desk) -> None:
    live_group(desk, "1", "1")
    desk.fill("g", "2", "10")
    result = bust(desk, "g")
    assert written(result) == [
        "g ExecutionBusted",
        "g OrderReopened",
        "g AllocationReversed",
        "m1 AllocationReversed",
        "m1 OrderReopened",
        "m2 AllocationReversed",
        "m2 OrderReopened",
    ]
    given_back = payload(desk, "g", "AllocationReversed")
    assert [(share["orderId"], share["lots"][0]["quantity"]) for share in given_back["shares"]] == [
        ("m1", "1"),
        ("m2", "1"),
    ]


def test_what_follows_a_correction_names_what_brought_it_about(desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    desk.fill(market, "500")
    bust(desk, market)
    below = {event.type: event for event in desk.engine.history(market)[-3:]}
    above = {event.type: event for event in desk.engine.history(root)[-2:]}
    assert below["ExecutionBusted"].causation_id == below["ExecutionBusted"].command_id
    assert above["AllocationReversed"].causation_id.startswith(f"order-{market}@")
    assert above["OrderReopened"].causation_id.startswith(f"order-{market}@")


def test_the_read_model_of_trees_and_groups_is_what_their_events_say(desk: Desk) -> None:
    root, market = tree(desk, "1000", "800", autoAllocation=False)
    piece = child(desk, market, "500")
    for price in ("10", "20", "30"):
        desk.fill(piece, "100", price)
    desk.ok("AllocationApproveCmd", orderId=market, quantity="150")
    correct(desk, piece, "50", "11")
    live_group(desk, "300", "200", "100")
    desk.fill("g", "7", "10")
    bust(desk, "g")
    desk.ok("OrderCancelCmd", orderId=root)
    before = desk.rows(READ_MODEL)
    assert desk.engine.rebuild() == desk.engine.counts()["events"]
    assert desk.rows(READ_MODEL) == before
    assert {row.status for row in allocations(desk)} == {"APPLIED", "REVERSED"}


def test_a_restated_quantity_of_zero_is_out_of_range_and_not_missing(desk: Desk) -> None:
    order_id = desk.given("PART")
    asked = {"orderId": order_id, "execRefId": "e1", "lastQty": "0", "lastPx": "0"}
    problem = desk.refused("ExecutionCorrectCmd", **asked)
    assert [(found.rule_id, found.code, found.field) for found in problem.violations] == [
        ("EX-03", "OMS-VAL-005", "lastQty"),
        ("EX-03", "OMS-VAL-005", "lastPx"),
    ]
