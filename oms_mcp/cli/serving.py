"""Which commands serve the tools, and look after the installation and its database?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.root import (
    REFUSED,
    Corpus,
    Db,
    Held,
    Json,
    Kept,
    OnlyCorpus,
    Set,
    Tokens,
    app,
    examples,
    not_blank,
    opened,
)
from oms_mcp.clients import CLIENTS

if TYPE_CHECKING:
    from oms_mcp.server import OmsServer

TOOLSETS = "orders, executions, queries, states, simulation, knowledge (all six by default), raw, admin,"


@app.command(
    epilog=examples(
        "oms serve",
        "oms serve --db orders.db --toolsets orders,queries",
        "oms serve --db orders.db --read-only",
        "oms serve --tools get_order,search_orders",
        "oms serve --corpus handbook",
        "OMS_DB=orders.db oms serve",
        "oms serve --db orders.db --http 127.0.0.1:8000",
        "oms serve --db orders.db --http 0.0.0.0:8000 --allow-host oms.example.com --tokens tokens.json",
    )
)
def serve(
    ctx: typer.Context,
    *,
    db: Db = "",
    toolsets: Annotated[
        str, typer.Option("--toolsets", envvar="OMS_TOOLSETS", metavar="NAMES", help=f"{TOOLSETS} or all.")
    ] = "",
    tools: Annotated[
        str,
        typer.Option(
            "--tools", envvar="OMS_TOOLS", metavar="NAMES", help="Tools beside those of --toolsets, or these alone."
        ),
    ] = "",
    exclude_tools: Annotated[
        str,
        typer.Option(
            "--exclude-tools", envvar="OMS_EXCLUDE_TOOLS", metavar="NAMES", help="Tools that are not offered."
        ),
    ] = "",
    read_only: Annotated[
        bool, typer.Option("--read-only", envvar="OMS_READ_ONLY", help="Offer only what reads; the file must exist.")
    ] = False,
    max_result_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-result-tokens",
            envvar="OMS_MAX_RESULT_TOKENS",
            metavar="N",
            help="Cut longer results; 20000 if absent.",
        ),
    ] = None,
    corpus: Corpus = None,
    only_corpus: OnlyCorpus = False,
    pairs: Set = None,
    http: Annotated[
        str,
        typer.Option(
            envvar="OMS_HTTP",
            metavar="HOST:PORT",
            help="Serve over HTTP, at /mcp, in place of standard input and output.",
        ),
    ] = "",
    tokens: Tokens = "",
    oauth_issuer: Annotated[
        str,
        typer.Option(envvar="OMS_OAUTH_ISSUER", metavar="URL", help="OAuth server whose access tokens are accepted."),
    ] = "",
    oauth_audience: Annotated[
        str,
        typer.Option(
            envvar="OMS_OAUTH_AUDIENCE", metavar="URL", help="Address of this server, as those tokens name it."
        ),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="OMS_ALLOW_HOSTS", metavar="HOST", help="A name that clients may call the server by; repeatable."
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            envvar="OMS_ALLOW_ORIGINS", metavar="ORIGIN", help="Origin of web pages that may call it; repeatable."
        ),
    ] = None,
    rate: Annotated[
        int, typer.Option(envvar="OMS_RATE", metavar="N", help="Requests per second of one client; 0: any number.")
    ] = 100,
    max_in_flight: Annotated[
        int, typer.Option(envvar="OMS_MAX_IN_FLIGHT", metavar="N", help="Requests that are worked on at once.")
    ] = 64,
    max_streams: Annotated[
        int, typer.Option(envvar="OMS_MAX_STREAMS", metavar="N", help="Open streams of notifications.")
    ] = 256,
    max_sessions: Annotated[
        int, typer.Option(envvar="OMS_MAX_SESSIONS", metavar="N", help="Open sessions of clients that shake hands.")
    ] = 1_000,
    max_body: Annotated[
        int, typer.Option(envvar="OMS_MAX_BODY", metavar="BYTES", help="Longest body of a request.")
    ] = 4_194_304,
    request_timeout: Annotated[
        int,
        typer.Option(
            envvar="OMS_REQUEST_TIMEOUT", metavar="SECONDS", help="Until a request is sent, or an answer taken."
        ),
    ] = 30,
    stop_timeout: Annotated[
        int, typer.Option(envvar="OMS_STOP_TIMEOUT", metavar="SECONDS", help="Wait so long for answers when stopping.")
    ] = 30,
) -> None:
    """Serve the tools to MCP clients, over stdio or HTTP; without --db in a private sandbox."""
    gc.disable()  # what is loaded now stays, and looking through it again and again costs a tenth of the start
    try:
        from oms_mcp.inputs import LaterLibrary, database_file, named_database, read_settings, required_database
        from oms_mcp.server import over_stdio
        from oms_mcp.server import serve as serve_server

        settings = read_settings(pairs or ())
        must_exist = read_only and database_file(db) is not None
        name = required_database(db, "serve") if must_exist else named_database(db)
        if not http:
            _require_none_for_http(ctx)
            run: Callable[[OmsServer], None] = over_stdio
        else:
            from oms_mcp.printing import terminal
            from oms_mcp.web.addresses import read_place
            from oms_mcp.web.limits import Limits
            from oms_mcp.web.serving import Front, HttpOptions

            limits = Limits(
                rate=rate,
                in_flight=max_in_flight,
                streams=max_streams,
                sessions=max_sessions,
                body_bytes=max_body,
                request_seconds=request_timeout,
                stop_seconds=stop_timeout,
            )
            options = HttpOptions(
                place=read_place(http),
                tokens=Path(tokens) if tokens else None,
                issuer=oauth_issuer,
                audience=oauth_audience,
                hosts=tuple(allow_host or ()),
                origins=tuple(allow_origin or ()),
                limits=limits,
            )
            run = Front(options, terminal.note).run
        with LaterLibrary(corpus, only=only_corpus) as library:
            serve_server(
                db=name,
                toolsets=toolsets,
                tools=tools,
                exclude_tools=exclude_tools,
                read_only=read_only,
                settings=settings,
                library=library,
                max_result_tokens=max_result_tokens,
                run=run,
            )
    finally:
        gc.enable()


_FOR_HTTP = (
    *("tokens", "oauth_issuer", "oauth_audience", "allow_host", "allow_origin", "rate", "max_in_flight"),
    *("max_streams", "max_sessions", "max_body", "request_timeout", "stop_timeout"),
)
"""Options that say something about HTTP alone."""


def _require_none_for_http(ctx: typer.Context) -> None:
    """Raises Misuse for an option that nothing would come of, because the server speaks over stdio.

    A variable may be there for another server, or for `oms token`, so it is told that nothing comes of it.
    """
    from oms_mcp.inputs import Misuse

    ignored = []
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name not in _FOR_HTTP or source is None:
            continue
        if source.name == "COMMANDLINE":
            option = f"--{parameter.name}".replace("_", "-")
            raise Misuse(f"{option} is for HTTP, and --http is not given; add --http HOST:PORT or leave it out")
        if source.name == "ENVIRONMENT":
            ignored.append(str(parameter.envvar))
    if ignored:
        from oms_mcp.printing import terminal

        terminal.note(f"without --http nothing comes of {', '.join(ignored)}")


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


@app.command(
    epilog=examples(
        "oms doctor",
        "oms doctor --db orders.db --json",
        "oms doctor --snippet claude-desktop --db orders.db",
        "oms doctor --snippet all",
    )
)
def doctor(
    snippet: Annotated[
        str,
        typer.Option(
            metavar="CLIENT", callback=not_blank, help=f"Only print what {', '.join(CLIENTS)} or all are to be told."
        ),
    ] = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Look whether everything is in place; exits with 1 when there is a problem.

    --snippet prints the entry that makes a client start this very server, with --db and --set as they are given here.
    """
    from oms_mcp.doctor import examine, launch, snippets
    from oms_mcp.inputs import client_names
    from oms_mcp.printing import terminal, upkeep

    if snippet:
        told = snippets(client_names(snippet), launch(db, pairs or ()))
        if as_json:
            terminal.print_json({"snippets": told})
        else:
            upkeep.snippets(told)
        return
    wire = examine(db, pairs or ())
    if as_json:
        terminal.print_json(wire)
    else:
        upkeep.doctor(wire)
    if not wire["ok"]:
        raise typer.Exit(REFUSED)
