"""What goes wrong in the market, and how often? Named settings of chance, none of them hidden."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """How often things go wrong, each in a million times, and how slow messages are.

    Attributes:
        reject: New orders that the venue refuses though they are right.
        late_reject: Acknowledged orders that it rejects later, where nothing was executed.
        bust: Executions that it breaks later.
        refused_cancel: Cancel requests that it refuses though they could be carried out.
        refused_replace: Replace requests of the same kind.
        outage: Quarters of an hour in which the line between gateway and venue goes down.
        cancel_on_disconnect: Outages at which the venue cancels every order that is open there; at the others it goes
            on trading, and what it has to report waits.
        slowness: How many times longer each message takes than on a good day; slow ones cross each other more often.
    """

    reject: int = 0
    late_reject: int = 0
    bust: int = 0
    refused_cancel: int = 0
    refused_replace: int = 0
    outage: int = 0
    cancel_on_disconnect: int = 0
    slowness: int = 1


FAULTS: Mapping[str, Faults] = {
    "none": Faults(),
    "some": Faults(
        reject=5_000,
        late_reject=2_000,
        bust=2_000,
        refused_cancel=10_000,
        refused_replace=10_000,
        outage=10_000,
        cancel_on_disconnect=300_000,
        slowness=3,
    ),
    "many": Faults(
        reject=60_000,
        late_reject=40_000,
        bust=50_000,
        refused_cancel=100_000,
        refused_replace=100_000,
        outage=100_000,
        cancel_on_disconnect=500_000,
        slowness=400,
    ),
}
"""Name -> how often things go wrong."""
