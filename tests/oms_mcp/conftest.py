from collections.abc import Iterator

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import ServerOptions, build_server
from tests.oms_mcp.agent import ERAS, Agent, Era


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
