"""Which command each message becomes, what is compared after it, and how a difference is explained."""

import pytest

from oms_engine.domain.commands import COMMANDS
from oms_engine.simulation.fix.tags import EXEC_TYPES
from tests.oms_engine.simulation.fix.logs import HOUSE, MARKET, Log, assert_it_adds_up, kinds, replayed, told


def test_an_order_that_is_filled_in_two_parts_agrees() -> None:
    log = Log().live().fill(400, "10.5", 400, 600, "10.5").fill(600, "10.4", 1000, 0, "10.44")
    account, (order,) = replayed(log.data)
    assert_it_adds_up(account)
    assert (account.verdicts["EQUAL"], account.agrees, account.spotless) == (4, True, True)
    assert (order.state, str(order.cum_qty), str(order.avg_px), order.session_id, order.cl_ord_id) == (
        "FILLED", "1000", "10.44", HOUSE, "C1",
    )  # fmt: skip
    assert account.orders == {"FILLED": 1}


def test_every_term_of_an_order_comes_through() -> None:
    terms = {
        "t59": 6, "t126": "20260301-16:00:00", "t22": 4, "t48": "US0378331005", "t167": "CS", "t100": "XNAS",
        "t58": "careful", "t423": 2, "t111": 100, "t18": "M", "t120": "USD", "t9702": "SPOT", "t64": "20260107",
    }  # fmt: skip
    _, (order,) = replayed(Log().new(**terms).data)
    assert (order.time_in_force, order.security_id_source, order.security_type) == ("GOOD_TILL_DATE", "ISIN", "CS")
    assert (order.ex_destination, order.text, order.exec_inst, order.settl_currency) == (
        "XNAS",
        "careful",
        "MID_PEG",
        "USD",
    )
    assert (str(order.max_floor), order.settl_type, str(order.settl_date)) == ("100", "SPOT", "2026-01-07")
    assert str(order.expire_time) == "2026-03-01 16:00:00+00:00"
    assert order.state == "UNACK"


def test_an_order_that_the_desk_handles_was_sent_all_the_same() -> None:
    account, (order,) = replayed(Log().new(t21=3).report("0", "0", t151=1000, t14=0, t6=0).data)
    assert account.agrees
    assert order.state == "LIVE"


def test_orders_of_others_are_kept_apart_by_on_whose_behalf_they_are() -> None:
    log = Log().new("X", t115="ANN").new("X", t115="BOB").report("0", "0", "X", t128="BOB", t37="M2")
    account, orders = replayed(log.data)
    assert account.agrees
    assert [(order.session_id, order.state) for order in orders] == [("ANN", "UNACK"), ("BOB", "LIVE")]


def test_a_cancel_that_the_market_grants() -> None:
    log = Log().live().house("F", t11="C2", t41="C1", t55="ACME", t54=1)
    log.report("6", "6", "C2", t41="C1").report("4", "4", "C2", t41="C1", t151=0, t14=0, t6=0)
    account, (order,) = replayed(log.data)
    assert (account.agrees, order.state, account.verdicts["EQUAL"]) == (True, "CXL", 5)


def test_a_cancel_that_nobody_asked_for() -> None:
    account, (order,) = replayed(Log().live().report("4", "4", t151=0, t14=0, t6=0, t58="halted").data)
    assert (account.agrees, order.state) == (True, "CXL")


def test_a_cancel_that_comes_too_late_is_refused_late() -> None:
    log = Log().live().house("F", t11="C2", t41="C1").fill(1000, "10.5", 1000, 0, "10.5", t39="6")
    log.market("9", t37="M-C1", t11="C2", t41="C1", t39="2", t434=1, t102=0)
    account, (order,) = replayed(log.data)
    assert (account.agrees, order.state) == (True, "FILLED")


