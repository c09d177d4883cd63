"""What does the venue do with what it is sent? It keeps books, trades, answers, and now and then goes wrong."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from oms_engine.domain.vocabulary import CxlRejReason, OrdRejReason, TimeInForce
from oms_engine.simulation.market.admission import (
    ChangeRefusal,
    OrderRefusal,
    change_refusal,
    entry_of,
    order_refusal,
)
from oms_engine.simulation.market.amounts import price_of, quantity_of, ticks_of, units_of
from oms_engine.simulation.market.book import Book, BookOrder, Happening, Lapsed, Trade
from oms_engine.simulation.market.chance import Chance
from oms_engine.simulation.market.faults import Faults
from oms_engine.simulation.market.line import MINUTE, SECOND
from oms_engine.simulation.market.messages import (
    Accepted,
    Busted,
    Cancelled,
    CancelRejected,
    CancelRequest,
    Expired,
    Filled,
    NewOrderSingle,
    Rejected,
    Replaced,
    ReplaceRejected,
    ReplaceRequest,
    Report,
    Request,
)

Later = Callable[..., None]
"""Does something later: a delay in microseconds, what to do, and with what."""

_NOT_NOW = (CxlRejReason.BROKER_OPTION, "not now")
_LATE = (SECOND, 10 * SECOND, MINUTE, 5 * MINUTE)
_BUSTED_AFTER = (5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE)


class Executed(NamedTuple):
    """One execution as the venue knows it.

    Attributes:
        order_id: Whose it is.
        quantity: In units.
        price: In ticks.
        waited: Did the order wait in the book when the other one came?
    """

    order_id: str
    quantity: int
    price: int
    waited: bool


class _Order:
    """A client's order at the venue, whether it still works or not."""

    __slots__ = ("book", "busts", "entry", "expires", "works")

    def __init__(self, asked: NewOrderSingle, book: Book) -> None:
        self.entry = entry_of(asked)
        self.book = book
        self.expires = asked.time_in_force is not TimeInForce.GOOD_TILL_CANCEL
        self.works = True
        self.busts = 0


