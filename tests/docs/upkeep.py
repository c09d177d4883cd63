"""Are settings, tables, topics, messages, keys of scenarios, modules and dependencies told as they are?"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields as dataclass_fields
from inspect import signature
from pathlib import Path

from pydantic.alias_generators import to_camel

from oms_engine import Engine, StreamMessage
from oms_engine.domain.messages import TOPICS
from oms_engine.settings import Settings
from oms_engine.simulation import scenario
from oms_engine.streaming.messages import MessageType
from tests.docs.checks import Check, Known, Problems, differences
from tests.docs.pages import Pages, Place, Table, codes
from tests.docs.pictures import tables_kept

ROOT = Path(__file__).parent.parent.parent
SETTING_PAGE = "framework/settings.md"
STREAM_PAGE = "framework/streaming.md"
STORE_PAGE = "framework/event-store.md"
ARCHITECTURE = "project/architecture.md"
DECISIONS = "project/decisions.md"

_SETTING_SECTIONS = (
    *("21-orders-and-prices", "22-asset-classes", "23-groups-and-time", "24-risk", "25-people-and-pages"),
    "26-store-and-process",
)
_BUILT_IN = {"currencies", "digitalAssets"}
"""Settings whose default is a list that is too long for a table."""


def _settings(pages: Pages, _: Known) -> list[str]:
    rows = [row for anchor in _SETTING_SECTIONS for row in pages.table(Place(SETTING_PAGE, anchor)).rows]
    cells = [tuple(row[column].strip("`") for column in ("Setting", "Default", "Example")) for row in rows]
    found = differences("setting", [cell[0] for cell in cells], Settings.names())
    found += differences("built-in list", [cell[0] for cell in cells if cell[1] == "built-in"], _BUILT_IN)
    for name, default, example in cells:
        key, __, value = example.partition("=")
        if name not in Settings.names() or key != name:
            found.append(f"{name} has the example {example}")
            continue
        if default != "built-in" and Settings.of({name: default}) != Settings():
            found.append(f"{name} has another default than {default}")
        if Settings.of({key: value}) == Settings():
            found.append(f"{name}: the example {example} changes nothing")
    return found


def _variables(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(VARIABLES).rows for name in codes(row["Variable"])]
    sources = (
        path.read_text(encoding="utf-8")
        for package in ("oms_engine", "oms_mcp", "knowledge_base")
        for path in (ROOT / package).rglob("*.py")
    )
    known = {name for text in sources for name in re.findall(r"\"(OMS_[A-Z_]+)\"", text)}
    return differences("environment variable", told, known)


VARIABLES = Place(SETTING_PAGE, "3-environment-variables")


def _coded(what: str, place: Place, known: list[str], column: int = 0) -> Check:
    """The code spans of a column are exactly these."""

    def problems(pages: Pages, _: Known) -> list[str]:
        told = [name for row in pages.table(place).rows for name in codes(row.cells[column])]
        return differences(what, told, known)

    return Check(f"{what} in {place.path}#{place.anchor}", problems, (place,))


def _plain(what: str, place: Place, known: list[str]) -> Check:
    """The first column has exactly these."""

    def problems(pages: Pages, _: Known) -> list[str]:
        told = [row.first.strip("`") for row in pages.table(place).rows]
        return differences(what, told, known)

    return Check(f"{what} in {place.path}#{place.anchor}", problems, (place,))


_MESSAGE = [to_camel(field.name) for field in dataclass_fields(StreamMessage)]
_FOLLOW = list(signature(Engine.follow).parameters)[1:]
_OF_STORE = (Place(STORE_PAGE, "1-tables", "Table"), Place(STORE_PAGE, "1-tables", "Table of the upkeep"))


def _tables(pages: Pages, _: Known) -> list[str]:
    told = [name for place in _OF_STORE for row in pages.table(place).rows for name in codes(row.first)]
    return differences("table of the store", told, tables_kept())


_MODULES = {
    "21-top-simulation-and-the-door": "oms_engine",
    "22-storage-everything-that-touches-a-database": "oms_engine/storage",
    "23-domain-the-rules-of-the-trade-pure": "oms_engine/domain",
    "25-framework-and-the-ground-floor": "oms_engine",
    "3-inside-the-knowledge-base": "knowledge_base",
    "4-inside-the-faces": "oms_mcp",
}


def _modules(pages: Pages, _: Known) -> list[str]:
    told = [
        path for anchor, folder in _MODULES.items() for path in _paths(pages.table(Place(ARCHITECTURE, anchor)), folder)
    ]
    packages = ("oms_engine", "oms_mcp", "knowledge_base")
    modules = [
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    folders = tuple(path for path in told if path.endswith("/"))
    return [
        *(f"the module {path} is told and does not exist" for path in told if not (ROOT / path).exists()),
        *(f"the module {path} is not told" for path in modules if path not in told and not path.startswith(folders)),
        *(f"the module {path} is told twice" for path in set(told) if told.count(path) > 1),
    ]


def _paths(table: Table, folder: str) -> Iterator[str]:
    """The modules of a table; in a cell the folder of the first one holds for the others."""
    for row in table.rows:
        names = codes(row.first)
        room, _, _ = names[0].rpartition("/") if not names[0].endswith("/") else ("", "", "")
        for name in names:
            inside = f"{room}/" if room and "/" not in name else ""
            yield f"{folder}/{inside}{name}"


def _rooms(pages: Pages, _: Known) -> list[str]:
    """What one table names as a room, the next one tells room by room."""
    told = _paths(pages.table(ROOMS), "oms_engine/domain")
    modules = [
        path.relative_to(ROOT).as_posix()
        for room in ("rules", "decider")
        for path in (ROOT / "oms_engine/domain" / room).glob("*.py")
        if path.name != "__init__.py"
    ]
    return differences("room", told, modules)


ROOMS = Place(ARCHITECTURE, "24-the-rooms-of-rules-and-decider")

_DEPENDENCIES = {
    "2-dependencies-of-every-installation": "",
    "3-the-semantic-extra": "semantic",
    "4-development-tools": "dev",
}


def _dependencies(anchor: str, extra: str) -> Problems:
    def problems(pages: Pages, _: Known) -> list[str]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
        names = [re.split(r"[><=\[;]", line)[0].strip() for line in wanted]
        rows = pages.table(Place(DECISIONS, anchor)).rows
        told = [row["Package"] for row in rows]
        beside = [name for row in rows for name in codes(row["Why"]) if name.startswith(f"{row['Package']}-")]
        return differences(f"dependency {extra}", [*told, *beside], names)

    return problems


CHECKS = (
    Check("settings", _settings, tuple(Place(SETTING_PAGE, anchor) for anchor in _SETTING_SECTIONS)),
    Check("environment variables", _variables, (VARIABLES,)),
    Check("tables of the store", _tables, _OF_STORE),
    _plain("topic", Place("framework/outbox.md", "2-messages"), list(TOPICS)),
    _plain("topic", Place(STREAM_PAGE, "2-topics"), list(TOPICS)),
    _plain("type of message", Place(STREAM_PAGE, "3-messages"), [kind.value for kind in MessageType]),
    _coded("argument", Place(STREAM_PAGE, "11-what-is-asked-for"), _FOLLOW),
    _coded("field of a message", Place(STREAM_PAGE, "31-fields"), [n for n in _MESSAGE if n != "type"]),
    _coded("field of a message", Place("framework/outbox.md", "21-fields"), _MESSAGE),
    _coded("key of a scenario", Place("guides/write-a-scenario.md", "2-the-parts"), list(scenario._SCENARIO_KEYS)),
    _coded(
        "key of the end", Place("guides/write-a-scenario.md", "4-the-end-of-the-story"), list(scenario._EXPECT_KEYS)
    ),
    Check("modules", _modules, tuple(Place(ARCHITECTURE, anchor) for anchor in _MODULES)),
    Check("rooms", _rooms, (ROOMS,)),
    *(
        Check(f"dependencies {extra}".strip(), _dependencies(anchor, extra), (Place(DECISIONS, anchor),))
        for anchor, extra in _DEPENDENCIES.items()
    ),
)
