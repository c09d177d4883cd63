"""How does a program keep tables of its own that follow the events, and what happens when one of them fails?

A projection gets the events of one stream after the other, in order, and writes what it wants to know. How far it came
is stored in the transaction of its rows, so nothing is applied twice and nothing left out, whoever is killed.
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from oms_engine.domain.catalogue import refused_value
from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.model import StreamState
from oms_engine.domain.rules.envelope import ID_FORM
from oms_engine.errors import Refused, StoreError, shown
from oms_engine.record import Record, instant_text
from oms_engine.storage import checkpoints
from oms_engine.storage.checkpoints import Parked
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.layout import BESIDE, FORMER, Layout, layout_of
from oms_engine.storage.projections import Progress
from oms_engine.storage.rebuilding import ReadModel, Stream, failed, load, rebuild
from oms_engine.storage.rows import SELECT_EVENTS, WHOLE
from oms_engine.storage.schema import OUR_TABLES

READ_MODEL = ReadModel.name

BATCH = 500
"""Events that are applied in one transaction."""

_STATES = 2_000
"""States that are remembered from one batch to the next."""

_POLL_SECONDS = 0.5
"""How often a projection in the background looks for events of other processes."""

Row = tuple[Any, ...]

LAST = 2**63 - 1
"""No position of SQLite's integers lies behind this one."""

_BEHIND = SELECT_EVENTS + "WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
_WAITING = SELECT_EVENTS + "WHERE stream_id = ? AND position >= ? AND position <= ? ORDER BY version"

_ENVIRONMENT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    }
)
"""Errors of SQLite that are no fault of a projection: nothing is parked, the transaction is taken back."""


class Tables:
    """The tables of a projection: SQL names them in braces, as in `INSERT INTO {volumes} VALUES (?, ?)`."""

    def __init__(self, connection: sqlite3.Connection, names: Mapping[str, str]) -> None:
        self._connection = connection
        self._names = names

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(self._named(sql), values)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        """Run one statement for many rows."""
        return self._connection.executemany(self._named(sql), rows)

    def _named(self, sql: str) -> str:
        for table, name in self._names.items():
            sql = sql.replace("{" + table + "}", name)
        return sql


Apply = Callable[[Tables, Sequence[StoredEvent], StreamState], None]
"""Writes what some events of one stream mean; the state is that of the stream after the last of them."""


@dataclass(frozen=True)
class Projection:
    """Tables of a program's own that follow the events.

    Args:
        name: How it is called; letters, digits, `.`, `_` and `-`.
        schema: CREATE TABLE and CREATE INDEX of its tables, as they are in the end.
        apply: Is given one event of a stream or several, always in order of version and each once. It writes through
            the tables it is given and nowhere else; what it raises parks the stream.
    """

    name: str
    schema: str
    apply: Apply

    @property
    def layout(self) -> Layout:
        """Its tables with their indexes."""
        return layout_of(self.schema)


class ParkedStream(Record):
    """A stream that a projection waits with: from the event at this position on nothing of it is applied."""

    stream_id: str = Field(description="stream that waits")
    position: int = Field(description="event that failed")
    error: str = Field(description="why")
    attempts: int = Field(description="how often it was tried")
    parked_at: str = Field(description="when it failed last")


class ProjectionStatus(Record):
    """How a projection stands."""

    name: str = Field(description="name of the projection")
    position: int = Field(description="every event up to this position is applied, or waits")
    last_position: int = Field(description="position of the last event of the store")
    behind: int = Field(description="how many positions are not applied yet")
    rebuilt_at: str | None = Field(None, description="when it was last written anew")
    here: bool = Field(description="whether this engine can rebuild and retry it")
    parked: tuple[ParkedStream, ...] = Field((), description="streams that wait, oldest first")


class RetryResult(Record):
    """What a retry did."""

    projection: str = Field(description="name of the projection")
    applied: tuple[str, ...] = Field(description="streams that are up to date again")
    parked: tuple[ParkedStream, ...] = Field(description="streams that failed again")


