"""What is an order, and what is an execution? The facts a client, a desk or a market may know about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from pydantic import Field

from oms_engine.domain.vocabulary import (
    OPEN_STATES,
    AllocState,
    AllocStatus,
    AssetClass,
    CancelState,
    CxlRejReason,
    ExecInst,
    ExecutionStatus,
    HandlInst,
    Leg,
    OrdRejReason,
    OrdType,
    PositionEffect,
    PriceType,
    QuoteState,
    Role,
    SecurityIdSource,
    SecurityType,
    SettlType,
    Side,
    State,
    TimeInForce,
)
from oms_engine.record import Day, Exact, Flag, Instant, Record, Whole


def fact(description: str, *, fix: int | None = None, default: Any = ...) -> Any:  # noqa: ANN401 - as pydantic's Field
    """A field with its meaning and its FIX tag."""
    return Field(default, description=description, json_schema_extra={"fix": fix} if fix else None)


class OptionalTerms(Record):
    """Terms of an order that a client may leave out."""

    security_id: str | None = fact("identifier of the security", fix=48, default=None)
    security_id_source: SecurityIdSource | None = fact("scheme of securityId", fix=22, default=None)
    security_type: SecurityType | None = fact("kind of security", fix=167, default=None)
    asset_class: AssetClass | None = fact("asset class; derived from the instrument when not given", default=None)
    security_desc: str | None = fact("description of the security", fix=107, default=None)
    security_exchange: str | None = fact("market of the security", fix=207, default=None)
    ex_destination: str | None = fact("where the order is to be executed", fix=100, default=None)
    settl_currency: str | None = fact("settlement currency", fix=120, default=None)
    text: str | None = fact("free text of the sender", fix=58, default=None)
    price: Exact | None = fact("limit price", fix=44, default=None)
    stop_px: Exact | None = fact("stop price; stored and unused for other order types", fix=99, default=None)
    price_type: PriceType | None = fact("meaning of the price", fix=423, default=None)
    expire_time: Instant | None = fact("end of a GOOD_TILL_DATE order", fix=126, default=None)
    exec_inst: ExecInst | None = fact("execution instruction", fix=18, default=None)
    settl_type: SettlType | None = fact("how a foreign exchange order settles", fix=63, default=None)
    settl_date: Day | None = fact("settlement date", fix=64, default=None)
    maturity_date: Day | None = fact("maturity date", fix=541, default=None)
    locate_id: str | None = fact("locate of a short sale", default=None)
    max_floor: Exact | None = fact("quantity shown in the market", fix=111, default=None)
    position_effect: PositionEffect | None = fact("opens or closes a position", fix=77, default=None)
    put_or_call: Whole | None = fact("0 put, 1 call", fix=201, default=None)
    strike_price: Exact | None = fact("strike price of an option", fix=202, default=None)
    maturity_month_year: str | None = fact("maturity as YYYYMM", fix=200, default=None)
    underlying_security_type: SecurityType | None = fact("kind of the underlying", fix=310, default=None)
    sending_time: Instant | None = fact("when the message was sent", fix=52, default=None)
    cash_order_qty: Exact | None = fact("amount of a fund order; its units come with the ack", fix=152, default=None)
    quote_id: str | None = fact("quote the order came from", fix=117, default=None)
    parent_order_id: str | None = fact("order of which this one is a child or slice", default=None)


class AskedTerms(Record):
    """Terms that a client must or may give; the rules decide which."""

    order_id: str | None = fact("own id of the order; generated when not given", fix=37, default=None)
    cl_ord_id: str | None = fact("id of the request, unique per session", fix=11, default=None)
    account: str | None = fact("account of the order", fix=1, default=None)
    symbol: str | None = fact("ticker of the security", fix=55, default=None)
    side: Side | None = fact("side of the order", fix=54, default=None)
    ord_type: OrdType | None = fact("order type", fix=40, default=None)
    order_qty: Exact | None = fact("quantity ordered", fix=38, default=None)
    time_in_force: TimeInForce | None = fact(
        "how long the order stays in force; DAY when not given", fix=59, default=None
    )
    handl_inst: HandlInst | None = fact("handling; AUTO when not given; decides the routing", fix=21, default=None)
    auto_allocation: Flag | None = fact("true hands fills on at once, false lets the desk decide", default=None)
    auto_forward: Flag | None = fact("true sends a cancel on to the open children", default=None)
    transact_time: Instant | None = fact("when the client decided", fix=60, default=None)


class NewOrder(OptionalTerms, AskedTerms):
    """An order as a client asks for it; the rules decide what must be present. System fields are no part of it."""

    cum_qty: Exact | None = fact("ignored: the system keeps it (ORD-15 compares it)", fix=14, default=None)


class RequiredTerms(Record):
    """The terms that no accepted order lacks."""

    order_id: str = fact("id of the order", fix=37)
    session_id: str = fact("session that created the order", fix=49)
    cl_ord_id: str = fact("id of the request, unique per session", fix=11)
    root_order_id: str = fact("root of the order's tree; its own orderId")
    leg: Leg = fact("side of the house: CLI or MKT", default=Leg.CLI)
    role: Role = fact("place in the tree", default=Role.CLIENT)
    account: str | None = fact("account of the order; null once erased", fix=1, default=None)
    symbol: str = fact("ticker of the security", fix=55)
    side: Side = fact("side of the order", fix=54)
    ord_type: OrdType = fact("order type", fix=40)
    order_qty: Exact | None = fact("quantity ordered; a cash order has none before its ack", fix=38, default=None)
    time_in_force: TimeInForce = fact("how long the order stays in force", fix=59)
    handl_inst: HandlInst = fact("handling; decides the routing", fix=21)
    auto_allocation: bool = fact("true hands fills on at once, false lets the desk decide", default=True)
    auto_forward: bool = fact("true sends a cancel on to the open children", default=True)


class AcceptedTerms(OptionalTerms, RequiredTerms):
    """The terms of an accepted order, those that every order has first."""


class ReplaceTerms(Record):
    """What a replace request may change; a value that is not named stays."""

    order_qty: Exact | None = fact("quantity ordered", fix=38, default=None)
    price: Exact | None = fact("limit price", fix=44, default=None)
    stop_px: Exact | None = fact("stop price", fix=99, default=None)
    time_in_force: TimeInForce | None = fact("how long the order stays in force", fix=59, default=None)
    expire_time: Instant | None = fact("end of a GOOD_TILL_DATE order", fix=126, default=None)
    exec_inst: ExecInst | None = fact("execution instruction", fix=18, default=None)
    text: str | None = fact("free text of the sender", fix=58, default=None)


class Order(AcceptedTerms):
    """An order as it stands: what was asked for, and what became of it."""

    id: int = fact("creation sequence: position of the event that created it")
    version: int = fact("version of the order's stream")
    state: State = fact("state of the order", fix=39)
    cancel_state: CancelState | None = fact("what became of the last cancel or replace request", default=None)
    orig_cl_ord_id: str | None = fact("clOrdId before the last replace request", fix=41, default=None)
    pending_replace: ReplaceTerms | None = fact("what a replace asks for that is not answered yet", default=None)
    cum_qty: Exact = fact("quantity executed; of a parent, what its children allocated", fix=14)
    leaves_qty: Exact | None = fact("quantity still open; unknown for a cash order before its ack", fix=151)
    avg_px: Exact = fact("average price of what was executed, 8 decimals half-up", fix=6)
    place_qty: Exact = fact("quantity of a parent that its children hold", default=Decimal(0))
    alloc_qty: Exact = fact("quantity handed on to parent or members; of a client order, all of cumQty")
    pending_alloc_qty: Exact = fact("executed and not handed on yet: cumQty - allocQty", default=Decimal(0))
    alloc_state: AllocState | None = fact("where the allocation stands; only with a receiver", default=None)
    group_order_id: str | None = fact("group of a member; a group names itself", default=None)
    grouped_at: Instant | None = fact("when it was grouped", default=None)
    grouped_by: str | None = fact("who grouped it", default=None)
    is_grouped_order: bool = fact("true on groups only", default=False)
    member_count: int | None = fact("members of a group; 0 after ungrouping", default=None)
    transact_time: Instant = fact("time of the last accepted command", fix=60)
    tif_timestamp: Instant | None = fact("when the expiry was applied", default=None)
    created_at: Instant = fact("when the order was created")
    updated_at: Instant = fact("when the order last changed")


class FillDetails(Record):
    """What a market may say of a fill beside what and how much; passed through as it comes."""

    last_mkt: str | None = fact("market of this fill", fix=30, default=None)
    last_capacity: str | None = fact("capacity of the broker", fix=29, default=None)
    secondary_exec_id: str | None = fact("second id of the execution", fix=527, default=None)
    day_order_qty: Exact | None = fact("order quantity of the day", fix=424, default=None)
    day_cum_qty: Exact | None = fact("quantity executed today", fix=425, default=None)
    day_avg_px: Exact | None = fact("average price of today", fix=426, default=None)


class ReportedFill(Record):
    """What and how much a market says was executed; the rules decide what must be present."""

    exec_id: str | None = fact("id of the execution, unique per order", fix=17, default=None)
    order_id: str | None = fact("order that was executed", fix=37, default=None)
    last_qty: Exact | None = fact("quantity of this fill", fix=32, default=None)
    last_px: Exact | None = fact("price of this fill", fix=31, default=None)
    exec_type: str | None = fact("F, 1 or 2; F when not given", fix=150, default=None)


class ExecutionReport(FillDetails, ReportedFill):
    """A fill as the market reports it."""

    transact_time: Instant | None = fact("market time of this fill; now when not given", fix=60, default=None)


class AcceptedFill(Record):
    """What and how much was executed, with the order's position right after it, which is never rewritten."""

    exec_id: str = fact("id of the execution, unique per order", fix=17)
    order_id: str = fact("order that was executed", fix=37)
    last_qty: Exact = fact("quantity of this fill, as last corrected", fix=32)
    last_px: Exact = fact("price of this fill, as last corrected", fix=31)
    exec_type: str = fact("F, 1 or 2", fix=150)
    cum_qty: Exact = fact("cumQty of the order right after this fill", fix=14)
    leaves_qty: Exact = fact("leavesQty of the order right after this fill", fix=151)
    avg_px: Exact = fact("avgPx of the order right after this fill", fix=6)


