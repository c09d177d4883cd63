"""Which asset class does an order belong to, and what does each class ask of its orders beside the order rules?"""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from oms_engine.domain.model import NewOrder
from oms_engine.domain.quantities import is_multiple, notional
from oms_engine.domain.rules.facts import Facts, on_order
from oms_engine.domain.vocabulary import AssetClass, OrdType, SecurityType, SettlType, Side
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule, Severity
from oms_engine.record import MAX_FRACTION_DIGITS, plain, within_digits
from oms_engine.settings import Settings

AssetRule = Rule[Facts[Any]]

_BY_SECURITY_TYPE = {
    SecurityType.CS: AssetClass.EQUITY,
    SecurityType.ETF: AssetClass.EQUITY,
    SecurityType.ETN: AssetClass.EQUITY,
    SecurityType.FUT: AssetClass.DERIVATIVE,
    SecurityType.OPT: AssetClass.DERIVATIVE,
    SecurityType.MF: AssetClass.FUND,
    SecurityType.CORP: AssetClass.STRUCTURED_PRODUCT,
}
_DECIDES_THE_CLASS = ("assetClass", "securityType", "side", "symbol")
_EQUITY_SYMBOL = re.compile(r"[A-Z]{1,5}(\.[A-Z]{1,2})?")
_PAIR = re.compile(r"([A-Z]{3})/([A-Z]{3})")
_YEAR_AND_MONTH = re.compile(r"[0-9]{4}(0[1-9]|1[0-2])")
_PUT, _CALL = 0, 1
_FUND_SIDES = {Side.SUBSCRIBE, Side.REDEEM}
_SETTLES_LATER = {SettlType.FORWARD, SettlType.SWAP}


def classify(order: NewOrder, settings: Settings) -> AssetClass:
    """The asset class given, else the one that security type, side or symbol tell, first match wins."""
    symbol = order.symbol or ""
    if order.asset_class:
        return order.asset_class
    if order.security_type:
        return _BY_SECURITY_TYPE[order.security_type]
    if order.side in _FUND_SIDES:
        return AssetClass.FUND
    if _is_pair(order, settings):
        return AssetClass.FX_MONEY_MARKET
    if settings.digital_assets.intersection((symbol, *re.split(r"[/-]", symbol))):
        return AssetClass.DIGITAL_ASSET
    return AssetClass.EQUITY if _EQUITY_SYMBOL.fullmatch(symbol) else AssetClass.GENERIC


_OF_CLASS: dict[AssetClass, tuple[tuple[AssetRule, ...], tuple[AssetRule, ...]]] = {}
"""Class -> its pack, and what is asked of its orders; made anew where the pack has changed."""


def rules_of_class(asset_class: AssetClass | None) -> tuple[AssetRule, ...]:
    """What a class demands of an order asked for, after what every class demands; nothing without an order.

    The same tuple is returned as long as the pack of the class is the same.
    """
    if asset_class is None:
        return ()
    pack = PACKS.get(asset_class, ())
    known = _OF_CLASS.get(asset_class)
    if known is None or known[0] is not pack:
        known = _OF_CLASS[asset_class] = (pack, (*EVERY_CLASS, *pack))
    return known[1]


def _is_pair(order: NewOrder, settings: Settings) -> bool:
    """Is the symbol two known currency codes?"""
    pair = _PAIR.fullmatch(order.symbol or "")
    return pair is not None and settings.currencies.issuperset(pair.groups())


def _is_money_market(order: NewOrder, settings: Settings) -> bool:
    """Is the symbol one known currency code?"""
    return order.symbol in settings.currencies


def _fx_notional(order: NewOrder, settings: Settings) -> Decimal | None:
    """The size of a currency order; None where the symbol, the quantity or the price is not as it should be."""
    pair = _is_pair(order, settings)
    price = order.price if pair and order.price is not None else Decimal(1)
    if order.order_qty is None or not (pair or _is_money_market(order, settings)):
        return None
    if not within_digits(order.order_qty) or not within_digits(price):
        return None
    return notional(order.order_qty, price).copy_abs()


def _pack(*rules: AssetRule) -> tuple[AssetRule, ...]:
    """Rules that are asked by class: they read, beside their own fields, those that decide it."""
    return tuple(replace(one, inputs=(*one.reads, *_DECIDES_THE_CLASS)) for one in rules)


