"""In which order do the hits go out, and does any of them answer?

Reciprocal rank fusion: a hit's score is the sum of 1 / (k + its rank) over the rankings that found it, so that rankings
with incomparable scores can be joined.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

FUSION_K = 10
"""Less than the usual 60, at which all ranks of two short lists weigh nearly alike: what either has first counts."""

_IDENTIFIER = re.compile(r"(?<![\w-])([a-z]+(?:[-_][a-z]+)*)[-_]?(\d+)(?!\w)")

DEPTH = 50
"""How many hits of each ranking are joined."""

KNOWN_SHARE_FLOOR = 0.5
"""Below this share of known words, weighted by rarity, a question seems to be about something else than the corpus."""

COSINE_FLOOR = 0.3
"""Below this cosine of the best chunk nothing is close in meaning, whatever the words."""

COSINE_SURE = 0.4
"""From this cosine on, unknown words do not matter: people name known things in words of their own.

The three values were read off 33 questions that the packaged documents answer and 25 about other subjects: by words
alone 4 and 23 of them are doubted, with meaning none and all 25. Questions close to the subject but without an answer
are harder than these.
"""


def fuse(*rankings: Sequence[int]) -> list[tuple[int, float]]:
    """Join rankings of the same things, each best first; ties go to what an earlier ranking has first."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1 / (FUSION_K + rank)
    return sorted(scores.items(), key=lambda entry: -entry[1])


def identifiers(text: str) -> frozenset[str]:
    """The names with digits in a text, such as oms-state-002 or n16, however case and hyphens were written."""
    return frozenset(f"{words.replace('_', '-')}-{number}" for words, number in _IDENTIFIER.findall(text.lower()))


def names(title: AbstractSet[str], wanted: AbstractSet[str]) -> bool:
    """Whether identifiers of a title are among the wanted ones; state-002 means oms-state-002 as well."""
    return any(name == short or name.endswith(f"-{short}") for name in title for short in wanted)


def lead(ranked: Sequence[tuple[int, float]], first: AbstractSet[int]) -> list[tuple[int, float]]:
    """Put some items before all others, in the order they have; scores still fall."""
    if not first:
        return [*ranked]
    scores = dict(ranked)
    best = max(scores.values(), default=1.0)
    leading = {item: best + scores.get(item, 0.0) for item in sorted(first)}
    return sorted((scores | leading).items(), key=lambda entry: (entry[0] not in first, -entry[1]))


def is_doubtful(known_share: float, best_cosine: float | None) -> bool:
    """Whether nothing seems to answer; `best_cosine` is None when only words were compared."""
    if best_cosine is None:
        return known_share < KNOWN_SHARE_FLOOR
    return best_cosine < (COSINE_FLOOR if known_share >= KNOWN_SHARE_FLOOR else COSINE_SURE)
