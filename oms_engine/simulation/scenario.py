"""What does a scenario say? Read from YAML, with every key checked before anything runs."""

import difflib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, get_args

from pydantic import BaseModel, Field
from pydantic_core import PydanticCustomError

from oms_engine.domain.commands import CommandResult
from oms_engine.domain.model import Order
from oms_engine.errors import ScenarioError, SettingsError, shown
from oms_engine.record import Instant, Record, parse_instant
from oms_engine.settings import Settings
from oms_engine.simulation.plain_yaml import Located, YamlError, read_documents

DEFAULT_CLOCK = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
MAX_ITEMS = 10_000

_SCENARIO_KEYS = ("id", "title", "settings", "clock", "given", "steps", "expect")
_STEP_KEYS = ("do", "query", "check", "expect", "at")
_QUERY_KEYS = ("entity", "where", "sort", "size")
_QUERY_EXPECT_KEYS = ("ids", "count", "rows")
_CHECK_KEYS = ("from", "path", "profile")
_CHECK_EXPECT_KEYS = ("valid", "failedFrom", "failedTo")
_EXPECT_KEYS = ("orders", "events", "counts")
_COUNT_KEYS = ("orders", "executions", "events", "outbox")
_MAX_ID = 64


class Step(Record):
    """One thing a scenario does: a command (`do`), a question (`query`) or a state check (`check`)."""

    place: str
    line: int
    at: Instant | None = None
    do: dict[str, Any] | None = None
    query: dict[str, Any] | None = None
    check: dict[str, Any] | None = None
    expect: dict[str, Any] = Field(default_factory=dict)


class Scenario(Record):
    """A story with its outcome: commands that set the scene, steps with what each must answer, and the end."""

    id: str
    title: str
    source: str = ""
    line: int = 1
    settings: dict[str, Any] = Field(default_factory=dict)
    clock: Instant = DEFAULT_CLOCK
    given: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    expect: dict[str, Any] = Field(default_factory=dict)
    expect_line: int = 1


def parse_scenarios(text: str, source: str, *, line: int = 1) -> list[Scenario]:
    """Read the scenarios of a YAML text, one per document (`---` between them).

    Args:
        text: At most 1 MB of YAML.
        source: What errors and runs call the text: a path, or `path#anchor`.
        line: The line of `source` on which the text begins.

    Raises:
        ScenarioError: The text is malformed, or something in it is unknown or missing; the message names the place.
    """
    scenarios: dict[str, Scenario] = {}
    try:
        for first, data in read_documents(text):
            if data is None:
                continue
            scenario = _Reader(source, line - 1).scenario(first, data)
            if scenario.id in scenarios:
                raise ScenarioError(
                    f"{source}, line {scenario.line}: id {shown(scenario.id)} is used twice; rename one"
                )
            scenarios[scenario.id] = scenario
    except YamlError as error:
        where = f", line {error.line + line - 1}" if error.line else ""
        raise ScenarioError(f"{source}{where}: {error}") from None
    if not scenarios:
        raise ScenarioError(f"{source}: there is no scenario in it; write at least id and steps")
    return list(scenarios.values())


