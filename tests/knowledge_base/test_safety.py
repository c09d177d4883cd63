"""What happens to the index when processes race, die, or may not write, and when documents change under a reader?"""

import ctypes
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge_base import Library, shelf
from knowledge_base.cache import build_lock
from knowledge_base.encoder import find_model
from knowledge_base.semantic import send_entries
from knowledge_base.vectors import Entry

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
QUESTION = "withdraw an order"

ASK = """
import sys
from pathlib import Path
from knowledge_base import Library
with Library.open(*map(Path, sys.argv[2:]), cache=Path(sys.argv[1])) as library:
    state = library.warm_up(wait=True)
    print(state, library.search("withdraw an order").mode, library.status().note)
"""

DAC_OVERRIDE, DAC_READ_SEARCH, DROP = 1, 2, 24


def without_privilege() -> None:
    """Even root keeps to the permissions of files when it has given these capabilities up."""
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(DROP, capability, 0, 0, 0)


def python(code: str, *arguments: object, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        preexec_fn=before,  # noqa: PLW1509 - it calls one function of the C library
    )


def output(process: subprocess.Popen[str]) -> str:
    stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    return stdout


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_processes_that_start_at_once_on_two_corpora_are_all_ready(corpus: Path, cache: Path) -> None:
    shutil.rmtree(cache / "index")
    other = corpus.with_name("other")
    other.mkdir()
    (other / "page.md").write_text("# Page\n\nOf another corpus, on withdrawing orders.")
    with build_lock(cache):
        processes = [python(ASK, cache, folder) for folder in (corpus, corpus, other, other)]
    assert [output(process) for process in processes] == ["ready hybrid None\n"] * 4
    assert len(list((cache / "index").iterdir())) == 2


def test_a_builder_that_is_killed_leaves_nothing_but_what_it_has_embedded(cache: Path) -> None:
    command = [sys.executable, "-m", "knowledge_base.builder", str(cache), str(find_model()), "user"]

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        send_entries([Entry(f"passage {number} " * 40, "title", "", "") for number in range(200)], process.stdin)
        return process

    before = {*(cache / "index").iterdir()}
    killed = start()
    assert killed.stdout is not None
    assert [killed.stdout.readline() for _ in range(2)] == ["0 of 201 passages\n", "32 of 201 passages\n"]
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(timeout=30) == -signal.SIGKILL
    assert {*(cache / "index").iterdir()} == before
    again = start()
    assert again.stdout is not None
    told = [*again.stdout]
    assert again.wait(timeout=30) == 0
    assert int(told[0].split()[0]) >= 32
    assert told[-1] == "201 of 201 passages\n"


def test_a_library_whose_builder_is_killed_says_so_and_takes_what_another_process_builds(
    corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "LOOK_SECONDS", 0.0)
    shutil.rmtree(cache / "index")
    with Library.open(corpus, cache=cache) as library:
        with build_lock(cache):
            library.warm_up()
            wait_for(lambda: library._now().semantic._builder is not None)
            builder = library._now().semantic._builder
            assert builder is not None
            builder.kill()
            assert library.warm_up(wait=True) == "unavailable"
        result = library.search(QUESTION)
        assert (result.mode, "could not be built" in str(result.note)) == ("keyword", True)
        assert output(python(ASK, cache, corpus)) == "ready hybrid None\n"
        wait_for(lambda: library.search(QUESTION).mode == "hybrid")


@pytest.mark.parametrize(
    "file", ["vectors.bin", "titles.bin", "words.bin", "ends.npy", "titled.npy", "texts.bin", "labels.npy"]
)
@pytest.mark.parametrize("keep", [0, 100])
def test_a_file_that_was_cut_is_never_served(corpus: Path, cache: Path, file: str, keep: int) -> None:
    (index,) = (cache / "index").iterdir()
    content = (index / file).read_bytes()
    (index / file).write_bytes(content[:keep])
    with Library.open(corpus, cache=cache) as library:
        assert library.warm_up(wait=True) == "ready"
        assert library.search(QUESTION).hits[0].anchor == "2-cancelling"
    assert (index / file).stat().st_size == len(content)


