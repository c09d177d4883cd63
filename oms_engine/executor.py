"""How are commands carried out: one alone, many in a batch, or those of many callers together?"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from oms_engine.batch import Batch, Envelope
from oms_engine.domain.catalogue import violation
from oms_engine.domain.commands import Command, Draft, parse
from oms_engine.domain.events import Sender, StoredEvent
from oms_engine.domain.model import SettingsState
from oms_engine.errors import StoreError, StoreUnavailable, shown
from oms_engine.framework.orchestration import PipelineResult, TaskOrchestrator
from oms_engine.group_commit import Closed, GroupCommit
from oms_engine.results import Outcome, accepted, refused, repeated, store_failed
from oms_engine.settings import Settings
from oms_engine.storage.event_store import EventStore
from oms_engine.unit_of_work import CommandRate, Listener, UnitOfWork, tell
from oms_engine.workflows import PIPELINE, OrderTaskContext

Clock = Callable[[], datetime]
NewId = Callable[[str], str]

MAX_BATCH = 10_000

_NOBODY = Sender()


class BatchOutcome(NamedTuple):
    """What a batch did. With `rolled_back` nothing of it was stored; `not_run` counts the commands never reached.

    `warnings` tells of listeners that failed after the commit.
    """

    outcomes: list[Outcome]
    not_run: int
    rolled_back: bool
    warnings: tuple[str, ...] = ()


class Executor:
    """Carries out commands in transactions of one store.

    Args:
        store: Where they are written.
        settings: What is set, given what was changed in the store.
        clock: Gives the time.
        new_id: Makes an id with a given prefix.
        session_id: Session of commands that name none.
    """

    def __init__(
        self,
        store: EventStore,
        settings: Callable[[SettingsState], Settings],
        *,
        clock: Clock,
        new_id: NewId,
        session_id: str,
    ) -> None:
        self.listeners: list[Listener] = []
        self.rate = CommandRate()
        self._store = store
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._session_id = session_id
        self._orchestrator = TaskOrchestrator(time.perf_counter_ns)
        self._together = GroupCommit(self._write_together)

    def close(self) -> None:
        """Carry out what was submitted, and take nothing more in from many callers."""
        self._together.close()

    def go_on_counting(self, other: "Executor") -> None:
        """As `Engine.go_on_counting`."""
        self.rate = other.rate

    def run(self, command: Command | Mapping[str, Any], *, sender: Sender = _NOBODY, dry_run: bool = False) -> Outcome:
        """As `Engine.run`."""
        draft = draft_of(command)
        try:
            with self._store.writing():
                unit = UnitOfWork(self._store, self.listeners, self.rate, dry_run=dry_run)
                return self._carry_out(draft, unit, sender)
        except StoreError as error:
            return self._not_stored(draft, sender, error, dry_run=dry_run)

    def execute_many(
        self,
        commands: Iterable[Command | Mapping[str, Any]],
        *,
        atomic: bool = False,
        dry_run: bool = False,
        sender: Sender = _NOBODY,
    ) -> BatchOutcome:
        """As `Engine.execute_many`."""
        drafts = [draft_of(command) for command in commands]
        if len(drafts) > MAX_BATCH:
            raise ValueError(f"a batch has at most {MAX_BATCH} commands, not {len(drafts)}; send it in parts")
        outcomes: list[Outcome] = []
        with self.batch(sender=sender, dry_run=dry_run) as batch:
            for draft in drafts:
                outcomes.append(batch.run(draft))
                if atomic and not outcomes[-1].result.ok:
                    batch.take_back()
                    break
        return BatchOutcome(outcomes, len(drafts) - len(outcomes), batch.taken_back, batch.warnings)

    @contextmanager
    def batch(self, *, sender: Sender = _NOBODY, dry_run: bool = False) -> Iterator[Batch]:
        """As `Engine.batch`; with `dry_run` everything is taken back at the end."""
        batch = Batch(partial(self._in_savepoint, dry_run=dry_run), sender, self._store.note)
        with self._store.writing():
            try:
                yield batch
            finally:
                batch.end()
            batch.require_sound()
            stored = not (batch.taken_back or dry_run)
            if stored:
                self._store.commit()
        if stored and batch.published:
            batch.warnings = tuple(tell(self.listeners, batch.published))

    async def submit(self, command: Command | Mapping[str, Any], *, sender: Sender = _NOBODY) -> Outcome:
        """As `Engine.submit`, with the order before and after."""
        self._store.require_not_writing()
        asked = (draft_of(command), sender)
        try:
            return await self._together.submit(asked)
        except Closed:
            return self._not_stored(*asked, StoreUnavailable("the engine is closed; open the store again"))

    def _write_together(self, asked: Sequence[tuple[Draft, Sender]]) -> list[Outcome]:
        """Carry out commands of several callers in one transaction; where it cannot be written, each is told."""
        published: list[StoredEvent] = []
        try:
            with self._store.writing():
                outcomes = [self._in_savepoint(draft, sender, published) for draft, sender in asked]
                if published:
                    self._store.commit()
        except StoreError as error:
            return [self._not_stored(draft, sender, error) for draft, sender in asked]
        tell(self.listeners, published)
        return outcomes

    def _in_savepoint(
        self, command: Envelope, sender: Sender, published: list[StoredEvent], *, dry_run: bool = False
    ) -> Outcome:
        draft = draft_of(command)
        with self._store.savepoint():
            unit = UnitOfWork(self._store, [published.extend], self.rate, dry_run=dry_run, nested=True)
            return self._carry_out(draft, unit, sender)

    def _not_stored(self, draft: Draft, sender: Sender, error: StoreError, *, dry_run: bool = False) -> Outcome:
        unit = UnitOfWork(self._store, (), self.rate, dry_run=dry_run)
        failed = self._context(draft, unit, sender, SettingsState())
        return Outcome(store_failed(failed, error), None, None, dry_run)

    def _carry_out(self, draft: Draft, unit: UnitOfWork, sender: Sender) -> Outcome:
        context = self._context(draft, unit, sender, self._store.settings())
        unit.begin(context)
        finished = self._orchestrator.run(PIPELINE, context)
        if not finished.success:
            _raise_what_sqlite_said(finished)
            return refused(context, finished)
        return self._repeated(context, finished) if context.repeat else accepted(context, finished)

    def _context(self, draft: Draft, unit: UnitOfWork, sender: Sender, changed: SettingsState) -> OrderTaskContext:
        return OrderTaskContext(
            draft,
            settings=self._settings(changed),
            set_before=changed,
            ledger=unit,
            now=self._store.not_before(self._clock()),
            new_id=self._new_id,
            sender=sender._replace(session_id=self._session_id) if sender.session_id is None else sender,
            dry_run=unit.dry_run,
        )

    def _repeated(self, context: OrderTaskContext, finished: PipelineResult) -> Outcome:
        """The answer to a command that was carried out before, rebuilt from the events it wrote."""
        repeat = context.repeat
        assert repeat is not None  # noqa: S101 - asked only for a repeat
        events: list[StoredEvent] = []
        if repeat.recorded is not None:
            last = repeat.recorded.last_position
            events = self._store.events(after=repeat.recorded.first_position - 1, up_to=last)
            version = max(event.version for event in events if event.stream_id == repeat.stream_id)
            state = self._store.state(repeat.stream_id, up_to=version)
        else:
            state = self._store.state(repeat.stream_id)
            if context.command and context.command.type == "OrderCreateCmd":
                created = next(iter(self._store.stream(repeat.stream_id, up_to=1)))
                recorded = self._store.command(created.command_id)
                events = self._store.events(after=created.position - 1, up_to=recorded and recorded.last_position)
        assert state is not None  # noqa: S101 - a repeat names a stream that exists
        return repeated(context, finished, state, events)


def _raise_what_sqlite_said(finished: PipelineResult) -> None:
    """A task that could not read the store failed for no reason of its own; the store translates what it said."""
    for task in finished.task_results:
        if isinstance(task.exception, sqlite3.Error):
            raise task.exception


def draft_of(command: Envelope) -> Draft:
    """What could be read of a command or an envelope."""
    if isinstance(command, Draft):
        return command
    if isinstance(command, Command):
        return Draft(command.type, command)
    if isinstance(command, Mapping):
        return parse(command)
    message = f"an envelope must be a JSON object with a type, not {shown(command)}"
    return Draft("", None, envelope=(violation("ENV-01", "OMS-VAL-004", "type", message),))
