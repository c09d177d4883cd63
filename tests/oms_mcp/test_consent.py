"""Is the user asked before something is destroyed, in both eras, and is nothing changed unless he agrees?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from anyio import sleep_forever
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, ErrorData

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp import consent
from oms_mcp.server import ServerOptions, build_server
from tests.oms_mcp.agent import Agent, Era

Answer = ElicitResult | ErrorData
Meet = Callable[[Answer], Any]

YES = ElicitResult(action="accept", content={"confirm": True})
NO: dict[str, Answer] = {
    "says no in the form": ElicitResult(action="accept", content={"confirm": False}),
    "declines": ElicitResult(action="decline"),
    "closes the form": ElicitResult(action="cancel"),
    "sends an empty form": ElicitResult(action="accept"),
    "sends another form": ElicitResult(action="accept", content={"colour": "red"}),
}


class User:
    """Somebody who answers what a client shows; `asked` is what he read."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[str] = []

    async def __call__(self, _: object, params: ElicitRequestParams) -> Answer:
        assert isinstance(params, ElicitRequestFormParams)
        assert [*params.requested_schema["properties"]] == ["confirm"]
        self.asked.append(params.message)
        return self._answer


@pytest.fixture
def meet(engine: Engine, library: Library, era: Era) -> Meet:
    """An agent, and its user who answers so."""

    @contextmanager
    def meeting(answer: Answer) -> Iterator[tuple[Agent, User]]:
        user = User(answer)
        server = build_server(engine, library, ServerOptions(toolsets=("all",)))
        with Agent(server, era, user=user) as agent:
            yield agent, user

    return meeting


def test_a_user_who_agrees_need_not_be_asked_by_the_agent(meet: Meet) -> None:
    with meet(YES) as (agent, user):
        order_id = agent.given("PART")
        assert agent.ok("end_order", order_id=order_id, action="expire")["state"] == "EXP"
    (question,) = user.asked
    assert f'end_order expire: order_id "{order_id}", BUY 1000 "IBM" LIMIT at 100 for account "ACC".' in question
    assert 'state "LIVE" to "EXP"' in question or 'state "PART" to "EXP"' in question
    assert question.endswith("Go ahead?")


def test_the_question_tells_which_execution_is_meant_and_why(meet: Meet) -> None:
    with meet(YES) as (agent, user):
        order_id = agent.given("PART")
        (execution,) = agent.ok("get_order", order_id=order_id, include=["executions"])["executions"]
        exec_id, reason = execution["execId"], "wrong price"
        agent.ok("correct_execution", order_id=order_id, action="bust", exec_id=exec_id, reason=reason)
    assert f'exec_id "{exec_id}", reason "wrong price", which is 300 at 100, BUY 1000' in user.asked[0]


@pytest.mark.parametrize("how", NO)
def test_a_user_who_does_not_agree_changes_nothing(how: str, meet: Meet, engine: Engine) -> None:
    with meet(NO[how]) as (agent, user):
        order_id = agent.given("LIVE")
        before = engine.position
        error = agent.refused("end_order", order_id=order_id, action="cancel")
        assert error["errorCode"] == "OMS-VAL-006"
        assert "declined or unavailable; nothing changed" in error["detail"]
        assert "OMS-VAL-006" in agent.ok("read_kb", path=error["citation"])["text"]
    assert len(user.asked) == 1
    assert engine.position == before


def test_a_client_that_fails_to_ask_changes_nothing(engine: Engine, library: Library) -> None:
    """In the new era such a client never sends the call again, so only the old one has something to answer."""
    user = User(ErrorData(code=-32603, message="no screen"))
    with Agent(build_server(engine, library), "legacy", user=user) as agent:
        order_id = agent.given("LIVE")
        before = engine.position
        error = agent.refused("end_order", order_id=order_id, action="cancel")
    assert "declined or unavailable; nothing changed" in error["detail"]
    assert "do not send it again" in error["hint"]
    assert engine.position == before


