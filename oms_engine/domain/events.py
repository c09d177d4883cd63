"""What happened? The events of an order: facts and deltas, never a full object."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import Field, SerializeAsAny

from oms_engine.domain.model import AcceptedTerms, BookedFill, Lot, ReplaceTerms
from oms_engine.domain.vocabulary import (
    ApprovalLevel,
    CxlRejReason,
    Direction,
    OrdRejReason,
    Origin,
    PlacementReason,
    PriceType,
    Side,
)
from oms_engine.record import Exact, Instant, Record


class Event(Record):
    """A fact about one stream; its name is its type on the wire."""

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
    followed_order_id: str | None = None


class OrderPlacementChanged(Event):
    """A child holds more or less of its parent's quantity than before."""

    child_order_id: str
    place_qty_delta: Exact
    reason: PlacementReason


class OrderAccepted(Event):
    """The market works the order; of a cash order it now says the quantity."""

    order_qty: Exact | None = None
    followed_order_id: str | None = None


class ExecutionCreated(BookedFill, Event):
    """A fill was booked."""


class OrderFilled(Event):
    """Everything ordered is executed."""

    cum_qty: Exact
    avg_px: Exact
    exec_id: str | None = None
    followed_order_id: str | None = None


class OrderRejected(Event):
    """The order was refused; nothing of it was executed."""

    ord_rej_reason: OrdRejReason
    text: str | None = None
    followed_order_id: str | None = None


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
    followed_order_id: str | None = None


class OrderCancelRejected(Event):
    """The cancel was refused, or the order ended before it was answered."""

    cxl_rej_reason: CxlRejReason
    text: str | None = None


class OrderReplaceRequested(Event):
    """A replace was asked for. The session is kept where a new clOrdId was used."""

    cl_ord_id: str
    orig_cl_ord_id: str
    session_id: str | None = None
    requested: ReplaceTerms


class OrderReplaced(Event):
    """The terms of the order are other ones now."""

    changed: ReplaceTerms
    order_qty_delta: Exact


class OrderReplaceRejected(Event):
    """The replace was refused, or what happened before its answer made it impossible; the clOrdId is as before it."""

    cxl_rej_reason: CxlRejReason
    text: str | None = None
    answered: bool = True


class OrderExpired(Event):
    """The time in force has ended; fills stay."""

    tif_timestamp: Instant
    expired_qty: Exact
    followed_order_id: str | None = None


class OrderClosed(Event):
    """The order was settled or cleaned up."""

    reason: str | None = None


class OrderReopened(Event):
    """A correction took quantity back from a filled order; it works again."""

    reason: str
    exec_id: str


class ExecutionCorrected(Event):
    """An execution was restated; it counts with its new quantity and price."""

    exec_ref_id: str
    exec_id: str | None = None
    qty_delta: Exact
    last_qty: Exact
    last_px: Exact
    reason: str | None = None


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


class OrderGrouped(Event):
    """Orders became the members of a group: the group's stream lists them, a member's names the group."""

    group_order_id: str | None = None
    member_order_ids: tuple[str, ...] | None = None
    grouped_by: str


class OrderUngrouped(Event):
    """The members of a group are free again; the group is left without quantity."""

    group_order_id: str | None = None
    member_order_ids: tuple[str, ...] | None = None
    order_qty_delta: Exact | None = None


class Share(Record):
    """What one member of a group gets of what the group hands on."""

    order_id: str
    lots: tuple[Lot, ...]


class AllocationApplied(Event):
    """Lots were handed on: OUT in the giver's stream, IN in that of each receiver.

    The counterpart is the other side; a group that gives to its members names their shares instead.
    """

    direction: Direction
    counterpart: str | None = None
    lots: tuple[Lot, ...]
    shares: tuple[Share, ...] | None = None
    approved_by: str | None = None


class AllocationReversed(Event):
    """Lots that were handed on were taken back, because their execution was taken back or restated."""

    direction: Direction
    counterpart: str | None = None
    lots: tuple[Lot, ...]
    shares: tuple[Share, ...] | None = None


class AllocationRejected(Event):
    """The desk refused to hand a quantity on; it stays pending."""

    quantity: Exact
    reason: str | None = None
    rejected_by: str


class QuoteRequested(Event):
    """A client asks for quotes."""

    quote_req_id: str
    session_id: str
    symbol: str
    quantity: Exact
    side: Side | None = None
    currency: str | None = None
    account: str | None = None
    valid_until: Instant | None = None


class QuoteCreated(Event):
    """The desk quotes a request."""

    quote_id: str
    price: Exact
    price_type: PriceType | None = None
    quantity: Exact
    currency: str | None = None
    valid_until: Instant | None = None
    quoted_by: str


class QuoteAccepted(Event):
    """The client took this quote."""

    quote_id: str


class QuoteRejected(Event):
    """A quote was refused; without quoteId the whole request with all its open quotes."""

    quote_id: str | None = None
    reason: str | None = None


class QuoteExpired(Event):
    """A quote has ended; without quoteId the whole request with all its open quotes."""

    quote_id: str | None = None
    reason: str | None = None


class SettingsChanged(Event):
    """A setting has another value from here on."""

    key: str
    old: Any = None
    new: Any = None


