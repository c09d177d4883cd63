"""Which commands carry out what a desk does, and show what became of it?"""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

from typing import Annotated

import typer

from oms_mcp.cli.root import (
    REFUSED,
    AsOf,
    Cursor,
    Db,
    DryRun,
    Held,
    Json,
    Kept,
    Set,
    app,
    examples,
    opened,
    would_store,
)


@app.command(
    "exec",
    epilog=examples(
        """oms exec '{"type": "OrderAcceptCmd", "orderId": "O1"}' --db orders.db""",
        "oms exec commands.jsonl --atomic --db orders.db",
        "cat commands.json | oms exec - --dry-run",
    ),
)
def execute(
    source: Annotated[
        str,
        typer.Argument(metavar="JSON|FILE|-", help="An envelope, a JSON array, or JSON Lines; - reads standard input."),
    ],
    dry_run: DryRun = False,
    atomic: Annotated[bool, typer.Option("--atomic", help="The first refusal takes everything back.")] = False,
    db: Db = "",
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Carry out commands; exits with 1 when one was refused."""
    from oms_mcp.inputs import Misuse, database_file, read_envelopes
    from oms_mcp.printing import answers, terminal
    from oms_mcp.shapes import batch_wire, command_wire, settings_before

    sent = read_envelopes(source)
    stores = not dry_run and would_store(db, pairs, sent.envelopes, atomic=atomic, batch=sent.batch)
    with opened(db, pairs, stores=stores) as engine:
        if sent.batch:
            try:
                done = engine.execute_many(sent.envelopes, atomic=atomic, dry_run=dry_run)
            except ValueError as error:
                raise Misuse(str(error)) from None
            wire = batch_wire(engine, done, sent.envelopes)
            failed = wire["failed"]
        else:
            known = settings_before(engine, sent.envelopes[0])
            wire = command_wire(engine, engine.run(sent.envelopes[0], dry_run=dry_run), known=known)
            failed = wire["status"] != "OK"
        if as_json:
            terminal.print_json(wire)
        elif sent.batch:
            answers.batch(sent.envelopes, wire)
        else:
            answers.command(answers.kind_of(sent.envelopes[0]), wire, terminal.out())
        if engine.mode == "sandbox" and not as_json:
            why = "the database does not exist yet, so" if database_file(db) else "no --db, so"
            if database_file(db) and not dry_run:
                why = "the database does not exist yet and none is created for what is refused, so"
            terminal.note(f"{why} this ran in a private sandbox and nothing was kept")
    if failed:
        raise typer.Exit(REFUSED)


@app.command(
    epilog=examples(
        "oms query state=LIVE --db orders.db",
        "oms query symbol__like=ac orderQty__gte=100 --sort orderQty,DESC --db orders.db",
        "oms query --entity execution orderId=O1 --json --db orders.db",
        "oms query --entity quote state=QUOTED --db orders.db",
        "oms query symbol__startswith=AC --cursor '*' --db orders.db",
        "oms query state=LIVE --as-of 2026-01-05T17:30:00Z --db orders.db",
    )
)
def query(
    conditions: Annotated[
        list[str] | None,
        typer.Argument(metavar="CONDITION", help="field=value or field__op=value; all must hold."),
    ] = None,
    entity: Annotated[str, typer.Option(help="order, execution, allocation, quote, quote_request or event.")] = "order",
    sort: Annotated[str, typer.Option(help="field,DESC;field2,ASC; newest first when not given.")] = "",
    page: Annotated[str, typer.Option(metavar="N", help="Page, counted from 0.")] = "",
    size: Annotated[str, typer.Option(metavar="N", help="Rows on a page.")] = "",
    cursor: Cursor = "",
    as_of: AsOf = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Find orders, executions, allocations, quotes or events."""
    from oms_mcp.printing import orders, terminal
    from oms_mcp.shapes import moment_wire, page_wire, seen_at

    with opened(db, pairs, needed_by="query") as now, seen_at(now, as_of) as engine:
        found = engine.query(entity=entity, where=conditions or (), sort=sort, page=page, size=size, cursor=cursor)
        wire = page_wire(found, entity, response_format="detailed") | moment_wire(engine)
    if as_json:
        terminal.print_json(wire)
    else:
        orders.page(entity, wire)


@app.command(
    epilog=examples(
        "oms replay O1 --db orders.db",
        "oms replay O1 --step --db orders.db",
        "oms replay O1 --from v2 --to v4 --json --db orders.db",
    )
)
def replay(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="An orderId.")],
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter after each event, at a terminal.")] = False,
    first: Annotated[str, typer.Option("--from", metavar="VERSION", help="Begin with this version, such as v3.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="VERSION", help="End with this version.")] = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Walk through the life of an order event by event: what happened, what it changed, how the order stood."""
    from oms_engine import Refused
    from oms_mcp.inputs import Misuse, read_version, renamed
    from oms_mcp.printing import orders, terminal
    from oms_mcp.shapes import replay_wire

    begin, end = read_version("--from", first), read_version("--to", last)
    if begin is not None and end is not None and begin > end:
        raise Misuse(f"--from v{begin} lies behind --to v{end}; give the smaller version first")
    with opened(db, pairs, needed_by="replay") as engine:
        try:
            wire = replay_wire(engine, order_id, begin, end)
        except Refused as refused:
            option = "--from" if f"no version {begin};" in refused.problem.detail else "--to"
            raise Refused(renamed(refused.problem, "as_of", option)) from None
    if step and (as_json or not terminal.is_attended()):
        terminal.note("--step waits only at a terminal and not with --json, so everything is told at once")
    if as_json:
        terminal.print_json(wire)
        return
    try:
        orders.replay(wire, pause=terminal.pause if step else None)
    except (KeyboardInterrupt, EOFError):  # Ctrl-C and Ctrl-D are how one stops looking
        raise typer.Exit from None


OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="An orderId.")]


