"""What is told of one order when somebody looks at it closely?"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from oms_engine import Engine, Execution, Order
from oms_engine.domain.lifecycle import NextState
from oms_mcp.pictures import Branch, Timeline, TreePicture, Waterfall, timeline_of, tree_of, waterfall_of
from oms_mcp.pictures.labels import amount, terms_of
from oms_mcp.printing.orders import REQUESTS, next_states
from oms_mcp.printing.pictures import UNICODE, drawn
from oms_mcp.printing.terminal import clean, table

_MOST = 100
"""Executions and events that are told, the last ones, and orders of the tree."""


class Details(NamedTuple):
    """An order with everything that is shown of it."""

    order: Order
    executions: Sequence[Execution]
    executions_left_out: int
    timeline: Timeline
    waterfall: Waterfall
    next_states: Sequence[NextState]
    tree: TreePicture

    @property
    def family(self) -> frozenset[str]:
        """The orders of the tree that are drawn."""
        return frozenset(_names(self.tree.root))


def _names(branch: Branch) -> Iterator[str]:
    yield branch.order_id
    for each in branch.children:
        yield from _names(each)


def gather(engine: Engine, order_id: str) -> Details:
    """Everything about an order; raises Refused (OMS-ORDER-001) where there is none."""
    order = engine.find(order_id)
    executions = engine.executions(order_id)
    return Details(
        order,
        executions[-_MOST:],
        max(0, len(executions) - _MOST),
        timeline_of(engine, order_id, most=_MOST),
        waterfall_of(engine, order_id),
        engine.next_states(order),
        tree_of(engine, order_id, most_orders=_MOST),
    )


def rendered(details: Details, room: int) -> RenderableType:
    """The order, section by section, as wide as there is room."""
    parts: list[RenderableType] = [_facts(details.order)]
    for title, part in (
        ("executions", _executions(details, room)),
        ("timeline", drawn(details.timeline, room)),
        ("quantity", drawn(details.waterfall, room)),
        ("next states", next_states([state.to_wire() for state in details.next_states])),
        ("tree", drawn(details.tree, room) if details.tree.orders > 1 or details.tree.members else None),
    ):
        if part is not None:
            parts += ["", Text(f"{title} ".ljust(room, "─"), style="bold cyan", no_wrap=True), part]
    return Group(*parts)


def _facts(order: Order) -> Text:
    """The terms, the state and the quantities in a few lines."""
    told = Text.assemble((clean(order.order_id), "bold"), "  ", terms_of(order), "\n", UNICODE.state(order.state))
    if order.cancel_state and order.cancel_state.value != order.state.value:
        told.append(f" ({REQUESTS[order.cancel_state]})", style="yellow")
    told.append(f"  filled {amount(order.cum_qty)} of {amount(order.order_qty)}, open {amount(order.leaves_qty)}")
    if order.cum_qty:
        told.append(f", at {amount(order.avg_px)}")
    named: dict[str, Any] = {
        "clOrdId": order.cl_ord_id,
        "account": order.account,
        "timeInForce": order.time_in_force,
        "parent": order.parent_order_id,
        "group": order.group_order_id,
        "text": order.text,
    }
    line = ", ".join(f"{name} {clean(str(value))}" for name, value in named.items() if value)
    return told.append(f"\n{line}", style="dim")


def _executions(details: Details, room: int) -> RenderableType | None:
    if not details.executions:
        return None
    rows = [[each.exec_id, amount(each.last_qty), amount(each.last_px), each.status] for each in details.executions]
    made = table(rows, "execId", "lastQty", "lastPx", "status", right=("lastQty", "lastPx"), room=room)
    if not details.executions_left_out:
        return made
    return Group(
        Text(f"the last {len(rows)}, {details.executions_left_out:,} before them are not shown", style="dim"), made
    )
