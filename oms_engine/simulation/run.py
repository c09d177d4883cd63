"""Does the engine do what a scenario says? Carried out step by step, and compared with what it expects."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from oms_engine.domain.commands import CommandResult
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.lifecycle import TransitionCheck
from oms_engine.domain.model import Order
from oms_engine.engine import Engine
from oms_engine.errors import Problem, Refused, ScenarioError, shown
from oms_engine.record import Instant, Record
from oms_engine.settings import Settings
from oms_engine.simulation.comparing import Difference, compare, named
from oms_engine.simulation.ids import CountedIds
from oms_engine.simulation.moves import Moved, moves
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


class StepRun(Record):
    """What a step did: the answer to its command, question or check, and how it differs from what was expected.

    It happened `at` a time of the scenario, and a command `moved` what is listed. A question answers with `page`, or
    with `error` when it was refused.
    """

    place: str
    line: int
    at: Instant | None = None
    do: dict[str, Any] | None = None
    query: dict[str, Any] | None = None
    check: dict[str, Any] | None = None
    result: CommandResult | None = None
    page: dict[str, Any] | None = None
    checked: TransitionCheck | None = None
    error: Problem | None = None
    moved: tuple[Moved, ...] | None = None
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


class Script:
    """A clock that moves a millisecond with each command, and ids that are counted: nothing is left to chance.

    Args:
        now: The time at the start.
        mark: Stands in each id, so that none is taken already: `ORD-mark1`.
        forward: The clock goes on only, as it must where something happened before the scenario.
    """

    def __init__(self, now: datetime, *, mark: str = "", forward: bool = False) -> None:
        self.now = now
        self._forward = forward
        self.new_id = CountedIds(mark)

    def clock(self) -> datetime:
        """The time now."""
        return self.now

    def set_clock(self, at: datetime) -> None:
        """Go to a time that a step names."""
        self.now = max(self.now, at) if self._forward else at


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
        return _to_its_end(Rehearsal(scenario, engine))
    with staged(scenario) as rehearsal:
        return _to_its_end(rehearsal)


def _to_its_end(rehearsal: "Rehearsal") -> ScenarioRun:
    for _ in rehearsal.steps():
        pass
    return rehearsal.outcome()


@contextmanager
def staged(scenario: Scenario, session_id: str = SESSION) -> Iterator["Rehearsal"]:
    """A scenario on an engine in memory of its own, with its settings, its clock and counted ids (`ORD-1`)."""
    script = Script(scenario.clock)
    settings = Settings.of(scenario.settings)
    with Engine.open(settings=settings, clock=script.clock, new_id=script.new_id, session_id=session_id) as own:
        yield Rehearsal(scenario, own, script)


def require_settings(scenario: Scenario, settings: Settings) -> None:
    """Can the scenario run on an engine with these settings? Raises ScenarioError naming the setting that differs."""
    needed, actual = Settings.of(scenario.settings).to_wire(), settings.to_wire()
    for name in scenario.settings:
        if needed[name] != actual[name]:
            raise ScenarioError(
                f"{scenario.source}: scenario {scenario.id} needs the setting {name} = {shown(needed[name])}, and this "
                f"engine has {shown(actual[name])}; open it with that setting, or run the scenario in memory"
            )


class Rehearsal:
    """A scenario that is carried out on one engine step by step: take `steps` to their end, then ask for `outcome`.

    Args:
        scenario: What to do.
        engine: Where to do it, for good.
        script: The clock of that engine, when a scenario may set it.

    Attributes:
        done: The steps that were taken, in order.
    """

    def __init__(self, scenario: Scenario, engine: Engine, script: Script | None = None) -> None:
        self.scenario = scenario
        self.engine = engine
        self.script = script
        self.done: list[StepRun] = []
        self._counted = _counts(engine)
        self._compared = 0
        self._complete = False
        self._written: dict[tuple[str, int], int] = {}

    def steps(self) -> Iterator[StepRun]:
        """Take the steps, one at a time; they end early when the scene could not be set, as they would say nothing."""
        for step in self.scenario.given:
            self.done.append(self._command(step))
            yield self.done[-1]
            if self.done[-1].differences:
                return
        for step in self.scenario.steps:
            self.done.append(self._step(step))
            yield self.done[-1]
        expectations = [*(step.expect for step in self.scenario.steps), *self.scenario.expect.values()]
        self._compared = sum(named(expect) for expect in expectations if expect)
        self._complete = True

    def outcome(self) -> ScenarioRun:
        """What the steps that were taken did, and how it differs from what was expected."""
        differences = [found for step in self.done for found in step.differences]
        if self._complete:
            differences += self._at_the_end()
        return ScenarioRun(
            id=self.scenario.id,
            title=self.scenario.title,
            source=self.scenario.source,
            passed=not differences,
            compared=self._compared,
            steps=tuple(self.done),
            orders=tuple(self._touched()),
            events=tuple(self._events()),
            differences=tuple(differences),
        )

    def _events(self) -> list[StoredEvent]:
        """The events that were written, and none that somebody else wrote meanwhile."""
        if not self._written:
            return []
        events = self.engine.events(after=min(self._written.values()) - 1, limit=-1)
        return [event for event in events if (event.stream_id, event.version) in self._written]

    def _step(self, step: Step) -> StepRun:
        if step.do is not None:
            return self._command(step)
        return self._question(step) if step.query is not None else self._check(step)

    def _command(self, step: Step) -> StepRun:
        if self.script and step.at:
            self.script.set_clock(step.at)
        at = self.engine.now()
        outcome = self.engine.run(step.do or {})
        result = outcome.result
        if self.script:
            self.script.now += TICK
        if not result.duplicate:
            self._written.update(((event.stream_id, event.version), event.position or 0) for event in result.events)
        actual = result.to_wire()
        if result.error:
            actual["errorCode"] = result.error.error_code
        found = _noted(compare(step.expect, actual, step.place, step.line), result.error)
        return _done(step, found, at=at, result=result, moved=tuple(moves(outcome)) or None)

    def _question(self, step: Step) -> StepRun:
        asked = {name: value for name, value in (step.query or {}).items() if value is not None}
        try:
            page = self.engine.query(**asked).to_wire()
        except Refused as refused:
            return _refused(step, refused.problem, self.engine.now())
        id_field = id_field_of(asked)
        content = page["content"]
        actual = {"ids": [row[id_field] for row in content], "count": page["page"]["totalElements"], "rows": content}
        found = compare(step.expect, actual, step.place, step.line)
        return _done(step, found, at=self.engine.now(), page=page)

    def _check(self, step: Step) -> StepRun:
        asked = step.check or {}
        start, path, profile = asked.get("from") or "", asked.get("path") or (), asked.get("profile") or ""
        try:
            checked = self.engine.check(from_state=start, path=path, profile=profile)
        except Refused as refused:
            return _refused(step, refused.problem, self.engine.now())
        found = compare(step.expect, checked.to_wire(), step.place, step.line)
        return _done(step, found, at=self.engine.now(), checked=checked)

    def _touched(self) -> list[Order]:
        streams = sorted(stream for stream, _ in self._written if stream.startswith("order-"))
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
        yield from compare(expect.get("counts") or {}, self.added(), "counts", line)

    def added(self) -> dict[str, int]:
        """How many orders, executions, events and messages came into being since the start."""
        now = _counts(self.engine)
        return {name: now[name] - self._counted[name] for name in now}

    def _types(self, order_id: str) -> list[str]:
        return [event.type for event in self.engine.history(order_id)] if self._order(order_id) else []

    def _order(self, order_id: str) -> Order | None:
        try:
            return self.engine.find(order_id)
        except Refused:
            return None


def id_field_of(asked: Mapping[str, Any]) -> str:
    """The field by which a question names its rows."""
    return _ID_FIELDS[asked.get("entity") or "order"]


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


def _refused(step: Step, problem: Problem, at: datetime) -> StepRun:
    found = Difference(
        place=step.place, line=step.line, field="errorCode", actual=problem.error_code, note=problem.detail
    )
    return _done(step, [found], at=at, error=problem)


def _noted(differences: Iterable[Difference], error: Problem | None) -> list[Difference]:
    """The differences; the first one says what the engine said, and by which rule."""
    told = {"note": error.detail, "rule": next((found.rule_id for found in error.violations), None)} if error else {}
    return [found.model_copy(update=told) if n == 0 else found for n, found in enumerate(differences)]
