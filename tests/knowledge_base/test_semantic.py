import hashlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from knowledge_base import Library, SearchResult, SemanticUnavailable
from knowledge_base.cache import build_lock
from knowledge_base.encoder import find_model, load_or_export
from knowledge_base.semantic import exported_model, send_entries
from knowledge_base.vectors import Entry, VectorIndex, build

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def python(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )


def output(process: subprocess.Popen[str]) -> str:
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert stderr == ""
    return stdout


def hashes(folder: Path) -> dict[Path, bytes]:
    """What each file holds, but for the database in which Chroma counts how often it was opened."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("chroma.sqlite3"))
    return {file: hashlib.sha256(file.read_bytes()).digest() for file in files}


def index_of(cache: Path) -> Path:
    (folder,) = (cache / "index").iterdir()
    return folder


def ask(corpus: Path, cache: Path, query: str) -> SearchResult:
    with Library.open(corpus, cache=cache) as library:
        assert library.warm_up(wait=True) == "ready", library.status().note
        return library.search(query)


@pytest.mark.parametrize(
    ("question", "citation"),
    [
        ("how much can still be traded", "concepts/quantities.md#leaves-quantity"),
        ("I want to withdraw what I sent to the exchange", "concepts/order-lifecycle.md#2-cancelling"),
        ("keep rounding errors out of the mean cost", "concepts/quantities.md#average-price"),
        ("speed up the boot by saving intermediate results", "framework/event-store.md#snapshots"),
    ],
)
def test_a_question_in_other_words_finds_the_section(corpus: Path, cache: Path, question: str, citation: str) -> None:
    with Library.open(corpus, cache=cache) as library:
        assert library.warm_up(wait=True) == "ready"
        by_both, by_meaning = (library.search(question, limit=3, mode=mode) for mode in ("auto", "semantic"))
    assert by_meaning.hits[0].citation == citation
    assert citation in [hit.citation for hit in by_both.hits]
    assert (by_both.mode, by_meaning.mode, by_both.semantic) == ("hybrid", "semantic", "ready")


def test_filters_narrow_meaning_too(corpus: Path, cache: Path) -> None:
    with Library.open(corpus, cache=cache) as library:
        library.warm_up(wait=True)
        for mode in ("auto", "semantic"):
            drafts = library.search("price", status="DRAFT", limit=50, mode=mode).hits
            assert {hit.path for hit in drafts} == {"concepts/quantities.md", "framework/event-store.md"}
            both = library.search("price", status="draft", category="framework", limit=50, mode=mode).hits
            assert {hit.path for hit in both} == {"framework/event-store.md"}


def test_nothing_near_is_doubtful(corpus: Path, cache: Path) -> None:
    result = ask(corpus, cache, "bake a sourdough bread")
    assert result.low_confidence
    assert result.hits


def test_several_threads_may_ask_at_once(corpus: Path, cache: Path) -> None:
    with Library.open(corpus, cache=cache) as library, ThreadPoolExecutor(8) as pool:
        library.warm_up(wait=True)
        alone = library.search("withdraw an order")
        assert list(pool.map(lambda _: library.search("withdraw an order"), range(40))) == [alone] * 40


def test_an_index_is_built_once(corpus: Path, cache: Path) -> None:
    calls: list[tuple[int, int]] = []
    before = (index_of(cache) / "manifest.json").stat()
    with Library.open(corpus, cache=cache) as library:
        library.build_index(lambda done, total: calls.append((done, total)))
        library.warm_up(wait=True)
    assert calls == []
    assert (index_of(cache) / "manifest.json").stat().st_ino == before.st_ino


@pytest.mark.parametrize("entries", [1, 2, 3])
@pytest.mark.parametrize("chroma", [False, True])
def test_who_opens_an_index_leaves_its_files_as_they_are(tmp_path: Path, entries: int, chroma: bool) -> None:
    passages = [Entry(f"passage {number}", "title", "", "") for number in range(entries)]
    folder, encoder = tmp_path / "index" / "made", load_or_export(find_model(), exported_model(tmp_path, "model"))
    build(folder, passages, encoder, tmp_path / "embeddings" / "kept.sqlite", chroma=chroma)
    before = hashes(folder)
    for _ in range(3):
        with closing(VectorIndex(folder)) as index:
            assert len(index.rank(encoder.encode(["a"])[0].vector, {}, 9)) == entries
    assert hashes(folder) == before


def test_a_changed_document_costs_only_its_own_sections(corpus: Path, cache: Path) -> None:
    page = corpus / "concepts/quantities.md"
    page.write_text(page.read_text().replace("the last digit", "the very last digit"))
    calls: list[tuple[int, int]] = []
    with Library.open(corpus, cache=cache) as library:
        library.build_index(lambda done, total: calls.append((done, total)))
        assert library.warm_up(wait=True) == "ready"
    total = calls[0][1]
    assert calls == [(total - 1, total), (total, total)]
    assert len(list((cache / "index").iterdir())) == 2


def used(cache: Path, name: str, user: str, days: float) -> Path:
    """A folder that a corpus used so many days ago."""
    folder = cache / "index" / name
    folder.mkdir(exist_ok=True)
    mark = folder / f"used-by-{user}"
    mark.touch()
    moment = time.time() - days * 86_400
    os.utime(mark, (moment, moment))
    return folder


def test_each_corpus_keeps_the_two_indexes_it_used_last_for_a_month(corpus: Path, cache: Path) -> None:
    kept = [used(cache, "a", "one", 4), used(cache, "b", "one", 3), used(cache, "c", "other", 29)]
    kept.append(used(cache, "shared", "one", 6))
    used(cache, "shared", "third", 20)
    gone = [used(cache, "d", "one", 5), used(cache, "e", "fourth", 31), cache / "index/nobody's"]
    gone[-1].mkdir()
    (corpus / "new.md").write_text("# New\n\nA new page.\n")
    with Library.open(corpus, cache=cache) as library:
        assert library.warm_up(wait=True) == "ready"
    assert [folder.name for folder in kept if not folder.exists()] == []
    assert [folder.name for folder in gone if folder.exists()] == []


def test_after_many_changes_a_corpus_has_two_indexes(corpus: Path, cache: Path) -> None:
    shutil.rmtree(cache / "index")
    for number in range(4):
        (corpus / "new.md").write_text(f"# New\n\nThe page number {number}.\n")
        with Library.open(corpus, cache=cache) as library:
            library.build_index()
    assert len(list((cache / "index").iterdir())) == 2


def test_what_no_index_holds_is_forgotten_when_it_is_the_far_larger_part(corpus: Path, cache: Path) -> None:
    (file,) = (cache / "embeddings").iterdir()
    with closing(sqlite3.connect(file)) as embeddings, embeddings:
        (known,) = embeddings.execute("SELECT count(*) FROM embeddings").fetchone()
        old = [(os.urandom(32), b"", b"") for _ in range(known * 5)]
        embeddings.executemany("INSERT INTO embeddings VALUES (?, ?, ?)", old)
    (corpus / "new.md").write_text("# New\n\nA new page.\n")
    with Library.open(corpus, cache=cache) as library:
        library.build_index()
    with closing(sqlite3.connect(file)) as embeddings:
        (left,) = embeddings.execute("SELECT count(*) FROM embeddings").fetchone()
    assert known <= left <= known + 2


def test_a_cache_of_vectors_that_is_no_database_is_started_anew(corpus: Path, cache: Path) -> None:
    (embeddings,) = (cache / "embeddings").iterdir()
    embeddings.write_bytes(b"no database" * 1000)
    shutil.rmtree(cache / "index")
    with Library.open(corpus, cache=cache) as library:
        library.build_index()
    assert ask(corpus, cache, "withdraw an order").mode == "hybrid"


def test_a_damaged_cache_of_vectors_is_started_anew(corpus: Path, cache: Path) -> None:
    (embeddings,) = (cache / "embeddings").iterdir()
    content = embeddings.read_bytes()
    embeddings.write_bytes(content[:4096] + b"x" * (len(content) - 4096))
    shutil.rmtree(cache / "index")
    with Library.open(corpus, cache=cache) as library:
        library.build_index()
    assert ask(corpus, cache, "withdraw an order").mode == "hybrid"


def test_a_cache_that_cannot_take_the_index_is_told(corpus: Path, cache: Path) -> None:
    shutil.rmtree(cache / "index")
    (embeddings,) = (cache / "embeddings").iterdir()
    embeddings.unlink()
    embeddings.mkdir()
    with Library.open(corpus, cache=cache) as library:
        with pytest.raises(SemanticUnavailable, match="cannot take the index"):
            library.build_index()
        assert library.warm_up(wait=True) == "unavailable"
        assert "could not be built" in str(library.status().note)


@pytest.fixture
def asking_chroma(corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A warm cache with an index that asks Chroma, few as the passages are."""
    monkeypatch.setenv("OMS_KB_CHROMA_FROM", "0")
    shutil.rmtree(cache / "index")
    with Library.open(corpus, cache=cache) as library:
        library.build_index()
    return cache


