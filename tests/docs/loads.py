"""Is a load told as it is: what `oms simulate` takes for a market, what its report has, and where it is made?"""

from oms_engine.record import Record
from oms_engine.simulation.load.report import LoadReport
from oms_mcp.cli.market import FAULTS, MIX, ORDERS, SEED
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, codes
from tests.docs.pictures import ROOT
from tests.docs.surface import line_commands

PAGE = "guides/simulate-a-market.md"
OPTIONS = Place(PAGE, "1-a-small-day")
PARTS = Place(PAGE, "3-the-report")
ROOMS = Place("project/architecture.md", "28-the-rooms-of-a-load")

LOAD = ROOT / "oms_engine/simulation/load"
_OF_SCENARIOS = {"target", "step", "record", "force", "against"}
_WHEN_ABSENT = {
    "orders": str(ORDERS),
    "seed": str(SEED),
    "mix": MIX,
    "faults": FAULTS,
    "speed": "at once",
    "db": "in memory",
    "html": "none",
    "pairs": "none",
    "as_json": "text",
}


def _options(pages: Pages, _: Known) -> list[str]:
    told = [(codes(row["Option"])[0], row["When absent"]) for row in pages.table(OPTIONS).rows]
    options = [each for each in line_commands()["simulate"].params if each.name not in _OF_SCENARIOS]
    known = [(each.opts[0], _WHEN_ABSENT[str(each.name)]) for each in options if each.name in _WHEN_ABSENT]
    return differences("option of a market", told, known)


def _parts(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(PARTS).rows for name in codes(row.first)]
    return differences("part of the report", told, _wire_names(LoadReport))


def _wire_names(record: type[Record]) -> list[str]:
    return [str(field.serialization_alias or name) for name, field in record.model_fields.items()]


def _rooms(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(ROOMS).rows for name in codes(row.first)]
    modules = [path.name for path in LOAD.glob("*.py") if path.name != "__init__.py"]
    return differences("room of a load", told, modules)


CHECKS = (
    Check("what a market is simulated with", _options, (OPTIONS,)),
    Check("parts of the report of a load", _parts, (PARTS,)),
    Check("rooms of a load", _rooms, (ROOMS,)),
)
