"""Does a person see what a scenario does: step by step, on a copy of a real book, and written down if asked?"""

import hashlib
import json
import os
import pty
import re
import select
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine
from oms_mcp.cli.staging import Pace
from tests.oms_mcp.conftest import Ask, Oms
from tests.oms_mcp.snapshot import same
from tests.oms_mcp.test_cli import in_lines

OK, REFUSED, MISUSED, INTERRUPTED = 0, 1, 2, 130
SCREENS = Path(__file__).with_name("screens")

pytestmark = pytest.mark.usefixtures("plain")

CREATE: dict[str, Any] = {
    "type": "OrderCreateCmd",
    "order": {
        "orderId": "O1",
        "clOrdId": "C1",
        "account": "A",
        "symbol": "ACME",
        "side": "BUY",
        "ordType": "MARKET",
        "orderQty": "100",
    },
}
ACCEPT = {"type": "OrderAcceptCmd", "orderId": "O1"}

TRY = """\
id: dry
title: what would a fill do
steps:
  - do: {type: OrderAcceptCmd, orderId: O1}
    expect: {state: LIVE}
  - do: {type: ExecutionCreateCmd, execution: {orderId: O1, execId: E1, lastQty: "40", lastPx: "10"}}
    at: 2020-01-01T00:00:00Z
  - do: {type: OrderCreateCmd, order: {clOrdId: C2, account: A, symbol: ACME, side: BUY, ordType: MARKET, orderQty: "5"}}
  - query: {sort: orderId}
"""  # noqa: E501 - an envelope stands on one line

UGLY = """\
id: ugly
title: "differences, quotes, a new day, and a [red]text\\twith signs"
settings: {routing: manual}
given:
  - {type: OrderCreateCmd, order: {orderId: O1, clOrdId: C1, account: A, symbol: ACME, side: BUY, ordType: LIMIT, orderQty: "100", price: "10", text: "[bold]caf\\u00e9\\e[31m"}}
  - {type: OrderPlaceCmd, orderId: O1}
steps:
  - do: {type: OrderAcceptCmd, orderId: O1, commandId: K1}
    expect: {status: OK, state: FILLED, version: 7}
  - do: {type: OrderAcceptCmd, orderId: O1, commandId: K1}
  - do: {type: QuoteRequestCreateCmd, quoteRequest: {quoteReqId: R1, symbol: ACME, quantity: "1000"}}
    at: 2026-01-05T08:00:00Z
  - do: {type: QuoteCreateCmd, quote: {quoteId: U1, quoteReqId: R1, price: "99.60"}}
  - do: {type: SettingsChangeCmd, changes: {risk.killSwitch: true}}
  - do: {type: OrderReplaceCmd, orderId: O1, price: "11"}
    expect: {status: OK}
  - do: {}
  - query: {entity: order, where: [state=LIVE, "orderQty__gte=100"], sort: orderId}
    expect: {count: 2}
  - check: {from: LIVE, path: [FILLED, NEW]}
    expect: {valid: true}
expect:
  orders: {O1: {state: FILLED, price: null}, O9: {state: LIVE}}
  counts: {orders: 2}
"""  # noqa: E501 - an envelope stands on one line


