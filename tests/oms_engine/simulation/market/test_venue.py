from decimal import Decimal

import pytest

from oms_engine.domain.vocabulary import CxlRejReason, OrdRejReason, OrdType, Side, TimeInForce
from oms_engine.simulation.market.book import BookOrder
from oms_engine.simulation.market.chance import MILLION
from oms_engine.simulation.market.faults import Faults
from oms_engine.simulation.market.messages import (
    Accepted,
    Busted,
    Cancelled,
    CancelRejected,
    Expired,
    Filled,
    Rejected,
    Replaced,
    ReplaceRejected,
    Report,
)
from tests.oms_engine.simulation.market.days import Alone

BUY, SELL = Side.BUY, Side.SELL


def fill(name: str, number: int, quantity: int, price: str = "100") -> Filled:
    return Filled(name, f"{name}-X{number}", Decimal(quantity), Decimal(price), 0)


def reason(told: list[Report]) -> OrdRejReason | CxlRejReason:
    assert isinstance(told[-1], Rejected | CancelRejected | ReplaceRejected)
    return told[-1].reason


def test_two_clients_who_meet_are_both_told() -> None:
    alone = Alone()
    assert alone.new("B") == [Accepted("B")]
    assert alone.new("S", SELL, "4", "99.5") == [Accepted("S"), fill("B", 1, 4), fill("S", 2, 4)]
    assert {name: (each.order_id, each.quantity, each.price) for name, each in alone.venue.executions.items()} == {
        "B-X1": ("B", 4, 10_000),
        "S-X2": ("S", 4, 10_000),
    }


def test_the_street_trades_and_is_told_nothing() -> None:
    alone = Alone()
    alone.venue.enter("ACME", BookOrder("", 3, 10_001, buys=False))
    assert alone.new("B", price="100.01") == [Accepted("B"), fill("B", 1, 3, "100.01")]


def test_a_market_order_that_finds_nobody_is_cancelled() -> None:
    assert Alone().new("B", price=None) == [
        Accepted("B"),
        Cancelled("B", unsolicited=True, text="nobody left to trade with"),
    ]


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"symbol": "NONE"}, OrdRejReason.UNKNOWN_SYMBOL),
        ({"ord_type": OrdType.MARKET_ON_CLOSE}, OrdRejReason.UNSUPPORTED_CHARACTERISTIC),
        ({"time_in_force": TimeInForce.AT_THE_OPENING}, OrdRejReason.UNSUPPORTED_CHARACTERISTIC),
        ({"quantity": "1.5"}, OrdRejReason.INCORRECT_QUANTITY),
        ({"quantity": "0"}, OrdRejReason.INCORRECT_QUANTITY),
        ({"price": None, "ord_type": OrdType.LIMIT}, OrdRejReason.OTHER),
        ({"ord_type": OrdType.STOP_LIMIT}, OrdRejReason.OTHER),
        ({"side": Side.REDEEM}, OrdRejReason.UNSUPPORTED_CHARACTERISTIC),
        ({"price": "100.005"}, OrdRejReason.INVALID_PRICE_INCREMENT),
        ({"price": "120.01"}, OrdRejReason.PRICE_EXCEEDS_BAND),
        ({"stop_px": Decimal("79.99")}, OrdRejReason.PRICE_EXCEEDS_BAND),
    ],
    ids=str,
)
def test_an_order_that_the_venue_cannot_take_is_rejected_with_its_reason(
    terms: dict[str, object], why: OrdRejReason
) -> None:
    assert reason(Alone().new("B", **terms)) is why  # type: ignore[arg-type] # as given


def test_a_limit_on_the_edge_of_the_band_is_taken() -> None:
    assert Alone().new("B", price="120") == [Accepted("B")]
    assert Alone().new("S", SELL, price="80") == [Accepted("S")]


def test_an_order_that_was_sent_before_is_rejected() -> None:
    alone = Alone()
    alone.new("B")
    assert reason(alone.new("B")) is OrdRejReason.DUPLICATE_ORDER


def test_a_cancel_takes_the_order_out_of_the_book() -> None:
    alone = Alone()
    alone.new("B")
    assert alone.cancel("B") == [Cancelled("B", unsolicited=False, text="")]
    assert alone.new("S", SELL) == [Accepted("S")]
    assert reason(alone.cancel("B")) is CxlRejReason.TOO_LATE
    assert reason(alone.cancel("other")) is CxlRejReason.UNKNOWN_ORDER


def test_a_replace_gives_new_terms_which_may_trade_at_once() -> None:
    alone = Alone()
    alone.new("B", price="99")
    alone.new("S", SELL, "4", "101")
    assert alone.replace("B", "6", "101") == [Replaced("B"), fill("S", 1, 4, "101"), fill("B", 2, 4, "101")]


@pytest.mark.parametrize("price", ["80", "120"])
def test_a_replace_may_go_as_far_as_the_price_band(price: str) -> None:
    alone = Alone()
    alone.new("B")
    assert alone.replace("B", price=price) == [Replaced("B")]


def test_the_price_band_holds_for_a_replace_of_a_stop_too() -> None:
    alone = Alone()
    alone.new("B", price=None, ord_type=OrdType.STOP, stop_px=Decimal(105))
    assert alone.replace("B", price=None, stop_px=Decimal("120.01")) == [
        ReplaceRejected("B", CxlRejReason.OTHER, "price 120.01 is more than 20 % off 100")
    ]


