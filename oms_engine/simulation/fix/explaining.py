"""Where does a difference between a log and the engine come from?"""

from collections.abc import Sequence

from oms_engine.errors import Problem
from oms_engine.simulation.fix.account import Cause, Difference, Verdict
from oms_engine.simulation.fix.comparing import COMPARED, Found
from oms_engine.simulation.fix.ledger import Ledger, place_of
from oms_engine.simulation.fix.reading import Message
from oms_engine.simulation.fix.screening import REPORT, SHOWN
from oms_engine.simulation.fix.sequences import Sequences, missing
from oms_engine.simulation.fix.tags import EXEC_TYPES, MSG_TYPES, tag_name
from oms_engine.simulation.fix.working import Refusal, Working

SECTION = "contracts/fix-log.md#5-what-is-compared"
"""The section that says what is compared, and how."""

_MAX_VALUE = 200
_MSG_TYPE, _ORD_STATUS, _CXL_REJ_REASON, _EXEC_TYPE = 35, 39, 102, 150
_EXECUTED = frozenset({6, 14, 151})
_POSITION = frozenset(COMPARED) - {54, 55}
_NOTHING = "nothing in the log tells why: what it reported before leads to the engine's value"
_OTHER_ORDER = "the report names this order and repeats what another order would have"
_RESTATED = "a restatement (D) changes terms here; what was executed is changed by trade corrects (G) alone"
_OF_FIX_4_2 = "OrdStatus 5 (Replaced) is of FIX 4.2; FIX 4.4 tells the status that the order has after it"


class Explainer:
    """Tells differences, each with its cause as far as the log shows it.

    Args:
        ledger: Where they are entered.
        sequences: What of the log is missing.
    """

    def __init__(self, ledger: Ledger, sequences: Sequences) -> None:
        self._ledger = ledger
        self._sequences = sequences

    def cause(self, message: Message, working: Working) -> tuple[Cause, str]:
        """Why the engine may have something else: log and engine parted before, or a part of the log is missing."""
        if working.trouble:
            return Cause.FOLLOWS, f"log and engine parted at {working.trouble}"
        for sides in ((message.get(49), message.get(56)), (message.get(56), message.get(49))):
            direction = self._sequences.direction(*sides)
            gap = direction.gap_since(working.since) if direction else None
            if gap:
                return Cause.GAP, missing(gap.first, gap.last, sides[0][:SHOWN])
        if self._ledger.lost > working.lost:
            return Cause.UNREADABLE, "messages between the beginning of the order and this one could not be read"
        return Cause.UNKNOWN, ""

    def values(self, message: Message, working: Working, found: Sequence[Found]) -> None:
        """A report was carried out, and says something else than the engine has then."""
        self._ledger.settle(message, Verdict.DIFFERENT)
        usual = self.cause(message, working)
        for each in found:
            cause, told, cited = _special(message, each) or (*usual, SECTION)
            self._differ(message, working, each, cause, told or _NOTHING, cited)
            if each.tag in _POSITION and cause is not Cause.OTHER_VERSION:
                working.trouble = working.trouble or message.place

    def rule(self, message: Message, working: Working, problem: Problem) -> None:
        """The log says that something happened which a rule of the engine forbids."""
        self._ledger.settle(message, Verdict.DIFFERENT)
        cause, before = self.cause(message, working)
        told = f"{problem.error_code}: {problem.detail}" + (f"; {before}" if before else "")
        cause = cause if cause in {Cause.GAP, Cause.UNREADABLE} else Cause.RULE
        self._differ(message, working, _event(message), cause, told, problem.citation)
        working.trouble = working.trouble or f"{message.place}: {problem.error_code}"

    def parted(self, refusal: Refusal, said: str) -> None:
        """The engine refused a request which the market did not refuse."""
        self._ledger.settle(refusal.message, Verdict.DIFFERENT)
        working = refusal.working
        kind = refusal.message.type
        found = Found(_MSG_TYPE, f"{MSG_TYPES[kind]} ({kind}), then {said}", "refused")
        self._differ(refusal.message, working, found, Cause.RULE, refusal.told, refusal.citation)
        if working is not None:
            working.trouble = working.trouble or f"{refusal.message.place}: {refusal.told.partition(':')[0]}"

    def reasons(self, message: Message, refusal: Refusal) -> None:
        """Both refused a request, for different reasons."""
        self._ledger.settle(message, Verdict.DIFFERENT)
        found = Found(_CXL_REJ_REASON, message.get(_CXL_REJ_REASON), refusal.cxl_rej_reason)
        told = f"both refuse {refusal.message.place}, for different reasons; {refusal.told}"
        self._differ(message, refusal.working, found, Cause.RULE, told, refusal.citation)

    def _differ(  # noqa: PLR0917 - as many as a difference has
        self, message: Message, working: Working | None, found: Found, cause: Cause, told: str, citation: str
    ) -> None:
        self._ledger.differ(
            Difference(
                place=place_of(message),
                cl_ord_id=message.get(11)[:_MAX_VALUE] or None,
                order_id=working.order.order_id if working else None,
                tag=found.tag,
                field=tag_name(found.tag),
                log=found.log[:_MAX_VALUE],
                engine=found.engine,
                cause=cause,
                explanation=told,
                citation=citation,
            )
        )


def _special(message: Message, found: Found) -> tuple[Cause, str, str] | None:
    """What explains a value by itself, whatever happened to the order before."""
    kind = message.get(_EXEC_TYPE)
    if found.tag == _ORD_STATUS and found.log == kind == "5":
        return Cause.OTHER_VERSION, _OF_FIX_4_2, SECTION
    if kind == "D" and found.tag in _EXECUTED:
        return Cause.RULE, _RESTATED, "concepts/fix-state-changes.md#102-h1b-a-split-over-night"
    return None if found.tag in _POSITION else (Cause.OTHER_ORDER, _OTHER_ORDER, SECTION)


def _event(message: Message) -> Found:
    """What a message says that happened, and that it did not happen in the engine."""
    if message.type == REPORT:
        return Found(_EXEC_TYPE, exec_type(message), "refused")
    return Found(_MSG_TYPE, f"{MSG_TYPES[message.type]} ({message.type})", "refused")


def exec_type(message: Message) -> str:
    """ExecType (150) as people know it: `Trade (F)`."""
    kind = message.get(_EXEC_TYPE)
    return f"{EXEC_TYPES[kind][0]} ({kind})" if kind in EXEC_TYPES else kind[:SHOWN]
