"""Do the tools show trees, groups and allocations, and tell of every order that a command moved?"""

import json

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import build_server
from tests.oms_mcp.agent import Agent, Wire


def _child(agent: Agent, parent: str, quantity: str, **order: object) -> str:
    """A LIVE child of a parent."""
    child = agent.create(parent_order_id=parent, order_qty=quantity, **order)
    agent.ok("update_order", order_id=child, action="accept")
    return child


@pytest.fixture
def parent(agent: Agent) -> str:
    return agent.create(handl_inst="MANUAL", more={"orderId": "P"})


def _members(agent: Agent, *quantities: str) -> list[str]:
    names = [f"M{number}" for number in range(1, len(quantities) + 1)]
    return [
        agent.create(handl_inst="MANUAL", order_qty=quantity, more={"orderId": name})
        for name, quantity in zip(names, quantities, strict=True)
    ]


def test_a_write_tells_which_orders_followed_and_only_what_changed_of_them(agent: Agent, parent: str) -> None:
    created = agent.ok(
        "create_order",
        cl_ord_id="x1",
        account="ACC",
        symbol="IBM",
        side="BUY",
        ord_type="LIMIT",
        price="100",
        order_qty="600",
        parent_order_id=parent,
    )
    assert created["related"] == [
        {
            "orderId": parent,
            "version": 3,
            "before": {"state": "NEW", "placeQty": "0"},
            "after": {"state": "UNACK", "placeQty": "600"},
        }
    ]
    agent.ok("update_order", order_id=created["orderId"], action="accept")
    filled = agent.fill(created["orderId"], "e1", "200", "99.5")
    assert filled["related"] == [
        {
            "orderId": parent,
            "version": 5,
            "before": {"cumQty": "0", "leavesQty": "1000", "avgPx": "0", "allocQty": "0"},
            "after": {"cumQty": "200", "leavesQty": "800", "avgPx": "99.5", "allocQty": "200"},
        }
    ]


def test_a_write_that_moves_no_other_order_tells_of_none(agent: Agent) -> None:
    assert "related" not in agent.ok("update_order", order_id=agent.create(), action="accept")


def test_a_cancel_of_a_parent_tells_of_the_children_it_was_sent_on_to(agent: Agent, parent: str) -> None:
    children = [_child(agent, parent, "400"), _child(agent, parent, "500")]
    asked = agent.ok("end_order", order_id=parent, action="cancel", confirm=True)
    assert [moved["orderId"] for moved in asked["related"]] == sorted(children)
    assert [(moved["before"], moved["after"]) for moved in asked["related"]] == [({}, {"cancelState": "PCXL"})] * 2


def test_a_long_list_of_orders_that_followed_is_counted(modern: Agent) -> None:
    members = _members(modern, *["100"] * 25)
    grouped = modern.ok("group_orders", action="group", order_ids=members)
    assert len(grouped["related"]) == 20
    assert grouped["relatedMore"] == 5


def test_a_preview_tells_who_would_follow_and_stores_nothing(agent: Agent, parent: str, engine: Engine) -> None:
    child = _child(agent, parent, "600")
    before = engine.counts()
    shown = agent.ok("report_execution", order_id=child, exec_id="e1", last_qty="600", last_px="1", dry_run=True)
    assert shown["related"][0]["after"]["cumQty"] == "600"
    assert engine.counts() == before
    assert agent.order(parent)["cumQty"] == "0"


def test_an_order_is_read_with_its_tree(agent: Agent, parent: str) -> None:
    child = _child(agent, parent, "600", more={"orderId": "A"})
    other = agent.create(parent_order_id=parent, order_qty="400", more={"orderId": "B"})
    slice_ = agent.create(parent_order_id=other, order_qty="300")
    tree = agent.ok("get_order", order_id=child, include=["children"])["children"]
    assert [(each["depth"], each["role"], each["state"]) for each in tree] == [
        (0, "CLIENT", "LIVE"),
        (1, "MARKET", "LIVE"),
        (1, "MARKET", "UNACK"),
        (2, "SLICE", "UNACK"),
    ]
    assert (tree[0]["orderId"], tree[0]["placeQty"], "parentOrderId" in tree[0]) == (parent, "1000", False)
    assert tree[3]["orderId"] == slice_
    assert tree[1]["parentOrderId"] == parent


