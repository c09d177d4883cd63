"""What can be done from a command line? `oms ...`: arguments and printing only.

Exit codes: 0 done, 1 refused (or an expectation differs, or a problem was found), 2 typed wrongly.
"""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from knowledge_base import Library
    from oms_engine import Engine
    from oms_engine.simulation.run import ScenarioRun
    from oms_engine.simulation.scenario import Scenario

SESSION = "cli"
REFUSED, MISUSED = 1, 2
TOOLSETS = "orders, executions, queries, states, knowledge (all five by default), raw, admin,"
_HITS = 5
_READ = 20_000


_USAGE_ERROR = typer.BadParameter.__bases__[0]  # typer names it nowhere else


class _Oms(TyperGroup):
    """The commands of `oms`; whatever one of them refuses becomes one panel, or one JSON document, and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as typer's
        ctx.obj = "--json" in takewhile(lambda word: word != "--", args)  # known before anything else is read
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as typer's
        try:
            return super().invoke(ctx)
        except Exception as error:
            code = _report(error, as_json=ctx.obj)
            if code is None:
                raise
            raise typer.Exit(code) from None


def _report(error: Exception, *, as_json: bool) -> int | None:
    """Tell what was refused or typed wrongly; None when the error is neither."""
    from oms_engine import Refused, ScenarioError, SettingsError
    from oms_engine.errors import StoreUnavailable, problem
    from oms_mcp import printing
    from oms_mcp.inputs import Misuse
    from oms_mcp.shapes import problem_from

    titles = {Misuse: "usage", SettingsError: "settings", ScenarioError: "scenario", StoreUnavailable: "database"}
    typed_wrongly = type(error) in titles or (as_json and isinstance(error, _USAGE_ERROR))
    told = problem_from(error) or (problem("OMS-VAL-004", _words(error)) if typed_wrongly else None)
    if told is None:
        return None
    if as_json:
        printing.print_json({"error": told.to_wire()})
    elif typed_wrongly:
        printing.complaint(titles[type(error)], str(error))
    elif isinstance(error, Refused):
        printing.problem(told.to_wire(), printing.err())
    else:
        printing.complaint("refused", str(error))
    return MISUSED if typed_wrongly else REFUSED


def _words(error: Exception) -> str:
    return str(getattr(error, "format_message", error.__str__)())


app = typer.Typer(
    name="oms",
    cls=_Oms,
    help="An order management system: commands in, events kept, questions answered, every refusal explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
kb = typer.Typer(help="Read and search the documents that explain it all.", no_args_is_help=True)
app.add_typer(kb, name="kb")


def _examples(*lines: str) -> str:
    return "\n\n".join(["Examples:", *(line.replace("[", r"\[") for line in lines)])


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"oms {version('oms-mcp')}")
        raise typer.Exit


Db = Annotated[
    str, typer.Option("--db", envvar="OMS_DB", metavar="PATH", help="Database file; created when there is none.")
]
Kept = Annotated[str, typer.Option("--db", envvar="OMS_DB", metavar="PATH", help="Database file; it must exist.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting; repeatable. OMS_SETTINGS=FILE gives many."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document for machines.")]


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@contextmanager
def _engine(db: str, pairs: Sequence[str] | None, *, needed_by: str = "") -> Iterator["Engine"]:
    from oms_engine import Engine
    from oms_mcp.inputs import named_database, read_settings, required_database

    settings = read_settings(pairs or ())
    db = required_database(db, needed_by) if needed_by else named_database(db)
    with Engine.open(db or ":memory:", settings=settings, session_id=SESSION) as engine:
        yield engine


@app.command(
    epilog=_examples("oms serve", "oms serve --db orders.db --toolsets orders,queries", "OMS_DB=orders.db oms serve")
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


@app.command(
    "exec",
    epilog=_examples(
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Answer what would happen; store nothing.")] = False,
    atomic: Annotated[bool, typer.Option("--atomic", help="The first refusal takes everything back.")] = False,
    db: Db = "",
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Carry out commands; exits with 1 when one was refused."""
    from oms_mcp import printing
    from oms_mcp.inputs import Misuse, read_envelopes
    from oms_mcp.shapes import batch_wire, command_wire

    sent = read_envelopes(source)
    with _engine(db, pairs) as engine:
        if sent.batch:
            try:
                done = engine.execute_many(sent.envelopes, atomic=atomic, dry_run=dry_run)
            except ValueError as error:
                raise Misuse(str(error)) from None
            wire = batch_wire(engine, done, sent.envelopes)
            failed = wire["failed"]
        else:
            wire = command_wire(engine, engine.run(sent.envelopes[0], dry_run=dry_run))
            failed = wire["status"] != "OK"
        if as_json:
            printing.print_json(wire)
        elif sent.batch:
            printing.batch(sent.envelopes, wire)
        else:
            printing.command(printing.kind_of(sent.envelopes[0]), wire, printing.out())
        if engine.mode == "sandbox" and not as_json:
            printing.note("no --db, so this ran in a private sandbox and nothing was kept")
    if failed:
        raise typer.Exit(REFUSED)


