"""What do all participants share? The orders as they stand, market data, and the words to ask for something."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from oms_engine.domain.commands import Command, OrderCancelCmd, OrderCreateCmd, OrderReplaceCmd
from oms_engine.domain.model import NewOrder, Order
from oms_engine.domain.vocabulary import WORKING_STATES, CancelState, OrdType, Side, TimeInForce
from oms_engine.results import Outcome
from oms_engine.simulation.market.amounts import price_of, quantity_of
from oms_engine.simulation.market.book import Book
from oms_engine.simulation.market.envelopes import Envelopes

Later = Callable[..., None]

LOT = 100


class Floor:
    """Where participants work: one trading session of them.

    Args:
        prefix: What every orderId begins with; no other session has it.
        orders: How many orders the session sends.
        books: The books of the venue by symbol: public market data.
        envelopes: Where the envelopes of commands come from.
        later: Does something later, unless the session has ended by then.

    Attributes:
        asked: Commands that wait to be sent.
        left: How many orders may still be sent.
        orders: Every order of the session as the engine last told it.
        children: The orders below an order.
    """

    def __init__(
        self, prefix: str, orders: int, books: Mapping[str, Book], *, envelopes: Envelopes, later: Later
    ) -> None:
        self.later = later
        self.asked: deque[Command] = deque()
        self.left = orders
        self.orders: dict[str, Order] = {}
        self.children: dict[str, list[str]] = {}
        self.symbols = tuple(books)
        self.on_pending: Callable[[Order], None] = lambda _order: None
        self._books = books
        self._prefix = prefix
        self._envelopes = envelopes
        self._sent = 0

    def hear(self, outcome: Outcome) -> None:
        """Learn what a command did."""
        if isinstance(outcome.after, Order) and outcome.result.ok:
            self._know(outcome.after)
        for moved in outcome.others:
            self._know(moved.after)

    def next_id(self) -> str:
        """The id of one more order; it counts as sent."""
        self.left -= 1
        self._sent += 1
        return f"{self._prefix}-{self._sent}"

    def send(self, actor: str, terms: Mapping[str, Any]) -> str:
        """Send a new order; returns its orderId.

        Args:
            actor: Who sends it.
            terms: Fields of a new order.
        """
        order_id = self.next_id()
        order = NewOrder.of(order_id=order_id, cl_ord_id=order_id, **terms)
        self.ask(OrderCreateCmd, actor, order=order)
        return order_id

    def cancel(self, actor: str, order_id: str, *, looks: bool = True) -> None:
        """Ask for a cancel; who looks first asks only where it can be done as far as the engine has heard."""
        if not looks or self.is_working(order_id):
            self.ask(OrderCancelCmd, actor, order_id=order_id, cl_ord_id=self._request_id(order_id))

    def replace(self, actor: str, order_id: str, **terms: object) -> None:
        """Ask for other terms of an order that works and waits for no answer."""
        self.ask(OrderReplaceCmd, actor, order_id=order_id, cl_ord_id=self._request_id(order_id), **terms)

    def ask(self, kind: type[Command], actor: str, **fields: object) -> None:
        """Ask for anything else."""
        self.asked.append(kind.of(**self._envelopes.of(actor), **fields))

    def is_working(self, order_id: str) -> bool:
        """Is the order in the market, with no request that waits for its answer?"""
        order = self.orders.get(order_id)
        return order is not None and order.state in WORKING_STATES and not is_waiting(order)

    def last(self, symbol: str) -> int:
        """The price of the last trade in ticks."""
        return self._books[symbol].last

    def _request_id(self, order_id: str) -> str:
        return f"{order_id}-{self._envelopes.count + 1}"

    def _know(self, order: Order) -> None:
        if order.parent_order_id is not None and order.order_id not in self.orders:
            self.children.setdefault(order.parent_order_id, []).append(order.order_id)
        self.orders[order.order_id] = order
        if order.pending_alloc_qty:
            self.on_pending(order)


def terms(
    account: str, symbol: str, side: Side, ord_type: OrdType, units: int, *, limit: int | None = None, **more: object
) -> dict[str, Any]:
    """The terms of a new order; DAY unless said otherwise.

    Args:
        account: Whose order it is.
        symbol: What is traded.
        side: BUY or SELL.
        ord_type: MARKET, LIMIT, STOP or STOP_LIMIT.
        units: How much.
        limit: The limit in ticks.
        more: Any other fields.
    """
    return {
        "account": account,
        "symbol": symbol,
        "side": side,
        "ord_type": ord_type,
        "order_qty": quantity_of(units),
        "price": None if limit is None else price_of(limit),
        "time_in_force": TimeInForce.DAY,
        **more,
    }


def is_waiting(order: Order) -> bool:
    """Does the order wait for the answer to a cancel or replace request?"""
    return order.cancel_state in {CancelState.PCXL, CancelState.PMOD}


def toward(side: Side, ticks: int) -> int:
    """So many ticks toward the other side of the market: up for who buys, down for who sells."""
    return ticks if side is Side.BUY else -ticks