class _Own:
    """A projection of a program, as it is rebuilt and caught up with."""

    indexes_last = False

    reading = WHOLE

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.name = projection.name
        self.layout = projection.layout
        self._states: OrderedDict[str, StreamState] = OrderedDict()

    @property
    def tables(self) -> list[str]:
        """The names of the tables as SQLite compares them."""
        return [name.lower() for name in self.layout.names]

    def prepared(self, prefix: str, streams: Iterable[Stream[StoredEvent]]) -> "_PreparedStreams":
        """Whole streams, to be applied."""
        return _PreparedStreams(self, prefix, list(streams))

    def deliver_whole(
        self, connection: sqlite3.Connection, prefix: str, streams: Sequence[Stream[StoredEvent]]
    ) -> list[Parked]:
        """Apply streams from their beginning; returns those that failed."""
        tables = self._tables(connection, prefix)
        found = (self._deliver(connection, tables, stream, None) for stream in streams)
        return [parked for parked in found if parked]

    def catch_up(self, store: EventStore, prefix: str, after: int, up_to: int, waiting: frozenset[str]) -> list[Parked]:
        """Apply the events between two positions, except those of streams that wait."""
        rows = store.connection.execute(_BEHIND, (after, up_to, -1)).fetchall()
        return self.apply_rows(store, prefix, (row for row in rows if row[1] not in waiting))

    def apply_rows(self, store: EventStore, prefix: str, rows: Iterable[Row]) -> list[Parked]:
        """Apply events stream by stream; returns those that failed, each with the event at which it did."""
        by_stream: dict[str, list[Row]] = {}
        for row in rows:
            by_stream.setdefault(row[1], []).append(row)
        tables = self._tables(store.connection, prefix)
        found = (self._apply_stream(store, tables, stream_id, its) for stream_id, its in by_stream.items())
        return [parked for parked in found if parked]

    def _tables(self, connection: sqlite3.Connection, prefix: str) -> Tables:
        return Tables(connection, {name: f'"{prefix}{name}"' for name in self.layout.names})

    def _apply_stream(self, store: EventStore, tables: Tables, stream_id: str, rows: Sequence[Row]) -> Parked | None:
        try:
            before = self._before(store, stream_id, rows[0][2])
        except StoreError as error:
            return failed(stream_id, rows[0][0], error)
        stream, unreadable = load(store.connection, rows, WHOLE, before)
        parked = self._deliver(store.connection, tables, stream, before) if stream else None
        if stream and not parked:
            self._remember(stream_id, stream.state)
        return parked or unreadable

    def _before(self, store: EventStore, stream_id: str, version: int) -> StreamState | None:
        """The state before the event with this version."""
        known = self._states.get(stream_id)
        if known is not None and known.version == version - 1:
            return known
        return store.state(stream_id, up_to=version - 1) if version > 1 else None

    def _remember(self, stream_id: str, state: StreamState) -> None:
        self._states[stream_id] = state
        self._states.move_to_end(stream_id)
        if len(self._states) > _STATES:
            self._states.popitem(last=False)

    def forget(self) -> None:
        """Let go of the states that are remembered."""
        self._states.clear()

    def _deliver(
        self, connection: sqlite3.Connection, tables: Tables, stream: Stream[StoredEvent], state: StreamState | None
    ) -> Parked | None:
        """Apply the events of a stream together; when that fails one by one, to find the one that does."""
        if self._attempt(connection, tables, stream) is None:
            return None
        for event in stream.events:
            state = fold_stream(stream.stream_id, [event], state)
            assert state is not None  # noqa: S101 - there is an event
            error = self._attempt(connection, tables, Stream(stream.stream_id, [event], state))
            if error is not None:
                return failed(stream.stream_id, event.position, error)
        return None

    def _attempt(self, connection: sqlite3.Connection, tables: Tables, stream: Stream[StoredEvent]) -> Exception | None:
        """Apply events, or take back what was written of them; returns what was raised."""
        connection.execute("SAVEPOINT applied")
        try:
            self.projection.apply(tables, stream.events, stream.state)
        except Exception as error:  # whatever a program's own code raises, the other streams go on
            if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _ENVIRONMENT:
                raise
            connection.execute("ROLLBACK TO applied")
            connection.execute("RELEASE applied")
            return error
        connection.execute("RELEASE applied")
        return None


