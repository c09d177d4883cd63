"""Does every spec:// address open: as a resource, with read_kb, and on the command line, in every format?"""

import json
from collections.abc import Iterator

import jsonschema
import pytest

from knowledge_base import PACKAGED_CORPUS, Library
from knowledge_base.sections import parse_document
from oms_engine import Engine
from oms_engine.contracts.catalogue import TYPES
from oms_engine.contracts.pages import PAGES, spec_documents
from oms_engine.contracts.spec import FORMATS, GROUPS, MEDIA_TYPES, written
from oms_mcp.inputs import opened_library
from oms_mcp.server import build_server
from tests.oms_mcp.agent import Agent
from tests.oms_mcp.conftest import Ask, Oms


@pytest.fixture(scope="module")
def documents() -> Iterator[Library]:
    """The documents as they come along: those that were written, and those that the code writes."""
    with opened_library(semantic=False) as library:
        yield library


def test_every_format_of_a_type_opens_in_both_ways(agent: Agent) -> None:
    for form in FORMATS:
        address = f"spec://schema/OrderCancelCmd?format={form}"
        text = written("schema/OrderCancelCmd", form)
        assert agent.resource(address) == text
        assert agent.media_type(address) == MEDIA_TYPES[form]
        assert agent.ok("read_kb", path="spec://schema/OrderCancelCmd", format=form)["text"] == text
        assert agent.ok("read_kb", path=address)["text"] == text


def test_every_page_opens_in_both_ways(agent: Agent) -> None:
    for page in PAGES:
        text = agent.resource(f"spec://{page}")
        assert text == written(page)
        assert text.startswith(agent.ok("read_kb", path=f"spec://{page}", limit=10_000)["text"])
    for page in GROUPS:
        assert json.loads(agent.resource(f"spec://{page}?format=avro"))


def test_a_long_contract_is_read_in_pages_that_join(modern: Agent) -> None:
    text, offset = "", 0
    while offset is not None:
        page = modern.ok("read_kb", path="spec://schema/StoredEvent", format="json-schema", offset=offset)
        text += page["text"]
        offset = page.get("nextOffset")
    assert text == written("schema/StoredEvent", "json-schema")


def test_an_order_that_the_server_gives_fits_the_contract_that_the_server_gives(modern: Agent) -> None:
    order_id = modern.given("PART")
    order = modern.ok("search_orders", where=[f"orderId={order_id}"], response_format="detailed")["content"][0]
    schema = json.loads(modern.resource("spec://schema/Order?format=json-schema"))
    jsonschema.Draft202012Validator(schema).validate(order)


@pytest.mark.parametrize(
    ("arguments", "field", "told"),
    [
        ({"path": "spec://schema/Ordr"}, "path", "nearest: Order,"),
        ({"path": "spec://nothing"}, "path", "spec://commands"),
        ({"path": "spec://schema/Order?colour=red"}, "path", "one format"),
        ({"path": "spec://schema/Order?format=avro&format=java"}, "path", "one format"),
        ({"path": "spec://schema/Order?format=yaml"}, "format", "json-schema, avro"),
        ({"path": "spec://schema/Order", "format": "yaml"}, "format", "json-schema, avro"),
        ({"path": "spec://schema/Order", "format": ["avro"]}, "format", "json-schema, avro"),
        ({"path": "spec://states", "format": "avro"}, "format", "text alone"),
        ({"path": "spec://commands#commands-orders"}, "path", "no sections"),
        ({"path": "spec://commands", "anchor": "commands-orders"}, "anchor", "no sections"),
        ({"path": "spec://" + "x" * 100_000}, "path", "leads nowhere"),
        ({"path": "concepts/executions.md", "format": "avro"}, "format", "leave it out"),
        ({"path": "kb://concepts/executions.md", "format": "java"}, "format", "leave it out"),
        ({"path": "oms://status", "format": "java"}, "format", "leave it out"),
        ({"path": "orders://OPEN"}, "state", "FILLED"),
        ({"path": "orders://LIVE?side=BUY"}, "path", "orders://STATE?symbol=SYMBOL"),
    ],
)
def test_what_has_no_contract_is_refused(arguments: dict[str, object], field: str, told: str, modern: Agent) -> None:
    error = modern.refused("read_kb", **arguments)
    assert (error["errorCode"], error["violations"][0]["field"]) == ("OMS-VAL-004", field)
    assert told in error["detail"]
    assert len(error["detail"]) < 600


def test_two_formats_are_one_too_many(modern: Agent) -> None:
    error = modern.refused("read_kb", path="spec://schema/Order?format=avro", format="java")
    assert (error["errorCode"], error["violations"][0]["ruleId"]) == ("OMS-VAL-001", "ENV-10")
    assert modern.ok("read_kb", path="spec://schema/Order?format=avro", format="avro")["text"]
    assert modern.ok("read_kb", path="concepts/executions.md#1-scope", format="text")["text"]


