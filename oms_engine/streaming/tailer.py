"""How do changes reach all who follow? One thread reads behind the last event and hands each command to everybody.

It looks at the table of events, so it sees what any process wrote, each event once and in order of position. A commit
of this process wakes it; those of others it finds by looking again every few milliseconds. Reading needs no write lock.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from oms_engine.domain.catalogue import refused_value
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.filters import Where, read_query
from oms_engine.errors import shown
from oms_engine.settings import Settings
from oms_engine.streaming.messages import ENTITY_OF
from oms_engine.streaming.reading import Feed, Reader, Step
from oms_engine.streaming.subscription import Limits, Subscription, Terms, Waits

POLL_SECONDS = 0.025
"""How long a commit of another process may go unseen."""

Listen = Callable[[Callable[[Sequence[StoredEvent]], None]], Callable[[], None]]


class Tailer:
    """The subscriptions of one engine, and the thread that feeds them while there are any."""

    def __init__(
        self, open_feed: Callable[[], Feed], listen: Listen, *, clock: Callable[[], datetime], waits: Waits
    ) -> None:
        """Nothing is opened and nothing runs before somebody follows.

        Args:
            open_feed: Opens the store for reading.
            listen: Has a function called with each commit of this engine; returns what ends that.
            clock: Gives the time of snapshots and heartbeats.
            waits: How subscribers wait.
        """
        self._open_feed = open_feed
        self._listen = listen
        self._clock = clock
        self._waits = waits
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._open: set[Subscription] = set()
        self._fed: set[Subscription] = set()
        self._thread: threading.Thread | None = None
        self._position = 0
        self._kept = 0

    def follow(
        self, settings: Settings, topic: str, *, where: Where, snapshot: bool, resume_from: int | None
    ) -> Subscription:
        """Begin a subscription; raises Refused where what is asked for cannot be read."""
        if topic not in ENTITY_OF:
            raise refused_value("topic", f"topic {shown(topic)} is unknown; use one of {', '.join(ENTITY_OF)}")
        terms = Terms(topic, read_query(settings, entity=ENTITY_OF[topic], where=where), snapshot, resume_from)
        limits = Limits(settings.stream_queue, settings.stream_heartbeat_seconds, settings.cached_streams)
        feed = self._open_feed()
        try:
            _require_position(resume_from, feed)
            subscription = Subscription(
                terms,
                feed,
                limits=limits,
                clock=self._clock,
                waits=self._waits,
                join=self._join,
                left=self._leave,
            )
        except BaseException:
            feed.close()
            raise
        with self._lock:
            self._kept = limits.kept
            self._open.add(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription and the thread."""
        with self._lock:
            everybody = list(self._open)
            thread = self._thread
        for subscription in everybody:
            subscription.close()
        self._woken.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _join(self, subscription: Subscription) -> bool:
        """Feed a subscription from now on; False when it has not seen all that the others have."""
        with self._lock:
            if subscription.closed:
                return False
            if self._thread is None:
                self._position = subscription.reached
                self._thread = threading.Thread(target=self._run, name="oms-tailer", daemon=True)
                self._thread.start()
            elif subscription.reached < self._position:
                return False
            self._fed.add(subscription)
            return True

    def _leave(self, subscription: Subscription) -> None:
        with self._lock:
            self._open.discard(subscription)
            self._fed.discard(subscription)
        self._woken.set()

    def _run(self) -> None:
        stop_listening = self._listen(lambda _events: self._woken.set())
        feed = None
        try:
            feed = self._open_feed()
            reader = Reader(feed, self._position, kept=self._kept)
            while self._goes_on():
                self._woken.clear()
                steps = reader.read()
                for step in steps:
                    self._hand_over(step)
                if not steps:
                    self._woken.wait(POLL_SECONDS)
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self._fail(error)
        finally:
            stop_listening()
            if feed is not None:
                feed.close()

    def _goes_on(self) -> bool:
        """Is anybody fed? The thread ends otherwise, and the next who joins starts another."""
        with self._lock:
            if not self._fed:
                self._thread = None
            return bool(self._fed)

    def _hand_over(self, step: Step) -> None:
        with self._lock:
            self._fed = {subscription for subscription in self._fed if subscription.offer(step)}
            self._position = step.position

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._thread = None
            failed, self._fed = self._fed, set()
        for subscription in failed:
            subscription.fail(error)


def _require_position(position: int | None, feed: Feed) -> None:
    if position is None:
        return
    if not isinstance(position, int) or isinstance(position, bool):
        raise refused_value("resumeFrom", f"resumeFrom {shown(position)} is no position; give a whole number")
    last = feed.position()
    if not 0 <= position <= last:
        message = f"resumeFrom {shown(position)} is no position of this store; give 0 (all) to {last} (what comes)"
        raise refused_value("resumeFrom", message, "OMS-VAL-005")
