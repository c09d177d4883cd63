"""Can an agent find what the specification says, open it, and open every address it is given?"""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from threading import get_ident

import pytest

from knowledge_base import Library
from knowledge_base.shelf import Shelf
from knowledge_base.snapshot import Snapshot
from oms_engine import Engine
from oms_engine.domain.catalogue import RULES, citation
from oms_engine.errors import CODES
from oms_mcp.inputs import opened_library
from oms_mcp.seam import compact, without_paths
from oms_mcp.server import ServerOptions, build_server
from tests.oms_mcp.agent import Agent, Era

LONG = "framework/validation-rules.md"
_LEADS_NOWHERE = r"does not exist|no document|no section|Unknown resource|is refused|addresses are|send one of the two"


def test_a_question_finds_sections_that_can_be_read(agent: Agent) -> None:
    found = agent.ok("search_kb", query="what happens to a partial fill when the order is cancelled?", limit=3)
    assert len(found["hits"]) == 3
    assert (found["mode"], found["semantic"]) == ("keyword", "unavailable")
    for hit in found["hits"]:
        section = agent.ok("read_kb", path=hit["citation"])
        assert section["anchor"] == hit["anchor"]
        assert section["text"].startswith("#")


def test_a_search_can_be_limited_to_a_category(modern: Agent) -> None:
    hits = modern.ok("search_kb", query="order", category="concepts", limit=50)["hits"]
    assert {hit["path"].split("/")[0] for hit in hits} == {"concepts"}


@pytest.mark.parametrize("what", [*(citation(rule) for rule in RULES), *(row.citation for row in CODES.values())])
def test_every_citation_opens_as_it_stands(what: str, modern: Agent) -> None:
    section = modern.ok("read_kb", path=what)
    assert f"{section['path']}#{section['anchor']}" == what


def test_without_a_path_all_documents_are_listed(agent: Agent) -> None:
    assert "concepts/order-lifecycle.md" in agent.ok("read_kb")["text"]


def test_a_document_is_read_in_pages_that_join(modern: Agent) -> None:
    whole = modern.ok("read_kb", path="concepts/executions.md", limit=200_000)["text"]
    text, offset = "", 0
    while offset is not None:
        page = modern.ok("read_kb", path="concepts/executions.md", offset=offset, limit=3000)
        text += page["text"]
        offset = page.get("nextOffset")
    assert text == whole


def test_a_section_is_named_by_path_and_anchor(modern: Agent) -> None:
    path, _, anchor = citation("EX-05").partition("#")
    assert modern.ok("read_kb", path=path, anchor=anchor) == modern.ok("read_kb", path=citation("EX-05"))


@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("read_kb", {"path": "nope.md"}, "path"),
        ("read_kb", {"path": "../../etc/passwd"}, "path"),
        ("read_kb", {"path": "/etc/passwd"}, "path"),
        ("read_kb", {"path": "concepts/executions.md", "anchor": "nope"}, "anchor"),
        ("read_kb", {"path": "x" * 1_000_000}, "path"),
        ("read_kb", {"path": "a\0b"}, "path"),
        ("read_kb", {"path": "file:///etc/passwd"}, "path"),
        ("read_kb", {"path": "kb://../../etc/passwd"}, "path"),
        ("read_kb", {"path": "kb://"}, "path"),
        ("read_kb", {"path": "kb://concepts/executions.md?page=2"}, "path"),
        ("read_kb", {"path": "order://a/b"}, "path"),
        ("read_kb", {"path": "oms://nothing"}, "path"),
        ("read_kb", {"path": "oms://status", "anchor": "x"}, "anchor"),
        ("read_kb", {"path": "oms://status", "anchor": "x", "limit": 0}, "anchor"),
        ("read_kb", {"path": "kb://index?anchor=x"}, "path"),
        ("read_kb", {"path": "kb://index#x"}, "path"),
        ("read_kb", {"path": "kb://index", "anchor": "x"}, "anchor"),
        ("read_kb", {"path": "kb://concepts/executions.md?anchor=1-scope&anchor=1-scope"}, "path"),
        ("search_kb", {"query": " "}, "query"),
        ("search_kb", {"query": "x" * 1_000_000}, "query"),
        ("search_kb", {"query": "fill", "category": "nope"}, "category"),
        ("search_kb", {"query": 5}, "query"),
    ],
)
def test_what_cannot_be_read_is_refused(tool: str, arguments: dict[str, object], field: str, modern: Agent) -> None:
    error = modern.refused(tool, **arguments)
    assert error["errorCode"] == "OMS-VAL-004"
    assert error["violations"][0]["field"] == field
    assert len(error["detail"]) < 1000
    assert modern.ok("read_kb", path=error["citation"])["text"]


