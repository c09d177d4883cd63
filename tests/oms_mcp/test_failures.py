"""What does a client learn of a failure that nobody foresaw, of a broken store, and of a tool that is not there?"""

import json
import sqlite3
from pathlib import Path

import pytest

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.server import build_server
from tests.oms_mcp.agent import GOOD, Agent, Era


def test_a_tool_that_is_switched_off_says_how_to_have_it(engine: Engine, library: Library) -> None:
    with Agent(build_server(engine, library)) as agent:
        error = agent.refused("execute_commands", commands=[])
        assert "must be started with toolset raw" in error["detail"]


def test_an_unknown_tool_is_refused_with_the_valid_ones(agent: Agent) -> None:
    assert "create_order, update_order" in agent.refused("buy")["detail"]


def test_a_closed_store_is_told_without_internals(library: Library, tmp_path: Path) -> None:
    engine = Engine.open(str(tmp_path / "oms.db"))
    with Agent(build_server(engine, library)) as agent:
        engine.close()
        for tool, arguments in (("create_order", GOOD), ("search_orders", {}), ("get_order", {"order_id": "x"})):
            answer, is_error = agent.call(tool, **arguments)
            assert is_error
            assert answer["error"]["errorCode"] == "OMS-DATA-002"
            assert answer["error"]["retryable"] is True
            assert str(tmp_path) not in json.dumps(answer)


def test_a_write_is_answered_though_the_documents_cannot_be_opened(engine: Engine, era: Era) -> None:
    def broken() -> Library:
        raise OSError("no such disk")

    with Agent(build_server(engine, broken), era) as agent:
        assert agent.create()
        answer, is_error = agent.call("search_kb", query="leaves")
    assert is_error
    assert answer["error"]["errorCode"] == "OMS-SYS-001"


def test_a_database_that_another_process_holds_is_told_as_retryable(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    with Engine.open(str(path)) as engine, Agent(build_server(engine, library)) as agent:
        engine._store.busy_seconds = 0.01
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        answer, is_error = agent.call("create_order", **GOOD, cl_ord_id="c1")
        holder.execute("ROLLBACK")
        holder.close()
        assert is_error
        assert (answer["error"]["errorCode"], answer["error"]["retryable"]) == ("OMS-LOCK-002", True)
        assert agent.ok("create_order", **GOOD, cl_ord_id="c1")["duplicate"] is False


@pytest.mark.parametrize(("tool", "said"), [("search_orders", "nothing was changed"), ("create_order", "not known")])
def test_a_crash_keeps_its_text_to_itself(
    tool: str, said: str, engine: Engine, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("secret of /home/ann")

    monkeypatch.setattr(engine, "query", crash)
    monkeypatch.setattr(engine, "run", crash)
    with Agent(build_server(engine, library)) as agent:
        answer, is_error = agent.call(tool, **(GOOD if tool == "create_order" else {}))
    assert is_error
    assert answer["error"]["errorCode"] == "OMS-SYS-001"
    assert said in answer["error"]["detail"]
    assert "secret" not in json.dumps(answer)
