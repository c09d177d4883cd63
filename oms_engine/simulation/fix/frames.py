"""How does a body become a whole message? With the header and trailer of a session between two sides."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from simplefix import FixMessage

from oms_engine.simulation.fix.bodies import Pairs, timestamp
from oms_engine.simulation.fix.tags import BEGIN_STRING

_LOGON: Pairs = [(98, "0"), (108, "30"), (141, "Y")]

_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ")
"""Characters that end a field or a line, or steer a terminal; each is written as a blank."""


class Sides(NamedTuple):
    """The CompIDs of the two sides of the session that is written."""

    house: str = "OMS"
    market: str = "MARKET"


class Frames:
    """Gives the messages of a session their headers and trailers; each side counts its own from 1.

    Args:
        sides: The two sides of the session.

    Attributes:
        types: MsgType (35) -> how many messages of it there were.
    """

    def __init__(self, sides: Sides | None = None) -> None:
        self.sides = sides or Sides()
        self.types: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()

    def framed(self, kind: str, at: datetime, body: Pairs, *, behalf: str = "", back: bool = False) -> bytes:
        """A message, with SOH behind every field.

        Args:
            kind: MsgType (35).
            at: SendingTime (52).
            body: What it says.
            behalf: Whose order it is about, where that is not the house itself (115, of the market's messages 128).
            back: Does it come from the market?
        """
        sender, target = reversed(self.sides) if back else self.sides
        self._numbers[sender] += 1
        self.types[kind] += 1
        whose = [(128 if back else 115, behalf)] if behalf else []
        header = [(8, BEGIN_STRING), (35, kind), (49, sender), (56, target), *whose, (34, str(self._numbers[sender]))]
        message = FixMessage()
        for tag, text in (*header, (52, timestamp(at)), *body):
            message.append_pair(tag, text.translate(_CONTROL))
        return bytes(message.encode())

    def logon(self, at: datetime) -> tuple[bytes, bytes]:
        """Both sides begin: numbers count from 1."""
        return self.framed("A", at, _LOGON), self.framed("A", at, _LOGON, back=True)

    def logout(self, at: datetime) -> tuple[bytes, bytes]:
        """Both sides end."""
        return self.framed("5", at, []), self.framed("5", at, [], back=True)
