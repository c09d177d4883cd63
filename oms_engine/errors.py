"""Which errors are there, what do they mean and what is the way out?

    OmsError                    everything this engine raises on purpose
    ├── Refused                 a request cannot be carried out; carries the problem details
    ├── SettingsError           a setting is unknown or has an impossible value
    ├── ScenarioError           a scenario cannot be read
    ├── Disconnected            a subscriber did not keep up; says where to resume
    └── StoreError              the store cannot be used as it is
        ├── StoreUnavailable    it cannot be opened, read or written (OMS-DATA-002)
        ├── StoreRolledBack     a write failed and was taken back as a whole (OMS-DATA-003)
        └── StoreBusy           another process held the write lock too long (OMS-LOCK-002)

Commands do not raise: `Engine.execute` answers a refused one with a result that holds the same problem details.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import Field

from oms_engine.framework.validation import Violation
from oms_engine.record import Record, anchor

_SHOWN = 64


class ErrorCode(NamedTuple):
    """What an error code means on every surface (RFC 9457 `status` and `title`)."""

    status: int
    retryable: bool
    title: str
    remedy: str
    citation: str


_TABLE: dict[str, tuple[str, int, bool, str, str]] = {
    "OMS-VAL-001": ("2.1", 400, False, "rule between fields", "change the fields named so that they fit together"),
    "OMS-VAL-002": ("2.2", 400, False, "unknown field", "remove or rename the field; the message lists the valid ones"),
    "OMS-VAL-003": ("2.3", 400, False, "required value missing", "add the field named and send the request again"),
    "OMS-VAL-004": (
        "2.4",
        400,
        False,
        "malformed or unknown value",
        "write the value in the form that the message names",
    ),
    "OMS-VAL-005": ("2.5", 400, False, "out of range", "choose a value within the bounds that the message names"),
    "OMS-VAL-006": ("2.6", 400, False, "confirmation missing", "ask the user, then call again with confirm=true"),
    "OMS-STATE-001": (
        "3.1",
        409,
        False,
        "transition not in the lifecycle",
        "look at validTransitions, or call check_transitions",
    ),
    "OMS-STATE-002": (
        "3.2",
        409,
        False,
        "object not in the state the command needs",
        "read the order, then send what its state allows",
    ),
    "OMS-STATE-003": (
        "3.3",
        409,
        False,
        "object is finished",
        "nothing follows; create a new order if something is still to do",
    ),
    "OMS-ORDER-001": ("4.1", 404, False, "order not found", "find the orderId with search_orders"),
    "OMS-ORDER-002": (
        "4.2",
        409,
        False,
        "client order id already used",
        "use a new clOrdId, or repeat the first request exactly",
    ),
    "OMS-ORDER-003": (
        "4.5",
        400,
        False,
        "order type not allowed for the asset class",
        "choose an order type that the message names",
    ),
    "OMS-ORDER-004": (
        "4.6",
        400,
        False,
        "quantity not sufficient",
        "compare the quantity with what is executed, placed or pending",
    ),
    "OMS-ORDER-005": ("4.3", 409, False, "already cancelled", "read the order; nothing is left to do"),
    "OMS-ORDER-006": ("4.4", 409, False, "already filled", "read the order; what is executed is not cancelled"),
    "OMS-EXEC-001": ("5.1", 404, False, "execution not found", "find the execId with get_order and include=executions"),
    "OMS-EXEC-002": (
        "5.2",
        409,
        False,
        "execution already booked",
        "nothing is to be done about a report that came twice; a different fill has its own execId",
    ),
    "OMS-EXEC-003": ("5.3", 400, False, "execution type not accepted", "send the command that belongs to this report"),
    "OMS-EXEC-004": (
        "5.4",
        400,
        False,
        "more than the open quantity",
        "compare lastQty with leavesQty, and ask the market",
    ),
    "OMS-EXEC-005": (
        "5.5",
        409,
        False,
        "correction not allowed",
        "read the execution and its order; the correction is made outside",
    ),
    "OMS-QUOTE-001": ("10.1", 404, False, "quote request not found", "find the quoteReqId with search_orders"),
    "OMS-QUOTE-002": ("10.2", 404, False, "quote not found", "find the quoteId with search_orders"),
    "OMS-QUOTE-003": ("10.3", 409, False, "quote not open", "ask for a new quote"),
    "OMS-QUOTE-004": ("10.4", 409, False, "quote id already used", "use a new id"),
    "OMS-RISK-001": ("11.1", 422, False, "quantity above the risk limit", "send a smaller order"),
    "OMS-RISK-002": ("11.2", 422, False, "notional above the risk limit", "send a smaller order"),
    "OMS-RISK-003": ("11.3", 422, False, "price outside the collar", "send a price nearer to the reference price"),
    "OMS-RISK-004": ("11.4", 422, False, "symbol restricted", "the desk must lift the restriction first"),
    "OMS-RISK-005": ("11.5", 422, False, "too many open orders", "end an open order of the account first"),
    "OMS-RISK-006": ("11.6", 422, False, "open notional above the risk limit", "end open orders or send a smaller one"),
    "OMS-RISK-007": ("11.7", 409, False, "kill switch on", "cancel what must not work; the desk lifts the switch"),
    "OMS-RISK-008": ("11.8", 429, True, "too many commands", "wait a second, then send the command again"),
    "OMS-AUTH-001": (
        "6.1",
        403,
        False,
        "second person missing",
        "name two different people in requestedBy and approvedBy",
    ),
    "OMS-AUTH-002": ("6.2", 403, False, "level too low", "have somebody of the level approve that the message names"),
    "OMS-AUTH-003": (
        "6.3",
        403,
        False,
        "actor not permitted",
        "let a permitted actor send it, or change the setting roles",
    ),
    "OMS-DATA-001": ("7.1", 409, False, "id already used", "use a new id, or repeat the first request exactly"),
    "OMS-DATA-002": ("7.2", 500, True, "store not reachable", "check the database file, then send the command again"),
    "OMS-DATA-003": ("7.3", 500, True, "transaction rolled back", "send the command again with the same commandId"),
    "OMS-LOCK-001": ("8.1", 409, True, "version moved on", "read the order again and decide anew"),
    "OMS-LOCK-002": ("8.2", 409, True, "lock not obtained", "send the command again with the same commandId"),
    "OMS-SYS-001": ("9.1", 500, False, "internal error", "nothing was changed; report the correlationId"),
}
"""Code -> number of its section, HTTP status, retryable, title, remedy."""

CODES: dict[str, ErrorCode] = {
    code: ErrorCode(
        status, retryable, title, remedy, f"framework/error-handling.md#{anchor(f'{number} {code}: {title}')}"
    )
    for code, (number, status, retryable, title, remedy) in _TABLE.items()
}
"""Every error code with what it means on every surface."""

_OTHER = ErrorCode(400, False, "rule of another catalogue", "read what the rule of that catalogue says", "")  # noqa: FBT003 - a row of the table
"""What a code means that a user's own rules brought along."""


