"""How long does a question to the knowledge base take, and what does it cost to have it at hand?"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import IO, Any, get_args

from benchmarks.figures import Figure, Scale
from knowledge_base import PACKAGED_CORPUS, Library, SearchMode

CACHE = "oms-bench-knowledge"
"""A folder for temporary files in which model and index are kept for the next run."""

MANY = 10_000
"""More documents than we have."""

EDITS = 3
"""Changes of a page after which a server's memory is measured again."""

STARTS = 5
"""Processes that are started at most: each takes a second."""

OPEN, CHANGED, READY, MEMORY = ("at most", 50.0), ("at most", 1_000.0), ("at most", 1_500.0), ("at most", 350.0)
MEDIANS = {"hybrid": ("at most", 5.0), "auto": ("at most", 20.0)}

QUESTIONS = (
    "can a filled order be cancelled",
    "what happens to the rest when only a part was done",
    "who may change the terms of an order",
    "leavesQty of a cancelled order",
    "OMS-STATE-001",
    "how is an average price computed",
    "split a block among accounts",
    "the venue takes a trade back after the close",
    "why was my command refused",
    "restore the database after a crash",
)

_OPENING = """
import sys, time
from pathlib import Path
from knowledge_base import Library
import knowledge_base.library
began = time.perf_counter()
with Library.open(Path(sys.argv[1]), cache=Path(sys.argv[2]), semantic=False) as library:
    library.search(sys.argv[3], mode="keyword")
    print((time.perf_counter() - began) * 1000)
"""


def knowledge(scale: Scale) -> list[Figure]:
    """Questions to the knowledge base, its opening, a changed document, and a server with semantic search."""
    cache = Path(gettempdir()) / CACHE
    with TemporaryDirectory(prefix="oms-bench-") as name:
        corpus = _copied(Path(name) / "corpus", scale.documents)
        with Library.open(corpus, cache=cache) as library:
            library.build_index()
            library.warm_up(wait=True)
            figures = [*_opening(corpus, cache, scale), *_questions(library, scale)]
        figures += _changes(corpus, cache, scale)
        return [*figures, *_serving(_notes(Path(name) / "notes"), cache, scale)]


def _copied(folder: Path, documents: int) -> Path:
    """So many of our documents, or all of them for 0, where they may be changed."""
    shutil.copytree(PACKAGED_CORPUS, folder)
    for file in sorted(folder.rglob("*.md"))[documents or MANY :]:
        file.unlink()
    return folder


def _notes(folder: Path) -> Path:
    """Pages of somebody's own, which are served beside those that come along."""
    folder.mkdir()
    (folder / "notes.md").write_text("# Notes\n\nWhat we agreed on.\n")
    return folder


def _opening(corpus: Path, cache: Path, scale: Scale) -> Iterator[Figure]:
    took = [
        float(_run(_OPENING, str(corpus), str(cache), QUESTIONS[0])) for _ in range(min(scale.rounds, STARTS * 2) + 1)
    ]
    yield Figure.of("open and first search by keyword, without imports", "ms", took[1:], OPEN)


