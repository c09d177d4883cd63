"""Does the whole house work? The SDK's client drives the server over stdio; then the file is opened and compared.

Nothing is printed that a reply of the server does not say. Ends with 1, and says what differs, when something is not as
the specification promises or the file is not as the server told.
"""

import asyncio
import os
import secrets
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from rich.console import Console
from rich.markup import escape

Json = dict[str, Any]

QUESTION = "is it too late to withdraw an order that was traded completely?"
PATIENCE_SECONDS = 600
"""How long the first index may take on a slow machine."""

console = Console(highlight=False, soft_wrap=True)


class Mismatch(Exception):
    """Something is not as promised; the message says what."""


class Session:
    """Calls tools, numbers what happens, and remembers nothing: the server is asked again for the comparison."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._step = 0

    async def call(self, tool: str, **arguments: object) -> Json:
        """The structured content of an answer that has to be no error."""
        result = await self.client.call_tool(tool, arguments)
        if result.is_error:
            raise Mismatch(f"{tool} was refused: {result.structured_content or result.content}")
        return dict(result.structured_content or {})

    async def refused(self, tool: str, **arguments: object) -> Json:
        """The error of an answer that has to be one."""
        result = await self.client.call_tool(tool, arguments)
        if not result.is_error:
            raise Mismatch(f"{tool} was to be refused and was not: {result.structured_content}")
        return dict((result.structured_content or {})["error"])

    def show(self, title: str, *lines: str) -> None:
        """One step: a title and what the server said."""
        self._step += 1
        console.print(f"[bold cyan]{self._step:2}[/] [bold]{title:<17}[/]{escape(lines[0])}")
        for line in lines[1:]:
            console.print(f"{'':20}[dim]{escape(line)}[/]")


def require(what: str, told: object, wanted: object) -> None:
    """Raises Mismatch when the server told something else."""
    if told != wanted:
        raise Mismatch(f"{what}: the server said {told!r}, expected {wanted!r}")


async def trade(session: Session) -> str:
    """From creation to FILLED; returns the order's id."""
    run = secrets.token_hex(4)
    created = await session.call(
        "create_order",
        cl_ord_id=f"DEMO-{run}",
        account="ACC-1",
        symbol="ACME",
        side="BUY",
        ord_type="LIMIT",
        order_qty="300",
        price="101.5",
    )
    order = await session.call("get_order", order_id=created["orderId"])
    terms = f"{order['side']} {order['orderQty']} {order['symbol']}, {order['ordType']} {order['price']}"
    session.show("create_order", f"{order['orderId']} is {created['state']}", f"{order['clOrdId']}: {terms}")
    order_id = str(created["orderId"])
    accepted = await session.call("update_order", order_id=order_id, action="accept")
    session.show("update_order", _change(accepted))
    for number, (quantity, price) in enumerate([("100", "101.25"), ("200", "101.4")], 1):
        filled = await session.call(
            "report_execution", order_id=order_id, exec_id=f"EXEC-{run}-{number}", last_qty=quantity, last_px=price
        )
        after = filled["after"]
        amounts = f"cumQty {after['cumQty']}, leavesQty {after['leavesQty']}, avgPx {after['avgPx']}"
        session.show("report_execution", f"{filled['id']}: {_change(filled)}", amounts)
    require("state after both fills", filled["state"], "FILLED")
    return order_id


def _change(result: Json) -> str:
    events = ", ".join(event["type"] for event in result["events"])
    return f"{result['before']['state']} -> {result['after']['state']} ({events})"


async def ask_why(session: Session, order_id: str) -> None:
    """An illegal move is refused with a citation; the section opens, and a question in other words finds it."""
    error = await session.refused(
        "end_order", order_id=order_id, action="cancel", cl_ord_id=f"DEMO-{secrets.token_hex(4)}", confirm=True
    )
    rule, citation = error["violations"][0]["ruleId"], error["citation"]
    session.show("end_order", f"refused by {rule}, {error['errorCode']} {error['title']}", f"cites {citation}")
    section = await session.call("read_kb", path=citation)
    require("anchor of the cited section", f"{section['path']}#{section['anchor']}", citation)
    heading, _, body = str(section["text"]).partition("\n")
    if rule not in heading:
        raise Mismatch(f"the cited section is about something else than {rule}: {heading}")
    session.show("read_kb", heading.lstrip("# "), " ".join(body.split("\n\n")[0].split())[:78] + " ...")
    found = await search_by_meaning(session)
    ranks = [hit["citation"] for hit in found["hits"][:3]]
    if citation not in ranks:
        raise Mismatch(f"{QUESTION!r} does not find {citation} but {', '.join(ranks)}")
    hit = found["hits"][ranks.index(citation)]
    told = f"number {ranks.index(citation) + 1} of {len(found['hits'])} ({found['mode']} search): {hit['anchor']}"
    session.show("search_kb", QUESTION, told)


