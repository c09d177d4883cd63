"""Do the places exist that guides and methods name, and has each what it is said to have?"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache

import oms_engine
from oms_engine.domain.commands import COMMANDS
from oms_engine.domain.events import EVENTS
from oms_engine.domain.vocabulary import AssetClass
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, codes
from tests.docs.pictures import ROOT

A_COMMAND = Place("guides/add-a-command.md", "11-places-in-the-code")
A_CLASS = Place("guides/add-an-asset-class.md", "3-a-class-in-the-engine")
PATTERNS = Place("framework/testing-patterns.md", "1-which-pattern-for-what")
STATEMENTS = Place("methodology/spec-driven-work.md", "3-how-a-statement-is-held-true")

_DERIVED = {"oms_engine.workflows: _BY_TASK"}
"""Made from another table when the program starts; nobody adds to it."""
_PARTIAL = {
    "oms_engine.collecting: _NAMES": "commands that name more than one order",
    "oms_engine.domain.lifecycle: TARGETS": "commands that lead into a state",
    "oms_engine.domain.decider.evolve: _BY_EVENT": "events of orders",
    "oms_engine.storage.projections: _BESIDE_ORDERS": "events that touch other rows than orders",
}


def _named(place: str) -> object | None:
    module, _, name = place.partition(": ")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None


@cache
def _complete() -> dict[str, str]:
    """Each table of the engine with an entry for every command or every event, where it is made."""
    found: dict[int, tuple[str, str]] = {}
    for place, table in _tables_of_the_engine():
        names = {key if isinstance(key, str) else getattr(key, "__name__", "") for key in table}
        has = "every command" if names == set(COMMANDS) else "every event" if names == set(EVENTS) else ""
        if has and place not in _DERIVED and place.partition(":")[0] in _HOMES:
            found.setdefault(id(table), (place, has))
    return dict(found.values())


_HOMES = {
    *("oms_engine.domain.commands", "oms_engine.domain.events", "oms_engine.workflows", "oms_engine.collecting"),
    *("oms_engine.domain.decider.decisions", "oms_engine.domain.decider.evolve", "oms_engine.domain.lifecycle"),
    *("oms_engine.storage.projections", "oms_engine.results", "oms_engine.engine", "oms_engine.executor"),
}
"""Modules in which such tables are made; others import them."""


def _tables_of_the_engine() -> Iterator[tuple[str, Mapping[object, object]]]:
    for module in pkgutil.walk_packages(oms_engine.__path__, "oms_engine."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Mapping) and value:
                yield f"{module.name}: {name}", value


def _a_command(pages: Pages, _: Known) -> list[str]:
    told = [(codes(row["Place"])[0], row["Has"]) for row in pages.table(A_COMMAND).rows]
    found = differences("place of a command", told, [*_complete().items(), *_PARTIAL.items()])
    return [*found, *(f"{place} does not exist" for place, _ in told if not isinstance(_named(place), Mapping))]


def _a_class(pages: Pages, _: Known) -> list[str]:
    told = [codes(row["Place"])[0] for row in pages.table(A_CLASS).rows]
    known = [
        "oms_engine.domain.vocabulary: AssetClass",
        "oms_engine.domain.rules.assets: classify",
        "oms_engine.domain.rules.assets: PACKS",
        "oms_engine.domain.catalogue: RULES",
    ]
    packs = _named("oms_engine.domain.rules.assets: PACKS")
    return [
        *differences("place of a class", told, known),
        *(f"{place} does not exist" for place in told if _named(place) is None),
        *differences("class with a pack", packs if isinstance(packs, Mapping) else (), AssetClass),
    ]


def _tests(place: Place, column: str) -> Check:
    """The tests that a table names exist, and each row names one."""

    def problems(pages: Pages, _: Known) -> list[str]:
        rows = pages.table(place).rows
        return [
            f"{row.first} names {codes(row[column])}, which is no test"
            for row in rows
            if len(codes(row[column])) != 1 or not (ROOT / codes(row[column])[0]).is_file()
        ]

    return Check(f"tests named in {place.path}", problems)


CHECKS = (
    Check("places of a command", _a_command, (A_COMMAND,)),
    Check("places of a class", _a_class, (A_CLASS,)),
    _tests(PATTERNS, "For example"),
    _tests(STATEMENTS, "Held true by"),
)
