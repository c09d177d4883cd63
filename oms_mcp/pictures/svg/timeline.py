"""How does the life of an order look as SVG? A rail with a point for each event, and its quantities beside it."""

from oms_engine.domain.quantities import ZERO
from oms_mcp.pictures.labels import amount, day_of, label, time_of
from oms_mcp.pictures.svg.canvas import CELL, LINE, MARGIN, Canvas
from oms_mcp.pictures.timeline import Moment, Timeline

_BAR = 110
_NAME = 20


def timeline(picture: Timeline) -> Canvas:
    """A line for each event below the day it happened on."""
    many = len(picture.orders) > 1
    events = len(picture.moments) + picture.left_out
    about = f"{len(picture.orders)} orders of its tree" if many else picture.terms
    title = f"{picture.order_id}: {about}"
    canvas = Canvas(f"Timeline of order {title}", _told(picture, events))
    canvas.text(MARGIN, MARGIN + 14, title, "title")
    y = MARGIN + 14 + LINE
    if picture.left_out or picture.orders_left_out:
        told = f"{picture.left_out} earlier events and {picture.orders_left_out} orders are not shown"
        canvas.text(MARGIN, y, told, "quiet")
        y += LINE
    columns = _columns(picture, many=many)
    day = ""
    for moment in picture.moments:
        if day_of(moment.time) != day:
            day = day_of(moment.time)
            canvas.text(MARGIN, y, day, "quiet")
            y += LINE
        _row(canvas, y, moment, columns, many=many)
        y += LINE
    return canvas


def _told(picture: Timeline, events: int) -> str:
    last = picture.moments[-1]
    return (
        f"{events} events. At the end order {last.order_id} is {last.state} with {amount(last.cum_qty)} executed of "
        f"{amount(last.order_qty)} and {amount(last.leaves_qty)} open."
    )


def _columns(picture: Timeline, *, many: bool) -> dict[str, float]:
    """Column -> where it begins."""
    numbers = max(len(_numbers(each)) for each in picture.moments)
    widths = {
        "time": 14 * CELL,
        "order": (min(_NAME, max(map(len, picture.orders))) + 2) * CELL if many else 0,
        "state": (11 + max(len(_substates(each)) for each in picture.moments)) * CELL,
        "event": (max(len(each.event) for each in picture.moments) + 2) * CELL,
        "bar": _BAR + CELL,
        "numbers": (numbers + 2) * CELL,
        "said": (max(len(each.said) for each in picture.moments) + 2) * CELL,
        "who": 0,
    }
    starts: dict[str, float] = {}
    x: float = MARGIN
    for name, width in widths.items():
        starts[name] = x
        x += width
    return starts


def _row(canvas: Canvas, y: float, moment: Moment, columns: dict[str, float], *, many: bool) -> None:
    canvas.text(columns["time"], y, time_of(moment.time))
    if many:
        canvas.text(columns["order"], y, label(moment.order_id, _NAME))
    if moment.changed or many:
        canvas.state(columns["state"], y, moment.state)
    else:
        rail = columns["state"] + CELL / 2
        canvas.path(f"M{rail:g} {y - LINE + 4:g} V{y + 4:g}")
    if told := _substates(moment):
        canvas.text(columns["state"] + 9 * CELL, y, told, "quiet")
    canvas.text(columns["event"], y, moment.event, "bold" if moment.changed else "")
    ordered = moment.order_qty or ZERO
    share = min(float(moment.cum_qty / ordered), 1.0) if ordered else 0.0
    canvas.bar(columns["bar"], y - 10, _BAR, 11, "empty")
    canvas.bar(columns["bar"], y - 10, _BAR * share, 11, "bar", hint=_numbers(moment))
    canvas.text(columns["numbers"], y, _numbers(moment))
    canvas.text(columns["said"], y, moment.said)
    canvas.text(columns["who"], y, moment.actor, "quiet")


def _substates(moment: Moment) -> str:
    return " ".join(moment.substates)


def _numbers(moment: Moment) -> str:
    return f"{amount(moment.cum_qty)}/{amount(moment.order_qty)}, open {amount(moment.leaves_qty)}"