def test_a_concise_order_tells_its_place_and_one_that_stands_alone_has_none(agent: Agent, parent: str) -> None:
    child = _child(agent, parent, "600")
    agent.fill(child, "e1", "200")
    assert agent.order(child)["parentOrderId"] == parent
    assert (agent.order(child)["allocQty"], agent.order(child)["allocState"]) == ("200", "ALLOCATED")
    assert (agent.order(parent)["placeQty"], agent.order(parent)["allocQty"]) == ("600", "200")
    assert not {"placeQty", "allocQty", "parentOrderId"} & {*agent.order(agent.given("PART"))}


@pytest.fixture
def pending(agent: Agent, parent: str) -> str:
    """A child with 800 @ 50 that the desk has to hand on."""
    child = _child(agent, parent, "1000", more={"autoAllocation": False})
    agent.fill(child, "e1", "800", "50")
    return child


def test_pending_fills_are_handed_on_in_parts_and_can_be_read(agent: Agent, parent: str, pending: str) -> None:
    assert agent.order(pending)["pendingAllocQty"] == "800"
    done = agent.ok("allocate", order_id=pending, action="approve", quantity="600", approved_by="ann")
    assert (done["after"]["allocQty"], done["after"]["pendingAllocQty"]) == ("600", "200")
    assert done["related"][0]["after"]["cumQty"] == "600"
    for order_id in (parent, pending):
        lots = agent.ok("get_order", order_id=order_id, include=["allocations"])["allocations"]
        assert lots == [
            {
                "giverOrderId": pending,
                "receiverOrderId": parent,
                "execId": "e1",
                "quantity": "600",
                "price": "50",
                "status": "APPLIED",
                "approvedBy": "ann",
            }
        ]
    refused = agent.ok("allocate", order_id=pending, action="reject", reason="wrong price")
    assert refused["after"]["allocState"] == "ALLOC_FAILED"
    rest = agent.ok("allocate", order_id=pending, action="approve")
    assert (rest["after"]["allocQty"], rest["after"]["allocState"]) == ("800", "ALLOCATED")


def test_allocations_are_searched(agent: Agent, parent: str, pending: str) -> None:
    agent.ok("allocate", order_id=pending, action="approve", quantity="300")
    row = agent.ok("search_orders", entity="allocation", where=[f"receiverOrderId={parent}"])["content"][0]
    assert (row["giverOrderId"], row["quantity"]) == (pending, "300")


def test_more_lots_than_a_page_holds_are_told(library: Library) -> None:
    with (
        Engine.open(settings={"query.maxSize": 10, "query.defaultSize": 10}) as small,
        Agent(build_server(small, library)) as agent,
    ):
        child = _child(agent, agent.create(handl_inst="MANUAL"), "1000")
        for number in range(11):
            agent.fill(child, f"e{number}", "1")
        read = agent.ok("get_order", order_id=child, include=["allocations"])
    assert [lot["execId"] for lot in read["allocations"]] == [f"e{number}" for number in range(10)]
    assert "allocations shows 10 of 11" in read["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "rule"),
    [
        ({"quantity": "801"}, "OMS-ORDER-004", "ALC-03"),
        ({"quantity": "0"}, "OMS-VAL-005", "ALC-03"),
        ({"order_id": "nope"}, "OMS-ORDER-001", "ALC-01"),
        ({"order_id": "P"}, "OMS-STATE-002", "ALC-01"),
        ({"quantity": "many"}, "OMS-VAL-004", "ENV-06"),
    ],
)
def test_an_allocation_that_cannot_be_is_refused(
    arguments: Wire, code: str, rule: str, agent: Agent, pending: str
) -> None:
    error = agent.refused("allocate", **{"order_id": pending, "action": "approve"} | arguments)
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == (code, rule)
    assert agent.order(pending)["pendingAllocQty"] == "800"


