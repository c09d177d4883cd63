"""How does a lifecycle look as SVG? A box for each state with how many stand in it, arrows with how many went there."""

from collections.abc import Mapping

from oms_engine.domain.vocabulary import State
from oms_mcp.pictures.states import Passing, StatesPicture
from oms_mcp.pictures.svg.canvas import MARGIN, Canvas

Point = tuple[float, float]

_WIDTH, _HEIGHT = 118, 46
_HALF_WIDTH, _HALF_HEIGHT = _WIDTH / 2, _HEIGHT / 2
_PLACES: Mapping[State, Point] = {
    State.NEW: (140, 240),
    State.UNACK: (340, 240),
    State.LIVE: (540, 240),
    State.FILLED: (790, 80),
    State.CXL: (790, 187),
    State.EXP: (790, 293),
    State.REJ: (790, 400),
    State.CLOSED: (1040, 240),
}
"""State -> the middle of its box."""

_PORT = 12
"""How far from the middle of a side, or of an upper edge, an arrow that goes round ends, or begins."""

_AROUND: Mapping[tuple[State, State], Point] = {
    (State.NEW, State.CXL): (0, _PORT),
    (State.NEW, State.REJ): (0, _PORT),
    (State.UNACK, State.FILLED): (-_PORT, -_PORT),
    (State.UNACK, State.CXL): (_PORT, -_PORT),
    (State.UNACK, State.EXP): (_PORT, _PORT),
    (State.UNACK, State.REJ): (-_PORT, -_PORT),
}
"""Ways past other boxes -> where they begin and end, beside the middle; no two of them share a line."""

_BEND = 14
_BACK = (State.FILLED, State.LIVE)


def states(picture: StatesPicture) -> Canvas:
    """The states from left to right, ways that were gone in full ink, the others faint."""
    orders = "1 order" if picture.orders == 1 else f"{picture.orders:,} orders"
    about = f"the way of order {picture.order_id}" if picture.order_id else orders
    told = ", ".join(f"{each.state} {each.orders:,}" for each in picture.standing)
    canvas = Canvas(f"Lifecycle {picture.profile}: {about}", f"Orders in each state: {told}.")
    canvas.text(MARGIN, MARGIN + 14, f"lifecycle {picture.profile}: {about}", "title")
    for passing in picture.passings:
        _arrow(canvas, passing)
    for standing in picture.standing:
        x, y = _PLACES[standing.state]
        canvas.bar(x - _HALF_WIDTH, y - _HALF_HEIGHT, _WIDTH, _HEIGHT, "box")
        canvas.state(x, y - 4, standing.state, "middle")
        canvas.text(x, y + 14, f"{standing.orders:,}", "middle" if standing.orders else "middle quiet")
    if picture.behind:
        canvas.text(MARGIN, 450, f"ways are counted behind position {picture.behind:,}; earlier ones are not", "quiet")
    return canvas


def _arrow(canvas: Canvas, passing: Passing) -> None:
    drawing, place = _way(passing.start, passing.end)
    dotted = " dotted" if passing.correction or not passing.declared else ""
    canvas.path(drawing, f"line{dotted}" if passing.times else f"line faint{dotted}", arrow=True)
    remark = " correction" if passing.correction else "" if passing.declared else " other profile"
    canvas.text(*place, f"{passing.times:,}{remark}", "middle halo" if passing.times else "middle halo quiet")


def _way(start: State | None, end: State) -> tuple[str, Point]:
    """The line of an arrow, and where its number stands."""
    if start is None:
        x, y = _PLACES[end]
        return f"M{MARGIN} {y:g} H{x - _HALF_WIDTH - 2:g}", ((MARGIN + x - _HALF_WIDTH) / 2, y - 6)
    if (start, end) == _BACK:
        return _back()
    if (start, end) in _AROUND:
        return _around(start, end)
    return _ahead(start, end)


def _ahead(start: State, end: State) -> tuple[str, Point]:
    """From the right side of a box to the left side of another; the number stands where the line is steep."""
    x, y = _PLACES[start][0] + _HALF_WIDTH, _PLACES[start][1]
    to_x, to_y = _PLACES[end][0] - _HALF_WIDTH, _PLACES[end][1]
    bend = (x + to_x) / 2
    at = 0.5 if y == to_y else 0.62 if to_y != _PLACES[State.CLOSED][1] else 0.3
    place = _bezier(x, bend, bend, to_x, at), _bezier(y, y, to_y, to_y, at)
    return f"M{x:g} {y:g} C{bend:g} {y:g} {bend:g} {to_y:g} {to_x - 2:g} {to_y:g}", (
        place[0],
        place[1] + (-6 if y == to_y else 4),
    )


def _bezier(a: float, b: float, c: float, d: float, t: float) -> float:
    return a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t**2 * (1 - t) + d * t**3


def _around(start: State, end: State) -> tuple[str, Point]:
    """From the upper or lower edge of a box to the height of the other, and there to its left side."""
    beside, above = _AROUND[start, end]
    x, y = _PLACES[start][0] + beside, _PLACES[start][1]
    to_x, to_y = _PLACES[end][0] - _HALF_WIDTH, _PLACES[end][1] + above
    up = -1 if to_y < y else 1
    edge = y + up * _HALF_HEIGHT
    drawing = f"M{x:g} {edge:g} V{to_y - up * _BEND:g} Q{x:g} {to_y:g} {x + _BEND:g} {to_y:g} H{to_x - 2:g}"
    return drawing, (_PLACES[start][0] + 70, to_y + 4)


def _back() -> tuple[str, Point]:
    """A correction leads back from the left side of a box to the upper edge of the other."""
    (x, y), (to_x, to_y) = (_PLACES[state] for state in _BACK)
    left, port, top = x - _HALF_WIDTH, y + _PORT, to_y - _HALF_HEIGHT
    drawing = f"M{left:g} {port:g} H{to_x + _BEND:g} Q{to_x:g} {port:g} {to_x:g} {port + _BEND:g} V{top - 2:g}"
    return drawing, (to_x + 74, port + 4)
