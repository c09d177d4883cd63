"""Which commands read and change settings, and post prices? `oms settings ...`."""

# ruff: noqa: PLC0415, PLR0917 - a command loads only what it needs; commands have as many options as they have choices

from typing import Annotated, Any

import typer

from oms_mcp.cli.root import REFUSED, Db, DryRun, Held, Json, Kept, app, examples, opened, would_store

settings = typer.Typer(help="Read and change what holds for all orders: limits, kill switch.", no_args_is_help=True)
app.add_typer(settings, name="settings")

PRICE_SETTING = "risk.referencePrice"
"""The setting that posted prices come before."""

Actor = Annotated[str, typer.Option(metavar="NAME", help="Who acts; cli when not given.")]


@settings.command("list", epilog=examples("oms settings list", "oms settings list --json --db orders.db"))
def list_all(db: Kept = "", pairs: Held = None, as_json: Json = False) -> None:
    """List every setting with its value; without --db as a new database has it."""
    from oms_mcp.printing import terminal, upkeep
    from oms_mcp.shapes import prices_wire, settings_wire

    with opened(db, pairs, needed_by="settings list" if db else "") as engine:
        told = settings_wire(engine.settings, response_format="detailed")
        prices = prices_wire(engine)
        wire = {"settings": told, "referencePrices": prices, "mode": engine.mode}
    if as_json:
        terminal.print_json(wire)
    else:
        upkeep.settings(told)
        upkeep.prices(prices)


@settings.command(epilog=examples("oms settings get risk.killSwitch --db orders.db", "oms settings get currencies"))
def get(
    names: Annotated[list[str], typer.Argument(metavar="KEY", help="Names of settings.")],
    db: Kept = "",
    pairs: Held = None,
    as_json: Json = False,
) -> None:
    """Tell the value of settings, in full, with default and meaning; risk.referencePrice with the posted prices."""
    from oms_mcp.printing import terminal, upkeep
    from oms_mcp.shapes import named_settings, prices_wire, settings_wire

    known = named_settings(names)
    with opened(db, pairs, needed_by="settings get" if db else "") as engine:
        told = settings_wire(engine.settings, known, "detailed")
        prices = prices_wire(engine)
        wire = {"settings": told, "referencePrices": prices, "mode": engine.mode}
    if as_json:
        terminal.print_json(wire)
    else:
        for name, setting in told.items():
            upkeep.setting(name, setting)
        if PRICE_SETTING in told:
            upkeep.prices(prices)


@settings.command(
    "set",
    epilog=examples(
        "oms settings set risk.killSwitch=on --actor ann --db orders.db",
        "oms settings set risk.maxOrderQty=50000 dayEnd=17:30 --dry-run --db orders.db",
    ),
)
def change(
    changes: Annotated[list[str], typer.Argument(metavar="KEY=VALUE", help="New values; off takes a limit away.")],
    actor: Actor = "",
    dry_run: DryRun = False,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Change settings while everything runs; each change is kept as an event with its actor."""
    from oms_mcp.inputs import named_for, read_pairs

    envelope = {"type": "SettingsChangeCmd", "changes": read_pairs(changes)}
    _send(named_for(db, "settings set"), envelope, actor, dry_run=dry_run, as_json=as_json)


@settings.command(epilog=examples("oms settings price IBM 101.50 --db orders.db"))
def price(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Ticker of the security.")],
    value: Annotated[str, typer.Argument(metavar="PRICE", help="Its reference price.")],
    actor: Actor = "",
    dry_run: DryRun = False,
    db: Db = "",
    as_json: Json = False,
) -> None:
    """Post the reference price that risk limits compare with."""
    from oms_mcp.inputs import named_for

    envelope = {"type": "ReferencePriceCmd", "symbol": symbol, "price": value}
    _send(named_for(db, "settings price"), envelope, actor, dry_run=dry_run, as_json=as_json)


def _send(db: str, envelope: dict[str, Any], actor: str, *, dry_run: bool, as_json: bool) -> None:
    from oms_mcp.printing import answers, terminal
    from oms_mcp.shapes import command_wire, settings_before

    stores = not dry_run and would_store(db, None, [envelope])
    with opened(db, None, stores=stores) as engine:
        known = settings_before(engine, envelope)
        wire = command_wire(engine, engine.run({**envelope, "actor": actor or None}, dry_run=dry_run), known=known)
    if as_json:
        terminal.print_json(wire)
    else:
        answers.command(envelope["type"], wire, terminal.out())
    if wire["status"] != "OK":
        raise typer.Exit(REFUSED)
