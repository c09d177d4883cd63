"""Does `oms serve --http` hold as a process of its own, from its first note to the signal that ends it?"""

import socket
import subprocess
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import httpx2
import pytest

from oms_engine import Engine
from tests.oms_mcp.agent import Agent, Era, over_http
from tests.oms_mcp.conftest import Oms
from tests.oms_mcp.web.conftest import Grant
from tests.oms_mcp.web.test_limits import listening_at, unfinished_write
from tests.serving import oms_serving, started

slow = pytest.mark.slow


@slow
@pytest.mark.parametrize("signal", [SIGTERM, SIGINT])
def test_a_signal_ends_it_quietly_and_every_answer_is_kept(tmp_path: Path, era: Era, signal: Signals) -> None:
    file = tmp_path / "oms.db"
    with started(oms_serving("--db", file)) as running, listening_at(running.url) as frames:
        with unfinished_write(running.url, era, order_id="O1") as finish:
            running.process.send_signal(signal)
            assert [*frames] == []  # the stream has ended, so the server is stopping
            answer = finish()
        assert b"200 OK" in answer
        assert b'"UNACK"' in answer
        assert running.ended() == (0, "")
    with Engine.open(str(file)) as engine:
        assert engine.find("O1").state == "UNACK"
        assert engine.verify().sound


@slow
def test_a_client_that_holds_on_is_left_when_the_time_is_over(tmp_path: Path) -> None:
    with started(oms_serving("--db", tmp_path / "oms.db", "--stop-timeout", 1)) as running:
        host, port = running.url.removeprefix("http://").removesuffix("/mcp").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
            connection.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
            running.process.send_signal(SIGTERM)
            code, stderr = running.ended()
            assert code == 0
            assert "timeout graceful shutdown exceeded" in stderr


@slow
def test_tokens_made_while_it_runs_are_accepted(tmp_path: Path, tokens: Path, grant: Grant, era: Era) -> None:
    grant(subject="first")
    with started(oms_serving("--db", tmp_path / "oms.db", "--tokens", tokens)) as running:
        assert httpx2.post(running.url, json={}).status_code == 401
        with Agent(over_http(running.url, grant(subject="carol", client="desk")), era) as agent:
            assert agent.given("LIVE")


@slow
def test_variables_say_what_the_options_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_HTTP", "127.0.0.1:0")
    monkeypatch.setenv("OMS_MAX_BODY", "10")
    monkeypatch.setenv("OMS_ALLOW_HOSTS", "one.example two.example")
    with started(oms_serving("--db", tmp_path / "oms.db")[:2]) as running:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        assert httpx2.post(running.url, content=b"{}" * 10, headers=headers).status_code == 413
        for host, status in (("one.example", 400), ("two.example", 400), ("three.example", 421)):
            assert httpx2.post(running.url, content=b"{}", headers={**headers, "Host": host}).status_code == status


@slow
def test_an_address_in_use_is_told_before_a_database_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [oms_serving()[0], "serve", "--http", place, "--db", str(tmp_path / "oms.db")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be used" in done.stderr
    assert not (tmp_path / "oms.db").exists()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rate", "5"], "--rate is for HTTP, and --http is not given"),
        (["--tokens", "t.json"], "--tokens is for HTTP, and --http is not given"),
        (["--allow-host", "a.example"], "--allow-host is for HTTP"),
        (["--http", "8000"], "no HOST:PORT, such as 127.0.0.1:8000"),
        (["--http", "0.0.0.0:0"], "no token is asked; add --tokens FILE or --oauth-issuer URL"),
        (["--http", "127.0.0.1:0", "--tokens", "none.json"], "make one with: oms token new"),
        (["--http", "127.0.0.1:0", "--max-body", "0"], "--max-body 0 is too little"),
        (["--http", "127.0.0.1:0", "--oauth-issuer", "http://a.example"], "give both"),
    ],
)
def test_what_was_typed_wrongly_is_told(oms: Oms, options: list[str], told: str) -> None:
    result = oms("serve", *options)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.usefixtures("plain")
def test_variables_for_http_are_ignored_over_stdio_and_that_is_told(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_TOKENS", "t.json")
    monkeypatch.setenv("OMS_RATE", "5")
    result = oms("serve")
    assert (result.exit_code, result.stdout) == (0, "")
    told = "note: without --http nothing comes of OMS_TOKENS, OMS_RATE"
    assert told in " ".join(result.stderr.split())
