"""Where does reading a long stream begin? With its state at an earlier version, kept as JSON beside its events.

Snapshots are a cache: without them the same states come out of the events alone. Whatever is missing, damaged or of
another schema is passed over, and written again when the stream is next read by a command.
"""

import dataclasses
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from oms_engine.domain.events import PRIVACY_STREAM, SETTINGS_STREAM, StoredEvent
from oms_engine.domain.model import OrderState, PrivacyState, QuoteRequestState, SettingsState, StreamState
from oms_engine.record import Record, canonical_json, instant_text, parse_instant, plain

SCHEMA_VERSION = 1
"""Raised when the fields of a state, or what an event changes in it, are not those of before; a test compares them."""

MOST = 8
"""Snapshots that are kept of one stream, the newest ones; an older state is folded from the events."""

_FACT = "snapshots.schema_version"

_KINDS: Mapping[str, type[StreamState]] = {
    "order": OrderState,
    "quote": QuoteRequestState,
    SETTINGS_STREAM: SettingsState,
    PRIVACY_STREAM: PrivacyState,
}
"""Kind of a stream, the first word of its name -> its state."""

_SELECT = (
    "SELECT version, CAST(state AS BLOB) FROM snapshots "
    "WHERE stream_id = ? AND version <= ? AND schema_version = ? ORDER BY version DESC"
)
_DROP_OLDEST = (
    "DELETE FROM snapshots WHERE stream_id = ? AND version <= "
    "(SELECT version FROM snapshots WHERE stream_id = ? ORDER BY version DESC LIMIT 1 OFFSET ?)"
)


class Shape(NamedTuple):
    """How values of one type are written and read."""

    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    nullable: bool = False


def encode(state: StreamState) -> str:
    """The state as canonical JSON, every field of it: equal states give equal text."""
    kind: Any = type(state)
    return canonical_json(_shape(kind).write(state))


def decode(stream_id: str, text: str | bytes) -> StreamState:
    """The state that was written; raises ValueError when the text is none."""
    kind: Any = _KINDS[stream_id.partition("-")[0]]
    try:
        state: StreamState = _shape(kind).read(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"the snapshot of {stream_id} cannot be read") from error
    return state


def at(connection: sqlite3.Connection, stream_id: str, version: int) -> StreamState | None:
    """The newest readable state at or before a version; None when the stream has to be folded from its beginning."""
    for kept, text in connection.execute(_SELECT, (stream_id, version, SCHEMA_VERSION)):
        try:
            state = decode(stream_id, text)
        except ValueError:
            continue
        if state.version == kept:
            return state
    return None


def versions(connection: sqlite3.Connection, stream_id: str) -> list[int]:
    """The versions of a stream of which there is a snapshot of today's schema, oldest first; readable or not."""
    rows = connection.execute(
        "SELECT version FROM snapshots WHERE stream_id = ? AND schema_version = ? ORDER BY version",
        (stream_id, SCHEMA_VERSION),
    )
    return [row[0] for row in rows]


def keep(
    connection: sqlite3.Connection, events: Sequence[StoredEvent], states: Mapping[str, StreamState], every: int
) -> None:
    """Write the states of streams that reached a version which is a multiple, inside the transaction of the events.

    A command that writes several events and passes the multiple is kept with its last event: between the events of one
    command there is no state that anybody saw.

    Args:
        connection: In the transaction of the events.
        events: The events that were just written.
        states: Stream -> its state after them.
        every: How far one snapshot is from the next.
    """
    passed = {event.stream_id for event in events if event.version % every == 0}
    for stream_id in sorted(passed):
        write(connection, stream_id, states[stream_id])


def write(connection: sqlite3.Connection, stream_id: str, state: StreamState) -> None:
    """Write one snapshot inside the transaction that is open, and let go of those too old to be kept."""
    connection.execute(
        "INSERT OR REPLACE INTO snapshots (stream_id, version, schema_version, state) VALUES (?, ?, ?, ?)",
        (stream_id, state.version, SCHEMA_VERSION, encode(state)),
    )
    connection.execute("INSERT OR REPLACE INTO store_facts (name, value) VALUES (?, ?)", (_FACT, str(SCHEMA_VERSION)))
    connection.execute(_DROP_OLDEST, (stream_id, stream_id, MOST))


def mend(connection: sqlite3.Connection, stream_id: str, start: int, state: StreamState, every: int) -> None:
    """Write what was missing or damaged between the version a stream was read from and the one it is at."""
    if start // every != state.version // every:
        connection.execute("DELETE FROM snapshots WHERE stream_id = ? AND version > ?", (stream_id, start))
        write(connection, stream_id, state)


def texts(connection: sqlite3.Connection, stream_id: str) -> dict[int, str]:
    """The snapshots of a stream of today's schema as they are written, by version; for whoever compares them."""
    rows = connection.execute(
        "SELECT version, state FROM snapshots WHERE stream_id = ? AND schema_version = ?", (stream_id, SCHEMA_VERSION)
    )
    return dict(rows.fetchall())


def drop(connection: sqlite3.Connection, stream_id: str | None = None) -> int:
    """Delete the snapshots of a stream, or all; returns how many. The events say the same without them."""
    if stream_id is None:
        return connection.execute("DELETE FROM snapshots").rowcount
    return connection.execute("DELETE FROM snapshots WHERE stream_id = ?", (stream_id,)).rowcount


