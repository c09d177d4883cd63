"""Which tasks answer a command, and which rules does each ask? One table of workflows, one pipeline of seven tasks."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from oms_engine.collecting import Caller, Decided, Ledger, Recorded, before_of, collect
from oms_engine.domain.catalogue import in_catalogue_order
from oms_engine.domain.commands import (
    PARTS,
    Command,
    Draft,
    OrderCancelRejectCmd,
    OrderCreateCmd,
    OrderReplaceRejectCmd,
    SettingsChangeCmd,
)
from oms_engine.domain.decider.book import Book, NewId, Stamp
from oms_engine.domain.decider.decisions import decide
from oms_engine.domain.decider.invariants import broken_invariants
from oms_engine.domain.decider.order import asked_hash
from oms_engine.domain.events import Sender, StoredEvent, stream_of
from oms_engine.domain.lifecycle import MACHINES
from oms_engine.domain.model import SettingsState, StreamState
from oms_engine.domain.rules import execution, group, order, quote, replace, risk, settings
from oms_engine.domain.rules.assets import classify, rules_of_class
from oms_engine.domain.rules.envelope import EVERY_COMMAND, ID_FORM, MAX_SHORT_TEXT
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.vocabulary import AssetClass
from oms_engine.framework.orchestration import Task, TaskContext, TaskPipeline, TaskResult
from oms_engine.framework.validation import Checklist, Rule, ValidationResult, Violation, chosen
from oms_engine.record import canonical_json, digest
from oms_engine.settings import Settings

AnyRule = Rule[Any]
Checklists = tuple[Checklist[Facts[Any]], ...]
"""What is asked in each task."""

WORKFLOWS: dict[str, tuple[AnyRule, ...]] = {
    "OrderCreateCmd": (*order.CREATE, *risk.CREATE, *risk.KILL_SWITCH),
    "OrderPlaceCmd": (*order.PLACE, *risk.PLACE, *risk.KILL_SWITCH),
    "OrderAcceptCmd": order.ACCEPT,
    "OrderRejectCmd": order.REJECT,
    "OrderCancelCmd": order.CANCEL,
    "OrderCancelAcceptCmd": order.CANCEL_ACCEPT,
    "OrderCancelRejectCmd": order.CANCEL_REJECT,
    "OrderReplaceCmd": (*replace.REPLACE, *risk.REPLACE, *risk.KILL_SWITCH),
    "OrderReplaceAcceptCmd": replace.ACCEPT,
    "OrderReplaceRejectCmd": replace.REJECT,
    "OrderExpireCmd": order.EXPIRE,
    "OrderCloseCmd": order.CLOSE,
    "ExecutionCreateCmd": execution.CREATE,
    "ExecutionWhackCmd": execution.WHACK,
    "ExecutionBustCmd": execution.BUST,
    "ExecutionCorrectCmd": execution.CORRECT,
    "OrderGroupCmd": (*group.GROUP, *risk.KILL_SWITCH),
    "OrderUngroupCmd": group.UNGROUP,
    "AllocationApproveCmd": group.APPROVE,
    "AllocationRejectCmd": group.REJECT,
    "QuoteRequestCreateCmd": (*quote.REQUEST, *risk.KILL_SWITCH),
    "QuoteCreateCmd": (*quote.QUOTE, *risk.KILL_SWITCH),
    "QuoteAcceptCmd": (*quote.ACCEPT, *risk.KILL_SWITCH),
    "QuoteRejectCmd": quote.REJECT,
    "QuoteExpireCmd": quote.EXPIRE,
    "SettingsChangeCmd": settings.CHANGE,
    "ReferencePriceCmd": settings.PRICE,
}
"""The rules of every command, beside those that hold for all of them and those of the order's asset class."""

TRANSACTION, FIELDS, LIFECYCLE, BUSINESS, RISK = range(5)

