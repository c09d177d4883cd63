"""How do the figures of a search and the findings in documents look?"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from oms_mcp.printing.terminal import GAP, Wire, clean, counted, out, say, table, text_of

if TYPE_CHECKING:
    from knowledge_base import Question

MAX_FINDINGS = 200
"""Findings that are printed for people; more are a matter for machines."""

_LINE_WIDTH = 6


def evaluation(wire: Wire, questions: Sequence["Question"]) -> None:
    """How well each mode of search finds what was expected, the default one last and loud."""
    answerable = sum(question.answerable for question in questions)
    located = sum(bool(question.sections) for question in questions)
    say(
        f"{counted(len(questions), 'question')}: {answerable} with an answer, of which {located} name sections; "
        f"{len(questions) - answerable} without"
    )
    default = len(wire["configurations"]) - 1
    for what in ("documents", "sections"):
        figures = list(wire["configurations"][0][what])
        rows = [
            [_mode(each["name"], is_default=number == default), *(_figure(each[what][name]) for name in figures)]
            for number, each in enumerate(wire["configurations"])
        ]
        out().print()
        out().print(table(rows, what, *figures, right=figures))
    heads = ("abstention AUC", "p50 ms", "p99 ms")
    rows = [
        [_mode(each["name"], is_default=number == default), _figure(each["abstention_auc"]), *_times(each)]
        for number, each in enumerate(wire["configurations"])
    ]
    out().print()
    out().print(table(rows, "each search", *heads, right=heads))
    if "missed" in wire:
        _missed(wire["missed"])


def _missed(questions: Sequence[Wire]) -> None:
    """The questions whose answer comes late or not at all, with what answers them and what came first."""
    console = out()
    console.print(Text(f"\n{counted(len(questions), 'question')} without an answer among the first five hits"))
    for each in questions:
        console.print(Text(f"\n{clean(each['query'])}", style="bold"), soft_wrap=True)
        late = f"the first at {each['rank']}" if "rank" in each else "not found"
        made = Table.grid(padding=(0, GAP))
        for what, paths in ((f"expected, {late}:", each["expected"]), ("in its place:", each["found"][:1])):
            for path in paths:
                made.add_row(what, Text(clean(path), overflow="fold"))
        console.print(made)


def _mode(name: str, *, is_default: bool) -> Text:
    return text_of(f"{name} (default)" if is_default else name, "bold" if is_default else "")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _times(each: Wire) -> list[str]:
    return [f"{each['latency_ms'][name]:,.1f}" for name in ("p50", "p99")]


def findings(wire: Wire) -> None:
    """What a writer should look at, document by document, and how much there is."""
    console = out()
    shown = wire["findings"][:MAX_FINDINGS]
    for path, each in groupby(shown, key=lambda found: found["path"]):
        console.print(Text(clean(path), style="bold"), soft_wrap=True)
        console.print(_of_one_document(each))
    if len(shown) < len(wire["findings"]):
        console.print(Text(f"and {counted(len(wire['findings']) - len(shown), 'finding')} more; --json tells all"))
    told = f"{counted(wire['documents'], 'document')}: {counted(wire['errors'], 'error')}, "
    told += counted(wire["warnings"], "warning")
    console.print(Text(told, style="bold red" if wire["errors"] else "yellow" if wire["warnings"] else "green"))


def _of_one_document(findings: Iterable[Wire]) -> Table:
    made = Table.grid(padding=(0, GAP))
    made.add_column(justify="right", no_wrap=True, min_width=_LINE_WIDTH)
    made.add_column(overflow="fold")
    for found in findings:
        style = "bold red" if found["severity"] == "error" else "yellow"
        made.add_row(str(found["line"]), Text.assemble((found["rule"], style), f"  {clean(found['message'])}"))
        made.add_row("", Text(f"-> {clean(found['remedy'])}", style="dim"))
    return made
