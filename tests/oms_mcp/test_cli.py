import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine
from oms_engine.domain.commands import COMMANDS
from oms_mcp import doctor
from oms_mcp.cli import app, knowledge, outbox, projections, serving, settings
from oms_mcp.printing import terminal
from tests.oms_engine import test_matrix as matrix
from tests.oms_engine.desk import Desk
from tests.oms_mcp.conftest import Ask, Oms

OK, REFUSED, MISUSED = 0, 1, 2
GROUPS = {
    "kb": knowledge.kb,
    "settings": settings.settings,
    "outbox": outbox.outbox,
    "projections": projections.projections,
}
"""Commands that have commands of their own."""

HELP = [(), ("kb",), *((name,) for name in ("serve", "exec", "run", "query", "show", "history", "check", "rebuild"))]
HELP += [("replay",), ("simulate",), ("scenarios",), ("draw",), ("top",)]
HELP += [("events",), ("subscribe",), ("audit",)]
HELP += [("expire",), ("settings",), *(("settings", name) for name in ("list", "get", "set", "price"))]
HELP += [(name,) for name in ("verify", "backup", "export", "import", "compact", "erase")]
HELP += [("outbox",), *(("outbox", name) for name in ("status", "add", "remove", "run", "parked", "retry", "drop"))]
HELP += [("outbox", "dropped")]
HELP += [("projections",), *(("projections", name) for name in ("status", "rebuild", "retry"))]
HELP += [("doctor",), ("spec",)]
HELP += [("replay-fix",), ("write-fix",)]
HELP += [("kb", name) for name in ("search", "read", "overview", "index", "eval", "lint")]

ORDER: dict[str, Any] = {
    "orderId": "O1",
    "clOrdId": "C1",
    "account": "ACC",
    "symbol": "ACME",
    "side": "BUY",
    "ordType": "LIMIT",
    "orderQty": "1000",
    "price": "10.50",
}
CREATE = {"type": "OrderCreateCmd", "order": ORDER}
ACCEPT = {"type": "OrderAcceptCmd", "orderId": "O1"}
FILL = {
    "type": "ExecutionCreateCmd",
    "execution": {"orderId": "O1", "execId": "E1", "lastQty": "300", "lastPx": "10.25"},
}


pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def db(oms: Oms, tmp_path: Path) -> str:
    """A database with one LIVE order that has a fill."""
    path = str(tmp_path / "orders.db")
    assert oms("exec", [CREATE, ACCEPT, FILL], "--db", path).exit_code == OK
    return path


def in_lines(text: str) -> str:
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


# --- exec


def test_a_command_answers_with_the_result_and_where_the_order_stands(ask: Ask) -> None:
    wire = ask("exec", CREATE)
    assert (wire["id"], wire["orderId"], wire["status"], wire["state"], wire["version"]) == (
        "O1",
        "O1",
        "OK",
        "UNACK",
        2,
    )
    assert wire["mode"] == "sandbox"
    assert "before" not in wire
    assert wire["after"]["leavesQty"] == "1000"
    assert [event["type"] for event in wire["events"]] == ["OrderCreated", "OrderPlaced"]
    assert [task["status"] for task in wire["tasks"]][-1] == "SUCCESS"
    assert [state["to"] for state in wire["nextStates"]] == ["LIVE", "REJ"]


def test_a_command_shows_a_person_what_changed_and_what_can_follow(oms: Oms, db: str) -> None:
    second = {**FILL, "execution": {**FILL["execution"], "execId": "E2", "lastQty": "700"}}  # type: ignore[dict-item] # an execution
    shown = in_lines(oms("exec", second, "--db", db).stdout)
    assert "ok ExecutionCreateCmd E2 on order O1" in shown
    assert "state LIVE -> FILLED" in shown
    assert "cumQty 300 -> 1000, leavesQty 700 -> 0" in shown
    assert "events ExecutionCreated v5, OrderFilled v6" in shown
    assert "next CLOSED (OrderCloseCmd)" in shown


def test_a_refused_command_shows_what_was_wrong_the_rule_the_way_out_and_the_section(oms: Oms, db: str) -> None:
    result = oms("exec", {"type": "OrderPlaceCmd", "orderId": "O1"}, "--db", db)
    assert result.exit_code == REFUSED
    shown = in_lines(result.stdout)
    assert "refused: OMS-STATE-001 transition not in the lifecycle" in shown
    assert "order O1 is LIVE; OrderPlaceCmd needs NEW" in shown
    assert "rule LIF-01 (field orderId)" in shown
    assert "possible next: CXL, EXP, FILLED" in shown
    assert "way out" in shown
    citation = re.findall(r"oms kb read (\S+)", result.stdout)
    assert citation == ["framework/validation-rules.md#51-lif-01-the-transition-is-part-of-the-lifecycle"]
    assert oms("kb", "read", citation[0]).stdout.startswith("### 5.1 LIF-01")


def test_several_violations_are_all_shown_and_all_cited(oms: Oms, ask: Ask) -> None:
    order = {"clOrdId": "C1", "side": "BYE", "orderQty": "-1", "price": "-1", "maxFloor": "-1"}
    result = oms("exec", {"type": "OrderCreateCmd", "order": order})
    shown = in_lines(result.stdout)
    for rule in ("ORD-02", "ORD-04", "ORD-07", "ORD-08", "ORD-21"):
        assert rule in shown
    wire = ask("exec", {"type": "OrderCreateCmd", "order": order}, code=REFUSED)
    cited = {violation["citation"] for violation in wire["error"]["violations"]}
    assert len(cited) > 5
    assert set(re.findall(r"oms kb read (\S+)", result.stdout)) == cited


def test_a_refused_command_answers_a_machine_with_the_problem(ask: Ask, db: str) -> None:
    wire = ask("exec", {"type": "OrderPlaceCmd", "orderId": "O1"}, "--db", db, code=REFUSED)
    assert (wire["status"], wire["id"], wire["mode"]) == ("FAILED", "", "file")
    assert wire["error"]["errorCode"] == "OMS-STATE-001"
    assert wire["error"]["context"]["fromState"] == "LIVE"
    assert wire["error"]["context"]["validTransitions"] == ["CXL", "EXP", "FILLED"]
    assert "after" not in wire


def test_a_repeated_command_says_that_nothing_was_written(oms: Oms, ask: Ask, db: str) -> None:
    assert ask("exec", CREATE, "--db", db)["duplicate"] is True
    assert "none written; the first time: OrderCreated v1, OrderPlaced v2" in oms("exec", CREATE, "--db", db).stdout


def test_a_dry_run_answers_and_stores_nothing(oms: Oms, ask: Ask, db: str) -> None:
    cancel = {"type": "OrderCancelCmd", "orderId": "O1"}
    wire = ask("exec", cancel, "--dry-run", "--db", db)
    assert wire["dryRun"] is True
    assert wire["after"]["cancelState"] == "PCXL"
    assert "position" not in wire["events"][0]
    assert "dry run, nothing stored" in oms("exec", cancel, "--dry-run", "--db", db).stdout
    assert "dry run, nothing stored" in oms("exec", [cancel, cancel], "--dry-run", "--db", db).stdout
    assert "cancelState" not in ask("show", "O1", "--db", db)


def test_without_a_database_a_sandbox_is_used_and_says_so(oms: Oms) -> None:
    result = oms("exec", CREATE)
    assert "private sandbox" in result.stderr
    assert "private sandbox" not in result.stdout
    assert "private sandbox" not in oms("exec", CREATE, "--db", "x.db").stderr


def test_a_list_is_carried_out_in_order_past_refusals(ask: Ask) -> None:
    wire = ask("exec", [CREATE, FILL, ACCEPT, FILL], code=REFUSED)
    assert [result["status"] for result in wire["results"]] == ["OK", "FAILED", "OK", "OK"]
    assert (wire["ok"], wire["failed"], wire["notRun"], wire["mode"]) == (3, 1, [], "sandbox")


def test_an_atomic_list_is_taken_back_as_a_whole_at_the_first_refusal(oms: Oms, ask: Ask, db: str) -> None:
    commands = [{"type": "OrderCancelCmd", "orderId": "O1"}, CREATE | {"type": "NoCmd"}, ACCEPT]
    wire = ask("exec", commands, "--atomic", "--db", db, code=REFUSED)
    assert [result.get("rolledBack") for result in wire["results"]] == [True, None]
    assert (wire["ok"], wire["failed"]) == (0, 1)
    assert wire["notRun"] == [{"index": 2, "type": "OrderAcceptCmd"}]
    assert ask("show", "O1", "--db", db)["version"] == 4
    shown = in_lines(oms("exec", commands, "--atomic", "--db", db).stdout)
    assert "taken back" in shown
    assert "0 ok, 1 refused, 1 not run; everything was taken back" in shown


