"""Which orders are over, and which wait too long? As of a time, whatever the clock says."""

from datetime import UTC, datetime, timedelta

import pytest

from oms_engine import Refused
from oms_engine.sweep import due, expire_due, last_day_end, overdue
from tests.oms_engine.desk import START, Desk
from tests.oms_engine.trees import book, client, live_group, payload

EXPIRES = START + timedelta(hours=1)
LATER = START + timedelta(hours=2)


def dated(desk: Desk, state: str = "LIVE", **order: object) -> str:
    """An order that is good until an hour after the start."""
    return desk.given(state, timeInForce="GOOD_TILL_DATE", expireTime=EXPIRES.isoformat(), **order)


def names(desk: Desk, as_of: datetime) -> list[str]:
    return [order.order_id for order in due(desk.engine, as_of)]


def test_a_good_till_date_order_is_due_when_its_time_has_come(desk: Desk) -> None:
    order_id = dated(desk)
    assert names(desk, EXPIRES - timedelta(microseconds=1)) == []
    assert names(desk, EXPIRES) == [order_id]


def test_orders_that_are_not_in_the_market_are_not_due(desk: Desk) -> None:
    for state in ("NEW", "FILLED", "CXL", "REJ", "CLOSED"):
        dated(desk, state)
    desk.given("LIVE", timeInForce="GOOD_TILL_CANCEL")
    assert names(desk, LATER) == []


def test_day_orders_are_due_only_where_the_end_of_the_day_is_set(desk: Desk) -> None:
    desk.given("LIVE")
    assert last_day_end(desk.engine, LATER) is None
    assert names(desk, LATER) == []


def test_a_day_order_is_due_at_the_end_of_its_day() -> None:
    desk = Desk(dayEnd="17:00")
    order_id = desk.given("LIVE")
    evening = datetime(2026, 1, 2, 17, tzinfo=UTC)
    assert last_day_end(desk.engine, evening) == evening
    assert last_day_end(desk.engine, evening - timedelta(seconds=1)) == evening - timedelta(days=1)
    assert names(desk, evening - timedelta(seconds=1)) == []
    assert names(desk, evening) == [order_id]


def test_a_day_order_of_the_evening_lives_until_the_next_end() -> None:
    desk = Desk(dayEnd="17:00")
    desk.clock.now = datetime(2026, 1, 2, 18, tzinfo=UTC)
    order_id = desk.given("LIVE")
    assert names(desk, datetime(2026, 1, 3, 16, tzinfo=UTC)) == []
    assert names(desk, datetime(2026, 1, 3, 17, tzinfo=UTC)) == [order_id]


def test_the_end_of_the_day_is_told_in_utc_whatever_zone_asks() -> None:
    desk = Desk(dayEnd="17:00")
    asked = datetime.fromisoformat("2026-01-02T18:30:00+02:00")
    assert last_day_end(desk.engine, asked) == datetime(2026, 1, 1, 17, tzinfo=UTC)


def test_children_expire_before_their_parents_which_follow(desk: Desk) -> None:
    root = client(desk, timeInForce="GOOD_TILL_DATE", expireTime=EXPIRES.isoformat())
    whole = dated(desk, parentOrderId=root)
    other = client(desk, timeInForce="GOOD_TILL_DATE", expireTime=EXPIRES.isoformat())
    part = dated(desk, parentOrderId=other, orderQty="400")
    assert names(desk, LATER) == [part, other, whole, root]
    desk.clock.now = LATER
    told: list[tuple[int, int]] = []
    outcomes = expire_due(desk.engine, LATER, progress=lambda done, every: told.append((done, every)))
    assert all(outcome.result.ok for outcome in outcomes)
    assert [outcome.result.id for outcome in outcomes] == [part, other, whole]
    assert {desk.order(each).state for each in (root, whole, other, part)} == {"EXP"}
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert desk.engine.history(part)[-1].actor == "sweep"
    assert names(desk, LATER) == []


def test_a_refusal_leaves_the_other_orders(desk: Desk) -> None:
    waiting, living = dated(desk, "UNACK"), dated(desk)
    desk.clock.now = LATER
    outcomes = {outcome.result.id or waiting: outcome.result.ok for outcome in expire_due(desk.engine, LATER)}
    assert outcomes == {waiting: False, living: True}
    assert (desk.order(waiting).state, desk.order(living).state) == ("UNACK", "EXP")


def test_a_preview_expires_nothing(desk: Desk) -> None:
    order_id = dated(desk)
    desk.clock.now = LATER
    [outcome] = expire_due(desk.engine, LATER, dry_run=True)
    assert (outcome.result.ok, desk.order(order_id).state) == (True, "LIVE")


def test_members_expire_with_their_group() -> None:
    desk = Desk(dayEnd="17:00")
    live_group(desk, "20", "20")
    desk.clock.now = datetime(2026, 1, 2, 17, tzinfo=UTC)
    outcomes = expire_due(desk.engine, desk.clock.now)
    assert [(outcome.result.id, outcome.result.ok) for outcome in outcomes] == [("g", True)]
    assert [book(desk, each) for each in ("g", "m1", "m2")] == ["EXP 0/0"] * 3
    assert payload(desk, "m1", "OrderExpired")["followedOrderId"] == "g"


def test_a_request_that_waits_longer_than_the_setting_is_overdue() -> None:
    desk = Desk(pendingTimeoutSeconds=60)
    cancel, replace = desk.given("LIVE+PCXL"), desk.given("LIVE")
    desk.given("LIVE")
    desk.ok("OrderReplaceCmd", orderId=replace, price="101")
    asked = desk.engine.history(replace)[-1].recorded_at
    assert overdue(desk.engine, asked + timedelta(seconds=59)) == []
    late = overdue(desk.engine, asked + timedelta(seconds=60, microseconds=1))
    assert [order.order_id for order in late] == [cancel, replace]
    assert desk.order(cancel).cancel_state == "PCXL"
    desk.ok("OrderReplaceRejectCmd", orderId=replace)
    assert [order.order_id for order in overdue(desk.engine, LATER)] == [cancel]


def test_a_fill_is_no_answer_to_a_request() -> None:
    desk = Desk(pendingTimeoutSeconds=60)
    order_id = desk.given("LIVE+PCXL")
    asked = desk.clock.now
    desk.clock.now += timedelta(seconds=50)
    desk.fill(order_id, "10")
    assert [order.order_id for order in overdue(desk.engine, asked + timedelta(seconds=61))] == [order_id]


def test_a_sweep_as_of_the_future_is_refused(desk: Desk) -> None:
    desk.given("LIVE")
    with pytest.raises(Refused, match="lies in the future"):
        expire_due(desk.engine, desk.clock.now + timedelta(days=1))
