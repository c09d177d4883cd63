"""How does the quantity of an order look as SVG? Bars go down with each fill, and up again."""

from oms_engine.domain.quantities import ZERO
from oms_mcp.pictures.labels import amount, label
from oms_mcp.pictures.svg.canvas import CELL, LINE, MARGIN, Canvas
from oms_mcp.pictures.waterfall import Kind, Step, Waterfall

_LENGTH = 460
_ROW = 24
_NAME = 90
"""Letters of a step, so that an id that the engine makes is never cut, nor the price behind it."""
_STYLES = {
    Kind.ORDERED: "new",
    Kind.REPLACED: "new",
    Kind.FILLED: "bar",
    Kind.RECEIVED: "bar",
    Kind.TAKEN_BACK: "up",
    Kind.CORRECTED: "up",
}


def waterfall(picture: Waterfall) -> Canvas:
    """A bar for each step, and one for what is open at the end."""
    open_now = amount(picture.leaves_qty)
    told = (
        f"Of {amount(picture.order_qty)} ordered {amount(picture.cum_qty)} are executed, {amount(picture.ended)} ended "
    )
    told += f"unexecuted and {open_now} are open; {amount(picture.taken_back)} were executed once and taken back."
    canvas = Canvas(f"Quantities of order {picture.order_id}: {picture.terms}", told)
    canvas.text(MARGIN, MARGIN + 14, f"{picture.order_id}: {picture.terms}", "title")
    names = MARGIN + max((len(_name(step)) for step in picture.steps), default=6) * CELL + 2 * CELL
    numbers = names + max((len(_change(step)) for step in picture.steps), default=2) * CELL
    y = MARGIN + 14 + LINE * 1.5
    for step in picture.steps:
        canvas.text(MARGIN, y, _name(step))
        canvas.text(numbers, y, _change(step), "end")
        low, high = sorted((step.open_after, step.open_after - step.change))
        _bar(canvas, y, numbers + 2 * CELL, (float(low / picture.peak), float(high / picture.peak)), step)
        y += _ROW
    canvas.text(MARGIN, y, "open", "bold")
    canvas.text(numbers, y, open_now, "end bold")
    share = float((picture.leaves_qty or ZERO) / picture.peak) if picture.peak else 0.0
    canvas.bar(numbers + 2 * CELL, y - 12, _LENGTH * share, 15, "live", hint=f"open {open_now}")
    if picture.place_qty:
        y += _ROW
        canvas.text(MARGIN, y, f"{amount(picture.place_qty)} of it placed in children", "quiet")
    return canvas


def _bar(canvas: Canvas, y: float, left: float, ends: tuple[float, float], step: Step) -> None:
    low, high = ends
    style = _STYLES.get(step.kind, "down")
    width = max(_LENGTH * (high - low), 1.5)
    hint = f"{_name(step)} {_change(step)}, then open {amount(step.open_after)}"
    canvas.bar(left + _LENGTH * low, y - 12, width, 15, style, hint=hint)
    below = left + _LENGTH * (high if step.change > 0 else low)
    canvas.path(f"M{below:.2f} {y + 3:g} v9", "line dotted")


def _name(step: Step) -> str:
    return label(f"{step.kind} {step.name}".strip(), _NAME)


def _change(step: Step) -> str:
    return amount(step.change) if step.change < 0 else f"+{amount(step.change)}"
