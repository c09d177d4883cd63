"""How is a projection written anew from the events while others go on writing, and what if that is cut short?

The rows are written beside those that serve, in transactions of bounded size; then what was committed meanwhile is
caught up with, and new and old tables change places in one short transaction. Events are only appended, so no long view
of the store is held. Whoever is killed leaves tables behind that nobody reads; the next rebuild drops them.
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Generic, NamedTuple, Protocol

from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.model import StreamState
from oms_engine.errors import StoreBusy, in_one_line
from oms_engine.storage import checkpoints, snapshots
from oms_engine.storage.checkpoints import Parked
from oms_engine.storage.connections import TURN, take_write_lock
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.failures import TRANSLATED
from oms_engine.storage.layout import BESIDE, FORMER, Layout, drop_table, layout_of, reread
from oms_engine.storage.projections import Progress, Rows
from oms_engine.storage.rows import FOR_FOLDING, E, Happening, Reading
from oms_engine.storage.schema import READ_MODEL

WINDOW = 4_000
"""Positions whose streams are read at once, and written in one transaction."""

_BUSY_SECONDS = 30.0
"""How long a rebuild waits for other writers: all that it has done so far would be lost."""

_FEW = 200
"""So many streams are caught up with in the transaction of the swap; before that in transactions of their own."""

_MOST_ROUNDS = 20
"""After so many rounds of catching up the rest is done in the last transaction, however much it is."""

_BORN = (
    "WHERE stream_id IN (SELECT stream_id FROM events WHERE position > ? AND position <= ? AND version = 1) "
    "AND position <= ? ORDER BY stream_id, version"
)
_ONE = "WHERE stream_id = ? AND position <= ? ORDER BY version"
_CHANGED = "SELECT DISTINCT stream_id FROM events WHERE position > ? AND position <= ? LIMIT ?"

Row = tuple[Any, ...]


class Stream(NamedTuple, Generic[E]):
    """A stream with events of it, and the state after them."""

    stream_id: str
    events: Sequence[E]
    state: StreamState


class Prepared(Protocol):
    """Rows that were computed while everybody else could write."""

    def write(self, connection: sqlite3.Connection) -> list[Parked]:
        """Write them, inside the transaction that is open; returns the streams that failed and left no row."""


class Target(Protocol[E]):
    """What is written anew."""

    @property
    def name(self) -> str:
        """Name of the projection."""

    @property
    def layout(self) -> Layout:
        """Its tables."""

    @property
    def indexes_last(self) -> bool:
        """Are the rows inserted before there are indexes?"""

    @property
    def reading(self) -> Reading[E]:
        """How much of the events it needs."""

    def prepared(self, prefix: str, streams: Iterable[Stream[E]]) -> "Prepared":
        """What is to be written of new streams, into the tables with this prefix; nothing is written yet."""

    def catch_up(self, store: EventStore, prefix: str, after: int, up_to: int, waiting: frozenset[str]) -> list[Parked]:
        """Apply what was committed behind a position; returns the streams that failed."""


def load(
    connection: sqlite3.Connection, rows: Iterable[Row], reading: Reading[E], before: StreamState | None = None
) -> tuple[Stream[E] | None, Parked | None]:
    """The rows of one stream, read and folded as far as that is possible, and where it is not.

    Args:
        connection: Where they were read.
        rows: At least one row of the events, in order of version.
        reading: How they were asked for.
        before: The state before them.
    """
    kept = list(rows)
    stream_id = kept[0][1]
    try:
        events = [reading.event(connection, row) for row in kept]
        state = fold_stream(stream_id, events, before)
    except Exception:  # noqa: BLE001 - whatever an unreadable event does, the other streams go on
        return _load_step_by_step(connection, stream_id, kept, reading, before)
    return (Stream(stream_id, events, state) if state is not None else None), None


def _load_step_by_step(
    connection: sqlite3.Connection,
    stream_id: str,
    rows: Sequence[Row],
    reading: Reading[E],
    state: StreamState | None,
) -> tuple[Stream[E] | None, Parked | None]:
    events: list[E] = []
    parked: Parked | None = None
    for row in rows:
        try:
            event = reading.event(connection, row)
            state = fold_stream(stream_id, [event], state)
        except Exception as error:  # noqa: BLE001 - as above
            parked = failed(stream_id, row[0], error)
            break
        events.append(event)
    return (Stream(stream_id, events, state) if events and state is not None else None), parked


def failed(stream_id: str, position: int, error: Exception) -> Parked:
    """A stream that has just failed for the first time; when is not known yet."""
    return Parked(stream_id, position, in_one_line(error), 1, "")


def loaded(
    connection: sqlite3.Connection, streams: Iterable[Iterable[Row]], reading: Reading[E], unreadable: list[Parked]
) -> Iterator[Stream[E]]:
    """The streams of which something can be read; those of which not everything can are added to a list."""
    for rows in streams:
        stream, parked = load(connection, rows, reading)
        if parked:
            unreadable.append(parked)
        if stream:
            yield stream


class _PreparedRows:
    """Rows of the read model, kept stream by stream so that one that is refused can be told from the others."""

    def __init__(self, prefix: str, streams: Iterable[Stream[Happening]]) -> None:
        self._prefix = prefix
        self._rows = Rows(prefix)
        self._spans: dict[str, tuple[int, int]] = {}
        for stream_id, events, state in streams:
            self._spans[stream_id] = events[0].position, events[-1].position
            self._rows.add(events, state)

    def write(self, connection: sqlite3.Connection, *, again: bool = False) -> list[Parked]:
        """Write them in bulk; when a row is refused stream by stream, to find the one that has to wait."""
        connection.execute("SAVEPOINT filled")
        try:
            self._rows.write(connection, again=again)
        except sqlite3.IntegrityError as error:
            connection.execute("ROLLBACK TO filled")
            if len(self._spans) == 1:
                ((stream_id, (first, _)),) = self._spans.items()
                return [failed(stream_id, first, error)]
            return self._one_by_one(connection, again=again)
        finally:
            connection.execute("RELEASE filled")
        return []

    def _one_by_one(self, connection: sqlite3.Connection, *, again: bool) -> list[Parked]:
        refused: list[Parked] = []
        for stream_id, (_, last) in self._spans.items():
            rows = connection.execute(FOR_FOLDING.select + _ONE, (stream_id, last)).fetchall()
            alone = _PreparedRows(self._prefix, loaded(connection, [rows], FOR_FOLDING, []))
            refused += alone.write(connection, again=again)
        return refused


class ReadModel:
    """The rows of orders, executions, allocations and quotes: the projection that every command writes itself."""

    name = "read-model"
    indexes_last = True
    reading = FOR_FOLDING

    @property
    def layout(self) -> Layout:
        """Its tables."""
        return layout_of(READ_MODEL)

    def prepared(self, prefix: str, streams: Iterable[Stream[Happening]]) -> "_PreparedRows":
        """The rows of streams; the events are let go of, one stream after the other."""
        return _PreparedRows(prefix, streams)

    def catch_up(self, store: EventStore, prefix: str, after: int, up_to: int, waiting: frozenset[str]) -> list[Parked]:
        """Write every stream anew that has events behind a position."""
        changed = store.connection.execute(_CHANGED, (after, up_to, -1)).fetchall()
        streams = [row[0] for row in changed if row[0] not in waiting]
        return self.again(store.connection, prefix, streams, up_to)

    def again(self, connection: sqlite3.Connection, prefix: str, stream_ids: Iterable[str], up_to: int) -> list[Parked]:
        """Write whole streams over what is there of them."""
        unreadable: list[Parked] = []
        asked = FOR_FOLDING.select + _ONE
        rows = (connection.execute(asked, (stream_id, up_to)).fetchall() for stream_id in stream_ids)
        prepared = self.prepared(prefix, loaded(connection, rows, FOR_FOLDING, unreadable))
        return [*unreadable, *prepared.write(connection, again=True)]


def rebuild(store: EventStore, target: Target[E], now: Callable[[], str], progress: Progress) -> int:
    """Write a projection anew; returns how many events were read. Readers see the old rows or the new ones.

    Args:
        store: Other threads and processes go on with it, unless it is in memory: then they wait.
        target: What is written.
        now: Tells the time of whatever failed, and of the end.
        progress: Told how many events were read, of how many.

    Raises:
        StoreBusy: Another rebuild of the same projection began meanwhile and goes on instead.
    """
    if store.in_memory:
        return _in_memory(store, target, now, progress)
    with TRANSLATED, _beside(store) as own:
        done = _Rebuild(own, target, now, _Claim(own.connection, target.name).transaction).run(progress)
        reread(own.connection)
        _drop_former(own, target.layout)
    return done


def _in_memory(store: EventStore, target: Target[E], now: Callable[[], str], progress: Progress) -> int:
    """The same in one transaction, because there is no second connection."""
    try:
        with store.writing():
            done = _Rebuild(store, target, now, _at_once).run(progress)
            store.commit()
    finally:
        reread(store.connection)
    _drop_former(store, target.layout)
    return done


def _drop_former(store: EventStore, layout: Layout) -> None:
    """Drop the tables whose place was taken, one at a time."""
    for name in layout.leftovers(store.connection, FORMER):
        with store.writing():
            drop_table(store.connection, name)
            store.commit()


def give_up(connection: sqlite3.Connection) -> None:
    """End every rebuild that is under way and drop what it wrote, inside the transaction that is open.

    For whoever takes values out of derived tables: a rebuild may have written them before, and would bring them back.
    """
    connection.execute("DELETE FROM store_facts WHERE name LIKE 'rebuilding.%'")
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in names:
        if name.startswith((BESIDE, FORMER)):
            drop_table(connection, name)


@contextmanager
def _beside(store: EventStore) -> Iterator[EventStore]:
    """A connection of its own to the same file, so that nobody waits for it longer than one short transaction.

    What a power cut takes back of it is written again by the next rebuild; so it does not wait for the disk.
    """
    connection = sqlite3.connect(store.file, timeout=TURN, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (
            "synchronous = NORMAL",
            "cache_size = -65536",
            "wal_autocheckpoint = 8000",
            "secure_delete = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        yield EventStore(connection, in_memory=False, snapshot_every=store.snapshot_every, busy_seconds=_BUSY_SECONDS)
    finally:
        connection.close()


@contextmanager
def _at_once() -> Iterator[None]:
    """A part of the transaction that is open anyway."""
    yield


class _Claim:
    """The right to rebuild a projection: whoever began last has it."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._fact = f"rebuilding.{name}"
        self._token = secrets.token_hex(8)
        with self.transaction(first=True):
            connection.execute(
                "INSERT OR REPLACE INTO store_facts (name, value) VALUES (?, ?)", (self._fact, self._token)
            )

    @contextmanager
    def transaction(self, *, first: bool = False) -> Iterator[None]:
        """A short write transaction, as long as nobody else began the same rebuild."""
        take_write_lock(self._connection, _BUSY_SECONDS)
        try:
            if not first:
                self._check()
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # where a disk is full SQLite has rolled back by itself
                self._connection.execute("ROLLBACK")
            raise

    def _check(self) -> None:
        row = self._connection.execute("SELECT value FROM store_facts WHERE name = ?", (self._fact,)).fetchone()
        if row is None or row[0] != self._token:
            raise StoreBusy("another rebuild of the same projection has begun and goes on; look at its status")


