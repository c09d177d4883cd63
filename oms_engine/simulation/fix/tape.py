"""What did the venue of a simulated session hear and report? A FIX log of its own records; no engine is looked at."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from oms_engine.domain.vocabulary import CxlRejReason
from oms_engine.record import plain
from oms_engine.simulation.fix.bodies import Pairs, text_of, timestamp
from oms_engine.simulation.fix.frames import Frames, Sides
from oms_engine.simulation.market.messages import (
    Accepted,
    Busted,
    Cancelled,
    CancelRejected,
    CancelRequest,
    Expired,
    Filled,
    Listener,
    NewOrderSingle,
    Rejected,
    Replaced,
    ReplaceRejected,
    ReplaceRequest,
    Report,
    Request,
)

EXEC_TYPES: dict[type[Report], str] = {
    Accepted: "0",
    Cancelled: "4",
    Replaced: "5",
    Rejected: "8",
    Expired: "C",
    Filled: "F",
    Busted: "H",
}
"""Report of the venue -> ExecType (150)."""

_ENDS = (Cancelled, Rejected, Expired)
_TERMS = ((38, "order_qty"), (44, "price"), (99, "stop_px"), (59, "time_in_force"))
_STEP_OF_AVERAGE = Decimal("0.00000001")


class VenueOrder:
    """An order as the venue has it.

    Args:
        number: How many orders were sent before it.
        asked: The order.

    Attributes:
        order_id: OrderID (37), as the venue calls it.
        cl_ord_id: ClOrdID (11) under which it works.
        symbol: What is traded.
        side: Side (54), as FIX writes it.
        ord_type: OrdType (40), as FIX writes it.
        terms: What it asks for now.
        requests: Its requests that the venue has not answered: ClOrdID, OrigClOrdID (41) and what is asked.
        trades: ExecID (17) -> quantity and price of what was executed and not broken.
        ended: OrdStatus (39) with which it ended; empty while it can still trade or trades can reopen it.
    """

    __slots__ = (
        "_named", "cl_ord_id", "ended", "ord_type", "order_id", "requests", "side", "symbol", "terms", "trades",
    )  # fmt: skip

    def __init__(self, number: int, asked: NewOrderSingle) -> None:
        self.order_id = f"V{number}"
        self.cl_ord_id = asked.cl_ord_id
        self.symbol = asked.symbol
        self.side = asked.side.fix
        self.ord_type = asked.ord_type.fix
        self.terms: NewOrderSingle | ReplaceRequest = asked
        self.requests: deque[tuple[str, str, Request]] = deque()
        self.trades: dict[str, tuple[Decimal, Decimal]] = {}
        self.ended = ""
        self._named = 0

    @property
    def cum_qty(self) -> Decimal:
        """CumQty (14): what was executed and counts."""
        return sum((quantity for quantity, _ in self.trades.values()), Decimal(0))

    @property
    def leaves_qty(self) -> Decimal:
        """LeavesQty (151): what is open."""
        return Decimal(0) if self.ended else self.terms.order_qty - self.cum_qty

    @property
    def avg_px(self) -> Decimal:
        """AvgPx (6): the executed value divided by the executed quantity; 0 without any."""
        value = sum((quantity * price for quantity, price in self.trades.values()), Decimal(0))
        return (value / self.cum_qty).quantize(_STEP_OF_AVERAGE, ROUND_HALF_UP) if value else value

    @property
    def status(self) -> str:
        """OrdStatus (39): what ended it, else new, partially filled or filled."""
        if self.ended:
            return self.ended
        return ("1" if self.leaves_qty else "2") if self.cum_qty else "0"

    def ask(self, request: CancelRequest | ReplaceRequest) -> Pairs:
        """Wait for the answer to a request; the ClOrdID of a cancel is made of the order's. Tells its names."""
        if isinstance(request, ReplaceRequest):
            name = request.cl_ord_id
        else:
            self._named += 1
            name = f"{request.orig_cl_ord_id}~{self._named}"
        self.requests.append((name, request.orig_cl_ord_id, request))
        return [(11, name), (41, request.orig_cl_ord_id)]

    def enter(self, report: Report) -> Pairs:
        """Enter what a report says; returns the names of what it is about, the request that it answers if there is one.

        The venue answers the requests of an order in their order.
        """
        match report:
            case Filled():
                self.trades[report.exec_id] = (report.last_qty, report.last_px)
            case Busted():
                del self.trades[report.exec_id]
            case Cancelled(unsolicited=False) | Replaced() | CancelRejected() | ReplaceRejected():
                return self._answer(report)
        if isinstance(report, _ENDS):
            self.ended = EXEC_TYPES[type(report)]
        return [(11, self.cl_ord_id)]

    def _answer(self, report: Report) -> Pairs:
        name, before, request = self.requests.popleft()
        if isinstance(report, Replaced) and isinstance(request, ReplaceRequest):
            self.cl_ord_id, self.terms = name, request
        elif isinstance(report, Cancelled):
            self.ended = EXEC_TYPES[Cancelled]
        return [(11, name), (41, before)]


