"""How is an envelope read? Every part that can be read is, and every part that cannot is told once."""

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import Engine
from oms_engine.domain.commands import COMMANDS, OrderAcceptCmd, OrderRejectCmd, parse
from oms_engine.domain.model import NewOrder, Order
from oms_engine.errors import Problem
from oms_engine.record import parse_decimal, plain
from oms_engine.workflows import TASK_NAMES
from tests.oms_engine.desk import Desk


def told(problem: Problem) -> list[tuple[str, str]]:
    return [(one.rule_id, one.field) for one in problem.violations]


def statuses(desk: Desk, envelope: object) -> str:
    result = desk.engine.execute(envelope)  # type: ignore[arg-type] # whatever a client may send
    assert [task.name for task in result.tasks] == list(TASK_NAMES)
    return " ".join(task.status for task in result.tasks)


@pytest.mark.parametrize("envelope", [None, 5, "OrderAcceptCmd", [], True, b"x"])
def test_an_envelope_that_is_no_object_is_refused(envelope: object, desk: Desk) -> None:
    result = desk.engine.execute(envelope)  # type: ignore[arg-type] # whatever a client may send
    assert result.error is not None
    assert told(result.error) == [("ENV-01", "type")]
    assert result.error.error_code == "OMS-VAL-004"
    assert statuses(desk, envelope) == "FAILED" + " NOT_RUN" * 6


@pytest.mark.parametrize("kind", [None, "", "orderacceptcmd", "OrderFillCmd", 7, ["OrderAcceptCmd"], "\ud800"])
def test_an_unknown_type_lists_the_commands(kind: object, desk: Desk) -> None:
    result = desk.engine.execute({"type": kind, "orderId": "o1"})
    assert result.error is not None
    assert told(result.error) == [("ENV-01", "type")]
    assert all(name in result.message for name in COMMANDS)
    json.dumps(result.to_wire()).encode()


def test_a_value_that_is_nested_without_end_is_refused(desk: Desk) -> None:
    value: object = "0.05"
    for _ in range(30):
        value = [value]
    problem = desk.refused("SettingsChangeCmd", changes={"tickSize": value})
    assert told(problem) == [("ENV-06", "changes")]
    assert problem.error_code == "OMS-VAL-004"


def test_an_unknown_type_gets_the_nearest_one(desk: Desk) -> None:
    assert "did you mean OrderAcceptCmd?" in desk.do("OrderAcceptCmnd").message
    assert "did you mean" not in desk.do("Buy").message


def test_an_unknown_field_gets_the_nearest_one(desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(symbl="IBM"), comandId="x", **{"\ud800": 1})
    assert told(problem) == [("ENV-02", "comandId"), ("ENV-02", "\\ud800"), ("ENV-02", "symbl")]
    messages = [one.message for one in problem.violations]
    assert messages[0].startswith('"comandId" is no field of OrderCreateCmd; did you mean commandId? valid: version, ')
    assert messages[2].startswith('"symbl" is no field of order of OrderCreateCmd; did you mean symbol? valid: ')


def test_long_names_and_values_are_cut_in_messages(desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(**{"x" * 1_000_000: 1}, side="y" * 1_000_000))
    assert len(problem.violations[0].field) == 64
    problem = desk.refused("OrderCreateCmd", order=desk.asked(side="y" * 1_000_000, text="z" * 1_000_000))
    assert told(problem) == [("ORD-18", "text"), ("ORD-21", "side")]
    assert max(len(one.message) for one in problem.violations) < 300


def test_hostile_text_is_quoted_and_escaped(desk: Desk) -> None:
    problem = desk.refused("OrderAcceptCmd", orderId="'; DROP TABLE events; --\n\u202e")
    assert problem.error_code == "OMS-ORDER-001"
    assert r'"\'; DROP TABLE events; --\n\u202e"'.replace(r"\'", "'") in problem.detail
    assert desk.engine.counts()["events"] == 0


def test_malformed_fields_are_told_beside_broken_rules_and_are_not_judged_twice(desk: Desk) -> None:
    order = desk.asked(orderQty="many", price="-1", side="HOLD", symbol=7, account=None)
    problem = desk.refused("OrderCreateCmd", order=order)
    assert told(problem) == [
        ("ENV-06", "symbol"),
        ("ENV-06", "orderQty"),
        ("ORD-04", "account"),
        ("ORD-12", "price"),
        ("ORD-21", "side"),
    ]
    assert problem.error_code == "OMS-VAL-004"
    assert problem.detail.endswith("(4 more: see violations)")


