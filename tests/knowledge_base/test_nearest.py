"""Are the nearest vectors found, whether all are compared or Chroma is asked?"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge_base import SemanticUnavailable
from knowledge_base.nearest import Nearest, asks_chroma, open_nearest, write_nearest

pytestmark = pytest.mark.slow

WIDTH = 8


@contextmanager
def written(vectors: "np.ndarray", labels: dict[str, list[str]], *, chroma: bool) -> Iterator[Nearest]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        vectors.astype(np.float32).tofile(folder / "vectors.bin")
        write_nearest(folder, vectors.astype(np.float32), labels, chroma=chroma)
        with closing(open_nearest(folder, WIDTH, chroma=chroma)) as nearest:
            yield nearest


def units(seed: int, count: int) -> "np.ndarray":
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def labels_of(seed: int, count: int) -> dict[str, list[str]]:
    draw = np.random.default_rng(seed).integers(0, 3, size=(2, count))
    return {name: [f"{name}{number}" for number in row] for name, row in zip(("category", "status"), draw, strict=True)}


def naive(vectors: "np.ndarray", question: "np.ndarray", wanted: list[int], limit: int) -> list[tuple[int, float]]:
    near = [(position, float(vectors[position] @ question)) for position in wanted]
    return sorted(near, key=lambda found: -found[1])[:limit]


@pytest.mark.parametrize("chroma", [False, True])
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 40),
    limit=st.integers(1, 50),
    narrowed=st.sets(st.sampled_from(["category", "status"])),
)
def test_the_nearest_come_first_and_none_that_has_other_labels(
    seed: int, count: int, limit: int, narrowed: set[str], chroma: bool
) -> None:
    vectors, labels, (question,) = units(seed, count), labels_of(seed, count), units(seed + 1, 1)
    having = {name: f"{name}1" for name in sorted(narrowed)}
    wanted = [n for n in range(count) if all(labels[name][n] == value for name, value in having.items())]
    with written(vectors, labels, chroma=chroma) as nearest:
        found = nearest.rank(question, having, limit)
        taken = nearest.take([position for position, _ in found])
    expected = naive(vectors, question, wanted, limit)
    assert [position for position, _ in found] == [position for position, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=1e-5)
    assert np.array_equal(taken, vectors[[position for position, _ in found]])


@pytest.mark.parametrize("limit", [1, 4, 9])
def test_like_vectors_keep_their_order(limit: int) -> None:
    (vector,) = units(1, 1)
    with written(np.repeat([vector], 9, axis=0), labels_of(1, 9), chroma=False) as nearest:
        assert [position for position, _ in nearest.rank(vector, {}, limit)] == [*range(limit)]


@pytest.mark.parametrize("chroma", [False, True])
def test_a_label_that_no_vector_has_is_found_nowhere(chroma: bool) -> None:
    with written(units(1, 5), labels_of(1, 5), chroma=chroma) as nearest:
        assert nearest.rank(units(1, 1)[0], {"category": "unheard of"}, 3) == []
        assert len(nearest) == 5


@pytest.mark.parametrize(("count", "asked"), [(0, False), (49_999, False), (50_000, True), (10**6, True)])
def test_chroma_is_asked_from_fifty_thousand_on(count: int, asked: bool) -> None:
    assert asks_chroma(count) is asked


@pytest.mark.parametrize("wrong", ["many", "-1", "1e3", "٣", "9" * 5_000])
def test_a_wrong_number_of_passages_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_KB_CHROMA_FROM", wrong)
    with pytest.raises(SemanticUnavailable, match=r"OMS_KB_CHROMA_FROM is .* give from how many passages"):
        asks_chroma(3)