class BookedFill(FillDetails, AcceptedFill):
    """A fill that was accepted."""

    transact_time: Instant = fact("market time of this fill", fix=60)


class Execution(BookedFill):
    """An execution as it stands, marked when it was corrected, whacked or busted."""

    id: int = fact("booking sequence: position of the event that booked it")
    received_at: Instant = fact("when the report was received")
    status: ExecutionStatus = fact("whether it still counts", default=ExecutionStatus.ACTIVE)
    orig_last_qty: Exact | None = fact("quantity as first reported, once corrected", default=None)
    orig_last_px: Exact | None = fact("price as first reported, once corrected", default=None)
    status_reason: str | None = fact("why it was corrected, whacked or busted", default=None)
    requested_by: str | None = fact("who asked for the correction", default=None)
    approved_by: str | None = fact("who approved the whack", default=None)
    status_at: Instant | None = fact("when the status last changed", default=None)

    @property
    def is_active(self) -> bool:
        """Does this execution still count?"""
        return self.status in {ExecutionStatus.ACTIVE, ExecutionStatus.CORRECTED}


class Lot(Record):
    """A quantity of one execution, with that execution's own price; it keeps both on every level it is handed to."""

    order_id: str = fact("order that was executed", fix=37)
    exec_id: str = fact("its execution", fix=17)
    quantity: Exact = fact("how much of it")
    price: Exact = fact("price of the execution", fix=31)

    @property
    def key(self) -> "LotKey":
        """The execution, wherever its quantity is."""
        return (self.order_id, self.exec_id)


