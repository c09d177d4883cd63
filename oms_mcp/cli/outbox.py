"""Which commands deliver messages to other systems, and look after those that cannot be delivered? `oms outbox ...`."""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.root import REFUSED, Held, Json, Kept, app, examples, opened

if TYPE_CHECKING:
    from oms_engine import Engine
    from oms_engine.relay import Relay, Round

outbox = typer.Typer(help="Deliver messages to other systems, and look after them.", no_args_is_help=True)
app.add_typer(outbox, name="outbox")

Name = Annotated[str, typer.Argument(metavar="SINK", help="Name of the sink.")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID", help="Messages, as oms outbox parked numbers them.")]
OfSink = Annotated[str, typer.Option("--sink", metavar="SINK", help="Only messages for this sink.")]
OfKey = Annotated[str, typer.Option("--key", metavar="KEY", help="Only messages of this order or quote request.")]
Every = Annotated[bool, typer.Option("--all", help="All that are parked.")]
Actor = Annotated[str, typer.Option(metavar="NAME", help="Who decides; cli when not given.")]


@outbox.command(epilog=examples("oms outbox status --db orders.db", "oms outbox status --db orders.db --json"))
def status(db: Kept = "", as_json: Json = False) -> None:
    """Show the sinks, and how many messages wait for each."""
    from oms_mcp.printing import outbox as printing
    from oms_mcp.printing import terminal

    with opened(db, None, needed_by="outbox status") as engine:
        wire = {"sinks": [found.to_wire() for found in engine.sinks.status()]}
    if as_json:
        terminal.print_json(wire)
    else:
        printing.status(wire["sinks"])


@outbox.command(
    epilog=examples(
        "oms outbox add audit --to audit.jsonl --from 0 --db orders.db",
        "oms outbox add fills --to - --topic execution-events=trades --db orders.db",
    )
)
def add(
    name: Name,
    to: Annotated[str, typer.Option("--to", metavar="PATH|-", help="A file of JSON Lines, or - for standard output.")],
    topics: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="TOPIC", help="What it is told; all when not given. TOPIC=NAME renames it."),
    ] = None,
    start: Annotated[
        int | None, typer.Option("--from", metavar="POSITION", help="Earlier events behind it too; 0 is everything.")
    ] = None,
    db: Kept = "",
    as_json: Json = False,
) -> None:
    """Keep messages for another system from now on, or from a position."""
    from oms_engine import Refused
    from oms_engine.domain.messages import TOPICS
    from oms_mcp.inputs import renamed
    from oms_mcp.printing import outbox as printing
    from oms_mcp.printing import terminal

    kind, target = ("stdout", None) if to == "-" else ("file", to)
    names = {topic: called or topic for topic, _, called in (each.partition("=") for each in topics or TOPICS)}
    with opened(db, None, needed_by="outbox add", stores=True) as engine:
        with terminal.progress("making messages of earlier events") as progress:
            try:
                sink = engine.sinks.register(
                    name,
                    kind,
                    target,
                    topics=names,
                    from_position=start,
                    progress=progress if start is not None else _quiet,
                )
            except Refused as refused:
                told = renamed(renamed(refused.problem, "from_position", "--from"), "target", "--to")
                raise Refused(told) from None
        wire = next(found for found in engine.sinks.status() if found.sink.name == sink.name).to_wire()
    if as_json:
        terminal.print_json(wire)
    else:
        terminal.say(f"registered sink {name}; {printing.waiting(wire)}")


def _quiet(_done: int, _total: int) -> None:
    """Nothing earlier is asked for."""


@outbox.command(
    epilog=examples(
        "oms outbox remove audit --db orders.db",
        """oms outbox remove audit --drop "audit was switched off" --actor ann --db orders.db""",
    )
)
def remove(
    name: Name,
    drop: Annotated[
        str, typer.Option("--drop", metavar="REASON", help="Drop messages that wait, for this reason.")
    ] = "",
    actor: Actor = "cli",
    db: Kept = "",
    as_json: Json = False,
) -> None:
    """Keep no more messages for a sink; refused while some wait, unless they are dropped."""
    from oms_engine import Refused
    from oms_mcp.inputs import renamed
    from oms_mcp.printing import terminal

    with opened(db, None, needed_by="outbox remove") as engine:
        try:
            dropped = engine.sinks.remove(name, drop_reason=drop, actor=actor)
        except Refused as refused:
            raise Refused(renamed(refused.problem, "a drop_reason", "--drop REASON")) from None
    if as_json:
        terminal.print_json({"removed": name, "dropped": dropped})
    else:
        terminal.say(f"removed sink {name}; {terminal.counted(dropped, 'message')} dropped")


