"""What did an engine and the market say to each other? A FIX log, written from events, in the frame of a session."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import BinaryIO

from oms_engine.domain.decider.evolve import fold
from oms_engine.domain.events import (
    OrderCancelled,
    OrderCancelRejected,
    OrderCancelRequested,
    OrderClosed,
    OrderPlaced,
    OrderReplaced,
    OrderReplaceRejected,
    OrderReplaceRequested,
    StoredEvent,
)
from oms_engine.domain.model import Order, OrderState
from oms_engine.engine import Engine
from oms_engine.record import Record
from oms_engine.simulation.fix.bodies import (
    EXECUTIONS,
    Pairs,
    cancel_reject,
    cancel_request,
    execution_report,
    new_order,
    replace_request,
)
from oms_engine.simulation.fix.frames import Frames, Sides

REQUESTS = {"OrderPlaced": "D", "OrderCancelRequested": "F", "OrderReplaceRequested": "G"}
"""Event -> MsgType (35) of what the house sends."""

REJECTS = ("OrderCancelRejected", "OrderReplaceRejected")
"""Events that are written as OrderCancelReject (9)."""

_BEGIN_A_MESSAGE = frozenset({*REQUESTS, *EXECUTIONS})
_ORDER_STREAM = "order-"
_MAX_ID = 48
_ROOM_FOR_A_NUMBER = 8
_PAGE = 500


class Written(Record):
    """What was written: messages, of which MsgType (35), orders that went to the market, and orders that did not."""

    messages: int
    types: dict[str, int]
    orders: int
    in_house: int


Earlier = Callable[[str, int], OrderState | None]
"""Order id and version -> the order as it was then."""


class _Known:
    """An order as the market knows it.

    Attributes:
        state: The order after the events so far; None of one that has ended, until something happens to it again.
        current: ClOrdID (11) that the market knows it by.
        request: ClOrdID of the request that is open; empty without one.
        sent: Was it sent to the market?
        number: How many ids were made for its requests.
    """

    __slots__ = ("current", "number", "request", "sent", "state")

    def __init__(self, state: OrderState) -> None:
        self.state: OrderState | None = state
        self.current = state.order.cl_ord_id
        self.request = ""
        self.sent = False
        self.number = 0


def parents_of(engine: Engine) -> set[str]:
    """The orders that have children, which go to the market in their place."""
    found: set[str] = set()
    cursor: str | None = "*"
    while cursor:
        page = engine.query(where=["parentOrderId__ne=null"], cursor=cursor, size=_PAGE)
        children = (order for order in page.content if isinstance(order, Order))
        found.update(order.parent_order_id for order in children if order.parent_order_id)
        cursor = page.next_cursor
    return found


def all_events(engine: Engine) -> Iterator[StoredEvent]:
    """Every event of an engine, in order of position."""
    after = 0
    while events := engine.events(after=after, limit=_PAGE):
        yield from events
        after = events[-1].position


class FixLog:
    """Writes the FIX log of events: iterate over `messages` once, then ask for `written`.

    Args:
        parents: Orders that have children; they stay in the house.
        sides: The two sides of the session.
        earlier: Where an order that had ended is read again when something happens to it; without it every order is
            held until the end.
    """

    def __init__(self, parents: set[str], sides: Sides | None = None, earlier: Earlier | None = None) -> None:
        self._parents = parents
        self._frames = Frames(sides)
        self._earlier = earlier
        self._orders: dict[str, _Known] = {}
        self._used: set[tuple[str, str]] = set()

    def messages(self, events: Iterable[StoredEvent]) -> Iterator[bytes]:
        """The messages that these events stand for, each with SOH behind every field.

        Args:
            events: All events of a store, in order of position.
        """
        last = None
        for _, of_command in groupby(events, lambda stored: stored.command_id):
            together = list(of_command)
            if last is None:
                yield from self._frames.logon(together[0].recorded_at)
            last = together[-1].recorded_at
            yield from self._of_command(together)
        if last is not None:
            yield from self._frames.logout(last)

    def written(self) -> Written:
        """What was written so far."""
        sent = sum(known.sent for known in self._orders.values())
        in_house = len(self._orders) - sent + len(self._parents)
        types = dict(sorted(self._frames.types.items()))
        return Written(messages=self._frames.types.total(), types=types, orders=sent, in_house=in_house)

    def _of_command(self, events: list[StoredEvent]) -> Iterator[bytes]:
        streams: dict[str, list[StoredEvent]] = {}
        for stored in events:
            order_id = stored.stream_id.removeprefix(_ORDER_STREAM)
            if stored.stream_id.startswith(_ORDER_STREAM) and order_id not in self._parents:
                streams.setdefault(order_id, []).append(stored)
        for order_id, own in streams.items():
            for part in _parts(own):
                yield from self._of_part(order_id, part)

    def _of_part(self, order_id: str, part: list[StoredEvent]) -> Iterator[bytes]:
        """Each message shows the order as it is after its event, and after what followed from that at once."""
        known = self._orders.get(order_id)
        if known is not None and known.state is None and all(isinstance(each.payload, OrderClosed) for each in part):
            return
        before = self._before(order_id, part[0].version, known)
        state = fold(part, before)
        assert state is not None  # noqa: S101 - there are events
        if known is None:
            known = self._orders[order_id] = _Known(state)
        known.state = None if self._earlier and state.has_ended else state
        had_ended = before is not None and before.has_ended
        for stored in part:
            if not _stays_in_house(stored, had_ended=had_ended):
                yield from self._of_event(known, state.order, stored)

    def _before(self, order_id: str, version: int, known: _Known | None) -> OrderState | None:
        """The order before an event; one that is not held any more is read again."""
        if known is not None and known.state is None and self._earlier is not None:
            return self._earlier(order_id, version - 1)
        return known.state if known else None

    def _of_event(self, known: _Known, order: Order, stored: StoredEvent) -> Iterator[bytes]:
        if stored.type in REQUESTS and (known.sent or stored.type == "OrderPlaced"):
            yield self._asked(known, order, stored)
        elif known.sent and (stored.type in EXECUTIONS or stored.type in REJECTS):
            yield self._answered(known, order, stored)

    def _asked(self, known: _Known, order: Order, stored: StoredEvent) -> bytes:
        match stored.payload:
            case OrderPlaced():
                known.sent = True
                self._used.add((order.session_id, known.current))
                body = new_order(order, stored.recorded_at)
            case OrderReplaceRequested() as event:
                given = event.cl_ord_id if event.cl_ord_id != event.orig_cl_ord_id else None
                body = replace_request(order, self._named(known, order.session_id, given), event)
            case event:
                assert isinstance(event, OrderCancelRequested)  # noqa: S101 - the third of REQUESTS
                body = cancel_request(order, self._named(known, order.session_id, event.cl_ord_id), event.text)
        return self._framed(stored, REQUESTS[stored.type], body, order)

    def _named(self, known: _Known, session: str, given: str | None) -> Pairs:
        """ClOrdID and OrigClOrdID of a request; the market needs a ClOrdID that is new, whatever the house gave."""
        name = given or ""
        while not name or (session, name) in self._used:
            known.number += 1
            name = f"{known.current[: _MAX_ID - _ROOM_FOR_A_NUMBER]}~{known.number}"
        self._used.add((session, name))
        known.request = name
        return [(11, name), (41, known.current)]

    def _answered(self, known: _Known, order: Order, stored: StoredEvent) -> bytes:
        event = stored.payload
        names = [(11, known.current)]
        ends = isinstance(event, OrderReplaced | OrderCancelRejected | OrderReplaceRejected)
        if known.request and (ends or (isinstance(event, OrderCancelled) and not event.unsolicited)):
            names = [(11, known.request), (41, known.current)]
            known.current = known.request if isinstance(event, OrderReplaced) else known.current
            known.request = ""
        if stored.type in REJECTS:
            return self._framed(stored, "9", cancel_reject(order, names, stored), order, back=True)
        return self._framed(stored, "8", execution_report(order, names, stored), order, back=True)

    def _framed(self, stored: StoredEvent, kind: str, body: Pairs, order: Order, *, back: bool = False) -> bytes:
        """A message about an order; `back` comes from the market."""
        behalf = "" if order.session_id == self._frames.sides.house else order.session_id
        return self._frames.framed(kind, stored.recorded_at, body, behalf=behalf, back=back)


def _stays_in_house(stored: StoredEvent, *, had_ended: bool) -> bool:
    """Is this no business of the market? Following another order, and cleaning up an order that is over, are not."""
    follows = getattr(stored.payload, "followed_order_id", None) is not None
    return follows or (isinstance(stored.payload, OrderClosed) and had_ended)


def _parts(events: list[StoredEvent]) -> Iterator[list[StoredEvent]]:
    """The events of one order and one command, cut where a message begins.

    What ends a request because of another event belongs to that event, and so does what completes or reopens an order.
    """
    part: list[StoredEvent] = []
    for stored in events:
        if part and stored.type in _BEGIN_A_MESSAGE:
            yield part
            part = []
        part.append(stored)
    yield part


def write_log(
    engine: Engine,
    log: BinaryIO,
    sides: Sides | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Written:
    """Write what an engine and the market said to each other, one message per line.

    Args:
        engine: Whose events are written.
        log: Where they are written to.
        sides: The CompIDs of the two sides.
        progress: Told now and then how many events were read, and how many there are.
    """
    fix, last = FixLog(parents_of(engine), sides, engine.state_at), engine.position
    events = _told_of(all_events(engine), lambda done: progress(done, last))
    log.writelines(message + b"\n" for message in fix.messages(events))
    return fix.written()


def _told_of(events: Iterable[StoredEvent], progress: Callable[[int], None]) -> Iterator[StoredEvent]:
    for number, stored in enumerate(events):
        if not number % _PAGE:
            progress(stored.position)
        yield stored