def test_a_replace_that_is_granted_and_one_that_is_refused() -> None:
    log = Log().live().house("G", t11="C2", t41="C1", t55="ACME", t54=1, t40=2, t38=1200, t44="10.6", t59=0)
    log.report("E", "E", "C2", t41="C1").report("5", "0", "C2", t41="C1", t38=1200, t44="10.6", t151=1200, t14=0)
    log.house("G", t11="C3", t41="C2", t55="ACME", t54=1, t40=2, t38=900, t44="10.6")
    log.market("9", t37="M-C1", t11="C3", t41="C2", t39="0", t434=2, t102=2, t58="no")
    account, (order,) = replayed(log.data)
    assert account.agrees
    assert (str(order.order_qty), order.cl_ord_id, order.cancel_state) == ("1200", "C2", "REJ")


def test_a_trade_is_corrected_and_the_correction_is_busted() -> None:
    log = Log().live().fill(1000, "10.5", 1000, 0, "10.5", t17="T1")
    log.report("G", "1", t17="T2", t19="T1", t32=900, t31="10.4", t151=100, t14=900, t6="10.4")
    log.report("H", "0", t19="T2", t32=900, t31="10.4", t151=1000, t14=0, t6=0)
    account, (order,) = replayed(log.data)
    assert account.agrees, account.differences
    assert (order.state, str(order.cum_qty)) == ("LIVE", "0")


def test_reports_that_only_confirm_are_compared_and_change_nothing() -> None:
    log = (
        Log()
        .new()
        .report("A", "A", t151=1000, t14=0)
        .report("0", "0")
        .report("I", "0", t151=1000)
        .report("D", "0", t38=1000)
    )
    account, (order,) = replayed(log.data)
    assert (account.verdicts["EQUAL"], order.state, order.version) == (5, "LIVE", 3)


def test_terms_that_nobody_asked_for_are_entered_and_agreed_to() -> None:
    log = Log().live().report("D", "0", t38=800, t151=800, t14=0).report("5", "0", t38=700, t151=700, t44="10.5")
    account, (order,) = replayed(log.data)
    assert (account.agrees, str(order.order_qty), order.state) == (True, "700", "LIVE")


@pytest.mark.parametrize(("in_force", "state"), [(0, "EXP"), (1, "LIVE")])
def test_done_for_day_ends_what_lives_for_a_day(in_force: int, state: str) -> None:
    leaves = 0 if state == "EXP" else 1000
    account, (order,) = replayed(Log().live(t59=in_force).report("3", "3", t151=leaves, t14=0).data)
    assert (account.agrees, order.state) == (True, state)


@pytest.mark.parametrize("leaves", ["0", "0.0", "000", ".0", "1000"])
@pytest.mark.parametrize("terms", [{"t59": 1}, {"t59": 6, "t126": "20260301-16:00:00"}])
def test_done_for_day_changes_nothing_of_an_order_that_lives_longer(terms: dict[str, object], leaves: str) -> None:
    log = Log().live(**terms).report("3", "3", t151=leaves, t14=0).fill(400, "10.5", 400, 600, "10.5")
    account, (order,) = replayed(log.data)
    assert (account.differences, order.state, str(order.leaves_qty)) == ((), "LIVE", "600")


@pytest.mark.parametrize(("leaves", "state"), [("0", "EXP"), ("0.0", "EXP"), ("1000", "LIVE"), ("no", "LIVE")])
def test_done_for_day_ends_an_order_for_an_auction_by_the_value_of_what_it_leaves(leaves: str, state: str) -> None:
    _, (order,) = replayed(Log().live(t59=2).report("3", "3", t151=leaves, t14=0).data)
    assert order.state == state


def test_done_for_day_leaves_a_filled_order_as_it_is() -> None:
    account, (order,) = replayed(
        Log().live().fill(1000, "10.5", 1000, 0, "10.5").report("3", "3", t151=0, t14=1000).data
    )
    assert (account.agrees, order.state) == (True, "FILLED")


