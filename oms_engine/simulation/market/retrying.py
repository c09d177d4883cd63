"""Which commands are sent again? Those that may succeed later; what their session sends next waits behind them."""

from collections.abc import Callable

from oms_engine.domain.commands import Command
from oms_engine.results import Outcome
from oms_engine.simulation.market.agenda import Agenda
from oms_engine.simulation.market.chance import Chance
from oms_engine.simulation.market.line import SECOND

ATTEMPTS = 5
"""How often a command is sent in all."""

JITTER = 20
"""Per cent by which a pause is longer or shorter, so that not all who were refused come back at once."""


class Retrying:
    """What a client does with a refusal that is retryable, such as that of a session which sends too fast.

    Args:
        agenda: When commands are sent again.
        send: Takes commands that are to be sent now.
        chance: By how much a pause is longer or shorter.
    """

    def __init__(self, agenda: Agenda, send: Callable[[list[Command]], None], chance: Chance) -> None:
        self._agenda = agenda
        self._send = send
        self._chance = chance
        self._waiting: dict[str | None, list[Command]] = {}
        self._attempts: dict[str | None, int] = {}

    def must_wait(self, command: Command) -> bool:
        """Does the command's session wait to send another one again? Then this one waits behind it."""
        waiting = self._waiting.get(command.session_id)
        if waiting is None:
            return False
        waiting.append(command)
        return True

    def answered(self, command: Command, outcome: Outcome) -> None:
        """Note how a command was answered."""
        error, session = outcome.result.error, command.session_id
        attempts = self._attempts.get(session, 1)
        if error is None or not error.retryable or attempts >= ATTEMPTS:
            self._attempts.pop(session, None)
            return
        self._attempts[session] = attempts + 1
        self._waiting[session] = [command]
        self._agenda.at(self._agenda.now + self._pause(attempts), self._again, session)

    def _pause(self, attempts: int) -> int:
        """How long is waited after so many attempts: a second, then twice as long each time; the last is of 8."""
        pause = SECOND << (attempts - 1)
        return pause * (100 + self._chance.between(-JITTER, JITTER)) // 100

    def _again(self, session: str | None) -> None:
        self._send(self._waiting.pop(session))