def test_violations_of_an_earlier_task_come_alone(desk: Desk) -> None:
    order = desk.asked(orderQty="0", colour="blue")
    assert told(desk.refused("OrderCreateCmd", order=order)) == [("ENV-02", "colour")]
    del order["colour"]
    assert told(desk.refused("OrderCreateCmd", order=order)) == [("ORD-08", "orderQty")]


def test_violations_stand_in_the_order_of_the_catalogue(desk: Desk) -> None:
    order = desk.asked(text="x" * 3000, price="0", orderQty="99999999", symbol=None, ordType=None, orderId="?")
    rules = [rule for rule, _ in told(desk.refused("OrderCreateCmd", order=order))]
    assert rules == ["ORD-02", "ORD-07", "ORD-12", "ORD-14", "ORD-18", "ORD-22"]


def test_the_tasks_of_a_refused_command_end_where_it_was_refused(desk: Desk) -> None:
    order_id = desk.given("PART")
    assert statuses(desk, {"type": "OrderAcceptCmd", "orderId": "x"}) == "FAILED" + " NOT_RUN" * 6
    assert statuses(desk, {"type": "OrderAcceptCmd"}) == "SUCCESS FAILED" + " NOT_RUN" * 5
    accept = {"type": "OrderAcceptCmd", "orderId": order_id}
    assert statuses(desk, accept) == "SUCCESS SUCCESS FAILED" + " NOT_RUN" * 4
    over = {
        "type": "ExecutionCreateCmd",
        "execution": {"orderId": order_id, "execId": "n", "lastQty": "701", "lastPx": 1},
    }
    assert statuses(desk, over) == "SUCCESS SUCCESS SUCCESS FAILED" + " NOT_RUN" * 3


@pytest.mark.parametrize("alias", ["executionId", "execID"])
def test_other_spellings_of_an_execution_id_are_understood(alias: str, desk: Desk) -> None:
    order_id = desk.given("LIVE")
    fill = {"orderId": order_id, alias: "x1", "lastQty": "1", "lastPx": "1"}
    assert desk.ok("ExecutionCreateCmd", execution=fill).id == "x1"
    assert desk.ok("ExecutionBustCmd", orderId=order_id, **{alias: "x1"}).id == "x1"


def test_an_alias_that_contradicts_its_name_is_refused(desk: Desk) -> None:
    desk.given("PART")
    problem = desk.refused("ExecutionBustCmd", execId="e1", execID="b", executionId="e1")
    assert told(problem) == [("ENV-03", "execId")]
    assert problem.detail == "execId and execID name the same field with different values; send execId alone"
    desk.ok("ExecutionBustCmd", execId="e1", executionId="e1")


def test_an_order_may_name_its_session_as_the_envelope_does(desk: Desk) -> None:
    created = desk.create(sessionId="S7")
    assert desk.order(created.id).session_id == "S7"
    assert desk.do("OrderCreateCmd", order=desk.asked(sessionId="S7"), sessionId="S7").ok
    for session in ("S8", 7):
        problem = desk.refused("OrderCreateCmd", order=desk.asked(sessionId=session), sessionId="S7")
        assert told(problem) == [("ENV-03", "sessionId")]
    for session in (7, "\ud800"):
        assert told(desk.refused("OrderCreateCmd", order=desk.asked(sessionId=session))) == [("ENV-06", "sessionId")]


@pytest.mark.parametrize("nothing", [None, "", "  ", "\t\n"])
def test_null_and_blank_are_absent(nothing: str | None, desk: Desk) -> None:
    order = desk.asked()
    optional: dict[str, object] = dict.fromkeys(("text", "stopPx", "expireTime", "execInst", "settlDate"), nothing)
    envelope: dict[str, object] = dict.fromkeys(("commandId", "actor", "sessionId"), nothing)
    created = desk.ok("OrderCreateCmd", order={**order, **optional}, **envelope, expectedVersion=None)
    assert desk.order(created.id).text is None
    assert (desk.order(created.id).session_id, desk.engine.history(created.id)[0].command_id) == ("S1", "CMD-1")
    assert told(desk.refused("OrderCreateCmd", order={**order, "account": nothing})) == [("ORD-19", "clOrdId")]
    assert told(desk.refused("OrderAcceptCmd", orderId=nothing)) == [("ENV-07", "orderId")]


