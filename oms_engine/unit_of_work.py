"""What do the tasks of one command see of the store? A unit of work: what they read, and what is written at its end."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from oms_engine.collecting import Decided
from oms_engine.domain.commands import OrderCancelCmd
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.rules.facts import OpenOrder
from oms_engine.storage import snapshots
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.failures import TRANSLATED
from oms_engine.storage.outbox import write_messages
from oms_engine.storage.projections import project
from oms_engine.storage.queries import last_price, open_orders, quote_request_of
from oms_engine.workflows import OrderTaskContext

Listener = Callable[[Sequence[StoredEvent]], None]
"""Told the events of a commit."""

_SECOND = timedelta(seconds=1)
_MOST_COUNTED = 100_000
_MOST_SESSIONS = 1_000


class CommandRate:
    """How many commands each session sent to this engine in the last second."""

    def __init__(self) -> None:
        self._sent: dict[str, deque[datetime]] = {}

    def count(self, session_id: str, now: datetime) -> int:
        """How many commands of a session were noted in the last second."""
        sent = self._sent.get(session_id, deque())
        while sent and now - sent[0] >= _SECOND:
            sent.popleft()
        return len(sent)

    def note(self, session_id: str, now: datetime) -> None:
        """A command was sent."""
        sent = self._sent.pop(session_id, None) or deque(maxlen=_MOST_COUNTED)
        sent.append(now)
        self._sent[session_id] = sent
        if len(self._sent) > _MOST_SESSIONS:
            del self._sent[next(iter(self._sent))]


class UnitOfWork:
    """The store as the tasks of one command see it, inside the open transaction."""

    def __init__(
        self,
        store: EventStore,
        listeners: Sequence[Listener],
        rate: CommandRate,
        *,
        dry_run: bool,
        nested: bool = False,
    ) -> None:
        self._store = store
        self._listeners = listeners
        self._nested = nested
        self._rate = rate
        self._recent = 0
        self._prices: dict[str, Decimal | None] = {}
        self._open_orders: dict[str, list[OpenOrder]] = {}
        self.dry_run = dry_run
        self.command = store.command
        self.client_order_id = store.client_order_id
        self.orders_with_execution = store.orders_with_execution
        self.order = store.load
        self.quotes = store.quotes
        self.next_position = store.next_position

    def begin(self, context: OrderTaskContext) -> None:
        """Count the command, where a limit asks for it."""
        if context.settings.risk_max_commands_per_second is None or isinstance(context.command, OrderCancelCmd):
            return
        self._recent = self._rate.count(context.session_id, context.now) + 1
        if not self.dry_run:
            self._rate.note(context.session_id, context.now)

    def request_of(self, quote_id: str) -> str | None:
        """The quote request that a quote answers."""
        return quote_request_of(self._store.connection, quote_id)

    def quote_exists(self, quote_id: str) -> bool:
        """Is there a quote with this id?"""
        return self.request_of(quote_id) is not None

    def last_price(self, symbol: str) -> Decimal | None:
        """Price of the last execution of a symbol that still counts."""
        if symbol not in self._prices:
            self._prices[symbol] = last_price(self._store.connection, symbol)
        return self._prices[symbol]

    def open_orders(self, account: str) -> list[OpenOrder]:
        """The open roots of an account."""
        if account not in self._open_orders:
            self._open_orders[account] = open_orders(self._store.connection, account)
        return self._open_orders[account]

    def recent_commands(self) -> int:
        """How many commands the session sent in the last second."""
        return self._recent

    def write(self, decided: Decided) -> str:
        """Write what was decided, and commit unless a batch or a preview goes on; returns what became of it."""
        store = self._store
        with TRANSLATED:
            store.append(decided.events)
            project(store.connection, decided.events, decided.after, decided.before)
            snapshots.keep(store.connection, decided.events, decided.after, store.snapshot_every)
            if store.has_sinks:
                write_messages(store.connection, decided.events, decided.after)
            store.remember(decided.command_id, decided.payload_hash, decided.main, decided.events)
        store.hold(decided.after)
        if self._nested:
            store.release()
        elif not self.dry_run:
            store.commit()
        return "dry run: nothing is stored" if self.dry_run else ""

    def publish(self, events: Sequence[StoredEvent]) -> list[str]:
        """Hand the events to whoever listens; returns what went wrong, as sentences."""
        return tell(self._listeners, events)


def tell(listeners: Sequence[Listener], events: Sequence[StoredEvent]) -> list[str]:
    """Tell listeners what was committed; returns what went wrong with them, as sentences."""
    failures = []
    for listener in list(listeners):
        try:
            listener(events)
        except Exception as error:  # noqa: BLE001 - a listener's failure must not undo what is stored
            failures.append(f"a listener failed ({type(error).__name__}); the events are stored")
    return failures
