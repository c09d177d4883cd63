"""Does the command line show trees, allocations and quotes, expire what is over, and change settings?"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine
from oms_engine.settings import Settings
from tests.oms_mcp.conftest import Ask, Oms, Row

pytestmark = pytest.mark.usefixtures("plain")

OK, REFUSED, MISUSED = 0, 1, 2


def _create(order_id: str, quantity: str = "1000", **order: object) -> Row:
    terms = {"account": "A", "symbol": "IBM", "side": "BUY", "ordType": "LIMIT", "price": "100"}
    return {
        "type": "OrderCreateCmd",
        "order": {"orderId": order_id, "clOrdId": order_id, "orderQty": quantity, **terms, **order},
    }


def _accept(order_id: str) -> Row:
    return {"type": "OrderAcceptCmd", "orderId": order_id}


def _fill(order_id: str, exec_id: str, quantity: str) -> Row:
    return {
        "type": "ExecutionCreateCmd",
        "execution": {"orderId": order_id, "execId": exec_id, "lastQty": quantity, "lastPx": "99.5"},
    }


TREE = [
    _create("P", handlInst="MANUAL"),
    _create("A", "600", parentOrderId="P"),
    _create("B", "400", parentOrderId="P", autoAllocation=False),
    _accept("A"),
    _accept("B"),
    _create("A1", "500", parentOrderId="A"),
    _fill("B", "e1", "100"),
    {"type": "AllocationApproveCmd", "orderId": "B", "quantity": "60"},
]


@pytest.fixture
def db(oms: Oms, tmp_path: Path) -> str:
    """A database with a tree of three levels: P; A and B; A1 below A. B has 40 to hand on."""
    path = str(tmp_path / "orders.db")
    assert oms("exec", [command for command in TREE if command != _accept("A")], "--db", path).exit_code == OK
    return path


def _words(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_command_that_moves_other_orders_tells_a_person_which_and_how(oms: Oms, db: str) -> None:
    shown = _words(oms("exec", _fill("B", "e2", "300"), "--db", db).stdout)
    assert "state LIVE -> FILLED" in shown
    assert "events ExecutionCreated v6, OrderFilled v7" in " ".join(shown)
    approved = _words(oms("exec", {"type": "AllocationApproveCmd", "orderId": "B"}, "--db", db).stdout)
    assert any(line.startswith("followed P: cumQty 60 -> 400, leavesQty 940 -> 600") for line in approved)
    assert any(line.startswith("events AllocationApplied v8; P: AllocationApplied v") for line in approved)


def test_a_batch_tells_how_many_orders_followed_each_command(oms: Oms) -> None:
    shown = _words(oms("exec", [command for command in TREE if command != _accept("A")]).stdout)
    assert "2 OrderCreateCmd A UNACK v2, 1 order followed" in shown
    assert "6 ExecutionCreateCmd e1 on order B LIVE v4" in shown


def test_many_orders_that_followed_are_counted(oms: Oms) -> None:
    members = [_create(f"M{number:02}", handlInst="MANUAL") for number in range(25)]
    names = [member["order"]["orderId"] for member in members]
    db = "many.db"
    oms("exec", members, "--db", db)
    shown = oms("exec", {"type": "OrderGroupCmd", "memberOrderIds": names, "groupOrderId": "G"}, "--db", db).stdout
    assert "M19: groupOrderId G" in shown
    assert "M20" not in shown.partition("followed")[2]
    assert "and 5 more" in shown


def test_a_tree_is_drawn_with_branches_states_and_quantities(
    oms: Oms, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    shown = oms("show", "A1", "--tree", "--db", db).stdout
    assert shown.startswith("orderId")
    lines = shown[shown.rindex("\norderId") :].splitlines()[1:]
    assert " ".join(lines[0].split()) == ("orderId role state side ordered placed done open avgPx handed on pending")
    names = [" ".join(re.split(r"[○◐●]", line)[0].split()[:-1]) for line in lines[1:]]
    assert names == ["P", "├ A", "│ └ A1", "└ B"]
    assert lines[1].split() == ["P", "CLIENT", "●", "LIVE", "BUY", "1000", "1000", "60", "940", "99.5", "60"]
    assert lines[4].split() == ["└", "B", "MARKET", "●", "LIVE", "BUY", "400", "100", "300", "99.5", "60", "40"]


def test_a_tree_answers_a_machine_by_depth(ask: Ask, db: str) -> None:
    wire = ask("show", "B", "--tree", "--db", db)
    assert wire["orderId"] == "B"
    assert [(each["orderId"], each["depth"]) for each in wire["children"]] == [("P", 0), ("A", 1), ("B", 1), ("A1", 2)]


def test_a_group_is_drawn_with_its_members_and_a_member_with_its_group(oms: Oms) -> None:
    group = {"type": "OrderGroupCmd", "memberOrderIds": ["M1", "M2"], "groupOrderId": "G"}
    oms("exec", [_create(name, handlInst="MANUAL") for name in ("M1", "M2")] + [group], "--db", "g.db")
    shown = _words(oms("show", "G", "--tree", "--db", "g.db").stdout)
    told = shown[shown.index("members") + 2 :][:2]
    assert told == ["M1 C ○ NEW BUY 1000 0 1000 0", "M2 C ○ NEW BUY 1000 0 1000 0"]
    shown = _words(oms("show", "M1", "--tree", "--db", "g.db").stdout)
    assert shown[shown.index("group") + 2] == "G G ○ NEW BUY 2000 0 2000 0"


def test_an_order_is_shown_with_its_allocations_and_the_way_to_its_tree(oms: Oms, ask: Ask, db: str) -> None:
    shown = _words(oms("show", "P", "--db", db).stdout)
    assert "B P e1 60 99.5 APPLIED" in shown
    assert "oms show P --tree shows its tree" in shown
    wire = ask("show", "P", "--db", db)
    assert wire["allocations"][0]["quantity"] == "60"
    oms("exec", _create("X"), "--db", db)
    alone = oms("show", "X", "--db", db).stdout
    assert not {"allocations", "placeQty", "--tree", "isGroupedOrder"} & {*alone.split()}


def test_what_a_replace_asks_for_is_shown(oms: Oms, db: str) -> None:
    ask_for = {"type": "OrderReplaceCmd", "orderId": "B", "price": "101", "orderQty": "300"}
    assert "pendingReplace none -> orderQty 300, price 101" in " ".join(_words(oms("exec", ask_for, "--db", db).stdout))
    assert "pendingReplace orderQty 300, price 101" in _words(oms("show", "B", "--db", db).stdout)


def test_an_order_by_amount_is_listed_without_a_quantity(oms: Oms) -> None:
    fund = {"side": "SUBSCRIBE", "ordType": "MARKET", "price": None, "orderQty": None, "cashOrderQty": "5000"}
    oms("exec", _create("F", **fund), "--db", "fund.db")
    assert "SUBSCRIBE for 5000 of IBM MARKET" in oms("query", "--db", "fund.db").stdout


QUOTES: list[Row] = [
    {
        "type": "QuoteRequestCreateCmd",
        "quoteRequest": {"quoteReqId": "R1", "symbol": "IBM", "quantity": "5", "side": "BUY"},
    },
    {"type": "QuoteCreateCmd", "quote": {"quoteId": "Q1", "quoteReqId": "R1", "price": "99.5", "currency": "USD"}},
]


def test_quotes_and_allocations_are_queried(oms: Oms, ask: Ask, db: str) -> None:
    assert oms("exec", QUOTES, "--db", db).exit_code == OK
    assert "Q1 R1 99.5 USD 5 QUOTED cli" in _words(oms("query", "--entity", "quote", "--db", db).stdout)
    assert "R1 BUY 5 IBM QUOTED cli" in _words(oms("query", "--entity", "quote_request", "--db", db).stdout)
    assert "B P e1 60 99.5 APPLIED" in _words(oms("query", "--entity", "allocation", "--db", db).stdout)
    assert "R1" in oms("query", "--entity", "event", "streamId=quote-R1", "--db", db).stdout
    assert ask("query", "--entity", "quote", "--db", db)["content"][0]["quoteId"] == "Q1"
    taken = _words(oms("exec", {"type": "QuoteAcceptCmd", "quoteId": "Q1"}, "--db", db).stdout)
    assert taken[:2] == ["ok QuoteAcceptCmd Q1 on request R1", "state QUOTED -> ACCEPTED"]


@pytest.fixture
def due(tmp_path: Path) -> str:
    """A LIVE order X good till 2099, one Y that nobody acknowledged, and a LIVE DAY order D with a cancel pending."""
    path = str(tmp_path / "due.db")
    dated = {"timeInForce": "GOOD_TILL_DATE", "expireTime": "2099-01-01T00:00:00Z"}
    commands = [_create("X", **dated), _accept("X"), _create("D"), _accept("D")]
    _in_the_morning(path, [*commands, {"type": "OrderCancelCmd", "orderId": "D"}])
    return path


LATE = ("--as-of", "2026-01-06T00:00:00Z")


def _in_the_morning(db: str, commands: list[Row]) -> None:
    """Carry out commands on the day before LATE, which ends at 17:30."""
    with Engine.open(db, settings={"dayEnd": "17:30"}, clock=lambda: datetime(2026, 1, 5, 9, tzinfo=UTC)) as engine:
        assert all(outcome.result.ok for outcome in engine.execute_many(commands).outcomes)


def test_orders_whose_time_is_over_expire(oms: Oms, ask: Ask, due: str) -> None:
    result = oms("expire", *LATE, "--db", due)
    assert result.exit_code == OK
    shown = _words(result.stdout)
    assert "D DAY 1000" in shown
    assert shown[-1] == "1 order expired, 0 refused, 0 requests overdue"
    assert ask("show", "D", "--db", due)["state"] == "EXP"
    assert ask("show", "X", "--db", due)["state"] == "LIVE"
    history = ask("history", "D", "--db", due)["events"]
    assert {event["actor"] for event in history if event["type"] == "OrderExpired"} == {"sweep"}
    assert ask("expire", *LATE, "--db", due) == {
        "expired": [],
        "waiting": [],
        "refused": [],
        "overdue": [],
        "mode": "file",
        "dryRun": False,
    }


def test_a_preview_of_expiring_stores_nothing(oms: Oms, ask: Ask, due: str) -> None:
    wire = ask("expire", *LATE, "--dry-run", "--db", due)
    assert [each["orderId"] for each in wire["expired"]] == ["D"]
    assert [(each["orderId"], each["cancelState"]) for each in wire["overdue"]] == [("D", "PCXL")]
    shown = _words(oms("expire", *LATE, "--dry-run", "--db", due).stdout)
    assert shown[-1] == "1 order would expire, 0 refused, 1 request overdue; dry run, nothing stored"
    assert ask("show", "D", "--db", due)["state"] == "LIVE"


def test_an_order_that_cannot_expire_is_told_with_its_reason(oms: Oms, ask: Ask, due: str) -> None:
    oms("settings", "set", 'roles={"OrderExpireCmd": ["ann"]}', "--db", due)
    result = oms("expire", *LATE, "--db", due)
    assert result.exit_code == REFUSED
    assert any(line.startswith("D OMS-AUTH-003 ") for line in _words(result.stdout))
    assert ask("show", "D", "--db", due)["state"] == "LIVE"


def test_an_order_that_the_market_has_not_answered_waits_and_the_others_expire(oms: Oms, ask: Ask, due: str) -> None:
    _in_the_morning(due, [_create("Y")])
    preview = ask("expire", *LATE, "--dry-run", "--db", due)
    assert [each["orderId"] for each in preview["waiting"]] == ["Y"]
    result = oms("expire", *LATE, "--db", due)
    assert result.exit_code == OK
    shown = _words(result.stdout)
    assert "waiting for the market's answer" in shown
    assert shown[-1] == "1 order expired, 1 waiting, 0 refused, 0 requests overdue"
    assert ask("show", "D", "--db", due)["state"] == "EXP"
    assert ask("show", "Y", "--db", due)["state"] == "UNACK"


def test_a_time_in_the_future_is_refused(oms: Oms, ask: Ask, due: str) -> None:
    result = oms("expire", "--as-of", "2098-12-31T00:00:00Z", "--db", due)
    assert result.exit_code == REFUSED
    assert "--as-of 2098-12-31T00:00:00.000000Z lies in the future" in " ".join(result.stderr.replace("│", " ").split())
    error = ask("expire", "--as-of", "2098-12-31T00:00:00Z", "--db", due, code=REFUSED)["error"]
    assert error["errorCode"] == "OMS-VAL-005"


def test_a_parent_that_ends_with_its_child_is_told_once(ask: Ask) -> None:
    db = "tree.db"
    commands = [_create("P", handlInst="MANUAL"), _create("C", parentOrderId="P"), _accept("C")]
    _in_the_morning(db, commands)
    wire = ask("expire", *LATE, "--db", db)
    assert [(each["orderId"], each.get("followed")) for each in wire["expired"]] == [("C", None), ("P", "C")]
    assert wire["refused"] == []
    assert ask("show", "P", "--db", db)["state"] == "EXP"


@pytest.mark.parametrize("time", ["yesterday", "2099-01-01", "2099-01-01T00:00:00"])
def test_a_time_without_its_offset_is_typed_wrongly(time: str, ask: Ask, db: str) -> None:
    error = ask("expire", "--as-of", time, "--db", db, code=MISUSED)["error"]
    assert error["detail"].startswith(f'--as-of "{time}" ')


def test_settings_are_changed_with_an_actor_and_told_before_and_after(oms: Oms, ask: Ask, db: str) -> None:
    wire = ask("settings", "set", "risk.killSwitch=on", "risk.maxOrderQty=50000", "--actor", "ann", "--db", db)
    assert wire["before"] == {"risk.killSwitch": False, "risk.maxOrderQty": {}}
    assert wire["after"] == {"risk.killSwitch": True, "risk.maxOrderQty": {"*": "50000"}}
    row = ask("query", "--entity", "event", "streamId=settings", "--db", db)["content"][0]
    assert (row["actor"], row["type"]) == ("ann", "SettingsChanged")
    refused = ask("exec", _create("Z"), "--db", db, code=REFUSED)
    assert refused["error"]["errorCode"] == "OMS-RISK-007"
    shown = _words(oms("settings", "set", "risk.killSwitch=off", "--db", db).stdout)
    assert "changed risk.killSwitch true -> false" in shown
    assert not any(line.startswith(("state", "next")) for line in shown)
    assert oms("exec", _create("Z"), "--db", db).exit_code == OK


def test_settings_are_listed_with_what_was_changed(oms: Oms, ask: Ask, db: str) -> None:
    oms("settings", "set", "routing=manual", "--db", db)
    wire = ask("settings", "list", "--db", db)
    assert [*wire["settings"]] == [*Settings.names()]
    assert (wire["settings"]["routing"]["value"], wire["settings"]["routing"]["default"]) == ("manual", "auto")
    assert wire["mode"] == "file"
    assert any(line.startswith("routing manual ") for line in _words(oms("settings", "list", "--db", db).stdout))
    assert ask("settings", "list")["settings"]["routing"]["value"] == "auto"


def test_one_setting_is_told_in_full(oms: Oms, ask: Ask) -> None:
    shown = _words(oms("settings", "get", "query.maxSize", "risk.maxNotional", "dayEnd").stdout)
    assert "note fixed when the engine is opened" in shown
    assert "value off" in shown
    assert ask("settings", "get", "dayEnd", "--set", "dayEnd=17:30")["settings"]["dayEnd"]["value"] == "17:30"
    assert ask("settings", "get", "dayend", code=REFUSED)["error"]["errorCode"] == "OMS-VAL-004"


def test_a_preview_of_a_change_stores_nothing(oms: Oms, ask: Ask, db: str) -> None:
    assert ask("settings", "set", "routing=manual", "--dry-run", "--db", db)["dryRun"] is True
    assert "dry run, nothing stored" in oms("settings", "price", "IBM", "5", "--dry-run", "--db", db).stdout
    assert ask("settings", "get", "routing", "--db", db)["settings"]["routing"]["value"] == "auto"


def test_a_preview_of_a_change_tells_what_it_would_change(oms: Oms, ask: Ask, db: str) -> None:
    shown = _words(oms("settings", "set", "routing=manual", "dayEnd=17:30", "--dry-run", "--db", db).stdout)
    assert "changed routing auto -> manual, dayEnd off -> 17:30" in shown
    wire = ask("settings", "set", "routing=manual", "--dry-run", "--db", db)
    assert (wire["before"], wire["after"]) == ({"routing": "auto"}, {"routing": "manual"})
    assert wire["before"] == ask("settings", "set", "routing=manual", "--db", db)["before"]


def test_a_posted_price_is_told_with_the_one_before_and_can_be_read(oms: Oms, ask: Ask, db: str) -> None:
    first = _words(oms("settings", "price", "IBM", "100", "--db", db).stdout)
    assert "changed referencePrices none -> IBM 100" in first
    preview = ask("settings", "price", "IBM", "101.50", "--dry-run", "--db", db)
    assert (preview["before"], preview["after"]) == (
        {"referencePrices": {"IBM": "100"}},
        {"referencePrices": {"IBM": "101.5"}},
    )
    assert "referencePrices IBM 100 -> IBM 101.5" in " ".join(
        _words(oms("settings", "price", "IBM", "101.50", "--db", db).stdout)
    )
    assert ask("settings", "list", "--db", db)["referencePrices"] == {"IBM": "101.5"}
    assert ask("settings", "get", "risk.referencePrice", "--db", db)["referencePrices"] == {"IBM": "101.5"}
    for words in (("list",), ("get", "risk.referencePrice")):
        assert "IBM 101.5" in _words(oms("settings", *words, "--db", db).stdout)


def test_terms_that_changed_are_told_before_and_after(oms: Oms, ask: Ask, db: str) -> None:
    asked = {"type": "OrderReplaceCmd", "orderId": "B", "price": "101", "clOrdId": "B2"}
    assert "clOrdId B -> B2" in " ".join(_words(oms("exec", asked, "--db", db).stdout))
    wire = ask("exec", {"type": "OrderReplaceAcceptCmd", "orderId": "B"}, "--dry-run", "--db", db)
    assert (wire["before"]["price"], wire["after"]["price"]) == ("100", "101")
    assert "stopPx" not in wire["after"]
    shown = " ".join(_words(oms("exec", {"type": "OrderReplaceAcceptCmd", "orderId": "B"}, "--db", db).stdout))
    assert "price 100 -> 101" in shown


def test_a_quantity_that_went_down_to_zero_is_told_as_zero(oms: Oms, db: str) -> None:
    rejected = {"type": "AllocationApproveCmd", "orderId": "B", "quantity": "40"}
    shown = " ".join(_words(oms("exec", rejected, "--db", db).stdout))
    assert "pendingAllocQty 40 -> 0" in shown


def test_an_answer_that_comes_too_late_says_that_nothing_was_written(oms: Oms, db: str) -> None:
    late = {"type": "OrderCancelRejectCmd", "orderId": "B", "cxlRejReason": 0}
    commands = [{"type": "OrderCancelCmd", "orderId": "B"}, _fill("B", "e2", "300")]
    assert oms("exec", commands, "--db", db).exit_code == OK
    shown = _words(oms("exec", late, "--db", db).stdout)
    assert "events none written" in shown


def test_what_became_of_a_request_is_told_in_words(oms: Oms, db: str) -> None:
    oms("exec", {"type": "OrderCancelCmd", "orderId": "B"}, "--db", db)
    assert "LIVE (cancel pending)" in oms("query", "orderId=B", "--db", db).stdout
    oms("exec", {"type": "OrderCancelRejectCmd", "orderId": "B", "cxlRejReason": 0}, "--db", db)
    assert "LIVE (request refused)" in oms("query", "orderId=B", "--db", db).stdout
    oms("exec", {"type": "OrderReplaceCmd", "orderId": "B", "price": "101"}, "--db", db)
    assert "LIVE (replace pending)" in oms("query", "orderId=B", "--db", db).stdout


def test_events_are_listed_with_their_time_and_what_they_say(oms: Oms, ask: Ask, db: str) -> None:
    oms("settings", "set", "routing=manual", "--actor", "ann", "--db", db)
    row = ask("query", "--entity", "event", "streamId=settings", "--db", db)["content"][0]
    shown = _words(oms("query", "--entity", "event", "streamId=settings", "--db", db).stdout)
    assert shown[0] == f"{row['position']} SettingsChanged {row['recordedAt']} ann settings v1"
    assert shown[1] == "key=routing, old=auto, new=manual"


def test_the_history_of_settings_and_of_a_quote_request_is_told(oms: Oms, ask: Ask, db: str) -> None:
    assert oms("history", "settings", "--db", db).stdout == "nothing happened\n"
    oms("exec", QUOTES, "--db", db)
    oms("settings", "set", "routing=manual", "--db", db)
    told = {name: ask("history", name, "--db", db)["events"] for name in ("settings", "R1", "quote-R1")}
    assert [event["type"] for event in told["settings"]] == ["SettingsChanged"]
    assert [event["type"] for event in told["R1"]] == ["QuoteRequested", "QuoteCreated"]
    assert told["R1"] == told["quote-R1"]
    assert "QuoteCreated" in oms("history", "R1", "--db", db).stdout


def test_a_reference_price_is_posted(oms: Oms, ask: Ask, db: str) -> None:
    oms("settings", "set", "risk.collarPercent=5", "--db", db)
    assert ask("settings", "price", "ACME", "100", "--actor", "ann", "--db", db)["id"] == "settings"
    error = ask("exec", _create("Z", symbol="ACME", price="106"), "--db", db, code=REFUSED)["error"]
    assert error["violations"][0]["ruleId"] == "RSK-03"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("set", "killSwitch=on"), REFUSED),
        (("set", "routing=sideways"), REFUSED),
        (("set", "routing=auto"), REFUSED),
        (("price", "IBM", "0"), REFUSED),
        (("set", "routing"), MISUSED),
        (("set",), MISUSED),
        (("price", "IBM"), MISUSED),
        (("drop",), MISUSED),
    ],
)
def test_a_change_that_cannot_be_made_says_why(words: tuple[str, ...], code: int, oms: Oms, db: str) -> None:
    result = oms("settings", *words, "--db", db)
    assert result.exit_code == code
    assert "Traceback" not in result.output
    with Engine.open(db) as engine:
        assert engine.settings == Settings()


@pytest.mark.parametrize("words", [("list",), ("get", "routing")])
def test_settings_of_a_database_that_is_not_there_are_no_settings(words: tuple[str, ...], ask: Ask) -> None:
    error: Any = ask("settings", *words, "--db", "nowhere.db", code=MISUSED)["error"]
    assert "there is no database" in error["detail"]
    assert not Path("nowhere.db").exists()


@pytest.mark.parametrize(
    "words", [("settings", "set", "routing=manual"), ("settings", "price", "IBM", "5"), ("expire",)]
)
def test_what_changes_a_database_needs_one(words: tuple[str, ...], ask: Ask) -> None:
    assert "give --db PATH" in ask(*words, code=MISUSED)["error"]["detail"]
