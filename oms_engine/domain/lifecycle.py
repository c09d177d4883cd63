"""Which states can follow which? The lifecycle profiles as tables."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

from oms_engine.domain.catalogue import violation
from oms_engine.domain.vocabulary import State
from oms_engine.errors import Refused, problem_of, shown
from oms_engine.framework.state_machine import StateMachine, StateMachineConfig
from oms_engine.record import Record

Profile = Literal["standard", "matrix", "desk"]

N, U, L, F, X, R, E, C = State

TRANSITIONS: dict[Profile, dict[State, tuple[State, ...]]] = {
    "standard": {N: (U,), U: (L, R), L: (F, X, R, E), F: (C,), X: (C,), R: (C,), E: (C,), C: ()},
    "matrix": {N: (U,), U: (L, R), L: (F, X, R, E), F: (C,), X: (C,), R: (C,), E: (), C: ()},
    "desk": {N: (U, R, X), U: (L, R, X, F, E), L: (F, X, R, E, C), F: (C,), X: (C,), R: (C,), E: (C,), C: ()},
}

CORRECTIONS: dict[State, tuple[State, ...]] = {State.FILLED: (State.LIVE,)}
"""Only whack, bust and correct may use these; they are no normal transitions in any profile."""


def _machine(table: dict[State, tuple[State, ...]]) -> StateMachine[State]:
    builder = StateMachineConfig.builder(State).initial(State.NEW)
    for start, targets in table.items():
        if targets:
            builder = builder.transition(start, *targets)
    for start, targets in CORRECTIONS.items():
        builder = builder.correction(start, *targets)
    return StateMachine(builder.terminal(*(start for start, targets in table.items() if not targets)).build())


MACHINES: dict[Profile, StateMachine[State]] = {profile: _machine(table) for profile, table in TRANSITIONS.items()}

COMMAND_INTO: dict[State, str] = {
    State.NEW: "OrderCreateCmd",
    State.UNACK: "OrderPlaceCmd",
    State.LIVE: "OrderAcceptCmd",
    State.FILLED: "ExecutionCreateCmd",
    State.CXL: "OrderCancelAcceptCmd",
    State.REJ: "OrderRejectCmd",
    State.EXP: "OrderExpireCmd",
    State.CLOSED: "OrderCloseCmd",
}
"""The command that takes an order into a state."""

SPECIAL_WAYS: dict[tuple[State, State], str] = {(State.NEW, State.CXL): "OrderCancelCmd"}
"""Transitions that another command makes: what was never sent is cancelled at once."""

TARGETS: Mapping[str, State] = {
    **{command: state for state, command in COMMAND_INTO.items() if state is not State.FILLED},
    "OrderCancelCmd": State.CXL,
}
"""The state that a command wants an order to get into; a fill may or may not complete one."""

ENTERED_BY: Mapping[str, State] = {
    "OrderCreated": State.NEW,
    "OrderPlaced": State.UNACK,
    "OrderAccepted": State.LIVE,
    "OrderFilled": State.FILLED,
    "OrderRejected": State.REJ,
    "OrderCancelled": State.CXL,
    "OrderExpired": State.EXP,
    "OrderClosed": State.CLOSED,
    "OrderReopened": State.LIVE,
}
"""Event -> the state that an order is in afterwards; no other event changes the state."""

CORRECTION_COMMANDS = "ExecutionWhackCmd, ExecutionBustCmd or ExecutionCorrectCmd"


class NextState(Record):
    """A state that an order can reach, the command that takes it there, and why."""

    to: State
    command: str
    correction: bool
    why: str


class TransitionCheck(Record):
    """Whether a sequence of states is possible, how far it gets, and what can follow."""

    valid: bool
    path: tuple[State, ...]
    failed_from: State | None = None
    failed_to: State | None = None
    final_state: State | None = None
    error_message: str | None = None
    profile: Profile
    next_states: tuple[NextState, ...] = ()


def read_states(names: Sequence[str]) -> list[State]:
    """States by name; raises Refused (OMS-VAL-004) listing the valid ones."""
    unknown = [name for name in names if name not in State.__members__]
    if unknown:
        message = f"state {shown(unknown[0])} is unknown; use one of {', '.join(State)}"
        raise Refused(problem_of([violation("ORD-21", "OMS-VAL-004", "state", message)]))
    return [State[name] for name in names]


def read_profile(name: str) -> Profile:
    """A lifecycle profile by name; raises Refused (OMS-VAL-004) listing the valid ones."""
    for profile in get_args(Profile):
        if profile == name:
            return profile  # type: ignore[no-any-return] # get_args loses the literal's type
    message = f"profile {shown(name)} is unknown; use one of {', '.join(get_args(Profile))}"
    raise Refused(problem_of([violation("ORD-21", "OMS-VAL-004", "profile", message)]))


def check_path(profile: Profile, start: State | None, path: Sequence[State]) -> TransitionCheck:
    """Can an order go through these states? A start of None stands for an order that does not exist yet."""
    machine = MACHINES[profile]
    steps = list(path)
    if start is None:
        if not steps:
            return TransitionCheck(valid=True, path=(), profile=profile, next_states=next_states(profile, None))
        start = steps.pop(0)
        if not machine.is_initial_state(start):
            initial = ", ".join(sorted(machine.initial_states))
            message = f"an order cannot begin as {start}; it begins as {initial}"
            return TransitionCheck(
                valid=False,
                path=(),
                failed_to=start,
                error_message=message,
                profile=profile,
                next_states=next_states(profile, None),
            )
    result = machine.validate_sequence(start, *steps)
    return TransitionCheck(
        valid=result.valid,
        path=result.path,
        failed_from=result.failed_from,
        failed_to=result.failed_to,
        final_state=result.final_state,
        error_message=result.error_message,
        profile=profile,
        next_states=next_states(profile, result.final_state),
    )


def _command(state: State | None, target: State, *, is_parent: bool) -> str:
    if is_parent and target is State.CXL:
        return "OrderCancelCmd"
    usual = COMMAND_INTO[target]
    return SPECIAL_WAYS.get((state, target), usual) if state else usual


def next_states(
    profile: Profile, state: State | None, forbidden: Collection[State] = (), *, is_parent: bool = False
) -> tuple[NextState, ...]:
    """What can follow a state: the normal transitions that are not forbidden, in order, then the corrections.

    A parent is cancelled by asking for it; it has no market of its own that could confirm.
    """
    machine = MACHINES[profile]
    normal = tuple(
        NextState(
            to=target, command=_command(state, target, is_parent=is_parent), correction=False, why=MEANINGS[target]
        )
        for target in State
        if machine.is_valid_transition(state, target) and target not in forbidden
    )
    corrections = tuple(
        NextState(
            to=target,
            command=CORRECTION_COMMANDS,
            correction=True,
            why="an execution is taken back, so quantity is open again; no normal transition",
        )
        for target in State
        if machine.is_valid_correction(state, target)
    )
    return normal + corrections


MEANINGS: dict[State, str] = {
    State.NEW: "the order is created and not sent yet",
    State.UNACK: "the order is sent to the market, which has not answered",
    State.LIVE: "the market acknowledges the order; it can be filled",
    State.FILLED: "fills complete the order: cumQty equals orderQty",
    State.CXL: "a cancel that OrderCancelCmd asked for is confirmed; fills made before stay",
    State.REJ: "the order is refused; only possible without fills",
    State.EXP: "the time in force has ended; fills made before stay",
    State.CLOSED: "the order is settled or cleaned up; nothing follows",
}
"""What it means that an order gets into a state."""