def _questions(library: Library, scale: Scale) -> Iterator[Figure]:
    for mode in get_args(SearchMode):
        took = _asked(library, mode, scale.rounds)
        yield Figure.of(f"search, {mode}", "ms", took, MEDIANS.get(mode))
        yield Figure.of(f"  {mode}: 99 of 100", "ms", [sorted(took)[-(len(took) // 100) - 1]])


def _asked(library: Library, mode: SearchMode, rounds: int) -> list[float]:
    """Milliseconds of each question; the first of each do not count."""
    took = []
    for question in islice(cycle(QUESTIONS), rounds + len(QUESTIONS)):
        began = time.perf_counter_ns()
        library.search(question, mode=mode)
        took.append((time.perf_counter_ns() - began) / 1_000_000)
    return took[len(QUESTIONS) :]


def _changes(corpus: Path, cache: Path, scale: Scale) -> Iterator[Figure]:
    """From the moment a document was written until it is found."""
    words, meaning = [], []
    with Library.open(corpus, cache=cache) as library:
        library.warm_up(wait=True)
        for number in range(min(scale.rounds, STARTS)):
            page = next(iter(sorted(corpus.rglob("*.md"))))
            word = f"changed{time.time_ns()}x{number}"
            page.write_text(f"{page.read_text()}\n\n## {word}\n\nA section that says {word}.\n")
            began = time.perf_counter()
            while not library.search(word, mode="keyword").hits:
                time.sleep(0.005)
            words.append((time.perf_counter() - began) * 1_000)
            while library.search(word).mode != "hybrid":
                time.sleep(0.02)
            meaning.append((time.perf_counter() - began) * 1_000)
    yield Figure.of("a changed document is found by words", "ms", words, CHANGED)
    yield Figure.of("  and by meaning too", "ms", meaning)


def _serving(corpus: Path, cache: Path, scale: Scale) -> Iterator[Figure]:
    """A server with all that it serves by default, started when model and index are there, or few documents alone."""
    own = ["--only-corpus"] if scale.documents else []
    with _server(corpus, cache, own) as ask:
        _until_ready(ask)
    first, ready, memory, changed = [], [], [], []
    for _ in range(max(2, min(scale.rounds, STARTS))):
        began = time.perf_counter()
        with _server(corpus, cache, own) as ask:
            ask(QUESTIONS[0])
            first.append((time.perf_counter() - began) * 1_000)
            _until_ready(ask)
            ready.append((time.perf_counter() - began) * 1_000)
            for question in QUESTIONS * 3:
                ask(question)
            memory.append(float(ask("")["MiB"]))
    with _server(corpus, cache, own) as ask:
        _until_ready(ask)
        for number in range(min(scale.rounds, EDITS)):
            word = f"changed{time.time_ns()}x{number}"
            page = corpus / "notes.md"
            page.write_text(f"{page.read_text()}\n## {word}\n\nA section that says {word}.\n")
            while word not in ask(word)["hits"][0]["breadcrumb"]:
                time.sleep(0.01)
            _until_ready(ask)
            for question in QUESTIONS:
                ask(question)
        changed.append(float(ask("")["MiB"]))
    yield Figure.of("server: from its start to the first answer", "ms", first)
    yield Figure.of("server: from its start to semantic search", "ms", ready, READY)
    yield Figure.of("server: memory after warm-up", "MiB", memory, MEMORY)
    yield Figure.of(f"  and after {min(scale.rounds, EDITS)} changes", "MiB", changed)


def _until_ready(ask: Callable[[str], dict[str, Any]]) -> None:
    while ask(QUESTIONS[0])["semantic"] != "ready":
        time.sleep(0.01)


@contextmanager
def _server(corpus: Path, cache: Path, own: Sequence[str]) -> Iterator[Callable[[str], dict[str, Any]]]:
    """A server over stdio; yields the function that asks it, and for no question tells its memory."""
    command = [sys.executable, "-c", "from oms_mcp.cli import main; main()", "serve", "--corpus", str(corpus)]
    process = subprocess.Popen(
        [*command, *own], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment(cache)
    )
    assert process.stdin is not None  # noqa: S101 - they are pipes
    assert process.stdout is not None  # noqa: S101
    requests, answers = process.stdin, process.stdout
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    _call(requests, answers, "initialize", client)
    _send(requests, {"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(question: str) -> dict[str, Any]:
        if not question:
            return {"MiB": _resident(process.pid)}
        called = _call(requests, answers, "tools/call", {"name": "search_kb", "arguments": {"query": question}})
        found: dict[str, Any] = called["structuredContent"]
        return found

    try:
        yield ask
    finally:
        requests.close()
        process.wait(timeout=30)


def _call(requests: IO[str], answers: IO[str], method: str, params: dict[str, Any]) -> dict[str, Any]:
    _send(requests, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    while True:
        told = json.loads(answers.readline())
        if told.get("id") == 1:
            result: dict[str, Any] = told["result"]
            return result


def _send(requests: IO[str], message: dict[str, Any]) -> None:
    requests.write(json.dumps(message) + "\n")
    requests.flush()


def _resident(pid: int) -> float:
    """Mebibytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} tells no VmRSS")


def _run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, env=_environment()
    )
    return done.stdout


def _environment(cache: Path | None = None) -> dict[str, str]:
    own = {"OMS_CACHE_DIR": str(cache)} if cache else {}
    return os.environ | own | {"PYTHONPATH": str(Path(__file__).parents[2])}
