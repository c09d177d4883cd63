"""Are pipelines, data flows, timelines and relations drawn as the code has them?"""

import ast
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path

from oms_engine import Engine
from oms_engine.domain.decider.evolve import evolve
from oms_engine.domain.events import (
    AllocationApplied,
    AllocationRejected,
    AllocationReversed,
    ExecutionBusted,
    ExecutionCreated,
    StoredEvent,
)
from oms_engine.domain.filters import ENTITIES
from oms_engine.domain.model import Lot, Order, OrderState
from oms_engine.domain.rules import risk
from oms_engine.domain.rules.envelope import EVERY_COMMAND
from oms_engine.domain.vocabulary import Direction
from oms_engine.record import plain
from oms_engine.workflows import _BY_TASK, TASK_NAMES, WORKFLOWS
from tests.docs import stories
from tests.docs.checks import Check, Known, Problems, differences
from tests.docs.mermaid import Arrow, NotUnderstood, Picture, read
from tests.docs.pages import Pages, Place, words

ROOT = Path(__file__).parent.parent.parent
PIPELINE = "illustrations/command-pipeline.md"
FLOWS = "illustrations/data-flow.md"
TIMELINES = "illustrations/allocation-timeline.md"
RELATIONS = "illustrations/entity-relations.md"

ASKED_OF = {
    "21-creating-and-placing": ("OrderCreateCmd", "OrderPlaceCmd"),
    "22-the-market-answers": (
        *("OrderAcceptCmd", "OrderRejectCmd", "OrderCancelAcceptCmd", "OrderCancelRejectCmd"),
        *("OrderReplaceAcceptCmd", "OrderReplaceRejectCmd"),
    ),
    "23-cancel-replace-expire-and-close": ("OrderCancelCmd", "OrderReplaceCmd", "OrderExpireCmd", "OrderCloseCmd"),
    "24-executions": ("ExecutionCreateCmd", "ExecutionWhackCmd", "ExecutionBustCmd", "ExecutionCorrectCmd"),
    "25-groups-and-allocation": (*("OrderGroupCmd", "OrderUngroupCmd", "AllocationApproveCmd", "AllocationRejectCmd"),),
    "26-quotes-and-settings": (
        *("QuoteRequestCreateCmd", "QuoteCreateCmd", "QuoteAcceptCmd", "QuoteRejectCmd", "QuoteExpireCmd"),
        *("SettingsChangeCmd", "ReferencePriceCmd"),
    ),
}
"""Section of the page of the pipeline -> the commands whose rules it lists by task."""
OF_ALL = Place(PIPELINE, "2-what-each-command-is-asked")


def _drawn(pages: Pages, place: Place) -> Picture:
    fences = pages.fences_of(place.path, place.anchor, "mermaid")
    if len(fences) != 1:
        raise NotUnderstood(f"{place} has {len(fences)} pictures")
    return read(fences[0].text)


def _readable(compare: Problems) -> Problems:
    """The same comparison; a picture that cannot be read is a problem too."""

    def problems(pages: Pages, known: Known) -> list[str]:
        try:
            return compare(pages, known)
        except NotUnderstood as line:
            return [f"not understood: {line}"]

    return problems


THE_WAY = Place(PIPELINE, "1-the-way-of-a-command")


def _way(pages: Pages, _: Known) -> list[str]:
    """Every task in its order; from each that can refuse to the refusal, and from two of them to the repeat."""
    picture = _drawn(pages, THE_WAY)
    named = {node: text.split(".")[-1].strip() for node, text in picture.nodes.items()}
    told = [(named[arrow.start], named[arrow.end], arrow.dotted) for arrow in picture.arrows]
    way = ["envelope", *TASK_NAMES, "CommandResult OK"]
    refusing = TASK_NAMES[:-1]
    known = [
        *((start, end, False) for start, end in pairwise(way)),
        *((task, "CommandResult FAILED", True) for task in refusing),
        *((task, "CommandResult OK, duplicate", True) for task in ("ValidateTransaction", "StateTransition")),
    ]
    numbered = [text for text in picture.nodes.values() if text[0].isdigit()]
    return [
        *differences("arrow of the pipeline", told, known),
        *differences("task", numbered, [f"{number}. {name}" for number, name in enumerate(TASK_NAMES, 1)]),
    ]


def _asked_of_all(pages: Pages, _: Known) -> list[str]:
    told = [(row["Task"], rule) for row in pages.table(OF_ALL).rows for rule in words(row["Asked of every command"])]
    first = {rule.id for rule in EVERY_COMMAND}
    pace = {rule.id for rule in risk.PACE}
    return differences(
        "rule of every command",
        told,
        [*((TASK_NAMES[0], rule) for rule in sorted(first)), *((TASK_NAMES[4], rule) for rule in pace)],
    )


