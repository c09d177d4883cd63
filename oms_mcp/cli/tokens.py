"""Which commands make, list and revoke the tokens of a server that is reached over HTTP?"""

# ruff: noqa: PLC0415 - a command loads only what it needs

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oms_mcp.cli.root import Json, Tokens, app, examples

if TYPE_CHECKING:
    from oms_mcp.web.tokens import Token

tokens_app = typer.Typer(help="Make, list and revoke tokens.", no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(tokens_app, name="token")


@tokens_app.command(
    "new",
    epilog=examples(
        "oms token new alice --scopes orders:read,kb:read --tokens tokens.json",
        "oms token new desk-bot --client nightly --scopes orders:read,orders:write --expires-in 90d",
    ),
)
def new(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Who will hold it; stands in each event.")],
    *,
    scopes: Annotated[
        str,
        typer.Option(metavar="NAMES", help="orders:read, orders:write, orders:correct, kb:read, admin."),
    ],
    client: Annotated[str, typer.Option(metavar="NAME", help="The program that will use it.")] = "",
    expires_in: Annotated[str, typer.Option(metavar="TIME", help="Such as 12h or 90d; never when absent.")] = "",
    tokens: Tokens = "",
    as_json: Json = False,
) -> None:
    """Make a token, and print it: it is shown this once, and the file keeps its hash alone."""
    from oms_mcp.printing import terminal
    from oms_mcp.web.tokens import new_token, read_lifetime

    file = _file(tokens)
    lifetime = read_lifetime(expires_in) if expires_in else None
    token, kept = new_token(file, subject, scopes.split(","), client=client, lifetime=lifetime)
    if as_json:
        terminal.print_json({"token": token, **_wire(kept)})
    else:
        terminal.say(token)
        terminal.note(f"{_told(kept)}; it is shown this once")


@tokens_app.command("list", epilog=examples("oms token list --tokens tokens.json"))
def list_tokens(tokens: Tokens = "", as_json: Json = False) -> None:
    """List who may come in, with which scopes, and until when."""
    from oms_mcp.printing import terminal
    from oms_mcp.web.tokens import read_tokens

    known = read_tokens(_file(tokens))
    if as_json:
        terminal.print_json({"tokens": [_wire(token) for token in known]})
    else:
        for token in known:
            terminal.say(_told(token))


@tokens_app.command(
    "revoke", epilog=examples("oms token revoke alice --tokens tokens.json", "oms token revoke 3f9a1c07")
)
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A subject, or the name of one token.")],
    tokens: Tokens = "",
    as_json: Json = False,
) -> None:
    """Take a token back, or all of a subject; a running server refuses it from the next request on."""
    from oms_mcp.printing import terminal
    from oms_mcp.web.tokens import revoke as taken_back

    gone = taken_back(_file(tokens), name)
    if as_json:
        terminal.print_json({"revoked": [_wire(token) for token in gone]})
    else:
        for token in gone:
            terminal.say(f"revoked {_told(token)}")


def _file(name: str) -> Path:
    from oms_mcp.inputs import Misuse

    if not name.strip():
        raise Misuse("no token file is named; add --tokens FILE or set OMS_TOKENS", "add --tokens FILE")
    return Path(name)


def _wire(token: "Token") -> dict[str, Any]:
    wire = {name: value for name, value in token.to_wire().items() if value and name != "sha256"}
    return {"name": token.name, **wire}


def _told(token: "Token") -> str:
    client = f" with {token.client}" if token.client else ""
    until = f" until {token.expires:%Y-%m-%dT%H:%M:%SZ}" if token.expires else ""
    return f"{token.name}  {token.subject}{client}: {', '.join(token.scopes)}{until}"
