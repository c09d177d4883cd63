"""What does a scenario say? Read from YAML, with every key checked before anything runs."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, get_args

from pydantic import BaseModel, Field
from pydantic_core import PydanticCustomError

from oms_engine.domain.commands import COMMANDS, CommandResult
from oms_engine.domain.events import EVENTS
from oms_engine.domain.filters import ENTITIES, read_query
from oms_engine.domain.lifecycle import Profile
from oms_engine.domain.model import Order
from oms_engine.domain.vocabulary import State
from oms_engine.errors import Refused, ScenarioError, SettingsError, shown
from oms_engine.record import Instant, Record, parse_instant
from oms_engine.settings import Settings
from oms_engine.simulation.plain_yaml import Located, YamlError, read_documents
from oms_engine.simulation.values import expects_success, is_whole, near, record_in, unknown, unreadable, wrong_value

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


def is_name(text: str) -> bool:
    """Does a text name scenarios, as DOC or DOC#ID? One that is written out has a line end, a brace or a colon."""
    return bool(text) and not any(sign in text for sign in "\n{:")


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
            scenario = Reader(source, line - 1).scenario(first, data)
            if scenario.id in scenarios:
                raise ScenarioError(
                    f"{source}, line {scenario.line}: id {shown(scenario.id)} is used twice; rename one"
                )
            scenarios[scenario.id] = scenario
    except YamlError as error:
        where = f", line {error.line + line - 1}" if error.line else ""
        raise ScenarioError(f"{source}{where}: {error}") from None
    if not scenarios:
        raise ScenarioError(f"{source}: there is no scenario in it; write at least id, title and steps")
    return list(scenarios.values())


