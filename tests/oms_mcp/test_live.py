"""Do clients hear of changes in both eras, whoever made them, and does nothing go on when they are gone?"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.live import MOST_ADDRESSES, addresses_of, is_told
from oms_mcp.server import ServerOptions, build_server
from tests.oms_mcp.agent import Agent, Era

ALL = ServerOptions(toolsets=("all",))

ORDER = {"clOrdId": "x1", "account": "ACC", "symbol": "IBM", "side": "BUY", "ordType": "MARKET", "orderQty": "10"}


@pytest.fixture
def shared(tmp_path: Path) -> str:
    return str(tmp_path / "oms.db")


@pytest.fixture
def on_file(shared: str, library: Library, era: Era) -> Iterator[Agent]:
    """An agent of a server on a file."""
    with Engine.open(shared) as engine, Agent(build_server(engine, library, ALL), era) as agent:
        yield agent


def test_an_order_that_is_subscribed_to_is_told_when_it_changes(agent: Agent) -> None:
    mine, other = agent.create(), agent.create()
    with agent.following(f"order://{mine}") as hear:
        agent.ok("update_order", order_id=other, action="accept")
        agent.ok("update_order", order_id=mine, action="accept")
        assert hear() == f"order://{mine}"
        agent.fill(mine, "e1", "100")
        assert hear() == f"order://{mine}"
    assert agent.silent()


def test_everything_is_told_as_changes(agent: Agent) -> None:
    with agent.following("oms://changes") as hear:
        order_id = agent.create()
        assert hear() == "oms://changes"
        agent.ok("quote", action="request", symbol="IBM", quantity="5")
        assert hear() == "oms://changes"
        agent.ok("settings", action="set", changes={"risk.maxOrderQty": "5000"}, confirm=True)
        assert hear() == "oms://changes"
    newest = agent.ok("read_kb", path="oms://changes")
    assert order_id in newest["text"]
    assert newest["text"] == agent.resource("oms://changes")


def test_settings_are_told_when_one_is_set(agent: Agent) -> None:
    with agent.following("oms://settings") as hear:
        agent.create()
        agent.ok("settings", action="set", changes={"risk.maxOrderQty": "5000"}, confirm=True)
        assert hear() == "oms://settings"
    assert agent.silent()


def test_what_another_engine_writes_to_the_file_is_told(on_file: Agent, shared: str) -> None:
    order_id = on_file.create()
    with (
        on_file.following(f"order://{order_id}", f"order://{order_id}/events") as hear,
        Engine.open(shared, session_id="other") as other,
    ):
        assert other.execute({"type": "OrderAcceptCmd", "orderId": order_id}).ok
        assert {hear(), hear()} == {f"order://{order_id}", f"order://{order_id}/events"}
    assert on_file.order(order_id)["state"] == "LIVE"


def test_what_is_refused_or_only_previewed_is_not_told(agent: Agent) -> None:
    order_id = agent.create()
    with agent.following(f"order://{order_id}") as hear:
        agent.ok("update_order", order_id=order_id, action="accept", dry_run=True)
        agent.refused("report_execution", order_id=order_id, exec_id="e1", last_qty="1", last_px="1")
        agent.ok("update_order", order_id=order_id, action="accept")
        assert hear() == f"order://{order_id}"
    assert agent.silent()


def test_a_burst_is_told_at_least_once_after_its_end(on_file: Agent, shared: str) -> None:
    with on_file.following("oms://changes") as hear, Engine.open(shared, session_id="other") as other:
        for number in range(1_200):
            order = ORDER | {"clOrdId": f"b{number}"}
            assert other.execute({"type": "OrderCreateCmd", "order": order}).ok
        last = other.position
        while f'"position":{last}}}' not in on_file.resource("oms://changes"):
            assert hear() == "oms://changes"


def test_no_thread_goes_on_when_the_clients_are_gone(engine: Engine, library: Library, era: Era) -> None:
    before = threading.active_count()
    with Agent(build_server(engine, library), era) as agent:
        during = {thread.name for thread in threading.enumerate()}
        with agent.following("oms://changes") as hear:
            agent.create()
            hear()
            assert "oms-tailer" not in during
    assert threading.active_count() <= before + 1  # the SDK may keep a thread that waits for work


def test_a_client_that_leaves_in_the_middle_takes_its_subscription_along(
    engine: Engine, library: Library, era: Era
) -> None:
    server = build_server(engine, library)
    leaving = Agent(server, era)
    with leaving, leaving.following("oms://changes") as hear:
        leaving.create()
        hear()
    with Agent(server, era) as staying, staying.following("oms://changes") as hear:
        staying.create(cl_ord_id="later")
        assert hear() == "oms://changes"


@pytest.mark.parametrize(
    "address", ["kb://index", "order://", "order://O1?as_of=v1", "order://O1/executions", "oms://status", "nonsense"]
)
def test_what_never_changes_is_refused_by_name_in_the_old_era(address: str, engine: Engine, library: Library) -> None:
    with (
        Agent(build_server(engine, library), "legacy") as agent,
        pytest.raises(MCPError, match="is never told; told are order://ORDER_ID"),
        agent.following(address),
    ):
        pass


def test_only_what_is_told_is_acknowledged_in_the_new_era(engine: Engine, library: Library) -> None:
    with Agent(build_server(engine, library)) as agent:
        assert agent.acknowledged("kb://index", "oms://changes", "order://O1") == ["oms://changes", "order://O1"]


def test_too_many_addresses_are_refused_with_the_way_out(agent: Agent) -> None:
    addresses = [f"order://O{number}" for number in range(MOST_ADDRESSES + 1)]
    with pytest.raises(MCPError, match="subscribe to 1,000 at most, or to oms://changes"), agent.following(*addresses):
        pass


def test_capabilities_promise_what_is_served(engine: Engine, library: Library, era: Era) -> None:
    with Agent(build_server(engine, library), era) as agent:
        told = agent.capabilities()
    assert told.resources
    assert told.tools
    assert told.prompts
    assert told.resources.subscribe
    assert not any(each.list_changed for each in (told.resources, told.tools, told.prompts))


def test_addresses_of_streams_are_told_once_and_changes_last() -> None:
    assert addresses_of(["order-A", "quote-Q", "order-A", "settings"]) == [
        "order://A",
        "order://A/events",
        "oms://settings",
        "oms://changes",
    ]
    assert addresses_of([]) == []
    assert "order://A%20B" in addresses_of(["order-A B"])


def test_an_address_that_is_read_as_it_was_is_not_told() -> None:
    assert is_told("order://O1")
    assert is_told("order://O1/events")
    assert not is_told("order://O1?as_of=v2")
