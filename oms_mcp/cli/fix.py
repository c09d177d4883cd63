"""Which commands read and write FIX logs?"""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from oms_mcp.cli.root import REFUSED, Json, Kept, Set, app, examples, interruptible, not_blank, opened

if TYPE_CHECKING:
    from oms_engine.simulation.fix.account import Account
    from oms_engine.simulation.fix.frames import Sides
    from oms_engine.simulation.fix.writing import Written

_MAX_COMP_ID = 64
_REPEATABLE = {"store.synchronous": "NORMAL"}
"""What a replay writes can be replayed again, so it need not wait for the disk after each message."""


@app.command(
    "replay-fix",
    epilog=examples(
        "oms replay-fix broker.fix",
        "oms replay-fix broker.fix --strict --json",
        "oms replay-fix edited.log --garbled --account HOUSE",
        "oms replay-fix broker.fix --db from-log.db --set lifecycle.profile=desk",
        "gunzip --stdout broker.fix.gz | oms replay-fix -",
    ),
)
def replay_fix(
    log: Annotated[str, typer.Argument(metavar="FILE|-", help="A FIX 4.4 log; - reads standard input.")],
    db: Annotated[
        str, typer.Option("--db", metavar="PATH", callback=not_blank, help="Keep the orders in this new database.")
    ] = "",
    account: Annotated[
        str, typer.Option(metavar="NAME", callback=not_blank, help="Account of orders that name none.")
    ] = "",
    garbled: Annotated[
        bool, typer.Option("--garbled", help="Take messages with a wrong BodyLength or CheckSum all the same.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 also when the log itself is incomplete or out of order.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, max=1000, metavar="N", help="Differences that are shown.")] = 20,
    pairs: Set = None,
    as_json: Json = False,
) -> None:
    """Replay a recorded FIX log on an engine, compare what both say after each message, and explain differences.

    Exits with 0 when they agree, 1 when a value differs or nothing could be replayed, 2 when there is nothing to read.

    Nothing is kept without --db; OMS_DB alone does not do that.
    """
    from oms_mcp.inputs import Misuse
    from oms_mcp.printing import fix, terminal

    with _read(log) as (stream, size), terminal.progress("replaying") as progress:
        made = _replayed(stream, db, pairs, lambda done: progress(done, size), account=account, garbled=garbled)
    if made.pieces == made.verdicts["UNREADABLE"]:
        reason = made.unreadable[0].told if made.unreadable else "it is empty"
        raise Misuse(f"{log} has no FIX message that can be read: {reason}", "name a log of FIX 4.4 messages")
    if as_json:
        wire = made.to_wire()
        terminal.print_json({"log": log, "agrees": made.agrees, "spotless": made.spotless, **wire})
    else:
        fix.account(log, made.to_wire(), limit=limit)
    if not (made.spotless if strict else made.agrees):
        raise typer.Exit(REFUSED)


def _replayed(
    stream: BinaryIO,
    db: str,
    pairs: Sequence[str] | None,
    progress: Callable[[int], None],
    *,
    account: str,
    garbled: bool,
) -> "Account":
    """Replay in memory, or in a database that is new and takes its name when everything was replayed."""
    from oms_engine.storage.copies import placed
    from oms_mcp.inputs import Misuse, database_file
    from oms_mcp.printing import terminal

    file = database_file(db)
    if file is None:
        return _replayed_in(":memory:", stream, pairs, progress, account=account, garbled=garbled)
    if file.exists():
        raise Misuse(
            f"--db {file} is there already; the orders of a log need a database of their own", "name a new file"
        )
    with interruptible(), placed(file, force=False) as partial:
        made = _replayed_in(str(partial), stream, pairs, progress, account=account, garbled=garbled)
    terminal.note(f"created {terminal.clean(str(file))}")
    return made


def _replayed_in(
    store: str,
    stream: BinaryIO,
    pairs: Sequence[str] | None,
    progress: Callable[[int], None],
    *,
    account: str,
    garbled: bool,
) -> "Account":
    from oms_engine import Engine
    from oms_engine.simulation.fix.clock import LogClock
    from oms_engine.simulation.fix.replaying import Replay
    from oms_engine.simulation.ids import CountedIds
    from oms_mcp.inputs import read_settings

    clock = LogClock()
    with Engine.open(
        store,
        settings={**_REPEATABLE, **read_settings(pairs or ())},
        clock=clock,
        new_id=CountedIds(),
        session_id="replay-fix",
    ) as engine:
        return Replay(engine, clock, account=account, garbled=garbled).run(stream, progress)


@contextmanager
def _read(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The bytes of a log, and how many there are; of standard input that is not known."""
    from oms_engine.errors import shown
    from oms_mcp.inputs import Misuse

    if name == "-":
        yield sys.stdin.buffer, None
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - it is closed below, and what it raises there is not ours
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Misuse(f"{shown(name)} cannot be read: {reason}", "name a file that can be read") from None
    with stream:
        yield stream, Path(name).stat().st_size


@app.command(
    "write-fix",
    epilog=examples(
        "oms write-fix market.fix --db orders.db",
        "oms write-fix market.fix --sender HOUSE --target BROKER --force --db orders.db",
        "oms write-fix - --db orders.db | tr '\\001' '|'",
    ),
)
def write_fix(
    log: Annotated[str, typer.Argument(metavar="FILE|-", help="The log; - writes standard output.")],
    sender: Annotated[str, typer.Option(metavar="ID", help="SenderCompID of the house.")] = "OMS",
    target: Annotated[str, typer.Option(metavar="ID", help="CompID of the market.")] = "MARKET",
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")] = False,
    db: Kept = "",
    as_json: Json = False,
) -> None:
    """Write what a database and the market said to each other as a FIX 4.4 log.

    It has the orders that went to the market: one with children stays in the house, and so does a member of a group.

    One message per line, SOH between the fields.
    """
    from oms_mcp.inputs import Misuse
    from oms_mcp.printing import terminal

    if log == "-" and as_json:
        raise Misuse("--json tells about a file; with - standard output is the log itself, so leave one of them out")
    made = _written(log, _sides(sender, target), db, force=force)
    if as_json:
        terminal.print_json({"log": log, **made.to_wire()})
    elif log != "-":
        orders = (
            f"{terminal.counted(made.orders, 'order')} that went to the market, {made.in_house} stayed in the house"
        )
        terminal.say(f"wrote {terminal.counted(made.messages, 'message')} to {log}: {orders}")


def _sides(house: str, market: str) -> "Sides":
    from oms_engine.simulation.fix.frames import Sides
    from oms_mcp.inputs import Misuse

    for option, name in (("--sender", house), ("--target", market)):
        if not (0 < len(name) <= _MAX_COMP_ID and name.isascii() and name.isprintable() and name.strip() == name):
            raise Misuse(f"{option} is no CompID; give 1 to {_MAX_COMP_ID} printable ASCII characters, such as BROKER")
    if house == market:
        raise Misuse("--sender and --target are the same; give each side a name of its own")
    return Sides(house, market)


def _written(log: str, sides: "Sides", db: str, *, force: bool) -> "Written":
    from oms_engine.errors import shown
    from oms_engine.simulation.fix.writing import write_log
    from oms_engine.storage.connections import belongs_to
    from oms_engine.storage.copies import placed
    from oms_mcp.inputs import Misuse, required_database
    from oms_mcp.printing import terminal

    if log != "-" and belongs_to(required_database(db, "write-fix"), Path(log)):
        raise Misuse(f"{shown(log)} is the database itself; name another file for the log", "name another file")
    with opened(db, None, needed_by="write-fix") as engine, terminal.progress("writing") as progress:
        if log == "-":
            return write_log(engine, sys.stdout.buffer, sides, progress)
        with placed(Path(log), force=force) as partial, partial.open("wb") as stream:
            return write_log(engine, stream, sides, progress)
