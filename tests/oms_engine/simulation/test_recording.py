"""Does what was recorded pass when it is played again, and say the same?"""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base import Library
from oms_engine.simulation.flow import parse_flow
from oms_engine.simulation.plain_yaml import read_documents
from oms_engine.simulation.recording import _flow, jsonl_text, recorded, yaml_text
from oms_engine.simulation.run import run_scenario, staged
from oms_engine.simulation.scenario import Scenario, parse_scenarios
from tests.docs.stories import blocks

HEAD = "id: a\ntitle: t\n"
CREATE = (
    "{type: OrderCreateCmd, order: {orderId: O1, clOrdId: C1, account: A, symbol: ACME, "
    'side: BUY, ordType: MARKET, orderQty: "100"}}'
)


def record(scenario: Scenario, *, steps: int = 100_000) -> Scenario:
    """What was done in a scenario, or in its first steps."""
    with staged(scenario) as rehearsal:
        start: datetime = rehearsal.engine.now()
        for number, _ in enumerate(rehearsal.steps(), 1):
            if number == steps:
                break
        return recorded(rehearsal, start)


def one(text: str) -> Scenario:
    (scenario,) = parse_scenarios(text, "here.yaml")
    return scenario


def of_documents() -> list[Scenario]:
    return [each for block in blocks() for each in parse_scenarios(block.text, block.path)]


def plays_again(scenario: Scenario) -> None:
    made = record(scenario)
    (again,) = parse_scenarios(yaml_text(made), "again.yaml")
    for read in (again, parse_flow(jsonl_text(made), "again.jsonl")):
        run = run_scenario(read)
        assert run.passed, (scenario.source, scenario.id, run.differences)
        assert run.compared > 0
        assert [event.payload for event in run.events] == [event.payload for event in run_scenario(scenario).events]


@pytest.mark.parametrize("first", range(2))
def test_scenarios_of_the_documents_pass_again_when_they_are_recorded(first: int) -> None:
    for scenario in of_documents()[first::30]:
        plays_again(scenario)


@pytest.mark.slow
def test_every_scenario_of_the_documents_passes_again_when_it_is_recorded() -> None:
    for scenario in of_documents():
        plays_again(scenario)


def test_a_scenario_that_fails_is_recorded_as_what_happened() -> None:
    made = record(
        one(
            f"{HEAD}given:\n  - {CREATE}\nsteps:\n  - do: {{type: OrderPlaceCmd, orderId: O1}}\n"
            "    expect: {status: OK}\n  - query: {}\n    expect: {count: 7}\nexpect: {orders: {O1: {state: CXL}}}\n"
        )
    )
    assert made.steps[0].expect == {"status": "FAILED", "errorCode": "OMS-STATE-001"}
    assert made.steps[1].expect == {"ids": ["O1"], "count": 1}
    assert made.expect["orders"]["O1"]["state"] == "UNACK"
    assert made.expect["counts"] == {"orders": 1, "executions": 0, "events": 2}
    assert run_scenario(one(yaml_text(made))).passed


def test_a_scene_that_could_not_be_set_is_recorded_as_steps() -> None:
    made = record(
        one(f"{HEAD}given:\n  - {CREATE}\n  - {{type: OrderPlaceCmd, orderId: O1}}\nsteps:\n  - query: {{}}\n")
    )
    assert made.given == ()
    assert [step.expect["status"] for step in made.steps] == ["OK", "FAILED"]
    assert run_scenario(one(yaml_text(made))).passed


def test_what_was_done_until_somebody_stopped_is_recorded() -> None:
    scenario = one(f"{HEAD}given:\n  - {CREATE}\nsteps:\n" + "  - do: {type: OrderAcceptCmd, orderId: O1}\n" * 2)
    made = record(scenario, steps=2)
    assert [step.expect["status"] for step in made.steps] == ["OK"]
    assert run_scenario(one(yaml_text(made))).passed
    assert (record(scenario, steps=1).steps, len(record(scenario, steps=1).given)) == ((), 1)


LEAVES = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(
        ["null", "~", "true", "yes", "1", "1.5", "a: b", "- x", "#", "{}", "  a ", "é", "\U0001f600", "\x85"]
    )
    | st.integers(-(10**17), 10**17)
    | st.booleans()
    | st.none()
)
VALUES = st.recursive(
    LEAVES,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab :{'\"é", min_size=1), part, max_size=3),
)


@given(VALUES)
def test_every_value_is_read_back_as_it_was_written(value: object) -> None:
    ((_, read),) = read_documents(f"value: {_flow(value)}\n")
    assert read == {"value": value}


def test_the_stories_of_the_documents_have_names_of_their_own() -> None:
    with Library.open(semantic=False) as library:
        stories = [block.id for block in library.scenarios() if "/stories-" in block.path]
        documents = {document.path.rpartition("/")[2].removesuffix(".md") for document in library.overview().documents}
        every = [block.id for block in library.scenarios()]
    assert len(stories) >= 30
    assert [name for name in stories if every.count(name) > 1 or name in documents] == []
