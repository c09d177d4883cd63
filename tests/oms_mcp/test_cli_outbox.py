"""Do the commands of the outbox deliver messages, and let an operator decide about those that cannot be?"""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine
from oms_engine.relay import Round
from oms_engine.storage.outbox import Delivery, Failure
from oms_mcp.cli import app
from oms_mcp.cli.outbox import _failures_of
from tests.oms_mcp.conftest import Ask, Oms

OK, REFUSED, MISUSED = 0, 1, 2

pytestmark = pytest.mark.usefixtures("plain")

CREATE: dict[str, Any] = {
    "type": "OrderCreateCmd",
    "order": {
        "orderId": "O1",
        "clOrdId": "C1",
        "account": "ACC",
        "symbol": "ACME",
        "side": "BUY",
        "ordType": "LIMIT",
        "orderQty": "1000",
        "price": "10.50",
    },
}
ACCEPT = {"type": "OrderAcceptCmd", "orderId": "O1"}


def fill(number: int) -> dict[str, Any]:
    execution = {"orderId": "O1", "execId": f"E{number}", "lastQty": "1", "lastPx": "10"}
    return {"type": "ExecutionCreateCmd", "execution": execution}


@pytest.fixture
def db(oms: Oms, tmp_path: Path) -> str:
    """A database with one LIVE order and the sink `audit`, for which two messages wait."""
    path = str(tmp_path / "orders.db")
    assert oms("exec", [CREATE, ACCEPT], "--db", path).exit_code == OK
    result = oms("outbox", "add", "audit", "--to", "audit.jsonl", "--from", "0", "--db", path)
    assert result.exit_code == OK, result.output
    assert result.stdout == "registered sink audit; 2 messages waiting\n"
    assert "making messages of earlier events" in result.stderr
    return path


@pytest.fixture
def parked(oms: Oms, db: str) -> str:
    """The same, after the first message was parked: its file is a folder."""
    Path("audit.jsonl").mkdir()
    result = oms("outbox", "run", "--once", "--set", "outbox.maxAttempts=1", "--db", db)
    assert result.exit_code == REFUSED
    assert "0 messages delivered, 1 failed, 1 of them parked" in result.stderr
    Path("audit.jsonl").rmdir()
    return db


def delivered() -> list[tuple[str, int]]:
    lines = Path("audit.jsonl").read_text(encoding="utf-8").splitlines()
    return [(message["topic"], message["version"]) for message in map(json.loads, lines)]


def test_status_says_that_nobody_listens(oms: Oms, ask: Ask, tmp_path: Path) -> None:
    path = str(tmp_path / "orders.db")
    oms("exec", CREATE, "--db", path)
    assert "no sink is registered" in oms("outbox", "status", "--db", path).stdout
    assert ask("outbox", "status", "--db", path) == {"sinks": []}


def test_messages_are_delivered_to_a_file_and_counted(oms: Oms, ask: Ask, db: str) -> None:
    assert "audit" in oms("outbox", "status", "--db", db).stdout
    assert ask("outbox", "run", "--once", "--db", db) == {"delivered": 2, "failed": 0, "parked": 0, "stuck": {}}
    assert delivered() == [("order-events", 2), ("order-events", 3)]
    oms("exec", fill(1), "--db", db)
    assert "2 messages delivered" in oms("outbox", "run", "--once", "--sink", "audit", "--db", db).stderr
    assert ask("outbox", "status", "--db", db)["sinks"][0]["waiting"] == 0


def test_a_sink_that_prints_can_give_topics_names_of_its_own(ask: Ask, db: str) -> None:
    wire = ask("outbox", "add", "fills", "--to", "-", "--topic", "execution-events=trades", "--db", db)
    assert (wire["sink"]["kind"], wire["sink"]["topics"]) == ("stdout", {"execution-events": "trades"})


def test_a_sink_is_added_to_a_database_that_exists(oms: Oms) -> None:
    result = oms("outbox", "add", "fills", "--to", "-", "--db", "typo.db")
    assert result.exit_code == MISUSED
    assert "there is no database" in result.stderr
    assert not Path("typo.db").exists()


def test_messages_go_to_standard_output_and_what_is_said_about_them_does_not(oms: Oms, db: str) -> None:
    oms("outbox", "add", "screen", "--to", "-", "--topic", "execution-events=trades", "--db", db)
    oms("exec", fill(1), "--db", db)
    result = oms("outbox", "run", "--once", "--sink", "screen", "--db", db)
    assert json.loads(result.stdout)["topic"] == "trades"
    assert "1 message delivered" in result.stderr
    refused = oms("outbox", "run", "--once", "--json", "--db", db)
    assert refused.exit_code == MISUSED
    assert "both write to standard output" in json.loads(refused.stdout)["error"]["detail"]
    assert json.loads(refused.stdout)["error"]["detail"].endswith("or name other sinks with --sink")
    named = oms("outbox", "run", "--once", "--sink", "screen", "--json", "--db", db)
    assert json.loads(named.stdout)["error"]["detail"].endswith("leave --json away")


