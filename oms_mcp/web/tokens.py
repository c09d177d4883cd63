"""Which bearer tokens does a file know, and what may the holder of each do?

The file is JSON and holds no token, only the SHA-256 of each, so that reading it lets nobody in. It is read again when
it changes, so a token that is revoked is refused from the next request on.
"""

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mcp.server.auth.provider import AccessToken
from pydantic import Field, ValidationError

from oms_engine.errors import shown
from oms_engine.record import Instant, Record
from oms_mcp.inputs import Misuse
from oms_mcp.scopes import Scope

PREFIX = "oms_"
"""How every token begins, so that one that was leaked can be found."""

_RANDOM_BYTES = 32
_LONGEST_NAME = 64
_LARGEST_FILE = 1_000_000
_SHORT = 8
_LIFETIME = re.compile(r"([1-9]\d{0,3})([hd])")
_OWNER_ONLY = 0o600


class Token(Record):
    """One token, as the file has it.

    Attributes:
        sha256: Hash of the token, in lower-case hexadecimal digits.
        subject: Who holds it; stands in the metadata of each event that comes of it.
        client: The program that the holder uses; the subject when empty.
        scopes: What it allows.
        expires: When it ends, in UTC; never when absent.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    subject: str = Field(min_length=1, max_length=_LONGEST_NAME)
    client: str = Field(default="", max_length=_LONGEST_NAME)
    scopes: tuple[Scope, ...] = Field(min_length=1)
    expires: Instant | None = None

    @property
    def name(self) -> str:
        """The first digits of the hash: enough to name a token, and nothing that lets anybody in."""
        return self.sha256[:_SHORT]

    def access(self, token: str) -> AccessToken:
        """What the SDK knows of the holder of a token."""
        return AccessToken(
            token=token,
            client_id=self.client or self.subject,
            subject=self.subject,
            scopes=[*self.scopes],
            expires_at=int(self.expires.timestamp()) if self.expires else None,
        )


class _File(Record):
    tokens: tuple[Token, ...] = ()


class NotAccepted(Exception):
    """A token is not accepted; the message says why, and may be told to who sent it."""


class TokenFile:
    """The tokens of a file, as they are when one is verified."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._by_hash: dict[str, Token] = {}
        self._refresh()

    async def verify(self, token: str) -> AccessToken:
        """Who sends a token.

        Raises:
            NotAccepted: The token is unknown, or its time is over.
            Misuse: The file cannot be used as it is now, so nobody is let in.
        """
        self._refresh()
        known = self._by_hash.get(sha256(token))
        if known is None:
            raise NotAccepted("the token is unknown; it may have been revoked")
        if known.expires and known.expires <= datetime.now(UTC):
            raise NotAccepted(f"the token expired at {known.expires:%Y-%m-%dT%H:%M:%SZ}; ask for a new one")
        return known.access(token)

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except OSError as error:
            raise _unreadable(self._path, error) from None
        now = (status.st_mtime_ns, status.st_size, status.st_ino)
        if now != self._seen:
            self._by_hash = {token.sha256: token for token in read_tokens(self._path)}
            self._seen = now


def sha256(token: str) -> str:
    """How a token stands in the file. It is long and random, so a fast hash is as good as a slow one."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens of a file; raises Misuse when it cannot be read, or when others than its owner may write to it."""
    try:
        with path.open("rb") as file:
            _require_ours(path, file.fileno())
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > _LARGEST_FILE:
        raise Misuse(f"the token file {shown(str(path))} has more than {_LARGEST_FILE:,} bytes; remove old tokens")
    try:
        return _File.model_validate_json(data).tokens
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in found["loc"]) or "the file"
        raise Misuse(f"the token file {shown(str(path))}: {place}: {found['msg']}") from None


def _require_ours(path: Path, descriptor: int) -> None:
    mode = os.fstat(descriptor).st_mode
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = f"the token file {shown(str(path))} can be changed by others (mode {stat.S_IMODE(mode):o})"
        raise Misuse(f"{message}; chmod 600 it", "chmod 600 the token file")


def is_readable_by_others(path: Path) -> bool:
    """May others than the owner read the hashes, names and scopes in a file?"""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _unreadable(path: Path, error: OSError) -> Misuse:
    way_out = "make one with: oms token new SUBJECT --scopes orders:read --tokens FILE"
    return Misuse(f"the token file {shown(str(path))} cannot be read: {error.strerror}; {way_out}", way_out)


def new_token(
    path: Path, subject: str, scopes: Iterable[str], *, client: str = "", lifetime: timedelta | None = None
) -> tuple[str, Token]:
    """A new token, and what the file keeps of it; the file is created when there is none.

    Raises:
        Misuse: A scope is unknown, a name is too long, or the file cannot be used.
    """
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    expires = datetime.now(UTC).replace(microsecond=0) + lifetime if lifetime else None
    kept = Token(
        sha256=sha256(token),
        subject=_name("SUBJECT", subject),
        client=_name("--client", client) if client else "",
        scopes=read_scopes(scopes),
        expires=expires,
    )
    _write(path, [*(read_tokens(path) if path.exists() else ()), kept])
    return token, kept


def revoke(path: Path, name: str) -> list[Token]:
    """Take tokens out of a file: the one with this hash, or those of this subject; raises Misuse when there is none."""
    tokens = read_tokens(path)
    gone = [token for token in tokens if name in {token.subject, token.name, token.sha256}]
    if not gone:
        raise Misuse(f"{shown(name)} is neither a subject nor the name of a token; oms token list tells both")
    _write(path, [token for token in tokens if token not in gone])
    return gone


def _write(path: Path, tokens: Iterable[Token]) -> None:
    """Put a file in its place in one moment, readable by its owner alone."""
    text = json.dumps({"tokens": [_wire(token) for token in tokens]}, indent=2) + "\n"
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise Misuse(f"the token file {shown(str(path))} cannot be written: {error.strerror}") from None


def _wire(token: Token) -> dict[str, Any]:
    return {name: value for name, value in token.to_wire().items() if value}


def read_scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes that names mean, each once and in the order of the table; raises Misuse listing the valid ones."""
    wanted = {name.strip() for name in names if name.strip()}
    valid = ", ".join(Scope)
    for name in sorted(wanted - {*Scope}):
        raise Misuse(f"scope {shown(name)} is unknown; use {valid}")
    if not wanted:
        raise Misuse(f"no scope is named; use {valid}")
    return tuple(scope for scope in Scope if scope in wanted)


def read_lifetime(text: str) -> timedelta:
    """How long a token lasts: hours or days, such as 12h or 90d; raises Misuse otherwise."""
    found = _LIFETIME.fullmatch(text.strip())
    if not found:
        raise Misuse(f"--expires-in {shown(text)} is no number of hours or days, such as 12h or 90d")
    number = int(found[1])
    return timedelta(hours=number) if found[2] == "h" else timedelta(days=number)


def _name(what: str, text: str) -> str:
    name = text.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Misuse(f"{what} {shown(text)} must have 1 to {_LONGEST_NAME} printable characters")
    return name
