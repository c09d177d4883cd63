"""What can a program do with the order management engine? Open it, execute commands, ask questions, close it."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from oms_engine.batch import Batch
from oms_engine.checking import checked_from, checked_of, following
from oms_engine.destinations import Receive
from oms_engine.domain.catalogue import violation
from oms_engine.domain.commands import Command, CommandResult
from oms_engine.domain.events import Sender, StoredEvent, stream_of
from oms_engine.domain.filters import Where, read_group, read_query
from oms_engine.domain.lifecycle import NextState, TransitionCheck
from oms_engine.domain.messages import ORDER_EVENTS
from oms_engine.domain.model import Execution, Order, OrderState, SettingsState
from oms_engine.domain.rules.envelope import ID_FORM
from oms_engine.domain.rules.settings import misspelt_roles
from oms_engine.domain.vocabulary import State
from oms_engine.errors import Refused, SettingsError, StoreError, problem_of, shown
from oms_engine.executor import BatchOutcome, Clock, Executor, NewId
from oms_engine.projections import READ_MODEL, Projection, Projections, ProjectionStatus, RetryResult
from oms_engine.relay import Pace, Relay, Wait
from oms_engine.results import Outcome
from oms_engine.settings import FIXED_AT_OPENING, Settings
from oms_engine.storage import copies
from oms_engine.storage.archive import Archived, export, import_archive
from oms_engine.storage.chain import chained_from
from oms_engine.storage.connections import MEMORY
from oms_engine.storage.copies import Backup, Compacted, backup, compact, placed, require_apart
from oms_engine.storage.erasure import Erased, Request, erase
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.feed import Feed
from oms_engine.storage.fingerprint import events_hash
from oms_engine.storage.flow import MOST_EVENTS, Flow, flow, standing
from oms_engine.storage.outbox import Outbox, checked_reason
from oms_engine.storage.past import Change, Moment, PastStore, changes_between, no_order, no_version
from oms_engine.storage.projections import Progress, refill
from oms_engine.storage.queries import (
    Groups,
    Page,
    Tree,
    due_orders,
    grouped,
    order_row,
    pending_orders,
    read_tree,
    run,
)
from oms_engine.storage.schema import utc_now
from oms_engine.storage.sealing import sealed_from
from oms_engine.storage.sinks import Sinks
from oms_engine.storage.verify import Finding, Verification, verify, verify_stream
from oms_engine.streaming.subscription import Subscription, Waits
from oms_engine.streaming.tailer import Tailer
from oms_engine.unit_of_work import Listener, tell

_WAITS = Waits()


def random_id(prefix: str) -> str:
    """An id nobody has: the prefix and 32 hexadecimal digits."""
    return f"{prefix}-{os.urandom(16).hex()}"


class Erasure(NamedTuple):
    """What was erased, the size of the file when it was compacted, and what is left to do."""

    erased: Erased
    compacted: Compacted | None
    warnings: tuple[str, ...]


class Engine:
    """An order management engine over one store; safe to share between threads.

    Use it as a context manager, or call `close`. `execute` never raises for a refused command; questions raise Refused.

    Attributes:
        set_at_opening: Settings that were given when it was opened, and were set in the store since they differed.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        settings: Settings,
        clock: Clock,
        new_id: NewId,
        session_id: str = "engine",
        waits: Waits = _WAITS,
    ) -> None:
        self.session_id = session_id
        self._opened_with = settings
        self._own: Mapping[str, Any] = {}
        self.set_at_opening: dict[str, Any] = {}
        self._effective = (SettingsState(), settings)
        self._store = store
        self._projections = Projections(store, clock)
        self._clock = clock
        self._new_id = new_id
        self._executor = Executor(store, self._settings_now, clock=clock, new_id=new_id, session_id=session_id)
        self._tailer = Tailer(lambda: Feed(store), self.subscribe, clock=clock, waits=waits)
        self.sinks = Sinks(store, clock)
        self.outbox = Outbox(store, clock)

    @classmethod
    def open(
        cls,
        url: str = MEMORY,
        *,
        settings: Settings | Mapping[str, Any] | None = None,
        clock: Clock = utc_now,
        new_id: NewId = random_id,
        session_id: str = "engine",
        keep_settings: bool = True,
        waits: Waits = _WAITS,
    ) -> Self:
        """Open or create a store.

        Args:
            url: A path, `sqlite:///PATH`, or `:memory:` (the default) for a private sandbox.
            settings: Settings, or a mapping of their dotted names. Those named here and other than in the store are
                set there, with an event, as SettingsChangeCmd does.
            clock: Gives the time; time never comes from anywhere else.
            new_id: Makes an id with a given prefix.
            session_id: Session of commands that name none, and the actor that sets the settings.
            keep_settings: False lets the settings hold for this engine only and stores nothing, for whoever only reads
                or previews.
            waits: How subscribers wait; a test that must not wait brings its own.

        Raises:
            StoreUnavailable: The file is foreign, newer, broken or unreachable; it is left as it is.
            SettingsError: A setting is unknown or impossible, or may not be changed in this store.
        """
        chosen = settings if isinstance(settings, Settings) else Settings.of(settings or {})
        if misspelt := misspelt_roles(chosen):
            raise SettingsError(misspelt)
        given = chosen.given()
        for_store = {key: value for key, value in given.items() if key not in FIXED_AT_OPENING}
        held = chosen if not keep_settings else Settings.of({k: v for k, v in given.items() if k in FIXED_AT_OPENING})
        store = EventStore.open(
            url,
            refill=refill,
            synchronous=chosen.synchronous,
            kept=chosen.cached_streams,
            snapshot_every=held.snapshot_every,
            now=clock,
        )
        engine = cls(store, settings=held, clock=clock, new_id=new_id, session_id=session_id, waits=waits)
        try:
            engine._chain(chosen, starts=keep_settings)
            engine._seal(chosen, starts=keep_settings)
            engine._own = {} if keep_settings else for_store
            engine._set(for_store)
            if keep_settings and chosen.outbox_enabled:
                engine.sinks.register_default()
        except BaseException:
            engine.close()
            raise
        return engine

    def _set(self, wanted: Mapping[str, Any]) -> None:
        """Settings named when opening are set in the store, so that what is decided under them can be explained."""
        changes = self._differences(wanted)
        while changes:
            result = self.execute({"type": "SettingsChangeCmd", "changes": changes})
            before, changes = changes, {} if result.ok else self._differences(wanted)
            if result.ok:
                self.set_at_opening.update(before)
            if changes == before:
                raise SettingsError(f"the settings given cannot be set: {result.message}")

    def _chain(self, chosen: Settings, *, starts: bool) -> None:
        """Start the hash chain where it is asked for; where the file has one, it goes on."""
        with self._store.reading() as connection:
            first = chained_from(connection)
        if first is None and chosen.hash_chain and starts:
            first = self._store.start_chain()
        if first is None:
            return
        if chosen.given().get("store.hashChain") is False:
            raise SettingsError(
                f"setting store.hashChain cannot be off: this store chains its events from position {first} on, and a "
                "chain that stops would protect nothing; leave the setting out"
            )
        self._hold("store.hashChain", value=True)

    def _seal(self, chosen: Settings, *, starts: bool) -> None:
        """Begin to seal personal data where it is asked for; where the file is sealed, it goes on."""
        with self._store.reading() as connection:
            first = sealed_from(connection)
        if first is None and chosen.personal_data == "sealed" and starts:
            first = self._store.start_sealing()
        if first is None:
            return
        if chosen.given().get("store.personalData") == "plain":
            raise SettingsError(
                f"setting store.personalData cannot be plain: this store seals personal data from position {first} on, "
                "and what is written in plain could never be erased; leave the setting out"
            )
        self._hold("store.personalData", value="sealed")

    def _hold(self, name: str, *, value: object) -> None:
        """A setting is what the file says, whatever this engine was opened with."""
        self._opened_with = self._opened_with.with_changes({name: value})
        self._effective = (SettingsState(), self._opened_with)

    def _differences(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What is wanted and not set; another process may be setting the same."""
        now = self.settings.to_wire()
        return {key: value for key, value in wanted.items() if now[key] != value}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Carry out what was submitted, end the subscriptions and close the store."""
        self._executor.close()
        self._tailer.close()
        self._projections.close()
        self._store.close()

    @property
    def settings(self) -> Settings:
        """What is set now: what the engine was opened with, and what was changed since."""
        with self._store.reading():
            return self._settings_now(self._store.settings())

    def _settings_now(self, changed: SettingsState) -> Settings:
        known, settings = self._effective
        if known is not changed and known.values != changed.values:
            settings = self._opened_with.with_changes({**changed.values, **self._own})
            self._effective = (changed, settings)
        return settings

    @property
    def posted_prices(self) -> Mapping[str, Decimal]:
        """The reference prices by symbol that were posted; they come before those of the settings."""
        with self._store.reading():
            return self._store.settings().prices

    def now(self) -> datetime:
        """The time of this engine's clock."""
        return self._clock()

    @property
    def mode(self) -> str:
        """`sandbox` for a store in memory, `file` for one that stays."""
        return "sandbox" if self._store.in_memory else "file"

    def execute(self, command: Command | Mapping[str, Any], *, session_id: str | None = None) -> CommandResult:
        """Carry out a command or an envelope; a refused one writes nothing and its result says why.

        Args:
            command: A command, or an envelope such as `{"type": "OrderAcceptCmd", "orderId": "ORD-7"}`.
            session_id: Session of the caller, for a command that names none.
        """
        return self.run(command, session_id=session_id).result

    def preview(self, command: Command | Mapping[str, Any], *, session_id: str | None = None) -> CommandResult:
        """What `execute` would answer, through the same pipeline; everything it writes is rolled back."""
        return self.run(command, session_id=session_id, dry_run=True).result

    def run(
        self,
        command: Command | Mapping[str, Any],
        *,
        session_id: str | None = None,
        actor: str = "",
        client: str = "",
        client_version: str = "",
        dry_run: bool = False,
    ) -> Outcome:
        """As `execute` or `preview`, with the order before and after.

        Args:
            command: A command or an envelope.
            session_id: Session of the caller, for a command that names none.
            actor: Who acts, for a command that names nobody; the client when empty, its session where there is none.
            client: The program that the command came through, such as `desk`; events keep it beside the actor, as
                `ann via desk 2.1`.
            client_version: Version of that program, such as `2.1`.
            dry_run: Everything is taken back at the end.
        """
        return self._executor.run(command, sender=Sender(session_id, actor, client, client_version), dry_run=dry_run)

    def go_on_counting(self, other: "Engine") -> None:
        """Count for `risk.maxCommandsPerSecond` what another engine counted, as if it had been sent to this one.

        For whoever repeats elsewhere what this store has already, and goes on here. Nothing is sent to the other one
        afterwards.
        """
        self._executor.go_on_counting(other._executor)  # noqa: SLF001 - an engine too

    def execute_many(
        self,
        commands: Iterable[Command | Mapping[str, Any]],
        *,
        atomic: bool = False,
        dry_run: bool = False,
        session_id: str | None = None,
        actor: str = "",
        client: str = "",
        client_version: str = "",
    ) -> BatchOutcome:
        """Carry out commands in one transaction, each in a savepoint of its own.

        Args:
            commands: At most 10,000 commands or envelopes.
            atomic: The first refusal ends the batch and takes everything back; otherwise a refusal takes back itself.
            dry_run: Everything is taken back at the end.
            session_id: Session of the caller.
            actor: As for `run`.
            client: As for `run`.
            client_version: As for `run`.

        Raises:
            StoreError: The store could not be written; nothing of the batch is stored.
        """
        sender = Sender(session_id, actor, client, client_version)
        return self._executor.execute_many(commands, atomic=atomic, dry_run=dry_run, sender=sender)

    def batch(
        self, *, session_id: str | None = None, actor: str = "", client: str = "", client_version: str = ""
    ) -> AbstractContextManager[Batch]:
        """A block whose commands share one transaction: each is answered at once, all are committed when it ends.

        What is decided can depend on what was answered before. Listeners are told after the commit; an exception takes
        everything back. The write lock is held meanwhile: other processes wait, so do not stay long, and await nothing.

        Args:
            session_id: Session of commands that name none.
            actor: As for `run`.
            client: As for `run`.
            client_version: As for `run`.

        Raises:
            StoreError: The store could not be written; nothing of the batch is stored.
            RuntimeError: The thread is inside a batch already; that one goes on.
        """
        return self._executor.batch(sender=Sender(session_id, actor, client, client_version))

    async def submit(self, command: Command | Mapping[str, Any], *, session_id: str | None = None) -> CommandResult:
        """As `execute`, from an event loop that goes on meanwhile; returns when the command is durable.

        Callers who wait at the same time share a commit, each command in a savepoint of its own: so many callers are
        answered at several times the rate of one.

        Args:
            command: A command or an envelope.
            session_id: Session of the caller, for a command that names none.
        """
        outcome = await self._executor.submit(command, sender=Sender(session_id))
        return outcome.result

    def get(self, order_id: str) -> Order | None:
        """The order with this id, as the read model has it; None when there is none."""
        if not ID_FORM.fullmatch(order_id):
            return None
        return order_row(self._store, order_id)

    def find(self, order_id: str) -> Order:
        """The order with this id; raises Refused (OMS-ORDER-001) when there is none."""
        order = self.get(order_id)
        if order is None:
            raise no_order(order_id)
        return order

    def order_of_request(self, session_id: str, cl_ord_id: str) -> Order | None:
        """The order that a request of a session was about: its creation, a replace or a cancel with this clOrdId."""
        with self._store.reading():
            used = self._store.client_order_id(session_id, cl_ord_id)
        return self.get(used.order_id) if used else None

    def executions(self, order_id: str) -> list[Execution]:
        """The executions of an order in order of booking, reversed ones included."""
        state = self.state_at(order_id)
        return list(state.executions.values()) if state else []

    def state_at(self, order_id: str, version: int | None = None) -> OrderState | None:
        """The order as its first so many events say, or all of them; None when it had none."""
        if not ID_FORM.fullmatch(order_id):
            return None
        with self._store.reading():
            return self._store.load(order_id, up_to=version)

    def replay(self, order_id: str, version: int | None = None) -> OrderState:
        """The order as its first so many events say, or all of them.

        Raises:
            Refused: OMS-ORDER-001 there is no such order, OMS-VAL-005 it has no such version.
        """
        last = self.find(order_id).version
        if version is not None and not 1 <= version <= last:
            raise no_version(order_id, version, last)
        state = self.state_at(order_id, version)
        assert state is not None  # noqa: S101 - an order that was found has events
        return state

    def is_contiguous(self, order_id: str) -> bool:
        """Has an order each version from 1 to its last exactly once, in the order of positions?

        Raises:
            Refused: OMS-ORDER-001 there is no such order.
        """
        events = self.history(order_id)
        in_order = all(one.position < other.position for one, other in pairwise(events))
        return in_order and [event.version for event in events] == [*range(1, len(events) + 1)]

    def changes(self, event: StoredEvent) -> dict[str, Change]:
        """What an event changed on its order, quote request or settings, by field in the order of the fields."""
        with self._store.reading():
            before = self._store.state(event.stream_id, up_to=event.version - 1) if event.version > 1 else None
            after = self._store.state(event.stream_id, up_to=event.version)
        return changes_between(before, after)

    def at(self, as_of: str | datetime, *, order_id: str = "") -> "PastEngine":
        """The engine as it was at a moment, for reading alone; close it, or use it as a context manager.

        Args:
            as_of: `p3456` right after the event at a position, `v12` right after a version of one order, or a time: a
                datetime with an offset, or ISO-8601. A time before the first event shows nothing, one in the future
                shows what is now.
            order_id: The order that a version belongs to.

        Raises:
            Refused: OMS-VAL-004 malformed, or a version without an order; OMS-VAL-005 a position or version that no
                event has; OMS-ORDER-001 no such order.
        """
        moment = as_of.isoformat() if isinstance(as_of, datetime) else as_of
        store = PastStore(self._store, moment, order_id, self._clock())
        past = PastEngine(
            store,
            settings=self._opened_with,
            clock=lambda: store.moment.time,
            new_id=self._new_id,
            session_id=self.session_id,
        )
        past._own = self._own  # noqa: SLF001 - an engine too
        return past

    def copy(
        self,
        as_of: str = "",
        *,
        session_id: str = "",
        clock: Clock | None = None,
        progress: Progress = lambda _done, _all: None,
    ) -> "Engine":
        """An engine over a copy of the store in memory, to try things on; close it, and the copy is gone.

        Args:
            as_of: `p3456` a position, or ISO-8601 with an offset: the copy is of the store as it was; else as it is.
            session_id: Session of commands that name none; that of this engine when empty.
            clock: Gives the time of the copy; the clock of this engine when not given.
            progress: Told how many pages were copied, and how many there are; what it raises ends the copying.

        Raises:
            Refused: OMS-VAL-004 no moment of a whole store, OMS-VAL-005 no such position, or the store is too large.
        """
        store = copies.in_memory(self._store, as_of, self._clock(), progress)
        copied = Engine(
            store,
            settings=self._opened_with,
            clock=clock or self._clock,
            new_id=self._new_id,
            session_id=session_id or self.session_id,
        )
        copied._own = self._own
        return copied

    def tree(self, order_id: str) -> Tree:
        """The whole tree an order stands in; raises Refused (OMS-ORDER-001) when there is no such order."""
        order = self.find(order_id)
        with self._store.reading() as connection:
            return read_tree(connection, order)

    def pending_since(self, before: datetime) -> list[Order]:
        """Orders whose cancel or replace request was sent before this time and is not answered, oldest first."""
        with self._store.reading() as connection:
            return pending_orders(connection, before)

    def due(self, as_of: datetime, *, day_orders: bool) -> list[Order]:
        """Open orders whose time in force has ended by this time, oldest first: GOOD_TILL_DATE, and DAY if asked."""
        with self._store.reading() as connection:
            return due_orders(connection, as_of, day_orders=day_orders)

    def history(self, order_id: str) -> list[StoredEvent]:
        """The events of an order in order of version; raises Refused (OMS-ORDER-001) when there is none."""
        self.find(order_id)
        with self._store.reading():
            return list(self._store.stream(stream_of(order_id)))

    def events(self, *, after: int = 0, limit: int = 500) -> list[StoredEvent]:
        """Events of all streams behind a global position, in order of position."""
        with self._store.reading():
            return self._store.events(after=after, limit=limit)

    def written_by(self, command_id: str) -> list[StoredEvent]:
        """The events of a command, in order of position; none when no command with this id was carried out."""
        with self._store.reading():
            recorded = self._store.command(command_id)
            if recorded is None:
                return []
            return self._store.events(after=recorded.first_position - 1, up_to=recorded.last_position)

    def query(
        self,
        *,
        entity: str = "order",
        where: Where = (),
        sort: str = "",
        page: int | str | None = None,
        size: int | str | None = None,
        cursor: str = "",
    ) -> Page:
        """Ask for orders, executions, allocations, quotes, quote requests or events.

        Args:
            entity: `order`, `execution`, `allocation`, `quote`, `quote_request` or `event`.
            where: Conditions as `field=value`, `field__op=value` or {field, op, value}; all must hold.
            sort: `field,DESC;field2,ASC`; newest first when empty.
            page: Page from 0.
            size: Rows on a page.
            cursor: In place of a page: `next_cursor` of the page before, or `*` for the first. Nothing is counted then.

        Raises:
            Refused: OMS-VAL-004 with every part of the question that cannot be read, and the valid choices.
        """
        with self._store.reading():
            settings = self._settings_now(self._store.settings())
            query = read_query(settings, entity=entity, where=where, sort=sort, page=page, size=size, cursor=cursor)
            return run(self._store, query)

    def groups(self, field: str, *, entity: str = "order", where: Where = (), size: int | str | None = None) -> Groups:
        """Count what meets the conditions by a field, and add quantities up: orders by state, fills by symbol.

        Args:
            field: The field whose values make the groups.
            entity: As for `query`.
            where: As for `query`.
            size: How many groups at most; those with the most rows come first.

        Raises:
            Refused: OMS-VAL-004 with every part of the question that cannot be read, and the valid choices.
        """
        with self._store.reading():
            settings = self._settings_now(self._store.settings())
            query = read_query(settings, entity=entity, where=where, size=size)
            return grouped(self._store, query, read_group(query.entity, field))

    def check(
        self,
        *,
        order_id: str = "",
        from_state: str = "",
        path: Sequence[str] = (),
        profile: str = "",
    ) -> TransitionCheck:
        """Ask the lifecycle: is this path possible, and what can follow?

        Args:
            order_id: Start from the state of this order.
            from_state: Or from this state; with neither, from before creation.
            path: States to go through; empty asks only what can follow.
            profile: `standard`, `matrix` or `desk`; the engine's own when empty.

        Raises:
            Refused: OMS-ORDER-001 unknown order, OMS-VAL-004 unknown state or profile, OMS-VAL-001 two starts.
        """
        if order_id and from_state:
            message = "order_id and from_state both name a start; give one of them"
            raise Refused(problem_of([violation("ENV-10", "OMS-VAL-001", "from_state", message)]))
        lifecycle = profile or self.settings.lifecycle_profile
        if order_id:
            return checked_of(self.find(order_id), path, lifecycle, self._clock())
        return checked_from(from_state, path, lifecycle)

    def next_states(self, order: Order) -> tuple[NextState, ...]:
        """What can follow, by this engine's lifecycle and by the order's own facts: no rejection after a fill."""
        return following(order, self.settings.lifecycle_profile, self._clock())

    def add_projection(self, projection: Projection, *, background: bool = False) -> None:
        """Take in tables of the program's own that follow the events; see `Projection`.

        Args:
            projection: Its tables are created when the file has none of them. Nothing is applied yet.
            background: Keep it up to date from a thread, also with what other processes write, until `close`.

        Raises:
            ValueError: Its name or its schema cannot be used.
        """
        self._projections.add(projection)
        if background:
            wake = self._projections.follow(projection.name)
            self.subscribe(lambda _events: wake())

    def project(self, name: str) -> int:
        """Apply the events that a projection of the program has not seen yet; returns how many there were.

        Raises:
            Refused: No such projection was added to this engine, or its tables have another form and need a rebuild.
        """
        return self._projections.catch_up(name)

    def projections(self) -> list[ProjectionStatus]:
        """How far the read model and the projections of programs are, and which streams wait because they failed."""
        return self._projections.status()

    def rebuild(self, progress: Progress = lambda _done, _all: None, *, name: str = READ_MODEL) -> int:
        """Write the read model or a projection anew from the events; returns how many events were read.

        Others go on reading the old rows and writing, until the new rows take their place in one moment.

        Args:
            progress: Told how many events were read, of how many.
            name: The read model when not given.

        Raises:
            Refused: No such projection was added to this engine.
            StoreBusy: Another rebuild of it began meanwhile and goes on instead.
        """
        return self._projections.rebuild(name, progress)

    def retry(self, name: str = READ_MODEL, *, stream_id: str = "") -> RetryResult:
        """Apply what a projection waits with, in order: of one stream, or of all.

        Raises:
            Refused: No such projection was added to this engine, or the stream does not wait.
        """
        return self._projections.retry(name, stream_id)

    def verify(self, progress: Progress = lambda _done, _all: None) -> Verification:
        """Compare everything that the store keeps twice, from SQLite's pages to the read model; nothing is written."""
        return verify(self._store, progress)

    def verify_stream(self, stream_id: str) -> tuple[Finding, ...]:
        """Compare a stream with what is kept of it beside its events; empty where all is well.

        Raises:
            Refused: OMS-ORDER-001, there is no such stream.
        """
        found = verify_stream(self._store, stream_id)
        if found is None:
            message = f"stream {shown(stream_id)} has no events; order- and an orderId name one"
            raise Refused(problem_of([violation("ENV-09", "OMS-ORDER-001", "streamId", message)]))
        return found

    def backup(
        self, target: str | Path, *, force: bool = False, progress: Progress = lambda _done, _all: None
    ) -> Backup:
        """Copy the store as it is now into a file, which is looked at before it takes its name; writers go on.

        Args:
            target: The copy.
            force: Replace a file that is there.
            progress: Told how many pages were copied, and how many there are.

        Raises:
            StoreError: The target is there, in use or cannot be written; nothing was left behind.
        """
        return backup(self._store, Path(target), force=force, progress=progress)

    def export(
        self,
        target: str | Path | BinaryIO,
        *,
        force: bool = False,
        with_keys: bool = False,
        progress: Progress = lambda _done, _all: None,
    ) -> Archived:
        """Write all events and commands as JSON Lines; writers go on.

        Args:
            target: A file, which takes its name when it is complete, or a stream of bytes.
            force: Replace a file that is there.
            with_keys: Write the keys of a sealed store too; without them accounts and texts are null in a copy.
            progress: Told how many events were written, and how many there are.

        Raises:
            StoreError: The target is there, is the store itself or in use, or cannot be written; nothing was touched.
        """
        if not isinstance(target, str | Path):
            return export(self._store, target, progress, with_keys=with_keys)
        require_apart(self._store, Path(target))
        with placed(Path(target), force=force) as partial, partial.open("wb") as lines:
            return export(self._store, lines, progress, with_keys=with_keys)

    def import_archive(self, lines: Iterable[bytes], progress: Progress = lambda _done, _all: None) -> Archived:
        """Fill this store, which must be empty, from the lines of an export, in one transaction.

        Raises:
            Refused: OMS-VAL-004 with line, field and remedy; nothing was imported.
            StoreError: The store is not empty, or cannot be written.
        """
        return import_archive(self._store, lines, progress)

    def erase(
        self,
        account: str,
        *,
        actor: str = "",
        reason: str | None = None,
        dry_run: bool = False,
        compacts: bool = True,
    ) -> Erasure:
        """Destroy account and texts of every order and quote request of an account, for good.

        Its key is destroyed, so nothing that it sealed can be read again; rows, snapshots and waiting messages lose
        the values in the same transaction. Backups and exports made before keep theirs.

        Args:
            account: The account. The event that tells of the erasure does not name it.
            actor: Who erases; the session of this engine when not given.
            reason: Why, in 1 to 500 characters, without saying who. It is kept.
            dry_run: Tell what would be erased, and change nothing.
            compacts: Afterwards write the file anew, so that no unused page holds the values; False leaves that to
                `compact`.

        Raises:
            Refused: OMS-VAL-004 the store is not sealed, the account is unknown, its data stands in plain, or the
                reason is none; OMS-STATE-002 it has open orders. Nothing was changed.
            StoreError: The store could not be written; nothing was erased.
        """
        told = None if reason is None else checked_reason(reason)
        request = Request(account, self._new_id("CMD"), actor or self.session_id, told, self._clock())
        erased, event = erase(self._store, request, dry_run=dry_run)
        if dry_run:
            return Erasure(erased, None, ())
        warnings = [*tell(self._executor.listeners, [event]), *self._rebuild_others()]
        compacted = None
        if compacts and not self._store.in_memory:
            try:
                compacted = self.compact()
            except StoreError as error:
                warnings.append(f"unused pages of the file may still hold the values: {error}; run oms compact later")
            else:
                if compacted.log_kept:
                    warnings.append(
                        "another program reads the log, which still holds the values; run oms compact later"
                    )
        return Erasure(erased, compacted, tuple(warnings))

    def _rebuild_others(self) -> list[str]:
        """Write the projections of programs anew, so that none keeps what was erased; tells of those that may."""
        warnings = []
        for each in self.projections():
            if each.name == READ_MODEL:
                continue
            try:
                self.rebuild(name=each.name)
            except (Refused, StoreError) as error:
                warnings.append(f"projection {each.name} may still hold the values, so rebuild it: {error}")
        return warnings

    def compact(self) -> Compacted:
        """Give unused pages of the file back to the disk.

        Raises:
            StoreBusy: Another process writes.
            StoreRolledBack: The disk has no room for the second copy that this needs for a while.
        """
        return compact(self._store)

    def counts(self) -> dict[str, int]:
        """How many orders, executions and events there are."""
        tables = {"orders": "orders", "executions": "executions", "events": "events"}
        with self._store.reading() as connection:
            return {
                name: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - own names
                for name, table in tables.items()
            }

    def noted(self, name: str) -> str:
        """The text that a batch kept under this name; empty where there is none."""
        return self._store.noted(name)

    def events_hash(self, progress: Progress = lambda _done, _all: None) -> str:
        """SHA-256 of the canonical JSON of the array of all events: equal where two stores have the same events.

        Args:
            progress: Told how many events were read, and how many there are.
        """
        with self._store.apart() as connection:
            return events_hash(connection, progress)

    @property
    def size(self) -> int:
        """Bytes of the store, without a log that is not yet in the file."""
        return int(self._store.row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0])

    def standing(self, where: Where = ()) -> dict[State, int]:
        """How many orders that meet the conditions stand in each state; a state without any is 0.

        Raises:
            Refused: OMS-VAL-004, a condition cannot be read.
        """
        with self._store.reading() as connection:
            settings = self._settings_now(self._store.settings())
            return standing(connection, read_query(settings, where=where))

    def flow(self, *, most_events: int = MOST_EVENTS) -> Flow:
        """How many orders stand in each state, and how many went from one to another.

        Args:
            most_events: Only so many events, the last ones, are looked at for who went where.
        """
        with self._store.reading() as connection:
            return flow(connection, most_events)

    @property
    def position(self) -> int:
        """The position of the last event, whoever wrote it; 0 while there is none."""
        return int(self._store.row("SELECT coalesce(max(position), 0) FROM events")[0])

    def touched(self, after: int, limit: int = 500) -> list[tuple[int, str]]:
        """Position and stream of the next events behind a position, whoever wrote them; none of them is read.

        For whoever only wants to hear that something changed, and looks again every now and then.
        """
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT position, stream_id FROM events WHERE position > ? ORDER BY position LIMIT ?", (after, limit)
            )
            return [(position, stream) for position, stream in rows]

    def follow(
        self,
        topic: str = ORDER_EVENTS,
        *,
        where: Where = (),
        include_snapshot: bool = True,
        resume_from: int | None = None,
    ) -> Subscription:
        """Follow what happens, whoever writes it: first what matches now, then each change, once and in order.

        Args:
            topic: `order-events`, `execution-events` or `quote-events`.
            where: Conditions, as of `query`, that an order, an execution or a quote request must meet to be told.
            include_snapshot: False tells only what happens from now on.
            resume_from: The position of an earlier subscription behind which to go on; there is no snapshot then.

        Raises:
            Refused: OMS-VAL-004 topic or conditions cannot be read, OMS-VAL-005 no position of this store.
        """
        return self._tailer.follow(
            self.settings, topic, where=where, snapshot=include_snapshot, resume_from=resume_from
        )

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Be told the events of every commit of this engine; returns the function that ends it."""
        self._executor.listeners.append(listener)

        def end() -> None:
            if listener in self._executor.listeners:
                self._executor.listeners.remove(listener)

        return end

    def relay(
        self, receivers: Mapping[str, Receive] | None = None, *, only: Collection[str] = (), wait: Wait | None = None
    ) -> Relay:
        """What delivers the messages that wait in `outbox` to the systems in `sinks`; close it before the engine.

        Args:
            receivers: The function of a sink, by the sink's name; it gets each message as a mapping.
            only: The sinks to deliver to; all where none is named.
            wait: How time passes between two looks; the relay is woken by the commits of this engine when not given.

        Raises:
            Refused: OMS-VAL-004 for a sink that is not registered.
        """
        for name in (*(receivers or {}), *only):
            self.sinks.get(name)
        told = self._opened_with
        relay = Relay(
            self.sinks,
            self.outbox,
            owner=random_id("RELAY"),
            pace=Pace(told.outbox_poll_ms, told.outbox_batch, told.outbox_max_attempts),
            clock=self._clock,
            receivers=receivers,
            only=only,
            wait=wait,
        )
        relay.when_closed(self.subscribe(lambda _events: relay.wake()))
        return relay


class PastEngine(Engine):
    """The engine as it was at a moment. It answers what an engine answers; a command raises Refused (OMS-VAL-004)."""

    _store: PastStore

    @property
    def moment(self) -> Moment:
        """The moment that is shown."""
        return self._store.moment

    def get(self, order_id: str) -> Order | None:
        """The order as it was, from its own events; None when there was none."""
        state = self.state_at(order_id)
        return state.order if state else None

    def find(self, order_id: str) -> Order:
        """The order as it was; raises Refused (OMS-ORDER-001) when there was none."""
        order = self.get(order_id)
        if order is None:
            raise no_order(order_id, self.moment.told)
        return order

    def order_of_request(self, session_id: str, cl_ord_id: str) -> Order | None:
        """The order that a request of a session had been about; see `Engine.order_of_request`."""
        self._store.show_rows()
        return super().order_of_request(session_id, cl_ord_id)

    def tree(self, order_id: str) -> Tree:
        """The whole tree an order stood in; raises Refused (OMS-ORDER-001) when there was no such order."""
        self._store.show_rows()
        return super().tree(order_id)

    def query(self, **question: Any) -> Page:  # noqa: ANN401 - as an engine's
        """Ask for orders, executions, allocations, quotes, requests or events as they were; see `Engine.query`."""
        self._store.show_rows()
        return super().query(**question)

    def groups(self, field: str, **question: Any) -> Groups:  # noqa: ANN401 - as an engine's
        """Count what met the conditions by a field; see `Engine.groups`."""
        self._store.show_rows()
        return super().groups(field, **question)

    def standing(self, where: Where = ()) -> dict[State, int]:
        """How many orders stood in each state; see `Engine.standing`."""
        self._store.show_rows()
        return super().standing(where)

    def flow(self, *, most_events: int = MOST_EVENTS) -> Flow:
        """How many orders stood in each state, and how many had gone from one to another; see `Engine.flow`."""
        self._store.show_rows()
        return super().flow(most_events=most_events)

    def pending_since(self, before: datetime) -> list[Order]:
        """Orders whose request was sent before this time and was not answered, oldest first."""
        self._store.show_rows()
        return super().pending_since(before)

    def due(self, as_of: datetime, *, day_orders: bool) -> list[Order]:
        """Open orders whose time in force had ended by this time, oldest first."""
        self._store.show_rows()
        return super().due(as_of, day_orders=day_orders)

    def counts(self) -> dict[str, int]:
        """How many orders, executions and events there were."""
        self._store.show_rows()
        return super().counts()

    def events_hash(self, progress: Progress = lambda _done, _all: None) -> str:
        """The hash of the events that there were; see `Engine.events_hash`."""
        with self._store.reading() as connection:
            return events_hash(connection, progress)
