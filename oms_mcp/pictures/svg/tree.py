"""How does a tree of orders look as SVG? Lines from each order to those below it, states and quantities beside them."""

from collections.abc import Iterator, Sequence

from oms_mcp.pictures.labels import amount, label
from oms_mcp.pictures.svg.canvas import CELL, LINE, MARGIN, Canvas
from oms_mcp.pictures.tree import Branch, TreePicture

_STEP = 22
"""How much farther right a level begins."""

_NAME = 40
_COLUMNS = ("state", "side", "ordered", "placed", "done", "open", "avgPx")
_TEXTS = ("state", "side")
_GAP = 2
_SIGN = 3
"""Cells for the sign of a state, which may be wider than a letter, and the space behind it."""


def tree(picture: TreePicture) -> Canvas:
    """The order at the top with its branches; below them the group or the members that are linked to it."""
    orders = "1 order" if picture.orders == 1 else f"{picture.orders:,} orders"
    told = f"{orders}; the order at the top is {picture.root.state}."
    canvas = Canvas(f"Tree of order {picture.order_id}", told)
    canvas.text(MARGIN, MARGIN + 14, f"Tree of {picture.order_id}, {orders}", "title")
    sections: list[tuple[str, tuple[Branch, ...]]] = [("", (picture.root,))]
    sections += [("group", (picture.group,))] if picture.group else []
    sections += [("members", picture.members)] if picture.members else []
    names = MARGIN + max(_reach(branch) for _, branches in sections for branch in branches) + 2 * CELL
    y = MARGIN + 14 + LINE * 1.5
    columns = _columns([each for _, branches in sections for branch in branches for each in _all(branch)], names)
    _heads(canvas, y, columns)
    for title, branches in sections:
        if title:
            y += LINE
            canvas.text(MARGIN, y + LINE, title, "bold")
            y += LINE
        for branch in branches:
            y = _branch(canvas, branch, y + LINE, columns, picture.order_id)
    for told in _left_out(picture):
        y += LINE
        canvas.text(MARGIN, y, told, "quiet")
    return canvas


def _left_out(picture: TreePicture) -> Iterator[str]:
    if picture.members_left_out:
        yield f"and {picture.members_left_out:,} more members"
    if picture.more:
        yield f"the tree has more than {picture.orders:,} orders; the rest was not read"


def _reach(branch: Branch) -> float:
    """How far right the names of a branch go."""
    told = [branch.depth * _STEP + len(_name(branch)) * CELL]
    if branch.left_out:
        told.append((branch.depth + 1) * _STEP + len(_more(branch)) * CELL)
    return max([*told, *(_reach(each) for each in branch.children)])


def _name(branch: Branch) -> str:
    return f"{label(branch.order_id, _NAME)} {branch.role}"


def _more(branch: Branch) -> str:
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(branch.left_out_states.items()))
    return f"and {branch.left_out:,} more: {states}"


def _all(branch: Branch) -> Iterator[Branch]:
    yield branch
    for each in branch.children:
        yield from _all(each)


def _columns(branches: Sequence[Branch], x: float) -> list[float]:
    """Where each column stands, as wide as its longest text: texts begin there, numbers end there."""
    rows = [_COLUMNS, *map(_cells, branches)]
    places = []
    for number, name in enumerate(_COLUMNS):
        width = max(len(row[number]) for row in rows) + (_SIGN if name == "state" else 0)
        places.append(x if name in _TEXTS else x + width * CELL)
        x += (width + _GAP) * CELL
    return places


def _cells(branch: Branch) -> tuple[str, ...]:
    values = (branch.order_qty, branch.place_qty, branch.cum_qty, branch.leaves_qty, branch.avg_px)
    return (branch.state, branch.side, *map(amount, values))


def _heads(canvas: Canvas, y: float, columns: Sequence[float]) -> None:
    canvas.text(MARGIN, y, "order", "bold")
    for name, x in zip(_COLUMNS, columns, strict=True):
        canvas.text(x, y, name, "bold" if name in _TEXTS else "bold end")


def _branch(canvas: Canvas, branch: Branch, y: float, columns: Sequence[float], asked: str) -> float:
    """An order and those below it; returns where the last line stands."""
    x = MARGIN + branch.depth * _STEP
    canvas.text(x, y, _name(branch), "bold" if branch.order_id == asked else "")
    _quantities(canvas, branch, columns, y)
    begin, rail = y + 5, x + CELL / 2
    for child in branch.children:
        end = y + LINE - 4
        canvas.path(f"M{rail:g} {begin:g} V{end:g} H{x + _STEP - 3:g}")
        begin = end
        y = _branch(canvas, child, y + LINE, columns, asked)
    if branch.left_out:
        y += LINE
        canvas.path(f"M{rail:g} {begin:g} V{y - 4:g} H{x + _STEP - 3:g}", "line dotted")
        canvas.text(x + _STEP, y, _more(branch), "quiet")
    return y


def _quantities(canvas: Canvas, branch: Branch, columns: Sequence[float], y: float) -> None:
    canvas.state(columns[0], y, branch.state)
    for name, x, told in [*zip(_COLUMNS, columns, _cells(branch), strict=True)][1:]:
        canvas.text(x, y, told, "" if name in _TEXTS else "end")
