"""By which sign and colour is a state known in every picture? The sign alone is enough; colour comes on top."""

from collections.abc import Mapping
from typing import NamedTuple

from oms_engine.domain.vocabulary import Role, State


class Sign(NamedTuple):
    """How a state looks.

    Attributes:
        symbol: One character of Unicode, one cell wide.
        letter: The same for a terminal that knows ASCII alone.
        style: Colour in a terminal, as rich names it.
        light: Colour on a light page.
        dark: Colour on a dark page.
    """

    symbol: str
    letter: str
    style: str
    light: str
    dark: str


SIGNS: Mapping[State, Sign] = {
    State.NEW: Sign("○", "o", "cyan", "#0b6e8a", "#6ad1ee"),
    State.UNACK: Sign("◐", "~", "yellow", "#8a6100", "#ecc45c"),
    State.LIVE: Sign("●", "*", "green", "#1a7f37", "#5fd787"),
    State.FILLED: Sign("■", "#", "bold green", "#0f5c26", "#8ee7a8"),
    State.CXL: Sign("✗", "x", "magenta", "#8a3b9c", "#d9a0e8"),
    State.REJ: Sign("▲", "!", "red", "#b3261e", "#ff9d96"),
    State.EXP: Sign("◇", "%", "bright_black", "#5f6368", "#b4bac2"),
    State.CLOSED: Sign("□", "=", "white", "#3c4043", "#d5d9de"),
}

ROLE_LETTERS: Mapping[Role, str] = {Role.GROUP: "G", Role.CLIENT: "C", Role.MARKET: "M", Role.SLICE: "S"}
"""What an order is in its tree, in one letter."""
