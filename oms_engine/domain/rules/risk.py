"""Do the limits that are set let this order, or this command, pass?"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import reduce
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from oms_engine.domain.commands import OrderCancelCmd
from oms_engine.domain.events import ACCOUNT_SCOPE
from oms_engine.domain.model import NewOrder, Order
from oms_engine.domain.quantities import EXACT, ZERO, add, notional, subtract
from oms_engine.domain.rules.facts import Facts, rule
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule, Severity
from oms_engine.record import plain
from oms_engine.settings import Settings

AnyFacts = Facts[Any]
RiskRule = Rule[AnyFacts]
Limits = Callable[[Settings], Mapping[str, Decimal]]
T = TypeVar("T")

_NO_LIMIT = Decimal("Infinity")

_ASKED = "OrderCreateCmd, OrderReplaceCmd"
_ASKED_OR_PLACED = "OrderCreateCmd, OrderReplaceCmd, OrderPlaceCmd"


class Exposure(NamedTuple):
    """What the open orders of an account add up to, and how many of them no price is known of."""

    amount: Decimal
    unknown: int


def collar(reference: Decimal, percent: Decimal) -> tuple[Decimal, Decimal]:
    """The lowest and the highest price within so many percent of a reference price, exactly."""
    width = EXACT.scaleb(EXACT.multiply(reference.copy_abs(), percent), -2)
    return subtract(reference, width), add(reference, width)


def exposure(facts: AnyFacts) -> Exposure:
    """The open orders of the account and the one asked for, which stands in place of the order that it replaces."""
    order, before = _order(facts), facts.state
    executed = before.order.cum_qty if before else ZERO
    left = None if order.order_qty is None else subtract(order.order_qty, executed)
    values = [_value(facts, order.symbol, left, order.price, order.cash_order_qty)]
    values += [
        _value(facts, other.symbol, other.leaves_qty, other.price, other.cash_order_qty)
        for other in facts.around.open_orders(order.account or "")
        if before is None or other.order_id != before.order.order_id
    ]
    known = [value for value in values if value is not None]
    return Exposure(reduce(add, known, ZERO), len(values) - len(known))


def _order(facts: AnyFacts) -> NewOrder | Order:
    """The order asked for, or as it would be after a replace; else the one that is placed, as it stands."""
    return facts.candidate or facts.order.order


def _value(
    facts: AnyFacts, symbol: str | None, quantity: Decimal | None, price: Decimal | None, cash: Decimal | None
) -> Decimal | None:
    """Quantity x price, or x reference price, without its sign; the amount of a cash order where that is unknown."""
    if quantity is not None:
        price = facts.reference_price(symbol or "") if price is None else price
        if price is not None:
            return notional(quantity, price).copy_abs()
    return cash


def _notional(facts: AnyFacts) -> Decimal | None:
    order = _order(facts)
    return _value(facts, order.symbol, order.order_qty, order.price, order.cash_order_qty)


def _reference(facts: AnyFacts) -> Decimal | None:
    return facts.reference_price(_order(facts).symbol or "")


def _applying(values: Mapping[str, T], facts: AnyFacts) -> list[T]:
    """The values for all, for the symbol and for the account of the order; none without an order."""
    if facts.candidate is None and facts.state is None:
        return []
    order = _order(facts)
    scopes = ["*", f"symbol:{order.symbol}"]
    if order.account is not None:
        scopes.append(ACCOUNT_SCOPE + order.account)
    return [values[scope] for scope in scopes if scope in values]


def _narrowest(limits: Limits, facts: AnyFacts) -> Decimal:
    return min(_applying(limits(facts.settings), facts), default=_NO_LIMIT)


def _is_set(limits: Limits, facts: AnyFacts) -> bool:
    return bool(_applying(limits(facts.settings), facts))


def _is_root(facts: AnyFacts) -> bool:
    return _order(facts).parent_order_id is None


def _rule(
    rule_id: str,
    field: str,
    holds: Callable[[AnyFacts], bool],
    message: Callable[[AnyFacts], str],
    *,
    scope: str,
    applies: Callable[[AnyFacts], bool] | None = None,
    severity: Severity = Severity.REJECT,
    setting: str = "",
) -> RiskRule:
    """A rule of this family, whose code has its number; asked only where its setting, if it has one, is not off."""
    code = rule_id.replace("RSK-", "OMS-RISK-0")
    needs = (f"settings.{setting}",) if setting else ()
    return rule(rule_id, code, field, holds, message, scope=scope, applies=applies, severity=severity, needs=needs)


def _at_most(
    rule_id: str,
    field: str,
    setting: str,
    amount: Callable[[AnyFacts], Decimal | None],
    message: Callable[[str, str], str],
    *,
    applies: Callable[[AnyFacts], bool] = lambda _: True,
    scope: str = _ASKED,
) -> RiskRule:
    """The amount is not above the narrowest limit; asked only where one is set, and an unknown amount passes."""
    limits: Limits = attrgetter(setting)
    return _rule(
        rule_id,
        field,
        lambda f: (amount(f) or ZERO) <= _narrowest(limits, f),
        lambda f: message(plain(amount(f) or ZERO), plain(_narrowest(limits, f))),
        scope=scope,
        applies=lambda f: _is_set(limits, f) and applies(f),
        setting=setting,
    )


_QUANTITY = _at_most(
    "RSK-01",
    "orderQty",
    "risk_max_order_qty",
    lambda f: _order(f).order_qty,
    lambda amount, limit: f"orderQty is {amount}; risk.maxOrderQty allows {limit}, so send a smaller order",
)

_NOTIONAL = (
    _at_most(
        "RSK-02",
        "orderQty",
        "risk_max_notional",
        _notional,
        lambda amount, limit: f"the notional is {amount}; risk.maxNotional allows {limit}, so send a smaller order",
    ),
    _rule(
        "RSK-02",
        "price",
        lambda f: _notional(f) is not None,
        lambda f: (
            f"the notional is unknown: the order has no price and {shown(_order(f).symbol)} no reference price; "
            "post one with ReferencePriceCmd"
        ),
        scope=_ASKED,
        applies=lambda f: _is_set(lambda s: s.risk_max_notional, f),
        setting="risk_max_notional",
        severity=Severity.WARN,
    ),
)


def _collar_percent(settings: Settings) -> Mapping[str, Decimal]:
    return settings.risk_collar_percent


def _bounds(facts: AnyFacts) -> tuple[Decimal, Decimal]:
    return collar(_reference(facts) or ZERO, _narrowest(_collar_percent, facts))


def _within_collar(facts: AnyFacts) -> bool:
    lowest, highest = _bounds(facts)
    return lowest <= (_order(facts).price or ZERO) <= highest


def _outside_collar(facts: AnyFacts) -> str:
    lowest, highest = _bounds(facts)
    return (
        f"price is {plain(_order(facts).price or ZERO)}; the reference price is {plain(_reference(facts) or ZERO)} and "
        f"risk.collarPercent {plain(_narrowest(_collar_percent, facts))} allows {plain(lowest)} to {plain(highest)}"
    )


_COLLAR = _rule(
    "RSK-03",
    "price",
    _within_collar,
    _outside_collar,
    scope=_ASKED_OR_PLACED,
    applies=lambda f: _is_set(_collar_percent, f) and _order(f).price is not None and _reference(f) is not None,
    setting="risk_collar_percent",
)


def _is_restricted(facts: AnyFacts) -> bool:
    """Is the symbol listed, in whatever case it is written?"""
    symbol = (_order(facts).symbol or "").casefold()
    listed = _applying(facts.settings.risk_restricted_symbols, facts)
    return any(symbol in {name.casefold() for name in names} for names in listed)


_RESTRICTION = _rule(
    "RSK-04",
    "symbol",
    lambda f: not _is_restricted(f),
    lambda f: (
        f"symbol {shown(_order(f).symbol)} is restricted for account {shown(_order(f).account)}; "
        "the desk lifts that in the setting risk.restrictedSymbols"
    ),
    scope=_ASKED_OR_PLACED,
    applies=lambda f: bool(_applying(f.settings.risk_restricted_symbols, f)),
    setting="risk_restricted_symbols",
)

_OPEN_ORDERS = _at_most(
    "RSK-05",
    "account",
    "risk_max_open_orders",
    lambda f: Decimal(len(f.around.open_orders(_order(f).account or "")) + 1),
    lambda amount, limit: (
        f"the account would have {amount} open orders; risk.maxOpenOrders allows {limit}, so end an open one first"
    ),
    applies=_is_root,
    scope="OrderCreateCmd of a root",
)

_GROSS_NOTIONAL = (
    _at_most(
        "RSK-06",
        "account",
        "risk_max_gross_notional",
        lambda f: exposure(f).amount,
        lambda amount, limit: (
            f"the open notional of the account would be {amount}; risk.maxGrossNotional allows {limit}, "
            "so end open orders first or send a smaller one"
        ),
        applies=_is_root,
    ),
    _rule(
        "RSK-06",
        "account",
        lambda f: not exposure(f).unknown,
        lambda f: (
            "orders that the open notional counts as 0, for they have neither price nor reference price: "
            f"{exposure(f).unknown}; post a price with ReferencePriceCmd"
        ),
        scope=_ASKED,
        applies=lambda f: _is_set(lambda s: s.risk_max_gross_notional, f) and _is_root(f),
        setting="risk_max_gross_notional",
        severity=Severity.WARN,
    ),
)

CREATE: tuple[RiskRule, ...] = (_QUANTITY, *_NOTIONAL, _COLLAR, _RESTRICTION, _OPEN_ORDERS, *_GROSS_NOTIONAL)
"""The limits on a new order; the two on open orders count roots, so a child is not asked them."""

REPLACE: tuple[RiskRule, ...] = (_QUANTITY, *_NOTIONAL, _COLLAR, _RESTRICTION, *_GROSS_NOTIONAL)
"""The limits on the order as it would be after a replace."""

PLACE: tuple[RiskRule, ...] = (_COLLAR, _RESTRICTION)
"""What may have changed since an order was created that is placed now."""

KILL_SWITCH: tuple[RiskRule, ...] = (
    _rule(
        "RSK-07",
        "type",
        lambda f: not f.settings.risk_kill_switch,
        lambda f: (
            f"the kill switch is on and stops {f.command.type}; {_who_lifts(f.settings)} with SettingsChangeCmd and "
            "risk.killSwitch off, and cancels and corrections still work"
        ),
        scope=(
            "OrderCreateCmd, OrderPlaceCmd, OrderReplaceCmd, OrderGroupCmd, QuoteRequestCreateCmd, QuoteCreateCmd, "
            "QuoteAcceptCmd"
        ),
    ),
)
"""What stops every request that could lead to a trade."""

PACE: tuple[RiskRule, ...] = (
    _rule(
        "RSK-08",
        "sessionId",
        lambda f: f.around.recent_commands() <= (f.settings.risk_max_commands_per_second or _NO_LIMIT),
        lambda f: (
            f"session {shown(f.session_id)} sent {f.around.recent_commands()} commands in the last second; "
            f"risk.maxCommandsPerSecond allows {f.settings.risk_max_commands_per_second}, so wait a second and send "
            "the command again"
        ),
        scope="every command but OrderCancelCmd",
        applies=lambda f: (
            f.settings.risk_max_commands_per_second is not None and not isinstance(f.command, OrderCancelCmd)
        ),
        setting="risk_max_commands_per_second",
    ),
)
"""How often a session may send commands."""


def _who_lifts(settings: Settings) -> str:
    names = settings.roles.get("SettingsChangeCmd")
    return f"{' or '.join(shown(name) for name in names)} lifts it" if names else "the desk lifts it"
