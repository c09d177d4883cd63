"""Are the access tokens of an OAuth server accepted when they are good, meant for us, and not too old?"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from oms_mcp.inputs import Misuse
from oms_mcp.web.issuer import Issuer
from oms_mcp.web.serving import Front
from tests.oms_mcp.agent import Agent, Era, over_http
from tests.oms_mcp.web.conftest import Served, eventually
from tests.oms_mcp.web.test_serving import HELLO, SPOKEN, of_site

AUDIENCE = "https://oms.example.com/mcp"
Claims = dict[str, Any]


class Identity:
    """An OAuth server that has keys, says where they are, and signs tokens."""

    def __init__(self) -> None:
        self.pages: dict[str, object] = {}
        self.moved: dict[str, str] = {}
        self.asked: list[str] = []
        self.key = ec.generate_private_key(ec.SECP256R1())
        pages, moved, asked = self.pages, self.moved, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                page = pages.get(self.path)
                self.send_response(302 if self.path in moved else 404 if page is None else 200)
                if self.path in moved:
                    self.send_header("Location", moved[self.path])
                self.end_headers()
                self.wfile.write(json.dumps(page).encode())

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/realm"
        self.metadata = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.pages["/.well-known/oauth-authorization-server/realm"] = self.metadata
        self.publish()

    def publish(self) -> None:
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.pages["/realm/keys"] = {"keys": [{**public, "kid": "one", "use": "sig", "alg": "ES256"}]}

    def token(self, *, typ: str = "at+jwt", kid: str = "one", **changes: object) -> str:
        now = int(time.time())
        claims: Claims = {
            "iss": self.url,
            "sub": "alice",
            "aud": AUDIENCE,
            "exp": now + 300,
            "iat": now,
            "jti": "1",
            "client_id": "desk",
            "scope": "orders:read orders:write kb:read openid",
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.key, "ES256", headers={"typ": typ, "kid": kid})


@pytest.fixture
def identity() -> Iterator[Identity]:
    identity = Identity()
    thread = Thread(target=identity.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield identity
    identity.server.shutdown()
    thread.join()
    identity.server.server_close()


@pytest.fixture
def front(served: Served, identity: Identity) -> Front:
    return served(issuer=identity.url, audience=AUDIENCE)


def asked(front: Front, token: str) -> httpx2.Response:
    return httpx2.post(front.url, json=HELLO, headers={**SPOKEN, "Authorization": f"Bearer {token}"}, timeout=20)


def test_a_token_of_the_issuer_lets_its_holder_in(front: Front, identity: Identity, era: Era) -> None:
    with Agent(over_http(front.url, identity.token()), era) as agent:
        assert agent.given("LIVE")
        error = agent.refused("settings", action="list")
    assert "settings needs the scope admin; the token has orders:read, orders:write, kb:read" in error["detail"]


def test_the_host_that_the_audience_names_is_served(front: Front, identity: Identity) -> None:
    headers = {**SPOKEN, "Authorization": f"Bearer {identity.token()}", "Host": "oms.example.com"}
    assert httpx2.post(front.url, json=HELLO, headers=headers).status_code == 200


def test_a_client_without_a_token_is_told_where_to_get_one(front: Front, identity: Identity) -> None:
    answered = httpx2.post(front.url, json=HELLO, headers=SPOKEN)
    assert answered.status_code == 401
    told = "https://oms.example.com/.well-known/oauth-protected-resource/mcp"
    assert answered.headers["www-authenticate"] == f'Bearer resource_metadata="{told}"'
    metadata = httpx2.get(of_site(front, "/.well-known/oauth-protected-resource/mcp")).json()
    assert metadata["resource"] == AUDIENCE
    assert metadata["authorization_servers"] == [identity.url]
    assert metadata["scopes_supported"] == ["orders:read", "orders:write", "orders:correct", "kb:read", "admin"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exp": 1}, "the token has expired"),
        ({"exp": None}, 'missing the "exp" claim'),
        ({"aud": "https://other.example"}, f"the token is not meant for {AUDIENCE}"),
        ({"aud": None}, 'missing the "aud" claim'),
        ({"iss": "https://other.example"}, "Invalid issuer"),
        ({"sub": None}, 'missing the "sub" claim'),
        ({"client_id": None}, 'missing the "client_id" claim'),
        ({"iat": None}, 'missing the "iat" claim'),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"typ": "JWT"}, "the token is no access token"),
        ({"kid": "two"}, "Unable to find a signing key"),
    ],
)
def test_a_token_that_is_not_good_is_refused_with_the_reason(
    front: Front, identity: Identity, changes: Claims, told: str
) -> None:
    answered = asked(front, identity.token(**changes))
    assert answered.status_code == 401
    assert told in answered.json()["error_description"]
    assert answered.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


def test_an_audience_may_be_one_of_several(front: Front, identity: Identity) -> None:
    assert asked(front, identity.token(aud=["https://other.example", AUDIENCE])).status_code == 200


def test_what_others_signed_is_refused(front: Front, identity: Identity) -> None:
    good = identity.token()
    identity.key = ec.generate_private_key(ec.SECP256R1())
    assert asked(front, good).status_code == 200
    forged = asked(front, identity.token())
    assert forged.json()["error_description"] == "the token is not accepted: Signature verification failed"
    head, claims, signature = good.split(".")
    unsigned = jwt.encode({"iss": identity.url}, None, "none", headers={"typ": "at+jwt", "kid": "one"})
    by_secret = jwt.encode({"iss": identity.url}, "s" * 32, "HS256", headers={"typ": "at+jwt", "kid": "one"})
    for token in (unsigned, by_secret, f"{head}.{claims}.", f"{head}.{claims}.{signature[:-4]}AAAA", "a.b.c", "x"):
        assert asked(front, token).status_code == 401


def test_metadata_of_openid_connect_is_read_too(front: Front, identity: Identity) -> None:
    identity.pages["/realm/.well-known/openid-configuration"] = identity.pages.pop(
        "/.well-known/oauth-authorization-server/realm"
    )
    assert asked(front, identity.token()).status_code == 200


@pytest.mark.parametrize("changes", [{"issuer": "https://other.example"}, {"jwks_uri": "http://192.0.2.7/keys"}])
def test_metadata_that_cannot_be_trusted_lets_nobody_in(front: Front, identity: Identity, changes: Claims) -> None:
    identity.metadata.update(changes)
    answered = asked(front, identity.token())
    assert (answered.status_code, answered.headers["retry-after"]) == (503, "10")


def test_an_issuer_that_does_not_answer_lets_nobody_in_until_it_does(front: Front, identity: Identity) -> None:
    pages = dict(identity.pages)
    identity.pages.clear()
    assert asked(front, identity.token()).status_code == 503
    identity.pages.update(pages)
    keys = identity.pages.pop("/realm/keys")
    eventually(lambda: asked(front, identity.token()).status_code == 503 and "/realm/keys" in identity.asked)
    identity.pages["/realm/keys"] = keys
    eventually(lambda: asked(front, identity.token()).status_code == 200)


def test_what_could_not_be_fetched_is_not_fetched_by_each_request(front: Front, identity: Identity) -> None:
    del identity.pages["/realm/keys"]
    with ThreadPoolExecutor(8) as pool:
        codes = [*pool.map(lambda _: asked(front, identity.token()).status_code, range(8))]
    assert codes == [503] * 8
    assert identity.asked.count("/realm/keys") == 1


@pytest.mark.parametrize("page", ["/.well-known/oauth-authorization-server/realm", "/realm/keys"])
def test_a_redirect_of_the_issuer_is_not_followed(front: Front, identity: Identity, page: str) -> None:
    identity.pages["/elsewhere"] = identity.pages.pop(page)
    identity.moved[page] = "/elsewhere"
    assert asked(front, identity.token()).status_code == 503
    assert page in identity.asked
    assert "/elsewhere" not in identity.asked


@pytest.mark.parametrize("url", ["http://id.example.com", "ftp://id.example.com", "id.example.com", "https://", ""])
def test_an_issuer_that_others_could_change_on_the_way_is_refused(url: str) -> None:
    with pytest.raises(Misuse, match="must be an https address; http is for this machine alone"):
        Issuer(url, AUDIENCE)
    with pytest.raises(Misuse, match=r"--oauth-audience .* must be an https address"):
        Issuer("https://id.example.com", url)
