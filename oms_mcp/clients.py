"""What does a client want to be told before it starts this server? Entries to paste, and links to click."""

import base64
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

SERVER = "oms"
"""The name under which clients list this server."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How the server is started: a program and its arguments."""

    command: str
    args: tuple[str, ...]


PUBLISHED = Launch("uvx", ("oms-mcp", "serve"))
"""The package as an index has it, in a sandbox: what links start, since they know no path of anybody's machine."""


class Client(NamedTuple):
    """A program that starts servers.

    Attributes:
        title: What it is called.
        place: Where its entry belongs.
        language: Of the entry: json, toml or sh.
        entry: Writes the entry.
    """

    title: str
    place: str
    language: str
    entry: Callable[[Launch], str]


def _stdio(launch: Launch) -> dict[str, Any]:
    return {"command": launch.command, "args": [*launch.args]}


def _json(wire: object) -> str:
    return json.dumps(wire, indent=2, ensure_ascii=False)


def _mcp_servers(launch: Launch) -> str:
    return _json({"mcpServers": {SERVER: _stdio(launch)}})


def _vs_code(launch: Launch) -> str:
    return _json({"servers": {SERVER: {"type": "stdio", **_stdio(launch)}}})


def _zed(launch: Launch) -> str:
    return _json({"context_servers": {SERVER: {**_stdio(launch), "env": {}}}})


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _codex(launch: Launch) -> str:
    """TOML, whose basic strings are written as those of JSON."""
    lines = [f"command = {_quoted(launch.command)}", f"args = {_quoted([*launch.args])}"]
    return "\n".join([f"[mcp_servers.{SERVER}]", *lines])


def _claude_code(launch: Launch) -> str:
    return f"claude mcp add {SERVER} -- {shlex.join([launch.command, *launch.args])}"


CLIENTS: Mapping[str, Client] = {
    "claude-desktop": Client(
        "Claude Desktop", "claude_desktop_config.json (Settings, Developer, Edit Config)", "json", _mcp_servers
    ),
    "claude-code": Client("Claude Code", "a terminal, once", "sh", _claude_code),
    "vscode": Client("VS Code with Copilot", ".vscode/mcp.json", "json", _vs_code),
    "cursor": Client("Cursor", "~/.cursor/mcp.json, or .cursor/mcp.json in a project", "json", _mcp_servers),
    "windsurf": Client("Windsurf", "~/.codeium/windsurf/mcp_config.json", "json", _mcp_servers),
    "zed": Client("Zed", "settings.json (zed: open settings)", "json", _zed),
    "codex": Client("Codex CLI", "~/.codex/config.toml", "toml", _codex),
}


def install_links(launch: Launch = PUBLISHED) -> dict[str, str]:
    """Client -> a link that asks its user to install the server.

    VS Code takes the entry with its name as JSON in its own scheme, which pages reach by a redirect; Cursor takes the
    name, and the entry as JSON in Base64.
    """
    named = json.dumps({"name": SERVER, **_stdio(launch)}, separators=(",", ":"))
    bare = json.dumps(_stdio(launch), separators=(",", ":"))
    return {
        "vscode": _redirected(f"vscode:mcp/install?{quote(named, safe='')}"),
        "vscode-insiders": _redirected(f"vscode-insiders:mcp/install?{quote(named, safe='')}"),
        "cursor": "https://cursor.com/en/install-mcp?"
        + urlencode({"name": SERVER, "config": base64.b64encode(bare.encode()).decode()}),
    }


def _redirected(link: str) -> str:
    return f"https://insiders.vscode.dev/redirect?url={quote(link, safe='')}"
