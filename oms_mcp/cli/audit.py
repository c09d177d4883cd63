"""Which command tells who did what, when, and from where? `oms audit`."""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

from typing import Annotated

import typer

from oms_mcp.cli.root import Held, Json, Kept, app, examples, not_blank, opened

Entry = Annotated[
    str,
    typer.Option(metavar="TEXT", callback=not_blank, help="nextCursor of the page before; the newest when not given."),
]


@app.command(
    epilog=examples(
        "oms audit --db orders.db",
        "oms audit --actor ann --since 2026-01-05T00:00:00Z --until 2026-01-06T00:00:00Z --db orders.db",
        "oms audit --order O1 --json --db orders.db",
        "oms audit --command ExecutionBustCmd --limit 10 --db orders.db",
        "oms audit --order settings --db orders.db",
    )
)
def audit(
    actor: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            callback=not_blank,
            help="Only of this actor: a person, or a client where nobody was named; its version may be left out.",
        ),
    ] = "",
    order_id: Annotated[
        str,
        typer.Option(
            "--order",
            metavar="ID",
            callback=not_blank,
            help="Only what changed this: an orderId, a quoteReqId, settings.",
        ),
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="TIME", callback=not_blank, help="Only from this time on: ISO-8601 with offset.")
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="TIME", callback=not_blank, help="Only before this time: ISO-8601 with offset.")
    ] = "",
    command: Annotated[
        str, typer.Option(metavar="TYPE", callback=not_blank, help="Only commands of this type, or erase.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, metavar="N", help="So many commands at most.")] = 50,
    cursor: Entry = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Tell who did what, when, and from which client: every command that was carried out, newest first.

    A refused command writes nothing, and a preview is taken back, so neither is told.

    Whoever comes with a token is told by the name in it; all other names are those that senders give for themselves.
    """
    from oms_engine.audit import audit as audited
    from oms_mcp.inputs import Misuse, command_type, read_instant
    from oms_mcp.printing import audit as printing
    from oms_mcp.printing import terminal

    first = read_instant(since, "--since") if since else None
    last = read_instant(until, "--until") if until else None
    if first and last and first >= last:
        raise Misuse(f"--until {until} is not behind --since {since}; give a later time")
    kind = command_type(command) if command else ""
    with opened(db, pairs, needed_by="audit") as engine:
        page = audited(
            engine, actor=actor, about=order_id, since=first, until=last, command=kind, limit=limit, cursor=cursor
        )
    wire = {"entries": [entry.to_wire() for entry in page.entries]}
    if as_json:
        terminal.print_json(wire | ({"nextCursor": page.next_cursor} if page.next_cursor else {}))
    else:
        printing.entries(wire["entries"], page.next_cursor)
