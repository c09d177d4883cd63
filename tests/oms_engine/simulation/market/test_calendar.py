from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.simulation.market.calendar import TradingCalendar

FRIDAY = date(2026, 1, 2)
MONDAY = date(2026, 1, 5)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), UTC)


def test_sessions_go_from_monday_to_friday_but_for_holidays() -> None:
    calendar = TradingCalendar(FRIDAY, holidays=[date(2026, 1, 6)])
    days = [calendar.session(number).opening.date().day for number in range(1, 8)]
    assert days == [2, 5, 7, 8, 9, 12, 13]


def test_a_session_has_its_hours() -> None:
    hours = TradingCalendar(FRIDAY, opens=time(8, 0), closes=time(12, 15)).session(1)
    assert hours == (at(FRIDAY, 8), at(FRIDAY, 12, 15))


def test_before_its_first_day_there_is_no_session() -> None:
    calendar = TradingCalendar(MONDAY)
    assert not calendar.is_trading_day(FRIDAY)
    assert calendar.session(1).opening == at(MONDAY, 9, 30)


@given(st.integers(1, 600), st.sets(st.dates(date(2026, 1, 1), date(2027, 6, 1)), max_size=60))
def test_between_two_sessions_is_no_trading_day(number: int, holidays: set[date]) -> None:
    calendar = TradingCalendar(FRIDAY, holidays=holidays)
    before, after = (calendar.session(each).opening.date() for each in (number, number + 1))
    between = [before + timedelta(days=days) for days in range(1, (after - before).days)]
    assert calendar.is_trading_day(before)
    assert calendar.is_trading_day(after)
    assert not any(calendar.is_trading_day(day) for day in between)
    assert TradingCalendar(FRIDAY, holidays=holidays).session(number).opening.date() == before


def test_what_is_no_session_is_refused() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        TradingCalendar().session(0)
    with pytest.raises(ValueError, match="not later than"):
        TradingCalendar(opens=time(10), closes=time(10))
    always = [FRIDAY + timedelta(days=day) for day in range(400)]
    with pytest.raises(ValueError, match="take some of them out"):
        TradingCalendar(FRIDAY, holidays=always).session(1)
