"""How does a subscriber hear what it asked for? First what matches now, then every later change, once and in order.

A subscription reads the table of events itself until it has caught up; only then is it handed what the tailer reads. So
a subscriber who is busy with a snapshot or a replay is behind, and nothing waits for it and nothing is lost.
"""

import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Self

from oms_engine.domain.filters import Query
from oms_engine.errors import Disconnected, StoreError
from oms_engine.streaming.messages import (
    MessageType,
    ObjectId,
    StreamMessage,
    asked_of,
    key_of,
    leave,
    snapshot,
    update,
)
from oms_engine.streaming.pending import Pending
from oms_engine.streaming.reading import Change, Feed, Reader, Step

if TYPE_CHECKING:
    import asyncio


class Waits:
    """How subscribers wait, by the clock of this machine; a test brings its own."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def block(self, changed: threading.Condition, seconds: float | None) -> None:
        """Wait until something changes, at most so long; None for as long as it takes."""
        changed.wait(seconds)

    async def pause(self, ready: "asyncio.Event", seconds: float) -> None:
        """As `block`, without holding up the loop."""
        import asyncio  # noqa: PLC0415 - costs 30 ms, and only `async for` needs it

        with suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), seconds)


class Terms(NamedTuple):
    """What was subscribed to.

    Attributes:
        topic: One of the topics.
        query: The conditions; they are asked of the object after each message.
        snapshot: What matches is sent first.
        resume_from: The position behind which to go on; no snapshot is sent then.
    """

    topic: str
    query: Query
    snapshot: bool
    resume_from: int | None


class Limits(NamedTuple):
    """What a subscription may hold, and how long it is silent."""

    queue: int
    heartbeat_seconds: float
    kept: int


class Subscription:
    """The messages of one subscriber, for one reader at a time: a thread, or a task of an event loop.

    Use it as a context manager and iterate over it, plainly or with `async for`; or call `take`. Iteration waits for
    the next message and ends when the subscription or its engine is closed.
    """

    def __init__(
        self,
        terms: Terms,
        feed: Feed,
        *,
        limits: Limits,
        clock: Callable[[], datetime],
        waits: Waits,
        join: "Callable[[Subscription], bool]",
        left: "Callable[[Subscription], None]",
    ) -> None:
        self.topic = terms.topic
        self._matches = terms.query.specification
        self._limits = limits
        self._clock = clock
        self._waits = waits
        self._join = join
        self._left = left
        self._changed = threading.Condition()
        self._reading = threading.Lock()
        self._ready: Callable[[], object] | None = None
        self._due: deque[StreamMessage] = deque()
        self._pending = Pending(limits.queue)
        self._shown: set[ObjectId] | None = None
        self._told = terms.resume_from
        self._error: Exception | None = None
        self._closed = False
        self._heard = waits.now()
        self._feed: Feed | None = feed
        self._position = self._begin(terms, feed)

    def _begin(self, terms: Terms, feed: Feed) -> int:
        """Read what is sent first; returns the position behind which changes are told."""
        if terms.resume_from is not None:
            start = terms.resume_from
        elif terms.snapshot:
            start, found = feed.found(terms.query)
            now = self._clock()
            self._due.extend(snapshot(self.topic, subject, version, start, now) for version, subject in found)
            self._due.append(StreamMessage(MessageType.SNAPSHOT_END, self.topic, start, now))
        else:
            self._told = start = feed.position()
            self._shown = set()
        self._reader = Reader(feed, _begin_of_next(feed, start), kept=self._limits.kept)
        return start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[StreamMessage]:
        return self

    def __next__(self) -> StreamMessage:
        message = self.take()
        if message is None:
            raise StopIteration
        return message

    def __aiter__(self) -> AsyncIterator[StreamMessage]:
        return self

    async def __anext__(self) -> StreamMessage:
        import asyncio  # noqa: PLC0415 - as above

        while not self._closed:
            message = self._now()
            if message is not None:
                return message
            if self._feed is None:
                await self._pause()
            else:
                await asyncio.to_thread(self._read_up)
        raise StopAsyncIteration

    @property
    def closed(self) -> bool:
        """Nothing comes any more: the subscription, or its engine, was closed."""
        return self._closed

    @property
    def position(self) -> int | None:
        """Where to resume: what matched up to here has been taken. None before the whole snapshot was."""
        with self._changed:
            return self._told if self._due or self._pending else self._position

    @property
    def reached(self) -> int:
        """The position up to which events have been looked at, taken or not."""
        return self._position

    def take(self, timeout: float | None = None) -> StreamMessage | None:
        """The next message.

        Args:
            timeout: Seconds to wait for something to happen; None waits as long as it takes. What has happened already
                is read in any case.

        Returns:
            The message; None when none came in time, or when the subscription is closed.

        Raises:
            Disconnected: The subscriber was too slow; it says where to resume.
            StoreError: An event of this topic, or the store, cannot be read.
        """
        until = None if timeout is None else self._waits.now() + timeout
        while not self._closed:
            message = self._now()
            if message is not None:
                return message
            if self._feed is not None:
                self._read_up()
            elif until is not None and self._waits.now() >= until:
                break
            else:
                with self._changed:
                    if self._is_idle():
                        self._waits.block(self._changed, self._patience(until))
        return None

    def close(self) -> None:
        """End the subscription; who waits for a message gets none. May be called from any thread, and again."""
        with self._changed:
            self._closed = True
            self._tell()
        self._left(self)
        self._let_go()

    def offer(self, step: Step) -> bool:
        """Hand over what a command did; False when nothing more is to be handed over."""
        with self._changed:
            if self._closed or self._error is not None:
                return False
            try:
                self._keep(step)
            except Exception as error:  # noqa: BLE001 - what is wrong with one subscriber is no matter of the others
                self._error = error
            self._tell()
            return self._error is None

    def _keep(self, step: Step) -> None:
        for message in self._judged(step):
            if not self._pending.add(message):
                self._error = Disconnected(self._position)
                return

    def fail(self, error: Exception) -> None:
        """End the subscription with an error, after what waits for it."""
        with self._changed:
            self._error = self._error or error
            self._tell()

    def _now(self) -> StreamMessage | None:
        """The next message, where there is one now."""
        with self._changed:
            message = self._due.popleft() if self._due else self._pending.take()
            now = self._waits.now()
            if message is None and self._error is not None:
                raise self._error
            if message is None and now >= self._heard + self._limits.heartbeat_seconds:
                message = StreamMessage(MessageType.HEARTBEAT, self.topic, self._position, self._clock())
            if message is not None:
                self._heard = now
                if message.type is not MessageType.SNAPSHOT:
                    self._told = message.position
            return message

    def _read_up(self) -> None:
        """Read on in the table of events; at its end join those who are handed what happens."""
        with self._reading:
            if self._feed is None:
                return
            try:
                steps = self._reader.read()
            except StoreError as error:
                self.fail(error)
                return
            with self._changed:
                for step in steps:
                    if self._error is None:
                        self._due.extend(self._judged(step))
            if not steps and self._join(self):
                self._let_go()

    def _judged(self, step: Step) -> Iterator[StreamMessage]:
        """The messages of a command; the position moves on with each that was taken care of."""
        if self.topic in step.broken:
            self._error = step.broken[self.topic]
            return
        for change in step.changes:
            position = change.message.position
            if change.message.topic == self.topic and position > self._position:
                message = self._message(change)
                if message is not None:
                    yield message
                self._position = position
        self._position = max(self._position, step.position)

    def _message(self, change: Change) -> StreamMessage | None:
        """An UPDATE while the object matches, one LEAVE when an object that was shown does not."""
        if self._matches.is_satisfied_by(asked_of(change.after)):
            if self._shown is not None:
                self._shown.add(key_of(change.after))
            return update(change.message, change.after)
        return leave(change.message) if self._was_shown(change) else None

    def _was_shown(self, change: Change) -> bool:
        """What matched before was shown, in the snapshot or since; without a snapshot only what was told since."""
        if self._shown is None:
            return change.before is not None and self._matches.is_satisfied_by(asked_of(change.before))
        shown = key_of(change.after) in self._shown
        self._shown.discard(key_of(change.after))
        return shown

    def _tell(self) -> None:
        self._changed.notify_all()
        ready, self._ready = self._ready, None
        if ready is not None:
            with suppress(RuntimeError):  # the loop that waited is closed
                ready()

    def _is_idle(self) -> bool:
        return not (self._due or self._pending or self._closed or self._error)

    def _patience(self, until: float | None = None) -> float:
        """Seconds to the next heartbeat, or to the end of waiting when that comes first."""
        beat = self._heard + self._limits.heartbeat_seconds
        return max(0.0, (beat if until is None else min(beat, until)) - self._waits.now())

    async def _pause(self) -> None:
        import asyncio  # noqa: PLC0415 - as above

        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        with self._changed:
            if not self._is_idle():
                return
            self._ready = lambda: loop.call_soon_threadsafe(ready.set)
        try:
            await self._waits.pause(ready, self._patience())
        finally:
            self._ready = None

    def _let_go(self) -> None:
        """Close what it read with."""
        with self._changed:
            feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()


def _begin_of_next(feed: Feed, position: int) -> int:
    """The position to read on behind, so that the command that wrote the next event is seen as a whole."""
    for place, _, command in feed.places(position, 1):
        return feed.begin_of_command(command, place) - 1
    return position
