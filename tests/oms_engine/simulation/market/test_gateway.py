from decimal import Decimal

import pytest

from oms_engine.domain.model import ExecutionReport
from oms_engine.domain.vocabulary import CxlRejReason, OrdRejReason, OrdType, Side, TimeInForce
from oms_engine.record import plain
from oms_engine.results import Outcome
from oms_engine.simulation.market.envelopes import Envelopes
from oms_engine.simulation.market.gateway import COMMANDS, Gateway
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
from tests.oms_engine.desk import START, Desk

BOUGHT = ("IBM", Side.BUY, OrdType.LIMIT)


class Sent:
    """A desk whose commands go through a gateway; what the gateway has for the venue is told for each."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.gateway = Gateway(START, Envelopes("K", "sim"))

    def do(self, kind: str, **fields: object) -> list[Request]:
        return self.hear(self.desk.engine.run({"type": kind, **fields}))

    def create(self, **order: object) -> list[Request]:
        return self.do("OrderCreateCmd", order=self.desk.asked(**order))

    def report(self, report: Report) -> list[Request]:
        return self.hear(self.desk.engine.run(self.gateway.command(report)))

    def hear(self, outcome: Outcome) -> list[Request]:
        assert outcome.result.ok, outcome.result.message
        return list(self.gateway.requests(outcome))


def new_order(name: str, quantity: int = 1000) -> NewOrderSingle:
    terms = (*BOUGHT, Decimal(quantity), Decimal(100), None, TimeInForce.DAY)
    return NewOrderSingle(name, f"c{name[1:]}", *terms)


def test_an_order_is_sent_when_it_is_placed() -> None:
    sent = Sent()
    assert sent.create() == [new_order("o1")]
    assert sent.create(handlInst="MANUAL") == []
    assert sent.do("OrderPlaceCmd", orderId="o2") == [new_order("o2")]


def test_requests_are_sent_and_what_was_carried_out_before_is_not_sent_again() -> None:
    sent = Sent()
    sent.create()
    asked = {"commandId": "once", "orderId": "o1", "clOrdId": "r", "price": "99"}
    replace = ReplaceRequest("o1", "r", "c1", Decimal(1000), Decimal(99), None, TimeInForce.DAY, 0)
    assert sent.do("OrderReplaceCmd", **asked) == [replace]
    assert sent.do("OrderReplaceCmd", **asked) == []
    sent.report(Accepted("o1"))
    sent.report(Replaced("o1"))
    assert sent.do("OrderCancelCmd", orderId="o1", clOrdId="x") == [CancelRequest("o1", "r", 0)]


def test_a_replace_to_a_price_of_zero_says_so() -> None:
    sent = Sent()
    sent.create(priceType="SPREAD")
    replace = ReplaceRequest("o1", "r", "c1", Decimal(1000), Decimal(0), None, TimeInForce.DAY, 0)
    assert sent.do("OrderReplaceCmd", orderId="o1", clOrdId="r", price="0") == [replace]


def test_a_replace_of_an_order_that_is_not_in_the_market_is_not_sent() -> None:
    sent = Sent()
    sent.create(handlInst="MANUAL")
    assert sent.do("OrderReplaceCmd", orderId="o1", price="99") == []


def test_only_the_order_at_the_bottom_of_a_tree_is_sent() -> None:
    sent = Sent()
    sent.create(handlInst="MANUAL")
    assert sent.create(parentOrderId="o1", orderQty="600") == [new_order("o2", 600)]
    assert sent.create(parentOrderId="o1", orderQty="400") == [new_order("o3", 400)]
    sent.report(Accepted("o2"))
    sent.report(Accepted("o3"))
    assert sent.do("OrderReplaceCmd", orderId="o1", price="101") == []
    assert sent.do("OrderCancelCmd", orderId="o1") == [CancelRequest("o2", "c2", 0), CancelRequest("o3", "c3", 0)]


def test_a_group_is_sent_and_its_members_are_not() -> None:
    sent = Sent()
    for _ in range(2):
        sent.create(handlInst="MANUAL")
    assert sent.do("OrderGroupCmd", memberOrderIds=["o1", "o2"], groupOrderId="g") == []
    placed = sent.do("OrderPlaceCmd", orderId="g")
    assert [(each.order_id, plain(each.order_qty)) for each in placed if isinstance(each, NewOrderSingle)] == [
        ("g", "2000")
    ]
    assert sent.report(Accepted("g")) == []


def test_a_request_tells_how_many_busts_its_sender_knows() -> None:
    sent = Sent()
    sent.create()
    sent.report(Accepted("o1"))
    sent.report(Filled("o1", "e1", Decimal(5), Decimal(100), 0))
    sent.report(Busted("o1", "e1", "broken"))
    assert sent.do("OrderCancelCmd", orderId="o1", clOrdId="x") == [CancelRequest("o1", "c1", 1)]


def test_a_child_that_a_bust_reopens_below_a_cancelled_parent_is_cancelled_at_the_venue() -> None:
    sent = Sent()
    sent.create(handlInst="MANUAL")
    sent.create(parentOrderId="o1", orderQty="400")
    sent.report(Accepted("o2"))
    sent.report(Filled("o2", "e1", Decimal(400), Decimal(100), 0))
    sent.do("OrderCancelCmd", orderId="o1")
    assert sent.report(Busted("o2", "e1", "broken")) == [CancelRequest("o2", "c2", 1)]


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (Accepted("A"), {"orderId": "A"}),
        (Rejected("A", OrdRejReason.EXCHANGE_CLOSED, "no"), {"orderId": "A", "ordRejReason": 2, "text": "no"}),
        (Cancelled("A", unsolicited=False, text=""), {"orderId": "A"}),
        (Cancelled("A", unsolicited=True, text="t"), {"orderId": "A", "unsolicited": True, "text": "t"}),
        (CancelRejected("A", CxlRejReason.TOO_LATE, "t"), {"orderId": "A", "cxlRejReason": 0, "text": "t"}),
        (Replaced("A"), {"orderId": "A"}),
        (ReplaceRejected("A", CxlRejReason.OTHER, "t"), {"orderId": "A", "cxlRejReason": 99, "text": "t"}),
        (Busted("A", "e", "t"), {"orderId": "A", "execId": "e", "reason": "t"}),
        (Expired("A"), {"orderId": "A"}),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_report_becomes_the_command_that_books_it(report: Report, said: dict[str, object]) -> None:
    command = Gateway(START, Envelopes("K", "sim")).command(report)
    assert type(command) is COMMANDS[type(report)]
    assert command.payload() == said
    assert command.to_wire() == said | {
        "type": command.type, "version": 1, "commandId": "K-1", "correlationId": "sim", "sessionId": "venue",
    }  # fmt: skip


def test_a_fill_is_booked_with_the_time_of_the_market() -> None:
    command = Gateway(START, Envelopes("K", "sim")).command(Filled("A", "e", Decimal(5), Decimal("9.5"), 1_500_000))
    execution = ExecutionReport(
        order_id="A",
        exec_id="e",
        last_qty=Decimal(5),
        last_px=Decimal("9.5"),
        transact_time=START.replace(second=1, microsecond=500_000),
    )
    assert command.payload() == {"execution": execution.to_wire()}


def test_every_report_has_its_command() -> None:
    assert set(COMMANDS) == set(Report.__args__)
