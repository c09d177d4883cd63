"""What do gateway and venue say to each other? Requests to the venue and its reports, as FIX names them."""

from decimal import Decimal
from typing import NamedTuple

from oms_engine.domain.vocabulary import CxlRejReason, OrdRejReason, OrdType, Side, TimeInForce


class NewOrderSingle(NamedTuple):
    """A new order (MsgType D)."""

    order_id: str
    cl_ord_id: str
    symbol: str
    side: Side
    ord_type: OrdType
    order_qty: Decimal
    price: Decimal | None
    stop_px: Decimal | None
    time_in_force: TimeInForce


class CancelRequest(NamedTuple):
    """A request to cancel (MsgType F).

    Attributes:
        orig_cl_ord_id: The clOrdId under which the order works (OrigClOrdID, 41).
        changes_seen: How many busts of the order the sender had heard of, as OrigOrdModTime (586) says when the order
            was last changed as the sender knows it.
    """

    order_id: str
    orig_cl_ord_id: str
    changes_seen: int


class ReplaceRequest(NamedTuple):
    """A request for other terms (MsgType G), with all of them, changed or not; `changes_seen` as of a cancel.

    Attributes:
        cl_ord_id: The clOrdId under which the order works if the venue agrees.
        orig_cl_ord_id: The one before it (OrigClOrdID, 41).
    """

    order_id: str
    cl_ord_id: str
    orig_cl_ord_id: str
    order_qty: Decimal
    price: Decimal | None
    stop_px: Decimal | None
    time_in_force: TimeInForce
    changes_seen: int


Request = NewOrderSingle | CancelRequest | ReplaceRequest


class Accepted(NamedTuple):
    """The order works (ExecType 0)."""

    order_id: str


class Rejected(NamedTuple):
    """The order is refused, at once or late (ExecType 8)."""

    order_id: str
    reason: OrdRejReason
    text: str


class Filled(NamedTuple):
    """Some of the order is executed, or all of it (ExecType F).

    Attributes:
        at: When it was executed, in microseconds since the opening.
    """

    order_id: str
    exec_id: str
    last_qty: Decimal
    last_px: Decimal
    at: int


class Busted(NamedTuple):
    """An execution is broken (ExecType H)."""

    order_id: str
    exec_id: str
    text: str


class Cancelled(NamedTuple):
    """The rest of the order is cancelled, as asked or by the venue itself (ExecType 4)."""

    order_id: str
    unsolicited: bool
    text: str


class CancelRejected(NamedTuple):
    """The cancel is refused (MsgType 9, CxlRejResponseTo 1)."""

    order_id: str
    reason: CxlRejReason
    text: str


class Replaced(NamedTuple):
    """The new terms hold (ExecType 5)."""

    order_id: str


class ReplaceRejected(NamedTuple):
    """The new terms are refused (MsgType 9, CxlRejResponseTo 2)."""

    order_id: str
    reason: CxlRejReason
    text: str


class Expired(NamedTuple):
    """The time in force has ended (ExecType C)."""

    order_id: str


Report = Accepted | Rejected | Filled | Busted | Cancelled | CancelRejected | Replaced | ReplaceRejected | Expired


class Listener:
    """Hears what gateway and venue say to each other, and does nothing with it: the ear of who is not interested.

    Times are microseconds since the opening. Nothing overtakes on a line, so reports are delivered as they were made.
    """

    def sent(self, request: Request, at: int) -> None:
        """A request leaves the house."""

    def reported(self, report: Report, at: int) -> None:
        """A report leaves the venue; it is on its way, for as long as the line is slow or down."""

    def delivered(self) -> None:
        """The house has got the report that had been on its way for longest."""
