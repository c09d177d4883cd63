"""Is it kept who acted, and through which client, however a command came through MCP?"""

import sys
from pathlib import Path

import pytest
from mcp import StdioServerParameters

from knowledge_base import Library
from oms_engine import Engine
from oms_engine.audit import audit
from oms_mcp.seam import one_line
from oms_mcp.server import build_server
from tests.oms_mcp.agent import Agent, Era, Wire

CREATE: Wire = {
    "type": "OrderCreateCmd",
    "order": {
        "orderId": "o1",
        "clOrdId": "c1",
        "account": "A",
        "symbol": "IBM",
        "side": "BUY",
        "ordType": "LIMIT",
        "price": "100",
        "orderQty": "1000",
    },
}


def actors(engine: Engine) -> list[str]:
    return [event.actor for event in engine.events()]


def test_a_client_without_a_token_is_kept_with_its_version(agent: Agent, engine: Engine) -> None:
    agent.create()
    agent.ok("execute_commands", commands=[CREATE])
    assert set(actors(engine)) == {"tester 1"}


def test_whom_an_envelope_names_is_kept_beside_the_client(agent: Agent, engine: Engine) -> None:
    agent.ok("execute_commands", commands=[CREATE | {"actor": "ann"}])
    assert set(actors(engine)) == {"ann via tester 1"}


def test_a_client_cannot_pass_for_another_by_its_name(engine: Engine, library: Library, era: Era) -> None:
    with Agent(build_server(engine, library), era, "alice via desk\n2026 ok\x1b[31m") as agent:
        agent.create()
    assert set(actors(engine)) == {"alice_via_desk 2026 ok [31m 1"}


def test_a_client_whom_an_envelope_names_is_kept_beside_itself(agent: Agent, engine: Engine) -> None:
    agent.ok("execute_commands", commands=[CREATE | {"actor": "tester"}])
    assert set(actors(engine)) == {"tester via tester 1"}


def test_a_name_that_ends_in_the_word_between_names_nobody(engine: Engine, library: Library, era: Era) -> None:
    with Agent(build_server(engine, library), era, "alice via") as agent:
        agent.create()
    assert [(entry.actor, entry.client) for entry in audit(engine).entries] == [("alice_via_1", None)]


def test_names_are_bounded(engine: Engine, library: Library, era: Era) -> None:
    with Agent(build_server(engine, library), era, "n" * 5000) as agent:
        agent.create()
    assert set(actors(engine)) == {"n" * 64 + " 1"}


def test_roles_know_a_client_by_its_name_alone(agent: Agent, engine: Engine) -> None:
    order = agent.given("FILLED")
    engine.execute({"type": "SettingsChangeCmd", "changes": {"roles": {"OrderCloseCmd": ["tester"]}}})
    assert agent.ok("end_order", order_id=order, action="close", confirm=True)["state"] == "CLOSED"


def test_roles_do_not_take_the_client_for_the_one_who_acts(agent: Agent, engine: Engine) -> None:
    engine.execute({"type": "SettingsChangeCmd", "changes": {"roles": {"OrderCreateCmd": ["tester"]}}})
    result = agent.ok("execute_commands", commands=[CREATE | {"actor": "ann"}])["results"][0]
    assert result["error"]["errorCode"] == "OMS-AUTH-003"


@pytest.mark.slow
def test_over_stdio_the_client_is_kept_in_the_file(tmp_path: Path, era: Era) -> None:
    db = tmp_path / "orders.db"
    serve = [sys.executable, "-c", "import sys; from oms_mcp.server import serve; serve(db=sys.argv[1])", str(db)]
    with Agent(StdioServerParameters(command=serve[0], args=serve[1:]), era) as agent:
        agent.create()
    with Engine.open(str(db)) as engine:
        assert set(actors(engine)) == {"tester 1"}


@pytest.mark.parametrize(
    ("given", "told"),
    [("  a \t b ", "a b"), ("\u202e\x00", ""), ("x via y via z", "x_via_y_via_z"), ("via", "via"), ("é" * 9, "é" * 8)],
)
def test_names_become_one_line(given: str, told: str) -> None:
    assert one_line(given, 8 if "é" in given else 64) == told
