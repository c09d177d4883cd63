"""What happened, in which order, and who may write next? Events and idempotency keys in one SQLite database.

The unique key (stream_id, version) is the optimistic lock; BEGIN IMMEDIATE serialises writers across processes, so what
a command reads stays true until it commits.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.events import EVENTS, SETTINGS_STREAM, Event, StoredEvent, quote_stream_of, stream_of
from oms_engine.domain.model import OrderState, QuoteRequestState, SettingsState, StreamState
from oms_engine.domain.rules.facts import ClientOrderId
from oms_engine.errors import StoreBusy, StoreError, StoreRolledBack, StoreUnavailable, shown
from oms_engine.record import instant_text, parse_instant
from oms_engine.storage.schema import Refill, prepare

MEMORY = ":memory:"

_KEPT = 5_000
"""Streams that are remembered, those that were used last."""

_LAST = 2**63 - 1
"""No version and no position of SQLite's integers lies behind this one."""

_COLUMNS = (
    "position, stream_id, version, type, schema_version, payload, "
    "command_id, correlation_id, causation_id, actor, recorded_at"
)
_INSERT_EVENT = f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
SELECT_EVENTS = f"SELECT {_COLUMNS} FROM events "  # noqa: S608 - constants


_SELECT_STREAM = SELECT_EVENTS + "WHERE stream_id = ? AND version > ? AND version <= ? ORDER BY version"


class Head(NamedTuple):
    """The last event of a store: where it stands, and when it was recorded."""

    position: int
    recorded_at: datetime


_NOTHING = Head(0, datetime.min.replace(tzinfo=UTC))
_NOTHING_SET = SettingsState()


class RecordedCommand(NamedTuple):
    """A command that was carried out before: what it asked and which events it wrote."""

    payload_hash: str
    stream_id: str
    first_position: int
    last_position: int


def _path_of(url: str) -> str:
    """The file that a store URL names: `sqlite:///oms.db`, a plain path, or `:memory:`."""
    if "\0" in url or not url.strip():
        raise StoreUnavailable("the database has no usable name; give a path such as oms.db, or :memory:")
    scheme, found, rest = url.partition("://")
    if found and scheme != "sqlite":
        raise StoreUnavailable(f"no store is known for {shown(scheme)}; use sqlite:///PATH, a path, or :memory:")
    return (rest.removeprefix("/") if found else url) or MEMORY