LotKey = tuple[str, str]
"""orderId and execId of an execution: an execId is unique per order only."""


class Allocation(Record):
    """A lot that was handed on to one receiver."""

    id: int = fact("sequence: where it was handed on")
    giver_order_id: str = fact("order that handed it on")
    receiver_order_id: str = fact("parent or member that got it")
    order_id: str = fact("order that was executed", fix=37)
    exec_id: str = fact("execution the quantity comes from", fix=17)
    quantity: Exact = fact("how much was handed on")
    price: Exact = fact("price of the execution", fix=31)
    status: AllocStatus = fact("whether it still counts")
    approved_by: str | None = fact("who approved it; nobody when it went straight through", default=None)
    created_at: Instant = fact("when it was handed on")
    reversed_at: Instant | None = fact("when it was taken back", default=None)


class NewQuoteRequest(Record):
    """A request for quotes as a client asks for it; the rules decide what must be present."""

    quote_req_id: str | None = fact("own id of the request; generated when not given", fix=131, default=None)
    symbol: str | None = fact("ticker of the security", fix=55, default=None)
    quantity: Exact | None = fact("quantity to be quoted", fix=38, default=None)
    side: Side | None = fact("side; none asks for both", fix=54, default=None)
    currency: str | None = fact("currency, three capitals", fix=15, default=None)
    account: str | None = fact("account of the client", fix=1, default=None)
    valid_until: Instant | None = fact("when the request ends", fix=62, default=None)