def test_an_order_that_both_refuse_is_no_difference() -> None:
    account, orders = replayed(Log().new(t38=0).report("8", "8", t151=0, t14=0, t103=13).data)
    assert (account.agrees, account.verdicts["EQUAL"], orders) == (True, 2, [])


def test_an_order_that_only_the_engine_refuses_is_told_with_its_rule_and_what_follows_is_left_out() -> None:
    account, orders = replayed(Log().live(t38=0).fill(1, "10", 1, 0, "10").house("F", t11="C2", t41="C1").data)
    assert orders == []
    assert told(account) == [(1, "MsgType (35)", "NewOrderSingle (D), then New (0)", "refused", "RULE")]
    (found,) = account.differences
    assert found.explanation.startswith("OMS-VAL-005: ")
    assert found.citation == "framework/validation-rules.md#38-ord-08-order-quantity-is-present-and-positive"
    assert kinds(account.not_replayed) == {"the engine refused its order": 3}
    assert_it_adds_up(account)


def test_an_order_that_is_refused_and_never_answered_is_told_at_the_end() -> None:
    account, _ = replayed(Log().new(t38=0).data)
    assert told(account) == [(1, "MsgType (35)", "NewOrderSingle (D), then no answer", "refused", "RULE")]
    assert_it_adds_up(account)


def test_a_cancel_that_both_refuse_is_no_difference_when_their_reasons_are_the_same() -> None:
    log = Log().live().fill(1000, "10.5", 1000, 0, "10.5").house("F", t11="C2", t41="C1")
    log.market("9", t37="M-C1", t11="C2", t41="C1", t39="2", t434=1, t102=0)
    assert replayed(log.data)[0].agrees


def test_reasons_that_differ_are_told() -> None:
    log = Log().live().fill(1000, "10.5", 1000, 0, "10.5").house("F", t11="C2", t41="C1")
    log.market("9", t37="M-C1", t11="C2", t41="C1", t39="2", t434=1, t102=3)
    account, _ = replayed(log.data)
    assert told(account) == [(5, "CxlRejReason (102)", "3", "0", "RULE")]
    assert "for different reasons; OMS-ORDER-006" in account.differences[0].explanation


def test_a_cancel_of_an_order_that_nobody_knows_is_refused_by_both() -> None:
    log = Log().house("F", t11="C2", t41="C1").market("9", t37="NONE", t11="C2", t41="C1", t39="8", t434=1, t102=1)
    account, _ = replayed(log.data)
    assert (account.agrees, account.verdicts["EQUAL"]) == (True, 2)


def test_a_second_request_that_the_market_takes_is_told_and_followed() -> None:
    log = (
        Log()
        .live()
        .house("G", t11="C2", t41="C1", t38=900, t44="10.5")
        .house("G", t11="C3", t41="C2", t38=800, t44="10.5")
    )
    log.report("5", "E", "C2", t41="C1", t38=900, t151=900).report("5", "0", "C3", t41="C2", t38=800, t151=800, t14=0)
    account, (order,) = replayed(log.data)
    assert told(account) == [(4, "MsgType (35)", "OrderCancelReplaceRequest (G), then Replaced (5)", "refused", "RULE")]
    assert account.differences[0].citation == "framework/validation-rules.md#114-rpl-04-nothing-is-pending"
    assert (str(order.order_qty), order.state) == ("800", "LIVE")


def test_more_than_was_ordered_is_refused_by_its_rule() -> None:
    account, (order,) = replayed(Log().live().fill(1100, "10.5", 1100, 0, "10.5").data)
    assert told(account) == [(3, "ExecType (150)", "Trade (F)", "refused", "RULE")]
    assert account.differences[0].explanation.startswith("OMS-EXEC-004: ")
    assert (order.state, str(order.cum_qty)) == ("LIVE", "0")


