"""What must hold before a fill is booked, and before one is restated or taken back?"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from oms_engine.domain.commands import (
    ExecutionBustCmd,
    ExecutionCorrectCmd,
    ExecutionCreateCmd,
    ExecutionWhackCmd,
)
from oms_engine.domain.model import Execution, ExecutionReport, OrderState
from oms_engine.domain.quantities import EXACT, ZERO, add, notional, open_quantity, subtract
from oms_engine.domain.rules.envelope import folded, printable, readable, required, texts_and_numbers_fit
from oms_engine.domain.rules.facts import Facts, RulesAbout, found, order_name, order_state, rule
from oms_engine.domain.rules.group import room_of
from oms_engine.domain.rules.order import is_signed
from oms_engine.domain.rules.tree import is_member
from oms_engine.domain.vocabulary import OPEN_STATES, ApprovalLevel, State
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule

FillFacts = Facts[ExecutionCreateCmd]
BackFacts = Facts[ExecutionBustCmd] | Facts[ExecutionCorrectCmd] | Facts[ExecutionWhackCmd]
"""What whack, bust and correct have in common: they are about an execution that was booked."""

WhackFacts = Facts[ExecutionWhackCmd]

_MICROSECONDS_PER_HOUR = Decimal(3_600_000_000)

FILL_TYPES = ("F", "1", "2")
"""Values of ExecType (FIX 150) that book a fill."""


_on_fill = RulesAbout("execution", ExecutionReport(), "ExecutionCreateCmd")


def _signed_price(facts: Facts[Any]) -> bool:
    return facts.state is not None and is_signed(facts.state.order, facts)


def _open_quantity(facts: FillFacts) -> Decimal:
    assert facts.state is not None  # noqa: S101 - EX-05 applies only where the order was found
    return open_quantity(facts.state)


def _takes_fills(facts: FillFacts) -> bool:
    return found(facts) and facts.machine.is_valid_transition(order_state(facts), State.FILLED)


def _states_with_fills(facts: FillFacts) -> str:
    return " or ".join(s for s in State if facts.machine.is_valid_transition(s, State.FILLED))


CREATE: tuple[Rule[FillFacts], ...] = (
    rule(
        "EX-01",
        "OMS-VAL-003",
        "execution",
        lambda f: f.command.execution is not None,
        lambda _: "execution is missing; put the fill's fields into the object 'execution'",
        scope="ExecutionCreateCmd",
    ),
    _on_fill(
        "EX-01",
        "OMS-ORDER-001",
        "orderId",
        lambda _, f: found(f),
        lambda e, _: f"order {shown(e.order_id)} does not exist; search_orders finds its orderId",
        applies=lambda e, _: bool(e.order_id),
    ),
    _on_fill(
        "EX-06",
        "OMS-EXEC-002",
        "execId",
        lambda e, f: f.state is None or not (e.exec_id in f.state.executions or e.exec_id in f.state.correcting),
        lambda e, f: f"execution {shown(e.exec_id)} is booked on {order_name(f)} already{_contradiction(e, f)}",
        alone=True,
    ),
    _on_fill.present("EX-02", "orderId", "order_id", "name the order that was executed"),
    _on_fill.present("EX-02", "execId", "exec_id", "give the market's id of the execution"),
    _on_fill.present("EX-03", "lastQty", "last_qty", "give the quantity of the fill"),
    _on_fill.present("EX-03", "lastPx", "last_px", "give the price of the fill"),
    _on_fill(
        "EX-03",
        "OMS-VAL-005",
        "lastQty",
        lambda e, _: e.last_qty is not None and e.last_qty > 0,
        lambda e, _: f"lastQty is {e.last_qty:f}; give a quantity above 0",
        applies=lambda e, _: e.last_qty is not None,
    ),
    _on_fill(
        "EX-03",
        "OMS-VAL-005",
        "lastPx",
        lambda e, _: e.last_px is not None and e.last_px > 0,
        lambda e, _: f"lastPx is {e.last_px:f}; give a price above 0",
        applies=lambda e, f: e.last_px is not None and not _signed_price(f),
    ),
    *texts_and_numbers_fit(ExecutionReport, "execution"),
    printable("execId", "exec_id", "execution"),
    _on_fill(
        "EX-07",
        "OMS-VAL-005",
        "transactTime",
        lambda e, f: e.transact_time is not None and f.now - e.transact_time <= _oldest(f),
        lambda e, f: (
            f"transactTime {e.transact_time:%Y-%m-%dT%H:%M:%SZ} is older "
            f"than {f.settings.stale_execution_hours:f} hours; "
            "check the report, or change the setting staleExecutionHours"
        ),
        applies=lambda e, f: e.transact_time is not None and f.settings.stale_execution_hours is not None,
        needs="transact_time",
        setting="stale_execution_hours",
    ),
    _on_fill(
        "EX-09",
        "OMS-EXEC-003",
        "execType",
        lambda e, _: e.exec_type in FILL_TYPES,
        lambda e, _: f"execType {shown(e.exec_type)} books no fill; use F, 1 or 2, or the command for that report",
        applies=lambda e, _: e.exec_type is not None,
        needs="exec_type",
    ),
    rule(
        "EX-08",
        "OMS-STATE-002",
        "orderId",
        lambda f: not f.order.children and not is_member(f.order),
        lambda f: f"{order_name(f)} {_executes_elsewhere(f)} and is not filled itself",
        scope="ExecutionCreateCmd",
        applies=found,
    ),
    rule(
        "EX-04",
        "OMS-STATE-002",
        "orderId",
        _takes_fills,
        lambda f: f"{order_name(f)} is {order_state(f)}; only {_states_with_fills(f)} orders take executions",
        scope="ExecutionCreateCmd",
        applies=found,
    ),
    _on_fill(
        "EX-05",
        "OMS-EXEC-004",
        "lastQty",
        lambda e, f: e.last_qty is not None and e.last_qty <= _open_quantity(f),
        lambda e, f: (
            f"lastQty {e.last_qty:f} is more than the {_open_quantity(f):f} that {order_name(f)} still has open"
        ),
        applies=lambda e, f: e.last_qty is not None and _takes_fills(f),
    ),
)


def _contradiction(report: ExecutionReport, facts: FillFacts) -> str:
    """What a second report of one execution means: nothing new, or something that somebody has to look into."""
    booked = facts.order.executions.get(report.exec_id or "")
    if booked is None or (booked.last_qty, booked.last_px) == (report.last_qty, report.last_px):
        return "; nothing was booked again"
    return f" with {booked.last_qty:f} at {booked.last_px:f}; this report says otherwise, so ask the market which holds"


def _executes_elsewhere(facts: FillFacts) -> str:
    if facts.order.children:
        return f"executes through its {len(facts.order.children)} children"
    return f"executes through its group {facts.order.order.group_order_id}"


def _oldest(facts: FillFacts) -> timedelta:
    hours = facts.settings.stale_execution_hours or Decimal(0)
    return timedelta(microseconds=int(EXACT.multiply(hours, _MICROSECONDS_PER_HOUR)))


def exec_id_of(command: ExecutionBustCmd | ExecutionCorrectCmd) -> str | None:
    """The execution that the command means: a correct may name its own report in execId."""
    if isinstance(command, ExecutionCorrectCmd):
        return command.exec_ref_id or command.exec_id
    return command.exec_id


def execution_of(facts: BackFacts) -> Execution | None:
    """The execution that the command means, where it was found."""
    exec_id = exec_id_of(facts.command)
    if facts.state is None or exec_id is None:
        return None
    return facts.state.executions.get(exec_id)


def _named(facts: BackFacts) -> str:
    return f"execution {shown(exec_id_of(facts.command))}"


def _found_execution(facts: BackFacts) -> Execution:
    execution = execution_of(facts)
    assert execution is not None  # noqa: S101 - asked only where the execution was found
    return execution


def _remaining(facts: BackFacts) -> Decimal:
    return subtract(facts.order.order.cum_qty, _found_execution(facts).last_qty)


def _active(facts: BackFacts) -> bool:
    execution = execution_of(facts)
    return execution is not None and execution.is_active


def _givers(facts: BackFacts) -> list[OrderState]:
    """Every order that has something of the execution: it gives it back, level by level, members last."""
    execution = _found_execution(facts)
    key = (execution.order_id, execution.exec_id)
    reached: list[OrderState] = []
    waiting = list(facts.order.handed.get(key, {}).items())
    while waiting:
        order_id, quantity = waiting.pop()
        state = facts.around.order(order_id) if quantity else None
        if state is not None:
            reached.append(state)
            waiting.extend(state.handed.get(key, {}).items())
    return reached


def _closed_above(facts: BackFacts) -> list[str]:
    return [state.order.order_id for state in _givers(facts) if state.order.state is State.CLOSED]


_FOUND: tuple[Rule[BackFacts], ...] = (
    rule(
        "WHK-03",
        "OMS-VAL-003",
        "orderId",
        lambda f: len(f.exec_orders) < 2,  # noqa: PLR2004 - one order is unambiguous
        lambda f: (
            f"{_named(f)} stands on several orders ({', '.join(shown(name) for name in f.exec_orders)}); "
            "name the one you mean in orderId"
        ),
        scope="whack, bust, correct",
        applies=lambda f: f.command.order_id is None,
    ),
    rule(
        "WHK-03",
        "OMS-ORDER-001",
        "orderId",
        found,
        lambda f: f"order {shown(f.command.order_id)} does not exist; search_orders finds its orderId",
        scope="whack, bust, correct",
        applies=lambda f: f.command.order_id is not None,
    ),
    rule(
        "WHK-03",
        "OMS-EXEC-001",
        "execId",
        lambda f: execution_of(f) is not None,
        lambda f: f"{_named(f)} does not exist" + (f" on {order_name(f)}" if found(f) else ""),
        scope="whack, bust, correct",
        applies=lambda f: (
            exec_id_of(f.command) is not None and (found(f) or (f.command.order_id is None and not f.exec_orders))
        ),
    ),
    rule(
        "WHK-04",
        "OMS-EXEC-005",
        "execId",
        _active,
        lambda f: f"{_named(f)} is {_status(f)}; it was taken back before and counts no more",
        scope="whack, bust, correct",
        applies=lambda f: execution_of(f) is not None,
    ),
    rule(
        "WHK-05",
        "OMS-EXEC-005",
        "execId",
        lambda f: order_state(f) is not State.CLOSED,
        lambda f: f"{order_name(f)} is CLOSED; its executions are settled and stay",
        scope="whack, bust, correct",
        applies=found,
    ),
    rule(
        "PAR-14",
        "OMS-EXEC-005",
        "execId",
        lambda f: not _closed_above(f),
        lambda f: f"order {_closed_above(f)[0]} has got quantity of {_named(f)} and is CLOSED; it gives nothing back",
        scope="whack, bust, correct",
        applies=lambda f: execution_of(f) is not None,
    ),
)

_TAKE_BACK: tuple[Rule[Any], ...] = (
    required("execId", "exec_id", "name the execution"),
    readable("requestedBy", "requested_by"),
    *_FOUND,
    rule(
        "WHK-06",
        "OMS-EXEC-005",
        "execId",
        lambda f: _remaining(f) >= 0,
        lambda f: f"taking {_named(f)} back would leave cumQty at {_remaining(f):f}",
        scope="whack, bust",
        applies=_active,
    ),
)


BUST: tuple[Rule[Any], ...] = (*_TAKE_BACK, *texts_and_numbers_fit(ExecutionBustCmd))


def _values(facts: Facts[ExecutionCorrectCmd]) -> tuple[Decimal, Decimal] | None:
    command = facts.command
    if command.last_qty is None or command.last_px is None:
        return None
    return command.last_qty, command.last_px


def _delta(facts: Facts[ExecutionCorrectCmd]) -> Decimal:
    return subtract(facts.command.last_qty or ZERO, _found_execution(facts).last_qty)


def _room(facts: Facts[ExecutionCorrectCmd]) -> Decimal:
    """How much more may be executed: what the order has open, and what ended orders leave their parents."""
    room = open_quantity(facts.order)
    ended = facts.order.order.state not in OPEN_STATES
    for parent in facts.above() if ended else ():
        room = min(room, subtract(parent.quantity, parent.order.place_qty))
        if parent.order.state in OPEN_STATES:
            break
    return min(room, _room_of_members(facts, room))


def _room_of_members(facts: Facts[ExecutionCorrectCmd], room: Decimal) -> Decimal:
    """What the members of a group above, or of the order itself, may still get: those that are CLOSED nothing."""
    group = [facts.order, *facts.above()][-1]
    if not group.order.is_grouped_order:
        return room
    members = [state for name in group.members if (state := facts.around.order(name)) is not None]
    return max(subtract(room_of(members), _on_its_way(facts, group)), ZERO)


def _on_its_way(facts: Facts[Any], state: OrderState) -> Decimal:
    """What an order and those below it have executed and not handed on yet."""
    pending = state.order.pending_alloc_qty
    for child in facts.children(state):
        pending = add(pending, _on_its_way(facts, child))
    return pending


CORRECT: tuple[Rule[Facts[ExecutionCorrectCmd]], ...] = (
    rule(
        "COR-01",
        "OMS-VAL-003",
        "execRefId",
        lambda f: exec_id_of(f.command) is not None,
        lambda _: "execRefId is missing; name the execution to correct",
        scope="correct",
    ),
    *_FOUND,
    *texts_and_numbers_fit(ExecutionCorrectCmd),
    printable("execId", "exec_id"),
    required("lastQty", "last_qty", "give the quantity as it should have been"),
    required("lastPx", "last_px", "give the price as it should have been"),
    rule(
        "EX-03",
        "OMS-VAL-005",
        "lastQty",
        lambda f: (f.command.last_qty or ZERO) > 0,
        lambda f: f"lastQty is {f.command.last_qty:f}; give a quantity above 0, or bust the execution",
        scope="correct",
        applies=lambda f: f.command.last_qty is not None,
    ),
    rule(
        "EX-03",
        "OMS-VAL-005",
        "lastPx",
        lambda f: (f.command.last_px or ZERO) > 0,
        lambda f: f"lastPx is {f.command.last_px:f}; give a price above 0",
        scope="correct",
        applies=lambda f: f.command.last_px is not None and not _signed_price(f),
    ),
    rule(
        "COR-02",
        "OMS-EXEC-004",
        "lastQty",
        lambda f: _delta(f) <= _room(f),
        lambda f: (
            f"lastQty {f.command.last_qty:f} is {_delta(f):f} more than booked, but {order_name(f)} and the orders "
            f"above it have room for {_room(f):f}"
        ),
        scope="correct",
        applies=lambda f: _active(f) and f.command.last_qty is not None,
    ),
    rule(
        "COR-03",
        "OMS-VAL-001",
        "lastQty",
        lambda f: _values(f) != (_found_execution(f).last_qty, _found_execution(f).last_px),
        lambda f: f"{_named(f)} has these values already; nothing was corrected",
        scope="correct",
        applies=lambda f: _active(f) and _values(f) is not None,
        inputs=("lastQty", "lastPx"),
    ),
    rule(
        "COR-04",
        "OMS-EXEC-002",
        "execId",
        lambda f: f.command.exec_id not in f.order.executions and f.command.exec_id not in f.order.correcting,
        lambda f: f"execution {shown(f.command.exec_id)} is booked on {order_name(f)} already; use a new execId",
        scope="correct",
        applies=lambda f: found(f) and f.command.exec_ref_id is not None and f.command.exec_id is not None,
        inputs=("execId", "execRefId"),
    ),
)


def _status(facts: BackFacts) -> str:
    execution = execution_of(facts)
    return execution.status if execution else ""


def required_level(facts: BackFacts) -> ApprovalLevel:
    """The lowest level that may approve a whack of this notional."""
    execution = _found_execution(facts)
    amount = notional(execution.last_qty, execution.last_px).copy_abs()
    reached = [
        level for level, least in zip(ApprovalLevel, facts.settings.whack_levels, strict=True) if amount >= least
    ]
    return reached[-1] if reached else ApprovalLevel.SENIOR_TRADER


def granted_level(facts: WhackFacts) -> ApprovalLevel:
    """The level of the approver: as the settings name it, else as the command says, else the lowest."""
    listed = {folded(name): level for name, level in facts.settings.approvers.items()}.get(folded(approver(facts)))
    return ApprovalLevel(listed) if listed else facts.command.approval_level or ApprovalLevel.SENIOR_TRADER


def requester(facts: WhackFacts) -> str:
    """Who asks for the whack; without four eyes the actor stands in."""
    return _person(facts.command.requested_by, facts)


def approver(facts: WhackFacts) -> str:
    """Who approves the whack; without four eyes the actor stands in."""
    return _person(facts.command.approved_by, facts)


def _person(name: str | None, facts: WhackFacts) -> str:
    given = (name or "").strip()
    return given or ("" if facts.settings.four_eyes else facts.actor)


def _two_people(facts: WhackFacts) -> bool:
    first, second = folded(requester(facts)), folded(approver(facts))
    return bool(first and second) and first != second


WHACK: tuple[Rule[Any], ...] = (
    *_TAKE_BACK,
    *texts_and_numbers_fit(ExecutionWhackCmd),
    readable("approvedBy", "approved_by"),
    rule(
        "WHK-01",
        "OMS-AUTH-001",
        "approvedBy",
        _two_people,
        lambda _: "requestedBy and approvedBy must name two different people; have a second person approve the whack",
        scope="whack",
        applies=lambda f: f.settings.four_eyes,
        inputs=("requestedBy", "approvedBy"),
    ),
    rule(
        "WHK-02",
        "OMS-AUTH-002",
        "approvalLevel",
        lambda f: granted_level(f).rank >= required_level(f).rank,
        lambda f: f"this whack needs the level {required_level(f)}; the approval has {granted_level(f)}",
        scope="whack",
        applies=lambda f: execution_of(f) is not None,
        inputs=("approvedBy", "approvalLevel"),
    ),
)
