"""How do the tests build trees and groups, and how do they say where an order stands?"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import count
from typing import Any

from oms_engine import CommandResult, Problem
from oms_engine.domain.model import Allocation
from oms_engine.record import plain
from tests.oms_engine.desk import Desk

READ_MODEL = ("client_order_ids", "orders", "executions", "allocations")


def client(desk: Desk, quantity: str = "1000", **order: object) -> str:
    """A client order that is NEW: the desk places it through its children."""
    return desk.given("NEW", **({"orderQty": quantity} | order))


def child(desk: Desk, parent: str, quantity: str, state: str = "LIVE", **order: object) -> str:
    """An order below another one, in this state; LIVE unless told otherwise."""
    return desk.given(state, parentOrderId=parent, orderQty=quantity, **order)


def tree(desk: Desk, quantity: str, *children: str, **order: object) -> list[str]:
    """A client order and its LIVE children of these quantities."""
    root = client(desk, quantity)
    return [root, *(child(desk, root, each, **order) for each in children)]


def members(desk: Desk, *quantities: str, **order: object) -> list[str]:
    """Client orders that can be grouped, m1, m2 and so on."""
    first = next(number for number in count(1) if desk.engine.get(f"m{number}") is None)
    return [client(desk, each, orderId=f"m{first + index}", **order) for index, each in enumerate(quantities)]


def group(desk: Desk, *quantities: str, **fields: object) -> str:
    """A NEW group g of fresh members m1, m2 and so on."""
    names = members(desk, *quantities)
    return desk.ok("OrderGroupCmd", **({"memberOrderIds": names, "groupOrderId": "g"} | fields)).id


def live_group(desk: Desk, *quantities: str, **fields: object) -> str:
    """A LIVE group g that executes itself."""
    group_id = group(desk, *quantities, **fields)
    desk.ok("OrderPlaceCmd", orderId=group_id)
    desk.accept(group_id)
    return group_id


def book(desk: Desk, order_id: str) -> str:
    """State, cumQty and leavesQty of an order, such as `LIVE 300/700`."""
    order = desk.order(order_id)
    return f"{order.state} {plain(order.cum_qty)}/{plain(order.leaves_qty or Decimal(0))}"


def handed(desk: Desk, order_id: str) -> str:
    """What an order handed on and what is pending, such as `PENDING_ALLOC 600+200`."""
    order = desk.order(order_id)
    return f"{order.alloc_state} {plain(order.alloc_qty)}+{plain(order.pending_alloc_qty)}"


def got(desk: Desk, *order_ids: str) -> str:
    """The cumQty of several orders, such as `4 2 1`."""
    return " ".join(plain(desk.order(order_id).cum_qty) for order_id in order_ids)


def shares(desk: Desk, *order_ids: str) -> str:
    """What several orders have, with their averages, such as `1000@149.95 1500@149.95`."""
    orders = [desk.order(order_id) for order_id in order_ids]
    return " ".join(f"{plain(order.cum_qty)}@{plain(order.avg_px)}" for order in orders)


def written(result: CommandResult) -> list[str]:
    """The events of a command with their orders, in write order: `o2 OrderAccepted`."""
    return [f"{event.stream_id.removeprefix('order-')} {event.type}" for event in result.events]


def payload(desk: Desk, order_id: str, kind: str) -> dict[str, Any]:
    """The last event of this type of an order, as it stands on the wire."""
    found = [event.payload.to_wire() for event in desk.engine.history(order_id) if event.type == kind]
    return found[-1]


def allocations(desk: Desk, **where: object) -> list[Allocation]:
    """The allocations, oldest first, that fulfil these conditions."""
    asked = [f"{field}={value}" for field, value in where.items()]
    found = desk.engine.query(entity="allocation", where=asked, sort="id,ASC", size=500).content
    return [each for each in found if isinstance(each, Allocation)]


def code(desk: Desk, kind: str, /, **fields: object) -> str:
    """The code with which a command is refused; it leaves no trace."""
    return desk.refused(kind, **fields).error_code


def told(problem: Problem) -> tuple[str, str]:
    """Code and rule of a refusal."""
    return problem.error_code, problem.violations[0].rule_id


def whack(desk: Desk, order_id: str, exec_id: str = "e1") -> CommandResult:
    """The desk takes an execution back, with an approval that is high enough."""
    people: Mapping[str, object] = {"requestedBy": "ann", "approvedBy": "bob", "approvalLevel": "RISK_COMMITTEE"}
    return desk.ok("ExecutionWhackCmd", orderId=order_id, execId=exec_id, **people)


def bust(desk: Desk, order_id: str, exec_id: str = "e1") -> CommandResult:
    """The market breaks a trade."""
    return desk.ok("ExecutionBustCmd", orderId=order_id, execId=exec_id)


def correct(desk: Desk, order_id: str, quantity: str, price: str, exec_id: str = "e1") -> CommandResult:
    """An execution is restated."""
    return desk.ok("ExecutionCorrectCmd", orderId=order_id, execRefId=exec_id, lastQty=quantity, lastPx=price)