@app.command(
    "run",
    epilog=_examples(
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
    from oms_mcp import printing
    from oms_mcp.inputs import read_scenarios

    done = _run_all(read_scenarios(target), db, pairs)
    wires = [run.to_wire() for run in done]
    failed = sum(not run.passed for run in done)
    if as_json:
        printing.print_json({"runs": wires, "passed": len(done) - failed, "failed": failed})
    else:
        for wire in wires:
            printing.run(wire)
        printing.runs(len(done), failed)
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
        with _engine(db, pairs) as engine:
            return [run_scenario(scenario, engine) for scenario in scenarios]
    return [
        run_scenario(scenario.model_copy(update={"settings": {**given, **scenario.settings}})) for scenario in scenarios
    ]


@app.command(
    epilog=_examples(
        "oms query state=LIVE --db orders.db",
        "oms query symbol__like=ac orderQty__gte=100 --sort orderQty,DESC --db orders.db",
        "oms query --entity execution orderId=O1 --json --db orders.db",
    )
)
def query(
    conditions: Annotated[
        list[str] | None,
        typer.Argument(metavar="CONDITION", help="field=value or field__op=value; all must hold."),
    ] = None,
    entity: Annotated[str, typer.Option(help="order, execution or event.")] = "order",
    sort: Annotated[str, typer.Option(help="field,DESC;field2,ASC; newest first when not given.")] = "",
    page: Annotated[str, typer.Option(metavar="N", help="Page, counted from 0.")] = "0",
    size: Annotated[str, typer.Option(metavar="N", help="Rows on a page.")] = "",
    db: Kept = "",
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Find orders, executions or events."""
    from oms_mcp import printing
    from oms_mcp.shapes import page_wire

    with _engine(db, pairs, needed_by="query") as engine:
        found = engine.query(entity=entity, where=conditions or (), sort=sort, page=page, size=size)
    wire = page_wire(found, entity, response_format="detailed")
    if as_json:
        printing.print_json(wire)
    else:
        printing.page(entity, wire)


OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="An orderId.")]


@app.command(epilog=_examples("oms show O1 --db orders.db", "oms show O1 --json --db orders.db"))
def show(order_id: OrderId, db: Kept = "", pairs: Set = None, as_json: Json = False) -> None:
    """Show an order, its executions and what can follow."""
    from oms_mcp import printing
    from oms_mcp.shapes import order_wire

    with _engine(db, pairs, needed_by="show") as engine:
        wire = order_wire(engine, engine.find(order_id), ("executions", "next_states"), "detailed")
    if as_json:
        printing.print_json(wire)
    else:
        printing.order(wire)


@app.command(epilog=_examples("oms history O1 --db orders.db", "oms history O1 --after 120 --limit 20 --db orders.db"))
def history(
    order_id: OrderId,
    after: Annotated[int, typer.Option(min=0, help="Only events behind this position.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many events at most.")] = 500,
    db: Kept = "",
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Tell the events of an order in their order."""
    from oms_mcp import printing
    from oms_mcp.shapes import history_wire

    with _engine(db, pairs, needed_by="history") as engine:
        events = [event for event in engine.history(order_id) if event.position > after]
    wire = history_wire(events[:limit], more=len(events) > limit, response_format="detailed")
    if as_json:
        printing.print_json(wire)
    else:
        printing.history(wire)


@app.command(
    epilog=_examples(
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
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Ask the lifecycle whether a path is possible; exits with 1 when it is not."""
    from oms_engine import Refused
    from oms_mcp import printing
    from oms_mcp.inputs import in_options

    with _engine(db if order_id else "", pairs, needed_by="check --order" if order_id else "") as engine:
        try:
            checked = engine.check(order_id=order_id, from_state=from_state, path=path or (), profile=profile)
        except Refused as refused:
            raise Refused(in_options(refused.problem, order_id=order_id, from_state=from_state)) from None
    if as_json:
        printing.print_json(checked.to_wire())
    else:
        printing.check(checked.to_wire())
    if not checked.valid:
        raise typer.Exit(REFUSED)


@app.command(epilog=_examples("oms rebuild --db orders.db"))
def rebuild(db: Kept = "", pairs: Set = None, as_json: Json = False) -> None:
    """Write the read model anew from the events."""
    from oms_mcp import printing

    with _engine(db, pairs, needed_by="rebuild") as engine:
        with printing.progress("rebuilding") as progress:
            read = engine.rebuild(progress)
        made = engine.counts()
    if as_json:
        printing.print_json({"eventsRead": read, "counts": made})
    else:
        orders, executions = (printing.counted(made[f"{name}s"], name) for name in ("order", "execution"))
        printing.say(f"rebuilt {orders} and {executions} from {printing.counted(read, 'event')}")


@app.command(epilog=_examples("oms doctor", "oms doctor --db orders.db --json"))
def doctor(db: Kept = "", pairs: Set = None, as_json: Json = False) -> None:
    """Look whether everything is in place; exits with 1 when there is a problem."""
    from oms_mcp import printing
    from oms_mcp.doctor import examine

    wire = examine(db, pairs or ())
    if as_json:
        printing.print_json(wire)
    else:
        printing.doctor(wire)
    if not wire["ok"]:
        raise typer.Exit(REFUSED)


@contextmanager
def _library(*, semantic: bool) -> Iterator["Library"]:
    from knowledge_base import Library

    with Library.open(semantic=semantic) as library:
        yield library


@kb.command(
    epilog=_examples(
        'oms kb search "can a filled order be cancelled"', "oms kb search leavesQty --category concepts --limit 3"
    )
)
def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Words or a question.")],
    category: Annotated[str, typer.Option(help="Only documents of this category.")] = "",
    status: Annotated[str, typer.Option(help="Only documents of this status.")] = "",
    limit: Annotated[int, typer.Option(help="Hits, 1 to 50.")] = _HITS,
    mode: Annotated[str, typer.Option(help="auto, keyword or semantic.")] = "auto",
    as_json: Json = False,
) -> None:
    """Find the sections that answer a question best."""
    from oms_mcp import printing

    by_meaning = question.strip() != "" and mode in {"auto", "semantic"}
    with _library(semantic=by_meaning) as library:
        if by_meaning:
            _load(library)
        found = library.search(question, category=category, status=status, limit=limit, mode=mode)  # type: ignore[arg-type] # the library refuses unknown modes
    if as_json:
        printing.print_json(found.to_wire())
    else:
        printing.hits(found.to_wire())


def _load(library: "Library") -> None:
    """Load semantic search, and show how far it is where its index has to be built first."""
    from knowledge_base import KnowledgeBaseError
    from oms_mcp import printing

    with suppress(KnowledgeBaseError), printing.progress("building the semantic index, once for all") as progress:
        library.build_index(progress)  # where it cannot be built, the search itself says so
    with printing.waiting("loading semantic search"):
        library.warm_up(wait=True)


@kb.command(
    epilog=_examples(
        "oms kb read order-lifecycle",
        "oms kb read framework/validation-rules.md#38-ord-08-order-quantity-is-present-and-positive",
    )
)
def read(
    path: Annotated[
        str, typer.Argument(metavar="PATH[#ANCHOR]", help="A document or a section, as citations name it.")
    ],
    anchor: Annotated[str, typer.Option(help="A section of the document.")] = "",
    offset: Annotated[int, typer.Option(help="Characters to skip.")] = 0,
    limit: Annotated[int, typer.Option(help="Characters to print.")] = _READ,
    as_json: Json = False,
) -> None:
    """Read a document or one section of it."""
    from oms_mcp import printing

    with _library(semantic=False) as library:
        wire = library.read(path, anchor, offset=offset, limit=limit).to_wire()
    if as_json:
        printing.print_json(wire)
    else:
        printing.reading(wire)


@kb.command(epilog=_examples("oms kb overview", "oms kb overview --json"))
def overview(as_json: Json = False) -> None:
    """List all documents."""
    from oms_mcp import printing

    with _library(semantic=False) as library:
        wire = library.overview().to_wire()
    if as_json:
        printing.print_json(wire)
    else:
        printing.overview(wire)


@kb.command(epilog=_examples("oms kb index"))
def index(as_json: Json = False) -> None:
    """Build the semantic index now; quick when it is there already."""
    from oms_mcp import printing

    with _library(semantic=True) as library:
        with printing.progress("building the semantic index") as progress:
            library.build_index(progress)
        wire = library.status().to_wire()
    if as_json:
        printing.print_json(wire)
    else:
        printing.say(f"the index holds {wire['chunks']} sections of {wire['documents']} documents: {wire.get('cache')}")


def main() -> None:
    """The console script `oms`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode gets escapes, not a traceback
    try:
        try:
            app(prog_name="oms")
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise
        sys.exit(_unwritten(error))


def _unwritten(error: OSError) -> int:
    """Nothing more can be written to standard output; a reader that went away wants to hear nothing about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes there
    if isinstance(error, BrokenPipeError):
        return REFUSED
    with suppress(OSError):
        sys.stderr.write(f"oms: the answer cannot be written: {error.strerror}\n")
    return MISUSED
