import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.sections import MAX_CHUNK, MAX_LINE, MAX_RUN, MIN_CHUNK, Document, parse_document, plain, slug

PARAGRAPH = "What the desk calls a print is an execution. " * 6


def parse(text: str) -> Document:
    return parse_document("concepts/page.md", text)


def anchors(document: Document) -> list[str]:
    return [section.anchor for section in document.sections]


line = st.one_of(
    st.sampled_from(
        [
            *("", "", "", "# Title", "## 1. Part", "## 1. Part", "### `code` part", "#", "####### seven", "#no", "---"),
            *("```", "```yaml", "````", "~~~", "  ```", "    ```", "``` a`b", "**Version:** 1.0 | **Status:** draft"),
        ]
    ),
    st.text(max_size=30),
    st.integers(1, 30).map(lambda times: PARAGRAPH * times),
)
markdown = st.lists(line, max_size=40).map("\n".join)


@given(markdown)
def test_own_texts_tile_the_document(text: str) -> None:
    document = parse(text)
    following = 1
    for section in document.sections:
        assert section.start_line == following
        assert section.start_line <= section.own_end <= section.end_line <= len(document.lines)
        following = section.own_end + 1
    assert following == len(document.lines) + 1


@given(markdown)
def test_anchors_are_unique_and_only_the_text_before_the_first_heading_has_none(text: str) -> None:
    document = parse(text)
    assert len(set(anchors(document))) == len(document.sections)
    assert all(section.anchor or section.level == 0 for section in document.sections)


@given(markdown)
def test_chunks_tile_the_document_and_never_split_a_fence(text: str) -> None:
    document = parse(text)
    parts = [part for chunk in document.chunks for part in chunk.parts]
    assert [part.start_line for part in parts] == [1] + [part.end_line + 1 for part in parts[:-1]]
    assert parts[-1].end_line == len(document.lines)
    cuts = {part.end_line for chunk in document.chunks for part in chunk.parts[-1:]}
    for fence in document.fences:
        last = fence.line + fence.text.count("\n")
        assert not cuts & set(range(fence.line, last))


@given(markdown)
def test_chunks_have_a_good_size_or_say_that_they_do_not(text: str) -> None:
    for chunk in parse(text).chunks:
        assert (MIN_CHUNK <= len(chunk.text) <= MAX_CHUNK) == (chunk.flag == "")


@given(markdown)
def test_parsing_depends_on_neither_line_endings_nor_a_last_newline(text: str) -> None:
    plain_text = text.replace("\r", "")
    assert parse(plain_text.replace("\n", "\r\n")).sections == parse(plain_text).sections


def test_metadata_is_read_from_the_head() -> None:
    document = parse(
        "# Page\n\n**Version:** 1.0 | **Status:** stable | **Category:** concepts | **Last Updated:** 2026-11-22\n\n"
        "## Part\n\n**Version:** 9"
    )
    stated = (document.title, document.version, document.status, document.category, document.last_updated)
    assert stated == ("Page", "1.0", "stable", "concepts", "2026-11-22")


def test_metadata_may_stand_on_several_lines_with_the_colon_outside() -> None:
    document = parse("# Page\n**Version**: 2\n**Status**: draft\n")
    assert (document.version, document.status) == ("2", "draft")


