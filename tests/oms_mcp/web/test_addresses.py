"""Is it understood where to listen, and under which names?"""

import pytest

from oms_mcp.inputs import Misuse
from oms_mcp.web.addresses import Place, allowed_hosts, is_loopback, listening, read_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:8000", Place("127.0.0.1", 8000)),
        ("localhost:0", Place("localhost", 0)),
        ("[::1]:8000", Place("::1", 8000)),
        (" oms.example.com:65535 ", Place("oms.example.com", 65535)),
    ],
)
def test_a_place_is_a_host_and_a_port(text: str, place: Place) -> None:
    assert read_place(text) == place
    assert str(place) == text.strip()


@pytest.mark.parametrize("text", ["8000", ":8000", "localhost", "localhost:", "localhost:65536", "::1:8000", "a b:1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match=r"is no HOST:PORT, such as 127.0.0.1:8000"):
        read_place(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "localhost.example.com", "example.com"])  # noqa: S104
def test_other_machines_are_known(host: str) -> None:
    assert not is_loopback(host)


def test_a_host_without_a_port_is_allowed_with_each() -> None:
    place = Place("0.0.0.0", 80)  # noqa: S104 - nothing listens
    assert allowed_hosts(place, ["a.example"], "") == ["a.example", "a.example:*"]
    assert allowed_hosts(place, ["a.example:81", "[::2]:*"], "") == ["a.example:81", "[::2]:*"]
    assert allowed_hosts(place, [], "https://b.example:444/mcp") == ["b.example:444"]
    assert allowed_hosts(Place("192.0.2.7", 80), [], "") == ["192.0.2.7", "192.0.2.7:*"]


@pytest.mark.parametrize("host", ["", "a b", "http://a.example", "a.example/mcp", "*", "a:b"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(Misuse, match=r"is no host, such as oms.example.com"):
        allowed_hosts(Place("127.0.0.1", 0), [host], "")


def test_a_host_that_does_not_exist_is_told() -> None:
    with pytest.raises(Misuse, match=r"--http no.such.host.invalid:80 cannot be used"):
        listening(Place("no.such.host.invalid", 80))