class _PreparedStreams:
    """Streams that were read and folded, and wait to be applied."""

    def __init__(self, own: _Own, prefix: str, streams: Sequence[Stream[StoredEvent]]) -> None:
        self._own, self._prefix, self._streams = own, prefix, streams

    def write(self, connection: sqlite3.Connection) -> list[Parked]:
        """Apply them, inside the transaction that is open."""
        return self._own.deliver_whole(connection, self._prefix, self._streams)


class Projections:
    """The projections of one engine: the read model, and those that the program added.

    Args:
        store: Where events and tables are.
        now: Tells the time.
    """

    def __init__(self, store: EventStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now: Callable[[], str] = lambda: instant_text(now())
        self._own: dict[str, _Own] = {}
        store.when_erased(self._forget)
        self._follower: _Follower | None = None

    def add(self, projection: Projection) -> None:
        """Take in a projection; its tables are created when the file has none of them.

        Raises:
            ValueError: Its name or its schema cannot be used.
        """
        own = _Own(projection)
        self._check_names(own)
        with self._store.writing():
            connection = self._store.connection
            if not own.layout.standing(connection):
                own.layout.create(connection)
                checkpoints.move(connection, own.name, 0)
                checkpoints.release(connection, own.name)
                self._store.commit()
        self._own[own.name] = own

    def _forget(self) -> None:
        for own in self._own.values():
            own.forget()

    def _check_names(self, own: _Own) -> None:
        if not ID_FORM.fullmatch(own.name) or own.name == READ_MODEL:
            raise ValueError(
                f"{shown(own.name)} is no name for a projection of your own; use letters, digits, . _ and -"
            )
        others = {name: other.name for other in self._own.values() if other.name != own.name for name in other.tables}
        for table in own.tables:
            if table in OUR_TABLES or table.startswith((BESIDE, FORMER, "sqlite_", "_")):
                raise ValueError(f"a table of a projection cannot be called {shown(table)}; the store has use for it")
            if table in others:
                raise ValueError(f"table {shown(table)} belongs to projection {others[table]}; choose another name")

    def follow(self, name: str) -> Callable[[], None]:
        """Keep a projection up to date from a thread of its own; returns what wakes the thread at once."""
        if self._follower is None:
            self._follower = _Follower(self)
            self._follower.start()
        self._follower.names.add(name)
        return self._follower.wake.set

    def close(self) -> None:
        """End the thread; what is not applied yet is applied next time."""
        if self._follower is not None:
            self._follower.end()

    def catch_up(self, name: str) -> int:
        """Apply every event that is not applied yet, in transactions of bounded size; returns how many there were."""
        own = self._found(name)
        done = 0
        while handled := self._apply_batch(own):
            done += handled
        return done

    def _apply_batch(self, own: _Own) -> int:
        connection = self._store.connection
        with self._store.writing():
            if not own.layout.stands(connection):
                raise refused_value(
                    "name", f"the tables of projection {shown(own.name)} have another form; rebuild it first"
                )
            position = checkpoints.position_of(connection, own.name)
            rows = connection.execute(_BEHIND, (position, LAST, BATCH)).fetchall()
            if rows:
                waiting = checkpoints.parked(connection, own.name)
                broken = own.apply_rows(self._store, "", (row for row in rows if row[1] not in waiting))
                self._park(own.name, broken)
                checkpoints.move(connection, own.name, rows[-1][0])
                self._store.commit()
        return len(rows)

    def _park(self, name: str, broken: Iterable[Parked]) -> None:
        at = self._now()
        checkpoints.park(self._store.connection, name, [each._replace(parked_at=at) for each in broken])

    def status(self) -> list[ProjectionStatus]:
        """How the projections stand, those of programs that are not running included."""
        with self._store.reading() as connection:
            last = checkpoints.last_position(connection)
            others = sorted({*checkpoints.known(connection), *self._own} - {READ_MODEL})
            return [self._status(connection, name, last) for name in (READ_MODEL, *others)]

    def _status(self, connection: sqlite3.Connection, name: str, last: int) -> ProjectionStatus:
        position = last if name == READ_MODEL else checkpoints.position_of(connection, name)
        return ProjectionStatus(
            name=name,
            position=position,
            last_position=last,
            behind=last - position,
            rebuilt_at=checkpoints.rebuilt_at(connection, name),
            here=name == READ_MODEL or name in self._own,
            parked=tuple(map(_told, checkpoints.parked(connection, name).values())),
        )

    def rebuild(self, name: str, progress: Progress) -> int:
        """Write a projection anew beside its tables and exchange them; returns how many events were read.

        Raises:
            Refused: There is no such projection here.
            StoreBusy: Another rebuild of it has begun meanwhile.
        """
        if name == READ_MODEL:
            return rebuild(self._store, ReadModel(), self._now, progress)
        return rebuild(self._store, _Own(self._found(name).projection), self._now, progress)

    def retry(self, name: str, stream_id: str = "") -> RetryResult:
        """Apply what waits, in order, each stream in a transaction of its own.

        Raises:
            Refused: There is no such projection here, or the stream does not wait.
        """
        own = None if name == READ_MODEL else self._found(name)
        with self._store.reading() as connection:
            waiting = checkpoints.parked(connection, name)
        if stream_id and stream_id not in waiting:
            known = ", ".join(waiting) or "none"
            raise refused_value(
                "stream", f"stream {shown(stream_id)} does not wait in {shown(name)}; waiting: {known[:500]}"
            )
        tried = [stream_id] if stream_id else list(waiting)
        again = [parked for each in tried if (parked := self._retry(name, own, each))]
        broken = {each.stream_id for each in again}
        return RetryResult(
            projection=name,
            applied=tuple(each for each in tried if each not in broken),
            parked=tuple(map(_told, again)),
        )

    def _retry(self, name: str, own: _Own | None, stream_id: str) -> Parked | None:
        connection = self._store.connection
        with self._store.writing():
            before = checkpoints.parked(connection, name).get(stream_id)
            if before is None:  # another process was faster
                return None
            if own is None:
                broken = ReadModel().again(connection, "", [stream_id], LAST)
            else:
                until = checkpoints.position_of(connection, name)
                rows = connection.execute(_WAITING, (stream_id, before.position, until)).fetchall()
                broken = own.apply_rows(self._store, "", rows)
            checkpoints.release(connection, name, stream_id)
            again = [each._replace(attempts=before.attempts + 1, parked_at=self._now()) for each in broken]
            checkpoints.park(connection, name, again)
            self._store.commit()
        return again[0] if again else None

    def _found(self, name: str) -> _Own:
        if name in self._own:
            return self._own[name]
        with self._store.reading() as connection:
            elsewhere = name in checkpoints.known(connection)
        if elsewhere:
            raise refused_value(
                "name", f"projection {shown(name)} belongs to a program; only an engine that added it can do it"
            )
        known = ", ".join((READ_MODEL, *sorted(self._own)))
        raise refused_value("name", f"projection {shown(name)} is unknown; use one of {known}")


class _Follower(threading.Thread):
    """Keeps projections up to date while the engine is open."""

    def __init__(self, projections: Projections) -> None:
        super().__init__(name="oms-projections", daemon=True)
        self.names: set[str] = set()
        self.wake = threading.Event()
        self._projections = projections
        self._ended = False

    def run(self) -> None:
        """Catch up whenever there may be something, until the end."""
        while not self._ended:
            for name in list(self.names):
                with suppress(StoreError, Refused):  # it is tried again, and the status tells how far it is
                    self._projections.catch_up(name)
            self.wake.wait(_POLL_SECONDS)
            self.wake.clear()

    def end(self) -> None:
        """Stop after what is being done."""
        self._ended = True
        self.wake.set()
        self.join()


def _told(parked: Parked) -> ParkedStream:
    return ParkedStream.model_construct(**parked._asdict())
