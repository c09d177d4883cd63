from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.excerpts import MAX_EXCERPT, best_part
from knowledge_base.excerpts import excerpt as excerpt_of_prose
from knowledge_base.prose import prose
from knowledge_base.sections import parse_document

FILLER = "Nothing of interest happens in this sentence. " * 20


def excerpt(text: str, terms: list[str]) -> str:
    return excerpt_of_prose(prose(text), terms)


def test_a_short_text_is_shown_whole_without_its_heading() -> None:
    assert excerpt("## Title\n\nTwo\nlines.\n", ["x"]) == "Two lines."


def test_the_window_lies_where_the_terms_stand_together() -> None:
    text = f"{FILLER} A cancel alone. {FILLER} The cancelled order leaves the market. {FILLER}"
    passage = excerpt(text, ["cancel", "order", "market"])
    assert "The cancelled order leaves the market." in passage
    assert passage.startswith("…")
    assert passage.endswith("…")


def test_without_a_term_the_beginning_is_shown() -> None:
    assert excerpt(f"First. {FILLER}", ["zebra"]).startswith("First. Nothing")


def test_the_last_words_are_shown_to_their_end() -> None:
    assert excerpt(f"{FILLER} zebra.", ["zebra"]).endswith("zebra.")


@given(st.text(max_size=2000), st.lists(st.text(max_size=10), max_size=5))
def test_an_excerpt_is_bounded_and_on_one_line(text: str, terms: list[str]) -> None:
    passage = excerpt(text, terms)
    assert len(passage) <= MAX_EXCERPT
    assert "\n" not in passage


def test_a_merged_chunk_cites_the_part_that_fits() -> None:
    document = parse_document("p.md", f"# A\n{FILLER}\n## Bust\nTakes back.\n## Whack\nCorrects a price.\n")
    (chunk,) = document.chunks
    assert best_part(document, chunk, ["whack"]).section.anchor == "whack"
    assert best_part(document, chunk, ["bust"]).section.anchor == "bust"
    assert best_part(document, chunk, ["zebra"]).section.anchor == "a"


def test_words_are_shown_whole_and_markup_is_not() -> None:
    text = f"{FILLER}\n\n```scenario\nid: zebra\n```\n\nA [zebra](animals.md#zebra) crosses. {FILLER}"
    passage = excerpt(text, ["zebra"])
    assert "A zebra crosses." in passage
    assert "scenario" not in passage
    assert set(passage.strip("…").split()) <= set(prose(text).split())
