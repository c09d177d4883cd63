from pathlib import Path

import pytest

from knowledge_base import CorpusNotFound, DocumentNotFound, InvalidPath, SectionNotFound
from knowledge_base.documents import Corpus

TRICKS = [
    "../secret.md",
    "concepts/../../secret.md",
    "..\\secret.md",
    "/etc/passwd",
    "~/secret.md",
    "C:/secret.md",
    "file:///etc/passwd",
    "\\\\host\\share",
    "concepts/quantities.md\0.png",
    "concepts/\nquantities.md",
    "x" * 1_000_000,
]


def test_documents_are_found_by_path_without_ending_or_without_folder(corpus: Path) -> None:
    documents = Corpus(corpus)
    for name in ("concepts/quantities.md", "concepts/quantities", "quantities.md", "quantities", "Concepts/QUANTITIES"):
        assert documents.find(name).path == "concepts/quantities.md"


def test_a_name_that_fits_several_documents_asks_for_the_folder(corpus: Path) -> None:
    (corpus / "framework/quantities.md").write_text("# Other")
    documents = Corpus(corpus)
    with pytest.raises(InvalidPath, match=r"fits several.*concepts/quantities\.md, framework/quantities\.md"):
        documents.find("quantities")
    (corpus / "quantities.md").write_text("# Third")
    assert Corpus(corpus).find("quantities").path == "quantities.md"


@pytest.mark.parametrize("path", TRICKS, ids=lambda path: repr(path[:20]))
def test_a_path_out_of_the_corpus_is_refused(corpus: Path, path: str) -> None:
    (corpus.parent / "secret.md").write_text("# Secret")
    with pytest.raises(InvalidPath) as refusal:
        Corpus(corpus).find(path)
    assert refusal.value.field == "path"
    assert len(str(refusal.value)) < 300


def test_an_absolute_path_into_the_corpus_is_refused_too(corpus: Path) -> None:
    with pytest.raises(InvalidPath):
        Corpus(corpus).find(str(corpus / "concepts/quantities.md"))


def test_links_out_of_the_corpus_are_left_aside_and_links_inside_are_read(corpus: Path) -> None:
    outside = corpus.parent / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("# Secret")
    (corpus / "concepts/leak.md").symlink_to(outside / "secret.md")
    (corpus / "folder").symlink_to(outside)
    (corpus / "concepts/alias.md").symlink_to(corpus / "concepts/quantities.md")
    assert sorted(Corpus(corpus).documents) == [
        "concepts/alias.md",
        "concepts/order-lifecycle.md",
        "concepts/quantities.md",
        "framework/event-store.md",
    ]


def test_hidden_files_and_folders_and_other_types_are_left_aside(corpus: Path) -> None:
    (corpus / ".git").mkdir()
    (corpus / ".git/x.md").write_text("# X")
    (corpus / ".draft.md").write_text("# X")
    (corpus / "notes.txt").write_text("# X")
    assert len(Corpus(corpus).documents) == 3


def test_an_unknown_document_names_the_nearest(corpus: Path) -> None:
    with pytest.raises(
        DocumentNotFound, match=r"no document 'quantity' in the corpus; nearest: concepts/quantities\.md"
    ):
        Corpus(corpus).find("quantity")


def test_a_folder_is_no_document_but_its_documents_are_named(corpus: Path) -> None:
    with pytest.raises(DocumentNotFound) as refusal:
        Corpus(corpus).find("concepts")
    assert set(refusal.value.nearest) == {"concepts/order-lifecycle.md", "concepts/quantities.md"}


def test_an_unknown_section_names_the_nearest(corpus: Path) -> None:
    with pytest.raises(SectionNotFound, match="nearest: leaves-quantity"):
        Corpus(corpus).find_section("quantities", "leave-qty")
    with pytest.raises(SectionNotFound, match="there are 3 to choose from"):
        Corpus(corpus).find_section("quantities", "!")


@pytest.mark.parametrize("anchor", ["a\0b", "x" * 600])
def test_an_anchor_that_cannot_be_one_is_refused(corpus: Path, anchor: str) -> None:
    with pytest.raises(InvalidPath, match="anchor"):
        Corpus(corpus).find_section("quantities", anchor)


def test_a_path_that_is_no_text_is_refused(corpus: Path) -> None:
    with pytest.raises(InvalidPath, match="give text"):
        Corpus(corpus).find(3)  # type: ignore[arg-type]


def test_no_folder_and_a_folder_without_markdown_are_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match="is not a folder"):
        Corpus(tmp_path / "missing")
    with pytest.raises(CorpusNotFound, match="holds no markdown"):
        Corpus(tmp_path)


def test_the_hash_changes_with_any_byte_and_any_name(corpus: Path) -> None:
    first = Corpus(corpus).hash
    assert Corpus(corpus).hash == first
    (corpus / "concepts/quantities.md").rename(corpus / "concepts/amounts.md")
    second = Corpus(corpus).hash
    (corpus / "concepts/amounts.md").write_text("# Changed")
    assert len({first, second, Corpus(corpus).hash}) == 3


def test_bytes_that_are_no_utf8_are_shown_as_such_and_a_mark_at_the_start_is_dropped(corpus: Path) -> None:
    (corpus / "odd.md").write_bytes(b"\xef\xbb\xbf# Odd \xff")
    assert Corpus(corpus).find("odd").title == "Odd \N{REPLACEMENT CHARACTER}"
