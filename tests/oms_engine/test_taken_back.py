"""Does an engine believe only what is stored, where SQLite has taken a whole transaction back by itself?"""

from pathlib import Path

import pytest

from oms_engine import Engine, StoreError
from tests.oms_engine.desk import Desk


def _full(engine: Engine, pages: int) -> None:
    """Leave the file room for so many more pages."""
    connection = engine._store.connection
    (count,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {count + pages}")


def _room(engine: Engine) -> None:
    engine._store.connection.execute("PRAGMA max_page_count = 1000000")


def _create(name: str, **more: object) -> dict[str, object]:
    return {"type": "OrderCreateCmd", "order": Desk().asked(orderId=name, clOrdId=name, **more)}


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "oms.db")


def test_a_batch_that_did_not_fit_leaves_nothing_that_is_believed(file: str) -> None:
    with Engine.open(file) as ours, Engine.open(file) as theirs:
        assert all(ours.execute(_create(name)).ok for name in ("o1", "o2"))
        _full(ours, 6)
        with pytest.raises(StoreError, match="nothing of it is stored"):
            ours.execute_many([_create(f"big{number}", text="y" * 1_900) for number in range(30)])
        _room(ours)
        believed = ours._store._head.position
        assert believed == 4
        assert theirs.execute({"type": "SettingsChangeCmd", "changes": {"risk.killSwitch": True}}).ok
        while theirs._store._head.position < 70:
            assert theirs.execute({"type": "ReferencePriceCmd", "symbol": "IBM", "price": "5"}).ok
            refused = ours.execute(_create(f"o{theirs._store._head.position}"))
            assert refused.error is not None
            assert refused.error.error_code == "OMS-RISK-007"


def test_a_command_that_did_not_fit_leaves_nothing_that_is_believed(file: str) -> None:
    with Engine.open(file) as ours, Engine.open(file) as theirs:
        assert ours.execute(_create("o1")).ok
        _full(ours, 0)
        stored = 1
        while ours.execute(_create(f"x{stored}", text="y" * 1_900)).ok:
            stored += 1
        _room(ours)
        assert ours._store._head.position == ours.counts()["events"] == 2 * stored
        assert theirs.execute({"type": "OrderAcceptCmd", "orderId": "o1"}).ok
        fill = {"orderId": "o1", "execId": "e1", "lastQty": "1", "lastPx": "5"}
        assert ours.execute({"type": "ExecutionCreateCmd", "execution": fill}).version == 4
