"""What does an order's place in a tree or in a group forbid?"""

from decimal import Decimal
from typing import Any

from oms_engine.domain.model import NewOrder, OrderState
from oms_engine.domain.quantities import ZERO, add
from oms_engine.domain.rules.envelope import AnyFacts
from oms_engine.domain.rules.facts import Facts, found, on_order, order_name, rule
from oms_engine.domain.vocabulary import CancelState, State
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule

PENDING = frozenset({CancelState.PCXL, CancelState.PMOD})
"""What cancelState says while a request waits for its answer."""

MAX_DEPTH = 32
"""The most levels below a root: every level takes part in each change at the bottom, within one transaction."""


def not_dissolved(command: str) -> Rule[AnyFacts]:
    """A group that was dissolved takes no further command."""
    return rule(
        "GRP-08",
        "OMS-STATE-002",
        "orderId",
        lambda f: not is_dissolved(f.order),
        lambda f: f"{order_name(f)} is a group that was dissolved; it takes no further command",
        scope=command,
        applies=found,
    )


def acts_for_itself(command: str) -> tuple[Rule[AnyFacts], ...]:
    """A member acts through its group, a dissolved group not at all."""
    return (
        rule(
            "GRP-09",
            "OMS-STATE-002",
            "orderId",
            lambda f: not is_member(f.order),
            lambda f: (
                f"{order_name(f)} is a member of group {f.order.order.group_order_id}; "
                "send the command to the group, or dissolve it first"
            ),
            scope=command,
            applies=found,
        ),
        not_dissolved(command),
    )


def is_member(state: OrderState) -> bool:
    """Is the order inside a group?"""
    return state.order.group_order_id is not None and not state.order.is_grouped_order


def is_dissolved(state: OrderState) -> bool:
    """Was the order a group that has no members any more?"""
    return state.order.is_grouped_order and not state.members


def is_leaf(command: str) -> Rule[AnyFacts]:
    """What the market answers goes to the orders that are in the market."""
    return rule(
        "PAR-16",
        "OMS-STATE-002",
        "orderId",
        lambda f: not f.order.children,
        lambda f: f"{order_name(f)} has {len(f.order.children)} children; send {command} to them, and it follows",
        scope=command,
        applies=found,
    )


def ended_above(facts: Facts[Any]) -> OrderState | None:
    """The nearest order above that has ended; what is NEW below it is never sent any more."""
    return next((order for order in facts.above() if order.has_ended), None)


def _waiting_above(facts: Facts[Any]) -> OrderState | None:
    return next((order for order in facts.above() if order.order.cancel_state in PENDING), None)


def _name(order: OrderState | None) -> str:
    return f"order {order.order.order_id}" if order else ""


def _state(order: OrderState | None) -> str:
    return order.order.state if order else ""


ABOVE_IS_OPEN: tuple[Rule[AnyFacts], ...] = (
    rule(
        "PAR-15",
        "OMS-STATE-003",
        "orderId",
        lambda f: ended_above(f) is None,
        lambda f: (
            f"{_name(ended_above(f))} above {order_name(f)} is {_state(ended_above(f))}; "
            "nothing below it is placed any more"
        ),
        scope="OrderPlaceCmd",
        applies=found,
    ),
    rule(
        "LIF-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: _waiting_above(f) is None,
        lambda f: f"{_name(_waiting_above(f))} above {order_name(f)} waits for an answer; place the order after it",
        scope="OrderPlaceCmd",
        applies=found,
    ),
)


def _parent(facts: Facts[Any]) -> OrderState:
    parent = facts.parent()
    assert parent is not None  # noqa: S101 - asked only where the parent was found
    return parent


def _has_parent(_: NewOrder, facts: Facts[Any]) -> bool:
    return facts.state is None and facts.parent() is not None


def _level(facts: Facts[Any]) -> int:
    """How many levels below its root the child would stand."""
    return sum(1 for _ in facts.above())


