"""Is the store what its events say? Everything that is kept twice is compared, and what differs is named.

Streams are read one after the other, so that a store of any size needs the memory of its longest stream.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from typing import Any

from pydantic import Field

from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.events import (
    OrderCreated,
    PersonalDataErased,
    QuoteRequested,
    ReferencePricePosted,
    SettingsChanged,
    StoredEvent,
)
from oms_engine.domain.model import StreamState
from oms_engine.errors import StoreUnavailable, shown
from oms_engine.record import Record
from oms_engine.storage import snapshots
from oms_engine.storage.chain import START, chained_from, link
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.failures import meaning
from oms_engine.storage.projections import Progress, project
from oms_engine.storage.rows import COLUMNS, SELECT_EVENTS, read_event
from oms_engine.storage.schema import APPLICATION_ID, CURRENT, READ_MODEL_TABLES, VERSION, run_script

MOST_FINDINGS = 100

_RESTORE = "restore a backup: what an event says is kept nowhere else"
_REBUILD = "oms rebuild writes the read model anew from the events"
_FORGET = "oms rebuild drops the snapshots and writes the read model anew from the events"
_RETRY = "oms projections retry, when what made it fail is repaired"
_RECOVER = "restore a backup, or export and import what can still be read"
_REPAIR = "oms export, then oms import into a new file, gives a store with the right schema"
_UNEXPLAINED = "the file was changed from outside; restore a backup"

_QUOTED = re.compile(r'"(\w+)"')

_FIRST: Mapping[str, tuple[str, ...]] = {
    "order": (OrderCreated.__name__,),
    "quote": (QuoteRequested.__name__,),
    "settings": (SettingsChanged.__name__, ReferencePricePosted.__name__),
    "privacy": (PersonalDataErased.__name__,),
}
"""Kind of a stream -> what it begins with."""

_OF_STREAM: Mapping[str, tuple[tuple[str, str], ...]] = {
    "order": (("orders", "order_id"), ("executions", "order_id"), ("allocations", "giver_order_id")),
    "quote": (("quote_requests", "quote_req_id"), ("quotes", "quote_req_id")),
    "settings": (),
    "privacy": (),
}
"""Kind of a stream -> the tables with its rows, and the column that names it."""


class Finding(Record):
    """Something that is not as it must be: what it is, where it stands, and what to do."""

    what: str
    where: str
    remedy: str


class ChainState(Record):
    """The hash chain: the first position that is chained, the last one, and its hash in hexadecimal digits."""

    first: int
    last: int
    head: str


class Verification(Record):
    """What was found; `sound` where nothing was. Of many findings the first hundred are listed and the rest counted."""

    sound: bool
    schema_version: int | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    chain: ChainState | None = None
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0


def verify(store: EventStore, progress: Progress = lambda _done, _all: None) -> Verification:
    """Compare everything in a store with everything else; nothing is written.

    Args:
        store: The store; its writers go on meanwhile.
        progress: Told how many events were read, and how many there are to read.

    Raises:
        StoreError: The store cannot be read at all.
    """
    with store.apart() as connection:
        return _Verifier(connection, progress).everything()


def verify_stream(store: EventStore, stream_id: str) -> tuple[Finding, ...] | None:
    """Compare what a stream says with what is kept of it beside its events; None where there is no such stream."""
    with store.reading() as connection, _scratch() as scratch:
        verifier = _Verifier(connection)
        rows = connection.execute(SELECT_EVENTS + "WHERE stream_id = ? ORDER BY version", (stream_id,)).fetchall()
        if not rows:
            return None
        verifier.stream(stream_id, rows, scratch)
        return tuple(verifier.findings)


class _Verifier:
    """One look at a database, and what was found so far."""

    def __init__(self, connection: sqlite3.Connection, progress: Progress = lambda _done, _all: None) -> None:
        self._connection = connection
        self._tell = progress
        self._done = 0
        self._total = 0
        self.findings: list[Finding] = []
        self.more = 0

    def everything(self) -> Verification:
        chain: ChainState | None = None
        counts: dict[str, int] = {}
        first: int | None = None
        with self._part("the file"):
            self._file()
        if self._schema():
            with self._part("table events"):
                self._positions()
            with self._part("table store_facts"):
                first = chained_from(self._connection)
            with self._part("the streams"):
                self._total = self._count("events") * (2 if first else 1)
                self._streams()
            if first:
                with self._part("table chain"):
                    chain = self._chain(first)
            with self._part("table commands"):
                self._commands()
            with self._part("table outbox"):
                self._outbox()
            with self._part("the tables"):
                counts = {name: self._count(name) for name in ("orders", "executions", "events", "commands")}
        version = int(self._one("PRAGMA user_version")[0])
        return Verification(
            sound=not self.findings,
            schema_version=version,
            counts=counts,
            chain=chain,
            findings=tuple(self.findings),
            more_findings=self.more,
        )

    def found(self, what: str, where: str, remedy: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(what=what, where=where, remedy=remedy))
        else:
            self.more += 1

    @contextmanager
    def _part(self, where: str) -> Iterator[None]:
        """A part of the work; pages that cannot be read end it, and the next part begins."""
        try:
            yield
        except sqlite3.Error as error:
            self.found(f"it could be read in part only: {meaning(error)}", where, _RECOVER)

    def _file(self) -> None:
        for (told,) in self._connection.execute("PRAGMA integrity_check(20)"):
            if told != "ok":
                self.found(f"SQLite finds damage: {told}", "the file", _RECOVER)
        if self._one("PRAGMA application_id")[0] != APPLICATION_ID:
            self.found("the mark of an OMS store is missing", "the file", _RECOVER)
        if self._one("PRAGMA user_version")[0] != VERSION:
            self.found(f"the schema version is not {VERSION}", "the file", "upgrade oms-mcp, or restore a backup")

    def _schema(self) -> bool:
        """Compare the schema with the one of this program; False when a table is missing, so that no more can be said.

        Tables, indexes and views that somebody added do no harm; triggers change what is written.
        """
        with _scratch() as scratch:
            expected = _objects(scratch)
        there = _objects(self._connection)
        for (kind, name), sql in expected.items():
            if (kind, name) not in there:
                self.found(f"{kind} {name} is missing", "the schema", _REPAIR)
            elif there[kind, name] != sql:
                self.found(f"{kind} {name} is not the one of schema version {VERSION}", "the schema", _REPAIR)
        for kind, name in there:
            if kind == "trigger" and (kind, name) not in expected:
                self.found(f"trigger {shown(name)} does not belong here", "the schema", _REPAIR)
        return all(key in there for key in expected if key[0] == "table")

    def _positions(self) -> None:
        gaps = (
            "SELECT position, before FROM (SELECT position, lag(position, 1, 0) OVER (ORDER BY position) AS before "
            "FROM events) WHERE position != before + 1"
        )
        for position, before in self._connection.execute(gaps):
            self.found(f"positions {before + 1} to {position - 1} are missing", f"event {position}", _RESTORE)

    def _streams(self) -> None:
        rows = self._connection.execute(SELECT_EVENTS + "ORDER BY stream_id, version")
        expected = dict.fromkeys(READ_MODEL_TABLES, 0)
        unread = len(self.findings)
        with _scratch() as scratch:
            for stream_id, its_rows in groupby(rows, key=lambda row: str(row[1])):
                for table, number in self.stream(stream_id, list(its_rows), scratch).items():
                    expected[table] += number
        if len(self.findings) > unread:
            return  # rows that are missing or too many were told of, with their stream
        for table, number in expected.items():
            if (there := self._count(table)) != number:
                self.found(f"it has {there} rows where the events make {number}", f"table {table}", _REBUILD)

    def stream(self, stream_id: str, rows: Sequence[Any], scratch: sqlite3.Connection) -> dict[str, int]:
        """Compare one stream; returns how many rows of the read model its events make."""
        where = f"stream {shown(stream_id)}"
        events = self._readable(rows)
        self._step(len(rows))
        if len(events) < len(rows):
            return {}
        versions = [event.version for event in events]
        if versions != list(range(1, len(events) + 1)):
            missing = next(number for number, version in enumerate(versions, 1) if number != version)
            self.found(f"version {missing} is missing", where, _RESTORE)
            return {}
        kind = stream_id.partition("-")[0]
        if events[0].type not in begins_with(stream_id):
            self.found(f"it begins with {events[0].type}, which no such stream begins with", where, _UNEXPLAINED)
            return {}
        scratch.execute("BEGIN")
        try:
            if not self._written(stream_id, events, where, scratch) or self._waits(stream_id, where):
                return {}
            return self._compared(kind, stream_id, where, scratch)
        finally:
            scratch.execute("ROLLBACK")

    def _waits(self, stream_id: str, where: str) -> bool:
        """Does the read model wait with this stream, so that its rows are older than its events?"""
        asked = "SELECT position FROM parked_events WHERE projection = 'read-model' AND stream_id = ?"
        parked = self._one(asked, stream_id)
        if parked is not None:
            self.found(f"its rows wait since event {parked[0]}, which could not be applied", where, _RETRY)
        return parked is not None

    def _written(self, stream_id: str, events: Sequence[StoredEvent], where: str, scratch: sqlite3.Connection) -> bool:
        """Write the read model of a stream apart from the one that is kept; False when its events make none."""
        kept = snapshots.texts(self._connection, stream_id)
        try:
            state = self._folded(stream_id, events, kept, where)
            project(scratch, events, {stream_id: state})
        except Exception as error:  # noqa: BLE001 - whatever events that no command wrote do to the fold is the finding
            self.found(f"its events contradict each other ({type(error).__name__})", where, _UNEXPLAINED)
            return False
        return True

    def _folded(self, stream_id: str, events: Sequence[StoredEvent], kept: dict[int, str], where: str) -> StreamState:
        """The stream after its events, compared with its snapshots on the way."""
        state: StreamState | None = None
        for event in events:
            state = fold_stream(stream_id, [event], state)
            assert state is not None  # noqa: S101 - an event was applied
            if event.version in kept and snapshots.encode(state) != kept.pop(event.version):
                self.found(f"the snapshot of version {event.version} is not what its events lead to", where, _FORGET)
        for version in kept:
            self.found(f"there is a snapshot of version {version}, which it does not have", where, _FORGET)
        assert state is not None  # noqa: S101 - it has events
        return state

    def _readable(self, rows: Iterable[Any]) -> list[StoredEvent]:
        events = []
        for row in rows:
            try:
                events.append(read_event(self._connection, row))
            except (StoreUnavailable, ValueError) as error:
                self.found(f"it cannot be read: {error}", f"event {row[0]}", _RESTORE)
        return events

    def _compared(self, kind: str, stream_id: str, where: str, scratch: sqlite3.Connection) -> dict[str, int]:
        name = stream_id.partition("-")[2]
        counts = {}
        for table, column in _OF_STREAM[kind]:
            asked = f"SELECT * FROM {table} WHERE {column} = ? ORDER BY 1"  # noqa: S608 - own names
            should = scratch.execute(asked, (name,)).fetchall()
            have = self._connection.execute(asked, (name,)).fetchall()
            counts[table] = len(should)
            if should != have:
                self.found(
                    f"table {table} differs from its events: {_difference(scratch, table, should, have)}",
                    where,
                    _REBUILD,
                )
        ids = "SELECT * FROM client_order_ids WHERE session_id = ? AND cl_ord_id = ?"
        used = scratch.execute("SELECT * FROM client_order_ids").fetchall()
        counts["client_order_ids"] = len(used)
        for row in used:
            if self._connection.execute(ids, row[:2]).fetchone() != row:
                self.found(f"clOrdId {shown(row[1])} is not kept as its events say", where, _REBUILD)
        return counts

    def _commands(self) -> None:
        for finding in command_findings(self._connection):
            self.found(finding.what, finding.where, finding.remedy)

    def _outbox(self) -> None:
        broken = (
            "SELECT id FROM outbox AS o WHERE from_version < 1 OR from_version > version OR "
            "NOT EXISTS (SELECT 1 FROM events WHERE stream_id = o.stream_id AND version = o.version "
            "AND position = o.position) OR "
            "NOT EXISTS (SELECT 1 FROM sinks WHERE name = o.sink)"
        )
        for (number,) in self._connection.execute(broken):
            self.found("it names no events, or no sink", f"outbox row {number}", _UNEXPLAINED)

    def _chain(self, first: int) -> ChainState | None:
        """Follow the chain to its end or to its first broken link."""
        pairs = self._connection.execute(
            f"SELECT {COLUMNS}, (SELECT hash FROM chain WHERE chain.position = events.position) "  # noqa: S608 - own names
            "FROM events WHERE position >= ? ORDER BY position",
            (first,),
        )
        hashed, last = START, first - 1
        for *row, kept in pairs:
            hashed = link(hashed, row)
            if kept is None or bytes(kept) != hashed:
                told = "has no hash" if kept is None else "or the one before it is not what was hashed"
                self.found(f"the hash chain is broken: the event {told}", f"event {row[0]}", _UNEXPLAINED)
                return None
            last = int(row[0])
            self._step(1)
        beyond = self._one("SELECT count(*) FROM chain WHERE position > ? OR position < ?", last, first)[0]
        if beyond:
            self.found(f"it has {beyond} hashes without an event", "table chain", _UNEXPLAINED)
            return None
        return ChainState(first=first, last=last, head=hashed.hex())

    def _step(self, events: int) -> None:
        self._done += events
        self._tell(self._done, max(self._total, self._done))

    def _count(self, table: str) -> int:
        return int(self._one(f"SELECT count(*) FROM {table}")[0])  # noqa: S608 - own names

    def _one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a row has the columns of its statement
        return self._connection.execute(sql, values).fetchone()


def begins_with(stream_id: str) -> tuple[str, ...]:
    """The events that a stream of this name can begin with; none when it is no name of a stream."""
    return _FIRST.get(stream_id.partition("-")[0], ())


_BROKEN_COMMANDS = (
    "SELECT command_id FROM commands AS c WHERE "
    "NOT EXISTS (SELECT 1 FROM events WHERE position = c.first_position AND command_id = c.command_id) OR "
    "NOT EXISTS (SELECT 1 FROM events WHERE position = c.last_position AND command_id = c.command_id) OR "
    "NOT EXISTS (SELECT 1 FROM events WHERE position BETWEEN c.first_position AND c.last_position "
    "AND +stream_id = c.stream_id)"  # the plus keeps SQLite from reading a long stream for each of its commands
)
_ORPHANS = (
    "SELECT e.position FROM events AS e LEFT JOIN commands AS c ON c.command_id = e.command_id "
    "WHERE c.command_id IS NULL OR e.position NOT BETWEEN c.first_position AND c.last_position"
)


def command_findings(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Commands that do not name the events they wrote, and events without a command."""
    for (command_id,) in connection.execute(_BROKEN_COMMANDS):
        where = f"command {shown(command_id)}"
        yield Finding(what="it does not name the events it wrote", where=where, remedy=_UNEXPLAINED)
    for (position,) in connection.execute(_ORPHANS):
        yield Finding(what="no command accounts for it", where=f"event {position}", remedy=_UNEXPLAINED)


@contextmanager
def _scratch() -> Iterator[sqlite3.Connection]:
    """An empty store in memory, to write the read model of one stream at a time."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        run_script(connection, CURRENT)
        yield connection


def _objects(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """What the schema consists of; names in quotation marks, as renaming a table leaves them, are the same names."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {(kind, name): _QUOTED.sub(r"\1", sql) for kind, name, sql in rows if "sqlite_" not in name}


def _difference(scratch: sqlite3.Connection, table: str, should: Sequence[Any], have: Sequence[Any]) -> str:
    """What is different: the number of rows, or the first columns that are."""
    if len(should) != len(have):
        return f"{len(have)} rows instead of {len(should)}"
    names = [row[1] for row in scratch.execute(f"PRAGMA table_info({table})")]
    cells = (
        (name, new, old)
        for wanted, there in zip(should, have, strict=True)
        for name, new, old in zip(names, wanted, there, strict=True)
        if new != old
    )
    name, new, old = next(cells)
    return f"{name} is {shown(old)} and should be {shown(new)}"