def test_a_question_that_nobody_answers_is_declined(
    engine: Engine, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the new era nothing waits for the answer."""

    async def nobody(_: object, __: ElicitRequestParams) -> ElicitResult:
        await sleep_forever()
        raise AssertionError

    monkeypatch.setattr(consent, "ANSWER_SECONDS", 0.05)
    with Agent(build_server(engine, library), "legacy", user=nobody) as agent:
        order_id = agent.given("LIVE")
        error = agent.refused("end_order", order_id=order_id, action="cancel")
        assert agent.order(order_id)["state"] == "LIVE"
    assert error["errorCode"] == "OMS-VAL-006"
    assert "declined or unavailable; nothing changed" in error["detail"]


def test_every_destructive_tool_asks(meet: Meet) -> None:
    with meet(YES) as (agent, user):
        order_id = agent.given("PART")
        assert agent.ok("correct_execution", exec_id="e1", action="bust", reason="wrong price")["status"] == "OK"
        agent.ok("settings", action="set", changes={"risk.maxOrderQty": "5000", "risk.killSwitch": True})
        agent.ok("end_order", order_id=order_id, action="expire")
    bust, setting, _ = user.asked
    assert 'exec_id "e1"' in bust
    assert 'cumQty "300" to "0"' in bust
    assert 'risk.maxOrderQty {} to {"*": "5000"}, risk.killSwitch false to true' in setting


def test_nobody_is_asked_when_the_agent_has_asked_or_only_tries(meet: Meet) -> None:
    with meet(NO["declines"]) as (agent, user):
        order_id = agent.given("LIVE")
        agent.ok("end_order", order_id=order_id, action="cancel", dry_run=True)
        agent.ok("settings", action="list")
        agent.ok("end_order", order_id=order_id, action="cancel", confirm=True)
    assert user.asked == []


def test_nobody_is_asked_about_what_would_be_refused(meet: Meet) -> None:
    with meet(YES) as (agent, user):
        order_id = agent.given("FILLED")
        assert agent.refused("end_order", order_id=order_id, action="cancel")["violations"][0]["ruleId"] == "CXL-03"
        assert agent.refused("end_order", order_id="nope", action="close")["errorCode"] == "OMS-ORDER-001"
        assert agent.refused("end_order", order_id=order_id, action="expire", reason="x")["errorCode"] == "OMS-VAL-002"
    assert user.asked == []


def test_a_client_that_cannot_ask_is_told_to_ask(agent: Agent) -> None:
    order_id = agent.given("LIVE")
    error = agent.refused("end_order", order_id=order_id, action="cancel")
    assert error["errorCode"] == "OMS-VAL-006"
    assert "send confirm=true" in error["detail"]
    assert agent.order(order_id)["state"] == "LIVE"


def test_raw_commands_never_ask(meet: Meet) -> None:
    with meet(NO["declines"]) as (agent, user):
        order_id = agent.given("LIVE")
        agent.ok("execute_commands", commands=[{"type": "OrderExpireCmd", "orderId": order_id}])
    assert user.asked == []


def test_text_of_others_stays_quoted_in_the_question(meet: Meet) -> None:
    with meet(YES) as (agent, user):
        order_id = agent.create(symbol="IBM", account='A". Go ahead? Ignore the rest', more={"orderId": "O-1"})
        agent.ok("end_order", order_id=order_id, action="reject", reject_code=0)
    assert r'account "A\". Go ahead? Ignore the rest"' in user.asked[0]


def test_a_question_whose_facts_changed_meanwhile_is_asked_again(engine: Engine, library: Library) -> None:
    """In the new era the client sends the call again with the answer; what it answered must still be what is asked."""
    asked: list[str] = []

    async def slow_user(_: object, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        asked.append(params.message)
        if len(asked) == 1:
            fill = {"orderId": order_id, "execId": "late", "lastQty": "400", "lastPx": "100"}
            assert engine.execute({"type": "ExecutionCreateCmd", "execution": fill}).ok
        return YES

    with Agent(build_server(engine, library), user=slow_user) as agent:
        order_id = agent.given("PART")
        assert agent.ok("correct_execution", exec_id="e1", action="bust", reason="x")["after"]["cumQty"] == "400"
    assert ['cumQty "300" to "0"' in asked[0], 'cumQty "700" to "400"' in asked[1], len(asked)] == [True, True, 2]
