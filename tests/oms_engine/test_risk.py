"""Does every risk limit stop what is beyond it, let the bound itself pass, and stay silent where it is not set?"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oms_engine.domain.catalogue import citation
from oms_engine.domain.commands import OrderCreateCmd
from oms_engine.domain.lifecycle import MACHINES
from oms_engine.domain.model import NewOrder, OrderState
from oms_engine.domain.rules import risk
from oms_engine.domain.rules.facts import Facts, OpenOrder
from oms_engine.errors import Problem
from oms_engine.framework.validation import validate
from oms_engine.record import plain
from oms_engine.settings import Settings
from tests.oms_engine.desk import START, Desk

Changes = dict[str, object]

MARKET: Changes = {"ordType": "MARKET", "price": None}
CASH: Changes = MARKET | {"symbol": "LU0000000001", "side": "SUBSCRIBE", "orderQty": None, "cashOrderQty": "5000"}
IBM_AT_100: Changes = {"risk.referencePrice": {"IBM": "100"}}
COLLAR: Changes = {"risk.collarPercent": "5"} | IBM_AT_100


def _desk(settings: Changes) -> Desk:
    return Desk(**{name.replace(".", "__"): value for name, value in settings.items()})


def _told(problem: Problem, number: int) -> None:
    """Only this rule is told, with its code and its section."""
    code = f"OMS-RISK-00{number}"
    assert [(one.rule_id, one.code) for one in problem.violations] == [(f"RSK-0{number}", code)], problem.violations
    assert problem.citation == citation(f"RSK-0{number}")
    assert (problem.status, problem.retryable) == {7: (409, False), 8: (429, True)}.get(number, (422, False))


def _warning(desk: Desk, **order: object) -> str:
    """What the risk check says of an order that is accepted; empty when it says nothing."""
    result = desk.create(**order)
    assert result.ok, result.message
    task = next(one for one in result.tasks if one.name == "RiskCheck")
    return task.message if task.status == "WARNING" else ""


BEYOND: list[tuple[int, Changes, Changes]] = [
    (1, {}, {"risk.maxOrderQty": "999.99999999"}),
    (1, {}, {"risk.maxOrderQty": {"symbol:IBM": "999"}}),
    (1, {}, {"risk.maxOrderQty": {"account:ACC": "999"}}),
    (1, {}, {"risk.maxOrderQty": {"*": "5000", "symbol:IBM": "4000", "account:ACC": "999"}}),
    (1, {}, {"risk.maxOrderQty": {"*": "999", "symbol:IBM": "4000", "account:ACC": "4000"}}),
    (2, {}, {"risk.maxNotional": "99999.99999999"}),
    (2, {"price": "-100", "priceType": "SPREAD"}, {"risk.maxNotional": "99999"}),
    (2, MARKET, {"risk.maxNotional": "99999"} | IBM_AT_100),
    (2, CASH, {"risk.maxNotional": "4999.99"}),
    (2, CASH, {"risk.maxNotional": "4999", "risk.referencePrice": {"LU0000000001": "0.01"}}),
    (3, {"price": "105.00000001"}, COLLAR),
    (3, {"price": "94.99999999"}, COLLAR),
    (3, {"price": "100.01"}, COLLAR | {"risk.collarPercent": "0"}),
    (3, {"price": "101.01"}, COLLAR | {"risk.collarPercent": {"*": "5", "symbol:IBM": "1", "account:ACC": "3"}}),
    (4, {}, {"risk.restrictedSymbols": "SAP,IBM"}),
    (4, {}, {"risk.restrictedSymbols": {"account:ACC": ["IBM"]}}),
    (4, {}, {"risk.restrictedSymbols": {"*": ["SAP"], "account:ACC": ["IBM"]}}),
    (5, {}, {"risk.maxOpenOrders": "0"}),
    (6, {}, {"risk.maxGrossNotional": "99999.99999999"}),
    (6, MARKET, {"risk.maxGrossNotional": "99999"} | IBM_AT_100),
    (6, CASH, {"risk.maxGrossNotional": {"account:ACC": "4999"}}),
    (7, {}, {"risk.killSwitch": "on"}),
]
"""Number of the rule, order, settings: this rule alone refuses it."""

WITHIN: list[tuple[int, Changes, Changes]] = [
    (1, {}, {"risk.maxOrderQty": "1000"}),
    (1, {}, {"risk.maxOrderQty": {"symbol:SAP": "1", "account:OTHER": "1"}}),
    (1, CASH, {"risk.maxOrderQty": "1"}),
    (2, {}, {"risk.maxNotional": "100000"}),
    (2, MARKET, {"risk.maxNotional": "100000"} | IBM_AT_100),
    (2, {"price": "50"}, {"risk.maxNotional": "50000"} | IBM_AT_100),
    (2, CASH, {"risk.maxNotional": "5000"}),
    (3, {"price": "105"}, COLLAR),
    (3, {"price": "95.00"}, COLLAR),
    (3, {"price": "500"}, {"risk.collarPercent": "5"}),
    (3, MARKET, COLLAR),
    (3, {"price": "500"}, COLLAR | {"risk.collarPercent": {"symbol:SAP": "1"}}),
    (4, {}, {"risk.restrictedSymbols": "SAP,IBMX"}),
    (4, {}, {"risk.restrictedSymbols": {"account:OTHER": ["IBM"]}}),
    (5, {}, {"risk.maxOpenOrders": "1"}),
    (6, {}, {"risk.maxGrossNotional": "100000"}),
    (6, CASH, {"risk.maxGrossNotional": "5000"}),
    (7, {}, {"risk.killSwitch": "off"}),
    (8, {}, {"risk.maxCommandsPerSecond": "1"}),
]
"""Number of the rule, order, settings: the order is at the bound, or not asked."""


@pytest.mark.parametrize(("number", "changes", "settings"), BEYOND)
def test_an_order_beyond_a_limit_is_refused(number: int, changes: Changes, settings: Changes) -> None:
    desk = _desk(settings)
    _told(desk.refused("OrderCreateCmd", order=desk.asked(**changes)), number)


@pytest.mark.parametrize(("number", "changes", "settings"), WITHIN)
def test_an_order_within_a_limit_passes_without_a_word(number: int, changes: Changes, settings: Changes) -> None:
    assert _warning(_desk(settings), **changes) == "", number


def test_all_limits_that_are_broken_are_told_together() -> None:
    limits = {"risk.maxOrderQty": "1", "risk.maxNotional": "1", "risk.maxOpenOrders": "0", "risk.maxGrossNotional": "1"}
    desk = _desk(COLLAR | limits | {"risk.restrictedSymbols": "IBM", "risk.killSwitch": "on"})
    problem = desk.refused("OrderCreateCmd", order=desk.asked(price="200"))
    assert [one.rule_id for one in problem.violations] == [f"RSK-0{number}" for number in range(1, 8)]


def test_a_price_outside_the_collar_is_told_the_prices_inside() -> None:
    desk = _desk(COLLAR)
    problem = desk.refused("OrderCreateCmd", order=desk.asked(price="106"))
    assert problem.detail == "price is 106; the reference price is 100 and risk.collarPercent 5 allows 95 to 105"


def test_a_notional_that_is_unknown_passes_with_a_warning() -> None:
    desk = Desk(risk__maxNotional="1")
    assert 'the order has no price and "IBM" no reference price' in _warning(desk, **MARKET)
    assert _warning(Desk(), **MARKET) == ""


def test_an_order_without_price_or_reference_price_counts_nothing_and_is_told() -> None:
    desk = Desk(risk__maxGrossNotional="100000")
    assert "reference price: 1;" in _warning(desk, **MARKET)
    assert "reference price: 2;" in _warning(desk, **MARKET)
    assert "reference price: 2;" in _warning(desk)
    _told(desk.refused("OrderCreateCmd", order=desk.asked(orderQty="1")), 6)


def test_the_last_execution_that_counts_is_a_reference_price() -> None:
    desk = Desk(risk__collarPercent="5")
    first = desk.given("LIVE")
    desk.fill(first, "100", "50")
    desk.fill(first, "100", "100")
    _told(desk.refused("OrderCreateCmd", order=desk.asked(price="50")), 3)
    desk.ok("ExecutionBustCmd", orderId=first, execId="e2")
    _told(desk.refused("OrderCreateCmd", order=desk.asked(price="100")), 3)
    desk.ok("ExecutionBustCmd", orderId=first, execId="e1")
    assert desk.create(price="1000").ok


def test_the_collar_around_a_price_below_zero_is_as_wide() -> None:
    desk = Desk(risk__collarPercent="5")
    spread: Changes = {"priceType": "SPREAD"}
    desk.fill(desk.given("LIVE", **spread), "100", "-100")
    for price in ("-105.01", "-94.99", "100"):
        _told(desk.refused("OrderCreateCmd", order=desk.asked(price=price, **spread)), 3)
    assert desk.create(price="-105", **spread).ok
    assert desk.create(price="-95", **spread).ok


def test_a_reference_price_that_was_posted_comes_before_all_others() -> None:
    desk = _desk(COLLAR)
    desk.fill(desk.given("LIVE"), "100", "70")
    assert desk.create(price="100").ok
    desk.ok("ReferencePriceCmd", symbol="IBM", price="200")
    _told(desk.refused("OrderCreateCmd", order=desk.asked(price="100")), 3)
    assert desk.create(price="210").ok


def test_only_open_orders_of_the_account_are_counted() -> None:
    desk = Desk(risk__maxOpenOrders="2")
    for state in ("FILLED", "CXL", "REJ", "CLOSED", "EXP"):
        desk.given(state)
    desk.given("LIVE", account="OTHER")
    desk.given("NEW")
    desk.given("PART")
    problem = desk.refused("OrderCreateCmd", order=desk.asked())
    _told(problem, 5)
    assert "would have 3 open orders" in problem.detail
    assert desk.create(account="OTHER").ok


def test_an_order_that_ends_makes_room() -> None:
    desk = Desk(risk__maxOpenOrders="1")
    first = desk.given("LIVE")
    _told(desk.refused("OrderCreateCmd", order=desk.asked()), 5)
    desk.ok("OrderCancelAcceptCmd", orderId=first, unsolicited=True)
    assert desk.create().ok


def test_the_members_of_a_group_are_counted_and_the_group_is_not() -> None:
    desk = Desk(risk__maxOpenOrders="3")
    members = [desk.given("NEW"), desk.given("NEW")]
    desk.ok("OrderGroupCmd", memberOrderIds=members)
    assert desk.create().ok
    _told(desk.refused("OrderCreateCmd", order=desk.asked()), 5)


def test_a_child_is_asked_only_the_limits_on_itself() -> None:
    desk = Desk(risk__maxOpenOrders="1", risk__maxGrossNotional="100000")
    parent = desk.given("NEW")
    desk.ok("SettingsChangeCmd", changes={"risk.maxOrderQty": "400"})
    child: Changes = {"parentOrderId": parent, "orderQty": "400"}
    _told(desk.refused("OrderCreateCmd", order=desk.asked(**(child | {"orderQty": "401"}))), 1)
    assert _warning(desk, **child) == ""
    assert _warning(desk, **(child | MARKET)) == ""


def test_a_replace_of_a_child_leaves_the_open_notional_of_the_account_as_it_is() -> None:
    desk = Desk(risk__maxGrossNotional="100000")
    child = desk.given("LIVE", parentOrderId=desk.given("NEW"), orderQty="400")
    desk.ok("OrderReplaceCmd", orderId=child, price="101")


def test_the_open_notional_is_what_is_left_of_every_order() -> None:
    desk = Desk(risk__maxGrossNotional="150000")
    desk.given("FILLED")
    desk.given("PART")
    desk.given("NEW", account="OTHER")
    _told(desk.refused("OrderCreateCmd", order=desk.asked(orderQty="800.00000001")), 6)
    assert desk.create(orderQty="800").ok
    _told(desk.refused("OrderCreateCmd", order=desk.asked(orderQty="0.00000001")), 6)


def test_a_cash_order_counts_its_amount_and_then_its_units() -> None:
    desk = Desk(risk__maxGrossNotional="10000")
    fund = str(CASH["symbol"])
    order_id = desk.create(**CASH).id
    _told(desk.refused("OrderCreateCmd", order=desk.asked(orderQty="50.01")), 6)
    desk.ok("OrderAcceptCmd", orderId=order_id, orderQty="50")
    _told(desk.refused("OrderCreateCmd", order=desk.asked(orderQty="50.01")), 6)
    desk.ok("ReferencePriceCmd", symbol=fund, price="90")
    assert desk.create(orderQty="55").ok


@pytest.mark.parametrize(
    ("number", "settings", "within", "beyond"),
    [
        (1, {"risk.maxOrderQty": "1200"}, {"orderQty": "1200"}, {"orderQty": "1200.01"}),
        (2, {"risk.maxNotional": "120000"}, {"orderQty": "1200"}, {"price": "120.01"}),
        (3, COLLAR, {"price": "105"}, {"price": "105.01"}),
        (6, {"risk.maxGrossNotional": "120000"}, {"orderQty": "1500"}, {"orderQty": "1500.01"}),
        (6, {"risk.maxGrossNotional": "120000"}, {"price": "171"}, {"price": "172"}),
    ],
)
def test_a_replace_is_measured_by_the_order_as_it_would_be(
    number: int, settings: Changes, within: Changes, beyond: Changes
) -> None:
    desk = _desk(settings)
    order_id = desk.given("PART")
    _told(desk.refused("OrderReplaceCmd", orderId=order_id, **beyond), number)
    desk.ok("OrderReplaceCmd", orderId=order_id, **within)


def test_a_replace_opens_no_other_order() -> None:
    desk = Desk()
    order_id = desk.given("LIVE")
    desk.ok("SettingsChangeCmd", changes={"risk.maxOpenOrders": "0"})
    desk.ok("OrderReplaceCmd", orderId=order_id, price="101")


def test_a_replace_of_a_restricted_symbol_is_refused() -> None:
    desk = Desk()
    order_id = desk.given("LIVE")
    desk.ok("SettingsChangeCmd", changes={"risk.restrictedSymbols": "IBM"})
    _told(desk.refused("OrderReplaceCmd", orderId=order_id, price="101"), 4)


def test_an_order_is_measured_again_when_it_is_placed() -> None:
    desk = _desk(COLLAR)
    order_id = desk.given("NEW")
    desk.ok("ReferencePriceCmd", symbol="IBM", price="200")
    _told(desk.refused("OrderPlaceCmd", orderId=order_id), 3)
    desk.ok("ReferencePriceCmd", symbol="IBM", price="100")
    desk.ok("SettingsChangeCmd", changes={"risk.restrictedSymbols": {"account:ACC": ["IBM"]}})
    _told(desk.refused("OrderPlaceCmd", orderId=order_id), 4)
    desk.ok("SettingsChangeCmd", changes={"risk.restrictedSymbols": "off"})
    desk.ok("OrderPlaceCmd", orderId=order_id)


def test_limits_on_size_are_not_asked_again_when_an_order_is_placed() -> None:
    desk = Desk()
    order_id = desk.given("NEW")
    limits = ("maxOrderQty", "maxNotional", "maxOpenOrders", "maxGrossNotional")
    desk.ok("SettingsChangeCmd", changes={f"risk.{name}": "1" for name in limits})
    desk.ok("OrderPlaceCmd", orderId=order_id)


def test_the_kill_switch_stops_every_request_that_could_lead_to_a_trade() -> None:
    desk = Desk()
    new, live = desk.given("NEW"), desk.given("LIVE")
    members = [desk.given("NEW"), desk.given("NEW")]
    request = {"quoteReqId": "r1", "symbol": "IBM", "quantity": "100"}
    quote = {"quoteId": "q1", "quoteReqId": "r1", "price": "100"}
    desk.ok("QuoteRequestCreateCmd", quoteRequest=request)
    desk.ok("QuoteCreateCmd", quote=quote)
    desk.ok("SettingsChangeCmd", changes={"risk.killSwitch": "on"})
    _told(desk.refused("OrderCreateCmd", order=desk.asked()), 7)
    _told(desk.refused("OrderPlaceCmd", orderId=new), 7)
    _told(desk.refused("OrderReplaceCmd", orderId=live, price="101"), 7)
    _told(desk.refused("OrderGroupCmd", memberOrderIds=members), 7)
    _told(desk.refused("QuoteRequestCreateCmd", quoteRequest=request | {"quoteReqId": "r2"}), 7)
    _told(desk.refused("QuoteCreateCmd", quote=quote | {"quoteId": "q2"}), 7)
    _told(desk.refused("QuoteAcceptCmd", quoteId="q1"), 7)
    desk.ok("SettingsChangeCmd", changes={"risk.killSwitch": "off"})
    desk.ok("OrderPlaceCmd", orderId=new)


def test_the_kill_switch_says_who_lifts_it_and_what_still_works() -> None:
    desk = Desk(risk__killSwitch=True, roles={"SettingsChangeCmd": ["ann", "bob"]})
    problem = desk.refused("OrderCreateCmd", order=desk.asked())
    assert '"ann" or "bob" lifts it' in problem.detail
    assert "cancels and corrections still work" in problem.detail
    assert "the desk lifts it" in Desk(risk__killSwitch=True).create().message


def test_cancels_corrections_facts_and_bookkeeping_pass_the_kill_switch() -> None:
    desk = Desk()
    asked, done, late = desk.given("LIVE"), desk.given("PART"), desk.given("UNACK")
    first, second = desk.given("NEW"), desk.given("NEW")
    group = desk.ok("OrderGroupCmd", memberOrderIds=[first, second]).id
    desk.ok("QuoteRequestCreateCmd", quoteRequest={"quoteReqId": "r1", "symbol": "IBM", "quantity": "100"})
    desk.ok("SettingsChangeCmd", changes={"risk.killSwitch": "on"})
    desk.ok("OrderAcceptCmd", orderId=late)
    desk.ok("OrderCancelCmd", orderId=asked)
    desk.ok("OrderCancelRejectCmd", orderId=asked)
    desk.ok("ExecutionBustCmd", orderId=done, execId="e1")
    desk.fill(done, "1000", exec_id="e9")
    desk.ok("OrderCloseCmd", orderId=done)
    desk.ok("OrderUngroupCmd", groupOrderId=group)
    desk.ok("QuoteRejectCmd", quoteReqId="r1")
    desk.ok("ReferencePriceCmd", symbol="IBM", price="100")


def test_a_session_sends_so_many_commands_a_second_and_no_more() -> None:
    desk = Desk(risk__maxCommandsPerSecond="3")
    order_id = desk.given("LIVE")
    assert desk.create().ok
    problem = desk.refused("OrderCreateCmd", order=desk.asked())
    _told(problem, 8)
    assert "sent 4 commands in the last second; risk.maxCommandsPerSecond allows 3" in problem.detail
    desk.ok("OrderCancelCmd", orderId=order_id)
    assert desk.do("OrderCreateCmd", order=desk.asked(), sessionId="S2").ok
    desk.clock.now += timedelta(seconds=1)
    assert desk.create().ok


def test_a_refused_command_may_be_sent_again_a_second_later() -> None:
    desk = Desk(risk__maxCommandsPerSecond="1")
    first, again = desk.asked(), desk.asked()
    desk.ok("OrderCreateCmd", order=first)
    _told(desk.refused("OrderCreateCmd", order=again, commandId="again"), 8)
    desk.clock.now += timedelta(seconds=1)
    desk.ok("OrderCreateCmd", order=again, commandId="again")


class Unasked:
    """A store that nothing may be asked of."""

    def order(self, order_id: str) -> OrderState | None:
        raise AssertionError(order_id)

    def quote_exists(self, quote_id: str) -> bool:
        raise AssertionError(quote_id)

    def last_price(self, symbol: str) -> Decimal | None:
        raise AssertionError(symbol)

    def open_orders(self, account: str) -> Sequence[OpenOrder]:
        raise AssertionError(account)

    def recent_commands(self) -> int:
        raise AssertionError("recent_commands")


EVERY_RULE = (*risk.CREATE, *risk.REPLACE, *risk.PLACE, *risk.KILL_SWITCH, *risk.PACE)


def _facts(order: NewOrder | None, settings: Changes) -> Facts[OrderCreateCmd]:
    return Facts(
        command=OrderCreateCmd(order=order),
        settings=Settings.of(settings),
        machine=MACHINES["standard"],
        now=START,
        session_id="S1",
        actor="S1",
        around=Unasked(),
        candidate=order,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"risk.maxOrderQty": "5", "risk.maxNotional": "500", "risk.restrictedSymbols": "SAP"},
        {"risk.maxOpenOrders": {"account:OTHER": "0"}, "risk.maxGrossNotional": {"symbol:SAP": "0"}},
        {"risk.collarPercent": "0", "risk.referencePrice": {"IBM": "100"}},
    ],
)
def test_the_store_is_asked_only_where_a_limit_needs_it(settings: Changes) -> None:
    order = NewOrder(account="ACC", symbol="IBM", order_qty=Decimal(5), price=Decimal(100))
    found = validate(EVERY_RULE, _facts(order, settings))
    assert (found.violations, found.warnings) == ((), ())


def test_limits_on_orders_are_silent_without_one() -> None:
    limits = ("maxOrderQty", "maxNotional", "collarPercent", "maxOpenOrders", "maxGrossNotional")
    settings: Changes = {f"risk.{name}": "0" for name in limits}
    facts = _facts(None, settings | {"risk.restrictedSymbols": "IBM"})
    assert {rule.verdict(facts) for rule in (*risk.CREATE, *risk.PLACE)} == {None}


LIMIT = 10**26
stored = st.integers(-LIMIT + 1, LIMIT - 1).map(lambda units: Decimal(units).scaleb(-8))
percents = st.integers(0, 10**12).map(lambda units: Decimal(units).scaleb(-8))
digits = Decimal("0.00000001")


@given(price=stored, reference=stored, percent=percents)
@example(price=Decimal(105), reference=Decimal(100), percent=Decimal(5))
@example(price=Decimal("94.99999999"), reference=Decimal(100), percent=Decimal(5))
@example(price=Decimal(-105), reference=Decimal(-100), percent=Decimal(5))
@example(price=Decimal(0), reference=Decimal(0), percent=Decimal(5))
def test_the_collar_is_a_distance_in_percent(price: Decimal, reference: Decimal, percent: Decimal) -> None:
    lowest, highest = risk.collar(reference, percent)
    distance = abs(Fraction(price) - Fraction(reference)) * 100
    assert (lowest <= price <= highest) == (distance <= Fraction(percent) * abs(Fraction(reference)))


@given(reference=stored, percent=percents)
def test_the_bounds_of_a_collar_are_exact_and_equally_far(reference: Decimal, percent: Decimal) -> None:
    lowest, highest = risk.collar(reference, percent)
    width = abs(Fraction(reference)) * Fraction(percent) / 100
    assert (Fraction(lowest), Fraction(highest)) == (Fraction(reference) - width, Fraction(reference) + width)


@given(reference=st.integers(1, 10**12), percent=st.integers(0, 99), beyond=st.booleans())
def test_a_price_on_the_edge_passes_and_the_next_one_does_not(reference: int, percent: int, beyond: bool) -> None:
    lowest, highest = risk.collar(Decimal(reference), Decimal(percent))
    settings: Changes = {"risk.collarPercent": str(percent), "risk.referencePrice": {"IBM": str(reference)}}
    for edge, step in ((lowest, -digits), (highest, digits)):
        price = edge + (step if beyond else 0)
        order = NewOrder.model_validate({"account": "ACC", "symbol": "IBM", "price": plain(price)})
        assert validate(risk.PLACE, _facts(order, settings)).ok is not beyond


def test_every_risk_rule_cites_its_section() -> None:
    assert {rule.id for rule in EVERY_RULE} == {f"RSK-0{number}" for number in range(1, 9)}
    assert all(rule.citation == citation(rule.id) and rule.scope for rule in EVERY_RULE)
