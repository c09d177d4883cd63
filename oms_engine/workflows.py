"""Which tasks answer a command, and which rules does each ask? One table of workflows, one pipeline of seven tasks."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from oms_engine.domain.catalogue import in_catalogue_order
from oms_engine.domain.commands import (
    Command,
    Draft,
    ExecutionBustCmd,
    ExecutionCreateCmd,
    OrderCancelCmd,
    OrderCancelRejectCmd,
    OrderCreateCmd,
)
from oms_engine.domain.decider.evolve import evolve
from oms_engine.domain.decider.invariants import broken_invariants
from oms_engine.domain.decider.order import NewId, decide, terms_hash
from oms_engine.domain.events import Event, StoredEvent, stream_of
from oms_engine.domain.lifecycle import MACHINES
from oms_engine.domain.model import OrderState
from oms_engine.domain.rules import execution, order
from oms_engine.domain.rules.envelope import EVERY_COMMAND, ID_FORM, MAX_SHORT_TEXT
from oms_engine.domain.rules.facts import ClientOrderId, Facts
from oms_engine.framework.orchestration import Task, TaskContext, TaskPipeline, TaskResult
from oms_engine.framework.validation import Rule, Violation, validate
from oms_engine.record import canonical_json
from oms_engine.settings import Settings

AnyRule = Rule[Any]

WORKFLOWS: dict[str, tuple[AnyRule, ...]] = {
    "OrderCreateCmd": order.CREATE,
    "OrderPlaceCmd": order.PLACE,
    "OrderAcceptCmd": order.ACCEPT,
    "OrderRejectCmd": order.REJECT,
    "OrderCancelCmd": order.CANCEL,
    "OrderCancelAcceptCmd": order.CANCEL_ACCEPT,
    "OrderCancelRejectCmd": order.CANCEL_REJECT,
    "OrderExpireCmd": order.EXPIRE,
    "OrderCloseCmd": order.CLOSE,
    "ExecutionCreateCmd": execution.CREATE,
    "ExecutionWhackCmd": execution.WHACK,
    "ExecutionBustCmd": execution.BUST,
}
"""The rules of every command, beside those that hold for all of them."""

TRANSACTION, FIELDS, LIFECYCLE, BUSINESS, RISK = range(5)

_OWNERS: dict[str, int] = {
    "OMS-VAL-002": TRANSACTION,
    "OMS-AUTH-003": TRANSACTION,
    "OMS-ORDER-001": TRANSACTION,
    "OMS-ORDER-002": TRANSACTION,
    "OMS-EXEC-001": TRANSACTION,
    "OMS-EXEC-002": TRANSACTION,
    "OMS-DATA-001": TRANSACTION,
    "OMS-LOCK-001": TRANSACTION,
    "OMS-VAL-001": FIELDS,
    "OMS-VAL-003": FIELDS,
    "OMS-VAL-004": FIELDS,
    "OMS-VAL-005": FIELDS,
    "OMS-EXEC-003": FIELDS,
    "OMS-STATE-001": LIFECYCLE,
    "OMS-STATE-002": LIFECYCLE,
    "OMS-STATE-003": LIFECYCLE,
    "OMS-ORDER-005": LIFECYCLE,
    "OMS-ORDER-006": LIFECYCLE,
    "OMS-EXEC-004": BUSINESS,
    "OMS-EXEC-005": BUSINESS,
    "OMS-AUTH-001": BUSINESS,
    "OMS-AUTH-002": BUSINESS,
}
"""Which task owns which code: a rule runs there, those about the envelope in the first task."""


def _owner(rule: AnyRule) -> int:
    return TRANSACTION if rule in EVERY_COMMAND else _OWNERS[rule.code]


def rules_of(command_type: str) -> tuple[AnyRule, ...]:
    """Every rule a command is asked, those of the envelope first."""
    return (*EVERY_COMMAND, *WORKFLOWS[command_type])


_BY_TASK: dict[str, tuple[tuple[AnyRule, ...], ...]] = {
    name: tuple(tuple(rule for rule in rules_of(name) if _owner(rule) == task) for task in range(RISK + 1))
    for name in WORKFLOWS
}


class Recorded(Protocol):
    """A command that was carried out before."""

    @property
    def payload_hash(self) -> str: ...  # noqa: D102 - the hash of what it asked
    @property
    def stream_id(self) -> str: ...  # noqa: D102 - its main stream
    @property
    def first_position(self) -> int: ...  # noqa: D102 - its first event
    @property
    def last_position(self) -> int: ...  # noqa: D102 - its last event


class Ledger(Protocol):
    """What the tasks need of a store, inside one transaction."""

    def command(self, command_id: str) -> Recorded | None:
        """The command with this id, when it was carried out before."""

    def client_order_id(self, session_id: str, cl_ord_id: str) -> ClientOrderId | None:
        """Who used a clOrdId in a session."""

    def orders_with_execution(self, exec_id: str) -> tuple[str, ...]:
        """The orders that have an execution with this execId."""

    def load(self, order_id: str) -> OrderState | None:
        """The order as its events say."""

    def next_position(self) -> int:
        """The position of the next event."""

    def write(self, events: Sequence[StoredEvent], after: OrderState, command_id: str, payload_hash: str) -> str:
        """Write events, read model and idempotency key, and commit; returns what became of them, as a sentence."""

    def publish(self, events: Sequence[StoredEvent]) -> list[str]:
        """Hand the events to whoever listens; returns what went wrong, as sentences."""


class Repeat(NamedTuple):
    """A command that need not be carried out: it was before, or it comes too late to matter."""

    order_id: str
    recorded: Recorded | None
    message: str


class OrderTaskContext(TaskContext):
    """What the tasks of one command share."""

    def __init__(
        self,
        draft: Draft,
        *,
        settings: Settings,
        ledger: Ledger,
        now: datetime,
        new_id: NewId,
        session_id: str,
        dry_run: bool,
    ) -> None:
        command = draft.command
        given = command.command_id if command else None
        self.has_key = given is not None and bool(ID_FORM.fullmatch(given))
        self.command_id = given if given is not None and self.has_key else new_id("CMD")
        super().__init__(self.command_id, now)
        self.draft = draft
        self.command = command
        self.settings = settings
        self.machine = MACHINES[settings.lifecycle_profile]
        self.ledger = ledger
        self.now = now
        self.new_id = new_id
        self.session_id = (command and command.session_id) or session_id
        self.actor = (command and command.actor) or self.session_id
        correlation = command.correlation_id if command else None
        self.correlation_id = correlation if correlation and len(correlation) <= MAX_SHORT_TEXT else self.command_id
        self.dry_run = dry_run
        self.payload_hash = hash_of(command) if command else ""
        self.facts: Facts[Any] | None = None
        self.before: OrderState | None = None
        self.after: OrderState | None = None
        self.events: tuple[StoredEvent, ...] = ()
        self.violations: tuple[Violation, ...] = ()
        self.broken: tuple[str, ...] = ()
        self.repeat: Repeat | None = None

    @property
    def known_facts(self) -> Facts[Any]:
        """The facts that the first task collected."""
        assert self.facts is not None  # noqa: S101 - the pipeline stops when the first task could not collect them
        return self.facts


def hash_of(command: Command) -> str:
    """A hash of what a command asks, without its envelope."""
    asked = {"type": command.type, "version": command.version, "payload": command.payload()}
    return hashlib.sha256(canonical_json(asked).encode()).hexdigest()


def _refuse(context: OrderTaskContext, violations: Iterable[Violation]) -> TaskResult:
    context.violations = tuple(in_catalogue_order(list(violations)))
    return TaskResult.failed(context.violations[0].message, errors=tuple(found.message for found in context.violations))


def _ask(context: OrderTaskContext, task: int) -> tuple[Violation, ...]:
    rules = _BY_TASK[context.known_facts.command.type][task]
    return validate(rules, context.facts, malformed=context.draft.malformed).violations


def _validate_transaction(context: OrderTaskContext) -> TaskResult | None:
    command = context.command
    if command is None:
        return _refuse(context, context.draft.envelope)
    recorded = context.ledger.command(context.command_id) if context.has_key else None
    readable = not (context.draft.envelope or context.draft.payload)
    if recorded and readable and recorded.payload_hash == context.payload_hash:
        context.repeat = Repeat(
            recorded.stream_id.removeprefix("order-"), recorded, "this command was carried out before"
        )
        return TaskResult.success(context.repeat.message)
    context.facts = _collect(context, command, command_id_taken=recorded is not None)
    context.before = context.facts.state
    context.repeat = _repeated_create(context) if readable else None
    if context.repeat:
        return TaskResult.success(context.repeat.message)
    violations = _ask(context, TRANSACTION)
    if any(found.rule_id in _ALONE for found in violations):
        return _refuse(context, violations)
    if context.draft.envelope or violations:
        return _refuse(context, (*context.draft.envelope, *violations))
    return None


_ALONE = frozenset(rule.id for name in WORKFLOWS for rule in rules_of(name) if rule.alone)


def _collect(context: OrderTaskContext, command: Command, *, command_id_taken: bool) -> Facts[Any]:
    """Load the order a command is about and what the store knows of its ids."""
    ledger = context.ledger
    order_id: str | None = getattr(command, "order_id", None)
    cl_ord_id = None
    exec_orders: tuple[str, ...] = ()
    order_id_used = False
    match command:
        case OrderCreateCmd(order=asked) if asked is not None:
            cl_ord_id = asked.cl_ord_id
            order_id_used = asked.order_id is not None and ledger.load(asked.order_id) is not None
        case OrderCancelCmd():
            cl_ord_id = command.cl_ord_id
        case ExecutionCreateCmd(execution=fill) if fill is not None:
            order_id = fill.order_id
        case ExecutionBustCmd(order_id=None, exec_id=str(exec_id)):
            exec_orders = ledger.orders_with_execution(exec_id)
            order_id = exec_orders[0] if len(exec_orders) == 1 else None
        case _:
            pass
    return Facts(
        command=command,
        settings=context.settings,
        machine=context.machine,
        now=context.now,
        session_id=context.session_id,
        actor=context.actor,
        state=ledger.load(order_id) if order_id else None,
        used_by=ledger.client_order_id(context.session_id, cl_ord_id) if cl_ord_id else None,
        order_id_used=order_id_used,
        exec_orders=exec_orders,
        command_id_taken=command_id_taken,
    )


def _repeated_create(context: OrderTaskContext) -> Repeat | None:
    """An identical order under the same clOrdId in the same session is the same order."""
    facts = context.known_facts
    command = facts.command
    if not isinstance(command, OrderCreateCmd) or command.order is None or facts.used_by is None:
        return None
    used = facts.used_by
    same_id = command.order.order_id in {None, used.order_id}
    if facts.command_id_taken or not same_id or used.payload_hash != terms_hash(command.order):
        return None
    return Repeat(used.order_id, None, "this order was created before under the same sessionId and clOrdId")


def _validate_order(context: OrderTaskContext) -> TaskResult | None:
    violations = (*context.draft.payload, *_ask(context, FIELDS))
    if violations:
        return _refuse(context, violations)
    if context.draft.ignored:
        return TaskResult.warning(f"ignored, because only the system sets them: {', '.join(context.draft.ignored)}")
    return None


def _state_transition(context: OrderTaskContext) -> TaskResult | None:
    state = context.before
    late = state is not None and state.late_cancel and not context.machine.is_terminal_state(state.order.state)
    if late and state is not None and isinstance(context.command, OrderCancelRejectCmd):
        context.repeat = Repeat(
            state.order.order_id, None, "late answer: the cancel request was resolved when the order ended"
        )
        return TaskResult.success(context.repeat.message)
    violations = _ask(context, LIFECYCLE)
    return _refuse(context, violations) if violations else None


def _business_rules(context: OrderTaskContext) -> TaskResult | None:
    violations = _ask(context, BUSINESS)
    if violations:
        return _refuse(context, violations)
    context.events = _stored(context, decide(context.known_facts, context.new_id))
    for event in context.events:
        context.after = evolve(context.after or context.before, event)
    assert context.after is not None  # noqa: S101 - every accepted command writes an event
    context.broken = tuple(broken_invariants(context.after))
    return TaskResult.failed("; ".join(context.broken)) if context.broken else None


def _stored(context: OrderTaskContext, events: Sequence[Event]) -> tuple[StoredEvent, ...]:
    """The events with their places and with what caused them."""
    command = context.known_facts.command
    version = context.before.order.version if context.before else 0
    order_id = context.before.order.order_id if context.before else getattr(events[0], "order_id", "")
    position = context.ledger.next_position()
    return tuple(
        StoredEvent.model_construct(
            position=position + index,
            stream_id=stream_of(order_id),
            version=version + 1 + index,
            type=event.type,
            schema_version=1,
            payload=event,
            command_id=context.command_id,
            correlation_id=context.correlation_id,
            causation_id=command.causation_id or context.command_id,
            actor=context.actor,
            recorded_at=context.now,
        )
        for index, event in enumerate(events)
    )


def _risk_check(context: OrderTaskContext) -> TaskResult | None:
    violations = _ask(context, RISK)
    return _refuse(context, violations) if violations else None


def _persist_order(context: OrderTaskContext) -> TaskResult | None:
    assert context.after is not None  # noqa: S101 - the business rules decided
    return TaskResult.success(
        context.ledger.write(context.events, context.after, context.command_id, context.payload_hash)
    )


def _publish_event(context: OrderTaskContext) -> TaskResult | None:
    failures = context.ledger.publish(context.events)
    return TaskResult.warning("; ".join(failures)) if failures else None


Step = Callable[[OrderTaskContext], TaskResult | None]


def _is_new(context: OrderTaskContext) -> bool:
    return context.repeat is None


def _step(
    name: str,
    function: Step,
    *,
    precondition: Callable[[OrderTaskContext], bool] = _is_new,
    reason: str = "nothing to do",
) -> Task[OrderTaskContext]:
    return Task.of(name, function, precondition=precondition, skip_reason=reason)


def _has_risk_rules(context: OrderTaskContext) -> bool:
    return _is_new(context) and bool(_BY_TASK[context.known_facts.command.type][RISK])


PIPELINE: TaskPipeline[OrderTaskContext] = (
    TaskPipeline[OrderTaskContext]
    .builder("OrderProcessing")
    .add_task(Task.of("ValidateTransaction", _validate_transaction))
    .add_task(_step("ValidateOrder", _validate_order, reason="nothing to do: the command was carried out before"))
    .add_task(_step("StateTransition", _state_transition, reason="nothing to do: the command was carried out before"))
    .add_task(_step("BusinessRules", _business_rules))
    .add_task(
        _step("RiskCheck", _risk_check, precondition=_has_risk_rules, reason="no risk rule applies to this command")
    )
    .add_task(_step("PersistOrder", _persist_order))
    .add_task(
        _step(
            "PublishEvent",
            _publish_event,
            precondition=lambda context: _is_new(context) and not context.dry_run,
            reason="nothing was stored, so nothing is published",
        )
    )
    .build()
)

TASK_NAMES = tuple(task.name for task in PIPELINE.tasks)
