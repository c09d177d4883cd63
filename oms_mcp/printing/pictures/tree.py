"""How does a tree of orders look in a terminal? Branches on the left, states and quantities beside them."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from oms_engine.domain.vocabulary import CancelState
from oms_mcp.pictures.labels import amount
from oms_mcp.pictures.signs import ROLE_LETTERS
from oms_mcp.pictures.tree import Branch, TreePicture
from oms_mcp.printing.orders import REQUESTS
from oms_mcp.printing.pictures.marks import Marks, packed
from oms_mcp.printing.terminal import GAP, clean, counted, table

_WIDE = 100
"""From so many columns on a role is a word; else a letter, and a line below says what it stands for."""

_DEEP = 5
"""A line below says what a depth means where the branches could take more than this part of the room."""

_STATE = 1
"""Where the state is among the columns behind the ids."""

_RAILS = 2
"""Branches go on below an id where they take at most this part of the room."""

_LEAST_LEAD = len("..32: ")
"""Branches have room for their depth at least."""

_HEADS = {
    "order_qty": "ordered",
    "place_qty": "placed",
    "cum_qty": "done",
    "leaves_qty": "open",
    "avg_px": "avgPx",
    "alloc_qty": "handed on",
    "pending_alloc_qty": "pending",
}
"""Quantity -> the head of its column, short enough for a tree of deep branches."""

_SELDOM = ("place_qty", "alloc_qty", "pending_alloc_qty")
"""Quantities that get a column only where one of them is not 0."""


def tree(picture: TreePicture, room: int, marks: Marks) -> RenderableType:
    """The tree as a table, then the group or the members that are linked to it, and what the letters mean."""
    wide = room >= _WIDE
    parts: list[RenderableType] = [_drawn([picture.root], picture, room, marks)]
    linked = {"group": [picture.group] if picture.group else [], "members": picture.members}
    for title, branches in linked.items():
        if branches:
            parts += ["", _drawn(branches, picture, room, marks, title=title)]
    if picture.members_left_out:
        parts.append(Text(f"and {picture.members_left_out:,} more members", style="dim"))
    if picture.more:
        parts.append(Text(f"the tree has more than {picture.orders:,} orders; the rest was not read", style="dim"))
    deepest = max(each.depth for each in _all(picture.root))
    roles = {each.role for branch in (picture.root, *linked["group"], *picture.members) for each in _all(branch)}
    if not wide:
        told = ", ".join(f"{letter} {role}" for role, letter in ROLE_LETTERS.items() if role in roles)
        level = f"; ..{deepest}: stands for level {deepest}" if deepest * len(marks.blank) > room // _DEEP else ""
        parts += ["", Text(f"{told}{level}", style="dim")]
    return Group(*parts)


def _all(branch: Branch) -> Iterator[Branch]:
    yield branch
    for each in branch.children:
        yield from _all(each)


class _Drawing(NamedTuple):
    """What every row has in common.

    Attributes:
        asked: The order that was asked for.
        shown: The quantities that have a column.
        wide: There is room for the words of roles.
        lead: How much room branches have; what lies deeper says its depth instead.
    """

    asked: str
    shown: Sequence[str]
    marks: Marks
    wide: bool
    lead: int


def _drawn(
    branches: Sequence[Branch], picture: TreePicture, room: int, marks: Marks, title: str = ""
) -> RenderableType:
    """A table where ids and numbers find room in one; else each id on a line, and what it stands at below it."""
    everybody = [each for branch in branches for each in _all(branch)]
    shown = [name for name in _HEADS if name not in _SELDOM or any(getattr(each, name) for each in everybody)]
    drawing = _Drawing(picture.order_id, shown, marks, room >= _WIDE, 0)
    heads = ["role" if drawing.wide else "", "state", "side", *(_HEADS[name] for name in shown)]
    longest = max(max(cell_len(clean(each.order_id)), cell_len(_more(each))) for each in everybody)
    widths = _widths(everybody, heads, drawing)
    drawing = drawing._replace(lead=max(_LEAST_LEAD, room - _taken(widths) - longest))
    lines = [each for branch in branches for each in _lines(branch, "", "", drawing)]
    names = max(len("orderId"), *(each.name.cell_len for each in lines))
    rows = [[each.name, *(each.facts or [""] * len(heads))] for each in lines]
    made = table(rows, "orderId", *heads, title=title, right=heads[3:], room=room)
    if names + _taken(widths) <= room:
        return made
    widths = _widths(everybody, heads, drawing, fold=True)
    if names + _taken(widths) <= room:
        for column, width in zip(made.columns, (names, *widths), strict=True):
            column.width = width
        return made
    drawing = drawing._replace(lead=max(_LEAST_LEAD, room - longest))
    lines = [each for branch in branches for each in _lines(branch, "", "", drawing)]
    return Group(*([Text(title, style="italic")] if title else []), *_stacked(lines, heads, room))


def _widths(branches: Sequence[Branch], heads: Sequence[str], drawing: _Drawing, *, fold: bool = False) -> list[int]:
    """How wide the columns behind the ids are at least; what became of a request may stand below a state."""
    cells = [_facts(each, drawing) for each in branches]
    words = [max(map(len, head.split()), default=0) for head in heads]
    widths = [max(words[n], *(cell_len(str(row[n])) for row in cells)) for n in range(len(heads))]
    if fold:
        told = [str(row[_STATE]).split(" ", 2) for row in cells]
        parts = [part for sign, state, *rest in told for part in (f"{sign} {state}", *" ".join(rest).split())]
        widths[_STATE] = max(map(cell_len, ("state", *parts)))
    return widths


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * len(widths)


class _Line(NamedTuple):
    """An order, or what is said of those that are left out.

    Attributes:
        name: The branches and the id.
        rail: The branches that go on below the id.
        facts: Role, state, side and quantities; none of orders that are left out.
    """

    name: Text
    rail: str
    facts: Sequence[object]


def _stacked(lines: Iterable[_Line], heads: Sequence[str], room: int) -> Iterator[Text]:
    """Each id on a line, and below it state and quantities, as many on a line as fit it whole."""
    for name, rail, facts in lines:
        yield name
        before = Text(rail if len(rail) <= room // _RAILS else " " * _LEAST_LEAD, style="dim")
        parts = [_fact(head, fact) for head, fact in zip(heads, facts, strict=False) if str(fact)]
        yield from (Text.assemble(before, each) for each in packed(parts, room - before.cell_len, " " * GAP))


def _fact(head: str, fact: object) -> Text:
    """A role, a state or a side speaks for itself; a quantity has its name before it."""
    named = head in _HEADS.values()
    return Text.assemble((f"{head} " if named else "", "dim"), fact if isinstance(fact, Text) else str(fact))


def _lines(branch: Branch, lead: str, below: str, drawing: _Drawing) -> Iterator[_Line]:
    """The line of an order and those of all below it.

    Args:
        branch: The order.
        lead: What stands before its id.
        below: What stands before the branches below it.
        drawing: What all lines have in common.
    """
    marks = drawing.marks
    name = Text.assemble(
        (_cut(lead, branch.depth, drawing), "dim"),
        (clean(branch.order_id), "bold" if branch.order_id == drawing.asked else ""),
    )
    has_more = branch.children or branch.left_out
    yield _Line(name, below + (marks.down if has_more else marks.blank), _facts(branch, drawing))
    ends = len(branch.children) - (0 if branch.left_out else 1)
    for number, child in enumerate(branch.children):
        first, rest = (marks.last, marks.blank) if number == ends else (marks.branch, marks.down)
        yield from _lines(child, below + first, below + rest, drawing)
    if branch.left_out:
        told = f"{_cut(below + marks.last, branch.depth + 1, drawing)}{_more(branch)}"
        yield _Line(Text(told, style="dim"), "", ())


def _more(branch: Branch) -> str:
    """What is said of the orders below that are left out."""
    if not branch.left_out:
        return ""
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(branch.left_out_states.items()))
    return f"and {counted(branch.left_out, 'more order')}: {states}"


def _facts(branch: Branch, drawing: _Drawing) -> list[object]:
    role = str(branch.role) if drawing.wide else ROLE_LETTERS[branch.role]
    quantities = [_quantity(branch, each) for each in drawing.shown]
    return [role, _state(branch, drawing), str(branch.side), *quantities]


def _cut(lead: str, depth: int, drawing: _Drawing) -> str:
    """The branches before an id, or its depth where they would take too much room."""
    return lead if len(lead) <= drawing.lead else f"{' ' * (drawing.lead - _LEAST_LEAD)}..{depth:>2}: "


def _state(branch: Branch, drawing: _Drawing) -> Text:
    """The state, and what became of a request: in words where there is room for them."""
    told = drawing.marks.state(branch.state)
    if branch.cancel_state and branch.cancel_state is not CancelState.CXL:
        request = f"({REQUESTS[branch.cancel_state]})" if drawing.wide else branch.cancel_state
        told.append(f" {request}", style="yellow")
    return told


def _quantity(branch: Branch, name: str) -> str:
    value: Decimal | None = getattr(branch, name)
    return "" if name in _SELDOM and not value else amount(value)
