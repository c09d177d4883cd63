"""Which command does a FIX message become?"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic_core import PydanticCustomError

from oms_engine.domain.model import Order
from oms_engine.domain.vocabulary import OPEN_STATES, CancelState, TimeInForce
from oms_engine.record import parse_decimal, parse_instant, plain
from oms_engine.simulation.fix.reading import Message
from oms_engine.simulation.fix.tags import EXEC_TYPES, FILL, ORDER, TERMS, Mapped

Envelope = dict[str, Any]

_TIMESTAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,12})?")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_MICROSECOND_DIGITS = 7
_MOST_DIGITS = 9
_WITH_POINT = re.compile(r"(-?)([0-9]*)\.([0-9]*)")

DONE_FOR_DAY = "3"
"""ExecType (150) that says that the day of an order is over, and not by itself that the order is."""

_LIVE_ON = frozenset({TimeInForce.GOOD_TILL_CANCEL, TimeInForce.GOOD_TILL_DATE})
"""Orders that the next day finds as this one left them."""

SAME_IN_A_REPLACE = ("symbol", "side", "account", "ord_type")
"""What a replace request (G) repeats and does not change (Python names)."""


@lru_cache(maxsize=256)
def iso(text: str) -> str:
    """A UTCTimestamp of FIX as ISO-8601; whatever else is given comes back as it is, and is refused by the engine."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return text
    year, month, day, time, fraction = found.groups()
    return f"{year}-{month}-{day}T{time}{(fraction or '')[:_MICROSECOND_DIGITS]}Z"


def moment(text: str) -> datetime | None:
    """A UTCTimestamp of FIX as a time in UTC; None when it is none."""
    try:
        return parse_instant(iso(text))
    except PydanticCustomError:
        return None


def number(text: str) -> str:
    """A number of FIX as we write it: with a digit before the point, and no point at its end."""
    found = _WITH_POINT.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return text
    return f"{found[1]}{found[2] or '0'}" + (f".{found[3]}" if found[3] else "")