@pytest.fixture
def book(oms: Oms) -> Path:
    """A database with one order that nobody has acknowledged."""
    assert oms("exec", CREATE, "--db", "book.db").exit_code == OK
    return Path("book.db")


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("story", ["race-cancel-filled-refused", "block-for-two", "whole-day", "ugly"])
def test_the_screen_is_as_it_was_looked_at(story: str, columns: int, oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ugly.yaml").write_text(UGLY)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = oms("simulate", "ugly.yaml" if story == "ugly" else story).stdout
    assert max(map(len, shown.splitlines())) <= columns
    same(SCREENS, f"{story}-{columns}", shown)


def test_a_scenario_is_played_by_id_by_reference_and_from_a_file(oms: Oms, ask: Ask) -> None:
    Path("mine.yaml").write_text(TRY.replace("O1", "O9"))
    assert ask("simulate", "whole-day")["orders"][0]["avgPx"] == "25.08"
    assert without_durations(ask("simulate", "quantities#N9")) == without_durations(ask("simulate", "N9"))
    assert ask("simulate", "mine.yaml", code=REFUSED)["id"] == "dry"
    assert "passed: 12 values compared" in oms("simulate", "N9").stdout


def test_the_json_has_times_and_what_each_step_moved(ask: Ask) -> None:
    steps = ask("simulate", "race-cancel-fill-confirm")["steps"]
    (moved,) = steps[3]["moved"]
    assert (moved["kind"], moved["id"], steps[3]["at"]) == ("order", "O1", "2026-01-02T09:30:00.003000Z")
    assert moved["before"]["cumQty"] == "0"
    assert moved["after"] | {"version": 0} == {
        "state": "LIVE",
        "version": 0,
        "cancelState": "PCXL",
        "orderQty": "1000",
        "leavesQty": "600",
        "cumQty": "400",
        "avgPx": "25",
    }


def test_run_tells_the_same_steps_when_asked_for_a_timeline(oms: Oms) -> None:
    played = oms("simulate", "race-replace-exact").stdout
    run = oms("run", "race-replace-exact", "--timeline").stdout
    assert played.strip() in run
    assert "1 of 1 scenarios passed" in run


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("quantities", "quantities has 9 scenarios; name one as DOC#ID, or send one: N1, N2"),
        ("whole-dya", "whole-day (illustrations/stories-of-a-day.md)"),
        ("nothing.yaml", '"nothing.yaml" cannot be read'),
        ("nothing.jsonl", '"nothing.jsonl" cannot be read'),
        ("two.yaml", "two.yaml has 2 scenarios"),
        ("flow.jsonl", "flow.jsonl, line 1, column 2: no JSON"),
    ],
)
def test_what_names_no_scenario_is_typed_wrongly(target: str, words: str, oms: Oms) -> None:
    Path("two.yaml").write_text(f"{TRY}---\n{TRY.replace('id: dry', 'id: wet')}")
    Path("flow.jsonl").write_text("{")
    result = oms("simulate", target)
    assert result.exit_code == MISUSED
    assert words in in_lines(result.stderr) or words in in_lines(result.stderr).replace("#", "")


def test_an_id_that_stands_in_two_documents_names_both(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        file = Path("own") / f"{name}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"# {name}\n\n```scenario\n{TRY}```\n")
    monkeypatch.setenv("OMS_KB_CORPUS", "own")
    told = in_lines(oms("simulate", "dry").stderr)
    assert "dry names 2 scenarios; say which: one.md#dry, two.md#dry" in told.replace("own/", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("N9", "--seed", "7"), '--seed simulates a market, and "N9" names a scenario'),
        (("N9", "--orders", "7", "--html", "x"), "--orders, --html simulates a market"),
        (("N9", "--db", "x.db"), "--db simulates a market"),
        (("--step",), "--step belongs to a scenario, and none is named"),
        (("--record", "x", "--against", "y"), "--record, --against belongs to a scenario"),
    ],
)
def test_options_of_the_other_half_are_refused_naming_both(words: tuple[str, ...], told: str, oms: Oms) -> None:
    result = oms("simulate", *words)
    assert result.exit_code == MISUSED
    assert told in in_lines(result.stderr)


def test_a_pace_is_a_number_and_a_scene_must_be_set(oms: Oms) -> None:
    for speed in ("nan", "inf", "0", "fast"):
        result = oms("simulate", "N9", "--speed", speed)
        assert (result.exit_code, "--speed" in result.stderr) == (MISUSED, True)
    Path("scene.yaml").write_text(f"given:\n  - {json.dumps(ACCEPT)}\n{TRY}")
    result = oms("simulate", "scene.yaml")
    assert result.exit_code == REFUSED
    assert "the scene could not be set; 4 steps not taken" in result.stdout


def test_the_usage_names_the_argument_once(oms: Oms) -> None:
    assert "[OPTIONS] [NAME|FILE|DOC#ID]" in oms("simulate", "--help").stdout


# --- on a copy of a real book


