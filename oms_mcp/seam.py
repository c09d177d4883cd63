"""How does what we answer become what the protocol carries, and what does a request tell us of its caller?

The JSON objects themselves come from `shapes`. Text and structured content of an answer are made from the same object.
"""

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

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

CORRECT_FIRST = "correct these first"
"""How an error that was too long is narrowed."""

_SESSION_LENGTH = 64
_SENTENCE = 400
_CUTS_TOLD = 3
_LEAST_TEXT = 64
_DOTS = "..."
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


def answer(backend: Backend, wire: Wire, *, narrow: str = "ask for less", is_error: bool = False) -> CallToolResult:
    """An answer with the same facts as text and as structured content, cut when it is too long."""
    told = fitted(backend, wire, narrow)
    return CallToolResult(
        content=[TextContent(type="text", text=compact(told))], structured_content=told, is_error=is_error
    )


def compact(wire: object) -> str:
    """JSON without spaces."""
    return json.dumps(wire, separators=(",", ":"), ensure_ascii=False)


def fitted(backend: Backend, wire: Wire, narrow: str) -> Wire:
    """The answer within the limit of tokens: its longest parts are cut, and `truncated` tells which and the way out."""
    return cut_to(wire, backend.max_result_tokens * CHARACTERS_PER_TOKEN, narrow)


def cut_to(wire: Wire, limit: int, narrow: str) -> Wire:
    """The answer within so many characters."""
    if len(compact(wire)) <= limit:
        return wire
    told = deepcopy(wire)
    shown: dict[str, int] = {}
    lengths: dict[str, int] = {}
    while (excess := len(compact(told)) - limit) > 0 and (part := _longest(told)):
        lengths.setdefault(part.name, len(part.value))
        shown[part.name] = part.cut(part.size - excess - _SENTENCE)
        cuts = [f"{name} shows {kept} of {lengths[name]}" for name, kept in shown.items()][:_CUTS_TOLD]
        told["truncated"] = f"{'; '.join(cuts)}, because the answer was too long; {narrow}"
    return told


class _Part(NamedTuple):
    """A part of an answer that can be cut: a list, or a long text; `size` counts its characters as JSON."""

    name: str
    holder: Any
    key: str | int
    value: list[Any] | str
    size: int

    def cut(self, room: int) -> int:
        """Cut this part to so many characters of JSON, as far as that goes; tells how much of it is left."""
        if isinstance(self.value, str):
            kept = max(len(self.value) * room // self.size, _LEAST_TEXT)
            self.holder[self.key] = self.value[:kept] + _DOTS
        else:
            kept = _prefix(self.value, room)
            self.holder[self.key] = self.value[:kept]
        return kept


def _longest(wire: Wire) -> _Part | None:
    return max(_parts("", wire), key=lambda part: part.size, default=None)


def _parts(name: str, holder: Any) -> Iterator[_Part]:  # noqa: ANN401 - JSON
    for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
        place = f"{name}[{key}]" if isinstance(key, int) else f"{name}.{key}".lstrip(".")
        if place == "truncated":
            continue
        least = 1 if isinstance(value, list) else _LEAST_TEXT + len(_DOTS)
        if isinstance(value, list | str) and len(value) > least:
            yield _Part(place, holder, key, value, len(compact(value)))
        if isinstance(value, dict | list):
            yield from _parts(place, value)


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
