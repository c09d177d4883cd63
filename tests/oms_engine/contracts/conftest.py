"""What really stands on the wire: everything that the scenarios of the corpus send, write and answer."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_engine.domain.commands import parse
from oms_engine.simulation.run import staged
from oms_engine.simulation.scenario import Scenario, parse_scenarios

Wire = dict[str, Any]
ENTITIES = {
    "order": "Order",
    "execution": "Execution",
    "allocation": "Allocation",
    "quote_request": "QuoteRequest",
    "quote": "Quote",
    "event": "StoredEvent",
}
PARTS = {
    "order": "NewOrder",
    "execution": "ExecutionReport",
    "quoteRequest": "NewQuoteRequest",
    "quote": "NewQuote",
}


@pytest.fixture(scope="session")
def wires() -> Mapping[str, list[Wire]]:
    """Type -> its objects, each once, of every scenario and of an erasure."""
    found: dict[str, dict[str, Wire]] = {}
    for name, wire in (*_of_scenarios(), *_of_an_erasure()):
        found.setdefault(name, {})[str(wire)] = wire
    return {name: [*each.values()] for name, each in found.items()}


def _of_scenarios() -> Iterator[tuple[str, Wire]]:
    with Library.open(semantic=False) as library:
        blocks = library.scenarios()
    for block in blocks:
        (scenario,) = parse_scenarios(block.text, block.path, line=block.line + 1)
        yield from _of_scenario(scenario)


def _of_scenario(scenario: Scenario) -> Iterator[tuple[str, Wire]]:
    with staged(scenario) as rehearsal:
        for _ in rehearsal.steps():
            pass
        run = rehearsal.outcome()
        yield from _stored(rehearsal.engine)
    for step, did in zip([*scenario.given, *scenario.steps], run.steps, strict=False):
        if did.checked:
            yield "TransitionCheck", did.checked.to_wire()
            yield from (("NextState", state.to_wire()) for state in did.checked.next_states)
        if did.result:
            yield "CommandResult", did.result.to_wire()
            yield from (("EventRef", event.to_wire()) for event in did.result.events)
            yield from (("TaskReport", task.to_wire()) for task in did.result.tasks)
        if problem := did.error or (did.result and did.result.error):
            yield "Problem", problem.to_wire()
            yield from (("Violation", violation.to_wire()) for violation in problem.violations)
        command = parse(step.do).command if step.do and did.result and did.result.ok else None
        if command:
            wire = command.to_wire()
            yield command.type, wire
            yield from ((PARTS[name], part) for name, part in wire.items() if name in PARTS)


def _of_an_erasure() -> Iterator[tuple[str, Wire]]:
    with Engine.open(settings={"store.personalData": "sealed"}) as engine:
        order = {"clOrdId": "C1", "account": "A", "symbol": "ACME", "side": "BUY", "ordType": "MARKET", "orderQty": "1"}
        created = engine.execute({"type": "OrderCreateCmd", "order": {**order, "text": "words"}})
        engine.execute({"type": "OrderRejectCmd", "orderId": created.id, "text": "words"})
        engine.erase("A", reason="asked for")
        yield from _stored(engine)


def _stored(engine: Engine) -> Iterator[tuple[str, Wire]]:
    """Every record and every event of an engine."""
    for entity, name in ENTITIES.items():
        for record in engine.query(entity=entity, size=engine.settings.max_size).content:
            wire = record.to_wire()
            yield name, wire
            if entity == "event":
                yield wire["type"], wire["payload"]
                yield from _in_payload(wire["payload"])
            if "pendingReplace" in wire:
                yield "ReplaceTerms", wire["pendingReplace"]


def _in_payload(payload: Wire) -> Iterator[tuple[str, Wire]]:
    yield from (("Lot", lot) for lot in payload.get("lots", ()))
    yield from (("Share", share) for share in payload.get("shares", ()))
