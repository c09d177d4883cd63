"""In which order do the hits go out, and does any of them answer?

Reciprocal rank fusion: a hit's score is the sum of 1 / (k + its rank) over the rankings that found it, so that rankings
with incomparable scores can be joined.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from knowledge_base.likeness import Likeness

FUSION_K = 10
"""Less than the usual 60, at which all ranks of two short lists weigh nearly alike: what either has first counts."""

_IDENTIFIER = re.compile(r"(?<![\w-])([a-z]+(?:[-_][a-z]+)*)[-_]?(\d+)(?!\w)")

_FEW_WORDS, _FEWER_WORDS = 8, 3
"""Words that matter in a question about a code, and in one about a name with a single letter."""

DEPTH = 50
"""How many hits of each ranking are joined, and how many of them are compared closely."""

COMPARED = 3
"""How many are compared closely where that does not decide their order: enough to tell how sure the answer is."""

PASSAGES, FEWER_PASSAGES = 4, 2
"""How many of the nearest passages are looked at for each chunk that is wanted, for a chunk has several: where what is
found will be compared closely, and where its rank alone counts."""

MATCH, MEANING = 0.6, 0.2
"""How a passage is compared: by each word of the question, and as a whole."""

TITLE, WORDS, OTHER_WORDS = 0.1, 0.2, 0.1
"""What else counts for a section: the meaning of its title, the words it shares, and those that the glossary adds."""

DOCUMENT, BEST_SECTIONS = 0.2, 5
"""A section counts for more in a document that fits: by this share of the mean of the document's five best sections."""

_MATCH_IN_DOUBT, _MEANING_IN_DOUBT, _KNOWN_IN_DOUBT = 0.5, 0.4, 0.7
_SURE_BY_MATCH, _SURE_BY_MEANING, _SURE_BY_WORDS = 12, 6, 2
"""Where each comparison speaks neither for an answer nor against one, and how much it says beyond.

They were set by hand from 62 questions with an answer and 12 about other subjects, before the present set was asked.
"""

DOUBT = 0.5
"""Below this confidence nothing seems to answer."""


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


def without_identifiers(text: str) -> str:
    """The text in lower case without its names with digits."""
    return _IDENTIFIER.sub("", text.lower())


def names(title: AbstractSet[str], wanted: AbstractSet[str]) -> bool:
    """Whether identifiers of a title are among the wanted ones; state-002 means oms-state-002 as well."""
    return any(name == short or name.endswith(f"-{short}") for name in title for short in wanted)


def asks_by_name(query: str, terms: Sequence[str]) -> bool:
    """Whether a question is about what it names: one of its few words is a code, or it is hardly more than a short one.

    `N16` and `v2` look alike, so a name with a single letter counts only where little else is asked.
    """
    wanted = identifiers(query)
    if not wanted:
        return False
    longest = max(len(name.partition("-")[0]) for name in wanted)
    return len(terms) <= (_FEW_WORDS if longest > 1 else _FEWER_WORDS)


def lead(ranked: Sequence[tuple[int, float]], first: AbstractSet[int]) -> list[tuple[int, float]]:
    """Put some items before all others, in the order they have; scores still fall."""
    if not first:
        return [*ranked]
    scores = dict(ranked)
    best = max(scores.values(), default=1.0)
    leading = {item: best + scores.get(item, 0.0) for item in sorted(first)}
    return sorted((scores | leading).items(), key=lambda entry: (entry[0] not in first, -entry[1]))


def weighed(likeness: Likeness) -> float:
    """How well a passage fits a question."""
    return MATCH * likeness.match + MEANING * likeness.cosine


def total(said: Likeness, asked: Likeness, shared: float, shared_by_others: float) -> float:
    """How well a section fits a question.

    Args:
        said: likeness of its best passage.
        asked: likeness of the best question that it says it answers; as `said` where it says none.
        shared: its share, 0 to 1, of the best score by words.
        shared_by_others: the same with the other words that a glossary has.
    """
    return weighed(said) + weighed(asked) + TITLE * said.title + WORDS * shared + OTHER_WORDS * shared_by_others


def among_its_own(fits: Mapping[int, float], document_of: Callable[[int], str]) -> dict[int, float]:
    """How well sections fit, each raised by how well its document does; what was not found counts as nothing."""
    by_document: dict[str, list[float]] = {}
    for section, fit in fits.items():
        by_document.setdefault(document_of(section), []).append(fit)
    means = {path: sum(sorted(own)[-BEST_SECTIONS:]) / BEST_SECTIONS for path, own in by_document.items()}
    return {section: fit + DOCUMENT * means[document_of(section)] for section, fit in fits.items()}


def confidence(known_share: float, best: Likeness | None) -> float:
    """How sure it is that something answers, 0 to 1.

    Args:
        known_share: of the words of the question, weighted by rarity, those that the corpus knows.
        best: how alike the best passage is; None when only words were compared.
    """
    if best is None:
        return known_share
    evidence = (
        _SURE_BY_MATCH * (best.match - _MATCH_IN_DOUBT)
        + _SURE_BY_MEANING * (best.cosine - _MEANING_IN_DOUBT)
        + _SURE_BY_WORDS * (known_share - _KNOWN_IN_DOUBT)
    )
    return 1 / (1 + math.exp(-evidence))
