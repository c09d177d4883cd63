"""Which command draws pictures of orders, for a terminal, a page or a document?"""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.root import AsOf, Held, Json, Kept, app, examples, naming, opened

if TYPE_CHECKING:
    from oms_engine import Engine
    from oms_mcp.pictures import Picture


class Subject(StrEnum):
    """What can be drawn."""

    TIMELINE = "timeline"
    TREE = "tree"
    STATES = "states"
    WATERFALL = "waterfall"


class Form(StrEnum):
    """As what it can be drawn."""

    TEXT = "text"
    SVG = "svg"
    MERMAID = "mermaid"


@app.command(
    epilog=examples(
        "oms draw timeline O1 --db orders.db",
        "oms draw timeline O1 --tree --as-of p120 --db orders.db",
        "oms draw tree O1 --as svg --out tree.svg --db orders.db",
        "oms draw states --profile desk --as mermaid --db orders.db",
        "oms draw waterfall O1 --json --db orders.db",
    )
)
def draw(
    subject: Annotated[Subject, typer.Argument(metavar="PICTURE", help="timeline, tree, states or waterfall.")],
    order_id: Annotated[
        str, typer.Argument(metavar="ORDER", help="An orderId; states without one is about all orders.")
    ] = "",
    form: Annotated[Form, typer.Option("--as", metavar="FORM", help="text, svg or mermaid.")] = Form.TEXT,
    target: Annotated[
        str, typer.Option("--out", metavar="FILE", help="Write it to this file; it must not be there yet.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")] = False,
    tree: Annotated[bool, typer.Option("--tree", help="A timeline with all orders of the tree.")] = False,
    profile: Annotated[str, typer.Option(help="Of states: standard, matrix or desk; else the engine's own.")] = "",
    as_of: AsOf = "",
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Draw what happened to an order, its tree, the lifecycle with counts, or what became of a quantity."""
    from oms_mcp.inputs import Misuse
    from oms_mcp.printing import pictures, terminal
    from oms_mcp.shapes import moment_wire, seen_at

    _require_fitting(subject, order_id, tree=tree, profile=profile)
    if as_json and (target or form is not Form.TEXT):
        raise Misuse("--json gives the data that a picture is made of; leave --as and --out out, or --json")
    with opened(db, pairs, needed_by="draw") as now, seen_at(now, as_of, order_id) as engine:
        with terminal.waiting("reading"):
            picture = _gathered(engine, subject, order_id, tree=tree, profile=profile)
        about = moment_wire(engine)
    if as_json:
        terminal.print_json({"picture": str(subject), **picture.to_wire(), **about})
    elif target:
        _write(Path(target), _written(picture, form), db, force=force)
        terminal.say(f"wrote {target}")
    elif form is Form.TEXT:
        pictures.show(picture, apart=False)
    else:
        sys.stdout.write(_written(picture, form))


def _require_fitting(subject: Subject, order_id: str, *, tree: bool, profile: str) -> None:
    from oms_mcp.inputs import Misuse

    if not order_id and subject is not Subject.STATES:
        raise Misuse(f"oms draw {subject} needs an ORDER: the orderId of the order to draw; only states goes without")
    if tree and subject is not Subject.TIMELINE:
        raise Misuse(f"--tree belongs to oms draw timeline, not to {subject}; leave it out")
    if profile and subject is not Subject.STATES:
        raise Misuse(f"--profile belongs to oms draw states, not to {subject}; leave it out")


def _gathered(engine: "Engine", subject: Subject, order_id: str, *, tree: bool, profile: str) -> "Picture":
    from oms_mcp.pictures import states_of, states_of_order, timeline_of, tree_of, waterfall_of

    gather: dict[Subject, Callable[[], Picture]] = {
        Subject.TIMELINE: lambda: timeline_of(engine, order_id, whole_tree=tree),
        Subject.TREE: lambda: tree_of(engine, order_id),
        Subject.STATES: lambda: states_of_order(engine, order_id, profile) if order_id else states_of(engine, profile),
        Subject.WATERFALL: lambda: waterfall_of(engine, order_id),
    }
    return gather[subject]()


def _written(picture: "Picture", form: Form) -> str:
    from oms_mcp.pictures.mermaid import mermaid
    from oms_mcp.pictures.svg import svg
    from oms_mcp.printing import pictures, terminal

    match form:
        case Form.TEXT:
            return pictures.as_text(picture, terminal.out().width)
        case Form.SVG:
            return svg(picture)
        case Form.MERMAID:
            return mermaid(picture)


def _write(file: Path, text: str, db: str, *, force: bool) -> None:
    """Write a file that appears when it is complete, and is never the database itself."""
    from oms_engine.errors import shown
    from oms_engine.storage.connections import belongs_to
    from oms_engine.storage.copies import placed
    from oms_mcp.inputs import Misuse, named_database

    if belongs_to(named_database(db), file):
        raise Misuse(f"--out {shown(str(file))} is the database that is drawn; name another file")
    with naming("--out"), placed(file, force=force) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
