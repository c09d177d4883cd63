"""Is the server reached over HTTP by those who may, in both eras, and by nobody else?"""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIG_DFL, SIGTERM, getsignal
from time import monotonic

import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from knowledge_base import Library
from oms_engine import Engine
from oms_mcp.inputs import Misuse
from oms_mcp.server import OmsServer, serve
from oms_mcp.web.addresses import Place
from oms_mcp.web.limits import Limits
from oms_mcp.web.serving import Front, HttpOptions
from tests.oms_mcp.agent import GOOD, Agent, Era, Wire, over_http
from tests.oms_mcp.web.conftest import HERE, Grant, Served

HELLO: Wire = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}},
}
SPOKEN = {"Accept": "application/json, text/event-stream"}


def posted(front: Front, wire: object = HELLO, /, **headers: str) -> httpx2.Response:
    """The answer to a message; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(front.url, json=wire, headers={**SPOKEN, **named}, timeout=20)


def of_site(front: Front, path: str) -> str:
    return front.url.removesuffix("/mcp") + path


def test_an_order_is_traded_and_kept(served: Served, tmp_path: Path, era: Era) -> None:
    with Agent(over_http(served().url), era) as agent:
        order_id = agent.given("FILLED")
        error = agent.refused("update_order", order_id=order_id, action="accept")
        assert error["context"]["validTransitions"] == ["CLOSED"]
        assert "LIF-01" in agent.ok("read_kb", path=error["citation"])["text"]
        assert json.loads(agent.resource(f"order://{order_id}"))["state"] == "FILLED"
    with Engine.open(str(tmp_path / "oms.db")) as engine:
        assert engine.find(order_id).state == "FILLED"


def test_two_clients_see_the_same_orders(served: Served, era: Era) -> None:
    front = served()
    with Agent(over_http(front.url), era) as one, Agent(over_http(front.url), "auto", name="other") as other:
        order_id = one.create()
        assert other.ok("update_order", order_id=order_id, action="accept")["state"] == "LIVE"
        assert one.order(order_id)["state"] == "LIVE"


@pytest.mark.parametrize(
    "address",
    [
        "kb://../../pyproject.toml",
        "kb://..%2F..%2Fpyproject.toml",
        "kb:///etc/passwd",
        "kb://%2Fetc%2Fpasswd",
        "kb://concepts/../../library.py",
        "kb://concepts/executions.md%00.txt",
        "kb://C:/Windows/win.ini",
    ],
)
def test_no_address_leads_out_of_the_documents(served: Served, era: Era, address: str) -> None:
    with Agent(over_http(served().url), era) as agent:
        with pytest.raises(MCPError):
            agent.resource(address)
        answer, is_error = agent.call("read_kb", path=address)
        assert is_error
        assert "root:" not in json.dumps(answer)


def test_without_a_token_it_is_told_that_only_this_machine_is_served(served: Served) -> None:
    front = served()
    assert front.notes == (f"serving on {front.url} for this machine alone, because no token is asked",)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])  # noqa: S104 - refused
def test_without_a_token_no_other_machine_is_served(host: str) -> None:
    with pytest.raises(Misuse, match="can be reached by others, and no token is asked; add --tokens"):
        Front(HttpOptions(place=Place(host, 0)))


def test_an_address_that_is_taken_is_told(served: Served) -> None:
    taken = int(served().url.split(":")[2].removesuffix("/mcp"))
    with pytest.raises(Misuse, match=f"--http 127.0.0.1:{taken} cannot be used: "):
        Front(HttpOptions(place=Place("127.0.0.1", taken)))


def test_who_listens_everywhere_says_under_which_name(tokens: Path, grant: Grant) -> None:
    grant()
    with pytest.raises(Misuse, match="name the host that clients call, such as --allow-host"):
        Front(HttpOptions(place=Place("0.0.0.0", 0), tokens=tokens))  # noqa: S104 - refused


def test_both_sources_of_tokens_are_refused(tokens: Path, grant: Grant) -> None:
    grant()
    both = HttpOptions(place=HERE, tokens=tokens, issuer="https://id.example", audience="https://oms.example/mcp")
    with pytest.raises(Misuse, match="--tokens and --oauth-issuer both say who may come in"):
        Front(both)


@pytest.mark.parametrize("one", [{"issuer": "https://id.example"}, {"audience": "https://oms.example/mcp"}])
def test_an_issuer_without_an_audience_is_refused(one: dict[str, str]) -> None:
    with pytest.raises(Misuse, match="belong together; give both"):
        Front(HttpOptions(place=HERE, **one))  # type: ignore[arg-type] # its fields by name


def test_a_page_of_another_host_does_not_reach_it(served: Served) -> None:
    front = served()
    assert posted(front, Host="evil.example").status_code == 421
    assert posted(front, Host="localhost.evil.example:80").status_code == 421
    assert posted(front, Origin="http://evil.example").status_code == 403
    assert posted(front, Origin="null").status_code == 403
    assert posted(front, Origin=front.url.removesuffix("/mcp")).status_code == 200
    assert posted(front, Host="localhost:9").status_code == 200


@pytest.mark.parametrize(("header", "option"), [("Host", "--allow-host"), ("Origin", "--allow-origin")])
def test_who_calls_it_by_another_name_is_told_the_name_and_the_way_out(
    served: Served, header: str, option: str
) -> None:
    answered = posted(served(), **{header: "http://evil.example"})
    assert answered.json() == {
        "error": f'{header} "http://evil.example" is not allowed here; the server must be started with {option} for it'
    }


def test_hosts_and_origins_that_were_named_may_call(served: Served) -> None:
    front = served(hosts=("oms.example.com", "desk.example:8443"), origins=("https://page.example.com",))
    for host in ("oms.example.com", "oms.example.com:443", "desk.example:8443"):
        assert posted(front, Host=host).status_code == 200
    assert posted(front, Host="desk.example:8444").status_code == 421
    answered = posted(front, Origin="https://page.example.com")
    assert (answered.status_code, answered.headers["access-control-allow-origin"]) == (200, "https://page.example.com")
    asked = {"Origin": "https://page.example.com", "Access-Control-Request-Method": "POST"}
    preflight = httpx2.options(front.url, headers={**asked, "Access-Control-Request-Headers": "authorization"})
    assert (preflight.status_code, preflight.headers["access-control-allow-headers"]) == (200, "authorization")
    refused = httpx2.options(front.url, headers={**asked, "Origin": "https://evil.example"})
    assert refused.status_code == 400


@pytest.mark.parametrize("origin", ["page.example.com", "https://page.example.com/", "ftp://page.example.com", "*"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(Misuse, match="is no origin, such as"):
        Front(HttpOptions(place=HERE, origins=(origin,)))


def test_a_body_that_is_too_long_is_not_read(served: Served, era: Era) -> None:
    front = served(limits=Limits(body_bytes=20_000))
    assert posted(front, {**HELLO, "filler": "x" * 20_000}).status_code == 413
    chunks = (b'{"filler": "', *[b"x" * 1_000] * 30, b'"}')
    endless = httpx2.post(front.url, content=iter(chunks), headers={**SPOKEN, "Content-Type": "application/json"})
    assert endless.status_code == 413
    with Agent(over_http(front.url), era) as agent:
        assert agent.create()


@pytest.mark.parametrize("body", ["", "{", "[]", "[1]", "null", '"text"', "{}", "\x00", "[" * 10_000])
def test_what_is_no_message_is_refused_and_nothing_breaks(served: Served, body: str) -> None:
    front = served()
    headers = {**SPOKEN, "Content-Type": "application/json"}
    for era in ({}, {"MCP-Protocol-Version": "2026-07-28"}):
        answered = httpx2.post(front.url, content=body.encode(), headers={**headers, **era})
        assert answered.status_code in {400, 202}
        assert "Traceback" not in answered.text
    assert posted(front).status_code == 200


def test_health_and_readiness_are_told_without_a_token(served: Served, tokens: Path, grant: Grant) -> None:
    grant()
    front = served(tokens=tokens)
    assert httpx2.get(of_site(front, "/health")).json() == {"status": "ok"}
    assert httpx2.get(of_site(front, "/ready")).json() == {"status": "ready"}
    assert httpx2.get(of_site(front, "/elsewhere")).status_code == 404
    assert posted(front).status_code == 401


def test_readiness_is_looked_at_once_however_often_it_is_asked(served: Served) -> None:
    looked = []

    def prepare(server: OmsServer) -> None:
        engine = server.backend.engine
        events = engine.events

        def counted(**options: int) -> object:
            looked.append(monotonic())
            return events(**options)

        engine.events = counted  # type: ignore[method-assign,assignment] # counts what is asked

    front = served(prepare=prepare)
    began = monotonic()
    with ThreadPoolExecutor(8) as pool:
        codes = {*pool.map(lambda _: httpx2.get(of_site(front, "/ready")).status_code, range(40))}
    assert codes == {200}
    assert len(looked) <= 1 + (monotonic() - began)


def test_it_tells_that_it_serves_once_signals_are_heard(tmp_path: Path, library: Library) -> None:
    heard: list[object] = []

    def tell(_: str) -> None:
        heard.append(getsignal(SIGTERM))
        front.stop()

    front = Front(HttpOptions(place=HERE), tell)
    serve(db=str(tmp_path / "oms.db"), library=library, run=front.run)
    assert SIG_DFL not in heard
    assert getsignal(SIGTERM) is not heard[0]


def test_it_stops_and_frees_its_port(served: Served) -> None:
    front = served()
    assert posted(front).status_code == 200
    front.stop()
    port = int(front.url.split(":")[2].removesuffix("/mcp"))
    end = monotonic() + 10
    while monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return
    pytest.fail("the port still answers")


@pytest.mark.parametrize(
    ("limit", "option"),
    [
        (Limits(in_flight=0), "--max-in-flight 0"),
        (Limits(streams=0), "--max-streams 0"),
        (Limits(sessions=-1), "--max-sessions -1"),
        (Limits(body_bytes=0), "--max-body 0"),
        (Limits(request_seconds=0), "--request-timeout 0"),
        (Limits(stop_seconds=0), "--stop-timeout 0"),
        (Limits(rate=-1), "--rate -1"),
    ],
)
def test_a_limit_that_lets_nobody_in_is_refused(limit: Limits, option: str) -> None:
    with pytest.raises(Misuse, match=option):
        Front(HttpOptions(place=HERE, limits=limit))


def test_a_good_order_over_http_has_every_field(served: Served) -> None:
    with Agent(over_http(served().url)) as agent:
        answer = agent.ok("create_order", **GOOD, cl_ord_id="c1", response_format="detailed")
        assert (answer["mode"], answer["after"]["orderQty"]) == ("file", "1000")
