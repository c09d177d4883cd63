"""Does the server hold over its pipes, whatever a client writes and however little it reads?"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from mcp import StdioServerParameters
from mcp_types import ElicitRequestParams, ElicitResult

from oms_engine import Engine
from oms_mcp.pipes import MOST_BYTES
from tests.oms_mcp.agent import GOOD, Agent, Era
from tests.oms_mcp.test_stdio import HELLO, SERVE, Wire

pytestmark = pytest.mark.slow

OLD, NEW = "2025-11-25", "2026-07-28"


class Line:
    """A client that writes lines and reads lines, and says for itself when it does."""

    def __init__(self, db: Path, version: str = OLD, code: str = SERVE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(db)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._modern = version == NEW
        if not self._modern:
            self.send(HELLO)
            assert self.answer()["result"]["serverInfo"]["name"] == "oms-mcp"
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def raw(self, text: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def send(self, message: Wire) -> None:
        self.raw(json.dumps(message).encode() + b"\n")

    def call(self, number: int | str, tool: str, **arguments: object) -> None:
        self.send(self.request(number, tool, **arguments))

    def request(self, number: int | str, tool: str, **arguments: object) -> Wire:
        params: Wire = {"name": tool, "arguments": arguments}
        if self._modern:
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": NEW,
                "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}

    def answer(self) -> Wire:
        """The next thing that the server says."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read().decode()
        wire: Wire = json.loads(line)
        return wire

    def result(self) -> Wire:
        content: Wire = self.answer()["result"]["structuredContent"]
        return content

    def close(self) -> str:
        """Say nothing more; what the server wrote to stderr."""
        _, stderr = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return stderr.decode()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()


Connect = Callable[..., Line]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    opened: list[Line] = []

    def connected(version: str = OLD, code: str = SERVE) -> Line:
        opened.append(Line(tmp_path / "oms.db", version, code))
        return opened[-1]

    yield connected
    for each in opened:
        each.kill()


@pytest.fixture(params=[OLD, NEW])
def line(request: pytest.FixtureRequest, connect: Connect) -> Line:
    """A client of either era."""
    return connect(request.param)


@pytest.mark.parametrize(
    ("frame", "code", "told", "id_"),
    [
        (b"{", -32700, "no JSON", None),
        (b"hello", -32700, "no JSON", None),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":"\xff"}}', -32700, "no JSON in UTF-8", 7),
        (b'{"method":"ping","params":{"text":"\\ud800"},"jsonrpc":"2.0","id":"seven"}', -32600, "no request", "seven"),
        (b"[" * 100_000, -32700, "no JSON", None),
        (b"[]", -32600, "one JSON object per line", None),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, "one JSON object per line", None),
        (b'{"id":5,"method":"ping"}', -32600, "no request, notification or answer", 5),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, "no request", None),
        (b'{"jsonrpc":"2.0","id":6}', -32600, "no request", 6),
        (b'"text"', -32600, "no request", None),
    ],
)
def test_a_frame_that_is_no_message_is_answered_and_the_connection_goes_on(
    frame: bytes, code: int, told: str, id_: object, line: Line
) -> None:
    line.call(1, "create_order", **GOOD, cl_ord_id="c1")
    assert line.result()["state"] == "UNACK"
    line.raw(frame + b"\n")
    answer = line.answer()
    assert (answer["jsonrpc"], answer["id"], answer["error"]["code"]) == ("2.0", id_, code)
    assert told in answer["error"]["message"]
    line.raw(b"\n  \n")
    line.call(2, "search_orders")
    assert len(line.result()["content"]) == 1
    assert line.close() == ""


@pytest.mark.parametrize("end", [b',"jsonrpc":"2.0","id":9}', b"}"])
def test_a_frame_that_is_too_long_is_refused_by_its_id(end: bytes, line: Line) -> None:
    line.call(1, "search_orders")
    line.result()
    head = b"{" if end.startswith(b",") else b'{"jsonrpc":"2.0","id":9,'
    params = b'"method":"tools/call","params":{"name":"read_kb","arguments":{"path":"' + b"x" * MOST_BYTES + b'"}}'
    line.raw(head + params + end + b"\n")
    answer = line.answer()
    assert (answer["id"], answer["error"]["code"]) == (9, -32600)
    assert "send at most 4,194,304" in answer["error"]["message"]
    line.call(2, "search_orders")
    assert line.answer()["id"] == 2


def test_a_frame_of_many_megabytes_costs_no_memory(connect: Connect) -> None:
    line = connect()
    line.call(1, "search_orders")
    line.result()
    before = _memory(line.process.pid)
    for _ in range(100):
        line.raw(b"y" * 1_000_000)
    line.raw(b"\n")
    assert "100,000,000 bytes was refused" in line.answer()["error"]["message"]
    assert _memory(line.process.pid) - before < 40_000


def test_a_thousand_calls_in_one_write_are_all_answered(line: Line) -> None:
    numbers = range(1, 1_001)
    calls = [line.request(number, "create_order", **GOOD, cl_ord_id=f"c{number}") for number in numbers]
    text = b"".join(json.dumps(call).encode() + b"\n" for call in calls)
    writing = Thread(target=line.raw, args=(text,), daemon=True)
    writing.start()
    answers = [line.answer() for _ in numbers]
    writing.join()
    assert {answer["id"] for answer in answers} == {*numbers}
    assert all(answer["result"]["structuredContent"]["status"] == "OK" for answer in answers)


