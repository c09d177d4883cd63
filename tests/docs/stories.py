"""What happens in all the scenarios of the documents together? Each is run once, and asked for many things."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from knowledge_base import Library
from knowledge_base.results import Scenario as Block
from oms_engine.domain.decider.evolve import evolve
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.model import OrderState
from oms_engine.simulation.run import ScenarioRun, run_scenario
from oms_engine.simulation.scenario import parse_scenarios


@cache
def blocks() -> tuple[Block, ...]:
    """The scenarios of the documents."""
    with Library.open(semantic=False) as library:
        return tuple(library.scenarios())


@cache
def run_of(reference: str) -> ScenarioRun:
    """What a scenario did, by `path#id`."""
    (block,) = (block for block in blocks() if block.reference == reference)
    (scenario,) = parse_scenarios(block.text, block.path, line=block.line + 1)
    return run_scenario(scenario)


def runs() -> Iterator[ScenarioRun]:
    return (run_of(block.reference) for block in blocks())


@cache
def cancel_steps() -> dict[tuple[str, str], str]:
    """Every change of cancelState in any story, with the event that made it."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for run in runs():
        for before, event, after in _told(run.events):
            start = _word(before.order.cancel_state) if before else "[*]"
            end = _word(after.order.cancel_state)
            if start != end:
                seen[start, end].add(event.type)
    assert all(len(types) == 1 for types in seen.values()), seen
    return {step: "" if step[0] == "[*]" else min(types) for step, types in seen.items()}


def _word(state: str | None) -> str:
    return str(state) if state else "none"


def _told(events: tuple[StoredEvent, ...]) -> Iterator[tuple[OrderState | None, StoredEvent, OrderState]]:
    states: dict[str, OrderState] = {}
    for event in events:
        if event.stream_id.startswith("order-"):
            before = states.get(event.stream_id)
            states[event.stream_id] = evolve(before, event)
            yield before, event, states[event.stream_id]


@cache
def written_by() -> dict[str, set[str]]:
    """Command to the types of all events that it wrote in any story, on whichever stream."""
    seen: dict[str, set[str]] = defaultdict(set)
    for run in runs():
        for step in run.steps:
            if step.do and "type" in step.do and step.result:
                seen[step.do["type"]] |= {event.type for event in step.result.events}
    return dict(seen)