def test_a_long_list_of_refusals_is_told_in_short(oms: Oms) -> None:
    shown = oms("exec", [ACCEPT] * 23).stdout
    told = [line for line in shown.splitlines() if line.startswith("command ")]
    assert len(told) == 20
    assert told[6].startswith('command 7: ENV-09 order "O1" does not exist')
    assert "3 more were refused; --json tells each reason" in shown


def test_a_batch_tells_the_warnings_of_what_it_carried_out(oms: Oms) -> None:
    odd = {"type": "OrderCreateCmd", "order": {**ORDER, "securityType": "CORP"}}
    alone = in_lines(oms("exec", odd).stdout)
    assert " warning " in alone
    shown = oms("exec", [{**CREATE, "order": {**ORDER, "orderId": "O2", "clOrdId": "C2"}}, odd]).stdout
    assert "command 2: warning: " in shown
    assert "command 1: warning" not in shown


@pytest.mark.parametrize(
    "words",
    [
        ("query",),
        ("show", "O1"),
        ("history", "O1"),
        ("check", "--order", "O1"),
        ("settings", "list"),
        ("settings", "get", "routing"),
        ("rebuild",),
        ("exec", ACCEPT, "--dry-run"),
        ("expire", "--dry-run"),
    ],
)
def test_a_setting_of_a_command_that_only_reads_or_previews_is_not_stored(
    words: tuple[object, ...], oms: Oms, ask: Ask, db: str
) -> None:
    oms(*words, "--set", "routing=manual", "--db", db)
    assert ask("query", "--entity", "event", "streamId=settings", "--db", db)["content"] == []


def test_a_setting_of_the_environment_is_not_stored_by_a_preview_of_a_change(
    oms: Oms, ask: Ask, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("s.yaml").write_text("routing: manual\n")
    monkeypatch.setenv("OMS_SETTINGS", "s.yaml")
    assert oms("settings", "set", "risk.killSwitch=on", "--dry-run", "--db", db).exit_code == OK
    assert oms("settings", "price", "IBM", "5", "--dry-run", "--db", db).exit_code == OK
    assert ask("query", "--entity", "event", "streamId=settings", "--db", db)["content"] == []
    assert oms("exec", CREATE | {"order": {**ORDER, "orderId": "O2", "clOrdId": "C2"}}, "--db", db).exit_code == OK
    assert len(ask("query", "--entity", "event", "streamId=settings", "--db", db)["content"]) == 1


@pytest.mark.parametrize(
    "words", [("exec", CREATE), ("settings", "set", "routing=manual"), ("settings", "price", "IBM", "5")]
)
def test_a_preview_creates_no_database(words: tuple[object, ...], oms: Oms) -> None:
    assert oms(*words, "--dry-run", "--db", "new.db").exit_code == OK
    assert not Path("new.db").exists()
    assert oms(*words, "--db", "new.db").exit_code == OK
    assert Path("new.db").exists()


@pytest.mark.parametrize("name", ["commands.json", "commands.jsonl", "-"])
def test_envelopes_come_from_a_file_or_from_standard_input(name: str, oms: Oms) -> None:
    lines = "\n".join(json.dumps(each) for each in (CREATE, ACCEPT))
    text = json.dumps([CREATE, ACCEPT]) if name == "commands.json" else f"\ufeff{lines}\n\n"
    if name != "-":
        Path(name).write_text(text)
    result = oms("exec", name, "--json", stdin=text)
    assert json.loads(result.stdout)["ok"] == 2


def test_one_envelope_in_a_file_is_one_command_and_in_a_list_a_batch(ask: Ask) -> None:
    Path("one.json").write_text(json.dumps(CREATE, indent=2))
    assert ask("exec", "one.json")["id"] == "O1"
    assert ask("exec", [CREATE])["results"][0]["id"] == "O1"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing.json", '"nothing.json" cannot be read'),
        (".", "cannot be read: Is a directory"),
        ("", "the argument is empty"),
        ("a\0b", "cannot be read"),
        ('{"type":}', "line 1, column 9: no JSON"),
        ('{"type": 1, "type": 2}', 'key "type" stands twice'),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "the JSON cannot be read"),
        ("empty.json", "is empty"),
        ("lines.jsonl", "lines.jsonl, line 3, column 1: no JSON"),
        ("twice.jsonl", 'twice.jsonl, line 2: key "b" stands twice'),
        ("latin.json", "is not UTF-8 text"),
        ("big.json", "has more than 20,000,000 bytes"),
        ("many.json", "a batch has at most 10000 commands, not 10001"),
    ],
)
def test_what_cannot_be_read_as_envelopes_is_typed_wrongly(source: str, words: str, oms: Oms) -> None:
    Path("empty.json").write_text("  \n")
    Path("lines.jsonl").write_text('{"a": 1}\n\nx\n')
    Path("twice.jsonl").write_text('{"a": 1}\n{"b": 1, "b": 2}\n')
    Path("latin.json").write_bytes(b'{"type": "\xe9"}')
    if source == "big.json":
        Path("big.json").write_bytes(b" " * 20_000_001)
    if source == "many.json":
        Path("many.json").write_text(json.dumps([{}] * 10_001))
    result = oms("exec", source)
    assert result.exit_code == MISUSED
    assert words in in_lines(result.stderr)
    assert result.stdout == ""


@pytest.mark.parametrize("scalar", ["42", "null", '"x"', "true"])
def test_a_json_scalar_is_no_file_name_unless_there_is_such_a_file(scalar: str, ask: Ask) -> None:
    assert ask("exec", scalar, code=REFUSED)["error"]["errorCode"] == "OMS-VAL-004"
    Path("42").write_text(json.dumps(CREATE))
    assert ask("exec", "42")["id"] == "O1"


@pytest.mark.parametrize("envelope", [{}, [5], ["x"], [None], [[]], {"type": ["x"]}, {"type": "X", "order": 1}])
def test_an_envelope_that_is_none_is_refused_by_the_engine(envelope: object, oms: Oms) -> None:
    result = oms("exec", envelope)
    assert result.exit_code == REFUSED
    assert "OMS-VAL-004" in result.stdout


@pytest.mark.parametrize(("command", "state", "outcome"), [(*cell, outcome) for cell, outcome in matrix.CELLS.items()])
def test_every_command_meets_every_state_as_the_matrix_says(
    command: str, state: str, outcome: str, ask: Ask, tmp_path: Path
) -> None:
    desk = Desk(str(tmp_path / "desk.db"))
    order_id = desk.given(state)
    desk.engine.close()
    kind, fields = matrix._send(command, order_id)
    refused = "-" in outcome
    wire = ask("exec", {"type": kind, **fields}, "--db", tmp_path / "desk.db", code=REFUSED if refused else OK)
    if refused:
        assert wire["error"]["errorCode"] == matrix.FAMILIES[outcome[0]] + outcome[1:]
    else:
        assert wire["after"]["state"] == outcome.partition("+")[0]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_of_json_may_hold_what_ends_lines_elsewhere(oms: Oms, end: str) -> None:
    marked = {"type": "OrderCreateCmd", "order": {**ORDER, "text": "a\u2028b\u0085c"}}
    lines = end.join(json.dumps(line, ensure_ascii=False) for line in (marked, ACCEPT))
    result = oms("exec", "-", "--json", stdin=lines.encode())
    assert [each["id"] for each in json.loads(result.stdout)["results"]] == ["O1", "O1"]


def test_the_session_of_the_command_line_is_cli(ask: Ask, db: str) -> None:
    assert ask("show", "O1", "--db", db)["sessionId"] == "cli"


# --- query, show, history, rebuild


def test_a_query_prints_a_table_that_fits_eighty_columns(oms: Oms, ask: Ask, db: str) -> None:
    create = {**CREATE, "order": {**{k: v for k, v in ORDER.items() if k != "orderId"}, "clOrdId": "C2"}}
    order_id = ask("exec", create, "--db", db)["id"]
    for entity in ("order", "execution", "event"):
        lines = oms("query", "--entity", entity, "--db", db).stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert all(line == line.rstrip() for line in lines)
    assert order_id in oms("query", "clOrdId=C2", "--db", db).stdout