class EventStore:
    """The events of one database, and the transaction in which they are written.

    One connection writes; threads take turns at it, and processes at the file. A file is read through a connection of
    its own, so nobody who reads waits for a commit. Use `open`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        in_memory: bool,
        read_with: Callable[[], sqlite3.Connection] | None = None,
        kept: int = _KEPT,
    ) -> None:
        self.connection = connection
        self.in_memory = in_memory
        self._read_with = read_with
        self._reader: sqlite3.Connection | None = None
        self._kept = kept
        self._lock = threading.RLock()
        self._read_lock = threading.RLock()
        self._writer: int | None = None
        self._head = _NOTHING
        self._found = _NOTHING
        self._committed: dict[str, StreamState] = {}
        self._current: set[str] = set()
        self._open: dict[str, StreamState | None] | None = None
        self._trial: dict[str, StreamState] = {}

    @classmethod
    def open(
        cls,
        url: str = MEMORY,
        *,
        refill: Refill | None = None,
        busy_seconds: float = 5.0,
        synchronous: str = "FULL",
        kept: int = _KEPT,
    ) -> "EventStore":
        """Open or create a store; raises StoreUnavailable and leaves the file alone when it is not one of ours.

        Args:
            url: A path, `sqlite:///PATH` or `:memory:`.
            refill: Writes the read model anew when an older file is brought to this schema.
            busy_seconds: How long to wait for another process.
            synchronous: FULL, or NORMAL: a power cut may then take back the last commits, never a part of one.
            kept: Streams that are remembered, those that were used last.
        """
        path = _path_of(url)
        in_memory = path == MEMORY
        if not in_memory and not Path(path).absolute().parent.is_dir():
            raise StoreUnavailable(f"the folder of {shown(path)} does not exist; create it first")
        connection = _connect(path, busy_seconds)
        try:
            prepare(connection, in_memory=in_memory, refill=refill)
            if in_memory:
                return cls(connection, in_memory=True, kept=kept)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if synchronous == 'NORMAL' else 'FULL'}")
        except StoreUnavailable as error:
            connection.close()
            raise StoreUnavailable(f"{shown(path)} cannot be used: {error}") from None
        except sqlite3.Error as error:
            connection.close()
            if _is_busy(error):
                raise StoreBusy(f"another process holds the write lock of {shown(path)}; try again") from error
            raise StoreUnavailable(f"{shown(path)} cannot be used as a database: {error}") from error
        return cls(connection, in_memory=False, read_with=partial(_connect, path, busy_seconds), kept=kept)

    def close(self) -> None:
        """Close the store; using it afterwards is an error."""
        with self._lock, self._read_lock:
            self._read_with = None
            if self._reader is not None:
                self._reader.close()
                self._reader = None
            self.connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read with one consistent view of the store; other readers of this process wait."""
        if self._read_with is None or self._writer == threading.get_ident():
            with self._lock, TRANSLATED:
                yield from _in_view(self.connection)
        else:
            with self._read_lock, TRANSLATED:
                yield from _in_view(self._view)

    def writing(self) -> AbstractContextManager[None]:
        """Hold the write lock of the database; what was not committed when the block ends is rolled back."""
        return _Writing(self)

    def begin(self) -> None:
        """Take the write lock; `writing` does that."""
        self._lock.acquire()
        try:
            with TRANSLATED:
                self.connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise
        self._writer = threading.get_ident()
        self._open = {}
        try:
            with TRANSLATED:
                self._look_who_wrote()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Give the write lock back; `writing` does that."""
        try:
            self._writer = self._open = None
            self._trial.clear()
            if self.connection.in_transaction:
                self._head = self._found
                self.connection.execute("ROLLBACK")
        finally:
            self._lock.release()

    def _look_who_wrote(self) -> None:
        """What is remembered holds to its end only where nobody else has written since."""
        last = self.connection.execute("SELECT max(position) FROM events").fetchone()[0] or 0
        if last != self._head.position:
            self._current.clear()
            row = self._one("SELECT recorded_at FROM events WHERE position = ?", last)
            self._head = Head(last, parse_instant(row[0]) if row else _NOTHING.recorded_at)
        self._found = self._head

    def commit(self) -> None:
        """Make everything written in the open transaction durable."""
        with TRANSLATED:
            self.connection.execute("COMMIT")
        self._found = self._head
        self._remember(self._open or {})
        self._remember(self._trial)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction that is rolled back alone unless `release` was called."""
        before = self._head
        self._released: Head | None = None
        self.connection.execute("SAVEPOINT command")
        try:
            yield
        finally:
            self._trial.clear()
            self._head = before if self._released is None else self._released
            if self._released is None:
                self.connection.execute("ROLLBACK TO command")
                self.connection.execute("RELEASE command")

    def release(self) -> None:
        """Keep what the open savepoint wrote; its block then has nothing left to roll back."""
        self.connection.execute("RELEASE command")
        self._released = self._head
        if self._open is not None:
            self._open.update(self._trial)
        self._trial.clear()

    def not_before(self, now: datetime) -> datetime:
        """This time, or that of the last event where a clock went back; asked while the write lock is held."""
        return max(now, self._head.recorded_at)

    def next_position(self) -> int:
        """The position that the next event will have; stays true while the write lock is held."""
        return self._head.position + 1

    def append(self, events: Sequence[StoredEvent]) -> None:
        """Write events at the positions and versions they carry; a version that is taken raises StoreRolledBack."""
        self.connection.executemany(_INSERT_EVENT, [_row(event) for event in events])
        self._head = Head(events[-1].position, events[-1].recorded_at)

    def remember(self, command_id: str, payload_hash: str, main: str, events: Sequence[StoredEvent]) -> None:
        """Keep a command's key and its main stream, so that its repetition is recognised."""
        self.connection.execute(
            "INSERT INTO commands VALUES (?, ?, ?, ?, ?)",
            (command_id, payload_hash, main, events[0].position, events[-1].position),
        )

    def command(self, command_id: str) -> RecordedCommand | None:
        """The command with this id, when it was carried out before."""
        row = self._one(
            "SELECT payload_hash, stream_id, first_position, last_position FROM commands WHERE command_id = ?",
            command_id,
        )
        return RecordedCommand(*row) if row else None

    def client_order_id(self, session_id: str, cl_ord_id: str) -> ClientOrderId | None:
        """Who used a clOrdId in a session."""
        row = self._one(
            "SELECT order_id, payload_hash FROM client_order_ids WHERE session_id = ? AND cl_ord_id = ?",
            session_id,
            cl_ord_id,
        )
        return ClientOrderId(*row) if row else None

    def orders_with_execution(self, exec_id: str) -> tuple[str, ...]:
        """The orders that have an execution with this execId, in order of booking; at most 10."""
        rows = self.connection.execute(
            "SELECT order_id FROM executions WHERE exec_id = ? ORDER BY id LIMIT 10", (exec_id,)
        )
        return tuple(row[0] for row in rows)

    def load(self, order_id: str, *, up_to: int | None = None) -> OrderState | None:
        """The order as its events say, up to a version when one is given; None when it has none."""
        state = self.state(stream_of(order_id), up_to=up_to)
        assert state is None or isinstance(state, OrderState)  # noqa: S101 - the stream is one of an order
        return state

    def quotes(self, quote_req_id: str) -> QuoteRequestState | None:
        """The quote request as its events say; None when it has none."""
        state = self.state(quote_stream_of(quote_req_id))
        assert state is None or isinstance(state, QuoteRequestState)  # noqa: S101 - the stream is one of quotes
        return state

    def settings(self) -> SettingsState:
        """What was set while running, and the reference prices that were posted."""
        state = self.state(SETTINGS_STREAM)
        if isinstance(state, SettingsState):
            return state
        if self._open is not None and self._writer == threading.get_ident():
            self._open[SETTINGS_STREAM] = _NOTHING_SET  # remembered too, so that it is not looked for again
        return _NOTHING_SET

    def state(self, stream_id: str, *, up_to: int | None = None) -> StreamState | None:
        """What the events of a stream lead to.

        While the write lock is held nobody else adds to a stream, so it is read once, and not even that where nobody
        else has written since it was remembered. Who reads starts from what is remembered and reads the events behind.
        """
        if up_to is not None:
            return fold_stream(stream_id, self.stream(stream_id, up_to=up_to))
        if self._open is None or self._writer != threading.get_ident():
            return self._state_in_view(stream_id)
        state = self._trial.get(stream_id)
        if state is None and stream_id in self._open:
            return self._open[stream_id]
        if state is None:
            state = self._committed.get(stream_id)
            if state is None or stream_id not in self._current:
                state = fold_stream(stream_id, self.stream(stream_id, after=state.version if state else 0), state)
            self._open[stream_id] = state
        return state

    def _state_in_view(self, stream_id: str) -> StreamState | None:
        """As `state`, for a view that may be older than what is remembered."""
        known = self._committed.get(stream_id)
        if known is not None:
            last = self._one("SELECT max(version) FROM events WHERE stream_id = ?", stream_id)[0]
            if last is None or last < known.version:
                known = None
        return fold_stream(stream_id, self.stream(stream_id, after=known.version if known else 0), known)

    def hold(self, states: Mapping[str, StreamState]) -> None:
        """Let these states stand for what was appended, until the transaction or its savepoint ends."""
        self._trial.update(states)

    def _remember(self, states: Mapping[str, StreamState | None]) -> None:
        """Keep streams whose events are committed: those never change, so the states stay true as a start."""
        committed = self._committed
        for stream_id, state in states.items():
            if state is not None:
                committed.pop(stream_id, None)
                committed[stream_id] = state
                self._current.add(stream_id)
        while len(committed) > self._kept:
            oldest = next(iter(committed))
            del committed[oldest]
            self._current.discard(oldest)

    def stream(self, stream_id: str, *, after: int = 0, up_to: int | None = None) -> Iterator[StoredEvent]:
        """The events of one stream in order of version, from behind `after` up to a version."""
        rows = self._view.execute(_SELECT_STREAM, (stream_id, after, _LAST if up_to is None else up_to))
        return (read_event(row) for row in rows)

    def events(self, *, after: int = 0, up_to: int | None = None, limit: int = -1) -> list[StoredEvent]:
        """Events in order of position, from behind `after` to `up_to`; -1 stands for no limit."""
        rows = self._view.execute(
            SELECT_EVENTS + "WHERE position > ? AND position <= ? ORDER BY position LIMIT ?",
            (after, _LAST if up_to is None else up_to, limit),
        )
        return [read_event(row) for row in rows]

    @property
    def _view(self) -> sqlite3.Connection:
        """The connection that a question goes through: that of the open transaction, or the one for reading."""
        if self._read_with is None or self._writer == threading.get_ident():
            return self.connection
        if self._reader is None:
            self._reader = self._read_with()
            self._reader.execute("PRAGMA query_only = ON")
        return self._reader

    def _one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a row has the columns of its statement
        return self._view.execute(sql, values).fetchone()


