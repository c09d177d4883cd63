from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge_base.documents import Corpus
from knowledge_base.lexical import MAX_TERMS, LexicalIndex, terms_of


@pytest.fixture
def anchors(corpus: Path) -> list[str]:
    documents = Corpus(corpus).documents.values()
    return [chunk.main.section.anchor for document in documents for chunk in document.chunks]


@pytest.fixture
def index(corpus: Path) -> Iterator[LexicalIndex]:
    index = LexicalIndex([*Corpus(corpus).documents.values()])
    yield index
    index.close()


def best(index: LexicalIndex, anchors: list[str], query: str) -> str:
    return anchors[index.rank(query, None, 5)[0][0]]


def test_words_are_stemmed(index: LexicalIndex, anchors: list[str]) -> None:
    assert best(index, anchors, "cancelled by traders") == "2-cancelling"


def test_a_title_weighs_more_than_a_mention(index: LexicalIndex, anchors: list[str]) -> None:
    assert best(index, anchors, "snapshot") == "snapshots"
    assert best(index, anchors, "terminal") == "11-terminal-states"


def test_an_identifier_is_one_term(index: LexicalIndex, anchors: list[str]) -> None:
    assert best(index, anchors, "OMS-ORDER-006") == "2-cancelling"
    assert index.rank("OMS-ORDER-007", None, 5) == []


def test_only_allowed_chunks_are_ranked(index: LexicalIndex) -> None:
    found = {position for position, _ in index.rank("order", None, 50)}
    allowed = set(sorted(found)[:2])
    assert {position for position, _ in index.rank("order", allowed, 50)} == allowed


@pytest.mark.parametrize(
    "query", ['"', "'; DROP TABLE chunks; --", "title:*", "NEAR(a b)", "a AND", "(", "^x", "-", "\0", "*"]
)
def test_syntax_in_a_question_means_nothing(index: LexicalIndex, query: str) -> None:
    index.rank(query, None, 5)
    assert index.rank("order", None, 5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_any_text_can_be_asked(index: LexicalIndex, query: str) -> None:
    assert 0.0 <= index.known_share(query) <= 1.0
    assert all(score >= 0 for _, score in index.rank(query, None, 5))


def test_words_that_say_nothing_are_dropped_unless_there_are_no_others() -> None:
    assert terms_of("What is the leaves quantity of an order?") == ["leaves", "quantity", "order"]
    assert terms_of("what is it") == ["what", "is", "it"]
    assert terms_of("fill-or-kill fill-or-kill, 35=8") == ["fill-or-kill", "35", "8"]
    assert terms_of("?!") == []


def test_the_number_of_terms_is_bounded() -> None:
    assert len(terms_of(" ".join(f"w{number}" for number in range(1000)))) == MAX_TERMS


def test_the_known_share_tells_our_subject_from_another(index: LexicalIndex) -> None:
    assert index.known_share("cancel a filled order") == 1.0
    assert index.known_share("sourdough bread recipe") == 0.0
    assert 0.0 < index.known_share("order sourdough") < 0.5


def test_several_threads_may_ask_at_once(index: LexicalIndex) -> None:
    alone = index.rank("cancel order", None, 5)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: index.rank("cancel order", None, 5), range(100))) == [alone] * 100
