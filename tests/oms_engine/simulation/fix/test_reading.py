"""What a message says, and whether FIX would have it ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.simulation.fix.reading import Message, Unreadable
from tests.oms_engine.simulation.fix.logs import SOH, message, pieces


def read(data: bytes) -> Message:
    ((found,), _) = pieces(data)
    assert isinstance(found, Message)
    return found


def test_a_whole_message_has_its_fields_and_nothing_to_find() -> None:
    found = read(message("D", 7, {11: "C1", 58: "grüße"}))
    assert (found.type, found.get(11), found.get(58), found.get(99)) == ("D", "C1", "grüße", "")
    assert (found.garbled, found.findings, found.unknown) == ("", (), ())
    assert found.place == "message 1 (line 1, MsgSeqNum 7)"


def test_a_wrong_checksum_garbles_a_message() -> None:
    whole = message("D", 1, {11: "C1"})
    assert read(whole[:-4] + b"000\x01").garbled.startswith("CheckSum (10) says 000, its bytes add up to ")


@pytest.mark.parametrize("text", [b"1", b"12", b"abc", b""])
def test_a_checksum_of_other_than_three_digits_garbles_a_message(text: bytes) -> None:
    whole = message("D", 1, {11: "C1"})
    assert "CheckSum (10) says" in read(whole[:-4] + text + SOH).garbled


def test_a_wrong_body_length_garbles_a_message() -> None:
    whole = message("D", 1, {11: "C1"})
    length = whole.split(SOH)[1]
    other = whole.replace(length, b"9=%d" % (int(length[2:]) + 9))
    wrong = other[: -len(b"10=000\x01")]
    assert read(wrong + b"10=%03d\x01" % (sum(wrong) % 256)).garbled.startswith("BodyLength (9) says")


def test_a_body_length_in_another_place_garbles_a_message() -> None:
    body = b"8=FIX.4.4\x0135=D\x019=5\x0149=A\x0156=B\x0134=1\x0152=20260105-09:00:00\x01"
    assert read(body + b"10=%03d\x01" % (sum(body) % 256)).garbled == "BodyLength (9) is not its second field"


def test_a_field_without_a_number_is_no_field() -> None:
    body = b"8=FIX.4.4\x019=5\x0135=D\x01no field\x0149=A\x01"
    ((found,), _) = pieces(body + b"10=%03d\x01" % (sum(body) % 256))
    assert isinstance(found, Unreadable)
    assert found.reason.startswith("is no list of tag=value fields: ")


@pytest.mark.parametrize("field", [b" 3_8=10", b"3_8=10", b"+44=1", b"-44=1", b"44 =1", b"044=1", b"\t44=1"])
def test_a_tag_is_digits_and_nothing_else(field: bytes) -> None:
    body = b"8=FIX.4.4\x019=5\x0135=D\x01" + field + b"\x0149=A\x01"
    ((found,), _) = pieces(body + b"10=%03d\x01" % (sum(body) % 256))
    assert isinstance(found, Unreadable)
    assert "a tag is digits alone, and '" in found.reason


def test_raw_data_that_is_shorter_than_it_says_cannot_be_read() -> None:
    body = b"8=FIX.4.4\x019=5\x0135=D\x0195=500\x0196=abc\x01"
    ((found,), _) = pieces(body + b"10=%03d\x01" % (sum(body) % 256))
    assert isinstance(found, Unreadable)
    assert "is not as long as its length says" in found.reason


def test_tags_that_nobody_knows_are_kept_and_named() -> None:
    found = read(message("D", 1, {11: "C1", 5001: "a", 20001: "b"}))
    assert found.unknown == (5001, 20001)
    assert found.get(5001) == "a"


def test_a_tag_of_an_order_that_stands_twice_is_told_and_its_first_value_counts() -> None:
    body = b"35=D\x0149=A\x0156=B\x0134=1\x0152=20260105-09:00:00\x0111=C1\x0111=C2\x01448=x\x01448=y\x01"
    head = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    found = read(head + b"10=%03d\x01" % (sum(head) % 256))
    assert found.get(11) == "C1"
    assert found.findings == (("repeated tag", "ClOrdID (11) stands 2 times; its first value counts"),)


def test_another_version_and_a_missing_header_are_told() -> None:
    found = read(message("D", 1, {34: None, 52: None, 11: "C1"}, begin="FIX.4.2"))
    assert [kind for kind, _ in found.findings] == ["BeginString", "missing tag", "missing tag"]


@given(
    st.dictionaries(
        st.integers(6000, 9000),
        st.text(st.characters(exclude_characters="\x01", exclude_categories=["Cs"]), min_size=1, max_size=20),
        max_size=6,
    )
)
def test_what_is_written_is_read(fields: dict[int, str]) -> None:
    found = read(message("D", 1, fields))
    assert {tag: found.fields[tag] for tag in fields} == fields
    assert found.garbled == ""


@given(st.binary(max_size=200))
def test_any_bytes_between_head_and_checksum_are_read_or_refused(body: bytes) -> None:
    found, between = pieces(b"8=FIX.4.4\x019=%d\x01" % len(body) + body + b"10=000\x01")
    assert all(isinstance(each, Message | Unreadable) for each in found)
    assert sum(each.size for each in found) + between > len(body)
