"""Which states can follow which? The three profiles as the specification writes them, and what is asked of them."""

from itertools import product

import pytest

from oms_engine.domain.lifecycle import (
    COMMAND_INTO,
    CORRECTIONS,
    MACHINES,
    MEANINGS,
    TRANSITIONS,
    Profile,
    check_path,
    next_states,
)
from oms_engine.domain.vocabulary import (
    ApprovalLevel,
    CancelState,
    ExecInst,
    HandlInst,
    OrdType,
    PositionEffect,
    PriceType,
    SecurityIdSource,
    SecurityType,
    Side,
    State,
    TimeInForce,
)

STANDARD = {
    "NEW UNACK", "UNACK LIVE", "UNACK REJ", "LIVE FILLED", "LIVE CXL", "LIVE REJ", "LIVE EXP",
    "FILLED CLOSED", "CXL CLOSED", "REJ CLOSED", "EXP CLOSED",
}  # fmt: skip
DESK = {"NEW REJ", "NEW CXL", "UNACK CXL", "UNACK FILLED", "UNACK EXP", "LIVE CLOSED"}
ALLOWED = {"standard": STANDARD, "matrix": STANDARD - {"EXP CLOSED"}, "desk": STANDARD | DESK}
PROFILES: tuple[Profile, ...] = ("standard", "matrix", "desk")


@pytest.mark.parametrize("profile", PROFILES)
def test_exactly_these_transitions_are_valid(profile: Profile) -> None:
    machine = MACHINES[profile]
    valid = {f"{a} {b}" for a, b in product(State, State) if machine.is_valid_transition(a, b)}
    assert valid == ALLOWED[profile]
    assert machine.initial_states == {State.NEW}
    terminal = {State.CLOSED, State.EXP} if profile == "matrix" else {State.CLOSED}
    assert machine.terminal_states == terminal
    assert set(TRANSITIONS[profile]) == set(State)


@pytest.mark.parametrize("profile", PROFILES)
def test_only_a_filled_order_is_corrected_back_to_live(profile: Profile) -> None:
    machine = MACHINES[profile]
    assert {(a, b) for a, b in product(State, State) if machine.is_valid_correction(a, b)} == {("FILLED", "LIVE")}
    assert not machine.is_valid_transition(State.FILLED, State.LIVE)
    assert CORRECTIONS == {State.FILLED: (State.LIVE,)}


@pytest.mark.parametrize(
    ("profile", "path", "valid"),
    [
        ("standard", "NEW UNACK LIVE FILLED CLOSED", True),
        ("standard", "NEW UNACK REJ CLOSED", True),
        ("standard", "NEW UNACK LIVE CXL CLOSED", True),
        ("standard", "NEW UNACK LIVE REJ CLOSED", True),
        ("standard", "NEW UNACK LIVE EXP CLOSED", True),
        ("matrix", "NEW UNACK LIVE EXP", True),
        ("matrix", "NEW UNACK LIVE EXP CLOSED", False),
        ("desk", "NEW CXL CLOSED", True),
        ("standard", "NEW CXL CLOSED", False),
        ("standard", "UNACK LIVE", False),
        ("standard", "", True),
    ],
)
def test_a_lifecycle_is_checked_from_before_creation(profile: Profile, path: str, valid: bool) -> None:
    states = [State[name] for name in path.split()]
    check = check_path(profile, None, states)
    assert (check.valid, check.profile) == (valid, profile)
    assert check.path == tuple(states) or not valid


def test_a_refused_step_says_how_far_it_went_and_what_could_follow() -> None:
    check = check_path("standard", State.NEW, [State.UNACK, State.FILLED, State.CLOSED])
    assert (check.failed_from, check.failed_to, check.final_state) == ("UNACK", "FILLED", "UNACK")
    assert check.path == ("NEW", "UNACK")
    assert check.error_message
    assert all(word in check.error_message for word in ("UNACK", "FILLED", "LIVE", "REJ"))
    assert [step.to for step in check.next_states] == ["LIVE", "REJ"]


def test_an_order_begins_as_new() -> None:
    check = check_path("standard", None, [State.LIVE])
    assert (check.valid, check.path, check.failed_from, check.failed_to) == (False, (), None, "LIVE")
    assert check.error_message == "an order cannot begin as LIVE; it begins as NEW"
    assert [(step.to, step.command) for step in check.next_states] == [("NEW", "OrderCreateCmd")]


def test_what_can_follow_names_the_command_and_the_meaning() -> None:
    steps = next_states("standard", State.FILLED)
    assert [(step.to, step.command, step.correction) for step in steps] == [
        ("CLOSED", "OrderCloseCmd", False),
        ("LIVE", "ExecutionWhackCmd, ExecutionBustCmd or ExecutionCorrectCmd", True),
    ]
    assert steps[0].why == MEANINGS[State.CLOSED]
    assert set(MEANINGS) == set(COMMAND_INTO) == set(State)
    assert next_states("standard", State.CLOSED) == ()


@pytest.mark.parametrize(
    ("enum", "codes"),
    [
        (Side, "BUY=1 SELL=2 SELL_SHORT=5 SUBSCRIBE=D REDEEM=E"),
        (OrdType, "MARKET=1 LIMIT=2 STOP=3 STOP_LIMIT=4 MARKET_ON_CLOSE=5"),
        (
            TimeInForce,
            (
                "DAY=0 GOOD_TILL_CANCEL=1 AT_THE_OPENING=2 IMMEDIATE_OR_CANCEL=3 FILL_OR_KILL=4 "
                "GOOD_TILL_CROSSING=5 GOOD_TILL_DATE=6 AT_THE_CLOSE=7"
            ),
        ),
        (ExecInst, "NO_CROSS=A OK_TO_CROSS=B MID_PEG=M"),
        (HandlInst, "AUTO=1 BROKER_INTERVENTION_OK=2 MANUAL=3"),
        (PriceType, "PERCENTAGE=1 PER_UNIT=2 FIXED_AMOUNT=3 DISCOUNT=4 PREMIUM=5 SPREAD=6 YIELD=9"),
        (SecurityIdSource, "CUSIP=1 SEDOL=2 ISIN=4 RIC=5 EXCHANGE_SYMBOL=8 BLOOMBERG_SYMBOL=A"),
        (SecurityType, "CS=CS FUT=FUT OPT=OPT ETF=ETF ETN=ETN MF=MF CORP=CORP"),
        (PositionEffect, "OPEN=O CLOSE=C"),
        (State, "NEW=A UNACK=A LIVE=0 FILLED=2 CXL=4 REJ=8 EXP=C CLOSED=3"),
        (CancelState, "PCXL=6 PMOD=E CXL=4 REJ=9"),
    ],
)
def test_every_name_has_its_fix_code(enum: type[Side], codes: str) -> None:
    assert " ".join(f"{member.value}={member.fix}" for member in enum) == codes


def test_approval_levels_are_a_ladder() -> None:
    assert [level.rank for level in ApprovalLevel] == [0, 1, 2]
    assert list(ApprovalLevel) == ["SENIOR_TRADER", "HEAD_OF_TRADING", "RISK_COMMITTEE"]
