"""How are rows of numbers read without becoming memory of each process that reads them?"""

import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class Rows:
    """Rows of numbers in a file, read when they are wanted; mapped, all of them would soon be memory of each process.

    Args:
        file: nothing but rows.
        kind: numpy's name of a number's type.
        width: numbers of a row.
    """

    def __init__(self, file: Path, kind: str, width: int) -> None:
        import numpy as np  # noqa: PLC0415 - heavy, and only there with the semantic extra

        self._kind, self._width = np.dtype(kind), width
        self._bytes = self._kind.itemsize * width
        self._file = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)

    def take(self, spans: Iterable[tuple[int, int]]) -> "Vectors":
        """The rows of some spans, one after another."""
        import numpy as np  # noqa: PLC0415 - as above

        read = (os.pread(self._file, (end - start) * self._bytes, start * self._bytes) for start, end in _joined(spans))
        return np.frombuffer(b"".join(read), dtype=self._kind).reshape(-1, self._width)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, those that continue the one before joined to it."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