def _connect(path: str, busy_seconds: float) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the database {shown(path)} cannot be opened: {error}") from error


def _in_view(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One consistent view of a database: the transaction that is open, or one that is only read in."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


def _row(event: StoredEvent) -> tuple[object, ...]:
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


def read_event(row: tuple[Any, ...]) -> StoredEvent:
    """The event that stands in a row of `events`."""
    position, stream_id, version, kind, schema_version, payload, command_id, correlation_id, causation_id, actor, at = (
        row
    )
    return StoredEvent.of(
        position=position,
        stream_id=stream_id,
        version=version,
        type=kind,
        schema_version=schema_version,
        payload=_payload(position, kind, payload),
        command_id=command_id,
        correlation_id=correlation_id,
        causation_id=causation_id,
        actor=actor,
        recorded_at=parse_instant(at),
    )


def _payload(position: int, kind: str, payload: str) -> Event:
    try:
        return EVENTS[kind].model_validate_json(payload)
    except (KeyError, ValidationError) as error:
        raise StoreUnavailable(
            f"event {position} ({kind}) cannot be read; the file was changed from outside, so restore a backup of it"
        ) from error


def all_by_stream(connection: sqlite3.Connection) -> Iterator[StoredEvent]:
    """Every event, stream by stream and in order of version."""
    return (read_event(row) for row in connection.execute(SELECT_EVENTS + "ORDER BY stream_id, version"))


def _is_busy(error: sqlite3.Error) -> bool:
    return "locked" in str(error) or "busy" in str(error)


class _Translated:
    """SQLite's errors as ours: a busy file, a failed write, an unusable store. No SQL and no path leaves with them."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise _as_ours(error) from error


def _as_ours(error: sqlite3.Error) -> StoreError:
    if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
        return StoreBusy("another process holds the write lock of the database; send the command again")
    if isinstance(error, sqlite3.IntegrityError):
        return StoreRolledBack("the database refused a row; everything was rolled back")
    return StoreUnavailable("the database could not be read or written")


TRANSLATED = _Translated()
"""What every access to the database is wrapped in; a class, because a generator costs as much as a statement."""


class _Writing:
    """The block in which the write lock of a store is held."""

    __slots__ = ("_store",)

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store.begin()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        with TRANSLATED:
            self._store.end()
        if isinstance(error, sqlite3.Error):
            raise _as_ours(error) from error
