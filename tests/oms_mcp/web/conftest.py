from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, Protocol

import pytest

from knowledge_base import Library
from oms_mcp.scopes import Scope
from oms_mcp.server import OmsServer, serve
from oms_mcp.web.addresses import Place
from oms_mcp.web.serving import Front, HttpOptions
from oms_mcp.web.tokens import new_token

HERE = Place("127.0.0.1", 0)
EVERYTHING = [*Scope]


def eventually(is_so: Callable[[], bool]) -> None:
    """Ask until it is so; fails when it takes too long."""
    end = monotonic() + 20
    while not is_so():
        assert monotonic() < end


class Served(Protocol):
    """Serves over HTTP with some options, until the test is over; `prepare` is given the server before."""

    def __call__(self, **options: Any) -> Front: ...  # noqa: ANN401 - fields of HttpOptions


@pytest.fixture
def served(tmp_path: Path, library: Library) -> Iterator[Served]:
    """A server on a free port, in a thread of its own, with a file that tests can look into."""
    with ExitStack() as running:

        def start(**options: Any) -> Front:  # noqa: ANN401 - as above
            prepare: Callable[[OmsServer], None] = options.pop("prepare", lambda _: None)
            front = Front(HttpOptions(**{"place": HERE, **options}))

            def run(server: OmsServer) -> None:
                prepare(server)
                front.run(server)

            told = {"db": str(tmp_path / "oms.db"), "toolsets": "all", "library": library, "run": run}
            thread = Thread(target=serve, kwargs=told)
            thread.start()
            running.callback(thread.join, 20)
            running.callback(front.stop)
            return front

        yield start


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


class Grant(Protocol):
    """A token for some scopes; all of them when none is named."""

    def __call__(self, *scopes: str, subject: str = "alice", client: str = "") -> str: ...


@pytest.fixture
def grant(tokens: Path) -> Grant:
    def new(*scopes: str, subject: str = "alice", client: str = "") -> str:
        return new_token(tokens, subject, scopes or EVERYTHING, client=client)[0]

    return new
