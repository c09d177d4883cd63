"""How does text get to a terminal? As tables, panels and lines, and plain where it is piped on.

Texts of callers and venues are printed as text: never as markup, and never as control characters of the terminal.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

Wire = Mapping[str, Any]

PIPED_WIDTH = 1_000
PANEL_WIDTH = 80
FRAME = 4
_MAX_PANELS = 5
_MAX_VALUE = 200
GAP = 2
_LEAST_WIDTH = 12
_NEVER_FOLDED = ("path",)
_KEPT_WHOLE = (
    *_NEVER_FOLDED,
    "orderId",
    "stream",
    "id",
    "command",
    "event",
    "next",
    "state",
    "status",
    "at",
    "rebuilt at",
)
LOUD = {"FAILED": "red", "REJ": "red", "LIVE": "green", "FILLED": "green", "OK": "green", "WARNING": "yellow"}
_FOR_PEOPLE = {
    "get_order and include=executions": "oms show",
    "search_orders": "oms query",
    "check_transitions": "oms check",
    "get_order": "oms show",
    "order_history": "oms history",
    "read_kb": "oms kb read",
    "search_kb": "oms kb search",
}
"""Tools that messages of the engine name -> the command that does it here."""

_QUOTED_OR_TOOL = re.compile(rf'"(?:[^"\\]|\\.)*"|\b(?:{"|".join(_FOR_PEOPLE)})\b')


def for_people(message: str) -> str:
    """A message of the engine with commands in place of tools; what is quoted in it stays as it is."""
    return _QUOTED_OR_TOOL.sub(lambda found: _FOR_PEOPLE.get(found[0], found[0]), message)


def counted(number: int, name: str) -> str:
    """1 order, 2,000 orders."""
    return f"{number} {name}" if number == 1 else f"{number:,} {name}s"


def out() -> Console:
    """Where answers go."""
    return _console(sys.stdout)


def err() -> Console:
    """Where errors, notes and progress go."""
    return _console(sys.stderr)


def _console(file: IO[str]) -> Console:
    console = _Plain(file=file, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PIPED_WIDTH
    return console


class _Plain(Console):
    """A console whose lines end where their text ends, unless they are drawn at a terminal."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as rich's
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def pause() -> None:
    """Wait for Enter, where there is a person at a terminal; nothing is printed where there is none."""
    if is_attended():
        input("Enter goes on ")


def is_attended() -> bool:
    """Is there a person who reads and types?"""
    return sys.stdin.isatty() and sys.stdout.isatty()


def print_json(wire: object) -> None:
    """One JSON document on standard output."""
    _write_json(wire, 2 if sys.stdout.isatty() else None)


def print_line(wire: object) -> None:
    """One JSON document on one line of standard output, at once."""
    _write_json(wire, None)
    sys.stdout.flush()


def _write_json(wire: object, indent: int | None) -> None:
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(wire, ensure_ascii=not unicode, indent=indent)
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")  # half a character becomes its JSON escape


def clean(value: object) -> str:
    """A value as text that a terminal cannot misread: what cannot be printed is escaped."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def value_of(value: object) -> str:
    """A value of a field as text: `none` for what is absent, names and values for an object, lists without signs."""
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(name)} {value_of(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        joint = "; " if any(isinstance(part, Mapping) for part in value) else ", "
        return joint.join(map(value_of, value)) or "none"
    return "none" if value is None else clean(value)


def text_of(value: object, style: str = "") -> Text:
    """A value as a text that is never markup, loud where it is a word that should be."""
    shown = "" if value is None else clean(value)
    return Text(shown, style=style or LOUD.get(shown, ""), overflow="fold")


def table(
    rows: Iterable[Sequence[object]], *columns: str, title: str = "", right: Sequence[str] = (), room: int = 0
) -> Table:
    """A table of texts, at most as wide as the room (the terminal); nothing is cut off, ids and numbers break last."""
    cells = [[cell if isinstance(cell, Text) else text_of(cell) for cell in row] for row in rows]
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    made.title, made.title_justify = title or None, "left"
    for name, width in zip(columns, _widths(cells, columns, right, room or out().width), strict=True):
        made.add_column(name, justify="right" if name in right else "left", overflow="fold", width=width)
    for row in cells:
        made.add_row(*row)
    return made


def _widths(cells: Sequence[Sequence[Text]], columns: Sequence[str], right: Sequence[str], room: int) -> list[int]:
    """Column widths that fit the room: sentences give way first, then headings, then everything but a path."""
    longest = [max((row[n].cell_len for row in cells), default=0) for n in range(len(columns))]
    widths = [max(length, len(name)) for length, name in zip(longest, columns, strict=True)]
    words = [max(map(len, name.split()), default=0) for name in columns]
    floors = [
        max(length, word) if name in _KEPT_WHOLE or name in right else min(width, _LEAST_WIDTH)
        for length, width, word, name in zip(longest, widths, words, columns, strict=True)
    ]
    excess = sum(widths) + GAP * (len(widths) - 1) - room
    least_of_all = floors if {*columns} & {*_NEVER_FOLDED} else [1] * len(widths)
    for floor in (floors, least_of_all):
        while excess > 0 and any(width > least for width, least in zip(widths, floor, strict=True)):
            widest = max(range(len(widths)), key=lambda n: (widths[n] > floor[n], widths[n]))
            widths[widest] -= 1
            excess -= 1
    return widths


def facts(pairs: Iterable[tuple[str, object]]) -> Table:
    """Names and values, one pair per line; pairs without a value are left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], ()):
            made.add_row(name, value if isinstance(value, Text) else text_of(value))
    return made


def note(message: str) -> None:
    """Something a person should know beside the answer."""
    err().print(Text(f"note: {message}", style="dim"))


def say(message: str) -> None:
    """One sentence that is the answer."""
    out().print(Text(clean(message)), soft_wrap=True)


def panel(console: Console, title: str, lines: Sequence[RenderableType]) -> None:
    """A red panel, no wider than a page."""
    width = min(PANEL_WIDTH, console.width)
    console.print(Panel(Group(*lines), title=Text(title), title_align="left", border_style="red", width=width))


@contextmanager
def progress(what: str) -> Iterator[Any]:
    """A bar on standard error while something takes its time; yields the function to call with (done, all).

    Where standard error is no terminal, one line says that it has begun.
    """
    console = err()
    if not console.is_terminal:
        begun: list[str] = []

        def tell(_done: int, _total: int) -> None:
            if not begun:
                begun.append(what)
                note(f"{what} ...")

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A sign of life on standard error while something takes its time; nothing when it is piped on."""
    console = err()
    with console.status(what) if console.is_terminal else nullcontext():
        yield
