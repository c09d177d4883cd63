"""Which word of a corpus did somebody mean whose word it does not know?

Only slips are mended that seldom make another English word: a letter that is missing or too much, and two that changed
places. A wrong letter is left alone; `charged` is no `changed`.
"""

import re
from collections.abc import Iterable, Mapping

LEAST_LENGTH = 4
"""Letters a word needs to be mended: shorter ones resemble too many others."""

_WORD = re.compile(rf"[^\W\d_]{{{LEAST_LENGTH},}}")


def words_of(text: str) -> list[str]:
    """The words of a text that can be mistyped or meant, in lower case."""
    return _WORD.findall(text.lower())


def meant(word: str, candidates: Iterable[tuple[str, int]]) -> str | None:
    """The most frequent of the candidates that a slip of the fingers turns into the word; None when there is none.

    Args:
        word: in lower case.
        candidates: words with how often each occurs.
    """
    found = [(count, candidate) for candidate, count in candidates if is_slip(word, candidate)]
    return max(found)[1] if found else None


def is_slip(word: str, candidate: str) -> bool:
    """Is a word the other one with a letter missing or too much after its first, or with two that changed places?"""
    if len(word) == len(candidate):
        unlike = [place for place, (one, other) in enumerate(zip(word, candidate, strict=True)) if one != other]
        first = unlike[0] if unlike else 0
        return unlike == [first, first + 1] and word[first : first + 2] == candidate[first : first + 2][::-1]
    longer, shorter = sorted((word, candidate), key=len, reverse=True)
    return len(longer) == len(shorter) + 1 and any(
        longer[:place] + longer[place + 1 :] == shorter for place in range(1, len(longer))
    )


def respelled(text: str, corrections: Mapping[str, str]) -> str:
    """The text with its mistyped words replaced; `corrections` are in lower case."""
    return _WORD.sub(lambda found: corrections.get(found[0].lower(), found[0]), text)
