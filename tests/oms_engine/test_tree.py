"""How does a parent follow its children? Rules PAR-01 to PAR-19, one level and several, in every profile."""

import pytest

from oms_engine import CommandResult
from oms_engine.errors import Refused
from tests.oms_engine.desk import Desk
from tests.oms_engine.trees import book, bust, child, client, code, group, payload, told, tree, whack, written

PARENT_COMMANDS = (
    "OrderPlaceCmd",
    "OrderAcceptCmd",
    "OrderRejectCmd",
    "OrderCancelAcceptCmd",
    "OrderReplaceAcceptCmd",
    "OrderReplaceRejectCmd",
)


def profiled(profile: str) -> Desk:
    return Desk(lifecycle__profile=profile)


def cancelled(desk: Desk, order_id: str) -> None:
    """The market cancels an order that nobody asked to cancel."""
    desk.ok("OrderCancelAcceptCmd", orderId=order_id, unsolicited=True)


def test_an_order_takes_its_place_below_its_parent(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "600")
    first = child(desk, market, "300")
    second = child(desk, first, "100")
    places = [desk.order(each) for each in (root, market, first, second)]
    assert [(order.leg, order.role) for order in places] == [
        ("CLI", "CLIENT"),
        ("MKT", "MARKET"),
        ("MKT", "SLICE"),
        ("MKT", "SLICE"),
    ]
    assert [order.parent_order_id for order in places] == [None, root, market, first]
    assert {order.root_order_id for order in places} == {root}
    assert [order.place_qty for order in places] == [600, 300, 100, 0]


def chain(desk: Desk, levels: int, state: str) -> list[str]:
    """A client order of 1000 and so many levels of one child each, in this state."""
    orders = [client(desk)]
    for _ in range(levels):
        orders.append(child(desk, orders[-1], "1000", state))
    return orders


def test_the_deepest_tree_is_filled_and_cancelled_from_the_bottom(desk: Desk) -> None:
    orders = chain(desk, 32, "LIVE")
    desk.fill(orders[-1], "300")
    assert {book(desk, each) for each in orders} == {"LIVE 300/700"}
    desk.ok("OrderCancelCmd", orderId=orders[0])
    assert {desk.order(each).cancel_state for each in orders} == {"PCXL"}
    desk.ok("OrderCancelAcceptCmd", orderId=orders[-1])
    assert {book(desk, each) for each in orders} == {"CXL 300/0"}
    bust(desk, orders[-1])
    assert {book(desk, each) for each in orders} == {"CXL 0/0"}


def test_ord_20_a_tree_has_no_more_levels_than_that(desk: Desk) -> None:
    lowest = chain(desk, 32, "NEW")[-1]
    problem = desk.refused("OrderCreateCmd", order=desk.asked(parentOrderId=lowest, orderQty="1"))
    assert told(problem) == ("OMS-VAL-005", "ORD-20")
    assert "33 levels" in problem.violations[0].message
    assert "at most 32; place it below an order that stands higher" in problem.violations[0].message


def test_what_happens_to_a_child_reads_none_of_its_siblings(desk: Desk) -> None:
    def statements(siblings: int) -> list[int]:
        """How many statements the life of a child takes beside so many others, command by command."""
        root, *_ = tree(desk, "1000", *["10"] * siblings)
        counted = []
        name = f"beside-{siblings}"
        fill = {"orderId": name, "execId": "e1", "lastQty": "10", "lastPx": "100"}
        for kind, fields in (
            ("OrderCreateCmd", {"order": desk.asked(orderId=name, parentOrderId=root, orderQty="20")}),
            ("OrderAcceptCmd", {"orderId": name}),
            ("ExecutionCreateCmd", {"execution": fill}),
            ("OrderCancelAcceptCmd", {"orderId": name, "unsolicited": True}),
        ):
            sent: list[str] = []
            desk.engine._store.connection.set_trace_callback(sent.append)
            desk.ok(kind, **fields)
            desk.engine._store.connection.set_trace_callback(None)
            counted.append(len(sent))
        return counted

    assert statements(3) == statements(30)


def test_a_market_order_stands_below_a_group(desk: Desk) -> None:
    market = child(desk, group(desk, "500", "500"), "1000")
    assert (desk.order(market).role, desk.order(market).root_order_id) == ("MARKET", "g")
    assert desk.order(child(desk, market, "10")).role == "SLICE"


def test_a_tree_is_shown_by_depth_and_then_by_id(desk: Desk) -> None:
    root = client(desk, orderId="root")
    child(desk, root, "100", orderId="b")
    child(desk, root, "100", orderId="a")
    child(desk, "b", "50", orderId="aa")
    for order_id in ("root", "aa"):
        seen = desk.engine.tree(order_id)
        assert [order.order_id for order in seen.orders] == ["root", "a", "b", "aa"]
        assert seen.depths == {"root": 0, "a": 1, "b": 1, "aa": 2}
        assert (seen.group, seen.members) == (None, [])


def test_the_tree_of_a_member_shows_its_group_and_that_of_a_group_its_members(desk: Desk) -> None:
    market = child(desk, group(desk, "500", "500"), "1000")
    member = desk.engine.tree("m1")
    assert [order.order_id for order in member.orders] == ["m1"]
    assert member.group is not None
    assert member.group.order_id == "g"
    block = desk.engine.tree(market)
    assert ([order.order_id for order in block.orders], block.group) == (["g", market], None)
    assert [order.order_id for order in block.members] == ["m1", "m2"]


