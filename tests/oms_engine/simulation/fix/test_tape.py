"""What a venue itself reported of a simulated day, replayed: the engine comes to the venue's own figures."""

import io
import re
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal

import pytest

from oms_engine import Engine, Order
from oms_engine.domain.vocabulary import CxlRejReason, OrdRejReason, OrdType, Side, TimeInForce
from oms_engine.simulation.fix.account import Account, Cause, Difference
from oms_engine.simulation.fix.clock import LogClock
from oms_engine.simulation.fix.comparing import status
from oms_engine.simulation.fix.replaying import Replay
from oms_engine.simulation.fix.tape import EXEC_TYPES, Tape, VenueOrder
from oms_engine.simulation.ids import CountedIds
from oms_engine.simulation.market.messages import (
    Accepted,
    Busted,
    Cancelled,
    CancelRejected,
    CancelRequest,
    Filled,
    NewOrderSingle,
    Rejected,
    Replaced,
    ReplaceRejected,
    ReplaceRequest,
)
from oms_engine.simulation.market.mixes import MIXES
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.session import CALENDAR, Session
from oms_engine.simulation.market.venue import Venue
from oms_engine.simulation.market.world import World
from tests.oms_engine.desk import TABLES
from tests.oms_engine.simulation.fix.logs import assert_it_adds_up
from tests.oms_engine.simulation.market.days import engine_of, run_all
from tests.oms_engine.simulation.market.test_sessions import stored

OPENING = CALENDAR.session(1).opening
ASKED = NewOrderSingle("o1", "C1", "IBM", Side.BUY, OrdType.LIMIT, Decimal(100), Decimal("9.5"), None, TimeInForce.DAY)

Figures = tuple[str, Decimal, Decimal, Decimal | None]
"""OrdStatus, CumQty, AvgPx and LeavesQty of an order."""


def figures(order: Order) -> Figures:
    return status(order), order.cum_qty, order.avg_px, order.leaves_qty


def of_the_venue(order: VenueOrder) -> Figures:
    return order.status, order.cum_qty, order.avg_px, order.leaves_qty


def of_the_book(venue: Venue, name: str) -> tuple[int, Decimal]:
    """What the book filled of an order that the venue took, and its value by the executions that were not broken."""
    counting = [each for exec_id, each in venue.executions.items() if exec_id not in venue.busted]
    value = sum(each.quantity * each.price for each in counting if each.order_id == name)
    taken = venue._orders.get(name)
    return (taken.entry.filled if taken else 0), Decimal(value) / 100


def recorded(plan: MarketPlan, log: io.BytesIO, engine: Engine, world: World) -> tuple[Session, Tape]:
    tape = Tape(OPENING, lambda message: log.write(message + b"\n"))
    session = Session(plan, 1, world, engine.run, tape)
    for _ in session.run():
        pass
    tape.end()
    return session, tape


def replayed(log: bytes) -> tuple[Account, dict[str, Order]]:
    """The account of a log, and the orders that the engine has then, by their clOrdId."""
    clock = LogClock()
    with closing(Engine.open(clock=clock, new_id=CountedIds())) as engine:
        account = Replay(engine, clock, account="STREET").run(io.BytesIO(log))
        page = engine.query(size=500)
        assert page.next_cursor is None
        return account, {order.cl_ord_id: order for order in page.content if isinstance(order, Order)}


def is_a_late_refusal(found: Difference) -> bool:
    """Did the venue refuse a cancel that had become needless? The engine takes no refusal of what has ended."""
    return (found.place.msg_type, found.cause) == ("9", Cause.RULE) and "OMS-STATE-002" in found.explanation


def assert_the_engine_comes_to_the_same(plan: MarketPlan) -> tuple[bytes, Mapping[str, Order]]:
    log, world = io.BytesIO(), World()
    with engine_of(world) as engine:
        session, tape = recorded(plan, log, engine, world)
        traded = {name: engine.get(name) for name in tape.orders}
    account, again = replayed(log.getvalue())
    assert_it_adds_up(account)
    assert (account.unexplained, account.findings, account.unreadable) == (0, (), ())
    assert [found for found in account.differences if not is_a_late_refusal(found)] == []
    assert account.verdicts["NOT_REPLAYED"] == 4
    assert len(again) == len(tape.orders)
    for name, told in tape.orders.items():
        kept = traded[name]
        assert kept is not None
        assert figures(again[told.cl_ord_id]) == of_the_venue(told) == figures(kept)
        assert (told.cum_qty, sum(quantity * price for quantity, price in told.trades.values())) == of_the_book(
            session.venue, name
        )
        assert not told.requests
    return log.getvalue(), again


