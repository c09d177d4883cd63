"""How does a request end that never reaches the protocol? With a status, the reason, and when to come back."""

import json
from collections.abc import Mapping

from starlette.responses import Response


def refusal(status: int, reason: str, headers: Mapping[str, str] | None = None, *, code: str = "") -> Response:
    """An answer that says in one sentence why nothing was done.

    Args:
        status: The HTTP status (RFC 9110).
        reason: The sentence.
        headers: Further headers, such as Retry-After.
        code: The error of RFC 6750, where the token is at fault.
    """
    wire = {"error": code, "error_description": reason} if code else {"error": reason}
    return Response(json.dumps(wire), status, dict(headers or {}), "application/json")


def try_again(status: int, reason: str, seconds: int) -> Response:
    """An answer to a request that is right, but not now."""
    return refusal(status, f"{reason}; try again in {seconds} s", {"Retry-After": str(seconds)})
