"""Which tool asks for quotes, gives them, and takes or ends them?"""

from collections.abc import Mapping
from typing import Annotated, Literal

from mcp_types import CallToolResult
from pydantic import Field

from oms_engine.domain.vocabulary import PriceType, Side
from oms_mcp.arguments import Actions, CommandId, DryRun, Format, Raw, ToolSpec, decimal, text, whole
from oms_mcp.seam import Ctx
from oms_mcp.tools.commands import Action, CommandOut, act

_ENDING = {"quote_id": "quoteId", "quote_req_id": "quoteReqId", "reason": "reason"}

QUOTES: Actions = {
    "request": (
        "QuoteRequestCreateCmd",
        {
            "quote_req_id": "quoteReqId",
            "symbol": "symbol",
            "quantity": "quantity",
            "side": "side",
            "currency": "currency",
            "account": "account",
            "valid_until": "validUntil",
        },
    ),
    "quote": (
        "QuoteCreateCmd",
        {
            "quote_req_id": "quoteReqId",
            "quote_id": "quoteId",
            "price": "price",
            "price_type": "priceType",
            "quantity": "quantity",
            "currency": "currency",
            "valid_until": "validUntil",
            "quoted_by": "quotedBy",
        },
    ),
    "accept": ("QuoteAcceptCmd", {"quote_id": "quoteId"}),
    "reject": ("QuoteRejectCmd", _ENDING),
    "expire": ("QuoteExpireCmd", _ENDING),
}

_PARTS: Mapping[str, str] = {"request": "quoteRequest", "quote": "quote"}
"""Action -> the object of its envelope that the fields belong in."""


async def quote(
    ctx: Ctx,
    *,
    action: Annotated[
        Literal["request", "quote", "accept", "reject", "expire"],
        Field(
            description="request (QuoteRequestCreateCmd): the client asks; quote (QuoteCreateCmd): the desk gives a "
            "price; accept (QuoteAcceptCmd), reject (QuoteRejectCmd); expire (QuoteExpireCmd): its time is over"
        ),
    ],
    quote_req_id: Annotated[Raw, text("the request; request: your own id, optional; or end it with all quotes")] = None,
    quote_id: Annotated[Raw, text("accept, reject, expire: the quote; quote: its own id, optional")] = None,
    symbol: Annotated[Raw, text("request: ticker")] = None,
    quantity: Annotated[Raw, decimal("request, quote: how much")] = None,
    price: Annotated[Raw, decimal("quote: price")] = None,
    price_type: Annotated[Raw, text("quote: what the price means", PriceType)] = None,
    side: Annotated[Raw, text("request: both sides if absent", Side)] = None,
    currency: Annotated[Raw, text("request, quote: three capitals")] = None,
    account: Annotated[Raw, text("request: account of the client")] = None,
    valid_until: Annotated[Raw, text("request, quote: end, ISO-8601 with offset")] = None,
    quoted_by: Annotated[Raw, text("quote: who quotes; you if absent")] = None,
    reason: Annotated[Raw, text("reject, expire: why")] = None,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: Annotated[Raw, whole("refuse unless the request has this version")] = None,
    response_format: Format = "concise",
) -> CallToolResult:
    """Ask for quotes and answer them. A quote trades nothing: name it as quoteId (in more) when you create an order."""
    given = {
        "quote_req_id": quote_req_id,
        "quote_id": quote_id,
        "symbol": symbol,
        "quantity": quantity,
        "price": price,
        "price_type": price_type,
        "side": side,
        "currency": currency,
        "account": account,
        "valid_until": valid_until,
        "quoted_by": quoted_by,
        "reason": reason,
    }
    common = {"commandId": command_id, "expectedVersion": expected_version}
    chosen = Action("quote", action, QUOTES, given, common, _PARTS.get(action, ""))
    return act(ctx, chosen, dry_run=dry_run, response_format=response_format)


TOOLS = (ToolSpec(quote, CommandOut, "Ask for and give quotes"),)
