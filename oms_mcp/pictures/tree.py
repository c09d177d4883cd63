"""Which orders stand above and below an order, and what is left out of a picture of thousands?"""

from collections.abc import Mapping, Sequence

from oms_engine import Engine
from oms_engine.domain.model import Order
from oms_engine.domain.vocabulary import CancelState, Role, Side, State
from oms_engine.record import Exact, Record

MOST_CHILDREN = 20
MOST_ORDERS = 200
_MOST_READ = 10_000
"""What the engine reads of a tree."""


class Branch(Record):
    """An order and what is drawn below it.

    Attributes:
        left_out: Children that are not drawn, with everything below them.
        left_out_states: How many of those are in which state.
    """

    order_id: str
    role: Role
    depth: int
    state: State
    cancel_state: CancelState | None = None
    side: Side
    symbol: str
    order_qty: Exact | None = None
    place_qty: Exact
    cum_qty: Exact
    leaves_qty: Exact | None = None
    avg_px: Exact
    alloc_qty: Exact
    pending_alloc_qty: Exact
    children: "tuple[Branch, ...]" = ()
    left_out: int = 0
    left_out_states: dict[str, int] = {}  # noqa: RUF012 - a record is never changed


class TreePicture(Record):
    """The tree of an order.

    Attributes:
        order_id: The order that was asked for.
        root: The order at the top.
        orders: How many orders the tree has; `more` where the engine reads no further than that.
        group: The group that the root is a member of.
        members: The members of the root, where that is a group.
        members_left_out: Members that are not drawn.
    """

    order_id: str
    root: Branch
    orders: int
    more: bool = False
    group: Branch | None = None
    members: tuple[Branch, ...] = ()
    members_left_out: int = 0


def tree_of(
    engine: Engine, order_id: str, *, most_children: int = MOST_CHILDREN, most_orders: int = MOST_ORDERS
) -> TreePicture:
    """The tree of an order, cut where it is too broad; the order itself and those above it are never left out.

    Args:
        engine: The engine, or one that shows the past.
        order_id: The order.
        most_children: Children that are drawn of one order.
        most_orders: Orders that are drawn altogether.

    Raises:
        Refused: OMS-ORDER-001, there is no such order.
    """
    tree = engine.tree(order_id)
    known = {each.order_id: each for each in tree.orders}
    below: dict[str, list[Order]] = {}
    for each in tree.orders[1:]:
        below.setdefault(str(each.parent_order_id), []).append(each)
    kept = _kept(tree.orders[0], below, _line(order_id, known), most_children, most_orders)
    members = tree.members[:most_children]
    return TreePicture(
        order_id=order_id,
        root=_branch(tree.orders[0], 0, below, kept),
        orders=len(tree.orders),
        more=len(tree.orders) >= _MOST_READ,
        group=_branch(tree.group, 0, {}, frozenset()) if tree.group else None,
        members=tuple(_branch(each, 0, {}, frozenset()) for each in members),
        members_left_out=len(tree.members) - len(members),
    )


def _line(order_id: str, known: Mapping[str, Order]) -> list[str]:
    """The order and those above it."""
    line = [order_id]
    while (parent := known[line[-1]].parent_order_id) and parent in known:
        line.append(parent)
    return line


def _kept(
    root: Order, below: Mapping[str, Sequence[Order]], line: Sequence[str], most_children: int, most_orders: int
) -> frozenset[str]:
    """The orders that are drawn: the line that was asked for, then level by level as long as there is room."""
    kept = {*line}
    level = [root.order_id]
    while level:
        following = []
        for name in level:
            children = below.get(name, ())
            forced = [each.order_id for each in children if each.order_id in kept]
            free = [each.order_id for each in children if each.order_id not in kept]
            room = max(0, min(most_children - len(forced), most_orders - len(kept)))
            kept |= {*free[:room]}
            following += [*forced, *free[:room]]
        level = following
    return frozenset(kept)


def _branch(order: Order, depth: int, below: Mapping[str, Sequence[Order]], kept: frozenset[str]) -> Branch:
    children = below.get(order.order_id, ())
    drawn = [each for each in children if each.order_id in kept]
    states: dict[str, int] = {}
    for each in children:
        if each.order_id not in kept:
            states[each.state] = states.get(each.state, 0) + 1
    return Branch(
        **{name: getattr(order, name) for name in _FACTS},
        depth=depth,
        children=tuple(_branch(each, depth + 1, below, kept) for each in drawn),
        left_out=len(children) - len(drawn),
        left_out_states=states,
    )


_FACTS = tuple(name for name in Branch.model_fields if name in Order.model_fields)
"""What a branch tells of its order."""
