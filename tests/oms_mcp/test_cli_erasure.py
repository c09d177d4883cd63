"""Can somebody who only has the command line seal a database, erase an account in it, and see what was done?"""

import json
from pathlib import Path

import pytest

from oms_engine import Engine
from tests.oms_engine.desk import Desk
from tests.oms_engine.test_erasure import ACCOUNT, OTHER, SECRET, holds
from tests.oms_mcp.conftest import Oms

OK, REFUSED, MISUSED = 0, 1, 2

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A sealed database with an ended order of one account, and an open one of another."""
    desk = Desk(str(tmp_path / "orders.db"), store__personalData="sealed")
    desk.engine.sinks.register("audit", "callable")
    desk.given("REJ", account=ACCOUNT, text=SECRET)
    desk.given("LIVE", account=OTHER)
    desk.ok("SettingsChangeCmd", changes={"risk.maxOpenOrders": {f"account:{ACCOUNT}": "5"}})
    desk.engine.close()
    return "orders.db"


def test_an_account_is_erased_and_it_is_told_what_that_means(db: str, oms: Oms) -> None:
    told = oms("erase", ACCOUNT, "--dry-run", "--db", db)
    assert told.exit_code == OK
    assert told.stdout == (
        "would erase account and texts of 1 order and 0 quote requests, with the limits set for the account; "
        "dry run, nothing stored\n"
    )
    assert holds(Path(db), ACCOUNT, SECRET) == [ACCOUNT, SECRET]
    done = oms("erase", ACCOUNT, "--confirm", "--reason", "asked for", "--actor", "privacy", "--db", db)
    assert done.exit_code == OK
    first, second = done.stdout.splitlines()
    assert first.startswith("erased account and texts of 1 order and 0 quote requests, with the limits set for the ")
    assert ": event 8, key KEY-" in first
    assert second.startswith("compacted: ")
    assert "2 messages for other systems lost their content; see: oms outbox parked" in done.stderr
    assert "backups and exports made before still hold the values" in done.stderr
    assert holds(Path(db), ACCOUNT, SECRET, OTHER) == [OTHER]
    shown = oms("show", "o1", "--db", db)
    assert shown.exit_code == OK
    assert "account" not in shown.stdout
    assert oms("history", "o1", "--db", db).exit_code == OK
    assert oms("verify", "--db", db).exit_code == OK
    (event,) = json.loads(oms("query", "streamId=privacy", "--entity", "event", "--json", "--db", db).stdout)["content"]
    assert (event["actor"], event["payload"]["reason"]) == ("privacy", "asked for")


def test_a_machine_is_told_in_one_document(db: str, oms: Oms) -> None:
    wire = json.loads(oms("erase", ACCOUNT, "--confirm", "--json", "--db", db).stdout)
    assert {name: wire[name] for name in ("orders", "quoteRequests", "settings", "messages", "position", "dryRun")} == {
        "orders": 1, "quoteRequests": 0, "settings": True, "messages": 2, "position": 8, "dryRun": False,
    }  # fmt: skip
    assert wire["warnings"] == []
    assert set(wire["compacted"]) == {"before", "after", "logKept"}


def test_compacting_can_be_left_for_later(db: str, oms: Oms) -> None:
    done = oms("erase", ACCOUNT, "--confirm", "--no-compact", "--db", db)
    assert done.exit_code == OK
    assert "compacted" not in done.stdout
    assert oms("compact", "--db", db).exit_code == OK
    assert holds(Path(db), ACCOUNT, SECRET) == []


def test_what_is_left_to_do_is_noted(oms: Oms, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "_rebuild_others", lambda _: ["projection seen may still hold the values"])
    assert "projection seen may still hold the values" in oms("erase", ACCOUNT, "--confirm", "--db", db).stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((ACCOUNT,), "OMS-VAL-006"),
        (("NOBODY", "--confirm"), "OMS-VAL-004"),
        ((OTHER, "--confirm"), "OMS-STATE-002"),
        ((ACCOUNT, "--confirm", "--reason", f"for {ACCOUNT}"), "OMS-VAL-004"),
    ],
)
def test_a_refusal_changes_nothing(db: str, oms: Oms, words: tuple[str, ...], code: str) -> None:
    before = Path(db).read_bytes()
    result = oms("erase", *words, "--db", db)
    assert result.exit_code == REFUSED
    assert code in result.stderr
    assert Path(db).read_bytes() == before
    assert json.loads(oms("erase", *words, "--json", "--db", db).stdout)["error"]["errorCode"] == code


def test_erasing_needs_a_database(oms: Oms) -> None:
    assert oms("erase", ACCOUNT, "--confirm").exit_code == MISUSED
    assert oms("erase", ACCOUNT, "--confirm", "--db", "none.db").exit_code == MISUSED
    assert not Path("none.db").exists()


def test_a_plain_database_becomes_a_sealed_one_through_an_export(tmp_path: Path, oms: Oms) -> None:
    desk = Desk(str(tmp_path / "plain.db"))
    desk.given("REJ", account=ACCOUNT, text=SECRET)
    desk.engine.close()
    refused = oms("erase", ACCOUNT, "--confirm", "--db", "plain.db")
    assert refused.exit_code == REFUSED
    assert oms("export", "plain.jsonl", "--db", "plain.db").exit_code == OK
    sealing = ("import", "plain.jsonl", "--db", "sealed.db", "--set", "store.personalData=sealed")
    assert oms(*sealing).exit_code == OK
    assert oms("erase", ACCOUNT, "--confirm", "--db", "sealed.db").exit_code == OK
    assert holds(tmp_path / "sealed.db", ACCOUNT, SECRET) == []


def test_an_import_takes_settings_of_the_store_alone(db: str, oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    oms("export", "all.jsonl", "--with-keys", "--db", db)
    Path("settings.yaml").write_text("routing: manual\nstore.hashChain: on\n")
    monkeypatch.setenv("OMS_SETTINGS", "settings.yaml")
    refused = oms("import", "all.jsonl", "--db", "new.db", "--set", "routing=auto")
    assert refused.exit_code == MISUSED
    assert "setting routing comes with the export" in refused.stderr
    assert not Path("new.db").exists()
    assert oms("import", "all.jsonl", "--db", "new.db").exit_code == OK
    assert json.loads(oms("verify", "--json", "--db", "new.db").stdout)["chain"]["first"] == 1
    assert ACCOUNT in oms("show", "o1", "--db", "new.db").stdout


def test_an_export_has_keys_only_where_they_are_asked_for(db: str, oms: Oms) -> None:
    assert ACCOUNT not in oms("export", "-", "--db", db).stdout
    assert ACCOUNT in oms("export", "-", "--with-keys", "--db", db).stdout


def test_a_sealed_database_is_not_opened_as_a_plain_one(db: str, oms: Oms) -> None:
    result = oms("query", "--db", db, "--set", "store.personalData=plain")
    assert result.exit_code == MISUSED
    assert "store.personalData cannot be plain" in " ".join(result.stderr.replace("│", " ").split())
