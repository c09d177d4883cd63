"""How do orders look: in a table, one by one, as a tree, and through their history?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from oms_mcp.printing.terminal import Wire, clean, counted, facts, for_people, note, out, table, text_of, value_of

_MAX_VALUE = 200


def page(entity: str, wire: Wire) -> None:
    """One page of a query."""
    console = out()
    rows: Sequence[object] = wire["content"]
    if entity == "event" and rows:
        console.print(_events(wire["content"], "position"))
    elif rows:
        cells, columns, right = _ROWS[entity](wire["content"])
        console.print(table(cells, *columns, right=right))
    for warning in wire["warnings"]:
        note(warning)
    at = wire["page"]
    if "totalElements" not in at:
        more = f"; --cursor {wire['nextCursor']} shows more" if "nextCursor" in wire else ", the last ones"
        console.print(Text(f"{len(rows)} shown{more}", style="dim"), soft_wrap=True)
        return
    found = at["totalElements"]
    shown = f"{found} found" if at["totalPages"] <= 1 else f"{found} found, page {at['number']} of {at['totalPages']}"
    if found and not rows:
        shown = f"{found} found, none on page {at['number']}: the last page is {at['totalPages'] - 1}"
    more = f"; --page {at['number'] + 1} shows more" if at["number"] + 1 < at["totalPages"] else ""
    console.print(Text(f"{shown} (pages count from 0){more}" if at["totalPages"] > 1 else shown, style="dim"))


Rows = tuple[list[list[object]], tuple[str, ...], tuple[str, ...]]


def order_rows(rows: Sequence[Wire]) -> Rows:
    """Orders as rows of a table, with its columns and those whose values stand right."""
    return (
        [[row["orderId"], _terms(row), _state(row), row["cumQty"], row["avgPx"]] for row in rows],
        ("orderId", "order", "state", "cumQty", "avgPx"),
        ("cumQty", "avgPx"),
    )


def subject_of(topic: str, row: Wire) -> Text:
    """An order, an execution or a quote request on one line."""
    match topic:
        case "order-events":
            done = f"  cumQty {row['cumQty']}, leavesQty {row.get('leavesQty', 'unknown')}, avgPx {row['avgPx']}"
            return Text.assemble(clean(_terms(row)), "  ", _state(row), done)
        case "execution-events":
            return Text.assemble(f"{row['lastQty']} @ {row['lastPx']}  ", text_of(row["status"]))
        case _:
            quotes = ", ".join(f"{quote['quoteId']} {quote['price']} {quote['state']}" for quote in row["quotes"])
            asked = f"{row.get('side', 'TWO-WAY')} {row['quantity']} {row['symbol']}"
            return Text.assemble(clean(asked), "  ", text_of(row["state"]), clean(f"  {quotes}" if quotes else ""))


def _terms(row: Wire) -> str:
    price = f" {row['price']}" if "price" in row else ""
    stop = f" stop {row['stopPx']}" if "stopPx" in row else ""
    quantity = row.get("orderQty") or f"for {row.get('cashOrderQty')} of"
    return f"{row['side']} {quantity} {row['symbol']} {row['ordType']}{price}{stop}"


def _state(row: Wire) -> Text:
    pending = row.get("cancelState")
    state = text_of(row["state"])
    if pending and pending != row["state"]:
        state.append(f" ({REQUESTS[pending]})", style="yellow")
    return state


REQUESTS = {
    "PCXL": "cancel pending",
    "PMOD": "replace pending",
    "CXL": "cancelled",
    "REJ": "request refused",
}
"""State of the last cancel or replace request -> what it means."""


def _executions(rows: Sequence[Wire]) -> Rows:
    return (
        [[row["execId"], row["orderId"], row["lastQty"], row["lastPx"], row["status"], row["cumQty"]] for row in rows],
        ("execId", "orderId", "lastQty", "lastPx", "status", "cumQty then"),
        ("lastQty", "lastPx", "cumQty then"),
    )


def _allocations(rows: Sequence[Wire]) -> Rows:
    return (
        [
            [row["giverOrderId"], row["receiverOrderId"], row["execId"], row["quantity"], row["price"], row["status"]]
            for row in rows
        ],
        ("from", "to", "execId", "quantity", "price", "status"),
        ("quantity", "price"),
    )


def _quotes(rows: Sequence[Wire]) -> Rows:
    return (
        [
            [row["quoteId"], row["quoteReqId"], _price(row), row["quantity"], row["state"], row["quotedBy"]]
            for row in rows
        ],
        ("quoteId", "quoteReqId", "price", "quantity", "state", "quoted by"),
        ("quantity",),
    )


def _price(row: Wire) -> str:
    return " ".join(row[name] for name in ("price", "currency", "priceType") if name in row)


def _quote_requests(rows: Sequence[Wire]) -> Rows:
    return (
        [[row["quoteReqId"], _asked(row), row["state"], row.get("validUntil"), row["sessionId"]] for row in rows],
        ("quoteReqId", "asked for", "state", "valid until", "asked by"),
        (),
    )


def _asked(row: Wire) -> str:
    return " ".join(row[name] for name in ("side", "quantity", "symbol", "currency") if name in row)


_ROWS = {
    "order": order_rows,
    "execution": _executions,
    "allocation": _allocations,
    "quote": _quotes,
    "quote_request": _quote_requests,
}

_LISTS = {"executions", "allocations", "children", "members", "group", "events", "nextStates", "warnings"}
_FIRST = ("orderId", "clOrdId", "account", "symbol", "side", "ordType", "orderQty", "price", "state", "cancelState")
_THEN = ("cumQty", "leavesQty", "avgPx")
_QUIET = {"placeQty": "0", "allocQty": "0", "pendingAllocQty": "0", "isGroupedOrder": False}
"""What says nothing of an order that stands alone."""


def order(wire: Wire, *, hints: bool = True) -> None:
    """One order with its executions and allocations, what can follow, and as a hint which command shows its tree."""
    console = out()
    told = {
        name: value_of(value) if isinstance(value, Mapping) else value
        for name, value in wire.items()
        if name not in _LISTS and _QUIET.get(name) != value
    }
    rest = [name for name in told if name not in {*_FIRST, *_THEN}]
    console.print(facts((name, told.get(name)) for name in (*_FIRST, *_THEN, *rest)))
    console.print()
    if wire["executions"]:
        rows, columns, right = _executions(wire["executions"])
        kept = [column for column in columns if column != "orderId"]
        cells = [[row[0], *row[2:]] for row in rows]
        console.print(table(cells, *kept, title="executions", right=right))
        console.print()
    if "allocations" in wire:
        rows, columns, right = _allocations(wire["allocations"])
        console.print(table(rows, *columns, title="allocations", right=right))
        console.print()
    for warning in wire.get("warnings", []):
        note(for_people(warning))
    console.print(next_states(wire["nextStates"]))
    if "children" in wire and hints:
        console.print()
        console.print(Text(f"oms show {clean(wire['orderId'])} --tree shows its tree", style="dim"))


def next_states(states: Sequence[Wire]) -> RenderableType:
    """What can follow a state."""
    if not states:
        return Text("nothing follows")
    rows = [
        [state["to"], state["command"] + (" (correction)" if state["correction"] else ""), state["why"]]
        for state in states
    ]
    return table(rows, "next", "command", "why")


def history(wire: Wire) -> None:
    """Events in order, each with what it says."""
    console = out()
    console.print(_events(wire["events"], "version") if wire["events"] else Text("nothing happened"))
    if "next" in wire:
        console.print(Text(f"more follows: --after {wire['next']}", style="dim"))


def _events(events: Sequence[Wire], number: Literal["version", "position"]) -> Table:
    """Events with time, actor and what they say: numbered in their own stream, or among those of all streams."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(justify="right", style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for event in events:
        place = f"  {clean(event['streamId'].removeprefix('order-'))} v{event['version']}"
        about = f"  {event['recordedAt']}  {clean(event['actor'])}{place if number == 'position' else ''}"
        told = Text.assemble((event["type"], "bold"), (about, "dim"), overflow="fold")
        if said := facts_of(event["payload"]):
            told.append(f"\n{said}")
        made.add_row(f"v{event['version']}" if number == "version" else str(event["position"]), told)
    return made


