from collections.abc import Iterator
from pathlib import Path

import pytest

from oms_engine import Engine
from tests.oms_mcp.drawable import drawable


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A store in memory with orders to look at."""
    with drawable() as engine:
        yield engine


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A file with the same orders."""
    path = tmp_path / "orders.db"
    with drawable(str(path)):
        pass
    return path
