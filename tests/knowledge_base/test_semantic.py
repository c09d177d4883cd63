import io
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knowledge_base import Library, SearchResult, SemanticUnavailable, builder
from knowledge_base.cache import build_lock
from knowledge_base.encoder import find_model

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


def test_old_indexes_are_removed_but_the_last_few(corpus: Path, cache: Path) -> None:
    for number in range(12):
        (cache / f"index/old-{number}").mkdir()
    (corpus / "new.md").write_text("# New\n\nA new page.\n")
    with Library.open(corpus, cache=cache) as library:
        library.build_index()
        assert library.warm_up(wait=True) == "ready"
    assert len(list((cache / "index").iterdir())) == 8


def test_a_cache_of_vectors_that_is_no_database_is_started_anew(corpus: Path, cache: Path) -> None:
    (embeddings,) = (cache / "embeddings").iterdir()
    embeddings.write_bytes(b"no database" * 1000)
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


def damage_vectors(index: Path) -> None:
    (file,) = index.rglob("data_level0.bin")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def cut_vectors(index: Path) -> None:
    (file,) = index.rglob("data_level0.bin")
    file.write_bytes(file.read_bytes()[:100])


def lose_a_file(index: Path) -> None:
    next(index.rglob("index_metadata.pickle")).unlink()


def lose_the_manifest(index: Path) -> None:
    (index / "manifest.json").unlink()


def garble_the_manifest(index: Path) -> None:
    (index / "manifest.json").write_text('{"count": ')


def garble_the_database(index: Path) -> None:
    (index / "chroma.sqlite3").write_bytes(b"x" * 5000)


def empty_the_database(index: Path) -> None:
    (index / "chroma.sqlite3").write_bytes(b"")


@pytest.mark.parametrize(
    "damage",
    [
        damage_vectors,
        cut_vectors,
        lose_a_file,
        lose_the_manifest,
        garble_the_manifest,
        garble_the_database,
        empty_the_database,
        shutil.rmtree,
    ],
)
def test_a_damaged_index_is_rebuilt_and_never_served(corpus: Path, cache: Path, damage: Callable[[Path], None]) -> None:
    sound = ask(corpus, cache, "withdraw an order")
    damage(index_of(cache))
    assert ask(corpus, cache, "withdraw an order") == sound


def test_an_index_that_lost_its_entries_is_rebuilt(corpus: Path, cache: Path) -> None:
    sound = ask(corpus, cache, "withdraw an order")
    code = """
        import sys, chromadb
        from chromadb.config import Settings
        client = chromadb.PersistentClient(sys.argv[1], settings=Settings(anonymized_telemetry=False))
        client.delete_collection("kb_sections")
    """
    output(python(code, index_of(cache)))
    with Library.open(corpus, cache=cache) as library:
        library.warm_up(wait=True)
        assert library.search("withdraw an order").hits == sound.hits


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


def test_a_damaged_export_is_made_anew(corpus: Path, cache: Path) -> None:
    (export,) = (cache / "models").iterdir()
    (export / "model.onnx").unlink()
    (export / "model.onnx").write_bytes(b"no model")
    assert ask(corpus, cache, "withdraw").semantic == "ready"
    assert (export / "model.onnx").stat().st_size > 1_000_000


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


def test_an_index_that_fails_while_serving_leaves_words(corpus: Path, cache: Path) -> None:
    with Library.open(corpus, cache=cache) as library:
        library.warm_up(wait=True)
        library._semantic._index.close()  # type: ignore[union-attr]
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


def test_the_builder_reports_progress(corpus: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(index_of(cache))
    assert builder.main([str(corpus), str(cache)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(" sections")
    assert builder.main([str(corpus / "nowhere"), str(cache)]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_the_builder_ends_when_its_parent_is_gone(corpus: Path, cache: Path) -> None:
    shutil.rmtree(index_of(cache))
    command = [sys.executable, "-m", "knowledge_base.builder", str(corpus), str(cache)]
    with build_lock(cache):
        process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert isinstance(process.stdin, io.IOBase)
        process.stdin.close()
        assert process.wait(timeout=30) == 1
