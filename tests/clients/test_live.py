"""Do the SDKs of TypeScript hear of changes, ask their user, give calls up and send a thousand, in both eras?"""

import sys
from pathlib import Path

import pytest

from oms_engine import Engine
from tests.clients.test_clients import HERE, Json, run_quietly

pytestmark = pytest.mark.slow

CLIENTS = [("1", "legacy"), ("2", "legacy"), ("2", "modern")]


@pytest.mark.parametrize(("sdk", "era"), CLIENTS, ids=str)
def test_a_client_of_typescript_follows_asks_gives_up_and_pipelines(sdk: str, era: str, tmp_path: Path) -> None:
    if not (HERE / "node_modules").is_dir():
        pytest.fail(f"the clients are not installed; run npm ci in {HERE}")
    oms = str(Path(sys.executable).with_name("oms"))
    report = run_quietly("node", "live.mjs", sdk, era, oms, "serve", "--db", str(tmp_path / "live.db"))

    mine, other = report["orders"]
    assert report["heard"] == [mine, mine]
    accepted, declined, unsupported = (report[name] for name in ("accepted", "declined", "unsupported"))
    assert accepted["structuredContent"]["state"] == "EXP"
    assert _error(declined)["errorCode"] == "OMS-VAL-006"
    assert "declined or unavailable; nothing changed" in _error(declined)["detail"]
    assert "send confirm=true" in _error(unsupported)["detail"]
    assert [question.split(":")[0] for question in report["questions"]] == ["end_order expire", "end_order reject"]
    assert (report["cancelled"], report["after"], report["pipelined"], report["icons"]) == (
        "given up",
        "EXP",
        1_000,
        True,
    )
    with Engine.open(str(tmp_path / "live.db")) as engine:
        assert engine.find(other.removeprefix("order://")).state == "UNACK"
        assert not engine.verify().findings


def _error(answer: Json) -> Json:
    assert answer["isError"]
    error: Json = answer["structuredContent"]["error"]
    return error
