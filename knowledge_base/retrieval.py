"""How do words and meaning find a section together, and how sure is it that one answers?

Two rankings are joined: the chunks that share words with the question, and those whose meaning is near to it. What
either finds is then compared with the question closely: its meaning, its title, each word of the question, and the
words that both share. The sum of these decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from knowledge_base.excerpts import best_part, excerpt
from knowledge_base.lexical import terms_of
from knowledge_base.likeness import Likeness
from knowledge_base.passages import Passage
from knowledge_base.prose import prose
from knowledge_base.ranking import (
    COMPARED,
    DEPTH,
    DOUBT,
    FEWER_PASSAGES,
    PASSAGES,
    among_its_own,
    asks_by_name,
    confidence,
    fuse,
    identifiers,
    lead,
    names,
    total,
    weighed,
    without_identifiers,
)
from knowledge_base.results import Hit, Scores, SearchMode, SearchResult
from knowledge_base.sections import Part
from knowledge_base.semantic import Meaning
from knowledge_base.snapshot import Snapshot
from knowledge_base.spelling import respelled

_DOUBT = "nothing in the knowledge base seems to answer this; the hits are only the nearest there is"

_JOINED = frozenset({"hybrid", "auto"})
"""Modes that look for words while the model reads the question."""

Ranking = list[tuple[int, float]]
"""Positions of chunks with their scores, best first."""


@dataclass(slots=True)
class _Closeness:
    """How a chunk compares with the question: by its best passage, and by the best question that it says it answers."""

    said: Likeness | None = None
    asked: Likeness | None = None
    passage: Passage | None = None
    question: str = ""

    def add(self, passage: Passage, likeness: Likeness) -> None:
        """Take in one more passage of the chunk."""
        if passage.question:
            if self.asked is None or weighed(likeness) > weighed(self.asked):
                self.asked, self.question = likeness, passage.question
        elif self.said is None or weighed(likeness) > weighed(self.said):
            self.said, self.passage = likeness, passage

    @property
    def pair(self) -> tuple[Likeness, Likeness]:
        """What it says and what it is asked; the one in place of the other where there is only one."""
        said, asked = self.said or self.asked, self.asked or self.said
        assert said is not None  # noqa: S101 - made with its first passage
        assert asked is not None  # noqa: S101 - as above
        return said, asked


@dataclass(slots=True)
class _Found:
    """What was found for one question.

    Attributes:
        allowed: the chunks that the filters leave; None for all.
        words: the chunks that share words with it.
        near: the chunks whose meaning is near; None while meaning cannot be compared.
        close: the chunks that were compared with it closely.
        ranked: all chunks in the order in which they go out.
    """

    allowed: AbstractSet[int] | None
    words: Ranking
    near: Ranking | None
    close: dict[int, _Closeness] = field(default_factory=dict)
    ranked: Ranking = field(default_factory=list)


def find(
    now: Snapshot, query: str, filters: Mapping[str, str], limit: int, mode: SearchMode, *, explain: bool
) -> SearchResult:
    """The sections that answer a question best; arguments as in `Library.search`, which has checked them."""
    if mode != "keyword":
        now.semantic.start()
    corrections = now.lexical.corrections(query)
    meant = respelled(query, corrections)
    found = _found(now, meant, filters, limit, mode)
    named = _named(now, query, found.allowed) if asks_by_name(query, terms_of(query)) else frozenset()
    found.ranked = lead(found.ranked, named)
    sure = max(_confidence(now, query, found), _known_beside_names(now, query) if named else 0.0)
    read = [f"{word} is read as {other}" for word, other in corrections.items()]
    notes = [*read, _DOUBT if sure < DOUBT else None, None if mode == "keyword" else now.semantic.note]
    return SearchResult(
        hits=_hits(now, found, terms_of(meant), limit, explain=explain),
        mode="keyword" if found.near is None else "semantic" if mode == "semantic" else "hybrid",
        semantic=now.semantic.state,
        confidence=round(sure, 3),
        low_confidence=sure < DOUBT,
        note="; ".join(filter(None, notes)) or None,
    )


def _found(now: Snapshot, query: str, filters: Mapping[str, str], limit: int, mode: SearchMode) -> _Found:
    depth = max(DEPTH, 2 * limit)
    allowed = _allowed(now, filters)
    passages = depth * (PASSAGES if mode == "auto" else FEWER_PASSAGES)
    sharing = now.lexical.begin(query, allowed, depth) if mode in _JOINED else None
    meaning = None if mode == "keyword" else now.semantic.ask(query, dict(filters), passages)
    if meaning is None:
        words = sharing.result() if sharing else now.lexical.rank(query, allowed, depth)
        return _Found(allowed, words, None, ranked=words)
    words = sharing.result() if sharing else []
    near = _nearest(now, meaning)[:depth]
    fused = near if mode == "semantic" else fuse(_positions(near), _positions(words))
    found = _Found(allowed, words, near, ranked=fused)
    compared = DEPTH if mode == "auto" else COMPARED
    _compare(now, meaning, found, _positions(found.ranked[:compared]))
    if mode == "auto":
        others = now.glossary.other_names(query)
        by_others = now.lexical.rank(" ".join([query, *others]), allowed, depth) if others else []
        found.ranked = _reranked(now, found, by_others)
    return found


def _nearest(now: Snapshot, meaning: Meaning) -> Ranking:
    """The chunks of the nearest passages, each with its best."""
    best: dict[int, float] = {}
    for position, cosine in meaning.nearest:
        best.setdefault(now.semantic.passages[position].chunk, cosine)
    return list(best.items())


def _compare(now: Snapshot, meaning: Meaning, found: _Found, chunks: Sequence[int]) -> None:
    """Compare all passages of some chunks with the question."""
    wanted = [position for chunk in chunks for position in now.passages_of_chunk[chunk]]
    passages = now.semantic.passages
    for position, likeness in zip(wanted, meaning.likenesses(wanted), strict=True):
        found.close.setdefault(passages[position].chunk, _Closeness()).add(passages[position], likeness)


def _reranked(now: Snapshot, found: _Found, by_others: Ranking) -> Ranking:
    """What was compared, by how well it fits; then the rest as it was."""
    words, others = _shares(found.words), _shares(by_others)
    fits = {
        chunk: total(*close.pair, words.get(chunk, 0.0), others.get(chunk, 0.0)) for chunk, close in found.close.items()
    }
    raised = among_its_own(fits, lambda chunk: now.chunks[chunk][0].path)
    best = sorted(raised.items(), key=lambda entry: -entry[1])
    least = best[-1][1] if best else 0.0
    rest = [(chunk, least - 1 + score) for chunk, score in found.ranked if chunk not in fits]
    return [*best, *rest]


def _shares(ranking: Ranking) -> dict[int, float]:
    """The scores as shares of the best one."""
    return {chunk: score / ranking[0][1] for chunk, score in ranking if ranking[0][1] > 0}


def _confidence(now: Snapshot, query: str, found: _Found) -> float:
    if not found.ranked:
        return 0.0
    likenesses = [likeness for close in found.close.values() for likeness in close.pair]
    best = max(likenesses, key=weighed, default=None)
    return confidence(now.lexical.known_share(query), best)


def _known_beside_names(now: Snapshot, query: str) -> float:
    """The share of known words in a question that names a section, whose name need not stand in the text so."""
    rest = without_identifiers(query)
    return now.lexical.known_share(rest) if terms_of(rest) else 1.0


def _allowed(now: Snapshot, filters: Mapping[str, str]) -> set[int] | None:
    if not filters:
        return None
    return {
        position
        for position, (document, _) in enumerate(now.chunks)
        if all(getattr(document, name).casefold() == value for name, value in filters.items())
    }


def _named(now: Snapshot, query: str, allowed: AbstractSet[int] | None) -> AbstractSet[int]:
    """The chunks with a name from the question in a heading, such as an error code or the id of a rule."""
    wanted = identifiers(query)
    found = {position for position, title in enumerate(now.titles) if wanted and names(title, wanted)}
    return found if allowed is None else found & allowed


def _hits(now: Snapshot, found: _Found, terms: list[str], limit: int, *, explain: bool) -> list[Hit]:
    """One hit per section, at most `limit`."""
    hits: dict[str, Hit] = {}
    for position, score in found.ranked:
        hit = _hit(now, found, position, score, terms)
        if hit.citation not in hits:
            hits[hit.citation] = hit if not explain else hit.model_copy(update={"scores": _scores(found, position)})
        if len(hits) == limit:
            break
    return list(hits.values())


def _hit(now: Snapshot, found: _Found, position: int, score: float, terms: list[str]) -> Hit:
    document, chunk = now.chunks[position]
    close = found.close.get(position, _Closeness())
    part = close.passage.part if close.passage else best_part(document, chunk, terms)
    text = close.passage.text if close.passage else _text(now, found, position, part)
    return Hit(
        citation=part.section.citation,
        path=document.path,
        anchor=part.section.anchor,
        breadcrumb=" > ".join(part.section.breadcrumb),
        start_line=part.start_line,
        end_line=part.end_line,
        excerpt=excerpt(text, [*terms, *terms_of(close.question)]),
        score=_short(score),
    )


def _text(now: Snapshot, found: _Found, position: int, part: Part) -> str:
    """The prose of a part, which passages have already where meaning was compared."""
    if found.near is None:
        document, _ = now.chunks[position]
        return prose(document.searchable(part.start_line, part.end_line))
    passages = (now.semantic.passages[number] for number in now.passages_of_chunk[position])
    return " ".join(passage.text for passage in passages if passage.part == part and not passage.question)


def _scores(found: _Found, position: int) -> Scores:
    words, near = dict(found.words), dict(found.near or ())
    close = found.close.get(position, _Closeness())
    return Scores(
        keyword=_short(words[position]) if position in words else None,
        keyword_rank=_rank(words, position),
        semantic_rank=_rank(near, position),
        meaning=_short(close.said.cosine) if close.said else None,
        title=_short(close.said.title) if close.said else None,
        words=_short(close.said.match) if close.said else None,
        question=_short(close.asked.match) if close.asked else None,
        asked_as=close.question or None,
    )


def _rank(ranking: Iterable[int], position: int) -> int | None:
    return next((rank for rank, item in enumerate(ranking, 1) if item == position), None)


def _positions(ranking: Ranking) -> list[int]:
    return [position for position, _ in ranking]


def _short(score: float) -> float:
    return float(f"{score:.4g}")