@pytest.mark.parametrize(
    "address",
    [
        "spec://nothing",
        "spec://schema/Ordr",
        "spec://schema/",
        "spec://schema/Order?colour=red",
        "spec://schema/Order?format=yaml",
        "spec://schema/../Order",
        "spec://states?format=avro",
        "spec://commands#x",
        "orders://OPEN",
        "orders://",
    ],
)
def test_an_address_without_a_contract_is_an_error_of_the_protocol(address: str, agent: Agent) -> None:
    with pytest.raises(
        Exception, match=r"Unknown resource|no command|leads nowhere|format|text alone|sections|unknown"
    ) as caught:
        agent.resource(address)
    assert "Traceback" not in str(caught.value)


def test_orders_in_a_state_stand_behind_an_address(agent: Agent) -> None:
    live, other = agent.given("LIVE"), agent.create(symbol="XYZ")
    agent.ok("update_order", order_id=other, action="accept")
    agent.given("FILLED")
    page = json.loads(agent.resource("orders://LIVE"))
    assert [order["orderId"] for order in page["content"]] == [other, live]
    assert [order["orderId"] for order in json.loads(agent.resource("orders://LIVE?symbol=XYZ"))["content"]] == [other]
    assert agent.ok("read_kb", path="orders://LIVE")["text"] == agent.resource("orders://LIVE")


def test_what_the_code_says_is_searched_and_cited_like_any_document(documents: Library) -> None:
    with Engine.open() as engine, Agent(build_server(engine, documents)) as agent:
        hits = agent.ok("search_kb", query="fields of the problem details", category="spec")["hits"]
        assert {hit["path"].split("/")[0] for hit in hits} == {"spec"}
        for hit in hits:
            assert agent.ok("read_kb", path=hit["citation"])["text"]
        lot = agent.ok("read_kb", path="spec/records.md#lot")["text"]
        assert "| `quantity` | decimal | always |" in lot
        assert lot.strip() in agent.resource("spec://records")


def test_what_the_code_says_does_not_crowd_out_what_was_written(documents: Library) -> None:
    paths = [document.path for document in documents.overview().documents]
    assert {path for path in paths if path.startswith("spec/")} == {f"spec/{name}" for name in spec_documents()}
    with Library.open(PACKAGED_CORPUS, semantic=False) as own:
        sections = own.status().sections
    assert documents.status().sections - sections <= sections / 10
    for path, text in spec_documents().items():
        assert [chunk for chunk in parse_document(path, text).chunks if chunk.flag == "long"] == []


def test_a_contract_is_printed_for_a_file(oms: Oms) -> None:
    for form in FORMATS:
        done = oms("spec", "Order", "--format", form)
        assert done.exit_code == 0, done.output
        assert done.stdout.strip() == written("schema/Order", form).strip()
    assert oms("kb", "read", "spec://schema/Order", "--format", "avro").stdout == written("schema/Order", "avro")
    assert oms("spec", "commands", "--format", "openapi").stdout == written("commands", "openapi")


def test_the_command_line_names_pages_and_types_in_any_case(oms: Oms) -> None:
    assert oms("spec").stdout.strip() == written("index").strip()
    assert oms("spec", "Rules").stdout.strip() == written("rules").strip()
    assert oms("spec", "ordercancelcmd").stdout == oms("spec", "spec://schema/OrderCancelCmd").stdout
    for name in TYPES:
        assert f"spec://schema/{name}:" in oms("spec").stdout


def test_a_contract_is_one_json_document_for_machines(ask: Ask) -> None:
    told = ask("spec", "Lot", "--format", "java")
    assert (told["address"], told["format"], told["mediaType"]) == ("spec://schema/Lot", "java", "text/x-java")
    assert told["text"] == written("schema/Lot", "java")
    page = ask("kb", "read", "spec://commands", "--limit", "100")
    assert (len(page["text"]), page["nextOffset"]) == (100, 100)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("spec", "comands"), 1, "nearest: commands"),
        (("spec", "Order", "--format", "yaml"), 2, "json-schema"),
        (("spec", "states", "--format", "avro"), 2, "text alone"),
        (("kb", "read", "spec://schema/Ordr"), 1, "nearest: Order"),
        (("kb", "read", "spec://commands", "--anchor", "x"), 1, "no sections"),
        (("kb", "read", "order-lifecycle", "--format", "avro"), 2, "leave it out"),
    ],
)
def test_a_contract_that_is_not_there_is_refused_on_the_command_line(
    words: tuple[str, ...], code: int, told: str, oms: Oms
) -> None:
    done = oms(*words)
    assert done.exit_code == code, done.output
    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""
