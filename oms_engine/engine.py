"""What can a program do with the order management engine? Open it, execute commands, ask questions, close it."""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from oms_engine.domain.catalogue import violation
from oms_engine.domain.commands import Command, CommandResult, Draft, EventRef, TaskReport, parse
from oms_engine.domain.events import StoredEvent, stream_of
from oms_engine.domain.filters import Where, read_query
from oms_engine.domain.lifecycle import NextState, TransitionCheck, check_path, next_states, read_profile, read_states
from oms_engine.domain.model import Execution, Order, OrderState
from oms_engine.domain.rules.envelope import ID_FORM
from oms_engine.domain.vocabulary import CommandStatus
from oms_engine.errors import Problem, Refused, StoreError, problem, problem_of, shown
from oms_engine.framework.orchestration import PipelineResult, TaskOrchestrator, TaskStatus
from oms_engine.settings import Settings
from oms_engine.storage.event_store import MEMORY, EventStore, translated
from oms_engine.storage.projections import Progress, project, rebuild
from oms_engine.storage.queries import Page, run
from oms_engine.workflows import PIPELINE, TASK_NAMES, OrderTaskContext

Clock = Callable[[], datetime]
NewId = Callable[[str], str]
Listener = Callable[[Sequence[StoredEvent]], None]

MAX_BATCH = 10_000


def utc_now() -> datetime:
    """The time of this machine in UTC."""
    return datetime.now(UTC)


def random_id(prefix: str) -> str:
    """An id nobody has: the prefix and 32 hexadecimal digits."""
    return f"{prefix}-{uuid.uuid4().hex}"


class Outcome(NamedTuple):
    """What a command did: its result, and its order before and after. In a preview nothing of it was stored."""

    result: CommandResult
    before: Order | None
    after: Order | None
    dry_run: bool = False


class BatchOutcome(NamedTuple):
    """What a batch did. With `rolled_back` nothing of it was stored; `not_run` counts the commands never reached."""

    outcomes: list[Outcome]
    not_run: int
    rolled_back: bool


