"""Does a test notice when what a person sees was never looked at, or is another than it was?"""

from pathlib import Path

import pytest

from tests.oms_mcp.snapshot import same


def test_a_snapshot_that_is_missing_is_written_and_fails_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMS_NO_SKIP", raising=False)
    with pytest.raises(pytest.fail.Exception, match="was written anew; look at it"):
        same(tmp_path, "seen", "one  \ntwo")
    assert (tmp_path / "seen.txt").read_text(encoding="utf-8") == "one\ntwo\n"
    same(tmp_path, "seen", "one\ntwo\n")
    with pytest.raises(AssertionError, match="differs"):
        same(tmp_path, "seen", "one\nthree\n")


def test_where_everything_has_to_run_a_missing_snapshot_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMS_NO_SKIP", "1")
    with pytest.raises(AssertionError, match="is missing"):
        same(tmp_path, "seen", "one")
    assert not [*tmp_path.iterdir()]
