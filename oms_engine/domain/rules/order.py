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
    OrderExpireCmd,
    OrderPlaceCmd,
    OrderRejectCmd,
)
from oms_engine.domain.model import NewOrder, Order, OrderState
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
from oms_engine.domain.rules.facts import Facts, found, on_order, order_name, order_state, rule
from oms_engine.domain.rules.tree import (
    ABOVE_IS_OPEN,
    CHILD,
    acts_for_itself,
    at_rest_below,
    ended_above,
    is_dissolved,
    is_leaf,
    is_member,
    not_dissolved,
)
from oms_engine.domain.vocabulary import (
    OPEN_STATES,
    WORKING_STATES,
    AssetClass,
    CancelState,
    OrdType,
    PriceType,
    State,
    TimeInForce,
)
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule
from oms_engine.record import instant_text

CreateFacts = Facts[Any]
CancelFacts = Facts[OrderCancelCmd]

_STOPPED = {OrdType.STOP, OrdType.STOP_LIMIT}
_UNPRICED = {OrdType.MARKET, OrdType.MARKET_ON_CLOSE}
SIGNED_PRICES = frozenset({PriceType.SPREAD, PriceType.YIELD})
"""Meanings of a price that may be zero or negative."""


def _needs(rule_id: str, field: str, name: str, types: set[OrdType]) -> Rule[CreateFacts]:
    return on_order(
        rule_id,
        "OMS-VAL-003",
        field,
        lambda o, _: getattr(o, name) is not None,
        lambda o, _: f"{field} is missing; a {o.ord_type} order needs one",
        applies=lambda o, _: o.ord_type in types,
        inputs=(field, "ordType"),
    )


def is_signed(order: NewOrder | Order, facts: Facts[Any]) -> bool:
    """May the prices of an order be zero or negative, by their meaning or by the asset class?"""
    asset_class = classify(order, facts.settings) if isinstance(order, NewOrder) else order.asset_class
    return order.price_type in SIGNED_PRICES or asset_class in facts.settings.non_positive_price


def _positive(field: str, name: str, *, may_be_signed: bool) -> Rule[CreateFacts]:
    unless = " unless priceType is SPREAD or YIELD" if may_be_signed else ""
    return on_order(
        "ORD-12",
        "OMS-VAL-005",
        field,
        lambda o, _: getattr(o, name) > 0,
        lambda o, _: f"{field} is {getattr(o, name):f}; it must be above 0{unless}",
        applies=lambda o, f: getattr(o, name) is not None and not (may_be_signed and is_signed(o, f)),
        needs=name,
        inputs=(field, "priceType") if may_be_signed else (),
    )


def tick_of(facts: CreateFacts, order: NewOrder) -> Decimal | None:
    """The price increment of an order: that of its symbol, else of its asset class, else the one for all."""
    ticks = facts.settings.tick_size
    asset_class = classify(order, facts.settings)
    for key in (order.symbol, asset_class, "*"):
        if key is not None and key in ticks:
            return ticks[key]
    return None


def _on_tick(field: str, name: str) -> Rule[CreateFacts]:
    return on_order(
        "TICK-01",
        "OMS-VAL-005",
        field,
        lambda o, f: is_multiple(getattr(o, name), tick_of(f, o) or Decimal(1)),
        lambda o, f: f"{field} {getattr(o, name):f} is no multiple of the tick size {tick_of(f, o):f}",
        applies=lambda o, f: getattr(o, name) is not None and tick_of(f, o) is not None,
        needs=name,
        setting="tick_size",
        inputs=(field, "symbol", "assetClass"),
    )


def _expiry_matters(order: NewOrder, facts: CreateFacts) -> bool:
    """Does the expiry mean anything? One that an order has kept from before, and that is not in force, does not."""
    in_force = order.time_in_force is TimeInForce.GOOD_TILL_DATE
    asked = facts.state is None or facts.command.expire_time is not None
    return order.expire_time is not None and (in_force or asked)


