"""How are client orders traded as one? Rules GRP-01 to GRP-13, and how members follow their group."""

import pytest

from tests.oms_engine.desk import Desk
from tests.oms_engine.trees import (
    allocations,
    book,
    bust,
    child,
    client,
    code,
    correct,
    got,
    group,
    handed,
    live_group,
    members,
    payload,
    shares,
    told,
    written,
)


def grouping(*names: str, **fields: object) -> dict[str, object]:
    return {"memberOrderIds": list(names), "groupOrderId": "g"} | fields


@pytest.mark.parametrize("count", [0, 1, 101])
def test_grp_01_a_group_has_2_to_100_members(count: int, desk: Desk) -> None:
    names = members(desk, *["1"] * count)
    assert told(desk.refused("OrderGroupCmd", **grouping(*names))) == ("OMS-VAL-005", "GRP-01")


def test_grp_01_the_upper_bound_is_a_setting_and_every_member_is_named_once() -> None:
    desk = Desk(grouping__maxMembers=3)
    names = members(desk, *["1"] * 4)
    assert told(desk.refused("OrderGroupCmd", **grouping(*names)))[1] == "GRP-01"
    assert told(desk.refused("OrderGroupCmd", **grouping("m1", "m1")))[1] == "GRP-01"
    desk.ok("OrderGroupCmd", **grouping(*names[:3]))


def test_grp_02_every_member_exists(desk: Desk) -> None:
    members(desk, "1")
    assert told(desk.refused("OrderGroupCmd", **grouping("m1", "nobody"))) == ("OMS-ORDER-001", "GRP-02")


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("symbol", {"symbol": "MSFT"}),
        ("side", {"side": "SELL"}),
        ("ordType", {"ordType": "MARKET", "price": None}),
        ("price", {"price": "101"}),
        ("stopPx", {"stopPx": "99"}),
        ("timeInForce", {"timeInForce": "GOOD_TILL_CANCEL"}),
    ],
)
def test_grp_03_members_ask_for_the_same(field: str, other: dict[str, object], desk: Desk) -> None:
    members(desk, "1")
    members(desk, "1", **other)
    problem = desk.refused("OrderGroupCmd", **grouping("m1", "m2"))
    assert told(problem) == ("OMS-VAL-001", "GRP-03")
    assert field in problem.detail


OPTION = {
    "securityType": "OPT",
    "strikePrice": "50",
    "putOrCall": 1,
    "maturityMonthYear": "202612",
    "maturityDate": "2026-12-18",
    "underlyingSecurityType": "CS",
}
TERMS = {
    "priceType": "YIELD",
    "securityId": "US4592001014",
    "securityIdSource": "ISIN",
    "securityExchange": "XNYS",
    "settlCurrency": "USD",
    "settlType": "SPOT",
    "settlDate": "2026-01-05",
    "expireTime": "2026-01-03T00:00:00Z",
}


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("strikePrice", "60"),
        ("putOrCall", 0),
        ("maturityMonthYear", "202703"),
        ("maturityDate", "2026-12-19"),
        ("underlyingSecurityType", "FUT"),
    ],
)
def test_grp_03_members_ask_for_the_same_contract(field: str, other: object, desk: Desk) -> None:
    members(desk, "1", **OPTION)
    members(desk, "1", **(OPTION | {field: other}))
    problem = desk.refused("OrderGroupCmd", **grouping("m1", "m2"))
    assert told(problem) == ("OMS-VAL-001", "GRP-03")
    assert problem.detail == f"the members differ in {field}; group orders that ask for the same"


@pytest.mark.parametrize("field", TERMS)
def test_grp_03_members_ask_for_the_same_security_on_the_same_terms(field: str, desk: Desk) -> None:
    members(desk, "1")
    members(desk, "1", **{field: TERMS[field]})
    problem = desk.refused("OrderGroupCmd", **grouping("m1", "m2"))
    assert problem.detail == f"the members differ in {field}; group orders that ask for the same"