def _asked(pages: Pages, known: Known) -> list[str]:
    listed = [name for names in ASKED_OF.values() for name in names]
    found = differences("command with its rules", listed, WORKFLOWS)
    for anchor, names in ASKED_OF.items():
        table = pages.table(Place(PIPELINE, anchor))
        found += differences(f"command in {anchor}", [row["Command"] for row in table.rows], names)
        for row in table.rows:
            for number, task in enumerate(TASK_NAMES[:5]):
                told = [rule for rule in words(row[task]) if rule != "-"]
                found += differences(f"{row['Command']}, {task}", told, rules_in(row["Command"], number))
                found += [f"{rule} is no rule" for rule in told if rule not in known.rules]
    return found


def rules_in(command: str, task: int) -> list[str]:
    """The rules that a task asks of a command, beside those of every command."""
    common = {*EVERY_COMMAND, *risk.PACE}
    rules = _BY_TASK[command][task] if command in _BY_TASK else ()
    return sorted({rule.id for rule in rules if rule not in common})


FLOW_PLACES = tuple(
    Place(FLOWS, anchor)
    for anchor in ("1-a-command", "2-a-query", "3-the-outbox", "4-a-subscription", "5-a-question-to-the-documents")
)
OUTSIDE = {
    *("client", "command line", "MCP client", "other system", "subscriber", "documents", "semantic index"),
    *("keyword index",),
}
"""What stands in the pictures and is no module and no table."""


@cache
def tables_kept() -> frozenset[str]:
    with Engine.open() as engine:
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        return frozenset(row[0] for row in engine._store.connection.execute(names))


_UPKEEP = {"snapshots", "projections", "parked_events", "chain", "account_keys", "store_facts"}
"""Tables that a picture of commands and queries may leave out."""


def _flows(pages: Pages, _: Known) -> list[str]:
    found = []
    tables: set[str] = set()
    for place in FLOW_PLACES:
        for text in _drawn(pages, place).nodes.values():
            if text.startswith("table "):
                tables |= set(words(text.removeprefix("table ")))
            elif text not in OUTSIDE and not _is_code(text):
                found.append(f"{place.anchor}: {text} is no module, no table and nobody outside")
    unknown, missing = tables - tables_kept(), tables_kept() - tables - _UPKEEP
    return [
        *found,
        *(f"{name} is no table" for name in sorted(unknown)),
        *(f"the table {name} is in no picture" for name in sorted(missing)),
    ]


def _is_code(text: str) -> bool:
    """Is this a module, or a function or class of one, written as `oms_engine.engine: Engine.execute`?"""
    module, _, name = text.partition(": ")
    path = ROOT.joinpath(*module.split("."))
    file = path.with_suffix(".py")
    if not name:
        return file.exists() or path.is_dir()
    return file.exists() and name in _defined(file)


