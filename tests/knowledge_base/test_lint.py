"""What does the linter find? Small corpora with one fault each, and our own, in which there is no error."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base import PACKAGED_CORPUS, Library, read_questions
from knowledge_base.documents import Corpus
from knowledge_base.evaluation import Measured, figures
from knowledge_base.lint import MIN_WORDS, RULES, RUNNABLE, STALE_DAYS, Finding, lint
from knowledge_base.questions import FIELDS
from knowledge_base.sections import MAX_CHUNK, Document, parse_document

TODAY = date(2026, 11, 29)
WORDS = "A sentence of more than five words stands here.\n"

Check = Callable[[Mapping[str, str]], list[Finding]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def checked(documents: Mapping[str, str]) -> list[Finding]:
        for path, text in documents.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        corpus = Corpus(tmp_path)
        return lint(corpus.documents, tmp_path, TODAY)

    return checked


def rules(findings: list[Finding]) -> list[str]:
    return [found.rule for found in findings]


def test_a_sound_corpus_has_no_findings(check: Check) -> None:
    assert (
        check({"a.md": f"# A\n\n{WORDS}\nSee [b](b.md#more).\n", "b.md": f"# B\n\n[a](a.md)\n\n## More\n\n{WORDS}"})
        == []
    )


def test_a_finding_tells_place_rule_severity_and_remedy(check: Check) -> None:
    (found,) = check({"a.md": f"# A\n\n{WORDS}\n## Empty\n"})
    assert found.to_wire() == {
        "path": "a.md",
        "line": 5,
        "rule": "empty-section",
        "severity": "error",
        "message": "the section 'Empty' is empty",
        "remedy": "write it, or take the heading out",
    }


def test_findings_stand_in_order_of_documents_and_lines(check: Check) -> None:
    found = check({"b.md": "[x](no.md)\n\n```\nx\n```\n", "a.md": f"# A\n\n{WORDS}\n[x](no.md)\n"})
    assert [(each.path, each.line) for each in found] == [("a.md", 5), ("b.md", 1), ("b.md", 1), ("b.md", 3)]


# --- titles, sections, headings


def test_a_document_without_a_title_is_an_error(check: Check) -> None:
    assert rules(check({"a.md": f"## Only this\n\n{WORDS}"})) == ["no-title"]


def test_a_title_may_stand_in_front_matter(check: Check) -> None:
    assert check({"a.md": f"---\ntitle: A\n---\n\n## Only this\n\n{WORDS}"}) == []


def test_two_documents_with_one_title_are_told_apart(check: Check) -> None:
    (found,) = check({"a.md": f"# Same\n\n{WORDS}", "b.md": f"# same\n\n{WORDS}"})
    assert (found.path, found.rule) == ("b.md", "duplicate-title")
    assert "a.md has the title 'same' as well" in found.message


def test_a_heading_with_sections_below_is_not_empty(check: Check) -> None:
    assert check({"a.md": f"# A\n\n## B\n\n### C\n\n{WORDS}"}) == []


@pytest.mark.parametrize(("words", "expected"), [(4, ["short-section"]), (5, [])])
def test_a_section_of_less_than_five_words_is_short(check: Check, words: int, expected: list[str]) -> None:
    assert rules(check({"a.md": f"# A\n\n{WORDS}\n## B\n\n{'word ' * words}\n"})) == expected


@pytest.mark.parametrize(("size", "expected"), [(6000, []), (6001, ["long-section"])])
def test_a_section_of_more_than_six_thousand_characters_is_long(check: Check, size: int, expected: list[str]) -> None:
    assert rules(check({"a.md": f"# A\n{'word ' * (size // 5)}{'x' * (size % 5)}\n"})) == expected


def test_a_section_is_measured_without_its_sub_sections(check: Check) -> None:
    assert check({"a.md": f"# A\n\n{'word ' * 1000}\n\n## B\n\n{'word ' * 1000}\n"}) == []


def test_a_heading_that_repeats_under_the_same_heading_is_found(check: Check) -> None:
    repeated = f"# A\n\n## B\n\n{WORDS}\n## B\n\n{WORDS}"
    (found,) = check({"a.md": repeated})
    assert (found.line, found.rule) == (7, "duplicate-heading")
    assert found.remedy.endswith("#b-1")
    apart = f"# A\n\n## B\n\n### Notes\n\n{WORDS}\n## C\n\n### Notes\n\n{WORDS}"
    assert check({"a.md": apart}) == []


def test_a_scenario_id_that_repeats_in_a_document_is_an_error(check: Check) -> None:
    block = "```scenario\nid: N1\n```\n"
    other = "```scenario\ntitle: no id\n```\n```yaml\nid: N1\n```\n"
    (found,) = check({"a.md": f"# A\n\n{WORDS}\n{block}\n{other}\n{block}"})
    assert (found.rule, found.severity) == ("duplicate-id", "error")
    assert "stands on line 5 as well" in found.message


# --- links


@pytest.mark.parametrize(
    "target",
    [
        "b.md",
        "./b.md",
        "sub/c.md#more",
        "/sub/c.md",
        "b.md#B",
        "#a",
        "sub/",
        "sub",
        "b",
        "b.html",
        "<b.md>",
        'b.md "a title"',
        "b.md?plain=1#b",
        "picture.png",
        "with%20space.md",
        "b.md#mine",
        "b.md#named",
        "https://example.org/x.md",
        "mailto:a@example.org",
        "//example.org/x",
    ],
)
def test_a_link_that_leads_somewhere_is_left_alone(check: Check, tmp_path: Path, target: str) -> None:
    (tmp_path / "picture.png").write_bytes(b"")
    found = check(
        {
            "a.md": f"# A\n\n{WORDS}\n[x]({target})\n",
            "b.md": f'# B\n\n{WORDS}\n<a id="mine"></a>\n\n## More {{#named}}\n\n{WORDS}',
            "sub/c.md": f"# C\n\n## More\n\n{WORDS}",
            "with space.md": f"# With\n\n{WORDS}",
        }
    )
    assert not {"broken-link", "broken-anchor", "link-outside"} & {*rules(found)}


@pytest.mark.parametrize(
    ("target", "rule", "remedy"),
    [
        ("c.md", "broken-link", "nearest: b.md, a.md"),
        ("zzzz/qqqq.png", "broken-link", "name a document of the corpus"),
        ("b.md#bees", "broken-anchor", "nearest: #bee"),
        ("#zzzz", "broken-anchor", "name a section that is there"),
        ("../x.md", "link-outside", "write the whole address"),
        ("../../etc/passwd", "link-outside", "write the whole address"),
        ("/about", "link-outside", "write the whole address"),
    ],
)
def test_a_link_that_leads_nowhere_is_told_with_the_nearest(check: Check, target: str, rule: str, remedy: str) -> None:
    found = check({"a.md": f"# A\n\n{WORDS}\n[two\nlines]({target})\n", "b.md": f"# Bee\n\n{WORDS}\n[a](a.md)\n"})
    told = [(each.path, each.line, each.rule) for each in found if "link" in each.message and each.rule != "unlinked"]
    assert told == [("a.md", 6, rule)]
    assert remedy in next(each.remedy for each in found if each.rule == rule)


@pytest.mark.parametrize(
    "text",
    ["`[x](no.md)`", "``[x](no.md)``", "```\n[x](no.md)\n```", "<!-- [x](no.md)\n[y](no.md) -->", "[^1]: no.md"],
)
def test_what_is_code_or_a_comment_is_no_link(check: Check, text: str) -> None:
    assert "broken-link" not in rules(check({"a.md": f"# A\n\n{WORDS}\n{text}\n"}))


def test_links_behind_a_comment_and_by_reference_keep_their_lines(check: Check) -> None:
    found = check({"a.md": f"# A\n\n{WORDS}\n<!--\nx\n-->\n[x](no.md)\n\n[ref]: gone.md\n<!-- open [y](none.md)\n"})
    assert [(each.line, each.message.split("'")[1]) for each in found] == [
        (8, "no.md"),
        (10, "gone.md"),
        (11, "none.md"),
    ]


def test_every_link_to_a_missing_section_is_told(check: Check) -> None:
    found = check({"a.md": f'# A\n\n{WORDS}\n[x](#no)\n[y](#none)\n[z](#mine)\n<a name="mine"></a>\n'})
    assert [(each.line, each.rule) for each in found] == [(5, "broken-anchor"), (6, "broken-anchor")]


def test_files_are_looked_for_below_the_corpus_alone(check: Check, tmp_path: Path) -> None:
    (tmp_path.parent / "outside.md").write_text("# Outside", encoding="utf-8")
    assert rules(check({"a.md": f"# A\n\n{WORDS}\n[x](../outside.md)\n"})) == ["link-outside"]


def test_without_a_folder_links_to_other_files_are_not_followed() -> None:
    document = parse_document("a.md", f"# A\n\n{WORDS}\n[x](picture.png)\n")
    assert lint({"a.md": document}, None, TODAY) == []


def test_a_document_to_which_nothing_links_is_found(check: Check) -> None:
    linked = {"README.md": f"# Home\n\n{WORDS}\n[a](a.md)\n", "a.md": f"# A\n\n{WORDS}\n[a](#a)\n"}
    assert check(linked) == []
    assert [(each.path, each.rule) for each in check({**linked, "b.md": f"# B\n\n{WORDS}"})] == [("b.md", "unlinked")]


# --- what documents say of themselves


def test_metadata_are_asked_where_most_documents_state_them(check: Check) -> None:
    stated = "**Status:** draft | **Category:** x"
    corpus = {"a.md": f"# A\n\n{stated}\n\n{WORDS}", "b.md": f"---\nstatus: draft\n---\n# B\n\n{WORDS}"}
    (found,) = check(corpus)
    assert (found.path, found.rule) == ("b.md", "no-metadata")
    assert "Category" in found.message
    many = {f"{name}.md": f"# {name}\n\n{WORDS}" for name in "cdefgh"}
    assert check({**corpus, **many}) == []


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-11-29", []),
        ("2025-11-29", []),
        ("2025-11-28", ["stale"]),
        ("2026-12-09", ["bad-date"]),
        ("29.11.2026", ["bad-date"]),
    ],
)
def test_a_document_is_stale_after_a_year(check: Check, day: str, expected: list[str]) -> None:
    found = check({"a.md": f"# A\n\n**Last Updated:** {day}\n\n{WORDS}"})
    assert rules(found) == expected
    assert all(each.line == 3 for each in found)


def test_the_days_after_which_a_document_is_stale_can_be_chosen() -> None:
    documents = {"a.md": parse_document("a.md", f"# A\n\n**Last Updated:** 2026-11-19\n\n{WORDS}")}
    assert lint(documents, None, TODAY, stale_days=10) == []
    assert rules(lint(documents, None, TODAY, stale_days=9)) == ["stale"]


def test_a_fenced_block_names_its_language(check: Check) -> None:
    (found,) = check({"a.md": f"# A\n\n{WORDS}\n~~~\nx\n~~~\n\n```text\nx\n```\n"})
    assert (found.line, found.rule) == (5, "no-language")


def test_blocks_that_run_are_asked_where_most_documents_have_them(check: Check) -> None:
    run = "```python\n1\n```\n"
    corpus = {"a.md": f"# A\n\n{WORDS}\n{run}", "b.md": f"# B\n\n{WORDS}\n```text\nx\n```\n"}
    assert [(each.path, each.rule) for each in check(corpus)] == [("b.md", "untested")]
    assert check({**corpus, "c.md": f"# C\n\n{WORDS}"}) == []


@pytest.mark.parametrize("kind", ["sh", "jsonl", "console", "bash", "scenario"])
def test_commands_and_requests_count_as_blocks_that_run(check: Check, kind: str) -> None:
    corpus = {"a.md": f"# A\n\n{WORDS}\n```python\n1\n```\n", "b.md": f"# B\n\n{WORDS}\n```{kind}\nx\n```\n"}
    assert check(corpus) == []


def test_a_list_of_terms_or_of_documents_needs_no_block_that_runs(check: Check) -> None:
    lists = {name: f"# {name}\n\n{WORDS}" for name in ("index.md", "glossary.md")}
    assert check({"a.md": f"# A\n\n{WORDS}\n```python\n1\n```\n", "b.md": "# B\n\n```bash\nls\n```\n", **lists}) == []


# --- glossaries


@pytest.mark.parametrize(
    ("entry", "is_used"),
    [
        ("| Bolt | | Holds things. |", True),
        ("| Zork | quux, Bolt | Holds things. |", True),
        ("| Zork | quux | Like a bolt. |", False),
        ("| Zork | quux | Like a [bolt](a.md). |", True),
        ("| Bolts | | Hold things. |", False),
        ("**Zork** is no row of the table.", True),
        ("| Zork | is in no table of terms |", True),
    ],
)
def test_a_term_of_the_glossary_is_used_or_leads_somewhere(check: Check, entry: str, is_used: bool) -> None:
    table = "| Term | Also called | Meaning |\n|---|---|---|\n" if entry.startswith("|") else ""
    glossary = f"# Glossary\n\n**Status:** draft\n\n## Words\n\n{WORDS}\n{table}{entry}\n\n[a](a.md)\n"
    document = f"# A\n\nTighten the bolt and not the thunderbolts, then look at the [words](glossary.md).\n\n{WORDS}"
    found = [each for each in check({"a.md": document, "glossary.md": glossary}) if each.rule == "unused-term"]
    assert [each.line for each in found] == ([] if is_used else [11])


def test_a_word_inside_another_one_is_not_used(check: Check) -> None:
    glossary = f"# Glossary\n\n## Words\n\n{WORDS}\n| Term | Also called | Meaning |\n|---|---|---|\n| dk | | short |\n"
    assert "unused-term" in rules(
        check({"a.md": "# A\n\nA handkerchief is not what it means to us.\n", "glossary.md": glossary})
    )


# --- as a whole


def test_every_rule_has_a_fault_that_it_finds(check: Check) -> None:
    good = "# {}\n\n**Status:** draft | **Last Updated:** 2020-01-01\n\n" + WORDS + "\n```bash\nls\n```\n"
    bad = f"""## No title