def test_orders_are_grouped_filled_and_read_as_a_group(agent: Agent) -> None:
    members = _members(agent, "2000", "2000", "1000")
    made = agent.ok("group_orders", action="group", order_ids=members, group_order_id="G1", grouped_by="ann")
    assert (made["id"], made["state"], made["after"]["orderQty"]) == ("G1", "NEW", "5000")
    assert [moved["after"] for moved in made["related"]] == [{"groupOrderId": "G1"}] * 3
    agent.ok("update_order", order_id="G1", action="place")
    agent.ok("update_order", order_id="G1", action="accept")
    filled = agent.fill("G1", "e1", "3000")
    assert [moved["after"]["cumQty"] for moved in filled["related"]] == ["1200", "1200", "600"]
    group = agent.ok("get_order", order_id="G1", include=["children"])
    assert [member["cumQty"] for member in group["members"]] == ["1200", "1200", "600"]
    member = agent.ok("get_order", order_id="M1", include=["children", "allocations"])
    assert (member["groupOrderId"], member["group"]["orderId"], member["group"]["cumQty"]) == ("G1", "G1", "3000")
    assert [each["orderId"] for each in member["children"]] == ["M1"]
    assert member["allocations"][0]["quantity"] == "1200"


def test_a_group_is_dissolved(agent: Agent) -> None:
    members = _members(agent, "100", "200")
    made = agent.ok("group_orders", action="group", order_ids=members, auto_allocation=False)
    dissolved = agent.ok("group_orders", action="ungroup", group_order_id=made["id"])
    assert dissolved["after"]["orderQty"] == "0"
    assert [moved["before"] for moved in dissolved["related"]] == [{"groupOrderId": made["id"]}] * 2
    assert "groupOrderId" not in agent.order("M1")


def test_a_group_that_cannot_be_is_refused_with_every_reason(agent: Agent) -> None:
    _members(agent, "100", "200")
    agent.create(symbol="MSFT", more={"orderId": "M3"})
    error = agent.refused("group_orders", action="group", order_ids=["M1", "M3"])
    assert {"GRP-03"} <= {found["ruleId"] for found in error["violations"]}
    few = agent.refused("group_orders", action="group", order_ids=["M1"])
    assert (few["violations"][0]["ruleId"], few["violations"][0]["field"]) == ("GRP-01", "order_ids")
    assert few["detail"].startswith("order_ids (memberOrderIds) has 1 orders")
    unknown = agent.refused("group_orders", action="group", order_ids=["M1", "M9"])
    assert (unknown["errorCode"], unknown["violations"][0]["ruleId"]) == ("OMS-ORDER-001", "GRP-02")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"action": "ungroup", "group_order_id": "G", "order_ids": ["M1"]}, "order_ids"),
        ({"action": "ungroup", "group_order_id": "G", "grouped_by": "ann"}, "grouped_by"),
        ({"action": "group", "order_ids": ["M1", 5]}, "order_ids[1]"),
        ({"action": "group", "order_ids": "M1"}, "order_ids"),
        ({"action": "split"}, "action"),
        ({"action": "group", "members": ["M1"]}, "members"),
    ],
)
def test_a_call_to_group_that_is_malformed_is_refused_by_name(arguments: Wire, field: str, modern: Agent) -> None:
    error = modern.refused("group_orders", **arguments)
    assert error["violations"][0]["field"] == field


def test_a_list_of_orders_may_come_as_json_text(modern: Agent) -> None:
    members = _members(modern, "100", "200")
    assert modern.ok("group_orders", action="group", order_ids=json.dumps(members))["state"] == "NEW"


def test_the_address_of_an_order_shows_its_tree_only_where_it_has_one(agent: Agent, parent: str, pending: str) -> None:
    agent.ok("allocate", order_id=pending, action="approve")
    shown = json.loads(agent.resource(f"order://{parent}"))
    assert [each["orderId"] for each in shown["children"]] == [parent, pending]
    assert shown["allocations"][0]["quantity"] == "800"
    alone = json.loads(agent.resource(f"order://{agent.given('PART')}"))
    assert not {"children", "allocations", "group", "members"} & {*alone}
