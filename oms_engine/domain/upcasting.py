"""How is an event of an older schema version read today? Step by step, each step a small function of its payload.

Stored events are never rewritten. Whoever changes the payload of an event adds a step here, from the version that was
written so far to the next one; writers then write the next one.
"""

from collections.abc import Callable, Mapping
from typing import Any

Payload = dict[str, Any]
Upcaster = Callable[[Payload], Payload]
"""Makes of a payload, as it stands on the wire, one of the next version; it leaves its argument as it is."""


class Upcasters:
    """The steps by event type and the version they start from; raises ValueError when one is missing in between.

    Attributes:
        versions: The present version of each type that has steps; every other type is of version 1.
    """

    def __init__(self, steps: Mapping[tuple[str, int], Upcaster]) -> None:
        self._steps = dict(steps)
        self.versions: Mapping[str, int] = {kind: 1 + sum(name == kind for name, _ in steps) for kind, _ in steps}
        for kind, version in steps:
            if not 1 <= version < self.versions[kind]:
                raise ValueError(f"{kind} has a step from version {version}, and not one from each version before it")

    def version(self, kind: str) -> int:
        """The version in which events of this type are written."""
        return self.versions.get(kind, 1)

    def lift(self, kind: str, version: int, payload: Payload) -> Payload:
        """The payload as it would be written today."""
        for step in range(version, self.version(kind)):
            payload = self._steps[kind, step](payload)
        return payload


UPCASTERS = Upcasters({})
"""The steps of this program: none so far, every event is of version 1."""
