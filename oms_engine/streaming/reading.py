"""What did each command do to whom? Events behind a position, command by command, with the objects before and after."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple, Protocol

from oms_engine.domain.decider.streams import fold_stream
from oms_engine.domain.events import PRIVACY_STREAM, SETTINGS_STREAM, StoredEvent
from oms_engine.domain.filters import Query
from oms_engine.domain.messages import EXECUTION_EVENTS, ORDER_EVENTS, QUOTE_EVENTS, Message, Subject, messages_of
from oms_engine.domain.model import StreamState
from oms_engine.errors import StoreUnavailable
from oms_engine.streaming.messages import subject_of

CHUNK = 500
"""Events that are read at once; a command that is larger is still read as a whole."""


class Feed(Protocol):
    """The store, as subscriptions read it."""

    def close(self) -> None:
        """Let go of the store."""

    def position(self) -> int:
        """The position of the last event."""

    def events(self, after: int, limit: int) -> list[StoredEvent]:
        """The next events behind a position; raises StoreUnavailable when one of them cannot be read."""

    def places(self, after: int, limit: int) -> Sequence[tuple[int, str, str]]:
        """Position, stream and command of the next events behind a position, readable or not."""

    def begin_of_command(self, command_id: str, position: int) -> int:
        """The position of the first event of the command that wrote the event at a position."""

    def state(self, stream_id: str, up_to: int) -> StreamState | None:
        """The stream as it was at a version."""

    def found(self, query: Query) -> tuple[int, list[tuple[int, Subject]]]:
        """Everything that meets a question now with the version of its stream, and the position that it is true of."""


class Change(NamedTuple):
    """What a command did to one object."""

    message: Message
    before: Subject | None
    after: Subject


class Step(NamedTuple):
    """What a command did: the changes in order of position, and the topics of which some cannot be told, with why."""

    position: int
    changes: tuple[Change, ...]
    broken: dict[str, Exception]


class Reader:
    """Reads on behind a position, one command after the other.

    The objects come from their events alone, so each is as it was after that command, however much happened since.
    """

    def __init__(self, feed: Feed, position: int, *, kept: int) -> None:
        """Begin behind a position.

        Args:
            feed: The store.
            position: The last one that is known.
            kept: Streams that are remembered, those used last; others are folded anew when they change.
        """
        self.position = position
        self._feed = feed
        self._kept = kept
        self._states: OrderedDict[str, StreamState] = OrderedDict()

    def read(self) -> list[Step]:
        """The next commands; empty when there are none yet. Raises StoreError when the store cannot be read."""
        try:
            events = self._whole(self._feed.events(self.position, CHUNK))
        except StoreUnavailable:
            steps = self._read_one()
        else:
            steps = [self._step(command, {}) for command in _by_command(events)]
        if steps:
            self.position = steps[-1].position
        return steps

    def _whole(self, events: list[StoredEvent]) -> list[StoredEvent]:
        """These events and the rest of the last command: a command is seen as a whole or not at all."""
        if len(events) < CHUNK:
            return events
        command = events[-1].command_id
        while more := list(
            takewhile(lambda event: event.command_id == command, self._feed.events(events[-1].position, CHUNK))
        ):
            events += more
        return events

    def _read_one(self) -> list[Step]:
        """The next command, event by event, of which some cannot be read."""
        events: list[StoredEvent] = []
        broken: dict[str, Exception] = {}
        position, command = self.position, None
        while places := self._feed.places(position, 1):
            place, stream, its_command = places[0]
            if command not in {None, its_command}:
                break
            try:
                events += self._feed.events(position, 1)
            except StoreUnavailable as error:
                broken[stream] = error
            position, command = place, its_command
        return [self._step(events, broken, position)] if command else []

    def _step(self, events: Sequence[StoredEvent], broken: dict[str, Exception], position: int = 0) -> Step:
        changes: list[Change] = []
        by_stream: dict[str, list[StoredEvent]] = {}
        for event in events:
            if event.stream_id == PRIVACY_STREAM:
                self._states.clear()  # they may hold what was erased
            elif event.stream_id != SETTINGS_STREAM:
                by_stream.setdefault(event.stream_id, []).append(event)
        failed = dict(broken)
        for stream_id, its_events in by_stream.items():
            if stream_id in broken:
                continue
            try:
                changes += self._changes(stream_id, its_events)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one stream, the others go on
                failed[stream_id] = error
        topics = {topic: error for stream_id, error in failed.items() for topic in _topics_of(stream_id)}
        changes.sort(key=lambda change: change.message.position)
        return Step(position or events[-1].position, tuple(changes), topics)

    def _changes(self, stream_id: str, events: Sequence[StoredEvent]) -> list[Change]:
        before = self._before(stream_id, events[0].version)
        after = fold_stream(stream_id, events, before)
        assert after is not None  # noqa: S101 - there is at least one event
        self._states[stream_id] = after
        self._states.move_to_end(stream_id)
        if len(self._states) > self._kept:
            self._states.popitem(last=False)
        return [_change(message, before, after) for message in messages_of(events, {stream_id: after})]

    def _before(self, stream_id: str, version: int) -> StreamState | None:
        if version == 1:
            return None
        known = self._states.get(stream_id)
        return known if known and known.version == version - 1 else self._feed.state(stream_id, version - 1)


def _change(message: Message, before: StreamState | None, after: StreamState) -> Change:
    subject = subject_of(after, message.exec_id)
    assert subject is not None  # noqa: S101 - there is a message only about what is there
    return Change(message, subject_of(before, message.exec_id), subject)


def _by_command(events: Sequence[StoredEvent]) -> list[list[StoredEvent]]:
    commands: list[list[StoredEvent]] = []
    for event in events:
        if commands and commands[-1][-1].command_id == event.command_id:
            commands[-1].append(event)
        else:
            commands.append([event])
    return commands


def _topics_of(stream_id: str) -> tuple[str, ...]:
    """The topics that hear of a stream."""
    return {"order": (ORDER_EVENTS, EXECUTION_EVENTS), "quote": (QUOTE_EVENTS,)}.get(stream_id.partition("-")[0], ())
