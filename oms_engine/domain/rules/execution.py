"""What must hold before a fill is booked, and before one is taken back?"""

import unicodedata
from datetime import timedelta
from decimal import Decimal

from oms_engine.domain.commands import ExecutionBustCmd, ExecutionCreateCmd, ExecutionWhackCmd
from oms_engine.domain.model import Execution, ExecutionReport
from oms_engine.domain.quantities import EXACT, notional, subtract
from oms_engine.domain.rules.envelope import printable, readable, required, texts_and_numbers_fit
from oms_engine.domain.rules.facts import Facts, RulesAbout, found, order_name, order_state, rule
from oms_engine.domain.vocabulary import ApprovalLevel, PriceType, State
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule

FillFacts = Facts[ExecutionCreateCmd]
BustFacts = Facts[ExecutionBustCmd]
WhackFacts = Facts[ExecutionWhackCmd]

_MICROSECONDS_PER_HOUR = Decimal(3_600_000_000)

FILL_TYPES = ("F", "1", "2")
"""Values of ExecType (FIX 150) that book a fill."""


_on_fill = RulesAbout("execution", ExecutionReport(), "ExecutionCreateCmd")


def _signed_price(facts: FillFacts) -> bool:
    return facts.state is not None and facts.state.order.price_type in {PriceType.SPREAD, PriceType.YIELD}


def _open_quantity(facts: FillFacts) -> Decimal:
    assert facts.state is not None  # noqa: S101 - EX-05 applies only where the order was found
    return subtract(facts.state.order.order_qty, facts.state.order.cum_qty)


def _takes_fills(facts: FillFacts) -> bool:
    return found(facts) and order_state(facts) is State.LIVE


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
        lambda e, f: f.state is None or e.exec_id not in f.state.executions,
        lambda e, f: f"execution {shown(e.exec_id)} is booked on {order_name(f)} already; nothing was booked again",
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
    ),
    _on_fill(
        "EX-09",
        "OMS-EXEC-003",
        "execType",
        lambda e, _: e.exec_type in FILL_TYPES,
        lambda e, _: f"execType {shown(e.exec_type)} books no fill; use F, 1 or 2, or the command for that report",
        applies=lambda e, _: e.exec_type is not None,
    ),
    rule(
        "EX-04",
        "OMS-STATE-002",
        "orderId",
        _takes_fills,
        lambda f: f"{order_name(f)} is {order_state(f)}; only LIVE orders take executions",
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


def _oldest(facts: FillFacts) -> timedelta:
    hours = facts.settings.stale_execution_hours or Decimal(0)
    return timedelta(microseconds=int(EXACT.multiply(hours, _MICROSECONDS_PER_HOUR)))


def execution_of(facts: BustFacts) -> Execution | None:
    """The execution that the command means, where it was found."""
    if facts.state is None or facts.command.exec_id is None:
        return None
    return facts.state.executions.get(facts.command.exec_id)


def _named(facts: BustFacts) -> str:
    return f"execution {shown(facts.command.exec_id)}"


def _remaining(facts: BustFacts) -> Decimal:
    execution = execution_of(facts)
    assert execution is not None  # noqa: S101 - WHK-06 applies only where the execution was found
    assert facts.state is not None  # noqa: S101 - an execution that was found has an order
    return subtract(facts.state.order.cum_qty, execution.last_qty)


def _active(facts: BustFacts) -> bool:
    execution = execution_of(facts)
    return execution is not None and execution.is_active


_TAKE_BACK: tuple[Rule[BustFacts], ...] = (
    required("execId", "exec_id", "name the execution"),
    readable("requestedBy", "requested_by"),
    rule(
        "WHK-03",
        "OMS-VAL-003",
        "orderId",
        lambda f: len(f.exec_orders) < 2,  # noqa: PLR2004 - one order is unambiguous
        lambda f: (
            f"{_named(f)} stands on several orders ({', '.join(shown(name) for name in f.exec_orders)}); "
            "name the one you mean in orderId"
        ),
        scope="whack, bust",
        applies=lambda f: f.command.order_id is None,
    ),
    rule(
        "WHK-03",
        "OMS-ORDER-001",
        "orderId",
        found,
        lambda f: f"order {shown(f.command.order_id)} does not exist; search_orders finds its orderId",
        scope="whack, bust",
        applies=lambda f: f.command.order_id is not None,
    ),
    rule(
        "WHK-03",
        "OMS-EXEC-001",
        "execId",
        lambda f: execution_of(f) is not None,
        lambda f: f"{_named(f)} does not exist" + (f" on {order_name(f)}" if found(f) else ""),
        scope="whack, bust",
        applies=lambda f: (
            f.command.exec_id is not None and (found(f) or (f.command.order_id is None and not f.exec_orders))
        ),
    ),
    rule(
        "WHK-04",
        "OMS-EXEC-005",
        "execId",
        _active,
        lambda f: f"{_named(f)} is {_status(f)}; it was taken back before and counts no more",
        scope="whack, bust",
        applies=lambda f: execution_of(f) is not None,
    ),
    rule(
        "WHK-05",
        "OMS-EXEC-005",
        "execId",
        lambda f: order_state(f) is not State.CLOSED,
        lambda f: f"{order_name(f)} is CLOSED; its executions are settled and stay",
        scope="whack, bust",
        applies=found,
    ),
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


BUST: tuple[Rule[BustFacts], ...] = (*_TAKE_BACK, *texts_and_numbers_fit(ExecutionBustCmd))


def _status(facts: BustFacts) -> str:
    execution = execution_of(facts)
    return execution.status if execution else ""


def required_level(facts: BustFacts) -> ApprovalLevel:
    """The lowest level that may approve a whack of this notional."""
    execution = execution_of(facts)
    assert execution is not None  # noqa: S101 - WHK-02 applies only where the execution was found
    amount = notional(execution.last_qty, execution.last_px).copy_abs()
    reached = [
        level for level, least in zip(ApprovalLevel, facts.settings.whack_levels, strict=True) if amount >= least
    ]
    return reached[-1] if reached else ApprovalLevel.SENIOR_TRADER


def granted_level(facts: WhackFacts) -> ApprovalLevel:
    """The level of the approver: as the settings name it, else as the command says, else the lowest."""
    listed = {_folded(name): level for name, level in facts.settings.approvers.items()}.get(_folded(approver(facts)))
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


def _folded(name: str) -> str:
    """A name as it is compared: neither case nor blanks nor another way to write its letters make another person."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _two_people(facts: WhackFacts) -> bool:
    first, second = _folded(requester(facts)), _folded(approver(facts))
    return bool(first and second) and first != second


WHACK: tuple[Rule[WhackFacts], ...] = (
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
