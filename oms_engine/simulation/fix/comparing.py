"""Does a report say what the engine has? Field by field."""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from pydantic_core import PydanticCustomError

from oms_engine.domain.events import (
    Event,
    ExecutionCorrected,
    ExecutionCreated,
    OrderCancelRejected,
    OrderRejected,
    OrderReplaceRejected,
)
from oms_engine.domain.model import Order
from oms_engine.domain.quantities import fraction_digits, round_half_up
from oms_engine.domain.vocabulary import OPEN_STATES, State, TimeInForce
from oms_engine.record import MAX_FRACTION_DIGITS, parse_decimal, plain
from oms_engine.simulation.fix.reading import Message
from oms_engine.simulation.fix.translating import DONE_FOR_DAY, is_zero, number, whole
from oms_engine.simulation.fix.working import Working

COMPARED = (39, 14, 151, 6, 32, 31, 38, 44, 99, 55, 54, 103, 102)
"""Tags whose values are compared, where a report has them."""

PENDING_CANCEL, PENDING_REPLACE = "6", "E"
LEAST_DIGITS = 2
"""Digits of an average price that are compared at least, however few a log shows."""

_DAY_ENDS = {DONE_FOR_DAY: ("3",)}
"""ExecType (150) -> OrdStatus (39) that it may show beside those that the order has: the day ends, not the order."""

_TERMS_IN = frozenset({"0", "5", "D"})


class Found(NamedTuple):
    """A tag whose value in the log is another than the engine's."""

    tag: int
    log: str
    engine: str


def statuses(working: Working) -> tuple[str, ...]:
    """The OrdStatus (39) values that hold at once, the one that FIX would show first (precedence, FIX 4.4 volume 4)."""
    order = working.order
    pending = [PENDING_CANCEL] * bool(working.open_cancels) + [PENDING_REPLACE] * bool(working.open_replaces)
    if order.state is State.EXP and order.time_in_force is TimeInForce.DAY:
        return (State.EXP.fix, "3", *pending)
    return (*pending, status(order)) if order.state in OPEN_STATES else (status(order), *pending)


def status(order: Order) -> str:
    """OrdStatus (39) of an order without what is pending."""
    return "1" if order.state is State.LIVE and order.cum_qty else order.state.fix


def compared(message: Message, working: Working, events: Iterable[Event]) -> Iterator[Found]:
    """What a report says otherwise than the engine.

    Args:
        message: An execution report (8) or a cancel reject (9).
        working: The order, as it is after the report.
        events: What the report made happen to it.
    """
    order, held = working.order, statuses(working)
    if message.get(39) not in {*held, "", *_DAY_ENDS.get(message.get(150), ())}:
        yield Found(39, message.get(39), held[0])
    if message.type == "8":
        yield from _position(message, order)
        yield from _terms(message, order)
    for event in events:
        yield from _recorded(message, event)


def _position(message: Message, order: Order) -> Iterator[Found]:
    yield from _number(message, 14, order.cum_qty)
    if not (message.get(150) == DONE_FOR_DAY and is_zero(message.get(151))):
        yield from _number(message, 151, order.leaves_qty)
    said = message.get(6)
    if said and not _is_average(said, order.avg_px):
        yield Found(6, said, plain(order.avg_px))


def _is_average(said: str, kept: Decimal) -> bool:
    """Is this the average price, to the digits that are shown, rounded or cut off?"""
    try:
        given = parse_decimal(number(said))
    except PydanticCustomError:
        return False
    given = round_half_up(given, MAX_FRACTION_DIGITS)
    digits = max(LEAST_DIGITS, fraction_digits(given))
    cut = kept.quantize(Decimal(1).scaleb(-digits), ROUND_DOWN)
    return given in {kept, round_half_up(kept, digits), cut}


def _number(message: Message, tag: int, kept: Decimal | None) -> Iterator[Found]:
    said = message.get(tag)
    if not said or kept is None:
        return
    try:
        same = parse_decimal(number(said)) == kept
    except PydanticCustomError:
        same = False
    if not same:
        yield Found(tag, said, plain(kept))


def _terms(message: Message, order: Order) -> Iterator[Found]:
    for tag, kept in ((55, order.symbol), (54, order.side.fix)):
        if message.get(tag) not in {kept, ""}:
            yield Found(tag, message.get(tag), kept)
    if message.get(150) in _TERMS_IN:
        for tag, terms in ((38, order.order_qty), (44, order.price), (99, order.stop_px)):
            yield from _number(message, tag, terms)


def _recorded(message: Message, event: Event) -> Iterator[Found]:
    match event:
        case ExecutionCreated() | ExecutionCorrected():
            yield from _number(message, 32, event.last_qty)
            yield from _number(message, 31, event.last_px)
        case OrderRejected():
            yield from _reason(message, 103, event.ord_rej_reason.value)
        case OrderCancelRejected() | OrderReplaceRejected() if message.type == "9":
            yield from _reason(message, 102, event.cxl_rej_reason.value)


def _reason(message: Message, tag: int, kept: int) -> Iterator[Found]:
    if message.get(tag) and whole(message.get(tag)) != kept:
        yield Found(tag, message.get(tag), str(kept))
