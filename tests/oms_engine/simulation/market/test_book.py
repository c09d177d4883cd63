"""Does the book trade as a book must? Examples, and anything at all compared with the simplest model."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from oms_engine.simulation.market.book import Book, BookOrder, Happening, Lapsed, Trade
from tests.oms_engine.simulation.market.naive_book import Naive, NaiveBook, Told

LAST = 100


def buy(name: str, quantity: int, limit: int | None = None, **more: bool | int) -> BookOrder:
    return BookOrder(name, quantity, limit, buys=True, **more)  # type: ignore[arg-type] # stop, rests, all_or_none


def sell(name: str, quantity: int, limit: int | None = None, **more: bool | int) -> BookOrder:
    return BookOrder(name, quantity, limit, buys=False, **more)  # type: ignore[arg-type] # as above


def told(happened: list[Happening]) -> list[Told]:
    return [_told(each) for each in happened]


def _told(each: Happening) -> Told:
    match each:
        case Trade(resting, incoming, price, quantity):
            return ("trade", resting.order_id, incoming.order_id, str(price), str(quantity))
        case Lapsed(order):
            return ("lapsed", order.order_id)


def book(*orders: BookOrder) -> Book:
    made = Book(LAST)
    for order in orders:
        assert made.enter(order) == []
    return made


def test_the_better_price_trades_first_and_at_the_price_of_who_waited() -> None:
    made = book(sell("dear", 5, 103), sell("cheap", 5, 101))
    assert told(made.enter(buy("b", 8, 105))) == [
        ("trade", "cheap", "b", "101", "5"),
        ("trade", "dear", "b", "103", "3"),
    ]
    assert made.last == 103


def test_of_the_same_price_who_came_first_trades_first() -> None:
    made = book(buy("first", 5, 99), buy("second", 5, 99))
    assert told(made.enter(sell("s", 6))) == [("trade", "first", "s", "99", "5"), ("trade", "second", "s", "99", "1")]


def test_what_is_left_of_a_limit_order_waits_and_what_is_left_of_a_market_order_lapses() -> None:
    made = book(sell("s", 5, 101))
    assert told(made.enter(buy("limit", 7, 101))) == [("trade", "s", "limit", "101", "5")]
    assert made.best(buys=True) == 101
    assert told(made.enter(sell("market", 9))) == [("trade", "limit", "market", "101", "2"), ("lapsed", "market")]
    assert made.best(buys=True) is None


def test_immediate_or_cancel_takes_what_there_is() -> None:
    made = book(sell("s", 5, 101))
    assert told(made.enter(buy("ioc", 7, 101, rests=False))) == [("trade", "s", "ioc", "101", "5"), ("lapsed", "ioc")]


def test_fill_or_kill_takes_all_of_it_or_nothing() -> None:
    made = book(sell("a", 5, 101), sell("b", 5, 102), sell("too dear", 5, 104))
    assert told(made.enter(buy("kill", 11, 103, all_or_none=True))) == [("lapsed", "kill")]
    assert told(made.enter(buy("fill", 10, 103, all_or_none=True))) == [
        ("trade", "a", "fill", "101", "5"),
        ("trade", "b", "fill", "102", "5"),
    ]


def test_a_stop_waits_until_the_last_price_triggers_it() -> None:
    stopped = sell("stop", 4, stop=98)
    made = book(stopped, buy("b1", 5, 99), buy("b2", 5, 98), buy("b3", 5, 97))
    assert told(made.enter(sell("s1", 5))) == [("trade", "b1", "s1", "99", "5")]
    assert told(made.enter(sell("s2", 1))) == [("trade", "b2", "s2", "98", "1"), ("trade", "b2", "stop", "98", "4")]


def test_a_stop_that_is_reached_already_trades_at_once() -> None:
    made = book(sell("s", 5, 101))
    assert told(made.enter(buy("stop", 5, 102, stop=100))) == [("trade", "s", "stop", "101", "5")]


def test_one_stop_triggers_the_next() -> None:
    made = book(buy("b1", 1, 99), buy("b2", 1, 98), buy("b3", 1, 97), sell("x", 1, stop=99), sell("y", 1, stop=98))
    assert told(made.enter(sell("s", 1))) == [
        ("trade", "b1", "s", "99", "1"),
        ("trade", "b2", "x", "98", "1"),
        ("trade", "b3", "y", "97", "1"),
    ]


def test_a_triggered_stop_limit_waits_at_its_limit() -> None:
    stopped = sell("stop", 4, 99, stop=98)
    made = book(buy("b", 5, 98), stopped)
    made.enter(sell("s", 5))
    assert made.best(buys=False) == 99


def test_less_quantity_keeps_the_turn_and_more_or_another_price_loses_it() -> None:
    one, two, three = buy("one", 5, 99), buy("two", 5, 99), buy("three", 5, 99)
    made = book(one, two, three)
    made.replace(one, 3, 99)
    made.replace(two, 6, 99)
    assert [each[1] for each in told(made.enter(sell("s", 20)))[:3]] == ["one", "three", "two"]


def test_a_replaced_order_trades_when_its_new_price_meets_another_order() -> None:
    one = buy("one", 5, 99)
    made = book(one, sell("s", 5, 101))
    assert told(made.replace(one, 5, 101)) == [("trade", "s", "one", "101", "5")]


def test_a_quantity_that_is_executed_already_ends_the_order() -> None:
    one = buy("one", 5, 99)
    made = book(one)
    made.enter(sell("s", 2))
    assert made.replace(one, 2, 99) == []
    assert list(made) == []


def test_a_cancelled_order_trades_no_more_and_is_cancelled_without_harm_again() -> None:
    one = buy("one", 5, 99)
    made = book(one)
    made.cancel(one)
    made.cancel(one)
    assert told(made.enter(sell("s", 1))) == [("lapsed", "s")]


def test_a_quantity_that_is_given_back_is_open_again_with_a_new_turn() -> None:
    one, two = buy("one", 5, 99), buy("two", 5, 99)
    made = book(one, two)
    made.enter(sell("s", 5))
    assert made.give_back(one, 5) == []
    assert [each[1] for each in told(made.enter(sell("t", 10)))] == ["two", "one"]


def test_many_cancelled_orders_leave_nothing_behind() -> None:
    made = Book(LAST)
    for number in range(1_000):
        order = buy(str(number), 1, 50 + number % 40)
        made.enter(order)
        made.cancel(order)
    assert len(made._bids._entries) < 100
    assert list(made) == []


def test_a_book_that_is_crossed_says_so() -> None:
    made = book(buy("b", 5, 99), sell("s", 5, 101))
    assert not made.is_crossed()
    made._wait(buy("wrong", 5, 101))
    assert made.is_crossed()


PRICES = st.integers(94, 106)
QUANTITIES = st.integers(1, 12)


class AnyBook(RuleBasedStateMachine):
    """Whatever is sent, book and model say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(LAST)
        self.model = NaiveBook(LAST)
        self.pairs: list[tuple[BookOrder, Naive]] = []

    @rule(
        buys=st.booleans(),
        quantity=QUANTITIES,
        limit=PRICES | st.none(),
        stop=st.none() | PRICES,
        keeps=st.sampled_from((True, True, True, False)),
        whole=st.sampled_from((False, False, False, True)),
    )
    def enter(self, buys: bool, quantity: int, limit: int | None, stop: int | None, keeps: bool, whole: bool) -> None:
        name = str(len(self.pairs))
        order = BookOrder(name, quantity, limit, buys=buys, stop=stop, rests=keeps, all_or_none=whole)
        naive = Naive(name, buys, quantity, limit, stop, keeps, whole)
        self.pairs.append((order, naive))
        assert told(self.book.enter(order)) == self.model.enter(naive)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order, naive = data.draw(st.sampled_from(self.waiting()))
        self.book.cancel(order)
        naive.waits = False

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), more=st.integers(0, 10), moves=st.booleans(), price=PRICES)
    def replace(self, data: st.DataObject, more: int, moves: bool, price: int) -> None:
        order, naive = data.draw(st.sampled_from(self.waiting()))
        quantity = max(1, naive.got + more)
        limit = price if moves and naive.limit is not None else naive.limit
        stop = price if moves and naive.stop is not None else naive.stop
        happened = told(self.book.replace(order, quantity, limit, stop))
        keeps = (limit, stop) == (naive.limit, naive.stop) and quantity <= naive.quantity
        naive.quantity = quantity
        if keeps and naive.open:
            assert happened == []
            return
        naive.limit, naive.stop, naive.waits = limit, stop, False
        assert happened == (self.model.enter(naive) if naive.open else [])

    @precondition(lambda self: self.traded())
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        order, naive = data.draw(st.sampled_from(self.traded()))
        quantity = data.draw(st.integers(1, naive.got))
        happened = told(self.book.give_back(order, quantity))
        naive.got -= quantity
        naive.waits = False
        assert happened == self.model.enter(naive)

    def waiting(self) -> list[tuple[BookOrder, Naive]]:
        return [pair for pair in self.pairs if pair[1].waits]

    def traded(self) -> list[tuple[BookOrder, Naive]]:
        return [
            (order, naive)
            for order, naive in self.pairs
            if order.rests and naive.got and (naive.waits or not naive.open)
        ]

    @invariant()
    def the_same_orders_wait_with_the_same_quantities(self) -> None:
        assert {each.order_id for each in self.book} == {naive.name for _, naive in self.waiting()}
        assert all((order.filled, order.open) == (naive.got, naive.open) for order, naive in self.pairs)

    @invariant()
    def the_best_prices_are_the_same_and_do_not_cross(self) -> None:
        for buys in (True, False):
            offers = self.model.offers(buys=buys)
            assert self.book.best(buys=buys) == (offers[0].limit if offers else None)
        assert not self.book.is_crossed()
        assert self.book.last == self.model.last


AnyBook.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyBook = AnyBook.TestCase
