"""What does the server cost over stdio? Its start and its calls, against a server that does nothing, in one run."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Scale, Target, ratios, speed, take_turns

Json = dict[str, Any]

CALLS = 200
"""Calls of each turn, one after the other."""

NOTHING = """
from mcp.server import MCPServer

server = MCPServer("empty", log_level="WARNING")

@server.tool()
async def nothing(order_id: str) -> str:
    return order_id
"""
"""A server with one tool that does nothing."""

EMPTY = f"{NOTHING}\nserver.run('stdio')"
"""The same, on the transport of the SDK."""

OURS = "from oms_mcp.cli import main; main()"

ON_STOCK = """
import sys
import anyio
from mcp.server import MCPServer
from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import build_server

with Engine.open(sys.argv[1]) as engine, Library.open() as library:
    anyio.run(MCPServer.run_stdio_async, build_server(engine, library))
"""
"""Our server on the transport of the SDK."""

HELLO = {
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}
ORDER = {"cl_ord_id": "B1", "account": "ACC", "symbol": "ACME", "side": "BUY", "ord_type": "MARKET", "order_qty": "100"}


class Server:
    """A server in a process of its own, and a client that costs next to nothing."""

    def __init__(self, code: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
        )
        self._number = 0

    def ask(self, message: Json) -> Json:
        """The result of a request."""
        self._number += 1
        self._write({"id": self._number, **message})
        assert self._process.stdout  # noqa: S101 - it was asked for
        answer: Json = json.loads(self._process.stdout.readline())
        result: Json = answer["result"]
        return result

    def greet(self) -> "Server":
        """Do the handshake."""
        self.ask(HELLO)
        self._write({"method": "notifications/initialized"})
        return self

    def call(self, tool: str, arguments: Json) -> Json:
        """What a tool answers."""
        return self.ask({"method": "tools/call", "params": {"name": tool, "arguments": arguments}})

    def close(self) -> None:
        """End it as a client does."""
        self._process.communicate(timeout=60)

    def _write(self, message: Json) -> None:
        assert self._process.stdin  # noqa: S101 - as above
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._process.stdin.flush()


def _environment() -> Mapping[str, str]:
    """Ours, where compiled modules are kept as they are where a package is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def stdio(scale: Scale) -> list[Figure]:
    """Start and calls of the server over stdio, against a server with an empty tool on the SDK's transport."""
    return [*_starts(scale), *_calls(scale)]


def _starts(scale: Scale) -> list[Figure]:
    bound: Target = ("at most", 1.4 if find_spec("numpy") else 1.3)
    took: dict[str, list[float]] = {"empty": [], "ours": []}
    for number in range(scale.rounds + 1):
        for name in sorted(took, reverse=bool(number % 2)):
            took[name].append(_start(OURS, "serve") if name == "ours" else _start(EMPTY))
    empty, ours = took["empty"][1:], took["ours"][1:]  # at the first start modules are compiled
    return [
        Figure.of("start to initialize: empty server", "ms", empty),
        Figure.of("start to initialize: ours", "ms", ours),
        Figure.of("start to initialize: ours / empty", "x", ratios(ours, empty), bound),
    ]


def _start(code: str, *arguments: str) -> float:
    """Milliseconds from the start of a server to its answer to `initialize`."""
    began = time.perf_counter_ns()
    server = Server(code, *arguments)
    server.ask(HELLO)
    took = (time.perf_counter_ns() - began) / 1_000_000
    server.close()
    return took


def _calls(scale: Scale) -> list[Figure]:
    with _servers() as variants:
        took = take_turns(variants, scale.rounds, warm_up=2)
    rates = {name: [CALLS / micros * 1_000_000 for micros in rounds] for name, rounds in took.items()}
    return [
        *(Figure.of(f"calls: {name}", "/s", rates[name]) for name in rates),
        speed(
            "get_order on the SDK's transport / empty tool", took, "ours, SDK's transport", "empty", ("at least", 0.8)
        ),
        speed("get_order on ours / empty tool on the SDK's", took, "ours", "empty", ("at least", 1.3)),
    ]


@contextmanager
def _servers() -> Iterator[Mapping[str, Callable[[], object]]]:
    """Many calls of each server, which have been started."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def started(code: str, *arguments: str) -> Server:
            server = Server(code, *arguments).greet()
            stack.callback(server.close)
            return server

        variants = {"empty": partial(_many, started(EMPTY), "nothing", "ORD-1")}
        for name, code, *arguments in (
            ("ours, SDK's transport", ON_STOCK, str(folder / "stock.db")),
            ("ours", OURS, "serve", "--db", str(folder / "ours.db")),
        ):
            server = started(code, *arguments)
            order_id = server.call("create_order", ORDER)["structuredContent"]["orderId"]
            variants[name] = partial(_many, server, "get_order", order_id)
        yield variants


def _many(server: Server, tool: str, order_id: str) -> None:
    for _ in range(CALLS):
        answer = server.call(tool, {"order_id": order_id})
        assert not answer.get("isError"), answer  # noqa: S101 - a benchmark of errors would measure something else
