"""Does the engine come to what a FIX log says? Message by message: the command, and whether both then say the same."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import BinaryIO

from oms_engine.domain.catalogue import citation
from oms_engine.domain.events import Event, StoredEvent, stream_of
from oms_engine.domain.model import Order
from oms_engine.domain.vocabulary import State
from oms_engine.engine import Engine
from oms_engine.errors import Problem
from oms_engine.simulation.fix.account import UNKNOWN_ORDER, Account, DirectionRow, Verdict
from oms_engine.simulation.fix.clock import LogClock, with_following
from oms_engine.simulation.fix.comparing import compared
from oms_engine.simulation.fix.explaining import Explainer, exec_type
from oms_engine.simulation.fix.framing import Framing
from oms_engine.simulation.fix.ledger import Ledger
from oms_engine.simulation.fix.reading import Finding, Message, Unreadable, read
from oms_engine.simulation.fix.screening import REJECT, REPORT, SHOWN, not_replayed, without_sides
from oms_engine.simulation.fix.sequences import Sequences, missing
from oms_engine.simulation.fix.translating import (
    Envelope,
    cancel_request,
    new_order,
    rejected,
    replace_request,
    reported,
)
from oms_engine.simulation.fix.working import Key, KnownOrders, Refusal, Working, key_of

_EVERY = 64
_ALONE = "is more than a day ahead of the messages before and behind it; the clock of the replay does not follow it"
_PENDING_NEW, _CANCELED, _REJECTED, _REPLACED, _CORRECT = "A", "4", "8", "5", "G"

Progress = Callable[[int], None]


class Replay:
    """A FIX log on an engine.

    Args:
        engine: Where the orders of the log are replayed; it has none before.
        clock: The clock that the engine was opened with.
        account: Account of orders that name none.
        garbled: Replay messages whose BodyLength or CheckSum is wrong, as those of a log that was edited.
    """

    def __init__(self, engine: Engine, clock: LogClock, *, account: str = "", garbled: bool = False) -> None:
        self._engine = engine
        self._clock = clock
        self._account = account
        self._garbled = garbled
        self._ledger = Ledger()
        self._sequences = Sequences()
        self._explainer = Explainer(self._ledger, self._sequences)
        self._known = KnownOrders()
        self._happened: list[StoredEvent] = []
        self._states: Counter[State] = Counter()
        self._replayed_by = {
            "D": self._new_order,
            "F": self._request,
            "G": self._request,
            REPORT: self._report,
            REJECT: self._reject,
        }

    def run(self, stream: BinaryIO, progress: Progress = lambda _done: None) -> Account:
        """Replay a log to its end.

        Args:
            stream: The log; it is read in parts and never held as a whole.
            progress: Told now and then how many bytes were read.
        """
        framing = Framing(stream)
        end = self._engine.subscribe(self._happened.extend)
        try:
            found = (read(piece, number) for number, piece in enumerate(framing.pieces(), 1))
            for piece, following in with_following(found, garbled=self._garbled):
                self._ledger.pieces = piece.number
                self._take(piece, following)
                if not piece.number % _EVERY:
                    progress(framing.consumed)
        finally:
            end()
        for refusal in self._known.refusals.values():
            self._explainer.parted(refusal, "no answer")
        progress(framing.consumed)
        return self._account_of(framing)

    def _account_of(self, framing: Framing) -> Account:
        return self._ledger.account(
            size=framing.consumed,
            between=framing.between,
            directions=tuple(DirectionRow(**each.row()) for each in self._sequences.directions.values()),
            orders={state.value: self._states[state] for state in State if self._states[state]},
        )

    def _take(self, piece: Message | Unreadable, following: datetime | None) -> None:
        if isinstance(piece, Unreadable):
            self._ledger.lose(piece)
        elif piece.garbled and not self._garbled:
            self._ledger.ignore(piece, piece.garbled)
        elif (reason := self._looked_at(piece)) is not None:
            self._ledger.skip(piece, *reason)
        else:
            if not self._clock.at(piece.get(52), following):
                self._ledger.find(piece, Finding.TIME_JUMPS, f"SendingTime {piece.get(52)[:SHOWN]} {_ALONE}")
            self._replayed_by[piece.type](piece)

    def _looked_at(self, message: Message) -> tuple[str, str] | None:
        """Enter what is to be noticed of a message; why it is not replayed, or None."""
        self._ledger.meet(message.unknown)
        garbled = [(Finding.GARBLED, message.garbled)] if message.garbled else []
        self._find(message, [*garbled, *message.findings])
        if (reason := without_sides(message)) is not None:
            return reason
        sequence = self._sequences.check(message)
        self._find(message, sequence.findings)
        return ("sent again", sequence.repeated) if sequence.repeated else not_replayed(message)

    def _find(self, message: Message, findings: Iterable[tuple[Finding, str]]) -> None:
        for kind, told in findings:
            self._ledger.find(message, kind, told)

    def _new_order(self, message: Message) -> None:
        key = key_of(message)
        answer = self._run(new_order(message, key[0], self._account))
        if isinstance(answer, Problem):
            self._refused(key, Refusal.of(message, answer, None))
        elif self._known.named(key) is not None:
            self._ledger.skip(message, "sent again", f"the order {key[1][:SHOWN]} had been read, with the same terms")
        else:
            working = Working(message, answer, self._ledger.lost)
            self._known.begin(key, working)
            self._states[answer.state] += 1
            self._place(message, working)

    def _place(self, message: Message, working: Working) -> None:
        """What stands in the log was sent to the market, also an order that the desk handles."""
        if working.order.state is State.NEW:
            problem = self._change(working, {"type": "OrderPlaceCmd", "orderId": working.order.order_id})
            if problem is not None:
                self._explainer.rule(message, working, problem)
                return
        self._ledger.settle(message, Verdict.EQUAL)

    def _request(self, message: Message) -> None:
        """A cancel request (F) or a replace request (G)."""
        key, is_cancel = key_of(message), message.type == "F"
        working = self._known.find(message)
        if working is None:
            self._request_of_nothing(message, key)
            return
        make = cancel_request if is_cancel else replace_request
        problem = self._change(working, make(message, key[0], working.order.order_id))
        working.asked(key[1], cancel=is_cancel)
        self._known.asked(key, working)
        if problem is not None:
            self._refused(key, Refusal.of(message, problem, working))
        else:
            self._ledger.settle(message, Verdict.EQUAL)

    def _request_of_nothing(self, message: Message, key: Key) -> None:
        refused = self._known.refused_order(message)
        if refused:
            self._known.never[key] = refused
            self._ledger.skip(message, "the engine refused its order", refused)
            return
        rule = "CXL-01" if message.type == "F" else "RPL-01"
        named = message.get(41)[:SHOWN] or key[1][:SHOWN]
        told = f"{rule}: no order of {key[0][:SHOWN]} is called {named} in this log"
        self._refused(key, Refusal(message, told, citation(rule), "1", None))

    def _refused(self, key: Key, refusal: Refusal) -> None:
        """Wait for the answer of the market, which may refuse the same."""
        before = self._known.refusals.pop(key, None)
        if before is not None:
            self._explainer.parted(before, "no answer")
        self._known.refusals[key] = refusal
        if refusal.is_order and self._known.named(key) is None:
            self._known.never[key] = f"{refusal.message.place}: {refusal.told}"

    def _report(self, message: Message) -> None:
        key = key_of(message)
        refusal = self._known.refusals.get(key)
        if refusal is not None and self._settles(message, key, refusal):
            return
        working = self._about(message, key)
        if working is None:
            return
        events: list[Event] = []
        for envelope in reported(message, working.order, working.references):
            problem = self._change(working, envelope)
            if problem is not None:
                self._refused_report(message, working, problem)
                return
            events += self._events_of(working)
        kind = message.get(150)
        if kind in {_CANCELED, _REPLACED}:
            working.answered(key[1], cancel=kind == _CANCELED)
        elif kind == _CORRECT:
            working.corrected(message)
        self._compare(message, working, events)

    def _settles(self, message: Message, key: Key, refusal: Refusal) -> bool:
        """Does the report answer a request that the engine refused, and is nothing left to do with it then?"""
        kind = message.get(150)
        if refusal.is_order and kind == _REJECTED:
            del self._known.refusals[key]
            self._ledger.settle(refusal.message, Verdict.EQUAL)
            self._ledger.settle(message, Verdict.EQUAL)
            return True
        taken = key in self._known.never and kind != _PENDING_NEW
        if taken if refusal.is_order else kind in {_CANCELED, _REPLACED}:
            del self._known.refusals[key]
            self._explainer.parted(refusal, exec_type(message))
        return False

    def _refused_report(self, message: Message, working: Working, problem: Problem) -> None:
        if problem.error_code == "OMS-EXEC-002" and message.get(97) == "Y":
            self._ledger.skip(message, "sent again", f"PossResend (97), and booked already: {problem.detail}")
        else:
            self._explainer.rule(message, working, problem)

    def _about(self, message: Message, key: Key) -> Working | None:
        """The order that a report is about; None when there is none, which settles the report."""
        working = self._known.find(message)
        if working is not None:
            self._known.learn(message, working)
            return working
        refused = self._known.refused_order(message)
        if refused:
            self._ledger.skip(message, "the engine refused its order", refused)
        else:
            self._ledger.skip(message, UNKNOWN_ORDER, self._unknown(message, key))
        return None

    def _unknown(self, message: Message, key: Key) -> str:
        """What can be said of an order that no message of the log begins."""
        told = f"no NewOrderSingle of {key[0][:SHOWN]} with ClOrdID {key[1][:SHOWN] or 'none'} stands before it"
        if self._known.named((message.get(49), key[1])) is not None:
            return f"{told}; {message.get(49)[:SHOWN]} sent one, so sender and target are exchanged"
        direction = self._sequences.direction(message.get(56), message.get(49))
        gap = direction.gap_since(0) if direction else None
        return f"{told}; {missing(gap.first, gap.last, message.get(56)[:SHOWN])}" if gap else told

    def _reject(self, message: Message) -> None:
        """A cancel or replace request was refused (9)."""
        key = key_of(message)
        refusal = self._known.refusals.get(key)
        if refusal is not None and not refusal.is_order:
            del self._known.refusals[key]
            self._both_refuse(message, refusal)
            return
        working = self._about(message, key)
        if working is None:
            return
        of_replace = message.get(434) == "2" or (not message.get(434) and key[1] in working.open_replaces)
        problem = self._change(working, rejected(message, working.order, of_replace=of_replace))
        if problem is not None:
            self._explainer.rule(message, working, problem)
            return
        working.answered(key[1], cancel=not of_replace)
        self._compare(message, working, self._events_of(working))

    def _both_refuse(self, message: Message, refusal: Refusal) -> None:
        """The market refuses what the engine had refused."""
        self._ledger.settle(refusal.message, Verdict.EQUAL)
        if refusal.working is not None:
            refusal.working.answered(message.get(11), cancel=refusal.message.type == "F")
        if message.get(102) in {refusal.cxl_rej_reason, ""}:
            self._ledger.settle(message, Verdict.EQUAL)
        else:
            self._explainer.reasons(message, refusal)

    def _compare(self, message: Message, working: Working, events: Iterable[Event]) -> None:
        found = list(compared(message, working, events))
        if found:
            self._explainer.values(message, working, found)
        else:
            self._ledger.settle(message, Verdict.EQUAL)

    def _change(self, working: Working, envelope: Envelope) -> Problem | None:
        """Carry out a command about an order: why it was refused, or None."""
        answer = self._run(envelope)
        if isinstance(answer, Problem):
            return answer
        self._states[working.order.state] -= 1
        self._states[answer.state] += 1
        working.order = answer
        return None

    def _run(self, envelope: Envelope) -> Problem | Order:
        """Carry out a command: why it was refused, or its order afterwards."""
        self._happened.clear()
        outcome = self._engine.run(envelope)
        if outcome.result.error is not None:
            return outcome.result.error
        assert isinstance(outcome.after, Order)  # noqa: S101 - every command of a log is about an order
        return outcome.after

    def _events_of(self, working: Working) -> Iterator[Event]:
        stream = stream_of(working.order.order_id)
        return (stored.payload for stored in self._happened if stored.stream_id == stream)
