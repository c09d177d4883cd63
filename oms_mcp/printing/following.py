"""How do events and messages look, line by line, while they come?"""

import sys

from rich.padding import Padding
from rich.text import Text

from oms_mcp.printing.orders import facts_of, subject_of
from oms_mcp.printing.terminal import PIPED_WIDTH, Wire, clean, out, print_line

_TYPES = {"SNAPSHOT": "cyan", "UPDATE": "green", "LEAVE": "yellow"}
_WIDTH = 8
_INDENT = _WIDTH + 2


def events(wire: Wire) -> None:
    """Events of all streams, and where to go on when there are more."""
    for told in wire["events"]:
        event(told, as_json=False)
    if not wire["events"]:
        out().print(Text("nothing happened"))
    if "next" in wire:
        out().print(Text(f"more follows: --after {wire['next']}", style="dim"))


def event(wire: Wire, *, as_json: bool) -> None:
    """One event: where it stands, what it says, and what it came from."""
    if as_json:
        print_line(wire)
        return
    stream = clean(wire["streamId"].removeprefix("order-"))
    head = Text.assemble(
        (f"{wire['position']:>{_WIDTH}}  ", "dim"), (wire["type"], "bold"), f"  {stream} v{wire['version']}"
    )
    head.append(f"  {wire['recordedAt']}  {clean(wire['actor'])}", style="dim")
    origin = f"command {clean(wire['commandId'])}"
    for name, word in (("causationId", "caused by"), ("correlationId", "correlation")):
        if wire[name] != wire["commandId"]:
            origin += f", {word} {clean(wire[name])}"
    _print(head, *([Text(said)] if (said := facts_of(wire["payload"])) else []), Text(origin, style="dim"))


def message(wire: Wire, *, as_json: bool) -> None:
    """One message of a subscription; a heartbeat is nothing to look at."""
    if as_json:
        print_line(wire)
        return
    match wire["type"]:
        case "HEARTBEAT":
            return
        case "SNAPSHOT_END":
            _print(Text(f"that was the present at position {wire['position']}; now what changes", style="dim"))
        case kind:
            named = f"{wire['key']}/{wire['execId']}" if "execId" in wire else wire["key"]
            head = Text.assemble((f"{kind:<{_WIDTH}}", _TYPES[kind]), f"  {clean(named)} v{wire['version']}  ")
            if "state" in wire:
                head.append_text(subject_of(wire["topic"], wire["state"]))
            happened = ", ".join(event["type"] for event in wire.get("events", ()))
            _print(head, *([Text(happened, style="dim")] if happened else []))


def _print(head: Text, *more: Text) -> None:
    console = out()
    if console.width >= PIPED_WIDTH:  # one line stays one for whoever reads it
        for line in (head, *(Text(" " * _INDENT).append_text(line) for line in more)):
            console.print(line, soft_wrap=True)
    else:
        console.print(*head.wrap(console, console.width - _INDENT), sep=f"\n{' ' * _INDENT}")
        for line in more:
            console.print(Padding(line, (0, 0, 0, _INDENT)))
    sys.stdout.flush()