def replay(wire: Wire, pause: Callable[[], object] | None = None) -> None:
    """The life of an order, one event after the other.

    Args:
        wire: The events with what they changed, and the order after each.
        pause: Called between two events.
    """
    console = out()
    steps: Sequence[Wire] = wire["steps"]
    count = wire["versions"]
    console.print(Text.assemble((clean(wire["orderId"]), "bold"), f"  {counted(count, 'event')}"))
    for number, step in enumerate(steps):
        if number and pause:
            pause()
        made = Table.grid(padding=(0, 2, 0, 0))
        made.add_column(justify="right", style="dim", no_wrap=True, min_width=len(f"v{count}"))
        made.add_column(overflow="fold")
        made.add_row(f"v{step['version']}", _moment(step))
        console.print(made)


def _moment(step: Wire) -> Text:
    order = step["order"]
    told = Text.assemble(
        (step["type"], "bold"), (f"  {step['recordedAt']}  {clean(step['actor'])}", "dim"), overflow="fold"
    )
    told.append("\n").append_text(_state(order))
    quantity = f" of {order['orderQty']}" if "orderQty" in order else ""
    told.append(f"  filled {order['cumQty']}{quantity}")
    if "leavesQty" in order:
        told.append(f", open {order['leavesQty']}")
    if order["avgPx"] != "0":
        told.append(f", at {order['avgPx']}")
    changed = ", ".join(
        f"{name} {_short(change.get('before'))} -> {_short(change.get('after'))}"
        for name, change in step["changes"].items()
    )
    said = facts_of(step["payload"]) if step["version"] == 1 else changed
    if said:
        told.append(f"\n{said}")
    return told


def facts_of(payload: Wire) -> str:
    """What an event says, beside what stands with every event of its order."""
    return ", ".join(f"{name}={_short(value)}" for name, value in payload.items() if name not in _KNOWN_FACTS)


_KNOWN_FACTS = {"orderId", "rootOrderId", "leg", "role", "assetClass", "sessionId"}


def _short(value: object) -> str:
    text = value_of(value)
    return text if len(text) <= _MAX_VALUE else text[:_MAX_VALUE] + "..."


def check(wire: Wire) -> None:
    """Whether a path is possible, how far it gets, and what can follow."""
    console = out()
    path = " -> ".join(wire["path"])
    if wire["valid"]:
        console.print(Text.assemble(("possible", "bold green"), f"  {path}" if path else "  an order begins as NEW"))
    else:
        console.print(Text.assemble(("not possible", "bold red"), "  ", for_people(wire["errorMessage"])))
    console.print(Text(f"profile {wire['profile']}", style="dim"))
    console.print(next_states(wire["nextStates"]))
