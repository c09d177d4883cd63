"""What does a recorded flow say? JSON Lines of commands, each alone or with what came of it, read as a scenario."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from oms_engine.errors import ScenarioError, shown
from oms_engine.simulation.plain_yaml import MAX_DEPTH, Located
from oms_engine.simulation.scenario import MAX_ITEMS, Reader, Scenario

MAX_LINE = 1_000_000
"""Characters of a line."""

_FORMS = (
    'write an envelope {"type": ...}, {"command": envelope, "result": {...}}, {"do": envelope, "expect": {...}}, '
    '{"query": ...} or {"check": ...}'
)
_HEAD, _END = "scenario", "end"
_RECORDED_KEYS = ("command", "result", "at")
_COMPARED = ("status", "state", "version", "duplicate")
"""Members of a recorded result that another run has, too, beside the code and the rule of a refusal."""

_NOT_STORED = ("dryRun", "rolledBack")
"""Members of a result that say that its command left nothing."""

_OWN_IDS: Mapping[str, tuple[str, ...]] = {
    "OrderCreateCmd": ("order", "orderId"),
    "QuoteRequestCreateCmd": ("quoteRequest", "quoteReqId"),
    "QuoteCreateCmd": ("quote", "quoteId"),
    "OrderGroupCmd": ("groupOrderId",),
}
"""Command -> where the id stands that is generated when it is not given."""


class _FlowError(Exception):
    """A line that is no plain JSON."""


def parse_flow(text: str, source: str) -> Scenario:
    """Read a flow: one JSON object on each line, carried out in order.

    A first line `{"scenario": {"id": ..., "title": ..., "settings": ..., "clock": ...}}` says where it happens, a last
    line `{"end": {"orders": ..., "events": ..., "counts": ...}}` what must be true then; both may be missing.

    Args:
        text: At most 10,000 lines.
        source: What errors and runs call it, such as the name of a file.

    Raises:
        ScenarioError: A line is no JSON or says nothing that can be done; the message names line, key and remedy.
    """
    lines = list(_objects(text, source))
    if not lines:
        raise ScenarioError(f"{source}: there is no line in it; {_FORMS}")
    reader = Reader(source, 0)
    head = lines.pop(0)[_HEAD] if _HEAD in lines[0] else None
    end = lines.pop()[_END] if lines and _END in lines[-1] else None
    played = reader.head(_named(head, reader)) if head is not None else _unnamed(source)
    steps = [reader.step(_as_step(line, reader), number, line.line) for number, line in enumerate(lines, 1)]
    expect = reader.end(_object(end, reader, _END), _END) if end is not None else Located(1)
    return played.model_copy(update={"steps": tuple(steps), "expect": expect, "expect_line": expect.line})


def _objects(text: str, source: str) -> Iterator[Located]:
    """The objects of a text, one on each line that is not blank."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > MAX_ITEMS:
        raise ScenarioError(f"{source} has {len(lines):,} lines; at most {MAX_ITEMS:,} are played; split it")
    for number, line in lines:
        try:
            yield _parsed(line, number)
        except json.JSONDecodeError as error:
            raise ScenarioError(f"{source}, line {number}, column {error.colno}: no JSON: {error.msg}") from None
        except RecursionError:
            raise ScenarioError(f"{source}, line {number}: nested too deeply; write it flatter") from None
        except (_FlowError, ValueError) as error:
            raise ScenarioError(f"{source}, line {number}: {error}") from None


def _parsed(line: str, number: int) -> Located:
    if len(line) > MAX_LINE:
        raise _FlowError(f"longer than {MAX_LINE:,} characters; split it")

    def located(pairs: list[tuple[str, Any]]) -> Located:
        read = Located(number)
        for name, value in pairs:
            if name in read:
                raise _FlowError(f"key {shown(name)} stands twice in one object; keep one")
            read[name] = value
        return read

    data = json.loads(line, object_pairs_hook=located, parse_constant=_no_number)
    if not isinstance(data, Located):
        raise _FlowError(f"{shown(data)} is no JSON object; {_FORMS}")
    if _depth(data) > MAX_DEPTH:
        raise _FlowError(f"nested deeper than {MAX_DEPTH} levels; write it flatter")
    return data


