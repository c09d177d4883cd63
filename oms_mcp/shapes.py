"""What does each answer look like as JSON? The same for the tools of the server and for `oms ... --json`.

Plain objects: camelCase, no nulls, decimals as strings. Nothing here knows the protocol, so that the command line can
use it without loading one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from knowledge_base import DocumentNotFound, InvalidArgument, KnowledgeBaseError, NotFound
from oms_engine import BatchOutcome, Engine, Order, Outcome, Page, Problem, Refused, StoredEvent, StoreError
from oms_engine.domain.vocabulary import CommandStatus
from oms_engine.errors import CODES, problem, problem_of
from oms_engine.framework.validation import Violation
from oms_engine.record import Record

Wire = dict[str, Any]
ResponseFormat = Literal["concise", "detailed"]

_TYPE_LENGTH = 64

CONCISE: Mapping[str, tuple[str, ...]] = {
    "order": (
        "orderId",
        "clOrdId",
        "symbol",
        "side",
        "ordType",
        "orderQty",
        "price",
        "state",
        "cancelState",
        "cumQty",
        "leavesQty",
        "avgPx",
        "version",
    ),
    "execution": ("execId", "orderId", "lastQty", "lastPx", "status", "transactTime"),
    "event": ("position", "streamId", "version", "type", "recordedAt", "payload"),
    "change": ("state", "cancelState", "orderQty", "cumQty", "leavesQty", "avgPx", "version"),
}
"""What a concise answer tells of a record; a detailed one tells everything that is not null."""


def shaped(kind: str, record: Record, response_format: ResponseFormat, fields: Sequence[str] = ()) -> Wire:
    """A record as JSON: the fields asked for, else the concise ones, else all."""
    wire = record.to_wire()
    names = fields or (CONCISE[kind] if response_format == "concise" else ())
    return {name: wire[name] for name in names if name in wire} if names else wire


def command_wire(engine: Engine, outcome: Outcome, response_format: ResponseFormat = "concise") -> Wire:
    """The answer to a command: its CommandResult with the order before and after, and what can follow."""
    wire: Wire = {**outcome.result.to_wire(), "mode": engine.mode}
    if outcome.dry_run:
        wire["dryRun"] = True
    if not outcome.result.ok or outcome.after is None:
        return wire
    wire["orderId"] = outcome.after.order_id
    if outcome.before is not None:
        wire["before"] = shaped("change", outcome.before, response_format)
    wire["after"] = shaped("change", outcome.after, response_format)
    wire["nextStates"] = next_states_wire(engine, outcome.after)
    return wire


def next_states_wire(engine: Engine, order: Order) -> list[Wire]:
    """What can follow the state of an order, and by which command."""
    return [state.to_wire() for state in engine.next_states(order)]


def batch_wire(
    engine: Engine,
    batch: BatchOutcome,
    commands: Sequence[object],
    response_format: ResponseFormat = "concise",
) -> Wire:
    """The answer to a batch; `ok` counts what was carried out and kept, `notRun` lists what was never reached."""
    results = [command_wire(engine, outcome, response_format) for outcome in batch.outcomes]
    failed = sum(not outcome.result.ok for outcome in batch.outcomes)
    wire: Wire = {
        "results": results,
        "ok": 0 if batch.rolled_back else len(results) - failed,
        "failed": failed,
        "notRun": [_not_run(index, commands[index]) for index in range(len(results), len(commands))],
        "mode": engine.mode,
    }
    if batch.rolled_back:
        wire["rolledBack"] = True
        for result in results:
            if result["status"] == CommandStatus.OK:
                result["rolledBack"] = True
    return wire


def _not_run(index: int, command: object) -> Wire:
    kind = command.get("type") if isinstance(command, Mapping) else None
    return {"index": index, "type": kind[:_TYPE_LENGTH]} if isinstance(kind, str) else {"index": index}


def order_wire(
    engine: Engine, order: Order, include: Iterable[str] = (), response_format: ResponseFormat = "concise"
) -> Wire:
    """An order, with one list per part asked for: executions, events, next_states."""
    wire = shaped("order", order, response_format)
    if "executions" in include:
        wire["executions"] = [
            shaped("execution", execution, response_format) for execution in engine.executions(order.order_id)
        ]
    if "events" in include:
        wire["events"] = [shaped("event", event, response_format) for event in engine.history(order.order_id)]
    if "next_states" in include:
        wire["nextStates"] = next_states_wire(engine, order)
    return wire


def page_wire(page: Page, entity: str, fields: Sequence[str] = (), response_format: ResponseFormat = "concise") -> Wire:
    """One page of a query, its rows as asked for."""
    return {
        "content": [shaped(entity, record, response_format, fields) for record in page.content],
        "page": page.page.to_wire(),
        "warnings": list(page.warnings),
    }


def history_wire(
    events: Sequence[StoredEvent], *, more: bool = False, response_format: ResponseFormat = "concise"
) -> Wire:
    """Events in order; `next` is the position to go on after, when there are more."""
    wire: Wire = {"events": [shaped("event", event, response_format) for event in events]}
    if more and events:
        wire["next"] = events[-1].position
    return wire


def problem_from(error: BaseException) -> Problem | None:
    """The problem details of an error that was raised on purpose; None for any other, whose text stays here."""
    match error:
        case Refused():
            return error.problem
        case StoreError():
            return problem(error.code, str(error))
        case InvalidArgument():
            out_of_bounds = error.field in {"offset", "limit"}
            return _library_problem(error.field, error, "OMS-VAL-005" if out_of_bounds else "OMS-VAL-004")
        case NotFound():
            return _library_problem("path" if isinstance(error, DocumentNotFound) else "anchor", error)
        case KnowledgeBaseError():
            return _library_problem("path", error)
        case _:
            return None


def _library_problem(field: str, error: KnowledgeBaseError, code: str = "OMS-VAL-004") -> Problem:
    found = Violation(rule_id="ENV-06", field=field, message=str(error), code=code, citation=CODES[code].citation)
    return problem_of([found])
