"""How do the tests run loads? In memory, in a file, until some step, and with every row that a file then has."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from oms_engine import Engine
from oms_engine.simulation.load.report import LoadReport, report
from oms_engine.simulation.load.run import Load
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.session import Step
from oms_engine.simulation.market.world import World

Rows = dict[str, list[tuple[object, ...]]]


class Cut(Exception):
    """A run is cut off here."""


def cut_after(commands: int) -> Callable[[Step], None]:
    """Lets so many commands be carried out and then raises Cut."""
    left = commands

    def heard(_step: Step) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise Cut

    return heard


def loaded(
    plan: MarketPlan,
    url: str = ":memory:",
    *,
    paced: bool = False,
    heard: Callable[[Step], None] = lambda _step: None,
    settings: dict[str, object] | None = None,
) -> LoadReport:
    """Run a plan on an engine of its own, and report."""
    world = World()
    with Engine.open(url, settings=settings, clock=world.clock, new_id=world.new_id, session_id="simulation") as engine:
        load = Load(engine, plan, world)
        load.run(heard, paced=paced)
        return report(load, engine, paced=paced)


def everything(path: Path) -> Rows:
    """All rows of all tables, those of SQLite itself too."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608 - names in the file
