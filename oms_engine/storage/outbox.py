"""Which messages wait for which other system? Rows written with the events, and kept until they are delivered.

A row belongs to one sink. It comes with the command that it tells of, or is made from the events when a sink wants to
hear of earlier ones; it goes when it is delivered, or when an operator drops it and says why.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from pydantic import Field

from oms_engine.domain.catalogue import refused_value
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.messages import Message, messages_of
from oms_engine.domain.model import StreamState
from oms_engine.errors import Refused, shown
from oms_engine.record import Instant, Record, instant_text, is_unicode
from oms_engine.storage.event_store import EventStore

Clock = Callable[[], datetime]
ERASED = "erased: the personal data of this message was destroyed; it is never sent, so drop it"

_TEXT = json.JSONEncoder(separators=(",", ":")).encode
"""A message as one line of ASCII."""

_MAX_REASON = 500
_MAX_ERROR = 2_000
_LAST = 2**63 - 1
_FIRST_DELAY, _LONGEST_DELAY = 1, 30

_INSERT = (
    "INSERT INTO outbox (sink, topic, key, stream_id, from_version, version, position, payload) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_PARKED_FIELDS = "id, sink, topic, key, from_version, version, position, attempts, last_error, parked_at"
_DUE = (
    "SELECT id, topic, key, version, position, payload, attempts FROM outbox "
    "WHERE sink = :sink AND position <= :filled AND parked_at IS NULL AND payload IS NOT NULL AND key NOT IN ("
    "SELECT key FROM outbox INDEXED BY outbox_parked WHERE sink = :sink AND parked_at IS NOT NULL "
    "UNION ALL SELECT key FROM outbox INDEXED BY outbox_delayed WHERE sink = :sink AND next_attempt_at > :now "
    "UNION ALL SELECT key FROM outbox_claims WHERE sink = :sink AND owner <> :owner AND until > :now"
    ") ORDER BY position, id LIMIT :limit"
)
_RETRY = "UPDATE outbox SET parked_at = NULL, attempts = 0, next_attempt_at = NULL"
DROP = (
    "INSERT INTO outbox_dropped "
    "(sink, topic, key, stream_id, from_version, version, position, attempts, last_error, reason, actor, dropped_at) "
    "SELECT sink, topic, key, stream_id, from_version, version, position, attempts, last_error, ?, ?, ? FROM outbox "
)


class SinkRow(Record):
    """A system that is told what happens."""

    name: str
    kind: str = Field(description="file, stdout or callable")
    target: str | None = Field(None, description="the path of a file")
    topics: Mapping[str, str] = Field(description="what it is told, and the name each topic has there")
    registered_at: Instant
    filled_to: int = Field(description="messages up to this position were made")
    live_from: int = Field(description="later events bring their messages with them")

    @property
    def complete(self) -> bool:
        """Were all messages of earlier events made?"""
        return self.filled_to >= self.live_from


class ParkedMessage(Record):
    """A message that was tried too often, or that was erased; later ones of its key wait behind it."""

    id: int
    sink: str
    topic: str
    key: str
    from_version: int
    version: int
    position: int
    attempts: int
    last_error: str | None = None
    parked_at: Instant


class DroppedMessage(Record):
    """A message that was never delivered, and why; without a topic it stands for all that were not even made."""

    id: int
    sink: str
    topic: str | None = None
    key: str | None = None
    from_version: int | None = None
    version: int | None = None
    position: int
    attempts: int
    last_error: str | None = None
    reason: str
    actor: str
    dropped_at: Instant


class Delivery(NamedTuple):
    """A message that is on its way to its sink."""

    id: int
    topic: str
    key: str
    version: int
    position: int
    payload: str
    attempts: int


class Failure(NamedTuple):
    """A message that its sink did not take."""

    delivery: Delivery
    error: str


def write_messages(
    connection: sqlite3.Connection, events: Sequence[StoredEvent], states: Mapping[str, StreamState]
) -> None:
    """Write what every sink is to hear of one command, inside its transaction; nothing where no sink is registered."""
    sinks = connection.execute("SELECT name, topics FROM sinks").fetchall()
    if sinks:
        insert(connection, sinks, messages_of(events, states))


def insert(connection: sqlite3.Connection, sinks: Sequence[tuple[str, str]], messages: Iterable[Message]) -> None:
    """Write messages for sinks, each given by its name and its topics as they stand in the table."""
    for message in messages:
        listening = [
            (name, names[message.topic]) for name, topics in sinks if message.topic in (names := _names(topics))
        ]
        if listening:
            wire = message.to_wire()
            texts = {name: _TEXT({**wire, "topic": name}) for name in {named for _, named in listening}}
            connection.executemany(_INSERT, [_row(message, sink, texts[named]) for sink, named in listening])


@lru_cache(maxsize=64)
def _names(topics: str) -> Mapping[str, str]:
    names: dict[str, str] = json.loads(topics)
    return names


def _row(message: Message, sink: str, text: str) -> tuple[object, ...]:
    return (
        sink,
        message.topic,
        message.key,
        message.stream_id,
        message.from_version,
        message.version,
        message.position,
        text,
    )


def block_erased(connection: sqlite3.Connection, stream_ids: Iterable[str], now: datetime) -> int:
    """Take the content out of every message of these streams, inside the transaction that is open.

    They stay parked, so that it is seen that they were not delivered, until an operator drops them.

    Args:
        connection: The connection of the transaction.
        stream_ids: Streams with personal data that is being destroyed.
        now: When.

    Returns:
        How many messages were blocked.
    """
    blocked = 0
    for stream_id in stream_ids:
        blocked += connection.execute(
            "UPDATE outbox SET payload = NULL, parked_at = coalesce(parked_at, ?), next_attempt_at = NULL, "
            "last_error = ? WHERE stream_id = ?",
            (instant_text(now), ERASED, stream_id),
        ).rowcount
        connection.execute("UPDATE outbox_dropped SET last_error = NULL WHERE stream_id = ?", (stream_id,))
    return blocked


def delay_after(attempts: int) -> timedelta:
    """How long a message waits after so many failures: 1 s, doubling to 30 s."""
    return timedelta(seconds=min(_FIRST_DELAY << min(attempts - 1, 5), _LONGEST_DELAY))


def registered(connection: sqlite3.Connection, name: str | None = None) -> list[SinkRow]:
    """The sinks that are registered, by name; or the one with this name, when it is."""
    columns = ("name", "kind", "target", "topics", "registered_at", "filled_to", "live_from")
    rows = connection.execute(
        f"SELECT {', '.join(columns)} FROM sinks WHERE name = coalesce(?, name) ORDER BY name",  # noqa: S608 - own names
        (name,),
    )
    return [
        SinkRow.model_validate({**dict(zip(columns, row, strict=True)), "topics": json.loads(row[3])}) for row in rows
    ]


def require_sink(connection: sqlite3.Connection, name: str) -> SinkRow:
    """A sink by its name; raises Refused (OMS-VAL-004) naming those that there are."""
    found = registered(connection, name)
    if not found:
        there = ", ".join(sink.name for sink in registered(connection)) or "none"
        told = refused_value("sink", f"sink {shown(name)} is not registered; registered: {there}")
        raise Refused(told.problem.model_copy(update={"hint": "name one that is registered, or register it first"}))
    return found[0]


class Outbox:
    """The messages of a store, as relays and operators see them."""

    def __init__(self, store: EventStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def count(self) -> int:
        """How many messages are kept for all sinks."""
        with self._store.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def parked(self, *, sink: str = "", key: str = "", limit: int = 1_000) -> list[ParkedMessage]:
        """Messages that wait for an operator, in order of position; all of them, or those of a sink or key."""
        where, values = _parked_where((), sink, key)
        with self._store.reading() as connection:
            if sink:
                require_sink(connection, sink)
            rows = connection.execute(
                f"SELECT {_PARKED_FIELDS} FROM outbox WHERE {where} ORDER BY position, id LIMIT ?",  # noqa: S608 - own words
                (*values, limit),
            ).fetchall()
        names = _PARKED_FIELDS.split(", ")
        return [ParkedMessage.model_validate(dict(zip(names, row, strict=True))) for row in rows]

    def retry(self, ids: Sequence[int] = (), *, sink: str = "", key: str = "") -> int:
        """Let parked messages be tried again from their first attempt; returns how many.

        Args:
            ids: Messages by id; without any, all that sink and key name.
            sink: Only those of a sink.
            key: Only those of a key.

        Raises:
            Refused: OMS-VAL-004 for an id that is not parked, or whose message was erased.
        """
        where, values = _parked_where(ids, sink, key)
        with self._store.writing():
            self._require_parked(ids, sink, erased="was erased and can only be dropped")
            changed = self._store.connection.execute(f"{_RETRY} WHERE {where} AND payload IS NOT NULL", values).rowcount
            self._store.commit()
        return changed

    def drop(
        self, ids: Sequence[int] = (), *, reason: str, actor: str = "engine", sink: str = "", key: str = ""
    ) -> int:
        """Give parked messages up, so that later ones of their keys go on; the reason is kept. Returns how many.

        Args:
            ids: Messages by id; without any, all that sink and key name.
            reason: Why, in 1 to 500 characters.
            actor: Who decides.
            sink: Only those of a sink.
            key: Only those of a key.

        Raises:
            Refused: OMS-VAL-004 for an id that is not parked, or a reason that is none.
        """
        reason = checked_reason(reason)
        where, values = _parked_where(ids, sink, key)
        with self._store.writing():
            self._require_parked(ids, sink)
            connection = self._store.connection
            told = (reason, actor, instant_text(self._clock()))
            connection.execute(f"{DROP} WHERE {where} ORDER BY position, id", (*told, *values))
            dropped = connection.execute(f"DELETE FROM outbox WHERE {where}", values).rowcount  # noqa: S608 - own words
            self._store.commit()
        return dropped

    def _require_parked(self, ids: Sequence[int], sink: str, erased: str = "") -> None:
        if sink:
            require_sink(self._store.connection, sink)
        for wanted in ids:
            row = self._store.connection.execute(
                "SELECT payload IS NULL FROM outbox WHERE id = ? AND parked_at IS NOT NULL", (wanted,)
            ).fetchone()
            if row is None:
                told = refused_value(
                    "ids", f"message {wanted} is not parked; only parked messages are retried or dropped"
                )
                hint = "oms outbox parked lists those that are parked"
                raise Refused(told.problem.model_copy(update={"hint": hint}))
            if erased and row[0]:
                raise refused_value("ids", f"message {wanted} {erased}")

    def dropped(self, *, limit: int = 1_000) -> list[DroppedMessage]:
        """Messages that were given up, with the reasons; newest first."""
        fields = f"{_PARKED_FIELDS.removesuffix(', parked_at')}, reason, actor, dropped_at"
        with self._store.reading() as connection:
            rows = connection.execute(
                f"SELECT {fields} FROM outbox_dropped ORDER BY id DESC LIMIT ?",  # noqa: S608 - own names
                (limit,),
            ).fetchall()
        names = fields.split(", ")
        return [DroppedMessage.model_validate(dict(zip(names, row, strict=True))) for row in rows]

    def claim(self, sink: SinkRow, owner: str, limit: int, lease: timedelta) -> list[Delivery]:
        """The next messages for a sink; their keys belong to this owner alone until the lease ends.

        Nothing is written where nothing is due. A key waits while another owner holds it, while its first message
        waits for its next attempt, and while one is parked.
        """
        now = self._clock()
        asked = {
            "sink": sink.name,
            "filled": _LAST if sink.complete else sink.filled_to,
            "now": instant_text(now),
            "owner": owner,
            "limit": limit,
        }
        with self._store.reading() as connection:
            if connection.execute(_DUE, {**asked, "limit": 1}).fetchone() is None:
                return []
        with self._store.writing():
            connection = self._store.connection
            due = [Delivery(*row) for row in connection.execute(_DUE, asked)]
            until = instant_text(now + lease)
            connection.executemany(
                "INSERT OR REPLACE INTO outbox_claims VALUES (?, ?, ?, ?)",
                [(sink.name, key, owner, until) for key in {delivery.key for delivery in due}],
            )
            self._store.commit()
        return due

    def settle(
        self,
        sink: SinkRow,
        owner: str,
        delivered: Iterable[Delivery],
        failures: Iterable[Failure] = (),
        *,
        max_attempts: int,
    ) -> int:
        """Delete what was delivered, delay or park what was not, give the keys back; returns how many were parked."""
        now = self._clock()
        changes = []
        for delivery, error in failures:
            attempts = delivery.attempts + 1
            parked = attempts >= max_attempts
            next_at = None if parked else instant_text(now + delay_after(attempts))
            changes.append((attempts, next_at, error[:_MAX_ERROR], instant_text(now) if parked else None, delivery.id))
        with self._store.writing():
            connection = self._store.connection
            connection.executemany("DELETE FROM outbox WHERE id = ?", [(delivery.id,) for delivery in delivered])
            connection.executemany(
                "UPDATE outbox SET attempts = ?, next_attempt_at = ?, last_error = ?, parked_at = ? "
                "WHERE id = ? AND parked_at IS NULL",  # what was erased meanwhile stays so
                changes,
            )
            connection.execute("DELETE FROM outbox_claims WHERE sink = ? AND owner = ?", (sink.name, owner))
            self._store.commit()
        return sum(parked is not None for _, _, _, parked, _ in changes)


def _parked_where(ids: Sequence[int], sink: str, key: str) -> tuple[str, list[object]]:
    """The condition that names parked messages, and its values."""
    words, values = ["parked_at IS NOT NULL"], list[object]()
    if ids:
        words.append("id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(ids)))
    for column, value in (("sink", sink), ("key", key)):
        if value:
            words.append(f"{column} = ?")
            values.append(value)
    return " AND ".join(words), values


def checked_reason(reason: str) -> str:
    """The reason, when it says something; raises Refused (OMS-VAL-004)."""
    if not (reason.strip() and len(reason) <= _MAX_REASON and is_unicode(reason)):
        raise refused_value("reason", f"reason {shown(reason)} must say why, in 1 to {_MAX_REASON} characters")
    return reason
