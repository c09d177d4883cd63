"""Is told what is wrong between venue and engine? Each test breaks one thing behind their backs."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice

import pytest

from oms_engine import Engine, Order
from oms_engine.domain.vocabulary import CancelState, State
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.reconciling import _end_of, _sums, problems
from oms_engine.simulation.market.session import Session
from oms_engine.simulation.market.venue import Executed
from oms_engine.simulation.market.world import World
from tests.oms_engine.simulation.market.days import engine_of

Day = tuple[Session, Engine]


@pytest.fixture
def day() -> Iterator[Day]:
    world = World()
    with engine_of(world) as engine:
        session = Session(MarketPlan(60, 3, "institutional", "none"), 1, world, engine.run)
        for _ in session.run():
            pass
        assert list(problems(session, engine)) == []
        yield session, engine


def lose_an_execution(session: Session, _: Engine) -> None:
    session.venue.executions.popitem()


def invent_an_execution(session: Session, _: Engine) -> None:
    parent = next(iter(session.floor.children))
    session.venue.executions["X"] = Executed(parent, 100, 1_000, waited=True)


def change_a_quantity(session: Session, _: Engine) -> None:
    name, executed = next(iter(session.venue.executions.items()))
    session.venue.executions[name] = executed._replace(quantity=executed.quantity + 1)


def change_a_price(session: Session, _: Engine) -> None:
    name, executed = next(iter(session.venue.executions.items()))
    session.venue.executions[name] = executed._replace(price=executed.price + 1)


def bust_at_the_venue_alone(session: Session, _: Engine) -> None:
    session.venue.busted.add(next(iter(session.venue.executions)))


def bust_in_the_engine_alone(session: Session, engine: Engine) -> None:
    name, executed = next(iter(session.venue.executions.items()))
    assert engine.execute({"type": "ExecutionBustCmd", "orderId": executed.order_id, "execId": name}).ok


def cross_a_book(session: Session, _: Engine) -> None:
    session.venue.crossings += 1


def forget_to_send(session: Session, _: Engine) -> None:
    session.floor.left += 1


def hand_on_more(session: Session, _: Engine) -> None:
    change(session, next(order for order in session.floor.orders.values() if order.parent_order_id), "alloc_qty")


def share_more(session: Session, _: Engine) -> None:
    change(session, a_member(session), "cum_qty")


def ask_for_more(session: Session, _: Engine) -> None:
    change(session, a_member(session), "order_qty")


def a_member(session: Session) -> Order:
    return next(each for each in session.floor.orders.values() if each.group_order_id and not each.is_grouped_order)


def change(session: Session, order: Order, field: str) -> None:
    session.floor.orders[order.order_id] = order.but(**{field: getattr(order, field) + 1})


def spoil(statement: str) -> Callable[[Session, Engine], None]:
    def change(_: Session, engine: Engine) -> None:
        assert engine._store.connection.execute(statement).rowcount

    return change


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (lose_an_execution, "have different executions"),
        (invent_an_execution, "have different executions"),
        (change_a_quantity, "the engine has"),
        (change_a_price, "its average is"),
        (bust_at_the_venue_alone, "have broken different executions"),
        (bust_in_the_engine_alone, "is kept in another way than its last command said"),
        (hand_on_more, "its children handed on"),
        (share_more, "its members have"),
        (ask_for_more, "asks for another quantity than its members"),
        (cross_a_book, "a book was crossed 1 times"),
        (forget_to_send, "1 orders of session 1 were never sent"),
        (spoil("UPDATE orders SET text = 'spoilt' WHERE order_id = 'S1-1'"), "S1-1 is kept in another way"),
        (spoil("DELETE FROM orders WHERE order_id = 'S1-1'"), "S1-1 is kept in another way"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_is_wrong_is_told(day: Day, breaks: Callable[[Session, Engine], None], told: str) -> None:
    breaks(*day)
    assert told in "\n".join(problems(*day))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": State.LIVE}, "is still LIVE"),
        ({"cancel_state": CancelState.PMOD}, "still waits for an answer"),
        ({"pending_alloc_qty": Decimal(5)}, "has 5 that nobody decided about"),
        ({"cum_qty": Decimal(1)}, "is FILLED with 1 of"),
        ({"state": State.REJ, "cum_qty": Decimal(1)}, "is REJ with 1 executed"),
        ({"order_qty": Decimal(1), "place_qty": Decimal(2)}, "has 2 placed of 1"),
    ],
    ids=str,
)
def test_an_order_that_did_not_end_well_is_told(day: Day, changes: dict[str, object], told: str) -> None:
    session, _ = day
    filled = next(order for order in session.floor.orders.values() if order.state is State.FILLED)
    assert list(_end_of(filled)) == []
    wrong = filled.but(**changes)
    assert told in "\n".join([*_end_of(wrong), *_sums(wrong, [filled])])


def test_a_day_that_was_broken_off_leaves_open_orders_and_says_so() -> None:
    world = World()
    with engine_of(world) as engine:
        session = Session(MarketPlan(60, 3, "retail", "none"), 1, world, engine.run)
        list(islice(session.run(), 40))
        told = "\n".join(problems(session, engine))
    assert "were never sent" in told
    assert "is still LIVE" in told