def test_grp_07_the_group_has_the_contract_and_the_terms_of_its_members(desk: Desk) -> None:
    members(desk, "1", "1", **OPTION, **TERMS, securityDesc="a call")
    desk.ok("OrderGroupCmd", **grouping("m1", "m2"))
    member, block = (desk.order(name).to_wire() for name in ("m1", "g"))
    taken = (*OPTION, *TERMS, "assetClass", "securityDesc")
    assert {name: block[name] for name in taken} == {name: member[name] for name in taken}


def test_grp_03_cash_orders_are_not_grouped(desk: Desk) -> None:
    members(desk, "1", "1", orderQty=None, cashOrderQty="50", securityType="MF", side="SUBSCRIBE")
    assert told(desk.refused("OrderGroupCmd", **grouping("m1", "m2"))) == ("OMS-VAL-001", "GRP-03")


@pytest.mark.parametrize("state", ["UNACK", "LIVE", "FILLED", "CXL", "REJ", "EXP", "CLOSED"])
def test_grp_04_every_member_is_new(state: str, desk: Desk) -> None:
    members(desk, "1000")
    sent = desk.given(state)
    assert told(desk.refused("OrderGroupCmd", **grouping("m1", sent))) == ("OMS-STATE-002", "GRP-04")


def test_grp_05_every_member_stands_alone(desk: Desk) -> None:
    group(desk, "1", "1")
    members(desk, "10", "10")
    below = child(desk, "m3", "5", "NEW")
    for name in ("m1", "g", "m3", below):
        assert told(desk.refused("OrderGroupCmd", **grouping("m4", name, groupOrderId="h")))[1] == "GRP-05"


@pytest.mark.parametrize("approved_by", [None, "ann", " ANN "])
def test_grp_06_a_group_over_accounts_is_approved_where_that_is_asked_for(approved_by: str | None) -> None:
    desk = Desk(grouping__crossAccount="approve")
    members(desk, "1", "1")
    members(desk, "1", account="OTHER")
    people = {"groupedBy": "ann"} | ({"approvedBy": approved_by} if approved_by else {})
    problem = desk.refused("OrderGroupCmd", **grouping("m1", "m3", **people))
    assert told(problem) == ("OMS-AUTH-001", "GRP-06")
    desk.ok("OrderGroupCmd", **grouping("m1", "m3", groupedBy="ann", approvedBy="bob"))
    assert desk.order("g").account == "BLOCK"


def test_grp_06_one_account_needs_no_approval() -> None:
    desk = Desk(grouping__crossAccount="approve")
    members(desk, "1", "1")
    desk.ok("OrderGroupCmd", **grouping("m1", "m2"))
    assert desk.order("g").account == "ACC"


def test_grp_07_a_group_is_an_order_over_the_sum_of_its_members(desk: Desk) -> None:
    names = members(desk, "300", "200.5")
    result = desk.ok("OrderGroupCmd", memberOrderIds=names[::-1], groupedBy="ann")
    assert written(result) == [
        f"{result.id} OrderCreated",
        f"{result.id} OrderGrouped",
        "m1 OrderGrouped",
        "m2 OrderGrouped",
    ]
    block = desk.order(result.id)
    assert result.id.startswith("GRP-")
    assert (block.state, block.role, block.leg, block.handl_inst) == ("NEW", "GROUP", "CLI", "MANUAL")
    assert (block.order_qty, block.leaves_qty, block.member_count, block.is_grouped_order) == (
        500.5,
        500.5,
        2,
        True,
    )
    assert (block.cl_ord_id, block.root_order_id, block.group_order_id) == (result.id,) * 3
    assert (block.symbol, block.side, block.ord_type, block.price, block.time_in_force) == (
        "IBM",
        "BUY",
        "LIMIT",
        100,
        "DAY",
    )
    member = desk.order("m1")
    assert (member.group_order_id, member.grouped_by, member.is_grouped_order) == (result.id, "ann", False)
    assert payload(desk, result.id, "OrderGrouped") == {"memberOrderIds": ["m1", "m2"], "groupedBy": "ann"}
    assert payload(desk, "m1", "OrderGrouped") == {"groupOrderId": result.id, "groupedBy": "ann"}


