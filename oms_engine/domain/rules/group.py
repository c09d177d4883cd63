"""What must hold before orders are grouped or ungrouped, and before pending quantity is handed on?"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from oms_engine.domain.commands import AllocationApproveCmd, AllocationRejectCmd, OrderGroupCmd, OrderUngroupCmd
from oms_engine.domain.model import Order, OrderState
from oms_engine.domain.quantities import ZERO, add, open_quantity
from oms_engine.domain.rules.envelope import (
    ID_FORM,
    MAX_CL_ORD_ID,
    folded,
    order_exists,
    readable,
    required,
    texts_and_numbers_fit,
)
from oms_engine.domain.rules.facts import Facts, found, order_name, order_state, rule
from oms_engine.domain.vocabulary import State
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule

GroupFacts = Facts[OrderGroupCmd]
DecisionFacts = Facts[AllocationApproveCmd] | Facts[AllocationRejectCmd]

_MOST_SHOWN = 5

AGREED = (
    "symbol",
    "security_id",
    "security_id_source",
    "security_type",
    "asset_class",
    "security_exchange",
    "maturity_month_year",
    "maturity_date",
    "strike_price",
    "put_or_call",
    "underlying_security_type",
    "settl_currency",
    "settl_type",
    "settl_date",
    "side",
    "ord_type",
    "price",
    "price_type",
    "stop_px",
    "time_in_force",
    "expire_time",
)
"""What the members of a group must have in common: the instrument, and the terms on which it is traded."""


def named_members(facts: GroupFacts) -> tuple[str, ...]:
    """The ids that the command names, where their number is possible."""
    names = facts.command.member_order_ids or ()
    return names if len(names) <= facts.settings.max_members else ()


def members_of(facts: GroupFacts) -> list[OrderState]:
    """The members that exist."""
    states = (facts.around.order(name) for name in dict.fromkeys(named_members(facts)) if ID_FORM.fullmatch(name))
    return [state for state in states if state is not None]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(shown(name) for name in names[:_MOST_SHOWN]) + more


def _missing(facts: GroupFacts) -> list[str]:
    known = {state.order.order_id for state in members_of(facts)}
    return [name for name in named_members(facts) if name not in known]


def _disagreed(facts: GroupFacts) -> list[str]:
    orders = [state.order for state in members_of(facts)]
    names = [name for name in AGREED if len({getattr(order, name) for order in orders}) > 1]
    return [str(Order.model_fields[name].alias) for name in names]


def _not_new(facts: GroupFacts) -> list[str]:
    return [s.order.order_id for s in members_of(facts) if s.order.state is not State.NEW]


def _not_alone(facts: GroupFacts) -> list[str]:
    return [
        s.order.order_id
        for s in members_of(facts)
        if s.order.group_order_id
        or s.order.parent_order_id
        or s.children
        or s.order.is_grouped_order
        or s.order.pending_replace is not None
    ]


def _unknown_quantity(facts: GroupFacts) -> list[str]:
    return [s.order.order_id for s in members_of(facts) if s.order.order_qty is None]


def _accounts(facts: GroupFacts) -> set[str | None]:
    return {s.order.account for s in members_of(facts)}


def _is_approved(facts: GroupFacts) -> bool:
    first = folded(facts.command.grouped_by or facts.actor)
    second = folded(facts.command.approved_by or "")
    return bool(second) and first != second


GROUP: tuple[Rule[GroupFacts], ...] = (
    *texts_and_numbers_fit(OrderGroupCmd),
    readable("groupedBy", "grouped_by"),
    readable("approvedBy", "approved_by"),
    rule(
        "GRP-01",
        "OMS-VAL-005",
        "memberOrderIds",
        lambda f: 2 <= len(f.command.member_order_ids or ()) <= f.settings.max_members,  # noqa: PLR2004 - one is no group
        lambda f: (
            f"memberOrderIds has {len(f.command.member_order_ids or ())} orders; "
            f"a group takes 2 to {f.settings.max_members}"
        ),
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-01",
        "OMS-VAL-005",
        "memberOrderIds",
        lambda f: len(set(named_members(f))) == len(named_members(f)),
        lambda f: f"memberOrderIds names {shown(_twice(f))} twice; name every member once",
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-02",
        "OMS-ORDER-001",
        "memberOrderIds",
        lambda f: not _missing(f),
        lambda f: f"members {_listed(_missing(f))} do not exist; search_orders finds their orderIds",
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-03",
        "OMS-VAL-001",
        "memberOrderIds",
        lambda f: not _disagreed(f),
        lambda f: f"the members differ in {', '.join(_disagreed(f))}; group orders that ask for the same",
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-03",
        "OMS-VAL-001",
        "memberOrderIds",
        lambda f: not _unknown_quantity(f),
        lambda f: f"members {_listed(_unknown_quantity(f))} are cash orders; a group is ordered in units",
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-04",
        "OMS-STATE-002",
        "memberOrderIds",
        lambda f: not _not_new(f),
        lambda f: f"members {_listed(_not_new(f))} are not NEW; only orders that were never sent are grouped",
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-05",
        "OMS-STATE-002",
        "memberOrderIds",
        lambda f: not _not_alone(f),
        lambda f: (
            f"members {_listed(_not_alone(f))} are grouped, groups, children, parents or wait for an answer; "
            "group orders that stand alone"
        ),
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-06",
        "OMS-AUTH-001",
        "approvedBy",
        _is_approved,
        lambda f: (
            f"the members belong to {len(_accounts(f))} accounts; the setting grouping.crossAccount asks for "
            "approvedBy, a person other than groupedBy"
        ),
        scope="OrderGroupCmd",
        applies=lambda f: f.settings.cross_account == "approve" and len(_accounts(f)) > 1,
        inputs=("approvedBy", "groupedBy"),
    ),
    rule(
        "GRP-07",
        "OMS-DATA-001",
        "groupOrderId",
        lambda f: not f.id_used,
        lambda f: f"groupOrderId {shown(f.command.group_order_id)} exists already; use a new one or leave it out",
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-07",
        "OMS-DATA-001",
        "groupOrderId",
        lambda f: f.used_by is None,
        lambda f: (
            f"groupOrderId {shown(f.command.group_order_id)} is a clOrdId of this session; it becomes the clOrdId of "
            "the group, so use a new one"
        ),
        scope="OrderGroupCmd",
    ),
    rule(
        "GRP-07",
        "OMS-VAL-004",
        "groupOrderId",
        lambda f: (
            bool(ID_FORM.fullmatch(f.command.group_order_id or ""))
            and len(f.command.group_order_id or "") <= MAX_CL_ORD_ID
        ),
        lambda f: (
            f"groupOrderId {shown(f.command.group_order_id)} is malformed; "
            f"use 1 to {MAX_CL_ORD_ID} of A-Z a-z 0-9 . _ -"
        ),
        scope="OrderGroupCmd",
        applies=lambda f: f.command.group_order_id is not None,
    ),
)


def _twice(facts: GroupFacts) -> str:
    names = list(named_members(facts))
    return next((name for name in names if names.count(name) > 1), "")


UNGROUP: tuple[Rule[Facts[OrderUngroupCmd]], ...] = (
    required("groupOrderId", "group_order_id", "name the group"),
    *texts_and_numbers_fit(OrderUngroupCmd),
    rule(
        "GRP-08",
        "OMS-ORDER-001",
        "groupOrderId",
        found,
        lambda f: (
            f"order {shown(f.command.group_order_id)} does not exist; "
            "search_orders with isGroupedOrder=true finds groups"
        ),
        scope="OrderUngroupCmd",
        applies=lambda f: bool(f.command.group_order_id),
    ),
    rule(
        "GRP-08",
        "OMS-STATE-002",
        "groupOrderId",
        lambda f: f.order.order.is_grouped_order and bool(f.order.members),
        lambda f: f"{order_name(f)} is no group with members, so there is nothing to dissolve",
        scope="OrderUngroupCmd",
        applies=found,
    ),
    rule(
        "GRP-08",
        "OMS-STATE-002",
        "groupOrderId",
        lambda f: order_state(f) is State.NEW and not f.order.order.place_qty,
        lambda f: (
            f"{order_name(f)} is {order_state(f)} with placeQty {f.order.order.place_qty:f}; "
            f"only a NEW group without anything placed is dissolved, so {_instead(f)}"
        ),
        scope="OrderUngroupCmd",
        applies=lambda f: found(f) and bool(f.order.members),
    ),
)


def _instead(facts: Facts[OrderUngroupCmd]) -> str:
    unsent = order_state(facts) is State.NEW and not facts.machine.is_valid_transition(State.NEW, State.CXL)
    return "send OrderPlaceCmd to one of its children and cancel the group then" if unsent else "cancel it"


def _asked(facts: DecisionFacts) -> Decimal | None:
    return facts.command.quantity


def _manual(facts: DecisionFacts) -> bool:
    return found(facts) and facts.order.has_receiver and not facts.order.order.auto_allocation


def _pending(facts: Facts[Any]) -> Decimal:
    return facts.order.order.pending_alloc_qty


def room_of(receivers: Iterable[OrderState]) -> Decimal:
    """What orders may still get: what they have open, and nothing for those that are CLOSED."""
    room = ZERO
    for state in receivers:
        if state.order.state is not State.CLOSED:
            room = add(room, open_quantity(state))
    return room


def _settled(facts: Facts[Any]) -> list[str]:
    return [s.order.order_id for s in facts.receivers() if s.order.state is State.CLOSED and open_quantity(s)]


def _decision(command: type[AllocationApproveCmd] | type[AllocationRejectCmd]) -> tuple[Rule[DecisionFacts], ...]:
    scope = command.__name__
    return (
        required("orderId", "order_id", "name the order whose fills are pending"),
        *texts_and_numbers_fit(command),
        order_exists("ALC-01"),
        rule(
            "ALC-01",
            "OMS-STATE-002",
            "orderId",
            lambda f: f.order.has_receiver,
            lambda f: f"{order_name(f)} has neither a parent nor members; what it executes is its own",
            scope=scope,
            applies=found,
        ),
        rule(
            "ALC-02",
            "OMS-STATE-002",
            "orderId",
            lambda f: not f.order.order.auto_allocation,
            lambda f: f"{order_name(f)} allocates by itself (autoAllocation true); there is nothing to decide",
            scope=scope,
            applies=lambda f: found(f) and f.order.has_receiver,
        ),
        rule(
            "ALC-03",
            "OMS-VAL-005",
            "quantity",
            lambda f: (_asked(f) or ZERO) > 0,
            lambda f: f"quantity is {_asked(f) or ZERO:f}; give a quantity above 0",
            scope=scope,
            applies=lambda f: _asked(f) is not None,
        ),
        rule(
            "ALC-03",
            "OMS-ORDER-004",
            "quantity",
            lambda f: 0 < (_asked(f) or _pending(f)) <= _pending(f),
            lambda f: (
                f"quantity {_asked(f) or ZERO:f} is more than the {_pending(f):f} that {order_name(f)} has pending"
                if _pending(f)
                else f"{order_name(f)} has nothing pending; fills come first"
            ),
            scope=scope,
            applies=lambda f: _manual(f) and (_asked(f) is None or (_asked(f) or ZERO) > 0),
        ),
        rule(
            "ALC-04",
            "OMS-STATE-003",
            "orderId",
            lambda f: (_asked(f) or _pending(f)) <= room_of(f.receivers()),
            lambda f: (
                f"{order_name(f)} would hand on {_asked(f) or _pending(f):f}, but {_listed(_settled(f))} must stay as "
                f"closed and the others have room for {room_of(f.receivers()):f}; approve no more than that"
            ),
            scope=scope,
            applies=lambda f: found(f) and bool(_settled(f)),
        ),
    )


APPROVE: tuple[Rule[DecisionFacts], ...] = (*_decision(AllocationApproveCmd), readable("approvedBy", "approved_by"))
REJECT: tuple[Rule[DecisionFacts], ...] = _decision(AllocationRejectCmd)