def test_a_fill_before_the_acknowledgement_is_taken_by_the_profile_desk() -> None:
    data = Log().new().fill(400, "10.5", 400, 600, "10.5").data
    assert told(replayed(data)[0]) == [(2, "ExecType (150)", "Trade (F)", "refused", "RULE")]
    assert replayed(data, {"lifecycle.profile": "desk"})[0].agrees


def test_a_value_that_nothing_explains_is_told_as_unknown_and_later_ones_follow_from_it() -> None:
    log = Log().live().fill(400, "10.5", 450, 550, "10.5").fill(100, "10.5", 550, 450, "10.5")
    account, _ = replayed(log.data)
    assert told(account) == [
        (3, "CumQty (14)", "450", "400", "UNKNOWN"),
        (3, "LeavesQty (151)", "550", "600", "UNKNOWN"),
        (4, "CumQty (14)", "550", "500", "FOLLOWS"),
        (4, "LeavesQty (151)", "450", "500", "FOLLOWS"),
    ]
    assert (account.explained, account.unexplained, account.verdicts["DIFFERENT"]) == (2, 2, 2)
    assert account.differences[2].explanation == "log and engine parted at message 3 (line 3, MsgSeqNum 2)"


def test_a_value_behind_a_gap_is_explained_by_it() -> None:
    log = Log().live().lose(MARKET).fill(100, "10.5", 500, 500, "10.5")
    account, _ = replayed(log.data)
    assert {cause for *_, cause in told(account)} == {"GAP"}
    assert account.differences[0].explanation == f"MsgSeqNum 2 is missing, which {MARKET} sent"
    assert account.unexplained == 0


def test_a_gap_before_the_order_explains_nothing() -> None:
    log = Log().live("C0").lose(MARKET).report("I", "0", "C0").live().fill(100, "10.5", 500, 500, "10.5")
    assert {cause for *_, cause in told(replayed(log.data)[0])} == {"UNKNOWN"}


def test_a_garbled_message_explains_what_its_order_lacks() -> None:
    log = Log().live().fill(400, "10.5", 400, 600, "10.5", t34=2).fill(100, "10.5", 500, 500, "10.5", t34=2)
    log.messages[2] = log.messages[2].replace(b"\x0132=400", b"\x0132=401")
    account, _ = replayed(log.data)
    assert {cause for *_, cause in told(account)} == {"UNREADABLE"}
    assert kinds(account.unreadable) == {"garbled: CheckSum (10) is wrong": 1}
    assert_it_adds_up(account)


def test_garbled_messages_are_taken_when_that_is_asked_for() -> None:
    data = Log().live().fill(400, "10.5", 400, 600, "10.5").data.replace(b"55=ACME", b"55=XXXX")
    assert replayed(data)[0].verdicts["UNREADABLE"] == 1
    account, (order,) = replayed(data, garbled=True)
    assert kinds(account.findings) == {"garbled": 1}
    assert (account.agrees, order.symbol) == (True, "XXXX")


def test_a_status_of_an_older_version_says_so() -> None:
    log = Log().live().house("G", t11="C2", t41="C1", t38=900, t44="10.5").report("5", "5", "C2", t41="C1")
    account, _ = replayed(log.data)
    assert told(account) == [(4, "OrdStatus (39)", "5", "0", "OTHER_VERSION")]


@pytest.mark.parametrize("average", ["10.33333333", "10.3333", "10.33", "10.3333333333"])
def test_an_average_price_is_compared_to_the_digits_that_it_shows(average: str) -> None:
    log = Log().live().fill(200, "10.5", 200, 800, "10.5").fill(100, "10", 300, 700, average)
    assert replayed(log.data)[0].agrees


@pytest.mark.parametrize(("price", "average"), [("10.0178", "10.33"), ("10.0178", "10.34")])
def test_an_average_price_may_be_rounded_or_cut(price: str, average: str) -> None:
    log = Log().live().fill(200, "10.5", 200, 800, "10.5").fill(100, price, 300, 700, average)
    assert replayed(log.data)[0].agrees


