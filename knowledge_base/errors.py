"""What can go wrong in the knowledge base, and what does each error tell the caller?

KnowledgeBaseError
    CorpusNotFound          the corpus is not a readable folder of markdown
    InvalidArgument         a value breaks a rule; knows field, value and rule
        InvalidPath         a path or an anchor that cannot name anything in the corpus
        InvalidSearch       a search that cannot be asked
    InvalidQuestions        a file of questions to judge a search by is not one; knows all mistakes
    NotFound                a well-formed name that names nothing; knows the nearest valid names
        DocumentNotFound
        SectionNotFound
        ScenarioNotFound
    SemanticUnavailable     semantic search was demanded and cannot be had here; says how to add it
"""

import difflib
from collections.abc import Iterable, Sequence

_SHOWN_CHARACTERS = 64
_SHOWN_NAMES = 5


def quoted(value: object) -> str:
    """The value as an error shows it: quoted, on one line, at most 64 characters of it."""
    text = value if isinstance(value, str) else repr(value)
    shown = repr(text[:_SHOWN_CHARACTERS])
    return f"{shown}... ({len(text):,} characters)" if len(text) > _SHOWN_CHARACTERS else shown


def nearest(wanted: str, valid: Iterable[str]) -> tuple[str, ...]:
    """Up to five valid names that look most like the wanted one, best first."""
    names = {name.casefold(): name for name in valid}
    wanted = wanted[:_SHOWN_CHARACTERS].casefold()
    contained = sorted((name for name in names if wanted and wanted in name), key=len)
    close = difflib.get_close_matches(wanted, names, n=_SHOWN_NAMES, cutoff=0.45)
    return tuple(names[name] for name in dict.fromkeys([*contained, *close]))[:_SHOWN_NAMES]


class KnowledgeBaseError(Exception):
    """Anything the knowledge base refuses or cannot do."""


class CorpusNotFound(KnowledgeBaseError):
    """The corpus is not a readable folder that holds markdown."""


class InvalidArgument(KnowledgeBaseError):
    """A value that breaks a rule.

    Attributes:
        field: the argument's name.
        value: the value as shown to people, cut to 64 characters.
        rule: what a valid value looks like.
    """

    def __init__(self, field: str, value: object, rule: str) -> None:
        self.field = field
        self.value = quoted(value)
        self.rule = rule
        super().__init__(f"{field} {self.value} is refused: {rule}")


class InvalidCorpus(InvalidArgument):
    """Sources that make no corpus together: one is given twice, holds too much, or has an impossible name."""


class InvalidPath(InvalidArgument):
    """A path or an anchor that cannot name anything inside the corpus."""


class InvalidSearch(InvalidArgument):
    """A search that cannot be asked: its query, a filter, the limit or the mode breaks a rule."""


class InvalidQuestions(KnowledgeBaseError):
    """A file of questions that cannot be asked.

    Attributes:
        file: the name of the file.
        mistakes: what is wrong, each with its entry, field, value and remedy.
    """

    def __init__(self, file: str, mistakes: Sequence[str], more: int = 0) -> None:
        self.file = file
        self.mistakes = (*mistakes, f"and {more:,} more mistakes") if more else tuple(mistakes)
        super().__init__(f"{file}: {'; '.join(self.mistakes)}")


class NotFound(KnowledgeBaseError):
    """A well-formed name that names nothing.

    Attributes:
        wanted: the name as shown to people, cut to 64 characters.
        nearest: valid names like it, best first; empty when nothing is alike.
    """

    kind = "entry"

    def __init__(self, wanted: str, where: str, valid: Iterable[str]) -> None:
        valid = list(valid)
        self.wanted = quoted(wanted)
        self.nearest = nearest(wanted, valid)
        hint = f"nearest: {', '.join(self.nearest)}" if self.nearest else f"there are {len(valid)} to choose from"
        super().__init__(f"no {self.kind} {self.wanted} in {where}; {hint}")


class DocumentNotFound(NotFound):
    """No document of the corpus has this path."""

    kind = "document"


class SectionNotFound(NotFound):
    """The document has no section with this anchor."""

    kind = "section"


class ScenarioNotFound(NotFound):
    """The document has no scenario block with this id."""

    kind = "scenario"


class SemanticUnavailable(KnowledgeBaseError):
    """Semantic search cannot be had here; the message says why and how to add it."""
