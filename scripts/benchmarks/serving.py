"""What do calls cost over HTTP, in both eras, against a server with an empty tool on the SDK's transport?"""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Scale, speed, take_turns
from benchmarks.stdio import NOTHING, ORDER, OURS

Json = dict[str, Any]

CALLS = 100
"""Calls of each turn, one after the other on one connection."""

EMPTY = f"""{NOTHING}
import sys
print(f"http://127.0.0.1:{{sys.argv[1]}}", file=sys.stderr, flush=True)
server.run("streamable-http", port=int(sys.argv[1]))
"""
"""A server with one tool that does nothing, on the transport of the SDK as it comes."""

OLD, NEW = "2025-11-25", "2026-07-28"


class Client:
    """One connection to a server, which costs next to nothing beside it."""

    def __init__(self, host: str, era: str) -> None:
        self._connection = HTTPConnection(host, timeout=60)
        self._era = era
        self._headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if era == OLD:
            client = {"name": "bench", "version": "1"}
            self._post("initialize", {"protocolVersion": OLD, "capabilities": {}, "clientInfo": client})
            self._post("notifications/initialized", None)
        self._headers["MCP-Protocol-Version"] = era

    def call(self, tool: str, arguments: Json) -> Json:
        """The result of a tool."""
        params: Json = {"name": tool, "arguments": arguments}
        if self._era == OLD:
            return self._post("tools/call", params)
        begin = "io.modelcontextprotocol/"
        params["_meta"] = {f"{begin}protocolVersion": NEW, f"{begin}clientCapabilities": {}}
        return self._post("tools/call", params, {"Mcp-Method": "tools/call", "Mcp-Name": tool})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _post(self, method: str, params: Json | None, headers: Json | None = None) -> Json:
        message = {"jsonrpc": "2.0", "method": method, **({"id": 1, "params": params} if params else {})}
        self._connection.request("POST", "/mcp", json.dumps(message), {**self._headers, **(headers or {})})
        response = self._connection.getresponse()
        if session := response.headers.get("mcp-session-id"):
            self._headers["mcp-session-id"] = session
        text = response.read().decode()
        if not params:
            return {}
        data = text.partition("data: ")[2].partition("\r\n")[0] if text.startswith("event: ") else text
        answer: Json = json.loads(data)
        result: Json = answer["result"]
        return result


def http(scale: Scale) -> list[Figure]:
    """Calls of the server over HTTP, against a server with an empty tool on the SDK's transport."""
    return [figure for era in (NEW, OLD) for figure in _calls(scale, era)]


def _calls(scale: Scale, era: str) -> list[Figure]:
    with _clients(era) as variants:
        took = take_turns(variants, scale.rounds, warm_up=2)
    return [
        *(Figure.of(f"{era}: {name}", "/s", [CALLS / each * 1_000_000 for each in took[name]]) for name in took),
        speed(f"{era}: get_order / empty tool on the SDK's", took, "get_order", "empty tool", ("at least", 0.7)),
    ]


@contextmanager
def _clients(era: str) -> Iterator[dict[str, Callable[[], None]]]:
    """Many calls of each server, which have been started."""
    with ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bench.db"
        limits = ("--http", "127.0.0.1:0", "--rate", "0")
        theirs = stack.enter_context(_started(EMPTY, _free_port()))
        served = stack.enter_context(_started(OURS, "serve", "--db", str(file), *limits))
        empty, ours = Client(theirs, era), Client(served, era)  # both now, as connections are not kept idle for long
        stack.callback(empty.close)
        stack.callback(ours.close)
        order_id = ours.call("create_order", ORDER)["structuredContent"]["orderId"]
        yield {
            "empty tool": partial(_many, empty, "nothing", "ORD-1"),
            "get_order": partial(_many, ours, "get_order", order_id),
        }


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


@contextmanager
def _started(code: str, *arguments: str) -> Iterator[str]:
    """Host and port of a server in a process of its own, once it says where it is."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr  # noqa: S101 - it was asked for
            told = (re.search(r"http://([\d.]+:\d+)", line) for line in process.stderr)
            found = next(place for place in told if place)
            _wait_for(found[1], process)
            yield found[1]
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _wait_for(place: str, process: "subprocess.Popen[str]") -> None:
    """Until the server listens there."""
    host, port = place.split(":")
    while process.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.05)
    raise SystemExit(f"the server ended: {process.stderr.read() if process.stderr else ''}")


def _many(client: Client, tool: str, order_id: str) -> None:
    for _ in range(CALLS):
        answer = client.call(tool, {"order_id": order_id})
        assert not answer.get("isError"), answer  # noqa: S101 - a benchmark of errors would measure something else
