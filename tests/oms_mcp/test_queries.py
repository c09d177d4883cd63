"""Do the reading tools find, read and recount, and refuse what they cannot understand?"""

import json
import re

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import ServerOptions, build_server
from oms_mcp.shapes import CONCISE
from tests.oms_mcp.agent import GOOD, Agent


def _symbols(agent: Agent, *where: str, **arguments: object) -> list[str]:
    content = agent.ok("search_orders", where=list(where), sort="symbol", **arguments)["content"]
    return [row["symbol"] for row in content]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (("symbol=AAPL",), ["AAPL"]),
        (("symbol__ne=AAPL",), ["IBM", "MSFT"]),
        (("symbol__like=a",), ["AAPL"]),
        (("symbol__in=AAPL,IBM",), ["AAPL", "IBM"]),
        (("price__gt=100",), ["IBM", "MSFT"]),
        (("price__gte=100", "price__lt=300"), ["AAPL", "IBM"]),
        (("price__lte=100",), ["AAPL"]),
        (("price__between=100,200",), ["AAPL", "IBM"]),
        (("state=FILLED",), []),
        ((), ["AAPL", "IBM", "MSFT"]),
    ],
)
def test_orders_are_found_by_their_fields(where: tuple[str, ...], found: list[str], modern: Agent) -> None:
    for symbol, price in (("AAPL", "100"), ("IBM", "200"), ("MSFT", "300")):
        modern.create(symbol=symbol, price=price)
    assert _symbols(modern, *where) == found


def test_rows_are_concise_detailed_or_as_asked(agent: Agent) -> None:
    agent.create()
    concise = agent.ok("search_orders")["content"][0]
    assert [*concise] == [name for name in CONCISE["order"] if name != "cancelState"]
    assert agent.ok("search_orders", response_format="detailed")["content"][0]["account"] == "ACC"
    assert agent.ok("search_orders", fields=["account", "text"])["content"] == [{"account": "ACC"}]


def test_pages_are_bounded_and_say_so(agent: Agent) -> None:
    for _ in range(3):
        agent.create()
    page = agent.ok("search_orders", page=1, size=2)
    assert page["page"] == {"number": 1, "size": 2, "totalElements": 3, "totalPages": 2}
    assert len(page["content"]) == 1
    clamped = agent.ok("search_orders", page=-1, size=501)
    assert len(clamped["warnings"]) == 2


@pytest.mark.parametrize(("entity", "field"), [("execution", "execId"), ("event", "type")])
def test_executions_and_events_are_searched_too(entity: str, field: str, agent: Agent) -> None:
    agent.given("PART")
    row = agent.ok("search_orders", entity=entity)["content"][0]
    assert field in row
    assert [*agent.ok("search_orders", entity=entity, fields=[field])["content"][0]] == [field]


def test_an_event_can_be_asked_for_its_payload(modern: Agent) -> None:
    modern.create()
    assert modern.ok("search_orders", entity="event", where=["type=OrderPlaced"], fields=["payload"])["content"] == [
        {"payload": {"routing": "auto"}}
    ]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"entity": "trade"}, "QRY-01"),
        ({"where": ["colour=red"]}, "QRY-02"),
        ({"where": ["price__like=1"]}, "QRY-03"),
        ({"where": ["price__about=1"]}, "QRY-03"),
        ({"where": ["price"]}, "QRY-04"),
        ({"where": ["price="]}, "QRY-04"),
        ({"where": ["price=cheap"]}, "QRY-04"),
        ({"where": ["state=OPEN"]}, "QRY-04"),
        ({"where": ["price__between=2,1"]}, "QRY-04"),
        ({"where": ["symbol='; DROP TABLE orders --", "x=1"]}, "QRY-02"),
        ({"sort": "colour"}, "QRY-05"),
        ({"sort": "price,UP"}, "QRY-05"),
        ({"page": "two"}, "ENV-06"),
        ({"page": True}, "ENV-06"),
        ({"size": 1.5}, "ENV-06"),
        ({"size": 10**18}, "QRY-04"),
        ({"where": "state=LIVE"}, "ENV-06"),
        ({"where": [5]}, "ENV-06"),
        ({"fields": ["colour"]}, "ENV-02"),
        ({"response_format": "short"}, "ORD-21"),
    ],
)
def test_a_malformed_question_is_refused_with_what_is_valid(
    arguments: dict[str, object], rule: str, modern: Agent
) -> None:
    error = modern.refused("search_orders", **arguments)
    assert error["violations"][0]["ruleId"] == rule
    assert any(
        word in error["detail"]
        for word in ("valid", "use one of", "write", "whole number", "send", "give", "put", "is compared", "use ASC")
    )