def test_grp_07_the_id_of_a_group_is_unused(desk: Desk) -> None:
    names = members(desk, "1", "1")
    other = client(desk, clOrdId="used")
    assert told(desk.refused("OrderGroupCmd", **grouping(*names, groupOrderId=other))) == ("OMS-DATA-001", "GRP-07")
    assert told(desk.refused("OrderGroupCmd", **grouping(*names, groupOrderId="used"))) == ("OMS-DATA-001", "GRP-07")
    assert told(desk.refused("OrderGroupCmd", **grouping(*names, groupOrderId="g!"))) == ("OMS-VAL-004", "GRP-07")
    assert told(desk.refused("OrderGroupCmd", **grouping(*names, groupOrderId="g" * 49)))[1] == "GRP-07"


def test_grp_07_risk_limits_of_orders_do_not_bind_the_sum() -> None:
    desk = Desk(risk__maxOrderQty={"*": "100"})
    group(desk, "80", "80")
    assert desk.order("g").order_qty == 160


def test_grp_08_an_untouched_group_is_dissolved(desk: Desk) -> None:
    group(desk, "300", "200")
    result = desk.ok("OrderUngroupCmd", groupOrderId="g")
    assert written(result) == ["g OrderUngrouped", "m1 OrderUngrouped", "m2 OrderUngrouped"]
    block = desk.order("g")
    assert (block.state, block.order_qty, block.leaves_qty, block.member_count) == ("NEW", 0, 0, 0)
    assert (desk.order("m1").group_order_id, desk.order("m1").grouped_by) == (None, None)
    dissolved = {"memberOrderIds": ["m1", "m2"], "orderQtyDelta": "-500"}
    assert payload(desk, "g", "OrderUngrouped") == dissolved
    desk.ok("OrderPlaceCmd", orderId="m1")
    members(desk, "100")
    desk.ok("OrderGroupCmd", memberOrderIds=["m2", "m3"], groupOrderId="h")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("OrderPlaceCmd", "orderId"),
        ("OrderAcceptCmd", "orderId"),
        ("OrderRejectCmd", "orderId"),
        ("OrderCancelCmd", "orderId"),
        ("OrderCancelAcceptCmd", "orderId"),
        ("OrderCancelRejectCmd", "orderId"),
        ("OrderReplaceCmd", "orderId"),
        ("OrderReplaceAcceptCmd", "orderId"),
        ("OrderReplaceRejectCmd", "orderId"),
        ("OrderExpireCmd", "orderId"),
        ("OrderCloseCmd", "orderId"),
        ("OrderUngroupCmd", "groupOrderId"),
        ("AllocationApproveCmd", "orderId"),
    ],
)
@pytest.mark.parametrize("profile", ["standard", "desk"])
def test_grp_08_a_dissolved_group_accepts_no_further_command(kind: str, name: str, profile: str) -> None:
    desk = Desk(lifecycle__profile=profile)
    group(desk, "300", "200")
    desk.ok("OrderUngroupCmd", groupOrderId="g")
    problem = desk.refused(kind, **{name: "g"}, **({"orderQty": "5"} if kind == "OrderReplaceCmd" else {}))
    replaced, decided = kind == "OrderReplaceCmd", kind == "AllocationApproveCmd"
    assert told(problem) == ("OMS-STATE-002", "RPL-10" if replaced else "ALC-02" if decided else "GRP-08")
    assert code(desk, "OrderCreateCmd", order=desk.asked(parentOrderId="g", orderQty="1")) == "OMS-STATE-002"