def test_a_real_book_is_tried_on_and_stays_as_it_is_byte_for_byte(book: Path, oms: Oms, ask: Ask) -> None:
    Path("try.yaml").write_text(TRY)
    before = hashlib.sha256(book.read_bytes()).hexdigest(), sorted(Path().iterdir())
    shown = oms("simulate", "try.yaml", "--against", "book.db")
    assert shown.exit_code == OK
    assert "from try.yaml, on a copy of book.db" in shown.stdout
    assert (hashlib.sha256(book.read_bytes()).hexdigest(), sorted(Path().iterdir())) == before
    first, second = (ask("simulate", "try.yaml", "--against", "book.db") for _ in range(2))
    assert without_durations(first) == without_durations(second)
    assert [order["orderId"] for order in first["orders"]] == ["O1", "ORD-try1"]


def without_durations(run: dict[str, Any]) -> str:
    """A run as text; how long a task took is measured."""
    return re.sub(r'"durationMicros": \d+', "", json.dumps(run))


def test_a_copy_has_the_time_behind_its_last_event_and_never_goes_back(book: Path, ask: Ask) -> None:
    Path("try.yaml").write_text(TRY)
    last = ask("query", "--entity", "event", "--db", str(book))["content"][0]["recordedAt"]
    steps = ask("simulate", "try.yaml", "--against", "book.db")["steps"]
    times = [datetime.fromisoformat(step["at"]) for step in steps]
    assert times[0] == datetime.fromisoformat(last) + timedelta(milliseconds=1)
    assert times == sorted(times)
    Path("later.yaml").write_text(f"clock: 2099-01-01T00:00:00Z\n{TRY}")
    assert ask("simulate", "later.yaml", "--against", "book.db")["steps"][0]["at"].startswith("2099-01-01T00:00")


def test_a_book_that_somebody_writes_to_is_copied_as_it_is(book: Path, oms: Oms, ask: Ask) -> None:
    Path("try.yaml").write_text(TRY)
    with Engine.open(str(book)) as engine:
        assert engine.execute({**CREATE, "order": {**CREATE["order"], "orderId": "O2", "clOrdId": "C9"}}).ok
        played = ask("simulate", "try.yaml", "--against", "book.db")
        assert played["steps"][3]["page"]["page"]["totalElements"] == 3
        assert engine.counts()["orders"] == 2
    assert oms("verify", "--db", str(book)).exit_code == OK


def test_the_log_that_a_killed_writer_left_stays_where_it_is(book: Path, ask: Ask) -> None:
    Path("try.yaml").write_text(TRY)
    with Engine.open(str(book)) as engine:
        assert engine.execute({**CREATE, "order": {**CREATE["order"], "orderId": "O2", "clOrdId": "C9"}}).ok
        for end in ("", "-wal"):
            Path(f"left.db{end}").write_bytes(Path(f"book.db{end}").read_bytes())
    before = [Path(name).read_bytes() for name in ("left.db", "left.db-wal")]
    assert len(before[1]) > 0
    played = ask("simulate", "try.yaml", "--against", "left.db")
    assert played["steps"][3]["page"]["page"]["totalElements"] == 3
    assert [Path(name).read_bytes() for name in ("left.db", "left.db-wal")] == before


def test_settings_that_a_scenario_needs_hold_on_the_copy_alone(book: Path, oms: Oms, ask: Ask) -> None:
    Path("try.yaml").write_text(f"settings: {{routing: manual}}\n{TRY}")
    assert "needs the setting routing" in in_lines(oms("simulate", "try.yaml", "--against", "book.db").stderr)
    played = ask("simulate", "try.yaml", "--against", "book.db", "--set", "routing=manual")
    assert played["orders"][1]["state"] == "NEW"
    assert '"auto"' in json.dumps(ask("settings", "get", "routing", "--db", str(book))["settings"]["routing"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.db", '--against "none.db" is no database that exists'),
        (".", '--against "." is no database that exists'),
        ("text.db", '"text.db" cannot be used as a database: it is no SQLite file'),
        ("empty.db", "the file is empty (0 bytes)"),
        ("other.db", '"other.db" cannot be used: the file is a database of another program'),
        ("", "is empty; give a value"),
    ],
)
def test_what_is_no_book_is_refused_by_its_own_name(name: str, words: str, oms: Oms) -> None:
    Path("text.db").write_text("this is a letter and no database at all" * 99)
    Path("empty.db").touch()
    with closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE mine (x)")
    result = oms("simulate", "N9", "--against", name)
    assert result.exit_code == MISUSED
    assert words in in_lines(result.stderr)