def test_a_trick_in_a_value_is_only_a_value(modern: Agent, engine: Engine) -> None:
    modern.create()
    before = engine.counts()
    assert modern.ok("search_orders", where=["symbol='; DROP TABLE orders; --"])["content"] == []
    assert engine.counts() == before


def test_an_order_is_read_with_its_parts(agent: Agent) -> None:
    order_id = agent.given("PART")
    order = agent.ok("get_order", order_id=order_id, include=["executions", "events", "next_states"])
    assert (order["state"], order["cumQty"]) == ("LIVE", "300")
    assert [fill["execId"] for fill in order["executions"]] == ["e1"]
    assert [event["type"] for event in order["events"]][-1] == "ExecutionCreated"
    assert [state["to"] for state in order["nextStates"]] == ["FILLED", "CXL", "EXP"]
    assert "events" not in agent.order(order_id)


def test_an_order_is_read_by_its_client_order_id(engine: Engine, library: Library) -> None:
    server = build_server(engine, library)
    with Agent(server, name="one") as one, Agent(server, name="two") as two, Agent(server, name="three") as three:
        first = one.ok("create_order", cl_ord_id="shared", **GOOD)["orderId"]
        assert three.ok("get_order", cl_ord_id="shared")["orderId"] == first
        second = two.ok("create_order", cl_ord_id="shared", **GOOD)["orderId"]
        assert one.ok("get_order", cl_ord_id="shared")["orderId"] == first
        assert two.ok("get_order", cl_ord_id="shared")["orderId"] == second
        error = three.refused("get_order", cl_ord_id="shared")
        assert error["errorCode"] == "OMS-VAL-003"
        assert first in error["detail"]
        assert second in error["detail"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "OMS-VAL-003"),
        ({"order_id": " "}, "OMS-VAL-003"),
        ({"order_id": "nope"}, "OMS-ORDER-001"),
        ({"order_id": "../../etc/passwd"}, "OMS-ORDER-001"),
        ({"order_id": "x" * 1_000_000}, "OMS-ORDER-001"),
        ({"order_id": "a\0b"}, "OMS-ORDER-001"),
        ({"cl_ord_id": "nope"}, "OMS-ORDER-001"),
        ({"cl_ord_id": "x" * 1_000_000}, "OMS-VAL-004"),
        ({"order_id": "a", "include": ["parents"]}, "OMS-VAL-004"),
        ({"order_id": 7}, "OMS-VAL-004"),
    ],
)
def test_an_order_that_cannot_be_read_is_refused(arguments: dict[str, object], code: str, modern: Agent) -> None:
    error = modern.refused("get_order", **arguments)
    assert error["errorCode"] == code
    assert len(error["detail"]) < 1000


def test_the_history_of_an_order_comes_in_order_and_in_pages(agent: Agent) -> None:
    agent.create()
    order_id = agent.given("FILLED")
    first = agent.ok("order_history", order_id=order_id, limit=2)
    rest = agent.ok("order_history", order_id=order_id, after=first["next"])
    types = [event["type"] for event in first["events"] + rest["events"]]
    assert types == [
        "OrderCreated",
        "OrderPlaced",
        "OrderAccepted",
        "ExecutionCreated",
        "ExecutionCreated",
        "OrderFilled",
    ]
    assert "next" not in rest


def test_the_history_of_all_orders_is_one_sequence(agent: Agent) -> None:
    agent.given("LIVE")
    agent.given("UNACK")
    everything = agent.ok("order_history", response_format="detailed")["events"]
    assert [event["position"] for event in everything] == [1, 2, 3, 4, 5]
    assert everything[0]["actor"] == "tester 1"
    placed = agent.ok("order_history", kinds=["OrderPlaced"], limit=1)
    assert [event["position"] for event in placed["events"]] == [2]
    assert [
        event["position"] for event in agent.ok("order_history", kinds=["OrderPlaced"], after=placed["next"])["events"]
    ] == [5]


def test_an_order_is_named_in_one_way(modern: Agent) -> None:
    found = modern.refused("get_order", order_id="a", cl_ord_id="b")["violations"][0]
    assert (found["ruleId"], found["code"], found["field"]) == ("ENV-10", "OMS-VAL-001", "cl_ord_id")


