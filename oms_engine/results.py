"""How is a command answered? From what its tasks found: carried out, carried out before, or refused with reasons."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from oms_engine.domain.commands import Command, CommandResult, EventRef, TaskReport
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.lifecycle import TARGETS
from oms_engine.domain.model import Order, OrderState
from oms_engine.domain.rules.order import obstacles
from oms_engine.domain.vocabulary import CommandStatus
from oms_engine.errors import Problem, StoreError, problem, problem_of
from oms_engine.framework.orchestration import PipelineResult, TaskStatus
from oms_engine.workflows import TASK_NAMES, OrderTaskContext

_ID_LENGTH = 64


class Outcome(NamedTuple):
    """What a command did: its result, and its order before and after. In a preview nothing of it was stored."""

    result: CommandResult
    before: Order | None
    after: Order | None
    dry_run: bool = False


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


def accepted(context: OrderTaskContext, finished: PipelineResult) -> Outcome:
    """The answer to a command that was carried out."""
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


def repeated(
    context: OrderTaskContext, finished: PipelineResult, state: OrderState, events: Sequence[StoredEvent]
) -> Outcome:
    """The answer to a command that was carried out before, with the order and the events of then."""
    message = context.repeat.message if context.repeat else ""
    result = CommandResult(
        id=_object_id(context.command, state.order),
        status=CommandStatus.OK,
        message=f"{message}; nothing was written",
        duplicate=True,
        version=state.order.version,
        state=state.order.state,
        events=_references(events),
        tasks=_reports(finished),
    )
    return Outcome(result, state.order, state.order, context.dry_run)


def refused(context: OrderTaskContext, finished: PipelineResult) -> Outcome:
    """The answer to a command that was refused: the problem details of every violation."""
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
        "sessionId": context.session_id[:_ID_LENGTH],
        "correlationId": context.correlation_id,
        "toState": TARGETS.get(command.type) if command else None,
    }
    part = getattr(command, "order", None) or getattr(command, "execution", None) or command
    for name, attribute in (("orderId", "order_id"), ("execId", "exec_id"), ("clOrdId", "cl_ord_id")):
        value = getattr(part, attribute, None)
        known[name] = value[:_ID_LENGTH] if isinstance(value, str) else None
    if order is not None:
        known["orderId"] = order.order_id
        known["fromState"] = order.state.value
        known["validTransitions"] = sorted(
            state.value
            for state in context.machine.get_valid_transitions(order.state)
            if state not in obstacles(order, context.now)
        )
    return known


def store_failed(context: OrderTaskContext, error: StoreError) -> CommandResult:
    """The answer when not even the transaction could begin, or could not be ended."""
    known = _known_context(context, None)
    return not_run(problem(error.code, str(error), context=known, command_id=context.command_id))


def not_run(told: Problem) -> CommandResult:
    """The answer to what did not even reach the first task."""
    tasks = tuple(
        TaskReport(name=name, status=TaskStatus.NOT_RUN, message="", duration_micros=0) for name in TASK_NAMES
    )
    return CommandResult(id="", status=CommandStatus.FAILED, message=told.detail, tasks=tasks, error=told)
