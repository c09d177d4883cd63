"""Does the blotter hold the orders that the store would give it, in the same order, and never too many?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import Engine, Order
from oms_engine.domain.vocabulary import State
from oms_mcp.blotter.columns import COLUMNS, PADDING, cells_of, fitting
from oms_mcp.blotter.rows import FIELDS, Rows, Sort
from oms_mcp.blotter.status import Condition, Status, lines


def orders_of(engine: Engine, sort: str = "") -> list[Order]:
    return [order for order in engine.query(sort=sort, size=500).content if isinstance(order, Order)]


@pytest.mark.parametrize("field", ["id", *(column.field for column in COLUMNS), "parentOrderId"])
@pytest.mark.parametrize("descending", [True, False])
def test_rows_stand_as_the_store_sorts_them(engine: Engine, field: str, descending: bool) -> None:
    sort = Sort(field, descending)
    rows = Rows(500, sort)
    rows.fill(reversed(orders_of(engine)))
    assert rows.ordered() == orders_of(engine, sort.to_query())


def test_only_the_first_rows_are_held(engine: Engine) -> None:
    sort = Sort("orderQty", descending=True)
    rows = Rows(3, sort)
    for order in orders_of(engine):
        rows.put(order)
        assert len(rows) <= 3
        assert len(rows.ordered()) == len(rows._orders)
    assert rows.ordered() == orders_of(engine, sort.to_query())[:3]


def test_what_is_known_already_is_never_older_afterwards(engine: Engine) -> None:
    rows = Rows(10, Sort())
    now, then = engine.find("O1"), engine.replay("O1", 3).order
    rows.put(now)
    rows.put(then)
    rows.drop("O1", then.version)
    assert rows.ordered() == [now]
    rows.drop("O1", now.version)
    assert len(rows) == 0


def test_every_column_can_be_sorted_by() -> None:
    assert {column.field for column in COLUMNS} <= {*FIELDS}


@given(room=st.integers(20, 300), first=st.integers(1, len(COLUMNS) - 1))
def test_columns_fit_into_their_room(room: int, first: int) -> None:
    shown = fitting(room, first)
    assert shown[0].field == "orderId"
    if len(shown) > 1:
        assert sum(column.width + PADDING for column in shown) <= room + PADDING


def test_no_cell_is_wider_than_its_column(engine: Engine) -> None:
    order = engine.find("O1").but(order_id="ORD-" + "f" * 32, symbol="A" * 40, account="Ä" * 40)
    for room in (78, 198):
        columns = fitting(room, 1)
        for column, cell in zip(columns, cells_of(order, columns), strict=True):
            assert cell.cell_len <= column.width
    assert cells_of(order, fitting(78, 1))[0].plain.endswith("…")


def test_every_column_can_be_reached_on_a_narrow_screen() -> None:
    reached = {column.field for first in range(1, len(COLUMNS)) for column in fitting(76, first)}
    assert reached == {column.field for column in COLUMNS}


def test_the_status_says_everything_in_three_lines() -> None:
    many = dict.fromkeys(State, 1_234_567)
    status = Status("orders.db", Condition.LIVE, position=99, shown=500, standing=many, where=("symbol=ACME",))
    for room in (80, 200):
        told = lines(status, room).plain.split("\n")
        assert len(told) == 3
        assert all(len(line) <= room for line in told)
        assert told[0].startswith("● live  position 99  500 of 9,876,536 orders")
        assert "1,234,567" in told[1]
        assert told[2] == "symbol=ACME, newest first"
    assert "LIVE" in lines(status, 200).plain
    lost = lines(status._replace(condition=Condition.LOST, why="no\x1b disk"), 80).plain
    assert lost.startswith("! lost  no\\x1b disk")