@outbox.command(
    epilog=examples(
        "oms outbox run --db orders.db",
        "oms outbox run --once --sink audit --db orders.db",
        "oms outbox run --set outbox.pollMs=50 --db orders.db",
    )
)
def run(
    once: Annotated[bool, typer.Option("--once", help="End when nothing is due; 1 when a message failed.")] = False,
    sinks: Annotated[
        list[str] | None, typer.Option("--sink", metavar="SINK", help="Only to this sink; repeatable.")
    ] = None,
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Deliver messages until Ctrl-C; several may run at once."""
    from oms_engine.destinations import ReaderGone
    from oms_mcp.printing import outbox as printing
    from oms_mcp.printing import terminal

    with opened(db, pairs, needed_by="outbox run") as engine:
        _require_own_output(engine, sinks or (), as_json=as_json)
        with engine.relay(only=sinks or ()) as relay, _stopped_by_signals(relay):
            if not engine.sinks.status():
                terminal.note("no sink is registered; oms outbox add registers one, also while this runs")
            for name in relay.without_receiver():
                terminal.note(f"sink {name} is served by a program; its messages wait for that")
            try:
                done = relay.run_once() if once else _run(relay)
            except ReaderGone as gone:
                raise typer.Exit(REFUSED) from gone
            stuck, failing = dict(relay.stuck), _errors(relay)
    wire = {"delivered": done.delivered, "failed": done.failed, "parked": done.parked, "stuck": stuck}
    if as_json:
        terminal.print_json(wire)
    else:
        terminal.note(printing.delivered(wire))
        for name, why in stuck.items():
            terminal.note(f"sink {name} cannot go on: {why}")
        if once:
            for name, why in failing.items():
                terminal.note(printing.failing(name, why))
    if once and (done.failed or stuck):
        raise typer.Exit(REFUSED)


def _run(relay: "Relay") -> "Round":
    from oms_mcp.printing import terminal

    terminal.note("delivering; Ctrl-C ends it")
    return relay.run(_failures_of(relay))


def _failures_of(relay: "Relay") -> "Callable[[Round], None]":
    """Tells of every failure once: not again while its sink goes on to fail in the same way."""
    from oms_mcp.printing import outbox as printing
    from oms_mcp.printing import terminal

    known: dict[str, str] = {}

    def tell(done: "Round") -> None:
        failing = _errors(relay)
        for name, why in failing.items():
            if known.get(name) != why:
                terminal.note(printing.failing(name, why))
        if done.parked:
            terminal.note(f"{terminal.counted(done.parked, 'message')} parked; see oms outbox parked")
        known.clear()
        known.update(failing)

    return tell


def _errors(relay: "Relay") -> dict[str, str]:
    return {name: failure.error for name, failure in relay.failing.items()}


def _require_own_output(engine: "Engine", names: Sequence[str], *, as_json: bool) -> None:
    """Messages and a summary as JSON do not go the same way."""
    from oms_mcp.inputs import Misuse

    for sink in engine.sinks.all():
        if as_json and sink.kind == "stdout" and (not names or sink.name in names):
            other = "" if names else ", or name other sinks with --sink"
            raise Misuse(f"--json and sink {sink.name} both write to standard output; leave --json away{other}")


@contextmanager
def _stopped_by_signals(relay: "Relay") -> Iterator[None]:
    """Ctrl-C and a request to end let the relay finish the message it is at."""
    before = {number: signal.signal(number, lambda *_: relay.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@outbox.command(epilog=examples("oms outbox parked --db orders.db", "oms outbox parked --key O1 --db orders.db --json"))
def parked(sink: OfSink = "", key: OfKey = "", db: Kept = "", as_json: Json = False) -> None:
    """List messages that were tried too often; later ones of their keys wait."""
    from oms_mcp.printing import outbox as printing
    from oms_mcp.printing import terminal

    with opened(db, None, needed_by="outbox parked") as engine:
        wire = [found.to_wire() for found in engine.outbox.parked(sink=sink, key=key)]
    if as_json:
        terminal.print_json({"parked": wire})
    else:
        printing.parked(wire)


@outbox.command(
    epilog=examples("oms outbox retry 17 18 --db orders.db", "oms outbox retry --sink audit --db orders.db")
)
def retry(
    ids: Ids = None, sink: OfSink = "", key: OfKey = "", every: Every = False, db: Kept = "", as_json: Json = False
) -> None:
    """Let parked messages be tried again."""
    from oms_mcp.printing import terminal

    _require_choice("retry", ids, sink, key, every=every)
    with opened(db, None, needed_by="outbox retry") as engine:
        number = engine.outbox.retry(ids or (), sink=sink, key=key)
    if as_json:
        terminal.print_json({"retried": number})
    else:
        terminal.say(f"{terminal.counted(number, 'message')} will be tried again")


@outbox.command(
    epilog=examples(
        """oms outbox drop 17 --reason "sent by hand" --actor ann --db orders.db""",
        "oms outbox drop --key O1 --reason erased --db orders.db",
    )
)
def drop(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")],
    ids: Ids = None,
    sink: OfSink = "",
    key: OfKey = "",
    every: Every = False,
    actor: Actor = "cli",
    db: Kept = "",
    as_json: Json = False,
) -> None:
    """Give parked messages up, so that later ones of their keys go on."""
    from oms_mcp.printing import terminal

    _require_choice("drop", ids, sink, key, every=every)
    with opened(db, None, needed_by="outbox drop") as engine:
        number = engine.outbox.drop(ids or (), reason=reason, actor=actor, sink=sink, key=key)
    if as_json:
        terminal.print_json({"dropped": number})
    else:
        terminal.say(f"{terminal.counted(number, 'message')} dropped")


def _require_choice(command: str, ids: Sequence[int] | None, sink: str, key: str, *, every: bool) -> None:
    from oms_mcp.inputs import Misuse

    if not (ids or sink or key or every):
        raise Misuse(f"oms outbox {command} needs messages: give ids, --sink, --key or --all")


@outbox.command(epilog=examples("oms outbox dropped --db orders.db"))
def dropped(db: Kept = "", as_json: Json = False) -> None:
    """List messages that were given up, with the reasons, newest first."""
    from oms_mcp.printing import outbox as printing
    from oms_mcp.printing import terminal

    with opened(db, None, needed_by="outbox dropped") as engine:
        wire = [found.to_wire() for found in engine.outbox.dropped()]
    if as_json:
        terminal.print_json({"dropped": wire})
    else:
        printing.dropped(wire)
