"""Which tools create orders and move them through their life?"""

from typing import Annotated, Literal

from mcp_types import CallToolResult
from pydantic import Field

from oms_engine.domain.vocabulary import ExecInst, HandlInst, OrdType, Side, TimeInForce
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
    flag,
    joined,
    text,
    whole,
)
from oms_mcp.consent import Answered, Consent
from oms_mcp.seam import Ctx
from oms_mcp.tools.commands import Action, CommandOut, act, send

OrderId = Annotated[Raw, text("orderId of the order")]


async def create_order(
    ctx: Ctx,
    *,
    cl_ord_id: Annotated[Raw, text("your id of the order, unique in your session")] = None,
    account: Annotated[Raw, text("account to book to")] = None,
    symbol: Annotated[Raw, text("ticker, such as AAPL")] = None,
    side: Annotated[Raw, text("SELL_SHORT needs locateId in more; SUBSCRIBE and REDEEM are for funds", Side)] = None,
    ord_type: Annotated[Raw, text("LIMIT needs price, STOP stop_px, STOP_LIMIT both", OrdType)] = None,
    order_qty: Annotated[
        Raw, decimal("quantity above 0; a fund order by amount has cashOrderQty in more instead")
    ] = None,
    price: Annotated[Raw, decimal("limit price")] = None,
    stop_px: Annotated[Raw, decimal("stop price")] = None,
    time_in_force: Annotated[Raw, text("DAY if absent; GOOD_TILL_DATE needs expire_time", TimeInForce)] = None,
    expire_time: Annotated[Raw, text("ISO-8601 with offset")] = None,
    parent_order_id: Annotated[Raw, text("order this one is a child or slice of")] = None,
    handl_inst: Annotated[Raw, text("AUTO if absent; the others wait in NEW for update_order place", HandlInst)] = None,
    more: Annotated[
        More, Field(description="other fields in camelCase, such as text, securityType, locateId, orderId")
    ] = None,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: Annotated[Raw, whole("0, or absent: the order does not exist yet")] = None,
    response_format: Format = "concise",
) -> CallToolResult:
    """Create an order (OrderCreateCmd). It is placed at once (UNACK), or waits where routed by hand (NEW).

    Next: update_order accept, or place.

    The same cl_ord_id with the same terms gives the same order back (duplicate: true).
    """
    given = {
        "clOrdId": cl_ord_id,
        "account": account,
        "symbol": symbol,
        "side": side,
        "ordType": ord_type,
        "orderQty": order_qty,
        "price": price,
        "stopPx": stop_px,
        "timeInForce": time_in_force,
        "expireTime": expire_time,
        "parentOrderId": parent_order_id,
        "handlInst": handl_inst,
    }
    envelope = {
        "type": "OrderCreateCmd",
        "order": joined(given, more),
        "commandId": command_id,
        "expectedVersion": expected_version,
    }
    return send(ctx, envelope, dry_run=dry_run, response_format=response_format, names=arguments_of(given))


UPDATES: Actions = {
    "place": ("OrderPlaceCmd", {"ex_destination": "exDestination"}),
    "accept": ("OrderAcceptCmd", {"order_qty": "orderQty"}),
    "replace": (
        "OrderReplaceCmd",
        {
            "cl_ord_id": "clOrdId",
            "orig_cl_ord_id": "origClOrdId",
            "order_qty": "orderQty",
            "price": "price",
            "stop_px": "stopPx",
            "time_in_force": "timeInForce",
            "expire_time": "expireTime",
            "exec_inst": "execInst",
            "text": "text",
        },
    ),
    "accept_replace": ("OrderReplaceAcceptCmd", {}),
    "reject_replace": ("OrderReplaceRejectCmd", {"reject_code": "cxlRejReason", "text": "text"}),
}


