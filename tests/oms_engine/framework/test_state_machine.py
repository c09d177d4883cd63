from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.framework.state_machine import (
    StateMachine,
    StateMachineConfig,
    StateMachineConfigBuilder,
    StateTransitionError,
    TransitionResult,
)


class Door(StrEnum):
    OPEN = "o"
    SHUT = "s"
    LOCKED = "l"
    GONE = "g"


NOTHING: Any = None


def described() -> StateMachineConfigBuilder[Door]:
    return (
        StateMachineConfig.builder(Door)
        .initial(Door.OPEN)
        .transition(Door.OPEN, Door.SHUT, Door.GONE)
        .transition(Door.SHUT, Door.OPEN, Door.LOCKED)
        .transition(Door.LOCKED, Door.SHUT)
        .correction(Door.LOCKED, Door.OPEN)
        .terminal(Door.GONE)
    )


@pytest.fixture
def door() -> StateMachine[Door]:
    return StateMachine(described().build())


def test_only_declared_transitions_are_valid(door: StateMachine[Door]) -> None:
    assert door.is_valid_transition(Door.OPEN, Door.SHUT)
    assert not door.is_valid_transition(Door.OPEN, Door.LOCKED)


def test_a_state_does_not_follow_itself_unless_declared(door: StateMachine[Door]) -> None:
    assert not door.is_valid_transition(Door.OPEN, Door.OPEN)
    knocking = StateMachine(described().transition(Door.SHUT, Door.SHUT).build())
    assert knocking.is_valid_transition(Door.SHUT, Door.SHUT)


def test_a_life_begins_in_an_initial_state_only(door: StateMachine[Door]) -> None:
    assert door.is_valid_transition(None, Door.OPEN)
    assert not door.is_valid_transition(None, Door.SHUT)
    assert door.get_valid_transitions(None) == door.initial_states


def test_nothing_is_not_a_state_to_go_to(door: StateMachine[Door]) -> None:
    assert not door.is_valid_transition(Door.OPEN, None)
    assert not door.is_valid_transition(None, None)
    assert door.transition(Door.OPEN, None) is None


def test_a_correction_is_kept_apart_from_the_transitions(door: StateMachine[Door]) -> None:
    assert door.is_valid_correction(Door.LOCKED, Door.OPEN)
    assert not door.is_valid_transition(Door.LOCKED, Door.OPEN)
    assert not door.is_valid_correction(Door.OPEN, Door.SHUT)
    assert Door.OPEN not in door.get_valid_transitions(Door.LOCKED)


def test_nothing_is_no_side_of_a_correction(door: StateMachine[Door]) -> None:
    assert not door.is_valid_correction(None, Door.OPEN)
    assert not door.is_valid_correction(Door.LOCKED, None)


def test_the_valid_transitions_of_a_state_are_a_frozen_set(door: StateMachine[Door]) -> None:
    assert door.get_valid_transitions(Door.SHUT) == frozenset({Door.OPEN, Door.LOCKED})
    assert door.get_valid_transitions(Door.GONE) == frozenset()


def test_states_are_known_by_their_part_in_life(door: StateMachine[Door]) -> None:
    assert door.all_states == frozenset(Door)
    assert door.initial_states == frozenset({Door.OPEN})
    assert door.terminal_states == frozenset({Door.GONE})
    assert (door.is_initial_state(Door.OPEN), door.is_initial_state(Door.SHUT)) == (True, False)
    assert (door.is_terminal_state(Door.GONE), door.is_terminal_state(Door.SHUT)) == (True, False)
    assert not door.is_initial_state(None)
    assert not door.is_terminal_state(None)


def test_a_transition_gives_its_target_or_nothing(door: StateMachine[Door]) -> None:
    assert door.transition(Door.OPEN, Door.SHUT) is Door.SHUT
    assert door.transition(Door.OPEN, Door.LOCKED) is None
    assert door.transition(None, Door.OPEN) is Door.OPEN


def test_a_transition_can_be_had_as_a_function_of_its_target(door: StateMachine[Door]) -> None:
    from_shut = door.transition_from(Door.SHUT)
    assert [from_shut(state) for state in Door] == [Door.OPEN, None, Door.LOCKED, None]


def test_a_sequence_ends_in_its_last_state(door: StateMachine[Door]) -> None:
    assert door.transition_sequence(Door.OPEN, Door.SHUT, Door.LOCKED) is Door.LOCKED
    assert door.transition_sequence(Door.OPEN, Door.LOCKED, Door.SHUT) is None


def test_a_sequence_without_steps_stays_at_its_start(door: StateMachine[Door]) -> None:
    assert door.transition_sequence(Door.LOCKED) is Door.LOCKED
    assert door.validate_sequence(Door.LOCKED) == TransitionResult(
        valid=True, path=(Door.LOCKED,), final_state=Door.LOCKED
    )


