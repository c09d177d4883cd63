"""A corpus of domain documents that can be read, searched and run."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from knowledge_base.errors import (
        CorpusNotFound,
        DocumentNotFound,
        InvalidArgument,
        InvalidCorpus,
        InvalidPath,
        InvalidQuestions,
        InvalidSearch,
        KnowledgeBaseError,
        NotFound,
        ScenarioNotFound,
        SectionNotFound,
        SemanticUnavailable,
    )
    from knowledge_base.evaluation import Evaluation, evaluate
    from knowledge_base.library import PACKAGED_CORPUS, Library
    from knowledge_base.questions import PACKAGED_QUESTIONS, Question, read_questions
    from knowledge_base.results import (
        DocumentSummary,
        Hit,
        LibraryStatus,
        OutlineEntry,
        Overview,
        Reading,
        Scenario,
        SearchMode,
        SearchResult,
        SemanticState,
    )
    from knowledge_base.sections import Section
    from knowledge_base.sources import Generated, Source

__all__ = [
    "PACKAGED_CORPUS",
    "PACKAGED_QUESTIONS",
    "CorpusNotFound",
    "DocumentNotFound",
    "DocumentSummary",
    "Evaluation",
    "Generated",
    "Hit",
    "InvalidArgument",
    "InvalidCorpus",
    "InvalidPath",
    "InvalidQuestions",
    "InvalidSearch",
    "KnowledgeBaseError",
    "Library",
    "LibraryStatus",
    "NotFound",
    "OutlineEntry",
    "Overview",
    "Question",
    "Reading",
    "Scenario",
    "ScenarioNotFound",
    "SearchMode",
    "SearchResult",
    "Section",
    "SectionNotFound",
    "SemanticState",
    "SemanticUnavailable",
    "Source",
    "evaluate",
    "read_questions",
]

_ROOMS = ("errors", "sections", "sources", "results", "library", "questions", "evaluation")


def __getattr__(name: str) -> object:
    """Load a public name when it is first used, so that importing the package costs nothing."""
    if name in __all__:
        for room in _ROOMS:
            module = import_module(f"knowledge_base.{room}")
            if name in vars(module):
                return vars(module)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