def test_a_replace_to_what_is_executed_ends_the_order() -> None:
    alone = Alone()
    alone.new("B")
    alone.new("S", SELL, "4")
    assert alone.replace("B", "4") == [Replaced("B")]
    assert reason(alone.cancel("B")) is CxlRejReason.TOO_LATE


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"quantity": "3"}, CxlRejReason.TOO_LATE),
        ({"quantity": "10.5"}, CxlRejReason.OTHER),
        ({"price": "100.001"}, CxlRejReason.INVALID_PRICE_INCREMENT),
        *(({"price": price}, CxlRejReason.OTHER) for price in ("120.01", "79.99", "100000", "0", "-5")),
        ({"price": None}, CxlRejReason.OTHER),
        ({"time_in_force": TimeInForce.FILL_OR_KILL}, CxlRejReason.OTHER),
        ({"changes_seen": 1}, CxlRejReason.ORIG_ORD_MOD_TIME_MISMATCH),
    ],
    ids=str,
)
def test_a_replace_that_cannot_be_done_is_rejected_and_changes_nothing(
    terms: dict[str, object], why: CxlRejReason
) -> None:
    alone = Alone()
    alone.new("B")
    alone.new("S", SELL, "4")
    assert reason(alone.replace("B", **terms)) is why  # type: ignore[arg-type] # as given
    assert alone.new("T", SELL, "10")[1:] == [fill("B", 3, 6), fill("T", 4, 6)]
    assert reason(alone.replace("other")) is CxlRejReason.UNKNOWN_ORDER


def test_at_the_close_what_is_good_for_the_day_expires_and_everything_else_is_cancelled() -> None:
    alone = Alone()
    alone.new("day")
    alone.new("gtc", time_in_force=TimeInForce.GOOD_TILL_CANCEL)
    alone.new("stop", price=None, ord_type=OrdType.STOP, stop_px=Decimal(105))
    alone.venue.close()
    assert alone.told[3:] == [
        Expired("day"),
        Cancelled("gtc", unsolicited=True, text="end of session"),
        Expired("stop"),
    ]
    assert reason(alone.new("late")) is OrdRejReason.EXCHANGE_CLOSED
    assert reason(alone.cancel("day")) is CxlRejReason.TOO_LATE


def test_an_order_is_refused_when_chance_says_so() -> None:
    alone = Alone(Faults(reject=MILLION))
    assert reason(alone.new("B")) is OrdRejReason.BROKER_OPTION
    assert alone.venue.happened == {"reject": 1}


def test_an_order_without_fills_is_rejected_late_and_one_with_fills_is_not() -> None:
    alone = Alone(Faults(late_reject=MILLION))
    alone.new("B")
    alone.new("S", SELL, "4", "100")
    alone.new("C", price="99")
    assert [each.order_id for each in alone.wait()] == ["C"]
    assert reason(alone.told) is OrdRejReason.SURVEILLANCE


def test_requests_are_refused_when_chance_says_so() -> None:
    alone = Alone(Faults(refused_cancel=MILLION, refused_replace=MILLION))
    alone.new("B")
    assert reason(alone.cancel("B")) is CxlRejReason.BROKER_OPTION
    assert reason(alone.replace("B", "5")) is CxlRejReason.BROKER_OPTION
    assert alone.venue.happened == {"refused cancel": 1, "refused replace": 1}
    assert alone.new("S", SELL)[1:] == [fill("B", 1, 10), fill("S", 2, 10)]


def busted(name: str, number: int) -> Busted:
    return Busted(name, f"{name}-X{number}", "trade broken by the venue")


def test_of_a_broken_trade_who_waited_is_open_again_and_who_came_in_is_cancelled() -> None:
    alone = Alone(Faults(bust=MILLION))
    alone.new("B")
    alone.new("S", SELL)
    assert alone.wait() == [
        busted("B", 1),
        busted("S", 2),
        Cancelled("S", unsolicited=True, text="its trade was broken"),
    ]
    assert alone.venue.busted == {"B-X1", "S-X2"}
    assert alone.cancel("B", changes_seen=1) == [Cancelled("B", unsolicited=False, text="")]


def test_an_order_that_has_ended_stays_ended_when_its_trade_is_broken() -> None:
    alone = Alone(Faults(bust=MILLION))
    alone.new("B")
    alone.new("S", SELL, "4")
    alone.cancel("B")
    assert [type(each) for each in alone.wait()] == [Busted, Busted, Cancelled]
    assert reason(alone.cancel("B", changes_seen=1)) is CxlRejReason.TOO_LATE


def test_a_request_from_before_a_bust_is_refused() -> None:
    alone = Alone(Faults(bust=MILLION))
    alone.new("B")
    alone.new("S", SELL, "4")
    alone.wait()
    assert reason(alone.cancel("B")) is CxlRejReason.ORIG_ORD_MOD_TIME_MISMATCH
    assert reason(alone.replace("B", "5")) is CxlRejReason.ORIG_ORD_MOD_TIME_MISMATCH


def test_no_trade_is_broken_after_the_close() -> None:
    alone = Alone(Faults(bust=MILLION))
    alone.new("B")
    alone.new("S", SELL)
    alone.venue.close()
    assert alone.wait() == []


@pytest.mark.parametrize(("cancels", "told"), [(0, 0), (MILLION, 2)])
def test_when_the_line_goes_down_a_venue_may_cancel_everything(cancels: int, told: int) -> None:
    alone = Alone(Faults(cancel_on_disconnect=cancels))
    alone.new("B")
    alone.new("C", price="99")
    alone.venue.disconnect()
    assert alone.told[2:] == [
        Cancelled(name, unsolicited=True, text="cancelled on disconnect") for name in ("B", "C")[:told]
    ]
