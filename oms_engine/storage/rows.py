"""How does an event stand in a row of `events`, and how is a row read again, whatever its age?"""

import json
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from oms_engine.domain.events import EVENTS, Event, StoredEvent
from oms_engine.domain.upcasting import UPCASTERS
from oms_engine.errors import StoreUnavailable
from oms_engine.record import instant_text, parse_instant
from oms_engine.storage import sealing

COLUMNS = (
    "position, stream_id, version, type, schema_version, payload, "
    "command_id, correlation_id, causation_id, actor, recorded_at"
)
INSERT_EVENT = f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
SELECT_EVENTS = f"SELECT {COLUMNS} FROM events "  # noqa: S608 - constants


def row_of(event: StoredEvent) -> tuple[Any, ...]:
    """The event as it stands in a row of `events`, before anything of it is sealed."""
    return (
        event.position,
        event.stream_id,
        event.version,
        event.type,
        event.schema_version,
        event.payload.to_json(),
        event.command_id,
        event.correlation_id,
        event.causation_id,
        event.actor,
        instant_text(event.recorded_at),
    )


def read_event(connection: sqlite3.Connection, row: tuple[Any, ...]) -> StoredEvent:
    """The event that stands in a row of `events`, in its present version; personal fields that were erased are null.

    Args:
        connection: Where the row was read, which has the keys of what is sealed.
        row: The columns of the event in their order.
    """
    position, stream_id, version, kind, _, _, command_id, correlation_id, causation_id, actor, at = row
    return StoredEvent.made(
        {
            "position": position,
            "stream_id": stream_id,
            "version": version,
            "type": kind,
            "schema_version": UPCASTERS.version(kind),
            "payload": _payload(connection, row),
            "command_id": command_id,
            "correlation_id": correlation_id,
            "causation_id": causation_id,
            "actor": actor,
            "recorded_at": _instant(at),
        }
    )


_instant = lru_cache(maxsize=256)(parse_instant)
"""The events of one command have one time, and stand side by side."""


class NewerEvent(ValueError):
    """An event is of a version that this program does not know."""


def decode(kind: str, schema_version: int, payload: str) -> Event:
    """The event that a payload says, lifted to the present version when it is of an older one.

    Raises:
        KeyError: There is no such event.
        NewerEvent: It is of a newer version.
        ValueError: It cannot be read.
    """
    present = UPCASTERS.versions.get(kind, 1)
    if schema_version != present:
        if not 1 <= schema_version < present:
            raise NewerEvent(f"it has schema version {schema_version}, this program knows versions up to {present}")
        payload = json.dumps(UPCASTERS.lift(kind, schema_version, json.loads(payload)))
    return EVENTS[kind].model_validate_json(payload)


def _payload(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Event:
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


def all_by_stream(connection: sqlite3.Connection) -> Iterator[StoredEvent]:
    """Every event, stream by stream and in order of version."""
    return (read_event(connection, row) for row in connection.execute(SELECT_EVENTS + "ORDER BY stream_id, version"))
