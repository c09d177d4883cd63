import subprocess
import sys

import pytest

import knowledge_base

HEAVY = ("numpy", "chromadb", "torch", "onnxruntime", "sentence_transformers", "tokenizers")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_every_public_name_can_be_had_and_says_what_it_is() -> None:
    for name in knowledge_base.__all__:
        assert getattr(knowledge_base, name) is not None
    assert dir(knowledge_base) == sorted(knowledge_base.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        knowledge_base.nothing  # noqa: B018 - the access is the test


@pytest.mark.slow
def test_importing_the_package_loads_nothing() -> None:
    loaded = run("import sys, knowledge_base; print(*sys.modules)").split()
    assert not {"pydantic", "sqlite3", *HEAVY} & set(loaded)


@pytest.mark.slow
def test_opening_a_library_and_searching_by_keyword_loads_nothing_heavy() -> None:
    loaded = run(
        "import sys; from knowledge_base import Library\n"
        "Library.open().search('order', mode='keyword'); print(*sys.modules)"
    ).split()
    assert not set(HEAVY) & set(loaded)