def test_nothing_in_a_sequence_is_an_error(door: StateMachine[Door]) -> None:
    for ask in (door.transition_sequence, door.validate_sequence):
        with pytest.raises(ValueError, match="was None"):
            ask(NOTHING, Door.OPEN)
        with pytest.raises(ValueError, match="was None"):
            ask(Door.OPEN, Door.LOCKED, NOTHING)


def test_a_valid_sequence_tells_its_whole_path(door: StateMachine[Door]) -> None:
    assert door.validate_sequence(Door.SHUT, Door.OPEN, Door.GONE) == TransitionResult[Door](
        valid=True, path=(Door.SHUT, Door.OPEN, Door.GONE), final_state=Door.GONE
    )


def test_what_a_sequence_told_cannot_be_changed(door: StateMachine[Door]) -> None:
    with pytest.raises(AttributeError):
        door.validate_sequence(Door.SHUT).valid = False  # type: ignore[misc]


def test_an_invalid_sequence_tells_where_it_stopped_and_why(door: StateMachine[Door]) -> None:
    assert door.validate_sequence(Door.OPEN, Door.SHUT, Door.GONE, Door.OPEN) == TransitionResult(
        valid=False,
        path=(Door.OPEN, Door.SHUT),
        final_state=Door.SHUT,
        failed_from=Door.SHUT,
        failed_to=Door.GONE,
        error_message="GONE was refused after SHUT; valid next: LOCKED, OPEN",
    )


def test_a_sequence_cannot_leave_a_terminal_state(door: StateMachine[Door]) -> None:
    result = door.validate_sequence(Door.GONE, Door.OPEN)
    assert result.error_message == "OPEN was refused after GONE; nothing follows it"


def test_requiring_a_valid_transition_is_quiet(door: StateMachine[Door]) -> None:
    door.require(Door.OPEN, Door.SHUT)
    door.require(None, Door.OPEN)


def test_requiring_an_invalid_transition_raises_both_states(door: StateMachine[Door]) -> None:
    with pytest.raises(StateTransitionError) as caught:
        door.require(None, Door.LOCKED)
    error = caught.value
    assert (error.from_state, error.to_state) == (None, Door.LOCKED)
    assert error.message == str(error) == "LOCKED was refused after nothing; valid next: OPEN"


def with_key(context: dict[str, bool]) -> bool:
    return context["key"]


def unwatched(context: dict[str, bool]) -> bool:
    return not context.get("watched", False)


@pytest.fixture
def guarded() -> StateMachine[Door]:
    builder = described().transition(Door.SHUT, Door.LOCKED, guard=with_key)
    return StateMachine(builder.transition(Door.SHUT, Door.LOCKED, guard=unwatched).build())


def test_a_guard_is_asked_with_the_context(guarded: StateMachine[Door]) -> None:
    assert guarded.is_valid_transition(Door.SHUT, Door.LOCKED, {"key": True})
    assert not guarded.is_valid_transition(Door.SHUT, Door.LOCKED, {"key": False})


def test_all_guards_of_a_transition_must_agree(guarded: StateMachine[Door]) -> None:
    assert not guarded.is_valid_transition(Door.SHUT, Door.LOCKED, {"key": True, "watched": True})


def test_guards_are_skipped_without_a_context(guarded: StateMachine[Door]) -> None:
    assert guarded.is_valid_transition(Door.SHUT, Door.LOCKED)


def test_a_guard_concerns_its_own_transition_only(guarded: StateMachine[Door]) -> None:
    assert guarded.is_valid_transition(Door.SHUT, Door.OPEN, {"key": False})
    assert guarded.is_valid_transition(None, Door.OPEN, {"key": False})


def test_a_guard_does_not_allow_what_is_not_declared(guarded: StateMachine[Door]) -> None:
    assert not guarded.is_valid_transition(Door.OPEN, Door.LOCKED, {"key": True})


def test_requiring_against_a_guard_names_the_guard(guarded: StateMachine[Door]) -> None:
    guarded.require(Door.SHUT, Door.LOCKED, {"key": True})
    with pytest.raises(StateTransitionError, match="a guard refused the transition from SHUT to LOCKED"):
        guarded.require(Door.SHUT, Door.LOCKED, {"key": False})


def test_a_machine_without_an_initial_state_is_refused() -> None:
    with pytest.raises(ValueError, match="no initial state of Door"):
        StateMachineConfig.builder(Door).transition(Door.OPEN, Door.SHUT).build()


def test_a_state_that_no_initial_one_leads_to_is_refused() -> None:
    builder = StateMachineConfig.builder(Door).initial(Door.OPEN).transition(Door.OPEN, Door.SHUT)
    with pytest.raises(ValueError, match="GONE, LOCKED was not reachable"):
        builder.correction(Door.SHUT, Door.LOCKED, Door.GONE).build()


def test_a_terminal_state_with_an_exit_is_refused() -> None:
    with pytest.raises(ValueError, match="GONE was declared terminal but has exits"):
        described().transition(Door.GONE, Door.OPEN).build()


def test_states_without_exits_are_terminal_also_when_not_declared() -> None:
    config = StateMachineConfig.builder(Door).initial(*Door).transition(Door.OPEN, Door.SHUT).build()
    assert config.terminal == frozenset({Door.SHUT, Door.LOCKED, Door.GONE})


