"""Which tools does a desk use to make block orders, and to hand fills on?"""

from typing import Annotated, Literal

from mcp_types import CallToolResult
from pydantic import Field

from oms_mcp.arguments import (
    Actions,
    CommandId,
    DryRun,
    ExpectedVersion,
    Format,
    Raw,
    ToolSpec,
    decimal,
    flag,
    text,
)
from oms_mcp.seam import Ctx
from oms_mcp.tools.commands import Action, CommandOut, act

ALLOCATIONS: Actions = {
    "approve": ("AllocationApproveCmd", {"quantity": "quantity", "approved_by": "approvedBy"}),
    "reject": ("AllocationRejectCmd", {"quantity": "quantity", "reason": "reason"}),
}


async def allocate(
    ctx: Ctx,
    *,
    order_id: Annotated[Raw, text("child or group that has pendingAllocQty")] = None,
    action: Annotated[
        Literal["approve", "reject"],
        Field(description="approve (AllocationApproveCmd): hand on; reject (AllocationRejectCmd): it stays pending"),
    ],
    quantity: Annotated[Raw, decimal("how much; all that is pending if absent")] = None,
    approved_by: Annotated[Raw, text("approve: who approves; you if absent")] = None,
    reason: Annotated[Raw, text("reject: why")] = None,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: ExpectedVersion = None,
    response_format: Format = "concise",
) -> CallToolResult:
    """Decide about fills of an order with autoAllocation false: hand them on to its parent or its members, or not."""
    given = {"quantity": quantity, "approved_by": approved_by, "reason": reason}
    common = {"orderId": order_id, "commandId": command_id, "expectedVersion": expected_version}
    chosen = Action("allocate", action, ALLOCATIONS, given, common)
    return act(ctx, chosen, dry_run=dry_run, response_format=response_format)


GROUPINGS: Actions = {
    "group": (
        "OrderGroupCmd",
        {
            "order_ids": "memberOrderIds",
            "group_order_id": "groupOrderId",
            "grouped_by": "groupedBy",
            "approved_by": "approvedBy",
            "auto_allocation": "autoAllocation",
        },
    ),
    "ungroup": ("OrderUngroupCmd", {"group_order_id": "groupOrderId"}),
}


async def group_orders(
    ctx: Ctx,
    *,
    action: Annotated[
        Literal["group", "ungroup"],
        Field(description="group (OrderGroupCmd): make a block order; ungroup (OrderUngroupCmd): only while it is NEW"),
    ],
    order_ids: Annotated[
        list[str] | None, Field(description="group: 2 or more NEW orders (handl_inst MANUAL) with equal terms")
    ] = None,
    group_order_id: Annotated[Raw, text("ungroup: the group; group: your own id for it, optional")] = None,
    grouped_by: Annotated[Raw, text("group: who groups; you if absent")] = None,
    approved_by: Annotated[Raw, text("group: second person, where accounts differ and that needs approval")] = None,
    auto_allocation: Annotated[Raw, flag("group: false: allocate decides about fills")] = None,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: ExpectedVersion = None,
    response_format: Format = "concise",
) -> CallToolResult:
    """Trade client orders together as one block order, whose fills its members share."""
    given = {
        "order_ids": order_ids,
        "group_order_id": group_order_id,
        "grouped_by": grouped_by,
        "approved_by": approved_by,
        "auto_allocation": auto_allocation,
    }
    common = {"commandId": command_id, "expectedVersion": expected_version}
    chosen = Action("group_orders", action, GROUPINGS, given, common)
    return act(ctx, chosen, dry_run=dry_run, response_format=response_format)


TOOLS = (
    ToolSpec(allocate, CommandOut, "Hand fills on", required=("order_id",)),
    ToolSpec(group_orders, CommandOut, "Group orders"),
)
