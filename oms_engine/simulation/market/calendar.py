"""When is the market open? Trading days, their hours, and the day of the n-th session."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

_DAY = timedelta(days=1)
_SATURDAY = 5
_LONGEST_BREAK = 366
"""Days without a session after which a calendar is taken to have no more of them."""


class Hours(NamedTuple):
    """The hours of one trading session, in UTC."""

    opening: datetime
    closing: datetime


class TradingCalendar:
    """The days and hours of a market: Monday to Friday but for holidays, at the same times of the day in UTC.

    Args:
        first: The first day that may have a session.
        opens: When each session opens.
        closes: When it closes; later than it opens.
        holidays: Days without a session.
    """

    def __init__(
        self,
        first: date = date(2026, 1, 2),
        *,
        opens: time = time(9, 30),
        closes: time = time(16, 0),
        holidays: Iterable[date] = (),
    ) -> None:
        if closes <= opens:
            raise ValueError(f"closes {closes} is not later than opens {opens}; a session ends on the day it begins")
        self.first = first
        self.opens = opens
        self.closes = closes
        self.holidays = frozenset(holidays)
        self._days: list[date] = []

    def is_trading_day(self, day: date) -> bool:
        """Is there a session on this day?"""
        return day >= self.first and day.weekday() < _SATURDAY and day not in self.holidays

    def session(self, number: int) -> Hours:
        """The hours of the n-th session, counted from 1."""
        if number < 1:
            raise ValueError(f"number {number} is no session; they are counted from 1")
        while len(self._days) < number:
            after = self._days[-1] + _DAY if self._days else self.first
            self._days.append(self._trading_day_from(after))
        return self._hours(self._days[number - 1])

    def _hours(self, day: date) -> Hours:
        return Hours(datetime.combine(day, self.opens, UTC), datetime.combine(day, self.closes, UTC))

    def _trading_day_from(self, day: date) -> date:
        begin = max(day, self.first)
        for distance in range(_LONGEST_BREAK):
            if self.is_trading_day(begin + distance * _DAY):
                return begin + distance * _DAY
        raise ValueError(f"holidays leave no session within {_LONGEST_BREAK} days from {begin}; take some of them out")