@cache
def _defined(file: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
            if isinstance(node, ast.ClassDef):
                names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


_FLOW_ARROWS = {
    "1-a-command": 11,
    "2-a-query": 6,
    "3-the-outbox": 7,
    "4-a-subscription": 6,
    "5-a-question-to-the-documents": 9,
}


def _flow_sizes(pages: Pages, _: Known) -> list[str]:
    """No arrow of a flow can be looked up in the code, so at least none gets lost."""
    told = [(place.anchor, len(_drawn(pages, place).arrows)) for place in FLOW_PLACES]
    return differences("number of arrows", told, _FLOW_ARROWS.items())


TIMELINE_STORIES = {
    "1-up-the-tree": "timeline-tree",
    "2-the-desk-decides": "timeline-desk",
    "3-to-the-members-of-a-group": "timeline-group",
    "4-a-bust-goes-back-the-same-way": "timeline-bust",
}


def told_by(events: Iterable[StoredEvent], orders: Iterable[str]) -> Iterator[Arrow | str]:
    """The messages and notes of a story from its events: fills, lots handed on, and how each order stands after it."""
    shown = list(orders)
    states: dict[str, OrderState] = {}
    by_command: dict[str, list[StoredEvent]] = {}
    for event in events:
        by_command.setdefault(event.command_id, []).append(event)
    for command in by_command.values():
        touched: list[str] = []
        messages: list[Arrow] = []
        for event in (event for event in command if event.stream_id.startswith("order-")):
            name = event.stream_id.removeprefix("order-")
            states[name] = evolve(states.get(name), event)
            messages += _messages(name, event.payload)
            touched.append(name)
        if messages:
            yield from messages
            yield from (f"{name}: {_standing(states[name].order)}" for name in shown if name in touched)


def _messages(name: str, happened: object) -> Iterator[Arrow]:
    match happened:
        case ExecutionCreated():
            yield Arrow("M", name, f"{happened.exec_id} {plain(happened.last_qty)} @ {plain(happened.last_px)}")
        case ExecutionBusted():
            yield Arrow("M", name, f"{happened.exec_id} busted")
        case AllocationRejected():
            yield Arrow("D", name, f"refuse {plain(happened.quantity)}")
        case AllocationApplied(direction=Direction.OUT):
            if happened.approved_by:
                yield Arrow("D", name, f"approve {plain(sum((lot.quantity for lot in happened.lots), Decimal(0)))}")
            yield from (Arrow(name, to, _words_of(lot)) for to, lot in _handed(happened))
        case AllocationReversed(direction=Direction.OUT):
            yield from (Arrow(to, name, _words_of(lot), dotted=True) for to, lot in _handed(happened))


def _handed(event: AllocationApplied | AllocationReversed) -> Iterator[tuple[str, Lot]]:
    if event.shares:
        yield from ((share.order_id, lot) for share in event.shares for lot in share.lots)
    else:
        yield from ((str(event.counterpart), lot) for lot in event.lots)


def _words_of(lot: Lot) -> str:
    return f"{plain(lot.quantity)} @ {plain(lot.price)} of {lot.exec_id}"


def _standing(order: Order) -> str:
    leaves = plain(order.leaves_qty or Decimal(0))
    told = f"{order.state}, cumQty {plain(order.cum_qty)}, leavesQty {leaves}, avgPx {plain(order.avg_px)}"
    pending = f", pendingAllocQty {plain(order.pending_alloc_qty)}" if order.pending_alloc_qty else ""
    return told + pending


def _timelines(pages: Pages, _: Known) -> list[str]:
    found = []
    for anchor, story in TIMELINE_STORIES.items():
        place = Place(TIMELINES, anchor)
        blocks = [block for block in pages.fences_of(TIMELINES, anchor, "scenario") if f"id: {story}\n" in block.text]
        if len(blocks) != 1:
            found.append(f"{anchor} has no scenario {story}")
        picture = _drawn(pages, place)
        events = stories.run_of(f"{TIMELINES}#{story}").events
        expected = list(told_by(events, [name for name in picture.nodes if name not in {"M", "D"}]))
        arrows = [told for told in expected if isinstance(told, Arrow)]
        notes = [told for told in expected if isinstance(told, str)]
        found += differences(f"message in {anchor}", picture.arrows, arrows)
        found += differences(f"note in {anchor}", picture.notes, notes)
        if not found and list(picture.arrows) != arrows:
            found.append(f"{anchor}: the messages are in another order")
        used = {name for arrow in arrows for name in (arrow.start, arrow.end)}
        found += differences(f"participant in {anchor}", picture.nodes, used)
    return found


_NO_REFERENCE = {
    *("clOrdId", "origClOrdId", "sessionId", "securityId", "locateId", "secondaryExecId"),
    *("commandId", "correlationId", "causationId", "streamId"),
}
"""Ids that lead to nothing that is kept as a row."""
_OWN_KEYS = {
    "order": ("orderId",),
    "execution": ("execId",),
    "allocation": ("id",),
    "quote_request": ("quoteReqId",),
    "quote": ("quoteId",),
    "event": ("position",),
}
_SHOWN = {
    "order": (
        *("state", "cancelState", "orderQty", "cumQty", "leavesQty", "avgPx", "placeQty", "allocQty", "version"),
    ),
    "execution": ("lastQty", "lastPx", "status", "transactTime"),
    "allocation": ("quantity", "price", "status"),
    "quote_request": ("symbol", "quantity", "state"),
    "quote": ("price", "state"),
    "event": ("streamId", "version", "type", "commandId", "recordedAt"),
}
"""What the picture tells of each beside keys and references; it would be unreadable with everything in it."""
RELATION_PLACE = Place(RELATIONS, "1-the-picture")


def _relations(pages: Pages, _: Known) -> list[str]:
    picture = _drawn(pages, RELATION_PLACE)
    found = differences("entity", picture.attributes or {}, ENTITIES)
    for name, rows in (picture.attributes or {}).items():
        fields = ENTITIES[name].fields if name in ENTITIES else {}
        found += [
            f"{name} has no {kind} {field}"
            for kind, field, _ in rows
            if field not in fields or fields[field].type.value != kind
        ]
        found += differences(f"what {name} shows", [f for _, f, key in rows if not key], _SHOWN.get(name, ()))
        keys = [field for _, field, key in rows if "PK" in key]
        found += differences(f"key of {name}", keys, _OWN_KEYS.get(name, ()))
        told = [field for _, field, key in rows if "FK" in key]
        found += differences(f"reference of {name}", told, _references(name))
    drawn = [(arrow.end, arrow.label.split()[-1]) for arrow in picture.arrows]
    known = [(name, field) for name in ENTITIES for field in _references(name)]
    return [*found, *differences("relation", drawn, known)]


def _references(name: str) -> list[str]:
    """The fields of an entity that name another row."""
    fields = ENTITIES[name].fields
    return [f for f in fields if f.endswith("Id") and f not in _NO_REFERENCE and f not in _OWN_KEYS[name]]


CHECKS = (
    Check("way of a command", _readable(_way), pictures=(THE_WAY,)),
    Check("asked of every command", _asked_of_all, (OF_ALL,)),
    Check("rules by task", _asked, tuple(Place(PIPELINE, anchor) for anchor in ASKED_OF)),
    Check("modules and tables of the flows", _readable(_flows)),
    Check("arrows of the flows", _readable(_flow_sizes), pictures=FLOW_PLACES),
    Check("timelines", _readable(_timelines), pictures=tuple(Place(TIMELINES, anchor) for anchor in TIMELINE_STORIES)),
    Check("entity relations", _readable(_relations), pictures=(RELATION_PLACE,)),
)
