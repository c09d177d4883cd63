"""How is an index built beside a running server? By `python -m knowledge_base.builder CORPUS CACHE`.

It ends when its input ends: the parent holds the other end open, so that a build never outlives who asked for it.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from knowledge_base.errors import KnowledgeBaseError
from knowledge_base.library import Library


def main(arguments: Sequence[str]) -> int:
    """Build the index of a corpus in a cache, printing progress; 1 when it cannot be built."""
    corpus, cache = map(Path, arguments)
    try:
        with Library.open(corpus, cache=cache) as library:
            library.build_index(_report)
    except KnowledgeBaseError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


def _report(done: int, total: int) -> None:
    sys.stdout.write(f"{done} of {total} sections\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    """Leave at once when the parent is gone; what was embedded so far is kept."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    os.nice(5)
    Thread(target=_end_with_input, daemon=True).start()
    sys.exit(main(sys.argv[1:]))
