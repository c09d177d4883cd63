"""Does `oms audit` tell who did what, when, and from which client?"""

import hashlib
from pathlib import Path

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import build_server
from tests.oms_mcp.agent import Agent, Era
from tests.oms_mcp.conftest import Ask, Oms
from tests.oms_mcp.test_cli import ACCEPT, CREATE, FILL, MISUSED, OK, REFUSED

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def db(oms: Oms, tmp_path: Path) -> str:
    """An order, accepted and filled from the command line by `cli`, and a setting changed by ann."""
    path = str(tmp_path / "orders.db")
    assert oms("exec", [CREATE, ACCEPT, FILL], "--db", path).exit_code == OK
    assert oms("settings", "set", "risk.maxOrderQty=50000", "--actor", "ann", "--db", path).exit_code == OK
    return path


def test_commands_are_told_newest_first(ask: Ask, db: str) -> None:
    entries = ask("audit", "--db", db)["entries"]
    assert [(each["command"], each["actor"], each["streamId"]) for each in entries] == [
        ("SettingsChangeCmd", "ann", "settings"),
        ("ExecutionCreateCmd", "cli", "order-O1"),
        ("OrderAcceptCmd", "cli", "order-O1"),
        ("OrderCreateCmd", "cli", "order-O1"),
    ]


def test_pages_end_with_where_to_go_on(oms: Oms, ask: Ask, db: str) -> None:
    first = ask("audit", "--limit", 3, "--db", db)
    last = ask("audit", "--limit", 3, "--cursor", first["nextCursor"], "--db", db)
    assert [each["command"] for each in last["entries"]] == ["OrderCreateCmd"]
    assert "nextCursor" not in last
    assert f"more follows: --cursor {first['nextCursor']}" in oms("audit", "--limit", 3, "--db", db).stdout


def test_filters_leave_out_what_was_not_asked_for(ask: Ask, db: str) -> None:
    def commands(*words: str) -> list[str]:
        return [each["command"] for each in ask("audit", *words, "--db", db)["entries"]]

    assert commands("--actor", "ann") == ["SettingsChangeCmd"]
    assert commands("--order", "settings") == ["SettingsChangeCmd"]
    assert commands("--order", "O1", "--command", "OrderAcceptCmd") == ["OrderAcceptCmd"]
    accepted = ask("audit", "--command", "OrderAcceptCmd", "--db", db)["entries"][0]["recordedAt"]
    assert commands("--until", accepted, "--order", "O1")[-1:] == commands("--order", "O1")[2:][-1:]
    assert commands("--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z") == []


def test_a_person_sees_time_actor_command_and_what_it_wrote(oms: Oms, db: str) -> None:
    lines = oms("audit", "--db", db).stdout.splitlines()
    assert lines[0].split() == ["at", "actor", "command", "about", "wrote"]
    assert lines[1].split()[1:] == ["ann", "SettingsChangeCmd", "settings", "SettingsChanged"]
    assert oms("audit", "--actor", "nobody", "--db", db).stdout == "nothing was done\n"


def test_the_client_of_an_agent_is_told(
    oms: Oms, ask: Ask, tmp_path: Path, library: Library, era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "orders.db")
    with Engine.open(path) as engine, Agent(build_server(engine, library), era, "desk-bot") as agent:
        agent.create()
        engine.run({**ACCEPT, "orderId": "none"}, actor="ann", client="desk-bot 1")
        order = str(engine.query().content[0].order_id)  # type: ignore[attr-defined] # the entity is order
        engine.run({**ACCEPT, "orderId": order}, actor="ann", client="desk-bot 1")
    last, first = ask("audit", "--db", path)["entries"]
    assert (last["actor"], last["client"]) == ("ann", "desk-bot 1")
    assert (first["actor"], "client" in first) == ("desk-bot 1", False)
    assert len(ask("audit", "--actor", "desk-bot", "--db", path)["entries"]) == 1
    monkeypatch.setenv("COLUMNS", "200")
    assert "client" in oms("audit", "--db", path).stdout.splitlines()[0]


def test_the_file_is_only_read(oms: Oms, db: str) -> None:
    before = hashlib.sha256(Path(db).read_bytes()).digest()
    assert oms("audit", "--db", db).exit_code == OK
    assert hashlib.sha256(Path(db).read_bytes()).digest() == before


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--command", "OrderAccept"), MISUSED, "did you mean OrderAcceptCmd?"),
        (("--since", "yesterday"), MISUSED, "--since"),
        (("--until", "2026-01-05"), MISUSED, "--until"),
        (("--since", "2026-01-06T00:00:00Z", "--until", "2026-01-05T00:00:00Z"), MISUSED, "give a later time"),
        (("--limit", "0"), MISUSED, "--limit"),
        (("--actor", " "), MISUSED, "--actor"),
        (("--cursor", "12"), REFUSED, "nextCursor"),
        (("--order", "O9"), REFUSED, "there is no stream"),
    ],
)
def test_what_cannot_be_asked_is_told(oms: Oms, db: str, words: tuple[str, ...], code: int, told: str) -> None:
    result = oms("audit", *words, "--db", db)
    assert result.exit_code == code
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_without_a_database_there_is_nothing_to_tell(oms: Oms) -> None:
    assert oms("audit").exit_code == MISUSED


def test_the_help_says_that_refused_commands_are_not_kept(oms: Oms) -> None:
    assert "A refused command writes nothing" in oms("audit", "--help").stdout
