"""How does what was done become a scenario? With what happened as its expectations, written as YAML or JSON Lines."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from oms_engine.domain.model import Order
from oms_engine.errors import Refused
from oms_engine.record import instant_text
from oms_engine.simulation.run import Rehearsal, StepRun, id_field_of
from oms_engine.simulation.scenario import Scenario, Step

_OF_ORDERS = ("state", "cancelState", "orderQty", "cumQty", "leavesQty", "avgPx", "allocState", "pendingAllocQty")
"""Fields of an order that a recording expects at the end, where they have a value."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. ")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off"})
_WHOLE_DIGITS = 18


def recorded(rehearsal: Rehearsal, start: datetime) -> Scenario:
    """What was done so far, with what happened as its expectations; it passes when it is played again where it was.

    Questions that were refused are left out, since a scenario cannot expect that.

    Args:
        rehearsal: What was played, to its end or not.
        start: The time at which it began.
    """
    played = rehearsal.scenario
    steps = [*played.given, *played.steps]
    done = list(zip(steps, rehearsal.done, strict=False))
    is_set = all(run.result and run.result.ok for _, run in done[: len(played.given)])
    given = played.given[: len(done)] if is_set else ()
    return played.model_copy(
        update={
            "clock": start,
            "given": given,
            "steps": tuple(_step(step, run) for step, run in done[len(given) :] if not run.error),
            "expect": _end(rehearsal),
        }
    )


def _step(step: Step, run: StepRun) -> Step:
    return step.model_copy(update={"expect": _answered(run)})


def _answered(run: StepRun) -> dict[str, Any]:
    if run.result:
        wire = run.result.to_wire()
        if not run.result.ok:
            return {"status": wire["status"], "errorCode": wire["error"]["errorCode"]}
        told = {name: wire[name] for name in ("status", "state", "version") if name in wire}
        return told | ({"duplicate": True} if run.result.duplicate else {})
    if run.page:
        field = id_field_of(run.query or {})
        ids = [row[field] for row in run.page["content"]]
        return {"ids": ids, "count": run.page["page"]["totalElements"]}
    checked = run.checked.to_wire() if run.checked else {}
    return {name: checked[name] for name in ("valid", "failedFrom", "failedTo") if checked.get(name) is not None}


def _end(rehearsal: Rehearsal) -> dict[str, Any]:
    run = rehearsal.outcome()
    counts = {name: number for name, number in rehearsal.added().items() if number or name != "outbox"}
    end: dict[str, Any] = {"counts": counts}
    if run.orders:
        end = {
            "orders": {order.order_id: _fields(order) for order in run.orders},
            "events": {order.order_id: _types(rehearsal, order) for order in run.orders},
            **end,
        }
    return end


def _fields(order: Order) -> dict[str, Any]:
    wire = order.to_wire()
    return {name: wire[name] for name in _OF_ORDERS if wire.get(name) not in (None, *_unsaid(name))}


def _unsaid(name: str) -> tuple[str, ...]:
    """What a field says nothing with: of most orders nothing waits for the desk."""
    return ("0",) if name == "pendingAllocQty" else ()


def _types(rehearsal: Rehearsal, order: Order) -> list[str]:
    try:
        return [event.type for event in rehearsal.engine.history(order.order_id)]
    except Refused:
        return []


def yaml_text(scenario: Scenario) -> str:
    """A scenario as a YAML text that is read back as the same."""
    return "".join(f"{line}\n" for line in _lines(scenario))


def _lines(scenario: Scenario) -> Iterator[str]:
    yield f"id: {_flow(scenario.id)}"
    yield f"title: {_flow(scenario.title)}"
    if scenario.settings:
        yield f"settings: {_flow(scenario.settings)}"
    yield f"clock: {_flow(instant_text(scenario.clock))}"
    if scenario.given:
        yield "given:"
        yield from (f"  - {_flow(step.do)}" for step in scenario.given)
    if scenario.steps:
        yield "steps:"
        for step in scenario.steps:
            pairs = [f"{name}: {_flow(value)}" for name, value in _parts(step).items()]
            yield f"  - {pairs[0]}"
            yield from (f"    {pair}" for pair in pairs[1:])
    if scenario.expect:
        yield "expect:"
        yield from (f"  {name}: {_flow(value)}" for name, value in scenario.expect.items())


def _parts(step: Step) -> dict[str, Any]:
    """What a step says, by its keys."""
    asked = {"do": step.do, "query": step.query, "check": step.check}
    parts: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if step.at:
        parts["at"] = instant_text(step.at)
    return parts | ({"expect": step.expect} if step.expect else {})


def _flow(value: object) -> str:
    """A value in one line of YAML: plain words as they are, every other text in quotes."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_text(str(name))}: {_flow(part)}" for name, part in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case None | bool():
            return json.dumps(value)
        case int() if len(str(abs(value))) <= _WHOLE_DIGITS:
            return str(value)
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    is_word = set(text) <= _PLAIN and text[:1].isalpha() and text == text.strip() and text.lower() not in _WORDS
    return text if is_word else f'"{"".join(map(_letter, text))}"'


def _letter(letter: str) -> str:
    return letter if letter.isprintable() and letter not in '"\\' else f"\\U{ord(letter):08x}"


def jsonl_text(scenario: Scenario) -> str:
    """A scenario as JSON Lines: a line that says where it happens, a line for each step, a line for the end."""
    head: dict[str, Any] = {"id": scenario.id, "title": scenario.title, "clock": instant_text(scenario.clock)}
    if scenario.settings:
        head["settings"] = scenario.settings
    given = ({"do": step.do, "expect": step.expect} for step in scenario.given)
    end = [{"end": scenario.expect}] if scenario.expect else []
    lines = [{"scenario": head}, *given, *map(_parts, scenario.steps), *end]
    return "".join(f"{json.dumps(line, ensure_ascii=True)}\n" for line in lines)
