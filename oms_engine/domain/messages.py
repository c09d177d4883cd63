"""What do other systems hear of a command? One message per order and one per execution it touched, whole and in order.

A message tells what happened to one object in one command: all its events of that command and the object after them, so
that nobody sees an order between two events that belong together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from oms_engine.domain.events import (
    ExecutionBusted,
    ExecutionCorrected,
    ExecutionCreated,
    ExecutionWhacked,
    StoredEvent,
    by_stream,
)
from oms_engine.domain.model import Execution, Order, OrderState, QuoteRequestState, StreamState
from oms_engine.record import instant_text

Subject = Order | Execution | QuoteRequestState
"""What a message is about: an order, an execution, or a quote request with its quotes."""

ORDER_EVENTS = "order-events"
EXECUTION_EVENTS = "execution-events"
QUOTE_EVENTS = "quote-events"

TOPICS = (ORDER_EVENTS, EXECUTION_EVENTS, QUOTE_EVENTS)
"""What can be listened to."""

UPDATE = "UPDATE"


class Message(NamedTuple):
    """What one command did to one order, execution or quote request.

    Attributes:
        topic: One of `TOPICS`.
        key: The orderId, or the quoteReqId of a quote request; messages of one key have an order.
        exec_id: The execution, on `execution-events` alone.
        events: Its events of one command in order of version.
        state: Gives the object after the last event as JSON: the order, the execution, or the request with its quotes.
    """

    topic: str
    key: str
    exec_id: str | None
    events: tuple[StoredEvent, ...]
    state: Callable[[], dict[str, Any]]

    @property
    def stream_id(self) -> str:
        """The stream that the events stand in."""
        return self.events[0].stream_id

    @property
    def from_version(self) -> int:
        """Version of the first event."""
        return self.events[0].version

    @property
    def version(self) -> int:
        """Version of the last event; grows from message to message of a topic and key."""
        return self.events[-1].version

    @property
    def position(self) -> int:
        """Position of the last event."""
        return self.events[-1].position

    def to_wire(self) -> dict[str, Any]:
        """The message as JSON."""
        named = {} if self.exec_id is None else {"execId": self.exec_id}
        return {
            "type": UPDATE,
            "topic": self.topic,
            "key": self.key,
            **named,
            "fromVersion": self.from_version,
            "version": self.version,
            "position": self.position,
            "events": [event.to_wire() for event in self.events],
            "state": self.state(),
            "time": instant_text(self.events[-1].recorded_at),
        }


def messages_of(events: Sequence[StoredEvent], states: Mapping[str, StreamState]) -> list[Message]:
    """The messages of one command, in order of position.

    Args:
        events: All events of the command.
        states: Each of their streams after them.
    """
    made: list[Message] = []
    for stream_id, its_events in by_stream(events).items():
        match states[stream_id]:
            case OrderState() as after:
                made.append(
                    Message(ORDER_EVENTS, after.order.order_id, None, tuple(its_events), after.order.to_wire),
                )
                made.extend(_of_executions(its_events, after))
            case QuoteRequestState() as after:
                made.append(
                    Message(
                        QUOTE_EVENTS, after.request.quote_req_id, None, tuple(its_events), partial(with_quotes, after)
                    )
                )
            case _:
                pass  # settings are nobody's message
    return sorted(made, key=lambda message: message.position)


def _of_executions(events: Iterable[StoredEvent], after: OrderState) -> list[Message]:
    touched: dict[str, list[StoredEvent]] = {}
    for stored in events:
        match stored.payload:
            case (
                ExecutionCreated(exec_id=exec_id)
                | ExecutionWhacked(exec_id=exec_id)
                | ExecutionBusted(exec_id=exec_id)
                | ExecutionCorrected(exec_ref_id=exec_id)
            ):
                touched.setdefault(exec_id, []).append(stored)
            case _:
                pass
    return [
        Message(EXECUTION_EVENTS, after.order.order_id, exec_id, tuple(its_events), after.executions[exec_id].to_wire)
        for exec_id, its_events in touched.items()
    ]


def with_quotes(state: QuoteRequestState) -> dict[str, Any]:
    """A quote request with its quotes as JSON."""
    return {**state.request.to_wire(), "quotes": [quote.to_wire() for quote in state.quotes.values()]}