def test_a_reader_that_went_away_ends_the_relay_without_a_word(
    oms: Oms, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    oms("outbox", "add", "screen", "--to", "-", "--from", "0", "--db", db)

    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    with pytest.raises(SystemExit) as ended:
        app(["outbox", "run", "--once", "--sink", "screen", "--db", db])
    assert ended.value.code == REFUSED


def test_a_failure_is_told_once_and_can_be_looked_into(oms: Oms, ask: Ask, db: str) -> None:
    Path("audit.jsonl").mkdir()
    said = oms("outbox", "run", "--once", "--db", db).stderr
    assert said.count("IsADirectoryError") == 1, said
    (found,) = ask("outbox", "status", "--db", db)["sinks"]
    assert (found["delayed"], found["lastError"][:17]) == (1, "IsADirectoryError")
    shown = oms("outbox", "status", "--db", db).stdout
    assert "audit: last error: IsADirectoryError" in shown
    assert f"audit: next attempt at {found['nextAttemptAt']}" in shown


def test_a_relay_that_goes_on_tells_the_same_failure_once(capsys: pytest.CaptureFixture[str]) -> None:
    delivery = Delivery(1, "order-events", "O1", 2, 3, "{}", 0)
    with Engine.open() as engine, engine.relay() as relay:
        tell = _failures_of(relay)
        for why in ("no way", "no way", "another"):
            relay.failing["audit"] = Failure(delivery, why)
            tell(Round(failed=1))
        tell(Round(failed=1, parked=1))
    assert [line.partition("; ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "note: sink audit failed: no way",
        "note: sink audit failed: another",
        "note: 1 message parked",
    ]


def test_the_way_out_fits_what_there_is_not(ask: Ask, db: str) -> None:
    assert ask("outbox", "retry", 99, "--db", db, code=REFUSED)["error"]["hint"].startswith("oms outbox parked lists")
    unknown = ask("outbox", "parked", "--sink", "nobody", "--db", db, code=REFUSED)["error"]
    assert unknown["hint"] == "name one that is registered, or register it first"


def test_a_sink_is_added_from_a_position_in_the_words_of_the_command(ask: Ask, db: str) -> None:
    error = ask("outbox", "add", "late", "--to", "-", "--from", 99, "--db", db, code=REFUSED)["error"]
    assert (error["violations"][0]["field"], error["detail"][:9]) == ("--from", "--from 99")


def test_the_times_of_what_was_dropped_stay_whole(oms: Oms, parked: str) -> None:
    oms("outbox", "drop", "--all", "--reason", "the other system was switched off a long time ago", "--db", parked)
    shown = oms("outbox", "dropped", "--db", parked).stdout
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", shown, re.MULTILINE), shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_relay_tells_that_no_sink_is_registered(oms: Oms, tmp_path: Path) -> None:
    path = str(tmp_path / "orders.db")
    assert oms("exec", CREATE, "--db", path).exit_code == OK
    result = oms("outbox", "run", "--once", "--db", path)
    assert (result.exit_code, "no sink is registered" in result.stderr) == (OK, True)


def test_a_sink_of_a_program_is_left_to_it(oms: Oms, db: str) -> None:
    with Engine.open(db) as engine:
        engine.sinks.register("mine")
    result = oms("outbox", "run", "--once", "--db", db)
    assert "sink mine is served by a program" in result.stderr
    assert "a program" in oms("outbox", "status", "--db", db).stdout


def test_parked_messages_are_listed_and_retried(oms: Oms, ask: Ask, parked: str) -> None:
    shown = oms("outbox", "parked", "--db", parked).stdout
    assert "IsADirectoryError" in "".join(shown.split())
    (found,) = ask("outbox", "parked", "--key", "O1", "--db", parked)["parked"]
    assert (found["sink"], found["version"], found["attempts"]) == ("audit", 2, 1)
    assert "1 message will be tried again" in oms("outbox", "retry", found["id"], "--db", parked).stdout
    assert "no message is parked" in oms("outbox", "parked", "--db", parked).stdout
    assert ask("outbox", "retry", "--all", "--db", parked) == {"retried": 0}
    assert oms("outbox", "run", "--once", "--db", parked).exit_code == OK
    assert delivered() == [("order-events", 2), ("order-events", 3)]


def test_a_parked_message_is_dropped_with_a_reason_that_is_kept(oms: Oms, ask: Ask, parked: str) -> None:
    assert "no message was dropped" in oms("outbox", "dropped", "--db", parked).stdout
    command = ("outbox", "drop", "--sink", "audit", "--reason", "sent by hand", "--actor", "ann", "--db", parked)
    assert oms(*command).stdout == "1 message dropped\n"
    assert ask(*command) == {"dropped": 0}
    assert oms("outbox", "run", "--once", "--db", parked).exit_code == OK
    assert delivered() == [("order-events", 3)]
    (found,) = ask("outbox", "dropped", "--db", parked)["dropped"]
    assert (found["key"], found["reason"], found["actor"]) == ("O1", "sent by hand", "ann")
    assert "sent by hand" in oms("outbox", "dropped", "--db", parked).stdout


@pytest.mark.parametrize("words", [("retry",), ("drop", "--reason", "r")])
def test_which_messages_has_to_be_said(words: tuple[str, ...], oms: Oms, db: str) -> None:
    result = oms("outbox", *words, "--db", db)
    assert result.exit_code == MISUSED
    assert "--all" in result.stderr


def test_a_sink_is_removed_when_nothing_waits_or_with_a_reason(oms: Oms, ask: Ask, db: str) -> None:
    refused = oms("outbox", "remove", "audit", "--db", db)
    assert refused.exit_code == REFUSED
    assert "--drop REASON" in refused.stderr
    assert ask("outbox", "remove", "audit", "--drop", "over", "--db", db) == {"removed": "audit", "dropped": 2}
    oms("outbox", "add", "audit", "--to", "audit.jsonl", "--db", db)
    assert "removed sink audit; 0 messages dropped" in oms("outbox", "remove", "audit", "--db", db).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "/nowhere/at/all"), "--to"),
        (("--to", "x", "--from", "99"), "--from 99"),
        (("--to", "x", "--topic", "orders"), "order-events"),
        (("--to", "orders.db"), "database itself"),
    ],
)
def test_a_sink_that_cannot_be_is_refused_in_the_words_of_the_command(
    words: tuple[str, ...], said: str, oms: Oms, db: str
) -> None:
    result = oms("outbox", "add", "other", *words, "--db", db)
    assert result.exit_code == REFUSED
    assert said in " ".join(result.stderr.split())