def test_system_fields_are_ignored_with_a_warning(desk: Desk) -> None:
    result = desk.create(state="FILLED", avgPx="no number", leavesQty=7, cumQty="5", version=9)
    assert result.ok
    assert result.tasks[1].status == "WARNING"
    assert result.tasks[1].message == (
        "ignored, because only the system sets them: avgPx, cumQty, leavesQty, state, version"
    )
    order = desk.order(result.id)
    assert [order.state, order.cum_qty, order.version] == ["UNACK", 0, 2]


def test_every_field_that_only_the_system_sets_is_ignored(desk: Desk) -> None:
    asked = desk.asked()
    names = {str(field.alias) for field in Order.model_fields.values()}
    accepted = {
        name
        for name in names
        if not desk.engine.preview({"type": "OrderCreateCmd", "order": {**asked, name: None}}).error
    }
    assert names - accepted <= set(asked)
    assert desk.ok("OrderCreateCmd", order=asked | dict.fromkeys(names - set(asked), None)).ok


GOOD_DECIMALS = [
    ("5", "5"), ("5.0", "5"), ("005.50", "5.5"), ("0.00000001", "0.00000001"), ("1000", "1000"),
    (5, "5"), (0.1, "0.1"), (1e-8, "0.00000001"), (123456789012345, None), (1e3, "1000"), (0.5, "0.5"),
    ("9999999.99999999", "9999999.99999999"), ("1." + "0" * 60 + "", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("given_value", "kept"), GOOD_DECIMALS)
def test_a_decimal_is_read_exactly(given_value: object, kept: str | None, desk: Desk) -> None:
    result = desk.create(price=given_value)
    assert result.ok, result.message
    price = desk.order(result.id).to_wire()["price"]
    assert price == (kept or str(given_value))
    assert desk.engine.history(result.id)[0].to_wire()["payload"]["price"] == price


BAD_DECIMALS = [
    "1e3", "1E-8", "NaN", "nan", "Infinity", "-inf", "+5", "1.", ".5", ".", "-", "--1", "1,5", "1_000", "0x10",
    " 5", "5 ", "5\n", "\u0665", "\uff11", "five", "1.2.3", True, False, [], {}, ["5"], {"a": 1},
    math.nan, math.inf, -math.inf, 1e300, 1e-300,
    1234567890123456, 0.1234567890123456, 1.0000000000000002, 10**400, 10**5000, -(10**5000), "1" * 65, "0." + "1" * 65,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_DECIMALS, ids=[f"{number}" for number, _ in enumerate(BAD_DECIMALS)])
def test_what_is_no_exact_decimal_is_malformed(bad: object, desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(orderQty=bad))
    assert told(problem) == [("ENV-06", "orderQty")]
    assert problem.error_code == "OMS-VAL-004"
    assert "string" in problem.detail or "digits" in problem.detail


@pytest.mark.parametrize("value", ["-5", -5, "-0.00000001", "-0", "0", 0, "0.0", -0.0])
def test_a_quantity_is_above_zero(value: object, desk: Desk) -> None:
    assert told(desk.refused("OrderCreateCmd", order=desk.asked(orderQty=value))) == [("ORD-08", "orderQty")]


@pytest.mark.parametrize("value", ["1.123456789", 10**30, "1" + "0" * 18, 1e30])
def test_a_decimal_that_does_not_fit_is_out_of_range(value: object, desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(price=value))
    assert told(problem) == [("ORD-17", "price")]
    ticked = Desk(tickSize="0.05")
    assert ("ORD-17", "price") in told(ticked.refused("OrderCreateCmd", order=ticked.asked(price=value)))
    assert problem.error_code == "OMS-VAL-005"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00.123456Z", datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-01T10:00:00+01:30", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        ("2026-03-01T00:00:00-05:00", datetime(2026, 3, 1, 5, tzinfo=UTC)),
    ],
)
def test_an_instant_is_kept_in_utc(text: str, instant: datetime, desk: Desk) -> None:
    result = desk.create(timeInForce="GOOD_TILL_DATE", expireTime=text)
    assert desk.order(result.id).expire_time == instant
    assert desk.order(result.id).to_wire()["expireTime"] == instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


