"""How good is a search? It is asked questions whose answers are known, in each of its modes, and measured.

All figures are means over the questions they count for. A question may name several documents or sections; each of them
answers it.

recall@k    1 when one of the expected is among the first k, else 0
mrr         1 / rank of the first of the expected within the first ten, else 0
ndcg@10     gains of 1 / log2(1 + rank) over the first ten, divided by what the best order of them would gain
auc         how often a question with an answer is trusted more than one without, ties counting half
"""

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, get_args

from knowledge_base.library import Library
from knowledge_base.questions import Question
from knowledge_base.results import SearchMode

_IN_ORDER = ("keyword", "semantic", "hybrid", "auto")

CONFIGURATIONS: tuple[SearchMode, ...] = tuple(sorted(get_args(SearchMode), key=_IN_ORDER.index))
"""The modes that are measured; the default one stands last."""

BY_MEANING = frozenset(CONFIGURATIONS) - {"keyword", "auto"}
"""Modes that are keyword search under another name while there is no semantic search."""

DEPTH = 10
"""Ranks that count."""

HITS = 25
"""Hits that are looked at: the first ten sections seldom come from ten documents.

A search that is asked for so many compares no more candidates than one that is asked for ten.
"""

_CUTS = (1, 5, 10)
_FIRST = 5
"""Hits that a reader looks at; a question whose answer comes later is missed."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How well the expected is found; every figure is None when no question counts for it."""

    recall: tuple[float | None, float | None, float | None]
    mrr: float | None
    ndcg: float | None

    def to_wire(self) -> dict[str, float | None]:
        """The JSON object."""
        recalls = {f"recall@{cut}": _rounded(value) for cut, value in zip(_CUTS, self.recall, strict=True)}
        return {**recalls, "mrr": _rounded(self.mrr), f"ndcg@{DEPTH}": _rounded(self.ndcg)}


@dataclass(frozen=True, slots=True)
class Measured:
    """One mode of search and its figures.

    Attributes:
        abstention_auc: how well the search's own confidence tells questions with an answer from those without; None
            when one of the two kinds is missing.
        latency_ms: half of the searches, and 99 of 100, took at most so long.
    """

    name: str
    documents: Figures
    sections: Figures
    abstention_auc: float | None
    latency_ms: tuple[float, float]

    def to_wire(self) -> dict[str, Any]:
        """The JSON object."""
        p50, p99 = self.latency_ms
        return {
            "name": self.name,
            "documents": self.documents.to_wire(),
            "sections": self.sections.to_wire(),
            "abstention_auc": _rounded(self.abstention_auc),
            "latency_ms": {"p50": round(p50, 2), "p99": round(p99, 2)},
        }


@dataclass(frozen=True, slots=True)
class Missed:
    """A question none of whose answers is among the first five hits of the default mode.

    Attributes:
        expected: the sections that answer it; the documents where it names no section.
        found: what came instead, best first, at most five.
        rank: where the first of the expected stands, from 1; None when it is not among those that were looked at.
    """

    query: str
    expected: tuple[str, ...]
    found: tuple[str, ...]
    rank: int | None

    def to_wire(self) -> dict[str, Any]:
        """The JSON object."""
        told = {"query": self.query, "expected": [*self.expected], "found": [*self.found]}
        return told if self.rank is None else {**told, "rank": self.rank}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of every mode, the default one last, what it missed, and what a reader of them should know."""

    configurations: tuple[Measured, ...]
    missed: tuple[Missed, ...]
    notes: tuple[str, ...]

    def to_wire(self, *, missed: bool = False) -> dict[str, Any]:
        """The JSON object, with the questions that were missed where they are asked for."""
        told: dict[str, Any] = {"configurations": [measured.to_wire() for measured in self.configurations]}
        return {**told, "missed": [each.to_wire() for each in self.missed]} if missed else told


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with what a search answered and how long it took."""

    question: Question
    documents: list[str]
    sections: list[str]
    confidence: float
    milliseconds: float


def evaluate(
    library: Library,
    questions: Sequence[Question],
    progress: Callable[[int, int], None] | None = None,
    *,
    configurations: Sequence[SearchMode] = CONFIGURATIONS,
) -> Evaluation:
    """Ask every question in every mode.

    Args:
        library: warm it up before; modes by meaning are left out where there is no semantic search.
        questions: at least one.
        progress: called with the number of searches so far, and of all.
        configurations: the modes, when not all of them are wanted.
    """
    by_meaning = library.status().semantic == "ready"
    modes = [mode for mode in configurations if by_meaning or mode not in BY_MEANING]
    measured: list[Measured] = []
    asked: list[_Asked] = []
    for turn, mode in enumerate(modes):
        library.search(questions[0].query, mode=mode)  # what is only made once is made before the clock runs
        asked = []
        for question in questions:
            asked.append(_ask(library, question, mode))
            if progress:
                progress(turn * len(questions) + len(asked), len(modes) * len(questions))
        measured.append(_measured(mode, asked))
    missed = tuple(each for one in asked if (each := _missed(one)))
    return Evaluation(tuple(measured), missed, tuple(_notes(library, questions, by_meaning=by_meaning)))


