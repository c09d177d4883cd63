"""Which tool reads and changes settings while the server runs? It is offered only where somebody asked for it."""

from typing import Annotated, Any, Literal

from mcp_types import CallToolResult
from pydantic import Field

from oms_mcp.arguments import (
    Actions,
    CommandId,
    Confirm,
    DryRun,
    Format,
    Raw,
    ToolSpec,
    decimal,
    require_used,
    text,
    whole,
)
from oms_mcp.consent import Answered, Consent
from oms_mcp.seam import Ctx, Out, answer, backend_of
from oms_mcp.shapes import named_settings, prices_wire, settings_wire
from oms_mcp.tools.commands import Action, act


class SettingsOut(Out):
    """Settings by name, or what became of a change."""

    mode: str
    settings: dict[str, Any] | None = None
    reference_prices: dict[str, str] | None = None
    status: str | None = None
    message: str | None = None
    version: int | None = None
    dry_run: bool | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


CHANGES: Actions = {
    "set": ("SettingsChangeCmd", {"changes": "changes"}),
    "post_price": ("ReferencePriceCmd", {"symbol": "symbol", "price": "price"}),
}


async def settings(
    ctx: Ctx,
    *,
    action: Annotated[
        Literal["list", "get", "set", "post_price"],
        Field(
            description="list, get: read; set (SettingsChangeCmd); post_price (ReferencePriceCmd): reference price "
            "for risk limits"
        ),
    ],
    keys: Annotated[list[str] | None, Field(description="get: names such as risk.killSwitch")] = None,
    changes: Annotated[
        dict[str, Any] | None, Field(description='set: name to value, such as {"risk.killSwitch": true}')
    ] = None,
    symbol: Annotated[Raw, text("post_price: ticker")] = None,
    price: Annotated[Raw, decimal("post_price: the price")] = None,
    confirm: Confirm = False,
    dry_run: DryRun = False,
    command_id: CommandId = None,
    expected_version: Annotated[Raw, whole("refuse unless the settings have this version")] = None,
    response_format: Format = "concise",
    answered: Answered,
) -> CallToolResult:
    """Read or change what holds for all orders: limits, the kill switch, approvers. You are the actor of a change.

    Ask the user before set and post_price, then send confirm=true.
    """
    given = {"keys": keys, "changes": changes, "symbol": symbol, "price": price}
    envelope = {"commandId": command_id, "expectedVersion": expected_version}
    if action in CHANGES:
        consent = Consent(answered, confirm=confirm, dry_run=dry_run)
        chosen = Action("settings", action, CHANGES, given, envelope, consent=consent)
        return act(ctx, chosen, dry_run=dry_run, response_format=response_format)
    sent = {**given, "command_id": command_id, "expected_version": expected_version}
    require_used(action, sent, ("keys",) if action == "get" else ())
    backend = backend_of(ctx)
    names = named_settings(keys or ()) if action == "get" else ()
    told = settings_wire(backend.engine.settings, names, response_format)
    prices = prices_wire(backend.engine)
    wire = {"settings": told, "referencePrices": prices, "mode": backend.mode}
    return answer(backend, wire, narrow="get some of them by their keys")


TOOLS = (ToolSpec(settings, SettingsOut, "Read and change settings", destructive=True, asks=True),)
