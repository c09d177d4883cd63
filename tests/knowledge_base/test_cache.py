from contextlib import suppress
from pathlib import Path

import pytest

from knowledge_base.cache import Cache, default_cache, replacing


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_CACHE_DIR", "/a/b")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert default_cache() == Path("/a/b")
    monkeypatch.delenv("OMS_CACHE_DIR")
    assert default_cache() == Path("/c/oms-mcp")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache/oms-mcp"


def test_a_folder_that_can_be_written_is_taken(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "deep/cache")
    assert cache.folder == tmp_path / "deep/cache"
    assert cache.note is None


def test_a_folder_that_cannot_be_written_is_replaced_for_the_time_being(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file/cache")
    folder = cache.folder
    assert folder.is_dir()
    assert "cannot be written" in str(cache.note)
    assert "OMS_CACHE_DIR" in str(cache.note)
    del cache
    assert not folder.exists()


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "models/m"
    (tmp_path / "models/building-dead").mkdir(parents=True)
    with replacing(target) as written:
        (written / "first").touch()
    with suppress(RuntimeError), replacing(target) as written:
        (written / "half").touch()
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["first"]
    assert [path.name for path in target.parent.iterdir()] == ["m"]
