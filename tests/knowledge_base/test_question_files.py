import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base import InvalidPath, InvalidQuestions, Library, Question, Section, read_questions
from knowledge_base.questions import MAX_QUESTIONS, MAX_TEXT

CITED = "concepts/order-lifecycle.md"


def read(library: Library, text: str) -> list[Question]:
    return read_questions(text, "mine.yaml", library.resolve)


def refusal(library: Library, text: str) -> str:
    with pytest.raises(InvalidQuestions) as caught:
        read(library, text)
    assert caught.value.file == "mine.yaml"
    return str(caught.value)


def test_a_question_names_documents_and_sections_that_answer_it(library: Library) -> None:
    text = f"""
    queries:
      - query: can I pull a filled order
        expected_docs: [{CITED}, concepts/quantities.md]
        expected_sections: {CITED}#2-cancelling
    """
    (question,) = read(library, text)
    assert question.query == "can I pull a filled order"
    assert question.documents == {CITED, "concepts/quantities.md"}
    assert question.sections == {f"{CITED}#2-cancelling"}
    assert question.answerable


def test_documents_follow_from_sections(library: Library) -> None:
    (question,) = read(library, f"queries: [{{query: a, expected_sections: ['{CITED}#1-states']}}]")
    assert question.documents == {CITED}


def test_a_question_with_documents_alone_names_no_sections(library: Library) -> None:
    (question,) = read(library, f"queries: [{{query: a, expected: {CITED}}}]")
    assert question.documents == {CITED}
    assert question.sections == frozenset()


@pytest.mark.parametrize("word", ["false", "False", "no", "'false'"])
def test_a_question_may_have_no_answer(library: Library, word: str) -> None:
    (question,) = read(library, f"queries: [{{query: a, answerable: {word}, expected_docs: []}}]")
    assert not question.answerable


@pytest.mark.parametrize(
    "path",
    [
        CITED,
        "order-lifecycle",
        "order-lifecycle.md",
        f"./{CITED}",
        f"handbook/docs/{CITED}",
        f"/srv/handbook/{CITED}",
        "Concepts/Order-Lifecycle.md",
    ],
)
def test_a_path_is_relative_to_the_corpus_or_ends_alike(library: Library, path: str) -> None:
    (question,) = read(library, f"queries: [{{query: a, expected: {path}}}]")
    assert question.documents == {CITED}
    (question,) = read(library, f"queries: [{{query: a, expected_sections: '{path}#1-states'}}]")
    assert question.sections == {f"{CITED}#1-states"}


def test_a_path_with_another_folder_is_not_taken_for_the_document_of_that_name(library: Library) -> None:
    message = refusal(library, "queries: [{query: a, expected: guides/order-lifecycle.md}]")
    assert "no document 'guides/order-lifecycle.md' in the corpus; nearest: concepts/order-lifecycle.md" in message


