"""Where does a page end, so that the next one can start there? Opaque text that belongs to one question."""

import base64
import hashlib
import json
from collections.abc import Sequence

from oms_engine.domain.catalogue import violation
from oms_engine.domain.filters import START, FieldType, Query
from oms_engine.errors import Refused, problem_of
from oms_engine.record import Record, is_unicode
from oms_engine.storage.codec import SqlValue, to_sql
from oms_engine.storage.statements import Key

_MOST = 20_000
_MARK = 16
_BEYOND = 2**63
_WHOLE = frozenset({FieldType.INTEGER, FieldType.BOOLEAN})


def cursor_behind(mark: str, keys: Sequence[Key], record: Record) -> str:
    """The cursor of the page that follows a record; `mark` is that of the question."""
    values = [to_sql(key.field, getattr(record, key.column)) for key in keys]
    text = json.dumps([mark, *values], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def start_of(query: Query, mark: str, keys: Sequence[Key]) -> list[SqlValue] | None:
    """The keys of the row behind which a page starts; None for the start of the result. `mark` is the question's.

    Raises:
        Refused: OMS-VAL-004, the cursor is malformed or belongs to another question.
    """
    if query.cursor is None or query.cursor == START:
        return None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        read = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)) if len(padded) <= _MOST else None
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, list) or not read or not isinstance(read[0], str):
        raise _refusal("cursor is none that a page gave; send nextCursor of a page as it stands, or * for the start")
    own, *values = read
    if own != mark or not _fit(keys, values):
        raise _refusal("cursor belongs to another question; keep entity, where and sort, or send * for the start")
    return values


def _fit(keys: Sequence[Key], values: Sequence[object]) -> bool:
    """Is there a value for each key, of the kind that its column holds?"""
    return len(keys) == len(values) and all(
        key.nullable if value is None else _is_kept(value) and isinstance(value, int) is (key.field.type in _WHOLE)
        for key, value in zip(keys, values, strict=True)
    )


def _is_kept(value: object) -> bool:
    """Can a column hold this value?"""
    return is_unicode(value) if isinstance(value, str) else type(value) is int and -_BEYOND <= value < _BEYOND


def mark_of(query: Query, keys: Sequence[Key]) -> str:
    """What tells a question from others: a hash of its entity, its conditions and its order."""
    conditions = sorted(repr((part.field.name, part.operator.value, part.values)) for part in query.conditions)
    order = [(key.column, key.descending) for key in keys]
    asked = repr((query.entity.name, conditions, order))
    return hashlib.sha256(asked.encode()).hexdigest()[:_MARK]


def _refusal(message: str) -> Refused:
    return Refused(problem_of([violation("QRY-04", "OMS-VAL-004", "cursor", message)]))
