"""How do the tests speak to an engine? Short commands, an order in any state, and everything that is stored."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from oms_engine import CommandResult, Engine, Order, Problem

Row = tuple[Any, ...]

START = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
READ_MODEL = ("client_order_ids", "orders", "executions", "allocations", "quote_requests", "quotes")
UPKEEP = (
    "snapshots",
    "chain",
    "account_keys",
    "sinks",
    "outbox",
    "outbox_claims",
    "outbox_dropped",
    "projections",
    "parked_events",
    "store_facts",
)
TABLES = ("events", "commands", *UPKEEP, *READ_MODEL)


class Clock:
    """A clock that moves a millisecond whenever it is read, or to where a test puts it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class Ids:
    """Ids that count per prefix: ORD-1, ORD-2, CMD-1."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def __call__(self, prefix: str) -> str:
        self.last[prefix] = self.last.get(prefix, 0) + 1
        return f"{prefix}-{self.last[prefix]}"


class Desk:
    """An engine with a scripted clock and counted ids, and the words to use it in one line."""

    def __init__(self, url: str = ":memory:", /, **settings: object) -> None:
        self.clock = Clock()
        dotted = {name.replace("__", "."): value for name, value in settings.items()}
        self.engine = Engine.open(url, settings=dotted, clock=self.clock, new_id=Ids(), session_id="S1")
        self._requests = 0

    def do(self, kind: str, /, **fields: object) -> CommandResult:
        return self.engine.execute({"type": kind, **fields})

    def ok(self, kind: str, /, **fields: object) -> CommandResult:
        result = self.do(kind, **fields)
        assert result.ok, result.message
        return result

    def refused(self, kind: str, /, **fields: object) -> Problem:
        """The problem of a command that must be refused and must not leave a trace."""
        before = self.rows()
        result = self.do(kind, **fields)
        assert not result.ok, f"{kind} was carried out: {result.message}"
        assert result.error is not None
        assert self.rows() == before
        return result.error

    def asked(self, **order: object) -> dict[str, object]:
        """A good order as a client asks for it, with the changes given; None takes a field away."""
        self._requests += 1
        good = {
            "orderId": f"o{self._requests}",
            "clOrdId": f"c{self._requests}",
            "account": "ACC",
            "symbol": "IBM",
            "side": "BUY",
            "ordType": "LIMIT",
            "orderQty": "1000",
            "price": "100",
        }
        return {name: value for name, value in (good | order).items() if value is not None}

    def create(self, **order: object) -> CommandResult:
        return self.do("OrderCreateCmd", order=self.asked(**order))

    def accept(self, order_id: str) -> CommandResult:
        return self.ok("OrderAcceptCmd", orderId=order_id)

    def fill(self, order_id: str, quantity: str, price: str = "100", exec_id: str | None = None) -> CommandResult:
        name = exec_id or f"e{len(self.engine.executions(order_id)) + 1}"
        fill = {"orderId": order_id, "execId": name, "lastQty": quantity, "lastPx": price}
        return self.ok("ExecutionCreateCmd", execution=fill)

    def order(self, order_id: str) -> Order:
        return self.engine.find(order_id)

    def types(self, order_id: str) -> list[str]:
        return [event.type for event in self.engine.history(order_id)]

    def rows(self, tables: tuple[str, ...] = TABLES) -> dict[str, list[Row]]:
        """Everything that is stored, row by row."""
        connection = self.engine._store.connection
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}  # noqa: S608 - own names

    def given(self, state: str, **order: object) -> str:
        """An order of 1000 in this state, by the shortest way; PART is LIVE with 300 filled."""
        manual = {"handlInst": "MANUAL"} if state == "NEW" else {}
        created = self.create(**(manual | order))
        assert created.ok, created.message
        order_id = created.id
        for kind, fields in _WAYS[state]:
            if kind == "fill":
                self.fill(order_id, str(fields))
            else:
                assert isinstance(fields, dict)
                self.ok(kind, orderId=order_id, **fields)
        return order_id


_ACCEPTED: tuple[tuple[str, object], ...] = (("OrderAcceptCmd", {}),)
_PART = (*_ACCEPTED, ("fill", Decimal(300)))
_FILLED = (*_ACCEPTED, ("fill", Decimal(1000)))
_ASKED: tuple[tuple[str, object], ...] = (("OrderCancelCmd", {}),)
_OTHER_PRICE: tuple[tuple[str, object], ...] = (("OrderReplaceCmd", {"price": "101"}),)
_WAYS: dict[str, tuple[tuple[str, object], ...]] = {
    "NEW": (),
    "UNACK": (),
    "UNACK+PCXL": _ASKED,
    "UNACK+PMOD": _OTHER_PRICE,
    "LIVE": _ACCEPTED,
    "LIVE+PCXL": (*_ACCEPTED, *_ASKED),
    "LIVE+PMOD": (*_ACCEPTED, *_OTHER_PRICE),
    "PART": _PART,
    "PART+PCXL": (*_PART, *_ASKED),
    "PART+PMOD": (*_PART, *_OTHER_PRICE),
    "FILLED": _FILLED,
    "CXL": (*_PART, ("OrderCancelAcceptCmd", {"unsolicited": True})),
    "REJ": (("OrderRejectCmd", {}),),
    "EXP": (*_PART, ("OrderExpireCmd", {})),
    "CLOSED": (*_FILLED, ("OrderCloseCmd", {})),
}
"""State -> the commands that lead a good order there. CXL and EXP have 300 filled, CLOSED is filled."""
