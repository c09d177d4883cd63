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
