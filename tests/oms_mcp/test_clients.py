"""Do entries and links make a client start this server, and does the doctor print them for this installation?"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import StdioServerParameters

from oms_mcp import doctor
from oms_mcp.clients import CLIENTS, PUBLISHED, Launch, install_links
from tests.entries import launch_of, linked, serving
from tests.oms_mcp.agent import Agent, Era
from tests.oms_mcp.conftest import Ask, Oms
from tests.oms_mcp.test_cli import MISUSED, OK

pytestmark = pytest.mark.usefixtures("plain")

ODD = Launch('/opt/My Apps/"oms" ü\\', ("serve", "--db", "/home/ann/o'rders $HOME `x`.db", "--set", 'a={"b": 1}', ""))
"""Everything that some language reads as its own."""

ROOT = Path(__file__).parents[2]
GUIDE = "knowledge_base/corpus/guides/connect-a-client.md"
OMS = Path(sys.executable).with_name("oms")


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("launch", [PUBLISHED, ODD], ids=["published", "odd"])
def test_an_entry_starts_what_it_was_written_for(name: str, launch: Launch) -> None:
    client = CLIENTS[name]
    assert launch_of(client.entry(launch), client.language) == launch


@pytest.mark.parametrize("launch", [PUBLISHED, ODD], ids=["published", "odd"])
def test_a_link_carries_the_entry(launch: Launch) -> None:
    links = install_links(launch)
    assert set(links) == {"vscode", "vscode-insiders", "cursor"}
    assert {client: linked(link) for client, link in links.items()} == {client: (client, launch) for client in links}
    assert all(link.isascii() and " " not in link for link in links.values())


def test_what_links_start_is_understood_by_our_command_line() -> None:
    assert PUBLISHED.command == "uvx"
    package, *args = PUBLISHED.args
    assert package == "oms-mcp"
    assert serving(tuple(args))["db"] == ""


@pytest.mark.parametrize(("page", "clients"), [("README.md", 3), (GUIDE, 5)], ids=["README", "guide"])
def test_the_entries_that_are_shown_are_those_that_are_printed(page: str, clients: int) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = re.findall(r"^```(json|sh|toml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    entries = [(language, entry) for language, entry in shown if "/path/to/" in entry]
    launch = Launch("/path/to/oms-mcp/.venv/bin/oms", ("serve", "--db", "/path/to/orders.db"))
    assert [launch_of(entry, language) for language, entry in entries] == [launch] * clients
    read = {(language, _read(entry, language)) for language, entry in entries}
    written = {(client.language, _read(client.entry(launch), client.language)) for client in CLIENTS.values()}
    assert read <= written
    assert page != GUIDE or read == written


def _read(entry: str, language: str) -> str:
    """An entry whose layout does not matter."""
    return json.dumps(json.loads(entry)) if language == "json" else entry.strip()


@pytest.mark.parametrize("page", ["README.md", GUIDE], ids=["README", "guide"])
def test_the_links_that_are_shown_start_the_published_package(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\((https://[^)]+)\)", text) if "install" in link and "badge" not in link]
    links = [link for link in links if not link.endswith(".svg")]
    assert dict(map(linked, links)) == dict.fromkeys(install_links(), PUBLISHED)
    assert set(links) == set(install_links().values())


@pytest.mark.parametrize("name", CLIENTS)
def test_the_doctor_prints_the_entry_for_this_installation(oms: Oms, name: str) -> None:
    result = oms("doctor", "--snippet", name, "--db", "orders.db", "--set", "routing=manual")
    assert result.exit_code == OK
    assert f"note: for {CLIENTS[name].title}" in result.stderr
    launch = launch_of(result.stdout, CLIENTS[name].language)
    assert Path(launch.command).is_absolute()
    assert os.access(launch.command, os.X_OK)
    read = serving(launch.args)
    assert (read["db"], read["pairs"]) == (str(Path.cwd() / "orders.db"), ["routing=manual"])
    assert not Path("orders.db").exists()


def test_all_entries_are_told_with_where_they_belong(oms: Oms, ask: Ask) -> None:
    told = oms("doctor", "--snippet", "all").stdout
    assert all(f"{client.title}: {client.place}" in told for client in CLIENTS.values())
    wire = ask("doctor", "--snippet", "all", "--db", "sqlite:///orders.db")["snippets"]
    assert [each["client"] for each in wire] == [*CLIENTS]
    for each in wire:
        launch = launch_of(each["text"], each["language"])
        assert launch == Launch(each["command"], tuple(each["args"]))
        assert each["args"] == ["serve", "--db", str(Path.cwd() / "orders.db")]


def test_the_database_of_the_environment_is_told_too(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_DB", "kept.db")
    (snippet,) = ask("doctor", "--snippet", "cursor")["snippets"]
    assert snippet["args"] == ["serve", "--db", str(Path.cwd() / "kept.db")]


def test_without_a_database_the_entry_starts_a_sandbox(ask: Ask) -> None:
    (snippet,) = ask("doctor", "--snippet", "codex")["snippets"]
    assert snippet["args"] == ["serve"]
    (snippet,) = ask("doctor", "--snippet", "codex", "--db", ":memory:")["snippets"]
    assert snippet["args"] == ["serve"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--snippet", "emacs"), "use claude-desktop, claude-code, vscode, cursor, windsurf, zed, codex or all"),
        (("--snippet", " "), "--snippet"),
        (("--snippet", "zed", "--set", "routing"), "routing"),
        (("--snippet", "zed", "--db", "."), "is a folder"),
    ],
)
def test_what_cannot_be_told_is_refused(oms: Oms, words: tuple[str, ...], told: str) -> None:
    result = oms("doctor", *words)
    assert result.exit_code == MISUSED
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_the_program_that_was_started_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started = tmp_path / "oms-mcp"
    started.touch()
    monkeypatch.setattr(sys, "argv", ["oms-mcp", "doctor"])
    assert doctor.launch().command == str(started)
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert doctor.launch().command == str(OMS)


def test_without_an_installed_program_python_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert doctor.launch() == Launch(str(tmp_path / "python"), ("-c", "from oms_mcp.cli import main; main()", "serve"))


@pytest.mark.slow
def test_a_client_trades_through_the_entry_that_was_printed(tmp_path: Path, era: Era) -> None:
    done = subprocess.run(
        [OMS, "doctor", "--snippet", "claude-desktop", "--db", "orders.db"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    entry = json.loads(done.stdout)["mcpServers"]["oms"]
    with Agent(StdioServerParameters(command=entry["command"], args=entry["args"], cwd="/"), era) as agent:
        agent.create()
    assert (tmp_path / "orders.db").stat().st_size
