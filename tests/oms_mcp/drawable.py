"""Which orders do the tests draw? The same ones every time, with the same ids and times."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from oms_engine import Engine
from tests.oms_engine.desk import Clock, Ids

_TERMS = {"account": "ACC-1", "symbol": "ACME", "side": "BUY", "ordType": "LIMIT", "price": "101.5"}


def do(engine: Engine, kind: str, **fields: Any) -> None:  # noqa: ANN401 - the fields of a command
    """Carry out a command that is not refused."""
    result = engine.execute({"type": kind, **fields})
    assert result.ok, result.message


def create(engine: Engine, order_id: str, quantity: str, **terms: object) -> None:
    order = {**_TERMS, "orderId": order_id, "clOrdId": f"C-{order_id}", "orderQty": quantity, **terms}
    do(engine, "OrderCreateCmd", order=order)


def fill(engine: Engine, order_id: str, exec_id: str, quantity: str, price: str) -> None:
    execution = {"orderId": order_id, "execId": exec_id, "lastQty": quantity, "lastPx": price}
    do(engine, "ExecutionCreateCmd", execution=execution)


@contextmanager
def drawable(url: str = ":memory:", **settings: object) -> Iterator[Engine]:
    """A store with an order that has seen everything (O1), a tree (P), a group (G), and orders that ended."""
    with Engine.open(url, clock=Clock(), new_id=Ids(), session_id="desk", settings=settings) as engine:
        fill_with_orders(engine)
        yield engine


def fill_with_orders(engine: Engine) -> None:
    _a_whole_life(engine)
    _a_tree(engine)
    _a_group(engine)
    create(engine, "O2", "500")
    do(engine, "OrderAcceptCmd", orderId="O2")
    fill(engine, "O2", "E1", "500", "100.25")
    do(engine, "OrderCloseCmd", orderId="O2")
    create(engine, "O3", "70", symbol="ZEBRA", side="SELL")
    do(engine, "OrderRejectCmd", orderId="O3", text="no")


def _a_whole_life(engine: Engine) -> None:
    create(engine, "O1", "1000")
    do(engine, "OrderAcceptCmd", orderId="O1")
    fill(engine, "O1", "E1", "300", "100.5")
    do(engine, "OrderReplaceCmd", orderId="O1", price="102", orderQty="1200")
    do(engine, "OrderReplaceAcceptCmd", orderId="O1")
    fill(engine, "O1", "E2", "200", "101")
    do(engine, "ExecutionBustCmd", orderId="O1", execId="E1", reason="erroneous")
    do(engine, "OrderCancelCmd", orderId="O1", actor="ann")
    do(engine, "OrderCancelAcceptCmd", orderId="O1")


def _a_tree(engine: Engine) -> None:
    create(engine, "P", "1000", handlInst="MANUAL")
    create(engine, "A", "500", parentOrderId="P", handlInst="MANUAL")
    create(engine, "A1", "200", parentOrderId="A")
    create(engine, "B", "400", parentOrderId="P", autoAllocation=False)
    for order_id in ("A1", "B"):
        do(engine, "OrderAcceptCmd", orderId=order_id)
    fill(engine, "B", "e1", "100", "99.5")
    do(engine, "AllocationApproveCmd", orderId="B", quantity="60")
    do(engine, "OrderCancelCmd", orderId="A1")


def _a_group(engine: Engine) -> None:
    for order_id in ("M1", "M2"):
        create(engine, order_id, "300", handlInst="MANUAL")
    do(engine, "OrderGroupCmd", memberOrderIds=["M1", "M2"], groupOrderId="G")


@contextmanager
def drawable_coins() -> Iterator[Engine]:
    """A store with ids and quantities as long as the engine itself makes them: a tree of three levels of bitcoin."""
    with Engine.open(":memory:", clock=Clock(), new_id=_LongIds(), session_id="desk") as engine:
        _a_tree_of_coins(engine)
        yield engine


class _LongIds(Ids):
    """Ids of 32 hexadecimal digits that look drawn by chance, and are the same every time."""

    def __call__(self, prefix: str) -> str:
        return f"{prefix}-{sha256(super().__call__(prefix).encode()).hexdigest()[:32]}"


def coin(level: str) -> str:
    """The id of the order on a level of the tree of coins: root, desk or slice."""
    return f"ORD-{sha256(level.encode()).hexdigest()[:32]}"


def _a_tree_of_coins(engine: Engine) -> None:
    terms = {"symbol": "BTC", "price": "60000.00009"}
    root, desk, last = map(coin, ("root", "desk", "slice"))
    create(engine, root, "1234567.12345678", handlInst="MANUAL", **terms)
    create(engine, desk, "1000000.00000008", parentOrderId=root, handlInst="MANUAL", **terms)
    create(engine, last, "999999.12345678", parentOrderId=desk, **terms)
    do(engine, "OrderAcceptCmd", orderId=last)
    for exec_id, quantity, price in (("one", "0.12345678", "60000.00003"), ("two", "123456.12345678", "60000.00004")):
        fill(engine, last, coin(exec_id).replace("ORD", "EXEC"), quantity, price)
    do(engine, "OrderCancelCmd", orderId=last, actor="ann")