def test_there_is_no_tree_of_an_unknown_order(desk: Desk) -> None:
    with pytest.raises(Refused, match='"nobody" does not exist'):
        desk.engine.tree("nobody")


def test_par_01_a_parent_is_placed_with_its_first_child(desk: Desk) -> None:
    root = client(desk)
    result = desk.create(parentOrderId=root, orderQty="500")
    assert written(result) == [
        f"{result.id} OrderCreated",
        f"{result.id} OrderPlaced",
        f"{root} OrderPlacementChanged",
        f"{root} OrderPlaced",
    ]
    assert book(desk, root) == "UNACK 0/1000"
    assert payload(desk, root, "OrderPlaced") == {"routing": "child", "followedOrderId": result.id}
    created = {"childOrderId": result.id, "placeQtyDelta": "500", "reason": "CHILD_CREATED"}
    assert payload(desk, root, "OrderPlacementChanged") == created
    assert "OrderPlaced" not in [event.type for event in desk.create(parentOrderId=root, orderQty="1").events][2:]


def test_par_01_a_child_that_the_desk_holds_back_places_nothing_until_it_is_placed(desk: Desk) -> None:
    root = client(desk)
    held = child(desk, root, "500", "NEW")
    assert (book(desk, root), desk.order(root).place_qty) == ("NEW 0/1000", 500)
    assert written(desk.ok("OrderPlaceCmd", orderId=held)) == [f"{held} OrderPlaced", f"{root} OrderPlaced"]


def test_par_01_placing_a_slice_places_everything_above_it(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "500", "NEW")
    piece = child(desk, market, "100", "NEW")
    result = desk.ok("OrderPlaceCmd", orderId=piece)
    assert written(result) == [f"{piece} OrderPlaced", f"{market} OrderPlaced", f"{root} OrderPlaced"]


def test_par_02_a_parent_lives_with_its_first_living_child(desk: Desk) -> None:
    root = client(desk)
    first, second = (child(desk, root, "300", "UNACK") for _ in range(2))
    piece = child(desk, second, "100", "UNACK")
    result = desk.accept(piece)
    assert written(result) == [f"{piece} OrderAccepted", f"{second} OrderAccepted", f"{root} OrderAccepted"]
    assert payload(desk, root, "OrderAccepted") == {"followedOrderId": second}
    assert written(desk.accept(first)) == [f"{first} OrderAccepted"]


def test_par_02_a_fill_before_the_ack_makes_the_parent_live_in_the_profile_desk() -> None:
    desk = profiled("desk")
    root = client(desk)
    market = child(desk, root, "400", "UNACK")
    desk.fill(market, "400")
    assert (book(desk, market), book(desk, root)) == ("FILLED 400/0", "LIVE 400/600")


def test_par_03_the_rejection_of_the_last_child_rejects_the_parent(desk: Desk) -> None:
    root = client(desk)
    first, second = (child(desk, root, "300", "UNACK") for _ in range(2))
    desk.ok("OrderRejectCmd", orderId=first, ordRejReason=2)
    assert (book(desk, root), desk.order(root).place_qty) == ("UNACK 0/1000", 300)
    result = desk.ok("OrderRejectCmd", orderId=second, ordRejReason=15)
    assert written(result) == [f"{second} OrderRejected", f"{root} OrderPlacementChanged", f"{root} OrderRejected"]
    assert book(desk, root) == "REJ 0/0"
    assert payload(desk, root, "OrderRejected") == {"ordRejReason": 15, "followedOrderId": second}


def test_par_03_a_child_that_was_not_placed_yet_keeps_the_parent(desk: Desk) -> None:
    root = client(desk)
    rejected, held = child(desk, root, "300", "UNACK"), child(desk, root, "300", "NEW")
    desk.ok("OrderRejectCmd", orderId=rejected)
    assert book(desk, root) == "UNACK 0/1000"
    desk.ok("OrderPlaceCmd", orderId=held)
    desk.ok("OrderRejectCmd", orderId=held)
    assert book(desk, root) == "REJ 0/0"


def test_par_03_a_rejection_goes_up_through_all_levels(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "300", "UNACK")
    piece = child(desk, market, "300", "UNACK")
    desk.ok("OrderRejectCmd", orderId=piece)
    assert (book(desk, market), book(desk, root)) == ("REJ 0/0", "REJ 0/0")


def test_par_04_what_is_handed_on_fills_every_level(desk: Desk) -> None:
    root = client(desk, "500")
    market = child(desk, root, "500")
    piece = child(desk, market, "500")
    desk.fill(piece, "200", "10")
    assert [book(desk, each) for each in (piece, market, root)] == ["LIVE 200/300"] * 3
    result = desk.fill(piece, "300", "11")
    assert [book(desk, each) for each in (piece, market, root)] == ["FILLED 500/0"] * 3
    assert written(result) == [
        f"{piece} ExecutionCreated",
        f"{piece} OrderFilled",
        f"{piece} AllocationApplied",
        f"{market} AllocationApplied",
        f"{market} OrderFilled",
        f"{market} AllocationApplied",
        f"{root} AllocationApplied",
        f"{root} OrderFilled",
    ]
    assert payload(desk, root, "OrderFilled") == {"cumQty": "500", "avgPx": "10.6", "followedOrderId": market}