BAD_INSTANTS = [
    "2026-03-01T10:00:00", "2026-03-01", "10:00Z", "tomorrow", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-01:00", 0,
    1772359200, 1.5, True, [], "2026-03-01T25:00:00Z", "9" * 41,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_INSTANTS)
def test_what_is_no_instant_is_malformed(bad: object, desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(expireTime=bad))
    assert told(problem) == [("ENV-06", "expireTime")]


@pytest.mark.parametrize(
    "bad", ["2026-02-30", "20260228", "2026-W01-1", "2026-02-28T00:00:00", "28.2.2026", 0, True, []]
)
def test_what_is_no_day_is_malformed(bad: object, desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(settlDate=bad))
    assert told(problem) == [("ENV-06", "settlDate")]
    assert desk.order(desk.create(settlDate="2026-02-28").id).to_wire()["settlDate"] == "2026-02-28"


@pytest.mark.parametrize(
    ("field", "bad", "rule"),
    [
        ("symbol", 5, "ENV-06"), ("symbol", ["IBM"], "ENV-06"), ("symbol", {"a": 1}, "ENV-06"),
        ("symbol", "\ud800", "ENV-06"),
        ("text", "a\udfffb", "ENV-06"), ("account", True, "ENV-06"), ("putOrCall", "1", "ENV-06"),
        ("putOrCall", True, "ENV-06"), ("putOrCall", 1.0, "ENV-06"), ("side", "buy", "ORD-21"), ("side", "1", "ORD-21"),
        ("side", 1, "ORD-21"), ("side", ["BUY"], "ORD-21"), ("ordType", "ICEBERG", "ORD-21"),
        ("execInst", "A", "ORD-21"),
    ],
)  # fmt: skip
def test_what_has_not_the_form_of_its_field_is_told_once(field: str, bad: object, rule: str, desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(**{field: bad}))
    assert told(problem) == [(rule, field)]
    json.dumps(problem.to_wire(), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("kind", "field", "bad", "rule"),
    [
        ("OrderCreateCmd", "order", [], "ENV-06"),
        ("OrderCreateCmd", "order", "IBM", "ENV-06"),
        ("ExecutionCreateCmd", "execution", 7, "ENV-06"),
        ("OrderAcceptCmd", "orderId", 7, "ENV-06"),
        ("OrderAcceptCmd", "expectedVersion", "3", "ENV-06"),
        ("OrderAcceptCmd", "expectedVersion", True, "ENV-06"),
        ("OrderAcceptCmd", "version", 2, "ENV-06"),
        ("OrderAcceptCmd", "version", "1", "ENV-06"),
        ("OrderAcceptCmd", "commandId", 5, "ENV-06"),
        ("OrderAcceptCmd", "commandId", "\udc00", "ENV-06"),
        ("OrderAcceptCmd", "commandId", "a/b", "ENV-06"),
        ("OrderAcceptCmd", "actor", {}, "ENV-06"),
        ("OrderCancelAcceptCmd", "unsolicited", "true", "ENV-06"),
        ("OrderCancelAcceptCmd", "unsolicited", 1, "ENV-06"),
        ("OrderRejectCmd", "ordRejReason", 17, "ORD-21"),
        ("OrderRejectCmd", "ordRejReason", True, "ENV-06"),
        ("OrderRejectCmd", "ordRejReason", "99", "ORD-21"),
        ("OrderCancelRejectCmd", "cxlRejReason", False, "ENV-06"),
        ("ExecutionWhackCmd", "approvalLevel", "CEO", "ORD-21"),
    ],
)
def test_what_has_not_the_form_of_its_field_is_refused(
    kind: str, field: str, bad: object, rule: str, desk: Desk
) -> None:
    order_id = desk.given("PART")
    known = {} if "CreateCmd" in kind else {"orderId": order_id}
    if "Whack" in kind:
        known["execId"] = "e1"
    problem = desk.refused(kind, **{**known, field: bad})
    assert (rule, field) in told(problem)


