"""How long does it take? One function per benchmark, in one table; each compares its variants within one run.

Variants take turns, round after round, so whatever else this machine does slows them all. A figure is the median of the
rounds, with the quartiles beside it: half of the rounds lie between them. Compare figures of one run only. A busy
machine slows threads more than the rest, so the load when the run began is told as well. Where a median is promised,
the promise stands beside it, and whether it was met.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Scale
from benchmarks.knowledge import knowledge
from benchmarks.market import simulate
from benchmarks.parallel import parallel
from benchmarks.queries import queries, queries_sql
from benchmarks.rebuilding import rebuild, rebuild_sql
from benchmarks.serving import http
from benchmarks.stdio import stdio
from benchmarks.versus import eventsourcing, eventsourcing_sql
from benchmarks.writing import write, written_sql

Json = dict[str, Any]


class Benchmark(NamedTuple):
    """What can be measured, how much work it is as a rule and with --quick, and the SQL of its baseline."""

    run: Callable[[Scale], list[Figure]]
    usual: Scale
    quick: Scale
    sql: Callable[[], list[str]] | None = None

    @property
    def about(self) -> str:
        """What it measures, in a line."""
        return (self.run.__doc__ or "").splitlines()[0]


BENCHMARKS = {
    "parallel": Benchmark(parallel, Scale(1_000), Scale(20)),
    "write": Benchmark(write, Scale(15, 200), Scale(3, 25), written_sql),
    "eventsourcing": Benchmark(eventsourcing, Scale(12, 100), Scale(3, 25), eventsourcing_sql),
    "queries": Benchmark(queries, Scale(300, 1_000_000), Scale(20, 4_000), queries_sql),
    "rebuild": Benchmark(rebuild, Scale(7, 25_000), Scale(2, 1_000), rebuild_sql),
    "simulate": Benchmark(simulate, Scale(7, 300), Scale(2, 20)),
    "http": Benchmark(http, Scale(15), Scale(2)),
    "kb": Benchmark(knowledge, Scale(300), Scale(2, documents=2)),
    "stdio": Benchmark(stdio, Scale(25), Scale(2)),
}


def _machine() -> Json:
    return {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}


def _conditions(scale: Scale) -> Json:
    orders = {"orders": scale.orders} if scale.orders else {}
    return {"rounds": scale.rounds, **orders, "python": platform.python_version(), **_machine()}


def _show(benchmark: Benchmark, figures: Sequence[Figure], conditions: Json) -> None:
    table = Table("figure", title=benchmark.about)
    for heading in ("median", "quartiles"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    promised = any(figure.target for figure in figures)
    if promised:
        table.add_column("target")
    for figure in figures:
        quartiles = f"{_number(figure.lower)} to {_number(figure.upper)}" if figure.lower < figure.upper else ""
        verdict = {None: "", True: ": met", False: ": [bold red]not met[/]"}[figure.met]
        told = (figure.name, _number(figure.median), quartiles, figure.unit)
        table.add_row(*told, *((figure.target + verdict,) if promised else ()))
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)
    console.print(", ".join(f"{key} {value}" for key, value in conditions.items()))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.2f}"  # noqa: PLR2004 - four digits are enough


def _measure(name: str, scale: Scale, *, as_json: bool) -> None:
    benchmark = BENCHMARKS[name]
    conditions = _conditions(scale)
    figures = benchmark.run(scale)
    if as_json:
        found = [figure._asdict() for figure in figures]
        print(json.dumps({"benchmark": name, **conditions, "figures": found}), flush=True)
    else:
        _show(benchmark, figures, conditions)


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<14} {benchmark.about}" for name, benchmark in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=f"{__doc__}\nbenchmarks:\n{listed}\n  {'all':<14} All of them, one after the other.",
        epilog="examples: scripts/bench parallel --json; scripts/bench all --quick; scripts/bench write --sql",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=[*BENCHMARKS, "all"], help="which benchmark to run")
    parser.add_argument("--rounds", type=int, metavar="N", help="take so many rounds, at least 2")
    parser.add_argument("--quick", action="store_true", help="do little, to see that it works; the figures mean less")
    parser.add_argument("--json", action="store_true", help="print one JSON object per benchmark instead of a table")
    parser.add_argument("--sql", action="store_true", help="measure nothing; print the SQL of the baseline")
    return parser


def main() -> int:
    """Run one benchmark or all."""
    parser = _parser()
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 2:  # noqa: PLR2004 - quartiles need two values
        parser.error(f"--rounds was {options.rounds}; take at least 2, for the quartiles")
    names = list(BENCHMARKS) if options.name == "all" else [options.name]
    if options.sql:
        for name in names:
            listing = BENCHMARKS[name].sql
            print("\n".join(f"{sql};" for sql in listing()) if listing else f"-- {name} is compared with no SQL")
        return 0
    for name in names:
        scale = BENCHMARKS[name].quick if options.quick else BENCHMARKS[name].usual
        _measure(name, scale._replace(rounds=options.rounds or scale.rounds), as_json=options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