def test_grp_08_only_a_group_that_nothing_happened_to_is_dissolved(desk: Desk) -> None:
    group(desk, "300", "200")
    assert told(desk.refused("OrderUngroupCmd", groupOrderId="m1")) == ("OMS-STATE-002", "GRP-08")
    assert told(desk.refused("OrderUngroupCmd", groupOrderId="nobody")) == ("OMS-ORDER-001", "GRP-08")
    held = child(desk, "g", "100", "NEW")
    assert told(desk.refused("OrderUngroupCmd", groupOrderId="g")) == ("OMS-STATE-002", "GRP-08")
    desk.ok("OrderPlaceCmd", orderId=held)
    assert code(desk, "OrderUngroupCmd", groupOrderId="g") == "OMS-STATE-002"


MEMBER_COMMANDS = (
    "OrderPlaceCmd",
    "OrderAcceptCmd",
    "OrderRejectCmd",
    "OrderCancelCmd",
    "OrderCancelAcceptCmd",
    "OrderCancelRejectCmd",
    "OrderReplaceCmd",
    "OrderReplaceAcceptCmd",
    "OrderReplaceRejectCmd",
    "OrderExpireCmd",
)


@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize("kind", MEMBER_COMMANDS)
def test_grp_09_a_member_acts_through_its_group(kind: str, placed: bool, desk: Desk) -> None:
    (live_group if placed else group)(desk, "300", "200")
    problem = desk.refused(kind, orderId="m1", **({"orderQty": "5"} if kind == "OrderReplaceCmd" else {}))
    rules = {violation.rule_id: violation.code for violation in problem.violations}
    [rule] = {"GRP-09", "CXL-08", "RPL-10"} & set(rules)
    assert rules[rule] == "OMS-STATE-002"


def test_grp_09_a_member_neither_executes_nor_has_children(desk: Desk) -> None:
    live_group(desk, "300", "200")
    fill = {"orderId": "m1", "execId": "e1", "lastQty": "1", "lastPx": "1"}
    assert told(desk.refused("ExecutionCreateCmd", execution=fill)) == ("OMS-STATE-002", "EX-08")
    problem = desk.refused("OrderCreateCmd", order=desk.asked(parentOrderId="m1", orderQty="1"))
    assert told(problem) == ("OMS-STATE-002", "ORD-20")


def test_grp_10_a_group_without_children_executes_itself(desk: Desk) -> None:
    live_group(desk, "300", "200", "100")
    result = desk.fill("g", "60", "10")
    assert written(result) == [
        "g ExecutionCreated",
        "g AllocationApplied",
        "m1 AllocationApplied",
        "m2 AllocationApplied",
        "m3 AllocationApplied",
    ]
    assert (got(desk, "m1", "m2", "m3"), handed(desk, "g")) == ("30 20 10", "ALLOCATED 60+0")
    shared = payload(desk, "g", "AllocationApplied")
    assert "counterpart" not in shared
    assert [(share["orderId"], share["lots"][0]["quantity"]) for share in shared["shares"]] == [
        ("m1", "30"),
        ("m2", "20"),
        ("m3", "10"),
    ]
    assert payload(desk, "m2", "AllocationApplied")["counterpart"] == "g"


def test_grp_10_a_group_executes_through_its_market_orders(desk: Desk) -> None:
    group(desk, "300", "200", "100")
    first, second = child(desk, "g", "400"), child(desk, "g", "200")
    desk.fill(first, "400", "10")
    assert (book(desk, "g"), got(desk, "m1", "m2", "m3")) == ("LIVE 400/200", "200 133 67")
    desk.fill(second, "200", "13")
    assert [book(desk, each) for each in ("g", "m1", "m2", "m3")] == [
        "FILLED 600/0",
        "FILLED 300/0",
        "FILLED 200/0",
        "FILLED 100/0",
    ]
    receivers = {row.receiver_order_id for row in allocations(desk, giverOrderId="g")}
    assert receivers == {"m1", "m2", "m3"}
    assert {row.order_id for row in allocations(desk, receiverOrderId="m3")} == {first, second}


def test_grp_10_slices_of_a_group_reach_its_members(desk: Desk) -> None:
    group(desk, "300", "300")
    piece = child(desk, child(desk, "g", "600"), "600")
    desk.fill(piece, "600")
    assert [book(desk, each) for each in ("g", "m1", "m2")] == ["FILLED 600/0", "FILLED 300/0", "FILLED 300/0"]