def test_whatever_looks_like_a_number_or_a_time_stays_the_text_that_was_asked(library: Library) -> None:
    words = ["404", "2026-01-01", "1e3", "on", "0x1F"]
    text = "queries: [" + ", ".join(f"{{query: {word}, answerable: false}}" for word in words) + "]"
    assert [question.query for question in read(library, text)] == words


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("foo", "entry 'foo': it is no mapping"),
        ("{quary: a}", "quary 'a': there is no such field; use query"),
        ("{query: a, zzz: [1, 2]}", "zzz, a list of 2: there is no such field; the fields are query"),
        ("{query: a, zzz: {b: c}}", "zzz a mapping: there is no such field"),
        ("{expected: x}", "query, which is empty: give the words"),
        ("{query: '  '}", "query '  ': give the words"),
        (f"{{query: {'x' * 1001}}}", "(1,001 characters): give at most 1,000 characters"),
        ("{query: a}", "query 'a': nothing is expected; name expected_docs or expected_sections, or write answerable"),
        ("{query: a, answerable: perhaps}", "answerable 'perhaps': give true or false"),
        ("{query: a, answerable: [no]}", "answerable, a list of 1: give true or false"),
        ("{query: a, answerable: no, expected: b}", "answerable 'false': 'b' is expected all the same"),
        ("{query: a, expected: b, expected_docs: b}", "expected 'b': it means the same as expected_docs; keep one"),
        ("{query: a, expected: [[b]]}", "expected, a list of 1: give a path"),
        ("{query: a, expected: ['']}", "expected '': give a path"),
        (f"{{query: a, expected: [{', '.join('b' * 101)}]}}", "expected, a list of 101: give at most 100"),
        (
            "{query: a, expected: quantity.md}",
            "expected 'quantity.md': no document 'quantity.md' in the corpus; nearest",
        ),
        ("{query: a, expected_docs: ../x.md}", "expected_docs '../x.md'"),
        ("{query: a, expected_sections: quantities.md}", "'quantities.md': it names no section; write path#anchor"),
        (
            "{query: a, expected_sections: quantities#average}",
            "no section 'average' in concepts/quantities.md; nearest",
        ),
    ],
)
def test_a_wrong_entry_is_told_with_its_number_line_field_value_and_remedy(
    library: Library, entry: str, told: str
) -> None:
    message = refusal(library, f"queries:\n- {{query: fine, answerable: false}}\n- {entry}\n")
    assert re.match(r"mine\.yaml: question 2( \(line 3\))?: ", message)
    assert told in message


def test_all_mistakes_are_told_at_once_up_to_twenty(library: Library) -> None:
    message = refusal(library, "queries: [" + "{query: a}, " * 23 + "]")
    assert message.count("nothing is expected") == 20
    assert message.endswith("and 3 more mistakes")


def test_all_unknown_names_of_one_entry_are_told(library: Library) -> None:
    message = refusal(library, "queries: [{query: a, expected: [no1.md, no2.md], expected_sections: [no3.md#x]}]")
    assert [name in message for name in ("no1.md", "no2.md", "no3.md")] == [True, True, True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is no mapping"),
        ("- query: a", "it is no mapping"),
        ("question: []", "key 'question' is unknown; everything stands under queries"),
        ("queries:", "queries holds no list of questions"),
        ("queries: []", "queries holds no list of questions"),
        ("queries: {query: a}", "queries holds no list of questions"),
        ("queries: [a", "line 2: no YAML: did not find"),
        ("queries:\n  - query: 'a\n", "no YAML"),
        ("queries: \x07", "no YAML"),
        ("queries: [&a b, *a]", "line 1: anchors (&) and aliases (*) are not read"),
        ("queries: [*a]", "line 1: anchors (&) and aliases (*) are not read"),
        ("queries:\n- query: a\n  query: b", "line 3: key 'query' stands twice; keep one"),
        ("queries:\n- {[a]: b}", "line 2: a key must be plain text"),
        ("queries: " + "[" * 9 + "]" * 9, "nested deeper than 8 levels"),
        ("queries: [a]\n---\nqueries: [b]", "it holds several documents"),
        ("queries: [" + "a, " * (MAX_QUESTIONS + 1) + "]", "10,001 questions, and 10,000 are the most; split the file"),
        ("#" * (MAX_TEXT + 1), "it has more than 5,000,000 characters; split it"),
    ],
    ids=range(17),
)
def test_a_text_that_is_no_list_of_questions_is_told_with_the_remedy(library: Library, text: str, told: str) -> None:
    assert told in refusal(library, text)


@given(text=st.text(alphabet="queris:[]{}&*!|>-'\"\n #?,ab", max_size=60))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    def resolve(citation: str) -> Section:
        raise InvalidPath("path", citation, "nothing is known here")

    with suppress(InvalidQuestions):
        assert not any(question.answerable for question in read_questions(f"queries: {text}", "any", resolve))
