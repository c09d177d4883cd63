"""Which states can follow: by the lifecycle, and by the facts of an order that has begun?"""

from collections.abc import Sequence
from datetime import datetime

from oms_engine.domain.lifecycle import (
    NextState,
    TransitionCheck,
    check_path,
    next_states,
    read_profile,
    read_states,
)
from oms_engine.domain.model import Order
from oms_engine.domain.rules.order import obstacles
from oms_engine.domain.vocabulary import State


def following(order: Order, profile: str, now: datetime) -> tuple[NextState, ...]:
    """What can follow, by a lifecycle and by the order's own facts: no rejection after a fill."""
    return next_states(read_profile(profile), order.state, obstacles(order, now), is_parent=bool(order.place_qty))


def checked_from(start: str, path: Sequence[str], profile: str) -> TransitionCheck:
    """Is a path possible from a state, or from before creation where none is named, and what can follow?

    Raises:
        Refused: OMS-VAL-004 unknown state or profile.
    """
    begin = read_states([start])[0] if start else None
    return check_path(read_profile(profile), begin, read_states(path))


def checked_of(order: Order, path: Sequence[str], profile: str, now: datetime) -> TransitionCheck:
    """The lifecycle's answer for an order, corrected by what its own facts forbid as the first step.

    Raises:
        Refused: OMS-VAL-004 unknown state or profile.
    """
    chosen, steps = read_profile(profile), read_states(path)
    found = check_path(chosen, order.state, steps)
    forbidden = obstacles(order, now)
    first: State | None = steps[0] if len(found.path) > 1 else None
    if first in forbidden:
        return TransitionCheck(
            valid=False,
            path=(order.state,),
            failed_from=order.state,
            failed_to=first,
            final_state=order.state,
            error_message=f"{first} was refused after {order.state}: {forbidden[first]}",
            profile=found.profile,
            next_states=following(order, found.profile, now),
        )
    if len(found.path) > 1:
        return found
    return found.model_copy(update={"next_states": following(order, found.profile, now)})
