"""What happened? The events of an order: facts and deltas, never a full object."""

from typing import Any

from pydantic import Field, SerializeAsAny

from oms_engine.domain.model import AcceptedTerms, BookedFill
from oms_engine.domain.vocabulary import ApprovalLevel, CxlRejReason, OrdRejReason, Origin
from oms_engine.record import Exact, Instant, Record


class Event(Record):
    """A fact about one order; its name is its type on the wire."""

    @property
    def type(self) -> str:
        """The name of the event."""
        return type(self).__name__


class OrderCreated(AcceptedTerms, Event):
    """An order exists; cumQty is 0 and everything ordered is open."""

    transact_time: Instant | None = Field(None, description="when the client decided, as given")


class OrderPlaced(Event):
    """The order was sent to the market."""

    ex_destination: str | None = None
    routing: str


class OrderAccepted(Event):
    """The market works the order."""


class ExecutionCreated(BookedFill, Event):
    """A fill was booked."""


class OrderFilled(Event):
    """Everything ordered is executed."""

    cum_qty: Exact
    avg_px: Exact
    exec_id: str | None = None


class OrderRejected(Event):
    """The order was refused; nothing of it was executed."""

    ord_rej_reason: OrdRejReason
    text: str | None = None


class OrderCancelRequested(Event):
    """A cancel was asked for; the answer of the market is open. The session is kept where a clOrdId was used."""

    cl_ord_id: str | None = None
    session_id: str | None = None
    text: str | None = None
    origin: Origin


class OrderCancelled(Event):
    """The rest of the order was cancelled; its fills stay."""

    cancelled_qty: Exact
    unsolicited: bool
    text: str | None = None


class OrderCancelRejected(Event):
    """The cancel was refused, or the order ended before it was answered."""

    cxl_rej_reason: CxlRejReason
    text: str | None = None


class OrderExpired(Event):
    """The time in force has ended; fills stay."""

    tif_timestamp: Instant
    expired_qty: Exact


class OrderClosed(Event):
    """The order was settled or cleaned up."""

    reason: str | None = None


class OrderReopened(Event):
    """A correction took quantity back from a filled order; it works again."""

    reason: str
    exec_id: str


class ExecutionWhacked(Event):
    """The desk took an execution back."""

    exec_id: str
    quantity: Exact
    reason: str | None = None
    requested_by: str
    approved_by: str
    approval_level: ApprovalLevel


class ExecutionBusted(Event):
    """The market or the counterparty broke a trade."""

    exec_id: str
    quantity: Exact
    reason: str | None = None
    requested_by: str | None = None


EVENTS: dict[str, type[Event]] = {
    event.__name__: event
    for event in (
        OrderCreated,
        OrderPlaced,
        OrderAccepted,
        ExecutionCreated,
        OrderFilled,
        OrderRejected,
        OrderCancelRequested,
        OrderCancelled,
        OrderCancelRejected,
        OrderExpired,
        OrderClosed,
        OrderReopened,
        ExecutionWhacked,
        ExecutionBusted,
    )
}


class StoredEvent(Record):
    """An event with its place in its stream and in the store, and with what caused it."""

    position: int = Field(description="global position, strictly increasing in commit order")
    stream_id: str = Field(description="stream of the event: order-<orderId>")
    version: int = Field(description="version of the stream after this event, 1..n without gaps")
    type: str = Field(description="name of the event")
    schema_version: int = Field(1, description="schema version of the payload")
    payload: SerializeAsAny[Event]
    command_id: str = Field(description="command that wrote the event")
    correlation_id: str = Field(description="correlation id of the command")
    causation_id: str = Field(description="what caused the event: the command, or what the command named")
    actor: str = Field(description="who acted")
    recorded_at: Instant = Field(description="when the event was recorded")

    def to_wire(self) -> dict[str, Any]:
        """The event as JSON; null facts of the payload are left out."""
        return super().to_wire()


def stream_of(order_id: str) -> str:
    """The stream that holds the events of an order."""
    return f"order-{order_id}"
