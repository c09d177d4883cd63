"""Which commands run scenarios, and find one to run?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.root import REFUSED, Json, Set, app, examples, not_blank, opened

if TYPE_CHECKING:
    from oms_engine.simulation.run import ScenarioRun
    from oms_engine.simulation.scenario import Scenario
    from oms_mcp.printing.terminal import Wire
    from oms_mcp.scenarios import Story


@app.command(
    "run",
    epilog=examples(
        "oms run my-scenario.yaml",
        "oms run quantities#N9",
        "oms run order-lifecycle",
        "oms run flow.jsonl --timeline",
        "oms run my-scenario.yaml --db orders.db",
    ),
)
def run_scenarios(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME|DOC#ID", help="A .yaml, .md or .jsonl file, a document, or one scenario by its id."
        ),
    ],
    timeline: Annotated[bool, typer.Option("--timeline", help="Tell every step, as oms simulate does.")] = False,
    db: Annotated[
        str, typer.Option("--db", metavar="PATH", help="Run for real in this file; OMS_DB alone does not do that.")
    ] = "",
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Run scenarios: in memory, or for real with --db; exits with 1 when an expectation differs."""
    from oms_mcp.cli.targets import read_scenarios
    from oms_mcp.printing import scenarios, terminal

    done = _run_all(read_scenarios(target), db, pairs)
    wires = [run.to_wire() for run in done]
    failed = sum(not run.passed for run in done)
    if as_json:
        terminal.print_json({"runs": wires, "passed": len(done) - failed, "failed": failed})
    else:
        for wire in wires:
            if timeline:
                _timeline(wire, db)
            else:
                scenarios.run(wire)
        scenarios.runs(len(done), failed)
    if failed:
        raise typer.Exit(REFUSED)


def _timeline(wire: "Wire", db: str) -> None:
    from oms_mcp.printing.timeline import whole

    whole(wire, f"in {db}" if db else "in memory")


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


@app.command(
    "scenarios",
    epilog=examples(
        "oms scenarios",
        "oms scenarios cancel race",
        "oms scenarios --kind correction --document stories",
        "oms scenarios kill switch --json",
    ),
)
def list_scenarios(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORDS", help="What it is to be about; all of them when absent.")
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="KIND", callback=not_blank, help="Only of this kind, such as tree.")
    ] = "",
    document: Annotated[
        str, typer.Option(metavar="DOC", callback=not_blank, help="Only of this document, or of a folder of them.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List the scenarios of the documents, or find those about something; exits with 1 when there is none."""
    from oms_mcp.inputs import opened_library
    from oms_mcp.printing import scenarios, terminal
    from oms_mcp.scenarios import about, nearest_words, stories

    wanted = " ".join(words or ()).split()
    with opened_library(semantic=False) as library:
        every = _among(stories(library), kind, document)
        found = about(library, wanted, every) if wanted else every
    wires = [story.to_wire() for story in found]
    near = [] if found else nearest_words(wanted, every)
    if as_json:
        terminal.print_json({"scenarios": wires, "found": len(found), "of": len(every), "nearestWords": near})
    else:
        scenarios.listed(wires, len(every), near, grouped=not wanted)
    if not found:
        raise typer.Exit(REFUSED)


def _among(every: "list[Story]", kind: str, document: str) -> "list[Story]":
    """The scenarios of a kind and of a document; raises Misuse for one that there is not."""
    from oms_engine.simulation.kinds import KINDS
    from oms_engine.simulation.values import unknown
    from oms_mcp.inputs import Misuse

    if kind and kind not in KINDS:
        raise Misuse(f"--kind {unknown(kind, 'kind of scenario', KINDS)}")
    kept = [story for story in every if not kind or kind in story.kinds]
    if not document:
        return kept
    wanted = document.removesuffix(".md").strip("/")
    if not any(wanted in story.document for story in every):
        raise Misuse(
            f"--document {unknown(wanted, 'document with scenarios', sorted({each.document for each in every}))}"
        )
    return [story for story in kept if wanted in story.document]