class Tape(Listener):
    """Writes the FIX log of one session as the house saw it: requests as they leave, reports as they are delivered.

    What a report says is what the venue knew when it sent it, with SendingTime (52) and MsgSeqNum (34) of then.

    Args:
        opening: When the session opened.
        write: Takes each message, with SOH behind every field.
        sides: The two sides of the session.

    Attributes:
        orders: The orders that were sent to the venue, by the name that requests and reports use.
    """

    def __init__(self, opening: datetime, write: Callable[[bytes], object], sides: Sides | None = None) -> None:
        self.orders: dict[str, VenueOrder] = {}
        self._opening = opening
        self._write = write
        self._frames = Frames(sides)
        self._waiting: deque[bytes] = deque()
        self._reports = 0
        self._last = opening
        for message in self._frames.logon(opening):
            write(message)

    def sent(self, request: Request, at: int) -> None:
        """A request leaves the house."""
        now = self._moment(at)
        match request:
            case NewOrderSingle():
                order = self.orders[request.order_id] = VenueOrder(len(self.orders) + 1, request)
                kind, names = "D", [(11, request.cl_ord_id)]
            case CancelRequest():
                order = self.orders[request.order_id]
                kind, names = "F", order.ask(request)
            case ReplaceRequest():
                order = self.orders[request.order_id]
                kind, names = "G", order.ask(request)
        terms = [] if isinstance(request, CancelRequest) else [(40, order.ord_type), *_terms(request)]
        body = [*names, (55, order.symbol), (54, order.side), (60, timestamp(now)), *terms]
        self._write(self._frames.framed(kind, now, body))

    def reported(self, report: Report, at: int) -> None:
        """A report leaves the venue, and waits until it is delivered."""
        order, now = self.orders[report.order_id], self._moment(at)
        names = order.enter(report)
        if isinstance(report, CancelRejected | ReplaceRejected):
            kind, body = "9", _refusal(order, names, report)
        else:
            self._reports += 1
            kind, body = "8", _execution(order, names, report, f"V-{self._reports}")
        self._waiting.append(self._frames.framed(kind, now, [*body, (60, timestamp(now))], back=True))

    def delivered(self) -> None:
        """The house has got the report that had been on its way for longest."""
        self._write(self._waiting.popleft())

    def end(self) -> None:
        """Both sides log out, once the session has run to its end."""
        for message in self._frames.logout(self._last):
            self._write(message)

    def _moment(self, at: int) -> datetime:
        self._last = self._opening + timedelta(microseconds=at)
        return self._last


def _terms(request: NewOrderSingle | ReplaceRequest) -> Pairs:
    values = [(tag, getattr(request, field)) for tag, field in _TERMS]
    return [(tag, text_of(value)) for tag, value in values if value is not None]


def _refusal(order: VenueOrder, names: Pairs, report: CancelRejected | ReplaceRejected) -> Pairs:
    """OrderCancelReject (9); an order that is unknown to the venue has no OrderID (37)."""
    named = "NONE" if report.reason is CxlRejReason.UNKNOWN_ORDER else order.order_id
    responds_to = "1" if isinstance(report, CancelRejected) else "2"
    reason = [(434, responds_to), (102, str(report.reason.value)), (58, report.text)]
    return [(37, named), *names, (39, order.status), *reason]


def _execution(order: VenueOrder, names: Pairs, report: Report, exec_id: str) -> Pairs:
    """ExecutionReport (8) without its time: what happened, and the order as it is then."""
    special: Pairs = [(17, exec_id)]
    match report:
        case Filled():
            special = [(17, report.exec_id), (32, plain(report.last_qty)), (31, plain(report.last_px))]
        case Busted():
            special += [(19, report.exec_id), (58, report.text)]
        case Rejected():
            special += [(103, str(report.reason.value)), (58, report.text)]
        case Cancelled(text=text) if text:
            special += [(58, text)]
    state = [(150, EXEC_TYPES[type(report)]), (39, order.status), (55, order.symbol), (54, order.side)]
    position = [(151, plain(order.leaves_qty)), (14, plain(order.cum_qty)), (6, plain(order.avg_px))]
    return [(37, order.order_id), *names, *special, *state, (40, order.ord_type), *_terms(order.terms), *position]
