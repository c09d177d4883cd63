"""How does the blotter hear of orders without waiting for the database? From a thread that reads, and tells in batches.

What is shown first is a bounded page; then a subscription goes on behind the position where the page was read, so that
nothing is missed and the memory that is needed does not grow with the store.
"""

import threading
import time
from collections.abc import Callable

from oms_engine import Disconnected, Engine, Order, Refused, StoreError, StreamMessage, Subscription
from oms_engine.domain.vocabulary import State
from oms_engine.streaming.messages import MessageType
from oms_mcp.blotter.news import Broken, Change, Changed, Loaded, Lost, News, Question, Wrong
from oms_mcp.blotter.rows import Sort

MOST_AT_ONCE = 500
"""Messages of one batch; a batch that is full means that more wait."""

GATHER_SECONDS = 0.1
"""How long changes are gathered before they are told: ten times a second is as much as an eye follows."""

_WAIT_SECONDS = 0.2
"""How long a change is waited for, before it is told how far everything was looked at."""

_COUNT_SECONDS = 0.5
_REFRESH_SECONDS = 1.0
_SHARE = 10
"""States are counted, and the first orders read, anew after these times, and after so many times what it took."""

_RETRY_SECONDS = 1.0


class Feed:
    """Reads in a thread of its own. It tells one thing at a time, and goes on when that was `taken`.

    Args:
        engine: What is read; nothing is ever written.
        tell: Called from the thread with what is new.
        most: So many orders are told at first.
        question: What is wanted at first.
    """

    def __init__(self, engine: Engine, tell: Callable[[News], None], *, most: int, question: Question) -> None:
        self._engine = engine
        self._tell = tell
        self._most = most
        self._asked: Question | None = question
        self._changed = threading.Condition()
        self._subscription: Subscription | None = None
        self._paused = self._stopped = False
        self._was_taken = True
        self._position = 0
        self._counted = self._counting = 0.0
        self._loaded_at = self._loading = 0.0
        self._owes_count = False
        self._is_worn = False
        self._total = 0
        self._said: tuple[int, bool] | None = None
        self._thread = threading.Thread(target=self._run, name="oms-blotter", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until nothing is read any more."""
        self._stopped = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()

    def ask(self, question: Question) -> None:
        """Answer another question from now on."""
        with self._changed:
            self._asked = question
        self._wake()

    def pause(self, *, paused: bool) -> None:
        """Tell nothing for a while; afterwards everything that happened meanwhile is told."""
        self._paused = paused
        self._wake()

    def taken(self) -> None:
        """What was told has been dealt with; the next may be told."""
        with self._changed:
            self._was_taken = True
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
            subscription = self._subscription
        if subscription is not None:
            subscription.close()

    def _run(self) -> None:
        question = self._asked
        while not self._stopped and question is not None:
            try:
                question = self._answer(question)
            except StoreError as error:
                self._say(Lost(str(error)))
                with self._changed:
                    self._asked = self._asked or question
                    self._changed.wait_for(lambda: self._stopped, _RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
                self._say(Broken(error))
                return

    def _answer(self, before: Question) -> Question:
        """Answer what was asked last until something else is wanted; returns the question that is answered."""
        question = self._loaded(before)
        if not self._paused:
            self._listen(question)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._asked is not None or not self._paused)
        return question

    def _loaded(self, before: Question) -> Question:
        with self._changed:
            asked, self._asked = self._asked, None
        if asked is None:
            return before
        try:
            loaded = self._load(asked)
        except Refused as refused:
            self._said = None  # so that it is told again how far the question before is answered
            self._say(Wrong(asked, refused.problem))
            return before
        except StoreError:
            with self._changed:
                self._asked = self._asked or asked
            raise
        self._position, self._said = loaded.position, None
        self._say(loaded)
        return asked

    def _load(self, question: Question) -> Loaded:
        """The first orders, page by page; what changes meanwhile is told later: the position was read before them."""
        begun = time.monotonic()
        position = self._engine.position
        standing = self._count(question)
        found: list[Order] = []
        cursor: str | None = "*"
        size = min(self._most, self._engine.settings.max_size)
        while cursor and len(found) < self._most:
            page = self._engine.query(where=question.where, sort=question.sort.to_query(), size=size, cursor=cursor)
            found += (record for record in page.content if isinstance(record, Order))
            cursor = page.next_cursor
        self._loaded_at = time.monotonic()
        self._loading, self._is_worn = self._loaded_at - begun, False
        return Loaded(question, found[: self._most], standing, position)

    def _listen(self, question: Question) -> None:
        """Tell what changes, until something else is wanted; first of all how far everything was looked at."""
        self._said = None
        with self._engine.follow(where=question.where, resume_from=self._position) as subscription:
            self._subscription = subscription
            try:
                while not (self._stopped or self._paused or self._asked):
                    self._tell_changes(question, subscription)
            except Disconnected as ended:
                self._position = ended.resume_from
            finally:
                self._subscription = None

    def _tell_changes(self, question: Question, subscription: Subscription) -> None:
        changes = self._gathered(subscription, 0.0 if self._said is None else _WAIT_SECONDS)
        if subscription.position is not None:
            self._position = subscription.position
        now = time.monotonic()
        due = now >= self._counted + max(_COUNT_SECONDS, self._counting * _SHARE)
        owes = changes or self._owes_count
        standing = self._count(question) if due and owes else None
        self._owes_count = bool(owes) and standing is None
        self._is_worn |= bool(changes)
        if self._needs_reading(question, now):
            with self._changed:
                self._asked = self._asked or question
        behind = len(changes) >= MOST_AT_ONCE
        if changes or standing is not None or self._said != (self._position, behind):
            self._said = (self._position, behind)
            self._say(Changed(changes, standing, self._position, behind))

    def _needs_reading(self, question: Question, now: float) -> bool:
        """Could orders come first by now of which nothing is known here? By creation the first ones stay the first."""
        due = now >= self._loaded_at + max(_REFRESH_SECONDS, self._loading * _SHARE)
        return due and self._is_worn and self._total > self._most and question.sort.field != Sort().field

    def _gathered(self, subscription: Subscription, wait: float) -> list[Change]:
        """The changes of a moment, the last one alone of each order; none where none begins in time."""
        found: dict[str, Change] = {}
        message = subscription.take(wait)
        until = time.monotonic() + GATHER_SECONDS
        while message is not None:
            if message.key is not None and message.version is not None:
                order = message.state if message.type is not MessageType.LEAVE else None
                found[message.key] = Change(message.key, message.version, order if isinstance(order, Order) else None)
            message = _next(subscription, until) if len(found) < MOST_AT_ONCE else None
        return [*found.values()]

    def _count(self, question: Question) -> dict[State, int]:
        begun = time.monotonic()
        counted = self._engine.standing(question.where)
        self._counted = time.monotonic()
        self._counting = self._counted - begun
        self._total = sum(counted.values())
        return counted

    def _say(self, news: News) -> None:
        """Tell, when what was told before has been dealt with."""
        with self._changed:
            self._changed.wait_for(lambda: self._was_taken or self._stopped)
            if self._stopped:
                return
            self._was_taken = False
        self._tell(news)


def _next(subscription: Subscription, until: float) -> StreamMessage | None:
    """The next message, where it comes in time; a subscription that ends says so when it is asked again."""
    try:
        return subscription.take(max(0.0, until - time.monotonic()))
    except Disconnected:
        return None
