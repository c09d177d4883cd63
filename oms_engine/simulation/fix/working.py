"""What does a replay know of the orders of a log, and of requests that the engine refused?"""

from oms_engine.domain.model import Order
from oms_engine.errors import Problem
from oms_engine.simulation.fix.reading import Message
from oms_engine.simulation.fix.tags import REQUESTS

Key = tuple[str, str]
"""The side that has the orders, and a ClOrdID (11) of its."""


class Working:
    """An order of a log that the engine took.

    Attributes:
        since: Number of the message that began it.
        order: The order as the engine has it.
        open_cancels: ClOrdIDs of cancel requests that the log has not answered yet.
        open_replaces: ClOrdIDs of such replace requests.
        references: ExecID of a correcting report -> the execution that it corrected.
        trouble: Where the log and the engine parted first; empty while they agree.
        lost: Pieces of the log that could not be read when the order began.
    """

    __slots__ = ("lost", "open_cancels", "open_replaces", "order", "references", "since", "trouble")

    def __init__(self, message: Message, order: Order, lost: int) -> None:
        self.since = message.number
        self.order = order
        self.open_cancels: set[str] = set()
        self.open_replaces: set[str] = set()
        self.references: dict[str, str] = {}
        self.trouble = ""
        self.lost = lost

    def asked(self, cl_ord_id: str, *, cancel: bool) -> None:
        """A request was sent to the market."""
        (self.open_cancels if cancel else self.open_replaces).add(cl_ord_id)

    def answered(self, cl_ord_id: str, *, cancel: bool) -> None:
        """The market answered a request: the one it names, or all of them when it names none of them."""
        requests = self.open_cancels if cancel else self.open_replaces
        if cl_ord_id in requests:
            requests.discard(cl_ord_id)
        else:
            requests.clear()

    def corrected(self, message: Message) -> None:
        """A report corrected an execution; later ones may name either of the two."""
        if message.get(17) and message.get(19):
            self.references[message.get(17)] = self.references.get(message.get(19), message.get(19))


class Refusal:
    """A request that the engine refused, until the log tells what the market said to it.

    Attributes:
        message: The request.
        told: Why, in one sentence.
        citation: The section that explains it.
        cxl_rej_reason: What a gateway would answer in CxlRejReason (102); empty for a new order.
        working: The order it was about; None of a new order, and of an order that is unknown.
    """

    __slots__ = ("citation", "cxl_rej_reason", "message", "told", "working")

    def __init__(self, message: Message, told: str, citation: str, reason: str, working: Working | None) -> None:
        self.message = message
        self.told = told
        self.citation = citation
        self.cxl_rej_reason = reason
        self.working = working

    @classmethod
    def of(cls, message: Message, problem: Problem, working: Working | None) -> "Refusal":
        """A refusal with the engine's problem details."""
        reason = problem.context.get("cxlRejReason")
        told = f"{problem.error_code}: {problem.detail}"
        return cls(message, told, problem.citation, "" if reason is None else str(reason), working)

    @property
    def is_order(self) -> bool:
        """Was it a new order?"""
        return self.message.type == "D"


class KnownOrders:
    """The orders of a log, by every ClOrdID (11) that a request gave them and by the market's OrderID (37)."""

    def __init__(self) -> None:
        self.refusals: dict[Key, Refusal] = {}
        self.never: dict[Key, str] = {}
        self._requests: dict[Key, Working] = {}
        self._by_market: dict[Key, Working] = {}

    def begin(self, key: Key, working: Working) -> None:
        """A new order was taken."""
        self._requests[key] = working

    def named(self, key: Key) -> Working | None:
        """The order of a request."""
        return self._requests.get(key)

    def asked(self, key: Key, working: Working) -> None:
        """A request was about this order; later messages may name it by the ClOrdID of the request."""
        self._requests.setdefault(key, working)

    def find(self, message: Message) -> Working | None:
        """The order that a message is about: by OrigClOrdID of a request, by ClOrdID, by the market's OrderID."""
        side, cl_ord_id = key_of(message)
        names = (message.get(41), cl_ord_id) if message.type in REQUESTS else (cl_ord_id, message.get(41))
        found = next((self._requests[side, name] for name in names if (side, name) in self._requests), None)
        return found or self._by_market.get((_market(message), message.get(37)))

    def learn(self, message: Message, working: Working) -> None:
        """A report names the order as the market does."""
        if message.get(37) not in {"", "NONE"}:
            self._by_market.setdefault((_market(message), message.get(37)), working)

    def refused_order(self, message: Message) -> str:
        """Where the new order stands that a message is about and that the engine refused; empty without one."""
        side, cl_ord_id = key_of(message)
        return self.never.get((side, message.get(41))) or self.never.get((side, cl_ord_id)) or ""


def key_of(message: Message) -> Key:
    """Whose request a message is or answers; OnBehalfOfCompID (115) and DeliverToCompID (128) go before the CompIDs."""
    if message.type in REQUESTS:
        return (message.get(115) or message.get(49), message.get(11))
    return (message.get(128) or message.get(56), message.get(11))


def _market(message: Message) -> str:
    return message.get(56) if message.type in REQUESTS else message.get(49)
