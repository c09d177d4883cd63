"""How do engine and venue understand each other? Events become requests to the venue, its reports become commands."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from oms_engine.domain.commands import (
    Command,
    ExecutionBustCmd,
    ExecutionCreateCmd,
    OrderAcceptCmd,
    OrderCancelAcceptCmd,
    OrderCancelRejectCmd,
    OrderExpireCmd,
    OrderRejectCmd,
    OrderReplaceAcceptCmd,
    OrderReplaceRejectCmd,
)
from oms_engine.domain.events import stream_of
from oms_engine.domain.model import ExecutionReport, Order
from oms_engine.domain.vocabulary import CancelState
from oms_engine.results import Outcome
from oms_engine.simulation.market.envelopes import Envelopes
from oms_engine.simulation.market.messages import (
    Accepted,
    Busted,
    Cancelled,
    CancelRejected,
    CancelRequest,
    Expired,
    Filled,
    NewOrderSingle,
    Rejected,
    Replaced,
    ReplaceRejected,
    ReplaceRequest,
    Report,
    Request,
)

ACTOR = "venue"
"""Session of every command that comes from the venue."""

COMMANDS: Mapping[type[Report], type[Command]] = {
    Accepted: OrderAcceptCmd,
    Rejected: OrderRejectCmd,
    Filled: ExecutionCreateCmd,
    Busted: ExecutionBustCmd,
    Cancelled: OrderCancelAcceptCmd,
    CancelRejected: OrderCancelRejectCmd,
    Replaced: OrderReplaceAcceptCmd,
    ReplaceRejected: OrderReplaceRejectCmd,
    Expired: OrderExpireCmd,
}
"""Report of the venue -> the command that books it."""


class Gateway:
    """Translates between an engine and a venue; it holds neither of them.

    Args:
        opening: The moment from which the venue counts its microseconds.
        envelopes: Where the envelopes of commands come from.
    """

    def __init__(self, opening: datetime, envelopes: Envelopes) -> None:
        self._opening = opening
        self._envelopes = envelopes
        self._parents: set[str] = set()
        self._busts: dict[str, int] = {}

    def requests(self, outcome: Outcome) -> Iterator[Request]:
        """What the venue must be told of what a command did: of orders that it works itself, and of nothing else."""
        result = outcome.result
        if result.duplicate or not result.events:
            return
        orders = _orders(outcome)
        self._parents.update(order.parent_order_id for order in orders.values() if order.parent_order_id)
        for event in result.events:
            order = orders.get(event.stream_id)
            if order is None or order.order_id in self._parents or _follows_group(order):
                continue
            if (request := self._request(event.type, order)) is not None:
                yield request

    def command(self, report: Report) -> Command:
        """The command that books a report."""
        return COMMANDS[type(report)].of(**self._envelopes.of(ACTOR), **self._fields(report))

    def _fields(self, report: Report) -> dict[str, Any]:
        """What the command of a report says beside its envelope."""
        named = {"order_id": report.order_id}
        match report:
            case Filled():
                return {"execution": self._execution(report)}
            case Busted():
                self._busts[report.order_id] = self._busts.get(report.order_id, 0) + 1
                return {**named, "exec_id": report.exec_id, "reason": report.text}
            case Rejected():
                return {**named, "ord_rej_reason": report.reason, "text": report.text}
            case CancelRejected() | ReplaceRejected():
                return {**named, "cxl_rej_reason": report.reason, "text": report.text}
            case Cancelled(unsolicited=True):
                return {**named, "unsolicited": True, "text": report.text}
            case _:
                return named

    def _execution(self, report: Filled) -> ExecutionReport:
        return ExecutionReport.of(
            exec_id=report.exec_id,
            order_id=report.order_id,
            last_qty=report.last_qty,
            last_px=report.last_px,
            transact_time=self._opening + timedelta(microseconds=report.at),
        )

    def _request(self, event: str, order: Order) -> Request | None:
        match event:
            case "OrderPlaced":
                return _new_order(order)
            case "OrderCancelRequested" if order.cancel_state is CancelState.PCXL:
                return CancelRequest(order.order_id, order.cl_ord_id, self._busts.get(order.order_id, 0))
            case "OrderReplaceRequested" if order.cancel_state is CancelState.PMOD:
                return self._replace(order)
            case _:
                return None

    def _replace(self, order: Order) -> ReplaceRequest:
        asked = order.pending_replace
        assert asked is not None  # noqa: S101 - an order with PMOD has it (domain 2.3)
        assert order.order_qty is not None  # noqa: S101 - only a cash order has none, and no venue takes one
        return ReplaceRequest(
            order.order_id,
            order.cl_ord_id,
            order.orig_cl_ord_id or order.cl_ord_id,
            asked.order_qty or order.order_qty,
            order.price if asked.price is None else asked.price,
            order.stop_px if asked.stop_px is None else asked.stop_px,
            asked.time_in_force or order.time_in_force,
            self._busts.get(order.order_id, 0),
        )


def _orders(outcome: Outcome) -> dict[str, Order]:
    """The orders that a command changed, as they are now, by the stream of their events."""
    orders = {stream_of(moved.after.order_id): moved.after for moved in outcome.others}
    if isinstance(outcome.after, Order):
        orders[stream_of(outcome.after.order_id)] = outcome.after
    return orders


def _follows_group(order: Order) -> bool:
    """A member is worked through its group."""
    return order.group_order_id is not None and not order.is_grouped_order


def _new_order(order: Order) -> NewOrderSingle:
    assert order.order_qty is not None  # noqa: S101 - only a cash order has none, and no venue takes one
    return NewOrderSingle(
        order.order_id,
        order.cl_ord_id,
        order.symbol,
        order.side,
        order.ord_type,
        order.order_qty,
        order.price,
        order.stop_px,
        order.time_in_force,
    )
