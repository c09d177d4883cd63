"""What did the store look like right after an event? The same tables, as far as they reach back, on a view of its own.

SQLite looks for a name among the temporary tables first. So temporary views stand before the tables: `events` ends at a
position; the read model has the rows of streams that were not touched since, and those that were, folded anew up to it.
Whatever reads the store reads the past without knowing.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

from pydantic_core import PydanticCustomError

from oms_engine.domain.catalogue import refused_value, violation
from oms_engine.domain.events import SETTINGS_STREAM, quote_stream_of, stream_of
from oms_engine.domain.model import OrderState, QuoteRequestState, SettingsState, StreamState
from oms_engine.errors import Refused, problem_of, shown
from oms_engine.record import instant_text, parse_instant, plain
from oms_engine.storage.chain import FROM as CHAINED_FROM
from oms_engine.storage.connections import looking_at
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.failures import TRANSLATED
from oms_engine.storage.paths import times_ascend
from oms_engine.storage.projections import fill
from oms_engine.storage.rows import happenings_by_stream
from oms_engine.storage.schema import DROP_GUARDS, READ_MODEL_TABLES

T = TypeVar("T")

_POSITION = re.compile(r"p0*([0-9]+)", re.ASCII)
_VERSION = re.compile(r"v([0-9]{1,18})", re.ASCII)
_DIGITS = 18
_NEVER = datetime(1, 1, 1, tzinfo=UTC)

_FOLDED = "past_"
"""Prefix of the temporary tables with the rows of streams that were touched since."""

_STREAMS = {
    "orders": f"'{stream_of('')}' || order_id",
    "executions": f"'{stream_of('')}' || order_id",
    "allocations": f"'{stream_of('')}' || giver_order_id",
    "client_order_ids": f"'{stream_of('')}' || order_id",
    "quote_requests": f"'{quote_stream_of('')}' || quote_req_id",
    "quotes": f"'{quote_stream_of('')}' || quote_req_id",
}
"""Table of the read model -> the stream whose events wrote a row."""


class Moment(NamedTuple):
    """A place in the past: the position of an event, 0 before the first one, and the time it stands for."""

    position: int
    time: datetime

    @property
    def name(self) -> str:
        """The moment as it can be asked for again."""
        return f"p{self.position}"

    @property
    def told(self) -> str:
        """The moment as a sentence names it: a position before which nothing is says less than its time."""
        before = not self.position and self.time != _NEVER
        return f"{instant_text(self.time)}, before the first event" if before else self.name


class PastStore(EventStore):
    """The store as it was at a moment. It is only read, and sees nothing of what others write meanwhile."""

    def __init__(self, store: EventStore, as_of: str, order_id: str, now: datetime) -> None:
        """Look back.

        Args:
            store: The store as it is.
            as_of: `p3456` a position, `v12` a version of one order, or ISO-8601 with an offset.
            order_id: The order that a version belongs to.
            now: The time by the clock; a time behind it means now.

        Raises:
            Refused: OMS-VAL-004 malformed, or a version without an order; OMS-VAL-005 a position or version that no
                event has; OMS-ORDER-001 no such order.
        """
        connection = _view_of(store)
        try:
            with TRANSLATED:
                self.moment = _moment(connection, as_of, order_id, now)
                _show_events(connection, self.moment.position)
        except BaseException:
            connection.close()
            raise
        super().__init__(connection, in_memory=store.in_memory)
        self._shows_rows = False

    def show_rows(self) -> None:
        """Let the read model be that of the moment; what was changed since is folded anew, once."""
        with self._lock, TRANSLATED:
            if not self._shows_rows:
                _fold_what_changed(self.connection, self.moment.position)
                _show_rows(self.connection)
                self._shows_rows = True

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read; the view is one and the same until the store is closed."""
        with self._lock, TRANSLATED:
            yield self.connection

    def writing(self) -> NoReturn:
        """Refuse: what happened stays as it is."""
        self._refuse()

    alone = apart = reader = writing

    @property
    def file(self) -> str:
        """Refuse: the file holds more than this moment."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise _refusal(
            "OMS-VAL-004", f"{self.moment.name} is the past, which is only read; send this to the engine as it is now"
        )


def _view_of(store: EventStore) -> sqlite3.Connection:
    """A connection with one view of the store: of its file, or of a copy when it is in memory."""
    if not store.in_memory:
        with TRANSLATED:
            return looking_at(Path(store.file))
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with store.alone() as connection:
        connection.backup(copy)
    copy.execute("BEGIN")
    return copy


def _moment(connection: sqlite3.Connection, as_of: str, order_id: str, now: datetime) -> Moment:
    last = int(connection.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()[0])
    if not isinstance(as_of, str):
        message = f"as_of {shown(as_of)} is no text; write 'p3456', 'v12', or a time such as '2026-01-02T09:30:00Z'"
        raise _refusal("OMS-VAL-004", message)
    if found := _POSITION.fullmatch(as_of):
        return _at_position(connection, found[1], last)
    if found := _VERSION.fullmatch(as_of):
        return _at_version(connection, int(found[1]), order_id)
    try:
        time = parse_instant(as_of)
    except PydanticCustomError as error:
        message = f"as_of {shown(as_of)} is no moment; write p3456 (a position), v12 (a version), or a time: it {error}"
        raise _refusal("OMS-VAL-004", message) from None
    return Moment(last if time >= now else _last_before(connection, time, last), min(time, now))


def _at_position(connection: sqlite3.Connection, digits: str, last: int) -> Moment:
    position = int(digits[: _DIGITS + 1])
    if position > last:
        named = f"p{digits}" if len(digits) <= _DIGITS else f"p{digits[:_DIGITS]}..."
        raise _refusal("OMS-VAL-005", f"as_of {named} is beyond the last event; the last position is p{last}")
    row = connection.execute(
        "SELECT recorded_at FROM events WHERE position <= ? ORDER BY position DESC LIMIT 1", (position,)
    ).fetchone()
    return Moment(position, parse_instant(row[0]) if row else _NEVER)


def _at_version(connection: sqlite3.Connection, version: int, order_id: str) -> Moment:
    if not order_id:
        message = f"as_of v{version} is a version, which one order has; name the order, or give a position or a time"
        raise _refusal("OMS-VAL-004", message)
    stream_id = stream_of(order_id)
    count = connection.execute("SELECT max(version) FROM events WHERE stream_id = ?", (stream_id,)).fetchone()[0]
    if count is None:
        _require_no_other_stream(connection, version, order_id)
        raise no_order(order_id)
    if not 1 <= version <= count:
        raise no_version(order_id, version, count)
    row = connection.execute(
        "SELECT position, recorded_at FROM events WHERE stream_id = ? AND version = ?", (stream_id, version)
    ).fetchone()
    return Moment(row[0], parse_instant(row[1]))


def _require_no_other_stream(connection: sqlite3.Connection, version: int, name: str) -> None:
    """The settings and quote requests have events too, and are not asked for by version."""
    streams = (name, quote_stream_of(name))
    if connection.execute("SELECT 1 FROM events WHERE stream_id IN (?, ?) LIMIT 1", streams).fetchone() or (
        name == SETTINGS_STREAM
    ):
        message = f"as_of v{version} is a version, and {shown(name)} is no order; give a position or a time"
        raise _refusal("OMS-VAL-004", message)


def _last_before(connection: sqlite3.Connection, time: datetime, last: int) -> int:
    """The last position recorded at this time or before it; 0 when there is none."""
    at = instant_text(time)
    if not times_ascend(connection):
        row = connection.execute("SELECT max(position) FROM events WHERE recorded_at <= ?", (at,)).fetchone()
        return int(row[0] or 0)
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        (recorded,) = connection.execute(
            "SELECT recorded_at FROM events WHERE position <= ? ORDER BY position DESC LIMIT 1", (middle,)
        ).fetchone() or ("",)
        if recorded <= at:
            low = middle
        else:
            high = middle - 1
    return low


def _show_events(connection: sqlite3.Connection, position: int) -> None:
    """Let events, commands and snapshots end at a position, which is our own number: a view takes no parameters."""
    shows = {
        "events": "WHERE position <= {0}",
        "commands": "WHERE last_position <= {0}",
        "snapshots": (
            "AS s WHERE EXISTS (SELECT 1 FROM main.events AS e "
            "WHERE e.stream_id = s.stream_id AND e.version = s.version AND e.position <= {0})"
        ),
    }
    for table, where in shows.items():
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} {where.format(position)}")  # noqa: S608 - own names


def _fold_what_changed(connection: sqlite3.Connection, position: int) -> None:
    """Keep the streams that were touched since, and what their rows were."""
    _note_touched(connection, position)
    for table in READ_MODEL_TABLES:
        connection.execute(f"CREATE TEMP TABLE {_FOLDED}{table} AS SELECT * FROM main.{table} WHERE 0")  # noqa: S608 - own names
    fill(connection, happenings_by_stream(connection, _TOUCHED), _FOLDED)


_TOUCHED = "WHERE stream_id IN (SELECT stream_id FROM touched_since) "


def _note_touched(connection: sqlite3.Connection, position: int) -> None:
    connection.execute("CREATE TEMP TABLE touched_since (stream_id TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.execute(
        "INSERT INTO touched_since SELECT DISTINCT stream_id FROM main.events WHERE position > ?", (position,)
    )


def take_back(copy: sqlite3.Connection, as_of: str, now: datetime, go_on: Callable[[], None]) -> None:
    """Let a copy, which nobody else has, end where a moment does; what was changed since is folded anew.

    Args:
        copy: The copy.
        as_of: The moment.
        now: The time by the clock.
        go_on: Called now and then; what it raises ends the work.

    Raises:
        Refused: OMS-VAL-004 no moment of a whole store, OMS-VAL-005 a position that no event has.
    """
    position = _moment(copy, as_of, "", now).position
    copy.execute("BEGIN")
    for statement in DROP_GUARDS:
        copy.execute(statement)
    _note_touched(copy, position)
    copy.execute("DELETE FROM events WHERE position > ?", (position,))
    copy.execute("DELETE FROM commands WHERE last_position > ?", (position,))
    copy.execute(
        "DELETE FROM snapshots WHERE NOT EXISTS (SELECT 1 FROM events AS e "
        "WHERE e.stream_id = snapshots.stream_id AND e.version = snapshots.version)"
    )
    copy.execute("DELETE FROM chain")  # nobody reads the proof of what is thrown away
    copy.execute("DELETE FROM store_facts WHERE name = ?", (CHAINED_FROM,))
    for table, stream in _STREAMS.items():
        copy.execute(f"DELETE FROM {table} WHERE {stream} IN (SELECT stream_id FROM touched_since)")  # noqa: S608 - own names
        go_on()
    fill(copy, _watched(happenings_by_stream(copy, _TOUCHED), go_on))
    copy.execute("DROP TABLE touched_since")
    copy.execute("COMMIT")


def _watched(happenings: Iterable[T], go_on: Callable[[], None]) -> Iterator[T]:
    for happening in happenings:
        go_on()
        yield happening


def _show_rows(connection: sqlite3.Connection) -> None:
    for table, stream in _STREAMS.items():
        connection.execute(
            f"CREATE TEMP VIEW {table} AS "  # noqa: S608 - own names
            f"SELECT * FROM main.{table} WHERE {stream} NOT IN (SELECT stream_id FROM touched_since) "
            f"UNION ALL SELECT * FROM temp.{_FOLDED}{table}"
        )


def no_order(order_id: str, when: str = "") -> Refused:
    """There is no such order, or there was none at that moment."""
    message = (
        f"order {shown(order_id)} did not exist yet at {when}; order_history tells when it was created"
        if when
        else f"order {shown(order_id)} does not exist; search_orders finds its orderId"
    )
    return Refused(problem_of([violation("ENV-09", "OMS-ORDER-001", "orderId", message)]))


def no_version(order_id: str, version: int, last: int) -> Refused:
    """The order has no such version."""
    return _refusal("OMS-VAL-005", f"order {shown(order_id)} has no version {version}; it has v1 to v{last}")


class Change(NamedTuple):
    """A field before and after an event, as it stands on the wire; None where it had no value."""

    before: Any
    after: Any


_ALWAYS = frozenset({"version", "updatedAt", "transactTime"})
"""What nearly every event changes; it stands with the event itself."""


def changes_between(before: StreamState | None, after: StreamState | None) -> dict[str, Change]:
    """What differs between two states of one stream, by field."""
    was, now = _wire(before), _wire(after)
    names = [name for name in {**now, **was} if name not in _ALWAYS and was.get(name) != now.get(name)]
    return {name: Change(was.get(name), now.get(name)) for name in names}


def _wire(state: StreamState | None) -> dict[str, Any]:
    match state:
        case OrderState():
            return state.order.to_wire()
        case QuoteRequestState():
            quotes = {f"quotes.{name}": quote.state.value for name, quote in state.quotes.items()}
            return {**state.request.to_wire(), **quotes}
        case SettingsState():
            prices = {f"referencePrices.{symbol}": plain(price) for symbol, price in state.prices.items()}
            return {**state.values, **prices}
        case _:
            return {}


def _refusal(code: str, message: str) -> Refused:
    return refused_value("as_of", message, code)
