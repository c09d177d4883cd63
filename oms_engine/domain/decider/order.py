"""What does a command about an order decide? One function per command; asked only when every rule of it holds."""

from typing import Any

from oms_engine.domain.commands import (
    OrderAcceptCmd,
    OrderCancelAcceptCmd,
    OrderCancelCmd,
    OrderCancelRejectCmd,
    OrderCloseCmd,
    OrderCreateCmd,
    OrderExpireCmd,
    OrderPlaceCmd,
    OrderRejectCmd,
    OrderReplaceAcceptCmd,
    OrderReplaceCmd,
    OrderReplaceRejectCmd,
)
from oms_engine.domain.decider.book import Book, NewId
from oms_engine.domain.decider.tree import cancel_at_once, end, filled, follow, request_cancel
from oms_engine.domain.events import (
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderCancelRejected,
    OrderCancelRequested,
    OrderClosed,
    OrderCreated,
    OrderExpired,
    OrderPlaced,
    OrderRejected,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceRequested,
    stream_of,
)
from oms_engine.domain.model import NewOrder, OrderState, ReplaceTerms
from oms_engine.domain.quantities import ZERO, open_quantity, subtract
from oms_engine.domain.rules.assets import classify
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.rules.replace import requested_terms
from oms_engine.domain.vocabulary import (
    AssetClass,
    CancelState,
    CxlRejReason,
    HandlInst,
    Leg,
    OrdRejReason,
    Origin,
    Role,
    State,
    TimeInForce,
)
from oms_engine.record import Hashed

_TERMS = tuple(name for name in NewOrder.model_fields if name not in {"cum_qty", "order_id"})


def terms_of(order: NewOrder, asset_class: AssetClass | None) -> dict[str, Any]:
    """The terms of a new order with the defaults written out; equal orders have equal terms, however they were sent.

    The asset class is that of the order, or the one that was derived for it.
    """
    terms = {**order.__dict__}
    del terms["cum_qty"], terms["order_id"]
    terms["time_in_force"] = order.time_in_force or TimeInForce.DAY
    terms["handl_inst"] = order.handl_inst or HandlInst.AUTO
    terms["asset_class"] = order.asset_class or asset_class
    terms["auto_allocation"] = order.auto_allocation is not False
    terms["auto_forward"] = order.auto_forward is not False
    return terms


def asked_hash(order: NewOrder, asset_class: AssetClass | None) -> str:
    """A hash that is equal for equal orders, whenever they are sent and whatever their id.

    An order that names no asset class is compared as one of the class that was derived when it was created.
    """
    return _COMPARED.digest(terms_of(order, asset_class))


def created_hash(order: OrderCreated) -> str:
    """The same hash of an order that was created."""
    return _COMPARED.digest(order.as_dict())


_COMPARED = Hashed(NewOrder, (name for name in _TERMS if name not in {"sending_time", "transact_time"}))


def create(facts: Facts[OrderCreateCmd], book: Book, new_id: NewId) -> str:
    """A new order; unless the desk handles it, it is placed at once."""
    order = facts.command.order or NewOrder()
    order_id = order.order_id or new_id("ORD")
    parent = facts.parent()
    terms = terms_of(order, classify(order, facts.settings))
    terms["sending_time"] = order.sending_time or facts.now
    terms["order_id"] = order_id
    terms["session_id"] = facts.session_id
    terms["root_order_id"] = parent.order.root_order_id if parent else order_id
    terms["leg"] = Leg.MKT if parent else Leg.CLI
    terms["role"] = _role_below(parent)
    created = OrderCreated.with_values(terms)
    book.record(order_id, created)
    if facts.settings.routing == "auto" and created.handl_inst is HandlInst.AUTO:
        facts.machine.require(State.NEW, State.UNACK)
        book.record(order_id, OrderPlaced.of(routing="auto", ex_destination=order.ex_destination))
    follow(book, order_id)
    return stream_of(order_id)


def _role_below(parent: OrderState | None) -> Role:
    if parent is None:
        return Role.CLIENT
    return Role.MARKET if parent.order.role in {Role.CLIENT, Role.GROUP} else Role.SLICE


def place(facts: Facts[OrderPlaceCmd], book: Book, _: NewId) -> str:
    """The order goes to the market, and so do the orders above it."""
    placed = OrderPlaced.of(routing="manual", ex_destination=facts.command.ex_destination)
    return _happens(facts, book, placed)


