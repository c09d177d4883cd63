"""What does each answer look like as JSON? The same for the tools of the server and for `oms ... --json`.

Plain objects: camelCase, no nulls, decimals as strings. Nothing here knows the protocol, so that the command line can
use it without loading one.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from knowledge_base import DocumentNotFound, InvalidArgument, InvalidQuestions, KnowledgeBaseError, NotFound, Reading
from oms_engine import BatchOutcome, Engine, Order, Outcome, Page, Problem, Refused, StoredEvent, StoreError
from oms_engine.domain.catalogue import violation
from oms_engine.domain.events import SETTINGS_STREAM, SettingsChanged
from oms_engine.domain.model import Quote, QuoteRequest
from oms_engine.domain.rules.quote import QUOTE_MACHINE, QUOTE_REQUEST_MACHINE
from oms_engine.domain.vocabulary import CommandStatus, QuoteState, State
from oms_engine.engine import PastEngine
from oms_engine.errors import CODES, problem_of, shown
from oms_engine.framework.validation import Violation
from oms_engine.record import Record, parse_decimal, plain
from oms_engine.results import MainObject, Moved
from oms_engine.settings import FIXED_AT_OPENING, Settings

Wire = dict[str, Any]
ResponseFormat = Literal["concise", "detailed"]

_TYPE_LENGTH = 64
_MOST_RELATED = 20
"""How many orders that followed are told one by one."""

CONCISE: Mapping[str, tuple[str, ...]] = {
    "order": (
        "orderId",
        "clOrdId",
        "symbol",
        "side",
        "ordType",
        "orderQty",
        "price",
        "state",
        "cancelState",
        "cumQty",
        "leavesQty",
        "avgPx",
        "version",
    ),
    "execution": ("execId", "orderId", "lastQty", "lastPx", "status", "transactTime"),
    "allocation": ("giverOrderId", "receiverOrderId", "execId", "quantity", "price", "status", "approvedBy"),
    "quote": ("quoteId", "quoteReqId", "price", "priceType", "quantity", "currency", "validUntil", "quotedBy", "state"),
    "quote_request": ("quoteReqId", "symbol", "side", "quantity", "currency", "validUntil", "state", "version"),
    "event": ("position", "streamId", "version", "type", "recordedAt", "actor", "payload"),
    "change": ("state", "cancelState", "orderQty", "cumQty", "leavesQty", "avgPx", "version"),
}
"""What a concise answer tells of a record; a detailed one tells everything that is not null."""

_TERMS = ("clOrdId", "origClOrdId", "price", "stopPx", "timeInForce", "expireTime", "execInst", "text")
"""Terms of an order that a command can change; told before and after where it did."""

_PLACE = ("parentOrderId", "groupOrderId", "placeQty", "allocQty", "pendingAllocQty", "allocState")
"""What a concise answer tells besides of an order that stands in a tree or a group."""

_TREE = ("orderId", "parentOrderId", "role", "state", "cancelState", "orderQty", "cumQty", "leavesQty", "avgPx")
_TREE_PLACE = ("placeQty", "allocQty", "pendingAllocQty")

_FOLLOWED = (
    "state",
    "cancelState",
    "orderQty",
    "cumQty",
    "leavesQty",
    "avgPx",
    "groupOrderId",
    "placeQty",
    "allocQty",
    "pendingAllocQty",
    *_TERMS,
)
"""What is told of an order that followed a command, where it changed."""


def shaped(kind: str, record: Record, response_format: ResponseFormat, fields: Sequence[str] = ()) -> Wire:
    """A record as JSON: the fields asked for, else the concise ones, else all."""
    wire = record.to_wire()
    if not fields and response_format == "detailed":
        return wire
    told = {name: wire[name] for name in fields or CONCISE[kind] if name in wire}
    if not fields and isinstance(record, Order):
        told |= _beyond_its_own(record, wire)
    return told


def has_relatives(order: Order) -> bool:
    """Does an order stand in a tree or a group?"""
    return bool(order.parent_order_id or order.place_qty or order.group_order_id)


def _beyond_its_own(order: Order, wire: Wire) -> Wire:
    """The place of an order in its tree and group, and what a replace asks for; zero and null say nothing."""
    names = (*(_PLACE if has_relatives(order) else ()), "pendingReplace")
    return {name: wire[name] for name in names if wire.get(name, "0") != "0"}


class SettingsBefore(NamedTuple):
    """The settings and the posted prices as they were before a command, and the envelope of that command."""

    settings: Settings
    prices: Mapping[str, Decimal]
    envelope: Mapping[str, Any]


def settings_before(engine: Engine, envelope: object) -> SettingsBefore | None:
    """What to keep in mind before a command about settings is carried out; None for any other command."""
    if isinstance(envelope, Mapping) and envelope.get("type") in _ABOUT_SETTINGS:
        return SettingsBefore(engine.settings, engine.posted_prices, envelope)
    return None


_ABOUT_SETTINGS = ("SettingsChangeCmd", "ReferencePriceCmd")


def command_wire(
    engine: Engine,
    outcome: Outcome,
    response_format: ResponseFormat = "concise",
    known: SettingsBefore | None = None,
) -> Wire:
    """The answer to a command: its CommandResult with the object before and after, who followed, what can follow.

    Args:
        engine: The engine that carried it out.
        outcome: What it did.
        response_format: How much is told.
        known: The settings as they were, for a command that is about them and is told alone.
    """
    wire: Wire = {**outcome.result.to_wire(), "mode": engine.mode}
    if outcome.dry_run:
        wire["dryRun"] = True
    if not outcome.result.ok:
        return wire
    if outcome.after is None:
        return wire | _settings_moved(engine, outcome, known)
    wire |= _named(outcome.after)
    wire |= _before_and_after(outcome.before, outcome.after, response_format)
    if outcome.others:
        wire["related"] = [_related(moved) for moved in outcome.others[:_MOST_RELATED]]
    if len(outcome.others) > _MOST_RELATED:
        wire["relatedMore"] = len(outcome.others) - _MOST_RELATED
    wire["nextStates"] = next_states_wire(engine, outcome.after)
    return wire


def _named(about: MainObject) -> Wire:
    """The ids of what a command was about."""
    match about:
        case Order():
            return {"orderId": about.order_id}
        case Quote():
            return {"quoteId": about.quote_id, "quoteReqId": about.quote_req_id}
        case QuoteRequest():
            return {"quoteReqId": about.quote_req_id}


def _before_and_after(before: MainObject | None, after: MainObject, response_format: ResponseFormat) -> Wire:
    """The object as it was and as it is; what changed is told on both sides, also a term and a quantity that is 0."""
    now = _change(after, response_format)
    if before is None:
        return {"after": now}
    was = _change(before, response_format)
    all_was, all_now = before.to_wire(), after.to_wire()
    terms = _TERMS if isinstance(after, Order) else ()
    changed = [name for name in {**was, **now, **dict.fromkeys(terms)} if all_was.get(name) != all_now.get(name)]
    return {
        "before": was | {name: all_was[name] for name in changed if name in all_was},
        "after": now | {name: all_now[name] for name in changed if name in all_now},
    }


def _change(about: MainObject, response_format: ResponseFormat) -> Wire:
    kinds = {Order: "change", Quote: "quote", QuoteRequest: "quote_request"}
    return shaped(kinds[type(about)], about, response_format)


def _related(moved: Moved) -> Wire:
    """An order that followed: only what changed of it, and the version it has now."""
    before = moved.before.to_wire() if moved.before else {}
    after = moved.after.to_wire()
    known = _FOLLOWED if before else [name for name in _FOLLOWED if name not in _TERMS]
    changed = [name for name in known if before.get(name) != after.get(name)]
    return {
        "orderId": moved.after.order_id,
        "version": moved.after.version,
        "before": {name: before[name] for name in changed if name in before},
        "after": {name: after[name] for name in changed if name in after},
    }


def _settings_moved(engine: Engine, outcome: Outcome, known: SettingsBefore | None) -> Wire:
    """The settings that a command changed, before and after; a preview has no events to tell them from."""
    if known and not outcome.result.duplicate and known.envelope["type"] == "ReferencePriceCmd":
        return _price_moved(known)
    if known and outcome.dry_run:
        return _settings_asked(known)
    positions = {str(event.position) for event in outcome.result.events if event.position is not None}
    if not positions:
        return {}
    where = [f"streamId={SETTINGS_STREAM}", f"position__in={','.join(sorted(positions))}"]
    events = [event.payload for event in engine.query(entity="event", where=where, sort="position").content]  # type: ignore[attr-defined] # the entity is event
    changed = [event for event in events if isinstance(event, SettingsChanged)]
    if not changed:
        return {}
    return {
        "before": {event.key: or_off(event.old) for event in changed},
        "after": {event.key: or_off(event.new) for event in changed},
    }


def _settings_asked(known: SettingsBefore) -> Wire:
    """What a change that was only previewed would set."""
    before = known.settings.to_wire()
    after = known.settings.with_changes(known.envelope["changes"]).to_wire()
    changed = [name for name in after if before[name] != after[name]]
    return {
        "before": {name: or_off(before[name]) for name in changed},
        "after": {name: or_off(after[name]) for name in changed},
    }


def _price_moved(known: SettingsBefore) -> Wire:
    """The reference price that was posted, and the one before it."""
    symbol = known.envelope["symbol"]
    old = known.prices.get(symbol, known.settings.risk_reference_price.get(symbol))
    return {
        "before": {"referencePrices": {} if old is None else {symbol: plain(old)}},
        "after": {"referencePrices": {symbol: plain(parse_decimal(known.envelope["price"]))}},
    }


def all_settings_wire(engine: Engine) -> Wire:
    """All settings by dotted name, and the reference prices that were posted."""
    return {**settings_wire(engine.settings), "referencePrices": prices_wire(engine)}


def prices_wire(engine: Engine) -> Wire:
    """The reference prices that were posted, by symbol."""
    return {symbol: plain(price) for symbol, price in sorted(engine.posted_prices.items())}


def sweep_wire(engine: Engine, outcomes: Sequence[Outcome], overdue: Sequence[Order], *, dry_run: bool) -> Wire:
    """What a sweep did: the orders that expired, those that followed them, the refusals, and what waits too long.

    `waiting` lists orders that the market did not answer yet, where the lifecycle lets them expire only afterwards.
    """
    expired: list[Wire] = []
    waiting: list[Wire] = []
    refused: list[Wire] = []
    may_expire = engine.check(from_state=State.UNACK, path=[State.EXP]).valid
    for outcome in outcomes:
        if not isinstance(outcome.before, Order):
            continue
        if outcome.result.error and outcome.before.state is State.UNACK and not may_expire:
            waiting.append(_selected(outcome.before, ("orderId", "clOrdId", "state", "updatedAt")))
        elif outcome.result.error:
            refused.append({"orderId": outcome.before.order_id, "error": outcome.result.error.to_wire()})
        elif isinstance(outcome.after, Order):
            expired.append(_expired(outcome.before, outcome.after))
            expired += [
                {**_expired(moved.before, moved.after), "followed": outcome.after.order_id}
                for moved in outcome.others
                if moved.before and moved.before.state is not moved.after.state is State.EXP
            ]
    told = [_selected(order, ("orderId", "clOrdId", "state", "cancelState", "updatedAt")) for order in overdue]
    return {
        "expired": expired,
        "waiting": waiting,
        "refused": refused,
        "overdue": told,
        "mode": engine.mode,
        "dryRun": dry_run,
    }


def _expired(before: Order, after: Order) -> Wire:
    wire = _selected(after, ("orderId", "timeInForce", "expireTime", "version"))
    return wire | {"expiredQty": _selected(before, ("leavesQty",)).get("leavesQty", "0")}


def _selected(record: Record, names: Sequence[str]) -> Wire:
    wire = record.to_wire()
    return {name: wire[name] for name in names if name in wire}


def named_settings(names: Sequence[str]) -> Sequence[str]:
    """The names, when all are settings; raises Refused (OMS-VAL-003, OMS-VAL-004) listing the valid ones."""
    valid = Settings.names()
    unknown = [name for name in names if name not in valid]
    if names and not unknown:
        return names
    listed = ", ".join(valid)
    if not names:
        found = violation("SET-01", "OMS-VAL-003", "keys", f"keys is missing; name the settings to get, of {listed}")
    else:
        near = difflib.get_close_matches(unknown[0][:64], valid, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        message = f"setting {shown(unknown[0])} is unknown; {hint}valid: {listed}"
        found = violation("SET-01", "OMS-VAL-004", "keys", message)
    raise Refused(problem_of([found]))


def settings_wire(settings: Settings, names: Sequence[str] = (), response_format: ResponseFormat = "concise") -> Wire:
    """Settings by dotted name, all or those named; detailed with default, meaning, and whether they can change."""
    now, otherwise = settings.to_wire(), Settings().to_wire()
    if response_format == "concise":
        return {name: or_off(now[name]) for name in names or now}
    meanings = {str(field.alias): field.description or "" for field in Settings.model_fields.values()}
    return {
        name: {
            "value": or_off(now[name]),
            "default": or_off(otherwise[name]),
            "changeable": name not in FIXED_AT_OPENING,
            "description": meanings[name],
        }
        for name in names or now
    }


def or_off(value: object) -> object:
    """The value of a setting without null: what is not set is off, as it is written in a change."""
    return "off" if value is None else value


def next_states_wire(engine: Engine, about: MainObject) -> list[Wire]:
    """What can follow the state of an order, a quote or a request, and by which command."""
    if isinstance(about, Order):
        return [state.to_wire() for state in engine.next_states(about)]
    machine = QUOTE_MACHINE if isinstance(about, Quote) else QUOTE_REQUEST_MACHINE
    return [
        {"to": state, "command": command, "correction": False, "why": why}
        for state, (command, why) in _QUOTE_WAYS.items()
        if machine.is_valid_transition(about.state, state)
    ]


_QUOTE_WAYS: Mapping[QuoteState, tuple[str, str]] = {
    QuoteState.QUOTED: ("QuoteCreateCmd", "the desk gives a first quote"),
    QuoteState.ACCEPTED: ("QuoteAcceptCmd", "the client takes a quote; the other open ones are rejected"),
    QuoteState.REJECTED: ("QuoteRejectCmd", "the quote, or the request with all its quotes, is refused"),
    QuoteState.EXPIRED: ("QuoteExpireCmd", "its time is over, and its validUntil has come where it has one"),
}
"""State of a quote or its request -> the command that leads there, and what it means."""


def batch_wire(
    engine: Engine,
    batch: BatchOutcome,
    commands: Sequence[object],
    response_format: ResponseFormat = "concise",
) -> Wire:
    """The answer to a batch; `ok` counts what was carried out and kept, `notRun` lists what was never reached."""
    results = [command_wire(engine, outcome, response_format) for outcome in batch.outcomes]
    failed = sum(not outcome.result.ok for outcome in batch.outcomes)
    wire: Wire = {
        "results": results,
        "ok": 0 if batch.rolled_back else len(results) - failed,
        "failed": failed,
        "notRun": [_not_run(index, commands[index]) for index in range(len(results), len(commands))],
        "mode": engine.mode,
    }
    if batch.rolled_back:
        wire["rolledBack"] = True
        for result in results:
            if result["status"] == CommandStatus.OK:
                result["rolledBack"] = True
    return wire


def _not_run(index: int, command: object) -> Wire:
    kind = command.get("type") if isinstance(command, Mapping) else None
    return {"index": index, "type": kind[:_TYPE_LENGTH]} if isinstance(kind, str) else {"index": index}


def order_wire(
    engine: Engine, order: Order, include: Iterable[str] = (), response_format: ResponseFormat = "concise"
) -> Wire:
    """An order, with one list per part asked for: executions, allocations, children, events, next_states.

    `children` is the whole tree; with it come `group` for a member of a group, and `members` for a group.
    """
    wire = shaped("order", order, response_format)
    if "executions" in include:
        wire["executions"] = [
            shaped("execution", execution, response_format) for execution in engine.executions(order.order_id)
        ]
    if "allocations" in include:
        wire |= _allocations(engine, order, response_format)
    if "children" in include:
        wire |= tree_wire(engine, order)
    if "events" in include:
        wire["events"] = [shaped("event", event, response_format) for event in engine.history(order.order_id)]
    if "next_states" in include:
        wire["nextStates"] = next_states_wire(engine, order)
    return wire


def whole_order_wire(engine: Engine, order: Order) -> Wire:
    """An order with everything that stands to it; tree and allocations only where there are any."""
    wire = order_wire(engine, order, ("executions", "allocations", "children", "next_states"), "detailed")
    alone = len(wire["children"]) == 1 and not {"group", "members"} & {*wire}
    absent = {"children" if alone else "", "allocations" if not wire["allocations"] else ""}
    return {name: value for name, value in wire.items() if name not in absent}


def _allocations(engine: Engine, order: Order, response_format: ResponseFormat) -> Wire:
    """What an order handed on and what it received, in the order of time; the first page of each."""
    told: list[tuple[int, Wire]] = []
    found = 0
    for side in ("giverOrderId", "receiverOrderId"):
        where = [{"field": side, "op": "in", "value": order.order_id}]
        page = engine.query(entity="allocation", where=where, sort="id", size=engine.settings.max_size)
        found += page.page.total_elements or 0
        told += [(lot.id, shaped("allocation", lot, response_format)) for lot in page.content]  # type: ignore[attr-defined] # the entity is allocation
    wire: Wire = {"allocations": [lot for _, lot in sorted(told, key=lambda pair: pair[0])]}
    if found > len(told):
        wire["warnings"] = [
            f"allocations shows {len(told)} of {found}; search_orders with entity allocation finds all of them"
        ]
    return wire


def tree_wire(engine: Engine, order: Order) -> Wire:
    """The whole tree an order stands in, by depth, with the group or the members that are linked to it."""
    tree = engine.tree(order.order_id)
    wire: Wire = {"children": [{"depth": tree.depths[each.order_id], **_node(each)} for each in tree.orders]}
    if tree.group:
        wire["group"] = _node(tree.group)
    if tree.members:
        wire["members"] = [_node(member) for member in tree.members]
    return wire


def _node(order: Order) -> Wire:
    wire = order.to_wire()
    told = {name: wire[name] for name in _TREE if name in wire}
    return told | {name: wire[name] for name in _TREE_PLACE if wire[name] != "0"}


def page_wire(page: Page, entity: str, fields: Sequence[str] = (), response_format: ResponseFormat = "concise") -> Wire:
    """One page of a query, its rows as asked for."""
    return {
        "content": [shaped(entity, record, response_format, fields) for record in page.content],
        **page.about(),
    }


@contextmanager
def seen_at(engine: Engine, as_of: str, order_id: str = "") -> Iterator[Engine]:
    """The engine as it is, or as it was at a moment; see `Engine.at` for what a moment is and what is refused."""
    if not as_of:
        yield engine
        return
    with engine.at(as_of, order_id=order_id) as past:
        yield past


def moment_wire(engine: Engine) -> Wire:
    """The moment that an answer shows, in the form that asks for the same again; empty for the present."""
    return {"asOf": engine.moment.name} if isinstance(engine, PastEngine) else {}


def stream_events(engine: Engine, name: str) -> list[StoredEvent]:
    """The events of an order, of a quote request or of the settings, in order.

    Args:
        engine: The engine.
        name: An orderId; else `settings`, a quoteReqId, or the stream of a quote request as events name it.

    Raises:
        Refused: OMS-ORDER-001 when there is nothing of this name.
    """
    if engine.get(name) is None:
        for stream in (name, f"quote-{name}"):
            if (found := _events_of(engine, stream)) or stream == SETTINGS_STREAM:
                return found
    return engine.history(name)


def _events_of(engine: Engine, stream: str) -> list[StoredEvent]:
    where = [{"field": "streamId", "op": "in", "value": stream}]
    found: list[StoredEvent] = []
    cursor: str | None = "*"
    while cursor:
        page = engine.query(entity="event", where=where, sort="position", cursor=cursor, size=engine.settings.max_size)
        found += page.content  # type: ignore[arg-type] # the entity is event
        cursor = page.next_cursor
    return found


def history_wire(
    events: Sequence[StoredEvent],
    *,
    more: bool = False,
    response_format: ResponseFormat = "concise",
    changed_in: Engine | None = None,
) -> Wire:
    """Events in order; `next` is the position to go on after, when there are more.

    Args:
        events: The events.
        more: There are more behind them.
        response_format: How much is told of each.
        changed_in: The engine that tells what each event changed, where that is asked for.
    """
    wire: Wire = {"events": [shaped("event", event, response_format) for event in events]}
    if changed_in:
        for told, event in zip(wire["events"], events, strict=True):
            told["changes"] = changes_wire(changed_in, event)
    if more and events:
        wire["next"] = events[-1].position
    return wire


def changes_wire(engine: Engine, event: StoredEvent) -> Wire:
    """What an event changed, by field: before and after, either absent where there was no value."""
    return {
        name: {end: value for end, value in change._asdict().items() if value is not None}
        for name, change in engine.changes(event).items()
    }


def replay_wire(engine: Engine, order_id: str, first: int | None = None, last: int | None = None) -> Wire:
    """The life of an order, event by event: what each changed, and how the order stood afterwards.

    Args:
        engine: The engine.
        order_id: The order.
        first: The version to begin with; 1 when it is not given.
        last: The version to end with; the last one when it is not given.

    Raises:
        Refused: OMS-ORDER-001 there is no such order, OMS-VAL-005 it has no such version.
    """
    events = engine.history(order_id)
    for version in (first, last):
        if version is not None:
            engine.replay(order_id, version)
    wanted = events[(first or 1) - 1 : last or len(events)]
    steps = [
        shaped("event", event, "concise")
        | {"changes": changes_wire(engine, event)}
        | {"order": shaped("change", engine.replay(order_id, event.version).order, "concise")}
        for event in wanted
    ]
    return {"orderId": order_id, "versions": len(events), "steps": steps}


def page_of(address: str, text: str, offset: int, limit: int) -> Reading:
    """One page of a text that is no document; raises InvalidArgument for a page that it does not have."""
    if limit < 1:
        raise InvalidArgument("limit", limit, "give at least 1")
    if offset < 0 or (offset and offset >= len(text)):
        raise InvalidArgument("offset", offset, f"the text has {len(text):,} characters")
    end = offset + limit
    return Reading(
        path=address,
        anchor="",
        text=text[offset:end],
        start_line=1,
        end_line=1,
        outline=[],
        next_offset=end if end < len(text) else None,
    )


def problem_from(error: BaseException) -> Problem | None:
    """The problem details of an error that was raised on purpose; None for any other, whose text stays here."""
    match error:
        case Refused():
            return error.problem
        case StoreError():
            return error.problem()
        case InvalidArgument():
            out_of_bounds = error.field in {"offset", "limit"}
            return _library_problem(error.field, error, "OMS-VAL-005" if out_of_bounds else "OMS-VAL-004")
        case NotFound():
            return _library_problem("path" if isinstance(error, DocumentNotFound) else "anchor", error)
        case KnowledgeBaseError():
            return _library_problem("queries" if isinstance(error, InvalidQuestions) else "path", error)
        case _:
            return None


def _library_problem(field: str, error: KnowledgeBaseError, code: str = "OMS-VAL-004") -> Problem:
    found = Violation(rule_id="ENV-06", field=field, message=str(error), code=code, citation=CODES[code].citation)
    return problem_of([found])
