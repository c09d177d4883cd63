import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.prose import fenced, prose

BLOCK = """```scenario
id: N1
# no heading
```
"""


def test_of_a_link_its_words_are_left() -> None:
    assert prose("See [the rule](rules.md#53-a-b) and ![a picture](p.png).") == "See the rule and a picture."


def test_a_target_may_hold_brackets_and_a_picture_may_be_a_link() -> None:
    assert prose("An [axe](axe_(order).md) and [![built](b.svg)](https://ci).") == "An axe and [built](https://ci)."


def test_fenced_blocks_are_left_out_and_can_be_had_apart() -> None:
    assert prose(f"Before.\n\n{BLOCK}\nAfter.") == "Before. After."
    assert fenced(f"Before.\n\n{BLOCK}\nAfter.") == BLOCK.strip()


def test_a_block_without_an_end_reaches_to_the_end() -> None:
    assert prose("Before.\n~~~mermaid\nA --> B") == "Before."


def test_a_row_of_a_table_reads_as_a_list() -> None:
    table = "Said.\n\n| Key | Means |\n|---|:--|\n| `a` | one \\| two |\n| `b` | |\n"
    assert prose(table) == "Said. `a`, one | two; `b`;"


def test_headings_metadata_bullets_and_bold_marks_are_left_out() -> None:
    assert prose("# T\n\n**Version:** 1.0 | x\n\n- **When:** now\n* then\n") == "When: now then"


@given(st.text(alphabet="ab `~|#[]()*-\n", max_size=300))
def test_whatever_is_written_becomes_one_line(text: str) -> None:
    assert "\n" not in prose(text)


def test_html_comments_front_matter_and_lines_under_headings_are_left_out() -> None:
    assert prose("---\ntitle: T\n---\nHead\n===\n\nA <b>bold</b> word<!-- not\nthis -->.<br/>\n\n---\n") == (
        "Head A bold word."
    )


def test_a_word_in_angle_brackets_that_is_no_html_stays() -> None:
    assert prose("Type `oms show <orderId>`.") == "Type `oms show <orderId>`."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"| a{' ' * 5_000}b |\n" * 1_000, " ".join(["a b;"] * 1_000)),
        ("[a](" * 300_000, "[a](" * 300_000),
        ("](" + "[" * 500_000, "](" + "[" * 500_000),
        ("](" + "![a" * 300_000, "](" + "![a" * 300_000),
    ],
    ids=["spaces within cells", "links that never end", "brackets", "pictures that never end"],
)
def test_what_closes_nothing_is_read_once(text: str, expected: str) -> None:
    assert prose(text) == expected
