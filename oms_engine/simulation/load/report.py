"""What is told of a load at its end? What its seed decided, and apart from it what this machine took for it."""

import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import Field

from oms_engine.domain.vocabulary import State
from oms_engine.engine import Engine
from oms_engine.record import Record
from oms_engine.simulation.load.measures import Bucket, Histogram, Latency
from oms_engine.simulation.load.run import Load
from oms_engine.simulation.load.tally import Tally
from oms_engine.storage.projections import Progress

_CLIENTS = ("role=CLIENT",)
"""The orders of clients: no slices, no orders at the market for them, and no block orders."""

_FILLED = (State.FILLED, State.CLOSED)


class Fills(Record):
    """How far the orders of clients were filled, and of what quantity how much was executed."""

    orders: int
    filled: int
    partly: int
    unfilled: int
    ordered_qty: str
    executed_qty: str
    filled_ratio: float = Field(description="of the orders, those that were filled; 0 to 1")
    quantity_ratio: float = Field(description="of the quantity, what was executed; 0 to 1")


class Refusals(Record):
    """How often commands of one type were refused with one code."""

    command: str
    error_code: str
    count: int


class Reconciliation(Record):
    """What venue and engine were compared in, and what they disagree on."""

    sessions: int
    problems: tuple[str, ...]
    crossed_books: int


class OutcomeOfLoad(Record):
    """What the seed decides; equal on every machine."""

    events_hash: str
    orders: int
    executions: int
    events: int
    commands: int
    accepted: int
    refused: int
    commands_by_type: dict[str, int]
    refusals: tuple[Refusals, ...]
    states: dict[str, int]
    fills: Fills
    faults: dict[str, int]
    reconciled: Reconciliation


class Sample(Record):
    """A stretch of the run, up to a moment: commands in a second, and what the store then held and weighed."""

    seconds: float
    commands_per_second: float
    commands: int
    orders: int
    store_bytes: int


class SpeedOfLoad(Record):
    """What this machine took for the sessions of this run; the sessions of an earlier one are not in it."""

    sessions: int
    seconds: float
    paced: bool
    commands: int
    orders: int
    events: int
    commands_per_second: float
    orders_per_second: float
    events_per_second: float
    latencies: dict[str, Latency] = Field(description="by command type in microseconds; the shared commit is apart")
    all_commands: Latency
    histogram: tuple[Bucket, ...]
    commits: Latency
    queries: dict[str, Latency]
    samples: tuple[Sample, ...]
    memory_bytes: int = Field(description="the most that this process held")


class StoreOfLoad(Record):
    """How large the store is."""

    bytes: int
    bytes_per_command: float = Field(description="of the commands that were carried out")
    bytes_per_order: float
    bytes_per_event: float


class LoadReport(Record):
    """Everything that is told of a load."""

    plan: dict[str, Any]
    complete: bool
    sessions: int
    sessions_planned: int
    outcome: OutcomeOfLoad
    speed: SpeedOfLoad
    store: StoreOfLoad


def report(
    load: Load, engine: Engine, *, paced: bool = False, progress: Progress = lambda _done, _all: None
) -> LoadReport:
    """The report of a load that ran, to its end or not.

    Args:
        load: The load.
        engine: Its engine, still open.
        paced: Did each command have a commit of its own?
        progress: Told how many events were hashed, and how many there are.
    """
    outcome = _outcome(load.tally, engine, engine.events_hash(progress))
    return LoadReport(
        plan=_camel(asdict(load.tally.plan)),
        complete=load.is_complete,
        sessions=load.tally.sessions,
        sessions_planned=load.tally.plan.sessions,
        outcome=outcome,
        speed=_speed(load, engine, paced=paced),
        store=_store(engine, outcome),
    )


def _camel(values: Mapping[str, Any]) -> dict[str, Any]:
    head_and_parts = {name: name.split("_") for name in values}
    return {parts[0] + "".join(map(str.title, parts[1:])): values[name] for name, parts in head_and_parts.items()}