class QuoteRequest(Record):
    """A request for quotes as it stands."""

    id: int = fact("creation sequence: position of the event that created it")
    quote_req_id: str = fact("id of the request", fix=131)
    session_id: str = fact("session that asked", fix=49)
    symbol: str = fact("ticker of the security", fix=55)
    quantity: Exact = fact("quantity to be quoted", fix=38)
    side: Side | None = fact("side; none asks for both", fix=54, default=None)
    currency: str | None = fact("currency, three capitals", fix=15, default=None)
    account: str | None = fact("account of the client", fix=1, default=None)
    valid_until: Instant | None = fact("when the request ends", fix=62, default=None)
    state: QuoteState = fact("state of the request")
    version: int = fact("version of the request's stream")
    created_at: Instant = fact("when it was asked")
    updated_at: Instant = fact("when it last changed")


class NewQuote(Record):
    """A quote as the desk gives it; the rules decide what must be present."""

    quote_id: str | None = fact("own id of the quote; generated when not given", fix=117, default=None)
    quote_req_id: str | None = fact("request that is quoted", fix=131, default=None)
    price: Exact | None = fact("price quoted", fix=44, default=None)
    price_type: PriceType | None = fact("meaning of the price", fix=423, default=None)
    quantity: Exact | None = fact("quantity; that of the request when not given", fix=38, default=None)
    currency: str | None = fact("currency; that of the request when not given", fix=15, default=None)
    valid_until: Instant | None = fact("when the quote ends", fix=62, default=None)
    quoted_by: str | None = fact("who quotes; the actor when not given", default=None)


class Quote(Record):
    """A quote as it stands."""

    id: int = fact("creation sequence: position of the event that created it")
    quote_id: str = fact("id of the quote", fix=117)
    quote_req_id: str = fact("request that is quoted", fix=131)
    price: Exact = fact("price quoted", fix=44)
    price_type: PriceType | None = fact("meaning of the price", fix=423, default=None)
    quantity: Exact = fact("quantity quoted", fix=38)
    currency: str | None = fact("currency, three capitals", fix=15, default=None)
    valid_until: Instant | None = fact("when the quote ends", fix=62, default=None)
    quoted_by: str = fact("who quotes")
    state: QuoteState = fact("state of the quote")
    created_at: Instant = fact("when it was quoted")


