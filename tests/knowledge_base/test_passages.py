from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.passages import PASSAGE, passages_of, split
from knowledge_base.prose import asked, prose
from knowledge_base.sections import Document, parse_document

SENTENCE = "An order lives from its creation until it is closed, and somebody moves it from state to state. "

DOCUMENT = parse_document(
    "concepts/lifecycle.md",
    f"""# 1. Lifecycle

{SENTENCE * 3}

## 1.1 Cancelling

{SENTENCE * 20}

**Asked as:** can I pull the rest; kill what is left

```text
**Asked as:** no question, but an example
```

## 1.2 Example

```text
{SENTENCE * 4}
```
""",
)


def passages(document: Document = DOCUMENT) -> list[tuple[str, str, str]]:
    chunks = [(document, chunk) for chunk in document.chunks]
    return [(" > ".join(passage.titles), passage.text, passage.question) for passage in passages_of(chunks)]


def test_a_long_section_is_cut_between_sentences() -> None:
    pieces = [text for titles, text, question in passages() if titles.endswith("Cancelling") and not question]
    assert len(pieces) > 1
    assert all(piece.startswith("An order") and piece.endswith(".") for piece in pieces)
    assert all(len(piece) < 2 * PASSAGE for piece in pieces)


def test_titles_lose_their_numbers() -> None:
    assert {titles for titles, _, _ in passages()} == {
        "Lifecycle",
        "Lifecycle > Cancelling",
        "Lifecycle > Example",
    }


def test_each_question_that_a_section_answers_is_a_passage_read_alone() -> None:
    chunks = [(DOCUMENT, chunk) for chunk in DOCUMENT.chunks]
    questions = [passage for passage in passages_of(chunks) if passage.question]
    assert [passage.reading for passage in questions] == ["can I pull the rest", "kill what is left"]
    assert {passage.titles[-1] for passage in questions} == {"Cancelling"}


def test_a_passage_is_read_under_its_titles() -> None:
    chunks = [(DOCUMENT, chunk) for chunk in DOCUMENT.chunks]
    assert passages_of(chunks)[0].reading.startswith("Lifecycle\nAn order lives")


def test_every_chunk_has_a_passage_even_without_prose() -> None:
    chunks = [(DOCUMENT, chunk) for chunk in DOCUMENT.chunks]
    assert {passage.chunk for passage in passages_of(chunks)} == set(range(len(chunks)))


def test_what_a_section_is_asked_as_is_no_part_of_its_prose() -> None:
    text = "Before.\n\n**Asked as:** who moves it; why\n\nAfter."
    assert prose(text) == "Before. After."
    assert asked(text) == ["who moves it", "why"]


def test_a_line_of_questions_that_says_none_asks_nothing() -> None:
    assert asked("**Asked as:** ; ;\n**Asked as:**\n") == []


@given(st.text(st.sampled_from("ab .;:!?\n"), max_size=3_000).map(lambda text: " ".join(text.split())))
def test_pieces_joined_are_the_text_again(text: str) -> None:
    pieces = split(text)
    assert " ".join(pieces) == text
    assert len(pieces) == 1 or all(pieces)


@given(st.integers(1, 60))
def test_no_piece_is_much_longer_than_a_passage(sentences: int) -> None:
    assert max(map(len, split((SENTENCE * sentences).strip()))) <= PASSAGE * 3 / 2 + len(SENTENCE)