def whole(text: str) -> int | str:
    """A whole number of a few digits; what is none stays as it is, and the engine refuses it."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else text


def value(mapped: Mapped, text: str) -> Any:  # noqa: ANN401 - JSON
    """The value of a tag in our words; a code or a form that is unknown stays as it is, and the engine refuses it."""
    if mapped.kind == "enum":
        return mapped.codes.get(text, text)
    if mapped.kind == "instant":
        return iso(text)
    if mapped.kind == "day":
        found = _DATE.fullmatch(text)
        return "-".join(found.groups()) if found else text
    if mapped.kind == "decimal":
        return number(text)
    if mapped.kind == "whole":
        return whole(text)
    return text


def values(message: Message, table: Iterable[Mapped]) -> Envelope:
    """Our fields of a table that the message has."""
    return {mapped.wire: value(mapped, message.fields[mapped.tag]) for mapped in table if mapped.tag in message.fields}


def new_order(message: Message, session_id: str, account: str) -> Envelope:
    """NewOrderSingle (D) as OrderCreateCmd.

    Args:
        message: The message.
        session_id: Whose order it is.
        account: Account of an order that names none; empty leaves that to the rules.
    """
    order = values(message, ORDER)
    if account:
        order.setdefault("account", account)
    return {"type": "OrderCreateCmd", "sessionId": session_id, "order": order}


def cancel_request(message: Message, session_id: str, order_id: str) -> Envelope:
    """OrderCancelRequest (F) as OrderCancelCmd."""
    return _given(
        type="OrderCancelCmd",
        sessionId=session_id,
        orderId=order_id,
        clOrdId=message.get(11),
        origClOrdId=message.get(41),
        text=message.get(58),
    )


_REPEATED = tuple(mapped for mapped in ORDER if mapped.field in SAME_IN_A_REPLACE)


def replace_request(message: Message, session_id: str, order_id: str) -> Envelope:
    """OrderCancelReplaceRequest (G) as OrderReplaceCmd."""
    asked = _given(
        type="OrderReplaceCmd",
        sessionId=session_id,
        orderId=order_id,
        clOrdId=message.get(11),
        origClOrdId=message.get(41),
    )
    return asked | values(message, _REPEATED) | values(message, TERMS)


def _given(**fields: str) -> Envelope:
    return {name: text for name, text in fields.items() if text}


_RESTATED = tuple(mapped for mapped in TERMS if mapped.field in {"order_qty", "price", "stop_px", "time_in_force"})


def restated(message: Message, order: Order) -> Envelope:
    """Terms in a report that differ from those of the order."""
    now = order.to_wire()
    return {name: said for name, said in values(message, _RESTATED).items() if not _same(said, now.get(name))}


def _same(said: Any, kept: Any) -> bool:  # noqa: ANN401 - JSON
    try:
        return said == kept or (kept is not None and plain_text(said) == kept)
    except PydanticCustomError:
        return False


def plain_text(text: str) -> str:
    """A decimal of a message in the one form that equal values share; raises PydanticCustomError when it is none."""
    return plain(parse_decimal(number(text)))


def reported(message: Message, order: Order, references: Mapping[str, str]) -> list[Envelope]:
    """ExecutionReport (8) as commands, which are carried out one after the other; none when it only confirms.

    Args:
        message: The report.
        order: The order as it is.
        references: ExecID of a correcting report -> the execution that it corrected.
    """
    kind = EXEC_TYPES[message.get(150)][1]
    envelope: Envelope = {"type": kind, "orderId": order.order_id}
    match kind:
        case "OrderAcceptCmd":
            if order.cash_order_qty is not None:
                envelope["orderQty"] = number(message.get(38))
        case "OrderRejectCmd":
            envelope |= _given(text=message.get(58)) | _code(message, 103, "ordRejReason")
        case "OrderCancelAcceptCmd":
            envelope |= {"unsolicited": order.cancel_state is not CancelState.PCXL} | _given(text=message.get(58))
        case "OrderExpireCmd":
            if message.get(150) == DONE_FOR_DAY and not _ends_with_its_day(message, order):
                return []
        case "OrderReplaceAcceptCmd" | "OrderReplaceCmd":
            return _replaced(message, order)
        case "ExecutionCreateCmd":
            return [{"type": kind, "execution": _fill(message, order.order_id)}]
        case "ExecutionCorrectCmd" | "ExecutionBustCmd":
            return [envelope | _correction(message, kind, references)]
        case _:
            return []
    return [envelope]


def _ends_with_its_day(message: Message, order: Order) -> bool:
    """Is an open order over when its day is? A DAY order is, and one for an auction or at once with nothing open."""
    if order.state not in OPEN_STATES or order.time_in_force in _LIVE_ON:
        return False
    return order.time_in_force is TimeInForce.DAY or is_zero(message.get(151))


def is_zero(text: str) -> bool:
    """Is this a number of FIX whose value is zero, such as `0`, `0.00` or `.0`?"""
    try:
        return parse_decimal(number(text)).is_zero()
    except PydanticCustomError:
        return False


def _replaced(message: Message, order: Order) -> list[Envelope]:
    """Replaced (5) or restated (D): what was asked is agreed to, or what nobody asked for is entered and agreed to."""
    agreed: Envelope = {"type": "OrderReplaceAcceptCmd", "orderId": order.order_id}
    if order.cancel_state is CancelState.PMOD and message.get(150) == "5":
        return [agreed]
    terms = restated(message, order)
    if terms:
        return [{"type": "OrderReplaceCmd", "orderId": order.order_id, **terms}, agreed]
    return [agreed] if message.get(150) == "5" else []


def _fill(message: Message, order_id: str) -> Envelope:
    fill = {"orderId": order_id, "execType": message.get(150), "transactTime": iso(message.get(60) or message.get(52))}
    given = _given(execId=message.get(17), lastQty=number(message.get(32)), lastPx=number(message.get(31)), **fill)
    return given | values(message, FILL)


def _correction(message: Message, kind: str, references: Mapping[str, str]) -> Envelope:
    meant = references.get(message.get(19), message.get(19))
    if kind == "ExecutionBustCmd":
        return _given(execId=meant, reason=message.get(58))
    return _given(
        execRefId=meant,
        execId=message.get(17),
        lastQty=number(message.get(32)),
        lastPx=number(message.get(31)),
        reason=message.get(58),
    )


def rejected(message: Message, order: Order, *, of_replace: bool) -> Envelope:
    """OrderCancelReject (9) as OrderCancelRejectCmd or OrderReplaceRejectCmd."""
    kind = "OrderReplaceRejectCmd" if of_replace else "OrderCancelRejectCmd"
    told = _given(text=message.get(58))
    return {"type": kind, "orderId": order.order_id, **told, **_code(message, 102, "cxlRejReason")}


def _code(message: Message, tag: int, name: str) -> Envelope:
    """A reason, as the number that it is."""
    text = message.get(tag)
    if not text:
        return {}
    return {name: whole(text)}
