"""How is a market simulated before a person?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from oms_mcp.cli.root import INTERRUPTED, MISUSED, REFUSED, naming

if TYPE_CHECKING:
    from oms_engine import Engine
    from oms_engine.simulation.load.resuming import OtherPlan
    from oms_engine.simulation.load.run import Load
    from oms_engine.simulation.market.plan import MarketPlan
    from oms_engine.simulation.market.session import Step
    from oms_engine.simulation.market.world import World

ORDERS, SEED, MIX, FAULTS = 200, 1, "retail", "some"
"""What is simulated where nothing is said."""

SESSION = "simulation"
_CHANGES_ROWS = ("store.hashChain", "store.personalData")
"""Settings that are fixed at opening and still decide what is written."""


def trade(
    *,
    orders: int | None,
    seed: int | None,
    mix: str,
    faults: str,
    speed: float | None,
    db: str,
    html: str,
    pairs: Sequence[str] | None,
    as_json: bool,
) -> None:
    """Simulate a market: what `oms simulate` does without a scenario."""
    from oms_engine.simulation.load.report import report
    from oms_mcp.inputs import named_database
    from oms_mcp.printing import terminal
    from oms_mcp.printing.market import report as shown

    plan = _plan(orders, seed, mix, faults)
    page = _page(html, db)
    with _loaded(named_database(db), pairs, plan) as (load, engine):
        _run(load, speed, as_json=as_json, db=db)
        with terminal.progress("hashing events") as progress:
            wire = report(load, engine, paced=speed is not None, progress=progress).to_wire()
    if as_json:
        terminal.print_json(wire)
    else:
        shown(wire)
    if page:
        _write(page, wire)
    if wire["outcome"]["reconciled"]["problems"] or wire["outcome"]["reconciled"]["crossedBooks"]:
        raise typer.Exit(REFUSED)


def _plan(orders: int | None, seed: int | None, mix: str, faults: str) -> "MarketPlan":
    from oms_engine import ScenarioError
    from oms_engine.simulation.market.plan import MarketPlan
    from oms_mcp.inputs import Misuse

    try:
        return MarketPlan(
            ORDERS if orders is None else orders, SEED if seed is None else seed, mix or MIX, faults or FAULTS
        )
    except ScenarioError as error:
        raise Misuse(f"--{error}") from None


@contextmanager
def _loaded(db: str, pairs: Sequence[str] | None, plan: "MarketPlan") -> "Iterator[tuple[Load, Engine]]":
    """The load in its store, which is a new one, or one that the same plan was begun in."""
    from oms_engine import Engine
    from oms_engine.simulation.load.run import Load
    from oms_engine.simulation.market.world import World
    from oms_mcp.inputs import database_file, read_settings
    from oms_mcp.printing import terminal

    settings, world, file = read_settings(pairs or ()), World(), database_file(db)
    is_new = file is not None and not (file.exists() and file.stat().st_size)
    if file is not None and not is_new:
        _require_same(file, db, plan, settings, world)
    with Engine.open(
        db or ":memory:", settings=settings, clock=world.clock, new_id=world.new_id, session_id=SESSION
    ) as engine:
        load = Load(engine, plan, world)
        if is_new:
            terminal.note(f"created {terminal.clean(str(file))}")
        elif load.goes_on:
            told = f"{load.found:,} of {terminal.counted(plan.sessions, 'session')} in {terminal.clean(str(file))}"
            terminal.note(f"{told} already{', which is all' if load.is_complete else '; going on from there'}")
        yield load, engine


def _require_same(file: Path, db: str, plan: "MarketPlan", settings: Mapping[str, Any], world: "World") -> None:
    """Look before anything is set: the file has to hold this plan under these settings, or no orders at all."""
    from oms_engine import Engine, ScenarioError
    from oms_engine.simulation.load.resuming import OtherPlan
    from oms_engine.simulation.load.run import Load
    from oms_mcp.inputs import Misuse

    with Engine.open(db, clock=world.clock, new_id=world.new_id, keep_settings=False) as engine:
        try:
            load = Load(engine, plan, world)
        except OtherPlan as error:
            raise Misuse(
                f"{error} ({_begun(error, file)}. Or name another file", "name another file with --db"
            ) from None
        except ScenarioError as error:
            raise Misuse(f"{file}: {error}", "name another file with --db") from None
        if load.goes_on:
            _require_settings(engine, settings)


def _begun(error: "OtherPlan", file: Path) -> str:
    """What the file holds, and what to type where this program can go on with it."""
    begun, plan = error.begun, error.begun.plan
    whole = f"{begun.sessions:,} of {plan.sessions:,} sessions)"
    if plan != _plan(plan.orders, plan.seed, plan.mix, plan.faults) or begun.digest != plan.digest:
        return f"{whole}, and this command cannot go on with it"
    options = f"--orders {plan.orders} --seed {plan.seed} --mix {plan.mix} --faults {plan.faults}"
    aim = "see its report" if begun.sessions == plan.sessions else "go on with it"
    return f"{whole}; to {aim}: oms simulate {options} --db {shlex.quote(str(file))}"


def _require_settings(engine: "Engine", settings: Mapping[str, Any]) -> None:
    from oms_engine import Settings
    from oms_engine.settings import FIXED_AT_OPENING
    from oms_mcp.inputs import Misuse
    from oms_mcp.printing import terminal

    wanted, there = Settings.of(settings).to_wire(), engine.settings.to_wire()
    for name in settings:
        if (name in _CHANGES_ROWS or name not in FIXED_AT_OPENING) and wanted[name] != there[name]:
            asked, set_to = (terminal.value_of(each[name]) for each in (settings, there))
            raise Misuse(
                f"--set {name}={asked}: the market was begun with {set_to}, and would go on with other orders; "
                "leave the option out, or name another file with --db"
            )


def _run(load: "Load", speed: float | None, *, as_json: bool, db: str) -> None:
    from oms_mcp.printing.market import step, watched

    if load.is_complete:
        return
    try:
        if speed is None:
            with watched(load) as heard:
                load.run(heard)
        else:
            paced = Pace(speed, (lambda _step: None) if as_json else step)
            load.run(paced, paced=True)
    except KeyboardInterrupt:
        _tell_where_it_stopped(load, db)
        raise typer.Exit(INTERRUPTED) from None


def _tell_where_it_stopped(load: "Load", db: str) -> None:
    from oms_mcp.inputs import database_file
    from oms_mcp.printing import terminal

    whole = f"stopped after {load.tally.sessions:,} of {terminal.counted(load.tally.plan.sessions, 'session')}"
    file = database_file(db)
    if file is None:
        terminal.note(f"{whole}; without --db nothing is kept")
    else:
        terminal.note(f"{whole}; the same command goes on in {terminal.clean(str(file))} from where it was")


class Pace:
    """Tells each step when its time has come.

    Args:
        speed: Simulated seconds in a real one.
        tell: Told each step.
        now: Seconds of a clock that only goes on.
        wait: Lets so many seconds go by.
    """

    def __init__(
        self,
        speed: float,
        tell: "Callable[[Step], None]",
        *,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._speed = speed
        self._tell = tell
        self._now = now
        self._wait = wait
        self._day: object = None
        self._base: tuple[datetime, float] | None = None

    def __call__(self, step: "Step") -> None:
        """Tell a step that was carried out, and wait until simulated time has come so far; nobody waits overnight."""
        if self._base is None or step.at.date() != self._day:
            self._day, self._base = step.at.date(), (step.at, self._now())
        began_at, began = self._base
        until = began + (step.at - began_at).total_seconds() / self._speed
        if (left := until - self._now()) > 0:
            self._wait(left)
        self._tell(step)


def _page(html: str, db: str) -> Path | None:
    """The file of the page, looked at before anything is simulated."""
    from oms_engine.errors import shown
    from oms_engine.storage.connections import belongs_to
    from oms_engine.storage.copies import place_of
    from oms_mcp.inputs import Misuse
    from oms_mcp.reports.page import is_ours

    if not html:
        return None
    page = Path(html).expanduser()
    if belongs_to(db, page):
        raise Misuse("--html and --db name the same file, or one beside it; give them different ones")
    with naming("--html", "name a file in a folder that exists"):
        place_of(page, force=True)
    if page.exists() and not is_ours(page):
        raise Misuse(
            f"--html {shown(html)} is there and is no report of oms simulate; name another file, or remove it first"
        )
    return page


def _write(page: Path, wire: Mapping[str, Any]) -> None:
    """Write the page whole or not at all; what was simulated has been told by then, and is not lost with it."""
    from oms_engine.errors import StoreUnavailable
    from oms_engine.storage.copies import placed
    from oms_mcp.printing import terminal
    from oms_mcp.reports.page import page_of

    try:
        with placed(page, force=True) as partial:
            partial.write_text(page_of(wire), encoding="utf-8")
    except StoreUnavailable as error:
        terminal.note(f"--html: {terminal.clean(str(error))}; the report is above, and nothing else is missing")
        raise typer.Exit(MISUSED) from None
    terminal.note(f"wrote {terminal.clean(str(page))}")
