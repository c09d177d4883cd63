"""Are our own questions what `oms kb eval` needs: many, in words of their own, about every document, and honest?"""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from knowledge_base.documents import Corpus, split_reference
from knowledge_base.library import PACKAGED_CORPUS
from knowledge_base.sections import Document, Section, plain

QUESTIONS = PACKAGED_CORPUS.with_name("questions.yaml")

NOT_TOLD = """
a about again all also am an and any are as at be been being but by can could did do does for from get got had has have
he her him his how i if in into is it its just me might more most my not of off on once only or our out over own same
she should so some still t than that the their them then there these they this those to too under up us very was we
were what when where which while who whom whose why will with without would you your
"""
"""English words that say nothing about a subject; a list of its own, so that search is free to change its list."""


class Stems:
    """The stems of a text, as the Porter tokenizer of SQLite finds them."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.executescript(
            """
            CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = "porter unicode61 remove_diacritics 2");
            CREATE VIRTUAL TABLE stems USING fts5vocab(texts, row);
            """
        )
        self._nothing: set[str] = set()
        self._nothing = self.of(NOT_TOLD)

    def of(self, text: str) -> set[str]:
        self._connection.execute("DELETE FROM texts")
        self._connection.execute("INSERT INTO texts VALUES (?)", (text,))
        return {stem for (stem,) in self._connection.execute("SELECT term FROM stems")} - self._nothing

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def stems() -> Iterator[Stems]:
    made = Stems()
    yield made
    made.close()


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(PACKAGED_CORPUS)


@pytest.fixture(scope="module")
def questions() -> list[dict[str, object]]:
    loaded: list[dict[str, object]] = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))["queries"]
    return loaded


def expected_sections(question: dict[str, object]) -> list[str]:
    sections = question.get("expected_sections", [])
    assert isinstance(sections, list)
    return sections


def first_sentence(document: Document, section: Section) -> str:
    """The first sentence of prose in a section's own text; tables, lists of facts and fenced blocks are none."""
    fenced = {
        number for fence in document.fences for number in range(fence.line, fence.line + fence.text.count("\n") + 2)
    }
    paragraph: list[str] = []
    for number in range(section.start_line + 1, section.own_end + 1):
        line = document.lines[number - 1]
        if line.strip() and number not in fenced and not line.startswith(("|", "**")):
            paragraph.append(line)
        elif paragraph:
            break
    return re.split(r"(?<=[.:?!])\s", plain(" ".join(paragraph)), maxsplit=1)[0]


def test_there_are_enough_questions_of_both_kinds(questions: list[dict[str, object]]) -> None:
    unanswerable = [question for question in questions if question.get("answerable") is False]
    assert len(questions) >= 150
    assert len(unanswerable) >= 40
    assert len({str(question["query"]).casefold() for question in questions}) == len(questions)


def test_every_expected_section_exists(corpus: Corpus, questions: list[dict[str, object]]) -> None:
    for question in questions:
        for citation in expected_sections(question):
            _, section = corpus.find_section(*split_reference(citation))
            assert section.citation == citation


def test_what_has_no_answer_expects_none(questions: list[dict[str, object]]) -> None:
    for question in questions:
        answered = bool(question.get("expected_docs") or question.get("expected_sections"))
        assert answered is question.get("answerable", True), question["query"]


def test_every_document_is_asked_about(corpus: Corpus, questions: list[dict[str, object]]) -> None:
    asked = {citation.split("#")[0] for question in questions for citation in expected_sections(question)}
    assert set(corpus.documents) - asked == set()


def test_half_of_the_questions_share_no_stem_with_title_or_first_sentence_of_any_answer(
    corpus: Corpus, questions: list[dict[str, object]], stems: Stems
) -> None:
    answerable = [question for question in questions if question.get("answerable", True)]
    in_other_words = [
        question
        for question in answerable
        if (sections := expected_sections(question))
        and not any(
            stems.of(str(question["query"])) & stems.of(f"{section.title}. {first_sentence(document, section)}")
            for document, section in (corpus.find_section(*split_reference(citation)) for citation in sections)
        )
    ]
    assert len(in_other_words) * 2 >= len(answerable), f"{len(in_other_words)} of {len(answerable)}"


@pytest.mark.parametrize(
    ("text", "same"), [("orders", "ordering"), ("allocation", "allocate"), ("refused", "refusing")]
)
def test_stems_join_the_forms_of_a_word(stems: Stems, text: str, same: str) -> None:
    assert stems.of(text) == stems.of(same) != set()


def test_the_first_sentence_is_prose(corpus: Corpus) -> None:
    document, section = corpus.find_section("order-lifecycle", "2-states")
    assert first_sentence(document, section) == "The state is one of eight words."
    assert Path(section.path).stem == "order-lifecycle"
