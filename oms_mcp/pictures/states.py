"""Where do orders stand in their lifecycle, and how many went which way?"""

from collections.abc import Mapping

from oms_engine import Engine
from oms_engine.domain.lifecycle import CORRECTIONS, ENTERED_BY, MACHINES, Profile, read_profile
from oms_engine.domain.vocabulary import State
from oms_engine.record import Record
from oms_engine.storage.flow import MOST_EVENTS

Ways = Mapping[tuple[State | None, State], int]
"""From a state (None: from nothing) to a state -> how many times an order went there."""


class Standing(Record):
    """A state, and how many orders are in it."""

    state: State
    orders: int
    terminal: bool


class Passing(Record):
    """A way from one state to another, and how many times it was gone.

    Attributes:
        start: None where an order begins.
        correction: Only a correction of an execution goes this way.
        declared: The profile knows this way; an order may have gone another under another profile.
    """

    start: State | None = None
    end: State
    times: int
    correction: bool = False
    declared: bool = True


class StatesPicture(Record):
    """The lifecycle of a profile with counts.

    Attributes:
        profile: The lifecycle.
        order_id: The one order that is told of; None where it is all of them.
        orders: How many orders are told of.
        behind: Ways are counted behind this position only, because there are too many events; 0 for all.
    """

    profile: str
    order_id: str | None = None
    orders: int
    standing: tuple[Standing, ...]
    passings: tuple[Passing, ...]
    behind: int = 0


def states_of(engine: Engine, profile: str = "", *, most_events: int = MOST_EVENTS) -> StatesPicture:
    """The lifecycle with all orders of a store.

    Args:
        engine: The engine, or one that shows the past.
        profile: `standard`, `matrix` or `desk`; that of the engine when empty.
        most_events: So many events are looked at, the last ones.

    Raises:
        Refused: OMS-VAL-004, there is no such profile.
    """
    chosen = read_profile(profile or engine.settings.lifecycle_profile)
    flow = engine.flow(most_events=most_events)
    return _picture(chosen, flow.standing, flow.passed, behind=flow.behind)


def states_of_order(engine: Engine, order_id: str, profile: str = "") -> StatesPicture:
    """The lifecycle with the way of one order.

    Args:
        engine: The engine, or one that shows the past.
        order_id: The order.
        profile: As for `states_of`.

    Raises:
        Refused: OMS-ORDER-001 there is no such order, OMS-VAL-004 there is no such profile.
    """
    chosen = read_profile(profile or engine.settings.lifecycle_profile)
    passed: dict[tuple[State | None, State], int] = {}
    state: State | None = None
    for event in engine.history(order_id):
        if event.type in ENTERED_BY:
            way = (state, ENTERED_BY[event.type])
            passed[way] = passed.get(way, 0) + 1
            state = way[1]
    assert state is not None  # noqa: S101 - an order that was found was created
    return _picture(chosen, {state: 1}, passed, order_id=order_id)


def _picture(
    profile: Profile, standing: Mapping[State, int], passed: Ways, *, behind: int = 0, order_id: str | None = None
) -> StatesPicture:
    machine = MACHINES[profile]
    return StatesPicture(
        profile=profile,
        order_id=order_id,
        orders=sum(standing.values()),
        standing=tuple(
            Standing(state=each, orders=standing.get(each, 0), terminal=machine.is_terminal_state(each))
            for each in State
        ),
        passings=_passings(profile, passed),
        behind=behind,
    )


def _passings(profile: Profile, passed: Ways) -> tuple[Passing, ...]:
    """The ways of the profile, gone or not, then those that were gone although it has none."""
    machine = MACHINES[profile]
    known: dict[tuple[State | None, State], bool] = {
        (None, each): False for each in State if each in machine.initial_states
    }
    for start in State:
        known |= {(start, end): False for end in State if machine.is_valid_transition(start, end)}
        known |= {(start, end): True for end in CORRECTIONS.get(start, ())}
    told = [
        Passing(start=start, end=end, times=passed.get((start, end), 0), correction=correction)
        for (start, end), correction in known.items()
    ]
    strange = [way for way in passed if way not in known]
    strange.sort(key=lambda way: [*State].index(way[1]))
    return (*told, *(Passing(start=start, end=end, times=passed[start, end], declared=False) for start, end in strange))
