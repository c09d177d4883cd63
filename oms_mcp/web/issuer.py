"""Was a token issued by the OAuth server that we trust, for this server, and is it still good?

Access tokens are JWTs as RFC 9068 has them. The issuer names its keys in its metadata (RFC 8414, or OpenID Connect
Discovery); `aud` must be the address of this server (RFC 8707).
"""

import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import jwt
from anyio import CapacityLimiter, to_thread
from mcp.server.auth.provider import AccessToken
from pydantic import TypeAdapter, ValidationError

from oms_engine.errors import shown
from oms_mcp.inputs import Misuse
from oms_mcp.scopes import Scope
from oms_mcp.web.addresses import is_loopback
from oms_mcp.web.tokens import NotAccepted

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that the issuer alone can make: no shared secret, and never `none` (RFC 9068 section 4)."""

_TYPES = {"at+jwt", "application/at+jwt"}
_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "client_id")
"""What an access token must claim (RFC 9068 section 2.2)."""

_LEEWAY = 30
"""Seconds that the clocks of issuer and server may differ."""

_TIMEOUT = 10.0
_THREADS = 4
"""Tokens that are read at once: an issuer that does not answer must not take the threads of the tools."""

_PAUSE = 1.0
"""Seconds in which keys that could not be fetched are not fetched again."""

_LARGEST_METADATA = 1_000_000
_METADATA = TypeAdapter(dict[str, Any])


class Issuer:
    """The OAuth server whose access tokens are accepted; its keys are fetched when they are needed, and kept."""

    def __init__(self, url: str, audience: str) -> None:
        self.url = _trusted("--oauth-issuer", url)
        self.audience = _trusted("--oauth-audience", audience)
        self._keys = _Keys(url)
        self._threads = CapacityLimiter(_THREADS)

    async def verify(self, token: str) -> AccessToken:
        """Who sends a token.

        Raises:
            NotAccepted: The token is not one of the issuer's, is meant for another server, or its time is over.
            Misuse: The keys of the issuer cannot be fetched.
        """
        try:
            return await to_thread.run_sync(self._read, token, limiter=self._threads)
        except jwt.PyJWKClientConnectionError as error:
            raise Misuse(f"the keys of the issuer {shown(self.url)} cannot be fetched: {error}") from None
        except jwt.ExpiredSignatureError:
            raise NotAccepted("the token has expired; ask the issuer for a new one") from None
        except jwt.InvalidAudienceError:
            raise NotAccepted(f"the token is not meant for {self.audience}; ask for one with this resource") from None
        except (jwt.PyJWTError, ValueError) as error:
            raise NotAccepted(f"the token is not accepted: {error}") from None

    def _read(self, token: str) -> AccessToken:
        header = jwt.get_unverified_header(token)
        if str(header.get("typ", "")).lower() not in _TYPES:
            raise NotAccepted(f"the token is no access token: its typ is {shown(str(header.get('typ')))}, not at+jwt")
        key = self._keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=[*_ALGORITHMS],
            audience=self.audience,
            issuer=self.url,
            leeway=_LEEWAY,
            options={"require": [*_CLAIMS], "verify_sub": True},
        )
        return _access(token, claims, self.audience)


class _Keys(jwt.PyJWKClient):
    """The keys of an issuer: one at a time fetches them, redirects are refused, and a failure is kept for a moment."""

    def __init__(self, issuer: str) -> None:
        super().__init__(issuer, timeout=_TIMEOUT)
        self._issuer = issuer
        self._is_found = False
        self._failure = ""
        self._again = 0.0

    def fetch_data(self) -> Any:  # noqa: ANN401 - as the library has it
        """The keys as the issuer publishes them; raises PyJWKClientConnectionError when they cannot be fetched."""
        if monotonic() >= self._again:
            try:
                return self._fetched()
            except (Misuse, jwt.PyJWTError, OSError, ValueError) as error:
                self._failure = str(error)
                self._again = monotonic() + _PAUSE
        raise jwt.PyJWKClientConnectionError(self._failure)

    def _fetched(self) -> Any:  # noqa: ANN401 - as above
        if not self._is_found:
            self.uri = _trusted("jwks_uri of the issuer", str(_metadata(self._issuer).get("jwks_uri", "")))
            self._is_found = True
        return super().fetch_data()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Who was trusted is asked, and nobody else."""

    def redirect_request(self, *_: object) -> None:
        """Leave a redirect as the error that it is then."""


def _access(token: str, claims: Mapping[str, Any], audience: str) -> AccessToken:
    return AccessToken(
        token=token,
        client_id=str(claims["client_id"]),
        subject=str(claims["sub"]),
        scopes=[scope for scope in str(claims.get("scope", "")).split() if scope in {*Scope}],
        expires_at=int(claims["exp"]),
        resource=audience,
        claims={"iss": claims["iss"]},
    )


def _metadata(issuer: str) -> dict[str, Any]:
    """What an issuer says of itself; the first of its two documents that exists."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    root = f"{parts.scheme}://{parts.netloc}"
    failures = []
    for address in (
        f"{root}/.well-known/oauth-authorization-server{path}",
        f"{root}{path}/.well-known/openid-configuration",
    ):
        try:
            metadata = _METADATA.validate_json(_fetched(address))
        except (OSError, HTTPException, ValidationError) as error:
            failures.append(f"{address}: {type(error).__name__}")
            continue
        if metadata.get("issuer") != issuer:  # RFC 8414 section 3.3
            raise Misuse(f"{address} speaks for the issuer {shown(str(metadata.get('issuer')))}, not {shown(issuer)}")
        return metadata
    raise Misuse(f"the issuer {shown(issuer)} says nothing of itself ({'; '.join(failures)})")


def _fetched(address: str) -> bytes:
    with urllib.request.build_opener(_NoRedirect).open(address, timeout=_TIMEOUT) as answer:
        read: bytes = answer.read(_LARGEST_METADATA)
    return read


def _trusted(what: str, url: str) -> str:
    """An address that nobody on the way can change; raises Misuse for any other."""
    parts = urlsplit(url)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))):
        return url
    raise Misuse(f"{what} {shown(url)} must be an https address; http is for this machine alone")
