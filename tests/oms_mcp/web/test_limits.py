"""How much may one client ask for, how much may all of them at once, and how long is waited for a slow one?"""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import httpx2
import pytest
import uvicorn
from anyio import to_thread
from mcp_types import ElicitResult
from starlette.types import Receive, Scope, Send

from oms_mcp.web.limits import Limits, Rate
from oms_mcp.web.patience import patient
from oms_mcp.web.serving import Front
from tests.oms_mcp.agent import GOOD, PATIENCE, Agent, Era, Wire, over_http
from tests.oms_mcp.web.conftest import Grant, Served, eventually
from tests.oms_mcp.web.test_serving import HELLO, SPOKEN, posted

LISTEN: Wire = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "subscriptions/listen",
    "params": {
        "notifications": {"toolsListChanged": True},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
LISTENING = {**SPOKEN, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_twice_the_rate_may_come_at_once_and_then_the_rate_itself() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    assert [rate.wait("a") for _ in range(20)] == [0] * 20
    assert rate.wait("a") == pytest.approx(0.1)
    clock.now = 0.05
    assert rate.wait("a") == pytest.approx(0.05)
    clock.now = 0.101
    assert rate.wait("a") == 0
    assert rate.wait("a") > 0
    clock.now = 100.0
    assert [rate.wait("a") for _ in range(21)][-2:] == [0, pytest.approx(0.1)]


def test_each_client_has_a_rate_of_its_own() -> None:
    rate = Rate(1, Clock())
    assert [rate.wait("a") for _ in range(3)] == [0, 0, 1]
    assert rate.wait("b") == 0


def test_the_client_that_was_silent_for_longest_is_forgotten_first() -> None:
    clock = Clock()
    rate = Rate(1, clock)
    for client in ("first", *range(9_999), "first"):
        rate.wait(client)
    assert rate.wait("first") == 1
    rate.wait("one more")
    assert rate.wait("first") == 1
    assert rate.wait(0) == 0


def test_a_rate_of_none_counts_nothing() -> None:
    rate = Rate(0, Clock())
    assert {rate.wait("a") for _ in range(1_000)} == {0}


def test_who_asks_too_often_is_told_when_to_come_back(served: Served) -> None:
    front = served(limits=Limits(rate=1))
    answers = [posted(front) for _ in range(4)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].json() == {"error": "more than 1 requests per second; try again in 1 s"}
    assert httpx2.get(front.url.replace("/mcp", "/health")).status_code == 200


def test_the_rate_of_one_token_is_not_that_of_another(served: Served, tokens: Path, grant: Grant) -> None:
    one, other = grant(subject="one"), grant(subject="other")
    front = served(limits=Limits(rate=1), tokens=tokens)
    assert [posted(front, Authorization=f"Bearer {one}").status_code for _ in range(3)][-1] == 429
    assert posted(front, Authorization=f"Bearer {other}").status_code == 200


@contextmanager
def listening_at(url: str) -> Iterator[Iterator[str]]:
    """The frames of a stream, once it is open."""
    with httpx2.stream("POST", url, json=LISTEN, headers=LISTENING, timeout=20) as stream:
        frames = stream.iter_text()
        assert "acknowledged" in next(frames)
        yield frames


def test_only_so_many_streams_are_open(served: Served, era: Era) -> None:
    front = served(limits=Limits(streams=1))
    with listening_at(front.url):
        second = httpx2.post(front.url, json=LISTEN, headers=LISTENING)
        assert (second.status_code, second.headers["retry-after"]) == (503, "1")
        assert httpx2.get(front.url, headers={**SPOKEN, "mcp-session-id": "x"}).status_code == 503
        with Agent(over_http(front.url), era) as agent:
            assert agent.create()
    with listening_at(front.url):
        pass


def test_only_so_many_sessions_are_open(served: Served) -> None:
    front = served(limits=Limits(sessions=1))
    opened = posted(front)
    assert posted(front).status_code == 503
    session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
    assert httpx2.delete(front.url, headers={**SPOKEN, **session}).status_code == 200
    assert posted(front).status_code == 200


def test_only_so_many_requests_are_in_flight(served: Served) -> None:
    front = served(limits=Limits(in_flight=1, request_seconds=20))
    with slowly(front, b'{"jsonrpc": ') as waiting:
        refused = posted(front)
        assert (refused.status_code, refused.json()["error"]) == (503, "1 requests are in flight; try again in 1 s")
        waiting.close()
    end = monotonic() + 10
    while posted(front).status_code == 503:
        assert monotonic() < end


class Thinking:
    """A user who thinks until he is told what to say."""

    def __init__(self, count: int) -> None:
        self.are_asked = Event()
        self.may_answer = Event()
        self._left = count

    async def __call__(self, _: object, __: object) -> ElicitResult:
        self._left -= 1
        if not self._left:
            self.are_asked.set()
        await to_thread.run_sync(self.may_answer.wait, PATIENCE)
        return ElicitResult(action="accept", content={"confirm": True})


def test_answers_come_in_while_questions_take_all_the_room(served: Served) -> None:
    front = served(limits=Limits(in_flight=4))
    thinking = Thinking(4)
    with Agent(over_http(front.url), "legacy", user=thinking) as agent, ThreadPoolExecutor(4) as pool:
        orders = [agent.create(more={"orderId": f"O{number}"}) for number in range(4)]
        ends = [pool.submit(agent.ok, "end_order", order_id=order_id, action="reject") for order_id in orders]
        assert thinking.are_asked.wait(PATIENCE)
        refused = posted(front)
        assert (refused.status_code, refused.json()["error"]) == (503, "4 requests are in flight; try again in 1 s")
        assert posted(front, {**HELLO, "filler": "x" * 70_000}).status_code == 503
        assert posted(front, {"jsonrpc": "2.0", "method": "notifications/initialized"}).status_code == 400  # no session
        thinking.may_answer.set()
        assert {end.result(PATIENCE)["state"] for end in ends} == {"REJ"}
    assert posted(front).status_code == 200


def test_one_token_does_not_take_all_the_room(served: Served, tokens: Path, grant: Grant) -> None:
    one, other = grant(subject="one"), grant(subject="other")
    front = served(limits=Limits(in_flight=4), tokens=tokens)
    thinking = Thinking(1)
    with Agent(over_http(front.url, one), "legacy", user=thinking) as agent, ThreadPoolExecutor(1) as pool:
        end = pool.submit(agent.ok, "end_order", order_id=agent.create(), action="reject")
        assert thinking.are_asked.wait(PATIENCE)
        refused = posted(front, Authorization=f"Bearer {one}")
        told = "1 requests are in flight for this client; try again in 1 s"
        assert (refused.status_code, refused.json()["error"]) == (503, told)
        assert posted(front, Authorization=f"Bearer {other}").status_code == 200
        thinking.may_answer.set()
        assert end.result(PATIENCE)["state"] == "REJ"


def test_who_has_an_answer_may_ask_again_at_once(served: Served, tokens: Path, grant: Grant) -> None:
    one = grant(subject="one")
    front = served(limits=Limits(in_flight=4), tokens=tokens)
    assert [posted(front, Authorization=f"Bearer {one}").status_code for _ in range(40)] == [200] * 40


def test_who_guesses_tokens_is_slowed_down(served: Served, tokens: Path, grant: Grant) -> None:
    good = grant()
    front = served(limits=Limits(rate=1), tokens=tokens)
    assert [posted(front).status_code for _ in range(4)] == [401] * 4
    answers = [posted(front, Authorization=f"Bearer guess{number}") for number in range(4)]
    assert [answer.status_code for answer in answers[:2]] == [401, 401]
    assert answers[2].json() == {"error": "more than 1 tokens per second that are not good; try again in 1 s"}
    eventually(lambda: posted(front, Authorization=f"Bearer {good}").status_code == 200)


def test_a_header_of_the_new_era_makes_no_stream_of_a_call_of_the_old(served: Served) -> None:
    front = served(limits=Limits(streams=1))
    with listening_at(front.url):
        assert posted(front, Mcp_Method="subscriptions/listen").status_code == 200


@contextmanager
def connected(front: Front) -> Iterator[socket.socket]:
    host, port = front.url.removeprefix("http://").removesuffix("/mcp").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        yield connection


@contextmanager
def slowly(front: Front, begin: bytes) -> Iterator[socket.socket]:
    """A connection on which the body of a request begins, once the server reads it."""
    with connected(front) as connection:
        head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: {SPOKEN['Accept']}\r\nExpect: 100-continue\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n".encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 100")
        connection.sendall(begin)
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    parts = b""
    while part := connection.recv(65_536):
        parts += part
    return parts


def hung_up_while_sending(connection: socket.socket, part: bytes) -> bool:
    """Did the server close a connection on which the same is sent again and again?"""
    try:
        for _ in range(100_000):
            connection.sendall(part)
    except ConnectionError:
        return True
    return False


def test_who_sends_a_request_too_slowly_is_hung_up(served: Served) -> None:
    front = served(limits=Limits(request_seconds=1))
    with connected(front) as silent, connected(front) as head, slowly(front, b'{"jsonrpc"') as body:
        head.sendall(b"POST /mcp HTTP/1.1\r\nHost: ")
        for connection in (silent, head, body):
            assert read_to_end(connection).startswith(b"HTTP/1.1 408 Request Timeout")
    assert posted(front).status_code == 200


def test_a_head_without_end_is_refused(served: Served) -> None:
    front = served()
    with connected(front) as connection:
        connection.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n")
        assert hung_up_while_sending(connection, b"X-Filler: " + b"x" * 1_000 + b"\r\n")
    assert posted(front).status_code == 200


def test_who_sends_far_ahead_of_the_answers_is_hung_up(served: Served) -> None:
    front = served(limits=Limits(rate=0))
    with connected(front) as connection:
        assert hung_up_while_sending(connection, b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert posted(front).status_code == 200


def test_requests_that_come_together_are_answered_in_their_order(served: Served) -> None:
    front = served()
    with connected(front) as connection:
        asked = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
        connection.sendall(asked % (b"health", b"") + asked % (b"ready", b"Connection: close\r\n"))
        answers = read_to_end(connection)
    assert answers.index(b'"ok"') < answers.index(b'"ready"')


def test_who_does_not_take_an_answer_is_hung_up() -> None:
    given_up = Event()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        given_up.set()

    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=patient(0.2), lifespan="off", log_config=None))
    thread = Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        with socket.create_connection(bound.getsockname()) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert given_up.wait(20)
            taken = 0
            with suppress(ConnectionError):
                while part := connection.recv(1_000_000):
                    taken += len(part)
            assert taken < 64_000_000
    finally:
        server.should_exit = True
        thread.join(20)


