"""How long do questions take while a market is simulated? A fixed mix of them, asked between sessions."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns

from oms_engine.domain.model import Order
from oms_engine.engine import Engine
from oms_engine.simulation.load.measures import Histogram

_ROUNDS = 40
"""Sessions after which questions are asked, spread over the run."""

_ORDERS = 10
"""Orders that are asked about each time."""

QUERIES: Mapping[str, Callable[[Engine, Order], object]] = {
    "order by id": lambda engine, order: engine.find(order.order_id),
    "history of an order": lambda engine, order: engine.history(order.order_id),
    "executions of an order": lambda engine, order: engine.executions(order.order_id),
    "tree of an order": lambda engine, order: engine.tree(order.order_id),
    "newest 50 of an account": lambda engine, order: engine.query(where=[f"account={order.account}"], cursor="*"),
    "newest 50 of a symbol and state": lambda engine, order: engine.query(
        where=[f"symbol={order.symbol}", f"state={order.state}"], cursor="*"
    ),
}
"""Name -> the question about an order."""


class Questions:
    """Asks the mix every now and then, and keeps how long the answers took.

    Args:
        engine: Who is asked.
        sessions: How many sessions there will be.
    """

    def __init__(self, engine: Engine, sessions: int) -> None:
        self.latencies = {name: Histogram() for name in QUERIES}
        self._engine = engine
        self._every = max(1, -(-sessions // _ROUNDS))
        self._last = sessions

    def after(self, number: int, orders: Sequence[Order]) -> None:
        """The n-th session has ended; ask about some of its orders, where it is time."""
        if number % self._every and number != self._last:
            return
        for order in orders[:: max(1, len(orders) // _ORDERS)][:_ORDERS]:
            for name, ask in QUERIES.items():
                began = perf_counter_ns()
                ask(self._engine, order)
                self.latencies[name].note(perf_counter_ns() - began)
