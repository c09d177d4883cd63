"""What do the events of a stream lead to, whatever it is about? Those of an order are in `evolve`."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

from oms_engine.domain.decider.evolve import Happened, evolve, fold
from oms_engine.domain.events import (
    PRIVACY_STREAM,
    SETTINGS_STREAM,
    PersonalDataErased,
    QuoteAccepted,
    QuoteCreated,
    QuoteExpired,
    QuoteRejected,
    QuoteRequested,
    ReferencePricePosted,
    SettingsChanged,
)
from oms_engine.domain.model import (
    OrderState,
    PrivacyState,
    Quote,
    QuoteRequest,
    QuoteRequestState,
    SettingsState,
    StreamState,
)
from oms_engine.domain.rules.quote import QUOTE_MACHINE
from oms_engine.domain.vocabulary import QuoteState

Evolve = Callable[[Any, Happened], StreamState]


def open_quotes(quotes: QuoteRequestState) -> list[str]:
    """The quotes of a request that have not ended, in the order they were given."""
    return [name for name, quote in quotes.quotes.items() if not QUOTE_MACHINE.is_terminal_state(quote.state)]


def evolve_quotes(state: QuoteRequestState | None, stored: Happened) -> QuoteRequestState:
    """The request with its quotes after an event; it never refuses."""
    event = stored.payload
    if state is None:
        assert isinstance(event, QuoteRequested)  # noqa: S101 - the store keeps the first event of a stream
        return _requested(event, stored)
    match event:
        case QuoteCreated():
            quotes = {**state.quotes, event.quote_id: _quoted(event, state.request, stored)}
            after = _in_state(state.but(quotes=quotes), QuoteState.QUOTED)
        case QuoteAccepted(quote_id=quote_id):
            after = _in_state(_ended(state, [quote_id], QuoteState.ACCEPTED), QuoteState.ACCEPTED)
        case QuoteRejected(quote_id=None):
            after = _in_state(_ended(state, open_quotes(state), QuoteState.REJECTED), QuoteState.REJECTED)
        case QuoteExpired(quote_id=None):
            after = _in_state(_ended(state, open_quotes(state), QuoteState.EXPIRED), QuoteState.EXPIRED)
        case QuoteRejected(quote_id=str(quote_id)):
            after = _ended(state, [quote_id], QuoteState.REJECTED)
        case QuoteExpired(quote_id=str(quote_id)):
            after = _ended(state, [quote_id], QuoteState.EXPIRED)
        case _:
            raise TypeError(f"{event.type} is no event of a quote request")
    return after.but(request=after.request.but(version=stored.version, updated_at=stored.recorded_at))


def _requested(event: QuoteRequested, stored: Happened) -> QuoteRequestState:
    given = {name: getattr(event, name) for name in QuoteRequested.model_fields}
    request = QuoteRequest.of(
        **given,
        id=stored.position,
        state=QuoteState.PENDING,
        version=stored.version,
        created_at=stored.recorded_at,
        updated_at=stored.recorded_at,
    )
    return QuoteRequestState(request)


def _quoted(event: QuoteCreated, request: QuoteRequest, stored: Happened) -> Quote:
    given = {name: getattr(event, name) for name in QuoteCreated.model_fields}
    return Quote.of(
        **given,
        id=stored.position,
        quote_req_id=request.quote_req_id,
        state=QuoteState.QUOTED,
        created_at=stored.recorded_at,
    )


def _in_state(state: QuoteRequestState, reached: QuoteState) -> QuoteRequestState:
    return state.but(request=state.request.but(state=reached))


def _ended(state: QuoteRequestState, quote_ids: list[str], reached: QuoteState) -> QuoteRequestState:
    ended = {name: state.quotes[name].but(state=reached) for name in quote_ids}
    return state.but(quotes={**state.quotes, **ended})


def evolve_settings(state: SettingsState | None, stored: Happened) -> SettingsState:
    """What is set, and which prices are posted, after an event; it never refuses."""
    event = stored.payload
    before = state or SettingsState()
    match event:
        case SettingsChanged():
            return before.but(version=stored.version, values={**before.values, event.key: event.new})
        case ReferencePricePosted():
            return before.but(version=stored.version, prices={**before.prices, event.symbol: event.price})
        case _:
            raise TypeError(f"{event.type} is no event of the settings")


def evolve_privacy(state: PrivacyState | None, stored: Happened) -> PrivacyState:
    """Which keys are destroyed after an event; it never refuses."""
    event = stored.payload
    before = state or PrivacyState()
    match event:
        case PersonalDataErased(key_id=key_id):
            return before.but(version=stored.version, key_ids=(*before.key_ids, key_id))
        case _:
            raise TypeError(f"{event.type} is no event of erasure")


_KINDS: dict[str, Evolve] = {
    "order": evolve,
    "quote": evolve_quotes,
    SETTINGS_STREAM: evolve_settings,
    PRIVACY_STREAM: evolve_privacy,
}
"""Kind of a stream, the first word of its name -> what its events change."""


def evolver_of(stream_id: str) -> Evolve:
    """What an event changes in this stream."""
    return _KINDS[stream_id.partition("-")[0]]


def fold_stream(stream_id: str, events: Iterable[Happened], state: StreamState | None = None) -> StreamState | None:
    """The stream after all these events; None when there are none."""
    evolver = evolver_of(stream_id)
    if evolver is evolve:
        assert state is None or isinstance(state, OrderState)  # noqa: S101 - the stream is one of an order
        return fold(events, state)
    return reduce(evolver, events, state)