def test_without_metadata_the_folder_is_the_category_and_the_file_name_the_title() -> None:
    document = parse("only text")
    assert (document.category, document.title, document.version) == ("concepts", "page", "")
    assert parse_document("page.md", "").category == ""


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("3.1 Leaves quantity", "31-leaves-quantity"),
        ("OMS-VAL-003", "oms-val-003"),
        ("`order_id` & friends", "order_id--friends"),
        ("`__init__` is *not* __shown__", "__init__-is-not-shown"),
        ("See [the guide](guides/x.md#y)", "see-the-guide"),
        ("Größe <b>Ü</b>", "größe-ü"),
        ("What now?!", "what-now"),
        ("???", "section"),
    ],
)
def test_slugs_are_those_of_github(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def test_a_heading_is_shown_without_decoration() -> None:
    assert plain("**Bold** [link](x) `code`") == "Bold link code"


def test_repeated_headings_are_numbered_and_skip_names_that_are_taken() -> None:
    assert anchors(parse("# A\n## A\n## A 1\n## A\n## A 1")) == ["a", "a-1", "a-1-1", "a-2", "a-1-2"]


def test_a_hash_inside_a_fence_is_no_heading() -> None:
    assert anchors(parse("# A\n```yaml\n# comment\n```\n~~~\n## B\n```\n~~~\n## C")) == ["a", "c"]


def test_an_unclosed_fence_reaches_to_the_end() -> None:
    document = parse("# A\n````yaml\n# comment\n```\n## B")
    assert anchors(document) == ["a"]
    assert document.fences[0].text == "# comment\n```\n## B\n"


def test_a_fence_keeps_its_info_its_line_and_its_text_without_indent() -> None:
    (fence,) = parse("# A\n\n  ```scenario\n  id: x\n    steps: []\n  ```\n").fences
    assert (fence.info, fence.line, fence.text) == ("scenario", 3, "id: x\n  steps: []\n")


def test_breadcrumbs_follow_the_levels_even_when_one_is_skipped() -> None:
    document = parse("# A\n### B\n## C\n### D ##\n# E")
    assert [section.breadcrumb for section in document.sections] == [
        ("A",),
        ("A", "B"),
        ("A", "C"),
        ("A", "C", "D"),
        ("E",),
    ]
    assert [section.end_line for section in document.sections] == [4, 2, 4, 4, 5]


def test_a_document_that_starts_lower_hangs_below_its_title() -> None:
    document = parse("intro\n## B")
    assert [section.breadcrumb for section in document.sections] == [("page",), ("page", "B")]
    assert [section.citation for section in document.sections] == ["concepts/page.md", "concepts/page.md#b"]


def test_a_short_introduction_joins_its_first_subsection() -> None:
    document = parse(f"# A\n{PARAGRAPH}\n## B\nshort\n### C\n{PARAGRAPH}")
    assert [[part.section.anchor for part in chunk.parts] for chunk in document.chunks] == [["a"], ["b", "c"]]
    assert document.chunks[1].main.section.anchor in {"b", "c"}


def test_a_short_section_joins_what_precedes_it() -> None:
    document = parse(f"# A\n{PARAGRAPH}\n## B\n{PARAGRAPH}\n## C\nshort\n")
    assert [[part.section.anchor for part in chunk.parts] for chunk in document.chunks] == [["a"], ["b", "c"]]


def test_a_short_section_that_fits_nowhere_stays_alone_and_says_so() -> None:
    full = "x" * (MAX_CHUNK - 10)
    document = parse(f"# A\n{full}\n## B\nshort\n## C\n{full}")
    assert [chunk.flag for chunk in document.chunks] == ["", "short", ""]


def test_a_long_section_is_split_at_blank_lines_into_pieces_of_like_size() -> None:
    document = parse("# A\n\n" + f"{PARAGRAPH}\n\n" * 50)
    sizes = [len(chunk.text) for chunk in document.chunks]
    assert len(sizes) == 3
    assert max(sizes) - min(sizes) < 2 * len(PARAGRAPH)
    assert {part.section.anchor for chunk in document.chunks for part in chunk.parts} == {"a"}


def test_a_fence_that_is_too_long_is_kept_whole_and_flagged() -> None:
    document = parse("# A\n\n" + PARAGRAPH + "\n\n```\n" + f"{PARAGRAPH}\n\n" * 40 + "```\n\n" + PARAGRAPH)
    assert [chunk.flag for chunk in document.chunks] == ["", "long", ""]


def test_metadata_of_a_long_head_is_not_searched_for_ever() -> None:
    text = "# A\n" + "line\n" * 100 + "**Version:** 3\n"
    assert parse(text).version == ""
    assert re.search("Version", text)


def test_a_paragraph_can_be_underlined_as_a_heading() -> None:
    document = parse("Title\n=====\n\nText.\n\nTwo lines\nof a part\n---\n\nMore.\n\nEnd\n-\n")
    assert [(section.level, section.title, section.start_line) for section in document.sections] == [
        (1, "Title", 1),
        (2, "Two lines of a part", 6),
        (2, "End", 12),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Text.\n\n---\n",
        "---\n",
        "- item\n---\n",
        "text\n- item\n---\n",
        "1. item\n---\n",
        "> quoted\n---\n",
        "| a |\n---\n",
        "<div>\n---\n",
        "    code\n---\n",
        "***\n---\n",
        "```\ncode\n```\n---\n",
        f"{'long ' * 300}\n---\n",
        "line\n" * 9 + "---\n",
        "<!-- note\n# no heading\n-->\n",
        "<!-- note --> text\n",
        "<pre>\n# no heading\n</pre>\n",
        "<script>\nTitle\n---\n</script>\n",
        f"# {'x' * 2000}\n",
        "# \n",
    ],
)
def test_what_only_looks_like_a_heading_is_none(text: str) -> None:
    assert [section.level for section in parse(text).sections] == [0]


