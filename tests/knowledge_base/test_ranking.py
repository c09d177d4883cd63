from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.ranking import (
    COSINE_FLOOR,
    COSINE_SURE,
    FUSION_K,
    KNOWN_SHARE_FLOOR,
    fuse,
    identifiers,
    is_doubtful,
    lead,
    names,
)

ranking = st.lists(st.integers(0, 30), unique=True, max_size=20)


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


def test_doubt_comes_from_unknown_words_or_from_distance() -> None:
    assert is_doubtful(KNOWN_SHARE_FLOOR - 0.01, None)
    assert not is_doubtful(KNOWN_SHARE_FLOOR, None)
    assert is_doubtful(1.0, COSINE_FLOOR - 0.01)
    assert not is_doubtful(1.0, COSINE_FLOOR)


def test_a_close_meaning_outweighs_unknown_words() -> None:
    assert is_doubtful(0.0, COSINE_SURE - 0.01)
    assert not is_doubtful(0.0, COSINE_SURE)


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
