"""What do the commands about quotes decide, and what do their events change? A quote never touches an order."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from oms_engine.domain.commands import (
    Command,
    QuoteAcceptCmd,
    QuoteCreateCmd,
    QuoteExpireCmd,
    QuoteRejectCmd,
    QuoteRequestCreateCmd,
)
from oms_engine.domain.events import (
    Event,
    QuoteAccepted,
    QuoteCreated,
    QuoteExpired,
    QuoteRejected,
    QuoteRequested,
    StoredEvent,
)
from oms_engine.domain.model import NewQuote, NewQuoteRequest, Quote, QuoteRequest, QuoteRequestState
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.rules.quote import QUOTE_MACHINE, QUOTE_REQUEST_MACHINE
from oms_engine.domain.vocabulary import QuoteState

NewId = Callable[[str], str]
"""Makes an id with the given prefix."""

NOT_CHOSEN = "another quote was accepted"
"""Why the other open quotes of a request are rejected."""


def _request(facts: Facts[QuoteRequestCreateCmd], new_id: NewId) -> list[Event]:
    asked = facts.command.quote_request or NewQuoteRequest()
    given = {name: getattr(asked, name) for name in NewQuoteRequest.model_fields}
    given["quote_req_id"] = asked.quote_req_id or new_id("QRQ")
    return [QuoteRequested.model_construct(**given, session_id=facts.session_id)]


def _quote(facts: Facts[QuoteCreateCmd], new_id: NewId) -> list[Event]:
    asked = facts.command.quote or NewQuote()
    request = _found(facts).request
    given = {name: getattr(asked, name) for name in QuoteCreated.model_fields}
    given["quote_id"] = asked.quote_id or new_id("QUO")
    given["quantity"] = asked.quantity or request.quantity
    given["currency"] = asked.currency or request.currency
    given["quoted_by"] = asked.quoted_by or facts.actor
    if request.state is not QuoteState.QUOTED:
        QUOTE_REQUEST_MACHINE.require(request.state, QuoteState.QUOTED)
    return [QuoteCreated.model_construct(**given)]


def _accept(facts: Facts[QuoteAcceptCmd], _: NewId) -> list[Event]:
    quotes = _found(facts)
    quote_id = facts.command.quote_id or ""
    QUOTE_REQUEST_MACHINE.require(quotes.request.state, QuoteState.ACCEPTED)
    others = (name for name in _open(quotes) if name != quote_id)
    return [QuoteAccepted(quote_id=quote_id), *(QuoteRejected(quote_id=name, reason=NOT_CHOSEN) for name in others)]


def _reject(facts: Facts[QuoteRejectCmd], _: NewId) -> list[Event]:
    return [QuoteRejected(quote_id=facts.command.quote_id, reason=facts.command.reason)]


def _expire(facts: Facts[QuoteExpireCmd], _: NewId) -> list[Event]:
    return [QuoteExpired(quote_id=facts.command.quote_id, reason=facts.command.reason)]


def _found(facts: Facts[Any]) -> QuoteRequestState:
    assert facts.quotes is not None  # noqa: S101 - QUO-02 to QUO-05 hold
    return facts.quotes


def _open(quotes: QuoteRequestState) -> list[str]:
    return [name for name, quote in quotes.quotes.items() if not QUOTE_MACHINE.is_terminal_state(quote.state)]


DECISIONS: Mapping[type[Command], Callable[[Facts[Any], NewId], list[Event]]] = {
    QuoteRequestCreateCmd: _request,
    QuoteCreateCmd: _quote,
    QuoteAcceptCmd: _accept,
    QuoteRejectCmd: _reject,
    QuoteExpireCmd: _expire,
}
"""The events of each command about quotes; asked only when every rule of the command holds."""


def evolve_quotes(state: QuoteRequestState | None, stored: StoredEvent) -> QuoteRequestState:
    """The request with its quotes after an event; it never refuses."""
    event = stored.payload
    if state is None:
        assert isinstance(event, QuoteRequested)  # noqa: S101 - the store keeps the first event of a stream
        return _requested(event, stored)
    match event:
        case QuoteCreated():
            quotes = {**state.quotes, event.quote_id: _quoted(event, state.request, stored)}
            after = _in_state(replace(state, quotes=quotes), QuoteState.QUOTED)
        case QuoteAccepted(quote_id=quote_id):
            after = _in_state(_ended(state, [quote_id], QuoteState.ACCEPTED), QuoteState.ACCEPTED)
        case QuoteRejected(quote_id=None):
            after = _in_state(_ended(state, _open(state), QuoteState.REJECTED), QuoteState.REJECTED)
        case QuoteExpired(quote_id=None):
            after = _in_state(_ended(state, _open(state), QuoteState.EXPIRED), QuoteState.EXPIRED)
        case QuoteRejected(quote_id=str(quote_id)):
            after = _ended(state, [quote_id], QuoteState.REJECTED)
        case QuoteExpired(quote_id=str(quote_id)):
            after = _ended(state, [quote_id], QuoteState.EXPIRED)
        case _:
            raise TypeError(f"{event.type} is no event of a quote request")
    request = after.request.model_copy(update={"version": stored.version, "updated_at": stored.recorded_at})
    return replace(after, request=request)


def _requested(event: QuoteRequested, stored: StoredEvent) -> QuoteRequestState:
    given = {name: getattr(event, name) for name in QuoteRequested.model_fields}
    request = QuoteRequest.model_construct(
        **given,
        id=stored.position,
        state=QuoteState.PENDING,
        version=stored.version,
        created_at=stored.recorded_at,
        updated_at=stored.recorded_at,
    )
    return QuoteRequestState(request)


def _quoted(event: QuoteCreated, request: QuoteRequest, stored: StoredEvent) -> Quote:
    given = {name: getattr(event, name) for name in QuoteCreated.model_fields}
    return Quote.model_construct(
        **given,
        id=stored.position,
        quote_req_id=request.quote_req_id,
        state=QuoteState.QUOTED,
        created_at=stored.recorded_at,
    )


def _in_state(state: QuoteRequestState, reached: QuoteState) -> QuoteRequestState:
    return replace(state, request=state.request.model_copy(update={"state": reached}))


def _ended(state: QuoteRequestState, quote_ids: list[str], reached: QuoteState) -> QuoteRequestState:
    ended = {name: state.quotes[name].model_copy(update={"state": reached}) for name in quote_ids}
    return replace(state, quotes={**state.quotes, **ended})
