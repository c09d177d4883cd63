"""What did a load do so far, as its seed decides it? Counts, kept in the store with each session that is whole."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from oms_engine.errors import ScenarioError
from oms_engine.record import canonical_json
from oms_engine.simulation.market.plan import MarketPlan
from oms_engine.simulation.market.session import Session

NOTE = "simulation"
"""The name under which the store keeps it."""

_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Tally:
    """What a load did in the sessions that are whole.

    Attributes:
        plan: What is simulated.
        digest: The plan's digest, by the program that began.
        sessions: How many sessions are whole.
        position: The position of the last event of the last of them.
        commands: How many commands of each type were sent.
        refused: How many of them were refused, by type and error code with a blank between.
        faults: How often each fault happened at the venue.
        trades: How many executions the venue made for clients, busted ones included.
        crossings: How often a book was found crossed.
        reconciled: In how many sessions engine and venue were compared order by order.
        problems: What engine and venue disagree on, as sentences; at most the first 20.
    """

    plan: MarketPlan
    digest: str
    sessions: int = 0
    position: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    trades: int = 0
    crossings: int = 0
    reconciled: int = 0
    problems: list[str] = field(default_factory=list)

    def after(self, session: Session, position: int, problems: Sequence[str] | None = None) -> Self:
        """The tally when one more session is whole.

        Args:
            session: The session.
            position: The position of its last event.
            problems: What engine and venue disagree on; None where nobody compared them.
        """
        refused = {f"{kind} {code}": number for (kind, code), number in session.refused.items()}
        told = [f"session {session.number}: {each}" for each in problems or ()]
        return replace(
            self,
            sessions=session.number,
            position=position,
            commands=self.commands + session.commands,
            refused=self.refused + Counter(refused),
            faults=self.faults + session.venue.happened,
            trades=self.trades + len(session.venue.executions),
            crossings=self.crossings + session.venue.crossings,
            reconciled=self.reconciled + (problems is not None),
            problems=[*self.problems, *told][:_MOST_PROBLEMS],
        )

    def to_text(self) -> str:
        """The tally as canonical JSON."""
        return canonical_json({**vars(self), "plan": asdict(self.plan)})

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The tally that was written.

        Raises:
            ScenarioError: It is none that this program can read.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            counts = {name: Counter(fields.pop(name)) for name in ("commands", "refused", "faults")}
            return cls(**fields | counts | {"plan": MarketPlan(**fields["plan"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ScenarioError(
                "the file holds a simulated market of another version of this program; name another file"
            ) from error
