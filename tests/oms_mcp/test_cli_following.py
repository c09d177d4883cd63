"""What can be followed from a command line? The events of all streams, and what matches now and later."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine
from oms_mcp.cli.following import messages
from oms_mcp.printing.following import message
from tests.oms_engine.viewing import DEADLINE
from tests.oms_mcp.conftest import Ask, Oms
from tests.oms_mcp.test_cli import ACCEPT, CREATE, FILL, MISUSED, OK, REFUSED

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.usefixtures("plain")

QUOTED = [
    {"type": "QuoteRequestCreateCmd", "quoteRequest": {"quoteReqId": "R1", "symbol": "ACME", "quantity": "5"}},
    {
        "type": "QuoteCreateCmd",
        "quote": {"quoteReqId": "R1", "quoteId": "Q1", "price": "7", "quotedBy": "ann"},
        "correlationId": "talk-1",
        "causationId": "call-1",
    },
]


@pytest.fixture(autouse=True)
def piped(monkeypatch: pytest.MonkeyPatch, plain: None) -> None:  # noqa: ARG001 - plain sets another width before
    """What is piped on is not broken into lines."""
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture
def db(oms: Oms, tmp_path: Path) -> str:
    """An order with a fill (events 1 to 4), and a quote (5 and 6)."""
    path = str(tmp_path / "orders.db")
    assert oms("exec", [CREATE, ACCEPT, FILL, *QUOTED], "--db", path).exit_code == OK
    return path


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# --- events


def test_events_of_all_streams_are_listed_with_all_that_is_known_of_them(ask: Ask, db: str) -> None:
    found = ask("events", "--db", db)["events"]
    assert [event["position"] for event in found] == [1, 2, 3, 4, 5, 6]
    assert found[5]["correlationId"] == "talk-1"
    assert found[5]["causationId"] == "call-1"
    assert found[3].keys() == {
        "position", "streamId", "version", "type", "schemaVersion", "payload",
        "commandId", "correlationId", "causationId", "actor", "recordedAt",
    }  # fmt: skip


def test_a_list_that_is_cut_says_where_it_goes_on(oms: Oms, ask: Ask, db: str) -> None:
    first = ask("events", "--limit", 4, "--db", db)
    assert (len(first["events"]), first["next"]) == (4, 4)
    rest = ask(
        "events", "--after", first["next"], "--db", db, "--set", "query.maxSize=1", "--set", "query.defaultSize=1"
    )
    assert [event["position"] for event in rest["events"]] == [5, 6]
    assert "next" not in rest
    assert "more follows: --after 4" in oms("events", "--limit", 4, "--db", db).stdout
    assert oms("events", "--after", 6, "--db", db).stdout == "nothing happened\n"


@pytest.mark.parametrize(
    ("words", "positions"),
    [
        (["--stream", "O1"], [1, 2, 3, 4]),
        (["--stream", "R1"], [5, 6]),
        (["--stream", "order-O1", "--type", "OrderAccepted"], [3]),
        (["--type", "QuoteCreated"], [6]),
        (["correlationId=talk-1"], [6]),
        (["version__gte=2", "position__lt=6", "--after", "2"], [3, 4]),
        (["--stream", "settings"], []),
    ],
)
def test_events_are_chosen_by_stream_type_and_conditions(
    words: list[str], positions: list[int], ask: Ask, db: str
) -> None:
    assert [event["position"] for event in ask("events", *words, "--db", db)["events"]] == positions


def test_a_person_sees_what_happened_by_whom_and_what_it_came_from(oms: Oms, db: str) -> None:
    shown = oms("events", "--after", 3, "--db", db).stdout.splitlines()
    assert shown[0].split()[:4] == ["4", "ExecutionCreated", "O1", "v4"]
    assert "execId=E1, lastQty=300" in shown[1]
    assert shown[2].strip().startswith("command CMD-")
    assert shown[-1].strip().endswith(", caused by call-1, correlation talk-1")


def test_an_unknown_type_or_field_of_events_is_refused_and_the_right_one_named(oms: Oms, ask: Ask, db: str) -> None:
    result = oms("events", "--type", "OrderFiled", "--db", db)
    assert result.exit_code == MISUSED
    assert "did you mean OrderFilled?" in result.stderr
    assert ask("events", "colour=red", "--db", db, code=REFUSED)["error"]["errorCode"] == "OMS-VAL-004"
    assert oms("events", "--db", "none.db").exit_code == MISUSED


def test_following_tells_each_new_event_on_a_line_of_its_own(oms: Oms, db: str) -> None:
    def write() -> None:
        with Engine.open(db) as engine:
            for number in range(2, 5):
                fill = {**FILL["execution"], "execId": f"E{number}", "lastQty": "1"}
                assert engine.execute({"type": "ExecutionCreateCmd", "execution": fill}).ok

    writer = threading.Thread(target=write)
    writer.start()
    told = oms("events", "--follow", "--after", 5, "--limit", 4, "--json", "--db", db)
    writer.join()
    assert told.exit_code == OK
    assert [(event["position"], event["type"]) for event in lines(told.stdout)] == [
        (6, "QuoteCreated"), *((number, "ExecutionCreated") for number in (7, 8, 9)),
    ]  # fmt: skip


# --- subscribe


def test_what_matches_comes_first_and_the_end_of_it_is_told(oms: Oms, db: str) -> None:
    told = lines(oms("subscribe", "state=LIVE", "--limit", 2, "--json", "--db", db).stdout)
    assert [message["type"] for message in told] == ["SNAPSHOT", "SNAPSHOT_END"]
    assert told[0]["state"]["cumQty"] == "300"
    shown = oms("subscribe", "--limit", 2, "--db", db).stdout.splitlines()
    assert shown == [
        "SNAPSHOT  O1 v4  BUY 1000 ACME LIMIT 10.5  LIVE  cumQty 300, leavesQty 700, avgPx 10.25",
        "that was the present at position 6; now what changes",
    ]


@pytest.mark.parametrize(
    ("topic", "number", "last"),
    [
        ("order-events", 3, ["UPDATE    O1 v4  BUY 1000 ACME LIMIT 10.5  LIVE  cumQty 300, leavesQty 700, avgPx 10.25",
                             "          ExecutionCreated"]),
        ("execution-events", 1, ["UPDATE    O1/E1 v4  300 @ 10.25  ACTIVE", "          ExecutionCreated"]),
        ("quote-events", 2, ["UPDATE    R1 v2  TWO-WAY 5 ACME  QUOTED  Q1 7 QUOTED", "          QuoteCreated"]),
    ],
)  # fmt: skip
def test_the_past_is_told_again_from_a_position_on(topic: str, number: int, last: list[str], oms: Oms, db: str) -> None:
    told = oms("subscribe", "--topic", topic, "--resume", 0, "--limit", number, "--db", db)
    assert told.exit_code == OK
    assert told.stdout.splitlines()[-2:] == last


def test_what_stops_matching_is_told_once(oms: Oms, db: str) -> None:
    shown = oms("subscribe", "state=UNACK", "--resume", 0, "--limit", 2, "--db", db).stdout.splitlines()
    assert [line.split()[:3] for line in shown] == [
        ["UPDATE", "O1", "v2"],
        ["OrderCreated,", "OrderPlaced"],
        ["LEAVE", "O1", "v3"],
    ]


def test_a_heartbeat_is_a_line_for_machines_and_nothing_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    beat = {"type": "HEARTBEAT", "topic": "order-events", "position": 6, "time": "2026-01-02T09:30:00Z"}
    message(beat, as_json=False)
    assert capsys.readouterr().out == ""
    message(beat, as_json=True)
    assert json.loads(capsys.readouterr().out) == beat


def test_a_subscription_that_cannot_be_is_refused(ask: Ask, db: str) -> None:
    error = ask("subscribe", "--topic", "orders", "--db", db, code=MISUSED)["error"]
    assert "use one of order-events, execution-events, quote-events" in error["detail"]
    assert ask("subscribe", "--resume", 7, "--db", db, code=REFUSED)["error"]["errorCode"] == "OMS-VAL-005"


def test_whoever_reads_too_slowly_is_resumed_and_misses_nothing(db: str) -> None:
    with Engine.open(db, settings={"stream.queue": 1}) as engine:

        def create(number: int) -> None:
            order = {**CREATE["order"], "orderId": f"O{number}", "clOrdId": f"C{number}"}
            assert engine.execute({"type": "OrderCreateCmd", "order": order}).ok

        def create_once_somebody_is_fed() -> None:
            ends = time.monotonic() + DEADLINE
            while not engine._tailer._fed and time.monotonic() < ends:
                pass
            create(2)

        told = messages(engine, "order-events", {"include_snapshot": False})
        writer = threading.Thread(target=create_once_somebody_is_fed)
        writer.start()
        assert next(told).key == "O2"
        writer.join()
        for number in (3, 4, 5):
            create(number)
        assert [next(told).key for _ in range(3)] == ["O3", "O4", "O5"]
        engine.close()
        assert list(told) == []


# --- in processes of their own


PROGRAM = """
import signal
from oms_mcp.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal; background jobs ignore it
main()
"""


@contextmanager
def started(*words: str) -> Iterator["subprocess.Popen[str]"]:
    program = [sys.executable, "-c", PROGRAM, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def follower(db: str) -> Iterator["subprocess.Popen[str]"]:
    with started("events", "--follow", "--after", "6", "--json", "--db", db) as process:
        yield process


@pytest.mark.slow
def test_events_of_another_process_are_told_until_somebody_interrupts(
    follower: "subprocess.Popen[str]", oms: Oms, db: str
) -> None:
    assert follower.stdout is not None
    for number in (2, 3):
        fill = {**FILL["execution"], "execId": f"E{number}", "lastQty": "1"}
        assert oms("exec", {"type": "ExecutionCreateCmd", "execution": fill}, "--db", db).exit_code == OK
        event = json.loads(follower.stdout.readline())
        assert (event["type"], event["payload"]["execId"]) == ("ExecutionCreated", f"E{number}")
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=20)
    assert (follower.returncode, out, err) == (OK, "", "")


@pytest.mark.slow
def test_a_subscriber_in_another_process_is_told_until_somebody_interrupts(oms: Oms, db: str) -> None:
    with started("subscribe", "symbol=ACME", "--db", db) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("SNAPSHOT  O1 v4")
        assert process.stdout.readline().startswith("that was the present")
        oms("exec", {"type": "OrderCancelCmd", "orderId": "O1"}, "--db", db)
        assert process.stdout.readline().startswith("UPDATE    O1 v5")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (OK, "")


# --- what there is not


@pytest.mark.parametrize("more", [(), ("--follow",)])
def test_a_stream_that_there_is_not_is_refused(more: tuple[str, ...], oms: Oms, db: str) -> None:
    result = oms("events", "--stream", "O99", *more, "--db", db)
    assert result.exit_code == REFUSED
    assert 'there is no stream "O99"' in result.stderr


@pytest.mark.parametrize("more", [(), ("--follow",)])
def test_a_position_that_is_not_reached_is_refused(more: tuple[str, ...], oms: Oms, db: str) -> None:
    result = oms("events", "--after", 7, *more, "--db", db)
    assert result.exit_code == REFUSED
    assert "--after 7 is no position of this store; give 0 (all) to 6" in result.stderr


def test_a_type_that_there_is_not_is_answered_with_those_there_are(oms: Oms, db: str) -> None:
    result = oms("events", "--type", "Nope", "--db", db)
    assert result.exit_code == MISUSED
    assert "SettingsChanged" in result.stderr


# --- the way it looks


def test_no_line_of_events_is_wider_than_the_terminal(
    oms: Oms, db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with Engine.open(db) as engine, engine.follow("order-events") as subscription:
        message(next(iter(subscription)).to_wire(), as_json=False)
    shown = [*oms("events", "--db", db).stdout.splitlines(), *capsys.readouterr().out.splitlines()]
    assert max(map(len, shown)) <= 80
    assert "          cumQty" in "\n".join(shown) or "          leavesQty" in "\n".join(shown)


def test_options_are_named_as_they_are_typed(ask: Ask, db: str) -> None:
    error = ask("subscribe", "--resume", 99, "--db", db, code=REFUSED)["error"]
    assert error["detail"].startswith("--resume 99 is no position")
    assert error["violations"][0]["field"] == "--resume"
    mistyped = ask("subscribe", "--topic", "nope", "--db", db, code=MISUSED)["error"]
    assert mistyped["violations"][0]["field"] == "--topic"