def test_every_enum_lists_its_valid_names(desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(side="HOLD"))
    assert problem.detail == 'side "HOLD" is unknown; use one of BUY, SELL, SELL_SHORT, SUBSCRIBE, REDEEM'
    problem = desk.refused("OrderRejectCmd", orderId=desk.given("UNACK"), ordRejReason=17)
    assert problem.detail.startswith("ordRejReason 17 is unknown; use one of 0, 1, 2, 3, 4,")


def test_the_envelope_travels_to_every_event(desk: Desk) -> None:
    desk.ok(
        "OrderCreateCmd", order=desk.asked(), commandId="K", correlationId="C", causationId="because", actor="ann",
        sessionId="S9",
    )  # fmt: skip
    for event in desk.engine.events():
        assert (event.command_id, event.correlation_id, event.causation_id, event.actor) == ("K", "C", "because", "ann")
    assert desk.order("o1").session_id == "S9"
    desk.ok("OrderAcceptCmd", orderId="o1")
    event = desk.engine.events()[-1]
    assert (event.command_id, event.correlation_id, event.causation_id, event.actor) == (
        "CMD-1",
        "CMD-1",
        "CMD-1",
        "S1",
    )


def test_a_refusal_knows_what_it_is_about(desk: Desk) -> None:
    order_id = desk.given("FILLED")
    fill = {"orderId": order_id, "execId": "x" * 60, "lastQty": "1", "lastPx": "1"}
    problem = desk.refused("ExecutionCreateCmd", execution=fill, commandId="K", correlationId="C")
    assert problem.to_wire() == {
        "type": "urn:oms:error:oms-state-002",
        "title": "object not in the state the command needs",
        "status": 409,
        "detail": f"order {order_id} is FILLED; only LIVE orders take executions",
        "instance": "urn:oms:command:K",
        "errorCode": "OMS-STATE-002",
        "retryable": False,
        "violations": [problem.violations[0].to_wire()],
        "citation": problem.violations[0].citation,
        "hint": problem.hint,
        "context": {
            "orderId": order_id,
            "execId": "x" * 60,
            "sessionId": "S1",
            "correlationId": "C",
            "fromState": "FILLED",
            "validTransitions": ["CLOSED"],
        },
    }


def test_a_command_is_as_good_as_its_envelope(desk: Desk) -> None:
    order_id = desk.given("UNACK")
    assert desk.engine.execute(OrderAcceptCmd(order_id=order_id)).state == "LIVE"
    command = OrderRejectCmd(order_id=order_id, command_id="K1", text="no")
    assert command.to_wire() == {
        "type": "OrderRejectCmd", "version": 1, "commandId": "K1", "orderId": order_id, "text": "no",
    }  # fmt: skip
    assert parse(command.to_wire()).command == command


def test_python_values_are_taken_as_they_are() -> None:
    order = NewOrder(settl_date=date(2026, 1, 5), expire_time=datetime(2026, 1, 5, tzinfo=UTC), price=Decimal("1.50"))
    assert order.to_wire() == {"settlDate": "2026-01-05", "expireTime": "2026-01-05T00:00:00.000000Z", "price": "1.5"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["BUY", "1", "o1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
field_names = st.sampled_from(
    ["orderId", "order", "execution", "execId", "commandId", "version", "text", "unsolicited", "clOrdId", "actor"]
) | st.text(max_size=6)
order_names = st.sampled_from([str(field.alias) for field in Order.model_fields.values()]) | st.text(max_size=6)
envelopes = st.fixed_dictionaries(
    {"type": st.sampled_from(list(COMMANDS))},
    optional={"order": st.dictionaries(order_names, json_values, max_size=8)},
).flatmap(lambda known: st.dictionaries(field_names, json_values, max_size=5).map(lambda more: {**more, **known}))


@given(envelope=envelopes)
def test_whatever_is_sent_is_answered(envelope: dict[str, object]) -> None:
    with Engine.open() as engine:
        result = engine.execute(envelope)
        assert result.ok or (result.error and result.error.error_code != "OMS-SYS-001")
        json.dumps(result.to_wire(), ensure_ascii=False).encode()
        assert engine.counts()["events"] == len(result.events)


@given(value=st.decimals(min_value=Decimal(-(10**20)), max_value=10**20, places=8))
def test_a_written_decimal_is_read_as_itself(value: Decimal) -> None:
    assert parse_decimal(plain(value)) == value
    assert parse_decimal(value) == value
