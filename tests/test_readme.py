"""Is what the README shows true? Its conversation is held, its commands are run, its configurations are started."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from typer.testing import CliRunner

from oms_engine import Engine
from oms_mcp.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OMS = Path(sys.executable).with_name("oms")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_every_link_leads_to_a_file() -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_script_that_is_named_is_there() -> None:
    named = {name for block in blocks("sh") for name in re.findall(r"^(scripts/\w+)", block, re.MULTILINE)}
    assert {"scripts/demo", "scripts/test", "scripts/check", "scripts/bench", "scripts/bundle"} == named
    assert all(os.access(ROOT / name, os.X_OK) for name in named)


@pytest.mark.parametrize("name", ["scripts/demo", "scripts/test", "scripts/bundle"])
def test_a_script_tells_what_it_does_when_asked(name: str) -> None:
    done = subprocess.run([ROOT / name, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"usage: {name}")


def test_a_python_that_does_not_exist_is_named() -> None:
    environment = {**os.environ, "PYTHON": "python9"}
    done = subprocess.run(
        [ROOT / "scripts/demo"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "PYTHON=python9 does not exist" in done.stderr


def within(part: object, whole: object) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and within(value, whole[name]) for name, value in part.items())
    return part == whole


async def held(conversation: list[str]) -> list[tuple[str, Any]]:
    """Each answer that is shown, with the one that came."""
    answers: list[tuple[str, Any]] = []
    answer: Any = None
    async with Client(StdioServerParameters(command=str(OMS), args=["serve"])) as client:
        for line in conversation:
            if line.startswith("> "):
                tool, _, arguments = line[2:].partition(" ")
                answer = (await client.call_tool(tool, json.loads(arguments))).structured_content
            else:
                answers.append((line.removeprefix("< "), answer))
    return answers


CONVERSATIONS = [block.splitlines() for block in blocks("text") if block.startswith(">")]


@pytest.mark.slow
@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=["one order", "a tree"])
def test_the_conversation_is_held_as_shown(conversation: list[str]) -> None:
    answers = asyncio.run(held(conversation))
    assert len(answers) > 5
    assert [(shown, came) for shown, came in answers if not within(json.loads(shown), came)] == []


def steps(session: str) -> list[tuple[str, list[str]]]:
    """Each command with the lines shown below it; `...` stands for lines left out."""
    commands = [part.splitlines() for part in re.split(r"^\$ ", session, flags=re.MULTILINE) if part]
    return [(lines[0], [line for line in lines[1:] if line.strip() != "..."]) for lines in commands]


@pytest.mark.slow
@pytest.mark.usefixtures("by_meaning")
def test_the_command_line_answers_as_shown(tmp_path: Path) -> None:
    (session,) = blocks("console")
    environment = {**os.environ, "PATH": f"{OMS.parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    script = "\n".join(f"{command}\necho '--next--'" for command, _ in steps(session))
    subprocess.run([OMS, "kb", "index"], capture_output=True, timeout=300, check=True)  # else a search would tell of it
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    outputs = [output.splitlines() for output in done.stdout.split("--next--\n")]
    notes = [line for _, shown in steps(session) for line in shown if line.startswith("note: ")]
    assert done.stderr.splitlines() == notes
    for (command, shown), came in zip(steps(session), outputs, strict=False):
        assert [line for line in shown if line not in (*came, *notes)] == [], command


def test_the_commands_of_the_store_can_be_typed_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMS_DB", "orders.db")
    order = {"orderId": "O1", "account": "ACC", "symbol": "ACME", "side": "BUY", "ordType": "MARKET", "orderQty": "100"}
    created = {"type": "OrderCreateCmd", "order": {"clOrdId": "C1", **order}}
    accepted = {"type": "OrderAcceptCmd", "orderId": "O1"}
    for envelope in (created, accepted):
        assert CliRunner().invoke(app, ["exec", json.dumps(envelope)]).exit_code == 0
    (block,) = (block for block in blocks("sh") if "oms backup" in block)
    lines = [line.partition("#")[0].strip() for line in block.splitlines()]
    typed = [command for line in lines for command in line.split(" && ")]
    endless = [command for command in typed if "subscribe" in command or "--follow" in command]
    assert len(endless) == 2
    for command in typed:
        if command not in endless:
            done = CliRunner().invoke(app, shlex.split(command)[1:])
            assert done.exit_code == 0, f"{command}: {done.output}"
    with Engine.open("again.db") as again, Engine.open("copy.db") as copy:
        assert again.find("O1") == copy.find("O1")
    assert len(Path("audit.jsonl").read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("json"))
def test_a_configuration_starts_the_server(block: str, tmp_path: Path) -> None:
    (servers,) = json.loads(block).values()
    server = servers["oms"]
    assert server["command"].endswith("/.venv/bin/oms")
    arguments = [argument.replace("/path/to", str(tmp_path)) for argument in server["args"]]

    async def tools() -> int:
        async with Client(StdioServerParameters(command=str(OMS), args=arguments)) as client:
            return len((await client.list_tools()).tools)

    assert asyncio.run(tools()) == 15
    assert (tmp_path / "orders.db").exists()
