"""Does every rule about trees, groups, allocation, replace and corrections refuse what it must? One row each."""

from collections.abc import Callable
from typing import Any

import pytest

from oms_engine.domain.catalogue import citation
from oms_engine.domain.commands import COMMANDS
from oms_engine.errors import Problem
from oms_engine.workflows import WORKFLOWS
from tests.oms_engine.desk import Desk

VAL1, VAL2, VAL3, VAL4, VAL5 = (f"OMS-VAL-00{n}" for n in range(1, 6))
STATE1, STATE2, STATE3 = (f"OMS-STATE-00{n}" for n in range(1, 4))
ORDER1, ORDER2, ORDER3, ORDER4, ORDER5, ORDER6 = (f"OMS-ORDER-00{n}" for n in range(1, 7))
EXEC1, EXEC2, EXEC3, EXEC4, EXEC5 = (f"OMS-EXEC-00{n}" for n in range(1, 6))

Fields = dict[str, object]
Scene = Callable[[Desk], object]


def alone(state: str, **order: object) -> Scene:
    """An order `one` in this state."""
    return lambda desk: desk.given(state, orderId="one", clOrdId="one", **order)


def kid(desk: Desk, name: str, quantity: str, state: str = "LIVE", parent: str = "root", **order: object) -> str:
    return desk.given(state, orderId=name, clOrdId=name, parentOrderId=parent, orderQty=quantity, **order)


def root(desk: Desk, **order: object) -> None:
    desk.given("NEW", orderId="root", clOrdId="root", **order)


def deep(desk: Desk) -> None:
    """Root of 1000 and the levels level1 to level32 below it, all NEW."""
    root(desk)
    for level in range(1, 33):
        kid(desk, f"level{level}", "1000", "NEW", parent=f"level{level - 1}" if level > 1 else "root")


def unplaced(desk: Desk) -> None:
    """NEW root of 1000, NEW kid of 600."""
    root(desk)
    kid(desk, "kid", "600", "NEW")


def sent(desk: Desk) -> None:
    """UNACK root of 1000, UNACK kid of 600."""
    root(desk)
    kid(desk, "kid", "600", "UNACK")


def living(desk: Desk) -> None:
    """LIVE root of 1000, LIVE kid of 600."""
    root(desk)
    kid(desk, "kid", "600")


def placed(desk: Desk) -> None:
    """LIVE root of 1000, LIVE kids of 600 and 400."""
    living(desk)
    kid(desk, "twin", "400")


def complete(desk: Desk) -> None:
    """FILLED root and kid of 1000."""
    root(desk)
    kid(desk, "kid", "1000")
    desk.fill("kid", "1000")


def closed(desk: Desk) -> None:
    """CLOSED root and FILLED kid of 1000."""
    complete(desk)
    desk.ok("OrderCloseCmd", orderId="root")


def ended_above(desk: Desk) -> None:
    """CXL root, whose kid `new` was never placed."""
    living(desk)
    kid(desk, "new", "300", "NEW")
    desk.ok("OrderCancelCmd", orderId="root")
    desk.ok("OrderCancelAcceptCmd", orderId="kid")
    assert desk.order("root").state == "CXL"


def waiting_above(desk: Desk) -> None:
    """LIVE root whose cancel is pending; its kid `new` was never placed."""
    living(desk)
    kid(desk, "new", "300", "NEW")
    desk.ok("OrderCancelCmd", orderId="root")


def replacing_below(desk: Desk) -> None:
    living(desk)
    desk.ok("OrderReplaceCmd", orderId="kid", price="101")


def replacing_two_below(desk: Desk) -> None:
    living(desk)
    kid(desk, "slice", "500", parent="kid")
    desk.ok("OrderReplaceCmd", orderId="slice", price="101")


def nobody_in_the_market(desk: Desk) -> None:
    """UNACK root: the one kid that was sent is rejected, the other is NEW."""
    sent(desk)
    kid(desk, "new", "300", "NEW")
    desk.ok("OrderRejectCmd", orderId="kid")
    assert desk.order("root").state == "UNACK"


def reopened_below_the_end(desk: Desk) -> None:
    """CXL root with a kid that a bust reopened and whose cancel is pending."""
    placed(desk)
    desk.fill("kid", "600", exec_id="e1")
    desk.ok("OrderCancelCmd", orderId="root")
    desk.ok("OrderCancelAcceptCmd", orderId="twin")
    desk.ok("ExecutionBustCmd", orderId="kid", execId="e1")
    assert [desk.order(name).state for name in ("root", "kid")] == ["CXL", "LIVE"]


def placed_again(desk: Desk) -> None:
    """What a cancelled kid left open is placed again, so its parent has no room."""
    living(desk)
    desk.fill("kid", "300", exec_id="e1")
    desk.ok("OrderCancelAcceptCmd", orderId="kid", unsolicited=True)
    kid(desk, "twin", "700")


def ended_slice(desk: Desk) -> None:
    """Everything of root is placed; below its LIVE kid a slice of 300 ended with 100."""
    placed(desk)
    kid(desk, "slice", "300", parent="kid")
    desk.fill("slice", "100", exec_id="e1")
    desk.ok("OrderCancelAcceptCmd", orderId="slice", unsolicited=True)


def placed_again_two_above(desk: Desk) -> None:
    """The kid and its slice ended with 100 of 600, and root placed the rest again."""
    living(desk)
    kid(desk, "slice", "600", parent="kid")
    desk.fill("slice", "100", exec_id="e1")
    desk.ok("OrderCancelAcceptCmd", orderId="slice", unsolicited=True)
    kid(desk, "twin", "900")
    assert [desk.order(name).state for name in ("root", "kid", "slice")] == ["LIVE", "CXL", "CXL"]


