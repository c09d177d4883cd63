"""Does check_transitions answer for every profile, from an order, from a state and from nothing?"""

import pytest

from tests.oms_mcp.agent import Agent

STANDARD = {
    "NEW": ["UNACK"],
    "UNACK": ["LIVE", "REJ"],
    "LIVE": ["FILLED", "CXL", "REJ", "EXP"],
    "FILLED": ["CLOSED"],
    "CXL": ["CLOSED"],
    "REJ": ["CLOSED"],
    "EXP": ["CLOSED"],
    "CLOSED": [],
}
PROFILES = {
    "": STANDARD,
    "standard": STANDARD,
    "matrix": STANDARD | {"EXP": []},
    "desk": STANDARD
    | {
        "NEW": ["UNACK", "CXL", "REJ"],
        "UNACK": ["LIVE", "FILLED", "CXL", "REJ", "EXP"],
        "LIVE": ["FILLED", "CXL", "REJ", "EXP", "CLOSED"],
    },
}


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_tells_what_can_follow(profile: str, modern: Agent) -> None:
    for state, targets in PROFILES[profile].items():
        answer = modern.ok("check_transitions", from_state=state, profile=profile)
        assert [found["to"] for found in answer["nextStates"] if not found["correction"]] == targets
        assert answer["profile"] == (profile or "standard")
        assert all(found["command"] and found["why"] for found in answer["nextStates"])


def test_an_order_is_asked_for_its_next_states(agent: Agent) -> None:
    order_id = agent.given("LIVE")
    answer = agent.ok("check_transitions", order_id=order_id, path=["FILLED", "CLOSED"])
    assert (answer["valid"], answer["path"]) == (True, ["LIVE", "FILLED", "CLOSED"])


def test_a_path_tells_where_it_breaks(agent: Agent) -> None:
    answer = agent.ok("check_transitions", from_state="UNACK", path=["LIVE", "NEW", "CXL"])
    assert (answer["valid"], answer["failedFrom"], answer["failedTo"]) == (False, "LIVE", "NEW")
    assert answer["path"] == ["UNACK", "LIVE"]


def test_the_creation_is_a_transition_too(modern: Agent) -> None:
    assert [found["to"] for found in modern.ok("check_transitions")["nextStates"]] == ["NEW"]
    assert modern.ok("check_transitions", path=["NEW", "UNACK"])["valid"]
    assert not modern.ok("check_transitions", path=["LIVE"])["valid"]


def test_a_correction_is_listed_and_no_valid_step(modern: Agent) -> None:
    answer = modern.ok("check_transitions", from_state="FILLED", path=["LIVE"])
    assert not answer["valid"]
    corrections = [found for found in answer["nextStates"] if found["correction"]]
    assert [found["to"] for found in corrections] == ["LIVE"]


def test_a_path_may_come_as_json_text(modern: Agent) -> None:
    assert modern.ok("check_transitions", from_state="NEW", path='["UNACK"]')["valid"]


@pytest.mark.parametrize(
    ("arguments", "code", "valid"),
    [
        ({"from_state": "OPEN"}, "OMS-VAL-004", "FILLED"),
        ({"from_state": "NEW", "path": ["live"]}, "OMS-VAL-004", "LIVE"),
        ({"profile": "mine"}, "OMS-VAL-004", "standard"),
        ({"order_id": "nope"}, "OMS-ORDER-001", "search_orders"),
        ({"order_id": "nope", "from_state": "NEW"}, "OMS-VAL-001", "one of the"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments: dict[str, object], code: str, valid: str, modern: Agent) -> None:
    error = modern.refused("check_transitions", **arguments)
    assert error["errorCode"] == code
    assert valid in error["detail"]
