"""What happened, in which order, and who may write next? Events and idempotency keys in one SQLite database.

The unique key (stream_id, version) is the optimistic lock; BEGIN IMMEDIATE serialises writers across processes, so what
a command reads stays true until it commits.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.events import (
    PRIVACY_STREAM,
    SETTINGS_STREAM,
    StoredEvent,
    quote_stream_of,
    stream_of,
)
from oms_engine.domain.model import OrderState, QuoteRequestState, SettingsState, StreamState
from oms_engine.domain.rules.facts import ClientOrderId
from oms_engine.errors import StoreRolledBack, StoreUnavailable, shown
from oms_engine.record import parse_instant
from oms_engine.storage import chain, sealing, snapshots
from oms_engine.storage.chain import Chain
from oms_engine.storage.connections import (
    BUSY_SECONDS,
    MEMORY,
    TURN,
    be_patient,
    connected,
    file_of,
    looking_at,
    path_of,
    reader_of,
    take_write_lock,
    unusable,
)
from oms_engine.storage.failures import TRANSLATED, meaning
from oms_engine.storage.rows import FOR_FOLDING, INSERT_EVENT, SELECT_EVENTS, read_event, row_of
from oms_engine.storage.schema import Now, Refill, utc_now
from oms_engine.storage.sealing import Seals

_KEPT = 5_000
"""Streams that are remembered, those that were used last."""

_NOTE = "note."
"""Begins the names of facts that programs keep in the store."""

_LAST = 2**63 - 1
"""No version and no position of SQLite's integers lies behind this one."""

_OF_STREAM = "WHERE stream_id = ? AND version > ? AND version <= ? ORDER BY version"


class Head(NamedTuple):
    """The last event of a store: where it stands, and when it was recorded."""

    position: int
    recorded_at: datetime


_LOOK = (
    "SELECT coalesce((SELECT max(position) FROM events), 0), (SELECT value FROM store_facts WHERE name = ?), "
    "(SELECT value FROM store_facts WHERE name = ?), EXISTS (SELECT 1 FROM sinks)"
)
"""What every transaction asks first."""

_ERASURES = "SELECT coalesce(max(version), 0) FROM events WHERE stream_id = ?"
_LAST_AND_ERASURES = f"SELECT (SELECT max(version) FROM events WHERE stream_id = ?), ({_ERASURES})"  # noqa: S608 - constants

_NOTHING = Head(0, datetime.min.replace(tzinfo=UTC))
_NOTHING_SET = SettingsState()


