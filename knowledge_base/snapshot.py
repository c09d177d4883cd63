"""What does a reader hold on to while the documents change? One state of them all, in which nothing ever changes."""

from functools import cached_property
from pathlib import Path
from threading import Lock

from knowledge_base.documents import Corpus
from knowledge_base.glossary import Glossary
from knowledge_base.keeping import kept_words
from knowledge_base.lexical import LexicalIndex
from knowledge_base.ranking import identifiers
from knowledge_base.semantic import SemanticSearch


class Snapshot:
    """The documents as they were read at one moment, with what searches them; safe to use from several threads.

    Args:
        corpus: the documents.
        semantic: the semantic side of these documents.
        cache: where the words of the chunks are kept for the next start.

    Attributes:
        chunks: what retrieval finds, each with its document; rankings name them by position.
    """

    def __init__(self, corpus: Corpus, semantic: SemanticSearch, cache: Path) -> None:
        self.corpus = corpus
        self.chunks = corpus.chunks
        self.semantic = semantic
        self._cache = cache
        self._lock = Lock()

    @property
    def lexical(self) -> LexicalIndex:
        """The words of all chunks; made when first asked for."""
        with self._lock:
            return self._lexical

    @cached_property
    def titles(self) -> list[frozenset[str]]:
        """For each chunk the names with digits in its headings."""
        return [identifiers(" ".join(part.section.title for part in chunk.parts)) for _, chunk in self.chunks]

    @cached_property
    def passages_of_chunk(self) -> list[list[int]]:
        """For each chunk the positions of its passages."""
        positions: list[list[int]] = [[] for _ in self.chunks]
        for position, passage in enumerate(self.semantic.passages):
            positions[passage.chunk].append(position)
        return positions

    @cached_property
    def glossary(self) -> Glossary:
        """What else the things in a question are called."""
        return Glossary(self.corpus.documents.values())

    @cached_property
    def _lexical(self) -> LexicalIndex:
        return kept_words(self._cache, self.corpus)
