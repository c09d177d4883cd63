"""How does what the knowledge base found look?"""

import re
import sys
from datetime import datetime
from shlex import quote

from rich.padding import Padding
from rich.text import Text

from oms_mcp.printing.terminal import (
    GAP,
    PANEL_WIDTH,
    Wire,
    clean,
    counted,
    note,
    out,
    print_json,
    print_line,
    say,
    table,
)


def hits(wire: Wire, options: str = "") -> None:
    """What a search of the knowledge base found; the options are those with which its hits are read."""
    console = out()
    if wire.get("note"):
        note(wire["note"])
    if not wire["hits"]:
        console.print(Text("nothing found; use other words"))
    for number, hit in enumerate(wire["hits"], 1):
        console.print(Text.assemble((f"{number}. ", "bold"), (hit["breadcrumb"], "bold")))
        console.print(Text(f"   oms kb read {_typed(hit['citation'])}{options}", style="cyan"), soft_wrap=True)
        console.print(_indented(hit["excerpt"]), width=min(PANEL_WIDTH, console.width))
        if "scores" in hit:
            console.print(_indented(_explained(hit), "\n"), width=min(PANEL_WIDTH, console.width))
    if any("scores" in hit for hit in wire["hits"]):
        doubt = "nothing seems to answer" if wire["lowConfidence"] else "something seems to answer"
        console.print(Text(f"confidence {wire['confidence']} of 1: {doubt}; mode {wire['mode']}", style="dim"))


def _typed(citation: str) -> str:
    """The citation as it is typed in a shell, in which # within a word needs no quotes."""
    words = citation.replace("#", "")
    return citation if quote(words) == words else quote(citation)


_SCORES = {
    "words": "each word of the question, by meaning",
    "meaning": "the whole question, by meaning",
    "title": "the title, by meaning",
    "semanticRank": "place by meaning",
    "keyword": "words shared (BM25)",
    "keywordRank": "place by words shared",
    "question": "each word, with the question it is asked as",
}
"""Parts of a score as people read them; each cosine is at most 1."""


def _explained(hit: Wire) -> str:
    scores = hit["scores"]
    told = [f"{name}: {scores[key]}" for key, name in _SCORES.items() if key in scores]
    asked = [f'asked as: "{scores["askedAs"]}"'] if "askedAs" in scores else []
    return "\n".join([f"score {hit['score']}", *told, *asked])


def _indented(text: str, between: str = " ") -> Padding:
    joined = Text(between.join(clean(line) for line in text.splitlines()), style="dim", overflow="fold")
    return Padding(joined, (0, 0, 0, 3))


_ASKED_AS = re.compile(r"^\*\*Asked as:\*\*.*\n\n?", re.MULTILINE)


def reading(wire: Wire) -> None:
    """A document or a section: as it is when piped on; at a terminal rendered, without the questions it is found by."""
    console = out()
    if console.is_terminal:
        from rich.markdown import Markdown  # noqa: PLC0415 - loaded only where it is shown

        console.print(Markdown(_ASKED_AS.sub("", wire["text"] + "\n")))
    else:
        sys.stdout.write(wire["text"] + "\n")
    if "nextOffset" in wire:
        note(f"the text goes on: --offset {wire['nextOffset']}")


def source(wire: Wire) -> None:
    """A text for machines, exactly as it is."""
    sys.stdout.write(wire["text"])
    if "nextOffset" in wire:
        note(f"the text goes on: --offset {wire['nextOffset']}")


def indexed(wire: Wire, seconds: float, *, as_json: bool, line: bool) -> None:
    """What an index holds now; on one line also as JSON, where there will be more of them."""
    if as_json:
        write = print_line if line else print_json
        facts = {name: value for name, value in wire.items() if name not in {"semantic", "note"}}  # it was not loaded
        write({**facts, "seconds": round(seconds, 3)})
        return
    told = f"{counted(wire['chunks'], 'section')} of {counted(wire['documents'], 'document')}"
    say(f"{datetime.now().astimezone():%H:%M:%S} the index holds {told}, after {seconds:.1f} s: {wire.get('cache')}")
    left_out(wire)
    sys.stdout.flush()


def left_out(wire: Wire) -> None:
    """Which files could not be taken, and why."""
    for path, reason in wire.get("leftOut", {}).items():
        note(f"{clean(path)} is left out: {reason}")


def overview(wire: Wire) -> None:
    """All documents of the knowledge base."""
    console = out()
    rows = [[each["path"], each["title"], each["status"], each["sections"]] for each in wire["documents"]]
    made = table(rows, "path", "title", "status", "sections", right=("sections",))
    console.width = max(console.width, sum((column.width or 0) + GAP for column in made.columns))
    console.print(made, crop=False)
    left_out(wire)