# --- written down


@pytest.mark.parametrize("name", ["done.yaml", "done.jsonl"])
def test_what_was_done_is_written_down_and_passes(name: str, oms: Oms, ask: Ask) -> None:
    Path("ugly.yaml").write_text(UGLY)
    result = oms("simulate", "ugly.yaml", "--record", name)
    assert result.exit_code == REFUSED
    assert f"recorded in {name}; play it again with oms simulate {name}" in in_lines(result.stderr)
    again = ask("simulate", name)
    assert again["passed"]
    assert again["compared"] > 20
    assert ask("run", name)["passed"] == 1


def test_what_was_done_on_a_copy_passes_on_a_copy(book: Path, oms: Oms, ask: Ask) -> None:
    Path("try.yaml").write_text(TRY)
    assert oms("simulate", "try.yaml", "--against", str(book), "--record", "done.yaml").exit_code == OK
    assert Path("done.yaml").read_text().startswith("# oms simulate done.yaml --against book.db\nid: dry\n")
    assert ask("simulate", "done.yaml", "--against", str(book))["passed"]
    assert ask("simulate", "done.yaml", code=REFUSED)["passed"] is False


def test_what_is_recorded_on_a_book_with_a_setting_is_played_again_as_it_is_told(oms: Oms) -> None:
    assert oms("simulate", "--orders", "3", "--db", "a book.db").exit_code == OK
    words = ["whole-day", "--against", "a book.db", "--set", "maxOrderQty=50", "--record", "refused so.yaml"]
    assert oms("simulate", *words).exit_code == REFUSED
    again = shlex.split(in_lines(oms("simulate", *words, "--force").stderr).partition("again with ")[2])
    assert again[:3] == ["oms", "simulate", "refused so.yaml"]
    assert oms(*again[1:]).exit_code == OK


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(oms: Oms, ask: Ask) -> None:
    Path("kept.yaml").write_text("precious")
    result = oms("simulate", "N9", "--record", "kept.yaml")
    assert result.exit_code == MISUSED
    assert "exists; choose another name, or replace it with --force" in in_lines(result.stderr)
    assert Path("kept.yaml").read_text() == "precious"
    assert ask("simulate", "N9", "--record", "kept.yaml", "--force")["recorded"] == "kept.yaml"
    assert ask("simulate", "kept.yaml")["passed"]
    assert [path.name for path in Path().iterdir()] == ["kept.yaml"]
    for name, words in ((".", "is a folder"), ("no/where.yaml", "the folder of"), ("/dev/null", "exists")):
        assert words in in_lines(oms("simulate", "N9", "--record", name).stderr)


@pytest.mark.parametrize(
    "words",
    [("simulate", "N9", "--record"), ("draw", "states", "--db", "book.db", "--out"), ("write-fix", "--db", "book.db")],
)
def test_neither_a_database_nor_a_device_is_ever_replaced(oms: Oms, words: tuple[str, ...]) -> None:
    for name in ("book.db", "other.db"):
        assert oms("simulate", "--orders", "3", "--db", name).exit_code == OK
    before = Path("other.db").read_bytes()
    result = oms(*words, "other.db", "--force")
    assert (result.exit_code, Path("other.db").read_bytes()) == (MISUSED, before)
    assert "is a database, which is not replaced; name another file" in in_lines(result.stderr)
    refused = in_lines(oms(*words, "other.db-wal", "--force").stderr)
    assert "is a database, which is not replaced" in refused
    os.mkfifo("pipe")
    assert "is a device or a pipe, no file" in in_lines(oms(*words, "pipe", "--force").stderr)


def test_a_file_that_a_link_leads_to_is_written_and_the_link_stays(oms: Oms) -> None:
    Path("link.yaml").symlink_to("real.yaml")
    assert oms("simulate", "N9", "--record", "link.yaml").exit_code == OK
    assert Path("link.yaml").is_symlink()
    assert "id: N9" in Path("real.yaml").read_text()