class _Rebuild(Generic[E]):
    """One rebuild: clear, create, fill, index, catch up, swap."""

    def __init__(
        self,
        store: EventStore,
        target: Target[E],
        now: Callable[[], str],
        transaction: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._store = store
        self._connection = store.connection
        self._target = target
        self._now = now
        self._transaction = transaction
        self._parked: dict[str, Parked] = {}

    def run(self, progress: Progress) -> int:
        """Do it; returns how many events were read."""
        layout = self._target.layout
        self._clear()
        with self._transaction():
            layout.create_beside(self._connection)
        if not self._target.indexes_last:
            self._index()
        last = checkpoints.last_position(self._connection)
        done = self._fill(last, progress)
        if self._target.indexes_last:
            self._index()
        self._catch_up_and_swap(last)
        return done

    def _clear(self) -> None:
        """Drop what an earlier rebuild left behind, one table at a time."""
        for name in self._target.layout.leftovers(self._connection, BESIDE, FORMER):
            with self._transaction():
                drop_table(self._connection, name)

    def _index(self) -> None:
        for index in self._target.layout.indexes:
            with self._transaction():
                self._target.layout.create_index_beside(self._connection, index)

    def _fill(self, last: int, progress: Progress) -> int:
        done = 0
        reading = self._target.reading
        for first in range(0, last, WINDOW):
            rows = self._connection.execute(reading.select + _BORN, (first, min(first + WINDOW, last), last)).fetchall()
            unreadable: list[Parked] = []
            streams = (stream for _, stream in groupby(rows, key=itemgetter(1)))
            prepared = self._target.prepared(BESIDE, loaded(self._connection, streams, reading, unreadable))
            with self._transaction():
                refused = prepared.write(self._connection)
            self._park([*unreadable, *refused])
            done += len(rows)
            progress(done, last)
        return done

    def _catch_up_and_swap(self, position: int) -> None:
        """Catch up, each time with less; the last few events and the swap are one transaction."""
        for _ in range(_MOST_ROUNDS):
            last = checkpoints.last_position(self._connection)
            if len(self._connection.execute(_CHANGED, (position, last, _FEW)).fetchall()) < _FEW:
                break
            with self._transaction():
                self._catch_up(position, last)
            position = last
        with self._transaction():
            last = checkpoints.last_position(self._connection)
            self._catch_up(position, last)
            self._swap(last)

    def _catch_up(self, after: int, up_to: int) -> None:
        waiting = frozenset(self._parked)
        self._park(self._target.catch_up(self._store, BESIDE, after, up_to, waiting))

    def _park(self, parked: Iterable[Parked]) -> None:
        for each in parked:
            self._parked.setdefault(each.stream_id, each._replace(parked_at=self._now()))

    def _swap(self, position: int) -> None:
        name = self._target.name
        self._target.layout.swap(self._connection)
        if name == ReadModel.name:  # snapshots are computed from events too; they are written again when needed
            snapshots.drop(self._connection)
        checkpoints.rebuilt(self._connection, name, position, self._now())
        checkpoints.release(self._connection, name)
        checkpoints.park(self._connection, name, self._parked.values())
        self._connection.execute("DELETE FROM store_facts WHERE name = ?", (f"rebuilding.{name}",))