@pytest.mark.parametrize("average", ["10.3", "10.4", "10.34", "11", "x", "10.33334"])
def test_an_average_price_that_is_another_one_is_told(average: str) -> None:
    log = Log().live().fill(200, "10.5", 200, 800, "10.5").fill(100, "10", 300, 700, average)
    assert told(replayed(log.data)[0]) == [(4, "AvgPx (6)", average, "10.33333333", "UNKNOWN")]


def test_numbers_are_compared_by_value_however_fix_writes_them() -> None:
    written = {"t32": "400.00", "t31": "10.50", "t14": "0400", "t151": "600.", "t6": "10.500"}
    assert replayed(Log().live().fill(400, "10.5", 400, 600, "10.5", **written).data)[0].agrees


def test_what_is_sent_again_is_not_replayed_twice() -> None:
    log = Log().live().fill(400, "10.5", 400, 600, "10.5")
    again = Log()
    again.fill(400, "10.5", 400, 600, "10.5", t34=2, t17="E2", t43="Y")
    account, (order,) = replayed(log.data + again.data)
    assert (account.agrees, str(order.cum_qty)) == (True, "400")
    assert kinds(account.not_replayed) == {"sent again": 1}


def test_a_possible_resend_of_a_booked_trade_is_not_replayed_and_one_without_the_mark_is_a_difference() -> None:
    log = (
        Log()
        .live()
        .fill(400, "10.5", 400, 600, "10.5", t17="T1")
        .fill(400, "10.5", 400, 600, "10.5", t17="T1", t97="Y")
    )
    account, _ = replayed(log.data)
    assert (account.agrees, kinds(account.not_replayed)) == (True, {"sent again": 1})
    account, _ = replayed(log.fill(400, "10.5", 400, 600, "10.5", t17="T1").data)
    assert account.differences[0].explanation.startswith("OMS-EXEC-002: ")


def test_an_order_that_is_sent_again_as_it_was_is_not_replayed() -> None:
    account, orders = replayed(Log().new().new(t97="Y").data)
    assert (account.agrees, kinds(account.not_replayed), len(orders)) == (True, {"sent again": 1}, 1)


def test_a_client_order_id_that_is_used_twice_is_refused_by_both() -> None:
    log = Log().live().new(t38=900).report("8", "8", t103=6).fill(1000, "10.5", 1000, 0, "10.5")
    account, (order,) = replayed(log.data)
    assert (account.agrees, order.state) == (True, "FILLED")


def test_reports_about_orders_that_are_not_in_the_log_are_left_out_with_the_reason() -> None:
    account, orders = replayed(Log().report("0", "0", "ZZ").data)
    assert (orders, account.agrees, account.spotless) == ([], False, False)
    assert account.not_replayed[0].told == f"no NewOrderSingle of {HOUSE} with ClOrdID ZZ stands before it"


def test_sides_that_are_exchanged_are_noticed() -> None:
    log = Log().new().house("8", t11="C1", t37="M1", t150="0", t39="0")
    account, _ = replayed(log.data)
    assert account.not_replayed[0].told.endswith("sender and target are exchanged")