def test_headings_follow_html_that_has_ended_and_stand_in_html_themselves() -> None:
    text = "<!-- one\n-->\n# First\n\n<pre>x</pre>\n## Second\n\n<h3 id='x'>The <em>third</em></h3>\n"
    assert [(section.level, section.title) for section in parse(text).sections[1:]] == [
        (1, "First"),
        (2, "Second"),
        (3, "The third"),
    ]


def test_front_matter_is_read_and_holds_no_heading() -> None:
    text = "---\ntitle: T\nversion: 2\nCategory: guides\nlast_updated: 2026-11-28\nempty:\n# comment\n---\nText.\n"
    document = parse(text)
    stated = (document.title, document.version, document.category, document.last_updated, document.status)
    assert stated == ("T", "2", "guides", "2026-11-28", "")
    assert [section.level for section in document.sections] == [0]


@pytest.mark.parametrize(
    "text", ["---\n", "---\nprose without a colon\n---\n", "---\na: b\n", "---\n" + "a: b\n" * 300]
)
def test_what_is_no_front_matter_states_nothing(text: str) -> None:
    assert parse(text).category == "concepts"


def test_a_heading_wins_over_the_title_of_front_matter_which_wins_over_the_name_of_the_file() -> None:
    assert parse("---\ntitle: Front\n---\n# Own\n").title == "Own"
    assert parse("---\ntitle: Front\n---\n## Part\n").title == "Front"
    assert parse("## Part\n").title == "page"


def test_lines_that_go_on_without_end_are_cut_for_retrieval_only() -> None:
    document = parse("# Picture\n\n" + "x" * 50_000)
    assert max(len(chunk.text) for chunk in document.chunks) <= MAX_LINE
    assert len(document.text(1, 3)) > 50_000


def test_very_many_lines_without_a_blank_one_are_cut_between_lines() -> None:
    document = parse("# Table\n\n" + "| a cell | another cell |\n" * 5000)
    assert all(len(chunk.text) <= MAX_RUN for chunk in document.chunks)
    assert "\n".join(chunk.text for chunk in document.chunks) == "\n".join(document.lines)


def test_brackets_in_code_stay_in_the_anchor_of_a_heading() -> None:
    document = parse_document("p.md", "# A\n\n## `f(a[, b][, c])`\n\nText.\n")
    assert document.sections[1].anchor == slug("`f(a[, b][, c])`") == "fa-b-c"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("id: N1", "N1"),
        ("id:  N1  # the first", "N1"),
        ("id: 'N1 # 2' # the first", "N1 # 2"),
        ('id: "N1"', "N1"),
        ("id: 'N1", "'N1"),
        ("id: N#1", "N#1"),
        ("id:", ""),
        (" id: N1", ""),
        ("title: N1", ""),
        (f"id: a{' ' * 500_000}b", f"a{' ' * 500_000}b"),
    ],
)
def test_a_scenario_states_its_id(line: str, expected: str) -> None:
    (fence,) = parse(f"```scenario\n{line}\n```\n").fences
    assert fence.is_scenario
    assert fence.stated("id") == expected