class Engine:
    """An order management engine over one store; safe to share between threads.

    Use it as a context manager, or call `close`. `execute` never raises for a refused command; questions raise Refused.
    """

    def __init__(
        self, store: EventStore, *, settings: Settings, clock: Clock, new_id: NewId, session_id: str = "engine"
    ) -> None:
        self.settings = settings
        self.session_id = session_id
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._orchestrator = TaskOrchestrator(time.perf_counter_ns)
        self._listeners: list[Listener] = []

    @classmethod
    def open(
        cls,
        url: str = MEMORY,
        *,
        settings: Settings | Mapping[str, Any] | None = None,
        clock: Clock = utc_now,
        new_id: NewId = random_id,
        session_id: str = "engine",
    ) -> Self:
        """Open or create a store.

        Args:
            url: A path, `sqlite:///PATH`, or `:memory:` (the default) for a private sandbox.
            settings: Settings, or a mapping of their dotted names.
            clock: Gives the time; time never comes from anywhere else.
            new_id: Makes an id with a given prefix.
            session_id: Session of commands that name none.

        Raises:
            StoreUnavailable: The file is foreign, newer, broken or unreachable; it is left as it is.
            SettingsError: A setting is unknown or impossible.
        """
        chosen = settings if isinstance(settings, Settings) else Settings.of(settings or {})
        return cls(EventStore.open(url), settings=chosen, clock=clock, new_id=new_id, session_id=session_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    @property
    def mode(self) -> str:
        """`sandbox` for a store in memory, `file` for one that stays."""
        return "sandbox" if self._store.in_memory else "file"

    def execute(self, command: Command | Mapping[str, Any], *, session_id: str | None = None) -> CommandResult:
        """Carry out a command or an envelope; a refused one writes nothing and its result says why.

        Args:
            command: A command, or an envelope such as `{"type": "OrderAcceptCmd", "orderId": "ORD-7"}`.
            session_id: Session of the caller, for a command that names none.
        """
        return self.run(command, session_id=session_id).result

    def preview(self, command: Command | Mapping[str, Any], *, session_id: str | None = None) -> CommandResult:
        """What `execute` would answer, through the same pipeline; everything it writes is rolled back."""
        return self.run(command, session_id=session_id, dry_run=True).result

    def run(
        self, command: Command | Mapping[str, Any], *, session_id: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """As `execute` or `preview`, with the order before and after."""
        draft = _draft(command)
        try:
            with self._store.writing():
                return self._carry_out(draft, _Unit(self._store, self._listeners, dry_run=dry_run), session_id)
        except StoreError as error:
            return Outcome(_store_failed(draft, error), None, None, dry_run)

    def execute_many(
        self,
        commands: Iterable[Command | Mapping[str, Any]],
        *,
        atomic: bool = False,
        dry_run: bool = False,
        session_id: str | None = None,
    ) -> BatchOutcome:
        """Carry out commands in one transaction, each in a savepoint of its own.

        Args:
            commands: At most 10,000 commands or envelopes.
            atomic: The first refusal ends the batch and takes everything back; otherwise a refusal takes back itself.
            dry_run: Everything is taken back at the end.
            session_id: Session of the caller.

        Raises:
            StoreError: The store could not be written; nothing of the batch is stored.
        """
        drafts = [_draft(command) for command in commands]
        if len(drafts) > MAX_BATCH:
            raise ValueError(f"a batch has at most {MAX_BATCH} commands, not {len(drafts)}; send it in parts")
        outcomes: list[Outcome] = []
        published: list[StoredEvent] = []
        with self._store.writing():
            for draft in drafts:
                with self._store.savepoint():
                    unit = _Unit(self._store, [published.extend], dry_run=dry_run, nested=True)
                    outcomes.append(self._carry_out(draft, unit, session_id))
                if atomic and not outcomes[-1].result.ok:
                    break
            failed = atomic and bool(outcomes) and not outcomes[-1].result.ok
            if not (failed or dry_run):
                self._store.commit()
        if not (failed or dry_run):
            _tell(self._listeners, published)
        return BatchOutcome(outcomes, len(drafts) - len(outcomes), failed)

    def _carry_out(self, draft: Draft, unit: "_Unit", session_id: str | None) -> Outcome:
        context = OrderTaskContext(
            draft,
            settings=self.settings,
            ledger=unit,
            now=self._clock(),
            new_id=self._new_id,
            session_id=self.session_id if session_id is None else session_id,
            dry_run=unit.dry_run,
        )
        finished = self._orchestrator.run(PIPELINE, context)
        if not finished.success:
            return _refused(context, finished)
        return self._repeated(context, finished) if context.repeat else _accepted(context, finished)

    def _repeated(self, context: OrderTaskContext, finished: PipelineResult) -> Outcome:
        """The answer to a command that was carried out before, rebuilt from the events it wrote."""
        repeat = context.repeat
        assert repeat is not None  # noqa: S101 - asked only for a repeat
        events: list[StoredEvent] = []
        state = self._store.load(repeat.order_id)
        if repeat.recorded is not None:
            last = repeat.recorded.last_position
            events = self._store.events(after=repeat.recorded.first_position - 1, up_to=last)
            state = self._store.load(repeat.order_id, up_to=events[-1].version)
        elif context.command and context.command.type == "OrderCreateCmd":
            created = next(iter(self._store.stream(stream_of(repeat.order_id), up_to=1)))
            recorded = self._store.command(created.command_id)
            events = self._store.events(after=created.position - 1, up_to=recorded and recorded.last_position)
        assert state is not None  # noqa: S101 - a repeat names an order that exists
        result = CommandResult(
            id=_object_id(context.command, state.order),
            status=CommandStatus.OK,
            message=f"{repeat.message}; nothing was written",
            duplicate=True,
            version=state.order.version,
            state=state.order.state,
            events=_references(events),
            tasks=_reports(finished),
        )
        return Outcome(result, state.order, state.order, context.dry_run)

    def get(self, order_id: str) -> Order | None:
        """The order with this id, as the read model has it; None when there is none."""
        if not ID_FORM.fullmatch(order_id):
            return None
        page = self.query(
            where=[{"field": "orderId", "op": "in", "value": order_id}], size=1
        )  # eq takes null as a word
        return page.content[0] if page.content else None  # type: ignore[return-value] # the entity is order

    def find(self, order_id: str) -> Order:
        """The order with this id; raises Refused (OMS-ORDER-001) when there is none."""
        order = self.get(order_id)
        if order is None:
            message = f"order {shown(order_id)} does not exist; search_orders finds its orderId"
            found = violation("ENV-09", "OMS-ORDER-001", "orderId", message)
            raise Refused(problem_of([found]))
        return order

    def executions(self, order_id: str) -> list[Execution]:
        """The executions of an order in order of booking, reversed ones included."""
        state = self.state_at(order_id)
        return list(state.executions.values()) if state else []

    def state_at(self, order_id: str, version: int | None = None) -> OrderState | None:
        """The order as its first so many events say, or all of them; None when it had none."""
        if not ID_FORM.fullmatch(order_id):
            return None
        with self._store.reading():
            return self._store.load(order_id, up_to=version)

    def history(self, order_id: str) -> list[StoredEvent]:
        """The events of an order in order of version; raises Refused (OMS-ORDER-001) when there is none."""
        self.find(order_id)
        with self._store.reading():
            return list(self._store.stream(stream_of(order_id)))

    def events(self, *, after: int = 0, limit: int = 500) -> list[StoredEvent]:
        """Events of all orders behind a global position, in order of position."""
        with self._store.reading():
            return self._store.events(after=after, limit=limit)

    def query(
        self,
        *,
        entity: str = "order",
        where: Where = (),
        sort: str = "",
        page: int | str = 0,
        size: int | str | None = None,
    ) -> Page:
        """Ask for orders, executions or events.

        Args:
            entity: `order`, `execution` or `event`.
            where: Conditions as `field=value`, `field__op=value` or {field, op, value}; all must hold.
            sort: `field,DESC;field2,ASC`; newest first when empty.
            page: Page from 0.
            size: Rows on a page.

        Raises:
            Refused: OMS-VAL-004 with every part of the question that cannot be read, and the valid choices.
        """
        return run(self._store, read_query(self.settings, entity=entity, where=where, sort=sort, page=page, size=size))

    def check(
        self,
        *,
        order_id: str = "",
        from_state: str = "",
        path: Sequence[str] = (),
        profile: str = "",
    ) -> TransitionCheck:
        """Ask the lifecycle: is this path possible, and what can follow?

        Args:
            order_id: Start from the state of this order.
            from_state: Or from this state; with neither, from before creation.
            path: States to go through; empty asks only what can follow.
            profile: `standard`, `matrix` or `desk`; the engine's own when empty.

        Raises:
            Refused: OMS-ORDER-001 unknown order, OMS-VAL-004 unknown state or profile, OMS-VAL-001 two starts.
        """
        if order_id and from_state:
            message = "order_id and from_state both name a start; give one of them"
            raise Refused(problem_of([violation("ENV-03", "OMS-VAL-001", "from_state", message)]))
        start = self.find(order_id).state if order_id else None
        if from_state:
            start = read_states([from_state])[0]
        chosen = read_profile(profile or self.settings.lifecycle_profile)
        return check_path(chosen, start, read_states(path))

    def next_states(self, order: Order) -> tuple[NextState, ...]:
        """What can follow the state of an order, by this engine's lifecycle."""
        return next_states(self.settings.lifecycle_profile, order.state)

    def rebuild(self, progress: Progress = lambda _done, _all: None) -> int:
        """Write the read model anew from the events; returns how many events were read."""
        return rebuild(self._store, progress)

    def counts(self) -> dict[str, int]:
        """How many orders, executions and events there are."""
        tables = {"orders": "orders", "executions": "executions", "events": "events"}
        with self._store.reading() as connection:
            return {
                name: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - own names
                for name, table in tables.items()
            }

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Be told the events of every commit of this engine; returns the function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def copy(self, *, clock: Clock | None = None, new_id: NewId | None = None) -> "Engine":
        """A throw-away engine in memory with everything this one has; what happens there stays there."""
        store = EventStore.open(MEMORY)
        with self._store.reading() as connection:
            connection.backup(store.connection)
        return Engine(
            store,
            settings=self.settings,
            clock=clock or self._clock,
            new_id=new_id or self._new_id,
            session_id=self.session_id,
        )


class _Unit:
    """The store as the tasks of one command see it, inside the open transaction."""

    def __init__(
        self, store: EventStore, listeners: Sequence[Listener], *, dry_run: bool, nested: bool = False
    ) -> None:
        self._store = store
        self._listeners = listeners
        self._nested = nested
        self.dry_run = dry_run
        self.command = store.command
        self.client_order_id = store.client_order_id
        self.orders_with_execution = store.orders_with_execution
        self.next_position = store.next_position

    def load(self, order_id: str) -> OrderState | None:
        return self._store.load(order_id)

    def write(self, events: Sequence[StoredEvent], after: OrderState, command_id: str, payload_hash: str) -> str:
        with translated():
            self._store.append(events)
            project(self._store.connection, events, after)
            self._store.remember(command_id, payload_hash, events)
        if self._nested:
            self._store.release()
        elif not self.dry_run:
            self._store.commit()
        return "dry run: nothing is stored" if self.dry_run else ""

    def publish(self, events: Sequence[StoredEvent]) -> list[str]:
        return _tell(self._listeners, events)


def _tell(listeners: Sequence[Listener], events: Sequence[StoredEvent]) -> list[str]:
    failures = []
    for listener in list(listeners):
        try:
            listener(events)
        except Exception as error:  # noqa: BLE001 - a listener's failure must not undo what is stored
            failures.append(f"a listener failed ({type(error).__name__}); the events are stored")
    return failures


def _draft(command: Command | Mapping[str, Any]) -> Draft:
    if isinstance(command, Command):
        return Draft(command.type, command)
    if isinstance(command, Mapping):
        return parse(command)
    message = f"an envelope must be a JSON object with a type, not {shown(command)}"
    return Draft("", None, envelope=(violation("ENV-01", "OMS-VAL-004", "type", message),))


def _reports(finished: PipelineResult) -> tuple[TaskReport, ...]:
    return tuple(
        TaskReport(
            name=result.task_name,
            status=result.status,
            message=_without_internals(result.message, result.exception),
            duration_micros=result.duration_micros,
        )
        for result in finished.task_results
    )


def _without_internals(message: str, exception: BaseException | None) -> str:
    """No text of an exception leaves the process, but for those that were written to be read."""
    if exception is None or isinstance(exception, StoreError):
        return message
    return "an internal error; nothing was changed"


def _references(events: Sequence[StoredEvent], *, with_positions: bool = True) -> tuple[EventRef, ...]:
    return tuple(
        EventRef(
            type=event.type,
            stream_id=event.stream_id,
            version=event.version,
            position=event.position if with_positions else None,
        )
        for event in events
    )


def _object_id(command: Command | None, order: Order) -> str:
    """What the result of a command names: the execution for commands about one, else the order."""
    execution = getattr(command, "execution", None)
    exec_id = execution.exec_id if execution is not None else getattr(command, "exec_id", None)
    return exec_id or order.order_id


def _accepted(context: OrderTaskContext, finished: PipelineResult) -> Outcome:
    after = context.after.order if context.after else None
    assert after is not None  # noqa: S101 - a pipeline that succeeded decided
    before = context.before.order if context.before else None
    names = ", ".join(event.type for event in context.events)
    result = CommandResult(
        id=_object_id(context.command, after),
        status=CommandStatus.OK,
        message=f"order {after.order_id} is {after.state}: {names}" + (" (dry run)" if context.dry_run else ""),
        version=after.version,
        state=after.state,
        events=_references(context.events, with_positions=not context.dry_run),
        tasks=_reports(finished),
    )
    return Outcome(result, before, after, context.dry_run)


def _refused(context: OrderTaskContext, finished: PipelineResult) -> Outcome:
    order = context.before.order if context.before else None
    result = CommandResult(
        id="",
        status=CommandStatus.FAILED,
        message="",
        tasks=_reports(finished),
        error=_problem(context, order, finished),
    )
    assert result.error is not None  # noqa: S101 - given above
    return Outcome(result.model_copy(update={"message": result.error.detail}), order, order, context.dry_run)


def _problem(context: OrderTaskContext, order: Order | None, finished: PipelineResult) -> Problem:
    known = _known_context(context, order)
    if context.violations:
        return problem_of(context.violations, context=known, command_id=context.command_id)
    failed = next(task for task in finished.task_results if task.status is TaskStatus.FAILED)
    if isinstance(failed.exception, StoreError):
        return problem(failed.exception.code, str(failed.exception), context=known, command_id=context.command_id)
    detail = "an invariant of the order would be broken" if context.broken else "an internal error"
    return problem("OMS-SYS-001", f"{detail}; nothing was changed", context=known, command_id=context.command_id)


def _known_context(context: OrderTaskContext, order: Order | None) -> dict[str, Any]:
    command = context.command
    known: dict[str, Any] = {
        "sessionId": context.session_id,
        "correlationId": (command and command.correlation_id) or context.command_id,
    }
    part = getattr(command, "order", None) or getattr(command, "execution", None) or command
    for name, attribute in (("orderId", "order_id"), ("execId", "exec_id"), ("clOrdId", "cl_ord_id")):
        value = getattr(part, attribute, None)
        known[name] = value[:64] if isinstance(value, str) else None
    if order is not None:
        known["orderId"] = order.order_id
        known["fromState"] = order.state.value
        known["validTransitions"] = sorted(state.value for state in context.machine.get_valid_transitions(order.state))
    return known


def _store_failed(draft: Draft, error: StoreError) -> CommandResult:
    """The answer when not even the transaction could begin, or could not be ended."""
    command_id = draft.command.command_id if draft.command else None
    told = problem(error.code, str(error), command_id=command_id)
    tasks = tuple(
        TaskReport(name=name, status=TaskStatus.NOT_RUN, message="", duration_micros=0) for name in TASK_NAMES
    )
    return CommandResult(id="", status=CommandStatus.FAILED, message=told.detail, tasks=tasks, error=told)
