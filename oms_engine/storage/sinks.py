"""Which other systems are told what happens, and from when on? Registered in the file, so that every process knows.

A sink that starts in the past gets the messages of earlier events made anew, equal to those it would have got then.
They are made a part at a time, each part in a transaction of its own; whoever relays goes on where another one stopped.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from pydantic import Field

from oms_engine.domain.catalogue import refused_value, violation
from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.events import StoredEvent, by_stream
from oms_engine.domain.messages import TOPICS, messages_of
from oms_engine.domain.model import StreamState
from oms_engine.domain.rules.envelope import ID_FORM
from oms_engine.errors import Refused, problem, problem_of, shown
from oms_engine.record import Instant, Record, instant_text, is_unicode
from oms_engine.storage.connections import belongs_to
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.outbox import (
    DROP,
    Clock,
    SinkRow,
    checked_reason,
    insert,
    registered,
    require_sink,
)

Progress = Callable[[int, int], None]
"""Told for how many earlier events messages were made, and of how many."""

DEFAULT_SINK = "default"
FILE, STDOUT, CALLABLE = "file", "stdout", "callable"
KINDS = (FILE, STDOUT, CALLABLE)

_EVENTS_AT_ONCE = 500
"""Earlier events that one transaction makes messages of, so that writers do not wait long."""

_STATES_KEPT = 10_000

_LAST_ERROR = (
    "SELECT last_error FROM ("
    "SELECT last_error, parked_at AS told FROM outbox WHERE sink = :sink AND parked_at IS NOT NULL "
    "UNION ALL SELECT last_error, next_attempt_at FROM outbox WHERE sink = :sink AND next_attempt_at IS NOT NULL"
    ") ORDER BY told DESC LIMIT 1"
)
"""A message that will be tried again says more than one that was parked at about the same time."""


class SinkStatus(Record):
    """How a sink stands."""

    sink: SinkRow
    waiting: int = Field(description="messages that will be delivered")
    delayed: int = Field(description="of those, the ones that failed and are tried again")
    parked: int = Field(description="messages that wait for an operator")
    erased: int = Field(description="of those, the ones whose personal data was destroyed; they can only be dropped")
    dropped: int = Field(description="messages that an operator gave up")
    backlog: int = Field(description="earlier events whose messages are still to be made")
    oldest_position: int | None = Field(None, description="position of the first message that is here")
    last_error: str | None = Field(None, description="why the message that was tried last was not delivered")
    next_attempt_at: Instant | None = Field(None, description="when one that failed is tried again")


class Sinks:
    """The systems that are told what happens in a store."""

    def __init__(self, store: EventStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._states: dict[str, StreamState] = {}
        store.when_erased(self._states.clear)

    def all(self) -> list[SinkRow]:
        """The sinks that are registered, by name."""
        with self._store.reading() as connection:
            return registered(connection)

    def register(
        self,
        name: str,
        kind: str = CALLABLE,
        target: str | None = None,
        *,
        topics: Iterable[str] | Mapping[str, str] = TOPICS,
        from_position: int | None = None,
        progress: Progress = lambda _done, _all: None,
    ) -> SinkRow:
        """From now on keep messages for another system; earlier ones are made from the events.

        Args:
            name: What the sink is called.
            kind: `file` appends JSON Lines to `target`, `stdout` prints them, `callable` is given to the relay.
            target: The path of a file.
            topics: What it is told; a mapping gives topics the names they have there.
            from_position: Messages behind this position; everything from 0; None stands for now.
            progress: Told how far the making of earlier messages is. Should it end early, a relay goes on with it.

        Raises:
            Refused: OMS-VAL-004 or OMS-VAL-005 for a value that cannot be, OMS-DATA-001 for a name that is taken.
        """
        path = _checked_target(kind, target, self._store.connection)
        names = _checked_topics(topics)
        if not ID_FORM.fullmatch(name):
            raise refused_value("name", f"sink {shown(name)} must be called by 1 to 64 letters, digits and . _ -")
        with self._store.writing():
            last = self._store.next_position() - 1
            if from_position is not None and not 0 <= from_position <= last:
                message = f"from_position {from_position} must lie between 0 and {last}; without it the sink starts now"
                raise refused_value("from_position", message, "OMS-VAL-005")
            _require_new(registered(self._store.connection), name, kind, path, names)
            filled = last if from_position is None else from_position
            self._store.connection.execute(
                "INSERT INTO sinks VALUES (?, ?, ?, ?, ?, ?, ?)",
                (name, kind, path, json.dumps(names), instant_text(self._clock()), filled, last),
            )
            self._store.commit()
        while self.fill(name, progress):
            pass
        return self.get(name)

    def get(self, name: str) -> SinkRow:
        """A sink by its name; raises Refused (OMS-VAL-004) naming those that there are."""
        with self._store.reading() as connection:
            return require_sink(connection, name)

    def register_default(self) -> None:
        """Keep messages for a sink that prints them, where nobody else listens."""
        if self.all():
            return
        with self._store.writing():
            if not registered(self._store.connection):
                last = self._store.next_position() - 1
                self._store.connection.execute(
                    "INSERT INTO sinks VALUES (?, ?, NULL, ?, ?, ?, ?)",
                    (
                        DEFAULT_SINK,
                        STDOUT,
                        json.dumps({topic: topic for topic in TOPICS}),
                        instant_text(self._clock()),
                        last,
                        last,
                    ),
                )
                self._store.commit()

    def fill(self, name: str, progress: Progress = lambda _done, _all: None) -> bool:
        """Make messages of some more earlier events for a sink, in a transaction of its own; is there more to do?"""
        with self._store.writing():
            found = registered(self._store.connection, name)
            if not found or found[0].complete:
                self._states.clear()
                return False
            sink = found[0]
            start = self._first_of_command(sink.filled_to + 1)
            topics, reached = json.dumps(dict(sink.topics)), sink.live_from
            for events in self._commands(start - 1, sink.live_from, _EVENTS_AT_ONCE):
                messages = messages_of(events, self._states_after(events))
                late = [message for message in messages if message.position > sink.filled_to]
                insert(self._store.connection, [(name, topics)], late)
                reached = events[-1].position
            self._store.connection.execute("UPDATE sinks SET filled_to = ? WHERE name = ?", (reached, name))
            self._store.commit()
        progress(reached, sink.live_from)
        return reached < sink.live_from

    def _first_of_command(self, position: int) -> int:
        """Where the command begins that wrote the event at this position."""
        row = self._store.connection.execute(
            "SELECT c.first_position FROM events e JOIN commands c ON c.command_id = e.command_id WHERE e.position = ?",
            (position,),
        ).fetchone()
        return int(row[0]) if row else position

    def _commands(self, after: int, up_to: int, limit: int) -> list[list[StoredEvent]]:
        """The next events, command by command and each whole."""
        events = self._store.events(after=after, up_to=up_to, limit=limit)
        commands = [list(its) for _, its in groupby(events, key=lambda stored: stored.command_id)]
        if len(events) < limit or events[-1].position == up_to:
            return commands
        return commands[:-1] or self._commands(after, up_to, limit * 2)

    def _states_after(self, events: Sequence[StoredEvent]) -> dict[str, StreamState]:
        """The streams of a command as they were after it; those used last are remembered for the next one."""
        after: dict[str, StreamState] = {}
        for stream_id, its_events in by_stream(events).items():
            version = its_events[0].version - 1
            before = self._states.pop(stream_id, None)
            if version and (before is None or before.version != version):
                before = self._store.state(stream_id, up_to=version)
            state = fold_stream(stream_id, its_events, before if version else None)
            assert state is not None  # noqa: S101 - there is at least one event
            after[stream_id] = self._states[stream_id] = state
        while len(self._states) > _STATES_KEPT:
            del self._states[next(iter(self._states))]
        return after

    def remove(self, name: str, *, drop_reason: str = "", actor: str = "engine") -> int:
        """Keep no more messages for a sink; returns how many were dropped.

        Args:
            name: The sink.
            drop_reason: Why messages that wait for it are given up; without a reason they keep it registered.
            actor: Who decides.

        Raises:
            Refused: OMS-VAL-004 for a sink that does not exist, OMS-VAL-006 while messages wait for it.
        """
        reason = checked_reason(drop_reason) if drop_reason else ""
        with self._store.writing():
            sink = require_sink(self._store.connection, name)
            connection = self._store.connection
            waiting = int(connection.execute("SELECT count(*) FROM outbox WHERE sink = ?", (name,)).fetchone()[0])
            if (waiting or not sink.complete) and not reason:
                unmade = f" and {sink.live_from - sink.filled_to} earlier events" * (not sink.complete)
                message = f"{waiting} messages{unmade} wait for sink {shown(name)}; deliver them, or give a drop_reason"
                told = problem_of([violation("CNF-01", "OMS-VAL-006", "drop_reason", message)])
                raise Refused(told.model_copy(update={"hint": "run a relay, or say why the messages may be lost"}))
            now = instant_text(self._clock())
            connection.execute(DROP + "WHERE sink = ? ORDER BY position, id", (reason, actor, now, name))
            if not sink.complete:
                connection.execute(
                    "INSERT INTO outbox_dropped (sink, position, attempts, reason, actor, dropped_at) "
                    "VALUES (?, ?, 0, ?, ?, ?)",
                    (name, sink.live_from, reason, actor, now),
                )
            for table, column in (("outbox", "sink"), ("outbox_claims", "sink"), ("sinks", "name")):
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))  # noqa: S608 - own names
            self._store.commit()
        return waiting

    def status(self) -> list[SinkStatus]:
        """How every sink stands, by name."""
        with self._store.reading() as connection:
            return [self._status(connection, sink) for sink in registered(connection)]

    def _status(self, connection: sqlite3.Connection, sink: SinkRow) -> SinkStatus:
        waiting, delayed, parked, erased, oldest, next_at = connection.execute(
            "SELECT count(*) - count(parked_at), count(next_attempt_at), count(parked_at), "
            "count(*) - count(payload), min(position), min(next_attempt_at) FROM outbox WHERE sink = ?",
            (sink.name,),
        ).fetchone()
        error = connection.execute(_LAST_ERROR, {"sink": sink.name}).fetchone()
        dropped = connection.execute("SELECT count(*) FROM outbox_dropped WHERE sink = ?", (sink.name,)).fetchone()[0]
        return SinkStatus(
            sink=sink,
            waiting=waiting,
            delayed=delayed,
            parked=parked,
            erased=erased,
            dropped=dropped,
            backlog=sink.live_from - sink.filled_to,
            oldest_position=oldest,
            last_error=error[0] if error else None,
            next_attempt_at=next_at,
        )


def _require_new(there: Sequence[SinkRow], name: str, kind: str, path: str | None, names: Mapping[str, str]) -> None:
    """Neither the name nor the file may be another sink's."""
    for sink in there:
        if sink.name == name:
            same = (sink.kind, sink.target, dict(sink.topics)) == (kind, path, dict(names))
            how = "with this target and these topics" if same else "with another target or other topics"
            told = problem("OMS-DATA-001", f"sink {shown(name)} is registered already, {how}")
            hint = "nothing is left to do" if same else "choose another name, or remove the sink and register it anew"
            raise Refused(told.model_copy(update={"hint": hint}))
        if path and sink.target and Path(sink.target).resolve() == Path(path).resolve():
            raise refused_value(
                "target",
                f"target {shown(path)} is the file of sink {shown(sink.name)}; choose another file, "
                "since what two sinks write into one cannot be told apart",
            )


