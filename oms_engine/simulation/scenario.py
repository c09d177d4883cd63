"""What does a scenario say, and does the engine agree? Read from YAML, run, and compared with what it expects."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NoReturn, get_args

from pydantic import BaseModel, Field
from pydantic_core import PydanticCustomError

from oms_engine.domain.commands import CommandResult
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.lifecycle import TransitionCheck
from oms_engine.domain.model import Order
from oms_engine.engine import Engine
from oms_engine.errors import Problem, Refused, ScenarioError, SettingsError, shown
from oms_engine.record import Instant, Record, instant_text, parse_decimal, parse_instant
from oms_engine.settings import Settings
from oms_engine.simulation.plain_yaml import Located, YamlError, read_documents

DEFAULT_CLOCK = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
SESSION = "scenario"
MAX_ITEMS = 10_000

_SCENARIO_KEYS = ("id", "title", "settings", "clock", "given", "steps", "expect")
_STEP_KEYS = ("do", "query", "check", "expect", "at")
_QUERY_KEYS = ("entity", "where", "sort", "size")
_QUERY_EXPECT_KEYS = ("ids", "count")
_CHECK_KEYS = ("from", "path", "profile")
_CHECK_EXPECT_KEYS = ("valid", "failedFrom", "failedTo")
_EXPECT_KEYS = ("orders", "events", "counts")
_COUNT_KEYS = ("orders", "executions", "events")
_ID_FIELDS = {"order": "orderId", "execution": "execId", "event": "position"}
_MAX_ID = 64
_AVERAGE_DIGITS = (4, 8)


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


class Difference(Record):
    """Where the engine did not do what the scenario expects; a side that is absent is left out on the wire.

    `note` is what the engine said about it, when it refused something.
    """

    place: str
    line: int
    field: str
    expected: Any = None
    actual: Any = None
    note: str | None = None


class StepRun(Record):
    """What a step did: the answer to its command, question or check, and how it differs from what was expected.

    A question answers with `page`, or with `error` when it was refused.
    """

    place: str
    line: int
    do: dict[str, Any] | None = None
    query: dict[str, Any] | None = None
    check: dict[str, Any] | None = None
    result: CommandResult | None = None
    page: dict[str, Any] | None = None
    checked: TransitionCheck | None = None
    error: Problem | None = None
    differences: tuple[Difference, ...] = ()


class ScenarioRun(Record):
    """What a scenario did: its steps, the orders it touched as they are now, its events, and the differences."""

    id: str
    title: str
    source: str
    passed: bool
    steps: tuple[StepRun, ...]
    orders: tuple[Order, ...]
    events: tuple[StoredEvent, ...]
    differences: tuple[Difference, ...]


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


class _Script:
    """The clock and the ids of a scenario's own engine: nothing in them is left to chance."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._ids: Counter[str] = Counter()

    def clock(self) -> datetime:
        return self.now

    def new_id(self, prefix: str) -> str:
        self._ids[prefix] += 1
        return f"{prefix}-{self._ids[prefix]}"


def run_scenario(scenario: Scenario, engine: Engine | None = None) -> ScenarioRun:
    """Carry a scenario out and compare what happens with what it expects.

    Args:
        scenario: What to do.
        engine: Where to do it, for good, with the engine's own clock and ids; without one an engine in memory with the
            scenario's settings and clock and counted ids (`ORD-1`) is used and thrown away.

    Raises:
        ScenarioError: The scenario needs settings that the engine does not have.
        StoreError: The engine's store cannot be read.
    """
    if engine is not None:
        _require_settings(scenario, engine)
        return _Run(scenario, engine, None).finished()
    script = _Script(scenario.clock)
    settings = Settings.of(scenario.settings)
    with Engine.open(settings=settings, clock=script.clock, new_id=script.new_id, session_id=SESSION) as own:
        return _Run(scenario, own, script).finished()


def _require_settings(scenario: Scenario, engine: Engine) -> None:
    needed, actual = Settings.of(scenario.settings).to_wire(), engine.settings.to_wire()
    for name in scenario.settings:
        if needed[name] != actual[name]:
            raise ScenarioError(
                f"{scenario.source}: scenario {scenario.id} needs the setting {name} = {shown(needed[name])}, and this "
                f"engine has {shown(actual[name])}; open it with that setting, or run the scenario in memory"
            )