def test_par_05_a_parent_that_waits_is_cancelled_with_its_last_child(desk: Desk) -> None:
    root, first, second = tree(desk, "1000", "400", "300")
    desk.fill(first, "100")
    asked = desk.ok("OrderCancelCmd", orderId=root)
    assert written(asked) == [f"{each} OrderCancelRequested" for each in (root, first, second)]
    assert [payload(desk, each, "OrderCancelRequested")["origin"] for each in (root, first)] == ["CLIENT", "PARENT"]
    desk.ok("OrderCancelAcceptCmd", orderId=first)
    assert (book(desk, root), desk.order(root).cancel_state) == ("LIVE 100/900", "PCXL")
    desk.ok("OrderCancelAcceptCmd", orderId=second)
    order = desk.order(root)
    assert (book(desk, root), order.cancel_state, order.place_qty) == ("CXL 100/0", "CXL", 100)
    cancel = {"cancelledQty": "900", "unsolicited": False, "followedOrderId": second}
    assert payload(desk, root, "OrderCancelled") == cancel


def test_par_05_a_parent_waits_for_what_is_still_to_be_handed_on(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "1000", autoAllocation=False)
    desk.fill(market, "400")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert (book(desk, root), desk.order(root).cancel_state) == ("LIVE 0/1000", "PCXL")
    desk.ok("AllocationApproveCmd", orderId=market, quantity="300")
    assert book(desk, root) == "LIVE 300/700"
    result = desk.ok("AllocationApproveCmd", orderId=market)
    assert book(desk, root) == "CXL 400/0"
    assert written(result)[-2:] == [f"{root} AllocationApplied", f"{root} OrderCancelled"]


def ended_below(desk: Desk, waiting: str, levels: int) -> list[str]:
    """So many cancelled orders below one that waits for its cancel, and below them one that a bust has reopened."""
    chain = [waiting]
    for level in range(levels):
        chain.append(child(desk, chain[-1], "1000", "NEW", handlInst="MANUAL", autoAllocation=level > 0))
    chain.append(child(desk, chain[-1], "500"))
    desk.fill(chain[-1], "500")
    for each in chain[-2:0:-1]:
        desk.ok("OrderCancelCmd", orderId=each)
    bust(desk, chain[-1])
    desk.ok("OrderCancelCmd", orderId=waiting)
    assert (book(desk, chain[-1]), desk.order(waiting).cancel_state) == ("LIVE 0/500", "PCXL")
    return chain


def causes_are_of_the_command(desk: Desk, result: CommandResult) -> bool:
    """Was each event of the last command brought about by that, or by one that came with it?"""
    events = desk.engine.events(after=result.events[0].position - 1)
    known = {events[0].causation_id, *(f"{event.stream_id}@{event.version}" for event in events)}
    return all(event.causation_id in known for event in events)


@pytest.mark.parametrize("end", ["OrderCancelAcceptCmd", "OrderExpireCmd"])
@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_par_05_a_parent_that_waits_hears_of_rest_through_levels_that_have_ended(
    levels: int, forward: bool, end: str, desk: Desk
) -> None:
    chain = ended_below(desk, client(desk, autoForward=forward), levels)
    result = desk.ok(end, orderId=chain[-1])
    assert [book(desk, each) for each in chain[:-1]] == ["CXL 0/0"] * (levels + 1)
    assert f"{chain[0]} OrderCancelled" in written(result)
    assert causes_are_of_the_command(desk, result)


def test_par_05_such_a_parent_may_have_others_above_that_live_on(desk: Desk) -> None:
    root = client(desk, "2000")
    sibling = child(desk, root, "1000")
    chain = ended_below(desk, child(desk, root, "1000", "NEW", handlInst="MANUAL", autoForward=False), 2)
    desk.ok("OrderCancelAcceptCmd", orderId=chain[-1])
    assert [book(desk, each) for each in (chain[0], root, sibling)] == ["CXL 0/0", "LIVE 0/2000", "LIVE 0/1000"]
    assert desk.order(root).place_qty == 1000


def test_par_05_such_a_parent_may_be_a_group_whose_members_end_with_it(desk: Desk) -> None:
    block = group(desk, "600", "400")
    chain = ended_below(desk, block, 2)
    result = desk.ok("OrderCancelAcceptCmd", orderId=chain[-1])
    assert [book(desk, each) for each in (block, "m1", "m2")] == ["CXL 0/0"] * 3
    assert causes_are_of_the_command(desk, result)


def test_par_05_a_parent_that_is_filled_meanwhile_is_filled(desk: Desk) -> None:
    root, market = tree(desk, "300", "300")
    desk.ok("OrderCancelCmd", orderId=root)
    result = desk.fill(market, "300")
    assert written(result)[1:3] == [f"{market} OrderFilled", f"{market} OrderCancelRejected"]
    assert written(result)[-2:] == [f"{root} OrderFilled", f"{root} OrderCancelRejected"]
    assert (book(desk, root), desk.order(root).cancel_state) == ("FILLED 300/0", "REJ")
    assert payload(desk, root, "OrderCancelRejected") == {"cxlRejReason": 0}


def test_par_05_in_the_profile_desk_a_parent_without_an_ack_is_cancelled_too() -> None:
    desk = profiled("desk")
    root = client(desk)
    market = child(desk, root, "1000", "UNACK")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert book(desk, root) == "CXL 0/0"


