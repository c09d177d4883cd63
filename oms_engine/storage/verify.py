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
from oms_engine.domain.filters import ENTITIES, FieldType
from oms_engine.domain.model import StreamState
from oms_engine.errors import StoreUnavailable, shown
from oms_engine.record import Record, plain
from oms_engine.storage import snapshots
from oms_engine.storage.chain import START, chained_from, link
from oms_engine.storage.codec import from_sortable
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.failures import meaning
from oms_engine.storage.fingerprint import events_hash
from oms_engine.storage.projections import Progress, project
from oms_engine.storage.rows import COLUMNS, SELECT_EVENTS, read_event
from oms_engine.storage.schema import APPLICATION_ID, CURRENT, READ_MODEL_TABLES, VERSION, run_script

MOST_FINDINGS = 100

_RESTORE = "restore a backup: what an event says is kept nowhere else"
_REBUILD = "oms rebuild writes the read model anew from the events"
_FORGET = "oms rebuild drops the snapshots and writes the read model anew from the events"
_RETRY = "oms projections retry, when what made it fail is repaired"
_RECOVER = "stop all programs; oms export, then oms import into a new file; where the export fails, restore a backup"
_COMPARE = (
    "restore a backup; rebuild nothing before: the events are not to be trusted, and the row may still say what was so"
)
_REPAIR = "oms export, then oms import into a new file, gives a store with the right schema"
_UNEXPLAINED = "the file was changed from outside; restore a backup"

_LONGEST = 200
"""Characters of a line of SQLite's that are told."""

_MOST_LINES = 5
"""Lines of SQLite's that are told of one table."""

_MOST_LINKS = 10
"""Events whose hash does not fit that are told one by one."""

_TREE = re.compile(r"\b[Tt]ree (?:page )?(\d+)")

_SOURCES = frozenset({"events", "commands"})
"""What everything else is computed from, and an export consists of."""

_NAMED_BY: Mapping[str, str] = {
    "orders": "order_id",
    "executions": "exec_id",
    "allocations": "id",
    "quote_requests": "quote_req_id",
    "quotes": "quote_id",
}
"""Table of the read model -> the column that tells its rows apart."""

_DECIMALS = frozenset(
    field.attribute
    for entity in ENTITIES.values()
    for field in entity.fields.values()
    if field.type is FieldType.DECIMAL
)

_SORTABLE = re.compile(r"1\d{26}|0\d{26}~", re.ASCII)