@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("read_kb", {"path": "concepts/executions.md", "offset": -1}, "offset"),
        ("read_kb", {"path": "concepts/executions.md", "offset": 10**6}, "offset"),
        ("read_kb", {"path": "concepts/executions.md", "offset": 10**30}, "offset"),
        ("read_kb", {"path": "concepts/executions.md", "limit": 0}, "limit"),
        ("read_kb", {"path": "concepts/executions.md", "limit": 10**30}, "limit"),
        ("read_kb", {"path": "oms://status", "offset": 10**9}, "offset"),
        ("read_kb", {"path": "oms://status", "limit": 0}, "limit"),
        ("search_kb", {"query": "fill", "limit": 0}, "limit"),
        ("search_kb", {"query": "fill", "limit": 51}, "limit"),
    ],
)
def test_a_number_out_of_bounds_is_refused(tool: str, arguments: dict[str, object], field: str, modern: Agent) -> None:
    error = modern.refused(tool, **arguments)
    assert (error["errorCode"], error["violations"][0]["field"]) == ("OMS-VAL-005", field)
    assert modern.ok("read_kb", path=error["citation"])["text"]


@pytest.mark.parametrize(
    ("path", "anchor"),
    [
        ("concepts/executions.md#1-scope", "2-other"),
        ("kb://concepts/executions.md#1-scope", "2-other"),
        ("kb://concepts/executions.md?anchor=1-scope", "2-other"),
        ("kb://concepts/executions.md?anchor=1-scope#2-other", ""),
    ],
)
def test_a_section_is_named_once(path: str, anchor: str, modern: Agent) -> None:
    error = modern.refused("read_kb", path=path, anchor=anchor)
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == ("OMS-VAL-001", "ENV-10")
    assert modern.ok("read_kb", path="concepts/executions.md#1-scope", anchor="1-scope")["anchor"] == "1-scope"


def test_a_name_that_is_nearly_right_gets_the_right_ones(modern: Agent) -> None:
    assert "concepts/executions.md" in modern.refused("read_kb", path="concepts/execution.md")["detail"]


def test_every_address_opens_in_both_ways(agent: Agent) -> None:
    order_id = agent.given("PART")
    addresses = [
        "oms://status",
        "oms://settings",
        "kb://index",
        f"order://{order_id}",
        f"order://{order_id}/events",
        "kb://concepts/executions.md",
        f"kb://{citation('EX-05').replace('#', '?anchor=')}",
    ]
    for address in addresses:
        assert agent.ok("read_kb", path=address, limit=200_000)["text"] == agent.resource(address)
    with_hash = f"kb://{citation('EX-05')}"
    assert agent.ok("read_kb", path=with_hash)["text"] == agent.resource(with_hash) == agent.resource(addresses[-1])


def test_an_order_stands_behind_its_address(agent: Agent) -> None:
    order_id = agent.given("PART")
    order = json.loads(agent.resource(f"order://{order_id}"))
    assert (order["orderId"], order["executions"][0]["execId"]) == (order_id, "e1")
    assert [event["type"] for event in json.loads(agent.resource(f"order://{order_id}/events"))["events"]] == [
        "OrderCreated",
        "OrderPlaced",
        "OrderAccepted",
        "ExecutionCreated",
    ]


def test_the_status_tells_mode_tools_and_counts(agent: Agent) -> None:
    agent.create()
    status = json.loads(agent.resource("oms://status"))
    assert (status["mode"], status["profile"], status["counts"]["orders"]) == ("sandbox", "standard", 1)
    assert status["tools"] == [tool.name for tool in agent.tools()]
    assert "/" not in json.dumps(status)


def test_resources_are_listed(agent: Agent) -> None:
    listed, templates = agent.resources()
    pages = ["index", "commands", "states", "events", "rules", "records"]
    assert listed == [
        "oms://status",
        "oms://settings",
        "oms://changes",
        "kb://index",
        *(f"spec://{page}" for page in pages),
    ]
    assert templates == [
        "kb://{+path}{?anchor}",
        "spec://{page}{?format}",
        "spec://schema/{name}{?format}",
        "order://{orderId}{?as_of}",
        "orders://{state}{?symbol}",
        "order://{orderId}/events",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "order://nope",
        "order://",
        "order://nope/events",
        "order://nope?foo=1",
        "kb://nope.md",
        "kb://../../etc/passwd",
        "kb://concepts/executions.md?foo=1",
        "kb://concepts/executions.md?anchor=1-scope&foo=1",
        "kb://concepts/executions.md?anchor=1-scope#2-other",
        "kb://concepts/executions.md#1-x",
        "kb://index?anchor=1-scope",
        "kb://index#1-scope",
        "oms://nope",
        "oms://status?foo=1",
    ],
)
def test_an_address_that_leads_nowhere_is_an_error_of_the_protocol(address: str, agent: Agent) -> None:
    with pytest.raises(Exception, match=_LEADS_NOWHERE) as caught:
        agent.resource(address)
    assert "Traceback" not in str(caught.value)


