"""How does a tool send a command? Every writing tool ends here; nothing is awaited on the way."""

from typing import Any

from mcp_types import CallToolResult

from oms_mcp.seam import Ctx, Out, answer, backend_of, session_of
from oms_mcp.shapes import ResponseFormat, Wire, command_wire


class Event(Out):
    """An event that was written."""

    type: str
    stream_id: str
    version: int
    position: int | None = None


class TaskDone(Out):
    """How one task of the pipeline ended."""

    name: str
    status: str
    message: str
    duration_micros: int


class NextState(Out):
    """A state that can follow, and the command that leads there."""

    to: str
    command: str
    correction: bool
    why: str


class CommandOut(Out):
    """What became of a command; decimals are strings."""

    id: str
    status: str
    message: str
    duplicate: bool
    version: int | None = None
    state: str | None = None
    events: list[Event]
    tasks: list[TaskDone]
    error: dict[str, Any] | None = None
    mode: str
    dry_run: bool | None = None
    order_id: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    next_states: list[NextState] | None = None


def send(ctx: Ctx, envelope: Wire, *, dry_run: bool, response_format: ResponseFormat) -> CallToolResult:
    """Carry out a command for the caller, or preview it; a refused one is an error result."""
    backend = backend_of(ctx)
    given = {name: value for name, value in envelope.items() if value is not None}
    outcome = backend.engine.run(given, session_id=session_of(ctx), dry_run=dry_run)
    wire = command_wire(backend.engine, outcome, response_format)
    return answer(backend, wire, is_error=not outcome.result.ok)
