"""How is an entry for a client read again, as the client reads it? Used wherever entries are shown."""

import base64
import json
import shlex
import tomllib
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import typer
from typer.core import TyperGroup

from oms_mcp.cli import app
from oms_mcp.clients import SERVER, Launch

KEYS = ("mcpServers", "servers", "context_servers")
SCHEMES = {"vscode:mcp/install": "vscode", "vscode-insiders:mcp/install": "vscode-insiders"}


def launch_of(text: str, language: str) -> Launch:
    """What an entry starts."""
    if language == "sh":
        words = shlex.split(text)
        assert words[:5] == ["claude", "mcp", "add", SERVER, "--"]
        return Launch(words[5], tuple(words[6:]))
    table = tomllib.loads(text)["mcp_servers"] if language == "toml" else _servers(json.loads(text))
    assert set(table) == {SERVER}
    return _started(table[SERVER])


def _servers(document: dict[str, Any]) -> dict[str, Any]:
    (key,) = document
    assert key in KEYS
    servers: dict[str, Any] = document[key]
    assert all(server.get("type", "stdio") == "stdio" for server in servers.values())
    assert key != "servers" or all("type" in server for server in servers.values())
    return servers


def _started(entry: dict[str, Any]) -> Launch:
    assert set(entry) <= {"type", "command", "args", "env"}
    assert all(isinstance(word, str) for word in entry["args"])
    return Launch(entry["command"], tuple(entry["args"]))


def linked(link: str) -> tuple[str, Launch]:
    """The client that a link installs into, and what it starts."""
    parts = urlsplit(link)
    query = parse_qs(parts.query, strict_parsing=True)
    assert parts.scheme == "https"
    if parts.netloc == "cursor.com":
        assert (parts.path, query["name"]) == ("/en/install-mcp", [SERVER])
        return "cursor", _started(json.loads(base64.b64decode(query["config"][0], validate=True)))
    assert (parts.netloc, parts.path) == ("insiders.vscode.dev", "/redirect")
    scheme, _, config = query["url"][0].partition("?")
    entry = json.loads(unquote(config))
    assert entry.pop("name") == SERVER
    return SCHEMES[scheme], _started(entry)


def serving(args: tuple[str, ...]) -> dict[str, Any]:
    """What our own command line reads of the arguments of an entry; it must be the command that serves."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    assert args[0] == "serve"
    return group.commands["serve"].make_context("serve", [*args[1:]]).params