class Problem(Record):
    """Problem details of a refusal (RFC 9457), the same on every surface.

    `context` holds what is known of orderId, execId, fromState, toState, validTransitions, sessionId, clOrdId and
    correlationId; `citation` is the `path#anchor` of the section that explains the primary violation; `hint` is the
    way out for this kind of error.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    error_code: str
    retryable: bool
    violations: tuple[Violation, ...] = ()
    citation: str
    hint: str
    context: dict[str, Any] = Field(default_factory=dict)


class OmsError(Exception):
    """The root of everything this engine raises on purpose."""


class Refused(OmsError):
    """A request cannot be carried out as it stands; nothing has changed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class SettingsError(OmsError):
    """A setting is unknown or has an impossible value; the message names it and the valid ones."""


class ScenarioError(OmsError):
    """A scenario cannot be read; the message names the place, the key and the fix."""


class Disconnected(OmsError):
    """A subscriber took its messages too slowly; nothing is lost when it subscribes again from `resume_from`."""

    def __init__(self, resume_from: int) -> None:
        super().__init__(
            f"messages came faster than they were taken, and stream.queue is full; subscribe again with resume_from "
            f"{resume_from}, or set a larger stream.queue"
        )
        self.resume_from = resume_from


class StoreError(OmsError):
    """The store cannot be used as it is; its file is left as it was found."""

    code = "OMS-DATA-002"

    def __init__(self, message: str, *, remedy: str = "", lasts: bool = False) -> None:
        """Args: what is wrong; what to do, where another way out fits better; whether it stays so until then."""
        super().__init__(message)
        self.remedy = remedy
        self.lasts = lasts

    def problem(self, *, context: dict[str, Any] | None = None, command_id: str | None = None) -> Problem:
        """The problem details of this error; what lasts is not worth another try."""
        told = problem(
            self.code,
            str(self),
            context=context,
            command_id=command_id,
            retryable=False if self.lasts else None,
        )
        return told.but(hint=self.remedy) if self.remedy else told


class StoreUnavailable(StoreError):
    """The store cannot be opened, read or written."""


class StoreRolledBack(StoreError):
    """A write failed; the whole transaction was taken back."""

    code = "OMS-DATA-003"


class StoreBusy(StoreError):
    """Another process held the write lock for too long."""

    code = "OMS-LOCK-002"


def shown(value: object) -> str:
    """A value as it may stand in a sentence: quoted, escaped, cut to 64 characters. Text from outside stays data."""
    text = value if isinstance(value, str) else _as_json(value)
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return json.dumps(cut, ensure_ascii=True) if isinstance(value, str) else cut


def in_one_line(error: BaseException) -> str:
    """An exception as it is kept with what it stopped: its kind and its words, in characters that can be stored."""
    words = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode()
    return " ".join(words.split())


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError):  # a number of thousands of digits, or a key that JSON does not have
        return f"({type(value).__name__})"


def problem(
    code: str,
    detail: str,
    *,
    violations: Sequence[Violation] = (),
    context: dict[str, Any] | None = None,
    command_id: str | None = None,
    retryable: bool | None = None,
) -> Problem:
    """The problem details of one refusal; title, status, hint and citation come from the code's row in `CODES`."""
    row = CODES.get(code, _OTHER)
    return Problem(
        type=f"urn:oms:error:{code.lower()}",
        title=row.title,
        status=row.status,
        detail=detail,
        instance=f"urn:oms:command:{command_id}" if command_id else None,
        error_code=code,
        retryable=row.retryable if retryable is None else retryable,
        violations=tuple(violations),
        citation=violations[0].citation if violations else row.citation,
        hint=row.remedy,
        context={name: value for name, value in (context or {}).items() if value is not None},
    )


def problem_of(
    violations: Sequence[Violation], *, context: dict[str, Any] | None = None, command_id: str | None = None
) -> Problem:
    """The problem details of a list of violations; the first is the primary one and gives the code."""
    first = violations[0]
    more = f" ({len(violations) - 1} more: see violations)" if len(violations) > 1 else ""
    return problem(
        first.code,
        first.message + more,
        violations=violations,
        context=context,
        command_id=command_id,
        retryable=False if first.code == "OMS-LOCK-001" else None,
    )