def _ask(library: Library, question: Question, mode: SearchMode) -> _Asked:
    """Search twice: as a caller does, which is timed, and deep enough to rank ten documents."""
    begun = time.perf_counter()
    library.search(question.query, mode=mode)
    milliseconds = (time.perf_counter() - begun) * 1000
    result = library.search(question.query, mode=mode, limit=HITS)
    return _Asked(
        question=question,
        documents=list(dict.fromkeys(hit.path for hit in result.hits)),
        sections=list(dict.fromkeys(hit.citation for hit in result.hits)),
        confidence=result.confidence,
        milliseconds=milliseconds,
    )


def _measured(name: str, asked: Sequence[_Asked]) -> Measured:
    answerable = [each for each in asked if each.question.answerable]
    with_sections = [each for each in answerable if each.question.sections]
    times = [each.milliseconds for each in asked]
    return Measured(
        name=name,
        documents=figures((each.documents, each.question.documents) for each in answerable),
        sections=figures((each.sections, each.question.sections) for each in with_sections),
        abstention_auc=auc(
            [each.confidence for each in answerable],
            [each.confidence for each in asked if not each.question.answerable],
        ),
        latency_ms=(percentile(times, 50), percentile(times, 99)),
    )


def _missed(asked: _Asked) -> Missed | None:
    question = asked.question
    found, expected = (
        (asked.sections, question.sections) if question.sections else (asked.documents, question.documents)
    )
    rank = first_rank(found, expected)
    if not question.answerable or (rank is not None and rank <= _FIRST):
        return None
    return Missed(question.query, tuple(sorted(expected)), tuple(found[:_FIRST]), rank)


def _notes(library: Library, questions: Sequence[Question], *, by_meaning: bool) -> list[str]:
    answerable = sum(question.answerable for question in questions)
    notes: list[str] = []
    if not by_meaning:
        why = library.status().note or "semantic search is not ready"
        notes.append(f"only words were compared: {why}")
    if not answerable:
        notes.append("no question has an answer: nothing can be found, and the AUC of abstention is not defined")
    elif answerable == len(questions):
        notes.append("every question has an answer: the AUC of abstention is not defined without answerable: false")
    if answerable and not any(question.sections for question in questions):
        notes.append("no question names expected_sections: the figures for sections are not defined")
    return notes


def figures(answers: Iterable[tuple[Sequence[str], AbstractSet[str]]]) -> Figures:
    """The figures of some rankings, each without repeats and with what was expected of it, which is not empty."""
    judged = [(first_rank(ranked, expected), ndcg(ranked, expected)) for ranked, expected in answers]
    ranks = [rank for rank, _ in judged]
    one, five, ten = (_mean([float(rank is not None and rank <= cut) for rank in ranks]) for cut in _CUTS)
    reciprocal = _mean([1 / rank if rank is not None and rank <= DEPTH else 0.0 for rank in ranks])
    return Figures((one, five, ten), reciprocal, _mean([gain for _, gain in judged]))


def first_rank(ranked: Sequence[str], expected: AbstractSet[str]) -> int | None:
    """Where the first of the expected stands, from 1; None when none of them was found."""
    return next((rank for rank, item in enumerate(ranked, 1) if item in expected), None)


def ndcg(ranked: Sequence[str], expected: AbstractSet[str]) -> float:
    """Normalised discounted cumulative gain of the first ten, each of the expected being worth the same."""
    gained = sum(1 / math.log2(1 + rank) for rank, item in enumerate(ranked[:DEPTH], 1) if item in expected)
    best = sum(1 / math.log2(1 + rank) for rank in range(1, min(DEPTH, len(expected)) + 1))
    return gained / best


def auc(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """The share of pairs of which the first is the higher one, ties counting half; None when there are no pairs."""
    if not higher or not lower:
        return None
    ordered = sorted(lower)
    won = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in higher)
    return won / (2 * len(higher) * len(lower))


def percentile(values: Sequence[float], percent: int) -> float:
    """The least of the values, which are not empty, that so many percent of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