def _would_place(order: NewOrder, facts: Facts[Any]) -> Decimal:
    return add(_parent(facts).order.place_qty, order.order_qty or ZERO)


CHILD: tuple[Rule[Facts[Any]], ...] = (
    on_order(
        "ORD-20",
        "OMS-ORDER-001",
        "parentOrderId",
        lambda _, f: f.parent() is not None,
        lambda o, _: f"parent {shown(o.parent_order_id)} does not exist; search_orders finds its orderId",
        applies=lambda o, f: f.state is None and o.parent_order_id is not None,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-STATE-003",
        "parentOrderId",
        lambda _, f: ended_above(f) is None,
        lambda _, f: f"{_name(ended_above(f))} is {_state(ended_above(f))}; only an open order takes children",
        applies=_has_parent,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-STATE-002",
        "parentOrderId",
        lambda _, f: not _parent(f).executions,
        lambda _, f: f"{_name(_parent(f))} has executions of its own; an order that trades itself takes no children",
        applies=_has_parent,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-STATE-002",
        "parentOrderId",
        lambda _, f: _waiting_above(f) is None,
        lambda _, f: f"{_name(_waiting_above(f))} waits for the answer to a request; create the child after it",
        applies=_has_parent,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-STATE-002",
        "parentOrderId",
        lambda _, f: not is_member(_parent(f)) and not is_dissolved(_parent(f)),
        lambda _, f: (
            f"{_name(_parent(f))} is a member of a group or a dissolved group; a group's children stand below the group"
        ),
        applies=_has_parent,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-VAL-005",
        "parentOrderId",
        lambda _, f: _level(f) <= MAX_DEPTH,
        lambda _, f: (
            f"a child of {_name(_parent(f))} would stand {_level(f)} levels below its root, and a tree has at most "
            f"{MAX_DEPTH}; place it below an order that stands higher"
        ),
        applies=_has_parent,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-VAL-001",
        "symbol",
        lambda o, f: o.symbol == _parent(f).order.symbol,
        lambda o, f: f"symbol {shown(o.symbol)} is not that of the parent, {shown(_parent(f).order.symbol)}",
        applies=lambda o, f: _has_parent(o, f) and o.symbol is not None,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-VAL-001",
        "side",
        lambda o, f: o.side is _parent(f).order.side,
        lambda o, f: f"side {o.side} is not that of the parent, {_parent(f).order.side}",
        applies=lambda o, f: _has_parent(o, f) and o.side is not None,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-VAL-001",
        "cashOrderQty",
        lambda o, _: o.cash_order_qty is None,
        lambda *_: "a child is ordered in units; give orderQty instead of cashOrderQty",
        applies=_has_parent,
        needs="parent_order_id",
    ),
    on_order(
        "ORD-20",
        "OMS-ORDER-004",
        "orderQty",
        lambda o, f: _would_place(o, f) <= _parent(f).quantity,
        lambda o, f: (
            f"{_name(_parent(f))} has {_parent(f).order.place_qty:f} of {_parent(f).quantity:f} placed; "
            f"with {o.order_qty or ZERO:f} more it would be {_would_place(o, f):f}"
        ),
        applies=lambda o, f: _has_parent(o, f) and o.order_qty is not None,
        needs="parent_order_id",
    ),
)
"""What a new child finds above it."""


def at_rest_below(facts: Facts[Any]) -> bool:
    """Is nothing of the order in the market, and nothing below it, or for its members, still to come?"""
    group_id = facts.order.order.group_order_id
    source = facts.around.order(group_id) if group_id and is_member(facts.order) else None
    waits_for_group = source is not None and (
        source.order.state in {State.UNACK, State.LIVE}
        or bool(source.order.pending_alloc_qty)
        or not facts.at_rest(source)
    )
    done = facts.order.order.state is State.FILLED
    return facts.at_rest(facts.order) and (done or not waits_for_group)
