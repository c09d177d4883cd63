"""Does the demo pass, and would it notice if it should not?"""

import importlib.util
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from oms_engine import Engine
from oms_mcp.shapes import order_wire

SCRIPT = Path(__file__).parents[1] / "scripts" / "demo.py"


@pytest.fixture
def demo() -> ModuleType:
    found = importlib.util.spec_from_file_location("demo", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


def told_of_a_filled_order(file: Path) -> tuple[str, dict[str, object]]:
    with Engine.open(str(file)) as engine:
        terms = {
            "clOrdId": "D-1",
            "account": "A",
            "symbol": "ACME",
            "side": "BUY",
            "ordType": "MARKET",
            "orderQty": "3",
        }
        order_id = engine.execute({"type": "OrderCreateCmd", "order": terms}).id
        engine.execute({"type": "OrderAcceptCmd", "orderId": order_id})
        fill = {"orderId": order_id, "execId": "E-1", "lastQty": "3", "lastPx": "7"}
        engine.execute({"type": "ExecutionCreateCmd", "execution": fill})
        order = order_wire(engine, engine.get(order_id), ["executions", "events"], "detailed")
    return order_id, {"executions": order.pop("executions"), "events": order.pop("events"), "order": order}


def test_a_file_that_says_what_was_told_has_no_differences(demo: ModuleType, file: Path) -> None:
    order_id, told = told_of_a_filled_order(file)
    read = demo.read_back(file, order_id)
    assert demo.differences(told, read) == []
    assert (len(read["executions"]), len(read["events"])) == (1, 5)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("UPDATE orders SET state = 'LIVE'", "order, state: the server told 'FILLED', the file has 'LIVE'"),
        ("UPDATE orders SET text = 'new'", "order, text: the server told None, the file has 'new'"),
        ("UPDATE executions SET status = 'BUSTED'", "executions 1, status: the server told 'ACTIVE'"),
        ("DELETE FROM executions", "executions: the server told 1, the file has 0"),
        ("DROP TRIGGER events_are_not_deleted; DELETE FROM events WHERE version = 5", "events: the server told 5"),
    ],
)
def test_a_changed_file_is_noticed(demo: ModuleType, file: Path, change: str, difference: str) -> None:
    order_id, told = told_of_a_filled_order(file)
    with closing(sqlite3.connect(file)) as database:
        database.executescript(change)
    assert any(found.startswith(difference) for found in demo.differences(told, demo.read_back(file, order_id)))


@pytest.mark.slow
def test_the_demo_passes() -> None:
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1].startswith("demo passed: order ORD-")