class Reader:
    """Reads the data of a source; every complaint names source, line and place.

    Args:
        source: What complaints call it.
        offset: Lines of the source before the data.
    """

    def __init__(self, source: str, offset: int) -> None:
        self.source = source
        self.offset = offset

    def scenario(self, first: int, data: object) -> Scenario:
        """The scenario that a document says.

        Raises:
            ScenarioError: Something in it is unknown, missing or impossible.
        """
        if not isinstance(data, Located):
            self.fail(first, f"a scenario must be an object that begins with id and title, not {shown(data)}")
        top = self._object(data, first, "a scenario", _SCENARIO_KEYS)
        line = top.line
        expect = self.end(self._nested(top, "expect", "expect of the scenario"), "expect of the scenario")
        given, steps = (self._list(top, name, "the scenario") for name in ("given", "steps"))
        return self.head(top).model_copy(
            update={
                "given": tuple(self._given(item, n, line) for n, item in enumerate(given, 1)),
                "steps": tuple(self.step(item, n, line) for n, item in enumerate(steps, 1)),
                "expect": expect,
                "expect_line": expect.line + self.offset,
            }
        )

    def head(self, top: Located) -> Scenario:
        """What a scenario is called, with which settings and when it begins; nothing happens in it yet."""
        line = top.line
        if "id" not in top:
            self.fail(line, "the scenario has no id; add one such as id: N1")
        name = top["id"]
        if isinstance(name, bool) or not isinstance(name, str | int) or not 1 <= len(str(name)) <= _MAX_ID:
            self.fail(top.line_of("id"), f"id {shown(name)} is no text of 1 to {_MAX_ID} characters")
        title = self._text(top, "title", "the scenario")
        if not title.strip():
            self.fail(line, "the scenario has no title; add one line that says what it shows")
        return Scenario(
            id=str(name),
            title=title,
            source=self.source,
            line=line + self.offset,
            settings=self._settings(self._nested(top, "settings", "settings", Settings.names())),
            clock=self._instant(top, "clock", "the scenario") or DEFAULT_CLOCK,
        )

    def _settings(self, values: Located) -> Located:
        try:
            Settings.of(values)
        except SettingsError as error:
            wrong = next((name for name in values if f" {name} " in f" {error} "), "")
            self.fail(values.line_of(wrong), str(error))
        return values

    def _given(self, item: object, number: int, line: int) -> Step:
        place = f"given {number}"
        envelope = self._object(item, line, f"{place}, an envelope such as {{type: OrderAcceptCmd, orderId: O1}}")
        if kinds := {"do", "query", "check"}.intersection(envelope):
            self.fail(
                envelope.line,
                f"{place} has {min(kinds)}; given lists envelopes alone: write {{type: ...}}, or move it to steps",
            )
        self._readable(envelope, place)
        return Step(place=place, line=envelope.line + self.offset, do=envelope, expect={"status": "OK"})

    def step(self, item: object, number: int, line: int) -> Step:
        """What a step does or asks, and what must come out.

        Raises:
            ScenarioError: Something in it is unknown, missing or impossible.
        """
        place = f"step {number}"
        step = self._object(item, line, place, _STEP_KEYS)
        kinds = [kind for kind in ("do", "query", "check") if kind in step]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none of them"
            self.fail(step.line, f"{place} must have one of do, query and check; it has {found}")
        match kinds[0]:
            case "do":
                asked = self._nested(step, "do", f"do of {place}")
                expect = self._nested(step, "expect", f"expect of {place}")
                self._expected_result(expect, place)
                if expects_success(expect):
                    self._readable(asked, place)
                elif not expect and "type" in asked:
                    self._one_of(asked["type"], COMMANDS, "command", asked.line_of("type"), f"type of {place}")
            case "query":
                asked = self._query(self._nested(step, "query", f"query of {place}", _QUERY_KEYS), place)
                expect = self._nested(step, "expect", f"expect of {place}", _QUERY_EXPECT_KEYS)
                self._expected_page(expect, asked, place)
            case _:
                asked = self._check(self._nested(step, "check", f"check of {place}", _CHECK_KEYS), place)
                expect = self._nested(step, "expect", f"expect of {place}", _CHECK_EXPECT_KEYS)
                self._states(expect, ("failedFrom", "failedTo"), f"expect of {place}")
                self._right(expect, "valid", bool, f"expect of {place}")
        at = self._instant(step, "at", place)
        if at and kinds[0] != "do":
            self.fail(step.line_of("at"), f"{place}: at sets the time of a command; a {kinds[0]} has none")
        return Step.model_validate(
            {"place": place, "line": step.line + self.offset, "at": at, kinds[0]: asked, "expect": expect}
        )

    def _readable(self, envelope: Located, place: str) -> None:
        """A command that must be carried out can at least be read."""
        if wrong := unreadable(envelope):
            path, message = wrong
            inner = envelope.get(path[0]) if len(path) > 1 else envelope
            line = inner.line_of(path[-1]) if isinstance(inner, Located) else envelope.line
            self.fail(line, f"{place}: {message}")

    def _query(self, query: Located, place: str) -> Located:
        for name in ("entity", "sort"):
            self._text(query, name, f"query of {place}")
        if query.get("entity"):
            self._one_of(query["entity"], ENTITIES, "entity", query.line_of("entity"), f"entity of {place}")
        where = self._list(query, "where", f"query of {place}")
        if not all(isinstance(item, str | dict) for item in where):
            self.fail(query.line_of("where"), f"where of {place} must list conditions such as state=LIVE")
        if isinstance(query.get("size"), list | dict):
            self.fail(query.line_of("size"), f"size of {place} must be a whole number")
        try:
            read_query(Settings(), **{name: value for name, value in query.items() if value is not None})
        except Refused as refused:
            field = refused.problem.violations[0].field if refused.problem.violations else ""
            line = query.line_of(field if field in query else "where")
            self.fail(line, f"query of {place}: {refused.problem.detail}")
        return query

    def _expected_page(self, expect: Located, asked: Located, place: str) -> None:
        self._list(expect, "ids", place)
        self._right(expect, "count", int, f"expect of {place}")
        entity = ENTITIES[asked.get("entity") or "order"]
        fields = {str(field.alias): field.annotation for field in entity.record.model_fields.values()}
        for row in self._list(expect, "rows", place):
            told = self._object(row, expect.line_of("rows"), f"a row of {place}", fields)
            for name, value in told.items():
                if not record_in(fields[name]) and (wrong := wrong_value(name, fields[name], value)):
                    self.fail(told.line_of(name), f"{name} in a row of {place}: {wrong}")

    def _right(self, data: Located, name: str, kind: type, what: str) -> None:
        """A value that is told can be right."""
        if wrong := wrong_value(name, kind, data.get(name)):
            self.fail(data.line_of(name), f"{name} of {what}: {wrong}")

    def _check(self, check: Located, place: str) -> Located:
        for name in ("from", "profile"):
            self._text(check, name, f"check of {place}")
        path = self._list(check, "path", f"check of {place}")
        if not all(isinstance(item, str) for item in path):
            self.fail(check.line_of("path"), f"path of {place} must list states such as LIVE")
        self._states(check, ("from",), f"check of {place}")
        for state in path:
            self._one_of(state, State, "state", check.line_of("path"), f"path of {place}")
        if check.get("profile"):
            self._one_of(check["profile"], get_args(Profile), "profile", check.line_of("profile"), place)
        return check

    def _states(self, data: Located, names: Iterable[str], what: str) -> None:
        for name in names:
            if data.get(name):
                self._one_of(data[name], State, "state", data.line_of(name), f"{name} of {what}")

    def _one_of(self, value: object, valid: Iterable[str], kind: str, line: int, what: str) -> None:
        names = list(map(str, valid))
        if value not in names:
            self.fail(line, f"{what}: {unknown(value, kind, names)}")

    def _expected_result(self, expect: Located, place: str) -> None:
        if wrong := wrong_value("errorCode", str, expect.get("errorCode")):
            self.fail(expect.line_of("errorCode"), f"errorCode in expect of {place}: {wrong}")
        self._known_fields(CommandResult, expect, expect.line, f"expect of {place}", extra=("errorCode",))

    def _known_fields(
        self, model: type[BaseModel], data: object, line: int, what: str, *, extra: Sequence[str] = ()
    ) -> None:
        """Every key at every depth must be a field of the record it is compared with, its value one it can have."""
        if isinstance(data, list):
            for item in data:
                self._known_fields(model, item, line, what)
        if not isinstance(data, dict):
            return
        fields = {str(field.alias): field.annotation for field in model.model_fields.values()}
        for name, value in data.items():
            place = data.line_of(name) if isinstance(data, Located) else line
            self.known(name, (*fields, *extra), place, what)
            if name not in fields:
                continue
            if nested := record_in(fields[name]):
                self._known_fields(nested, value, place, f"{name} in {what}")
            elif wrong := wrong_value(name, fields[name], value):
                self.fail(place, f"{name} in {what}: {wrong}")

    def end(self, expect: Located, what: str) -> Located:
        """What must be true at the end; `what` is what complaints call it.

        Raises:
            ScenarioError: Something in it is unknown or impossible.
        """
        self._object(expect, expect.line, what, _EXPECT_KEYS)
        for order_id, fields in (orders := self._nested(expect, "orders", "orders of expect")).items():
            if fields is not None:
                line = orders.line_of(order_id)
                self._object(fields, line, f"order {shown(order_id)} of expect")
                self._known_fields(Order, fields, line, f"order {shown(order_id)} of expect")
        events = self._nested(expect, "events", "events of expect")
        for order_id in events:
            for name in self._list(events, order_id, "events of expect"):
                self._one_of(name, EVENTS, "event", events.line_of(order_id), f"events of order {shown(order_id)}")
        self._counts(self._nested(expect, "counts", "counts of expect", _COUNT_KEYS))
        return expect

    def _counts(self, counts: Located) -> None:
        for name, number in counts.items():
            if not is_whole(number):
                self.fail(counts.line_of(name), f"{name} of counts must be a whole number, not {shown(number)}")

    def _object(self, value: object, line: int, what: str, keys: Iterable[str] | None = None) -> Located:
        if not isinstance(value, Located):
            self.fail(line, f"{what} must be an object of keys and values, not {shown(value)}")
        if keys is not None:
            for name in value:
                self.known(name, keys, value.line_of(name), what)
        return value

    def _nested(self, data: Located, name: str, what: str, keys: Iterable[str] | None = None) -> Located:
        value = data.get(name)
        line = data.line_of(name)
        return Located(line) if value is None else self._object(value, line, what, keys)

    def known(self, name: str, keys: Iterable[str], line: int, what: str) -> None:
        """A key must be one of those that there are; raises ScenarioError with the nearest."""
        valid = list(keys)
        if name not in valid:
            self.fail(line, f"{shown(name)} is no key of {what}; {near(name, valid)}valid: {', '.join(valid)}")

    def _list(self, data: Located, name: str, what: str) -> list[Any]:
        value = [] if data.get(name) is None else data[name]
        line = data.line_of(name)
        if not isinstance(value, list):
            self.fail(line, f"{name} of {what} must be a list, not {shown(value)}; begin each item with -")
        if len(value) > MAX_ITEMS:
            self.fail(line, f"{name} of {what} has {len(value)} items; at most {MAX_ITEMS:,} are accepted")
        return value

    def _text(self, data: Located, name: str, what: str) -> str:
        value = data.get(name)
        if value is not None and not isinstance(value, str):
            self.fail(data.line_of(name), f"{name} of {what} must be text, not {shown(value)}")
        return value or ""

    def _instant(self, data: Located, name: str, what: str) -> datetime | None:
        if data.get(name) is None:
            return None
        try:
            return parse_instant(data[name])
        except PydanticCustomError as error:
            self.fail(data.line_of(name), f"{name} of {what} {shown(data[name])} {error}")

    def fail(self, line: int, message: str) -> NoReturn:
        """Complain about a line of the data."""
        raise ScenarioError(f"{self.source}, line {line + self.offset}: {message}")
