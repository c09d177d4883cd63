"""What must be true of an order after every command? I1 to I3 for a single order; a violation is a defect of ours."""

from oms_engine.domain.decider.evolve import NO_LEAVES
from oms_engine.domain.model import OrderState
from oms_engine.domain.quantities import add, executed, subtract
from oms_engine.domain.vocabulary import State


def broken_invariants(state: OrderState) -> list[str]:
    """The invariants that do not hold, each as `I1: what is wrong`; empty when all hold."""
    order = state.order
    quantity, total = executed(state.executions.values())
    open_qty = order.leaves_qty
    if order.state not in NO_LEAVES:
        open_qty = subtract(add(order.cum_qty, open_qty), order.order_qty)
    checks = {
        "I1: cumQty lies between 0 and orderQty": 0 <= order.cum_qty <= order.order_qty,
        "I1: leavesQty is not negative": order.leaves_qty >= 0,
        "I1: cumQty + leavesQty = orderQty, or leavesQty = 0 when nothing is open": not open_qty,
        "I2: a FILLED order is complete": order.state is not State.FILLED or order.cum_qty == order.order_qty,
        "I2: a LIVE order is not complete": order.state is not State.LIVE or order.cum_qty < order.order_qty,
        "I2: a REJ order has no fills": order.state is not State.REJ or not order.cum_qty,
        "I3: cumQty is the sum of the executions that count": order.cum_qty == quantity,
        "I3: the notional is that of the executions that count": state.notional == total,
        "I3: a client order is allocated what it executed": order.alloc_qty == order.cum_qty,
    }
    return [sentence for sentence, holds in checks.items() if not holds]
