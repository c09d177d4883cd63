"""How do records and errors of the engine and the library become what the protocol carries, and nothing else?

Every function here gives plain JSON objects in the shapes that the documentation of the tools names: camelCase, no
nulls, decimals as strings. Text and structured content of an answer are made from the same object.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from knowledge_base import DocumentNotFound, InvalidArgument, KnowledgeBaseError, Library, NotFound
from oms_engine import (
    BatchOutcome,
    CommandResult,
    Engine,
    Order,
    Outcome,
    Page,
    Problem,
    Refused,
    StoredEvent,
    StoreError,
)
from oms_engine.domain.commands import TaskReport
from oms_engine.domain.vocabulary import CommandStatus
from oms_engine.errors import CODES, problem, problem_of
from oms_engine.framework.orchestration import TaskStatus
from oms_engine.framework.validation import Violation
from oms_engine.record import Record
from oms_engine.workflows import TASK_NAMES

Wire = dict[str, Any]
ResponseFormat = Literal["concise", "detailed"]

CHARACTERS_PER_TOKEN = 4
"""How many characters of JSON are taken for one token when a result is measured."""

_SESSION_LENGTH = 64
_SENTENCE = 400
_PATH = re.compile(r"(?<![\w/.])(?:[A-Za-z]:[/\\]|[/\\~])[^\s'\"`,;)\]]+")


@dataclass(frozen=True, slots=True)
class Backend:
    """What every tool and resource of one server stands on."""

    engine: Engine
    library: Library
    version: str
    toolsets: tuple[str, ...]
    tools: tuple[str, ...]
    max_result_tokens: int


Ctx = Context[Backend, Any]


def backend_of(ctx: Ctx) -> Backend:
    """The backend of the server that a request came to."""
    return ctx.request_context.lifespan_context


def session_of(ctx: Ctx) -> str:
    """The session of the caller: the name its client gave for itself, else `mcp`."""
    params = ctx.session.client_params
    name = params.client_info.name if params else ""
    return "".join(letter for letter in name if letter.isprintable()).strip()[:_SESSION_LENGTH] or "mcp"


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
        wire["before"] = _change(outcome.before, response_format)
    wire["after"] = _change(outcome.after, response_format)
    wire["nextStates"] = [state.to_wire() for state in engine.next_states(outcome.after)]
    return wire


def _change(order: Order, response_format: ResponseFormat) -> Wire:
    return shaped("change", order, response_format)


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
    return {"index": index, "type": kind[:_SESSION_LENGTH]} if isinstance(kind, str) else {"index": index}


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
        wire["nextStates"] = [state.to_wire() for state in engine.next_states(order)]
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


def refused_wire(engine: Engine, told: Problem) -> Wire:
    """The answer to a write that did not even become a command: a CommandResult whose tasks were never run."""
    result = CommandResult(
        id="",
        status=CommandStatus.FAILED,
        message=told.detail,
        tasks=tuple(
            TaskReport(name=name, status=TaskStatus.NOT_RUN, message="", duration_micros=0) for name in TASK_NAMES
        ),
        error=told,
    )
    return {**result.to_wire(), "mode": engine.mode}


def problem_from(error: BaseException) -> Problem | None:
    """The problem details of an error that was raised on purpose; None for any other, whose text stays here."""
    match error:
        case Refused():
            return error.problem
        case StoreError():
            return problem(error.code, str(error))
        case InvalidArgument():
            return _library_problem(error.field, error)
        case NotFound():
            return _library_problem("path" if isinstance(error, DocumentNotFound) else "anchor", error)
        case KnowledgeBaseError():
            return _library_problem("path", error)
        case _:
            return None


def _library_problem(field: str, error: KnowledgeBaseError) -> Problem:
    code = "OMS-VAL-004"
    found = Violation(rule_id="ENV-06", field=field, message=str(error), code=code, citation=CODES[code].citation)
    return problem_of([found])


def internal_problem(*, wrote: bool) -> Problem:
    """What a client learns of a failure that nobody foresaw: that it happened, and what to do."""
    if not wrote:
        return problem("OMS-SYS-001", "an internal error; nothing was changed")
    told = problem("OMS-SYS-001", "an internal error; whether the command was carried out is not known here")
    return told.model_copy(update={"hint": "read the order again before sending anything"})


def answer(backend: Backend, wire: Wire, *, narrow: str = "", is_error: bool = False) -> CallToolResult:
    """An answer with the same facts as text and as structured content, cut when it is too long."""
    told = fitted(backend, wire, narrow)
    return CallToolResult(
        content=[TextContent(type="text", text=compact(told))], structured_content=told, is_error=is_error
    )


def compact(wire: object) -> str:
    """JSON without spaces."""
    return json.dumps(wire, separators=(",", ":"), ensure_ascii=False)


def fitted(backend: Backend, wire: Wire, narrow: str) -> Wire:
    """The answer within the limit of tokens: its longest list is cut, and `truncated` says so and how to narrow it."""
    limit = backend.max_result_tokens * CHARACTERS_PER_TOKEN
    size = len(compact(wire))
    told = dict(wire)
    cuts: list[str] = []
    while size > limit and (name := _longest(told)):
        items = told[name]
        kept = _prefix(items, limit - _SENTENCE - (size - len(compact(items))))
        cuts.append(f"{name} shows {kept} of {len(items)}")
        told[name] = items[:kept]
        told["truncated"] = f"{'; '.join(cuts)}, because the answer was too long; {narrow or 'ask for less'}"
        size = len(compact(told))
    return told


def _longest(wire: Wire) -> str | None:
    lists = {name: len(compact(value)) for name, value in wire.items() if isinstance(value, list) and len(value) > 1}
    return max(lists, key=lists.__getitem__) if lists else None


def _prefix(items: Sequence[object], room: int) -> int:
    """How many items from the front fit into so many characters; always one, and never all."""
    kept = 0
    while kept < len(items) - 1 and room > 0:
        room -= len(compact(items[kept])) + 1
        kept += room > 0
    return max(kept, 1)


def without_paths(note: str) -> str:
    """A note for operators as a client may read it: paths of this machine are left out."""
    return _PATH.sub("...", note)


class Out(BaseModel):
    """What a tool promises of its structured content; further fields may come with it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")
