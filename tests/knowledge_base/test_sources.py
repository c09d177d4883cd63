from pathlib import Path

import pytest

from knowledge_base import CorpusNotFound, Generated, InvalidCorpus, Library
from knowledge_base.documents import Corpus
from knowledge_base.sources import MAX_BYTES, decoded

FRONT = """---
title: A "page"
category: [runbooks, other]
status: 'draft'
lastmod: 2026-11-01
tags:
  - one
# a comment, no heading
---

Words of the page.
"""


def folder(path: Path, **documents: str) -> Path:
    """A folder with documents; two underscores in a name stand for a slash."""
    for name, text in documents.items():
        file = path / f"{name.replace('__', '/')}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def test_a_path_that_two_folders_have_is_told_apart_by_the_name_of_the_later_one(tmp_path: Path) -> None:
    ours = folder(tmp_path / "ours", intro="# Ours", states="# States")
    theirs = folder(tmp_path / "handbook", intro="# Theirs", calls="# Calls")
    corpus = Corpus(ours, theirs)
    assert {path: document.title for path, document in corpus.documents.items()} == {
        "intro.md": "Ours",
        "states.md": "States",
        "calls.md": "Calls",
        "handbook/intro.md": "Theirs",
    }
    assert corpus.documents["handbook/intro.md"].sections[0].citation == "handbook/intro.md#theirs"


def test_two_folders_of_one_name_are_counted(tmp_path: Path) -> None:
    first, second, third = (
        folder(tmp_path / place / "handbook", intro=f"# {place}", handbook__intro=f"# deep {place}")
        for place in ("a", "b", "c")
    )
    titles = {path: document.title for path, document in Corpus(first, second, third).documents.items()}
    assert titles == {
        "handbook/intro.md": "deep a",
        "intro.md": "a",
        "handbook-2/handbook/intro.md": "deep b",
        "handbook-2/intro.md": "b",
        "handbook-3/handbook/intro.md": "deep c",
        "handbook-3/intro.md": "c",
    }


def test_a_path_that_is_taken_with_its_folder_too_is_led_further(tmp_path: Path) -> None:
    ours = folder(tmp_path / "ours", intro="# Ours", handbook__intro="# Ours too")
    theirs = folder(tmp_path / "handbook", intro="# Theirs")
    assert [*Corpus(ours, theirs).documents] == ["handbook/intro.md", "intro.md", "handbook/handbook/intro.md"]


def test_a_folder_inside_another_one_keeps_its_documents_for_itself(tmp_path: Path) -> None:
    outer = folder(tmp_path / "docs", a="# A", team__b="# B")
    for sources in ((outer, outer / "team"), (outer / "team", outer)):
        documents = Corpus(*sources).documents
        assert {path: document.category for path, document in documents.items()} == {"a.md": "docs", "b.md": "team"}


@pytest.mark.parametrize("again", ["docs", "docs/../docs", "link"])
def test_a_folder_given_twice_is_refused_by_whatever_name(tmp_path: Path, again: str) -> None:
    docs = folder(tmp_path / "docs", a="# A")
    (tmp_path / "link").symlink_to(docs)
    with pytest.raises(InvalidCorpus, match="it is given twice; give each source once"):
        Corpus(docs, tmp_path / again)


def test_generated_documents_are_read_and_found_below_their_name(tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", commands="# By hand\n\nWritten by people.")
    spec = Generated("spec", {"commands.md": "# Commands\n\nOrderHaltCmd halts.", "deep/x.md": "# X"})
    with Library.open(docs, spec, semantic=False) as library:
        assert [document.path for document in library.overview().documents] == [
            "commands.md",
            "spec/commands.md",
            "spec/deep/x.md",
        ]
        hit = library.search("OrderHaltCmd").hits[0]
        assert hit.citation == "spec/commands.md#commands"
        assert "halts" in library.read(hit.citation).text
        assert library.search("halts", category="spec").hits
        assert library.status().corpus == f"{docs}:spec"


def test_generated_documents_alone_are_a_corpus() -> None:
    assert [*Corpus(Generated("spec", {"a.md": "# A"})).documents] == ["spec/a.md"]


@pytest.mark.parametrize("path", ["../a.md", "/a.md", "a//b.md", "C:/a.md", "a\\b.md", "a\n.md", ""])
def test_a_generated_document_needs_a_path_that_can_be_one(path: str) -> None:
    with pytest.raises(InvalidCorpus, match="relative paths"):
        Corpus(Generated("spec", {path: "# A"}))


def test_generated_sources_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidCorpus, match="given twice"):
        Corpus(Generated("spec", {"a.md": "# A"}), Generated("spec", {"b.md": "# B"}))


