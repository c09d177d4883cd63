"""Which state may follow which? A table of transitions over any enum, checked when it is built, and asked from then on.

Configurations and machines are immutable and shared between threads. Corrections are kept apart from the normal
transitions: they count neither for reachability, nor as exits, nor in sequences.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar

S = TypeVar("S", bound=Enum)

Guard = Callable[[Any], bool]
"""A further condition of a transition, asked with the context of the caller."""


class StateTransitionError(Exception):
    """Which state was refused after which? `from_state` is None where the machine had yet to start."""

    def __init__(self, from_state: Enum | None, to_state: Enum | None, message: str) -> None:
        super().__init__(message)
        self.from_state = from_state
        self.to_state = to_state
        self.message = message


@dataclass(frozen=True)  # no slots: with them TransitionResult[State](...) raises in Python 3.11
class TransitionResult(Generic[S]):
    """How far did a sequence of states get?

    Attributes:
        valid: Every step was allowed.
        path: The start and the states reached.
        final_state: The last state reached.
        failed_from: On failure, the state in which the sequence stopped.
        failed_to: On failure, the state that was refused.
        error_message: On failure, both states and what would have been valid.
    """

    valid: bool
    path: tuple[S, ...]
    final_state: S
    failed_from: S | None = None
    failed_to: S | None = None
    error_message: str | None = None


@dataclass(frozen=True)  # no slots: with them StateMachineConfig[State](...) raises in Python 3.11
class StateMachineConfig(Generic[S]):
    """What does a builder hand over? The tables of a state machine, checked and unchangeable.

    `transitions` and `corrections` have an entry for every state; `guards` only for guarded transitions.
    """

    states: frozenset[S]
    initial: frozenset[S]
    terminal: frozenset[S]
    transitions: Mapping[S, frozenset[S]]
    corrections: Mapping[S, frozenset[S]]
    guards: Mapping[tuple[Enum | None, Enum | None], tuple[Guard, ...]]

    @staticmethod
    def builder(enum: type[S]) -> "StateMachineConfigBuilder[S]":
        """Start a configuration over all members of an enum."""
        return StateMachineConfigBuilder(enum)


class StateMachineConfigBuilder(Generic[S]):
    """How is a state machine described? Each step returns the builder; all but members of the enum is a ValueError."""

    def __init__(self, enum: type[S]) -> None:
        self._enum = enum
        self._initial: set[S] = set()
        self._terminal: set[S] = set()
        self._transitions: dict[S, set[S]] = {state: set() for state in enum}
        self._corrections: dict[S, set[S]] = {state: set() for state in enum}
        self._guards: dict[tuple[Enum | None, Enum | None], tuple[Guard, ...]] = {}

    def initial(self, *states: S) -> Self:
        """States in which a life may begin."""
        self._initial.update(self._members(states))
        return self

    def transition(self, from_state: S, *to_states: S, guard: Guard | None = None) -> Self:
        """Allow these states after the first one; the guards of one transition add up."""
        self._members((from_state, *to_states))
        self._transitions[from_state].update(to_states)
        if guard is not None:
            for to_state in to_states:
                key = (from_state, to_state)
                self._guards[key] = (*self._guards.get(key, ()), guard)
        return self

    def correction(self, from_state: S, *to_states: S) -> Self:
        """Allow these states after the first one as a correction only."""
        self._members((from_state, *to_states))
        self._corrections[from_state].update(to_states)
        return self

    def terminal(self, *states: S) -> Self:
        """Declare that nothing follows these states; `build` refuses them if something does."""
        self._terminal.update(self._members(states))
        return self

    def build(self) -> StateMachineConfig[S]:
        """The configuration as it stands now; its terminal states are all states without exits.

        Raises:
            ValueError: There is no initial state, a state cannot be reached from one, or a state declared terminal
                has an exit.
        """
        self._require_sound()
        return StateMachineConfig(
            states=frozenset(self._enum),
            initial=frozenset(self._initial),
            terminal=frozenset(state for state, exits in self._transitions.items() if not exits),
            transitions=_frozen(self._transitions),
            corrections=_frozen(self._corrections),
            guards=MappingProxyType(dict(self._guards)),
        )

    def _members(self, states: tuple[S, ...]) -> tuple[S, ...]:
        strangers = [state for state in states if not isinstance(state, self._enum)]
        if strangers:
            raise ValueError(f"{strangers[0]!r} is no {self._enum.__name__}; a state is a member of its enum")
        return states

    def _require_sound(self) -> None:
        if not self._initial:
            raise ValueError(f"no initial state of {self._enum.__name__} was given; name at least one")
        left = [state for state in self._enum if state in self._terminal and self._transitions[state]]
        if left:
            raise ValueError(f"{_names(left)} was declared terminal but has exits; remove the transitions or the mark")
        unreached = [state for state in self._enum if state not in self._reachable()]
        if unreached:
            raise ValueError(f"{_names(unreached)} was not reachable from an initial state; add a transition to it")

    def _reachable(self) -> set[S]:
        reached: set[S] = set()
        frontier = set(self._initial)
        while frontier:
            reached |= frontier
            frontier = {target for state in frontier for target in self._transitions[state]} - reached
        return reached


class StateMachine(Generic[S]):
    """May this state follow that one? Holds no state of its own: every question names the states it is about.

    None as a `from_state` means that the life has not begun: the initial states may follow.
    """

    def __init__(self, config: StateMachineConfig[S]) -> None:
        self.config = config

    @property
    def all_states(self) -> frozenset[S]:
        """Every member of the enum."""
        return self.config.states

    @property
    def initial_states(self) -> frozenset[S]:
        """The states in which a life may begin."""
        return self.config.initial

    @property
    def terminal_states(self) -> frozenset[S]:
        """The states that no transition leaves."""
        return self.config.terminal

    def is_initial_state(self, state: S | None) -> bool:
        """Whether a life may begin in this state."""
        return state in self.config.initial

    def is_terminal_state(self, state: S | None) -> bool:
        """Whether no transition leaves this state."""
        return state in self.config.terminal

    def get_valid_transitions(self, from_state: S | None) -> frozenset[S]:
        """The states that may follow by a normal transition, guards aside; empty if none."""
        if from_state is None:
            return self.config.initial
        return self.config.transitions.get(from_state, frozenset())

    def is_valid_transition(self, from_state: S | None, to_state: S | None, context: object = None) -> bool:
        """Whether the transition is declared and, when a context is given, its guards agree."""
        if to_state not in self.get_valid_transitions(from_state):
            return False
        return context is None or all(guard(context) for guard in self.config.guards.get((from_state, to_state), ()))

    def is_valid_correction(self, from_state: S | None, to_state: S | None) -> bool:
        """Whether a correction may lead from the one state to the other."""
        return from_state is not None and to_state in self.config.corrections.get(from_state, frozenset())

    def require(self, from_state: S | None, to_state: S | None, context: object = None) -> None:
        """Refuse what `is_valid_transition` does not allow.

        Raises:
            StateTransitionError: The transition is not declared, or a guard refuses it.
        """
        if not self.is_valid_transition(from_state, to_state, context):
            raise StateTransitionError(from_state, to_state, self._refusal(from_state, to_state))

    def transition(self, from_state: S | None, to_state: S | None) -> S | None:
        """The target if the transition is valid, else None."""
        return to_state if self.is_valid_transition(from_state, to_state) else None

    def transition_from(self, from_state: S | None) -> Callable[[S | None], S | None]:
        """`transition` as a function of the target."""
        return lambda to_state: self.transition(from_state, to_state)

    def transition_sequence(self, start: S, *steps: S) -> S | None:
        """The state after all steps, None when one of them is invalid; ValueError when a state is None."""
        result = self.validate_sequence(start, *steps)
        return result.final_state if result.valid else None

    def validate_sequence(self, start: S, *steps: S) -> TransitionResult[S]:
        """How far the steps lead from any start; stops at the first invalid one. ValueError when a state is None."""
        if start is None or None in steps:
            raise ValueError("a state of the sequence was None; start and steps are states")
        path = [start]
        for step in steps:
            if not self.is_valid_transition(path[-1], step):
                return self._stopped(tuple(path), step)
            path.append(step)
        return TransitionResult(valid=True, path=tuple(path), final_state=path[-1])

    def _stopped(self, path: tuple[S, ...], refused: S) -> TransitionResult[S]:
        return TransitionResult(
            valid=False,
            path=path,
            final_state=path[-1],
            failed_from=path[-1],
            failed_to=refused,
            error_message=self._refusal(path[-1], refused),
        )

    def _refusal(self, from_state: S | None, to_state: S | None) -> str:
        targets = self.get_valid_transitions(from_state)
        if to_state in targets:
            return f"a guard refused the transition from {_name(from_state)} to {_name(to_state)}"
        valid = f"valid next: {_names(targets)}" if targets else "nothing follows it"
        return f"{_name(to_state)} was refused after {_name(from_state)}; {valid}"


def _frozen(table: Mapping[S, set[S]]) -> Mapping[S, frozenset[S]]:
    return MappingProxyType({state: frozenset(targets) for state, targets in table.items()})


def _name(state: Enum | None) -> str:
    return "nothing" if state is None else state.name


def _names(states: Iterable[S]) -> str:
    return ", ".join(sorted(state.name for state in states))
