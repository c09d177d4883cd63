"""Which commands serve the tools, and look after the installation and its database?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

from typing import Annotated

import typer

from oms_mcp.cli.root import REFUSED, Db, Held, Json, Kept, Set, app, examples, opened

TOOLSETS = "orders, executions, queries, states, knowledge (all five by default), raw, admin,"


@app.command(
    epilog=examples("oms serve", "oms serve --db orders.db --toolsets orders,queries", "OMS_DB=orders.db oms serve")
)
def serve(
    db: Db = "",
    toolsets: Annotated[
        str, typer.Option("--toolsets", envvar="OMS_TOOLSETS", metavar="NAMES", help=f"{TOOLSETS} or all.")
    ] = "",
    pairs: Set = None,
) -> None:
    """Serve the tools to an MCP client over stdio; without --db in a private sandbox."""
    from oms_mcp.inputs import named_database, read_settings
    from oms_mcp.server import serve as serve_stdio

    serve_stdio(db=named_database(db), toolsets=toolsets, settings=read_settings(pairs or ()))


@app.command(epilog=examples("oms rebuild --db orders.db"))
def rebuild(db: Kept = "", pairs: Held = None, as_json: Json = False) -> None:
    """Write the read model anew from the events; short for: oms projections rebuild."""
    from oms_mcp.cli.projections import waits, warn
    from oms_mcp.printing import terminal

    with opened(db, pairs, needed_by="rebuild") as engine:
        with terminal.progress("rebuilding") as progress:
            read = engine.rebuild(progress)
        made, waiting = engine.counts(), waits(engine, "read-model")
    if as_json:
        terminal.print_json({"eventsRead": read, "counts": made})
    else:
        orders, executions = (terminal.counted(made[f"{name}s"], name) for name in ("order", "execution"))
        terminal.say(f"rebuilt {orders} and {executions} from {terminal.counted(read, 'event')}")
        warn(waiting)


@app.command(epilog=examples("oms doctor", "oms doctor --db orders.db --json"))
def doctor(db: Kept = "", pairs: Held = None, as_json: Json = False) -> None:
    """Look whether everything is in place; exits with 1 when there is a problem."""
    from oms_mcp.doctor import examine
    from oms_mcp.printing import terminal, upkeep

    wire = examine(db, pairs or ())
    if as_json:
        terminal.print_json(wire)
    else:
        upkeep.doctor(wire)
    if not wire["ok"]:
        raise typer.Exit(REFUSED)
