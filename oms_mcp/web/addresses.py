"""On which address is listened, and under which names may it be called?"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from oms_engine.errors import shown
from oms_mcp.inputs import Misuse

_LISTEN = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]\s]+)):(?P<port>\d{1,5})")
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?P<port>:(?:\d{1,5}|\*))?")
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_BACKLOG = 2_048
_LAST_PORT = 65_535


class Place(NamedTuple):
    """A host and a port to listen on; port 0 means any that is free."""

    host: str
    port: int

    @property
    def written(self) -> str:
        """The host as it stands in an address."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.written}:{self.port}"


def read_place(text: str) -> Place:
    """HOST:PORT as it was typed, `[::1]:8000` for IPv6; raises Misuse for anything else."""
    found = _LISTEN.fullmatch(text.strip())
    if found is None or int(found["port"]) > _LAST_PORT:
        raise Misuse(f"--http {shown(text)} is no HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000")
    return Place(found["six"] or found["name"], int(found["port"]))


def is_loopback(host: str) -> bool:
    """Does a host name this machine, so that nobody else can reach it?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def listening(place: Place) -> socket.socket:
    """A socket on which clients can connect; raises Misuse when the address cannot be used."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(place, error) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise _unusable(place, error) from None
    return bound


def _unusable(place: Place, error: OSError) -> Misuse:
    return Misuse(f"--http {place} cannot be used: {error.strerror}; choose another address")


def allowed_hosts(place: Place, named: Sequence[str], audience: str) -> list[str]:
    """The values that the header Host may have; a host without a port is allowed with each.

    Raises:
        Misuse: A name is none, or the server listens everywhere and nobody said under which name.
    """
    names = [*named, *([urlsplit(audience).netloc] if audience else ())]
    if is_loopback(place.host):
        names += _LOOPBACK_NAMES
    elif place.host not in {"0.0.0.0", "::"}:  # noqa: S104 - a comparison
        names.append(place.written)
    if not names:
        message = f"--http {place} listens everywhere; name the host that clients call"
        raise Misuse(f"{message}, such as --allow-host oms.example.com", "add --allow-host NAME")
    return [*dict.fromkeys(value for name in names for value in _with_ports(name))]


def _with_ports(name: str) -> Iterable[str]:
    found = _HOST.fullmatch(name.strip())
    if found is None:
        raise Misuse(f"--allow-host {shown(name)} is no host, such as oms.example.com or oms.example.com:8443")
    return (found[0],) if found["port"] else (found[0], f"{found[0]}:*")


def allowed_origins(place: Place, named: Sequence[str]) -> list[str]:
    """The values that the header Origin may have: those that were named, and on this machine the server itself.

    Raises:
        Misuse: What was named is no origin (RFC 6454).
    """
    for origin in named:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.hostname or f"{parts.scheme}://{parts.netloc}" != origin:
            raise Misuse(f"--allow-origin {shown(origin)} is no origin, such as https://desk.example.com")
    own = [f"http://{name}:{place.port}" for name in _LOOPBACK_NAMES] if is_loopback(place.host) else []
    return [*named, *own]