async def update_order(
    ctx: Ctx,
    *,
    order_id: OrderId = None,
    action: Annotated[
        Literal["place", "accept", "replace", "accept_replace", "reject_replace"],
        Field(
            description="place (OrderPlaceCmd): NEW to UNACK; accept (OrderAcceptCmd): the market acknowledges, UNACK "
            "to LIVE; replace (OrderReplaceCmd): ask for other terms; accept_replace, reject_replace: its answer"
        ),
    ],
    ex_destination: Annotated[Raw, text("place: where to execute")] = None,
    order_qty: Annotated[Raw, decimal("replace: new quantity; accept: units of a cash order")] = None,
    price: Annotated[Raw, decimal("replace: new limit price")] = None,
    stop_px: Annotated[Raw, decimal("replace: new stop price")] = None,
    time_in_force: Annotated[Raw, text("replace", TimeInForce)] = None,
    expire_time: Annotated[Raw, text("replace: ISO-8601 with offset")] = None,
    exec_inst: Annotated[Raw, text("replace", ExecInst)] = None,
    cl_ord_id: Annotated[Raw, text("replace: your new id")] = None,
    orig_cl_ord_id: Annotated[Raw, text("replace: current clOrdId, checked")] = None,
    reject_code: Annotated[Raw, whole("reject_replace: CxlRejReason (FIX 102), 99 if absent")] = None,
    text: Annotated[Raw, text("replace, reject_replace: free text")] = None,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: ExpectedVersion = None,
    response_format: Format = "concise",
) -> CallToolResult:
    """Move an order forward, or change its terms. Fills come with report_execution.

    A parent gets no answers of the market; its children do, and it follows them.
    """
    given = {
        "ex_destination": ex_destination,
        "order_qty": order_qty,
        "price": price,
        "stop_px": stop_px,
        "time_in_force": time_in_force,
        "expire_time": expire_time,
        "exec_inst": exec_inst,
        "cl_ord_id": cl_ord_id,
        "orig_cl_ord_id": orig_cl_ord_id,
        "reject_code": reject_code,
        "text": text,
    }
    common = {"orderId": order_id, "commandId": command_id, "expectedVersion": expected_version}
    chosen = Action("update_order", action, UPDATES, given, common)
    return act(ctx, chosen, dry_run=dry_run, response_format=response_format)


ENDINGS: Actions = {
    "cancel": ("OrderCancelCmd", {"cl_ord_id": "clOrdId", "orig_cl_ord_id": "origClOrdId", "reason": "text"}),
    "accept_cancel": ("OrderCancelAcceptCmd", {"unsolicited": "unsolicited", "reason": "text"}),
    "reject_cancel": ("OrderCancelRejectCmd", {"reject_code": "cxlRejReason", "reason": "text"}),
    "reject": ("OrderRejectCmd", {"reject_code": "ordRejReason", "reason": "text"}),
    "expire": ("OrderExpireCmd", {}),
    "close": ("OrderCloseCmd", {"reason": "reason"}),
}


async def end_order(
    ctx: Ctx,
    *,
    order_id: OrderId = None,
    action: Annotated[
        Literal["cancel", "accept_cancel", "reject_cancel", "reject", "expire", "close"],
        Field(
            description="cancel (OrderCancelCmd): ask the market; accept_cancel (OrderCancelAcceptCmd), reject_cancel "
            "(OrderCancelRejectCmd): its answer; reject (OrderRejectCmd): the order is refused, only without fills; "
            "expire (OrderExpireCmd): its time is over; close (OrderCloseCmd): settle an ended order"
        ),
    ],
    reason: Annotated[Raw, text("why; not for expire")] = None,
    cl_ord_id: Annotated[Raw, text("cancel: your new id of the request")] = None,
    orig_cl_ord_id: Annotated[Raw, text("cancel: current clOrdId, checked")] = None,
    unsolicited: Annotated[Raw, flag("accept_cancel: true if nobody asked")] = None,
    reject_code: Annotated[
        Raw, whole("reject: OrdRejReason (FIX 103); reject_cancel: CxlRejReason (102); 99 if absent")
    ] = None,
    confirm: Confirm = False,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: ExpectedVersion = None,
    response_format: Format = "concise",
    answered: Answered,
) -> CallToolResult:
    """End an order. A LIVE order is cancelled in two steps: cancel, then accept_cancel as the market's answer.

    Ask the user first, then send confirm=true.
    """
    given = {
        "reason": reason,
        "cl_ord_id": cl_ord_id,
        "orig_cl_ord_id": orig_cl_ord_id,
        "unsolicited": unsolicited,
        "reject_code": reject_code,
    }
    common = {"orderId": order_id, "commandId": command_id, "expectedVersion": expected_version}
    consent = Consent(answered, confirm=confirm, dry_run=dry_run)
    chosen = Action("end_order", action, ENDINGS, given, common, consent=consent)
    return act(ctx, chosen, dry_run=dry_run, response_format=response_format)


TOOLS = (
    ToolSpec(
        create_order,
        CommandOut,
        "Create an order",
        required=("cl_ord_id", "account", "symbol", "side", "ord_type"),
    ),
    ToolSpec(update_order, CommandOut, "Move an order forward", required=("order_id",)),
    ToolSpec(end_order, CommandOut, "End an order", destructive=True, asks=True, required=("order_id",)),
)
