"""Which chunks mean the same as a question, whatever its words?"""

from collections.abc import Callable, Sequence
from pathlib import Path

from knowledge_base.documents import Corpus
from knowledge_base.errors import SemanticUnavailable
from knowledge_base.results import SemanticState
from knowledge_base.sections import Chunk

HOW_TO_ADD = 'semantic search is not installed; add it with: pip install "oms-mcp[semantic]"'


class SemanticSearch:
    """The semantic side of one corpus."""

    def __init__(self, corpus: Corpus, chunks: Sequence[Chunk], cache: Path, *, enabled: bool) -> None:
        self.state: SemanticState = "unavailable"
        self.note: str | None = HOW_TO_ADD if enabled else "semantic search is switched off"
        self.model: str | None = None
        self.folder: str | None = None

    def start(self, *, wait: bool = False) -> SemanticState:
        """Load in the background."""
        return self.state

    def rank(self, query: str, filters: dict[str, str], limit: int) -> list[tuple[int, float]] | None:
        """Positions of chunks with their cosine, best first; None while not ready."""
        return None

    def build(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Build the index."""
        raise SemanticUnavailable(HOW_TO_ADD)

    def close(self) -> None:
        """Stop."""