def test_an_order_named_null_is_found_by_that_name(modern: Agent) -> None:
    order_id = modern.create(cl_ord_id="null")
    assert modern.ok("get_order", cl_ord_id="null")["orderId"] == order_id


@pytest.mark.parametrize("value", [-1, -99999999999999999999999, 10**18 + 1, 10**30, 10**4000])
def test_a_position_out_of_bounds_is_refused(value: int, modern: Agent) -> None:
    error = modern.refused("order_history", after=value)
    found = error["violations"][0]
    assert (found["field"], found["ruleId"], found["code"]) == ("after", "ENV-06", "OMS-VAL-005")
    assert re.fullmatch(
        r"after -?\d+(\.\.\.)? is out of bounds; send a whole number of at (least|most) .*", error["detail"]
    )
    assert modern.ok("order_history", after=10**18)["events"] == []


@pytest.mark.parametrize("value", [-(10**30), -1, 0, 501, 10**30])
def test_a_limit_out_of_bounds_is_refused(value: int, modern: Agent) -> None:
    found = modern.refused("order_history", limit=value)["violations"][0]
    assert (found["field"], found["ruleId"], found["code"]) == ("limit", "ENV-06", "OMS-VAL-005")


@pytest.mark.parametrize(
    ("tool", "argument"),
    [
        ("search_orders", "page"),
        ("search_orders", "size"),
        ("order_history", "after"),
        ("order_history", "limit"),
        ("search_kb", "limit"),
        ("read_kb", "offset"),
        ("read_kb", "limit"),
        ("update_order", "expected_version"),
    ],
)
@pytest.mark.parametrize("value", ["5", 5.0, True])
def test_a_whole_number_is_a_json_integer_everywhere(tool: str, argument: str, value: object, modern: Agent) -> None:
    others = {"query": "fill"} if tool == "search_kb" else {}
    if tool == "update_order":
        others = {"order_id": modern.create(), "action": "accept"}
    error = modern.refused(tool, **others, **{argument: value})
    found = error["violations"][0]
    assert (found["ruleId"], found["code"]) == ("ENV-06", "OMS-VAL-004")
    assert "is no whole number; send a JSON integer" in error["detail"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"order_id": "nope"}, "OMS-ORDER-001"),
        ({"kinds": ["OrderLost"]}, "OMS-VAL-004"),
        ({"after": "first"}, "OMS-VAL-004"),
        ({"limit": True}, "OMS-VAL-004"),
    ],
)
def test_a_history_that_cannot_be_read_is_refused(arguments: dict[str, object], code: str, modern: Agent) -> None:
    assert modern.refused("order_history", **arguments)["errorCode"] == code


def test_a_history_longer_than_one_read_of_the_store_is_searched_to_its_end(modern: Agent) -> None:
    orders = [
        {
            "type": "OrderCreateCmd",
            "order": {
                "orderId": f"o{n}",
                "clOrdId": f"c{n}",
                "account": "A",
                "symbol": "IBM",
                "side": "BUY",
                "ordType": "MARKET",
                "orderQty": "100",
            },
        }
        for n in range(300)
    ]
    assert modern.ok("execute_commands", commands=orders)["ok"] == 300
    modern.ok("update_order", order_id="o299", action="accept")
    found = modern.ok("order_history", kinds=["OrderAccepted"])
    assert [event["streamId"] for event in found["events"]] == ["order-o299"]


def test_a_long_answer_is_cut_and_says_how_to_narrow_it(engine: Engine, library: Library) -> None:
    options = ServerOptions(toolsets=("all",), max_result_tokens=2_000)
    with Agent(build_server(engine, library, options)) as agent:
        for _ in range(40):
            agent.create()
        page = agent.ok("search_orders")
        assert 0 < len(page["content"]) < 40
        assert f"content shows {len(page['content'])} of 40" in page["truncated"]
        assert "conditions" in page["truncated"]
        history = agent.ok("order_history")
        assert history["next"] == history["events"][-1]["position"]
        assert history["truncated"]
        seen, after = 0, 0
        while True:
            part = agent.ok("order_history", after=after)
            seen += len(part["events"])
            if "next" not in part:
                break
            after = part["next"]
        assert seen == 80


def _walked(agent: Agent, **arguments: object) -> list[str]:
    ids: list[str] = []
    cursor = "*"
    while cursor:
        page = agent.ok("search_orders", cursor=cursor, **arguments)
        assert page["page"].keys() == {"size"}
        ids += [row["orderId"] for row in page["content"]]
        cursor = page.get("nextCursor", "")
    return ids


