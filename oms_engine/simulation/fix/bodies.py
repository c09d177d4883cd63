"""How does what happened to an order look as the body of a FIX message?"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from oms_engine.domain.events import (
    Event,
    ExecutionBusted,
    ExecutionCorrected,
    ExecutionCreated,
    ExecutionWhacked,
    OrderCancelRejected,
    OrderRejected,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceRequested,
    StoredEvent,
)
from oms_engine.domain.model import Order
from oms_engine.domain.vocabulary import OPEN_STATES, CancelState, FixEnum
from oms_engine.record import Record, plain
from oms_engine.simulation.fix.comparing import PENDING_CANCEL, PENDING_REPLACE, status
from oms_engine.simulation.fix.tags import FILL, ORDER, TERMS, Mapped

Pairs = list[tuple[int, str]]
"""Tags with their values, in the order in which they are written."""

_IN_A_REPORT = tuple(mapped for mapped in ORDER if mapped.tag in {38, 40, 44, 54, 55, 59, 99})
_WITHOUT_TIME = tuple(mapped for mapped in ORDER if mapped.field != "transact_time")
_WITHOUT_TEXT = tuple(mapped for mapped in TERMS if mapped.field != "text")


def new_order(order: Order, at: datetime) -> Pairs:
    """NewOrderSingle (D): everything that was asked for."""
    return [*_values(order, _WITHOUT_TIME), (60, timestamp(at))]


def cancel_request(order: Order, names: Pairs, text: str | None) -> Pairs:
    """OrderCancelRequest (F)."""
    return [*names, *_identity(order), *_text(text)]


def replace_request(order: Order, names: Pairs, event: OrderReplaceRequested) -> Pairs:
    """OrderCancelReplaceRequest (G): all terms, as FIX asks for, those that stay and those that change."""
    changes = {name: value for name, value in event.requested.as_dict().items() if value is not None}
    terms = _values(order.but(**changes), _WITHOUT_TEXT)
    return [*names, *_identity(order), (40, order.ord_type.fix), *terms, *_text(event.requested.text)]


def cancel_reject(order: Order, names: Pairs, stored: StoredEvent) -> Pairs:
    """OrderCancelReject (9), the answer to a cancel or a replace request."""
    event = stored.payload
    assert isinstance(event, OrderCancelRejected | OrderReplaceRejected)  # noqa: S101 - what it is called with
    responds_to = "1" if isinstance(event, OrderCancelRejected) else "2"
    reason = [(434, responds_to), (102, str(event.cxl_rej_reason.value)), (60, timestamp(stored.recorded_at))]
    return [(37, order.order_id), *names, (39, status(order)), *reason, *_text(event.text)]


def execution_report(order: Order, names: Pairs, stored: StoredEvent) -> Pairs:
    """ExecutionReport (8): what happened, and the order as it is then."""
    kind, told = EXECUTIONS[stored.type]
    special = dict(told(stored.payload))
    exec_id = special.pop(17, f"EV{stored.position}")
    time = special.pop(60, timestamp(stored.recorded_at))
    leaves = [] if order.leaves_qty is None else [(151, plain(order.leaves_qty))]
    position = [*leaves, (14, plain(order.cum_qty)), (6, plain(order.avg_px)), (60, time)]
    head = [(37, order.order_id), *names, (17, exec_id), (150, kind), (39, _status(order))]
    return [*head, *_values(order, _IN_A_REPORT), *special.items(), *position]


def _status(order: Order) -> str:
    """OrdStatus (39); a request that is open goes before the others (precedence, FIX 4.4 volume 4)."""
    if order.state in OPEN_STATES and order.cancel_state is CancelState.PCXL:
        return PENDING_CANCEL
    return PENDING_REPLACE if order.state in OPEN_STATES and order.cancel_state is CancelState.PMOD else status(order)


def _worded(event: Any) -> Pairs:  # noqa: ANN401 - an event with a text
    return _text(event.text)


def _reasoned(event: Event) -> Pairs:
    assert isinstance(event, OrderRejected)  # noqa: S101 - as the table below says
    return [(103, str(event.ord_rej_reason.value)), *_text(event.text)]


def _replaced(event: Event) -> Pairs:
    assert isinstance(event, OrderReplaced)  # noqa: S101 - as above
    return _text(event.changed.text)


def _traded(event: Event) -> Pairs:
    assert isinstance(event, ExecutionCreated)  # noqa: S101 - as above
    last = [(17, event.exec_id), (32, plain(event.last_qty)), (31, plain(event.last_px))]
    return [*last, *_values(event, FILL), (60, timestamp(event.transact_time))]


def _corrected(event: Event) -> Pairs:
    assert isinstance(event, ExecutionCorrected)  # noqa: S101 - as above
    own = [(17, event.exec_id)] if event.exec_id else []
    last = [(19, event.exec_ref_id), (32, plain(event.last_qty)), (31, plain(event.last_px))]
    return [*own, *last, *_text(event.reason)]


def _taken_back(event: Event) -> Pairs:
    assert isinstance(event, ExecutionBusted | ExecutionWhacked)  # noqa: S101 - as above
    return [(19, event.exec_id), (32, plain(event.quantity)), *_text(event.reason)]


EXECUTIONS: dict[str, tuple[str, Callable[[Event], Pairs]]] = {
    "OrderAccepted": ("0", lambda _: []),
    "OrderCancelled": ("4", _worded),
    "OrderReplaced": ("5", _replaced),
    "OrderRejected": ("8", _reasoned),
    "OrderExpired": ("C", lambda _: []),
    "OrderClosed": ("3", lambda _: []),
    "ExecutionCreated": ("F", _traded),
    "ExecutionCorrected": ("G", _corrected),
    "ExecutionBusted": ("H", _taken_back),
    "ExecutionWhacked": ("H", _taken_back),
}
"""Event -> ExecType (150) of its report, and the tags that the event itself fills."""


def _identity(order: Order) -> Pairs:
    account = [(1, order.account)] if order.account else []
    return [*account, (55, order.symbol), (54, order.side.fix), (60, timestamp(order.transact_time))]


def _values(record: Record, table: Iterable[Mapped]) -> Pairs:
    """The tags of a table that a record has values for."""
    kept = record.as_dict()
    return [(mapped.tag, text_of(kept[mapped.field])) for mapped in table if kept.get(mapped.field) is not None]


def _text(text: str | None) -> Pairs:
    return [(58, text)] if text else []


def text_of(value: Any) -> str:  # noqa: ANN401 - any value of a record
    """A value as FIX writes it."""
    match value:
        case FixEnum():
            return value.fix
        case Decimal():
            return plain(value)
        case datetime():
            return timestamp(value)
        case date():
            return f"{value:%Y%m%d}"
        case _:
            return str(value)


def timestamp(value: datetime) -> str:
    """UTCTimestamp: milliseconds, and microseconds only where there are some."""
    digits = f"{value.microsecond:06}"
    return f"{value:%Y%m%d-%H:%M:%S}.{digits[:3] if digits.endswith('000') else digits}"
