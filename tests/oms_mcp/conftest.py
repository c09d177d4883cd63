import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.cli import app
from oms_mcp.server import ServerOptions, build_server
from tests.oms_mcp.agent import ERAS, Agent, Era

OFFERED = ("OMS_TOOLS", "OMS_EXCLUDE_TOOLS", "OMS_READ_ONLY", "OMS_MAX_RESULT_TOKENS")

Row = dict[str, Any]
Oms = Callable[..., Result]
Ask = Callable[..., Row]


@pytest.fixture(scope="session")
def library() -> Iterator[Library]:
    with Library.open(semantic=False) as library:
        yield library


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.open() as engine:
        yield engine


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    """Both protocols are always on: the handshake of old clients, and the stateless one of new ones."""
    return request.param  # type: ignore[no-any-return] # one of ERAS


@pytest.fixture
def agent(engine: Engine, library: Library, era: Era) -> Iterator[Agent]:
    """An agent with every tool, in both eras."""
    with Agent(build_server(engine, library, ServerOptions(toolsets=("all",))), era) as agent:
        yield agent


@pytest.fixture
def modern(engine: Engine, library: Library) -> Iterator[Agent]:
    """An agent with every tool, in the new era alone: for tables of many cases."""
    with Agent(build_server(engine, library, ServerOptions(toolsets=("all",)))) as agent:
        yield agent


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the person who runs the tests, and a folder of one's own."""
    for name in ("OMS_DB", "OMS_SETTINGS", "OMS_TOOLSETS", *OFFERED, "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def oms() -> Oms:
    def run(*words: object, stdin: str | bytes = "") -> Result:
        texts = [json.dumps(word) if isinstance(word, dict | list) else str(word) for word in words]
        return CliRunner().invoke(app, texts, input=stdin)

    return run


@pytest.fixture
def ask(oms: Oms) -> Ask:
    """One command with --json, and what it answered."""

    def run(*words: object, code: int = 0) -> Row:
        result = oms(*words, "--json")
        assert result.exit_code == code, result.output
        wire: Row = json.loads(result.stdout)
        return wire

    return run