@pytest.mark.parametrize("order", [("OrderCancelAcceptCmd", "OrderCancelRejectCmd"), ("OrderCancelRejectCmd",) * 2])
def test_par_06_a_parent_hears_that_a_child_would_not_be_cancelled(order: tuple[str, str], desk: Desk) -> None:
    root, first, second = tree(desk, "1000", "400", "300")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok(order[0], orderId=first)
    assert desk.order(root).cancel_state == "PCXL"
    desk.ok(order[1], orderId=second, cxlRejReason=2)
    assert (desk.order(root).state, desk.order(root).cancel_state) == ("LIVE", "REJ")
    refused = payload(desk, root, "OrderCancelRejected")["cxlRejReason"]
    assert refused == (2 if order[0] == "OrderCancelAcceptCmd" else 99)
    desk.ok("OrderCancelCmd", orderId=root)


def test_par_06_the_answer_comes_with_the_last_child_whichever_that_is(desk: Desk) -> None:
    root, first, second = tree(desk, "1000", "400", "300")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok("OrderCancelRejectCmd", orderId=first, cxlRejReason=18)
    assert desk.order(root).cancel_state == "PCXL"
    result = desk.ok("OrderCancelAcceptCmd", orderId=second)
    assert written(result)[-1] == f"{root} OrderCancelRejected"
    assert payload(desk, root, "OrderCancelRejected") == {"cxlRejReason": 18}


def test_par_06_a_child_that_is_filled_has_answered(desk: Desk) -> None:
    root, first, second = tree(desk, "1000", "400", "300")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok("OrderCancelRejectCmd", orderId=first)
    desk.fill(second, "300")
    assert (book(desk, root), desk.order(root).cancel_state) == ("LIVE 300/700", "REJ")


def test_par_06_goes_up_through_all_levels(desk: Desk) -> None:
    root, market = tree(desk, "1000", "400")
    piece = child(desk, market, "400")
    desk.ok("OrderCancelCmd", orderId=root)
    result = desk.ok("OrderCancelRejectCmd", orderId=piece, cxlRejReason=2)
    assert written(result) == [f"{each} OrderCancelRejected" for each in (piece, market, root)]


def test_par_06_a_child_that_a_correction_reopens_lets_the_parent_hear_no_more(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "300", autoAllocation=False)
    desk.ok("OrderCancelCmd", orderId=root)
    desk.fill(market, "300")
    assert desk.order(root).cancel_state == "PCXL"
    bust(desk, market)
    assert (desk.order(market).state, desk.order(market).cancel_state) == ("LIVE", "REJ")
    assert (desk.order(root).state, desk.order(root).cancel_state) == ("LIVE", "REJ")


def test_par_06_a_parent_that_cannot_be_cancelled_any_more_hears_it(desk: Desk) -> None:
    root = client(desk)
    sent, _held = child(desk, root, "300", "UNACK"), child(desk, root, "300", "NEW")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok("OrderRejectCmd", orderId=sent)
    assert (desk.order(root).state, desk.order(root).cancel_state) == ("UNACK", "REJ")


@pytest.mark.parametrize(
    ("end", "fields", "ended"),
    [
        ("OrderCancelAcceptCmd", {"unsolicited": True}, "CXL"),
        ("OrderRejectCmd", {"ordRejReason": 2}, "REJ"),
        ("OrderExpireCmd", {}, "EXP"),
    ],
)
def test_par_07_to_09_the_market_ends_a_parent_whose_whole_quantity_was_placed(
    end: str, fields: dict[str, object], ended: str, desk: Desk
) -> None:
    root, first, second = tree(desk, "1000", "600", "400")
    desk.ok(end, orderId=first, **fields)
    assert (book(desk, root), desk.order(root).place_qty) == ("LIVE 0/1000", 400)
    whole, only = tree(desk, "1000", "1000")
    result = desk.ok(end, orderId=only, **fields)
    assert book(desk, whole) == f"{ended} 0/0"
    assert written(result)[1:] == [f"{whole} OrderPlacementChanged", f"{whole} {result.events[0].type}"]
    assert payload(desk, whole, result.events[0].type)["followedOrderId"] == only
    cancelled(desk, second)
    assert book(desk, root) == "LIVE 0/1000"


def test_par_07_a_cancel_of_the_market_is_unsolicited_above_too(desk: Desk) -> None:
    root, market = tree(desk, "1000", "1000")
    desk.fill(market, "300")
    cancelled(desk, market)
    assert book(desk, root) == "CXL 300/0"
    told = {"cancelledQty": "700", "unsolicited": True, "followedOrderId": market}
    assert payload(desk, root, "OrderCancelled") == told


def test_par_08_a_parent_with_fills_is_cancelled_by_a_rejection(desk: Desk) -> None:
    root, first = tree(desk, "1000", "300")
    desk.fill(first, "300")
    second = child(desk, root, "700")
    desk.ok("OrderRejectCmd", orderId=second)
    assert book(desk, root) == "CXL 300/0"
    assert payload(desk, root, "OrderCancelled")["unsolicited"] is True


@pytest.mark.parametrize("profile", ["desk", "standard"])
def test_par_08_hears_the_rejection_of_a_child_that_was_never_placed(profile: str) -> None:
    desk = profiled(profile)
    root, first = tree(desk, "1000", "500")
    held = child(desk, root, "500", "NEW")
    desk.fill(first, "500")
    if profile == "standard":
        desk.ok("OrderPlaceCmd", orderId=held)
    desk.ok("OrderRejectCmd", orderId=held)
    assert book(desk, root) == "CXL 500/0"
    told = {"cancelledQty": "500", "unsolicited": True, "followedOrderId": held}
    assert payload(desk, root, "OrderCancelled") == told