def _needed(
    rule_id: str,
    field: str,
    name: str,
    whose: Callable[[NewOrder], str],
    *,
    applies: Callable[[NewOrder, Facts[Any]], bool] | None = None,
    severity: Severity = Severity.REJECT,
) -> AssetRule:
    """A field that some orders must have; `whose` names them in the sentence."""
    return on_order(
        rule_id,
        "OMS-VAL-003",
        field,
        lambda o, _: getattr(o, name) is not None and bool(str(getattr(o, name)).strip()),
        lambda o, _: f"{field} is missing; {whose(o)} needs one",
        applies=applies,
        severity=severity,
    )


def _whole_lots(choice: str, severity: Severity) -> AssetRule:
    return on_order(
        "EQ-01",
        "OMS-VAL-005",
        "orderQty",
        lambda o, f: o.order_qty is not None and is_multiple(o.order_qty, f.settings.lot_size),
        lambda o, f: f"orderQty {o.order_qty:f} is no multiple of the lot {f.settings.lot_size:f}; send whole lots",
        applies=lambda o, f: f.settings.lot_rule == choice and o.order_qty is not None,
        severity=severity,
    )


def _of_the_contract(field: str, name: str, types: set[SecurityType]) -> AssetRule:
    return _needed(
        "DRV-01",
        field,
        name,
        lambda o: f"an order of securityType {o.security_type}",
        applies=lambda o, _: o.security_type in types,
    )


def _market_or_limit(rule_id: str, whose: str) -> AssetRule:
    return on_order(
        rule_id,
        "OMS-ORDER-003",
        "ordType",
        lambda o, _: o.ord_type in {OrdType.MARKET, OrdType.LIMIT},
        lambda o, _: f"ordType is {o.ord_type}; {whose} is ordered at MARKET or LIMIT",
        applies=lambda o, _: o.ord_type is not None,
    )


_OPTION = {SecurityType.OPT}
_DATED = {SecurityType.OPT, SecurityType.FUT}

EVERY_CLASS: tuple[AssetRule, ...] = _pack(
    on_order(
        "FND-01",
        "OMS-VAL-001",
        "side",
        lambda o, f: classify(o, f.settings) is AssetClass.FUND,
        lambda o, f: f"side is {o.side} but the order is {classify(o, f.settings)}; only a FUND order has this side",
        applies=lambda o, _: o.side in _FUND_SIDES,
    ),
    on_order(
        "FND-01",
        "OMS-VAL-001",
        "cashOrderQty",
        lambda o, f: classify(o, f.settings) is AssetClass.FUND,
        lambda o, f: (
            f"cashOrderQty is {o.cash_order_qty:f} but the order is {classify(o, f.settings)}; "
            "only funds are ordered by amount, so give orderQty"
        ),
        applies=lambda o, _: o.cash_order_qty is not None,
        needs="cash_order_qty",
    ),
)
"""What is asked of an order of any class."""

_EQUITY = _pack(
    _whole_lots("warn", Severity.WARN),
    _whole_lots("reject", Severity.REJECT),
    on_order(
        "EQ-02",
        "OMS-VAL-004",
        "symbol",
        lambda o, _: bool(_EQUITY_SYMBOL.fullmatch(o.symbol or "")),
        lambda o, _: f"symbol {shown(o.symbol)} names no equity; write 1 to 5 capitals as in IBM, or BRK.A with a dot",
        applies=lambda o, _: bool(o.symbol),
    ),
    _needed(
        "SHT-01",
        "locateId",
        "locate_id",
        lambda _: "a SELL_SHORT order",
        applies=lambda o, f: f.settings.require_locate and o.side is Side.SELL_SHORT,
    ),
)

_DERIVATIVE = _pack(
    _of_the_contract("strikePrice", "strike_price", _OPTION),
    _of_the_contract("maturityMonthYear", "maturity_month_year", _DATED),
    _of_the_contract("putOrCall", "put_or_call", _OPTION),
    on_order(
        "DRV-01",
        "OMS-VAL-004",
        "maturityMonthYear",
        lambda o, _: bool(_YEAR_AND_MONTH.fullmatch(o.maturity_month_year or "")),
        lambda o, _: f"maturityMonthYear {shown(o.maturity_month_year)} is no month; write YYYYMM such as 202612",
        applies=lambda o, _: bool((o.maturity_month_year or "").strip()),
    ),
    on_order(
        "DRV-01",
        "OMS-VAL-004",
        "putOrCall",
        lambda o, _: o.put_or_call in {_PUT, _CALL},
        lambda o, _: f"putOrCall is {o.put_or_call}; use 0 for a put or 1 for a call",
        applies=lambda o, _: o.put_or_call is not None,
        needs="put_or_call",
    ),
)

