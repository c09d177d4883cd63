"""How is an SVG file written that needs nothing else? Shapes and texts, with a title, readable in light and dark."""

from html import escape

from oms_engine.domain.vocabulary import State
from oms_mcp.pictures.labels import label
from oms_mcp.pictures.signs import SIGNS

CELL = 8
"""Width of a letter: the font is monospace, of 13 pixels, and the widest that is named takes 7.83 of them."""

LINE = 20
"""Height of a line."""

MARGIN = 16

_STYLE = """
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.title { font-weight: bold; font-size: 15px; } .quiet { fill: var(--quiet); } .bold { font-weight: bold; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.page { fill: var(--page); } .line { stroke: var(--quiet); fill: none; } .dotted { stroke-dasharray: 4 3; }
.box { fill: var(--page); stroke: var(--ink); } .bar { fill: var(--bar); } .empty { fill: var(--empty); }
.halo { paint-order: stroke; stroke: var(--page); stroke-width: 5px; } .faint { opacity: 0.5; }
.up { fill: var(--up); } .down { fill: var(--ended); } .head { fill: var(--quiet); }
"""
_HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" class="head"/></marker></defs>'
)
"""The head of an arrow."""

_LIGHT = {"page": "#ffffff", "ink": "#1b1f24", "quiet": "#57606a", "bar": "#1a7f37", "empty": "#d0d7de"}
_LIGHT |= {"up": "#9a6700", "ended": "#8c959f"}
_DARK = {"page": "#0d1117", "ink": "#e6edf3", "quiet": "#9da7b3", "bar": "#3fb950", "empty": "#30363d"}
_DARK |= {"up": "#d29922", "ended": "#6e7681"}


class Canvas:
    """What was drawn so far; as large as what is on it.

    Args:
        title: What a screen reader says first.
        description: What the picture shows, in sentences.
    """

    def __init__(self, title: str, description: str) -> None:
        self._title = title
        self._description = description
        self._parts: list[str] = []
        self._width = self._height = 0.0

    def text(self, x: float, y: float, text: str, style: str = "") -> None:
        """A text whose letters stand on y; it begins at x, ends there (`end`) or has its middle there (`middle`)."""
        shown = label(text, 200)
        kind = f' class="{style}"' if style else ""
        self._parts.append(f'<text x="{x:g}" y="{y:g}"{kind} xml:space="preserve">{escape(shown)}</text>')
        length = len(shown) * CELL * (1.16 if "title" in style else 1)
        self._reach(x + (0 if "end" in style else length / 2 if "middle" in style else length), y + 5)

    def state(self, x: float, y: float, state: State, style: str = "") -> None:
        """A state with its sign, in its colour."""
        self.text(x, y, f"{SIGNS[state].symbol} {state}", f"{state.lower()} bold {style}".strip())

    def bar(self, x: float, y: float, width: float, height: float, style: str, *, hint: str = "") -> None:
        """A rectangle; the hint is told where the pointer rests on it."""
        told = f"<title>{escape(label(hint, 200))}</title>" if hint else ""
        size = f'width="{max(width, 0):.2f}" height="{height:g}"'
        self._parts.append(f'<rect x="{x:.2f}" y="{y:g}" {size} class="{style}" rx="2">{told}</rect>')
        self._reach(x + width, y + height)

    def path(self, drawing: str, style: str = "line", *, arrow: bool = False) -> None:
        """Lines and curves as SVG writes them; an arrow has a head at its end."""
        head = ' marker-end="url(#head)"' if arrow else ""
        self._parts.append(f'<path d="{drawing}" class="{style}"{head}/>')

    def _reach(self, x: float, y: float) -> None:
        self._width, self._height = max(self._width, x), max(self._height, y)

    def written(self) -> str:
        """The file, in ASCII: other letters stand as numbers."""
        width, height = self._width + MARGIN, self._height + MARGIN
        size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
        parts = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(self._title)}</title>',
            f'<desc id="description">{escape(self._description)}</desc>',
            f"<style>{_colours()}{_STYLE}</style>",
            _HEAD,
            f'<rect width="{width:.0f}" height="{height:.0f}" class="page"/>',
            *self._parts,
            "</svg>",
        )
        text = "".join(f"{part}\n" for part in parts)
        return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _colours() -> str:
    """Colours for a light page, and for a dark one where the reader prefers that."""
    light = {**_LIGHT, **{state.lower(): sign.light for state, sign in SIGNS.items()}}
    dark = {**_DARK, **{state.lower(): sign.dark for state, sign in SIGNS.items()}}
    light_rules, dark_rules = (";".join(f"--{name}:{value}" for name, value in each.items()) for each in (light, dark))
    states = "\n".join(f".{state.lower()} {{ fill: var(--{state.lower()}); }}" for state in SIGNS)
    return f"\nsvg {{ {light_rules} }}\n@media (prefers-color-scheme: dark) {{ svg {{ {dark_rules} }} }}\n{states}"