def test_par_08_leaves_a_parent_of_which_nothing_was_placed() -> None:
    desk = profiled("desk")
    root = client(desk)
    held = child(desk, root, "1000", "NEW")
    desk.ok("OrderRejectCmd", orderId=held)
    assert (book(desk, root), desk.order(root).place_qty) == ("NEW 0/1000", 0)


def test_par_09_an_expiry_goes_up_through_all_levels(desk: Desk) -> None:
    root, market = tree(desk, "1000", "1000")
    piece = child(desk, market, "1000")
    desk.fill(piece, "100")
    desk.ok("OrderExpireCmd", orderId=piece)
    assert [book(desk, each) for each in (piece, market, root)] == ["EXP 100/0"] * 3
    assert payload(desk, root, "OrderExpired")["expiredQty"] == "900"


@pytest.mark.parametrize("held", ["a held child", "pending quantity", "a request of the desk"])
def test_par_10_what_the_market_does_not_end_alone_leaves_the_parent(held: str, desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "600", autoAllocation=held != "pending quantity")
    other = child(desk, root, "400", "NEW" if held == "a held child" else "LIVE")
    if held != "a held child":
        desk.fill(other, "400")
    if held == "pending quantity":
        desk.fill(market, "100")
    if held == "a request of the desk":
        desk.ok("OrderCancelCmd", orderId=market)
        desk.ok("OrderCancelAcceptCmd", orderId=market)
    else:
        cancelled(desk, market)
    assert desk.order(root).state == "LIVE"
    freed = {"childOrderId": market, "placeQtyDelta": "-500" if held == "pending quantity" else "-600"}
    assert payload(desk, root, "OrderPlacementChanged") == {**freed, "reason": "CHILD_ENDED"}


def test_par_10_freed_quantity_can_be_placed_again(desk: Desk) -> None:
    root, market = tree(desk, "1000", "1000")
    desk.fill(market, "300")
    desk.ok("OrderCancelCmd", orderId=market)
    assert payload(desk, market, "OrderCancelRequested")["origin"] == "DESK"
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert (book(desk, root), desk.order(root).place_qty) == ("LIVE 300/700", 300)
    assert code(desk, "OrderCreateCmd", order=desk.asked(parentOrderId=root, orderQty="701")) == "OMS-ORDER-004"
    assert desk.order(child(desk, root, "700")).state == "LIVE"


def test_par_10_every_level_counts_what_its_child_counts(desk: Desk) -> None:
    root, market = tree(desk, "1000", "800")
    piece = child(desk, market, "500")
    desk.fill(piece, "200")
    cancelled(desk, piece)
    assert (desk.order(market).place_qty, desk.order(root).place_qty) == (200, 800)
    cancelled_market = desk.ok("OrderCancelCmd", orderId=market)
    assert written(cancelled_market)[-1] == f"{root} OrderPlacementChanged"
    assert desk.order(root).place_qty == 200