class _Run:
    """One run of a scenario against one engine."""

    def __init__(self, scenario: Scenario, engine: Engine, script: _Script | None) -> None:
        self.scenario = scenario
        self.engine = engine
        self.script = script
        self.counted = Counter(engine.counts())
        self.steps: list[StepRun] = []
        self.written: set[tuple[str, int]] = set()

    def finished(self) -> ScenarioRun:
        complete = self._steps()
        orders = self._touched()
        events = [
            event
            for order in orders
            for event in self.engine.history(order.order_id)
            if (event.stream_id, event.version) in self.written
        ]
        differences = [found for step in self.steps for found in step.differences]
        if complete:
            differences += self._at_the_end()
        return ScenarioRun(
            id=self.scenario.id,
            title=self.scenario.title,
            source=self.scenario.source,
            passed=not differences,
            steps=tuple(self.steps),
            orders=tuple(orders),
            events=tuple(sorted(events, key=lambda event: event.position)),
            differences=tuple(differences),
        )

    def _steps(self) -> bool:
        """Take the steps; False when the scene could not be set, because then they would say nothing."""
        for step in self.scenario.given:
            self.steps.append(self._command(step))
            if self.steps[-1].differences:
                return False
        self.steps += [self._step(step) for step in self.scenario.steps]
        return True

    def _step(self, step: Step) -> StepRun:
        if step.do is not None:
            return self._command(step)
        return self._question(step) if step.query is not None else self._check(step)

    def _command(self, step: Step) -> StepRun:
        if self.script and step.at:
            self.script.now = step.at
        result = self.engine.execute(step.do or {})
        if self.script:
            self.script.now += TICK
        if not result.duplicate:
            self.written.update((event.stream_id, event.version) for event in result.events)
        actual = result.to_wire()
        if result.error:
            actual["errorCode"] = result.error.error_code
        found = compare(step.expect, actual, step.place, step.line)
        return _done(step, _noted(found, result.message if result.error else None), result=result)

    def _question(self, step: Step) -> StepRun:
        asked = {name: value for name, value in (step.query or {}).items() if value is not None}
        try:
            page = self.engine.query(**asked).to_wire()
        except Refused as refused:
            return _refused(step, refused.problem)
        id_field = _ID_FIELDS[asked.get("entity", "order")]
        actual = {"ids": [row[id_field] for row in page["content"]], "count": page["page"]["totalElements"]}
        return _done(step, compare(step.expect, actual, step.place, step.line), page=page)

    def _check(self, step: Step) -> StepRun:
        asked = step.check or {}
        start, path, profile = asked.get("from") or "", asked.get("path") or (), asked.get("profile") or ""
        try:
            checked = self.engine.check(from_state=start, path=path, profile=profile)
        except Refused as refused:
            return _refused(step, refused.problem)
        return _done(step, compare(step.expect, checked.to_wire(), step.place, step.line), checked=checked)

    def _touched(self) -> list[Order]:
        ids = dict.fromkeys(stream.removeprefix("order-") for stream, _ in sorted(self.written))
        orders = (self._order(order_id) for order_id in ids)
        return sorted((order for order in orders if order), key=lambda order: order.id)

    def _at_the_end(self) -> Iterator[Difference]:
        expect = self.scenario.expect
        line = self.scenario.expect_line
        for order_id, fields in (expect.get("orders") or {}).items():
            order = self._order(order_id)
            yield from compare(fields, order.to_wire() if order else None, f"order {order_id}", line)
        for order_id, types in (expect.get("events") or {}).items():
            yield from compare({"events": types}, {"events": self._types(order_id)}, f"order {order_id}", line)
        now = Counter(self.engine.counts())
        added = {name: now[name] - self.counted[name] for name in now}
        yield from compare(expect.get("counts") or {}, added, "counts", line)

    def _types(self, order_id: str) -> list[str]:
        return [event.type for event in self.engine.history(order_id)] if self._order(order_id) else []

    def _order(self, order_id: str) -> Order | None:
        try:
            return self.engine.find(order_id)
        except Refused:
            return None


def _done(step: Step, differences: Iterable[Difference], **answer: Any) -> StepRun:  # noqa: ANN401 - fields of StepRun
    return StepRun(
        place=step.place,
        line=step.line,
        do=step.do,
        query=step.query,
        check=step.check,
        differences=tuple(differences),
        **answer,
    )


def _refused(step: Step, problem: Problem) -> StepRun:
    found = Difference(
        place=step.place, line=step.line, field="errorCode", actual=problem.error_code, note=problem.detail
    )
    return _done(step, [found], error=problem)


def _noted(differences: Iterable[Difference], note: str | None) -> list[Difference]:
    """The differences; the first one says what the engine said."""
    return [found.model_copy(update={"note": note}) if n == 0 else found for n, found in enumerate(differences)]


def compare(expected: Any, actual: Any, place: str, line: int, field: str = "") -> Iterator[Difference]:  # noqa: ANN401 - JSON
    """Where `actual` does not have what `expected` names; what is not named is not compared.

    Objects are compared key by key, lists element by element, numbers as decimals, times as moments; null means absent.
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name, value in expected.items():
            yield from compare(value, actual.get(name), place, line, f"{field}.{name}" if field else name)
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, pair in enumerate(zip(expected, actual, strict=True)):
            yield from compare(*pair, place, line, f"{field}[{index}]")
    elif not _same(field.rpartition(".")[2], expected, actual):
        yield Difference(place=place, line=line, field=field, expected=expected, actual=actual)


def _same(name: str, expected: object, actual: object) -> bool:
    if any(value is None or isinstance(value, bool | list | Mapping) for value in (expected, actual)):
        return expected == actual and type(expected) is type(actual)
    for read in (parse_decimal, _moment):
        try:
            left, right = read(expected), read(actual)
        except PydanticCustomError:
            continue
        return left == (_average(right, expected) if name == "avgPx" and isinstance(right, Decimal) else right)
    return expected == actual


def _moment(value: object) -> str:
    return instant_text(parse_instant(value))


def _average(actual: Decimal, expected: object) -> Decimal:
    """The average with as many decimals as the expectation has, at least 4, half-up."""
    digits = len(str(expected).partition(".")[2])
    low, high = _AVERAGE_DIGITS
    with localcontext(prec=200):
        return actual.quantize(Decimal(1).scaleb(-min(max(digits, low), high)), rounding=ROUND_HALF_UP)
