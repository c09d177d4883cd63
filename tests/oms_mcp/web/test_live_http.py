"""Does what is live over stdio work over HTTP as well: changes, questions to the user, progress, giving up?"""

import json
from pathlib import Path

import pytest

from oms_engine import Engine
from oms_mcp.scopes import Scope
from oms_mcp.web.limits import Limits
from tests.oms_mcp.agent import Agent, Era, over_http
from tests.oms_mcp.test_consent import NO, YES, User
from tests.oms_mcp.web.conftest import Grant, Served

ACCEPT = {"type": "OrderAcceptCmd"}


def test_changes_are_heard_whoever_made_them(served: Served, tmp_path: Path, era: Era) -> None:
    front = served()
    with Agent(over_http(front.url), era) as agent, Agent(over_http(front.url), "auto", name="other") as other:
        order_id = agent.create()
        with agent.following(f"order://{order_id}", "oms://changes") as hear:
            other.ok("update_order", order_id=order_id, action="accept")
            assert {hear(), hear()} == {f"order://{order_id}", "oms://changes"}
            with Engine.open(str(tmp_path / "oms.db"), session_id="elsewhere") as elsewhere:
                fill = {"orderId": order_id, "execId": "E1", "lastQty": "10", "lastPx": "1"}
                assert elsewhere.execute({"type": "ExecutionCreateCmd", "execution": fill}).ok
            assert {hear(), hear()} == {f"order://{order_id}", "oms://changes"}


def test_a_user_who_agrees_is_enough(served: Served, era: Era) -> None:
    user = User(YES)
    with Agent(over_http(served().url), era, user=user) as agent:
        order_id = agent.given("LIVE")
        assert agent.ok("end_order", order_id=order_id, action="expire")["state"] == "EXP"
    assert len(user.asked) == 1


@pytest.mark.parametrize("how", ["declines", "says no in the form"])
def test_a_user_who_does_not_agree_changes_nothing(served: Served, era: Era, how: str) -> None:
    user = User(NO[how])
    with Agent(over_http(served().url), era, user=user) as agent:
        order_id = agent.given("LIVE")
        assert agent.refused("end_order", order_id=order_id, action="expire")["errorCode"] == "OMS-VAL-006"
        assert agent.order(order_id)["state"] == "LIVE"


def test_progress_of_a_simulation_is_told(served: Served, era: Era) -> None:
    with Agent(over_http(served().url), era) as agent:
        order_id = agent.create()
        told = agent.progress_of("simulate", commands=[ACCEPT | {"orderId": order_id}] * 3)
        assert agent.order(order_id)["state"] == "UNACK"
    assert [done for done, total, _ in told if total == 3] == [1, 2, 3]


def test_a_caller_who_gives_up_leaves_the_data_whole(served: Served, tmp_path: Path, era: Era) -> None:
    with Agent(over_http(served().url), era) as agent:
        order_id = agent.create()
        agent.given_up("simulate", 0.01, commands=[ACCEPT | {"orderId": order_id}] * 1_000)
        assert agent.ok("update_order", order_id=order_id, action="accept")["state"] == "LIVE"
    with Engine.open(str(tmp_path / "oms.db")) as engine:
        assert not engine.verify().findings
        assert engine.find(order_id).state == "LIVE"


@pytest.mark.slow
def test_a_thousand_calls_at_once_are_all_answered(served: Served, era: Era) -> None:
    limits = Limits(rate=0, in_flight=2_000)
    with Agent(over_http(served(limits=limits).url), era) as agent:
        order_id = agent.create()
        answers = agent.together(1_000, "get_order", order_id=order_id)
    assert [answer["orderId"] for answer in answers] == [order_id] * 1_000


def test_who_may_only_read_hears_of_orders_and_changes_none(
    served: Served, tokens: Path, grant: Grant, era: Era
) -> None:
    reader, trader = grant(Scope.ORDERS_READ, subject="reader"), grant(subject="trader")
    front = served(tokens=tokens)
    with Agent(over_http(front.url, trader), era) as trading, Agent(over_http(front.url, reader), era) as reading:
        order_id = trading.create()
        with reading.following(f"order://{order_id}") as hear:
            trading.ok("update_order", order_id=order_id, action="accept")
            assert hear() == f"order://{order_id}"
        assert json.loads(reading.resource(f"order://{order_id}"))["state"] == "LIVE"
        assert reading.refused("end_order", order_id=order_id, action="close", confirm=True)["status"] == 403