@pytest.mark.parametrize(
    ("mix", "orders", "seed"), [("retail", 200, 12), ("institutional", 200, 11), ("market-maker", 120, 12)]
)
def test_the_engine_comes_to_what_the_venue_reported_of_a_day_with_faults(mix: str, orders: int, seed: int) -> None:
    log, again = assert_the_engine_comes_to_the_same(MarketPlan(orders, seed, mix, "many"))
    assert log.count(b"\x0110=") >= 500
    types, kinds = (set(re.findall(rb"\x01%d=(.)\x01" % tag, log)) for tag in (35, 150))
    assert types == {b"A", b"D", b"F", b"G", b"8", b"9", b"5"}
    assert kinds == {kind.encode() for kind in EXEC_TYPES.values()}
    assert any(order.avg_px != round(order.avg_px, 2) for order in again.values())


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
def test_the_engine_comes_to_what_the_venue_reported_of_days_of_many_seeds(mix: str) -> None:
    for seed in range(1, 31):
        assert_the_engine_comes_to_the_same(MarketPlan(orders=40, seed=seed, mix=mix, faults="many"))


def test_a_day_is_the_same_whether_a_tape_runs_or_not() -> None:
    plan = MarketPlan(orders=60, seed=3, mix="institutional", faults="many")
    world, other = World(), World()
    with engine_of(world) as engine, engine_of(other) as silent:
        recorded(plan, io.BytesIO(), engine, world)
        run_all(plan, other, silent)
        assert stored(engine, TABLES) == stored(silent, TABLES)


def on_a_tape() -> tuple[Tape, list[bytes]]:
    """A tape of an order that the venue has acknowledged, and what is written on it, without the logons."""
    written: list[bytes] = []
    tape = Tape(OPENING, written.append)
    tape.sent(ASKED, 1_000)
    tape.reported(Accepted("o1"), 2_000)
    tape.delivered()
    del written[:2]
    return tape, written


def said(message: bytes, *tags: int) -> list[str | None]:
    fields = dict(field.split("=", 1) for field in message.decode().split("\x01") if field)
    return [fields.get(str(tag)) for tag in tags]


def test_what_waits_on_a_line_that_is_down_is_written_when_it_comes_with_what_held_when_it_was_sent() -> None:
    tape, written = on_a_tape()
    tape.reported(Filled("o1", "x1", Decimal(30), Decimal(9), 3_000), 3_000)
    tape.reported(Filled("o1", "x2", Decimal(60), Decimal("9.5"), 4_000), 4_000)
    tape.sent(CancelRequest("o1", "C1", 0), 5_000)
    assert [said(each, 35) for each in written] == [["D"], ["8"], ["F"]]
    tape.delivered()
    tape.delivered()
    assert [said(each, 34, 52, 17, 39, 14, 151, 6) for each in written[3:]] == [
        ["3", "20260102-09:30:00.003", "x1", "1", "30", "70", "9"],
        ["4", "20260102-09:30:00.004", "x2", "1", "90", "10", "9.33333333"],
    ]


def test_requests_form_a_chain_of_names_and_a_refused_one_leaves_the_name_as_it_was() -> None:
    tape, written = on_a_tape()
    terms = (Decimal(80), Decimal(9), None, TimeInForce.DAY, 0)
    tape.sent(ReplaceRequest("o1", "C2", "C1", *terms), 3_000)
    tape.reported(Replaced("o1"), 4_000)
    tape.sent(ReplaceRequest("o1", "C3", "C2", *terms), 5_000)
    tape.reported(ReplaceRejected("o1", CxlRejReason.BROKER_OPTION, "no"), 6_000)
    tape.sent(CancelRequest("o1", "C2", 0), 7_000)
    tape.reported(Cancelled("o1", unsolicited=False, text=""), 8_000)
    for _ in range(3):
        tape.delivered()
    assert [said(each, 35, 11, 41, 38) for each in written[2:]] == [
        ["G", "C2", "C1", "80"],
        ["G", "C3", "C2", "80"],
        ["F", "C2~1", "C2", None],
        ["8", "C2", "C1", "80"],
        ["9", "C3", "C2", None],
        ["8", "C2~1", "C2", "80"],
    ]
    assert tape.orders["o1"].cl_ord_id == "C2"
    assert said(written[-1], 39, 150, 151) == ["4", "4", "0"]


def test_a_broken_trade_counts_no_more_and_opens_an_order_again_that_it_had_filled() -> None:
    tape, written = on_a_tape()
    tape.reported(Filled("o1", "x1", Decimal(100), Decimal(9), 3_000), 3_000)
    tape.reported(Busted("o1", "x1", "broken"), 4_000)
    tape.delivered()
    tape.delivered()
    assert [said(each, 150, 39, 14, 151, 6, 19) for each in written[2:]] == [
        ["F", "2", "100", "0", "9", None],
        ["H", "0", "0", "100", "0", "x1"],
    ]


def test_an_order_that_is_unknown_to_the_venue_has_no_order_id_in_the_refusal_of_its_cancel() -> None:
    tape, written = on_a_tape()
    tape.sent(ASKED._replace(order_id="o2", cl_ord_id="C2"), 3_000)
    tape.sent(CancelRequest("o2", "C2", 0), 4_000)
    tape.reported(Rejected("o2", OrdRejReason.EXCHANGE_CLOSED, "closed"), 5_000)
    tape.reported(CancelRejected("o2", CxlRejReason.UNKNOWN_ORDER, "no such order here"), 6_000)
    tape.delivered()
    tape.delivered()
    assert [said(each, 35, 37, 39) for each in written[-2:]] == [["8", "V2", "8"], ["9", "NONE", "8"]]
