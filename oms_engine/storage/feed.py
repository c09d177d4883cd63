"""What happened behind a position, and what did it look like then? The store as live subscriptions read it."""

from typing import NamedTuple

from oms_engine.domain.events import StoredEvent, quote_stream_of, stream_of
from oms_engine.domain.filters import Query
from oms_engine.domain.messages import Subject
from oms_engine.domain.model import Execution, Order, OrderState, QuoteRequest, QuoteRequestState, StreamState
from oms_engine.errors import StoreUnavailable
from oms_engine.record import Record
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.queries import every

Found = tuple[int, Subject]
"""Something that can be followed, with the version of its stream."""


class Place(NamedTuple):
    """Where an event stands, whether or not it can be read."""

    position: int
    stream_id: str
    command_id: str


class Feed:
    """Reads a store beside its writers: a file through a connection of its own, so that nobody waits for anybody."""

    def __init__(self, store: EventStore) -> None:
        self._store = store.reader()
        self._own = self._store is not store

    def close(self) -> None:
        """Let go of the connection."""
        if self._own:
            self._store.close()

    def position(self) -> int:
        """The position of the last event; 0 while there is none."""
        with self._store.reading():
            return self._store.next_position() - 1

    def events(self, after: int, limit: int) -> list[StoredEvent]:
        """The next events behind a position; raises StoreUnavailable when one of them cannot be read."""
        with self._store.reading():
            return self._store.events(after=after, limit=limit)

    def places(self, after: int, limit: int) -> list[Place]:
        """Where the next events behind a position stand; reads none of them."""
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT position, stream_id, command_id FROM events WHERE position > ? ORDER BY position LIMIT ?",
                (after, limit),
            )
            return [Place(*row) for row in rows]

    def begin_of_command(self, command_id: str, position: int) -> int:
        """The position of the first event of the command that wrote the event at a position."""
        with self._store.reading():
            recorded = self._store.command(command_id)
            return recorded.first_position if recorded else position

    def state(self, stream_id: str, up_to: int) -> StreamState | None:
        """The stream as it was at a version."""
        with self._store.reading():
            return self._store.state(stream_id, up_to=up_to)

    def found(self, query: Query) -> tuple[int, list[Found]]:
        """Everything that meets the conditions of a question now, each with the version of its stream.

        The first value is the position of the last event that is in it: everything was read from one view of the store.
        """
        with self._store.reading():
            versions: dict[str, int] = {}
            found = [self._subject(record, versions) for record in every(self._store, query)]
            for stream_id in self._parked():
                found = self._from_events(stream_id, query, found)
            return self.position(), found

    def _parked(self) -> list[str]:
        """The streams of which the read model is behind."""
        rows = self._store.connection.execute("SELECT DISTINCT stream_id FROM parked_events ORDER BY 1")
        return [row[0] for row in rows]

    def _from_events(self, stream_id: str, query: Query, found: list[Found]) -> list[Found]:
        """What was found, with one stream as its events say; as the read model has it where they cannot be read."""
        try:
            state = self._store.state(stream_id)
        except StoreUnavailable:
            return found
        matches = query.specification.is_satisfied_by
        subjects: list[tuple[Record, Subject]] = []
        match state:
            case OrderState() if query.entity.name == "order":
                subjects = [(state.order, state.order)]
            case OrderState() if query.entity.name == "execution":
                subjects = [(execution, execution) for execution in state.executions.values()]
            case QuoteRequestState() if query.entity.name == "quote_request":
                subjects = [(state.request, state)]
            case _:
                return found
        others = [each for each in found if _stream_of(each[1]) != stream_id]
        return [*others, *((state.version, subject) for asked, subject in subjects if matches(asked))]

    def _subject(self, record: Record, versions: dict[str, int]) -> Found:
        match record:
            case Order():
                return record.version, record
            case Execution(order_id=order_id):
                if order_id not in versions:
                    versions[order_id] = self._version(order_id)
                return versions[order_id], record
            case _:
                assert isinstance(record, QuoteRequest)  # noqa: S101 - nothing else can be followed
                quotes = self._store.quotes(record.quote_req_id)
                assert quotes is not None  # noqa: S101 - its row was written with its first event
                return quotes.version, quotes

    def _version(self, order_id: str) -> int:
        row = self._store.connection.execute("SELECT version FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        return int(row[0])


def _stream_of(subject: Subject) -> str:
    match subject:
        case QuoteRequestState():
            return quote_stream_of(subject.request.quote_req_id)
        case _:
            return stream_of(subject.order_id)
