"""Can somebody who only has the command line replay a FIX log, read what differs, and write one?"""

import io
import json
from pathlib import Path
from typing import BinaryIO

import pytest

from oms_engine import Engine
from oms_mcp.cli import fix
from tests.oms_engine.desk import Desk
from tests.oms_engine.simulation.fix.logs import Log
from tests.oms_mcp.conftest import Oms
from tests.oms_mcp.snapshot import same

OK, REFUSED, MISUSED = 0, 1, 2
UGLY = Path(__file__).parents[1] / "data" / "fix"
GOOD = Log().live().fill(1000, "10.5", 1000, 0, "10.5")

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def log(plain: None) -> str:  # noqa: ARG001 - the folder that it is written to
    """A log without differences."""
    Path("good.fix").write_bytes(GOOD.data)
    return "good.fix"


def ugly(name: str) -> str:
    """A copy of an ugly log under its own name, so that no path of this machine is printed."""
    Path(name).write_bytes((UGLY / name).read_bytes())
    return name


def test_a_log_that_agrees_says_so_and_counts(log: str, oms: Oms) -> None:
    result = oms("replay-fix", log)
    assert result.exit_code == OK
    lines = result.stdout.splitlines()
    assert lines[0] == "agrees  good.fix: every message that was replayed says what the engine says"
    assert lines[2:5] == [
        "type  message          agree  differ  not replayed  all",
        "8     ExecutionReport      2       0             0    2",
        "D     NewOrderSingle       1       0             0    1",
    ]
    assert "orders at the end: 1 FILLED" in lines
    assert (
        f"{len(GOOD.data):,} bytes: {len(GOOD.data) - 3:,} agree, 0 differ, 0 are not replayed, 0 cannot be read, "
        in (result.stdout)
    )


def test_a_log_that_cannot_be_read_in_part_says_so_first(oms: Oms) -> None:
    result = oms("replay-fix", ugly("truncated.fix"))
    assert result.exit_code == OK
    assert result.stdout.splitlines()[0].startswith(
        "agrees in part  truncated.fix: 2 messages cannot be read; all others"
    )
    assert oms("replay-fix", "truncated.fix", "--strict").exit_code == REFUSED


def test_a_difference_is_told_with_place_cause_and_the_section_that_explains_it(oms: Oms) -> None:
    result = oms("replay-fix", ugly("overfill.fix"))
    assert result.exit_code == REFUSED
    assert "differs  overfill.fix: 2 messages with 2 values, 2 explained, 0 not" in result.stdout
    lines = result.stdout.splitlines()
    first = lines.index("1. ExecType (150): log Trade (F), engine refused")
    assert lines[first + 1 : first + 5] == [
        "   line 4, MsgSeqNum 3 of MARKET, ClOrdID C1, order ORD-1",
        "   RULE: OMS-EXEC-004: lastQty 600 is more than the 400 that order ORD-1 still",
        "   has open",
        "   oms kb read framework/validation-rules.md#45-ex-05-a-fill-fits-into-the-open-quantity",
    ]


def test_a_program_gets_the_whole_account(oms: Oms) -> None:
    result = oms("replay-fix", ugly("gaps.fix"), "--json")
    assert result.exit_code == REFUSED
    wire = json.loads(result.stdout)
    assert (wire["log"], wire["agrees"], wire["spotless"]) == ("gaps.fix", False, False)
    assert sum(wire["verdicts"].values()) == wire["pieces"] == 7
    assert sum(wire["verdictSizes"].values()) + wire["between"] == wire["size"]
    assert wire["differences"][0] == {
        "place": {"number": 4, "line": 4, "offset": 422, "msgSeqNum": "5", "msgType": "8", "sender": "MARKET"},
        "clOrdId": "C1",
        "orderId": "ORD-1",
        "tag": 14,
        "field": "CumQty (14)",
        "log": "400",
        "engine": "200",
        "cause": "GAP",
        "explanation": "MsgSeqNum 3 to 4 are missing, which MARKET sent",
        "citation": "contracts/fix-log.md#5-what-is-compared",
    }
    assert wire["directions"][1] == {"sender": "MARKET", "target": "HOUSE", "messages": 5, "sessions": 1, "missing": 2}


