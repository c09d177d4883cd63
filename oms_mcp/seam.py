"""How does what we answer become what the protocol carries, and what does a request tell us of its caller?

The JSON objects themselves come from `shapes`. Text and structured content of an answer are made from the same object.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from knowledge_base import Library
from oms_engine import CommandResult, Engine, Problem
from oms_engine.domain.commands import TaskReport
from oms_engine.domain.vocabulary import CommandStatus
from oms_engine.errors import problem
from oms_engine.framework.orchestration import TaskStatus
from oms_engine.workflows import TASK_NAMES
from oms_mcp.shapes import Wire

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
