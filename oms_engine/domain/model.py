"""What is an order, and what is an execution? The facts a client, a desk or a market may know about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import Field

from oms_engine.domain.vocabulary import (
    AssetClass,
    CancelState,
    ExecInst,
    ExecutionStatus,
    HandlInst,
    Leg,
    OrdType,
    PositionEffect,
    PriceType,
    Role,
    SecurityIdSource,
    SecurityType,
    SettlType,
    Side,
    State,
    TimeInForce,
)
from oms_engine.record import Day, Exact, Instant, Record, Whole


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
    account: str = fact("account of the order", fix=1)
    symbol: str = fact("ticker of the security", fix=55)
    side: Side = fact("side of the order", fix=54)
    ord_type: OrdType = fact("order type", fix=40)
    order_qty: Exact = fact("quantity ordered", fix=38)
    time_in_force: TimeInForce = fact("how long the order stays in force", fix=59)
    handl_inst: HandlInst = fact("handling; decides the routing", fix=21)


class AcceptedTerms(OptionalTerms, RequiredTerms):
    """The terms of an accepted order, those that every order has first."""


class Order(AcceptedTerms):
    """An order as it stands: what was asked for, and what became of it."""

    id: int = fact("creation sequence: position of the event that created it")
    version: int = fact("version of the order's stream")
    state: State = fact("state of the order", fix=39)
    cancel_state: CancelState | None = fact("what became of the last cancel request", default=None)
    cum_qty: Exact = fact("quantity executed", fix=14)
    leaves_qty: Exact = fact("quantity still open", fix=151)
    avg_px: Exact = fact("average price of what was executed, 8 decimals half-up", fix=6)
    alloc_qty: Exact = fact("quantity allocated to the client")
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
    last_qty: Exact = fact("quantity of this fill", fix=32)
    last_px: Exact = fact("price of this fill", fix=31)
    exec_type: str = fact("F, 1 or 2", fix=150)
    cum_qty: Exact = fact("cumQty of the order right after this fill", fix=14)
    leaves_qty: Exact = fact("leavesQty of the order right after this fill", fix=151)
    avg_px: Exact = fact("avgPx of the order right after this fill", fix=6)


class BookedFill(FillDetails, AcceptedFill):
    """A fill that was accepted."""

    transact_time: Instant = fact("market time of this fill", fix=60)


class Execution(BookedFill):
    """An execution as it stands, marked when it was whacked or busted."""

    id: int = fact("booking sequence: position of the event that booked it")
    received_at: Instant = fact("when the report was received")
    status: ExecutionStatus = fact("whether it still counts", default=ExecutionStatus.ACTIVE)
    status_reason: str | None = fact("why it was whacked or busted", default=None)
    requested_by: str | None = fact("who asked for the correction", default=None)
    approved_by: str | None = fact("who approved the whack", default=None)
    status_at: Instant | None = fact("when the status last changed", default=None)

    @property
    def is_active(self) -> bool:
        """Does this execution still count?"""
        return self.status in {ExecutionStatus.ACTIVE, ExecutionStatus.CORRECTED}


SYSTEM_FIELDS = frozenset(Order.model_fields) - frozenset(NewOrder.model_fields) - {"session_id"} | {
    "cum_qty",
    "orig_cl_ord_id",
    "pending_replace",
    "place_qty",
    "pending_alloc_qty",
    "alloc_state",
    "group_order_id",
    "grouped_at",
    "grouped_by",
    "is_grouped_order",
    "member_count",
}
"""Fields of an order that only the system sets (Python names); they are ignored in a new order, and told.

The last ones belong to the order tree and to replace requests: no order of this version has them, but messages do.
"""


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order with everything its events say: the fold of its stream.

    `notional` is the exact sum of lastQty x lastPx over the executions that count; `late_cancel` is true when a cancel
    request was resolved because the order ended first, so that the market's refusal of it comes late.
    """

    order: Order
    executions: Mapping[str, Execution] = field(default_factory=dict)
    notional: Decimal = Decimal(0)
    late_cancel: bool = False
