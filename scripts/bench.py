"""How long does it take? One function per benchmark, in one table; each compares its variants within one run.

Variants take turns, round after round, so whatever else this machine does slows them all. A figure is the median of the
rounds, with the quartiles beside it: half of the rounds lie between them. Compare figures of one run only. A busy
machine slows threads more than the rest, so the load when the run began is told as well.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from oms_engine import Engine, engine
from oms_engine.domain.rules.assets import classify
from oms_engine.framework.orchestration import Task, TaskPipeline
from oms_engine.workflows import PIPELINE, OrderTaskContext

Json = dict[str, Any]
Pipeline = TaskPipeline[OrderTaskContext]

WARM_UP = 50
"""Rounds before those that count, in which caches fill."""


class Figure(NamedTuple):
    """What was measured: the median of the rounds, and between which values half of them lie."""

    name: str
    unit: str
    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, name: str, unit: str, rounds: Sequence[float]) -> "Figure":
        """The figure of one value per round."""
        lower, median, upper = statistics.quantiles(rounds, n=4)
        return cls(name, unit, median, lower, upper)


def take_turns(variants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of one call of each variant per round; who is first changes, and the first rounds do not count."""
    micros: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(WARM_UP + rounds):
        for name in sorted(variants, reverse=bool(number % 2)):
            began = time.perf_counter_ns()
            variants[name]()
            micros[name].append((time.perf_counter_ns() - began) / 1_000)
    return {name: values[WARM_UP:] for name, values in micros.items()}


def compared(micros: Mapping[str, list[float]], *, to: str) -> list[Figure]:
    """A figure per variant, and the ratio of each to one of them, taken within the rounds."""
    figures = [Figure.of(name, "us", values) for name, values in micros.items()]
    for name, values in micros.items():
        if name != to:
            ratios = [value / base for value, base in zip(values, micros[to], strict=True)]
            figures.append(Figure.of(f"{name} / {to}", "", ratios))
    return figures


def parallel(rounds: int) -> list[Figure]:
    """Create an order: EnrichOrder and RiskCheck as a parallel block, against the same two one after the other."""
    pipelines = _serial_and_block()
    with _desk() as desk:
        variants = {name: partial(_preview, desk, pipeline) for name, pipeline in pipelines.items()}
        return compared(take_turns(variants, rounds), to="serial")


def _serial_and_block() -> dict[str, Pipeline]:
    """The pipeline of every command with EnrichOrder in it, before RiskCheck or beside it."""
    *before, risk, persist, publish = PIPELINE.tasks
    enrich = Task[OrderTaskContext].of("EnrichOrder", _enrich)
    serial, block = (TaskPipeline[OrderTaskContext].builder(name) for name in ("serial", "block"))
    for task in before:
        serial.add_task(task)
        block.add_task(task)
    serial.add_task(enrich).add_task(risk)
    block.add_parallel_tasks(enrich, risk)
    built = [builder.add_task(persist).add_task(publish).build() for builder in (serial, block)]
    return {pipeline.name: pipeline for pipeline in built}


RISK = {
    "risk.maxOrderQty": "10000",
    "risk.maxNotional": {"*": "5000000", "symbol:ACME": "2000000"},
    "risk.collarPercent": "10",
    "risk.restrictedSymbols": "EVIL,WORSE",
    "risk.maxOpenOrders": "1000",
    "risk.maxGrossNotional": {"account:ACC-1": "90000000"},
    "risk.maxCommandsPerSecond": "1000000",
}
"""Each limit is set, none is reached: every risk rule has to be asked."""

OPEN_ORDERS = 20


def _create(number: int) -> Json:
    order = {"account": "ACC-1", "symbol": "ACME", "side": "BUY", "ordType": "LIMIT", "orderQty": "100", "price": "50"}
    return {"type": "OrderCreateCmd", "order": {"clOrdId": f"BENCH-{number}", **order}}


def _desk() -> Engine:
    """An engine in memory with open orders, one of which was traded: so the reference price is known."""
    desk = Engine.open(settings=RISK)
    order_ids = [desk.execute(_create(number)).id for number in range(OPEN_ORDERS)]
    desk.execute({"type": "OrderAcceptCmd", "orderId": order_ids[0]})
    fill = {"orderId": order_ids[0], "execId": "EXEC-1", "lastQty": "10", "lastPx": "50.5"}
    traded = desk.execute({"type": "ExecutionCreateCmd", "execution": fill})
    assert traded.ok, traded  # noqa: S101 - a benchmark of refusals would measure something else
    return desk


def _preview(desk: Engine, pipeline: Pipeline) -> None:
    """Create one more order and take it back, so that each call does the same work."""
    setattr(engine, "PIPELINE", pipeline)  # noqa: B010 - the engine takes it from workflows and does not export it
    result = desk.preview(_create(OPEN_ORDERS))
    assert result.ok, result  # noqa: S101 - as above


def _enrich(context: OrderTaskContext) -> None:
    facts = context.known_facts
    order = facts.candidate
    assert order is not None  # noqa: S101 - the benchmark creates orders
    context.put("assetClass", classify(order, context.settings))
    context.put("referencePrice", facts.reference_price(order.symbol or ""))


BENCHMARKS: dict[str, Callable[[int], list[Figure]]] = {"parallel": parallel}
"""What can be measured, by name; a benchmark is told how many rounds to take and gives its figures."""


def _machine() -> Json:
    return {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}


def _first_line(benchmark: Callable[[int], list[Figure]]) -> str:
    return (benchmark.__doc__ or "").splitlines()[0]


def _show(name: str, figures: Sequence[Figure], conditions: Json) -> None:
    columns = ("figure", "median", "lower quartile", "upper quartile", "unit")
    table = Table(*columns, title=_first_line(BENCHMARKS[name]))
    for figure in figures:
        table.add_row(figure.name, *(f"{value:,.2f}" for value in figure[2:]), figure.unit)
    console = Console()
    console.print(table)
    console.print(", ".join(f"{key} {value}" for key, value in conditions.items()))


def main() -> int:
    """Run one benchmark."""
    listed = "\n".join(f"  {name:<10} {_first_line(benchmark)}" for name, benchmark in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=f"{__doc__}\nbenchmarks:\n{listed}",
        epilog="example: scripts/bench parallel --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=BENCHMARKS, help="which benchmark to run")
    parser.add_argument("--rounds", type=int, default=1_000, metavar="N", help="take so many rounds, at least 2 (1000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    if options.rounds < 2:  # noqa: PLR2004 - quartiles need two values
        parser.error(f"--rounds was {options.rounds}; take at least 2, for the quartiles")
    conditions = {"rounds": options.rounds, "python": platform.python_version(), **_machine()}
    figures = BENCHMARKS[options.name](options.rounds)
    if options.json:
        found = [figure._asdict() for figure in figures]
        print(json.dumps({"benchmark": options.name, **conditions, "figures": found}))
    else:
        _show(options.name, figures, conditions)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
