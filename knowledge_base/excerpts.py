"""Which part of a chunk does a hit cite, and which passage of it is shown?"""

import re
from collections.abc import Sequence

from knowledge_base.prose import prose
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


def excerpt(text: str, terms: Sequence[str]) -> str:
    """At most 320 characters of a text's prose, around the place that holds most of the terms; cut between words."""
    flat = prose(text)
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
    own = _stems(document.text(part.start_line, part.end_line))
    return len(stems & own) + len(stems & _stems(part.section.title))


def _window(flat: str, stems: set[str]) -> int:
    """Where the window with most different terms begins, a few words early for context; 0 when no term occurs."""
    places = [
        (found.start(), found[0][:_STEM].lower()) for found in _WORD.finditer(flat) if found[0][:_STEM].lower() in stems
    ]
    best, best_count, first = 0, 0, 0
    for last, (end, _) in enumerate(places):
        while end - places[first][0] > MAX_EXCERPT - 2 * _LEAD:
            first += 1
        count = len({stem for _, stem in places[first : last + 1]})
        if count > best_count:
            best, best_count = places[first][0], count
    return max(0, best - _LEAD)
