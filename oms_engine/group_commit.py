"""How do many callers share one write to the disk? They queue, one thread carries all out, and one commit ends it.

What costs is the commit, not the command: while one is on its way to the disk the next callers queue, so each commit
takes along whoever came meanwhile. Nobody is answered before the commit that holds their command.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")

MOST_AT_ONCE = 256
"""So many commands share a commit at most: a longer transaction would keep other processes waiting."""


class Closed(Exception):
    """Nothing is taken in any more."""


class _Waiting(NamedTuple, Generic[A, R]):
    """What one caller asked for, and where the answer goes."""

    asked: A
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[R]"


class GroupCommit(Generic[A, R]):
    """One thread that writes for all callers of this process; it runs from the first of them on until `close`.

    Args:
        write: Carries out what was asked, in order and in one transaction; returns an answer for each, and raises
            nothing for what concerns one of them alone.
    """

    def __init__(self, write: Callable[[Sequence[A]], Sequence[R]]) -> None:
        self._write = write
        self._queue: deque[_Waiting[A, R]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    async def submit(self, asked: A) -> R:
        """Have something carried out; returns the answer when it is durable.

        A caller that is cancelled while it waits gets no answer; what it asked for may be carried out all the same.

        Raises:
            Closed: The store is being closed; what was asked for is not carried out.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(asked, loop, loop.create_future())
        with self._changed:
            if self._closing:
                raise Closed
            self._queue.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="oms-group-commit", daemon=True)
                self._thread.start()
            self._changed.notify()
        answer: R = await waiting.answer
        return answer

    def close(self) -> None:
        """Carry out what has been queued, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while taken := self._take():
            try:
                answers = self._write([waiting.asked for waiting in taken])
            except BaseException as error:  # noqa: BLE001 - whoever waits is told; the thread goes on for the next ones
                told = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__} while writing")
                self._hand_over(taken, [told] * len(taken), _fail)
            else:
                self._hand_over(taken, answers, _answer)

    def _take(self) -> list[_Waiting[A, R]]:
        """Who waits now, at most so many; waits for the first, and gives nobody when all is done."""
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            return [self._queue.popleft() for _ in range(min(len(self._queue), MOST_AT_ONCE))]

    def _hand_over(
        self,
        taken: Sequence[_Waiting[A, R]],
        answers: Sequence[T],
        answer: "Callable[[asyncio.Future[R], T], None]",
    ) -> None:
        """Wake each event loop once, however many of its callers wait."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[R], T]]] = {}
        for waiting, told in zip(taken, answers, strict=True):
            by_loop.setdefault(waiting.loop, []).append((waiting.answer, told))
        for loop, pairs in by_loop.items():
            with suppress(RuntimeError):  # a loop that was closed has nobody left who waits
                loop.call_soon_threadsafe(_all, answer, pairs)


def _all(answer: "Callable[[asyncio.Future[R], T], None]", pairs: "Sequence[tuple[asyncio.Future[R], T]]") -> None:
    for future, told in pairs:
        if not future.done():  # whoever was cancelled waits no more
            answer(future, told)


def _answer(future: "asyncio.Future[R]", told: R) -> None:
    future.set_result(told)


def _fail(future: "asyncio.Future[R]", error: Exception) -> None:
    future.set_exception(error)