class Venue:
    """A venue for several symbols. It knows nothing of the engine: it is sent requests, and it reports.

    Args:
        opening: Each symbol with the price it opens at, in ticks.
        faults: How often things go wrong.
        chance: What decides when they do.
        report: Takes what is reported.
        later: Does something later.
        clock: Microseconds since the opening.

    Attributes:
        executions: What was executed for clients, by execId, busted executions included.
        busted: The execIds of those that were broken.
        happened: How often each fault happened.
        crossings: How often a book was found crossed.
    """

    def __init__(
        self,
        opening: Mapping[str, int],
        faults: Faults,
        chance: Chance,
        *,
        report: Callable[[Report], None],
        later: Later,
        clock: Callable[[], int],
    ) -> None:
        self.books = {symbol: Book(last) for symbol, last in opening.items()}
        self.executions: dict[str, Executed] = {}
        self.busted: set[str] = set()
        self.happened: Counter[str] = Counter()
        self.crossings = 0
        self.is_open = True
        self._orders: dict[str, _Order] = {}
        self._other_side: dict[str, str] = {}
        self._faults = faults
        self._chance = chance
        self._report = report
        self._later = later
        self._clock = clock

    def receive(self, request: Request) -> None:
        """Answer a request."""
        match request:
            case NewOrderSingle():
                self._new(request)
            case CancelRequest():
                self._cancel(request)
            case ReplaceRequest():
                self._replace(request)

    def enter(self, symbol: str, order: BookOrder) -> None:
        """Take in an order of the street, which trades with clients and gets no reports."""
        book = self.books[symbol]
        self._tell(book, book.enter(order))

    def close(self) -> None:
        """End the session: what is good for the day expires, everything else is cancelled."""
        self.is_open = False
        for order in self._working():
            self._end(order)
            name = order.entry.order_id
            self._report(Expired(name) if order.expires else Cancelled(name, unsolicited=True, text="end of session"))

    def disconnect(self) -> None:
        """The line went down: some venues then cancel what is open, and this one does at times."""
        self.happened["outage"] += 1
        if not self._chance.happens(self._faults.cancel_on_disconnect):
            return
        self.happened["cancel on disconnect"] += 1
        for order in self._working():
            self._cancel_by_itself(order, "cancelled on disconnect")

    def _working(self) -> Sequence[_Order]:
        return [order for order in self._orders.values() if order.works]

    def _new(self, asked: NewOrderSingle) -> None:
        refusal = self._refusal(asked)
        if refusal is None and self._chance.happens(self._faults.reject):
            self.happened["reject"] += 1
            refusal = (OrdRejReason.BROKER_OPTION, "refused by the venue")
        if refusal is not None:
            self._report(Rejected(asked.order_id, *refusal))
            return
        order = self._orders[asked.order_id] = _Order(asked, self.books[asked.symbol])
        self._report(Accepted(asked.order_id))
        self._tell(order.book, order.book.enter(order.entry))
        if order.works and self._chance.happens(self._faults.late_reject):
            self._later(self._chance.quantile(_LATE), self._reject_late, order)

    def _refusal(self, asked: NewOrderSingle) -> OrderRefusal | None:
        """Why an order is refused; None for one that is right."""
        if asked.order_id in self._orders:
            return OrdRejReason.DUPLICATE_ORDER, f"order {asked.order_id} was sent before"
        if asked.symbol not in self.books:
            return OrdRejReason.UNKNOWN_SYMBOL, f"symbol {asked.symbol} is not traded here"
        if not self.is_open:
            return OrdRejReason.EXCHANGE_CLOSED, "the session has ended"
        return order_refusal(asked, self.books[asked.symbol].last)

    def _reject_late(self, order: _Order) -> None:
        if not order.works or order.entry.filled:
            return
        self.happened["late reject"] += 1
        self._end(order)
        self._report(Rejected(order.entry.order_id, OrdRejReason.SURVEILLANCE, "withdrawn by the venue's surveillance"))

    def _cancel(self, asked: CancelRequest) -> None:
        found = self._found(asked)
        if not isinstance(found, _Order):
            self._report(CancelRejected(asked.order_id, *found))
        elif self._chance.happens(self._faults.refused_cancel):
            self.happened["refused cancel"] += 1
            self._report(CancelRejected(asked.order_id, *_NOT_NOW))
        else:
            self._end(found)
            self._report(Cancelled(asked.order_id, unsolicited=False, text=""))

    def _replace(self, asked: ReplaceRequest) -> None:
        found = self._found(asked)
        refusal = change_refusal(asked, found.entry, found.book.last) if isinstance(found, _Order) else found
        if refusal is None and self._chance.happens(self._faults.refused_replace):
            self.happened["refused replace"] += 1
            refusal = _NOT_NOW
        if isinstance(found, _Order) and refusal is None:
            self._change(found, asked)
        else:
            self._report(ReplaceRejected(asked.order_id, *(refusal or _NOT_NOW)))

    def _change(self, order: _Order, asked: ReplaceRequest) -> None:
        """Give an order its new terms; with them it may trade at once."""
        entry = order.entry
        order.expires = asked.time_in_force is not TimeInForce.GOOD_TILL_CANCEL
        self._report(Replaced(asked.order_id))
        stop = None if entry.stop is None or asked.stop_px is None else ticks_of(asked.stop_px)
        limit = None if asked.price is None else ticks_of(asked.price)
        happened = order.book.replace(entry, units_of(asked.order_qty) or 0, limit, stop)
        order.works = bool(entry.open)
        self._tell(order.book, happened)

    def _found(self, asked: CancelRequest | ReplaceRequest) -> _Order | ChangeRefusal:
        """The order that a request is about, if it works; otherwise why the request is refused whatever it asks."""
        order = self._orders.get(asked.order_id)
        if order is None:
            return CxlRejReason.UNKNOWN_ORDER, "no such order here"
        if not order.works:
            return CxlRejReason.TOO_LATE, "the order has ended"
        if asked.changes_seen != order.busts:
            return CxlRejReason.ORIG_ORD_MOD_TIME_MISMATCH, "an execution was broken meanwhile"
        return order

    def _tell(self, book: Book, happened: Sequence[Happening]) -> None:
        """Report what happened in a book to the clients it happened to."""
        for each in happened:
            match each:
                case Trade():
                    self._traded(each)
                case Lapsed(entry) if entry.order_id:
                    self._cancel_by_itself(self._orders[entry.order_id], "nobody left to trade with")
        self.crossings += book.is_crossed()

    def _traded(self, trade: Trade) -> None:
        ours = [entry for entry in (trade.resting, trade.incoming) if entry.order_id]
        exec_ids = [self._executed(entry, trade) for entry in ours]
        if len(exec_ids) > 1:
            self._other_side |= zip(exec_ids, reversed(exec_ids), strict=True)
        if exec_ids and self._chance.happens(self._faults.bust):
            self._later(self._chance.quantile(_BUSTED_AFTER), self._bust, exec_ids[0])

    def _executed(self, entry: BookOrder, trade: Trade) -> str:
        exec_id = f"{entry.order_id}-X{len(self.executions) + 1}"
        self._orders[entry.order_id].works = bool(entry.open)
        self.executions[exec_id] = Executed(entry.order_id, trade.quantity, trade.price, entry is trade.resting)
        fill = Filled(entry.order_id, exec_id, quantity_of(trade.quantity), price_of(trade.price), self._clock())
        self._report(fill)
        return exec_id

    def _bust(self, exec_id: str) -> None:
        """Break a trade, on both sides where both are clients."""
        if not self.is_open:
            return
        for each in (exec_id, self._other_side.get(exec_id)):
            if each is not None:
                self._break(each)

    def _break(self, exec_id: str) -> None:
        """Break one side: who waited is open again, who came in is cancelled, what has ended stays so."""
        executed = self.executions[exec_id]
        order = self._orders[executed.order_id]
        self.busted.add(exec_id)
        self.happened["bust"] += 1
        order.busts += 1
        self._report(Busted(executed.order_id, exec_id, "trade broken by the venue"))
        entry = order.entry
        ended = bool(entry.open) and not order.works
        if executed.waited and not ended:
            order.works = True
            self._tell(order.book, order.book.give_back(entry, executed.quantity))
            return
        entry.filled -= executed.quantity
        if not ended:
            self._cancel_by_itself(order, "its trade was broken")

    def _cancel_by_itself(self, order: _Order, text: str) -> None:
        self._end(order)
        self._report(Cancelled(order.entry.order_id, unsolicited=True, text=text))

    def _end(self, order: _Order) -> None:
        order.book.cancel(order.entry)
        order.works = False
