"""Which commands look after the tables that follow the events? `oms projections ...`."""

# ruff: noqa: PLC0415 - a command loads only what it needs

from typing import TYPE_CHECKING, Annotated, Any

import typer

from oms_mcp.cli.root import REFUSED, Held, Json, Kept, app, examples, opened

if TYPE_CHECKING:
    from oms_engine import Engine

projections = typer.Typer(
    help="Look after the tables that follow the events: how far they are, write them anew, retry what failed.",
    no_args_is_help=True,
)
app.add_typer(projections, name="projections")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The projection; the read model when not given.")]


@projections.command(
    epilog=examples("oms projections status --db orders.db", "oms projections status --json --db orders.db")
)
def status(db: Kept = "", pairs: Held = None, as_json: Json = False) -> None:
    """Tell how far the projections are, and which streams wait because an event failed."""
    from oms_mcp.printing import terminal, upkeep

    with opened(db, pairs, needed_by="projections status") as engine:
        wire = {"projections": [each.to_wire() for each in engine.projections()]}
    if as_json:
        terminal.print_json(wire)
    else:
        upkeep.projections(wire)


@projections.command(
    epilog=examples(
        "oms projections rebuild --db orders.db", "oms projections rebuild read-model --json --db orders.db"
    )
)
def rebuild(name: Name = "read-model", db: Kept = "", pairs: Held = None, as_json: Json = False) -> None:
    """Write a projection anew from the events; others go on reading and writing meanwhile."""
    from oms_mcp.printing import terminal

    with opened(db, pairs, needed_by="projections rebuild") as engine:
        with terminal.progress(f"rebuilding {name}") as progress:
            read = engine.rebuild(progress, name=name)
        waiting = waits(engine, name)
    if as_json:
        terminal.print_json({"projection": name, "eventsRead": read, "parked": waiting})
    else:
        terminal.say(f"rebuilt {name} from {terminal.counted(read, 'event')}")
        warn(waiting)


@projections.command(
    epilog=examples(
        "oms projections retry --db orders.db", "oms projections retry read-model --stream order-O1 --db orders.db"
    )
)
def retry(
    name: Name = "read-model",
    stream: Annotated[str, typer.Option(metavar="ID", help="Only this stream, such as order-O1.")] = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Apply what waits because it failed, in order; exits with 1 when something fails again."""
    from oms_mcp.printing import terminal, upkeep

    with opened(db, pairs, needed_by="projections retry") as engine:
        wire = engine.retry(name, stream_id=stream).to_wire()
    if as_json:
        terminal.print_json(wire)
    else:
        upkeep.retried(wire)
    if wire["parked"]:
        raise typer.Exit(REFUSED)


def waits(engine: "Engine", name: str) -> list[dict[str, Any]]:
    """The streams that a projection waits with."""
    return [each.to_wire() for status in engine.projections() if status.name == name for each in status.parked]


def warn(waiting: list[dict[str, Any]]) -> None:
    """Tell a person that something could not be written."""
    from oms_mcp.printing import terminal

    if waiting:
        terminal.note(f"{terminal.counted(len(waiting), 'stream')} failed and waits; see: oms projections status")
