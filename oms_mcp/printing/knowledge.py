"""How does what the knowledge base found look?"""

import sys

from rich.padding import Padding
from rich.text import Text

from oms_mcp.printing.terminal import GAP, PANEL_WIDTH, Wire, clean, note, out, table


def hits(wire: Wire) -> None:
    """What a search of the knowledge base found."""
    console = out()
    if wire.get("note"):
        note(wire["note"])
    if not wire["hits"]:
        console.print(Text("nothing found; use other words"))
    for number, hit in enumerate(wire["hits"], 1):
        console.print(Text.assemble((f"{number}. ", "bold"), (hit["breadcrumb"], "bold")))
        console.print(Text(f"   oms kb read {hit['citation']}", style="cyan"), soft_wrap=True)
        console.print(_indented(hit["excerpt"]), width=min(PANEL_WIDTH, console.width))


def _indented(text: str) -> Padding:
    joined = Text(" ".join(clean(line) for line in text.splitlines()), style="dim", overflow="fold")
    return Padding(joined, (0, 0, 0, 3))


def reading(wire: Wire) -> None:
    """A document or a section: rendered at a terminal, as it is when piped on."""
    console = out()
    if console.is_terminal:
        from rich.markdown import Markdown  # noqa: PLC0415 - loaded only where it is shown

        console.print(Markdown(wire["text"]))
    else:
        sys.stdout.write(wire["text"] + "\n")
    if "nextOffset" in wire:
        note(f"the text goes on: --offset {wire['nextOffset']}")


def overview(wire: Wire) -> None:
    """All documents of the knowledge base."""
    console = out()
    rows = [[each["path"], each["title"], each["status"], each["sections"]] for each in wire["documents"]]
    made = table(rows, "path", "title", "status", "sections", right=("sections",))
    console.width = max(console.width, sum((column.width or 0) + GAP for column in made.columns))
    console.print(made, crop=False)
