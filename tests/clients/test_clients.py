"""Do clients that we did not write get along with the server? They start it over stdio, as a user's client does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oms_mcp.web.tokens import new_token
from tests.serving import oms_serving, started

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
Json = dict[str, Any]
TOOLS = [
    "allocate",
    "check_transitions",
    "correct_execution",
    "create_order",
    "end_order",
    "get_order",
    "group_orders",
    "order_history",
    "quote",
    "read_kb",
    "report_execution",
    "search_kb",
    "search_orders",
    "simulate",
    "update_order",
]


SDKS = ("1", "2", "2-legacy")


@pytest.fixture
def server(tmp_path: Path) -> list[str]:
    if not (HERE / "node_modules").is_dir():
        pytest.fail(f"the clients are not installed; run npm ci in {HERE}")
    return [str(Path(sys.executable).with_name("oms")), "serve", "--db", str(tmp_path / "clients.db")]


def run_quietly(*command: str) -> Json:
    """The JSON a client printed; it must have had nothing to complain of."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer: Json = json.loads(done.stdout)
    return answer


def inspect(server: list[str], *options: str) -> Json:
    return run_quietly("node_modules/.bin/mcp-inspector", "--cli", *server, *options)


@pytest.fixture
def report(server: list[str]) -> Json:
    return run_quietly("node", "one_order.mjs", "1", *server)


def test_the_typescript_client_trades_an_order_and_asks_why(report: Json) -> None:
    traded(report)


def traded(report: Json) -> None:
    """An order was traded, and each answer says what it must."""
    assert report["server"]["name"] == "oms-mcp"
    assert "create_order" in report["instructions"]
    assert sorted(report["tools"]) == TOOLS
    assert {"oms://status", "kb://index"} <= {*report["resources"]}
    assert "order://{orderId}{?as_of}" in report["resourceTemplates"]

    answers = {label: answer["structuredContent"] for label, answer in report["answers"].items()}
    assert [answers[label]["state"] for label in ("created", "accepted", "filled")] == ["UNACK", "LIVE", "FILLED"]
    error = answers["refused"]["error"]
    assert error["errorCode"] == "OMS-ORDER-006"
    assert error["violations"][0]["ruleId"] == "CXL-03"
    assert f"{answers['read']['path']}#{answers['read']['anchor']}" == error["citation"]
    assert "CXL-03" in answers["read"]["text"]
    order = answers["order"]
    assert (order["cumQty"], order["leavesQty"], order["avgPx"]) == ("300", "0", "101.25")
    assert [execution["execId"] for execution in order["executions"]] == ["E-1"]
    assert [row["orderId"] for row in answers["queried"]["content"]] == [order["orderId"]]
    assert [event["version"] for event in answers["history"]["events"]] == [1, 2, 3, 4, 5]
    assert answers["checked"]["valid"]
    assert len(answers["found"]["hits"]) == 3
    assert (report["order"]["orderId"], report["order"]["state"]) == (order["orderId"], "FILLED")
    assert report["status"]["counts"] == {"orders": 1, "executions": 1, "events": 5}


def test_only_the_refusal_is_an_error_and_text_says_what_the_structure_says(report: Json) -> None:
    consistent(report)


def consistent(report: Json) -> None:
    """Only the refusal is an error, and text and structure say the same."""
    for label, answer in report["answers"].items():
        assert bool(answer.get("isError")) == (label == "refused"), label
        assert [json.loads(block["text"]) for block in answer["content"]] == [answer["structuredContent"]], label


def test_the_inspector_finds_every_schema_portable(server: list[str]) -> None:
    listed = inspect(server, "--method", "tools/list", "--strict")
    assert sorted(tool["name"] for tool in listed["tools"]) == TOOLS


def test_the_inspector_finds_the_tools_that_are_off_by_default_portable_too(server: list[str]) -> None:
    listed = inspect([*server, "--toolsets", "all"], "--method", "tools/list", "--strict")
    assert sorted(tool["name"] for tool in listed["tools"]) == sorted([*TOOLS, "execute_commands", "settings"])


def test_the_inspector_calls_a_tool_and_reads_the_order_back(server: list[str]) -> None:
    terms = [
        "cl_ord_id=I-1",
        "account=ACC-1",
        "symbol=ACME",
        "side=BUY",
        "ord_type=LIMIT",
        "order_qty=300",
        "price=9.5",
    ]
    created = inspect(server, "--method", "tools/call", "--tool-name", "create_order", "--tool-arg", *terms)
    order_id = created["structuredContent"]["orderId"]
    assert created["structuredContent"]["state"] == "UNACK"

    read = inspect(server, "--method", "resources/read", "--uri", f"order://{order_id}")
    order = json.loads(read["contents"][0]["text"])
    assert (order["orderId"], order["orderQty"], order["price"]) == (order_id, "300", "9.5")


def test_the_inspector_lists_resources_and_templates(server: list[str]) -> None:
    resources = inspect(server, "--method", "resources/list")["resources"]
    assert {"oms://status", "kb://index"} <= {resource["uri"] for resource in resources}
    templates = inspect(server, "--method", "resources/templates/list")["resourceTemplates"]
    assert "order://{orderId}{?as_of}" in {template["uriTemplate"] for template in templates}


@pytest.fixture
def token(tmp_path: Path) -> str:
    return new_token(tmp_path / "tokens.json", "node", ["orders:read", "orders:write", "kb:read"])[0]


@pytest.fixture
def url(server: list[str], tmp_path: Path, token: str) -> Iterator[str]:
    """Where a server is reached over HTTP by who holds the token."""
    assert token
    with started(oms_serving("--tokens", tmp_path / "tokens.json", *server[2:])) as running:
        yield running.url


@pytest.mark.parametrize("sdk", SDKS)
def test_both_typescript_clients_trade_an_order_over_http(url: str, token: str, sdk: str) -> None:
    report = run_quietly("node", "one_order.mjs", sdk, url, token)
    traded(report)
    consistent(report)


def test_the_inspector_finds_nothing_to_report_over_http(url: str, token: str) -> None:
    header = ("--transport", "http", "--header", f"Authorization: Bearer {token}")
    listed = inspect([url], *header, "--method", "tools/list", "--strict")
    assert sorted(tool["name"] for tool in listed["tools"]) == TOOLS
    read = inspect([url], *header, "--method", "resources/read", "--uri", "oms://status")
    assert json.loads(read["contents"][0]["text"])["mode"] == "file"


def test_a_client_without_a_token_is_told_so(url: str) -> None:
    done = subprocess.run(
        ["node", "one_order.mjs", "2", url], cwd=HERE, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert "a bearer token is needed" in done.stderr
