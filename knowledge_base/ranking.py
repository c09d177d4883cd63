"""In which order do the hits go out, and does any of them answer?

Reciprocal rank fusion: a hit's score is the sum of 1 / (k + its rank) over the rankings that found it, so that rankings
with incomparable scores can be joined.
"""

from collections.abc import Sequence

FUSION_K = 60
"""The usual constant of reciprocal rank fusion: ranks beyond the first few weigh nearly alike, so agreement wins."""

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


def is_doubtful(known_share: float, best_cosine: float | None) -> bool:
    """Whether nothing seems to answer; `best_cosine` is None when only words were compared."""
    if best_cosine is None:
        return known_share < KNOWN_SHARE_FLOOR
    return best_cosine < (COSINE_FLOOR if known_share >= KNOWN_SHARE_FLOOR else COSINE_SURE)