def test_grp_10_every_lot_is_shared_on_its_own(desk: Desk) -> None:
    group(desk, "1", "1", "1", autoAllocation=False)
    market = child(desk, "g", "3")
    for price in ("10", "20", "30"):
        desk.fill(market, "1", price)
    desk.ok("AllocationApproveCmd", orderId="g")
    assert shares(desk, "m1", "m2", "m3") == "1@30 1@20 1@10"


def test_grp_11_members_are_booked_at_the_average_of_their_own_lots(desk: Desk) -> None:
    live_group(desk, "2", "1")
    desk.fill("g", "1", "10")
    desk.fill("g", "2", "40")
    assert shares(desk, "g", "m1", "m2") == "3@30 2@25 1@40"


def test_grp_12_the_cancel_of_a_group_ends_what_its_members_have_open(desk: Desk) -> None:
    group(desk, "2", "2", "2")
    market = child(desk, "g", "6")
    desk.fill(market, "5")
    assert got(desk, "m1", "m2", "m3") == "1 2 2"
    asked = desk.ok("OrderCancelCmd", orderId="g")
    assert written(asked) == ["g OrderCancelRequested", f"{market} OrderCancelRequested"]
    result = desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert [book(desk, each) for each in ("g", "m1", "m2", "m3")] == ["CXL 5/0", "CXL 1/0", "FILLED 2/0", "FILLED 2/0"]
    assert "m2" not in " ".join(written(result))
    cancel = {"cancelledQty": "1", "unsolicited": False, "followedOrderId": "g"}
    assert payload(desk, "m1", "OrderCancelled") == cancel


def test_grp_12_members_wait_for_what_the_desk_has_to_hand_on(desk: Desk) -> None:
    live_group(desk, "20", "20", autoAllocation=False)
    desk.fill("g", "10")
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId="g")
    assert [book(desk, each) for each in ("g", "m1")] == ["CXL 10/0", "LIVE 0/20"]
    desk.ok("AllocationApproveCmd", orderId="g", quantity="4")
    assert book(desk, "m1") == "LIVE 2/18"
    assert told(desk.refused("OrderCloseCmd", orderId="g"))[1] == "END-03"
    desk.ok("AllocationApproveCmd", orderId="g")
    assert [book(desk, each) for each in ("m1", "m2")] == ["CXL 5/0", "CXL 5/0"]


def test_grp_12_a_new_group_is_not_cancelled_but_dissolved_or_with_the_profile_desk_both(desk: Desk) -> None:
    group(desk, "20", "20")
    problem = desk.refused("OrderCancelCmd", orderId="g")
    assert (told(problem), "OrderUngroupCmd" in problem.detail) == (("OMS-STATE-001", "CXL-07"), True)
    at_desk = Desk(lifecycle__profile="desk")
    group(at_desk, "20", "20")
    at_desk.ok("OrderCancelCmd", orderId="g")
    assert [book(at_desk, each) for each in ("g", "m1", "m2")] == ["CXL 0/0"] * 3


def test_grp_13_a_group_is_not_replaced(desk: Desk) -> None:
    group(desk, "20", "20")
    assert told(desk.refused("OrderReplaceCmd", orderId="g", price="101")) == ("OMS-STATE-002", "RPL-10")
    assert told(desk.refused("OrderReplaceCmd", orderId="m1", price="101")) == ("OMS-STATE-002", "RPL-10")


def test_members_follow_their_group_into_the_market(desk: Desk) -> None:
    group(desk, "20", "20")
    placed = desk.ok("OrderPlaceCmd", orderId="g")
    assert written(placed) == ["g OrderPlaced", "m1 OrderPlaced", "m2 OrderPlaced"]
    assert payload(desk, "m1", "OrderPlaced") == {"routing": "group", "followedOrderId": "g"}
    accepted = desk.accept("g")
    assert written(accepted) == ["g OrderAccepted", "m1 OrderAccepted", "m2 OrderAccepted"]
    assert payload(desk, "m2", "OrderAccepted") == {"followedOrderId": "g"}
    group_event, member_event = desk.engine.history("g")[-1], desk.engine.history("m2")[-1]
    assert member_event.causation_id == f"order-g@{group_event.version}"


