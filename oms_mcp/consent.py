"""How does the user agree to what destroys? The client asks him where it can; else `confirm=true` says that he did.

The call is previewed first, so nobody is asked about what would be refused, and the question says what would happen. In
the old era the question goes to the client while the call waits, in the new one as the answer to the call, which the
client then sends again.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from anyio import move_on_after
from mcp.server.elicitation import AcceptedElicitation
from mcp.server.mcpserver.resolve import Elicit, ElicitationResult, Resolve
from mcp_types import CallToolResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field

from oms_engine.domain.catalogue import violation
from oms_engine.domain.model import Order
from oms_engine.domain.quantities import ZERO
from oms_engine.errors import Refused, problem_of, shown
from oms_engine.record import plain
from oms_mcp.seam import Ctx, backend_of
from oms_mcp.shapes import Wire

DECLINED = "declined or unavailable; nothing changed"

ANSWER_SECONDS = 300
"""How long a call waits for its user; then it is as if he had declined. In the new era nothing waits."""

_NAMES = ("order_id", "exec_id", "symbol", "price", "quantity", "reason", "text")
"""Arguments that say what is meant, and why."""

_MOST_TOLD = 20
"""Changes that the question tells one by one."""


class Agreement(BaseModel):
    """What the user is asked."""

    confirm: bool = Field(description="Go ahead?")


class Unasked(BaseModel):
    """Why the user was not asked.

    Attributes:
        refused: The call would be refused anyway; it is carried out as a preview, which tells why.
    """

    refused: bool = False


async def ask(ctx: Ctx, confirm: bool, dry_run: bool) -> Unasked | Agreement | Elicit[Agreement]:
    """Ask the user, where nobody has and the client can."""
    called = ctx.request_context.params or {}
    tool, given = str(called.get("name", "")), dict(called.get("arguments") or {})
    if confirm or dry_run or not _can_ask(ctx):
        return Unasked()
    preview = await ctx.mcp_server.call_tool(tool, given | {"dry_run": True}, ctx)
    assert isinstance(preview, CallToolResult)  # noqa: S101 - nobody is asked about a preview
    told = preview.structured_content or {}
    if preview.is_error or not told.get("dryRun"):
        return Unasked(refused=bool(preview.is_error))
    question = _question(ctx, tool, given, told)
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return Elicit(question, Agreement)
    return await _answer(ctx, question)


async def _answer(ctx: Ctx, question: str) -> Agreement:
    """What the user answers while the call waits; no answer is a no."""
    with move_on_after(ANSWER_SECONDS), suppress(ValueError):  # the SDK raises it for an answer to something else
        answered = await ctx.elicit(question, Agreement)
        if isinstance(answered, AcceptedElicitation):
            return answered.data
    return Agreement(confirm=False)


Answered = Annotated[ElicitationResult[Agreement], Resolve(ask)]
"""The argument of a destructive tool that holds what the user answered; no client sees it."""


class Consent:
    """Whether the user agreed to a call.

    Args:
        answered: What he answered when he was asked, or why he was not.
        confirm: The caller says that he agreed.
        dry_run: Nothing is to be stored, so nobody has to agree.
    """

    def __init__(self, answered: ElicitationResult[Any], *, confirm: bool, dry_run: bool) -> None:
        self._answered = answered
        self._needless = confirm or dry_run

    def given(self, tool: str, action: str) -> bool:
        """May the call be carried out? False where it would be refused, which a preview tells better.

        Raises:
            Refused: OMS-VAL-006, nobody agreed.
        """
        if self._needless:
            return True
        if not isinstance(self._answered, AcceptedElicitation):
            raise declined()
        match self._answered.data:
            case Agreement(confirm=True):
                return True
            case Agreement():
                raise declined()
            case Unasked(refused=True):
                return False
        raise _unconfirmed(
            f"{tool} with action {action} was not confirmed; nothing changed. Ask the user, then send confirm=true"
        )


def declined() -> Refused:
    """The user said no, or could not be asked."""
    told = problem_of([violation("CNF-01", "OMS-VAL-006", "confirm", DECLINED)])
    return Refused(told.but(hint="do not send it again, with or without confirm, unless the user says so himself"))


def _unconfirmed(message: str) -> Refused:
    return Refused(problem_of([violation("CNF-01", "OMS-VAL-006", "confirm", message)]))


def _can_ask(ctx: Ctx) -> bool:
    """Can the client show a form, and be reached?"""
    capabilities = ctx.client_capabilities
    can = capabilities.elicitation if capabilities else None
    if can is None or (can.form is None and can.url is not None):
        return False
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS or ctx.session.can_send_request


def _question(ctx: Ctx, tool: str, given: Mapping[str, Any], preview: Wire) -> str:
    """What would happen, in facts; values that a caller or a market wrote are quoted."""
    named = [f"{name} {shown(given[name])}" for name in _NAMES if given.get(name) is not None]
    order = backend_of(ctx).engine.get(str(preview.get("orderId", "")))
    if order is not None:
        named += _printed(ctx, order, given.get("exec_id"))
        quantity = plain(order.order_qty or order.cash_order_qty or ZERO)
        terms = f"{order.side} {quantity} {shown(order.symbol)} {_prices(order)}"
        named.append(f"{terms} for account {shown(order.account)}")
    before, after = preview.get("before") or {}, preview.get("after") or {}
    moved = [
        f"{name} {shown(before.get(name, '-'))} to {shown(value)}"
        for name, value in after.items()
        if name != "version" and before.get(name) != value
    ]
    more = f" and {len(moved) - _MOST_TOLD} more" if len(moved) > _MOST_TOLD else ""
    return (
        f"{tool} {given.get('action')}: {', '.join(named) or 'for all orders'}. "
        f"It changes {', '.join(moved[:_MOST_TOLD]) or 'nothing that is shown here'}{more}. Go ahead?"
    )


def _printed(ctx: Ctx, order: Order, exec_id: object) -> list[str]:
    """The execution that is meant, as it stands now."""
    executions = backend_of(ctx).engine.executions(order.order_id) if exec_id else ()
    return [
        f"which is {plain(each.last_qty)} at {plain(each.last_px)}" for each in executions if each.exec_id == exec_id
    ]


def _prices(order: Order) -> str:
    """At which prices an order may trade."""
    prices = (("at", order.price), ("stop", order.stop_px))
    return " ".join([str(order.ord_type), *(f"{word} {plain(price)}" for word, price in prices if price is not None)])
