"""Can somebody who only has the command line look after a database: verify it, copy it, carry it, make it smaller?"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from oms_engine import Engine
from tests.oms_engine.desk import Desk
from tests.oms_engine.test_refusals import folder, without_rights
from tests.oms_mcp.conftest import Oms

OK, REFUSED, MISUSED = 0, 1, 2

__all__ = ["folder"]  # a fixture, of the tests of the engine

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A database with a filled order whose events are chained."""
    desk = Desk(str(tmp_path / "orders.db"), store__hashChain="on")
    desk.given("FILLED")
    desk.engine.close()
    return "orders.db"


def damage(db: str, statement: str) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_sound_database_is_said_to_be_sound(db: str, oms: Oms) -> None:
    result = oms("verify", "--db", db)
    assert result.exit_code == OK
    chain, hashed, sound = result.stdout.splitlines()
    assert chain.startswith("hash chain from position 1 to 5: ")
    assert sound == "sound: 1 order, 1 execution, 5 events, 3 commands"
    wire = json.loads(oms("verify", "--json", "--db", db).stdout)
    assert (wire["sound"], wire["findings"], wire["chain"]["last"]) == (True, [], 5)
    assert chain.endswith(wire["chain"]["head"])
    assert hashed == f"events hash {wire['eventsHash']}"


def test_what_is_found_is_listed_with_the_way_out(db: str, oms: Oms) -> None:
    damage(db, "UPDATE orders SET text = 'changed'")
    result = oms("verify", "--db", db)
    assert result.exit_code == REFUSED
    assert "oms rebuild" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 finding"
    wire = json.loads(oms("verify", "--json", "--db", db).stdout)
    assert wire["findings"] == [
        {
            "what": 'table orders differs from its events: text is "changed" and should be null',
            "where": 'stream "order-o1"',
            "remedy": "oms rebuild writes the read model anew from the events",
        }
    ]
    assert oms("rebuild", "--db", db).exit_code == OK
    assert oms("verify", "--db", db).exit_code == OK


def test_many_findings_are_counted(oms: Oms, tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "many.db"))
    for _ in range(104):
        desk.create()
    desk.engine.close()
    damage("many.db", "UPDATE orders SET text = 'changed'")
    last = oms("verify", "--db", "many.db").stdout.splitlines()[-2:]
    assert last == ["and 4 findings more", "104 findings"]


def test_a_file_that_cannot_be_opened_is_a_finding(oms: Oms, tmp_path: Path) -> None:
    (tmp_path / "diary.db").write_text("Dear diary, " * 100)
    result = oms("verify", "--json", "--db", "diary.db")
    assert result.exit_code == REFUSED
    (finding,) = json.loads(result.stdout)["findings"]
    assert "it is no SQLite file" in finding["what"]
    assert oms("verify", "--db", "diary.db").exit_code == REFUSED


def test_verifying_needs_a_database(oms: Oms) -> None:
    assert oms("verify").exit_code == MISUSED
    assert oms("verify", "--db", "none.db").exit_code == MISUSED
    assert not Path("none.db").exists()


def test_a_backup_is_made_and_not_overwritten(db: str, oms: Oms) -> None:
    result = oms("backup", "copy.db", "--db", db)
    assert result.exit_code == OK
    assert result.stdout.startswith("copied 1 order, 5 events to copy.db: ")
    assert "up to position 5, checked" in result.stdout
    assert oms("verify", "--db", "copy.db").exit_code == OK
    again = oms("backup", "copy.db", "--db", db)
    assert again.exit_code == MISUSED
    assert "--force" in again.stderr
    wire = json.loads(oms("backup", "copy.db", "--force", "--json", "--db", db).stdout)
    assert (wire["target"], wire["lastPosition"], wire["counts"]["orders"]) == ("copy.db", 5, 1)


