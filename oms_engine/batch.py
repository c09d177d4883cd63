"""How do many commands share one commit, and are answered one by one before it? In a batch, one savepoint for each."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from oms_engine.domain.commands import Command, CommandResult, Draft
from oms_engine.domain.events import Sender, StoredEvent
from oms_engine.errors import StoreError
from oms_engine.results import Outcome
from oms_engine.storage.failures import TRANSLATED

Envelope = Command | Mapping[str, Any] | Draft
"""A command, an envelope, or what was read of one."""

CarryOut = Callable[[Envelope, Sender, list[StoredEvent]], Outcome]
"""Carries out a command in a savepoint of its own, and adds what it wrote to the events."""


class Batch:
    """Commands of one transaction; `Engine.batch` opens it, and commits it when its block ends.

    A refusal takes back the refused command alone. When the store fails the batch is lost as a whole: the error is
    raised at once, by whatever is run afterwards, and at the end of the block.

    Attributes:
        published: The events that were written, in order of position.
        warnings: Filled after the block: listeners that failed, as sentences.
    """

    def __init__(self, carry_out: CarryOut, sender: Sender, note: Callable[[str, str], None]) -> None:
        self.published: list[StoredEvent] = []
        self.warnings: tuple[str, ...] = ()
        self.taken_back = False
        self._carry_out = carry_out
        self._sender = sender
        self._note = note
        self._thread = threading.get_ident()
        self._ended = False
        self._lost: StoreError | None = None

    def run(self, command: Envelope) -> Outcome:
        """Carry out a command; its events are in the store, but only this batch and this thread see them yet.

        Raises:
            StoreError: The store could not be read or written; nothing of the batch will be stored.
            RuntimeError: The batch has ended, or belongs to another thread.
        """
        self._require_own()
        self.require_sound()
        try:
            with TRANSLATED:
                return self._carry_out(command, self._sender, self.published)
        except StoreError as error:
            self._lost = error
            raise

    def execute(self, command: Envelope) -> CommandResult:
        """As `run`; the result alone."""
        return self.run(command).result

    def note(self, name: str, text: str) -> None:
        """Keep a text in the store under a name of the caller's, as part of this batch; `Engine.noted` reads it.

        It is no event: nobody is told of it, and an export does not hold it.
        """
        self._require_own()
        self.require_sound()
        with TRANSLATED:
            self._note(name, text)

    def take_back(self) -> None:
        """Let nothing of this batch be stored when its block ends; what is run until then is taken back too."""
        self._require_own()
        self.taken_back = True

    def require_sound(self) -> None:
        """Raises the StoreError that the batch was lost by."""
        if self._lost is not None:
            raise self._lost

    def end(self) -> None:
        """Take nothing more in."""
        self._ended = True

    def _require_own(self) -> None:
        if self._ended:
            raise RuntimeError("the batch has ended with its block; open another one")
        if self._thread != threading.get_ident():
            raise RuntimeError("a batch belongs to the thread that opened it; send the command through the engine")
