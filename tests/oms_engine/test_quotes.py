"""Are quotes asked for, given, taken, refused and ended as section 14 says, and is nothing else possible?"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import StoredEvent
from oms_engine.domain.catalogue import citation
from oms_engine.domain.decider.quote import NOT_CHOSEN
from oms_engine.domain.decider.streams import evolve_quotes
from oms_engine.domain.events import OrderClosed
from oms_engine.domain.model import Quote, QuoteRequest, QuoteRequestState
from oms_engine.domain.rules.quote import QUOTE_MACHINE, QUOTE_REQUEST_MACHINE
from oms_engine.domain.vocabulary import QuoteState, Side
from oms_engine.record import instant_text
from tests.oms_engine.desk import START, Desk

VAL1, VAL2, VAL3, VAL4, VAL5 = (f"OMS-VAL-00{n}" for n in range(1, 6))
NO_REQUEST, NO_QUOTE, NOT_OPEN, USED = (f"OMS-QUOTE-00{n}" for n in range(1, 5))

NOON = START.replace(hour=12, minute=0)
ONE = START.replace(hour=13, minute=0)
MOMENT = timedelta(milliseconds=1)
AT_NOON = "2026-01-02T12:00:00Z"
AT_ONE = "2026-01-02T13:00:00Z"

Fields = dict[str, object]

QUOTED: Fields = {"quoteReqId": "R1", "price": "101.5"}


def ask(desk: Desk, name: str = "R1", **fields: object) -> str:
    asked = {"quoteReqId": name, "symbol": "IBM", "quantity": "500"} | fields
    return desk.ok("QuoteRequestCreateCmd", quoteRequest=asked).id


def quote(desk: Desk, name: str = "Q1", request: str = "R1", **fields: object) -> str:
    quoted = {"quoteId": name, "quoteReqId": request, "price": "101.5"} | fields
    return desk.ok("QuoteCreateCmd", quote=quoted).id


def request_now(desk: Desk, name: str = "R1") -> QuoteRequest:
    found = desk.engine.query(entity="quote_request", where=[f"quoteReqId={name}"]).content
    assert len(found) == 1
    assert isinstance(found[0], QuoteRequest)
    return found[0]


def quote_now(desk: Desk, name: str = "Q1") -> Quote:
    found = desk.engine.query(entity="quote", where=[f"quoteId={name}"]).content
    assert len(found) == 1
    assert isinstance(found[0], Quote)
    return found[0]


def states(desk: Desk) -> Mapping[str, str]:
    """Every request and every quote with its state."""
    requests = desk.engine.query(entity="quote_request", size=500).content
    quotes = desk.engine.query(entity="quote", size=500).content
    return {row.quote_req_id: row.state for row in requests if isinstance(row, QuoteRequest)} | {
        row.quote_id: row.state for row in quotes if isinstance(row, Quote)
    }


def told(desk: Desk, name: str = "R1") -> list[StoredEvent]:
    """The events of a request, in order of version."""
    return [event for event in desk.engine.events() if event.stream_id == f"quote-{name}"]


def at(desk: Desk, seconds_from_noon: float) -> None:
    """The next command comes this long after noon."""
    desk.clock.now = NOON + timedelta(seconds=seconds_from_noon) - MOMENT


def test_a_request_waits_for_quotes(desk: Desk) -> None:
    asked = {
        "symbol": "IBM",
        "quantity": "500.0",
        "side": "BUY",
        "currency": "USD",
        "account": "A",
        "validUntil": AT_ONE,
    }
    result = desk.ok("QuoteRequestCreateCmd", quoteRequest=asked)
    assert (result.id, result.state, result.version) == ("QRQ-1", "PENDING", 1)
    [event] = told(desk, "QRQ-1")
    assert event.type == "QuoteRequested"
    assert event.payload.to_wire() == asked | {
        "quoteReqId": "QRQ-1",
        "sessionId": "S1",
        "quantity": "500",
        "validUntil": "2026-01-02T13:00:00.000000Z",
    }
    request = request_now(desk, "QRQ-1")
    assert (request.id, request.version, request.session_id) == (event.position, 1, "S1")
    assert request.created_at == request.updated_at == event.recorded_at
    assert (request.valid_until, request.quantity, request.side) == (ONE, Decimal(500), Side.BUY)


def test_the_first_quote_makes_a_request_quoted_and_takes_what_is_not_said_from_it(desk: Desk) -> None:
    ask(desk, currency="EUR")
    result = desk.ok("QuoteCreateCmd", quote={"quoteReqId": "R1", "price": "99"}, actor="dora")
    assert (result.id, result.state) == ("QUO-1", "QUOTED")
    given_quote = quote_now(desk, "QUO-1")
    assert (given_quote.quantity, given_quote.currency, given_quote.quoted_by) == (Decimal(500), "EUR", "dora")
    assert (given_quote.quote_req_id, given_quote.price_type, given_quote.valid_until) == ("R1", None, None)
    created = told(desk)[-1]
    assert (given_quote.id, given_quote.created_at) == (created.position, created.recorded_at)
    request = request_now(desk)
    assert (request.state, request.version, request.updated_at) == ("QUOTED", 2, created.recorded_at)


def test_a_quote_says_what_it_says_whatever_the_request_says(desk: Desk) -> None:
    ask(desk, currency="EUR", validUntil=AT_NOON)
    quote(desk, quantity="20", currency="CHF", validUntil=AT_ONE, quotedBy="Zoë", priceType="PER_UNIT")
    given_quote = quote_now(desk)
    assert (given_quote.quantity, given_quote.currency, given_quote.quoted_by) == (Decimal(20), "CHF", "Zoë")
    assert (given_quote.valid_until, given_quote.price_type) == (ONE, "PER_UNIT")


@pytest.mark.parametrize("price_type", ["SPREAD", "YIELD"])
def test_a_spread_or_a_yield_may_be_quoted_at_or_below_zero(desk: Desk, price_type: str) -> None:
    ask(desk)
    quote(desk, "Q1", price="0", priceType=price_type)
    quote(desk, "Q2", price="-0.25", priceType=price_type)
    assert states(desk) == {"R1": "QUOTED", "Q1": "QUOTED", "Q2": "QUOTED"}


def test_taking_a_quote_rejects_the_other_open_ones(desk: Desk) -> None:
    ask(desk)
    for name in ("Q1", "Q2", "Q3", "Q4"):
        quote(desk, name)
    desk.ok("QuoteExpireCmd", quoteId="Q3")
    result = desk.ok("QuoteAcceptCmd", quoteId="Q2")
    assert (result.id, result.state) == ("Q2", "ACCEPTED")
    assert states(desk) == {"R1": "ACCEPTED", "Q1": "REJECTED", "Q2": "ACCEPTED", "Q3": "EXPIRED", "Q4": "REJECTED"}
    written = [(event.type, event.payload.to_wire()) for event in told(desk)[-3:]]
    assert written == [
        ("QuoteAccepted", {"quoteId": "Q2"}),
        ("QuoteRejected", {"quoteId": "Q1", "reason": NOT_CHOSEN}),
        ("QuoteRejected", {"quoteId": "Q4", "reason": NOT_CHOSEN}),
    ]
    assert [event.version for event in result.events] == [7, 8, 9]
    assert request_now(desk).version == 9


@pytest.mark.parametrize(("kind", "end"), [("QuoteRejectCmd", "REJECTED"), ("QuoteExpireCmd", "EXPIRED")])
def test_one_quote_ends_and_the_request_stays_open(desk: Desk, kind: str, end: str) -> None:
    ask(desk)
    quote(desk, "Q1")
    result = desk.ok(kind, quoteId="Q1", reason="too dear")
    assert (result.id, result.state, result.version) == ("Q1", end, 3)
    assert states(desk) == {"R1": "QUOTED", "Q1": end}
    assert told(desk)[-1].payload.to_wire() == {"quoteId": "Q1", "reason": "too dear"}
    quote(desk, "Q2")
    desk.ok("QuoteAcceptCmd", quoteId="Q2")
    assert states(desk) == {"R1": "ACCEPTED", "Q1": end, "Q2": "ACCEPTED"}


@pytest.mark.parametrize(("kind", "end"), [("QuoteRejectCmd", "REJECTED"), ("QuoteExpireCmd", "EXPIRED")])
def test_a_request_ends_with_its_open_quotes_in_one_event(desk: Desk, kind: str, end: str) -> None:
    other = "QuoteExpireCmd" if kind == "QuoteRejectCmd" else "QuoteRejectCmd"
    ask(desk)
    for name in ("Q1", "Q2", "Q3"):
        quote(desk, name)
    desk.ok(other, quoteId="Q2")
    result = desk.ok(kind, quoteReqId="R1", reason="no need")
    assert (result.id, result.state, len(result.events)) == ("R1", end, 1)
    assert told(desk)[-1].payload.to_wire() == {"reason": "no need"}
    earlier = "EXPIRED" if end == "REJECTED" else "REJECTED"
    assert states(desk) == {"R1": end, "Q1": end, "Q2": earlier, "Q3": end}


@pytest.mark.parametrize(("kind", "end"), [("QuoteRejectCmd", "REJECTED"), ("QuoteExpireCmd", "EXPIRED")])
def test_a_request_without_quotes_ends_too(desk: Desk, kind: str, end: str) -> None:
    ask(desk)
    desk.ok(kind, quoteRequestId="R1")
    assert states(desk) == {"R1": end}


def test_a_quote_writes_only_the_rows_that_change(desk: Desk) -> None:
    def rows_written(kind: str, **fields: object) -> int:
        before = desk.engine._store.connection.total_changes
        desk.ok(kind, **fields)
        return desk.engine._store.connection.total_changes - before

    ask(desk)
    first, second, *_ = (rows_written("QuoteCreateCmd", quote=QUOTED | {"quoteId": f"Q{n}"}) for n in range(1, 10))
    assert first == second
    assert rows_written("QuoteCreateCmd", quote=QUOTED | {"quoteId": "Q10"}) == first
    assert rows_written("QuoteRejectCmd", quoteId="Q1") == first
    assert rows_written("QuoteRejectCmd", quoteReqId="R1") == first + 9
    assert set(states(desk).values()) == {"REJECTED"}


def test_a_quote_makes_no_order(desk: Desk) -> None:
    ask(desk)
    quote(desk)
    desk.ok("QuoteAcceptCmd", quoteId="Q1")
    assert desk.engine.counts()["orders"] == 0


def test_requests_do_not_touch_each_other(desk: Desk) -> None:
    for name in ("1", "2"):
        ask(desk, f"R{name}")
        quote(desk, f"Q{name}", f"R{name}")
    desk.ok("QuoteAcceptCmd", quoteId="Q1")
    assert states(desk) == {"R1": "ACCEPTED", "Q1": "ACCEPTED", "R2": "QUOTED", "Q2": "QUOTED"}
    assert [event.version for event in told(desk, "R2")] == [1, 2]


VALID: list[tuple[str | None, str | None, str]] = [
    ("12:00", None, "the end of the quote"),
    (None, "12:00", "the end of the request where the quote has none"),
    ("12:00", "13:00", "the earlier end of the two"),
    ("13:00", "12:00", "the earlier end of the two"),
]


@pytest.fixture(params=VALID, ids=lambda row: f"quote {row[0]}, request {row[1]}")
def till_noon(request: pytest.FixtureRequest, desk: Desk) -> Desk:
    """A quote that ends at noon, by its own end or by that of its request."""
    own, of_request, _ = request.param
    ends = [{"validUntil": f"2026-01-02T{time}:00Z"} if time else {} for time in (own, of_request)]
    ask(desk, **ends[1])
    quote(desk, **ends[0])
    return desk


def test_a_quote_is_taken_until_its_end_and_not_at_it(till_noon: Desk) -> None:
    at(till_noon, 0)
    problem = till_noon.refused("QuoteAcceptCmd", quoteId="Q1")
    assert [(found.rule_id, found.code, found.field) for found in problem.violations] == [
        ("QUO-03", NOT_OPEN, "quoteId")
    ]
    assert problem.detail == f"quote Q1 was valid until {instant_text(NOON)}; ask for a new quote"
    at(till_noon, -0.001)
    till_noon.ok("QuoteAcceptCmd", quoteId="Q1")


def test_a_quote_expires_from_its_end_on_and_not_before(till_noon: Desk) -> None:
    at(till_noon, -0.001)
    problem = till_noon.refused("QuoteExpireCmd", quoteId="Q1")
    assert [(found.rule_id, found.code, found.field) for found in problem.violations] == [
        ("QUO-05", NOT_OPEN, "quoteId")
    ]
    assert problem.detail == f"quote Q1 is valid until {instant_text(NOON)}; that time has not come"
    at(till_noon, 0)
    till_noon.ok("QuoteExpireCmd", quoteId="Q1")


def test_a_request_expires_from_its_own_end_on_and_not_before(desk: Desk) -> None:
    ask(desk, validUntil=AT_NOON)
    quote(desk, validUntil=AT_ONE)
    at(desk, -0.001)
    problem = desk.refused("QuoteExpireCmd", quoteReqId="R1")
    assert [(found.rule_id, found.code, found.field) for found in problem.violations] == [
        ("QUO-05", NOT_OPEN, "quoteReqId")
    ]
    assert problem.detail == f"quote request R1 is valid until {instant_text(NOON)}; that time has not come"
    at(desk, 0)
    desk.ok("QuoteExpireCmd", quoteReqId="R1")
    assert states(desk) == {"R1": "EXPIRED", "Q1": "EXPIRED"}


def test_what_has_no_end_expires_at_any_time(desk: Desk) -> None:
    ask(desk)
    quote(desk)
    desk.ok("QuoteExpireCmd", quoteId="Q1")
    desk.ok("QuoteExpireCmd", quoteReqId="R1")
    assert states(desk) == {"R1": "EXPIRED", "Q1": "EXPIRED"}


def test_what_is_not_over_yet_can_still_be_rejected(till_noon: Desk) -> None:
    till_noon.ok("QuoteRejectCmd", quoteId="Q1")
    till_noon.ok("QuoteRejectCmd", quoteReqId="R1")
    assert states(till_noon) == {"R1": "REJECTED", "Q1": "REJECTED"}


GIVEN: dict[str, tuple[tuple[str, Fields], ...]] = {
    "nothing": (),
    "PENDING": (),
    "QUOTED": (("quote", {}),),
    "ACCEPTED": (("quote", {}), ("QuoteAcceptCmd", {"quoteId": "Q1"})),
    "REJECTED": (("quote", {}), ("QuoteRejectCmd", {"quoteReqId": "R1"})),
    "EXPIRED": (("quote", {}), ("QuoteExpireCmd", {"quoteReqId": "R1"})),
    "quote REJECTED": (("quote", {}), ("QuoteRejectCmd", {"quoteId": "Q1"})),
}
"""State of the request R1 -> the commands that lead there from its creation; Q1 is its quote."""


def lead_to(desk: Desk, state: str) -> None:
    if state != "nothing":
        ask(desk)
    for kind, fields in GIVEN[state]:
        if kind == "quote":
            quote(desk)
        else:
            desk.ok(kind, **fields)


REQUEST: Fields = {"quoteReqId": "R2", "symbol": "IBM", "quantity": "500"}
QUOTE: Fields = {"quoteId": "Q2", "quoteReqId": "R1", "price": "100"}

REQUEST_VIOLATIONS: list[tuple[str, str, str, Fields]] = [
    ("QUO-01", VAL3, "symbol", {"symbol": " "}),
    ("QUO-01", VAL3, "quantity", {"quantity": None}),
    ("QUO-01", VAL5, "quantity", {"quantity": "0"}),
    ("QUO-01", VAL5, "quantity", {"quantity": "-0.00000001"}),
    ("QUO-01", VAL4, "currency", {"currency": "eur"}),
    ("QUO-01", VAL4, "currency", {"currency": "EURO"}),
    ("QUO-01", VAL4, "currency", {"currency": "ÄÖÜ"}),
    ("QUO-01", VAL5, "validUntil", {"validUntil": instant_text(START + 2 * MOMENT)}),
    ("QUO-01", VAL4, "quoteReqId", {"quoteReqId": "R/2"}),
    ("QUO-01", USED, "quoteReqId", {"quoteReqId": "R1"}),
    ("ORD-17", VAL5, "quantity", {"quantity": "1.123456789"}),
    ("ORD-18", VAL5, "symbol", {"symbol": "x" * 65}),
    ("ORD-18", VAL5, "account", {"account": "x" * 33}),
    ("ORD-21", VAL4, "side", {"side": "buy"}),
    ("ENV-06", VAL4, "quantity", {"quantity": "many"}),
    ("ENV-06", VAL4, "validUntil", {"validUntil": "2026-01-02T12:00:00"}),
    ("ENV-02", VAL2, "price", {"price": "5"}),
]
"""Rule, code, field: what is changed in a good request, so that this rule refuses it."""

REQUEST_BOUNDARIES: list[Fields] = [
    {"quantity": "0.00000001"},
    {"quantity": "999999999999999999.99999999"},
    {"currency": "XAU"},
    {"validUntil": instant_text(START + 3 * MOMENT)},
    {"quoteReqId": "A-z_0.9" + "x" * 57},
    {"symbol": "x" * 32, "account": "x" * 32},
]
"""What is changed in a good request and leaves it good."""

QUOTE_VIOLATIONS: list[tuple[str, str, str, Fields]] = [
    ("QUO-02", VAL3, "quoteReqId", {"quoteReqId": None}),
    ("QUO-02", NO_REQUEST, "quoteReqId", {"quoteReqId": "R9"}),
    ("QUO-02", VAL3, "price", {"price": None}),
    ("QUO-02", VAL5, "price", {"price": "0"}),
    ("QUO-02", VAL5, "price", {"price": "-1", "priceType": "PER_UNIT"}),
    ("QUO-02", VAL5, "quantity", {"quantity": "0"}),
    ("QUO-02", VAL4, "currency", {"currency": "US"}),
    ("QUO-02", VAL5, "validUntil", {"validUntil": instant_text(START + 3 * MOMENT)}),
    ("QUO-02", VAL4, "quoteId", {"quoteId": "Q 2"}),
    ("QUO-02", USED, "quoteId", {"quoteId": "Q1"}),
    ("ORD-17", VAL5, "price", {"price": "1" * 19}),
    ("ORD-18", VAL5, "quotedBy", {"quotedBy": "x" * 65}),
    ("ORD-21", VAL4, "priceType", {"priceType": "FREE"}),
    ("ENV-06", VAL4, "quotedBy", {"quotedBy": "dora\u200b"}),
    ("ENV-06", VAL4, "price", {"price": "cheap"}),
    ("ENV-02", VAL2, "symbol", {"symbol": "IBM"}),
]
"""Rule, code, field: what is changed in a good quote, so that this rule refuses it."""

QUOTE_BOUNDARIES: list[Fields] = [
    {"price": "0.00000001"},
    {"quantity": "0.00000001", "currency": "USD"},
    {"validUntil": instant_text(START + 4 * MOMENT)},
    {"quoteId": None, "quotedBy": "Zoë 李"},
    {"quoteReqId": None, "quoteRequestId": "R1"},
]
"""What is changed in a good quote and leaves it good."""

COMMAND_VIOLATIONS: list[tuple[str, str, str, str, str, Fields]] = [
    ("QUO-01", VAL3, "quoteRequest", "nothing", "QuoteRequestCreateCmd", {}),
    ("ENV-06", VAL4, "quoteRequest", "nothing", "QuoteRequestCreateCmd", {"quoteRequest": "IBM"}),
    ("QUO-02", VAL3, "quote", "PENDING", "QuoteCreateCmd", {}),
    ("QUO-02", NOT_OPEN, "quoteReqId", "ACCEPTED", "QuoteCreateCmd", {"quote": QUOTE}),
    ("QUO-02", NOT_OPEN, "quoteReqId", "REJECTED", "QuoteCreateCmd", {"quote": QUOTE}),
    ("QUO-02", NOT_OPEN, "quoteReqId", "EXPIRED", "QuoteCreateCmd", {"quote": QUOTE}),
    ("ENV-07", VAL3, "quoteId", "QUOTED", "QuoteAcceptCmd", {"quoteId": " "}),
    ("QUO-03", NO_QUOTE, "quoteId", "QUOTED", "QuoteAcceptCmd", {"quoteId": "Q9"}),
    ("QUO-03", NOT_OPEN, "quoteId", "ACCEPTED", "QuoteAcceptCmd", {"quoteId": "Q1"}),
    ("QUO-03", NOT_OPEN, "quoteId", "REJECTED", "QuoteAcceptCmd", {"quoteId": "Q1"}),
    ("QUO-03", NOT_OPEN, "quoteId", "EXPIRED", "QuoteAcceptCmd", {"quoteId": "Q1"}),
    ("QUO-03", NOT_OPEN, "quoteId", "quote REJECTED", "QuoteAcceptCmd", {"quoteId": "Q1"}),
    ("ENV-02", VAL2, "reason", "QUOTED", "QuoteAcceptCmd", {"quoteId": "Q1", "reason": "cheap"}),
    ("ENV-02", VAL2, "quoteReqId", "QUOTED", "QuoteAcceptCmd", {"quoteId": "Q1", "quoteReqId": "R1"}),
]
ENDED = ("ACCEPTED", "REJECTED", "EXPIRED")
OF_QUOTE: Fields = {"quoteId": "Q1"}
OF_REQUEST: Fields = {"quoteReqId": "R1"}
for _rule, _kind in (("QUO-04", "QuoteRejectCmd"), ("QUO-05", "QuoteExpireCmd")):
    COMMAND_VIOLATIONS += [
        ("ENV-07", VAL3, "quoteId", "QUOTED", _kind, {}),
        (_rule, VAL1, "quoteReqId", "QUOTED", _kind, OF_QUOTE | OF_REQUEST),
        (_rule, VAL1, "quoteReqId", "QUOTED", _kind, {"quoteId": "Q9", "quoteReqId": "R9"}),
        (_rule, NO_QUOTE, "quoteId", "QUOTED", _kind, {"quoteId": "Q9"}),
        (_rule, NO_REQUEST, "quoteReqId", "QUOTED", _kind, {"quoteReqId": "R9"}),
        ("ORD-18", VAL5, "reason", "QUOTED", _kind, OF_QUOTE | {"reason": "x" * 2_001}),
        *((_rule, NOT_OPEN, "quoteId", state, _kind, OF_QUOTE) for state in (*ENDED, "quote REJECTED")),
        *((_rule, NOT_OPEN, "quoteReqId", state, _kind, OF_REQUEST) for state in ENDED),
    ]


def refusal(desk: Desk, kind: str, fields: Mapping[str, object]) -> list[tuple[str, str, str]]:
    problem = desk.refused(kind, **fields)
    assert problem.violations[0].citation == citation(problem.violations[0].rule_id)
    return [(found.rule_id, found.code, found.field) for found in problem.violations]


def changed(good: Fields, changes: Fields) -> Fields:
    return {name: value for name, value in (good | changes).items() if value is not None}


@pytest.mark.parametrize(("rule", "code", "field", "changes"), REQUEST_VIOLATIONS)
def test_a_bad_request_is_refused(desk: Desk, rule: str, code: str, field: str, changes: Fields) -> None:
    ask(desk)
    found = refusal(desk, "QuoteRequestCreateCmd", {"quoteRequest": changed(REQUEST, changes)})
    assert found == [(rule, code, field)]


@pytest.mark.parametrize("changes", REQUEST_BOUNDARIES)
def test_the_nearest_good_request_is_taken(desk: Desk, changes: Fields) -> None:
    ask(desk)
    desk.clock.now = START + MOMENT
    desk.ok("QuoteRequestCreateCmd", quoteRequest=changed(REQUEST, changes))


@pytest.mark.parametrize(("rule", "code", "field", "changes"), QUOTE_VIOLATIONS)
def test_a_bad_quote_is_refused(desk: Desk, rule: str, code: str, field: str, changes: Fields) -> None:
    ask(desk)
    quote(desk)
    assert refusal(desk, "QuoteCreateCmd", {"quote": changed(QUOTE, changes)}) == [(rule, code, field)]


@pytest.mark.parametrize("changes", QUOTE_BOUNDARIES)
def test_the_nearest_good_quote_is_taken(desk: Desk, changes: Fields) -> None:
    ask(desk)
    quote(desk)
    desk.clock.now = START + 2 * MOMENT
    desk.ok("QuoteCreateCmd", quote=changed(QUOTE, changes))


@pytest.mark.parametrize(("rule", "code", "field", "state", "kind", "fields"), COMMAND_VIOLATIONS)
def test_a_command_that_does_not_fit_is_refused(
    desk: Desk, rule: str, code: str, field: str, state: str, kind: str, fields: Fields
) -> None:
    lead_to(desk, state)
    assert refusal(desk, kind, fields) == [(rule, code, field)]


def test_everything_that_is_wrong_with_a_request_is_told_at_once(desk: Desk) -> None:
    found = refusal(
        desk, "QuoteRequestCreateCmd", {"quoteRequest": {"currency": "x", "validUntil": "2025-01-01T00:00Z"}}
    )
    assert found == [
        ("QUO-01", VAL3, "symbol"),
        ("QUO-01", VAL3, "quantity"),
        ("QUO-01", VAL4, "currency"),
        ("QUO-01", VAL5, "validUntil"),
    ]


def test_a_request_needs_a_session(desk: Desk) -> None:
    result = desk.engine.execute({"type": "QuoteRequestCreateCmd", "quoteRequest": REQUEST}, session_id=" ")
    assert result.error is not None
    assert [(found.rule_id, found.code, found.field) for found in result.error.violations] == [
        ("QUO-01", VAL3, "sessionId")
    ]


def test_an_id_of_another_request_is_used_for_good(desk: Desk) -> None:
    ask(desk, "R1")
    ask(desk, "R2")
    quote(desk, "Q1", "R1")
    desk.ok("QuoteRejectCmd", quoteReqId="R1")
    assert refusal(desk, "QuoteCreateCmd", {"quote": QUOTE | {"quoteId": "Q1", "quoteReqId": "R2"}}) == [
        ("QUO-02", USED, "quoteId")
    ]
    assert refusal(desk, "QuoteRequestCreateCmd", {"quoteRequest": REQUEST | {"quoteReqId": "R1"}}) == [
        ("QUO-01", USED, "quoteReqId")
    ]


def test_the_machines_say_what_follows_what() -> None:
    pending, quoted, *ends = QuoteState
    assert QUOTE_REQUEST_MACHINE.initial_states == {pending}
    assert QUOTE_REQUEST_MACHINE.get_valid_transitions(pending) == {quoted, QuoteState.REJECTED, QuoteState.EXPIRED}
    assert QUOTE_MACHINE.is_initial_state(quoted)
    for machine in (QUOTE_REQUEST_MACHINE, QUOTE_MACHINE):
        assert machine.get_valid_transitions(quoted) == set(ends)
        assert machine.terminal_states == set(ends)


def test_an_event_of_another_kind_of_stream_is_a_mistake(desk: Desk) -> None:
    ask(desk)
    [requested] = told(desk)
    strange = requested.model_copy(update={"payload": OrderClosed(), "version": 2})
    with pytest.raises(TypeError, match="OrderClosed is no event of a quote request"):
        evolve_quotes(evolve_quotes(None, requested), strange)


request_ids = st.sampled_from(["R1", "R2"])
quote_ids = st.sampled_from(["Q1", "Q2", "Q3"])
ends_of_time = st.sampled_from([AT_NOON, AT_ONE])
asks = st.fixed_dictionaries(
    {"quoteReqId": request_ids, "symbol": st.just("IBM"), "quantity": st.sampled_from(["5", "0"])},
    optional={"validUntil": ends_of_time, "currency": st.just("EUR")},
).map(lambda asked: {"type": "QuoteRequestCreateCmd", "quoteRequest": asked})
gives = st.fixed_dictionaries(
    {"quoteReqId": request_ids, "quoteId": quote_ids, "price": st.sampled_from(["5", "-5"])},
    optional={"validUntil": ends_of_time, "priceType": st.just("SPREAD")},
).map(lambda given_quote: {"type": "QuoteCreateCmd", "quote": given_quote})
takes = quote_ids.map(lambda name: {"type": "QuoteAcceptCmd", "quoteId": name})
finishes = st.fixed_dictionaries(
    {"type": st.sampled_from(["QuoteRejectCmd", "QuoteExpireCmd"])},
    optional={"quoteId": quote_ids, "quoteReqId": request_ids, "reason": st.just("over")},
)
steps = st.tuples(st.one_of(asks, gives, gives, takes, finishes), st.sampled_from([0, 0, 90]))
"""A command, and how many minutes pass before it."""

START_WITH: list[tuple[dict[str, Any], int]] = [
    ({"type": "QuoteRequestCreateCmd", "quoteRequest": {"quoteReqId": "R1", "symbol": "IBM", "quantity": "5"}}, 0),
    ({"type": "QuoteCreateCmd", "quote": {"quoteReqId": "R1", "quoteId": "Q1", "price": "5"}}, 0),
]


def folded(desk: Desk) -> dict[str, QuoteRequestState]:
    """Every request as its events say, each step checked against the machines."""
    requests: dict[str, QuoteRequestState] = {}
    for event in desk.engine.events(limit=10_000):
        before = requests.get(event.stream_id)
        after = evolve_quotes(before, event)
        _require_step(before, after)
        requests[event.stream_id] = after
    return requests


def _require_step(before: QuoteRequestState | None, after: QuoteRequestState) -> None:
    was = before.request.state if before else None
    assert was is after.request.state or QUOTE_REQUEST_MACHINE.is_valid_transition(was, after.request.state)
    assert after.version == (before.version if before else 0) + 1
    for name, one in after.quotes.items():
        earlier = before.quotes.get(name) if before else None
        was = earlier.state if earlier else None
        assert was is one.state or QUOTE_MACHINE.is_valid_transition(was, one.state)
        assert one.state is not QuoteState.PENDING


@given(sequence=st.lists(steps, min_size=1, max_size=25))
def test_whatever_is_sent_no_state_follows_that_must_not_and_the_read_model_is_the_fold(
    sequence: list[tuple[dict[str, Any], int]],
) -> None:
    desk = Desk()
    for envelope, minutes in [*START_WITH, *sequence]:
        desk.clock.now += timedelta(minutes=minutes)
        before = desk.rows()
        result = desk.engine.execute(envelope)
        assert (desk.rows() != before) == result.ok == bool(result.events)
        assert result.error is None or not result.error.error_code.startswith("OMS-SYS")
    requests = folded(desk)
    rows = desk.engine.query(entity="quote_request", sort="id,ASC", size=500).content
    assert list(rows) == [state.request for state in requests.values()]
    quotes = desk.engine.query(entity="quote", sort="id,ASC", size=500).content
    expected = sorted((one for state in requests.values() for one in state.quotes.values()), key=lambda one: one.id)
    assert list(quotes) == expected
    for state in requests.values():
        accepted = [one for one in state.quotes.values() if one.state is QuoteState.ACCEPTED]
        assert len(accepted) == (state.request.state is QuoteState.ACCEPTED)
        still_open = any(one.state is QuoteState.QUOTED for one in state.quotes.values())
        assert not still_open or state.request.state is QuoteState.QUOTED