def test_an_export_makes_the_same_database_again(db: str, oms: Oms) -> None:
    told = oms("export", "all.jsonl", "--db", db)
    assert told.exit_code == OK
    assert told.stdout.startswith("exported 5 events and 3 commands to all.jsonl, SHA-256 ")
    made = oms("import", "all.jsonl", "--db", "new.db")
    assert made.exit_code == OK
    assert made.stdout == told.stdout.replace("exported", "imported").replace("to all.jsonl", "into new.db")
    assert oms("verify", "--db", "new.db").exit_code == OK
    wire = json.loads(oms("export", "again.jsonl", "--json", "--db", "new.db").stdout)
    assert Path("again.jsonl").read_bytes() == Path("all.jsonl").read_bytes()
    assert (wire["file"], wire["events"], wire["commands"]) == ("again.jsonl", 5, 3)
    assert wire["sha256"] in told.stdout


def test_an_export_goes_through_a_pipe(db: str, oms: Oms) -> None:
    sent = oms("export", "-", "--db", db)
    assert sent.exit_code == OK
    lines = sent.stdout_bytes
    assert json.loads(lines.splitlines()[-1])["kind"] == "end"
    assert oms("import", "-", "--db", "new.db", stdin=lines).exit_code == OK
    assert oms("export", "-", "--db", "new.db").stdout_bytes == lines
    assert oms("export", "-", "--json", "--db", db).exit_code == MISUSED


def test_an_export_that_is_there_is_kept(db: str, oms: Oms) -> None:
    Path("all.jsonl").write_text("precious")
    assert oms("export", "all.jsonl", "--db", db).exit_code == MISUSED
    assert Path("all.jsonl").read_text() == "precious"
    assert oms("export", "all.jsonl", "--force", "--db", db).exit_code == OK


def test_an_export_that_was_changed_is_refused_and_leaves_no_database(db: str, oms: Oms) -> None:
    oms("export", "all.jsonl", "--db", db)
    text = Path("all.jsonl").read_text()
    Path("all.jsonl").write_text(text.replace('"version":3', '"version":4', 1))
    result = oms("import", "all.jsonl", "--db", "new.db")
    assert result.exit_code == REFUSED
    assert 'line 4, field "version"' in result.stderr
    assert sorted(file.name for file in Path.cwd().iterdir()) == ["all.jsonl", "orders.db"]
    told = json.loads(oms("import", "all.jsonl", "--json", "--db", "new.db").stdout)
    assert told["error"]["errorCode"] == "OMS-VAL-004"


def test_nothing_is_imported_into_a_database_with_orders(db: str, oms: Oms) -> None:
    oms("export", "all.jsonl", "--db", db)
    before = Path(db).read_bytes()
    result = oms("import", "all.jsonl", "--db", db)
    assert result.exit_code == MISUSED
    assert "the store is not empty" in result.stderr
    assert Path(db).read_bytes() == before


def test_an_import_needs_a_file_and_a_database(oms: Oms) -> None:
    assert oms("import", "none.jsonl", "--db", "new.db").exit_code == MISUSED
    assert oms("import", "none.jsonl").exit_code == MISUSED
    assert oms("import", ".", "--db", "new.db").exit_code == MISUSED
    assert not Path("new.db").exists()


def test_compacting_tells_the_sizes(db: str, oms: Oms) -> None:
    result = oms("compact", "--db", db)
    assert result.exit_code == OK
    size = Path(db).stat().st_size
    assert result.stdout == f"{size:,} bytes before, {size:,} after\n"
    wire = json.loads(oms("compact", "--json", "--db", db).stdout)
    assert wire == {"before": size, "after": size, "logKept": False}


def test_a_reader_that_keeps_the_log_is_told_of(db: str, oms: Oms) -> None:
    with Engine.open(db) as engine, closing(sqlite3.connect(db, isolation_level=None)) as other:
        assert engine.execute({"type": "OrderCloseCmd", "orderId": "o1"}).ok
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM events").fetchone()
        result = oms("compact", "--db", db)
    assert result.exit_code == OK
    assert "another program reads it" in result.stderr


READING = [
    ("query",),
    ("query", "--entity", "event"),
    ("show", "o1"),
    ("history", "o1"),
    ("check", "--order", "o1"),
    ("settings", "list"),
    ("verify",),
    ("export", "-"),
    ("expire", "--dry-run"),
]
WRITING = [
    ("exec", {"type": "OrderCloseCmd", "orderId": "o1"}),
    ("rebuild",),
    ("compact",),
    ("settings", "set", "dayEnd=17:30"),
]