def test_status_tells_what_is_still_to_be_made_and_what_was_erased(oms: Oms, ask: Ask, parked: str) -> None:
    with Engine.open(parked) as engine, engine._store.writing():
        engine._store.connection.execute("UPDATE sinks SET filled_to = 1")
        engine._store.connection.execute("UPDATE outbox SET payload = NULL WHERE parked_at IS NOT NULL")
        engine._store.commit()
    shown = oms("outbox", "status", "--db", parked).stdout
    assert "audit: messages of 2 earlier events are still to be made" in shown
    assert "audit: 1 of the parked were erased" in shown
    assert ask("outbox", "status", "--db", parked)["sinks"][0]["backlog"] == 2


def test_a_running_relay_ends_at_a_signal(oms: Oms, db: str) -> None:
    def end_when_delivered() -> None:
        try:
            _until(lambda: Path("audit.jsonl").exists() and len(delivered()) == 2)
        finally:
            if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
                os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=end_when_delivered)
    watcher.start()
    result = oms("outbox", "run", "--db", db)
    watcher.join()
    assert result.exit_code == OK
    assert "Ctrl-C ends it" in result.stderr
    assert "2 messages delivered" in result.stderr
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.slow
def test_relays_in_two_processes_lose_nothing_and_keep_the_order_of_each_key(tmp_path: Path) -> None:
    path, out = str(tmp_path / "orders.db"), tmp_path / "audit.jsonl"
    command = [sys.executable, "-c", "from oms_mcp.cli import main; main()", "outbox", "run", "--db", path]
    command += ["--set", "outbox.batch=7", "--set", "outbox.pollMs=5"]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with Engine.open(path) as engine:
        engine.sinks.register("audit", "file", str(out))
        relays = [subprocess.Popen(command, env=here, stderr=subprocess.DEVNULL) for _ in range(2)]
        for number in range(20):
            order = {**CREATE["order"], "orderId": f"O{number}", "clOrdId": f"C{number}"}
            assert engine.execute({**CREATE, "order": order}).ok
            assert engine.execute({**ACCEPT, "orderId": f"O{number}"}).ok
        _until(out.exists)
        for number in range(60):
            execution = {**fill(number)["execution"], "orderId": f"O{number % 20}"}
            assert engine.execute({"type": "ExecutionCreateCmd", "execution": execution}).ok
            if number == 30:
                relays[0].kill()
                relays[0].wait(20)
        with engine._store.writing():  # as if the lease of the relay that was killed had ended
            engine._store.connection.execute("UPDATE outbox_claims SET until = '2000'")
            engine._store.commit()
        _until(lambda: engine.outbox.count() == 0)
    relays[1].send_signal(signal.SIGINT)
    assert relays[1].wait(20) == OK
    received = [json.loads(line) for line in out.read_text().splitlines()]
    seen = list(dict.fromkeys((found["topic"], found["key"], found["version"]) for found in received))
    assert len(seen) == 20 * 2 + 60 * 2
    for number in range(20):
        versions = [version for _, key, version in seen if key == f"O{number}"]
        assert versions == sorted(versions)


def _until(holds: Callable[[], bool]) -> None:
    """Wait for something that another process does, a minute at most."""
    deadline, pause = time.monotonic() + 60, threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(0.02)
