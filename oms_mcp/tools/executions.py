"""Which tools book fills, take them back and restate them?"""

from typing import Annotated, Literal

from mcp_types import CallToolResult
from pydantic import Field

from oms_engine.domain.catalogue import violation
from oms_engine.domain.vocabulary import ApprovalLevel
from oms_engine.errors import Refused, problem_of
from oms_mcp.arguments import (
    Actions,
    CommandId,
    Confirm,
    DryRun,
    ExpectedVersion,
    Format,
    More,
    Raw,
    ToolSpec,
    arguments_of,
    decimal,
    joined,
    text,
)
from oms_mcp.consent import Answered, Consent
from oms_mcp.seam import Ctx
from oms_mcp.tools.commands import Action, CommandOut, act, send


async def report_execution(
    ctx: Ctx,
    *,
    order_id: Annotated[Raw, text("orderId of the LIVE order")] = None,
    exec_id: Annotated[Raw, text("the market's id of the fill, unique per order")] = None,
    last_qty: Annotated[Raw, decimal("quantity of this fill, at most leavesQty")] = None,
    last_px: Annotated[Raw, decimal("price of this fill")] = None,
    last_mkt: Annotated[Raw, text("market of the fill")] = None,
    transact_time: Annotated[Raw, text("market time, ISO-8601 with offset; now if absent")] = None,
    more: Annotated[
        More, Field(description="other fields in camelCase: execType, lastCapacity, secondaryExecId, dayOrderQty, ...")
    ] = None,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: ExpectedVersion = None,
    response_format: Format = "concise",
) -> CallToolResult:
    """Book a fill of a LIVE order (ExecutionCreateCmd). The order becomes FILLED when cumQty reaches orderQty."""
    given = {
        "orderId": order_id,
        "execId": exec_id,
        "lastQty": last_qty,
        "lastPx": last_px,
        "lastMkt": last_mkt,
        "transactTime": transact_time,
    }
    envelope = {
        "type": "ExecutionCreateCmd",
        "execution": joined(given, more),
        "commandId": command_id,
        "expectedVersion": expected_version,
    }
    return send(ctx, envelope, dry_run=dry_run, response_format=response_format, names=arguments_of(given))


CORRECTIONS: Actions = {
    "whack": (
        "ExecutionWhackCmd",
        {
            "exec_id": "execId",
            "reason": "reason",
            "requested_by": "requestedBy",
            "approved_by": "approvedBy",
            "approval_level": "approvalLevel",
        },
    ),
    "bust": ("ExecutionBustCmd", {"exec_id": "execId", "reason": "reason", "requested_by": "requestedBy"}),
    "correct": (
        "ExecutionCorrectCmd",
        {
            "exec_id": "execRefId",
            "new_exec_id": "execId",
            "last_qty": "lastQty",
            "last_px": "lastPx",
            "reason": "reason",
        },
    ),
}


async def correct_execution(
    ctx: Ctx,
    *,
    exec_id: Annotated[Raw, text("execId of the fill")] = None,
    action: Annotated[
        Literal["whack", "bust", "correct"],
        Field(
            description="whack: the desk undoes it, two people needed; bust: the market breaks the trade; "
            "correct: it was another quantity or price"
        ),
    ],
    order_id: Annotated[Raw, text("its order; needed when several have this execId")] = None,
    reason: Annotated[Raw, text("why")] = None,
    requested_by: Annotated[Raw, text("whack, bust: who asks for it")] = None,
    approved_by: Annotated[Raw, text("whack: who approves, somebody else")] = None,
    approval_level: Annotated[Raw, text("whack: level of the approver", ApprovalLevel)] = None,
    last_qty: Annotated[Raw, decimal("correct: quantity as it should be")] = None,
    last_px: Annotated[Raw, decimal("correct: price as it should be")] = None,
    new_exec_id: Annotated[Raw, text("correct: id of the correcting report")] = None,
    confirm: Confirm = False,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: ExpectedVersion = None,
    response_format: Format = "concise",
    answered: Answered,
) -> CallToolResult:
    """Take a fill back (ExecutionWhackCmd, ExecutionBustCmd) or restate it (ExecutionCorrectCmd).

    A FILLED order may become LIVE again. Ask the user first, then send confirm=true.
    """
    given = {
        "exec_id": exec_id,
        "reason": reason,
        "requested_by": requested_by,
        "approved_by": approved_by,
        "approval_level": approval_level,
        "last_qty": last_qty,
        "last_px": last_px,
        "new_exec_id": new_exec_id,
    }
    if action == "correct" and (exec_id is None or not str(exec_id).strip()):
        message = "exec_id is missing; name the fill that is restated"  # else new_exec_id would name it
        raise Refused(problem_of([violation("ENV-07", "OMS-VAL-003", "exec_id", message)]))
    common = {"orderId": order_id, "commandId": command_id, "expectedVersion": expected_version}
    consent = Consent(answered, confirm=confirm, dry_run=dry_run)
    chosen = Action("correct_execution", action, CORRECTIONS, given, common, consent=consent)
    return act(ctx, chosen, dry_run=dry_run, response_format=response_format)


TOOLS = (
    ToolSpec(report_execution, CommandOut, "Book a fill", required=("order_id", "exec_id", "last_qty", "last_px")),
    ToolSpec(
        correct_execution,
        CommandOut,
        "Take a fill back or restate it",
        destructive=True,
        asks=True,
        required=("exec_id",),
    ),
)
