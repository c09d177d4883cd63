"""Does every asset class get the rules that are its own? Good orders, one thing wrong at a time, and the boundaries."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.domain.catalogue import citation
from oms_engine.domain.model import NewOrder
from oms_engine.domain.rules.assets import EVERY_CLASS, PACKS, classify
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.vocabulary import AssetClass, SecurityType, Side
from oms_engine.framework.validation import Rule, Severity
from oms_engine.settings import Settings
from tests.oms_engine.desk import Desk

Changes = dict[str, object]

VAL1, VAL3, VAL4, VAL5 = (f"OMS-VAL-00{n}" for n in (1, 3, 4, 5))
TYPE = "OMS-ORDER-003"

SHORT: Changes = {"side": "SELL_SHORT", "locateId": "L1"}
OPTION: Changes = {"securityType": "OPT", "strikePrice": "90", "maturityMonthYear": "202612", "putOrCall": 1}
FUTURE: Changes = {"symbol": "FESX", "securityType": "FUT", "maturityMonthYear": "202601"}
UNITS: Changes = {"symbol": "LU0000000001", "side": "SUBSCRIBE"}
CASH: Changes = UNITS | {"ordType": "MARKET", "price": None, "orderQty": None, "cashOrderQty": "5000"}
NOTE: Changes = {"securityType": "CORP", "securityId": "XS0000000009", "securityIdSource": "ISIN"}
PAIR: Changes = {"symbol": "EUR/USD", "orderQty": "10000", "price": "1"}
DEPOSIT: Changes = {
    "symbol": "EUR",
    "assetClass": "FX_MONEY_MARKET",
    "orderQty": "10000",
    "settlDate": "2026-01-05",
    "maturityDate": "2026-01-06",
}
COIN: Changes = {"symbol": "BTC-USD", "orderQty": "0.00000001"}
STRICT: Changes = {"equity.lotRule": "reject"}
OFF: Changes = {"equity.lotRule": "off"}

VIOLATIONS: list[tuple[str, str, str, Changes, Changes]] = [
    ("EQ-01", VAL5, "orderQty", {"orderQty": "150"}, STRICT),
    ("EQ-01", VAL5, "orderQty", {"orderQty": "100.00000001"}, STRICT),
    ("EQ-01", VAL5, "orderQty", {"orderQty": "100"}, STRICT | {"equity.lotSize": "7"}),
    ("EQ-02", VAL4, "symbol", {"symbol": "ibm", "securityType": "CS"}, {}),
    ("EQ-02", VAL4, "symbol", {"symbol": "ABCDEF", "securityType": "ETF"}, {}),
    ("EQ-02", VAL4, "symbol", {"symbol": "BRK.", "assetClass": "EQUITY"}, {}),
    ("EQ-02", VAL4, "symbol", {"symbol": "BRK.ABC", "assetClass": "EQUITY"}, {}),
    ("EQ-02", VAL4, "symbol", {"symbol": "IBM\n", "assetClass": "EQUITY"}, {}),
    ("SHT-01", VAL3, "locateId", SHORT | {"locateId": None}, {}),
    ("SHT-01", VAL3, "locateId", SHORT | {"locateId": " "}, {}),
    ("DRV-01", VAL3, "strikePrice", OPTION | {"strikePrice": None}, {}),
    ("DRV-01", VAL3, "maturityMonthYear", OPTION | {"maturityMonthYear": None}, {}),
    ("DRV-01", VAL3, "putOrCall", OPTION | {"putOrCall": None}, {}),
    ("DRV-01", VAL3, "maturityMonthYear", FUTURE | {"maturityMonthYear": None}, {}),
    ("DRV-01", VAL4, "putOrCall", OPTION | {"putOrCall": 2}, {}),
    ("DRV-01", VAL4, "putOrCall", OPTION | {"putOrCall": -1}, {}),
    ("DRV-01", VAL4, "putOrCall", {"assetClass": "DERIVATIVE", "putOrCall": 2}, {}),
    ("DRV-01", VAL4, "maturityMonthYear", {"assetClass": "DERIVATIVE", "maturityMonthYear": "2026-12"}, {}),
    *(
        ("DRV-01", VAL4, "maturityMonthYear", FUTURE | {"maturityMonthYear": month}, {})
        for month in ("202600", "202613", "20261", "2026123", "26DEC0", "\u0662\u0660\u0662\u0666\u0661\u0662")
    ),
    ("FND-01", VAL1, "side", {"side": "SUBSCRIBE", "assetClass": "EQUITY"}, {}),
    ("FND-01", VAL1, "side", {"side": "REDEEM", "securityType": "CS"}, {}),
    ("FND-01", VAL1, "side", OPTION | {"side": "SUBSCRIBE"}, {}),
    ("FND-01", VAL1, "side", {"side": "REDEEM", "assetClass": "GENERIC"}, {}),
    ("FND-01", VAL1, "cashOrderQty", {"cashOrderQty": "5000"}, {}),
    ("FND-01", VAL1, "cashOrderQty", COIN | {"cashOrderQty": "5000"}, {}),
    ("FND-01", VAL3, "orderQty", CASH | {"cashOrderQty": None}, {}),
    ("FND-01", VAL1, "cashOrderQty", CASH | {"orderQty": "10"}, {}),
    ("FND-01", VAL5, "cashOrderQty", CASH | {"cashOrderQty": "0"}, {}),
    ("FND-01", VAL5, "cashOrderQty", CASH | {"cashOrderQty": "-0.01"}, {}),
    ("FND-02", TYPE, "ordType", UNITS | {"ordType": "STOP", "stopPx": "9"}, {}),
    ("FND-02", TYPE, "ordType", UNITS | {"ordType": "STOP_LIMIT", "stopPx": "9"}, {}),
    ("FND-02", TYPE, "ordType", CASH | {"ordType": "MARKET_ON_CLOSE"}, {}),
    ("STR-02", TYPE, "ordType", NOTE | {"ordType": "STOP_LIMIT", "stopPx": "9"}, {}),
    ("STR-02", TYPE, "ordType", NOTE | {"ordType": "MARKET_ON_CLOSE", "price": None}, {}),
    ("FX-01", VAL4, "symbol", PAIR | {"symbol": "EURUSD", "assetClass": "FX_MONEY_MARKET"}, {}),
    ("FX-01", VAL4, "symbol", PAIR | {"symbol": "EUR/USDX", "assetClass": "FX_MONEY_MARKET"}, {}),
    ("FX-01", VAL4, "symbol", PAIR | {"symbol": "EUR/XXQ", "assetClass": "FX_MONEY_MARKET"}, {}),
    ("FX-01", VAL4, "symbol", PAIR | {"symbol": "EUR/USD/CHF", "assetClass": "FX_MONEY_MARKET"}, {}),
    ("FX-01", VAL4, "symbol", DEPOSIT | {"symbol": "XXQ"}, {}),
    ("FX-02", VAL5, "orderQty", PAIR | {"orderQty": "9999.99999999"}, {}),
    ("FX-02", VAL5, "orderQty", PAIR | {"price": "0.99999999"}, {}),
    ("FX-02", VAL5, "orderQty", PAIR | {"orderQty": "9999", "ordType": "MARKET", "price": None}, {}),
    ("FX-02", VAL5, "orderQty", PAIR, {"fx.minNotional": "10000.01"}),
    ("FX-02", VAL5, "orderQty", DEPOSIT | {"orderQty": "9999", "price": "100"}, {}),
    ("FX-03", VAL3, "settlDate", DEPOSIT | {"settlDate": None}, {}),
    ("FX-03", VAL3, "maturityDate", DEPOSIT | {"maturityDate": None}, {}),
    ("FX-03", VAL5, "maturityDate", DEPOSIT | {"maturityDate": "2026-01-05"}, {}),
    ("FX-03", VAL3, "settlDate", PAIR | {"settlType": "FORWARD"}, {}),
    ("FX-03", VAL3, "settlDate", PAIR | {"settlType": "SWAP"}, {}),
]
"""Rule, code, field: what is changed in a good order, and in the settings, so that this rule alone refuses it."""

BOUNDARIES: list[tuple[str, Changes, Changes]] = [
    ("EQ-01", {"orderQty": "100"}, STRICT),
    ("EQ-01", {"orderQty": "1.5"}, STRICT | {"equity.lotSize": "0.5"}),
    ("EQ-01", {"orderQty": "150"}, OFF),
    ("EQ-01", {"orderQty": "150", "assetClass": "GENERIC"}, STRICT),
    ("EQ-02", {"symbol": "A"}, {}),
    ("EQ-02", {"symbol": "ABCDE.AB", "securityType": "CS"}, {}),
    ("EQ-02", {"symbol": "ibm"}, {}),
    ("SHT-01", SHORT, {}),
    ("SHT-01", SHORT | {"locateId": None}, {"equity.requireLocate": "off"}),
    ("SHT-01", SHORT | {"locateId": None, "assetClass": "GENERIC"}, {}),
    ("SHT-01", {"side": "SELL"}, {}),
    ("DRV-01", OPTION | {"putOrCall": 0, "maturityMonthYear": "202601"}, {}),
    ("DRV-01", FUTURE, {}),
    ("DRV-01", {"assetClass": "DERIVATIVE"}, {}),
    ("DRV-01", {"assetClass": "DERIVATIVE", "maturityMonthYear": "202612", "putOrCall": 0}, {}),
    ("DRV-01", {"maturityMonthYear": "soon", "putOrCall": 7}, {}),
    ("FND-01", UNITS, {}),
    ("FND-01", UNITS | {"side": "REDEEM", "assetClass": "FUND"}, {}),
    ("FND-01", {"side": "BUY", "securityType": "MF"}, {}),
    ("FND-01", CASH, {}),
    ("FND-01", CASH | {"cashOrderQty": "0.00000001"}, {}),
    ("FND-02", UNITS | {"ordType": "MARKET", "price": None}, {}),
    ("STR-02", NOTE, {}),
    ("STR-02", NOTE | {"ordType": "MARKET", "price": None}, {}),
    ("FX-01", PAIR, {}),
    ("FX-01", DEPOSIT, {}),
    ("FX-01", PAIR | {"symbol": "EUR/XXQ"}, {"currencies": "EUR,XXQ"}),
    ("FX-02", PAIR | {"ordType": "MARKET", "price": None}, {}),
    ("FX-02", PAIR | {"orderQty": "100000000", "price": "0.0001"}, {"maxOrderQty": "100000000"}),
    ("FX-02", DEPOSIT | {"price": "0.01"}, {}),
    ("FX-02", PAIR | {"orderQty": "0.00000001"}, {"fx.minNotional": "0"}),
    ("FX-03", PAIR | {"settlType": "SPOT"}, {}),
    ("FX-03", PAIR | {"settlType": "SWAP", "settlDate": "2026-01-05"}, {}),
    ("FX-03", PAIR | {"settlDate": "2026-01-05", "maturityDate": "2026-01-04"}, {}),
    ("DIG-01", COIN, STRICT),
    ("DIG-01", COIN | {"orderQty": "0.1234567800"}, STRICT),
]
"""Rule: the nearest good order, which it lets pass without a word."""

WARNINGS: list[tuple[str, str, Changes, Changes]] = [
    ("EQ-01", "orderQty 150 is no multiple of the lot 100; send whole lots", {"orderQty": "150"}, {}),
    ("STR-01", "securityId is missing; a structured product needs one", NOTE | {"securityId": None}, {}),
    ("STR-01", "securityIdSource is missing; a structured product needs one", NOTE | {"securityIdSource": None}, {}),
]
"""Rule, sentence: what the order is told although it is accepted."""


def _desk(settings: Changes) -> Desk:
    return Desk(**{name.replace(".", "__"): value for name, value in settings.items()})


def _task(result: Any, name: str) -> tuple[str, str]:  # noqa: ANN401 - any command result
    return next((task.status, task.message) for task in result.tasks if task.name == name)


@pytest.mark.parametrize(("rule_id", "code", "field", "changes", "settings"), VIOLATIONS)
def test_an_order_against_the_rules_of_its_class_is_refused(
    rule_id: str, code: str, field: str, changes: Changes, settings: Changes
) -> None:
    desk = _desk(settings)
    problem = desk.refused("OrderCreateCmd", order=desk.asked(**changes))
    assert [(one.rule_id, one.code, one.field) for one in problem.violations] == [(rule_id, code, field)]
    assert (problem.error_code, problem.citation) == (code, citation(rule_id))


@pytest.mark.parametrize(("rule_id", "changes", "settings"), BOUNDARIES)
def test_an_order_at_the_boundary_of_its_class_is_accepted(rule_id: str, changes: Changes, settings: Changes) -> None:
    result = _desk(settings).create(**changes)
    assert result.ok, (rule_id, result.message)
    assert _task(result, "ValidateOrder")[0] == "SUCCESS"


@pytest.mark.parametrize(("rule_id", "sentence", "changes", "settings"), WARNINGS)
def test_an_order_is_accepted_with_a_warning(rule_id: str, sentence: str, changes: Changes, settings: Changes) -> None:
    result = _desk(settings).create(**changes)
    assert result.ok, (rule_id, result.message)
    status, message = _task(result, "ValidateOrder")
    assert status == "WARNING"
    assert sentence in message


def test_a_digital_asset_has_no_more_than_eight_digits_after_the_point() -> None:
    desk = Desk()
    problem = desk.refused("OrderCreateCmd", order=desk.asked(**(COIN | {"orderQty": "0.123456789"})))
    assert {(one.rule_id, one.field) for one in problem.violations} == {("ORD-17", "orderQty"), ("DIG-01", "orderQty")}


def test_an_order_whose_class_cannot_be_told_is_not_measured_by_another() -> None:
    desk = Desk(equity__lotRule="reject")
    for malformed in ({"securityType": "BOND"}, {"assetClass": "EQUITIES"}, {"side": "LEND"}):
        problem = desk.refused("OrderCreateCmd", order=desk.asked(orderQty="150", **malformed))
        assert "EQ-01" not in {one.rule_id for one in problem.violations}


def test_an_order_without_symbol_or_quantity_is_told_only_that() -> None:
    desk = Desk(equity__lotRule="reject")
    for given_class in (None, "EQUITY", "FX_MONEY_MARKET", "DIGITAL_ASSET"):
        order = desk.asked(symbol=None, orderQty=None, assetClass=given_class)
        problem = desk.refused("OrderCreateCmd", order=order)
        assert [one.rule_id for one in problem.violations] == ["ORD-02", "ORD-08"]


def test_a_currency_order_of_many_digits_is_told_only_that() -> None:
    desk = Desk(maxOrderQty="9" * 18)
    digits = f"{'9' * 64}.{'9' * 64}"
    problem = desk.refused("OrderCreateCmd", order=desk.asked(**(PAIR | {"orderQty": digits, "price": digits})))
    assert {one.rule_id for one in problem.violations} == {"ORD-14", "ORD-17"}


@pytest.mark.parametrize(
    ("changes", "settings", "replace", "rule_id"),
    [
        ({}, STRICT, {"orderQty": "1050"}, "EQ-01"),
        (PAIR, {}, {"price": "0.9"}, "FX-02"),
        (DEPOSIT, {}, {"orderQty": "9999"}, "FX-02"),
    ],
)
def test_the_order_as_it_would_be_after_a_replace_is_asked_too(
    changes: Changes, settings: Changes, replace: Changes, rule_id: str
) -> None:
    desk = _desk(settings)
    order_id = desk.given("LIVE", **changes)
    problem = desk.refused("OrderReplaceCmd", orderId=order_id, **replace)
    assert [one.rule_id for one in problem.violations] == [rule_id]


def test_a_replace_to_an_odd_lot_is_told_and_done() -> None:
    desk = Desk()
    result = desk.ok("OrderReplaceCmd", orderId=desk.given("LIVE"), orderQty="1050")
    assert _task(result, "ValidateOrder")[0] == "WARNING"


def test_the_class_that_was_derived_stays_with_the_order() -> None:
    desk = Desk(equity__lotRule="reject")
    order_id = desk.given("LIVE", **COIN)
    assert desk.order(order_id).asset_class is AssetClass.DIGITAL_ASSET
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="0.5")


def _small(facts: Facts[Any]) -> bool:
    assert facts.candidate is not None
    return facts.candidate.order_qty is not None and facts.candidate.order_qty <= 10


def test_a_pack_of_ones_own_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    own: Rule[Facts[Any]] = Rule(
        id="MINE-01",
        code="OMS-VAL-005",
        description="a small order",
        field="orderQty",
        holds=_small,
        message=lambda _: "the order is large; send a small one",
        citation="mine.md#small",
    )
    monkeypatch.setitem(PACKS, AssetClass.GENERIC, (own,))
    desk = Desk()
    problem = desk.refused("OrderCreateCmd", order=desk.asked(symbol="ibm"))
    assert [(one.rule_id, one.citation) for one in problem.violations] == [("MINE-01", "mine.md#small")]
    desk.ok("OrderCreateCmd", order=desk.asked(symbol="ibm", orderQty="10"))
    desk.ok("OrderCreateCmd", order=desk.asked())


def test_every_rule_of_a_class_cites_its_section_and_is_violated_by_a_test() -> None:
    rules = [*EVERY_CLASS, *(rule for pack in PACKS.values() for rule in pack)]
    tested = {row[0] for row in VIOLATIONS} | {row[0] for row in WARNINGS} | {"DIG-01"}
    assert {rule.id for rule in rules} == tested
    assert all(rule.citation == citation(rule.id) for rule in rules)
    assert set(PACKS) == set(AssetClass)


SETTINGS = Settings()
CLASSES = [
    ({"symbol": "IBM"}, "EQUITY"),
    ({"symbol": "BRK.A"}, "EQUITY"),
    ({"symbol": "BTC", "asset_class": "FUND"}, "FUND"),
    ({"symbol": "EUR/USD", "security_type": "MF"}, "FUND"),
    ({"symbol": "XYZ", "security_type": "OPT", "side": "SUBSCRIBE"}, "DERIVATIVE"),
    ({"symbol": "XYZ", "security_type": "CORP"}, "STRUCTURED_PRODUCT"),
    ({"symbol": "EUR/USD", "side": "REDEEM"}, "FUND"),
    ({"symbol": "BTC", "side": "SUBSCRIBE"}, "FUND"),
    ({"symbol": "EUR/USD"}, "FX_MONEY_MARKET"),
    ({"symbol": "EUR"}, "EQUITY"),
    ({"symbol": "EUR/XXQ"}, "GENERIC"),
    ({"symbol": "EUR-USD"}, "GENERIC"),
    ({"symbol": "BTC"}, "DIGITAL_ASSET"),
    ({"symbol": "BTC-USD"}, "DIGITAL_ASSET"),
    ({"symbol": "USD-BTC"}, "DIGITAL_ASSET"),
    ({"symbol": "ETH/EUR"}, "DIGITAL_ASSET"),
    ({"symbol": "XBTC"}, "EQUITY"),
    ({"symbol": "BTC.X"}, "EQUITY"),
    ({"symbol": "ibm"}, "GENERIC"),
    ({"symbol": "ABCDEF"}, "GENERIC"),
    ({}, "GENERIC"),
]


@pytest.mark.parametrize(("order", "asset_class"), CLASSES)
def test_the_first_match_names_the_asset_class(order: dict[str, str], asset_class: str) -> None:
    assert classify(NewOrder.model_validate(order), SETTINGS) == asset_class


def test_currencies_and_digital_assets_are_those_of_the_settings() -> None:
    settings = Settings.of({"currencies": ["XAU", "USD"], "digitalAssets": ["ABC", "A-B"]})
    classes = {"XAU/USD": "FX_MONEY_MARKET", "EUR/USD": "GENERIC", "ABC": "DIGITAL_ASSET", "A-B": "DIGITAL_ASSET"}
    classes |= {"BTC": "EQUITY"}
    assert {symbol: classify(NewOrder(symbol=symbol), settings) for symbol in classes} == classes


symbols = st.one_of(
    st.none(),
    st.text(alphabet="ABCU/-.a1", max_size=9),
    st.sampled_from(["IBM", "BRK.A", "EUR/USD", "BTC", "BTC-USD", "EUR"]),
)
orders = st.builds(
    NewOrder,
    symbol=symbols,
    side=st.none() | st.sampled_from(Side),
    security_type=st.none() | st.sampled_from(SecurityType),
    asset_class=st.none() | st.sampled_from(AssetClass),
)


@given(order=orders, asset_class=st.sampled_from(AssetClass))
def test_a_class_that_is_given_wins(order: NewOrder, asset_class: AssetClass) -> None:
    assert classify(order.model_copy(update={"asset_class": asset_class}), SETTINGS) is asset_class


@given(order=orders)
def test_a_class_that_was_derived_is_derived_again(order: NewOrder) -> None:
    found = classify(order, SETTINGS)
    assert classify(order.model_copy(update={"asset_class": found}), SETTINGS) is found


@given(order=orders, symbol=symbols, side=st.sampled_from(Side))
def test_a_security_type_decides_whatever_symbol_and_side_are(order: NewOrder, symbol: str | None, side: Side) -> None:
    plain = order.model_copy(update={"asset_class": None, "security_type": order.security_type or SecurityType.CS})
    assert classify(plain.model_copy(update={"symbol": symbol, "side": side}), SETTINGS) is classify(plain, SETTINGS)


@given(symbol=symbols, side=st.sampled_from([Side.BUY, Side.SELL, Side.SELL_SHORT]))
def test_only_the_sides_of_funds_tell_a_class(symbol: str | None, side: Side) -> None:
    unsided = classify(NewOrder(symbol=symbol), SETTINGS)
    assert classify(NewOrder(symbol=symbol, side=side), SETTINGS) is unsided
    assert unsided is not AssetClass.FUND
    assert classify(NewOrder(symbol=symbol, side=Side.REDEEM), SETTINGS) is AssetClass.FUND


codes = st.text(alphabet="CDEHRSU", min_size=3, max_size=3) | st.sampled_from(sorted(SETTINGS.currencies))


@given(base=codes, quoted=codes)
def test_a_pair_is_one_of_two_known_currencies(base: str, quoted: str) -> None:
    known = {base, quoted} <= SETTINGS.currencies
    found = classify(NewOrder(symbol=f"{base}/{quoted}"), SETTINGS)
    assert (found is AssetClass.FX_MONEY_MARKET) is known


def test_a_digital_asset_is_told_on_either_side_of_either_sign() -> None:
    for asset, sign in product(sorted(SETTINGS.digital_assets), "/-"):
        for symbol in (f"{asset}{sign}USD", f"USD{sign}{asset}", asset):
            assert classify(NewOrder(symbol=symbol), SETTINGS) is AssetClass.DIGITAL_ASSET


@pytest.mark.parametrize("code", ["ACME-001", "OMS-STATE-002", "OMS-ORDER-004", "OMS-ORDER-001"])
@pytest.mark.parametrize("severity", [Severity.REJECT, Severity.WARN])
def test_a_rule_of_a_users_own_pack_is_told_whatever_its_code(
    code: str, severity: Severity, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Rule[Any] = Rule(
        id="ACME-1",
        code=code,
        description="ours",
        field="symbol",
        holds=lambda _: False,
        message=lambda _: "our house does not trade this",
        citation="ours.md",
        severity=severity,
    )
    monkeypatch.setitem(PACKS, AssetClass.GENERIC, (own,))
    desk = Desk()
    result = desk.create(assetClass="GENERIC")
    assert result.ok is (severity is Severity.WARN)
    assert "our house does not trade this" in [task.message for task in result.tasks]