def test_strict_asks_for_a_log_without_a_blemish(log: str, oms: Oms) -> None:
    assert oms("replay-fix", log, "--strict").exit_code == OK
    assert oms("replay-fix", ugly("truncated.fix")).exit_code == OK
    assert oms("replay-fix", ugly("truncated.fix"), "--strict").exit_code == REFUSED
    assert oms("replay-fix", ugly("two-sessions.fix"), "--strict").exit_code == OK


def test_a_log_may_come_from_standard_input(oms: Oms) -> None:
    result = oms("replay-fix", "-", stdin=GOOD.data)
    assert result.exit_code == OK
    assert result.stdout.startswith("agrees  -: ")


def test_the_orders_are_kept_in_a_new_database_when_one_is_named(log: str, oms: Oms) -> None:
    result = oms("replay-fix", log, "--db", "from-log.db")
    assert result.exit_code == OK
    assert "created from-log.db" in result.stderr
    with Engine.open("from-log.db") as engine:
        order = engine.find("ORD-1")
        assert (order.state, str(order.created_at)) == ("FILLED", "2026-01-05 09:00:01+00:00")
        assert engine.verify().sound
    again = oms("replay-fix", log, "--db", "from-log.db")
    assert again.exit_code == MISUSED
    assert "is there already" in again.stderr


def test_nothing_is_kept_without_the_option(log: str, oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_DB", "never.db")
    assert oms("replay-fix", log).exit_code == OK
    assert not Path("never.db").exists()


def test_settings_hold_for_the_replay(oms: Oms) -> None:
    Path("no-ack.fix").write_bytes(Log().new().fill(400, "10.5", 400, 600, "10.5").data)
    assert oms("replay-fix", "no-ack.fix").exit_code == REFUSED
    assert oms("replay-fix", "no-ack.fix", "--set", "lifecycle.profile=desk").exit_code == OK


def test_an_account_and_garbled_messages_may_be_allowed(oms: Oms) -> None:
    Path("edited.fix").write_bytes(Log().live(t1=None).data.replace(b"55=ACME", b"55=XXXX"))
    assert oms("replay-fix", "edited.fix", "--garbled").exit_code == REFUSED
    result = oms("replay-fix", "edited.fix", "--garbled", "--account", "HOUSE")
    assert result.exit_code == OK
    assert "garbled" in result.stdout


def test_only_so_many_differences_are_shown(oms: Oms) -> None:
    result = oms("replay-fix", ugly("gaps.fix"), "--limit", "2")
    assert "2. LeavesQty (151)" in result.stdout
    assert "3. " not in result.stdout
    assert "and 4 more; --limit N shows up to 1,000, --json gives them to a program" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.fix"], '"missing.fix" cannot be read: No such file or directory'),
        (["."], '"." cannot be read: Is a directory'),
        (["empty.fix"], "empty.fix has no FIX message that can be read: it is empty"),
        (["words.txt"], "words.txt has no FIX message that can be read: holds no message"),
        (["good.fix", "--db", ""], "is empty; give a value"),
        (["good.fix", "--account", " "], "is empty; give a value"),
        (["good.fix", "--limit", "-1"], "greater than or equal to 0"),
        (["good.fix", "--set", "nonsense=1"], "nonsense"),
    ],
)
def test_what_cannot_be_used_is_told(arguments: list[str], words: str, oms: Oms) -> None:
    Path("good.fix").write_bytes(GOOD.data)
    Path("empty.fix").write_bytes(b"")
    Path("words.txt").write_bytes(b"these are words\n")
    result = oms("replay-fix", *arguments)
    assert result.exit_code == MISUSED
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""


def test_words_of_a_log_never_reach_the_terminal_as_control_characters(oms: Oms) -> None:
    told = {"t55": "\x1b[31mX", "t5000": "\x1b]0;x", "t58": "\x1b[2J"}
    Path("evil.fix").write_bytes(Log().live().fill(5, "1", 9, 9, "\x07[bold]x", **told).data)
    result = oms("replay-fix", "evil.fix")
    assert result.exit_code == REFUSED
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout
    assert r"log \x07[bold]x, engine 1" in result.stdout


