"""Which scenarios of the knowledge base does a name mean, and which are about something?"""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

from knowledge_base import KnowledgeBaseError, Library
from knowledge_base.errors import DocumentNotFound, nearest
from knowledge_base.library import MAX_QUERY
from knowledge_base.results import OutlineEntry
from knowledge_base.results import Scenario as Block
from oms_engine.errors import ScenarioError
from oms_engine.simulation.kinds import kinds_of
from oms_engine.simulation.scenario import Scenario, Step, parse_scenarios


def documented_scenarios(library: Library, name: str) -> list[Scenario]:
    """The scenarios that a name means: `DOC#ID` one, an id all that have it, a document all that stand in it.

    Raises:
        KnowledgeBaseError: It names nothing; the message lists the nearest.
        ScenarioError: What stands there cannot be read.
    """
    _, hash_sign, wanted = name.partition("#")
    if hash_sign:
        blocks = [library.scenario(name)]
    else:
        blocks = [block for block in library.scenarios() if block.id == name] or _of_document(library, name)
        wanted = name if any(block.id == name for block in blocks) else ""
    found = [each for block in blocks for each in read_block(block)]
    return [scenario for scenario in found if not wanted or scenario.id == wanted]


def read_block(block: Block) -> list[Scenario]:
    """The scenarios of a block of a document, with their lines in it."""
    return parse_scenarios(block.text, block.path, line=block.line + 1)


def _of_document(library: Library, name: str) -> list[Block]:
    try:
        path = library.read(name, limit=1).path
    except DocumentNotFound as error:
        blocks = {block.id: block for block in library.scenarios()}
        if not (near := nearest(name, blocks)):
            raise
        told = ", ".join(f"{each} ({blocks[each].path})" for each in near)
        raise KnowledgeBaseError(f"{error}; and no scenario {error.wanted}, nearest: {told}") from None
    return [block for block in library.scenarios() if block.path == path]


def only_one(scenarios: Sequence[Scenario], name: str) -> Scenario:
    """The one scenario that a name means; raises ScenarioError naming all, where there are several or none."""
    if len(scenarios) == 1:
        return scenarios[0]
    if not scenarios:
        raise ScenarioError(f"{name} has no scenario")
    sources = {scenario.source for scenario in scenarios}
    if len(sources) > 1:
        listed = ", ".join(f"{each.source}#{each.id}" for each in scenarios)
        raise ScenarioError(f"{name} names {len(scenarios)} scenarios; say which: {listed}")
    listed = ", ".join(each.id for each in scenarios[:_LISTED])
    raise ScenarioError(f"{name} has {len(scenarios)} scenarios; name one as DOC#ID, or send one: {listed}")


_LISTED = 100
"""Ids that one message lists."""


Wire = dict[str, Any]


class Story(NamedTuple):
    """A scenario of the documents, with the section in which it stands."""

    scenario: Scenario
    section: str
    heading: str
    kinds: tuple[str, ...]

    @property
    def reference(self) -> str:
        """`path#id`, as it is played by."""
        return f"{self.scenario.source}#{self.scenario.id}"

    @property
    def document(self) -> str:
        """Its document, without `.md`."""
        return self.scenario.source.removesuffix(".md")

    def to_wire(self) -> Wire:
        """What a list of scenarios tells of it."""
        return {
            "id": self.scenario.id,
            "title": self.scenario.title,
            "reference": self.reference,
            "section": self.section,
            "line": self.scenario.line,
            "kinds": [*self.kinds],
            "given": len(self.scenario.given),
            "steps": len(self.scenario.steps),
        }

    @property
    def words(self) -> str:
        """What it can be found by: what it is called, where it stands, what it does and what it expects."""
        sent = " ".join(str((step.do or {}).get("type", "")) for step in self._steps)
        codes = " ".join(str(step.expect.get("errorCode", "")) for step in self._steps)
        named = (self.reference, self.scenario.title, self.heading, *self.kinds)
        return " ".join((*named, sent, codes)).casefold()

    @property
    def _steps(self) -> tuple[Step, ...]:
        return (*self.scenario.given, *self.scenario.steps)


def stories(library: Library) -> list[Story]:
    """All scenarios of the documents, in order of documents and lines; those that cannot be read are left out."""
    outline = cache(lambda path: library.read(path, limit=1).outline)
    return [story for block in library.scenarios() for story in _stories_of(block, outline(block.path))]


def _stories_of(block: Block, outline: Sequence[OutlineEntry]) -> Iterator[Story]:
    try:
        found = read_block(block)
    except ScenarioError:
        return
    around = [entry for entry in outline if entry.start_line <= block.line <= entry.end_line]
    anchor, heading = (around[-1].anchor, around[-1].title) if around else ("", "")
    for scenario in found:
        yield Story(scenario, f"{block.path}#{anchor}" if anchor else block.path, heading, kinds_of(scenario))


def about(library: Library, wanted: Sequence[str], among: Sequence[Story]) -> list[Story]:
    """The scenarios that have all the words, those that have them in their title first.

    Where there are none, those of the sections that answer the words as a question, best first.
    """
    words = [word.casefold() for word in wanted]
    found = [story for story in among if all(word in story.words for word in words)]
    if found:
        return sorted(found, key=lambda story: -sum(word in story.scenario.title.casefold() for word in words))
    answer = library.search(" ".join(wanted)[:MAX_QUERY], mode="keyword", limit=_SECTIONS)
    if answer.low_confidence:
        return []
    places = {hit.citation: place for place, hit in reversed([*enumerate(answer.hits)])}
    return sorted((story for story in among if story.section in places), key=lambda story: places[story.section])


_SECTIONS = 10
"""Sections that are looked at for scenarios."""


def nearest_words(wanted: Sequence[str], among: Sequence[Story]) -> list[str]:
    """Words of scenarios that look like those that were wanted and that no scenario has."""
    known = {word for story in among for word in _WORD.findall(story.words)}
    absent = [word.casefold() for word in wanted if not any(word.casefold() in story.words for story in among)]
    near = (each for word in absent for each in get_close_matches(word[:_LONGEST_WORD], known, n=3, cutoff=0.7))
    return list(dict.fromkeys(near))


_LONGEST_WORD = 64


_WORD = re.compile(r"[a-z][a-z0-9]{2,}")
