"""Which tool answers what may follow a state, without changing anything?"""

from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from oms_engine.domain.lifecycle import TRANSITIONS
from oms_engine.domain.vocabulary import State
from oms_mcp.arguments import ToolSpec, text
from oms_mcp.seam import Ctx, Out, answer, backend_of
from oms_mcp.tools.commands import NextState


class CheckOut(Out):
    """Whether a path is possible, how far it gets, and what can follow."""

    valid: bool
    path: list[str]
    failed_from: str | None = None
    failed_to: str | None = None
    final_state: str | None = None
    error_message: str | None = None
    profile: str
    next_states: list[NextState]


async def check_transitions(
    ctx: Ctx,
    *,
    order_id: Annotated[str, Field(description="start from the state of this order")] = "",
    from_state: Annotated[str, text("or from this state; with neither, before creation", State)] = "",
    path: Annotated[list[str] | None, Field(description="states to go through; absent: only what can follow")] = None,
    profile: Annotated[str, text("lifecycle to ask; the server's own if absent", TRANSITIONS)] = "",
) -> CallToolResult:
    """Ask whether states may follow each other, and which command leads to each next state. Nothing is changed."""
    backend = backend_of(ctx)
    found = backend.engine.check(order_id=order_id, from_state=from_state, path=path or (), profile=profile)
    return answer(backend, found.to_wire())


TOOLS = (ToolSpec(check_transitions, CheckOut, "Check state transitions", read_only=True),)
