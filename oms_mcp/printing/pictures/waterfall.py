"""How does the quantity of an order look in a terminal? Step by step from what was ordered to what is open."""

from collections.abc import Iterator
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from oms_engine.domain.quantities import ZERO
from oms_mcp.pictures.labels import amount
from oms_mcp.pictures.waterfall import Kind, Step, Waterfall
from oms_mcp.printing.pictures.marks import Marks, line
from oms_mcp.printing.terminal import GAP

_STYLES = {
    Kind.ORDERED: "cyan",
    Kind.REPLACED: "cyan",
    Kind.FILLED: "green",
    Kind.RECEIVED: "green",
    Kind.TAKEN_BACK: "yellow",
    Kind.CORRECTED: "yellow",
}
"""Kind of a step -> its colour; steps that end an order are dim."""

_HEADS = ("step", "change", "open", "what")
_RIGHT = ("change", "open")
_MOST_BAR = 60
_LEAST_BAR = 10


def waterfall(picture: Waterfall, room: int, marks: Marks) -> RenderableType:
    """A line for each step: what it was, by how much, and where that lies between nothing and the most."""
    rows = [*_rows(picture)]
    taken = sum(max(len(head), *(len(row[n]) for row, _, _ in rows)) + GAP for n, head in enumerate(_HEADS))
    length = max(_LEAST_BAR, min(_MOST_BAR, room - taken))
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for head in (*_HEADS, ""):
        made.add_column(head, justify="right" if head in _RIGHT else "left", overflow="fold", no_wrap=head != "what")
    for (kind, change, after, name), step, style in rows:
        made.add_row(Text(kind, style=style), change, after, line(name), _bar(step, picture.peak, length, marks, style))
    return Group(line(Text(picture.order_id, style="bold"), f"  {picture.terms}"), made, _sum(picture))


def _rows(picture: Waterfall) -> Iterator[tuple[tuple[str, str, str, str], Step | None, str]]:
    for step in picture.steps:
        change = amount(step.change) if step.change < 0 else f"+{amount(step.change)}"
        yield (str(step.kind), change, amount(step.open_after), step.name), step, _STYLES.get(step.kind, "dim")
    left = picture.leaves_qty
    last = Step(kind=Kind.OTHER, name="", change=left or ZERO, open_after=ZERO)
    yield ("open", "", amount(left), ""), last, "bold"


def _bar(step: Step | None, peak: Decimal, length: int, marks: Marks, style: str) -> Text:
    """The part of the open quantity that a step took away or added, where it lies."""
    if step is None or not peak:
        return Text("")
    after = step.open_after
    low, high = sorted((after, after - step.change)) if style != "bold" else (ZERO, step.change)
    begin, end = int(low * length / peak), int(high * length / peak)
    end = max(end, begin + 1) if high > low else begin
    sign = {"green": marks.full, "cyan": marks.full, "bold": marks.full, "yellow": marks.taken}.get(style, marks.ended)
    return Text(" " * begin + sign * (end - begin), style=style)


def _sum(picture: Waterfall) -> Text:
    told = [f"ordered {amount(picture.order_qty)}"]
    named = {
        "placed in children": picture.place_qty,
        "executed": picture.cum_qty,
        "taken back": picture.taken_back,
        "ended unexecuted": picture.ended,
    }
    told += [f"{name} {amount(value)}" for name, value in named.items() if value or name == "executed"]
    return Text(", ".join([*told, f"open {amount(picture.leaves_qty)}"]), style="dim")