TERMS: tuple[Rule[CreateFacts], ...] = (
    on_order(
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
    on_order(
        "ORD-13",
        "OMS-VAL-001",
        "price",
        lambda o, _: o.price is None,
        lambda o, _: f"price is {o.price:f} but a {o.ord_type} order has none; leave price out or use LIMIT",
        applies=lambda o, _: o.ord_type in _UNPRICED,
        inputs=("price", "ordType"),
    ),
    on_order(
        "ORD-14",
        "OMS-VAL-005",
        "orderQty",
        lambda o, f: o.order_qty is not None and o.order_qty <= f.settings.max_order_qty,
        lambda o, f: f"orderQty is {o.order_qty:f}; the setting maxOrderQty allows {f.settings.max_order_qty:f}",
        applies=lambda o, _: o.order_qty is not None,
    ),
    on_order(
        "ORD-16",
        "OMS-VAL-003",
        "expireTime",
        lambda o, _: o.expire_time is not None,
        lambda *_: "expireTime is missing; a GOOD_TILL_DATE order needs one",
        applies=lambda o, _: o.time_in_force is TimeInForce.GOOD_TILL_DATE,
        inputs=("expireTime", "timeInForce"),
    ),
    on_order(
        "ORD-16",
        "OMS-VAL-005",
        "expireTime",
        lambda o, f: o.expire_time is not None and o.expire_time > f.now,
        lambda o, f: f"expireTime {instant_text(o.expire_time or f.now)} has passed; give a time in the future",
        applies=_expiry_matters,
        needs="expire_time",
        inputs=("expireTime", "timeInForce"),
    ),
    _on_tick("price", "price"),
    _on_tick("stopPx", "stop_px"),
)
"""What an order must be that is asked for, or that a replace would lead to."""

CREATE: tuple[Rule[CreateFacts], ...] = (
    rule(
        "ORD-01",
        "OMS-VAL-003",
        "order",
        lambda f: f.command.order is not None,
        lambda _: "order is missing; put the order's fields into the object 'order'",
        scope="OrderCreateCmd",
    ),
    on_order.present("ORD-02", "symbol", "symbol", "give the ticker of the security"),
    on_order.present("ORD-03", "side", "side", "give BUY, SELL or another side"),
    on_order.present("ORD-04", "account", "account", "give the account of the order"),
    rule(
        "ORD-05",
        "OMS-VAL-003",
        "sessionId",
        lambda f: bool(f.session_id.strip()),
        lambda _: "sessionId is missing and the caller has no session; give a sessionId",
        scope="OrderCreateCmd",
    ),
    on_order.present("ORD-06", "clOrdId", "cl_ord_id", "give an id of your own that is new in this session"),
    on_order.present("ORD-07", "ordType", "ord_type", "give MARKET, LIMIT or another order type"),
    on_order(
        "ORD-08",
        "OMS-VAL-003",
        "orderQty",
        lambda o, _: o.order_qty is not None,
        lambda *_: "orderQty is missing; give a quantity above 0",
        applies=lambda o, f: classify(o, f.settings) is not AssetClass.FUND,
    ),
    *TERMS,
    on_order(
        "ORD-15",
        "OMS-VAL-005",
        "cumQty",
        lambda o, _: o.cum_qty is not None and o.order_qty is not None and o.cum_qty <= o.order_qty,
        lambda o, _: (
            f"cumQty {o.cum_qty:f} is more than orderQty {o.order_qty:f}; leave cumQty out, the system keeps it"
        ),
        applies=lambda o, _: o.cum_qty is not None and o.order_qty is not None,
        needs="cum_qty",
        inputs=("cumQty", "orderQty"),
    ),
    *texts_and_numbers_fit(NewOrder, "order"),
    on_order(
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
    on_order(
        "ORD-22",
        "OMS-DATA-001",
        "orderId",
        lambda _, f: not f.id_used,
        lambda o, _: f"orderId {shown(o.order_id)} exists already; use a new one or leave it out",
    ),
    on_order(
        "ORD-22",
        "OMS-VAL-004",
        "orderId",
        lambda o, _: bool(ID_FORM.fullmatch(o.order_id or "")),
        lambda o, _: f"orderId {shown(o.order_id)} is malformed; use 1 to 64 of A-Z a-z 0-9 . _ -",
        applies=lambda o, _: o.order_id is not None,
        needs="order_id",
    ),
    printable("clOrdId", "cl_ord_id", "order"),
    *CHILD,
    on_order(
        "QUO-07",
        "OMS-QUOTE-002",
        "quoteId",
        lambda o, f: f.around.quote_exists(o.quote_id or ""),
        lambda o, _: f"quote {shown(o.quote_id)} does not exist; search_orders with entity=quote finds quoteIds",
        applies=lambda o, f: f.state is None and o.quote_id is not None,
        needs="quote_id",
    ),
)


def is_finished(facts: Facts[Any], target: State | None = None) -> bool:
    """Is the order CLOSED? What is asked to be closed is finished in every state that the lifecycle does not leave."""
    state = order_state(facts)
    return state is State.CLOSED or (target is State.CLOSED and facts.machine.is_terminal_state(state))


def _finished(command: str, target: State | None = None) -> Rule[AnyFacts]:
    return rule(
        "END-03" if target is State.CLOSED else "LIF-03",
        "OMS-STATE-003",
        "orderId",
        lambda f: not is_finished(f, target),
        lambda f: f"{order_name(f)} is {order_state(f)} and finished; no {command} is possible any more",
        scope=command,
        applies=found,
    )


def _into(rule_id: str, command: str, target: State, never: State | None = None) -> Rule[AnyFacts]:
    """The lifecycle has the transition from the order's state to the command's target."""
    return rule(
        rule_id,
        "OMS-STATE-001",
        "orderId",
        lambda f: f.machine.is_valid_transition(order_state(f), target) and order_state(f) is not never,
        lambda f: f"{order_name(f)} is {order_state(f)}; {command} needs {_sources(f, target, never)}",
        scope=command,
        applies=lambda f: found(f) and not is_finished(f, target),
    )


def _sources(facts: Facts[Any], target: State, never: State | None) -> str:
    sources = [s for s in State if facts.machine.is_valid_transition(s, target) and s is not never]
    return " or ".join(sources)


def _cancel_state(facts: Facts[Any]) -> CancelState | None:
    return facts.state.order.cancel_state if facts.state else None


def names_order(command: type[Command]) -> tuple[Rule[AnyFacts], ...]:
    """The command names its order, and its texts and numbers fit."""
    return (required("orderId", "order_id", "name the order"), *texts_and_numbers_fit(command))


def about(command: type[Command]) -> tuple[Rule[AnyFacts], ...]:
    """What a command about one order needs: an id, an order, and that the order is not finished."""
    return (*names_order(command), order_exists("ENV-09"), _finished(command.__name__))


def _towards(
    rule_id: str, command: type[Command], target: State, never: State | None = None
) -> tuple[Rule[AnyFacts], ...]:
    """What a command needs that takes an order into a state: a lifecycle that lets it."""
    return (
        *names_order(command),
        order_exists("ENV-09"),
        _finished(command.__name__, target),
        _into(rule_id, command.__name__, target, never),
    )


def _from_market(
    rule_id: str, command: type[Command], target: State, never: State | None = None
) -> tuple[Rule[AnyFacts], ...]:
    """What a command needs beside that which only an order in the market takes."""
    return (
        *_towards(rule_id, command, target, never),
        *acts_for_itself(command.__name__),
        is_leaf(command.__name__),
    )


PLACE: tuple[Rule[AnyFacts], ...] = (*_from_market("LIF-01", OrderPlaceCmd, State.UNACK), *ABOVE_IS_OPEN)


def _is_cash_order(facts: Facts[Any]) -> bool:
    return facts.order.order.cash_order_qty is not None


ACCEPT: tuple[Rule[Facts[OrderAcceptCmd]], ...] = (
    *_from_market("LIF-01", OrderAcceptCmd, State.LIVE),
    rule(
        "ENV-07",
        "OMS-VAL-003",
        "orderQty",
        lambda f: f.command.order_qty is not None,
        lambda f: f"orderQty is missing; {order_name(f)} is a cash order, say how many units it became",
        scope="OrderAcceptCmd",
        applies=lambda f: found(f) and _is_cash_order(f),
    ),
    rule(
        "FND-01",
        "OMS-VAL-001",
        "orderQty",
        _is_cash_order,
        lambda f: f"orderQty is given but {order_name(f)} was ordered in units; leave it out",
        scope="OrderAcceptCmd",
        applies=lambda f: found(f) and f.command.order_qty is not None,
    ),
    rule(
        "ORD-08",
        "OMS-VAL-005",
        "orderQty",
        lambda f: f.command.order_qty is not None and f.command.order_qty > 0,
        lambda f: f"orderQty is {f.command.order_qty:f}; give the units above 0",
        scope="OrderAcceptCmd",
        applies=lambda f: f.command.order_qty is not None,
    ),
)

REJECT: tuple[Rule[AnyFacts], ...] = (
    *_from_market("END-01", OrderRejectCmd, State.REJ),
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


def not_ended(rule_id: str, command: type[Command], what: str) -> tuple[Rule[Any], ...]:
    """A request is about an open order; the code tells how it ended."""

    def unless(code: str, *states: State) -> Rule[AnyFacts]:
        return rule(
            rule_id,
            code,
            "orderId",
            lambda f: order_state(f) not in states,
            lambda f: f"{order_name(f)} is {order_state(f)}; only {what}",
            scope=command.__name__,
            applies=found,
        )

    return (
        unless("OMS-ORDER-006", State.FILLED),
        unless("OMS-ORDER-005", State.CXL),
        unless("OMS-STATE-003", State.REJ, State.EXP, State.CLOSED),
    )


def names_current(rule_id: str, command: type[Command]) -> Rule[Facts[Any]]:
    """The origClOrdId of a request, where it is given, is the clOrdId that the order has."""
    return rule(
        rule_id,
        "OMS-VAL-001",
        "origClOrdId",
        lambda f: f.command.orig_cl_ord_id == f.order.order.cl_ord_id,
        lambda f: (
            f"origClOrdId {shown(f.command.orig_cl_ord_id)} is not the clOrdId of {order_name(f)}, "
            f"which is {shown(f.order.order.cl_ord_id)}"
        ),
        scope=command.__name__,
        applies=lambda f: found(f) and f.command.orig_cl_ord_id is not None,
    )


def gives_unused(rule_id: str, command: type[Command]) -> Rule[Facts[Any]]:
    """The clOrdId of a request, where it is given, is new in the session."""
    return rule(
        rule_id,
        "OMS-ORDER-002",
        "clOrdId",
        lambda f: f.used_by is None,
        lambda f: (
            f"clOrdId {shown(f.command.cl_ord_id)} was used in session {shown(f.session_id)} before; use a new one"
        ),
        scope=command.__name__,
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


def _replacing_below(facts: CancelFacts, above: OrderState | None = None) -> OrderState | None:
    """An order that the cancel would be forwarded to while a replace of it is pending."""
    above = above or facts.order
    for child in facts.children(above) if above.order.auto_forward else ():
        if child.order.state in WORKING_STATES:
            found_below = child if child.order.pending_replace is not None else _replacing_below(facts, child)
            if found_below is not None:
                return found_below
    return None


def _can_be_answered(facts: CancelFacts) -> bool:
    """Is there anybody in the market who can answer, or may the order be cancelled without an answer?"""
    working = any(child.order.state in WORKING_STATES for child in facts.children())
    return not facts.order.children or working or facts.machine.is_valid_transition(order_state(facts), State.CXL)


CANCEL: tuple[Rule[CancelFacts], ...] = (
    *names_order(OrderCancelCmd),
    printable("clOrdId", "cl_ord_id"),
    order_exists("CXL-01"),
    gives_unused("CXL-02", OrderCancelCmd),
    names_current("CXL-02", OrderCancelCmd),
    *not_ended("CXL-03", OrderCancelCmd, "an open order is cancelled"),
    _nothing_pending("CXL-04", CancelState.PCXL, "cancel"),
    _nothing_pending("CXL-05", CancelState.PMOD, "replace"),
    rule(
        "CXL-05",
        "OMS-STATE-002",
        "orderId",
        lambda f: _replacing_below(f) is None,
        lambda f: f"{_named(_replacing_below(f))} below has a replace request pending; wait for its answer",
        scope="OrderCancelCmd",
        applies=found,
    ),
    rule(
        "CXL-06",
        "OMS-ORDER-006",
        "orderId",
        lambda f: f.order.order.leaves_qty is None or f.order.order.leaves_qty > 0,
        lambda f: f"{order_name(f)} has nothing left to cancel",
        scope="OrderCancelCmd",
        applies=lambda f: found(f) and order_state(f) in OPEN_STATES and not is_dissolved(f.order),
    ),
    rule(
        "CXL-07",
        "OMS-STATE-001",
        "orderId",
        lambda f: f.machine.is_valid_transition(State.NEW, State.CXL),
        lambda f: f"{order_name(f)} is NEW and not in the market; {_way_out(f)}",
        scope="OrderCancelCmd",
        applies=lambda f: found(f) and order_state(f) is State.NEW and not is_member(f.order),
    ),
    rule(
        "CXL-07",
        "OMS-STATE-001",
        "orderId",
        _can_be_answered,
        lambda f: f"{order_name(f)} is {order_state(f)} and none of its children is in the market; place one first",
        scope="OrderCancelCmd",
        applies=lambda f: found(f) and order_state(f) is State.UNACK,
    ),
    rule(
        "CXL-08",
        "OMS-STATE-002",
        "orderId",
        lambda f: not is_member(f.order),
        lambda f: f"{order_name(f)} is a member of group {f.order.order.group_order_id}; cancel the group",
        scope="OrderCancelCmd",
        applies=found,
    ),
    not_dissolved("OrderCancelCmd"),
)


def _named(state: OrderState | None) -> str:
    return f"order {state.order.order_id}" if state else ""


def _way_out(facts: CancelFacts) -> str:
    ended = ended_above(facts)
    if ended is not None:
        return f"{_named(ended)} above it is {ended.order.state}, so it is never sent and counts nothing; leave it"
    if facts.order.children:
        return "send OrderPlaceCmd to one of its children first"
    if facts.order.order.is_grouped_order:
        return "dissolve the group with OrderUngroupCmd"
    return "send OrderPlaceCmd first"


CANCEL_ACCEPT: tuple[Rule[Facts[OrderCancelAcceptCmd]], ...] = (
    *_from_market("LIF-01", OrderCancelAcceptCmd, State.CXL, never=State.NEW),
    rule(
        "LIF-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: _cancel_state(f) is CancelState.PCXL or bool(f.command.unsolicited),
        lambda f: f"{order_name(f)} has no cancel pending; send OrderCancelCmd first, or say unsolicited",
        scope="OrderCancelAcceptCmd",
        applies=lambda f: found(f) and f.machine.is_valid_transition(order_state(f), State.CXL),
    ),
)

CANCEL_REJECT: tuple[Rule[AnyFacts], ...] = (
    *about(OrderCancelRejectCmd),
    *acts_for_itself(OrderCancelRejectCmd.__name__),
    rule(
        "LIF-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: _cancel_state(f) is CancelState.PCXL,
        lambda f: f"{order_name(f)} has no cancel pending, so there is none to refuse",
        scope="OrderCancelRejectCmd",
        applies=lambda f: found(f) and not is_finished(f),
    ),
    rule(
        "PAR-17",
        "OMS-STATE-002",
        "orderId",
        lambda f: not f.order.order.auto_forward,
        lambda f: f"{order_name(f)} forwarded the cancel to its children; they are refused, and it follows",
        scope="OrderCancelRejectCmd",
        applies=lambda f: found(f) and bool(f.order.children),
    ),
)


def _expiry(facts: Facts[Any]) -> str:
    expiry = facts.state.order.expire_time if facts.state else None
    return instant_text(expiry) if expiry else ""


EXPIRE: tuple[Rule[AnyFacts], ...] = (
    *_towards("END-02", OrderExpireCmd, State.EXP),
    *acts_for_itself(OrderExpireCmd.__name__),
    rule(
        "PAR-18",
        "OMS-STATE-002",
        "orderId",
        lambda f: order_state(f) is State.LIVE and f.at_rest(f.order),
        lambda f: f"{order_name(f)} is {order_state(f)} with children at work or fills to hand on; expire them first",
        scope="OrderExpireCmd",
        applies=lambda f: found(f) and bool(f.order.children) and order_state(f) in WORKING_STATES,
    ),
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


_BY_THE_MARKET = (State.UNACK, State.LIVE, State.FILLED, State.REJ)
_BY_A_COMMAND = (*_BY_THE_MARKET, State.CXL, State.EXP)


def obstacles(order: Order, now: datetime) -> dict[State, str]:
    """States that the lifecycle allows next but this order's own facts forbid, each with the reason."""
    found: dict[State, str] = {}
    if order.place_qty:
        found |= dict.fromkeys(_BY_THE_MARKET, "its children get these commands, and it follows them (PAR-16)")
        if order.cancel_state is CancelState.PCXL:
            found[State.CXL] = "its children answer the cancel that is pending (PAR-05)"
    if order.cum_qty:
        found[State.REJ] = "the order has fills; an order with fills is cancelled, not rejected (END-01)"
    if order.time_in_force is TimeInForce.GOOD_TILL_CANCEL:
        found[State.EXP] = "the order is GOOD_TILL_CANCEL and does not expire (END-02)"
    good_till_date = order.time_in_force is TimeInForce.GOOD_TILL_DATE
    if good_till_date and order.expire_time is not None and order.expire_time > now:
        found[State.EXP] = f"the order is good till {instant_text(order.expire_time)} (END-02)"
    if order.pending_alloc_qty:
        found[State.CLOSED] = "the order has fills to hand on; approve the allocation first (END-03)"
    if order.is_grouped_order and not order.member_count:
        return dict.fromkeys(_BY_A_COMMAND, "the order is a group that was dissolved (GRP-08)")
    if order.group_order_id and not order.is_grouped_order:
        why = f"the order is a member of group {order.group_order_id} and follows it (GRP-09)"
        found |= dict.fromkeys(_BY_A_COMMAND, why)
    return found


CLOSE: tuple[Rule[AnyFacts], ...] = (
    *_towards("END-03", OrderCloseCmd, State.CLOSED),
    not_dissolved("OrderCloseCmd"),
    rule(
        "END-03",
        "OMS-STATE-002",
        "orderId",
        lambda f: not f.order.order.pending_alloc_qty,
        lambda f: f"{order_name(f)} has {f.order.order.pending_alloc_qty:f} to hand on; approve the allocation first",
        scope="OrderCloseCmd",
        applies=found,
    ),
    rule(
        "END-03",
        "OMS-STATE-002",
        "orderId",
        at_rest_below,
        lambda f: f"below {order_name(f)}, or in its group, orders still work or have fills to hand on; end them first",
        scope="OrderCloseCmd",
        applies=lambda f: found(f) and f.machine.is_valid_transition(order_state(f), State.CLOSED),
    ),
    rule(
        "END-03",
        "OMS-STATE-002",
        "orderId",
        lambda f: not f.order.children and not is_member(f.order) and not f.order.order.is_grouped_order,
        lambda f: f"{order_name(f)} is LIVE and does not stand alone; end it before it is closed",
        scope="OrderCloseCmd",
        applies=lambda f: found(f) and order_state(f) is State.LIVE,
    ),
)