@pytest.mark.parametrize("words", [*READING, *WRITING], ids=lambda words: " ".join(map(str, words[:2])))
def test_a_write_protected_database_is_read_and_says_why_it_is_not_written(
    words: tuple[object, ...], folder: Path, oms: Oms
) -> None:
    for name in ("free.db", "protected.db"):
        desk = Desk(str(folder / name))
        desk.given("FILLED")
        desk.engine.close()
    file = folder / "protected.db"
    before = file.read_bytes()
    assert oms(*words, "--db", folder / "free.db").exit_code == OK
    file.chmod(0o444)
    folder.chmod(0o555)
    with without_rights():
        result = oms(*words, "--db", file)
    if words in READING:
        assert result.exit_code == OK, result.stderr
    else:
        assert result.exit_code in {REFUSED, MISUSED}
        told = " ".join((result.stdout + result.stderr).replace("│", " ").split())
        assert "the database can be read but not written" in told
    assert file.read_bytes() == before


@pytest.mark.parametrize("command", ["export", "backup"])
@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("name", ["orders.db", "./orders.db", "soft", "hard", "orders.db-wal", "orders.db-shm"])
def test_a_store_is_never_the_target_of_its_own_export_or_backup(
    command: str, force: bool, name: str, db: str, oms: Oms
) -> None:
    Path("soft").symlink_to(db)
    Path("hard").hardlink_to(db)
    with Engine.open(db) as engine:
        engine.execute({"type": "OrderExpireCmd", "orderId": "o1"})
        before = {part: Path(part).read_bytes() for part in (db, f"{db}-wal")}
        result = oms(command, name, *(["--force"] if force else []), "--db", db)
        assert (result.exit_code, "is the store itself" in " ".join(result.stderr.split())) == (MISUSED, True)
        assert "--force" not in result.stderr
        assert {part: Path(part).read_bytes() for part in before} == before
        assert engine.verify().sound


def test_an_export_replaces_no_file_of_another_database_in_use(db: str, oms: Oms, tmp_path: Path) -> None:
    other = Desk(str(tmp_path / "other.db"))
    other.given("LIVE")
    for name in ("other.db", "other.db-wal"):
        result = oms("export", name, "--force", "--db", db)
        assert result.exit_code == MISUSED, name
    assert other.engine.verify().sound
    other.engine.close()


def test_a_sink_does_not_write_to_the_store_by_another_name(db: str, oms: Oms) -> None:
    Path("hard").hardlink_to(db)
    result = oms("outbox", "add", "audit", "--to", "hard", "--db", db)
    assert result.exit_code != OK
    assert "is the database itself" in " ".join(result.stderr.split()), result.stderr


NEEDS_A_STORE = [
    ["verify"], ["backup", "copy.db", "--force"], ["export", "all.jsonl"], ["query"], ["show", "O1"], ["history", "O1"],
    ["events"], ["projections", "status"], ["rebuild"], ["compact"], ["outbox", "status"], ["doctor"],
]  # fmt: skip


@pytest.mark.parametrize("words", NEEDS_A_STORE, ids=lambda words: " ".join(words[:2]))
def test_an_empty_file_is_no_store_and_stays_empty(words: list[str], db: str, oms: Oms) -> None:
    Path("cut.db").touch()
    oms("backup", "copy.db", "--db", db)
    good = Path("copy.db").read_bytes()
    result = oms(*words, "--db", "cut.db")
    assert result.exit_code == (REFUSED if words[0] in {"verify", "doctor"} else MISUSED)
    said = result.stdout + result.stderr
    for border in "│|":
        said = said.replace(border, " ")
    assert "(0 bytes)" in " ".join(said.split())
    assert (Path("cut.db").stat().st_size, Path("copy.db").read_bytes()) == (0, good)
    assert sorted(file.name for file in Path.cwd().iterdir()) == ["copy.db", "cut.db", db]


