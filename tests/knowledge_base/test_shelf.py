import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knowledge_base import DocumentNotFound, Library, shelf
from knowledge_base.keeping import KEPT

PAGE = "concepts/quantities.md"


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "LOOK_SECONDS", 0.0)


def age(folder: Path) -> None:
    """Let all files be some days old, so that what is written from now on is newer."""
    for file in folder.rglob("*.md"):
        os.utime(file, (1_000_000_000, 1_000_000_000))


def test_a_changed_document_is_found_by_the_next_call(library: Library, corpus: Path) -> None:
    assert library.search("ostriches").low_confidence
    (corpus / PAGE).write_text("# Quantities\n\nOstriches are counted too.")
    assert library.search("ostriches").hits[0].citation == "concepts/quantities.md#quantities"
    assert library.read(PAGE).text.endswith("counted too.")


def test_new_and_removed_documents_come_and_go(library: Library, corpus: Path) -> None:
    before = library.status()
    (corpus / "new.md").write_text("# New\n\nPelicans.")
    (corpus / PAGE).unlink()
    assert library.search("pelicans").hits[0].path == "new.md"
    with pytest.raises(DocumentNotFound):
        library.read(PAGE)
    assert library.status().corpus_hash != before.corpus_hash


def test_a_change_that_keeps_size_and_time_is_seen_all_the_same(library: Library, corpus: Path) -> None:
    file = corpus / "new.md"
    file.write_text("# New\n\nPelicans.")
    seen = file.stat()
    assert library.search("pelicans").hits[0].path == "new.md"
    file.write_text("# New\n\nWalruses.")
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert library.search("walruses").hits[0].path == "new.md"


def test_what_did_not_change_is_not_read_again(corpus: Path) -> None:
    with Library.open(corpus, semantic=False) as library:
        before = library._now()
        assert not library.refresh()
        assert library._now() is before
        (corpus / PAGE).write_text("# Quantities\n\nOthers.")
        assert library.refresh()
        after = library._now()
    kept = "framework/event-store.md"
    assert after.corpus.documents[kept] is before.corpus.documents[kept]
    assert after.corpus.documents[PAGE] is not before.corpus.documents[PAGE]


def test_a_file_that_was_only_touched_changes_nothing(library: Library, corpus: Path) -> None:
    before = library._now()
    age(corpus)
    assert not library.refresh()
    assert library._now() is before


def vanish(corpus: Path) -> None:
    corpus.rename(corpus.with_name("elsewhere"))


def empty(corpus: Path) -> None:
    for file in corpus.rglob("*.md"):
        file.unlink()


def become_a_file(corpus: Path) -> None:
    vanish(corpus)
    corpus.write_text("in the way")


@pytest.mark.parametrize("damage", [vanish, empty, become_a_file])
def test_while_the_documents_cannot_be_read_the_last_ones_are_kept_and_said(
    library: Library, corpus: Path, damage: Callable[[Path], None]
) -> None:
    before = library.search("cancel")
    damage(corpus)
    result = library.search("cancel")
    assert result.hits == before.hits
    assert "the documents cannot be read as they are now" in str(result.note)
    assert "these are from before" in str(library.status().stale)


def test_documents_that_can_be_read_again_are(library: Library, corpus: Path) -> None:
    vanish(corpus)
    library.search("cancel")
    corpus.with_name("elsewhere").rename(corpus)
    (corpus / "new.md").write_text("# New\n\nPelicans.")
    assert library.search("pelicans").hits[0].path == "new.md"
    assert library.status().stale is None


def test_whoever_reads_keeps_what_it_began_with(library: Library, corpus: Path) -> None:
    held = library._now()
    (corpus / PAGE).write_text("# Quantities\n\nOstriches are counted too.")
    assert library.search("ostriches").hits
    assert "Leaves quantity" in {section.title for section in held.corpus.find(PAGE).sections}
    assert held.lexical.rank("ostriches", None, 5) == []


def test_nobody_ever_sees_half_of_a_change(corpus: Path) -> None:
    """Two documents always say the same number; whoever asks finds the same one in both, whatever is being written."""
    (corpus / "pair").mkdir()
    done = threading.Event()

    def write(number: int) -> None:
        new = corpus.with_name(f"pair-{number}")
        new.mkdir()
        for name in ("a", "b"):
            (new / f"{name}.md").write_text(f"# {name}\n\nnumber{number} " + "word " * 200)
        (corpus / "pair").rename(corpus.with_name(f"old-{number}"))
        new.rename(corpus / "pair")

    def read(library: Library) -> None:
        while not done.is_set():
            documents = library._now().corpus.documents
            told = {documents[path].lines[2].split()[0] for path in documents if path.startswith("pair/")}
            assert len(told) <= 1

    write(0)
    with Library.open(corpus, semantic=False) as library, ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read, library) for _ in range(3)]
        for number in range(1, 30):
            write(number)
        done.set()
        for reader in readers:
            reader.result()
        assert library.search("number29").hits[0].path.startswith("pair/")


def test_a_closed_library_stays_as_it_was(corpus: Path) -> None:
    with Library.open(corpus, semantic=False) as library:
        library.search("cancel")
    (corpus / PAGE).write_text("# Quantities\n\nOstriches.")
    assert not library.refresh()
    assert "ostriches" not in library.read(PAGE).text.lower()


def words_of(cache: Path) -> list[Path]:
    return sorted((cache / "words").iterdir())


def test_the_words_of_unchanged_documents_are_read_once(corpus: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    found = []
    for _ in range(2):
        with Library.open(corpus, cache=cache, semantic=False) as library:
            found.append(library.search("withdraw an order"))
    assert found[0] == found[1]
    (kept,) = words_of(cache)
    written = kept.stat().st_ino
    with Library.open(corpus, cache=cache, semantic=False) as library:
        library.search("cancel")
    assert kept.stat().st_ino == written


@pytest.mark.parametrize("damaged", [b"", b"short", b"x" * 100_000])
def test_damaged_words_are_read_again(corpus: Path, tmp_path: Path, damaged: bytes) -> None:
    cache = tmp_path / "cache"
    with Library.open(corpus, cache=cache, semantic=False) as library:
        sound = library.search("withdraw an order")
    (kept,) = words_of(cache)
    whole = kept.read_bytes()
    for content in (damaged, whole[:-1], whole[:5000] + b"\0" + whole[5001:]):
        kept.write_bytes(content)
        with Library.open(corpus, cache=cache, semantic=False) as library:
            assert library.search("withdraw an order") == sound
        assert kept.read_bytes()[32:100] == whole[32:100]


def test_the_words_of_the_last_few_states_are_kept(corpus: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with Library.open(corpus, cache=cache, semantic=False) as library:
        for number in range(KEPT + 3):
            (corpus / "new.md").write_text(f"# New\n\nword{number}")
            assert library.search(f"word{number}").hits
    assert len(words_of(cache)) == KEPT


def test_where_nothing_can_be_kept_words_are_read_all_the_same(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with Library.open(corpus, cache=tmp_path / "file", semantic=False) as library:
        assert library.search("withdraw an order").hits