def test_members_are_rejected_with_their_group(desk: Desk) -> None:
    group(desk, "20", "20")
    market = child(desk, "g", "40", "UNACK")
    result = desk.ok("OrderRejectCmd", orderId=market, ordRejReason=3)
    assert written(result)[-3:] == ["g OrderRejected", "m1 OrderRejected", "m2 OrderRejected"]
    assert payload(desk, "m1", "OrderRejected") == {"ordRejReason": 3, "followedOrderId": "g"}


def test_living_members_are_rejected_with_a_group_without_fills(desk: Desk) -> None:
    live_group(desk, "20", "20")
    desk.ok("OrderRejectCmd", orderId="g")
    assert [book(desk, each) for each in ("g", "m1", "m2")] == ["REJ 0/0"] * 3


def test_what_members_have_open_expires_with_their_group(desk: Desk) -> None:
    live_group(desk, "2", "2")
    desk.fill("g", "3")
    desk.ok("OrderExpireCmd", orderId="g")
    assert [book(desk, each) for each in ("g", "m1", "m2")] == ["EXP 3/0", "EXP 1/0", "FILLED 2/0"]
    assert payload(desk, "m1", "OrderExpired")["expiredQty"] == "1"
    assert payload(desk, "m1", "OrderExpired")["followedOrderId"] == "g"


def test_an_unsolicited_cancel_of_a_group_is_one_for_its_members(desk: Desk) -> None:
    live_group(desk, "20", "20")
    desk.ok("OrderCancelAcceptCmd", orderId="g", unsolicited=True)
    assert payload(desk, "m1", "OrderCancelled")["unsolicited"] is True


def test_a_fill_before_the_ack_takes_the_members_along_in_the_profile_desk() -> None:
    desk = Desk(lifecycle__profile="desk")
    group(desk, "20", "20")
    desk.ok("OrderPlaceCmd", orderId="g")
    desk.fill("g", "40")
    assert [book(desk, each) for each in ("g", "m1", "m2")] == ["FILLED 40/0", "FILLED 20/0", "FILLED 20/0"]
    assert desk.types("m1") == [
        "OrderCreated",
        "OrderGrouped",
        "OrderPlaced",
        "OrderAccepted",
        "AllocationApplied",
        "OrderFilled",
    ]


@pytest.mark.parametrize("end", ["OrderCancelCmd", "OrderExpireCmd"])
def test_lots_that_members_give_back_open_what_is_not_ended(end: str, desk: Desk) -> None:
    live_group(desk, "2", "2")
    desk.fill("g", "3", "10")
    desk.fill("g", "1", "20")
    assert [book(desk, each) for each in ("m1", "m2")] == ["FILLED 2/0", "FILLED 2/0"]
    result = bust(desk, "g", "e1")
    assert [book(desk, each) for each in ("g", "m1", "m2")] == ["LIVE 1/3", "LIVE 1/1", "LIVE 0/2"]
    assert written(result)[-2:] == ["m2 AllocationReversed", "m2 OrderReopened"]
    assert payload(desk, "m2", "OrderReopened") == {"reason": "BUST", "execId": "e1"}
    desk.ok(end, orderId="g")
    if end == "OrderCancelCmd":
        desk.ok("OrderCancelAcceptCmd", orderId="g")
    ended = desk.order("g").state
    bust(desk, "g", "e2")
    assert [book(desk, each) for each in ("g", "m1", "m2")] == [f"{ended} 0/0"] * 3


def test_the_price_of_a_members_lots_is_corrected_with_the_execution(desk: Desk) -> None:
    live_group(desk, "1000", "1500")
    desk.fill("g", "2500", "149.95")
    correct(desk, "g", "2500", "150")
    assert shares(desk, "g", "m1", "m2") == "2500@150 1000@150 1500@150"
    assert [book(desk, each) for each in ("g", "m1", "m2")] == ["FILLED 2500/0", "FILLED 1000/0", "FILLED 1500/0"]


