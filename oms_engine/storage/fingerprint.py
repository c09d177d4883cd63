"""Are the events of two stores the same? One hash over all of them tells, on every machine."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator

import msgspec

from oms_engine.domain.events import StoredEvent
from oms_engine.storage.rows import SELECT_EVENTS

_NAMES = tuple(str(field.serialization_alias or name) for name, field in StoredEvent.model_fields.items())
"""Names of an event on the wire, in the order of the columns of `events`."""

_PAYLOAD = _NAMES.index("payload")

_MANY = 1_000
"""Events between two words about the progress."""

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(dict).decode


def events_hash(connection: sqlite3.Connection, progress: Callable[[int, int], None] = lambda _done, _all: None) -> str:
    """SHA-256, as 64 hexadecimal digits, of the canonical JSON (RFC 8785) of the array of all events.

    The events stand in order of position, each an object as on the wire. Payloads are taken as they are stored: what is
    sealed stays sealed, so that the hash holds after an erasure too.

    Args:
        connection: A consistent view of the store, or of its past; what it shows as `events` is hashed.
        progress: Told how many events were read, and how many there are.
    """
    digest = hashlib.sha256(b"[")
    number = int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
    for done, text in enumerate(_canonical(connection), 1):
        digest.update(text if done == 1 else b"," + text)
        if done % _MANY == 0 or done == number:
            progress(done, number)
    digest.update(b"]")
    return digest.hexdigest()


def _canonical(connection: sqlite3.Connection) -> Iterator[bytes]:
    for row in connection.execute(SELECT_EVENTS + "ORDER BY position"):
        event = dict(zip(_NAMES, row, strict=True))
        event["payload"] = _decode(row[_PAYLOAD])
        yield _encode(event)
