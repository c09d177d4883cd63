"""What do the commands about quotes decide? Asked only when every rule of the command holds; no order is touched."""

from typing import Any

from oms_engine.domain.commands import (
    QuoteAcceptCmd,
    QuoteCreateCmd,
    QuoteExpireCmd,
    QuoteRejectCmd,
    QuoteRequestCreateCmd,
)
from oms_engine.domain.decider.book import Book, NewId
from oms_engine.domain.decider.streams import open_quotes
from oms_engine.domain.events import (
    Event,
    QuoteAccepted,
    QuoteCreated,
    QuoteExpired,
    QuoteRejected,
    QuoteRequested,
    quote_stream_of,
)
from oms_engine.domain.model import NewQuote, NewQuoteRequest, QuoteRequestState
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.rules.quote import QUOTE_REQUEST_MACHINE
from oms_engine.domain.vocabulary import QuoteState

NOT_CHOSEN = "another quote was accepted"
"""Why the other open quotes of a request are rejected."""


def request(facts: Facts[QuoteRequestCreateCmd], book: Book, new_id: NewId) -> str:
    """Quotes are asked for."""
    asked = facts.command.quote_request or NewQuoteRequest()
    quote_req_id = asked.quote_req_id or new_id("QRQ")
    given = {name: getattr(asked, name) for name in NewQuoteRequest.model_fields} | {"quote_req_id": quote_req_id}
    requested = QuoteRequested.model_construct(**given, session_id=facts.session_id)
    book.record_quotes(quote_req_id, None, [requested])
    return quote_stream_of(quote_req_id)


def quote(facts: Facts[QuoteCreateCmd], book: Book, new_id: NewId) -> str:
    """The desk quotes; what it does not say is taken from the request."""
    asked = facts.command.quote or NewQuote()
    request = _found(facts).request
    given = {name: getattr(asked, name) for name in QuoteCreated.model_fields}
    given["quote_id"] = asked.quote_id or new_id("QUO")
    given["quantity"] = asked.quantity or request.quantity
    given["currency"] = asked.currency or request.currency
    given["quoted_by"] = asked.quoted_by or facts.actor
    if request.state is not QuoteState.QUOTED:
        QUOTE_REQUEST_MACHINE.require(request.state, QuoteState.QUOTED)
    return _happens(facts, book, QuoteCreated.model_construct(**given))


def accept(facts: Facts[QuoteAcceptCmd], book: Book, _: NewId) -> str:
    """The client takes a quote; the other open ones are rejected."""
    quotes = _found(facts)
    quote_id = facts.command.quote_id or ""
    QUOTE_REQUEST_MACHINE.require(quotes.request.state, QuoteState.ACCEPTED)
    others = (name for name in open_quotes(quotes) if name != quote_id)
    rejected = (QuoteRejected(quote_id=name, reason=NOT_CHOSEN) for name in others)
    return _happens(facts, book, QuoteAccepted(quote_id=quote_id), *rejected)


def reject(facts: Facts[QuoteRejectCmd], book: Book, _: NewId) -> str:
    """A quote, or a request with its open quotes, is refused."""
    return _happens(facts, book, QuoteRejected(quote_id=facts.command.quote_id, reason=facts.command.reason))


def expire(facts: Facts[QuoteExpireCmd], book: Book, _: NewId) -> str:
    """The time of a quote, or of a request with its open quotes, is over."""
    return _happens(facts, book, QuoteExpired(quote_id=facts.command.quote_id, reason=facts.command.reason))


def _happens(facts: Facts[Any], book: Book, *events: Event) -> str:
    before = _found(facts)
    book.record_quotes(before.request.quote_req_id, before, events)
    return quote_stream_of(before.request.quote_req_id)


def _found(facts: Facts[Any]) -> QuoteRequestState:
    assert facts.quotes is not None  # noqa: S101 - QUO-02 to QUO-05 hold
    return facts.quotes
