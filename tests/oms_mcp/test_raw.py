"""Does execute_commands take the envelopes of the specification exactly, alone or all together?"""

from typing import Any

import pytest

from oms_engine import Engine
from tests.oms_mcp.agent import Agent

Wire = dict[str, Any]


def _create(number: int, **changes: object) -> Wire:
    order = {
        "orderId": f"o{number}",
        "clOrdId": f"c{number}",
        "account": "A",
        "symbol": "IBM",
        "side": "BUY",
        "ordType": "LIMIT",
        "price": "100",
        "orderQty": "1000",
    }
    return {"type": "OrderCreateCmd", "order": order | changes}


ACCEPT = {"type": "OrderAcceptCmd", "orderId": "o1"}
FILL = {"type": "ExecutionCreateCmd", "execution": {"orderId": "o1", "execId": "e1", "lastQty": "1000", "lastPx": "1"}}
BAD = {"type": "OrderPlaceCmd", "orderId": "o1"}


def test_envelopes_are_carried_out_in_order_past_refusals(agent: Agent) -> None:
    answer = agent.ok("execute_commands", commands=[_create(1), BAD, ACCEPT, FILL])
    assert (answer["ok"], answer["failed"], answer["notRun"], answer["mode"]) == (3, 1, [], "sandbox")
    assert [result["status"] for result in answer["results"]] == ["OK", "FAILED", "OK", "OK"]
    assert answer["results"][1]["error"]["errorCode"] == "OMS-STATE-001"
    assert answer["results"][3]["after"]["state"] == "FILLED"
    assert agent.order("o1")["state"] == "FILLED"


def test_an_atomic_batch_is_all_or_nothing(agent: Agent, engine: Engine) -> None:
    answer = agent.ok("execute_commands", commands=[_create(1), ACCEPT, BAD, FILL, {"no": "type"}], atomic=True)
    assert (answer["ok"], answer["failed"], answer["rolledBack"]) == (0, 1, True)
    assert [result.get("rolledBack", False) for result in answer["results"]] == [True, True, False]
    assert answer["notRun"] == [{"index": 3, "type": "ExecutionCreateCmd"}, {"index": 4}]
    assert engine.counts() == {"orders": 0, "executions": 0, "events": 0}


def test_an_atomic_batch_without_refusals_is_kept(agent: Agent) -> None:
    answer = agent.ok("execute_commands", commands=[_create(1), ACCEPT], atomic=True)
    assert answer["ok"] == 2
    assert "rolledBack" not in answer


def test_a_preview_of_a_batch_stores_nothing(agent: Agent, engine: Engine) -> None:
    answer = agent.ok("execute_commands", commands=[_create(1), ACCEPT], dry_run=True)
    assert [result["dryRun"] for result in answer["results"]] == [True, True]
    assert answer["results"][1]["after"]["state"] == "LIVE"
    assert engine.counts()["orders"] == 0


@pytest.mark.parametrize(
    "envelope",
    [
        5,
        "OrderAcceptCmd",
        [],
        {},
        {"type": None},
        {"type": "OrderTeleportCmd"},
        {"type": ["OrderAcceptCmd"]},
        {"type": "OrderAcceptCmd"},
        {"type": "OrderAcceptCmd", "orderId": 7},
        {"type": "OrderAcceptCmd", "orderId": "o1", "colour": "red"},
        {"type": "OrderCreateCmd", "order": "buy"},
        {"type": "OrderCreateCmd", "order": {"colour": "red"}},
        {"type": "OrderAcceptCmd", "orderId": "o1", "version": 2},
        {"type": "ExecutionBustCmd", "execId": "e1", "executionId": "e2"},
    ],
)
def test_a_malformed_envelope_is_refused_and_nothing_changes(envelope: object, modern: Agent, engine: Engine) -> None:
    modern.ok("execute_commands", commands=[_create(1)])
    before = engine.counts()
    answer = modern.ok("execute_commands", commands=[envelope])
    assert (answer["ok"], answer["failed"]) == (0, 1)
    assert answer["results"][0]["error"]["errorCode"].startswith(("OMS-VAL", "OMS-ORDER"))
    assert len(answer["results"][0]["tasks"]) == 7
    assert engine.counts() == before


def test_commands_may_come_as_json_text(modern: Agent) -> None:
    assert modern.ok("execute_commands", commands="[]")["results"] == []


@pytest.mark.parametrize(
    ("commands", "code"),
    [("buy", "OMS-VAL-004"), ({"type": "X"}, "OMS-VAL-004"), ([{}] * 10_001, "OMS-VAL-005"), (None, "OMS-VAL-003")],
)
def test_what_is_no_batch_is_refused(commands: object, code: str, modern: Agent) -> None:
    assert modern.refused("execute_commands", commands=commands)["errorCode"] == code


def test_a_long_batch_is_answered_in_short_with_exact_counts(modern: Agent) -> None:
    answer = modern.ok("execute_commands", commands=[_create(number) for number in range(300)])
    assert answer["ok"] == 300
    assert len(answer["results"]) < 300
    assert "smaller batches" in answer["truncated"]