_OWNERS: dict[str, int] = {
    "OMS-VAL-002": TRANSACTION,
    "OMS-AUTH-003": TRANSACTION,
    "OMS-ORDER-001": TRANSACTION,
    "OMS-ORDER-002": TRANSACTION,
    "OMS-EXEC-001": TRANSACTION,
    "OMS-EXEC-002": TRANSACTION,
    "OMS-QUOTE-001": TRANSACTION,
    "OMS-QUOTE-002": TRANSACTION,
    "OMS-QUOTE-004": TRANSACTION,
    "OMS-DATA-001": TRANSACTION,
    "OMS-LOCK-001": TRANSACTION,
    "OMS-VAL-001": FIELDS,
    "OMS-VAL-003": FIELDS,
    "OMS-VAL-004": FIELDS,
    "OMS-VAL-005": FIELDS,
    "OMS-EXEC-003": FIELDS,
    "OMS-ORDER-003": FIELDS,
    "OMS-STATE-001": LIFECYCLE,
    "OMS-STATE-002": LIFECYCLE,
    "OMS-STATE-003": LIFECYCLE,
    "OMS-ORDER-005": LIFECYCLE,
    "OMS-ORDER-006": LIFECYCLE,
    "OMS-QUOTE-003": LIFECYCLE,
    "OMS-ORDER-004": BUSINESS,
    "OMS-EXEC-004": BUSINESS,
    "OMS-EXEC-005": BUSINESS,
    "OMS-AUTH-001": BUSINESS,
    "OMS-AUTH-002": BUSINESS,
    "OMS-RISK-001": RISK,
    "OMS-RISK-002": RISK,
    "OMS-RISK-003": RISK,
    "OMS-RISK-004": RISK,
    "OMS-RISK-005": RISK,
    "OMS-RISK-006": RISK,
    "OMS-RISK-007": RISK,
    "OMS-RISK-008": RISK,
}
"""Which task owns which code: a rule runs there, those about the envelope in the first task."""


def _owner(rule: AnyRule) -> int:
    return TRANSACTION if rule in EVERY_COMMAND else _OWNERS[rule.code]


def rules_of(command_type: str) -> tuple[AnyRule, ...]:
    """Every rule a command is asked, those of the envelope first."""
    return (*EVERY_COMMAND, *WORKFLOWS[command_type], *risk.PACE)


_BY_TASK: dict[str, tuple[tuple[AnyRule, ...], ...]] = {
    name: tuple(tuple(rule for rule in rules_of(name) if _owner(rule) == task) for task in range(RISK + 1))
    for name in WORKFLOWS
}


class Repeat(NamedTuple):
    """A command that need not be carried out: it was before, or it comes too late to matter."""

    stream_id: str
    recorded: Recorded | None
    message: str


