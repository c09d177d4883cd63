"""What is a subscriber told? One message per object and command, or a word about the subscription itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from oms_engine.domain.events import StoredEvent
from oms_engine.domain.messages import EXECUTION_EVENTS, ORDER_EVENTS, QUOTE_EVENTS, Message, Subject, with_quotes
from oms_engine.domain.model import Execution, Order, OrderState, QuoteRequestState, StreamState
from oms_engine.record import Record, instant_text

ObjectId = tuple[str | None, str | None]
"""A key, and the execId of an execution."""

ENTITY_OF = {ORDER_EVENTS: "order", EXECUTION_EVENTS: "execution", QUOTE_EVENTS: "quote_request"}
"""Topic -> the entity whose fields its filter compares."""


class MessageType(StrEnum):
    """What a message means for whoever keeps a view of what matches."""

    SNAPSHOT = "SNAPSHOT"
    SNAPSHOT_END = "SNAPSHOT_END"
    UPDATE = "UPDATE"
    LEAVE = "LEAVE"
    HEARTBEAT = "HEARTBEAT"


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One message of a subscription.

    Attributes:
        type: SNAPSHOT and UPDATE put an object into the view, LEAVE takes it out; SNAPSHOT_END and HEARTBEAT are about
            no object.
        topic: `order-events`, `execution-events` or `quote-events`.
        position: Everything up to here has been told with this message: from here a subscription can be resumed.
        time: When it happened; of a snapshot, its end and a heartbeat when they were made.
        key: The orderId or the quoteReqId.
        exec_id: The execution, on `execution-events`.
        from_version: The version of the first event that this message stands for.
        version: The version of the object's stream with this message; it grows from message to message of an object.
        events: What happened, in order of version; empty where several messages became one.
        state: The object at this version; None with LEAVE.
    """

    type: MessageType
    topic: str
    position: int
    time: datetime
    key: str | None = None
    exec_id: str | None = None
    from_version: int | None = None
    version: int | None = None
    events: tuple[StoredEvent, ...] = ()
    state: Subject | None = None

    @property
    def object_id(self) -> ObjectId:
        """What the message is about: the key, on `execution-events` with the execution."""
        return self.key, self.exec_id

    def to_wire(self) -> dict[str, Any]:
        """The message as JSON; what it does not have is left out."""
        wire = {
            "type": self.type.value,
            "topic": self.topic,
            "key": self.key,
            "execId": self.exec_id,
            "fromVersion": self.from_version,
            "version": self.version,
            "position": self.position,
            "events": [event.to_wire() for event in self.events] if self.type is MessageType.UPDATE else None,
            "state": None if self.state is None else _wire(self.state),
            "time": instant_text(self.time),
        }
        return {name: value for name, value in wire.items() if value is not None}


def _wire(subject: Subject) -> dict[str, Any]:
    return with_quotes(subject) if isinstance(subject, QuoteRequestState) else subject.to_wire()


def subject_of(state: StreamState | None, exec_id: str | None) -> Subject | None:
    """What messages are about, in a stream as it stands; None where it is not there yet."""
    match state:
        case OrderState():
            return state.order if exec_id is None else state.executions.get(exec_id)
        case QuoteRequestState():
            return state
        case _:
            return None


def asked_of(subject: Subject) -> Record:
    """The record that a filter compares."""
    return subject.request if isinstance(subject, QuoteRequestState) else subject


def key_of(subject: Subject) -> ObjectId:
    """The key of an object, and its execId where it is an execution."""
    match subject:
        case Order():
            return subject.order_id, None
        case Execution():
            return subject.order_id, subject.exec_id
        case QuoteRequestState():
            return subject.request.quote_req_id, None


def update(of: Message, after: Subject) -> StreamMessage:
    """The object is in the view, as it is after these events."""
    return StreamMessage(
        MessageType.UPDATE,
        of.topic,
        of.position,
        of.events[-1].recorded_at,
        of.key,
        of.exec_id,
        of.from_version,
        of.version,
        of.events,
        after,
    )


def leave(of: Message) -> StreamMessage:
    """The object is in the view no more."""
    time = of.events[-1].recorded_at
    return StreamMessage(
        MessageType.LEAVE, of.topic, of.position, time, of.key, of.exec_id, of.from_version, of.version
    )


def snapshot(topic: str, subject: Subject, version: int, position: int, time: datetime) -> StreamMessage:
    """The object is in the view from the beginning."""
    key, exec_id = key_of(subject)
    return StreamMessage(
        MessageType.SNAPSHOT, topic, position, time, key, exec_id, from_version=1, version=version, state=subject
    )
