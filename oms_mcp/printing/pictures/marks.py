"""Of which characters are pictures made in a terminal: those of Unicode, or ASCII where a terminal has no others?"""

import codecs
from collections.abc import Iterable
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from oms_engine.domain.vocabulary import State
from oms_mcp.pictures.signs import SIGNS
from oms_mcp.printing.terminal import clean


class Marks(NamedTuple):
    """The characters of pictures, each one cell wide but the branches of a tree, which have two."""

    unicode: bool
    full: str
    taken: str
    ended: str
    rest: str
    rail: str
    arrow: str
    branch: str
    last: str
    down: str
    blank: str = "  "

    def state(self, state: State) -> Text:
        """A state with its sign."""
        sign = SIGNS[state]
        return Text(f"{sign.symbol if self.unicode else sign.letter} {state}", style=sign.style)


UNICODE = Marks(True, "█", "▒", "░", "·", "│", "→", "├ ", "└ ", "│ ")  # noqa: FBT003 - of a tuple
ASCII = Marks(False, "#", "+", "-", ".", "|", ">", "|-", "`-", "| ")  # noqa: FBT003 - of a tuple


def marks_of(console: Console) -> Marks:
    """The characters that a console can show."""
    try:
        known = codecs.lookup(console.encoding).name
    except LookupError:
        known = "ascii"
    return UNICODE if known.startswith("utf") else ASCII


def line(*parts: Text | str, style: str = "") -> Text:
    """Parts of a line; a text is cleaned of what a terminal could misread."""
    return Text.assemble(*(part if isinstance(part, Text) else (clean(part), style) for part in parts))


def packed(parts: Iterable[Text], room: int, joint: str) -> list[Text]:
    """Lines of parts, as many on a line as fit it whole; a part breaks only where it is wider than the room."""
    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + len(joint) + part.cell_len + len(joint.rstrip()) <= room:
            lines[-1].append(joint).append_text(part)
        else:
            if lines:
                lines[-1].append(joint.rstrip())
            lines.append(part.copy())
    return lines