def test_what_a_cache_holds_that_cannot_be_written_is_used(corpus: Path, cache: Path) -> None:
    folders = [cache, *(folder for folder in cache.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    before = {file: file.stat().st_mtime_ns for file in cache.rglob("*")}
    code = f"import sys\nsys.modules['torch'] = sys.modules['sentence_transformers'] = None\n{ASK}"
    told = output(python(code, cache, corpus, before=without_privilege))
    for folder in folders:
        folder.chmod(0o755)
    assert told.startswith("ready hybrid the cache folder ")
    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*")} == before


def test_a_document_that_may_not_be_read_is_left_out_and_named(corpus: Path, cache: Path) -> None:
    (corpus / "secret.md").write_text("# Secret")
    (corpus / "secret.md").chmod(0)
    code = """
        import sys
        from pathlib import Path
        from knowledge_base import Library
        with Library.open(Path(sys.argv[2]), cache=Path(sys.argv[1]), semantic=False) as library:
            print(library.status().documents, library.status().left_out)
    """
    told = output(python(code, cache, corpus, before=without_privilege))
    assert told == "3 {'secret.md': 'it cannot be read: Permission denied'}\n"


def test_a_changed_document_is_found_by_words_at_once_and_by_meaning_soon(
    corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "LOOK_SECONDS", 0.0)
    with Library.open(corpus, cache=cache) as library:
        assert library.warm_up(wait=True) == "ready"
        held = library._now()
        (corpus / "birds.md").write_text("# Birds\n\nPelicans carry the fish that they caught in a pouch.")
        with build_lock(cache):
            at_once = library.search("pelicans")
            assert (at_once.hits[0].path, at_once.mode) == ("birds.md", "keyword")
            assert "until then hits are by keyword" in str(at_once.note)
            assert held.semantic.ask("pelicans", {}, 5) is not None  # whoever began before goes on with the old index
        assert library.warm_up(wait=True) == "ready"
        found = library.search("an animal that transports its prey", mode="semantic")
        assert (found.hits[0].path, found.mode) == ("birds.md", "semantic")
        assert "by keyword" not in str(found.note)


def test_a_build_that_is_overtaken_by_the_next_change_stops(
    corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "LOOK_SECONDS", 0.0)
    with Library.open(corpus, cache=cache) as library:
        assert library.warm_up(wait=True) == "ready"
        with build_lock(cache):
            (corpus / "birds.md").write_text("# Birds\n\nPelicans.")
            library.search("pelicans")
            first = library._now().semantic
            wait_for(lambda: first._builder is not None)
            (corpus / "birds.md").write_text("# Birds\n\nOstriches.")
            library.search("ostriches")
            wait_for(lambda: first.state == "unavailable")
        assert library.warm_up(wait=True) == "ready"
        assert library.search("ostriches").mode == "hybrid"


def hub_with_the_model(folder: Path, name: str) -> None:
    """A folder as the hub's client keeps it, with the installed model in it."""
    kept = folder / f"models--{name.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("a" * 40)
    (kept / "snapshots").mkdir()
    (kept / "snapshots" / ("a" * 40)).symlink_to(find_model())


def test_a_model_of_the_hub_that_is_here_is_used_without_network(
    corpus: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_with_the_model(tmp_path / "hub", "someone/some-model")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OMS_KB_MODEL", "someone/some-model")
    assert output(python(ASK, cache, corpus)) == "ready hybrid None\n"


def test_a_model_of_the_hub_that_cannot_be_fetched_is_told(
    corpus: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OMS_KB_MODEL", "someone/some-model")
    told = output(python(ASK, cache, corpus))
    assert told.startswith("unavailable keyword OMS_KB_MODEL names 'someone/some-model', which cannot be had")


def test_a_folder_that_is_not_there_is_not_taken_for_a_model_of_the_hub(
    corpus: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMS_KB_MODEL", "models/mini")
    with Library.open(corpus, cache=cache) as library:
        assert "is no folder with a model" in str(library.status().note)
