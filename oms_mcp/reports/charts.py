"""How are figures drawn? As shapes in SVG that stretch, their words in HTML, so that those do not."""

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from oms_mcp.printing.terminal import clean

_HEIGHT = 100
_WIDTH = 1_000
_GAP = 4
_WORDS = re.compile("(?<=[a-z])(?=[A-Z])")
_STEPS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


class Axis(NamedTuple):
    """What one direction of a chart means: its end, and how its values are written."""

    end: float
    told: Callable[[float], str]


def said(text: str) -> str:
    """A text as HTML, with nothing in it that a browser could take for more than text."""
    return escape(clean(text))


def even_end(most: float) -> float:
    """A round number that is as large as this one or a bit larger; 1 for nothing."""
    if most <= 0:
        return 1.0
    power = 1.0
    while power * 10 < most:
        power *= 10
    while power >= most:
        power /= 10
    return next(step * power for step in _STEPS if step * power >= most)


def line(points: Sequence[tuple[float, float]], along: Axis, up: Axis, caption: str) -> str:
    """A line over an area.

    Args:
        points: Where it goes, from left to right.
        along: What goes to the right; it begins with 0.
        up: What goes up; it begins with 0.
        caption: What is seen, as a sentence.
    """
    placed = [
        (value / (along.end or 1) * _WIDTH, _HEIGHT - min(height / (up.end or 1), 1) * _HEIGHT)
        for value, height in points
    ]
    path = " ".join(f"{x:.1f},{y:.2f}" for x, y in placed)
    first, last = (placed[0][0], placed[-1][0]) if placed else (0.0, 0.0)
    shapes = (
        f'{_grid()}<polygon class="area" points="{first:.1f},{_HEIGHT} {path} {last:.1f},{_HEIGHT}"/>'
        f'<polyline class="stroke" points="{path}"/>'
    )
    return _plot(shapes, [along.told(along.end * part / 2) for part in range(3)], up, caption)


def columns(counts: Sequence[int], ends: Sequence[str], up: Axis, caption: str) -> str:
    """Columns side by side, named at the two ends and in the middle.

    Args:
        counts: The height of each.
        ends: The name of each.
        up: What goes up.
        caption: What is seen, as a sentence.
    """
    width = _WIDTH / max(len(counts), 1)
    shapes = _grid() + "".join(
        f'<rect class="column" x="{number * width + _GAP:.1f}" y="{_HEIGHT - height:.2f}" '
        f'width="{width - 2 * _GAP:.1f}" height="{height:.2f}"/>'
        for number, height in enumerate(count / (up.end or 1) * _HEIGHT for count in counts)
        if height
    )
    names = list(dict.fromkeys((ends[0], ends[(len(ends) - 1) // 2], ends[-1]))) if ends else []
    return _plot(shapes, names, up, caption)


def bars(parts: Sequence[tuple[str, int]], caption: str) -> str:
    """A bar for each part, as long as its share of all, with its name and number."""
    whole = sum(number for _, number in parts) or 1
    rows = "".join(
        f'<span>{said(name)}</span><svg viewBox="0 0 {_WIDTH} 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="column" width="{number / whole * _WIDTH:.1f}" height="1"/></svg>'
        f'<span class="number">{number:,} ({number / whole:.1%})</span>'
        for name, number in parts
    )
    return f'<figure><div class="bars">{rows}</div><figcaption>{said(caption)}</figcaption></figure>'


def stack(parts: Sequence[tuple[str, str, int]], caption: str) -> str:
    """Parts of a whole side by side.

    Args:
        parts: Each with the class of its pattern, its name and its number.
        caption: What is seen, as a sentence.
    """
    whole = sum(number for _, _, number in parts) or 1
    pieces = "".join(
        f'<span class="{pattern}" style="width:{number / whole:.2%}"></span>' for pattern, _, number in parts
    )
    names = "".join(
        f'<li><i class="{pattern}"></i>{said(name)}: {number:,} ({number / whole:.1%})</li>'
        for pattern, name, number in parts
    )
    return (
        f'<figure><div class="stack" aria-hidden="true">{pieces}</div><ul class="legend">{names}</ul>'
        f"<figcaption>{said(caption)}</figcaption></figure>"
    )


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; its first column is text, the others are numbers."""
    head = "".join(f'<th scope="col">{said(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_breakable(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><caption>{said(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _breakable(text: str) -> str:
    """A text that may break between the words of a name such as OrderCancel."""
    return _WORDS.sub("<wbr>", said(text))


def _grid() -> str:
    return f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{_HEIGHT // 2}" y2="{_HEIGHT // 2}"/>'


def _plot(shapes: str, names: Sequence[str], up: Axis, caption: str) -> str:
    heights = "".join(f"<span>{said(up.told(up.end * part / 2))}</span>" for part in (2, 1, 0))
    below = "".join(f"<span>{said(name)}</span>" for name in names)
    return (
        f'<figure class="plot"><div class="axis up" aria-hidden="true">{heights}</div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{said(caption)}">'
        f'{shapes}</svg><div class="axis along" aria-hidden="true">{below}</div>'
        f"<figcaption>{said(caption)}</figcaption></figure>"
    )
