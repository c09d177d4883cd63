import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from knowledge_base import Library

CorpusWriter = Callable[[Mapping[str, str]], Path]

LIFECYCLE = """# Order lifecycle

**Version:** 1.2 | **Status:** stable | **Category:** concepts | **Last Updated:** 2026-11-22

An order lives from its creation until it is closed. This page tells which states it passes and who moves it
from one to the next,
so that a reader can predict what the engine answers to each command.

## 1. States

A new order waits in NEW. Once a venue acknowledges it the order is LIVE and takes executions, until it is
FILLED or cancelled.
The set of states is small on purpose: each one answers the question what may happen next, and nothing else.

### 1.1 Terminal states

FILLED, CXL and REJ are terminal. Nothing leads out of a terminal state but closing, which files the order
away at the end of
the day. An attempt to cancel a filled order is refused with a citation of this section.

## 2. Cancelling

A trader withdraws an order with OrderCancelCmd; the venue confirms with OrderCancelAcceptCmd or declines.
What was executed
before stays executed, and only the remainder is withdrawn. See OMS-ORDER-006.

```scenario
id: cancel-live
title: "A live order is cancelled"  # the happy path
given: []
# not a heading
steps: []
```

```scenario
id: 'cancel-filled'
steps: []
```
"""

QUANTITIES = """# Quantities

**Version:** 1.0 | **Status:** draft | **Category:** concepts | **Last Updated:** 2026-11-21

Three numbers describe how far an order has come: what was asked, what was done and what is left. They always
add up, and the
engine recomputes them with each report.

## Leaves quantity

The quantity still open for trading is the ordered amount minus the amount already executed; it drops to zero
when the order
leaves the market for whatever reason, because then nobody can trade it any more.

## Average price

The mean price of all fills, weighted by their size. It is computed with decimals and never with binary
floating point, so that
settlement reproduces it to the last digit.
"""

STORE = """# Event store

**Version:** 0.9 | **Status:** Draft | **Category:** framework | **Last Updated:** 2026-11-20

Facts are appended and never rewritten. A stream belongs to one aggregate, and its version is the optimistic
lock that lets one
of two racing writers win.

## Snapshots

To start faster the store keeps a copy of the folded state beside the facts. Throwing all copies away loses
nothing, for they
are computed again from the beginning of the stream, event by event, with the same result.

## Appendix

See `append`.
"""

DOCUMENTS = {
    "concepts/order-lifecycle.md": LIFECYCLE,
    "concepts/quantities.md": QUANTITIES,
    "framework/event-store.md": STORE,
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_CACHE_DIR", str(tmp_path / "default-cache"))
    for name in ("OMS_KB_MODEL", "OMS_KB_CHROMA_FROM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write_corpus(tmp_path: Path) -> CorpusWriter:
    def write(documents: Mapping[str, str]) -> Path:
        root = tmp_path / "corpus"
        for path, text in documents.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return root

    return write


@pytest.fixture
def corpus(write_corpus: CorpusWriter) -> Path:
    return write_corpus(DOCUMENTS)


@pytest.fixture
def library(corpus: Path) -> Iterator[Library]:
    with Library.open(corpus, semantic=False) as library:
        yield library


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the exported model and the index of the small corpus."""
    folder = tmp_path_factory.mktemp("warm")
    root = folder / "corpus"
    for path, text in DOCUMENTS.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    cache = folder / "cache"
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("OMS_KB_MODEL", raising=False)
        with Library.open(root, cache=cache) as library:
            library.build_index()
    return cache


@pytest.fixture
def cache(warm_cache: Path, tmp_path: Path) -> Path:
    """A copy of the warm cache that a test may damage."""
    copy = tmp_path / "cache"
    shutil.copytree(warm_cache, copy, copy_function=_link_large)
    return copy


def _link_large(source: str, target: str) -> None:
    """The model is large and replaced, never changed in place: a link is enough."""
    if source.endswith(("model.onnx", "weights.bin")):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
