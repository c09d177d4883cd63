import pytest

from oms_engine.simulation.plain_yaml import MAX_BYTES, MAX_DEPTH, Located, YamlError, read_documents


def _only(text: str) -> object:
    ((_, value),) = read_documents(text)
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("0", 0),
        ("010", "010"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("12:30:00", "12:30:00"),
        ("+1", "+1"),
        ("10.50", "10.50"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("9" * 30, "9" * 30),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T09:30:00Z", "2026-01-02T09:30:00Z"),
        ("true", True),
        ("false", False),
        ("yes", "yes"),
        ("off", "off"),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ('"null"', "null"),
        ("'1'", "1"),
        ("=", "="),
        ("[1, two]", [1, "two"]),
        ("{a: {b: }}", {"a": {"b": None}}),
        ("text: |\n  two\n  lines\n", {"text": "two\nlines\n"}),
        ("{<<: 1, 2: x, true: y}", {"<<": 1, "2": "x", "true": "y"}),
    ],
)
def test_a_value_is_what_it_would_be_in_json_and_else_text(text: str, value: object) -> None:
    read = _only(text)
    assert read == value
    assert type(read) in {type(value), Located}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: &x 2", 2, "anchors"),
        ("a: 1\nb: *x", 2, "aliases"),
        ("a: &x [1]", 1, "anchors"),
        ("a: !!python/object/apply:os.system [x]", 1, "tag"),
        ("a: !!float 1", 1, "tag"),
        ("a: !own 1", 1, "tag"),
        ("a: 1\na: 2", 2, 'key "a" stands twice'),
        ("a:\n  {b: 1, b: 2}", 2, 'key "b" stands twice'),
        ("[a]: 1", 1, "plain text"),
        ("{a: 1}: 1", 1, "plain text"),
        ("a: b: c", 1, "no YAML"),
        ('a: "x', 1, "no YAML"),
        ("a: \0", 0, "no YAML"),
        ("a: \ud800", 0, "no YAML"),
        ("[" * (MAX_DEPTH + 1), 1, "deeper than 20"),
        ("[" * 999_999, 1, "deeper than 20"),
        ("- " * 400_000, 1, "deeper than 20"),
        ("x" * (MAX_BYTES + 1), 0, "larger than 1,000,000 bytes"),
        ("é" * (MAX_BYTES // 2 + 1), 0, "larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_plain_data_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(YamlError, match=words) as caught:
        list(read_documents(text))
    assert caught.value.line == line


def test_the_deepest_nesting_that_is_accepted_is_twenty() -> None:
    assert str(_only("[" * MAX_DEPTH + "]" * MAX_DEPTH)) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


def test_documents_and_objects_know_their_lines() -> None:
    documents = list(read_documents("a: 1\n---\n# a remark\n\nb:\n  c:\n    d: 1\n"))
    assert [line for line, _ in documents] == [1, 5]
    second = documents[1][1]
    assert (second.line, second["b"].line, second["b"]["c"].line) == (5, 6, 7)


def test_an_empty_text_has_no_document() -> None:
    assert list(read_documents("")) == []
    assert list(read_documents("# nothing\n")) == []
    assert [value for _, value in read_documents("---\n---\n")] == [None, None]