@app.command(
    epilog=examples(
        "oms show O1 --db orders.db",
        "oms show O1 --tree --db orders.db",
        "oms show O1 --timeline --waterfall --db orders.db",
        "oms show O1 --as-of v2 --db orders.db",
        "oms show O1 --json --db orders.db",
    )
)
def show(
    order_id: OrderId,
    tree: Annotated[bool, typer.Option("--tree", help="Also the tree it stands in, and its group or members.")] = False,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also what happened to it, event by event.")] = False,
    waterfall: Annotated[bool, typer.Option("--waterfall", help="Also what became of its quantity.")] = False,
    as_of: AsOf = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Show an order, its executions, its allocations and what can follow; on demand with pictures.

    oms draw makes each picture alone, also as SVG and Mermaid.
    """
    from oms_mcp.pictures import Picture, timeline_of, tree_of, waterfall_of
    from oms_mcp.printing import orders, pictures, terminal
    from oms_mcp.shapes import moment_wire, seen_at, tree_wire, whole_order_wire

    drawn: dict[str, Picture] = {}
    with opened(db, pairs, needed_by="show") as now, seen_at(now, as_of, order_id) as engine:
        order = engine.find(order_id)
        wire = whole_order_wire(engine, order) | (tree_wire(engine, order) if tree else {}) | moment_wire(engine)
        if timeline:
            drawn["timeline"] = timeline_of(engine, order_id)
        if tree:
            drawn["tree"] = tree_of(engine, order_id)
        if waterfall:
            drawn["waterfall"] = waterfall_of(engine, order_id)
    if as_json:
        terminal.print_json(wire | {name: drawn[name].to_wire() for name in drawn if name != "tree"})
        return
    orders.order(wire, hints=not tree)
    for picture in drawn.values():
        pictures.show(picture)


@app.command(
    epilog=examples(
        "oms history O1 --db orders.db",
        "oms history O1 --after 120 --limit 20 --db orders.db",
        "oms history settings --db orders.db",
    )
)
def history(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="An orderId, a quoteReqId, or settings.")],
    after: Annotated[int, typer.Option(min=0, help="Only events behind this position.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many events at most.")] = 500,
    as_of: AsOf = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Tell the events of an order, of a quote request, or of the settings in their order."""
    from oms_mcp.printing import orders, terminal
    from oms_mcp.shapes import history_wire, moment_wire, seen_at, stream_events

    with opened(db, pairs, needed_by="history") as now, seen_at(now, as_of, order_id) as engine:
        about = moment_wire(engine)
        events = [event for event in stream_events(engine, order_id) if event.position > after]
    wire = history_wire(events[:limit], more=len(events) > limit, response_format="detailed") | about
    if as_json:
        terminal.print_json(wire)
    else:
        orders.history(wire)


@app.command(
    epilog=examples(
        "oms check --from LIVE FILLED CLOSED",
        "oms check --from EXP CLOSED --profile matrix",
        "oms check --order O1 --db orders.db",
    )
)
def check(
    path: Annotated[
        list[str] | None, typer.Argument(metavar="STATE", help="States to go through; none lists what can follow.")
    ] = None,
    order_id: Annotated[str, typer.Option("--order", metavar="ORDER", help="Start where this order is.")] = "",
    from_state: Annotated[str, typer.Option("--from", metavar="STATE", help="Start in this state.")] = "",
    profile: Annotated[str, typer.Option(help="standard, matrix or desk; the engine's own when not given.")] = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Ask the lifecycle whether a path is possible; exits with 1 when it is not."""
    from oms_engine import Refused
    from oms_mcp.inputs import in_options
    from oms_mcp.printing import orders, terminal

    with opened(db if order_id else "", pairs, needed_by="check --order" if order_id else "") as engine:
        try:
            checked = engine.check(order_id=order_id, from_state=from_state, path=path or (), profile=profile)
        except Refused as refused:
            raise Refused(in_options(refused.problem, order_id=order_id, from_state=from_state)) from None
    if as_json:
        terminal.print_json(checked.to_wire())
    else:
        orders.check(checked.to_wire())
    if not checked.valid:
        raise typer.Exit(REFUSED)


@app.command(
    epilog=examples(
        "oms expire --dry-run --db orders.db",
        "oms expire --as-of 2026-01-05T17:30:00Z --db orders.db",
    )
)
def expire(
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="TIME", help="ISO-8601 with offset; now when not given.")
    ] = "",
    dry_run: DryRun = False,
    db: Kept = "",
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Expire every order whose time is over; exits with 1 when one was refused.

    GOOD_TILL_DATE orders at their expireTime; DAY orders where dayEnd is set.

    Requests that wait too long for an answer are listed and left as they are.
    """
    from oms_engine import Refused
    from oms_engine.sweep import expire_due, overdue
    from oms_mcp.inputs import read_instant, renamed
    from oms_mcp.printing import terminal, upkeep
    from oms_mcp.shapes import sweep_wire

    given = read_instant(as_of, "--as-of") if as_of else None
    with opened(db, pairs, needed_by="expire", stores=not dry_run) as engine:
        at = given or engine.now()
        with terminal.progress("expiring") as progress:
            try:
                outcomes = expire_due(engine, at, dry_run=dry_run, progress=progress)
            except Refused as refused:
                raise Refused(renamed(refused.problem, "as_of", "--as-of")) from None
        wire = sweep_wire(engine, outcomes, overdue(engine, at), dry_run=dry_run)
    if as_json:
        terminal.print_json(wire)
    else:
        upkeep.sweep(wire)
    if wire["refused"]:
        raise typer.Exit(REFUSED)