class ReferencePricePosted(Event):
    """The reference price of a symbol from here on."""

    symbol: str
    price: Exact


class PersonalDataErased(Event):
    """The key of an account was destroyed, and what it sealed is null from here on. The account is not named.

    The counts tell how many orders and quote requests lost their personal data.
    """

    key_id: str
    orders: int
    quote_requests: int
    reason: str | None = None


EVENTS: dict[str, type[Event]] = {
    event.__name__: event
    for event in (
        OrderCreated,
        OrderPlaced,
        OrderPlacementChanged,
        OrderAccepted,
        ExecutionCreated,
        OrderFilled,
        OrderRejected,
        OrderCancelRequested,
        OrderCancelled,
        OrderCancelRejected,
        OrderReplaceRequested,
        OrderReplaced,
        OrderReplaceRejected,
        OrderExpired,
        OrderClosed,
        OrderReopened,
        ExecutionCorrected,
        ExecutionWhacked,
        ExecutionBusted,
        OrderGrouped,
        OrderUngrouped,
        AllocationApplied,
        AllocationReversed,
        AllocationRejected,
        QuoteRequested,
        QuoteCreated,
        QuoteAccepted,
        QuoteRejected,
        QuoteExpired,
        SettingsChanged,
        ReferencePricePosted,
        PersonalDataErased,
    )
}

PERSONAL: Mapping[str, tuple[str, ...]] = {
    "OrderCreated": ("account", "text"),
    "OrderRejected": ("text",),
    "OrderCancelRequested": ("text",),
    "OrderCancelled": ("text",),
    "OrderCancelRejected": ("text",),
    "OrderReplaceRequested": ("requested.text",),
    "OrderReplaced": ("changed.text",),
    "OrderReplaceRejected": ("text",),
    "QuoteRequested": ("account",),
}
"""Event -> its personal fields, which belong to the account of their order; a point leads into a part of the event.

SettingsChanged has others: the accounts that limits are named for.
"""

ACCOUNT_SCOPE = "account:"
"""What the name of a limit for one account begins with."""


def impersonal(event: Event) -> Event:
    """The event without its personal fields: of an account whose data was erased nothing new is kept."""
    for name in PERSONAL.get(event.type, ()):
        part, _, field = name.rpartition(".")
        event = event.but(**({part: getattr(event, part).but(**{field: None})} if part else {field: None}))
    return event


class StoredEvent(Record):
    """An event with its place in its stream and in the store, and with what caused it."""

    position: int = Field(description="global position, strictly increasing in commit order")
    stream_id: str = Field(description="stream of the event: order-<orderId>, quote-<quoteReqId>, settings or privacy")
    version: int = Field(description="version of the stream after this event, 1..n without gaps")
    type: str = Field(description="name of the event")
    schema_version: int = Field(1, description="schema version of the payload")
    payload: SerializeAsAny[Event]
    command_id: str = Field(description="command that wrote the event")
    correlation_id: str = Field(description="correlation id of the command")
    causation_id: str = Field(description="what caused the event: the command, or what the command named")
    actor: str = Field(description="who acted, and through which client where that is another: `ann via desk 2.1`")
    recorded_at: Instant = Field(description="when the event was recorded")

    def to_wire(self) -> dict[str, Any]:
        """The event as JSON; null facts of the payload are left out."""
        return super().to_wire()


VIA = " via "
"""Stands between who acted and the client that the command came through."""

_VIA_IN_CLIENT = re.compile("(?:^| )via ")
"""What must not stand in a client, so that the last `VIA` is the one that parts it from who acted."""


class Sender(NamedTuple):
    """Who a command comes from, as far as it does not say so itself.

    Attributes:
        session_id: Session of a command that names none; the engine's own when None.
        actor: Who acts where the command names nobody; the client when empty, and the session where there is none.
        client: The program it came through.
        client_version: Version of that program.
    """

    session_id: str | None = None
    actor: str = ""
    client: str = ""
    client_version: str = ""

    def signed(self, named: str | None, session_id: str) -> str:
        """Who acts as events keep it: whom the command or the sender names, beside the client; else the client alone.

        Args:
            named: Whom the command names.
            session_id: Session of the command.
        """
        program = f"{self.client} {self.client_version}".strip() if self.client else ""
        program = _VIA_IN_CLIENT.sub(lambda found: found[0].replace(" ", "_"), program)
        actor = named or self.actor
        return f"{actor}{VIA}{program}" if actor and program else actor or program or session_id


SETTINGS_STREAM = "settings"
"""The stream of what was set and of the reference prices that were posted."""


PRIVACY_STREAM = "privacy"
"""The stream of what was erased."""


def stream_of(order_id: str) -> str:
    """The stream that holds the events of an order."""
    return f"order-{order_id}"


def quote_stream_of(quote_req_id: str) -> str:
    """The stream that holds the events of a quote request and of its quotes."""
    return f"quote-{quote_req_id}"


def by_stream(events: Iterable[StoredEvent]) -> dict[str, list[StoredEvent]]:
    """The events of each stream, the streams in the order of their first event."""
    streams: dict[str, list[StoredEvent]] = {}
    for stored in events:
        streams.setdefault(stored.stream_id, []).append(stored)
    return streams
