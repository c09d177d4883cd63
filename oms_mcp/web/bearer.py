"""Who sends a request? Whoever holds its bearer token (RFC 6750)."""

import logging
from collections.abc import Sequence
from math import ceil
from typing import Protocol

from anyio import Event, create_task_group, sleep
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from oms_mcp.inputs import Misuse
from oms_mcp.web.limits import Rate, gone_when, is_stream
from oms_mcp.web.replies import refusal, try_again
from oms_mcp.web.tokens import NotAccepted

_LONGEST_TOKEN = 16_384
_PAUSE = 10

_AGAIN = 2
"""Seconds after which the token of an open stream is verified again."""

logger = logging.getLogger(__name__)


class Verifier(Protocol):
    """What knows tokens."""

    async def verify(self, token: str) -> AccessToken:
        """Who sends a token; raises NotAccepted for one that is not good, Misuse when nobody can tell now."""
        ...


class BearerAuth:
    """Lets only those through who hold a good token; `get_access_token()` of the SDK tells who it was.

    Args:
        app: What is protected.
        verifier: What knows tokens.
        rate: Tokens that are not good which one address may send in a second; 0 counts none.
        metadata: Address of the metadata that names the issuer (RFC 9728); none for a token file.
    """

    def __init__(self, app: ASGIApp, verifier: Verifier, rate: int, metadata: str = "") -> None:
        self._app = AuthContextMiddleware(app)
        self._verifier = verifier
        self._most = rate
        self._bad = Rate(rate)
        self._metadata = metadata

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on with the user it comes from."""
        address = (scope.get("client") or ("", 0))[0]
        if wait := self._bad.wait(address, counts=False):
            reason = f"more than {self._most} tokens per second that are not good"
            await try_again(429, reason, ceil(wait))(scope, receive, send)
            return
        try:
            token = _token(Headers(scope=scope))
            access = await self._verifier.verify(token)
        except NotAccepted as error:
            if not isinstance(error, _NoToken):
                self._bad.wait(address)
            await self._unauthorized(error)(scope, receive, send)
        except Misuse:
            logger.exception("tokens cannot be verified")
            await try_again(503, "tokens cannot be verified now", _PAUSE)(scope, receive, send)
        else:
            scope["user"] = AuthenticatedUser(access)
            if is_stream(scope):
                await self._stream(token, access, scope, receive, send)
            else:
                await self._app(scope, receive, send)

    async def _stream(self, token: str, access: AccessToken, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a stream on that ends with its token."""
        over = Event()
        async with create_task_group() as group:

            async def watch() -> None:
                is_good = True
                while is_good:
                    await sleep(_AGAIN)
                    is_good = await self._is_still(token, access)
                over.set()

            group.start_soon(watch)
            await self._app(scope, gone_when(over, receive), send)
            group.cancel_scope.cancel()

    async def _is_still(self, token: str, access: AccessToken) -> bool:
        """Is a token good for the same as before?"""
        try:
            return await self._verifier.verify(token) == access
        except (NotAccepted, Misuse):
            return False

    def _unauthorized(self, error: NotAccepted) -> Response:
        """RFC 6750 section 3: a request without a token is told no error code."""
        given = not isinstance(error, _NoToken)
        parts = ['error="invalid_token"', f'error_description="{_quoted(str(error))}"'] if given else []
        parts += [f'resource_metadata="{self._metadata}"'] if self._metadata else []
        challenge = ", ".join(parts) or 'realm="oms-mcp"'
        code = "invalid_token" if given else ""
        return refusal(401, str(error), {"WWW-Authenticate": f"Bearer {challenge}"}, code=code)


class _NoToken(NotAccepted):
    """There is nothing to verify."""


def _token(headers: Headers) -> str:
    given: Sequence[str] = headers.getlist("authorization")
    if not given:
        raise _NoToken("a bearer token is needed: send the header Authorization: Bearer TOKEN")
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.casefold() != "bearer" or not token.strip():
        raise NotAccepted("the header Authorization must come once and read: Bearer TOKEN")
    if len(token) > _LONGEST_TOKEN:
        raise NotAccepted(f"the token has more than {_LONGEST_TOKEN:,} characters")
    return token.strip()


def _quoted(text: str) -> str:
    """The text as it may stand between quotes in a header."""
    return "".join(letter for letter in text if letter.isascii() and letter.isprintable() and letter not in '"\\')
