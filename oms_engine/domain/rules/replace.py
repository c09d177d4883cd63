"""What must hold before an order's terms are replaced, and before the answer to such a request is taken?"""

from decimal import Decimal
from typing import Any

from oms_engine.domain.commands import OrderReplaceAcceptCmd, OrderReplaceCmd, OrderReplaceRejectCmd
from oms_engine.domain.model import NewOrder, OrderState, ReplaceTerms
from oms_engine.domain.quantities import add, counted, subtract
from oms_engine.domain.rules import order
from oms_engine.domain.rules.envelope import AnyFacts, order_exists, printable
from oms_engine.domain.rules.facts import Facts, found, order_name, order_state, rule
from oms_engine.domain.rules.tree import PENDING, acts_for_itself, ended_above, is_dissolved, is_leaf, is_member
from oms_engine.domain.vocabulary import OPEN_STATES, WORKING_STATES, CancelState, State
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule

ReplaceFacts = Facts[OrderReplaceCmd]

FIXED_TERMS = (("symbol", "symbol"), ("side", "side"), ("account", "account"), ("ordType", "ord_type"))
"""Terms that a replace may repeat and must not change."""


def requested_terms(facts: ReplaceFacts) -> ReplaceTerms:
    """What the command asks to be other than it is."""
    return terms_asked(facts.command, facts.order)


def terms_asked(command: OrderReplaceCmd, state: OrderState) -> ReplaceTerms:
    """The replaceable values that a command names and that differ from those of the order."""
    asked = {name: getattr(command, name) for name in ReplaceTerms.model_fields}
    different = {n: value for n, value in asked.items() if value is not None and value != getattr(state.order, n)}
    return ReplaceTerms.model_construct(**different)


def candidate_of(command: OrderReplaceCmd, state: OrderState) -> NewOrder:
    """The order as it would be; the amount of a cash order is no term any more once its units are known."""
    terms = {name: getattr(state.order, name, None) for name in NewOrder.model_fields if name != "cum_qty"}
    asked = {name: getattr(command, name) for name in ReplaceTerms.model_fields}
    terms |= {name: value for name, value in asked.items() if value is not None}
    if state.order.order_qty is not None:
        terms["cash_order_qty"] = None
    return NewOrder.model_construct(**terms)


def stands_outside_groups(state: OrderState) -> bool:
    """Is the order neither a group nor a member of one?"""
    return not state.order.is_grouped_order and not is_member(state)


def _alone(facts: ReplaceFacts) -> bool:
    return found(facts) and stands_outside_groups(facts.order)


def _above(facts: ReplaceFacts) -> str:
    ended = ended_above(facts)
    return f"order {ended.order.order_id} above it is {ended.order.state}" if ended else ""


def _waiting_below(facts: ReplaceFacts) -> list[OrderState]:
    return [
        child
        for child in facts.children()
        if child.order.state in WORKING_STATES and child.order.cancel_state in PENDING
    ]


def _least(facts: ReplaceFacts) -> Decimal:
    """What the new quantity must hold: what is executed, or what is placed in the children."""
    order = facts.order.order
    return max(order.cum_qty, order.place_qty)


def _asked_qty(facts: ReplaceFacts) -> Decimal:
    return facts.command.order_qty or Decimal(0)


def _placed_above(facts: ReplaceFacts) -> Decimal:
    """What the parent would have placed with the new quantity of this child."""
    parent = facts.parent()
    assert parent is not None  # noqa: S101 - asked only of a child
    own = counted(facts.order, parent_ended=parent.order.state not in OPEN_STATES)
    return add(subtract(parent.order.place_qty, own), max(facts.order.quantity, _asked_qty(facts)))


def _fits_above(facts: ReplaceFacts) -> bool:
    parent = facts.parent()
    grows = _asked_qty(facts) > facts.order.quantity
    return parent is None or not grows or _placed_above(facts) <= parent.quantity


def _kept(field: str, name: str) -> Rule[ReplaceFacts]:
    return rule(
        "RPL-07",
        "OMS-VAL-001",
        field,
        lambda f: getattr(f.command, name) == getattr(f.order.order, name),
        lambda f: (
            f"{field} {shown(str(getattr(f.command, name)))} differs from that of {order_name(f)}, which is "
            f"{shown(str(getattr(f.order.order, name)))}; cancel the order and send another"
        ),
        scope="OrderReplaceCmd",
        applies=lambda f: (
            found(f)
            and getattr(f.command, name) is not None
            and getattr(f.order.order, name) is not None  # an account that was erased cannot be compared
        ),
    )


