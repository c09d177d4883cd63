"""What has a command changed so far? The streams it touches, moved along event by event while it is decided.

A decision that touches several orders reads what its own earlier events did. Nothing is written here: the events come
out in the order in which they are stored.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from oms_engine.domain.decider.streams import evolver_of
from oms_engine.domain.events import SETTINGS_STREAM, Event, StoredEvent, impersonal, quote_stream_of, stream_of
from oms_engine.domain.model import OrderState, QuoteRequestState, SettingsState, StreamState
from oms_engine.domain.rules.facts import Surroundings
from oms_engine.domain.upcasting import UPCASTERS
from oms_engine.domain.vocabulary import State
from oms_engine.framework.state_machine import StateMachine
from oms_engine.settings import Settings

NewId = Callable[[str], str]
"""Makes an id with the given prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What all events of one command have in common."""

    command_id: str
    correlation_id: str
    causation_id: str
    actor: str
    recorded_at: datetime


class Book:
    """The streams of one command, with the lifecycle and the settings in force."""

    def __init__(
        self, around: Surroundings, stamp: Stamp, position: int, machine: StateMachine[State], settings: Settings
    ) -> None:
        self.machine = machine
        self.settings = settings
        self.now = stamp.recorded_at
        self._around = around
        self._stamp = stamp
        self._position = position
        self._before: dict[str, StreamState | None] = {}
        self._after: dict[str, StreamState] = {}
        self._events: list[StoredEvent] = []

    def before(self, order_id: str) -> OrderState | None:
        """An order as the command found it; None when the command created it."""
        return self._order_before(stream_of(order_id), order_id)

    def _order_before(self, stream: str, order_id: str) -> OrderState | None:
        if stream not in self._before:
            self._before[stream] = self._around.order(order_id)
        return self._before[stream]  # type: ignore[return-value] # the stream is one of an order

    def find(self, order_id: str) -> OrderState | None:
        """An order as it is now, with what this command did to it; None when there is none."""
        stream = stream_of(order_id)
        return self._after.get(stream) or self._order_before(stream, order_id)  # type: ignore[return-value] # as above

    def order(self, order_id: str) -> OrderState:
        """An order that is known to exist, as it is now."""
        state = self.find(order_id)
        assert state is not None  # noqa: S101 - trees and groups name orders that exist
        return state

    def parent(self, state: OrderState) -> OrderState | None:
        """The parent of an order."""
        return self.order(state.order.parent_order_id) if state.order.parent_order_id else None

    def upwards(self, order_id: str) -> Iterator[OrderState]:
        """An order, its parent, and so on up to the root."""
        state: OrderState | None = self.order(order_id)
        while state is not None:
            yield state
            state = self.parent(state)

    def children(self, state: OrderState) -> list[OrderState]:
        """The children of an order, in the order they were created."""
        return [self.order(child_id) for child_id in state.children]

    def members(self, state: OrderState) -> list[OrderState]:
        """The members of a group, by orderId."""
        return [self.order(member_id) for member_id in state.members]

    def record(self, order_id: str, *events: Event, cause: str | None = None) -> OrderState:
        """Let these events happen to an order; returns the order after them.

        Args:
            order_id: The order.
            events: What happens to it, in this order.
            cause: The order whose change brought them about; without one it was the command.
        """
        before = self.before(order_id)
        if before is not None and before.order.account is None:  # erased
            events = tuple(map(impersonal, events))
        self._happen(stream_of(order_id), events, cause)
        return self.order(order_id)

    def record_quotes(self, quote_req_id: str, before: QuoteRequestState | None, events: Sequence[Event]) -> None:
        """Let these events happen to a quote request."""
        stream = quote_stream_of(quote_req_id)
        self._before.setdefault(stream, before)
        self._happen(stream, events)

    def record_settings(self, before: SettingsState, events: Sequence[Event]) -> None:
        """Let these events happen to the settings."""
        self._before.setdefault(SETTINGS_STREAM, before)
        self._happen(SETTINGS_STREAM, events)

    def _happen(self, stream: str, events: Sequence[Event], cause: str | None = None) -> None:
        """Let these events happen to a stream whose state before is known."""
        change = evolver_of(stream)
        stamp = self._stamp
        state = self._after.get(stream) or self._before[stream]
        version = state.version if state else 0
        for event in events:
            version += 1
            stored = StoredEvent.made(
                {
                    "position": self._position + len(self._events),
                    "stream_id": stream,
                    "version": version,
                    "type": event.type,
                    "schema_version": UPCASTERS.version(event.type),
                    "payload": event,
                    "command_id": stamp.command_id,
                    "correlation_id": stamp.correlation_id,
                    "causation_id": stamp.causation_id if cause is None else self._cause(cause),
                    "actor": stamp.actor,
                    "recorded_at": stamp.recorded_at,
                }
            )
            state = self._after[stream] = change(state, stored)
            self._events.append(stored)

    def _cause(self, order_id: str) -> str:
        """The last event of the order whose change brought an event about."""
        return f"{stream_of(order_id)}@{self.order(order_id).version}"

    def touched(self) -> dict[str, StreamState]:
        """Every stream that changed, as it is now."""
        return dict(self._after)

    def found(self) -> dict[str, StreamState | None]:
        """Every stream that changed, as the command found it; None for one that it began."""
        return {stream: self._before[stream] for stream in self._after}

    def events(self, main: str) -> tuple[StoredEvent, ...]:
        """What happened, in the order in which it is stored: main stream, ancestors upwards, then the rest by id.

        Where that is not the order in which it was decided, the events get other positions; the states that `touched`
        gives are folded anew, because an order knows the position that created it.
        """
        if len(self._after) == 1:
            return tuple(self._events)
        ranks = {stream: rank for rank, stream in enumerate(self._write_order(main))}
        ordered = sorted(self._events, key=lambda stored: ranks[stored.stream_id])
        if any(stored.position != self._position + index for index, stored in enumerate(ordered)):
            ordered = [stored.but(position=self._position + index) for index, stored in enumerate(ordered)]
            self._fold_anew(ordered)
        return tuple(ordered)

    def _fold_anew(self, events: Sequence[StoredEvent]) -> None:
        self._after.clear()
        for stored in events:
            stream = stored.stream_id
            before = self._after.get(stream) or self._before[stream]
            self._after[stream] = evolver_of(stream)(before, stored)

    def _write_order(self, main: str) -> list[str]:
        """Main stream; parent, grandparent and so on; members by orderId; children by orderId."""
        streams = [main]
        state = self._after.get(main)
        while isinstance(state, OrderState) and state.order.parent_order_id:
            state = self.order(state.order.parent_order_id)
            streams.append(stream_of(state.order.order_id))
        rest = sorted(stream for stream in self._after if stream not in streams)
        return streams + sorted(rest, key=self._is_child)

    def _is_child(self, stream: str) -> bool:
        state = self._after[stream]
        return isinstance(state, OrderState) and state.order.parent_order_id is not None
