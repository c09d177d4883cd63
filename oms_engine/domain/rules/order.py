"""What must hold before an order is created, placed, answered or ended?"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from oms_engine.domain.commands import (
    Command,
    OrderAcceptCmd,
    OrderCancelAcceptCmd,
    OrderCancelCmd,
    OrderCancelRejectCmd,
    OrderCloseCmd,
    OrderCreateCmd,
    OrderExpireCmd,
    OrderPlaceCmd,
    OrderRejectCmd,
)
from oms_engine.domain.model import NewOrder, Order
from oms_engine.domain.quantities import is_multiple
from oms_engine.domain.rules.assets import classify
from oms_engine.domain.rules.envelope import (
    ID_FORM,
    AnyFacts,
    order_exists,
    printable,
    required,
    texts_and_numbers_fit,
)
from oms_engine.domain.rules.facts import Facts, RulesAbout, found, order_name, order_state, rule
from oms_engine.domain.vocabulary import OPEN_STATES, CancelState, OrdType, PriceType, State, TimeInForce
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule
from oms_engine.record import instant_text

CreateFacts = Facts[OrderCreateCmd]
CancelFacts = Facts[OrderCancelCmd]

_STOPPED = {OrdType.STOP, OrdType.STOP_LIMIT}
_UNPRICED = {OrdType.MARKET, OrdType.MARKET_ON_CLOSE}
_SIGNED = {PriceType.SPREAD, PriceType.YIELD}


_on_order = RulesAbout("order", NewOrder(), "OrderCreateCmd")


def _needs(rule_id: str, field: str, name: str, types: set[OrdType]) -> Rule[CreateFacts]:
    return _on_order(
        rule_id,
        "OMS-VAL-003",
        field,
        lambda o, _: getattr(o, name) is not None,
        lambda o, _: f"{field} is missing; a {o.ord_type} order needs one",
        applies=lambda o, _: o.ord_type in types,
        inputs=(field, "ordType"),
    )


def _positive(field: str, name: str, *, may_be_signed: bool) -> Rule[CreateFacts]:
    unless = " unless priceType is SPREAD or YIELD" if may_be_signed else ""
    return _on_order(
        "ORD-12",
        "OMS-VAL-005",
        field,
        lambda o, _: getattr(o, name) > 0,
        lambda o, _: f"{field} is {getattr(o, name):f}; it must be above 0{unless}",
        applies=lambda o, _: getattr(o, name) is not None and not (may_be_signed and o.price_type in _SIGNED),
        inputs=(field, "priceType") if may_be_signed else (),
    )


def tick_of(facts: CreateFacts, order: NewOrder) -> Decimal | None:
    """The price increment of an order: that of its symbol, else of its asset class, else the one for all."""
    ticks = facts.settings.tick_size
    asset_class = order.asset_class or classify(order)
    for key in (order.symbol, asset_class, "*"):
        if key is not None and key in ticks:
            return ticks[key]
    return None


def _on_tick(field: str, name: str) -> Rule[CreateFacts]:
    return _on_order(
        "TICK-01",
        "OMS-VAL-005",
        field,
        lambda o, f: is_multiple(getattr(o, name), tick_of(f, o) or Decimal(1)),
        lambda o, f: f"{field} {getattr(o, name):f} is no multiple of the tick size {tick_of(f, o):f}",
        applies=lambda o, f: getattr(o, name) is not None and tick_of(f, o) is not None,
        inputs=(field, "symbol", "assetClass"),
    )


CREATE: tuple[Rule[CreateFacts], ...] = (
    rule(
        "ORD-01",
        "OMS-VAL-003",
        "order",
        lambda f: f.command.order is not None,
        lambda _: "order is missing; put the order's fields into the object 'order'",
        scope="OrderCreateCmd",
    ),
    _on_order.present("ORD-02", "symbol", "symbol", "give the ticker of the security"),
    _on_order.present("ORD-03", "side", "side", "give BUY, SELL or another side"),
    _on_order.present("ORD-04", "account", "account", "give the account of the order"),
    rule(
        "ORD-05",
        "OMS-VAL-003",
        "sessionId",
        lambda f: bool(f.session_id.strip()),
        lambda _: "sessionId is missing and the caller has no session; give a sessionId",
        scope="OrderCreateCmd",
    ),
    _on_order.present("ORD-06", "clOrdId", "cl_ord_id", "give an id of your own that is new in this session"),
    _on_order.present("ORD-07", "ordType", "ord_type", "give MARKET, LIMIT or another order type"),
    _on_order(
        "ORD-08",
        "OMS-VAL-003",
        "orderQty",
        lambda o, _: o.order_qty is not None,
        lambda *_: "orderQty is missing; give a quantity above 0",
    ),
    _on_order(
        "ORD-08",
        "OMS-VAL-005",
        "orderQty",
        lambda o, _: o.order_qty is not None and o.order_qty > 0,
        lambda o, _: f"orderQty is {o.order_qty:f}; give a quantity above 0",
        applies=lambda o, _: o.order_qty is not None,
    ),
    _needs("ORD-09", "price", "price", {OrdType.LIMIT}),
    _needs("ORD-10", "stopPx", "stop_px", _STOPPED),
    _needs("ORD-11", "price", "price", {OrdType.STOP_LIMIT}),
    _positive("price", "price", may_be_signed=True),
    _positive("stopPx", "stop_px", may_be_signed=True),
    _positive("maxFloor", "max_floor", may_be_signed=False),
    _positive("strikePrice", "strike_price", may_be_signed=False),
    _on_order(
        "ORD-13",
        "OMS-VAL-001",
        "price",
        lambda o, _: o.price is None,
        lambda o, _: f"price is {o.price:f} but a {o.ord_type} order has none; leave price out or use LIMIT",
        applies=lambda o, _: o.ord_type in _UNPRICED,
        inputs=("price", "ordType"),
    ),
    _on_order(
        "ORD-14",
        "OMS-VAL-005",
        "orderQty",
        lambda o, f: o.order_qty is not None and o.order_qty <= f.settings.max_order_qty,
        lambda o, f: f"orderQty is {o.order_qty:f}; the setting maxOrderQty allows {f.settings.max_order_qty:f}",
        applies=lambda o, _: o.order_qty is not None,
    ),
    _on_order(
        "ORD-15",
        "OMS-VAL-005",
        "cumQty",
        lambda o, _: o.cum_qty is not None and o.order_qty is not None and o.cum_qty <= o.order_qty,
        lambda o, _: (
            f"cumQty {o.cum_qty:f} is more than orderQty {o.order_qty:f}; leave cumQty out, the system keeps it"
        ),
        applies=lambda o, _: o.cum_qty is not None and o.order_qty is not None,
        inputs=("cumQty", "orderQty"),
    ),
    _on_order(
        "ORD-16",
        "OMS-VAL-003",
        "expireTime",
        lambda o, _: o.expire_time is not None,
        lambda *_: "expireTime is missing; a GOOD_TILL_DATE order needs one",
        applies=lambda o, _: o.time_in_force is TimeInForce.GOOD_TILL_DATE,
        inputs=("expireTime", "timeInForce"),
    ),
    _on_order(
        "ORD-16",
        "OMS-VAL-005",
        "expireTime",
        lambda o, f: o.expire_time is not None and o.expire_time > f.now,
        lambda o, f: f"expireTime {instant_text(o.expire_time or f.now)} has passed; give a time in the future",
        applies=lambda o, _: o.expire_time is not None,
    ),
    *texts_and_numbers_fit(NewOrder, "order"),
    _on_order(
        "ORD-19",
        "OMS-ORDER-002",
        "clOrdId",
        lambda _, f: f.used_by is None,
        lambda o, f: (
            f"clOrdId {shown(o.cl_ord_id)} was used in session {shown(f.session_id)} for "
            f"order {shown(f.used_by.order_id if f.used_by else '')} with other values; use a new clOrdId"
        ),
        inputs=("clOrdId", "sessionId"),
        alone=True,
    ),
    _on_order(
        "ORD-22",
        "OMS-DATA-001",
        "orderId",
        lambda _, f: not f.order_id_used,
        lambda o, _: f"orderId {shown(o.order_id)} exists already; use a new one or leave it out",
    ),
    _on_order(
        "ORD-22",
        "OMS-VAL-004",
        "orderId",
        lambda o, _: bool(ID_FORM.fullmatch(o.order_id or "")),
        lambda o, _: f"orderId {shown(o.order_id)} is malformed; use 1 to 64 of A-Z a-z 0-9 . _ -",
        applies=lambda o, _: o.order_id is not None,
    ),
    printable("clOrdId", "cl_ord_id", "order"),
    _on_tick("price", "price"),
    _on_tick("stopPx", "stop_px"),
)


def _finished(command: str, rule_id: str = "LIF-03") -> Rule[AnyFacts]:
    return rule(
        rule_id,
        "OMS-STATE-003",
        "orderId",
        lambda f: not f.machine.is_terminal_state(order_state(f)),
        lambda f: f"{order_name(f)} is {order_state(f)} and finished; no {command} is possible any more",
        scope=command,
        applies=found,
    )


def _into(rule_id: str, command: str, target: State) -> Rule[AnyFacts]:
    """The lifecycle has the transition from the order's state to the command's target."""
    return rule(
        rule_id,
        "OMS-STATE-001",
        "orderId",
        lambda f: f.machine.is_valid_transition(order_state(f), target),
        lambda f: f"{order_name(f)} is {order_state(f)}; {command} needs {_sources(f, target)}",
        scope=command,
        applies=lambda f: found(f) and not f.machine.is_terminal_state(order_state(f)),
    )


def _sources(facts: Facts[Any], target: State) -> str:
    sources = [state for state in State if facts.machine.is_valid_transition(state, target)]
    return " or ".join(sources)


def _cancel_state(facts: Facts[Any]) -> CancelState | None:
    return facts.state.order.cancel_state if facts.state else None


def _about(rule_id: str, command: type[Command], target: State) -> tuple[Rule[AnyFacts], ...]:
    """What most commands about one order need: an id, an order, a lifecycle that lets them."""
    return (
        *_names_order(command),
        order_exists("ENV-09"),
        _finished(command.__name__, "END-03" if target is State.CLOSED else "LIF-03"),
        _into(rule_id, command.__name__, target),
    )


def _names_order(command: type[Command]) -> tuple[Rule[AnyFacts], ...]:
    return (required("orderId", "order_id", "name the order"), *texts_and_numbers_fit(command))


PLACE: tuple[Rule[AnyFacts], ...] = _about("LIF-01", OrderPlaceCmd, State.UNACK)

ACCEPT: tuple[Rule[AnyFacts], ...] = _about("LIF-01", OrderAcceptCmd, State.LIVE)

REJECT: tuple[Rule[AnyFacts], ...] = (
    *_about("END-01", OrderRejectCmd, State.REJ),
    rule(
        "END-01",
        "OMS-STATE-002",
        "orderId",
        lambda f: f.state is not None and not f.state.order.cum_qty,
        lambda f: f"{order_name(f)} has fills; an order with fills is cancelled, not rejected",
        scope="OrderRejectCmd",
        applies=lambda f: found(f) and order_state(f) is State.LIVE,
    ),
)


def _not_ended(code: str, states: frozenset[State]) -> Rule[CancelFacts]:
    return rule(
        "CXL-03",
        code,
        "orderId",
        lambda f: order_state(f) not in states,
        lambda f: f"{order_name(f)} is {order_state(f)}; only an open order is cancelled",
        scope="OrderCancelCmd",
        applies=found,
    )


def _nothing_pending(rule_id: str, pending: CancelState, name: str) -> Rule[CancelFacts]:
    return rule(
        rule_id,
        "OMS-STATE-002",
        "orderId",
        lambda f: _cancel_state(f) is not pending,
        lambda f: f"{order_name(f)} has a {name} request pending; wait for its answer",
        scope="OrderCancelCmd",
        applies=found,
    )


CANCEL: tuple[Rule[CancelFacts], ...] = (
    *_names_order(OrderCancelCmd),
    printable("clOrdId", "cl_ord_id"),
    order_exists("CXL-01"),
    rule(
        "CXL-02",
        "OMS-ORDER-002",
        "clOrdId",
        lambda f: f.used_by is None,
        lambda f: (
            f"clOrdId {shown(f.command.cl_ord_id)} was used in session {shown(f.session_id)} before; use a new one"
        ),
        scope="OrderCancelCmd",
    ),
    rule(
        "CXL-02",
        "OMS-VAL-001",
        "origClOrdId",
        lambda f: f.state is not None and f.command.orig_cl_ord_id == f.state.order.cl_ord_id,
        lambda f: (
            f"origClOrdId {shown(f.command.orig_cl_ord_id)} is not the clOrdId of {order_name(f)}, "
            f"which is {shown(f.state.order.cl_ord_id if f.state else '')}"
        ),
        scope="OrderCancelCmd",
        applies=lambda f: found(f) and f.command.orig_cl_ord_id is not None,
    ),
    _not_ended("OMS-ORDER-006", frozenset({State.FILLED})),
    _not_ended("OMS-ORDER-005", frozenset({State.CXL})),
    _not_ended("OMS-STATE-003", frozenset({State.REJ, State.EXP, State.CLOSED})),
    _nothing_pending("CXL-04", CancelState.PCXL, "cancel"),
    _nothing_pending("CXL-05", CancelState.PMOD, "replace"),
    rule(
        "CXL-06",
        "OMS-ORDER-006",
        "orderId",
        lambda f: f.state is not None and f.state.order.leaves_qty > 0,
        lambda f: f"{order_name(f)} has nothing left to cancel",
        scope="OrderCancelCmd",
        applies=lambda f: found(f) and order_state(f) in OPEN_STATES,
    ),
    rule(
        "CXL-07",
        "OMS-STATE-001",
        "orderId",
        lambda f: f.machine.is_valid_transition(State.NEW, State.CXL),
        lambda f: f"{order_name(f)} is NEW and not in the market; send OrderPlaceCmd first",
        scope="OrderCancelCmd",
        applies=lambda f: found(f) and order_state(f) is State.NEW,
    ),
)

CANCEL_ACCEPT: tuple[Rule[AnyFacts], ...] = (
    *_about("LIF-01", OrderCancelAcceptCmd, State.CXL),
    rule(
        "LIF-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: _cancel_state(f) is CancelState.PCXL or bool(getattr(f.command, "unsolicited", False)),
        lambda f: f"{order_name(f)} has no cancel pending; send OrderCancelCmd first, or say unsolicited",
        scope="OrderCancelAcceptCmd",
        applies=lambda f: found(f) and f.machine.is_valid_transition(order_state(f), State.CXL),
    ),
)

CANCEL_REJECT: tuple[Rule[AnyFacts], ...] = (
    *_names_order(OrderCancelRejectCmd),
    order_exists("ENV-09"),
    _finished(OrderCancelRejectCmd.__name__),
    rule(
        "LIF-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: _cancel_state(f) is CancelState.PCXL,
        lambda f: f"{order_name(f)} has no cancel pending, so there is none to refuse",
        scope="OrderCancelRejectCmd",
        applies=lambda f: found(f) and not f.machine.is_terminal_state(order_state(f)),
    ),
)


def _expiry(facts: Facts[Any]) -> str:
    expiry = facts.state.order.expire_time if facts.state else None
    return instant_text(expiry) if expiry else ""


EXPIRE: tuple[Rule[AnyFacts], ...] = (
    *_about("END-02", OrderExpireCmd, State.EXP),
    rule(
        "END-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: f.state is not None and f.state.order.time_in_force is not TimeInForce.GOOD_TILL_CANCEL,
        lambda f: f"{order_name(f)} is GOOD_TILL_CANCEL and does not expire; cancel it",
        scope="OrderExpireCmd",
        applies=found,
    ),
    rule(
        "END-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: f.state is not None and f.state.order.expire_time is not None and f.state.order.expire_time <= f.now,
        lambda f: f"{order_name(f)} is good till {_expiry(f)}; that time has not come",
        scope="OrderExpireCmd",
        applies=lambda f: f.state is not None and f.state.order.time_in_force is TimeInForce.GOOD_TILL_DATE,
    ),
)


def obstacles(order: Order, now: datetime) -> dict[State, str]:
    """States that the lifecycle allows next but this order's own facts forbid, each with the reason."""
    found: dict[State, str] = {}
    if order.cum_qty:
        found[State.REJ] = "the order has fills; an order with fills is cancelled, not rejected (END-01)"
    if order.time_in_force is TimeInForce.GOOD_TILL_CANCEL:
        found[State.EXP] = "the order is GOOD_TILL_CANCEL and does not expire (END-02)"
    good_till_date = order.time_in_force is TimeInForce.GOOD_TILL_DATE
    if good_till_date and order.expire_time is not None and order.expire_time > now:
        found[State.EXP] = f"the order is good till {instant_text(order.expire_time)} (END-02)"
    return found


CLOSE: tuple[Rule[AnyFacts], ...] = _about("END-03", OrderCloseCmd, State.CLOSED)
