"""Is whoever comes with a token kept as the one it names, whatever its client says of itself?"""

from pathlib import Path

import pytest

from oms_engine import Engine
from oms_engine.audit import audit
from oms_mcp.web.serving import Front
from tests.oms_mcp.agent import GOOD, Agent, Era, Wire, over_http
from tests.oms_mcp.web.conftest import Grant, Served

Who = list[tuple[str, str | None]]


def create(cl_ord_id: str = "c1", **changes: object) -> Wire:
    terms = {"account": "ACC", "symbol": "IBM", "side": "BUY", "ordType": "LIMIT", "orderQty": "1000", "price": "100"}
    return {"type": "OrderCreateCmd", "order": {"clOrdId": cl_ord_id, **terms, **changes}}


@pytest.fixture
def front(served: Served, grant: Grant, tokens: Path) -> Front:
    grant(subject="owner")
    return served(tokens=tokens)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The file of the server."""
    return tmp_path / "oms.db"


def kept(db: Path) -> list[str]:
    """Who acted, once each, as events have it."""
    with Engine.open(str(db)) as engine:
        return list(dict.fromkeys(event.actor for event in engine.events()))


def found(db: Path, actor: str) -> Who:
    with Engine.open(str(db)) as engine:
        return [(entry.actor, entry.client) for entry in audit(engine, actor=actor).entries]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tester", "tester 1"),
        ("alice", "alice 1"),
        ("alice x y", "alice x y 1"),
        ("bob via desk", "bob_via_desk 1"),
        ("via", "via_1"),
        ("bob via", "bob_via_1"),
    ],
)
def test_no_name_of_a_client_hides_whom_the_token_names(
    front: Front, grant: Grant, db: Path, era: Era, name: str, told: str
) -> None:
    with Agent(over_http(front.url, grant(subject="alice")), era, name) as agent:
        agent.create()
        agent.ok("execute_commands", commands=[create("c2")])
    assert kept(db) == [f"alice via {told}"]
    assert found(db, "alice") == [("alice", told)] * 2
    assert found(db, "bob") == []


def test_the_client_that_a_token_names_is_recorded(front: Front, grant: Grant, db: Path, era: Era) -> None:
    with Agent(over_http(front.url, grant(subject="alice", client="nightly")), era, "claude-code") as agent:
        agent.create()
    assert kept(db) == ["alice via nightly"]


def test_with_a_token_nobody_else_is_named(front: Front, grant: Grant, db: Path, era: Era) -> None:
    with Agent(over_http(front.url, grant(subject="alice")), era) as agent:
        for actor in ("bob", ["alice"]):
            commands = [create() | {"actor": "alice"}, create("c2") | {"actor": actor}]
            error = agent.refused("execute_commands", commands=commands)
            assert (error["errorCode"], error["violations"][0]["field"]) == ("OMS-AUTH-003", "commands[1].actor")
        assert kept(db) == []
        agent.ok("execute_commands", commands=[create() | {"actor": "alice"}, create("c2") | {"actor": ""}])
    assert kept(db) == ["alice via tester 1"]


def test_roles_hold_for_whom_a_token_names(front: Front, grant: Grant, era: Era) -> None:
    with Agent(over_http(front.url, grant(subject="alice")), era) as agent:
        roles = {"roles": {"OrderCreateCmd": ["alice"]}}
        agent.ok("execute_commands", commands=[{"type": "SettingsChangeCmd", "changes": roles}])
        agent.create()
    with Agent(over_http(front.url, grant(subject="robot")), era, "alice") as agent:
        assert agent.refused("create_order", cl_ord_id="c2", **GOOD)["errorCode"] == "OMS-AUTH-003"


def test_holders_of_tokens_share_no_session(front: Front, grant: Grant, era: Era) -> None:
    orders = []
    for subject in ("alice", "bob"):
        with Agent(over_http(front.url, grant(subject=subject)), era, "x") as agent:
            created = agent.ok("create_order", cl_ord_id="C1", **GOOD)
            assert not created["duplicate"]
            assert agent.ok("get_order", cl_ord_id="C1")["orderId"] == created["orderId"]
            order = agent.ok("get_order", order_id=created["orderId"], response_format="detailed")
            orders.append((created["orderId"], order["sessionId"]))
    assert len({order_id for order_id, _ in orders}) == 2
    assert [session for _, session in orders] == ["alice", "bob"]


def test_a_holder_has_one_session_in_all_clients(front: Front, grant: Grant, era: Era) -> None:
    answers = []
    for name in ("x", "y"):
        with Agent(over_http(front.url, grant(subject="alice")), era, name) as agent:
            answers.append(agent.ok("create_order", cl_ord_id="C1", **GOOD))
    assert answers[1]["duplicate"]
    assert answers[1]["orderId"] == answers[0]["orderId"]


def test_with_a_token_no_session_of_another_is_named(front: Front, grant: Grant, db: Path, era: Era) -> None:
    with Agent(over_http(front.url, grant(subject="bob")), era) as agent:
        error = agent.refused("create_order", cl_ord_id="C1", more={"sessionId": "alice"}, **GOOD)
        assert (error["errorCode"], error["violations"][0]["field"]) == ("OMS-AUTH-003", "order.sessionId")
        assert error["detail"] == (
            'order.sessionId "alice" is not "bob", whom the token of this connection names; leave it out'
        )
        for command, field in (
            (create() | {"sessionId": "alice"}, "commands[0].sessionId"),
            (create(sessionId="alice"), "commands[0].order.sessionId"),
            (create(sessionId=["bob"]), "commands[0].order.sessionId"),
        ):
            error = agent.refused("execute_commands", commands=[command])
            assert (error["errorCode"], error["violations"][0]["field"]) == ("OMS-AUTH-003", field)
        assert kept(db) == []
        agent.ok("create_order", cl_ord_id="C1", more={"sessionId": "bob"}, **GOOD)
        agent.ok("execute_commands", commands=[create("c2") | {"sessionId": "bob"}, create("c3", sessionId="")])
    assert kept(db) == ["bob via tester 1"]


def test_without_tokens_a_session_may_be_named(served: Served, db: Path, era: Era) -> None:
    with Agent(over_http(served().url), era) as agent:
        order_id = agent.create(more={"sessionId": "alice"})
        assert agent.ok("get_order", order_id=order_id, response_format="detailed")["sessionId"] == "alice"
    assert kept(db) == ["tester 1"]