def test_a_report_may_name_its_order_by_the_id_of_the_market_alone() -> None:
    log = Log().live().market("8", t37="M-C1", t17="T9", t150="F", t39="1", t32=10, t31="10", t151=990, t14=10, t6=10)
    assert replayed(log.data)[0].verdicts["EQUAL"] == 3


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("A", {"t98": 0}, "session message"),
        ("0", {}, "session message"),
        ("1", {"t112": "x"}, "session message"),
        ("2", {"t7": 1, "t16": 0}, "session message"),
        ("3", {"t45": 1, "t372": "D", "t58": "Required tag missing"}, "session message"),
        ("4", {"t36": 2, "t123": "Y"}, "session message"),
        ("5", {}, "session message"),
        ("j", {"t45": 1, "t372": "D"}, "session message"),
        ("H", {"t11": "C1", "t37": "M-C1"}, "OrderStatusRequest (H)"),
        ("AE", {"t571": "x"}, "other MsgType"),
        ("D", {"t55": "ACME"}, "no ClOrdID (11)"),
        ("8", {"t150": "0"}, "no order named"),
        ("8", {"t11": "C1", "t150": "7"}, "Stopped (7)"),
        ("8", {"t11": "C1", "t150": "9"}, "Suspended (9)"),
        ("8", {"t11": "C1", "t150": "B"}, "Calculated (B)"),
        ("8", {"t11": "C1", "t150": "L"}, "other ExecType"),
        ("8", {"t11": "C1"}, "other ExecType"),
        ("D", {"t11": "C1", "t8": "FIX.4.2"}, "BeginString (8) is not FIX.4.4"),
        ("D", {"t11": "C1", "t49": None}, "SenderCompID (49) is missing"),
        ("D", {"t11": "C1", "t56": None}, "TargetCompID (56) is missing"),
    ],
)
def test_what_is_not_replayed_says_why(kind: str, body: dict[str, object], reason: str) -> None:
    account, orders = replayed(Log().house(kind, **body).data)
    assert kinds(account.not_replayed) == {reason: 1}
    assert orders == []
    assert_it_adds_up(account)


def test_a_log_that_one_side_alone_wrote_has_one_direction() -> None:
    account, _ = replayed(Log().report("0", "0").data)
    assert [(each.sender, each.target) for each in account.directions] == [(MARKET, HOUSE)]


def test_unknown_tags_are_counted() -> None:
    account, _ = replayed(Log().new(t5001="a", t5002="b").new("C2", t5001="c").data)
    assert account.unknown_tags == {"5001": 2, "5002": 1}


@pytest.mark.parametrize(
    ("tag", "value", "code"),
    [
        ("t54", "9", "OMS-VAL-004"),
        ("t44", "1e3", "OMS-VAL-004"),
        ("t60", "yesterday", "OMS-VAL-004"),
        ("t1", None, "OMS-VAL-003"),
    ],
)
def test_what_the_engine_cannot_read_is_refused_by_its_rule(tag: str, value: object, code: str) -> None:
    account, _ = replayed(Log().new(**{tag: value}).data)
    assert account.differences[0].explanation.startswith(f"{code}: ")


def test_orders_without_an_account_get_the_one_that_was_given() -> None:
    account, (order,) = replayed(Log().new(t1=None).data, account="DESK-7")
    assert (account.agrees, order.account) == (True, "DESK-7")


def test_two_sessions_in_one_file_are_counted_apart() -> None:
    log = Log().house("A", t98=0, t108=30, t141="Y").live("C1").house("A", t98=0, t34=1).new("C2", t34=2)
    account, orders = replayed(log.data)
    assert (account.agrees, account.spotless, len(orders)) == (True, True, 2)
    assert [(row.sender, row.messages, row.sessions) for row in account.directions] == [(HOUSE, 4, 2), (MARKET, 1, 1)]


def test_events_have_the_times_of_the_log() -> None:
    account, (order,) = replayed(Log().live().data)
    assert account.agrees
    assert (str(order.created_at), str(order.updated_at)) == ("2026-01-05 09:00:01+00:00", "2026-01-05 09:00:01+00:00")


GOOD_TILL_MARCH = {"t59": 6, "t126": "20260301-16:00:00"}


@pytest.mark.parametrize("between", [{}, {"t52": None}, {"t52": "soon"}])
def test_one_message_far_ahead_of_its_neighbours_does_not_move_the_clock(between: dict[str, object]) -> None:
    log = Log().new().report("0", "0", t151=1000, t14=0, t6=0, t52="20990105-09:00:01.000")
    log.new("C2", **GOOD_TILL_MARCH, **between).report("0", "0", "C2", t151=1000).report("I", "0", "C2")
    account, orders = replayed(log.data)
    assert (account.differences, [order.state for order in orders]) == ((), ["LIVE", "LIVE"])
    assert kinds(account.findings)["SendingTime jumps"] == 1
    assert account.findings[0].first.line == 2
    assert (account.agrees, account.spotless) == (True, False)


