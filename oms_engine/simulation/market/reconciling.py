"""Do venue and engine agree after a session? What is not as it should be, each in one sentence."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from oms_engine.domain.events import stream_of
from oms_engine.domain.model import Execution, Order
from oms_engine.domain.quantities import ZERO, average
from oms_engine.domain.vocabulary import OPEN_STATES, CancelState, ExecutionStatus, State
from oms_engine.engine import Engine
from oms_engine.record import plain
from oms_engine.simulation.market.amounts import price_of, quantity_of
from oms_engine.simulation.market.session import Session
from oms_engine.simulation.market.venue import Executed


def problems(session: Session, engine: Engine) -> Iterator[str]:
    """What is wrong after a session that has run to its end; nothing, if all is well.

    Args:
        session: The session.
        engine: The engine that carried out its commands.
    """
    if session.floor.left:
        yield f"{session.floor.left} orders of session {session.number} were never sent"
    if session.venue.crossings:
        yield f"a book was crossed {session.venue.crossings} times"
    executed: dict[str, dict[str, Executed]] = defaultdict(dict)
    for exec_id, each in session.venue.executions.items():
        executed[each.order_id][exec_id] = each
    members = _members(session.floor.orders)
    for order_id, told in session.floor.orders.items():
        kept = engine.get(order_id)
        if kept != told:
            yield f"order {order_id} is kept in another way than its last command said"
        if kept is not None:
            yield from _end_of(kept)
            yield from _kept(kept, engine)
            children = session.floor.children.get(order_id, [])
            yield from _sums(kept, [session.floor.orders[child] for child in children if child in session.floor.orders])
            yield from _shares(kept, members.get(order_id, []))
            if not _is_member(kept):
                booked = {each.exec_id: each for each in engine.executions(order_id)}
                yield from _trades(session, kept, executed.pop(order_id, {}), booked)
    yield from (f"the venue executed order {name}, which works through others" for name in executed)


def _end_of(order: Order) -> Iterator[str]:
    """Has the order ended in a way that the lifecycle knows?"""
    name = f"order {order.order_id}"
    if order.state in OPEN_STATES:
        yield f"{name} is still {order.state}"
    if order.cancel_state in {CancelState.PCXL, CancelState.PMOD}:
        yield f"{name} still waits for an answer to its request"
    if order.pending_alloc_qty:
        yield f"{name} has {plain(order.pending_alloc_qty)} that nobody decided about"
    if (order.state is State.FILLED) != (order.cum_qty == order.order_qty) and order.state is not State.CLOSED:
        yield f"{name} is {order.state} with {plain(order.cum_qty)} of {order.order_qty}"
    if order.state is State.REJ and order.cum_qty:
        yield f"{name} is REJ with {plain(order.cum_qty)} executed"


def _kept(order: Order, engine: Engine) -> Iterator[str]:
    """Do events, snapshots and read model say the same, without a gap?"""
    if not engine.is_contiguous(order.order_id):
        yield f"the versions of order {order.order_id} have a gap"
    for finding in engine.verify_stream(stream_of(order.order_id)):
        yield f"order {order.order_id}: {finding}"


def _sums(order: Order, children: list[Order]) -> Iterator[str]:
    """Does a parent have what its children handed on, and no more placed than it asks for?"""
    if not children:
        return
    handed = sum((child.alloc_qty for child in children), ZERO)
    if order.cum_qty != handed:
        yield f"order {order.order_id} has {plain(order.cum_qty)}, its children handed on {plain(handed)}"
    if order.place_qty > (order.order_qty or ZERO):
        yield f"order {order.order_id} has {plain(order.place_qty)} placed of {order.order_qty}"


def _shares(order: Order, members: list[Order]) -> Iterator[str]:
    """Do the members of a group have what it handed on, and ask for what it asks?"""
    if not members:
        return
    got = sum((member.cum_qty for member in members), ZERO)
    if got != order.alloc_qty:
        yield f"group {order.order_id} handed on {plain(order.alloc_qty)}, its members have {plain(got)}"
    if sum((member.order_qty or ZERO for member in members), ZERO) != order.order_qty:
        yield f"group {order.order_id} asks for another quantity than its members"


def _trades(
    session: Session, order: Order, executed: Mapping[str, Executed], booked: Mapping[str, Execution]
) -> Iterator[str]:
    """Does the engine have exactly the executions of the venue, and what they add up to?"""
    name = f"order {order.order_id}"
    if set(executed) != set(booked):
        yield f"{name}: venue and engine have different executions: {sorted(set(executed) ^ set(booked))}"
        return
    broken = {exec_id for exec_id, each in booked.items() if each.status is ExecutionStatus.BUSTED}
    if broken != session.venue.busted & set(executed):
        yield f"{name}: venue and engine have broken different executions"
    counting = [each for exec_id, each in executed.items() if exec_id not in session.venue.busted]
    quantity = sum((quantity_of(each.quantity) for each in counting), ZERO)
    value = sum((quantity_of(each.quantity) * price_of(each.price) for each in counting), ZERO)
    if session.floor.children.get(order.order_id):
        return
    if quantity != order.cum_qty:
        yield f"{name}: the venue executed {plain(quantity)}, the engine has {plain(order.cum_qty)}"
    if average(value, quantity) != order.avg_px:
        yield f"{name}: its average is {plain(order.avg_px)}, the venue's {plain(average(value, quantity))}"


def _members(orders: Mapping[str, Order]) -> dict[str, list[Order]]:
    members: dict[str, list[Order]] = defaultdict(list)
    for order in orders.values():
        if _is_member(order):
            members[str(order.group_order_id)].append(order)
    return members


def _is_member(order: Order) -> bool:
    return order.group_order_id is not None and not order.is_grouped_order