def _no_number(text: str) -> NoReturn:
    raise _FlowError(f"{text} is no number of JSON; send decimals as text, such as {shown('10.5')}")


def _depth(value: object) -> int:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


def _unnamed(source: str) -> Scenario:
    return Scenario(id="flow", title=f"the flow of {source}", source=source)


def _named(head: object, reader: Reader) -> Located:
    known = _object(head, reader, _HEAD)
    for name in known:
        reader.known(name, ("id", "title", "settings", "clock"), known.line, _HEAD)
    return known


def _object(value: object, reader: Reader, name: str) -> Located:
    if not isinstance(value, Located):
        reader.fail(1, f"{name} must be an object of keys and values, not {shown(value)}")
    return value


def _as_step(line: Located, reader: Reader) -> Located:
    """A line as a step of a scenario."""
    if "type" in line:
        return _step(line.line, do=line)
    if "command" in line:
        return _recorded(line, reader)
    for name, place in ((_HEAD, "first"), (_END, "last")):
        if name in line:
            reader.fail(line.line, f"{name} stands on the {place} line of a flow; move it there")
    if not {"do", "query", "check"} & {*line}:
        reader.fail(line.line, f"a line with {', '.join(map(shown, line)) or 'no key'} says nothing to do; {_FORMS}")
    return line


def _recorded(line: Located, reader: Reader) -> Located:
    for name in line:
        reader.known(name, _RECORDED_KEYS, line.line, "a line with a command")
    result = line.get("result")
    told = _object(result, reader, "result") if result is not None else Located(line.line)
    for name in _NOT_STORED:
        if told.get(name):
            reader.fail(line.line, f"the result has {name}, so nothing was stored; leave the line out")
    step = _step(line.line, do=_with_given_id(line["command"], told), expect=_expected(told, line.line))
    return step if line.get("at") is None else _step(line.line, **step, at=line["at"])


def _step(line: int, **parts: object) -> Located:
    step = Located(line)
    step.update(parts)
    return step


def _expected(told: Mapping[str, Any], line: int) -> Located:
    """What another run must answer, too: positions, messages and times are those of one run."""
    expect = _step(line, **{name: told[name] for name in _COMPARED if told.get(name) is not None})
    error = told.get("error")
    if isinstance(error, Mapping) and "errorCode" in error:
        expect["errorCode"] = error["errorCode"]
        if rules := _rules(error):
            expect["error"] = _step(line, violations=[_step(line, ruleId=rule) for rule in rules])
    elif isinstance(events := told.get("events"), list) and not told.get("duplicate"):
        expect["events"] = [
            _step(line, type=event["type"]) for event in events if isinstance(event, Mapping) and "type" in event
        ]
    return expect


def _rules(error: Mapping[str, Any]) -> list[str]:
    """The rules by which a command was refused; none where one of them is not told."""
    violations = error.get("violations")
    told = violations if isinstance(violations, list) else []
    rules = [str(found["ruleId"]) for found in told if isinstance(found, Mapping) and "ruleId" in found]
    return rules if len(rules) == len(told) else []


def _with_given_id(command: object, told: Mapping[str, Any]) -> object:
    """A command with the id that was generated when it was carried out first, so that later ones find its object."""
    path = _OWN_IDS.get(str(command.get("type"))) if isinstance(command, Located) else None
    own_id = told.get("id")
    if not path or not isinstance(command, Located) or not isinstance(own_id, str) or told.get("status") != "OK":
        return command
    holder = command if len(path) == 1 else command.get(path[0])
    if isinstance(holder, Located) and not holder.get(path[-1]):
        holder[path[-1]] = own_id
    return command
