"""Is it counted rightly where orders stand and which way they went? By SQL as by folding every stream."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms_engine import Engine, Refused
from oms_engine.domain.decider.evolve import evolve
from oms_engine.domain.lifecycle import ENTERED_BY
from oms_engine.domain.model import OrderState
from oms_engine.domain.vocabulary import State
from oms_engine.storage.flow import _PASSED
from tests.oms_engine.desk import Desk

EVERY_EVENT = Path(__file__).parent.parent / "data" / "events" / "schema_3.jsonl"

Way = tuple[State | None, State]


@pytest.fixture(scope="module")
def everything() -> Iterator[Engine]:
    """A store in which every event has happened."""
    with Engine.open() as engine, EVERY_EVENT.open("rb") as lines:
        engine.import_archive(lines)
        yield engine


def ways_of(engine: Engine, after: int = 0) -> Counter[Way]:
    """The ways of all orders behind a position, from what each event did to its order."""
    states: dict[str, OrderState] = {}
    found: Counter[Way] = Counter()
    for event in engine.events(limit=100_000):
        if event.stream_id.startswith("order-"):
            before = states.get(event.stream_id)
            states[event.stream_id] = now = evolve(before, event)
            was = before.order.state if before else None
            assert (now.order.state is not was) == (event.type in ENTERED_BY), event
            if event.type in ENTERED_BY:
                assert now.order.state is ENTERED_BY[event.type]
                found[was, now.order.state] += event.position > after
    return +found


def test_ways_are_counted_as_the_events_tell_them(everything: Engine) -> None:
    flow = everything.flow()
    assert flow.passed == ways_of(everything)
    assert flow.behind == 0
    assert flow.position == everything.position
    assert len(flow.passed) > 8


def test_only_the_last_events_are_looked_at_where_that_is_asked_for(everything: Engine) -> None:
    flow = everything.flow(most_events=100)
    assert flow.behind == everything.position - 100
    assert flow.passed == ways_of(everything, after=flow.behind)
    assert flow.standing == everything.flow().standing


def test_each_order_stands_in_one_state(everything: Engine) -> None:
    orders: Counter[State] = Counter()
    cursor: str | None = "*"
    while cursor:
        page = everything.query(cursor=cursor)
        orders.update(order.state for order in page.content)  # type: ignore[attr-defined] # the entity is order
        cursor = page.next_cursor
    assert everything.standing() == {**dict.fromkeys(State, 0), **orders}
    assert everything.flow().standing == everything.standing()


def test_the_past_is_counted_as_it_was(desk: Desk) -> None:
    live, filled = desk.given("LIVE"), desk.given("FILLED")
    then = desk.engine.position
    desk.given("CXL")
    desk.ok("OrderCloseCmd", orderId=filled)
    with desk.engine.at(f"p{then}") as past:
        flow = past.flow()
        assert {state: count for state, count in flow.standing.items() if count} == {State.LIVE: 1, State.FILLED: 1}
        assert flow.passed == ways_of(past)
        assert past.standing([f"orderId={live}"])[State.FILLED] == 0


def test_orders_are_counted_by_condition(desk: Desk) -> None:
    desk.given("LIVE", symbol="XYZ")
    desk.given("LIVE")
    assert desk.engine.standing(["symbol=XYZ"])[State.LIVE] == 1
    with pytest.raises(Refused, match="no field of order"):
        desk.engine.standing(["colour=red"])


def test_the_state_before_is_looked_up_and_not_searched_for(desk: Desk) -> None:
    plan = [row[3] for row in desk.engine._store.connection.execute(f"EXPLAIN QUERY PLAN {_PASSED}", (0,))]
    assert any("SEARCH p USING INDEX" in step and "stream_id=? AND version<?" in step for step in plan), plan
    assert any("SEARCH e USING INTEGER PRIMARY KEY" in step for step in plan), plan
