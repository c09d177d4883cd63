"""Which commands look whether a database is sound, copy it, and make it smaller?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.root import REFUSED, Db, Json, Kept, app, examples, opened

if TYPE_CHECKING:
    from oms_engine.storage.archive import Archived
    from oms_engine.storage.verify import Verification

Force = Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")]


@app.command(epilog=examples("oms verify --db orders.db", "oms verify --json --db orders.db"))
def verify(db: Kept = "", as_json: Json = False) -> None:
    """Compare everything that is kept twice: pages, schema, events, hash chain, read model; exits with 1 on findings.

    Nothing is written, and programs that use the database go on meanwhile.
    """
    from oms_mcp.printing import terminal, upkeep

    wire = _verified(db).to_wire()
    if as_json:
        terminal.print_json(wire)
    else:
        upkeep.verification(wire)
    if not wire["sound"]:
        raise typer.Exit(REFUSED)


def _verified(db: str) -> "Verification":
    from oms_engine.errors import StoreUnavailable
    from oms_engine.storage.event_store import EventStore
    from oms_engine.storage.verify import Finding, Verification
    from oms_engine.storage.verify import verify as look
    from oms_mcp.inputs import required_database
    from oms_mcp.printing import terminal

    try:
        with (
            closing(EventStore.open(required_database(db, "verify"))) as store,
            terminal.progress("verifying") as progress,
        ):
            return look(store, progress)
    except StoreUnavailable as error:
        remedy = error.remedy or "let this program read and write the file and its folder, or name another file"
        unusable = Finding(what=str(error), where="the file", remedy=remedy)
        return Verification(sound=False, findings=(unusable,))


@app.command(epilog=examples("oms backup orders-monday.db --db orders.db", "oms backup last.db --force --db orders.db"))
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The copy, a database of its own.")],
    force: Force = False,
    db: Kept = "",
    as_json: Json = False,
) -> None:
    """Copy a database while it is used, as it is at this moment; the copy is checked before it takes its name."""
    from oms_mcp.printing import terminal

    with opened(db, None, needed_by="backup") as engine, terminal.progress("copying") as progress:
        made = engine.backup(target, force=force, progress=progress)
    if as_json:
        terminal.print_json({"target": str(target), **made.to_wire()})
    else:
        held = ", ".join(terminal.counted(made.counts[f"{name}s"], name) for name in ("order", "event"))
        terminal.say(f"copied {held} to {target}: {made.size:,} bytes, up to position {made.last_position}, checked")


@app.command(
    epilog=examples(
        "oms export orders.jsonl --db orders.db",
        "oms export everything.jsonl --with-keys --db orders.db",
        "oms export - --db orders.db | gzip > orders.jsonl.gz",
    )
)
def export(
    target: Annotated[str, typer.Argument(metavar="FILE|-", help="A file for JSON Lines; - writes standard output.")],
    force: Force = False,
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys", help="Write the keys of sealed personal data too; keep the file as secret as them."
        ),
    ] = False,
    db: Kept = "",
    as_json: Json = False,
) -> None:
    """Write all events and commands as JSON Lines, from which oms import makes the same database again.

    Without --with-keys the accounts and texts of a sealed database are null in what is imported.
    """
    from oms_mcp.inputs import Misuse
    from oms_mcp.printing import terminal

    if target == "-" and as_json:
        raise Misuse("--json tells about a file; with - standard output is the export itself, so leave one of them out")
    with opened(db, None, needed_by="export") as engine, terminal.progress("exporting") as progress:
        if target == "-":
            engine.export(sys.stdout.buffer, with_keys=with_keys, progress=progress)
            return
        made = engine.export(target, force=force, with_keys=with_keys, progress=progress)
    _tell("exported", made, target, as_json=as_json)


@app.command(
    "import",
    epilog=examples(
        "oms import orders.jsonl --db new.db",
        "oms import orders.jsonl --db sealed.db --set store.personalData=sealed",
        "gunzip --stdout orders.jsonl.gz | oms import - --db new.db",
    ),
)
def import_lines(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="What oms export wrote; - reads standard input.")],
    db: Db = "",
    pairs: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="What the new database is to be, such as sealed; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a new database from an export, whole or not at all: events, commands and hash chain are as they were.

    With --set store.personalData=sealed what the export has in plain is sealed on the way.
    """
    from oms_engine import Engine
    from oms_engine.settings import FIXED_AT_OPENING
    from oms_mcp.inputs import Misuse, named_for, read_pairs, read_settings
    from oms_mcp.printing import terminal

    name = named_for(db, "import")
    if source != "-" and not (Path(source).is_file() and os.access(source, os.R_OK)):
        raise Misuse(f"{source} is no file that can be read; name what oms export wrote, or - for standard input")
    settings = {key: value for key, value in read_settings(pairs or ()).items() if key in FIXED_AT_OPENING}
    for key in read_pairs(pairs or ()):
        if key not in settings:
            raise Misuse(f"setting {key} comes with the export; set another value in the new database afterwards")
    new = not Path(name).exists()
    try:
        with Engine.open(name, settings=settings) as engine, terminal.progress("importing") as progress:
            if source == "-":
                made = engine.import_archive(sys.stdin.buffer, progress)
            else:
                with Path(source).open("rb") as lines:
                    made = engine.import_archive(lines, progress)
    except BaseException:
        if new:
            Path(name).unlink(missing_ok=True)
        raise
    _tell("imported", made, name, as_json=as_json)


def _tell(what: str, made: "Archived", file: str, *, as_json: bool) -> None:
    from oms_mcp.printing import terminal

    if as_json:
        terminal.print_json({"file": file, **made.to_wire()})
        return
    held = f"{terminal.counted(made.events, 'event')} and {terminal.counted(made.commands, 'command')}"
    into = "into" if what == "imported" else "to"
    terminal.say(f"{what} {held} {into} {file}, SHA-256 {made.sha256}")


@app.command(epilog=examples("oms compact --db orders.db"))
def compact(db: Kept = "", as_json: Json = False) -> None:
    """Give unused pages of the database back to the disk; needs room for a second copy for a while."""
    from oms_mcp.printing import terminal

    with opened(db, None, needed_by="compact") as engine, terminal.waiting("compacting"):
        made = engine.compact()
    if as_json:
        terminal.print_json(made.to_wire())
        return
    terminal.say(f"{made.before:,} bytes before, {made.after:,} after")
    if made.log_kept:
        terminal.note("the log could not be emptied, because another program reads it; it is when that program is done")