def test_a_replay_that_is_broken_off_leaves_no_database() -> None:
    def interrupt(_done: int) -> None:
        raise KeyboardInterrupt

    stream: BinaryIO = io.BytesIO(GOOD.data)
    with pytest.raises(KeyboardInterrupt):
        fix._replayed(stream, "half.db", None, interrupt, account="", garbled=False)
    assert not list(Path().glob("half.db*"))


@pytest.mark.parametrize("columns", [80, 200])
def test_the_account_fits_the_terminal(columns: int, oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = oms("replay-fix", ugly("codes.fix")).stdout
    same(UGLY.parent / "screens", f"replay-fix-{columns}", shown)
    lines = shown.splitlines()
    tables = lines[: lines.index("orders at the end: 1 LIVE") - 1]
    assert max(map(len, tables)) <= columns


def test_a_log_of_which_nothing_is_replayed_says_so(oms: Oms) -> None:
    Path("old.fix").write_bytes(Log().new(t8="FIX.4.2").data)
    result = oms("replay-fix", "old.fix")
    assert result.exit_code == REFUSED
    assert result.stdout.startswith("nothing replayed  old.fix: not one message; the reasons are below\n")


@pytest.fixture
def db(plain: None) -> str:  # noqa: ARG001 - as above
    """A database with a filled order and one that works."""
    desk = Desk("orders.db")
    desk.given("FILLED")
    desk.given("PART")
    desk.engine.close()
    return "orders.db"


def test_a_database_is_written_as_a_log_that_replays_without_a_difference(db: str, oms: Oms) -> None:
    result = oms("write-fix", "market.fix", "--db", db)
    assert result.exit_code == OK
    assert result.stdout == "wrote 10 messages to market.fix: 2 orders that went to the market, 0 stayed in the house\n"
    assert Path("market.fix").read_bytes().count(b"\n") == 10
    again = json.loads(oms("replay-fix", "market.fix", "--strict", "--json").stdout)
    assert (again["agrees"], again["orders"]) == (True, {"LIVE": 1, "FILLED": 1})


def test_a_log_goes_to_standard_output_with_the_names_that_were_given(db: str, oms: Oms) -> None:
    result = oms("write-fix", "-", "--sender", "HOUSE", "--target", "NYSE", "--db", db)
    first = result.stdout_bytes.split(b"\n")[0]
    assert b"\x0135=A\x0149=HOUSE\x0156=NYSE\x01" in first


def test_a_program_gets_what_was_written(db: str, oms: Oms) -> None:
    wire = json.loads(oms("write-fix", "market.fix", "--json", "--db", db).stdout)
    assert wire == {
        "log": "market.fix",
        "messages": 10,
        "types": {"5": 2, "8": 4, "A": 2, "D": 2},
        "orders": 2,
        "inHouse": 0,
    }


def test_a_log_that_is_there_is_replaced_only_when_that_is_asked_for(db: str, oms: Oms) -> None:
    Path("market.fix").write_text("mine")
    refused = oms("write-fix", "market.fix", "--db", db)
    assert refused.exit_code in {REFUSED, MISUSED}
    assert "exists; choose another name" in " ".join(refused.stderr.replace("│", " ").split())
    assert Path("market.fix").read_text() == "mine"
    assert oms("write-fix", "market.fix", "--force", "--db", db).exit_code == OK
    assert not list(Path().glob("*.partial"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["market.fix", "--sender", ""], "--sender is no CompID"),
        (["market.fix", "--target", "x" * 65], "--target is no CompID"),
        (["market.fix", "--sender", "grün"], "--sender is no CompID"),
        (["market.fix", "--sender", "MARKET"], "--sender and --target are the same"),
        (["-", "--json"], "leave one of them out"),
        (["orders.db", "--force"], "is the database itself"),
    ],
)
def test_a_log_that_cannot_be_written_is_told(arguments: list[str], words: str, db: str, oms: Oms) -> None:
    result = oms("write-fix", *arguments, "--db", db)
    assert result.exit_code == MISUSED
    assert words in " ".join((result.stderr + result.stdout).replace("│", " ").split())
    with Engine.open(db) as engine:
        assert engine.counts()["orders"] == 2


def test_a_log_needs_a_database(oms: Oms) -> None:
    assert oms("write-fix", "market.fix").exit_code == MISUSED
    assert oms("write-fix", "market.fix", "--db", "missing.db").exit_code == MISUSED
    assert not Path("market.fix").exists()