REPLACE: tuple[Rule[Any], ...] = (
    *order.names_order(OrderReplaceCmd),
    printable("clOrdId", "cl_ord_id"),
    order_exists("RPL-01"),
    order.names_current("RPL-02", OrderReplaceCmd),
    *order.not_ended("RPL-03", OrderReplaceCmd, "the terms of an open order are replaced"),
    rule(
        "PAR-15",
        "OMS-STATE-003",
        "orderId",
        lambda f: ended_above(f) is None,
        lambda f: f"{order_name(f)} is NEW and {_above(f)}, so it is never sent; create another under an open order",
        scope="OrderReplaceCmd",
        applies=lambda f: found(f) and order_state(f) is State.NEW,
    ),
    rule(
        "RPL-04",
        "OMS-STATE-002",
        "orderId",
        lambda f: f.order.order.cancel_state not in PENDING,
        lambda f: f"{order_name(f)} has a request pending ({f.order.order.cancel_state}); wait for its answer",
        scope="OrderReplaceCmd",
        applies=found,
    ),
    rule(
        "RPL-04",
        "OMS-STATE-002",
        "orderId",
        lambda f: not _waiting_below(f),
        lambda f: f"child {_waiting_below(f)[0].order.order_id} has a request pending; wait for its answer",
        scope="OrderReplaceCmd",
        applies=found,
    ),
    order.gives_unused("RPL-05", OrderReplaceCmd),
    rule(
        "RPL-06",
        "OMS-ORDER-004",
        "orderQty",
        lambda f: _asked_qty(f) >= _least(f),
        lambda f: (
            f"orderQty {_asked_qty(f):f} is less than the {_least(f):f} of {order_name(f)} that are executed or placed"
        ),
        scope="OrderReplaceCmd",
        applies=lambda f: found(f) and _asked_qty(f) > 0,
    ),
    rule(
        "RPL-06",
        "OMS-ORDER-004",
        "orderQty",
        _fits_above,
        lambda f: (
            f"with orderQty {_asked_qty(f):f} the parent would have {_placed_above(f):f} placed, more than it orders"
        ),
        scope="OrderReplaceCmd",
        applies=lambda f: found(f) and _asked_qty(f) > 0,
    ),
    *(_kept(field, name) for field, name in FIXED_TERMS),
    *order.TERMS,
    rule(
        "RPL-09",
        "OMS-VAL-001",
        "orderId",
        lambda f: requested_terms(f) != ReplaceTerms(),
        lambda f: f"nothing differs from what {order_name(f)} has; name a value that is to change",
        scope="OrderReplaceCmd",
        applies=_alone,
        inputs=tuple(str(field.alias) for field in ReplaceTerms.model_fields.values()),
    ),
    rule(
        "RPL-10",
        "OMS-STATE-002",
        "orderId",
        lambda f: stands_outside_groups(f.order),
        lambda f: (
            f"{order_name(f)} is a group that was dissolved; it takes no further command"
            if is_dissolved(f.order)
            else f"{order_name(f)} is a group or a member of one; dissolve the group, replace, and group again"
        ),
        scope="OrderReplaceCmd",
        applies=found,
    ),
)
"""The rules of a request; those of the resulting order are asked of the candidate (RPL-08), where there may be one."""


def _is_pending(command: str) -> Rule[AnyFacts]:
    return rule(
        "LIF-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: f.order.order.cancel_state is CancelState.PMOD,
        lambda f: f"{order_name(f)} has no replace pending, so there is none to answer",
        scope=command,
        applies=lambda f: found(f) and not order.is_finished(f),
    )


ACCEPT: tuple[Rule[AnyFacts], ...] = (
    *order.about(OrderReplaceAcceptCmd),
    *acts_for_itself("OrderReplaceAcceptCmd"),
    is_leaf("OrderReplaceAcceptCmd"),
    _is_pending("OrderReplaceAcceptCmd"),
    rule(
        "LIF-02",
        "OMS-STATE-002",
        "orderId",
        lambda f: order_state(f) is State.LIVE,
        lambda f: f"{order_name(f)} is {order_state(f)}; the market accepts a replace after it has accepted the order",
        scope="OrderReplaceAcceptCmd",
        applies=lambda f: found(f) and f.order.order.cancel_state is CancelState.PMOD,
    ),
)

REJECT: tuple[Rule[AnyFacts], ...] = (
    *order.about(OrderReplaceRejectCmd),
    *acts_for_itself("OrderReplaceRejectCmd"),
    is_leaf("OrderReplaceRejectCmd"),
    _is_pending("OrderReplaceRejectCmd"),
)