class _Reader:
    """Reads one document of a source; every complaint names source, line and place."""

    def __init__(self, source: str, offset: int) -> None:
        self.source = source
        self.offset = offset

    def scenario(self, first: int, data: object) -> Scenario:
        top = self._object(data, first, "a scenario", _SCENARIO_KEYS)
        line = top.line
        if "id" not in top:
            self._fail(line, "the scenario has no id; add one such as id: N1")
        name = top["id"]
        if isinstance(name, bool) or not isinstance(name, str | int) or not 1 <= len(str(name)) <= _MAX_ID:
            self._fail(line, f"id {shown(name)} is no text of 1 to {_MAX_ID} characters")
        title = self._text(top, "title", "the scenario")
        if not title.strip():
            self._fail(line, "the scenario has no title; add one line that says what it shows")
        expect = self._expect(self._nested(top, "expect", "expect of the scenario", _EXPECT_KEYS))
        return Scenario(
            id=str(name),
            title=title,
            source=self.source,
            line=line + self.offset,
            settings=self._settings(self._nested(top, "settings", "settings", Settings.names())),
            clock=self._instant(top, "clock", "the scenario") or DEFAULT_CLOCK,
            given=tuple(
                self._given(item, n, line) for n, item in enumerate(self._list(top, "given", "the scenario"), 1)
            ),
            steps=tuple(
                self._step(item, n, line) for n, item in enumerate(self._list(top, "steps", "the scenario"), 1)
            ),
            expect=expect,
            expect_line=expect.line + self.offset,
        )

    def _settings(self, values: Located) -> Located:
        try:
            Settings.of(values)
        except SettingsError as error:
            self._fail(values.line, str(error))
        return values

    def _given(self, item: object, number: int, line: int) -> Step:
        place = f"given {number}"
        envelope = self._object(item, line, f"{place}, an envelope such as {{type: OrderAcceptCmd, orderId: O1}}")
        return Step(place=place, line=envelope.line + self.offset, do=envelope, expect={"status": "OK"})

    def _step(self, item: object, number: int, line: int) -> Step:
        place = f"step {number}"
        step = self._object(item, line, place, _STEP_KEYS)
        kinds = [kind for kind in ("do", "query", "check") if kind in step]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none of them"
            self._fail(step.line, f"{place} must have one of do, query and check; it has {found}")
        match kinds[0]:
            case "do":
                asked = self._nested(step, "do", f"do of {place}")
                expect = self._nested(step, "expect", f"expect of {place}")
                self._expected_result(expect, place)
            case "query":
                asked = self._query(self._nested(step, "query", f"query of {place}", _QUERY_KEYS), place)
                expect = self._nested(step, "expect", f"expect of {place}", _QUERY_EXPECT_KEYS)
                self._list(expect, "ids", place)
                self._list(expect, "rows", place)
            case _:
                asked = self._check(self._nested(step, "check", f"check of {place}", _CHECK_KEYS), place)
                expect = self._nested(step, "expect", f"expect of {place}", _CHECK_EXPECT_KEYS)
        at = self._instant(step, "at", place)
        if at and kinds[0] != "do":
            self._fail(step.line, f"{place}: at sets the time of a command; a {kinds[0]} has none")
        return Step.model_validate(
            {"place": place, "line": step.line + self.offset, "at": at, kinds[0]: asked, "expect": expect}
        )

    def _query(self, query: Located, place: str) -> Located:
        for name in ("entity", "sort"):
            self._text(query, name, f"query of {place}")
        where = self._list(query, "where", f"query of {place}")
        if not all(isinstance(item, str | dict) for item in where):
            self._fail(query.line, f"where of {place} must list conditions such as state=LIVE")
        if isinstance(query.get("size"), list | dict):
            self._fail(query.line, f"size of {place} must be a whole number")
        return query

    def _check(self, check: Located, place: str) -> Located:
        for name in ("from", "profile"):
            self._text(check, name, f"check of {place}")
        if not all(isinstance(item, str) for item in self._list(check, "path", f"check of {place}")):
            self._fail(check.line, f"path of {place} must list states such as LIVE")
        return check

    def _expected_result(self, expect: Located, place: str) -> None:
        asked = {name: value for name, value in expect.items() if name != "errorCode"}
        self._known_fields(CommandResult, asked, expect.line, f"expect of {place}", extra=("errorCode",))

    def _known_fields(
        self, model: type[BaseModel], data: object, line: int, what: str, *, extra: Sequence[str] = ()
    ) -> None:
        """Every key at every depth must be a field of the record it is compared with."""
        if isinstance(data, list):
            for item in data:
                self._known_fields(model, item, line, what)
        if not isinstance(data, dict):
            return
        line = data.line if isinstance(data, Located) else line
        fields = {str(field.alias): field.annotation for field in model.model_fields.values()}
        for name, value in data.items():
            self._known(name, (*fields, *extra), line, what)
            if nested := _record_in(fields[name]):
                self._known_fields(nested, value, line, f"{name} in {what}")

    def _expect(self, expect: Located) -> Located:
        for order_id, fields in self._nested(expect, "orders", "orders of expect").items():
            if fields is not None:
                self._object(fields, expect.line, f"order {shown(order_id)} of expect")
                self._known_fields(Order, fields, expect.line, f"order {shown(order_id)} of expect")
        events = self._nested(expect, "events", "events of expect")
        for order_id in events:
            self._list(events, order_id, "events of expect")
        self._nested(expect, "counts", "counts of expect", _COUNT_KEYS)
        return expect

    def _object(self, value: object, line: int, what: str, keys: Iterable[str] | None = None) -> Located:
        if not isinstance(value, Located):
            self._fail(line, f"{what} must be an object of keys and values, not {shown(value)}")
        if keys is not None:
            for name in value:
                self._known(name, keys, value.line, what)
        return value

    def _nested(self, data: Located, name: str, what: str, keys: Iterable[str] | None = None) -> Located:
        value = data.get(name)
        return Located(data.line) if value is None else self._object(value, data.line, what, keys)

    def _known(self, name: str, keys: Iterable[str], line: int, what: str) -> None:
        valid = list(keys)
        if name not in valid:
            near = difflib.get_close_matches(name[:_MAX_ID], valid, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            self._fail(line, f"{shown(name)} is no key of {what}; {hint}valid: {', '.join(valid)}")

    def _list(self, data: Located, name: str, what: str) -> list[Any]:
        value = [] if data.get(name) is None else data[name]
        if not isinstance(value, list):
            self._fail(data.line, f"{name} of {what} must be a list, not {shown(value)}")
        if len(value) > MAX_ITEMS:
            self._fail(data.line, f"{name} of {what} has {len(value)} items; at most {MAX_ITEMS:,} are accepted")
        return value

    def _text(self, data: Located, name: str, what: str) -> str:
        value = data.get(name)
        if value is not None and not isinstance(value, str):
            self._fail(data.line, f"{name} of {what} must be text, not {shown(value)}")
        return value or ""

    def _instant(self, data: Located, name: str, what: str) -> datetime | None:
        if data.get(name) is None:
            return None
        try:
            return parse_instant(data[name])
        except PydanticCustomError as error:
            self._fail(data.line, f"{name} of {what} {shown(data[name])} {error}")

    def _fail(self, line: int, message: str) -> NoReturn:
        raise ScenarioError(f"{self.source}, line {line + self.offset}: {message}")


def _record_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation of a field
    """The record inside an annotation such as `Problem | None` or `tuple[EventRef, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _record_in(part))), None)