def test_a_closed_member_gives_nothing_back(desk: Desk) -> None:
    live_group(desk, "1", "1")
    desk.fill("g", "2")
    desk.ok("OrderCloseCmd", orderId="m1")
    problem = desk.refused("ExecutionBustCmd", orderId="g", execId="e1")
    assert told(problem) == ("OMS-EXEC-005", "PAR-14")
    assert "m1" in problem.detail


def test_a_closed_member_gets_nothing_either(desk: Desk) -> None:
    live_group(desk, "1", "1", "1")
    desk.fill("g", "1")
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId="g")
    desk.ok("OrderCloseCmd", orderId="m1")
    more = {"orderId": "g", "execRefId": "e1", "lastQty": "3", "lastPx": "100"}
    assert told(desk.refused("ExecutionCorrectCmd", **more)) == ("OMS-EXEC-004", "COR-02")
    correct(desk, "g", "2", "100")
    assert got(desk, "m1", "m2", "m3") == "0 1 1"


def test_what_a_closed_member_has_no_room_for_goes_to_the_others(desk: Desk) -> None:
    live_group(desk, "100", "100", "100")
    desk.fill("g", "1")
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId="g")
    desk.ok("OrderCloseCmd", orderId="m1")
    correct(desk, "g", "6", "100")
    assert got(desk, "m1", "m2", "m3") == "0 3 3"
    assert (desk.order("m1").state, handed(desk, "g")) == ("CLOSED", "ALLOCATED 6+0")


def test_what_waits_below_a_group_is_no_room_for_a_correction(desk: Desk) -> None:
    group(desk, "100", "100")
    market = child(desk, "g", "200", autoAllocation=False)
    desk.fill(market, "1")
    desk.ok("AllocationApproveCmd", orderId=market)
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    desk.ok("OrderCloseCmd", orderId="m1")
    correct(desk, market, "99", "100")
    more = {"orderId": market, "execRefId": "e1", "lastQty": "101", "lastPx": "100"}
    assert told(desk.refused("ExecutionCorrectCmd", **more)) == ("OMS-EXEC-004", "COR-02")
    correct(desk, market, "100", "100")
    desk.ok("AllocationApproveCmd", orderId=market)
    assert (got(desk, "m1", "m2"), handed(desk, "g")) == ("0 100", "ALLOCATED 100+0")


def test_closing_a_group_leaves_its_members(desk: Desk) -> None:
    live_group(desk, "1", "1")
    desk.fill("g", "2")
    assert written(desk.ok("OrderCloseCmd", orderId="g")) == ["g OrderClosed"]
    assert book(desk, "m1") == "FILLED 1/0"
    desk.ok("OrderCloseCmd", orderId="m1")


def test_a_living_group_is_not_closed_over_its_members_in_the_profile_desk() -> None:
    desk = Desk(lifecycle__profile="desk")
    live_group(desk, "1", "1")
    assert told(desk.refused("OrderCloseCmd", orderId="g")) == ("OMS-STATE-002", "END-03")
    desk.fill("g", "2")
    desk.ok("OrderCloseCmd", orderId="g")


def test_a_member_is_not_closed_while_its_group_can_still_fill_it(desk: Desk) -> None:
    live_group(desk, "20", "20", autoAllocation=False)
    desk.fill("g", "10")
    assert code(desk, "OrderCloseCmd", orderId="m1") == "OMS-STATE-001"
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId="g")
    desk.ok("AllocationApproveCmd", orderId="g")
    correct(desk, "g", "12", "100")
    assert told(desk.refused("OrderCloseCmd", orderId="m1")) == ("OMS-STATE-002", "END-03")
    desk.ok("AllocationApproveCmd", orderId="g")
    desk.ok("OrderCloseCmd", orderId="m1")
