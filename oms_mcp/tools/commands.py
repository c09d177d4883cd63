"""How does a tool send a command? Every writing tool ends here; nothing is awaited on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mcp_types import CallToolResult
from pydantic.alias_generators import to_camel

from oms_engine import CommandResult
from oms_engine.framework.validation import Violation
from oms_mcp.arguments import Actions, arguments_of, envelope_of, own_names
from oms_mcp.consent import Consent
from oms_mcp.seam import CORRECT_FIRST, Ctx, Out, answer, backend_of, require_own_name, sender_of
from oms_mcp.shapes import ResponseFormat, Wire, command_wire, settings_before


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
    related: list[dict[str, Any]] | None = None
    next_states: list[NextState] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """The action of a tool that was chosen, and the arguments it came with.

    Attributes:
        tool: Name of the tool.
        name: The action.
        actions: What each action of the tool sends.
        given: Arguments that only some actions use.
        common: Fields that every action sends.
        part: The object of the envelope that the fields of the action belong in; empty when they stand in it directly.
        consent: Whether the user agreed; None where nobody has to.
    """

    tool: str
    name: str
    actions: Actions
    given: Mapping[str, object]
    common: Mapping[str, object]
    part: str = ""
    consent: Consent | None = None


def act(ctx: Ctx, action: Action, *, dry_run: bool, response_format: ResponseFormat) -> CallToolResult:
    """Carry out an action; raises Refused for an argument that it does not use, or where nobody agreed to it."""
    envelope = envelope_of(action.actions, action.name, action.given, action.common, action.part)
    if action.consent is not None:
        dry_run = dry_run or not action.consent.given(action.tool, action.name)
    names = own_names(action.actions, action.name)
    return send(ctx, envelope, dry_run=dry_run, response_format=response_format, names=names)


def send(
    ctx: Ctx,
    envelope: Wire,
    *,
    dry_run: bool,
    response_format: ResponseFormat,
    names: Mapping[str, str] = MappingProxyType({}),
) -> CallToolResult:
    """Carry out a command for the caller, or preview it; a refused one is an error result.

    Args:
        ctx: The request.
        envelope: The command; null fields count as absent.
        dry_run: Preview it.
        response_format: How much is told of the order.
        names: Field -> argument, where the caller writes a field otherwise.

    Raises:
        Refused: OMS-AUTH-003, where it names another than whom the token of the caller names.
    """
    require_own_name(envelope)
    backend = backend_of(ctx)
    given = {name: value for name, value in envelope.items() if value is not None}
    known = settings_before(backend.engine, given)
    outcome = backend.engine.run(given, dry_run=dry_run, **sender_of(ctx))
    told = outcome._replace(result=_in_words_of_the_caller(outcome.result, {**_COMMON, **names}))
    wire = command_wire(backend.engine, told, response_format, known)
    if outcome.result.ok:
        return answer(backend, wire)
    return answer(backend, wire, narrow=CORRECT_FIRST, is_error=True)


_COMMON = arguments_of(("orderId", "commandId", "expectedVersion"))
"""Fields of every command -> the argument."""


def _in_words_of_the_caller(result: CommandResult, names: Mapping[str, str]) -> CommandResult:
    """The result with its violations in the names of the arguments."""
    if result.error is None or not any(found.field in names for found in result.error.violations):
        return result
    found = result.error.violations
    told = tuple(_under_its_argument(each, names) for each in found)
    detail = result.error.detail.replace(found[0].message, told[0].message, 1)
    error = result.error.model_copy(update={"violations": told, "detail": detail})
    return result.model_copy(update={"error": error, "message": detail})


def _under_its_argument(found: Violation, names: Mapping[str, str]) -> Violation:
    if found.field not in names:
        return found
    argument = f"{names[found.field]} ({found.field})"
    rest = found.message.removeprefix(f"{found.field} ")
    begins = rest != found.message
    if found.field == to_camel(names[found.field]):
        return found.model_copy(update={"message": f"{argument} {rest}"}) if begins else found
    message = f"{argument} {rest}" if begins else f"{argument}: {rest}"
    return found.model_copy(update={"field": names[found.field], "message": message})