def test_what_was_asked_before_the_client_hung_up_is_answered(line: Line) -> None:
    calls = [line.request(number, "create_order", **GOOD, cl_ord_id=f"c{number}") for number in range(1, 51)]
    text = b"".join(json.dumps(call).encode() + b"\n" for call in calls).rstrip(b"\n")
    stdout, _ = line.process.communicate(text, timeout=60)
    assert {json.loads(each)["id"] for each in stdout.splitlines()} == {*range(1, 51)}


def test_a_client_that_does_not_read_is_not_read_either_and_loses_nothing(connect: Connect) -> None:
    line = connect(code=f"from oms_mcp import pipes; pipes.MOST_UNREAD = 100_000\n{SERVE}")
    line.call(0, "create_order", **GOOD, cl_ord_id="c0")
    order_id = line.result()["orderId"]
    total = 4_000
    call = line.request(1, "get_order", order_id=order_id, response_format="detailed")
    text = b"".join(json.dumps({**call, "id": number}).encode() + b" " * 200 + b"\n" for number in range(total))
    writing = Thread(target=line.raw, args=(text,), daemon=True)
    writing.start()
    writing.join(timeout=5)
    assert writing.is_alive()  # the server has stopped to read
    assert {line.answer()["id"] for _ in range(total)} == {*range(total)}
    writing.join()


def test_a_call_that_is_given_up_leaves_the_data_whole(connect: Connect, tmp_path: Path) -> None:
    line = connect()
    for number in range(200):
        line.call(number, "create_order", **GOOD, cl_ord_id=f"c{number}")
        line.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})
    line.call("last", "search_orders")
    while line.answer()["id"] != "last":
        pass
    line.close()
    with Engine.open(str(tmp_path / "oms.db")) as engine:
        assert not engine.verify().findings
        orders = engine.counts()["orders"]
        assert engine.counts()["events"] == 2 * orders  # created and placed, or nothing at all


def test_a_client_that_dies_ends_the_server(connect: Connect) -> None:
    line = connect()
    line.call(1, "search_orders")
    line.result()
    assert line.process.stdout
    line.process.stdout.close()
    for number in range(2, 50):
        with suppress(BrokenPipeError):
            line.call(number, "search_orders")
    line.process.wait(timeout=30)
    assert line.process.returncode == 0


def test_reading_and_writing_take_no_thread(connect: Connect) -> None:
    code = """
import anyio, threading
from mcp.server import MCPServer
from oms_mcp.pipes import pipes
server = MCPServer("oms-mcp", log_level="WARNING")
@server.tool()
async def threads() -> int:
    return threading.active_count()
async def serve():
    async with pipes() as (incoming, outgoing):
        low = server._lowlevel_server
        await low.run(incoming, outgoing, low.create_initialization_options())
anyio.run(serve)
"""
    line = connect(code=code)
    line.call(1, "threads")
    assert line.result() == {"result": 1}


@pytest.mark.parametrize("can_wait", [True, False])
def test_what_prints_stays_off_the_wire(can_wait: bool, connect: Connect) -> None:
    code = (
        "import os, sys\nfrom oms_mcp import server as s\n"
        f"if not {can_wait}: s.can_wait = lambda: False\n"
        "from oms_mcp.tools import queries\n"
        "real = queries.backend_of\n"
        "def loud(ctx):\n"
        "    print('printed', flush=True); os.write(1, b'written'); assert not os.read(0, 1)\n"
        "    return real(ctx)\n"
        "queries.backend_of = loud\n" + SERVE
    )
    line = connect(code=code)
    line.call(1, "search_orders")
    assert line.result()["content"] == []
    stderr = line.close()
    assert "printed" in stderr
    assert "written" in stderr


def test_a_server_whose_input_is_a_file_serves_it(tmp_path: Path) -> None:
    asked = tmp_path / "asked.jsonl"
    asked.write_text(json.dumps(HELLO) + "\n", encoding="utf-8")
    with asked.open("rb") as lines:
        done = subprocess.run(
            [sys.executable, "-c", SERVE, ":memory:"], stdin=lines, capture_output=True, timeout=60, check=True
        )
    assert json.loads(done.stdout)["result"]["serverInfo"]["name"] == "oms-mcp"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_told_to_stop_stops(number: int, connect: Connect, tmp_path: Path) -> None:
    line = connect()
    line.call(1, "create_order", **GOOD, cl_ord_id="c1")
    line.result()
    os.kill(line.process.pid, number)
    line.process.wait(timeout=30)
    with Engine.open(str(tmp_path / "oms.db")) as engine:
        assert not engine.verify().findings


def test_users_are_asked_and_changes_told_through_a_process(tmp_path: Path, era: Era) -> None:
    asked: list[str] = []

    async def user(_: object, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"confirm": True})

    db = str(tmp_path / "oms.db")
    server = StdioServerParameters(command=sys.executable, args=["-c", SERVE, db])
    with Agent(server, era, user=user) as agent, Engine.open(db, session_id="other") as other:
        order_id = agent.given("LIVE")
        with agent.following(f"order://{order_id}", "oms://changes") as hear:
            fill = {"orderId": order_id, "execId": "e1", "lastQty": "10", "lastPx": "1"}
            assert other.execute({"type": "ExecutionCreateCmd", "execution": fill}).ok
            assert {hear(), hear()} == {f"order://{order_id}", "oms://changes"}
            assert agent.ok("end_order", order_id=order_id, action="expire")["state"] == "EXP"
            assert {hear(), hear()} == {f"order://{order_id}", "oms://changes"}
    assert len(asked) == 1


def _memory(pid: int) -> int:
    """Kilobytes that a process has in memory."""
    status: dict[str, str] = dict(
        each.split(":", 1) for each in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    )
    return int(status["VmRSS"].split()[0])
