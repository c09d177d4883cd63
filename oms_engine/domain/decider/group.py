"""What do grouping, ungrouping and the desk's decisions about allocation decide?"""

from oms_engine.domain.commands import (
    AllocationApproveCmd,
    AllocationRejectCmd,
    OrderGroupCmd,
    OrderUngroupCmd,
)
from oms_engine.domain.decider.book import Book, NewId
from oms_engine.domain.decider.tree import approve
from oms_engine.domain.events import (
    AllocationRejected,
    OrderCreated,
    OrderGrouped,
    OrderUngrouped,
    stream_of,
)
from oms_engine.domain.quantities import ZERO, add
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.rules.group import AGREED, members_of
from oms_engine.domain.vocabulary import HandlInst, Leg, Role

BLOCK = "BLOCK"
"""Account of a group whose members have different ones, or none that is known any more."""

_COPIED = (*AGREED, "security_desc")
"""What a group takes over from its members: what they agree in, and what the first of them calls the security."""


def group(facts: Facts[OrderGroupCmd], book: Book, new_id: NewId) -> str:
    """Several client orders become one block order."""
    members = members_of(facts)
    order_id = facts.command.group_order_id or new_id("GRP")
    first = members[0].order
    accounts = {member.order.account for member in members}
    quantity = ZERO
    for member in members:
        quantity = add(quantity, member.quantity)
    created = OrderCreated(
        order_id=order_id,
        session_id=facts.session_id,
        cl_ord_id=order_id,
        root_order_id=order_id,
        leg=Leg.CLI,
        role=Role.GROUP,
        account=(accounts.pop() if len(accounts) == 1 else None) or BLOCK,
        order_qty=quantity,
        handl_inst=HandlInst.MANUAL,
        auto_allocation=facts.command.auto_allocation is not False,
        sending_time=facts.now,
        **{name: getattr(first, name) for name in _COPIED},
    )
    grouped_by = facts.command.grouped_by or facts.actor
    member_ids = tuple(sorted(member.order.order_id for member in members))
    book.record(order_id, created, OrderGrouped(member_order_ids=member_ids, grouped_by=grouped_by))
    for member_id in member_ids:
        joined = OrderGrouped(group_order_id=order_id, grouped_by=grouped_by)
        book.record(member_id, joined, cause=order_id)
    return stream_of(order_id)


def ungroup(facts: Facts[OrderUngroupCmd], book: Book, _: NewId) -> str:
    """The members are free again; the group is left empty."""
    state = facts.order
    order_id = state.order.order_id
    dissolved = OrderUngrouped(member_order_ids=state.members, order_qty_delta=state.quantity.copy_negate())
    book.record(order_id, dissolved)
    for member_id in state.members:
        book.record(member_id, OrderUngrouped(group_order_id=order_id), cause=order_id)
    return stream_of(order_id)


def approve_allocation(facts: Facts[AllocationApproveCmd], book: Book, _: NewId) -> str:
    """The desk hands pending quantity on."""
    order = facts.order.order
    quantity = facts.command.quantity or order.pending_alloc_qty
    approve(book, order.order_id, quantity, facts.command.approved_by or facts.actor)
    return stream_of(order.order_id)


def reject_allocation(facts: Facts[AllocationRejectCmd], book: Book, _: NewId) -> str:
    """The desk refuses to hand a quantity on; it stays pending (ALC-06)."""
    order = facts.order.order
    refused = AllocationRejected(
        quantity=facts.command.quantity or order.pending_alloc_qty,
        reason=facts.command.reason,
        rejected_by=facts.actor,
    )
    book.record(order.order_id, refused)
    return stream_of(order.order_id)
