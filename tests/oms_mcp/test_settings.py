"""Does the tool for settings read and change them, only where it is switched on and the user agreed?"""

import json

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_engine.settings import Settings
from oms_mcp.server import build_server
from tests.oms_mcp.agent import GOOD, Agent, Wire


def _switch(agent: Agent, value: str) -> Wire:
    return agent.ok("settings", action="set", changes={"risk.killSwitch": value}, confirm=True)


def test_the_tool_is_off_unless_it_is_asked_for(engine: Engine, library: Library) -> None:
    with Agent(build_server(engine, library)) as agent:
        error = agent.refused("settings", action="list")
    assert "toolset admin" in error["detail"]


def test_the_kill_switch_stops_new_orders_and_lets_cancels_pass(agent: Agent) -> None:
    order_id = agent.given("LIVE")
    thrown = _switch(agent, "on")
    assert (thrown["before"], thrown["after"]) == ({"risk.killSwitch": False}, {"risk.killSwitch": True})
    error = agent.refused("create_order", cl_ord_id="k1", **GOOD)
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == ("OMS-RISK-007", "RSK-07")
    assert agent.ok("end_order", order_id=order_id, action="cancel", confirm=True)["after"]["cancelState"] == "PCXL"
    _switch(agent, "off")
    assert agent.ok("create_order", cl_ord_id="k2", **GOOD)["state"] == "UNACK"


def test_a_change_is_an_event_with_its_actor(agent: Agent) -> None:
    answer = _switch(agent, "on")
    assert (answer["id"], answer["version"], "orderId" in answer) == ("settings", 1, False)
    event = agent.ok("search_orders", entity="event", where=["streamId=settings"], response_format="detailed")
    assert event["content"][0]["actor"] == "tester 1"
    concise = agent.ok("search_orders", entity="event", where=["streamId=settings"])
    assert concise["content"][0]["actor"] == "tester 1"
    assert event["content"][0]["payload"] == {"key": "risk.killSwitch", "old": False, "new": True}


def test_settings_are_listed_and_read_by_name(agent: Agent) -> None:
    listed = agent.ok("settings", action="list")
    assert [*listed["settings"]] == [*Settings.names()]
    assert (listed["mode"], listed["settings"]["dayEnd"]) == ("sandbox", "off")
    assert json.loads(agent.resource("oms://settings")) == {**listed["settings"], "referencePrices": {}}
    got = agent.ok("settings", action="get", keys=["equity.lotSize", "routing"])
    assert got["settings"] == {"equity.lotSize": "100", "routing": "auto"}
    detailed = agent.ok("settings", action="get", keys=["query.maxSize"], response_format="detailed")["settings"]
    assert detailed["query.maxSize"]["changeable"] is False
    assert detailed["query.maxSize"]["default"] == 500
    assert detailed["query.maxSize"]["description"]


def test_what_is_off_is_told_as_it_is_written(agent: Agent) -> None:
    on = agent.ok("settings", action="set", changes={"dayEnd": "17:30"}, confirm=True)
    assert (on["before"], on["after"]) == ({"dayEnd": "off"}, {"dayEnd": "17:30"})
    off = agent.ok("settings", action="set", changes={"dayEnd": on["before"]["dayEnd"]}, confirm=True)
    assert off["after"] == {"dayEnd": "off"}


def test_a_reference_price_is_posted_and_limits_hold_by_it(agent: Agent) -> None:
    agent.ok("settings", action="set", changes={"risk.collarPercent": "5"}, confirm=True)
    posted = agent.ok("settings", action="post_price", symbol="IBM", price="100", confirm=True)
    assert (posted["before"], posted["after"]) == ({"referencePrices": {}}, {"referencePrices": {"IBM": "100"}})
    assert agent.ok("settings", action="list")["referencePrices"] == {"IBM": "100"}
    assert agent.ok("settings", action="get", keys=["routing"])["referencePrices"] == {"IBM": "100"}
    assert json.loads(agent.resource("oms://settings"))["referencePrices"] == {"IBM": "100"}
    error = agent.refused("create_order", cl_ord_id="p1", **GOOD | {"price": "106"})
    assert error["violations"][0]["ruleId"] == "RSK-03"


@pytest.mark.parametrize(
    "arguments",
    [
        {"action": "set", "changes": {"risk.killSwitch": True}},
        {"action": "post_price", "symbol": "IBM", "price": "1"},
    ],
)
def test_a_change_needs_confirmation_and_a_preview_does_not(arguments: Wire, agent: Agent, engine: Engine) -> None:
    error = agent.refused("settings", **arguments)
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == ("OMS-VAL-006", "CNF-01")
    assert agent.ok("settings", **arguments, dry_run=True)["dryRun"] is True
    assert engine.counts()["events"] == 0
    assert engine.settings == Settings()


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        ({"action": "set", "changes": {"risk.killswitch": True}}, "OMS-VAL-004", "changes"),
        ({"action": "set", "changes": {"routing": "sideways"}}, "OMS-VAL-004", "changes"),
        ({"action": "set", "changes": {"grouping.maxMembers": 1}}, "OMS-VAL-005", "changes"),
        ({"action": "set", "changes": {"query.maxSize": 5}}, "OMS-VAL-004", "changes"),
        ({"action": "set", "changes": {"routing": "auto"}}, "OMS-VAL-001", "changes"),
        ({"action": "set", "changes": {}}, "OMS-VAL-003", "changes"),
        ({"action": "set"}, "OMS-VAL-003", "changes"),
        ({"action": "set", "changes": "all"}, "OMS-VAL-004", "changes"),
        ({"action": "post_price", "symbol": "IBM", "price": "0"}, "OMS-VAL-005", "price"),
        ({"action": "post_price", "price": "1"}, "OMS-VAL-003", "symbol"),
        ({"action": "get"}, "OMS-VAL-003", "keys"),
        ({"action": "get", "keys": ["lotSize"]}, "OMS-VAL-004", "keys"),
        ({"action": "list", "keys": ["routing"]}, "OMS-VAL-002", "keys"),
        ({"action": "list", "command_id": "K"}, "OMS-VAL-002", "command_id"),
        ({"action": "get", "keys": ["routing"], "expected_version": 1}, "OMS-VAL-002", "expected_version"),
        ({"action": "set", "changes": {"routing": "manual"}, "symbol": "IBM"}, "OMS-VAL-002", "symbol"),
        ({"action": "drop"}, "OMS-VAL-004", "action"),
    ],
)
def test_what_cannot_be_set_or_read_is_refused_by_name(
    arguments: Wire, code: str, field: str, modern: Agent, engine: Engine
) -> None:
    error = modern.refused("settings", **arguments, confirm=True)
    assert (error["errorCode"], error["violations"][0]["field"]) == (code, field)
    assert engine.counts()["events"] == 0


def test_a_change_is_idempotent_and_guards_its_version(modern: Agent) -> None:
    change = {"action": "set", "changes": {"routing": "manual"}, "confirm": True}
    first = modern.ok("settings", **change, command_id="K1", expected_version=0)
    again = modern.ok("settings", **change, command_id="K1")
    assert (again["duplicate"], again["after"]) == (True, first["after"])
    back = modern.refused("settings", **change | {"changes": {"routing": "auto"}}, expected_version=0)
    assert back["errorCode"] == "OMS-LOCK-001"
