"""Are commands, events, records, enumerations and queries told field by field as the code has them?"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, StrEnum

from oms_engine.domain import vocabulary
from oms_engine.domain.commands import COMMANDS, ENVELOPE_FIELDS, Command, CommandResult
from oms_engine.domain.events import EVENTS, StoredEvent
from oms_engine.domain.filters import ENTITIES, OPERATORS
from oms_engine.domain.model import (
    Allocation,
    Execution,
    ExecutionReport,
    NewOrder,
    Order,
    Quote,
    QuoteRequest,
    ReplaceTerms,
)
from oms_engine.domain.vocabulary import AssetClass, CxlRejReason, FixEnum, OrdRejReason
from oms_engine.engine import Engine
from oms_engine.framework.orchestration import PipelineResult, TaskStatus
from oms_engine.record import Record
from oms_engine.workflows import _OWNERS, TASK_NAMES
from tests.docs import stories
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, Row, codes, words

COMMAND_PAGE = "contracts/commands.md"
EVENT_PAGE = "contracts/events.md"
MODEL_PAGE = "contracts/order-model.md"
QUERY_PAGE = "framework/query-language.md"
TASK_PAGE = "framework/task-orchestration.md"

COMMAND_LIST = Place(COMMAND_PAGE, "1-overview")
ENVELOPE = Place(COMMAND_PAGE, "21-fields-of-the-envelope")
RESULT = Place(COMMAND_PAGE, "4-commandresult")
EVENT_LIST = Place(EVENT_PAGE, "2-overview")
METADATA = Place(EVENT_PAGE, "1-metadata")
WRITES = Place(EVENT_PAGE, "5-which-command-writes-which-events")


def wire_names(record: type[Record]) -> list[str]:
    return [str(info.alias) for info in record.model_fields.values()]


def fix_tag(record: type[Record], name: str) -> str:
    """The FIX tag of a field by its wire name, `-` where it has none."""
    (info,) = (info for info in record.model_fields.values() if info.alias == name)
    extra = info.json_schema_extra
    return str(extra["fix"]) if isinstance(extra, dict) else "-"


_COMMAND_SECTIONS = {
    "31-ordercreatecmd": ("OrderCreateCmd",),
    "32-orderplacecmd": ("OrderPlaceCmd",),
    "33-orderacceptcmd": ("OrderAcceptCmd",),
    "34-orderrejectcmd": ("OrderRejectCmd",),
    "35-ordercancelcmd": ("OrderCancelCmd",),
    "36-ordercancelacceptcmd": ("OrderCancelAcceptCmd",),
    "37-ordercancelrejectcmd": ("OrderCancelRejectCmd",),
    "38-orderexpirecmd": ("OrderExpireCmd",),
    "39-orderclosecmd": ("OrderCloseCmd",),
    "310-executioncreatecmd": ("ExecutionCreateCmd",),
    "311-executionwhackcmd": ("ExecutionWhackCmd",),
    "312-executionbustcmd": ("ExecutionBustCmd",),
    "313-orderreplacecmd": ("OrderReplaceCmd",),
    "314-orderreplaceacceptcmd-and-orderreplacerejectcmd": ("OrderReplaceAcceptCmd", "OrderReplaceRejectCmd"),
    "315-executioncorrectcmd": ("ExecutionCorrectCmd",),
    "316-ordergroupcmd-and-orderungroupcmd": ("OrderGroupCmd", "OrderUngroupCmd"),
    "317-allocationapprovecmd-and-allocationrejectcmd": ("AllocationApproveCmd", "AllocationRejectCmd"),
    "318-quoterequestcreatecmd-and-quotecreatecmd": ("QuoteRequestCreateCmd", "QuoteCreateCmd"),
    "319-quoteacceptcmd-quoterejectcmd-and-quoteexpirecmd": ("QuoteAcceptCmd", "QuoteRejectCmd", "QuoteExpireCmd"),
    "320-settingschangecmd-and-referencepricecmd": ("SettingsChangeCmd", "ReferencePriceCmd"),
}
_OF_EXECUTION = {
    f"execution.{name}": None for name in ("orderId", "execId", "lastQty", "lastPx", "execType", "transactTime")
}
"""Fields of a part that the table of the command tells beside the part itself."""


def _command_list(pages: Pages, known: Known) -> list[str]:
    told = [name for row in pages.table(COMMAND_LIST).rows for name in words(row["Command"])]
    sections = [name for names in _COMMAND_SECTIONS.values() for name in names]
    count = re.search(r"each of the (\d+) commands", pages.text(COMMAND_PAGE))
    return [
        *differences("command", told, known.commands),
        *differences("command with a section of its own", sections, known.commands),
        *differences("number of commands", [int(count[1]) if count else 0], [len(known.commands)]),
    ]


def _envelope(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(ENVELOPE).rows for name in codes(row["Field"])]
    known = [str(Command.model_fields[name].alias) for name in ENVELOPE_FIELDS]
    return differences("field of the envelope", told, ["type", *known])


def _payload(anchor: str, names: tuple[str, ...]) -> Check:
    place = Place(COMMAND_PAGE, anchor)

    def problems(pages: Pages, _: Known) -> list[str]:
        told = [name for row in pages.table(place).rows for name in codes(row["Field"])]
        known = {
            str(info.alias): None
            for name in names
            for field, info in COMMANDS[name].model_fields.items()
            if field not in ENVELOPE_FIELDS
        }
        if names == ("ExecutionCreateCmd",):
            known |= _OF_EXECUTION
        return differences(f"payload of {', '.join(names)}", told, known)

    return Check(f"payload of {', '.join(names)}", problems, (place,))


def _result(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(RESULT).rows for name in codes(row["Member"])]
    return differences("member of CommandResult", told, wire_names(CommandResult))


_EVENT_SECTIONS = {
    "31-ordercreated": ("OrderCreated",),
    "32-orderplaced": ("OrderPlaced",),
    "33-orderaccepted": ("OrderAccepted",),
    "34-orderfilled": ("OrderFilled",),
    "35-orderrejected": ("OrderRejected",),
    "36-ordercancelrequested": ("OrderCancelRequested",),
    "37-ordercancelled": ("OrderCancelled",),
    "38-ordercancelrejected": ("OrderCancelRejected",),
    "39-orderexpired": ("OrderExpired",),
    "310-orderclosed": ("OrderClosed",),
    "311-orderreopened": ("OrderReopened",),
    "312-orderplacementchanged": ("OrderPlacementChanged",),
    "313-orderreplacerequested-orderreplaced-and-orderreplacerejected": (
        "OrderReplaceRequested",
        "OrderReplaced",
        "OrderReplaceRejected",
    ),
    "314-ordergrouped-and-orderungrouped": ("OrderGrouped", "OrderUngrouped"),
    "41-executioncreated": ("ExecutionCreated",),
    "42-executionwhacked": ("ExecutionWhacked",),
    "43-executionbusted": ("ExecutionBusted",),
    "44-executioncorrected": ("ExecutionCorrected",),
    "61-allocationapplied-and-allocationreversed": ("AllocationApplied", "AllocationReversed"),
    "62-allocationrejected": ("AllocationRejected",),
}
_EVENT_TABLES = {"7-events-of-quotes": 5, "8-events-of-settings": 2, "9-events-of-erasure": 1}
"""Sections with a row for each event, and how many they have."""

_IN_WORDS = {"OrderCreated": "all given fields of the order"}
"""An event whose other fields are told in one row, by these words."""


def _event_list(pages: Pages, known: Known) -> list[str]:
    rows = pages.table(EVENT_LIST).rows
    told = [name for row in rows for name in words(row["Event"])]
    count = re.search(r"the (\d+) event types", pages.text(EVENT_PAGE))
    return [
        *differences("event", told, known.events),
        *differences("number of events", [int(count[1]) if count else 0], [len(known.events)]),
    ]


def _metadata(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(METADATA).rows for name in codes(row["Field"])]
    return differences("member around the payload", told, wire_names(StoredEvent))


def _event_payload(anchor: str, names: tuple[str, ...]) -> Check:
    place = Place(EVENT_PAGE, anchor)

    def problems(pages: Pages, _: Known) -> list[str]:
        table = pages.table(place)
        told = [name for row in table.rows for name in codes(row.first)]
        known = {name: None for event in names for name in wire_names(EVENTS[event])}
        known.pop("followedOrderId", None)
        summary = _IN_WORDS.get(names[0])
        if summary:
            said = any(row.first == summary for row in table.rows)
            unknown = [name for name in told if name not in known]
            listed = {"orderId", "sessionId", "clOrdId", "parentOrderId", "rootOrderId", "leg", "role", "assetClass"}
            return [
                *differences(f"payload of {names[0]}", told, listed | {"transactTime"}),
                *(f"{names[0]} has no {name}" for name in unknown),
                *([] if said else [f"{names[0]}: {summary} is not said"]),
            ]
        return differences(f"payload of {', '.join(names)}", told, known)

    return Check(f"payload of {', '.join(names)}", problems, (place,))


def _small_events(pages: Pages, _: Known) -> list[str]:
    found = []
    for anchor, number in _EVENT_TABLES.items():
        rows = pages.table(Place(EVENT_PAGE, anchor)).rows
        found += differences(f"number of events in {anchor}", [len(rows)], [number])
        for row in rows:
            known = wire_names(EVENTS[row["Event"]]) if row["Event"] in EVENTS else []
            found += differences(f"payload of {row['Event']}", codes(row["Payload"]), known)
    return found


def _writes(pages: Pages, known: Known) -> list[str]:
    rows = pages.table(WRITES).rows
    found = differences("command with its events", [row["Command"] for row in rows], known.commands)
    for row in rows:
        told = _events_in(row["Events"]) | _events_in(row["Besides, where it applies"])
        seen = stories.written_by().get(row["Command"], set())
        found += differences(f"event of {row['Command']}", told, seen)
    return found


def _events_in(text: str) -> set[str]:
    return set(re.findall(r"[A-Z]\w+", text)) & set(EVENTS)


def _fields(rows: Iterable[Row], column: str = "Field") -> Iterator[tuple[str, str, str]]:
    """Name, FIX tag and type of each field; a cell with one value holds for all fields of its row."""
    for row in rows:
        names = codes(row[column])
        tags = _each(row["FIX"], len(names))
        kinds = _each(re.sub(r" \([^)]*\)", "", row["Type"]), len(names))
        yield from zip(names, tags, kinds, strict=True)


def _each(cell: str, number: int) -> list[str]:
    items = words(cell)
    return items * number if len(items) == 1 else items


def _of_record(record: type[Record], names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    return ((name, fix_tag(record, name), _kind(record, name)) for name in names)


def _kind(record: type[Record], name: str) -> str:
    entity = next(entity for entity in ENTITIES.values() if entity.record is record)
    field = entity.fields.get(name)
    if field is None:
        return "object"
    if not field.values:
        return "text" if field.type.value == "string" else field.type.value
    (kind,) = (kind for kind in ENUMS if tuple(member.value for member in kind) == field.values)
    return kind.__name__


ENUMS = tuple(
    kind
    for kind in vars(vocabulary).values()
    if isinstance(kind, type) and issubclass(kind, StrEnum) and kind not in {StrEnum, FixEnum}
)


def _record(what: str, record: type[Record], sections: Mapping[str, Iterable[str]]) -> Check:
    """The tables of some sections have these fields of a record, each with its FIX tag and type."""
    places = tuple(Place(MODEL_PAGE, anchor) for anchor in sections)

    def problems(pages: Pages, _: Known) -> list[str]:
        found = []
        for place, names in zip(places, sections.values(), strict=True):
            told = _fields(pages.table(place).rows)
            found += differences(f"field of {what} in {place.anchor}", told, _of_record(record, names))
        return found

    return Check(f"fields of {what}", problems, places)


_TERMS = [
    *("orderId", "clOrdId", "account", "symbol", "side", "ordType", "orderQty", "price", "stopPx", "priceType"),
    *("timeInForce", "expireTime", "handlInst", "execInst", "cashOrderQty", "parentOrderId", "autoAllocation"),
    *("autoForward", "quoteId", "text"),
]
"""What stands in the first table of an order; every other field that a client gives stands in the second."""
_GIVEN = [name for name in wire_names(NewOrder) if name != "cumQty"]
_SET = [name for name in wire_names(Order) if name not in _GIVEN]
_REPORTED = wire_names(ExecutionReport)


def _enumerations(pages: Pages, _: Known) -> list[str]:
    told: list[tuple[str, str, str]] = []
    for row in pages.table(Place(MODEL_PAGE, "51-names-and-fix-codes")).rows:
        kinds, values = words(row["Enumeration"]), row["Names (FIX code)"].split(";")
        for kind, cell in zip(kinds, values, strict=False):
            told += (
                (kind, name, code) for name, code in re.findall(r"([A-Z][A-Z_]+)(?: \((?:message )?(\w)\))?", cell)
            )
    known = [
        (kind.__name__, member.value, member.fix if isinstance(member, FixEnum) and len(member.fix) == 1 else "")
        for kind in ENUMS
        for member in kind
    ]
    return differences("value of an enumeration", told, known)


def _reasons(place: Place, kind: type[Enum]) -> Check:
    def problems(pages: Pages, _: Known) -> list[str]:
        rows = pages.table(place).rows
        told = [
            int(cell)
            for row in rows
            for cell in row.cells[:: 2 if len(row.header) == 4 and row.header[0] == row.header[2] else 4]
            if cell
        ]
        return differences(f"{kind.__name__} in {place.path}", told, [member.value for member in kind])

    return Check(f"{kind.__name__} in {place.path}", problems, (place,))


def _classes(place: Place, column: str) -> Check:
    def problems(pages: Pages, _: Known) -> list[str]:
        told = {name.strip("`") for name in pages.table(place).column(column)}
        return differences(f"asset class in {place.path}", told, [kind.value for kind in AssetClass])

    return Check(f"asset classes in {place.path}#{place.anchor}", problems, (place,))


OPERATOR_TABLE = Place(QUERY_PAGE, "3-operators-by-type")
PARTS_OF_A_QUERY = Place(QUERY_PAGE, "1-a-query")
_QUERY_FIELDS = {
    "51-fields-of-an-order": ("order",),
    "52-fields-of-an-execution": ("execution",),
    "53-fields-of-an-event": ("event",),
    "54-fields-of-an-allocation": ("allocation",),
    "55-fields-of-a-quote-request-and-of-a-quote": ("quote_request", "quote"),
}


def _operators(pages: Pages, _: Known) -> list[str]:
    told = [
        (kind, operator)
        for row in pages.table(OPERATOR_TABLE).rows
        for kind in words(row["Type"])
        for operator in codes(row["Operators"])
    ]
    known = [(kind.value, operator.value) for kind, operators in OPERATORS.items() for operator in operators]
    return differences("operator of a type", told, known)


def _query_parts(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(PARTS_OF_A_QUERY).rows
    told = [name for row in rows for name in codes(row["Part"])]
    known = [*Engine.query.__annotations__, "as_of"]
    entities = [name for row in rows if row["Part"] == "`entity`" for name in codes(row["Meaning"])]
    return [
        *differences("part of a query", told, [name for name in known if name != "return"]),
        *differences("entity", entities, ENTITIES),
    ]


def _query_fields(anchor: str, entities: tuple[str, ...]) -> Check:
    place = Place(QUERY_PAGE, anchor)

    def problems(pages: Pages, _: Known) -> list[str]:
        told = [
            (kind, name, bool(null))
            for table in pages.tables(place.path, place.anchor)
            for row in table.rows
            for kind, cell in [row.cells]
            for name, null in re.findall(r"`(\w+)`(\??)", cell)
        ]
        known = [(f.type.value, f.name, f.nullable) for name in entities for f in ENTITIES[name].fields.values()]
        return differences(f"field of {' and '.join(entities)}", told, known)

    places = tuple(Place(QUERY_PAGE, anchor, number=number) for number in range(len(entities)))
    return Check(f"fields of {' and '.join(entities)} in queries", problems, places)


TASK_STATUSES = Place(TASK_PAGE, "11-how-a-task-ends")
TASKS = Place(TASK_PAGE, "6-the-order-pipeline")
PIPELINE_RESULT = Place(TASK_PAGE, "4-the-result-of-a-run")


def _tasks(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(TASKS).rows
    found = differences("task", [(row["#"], row["Task"]) for row in rows], _numbered(TASK_NAMES))
    owned = [code for code in _OWNERS if not code.startswith("OMS-VAL") or code == "OMS-VAL-002"]
    for number, row in enumerate(rows[:5]):
        told = list(_codes(row["Codes it owns"]))
        known = [code.removeprefix("OMS-") for code in owned if _OWNERS[code] == number]
        found += differences(f"code owned by {row['Task']}", told, known)
    return found


def _numbered(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(str(number), name) for number, name in enumerate(names, 1)]


def _codes(cell: str) -> Iterator[str]:
    """The codes of a cell, those between two with `to` among them."""
    for first, last in re.findall(r"([A-Z]+-\d+)(?: to ([A-Z]+-\d+))?", cell):
        family, _, low = first.partition("-")
        yield from (f"{family}-{number:03}" for number in range(int(low), int(last[-3:] or low) + 1))


def _pipeline_result(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(PIPELINE_RESULT).rows for name in codes(row["Member"])]
    properties = [name for name, value in vars(PipelineResult).items() if isinstance(value, property)]
    return differences("member of PipelineResult", told, [*PipelineResult.__annotations__, *properties])


def _task_statuses(pages: Pages, _: Known) -> list[str]:
    told = [row["Status"] for row in pages.table(TASK_STATUSES).rows]
    return differences("TaskStatus", told, [status.value for status in TaskStatus])


def _replaceable(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(REPLACEABLE).rows
    told = [name for row in rows for name in codes(row["Field"]) if row["Can be replaced"].startswith("yes")]
    refused = [name for row in rows for name in words(row["Field"]) if row["Can be replaced"].startswith("no")]
    repeated = {*wire_names(COMMANDS["OrderReplaceCmd"])} - {*wire_names(ReplaceTerms), *wire_names(Command)}
    return [
        *differences("term that can be replaced", told, wire_names(ReplaceTerms)),
        *differences("term that cannot", refused, {*repeated, "all others"} - {"orderId", "clOrdId", "origClOrdId"}),
    ]


REPLACEABLE = Place("concepts/replace-and-cancel.md", "21-what-can-be-changed")

CHECKS = (
    Check("commands", _command_list, (COMMAND_LIST,)),
    Check("envelope", _envelope, (ENVELOPE,)),
    *(_payload(anchor, names) for anchor, names in _COMMAND_SECTIONS.items()),
    Check("CommandResult", _result, (RESULT,)),
    Check("events", _event_list, (EVENT_LIST,)),
    Check("around the payload", _metadata, (METADATA,)),
    *(_event_payload(anchor, names) for anchor, names in _EVENT_SECTIONS.items()),
    Check("events with a row each", _small_events, tuple(Place(EVENT_PAGE, anchor) for anchor in _EVENT_TABLES)),
    Check("who writes what", _writes, (WRITES,)),
    _record(
        "an order",
        Order,
        {
            "21-identity-instrument-and-terms": _TERMS,
            "22-further-optional-fields": [name for name in _GIVEN if name not in _TERMS],
            "3-order-what-the-system-sets": [*_SET, "transactTime"],
        },
    ),
    _record(
        "an execution",
        Execution,
        {
            "4-execution": _REPORTED,
            "41-what-the-system-adds-to-an-execution": [n for n in wire_names(Execution) if n not in _REPORTED],
        },
    ),
    _record("an allocation", Allocation, {"6-allocation": wire_names(Allocation)}),
    _record("a quote request", QuoteRequest, {"71-quote-request": wire_names(QuoteRequest)}),
    _record("a quote", Quote, {"72-quote": wire_names(Quote)}),
    Check("enumerations", _enumerations, (Place(MODEL_PAGE, "51-names-and-fix-codes"),)),
    _reasons(Place(MODEL_PAGE, "52-reason-codes"), OrdRejReason),
    _reasons(Place("concepts/ending-an-order.md", "23-the-market-refuses"), CxlRejReason),
    _reasons(Place("concepts/replace-and-cancel.md", "6-reasons"), CxlRejReason),
    _classes(Place("concepts/asset-classes.md", "1-what-a-class-changes"), "Class"),
    Check("terms that can be replaced", _replaceable, (REPLACEABLE,)),
    Check("operators by type", _operators, (OPERATOR_TABLE,)),
    Check("parts of a query", _query_parts, (PARTS_OF_A_QUERY,)),
    *(_query_fields(anchor, entities) for anchor, entities in _QUERY_FIELDS.items()),
    Check("task statuses", _task_statuses, (TASK_STATUSES,)),
    Check("tasks", _tasks, (TASKS,)),
    Check("result of a pipeline", _pipeline_result, (PIPELINE_RESULT,)),
)
