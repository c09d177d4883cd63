"""Who gets what was executed? Rules ALC-01 to ALC-08: straight through, by the desk, and level by level."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.domain.decider.allocation import MemberShare, share_out
from tests.oms_engine.desk import Desk
from tests.oms_engine.trees import (
    allocations,
    book,
    bust,
    child,
    client,
    correct,
    got,
    handed,
    live_group,
    payload,
    shares,
    told,
    tree,
    written,
)

DECISIONS = ("AllocationApproveCmd", "AllocationRejectCmd")


def manual(desk: Desk, *fills: tuple[str, str], quantity: str = "800") -> tuple[str, str]:
    """A client order of 1000 and a market order below it with these fills, which the desk hands on."""
    root = client(desk)
    market = child(desk, root, quantity, autoAllocation=False)
    for last_qty, last_px in fills:
        desk.fill(market, last_qty, last_px)
    return root, market


@pytest.mark.parametrize("decision", DECISIONS)
def test_alc_01_somebody_has_to_get_it(decision: str, desk: Desk) -> None:
    alone = desk.given("PART", autoAllocation=False)
    assert told(desk.refused(decision, orderId=alone)) == ("OMS-STATE-002", "ALC-01")
    assert told(desk.refused(decision, orderId="nobody")) == ("OMS-ORDER-001", "ALC-01")


@pytest.mark.parametrize("decision", DECISIONS)
def test_alc_02_straight_through_needs_no_decision(decision: str, desk: Desk) -> None:
    root, market = tree(desk, "1000", "800")
    result = desk.fill(market, "300", "50")
    assert (handed(desk, market), book(desk, root)) == ("ALLOCATED 300+0", "LIVE 300/700")
    assert written(result)[1:] == [f"{market} AllocationApplied", f"{root} AllocationApplied"]
    assert told(desk.refused(decision, orderId=market)) == ("OMS-STATE-002", "ALC-02")


def test_both_sides_of_an_allocation_are_written_down(desk: Desk) -> None:
    root, market = tree(desk, "1000", "800")
    desk.fill(market, "300", "50")
    lots = [{"orderId": market, "execId": "e1", "quantity": "300", "price": "50"}]
    assert payload(desk, market, "AllocationApplied") == {"direction": "OUT", "counterpart": root, "lots": lots}
    assert payload(desk, root, "AllocationApplied") == {"direction": "IN", "counterpart": market, "lots": lots}
    [allocation] = allocations(desk)
    assert (allocation.giver_order_id, allocation.receiver_order_id) == (market, root)
    assert (allocation.order_id, allocation.exec_id, allocation.status) == (market, "e1", "APPLIED")
    assert (allocation.quantity, allocation.price, allocation.approved_by) == (300, 50, None)


def test_an_order_without_a_receiver_has_what_it_executed(desk: Desk) -> None:
    alone = desk.order(desk.given("PART"))
    assert (alone.alloc_qty, alone.pending_alloc_qty, alone.alloc_state) == (300, 0, None)


def test_alc_03_fills_of_a_manual_order_are_pending_until_the_desk_hands_them_on(desk: Desk) -> None:
    root, market = manual(desk)
    assert handed(desk, market) == "NEW 0+0"
    desk.fill(market, "500", "50")
    assert (handed(desk, market), book(desk, root)) == ("PENDING_ALLOC 0+500", "LIVE 0/1000")
    result = desk.ok("AllocationApproveCmd", orderId=market, quantity="200", approvedBy="ann")
    assert (handed(desk, market), book(desk, root)) == ("PENDING_ALLOC 200+300", "LIVE 200/800")
    assert written(result) == [f"{market} AllocationApplied", f"{root} AllocationApplied"]
    assert {payload(desk, each, "AllocationApplied")["approvedBy"] for each in (market, root)} == {"ann"}
    desk.ok("AllocationApproveCmd", orderId=market, actor="bob")
    assert (handed(desk, market), book(desk, root)) == ("ALLOCATED 500+0", "LIVE 500/500")
    assert [row.approved_by for row in allocations(desk)] == ["ann", "bob"]


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize(
    ("quantity", "why"),
    [("0", "OMS-VAL-005"), ("-1", "OMS-VAL-005"), ("300.00000001", "OMS-ORDER-004")],
)
def test_alc_03_a_decision_is_about_pending_quantity(decision: str, quantity: str, why: str, desk: Desk) -> None:
    _root, market = manual(desk, ("300", "50"))
    assert told(desk.refused(decision, orderId=market, quantity=quantity)) == (why, "ALC-03")
    desk.ok("AllocationApproveCmd", orderId=market, quantity="300")
    assert told(desk.refused(decision, orderId=market)) == ("OMS-ORDER-004", "ALC-03")


@pytest.mark.parametrize("decision", DECISIONS)
def test_alc_04_nothing_is_handed_to_a_closed_order(decision: str, desk: Desk) -> None:
    live_group(desk, "1", "1", "1", autoAllocation=False)
    desk.fill("g", "1")
    desk.ok("AllocationApproveCmd", orderId="g")
    assert got(desk, "m1", "m2", "m3") == "0 0 1"
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId="g")
    desk.ok("OrderCloseCmd", orderId="m1")
    correct(desk, "g", "2", "100")
    assert handed(desk, "g") == "PENDING_ALLOC 1+1"
    problem = desk.refused(decision, orderId="g", quantity="2")
    assert told(problem) == ("OMS-STATE-003", "ALC-04")
    assert "the others have room for 1" in problem.detail


def test_alc_04_what_fits_the_members_that_are_not_closed_is_handed_on(desk: Desk) -> None:
    live_group(desk, "100", "100", autoAllocation=False)
    desk.fill("g", "1")
    desk.ok("AllocationApproveCmd", orderId="g")
    desk.ok("OrderCancelCmd", orderId="g")
    desk.ok("OrderCancelAcceptCmd", orderId="g")
    desk.ok("OrderCloseCmd", orderId="m1")
    correct(desk, "g", "7", "100")
    assert handed(desk, "g") == "PENDING_ALLOC 1+6"
    desk.ok("AllocationApproveCmd", orderId="g")
    assert (got(desk, "m1", "m2"), handed(desk, "g")) == ("0 7", "ALLOCATED 7+0")


def test_alc_04_a_member_that_has_everything_may_be_closed_before_the_others(desk: Desk) -> None:
    live_group(desk, "1", "1", "1", autoAllocation=False)
    desk.fill("g", "1")
    desk.ok("AllocationApproveCmd", orderId="g")
    desk.ok("OrderCloseCmd", orderId="m3")
    desk.fill("g", "2")
    desk.ok("AllocationApproveCmd", orderId="g")
    assert [book(desk, each) for each in ("m1", "m2", "m3")] == ["FILLED 1/0", "FILLED 1/0", "CLOSED 1/0"]


def test_alc_05_lots_are_taken_first_in_first_out_and_keep_their_price(desk: Desk) -> None:
    root, market = manual(desk, ("100", "10"), ("100", "20"), ("100", "30"))
    desk.ok("AllocationApproveCmd", orderId=market, quantity="150")
    assert shares(desk, root) == "150@13.33333333"
    desk.ok("AllocationApproveCmd", orderId=market, quantity="100")
    assert [(row.exec_id, row.quantity, row.price) for row in allocations(desk)] == [
        ("e1", 100, 10),
        ("e2", 50, 20),
        ("e2", 50, 20),
        ("e3", 50, 30),
    ]


def test_alc_05_lots_keep_their_execution_and_price_up_to_the_root(desk: Desk) -> None:
    root, market = tree(desk, "1000", "800", autoAllocation=False)
    piece = child(desk, market, "800")
    desk.fill(piece, "100", "10")
    desk.fill(piece, "100", "20")
    assert (book(desk, market), handed(desk, market)) == ("LIVE 200/600", "PENDING_ALLOC 0+200")
    desk.ok("AllocationApproveCmd", orderId=market, quantity="150")
    assert [(row.order_id, row.exec_id, row.quantity) for row in allocations(desk, giverOrderId=market)] == [
        (piece, "e1", 100),
        (piece, "e2", 50),
    ]
    assert shares(desk, root) == "150@13.33333333"


def test_alc_05_an_approval_goes_straight_through_the_levels_above(desk: Desk) -> None:
    root, market = tree(desk, "800", "800")
    piece = child(desk, market, "800", autoAllocation=False)
    desk.fill(piece, "800")
    assert book(desk, root) == "LIVE 0/800"
    result = desk.ok("AllocationApproveCmd", orderId=piece)
    assert [book(desk, each) for each in (market, root)] == ["FILLED 800/0"] * 2
    assert written(result) == [
        f"{piece} AllocationApplied",
        f"{market} AllocationApplied",
        f"{market} OrderFilled",
        f"{market} AllocationApplied",
        f"{root} AllocationApplied",
        f"{root} OrderFilled",
    ]


def test_alc_06_what_was_refused_stays_pending_and_is_part_of_the_next_approval(desk: Desk) -> None:
    root, market = manual(desk, ("500", "50"))
    result = desk.ok("AllocationRejectCmd", orderId=market, quantity="200", reason="wrong client", actor="ann")
    assert written(result) == [f"{market} AllocationRejected"]
    refused = {"quantity": "200", "reason": "wrong client", "rejectedBy": "ann"}
    assert payload(desk, market, "AllocationRejected") == refused
    assert (handed(desk, market), book(desk, root)) == ("ALLOC_FAILED 0+500", "LIVE 0/1000")
    desk.fill(market, "100", "50")
    assert handed(desk, market) == "ALLOC_FAILED 0+600"
    desk.ok("AllocationApproveCmd", orderId=market, quantity="550")
    assert (handed(desk, market), book(desk, root)) == ("PENDING_ALLOC 550+50", "LIVE 550/450")
    desk.ok("AllocationRejectCmd", orderId=market)
    assert payload(desk, market, "AllocationRejected") == {"quantity": "50", "rejectedBy": "S1"}
    assert handed(desk, market) == "ALLOC_FAILED 550+50"


def test_alc_05_what_a_correction_sets_free_is_taken_before_what_came_later(desk: Desk) -> None:
    def in_force() -> list[str]:
        return [f"{lot.exec_id} {lot.quantity}" for lot in allocations(desk, status="APPLIED")]

    root = client(desk)
    market = child(desk, root, "1000", autoAllocation=False)
    for price in ("10", "11", "12", "13"):
        desk.fill(market, "100", price)
    desk.ok("AllocationApproveCmd", orderId=market, quantity="250")
    correct(desk, market, "120", "10")
    assert handed(desk, market) == "PENDING_ALLOC 250+170"
    assert in_force() == ["e2 100", "e3 50", "e1 100"]
    desk.ok("AllocationApproveCmd", orderId=market, quantity="80")
    assert in_force()[3:] == ["e1 20", "e3 50", "e4 10"]


def test_alc_07_a_correction_takes_back_exactly_the_lots_of_its_execution(desk: Desk) -> None:
    root, market = tree(desk, "1000", "800")
    desk.fill(market, "300", "10")
    desk.fill(market, "200", "20")
    result = bust(desk, market)
    assert (shares(desk, root), handed(desk, market)) == ("200@20", "ALLOCATED 200+0")
    assert written(result) == [
        f"{market} ExecutionBusted",
        f"{market} AllocationReversed",
        f"{root} AllocationReversed",
    ]
    assert [(row.exec_id, row.status, row.reversed_at is None) for row in allocations(desk)] == [
        ("e1", "REVERSED", False),
        ("e2", "APPLIED", True),
    ]


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [("300", "12", "500@15.2"), ("100", "10", "300@16.66666667"), ("400", "10", "600@13.33333333")],
)
def test_alc_07_a_restated_execution_is_handed_on_again_with_its_new_values(
    quantity: str, price: str, expected: str, desk: Desk
) -> None:
    root, market = tree(desk, "1000", "800")
    piece = child(desk, market, "800")
    desk.fill(piece, "300", "10")
    desk.fill(piece, "200", "20")
    correct(desk, piece, quantity, price)
    assert [shares(desk, each) for each in (piece, market, root)] == [expected] * 3
    counting = [row for row in allocations(desk, giverOrderId=market, status="APPLIED") if row.exec_id == "e1"]
    assert [(row.quantity, row.price) for row in counting] == [(Decimal(quantity), Decimal(price))]


def test_alc_07_a_restated_quantity_can_fill_every_level(desk: Desk) -> None:
    root, market = tree(desk, "500", "500")
    desk.fill(market, "300", "10")
    result = correct(desk, market, "500", "10")
    assert [book(desk, each) for each in (market, root)] == ["FILLED 500/0"] * 2
    assert written(result)[:2] == [f"{market} ExecutionCorrected", f"{market} OrderFilled"]


@pytest.mark.parametrize(
    ("busted", "below", "above"),
    [("e1", "ALLOCATED 300+0", "300@20"), ("e2", "ALLOCATED 500+0", "500@10")],
)
def test_alc_08_pending_quantity_gives_first(busted: str, below: str, above: str, desk: Desk) -> None:
    root, market = manual(desk, ("500", "10"), ("300", "20"))
    desk.ok("AllocationApproveCmd", orderId=market, quantity="600")
    bust(desk, market, busted)
    assert (handed(desk, market), shares(desk, root)) == (below, above)


def test_alc_08_pending_lots_fill_the_approved_quantity_again(desk: Desk) -> None:
    root, market = manual(desk, ("300", "10"), ("300", "20"), ("200", "30"))
    desk.ok("AllocationApproveCmd", orderId=market, quantity="400")
    result = bust(desk, market)
    assert (handed(desk, market), shares(desk, root)) == ("PENDING_ALLOC 400+100", "400@22.5")
    assert written(result) == [
        f"{market} ExecutionBusted",
        f"{market} OrderReopened",
        f"{market} AllocationReversed",
        f"{market} AllocationApplied",
        f"{root} AllocationReversed",
        f"{root} AllocationApplied",
    ]


def test_alc_08_a_restated_execution_keeps_what_was_approved(desk: Desk) -> None:
    root, market = manual(desk, ("300", "10"), ("300", "20"))
    desk.ok("AllocationApproveCmd", orderId=market, quantity="400")
    correct(desk, market, "300", "11")
    assert (handed(desk, market), shares(desk, root)) == ("PENDING_ALLOC 400+200", "400@13.25")
    correct(desk, market, "50", "11")
    assert (handed(desk, market), shares(desk, root)) == ("ALLOCATED 350+0", "350@18.71428571")
    correct(desk, market, "200", "11")
    assert (handed(desk, market), shares(desk, root)) == ("PENDING_ALLOC 350+150", "350@18.71428571")


def test_alc_08_a_manual_order_above_a_straight_one_keeps_what_was_approved(desk: Desk) -> None:
    root, market = manual(desk)
    piece = child(desk, market, "800")
    desk.fill(piece, "300", "10")
    desk.fill(piece, "300", "20")
    desk.ok("AllocationApproveCmd", orderId=market, quantity="400")
    bust(desk, piece)
    assert (handed(desk, piece), handed(desk, market), shares(desk, root)) == (
        "ALLOCATED 300+0",
        "ALLOCATED 300+0",
        "300@20",
    )


def test_alc_08_a_straight_order_above_a_manual_one_gives_back_what_it_has(desk: Desk) -> None:
    root, market = tree(desk, "1000", "800")
    piece = child(desk, market, "800", autoAllocation=False)
    desk.fill(piece, "300", "10")
    desk.fill(piece, "300", "20")
    desk.ok("AllocationApproveCmd", orderId=piece, quantity="400")
    bust(desk, piece)
    assert (handed(desk, piece), handed(desk, market), shares(desk, root)) == (
        "ALLOCATED 300+0",
        "ALLOCATED 300+0",
        "300@20",
    )


def test_what_a_manual_group_shares_the_desk_decides(desk: Desk) -> None:
    live_group(desk, "300", "200", "100", autoAllocation=False)
    desk.fill("g", "60", "10")
    assert (handed(desk, "g"), book(desk, "m1")) == ("PENDING_ALLOC 0+60", "LIVE 0/300")
    result = desk.ok("AllocationApproveCmd", orderId="g", quantity="6", approvedBy="ann")
    assert written(result) == ["g AllocationApplied", *(f"m{n} AllocationApplied" for n in (1, 2, 3))]
    assert [row.quantity for row in allocations(desk)] == [3, 2, 1]
    desk.ok("AllocationRejectCmd", orderId="g")
    assert handed(desk, "g") == "ALLOC_FAILED 6+54"


quantities = st.integers(1, 60)
units = st.sampled_from([Decimal(1), Decimal(10), Decimal("0.01")])
digits = st.sampled_from(["1", "0.5", "0.001", "123456789012345678.12345678"])


def shared(
    lot: Decimal, wanted: list[Decimal], had: list[Decimal], unit: Decimal, closed: frozenset[int] = frozenset()
) -> list[Decimal]:
    asked = [MemberShare(f"m{n:02}", quantity, had[n], is_closed=n in closed) for n, quantity in enumerate(wanted)]
    given_out = share_out(lot, asked, unit)
    return [given_out[member.order_id] for member in asked]


@given(data=st.data(), unit=units, scale=digits)
def test_shares_add_up_and_never_go_beyond_a_member(data: st.DataObject, unit: Decimal, scale: str) -> None:
    wanted = [Decimal(n) * Decimal(scale) for n in data.draw(st.lists(quantities, min_size=2, max_size=6))]
    had = [Decimal(0)] * len(wanted)
    while had != wanted:
        left = sum(wanted) - sum(had)
        parts = data.draw(st.sampled_from([1, 2, 3, 7]))
        lot = left if parts == 1 else min(left, (left / parts).quantize(Decimal("0.00000001")) or left)
        given_out = shared(lot, wanted, had, unit)
        assert sum(given_out) == lot
        assert all(share >= 0 for share in given_out)
        had = [before + share for before, share in zip(had, given_out, strict=True)]
        assert all(have <= want for have, want in zip(had, wanted, strict=True))
        if len(had) > 50:
            break


@given(wanted=st.lists(st.integers(1, 10**18), min_size=2, max_size=8), unit=units)
def test_a_complete_fill_gives_every_member_exactly_its_quantity(wanted: list[int], unit: Decimal) -> None:
    asked = [Decimal(quantity) for quantity in wanted]
    assert shared(sum(asked, Decimal(0)), asked, [Decimal(0)] * len(asked), unit) == asked


def one_by_one(lot: int, wanted: list[int], had: list[int]) -> list[int]:
    """The rule as it reads: every unit goes to the largest deficit, ties to the last, nobody beyond its quantity."""
    whole, after = sum(wanted), sum(had) + lot
    given_out = [0] * len(wanted)
    for _ in range(lot):
        candidates = [n for n in range(len(wanted)) if had[n] + given_out[n] < wanted[n]]
        best = max(candidates, key=lambda n: (wanted[n] * after - (had[n] + given_out[n]) * whole, n))
        given_out[best] += 1
    return given_out


def by_floors(lot: int, wanted: list[int], had: list[int]) -> list[int] | None:
    """Floors of the positive deficits first, then one unit each; None where the floors exceed the lot."""
    whole, after = sum(wanted), sum(had) + lot
    deficits = [want * after - have * whole for want, have in zip(wanted, had, strict=True)]
    given_out = [max(deficit, 0) // whole for deficit in deficits]
    if sum(given_out) > lot:
        return None
    rest = sorted(range(len(wanted)), key=lambda n: (deficits[n] - given_out[n] * whole, n), reverse=True)
    for n in rest[: lot - sum(given_out)]:
        given_out[n] += 1
    return given_out


@given(data=st.data())
def test_the_shares_are_those_of_the_rule_read_unit_by_unit(data: st.DataObject) -> None:
    wanted = data.draw(st.lists(quantities, min_size=2, max_size=6))
    had = [data.draw(st.integers(0, want)) for want in wanted]
    left = sum(wanted) - sum(had)
    lot = data.draw(st.integers(0, left))
    decimals = ([Decimal(n) for n in wanted], [Decimal(n) for n in had])
    given_out = [int(share) for share in shared(Decimal(lot), *decimals, Decimal(1))]
    assert given_out == one_by_one(lot, wanted, had)
    floors = by_floors(lot, wanted, had)
    if floors is not None and all(have + more <= want for have, more, want in zip(had, floors, wanted, strict=True)):
        assert given_out == floors


@pytest.mark.parametrize(
    ("lot", "wanted", "unit", "expected"),
    [
        ("10", ["30", "30"], "10", ["0", "10"]),
        ("15", ["30", "30"], "10", ["7", "8"]),
        ("0.3", ["3", "3"], "1", ["0.1", "0.2"]),
        ("1", ["0.5", "2.25"], "1", ["0.18", "0.82"]),
        ("0.00000001", ["1", "1"], "1", ["0", "0.00000001"]),
        ("123456789012345678.12345678", ["123456789012345678.12345678"] * 2, "1",
         ["61728394506172839.06172839"] * 2),
    ],
)  # fmt: skip
def test_the_unit_is_that_of_the_setting_or_the_finest_among_the_quantities(
    lot: str, wanted: list[str], unit: str, expected: list[str]
) -> None:
    asked = [Decimal(each) for each in wanted]
    none = [Decimal(0)] * len(asked)
    assert shared(Decimal(lot), asked, none, Decimal(unit)) == [Decimal(each) for each in expected]


@given(data=st.data(), unit=units)
def test_a_closed_member_gets_nothing_and_the_others_get_the_lot(data: st.DataObject, unit: Decimal) -> None:
    wanted = [Decimal(n) / 10 for n in data.draw(st.lists(quantities, min_size=2, max_size=6))]
    had = [Decimal(data.draw(st.integers(0, int(want * 10)))) / 10 for want in wanted]
    closed = frozenset(data.draw(st.sets(st.integers(0, len(wanted) - 1))))
    room = [Decimal(0) if n in closed else want - had[n] for n, want in enumerate(wanted)]
    lot = Decimal(data.draw(st.integers(0, int(sum(room) * 10)))) / 10
    given_out = shared(lot, wanted, had, unit, closed)
    assert sum(given_out) == lot
    assert all(0 <= share <= most for share, most in zip(given_out, room, strict=True))


@pytest.mark.parametrize(
    ("lot", "had", "expected"),
    [("7", ["0.2", "0.3"], ["4", "3"]), ("1", ["9.3", "9.7"], ["0.7", "0.3"]), ("2", ["9.3", "8.7"], ["0.7", "1.3"])],
)
def test_what_members_have_makes_no_finer_unit_while_whole_ones_fit(
    lot: str, had: list[str], expected: list[str]
) -> None:
    before = [Decimal(each) for each in had]
    given_out = shared(Decimal(lot), [Decimal(10)] * 2, before, Decimal(1))
    assert given_out == [Decimal(each) for each in expected]


def test_after_a_fraction_whole_units_are_shared_again(desk: Desk) -> None:
    live_group(desk, "10", "10")
    desk.fill("g", "0.5")
    assert got(desk, "m1", "m2") == "0.2 0.3"
    desk.fill("g", "7")
    assert got(desk, "m1", "m2") == "4.2 3.3"
    desk.fill("g", "12.5")
    assert got(desk, "m1", "m2") == "10 10"


def test_the_unit_is_a_setting(desk: Desk) -> None:
    by_ten = Desk(grouping__allocationUnit="10")
    for each, expected in ((desk, "25 25"), (by_ten, "20 30")):
        live_group(each, "100", "100")
        each.fill("g", "50")
        assert " ".join(str(each.order(name).cum_qty) for name in ("m1", "m2")) == expected