async def search_by_meaning(session: Session) -> Json:
    """The answer of search_kb once the semantic index is ready; the first start builds it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with console.status("semantic search is starting") as status:
        while True:
            found = await session.call("search_kb", query=QUESTION, limit=5)
            if found["semantic"] == "ready":
                return found
            if found["semantic"] == "unavailable" or time.monotonic() > deadline:
                raise Mismatch(f"semantic search is {found['semantic']}: {found.get('note')}")
            status.update(str(found.get("note", "")).partition(";")[0])
            await asyncio.sleep(0.2)


async def look_back(session: Session, order_id: str) -> None:
    """The order is found by a query, and its history is complete."""
    where = [f"orderId={order_id}", "state=FILLED", "avgPx__between=101,102"]
    page = await session.call("search_orders", where=where)
    require("orders found", [row["orderId"] for row in page["content"]], [order_id])
    session.show("search_orders", f"{page['page']['totalElements']} order where {' and '.join(where[1:])}")
    events = (await session.call("order_history", order_id=order_id))["events"]
    require("versions in the history", [event["version"] for event in events], [*range(1, len(events) + 1)])
    session.show("order_history", *_two_lines([f"{event['version']} {event['type']}" for event in events]))


def _two_lines(words: list[str]) -> list[str]:
    half = (len(words) + 1) // 2
    return [", ".join(words[:half]), ", ".join(words[half:])]


async def tell_all(session: Session, order_id: str) -> Json:
    """Everything the server says of the order, for the comparison."""
    order = await session.call(
        "get_order", order_id=order_id, include=["executions", "events"], response_format="detailed"
    )
    return {"executions": order.pop("executions"), "events": order.pop("events"), "order": order}


def read_back(file: Path, order_id: str) -> Json:
    """The same, read from the file without any code of ours."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        orders = _rows(database, "SELECT * FROM order_view WHERE orderId = ?", order_id)
        executions = _rows(database, "SELECT * FROM execution_view WHERE orderId = ? ORDER BY id", order_id)
        events = _rows(
            database,
            "SELECT position, stream_id AS streamId, version, type, recorded_at AS recordedAt FROM events "
            "WHERE stream_id = 'order-' || ? ORDER BY version",
            order_id,
        )
    return {"order": orders[0] if orders else {}, "executions": executions, "events": events}


def _rows(database: sqlite3.Connection, sql: str, order_id: str) -> list[Json]:
    rows = database.execute(sql, (order_id,)).fetchall()
    return [{name: row[name] for name in row.keys() if row[name] is not None} for row in rows]  # noqa: SIM118 - a Row is no mapping


def differences(told: Json, read: Json) -> list[str]:
    """What the server told otherwise than it stands in the file, field by field."""
    found = _differences("order", told["order"], read["order"])
    for kind in ("executions", "events"):
        if len(told[kind]) != len(read[kind]):
            found.append(f"{kind}: the server told {len(told[kind])}, the file has {len(read[kind])}")
        for number, (left, right) in enumerate(zip(told[kind], read[kind], strict=False), 1):
            compared = left if kind == "executions" else {name: left.get(name) for name in right}
            found += _differences(f"{kind} {number}", compared, right)
    return found


def _differences(what: str, told: Json, read: Json) -> list[str]:
    return [
        f"{what}, {name}: the server told {told.get(name)!r}, the file has {read.get(name)!r}"
        for name in sorted({*told, *read})
        if told.get(name) != read.get(name)
    ]


def server_parameters(file: Path) -> StdioServerParameters:
    """The server of this environment on a file, started as any client starts it."""
    passed_on = {name: os.environ[name] for name in ("OMS_CACHE_DIR", "XDG_CACHE_HOME") if name in os.environ}
    command = Path(sys.executable).with_name("oms")
    return StdioServerParameters(command=str(command), args=["serve", "--db", str(file)], env=passed_on)


async def run(file: Path, errors: TextIO) -> str:
    """The main job, step by step; returns the sentence to end with."""
    async with Client(stdio_client(server_parameters(file), errlog=errors)) as client:
        session = Session(client)
        tools = (await client.list_tools()).tools
        name = f"{client.server_info.name} {client.server_info.version}" if client.server_info else "the server"
        session.show("connect", f"{name} over stdio, protocol {client.protocol_version}, {len(tools)} tools")
        order_id = await trade(session)
        await ask_why(session, order_id)
        await look_back(session, order_id)
        told = await tell_all(session, order_id)
    if errors.tell():
        raise Mismatch("the server wrote to stderr:")
    read = read_back(file, order_id)
    if found := differences(told, read):
        raise Mismatch("the file is not as the server told:\n  " + "\n  ".join(found))
    compared = f"{len(read['order'])} fields, {len(read['executions'])} executions, {len(read['events'])} events"
    session.show("sqlite3", f"the file says the same: {compared}")
    return f"order {order_id} {told['order']['state']}, {len(told['events'])} events, read back from {file.name}"


def main() -> int:
    """Runs on a temporary file; 0 when everything was as promised."""
    ending = ""
    with tempfile.TemporaryDirectory(prefix="oms-demo-") as name:
        folder = Path(name).resolve()
        with (folder / "stderr.txt").open("w+") as errors:
            try:
                ending = asyncio.run(run(folder / "demo.db", errors))
            except* (Mismatch, MCPError, OSError, KeyError, sqlite3.Error) as group:
                for problem in _leaves(group):
                    console.print(f"[bold red]demo FAILED[/]: {escape(str(problem) or repr(problem))}")
                errors.seek(0)
                console.print(errors.read(), end="", style="dim", markup=False)
    if ending:
        console.print(f"[bold green]demo passed[/]: {escape(ending)}")
    return 0 if ending else 1


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    nested = [_leaves(one) if isinstance(one, BaseExceptionGroup) else [one] for one in group.exceptions]
    return [leaf for leaves in nested for leaf in leaves]


if __name__ == "__main__":
    sys.exit(main())
