"""How are new things called where nothing is left to chance? By counting."""

from collections import Counter


class CountedIds:
    """Ids that are counted for each prefix (`ORD-1`), so that the same things get the same ones: `new_id` of an engine.

    Args:
        mark: Stands in each id, so that none is taken already: `ORD-mark1`.
    """

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._last: Counter[str] = Counter()

    def __call__(self, prefix: str) -> str:
        """The next id with a prefix."""
        self._last[prefix] += 1
        return f"{prefix}-{self._mark}{self._last[prefix]}"
