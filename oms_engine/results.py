"""How is a command answered? From what its tasks found: carried out, carried out before, or refused with reasons."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from oms_engine.collecting import Decided
from oms_engine.domain.commands import (
    Command,
    CommandResult,
    EventRef,
    ExecutionBustCmd,
    ExecutionCorrectCmd,
    ExecutionCreateCmd,
    OrderCancelCmd,
    OrderReplaceCmd,
    QuoteCreateCmd,
    TaskReport,
)
from oms_engine.domain.events import SETTINGS_STREAM, QuoteCreated, StoredEvent
from oms_engine.domain.lifecycle import TARGETS
from oms_engine.domain.model import Order, OrderState, Quote, QuoteRequest, QuoteRequestState, StreamState
from oms_engine.domain.rules.execution import exec_id_of
from oms_engine.domain.rules.order import obstacles
from oms_engine.domain.vocabulary import CommandStatus, CxlRejReason
from oms_engine.errors import Problem, StoreError, problem, problem_of
from oms_engine.framework.orchestration import PipelineResult, TaskStatus
from oms_engine.workflows import TASK_NAMES, OrderTaskContext

_ID_LENGTH = 64


class Moved(NamedTuple):
    """Another order that a command changed: as it was (None when it was created) and as it is."""

    before: Order | None
    after: Order


MainObject = Order | Quote | QuoteRequest
"""What the result of a command is about; settings are no object."""


class Outcome(NamedTuple):
    """What a command did: its result, its main object before and after, and the other orders that followed.

    In a preview nothing of it was stored.
    """

    result: CommandResult
    before: MainObject | None
    after: MainObject | None
    dry_run: bool = False
    others: tuple[Moved, ...] = ()


def _reports(finished: PipelineResult) -> tuple[TaskReport, ...]:
    return tuple(
        [
            _report(
                result.task_name,
                result.status,
                result.message if result.exception is None else _without_internals(result.message, result.exception),
                result.duration_micros,
            )
            for result in finished.task_results
        ]
    )


@lru_cache(maxsize=4_096)
def _report(name: str, status: TaskStatus, message: str, duration_micros: int) -> TaskReport:
    """How a task ended; most end in one of a few ways, and within microseconds."""
    return TaskReport.of(name=name, status=status, message=message, duration_micros=duration_micros)


def _without_internals(message: str, exception: BaseException) -> str:
    """No text of an exception leaves the process, but for those that were written to be read."""
    return message if isinstance(exception, StoreError) else "an internal error; nothing was changed"


def _references(events: Sequence[StoredEvent], *, with_positions: bool = True) -> tuple[EventRef, ...]:
    return tuple(
        [
            EventRef.made(
                {
                    "type": event.type,
                    "stream_id": event.stream_id,
                    "version": event.version,
                    "position": event.position if with_positions else None,
                }
            )
            for event in events
        ]
    )


def _named_quote(command: Command | None) -> str | None:
    """The quote that a command is about; None for one about a whole request."""
    if isinstance(command, QuoteCreateCmd):
        return command.quote.quote_id if command.quote else None
    return getattr(command, "quote_id", None)


def _object(context: OrderTaskContext, state: StreamState | None, events: Sequence[StoredEvent]) -> MainObject | None:
    """What the result is about: the order, the quote, or the quote request; settings are no object."""
    match state:
        case OrderState(order=order):
            return order
        case QuoteRequestState(request=request, quotes=quotes):
            created = (event.payload.quote_id for event in events if isinstance(event.payload, QuoteCreated))
            quote_id = _named_quote(context.command) or next(created, None)
            return quotes.get(quote_id) if quote_id else request
        case _:
            return None


def _object_id(command: Command | None, about: MainObject | None) -> str:
    """What the result of a command names: the execution for commands about one, else its main object."""
    match about:
        case Quote(quote_id=quote_id):
            return quote_id
        case QuoteRequest(quote_req_id=quote_req_id):
            return quote_req_id
        case Order(order_id=order_id):
            return _exec_id(command) or order_id
        case _:
            return SETTINGS_STREAM


def _exec_id(command: Command | None) -> str | None:
    match command:
        case ExecutionCreateCmd(execution=fill) if fill is not None:
            return fill.exec_id
        case ExecutionBustCmd() | ExecutionCorrectCmd():
            return exec_id_of(command)
        case _:
            return None


def _name(about: MainObject | None) -> str:
    match about:
        case Order(order_id=order_id, state=state):
            return f"order {order_id} is {state}"
        case Quote(quote_id=quote_id, state=state):
            return f"quote {quote_id} is {state}"
        case QuoteRequest(quote_req_id=quote_req_id, state=state):
            return f"quote request {quote_req_id} is {state}"
        case _:
            return "settings changed"


def accepted(context: OrderTaskContext, finished: PipelineResult) -> Outcome:
    """The answer to a command that was carried out."""
    decided, state = context.decided, context.after
    assert decided is not None  # noqa: S101 - a pipeline that succeeded decided
    assert state is not None  # noqa: S101 - as above
    after = _object(context, state, decided.events)
    others = _followers(decided) if len(decided.after) > 1 else ()
    happened = ", ".join([event.type for event in decided.events if event.stream_id == decided.main])
    result = CommandResult.of(
        id=_object_id(context.command, after),
        status=CommandStatus.OK,
        message=f"{_name(after)}: {happened}"
        + (f"; {len(others)} more orders followed" if len(others) > 1 else "")
        + (f"; order {others[0].after.order_id} followed" if len(others) == 1 else "")
        + (" (dry run)" if context.dry_run else ""),
        version=state.version,
        state=after.state if after else None,
        events=_references(context.events, with_positions=not context.dry_run),
        tasks=_reports(finished),
    )
    return Outcome(result, _object(context, context.before, ()), after, context.dry_run, others)


def _followers(decided: Decided) -> tuple[Moved, ...]:
    moved = []
    for stream, after in decided.after.items():
        before = decided.before[stream]
        if stream != decided.main and isinstance(after, OrderState):
            moved.append(Moved(before.order if isinstance(before, OrderState) else None, after.order))
    return tuple(moved)


def repeated(
    context: OrderTaskContext, finished: PipelineResult, state: StreamState, events: Sequence[StoredEvent]
) -> Outcome:
    """The answer to a command that was carried out before, with the object and the events of then."""
    message = context.repeat.message if context.repeat else ""
    about = _object(context, state, events)
    result = CommandResult(
        id=_object_id(context.command, about),
        status=CommandStatus.OK,
        message=f"{message}; nothing was written",
        duplicate=True,
        version=state.version,
        state=about.state if about else None,
        events=_references(events),
        tasks=_reports(finished),
    )
    return Outcome(result, about, about, context.dry_run)


def refused(context: OrderTaskContext, finished: PipelineResult) -> Outcome:
    """The answer to a command that was refused: the problem details of every violation."""
    order = context.before.order if isinstance(context.before, OrderState) else None
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
        return failed.exception.problem(context=known, command_id=context.command_id)
    detail = "an invariant of the order would be broken" if context.broken else "an internal error"
    return problem("OMS-SYS-001", f"{detail}; nothing was changed", context=known, command_id=context.command_id)


_KNOWN_IDS = (
    ("orderId", "order_id"),
    ("execId", "exec_id"),
    ("clOrdId", "cl_ord_id"),
    ("groupOrderId", "group_order_id"),
    ("quoteReqId", "quote_req_id"),
    ("quoteId", "quote_id"),
)


def _known_context(context: OrderTaskContext, order: Order | None) -> dict[str, Any]:
    command = context.command
    known: dict[str, Any] = {
        "sessionId": context.session_id[:_ID_LENGTH],
        "correlationId": context.correlation_id,
        "toState": TARGETS.get(command.type) if command else None,
    }
    parts = (getattr(command, name, None) for name in ("order", "execution", "quote", "quote_request"))
    part = next((found for found in parts if found is not None), command)
    for name, attribute in _KNOWN_IDS:
        value = getattr(part, attribute, None)
        known[name] = value[:_ID_LENGTH] if isinstance(value, str) else None
    if isinstance(context.before, QuoteRequestState):
        quote = context.before.quotes.get(known["quoteId"] or "")
        known["fromState"] = (quote or context.before.request).state.value
    reason = cxl_rej_reason(context)
    known["cxlRejReason"] = reason.value if reason else None
    if order is not None:
        known["orderId"] = order.order_id
        known["fromState"] = order.state.value
        known["validTransitions"] = sorted(
            state.value
            for state in context.machine.get_valid_transitions(order.state)
            if state not in obstacles(order, context.now)
        )
    return known


_CXL_REJ_REASONS: dict[str, CxlRejReason] = {
    "CXL-01": CxlRejReason.UNKNOWN_ORDER,
    "CXL-02": CxlRejReason.UNKNOWN_ORDER,
    "CXL-03": CxlRejReason.TOO_LATE,
    "CXL-04": CxlRejReason.ALREADY_PENDING,
    "CXL-05": CxlRejReason.ALREADY_PENDING,
    "CXL-06": CxlRejReason.TOO_LATE,
    "CXL-07": CxlRejReason.BROKER_OPTION,
    "CXL-08": CxlRejReason.BROKER_OPTION,
    "RPL-01": CxlRejReason.UNKNOWN_ORDER,
    "RPL-02": CxlRejReason.UNKNOWN_ORDER,
    "RPL-03": CxlRejReason.TOO_LATE,
    "RPL-04": CxlRejReason.ALREADY_PENDING,
    "RPL-05": CxlRejReason.DUPLICATE_CL_ORD_ID,
    "RPL-10": CxlRejReason.BROKER_OPTION,
    "TICK-01": CxlRejReason.INVALID_PRICE_INCREMENT,
}
"""Rule -> what a FIX gateway answers in CxlRejReason (102); every other rule is OTHER."""


def cxl_rej_reason(context: OrderTaskContext) -> CxlRejReason | None:
    """The CxlRejReason (FIX 102) of a cancel or replace request that was refused; None for other commands."""
    if not (context.violations and isinstance(context.command, OrderCancelCmd | OrderReplaceCmd)):
        return None
    first = context.violations[0]
    if first.code == "OMS-ORDER-002":
        return CxlRejReason.DUPLICATE_CL_ORD_ID
    return _CXL_REJ_REASONS.get(first.rule_id, CxlRejReason.OTHER)


def store_failed(context: OrderTaskContext, error: StoreError) -> CommandResult:
    """The answer when not even the transaction could begin, or could not be ended."""
    known = _known_context(context, None)
    return not_run(error.problem(context=known, command_id=context.command_id))


def not_run(told: Problem) -> CommandResult:
    """The answer to what did not even reach the first task."""
    tasks = tuple(
        TaskReport(name=name, status=TaskStatus.NOT_RUN, message="", duration_micros=0) for name in TASK_NAMES
    )
    return CommandResult(id="", status=CommandStatus.FAILED, message=told.detail, tasks=tasks, error=told)