def test_a_server_that_stops_answers_what_is_in_flight_and_takes_nothing_new(served: Served, era: Era) -> None:
    front = served()
    assert posted(front).status_code == 200
    with (
        connected(front) as idle,
        listening_at(front.url) as frames,
        unfinished_write(front.url, era, order_id="O1") as finish,
    ):
        front.stop()
        assert [*frames] == []  # the stream has ended, so the server is stopping
        assert read_to_end(idle) == b""
        assert b'"UNACK"' in finish()


@contextmanager
def unfinished_write(url: str, era: Era, *, order_id: str) -> Iterator[Callable[[], bytes]]:
    """A create_order whose body has not come yet, once the server waits for it; and how to send it and hear the end."""
    session = _session(url) if era == "legacy" else {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call"}
    arguments = {**GOOD, "cl_ord_id": order_id, "more": {"orderId": order_id}}
    params: Wire = {"name": "create_order", "arguments": arguments}
    if era == "auto":
        params["_meta"] = LISTEN["params"]["_meta"]
        session["Mcp-Name"] = "create_order"
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = {**SPOKEN, **session, "Content-Type": "application/json", "Expect": "100-continue"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    host, port = url.removeprefix("http://").removesuffix("/mcp").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 100")

        def finish() -> bytes:
            connection.sendall(body)
            return read_to_end(connection)

        yield finish


def _session(url: str) -> dict[str, str]:
    opened = httpx2.post(url, json=HELLO, headers=SPOKEN).headers["mcp-session-id"]
    session = {"mcp-session-id": opened, "mcp-protocol-version": "2025-11-25"}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert httpx2.post(url, json=ready, headers={**SPOKEN, **session}).status_code == 202
    return session
