"""What does the blotter say of itself? Whether it is live, where it stands, how many orders are in which state."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple

from rich.text import Text

from oms_engine.domain.vocabulary import State
from oms_mcp.blotter.rows import Sort
from oms_mcp.pictures.signs import SIGNS
from oms_mcp.printing.terminal import clean

_MOST_NAMES = 6
"""Names that a message lists; of more the nearest ones."""

_LISTED = re.compile(r'(?P<told>"(?P<wanted>[^"]*)".*)valid: (?P<names>\w+(?:, \w+)*)', re.DOTALL)


class Condition(StrEnum):
    """How near the blotter is to what happens."""

    READING = "reading"
    CATCHING_UP = "catching up"
    LIVE = "live"
    PAUSED = "paused"
    LOST = "lost"


CONDITION_SIGNS = {
    Condition.READING: ("…", "yellow"),
    Condition.CATCHING_UP: ("»", "yellow"),
    Condition.LIVE: ("●", "bold green"),
    Condition.PAUSED: ("‖", "bold yellow"),
    Condition.LOST: ("!", "bold red"),
}
"""Condition -> its sign, which says it without colour, and its style."""


class Status(NamedTuple):
    """Everything that is said.

    Attributes:
        why: Why the store is lost.
        shown: How many orders are in the table.
        standing: How many of those that meet the conditions are in each state.
    """

    name: str
    condition: Condition = Condition.READING
    why: str = ""
    position: int = 0
    shown: int = 0
    standing: Mapping[State, int] = {}
    where: tuple[str, ...] = ()
    sort: Sort = Sort()

    @property
    def orders(self) -> int:
        """How many orders meet the conditions."""
        return max(sum(self.standing.values()), self.shown)


def lines(status: Status, room: int) -> Text:
    """Three lines: how it is, how many are where, and what is looked for."""
    told = [_first(status), _second(status, room), _third(status)]
    for line in told:
        line.truncate(room, overflow="ellipsis")
    return Text("\n").join(told)


def _first(status: Status) -> Text:
    sign, style = CONDITION_SIGNS[status.condition]
    told = (f"{sign} {status.condition}", style)
    if status.why:
        return Text.assemble(told, (f"  {clean(status.why)}", "red"))
    some = f"{status.shown:,} of " if status.shown < status.orders else ""
    return Text.assemble(
        told, f"  position {status.position:,}  {some}{_orders(status.orders)}  ", (clean(status.name), "dim")
    )


def _orders(number: int) -> str:
    return "1 order" if number == 1 else f"{number:,} orders"


def _second(status: Status, room: int) -> Text:
    """The states that some order is in; without their names where these do not fit."""
    counts = [(state, count) for state, count in status.standing.items() if count]
    named = Text("  ").join(Text(f"{SIGNS[s].symbol} {s} {n:,}", style=SIGNS[s].style) for s, n in counts)
    if named.cell_len <= room:
        return named
    return Text(" ").join(Text(f"{SIGNS[s].symbol}{n:,}", style=SIGNS[s].style) for s, n in counts)


def _third(status: Status) -> Text:
    way = "descending" if status.sort.descending else "ascending"
    order = "newest first" if status.sort == Sort() else f"by {status.sort.field}, {way}"
    if not status.where:
        return Text(f"all orders, {order}", style="dim")
    return Text.assemble((clean(" ".join(status.where)), "bold"), (f", {order}", "dim"))


def briefly(message: str) -> str:
    """A message that lists every name there is, with those alone that are like the one that was typed."""
    listed = _LISTED.fullmatch(message)
    names = listed["names"].split(", ") if listed else []
    if not listed or len(names) <= _MOST_NAMES:
        return message
    near = get_close_matches(listed["wanted"][:64], names, n=_MOST_NAMES, cutoff=0)
    return f"{listed['told']}nearest: {', '.join(near)}, and {len(names) - len(near):,} more"