def test_a_search_is_walked_by_cursor(agent: Agent) -> None:
    created = [agent.create(symbol=symbol) for symbol in ("IBM", "IBN", "XX", "IBM", "IBN")]
    assert _walked(agent, size=2) == created[::-1]
    assert _walked(agent, where=["symbol__startswith=IB"], sort="createdAt", size=1) == [*created[:2], *created[3:]]
    first = agent.ok("search_orders", size=2)
    assert first["page"]["totalElements"] == 5
    second = agent.ok("search_orders", size=2, cursor=first["nextCursor"])
    assert [row["orderId"] for row in second["content"]] == created[1:3][::-1]


def test_a_cursor_beside_a_page_or_of_another_search_is_refused(modern: Agent) -> None:
    for _ in range(2):
        modern.create()
    cursor = modern.ok("search_orders", size=1)["nextCursor"]
    for wrong in ({"page": 1}, {"sort": "price"}, {"entity": "event"}):
        found = modern.refused("search_orders", size=1, cursor=cursor, **wrong)["violations"][0]
        assert (found["ruleId"], found["code"], found["field"]) == ("QRY-04", "OMS-VAL-004", "cursor")


def test_the_cursor_of_a_page_that_was_cut_goes_on_behind_what_was_shown(engine: Engine, library: Library) -> None:
    with Agent(build_server(engine, library, ServerOptions(max_result_tokens=2_000))) as agent:
        created = [agent.create(more={"text": "x" * 1_000}) for _ in range(12)]
        assert _walked(agent, size=10, response_format="detailed") == created[::-1]
        cut = agent.ok("search_orders", size=6, response_format="detailed")
        assert 0 < len(cut["content"]) < 6
        assert cut["page"]["totalElements"] == 12
        following = agent.ok("search_orders", size=1, cursor=cut["nextCursor"])["content"]
        assert following[0]["orderId"] == created[::-1][len(cut["content"])]
        assert "nextCursor" not in agent.ok("search_orders", size=6, page=1, response_format="detailed")


def test_an_order_and_a_search_are_read_as_of_a_moment(agent: Agent) -> None:
    order_id = agent.given("PART")
    assert agent.ok("get_order", order_id=order_id, as_of="v2")["state"] == "UNACK"
    then = agent.ok("get_order", order_id=order_id, as_of="v3", include=["executions", "events", "children"])
    assert (then["state"], then["asOf"], then["executions"]) == ("LIVE", "p3", [])
    assert [event["type"] for event in then["events"]] == ["OrderCreated", "OrderPlaced", "OrderAccepted"]
    assert [row["state"] for row in then["children"]] == ["LIVE"]
    assert agent.ok("get_order", cl_ord_id=agent.order(order_id)["clOrdId"], as_of="p1")["state"] == "NEW"
    assert "asOf" not in agent.order(order_id)
    found = agent.ok("search_orders", where=["state=UNACK"], as_of="p2")
    assert [row["orderId"] for row in found["content"]] == [order_id]
    assert found["asOf"] == "p2"
    assert agent.ok("search_orders", as_of="2020-01-01T00:00:00Z")["content"] == []
    assert agent.ok("search_orders", where=["state=LIVE"], as_of="2999-01-01T00:00:00Z")["asOf"] == "p4"


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("search_orders", {"as_of": "v1"}, "OMS-VAL-004"),
        ("search_orders", {"as_of": "soon"}, "OMS-VAL-004"),
        ("search_orders", {"as_of": "p99"}, "OMS-VAL-005"),
        ("get_order", {"as_of": "v99"}, "OMS-VAL-005"),
        ("get_order", {"as_of": "p0"}, "OMS-ORDER-001"),
    ],
)
def test_a_moment_that_there_was_not_is_refused(tool: str, arguments: dict[str, str], code: str, modern: Agent) -> None:
    order_id = modern.create()
    named = {"order_id": order_id} if tool == "get_order" else {}
    assert modern.refused(tool, **named, **arguments)["errorCode"] == code


def test_a_history_tells_what_each_event_changed(agent: Agent) -> None:
    order_id = agent.given("PART")
    events = agent.ok("order_history", order_id=order_id, diff=True)["events"]
    assert events[1]["changes"] == {"state": {"before": "NEW", "after": "UNACK"}}
    assert events[3]["changes"]["cumQty"] == {"before": "0", "after": "300"}
    assert events[0]["changes"]["state"] == {"after": "NEW"}
    everything = agent.ok("order_history", diff=True, kinds=["ExecutionCreated"])["events"]
    assert [event["changes"]["leavesQty"] for event in everything] == [{"before": "1000", "after": "700"}]
    assert "changes" not in agent.ok("order_history", order_id=order_id)["events"][0]


