"""Is a recorded flow carried out as it says, and compared with what it says happened?"""

import json
from typing import Any

import pytest

from oms_engine import Engine
from oms_engine.simulation.flow import parse_flow
from oms_engine.simulation.run import ScenarioRun, run_scenario

Wire = dict[str, Any]

TERMS: Wire = {"clOrdId": "C1", "account": "A", "symbol": "ACME", "side": "BUY", "ordType": "MARKET", "orderQty": "100"}
CREATE: Wire = {"type": "OrderCreateCmd", "order": {"orderId": "O1", **TERMS}}
ACCEPT: Wire = {"type": "OrderAcceptCmd", "orderId": "O1"}


def flow(*lines: Wire) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def run(*lines: Wire) -> ScenarioRun:
    return run_scenario(parse_flow(flow(*lines), "flow.jsonl"))


def recorded(engine: Engine, *commands: Wire) -> list[Wire]:
    """Commands with what came of them, as somebody would keep them."""
    return [{"command": command, "result": engine.execute(command).to_wire()} for command in commands]


def test_a_flow_has_lines_of_three_forms() -> None:
    done = run(
        CREATE,
        {"command": ACCEPT, "result": {"status": "OK", "state": "LIVE"}},
        {"query": {"where": ["state=LIVE"]}, "expect": {"ids": ["O1"]}},
        {"check": {"from": "LIVE", "path": ["FILLED"]}, "expect": {"valid": True}},
        {"do": ACCEPT, "expect": {"errorCode": "OMS-STATE-001"}, "at": "2026-05-01T10:00:00Z"},
    )
    assert done.passed
    assert done.compared == 5
    assert [step.place for step in done.steps] == [f"step {number}" for number in range(1, 6)]
    assert [step.line for step in done.steps] == [1, 2, 3, 4, 5]
    assert str(done.steps[4].at) == "2026-05-01 10:00:00+00:00"


def test_a_first_line_says_where_it_happens_and_a_last_one_what_is_true_then() -> None:
    head = {"id": "mine", "title": "by hand", "clock": "2026-03-01T08:00:00Z", "settings": {"routing": "manual"}}
    done = run({"scenario": head}, CREATE, {"end": {"orders": {"O1": {"state": "UNACK"}}, "counts": {"events": 1}}})
    assert (done.id, done.title) == ("mine", "by hand")
    assert [(found.field, found.expected, found.actual, found.line) for found in done.differences] == [
        ("state", "UNACK", "NEW", 3)
    ]
    assert str(done.steps[0].at) == "2026-03-01 08:00:00+00:00"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085"])
def test_a_line_ends_where_json_lines_end_and_not_in_a_text(mark: str, end: str) -> None:
    create = {**CREATE, "order": {**CREATE["order"], "text": f"a{mark}b"}}
    text = end.join(json.dumps(line, ensure_ascii=False) for line in (create, ACCEPT))
    read = parse_flow(text, "flow.jsonl")
    assert [step.line for step in read.steps] == [1, 2]
    assert [step.do for step in read.steps] == [create, ACCEPT]


def test_what_another_engine_did_comes_out_the_same_though_its_ids_were_generated() -> None:
    with Engine.open() as engine:
        (created,) = recorded(engine, {"type": "OrderCreateCmd", "order": TERMS})
        order_id = created["result"]["id"]
        fill = {"orderId": order_id, "execId": "E1", "lastQty": "40", "lastPx": "10"}
        rest = recorded(
            engine,
            {"type": "OrderAcceptCmd", "orderId": order_id},
            {"type": "ExecutionCreateCmd", "execution": fill},
            {"type": "ExecutionCreateCmd", "execution": fill},
        )
    done = run(created, *rest)
    assert done.passed, done.differences
    assert done.compared == 19
    assert [order.order_id for order in done.orders] == [order_id]


def test_generated_ids_of_quotes_and_groups_are_found_again() -> None:
    with Engine.open(settings={"routing": "manual"}) as engine:
        asked = {"type": "QuoteRequestCreateCmd", "quoteRequest": {"symbol": "ACME", "quantity": "10"}}
        (request,) = recorded(engine, asked)
        quote = {"quoteReqId": request["result"]["id"], "price": "5"}
        (quoted,) = recorded(engine, {"type": "QuoteCreateCmd", "quote": quote})
        (taken,) = recorded(engine, {"type": "QuoteAcceptCmd", "quoteId": quoted["result"]["id"]})
        members = [{**TERMS, "orderId": f"M{number}", "clOrdId": f"M{number}"} for number in (1, 2)]
        made = recorded(engine, *({"type": "OrderCreateCmd", "order": member} for member in members))
        (block,) = recorded(engine, {"type": "OrderGroupCmd", "memberOrderIds": ["M1", "M2"]})
        placed = recorded(engine, {"type": "OrderPlaceCmd", "orderId": block["result"]["id"]})
    head = {"scenario": {"id": "a", "title": "t", "settings": {"routing": "manual"}}}
    done = run(head, request, quoted, taken, *made, block, *placed)
    assert done.passed, done.differences


def test_a_difference_tells_the_field_what_was_what_is_and_the_rule() -> None:
    (refused,) = run(CREATE, {"command": {**ACCEPT, "orderId": "O2"}, "result": {"status": "OK"}}).differences
    assert (refused.line, refused.field, refused.expected, refused.actual) == (2, "status", "OK", "FAILED")
    assert refused.note == 'order "O2" does not exist; search_orders finds its orderId'
    late = run(CREATE, ACCEPT, {"command": ACCEPT, "result": {"status": "OK", "state": "LIVE"}}).differences
    assert [(found.field, found.rule) for found in late] == [("status", "LIF-01"), ("state", None)]


def test_a_command_that_was_refused_and_now_is_not_tells_the_rule_of_then() -> None:
    with Engine.open() as engine:
        engine.execute(CREATE)
        engine.execute(ACCEPT)
        (refused,) = recorded(engine, ACCEPT)
    told = {found.field: (found.expected, found.actual) for found in run(CREATE, refused).differences}
    assert told == {
        "status": ("FAILED", "OK"),
        "errorCode": ("OMS-STATE-001", None),
        "error": ({"violations": [{"ruleId": "LIF-01"}]}, None),
    }


def test_an_event_that_was_written_and_now_is_not_is_told() -> None:
    result = {"status": "OK", "events": [{"type": "OrderCreated", "streamId": "order-O1", "version": 1}]}
    (found,) = run({"command": CREATE, "result": result}).differences
    assert found.field == "events"
    assert [event["type"] for event in found.actual] == ["OrderCreated", "OrderPlaced"]
