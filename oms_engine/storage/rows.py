"""How does an event stand in a row of `events`, and how is a row read again, whatever its age?"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import Struct

from oms_engine.domain.decider.evolve import FOLDED, Happened
from oms_engine.domain.events import EVENTS, Event, StoredEvent
from oms_engine.domain.upcasting import UPCASTERS
from oms_engine.errors import StoreUnavailable
from oms_engine.record import instant_text, parse_instant
from oms_engine.storage import sealing
from oms_engine.storage.payloads import REFUSED, Reader

Row = tuple[Any, ...]
"""The columns of an event, in the order in which they were asked for."""

COLUMNS = (
    "position, stream_id, version, type, schema_version, payload, "
    "command_id, correlation_id, causation_id, actor, recorded_at"
)
INSERT_EVENT = f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
SELECT_EVENTS = f"SELECT {COLUMNS} FROM events "  # noqa: S608 - constants


def row_of(event: StoredEvent) -> tuple[Any, ...]:
    """The event as it stands in a row of `events`, before anything of it is sealed."""
    position, stream_id, version, kind, written, payload, *origin, at = event.as_dict().values()
    return (position, stream_id, version, kind, written, payload.to_json(), *origin, instant_text(at))


class Happening(Struct, gc=False):
    """An event as far as a stream is folded from it.

    The payload of an event of an order may be what has the attributes of the event and is none.
    """

    position: int
    version: int
    type: str
    payload: Any
    recorded_at: datetime


def read_event(connection: sqlite3.Connection, row: Row) -> StoredEvent:
    """The event that stands in a row of `events`, in its present version; personal fields that were erased are null.

    Args:
        connection: Where the row was read, which has the keys of what is sealed.
        row: The columns of the event in their order.
    """
    position, stream_id, version, kind, written, text, command_id, correlation_id, causation_id, actor, at = row
    try:
        payload = _RECORDS[kind, written](text)
    except _NOT_AS_WRITTEN:
        payload = _carefully(connection, row)
    return StoredEvent.made(
        {
            "position": position,
            "stream_id": stream_id,
            "version": version,
            "type": kind,
            "schema_version": UPCASTERS.version(kind),
            "payload": payload,
            "command_id": command_id,
            "correlation_id": correlation_id,
            "causation_id": causation_id,
            "actor": actor,
            "recorded_at": _instant(at),
        }
    )


def read_happening(connection: sqlite3.Connection, row: Row) -> Happening:
    """As `read_event`, of a row with the columns of `FOR_FOLDING`."""
    position, _, version, kind, written, text, at = row
    try:
        payload = _FOLDED[kind, written](text)
    except _NOT_AS_WRITTEN:
        payload = _carefully(connection, row)
    return Happening(position, version, kind, payload, _instant(at))


_instant = lru_cache(maxsize=256)(parse_instant)
"""The events of one command have one time, and stand side by side."""

_READERS = {(name, UPCASTERS.version(name)): Reader(event) for name, event in EVENTS.items()}
_RECORDS = {event: reader.record for event, reader in _READERS.items()}
_FOLDED = {event: reader.read if event[0] in FOLDED else reader.record for event, reader in _READERS.items()}
"""Event and its present version -> how its payload is read, where it stands as we write it today and in plain."""

_NOT_AS_WRITTEN = (KeyError, *REFUSED)

E = TypeVar("E", bound=Happened)


class Reading(NamedTuple, Generic[E]):
    """How much of events is read: the statement up to its conditions, and what makes an event of a row."""

    select: str
    event: Callable[[sqlite3.Connection, Row], E]


WHOLE = Reading(SELECT_EVENTS, read_event)
"""Everything."""

FOR_FOLDING = Reading(
    "SELECT position, stream_id, version, type, schema_version, payload, recorded_at FROM events ", read_happening
)
"""What the state of a stream is made of."""


class NewerEvent(ValueError):
    """An event is of a version that this program does not know."""


def decode(kind: str, schema_version: int, payload: str) -> Event:
    """The event that a payload says, lifted to the present version when it is of an older one; checked in every way.

    Raises:
        KeyError: There is no such event.
        NewerEvent: It is of a newer version.
        ValueError: It cannot be read.
    """
    present = UPCASTERS.version(kind)
    if schema_version != present:
        if not 1 <= schema_version < present:
            raise NewerEvent(f"it has schema version {schema_version}, this program knows versions up to {present}")
        payload = json.dumps(UPCASTERS.lift(kind, schema_version, json.loads(payload)))
    return EVENTS[kind].model_validate_json(payload)


def _carefully(connection: sqlite3.Connection, row: Row) -> Event:
    """The payload of a row, if it is sealed, of an older version, or written by somebody else."""
    position, stream_id, version, kind, schema_version, payload, *_ = row
    try:
        if payload.startswith(sealing.BEGINS):
            payload = sealing.opened(connection, stream_id, version, payload)
        return decode(kind, schema_version, payload)
    except NewerEvent as error:
        raise StoreUnavailable(f"event {position} ({kind}) cannot be read: {error}; upgrade oms-mcp") from error
    except (KeyError, ValueError) as error:
        raise StoreUnavailable(
            f"event {position} ({kind}) cannot be read; the file was changed from outside, so restore a backup of it"
        ) from error


def happenings_by_stream(connection: sqlite3.Connection, where: str = "") -> Iterator[tuple[str, Iterator[Happening]]]:
    """The name of every stream and its events in order of version, or of those that a clause of SQL names."""
    rows = connection.execute(f"{FOR_FOLDING.select}{where}ORDER BY stream_id, version")
    for stream_id, its_rows in groupby(rows, itemgetter(1)):
        yield stream_id, (read_happening(connection, row) for row in its_rows)
