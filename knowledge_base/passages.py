"""Of which passages does a chunk consist, each short enough for the model to read it whole?

A passage is some sentences of one section, read under the titles that lead to it, or one of the questions that the
section says it answers. Meaning is compared by passages, so that a long section is found by any of its sentences, and a
hit shows the one that fits.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from knowledge_base.glossary import is_glossary
from knowledge_base.prose import asked, prose
from knowledge_base.sections import Chunk, Document, Part

PASSAGE = 700
"""Characters of a passage, about: the model reads some 250 words, and its titles are among them."""

_NUMBER = re.compile(r"^\d+(?:\.\d+)*\.? ")
_SENTENCE_END = re.compile(r"(?<=[.;:!?])\s+")


class Passage(NamedTuple):
    """Some sentences of a section.

    Attributes:
        chunk: position of the chunk they stand in.
        part: the lines of the section.
        titles: from the document's to the section's own, without their numbers.
        text: the sentences; empty where a chunk holds nothing but headings and fenced blocks.
        question: one that the section answers; empty for a passage of the section itself.
    """

    chunk: int
    part: Part
    titles: tuple[str, ...]
    text: str
    question: str = ""

    @property
    def reading(self) -> str:
        """What the model reads: where the passage stands and what it says, or the question alone."""
        if self.question:
            return self.question
        return f"{' > '.join(self.titles)}\n{self.text}"


def passages_of(chunks: Sequence[tuple[Document, Chunk]]) -> list[Passage]:
    """The passages of all chunks in their order; each chunk has at least one."""
    return [passage for position, (document, chunk) in enumerate(chunks) for passage in _of(position, document, chunk)]


def _of(position: int, document: Document, chunk: Chunk) -> Iterator[Passage]:
    texts = {part: prose(document.searchable(part.start_line, part.end_line)) for part in chunk.parts}
    if not any(texts.values()):
        texts = {chunk.main: ""}
    for part, text in texts.items():
        titles = tuple(_NUMBER.sub("", title) for title in part.section.breadcrumb)
        if text or len(texts) == 1:
            yield from (Passage(position, part, titles, piece) for piece in _pieces(document, text))
        questions = asked(document.searchable(part.start_line, part.end_line))
        yield from (Passage(position, part, titles, text, question) for question in questions)


def _pieces(document: Document, text: str) -> list[str]:
    """The passages of a section's prose; each row of a glossary is one of its own."""
    return text.split("; ") if is_glossary(document.path) else split(text)


def split(text: str) -> list[str]:
    """Cut a text between its sentences into pieces of like length; joined by a space they are the text again."""
    count = max(1, round(len(text) / PASSAGE))
    wanted = len(text) / count
    pieces: list[list[str]] = [[]]
    size = 0.0
    for sentence in _sentences(text):
        if pieces[-1] and size + len(sentence) / 2 > wanted:
            pieces.append([])
            size = 0.0
        pieces[-1].append(sentence)
        size += len(sentence) + 1
    return [" ".join(piece) for piece in pieces]


def _sentences(text: str) -> Iterator[str]:
    """The sentences; one that is longer than a passage is cut between words."""
    for sentence in _SENTENCE_END.split(text):
        rest = sentence
        while len(rest) > PASSAGE and " " in rest[:PASSAGE]:
            head, _, _ = rest[:PASSAGE].rpartition(" ")
            yield head
            rest = rest[len(head) + 1 :]
        yield rest