def test_long_results_are_cut_with_a_way_to_the_rest(engine: Engine, library: Library) -> None:
    with Agent(build_server(engine, library, ServerOptions(max_result_tokens=2_000))) as agent:
        hits = agent.ok("search_kb", query="fill", limit=50)
        assert "limit" in hits["truncated"]
        pages, offset = [], 0
        while offset is not None:
            pages.append(agent.ok("read_kb", path=LONG, offset=offset))
            assert len(compact(pages[-1])) <= 8_000
            offset = pages[-1].get("nextOffset")
    text = library.read(LONG, limit=200_000).text
    assert "".join(page["text"] for page in pages) == text
    assert len(pages) < len(text) / 5_000
    assert pages[0]["outline"]
    assert "outline shows" in pages[0]["truncated"]
    assert not any(page["outline"] or "truncated" in page for page in pages[1:])


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("search failed (cannot open /home/ann/.cache/x.db); retry", "search failed (cannot open ...); retry"),
        (r"the cache C:\Users\ann\x cannot take it", "the cache ... cannot take it"),
        ('add it with pip install "oms-mcp[semantic]"', 'add it with pip install "oms-mcp[semantic]"'),
        ("361 of 361 sections, 3/4 done", "361 of 361 sections, 3/4 done"),
    ],
)
def test_notes_of_the_library_lose_their_paths(note: str, told: str) -> None:
    assert without_paths(note) == told


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook/calls.md").write_text("# Calls\n\nThe pelican of the desk speaks first.")
    return tmp_path / "handbook"


def test_a_server_answers_from_folders_of_ones_own_and_follows_their_changes(
    engine: Engine, handbook: Path, era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge_base.shelf.LOOK_SECONDS", 0.0)
    with (
        opened_library([str(handbook)], semantic=False) as library,
        Agent(build_server(engine, library, ServerOptions()), era) as agent,
    ):
        found = agent.ok("search_kb", query="who is the pelican")
        assert found["hits"][0]["citation"] == "calls.md#calls"
        assert agent.ok("read_kb", path="framework/validation-rules.md")["path"] == "framework/validation-rules.md"
        for thread in threading.enumerate():
            if thread.name == "warming-up":  # while it looks at the documents, others get them as they were before
                thread.join()
        (handbook / "calls.md").write_text("# Calls\n\nThe walrus of the desk speaks first.")
        assert agent.ok("search_kb", query="who is the walrus")["hits"][0]["path"] == "calls.md"
        assert "walrus" in agent.ok("read_kb", path="kb://calls.md")["text"]
        (handbook / "calls.md").unlink()
        (handbook / "huge.md").write_bytes(b"x" * 5_000_000)
        status = json.loads(agent.ok("read_kb", path="oms://status")["text"])["knowledgeBase"]
        assert status["leftOut"] == {"huge.md": "it has 5,000,000 bytes, and 4,194,304 are the most; split it"}
        handbook.rename(handbook.with_name("elsewhere"))
        note = agent.ok("search_kb", query="cancel an order")["note"]
        assert "the documents cannot be read as they are now" in note
        assert str(handbook) not in note


class _Watched(Library):
    """A library that knows which threads have asked it."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self.threads: set[int] = set()

    def _now(self) -> Snapshot:
        self.threads.add(get_ident())
        return super()._now()


@pytest.mark.parametrize(
    "ask",
    [
        lambda agent: agent.ok("search_kb", query="what is a fill"),
        lambda agent: agent.ok("read_kb", path="concepts/executions.md"),
        lambda agent: agent.ok("read_kb", path="oms://status"),
        lambda agent: agent.resource("kb://index"),
        lambda agent: agent.resource("kb://concepts/executions.md"),
        lambda agent: agent.resource("oms://status"),
        lambda agent: agent.completed("kb://{+path}{?anchor}", "path", "exec"),
        lambda agent: agent.prompt("implement-from-spec", spec="concepts/executions.md", feature="fills"),
    ],
    ids=["search", "read", "read status", "index", "document", "status", "completion", "prompt"],
)
def test_nobody_waits_while_the_library_is_asked(engine: Engine, ask: Callable[[Agent], object]) -> None:
    with (
        _Watched.open(semantic=False) as library,
        Agent(build_server(engine, library, ServerOptions(toolsets=("all",)))) as agent,
    ):
        library.threads.clear()
        ask(agent)
        assert library.threads
        assert agent.thread() not in library.threads
