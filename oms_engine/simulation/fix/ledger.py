"""What became of each message so far? Counts while a log is read."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from oms_engine.simulation.fix.account import Account, Difference, DirectionRow, Kind, Place, Row, Verdict
from oms_engine.simulation.fix.reading import Finding, Message, Unreadable
from oms_engine.simulation.fix.tags import MSG_TYPES

MAX_LISTED = 1_000
"""Differences that are told one by one; all are counted."""

_MAX_VALUE = 200
_MAX_TAGS = 1_000
_MAX_KINDS = 500


class Ledger:
    """Counts while a log is read."""

    def __init__(self) -> None:
        self.pieces = 0
        self.lost = 0
        self.explained = 0
        self.unexplained = 0
        self.differences: list[Difference] = []
        self.unknown_tags: Counter[str] = Counter()
        self._verdicts: Counter[Verdict] = Counter()
        self._sizes: Counter[Verdict] = Counter()
        self._types: dict[str, Counter[Verdict]] = {}
        self._kinds: dict[str, dict[str, list[Any]]] = {"not replayed": {}, "unreadable": {}, "findings": {}}

    def meet(self, tags: Iterable[int]) -> None:
        """A message has tags that FIX 4.4 as it is known here does not have."""
        for tag in map(str, tags):
            known = tag in self.unknown_tags or len(self.unknown_tags) < _MAX_TAGS
            self.unknown_tags[tag if known else "others"] += 1

    def settle(self, message: Message, verdict: Verdict) -> None:
        """Give a message its verdict, once."""
        self._verdicts[verdict] += 1
        self._sizes[verdict] += message.size
        shown = message.type[:8] or "?"
        if shown not in self._types and len(self._types) >= _MAX_KINDS:
            shown = "other"
        self._types.setdefault(shown, Counter())[verdict] += 1

    def skip(self, message: Message, kind: str, told: str = "") -> None:
        """A message is not replayed: the kind of reason, and what is to say in this case."""
        self.settle(message, Verdict.NOT_REPLAYED)
        self._note("not replayed", kind, place_of(message), message.size, told or kind)

    def lose(self, piece: Unreadable) -> None:
        """Bytes cannot be read."""
        self._verdicts[Verdict.UNREADABLE] += 1
        self._sizes[Verdict.UNREADABLE] += piece.size
        self.lost += piece.was_message
        place = Place(number=piece.number, line=piece.line, offset=piece.offset)
        self._note("unreadable", piece.reason.partition(":")[0], place, piece.size, piece.reason)

    def ignore(self, message: Message, reason: str) -> None:
        """A message is garbled, so that FIX has it ignored."""
        self._verdicts[Verdict.UNREADABLE] += 1
        self._sizes[Verdict.UNREADABLE] += message.size
        self.lost += 1
        kind = (
            f"garbled: {reason.split(' says ', maxsplit=1)[0]} is wrong" if " says " in reason else f"garbled: {reason}"
        )
        self._note("unreadable", kind, place_of(message), message.size, reason)

    def find(self, message: Message, kind: Finding, told: str) -> None:
        """Something is wrong with a message or with the order of messages."""
        self._note("findings", kind.value, place_of(message), message.size, told)

    def differ(self, difference: Difference) -> None:
        """Log and engine do not agree on a value."""
        if difference.explained:
            self.explained += 1
        else:
            self.unexplained += 1
        if len(self.differences) < MAX_LISTED:
            self.differences.append(difference)

    def _note(self, where: str, kind: str, place: Place, size: int, told: str) -> None:
        kinds = self._kinds[where]
        if kind not in kinds and len(kinds) >= _MAX_KINDS:
            kind = "others"
        entry = kinds.setdefault(kind, [0, 0, place, told])
        entry[0] += 1
        entry[1] += size

    def account(
        self, *, size: int, between: int, directions: tuple[DirectionRow, ...], orders: Mapping[str, int]
    ) -> Account:
        """The account of what was read so far."""
        return Account(
            size=size,
            pieces=self.pieces,
            between=between,
            verdicts={verdict.value: self._verdicts[verdict] for verdict in Verdict},
            verdict_sizes={verdict.value: self._sizes[verdict] for verdict in Verdict},
            types=tuple(_row(name, counts) for name, counts in sorted(self._types.items())),
            explained=self.explained,
            unexplained=self.unexplained,
            differences=tuple(sorted(self.differences, key=lambda found: found.place.number)),
            not_replayed=self._told("not replayed"),
            unreadable=self._told("unreadable"),
            findings=self._told("findings"),
            unknown_tags=dict(self.unknown_tags),
            directions=directions,
            orders=dict(orders),
        )

    def _told(self, where: str) -> tuple[Kind, ...]:
        return tuple(
            Kind(what=what, count=count, size=size, first=first, told=told)
            for what, (count, size, first, told) in self._kinds[where].items()
        )


def _row(name: str, counts: Counter[Verdict]) -> Row:
    return Row(
        msg_type=name,
        name=MSG_TYPES.get(name, "other"),
        equal=counts[Verdict.EQUAL],
        different=counts[Verdict.DIFFERENT],
        not_replayed=counts[Verdict.NOT_REPLAYED],
        total=counts.total(),
    )


def place_of(message: Message) -> Place:
    """Where a message stands."""
    return Place(
        number=message.number,
        line=message.line,
        offset=message.offset,
        msg_seq_num=message.get(34)[:_MAX_VALUE] or None,
        msg_type=message.type[:_MAX_VALUE] or None,
        sender=message.get(49)[:_MAX_VALUE] or None,
    )
