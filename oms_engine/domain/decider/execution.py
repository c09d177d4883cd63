"""What does a fill, and what does its correction decide? Asked only when every rule of the command holds."""

from oms_engine.domain.commands import (
    ExecutionBustCmd,
    ExecutionCorrectCmd,
    ExecutionCreateCmd,
    ExecutionWhackCmd,
)
from oms_engine.domain.decider.book import Book, NewId
from oms_engine.domain.decider.tree import correct, executed, flow, follow
from oms_engine.domain.events import (
    Event,
    ExecutionBusted,
    ExecutionCorrected,
    ExecutionCreated,
    ExecutionWhacked,
    OrderAccepted,
    stream_of,
)
from oms_engine.domain.model import Execution, Lot
from oms_engine.domain.quantities import add, average, notional, subtract
from oms_engine.domain.rules.execution import BackFacts, approver, execution_of, granted_level, requester
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.vocabulary import State


def fill(facts: Facts[ExecutionCreateCmd], book: Book, _: NewId) -> str:
    """A fill is booked and handed on; an order the market fills before its ack is acknowledged by a partial fill."""
    order_id = facts.order.order.order_id
    created = _created(facts)
    complete = not created.leaves_qty
    if facts.order.order.state is State.UNACK and not complete:
        book.record(order_id, OrderAccepted.of())
    book.record(order_id, created)
    executed(book, order_id, created.exec_id)
    flow(book, order_id)
    follow(book, order_id)
    return stream_of(order_id)


def _created(facts: Facts[ExecutionCreateCmd]) -> ExecutionCreated:
    state = facts.order
    fill = facts.command.execution
    assert fill is not None  # noqa: S101 - EX-01 holds
    assert fill.last_qty is not None  # noqa: S101 - EX-03 holds
    assert fill.last_px is not None  # noqa: S101 - EX-03 holds
    cum_qty = add(state.order.cum_qty, fill.last_qty)
    given = {**fill.__dict__}
    given["exec_type"] = fill.exec_type or "F"
    given["transact_time"] = fill.transact_time or facts.now
    given["cum_qty"] = cum_qty
    given["leaves_qty"] = subtract(state.quantity, cum_qty)
    given["avg_px"] = average(add(state.notional, notional(fill.last_qty, fill.last_px)), cum_qty)
    return ExecutionCreated.with_values(given)


def whack(facts: Facts[ExecutionWhackCmd], book: Book, _: NewId) -> str:
    """The desk takes an execution back."""
    execution = _execution(facts)
    whacked = ExecutionWhacked(
        exec_id=execution.exec_id,
        quantity=execution.last_qty,
        reason=facts.command.reason,
        requested_by=requester(facts),
        approved_by=approver(facts),
        approval_level=granted_level(facts),
    )
    return _take_back(book, execution, whacked, "WHACK")


def bust(facts: Facts[ExecutionBustCmd], book: Book, _: NewId) -> str:
    """The market breaks a trade; the arithmetic is that of a whack."""
    execution = _execution(facts)
    busted = ExecutionBusted(
        exec_id=execution.exec_id,
        quantity=execution.last_qty,
        reason=facts.command.reason,
        requested_by=facts.command.requested_by,
    )
    return _take_back(book, execution, busted, "BUST")


def _take_back(book: Book, execution: Execution, event: Event, reason: str) -> str:
    correct(book, execution.order_id, _lot(execution), event, reason)
    return stream_of(execution.order_id)


def restate(facts: Facts[ExecutionCorrectCmd], book: Book, _: NewId) -> str:
    """An execution counts with other values; what was handed on of it is handed on anew."""
    before = _execution(facts)
    command = facts.command
    assert command.last_qty is not None  # noqa: S101 - COR-01 holds
    assert command.last_px is not None  # noqa: S101 - COR-01 holds
    corrected = ExecutionCorrected(
        exec_ref_id=before.exec_id,
        exec_id=command.exec_id if command.exec_ref_id else None,
        qty_delta=subtract(command.last_qty, before.last_qty),
        last_qty=command.last_qty,
        last_px=command.last_px,
        reason=command.reason,
    )
    correct(book, before.order_id, _lot(before), corrected, "CORRECT")
    return stream_of(before.order_id)


def _lot(execution: Execution) -> Lot:
    return Lot(
        order_id=execution.order_id,
        exec_id=execution.exec_id,
        quantity=execution.last_qty,
        price=execution.last_px,
    )


def _execution(facts: BackFacts) -> Execution:
    execution = execution_of(facts)
    assert execution is not None  # noqa: S101 - WHK-03 holds
    return execution
