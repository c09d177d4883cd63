"""How does a lifecycle look in a terminal? A line with a bar for each state, and the ways out of it below."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from oms_engine.domain.vocabulary import State
from oms_mcp.pictures.signs import SIGNS
from oms_mcp.pictures.states import Passing, Standing, StatesPicture
from oms_mcp.printing.pictures.marks import Marks, line

_NAME = 8
_MOST_BAR = 60


def states(picture: StatesPicture, room: int, marks: Marks) -> RenderableType:
    """The states of a lifecycle with how many orders stand in each, and how many went from one to another."""
    return Group(_heading(picture), *_lines(picture, room, marks), *_ending(picture))


def _heading(picture: StatesPicture) -> Text:
    about = f"the way of {picture.order_id}" if picture.order_id else f"{picture.orders:,} orders"
    if picture.orders == 1 and not picture.order_id:
        about = "1 order"
    return line(Text(f"lifecycle {picture.profile}", style="bold"), f"  {about}")


def _lines(picture: StatesPicture, room: int, marks: Marks) -> Iterator[Text]:
    most = max(each.orders for each in picture.standing)
    times = max(len(f"{each.times:,}") for each in picture.passings)
    digits = len(f"{most:,}")
    length = min(_MOST_BAR, room - 2 - _NAME - digits - len("   nothing follows"))
    for passing in picture.passings:
        if passing.start is None:
            yield _way(passing, times, marks, marks.branch)
    for standing in picture.standing:
        yield _standing(standing, most, digits, length, marks)
        ways = [each for each in picture.passings if each.start is standing.state]
        for number, passing in enumerate(ways):
            yield _way(passing, times, marks, marks.last if number == len(ways) - 1 else marks.branch)


def _standing(standing: Standing, most: int, digits: int, length: int, marks: Marks) -> Text:
    cells = max(1, standing.orders * length // most) if standing.orders else 0
    told = marks.state(standing.state)
    told.pad_right(_NAME + 2 - len(told))
    told.append(f" {standing.orders:>{digits},}", style="bold" if standing.orders else "dim")
    told.append(f" {marks.full * cells}" if cells else "", style=SIGNS[standing.state].style)
    return told.append("  nothing follows" if standing.terminal else "", style="dim")


def _way(passing: Passing, times: int, marks: Marks, branch: str) -> Text:
    told = Text(f"  {branch}", style="dim")
    told.append(f"{passing.times:>{times},} {marks.arrow} ", style="" if passing.times else "dim")
    told.append_text(marks.state(passing.end))
    for remark, holds in _remarks(passing):
        told.append(f"  {remark}" if holds else "", style="dim")
    return told


def _remarks(passing: Passing) -> Sequence[tuple[str, bool]]:
    begins = passing.start is None and passing.end is State.NEW
    return (
        ("created", begins),
        ("correction", passing.correction),
        ("not in this profile", not passing.declared),
    )


def _ending(picture: StatesPicture) -> Iterator[Text]:
    if picture.behind:
        told = f"ways are counted behind position {picture.behind:,}; earlier events are not looked at"
        yield Text(told, style="dim")
