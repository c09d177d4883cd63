"""Which command lets a person see orders live? A scenario step by step, a day of trading, or many orders under load."""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

from collections.abc import Mapping
from math import isfinite
from typing import Annotated

import typer

from oms_mcp.cli.root import Json, Set, app, examples, interruptible, not_blank


@app.command(
    epilog=examples(
        "oms simulate whole-day --step",
        "oms simulate race-replace-overtaken --record race.yaml",
        "oms simulate my-scenario.yaml --against orders.db --record done.yaml",
        "oms simulate",
        "oms simulate --orders 2000 --seed 7 --faults many --html day.html",
        "oms simulate --orders 1000000 --seed 7 --mix retail --db load.db",
    )
)
def simulate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE|DOC#ID", callback=not_blank, help="A scenario; without one a market is simulated."
        ),
    ] = "",
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter after each step.")] = False,
    speed: Annotated[
        float | None, typer.Option(min=0.001, metavar="X", help="So many simulated seconds in a second; else at once.")
    ] = None,
    record: Annotated[
        str,
        typer.Option(
            metavar="FILE", callback=not_blank, help="Write what was done as a scenario: YAML, or a flow for .jsonl."
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --record when it is there.")] = False,
    against: Annotated[
        str,
        typer.Option(
            metavar="DB", callback=not_blank, help="Play the scenario on a copy of this database, which stays as it is."
        ),
    ] = "",
    orders: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, metavar="N", help="Orders of the market.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, metavar="S", help="What chance begins with; 1.")] = None,
    mix: Annotated[
        str, typer.Option(metavar="NAME", callback=not_blank, help="retail, institutional or market-maker.")
    ] = "",
    faults: Annotated[str, typer.Option(metavar="HOW", callback=not_blank, help="none, some or many.")] = "",
    db: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            callback=not_blank,
            help="Keep the market's orders in this file; OMS_DB alone does not do that.",
        ),
    ] = "",
    html: Annotated[
        str, typer.Option(metavar="FILE", callback=not_blank, help="Write the report as one page with charts.")
    ] = "",
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Play a scenario live, or simulate a market with many orders; the same seed gives the same orders."""
    market = {"--orders": orders, "--seed": seed, "--mix": mix, "--faults": faults, "--db": db, "--html": html}
    scenario = {"--step": step, "--record": record, "--force": force, "--against": against}
    _require_belonging(target, market, scenario)
    _require_pace(speed)
    with interruptible():
        if target:
            from oms_mcp.cli.staging import stage

            stage(
                target,
                step=step,
                speed=speed,
                record=record,
                force=force,
                against=against,
                pairs=pairs,
                as_json=as_json,
            )
        else:
            from oms_mcp.cli.market import trade

            trade(
                orders=orders,
                seed=seed,
                mix=mix,
                faults=faults,
                speed=speed,
                db=db,
                html=html,
                pairs=pairs,
                as_json=as_json,
            )


def _require_pace(speed: float | None) -> None:
    from oms_mcp.inputs import Misuse

    if speed is not None and not isfinite(speed):
        raise Misuse(f"--speed {speed} is no number; give simulated seconds per second, such as 60")


def _require_belonging(target: str, market: Mapping[str, object], scenario: Mapping[str, object]) -> None:
    """Options of a market stand without a scenario, those of a scenario with one."""
    from oms_engine.errors import shown
    from oms_mcp.inputs import Misuse

    given = [name for name, value in (market if target else scenario).items() if value not in (None, "", False)]
    if given and target:
        told = f"{', '.join(given)} simulates a market, and {shown(target)} names a scenario; leave one of them out"
        raise Misuse(told, "leave out the scenario or the option")
    if given:
        told = (
            f"{', '.join(given)} belongs to a scenario, and none is named; name one, such as oms simulate quantities#N9"
        )
        raise Misuse(told, "name a scenario; oms scenarios lists them")
