"""Is the simulated market told as it is: what the venue takes and answers, who trades, and what goes wrong?"""

import re
from dataclasses import asdict, fields
from decimal import Decimal

from oms_engine.record import plain
from oms_engine.simulation.market.admission import BAND, ORD_TYPES, TIMES_IN_FORCE
from oms_engine.simulation.market.chance import MILLION
from oms_engine.simulation.market.faults import FAULTS, Faults
from oms_engine.simulation.market.gateway import COMMANDS
from oms_engine.simulation.market.line import LATENCIES
from oms_engine.simulation.market.mixes import MIXES
from tests.docs.checks import Check, Known, differences
from tests.docs.pages import Pages, Place, codes
from tests.docs.pictures import ROOT

PAGE = "concepts/simulated-market.md"
REPORTS = Place(PAGE, "11-reports-and-commands")
TYPES = Place(PAGE, "2-how-the-venue-trades")
TIMES = Place(PAGE, "21-time-in-force")
REASONS = Place(PAGE, "23-what-it-rejects")
MIX = Place(PAGE, "3-who-takes-part")
FAULT = Place(PAGE, "4-what-goes-wrong")
LATENCY = Place(PAGE, "41-latencies")
ROOMS = Place("project/architecture.md", "26-the-rooms-of-the-simulated-market")

MARKET = ROOT / "oms_engine/simulation/market"
_VENUE = ("venue.py", "admission.py")


def _reports(pages: Pages, _: Known) -> list[str]:
    told = [(codes(row["Report"])[0], codes(row["Command"])[0]) for row in pages.table(REPORTS).rows]
    known = [(report.__name__, command.__name__) for report, command in COMMANDS.items()]
    return differences("report with its command", told, known)


def _taken(pages: Pages, _: Known) -> list[str]:
    types = [name for row in pages.table(TYPES).rows for name in codes(row.first)]
    times = [name for row in pages.table(TIMES).rows for name in codes(row.first)]
    return differences("order type", types, ORD_TYPES) + differences("time in force", times, TIMES_IN_FORCE)


def _reasons(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(REASONS).rows for name in codes(row.first)]
    text = "".join((MARKET / name).read_text(encoding="utf-8") for name in _VENUE)
    found = differences("reason", told, set(re.findall(r"OrdRejReason\.([A-Z_]+)", text)))
    return found + (
        [] if f"more than {BAND} %" in pages.own_text(PAGE, REASONS.anchor) else ["the band is another one"]
    )


def _mixes(pages: Pages, _: Known) -> list[str]:
    told = [(codes(row.first)[0], row.cells[1]) for row in pages.table(MIX).rows]
    known = [(name, ", ".join(f"{kind} {share} %" for kind, share in mix.items())) for name, mix in MIXES.items()]
    return differences("mix", told, known)


def _faults(pages: Pages, _: Known) -> list[str]:
    told = [(codes(row["Fault"])[0], *(row[name] for name in FAULTS)) for row in pages.table(FAULT).rows]
    known = [
        (each.name, *(_often(each.name, asdict(how)[each.name]) for how in FAULTS.values())) for each in fields(Faults)
    ]
    return differences("fault", told, known)


def _often(name: str, value: int) -> str:
    return str(value) if name == "slowness" else f"{plain(Decimal(value) * 100 / MILLION)} %"


def _latencies(pages: Pages, _: Known) -> list[str]:
    rows = pages.table(LATENCY).rows
    told = [(codes(row["Message"])[0], row["Fastest"], row["Middle"], row["Slowest"]) for row in rows]
    known = [
        (kind.__name__, *(f"{table[index]} us" for index in (0, len(table) // 2, -1)))
        for kind, table in LATENCIES.items()
    ]
    return differences("latency", told, known)


def _rooms(pages: Pages, _: Known) -> list[str]:
    told = [name for row in pages.table(ROOMS).rows for name in codes(row.first)]
    modules = [path.name for path in MARKET.glob("*.py") if path.name != "__init__.py"]
    return differences("room of the market", told, modules)


CHECKS = (
    Check("reports of the venue", _reports, (REPORTS,)),
    Check("orders that the venue takes", _taken, (TYPES, TIMES)),
    Check("reasons of the venue", _reasons, (REASONS,)),
    Check("mixes", _mixes, (MIX,)),
    Check("faults", _faults, (FAULT,)),
    Check("latencies", _latencies, (LATENCY,)),
    Check("rooms of the market", _rooms, (ROOMS,)),
)
