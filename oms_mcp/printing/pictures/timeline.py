"""How does the life of an order look in a terminal? One event after the other on a rail of states."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from oms_engine.domain.quantities import ZERO
from oms_mcp.pictures.labels import amount, day_of, label, time_of
from oms_mcp.pictures.timeline import Moment, Timeline
from oms_mcp.printing.orders import REQUESTS
from oms_mcp.printing.pictures.marks import Marks, line, packed
from oms_mcp.printing.terminal import GAP, counted

_WIDE = 130
"""From so many columns on, what an event says and who acted stand beside it; else below it."""

_LEAST_SAID = 40
"""Columns for what an event says, so that no id and no number breaks there."""

_BAR = 10
_QUANTITIES = ("filled", "open")
"""Columns that stand below an event where they find no room beside it."""

_NAME = 14
"""Characters of an id where the orders of a tree are told of side by side."""


def timeline(picture: Timeline, room: int, marks: Marks) -> RenderableType:
    """A line for each event, the days as headings, and what was left out."""
    wide = _wide(picture, marks)
    drawn = wide if room >= max(_WIDE, _least(wide)) else _narrow(picture, room, marks)
    return Group(*_heading(picture), drawn, *_ending(picture))


def _least(wide: Table) -> int:
    """The columns that a table takes at least, if what events say is folded."""
    said = min(_LEAST_SAID, _longest(wide, "what"))
    return said + sum(_longest(wide, str(each.header)) + GAP for each in wide.columns if each.header != "what")


def _longest(made: Table, head: str) -> int:
    column = next(each for each in made.columns if each.header == head)
    return max(cell_len(head), *(cell.cell_len for cell in column.cells if isinstance(cell, Text)))


def _heading(picture: Timeline) -> Iterator[Text]:
    about = f"and {len(picture.orders) - 1} more of its tree" if len(picture.orders) > 1 else picture.terms
    told = counted(len(picture.moments) + picture.left_out, "event")
    yield line(Text(picture.order_id, style="bold"), f"  {about}, {told}")
    if picture.left_out:
        yield Text(
            f"the last {len(picture.moments):,} are shown, {picture.left_out:,} before them are not", style="dim"
        )


def _ending(picture: Timeline) -> Iterator[Text]:
    if picture.orders_left_out:
        yield Text(f"{counted(picture.orders_left_out, 'order')} of the tree not shown", style="dim")


def _wide(picture: Timeline, marks: Marks) -> Table:
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    many = len(picture.orders) > 1
    for head in ("time", *(["order"] if many else []), "state", "event", *_QUANTITIES, "what", "who"):
        made.add_column(head, justify="right" if head == "open" else "left", overflow="fold", no_wrap=head != "what")
    for day, moments in _by_day(picture):
        made.add_row(Text(day, style="dim"))
        for moment in moments:
            state = Text(" ").join([_state(moment, marks, always=many), *_substates(moment)])
            cells = [*_cells(moment, marks, many=many), line(moment.said), line(moment.actor, style="dim")]
            made.add_row(*cells[: 1 + many], state, *cells[2 + many :])
    return made


def _narrow(picture: Timeline, room: int, marks: Marks) -> Group:
    """Lines for each event: what stands in columns, and below it what it says, who acted, and what found no room."""
    many = len(picture.orders) > 1
    heads = [
        Text(head, style="bold") for head in ("time", *(["order"] if many else []), "state", "event", *_QUANTITIES)
    ]
    cells, widths = _fitting(picture, heads, room, marks)
    below = heads[len(widths) :]
    indent = sum(widths[: 2 + many]) + GAP * (2 + many)
    told: list[RenderableType] = [_in_columns(heads, widths)]
    rows = iter(cells)
    for day, moments in _by_day(picture):
        told.append(Text(day, style="dim"))
        for moment in moments:
            row = next(rows)
            told.append(_in_columns(row, widths))
            rest = [Text.assemble(f"{head} ", cell) for head, cell in zip(below, row[len(widths) :], strict=True)]
            left = min(indent, room // 2)
            lines = (*packed(rest, room - left, ", "), _below(moment))
            told += [Padding(each, (0, 0, 0, left)) for each in lines]
    return Group(*told)


def _fitting(
    picture: Timeline, heads: Sequence[Text], room: int, marks: Marks
) -> tuple[Sequence[Sequence[Text]], Sequence[int]]:
    """The cells of each event, and the widths of the columns that fit: bars give way first, then quantities."""
    many = len(picture.orders) > 1
    cells = [_cells(moment, marks, many=many) for moment in picture.moments]
    widths = _widths(heads, cells)
    if _taken(widths) > room:
        cells = [_cells(moment, marks, many=many, bar=False) for moment in picture.moments]
        widths = _widths(heads, cells)
    while len(widths) > len(heads) - len(_QUANTITIES) and _taken(widths) > room:
        widths = widths[:-1]
    return cells, widths


def _widths(heads: Sequence[Text], cells: Sequence[Sequence[Text]]) -> list[int]:
    return [max(cell.cell_len for cell in column) for column in zip(heads, *cells, strict=True)]


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _in_columns(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    """The cells that have a column; the last of all, a number, ends at the right of its own."""
    told = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=False)):
        space = " " * (width - cell.cell_len)
        told.append(Text.assemble(space, cell) if number == len(cells) - 1 else Text.assemble(cell, space))
    return Text(" " * GAP).join(told)


def _below(moment: Moment) -> Text:
    parts = [line(moment.said), *_substates(moment), line(f"by {moment.actor}", style="dim")]
    return Text(", ").join(part for part in parts if part.plain)


def _by_day(picture: Timeline) -> Iterator[tuple[str, list[Moment]]]:
    days: dict[str, list[Moment]] = {}
    for moment in picture.moments:
        days.setdefault(day_of(moment.time), []).append(moment)
    yield from days.items()


def _cells(moment: Moment, marks: Marks, *, many: bool, bar: bool = True) -> list[Text]:
    return [
        Text(time_of(moment.time)),
        *([line(label(moment.order_id, _NAME))] if many else []),
        _state(moment, marks, always=many),
        Text(moment.event, style="bold" if moment.changed else ""),
        _filled(moment, marks, bar=bar and not many),
        Text(amount(moment.leaves_qty)),
    ]


def _state(moment: Moment, marks: Marks, *, always: bool) -> Text:
    """The state where it begins, and the rail as long as it lasts."""
    return marks.state(moment.state) if moment.changed or always else Text(marks.rail, style="dim")


def _substates(moment: Moment) -> list[Text]:
    """What became of a request, and where the allocation stands."""
    return [Text(REQUESTS.get(name, name), style="yellow") for name in moment.substates]


def _filled(moment: Moment, marks: Marks, *, bar: bool) -> Text:
    """What is executed of what is ordered, in numbers and as a bar."""
    ordered = moment.order_qty or ZERO
    cells = int(moment.cum_qty * _BAR / ordered) if ordered else 0
    cells = min(max(cells, 1 if moment.cum_qty else 0), _BAR)
    drawn = ((marks.full * cells, "green"), (f"{marks.rest * (_BAR - cells)} ", "dim")) if bar else ()
    return Text.assemble(*drawn, amount(moment.cum_qty), (f"/{amount(moment.order_qty)}", "dim"))