class OrderTaskContext(TaskContext):
    """What the tasks of one command share."""

    def __init__(
        self,
        draft: Draft,
        *,
        settings: Settings,
        set_before: SettingsState,
        ledger: Ledger,
        now: datetime,
        new_id: NewId,
        sender: Sender,
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
        self.set_before = set_before
        self.machine = MACHINES[settings.lifecycle_profile]
        self.ledger = ledger
        self.now = now
        self.new_id = new_id
        self.session_id = (command and command.session_id) or sender.session_id or ""
        named = command.actor if command else None
        self.actor = named or sender.actor or sender.client or self.session_id
        self.signature = sender.signed(named, self.session_id)
        correlation = command.correlation_id if command else None
        self.correlation_id = correlation if correlation and len(correlation) <= MAX_SHORT_TEXT else self.command_id
        self.dry_run = dry_run
        self.facts: Facts[Any] | None = None
        self.before: StreamState | None = None
        self.decided: Decided | None = None
        self.violations: tuple[Violation, ...] = ()
        self.broken: tuple[str, ...] = ()
        self.asked: Checklists | None = None
        self.repeat: Repeat | None = None

    @property
    def known_facts(self) -> Facts[Any]:
        """The facts that the first task collected."""
        assert self.facts is not None  # noqa: S101 - the pipeline stops when the first task could not collect them
        return self.facts

    @property
    def after(self) -> StreamState | None:
        """The main stream after the command; None until it is decided."""
        return self.decided.after.get(self.decided.main) if self.decided else None

    @property
    def events(self) -> Sequence[StoredEvent]:
        """What happened; nothing until it is decided."""
        return self.decided.events if self.decided else ()


def hash_of(command: Command) -> str:
    """A hash of what a command asks, without its envelope."""
    if isinstance(command, SettingsChangeCmd):  # its payload is an object, and those have no order
        return digest({"type": command.type, "changes": command.changes})
    return hashlib.sha256(f"{command.type} {command.payload_json()}".encode()).hexdigest()[:32]


def asks_the_same(recorded: Recorded, command: Command) -> bool:
    """Did a command that was carried out before ask the same?"""
    if len(recorded.payload_hash) != _HASH_OF_SCHEMA_2:
        return recorded.payload_hash == hash_of(command)
    asked = {"type": command.type, "version": command.version, "payload": command.payload()}
    return recorded.payload_hash == hashlib.sha256(canonical_json(asked).encode()).hexdigest()


_HASH_OF_SCHEMA_2 = 64
"""Length of the hashes that files of schema 1 and 2 have kept."""


def _refuse(context: OrderTaskContext, violations: Iterable[Violation]) -> TaskResult:
    context.violations = tuple(in_catalogue_order(list(violations)))
    return TaskResult.failed(context.violations[0].message, errors=tuple(found.message for found in context.violations))


def _ask(context: OrderTaskContext, task: int) -> ValidationResult:
    asked = (context.asked or _checklists(context))[task]
    return asked.validate(context.known_facts, context.draft.malformed)


class _Shape(NamedTuple):
    """What decides which rules a command is asked: its type, its order's class, the fields it gives, what is set."""

    command_type: str
    asset_class: AssetClass | None
    fields: frozenset[str]
    fields_of_part: frozenset[str]
    settings: frozenset[str]


class _Asked(NamedTuple):
    """The rules of a shape by task, and the asset class rules that were in force when they were chosen."""

    of_class: tuple[AnyRule, ...]
    by_task: Checklists


_MOST_SHAPES = 4_096
_ASKED: dict[_Shape, _Asked] = {}
"""Commands come in few shapes, so what is asked of them is chosen once."""


def _checklists(context: OrderTaskContext) -> Checklists:
    """The rules of the command by the task that owns them, those of the order's asset class among them."""
    facts = context.known_facts
    command, candidate = facts.command, facts.candidate
    name = PARTS.get(command.type)
    part = candidate or (getattr(command, name) if name else None)
    shape = _Shape(
        command.type,
        classify(candidate, facts.settings) if candidate else None,
        frozenset(command.model_fields_set),
        frozenset(part.model_fields_set) if part else frozenset(),
        facts.settings.in_force,
    )
    context.asked = _asked(shape)
    return context.asked


def _asked(shape: _Shape) -> Checklists:
    of_class = rules_of_class(shape.asset_class)
    known = _ASKED.get(shape)
    if known is None or known.of_class is not of_class:
        if len(_ASKED) >= _MOST_SHAPES:
            _ASKED.clear()
        known = _ASKED[shape] = _Asked(of_class, tuple(_choose(shape, task, of_class) for task in range(RISK + 1)))
    return known.by_task


def _choose(shape: _Shape, task: int, of_class: tuple[AnyRule, ...]) -> Checklist[Facts[Any]]:
    parts = ("candidate", PARTS.get(shape.command_type))
    given = {f"{part}.{name}" for name in shape.fields_of_part for part in parts}
    given |= shape.fields | {f"settings.{name}" for name in shape.settings}
    owned = (rule for rule in of_class if _OWNERS.get(rule.code, FIELDS) == task)
    return Checklist(chosen((*_BY_TASK[shape.command_type][task], *owned), given))


def _answer(context: OrderTaskContext, found: ValidationResult) -> TaskResult | None:
    """What a task says that found this: a refusal, warnings, or nothing."""
    if found.violations:
        return _refuse(context, found.violations)
    return _told(warning.message for warning in found.warnings) if found.warnings else None


_NO_RISK = TaskResult.skipped("no risk rule applies to this command")


def _told(warnings: Iterable[str]) -> TaskResult | None:
    told = tuple(warnings)
    return TaskResult.warning("; ".join(told), warnings=told) if told else None


def _validate_transaction(context: OrderTaskContext) -> TaskResult | None:
    command = context.command
    if command is None:
        return _refuse(context, context.draft.envelope)
    recorded = context.ledger.command(context.command_id) if context.has_key else None
    readable = not (context.draft.envelope or context.draft.payload)
    if recorded and readable and asks_the_same(recorded, command):
        context.repeat = Repeat(recorded.stream_id, recorded, "this command was carried out before")
        return TaskResult.success(context.repeat.message)
    context.facts = collect(command, _caller(context), command_id_taken=recorded is not None)
    facts = context.facts
    context.before = before_of(command, facts.state, facts.quotes, facts.set_before)
    context.repeat = _repeated_create(context) if readable else None
    if context.repeat:
        return TaskResult.success(context.repeat.message)
    found = _ask(context, TRANSACTION)
    violations = found.violations
    if any(told.rule_id in _ALONE for told in violations):
        return _refuse(context, violations)
    if context.draft.envelope or violations:
        return _refuse(context, (*context.draft.envelope, *violations))
    return _answer(context, found)


def _caller(context: OrderTaskContext) -> Caller:
    return Caller(
        ledger=context.ledger,
        settings=context.settings,
        machine=context.machine,
        now=context.now,
        session_id=context.session_id,
        actor=context.actor,
        set_before=context.set_before,
    )


_ALONE = frozenset(rule.id for name in WORKFLOWS for rule in rules_of(name) if rule.alone)


def _repeated_create(context: OrderTaskContext) -> Repeat | None:
    """An identical order under the same clOrdId in the same session is the same order."""
    facts = context.known_facts
    command = facts.command
    if not isinstance(command, OrderCreateCmd) or command.order is None or facts.used_by is None:
        return None
    used = facts.used_by
    before = context.ledger.order(used.order_id)
    same_id = command.order.order_id in {None, used.order_id}
    if facts.command_id_taken or not same_id or before is None:
        return None
    if used.payload_hash != asked_hash(command.order, before.order.asset_class):
        return None
    told = "this order was created before under the same sessionId and clOrdId"
    return Repeat(stream_of(used.order_id), None, told)


def _validate_order(context: OrderTaskContext) -> TaskResult | None:
    found = _ask(context, FIELDS)
    violations = (*context.draft.payload, *found.violations)
    if violations:
        return _refuse(context, violations)
    if not (context.draft.ignored or found.warnings):
        return None
    ignored = ", ".join(context.draft.ignored)
    told = [f"ignored, because only the system sets them: {ignored}"] if ignored else []
    return _told((*told, *(warning.message for warning in found.warnings)))


def _state_transition(context: OrderTaskContext) -> TaskResult | None:
    late = _late_answer(context)
    if late is not None:
        context.repeat = late
        return TaskResult.success(late.message)
    return _answer(context, _ask(context, LIFECYCLE))


def _late_answer(context: OrderTaskContext) -> Repeat | None:
    """The market refuses a request that was resolved before: nothing is left to refuse."""
    state = context.known_facts.state
    if state is None or order.is_finished(context.known_facts):
        return None
    match context.command:
        case OrderCancelRejectCmd():
            late, name = state.late_cancel, "cancel"
        case OrderReplaceRejectCmd():
            late, name = state.late_replace, "replace"
        case _:
            return None
    told = f"late answer: the {name} request was resolved by what happened to the order before"
    return Repeat(stream_of(state.order.order_id), None, told) if late else None


def _business_rules(context: OrderTaskContext) -> TaskResult | None:
    found = _ask(context, BUSINESS)
    if found.violations:
        return _refuse(context, found.violations)
    book = Book(context.ledger, _stamp(context), context.ledger.next_position(), context.machine, context.settings)
    main = decide(context.known_facts, book, context.new_id)
    context.decided = Decided(
        context.command_id, hash_of(context.known_facts.command), main, book.events(main), book.found(), book.touched()
    )
    context.broken = tuple(broken_invariants(book))
    if context.broken:
        return TaskResult.failed("; ".join(context.broken))
    return _answer(context, found)


def _stamp(context: OrderTaskContext) -> Stamp:
    causation = context.command.causation_id if context.command else None
    return Stamp(
        command_id=context.command_id,
        correlation_id=context.correlation_id,
        causation_id=causation or context.command_id,
        actor=context.signature,
        recorded_at=context.now,
    )


def _risk_check(context: OrderTaskContext) -> TaskResult | None:
    asked = (context.asked or _checklists(context))[RISK]
    facts = context.known_facts
    if not any(rule.applies is None or rule.applies(facts) for rule in asked.rules):
        return _NO_RISK
    return _answer(context, asked.validate(facts, context.draft.malformed))


def _persist_order(context: OrderTaskContext) -> TaskResult | None:
    assert context.decided is not None  # noqa: S101 - the task before decided
    told = context.ledger.write(context.decided)
    return TaskResult.success(told) if told else None


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


PIPELINE: TaskPipeline[OrderTaskContext] = (
    TaskPipeline[OrderTaskContext]
    .builder("OrderProcessing")
    .add_task(Task.of("ValidateTransaction", _validate_transaction))
    .add_task(_step("ValidateOrder", _validate_order, reason="nothing to do: the command was carried out before"))
    .add_task(_step("StateTransition", _state_transition, reason="nothing to do: the command was carried out before"))
    .add_task(_step("BusinessRules", _business_rules))
    .add_task(_step("RiskCheck", _risk_check))
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
