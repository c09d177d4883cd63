"""How is an index built beside a running server? By `python -m knowledge_base.builder CACHE MODEL USER < ENTRIES`.

It ends when its input ends: the parent sends what to embed and then holds the other end open, so that a build never
outlives who asked for it.
"""

import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import IO

from knowledge_base.errors import KnowledgeBaseError
from knowledge_base.semantic import build_index, receive_entries


def main(arguments: Sequence[str], stream: IO[str]) -> int:
    """Build the index of the entries that come over a stream, printing progress; 1 when it cannot be built."""
    cache, model, user = arguments
    entries = receive_entries(stream)
    Thread(target=_end_with, args=[stream], daemon=True).start()
    try:
        build_index(Path(cache), Path(model), entries, _report, user=user)
    except (KnowledgeBaseError, OSError, sqlite3.Error) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


def _report(done: int, total: int) -> None:
    sys.stdout.write(f"{done} of {total} passages\n")
    sys.stdout.flush()


def _end_with(stream: IO[str]) -> None:
    """Leave at once when the parent is gone; what was embedded so far is kept."""
    stream.read()
    os._exit(1)


if __name__ == "__main__":
    os.nice(5)
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr] # it is a text stream
    sys.exit(main(sys.argv[1:], sys.stdin))
