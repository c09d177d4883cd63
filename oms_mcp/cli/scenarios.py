"""Which command runs scenarios?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.root import REFUSED, Json, Set, app, examples, opened

if TYPE_CHECKING:
    from oms_engine.simulation.run import ScenarioRun
    from oms_engine.simulation.scenario import Scenario


@app.command(
    "run",
    epilog=examples(
        "oms run my-scenario.yaml",
        "oms run quantities#N9",
        "oms run order-lifecycle",
        "oms run my-scenario.yaml --db orders.db",
    ),
)
def run_scenarios(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE|DOC#SCENARIO", help="A .yaml or .md file, a document, or one scenario of either."),
    ],
    db: Annotated[
        str, typer.Option("--db", metavar="PATH", help="Run for real in this file; OMS_DB alone does not do that.")
    ] = "",
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Run scenarios: in memory, or for real with --db; exits with 1 when an expectation differs."""
    from oms_mcp.inputs import read_scenarios
    from oms_mcp.printing import scenarios, terminal

    done = _run_all(read_scenarios(target), db, pairs)
    wires = [run.to_wire() for run in done]
    failed = sum(not run.passed for run in done)
    if as_json:
        terminal.print_json({"runs": wires, "passed": len(done) - failed, "failed": failed})
    else:
        for wire in wires:
            scenarios.run(wire)
        scenarios.runs(len(done), failed)
    if failed:
        raise typer.Exit(REFUSED)


def _run_all(scenarios: Sequence["Scenario"], db: str, pairs: Sequence[str] | None) -> list["ScenarioRun"]:
    from oms_engine import Settings
    from oms_engine.simulation.run import require_settings, run_scenario
    from oms_mcp.inputs import database_file, read_settings

    given = read_settings(pairs or ())
    if database_file(db) is not None:
        for scenario in scenarios:
            require_settings(scenario, Settings.of(given))
        with opened(db, pairs, stores=True) as engine:
            return [run_scenario(scenario, engine) for scenario in scenarios]
    return [
        run_scenario(scenario.model_copy(update={"settings": {**given, **scenario.settings}})) for scenario in scenarios
    ]
