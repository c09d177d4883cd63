"""Does walking by cursor show the whole result in its order, also while orders come in, and refuse foreign cursors?"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms_engine import Engine, Refused
from oms_engine.domain.filters import ENTITIES, read_query
from oms_engine.record import Record
from oms_engine.storage.paths import MOST_BRANCHES, TIMES_GO_BACK
from oms_engine.storage.projections import ORDERS, refill
from tests.oms_engine.desk import Desk
from tests.oms_engine.test_filters import conditions, filled_market

MANY = 3 * MOST_BRANCHES


def crowd(desk: Desk) -> Desk:
    """Many small orders beside those in every state; several share each time, price, symbol and account."""
    envelopes = [
        {"type": "OrderCreateCmd", "order": desk.asked(**_terms(number))} | ({"commandId": f"crowd-{number}"})
        for number in range(MANY)
    ]
    done = desk.engine.execute_many(envelopes)
    assert all(outcome.result.ok for outcome in done.outcomes)
    for number in range(0, MANY, 7):
        desk.accept(f"o{number + 11}")
    return desk


def _terms(number: int) -> Mapping[str, object]:
    priced = {"price": str(90 + number % 5)} if number % 4 else {"price": None, "ordType": "MARKET"}
    return {"symbol": f"S{number % (MOST_BRANCHES + 20):03d}", "account": f"A{number % 3}", "orderQty": "100", **priced}


class Ticks:
    """A clock that stands still for some orders, so that they share a time."""

    def __init__(self, inner: Callable[[], Any]) -> None:
        self._inner = inner
        self._read = 0
        self._now = inner()

    def __call__(self) -> Any:  # noqa: ANN401 - as the clock it slows down
        self._read += 1
        if self._read % 9 == 0:
            self._now = self._inner()
        return self._now


def _market() -> Desk:
    desk = filled_market()
    desk.engine._executor._clock = Ticks(desk.clock)
    return crowd(desk)


@pytest.fixture(scope="module")
def market() -> Iterator[Desk]:
    desk = _market()
    yield desk
    desk.engine.close()


@pytest.fixture(scope="module")
def unordered() -> Iterator[Desk]:
    """The same market in a file whose creation times go back in places, as an older program may have written it."""
    desk = _market()
    connection = desk.engine._store.connection
    connection.execute("UPDATE orders SET created_at = (SELECT max(created_at) FROM orders) WHERE id % 11 = 0")
    connection.execute("INSERT INTO store_facts VALUES (?, ?)", (TIMES_GO_BACK, "at position 11"))
    yield desk
    desk.engine.close()


SYMBOLS = [f"S{number:03d}" for number in range(0, MOST_BRANCHES + 20, 7)]


@st.composite
def narrow(draw: st.DrawFn) -> dict[str, str | None]:
    """A condition that an index answers."""
    field, op, values = draw(
        st.sampled_from(
            [
                ("symbol", "eq", st.sampled_from(SYMBOLS)),
                ("symbol", "in", st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=4).map(",".join)),
                ("symbol", "startswith", st.sampled_from(["S", "S0", "S01", "I", "Z"])),
                ("account", "eq", st.sampled_from(["A0", "A1", "ACC"])),
                ("account", "startswith", st.sampled_from(["A", "B"])),
                ("state", "in", st.lists(st.sampled_from(["NEW", "UNACK", "LIVE", "CXL"]), min_size=1).map(",".join)),
                ("state", "eq", st.sampled_from(["LIVE", "UNACK"])),
                ("price", "between", st.sampled_from(["91,93", "92,", ",92"])),
                ("price", "in", st.sampled_from(["91", "91,92", "91,91"])),
                ("price", "gt", st.sampled_from(["91", "92"])),
                ("createdAt", "gte", st.sampled_from(["2026-01-02T09:30:00.010Z"])),
                ("createdAt", "lt", st.sampled_from(["2026-01-02T09:30:00.080Z"])),
                ("cumQty", "gt", st.just("0")),
            ]
        )
    )
    return {"field": field, "op": op, "value": draw(values)}


ORDERED_BY = st.sampled_from(
    ["", "id", "id,DESC", "createdAt", "createdAt,DESC", "price", "price,DESC", "symbol;price"]
)


@st.composite
def sorts(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return draw(ORDERED_BY)
    names = draw(st.lists(st.sampled_from(sorted(ENTITIES["order"].fields)), max_size=3, unique=True))
    return ";".join(name + draw(st.sampled_from(["", ",DESC"])) for name in names)


def walked(
    engine: Engine, question: Mapping[str, Any], size: int, between: Callable[[], object] = lambda: None
) -> list[Record]:
    """All rows, page by page with the cursor of the page before."""
    rows: list[Record] = []
    cursor: str | None = "*"
    while cursor:
        page = engine.query(**question, size=size, cursor=cursor)
        assert page.page.to_wire() == {"size": size}
        assert len(page.content) == size or page.next_cursor is None
        rows += page.content
        cursor = page.next_cursor
        between()
    return rows


def in_pages(engine: Engine, question: Mapping[str, Any], size: int) -> list[Record]:
    rows: list[Record] = []
    page = engine.query(**question, size=size)
    for number in range(page.page.total_pages or 0):
        page = engine.query(**question, size=size, page=number)
        assert (page.next_cursor is not None) is (number + 1 < (page.page.total_pages or 0))
        rows += page.content
    return rows


def sorted_in_python(engine: Engine, question: Mapping[str, Any]) -> list[Record]:
    """The result by the meaning of the words: filtered and sorted in memory."""
    query = read_query(engine.settings, **question)
    store = engine._store
    every = [ORDERS.read(row) for row in store.connection.execute(f"SELECT {', '.join(ORDERS.columns)} FROM orders")]  # noqa: S608 - own names
    found = [record for record in every if query.specification.is_satisfied_by(record)]
    for key in reversed(query.sort):
        some = [record for record in found if getattr(record, key.field.attribute) is not None]
        some.sort(key=lambda record, name=key.field.attribute: _plain(getattr(record, name)), reverse=key.descending)  # type: ignore[misc]
        found = some + [record for record in found if getattr(record, key.field.attribute) is None]
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    return str(value.value) if hasattr(value, "value") else value


QUESTIONS = st.fixed_dictionaries({"where": st.lists(narrow() | conditions("order"), max_size=3), "sort": sorts()})


@given(question=QUESTIONS, size=st.integers(1, 60))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_walking_by_cursor_and_by_page_show_the_result_in_its_order(
    question: dict[str, Any], size: int, market: Desk
) -> None:
    expected = sorted_in_python(market.engine, question)
    assert walked(market.engine, question, size) == expected
    assert in_pages(market.engine, question, max(size, 20)) == expected


@given(question=QUESTIONS, size=st.integers(1, 60))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_file_whose_times_go_back_is_walked_in_its_order_too(
    question: dict[str, Any], size: int, unordered: Desk
) -> None:
    assert walked(unordered.engine, question, size) == sorted_in_python(unordered.engine, question)


@given(question=QUESTIONS, size=st.integers(1, 30))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_orders_that_come_in_during_a_walk_disturb_nothing_that_was_there(question: dict[str, Any], size: int) -> None:
    desk = filled_market()
    crowd_of = [f"late{number}" for number in range(200)]
    before = sorted_in_python(desk.engine, question)

    def come_in() -> None:
        if crowd_of:
            name = crowd_of.pop()
            desk.create(orderId=name, clOrdId=name, symbol="S007", account="A1", orderQty="100", price="92")

    seen = walked(desk.engine, question, size, come_in)
    assert [record for record in seen if not record.order_id.startswith("late")] == before  # type: ignore[attr-defined]
    assert len({record.order_id for record in seen}) == len(seen)  # type: ignore[attr-defined]
    desk.engine.close()


@pytest.mark.parametrize("entity", [name for name in ENTITIES if name != "order"])
def test_every_entity_can_be_walked(entity: str, market: Desk) -> None:
    question = {"entity": entity, "sort": ""}
    assert walked(market.engine, question, 40) == in_pages(market.engine, question, 40)


def test_a_page_leads_on_by_cursor(market: Desk) -> None:
    second = market.engine.query(sort="price,DESC", page=1, size=7)
    third = market.engine.query(sort="price,DESC", page=2, size=7)
    assert second.next_cursor
    assert market.engine.query(sort="price,DESC", size=7, cursor=second.next_cursor).content == third.content
    assert second.to_wire()["nextCursor"] == second.next_cursor


def test_a_prefix_that_nothing_has_is_an_empty_page(market: Desk) -> None:
    page = market.engine.query(where=["symbol__startswith=Q"])
    assert (page.content, page.page.total_elements, page.next_cursor) == ([], 0, None)


def _refused(desk: Desk, **question: object) -> str:
    with pytest.raises(Refused) as raised:
        desk.engine.query(**question)  # type: ignore[arg-type]
    (found,) = raised.value.problem.violations
    assert (found.rule_id, found.code, found.field) == ("QRY-04", "OMS-VAL-004", "cursor")
    return found.message


def _spelt(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _altered(cursor: str, *values: object) -> str:
    mark = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0]
    return _spelt([mark, *values])


def test_a_cursor_is_refused_beside_a_page_for_another_question_and_when_malformed(market: Desk) -> None:
    question: dict[str, Any] = {"where": ["symbol__startswith=S"], "sort": "price"}
    cursor = market.engine.query(**question, size=3).next_cursor
    assert cursor
    assert "send one of them" in _refused(market, **question, cursor=cursor, page=0)
    assert "send one of them" in _refused(market, **question, cursor="*", page="1")
    for other in ({"where": ["symbol__startswith=S0"]}, {"sort": "price,DESC"}, {"where": []}):
        assert "another question" in _refused(market, **question | other, cursor=cursor)
    assert "another question" in _refused(market, entity="execution", sort="lastPx", cursor=cursor)
    for text in ("x", "**", cursor[:-3] + "!!!", _spelt({}), _spelt([]), _spelt([7]), "A" * 30_000, "é"):
        assert "none that a page gave" in _refused(market, **question, cursor=text)
    wrong = [("1",), ("1", 2, 3), (1, 2), ("1", "2"), ("1", True), ("1", 2**63), ("\ud800", 1), ("1", None), ([], 1)]
    for values in wrong:
        assert "another question" in _refused(market, **question, cursor=_altered(cursor, *values))
    assert market.engine.query(**question, size=3, cursor=_altered(cursor, None, 0)).content
    same = {"where": ["symbol__startswith=S"], "sort": "price,asc"}
    assert (
        market.engine.query(**same, size=3, cursor=cursor).content
        == market.engine.query(**same, page=1, size=3).content
    )


def test_a_migration_looks_whether_times_go_back(market: Desk, unordered: Desk) -> None:
    facts = "SELECT value FROM store_facts WHERE name = ?"
    assert market.engine._store.connection.execute(facts, (TIMES_GO_BACK,)).fetchone() is None
    with unordered.engine._store.writing():
        refill(unordered.engine._store.connection)  # as a migration does
        unordered.engine._store.commit()
    assert unordered.engine._store.connection.execute(facts, (TIMES_GO_BACK,)).fetchone() is None
