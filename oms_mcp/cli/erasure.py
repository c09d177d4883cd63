"""Which command destroys personal data? `oms erase`."""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

from typing import Annotated

import typer

from oms_mcp.cli.root import SESSION, DryRun, Json, Kept, app, examples, opened


@app.command(
    epilog=examples(
        "oms erase ACC-1 --dry-run --db orders.db",
        'oms erase ACC-1 --confirm --reason "request 2026-17" --actor privacy-office --db orders.db',
    )
)
def erase(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account whose data is to be destroyed.")],
    confirm: Annotated[bool, typer.Option("--confirm", help="Do it; it cannot be undone.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, without saying who; it is kept.")] = "",
    actor: Annotated[str, typer.Option(metavar="NAME", help="Who erases; it is kept.")] = SESSION,
    no_compact: Annotated[
        bool, typer.Option("--no-compact", help="Leave it to oms compact to overwrite unused pages.")
    ] = False,
    dry_run: DryRun = False,
    db: Kept = "",
    as_json: Json = False,
) -> None:
    """Destroy account and texts of all orders and quote requests of an account, for good.

    The database must be sealed (setting store.personalData), and the orders must have ended. Backups, exports and
    messages that went out before keep the values.
    """
    from oms_mcp.printing import terminal, upkeep

    if not (confirm or dry_run):
        raise _unconfirmed()
    with opened(db, None, needed_by="erase") as engine, terminal.waiting("erasing"):
        done = engine.erase(account, actor=actor, reason=reason or None, dry_run=dry_run, compacts=not no_compact)
    wire = {**done.erased.to_wire(), "warnings": list(done.warnings)}
    if done.compacted:
        wire["compacted"] = done.compacted.to_wire()
    if as_json:
        terminal.print_json(wire)
    else:
        upkeep.erasure(wire)


def _unconfirmed() -> Exception:
    from oms_engine import Refused
    from oms_engine.domain.catalogue import violation
    from oms_engine.errors import problem_of

    message = "what is erased cannot be brought back; look at it with --dry-run, then repeat the command with --confirm"
    told = problem_of([violation("CNF-01", "OMS-VAL-006", "confirm", message)])
    return Refused(told.model_copy(update={"hint": "make sure of the account, then add --confirm"}))
