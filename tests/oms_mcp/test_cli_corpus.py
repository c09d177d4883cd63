"""What do `oms kb` and its neighbours make of folders of one's own?"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from oms_mcp.inputs import Misuse, opened_library
from tests.oms_mcp.conftest import Ask, Oms

pytestmark = pytest.mark.usefixtures("plain")

MISUSED = 2
WORD = "pelican"


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OMS_KB_CORPUS", "OMS_KB_ONLY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMS_CACHE_DIR", str(tmp_path / "cache"))
    for folder, text in (("handbook", f"The {WORD} speaks first."), ("runbooks", "Restart the walrus.")):
        Path(folder).mkdir()
        Path(folder, "intro.md").write_text(f"# Of {folder}\n\n{text}\n")


def paths(wire: dict[str, list[dict[str, str]]]) -> list[str]:
    return [document["path"] for document in wire["documents"]]


def test_folders_stand_beside_the_documents_that_come_along(ask: Ask) -> None:
    listed = paths(ask("kb", "overview", "--corpus", "handbook", "--corpus", "runbooks"))
    assert listed[-2:] == ["intro.md", "runbooks/intro.md"]
    assert "concepts/quantities.md" in listed


def test_folders_can_stand_in_place_of_them(ask: Ask) -> None:
    assert paths(ask("kb", "overview", "--corpus", "handbook", "--only-corpus")) == ["intro.md"]


def test_variables_say_the_same_and_options_win(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_KB_CORPUS", f"handbook{os.pathsep}{os.pathsep}runbooks")
    monkeypatch.setenv("OMS_KB_ONLY", "1")
    assert paths(ask("kb", "overview")) == ["intro.md", "runbooks/intro.md"]
    assert paths(ask("kb", "overview", "--corpus", "runbooks")) == ["intro.md"]
    monkeypatch.setenv("OMS_KB_ONLY", "0")
    assert "concepts/quantities.md" in paths(ask("kb", "overview"))


def test_a_hit_says_how_it_is_read(oms: Oms) -> None:
    shown = oms("kb", "search", WORD, "--corpus", "handbook", "--only-corpus", "--mode", "keyword").stdout
    assert "oms kb read intro.md#of-handbook --corpus handbook --only-corpus" in shown
    words = ["kb", "read", "intro.md#of-handbook", "--corpus", "handbook", "--only-corpus"]
    assert WORD in oms(*words).stdout


def test_scenarios_of_ones_own_documents_are_run(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_library(semantic=False) as library:
        block = library.scenario("first-order#first-order").text
    Path("handbook/own.md").write_text(f"# Own\n\n```scenario\n{block}```\n")
    monkeypatch.setenv("OMS_KB_CORPUS", "handbook")
    assert oms("run", "own#first-order").exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--corpus", "nowhere"), "is not a folder; give a folder of markdown"),
        (("--corpus", "handbook", "--corpus", "handbook"), "it is given twice"),
        (("--corpus", "empty", "--only-corpus"), "holds no markdown files"),
        (("--only-corpus",), "--only-corpus needs a folder"),
    ],
)
def test_a_folder_that_cannot_be_one_is_told(words: tuple[str, ...], told: str, oms: Oms, ask: Ask) -> None:
    Path("empty").mkdir()
    shown = oms("kb", "overview", *words)
    assert shown.exit_code == MISUSED
    assert told in ask("kb", "overview", *words, code=MISUSED)["error"]["detail"]


def test_a_switch_is_on_or_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_KB_ONLY", "perhaps")
    with pytest.raises(Misuse, match='OMS_KB_ONLY is "perhaps"; set it to 1 or 0'):
        opened_library(["handbook"])


def test_what_is_left_out_is_told(oms: Oms, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("handbook/huge.md").write_bytes(b"x" * 5_000_000)
    assert "note: huge.md is left out: it has 5,000,000 bytes" in oms("kb", "overview", "--corpus", "handbook").stderr
    assert ask("kb", "overview", "--corpus", "handbook")["leftOut"].keys() == {"huge.md"}
    monkeypatch.setenv("OMS_KB_CORPUS", "handbook")
    assert "document left out" in {check["name"] for check in ask("doctor")["checks"]}


def test_the_doctor_names_a_folder_that_is_not_there(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_KB_CORPUS", "nowhere")
    found = {check["name"]: check for check in ask("doctor", code=1)["checks"]}
    assert "nowhere is not a folder" in found["knowledge base"]["detail"]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("by_meaning")
def test_watching_tells_each_build_on_a_line_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from oms_mcp.cli import main; main()", "kb", "index", "--watch", "--json"]
    repository = Path(__file__).parents[2]
    out = Path("out")
    with out.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--corpus", str(tmp_path / "handbook"), "--only-corpus"],
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            cwd=repository,
            env=os.environ
            | {"COLUMNS": "1000", "OMS_CACHE_DIR": str(tmp_path / "cache")},  # in which nobody else builds meanwhile
        )
    wait_for(lambda: out.read_text().count("\n") == 1)
    Path("handbook/more.md").write_text("# More\n\nOn ostriches.\n")
    wait_for(lambda: out.read_text().count("\n") == 2)
    Path("handbook").rename("elsewhere")
    assert process.stderr is not None
    assert [next(process.stderr) for _ in range(2)] == ["note: building the semantic index ...\n"] * 2
    assert "the documents cannot be read as they are now" in next(process.stderr)
    Path("elsewhere").rename("handbook")
    assert "can be read again" in next(process.stderr)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
    builds = [json.loads(line) for line in out.read_text().splitlines()]
    assert [build["documents"] for build in builds] == [1, 2]