def test_a_trial_leaves_an_empty_file_empty_and_a_first_command_makes_it_a_store(oms: Oms) -> None:
    Path("new.db").touch()
    order = {"orderId": "O1", "clOrdId": "C1", "account": "A", "symbol": "S", "side": "BUY", "ordType": "MARKET"}
    command = {"type": "OrderCreateCmd", "order": {**order, "orderQty": "10"}}
    assert oms("exec", command, "--dry-run", "--db", "new.db").exit_code == OK
    assert Path("new.db").stat().st_size == 0
    assert oms("exec", command, "--db", "new.db").exit_code == OK
    assert oms("verify", "--db", "new.db").exit_code == OK


def newer(file: str) -> None:
    Engine.open(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")


def foreign(file: str) -> None:
    damage(file, "CREATE TABLE mine (a)")


def no_database(file: str) -> None:
    Path(file).write_text("Dear diary, " * 100)


def empty(file: str) -> None:
    Path(file).touch()


@pytest.mark.parametrize(
    ("prepare", "remedy"),
    [(newer, "upgrade oms-mcp"), (foreign, "name another file"), (no_database, "restore a"), (empty, "restore a")],
)
def test_the_way_out_of_a_file_that_is_no_store_fits_and_is_not_another_try(
    prepare: Callable[[str], None], remedy: str, oms: Oms
) -> None:
    prepare("some.db")
    (finding,) = json.loads(oms("verify", "--json", "--db", "some.db").stdout)["findings"]
    assert finding["remedy"].startswith(remedy)
    told = json.loads(oms("query", "--json", "--db", "some.db").stdout)["error"]
    assert (told["errorCode"], told["retryable"], told["hint"]) == ("OMS-DATA-002", False, finding["remedy"])


_ON_A_FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
from oms_mcp.cli import main
main()
"""


def with_room(size: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own that cannot write beyond so many bytes of any file."""
    return subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, str(size), *words], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_disk_without_room_for_the_log_is_not_taken_for_a_damaged_file(db: str, oms: Oms) -> None:
    told = with_room(1_024, "query", "--json", "--db", db)
    assert told.returncode == MISUSED
    error = json.loads(told.stdout)["error"]
    assert "the disk is full or failed, so the file cannot be opened; free some space" in error["detail"]
    assert (error["retryable"], error["hint"].split(" and ")[0]) == (True, "free some space")
    looked = with_room(1_024, "verify", "--json", "--db", db)
    assert looked.returncode == REFUSED
    assert json.loads(looked.stdout)["findings"][0]["remedy"] == error["hint"]
    assert oms("verify", "--db", db).exit_code == OK


@pytest.mark.slow
def test_a_rebuild_without_room_says_what_stopped_it(db: str, oms: Oms) -> None:
    with Engine.open(db) as engine:
        engine.execute({"type": "OrderExpireCmd", "orderId": "o1"})
        told = with_room(Path(f"{db}-wal").stat().st_size, "rebuild", "--db", db)
        assert told.returncode == MISUSED
        assert "the disk failed while the database was read or written" in " ".join(told.stderr.split())
    assert oms("verify", "--db", db).exit_code == OK


def test_the_chain_speaks_first_and_no_rebuild_is_advised_for_changed_events(db: str, oms: Oms) -> None:
    with closing(sqlite3.connect(db)) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE events SET payload = replace(payload, '1000', '9000') WHERE position = 1")
        connection.commit()
    schema, chain, *streams = json.loads(oms("verify", "--json", "--db", db).stdout)["findings"]
    assert schema["what"].startswith("triggers ")
    assert schema["what"].count(",") == len(triggers) - 1
    assert (chain["where"], chain["what"][:24]) == ("event 1", "the hash chain is broken")
    assert streams
    assert not any("oms rebuild" in finding["remedy"] for finding in streams)


def test_the_way_out_of_a_file_that_cannot_be_read_is_the_right_to_read_it(folder: Path, oms: Oms) -> None:
    file = folder / "secret.db"
    Engine.open(str(file)).close()
    file.chmod(0o000)
    with without_rights():
        result = oms("verify", "--json", "--db", file)
    file.chmod(0o600)
    assert result.exit_code == REFUSED
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["remedy"] == "let this program read and write the file and its folder, or name another file"
    assert oms("verify", "--db", file).exit_code == OK
