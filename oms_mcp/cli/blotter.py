"""Which command shows orders live on a whole screen?"""

# ruff: noqa: PLC0415 - a command loads only what it needs; commands have as many options as they have choices

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from oms_mcp.cli.following import Conditions
from oms_mcp.cli.root import Held, Kept, app, examples, opened

if TYPE_CHECKING:
    from oms_engine import Engine
    from oms_mcp.blotter.rows import Sort

_DUMB = ("", "dumb", "unknown")
"""What a terminal calls itself that can only print line after line."""


@app.command(
    epilog=examples(
        "oms top --db orders.db",
        "oms top symbol=ACME state__in=NEW,UNACK,LIVE --db orders.db",
        "oms top account=ACC-1 --sort leavesQty,DESC --rows 200 --db orders.db",
    )
)
def top(
    conditions: Conditions = None,
    sort: Annotated[str, typer.Option(help="field,DESC or field,ASC; newest first when not given.")] = "",
    rows: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="So many rows at most.")] = 500,
    db: Kept = "",
    pairs: Held = None,
) -> None:
    """Watch orders live on the whole screen, whoever changes them: filter, sort, look closely; ? shows the keys.

    Nothing is written. Where more orders match than there are rows, those that come first are shown.
    """
    from oms_mcp.inputs import database_file

    with opened(db, pairs, needed_by="top") as engine:
        where = tuple(conditions or ())
        chosen = _sorted_by(engine, where, sort)
        _require_terminal()
        from oms_mcp.blotter.app import Blotter  # only now: textual takes its time, and errors need none of it
        from oms_mcp.blotter.news import Question

        Blotter(engine, str(database_file(db)), Question(where, chosen), rows).run()


def _sorted_by(engine: "Engine", where: tuple[str, ...], sort: str) -> "Sort":
    """The order of the rows; conditions and sort are refused here as oms query does it."""
    from oms_mcp.blotter.rows import Sort
    from oms_mcp.inputs import Misuse

    engine.query(where=where, sort=sort, size=1, cursor="*")
    if ";" in sort:
        raise Misuse("--sort takes one field here, such as leavesQty,DESC; leave the others out")
    field, _, way = (part.strip() for part in sort.partition(","))
    return Sort(field, descending=way.upper() == "DESC") if field else Sort()


def _require_terminal() -> None:
    """It draws on the whole screen, in Unicode."""
    from oms_mcp.inputs import Misuse

    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "") in _DUMB:
        told = "oms top draws on a whole terminal, and this is none"
        raise Misuse(
            f"{told}; oms subscribe tells the same line by line", "use oms subscribe, or start it at a terminal"
        )
    if not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf"):
        raise Misuse("oms top needs a terminal with UTF-8; set LANG=C.UTF-8, or use oms subscribe", "set LANG=C.UTF-8")
