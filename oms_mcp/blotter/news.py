"""What is the blotter asked, and what does it hear?"""

from typing import NamedTuple

from oms_engine import Order, Problem
from oms_engine.domain.vocabulary import State
from oms_mcp.blotter.rows import Sort


class Question(NamedTuple):
    """Which orders are wanted, and in which order."""

    where: tuple[str, ...] = ()
    sort: Sort = Sort()


class Loaded(NamedTuple):
    """The orders that come first, how many there are in each state altogether, and the position that holds for."""

    question: Question
    orders: list[Order]
    standing: dict[State, int]
    position: int


class Change(NamedTuple):
    """An order as it is now; None for one that meets the conditions no more."""

    order_id: str
    version: int
    order: Order | None


class Changed(NamedTuple):
    """What happened since, how many there are in each state where that was counted, and whether more waits."""

    changes: list[Change]
    standing: dict[State, int] | None
    position: int
    behind: bool


class Wrong(NamedTuple):
    """A question cannot be read; the one before is still answered."""

    question: Question
    problem: Problem


class Lost(NamedTuple):
    """The store cannot be read; it is tried again."""

    why: str


class Broken(NamedTuple):
    """Something that nobody thought of ended the feed."""

    error: BaseException


News = Loaded | Changed | Wrong | Lost | Broken
"""Whatever the blotter hears."""
