import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.lexical import terms_of
from knowledge_base.likeness import Likeness
from knowledge_base.ranking import (
    DOUBT,
    FUSION_K,
    among_its_own,
    asks_by_name,
    confidence,
    fuse,
    identifiers,
    lead,
    names,
    total,
    weighed,
)

ranking = st.lists(st.integers(0, 30), unique=True, max_size=20)
cosine = st.floats(-1, 1)
likeness = st.builds(Likeness, cosine, cosine, cosine)
share = st.floats(0, 1)


def test_what_both_rankings_find_comes_first() -> None:
    assert fuse([1, 2, 3], [4, 3, 5])[0][0] == 3


def test_a_tie_goes_to_the_first_ranking() -> None:
    assert fuse([1], [2]) == [(1, 1 / (FUSION_K + 1)), (2, 1 / (FUSION_K + 1))]


@given(ranking, ranking)
def test_nothing_is_lost_or_invented_and_scores_fall(first: list[int], second: list[int]) -> None:
    fused = fuse(first, second)
    assert {item for item, _ in fused} == {*first, *second}
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@given(ranking)
def test_one_ranking_keeps_its_order(only: list[int]) -> None:
    assert [item for item, _ in fuse(only, [])] == only


@given(share)
def test_by_words_alone_confidence_is_the_share_of_known_words(known: float) -> None:
    assert confidence(known, None) == known


@given(share, likeness)
def test_confidence_is_a_share(known: float, best: Likeness) -> None:
    assert 0 <= confidence(known, best) <= 1


@given(share, share, likeness, likeness)
def test_whoever_is_more_alike_in_everything_is_surer(
    one: float, two: float, first: Likeness, second: Likeness
) -> None:
    low = Likeness(*map(min, first, second))
    high = Likeness(*map(max, first, second))
    assert confidence(min(one, two), low) <= confidence(max(one, two), high)


def test_what_is_far_away_is_doubted_and_what_is_met_word_by_word_is_not() -> None:
    assert confidence(0.2, Likeness(cosine=0.1, title=0.1, match=0.2)) < DOUBT
    assert confidence(0.2, Likeness(cosine=0.7, title=0.5, match=0.8)) > DOUBT


@given(likeness, likeness, share, share)
def test_a_section_goes_up_by_as_much_as_its_question_fits_better(
    said: Likeness, asked: Likeness, shared: float, others: float
) -> None:
    gained = total(said, asked, shared, others) - total(said, said, shared, others)
    assert gained == pytest.approx(weighed(asked) - weighed(said))


@given(st.dictionaries(st.integers(0, 20), st.integers(0, 200).map(lambda hundredths: hundredths / 100), min_size=1))
def test_within_a_document_sections_keep_their_order(fits: dict[int, float]) -> None:
    raised = among_its_own(fits, lambda section: f"{section % 3}.md")
    assert raised.keys() == fits.keys()
    for document in range(3):
        own = [section for section in fits if section % 3 == document]
        assert sorted(own, key=fits.__getitem__) == sorted(own, key=raised.__getitem__)


def test_of_two_sections_that_fit_alike_the_one_in_the_document_that_fits_is_first() -> None:
    raised = among_its_own({1: 1.0, 2: 1.0, 3: 0.9}, {1: "a.md", 2: "b.md", 3: "b.md"}.__getitem__)
    assert raised[2] > raised[1]


def test_identifiers_are_words_with_a_number_however_they_are_written() -> None:
    assert identifiers("why OMS-STATE-002, ord14 and ex_05?") == {"oms-state-002", "ord-14", "ex-05"}
    assert identifiers("3.14 fill-or-kill 35=8 300 fills") == set()


def test_the_end_of_an_identifier_names_it_and_another_beginning_does_not() -> None:
    title = identifiers("3.2 OMS-STATE-002: object not in the state")
    assert names(title, identifiers("oms-state-002"))
    assert names(title, identifiers("STATE-002"))
    assert not names(title, identifiers("XYZ-STATE-002"))
    assert not names(title, identifiers("STATE-02"))


@given(ranking, st.sets(st.integers(0, 40), max_size=3))
def test_what_leads_comes_first_and_scores_still_fall(found: list[int], first: set[int]) -> None:
    led = lead(fuse(found), first)
    assert {item for item, _ in led[: len(first)]} == first
    assert {item for item, _ in led} == {*found, *first}
    assert [score for _, score in led] == sorted((score for _, score in led), reverse=True)


@pytest.mark.parametrize("query", ["OMS-STATE-002", "why was my cancel refused with CXL-03", "what is N16"])
def test_a_short_question_with_a_name_is_about_it(query: str) -> None:
    assert asks_by_name(query, terms_of(query))


@pytest.mark.parametrize("query", ["how do I migrate the database from v1 to v2 today", "is a print a fill"])
def test_a_longer_one_with_a_number_or_one_without_is_not(query: str) -> None:
    assert not asks_by_name(query, terms_of(query))