class RecordedCommand(NamedTuple):
    """A command that was carried out before: what it asked and which events it wrote."""

    payload_hash: str
    stream_id: str
    first_position: int
    last_position: int


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
        snapshot_every: int = 100,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self.connection = connection
        self.busy_seconds = busy_seconds
        self.in_memory = in_memory
        self.snapshot_every = snapshot_every
        self.has_sinks = False
        self.chain = Chain(connection)
        self.seals = Seals(connection)
        self._read_with = read_with
        self._reader: sqlite3.Connection | None = None
        self._kept = kept
        self._lock = threading.RLock()
        self._read_lock = threading.RLock()
        self._writer: int | None = None
        self._head = _NOTHING
        self._found = _NOTHING
        self._is_kept = False
        self._committed: dict[str, StreamState] = {}
        self._current: set[str] = set()
        self._open: dict[str, StreamState | None] | None = None
        self._trial: dict[str, StreamState] = {}
        self._erasures = 0
        self._told_of_erasures: list[Callable[[], None]] = []

    @classmethod
    def open(
        cls,
        url: str = MEMORY,
        *,
        refill: Refill | None = None,
        busy_seconds: float = BUSY_SECONDS,
        synchronous: str = "FULL",
        kept: int = _KEPT,
        snapshot_every: int = 100,
        now: Now = utc_now,
    ) -> "EventStore":
        """Open or create a store; raises StoreUnavailable and leaves the file alone when it is not one of ours.

        Args:
            url: A path, `sqlite:///PATH` or `:memory:`.
            refill: Writes the read model anew when an older file is brought to this schema.
            busy_seconds: How long to wait for another process.
            synchronous: FULL, or NORMAL: a power cut may then take back the last commits, never a part of one.
            kept: Streams that are remembered, those that were used last.
            snapshot_every: Events of a stream from one snapshot to the next.
            now: Gives the time at which a file gets its schema.
        """
        path = path_of(url)
        in_memory = path == MEMORY
        if not in_memory and not Path(path).absolute().parent.is_dir():
            raise StoreUnavailable(f"the folder of {shown(path)} does not exist; create it first")
        try:
            connection, writes = connected(
                path, in_memory=in_memory, refill=refill, busy_seconds=busy_seconds, synchronous=synchronous, now=now
            )
        except StoreUnavailable as error:
            told = f"{shown(path)} cannot be used: {error}"
            raise StoreUnavailable(told, remedy=error.remedy, lasts=error.lasts) from None
        except sqlite3.Error as error:
            raise unusable(path, error) from error
        read_with = partial(reader_of, connection, busy_seconds) if writes and not in_memory else None
        be_patient(connection, min(busy_seconds, TURN))
        return cls(
            connection,
            in_memory=in_memory,
            read_with=read_with,
            kept=kept,
            snapshot_every=snapshot_every,
            busy_seconds=busy_seconds,
        )

    def reader(self) -> "EventStore":
        """The same store for reading alone: a file through a connection of its own, memory through this one."""
        if self.in_memory:
            return self
        with self._lock, TRANSLATED:
            return EventStore(reader_of(self.connection, BUSY_SECONDS), in_memory=False)

    def close(self) -> None:
        """Close the store; using it afterwards is an error."""
        with self._lock, self._read_lock:
            self._read_with = None
            if self._reader is not None:
                self._reader.close()
                self._reader = None
            self.connection.close()

    @property
    def file(self) -> str:
        """The full name of the file; empty for a store in memory."""
        with self._lock, TRANSLATED:
            return file_of(self.connection)

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The connection with no transaction open, for what SQLite does in none; other threads wait."""
        self.require_not_writing()
        with self._lock, self._read_lock, TRANSLATED:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
            be_patient(self.connection, self.busy_seconds)
            try:
                yield self.connection
            finally:
                be_patient(self.connection, min(self.busy_seconds, TURN))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read with one consistent view of the store; other readers of this process wait."""
        if self._read_with is None or self._writer == threading.get_ident():
            with self._lock, TRANSLATED:
                yield from _in_view(self.connection)
        else:
            with self._read_lock, TRANSLATED:
                yield from _in_view(self._view)

    @contextmanager
    def apart(self) -> Iterator[sqlite3.Connection]:
        """Read for long: one consistent view on a connection of its own, beside which threads and processes go on.

        A store in memory has one connection only; there the others wait.
        """
        file = self.file
        if not file:
            with self.reading() as connection:
                yield connection
            return
        with TRANSLATED, closing(looking_at(Path(file))) as connection:
            yield connection

    def writing(self) -> AbstractContextManager[None]:
        """Hold the write lock of the database; what was not committed when the block ends is rolled back."""
        return _Writing(self)

    def require_not_writing(self) -> None:
        """Raises RuntimeError where this thread has a transaction open, as in the block of a batch."""
        if self._writer == threading.get_ident() and self.connection.in_transaction:
            raise RuntimeError("this thread is inside a batch; send the command through the batch, or end it first")

    def begin(self) -> None:
        """Take the write lock; `writing` does that."""
        self.require_not_writing()
        self._lock.acquire()
        try:
            with TRANSLATED:
                take_write_lock(self.connection, self.busy_seconds)
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
            self._head = self._found  # also where SQLite has rolled back by itself
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        finally:
            self._lock.release()

    def _look_who_wrote(self) -> None:
        """What is remembered holds to its end only where nobody else has written since."""
        last, chained_from, sealed_from, self.has_sinks = self._one(_LOOK, chain.FROM, sealing.FROM)
        self.chain.starts_at(chained_from)
        self.seals.starts_at(sealed_from)
        if last != self._head.position:
            self._current.clear()
            row = self._one("SELECT recorded_at FROM events WHERE position = ?", last)
            self._head = Head(last, parse_instant(row[0]) if row else _NOTHING.recorded_at)
            if sealed_from is not None and self._one(_ERASURES, PRIVACY_STREAM)[0] != self._erasures:
                self.forget()
        self._found = self._head

    def forget(self) -> None:
        """Let go of everything that is remembered, because personal data in it was erased; while the lock is held."""
        self._committed.clear()
        self._current.clear()
        self._erasures = self._one(_ERASURES, PRIVACY_STREAM)[0]
        for told in self._told_of_erasures:
            told()

    def when_erased(self, forget: Callable[[], None]) -> None:
        """Have a function called, while the write lock is held, when what somebody remembers may have been erased."""
        self._told_of_erasures.append(forget)

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
        self._is_kept = False
        self.connection.execute("SAVEPOINT command")
        try:
            yield
        finally:
            self._trial.clear()
            if not self._is_kept:
                self._head = before
                if not self.connection.in_transaction:
                    raise StoreRolledBack(
                        "the database took the whole transaction back, so nothing of it is stored; "
                        "look whether its disk is full, then send it again"
                    )
                self.connection.execute("ROLLBACK TO command")
                self.connection.execute("RELEASE command")

    def release(self) -> None:
        """Keep what the open savepoint wrote; its block then has nothing left to roll back."""
        self.connection.execute("RELEASE command")
        self._is_kept = True
        if self._open is not None:
            self._open.update(self._trial)
        self._trial.clear()

    def not_before(self, now: datetime) -> datetime:
        """This time, or that of the last event where a clock went back; asked while the write lock is held."""
        return max(now, self._head.recorded_at)

    def next_position(self) -> int:
        """The position that the next event will have; stays true while the write lock is held."""
        if self._writer == threading.get_ident():
            return self._head.position + 1
        return int(self._one("SELECT coalesce(max(position), 0) + 1 FROM events")[0])

    def start_chain(self) -> int:
        """Chain every event from the next one on by hashes, or from where another process did; returns from which."""
        with self.writing():
            first = chain.begin(self.connection, self.next_position())
            self.commit()
        return first

    def start_sealing(self) -> int:
        """Seal personal data from the next event on, or from where another process began; returns from which."""
        with self.writing():
            first = sealing.begin(self.connection, self.next_position())
            self.commit()
        return first

    def append(self, events: Sequence[StoredEvent]) -> None:
        """Write events at the positions and versions they carry; a version that is taken raises StoreRolledBack."""
        rows = self.seals.close([row_of(event) for event in events])
        self.connection.executemany(INSERT_EVENT, rows)
        self.chain.extend(rows)
        self._head = Head(events[-1].position, events[-1].recorded_at)

    def note(self, name: str, text: str) -> None:
        """Keep a text of a program that uses this store, inside the transaction that is open."""
        self.connection.execute("INSERT OR REPLACE INTO store_facts (name, value) VALUES (?, ?)", (_NOTE + name, text))

    def noted(self, name: str) -> str:
        """The text that is kept under a name; empty where there is none."""
        row = self.row("SELECT value FROM store_facts WHERE name = ?", _NOTE + name)
        return str(row[0]) if row else ""

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
        else has written since it was remembered. Otherwise what is remembered, or the newest snapshot, is a start, and
        only the events behind it are read.
        """
        if up_to is not None or self._open is None or self._writer != threading.get_ident():
            return self._state_in_view(stream_id, _LAST if up_to is None else up_to)
        state = self._trial.get(stream_id)
        if state is None and stream_id in self._open:
            return self._open[stream_id]
        if state is None:
            state = self._committed.get(stream_id)
            if state is None or stream_id not in self._current:
                state = self._from(state, stream_id, _LAST)
            self._open[stream_id] = state
        return state

    def _state_in_view(self, stream_id: str, up_to: int) -> StreamState | None:
        """As `state`, for a view that may be older than what is remembered."""
        known = self._committed.get(stream_id)
        if known is not None:
            last, erasures = self._one(_LAST_AND_ERASURES, stream_id, PRIVACY_STREAM)
            if min(last or 0, up_to) < known.version or erasures != self._erasures:
                known = None
        return self._from(known, stream_id, up_to)

    def _from(self, known: StreamState | None, stream_id: str, up_to: int) -> StreamState | None:
        """The stream at a version, from what is known of it on; without that from its newest snapshot."""
        view = self._view
        start = known or snapshots.at(view, stream_id, up_to)
        version = start.version if start else 0
        rows = view.execute(FOR_FOLDING.select + _OF_STREAM, (stream_id, version, up_to))
        state = fold_stream(stream_id, (FOR_FOLDING.event(view, row) for row in rows), start)
        if state is not None and known is None and self._writer == threading.get_ident() and up_to == _LAST:
            snapshots.mend(self.connection, stream_id, version, state, self.snapshot_every)
        return state

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
        view = self._view
        rows = view.execute(SELECT_EVENTS + _OF_STREAM, (stream_id, after, _LAST if up_to is None else up_to))
        return (read_event(view, row) for row in rows)

    def events(self, *, after: int = 0, up_to: int | None = None, limit: int = -1) -> list[StoredEvent]:
        """Events in order of position, from behind `after` to `up_to`; -1 stands for no limit."""
        view = self._view
        rows = view.execute(
            SELECT_EVENTS + "WHERE position > ? AND position <= ? ORDER BY position LIMIT ?",
            (after, _LAST if up_to is None else up_to, limit),
        )
        return [read_event(view, row) for row in rows]

    @property
    def _view(self) -> sqlite3.Connection:
        """The connection that a question goes through: that of the open transaction, or the one for reading."""
        if self._read_with is None or self._writer == threading.get_ident():
            return self.connection
        if self._reader is None:
            self._reader = self._read_with()
        return self._reader

    def row(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - as below
        """The first row of a statement; a single one sees one state of the store without a view of its own."""
        shared = self._read_with is None or self._writer == threading.get_ident()
        with self._lock if shared else self._read_lock, TRANSLATED:
            return self._one(sql, *values)

    def _one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a row has the columns of its statement
        return self._view.execute(sql, values).fetchone()


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
            raise meaning(error) from error
