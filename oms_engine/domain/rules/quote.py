"""What must hold before quotes are asked for, given, taken, refused or ended? Which of their states follow which?"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from oms_engine.domain.commands import (
    Command,
    QuoteAcceptCmd,
    QuoteCreateCmd,
    QuoteExpireCmd,
    QuoteRejectCmd,
    QuoteRequestCreateCmd,
)
from oms_engine.domain.model import NewQuote, NewQuoteRequest, Quote, QuoteRequest
from oms_engine.domain.rules.envelope import ID_FORM, required, texts_and_numbers_fit
from oms_engine.domain.rules.facts import Facts, RulesAbout, rule
from oms_engine.domain.rules.order import SIGNED_PRICES
from oms_engine.domain.vocabulary import QuoteState
from oms_engine.errors import shown
from oms_engine.framework.state_machine import StateMachine, StateMachineConfig
from oms_engine.framework.validation import Rule
from oms_engine.record import instant_text

RequestFacts = Facts[QuoteRequestCreateCmd]
QuoteFacts = Facts[QuoteCreateCmd]
AcceptFacts = Facts[QuoteAcceptCmd]
EndFacts = Facts[QuoteRejectCmd]

A = TypeVar("A", NewQuoteRequest, NewQuote)

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def _machine(*initial: QuoteState) -> StateMachine[QuoteState]:
    pending, quoted, accepted, rejected, expired = QuoteState
    builder = StateMachineConfig.builder(QuoteState).initial(*initial)
    builder = builder.transition(pending, quoted, rejected, expired).transition(quoted, accepted, rejected, expired)
    return StateMachine(builder.terminal(accepted, rejected, expired).build())


QUOTE_REQUEST_MACHINE = _machine(QuoteState.PENDING)
"""A request waits for quotes until it has the first one, and takes at most one of them."""

QUOTE_MACHINE = _machine(QuoteState.QUOTED, QuoteState.PENDING)
"""A quote begins as QUOTED; nothing makes one PENDING, but a machine has to reach every state of its enumeration."""


def ends_at(quote: Quote, request: QuoteRequest) -> datetime | None:
    """When a quote ends: at its validUntil or that of its request, whichever comes first; None if neither is set."""
    set_times = [time for time in (quote.valid_until, request.valid_until) if time is not None]
    return min(set_times, default=None)


def quote_of(facts: Facts[Any]) -> Quote | None:
    """The quote that the command names, where it was found."""
    return facts.quotes.quotes.get(facts.command.quote_id) if facts.quotes else None


def _well_formed(about: RulesAbout[A], rule_id: str, field: str, name: str) -> tuple[Rule[Facts[Any]], ...]:
    """What requests and quotes have in common: an id of their own, a quantity, a currency, an end."""
    return (
        about(
            rule_id,
            "OMS-QUOTE-004",
            field,
            lambda _, f: not f.id_used,
            lambda part, _: f"{field} {shown(getattr(part, name))} exists already; use a new one or leave it out",
        ),
        about(
            rule_id,
            "OMS-VAL-004",
            field,
            lambda part, _: bool(ID_FORM.fullmatch(getattr(part, name))),
            lambda part, _: f"{field} {shown(getattr(part, name))} is malformed; use 1 to 64 of A-Z a-z 0-9 . _ -",
            applies=lambda part, _: getattr(part, name) is not None,
        ),
        about(
            rule_id,
            "OMS-VAL-005",
            "quantity",
            lambda part, _: part.quantity is not None and part.quantity > 0,
            lambda part, _: f"quantity is {part.quantity:f}; give a quantity above 0",
            applies=lambda part, _: part.quantity is not None,
        ),
        about(
            rule_id,
            "OMS-VAL-004",
            "currency",
            lambda part, _: bool(_CURRENCY.fullmatch(part.currency or "")),
            lambda part, _: f"currency {shown(part.currency)} is malformed; use three capitals such as EUR",
            applies=lambda part, _: part.currency is not None,
        ),
        about(
            rule_id,
            "OMS-VAL-005",
            "validUntil",
            lambda part, f: part.valid_until is not None and part.valid_until > f.now,
            lambda part, f: (
                f"validUntil {instant_text(part.valid_until or f.now)} has passed; give a time in the future"
            ),
            applies=lambda part, _: part.valid_until is not None,
        ),
    )


_on_request = RulesAbout("quote_request", NewQuoteRequest(), "QuoteRequestCreateCmd")

REQUEST: tuple[Rule[RequestFacts], ...] = (
    rule(
        "QUO-01",
        "OMS-VAL-003",
        "quoteRequest",
        lambda f: f.command.quote_request is not None,
        lambda _: "quoteRequest is missing; put the request's fields into the object 'quoteRequest'",
        scope="QuoteRequestCreateCmd",
    ),
    rule(
        "QUO-01",
        "OMS-VAL-003",
        "sessionId",
        lambda f: bool(f.session_id.strip()),
        lambda _: "sessionId is missing and the caller has no session; give a sessionId",
        scope="QuoteRequestCreateCmd",
    ),
    _on_request.present("QUO-01", "symbol", "symbol", "give the ticker of the security"),
    _on_request.present("QUO-01", "quantity", "quantity", "give the quantity to be quoted"),
    *_well_formed(_on_request, "QUO-01", "quoteReqId", "quote_req_id"),
    *texts_and_numbers_fit(NewQuoteRequest, "quote_request"),
)


def _request_exists(rule_id: str, command: type[Command], named: Callable[[Any], str | None]) -> Rule[Facts[Any]]:
    """The request that a command names is in the store."""
    return rule(
        rule_id,
        "OMS-QUOTE-001",
        "quoteReqId",
        lambda f: f.quotes is not None,
        lambda f: f"quote request {shown(named(f))} does not exist; search_orders finds its quoteReqId",
        scope=command.__name__,
        applies=lambda f: bool(named(f)),
    )


_on_quote = RulesAbout("quote", NewQuote(), "QuoteCreateCmd")

QUOTE: tuple[Rule[QuoteFacts], ...] = (
    rule(
        "QUO-02",
        "OMS-VAL-003",
        "quote",
        lambda f: f.command.quote is not None,
        lambda _: "quote is missing; put the quote's fields into the object 'quote'",
        scope="QuoteCreateCmd",
    ),
    _request_exists("QUO-02", QuoteCreateCmd, lambda f: f.command.quote.quote_req_id if f.command.quote else None),
    _on_quote.present("QUO-02", "quoteReqId", "quote_req_id", "name the request that is quoted"),
    _on_quote.present("QUO-02", "price", "price", "give the price quoted"),
    _on_quote(
        "QUO-02",
        "OMS-VAL-005",
        "price",
        lambda q, _: q.price is not None and q.price > 0,
        lambda q, _: f"price is {q.price:f}; it must be above 0 unless priceType is SPREAD or YIELD",
        applies=lambda q, _: q.price is not None and q.price_type not in SIGNED_PRICES,
        inputs=("price", "priceType"),
    ),
    *_well_formed(_on_quote, "QUO-02", "quoteId", "quote_id"),
    _on_quote(
        "ENV-06",
        "OMS-VAL-004",
        "quotedBy",
        lambda q, _: (q.quoted_by or "").isprintable(),
        lambda q, _: f"quotedBy {shown(q.quoted_by)} has characters that cannot be seen; write it without them",
    ),
    *texts_and_numbers_fit(NewQuote, "quote"),
    rule(
        "QUO-02",
        "OMS-QUOTE-003",
        "quoteReqId",
        lambda f: f.quotes is not None and not QUOTE_REQUEST_MACHINE.is_terminal_state(f.quotes.request.state),
        lambda f: f"{_request_state(f)}; only a request that is PENDING or QUOTED is quoted",
        scope="QuoteCreateCmd",
        applies=lambda f: f.quotes is not None,
    ),
)


def _request_state(facts: Facts[Any]) -> str:
    assert facts.quotes is not None  # noqa: S101 - the rules about its state apply only where it was found
    return f"quote request {facts.quotes.request.quote_req_id} is {facts.quotes.request.state}"


def _by_quote(facts: Facts[Any]) -> bool:
    """Does the command name a quote, and not a request beside it?"""
    return bool(facts.command.quote_id) and getattr(facts.command, "quote_req_id", None) is None


def _by_request(facts: Facts[Any]) -> bool:
    """Does the command name a request, and not a quote beside it?"""
    return bool(facts.command.quote_req_id) and facts.command.quote_id is None


def _about_quote(rule_id: str, command: type[Command], target: QuoteState) -> tuple[Rule[Facts[Any]], ...]:
    """A quote that a command names exists and can get into the state that is wanted."""
    return (
        rule(
            rule_id,
            "OMS-QUOTE-002",
            "quoteId",
            lambda f: quote_of(f) is not None,
            lambda f: f"quote {shown(f.command.quote_id)} does not exist; search_orders finds its quoteId",
            scope=command.__name__,
            applies=_by_quote,
        ),
        rule(
            rule_id,
            "OMS-QUOTE-003",
            "quoteId",
            lambda f: _can_become(quote_of(f), target),
            lambda f: (
                f"quote {f.command.quote_id} is {_state(quote_of(f))}; only a quote that is QUOTED can be {target}"
            ),
            scope=command.__name__,
            applies=lambda f: _by_quote(f) and quote_of(f) is not None,
        ),
    )


def _state(quote: Quote | None) -> str:
    return quote.state if quote else ""


def _can_become(quote: Quote | None, target: QuoteState) -> bool:
    return quote is not None and QUOTE_MACHINE.is_valid_transition(quote.state, target)


def _end(facts: Facts[Any]) -> datetime | None:
    """When the quote of the command ends, or the request, where the command names that."""
    assert facts.quotes is not None  # noqa: S101 - the rules about its end apply only where it was found
    quote = quote_of(facts)
    return ends_at(quote, facts.quotes.request) if quote else facts.quotes.request.valid_until


def _end_text(facts: Facts[Any]) -> str:
    end = _end(facts)
    return instant_text(end) if end else ""


ACCEPT: tuple[Rule[AcceptFacts], ...] = (
    required("quoteId", "quote_id", "name the quote"),
    *texts_and_numbers_fit(QuoteAcceptCmd),
    *_about_quote("QUO-03", QuoteAcceptCmd, QuoteState.ACCEPTED),
    rule(
        "QUO-03",
        "OMS-QUOTE-003",
        "quoteId",
        lambda f: (end := _end(f)) is None or end > f.now,
        lambda f: f"quote {f.command.quote_id} was valid until {_end_text(f)}; ask for a new quote",
        scope="QuoteAcceptCmd",
        applies=lambda f: _can_become(quote_of(f), QuoteState.ACCEPTED),
    ),
)


def _about_either(rule_id: str, command: type[QuoteRejectCmd], target: QuoteState) -> tuple[Rule[EndFacts], ...]:
    """One quote or one request is named, exists and can get into the state that is wanted."""
    return (
        rule(
            "ENV-07",
            "OMS-VAL-003",
            "quoteId",
            lambda f: bool((f.command.quote_id or f.command.quote_req_id or "").strip()),
            lambda _: "quoteId is missing; name the quote, or the whole request in quoteReqId",
            scope=command.__name__,
            inputs=("quoteId", "quoteReqId"),
        ),
        rule(
            rule_id,
            "OMS-VAL-001",
            "quoteReqId",
            lambda f: f.command.quote_id is None or f.command.quote_req_id is None,
            lambda _: (
                "quoteId and quoteReqId were both given; name the quote alone, or the request alone to end it all"
            ),
            scope=command.__name__,
            inputs=("quoteId", "quoteReqId"),
        ),
        *texts_and_numbers_fit(command),
        _request_exists(rule_id, command, lambda f: f.command.quote_req_id if _by_request(f) else None),
        *_about_quote(rule_id, command, target),
        rule(
            rule_id,
            "OMS-QUOTE-003",
            "quoteReqId",
            lambda f: _request_can_become(f, target),
            lambda f: f"{_request_state(f)}; only a request that is PENDING or QUOTED can be {target}",
            scope=command.__name__,
            applies=lambda f: _by_request(f) and f.quotes is not None,
        ),
    )


def _request_can_become(facts: Facts[Any], target: QuoteState) -> bool:
    state = facts.quotes.request.state if facts.quotes else None
    return QUOTE_REQUEST_MACHINE.is_valid_transition(state, target)


REJECT: tuple[Rule[EndFacts], ...] = _about_either("QUO-04", QuoteRejectCmd, QuoteState.REJECTED)


def _not_before_its_end(field: str, words: str, applies: Callable[[EndFacts], bool]) -> Rule[EndFacts]:
    """What has a validUntil does not expire before it."""
    return rule(
        "QUO-05",
        "OMS-QUOTE-003",
        field,
        lambda f: (end := _end(f)) is None or end <= f.now,
        lambda f: (
            f"{words} {f.command.quote_id or f.command.quote_req_id} is valid until {_end_text(f)}; "
            "that time has not come"
        ),
        scope="QuoteExpireCmd",
        applies=applies,
    )


EXPIRE: tuple[Rule[EndFacts], ...] = (
    *_about_either("QUO-05", QuoteExpireCmd, QuoteState.EXPIRED),
    _not_before_its_end("quoteId", "quote", lambda f: _by_quote(f) and _can_become(quote_of(f), QuoteState.EXPIRED)),
    _not_before_its_end(
        "quoteReqId", "quote request", lambda f: _by_request(f) and _request_can_become(f, QuoteState.EXPIRED)
    ),
)