def settle(connection: sqlite3.Connection) -> None:
    """Drop the snapshots of another schema, when a store is opened; outside any transaction."""
    if not _is_foreign(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_foreign(connection):  # another process may have been faster
            drop(connection)
            connection.execute(
                "INSERT OR REPLACE INTO store_facts (name, value) VALUES (?, ?)", (_FACT, str(SCHEMA_VERSION))
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # where a disk is full SQLite has rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _is_foreign(connection: sqlite3.Connection) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM snapshots), (SELECT value FROM store_facts WHERE name = ?)", (_FACT,)
    ).fetchone()
    return bool(row[0]) and row[1] != str(SCHEMA_VERSION)


def fingerprint() -> str:
    """What the states are made of, in short: another text when a field was added, removed or has another type."""
    lines = sorted(line for kind in _KINDS.values() for line in _description(kind, set()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _description(kind: Any, seen: set[Any]) -> Iterator[str]:  # noqa: ANN401 - any annotation
    if kind in seen:
        return
    seen.add(kind)
    if isinstance(kind, type) and (fields := _fields(kind)):
        parts = ", ".join(f"{name}: {_shape(annotation).name}" for name, annotation in fields.items())
        yield f"{kind.__name__}({parts})"
    for part in (*get_args(kind), *_fields(kind).values()):
        yield from _description(part, seen)


def _fields(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - any annotation
    """The fields of a record or a state with their types; none of anything else."""
    if isinstance(kind, type) and issubclass(kind, Record):
        names: Any = kind.model_fields
    elif dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    else:
        return {}
    hints = get_type_hints(kind)
    return {name: hints[name] for name in names}


def _same(value: Any) -> Any:  # noqa: ANN401 - what JSON has itself
    return value


_SCALARS: Mapping[Any, Shape] = {
    str: Shape("str", _same, _same),
    int: Shape("int", _same, _same),
    bool: Shape("bool", _same, _same),
    Any: Shape("Any", _same, _same),
    Decimal: Shape("Decimal", plain, Decimal),
    datetime: Shape("datetime", instant_text, parse_instant),
    date: Shape("date", date.isoformat, date.fromisoformat),
}


@cache
def _shape(kind: Any) -> Shape:  # noqa: ANN401 - any annotation
    """How values of a type are written; composed once from its parts."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    if parts := get_args(kind):
        return _composed(get_origin(kind), parts)
    if issubclass(kind, Enum):
        return Shape(kind.__name__, lambda member: member.value, kind)
    return _record(kind)


def _composed(origin: Any, parts: tuple[Any, ...]) -> Shape:  # noqa: ANN401 - any annotation
    if origin in {Union, UnionType}:
        (one,) = (part for part in parts if part is not NoneType)
        return _optional(_shape(one))
    if origin is Mapping:
        return _mapping(*map(_shape, parts))
    if origin is frozenset:
        return _set(_shape(parts[0]))
    return _sequence(_shape(parts[0])) if parts[-1] is Ellipsis else _tuple([_shape(part) for part in parts])


def _optional(one: Shape) -> Shape:
    return Shape(
        f"{one.name}?",
        lambda value: None if value is None else one.write(value),
        lambda value: None if value is None else one.read(value),
        nullable=True,
    )


def _mapping(key: Shape, value: Shape) -> Shape:
    """A mapping as a list of pairs, which keeps its order and any key."""
    return Shape(
        f"{{{key.name}: {value.name}}}",
        lambda mapping: [[key.write(name), value.write(each)] for name, each in mapping.items()],
        lambda pairs: {key.read(name): value.read(each) for name, each in pairs},
    )


def _sequence(one: Shape) -> Shape:
    return Shape(
        f"[{one.name}]",
        lambda values: [one.write(each) for each in values],
        lambda values: tuple(map(one.read, values)),
    )


def _tuple(parts: list[Shape]) -> Shape:
    return Shape(
        f"({', '.join(part.name for part in parts)})",
        lambda values: [part.write(each) for part, each in zip(parts, values, strict=True)],
        lambda values: tuple(part.read(each) for part, each in zip(parts, values, strict=True)),
    )


def _set(one: Shape) -> Shape:
    return Shape(
        f"<{one.name}>", lambda values: sorted(map(one.write, values)), lambda values: frozenset(map(one.read, values))
    )


def _record(kind: type[Any]) -> Shape:
    """A record or a state as an object without its nulls; a field that is not named is none."""
    shapes = {name: _shape(annotation) for name, annotation in _fields(kind).items()}
    make: Callable[..., Any] = kind.model_construct if issubclass(kind, Record) else kind

    def write_fields(value: object) -> dict[str, Any]:
        given = ((name, shape, getattr(value, name)) for name, shape in shapes.items())
        return {name: shape.write(each) for name, shape, each in given if each is not None}

    def read_fields(fields: Mapping[str, Any]) -> object:
        read = {
            name: None if shape.nullable and name not in fields else shape.read(fields[name])
            for name, shape in shapes.items()
        }
        if unknown := fields.keys() - shapes.keys():
            raise KeyError(*unknown)
        return make(**read)

    return Shape(kind.__name__, write_fields, read_fields)