def test_a_first_message_far_ahead_of_the_next_ones_does_not_move_the_clock() -> None:
    log = Log().new(t52="20990105-09:00:01.000").report("0", "0").new("C2", **GOOD_TILL_MARCH)
    account, orders = replayed(log.data)
    assert (kinds(account.findings), len(orders)) == ({"SendingTime jumps": 1}, 2)


def test_a_log_that_goes_on_days_later_moves_the_clock_at_once() -> None:
    later = {"t52": "20260305-09:00:00.000"}
    log = Log().live().new("C2", **GOOD_TILL_MARCH, **later).report("8", "8", "C2", **later)
    account, orders = replayed(log.data)
    assert (kinds(account.findings), account.agrees, len(orders)) == ({}, True, 1)


def test_every_command_of_an_exec_type_is_one_of_the_engine() -> None:
    assert {command for _, command in EXEC_TYPES.values() if command} <= set(COMMANDS)


def test_an_id_that_is_refused_twice_is_told_twice() -> None:
    account, _ = replayed(Log().new(t38=0).new(t38=-1).report("8", "8").data)
    assert told(account) == [(1, "MsgType (35)", "NewOrderSingle (D), then no answer", "refused", "RULE")]
    assert account.verdicts["EQUAL"] == 2


def test_an_answer_to_no_request_is_refused_by_its_rule() -> None:
    log = Log().live().market("9", t37="M-C1", t11="C9", t41="C1", t39="0", t434=1, t102=1)
    account, _ = replayed(log.data)
    assert told(account) == [(3, "MsgType (35)", "OrderCancelReject (9)", "refused", "RULE")]


def test_an_order_that_may_not_be_placed_is_told() -> None:
    account, (order,) = replayed(Log().new(t21=3).data, {"roles": {"OrderPlaceCmd": ["head-of-desk"]}})
    assert told(account) == [(1, "MsgType (35)", "NewOrderSingle (D)", "refused", "RULE")]
    assert (order.state, account.differences[0].explanation.partition(":")[0]) == ("NEW", "OMS-AUTH-003")


@pytest.mark.parametrize(("tag", "field", "kept"), [("t14", "CumQty (14)", "400"), ("t151", "LeavesQty (151)", "600")])
def test_a_quantity_that_is_no_number_differs(tag: str, field: str, kept: str) -> None:
    account, _ = replayed(Log().live().fill(400, "10.5", 400, 600, "10.5", **{tag: "many"}).data)
    assert told(account) == [(3, field, "many", kept, "UNKNOWN")]


def test_an_order_for_money_learns_its_units_from_the_acknowledgement() -> None:
    fund = {"t55": "FUND1", "t54": "D", "t167": "MF", "t40": 1, "t44": None, "t38": None, "t152": 5000}
    log = Log().new(**fund).report("0", "0", t38="48.5", t151="48.5", t14=0)
    account, (order,) = replayed(log.data)
    assert account.agrees, account.differences
    assert (order.state, str(order.order_qty), str(order.leaves_qty)) == ("LIVE", "48.5", "48.5")


def test_a_trade_before_the_first_number_of_a_gap_is_not_blamed_on_it() -> None:
    log = Log().live().fill(400, "10.5", 450, 550, "10.5").lose(MARKET, 3).report("I", "1", t151=600, t14=400)
    assert {cause for *_, cause in told(replayed(log.data)[0])} == {"UNKNOWN"}


def test_a_log_of_another_version_does_not_agree_and_one_of_the_connection_alone_does() -> None:
    assert not replayed(Log().new(t8="FIX.4.2").data)[0].agrees
    assert replayed(Log().house("A", t98=0).house("0").data)[0].agrees