_PLURALS = {"table": "tables", "index": "indexes", "view": "views", "trigger": "triggers"}

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
    """What was found; `sound` where nothing was. Of many findings the first hundred are listed and the rest counted.

    `events_hash` says which events a sound store has; see `events_hash` of the engine.
    """

    sound: bool
    schema_version: int | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    chain: ChainState | None = None
    events_hash: str | None = None
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
        self._distrusted: set[str] = set()
        self._lacking = False
        self.findings: list[Finding] = []
        self.more = 0

    def everything(self) -> Verification:
        chain: ChainState | None = None
        counts: dict[str, int] = {}
        first: int | None = None
        hashed: str | None = None
        with self._part("the file"):
            self._file()
        if self._schema():
            with self._part("table events"):
                self._positions()
            with self._part("table store_facts"):
                first = chained_from(self._connection)
                self._total = self._count("events") * (2 if first else 1)
            if first:
                with self._part("table chain"):
                    chain = self._chain(first)
            with self._part("the streams"):
                self._streams()
            with self._part("table commands"):
                self._commands()
            with self._part("table outbox"):
                self._outbox()
            if not self.findings:
                with self._part("table events"):
                    hashed = events_hash(self._connection)
            with self._part("the tables"):
                counts = {name: self._count(name) for name in ("orders", "executions", "events", "commands")}
        version = int(self._one("PRAGMA user_version")[0])
        return Verification(
            sound=not self.findings,
            schema_version=version,
            counts=counts,
            chain=chain,
            events_hash=hashed,
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
            said = meaning(error)
            words = "its pages are damaged" if said.lasts else str(said)
            self.found(f"it could be read in part only: {words}", where, _RECOVER)

    def _file(self) -> None:
        lines = self._checked("20")
        if lines and not self._damaged_tables():
            for line in lines:
                self.found(f"SQLite finds damage: {line}", "the file", _RECOVER)
        if self._one("PRAGMA application_id")[0] != APPLICATION_ID:
            self.found("the mark of an OMS store is missing", "the file", _RECOVER)
        if self._one("PRAGMA user_version")[0] != VERSION:
            self.found(f"the schema version is not {VERSION}", "the file", "upgrade oms-mcp, or restore a backup")

    def _checked(self, what: str) -> list[str]:
        """What SQLite finds wrong with a table, or with so many things at most; nothing where all is well."""
        try:
            rows = self._connection.execute(f"PRAGMA integrity_check({what})").fetchall()
        except sqlite3.Error as error:
            if not meaning(error).lasts:
                raise
            return ["a page cannot be read"]
        lines = [line for (told,) in rows for line in str(told).splitlines()]
        return [line[:_LONGEST] for line in lines if line != "ok" and not line.startswith("***")]

    def _damaged_tables(self) -> bool:
        """Look at each table alone, to tell which ones are damaged."""
        tables = [name for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = [(table, line) for table in tables for line in self._checked(_in_quotes(table))[:_MOST_LINES]]
        for table, line in found:
            lost = table in _SOURCES and not self._is_about_index(line)
            self.found(f"SQLite finds damage: {line}", f"table {table}", _RESTORE if lost else _RECOVER)
        return bool(found)

    def _is_about_index(self, line: str) -> bool:
        """Is only an index damaged, which can be made anew from its table?"""
        tree = _TREE.search(line)
        row = self._one("SELECT type FROM sqlite_master WHERE rootpage = ?", int(tree[1])) if tree else None
        return row[0] == "index" if row else " index " in line

    def _schema(self) -> bool:
        """Compare the schema with the one of this program; False when a table is missing, so that no more can be said.

        Tables, indexes and views that somebody added do no harm; triggers change what is written.
        """
        with _scratch() as scratch:
            expected = _objects(scratch)
        there = _objects(self._connection)
        missing: dict[str, list[str]] = {}
        for kind, name in expected:
            if (kind, name) not in there:
                missing.setdefault(kind, []).append(name)
        for kind, names in missing.items():
            said = f"{kind} {names[0]} is" if len(names) == 1 else f"{_PLURALS[kind]} {', '.join(names)} are"
            self.found(f"{said} missing", "the schema", _REPAIR)
        for (kind, name), sql in expected.items():
            if (kind, name) in there and there[kind, name] != sql:
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
            self._lacking = True

    def _streams(self) -> None:
        rows = self._connection.execute(SELECT_EVENTS + "ORDER BY stream_id, version")
        expected = dict.fromkeys(READ_MODEL_TABLES, 0)
        unread = len(self.findings)
        with _scratch() as scratch:
            for stream_id, its_rows in groupby(rows, key=lambda row: str(row[1])):
                for table, number in self.stream(stream_id, list(its_rows), scratch).items():
                    expected[table] += number
        for table in _NAMED_BY:
            self._strangers(table)
        if len(self.findings) > unread:
            return  # rows that are missing or too many were told of, with their stream
        for table, number in expected.items():
            if (there := self._count(table)) != number:
                self.found(
                    f"it has {there} rows where the events make {number}", f"table {table}", self._afterwards(_REBUILD)
                )

    def _strangers(self, table: str) -> None:
        """Rows of an order or a request that no event knows, which no stream looks at."""
        kind, owner = next(
            (kind, column) for kind, pairs in _OF_STREAM.items() for name, column in pairs if name == table
        )
        asked = (
            f"SELECT {_NAMED_BY[table]} FROM {table} AS t WHERE NOT EXISTS "  # noqa: S608 - own names
            f"(SELECT 1 FROM events WHERE stream_id = ? || t.{owner}) ORDER BY 1 LIMIT ?"
        )
        names = [name for (name,) in self._connection.execute(asked, (f"{kind}-", _MOST_NAMES + 1))]
        if names:
            told = _listed(names)
            self.found(f"no event accounts for {told}", f"table {table}", self._afterwards(_REBUILD))

    def _afterwards(self, remedy: str, stream_id: str = "") -> str:
        """This way out, unless it would write what changed events say over the only thing that contradicts them."""
        return _COMPARE if self._lacking or stream_id in self._distrusted else remedy

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
                self.found(
                    f"the snapshot of version {event.version} is not what its events lead to",
                    where,
                    self._afterwards(_FORGET, stream_id),
                )
        for version in kept:
            self.found(
                f"there is a snapshot of version {version}, which it does not have",
                where,
                self._afterwards(_FORGET, stream_id),
            )
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
                    self._afterwards(_REBUILD, stream_id),
                )
        ids = "SELECT * FROM client_order_ids WHERE session_id = ? AND cl_ord_id = ?"
        used = scratch.execute("SELECT * FROM client_order_ids").fetchall()
        counts["client_order_ids"] = len(used)
        for row in used:
            if self._connection.execute(ids, row[:2]).fetchone() != row:
                self.found(
                    f"clOrdId {shown(row[1])} is not kept as its events say",
                    where,
                    self._afterwards(_REBUILD, stream_id),
                )
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
        """Follow the chain to its end; behind a link that does not fit it goes on with the hash that is kept."""
        pairs = self._connection.execute(
            f"SELECT {COLUMNS}, (SELECT hash FROM chain WHERE chain.position = events.position) "  # noqa: S608 - own names
            "FROM events WHERE position >= ? ORDER BY position",
            (first,),
        )
        hashed: bytes | None = START
        last, broken = first - 1, 0
        for *row, kept in pairs:
            told = _unlike(hashed, row, kept)
            if told:
                broken += 1
                self._broken_link(broken, row, told, lost=kept is None)
            hashed = None if kept is None else bytes(kept)
            last = int(row[0])
            self._step(1)
        if broken > _MOST_LINKS:
            self.found(f"{broken - _MOST_LINKS} more events have no hash that fits", "table chain", _UNEXPLAINED)
        beyond = self._one("SELECT count(*) FROM chain WHERE position > ? OR position < ?", last, first)[0]
        if beyond:
            self.found(f"it has {beyond} hashes without an event", "table chain", _UNEXPLAINED)
            self._lacking = True
        return None if broken or beyond or hashed is None else ChainState(first=first, last=last, head=hashed.hex())

    def _broken_link(self, number: int, row: Sequence[Any], told: str, *, lost: bool) -> None:
        self._distrusted.add(str(row[1]))
        self._lacking = self._lacking or lost
        if number <= _MOST_LINKS:
            self.found(f"the hash chain is broken: the event {told}", f"event {row[0]}", _UNEXPLAINED)

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


def _in_quotes(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unlike(before: bytes | None, row: Sequence[Any], kept: bytes | None) -> str:
    """What is wrong with the link of an event; nothing where it fits, or the hash before it is lost."""
    if kept is None:
        return "has no hash"
    if before is None or bytes(kept) == link(before, row):
        return ""
    return "or the one before it is not what was hashed"


def _difference(scratch: sqlite3.Connection, table: str, should: Sequence[Any], have: Sequence[Any]) -> str:
    """What is different: the rows that are missing or too many, or the first column that is."""
    names = [row[1] for row in scratch.execute(f"PRAGMA table_info({table})")]
    key = names.index(_NAMED_BY[table])
    wanted, there = ({row[key]: row for row in rows} for rows in (should, have))
    missing, more = (
        [name for name in some if name not in others] for some, others in ((wanted, there), (there, wanted))
    )
    if missing or more:
        told = [f"{_listed(missing)} {_is(missing)} missing"] if missing else []
        told += [f"{_listed(more)} {_is(more)} too many"] if more else []
        return f"{len(have)} rows instead of {len(should)}: {' and '.join(told)}"
    if len(have) != len(should):
        return f"{len(have)} rows instead of {len(should)}"  # the same row twice, where an index is damaged
    cells = (
        (name, new, old, row_name)
        for row_name, row in wanted.items()
        for name, new, old in zip(names, row, there[row_name], strict=True)
        if new != old
    )
    name, new, old, row_name = next(cells)
    where = f" of {shown(row_name)}" if len(should) > 1 else ""
    return f"{name}{where} is {_plainly(name, old)} and should be {_plainly(name, new)}"


_MOST_NAMES = 5
"""Rows that are named in one finding."""


def _listed(names: Sequence[object]) -> str:
    return ", ".join(shown(name) for name in names[:_MOST_NAMES]) + (" and more" if len(names) > _MOST_NAMES else "")


def _is(names: Sequence[object]) -> str:
    return "is" if len(names) == 1 else "are"


def _plainly(name: str, value: object) -> str:
    """A value of a column for people; a decimal not as it is sorted."""
    if name in _DECIMALS and isinstance(value, str) and _SORTABLE.fullmatch(value):
        return plain(from_sortable(value))
    return shown(value)
