"""Which part of a chunk does a hit cite, and which passage of it is shown?"""

import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from knowledge_base.ranking import identifiers, names
from knowledge_base.sections import Chunk, Document, Part

MAX_EXCERPT = 320
"""Characters of a passage: enough to judge a hit, little enough to show ten."""

_LEAD = 40
_STEM = 5
"""Words that share their first five letters count as the same here; it only places a window."""

_WORD = re.compile(r"\w+")


def best_part(document: Document, chunk: Chunk, terms: Sequence[str]) -> Part:
    """The part whose title has a name from the question, or else shares most words with it, its title counting twice.

    Where nothing is shared it is the largest part.
    """
    if len(chunk.parts) == 1:
        return chunk.parts[0]
    question = " ".join(terms)
    wanted, stems = identifiers(question), _stems(question)
    return max(
        [chunk.main, *chunk.parts],
        key=lambda part: (names(identifiers(part.section.title), wanted), _shared(document, part, stems)),
    )


def excerpt(flat: str, terms: Sequence[str]) -> str:
    """At most 320 characters of some prose, around the place that holds most of the terms; cut between words."""
    if len(flat) <= MAX_EXCERPT:
        return flat
    start = _window(flat, _stems(" ".join(terms)))
    if start:
        start = flat.rfind(" ", 0, start) + 1
    room = MAX_EXCERPT - 1 - bool(start)
    passage = flat[start : start + room]
    if start + room < len(flat):
        passage = (passage[: passage.rfind(" ")] if " " in passage else passage).rstrip() + "…"
    return f"…{passage}" if start else passage


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.lower())}


def _shared(document: Document, part: Part, stems: set[str]) -> int:
    own = _stems(document.searchable(part.start_line, part.end_line))
    return len(stems & own) + len(stems & _stems(part.section.title))


def _window(flat: str, stems: set[str]) -> int:
    """Where the window with most different terms begins, a few words early for context; 0 when no term occurs."""
    window: deque[tuple[int, str]] = deque()
    inside: Counter[str] = Counter()
    best, best_count = 0, 0
    for place, stem in sorted(_places(flat, stems)):
        window.append((place, stem))
        inside[stem] += 1
        while place - window[0][0] > MAX_EXCERPT - 2 * _LEAD:
            _, left = window.popleft()
            inside[left] -= 1
            if not inside[left]:
                del inside[left]
        if len(inside) > best_count:
            best, best_count = window[0][0], len(inside)
    return max(0, best - _LEAD)


def _places(flat: str, stems: set[str]) -> Iterator[tuple[int, str]]:
    """Where words with one of the stems begin; a stem that is shorter than others is a whole word."""
    text = flat.lower()
    if len(text) != len(flat):
        text = flat  # a few letters have more than one in lower case, and places would not be those of the text
    for stem in stems:
        place = text.find(stem)
        while place >= 0:
            end = place + len(stem)
            if not _in_word(text[place - 1 : place]) and (len(stem) == _STEM or not _in_word(text[end : end + 1])):
                yield place, stem
            place = text.find(stem, end)


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"