def _outcome(tally: Tally, engine: Engine, events_hash: str) -> OutcomeOfLoad:
    counts = engine.counts()
    sent, refused = tally.commands.total(), tally.refused.total()
    return OutcomeOfLoad(
        events_hash=events_hash,
        **counts,
        commands=sent,
        accepted=sent - refused,
        refused=refused,
        commands_by_type=dict(tally.commands.most_common()),
        refusals=tuple(
            Refusals(command=name.split()[0], error_code=name.split()[1], count=count)
            for name, count in tally.refused.most_common()
        ),
        states={str(group.key): group.count for group in engine.groups("state").groups},
        fills=_fills(engine),
        faults=dict(tally.faults.most_common()),
        reconciled=Reconciliation(
            sessions=tally.reconciled, problems=tuple(tally.problems), crossed_books=tally.crossings
        ),
    )


def _fills(engine: Engine) -> Fills:
    groups = engine.groups("state", where=_CLIENTS).groups
    touched = engine.groups("state", where=(*_CLIENTS, "cumQty__gt=0")).groups
    orders = sum(group.count for group in groups)
    filled = sum(group.count for group in touched if group.key in _FILLED)
    partly = sum(group.count for group in touched) - filled
    ordered = sum(int(group.sums["orderQty"]) for group in groups)
    executed = sum(int(group.sums["cumQty"]) for group in groups)
    return Fills(
        orders=orders,
        filled=filled,
        partly=partly,
        unfilled=orders - filled - partly,
        ordered_qty=str(ordered),
        executed_qty=str(executed),
        filled_ratio=_ratio(filled, orders),
        quantity_ratio=_ratio(executed, ordered),
    )


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _speed(load: Load, engine: Engine, *, paced: bool) -> SpeedOfLoad:
    together = Histogram()
    for latency in load.latencies.values():
        together.add(latency)
    events = engine.position - load.began_at
    by_count = sorted(load.latencies.items(), key=lambda item: (-item[1].count, item[0]))
    return SpeedOfLoad(
        sessions=load.tally.sessions - load.found,
        seconds=round(load.seconds, 3),
        paced=paced,
        commands=load.commands,
        orders=load.orders,
        events=events,
        commands_per_second=_rate(load.commands, load.seconds),
        orders_per_second=_rate(load.orders, load.seconds),
        events_per_second=_rate(events, load.seconds),
        latencies={name: latency.told() for name, latency in by_count},
        all_commands=together.told(),
        histogram=together.doubling(),
        commits=load.commits.told(),
        queries={name: latency.told() for name, latency in load.questions.latencies.items()},
        samples=_samples(load),
        memory_bytes=memory(),
    )


def _samples(load: Load) -> tuple[Sample, ...]:
    points = load.series.points()
    return tuple(
        Sample(
            seconds=round(later.seconds, 3),
            commands_per_second=_rate(later.commands - earlier.commands, later.seconds - earlier.seconds),
            commands=later.commands,
            orders=later.orders,
            store_bytes=later.size,
        )
        for earlier, later in pairwise(points)
    )


def _rate(number: int, seconds: float) -> float:
    return round(number / seconds, 1) if seconds else 0.0


def memory() -> int:
    """The most memory that this process has held so far, in bytes.

    On Linux it is what this program needed alone (VmHWM, proc(5)): the peak of getrusage is also that of the program
    that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return (
            next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1_024
        )
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1_024


def _store(engine: Engine, outcome: OutcomeOfLoad) -> StoreOfLoad:
    size = engine.size

    def each(number: int) -> float:
        return round(size / number, 1) if number else 0.0

    return StoreOfLoad(
        bytes=size,
        bytes_per_command=each(outcome.accepted),
        bytes_per_order=each(outcome.orders),
        bytes_per_event=each(outcome.events),
    )
