"""Orders to draw: one with a whole life, a tree, a group, and one of each end."""

from collections.abc import Iterator

import pytest

from oms_engine import Engine
from tests.oms_engine.desk import Desk
from tests.oms_mcp.drawable import drawable, drawable_coins


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with drawable() as engine:
        yield engine


@pytest.fixture(scope="module")
def coins() -> Iterator[Engine]:
    with drawable_coins() as engine:
        yield engine


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.engine.close()
