"""Who did what, when, and through which client? Every command that was carried out, told from its events."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from oms_engine.domain.catalogue import refused_value, violation
from oms_engine.domain.commands import COMMANDS, EventRef
from oms_engine.domain.events import VIA, OrderCancelled, StoredEvent
from oms_engine.domain.vocabulary import CancelState
from oms_engine.engine import Engine
from oms_engine.errors import Refused, problem, problem_of, shown
from oms_engine.record import Instant, Record, instant_text

MAX_ENTRIES = 1_000

_MARKS: Mapping[str, str] = {
    "OrderGrouped": "OrderGroupCmd",
    "OrderUngrouped": "OrderUngroupCmd",
    "OrderCreated": "OrderCreateCmd",
    "ExecutionCreated": "ExecutionCreateCmd",
    "ExecutionWhacked": "ExecutionWhackCmd",
    "ExecutionBusted": "ExecutionBustCmd",
    "ExecutionCorrected": "ExecutionCorrectCmd",
    "OrderPlaced": "OrderPlaceCmd",
    "OrderAccepted": "OrderAcceptCmd",
    "OrderRejected": "OrderRejectCmd",
    "OrderExpired": "OrderExpireCmd",
    "OrderClosed": "OrderCloseCmd",
    "OrderCancelRequested": "OrderCancelCmd",
    "OrderCancelled": "OrderCancelAcceptCmd",
    "OrderReplaceRequested": "OrderReplaceCmd",
    "OrderReplaced": "OrderReplaceAcceptCmd",
    "OrderCancelRejected": "OrderCancelRejectCmd",
    "OrderReplaceRejected": "OrderReplaceRejectCmd",
    "AllocationRejected": "AllocationRejectCmd",
    "AllocationApplied": "AllocationApproveCmd",
    "QuoteRequested": "QuoteRequestCreateCmd",
    "QuoteCreated": "QuoteCreateCmd",
    "QuoteAccepted": "QuoteAcceptCmd",
    "QuoteRejected": "QuoteRejectCmd",
    "QuoteExpired": "QuoteExpireCmd",
    "SettingsChanged": "SettingsChangeCmd",
    "ReferencePricePosted": "ReferencePriceCmd",
}
"""Event of the main stream -> the command that wrote it; where several are there, the first of this table counts."""

_AT_ONCE: Mapping[str, tuple[str, CancelState]] = {
    "OrderCancelled": ("OrderCancelCmd", CancelState.PCXL),
    "OrderReplaced": ("OrderReplaceCmd", CancelState.PMOD),
}
"""Event -> the command that wrote it where no request of this kind was waiting for its answer."""

ERASURE = "erase"
"""Stands for the command where personal data was erased, which is no command of an envelope."""


class AuditEntry(Record):
    """A command that was carried out.

    `command` is its type, or `erase` where personal data was erased; `streamId` is the stream it was about. `actor` is
    who acted and `client` the program it came through, where that is kept apart from the actor. `causationId` is what
    the command named as its cause.
    """

    position: int
    recorded_at: Instant
    actor: str
    client: str | None = None
    command: str
    command_id: str
    correlation_id: str
    causation_id: str
    stream_id: str
    events: tuple[EventRef, ...]


class AuditPage(NamedTuple):
    """Entries, newest first, and where the next page begins; None where there is none."""

    entries: tuple[AuditEntry, ...]
    next_cursor: str | None


def audit(
    engine: Engine,
    *,
    actor: str = "",
    about: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    command: str = "",
    limit: int = 50,
    cursor: str = "",
) -> AuditPage:
    """The commands that were carried out, newest first. What was refused wrote nothing and is not kept.

    Args:
        engine: Whose store is read.
        actor: Only those of this actor: a person, or a client with or without its version.
        about: Only those that changed this: an orderId, a quoteReqId, or `settings`.
        since: Only those recorded at this time or later.
        until: Only those recorded before this time.
        command: Only those of this type, such as `OrderCancelCmd`, or `erase`.
        limit: So many at most, 1 to 1,000.
        cursor: `next_cursor` of the page before.

    Raises:
        Refused: OMS-VAL-004 for a type that there is not or a cursor that nobody gave; OMS-VAL-005 for a limit out of
            range, or times that lie the wrong way round; OMS-ORDER-001 for what is not in the store.
    """
    if not 1 <= limit <= MAX_ENTRIES:
        raise refused_value("limit", f"limit {limit} is outside 1 to {MAX_ENTRIES}", "OMS-VAL-005")
    conditions = [*_times(since, until), *_about(engine, about), *_marks(command)]
    if actor:
        conditions.append({"field": "actor", "op": "startswith", "value": actor})
    wanted = (
        entry
        for entry in _entries(engine, conditions, actor, _behind(cursor))
        if not command or entry.command == command
    )
    found = tuple(islice(wanted, limit + 1))
    return AuditPage(found[:limit], f"p{found[limit - 1].position}" if len(found) > limit else None)


Condition = dict[str, Any]


def _times(since: datetime | None, until: datetime | None) -> Iterator[Condition]:
    if since and until and since >= until:
        told = f"until {instant_text(until)} is not behind since {instant_text(since)}; give a later time"
        raise refused_value("until", told, "OMS-VAL-005")
    for operator, time in (("gte", since), ("lt", until)):
        if time:
            yield {"field": "recordedAt", "op": operator, "value": instant_text(time)}


def _about(engine: Engine, name: str) -> Iterator[Condition]:
    if not name:
        return
    condition = {"field": "streamId", "op": "in", "value": [name, f"order-{name}", f"quote-{name}"]}
    if name != "settings" and not engine.query(entity="event", where=[condition], size=1).content:
        told = f"there is no stream {shown(name)}: no order and no quote request is called so"
        raise Refused(problem("OMS-ORDER-001", told))
    yield condition


def _marks(command: str) -> Iterator[Condition]:
    if not command:
        return
    at_once = {event: other for event, (other, _) in _AT_ONCE.items()}
    marks = [event for event, name in _MARKS.items() if command in {name, at_once.get(event)}]
    if command == ERASURE:
        marks = ["PersonalDataErased"]
    if not marks:
        told = f"command {shown(command)} is no type of a command; use one of {', '.join(COMMANDS)} or {ERASURE}"
        raise Refused(problem_of([violation("ENV-01", "OMS-VAL-004", "command", told)]))
    yield {"field": "type", "op": "in", "value": marks}


def _behind(cursor: str) -> int | None:
    if not cursor:
        return None
    number = cursor.removeprefix("p")
    if not (cursor.startswith("p") and number.isascii() and number.isdigit() and len(number) < 19):  # noqa: PLR2004 - what SQLite counts to
        raise refused_value(
            "cursor", f"cursor {shown(cursor)} was given by no page; send nextCursor of the page before"
        )
    return int(number)


def _entries(engine: Engine, conditions: Sequence[Condition], actor: str, before: int | None) -> Iterator[AuditEntry]:
    """Commands some of whose events meet the conditions; the events of one command have neighbouring positions."""
    size = engine.settings.max_size
    while True:
        behind = [] if before is None else [{"field": "position", "op": "lt", "value": str(before)}]
        page = engine.query(entity="event", where=[*conditions, *behind], sort="position,DESC", size=size, cursor="*")
        for event in page.content:
            if not isinstance(event, StoredEvent) or (before is not None and event.position >= before):
                continue
            before = event.position
            if not actor or _acts_as(_parted(event.actor)[0], actor):
                entry = _entry(engine, engine.written_by(event.command_id) or [event])
                before = entry.position
                yield entry
        if page.next_cursor is None:
            return


def _entry(engine: Engine, events: Sequence[StoredEvent]) -> AuditEntry:
    first = events[0]
    actor, client = _parted(first.actor)
    return AuditEntry(
        position=first.position,
        recorded_at=first.recorded_at,
        actor=actor,
        client=client,
        command=_command(engine, [event for event in events if event.stream_id == first.stream_id]),
        command_id=first.command_id,
        correlation_id=first.correlation_id,
        causation_id=first.causation_id,
        stream_id=first.stream_id,
        events=tuple(
            EventRef(type=event.type, stream_id=event.stream_id, version=event.version, position=event.position)
            for event in events
        ),
    )


def _parted(signed: str) -> tuple[str, str | None]:
    """Who acted, and the client where it is kept beside; see `Sender.signed`."""
    who, via, client = signed.rpartition(VIA)
    return (who, client) if via else (client, None)


def _command(engine: Engine, events: Sequence[StoredEvent]) -> str:
    """The type of the command that wrote these events of its main stream."""
    by_type = {event.type: event for event in reversed(events)}
    mark = next((type_ for type_ in _MARKS if type_ in by_type), None)
    if mark is None:
        return ERASURE
    return _at_once(engine, by_type[mark]) or _MARKS[mark]


def _at_once(engine: Engine, event: StoredEvent) -> str | None:
    """The command that needed no answer, where this event was no answer to a request."""
    if event.type not in _AT_ONCE or (isinstance(event.payload, OrderCancelled) and event.payload.unsolicited):
        return None
    command, request = _AT_ONCE[event.type]
    before = engine.state_at(event.stream_id.removeprefix("order-"), event.version - 1)
    return command if before is None or before.order.cancel_state is not request else None


def _acts_as(actor: str, name: str) -> bool:
    """Is this, which begins with the name, called so? A client in its own name may be named without its version."""
    rest = actor.removeprefix(name)
    return not rest or (rest[:1] == " " and " " not in rest[1:] and rest[1:2].isdigit())
