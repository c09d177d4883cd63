"""By which name was the server called, and from which page? Anything else could be a page that found its way here."""

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from oms_engine.errors import shown
from oms_mcp.web.replies import refusal


class OwnNames:
    """Lets only those through whose `Host` is a name of the server and whose `Origin` may call it (DNS rebinding).

    Args:
        app: What is protected.
        allowed: The names and the origins.
    """

    def __init__(self, app: ASGIApp, allowed: TransportSecuritySettings) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that came by another name, or pass it on."""
        request = Request(scope)
        refused = await self._security.validate_request(request)
        await (self._app if refused is None else _explained(request, refused))(scope, receive, send)


def _explained(request: Request, refused: Response) -> Response:
    """The refusal of the SDK with the value, and with what whoever starts the server can do."""
    header, option = ("Host", "--allow-host") if refused.status_code == _MISDIRECTED else ("Origin", "--allow-origin")
    given = request.headers.get(header, "")
    way_out = f"the server must be started with {option} for it" if given else f"send the header {header}"
    return refusal(refused.status_code, f"{header} {shown(given)} is not allowed here; {way_out}")


_MISDIRECTED = 421
"""Status for a host that this server is not (RFC 9110, 15.5.20)."""