def test_par_11_a_correction_below_reopens_every_level(desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    piece = child(desk, market, "500")
    desk.fill(piece, "500")
    result = whack(desk, piece)
    assert [book(desk, each) for each in (piece, market, root)] == ["LIVE 0/500"] * 3
    assert written(result) == [
        f"{piece} ExecutionWhacked",
        f"{piece} OrderReopened",
        f"{piece} AllocationReversed",
        f"{market} AllocationReversed",
        f"{market} AllocationReversed",
        f"{market} OrderReopened",
        f"{root} AllocationReversed",
        f"{root} OrderReopened",
    ]
    assert payload(desk, root, "OrderReopened") == {"reason": "WHACK", "execId": "e1"}


@pytest.mark.parametrize(("end", "ended"), [("OrderCancelCmd", "CXL"), ("OrderExpireCmd", "EXP")])
def test_par_12_an_ended_parent_gives_back_and_stays_ended(end: str, ended: str, desk: Desk) -> None:
    root, market = tree(desk, "1000", "500")
    desk.fill(market, "300", "10")
    desk.fill(market, "100", "20")
    cancelled(desk, market)
    desk.ok(end, orderId=root)
    assert book(desk, root) == f"{ended} 400/0"
    result = bust(desk, market)
    assert (book(desk, root), desk.order(root).avg_px, desk.order(root).place_qty) == (f"{ended} 100/0", 20, 100)
    assert written(result)[-2:] == [f"{root} AllocationReversed", f"{root} OrderPlacementChanged"]
    assert payload(desk, root, "OrderPlacementChanged")["reason"] == "CHILD_CORRECTED"


@pytest.mark.parametrize(("end", "ended"), [("OrderCancelCmd", "CXL"), ("OrderExpireCmd", "EXP")])
def test_par_13_a_child_that_reopens_below_an_ended_parent_is_cancelled(end: str, ended: str, desk: Desk) -> None:
    root, market = tree(desk, "1000", "500")
    desk.fill(market, "500")
    desk.ok(end, orderId=root)
    result = bust(desk, market)
    assert written(result)[1:4] == [f"{market} OrderReopened", f"{market} AllocationReversed",
                                    f"{market} OrderCancelRequested"]  # fmt: skip
    assert payload(desk, market, "OrderCancelRequested") == {"origin": "PARENT"}
    assert (book(desk, market), book(desk, root)) == ("LIVE 0/500", f"{ended} 0/0")
    desk.fill(market, "200", exec_id="e9")
    assert (book(desk, market), book(desk, root)) == ("LIVE 200/300", f"{ended} 200/0")
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert (book(desk, root), desk.order(root).place_qty) == (f"{ended} 200/0", 200)


def test_par_13_forwards_the_cancel_to_the_slices(desk: Desk) -> None:
    root, market = tree(desk, "1000", "500")
    piece = child(desk, market, "500")
    desk.fill(piece, "500")
    desk.ok("OrderCancelCmd", orderId=root)
    bust(desk, piece)
    assert [desk.order(each).cancel_state for each in (root, market, piece)] == ["CXL", "PCXL", "PCXL"]
    desk.ok("OrderCancelAcceptCmd", orderId=piece)
    assert [book(desk, each) for each in (root, market, piece)] == ["CXL 0/0"] * 3


def test_par_13_a_parent_that_reopens_at_rest_is_cancelled_at_once(desk: Desk) -> None:
    root, market = tree(desk, "1000", "500")
    first, second = child(desk, market, "500"), None
    desk.fill(first, "200")
    cancelled_first = desk.ok("OrderCancelCmd", orderId=first)
    assert cancelled_first.ok
    desk.ok("OrderCancelAcceptCmd", orderId=first)
    second = child(desk, market, "300")
    desk.fill(second, "300")
    assert book(desk, market) == "FILLED 500/0"
    desk.ok("OrderExpireCmd", orderId=root)
    bust(desk, first)
    assert (book(desk, market), book(desk, root)) == ("CXL 300/0", "EXP 300/0")
    assert desk.order(root).place_qty == 300


@pytest.mark.parametrize("correction", ["ExecutionBustCmd", "ExecutionCorrectCmd"])
def test_par_14_a_closed_parent_gives_nothing_back(correction: str, desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    desk.fill(market, "500")
    desk.ok("OrderCloseCmd", orderId=root)
    fields = {"orderId": market, "execId": "e1"}
    more = {} if correction == "ExecutionBustCmd" else {"lastQty": "100", "lastPx": "100"}
    problem = desk.refused(correction, **fields, **more)
    assert told(problem) == ("OMS-EXEC-005", "PAR-14")
    assert root in problem.detail


def test_par_14_looks_up_to_the_root(desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    piece = child(desk, market, "500")
    desk.fill(piece, "500")
    desk.ok("OrderCloseCmd", orderId=root)
    assert told(desk.refused("ExecutionBustCmd", orderId=piece, execId="e1"))[1] == "PAR-14"


def test_par_14_what_was_not_handed_on_can_be_taken_back(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "500", autoAllocation=False)
    desk.fill(market, "500")
    assert told(desk.refused("OrderCloseCmd", orderId=root))[1] == "END-03"
    desk.ok("AllocationApproveCmd", orderId=market, quantity="200")
    bust(desk, market)
    assert (book(desk, market), book(desk, root)) == ("LIVE 0/500", "LIVE 0/1000")


def test_par_15_children_that_were_never_placed_count_nothing_once_their_parent_has_ended(desk: Desk) -> None:
    root, market = tree(desk, "1000", "300")
    held = child(desk, root, "200", "NEW")
    assert desk.order(root).place_qty == 500
    desk.ok("OrderCancelCmd", orderId=root)
    result = desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert (desk.order(root).state, desk.order(root).place_qty) == ("CXL", 0)
    assert written(result)[-1] == f"{root} OrderPlacementChanged"
    released = {"childOrderId": held, "placeQtyDelta": "-200", "reason": "CHILD_ENDED"}
    assert payload(desk, root, "OrderPlacementChanged") == released
    assert desk.order(held).state == "NEW"
    problem = desk.refused("OrderPlaceCmd", orderId=held)
    assert told(problem) == ("OMS-STATE-003", "PAR-15")
    assert code(desk, "OrderCreateCmd", order=desk.asked(parentOrderId=held, orderQty="1")) == "OMS-STATE-003"


def test_par_15_in_the_profile_desk_they_are_cancelled_with_all_that_is_below() -> None:
    desk = profiled("desk")
    root, market = tree(desk, "1000", "300")
    held = child(desk, root, "200", "NEW")
    piece = child(desk, held, "100", "NEW")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert [book(desk, each) for each in (root, held, piece)] == ["CXL 0/0"] * 3
    assert [desk.order(each).place_qty for each in (root, held)] == [0, 0]
    assert payload(desk, piece, "OrderCancelRequested") == {"origin": "PARENT"}
    assert payload(desk, piece, "OrderCancelled")["followedOrderId"] == held


@pytest.mark.parametrize("command", PARENT_COMMANDS)
def test_par_16_the_children_of_a_parent_get_its_market_commands(command: str, desk: Desk) -> None:
    root, _market = tree(desk, "1000", "300")
    problem = desk.refused(command, orderId=root)
    found = {violation.rule_id: violation.code for violation in problem.violations}
    assert found["PAR-16"] == "OMS-STATE-002"
    assert f"send {command} to them" in str(problem.violations)


def test_par_16_a_parent_does_not_execute_itself(desk: Desk) -> None:
    root, _market = tree(desk, "1000", "300")
    fill = {"orderId": root, "execId": "e1", "lastQty": "1", "lastPx": "1"}
    problem = desk.refused("ExecutionCreateCmd", execution=fill)
    assert told(problem) == ("OMS-STATE-002", "EX-08")


def test_par_17_the_desk_refuses_a_cancel_that_is_not_forwarded(desk: Desk) -> None:
    root = client(desk, autoForward=False)
    market = child(desk, root, "300")
    assert written(desk.ok("OrderCancelCmd", orderId=root)) == [f"{root} OrderCancelRequested"]
    assert desk.order(market).cancel_state is None
    desk.ok("OrderCancelRejectCmd", orderId=root, cxlRejReason=2)
    assert (desk.order(root).state, desk.order(root).cancel_state) == ("LIVE", "REJ")
    desk.ok("OrderCancelCmd", orderId=root)
    desk.ok("OrderCancelCmd", orderId=market)
    desk.ok("OrderCancelAcceptCmd", orderId=market)
    assert book(desk, root) == "CXL 0/0"


def test_par_17_a_parent_that_forwards_hears_its_children_only(desk: Desk) -> None:
    root, _market = tree(desk, "1000", "300")
    desk.ok("OrderCancelCmd", orderId=root)
    problem = desk.refused("OrderCancelRejectCmd", orderId=root)
    assert told(problem) == ("OMS-STATE-002", "PAR-17")


def test_par_17_a_refusal_by_hand_goes_up_to_a_parent_that_forwarded(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "300", autoForward=False)
    child(desk, market, "300")
    desk.ok("OrderCancelCmd", orderId=root)
    result = desk.ok("OrderCancelRejectCmd", orderId=market)
    assert written(result) == [f"{market} OrderCancelRejected", f"{root} OrderCancelRejected"]


def test_par_18_a_parent_expires_at_rest(desk: Desk) -> None:
    root, market = tree(desk, "1000", "300")
    problem = desk.refused("OrderExpireCmd", orderId=root)
    assert told(problem) == ("OMS-STATE-002", "PAR-18")
    desk.fill(market, "300")
    assert written(desk.ok("OrderExpireCmd", orderId=root)) == [f"{root} OrderExpired"]
    assert book(desk, root) == "EXP 300/0"


def test_par_18_pending_quantity_below_is_no_rest(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "300", autoAllocation=False)
    desk.fill(market, "300")
    assert told(desk.refused("OrderExpireCmd", orderId=root))[1] == "PAR-18"
    desk.ok("AllocationApproveCmd", orderId=market)
    desk.ok("OrderExpireCmd", orderId=root)


def test_par_19_a_parent_at_rest_is_cancelled_at_once(desk: Desk) -> None:
    root, market = tree(desk, "1000", "300")
    desk.fill(market, "300")
    result = desk.ok("OrderCancelCmd", orderId=root)
    assert written(result) == [f"{root} OrderCancelRequested", f"{root} OrderCancelled"]
    assert (book(desk, root), desk.order(root).cancel_state) == ("CXL 300/0", "CXL")
    assert payload(desk, root, "OrderCancelled") == {"cancelledQty": "700", "unsolicited": False}


def test_par_19_a_forwarded_cancel_ends_a_parent_at_rest_at_once(desk: Desk) -> None:
    root, market = tree(desk, "1000", "500")
    piece = child(desk, market, "300")
    held = child(desk, market, "100", "NEW")
    desk.fill(piece, "300")
    result = desk.ok("OrderCancelCmd", orderId=root)
    assert [book(desk, each) for each in (root, market)] == ["CXL 300/0", "CXL 300/0"]
    assert [desk.order(each).place_qty for each in (root, market)] == [300, 300]
    assert written(result)[:2] == [f"{root} OrderCancelRequested", f"{root} OrderPlacementChanged"]
    assert code(desk, "OrderPlaceCmd", orderId=held) == "OMS-STATE-003"


def test_par_19_a_forwarded_cancel_is_refused_where_nobody_is_in_the_market_to_answer(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "500", "UNACK")
    held = child(desk, market, "300", "NEW")
    result = desk.ok("OrderCancelCmd", orderId=root)
    assert [desk.order(each).cancel_state for each in (root, market)] == ["REJ", "REJ"]
    assert payload(desk, market, "OrderCancelRejected") == {"cxlRejReason": 2}
    assert payload(desk, root, "OrderCancelRejected") == {"cxlRejReason": 2}
    assert len(result.events) == 4
    desk.ok("OrderPlaceCmd", orderId=held)


def test_a_cancel_of_an_unacked_parent_that_has_nobody_in_the_market_is_refused(desk: Desk) -> None:
    root = client(desk)
    sent, _held = child(desk, root, "300", "UNACK"), child(desk, root, "300", "NEW")
    desk.ok("OrderRejectCmd", orderId=sent)
    problem = desk.refused("OrderCancelCmd", orderId=root)
    assert told(problem) == ("OMS-STATE-001", "CXL-07")


@pytest.mark.parametrize(
    ("below", "why"),
    [
        ({"parentOrderId": "nobody"}, "OMS-ORDER-001"),
        ({"parentOrderId": "no good"}, "OMS-ORDER-001"),
        ({"symbol": "MSFT"}, "OMS-VAL-001"),
        ({"side": "SELL"}, "OMS-VAL-001"),
        ({"orderQty": "1000.00000001"}, "OMS-ORDER-004"),
    ],
)
def test_a_child_fits_under_its_parent(below: dict[str, object], why: str, desk: Desk) -> None:
    asked = desk.asked(**({"parentOrderId": client(desk)} | below))
    problem = desk.refused("OrderCreateCmd", order=asked)
    assert told(problem) == (why, "ORD-20")


@pytest.mark.parametrize("state", ["FILLED", "CXL", "REJ", "EXP", "CLOSED"])
def test_an_ended_order_takes_no_child(state: str, desk: Desk) -> None:
    asked = desk.asked(parentOrderId=desk.given(state), orderQty="1")
    problem = desk.refused("OrderCreateCmd", order=asked)
    assert told(problem) == ("OMS-STATE-003", "ORD-20")


def test_a_child_is_ordered_in_units(desk: Desk) -> None:
    fund = {"securityType": "MF", "side": "SUBSCRIBE", "ordType": "MARKET", "price": None}
    root = client(desk, **fund)
    below = desk.asked(parentOrderId=root, **fund, orderQty=None, cashOrderQty="50")
    assert told(desk.refused("OrderCreateCmd", order=below)) == ("OMS-VAL-001", "ORD-20")


def test_a_member_takes_no_child(desk: Desk) -> None:
    group(desk, "500", "500")
    problem = desk.refused("OrderCreateCmd", order=desk.asked(parentOrderId="m1", orderQty="1"))
    assert told(problem) == ("OMS-STATE-002", "ORD-20")


def test_an_order_that_trades_itself_takes_no_child_even_after_a_bust(desk: Desk) -> None:
    leaf = desk.given("PART")
    bust(desk, leaf)
    assert code(desk, "OrderCreateCmd", order=desk.asked(parentOrderId=leaf, orderQty="1")) == "OMS-STATE-002"


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("request_", ["OrderCancelCmd", "OrderReplaceCmd"])
def test_nothing_is_created_or_placed_below_a_pending_request(request_: str, level: int, desk: Desk) -> None:
    root = client(desk, autoForward=False)
    market = child(desk, root, "500", autoForward=False)
    held = child(desk, market, "100", "NEW") if level or request_ == "OrderCancelCmd" else ""
    asked = (root, market)[level]
    if request_ == "OrderReplaceCmd":
        asked = market = child(desk, root, "100")
        held = ""
    else:
        child(desk, market, "100")
    desk.ok(request_, orderId=asked, **({"orderQty": "50"} if request_ == "OrderReplaceCmd" else {}))
    assert code(desk, "OrderCreateCmd", order=desk.asked(parentOrderId=market, orderQty="1")) == "OMS-STATE-002"
    if held:
        assert code(desk, "OrderPlaceCmd", orderId=held) == "OMS-STATE-002"


def test_followers_name_the_event_that_brought_theirs_about(desk: Desk) -> None:
    root = client(desk)
    market = child(desk, root, "500", "UNACK")
    result = desk.ok("OrderAcceptCmd", orderId=market, commandId="C", correlationId="K")
    accepted, followed = (desk.engine.history(each)[-1] for each in (market, root))
    assert (accepted.causation_id, followed.causation_id) == ("C", f"order-{market}@{accepted.version}")
    assert {accepted.correlation_id, followed.correlation_id} == {"K"}
    assert [event.position for event in result.events] == [accepted.position, followed.position]


def test_the_main_order_is_written_first_then_those_above_then_members_and_children_by_id(desk: Desk) -> None:
    block = group(desk, "500", "500")
    first = child(desk, block, "600", "UNACK", orderId="b")
    child(desk, block, "400", "UNACK", orderId="a")
    accepted = desk.accept(first)
    assert written(accepted) == ["b OrderAccepted", "g OrderAccepted", "m1 OrderAccepted", "m2 OrderAccepted"]
    asked = desk.ok("OrderCancelCmd", orderId=block)
    assert written(asked) == ["g OrderCancelRequested", "a OrderCancelRequested", "b OrderCancelRequested"]
    positions = [event.position for event in asked.events]
    assert positions == list(range(positions[0], positions[0] + 3))


def test_in_the_profile_desk_a_living_order_is_closed_only_where_it_stands_alone() -> None:
    desk = profiled("desk")
    root, market = tree(desk, "1000", "300")
    desk.fill(market, "300")
    assert told(desk.refused("OrderCloseCmd", orderId=root)) == ("OMS-STATE-002", "END-03")
    below = child(desk, root, "500")
    desk.ok("OrderCloseCmd", orderId=below)
    assert (book(desk, below), desk.order(root).place_qty) == ("CLOSED 0/0", 300)
    desk.ok("OrderCloseCmd", orderId=desk.given("LIVE"))


def test_a_parent_is_told_to_be_cancelled_by_asking_and_waits_for_its_children_then() -> None:
    desk = Desk()
    parent, child = tree(desk, "100", "100")
    assert {step.to: step.command for step in desk.engine.next_states(desk.order(parent))}["CXL"] == "OrderCancelCmd"
    answers = {step.to: step.command for step in desk.engine.next_states(desk.order(child))}
    assert answers["CXL"] == "OrderCancelAcceptCmd"
    desk.ok("OrderCancelCmd", orderId=parent)
    assert "CXL" not in {step.to for step in desk.engine.next_states(desk.order(parent))}
