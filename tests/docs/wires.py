"""Are wire formats, limits and versions told as they are? Values are read, and objects compared with a story's."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from oms_engine.domain.commands import ALIASES, Command
from oms_engine.domain.events import EVENTS
from oms_engine.domain.filters import (
    ENTITIES,
    MAX_CONDITIONS,
    MAX_PAGE,
    MAX_TEXT,
    MAX_VALUES,
    OPERATORS,
    SUMMED,
    Operator,
)
from oms_engine.domain.rules.envelope import LENGTHS, MAX_SHORT_TEXT
from oms_engine.domain.upcasting import UPCASTERS
from oms_engine.engine import Engine
from oms_engine.errors import Refused
from oms_engine.record import instant_text, parse_day, parse_decimal, parse_instant, plain
from oms_engine.settings import Settings
from oms_engine.storage import archive, schema, snapshots
from oms_engine.storage.queries import PageInfo
from oms_mcp.shapes import CONCISE
from tests.docs import stories
from tests.docs.checks import Check, Known, differences
from tests.docs.contracts import wire_names
from tests.docs.pages import Pages, Place, codes, links, words
from tests.docs.surface import line_commands, options_of

WIRE_PAGE = "contracts/wire-formats.md"
QUERY_PAGE = "contracts/queries.md"
VERSION_PAGE = "contracts/versioning.md"

OTHER_SPELLINGS = Place(WIRE_PAGE, "11-other-spellings")
DECIMALS = Place(WIRE_PAGE, "21-decimals")
TIMES = Place(WIRE_PAGE, "22-instants-and-dates")
TEXTS = Place(WIRE_PAGE, "23-lengths-and-forms")
STORY = "wire-example"


def _spellings(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(OTHER_SPELLINGS).rows
    told = [(row["Also understood"].strip("`"), row["Written"].strip("`")) for row in rows]
    return differences("other spelling", told, ALIASES.items())


def _texts(pages: Pages, _: Known) -> list[str]:
    told = [(row["Field"].strip("`"), row["At most"]) for row in pages.table(TEXTS).rows]
    known = [(to_camel(name), str(most)) for name, most in LENGTHS.items()]
    return differences("length", told, [*known, ("any other text", str(MAX_SHORT_TEXT))])


def _values(pages: Pages, _: Known) -> list[str]:
    """Every value of the tables is read as it is told, or refused."""
    found = []
    for row in pages.table(DECIMALS).rows:
        (text,) = codes(row["JSON"])
        read = _read(lambda value: plain(parse_decimal(value)), json.loads(text))
        found += [] if read == row["Read as"] else [f"{text} is read as {read}, not {row['Read as']}"]
    for row in pages.table(TIMES).rows:
        (text,) = codes(row["JSON"])
        read = _read(_TIMES[row["As"]], json.loads(text))
        found += [] if read == row["Read as"] else [f"{text} is read as {read}, not {row['Read as']}"]
    return found


_TIMES: Mapping[str, Callable[[object], str]] = {
    "instant": lambda value: instant_text(parse_instant(value)),
    "date": lambda value: parse_day(value).isoformat(),
}


def _read(reader: Callable[[object], str], value: object) -> str:
    try:
        return reader(value)
    except PydanticCustomError:
        return "refused"


def _objects(pages: Pages, _: Known) -> list[str]:
    """Each object of the page is the one that its story gives; only durations differ from run to run."""
    run = stories.run_of(f"{WIRE_PAGE}#{STORY}")
    fill, refused = run.steps[-2:]
    assert fill.do
    assert fill.result
    assert refused.result
    known: Mapping[str, object] = {
        "31-a-command": fill.do,
        "32-the-answer-to-it": fill.result.to_wire(),
        "33-a-refusal": refused.result.to_wire(),
        "34-an-order": run.orders[0].to_wire(),
        "35-an-event": run.events[-1].to_wire(),
    }
    found = []
    for anchor, there in known.items():
        told = [json.loads(fence.text) for fence in pages.fences_of(WIRE_PAGE, anchor, "json")]
        if [_without_durations(part) for part in told] != [_without_durations(there)]:
            found.append(f"the object of {anchor} is another one")
    return found


def _without_durations(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _without_durations(part) for name, part in value.items() if name != "durationMicros"}
    if isinstance(value, list | tuple):
        return [_without_durations(part) for part in value]
    return value


SURFACES = Place(QUERY_PAGE, "1-a-question")
ENTITY_TABLE = Place(QUERY_PAGE, "2-entities")
OPERATOR_LIST = Place(QUERY_PAGE, "3-operators")
ANSWER = Place(QUERY_PAGE, "4-the-answer")
BOUNDS = Place(QUERY_PAGE, "41-bounds")
REFUSALS = Place(QUERY_PAGE, "5-refusals")


def _surfaces(pages: Pages, known: Known) -> list[str]:
    table = pages.table(SURFACES)
    (tool,) = (tool for tool in known.tools if tool.name == "search_orders")
    line = {*options_of(line_commands()["query"])} - {"--db", "--set", "--json"}
    there = {
        "`Engine.query`": [name for name in Engine.query.__annotations__ if name != "return"],
        "`search_orders`": list(tool.input_schema["properties"]),
        "`oms query`": list(line),
    }
    return [
        problem
        for column, names in there.items()
        for problem in differences(f"part of {column}", _coded(table.column(column)), names)
    ]


def _coded(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in codes(cell)]


def _entities(pages: Pages, _: Known) -> list[str]:
    told = [(row["Entity"], row["Sequence"], *codes(row["Short row"])) for row in pages.table(ENTITY_TABLE).rows]
    known = [(f"`{name}`", f"`{entity.sequence}`", *CONCISE[name]) for name, entity in ENTITIES.items()]
    return differences("entity", told, known)


def _operators(pages: Pages, _: Known) -> list[str]:
    """The types of each operator, and an example that an engine understands."""
    rows = pages.table(OPERATOR_LIST).rows
    told = [(row["Operator"].strip("`"), kind) for row in rows for kind in words(row["Types"])]
    known = [(op.value, kind.value) for op in Operator for kind, operators in OPERATORS.items() if op in operators]
    found = differences("type of an operator", told, known)
    with Engine.open() as engine:
        for row in rows:
            (example,) = codes(row["Example"])
            operator = example.partition("=")[0].partition("__")[2] or "eq"
            found += differences(f"operator of {example}", [operator], [row["Operator"].strip("`")])
            found += _rules_against(engine, {"where": [example]})
    return found


def _rules_against(engine: Engine, question: dict[str, Any]) -> list[str]:
    try:
        engine.query(**question)
    except Refused as error:
        return [found.rule_id for found in error.problem.violations]
    return []


def _answer(pages: Pages, _: Known) -> list[str]:
    told = _coded(pages.table(ANSWER).column("Member"))
    beside = ["content", "nextCursor", "warnings"]
    return differences("member of a page", told, [*beside, *(f"page.{name}" for name in wire_names(PageInfo))])


SUMS = Place("framework/query-language.md", "45-counting-by-a-field")


def _sums(pages: Pages, _: Known) -> list[str]:
    """The quantities that are added up by entity, each of them one that is never negative."""
    told = [(row["Entity"], *codes(row["Summed"])) for row in pages.table(SUMS).rows]
    return differences("summed quantity", told, [(name, *fields) for name, fields in SUMMED.items()])


def _bounds(pages: Pages, _: Known) -> list[str]:
    told = [(row["Bound"], row["Value"]) for row in pages.table(BOUNDS).rows]
    known = {
        "rows on a page, when `size` is absent": Settings().default_size,
        "rows on a page at most": Settings().max_size,
        "page at most": MAX_PAGE,
        "conditions of a question": MAX_CONDITIONS,
        "values of `in`": MAX_VALUES,
        "characters of a value": MAX_TEXT,
    }
    return differences("bound", told, [(name, str(value)) for name, value in known.items()])


def _refusals(pages: Pages, known: Known) -> list[str]:
    rows = pages.table(REFUSALS).rows
    told = [links(row["Rule"])[0][0] for row in rows]
    found = differences("rule of queries", told, [rule for rule in known.rules if rule.startswith("QRY-")])
    with Engine.open() as engine:
        for rule, row in zip(told, rows, strict=True):
            (question,) = codes(row["Refused question"])
            found += differences(f"refusal of {question}", _rules_against(engine, json.loads(question)), [rule])
    return found


VERSIONS = Place(VERSION_PAGE, "1-what-has-a-version")
EVENT_VERSIONS = Place(VERSION_PAGE, "3-events")


def _versions(pages: Pages, _: Known) -> list[str]:
    told = [(row["What"], row["Present"]) for row in pages.table(VERSIONS).rows]
    known = {
        "a command": max(bound.le for bound in Command.model_fields["version"].metadata if hasattr(bound, "le")),
        "an event": max(UPCASTERS.version(name) for name in EVENTS),
        "the database file": schema.VERSION,
        "an export": archive.FORMAT,
        "a snapshot": snapshots.SCHEMA_VERSION,
    }
    return differences("version", told, [(name, str(version)) for name, version in known.items()])


def _event_versions(pages: Pages, known: Known) -> list[str]:
    rows = pages.table(EVENT_VERSIONS).rows
    told = [(name, row["`schemaVersion`"]) for row in rows for name in words(row["Types"])]
    return differences("version of an event", told, [(name, str(UPCASTERS.version(name))) for name in known.events])


CHECKS = (
    Check("other spellings", _spellings, (OTHER_SPELLINGS,)),
    Check("lengths of texts", _texts, (TEXTS,)),
    Check("values on the wire", _values),
    Check("objects on the wire", _objects),
    Check("parts of a question by surface", _surfaces, (SURFACES,)),
    Check("entities", _entities, (ENTITY_TABLE,)),
    Check("operators", _operators, (OPERATOR_LIST,)),
    Check("answer to a query", _answer, (ANSWER,)),
    Check("summed quantities", _sums, (SUMS,)),
    Check("bounds of queries", _bounds, (BOUNDS,)),
    Check("refusals of queries", _refusals, (REFUSALS,)),
    Check("versions", _versions, (VERSIONS,)),
    Check("versions of events", _event_versions, (EVENT_VERSIONS,)),
)