def flip_a_bit(index: Path, name: str) -> None:
    (file,) = index.rglob(name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def damage_vectors(index: Path) -> None:
    flip_a_bit(index, "vectors.bin")


def lose_the_labels(index: Path) -> None:
    (index / "labels.npy").unlink()


def change_a_label(index: Path) -> None:
    flip_a_bit(index, "labels.json")


def lose_the_manifest(index: Path) -> None:
    (index / "manifest.json").unlink()


def garble_the_manifest(index: Path) -> None:
    (index / "manifest.json").write_text('{"count": ')


def damage_the_graph(index: Path) -> None:
    flip_a_bit(index, "data_level0.bin")


def cut_the_graph(index: Path) -> None:
    (file,) = index.rglob("data_level0.bin")
    file.write_bytes(file.read_bytes()[:100])


def lose_a_file_of_the_graph(index: Path) -> None:
    next(index.rglob("index_metadata.pickle")).unlink()


def garble_the_database(index: Path) -> None:
    (index / "chroma.sqlite3").write_bytes(b"x" * 5000)


def empty_the_database(index: Path) -> None:
    (index / "chroma.sqlite3").write_bytes(b"")


def cut_the_database(index: Path) -> None:
    (index / "chroma.sqlite3").write_bytes((index / "chroma.sqlite3").read_bytes()[:100])


Damage = Callable[[Path], None]


@pytest.mark.parametrize(
    "damage", [damage_vectors, lose_the_labels, change_a_label, lose_the_manifest, garble_the_manifest, shutil.rmtree]
)
def test_a_damaged_index_is_rebuilt_and_never_served(corpus: Path, cache: Path, damage: Damage) -> None:
    sound = ask(corpus, cache, "withdraw an order")
    damage(index_of(cache))
    assert ask(corpus, cache, "withdraw an order") == sound
    assert ask(corpus, cache, "withdraw an order").semantic == "ready"


@pytest.mark.parametrize(
    "damage",
    [
        damage_vectors,
        damage_the_graph,
        cut_the_graph,
        lose_a_file_of_the_graph,
        lose_the_manifest,
        garble_the_database,
        empty_the_database,
        cut_the_database,
    ],
)
def test_a_damaged_index_of_chroma_is_rebuilt_and_never_served(
    corpus: Path, asking_chroma: Path, damage: Damage
) -> None:
    sound = ask(corpus, asking_chroma, "withdraw an order")
    damage(index_of(asking_chroma))
    assert ask(corpus, asking_chroma, "withdraw an order") == sound


LOSE_ALL = 'client.delete_collection("kb_passages")'
LOSE_ALL_BUT_THE_LAST = (
    'found = client.get_collection("kb_passages", embedding_function=None); '
    "found.delete([str(position) for position in range(found.count() - 1)])"
)


@pytest.mark.parametrize("lose", [LOSE_ALL, LOSE_ALL_BUT_THE_LAST])
def test_an_index_that_lost_its_entries_is_rebuilt(corpus: Path, asking_chroma: Path, lose: str) -> None:
    sound = ask(corpus, asking_chroma, "withdraw an order")
    code = f"""
        import sys, chromadb
        from chromadb.config import Settings
        client = chromadb.PersistentClient(sys.argv[1], settings=Settings(anonymized_telemetry=False))
        {lose}
    """
    output(python(code, index_of(asking_chroma)))
    with Library.open(corpus, cache=asking_chroma) as library:
        library.warm_up(wait=True)
        assert library.search("withdraw an order").hits == sound.hits


def test_many_passages_are_found_by_chroma_and_few_without_it(corpus: Path, cache: Path, asking_chroma: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from knowledge_base import Library
        library = Library.open(Path(sys.argv[1]), cache=Path(sys.argv[2]))
        library.warm_up(wait=True)
        found = library.search("withdraw an order", mode="semantic", status="draft")
        print(found.mode, "chromadb" in sys.modules, [(hit.citation, hit.score) for hit in found.hits])
    """
    many = output(python(code, corpus, asking_chroma))
    with pytest.MonkeyPatch.context() as few:
        few.delenv("OMS_KB_CHROMA_FROM")
        assert output(python(code, corpus, cache)) == many.replace("True", "False")
    assert many.startswith("semantic True [('")


def test_a_wrong_number_of_passages_is_told(corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_KB_CHROMA_FROM", "many")
    with Library.open(corpus, cache=cache) as library:
        assert library.warm_up(wait=True) == "unavailable"
        assert library.search("withdraw").mode == "keyword"
        assert "OMS_KB_CHROMA_FROM is 'many'; give from how many passages" in str(library.status().note)
        with pytest.raises(SemanticUnavailable, match="OMS_KB_CHROMA_FROM is 'many'"):
            library.build_index()


def test_an_index_that_holds_other_entries_than_were_written_is_rebuilt(corpus: Path, cache: Path) -> None:
    sound = ask(corpus, cache, "withdraw an order")
    manifest = index_of(cache) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"count": ', '"count": 1'))
    assert ask(corpus, cache, "withdraw an order") == sound


def test_a_half_built_index_is_swept_away(corpus: Path, cache: Path) -> None:
    shutil.rmtree(index_of(cache))
    (cache / "index/building-dead").mkdir()
    ask(corpus, cache, "withdraw")
    assert not (cache / "index/building-dead").exists()


@pytest.mark.parametrize("file", ["model.onnx", "weights.bin"])
def test_a_damaged_export_is_made_anew(corpus: Path, cache: Path, file: str) -> None:
    (export,) = (cache / "models").iterdir()
    size = (export / file).stat().st_size
    (export / file).unlink()
    (export / file).write_bytes(b"no model")
    assert ask(corpus, cache, "withdraw").semantic == "ready"
    assert (export / file).stat().st_size == size


def test_the_weights_may_be_read_by_whoever_may_read_the_model(cache: Path) -> None:
    (export,) = (cache / "models").iterdir()
    assert (export / "weights.bin").stat().st_mode == (export / "model.onnx").stat().st_mode


def test_an_export_that_answers_otherwise_than_its_reference_is_made_anew(corpus: Path, cache: Path) -> None:
    (export,) = (cache / "models").iterdir()
    facts = (export / "export.json").read_text()
    (export / "export.json").write_text(facts.replace("-0.0", "0.0"))
    assert ask(corpus, cache, "withdraw").semantic == "ready"
    assert (export / "export.json").read_text() == facts


def test_where_the_export_fails_the_reference_answers(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    with monkeypatch.context() as without_onnx:
        without_onnx.setitem(sys.modules, "onnx", None)
        with Library.open(corpus, cache=cache) as library:
            library.build_index()
    assert list(cache.glob("models/*/export-failed.txt"))
    assert ask(corpus, cache, "how much can still be traded").hits[0].anchor == "leaves-quantity"


def test_a_warm_cache_needs_neither_torch_nor_sentence_transformers(corpus: Path, cache: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        sys.modules["torch"] = sys.modules["sentence_transformers"] = sys.modules["transformers"] = None
        from knowledge_base import Library
        library = Library.open(Path(sys.argv[1]), cache=Path(sys.argv[2]))
        library.warm_up(wait=True)
        print(library.search("withdraw an order").mode)
    """
    assert output(python(code, corpus, cache)) == "hybrid\n"


def test_without_the_extra_everything_imports_and_words_are_compared(corpus: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        for name in "chromadb torch sentence_transformers transformers onnx onnxruntime tokenizers numpy".split():
            sys.modules[name] = None
        import knowledge_base, knowledge_base.encoder, knowledge_base.vectors, knowledge_base.semantic
        import knowledge_base.builder
        library = knowledge_base.Library.open(Path(sys.argv[1]))
        library.warm_up(wait=True)
        result = library.search("withdraw an order")
        print(result.mode, result.semantic, "oms-mcp[semantic]" in result.note, len(result.hits) > 0)
    """
    assert output(python(code, corpus)) == "keyword unavailable True True\n"


def test_without_a_builder_the_reason_is_told(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sentence_transformers.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Library.open(corpus, cache=tmp_path / "cache") as library:
        assert library.warm_up(wait=True) == "unavailable"
        result = library.search("withdraw an order")
    assert "sentence-transformers is not installed" in str(result.note)
    assert result.hits


def test_building_without_a_builder_says_how_to_add_it(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with (
        Library.open(corpus, cache=tmp_path / "cache") as library,
        pytest.raises(SemanticUnavailable, match=r'pip install "oms-mcp\[semantic\]"'),
    ):
        library.build_index()


def test_a_model_that_cannot_be_loaded_is_told(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    monkeypatch.setenv("OMS_KB_MODEL", str(model))
    with Library.open(corpus, cache=tmp_path / "cache") as library:
        with pytest.raises(SemanticUnavailable, match="cannot be loaded"):
            library.build_index()
        assert library.warm_up(wait=True) == "unavailable"
        assert "cannot be loaded" in str(library.status().note)


def test_a_model_can_be_named(corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Library.open(corpus, cache=cache) as library:
        library.warm_up(wait=True)
        known = library.status().model
    monkeypatch.chdir(find_model().parent)
    monkeypatch.setenv("OMS_KB_MODEL", "model")
    with Library.open(corpus, cache=cache) as library:
        assert library.warm_up(wait=True) == "ready"
        assert library.status().model == known


def test_nothing_opens_a_socket(corpus: Path, tmp_path: Path) -> None:
    code = """
        import socket, sys
        from pathlib import Path

        class NoSocket(socket.socket):
            def __new__(cls, *arguments, **options):
                raise AssertionError("a socket was opened")

        socket.socket = NoSocket
        socket.create_connection = socket.getaddrinfo = NoSocket
        from knowledge_base import Library
        library = Library.open(Path(sys.argv[1]), cache=Path(sys.argv[2]))
        library.build_index()
        library.warm_up(wait=True)
        print(library.search("withdraw an order").mode, library.status().note)
    """
    assert output(python(code, corpus, tmp_path / "cache")) == "hybrid None\n"


def test_nothing_is_kept_for_anybody_to_be_told(corpus: Path, cache: Path, tmp_path: Path) -> None:
    """The runtime of the model would write down at home what it does, and send it to its maker."""
    code = """
        import os, sys
        from pathlib import Path
        os.environ["HOME"] = sys.argv[3]
        from knowledge_base import Library
        with Library.open(Path(sys.argv[1]), cache=Path(sys.argv[2])) as library:
            print(library.warm_up(wait=True), [*Path(sys.argv[3]).rglob("*")])
    """
    (tmp_path / "home").mkdir()
    assert output(python(code, corpus, cache, tmp_path / "home")) == "ready []\n"


def test_two_processes_that_build_at_once_are_both_ready_and_build_once(corpus: Path, cache: Path) -> None:
    shutil.rmtree(index_of(cache))
    shutil.rmtree(cache / "embeddings")
    code = """
        import sys
        from pathlib import Path
        from knowledge_base import Library
        with Library.open(Path(sys.argv[1]), cache=Path(sys.argv[2])) as library:
            library.warm_up(wait=True)
            print(library.search("withdraw an order").to_wire())
    """
    with build_lock(cache):
        both = [python(code, corpus, cache) for _ in range(2)]
    first, second = map(output, both)
    assert first == second
    assert "hybrid" in first
    assert index_of(cache)


def test_until_the_index_is_built_words_are_compared(corpus: Path, cache: Path) -> None:
    shutil.rmtree(index_of(cache))
    with Library.open(corpus, cache=cache) as library:
        assert library.status().semantic == "loading"
        with build_lock(cache):
            first = library.search("withdraw an order")
            while library.status().semantic == "loading":
                pass
            meanwhile = library.search("withdraw an order", mode="semantic")
        assert (first.mode, first.semantic) == ("keyword", "loading")
        assert (meanwhile.mode, meanwhile.semantic) == ("keyword", "building")
        assert "is being built" in str(meanwhile.note)
        assert library.warm_up(wait=True) == "ready"
        assert library.search("withdraw an order").mode == "hybrid"


def test_closing_stops_a_build(corpus: Path, cache: Path) -> None:
    shutil.rmtree(index_of(cache))
    library = Library.open(corpus, cache=cache)
    with build_lock(cache):
        library.warm_up()
        while library.status().semantic == "loading":
            pass
        library.close()
    assert library.status().semantic == "unavailable"
    assert library.warm_up(wait=True) == "unavailable"


def test_a_library_closed_before_it_was_used_never_starts(corpus: Path, cache: Path) -> None:
    library = Library.open(corpus, cache=cache)
    library.close()
    assert library.warm_up(wait=True) == "loading"
    assert library.search("withdraw", mode="keyword").hits


@pytest.mark.parametrize("pause", [0.0, 0.15, 0.4])
def test_a_program_may_end_while_the_library_loads(corpus: Path, cache: Path, pause: float) -> None:
    code = """
        import sys, threading
        from pathlib import Path
        from knowledge_base import Library
        Library.open(Path(sys.argv[1]), cache=Path(sys.argv[2])).warm_up()
        threading.Event().wait(float(sys.argv[3]))
    """
    assert output(python(code, corpus, cache, str(pause))) == ""


def test_a_closed_library_still_compares_words(corpus: Path, cache: Path) -> None:
    with Library.open(corpus, cache=cache) as library:
        library.warm_up(wait=True)
    result = library.search("withdraw an order")
    assert (result.mode, result.semantic) == ("keyword", "unavailable")
    assert "is closed" in str(result.note)


def test_an_index_that_fails_while_serving_leaves_words(corpus: Path, asking_chroma: Path) -> None:
    with Library.open(corpus, cache=asking_chroma) as library:
        library.warm_up(wait=True)
        library._shelf._snapshot.semantic._index.close()  # type: ignore[union-attr]
        result = library.search("withdraw an order")
        assert (result.mode, result.semantic) == ("keyword", "unavailable")
        assert "has failed" in str(result.note)
        assert result.hits


def test_a_cache_that_cannot_be_written_is_replaced_and_said(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with Library.open(corpus, cache=tmp_path / "file") as library:
        assert library.warm_up(wait=True) == "ready"
        result = library.search("withdraw an order")
        assert result.mode == "hybrid"
        assert "cannot be written" in str(result.note)
        assert library.status().cache != str(tmp_path / "file")


def sent(*texts: str) -> str:
    stream = io.StringIO()
    send_entries([Entry(text, "title", "", "") for text in texts], stream)
    return stream.getvalue()


def start_builder(cache: Path, model: Path) -> subprocess.Popen[str]:
    """A builder that has been sent two passages and whose input stays open."""
    command = [sys.executable, "-m", "knowledge_base.builder", str(cache), str(model), "user"]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(sent("one passage", "another passage"))
    process.stdin.flush()
    return process


def test_the_builder_reports_progress(cache: Path) -> None:
    process = start_builder(cache, find_model())
    assert process.stdout is not None
    assert [*process.stdout] == ["0 of 3 passages\n", "3 of 3 passages\n"]
    assert process.wait(timeout=30) == 0


def test_the_builder_says_why_it_cannot_build(cache: Path, tmp_path: Path) -> None:
    process = start_builder(cache, tmp_path / "nowhere")
    assert process.wait(timeout=60) == 1
    assert process.stderr is not None
    assert "cannot be loaded" in process.stderr.read()


def test_the_builder_ends_when_its_parent_is_gone(cache: Path) -> None:
    with build_lock(cache):
        process = start_builder(cache, find_model())
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 1
