"""Does the engine do what a scenario says? Carried out step by step, and compared with what it expects."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticCustomError

from oms_engine.domain.commands import CommandResult
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.lifecycle import TransitionCheck
from oms_engine.domain.model import Order
from oms_engine.domain.quantities import round_half_up
from oms_engine.engine import Engine
from oms_engine.errors import Problem, Refused, ScenarioError, shown
from oms_engine.record import Record, instant_text, parse_decimal, parse_instant
from oms_engine.settings import Settings
from oms_engine.simulation.scenario import Scenario, Step

TICK = timedelta(milliseconds=1)
SESSION = "scenario"

_ID_FIELDS = {
    "order": "orderId",
    "execution": "execId",
    "allocation": "id",
    "quote": "quoteId",
    "quote_request": "quoteReqId",
    "event": "position",
}
_AVERAGE_DIGITS = (4, 8)


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
    """What a scenario did: its steps, the orders it touched as they are now, its events, and the differences.

    `compared` counts the values that its `expect` named; a run that compared none has passed without saying anything.
    """

    id: str
    title: str
    source: str
    passed: bool
    compared: int
    steps: tuple[StepRun, ...]
    orders: tuple[Order, ...]
    events: tuple[StoredEvent, ...]
    differences: tuple[Difference, ...]


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
        require_settings(scenario, engine.settings)
        return _Run(scenario, engine, None).finished()
    script = _Script(scenario.clock)
    settings = Settings.of(scenario.settings)
    with Engine.open(settings=settings, clock=script.clock, new_id=script.new_id, session_id=SESSION) as own:
        return _Run(scenario, own, script).finished()


def require_settings(scenario: Scenario, settings: Settings) -> None:
    """Can the scenario run on an engine with these settings? Raises ScenarioError naming the setting that differs."""
    needed, actual = Settings.of(scenario.settings).to_wire(), settings.to_wire()
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
        self.counted = _counts(engine)
        self.compared = 0
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
            compared=self.compared,
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
        expectations = [*(step.expect for step in self.scenario.steps), *self.scenario.expect.values()]
        self.compared = sum(_named(expect) for expect in expectations if expect)
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
        content = page["content"]
        actual = {"ids": [row[id_field] for row in content], "count": page["page"]["totalElements"], "rows": content}
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
        streams = sorted(stream for stream, _ in self.written if stream.startswith("order-"))
        ids = dict.fromkeys(stream.removeprefix("order-") for stream in streams)
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
        now = _counts(self.engine)
        added = {name: now[name] - self.counted[name] for name in now}
        yield from compare(expect.get("counts") or {}, added, "counts", line)

    def _types(self, order_id: str) -> list[str]:
        return [event.type for event in self.engine.history(order_id)] if self._order(order_id) else []

    def _order(self, order_id: str) -> Order | None:
        try:
            return self.engine.find(order_id)
        except Refused:
            return None


def _counts(engine: Engine) -> Counter[str]:
    return Counter({**engine.counts(), "outbox": engine.outbox.count()})


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


def _named(expected: object) -> int:
    """How many values an expectation names; a list is one, and so is an empty object."""
    return sum(map(_named, expected.values())) if isinstance(expected, Mapping) and expected else 1


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
    return round_half_up(actual, min(max(digits, low), high))
