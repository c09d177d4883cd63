"""Which states can follow which? The lifecycle profiles as tables."""

from typing import Literal

from oms_engine.domain.vocabulary import State
from oms_engine.framework.state_machine import StateMachine, StateMachineConfig

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
