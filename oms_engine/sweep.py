"""Which orders are over by now, and which wait too long for an answer? Asked by a person or a timer."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from oms_engine.domain.catalogue import violation
from oms_engine.domain.model import Order
from oms_engine.domain.vocabulary import WORKING_STATES
from oms_engine.engine import Engine
from oms_engine.errors import Refused, problem_of
from oms_engine.executor import MAX_BATCH
from oms_engine.record import instant_text
from oms_engine.results import Outcome

Progress = Callable[[int, int], None]
"""Told how many orders were asked to expire, and how many are due."""


def last_day_end(engine: Engine, as_of: datetime) -> datetime | None:
    """The last end of a trading day by this time, from the setting dayEnd (HH:MM in UTC); None while it is off."""
    if engine.settings.day_end is None:
        return None
    ends = datetime.combine(as_of.astimezone(UTC), time.fromisoformat(engine.settings.day_end), UTC)
    return ends if ends <= as_of else ends - timedelta(days=1)


def due(engine: Engine, as_of: datetime) -> list[Order]:
    """Orders in the market whose time in force has ended, children before their parents.

    GOOD_TILL_DATE orders when their expireTime has come; DAY orders that were created before the last end of the day.
    """
    day_end = last_day_end(engine, as_of)
    dated = engine.due(as_of, day_orders=False)
    ended = engine.due(day_end, day_orders=True) if day_end else []
    found = {order.order_id: order for order in (*dated, *ended)}
    return sorted(found.values(), key=lambda order: order.id, reverse=True)


def expire_due(
    engine: Engine, as_of: datetime, *, dry_run: bool = False, progress: Progress = lambda _done, _all: None
) -> list[Outcome]:
    """Send OrderExpireCmd to every order that is due; a refusal of one leaves the others.

    Parents and members that have ended with an order before them are not asked again.

    Args:
        engine: The engine.
        as_of: The time by which an order must have ended; it becomes no part of the events, which carry the clock.
        dry_run: Say what would happen and store nothing.
        progress: Told after every order.

    Raises:
        Refused: OMS-VAL-005 for a time in the future: nothing has ended by then yet.
    """
    if as_of > engine.now():
        message = f"as_of {instant_text(as_of)} lies in the future; orders expire when their time has come"
        raise Refused(problem_of([violation("END-02", "OMS-VAL-005", "as_of", message)]))
    orders = due(engine, as_of)
    previews = _previews(engine, orders) if dry_run else iter(())
    outcomes: list[Outcome] = []
    ended: set[str] = set()
    for number, order in enumerate(orders, 1):
        outcome = next(previews, None) if dry_run or order.order_id in ended else engine.run(_expiry(order))
        if outcome is not None and order.order_id not in ended:
            outcomes.append(outcome)
            ended |= {moved.after.order_id for moved in outcome.others if moved.after.state not in WORKING_STATES}
        progress(number, len(orders))
    return outcomes


def _previews(engine: Engine, orders: Sequence[Order]) -> Iterator[Outcome]:
    """What each would answer after those before it; every batch is taken back, so a new one starts from the book."""
    for first in range(0, len(orders), MAX_BATCH):
        yield from engine.execute_many(map(_expiry, orders[first : first + MAX_BATCH]), dry_run=True).outcomes


def _expiry(order: Order) -> dict[str, str]:
    return {"type": "OrderExpireCmd", "orderId": order.order_id, "actor": "sweep"}


def overdue(engine: Engine, as_of: datetime) -> list[Order]:
    """Orders whose cancel or replace request has waited longer than `pendingTimeoutSeconds`, for escalation."""
    return engine.pending_since(as_of - timedelta(seconds=engine.settings.pending_timeout_seconds))
