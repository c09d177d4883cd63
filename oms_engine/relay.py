"""How do messages get out of the store? Taken in batches, handed over in order per key, deleted when they were taken.

Delivery is at least once: a relay that dies between handing over and deleting leaves its messages to the next one, so
consumers ignore versions of a key that they have seen. Several relays, in several processes, share the keys: each holds
a lease on the keys of its batch, and nobody else touches those meanwhile.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import NamedTuple, Self

from oms_engine.destinations import Called, Destination, JsonLines, Printed, ReaderGone, Receive
from oms_engine.errors import StoreBusy, StoreUnavailable, in_one_line
from oms_engine.storage.outbox import Clock, Delivery, Failure, Outbox, SinkRow
from oms_engine.storage.sinks import FILE, STDOUT, Sinks

Wait = Callable[[float], object]
"""Waits so many seconds, or less when it is woken."""

LEASE = timedelta(seconds=30)
"""How long a relay may take for a batch before others may take its keys over."""


class Pace(NamedTuple):
    """How a relay works: the settings outbox.pollMs, outbox.batch and outbox.maxAttempts."""

    poll_ms: int
    batch: int
    max_attempts: int


class Round(NamedTuple):
    """What a relay did: messages that were delivered, that failed, and of those that were parked.

    `filled` counts the parts of earlier events that messages were made of.
    """

    delivered: int = 0
    failed: int = 0
    parked: int = 0
    filled: int = 0

    def plus(self, other: "Round") -> "Round":
        """Both together."""
        return Round(*(mine + its for mine, its in zip(self, other, strict=True)))


class Relay:
    """Delivers the messages of a store to its sinks. Use it as a context manager, or call `close`.

    Attributes:
        stuck: Sinks for which messages of earlier events cannot be made, and why.
        failing: The last message that a sink did not take, until it takes one of the same key.
    """

    def __init__(
        self,
        sinks: Sinks,
        outbox: Outbox,
        *,
        owner: str,
        pace: Pace,
        clock: Clock,
        receivers: Mapping[str, Receive] | None = None,
        only: Collection[str] = (),
        wait: Wait | None = None,
        lease: timedelta = LEASE,
    ) -> None:
        """A relay.

        Args:
            sinks: The sinks of the store.
            outbox: The messages of the store.
            owner: A name that no other relay has.
            pace: How often it looks, how much it takes, and when it gives up.
            clock: Gives the time.
            receivers: The function of a sink, by the sink's name; it comes before what the sink was registered with.
            only: The sinks to deliver to; all where none is named.
            wait: How time passes between two looks; by default until `wake` or `stop` is called, at most that long.
            lease: How long a batch may take.
        """
        self._sinks = sinks
        self._outbox = outbox
        self._owner = owner
        self._pace = pace
        self._clock = clock
        self._receivers = dict(receivers or {})
        self._only = frozenset(only)
        self._woken: SimpleQueue[None] = SimpleQueue()  # unlike an Event it may be used in a signal handler
        self._stopping = False
        self._wait = wait or self._wait_to_be_woken
        self._lease = lease
        self._end: Callable[[], None] = _nothing
        self._open: dict[str, tuple[SinkRow, Destination]] = {}
        self.stuck: dict[str, str] = {}
        self.failing: dict[str, Failure] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the sinks; messages that are left wait for the next relay."""
        self._end()
        self._end = _nothing
        for _, destination in self._open.values():
            destination.close()
        self._open.clear()

    def stop(self) -> None:
        """Let `run` end after the message it is at; may be called from a signal handler or another thread."""
        self._stopping = True
        self.wake()

    def wake(self) -> None:
        """There may be something to deliver."""
        if self._woken.empty():
            self._woken.put(None)

    def when_closed(self, end: Callable[[], None]) -> None:
        """What else ends when the relay is closed."""
        self._end = end

    def _wait_to_be_woken(self, seconds: float) -> None:
        with suppress(Empty):
            self._woken.get(timeout=seconds)

    def run(self, told: Callable[[Round], object] = lambda _round: None) -> Round:
        """Deliver until `stop` is called; returns what was done.

        Args:
            told: Called after every round that did something.

        Raises:
            ReaderGone: Nobody reads what is printed any more.
            StoreError: The store cannot be used; a store that is busy is waited for.
        """
        total = Round()
        while not self._stopping:
            try:
                done = self.round()
            except StoreBusy:
                done = Round()  # another process writes; what was handed over is handed over again
            if any(done):
                total = total.plus(done)
                told(done)
            else:
                self._wait(self._pace.poll_ms / 1_000)
        return total

    def run_once(self, told: Callable[[Round], object] = lambda _round: None) -> Round:
        """Deliver until nothing is due; returns what was done. Raises as `run`, and StoreBusy too."""
        total = Round()
        while not self._stopping and any(done := self.round()):
            total = total.plus(done)
            told(done)
        return total

    def without_receiver(self) -> list[str]:
        """The sinks whose messages wait because this relay was given no function for them."""
        return [sink.name for sink in self._mine() if self._destination(sink) is None]

    def round(self) -> Round:
        """One batch for every sink; one that cannot go on does not hold up the others, see `stuck`."""
        done = Round()
        for sink in self._mine():
            destination = self._destination(sink)
            if destination is not None and self._filled(sink):
                done = done.plus(Round(filled=not sink.complete))
                done = done.plus(self._batch(sink, destination))
        return done

    def _filled(self, sink: SinkRow) -> bool:
        """Make some more messages of earlier events, where any are missing; could they be made?"""
        self.stuck.pop(sink.name, None)
        if sink.complete:
            return True
        try:
            self._sinks.fill(sink.name)
        except StoreUnavailable as error:
            self.stuck[sink.name] = str(error)
            return False
        return True

    def _mine(self) -> list[SinkRow]:
        return [sink for sink in self._sinks.all() if not self._only or sink.name in self._only]

    def _destination(self, sink: SinkRow) -> Destination | None:
        known, destination = self._open.get(sink.name, (None, None))
        if destination is not None and known is not None:
            if (known.kind, known.target) == (sink.kind, sink.target):
                return destination
            destination.close()
        destination = self._made(sink)
        if destination is not None:
            self._open[sink.name] = (sink, destination)
        return destination

    def _made(self, sink: SinkRow) -> Destination | None:
        if sink.name in self._receivers:
            return Called(self._receivers[sink.name])
        if sink.kind == FILE and sink.target:
            return JsonLines(sink.target)
        return Printed() if sink.kind == STDOUT else None

    def _batch(self, sink: SinkRow, destination: Destination) -> Round:
        until = self._clock() + self._lease
        claimed = self._outbox.claim(sink, self._owner, self._pace.batch, self._lease)
        if not claimed:
            return Round()
        sent: list[Delivery] = []
        failures: dict[str, Failure] = {}
        try:
            for delivery in claimed:
                if self._stopping or self._clock() >= until:
                    break
                if delivery.key not in failures:
                    _hand_over(delivery, destination, sent, failures)
        finally:
            sent = _made_to_last(destination, sent, failures)
            parked = self._outbox.settle(
                sink, self._owner, sent, failures.values(), max_attempts=self._pace.max_attempts
            )
            self._remember(sink.name, sent, failures)
        return Round(len(sent), len(failures), parked)

    def _remember(self, sink: str, sent: Sequence[Delivery], failures: Mapping[str, Failure]) -> None:
        if sink in self.failing and any(delivery.key == self.failing[sink].delivery.key for delivery in sent):
            del self.failing[sink]
        if failures:
            self.failing[sink] = list(failures.values())[-1]


def _nothing() -> None: ...


def _hand_over(
    delivery: Delivery, destination: Destination, sent: list[Delivery], failures: dict[str, Failure]
) -> None:
    try:
        destination.send(delivery.payload)
    except ReaderGone:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a sink raises is a message that was not delivered
        failures[delivery.key] = Failure(delivery, in_one_line(error))
    else:
        sent.append(delivery)


def _made_to_last(destination: Destination, sent: list[Delivery], failures: dict[str, Failure]) -> list[Delivery]:
    """What was delivered; where the sink could not keep it, the first message of each key has failed."""
    try:
        destination.flush()
    except Exception as error:  # noqa: BLE001 - as above
        for delivery in reversed(sent):
            failures[delivery.key] = Failure(delivery, in_one_line(error))
        destination.close()
        return []
    return sent