def pending(desk: Desk) -> None:
    """A manual kid has 300 of 600 to hand on."""
    root(desk)
    kid(desk, "kid", "600", autoAllocation=False)
    desk.fill("kid", "300", exec_id="e1")


def pending_and_ended(desk: Desk) -> None:
    pending(desk)
    desk.ok("OrderCancelAcceptCmd", orderId="kid", unsolicited=True)


def nothing_pending(desk: Desk) -> None:
    root(desk)
    kid(desk, "kid", "600", autoAllocation=False)


def members(desk: Desk, **second: object) -> None:
    """NEW orders m1 of 1 and m2 of 3."""
    desk.given("NEW", orderId="m1", clOrdId="m1", orderQty="1")
    desk.given("NEW", **({"orderId": "m2", "clOrdId": "m2", "orderQty": "3"} | second))


def unlike(**second: object) -> Scene:
    return lambda desk: members(desk, **second)


def grouped(desk: Desk, **group: object) -> None:
    """NEW group g of m1 and m2, and m3 that is free."""
    members(desk)
    desk.given("NEW", orderId="m3", clOrdId="m3", orderQty="5")
    desk.ok("OrderGroupCmd", memberOrderIds=["m1", "m2"], groupOrderId="g", **group)


def dissolved(desk: Desk) -> None:
    grouped(desk)
    desk.ok("OrderUngroupCmd", groupOrderId="g")


def working_group(desk: Desk, **group: object) -> None:
    """LIVE group g, LIVE members."""
    grouped(desk, **group)
    desk.ok("OrderPlaceCmd", orderId="g")
    desk.accept("g")


def group_with_a_kid(desk: Desk) -> None:
    grouped(desk)
    kid(desk, "kid", "4", "NEW", parent="g")


