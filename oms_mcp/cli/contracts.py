"""Which command prints the contracts? `oms spec ...`."""

# ruff: noqa: PLC0415 - a command loads only what it needs

from typing import Annotated

import typer

from oms_mcp.cli.root import Json, app, examples

FORMATS = "One of text, json-schema, avro, openapi, python, typescript or java"


@app.command(
    epilog=examples(
        "oms spec",
        "oms spec rules",
        "oms spec Order",
        "oms spec Order --format typescript > order.ts",
        "oms spec commands --format openapi > commands.json",
    )
)
def spec(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="A command, event or record; or commands, states, events, rules, records. All of them when not given.",
        ),
    ] = "index",
    form: Annotated[str, typer.Option("--format", help=f"{FORMATS}.")] = "",
    as_json: Json = False,
) -> None:
    """Print what the code itself says: the contract of a type in any format, or a page about all of them."""
    from oms_engine.contracts.spec import MEDIA_TYPES, address_called, asked, opened
    from oms_mcp.printing import knowledge, terminal

    address = address_called(name)
    text = opened(address, form)
    known = asked(address, form)[1]
    if as_json:
        terminal.print_json(
            {"address": address, "format": known, "mediaType": dict(MEDIA_TYPES)[known], "text": text}  # type: ignore[index] # it was opened
        )
    elif known == "text":
        knowledge.reading({"text": text.rstrip("\n")})
    else:
        knowledge.source({"text": text})