@pytest.mark.parametrize("words", [("",), ("--db", ""), ("--html", " "), ("--mix", "")])
def test_what_is_empty_is_not_taken_for_left_out(oms: Oms, words: tuple[str, ...]) -> None:
    result = oms("simulate", *words)
    assert result.exit_code == MISUSED
    assert "is empty; give a value, or leave it out" in in_lines(result.stderr)


def test_a_command_that_was_refused_is_told_where_nothing_is_expected(oms: Oms) -> None:
    Path("bare.yaml").write_text("id: bare\ntitle: t\nsteps:\n  - do: {type: OrderAcceptCmd, orderId: O1}\n")
    for words in (("simulate", "bare.yaml"), ("run", "bare.yaml")):
        assert "nothing was compared, and 1 command was refused" in in_lines(oms(*words).stdout)


# --- at a pace


def test_steps_wait_as_long_as_lies_between_their_times(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    assert oms("simulate", "whole-day", "--speed", "60").exit_code == OK
    assert [round(each * 60, 3) for each in waited[:5]] == [1.0, 899.0, 4500.0, 0.001, 11999.999]
    assert waited[5:] == [3600.0]


def test_a_step_goes_on_with_enter_and_stops_with_q(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["", "q", "QUIT ", "n"])
    monkeypatch.setattr("builtins.input", lambda _prompt: next(typed))
    pace = Pace(None, step=True)
    assert [pace.goes_on() for _ in range(4)] == [True, False, False, True]
    assert Pace(None, step=False).goes_on()


def test_where_nobody_types_everything_is_told_at_once(oms: Oms) -> None:
    for more in ((), ("--json",)):
        result = oms("simulate", "N9", "--step", *more)
        assert result.exit_code == OK
        assert "--step waits only at a terminal" in in_lines(result.stderr)


def test_steps_are_told_while_they_are_taken(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", leave)
    result = oms("simulate", "whole-day", "--speed", "1", "--record", "left.yaml")
    assert (result.exit_code, "Aborted" in result.stderr) == (INTERRUPTED, False)
    assert "stopped after 1 of 7 steps" in result.stdout
    assert "orders at the end" not in result.stdout
    assert oms("run", "left.yaml").exit_code == OK


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)


@pytest.mark.slow
def test_a_person_at_a_terminal_steps_stops_and_keeps_what_was_done(terminal: tuple[int, int], ask: Ask) -> None:
    ours, theirs = terminal
    words = ["simulate", "race-cancel-fill-confirm", "--step", "--record", "until.yaml"]
    code = "from oms_mcp.cli import main; main()"
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": root, "TERM": "dumb"},
    ) as process:
        os.close(theirs)
        for answer in (b"\n", b"\n", b"q\n"):
            assert b"Enter goes on" in read_until(ours, b"q quits ")
            os.write(ours, answer)
        assert b"stopped after 3 of 6 steps" in read_until(ours, b"recorded in")
        assert process.wait(timeout=30) == OK
    kept = ask("simulate", "until.yaml")
    assert (kept["passed"], len(kept["steps"])) == (True, 3)


def read_until(terminal: int, words: bytes) -> bytes:
    """What appears at a terminal, up to some words."""
    seen = b""
    until = datetime.now(UTC) + timedelta(seconds=30)
    while words not in seen and datetime.now(UTC) < until:
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 4096)
    return seen


@pytest.mark.slow
def test_a_rehearsal_that_is_told_to_end_leaves_no_copy_of_the_book(tmp_path: Path, oms: Oms) -> None:
    assert oms("simulate", "--orders", "3", "--db", "book.db").exit_code == OK
    (tmp_path / "tmp").mkdir()
    program = [sys.executable, "-c", "from oms_mcp.cli import main; main()", "simulate", "whole-day"]
    with subprocess.Popen(
        [*program, "--against", str(tmp_path / "book.db"), "--step", "--speed", "0.001"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as started:
        assert started.stdout is not None
        while "step 1" not in started.stdout.readline():
            assert started.poll() is None
        assert [*(tmp_path / "tmp").iterdir()] != []
        started.terminate()
        assert started.wait(timeout=30) == INTERRUPTED
    assert [*(tmp_path / "tmp").iterdir()] == []
