"""Who is let in by a token of the file, and how are such tokens made, listed and taken back?"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE

import httpx2
import pytest
from mcp.server.auth.middleware.auth_context import get_access_token

from oms_mcp.inputs import Misuse
from oms_mcp.scopes import Scope
from oms_mcp.web.serving import Front
from oms_mcp.web.tokens import Token, is_readable_by_others, new_token, read_tokens, revoke, sha256
from tests.oms_mcp.agent import Agent, Era, over_http
from tests.oms_mcp.conftest import Ask, Oms
from tests.oms_mcp.web.conftest import Grant, Served
from tests.oms_mcp.web.test_limits import LISTEN, LISTENING
from tests.oms_mcp.web.test_serving import HELLO, SPOKEN


@pytest.fixture
def front(served: Served, tokens: Path, grant: Grant) -> Front:
    grant(subject="somebody")
    return served(tokens=tokens)


def asked(front: Front, *authorization: str) -> httpx2.Response:
    headers = [*SPOKEN.items(), *(("Authorization", value) for value in authorization)]
    return httpx2.post(front.url, json=HELLO, headers=headers)


def test_a_token_lets_its_holder_in(front: Front, grant: Grant, era: Era) -> None:
    with Agent(over_http(front.url, grant()), era) as agent:
        assert agent.given("LIVE")


def test_a_tool_knows_who_calls_it(served: Served, tokens: Path, grant: Grant, era: Era) -> None:
    async def whoami() -> dict[str, object]:
        """Who calls."""
        token = get_access_token()
        return {"subject": token and token.subject, "client": token and token.client_id}

    grant(subject="somebody")
    front = served(tokens=tokens, prepare=lambda server: server.add_tool(whoami))
    for subject, client in (("carol", "desk"), ("dave", "nightly")):
        with Agent(over_http(front.url, grant(subject=subject, client=client)), era) as agent:
            told = agent.structured("whoami")
            assert (told["subject"], told["client"]) == (subject, client)


def test_without_a_token_nobody_comes_in(front: Front) -> None:
    answered = asked(front)
    assert answered.status_code == 401
    assert answered.headers["www-authenticate"] == 'Bearer realm="oms-mcp"'
    assert answered.json() == {"error": "a bearer token is needed: send the header Authorization: Bearer TOKEN"}


@pytest.mark.parametrize(
    "authorization",
    [
        ["Bearer oms_unknown"],
        ["Bearer " + "x" * 20_000],
        ["Bearer"],
        ["Bearer,"],
        ["Basic YWxpY2U6c2VjcmV0"],
        ["Bearer \u00e9\u00e8"],
        ["Bearer one", "Bearer two"],
    ],
)
def test_what_is_no_token_of_the_file_is_refused(front: Front, authorization: list[str]) -> None:
    headers: list[tuple[bytes, bytes]] = [(name.encode(), value.encode()) for name, value in SPOKEN.items()]
    headers += [(b"Authorization", value.encode()) for value in authorization]
    answered = httpx2.post(front.url, json=HELLO, headers=headers)
    assert answered.status_code == 401
    assert answered.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="the ')


def test_the_hash_of_a_token_is_no_token(front: Front, tokens: Path) -> None:
    assert asked(front, f"Bearer {read_tokens(tokens)[0].sha256}").status_code == 401


def test_a_token_is_refused_once_its_time_is_over(front: Front, tokens: Path) -> None:
    token, _ = new_token(tokens, "alice", ["kb:read"], lifetime=timedelta(seconds=-1))
    answered = asked(front, f"Bearer {token}")
    assert answered.status_code == 401
    assert "the token expired at " in answered.json()["error_description"]


def test_a_token_that_is_revoked_is_refused_from_the_next_request_on(
    front: Front, grant: Grant, tokens: Path, oms: Oms
) -> None:
    token = grant(subject="mallory")
    assert asked(front, f"Bearer {token}").status_code == 200
    result = oms("token", "revoke", "mallory", "--tokens", tokens)
    assert result.stdout.startswith("revoked ")
    answered = asked(front, f"Bearer {token}")
    assert (answered.status_code, answered.json()["error"]) == (401, "invalid_token")


@contextmanager
def stream_of(front: Front, token: str, era: Era) -> Iterator[Iterator[str]]:
    """The frames of an open stream of notifications; fails before the SDK would send a ping to keep it open."""
    headers = {**SPOKEN, "Authorization": f"Bearer {token}"}
    if era == "auto":
        asking = httpx2.stream("POST", front.url, json=LISTEN, headers={**LISTENING, **headers}, timeout=10)
    else:
        session = httpx2.post(front.url, json=HELLO, headers=headers).headers["mcp-session-id"]
        named = {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
        asking = httpx2.stream("GET", front.url, headers={**headers, **named}, timeout=10)
    with asking as stream:
        assert stream.status_code == 200
        yield stream.iter_text()


@pytest.mark.slow
def test_an_open_stream_ends_when_its_token_is_revoked(front: Front, grant: Grant, tokens: Path, era: Era) -> None:
    with stream_of(front, grant(subject="mallory"), era) as frames:
        revoke(tokens, "mallory")
        assert "error" not in "".join(frames)


@pytest.mark.slow
def test_an_open_stream_ends_when_its_token_expires(front: Front, tokens: Path, era: Era) -> None:
    token, kept = new_token(tokens, "alice", ["orders:read", "kb:read"], lifetime=timedelta(seconds=2))
    with stream_of(front, token, era) as frames:
        assert "error" not in "".join(frames)
    assert kept.expires
    assert kept.expires <= datetime.now(UTC)


@pytest.mark.slow
def test_an_open_stream_stays_while_its_token_is_good(front: Front, grant: Grant, tokens: Path, era: Era) -> None:
    with (
        stream_of(front, grant(), era) as good,
        stream_of(front, grant(subject="mallory"), era) as bad,
        ThreadPoolExecutor(1) as pool,
    ):
        rest = pool.submit("".join, good)
        revoke(tokens, "mallory")
        assert "error" not in "".join(bad)
        assert not rest.done()
        front.stop()
        assert "error" not in rest.result()


def test_nobody_comes_in_while_the_file_cannot_be_used(front: Front, grant: Grant, tokens: Path) -> None:
    token = grant()
    kept = tokens.read_text(encoding="utf-8")
    for broken in ("{", '{"tokens": [{"subject": "x"}]}'):
        tokens.write_text(broken, encoding="utf-8")
        answered = asked(front, f"Bearer {token}")
        assert (answered.status_code, answered.headers["retry-after"]) == (503, "10")
    tokens.unlink()
    assert asked(front, f"Bearer {token}").status_code == 503
    tokens.write_text(kept, encoding="utf-8")
    tokens.chmod(0o600)
    assert asked(front, f"Bearer {token}").status_code == 200


def test_the_session_of_one_token_is_none_of_another(front: Front, grant: Grant) -> None:
    opened = asked(front, f"Bearer {grant()}")
    session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    stranger = {"Authorization": f"Bearer {grant(subject='bob')}"}
    assert httpx2.post(front.url, json=ping, headers={**SPOKEN, **session, **stranger}).status_code == 404


def test_the_file_keeps_no_token_and_belongs_to_its_owner_alone(tokens: Path) -> None:
    token, kept = new_token(tokens, "alice", ["orders:read"], client="desk")
    assert token not in tokens.read_text(encoding="utf-8")
    assert json.loads(tokens.read_text(encoding="utf-8")) == {
        "tokens": [{"sha256": sha256(token), "subject": "alice", "client": "desk", "scopes": ["orders:read"]}]
    }
    assert read_tokens(tokens) == (kept,)
    assert S_IMODE(tokens.stat().st_mode) == 0o600
    assert [path.name for path in tokens.parent.iterdir()] == [tokens.name]


def test_what_the_sdk_knows_of_a_holder() -> None:
    expires = datetime(2027, 1, 2, tzinfo=UTC)
    told = Token(sha256="0" * 64, subject="alice", client="desk", scopes=(Scope.KB_READ,), expires=expires).access("t")
    assert (told.subject, told.client_id, told.scopes) == ("alice", "desk", ["kb:read"])
    assert told.expires_at == expires.timestamp()
    assert Token(sha256="0" * 64, subject="alice", scopes=(Scope.KB_READ,)).access("t").client_id == "alice"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_change_is_refused(tokens: Path, grant: Grant, mode: int) -> None:
    grant()
    tokens.chmod(mode)
    with pytest.raises(Misuse, match=rf"can be changed by others \(mode {mode:o}\); chmod 600 it"):
        read_tokens(tokens)


def test_a_file_that_others_may_read_is_told(served: Served, tokens: Path, grant: Grant) -> None:
    grant()
    assert not is_readable_by_others(tokens)
    tokens.chmod(0o644)
    assert served(tokens=tokens).notes[1] == "others can read who holds which scopes; chmod 600 the token file"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "the file: Invalid JSON"),
        (
            '{"tokens": [{"sha256": "abc", "subject": "a", "scopes": ["admin"]}]}',
            "tokens.0.sha256: String should match",
        ),
        ('{"tokens": [], "more": 1}', "more: Extra inputs are not permitted"),
        ('{"tokens": [{"sha256": "%s", "subject": "a", "scopes": ["all"]}]}' % ("0" * 64), "scopes.0: Input should be"),
        ('{"tokens": [{"sha256": "%s", "subject": "a", "scopes": []}]}' % ("0" * 64), "scopes: Tuple should have"),
        ("x" * 1_000_001, "has more than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_place(tokens: Path, text: str, told: str) -> None:
    tokens.write_text(text, encoding="utf-8")
    tokens.chmod(0o600)
    with pytest.raises(Misuse, match=told):
        read_tokens(tokens)


def test_tokens_are_made_listed_and_revoked_on_the_command_line(ask: Ask, oms: Oms, tokens: Path) -> None:
    file = ("--tokens", tokens)
    made = ask("token", "new", "alice", "--scopes", "kb:read,orders:read", "--expires-in", "12h", *file)
    assert made["token"].startswith("oms_")
    assert made["scopes"] == ["orders:read", "kb:read"]
    left = datetime.fromisoformat(made["expires"]) - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    ask("token", "new", "bob", "--scopes", "admin", "--client", "desk", *file)
    listed = ask("token", "list", *file)["tokens"]
    assert (listed[0]["subject"], listed[0]["name"]) == ("alice", made["name"])
    assert "sha256" not in listed[0]
    assert f"{made['name']}  alice: orders:read, kb:read until " in oms("token", "list", *file).stdout
    assert ask("token", "revoke", made["name"], *file)["revoked"][0]["subject"] == "alice"
    assert [token["subject"] for token in ask("token", "list", *file)["tokens"]] == ["bob"]


def test_a_token_is_printed_once_and_alone(oms: Oms, tokens: Path) -> None:
    result = oms("token", "new", "alice", "--scopes", "kb:read", "--tokens", tokens)
    assert result.stdout.strip().startswith("oms_")
    assert "alice: kb:read; it is shown this once" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["new", "alice", "--scopes", "orders"], 'scope "orders" is unknown; use orders:read, orders:write'),
        (["new", "alice", "--scopes", ","], "no scope is named; use orders:read"),
        (["new", " ", "--scopes", "admin"], "SUBJECT"),
        (["new", "a" * 65, "--scopes", "admin"], "1 to 64 printable characters"),
        (["new", "alice", "--scopes", "admin", "--client", "a\tb"], "--client"),
        (["new", "alice", "--scopes", "admin", "--expires-in", "soon"], "such as 12h or 90d"),
        (["revoke", "nobody"], "cannot be read"),
        (["list"], "make one with: oms token new"),
    ],
)
def test_what_was_typed_wrongly_is_told(ask: Ask, tokens: Path, words: list[str], told: str) -> None:
    error = ask("token", *words, "--tokens", tokens, code=2)["error"]
    assert told in error["detail"]
    assert not tokens.exists()


def test_who_is_unknown_cannot_be_revoked(ask: Ask, tokens: Path, grant: Grant) -> None:
    grant()
    error = ask("token", "revoke", "nobody", "--tokens", tokens, code=2)["error"]
    assert '"nobody" is neither a subject nor the name of a token' in error["detail"]


@pytest.mark.usefixtures("plain")
def test_a_token_file_must_be_named(ask: Ask) -> None:
    assert "no token file is named" in ask("token", "list", code=2)["error"]["detail"]


def test_a_file_that_cannot_be_written_is_told_and_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be written"):
        new_token(tmp_path / "missing" / "tokens.json", "alice", ["admin"])
