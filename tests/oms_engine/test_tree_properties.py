"""What stays true of trees and groups, whatever is sent? Random commands, and everything recomputed after each of them.

The sums are made here from the rows alone, with fractions; the engine's own invariants are not asked.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from oms_engine import CommandResult, Order
from oms_engine.domain.model import Allocation, Execution
from tests.oms_engine.desk import Desk
from tests.oms_engine.trees import READ_MODEL, group, members

LIFECYCLES: Mapping[str, Mapping[str, str]] = {
    "standard": {
        "NEW": "UNACK", "UNACK": "LIVE REJ", "LIVE": "FILLED CXL REJ EXP",
        "FILLED": "CLOSED", "CXL": "CLOSED", "REJ": "CLOSED", "EXP": "CLOSED", "CLOSED": "",
    },
    "matrix": {
        "NEW": "UNACK", "UNACK": "LIVE REJ", "LIVE": "FILLED CXL REJ EXP",
        "FILLED": "CLOSED", "CXL": "CLOSED", "REJ": "CLOSED", "EXP": "", "CLOSED": "",
    },
    "desk": {
        "NEW": "UNACK REJ CXL", "UNACK": "LIVE REJ CXL FILLED EXP", "LIVE": "FILLED CXL REJ EXP CLOSED",
        "FILLED": "CLOSED", "CXL": "CLOSED", "REJ": "CLOSED", "EXP": "CLOSED", "CLOSED": "",
    },
}  # fmt: skip
"""Profile -> state -> the states that can follow."""

ENTERED = {
    "OrderCreated": "NEW",
    "OrderPlaced": "UNACK",
    "OrderAccepted": "LIVE",
    "OrderFilled": "FILLED",
    "OrderCancelled": "CXL",
    "OrderRejected": "REJ",
    "OrderExpired": "EXP",
    "OrderClosed": "CLOSED",
    "OrderReopened": "LIVE",
}
"""Event -> the state that an order gets into by it."""

OPEN = {"NEW", "UNACK", "LIVE"}
WORKING = {"UNACK", "LIVE"}
COUNTS = {"ACTIVE", "CORRECTED"}

SUITABLE: Mapping[str, Callable[["Picture", Order], bool]] = {
    "OrderPlaceCmd": lambda _, order: order.state == "NEW",
    "OrderAcceptCmd": lambda picture, order: order.state == "UNACK" and picture.in_market(order),
    "OrderRejectCmd": lambda picture, order: order.state in WORKING and picture.in_market(order),
    "OrderCancelCmd": lambda _, order: order.state in WORKING,
    "OrderCancelAcceptCmd": lambda picture, order: order.cancel_state == "PCXL" and picture.in_market(order),
    "OrderCancelRejectCmd": lambda _, order: order.cancel_state in {"PCXL", "REJ"},
    "OrderReplaceCmd": lambda _, order: order.state in OPEN,
    "OrderReplaceAcceptCmd": lambda _, order: order.cancel_state == "PMOD",
    "OrderReplaceRejectCmd": lambda _, order: order.cancel_state in {"PMOD", "REJ"},
    "OrderExpireCmd": lambda _, order: order.state == "LIVE",
    "OrderCloseCmd": lambda _, order: order.state in {"FILLED", "CXL", "REJ", "EXP"},
    "OrderUngroupCmd": lambda _, order: order.is_grouped_order,
    "AllocationApproveCmd": lambda _, order: bool(order.pending_alloc_qty),
    "AllocationRejectCmd": lambda _, order: bool(order.pending_alloc_qty),
}
"""Command about one order -> the orders for which it makes sense; it is sent to others too, to be refused."""

OFTEN = (
    "OrderAcceptCmd",
    "OrderCancelCmd",
    "OrderCancelAcceptCmd",
    "AllocationApproveCmd",
    "OrderReplaceCmd",
    "OrderPlaceCmd",
    "OrderExpireCmd",
)

picks = st.integers(0, 11)
prices = st.sampled_from(["100", "99.5", "33.33333333"])
parts = st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 3)])
steps = st.sampled_from([*SUITABLE, *OFTEN, *["create", "fill"] * 4, *["whack", "bust", "correct", "group"] * 2])

MOST_ORDERS = 14


def decimal_of(value: Fraction | Decimal) -> Decimal:
    """The value, cut to a hundredth."""
    return Decimal(int(value * 100)) / 100


def rounded(value: Fraction) -> Decimal:
    """Eight decimals, half-up."""
    exact = Context(prec=60)
    quotient = exact.divide(Decimal(value.numerator), Decimal(value.denominator))
    return quotient.quantize(Decimal("1e-8"), ROUND_HALF_UP, exact)


def total(values: Mapping[str, Fraction] | list[Fraction] | list[Decimal]) -> Fraction:
    return sum((Fraction(value) for value in values), Fraction(0))


class Picture:
    """The rows of a store, and the sums over them."""

    def __init__(self, desk: Desk) -> None:
        rows = {kind: desk.engine.query(entity=kind, sort="id,ASC", size=500) for kind in KINDS}
        assert all(page.page.total_pages <= 1 for page in rows.values())
        self.orders = {row.order_id: row for row in rows["order"].content if isinstance(row, Order)}
        self.executions = [row for row in rows["execution"].content if isinstance(row, Execution)]
        applied = (row for row in rows["allocation"].content if isinstance(row, Allocation))
        self.allocations = [row for row in applied if row.status == "APPLIED"]
        self.children: dict[str, list[Order]] = defaultdict(list)
        self.members: dict[str, list[Order]] = defaultdict(list)
        for order in self.orders.values():
            self.children[order.parent_order_id or ""].append(order)
            if not order.is_grouped_order:
                self.members[order.group_order_id or ""].append(order)

    def received(self, order: Order) -> list[Allocation]:
        return [row for row in self.allocations if row.receiver_order_id == order.order_id]

    def given(self, order: Order) -> list[Allocation]:
        return [row for row in self.allocations if row.giver_order_id == order.order_id]

    def fills(self, order: Order) -> list[Execution]:
        return [row for row in self.executions if row.order_id == order.order_id and row.status in COUNTS]

    def has_receiver(self, order: Order) -> bool:
        return order.parent_order_id is not None or order.is_grouped_order

    def in_market(self, order: Order) -> bool:
        is_member = order.group_order_id is not None and not order.is_grouped_order
        return not (self.children[order.order_id] or is_member)

    def counted(self, child: Order, parent: Order) -> Fraction:
        if child.state not in OPEN:
            return Fraction(child.cum_qty)
        if child.state == "NEW" and parent.state not in OPEN:
            return Fraction(0)
        asked = child.pending_replace.order_qty if child.pending_replace else None
        return Fraction(max(child.order_qty or Decimal(0), asked or Decimal(0)))

    def at_rest(self, order: Order) -> bool:
        return all(
            child.state not in WORKING and not child.pending_alloc_qty and self.at_rest(child)
            for child in self.children[order.order_id]
        )


KINDS = ("order", "execution", "allocation")


def check_order(picture: Picture, order: Order) -> None:
    """I1 to I3 of one order, its average, and that no request outlives it."""
    quantity = order.order_qty or Decimal(0)
    leaves = order.leaves_qty or Decimal(0)
    assert 0 <= order.cum_qty <= quantity
    assert leaves == (quantity - order.cum_qty if order.state in {*OPEN, "FILLED"} else 0)
    if order.state == "FILLED":
        assert order.cum_qty == quantity
    if order.state == "LIVE":
        assert order.cum_qty < quantity
    if order.state == "REJ":
        assert not order.cum_qty
    sources = [(row.quantity, row.price) for row in picture.received(order)]
    sources += [(row.last_qty, row.last_px) for row in picture.fills(order)]
    assert total([part for part, _ in sources]) == order.cum_qty
    amount = total([Fraction(part) * Fraction(price) for part, price in sources])
    assert order.avg_px == (rounded(amount / Fraction(order.cum_qty)) if order.cum_qty else 0)
    assert (order.pending_replace is not None) == (order.cancel_state == "PMOD")
    if order.cancel_state in {"PCXL", "PMOD"}:
        assert order.state in OPEN
    if order.state == "CXL":
        assert order.cancel_state in {"CXL", "REJ"}


def check_allocation(picture: Picture, order: Order) -> None:
    """What was handed on: to the full where nobody decides, never beyond what there is, lot by lot."""
    given = picture.given(order)
    if not picture.has_receiver(order):
        assert not given
        assert (order.alloc_qty, order.pending_alloc_qty, order.alloc_state) == (order.cum_qty, 0, None)
        return
    assert total([row.quantity for row in given]) == order.alloc_qty <= order.cum_qty
    assert order.pending_alloc_qty == order.cum_qty - order.alloc_qty
    if order.auto_allocation:
        assert not order.pending_alloc_qty
    match bool(order.pending_alloc_qty), bool(order.alloc_qty):
        case True, _:
            assert order.alloc_state in {"PENDING_ALLOC", "ALLOC_FAILED"}
        case False, allocated:
            assert order.alloc_state == ("ALLOCATED" if allocated else "NEW")
    lots = {(row.order_id, row.exec_id): row.last_qty for row in picture.fills(order)}
    for row in picture.received(order):
        key = row.order_id, row.exec_id
        lots[key] = lots.get(key, Decimal(0)) + row.quantity
    for row in given:
        lots[row.order_id, row.exec_id] -= row.quantity
        assert lots[row.order_id, row.exec_id] >= 0


def check_tree(picture: Picture, parent: Order) -> None:
    """I4 of a parent, and that it follows its children."""
    children = picture.children[parent.order_id]
    if not children:
        assert not parent.place_qty
        return
    assert total([child.alloc_qty for child in children]) == parent.cum_qty
    placed = total([picture.counted(child, parent) for child in children])
    assert placed == parent.place_qty <= (parent.order_qty or 0)
    if any(child.state in WORKING for child in children):
        assert parent.state != "NEW"
    if any(child.state in {"LIVE", "FILLED"} for child in children):
        assert parent.state not in {"NEW", "UNACK"}
    if parent.cancel_state == "PCXL":
        assert not picture.at_rest(parent) or not parent.auto_forward
        assert not (picture.at_rest(parent) and parent.state == "LIVE")
        working = [child for child in children if child.state in WORKING]
        assert not working or not parent.auto_forward or any(child.cancel_state == "PCXL" for child in working)


def check_group(picture: Picture, block: Order) -> None:
    """I4 of a group, and that its members follow it."""
    inside = picture.members[block.order_id]
    assert block.member_count == len(inside)
    assert total([member.order_qty or Decimal(0) for member in inside]) == block.order_qty
    assert total([member.cum_qty for member in inside]) == block.alloc_qty
    if not inside:
        assert (block.state, block.place_qty, block.cum_qty) == ("NEW", 0, 0)
    for member in inside:
        assert not picture.fills(member)
        complete = member.cum_qty == member.order_qty
        match block.state:
            case "NEW" | "UNACK" | "REJ":
                assert member.state in {block.state, "CLOSED"}
            case "LIVE" | "FILLED":
                assert member.state in ({"FILLED", "CLOSED"} if complete else {"LIVE", "CXL", "EXP", "CLOSED"})
            case "CXL" | "EXP" if not block.pending_alloc_qty:
                assert member.state in ({"FILLED", "CLOSED"} if complete else {block.state, "CLOSED"})
            case _:
                pass
    if block.state == "FILLED" and not block.pending_alloc_qty:
        assert all(member.cum_qty == member.order_qty for member in inside)


def check_everything(picture: Picture) -> None:
    for order in picture.orders.values():
        check_order(picture, order)
        check_allocation(picture, order)
        check_tree(picture, order)
        if order.is_grouped_order:
            check_group(picture, order)


class TradingDay(RuleBasedStateMachine):
    """Random commands over a desk with trees and groups; legal ones and others."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.profile = "standard"
        self.states: dict[str, str] = {}
        self.read = 0
        self.picture = Picture(self.desk)

    def teardown(self) -> None:
        self.market_answers_everything()
        self.store_is_what_its_events_say()
        self.desk.engine.close()

    @initialize(
        profile=st.sampled_from(sorted(LIFECYCLES)),
        scene=st.sampled_from(["trees", "members", "group", "block"]),
        auto=st.booleans(),
        accepted=st.booleans(),
    )
    def open(self, profile: str, scene: str, auto: bool, accepted: bool) -> None:
        self.profile = profile
        self.desk = Desk(lifecycle__profile=profile)
        if scene == "trees":
            self.create("r", "10", handlInst="MANUAL")
            self.create("r-a", "6", parentOrderId="r", autoAllocation=auto, autoForward=not accepted)
            self.create("r-b", "4", parentOrderId="r")
            self.create("r-a-a", "6", parentOrderId="r-a", autoAllocation=not auto)
        elif scene == "members":
            members(self.desk, "3", "2", "1.5")
            self.look()
        else:
            group(self.desk, "3", "2", "1.5", autoAllocation=auto)
            self.look()
            if scene == "group":
                self.create("g-a", "5", parentOrderId="g", autoAllocation=not auto)
            else:
                self.send("OrderPlaceCmd", orderId="g")
        for order in list(self.picture.orders.values()) if accepted else ():
            if order.state == "UNACK" and self.picture.in_market(order):
                self.send("OrderAcceptCmd", orderId=order.order_id)
        self.look()

    def create(self, name: str, quantity: str, **order: object) -> CommandResult:
        return self.send(
            "OrderCreateCmd", order=self.desk.asked(orderId=name, clOrdId=name, orderQty=quantity, **order)
        )

    def send(self, kind: str, /, **fields: object) -> CommandResult:
        before = self.desk.rows((*READ_MODEL, "events", "commands"))
        result = self.desk.do(kind, **fields)
        assert result.error is None or not result.error.error_code.startswith("OMS-SYS"), result.message
        if result.ok and not result.duplicate:
            assert result.events
            self.look()
        else:
            assert self.desk.rows((*READ_MODEL, "events", "commands")) == before
        return result

    def look(self) -> None:
        """Follow the states through the new events, and take a new picture of the rows."""
        allowed = LIFECYCLES[self.profile]
        for event in self.desk.engine.events(after=self.read):
            order_id = event.stream_id.removeprefix("order-")
            target = ENTERED.get(event.type)
            if target is not None and event.stream_id != "settings":
                state = self.states.get(order_id)
                if event.type == "OrderReopened":
                    assert state == "FILLED"
                else:
                    assert (target == "NEW") if state is None else target in allowed[state].split(), (order_id, state)
                self.states[order_id] = target
            self.read = event.position
        settled = [order for order in self.picture.orders.values() if order.state == "CLOSED"]
        self.picture = Picture(self.desk)
        assert [self.picture.orders[order.order_id].cum_qty for order in settled] == [o.cum_qty for o in settled]
        assert {order.order_id: order.state for order in self.picture.orders.values()} == self.states

    @invariant()
    def everything_adds_up(self) -> None:
        check_everything(self.picture)

    def one(self, pick: int) -> Order:
        orders = list(self.picture.orders.values())
        return orders[pick % len(orders)]

    def suitable(self, kind: str, pick: int) -> Order:
        """An order for which a command makes sense; any other where there is none, or now and then."""
        found = [order for order in self.picture.orders.values() if SUITABLE[kind](self.picture, order)]
        return found[pick % len(found)] if found and pick < 11 else self.one(pick)

    @rule(step=steps, pick=picks, part=parts, price=prices, flags=st.tuples(st.booleans(), st.booleans()))
    def something_happens(self, step: str, pick: int, part: Fraction, price: str, flags: tuple[bool, bool]) -> None:
        match step:
            case "create":
                self.someone_creates(pick, part, auto=flags[0], forward=flags[1])
            case "fill":
                self.market_fills(pick, part, price, beyond=all(flags))
            case "whack" | "bust" | "correct":
                self.someone_corrects(step, pick, part, price, more=flags[0])
            case "group":
                self.desk_groups(pick, auto=flags[0])
            case _:
                self.someone_decides(step, pick, part, price, all(flags))

    def someone_creates(self, pick: int, part: Fraction, *, auto: bool, forward: bool) -> None:
        if len(self.picture.orders) > MOST_ORDERS:
            return
        parents = [order for order in self.picture.orders.values() if order.state in OPEN]
        parent = parents[pick % len(parents)] if parents else self.one(pick)
        room = Fraction(parent.order_qty or 0) - Fraction(parent.place_qty)
        quantity = decimal_of(room * part) or Decimal(1)
        below = {"parentOrderId": parent.order_id} if pick < 9 else {}
        handling = {"handlInst": "MANUAL"} if pick % 3 == 0 else {}
        name = f"n{len(self.picture.orders)}"
        self.create(name, str(quantity), autoAllocation=auto, autoForward=forward, **below, **handling)

    def someone_decides(self, kind: str, pick: int, part: Fraction, price: str, odd: bool) -> None:
        order = self.suitable(kind, pick)
        more: dict[str, object] = {}
        if kind == "OrderCancelAcceptCmd" and odd:
            more["unsolicited"] = True
        if kind == "OrderReplaceCmd":
            quantity = order.cum_qty + (decimal_of(Fraction(order.leaves_qty or 0) * part) if odd else Decimal(1))
            more |= {"orderQty": str(quantity), "price": price}
        if kind == "AllocationApproveCmd" and odd and order.pending_alloc_qty:
            more["quantity"] = str(decimal_of(Fraction(order.pending_alloc_qty) * part))
        name = "groupOrderId" if kind == "OrderUngroupCmd" else "orderId"
        self.send(kind, **{name: order.order_id}, **more)

    def market_fills(self, pick: int, part: Fraction, price: str, *, beyond: bool) -> None:
        works = [o for o in self.picture.orders.values() if o.state == "LIVE" and self.picture.in_market(o)]
        order = works[pick % len(works)] if works and pick < 11 else self.one(pick)
        lot = decimal_of(Fraction(order.leaves_qty or 0) * part) + (1 if beyond else 0)
        report = {"execId": f"e{len(self.picture.executions) + 1}", "lastQty": str(lot), "lastPx": price}
        self.send("ExecutionCreateCmd", execution={"orderId": order.order_id, **report})

    def someone_corrects(self, kind: str, pick: int, part: Fraction, price: str, *, more: bool) -> None:
        if not self.picture.executions:
            return
        meant = self.picture.executions[pick % len(self.picture.executions)]
        named = {"orderId": meant.order_id, "execId": meant.exec_id}
        match kind:
            case "whack":
                people = {"requestedBy": "ann", "approvedBy": "bob", "approvalLevel": "RISK_COMMITTEE"}
                self.send("ExecutionWhackCmd", **named, **people)
            case "bust":
                self.send("ExecutionBustCmd", **named)
            case _:
                quantity = meant.last_qty + part.denominator if more else decimal_of(Fraction(meant.last_qty) * part)
                values = {"lastQty": str(quantity), "lastPx": price}
                self.send("ExecutionCorrectCmd", orderId=meant.order_id, execRefId=meant.exec_id, **values)

    def desk_groups(self, pick: int, *, auto: bool) -> None:
        alone = [o.order_id for o in self.picture.orders.values() if o.state == "NEW" and o.role == "CLIENT"]
        named = alone[: pick % 4]
        name = f"g{len(self.picture.orders)}"
        self.send("OrderGroupCmd", memberOrderIds=named, groupOrderId=name, autoAllocation=auto)

    def market_answers_everything(self) -> None:
        """Whatever waits for an answer gets one: afterwards nothing is pending any more, at no level."""
        for _ in range(5):
            for order in list(self.picture.orders.values()):
                self.answer(order.order_id)
        check_everything(self.picture)
        assert not [o.order_id for o in self.picture.orders.values() if o.cancel_state in {"PCXL", "PMOD"}]

    def answer(self, order_id: str) -> None:
        """The market accepts and cancels, the desk allocates, and refuses what it was to forward itself."""
        order = self.picture.orders[order_id]
        if order.pending_alloc_qty:
            self.send("AllocationApproveCmd", orderId=order_id)
        if order.state not in WORKING:
            return
        if self.picture.in_market(order):
            if order.state == "UNACK":
                assert self.send("OrderAcceptCmd", orderId=order_id).ok
            if order.cancel_state == "PMOD":
                assert self.send("OrderReplaceRejectCmd", orderId=order_id).ok
            if order.cancel_state == "PCXL":
                assert self.send("OrderCancelAcceptCmd", orderId=order_id).ok
        elif order.cancel_state == "PCXL" and not order.auto_forward:
            assert self.send("OrderCancelRejectCmd", orderId=order_id).ok

    def store_is_what_its_events_say(self) -> None:
        before = self.desk.rows(READ_MODEL)
        self.desk.engine.rebuild()
        assert self.desk.rows(READ_MODEL) == before


class ShortDay(TradingDay):
    """A few commands."""


TestShortDay = ShortDay.TestCase
TestShortDay.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


class LongDay(TradingDay):
    """Many commands."""


TestLongDay = pytest.mark.slow(LongDay.TestCase)
TestLongDay.settings = settings(max_examples=400, stateful_step_count=70, deadline=None)