def test_a_transition_to_no_states_declares_nothing() -> None:
    assert described().transition(Door.GONE).build() == described().build()


class Window(Enum):
    OPEN = "o"


@pytest.mark.parametrize("stranger", [None, "o", Window.OPEN])
def test_a_state_that_is_no_member_of_the_enum_is_refused(stranger: Any) -> None:  # noqa: ANN401 - wrong on purpose
    steps: list[Callable[[StateMachineConfigBuilder[Door]], object]] = [
        lambda builder: builder.initial(stranger),
        lambda builder: builder.terminal(stranger),
        lambda builder: builder.transition(stranger, Door.OPEN),
        lambda builder: builder.transition(Door.OPEN, stranger),
        lambda builder: builder.correction(stranger, Door.OPEN),
        lambda builder: builder.correction(Door.OPEN, stranger),
    ]
    for step in steps:
        with pytest.raises(ValueError, match="is no Door"):
            step(described())


def test_a_configuration_cannot_be_changed() -> None:
    builder = described()
    config = builder.build()
    builder.transition(Door.LOCKED, Door.GONE, guard=with_key)
    assert config == described().build()
    with pytest.raises(AttributeError):
        config.initial = frozenset()  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.transitions[Door.OPEN] = frozenset()  # type: ignore[index]


class Light(Enum):
    A = 1
    B = 2
    C = 3
    D = 4
    E = 5


lights = st.sampled_from(list(Light))
light_tables = st.dictionaries(lights, st.frozensets(lights))


@st.composite
def machines(draw: st.DrawFn) -> StateMachine[Light]:
    """Any sound machine: what the transitions do not reach is made initial."""
    transitions, corrections = draw(light_tables), draw(light_tables)
    reached = frozenset().union(*transitions.values()) if transitions else frozenset()
    builder = StateMachineConfig.builder(Light).initial(*(set(Light) - reached) | draw(st.frozensets(lights)))
    for state in Light:
        builder.transition(state, *transitions.get(state, ())).correction(state, *corrections.get(state, ()))
    try:
        return StateMachine(builder.build())
    except ValueError:
        return StateMachine(builder.initial(*Light).build())


@given(machines(), lights, lights)
def test_every_way_of_asking_about_a_transition_agrees(
    machine: StateMachine[Light], from_state: Light, to_state: Light
) -> None:
    valid = machine.is_valid_transition(from_state, to_state)
    assert valid is (to_state in machine.get_valid_transitions(from_state))
    assert (machine.transition(from_state, to_state) is to_state) is valid
    assert (machine.transition_from(from_state)(to_state) is to_state) is valid
    assert (machine.transition_sequence(from_state, to_state) is to_state) is valid
    assert machine.validate_sequence(from_state, to_state).valid is valid


@given(machines(), lights)
def test_a_state_is_terminal_exactly_when_nothing_follows_it(machine: StateMachine[Light], state: Light) -> None:
    assert machine.is_terminal_state(state) is (not machine.get_valid_transitions(state))
    assert machine.is_initial_state(state) is machine.is_valid_transition(None, state)


@given(machines(), lights, st.lists(lights, max_size=6))
def test_the_path_of_a_sequence_is_the_part_of_it_that_was_walked(
    machine: StateMachine[Light], start: Light, steps: list[Light]
) -> None:
    asked = (start, *steps)
    result = machine.validate_sequence(start, *steps)
    walked = len(result.path)
    assert result.path == asked[:walked]
    assert all(machine.is_valid_transition(*pair) for pair in zip(result.path, result.path[1:], strict=False))
    assert result.final_state is result.path[-1]
    assert result.valid is (walked == len(asked))
    assert machine.transition_sequence(start, *steps) is (result.final_state if result.valid else None)


@given(machines(), lights, st.lists(lights, max_size=6))
def test_a_sequence_that_stops_names_the_refused_step(
    machine: StateMachine[Light], start: Light, steps: list[Light]
) -> None:
    result = machine.validate_sequence(start, *steps)
    if result.valid:
        assert (result.failed_from, result.failed_to, result.error_message) == (None, None, None)
    else:
        assert result.failed_from is result.final_state
        assert result.failed_to is steps[len(result.path) - 1]
        assert not machine.is_valid_transition(result.failed_from, result.failed_to)
        assert result.error_message is not None
        assert {result.failed_from.name, result.failed_to.name} <= set(result.error_message.replace(";", "").split())


@given(machines(), st.lists(st.integers(0, 4), max_size=8))
def test_every_walk_from_an_initial_state_is_a_valid_sequence(machine: StateMachine[Light], turns: list[int]) -> None:
    path = [min(machine.initial_states, key=lambda state: state.name)]
    for turn in turns:
        exits = sorted(machine.get_valid_transitions(path[-1]), key=lambda state: state.name)
        if exits:
            path.append(exits[turn % len(exits)])
    assert machine.validate_sequence(*path).path == tuple(path)
