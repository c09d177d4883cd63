"""Does the server hold over real stdio, with a process of its own, in both eras, and with nothing else on stdout?"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.shared.exceptions import MCPError

from oms_engine import Engine
from tests.oms_mcp.agent import GOOD, Agent, Era

pytestmark = pytest.mark.slow

SERVE = "import sys; from oms_mcp.server import serve; serve(db=sys.argv[1], toolsets='all')"
HEAVY = ("torch", "chromadb", "sentence_transformers", "sqlite_utils", "numpy", "yaml")

Wire = dict[str, Any]


def _server(path: Path) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=["-c", SERVE, str(path)])


@pytest.fixture
def real(tmp_path: Path, era: Era) -> Iterator[Agent]:
    with Agent(_server(tmp_path / "oms.db"), era) as agent:
        yield agent


def test_an_order_is_traded_and_kept(tmp_path: Path, real: Agent) -> None:
    order_id = real.given("FILLED")
    error = real.refused("update_order", order_id=order_id, action="accept")
    assert error["context"]["validTransitions"] == ["CLOSED"]
    assert "LIF-01" in real.ok("read_kb", path=error["citation"])["text"]
    assert real.ok("search_kb", query="why can a filled order not be accepted again?")["hits"]
    with Engine.open(str(tmp_path / "oms.db")) as engine:
        assert engine.find(order_id).state == "FILLED"
        assert engine.find(order_id).session_id == "tester"


def test_trees_groups_quotes_and_the_kill_switch_work_through_a_process(tmp_path: Path, real: Agent) -> None:
    parent = real.create(handl_inst="MANUAL")
    child = real.create(parent_order_id=parent, order_qty="400", more={"autoAllocation": False})
    real.ok("update_order", order_id=child, action="accept")
    real.fill(child, "e1", "300")
    real.ok("allocate", order_id=child, action="approve", quantity="200")
    order = real.ok("get_order", order_id=parent, include=["children", "allocations"])
    assert ([each["orderId"] for each in order["children"]], order["cumQty"]) == ([parent, child], "200")
    real.ok("update_order", order_id=child, action="replace", price="101")
    assert real.ok("update_order", order_id=child, action="accept_replace")["after"]["state"] == "LIVE"
    members = [real.create(handl_inst="MANUAL") for _ in range(2)]
    assert real.ok("group_orders", action="group", order_ids=members)["after"]["orderQty"] == "2000"
    asked = real.ok("quote", action="request", symbol="IBM", quantity="5")
    quoted = real.ok("quote", action="quote", quote_req_id=asked["id"], price="99")
    assert real.ok("quote", action="accept", quote_id=quoted["id"])["state"] == "ACCEPTED"
    real.ok("settings", action="set", changes={"risk.killSwitch": True}, confirm=True)
    with Agent(_server(tmp_path / "oms.db"), name="second") as second:
        error = second.refused("create_order", **GOOD, cl_ord_id="k1")
    assert error["errorCode"] == "OMS-RISK-007"


def test_contracts_prompts_and_completions_come_through_a_process(real: Agent) -> None:
    order_id = real.given("CXL")
    schema = json.loads(real.resource("spec://schema/Order?format=json-schema"))
    assert schema["title"] == "Order"
    assert real.ok("read_kb", path="spec/records.md#order")["text"].startswith("## Order")
    assert real.ok("search_kb", query="fields of the problem details", category="spec")["hits"]
    steps, given, order, events, *links = real.prompt("explain-order", order_id=order_id)
    assert "1. Read the order" in steps.text  # type: ignore[union-attr] # the blocks are those of the prompt
    assert json.loads(given.text) == {"order_id": order_id}  # type: ignore[union-attr] # as above
    assert json.loads(order.resource.text)["state"] == "CXL"  # type: ignore[union-attr] # as above
    assert json.loads(events.resource.text)["events"][-1]["type"] == "OrderCancelled"  # type: ignore[union-attr] # as above
    assert links
    with pytest.raises(MCPError, match="order_id is missing"):
        real.prompt("explain-order")
    assert real.completed("explain-order", "order_id", order_id[:6]) == [order_id]
    assert real.completed("spec://schema/{name}{?format}", "format", "ja") == ["java"]
    assert next(prompt.name for prompt in real.prompts()) == "implement-from-spec"


def test_a_simulation_runs_on_a_copy_through_a_process(real: Agent) -> None:
    order_id = real.given("LIVE")
    fill = {"orderId": order_id, "execId": "e1", "lastQty": "1000", "lastPx": "100"}
    commands = [{"type": "ExecutionCreateCmd", "execution": fill}]
    assert real.ok("simulate", commands=commands)["orders"][0]["state"] == "FILLED"
    assert real.ok("simulate", scenario="quantities#N9")["held"]
    assert real.progress_of("simulate", commands=commands)[-1][:2] == (1, 1)
    groups = real.ok("search_orders", group_by="state")["groups"]
    assert [(group["key"], group["count"]) for group in groups] == [("LIVE", 1)]


def test_bad_input_leaves_the_server_working(real: Agent) -> None:
    assert real.refused("create_order", **GOOD, cl_ord_id="c1", colour="red")["errorCode"] == "OMS-VAL-002"
    big = real.refused("create_order", **GOOD, cl_ord_id="c1", more={"text": "x" * 1_000_000})
    assert big["errorCode"] == "OMS-VAL-005"
    assert real.create()


def test_two_servers_share_a_file(tmp_path: Path, real: Agent) -> None:
    order_id = real.create()
    with Agent(_server(tmp_path / "oms.db"), name="second") as second:
        assert second.ok("update_order", order_id=order_id, action="accept")["state"] == "LIVE"
    assert real.order(order_id)["state"] == "LIVE"


def _speak(*messages: Wire) -> tuple[list[Wire], str]:
    """What a server answers to lines of JSON, and what it writes to stderr."""
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    done = subprocess.run(
        [sys.executable, "-c", SERVE, ":memory:"], input=lines, capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


HELLO: Wire = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "wire", "version": "1"},
    },
}


def test_stdout_carries_the_protocol_alone_and_the_end_is_quiet() -> None:
    answers, stderr = _speak(HELLO)
    assert [answer["id"] for answer in answers] == [1]
    assert answers[0]["result"]["serverInfo"]["name"] == "oms-mcp"
    assert answers[0]["result"]["instructions"]
    assert stderr == ""


def test_nothing_heavy_is_imported_before_the_handshake() -> None:
    code = "import sys, oms_mcp.server as s\nfrom oms_engine import Engine\nfrom knowledge_base import Library\n"
    code += "s.build_server(Engine.open(), Library.open())\n"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("toolsets", "events"), [("queries,states,knowledge", 0), ("orders,queries", 1)])
def test_a_server_whose_tools_only_read_stores_no_setting(tmp_path: Path, toolsets: str, events: int) -> None:
    path = str(tmp_path / "oms.db")
    code = (
        f"from oms_mcp.server import serve; serve(db={path!r}, toolsets={toolsets!r}, settings={{'routing': 'manual'}})"
    )
    subprocess.run([sys.executable, "-c", code], input="", capture_output=True, text=True, timeout=60, check=True)
    with Engine.open(path) as engine:
        assert engine.counts()["events"] == events


def test_an_unknown_toolset_ends_the_start_with_the_valid_ones() -> None:
    code = "from oms_mcp.server import serve; serve(toolsets='order')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "use orders, executions, queries, states, simulation, knowledge, raw, admin or all" in done.stderr
