"""How does a server come to be reached over HTTP, and how does it stop without losing an answer?"""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import FrameType

import uvicorn
from anyio import Event, Lock
from anyio.to_thread import run_sync
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from oms_engine.errors import StoreError
from oms_mcp.inputs import Misuse
from oms_mcp.scopes import Scope
from oms_mcp.server import OmsServer
from oms_mcp.web.addresses import Place, allowed_hosts, allowed_origins, is_loopback, listening
from oms_mcp.web.bearer import BearerAuth, Verifier
from oms_mcp.web.issuer import Issuer
from oms_mcp.web.limits import Admission, Limits
from oms_mcp.web.names import OwnNames
from oms_mcp.web.patience import patient
from oms_mcp.web.tokens import TokenFile, is_readable_by_others

PATH = "/mcp"
_IDLE_CONNECTIONS = 1_000
_READY_SECONDS = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the server is reached.

    Attributes:
        place: Where it listens.
        tokens: File with the tokens that are accepted.
        issuer: OAuth server whose access tokens are accepted.
        audience: What those tokens name this server: the address that clients use.
        hosts: Names, beside those of the place, under which it may be called.
        origins: Web pages that may call it.
        limits: What it takes.
    """

    place: Place
    tokens: Path | None = None
    issuer: str = ""
    audience: str = ""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


class Front:
    """A server on a port, from when the port is taken until the process is told to stop.

    Args:
        options: How it is reached.
        tell: Hears the notes once it serves.

    Raises:
        Misuse: An option is impossible, the address is taken, or others could reach a server that asks for no token.
    """

    def __init__(self, options: HttpOptions, tell: Callable[[str], None] = lambda _: None) -> None:
        options.limits.require()
        self._tell = tell
        self._options = options
        self._verifier = _verifier(options)
        if self._verifier is None and not is_loopback(options.place.host):
            message = f"--http {options.place} can be reached by others, and no token is asked"
            way_out = "add --tokens FILE or --oauth-issuer URL, or listen on 127.0.0.1"
            raise Misuse(f"{message}; {way_out}", way_out)
        self._hosts = allowed_hosts(options.place, options.hosts, options.audience)
        self._socket = listening(options.place)
        self._place = options.place._replace(port=self._socket.getsockname()[1])
        self._origins = allowed_origins(self._place, options.origins)
        self._stopping = Event()
        self._running: _Server | None = None
        self._is_over = False

    @property
    def url(self) -> str:
        """Where clients of this machine reach it."""
        return f"http://{self._place}{PATH}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What who starts it should know: where it is, for whom, and what is not as it should be."""
        who = "for who holds a token" if self._verifier else "for this machine alone, because no token is asked"
        tokens = self._options.tokens
        careless = bool(tokens and is_readable_by_others(tokens))
        more = ("others can read who holds which scopes; chmod 600 the token file",) if careless else ()
        return (f"serving on {self.url} {who}", *more)

    def run(self, server: OmsServer) -> None:
        """Serve until the process is told to stop, or `stop` is called."""
        AppStatus.enable_automatic_graceful_drain = False  # it cuts answers off; Admission ends what stays open
        limits = self._options.limits
        config = uvicorn.Config(
            self._app(server),
            http=patient(limits.request_seconds),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # who calls is told by the token; the header can be forged
            server_header=False,
            limit_concurrency=limits.in_flight + limits.streams + _IDLE_CONNECTIONS,
            timeout_keep_alive=limits.request_seconds,
            timeout_graceful_shutdown=limits.stop_seconds,
        )
        self._running = _Server(config, self._stopping, self._tell_notes)
        self._running.should_exit = self._is_over
        self._running.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` come to its end, as a signal does; from any thread."""
        self._is_over = True
        if self._running:
            self._running.should_exit = True

    def _tell_notes(self) -> None:
        for note in self.notes:
            self._tell(note)

    def _app(self, server: OmsServer) -> ASGIApp:
        options = self._options
        allowed = TransportSecuritySettings(allowed_hosts=self._hosts, allowed_origins=self._origins)
        server.streamable_http_app(
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # OwnNames looks first
            max_request_body_size=options.limits.body_bytes,
            max_sessions=options.limits.sessions,
        )
        manager = server.session_manager
        guarded: ASGIApp = Admission(
            StreamableHTTPASGIApp(manager), options.limits, self._stopping, shared=self._verifier is not None
        )
        routes: list[BaseRoute] = [Route("/health", _health), Route("/ready", _ready(server, self._stopping))]
        metadata = ""
        if options.audience:
            audience = AnyHttpUrl(options.audience)
            metadata = str(build_resource_metadata_url(audience))
            routes += create_protected_resource_routes(audience, [AnyHttpUrl(options.issuer)], [*Scope], server.title)
        if self._verifier:
            guarded = BearerAuth(guarded, self._verifier, options.limits.rate, metadata)
        routes.append(Route(PATH, OwnNames(guarded, allowed)))
        return Starlette(routes=routes, middleware=_cross_origin(options), lifespan=lambda _: manager.run())


def _verifier(options: HttpOptions) -> Verifier | None:
    if options.tokens and options.issuer:
        raise Misuse("--tokens and --oauth-issuer both say who may come in; keep one")
    if bool(options.issuer) != bool(options.audience):
        raise Misuse("--oauth-issuer and --oauth-audience belong together; give both")
    if options.issuer:
        return Issuer(options.issuer, options.audience)
    return TokenFile(options.tokens) if options.tokens else None


class _Server(uvicorn.Server):
    """Stops at SIGTERM and SIGINT: nothing new is taken, what is in flight is answered, streams are ended."""

    def __init__(self, config: uvicorn.Config, stopping: Event, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and tell it once a signal is heard too."""
        await super().startup(sockets)
        self._tell()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as the signal has it
        """Begin to stop; a second Ctrl-C does not wait any more."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop once everything in flight was answered, or the time for that is over."""
        self._stopping.set()
        await asyncio.sleep(0)
        await super().shutdown(sockets)


def _cross_origin(options: HttpOptions) -> list[Middleware]:
    """What browsers ask before a page of another origin may call (CORS)."""
    if not options.origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=options.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["mcp-session-id", "retry-after", "www-authenticate"],
        )
    ]


async def _health(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


def _ready(server: OmsServer, stopping: Event) -> Callable[[Request], object]:
    """Can orders be served now? The database can be read, and the server does not stop.

    Nobody needs a token to ask, so the database is read once in a while, however often that is asked.
    """
    reading = Lock()
    known = ""
    until = 0.0

    async def ready(_: Request) -> Response:
        nonlocal known, until
        async with reading:
            if monotonic() >= until:
                known = await _unready(server)
                until = monotonic() + _READY_SECONDS
        lack = "stopping" if stopping.is_set() else known
        return JSONResponse({"status": lack or "ready"}, 503 if lack else 200)

    return ready


async def _unready(server: OmsServer) -> str:
    """Why the database cannot be read; empty where it can."""
    try:
        await run_sync(lambda: server.backend.engine.events(limit=1))
    except StoreError:
        logger.exception("the store cannot be read")
        return "the store cannot be read"
    return ""