def test_an_order_of_the_past_is_a_resource(agent: Agent) -> None:
    order_id = agent.given("LIVE")
    assert json.loads(agent.resource(f"order://{order_id}?as_of=v1"))["state"] == "NEW"
    assert json.loads(agent.resource(f"order://{order_id}"))["state"] == "LIVE"
    read = agent.ok("read_kb", path=f"order://{order_id}?as_of=v2")
    assert json.loads(read["text"])["state"] == "UNACK"
    for wrong in (f"order://{order_id}?as_of=v2&x=1", f"order://{order_id}/events?as_of=v2", f"order://{order_id}?v=2"):
        assert agent.refused("read_kb", path=wrong)["errorCode"] == "OMS-VAL-004"
    assert agent.refused("read_kb", path=f"order://{order_id}?as_of=v9")["errorCode"] == "OMS-VAL-005"


def test_rows_are_counted_by_a_field_and_their_quantities_added(agent: Agent) -> None:
    for symbol, quantity in (("AAPL", "0.1"), ("AAPL", "0.2"), ("IBM", "5")):
        agent.create(symbol=symbol, order_qty=quantity)
    groups = agent.ok("search_orders", group_by="symbol")["groups"]
    assert groups[0] == {"key": "AAPL", "count": 2, "sums": {"orderQty": "0.3", "cumQty": "0", "leavesQty": "0.3"}}
    assert [(group["key"], group["count"]) for group in groups] == [("AAPL", 2), ("IBM", 1)]


@pytest.mark.parametrize(
    ("field", "keys"),
    [("price", ["100"]), ("autoAllocation", [True]), ("text", [None]), ("state", ["LIVE"]), ("version", [4])],
)
def test_the_key_of_a_group_is_a_value_as_on_the_wire(field: str, keys: list[object], modern: Agent) -> None:
    modern.given("PART")
    groups = modern.ok("search_orders", group_by=field)["groups"]
    assert [group.get("key") for group in groups] == keys


def test_sums_of_large_quantities_are_exact(modern: Agent, engine: Engine) -> None:
    modern.ok("settings", action="set", changes={"maxOrderQty": "999999999999999999"}, confirm=True)
    for _ in range(20):
        modern.create(order_qty="999999999999999999", price="0.00000001")
    (group,) = modern.ok("search_orders", group_by="side")["groups"]
    assert group["sums"]["orderQty"] == str(20 * 999_999_999_999_999_999)
    assert engine.groups("side").total == 1


def test_groups_are_bounded_and_of_any_time_and_entity(modern: Agent) -> None:
    modern.given("PART")
    modern.create(symbol="MSFT")
    few = modern.ok("search_orders", group_by="symbol", size=1)
    assert few["warnings"] == ["1 of 2 groups are shown; give a larger size or more conditions"]
    past = modern.ok("search_orders", group_by="symbol", as_of="p1")
    assert (past["asOf"], [group["key"] for group in past["groups"]]) == ("p1", ["IBM"])
    (fills,) = modern.ok("search_orders", entity="execution", group_by="status")["groups"]
    assert fills == {"key": "ACTIVE", "count": 1, "sums": {"lastQty": "300"}}
    kinds = modern.ok("search_orders", entity="event", group_by="type", where=["type=OrderCreated"])["groups"]
    assert kinds == [{"key": "OrderCreated", "count": 2, "sums": {}}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"group_by": "symbl"}, "did you mean symbol?"),
        ({"group_by": "symbol", "entity": "trade"}, "use one of order"),
        ({"group_by": "symbol", "where": ["colour=red"]}, "no field of order"),
        ({"group_by": "symbol", "sort": "price"}, '"sort" is no argument beside group_by'),
        ({"group_by": "symbol", "page": 0}, '"page" is no argument beside group_by'),
        ({"group_by": "symbol", "fields": ["state"]}, '"fields" is no argument beside group_by'),
        ({"group_by": "symbol", "response_format": "detailed"}, '"response_format" is no argument beside group_by'),
    ],
)
def test_what_groups_do_not_have_is_refused(arguments: dict[str, object], words: str, modern: Agent) -> None:
    assert words in modern.refused("search_orders", **arguments)["detail"]