SYSTEM_FIELDS = frozenset(Order.model_fields) - frozenset(NewOrder.model_fields) - {"session_id"} | {"cum_qty"}
"""Fields of an order that only the system sets (Python names); they are ignored in a new order, and told."""


class Folded:
    """What the events of a stream lead to; a frozen dataclass that is copied with changes at every event."""

    def but(self, **changes: Any) -> Self:  # noqa: ANN401 - the fields of the class
        """The same with other values in some fields."""
        return self.made({**self.__dict__, **changes})

    @classmethod
    def made(cls, values: dict[str, Any]) -> Self:
        """One of these from a dict that names every field."""
        made = object.__new__(cls)
        made.__dict__.update(values)
        return made


@dataclass(frozen=True)  # no slots: it is copied as the dict it is
class OrderState(Folded):
    """An order with everything its events say: the fold of its stream.

    Attributes:
        executions: Those of a leaf, in order of booking.
        correcting: execIds of the reports that corrected them.
        received: The lots a parent or a member got, in the order they came first.
        handed: What of each lot was handed on, and to whom.
        notional: Exact sum of quantity x price over what was executed here or received.
        children: The orders that name this one as their parent, in the order they were created.
        members: The orders of a group, by orderId.
        late_cancel: A cancel request was resolved before its answer came, so a refusal of it comes late.
        late_replace: The same of a replace request.
        restore: clOrdId and origClOrdId as they were before the replace request that is pending.
        refusal: Why the last request was refused.
        rejection: Why the order was rejected.
        ended_by_market: Nobody here had asked for the order's end.
        allocation_refused: The last decision of the desk about what is pending was a refusal.
    """

    order: Order
    executions: Mapping[str, Execution] = field(default_factory=dict)
    received: Mapping[LotKey, Lot] = field(default_factory=dict)
    handed: Mapping[LotKey, Mapping[str, Decimal]] = field(default_factory=dict)
    correcting: frozenset[str] = frozenset()
    notional: Decimal = Decimal(0)
    children: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    late_cancel: bool = False
    late_replace: bool = False
    restore: tuple[str, str | None] | None = None
    refusal: CxlRejReason | None = None
    rejection: OrdRejReason | None = None
    ended_by_market: bool = False
    allocation_refused: bool = False

    @property
    def version(self) -> int:
        """Version of the stream."""
        return self.order.version

    @property
    def has_ended(self) -> bool:
        """Is the order in none of its open states any more?"""
        return self.order.state not in OPEN_STATES

    @property
    def has_receiver(self) -> bool:
        """Is what is executed here handed on, to a parent or to members?"""
        return self.order.parent_order_id is not None or self.order.is_grouped_order

    @property
    def quantity(self) -> Decimal:
        """The quantity ordered; 0 while that of a cash order is not known."""
        return self.order.order_qty or Decimal(0)


@dataclass(frozen=True)
class QuoteRequestState(Folded):
    """A quote request with its quotes, in the order they were given: the fold of its stream."""

    request: QuoteRequest
    quotes: Mapping[str, Quote] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """Version of the stream."""
        return self.request.version


@dataclass(frozen=True)
class SettingsState(Folded):
    """What was set while running, and which reference prices were posted: the fold of the stream `settings`."""

    version: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class PrivacyState(Folded):
    """Which personal data was destroyed: the fold of the stream `privacy`.

    Attributes:
        version: Version of the stream.
        key_ids: The keys that were destroyed, in that order.
    """

    version: int = 0
    key_ids: tuple[str, ...] = ()


StreamState = OrderState | QuoteRequestState | SettingsState | PrivacyState
"""What the events of one stream lead to."""
