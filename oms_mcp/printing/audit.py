"""How does a list of what was done look?"""

from collections.abc import Sequence

from rich.text import Text

from oms_mcp.printing.terminal import Wire, counted, out, say, table


def entries(wires: Sequence[Wire], next_cursor: str | None) -> None:
    """Commands with their senders, newest first, and how to go on where there are more."""
    if not wires:
        say("nothing was done")
        return
    rows = [
        [
            f"{each['recordedAt'].partition('.')[0]}Z",
            each["actor"],
            each.get("client"),
            each["command"],
            each["streamId"].removeprefix("order-"),
            _wrote(each),
        ]
        for each in wires
    ]
    clients = any("client" in each for each in wires)
    names = ("at", "actor", "client", "command", "about", "wrote")
    kept = [n for n, name in enumerate(names) if clients or name != "client"]
    out().print(table([[row[n] for n in kept] for row in rows], *(names[n] for n in kept)))
    if next_cursor:
        out().print(Text(f"more follows: --cursor {next_cursor}", style="dim"))


def _wrote(wire: Wire) -> str:
    """The events of the main stream, and how many others followed."""
    own = [event["type"] for event in wire["events"] if event["streamId"] == wire["streamId"]]
    others = len(wire["events"]) - len(own)
    return ", ".join(own) + (f" and {counted(others, 'event')} elsewhere" if others else "")
