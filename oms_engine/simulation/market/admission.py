"""Which orders does the venue take, and which changes of them? What it refuses, with the reason that FIX has for it."""

from oms_engine.domain.vocabulary import CxlRejReason, OrdRejReason, OrdType, Side, TimeInForce
from oms_engine.simulation.market.amounts import price_of, ticks_of, units_of
from oms_engine.simulation.market.book import BookOrder
from oms_engine.simulation.market.messages import NewOrderSingle, ReplaceRequest

BAND = 20
"""Per cent that a price may lie off the last one."""

SIDES = (Side.BUY, Side.SELL, Side.SELL_SHORT)
ORD_TYPES = (OrdType.MARKET, OrdType.LIMIT, OrdType.STOP, OrdType.STOP_LIMIT)
TIMES_IN_FORCE = (
    TimeInForce.DAY,
    TimeInForce.GOOD_TILL_CANCEL,
    TimeInForce.IMMEDIATE_OR_CANCEL,
    TimeInForce.FILL_OR_KILL,
)
"""What the venue takes."""

_AT_ONCE = (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
_WITH_LIMIT = (OrdType.LIMIT, OrdType.STOP_LIMIT)
_WITH_STOP = (OrdType.STOP, OrdType.STOP_LIMIT)

_REASON_FOR_CHANGES = {
    OrdRejReason.INVALID_PRICE_INCREMENT: CxlRejReason.INVALID_PRICE_INCREMENT,
    OrdRejReason.PRICE_EXCEEDS_BAND: CxlRejReason.OTHER,
}
"""What is wrong with the price of a new order (103) -> the same of a change (102), where no value names the band."""

OrderRefusal = tuple[OrdRejReason, str]
ChangeRefusal = tuple[CxlRejReason, str]


def order_refusal(asked: NewOrderSingle, last: int) -> OrderRefusal | None:
    """Why a new order is refused; None for one that is right.

    Args:
        asked: The order.
        last: Price of the last trade of its symbol, in ticks.
    """
    if not (asked.side in SIDES and asked.ord_type in ORD_TYPES and asked.time_in_force in TIMES_IN_FORCE):
        told = f"no {asked.side} {asked.ord_type} {asked.time_in_force} orders here"
        return OrdRejReason.UNSUPPORTED_CHARACTERISTIC, told
    if not units_of(asked.order_qty):
        return OrdRejReason.INCORRECT_QUANTITY, f"quantity {asked.order_qty} is no whole number above 0"
    if asked.ord_type in _WITH_LIMIT and asked.price is None:
        return OrdRejReason.OTHER, f"a {asked.ord_type} order has a price"
    if asked.ord_type in _WITH_STOP and asked.stop_px is None:
        return OrdRejReason.OTHER, f"a {asked.ord_type} order has a stop price"
    return _price_refusal(asked, last)


def _price_refusal(asked: NewOrderSingle | ReplaceRequest, last: int) -> OrderRefusal | None:
    for price in (asked.price, asked.stop_px):
        if price is None:
            continue
        ticks = ticks_of(price)
        if ticks is None:
            return OrdRejReason.INVALID_PRICE_INCREMENT, f"price {price} lies between two ticks"
        if abs(ticks - last) * 100 > last * BAND:
            return OrdRejReason.PRICE_EXCEEDS_BAND, f"price {price} is more than {BAND} % off {price_of(last)}"
    return None


def change_refusal(asked: ReplaceRequest, entry: BookOrder, last: int) -> ChangeRefusal | None:
    """Why other terms are refused; None for those that are right.

    Args:
        asked: The terms.
        entry: The order, which works.
        last: Price of the last trade of its symbol, in ticks.
    """
    if (refusal := _price_refusal(asked, last)) is not None:
        return _REASON_FOR_CHANGES[refusal[0]], refusal[1]
    quantity = units_of(asked.order_qty)
    if quantity is None:
        return CxlRejReason.OTHER, f"quantity {asked.order_qty} is no whole number"
    if quantity < entry.filled:
        return CxlRejReason.TOO_LATE, f"{entry.filled} is executed already"
    if (asked.price is None) != (entry.limit is None) or (asked.stop_px is None and entry.stop is not None):
        return CxlRejReason.OTHER, "the type of an order cannot be changed"
    if asked.time_in_force in _AT_ONCE or asked.time_in_force not in TIMES_IN_FORCE:
        return CxlRejReason.OTHER, f"an order that works cannot become {asked.time_in_force}"
    return None


def entry_of(asked: NewOrderSingle) -> BookOrder:
    """What the book gets of an order that is right."""
    return BookOrder(
        asked.order_id,
        units_of(asked.order_qty) or 0,
        ticks_of(asked.price) if asked.price is not None and asked.ord_type in _WITH_LIMIT else None,
        buys=asked.side is Side.BUY,
        stop=ticks_of(asked.stop_px) if asked.stop_px is not None and asked.ord_type in _WITH_STOP else None,
        rests=asked.time_in_force not in _AT_ONCE,
        all_or_none=asked.time_in_force is TimeInForce.FILL_OR_KILL,
    )
