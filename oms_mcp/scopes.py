"""What must a token allow before its holder may call a tool, read an address or start a prompt?

What is in no table needs `admin`. Where a connection carries no token, as over stdio, nothing is asked: who starts the
process may do everything.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST

from oms_engine.domain.catalogue import violation
from oms_engine.errors import Refused, problem_of, shown
from oms_engine.simulation.scenario import is_name


class Scope(StrEnum):
    """What a token can allow (RFC 6749 section 3.3); no scope includes another."""

    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    ORDERS_CORRECT = "orders:correct"
    KB_READ = "kb:read"
    ADMIN = "admin"


TOOL_SCOPES: Mapping[str, Scope] = {
    "create_order": Scope.ORDERS_WRITE,
    "update_order": Scope.ORDERS_WRITE,
    "end_order": Scope.ORDERS_WRITE,
    "allocate": Scope.ORDERS_WRITE,
    "group_orders": Scope.ORDERS_WRITE,
    "quote": Scope.ORDERS_WRITE,
    "report_execution": Scope.ORDERS_WRITE,
    "correct_execution": Scope.ORDERS_CORRECT,
    "search_orders": Scope.ORDERS_READ,
    "get_order": Scope.ORDERS_READ,
    "order_history": Scope.ORDERS_READ,
    "check_transitions": Scope.ORDERS_READ,
    "simulate": Scope.ORDERS_READ,
    "search_kb": Scope.KB_READ,
    "read_kb": Scope.KB_READ,
    "execute_commands": Scope.ADMIN,
    "settings": Scope.ADMIN,
}
"""Tool -> the scope that it needs.

`read_kb` needs that of the address it is given, and `simulate` needs `kb:read` too where it is given the name of a
scenario.
"""

ADDRESS_SCOPES: Mapping[str, Scope] = {
    "order://": Scope.ORDERS_READ,
    "orders://": Scope.ORDERS_READ,
    "oms://": Scope.ORDERS_READ,
    "kb://": Scope.KB_READ,
    "spec://": Scope.KB_READ,
}
"""How an address begins -> the scope that reading, watching or completing it needs."""

PROMPT_SCOPES: Mapping[str, Scope] = {
    "implement-from-spec": Scope.KB_READ,
    "validate-against-spec": Scope.KB_READ,
    "design-scenario": Scope.KB_READ,
    "explain-order": Scope.ORDERS_READ,
    "investigate-rejection": Scope.ORDERS_READ,
}
"""Prompt -> the scope that writing it out needs."""


def scopes_of_tool(name: str, arguments: Mapping[str, Any]) -> set[Scope]:
    """The scopes that a call needs; `admin` for a tool that is not in the table."""
    path = arguments.get("path")
    if name == "read_kb" and isinstance(path, str) and is_address(path):
        return _of_addresses(path)
    needed = {TOOL_SCOPES.get(name, Scope.ADMIN)}
    if name == "simulate" and _names_scenario(arguments.get("scenario")):
        needed.add(Scope.KB_READ)
    return needed


def scopes_needed(method: str, params: Mapping[str, Any]) -> set[Scope]:
    """The scopes that any other request needs; `admin` for names and addresses that are in no table.

    Lists are for everybody: at 2026-07-28 they may not differ from one connection to the next.
    """
    match method:
        case "resources/read" | "resources/subscribe" | "resources/unsubscribe":
            return _of_addresses(params.get("uri"))
        case "subscriptions/listen":
            asked = _mapping(params.get("notifications")).get("resourceSubscriptions")
            return _of_addresses(*(asked if isinstance(asked, list) else ()))
        case "prompts/get":
            return _of_prompt(params.get("name"))
        case "completion/complete":
            ref = _mapping(params.get("ref"))
            return _of_prompt(ref.get("name")) | _of_addresses(ref.get("uri"))
    return set()


def _of_prompt(name: object) -> set[Scope]:
    if name is None:
        return set()
    return {PROMPT_SCOPES.get(name, Scope.ADMIN) if isinstance(name, str) else Scope.ADMIN}


def _of_addresses(*addresses: object) -> set[Scope]:
    return {_of_address(address) for address in addresses if address is not None}


def _of_address(address: object) -> Scope:
    text = address.lstrip().casefold() if isinstance(address, str) else ""
    return next((scope for begin, scope in ADDRESS_SCOPES.items() if text.startswith(begin)), Scope.ADMIN)


def is_address(text: str) -> bool:
    """Does the text name a resource, not a path of the knowledge base?"""
    return "://" in text


def _names_scenario(text: object) -> bool:
    return isinstance(text, str) and is_name(text.strip().removeprefix("kb://"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def require_scopes(asked: str, needed: set[Scope]) -> None:
    """Raises Refused (OMS-AUTH-003) when the token of this request does not allow what was asked."""
    token = get_access_token()
    missing = needed - {*token.scopes} if token else set()
    if token is None or not missing:
        return
    names = " and ".join(sorted(missing))
    message = f"{shown(asked)[1:-1]} needs the scope {names}; the token has {', '.join(token.scopes) or 'none'}"
    if Scope.ADMIN in missing and TOOL_SCOPES.get(asked) is not Scope.ADMIN:
        message += "; what it names is in no table of scopes, so check the name first"
    told = problem_of(
        [violation("ENV-08", "OMS-AUTH-003", "scope", message)], context={"requiredScopes": sorted(missing)}
    )
    raise Refused(told.but(hint=f"ask who issued the token for one with the scope {names}; nothing changed"))


async def requiring_scopes(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Refuse what the token of a request does not allow; calls of tools are looked at where they are answered."""
    try:
        require_scopes(ctx.method, scopes_needed(ctx.method, ctx.params or {}))
    except Refused as error:
        raise MCPError(INVALID_REQUEST, error.problem.detail, {"error": error.problem.to_wire()}) from error
    return await call_next(ctx)
