"""Does the tool for quotes ask, quote, take and end them, and do searches find them?"""

import pytest

from oms_engine import Engine
from tests.oms_mcp.agent import Agent, Wire


@pytest.fixture
def request_id(agent: Agent) -> str:
    asked = agent.ok("quote", action="request", quote_req_id="R1", symbol="IBM", quantity="100", side="BUY")
    return str(asked["id"])


def _quoted(agent: Agent, quote_id: str, price: str) -> Wire:
    return agent.ok("quote", action="quote", quote_req_id="R1", quote_id=quote_id, price=price, quoted_by="ann")


def test_a_request_is_asked_quoted_and_taken(agent: Agent, request_id: str) -> None:
    first = _quoted(agent, "Q1", "99.5")
    assert (first["id"], first["quoteId"], first["quoteReqId"], first["state"]) == ("Q1", "Q1", request_id, "QUOTED")
    assert first["after"] == {
        "quoteId": "Q1",
        "quoteReqId": "R1",
        "price": "99.5",
        "quantity": "100",
        "quotedBy": "ann",
        "state": "QUOTED",
    }
    assert {state["to"]: state["command"] for state in first["nextStates"]} == {
        "ACCEPTED": "QuoteAcceptCmd",
        "REJECTED": "QuoteRejectCmd",
        "EXPIRED": "QuoteExpireCmd",
    }
    _quoted(agent, "Q2", "99.4")
    taken = agent.ok("quote", action="accept", quote_id="Q2")
    assert (taken["before"]["state"], taken["after"]["state"], taken["nextStates"]) == ("QUOTED", "ACCEPTED", [])
    assert [event["type"] for event in taken["events"]] == ["QuoteAccepted", "QuoteRejected"]
    rows = agent.ok("search_orders", entity="quote", sort="quoteId")["content"]
    assert [(row["quoteId"], row["state"]) for row in rows] == [("Q1", "REJECTED"), ("Q2", "ACCEPTED")]
    found = agent.ok("search_orders", entity="quote_request", where=["state=ACCEPTED"])["content"]
    assert [row["quoteReqId"] for row in found] == [request_id]


def test_a_new_request_waits_for_its_first_quote(agent: Agent) -> None:
    asked = agent.ok("quote", action="request", symbol="IBM", quantity="5", currency="EUR", account="A")
    assert (asked["state"], asked["version"], asked["after"]["currency"]) == ("PENDING", 1, "EUR")
    assert asked["id"].startswith("QRQ-")
    assert [state["to"] for state in asked["nextStates"]] == ["QUOTED", "REJECTED", "EXPIRED"]


@pytest.mark.parametrize(("action", "state"), [("reject", "REJECTED"), ("expire", "EXPIRED")])
def test_one_quote_is_ended_or_the_request_with_all_of_them(
    action: str, state: str, agent: Agent, request_id: str
) -> None:
    for quote_id in ("Q1", "Q2", "Q3"):
        _quoted(agent, quote_id, "99")
    one = agent.ok("quote", action=action, quote_id="Q1", reason="late")
    assert (one["id"], one["state"]) == ("Q1", state)
    whole = agent.ok("quote", action=action, quote_req_id=request_id)
    assert (whole["id"], whole["state"]) == (request_id, state)
    rows = agent.ok("search_orders", entity="quote")["content"]
    assert [row["state"] for row in rows] == [state] * 3


def test_a_preview_of_a_quote_stores_nothing(agent: Agent, request_id: str, engine: Engine) -> None:
    before = engine.counts()
    shown = agent.ok("quote", action="quote", quote_req_id=request_id, price="1", dry_run=True)
    assert (shown["dryRun"], shown["state"]) == (True, "QUOTED")
    assert engine.counts() == before
    assert agent.ok("search_orders", entity="quote")["content"] == []


def test_a_quote_is_idempotent_by_its_command_id_and_guards_the_version_of_its_request(
    agent: Agent, request_id: str
) -> None:
    sent = {"action": "quote", "quote_req_id": request_id, "price": "1", "command_id": "K1", "expected_version": 1}
    first, again = agent.ok("quote", **sent), agent.ok("quote", **sent)
    assert (again["id"], again["duplicate"]) == (first["id"], True)
    error = agent.refused("quote", action="reject", quote_req_id=request_id, expected_version=1)
    assert error["errorCode"] == "OMS-LOCK-001"


@pytest.mark.parametrize(
    ("arguments", "code", "rule"),
    [
        ({"action": "request", "symbol": "IBM"}, "OMS-VAL-003", "QUO-01"),
        ({"action": "request", "symbol": "IBM", "quantity": "-1"}, "OMS-VAL-005", "QUO-01"),
        ({"action": "request", "quote_req_id": "R1", "symbol": "IBM", "quantity": "1"}, "OMS-QUOTE-004", "QUO-01"),
        ({"action": "quote", "quote_req_id": "R9", "price": "1"}, "OMS-QUOTE-001", "QUO-02"),
        ({"action": "quote", "quote_req_id": "R1"}, "OMS-VAL-003", "QUO-02"),
        ({"action": "accept", "quote_id": "Q9"}, "OMS-QUOTE-002", "QUO-03"),
        ({"action": "accept"}, "OMS-VAL-003", "ENV-07"),
        ({"action": "reject"}, "OMS-VAL-003", "ENV-07"),
        ({"action": "expire", "quote_id": "Q1", "quote_req_id": "R1"}, "OMS-VAL-001", "QUO-05"),
    ],
)
def test_what_cannot_be_done_with_quotes_is_refused_with_its_rule(
    arguments: Wire, code: str, rule: str, agent: Agent, request_id: str
) -> None:
    error = agent.refused("quote", **arguments)
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == (code, rule)
    assert agent.ok("search_orders", entity="quote_request")["content"][0]["quoteReqId"] == request_id


def test_everything_that_is_wrong_with_a_request_is_told(modern: Agent) -> None:
    error = modern.refused("quote", action="request", quantity="0", side="HOLD", currency="euro")
    assert {found["field"] for found in error["violations"]} == {"symbol", "quantity", "side", "currency"}


@pytest.mark.parametrize(
    ("arguments", "stray"),
    [
        ({"action": "request", "price": "1"}, "price"),
        ({"action": "request", "quote_id": "Q"}, "quote_id"),
        ({"action": "quote", "symbol": "IBM"}, "symbol"),
        ({"action": "accept", "quote_req_id": "R1"}, "quote_req_id"),
        ({"action": "reject", "price_type": "YIELD"}, "price_type"),
        ({"action": "expire", "valid_until": "2030-01-01T00:00:00Z"}, "valid_until"),
    ],
)
def test_an_argument_that_the_action_does_not_use_is_refused(arguments: Wire, stray: str, modern: Agent) -> None:
    error = modern.refused("quote", **arguments)
    assert (error["errorCode"], error["violations"][0]["field"]) == ("OMS-VAL-002", stray)
    assert f"is no argument of action {arguments['action']}; " in error["detail"]
