"""What is an order to the package eventsourcing? The same events with the same fields, and the same decisions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool

from benchmarks.lifecycle import BATCH, Json
from oms_engine.record import instant_text


class Refused(ValueError):
    """The command is not possible now."""


class Order(Aggregate):
    """An order; decimals stand in events as text, as they do in those of the engine."""

    @event("OrderCreated")
    def __init__(
        self,
        *,
        order_id: str,
        session_id: str,
        cl_ord_id: str,
        root_order_id: str,
        leg: str,
        role: str,
        account: str,
        symbol: str,
        side: str,
        ord_type: str,
        order_qty: str,
        time_in_force: str,
        handl_inst: str,
        auto_allocation: bool,
        auto_forward: bool,
        asset_class: str,
        price: str,
        sending_time: str,
    ) -> None:
        self.order_id, self.root_order_id = order_id, root_order_id
        self.session_id, self.cl_ord_id = session_id, cl_ord_id
        self.leg, self.role = leg, role
        self.account, self.symbol, self.side, self.asset_class = account, symbol, side, asset_class
        self.ord_type, self.time_in_force, self.handl_inst = ord_type, time_in_force, handl_inst
        self.auto_allocation, self.auto_forward = auto_allocation, auto_forward
        self.order_qty, self.price = Decimal(order_qty), Decimal(price)
        self.sending_time = sending_time
        self.state = "NEW"
        self.cum_qty = Decimal(0)
        self.value = Decimal(0)
        self.executions: dict[str, tuple[Decimal, Decimal]] = {}

    @event("OrderPlaced")
    def place(self, *, routing: str) -> None:
        """It goes to the market."""
        self._want("NEW")
        self.routing = routing
        self.state = "UNACK"

    @event("OrderAccepted")
    def accept(self) -> None:
        """The market has it."""
        self._want("UNACK")
        self.state = "LIVE"

    def fill(self, exec_id: str, last_qty: str, last_px: str, transact_time: str) -> None:
        """Book an execution; the one that fills the order ends it."""
        self._want("LIVE")
        quantity, price = Decimal(last_qty), Decimal(last_px)
        cum_qty = self.cum_qty + quantity
        if exec_id in self.executions or cum_qty > self.order_qty:
            raise Refused(f"order {self.order_id} cannot book {exec_id} of {last_qty}")
        avg_px = str((self.value + quantity * price) / cum_qty)
        self.book(
            exec_id=exec_id,
            order_id=self.order_id,
            last_qty=last_qty,
            last_px=last_px,
            exec_type="F",
            cum_qty=str(cum_qty),
            leaves_qty=str(self.order_qty - cum_qty),
            avg_px=avg_px,
            transact_time=transact_time,
        )
        if cum_qty == self.order_qty:
            self.end(cum_qty=str(cum_qty), avg_px=avg_px, exec_id=exec_id)

    @event("ExecutionCreated")
    def book(
        self,
        *,
        exec_id: str,
        order_id: str,  # noqa: ARG002 - a field of the event
        last_qty: str,
        last_px: str,
        exec_type: str,  # noqa: ARG002 - as above
        cum_qty: str,
        leaves_qty: str,
        avg_px: str,
        transact_time: str,
    ) -> None:
        """An execution is booked."""
        self.executions[exec_id] = Decimal(last_qty), Decimal(last_px)
        self.cum_qty, self.leaves_qty, self.avg_px = Decimal(cum_qty), Decimal(leaves_qty), Decimal(avg_px)
        self.value += Decimal(last_qty) * Decimal(last_px)
        self.transact_time = transact_time

    @event("OrderFilled")
    def end(self, *, cum_qty: str, avg_px: str, exec_id: str) -> None:  # noqa: ARG002 - fields of the event
        """Nothing is left."""
        self.state = "FILLED"

    def _want(self, state: str) -> None:
        if self.state != state:
            raise Refused(f"order {self.order_id} is {self.state}, not {state}")


class _Pool(SQLiteConnectionPool):
    """Connections with a PRAGMA synchronous that can be chosen; their own is SQLite's default, FULL."""

    synchronous = "FULL"

    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        connection.cursor().execute(f"PRAGMA synchronous = {self.synchronous}")
        return connection


class Desk:
    """Carries out the commands of a client, one after the other.

    Args:
        path: Their database.
        synchronous: FULL or NORMAL.
        in_hand: Keep each aggregate, and never look whether another process has written.
    """

    def __init__(self, path: Path, synchronous: str = "FULL", *, in_hand: bool = False) -> None:
        pool = type("Pool", (_Pool,), {"synchronous": synchronous})
        with patch("eventsourcing.sqlite.SQLiteConnectionPool", pool):
            self.application: Application[UUID] = Application(
                {
                    "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                    "SQLITE_DBNAME": str(path),
                    "AGGREGATE_CACHE_MAXSIZE": "5000",
                }
            )
        self.ids: dict[str, UUID] = {}
        self._in_hand: dict[str, Order] | None = {} if in_hand else None

    def close(self) -> None:
        """Close their database."""
        self.application.close()

    def execute_all(self, commands: Sequence[Json]) -> None:
        """Save the aggregate after each command."""
        for command in commands:
            self.application.save(self._carry_out(command))

    def execute_in_batches(self, commands: Sequence[Json]) -> None:
        """Save the aggregates of many commands at once."""
        for first in range(0, len(commands), BATCH):
            self.application.save(*map(self._carry_out, commands[first : first + BATCH]))

    def _carry_out(self, command: Json) -> Order:
        now = instant_text(datetime.now(UTC))
        match command:
            case {"type": "OrderCreateCmd", "order": asked}:
                order = _created(asked, now)
                order.place(routing="auto")
                self.ids[order.order_id] = order.id
                if self._in_hand is not None:
                    self._in_hand[order.order_id] = order
            case {"type": "OrderAcceptCmd", "orderId": order_id}:
                order = self._order(order_id)
                order.accept()
            case {"type": "ExecutionCreateCmd", "execution": fill}:
                order = self._order(fill["orderId"])
                order.fill(fill["execId"], fill["lastQty"], fill["lastPx"], now)
            case _:
                raise Refused(f"{command['type']} is no command of this benchmark")
        return order

    def _order(self, order_id: str) -> Order:
        if self._in_hand is not None:
            return self._in_hand[order_id]
        return self.application.repository.get(self.ids[order_id])


def _created(asked: Json, now: str) -> Order:
    return Order(
        order_id=asked["orderId"],
        session_id="engine",
        cl_ord_id=asked["clOrdId"],
        root_order_id=asked["orderId"],
        leg="CLI",
        role="CLIENT",
        account=asked["account"],
        symbol=asked["symbol"],
        side=asked["side"],
        ord_type=asked["ordType"],
        order_qty=asked["orderQty"],
        time_in_force="DAY",
        handl_inst="AUTO",
        auto_allocation=True,
        auto_forward=True,
        asset_class="EQUITY",
        price=asked["price"],
        sending_time=now,
    )