def _checked_topics(topics: Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    names = dict(topics) if isinstance(topics, Mapping) else {topic: topic for topic in topics}
    for topic, name in names.items():
        if topic not in TOPICS:
            raise refused_value("topics", f"topic {shown(topic)} is unknown; valid: {', '.join(TOPICS)}")
        if not ID_FORM.fullmatch(name):
            raise refused_value(
                "topics", f"topic {topic} cannot be called {shown(name)}; use letters, digits and . _ -"
            )
    if not names:
        raise refused_value("topics", f"a sink needs a topic; valid: {', '.join(TOPICS)}")
    return names


def _checked_target(kind: str, target: str | None, connection: sqlite3.Connection) -> str | None:
    """The path that a sink writes to, wherever its relay is started; none for the other kinds."""
    if kind not in KINDS:
        raise refused_value("kind", f"kind {shown(kind)} is unknown; valid: {', '.join(KINDS)}")
    if kind != FILE:
        if target is not None:
            raise refused_value("target", f"a sink of kind {kind} has no target; leave {shown(target)} away")
        return None
    if not target or "\0" in target or not is_unicode(target):
        raise refused_value("target", "a sink of kind file needs the path of its file as target")
    path = Path(target).absolute()
    if path.is_dir() or not path.parent.is_dir():
        raise refused_value("target", f"target {shown(target)} must be a file in a folder that exists")
    database = connection.execute("PRAGMA database_list").fetchone()[2]
    if belongs_to(database, path):
        raise refused_value("target", f"target {shown(target)} is the database itself; choose another file")
    return str(path)