def settled_member(desk: Desk) -> None:
    """CXL group g, which a correction gave 1 to hand on; its member m1 got nothing and is CLOSED."""
    working_group(desk, autoAllocation=False)
    desk.fill("g", "1", exec_id="e1")
    desk.ok("AllocationApproveCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId="g", unsolicited=True)
    desk.ok("OrderCloseCmd", orderId="m1")
    desk.ok("ExecutionCorrectCmd", orderId="g", execRefId="e1", lastQty="2", lastPx="100")
    assert desk.order("g").pending_alloc_qty == 1


def member_of_a_reopened_group(desk: Desk) -> None:
    """CXL group and member m2; below the group a kid is LIVE again."""
    grouped(desk)
    kid(desk, "kid", "2", parent="g")
    desk.fill("kid", "2", exec_id="e1")
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("ExecutionBustCmd", orderId="kid", execId="e1")
    assert [desk.order(name).state for name in ("g", "m2", "kid")] == ["CXL", "CXL", "LIVE"]


def member_with_a_kid(desk: Desk) -> None:
    members(desk)
    kid(desk, "kid", "1", "NEW", parent="m1")


def a_kid_beside_a_member(desk: Desk) -> None:
    members(desk)
    root(desk)
    kid(desk, "kid", "600", "NEW")


def cash(desk: Desk) -> None:
    """UNACK cash order `one`."""
    terms = {"symbol": "FNDX", "assetClass": "FUND", "side": "SUBSCRIBE", "ordType": "MARKET", "price": None}
    desk.given("UNACK", orderId="one", orderQty=None, cashOrderQty="500", **terms)


def cash_members(desk: Desk) -> None:
    terms = {"symbol": "FNDX", "assetClass": "FUND", "side": "SUBSCRIBE", "ordType": "MARKET", "price": None}
    for name in ("m1", "m2"):
        desk.given("NEW", orderId=name, orderQty=None, cashOrderQty="500", **terms)


def fund_root(desk: Desk) -> None:
    root(desk, symbol="FNDX", assetClass="FUND", side="SUBSCRIBE", ordType="MARKET", price=None)


def busted(desk: Desk) -> None:
    alone("PART")(desk)
    desk.ok("ExecutionBustCmd", orderId="one", execId="e1")


def two_with_one_exec_id(desk: Desk) -> None:
    desk.given("PART")
    desk.given("PART")


def corrected(desk: Desk) -> None:
    alone("PART")(desk)
    desk.ok("ExecutionCorrectCmd", orderId="one", execRefId="e1", execId="r1", lastQty="200", lastPx="100")


CASH: Fields = {"assetClass": "FUND", "symbol": "FNDX", "side": "SUBSCRIBE", "ordType": "MARKET", "price": None}
ONE: Fields = {"orderId": "one"}
KID: Fields = {"orderId": "kid"}
ROOT: Fields = {"orderId": "root"}
GROUP: Fields = {"orderId": "g"}
MEMBER: Fields = {"orderId": "m1"}
BOTH: Fields = {"memberOrderIds": ["m1", "m2"]}
SAME: Fields = {"execRefId": "e1", "lastQty": "250", "lastPx": "100"}
TO_KID: Fields = {"orderId": "kid", "execRefId": "e1", "lastQty": "301", "lastPx": "100"}
WHACK: Fields = {"execId": "e1", "requestedBy": "ann", "approvedBy": "bob", "approvalLevel": "RISK_COMMITTEE"}
TWO_PEOPLE: Fields = {"grouping.crossAccount": "approve"}

Row = tuple[str, str, str, str, Scene, Fields, Fields]

CHILDREN: list[Row] = [
    ("OrderCreateCmd", "ORD-20", ORDER1, "parentOrderId", alone("NEW"), {"parentOrderId": "nobody"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE3, "parentOrderId", alone("FILLED"), {"parentOrderId": "one"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE3, "parentOrderId", alone("REJ"), {"parentOrderId": "one"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE3, "parentOrderId", ended_above, {"parentOrderId": "new"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE2, "parentOrderId", alone("PART"), {"parentOrderId": "one"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE2, "parentOrderId", busted, {"parentOrderId": "one"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE2, "parentOrderId", alone("LIVE+PCXL"), {"parentOrderId": "one"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE2, "parentOrderId", alone("LIVE+PMOD"), {"parentOrderId": "one"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE2, "parentOrderId", waiting_above, {"parentOrderId": "new"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE2, "parentOrderId", grouped, {"parentOrderId": "m1", "orderQty": "1"}, {}),
    ("OrderCreateCmd", "ORD-20", STATE2, "parentOrderId", dissolved, {"parentOrderId": "g", "orderQty": "1"}, {}),
    ("OrderCreateCmd", "ORD-20", VAL5, "parentOrderId", deep, {"parentOrderId": "level32"}, {}),
    ("OrderCreateCmd", "ORD-20", VAL1, "symbol", root, {"parentOrderId": "root", "symbol": "MSFT"}, {}),
    ("OrderCreateCmd", "ORD-20", VAL1, "side", root, {"parentOrderId": "root", "side": "SELL"}, {}),
    (
        "OrderCreateCmd",
        "ORD-20",
        VAL1,
        "cashOrderQty",
        fund_root,
        {"parentOrderId": "root", "orderQty": None, "cashOrderQty": "5", **CASH},
        {},
    ),
    ("OrderCreateCmd", "ORD-20", ORDER4, "orderQty", root, {"parentOrderId": "root", "orderQty": "1000.00000001"}, {}),
    ("OrderCreateCmd", "ORD-20", ORDER4, "orderQty", living, {"parentOrderId": "root", "orderQty": "401"}, {}),
    ("OrderCreateCmd", "ORD-20", ORDER4, "orderQty", living, {"parentOrderId": "kid", "orderQty": "601"}, {}),
]
TREES: list[Row] = [
    ("OrderPlaceCmd", "PAR-15", STATE3, "orderId", ended_above, {"orderId": "new"}, {}),
    ("OrderPlaceCmd", "LIF-02", STATE2, "orderId", waiting_above, {"orderId": "new"}, {}),
    ("OrderPlaceCmd", "PAR-16", STATE2, "orderId", unplaced, ROOT, {}),
    ("OrderAcceptCmd", "PAR-16", STATE2, "orderId", sent, ROOT, {}),
    ("OrderRejectCmd", "PAR-16", STATE2, "orderId", sent, ROOT, {}),
    ("OrderCancelAcceptCmd", "PAR-16", STATE2, "orderId", living, {**ROOT, "unsolicited": True}, {}),
    ("OrderReplaceAcceptCmd", "PAR-16", STATE2, "orderId", living, ROOT, {}),
    ("OrderReplaceRejectCmd", "PAR-16", STATE2, "orderId", living, ROOT, {}),
    ("OrderCancelRejectCmd", "PAR-17", STATE2, "orderId", waiting_above, ROOT, {}),
    ("OrderExpireCmd", "PAR-18", STATE2, "orderId", living, ROOT, {}),
    ("OrderExpireCmd", "PAR-18", STATE2, "orderId", pending_and_ended, ROOT, {}),
    ("OrderExpireCmd", "PAR-18", STATE2, "orderId", sent, ROOT, {"lifecycle.profile": "desk"}),
    ("OrderCancelCmd", "CXL-05", STATE2, "orderId", replacing_below, ROOT, {}),
    ("OrderCancelCmd", "CXL-05", STATE2, "orderId", replacing_two_below, ROOT, {}),
    ("OrderCancelCmd", "CXL-07", STATE1, "orderId", nobody_in_the_market, ROOT, {}),
    ("OrderCancelCmd", "CXL-07", STATE1, "orderId", unplaced, ROOT, {}),
    ("OrderCloseCmd", "END-03", STATE2, "orderId", pending_and_ended, KID, {}),
    ("OrderCloseCmd", "END-03", STATE2, "orderId", reopened_below_the_end, ROOT, {}),
    ("OrderCloseCmd", "END-03", STATE2, "orderId", member_of_a_reopened_group, {"orderId": "m2"}, {}),
    ("OrderCloseCmd", "END-03", STATE2, "orderId", living, ROOT, {"lifecycle.profile": "desk"}),
    ("OrderCloseCmd", "END-03", STATE2, "orderId", working_group, MEMBER, {"lifecycle.profile": "desk"}),
    ("OrderCloseCmd", "END-03", STATE2, "orderId", working_group, GROUP, {"lifecycle.profile": "desk"}),
    ("OrderReplaceCmd", "PAR-15", STATE3, "orderId", ended_above, {"orderId": "new", "price": "101"}, {}),
    ("ExecutionCreateCmd", "EX-08", STATE2, "orderId", living, ROOT, {}),
    ("ExecutionCreateCmd", "EX-08", STATE2, "orderId", working_group, MEMBER, {}),
    ("ExecutionBustCmd", "PAR-14", EXEC5, "execId", closed, {**KID, "execId": "e1"}, {}),
    ("ExecutionWhackCmd", "PAR-14", EXEC5, "execId", closed, {**KID, **WHACK}, {}),
    ("OrderAcceptCmd", "ENV-07", VAL3, "orderQty", cash, ONE, {}),
    ("OrderAcceptCmd", "FND-01", VAL1, "orderQty", alone("UNACK"), {**ONE, "orderQty": "1000"}, {}),
    ("OrderAcceptCmd", "ORD-08", VAL5, "orderQty", cash, {**ONE, "orderQty": "0"}, {}),
]
OF_MEMBERS = (
    "OrderPlaceCmd", "OrderAcceptCmd", "OrderRejectCmd", "OrderCancelAcceptCmd", "OrderCancelRejectCmd",
    "OrderReplaceAcceptCmd", "OrderReplaceRejectCmd", "OrderExpireCmd",
)  # fmt: skip
TREES += [(kind, "GRP-09", STATE2, "orderId", grouped, MEMBER, {}) for kind in OF_MEMBERS]
TREES += [
    (kind, "GRP-08", STATE2, "orderId", dissolved, GROUP, {})
    for kind in (*OF_MEMBERS, "OrderCancelCmd", "OrderCloseCmd")
]

REPLACE: list[Row] = [
    ("OrderReplaceCmd", rule_id, code, field, scene, {**ONE, **fields}, settings)
    for rule_id, code, field, scene, fields, settings in (
        ("ENV-06", VAL4, "clOrdId", alone("LIVE"), {"clOrdId": "ü", "price": "101"}, {}),
        ("RPL-02", VAL1, "origClOrdId", alone("LIVE"), {"origClOrdId": "c9", "price": "101"}, {}),
        ("RPL-03", ORDER6, "orderId", alone("FILLED"), {"price": "101"}, {}),
        ("RPL-03", ORDER5, "orderId", alone("CXL"), {"price": "101"}, {}),
        ("RPL-03", STATE3, "orderId", alone("REJ"), {"price": "101"}, {}),
        ("RPL-03", STATE3, "orderId", alone("EXP"), {"price": "101"}, {}),
        ("RPL-03", STATE3, "orderId", alone("CLOSED"), {"price": "101"}, {}),
        ("RPL-04", STATE2, "orderId", alone("LIVE+PCXL"), {"price": "101"}, {}),
        ("RPL-04", STATE2, "orderId", alone("LIVE+PMOD"), {"price": "102"}, {}),
        ("RPL-05", ORDER2, "clOrdId", alone("LIVE"), {"clOrdId": "one", "price": "101"}, {}),
        ("RPL-06", ORDER4, "orderQty", alone("PART"), {"orderQty": "299.99999999"}, {}),
        ("RPL-07", VAL1, "symbol", alone("LIVE"), {"symbol": "MSFT", "price": "101"}, {}),
        ("RPL-07", VAL1, "side", alone("LIVE"), {"side": "SELL", "price": "101"}, {}),
        ("RPL-07", VAL1, "account", alone("LIVE"), {"account": "acc", "price": "101"}, {}),
        ("RPL-07", VAL1, "ordType", alone("LIVE"), {"ordType": "MARKET", "price": "101"}, {}),
        ("ORD-08", VAL5, "orderQty", alone("LIVE"), {"orderQty": "0"}, {}),
        ("ORD-12", VAL5, "price", alone("LIVE"), {"price": "0"}, {}),
        ("ORD-12", VAL5, "stopPx", alone("LIVE"), {"stopPx": "-1"}, {}),
        ("ORD-13", VAL1, "price", alone("LIVE", ordType="MARKET", price=None), {"price": "1"}, {}),
        ("ORD-14", VAL5, "orderQty", alone("LIVE"), {"orderQty": "1001"}, {"maxOrderQty": "1000"}),
        ("ORD-16", VAL3, "expireTime", alone("LIVE"), {"timeInForce": "GOOD_TILL_DATE"}, {}),
        ("ORD-16", VAL5, "expireTime", alone("LIVE"), {"expireTime": "2026-01-02T09:30:00Z"}, {}),
        ("TICK-01", VAL5, "price", alone("LIVE"), {"price": "100.03"}, {"tickSize": "0.05"}),
        ("TICK-01", VAL5, "stopPx", alone("LIVE"), {"stopPx": "100.03"}, {"tickSize": "0.05"}),
        ("RPL-09", VAL1, "orderId", alone("LIVE"), {}, {}),
        ("RPL-09", VAL1, "orderId", alone("LIVE"), {"orderQty": "1000.0", "price": "100", "symbol": "IBM"}, {}),
    )
]
REPLACE += [
    ("OrderReplaceCmd", "RPL-04", STATE2, "orderId", replacing_below, {**ROOT, "price": "101"}, {}),
    ("OrderReplaceCmd", "RPL-06", ORDER4, "orderQty", living, {**ROOT, "orderQty": "599"}, {}),
    ("OrderReplaceCmd", "RPL-06", ORDER4, "orderQty", placed, {**KID, "orderQty": "601"}, {}),
    ("OrderReplaceCmd", "RPL-10", STATE2, "orderId", grouped, {**MEMBER, "price": "101"}, {}),
    ("OrderReplaceCmd", "RPL-10", STATE2, "orderId", grouped, {**GROUP, "price": "101"}, {}),
    ("OrderReplaceCmd", "RPL-10", STATE2, "orderId", dissolved, {**GROUP, "orderQty": "5"}, {}),
    ("OrderReplaceAcceptCmd", "LIF-03", STATE3, "orderId", alone("CLOSED"), ONE, {}),
    ("OrderReplaceAcceptCmd", "LIF-02", STATE2, "orderId", alone("LIVE"), ONE, {}),
    ("OrderReplaceAcceptCmd", "LIF-02", STATE2, "orderId", alone("UNACK+PMOD"), ONE, {}),
    ("OrderReplaceRejectCmd", "LIF-03", STATE3, "orderId", alone("CLOSED"), ONE, {}),
    ("OrderReplaceRejectCmd", "LIF-02", STATE2, "orderId", alone("LIVE+PCXL"), ONE, {}),
    ("OrderReplaceRejectCmd", "ORD-21", VAL4, "cxlRejReason", alone("LIVE+PMOD"), {**ONE, "cxlRejReason": 7}, {}),
]

CORRECT: list[Row] = [
    ("ExecutionCorrectCmd", rule_id, code, field, scene, {**SAME, **fields}, {})
    for rule_id, code, field, scene, fields in (
        ("COR-01", VAL3, "execRefId", alone("PART"), {**ONE, "execRefId": None}),
        ("WHK-03", VAL3, "orderId", two_with_one_exec_id, {}),
        ("WHK-03", ORDER1, "orderId", alone("PART"), {"orderId": "nobody"}),
        ("WHK-03", EXEC1, "execId", alone("PART"), {**ONE, "execRefId": "e9"}),
        ("WHK-03", EXEC1, "execId", alone("PART"), {"execRefId": None, "execId": "e9"}),
        ("WHK-04", EXEC5, "execId", busted, ONE),
        ("WHK-05", EXEC5, "execId", alone("CLOSED"), ONE),
        ("PAR-14", EXEC5, "execId", closed, {**KID, "lastQty": "999"}),
        ("ENV-06", VAL4, "execId", alone("PART"), {**ONE, "execId": "é"}),
        ("ENV-07", VAL3, "lastQty", alone("PART"), {**ONE, "lastQty": None}),
        ("ENV-07", VAL3, "lastPx", alone("PART"), {**ONE, "lastPx": None}),
        ("EX-03", VAL5, "lastQty", alone("PART"), {**ONE, "lastQty": "0"}),
        ("EX-03", VAL5, "lastPx", alone("PART"), {**ONE, "lastPx": "-1"}),
        ("COR-02", EXEC4, "lastQty", alone("PART"), {**ONE, "lastQty": "1000.00000001"}),
        ("COR-02", EXEC4, "lastQty", alone("CXL"), {**ONE, "lastQty": "1001"}),
        ("COR-02", EXEC4, "lastQty", placed_again, TO_KID),
        ("COR-02", EXEC4, "lastQty", placed_again_two_above, {"orderId": "slice", "lastQty": "101"}),
        ("COR-03", VAL1, "lastQty", alone("PART"), {**ONE, "lastQty": "300.0"}),
        ("COR-04", EXEC2, "execId", alone("PART"), {**ONE, "execId": "e1"}),
        ("COR-04", EXEC2, "execId", corrected, {**ONE, "execId": "r1"}),
    )
]

GROUPS: list[Row] = [
    ("OrderGroupCmd", "ENV-06", VAL4, "groupedBy", members, {**BOTH, "groupedBy": "ann\u200b"}, {}),
    ("OrderGroupCmd", "ENV-06", VAL4, "approvedBy", members, {**BOTH, "approvedBy": "ann\t"}, {}),
    ("OrderGroupCmd", "ENV-06", VAL4, "memberOrderIds", members, {"memberOrderIds": "m1"}, {}),
    ("OrderGroupCmd", "GRP-01", VAL5, "memberOrderIds", members, {}, {}),
    ("OrderGroupCmd", "GRP-01", VAL5, "memberOrderIds", members, {"memberOrderIds": ["m1"]}, {}),
    ("OrderGroupCmd", "GRP-01", VAL5, "memberOrderIds", members, {"memberOrderIds": ["m1", "m1"]}, {}),
    (
        "OrderGroupCmd",
        "GRP-01",
        VAL5,
        "memberOrderIds",
        grouped,
        {"memberOrderIds": ["m1", "m2", "m3"]},
        {"grouping.maxMembers": 2},
    ),
    ("OrderGroupCmd", "GRP-02", ORDER1, "memberOrderIds", members, {"memberOrderIds": ["m1", "nobody"]}, {}),
    ("OrderGroupCmd", "GRP-02", ORDER1, "memberOrderIds", members, {"memberOrderIds": ["m1", "a/b"]}, {}),
    ("OrderGroupCmd", "GRP-03", VAL1, "memberOrderIds", unlike(symbol="MSFT"), BOTH, {}),
    ("OrderGroupCmd", "GRP-03", VAL1, "memberOrderIds", unlike(side="SELL"), BOTH, {}),
    ("OrderGroupCmd", "GRP-03", VAL1, "memberOrderIds", unlike(ordType="STOP", stopPx="9"), BOTH, {}),
    ("OrderGroupCmd", "GRP-03", VAL1, "memberOrderIds", unlike(price="100.00000001"), BOTH, {}),
    ("OrderGroupCmd", "GRP-03", VAL1, "memberOrderIds", unlike(stopPx="9"), BOTH, {}),
    ("OrderGroupCmd", "GRP-03", VAL1, "memberOrderIds", unlike(priceType="YIELD"), BOTH, {}),
    ("OrderGroupCmd", "GRP-03", VAL1, "memberOrderIds", unlike(timeInForce="GOOD_TILL_CANCEL"), BOTH, {}),
    ("OrderGroupCmd", "GRP-03", VAL1, "memberOrderIds", cash_members, BOTH, {}),
    ("OrderGroupCmd", "GRP-04", STATE2, "memberOrderIds", unlike(handlInst="AUTO"), BOTH, {}),
    ("OrderGroupCmd", "GRP-05", STATE2, "memberOrderIds", grouped, {"memberOrderIds": ["m1", "m3"]}, {}),
    ("OrderGroupCmd", "GRP-05", STATE2, "memberOrderIds", grouped, {"memberOrderIds": ["g", "m3"]}, {}),
    ("OrderGroupCmd", "GRP-05", STATE2, "memberOrderIds", dissolved, {"memberOrderIds": ["g", "m3"]}, {}),
    ("OrderGroupCmd", "GRP-05", STATE2, "memberOrderIds", member_with_a_kid, BOTH, {}),
    ("OrderGroupCmd", "GRP-05", STATE2, "memberOrderIds", a_kid_beside_a_member, {"memberOrderIds": ["kid", "m1"]}, {}),
    ("OrderGroupCmd", "GRP-06", "OMS-AUTH-001", "approvedBy", unlike(account="B"), BOTH, TWO_PEOPLE),
    (
        "OrderGroupCmd",
        "GRP-06",
        "OMS-AUTH-001",
        "approvedBy",
        unlike(account="B"),
        {**BOTH, "groupedBy": "ann", "approvedBy": " ANN"},
        TWO_PEOPLE,
    ),
    (
        "OrderGroupCmd",
        "GRP-06",
        "OMS-AUTH-001",
        "approvedBy",
        unlike(account="B"),
        {**BOTH, "actor": "ann", "approvedBy": "Ann"},
        TWO_PEOPLE,
    ),
    ("OrderGroupCmd", "GRP-07", "OMS-DATA-001", "groupOrderId", members, {**BOTH, "groupOrderId": "m1"}, {}),
    (
        "OrderGroupCmd",
        "GRP-07",
        "OMS-DATA-001",
        "groupOrderId",
        unlike(clOrdId="used"),
        {**BOTH, "groupOrderId": "used"},
        {},
    ),
    ("OrderGroupCmd", "GRP-07", VAL4, "groupOrderId", members, {**BOTH, "groupOrderId": "g/1"}, {}),
    ("OrderGroupCmd", "GRP-07", VAL4, "groupOrderId", members, {**BOTH, "groupOrderId": "g" * 49}, {}),
    ("OrderUngroupCmd", "ENV-07", VAL3, "groupOrderId", grouped, {}, {}),
    ("OrderUngroupCmd", "GRP-08", ORDER1, "groupOrderId", grouped, {"groupOrderId": "nobody"}, {}),
    ("OrderUngroupCmd", "GRP-08", STATE2, "groupOrderId", grouped, {"groupOrderId": "m1"}, {}),
    ("OrderUngroupCmd", "GRP-08", STATE2, "groupOrderId", dissolved, {"groupOrderId": "g"}, {}),
    ("OrderUngroupCmd", "GRP-08", STATE2, "groupOrderId", working_group, {"groupOrderId": "g"}, {}),
    ("OrderUngroupCmd", "GRP-08", STATE2, "groupOrderId", group_with_a_kid, {"groupOrderId": "g"}, {}),
    ("OrderCancelCmd", "CXL-07", STATE1, "orderId", grouped, GROUP, {}),
    ("OrderCancelCmd", "CXL-08", STATE2, "orderId", grouped, MEMBER, {}),
    ("OrderCancelCmd", "CXL-08", STATE2, "orderId", working_group, MEMBER, {}),
]

DECISIONS: list[Row] = [
    (kind, rule_id, code, field, scene, fields, {})
    for kind in ("AllocationApproveCmd", "AllocationRejectCmd")
    for rule_id, code, field, scene, fields in (
        ("ENV-07", VAL3, "orderId", pending, {}),
        ("ALC-01", ORDER1, "orderId", pending, {"orderId": "nobody"}),
        ("ALC-01", STATE2, "orderId", pending, ROOT),
        ("ALC-01", STATE2, "orderId", grouped, MEMBER),
        ("ALC-02", STATE2, "orderId", living, KID),
        ("ALC-02", STATE2, "orderId", working_group, GROUP),
        ("ALC-03", VAL5, "quantity", pending, {**KID, "quantity": "0"}),
        ("ALC-03", VAL5, "quantity", pending, {**KID, "quantity": "-1"}),
        ("ALC-03", ORDER4, "quantity", pending, {**KID, "quantity": "300.00000001"}),
        ("ALC-03", ORDER4, "quantity", nothing_pending, KID),
        ("ALC-04", STATE3, "orderId", settled_member, {**GROUP, "quantity": "1000"}),
    )
]
DECISIONS += [
    ("AllocationApproveCmd", "ENV-06", VAL4, "approvedBy", pending, {**KID, "approvedBy": "ann\u200b"}, {}),
]

VIOLATIONS = CHILDREN + TREES + REPLACE + CORRECT + GROUPS + DECISIONS
"""Command, rule, code, field: the situation, what is sent in it, and the settings, so that this rule refuses it."""

BOUNDARIES: list[tuple[str, str, Scene, Fields, Fields]] = [
    ("OrderCreateCmd", "ORD-20", living, {"parentOrderId": "root", "orderQty": "400"}, {}),
    ("OrderCreateCmd", "ORD-20", living, {"parentOrderId": "kid", "orderQty": "600"}, {}),
    ("OrderCreateCmd", "ORD-20", grouped, {"parentOrderId": "g", "orderQty": "4"}, {}),
    ("OrderPlaceCmd", "PAR-15", unplaced, KID, {}),
    ("OrderExpireCmd", "PAR-18", placed_again, {"orderId": "twin"}, {}),
    ("OrderCancelCmd", "CXL-07", nobody_in_the_market, ROOT, {"lifecycle.profile": "desk"}),
    ("OrderCancelCmd", "CXL-07", sent, ROOT, {}),
    ("OrderCancelCmd", "CXL-08", working_group, GROUP, {}),
    ("OrderCloseCmd", "END-03", complete, KID, {}),
    ("OrderCloseCmd", "END-03", alone("LIVE"), ONE, {"lifecycle.profile": "desk"}),
    ("ExecutionCreateCmd", "EX-08", working_group, {**GROUP, "lastQty": "4"}, {}),
    ("ExecutionCreateCmd", "EX-08", living, KID, {}),
    ("ExecutionBustCmd", "PAR-14", complete, {**KID, "execId": "e1"}, {}),
    ("OrderAcceptCmd", "FND-01", cash, {**ONE, "orderQty": "0.00000001"}, {}),
    ("OrderReplaceCmd", "RPL-02", alone("LIVE"), {**ONE, "origClOrdId": "one", "clOrdId": "two", "price": "101"}, {}),
    ("OrderReplaceCmd", "RPL-06", alone("PART"), {**ONE, "orderQty": "300"}, {}),
    ("OrderReplaceCmd", "RPL-06", living, {**ROOT, "orderQty": "600"}, {}),
    ("OrderReplaceCmd", "RPL-06", living, {**KID, "orderQty": "1000"}, {}),
    ("OrderReplaceCmd", "RPL-06", placed, {**KID, "orderQty": "599"}, {}),
    (
        "OrderReplaceCmd",
        "RPL-07",
        alone("LIVE"),
        {**ONE, "symbol": "IBM", "side": "BUY", "account": "ACC", "ordType": "LIMIT", "text": "new"},
        {},
    ),
    ("OrderReplaceCmd", "RPL-09", alone("LIVE"), {**ONE, "execInst": "NO_CROSS"}, {}),
    ("OrderReplaceCmd", "RPL-09", cash, {**ONE, "text": "new"}, {}),
    ("ExecutionCorrectCmd", "COR-01", alone("PART"), {"execId": "e1", "lastQty": "250", "lastPx": "100"}, {}),
    ("ExecutionCorrectCmd", "COR-02", alone("PART"), {**SAME, "lastQty": "1000"}, {}),
    ("ExecutionCorrectCmd", "COR-02", alone("CXL"), {**SAME, "lastQty": "1000"}, {}),
    ("ExecutionCorrectCmd", "COR-02", ended_slice, {**SAME, "orderId": "slice", "lastQty": "300"}, {}),
    ("ExecutionCorrectCmd", "COR-02", placed_again, {**TO_KID, "lastQty": "300", "lastPx": "99"}, {}),
    ("ExecutionCorrectCmd", "COR-03", alone("PART"), {**SAME, "lastQty": "300", "lastPx": "99.99999999"}, {}),
    ("ExecutionCorrectCmd", "COR-04", corrected, {**SAME, "execId": "r2"}, {}),
    ("ExecutionCorrectCmd", "EX-03", alone("PART", priceType="SPREAD"), {**SAME, "lastPx": "-1"}, {}),
    ("ExecutionCorrectCmd", "PAR-14", complete, {**SAME, **KID}, {}),
    ("OrderGroupCmd", "GRP-01", grouped, {"memberOrderIds": ["m3", "m4"]}, {}),
    ("OrderGroupCmd", "GRP-03", unlike(text="other", account="B"), {**BOTH, "groupOrderId": "g" * 48}, {}),
    ("OrderGroupCmd", "GRP-06", members, BOTH, TWO_PEOPLE),
    ("OrderGroupCmd", "GRP-06", unlike(account="B"), {**BOTH, "groupedBy": "ann", "approvedBy": "bob"}, TWO_PEOPLE),
    ("OrderGroupCmd", "GRP-05", dissolved, BOTH, {}),
    ("OrderUngroupCmd", "GRP-08", grouped, {"groupOrderId": "g"}, {}),
    ("AllocationApproveCmd", "ALC-03", pending, {**KID, "quantity": "300.0"}, {}),
    ("AllocationApproveCmd", "ALC-03", pending, {**KID, "quantity": "0.00000001"}, {}),
    ("AllocationApproveCmd", "ALC-03", pending_and_ended, KID, {}),
    ("AllocationApproveCmd", "ALC-04", settled_member, GROUP, {}),
    ("AllocationRejectCmd", "ALC-03", pending, KID, {}),
]
"""Command and rule: the nearest good command, which the rule lets pass."""

CXL_REJ_REASONS = {
    "CXL-05": 3, "CXL-07": 2, "CXL-08": 2, "GRP-08": 99,
    "RPL-02": 1, "RPL-03": 0, "RPL-04": 3, "RPL-05": 6, "RPL-06": 99, "RPL-07": 99, "RPL-09": 99, "RPL-10": 2,
    "TICK-01": 18,
}  # fmt: skip
"""What a gateway answers in CxlRejReason when a cancel or replace request is refused by a rule; 99 for all others."""


def _prepared(scene: Scene, settings: Fields) -> Desk:
    desk = Desk(**{name.replace(".", "__"): value for name, value in settings.items()})
    scene(desk)
    return desk


def _sent(desk: Desk, kind: str, fields: Fields) -> Fields:
    """The fields of a command; orders and fills get what every one of them needs."""
    given = {name: value for name, value in fields.items() if value is not None}
    if kind == "OrderCreateCmd":
        return {"order": desk.asked(**fields)}
    if kind == "ExecutionCreateCmd":
        return {"execution": {"execId": "new", "lastQty": "1", "lastPx": "100", **given}}
    return given


def _found(problem: Problem) -> list[tuple[str, str, str]]:
    return [(one.rule_id, one.code, one.field) for one in problem.violations]


@pytest.mark.parametrize(
    ("kind", "rule_id", "code", "field", "scene", "fields", "settings"),
    VIOLATIONS,
    ids=[f"{row[0]}-{row[1]}-{row[2]}-{index}" for index, row in enumerate(VIOLATIONS)],
)
def test_a_command_is_refused(
    kind: str, rule_id: str, code: str, field: str, scene: Scene, fields: Fields, settings: Fields
) -> None:
    desk = _prepared(scene, settings)
    problem = desk.refused(kind, **_sent(desk, kind, fields))
    found = _found(problem)
    assert (rule_id, code, field) in found
    told = problem.violations[found.index((rule_id, code, field))]
    assert told.citation == citation(rule_id)
    assert len(told.message) > 20
    assert problem.error_code == problem.violations[0].code
    if kind in {"OrderCancelCmd", "OrderReplaceCmd"} and problem.violations[0].rule_id == rule_id:
        assert problem.context["cxlRejReason"] == CXL_REJ_REASONS.get(rule_id, 99)
    elif kind not in {"OrderCancelCmd", "OrderReplaceCmd"}:
        assert "cxlRejReason" not in problem.context


@pytest.mark.parametrize(
    ("kind", "rule_id", "scene", "fields", "settings"),
    BOUNDARIES,
    ids=[f"{row[0]}-{row[1]}-{index}" for index, row in enumerate(BOUNDARIES)],
)
def test_a_command_at_the_boundary_is_carried_out(
    kind: str, rule_id: str, scene: Scene, fields: Fields, settings: Fields
) -> None:
    desk = _prepared(scene, settings)
    if "m4" in str(fields):
        desk.given("NEW", orderId="m4", orderQty="1")
    result = desk.do(kind, **_sent(desk, kind, fields))
    assert result.ok, (rule_id, result.message)


NEW_COMMANDS = (
    "OrderReplaceCmd", "OrderReplaceAcceptCmd", "OrderReplaceRejectCmd", "ExecutionCorrectCmd", "OrderGroupCmd",
    "OrderUngroupCmd", "AllocationApproveCmd", "AllocationRejectCmd",
)  # fmt: skip
"""Commands of which every rule is violated here."""

ASKED_OF_ALL = {"ORD-17", "ORD-18", "ENV-09", "RPL-01"}
"""Rules that test_rules.py asks of every command: sizes, and that the order is named and exists."""

OF_TREES = ("PAR", "GRP", "ALC", "RPL", "COR")

HOLDS_ALREADY = {
    ("ORD-09", "price"),
    ("ORD-10", "stopPx"),
    ("ORD-11", "price"),
    ("ORD-12", "maxFloor"),
    ("ORD-12", "strikePrice"),
}
"""Rules of the resulting order that no replace can break: it takes no value away, and not all values are its terms."""


def _is_violated_here(kind: str, rule_id: str, field: str) -> bool:
    if rule_id.startswith("RSK") or rule_id in ASKED_OF_ALL or (rule_id, field) == ("ENV-07", "orderId"):
        return False
    if kind in NEW_COMMANDS:
        return not (kind == "OrderReplaceCmd" and (rule_id, field) in HOLDS_ALREADY)
    return rule_id.partition("-")[0] in OF_TREES or rule_id in {"EX-08", "CXL-08", "ORD-20"}


def test_every_rule_of_every_command_is_violated_by_a_row() -> None:
    asked = {
        (kind, rule.id, rule.code, rule.field)
        for kind in COMMANDS
        for rule in WORKFLOWS[kind]
        if _is_violated_here(kind, rule.id, rule.field)
    }
    assert asked - {row[:4] for row in VIOLATIONS} == set()


def test_a_malformed_parent_is_told_as_one_that_does_not_exist(desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(parentOrderId="a/b"))
    assert _found(problem) == [("ORD-20", ORDER1, "parentOrderId")]


def test_the_way_out_of_a_cancel_is_told(desk: Desk) -> None:
    grouped(desk)
    assert "OrderUngroupCmd" in desk.refused("OrderCancelCmd", orderId="g").detail
    assert "OrderPlaceCmd" in desk.refused("OrderCancelCmd", orderId="m3").detail


def test_no_way_out_leads_in_a_circle(desk: Desk) -> None:
    group_with_a_kid(desk)
    for kind, name in (("OrderCancelCmd", "orderId"), ("OrderUngroupCmd", "groupOrderId")):
        assert "send OrderPlaceCmd to one of its children" in desk.refused(kind, **{name: "g"}).detail
    desk.ok("OrderPlaceCmd", orderId="kid")
    assert desk.refused("OrderUngroupCmd", groupOrderId="g").detail.endswith("so cancel it")
    desk.ok("OrderCancelCmd", orderId="g")


def test_what_can_never_be_placed_is_neither_placed_nor_replaced_first(desk: Desk) -> None:
    ended_above(desk)
    told = desk.refused("OrderCancelCmd", orderId="new")
    assert told.error_code == STATE1
    assert "order root above it is CXL" in told.detail
    assert "OrderPlaceCmd" not in told.detail


def test_a_flood_of_members_is_counted(desk: Desk) -> None:
    problem = desk.refused("OrderGroupCmd", memberOrderIds=[f"x{number}" for number in range(101)])
    assert _found(problem) == [("GRP-01", VAL5, "memberOrderIds")]
    assert "has 101 orders; a group takes 2 to 100" in problem.detail
    problem = desk.refused("OrderGroupCmd", memberOrderIds=[f"x{number}" for number in range(100)])
    assert _found(problem) == [("GRP-02", ORDER1, "memberOrderIds")]
    assert "and 95 more do not exist" in problem.detail


def test_a_group_of_the_largest_size_is_made(desk: Desk) -> None:
    names = [desk.given("NEW", orderQty="1") for _ in range(100)]
    assert desk.order(desk.ok("OrderGroupCmd", memberOrderIds=names).id).order_qty == 100


def test_what_a_parent_would_have_placed_is_told(desk: Desk) -> None:
    placed(desk)
    child: dict[str, Any] = {"parentOrderId": "root", "orderQty": "0.00000001"}
    problem = desk.refused("OrderCreateCmd", order=desk.asked(**child))
    assert problem.detail == ("order root has 1000 of 1000 placed; with 0.00000001 more it would be 1000.00000001")
    replaced = desk.refused("OrderReplaceCmd", orderId="kid", orderQty="600.5")
    assert replaced.detail == "with orderQty 600.5 the parent would have 1000.5 placed, more than it orders"
