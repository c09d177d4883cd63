"""Does SQLite read what a page shows, and no more? A missing index changes a plan, and a changed plan fails here."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from oms_engine.domain.filters import read_query
from oms_engine.storage.cursors import mark_of, start_of
from oms_engine.storage.paths import route
from oms_engine.storage.queries import (
    due_orders,
    last_price,
    open_orders,
    pending_orders,
    quote_request_of,
    read_tree,
    statement,
)
from tests.oms_engine.desk import START, Desk

OPEN = "state__in=NEW,UNACK,LIVE"
BETWEEN = "price__between=90,110"

NEWEST = ("", "id", "createdAt", "createdAt,DESC")
BOUNDED = [
    *((where, sort, "orders_by_symbol") for where in (["symbol=S1"], ["symbol__in=S1,S2"]) for sort in NEWEST),
    *((["symbol__startswith=S"], sort, "orders_by_symbol") for sort in NEWEST),
    *((["state=LIVE"], sort, "orders_by_state") for sort in NEWEST),
    *(([OPEN], sort, "orders_by_state") for sort in NEWEST),
    *((["account=A1"], sort, "orders_by_account") for sort in NEWEST),
    *((["account=A1", OPEN], sort, "orders_open") for sort in NEWEST),
    *((["symbol=S1", "state=LIVE"], sort, "orders_by_symbol_and_state") for sort in NEWEST),
    *((["symbol=S1", "state=LIVE", BETWEEN], sort, "orders_by_symbol_and_state") for sort in NEWEST),
    *((["symbol=S1", OPEN], sort, "orders_by_symbol_and_state") for sort in NEWEST),
    *(([BETWEEN], sort, "orders_by_price") for sort in ("price", "price,DESC")),
    (["symbol__like=s", BETWEEN], "price", "orders_by_price"),
    (["price=100"], "", "orders_by_price"),
    (["symbol=S1"], "symbol;id,DESC", "orders_by_symbol"),
    (["symbol=S1"], "symbol;createdAt", "orders_by_symbol"),
    ([], "price", "orders_by_price"),
    ([], "price,DESC", "orders_by_price"),
    ([], "createdAt,DESC", "orders_by_creation"),
    ([], "createdAt", "orders_by_creation"),
    (["createdAt__gte=2026-01-02T09:30:00Z"], "", "orders_by_creation"),
    (
        ["createdAt__between=2026-01-02T09:30:00Z,2026-01-03T09:30:00Z", "side=BUY"],
        "createdAt,DESC",
        "orders_by_creation",
    ),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(str(tmp_path_factory.mktemp("plans") / "oms.db"))
    for number in range(60):
        desk.create(symbol=f"S{1 + number % 2}", account="A1")
    for number in range(1, 50):
        desk.accept(f"o{number}")
    desk.given("PART", symbol="S1", account="A1")
    yield desk
    desk.engine.close()


def plan(desk: Desk, sql: str, values: tuple[object, ...]) -> list[str]:
    return [str(row[3]) for row in desk.engine._store.connection.execute("EXPLAIN QUERY PLAN " + sql, values)]


def page_plan(desk: Desk, where: list[str], sort: str, cursor: str) -> list[str]:
    query = read_query(desk.engine.settings, where=where, sort=sort, cursor=cursor, size=20)
    way = route(desk.engine._store.connection, query)
    return plan(desk, *statement(query, way, start_of(query, mark_of(query, way.keys), way.keys)))


def _reads_an_index_alone(steps: list[str], index: str) -> bool:
    """Every read of orders is a search or an ordered walk of this index, and nothing is sorted."""
    reads = [step for step in steps if re.match(r"(SEARCH|SCAN) orders", step)]
    return bool(reads) and all(index in step.split() for step in reads) and not any("TEMP B-TREE" in s for s in steps)


@pytest.mark.parametrize(("where", "sort", "index"), BOUNDED)
def test_a_bounded_question_walks_its_index(where: list[str], sort: str, index: str, desk: Desk) -> None:
    steps = page_plan(desk, where, sort, "*")
    assert _reads_an_index_alone(steps, index), steps
    following = desk.engine.query(where=where, sort=sort, size=20, cursor="*").next_cursor
    assert following
    steps = page_plan(desk, where, sort, following)
    assert _reads_an_index_alone(steps, index), steps
    assert all(step.startswith("SEARCH") for step in steps if "orders" in step), steps


@pytest.mark.parametrize("sort", ["", "id"])
def test_everything_is_walked_by_its_key(sort: str, desk: Desk) -> None:
    assert page_plan(desk, [], sort, "*") == ["SCAN orders"]
    following = desk.engine.query(sort=sort, size=20).next_cursor
    assert following
    (step,) = page_plan(desk, [], sort, following)
    assert step.startswith("SEARCH orders USING INTEGER PRIMARY KEY (rowid")


def test_rows_without_a_price_are_walked_after_the_others(desk: Desk) -> None:
    following = desk.engine.query(sort="price", size=20, cursor="*").next_cursor
    assert following
    steps = page_plan(desk, [], "price", following)
    assert sum("price=?" in step or "price>?" in step for step in steps) == 3


@pytest.mark.parametrize("where", [["orderId=o1"], ["clOrdId=c1"], ["id=1"], ["clOrdId__in=c1,c2", "state=LIVE"]])
def test_an_order_is_found_by_its_ids(where: list[str], desk: Desk) -> None:
    steps = page_plan(desk, where, "price", "*")
    assert not [step for step in steps if step.startswith("SCAN")]
    assert not [step for step in steps if "orders_by_price" in step]


class _Recorder:
    """A connection that notes what it is asked."""

    def __init__(self, desk: Desk) -> None:
        self.asked: list[tuple[str, tuple[object, ...]]] = []
        self._connection = desk.engine._store.connection

    def execute(self, sql: str, values: tuple[object, ...] = ()) -> object:
        self.asked.append((sql, values))
        return self._connection.execute(sql, values)


LOOKUPS = {
    "open orders of an account": (lambda on, _: open_orders(on, "A1"), "orders_open"),
    "last price": (lambda on, _: last_price(on, "S1"), "executions_by_symbol"),
    "tree": (lambda on, desk: read_tree(on, desk.order("o1")), "orders_by_root"),
    "requests without an answer": (lambda on, _: pending_orders(on, START), "orders_waiting"),
    "orders whose time is over": (
        lambda on, _: due_orders(on, START + timedelta(9), day_orders=True),
        "orders_by_state",
    ),
    "request of a quote": (lambda on, _: quote_request_of(on, "q"), "sqlite_autoindex_quotes_1"),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_the_engine_looks_up_by_an_index(name: str, desk: Desk) -> None:
    ask, index = LOOKUPS[name]
    recorder = _Recorder(desk)
    ask(recorder, desk)  # type: ignore[no-untyped-call] # a recorder is asked as a connection is
    for asked in recorder.asked:
        steps = plan(desk, *asked)
        assert any(index in step for step in steps), steps
        assert not [step for step in steps if step.startswith("SCAN")], steps


def test_the_store_looks_up_by_its_keys(desk: Desk) -> None:
    store = desk.engine._store
    recorder = _Recorder(desk)
    store._read_with = None  # so that everything is asked of the one connection
    connection, store.connection = store.connection, recorder  # type: ignore[assignment] # as above
    try:
        store.client_order_id("S1", "c1")
        store.command("c1")
        store.orders_with_execution("e1")
        list(store.stream("order-o1"))
        store.events(after=5, limit=5)
        store.events(after=5, up_to=9)
    finally:
        store.connection = connection
    assert len(recorder.asked) == 6
    for asked in recorder.asked:
        steps = plan(desk, *asked)
        assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps


@pytest.mark.parametrize(
    ("entity", "where"),
    [
        ("execution", ["orderId=o1"]),
        ("execution", ["execId=e1"]),
        ("allocation", ["giverOrderId=o1"]),
        ("allocation", ["receiverOrderId=o1"]),
        ("quote", ["quoteReqId=q"]),
        ("quote_request", ["quoteReqId=q"]),
        ("event", ["streamId=order-o1"]),
        ("event", ["position__gt=7"]),
    ],
)
def test_what_belongs_to_one_thing_is_found_by_an_index(entity: str, where: list[str], desk: Desk) -> None:
    query = read_query(desk.engine.settings, entity=entity, where=where, size=20)
    steps = plan(desk, *statement(query, route(desk.engine._store.connection, query)))
    assert not [step for step in steps if step.startswith("SCAN")], steps


def test_a_file_has_no_index_that_nothing_reads(tmp_path: Path) -> None:
    """Each index costs every write; this is the list to think about before one is added."""
    desk = Desk(str(tmp_path / "oms.db"))
    rows = desk.engine._store.connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('orders', 'executions') "
        "AND sql IS NOT NULL"
    )
    assert {row[0] for row in rows} == {
        *(index for _, _, index in BOUNDED),
        *(index for _, index in LOOKUPS.values() if not index.startswith("sqlite")),
        "orders_by_cl_ord_id",
        "orders_by_group",
        "executions_by_exec_id",
    }
    desk.engine.close()
