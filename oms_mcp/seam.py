"""How does what we answer become what the protocol carries, and what does a request tell us of its caller?

The JSON objects themselves come from `shapes`. Text and structured content of an answer are made from the same object.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from anyio import Semaphore
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from oms_engine import CommandResult, Engine, Problem, Refused
from oms_engine.domain.catalogue import violation
from oms_engine.domain.commands import TaskReport
from oms_engine.domain.events import VIA
from oms_engine.domain.vocabulary import CommandStatus
from oms_engine.errors import problem, problem_of, shown
from oms_engine.framework.orchestration import TaskStatus
from oms_engine.workflows import TASK_NAMES
from oms_mcp.live import Changes
from oms_mcp.shapes import Wire

if TYPE_CHECKING:
    from knowledge_base import Library

CHARACTERS_PER_TOKEN = 4
"""How many characters of JSON are taken for one token when a result is measured."""

CORRECT_FIRST = "correct these first"
"""How an error that was too long is narrowed."""

READ_ONLY = "read-only"
"""The mode of a server whose tools all read."""

_SESSION_LENGTH = 64
_VERSION_LENGTH = 32
_SUBJECT_LENGTH = 255
_SENTENCE = 400
_CUTS_TOLD = 3
_LEAST_TEXT = 64
_DOTS = "..."
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_PATH = re.compile(r"(?<![\w/.])(?:[A-Za-z]:[/\\]|[/\\~])[^\s'\"`,;)\]]+")


@dataclass(frozen=True, slots=True)
class Backend:
    """What every tool and resource of one server stands on."""

    engine: Engine
    open_library: "Callable[[], Library]"
    version: str
    toolsets: tuple[str, ...]
    tools: tuple[str, ...]
    max_result_tokens: int
    copying: Semaphore = field(default_factory=lambda: Semaphore(1), compare=False)
    """Held by whoever works on a copy of the store, so that many who want one do not fill the memory."""
    read_only: bool = False
    changes: Changes | None = None

    @property
    def library(self) -> "Library":
        """The knowledge base, which may be read now that it is asked for."""
        return self.open_library()

    @property
    def mode(self) -> str:
        """Where orders live and whether they can be changed: sandbox, file or read-only."""
        return READ_ONLY if self.read_only else self.engine.mode


Ctx = Context[Backend, Any]


def backend_of(ctx: Ctx) -> Backend:
    """The backend of the server that a request came to."""
    return ctx.request_context.lifespan_context


def session_of(ctx: Ctx) -> str:
    """The session of the caller: whom its token names; without one the name its client gave for itself, else `mcp`."""
    if holder := subject():
        return holder
    params = ctx.session.client_params
    name = params.client_info.name if params else ""
    plain = name if name.isprintable() else "".join(filter(str.isprintable, name))
    return plain.strip()[:_SESSION_LENGTH] or "mcp"


class Sent(TypedDict):
    """Who sends a command, as `Engine.run` takes it."""

    session_id: str
    actor: str
    client: str
    client_version: str


def sender_of(ctx: Ctx) -> Sent:
    """Who sends a command: the subject of the token that a request came with, else the client itself.

    A client that the token names is recorded; the name that a client gives for itself counts where it names none.
    """
    params = ctx.session.client_params
    proven = _client_of_token()
    name = one_line(params.client_info.name, _SESSION_LENGTH) if params else ""
    version = one_line(params.client_info.version, _VERSION_LENGTH) if params else ""
    return {
        "session_id": session_of(ctx),
        "actor": subject(),
        "client": proven or name,
        "client_version": "" if proven else version,
    }


def _client_of_token() -> str:
    """The client that the token of this request names beside its holder; empty where it names none."""
    token = get_access_token()
    if token is None or token.client_id == (token.subject or token.client_id):
        return ""
    return one_line(token.client_id, _SUBJECT_LENGTH)


def subject() -> str:
    """Whom the token of this request names; empty where none is asked for."""
    token = get_access_token()
    return one_line(token.subject or token.client_id, _SUBJECT_LENGTH) if token else ""


def require_own_name(command: object, place: str = "") -> None:
    """Whoever comes with a token acts as the one it names, in a session of that name, and as nobody else.

    Args:
        command: An envelope; its order may name a session, too.
        place: Where it stands among others, such as `commands[1].`.

    Raises:
        Refused: OMS-AUTH-003, for an actor or a session of another.
    """
    own = subject()
    if not own or not isinstance(command, Mapping):
        return
    order = command.get("order")
    inside = order.get("sessionId") if isinstance(order, Mapping) else None
    named = {"actor": command.get("actor"), "sessionId": command.get("sessionId"), "order.sessionId": inside}
    wrong = [
        violation(
            "ENV-08",
            "OMS-AUTH-003",
            f"{place}{field}",
            f"{field} {shown(given)} is not {shown(own)}, whom the token of this connection names; leave it out",
        )
        for field, given in named.items()
        if given not in (None, "", own)
    ]
    if wrong:
        raise Refused(problem_of(wrong))


def one_line(name: str, length: int) -> str:
    """A name that somebody gave for himself, as it can stand in one line with others."""
    words = "".join(letter if letter.isprintable() else " " for letter in name).split()
    return " ".join(words).replace(VIA, VIA.replace(" ", "_"))[:length].strip()


def refused_wire(backend: Backend, told: Problem) -> Wire:
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
    return {**result.to_wire(), "mode": backend.mode}


def internal_problem(*, wrote: bool) -> Problem:
    """What a client learns of a failure that nobody foresaw: that it happened, and what to do."""
    if not wrote:
        return problem("OMS-SYS-001", "an internal error; nothing was changed")
    told = problem("OMS-SYS-001", "an internal error; whether the command was carried out is not known here")
    return told.model_copy(update={"hint": "read the order again before sending anything"})


def answer(backend: Backend, wire: Wire, *, narrow: str = "ask for less", is_error: bool = False) -> CallToolResult:
    """An answer with the same facts as text and as structured content, cut when it is too long."""
    text = compact(wire)
    if len(text) > backend.max_result_tokens * CHARACTERS_PER_TOKEN:
        wire = fitted(backend, wire, narrow)
        text = compact(wire)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=wire, is_error=is_error)


def compact(wire: object) -> str:
    """JSON without spaces."""
    return _ENCODER.encode(wire)


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

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True, extra="allow")
