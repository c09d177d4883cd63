"""Is what somebody types completed: documents, anchors, contracts, formats, orders, states and symbols?"""

from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from knowledge_base import Library
from oms_engine import Engine
from oms_engine.contracts.catalogue import TYPES
from oms_engine.contracts.spec import FORMATS
from oms_engine.domain.vocabulary import State
from oms_mcp.completions import MOST, matching
from oms_mcp.server import build_server
from tests.oms_mcp.agent import Agent

KB, SCHEMA, PAGE = "kb://{+path}{?anchor}", "spec://schema/{name}{?format}", "spec://{page}{?format}"
ORDER, EVENTS, ORDERS = "order://{orderId}{?as_of}", "order://{orderId}/events", "orders://{state}{?symbol}"


def test_documents_and_their_anchors_are_completed(agent: Agent) -> None:
    assert agent.completed(KB, "path", "concepts/exec") == ["concepts/executions.md"]
    assert "concepts/executions.md" in agent.completed(KB, "path", "EXECUTIONS")
    anchors = agent.completed(KB, "anchor", "3-what", path="concepts/executions.md")
    assert anchors == ["3-what-a-fill-changes"]
    assert agent.resource(f"kb://concepts/executions.md?anchor={anchors[0]}")
    assert agent.completed(KB, "anchor", "", path="nope.md") == []
    assert agent.completed(KB, "anchor", "", path="../../etc/passwd") == []


def test_contracts_and_their_formats_are_completed(agent: Agent) -> None:
    assert agent.completed(SCHEMA, "name", "ordercancelc") == ["OrderCancelCmd"]
    assert agent.completed(SCHEMA, "name", "quote")[0].startswith("Quote")
    assert agent.completed(SCHEMA, "format", "") == [*FORMATS]
    assert agent.completed(PAGE, "page", "st") == ["states"]
    assert agent.completed(PAGE, "format", "", page="states") == ["text"]
    assert agent.completed(PAGE, "format", "ja", page="events") == ["java"]


def test_orders_are_completed_newest_first_with_their_versions(agent: Agent) -> None:
    first, second = agent.create(more={"orderId": "A-1"}), agent.create(more={"orderId": "A-2"})
    agent.create(more={"orderId": "B-1"})
    for template in (ORDER, EVENTS):
        assert agent.completed(template, "orderId", "A-") == [second, first]
    assert agent.completed(ORDER, "as_of", "", orderId="A-1") == ["v2", "v1"]
    assert agent.completed(ORDER, "as_of", "", orderId="nope") == []
    assert agent.completed("explain-order", "order_id", "B") == ["B-1"]
    assert agent.completed("investigate-rejection", "cl_ord_id", "c") == ["c3", "c2", "c1"]


def test_states_and_symbols_are_completed(agent: Agent) -> None:
    agent.create(symbol="IBM")
    agent.create(symbol="INTC")
    agent.create(symbol="ACME")
    assert agent.completed(ORDERS, "state", "") == [state.value for state in State]
    assert agent.completed(ORDERS, "state", "fi") == ["FILLED"]
    assert agent.completed(ORDERS, "symbol", "I") == ["IBM", "INTC"]


def test_a_specification_is_completed_to_documents_sections_and_contracts(agent: Agent) -> None:
    assert agent.completed("implement-from-spec", "spec", "concepts/exec") == ["concepts/executions.md"]
    sections = agent.completed("validate-against-spec", "spec", "concepts/executions.md#3")
    assert sections[0] == "concepts/executions.md#3-what-a-fill-changes"
    assert agent.completed("implement-from-spec", "spec", "spec://schema/Lot") == ["spec://schema/Lot"]
    assert agent.completed("implement-from-spec", "feature", "x") == []


def test_no_more_than_a_hundred_values_are_sent_and_the_rest_is_counted(engine: Engine, library: Library) -> None:
    order = {"account": "A", "symbol": "IBM", "side": "BUY", "ordType": "MARKET", "orderQty": "1"}
    for number in range(MOST + 5):
        name = f"O{number:03}"
        engine.execute({"type": "OrderCreateCmd", "order": {**order, "orderId": name, "clOrdId": name}})
    with Agent(build_server(engine, library)) as agent:
        values = agent.completed("explain-order", "order_id", "O")
        assert (len(values), values[0]) == (MOST, f"O{MOST + 4}")
        told = agent.completion("explain-order", "order_id", "O")
        assert (told.total, told.has_more) == (MOST + 5, True)
        told = agent.completion("explain-order", "order_id", "O00")
        assert (told.total, told.has_more) == (10, False)


@pytest.mark.parametrize(
    "typed", ["x" * 100_000, " ", "\n", "\0", "'; DROP TABLE orders; --", "%", "_", "*", "../..", "🙂", "a,b"]
)
def test_whatever_is_typed_is_only_compared(typed: str, modern: Agent) -> None:
    order_id = modern.create()
    for template, argument in ((KB, "path"), (SCHEMA, "name"), (ORDER, "orderId"), (ORDERS, "symbol")):
        assert modern.completed(template, argument, typed) == []
    assert modern.completed("explain-order", "order_id") == [order_id]


@pytest.mark.parametrize(
    ("of", "argument", "told"),
    [
        ("dance", "x", "use one of implement-from-spec"),
        ("kb://{path}", "path", "use one of kb://"),
        (KB, "colour", "use path, anchor"),
        ("explain-order", "colour", "use order_id"),
    ],
)
def test_an_argument_that_is_not_there_is_invalid(of: str, argument: str, told: str, agent: Agent) -> None:
    with pytest.raises(MCPError) as caught:
        agent.completed(of, argument)
    assert caught.value.code == INVALID_PARAMS
    assert told in str(caught.value)


def test_every_address_with_a_gap_can_be_completed(agent: Agent) -> None:
    _, templates = agent.resources()
    assert set(templates) == {KB, SCHEMA, PAGE, ORDER, EVENTS, ORDERS}
    for template in templates:
        with pytest.raises(MCPError, match="use "):
            agent.completed(template, "no such argument")


def test_what_begins_so_comes_before_what_only_has_it() -> None:
    assert matching(["an Order", "Order", "Other", "Order"], "ord") == ["Order", "an Order"]
    assert matching(TYPES, "") == list(TYPES)


def test_anchors_are_those_of_the_documents_that_the_server_has(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# A page\n\n## One\n\nWords.\n\n## Two\n\nMore words.\n", encoding="utf-8")
    with Library.open(tmp_path, semantic=False) as library, Agent(build_server(engine, library)) as agent:
        assert agent.completed(KB, "path") == ["page.md"]
        assert agent.completed(KB, "anchor", "t", path="page.md") == ["two"]
