"""Which tools read orders, executions and events?"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypedDict

from mcp_types import CallToolResult
from pydantic import Field, StrictBool, StrictInt

from oms_engine import Order, Refused, StoredEvent
from oms_engine.domain.catalogue import violation
from oms_engine.domain.events import EVENTS
from oms_engine.domain.filters import ENTITIES, START
from oms_engine.errors import problem_of, shown
from oms_mcp.arguments import Format, ToolSpec, given_twice, text, unknown_arguments
from oms_mcp.seam import Backend, Ctx, Out, answer, backend_of, fitted, session_of
from oms_mcp.shapes import history_wire, moment_wire, order_wire, page_wire, seen_at

_HITS = 10
_MOST_EVENTS = 500
_LAST_POSITION = 10**18


class PageOut(Out):
    """One page of rows; with group_by groups instead, largest first: key (absent: no value), count, sums."""

    content: list[dict[str, Any]] | None = None
    page: dict[str, int] | None = None
    groups: list[dict[str, Any]] | None = None
    next_cursor: str | None = None
    as_of: str | None = None
    warnings: list[str]
    truncated: str | None = None


class _Asked(TypedDict):
    """What a search asks for, whichever of its rows are shown."""

    entity: str
    where: Sequence[str]
    sort: str
    cursor: str


async def search_orders(
    ctx: Ctx,
    *,
    where: Annotated[
        list[str] | None,
        Field(
            description="conditions, all must hold: field=value or field__op=value; op: eq, ne, like, startswith, in, "
            "gt, gte, lt, lte, between; such as state=LIVE, orderQty__gte=100, symbol__in=AAPL,MSFT"
        ),
    ] = None,
    entity: Annotated[str, text("what to search", ENTITIES)] = "order",
    sort: Annotated[str, Field(description="field,DESC;field2,ASC; newest first if absent")] = "",
    page: Annotated[StrictInt | None, Field(description="page from 0")] = None,
    size: Annotated[StrictInt | None, Field(description="rows per page, 50 if absent, at most 500")] = None,
    cursor: Annotated[str, Field(description="instead of page, faster: nextCursor of the last page, or *")] = "",
    fields: Annotated[list[str] | None, Field(description="only these fields of each row")] = None,
    group_by: Annotated[str, Field(description="a field: count rows and add quantities by its values")] = "",
    as_of: Annotated[str, Field(description="the past: position p3456, or ISO-8601 with offset")] = "",
    response_format: Format = "concise",
) -> CallToolResult:
    """Find orders, executions, allocations, quotes or events by their camelCase fields.

    An unknown field is refused with the valid ones.
    """
    backend = backend_of(ctx)
    if group_by.strip():
        _require_no_rows(sort=sort, page=page, cursor=cursor, fields=fields, response_format=response_format)
        with seen_at(backend.engine, as_of) as engine:
            groups = engine.groups(group_by, entity=entity, where=where or (), size=size)
            told = groups.to_wire() | moment_wire(engine)
        return answer(backend, told, narrow="give more conditions or a smaller size")
    asked: _Asked = {"entity": entity, "where": where or (), "sort": sort, "cursor": cursor}
    with seen_at(backend.engine, as_of) as engine:
        found = engine.query(**asked, page=page, size=size)
        _require_fields(entity, fields or ())
        wire = page_wire(found, entity, fields or (), response_format) | moment_wire(engine)
        narrow = "give more conditions, fewer fields or a smaller size"
        told, kept = fitted(backend, wire, narrow), len(found.content)
        while len(told["content"]) < kept:  # the cursor of the whole page would pass over the rows that were cut
            kept = len(told["content"])
            wire.pop("nextCursor", None)
            if kept and not page:
                shown_rows = engine.query(**asked | {"cursor": cursor or START}, size=kept)
                wire["nextCursor"] = shown_rows.next_cursor
            told = fitted(backend, wire, narrow)
    return answer(backend, told)


def _require_no_rows(**given: object) -> None:
    """Groups are no rows: raises Refused (OMS-VAL-002) for what only rows have."""
    stray = [name for name, value in given.items() if value not in (None, "", [], "concise")]
    if stray:
        raise Refused(
            problem_of(unknown_arguments(stray, "argument beside group_by", ["where", "entity", "size", "as_of"]))
        )


def _require_fields(entity: str, fields: Sequence[str]) -> None:
    valid = [str(info.alias) for info in ENTITIES[entity].record.model_fields.values()]
    unknown = unknown_arguments([name for name in fields if name not in valid], f"field of {entity}", valid)
    if unknown:
        raise Refused(problem_of([found.model_copy(update={"field": "fields"}) for found in unknown]))


class OrderOut(Out):
    """An order; decimals are strings, null fields are absent."""

    order_id: str
    cl_ord_id: str
    symbol: str
    side: str
    ord_type: str
    order_qty: str | None = None
    price: str | None = None
    state: str
    cancel_state: str | None = None
    cum_qty: str
    leaves_qty: str | None = None
    avg_px: str
    version: int
    as_of: str | None = None
    executions: list[dict[str, Any]] | None = None
    allocations: list[dict[str, Any]] | None = None
    children: list[dict[str, Any]] | None = None
    group: dict[str, Any] | None = None
    members: list[dict[str, Any]] | None = None
    events: list[dict[str, Any]] | None = None
    next_states: list[dict[str, Any]] | None = None
    truncated: str | None = None


async def get_order(
    ctx: Ctx,
    *,
    order_id: Annotated[str, Field(description="orderId of the order")] = "",
    cl_ord_id: Annotated[str, Field(description="or its clOrdId: yours first, then of any session")] = "",
    include: Annotated[
        list[Literal["executions", "children", "allocations", "events", "next_states"]] | None,
        Field(description="parts to add; children: the whole tree by depth, with group or members"),
    ] = None,
    as_of: Annotated[str, Field(description="the past: version v12, position p3456, or ISO-8601 with offset")] = "",
    response_format: Format = "concise",
) -> CallToolResult:
    """Read one order by order_id or cl_ord_id, as it is or as it was."""
    backend = backend_of(ctx)
    order = _order(ctx, order_id, cl_ord_id)
    with seen_at(backend.engine, as_of, order.order_id) as engine:
        order = engine.find(order.order_id) if as_of else order
        wire = order_wire(engine, order, include or (), response_format) | moment_wire(engine)
    return answer(backend, wire, narrow="include less, or read order_history in pages")


def _order(ctx: Ctx, order_id: str, cl_ord_id: str) -> Order:
    engine = backend_of(ctx).engine
    by_order, by_client = bool(order_id.strip()), bool(cl_ord_id.strip())
    if by_order and by_client:
        raise Refused(problem_of([given_twice("cl_ord_id", "order_id and cl_ord_id both name an order")]))
    if by_order:
        return engine.find(order_id)
    if not by_client:
        raise _refusal("ENV-07", "OMS-VAL-003", "order_id is missing; give order_id or cl_ord_id")
    wanted = {"field": "clOrdId", "value": cl_ord_id}
    own = engine.query(where=[wanted, {"field": "sessionId", "value": session_of(ctx)}], size=1).content
    found = own or engine.query(where=[wanted], size=_HITS).content
    orders = [order for order in found if isinstance(order, Order)]
    if len(orders) > 1:
        ids = ", ".join(order.order_id for order in orders)
        raise _refusal("ENV-07", "OMS-VAL-003", f"several orders have clOrdId {shown(cl_ord_id)}; give order_id: {ids}")
    if not orders:
        message = f"no order has clOrdId {shown(cl_ord_id)}; search_orders finds its orderId"
        raise _refusal("ENV-09", "OMS-ORDER-001", message, "cl_ord_id")
    return orders[0]


def _refusal(rule_id: str, code: str, message: str, field: str = "order_id") -> Refused:
    return Refused(problem_of([violation(rule_id, code, field, message)]))


class HistoryOut(Out):
    """Events in order; next is the position to go on after."""

    events: list[dict[str, Any]]
    next: int | None = None
    truncated: str | None = None


async def order_history(
    ctx: Ctx,
    *,
    order_id: Annotated[str, Field(description="events of this order; of all orders if absent")] = "",
    after: Annotated[
        StrictInt, Field(description="only events after this position (next of the last page)", ge=0, le=_LAST_POSITION)
    ] = 0,
    limit: Annotated[StrictInt, Field(description="most events to return", ge=1, le=_MOST_EVENTS)] = 100,
    kinds: Annotated[list[str] | None, Field(description="only these types, such as OrderFilled")] = None,
    diff: Annotated[StrictBool, Field(description="true: also what each event changed, before and after")] = False,
    response_format: Format = "concise",
) -> CallToolResult:
    """Read what happened: the events of one order, or of all, in the order they were written."""
    backend = backend_of(ctx)
    events, more = _events(backend, order_id, after, limit, _known_kinds(kinds or ()))
    changed_in = backend.engine if diff else None
    told = history_wire(events, more=more, response_format=response_format, changed_in=changed_in)
    wire = fitted(backend, told, "give a smaller limit")
    if len(wire["events"]) < len(events):
        wire["next"] = events[len(wire["events"]) - 1].position
    return answer(backend, wire)


def _known_kinds(kinds: Sequence[str]) -> frozenset[str]:
    for kind in kinds:
        if kind not in EVENTS:
            message = f"kinds {shown(kind)} is no event type; use one of {', '.join(EVENTS)}"
            raise _refusal("ORD-21", "OMS-VAL-004", message, "kinds")
    return frozenset(kinds)


def _events(
    backend: Backend, order_id: str, after: int, limit: int, kinds: frozenset[str]
) -> tuple[list[StoredEvent], bool]:
    """The events asked for, and whether there are more behind them."""
    if order_id.strip():
        source = [event for event in backend.engine.history(order_id) if event.position > after]
        wanted = [event for event in source if not kinds or event.type in kinds]
        return wanted[:limit], len(wanted) > limit
    found: list[StoredEvent] = []
    while len(found) <= limit:
        read = backend.engine.events(after=after, limit=_MOST_EVENTS)
        found += [event for event in read if not kinds or event.type in kinds]
        if len(read) < _MOST_EVENTS:
            break
        after = read[-1].position
    return found[:limit], len(found) > limit


TOOLS = (
    ToolSpec(search_orders, PageOut, "Search orders", read_only=True),
    ToolSpec(get_order, OrderOut, "Read an order", read_only=True),
    ToolSpec(order_history, HistoryOut, "Read what happened", read_only=True),
)