def test_a_document_that_states_no_category_has_its_top_folder(tmp_path: Path) -> None:
    docs = folder(
        tmp_path / "handbook",
        top="# Top",
        desk__calls__morning="# Morning",
        front=FRONT,
        bold="# Bold\n\n**Status:** stable | **Category:** rules\n",
    )
    documents = Corpus(docs).documents
    assert {path: (document.category, document.status) for path, document in documents.items()} == {
        "top.md": ("handbook", ""),
        "desk/calls/morning.md": ("desk", ""),
        "front.md": ("runbooks", "draft"),
        "bold.md": ("rules", "stable"),
    }
    assert (documents["front.md"].title, documents["front.md"].last_updated) == ('A "page', "2026-11-01")


def test_a_file_that_is_too_large_is_left_out_and_named(tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", a="# A", huge="x" * (MAX_BYTES + 1))
    with Library.open(docs, semantic=False) as library:
        assert library.overview().left_out == {
            "huge.md": "it has 4,194,305 bytes, and 4,194,304 are the most; split it"
        }
        assert "## left out\n\n- `huge.md`: it has 4,194,305 bytes" in library.read().text
        assert library.status().left_out == library.overview().left_out


def test_a_folder_of_nothing_but_left_out_files_says_why(tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", huge="x" * (MAX_BYTES + 1))
    with pytest.raises(CorpusNotFound, match=r"holds no markdown files; huge\.md: it has"):
        Corpus(docs)


def test_markdown_has_two_endings_and_names_may_lack_either(tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", a="# A")
    (docs / "b.MARKDOWN").write_text("# B")
    assert [*Corpus(docs).documents] == ["a.md", "b.MARKDOWN"]
    assert Corpus(docs).find("b").path == "b.MARKDOWN"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("# Größe\n".encode(), "# Größe\n"),
        ("\N{BYTE ORDER MARK}# Größe".encode(), "# Größe"),
        ("# Größe “so”".encode("cp1252"), "# Größe “so”"),
        ("# Größe".encode("utf-16"), "# Größe"),
        ("# Größe ".encode() + b"\xff", "# Größe \N{REPLACEMENT CHARACTER}"),
        (b"", ""),
    ],
)
def test_the_text_of_a_file_is_read_in_whichever_encoding_it_has(content: bytes, text: str) -> None:
    assert decoded(content) == text


def test_any_markdown_can_be_read_and_found(tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", a="# A")
    (docs / "crlf.md").write_bytes(b"\xef\xbb\xbfUnderlined title\r\n================\r\n\r\nAbout walruses.\r\n")
    (docs / "plain.md").write_text("No heading at all, and a word on ostriches.")
    (docs / "empty.md").write_bytes(b"")
    (docs / "html.md").write_text('<h1 align="center">Shown</h1>\n\n<!-- # hidden\n-->\n\nA <b>pelican</b>.\n')
    (docs / "latin.md").write_bytes("# Menü\n\nDie Möwe.\n".encode("latin-1"))
    (docs / "zero.md").write_bytes(b"# Zero\n\nA \0 heron.\n")
    with Library.open(docs, semantic=False) as library:
        found = {word: library.search(word).hits[0] for word in ("walruses", "ostriches", "pelican", "möwe", "heron")}
        assert found["walruses"].citation == "crlf.md#underlined-title"
        assert found["ostriches"].citation == "plain.md"
        assert (found["pelican"].citation, found["pelican"].excerpt) == ("html.md#shown", "A pelican.")
        assert (found["möwe"].citation, found["möwe"].breadcrumb) == ("latin.md#menü", "Menü")
        assert found["heron"].path == "zero.md"
        assert library.read("empty").text == ""
