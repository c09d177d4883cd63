"""Which errors are there, what do they mean and what is the way out?

    OmsError                    everything this engine raises on purpose
    ├── Refused                 a request cannot be carried out; carries the problem details
    ├── SettingsError           a setting is unknown or has an impossible value
    ├── ScenarioError           a scenario cannot be read
    └── StoreError              the store cannot be used as it is
        ├── StoreUnavailable    it cannot be opened, read or written (OMS-DATA-002)
        ├── StoreRolledBack     a write failed and was taken back as a whole (OMS-DATA-003)
        └── StoreBusy           another process held the write lock too long (OMS-LOCK-002)

Commands do not raise: `Engine.execute` answers a refused one with a result that holds the same problem details.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from oms_engine.framework.validation import Violation
from oms_engine.record import Record

_SHOWN = 64


class ErrorCode(NamedTuple):
    """What an error code means on every surface (RFC 9457 `status` and `title`)."""

    status: int
    retryable: bool
    title: str
    remedy: str
    citation: str


def _section(number: str, code: str, title: str) -> str:
    words = title.lower().replace(",", "").replace(" ", "-")
    return f"framework/error-handling.md#{number.replace('.', '')}-{code.lower()}-{words}"


CODES: dict[str, ErrorCode] = {}


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
    context: dict[str, Any] = {}


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


class StoreError(OmsError):
    """The store cannot be used as it is; its file is left as it was found."""

    code = "OMS-DATA-002"


class StoreUnavailable(StoreError):
    """The store cannot be opened, read or written."""


class StoreRolledBack(StoreError):
    """A write failed; the whole transaction was taken back."""

    code = "OMS-DATA-003"


class StoreBusy(StoreError):
    """Another process held the write lock for too long."""

    code = "OMS-LOCK-002"


def shown(value: object) -> str:
    """A value as it may stand in a sentence: quoted, escaped, and cut to 64 characters. Text from outside stays data."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return json.dumps(cut, ensure_ascii=True) if isinstance(value, str) else cut


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
    row = CODES[code]
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
