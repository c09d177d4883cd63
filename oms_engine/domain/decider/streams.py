"""What do the events of a stream lead to, whatever it is about?"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

from oms_engine.domain.decider.evolve import evolve
from oms_engine.domain.decider.quote import evolve_quotes
from oms_engine.domain.decider.settings import evolve_settings
from oms_engine.domain.events import SETTINGS_STREAM, StoredEvent
from oms_engine.domain.model import StreamState

Evolve = Callable[[Any, StoredEvent], StreamState]

_KINDS: dict[str, Evolve] = {"order": evolve, "quote": evolve_quotes, SETTINGS_STREAM: evolve_settings}
"""Kind of a stream, the first word of its name -> what its events change."""


def evolver_of(stream_id: str) -> Evolve:
    """What an event changes in this stream."""
    return _KINDS[stream_id.partition("-")[0]]


def fold_stream(stream_id: str, events: Iterable[StoredEvent], state: StreamState | None = None) -> StreamState | None:
    """The stream after all these events; None when there are none."""
    return reduce(evolver_of(stream_id), events, state)
