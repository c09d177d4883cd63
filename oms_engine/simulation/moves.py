"""How did a command move what it is about? States and quantities before and after, of the main object and others."""

from collections.abc import Iterator
from typing import Literal

from oms_engine.domain.model import Order, Quote
from oms_engine.domain.vocabulary import CancelState, QuoteState, State
from oms_engine.record import Exact, Record
from oms_engine.results import MainObject, Outcome


class Standing(Record):
    """How an order, a quote or a quote request stands; only an order has quantities (FIX 38, 151, 14, 6)."""

    state: State | QuoteState
    version: int | None = None
    cancel_state: CancelState | None = None
    order_qty: Exact | None = None
    leaves_qty: Exact | None = None
    cum_qty: Exact | None = None
    avg_px: Exact | None = None


class Moved(Record):
    """An order, a quote or a quote request as it was before a command (absent when it began) and as it is after it."""

    kind: Literal["order", "quote", "quoteRequest"]
    id: str
    before: Standing | None = None
    after: Standing


def moves(outcome: Outcome) -> Iterator[Moved]:
    """What a command moved: its main object, then the orders that followed; nothing where it was refused."""
    if not outcome.result.ok or outcome.result.duplicate:
        return
    if outcome.after is not None:
        yield _moved(outcome.before, outcome.after)
    for other in outcome.others:
        yield _moved(other.before, other.after)


def _moved(before: MainObject | None, after: MainObject) -> Moved:
    standing = _standing(before) if before else None
    match after:
        case Order():
            return Moved(kind="order", id=after.order_id, before=standing, after=_standing(after))
        case Quote():
            return Moved(kind="quote", id=after.quote_id, before=standing, after=_standing(after))
        case _:
            return Moved(kind="quoteRequest", id=after.quote_req_id, before=standing, after=_standing(after))


def _standing(about: MainObject) -> Standing:
    if not isinstance(about, Order):
        return Standing(state=about.state, version=None if isinstance(about, Quote) else about.version)
    return Standing(
        state=about.state,
        version=about.version,
        cancel_state=about.cancel_state,
        order_qty=about.order_qty,
        leaves_qty=about.leaves_qty,
        cum_qty=about.cum_qty,
        avg_px=about.avg_px,
    )
