"""Which tool takes the envelopes of the specification as they stand?"""

from typing import Annotated, Any

from mcp_types import CallToolResult
from pydantic import Field, StrictBool

from oms_engine.domain.catalogue import refused_value
from oms_engine.executor import MAX_BATCH
from oms_mcp.arguments import DryRun, Format, ToolSpec
from oms_mcp.seam import Ctx, Out, answer, backend_of, require_own_name, sender_of
from oms_mcp.shapes import batch_wire
from oms_mcp.tools.commands import CommandOut


class BatchOut(Out):
    """What became of each command; ok counts those carried out and kept."""

    results: list[CommandOut]
    ok: int
    failed: int
    not_run: list[dict[str, Any]]
    mode: str
    rolled_back: bool | None = None
    truncated: str | None = None


async def execute_commands(
    ctx: Ctx,
    *,
    commands: Annotated[
        list[Any],
        Field(
            description='envelopes such as {"type": "OrderAcceptCmd", "orderId": "ORD-7"}',
            json_schema_extra={"items": {"type": "object"}},
        ),
    ],
    atomic: Annotated[StrictBool, Field(description="true: the first refusal rolls everything back")] = False,
    dry_run: DryRun = False,
    response_format: Format = "concise",
) -> CallToolResult:
    """Carry out command envelopes in order, without asking. Each result has its own status and error."""
    if len(commands) > MAX_BATCH:
        message = f"commands has {len(commands)} elements; at most {MAX_BATCH} are accepted; send them in parts"
        raise refused_value("commands", message, "OMS-VAL-005")
    for number, command in enumerate(commands):
        require_own_name(command, f"commands[{number}].")
    backend = backend_of(ctx)
    batch = backend.engine.execute_many(commands, atomic=atomic, dry_run=dry_run, **sender_of(ctx))
    wire = batch_wire(backend.engine, batch, commands, response_format)
    return answer(backend, wire, narrow="send smaller batches, or read the orders with search_orders")


TOOLS = (ToolSpec(execute_commands, BatchOut, "Carry out command envelopes", destructive=True, idempotent=False),)
