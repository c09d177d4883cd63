from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.glossary import MAX_ADDED, Glossary, entries_of, is_glossary
from knowledge_base.sections import parse_document

TEXT = """# Glossary

| Term | Also called | Meaning |
|---|---|---|
| execution | fill, print, done trade | What the market reports. |
| cancel | pull, kill the order | A request to end it. |
| `leavesQty` | leaves, open quantity | What is still open. |
| side | | Which way it goes. |

| Other | table |
|---|---|
| cancel | nothing |
"""


def glossary(text: str = TEXT, path: str = "concepts/glossary.md") -> Glossary:
    return Glossary([parse_document(path, text)])


def test_a_word_of_the_desk_brings_the_term_and_its_other_names() -> None:
    assert glossary().other_names("was that print counted") == ["execution", "fill", "done trade"]


def test_the_term_brings_the_words_of_the_desk() -> None:
    assert glossary().other_names("cancel it") == ["pull", "kill the order"]


def test_names_are_known_in_every_form_and_in_several_words() -> None:
    assert "execution" in glossary().other_names("Prints were pulled")
    assert "cancel" in glossary().other_names("PULLING it")
    assert "execution" in glossary().other_names("two done trades")
    assert glossary().other_names("the open gate, a quantity") == []


def test_what_the_question_says_already_is_not_added() -> None:
    assert glossary().other_names("is a print a fill") == ["execution", "done trade"]


def test_only_a_document_called_glossary_is_one() -> None:
    assert is_glossary("Glossary.md")
    assert not is_glossary("concepts/glossary-of-terms.md")
    assert glossary(path="concepts/words.md").other_names("print") == []


def test_entries_say_where_they_stand_and_other_tables_are_none() -> None:
    entries = [*entries_of(parse_document("glossary.md", TEXT))]
    assert [entry.names[0] for entry in entries] == ["execution", "cancel", "leavesQty", "side"]
    assert TEXT.splitlines()[entries[0].line - 1].startswith("| execution")


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), max_size=40), st.text())
def test_whatever_stands_in_it_few_names_are_added(names: list[str], query: str) -> None:
    rows = f"| {names[0]} | {', '.join(names[1:])} | x |\n" if names else ""
    made = glossary(f"| Term | Also called | Meaning |\n|---|---|---|\n{rows}")
    assert len(made.other_names(query)) <= MAX_ADDED
    assert set(made.other_names(" ".join([*names[:1], query]))) <= set(names)


def test_a_cell_of_brackets_is_looked_at_once() -> None:
    text = f"| Term | Also called | Meaning |\n|---|---|---|\n| x{'[' * 200_000} | y | z |\n"
    (entry,) = entries_of(parse_document("glossary.md", text))
    assert entry.names[-1] == "y"
