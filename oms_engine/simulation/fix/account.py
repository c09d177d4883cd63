"""What is told of a log once it was replayed? Each message has one verdict, and the counts add up."""

from enum import StrEnum

from oms_engine.record import Record

SESSION_MESSAGE = "session message"
"""Why a message about the connection is not replayed."""

UNKNOWN_ORDER = "an order that is not in the log"
"""Why a message about an order is not replayed that no message of the log begins."""


class Verdict(StrEnum):
    """What became of a message."""

    EQUAL = "EQUAL"
    DIFFERENT = "DIFFERENT"
    NOT_REPLAYED = "NOT_REPLAYED"
    UNREADABLE = "UNREADABLE"


class Cause(StrEnum):
    """Why a log and the engine differ, as far as the log tells."""

    RULE = "RULE"
    GAP = "GAP"
    UNREADABLE = "UNREADABLE"
    FOLLOWS = "FOLLOWS"
    OTHER_VERSION = "OTHER_VERSION"
    OTHER_ORDER = "OTHER_ORDER"
    UNKNOWN = "UNKNOWN"


class Place(Record):
    """Where a message stands: its number among the pieces of the log, its line, its first byte, its MsgSeqNum (34)."""

    number: int
    line: int
    offset: int
    msg_seq_num: str | None = None
    msg_type: str | None = None
    sender: str | None = None


class Difference(Record):
    """A value that log and engine do not agree on, with the reason and, of a rule, the section that explains it."""

    place: Place
    cl_ord_id: str | None = None
    order_id: str | None = None
    tag: int
    field: str
    log: str
    engine: str
    cause: Cause
    explanation: str
    citation: str | None = None

    @property
    def explained(self) -> bool:
        """Is it known where the difference comes from?"""
        return self.cause is not Cause.UNKNOWN


class Kind(Record):
    """Something that was noticed: how often, how many bytes it took, where it came first and what is to say there."""

    what: str
    count: int
    size: int
    first: Place
    told: str


class Row(Record):
    """The messages of one type by what became of them."""

    msg_type: str
    name: str
    equal: int
    different: int
    not_replayed: int
    total: int


class DirectionRow(Record):
    """What one side sent to the other."""

    sender: str
    target: str
    messages: int
    sessions: int
    missing: int


class Account(Record):
    """What became of a log, in whole. Pieces are messages and runs of bytes that are none.

    `size` is what the log has in bytes; `verdict_sizes` and `between` (line ends, and what log files put beside a
    message) add up to it, as the counts of `verdicts` add up to `pieces`.
    """

    size: int
    pieces: int
    between: int
    verdicts: dict[str, int]
    verdict_sizes: dict[str, int]
    types: tuple[Row, ...]
    explained: int
    unexplained: int
    differences: tuple[Difference, ...]
    not_replayed: tuple[Kind, ...]
    unreadable: tuple[Kind, ...]
    findings: tuple[Kind, ...]
    unknown_tags: dict[str, int]
    directions: tuple[DirectionRow, ...]
    orders: dict[str, int]

    @property
    def agrees(self) -> bool:
        """Did the engine come to everything that the log says? Not where nothing of what it says could be replayed."""
        left_out = any(kind.what != SESSION_MESSAGE for kind in self.not_replayed)
        return not self.verdicts[Verdict.DIFFERENT] and bool(self.verdicts[Verdict.EQUAL] or not left_out)

    @property
    def spotless(self) -> bool:
        """Does it agree, and is the log itself complete, readable and in order?"""
        unknown = any(kind.what == UNKNOWN_ORDER for kind in self.not_replayed)
        return self.agrees and not (self.unreadable or self.findings or unknown)
