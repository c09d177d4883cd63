"""How is a scenario played before a person?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from oms_mcp.cli.root import INTERRUPTED, REFUSED, naming

if TYPE_CHECKING:
    from oms_engine.simulation.run import Rehearsal
    from oms_engine.simulation.scenario import Scenario
    from oms_mcp.printing.timeline import Timeline

MARK = "try"
"""Stands in ids that are generated on a copy of a real book, where those that are only counted may be taken."""

_LONGEST_WAIT = 3_600.0
"""Seconds between two steps at most, however far apart their times are."""


def stage(
    target: str,
    *,
    step: bool,
    speed: float | None,
    record: str,
    force: bool,
    against: str,
    pairs: Sequence[str] | None,
    as_json: bool,
) -> None:
    """Play a scenario: what `oms simulate TARGET` does."""
    from oms_mcp.cli.targets import read_scenario
    from oms_mcp.printing import terminal

    scenario = read_scenario(target)
    _require_new(record, force=force)
    waits = step and not as_json and terminal.is_attended()
    if step and not waits:
        terminal.note("--step waits only at a terminal and not with --json, so everything is told at once")
    with _scene(scenario, against, pairs) as rehearsal:
        start = rehearsal.engine.now()
        place = f"on a copy of {terminal.clean(against)}" if against else "in memory"
        interrupted = not (_all_at_once(rehearsal) if as_json else _live(rehearsal, Pace(speed, step=waits), place))
        run = rehearsal.outcome()
        if record:
            _record(rehearsal, start, record, _again(record, against, pairs), force=force)
        if as_json:
            terminal.print_json(run.to_wire() | ({"recorded": record} if record else {}))
    if run.differences:
        raise typer.Exit(REFUSED)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _all_at_once(rehearsal: "Rehearsal") -> bool:
    for _ in rehearsal.steps():
        pass
    return True


class Pace:
    """How fast the steps of a scenario follow each other before a person.

    Args:
        speed: Simulated seconds in one of ours; None to wait for nothing.
        step: Wait for Enter behind each step.
    """

    def __init__(self, speed: float | None, *, step: bool) -> None:
        self._speed = speed
        self._step = step
        self._last: datetime | None = None

    def wait_for(self, at: datetime) -> None:
        """Let as much time pass as lies between the last step and one at this time."""
        if self._speed and self._last:
            between = (at - self._last).total_seconds() / self._speed
            time.sleep(min(max(between, 0.0), _LONGEST_WAIT))
        self._last = at

    def goes_on(self) -> bool:
        """Does the person want to see the next step?"""
        return not self._step or input("Enter goes on, q quits ").strip().lower() not in {"q", "quit"}


def _live(rehearsal: "Rehearsal", pace: Pace, place: str) -> bool:
    """Tell each step as soon as it was taken; false where Ctrl-C ended it, and true also where q did."""
    from oms_mcp.printing.timeline import Timeline

    scenario = rehearsal.scenario.model_copy(update={"clock": rehearsal.engine.now()})
    timeline = Timeline(scenario.to_wire(), place)
    total = len(scenario.given) + len(scenario.steps)
    interrupted = False
    try:
        ended = _taken(rehearsal, pace, timeline, total)
    except (KeyboardInterrupt, EOFError) as stopped:  # Ctrl-D is how one stops looking where a question waits
        ended, interrupted = False, isinstance(stopped, KeyboardInterrupt)
    if ended:
        timeline.ending(rehearsal.outcome().to_wire(), not_taken=total - len(rehearsal.done))
    else:
        timeline.stopped(total)
    return not interrupted


def _taken(rehearsal: "Rehearsal", pace: Pace, timeline: "Timeline", total: int) -> bool:
    for number, step in enumerate(rehearsal.steps(), 1):
        if step.at:
            pace.wait_for(step.at)
        timeline.moment(step.to_wire())
        if number < total and not pace.goes_on():
            return False
    return True


@contextmanager
def _scene(scenario: "Scenario", against: str, pairs: Sequence[str] | None) -> Iterator["Rehearsal"]:
    """Where a scenario is played: in memory, or on a copy of a database that is gone afterwards."""
    from oms_engine.simulation.run import Rehearsal, Script, require_settings, staged
    from oms_mcp.cli.rehearsing import copied
    from oms_mcp.inputs import read_settings

    given = read_settings(pairs or ())
    if not against:
        with staged(scenario.model_copy(update={"settings": {**given, **scenario.settings}})) as rehearsal:
            yield rehearsal
        return
    script = Script(scenario.clock, mark=MARK, forward=True)
    with copied(against, given, script) as engine:
        require_settings(scenario, engine.settings)
        yield Rehearsal(scenario, engine, script)


def _require_new(record: str, *, force: bool) -> None:
    """What is recorded must have a place before anything is played."""
    from oms_engine.storage.copies import place_of

    if record:
        with naming("--record"):
            place_of(Path(record), force=force)


def _again(record: str, against: str, pairs: Sequence[str] | None) -> str:
    """What to type so that what is recorded is played as it was; settings in memory are recorded with it."""
    there = ["--against", against, *(word for pair in pairs or () for word in ("--set", pair))] if against else []
    return shlex.join(["oms", "simulate", record, *there])


def _record(rehearsal: "Rehearsal", start: datetime, record: str, again: str, *, force: bool) -> None:
    """Write what was done; the file takes its name when all of it is there."""
    from oms_engine.simulation.recording import jsonl_text, recorded, yaml_text
    from oms_engine.storage.copies import placed
    from oms_mcp.cli.targets import is_flow
    from oms_mcp.printing import terminal

    scenario = recorded(rehearsal, start)
    text = jsonl_text(scenario) if is_flow(record) else f"# {terminal.clean(again)}\n{yaml_text(scenario)}"
    with naming("--record"), placed(Path(record), force=force) as file:
        file.write_text(text, encoding="utf-8")
    terminal.note(f"recorded in {terminal.clean(record)}; play it again with {terminal.clean(again)}")