def accept(facts: Facts[OrderAcceptCmd], book: Book, _: NewId) -> str:
    """The market works the order."""
    return _happens(facts, book, OrderAccepted.of(order_qty=facts.command.order_qty))


def reject(facts: Facts[OrderRejectCmd], book: Book, _: NewId) -> str:
    """The order is refused."""
    reason = facts.command.ord_rej_reason or OrdRejReason.OTHER
    return _happens(facts, book, OrderRejected(ord_rej_reason=reason, text=facts.command.text))


def cancel(facts: Facts[OrderCancelCmd], book: Book, _: NewId) -> str:
    """A cancel is asked of the market or of the children; what was never sent is cancelled at once."""
    state = facts.order
    order_id = state.order.order_id
    request = OrderCancelRequested(
        cl_ord_id=facts.command.cl_ord_id,
        session_id=facts.session_id if facts.command.cl_ord_id else None,
        text=facts.command.text,
        origin=Origin.DESK if state.order.parent_order_id else Origin.CLIENT,
    )
    if state.order.state is State.NEW:
        cancel_at_once(book, order_id, request)
    else:
        request_cancel(book, order_id, request)
    follow(book, order_id)
    return stream_of(order_id)


def cancel_accept(facts: Facts[OrderCancelAcceptCmd], book: Book, _: NewId) -> str:
    """The rest of the order is cancelled."""
    state = facts.order
    asked = state.order.cancel_state is CancelState.PCXL
    gone = OrderCancelled(cancelled_qty=open_quantity(state), unsolicited=not asked, text=facts.command.text)
    return _happens(facts, book, gone)


def cancel_reject(facts: Facts[OrderCancelRejectCmd], book: Book, _: NewId) -> str:
    """The cancel is refused; the order works on."""
    reason = facts.command.cxl_rej_reason or CxlRejReason.OTHER
    return _happens(facts, book, OrderCancelRejected(cxl_rej_reason=reason, text=facts.command.text))


def replace(facts: Facts[OrderReplaceCmd], book: Book, _: NewId) -> str:
    """Other terms are asked of the market; they hold at once where nothing of the order itself is in the market."""
    state = facts.order
    command = facts.command
    terms = requested_terms(facts)
    request = OrderReplaceRequested(
        cl_ord_id=command.cl_ord_id or state.order.cl_ord_id,
        orig_cl_ord_id=state.order.cl_ord_id,
        session_id=facts.session_id if command.cl_ord_id else None,
        requested=terms,
    )
    book.record(state.order.order_id, request)
    if state.order.state is State.NEW or state.children:
        _apply(book, state.order.order_id, terms)
    follow(book, state.order.order_id)
    return stream_of(state.order.order_id)


def _apply(book: Book, order_id: str, terms: ReplaceTerms) -> None:
    """The terms hold; an order that asks for no more than it has got is FILLED."""
    before = book.order(order_id)
    delta = subtract(terms.order_qty, before.quantity) if terms.order_qty is not None else ZERO
    after = book.record(order_id, OrderReplaced(changed=terms, order_qty_delta=delta))
    complete = filled(after)
    if complete is not None:
        end(book, order_id, complete)


def replace_accept(facts: Facts[OrderReplaceAcceptCmd], book: Book, _: NewId) -> str:
    """The terms that were asked for hold."""
    order = facts.order.order
    _apply(book, order.order_id, order.pending_replace or ReplaceTerms())
    follow(book, order.order_id)
    return stream_of(order.order_id)


def replace_reject(facts: Facts[OrderReplaceRejectCmd], book: Book, _: NewId) -> str:
    """The replace is refused; the order works on with its old terms."""
    reason = facts.command.cxl_rej_reason or CxlRejReason.OTHER
    return _happens(facts, book, OrderReplaceRejected(cxl_rej_reason=reason, text=facts.command.text))


def expire(facts: Facts[OrderExpireCmd], book: Book, _: NewId) -> str:
    """The time in force has ended."""
    expired = OrderExpired(tif_timestamp=facts.now, expired_qty=open_quantity(facts.order))
    return _happens(facts, book, expired)


def close(facts: Facts[OrderCloseCmd], book: Book, _: NewId) -> str:
    """The order is settled or cleaned up."""
    return _happens(facts, book, OrderClosed(reason=facts.command.reason))


def _happens(facts: Facts[Any], book: Book, event: Event) -> str:
    """One event, what it resolves, and what follows from it."""
    order_id = facts.order.order.order_id
    end(book, order_id, event)
    follow(book, order_id)
    return stream_of(order_id)
