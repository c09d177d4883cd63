import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.spelling import is_slip, meant, respelled, words_of

word = st.text(st.sampled_from("abcde"), min_size=4, max_size=9)


@pytest.mark.parametrize(
    ("mistyped", "other"), [("partialy", "partially"), ("limmit", "limit"), ("cancle", "cancel"), ("wich", "which")]
)
def test_a_letter_too_few_too_many_or_two_that_changed_places_are_slips(mistyped: str, other: str) -> None:
    assert is_slip(mistyped, other)


@pytest.mark.parametrize(("one", "other"), [("charged", "changed"), ("winter", "writer"), ("order", "order")])
def test_another_word_is_no_slip(one: str, other: str) -> None:
    assert not is_slip(one, other)


@given(word, st.data())
def test_dropping_a_letter_is_a_slip_in_both_directions(whole: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(whole) - 1))
    without = whole[:place] + whole[place + 1 :]
    assert is_slip(without, whole)
    assert is_slip(whole, without)


@given(word, st.data())
def test_swapping_two_unlike_neighbours_is_a_slip(whole: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(whole) - 2))
    swapped = whole[:place] + whole[place + 1] + whole[place] + whole[place + 2 :]
    assert is_slip(swapped, whole) == (swapped != whole)


def test_of_two_that_may_be_meant_the_more_frequent_one_is() -> None:
    assert meant("limt", [("limit", 30), ("limts", 2), ("light", 90)]) == "limit"
    assert meant("zebra", [("limit", 30)]) is None


def test_a_text_keeps_everything_but_the_mistyped_words() -> None:
    assert respelled("Is a Limt, or 3x?", {"limt": "limit"}) == "Is a limit, or 3x?"
    assert words_of("OMS-STATE-002 of a Limt") == ["state", "limt"]