def test_a_query_in_a_narrow_terminal_cuts_nothing_off(oms: Oms, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    shown = oms("query", "--db", db).stdout
    assert max(map(len, shown.splitlines())) <= 30
    letters = "".join(shown.split())
    assert all(word in letters for word in ("BUY", "1000", "ACME", "LIMIT", "10.25"))


def test_a_piped_query_has_one_line_per_row(oms: Oms, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    header, row, found = oms("query", "--db", db).stdout.splitlines()
    assert header.split() == ["orderId", "order", "state", "cumQty", "avgPx"]
    assert row.split() == ["O1", "BUY", "1000", "ACME", "LIMIT", "10.5", "LIVE", "300", "10.25"]
    assert found == "1 found"


def test_nothing_that_is_printed_is_coloured_when_it_is_piped(oms: Oms, db: str) -> None:
    for words in (("query",), ("show", "O1"), ("history", "O1"), ("exec", ACCEPT)):
        assert "\x1b" not in oms(*words, "--db", db).output


def test_the_past_is_shown_by_every_command_that_reads(oms: Oms, ask: Ask, db: str) -> None:
    assert ask("show", "O1", "--as-of", "v2", "--db", db)["state"] == "UNACK"
    assert ask("show", "O1", "--tree", "--as-of", "p1", "--db", db)["children"][0]["state"] == "NEW"
    found = ask("query", "state=UNACK", "--as-of", "p2", "--db", db)
    assert ([row["orderId"] for row in found["content"]], found["asOf"]) == (["O1"], "p2")
    assert [event["version"] for event in ask("history", "O1", "--as-of", "v2", "--db", db)["events"]] == [1, 2]
    assert ask("query", "--as-of", "2020-01-01T00:00:00Z", "--db", db)["content"] == []
    assert "beyond the last event" in oms("query", "--as-of", "p99", "--db", db).stderr
    refused = ask("show", "O1", "--as-of", "v99", "--db", db, code=REFUSED)
    assert refused["error"]["errorCode"] == "OMS-VAL-005"


def test_the_life_of_an_order_is_replayed(oms: Oms, ask: Ask, db: str) -> None:
    lines = oms("replay", "O1", "--step", "--db", db).stdout.splitlines()
    assert lines[0] == "O1  4 events"
    assert [line.split()[:2] for line in lines if line.startswith("v")] == [
        ["v1", "OrderCreated"],
        ["v2", "OrderPlaced"],
        ["v3", "OrderAccepted"],
        ["v4", "ExecutionCreated"],
    ]
    assert lines[-2:] == [
        "    LIVE  filled 300 of 1000, open 700, at 10.25",
        "    cumQty 0 -> 300, leavesQty 1000 -> 700, avgPx 0 -> 10.25, allocQty 0 -> 300",
    ]
    wire = ask("replay", "O1", "--from", "v2", "--to", "3", "--db", db)
    assert [step["order"]["state"] for step in wire["steps"]] == ["UNACK", "LIVE"]
    assert wire["versions"] == 4
    for words, told in (
        (("O1", "--from", "x"), "no version"),
        (("O1", "--from", "v3", "--to", "v2"), "lies behind"),
    ):
        wrong = oms("replay", *words, "--db", db)
        assert (wrong.exit_code, told in wrong.stderr) == (MISUSED, True)
    assert ask("replay", "O1", "--to", "v9", "--db", db, code=REFUSED)["error"]["errorCode"] == "OMS-VAL-005"
    assert ask("replay", "NO", "--db", db, code=REFUSED)["error"]["errorCode"] == "OMS-ORDER-001"


def test_a_replay_waits_for_enter_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", asked.append)
    terminal.pause()
    assert asked == []
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr(sys, "stdout", _Terminal())
    terminal.pause()
    assert asked == ["Enter goes on "]


class _Terminal:
    """A stream at which a person sits."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...


def test_a_query_goes_on_by_cursor(oms: Oms, ask: Ask, db: str) -> None:
    words = ("query", "--entity", "event", "--sort", "position", "--size", "3", "--db", db)
    first = ask(*words, "--cursor", "*")
    assert [set(first), first["page"]] == [{"content", "page", "nextCursor", "warnings"}, {"size": 3}]
    shown = oms(*words, "--cursor", "*").stdout.splitlines()[-1]
    assert shown == f"3 shown; --cursor {first['nextCursor']} shows more"
    assert ask(*words)["nextCursor"] == first["nextCursor"]
    last = ask(*words, "--cursor", first["nextCursor"])
    assert [event["position"] for event in last["content"]] == [4]
    assert oms(*words, "--cursor", first["nextCursor"]).stdout.splitlines()[-1] == "1 shown, the last ones"
    refused = ask(*words, "--cursor", first["nextCursor"], "--page", "1", code=REFUSED)
    assert refused["error"]["violations"][0]["field"] == "cursor"


def test_a_query_answers_a_machine_with_content_page_and_warnings(ask: Ask, db: str) -> None:
    wire = ask("query", "state=LIVE", "orderQty__gte=1000", "--size", "0", "--page", "-1", "--db", db)
    assert set(wire) == {"content", "page", "warnings"}
    assert wire["content"][0]["price"] == "10.5"
    assert wire["content"][0]["timeInForce"] == "DAY"
    assert wire["page"] == {"number": 0, "size": 1, "totalElements": 1, "totalPages": 1}
    assert len(wire["warnings"]) == 2


def test_a_query_of_several_pages_tells_the_next_one(oms: Oms, db: str) -> None:
    result = oms("query", "--entity", "event", "--sort", "position", "--size", "3", "--db", db)
    assert "4 found, page 0 of 2 (pages count from 0); --page 1 shows more" in result.stdout
    last = oms("query", "--entity", "event", "--size", "3", "--page", "1", "--db", db).stdout
    assert "shows more" not in last
    assert "size 0 is outside" in oms("query", "--size", "0", "--db", db).stderr
    assert oms("query", "symbol=NONE", "--db", db).stdout == "0 found\n"
    beyond = oms("query", "--entity", "event", "--size", "3", "--page", "9", "--db", db).stdout
    assert "4 found, none on page 9: the last page is 1" in beyond


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("stat=LIVE",), "did you mean state?"),
        (("state__gt=LIVE",), 'operator "gt" cannot be used on state'),
        (("price__between=5",), "must be 'a,b'"),
        (("nothing",), "has no '='"),
        (("--entity", "trade"), "use one of order, execution, allocation, quote, quote_request, event"),
        (("--sort", "price,UP"), "use ASC or DESC"),
        (("--sort", "nope"), '"nope" is no field of order'),
        (("--size", "many"), "is no whole number"),
    ],
)
def test_a_question_that_cannot_be_read_gets_the_engines_own_answer(
    words: tuple[str, ...], told: str, oms: Oms, ask: Ask, db: str
) -> None:
    result = oms("query", *words, "--db", db)
    code = MISUSED if words[0].startswith("--") else REFUSED
    assert result.exit_code == code
    assert told in in_lines(result.stderr)
    assert "oms kb read framework/validation-rules.md#9" in result.stderr
    wire = ask("query", *words, "--db", db, code=code)
    assert wire["error"]["errorCode"] == "OMS-VAL-004"


def test_an_order_is_shown_with_its_executions_and_what_can_follow(oms: Oms, ask: Ask, db: str) -> None:
    wire = ask("show", "O1", "--db", db)
    assert (wire["state"], wire["cumQty"], wire["leavesQty"], wire["avgPx"]) == ("LIVE", "300", "700", "10.25")
    assert wire["executions"][0]["execId"] == "E1"
    assert wire["executions"][0]["receivedAt"].endswith("Z")
    assert [state["to"] for state in wire["nextStates"]] == ["FILLED", "CXL", "EXP"]
    shown = in_lines(oms("show", "O1", "--db", db).stdout)
    assert "orderQty 1000 price 10.5 state LIVE cumQty 300" in shown
    assert "executions execId lastQty lastPx status cumQty then E1 300 10.25 ACTIVE 300" in shown
    assert "FILLED ExecutionCreateCmd" in shown


def test_an_order_without_executions_shows_none_and_a_closed_one_says_that_nothing_follows(oms: Oms) -> None:
    assert (
        oms(
            "exec",
            [CREATE, {"type": "OrderRejectCmd", "orderId": "O1"}, {"type": "OrderCloseCmd", "orderId": "O1"}],
            "--db",
            "x.db",
        ).exit_code
        == OK
    )
    shown = oms("show", "O1", "--db", "x.db").stdout
    assert "executions" not in shown
    assert shown.rstrip().endswith("nothing follows")


def test_a_history_tells_every_event_with_its_facts(oms: Oms, ask: Ask, db: str) -> None:
    wire = ask("history", "O1", "--db", db)
    assert [event["version"] for event in wire["events"]] == [1, 2, 3, 4]
    assert "next" not in wire
    shown = in_lines(oms("history", "O1", "--db", db).stdout)
    assert "v4 ExecutionCreated" in shown
    assert "lastQty=300, lastPx=10.25" in shown


def test_a_long_history_is_read_in_parts(oms: Oms, ask: Ask, db: str) -> None:
    first = ask("history", "O1", "--limit", "3", "--db", db)
    rest = ask("history", "O1", "--after", first["next"], "--db", db)
    assert [event["version"] for event in (*first["events"], *rest["events"])] == [1, 2, 3, 4]
    assert "more follows: --after 3" in oms("history", "O1", "--limit", "3", "--db", db).stdout


@pytest.mark.parametrize("words", [("show", "O9"), ("history", "O9"), ("show", ""), ("check", "--order", "O9")])
def test_an_order_that_does_not_exist_is_refused(words: tuple[str, ...], oms: Oms, ask: Ask, db: str) -> None:
    assert oms(*words, "--db", db).exit_code == REFUSED
    assert ask(*words, "--db", db, code=REFUSED)["error"]["errorCode"] == "OMS-ORDER-001"


def test_a_rebuild_writes_the_same_orders_again(oms: Oms, ask: Ask, db: str) -> None:
    before = ask("show", "O1", "--db", db)
    with sqlite3.connect(db) as connection:
        connection.execute("DELETE FROM orders")
    assert ask("rebuild", "--db", db) == {"eventsRead": 4, "counts": {"orders": 1, "executions": 1, "events": 4}}
    assert ask("show", "O1", "--db", db) == before
    assert "rebuilt 1 order and 1 execution from 4 events" in oms("rebuild", "--db", db).stdout


@pytest.mark.parametrize(
    "words", [("query",), ("show", "O1"), ("history", "O1"), ("rebuild",), ("check", "--order", "O1")]
)
def test_what_reads_orders_needs_a_database_that_exists(words: tuple[str, ...], oms: Oms) -> None:
    for extra in ((), ("--db", ":memory:"), ("--db", "")):
        result = oms(*words, *extra)
        assert result.exit_code == MISUSED
        assert "give --db PATH or set OMS_DB" in in_lines(result.stderr)
    result = oms(*words, "--db", "typo.db")
    assert result.exit_code == MISUSED
    assert 'there is no database "typo.db"' in in_lines(result.stderr)
    assert not Path("typo.db").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text.db", "it is no SQLite file, or its beginning is damaged"),
        ("other.db", "another program"),
        ("no/x.db", "folder"),
    ],
)
def test_a_file_that_is_no_database_of_ours_is_left_as_it_is(name: str, words: str, oms: Oms) -> None:
    Path("text.db").write_text("this is a letter and no database at all, though it has a long enough header" * 9)
    with sqlite3.connect("other.db") as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    files = {path: path.read_bytes() for path in Path().iterdir()}
    result = oms("exec", CREATE, "--db", name)
    assert result.exit_code == MISUSED
    assert words in in_lines(result.stderr)
    assert {path: path.read_bytes() for path in Path().iterdir()} == files


def test_the_database_can_stand_in_the_home_folder(ask: Ask, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(db).parent))
    assert ask("show", "O1", "--db", "~/orders.db")["orderId"] == "O1"
    ask("exec", CREATE, "--db", "~/new.db")
    assert sorted(path.name for path in Path().glob("*.db")) == ["new.db", "orders.db"]


def test_the_database_can_be_named_by_the_environment_and_by_url(
    oms: Oms, ask: Ask, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask("show", "O1", "--db", f"sqlite:///{db}")["orderId"] == "O1"
    monkeypatch.setenv("OMS_DB", db)
    assert ask("show", "O1")["orderId"] == "O1"
    assert oms("show", "O1", "--db", "typo.db").exit_code == MISUSED


def test_a_scenario_runs_for_real_only_where_a_database_is_named_with_the_call(
    oms: Oms, ask: Ask, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMS_DB", db)
    before = ask("history", "O1")
    assert oms("run", "quantities#N1").exit_code == OK
    assert ask("query")["page"]["totalElements"] == 1
    assert ask("history", "O1") == before


# --- check


def test_a_path_is_checked_as_the_engine_checks_it(oms: Oms, ask: Ask) -> None:
    wire = ask("check", "--from", "LIVE", "FILLED", "CLOSED")
    with Engine.open() as engine:
        assert wire == engine.check(from_state="LIVE", path=["FILLED", "CLOSED"]).to_wire()
    shown = in_lines(oms("check", "--from", "LIVE", "FILLED", "CLOSED").stdout)
    assert "possible LIVE -> FILLED -> CLOSED profile standard nothing follows" in shown


def test_a_path_that_is_not_possible_exits_with_one(oms: Oms, ask: Ask) -> None:
    assert ask("check", "--from", "EXP", "CLOSED", "--profile", "standard")["valid"] is True
    wire = ask("check", "--from", "EXP", "CLOSED", "--profile", "matrix", code=REFUSED)
    assert (wire["failedFrom"], wire["failedTo"]) == ("EXP", "CLOSED")
    assert oms("check", "--from", "EXP", "CLOSED", "--profile", "matrix").stdout.startswith("not possible")


def test_a_check_can_start_from_an_order_or_before_its_creation(ask: Ask, db: str) -> None:
    assert ask("check", "--order", "O1", "FILLED", "--db", db)["path"] == ["LIVE", "FILLED"]
    assert [state["to"] for state in ask("check")["nextStates"]] == ["NEW"]
    assert ask("check", "NEW", "UNACK")["valid"] is True
    filled = ask("check", "--from", "FILLED")["nextStates"]
    assert [(state["to"], state["correction"]) for state in filled] == [("CLOSED", False), ("LIVE", True)]


def test_a_check_speaks_of_its_own_options(oms: Oms, db: str) -> None:
    assert "name it with --order" in in_lines(oms("check", "O1").stderr)
    assert "--order" not in oms("check", "--profile", "mine").stderr
    both = oms("check", "--from", "LIVE", "--order", "O1", "--db", db)
    assert "--order and --from both name a start" in in_lines(both.stderr)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--from", "LIFE"), "OMS-VAL-004"),
        (("LIFE",), "OMS-VAL-004"),
        (("--profile", "mine"), "OMS-VAL-004"),
        (("--order", "O1", "--from", "LIVE"), "OMS-VAL-001"),
    ],
)
def test_a_check_that_cannot_be_made_is_refused(words: tuple[str, ...], code: str, ask: Ask, db: str) -> None:
    assert ask("check", *words, "--db", db, code=REFUSED)["error"]["errorCode"] == code


# --- run

SCENARIO = f"""
id: one
title: one order is created
given:
  - {json.dumps(CREATE)}
expect:
  orders: {{O1: {{state: UNACK}}}}
"""


def test_a_scenario_of_the_documents_runs_by_its_name(oms: Oms, ask: Ask) -> None:
    wire = ask("run", "quantities#N9")
    assert (wire["passed"], wire["failed"]) == (1, 0)
    assert wire["runs"][0]["orders"][0]["avgPx"] == "10.70166667"
    shown = in_lines(oms("run", "quantities#N9").stdout)
    assert "passed N9: an average that must be rounded" in shown
    assert "step 4 ExecutionCreateCmd FILLED v8" in shown
    assert "1 of 1 scenarios passed" in shown


def test_all_scenarios_of_a_document_run_together(ask: Ask) -> None:
    wire = ask("run", "query-language")
    assert wire["passed"] == len(wire["runs"]) > 3
    assert {step["place"].split()[0] for run in wire["runs"] for step in run["steps"]} == {"given", "step"}


def test_a_file_of_scenarios_runs_whole_or_one_of_them(oms: Oms, ask: Ask) -> None:
    Path("two.yaml").write_text(f"{SCENARIO}---\n{SCENARIO.replace('id: one', 'id: two')}")
    assert ask("run", "two.yaml")["passed"] == 2
    assert [run["id"] for run in ask("run", "two.yaml#two")["runs"]] == ["two"]
    result = oms("run", "two.yaml#three")
    assert result.exit_code == MISUSED
    assert 'has no scenario "three"; it has one, two' in in_lines(result.stderr)


def test_the_scenario_blocks_of_a_markdown_file_run(oms: Oms, ask: Ask) -> None:
    Path("notes.md").write_text(f"# Notes\n\n```scenario{SCENARIO}```\n\n```yaml\nno: scenario\n```\n")
    assert [run["id"] for run in ask("run", "notes.md")["runs"]] == ["one"]
    Path("notes.md").write_text(f"# Notes\n\n```scenario{SCENARIO}extra: 1\n```\n")
    assert 'notes.md, line 10: "extra" is no key' in in_lines(oms("run", "notes.md").stderr).replace(
        "line 4", "line 10"
    )
    Path("empty.md").write_text("# Nothing\n")
    assert "has no scenario" in in_lines(oms("run", "empty.md").stderr)


def test_a_scenario_comes_from_standard_input(oms: Oms) -> None:
    assert oms("run", "-", stdin=SCENARIO).exit_code == OK


def test_an_expectation_that_differs_is_shown_and_exits_with_one(oms: Oms, ask: Ask) -> None:
    text = SCENARIO.replace("state: UNACK", "state: LIVE, price: null") + (
        "steps:\n  - do: {type: OrderPlaceCmd, orderId: O1}\n    expect: {status: OK}\n"
        "  - query: {where: [symbol=ACME]}\n    expect: {count: 2}\n"
        "  - check: {from: LIVE, path: [NEW]}\n    expect: {valid: true}\n"
        "  - query: {sort: orderId}\n    expect: {rows: [{state: LIVE}]}\n"
    )
    Path("bad.yaml").write_text(text)
    result = oms("run", "bad.yaml")
    assert result.exit_code == REFUSED
    shown = in_lines(result.stdout)
    assert "differs one: one order is created" in shown
    assert "step 1, line 9 status OK FAILED" in shown
    assert "step 1: order O1 is UNACK; OrderPlaceCmd needs NEW" in shown
    assert "query order symbol=ACME 1 found differs" in shown
    assert "order O1, line 7 state LIVE UNACK" in shown
    assert "order O1, line 7 price nothing 10.5" in shown
    assert "0 of 1 scenarios passed" in shown
    wire = ask("run", "bad.yaml", code=REFUSED)
    assert (wire["passed"], wire["failed"]) == (0, 1)
    assert {"place": "step 2", "line": 11, "field": "count", "expected": 2, "actual": 1} in wire["runs"][0][
        "differences"
    ]


def test_a_scenario_runs_for_real_on_a_database(oms: Oms, ask: Ask) -> None:
    Path("one.yaml").write_text(SCENARIO)
    assert oms("run", "one.yaml", "--db", "real.db").exit_code == OK
    assert ask("show", "O1", "--db", "real.db")["sessionId"] == "cli"
    Path("one.yaml").write_text(SCENARIO)
    assert oms("run", "one.yaml").exit_code == OK
    assert ask("query", "--db", "real.db")["page"]["totalElements"] == 1


def test_settings_hold_in_a_scenario_unless_it_has_its_own(oms: Oms) -> None:
    Path("one.yaml").write_text(SCENARIO)
    assert oms("run", "one.yaml", "--set", "routing=manual").exit_code == REFUSED
    Path("one.yaml").write_text(f"{SCENARIO}settings: {{routing: auto}}")
    assert oms("run", "one.yaml", "--set", "routing=manual").exit_code == OK
    result = oms("run", "one.yaml", "--set", "routing=manual", "--db", "real.db")
    assert result.exit_code == MISUSED
    assert "needs the setting routing" in in_lines(result.stderr)


def test_scenarios_of_which_one_needs_other_settings_write_nothing_at_all(oms: Oms, ask: Ask, db: str) -> None:
    second = SCENARIO.replace("id: one", "id: two\nsettings: {routing: manual}")
    Path("two.yaml").write_text(f"{SCENARIO.replace('O1', 'O2').replace('C1', 'C2')}---\n{second}")
    before = ask("query", "--entity", "event", "--db", db)
    for name in (db, "new.db"):
        result = oms("run", "two.yaml", "--db", name)
        assert result.exit_code == MISUSED
        assert "scenario two needs the setting routing" in in_lines(result.stderr)
    assert ask("query", "--entity", "event", "--db", db) == before
    assert not Path("new.db").exists()


def test_an_id_that_stands_in_two_blocks_of_a_file_is_refused(oms: Oms) -> None:
    Path("notes.md").write_text(f"# Notes\n\n```scenario{SCENARIO}```\n\n```scenario{SCENARIO}```\n")
    result = oms("run", "notes.md")
    assert result.exit_code == MISUSED
    assert 'notes.md, line 13: id "one" is used twice; rename one' in in_lines(result.stderr)


def test_a_scenario_that_compares_nothing_says_so(oms: Oms, ask: Ask) -> None:
    Path("mute.yaml").write_text(SCENARIO.partition("expect:")[0])
    assert "passed one: one order is created (nothing was compared)" in in_lines(oms("run", "mute.yaml").stdout)
    (run,) = ask("run", "mute.yaml")["runs"]
    assert (run["passed"], run["compared"]) == (True, 0)
    assert "nothing was compared" not in oms("run", "quantities#N9").stdout


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nothing", 'there is no file "nothing", and no document'),
        ("quantities#N99", "no scenario 'N99' in concepts/quantities.md"),
        ("nothing.yaml", '"nothing.yaml" cannot be read'),
        ("../../etc/passwd", "there is no file"),
        ("project/architecture", "has no scenario"),
        ("broken.yaml", "broken.yaml, line 3: no YAML"),
    ],
)
def test_a_scenario_that_cannot_be_read_is_typed_wrongly(target: str, words: str, oms: Oms) -> None:
    Path("broken.yaml").write_text("id: a\ntitle: b\n}")
    result = oms("run", target)
    assert result.exit_code == MISUSED
    assert words in in_lines(result.stderr)


# --- settings


def test_a_setting_holds_for_the_engine_that_is_opened(ask: Ask) -> None:
    assert ask("exec", CREATE, "--set", "routing=manual")["state"] == "NEW"
    assert ask("exec", CREATE, "--set", "maxOrderQty=999", code=REFUSED)["error"]["errorCode"] == "OMS-VAL-005"
    roles = '{"OrderCreateCmd": ["ann"]}'
    wire = ask("exec", CREATE, "--set", f"roles={roles}", "--set", "routing = manual", code=REFUSED)
    assert wire["error"]["errorCode"] == "OMS-AUTH-003"


@pytest.mark.parametrize(
    "text", ['{"routing": "manual", "whack.fourEyes": false}', "routing: manual\nwhack.fourEyes: false\n"]
)
def test_settings_come_from_a_file_and_options_win(text: str, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("settings").write_text(text)
    monkeypatch.setenv("OMS_SETTINGS", "settings")
    assert ask("exec", CREATE)["state"] == "NEW"
    assert ask("exec", CREATE, "--set", "routing=auto")["state"] == "UNACK"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rooting: manual", 'OMS_SETTINGS settings: setting "rooting" is unknown; did you mean routing?'),
        ("routing: sideways", "OMS_SETTINGS settings: setting routing cannot be"),
        ("- routing", "must hold one mapping of dotted names"),
        ("routing: auto\n---\nrouting: auto", "must hold one mapping"),
        ("routing: &a auto", "OMS_SETTINGS settings, line 1: anchors"),
        ("a: b: c", "OMS_SETTINGS settings, line 1: no YAML"),
        ('{"routing": }', "OMS_SETTINGS settings, line 1: no JSON"),
        ('{"routing": "auto", "routing": "auto"}', "stands twice"),
        ("", "must hold one mapping"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_typed_wrongly(
    text: str, words: str, oms: Oms, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("settings").write_text(text)
    monkeypatch.setenv("OMS_SETTINGS", "settings")
    result = oms("exec", CREATE)
    assert result.exit_code == MISUSED
    assert words in in_lines(result.stderr)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("routing", '--set "routing" is no KEY=VALUE'),
        ("=manual", "is no KEY=VALUE"),
        ("rooting=manual", "did you mean routing?"),
        ("routing=sideways", "setting routing cannot be"),
        ("maxOrderQty=-1", "setting maxOrderQty cannot be"),
    ],
)
@pytest.mark.parametrize(
    "command", [("exec", "{}"), ("run", "quantities#N1"), ("check",), ("serve",), ("query", "--db", "x")]
)
def test_a_setting_that_cannot_be_used_is_typed_wrongly(
    command: tuple[str, ...], pair: str, words: str, oms: Oms
) -> None:
    result = oms(*command, "--set", pair)
    assert result.exit_code == MISUSED
    assert words in in_lines(result.stderr)


def test_a_settings_file_that_is_not_there_is_typed_wrongly(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_SETTINGS", "none.yaml")
    assert oms("exec", CREATE).exit_code == MISUSED


# --- kb


def test_a_search_answers_a_machine_with_hits_and_their_citations(oms: Oms, ask: Ask) -> None:
    wire = ask("kb", "search", "leavesQty of a cancelled order", "--mode", "keyword", "--limit", "3")
    assert set(wire) >= {"hits", "mode", "semantic", "lowConfidence"}
    assert set(wire["hits"][0]) == {
        "citation",
        "path",
        "anchor",
        "breadcrumb",
        "startLine",
        "endLine",
        "excerpt",
        "score",
    }
    result = oms("kb", "search", "leavesQty of a cancelled order", "--mode", "keyword", "--limit", "3")
    assert f"oms kb read {wire['hits'][0]['citation']}" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines() if "kb read" not in line)


def test_a_search_can_be_narrowed(ask: Ask) -> None:
    wire = ask("kb", "search", "cancel", "--category", "concepts", "--status", "stable", "--mode", "keyword")
    assert {hit["path"].split("/")[0] for hit in wire["hits"]} == {"concepts"}


@pytest.mark.parametrize(
    "words",
    [
        ("search", ""),
        ("search", "x", "--mode", "guess"),
        ("search", "x", "--mode", "keyword", "--category", "novels"),
        ("search", "x", "--mode", "keyword", "--limit", "0"),
        ("read", "nothing"),
        ("read", "order-lifecycle#nothing"),
        ("read", "../../etc/passwd"),
        ("read", "order-lifecycle", "--offset", "-1"),
        ("read", "order-lifecycle", "--limit", "0"),
        ("read", "order-lifecycle#2-states", "--anchor", "3-transitions"),
    ],
)
def test_what_the_library_refuses_is_one_sentence(words: tuple[str, ...], oms: Oms, ask: Ask) -> None:
    result = oms("kb", *words)
    assert result.exit_code == REFUSED
    assert "refused" in result.stderr
    out_of_bounds = {"--offset", "--limit"} & {*words}
    assert ask("kb", *words, code=REFUSED)["error"]["errorCode"] == ("OMS-VAL-005" if out_of_bounds else "OMS-VAL-004")


def test_a_document_is_read_as_it_stands_and_in_pages(oms: Oms, ask: Ask) -> None:
    wire = ask("kb", "read", "order-lifecycle", "--anchor", "2-states")
    assert set(wire) >= {"path", "anchor", "text", "startLine", "endLine", "outline"}
    assert oms("kb", "read", "order-lifecycle#2-states").stdout == wire["text"] + "\n"
    first = oms("kb", "read", "order-lifecycle", "--limit", "300")
    assert "the text goes on: --offset" in first.stderr


@pytest.mark.parametrize("columns", ["60", "20"])
def test_a_path_to_copy_is_never_broken(columns: str, oms: Oms, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    starts = {line.partition(" ")[0] for line in oms("kb", "overview").stdout.splitlines()}
    assert {document["path"] for document in ask("kb", "overview")["documents"]} <= starts


def test_the_overview_lists_every_document(oms: Oms, ask: Ask) -> None:
    wire = ask("kb", "overview")
    shown = oms("kb", "overview").stdout
    assert all(document["path"] in shown for document in wire["documents"])


# --- doctor


def test_the_doctor_finds_everything_in_place(oms: Oms, ask: Ask, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_CACHE_DIR", "cache")
    wire = ask("doctor", "--db", db)
    found = {check["name"]: check for check in wire["checks"]}
    assert wire["ok"] is True
    assert list(found) == [
        "python",
        "packages",
        "semantic search",
        "sqlite",
        "knowledge base",
        "model and index",
        "cache folder",
        "settings",
        "database",
    ]
    assert "1 order, 4 events, journal wal" in found["database"]["detail"]
    assert "WAL works" in found["sqlite"]["detail"]
    assert found["model and index"]["status"] == "note"
    assert "all well" in oms("doctor").stdout


def _of_another() -> None:
    with sqlite3.connect("bad.db") as connection:
        connection.execute("CREATE TABLE mine (x)")


def _newer() -> None:
    Engine.open("bad.db").close()
    with sqlite3.connect("bad.db") as connection:
        connection.execute("PRAGMA user_version = 99")


def _no_database() -> None:
    Path("bad.db").write_text("a letter, long enough to be taken for the header of a database file at a glance" * 5)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_of_another, "belongs to another program"),
        (_newer, "newer schema version 99"),
        (_no_database, "not a database"),
    ],
)
def test_the_doctor_finds_a_database_that_cannot_be_used(
    spoil: Callable[[], None], words: str, oms: Oms, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMS_CACHE_DIR", "cache")
    spoil()
    wire = ask("doctor", "--db", "bad.db", code=REFUSED)
    assert wire["ok"] is False
    assert words in wire["checks"][-1]["detail"]
    assert wire["checks"][-1]["remedy"]
    result = oms("doctor", "--db", "bad.db")
    assert "problems found" in result.stdout


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (("--db", "/no/such/x.db"), {}, "the folder of /no/such/x.db does not exist"),
        (("--db", "."), {}, "is a folder"),
        (("--set", "rooting=manual"), {}, "did you mean routing?"),
        ((), {"OMS_SETTINGS": "nofile"}, 'OMS_SETTINGS "nofile" cannot be read'),
    ],
)
def test_the_doctor_finds_what_every_command_would_stumble_over(
    words: tuple[str, ...], environment: dict[str, str], told: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"OMS_CACHE_DIR": "cache", **environment}.items():
        monkeypatch.setenv(name, value)
    (found,) = [check for check in ask("doctor", *words, code=REFUSED)["checks"] if check["status"] == "problem"]
    assert told in found["detail"]
    assert found["remedy"]


@pytest.mark.slow
@pytest.mark.usefixtures("by_meaning")
def test_the_doctor_gives_no_advice_beside_that_of_a_variable(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("kb", "index")
    monkeypatch.setenv("OMS_KB_CHROMA_FROM", "many")
    (found,) = [check for check in ask("doctor", code=REFUSED)["checks"] if check["status"] == "problem"]
    assert found["detail"].startswith("OMS_KB_CHROMA_FROM is 'many'; give from how many passages")
    assert "remedy" not in found


def test_the_doctor_creates_nothing(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_CACHE_DIR", "cache")
    wire = ask("doctor", "--db", "new.db")
    assert "does not exist yet" in wire["checks"][-1]["detail"]
    assert list(Path().iterdir()) == []


def test_the_doctor_tells_a_cache_folder_that_cannot_be_written(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("OMS_CACHE_DIR", "file/cache")
    found = {check["name"]: check for check in ask("doctor")["checks"]}
    assert found["cache folder"]["status"] == "note"
    assert "OMS_CACHE_DIR" in found["cache folder"]["remedy"]


def test_the_doctor_names_packages_that_are_missing(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_CACHE_DIR", "cache")
    monkeypatch.setattr(doctor, "PACKAGES", ("rich", "no-such-package"))
    monkeypatch.setattr(doctor, "EXTRAS", ("no-such-extra",))
    found = {check["name"]: check for check in ask("doctor", code=REFUSED)["checks"]}
    assert (found["packages"]["status"], found["semantic search"]["status"]) == ("problem", "note")
    assert "no-such-package missing" in found["packages"]["detail"]
    assert 'pip install "oms-mcp[semantic]"' in found["semantic search"]["remedy"]


def test_the_doctor_finds_a_damaged_database(ask: Ask, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_CACHE_DIR", "cache")
    file = Path(db)
    file.write_bytes(file.read_bytes()[:4096] + b"x" * 8192 + file.read_bytes()[12288:])
    assert ask("doctor", "--db", db, code=REFUSED)["checks"][-1]["status"] == "problem"


# --- at a terminal


@pytest.fixture
def _terminal(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - it comes after what plain takes away
    monkeypatch.setenv("FORCE_COLOR", "1")


@pytest.mark.usefixtures("_terminal")
def test_at_a_terminal_states_have_colours_unless_they_are_unwanted(
    oms: Oms, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b[32mLIVE" in oms("query", "--db", db).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in oms("query", "--db", db).stdout


@pytest.mark.usefixtures("_terminal")
def test_at_a_terminal_documents_are_rendered_and_long_work_shows_a_bar(oms: Oms, db: str) -> None:
    rendered = oms("kb", "read", "order-lifecycle#2-states").stdout
    assert "### 2" not in rendered
    assert "States" in rendered
    assert "rebuilding" in oms("rebuild", "--db", db).stderr


def test_piped_on_long_work_tells_once_that_it_has_begun(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress("digging") as tell:
        assert capsys.readouterr().err == ""
        tell(1, 3)
        tell(2, 3)
    assert capsys.readouterr().err == "note: digging ...\n"


# --- help and usage


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_every_command_has_help_and_an_example(words: tuple[str, ...], oms: Oms) -> None:
    result = oms(*words, "--help")
    assert result.exit_code == OK
    if words not in {(), *((group,) for group in GROUPS)}:
        assert f"oms {' '.join(words)}" in result.stdout.partition("Examples:")[2]
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_list_of_commands_under_test_is_complete() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {words[0] for words in HELP if len(words) == 1} - set(GROUPS) == names
    for name, group in GROUPS.items():
        told = {words[1] for words in HELP if words[:1] == (name,) and len(words) == 2}
        assert told == {
            command.name or command.callback.__name__ for command in group.registered_commands if command.callback
        }


def test_the_examples_of_the_help_can_be_typed(oms: Oms, db: str) -> None:
    for command in app.registered_commands:
        for line in (command.epilog or "").split("\n\n")[1:]:
            words = shlex.split(line.replace("\\[", "["))
            if words[:2] in (
                ["oms", "query"],
                ["oms", "show"],
                ["oms", "history"],
                ["oms", "replay"],
                ["oms", "events"],
                ["oms", "check"],
                ["oms", "rebuild"],
                ["oms", "spec"],
            ):
                words = words[: words.index(">")] if ">" in words else words
                once = ["--after", "1", "--limit", "1"] if "--follow" in words else []
                typed = [*(db if word == "orders.db" else word for word in words[1:]), *once]
                assert oms(*typed).exit_code == OK or "matrix" in line, line


def test_the_version_is_told(oms: Oms) -> None:
    assert re.fullmatch(r"oms \d+\.\d+\.\d+\n", oms("--version").stdout)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("fly",),
        ("kb",),
        ("kb", "burn"),
        ("exec",),
        ("exec", "{}", "--hard"),
        ("exec", "{}", "--db"),
        ("show",),
        ("history", "O1", "--after", "x"),
        ("history", "O1", "--limit", "0"),
        ("kb", "search"),
        ("kb", "search", "x", "--limit", "many"),
        ("rebuild", "now"),
        ("serve", "--toolsets", "nothing"),
        ("serve", "--tools", "get_ordr"),
        ("serve", "--exclude-tools", "nothing"),
        ("serve", "--read-only", "--tools", "quote"),
        ("serve", "--read-only", "--db", "none.db"),
        ("serve", "--max-result-tokens", "10"),
    ],
)
def test_what_is_typed_wrongly_exits_with_two(words: tuple[str, ...], oms: Oms) -> None:
    result = oms(*words)
    assert result.exit_code == MISUSED
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("fly",), "OMS-VAL-004", "No such command"),
        (("query",), "OMS-VAL-004", "give --db PATH"),
        (("exec", "{}", "--hard"), "OMS-VAL-004", "No such option"),
        (("exec", "nofile"), "OMS-VAL-004", "cannot be read"),
        (("exec", "{}", "--set", "a=b"), "OMS-VAL-004", "unknown"),
        (("run", "broken.yaml"), "OMS-VAL-004", "no YAML"),
        (("exec", "{}", "--db", "."), "OMS-VAL-004", "is a folder"),
        (("exec", "{}", "--db", "no/x.db"), "OMS-DATA-002", "folder"),
    ],
)
def test_what_is_typed_wrongly_is_told_to_a_machine_as_a_problem(
    words: tuple[str, ...], code: str, told: str, oms: Oms, ask: Ask
) -> None:
    Path("broken.yaml").write_text("}")
    error = ask(*words, code=MISUSED)["error"]
    assert error["errorCode"] == code
    assert told in error["detail"]
    assert error["hint"]
    assert oms(*words, "--json").stderr == ""


def test_messages_for_people_name_commands_and_leave_what_is_quoted(oms: Oms, ask: Ask, db: str) -> None:
    refused = {"type": "OrderAcceptCmd", "orderId": "read_kb"}
    shown = in_lines(oms("exec", refused, "--db", db).stdout)
    assert 'order "read_kb" does not exist; oms query finds its orderId' in shown
    assert "way out find the orderId with oms query" in shown
    assert "search_orders" in ask("exec", refused, "--db", db, code=REFUSED)["error"]["hint"]
    busted = {"type": "ExecutionBustCmd", "execId": "E9", "requestedBy": "ann", "reason": "x"}
    assert "find the execId with oms show" in in_lines(oms("exec", busted, "--db", db).stdout)


def test_the_help_of_serve_lists_the_toolsets() -> None:
    from oms_mcp.server import DEFAULT_TOOLSETS, TOOLSETS  # noqa: PLC0415 - the command line does without the server

    listed = re.findall(r"\w+(?=,| \()", serving.TOOLSETS)
    assert listed == [*TOOLSETS]
    assert listed[: len(DEFAULT_TOOLSETS)] == [*DEFAULT_TOOLSETS]


def test_every_command_of_the_engine_can_be_sent(ask: Ask) -> None:
    for name in COMMANDS:
        wire = ask("exec", {"type": name}, code=REFUSED)
        assert wire["error"]["errorCode"] != "OMS-SYS-001"


def test_texts_of_others_cannot_speak_to_the_terminal(oms: Oms, ask: Ask) -> None:
    order = {**ORDER, "text": "[red]x[/red] :smile: \u202e", "symbol": "[b]A"}
    wire = ask("exec", {**CREATE, "order": order}, "--db", "x.db")
    assert wire["status"] == "OK"
    shown = oms("show", "O1", "--db", "x.db").stdout
    assert "[red]x[/red] :smile: \\u202e" in shown
    assert "[b]A" in oms("query", "--db", "x.db").stdout
    hostile = oms("exec", {"type": "\x1b[2J", "\x1b]0;x\x07": 1})
    assert "\x1b" not in hostile.output
    assert "\x07" not in hostile.output


# --- real processes


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    def run(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from oms_mcp.cli import main; main()", *words],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": "/usr/bin:/bin", "HOME": str(Path.cwd()), **elsewhere, **environment},
        )

    elsewhere = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return run


Process = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
def test_a_life_of_an_order_from_process_to_process(process: Process) -> None:
    db = ("--db", "real.db")
    assert process("exec", "-", *db, stdin=f"{json.dumps(CREATE)}\n{json.dumps(ACCEPT)}").returncode == OK
    assert process("exec", json.dumps(FILL), *db).returncode == OK
    refused = process("exec", json.dumps(ACCEPT), *db)
    assert refused.returncode == REFUSED
    citation = re.findall(r"oms kb read (\S+)", refused.stdout)[0]
    assert "LIF-01" in process("kb", "read", citation).stdout
    shown = json.loads(process("show", "O1", "--json", OMS_DB="real.db").stdout)
    assert shown["cumQty"] == "300"
    assert process("show", "O9", *db).returncode == REFUSED
    assert process("show", "O1").returncode == MISUSED


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("--help",), ("exec", json.dumps(CREATE)), ("run", "quantities#N1"), ("kb", "overview")]
)
def test_starting_loads_neither_protocol_nor_models(words: tuple[str, ...]) -> None:
    heavy = ("mcp", "mcp_types", "chromadb", "torch", "sentence_transformers", "numpy", "onnxruntime", "sqlite_utils")
    program = (
        "import sys; from oms_mcp.cli import app\n"
        f"try: app({list(words)!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_serving_answers_the_handshake_over_standard_input_and_output(process: Process) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    done = process(
        "serve", "--db", "x.db", "--toolsets", "orders", "--set", "routing=manual", stdin=json.dumps(hello) + "\n"
    )
    assert done.returncode == OK
    assert json.loads(done.stdout.splitlines()[0])["result"]["serverInfo"]["name"] == "oms-mcp"
    assert Path("x.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (("--read-only", "--exclude-tools", "read_kb,search_kb,simulate", "--max-result-tokens", "2000"), {}),
        (
            (),
            {"OMS_READ_ONLY": "1", "OMS_EXCLUDE_TOOLS": "read_kb,search_kb,simulate", "OMS_MAX_RESULT_TOKENS": "2000"},
        ),
        (("--tools", "search_orders,get_order,order_history,check_transitions"), {}),
        ((), {"OMS_TOOLS": "search_orders,get_order,order_history,check_transitions"}),
    ],
)
def test_what_a_server_offers_is_said_by_options_or_variables(
    words: tuple[str, ...], environment: dict[str, str], process: Process, ask: Ask
) -> None:
    ask("exec", {"type": "OrderCreateCmd", "order": ORDER}, "--db", "x.db")
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    done = process("serve", "--db", "x.db", *words, stdin="\n".join(map(json.dumps, asked)), **environment)
    assert done.returncode == OK
    listed = json.loads(done.stdout.splitlines()[-1])["result"]["tools"]
    assert [tool["name"] for tool in listed] == ["search_orders", "get_order", "order_history", "check_transitions"]


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_escapes_and_no_traceback(process: Process) -> None:
    for words in (("exec", '{"type": "é"}'), ("exec", '{"type": "é"}', "--json"), ("kb", "overview")):
        done = process(*words, PYTHONIOENCODING="ascii")
        assert "Traceback" not in done.stderr
    wire = json.loads(process("exec", '{"type": "é"}', "--json", PYTHONIOENCODING="ascii").stdout)
    assert wire["error"]["errorCode"] == "OMS-VAL-004"


@pytest.mark.slow
@pytest.mark.parametrize("words", ["kb overview", "check --json", "kb read validation-rules --limit 200000"])
def test_an_answer_that_cannot_be_written_is_one_line(words: str) -> None:
    command = f"{sys.executable} -c 'from oms_mcp.cli import main; main()' {words} 1< /dev/null"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == MISUSED
    assert done.stderr == "oms: the answer cannot be written: Bad file descriptor\n"


@pytest.mark.slow
def test_a_reader_that_goes_away_early_causes_no_traceback() -> None:
    command = (
        f"{sys.executable} -c 'from oms_mcp.cli import main; main()' kb read validation-rules --limit 200000 | head -1"
    )
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "# Validation rules\n"
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("by_meaning")
def test_a_search_by_meaning_finds_what_is_said_in_other_words(ask: Ask) -> None:
    wire = ask("kb", "search", "what if the exchange undoes a trade after everything was done", "--limit", "5")
    assert wire["semantic"] == "ready"
    assert any("bust" in hit["citation"] for hit in wire["hits"])


@pytest.mark.slow
@pytest.mark.usefixtures("by_meaning")
def test_the_index_is_built_with_a_report_and_quick_the_second_time(oms: Oms, ask: Ask) -> None:
    assert "the index holds" in oms("kb", "index").stdout
    assert ask("kb", "index")["chunks"] > 100
    found = {check["name"]: check for check in ask("doctor")["checks"]}
    assert found["model and index"]["status"] == "ok"


@pytest.mark.usefixtures("by_meaning")
def test_an_index_that_could_not_be_kept_is_not_built(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OMS_CACHE_DIR", str(tmp_path / "file"))
    error = ask("kb", "index", code=REFUSED)["error"]
    assert "cannot be written" in error["detail"]
    assert "set OMS_CACHE_DIR" in error["detail"]


def test_a_search_that_is_refused_builds_nothing(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_CACHE_DIR", str(tmp_path / "cache"))
    assert ask("kb", "search", "x", "--limit", "0", code=REFUSED)["error"]["errorCode"] == "OMS-VAL-005"
    assert not [*(tmp_path / "cache").glob("index/*")]


def test_a_document_that_is_not_there_is_answered_with_those_nearest(ask: Ask) -> None:
    error = ask("kb", "read", "nope", code=REFUSED)["error"]
    assert re.search(r"nearest: \w+/[\w-]+\.md, ", error["detail"])


@pytest.mark.parametrize(
    "words", [("show", "O1", "--as-of", ""), ("query", "--as-of", " "), ("query", "--cursor", "")], ids=lambda w: w[-2]
)
def test_an_option_that_is_typed_empty_is_not_taken_for_none(words: tuple[str, ...], oms: Oms, db: str) -> None:
    result = oms(*words, "--db", db)
    assert result.exit_code == MISUSED
    assert "is empty; give a value, or leave it out" in " ".join(result.stderr.replace("│", " ").split())


# --- what a command leaves behind


def test_a_command_that_creates_a_database_says_so(oms: Oms) -> None:
    assert "note: created new.db" in oms("exec", CREATE, "--db", "new.db").stderr
    assert "created" not in oms("exec", ACCEPT, "--db", "new.db").stderr
    assert "note: created limits.db" in oms("settings", "set", "maxOrderQty=5", "--db", "limits.db").stderr


@pytest.mark.parametrize(
    "words",
    [
        ("exec", ACCEPT),
        ("exec", [ACCEPT, ACCEPT]),
        ("exec", [CREATE, {**ACCEPT, "orderId": "O2"}], "--atomic"),
        ("exec", ACCEPT, "--set", "maxOrderQty=5"),
        ("exec", [ACCEPT] * 10_001),
        ("settings", "set", "maxOrderQty=abc"),
        ("settings", "price", "IBM", "abc"),
    ],
    ids=lambda words: " ".join(str(word)[:20] for word in words),
)
def test_what_is_refused_as_a_whole_creates_no_database(words: tuple[object, ...], oms: Oms) -> None:
    result = oms(*words, "--db", "new.db")
    assert result.exit_code in {REFUSED, MISUSED}
    assert "created" not in result.stderr.replace("none is created", "")
    assert not Path("new.db").exists()


def test_a_batch_that_is_done_in_part_creates_the_database(oms: Oms) -> None:
    assert oms("exec", [ACCEPT, CREATE], "--db", "new.db").exit_code == REFUSED
    assert oms("show", "O1", "--db", "new.db").exit_code == OK


def test_a_setting_that_is_stored_with_a_refused_command_is_told(oms: Oms, db: str) -> None:
    words = ("exec", {"type": "OrderAcceptCmd", "orderId": "none"}, "--set", "maxOrderQty=5", "--db", db)
    told = oms(*words)
    assert told.exit_code == REFUSED
    assert "note: set maxOrderQty=5 in" in " ".join(told.stderr.split())
    assert "note: set" not in oms(*words).stderr, "it was set before"


@pytest.mark.parametrize("words", [("exec", "{}", "--set", "a=1", "--set", "a=2"), ("settings", "set", "a=1", "a=2")])
def test_a_setting_that_is_given_twice_is_refused_with_both(words: tuple[str, ...], oms: Oms) -> None:
    result = oms(*words, "--db", "new.db", "--json")
    assert result.exit_code == MISUSED
    detail = json.loads(result.stdout)["error"]["detail"]
    assert "a=1" in detail
    assert "a=2" in detail
    assert not Path("new.db").exists()


# --- the words of the command line


@pytest.mark.parametrize(
    ("words", "field", "code"),
    [
        (("replay", "O1", "--to", "v99"), "--to", REFUSED),
        (("replay", "O1", "--from", "v99"), "--from", REFUSED),
        (("show", "O1", "--as-of", "v99"), "--as-of", REFUSED),
        (("show", "O1", "--as-of", "vx"), "--as-of", MISUSED),
        (("query", "--page", "1.5"), "--page", MISUSED),
    ],
)
def test_an_option_is_named_as_it_is_typed(words: tuple[str, ...], field: str, code: int, ask: Ask, db: str) -> None:
    error = ask(*words, "--db", db, code=code)["error"]
    assert [found["field"] for found in error["violations"]] == [field]


def test_a_machine_is_told_commands_and_not_tools(ask: Ask, db: str) -> None:
    error = ask("show", "O9", "--db", db, code=REFUSED)["error"]
    assert "oms query finds its orderId" in error["detail"]
    assert error["hint"] == "find the orderId with oms query"


def test_the_way_out_of_a_missing_database_names_the_option(ask: Ask) -> None:
    assert (
        ask("show", "O1", "--db", "none.db", code=MISUSED)["error"]["hint"] == "name a database that exists with --db"
    )
    assert ask("show", "O1", code=MISUSED)["error"]["hint"] == "give --db PATH"


def test_a_replay_that_cannot_wait_says_so(oms: Oms, db: str) -> None:
    for more in ((), ("--json",)):
        assert "--step waits only at a terminal" in oms("replay", "O1", "--step", *more, "--db", db).stderr


@pytest.mark.parametrize("ended", [KeyboardInterrupt, EOFError])
def test_a_replay_is_left_without_a_fault(
    ended: type[BaseException], oms: Oms, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave() -> None:
        raise ended

    monkeypatch.setattr("oms_mcp.printing.terminal.pause", leave)
    result = oms("replay", "O1", "--step", "--db", db)
    assert (result.exit_code, "Aborted" in result.stderr) == (OK, False)
