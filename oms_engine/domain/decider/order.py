"""What does a command decide? One function per command; it is asked only when every rule of the command holds."""

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from oms_engine.domain.commands import (
    Command,
    ExecutionBustCmd,
    ExecutionCreateCmd,
    ExecutionWhackCmd,
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
from oms_engine.domain.events import (
    Event,
    ExecutionBusted,
    ExecutionCreated,
    ExecutionWhacked,
    OrderAccepted,
    OrderCancelled,
    OrderCancelRejected,
    OrderCancelRequested,
    OrderClosed,
    OrderCreated,
    OrderExpired,
    OrderFilled,
    OrderPlaced,
    OrderRejected,
    OrderReopened,
)
from oms_engine.domain.model import Execution, ExecutionReport, NewOrder, Order
from oms_engine.domain.quantities import add, average, notional, subtract
from oms_engine.domain.rules.assets import classify
from oms_engine.domain.rules.execution import approver, granted_level, requester
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.vocabulary import (
    CancelState,
    CxlRejReason,
    HandlInst,
    Leg,
    OrdRejReason,
    Origin,
    Role,
    State,
    TimeInForce,
)

NewId = Callable[[str], str]
"""Makes an id with the given prefix."""

_TERMS = tuple(name for name in NewOrder.model_fields if name not in {"cum_qty", "order_id"})


def decide(facts: Facts[Any], new_id: NewId) -> list[Event]:
    """The events of a command whose rules all hold."""
    return _DECISIONS[type(facts.command)](facts, new_id)


def terms_of(order: NewOrder) -> dict[str, Any]:
    """The terms of a new order with the defaults written out; equal orders have equal terms, however they were sent."""
    terms = {name: getattr(order, name) for name in _TERMS}
    terms["time_in_force"] = order.time_in_force or TimeInForce.DAY
    terms["handl_inst"] = order.handl_inst or HandlInst.AUTO
    terms["asset_class"] = classify(order)
    return terms


def terms_hash(order: NewOrder | OrderCreated) -> str:
    """A hash that is equal for equal orders, as asked for or as created, whenever sent and whatever their id."""
    terms = terms_of(order) if isinstance(order, NewOrder) else {name: getattr(order, name) for name in _TERMS}
    compared = {name: terms[name] for name in _TERMS if name not in {"sending_time", "transact_time"}}
    return hashlib.sha256(NewOrder.model_construct(**compared).model_dump_json(exclude_none=True).encode()).hexdigest()


def _create(facts: Facts[OrderCreateCmd], new_id: NewId) -> list[Event]:
    order = facts.command.order or NewOrder()
    order_id = order.order_id or new_id("ORD")
    terms = terms_of(order)
    terms["sending_time"] = order.sending_time or facts.now
    created = OrderCreated.model_construct(
        **terms,
        order_id=order_id,
        session_id=facts.session_id,
        root_order_id=order_id,
        leg=Leg.CLI,
        role=Role.CLIENT,
    )
    if facts.settings.routing == "auto" and created.handl_inst is HandlInst.AUTO:
        facts.machine.require(State.NEW, State.UNACK)
        return [created, OrderPlaced(routing="auto", ex_destination=order.ex_destination)]
    return [created]


def _place(facts: Facts[OrderPlaceCmd], _: NewId) -> list[Event]:
    return [OrderPlaced(routing="manual", ex_destination=facts.command.ex_destination)]


def _accept(_facts: Facts[OrderAcceptCmd], _: NewId) -> list[Event]:
    return [OrderAccepted()]


def _reject(facts: Facts[OrderRejectCmd], _: NewId) -> list[Event]:
    reason = facts.command.ord_rej_reason or OrdRejReason.OTHER
    return [OrderRejected(ord_rej_reason=reason, text=facts.command.text), *_resolved(facts)]


def _cancel(facts: Facts[OrderCancelCmd], _: NewId) -> list[Event]:
    request = OrderCancelRequested(
        cl_ord_id=facts.command.cl_ord_id,
        session_id=facts.session_id if facts.command.cl_ord_id else None,
        text=facts.command.text,
        origin=Origin.CLIENT,
    )
    return [request]


def _cancel_accept(facts: Facts[OrderCancelAcceptCmd], _: NewId) -> list[Event]:
    order = _order(facts)
    asked = order.cancel_state is CancelState.PCXL
    return [OrderCancelled(cancelled_qty=order.leaves_qty, unsolicited=not asked, text=facts.command.text)]


def _cancel_reject(facts: Facts[OrderCancelRejectCmd], _: NewId) -> list[Event]:
    reason = facts.command.cxl_rej_reason or CxlRejReason.OTHER
    return [OrderCancelRejected(cxl_rej_reason=reason, text=facts.command.text)]


def _expire(facts: Facts[OrderExpireCmd], _: NewId) -> list[Event]:
    return [OrderExpired(tif_timestamp=facts.now, expired_qty=_order(facts).leaves_qty), *_resolved(facts)]


def _close(facts: Facts[OrderCloseCmd], _: NewId) -> list[Event]:
    return [OrderClosed(reason=facts.command.reason)]


def _fill(facts: Facts[ExecutionCreateCmd], _: NewId) -> list[Event]:
    state = facts.state
    fill = facts.command.execution
    assert state is not None  # noqa: S101 - EX-01 holds
    assert fill is not None  # noqa: S101 - EX-01 holds
    assert fill.last_qty is not None  # noqa: S101 - EX-03 holds
    assert fill.last_px is not None  # noqa: S101 - EX-03 holds
    cum_qty = add(state.order.cum_qty, fill.last_qty)
    leaves_qty = subtract(state.order.order_qty, cum_qty)
    avg_px = average(add(state.notional, notional(fill.last_qty, fill.last_px)), cum_qty)
    given = {name: getattr(fill, name) for name in ExecutionReport.model_fields}
    given["exec_type"] = fill.exec_type or "F"
    given["transact_time"] = fill.transact_time or facts.now
    created = ExecutionCreated.model_construct(**given, cum_qty=cum_qty, leaves_qty=leaves_qty, avg_px=avg_px)
    if leaves_qty:
        return [created]
    facts.machine.require(state.order.state, State.FILLED)
    return [created, OrderFilled(cum_qty=cum_qty, avg_px=avg_px, exec_id=fill.exec_id), *_resolved(facts)]


def _whack(facts: Facts[ExecutionWhackCmd], _: NewId) -> list[Event]:
    execution = _execution(facts)
    whacked = ExecutionWhacked(
        exec_id=execution.exec_id,
        quantity=execution.last_qty,
        reason=facts.command.reason,
        requested_by=requester(facts),
        approved_by=approver(facts),
        approval_level=granted_level(facts),
    )
    return [whacked, *_reopened(facts, "WHACK", execution)]


def _bust(facts: Facts[ExecutionBustCmd], _: NewId) -> list[Event]:
    execution = _execution(facts)
    busted = ExecutionBusted(
        exec_id=execution.exec_id,
        quantity=execution.last_qty,
        reason=facts.command.reason,
        requested_by=facts.command.requested_by,
    )
    return [busted, *_reopened(facts, "BUST", execution)]


def _order(facts: Facts[Any]) -> Order:
    assert facts.state is not None  # noqa: S101 - the rules of the command hold, so its order was found
    return facts.state.order


def _execution(facts: Facts[Any]) -> Execution:
    assert facts.state is not None  # noqa: S101 - WHK-03 holds
    return facts.state.executions[facts.command.exec_id]


def _resolved(facts: Facts[Any]) -> list[Event]:
    """A cancel request that is pending when the order ends another way is refused: too late."""
    if _order(facts).cancel_state is CancelState.PCXL:
        return [OrderCancelRejected(cxl_rej_reason=CxlRejReason.TOO_LATE)]
    return []


def _reopened(facts: Facts[Any], reason: str, execution: Execution) -> list[Event]:
    """A filled order that gives quantity back works again."""
    order = _order(facts)
    if order.state is State.FILLED and execution.last_qty > Decimal(0):
        return [OrderReopened(reason=reason, exec_id=execution.exec_id)]
    return []


_DECISIONS: Mapping[type[Command], Callable[[Facts[Any], NewId], list[Event]]] = {
    OrderCreateCmd: _create,
    OrderPlaceCmd: _place,
    OrderAcceptCmd: _accept,
    OrderRejectCmd: _reject,
    OrderCancelCmd: _cancel,
    OrderCancelAcceptCmd: _cancel_accept,
    OrderCancelRejectCmd: _cancel_reject,
    OrderExpireCmd: _expire,
    OrderCloseCmd: _close,
    ExecutionCreateCmd: _fill,
    ExecutionWhackCmd: _whack,
    ExecutionBustCmd: _bust,
}