[a](no.md) [b](one.md#no) [c](../x.md)

```scenario
id: a
```

```scenario
id: a
```

```
x
```

## Empty

## Short

word

## Short

{WORDS}
"""
    glossary = f"# Glossary\n\n**Status:** draft\n\n## W\n\n{WORDS}\n| Term | Also called | Meaning |\n|---|---|---|\n"
    glossary += "| zork | | no word |\n\n```bash\nls\n```\n"
    found = check(
        {
            "one.md": good.format("One"),
            "two.md": good.format("One").replace("2020-01-01", "soon"),
            "bad.md": bad,
            "long.md": f"# Long\n\n{'word ' * 1300}\n",
            "glossary.md": glossary,
        }
    )
    assert {*rules(found)} == {*RULES}
    assert all(each.severity == RULES[each.rule] for each in found)


def test_our_documents_have_no_error() -> None:
    corpus = Corpus(PACKAGED_CORPUS)
    found = lint(corpus.documents, PACKAGED_CORPUS, TODAY)
    assert [str(each.to_wire()) for each in found if each.severity == "error"] == []


@given(st.text(alphabet="#[]()<>!-`*|: \n/.ab", max_size=80))
def test_whatever_is_written_can_be_looked_at(text: str) -> None:
    documents = {path: parse_document(path, text) for path in ("a.md", "sub/glossary.md")}
    found = lint(documents, None, TODAY)
    assert all(1 <= each.line <= max(1, text.count("\n") + 1) for each in found)


def test_a_long_line_of_unclosed_marks_is_looked_at_once() -> None:
    text = "# A\n\n" + "<!--" * 50_000 + "`" * 50_000 + "](" * 50_000 + "** " * 50_000
    assert lint({"a.md": parse_document("a.md", text)}, None, TODAY) is not None


# --- the guide


def guide() -> Document:
    return Corpus(PACKAGED_CORPUS).documents["guides/check-a-corpus.md"]


def test_the_guide_lists_every_rule_with_its_kind() -> None:
    rows = [line.strip("| ").split(" | ") for line in guide().lines if line.startswith("| `")]
    listed = {rule.strip("`"): kind for rule, kind, *_ in rows if kind in {"error", "warning"}}
    assert listed == dict(RULES)
    assert list(listed) == list(RULES)


def test_the_guide_states_the_bounds_of_the_code() -> None:
    text = " ".join(guide().lines)
    for stated in (f"{STALE_DAYS} by default", f"{MAX_CHUNK:,} characters", f"less than {MIN_WORDS} words"):
        assert stated in text
    assert f"({', '.join(sorted(RUNNABLE))})" in text


def test_the_questions_of_the_guide_can_be_read(write_corpus: Callable[[Mapping[str, str]], Path]) -> None:
    (shown,) = (fence for fence in guide().fences if fence.info == "yaml")
    folder = write_corpus({"rules/lending.md": f"# Lending\n\n## Periods\n\n{WORDS}\n## Renewals\n\n{WORDS}"})
    with Library.open(folder, semantic=False) as library:
        first, second = read_questions(shown.text, "guide", library.resolve)
    assert first.sections == {"rules/lending.md#periods", "rules/lending.md#renewals"}
    assert (first.answerable, second.answerable) == (True, False)


def test_the_guide_lists_the_fields_of_a_question_and_the_figures_as_they_are_read_and_written() -> None:
    named = {
        section.anchor: re.findall(
            r"`([^`]+)`",
            " ".join(
                line.split(" | ")[0] for line in guide().lines[section.start_line : section.own_end] if "| `" in line
            ),
        )
        for section in guide().sections
    }
    assert {*named["11-the-file-of-questions"]} == {*FIELDS}
    unmeasured = Measured("auto", figures([]), figures([]), None, (0.0, 0.0)).to_wire()
    written = {*unmeasured, *unmeasured["documents"]} - {"name", "documents", "sections"}
    assert {*named["12-the-figures"]} == written