_FUND = _pack(
    on_order(
        "FND-01",
        "OMS-VAL-003",
        "orderQty",
        lambda o, _: o.order_qty is not None or o.cash_order_qty is not None,
        lambda *_: "orderQty and cashOrderQty are missing; give the units or the amount of a fund order",
        inputs=("orderQty", "cashOrderQty"),
    ),
    on_order(
        "FND-01",
        "OMS-VAL-001",
        "cashOrderQty",
        lambda o, _: o.order_qty is None or o.cash_order_qty is None,
        lambda o, _: f"orderQty is {o.order_qty:f} and cashOrderQty is {o.cash_order_qty:f}; give one of them",
        inputs=("orderQty", "cashOrderQty"),
    ),
    on_order(
        "FND-01",
        "OMS-VAL-005",
        "cashOrderQty",
        lambda o, _: o.cash_order_qty is not None and o.cash_order_qty > 0,
        lambda o, _: f"cashOrderQty is {o.cash_order_qty:f}; give an amount above 0",
        applies=lambda o, _: o.cash_order_qty is not None,
        needs="cash_order_qty",
    ),
    _market_or_limit("FND-02", "a fund"),
)

_STRUCTURED_PRODUCT = _pack(
    _needed("STR-01", "securityId", "security_id", lambda _: "a structured product", severity=Severity.WARN),
    _needed(
        "STR-01", "securityIdSource", "security_id_source", lambda _: "a structured product", severity=Severity.WARN
    ),
    _market_or_limit("STR-02", "a structured product"),
)

_FX_MONEY_MARKET = _pack(
    on_order(
        "FX-01",
        "OMS-VAL-004",
        "symbol",
        lambda o, f: _is_pair(o, f.settings) or _is_money_market(o, f.settings),
        lambda o, _: (
            f"symbol {shown(o.symbol)} is neither a currency pair nor a currency; "
            "write EUR/USD, or EUR for the money market, in codes of the setting currencies"
        ),
        applies=lambda o, _: bool(o.symbol),
    ),
    on_order(
        "FX-02",
        "OMS-VAL-005",
        "orderQty",
        lambda o, f: (_fx_notional(o, f.settings) or Decimal(0)) >= f.settings.fx_min_notional,
        lambda o, f: (
            f"the notional is {plain(_fx_notional(o, f.settings) or Decimal(0))}; "
            f"the setting fx.minNotional asks for {f.settings.fx_min_notional:f} or more"
        ),
        applies=lambda o, f: _fx_notional(o, f.settings) is not None,
        inputs=("orderQty", "price"),
    ),
    _needed(
        "FX-03",
        "settlDate",
        "settl_date",
        lambda o: f"a {o.settl_type} order" if o.settl_type in _SETTLES_LATER else "a money market order",
        applies=lambda o, f: o.settl_type in _SETTLES_LATER or _is_money_market(o, f.settings),
    ),
    _needed(
        "FX-03",
        "maturityDate",
        "maturity_date",
        lambda _: "a money market order",
        applies=lambda o, f: _is_money_market(o, f.settings),
    ),
    on_order(
        "FX-03",
        "OMS-VAL-005",
        "maturityDate",
        lambda o, _: o.maturity_date is not None and o.settl_date is not None and o.maturity_date > o.settl_date,
        lambda o, _: f"maturityDate {o.maturity_date} is not after settlDate {o.settl_date}; give a later day",
        applies=lambda o, f: (
            o.maturity_date is not None and o.settl_date is not None and _is_money_market(o, f.settings)
        ),
        inputs=("maturityDate", "settlDate"),
    ),
)

_DIGITAL_ASSET = _pack(
    on_order(
        "DIG-01",
        "OMS-VAL-005",
        "orderQty",
        lambda o, _: len(plain(o.order_qty or Decimal(0)).partition(".")[2]) <= MAX_FRACTION_DIGITS,
        lambda o, _: (
            f"orderQty {shown(plain(o.order_qty or Decimal(0)))} has more than {MAX_FRACTION_DIGITS} digits "
            "after the point; send fewer"
        ),
        applies=lambda o, _: o.order_qty is not None,
    ),
)

PACKS: dict[AssetClass, tuple[AssetRule, ...]] = {
    AssetClass.EQUITY: _EQUITY,
    AssetClass.DERIVATIVE: _DERIVATIVE,
    AssetClass.FUND: _FUND,
    AssetClass.STRUCTURED_PRODUCT: _STRUCTURED_PRODUCT,
    AssetClass.FX_MONEY_MARKET: _FX_MONEY_MARKET,
    AssetClass.DIGITAL_ASSET: _DIGITAL_ASSET,
    AssetClass.GENERIC: (),
}
"""Asset class -> what it asks of its orders. An entry may be exchanged for a pack of one's own, of any rules."""
