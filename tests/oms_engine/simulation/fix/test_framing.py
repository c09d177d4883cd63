"""Where messages begin and end, whatever stands around them and however much of them is there."""

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oms_engine.simulation.fix.framing import MAX_MESSAGE, Framing
from oms_engine.simulation.fix.reading import Message, Unreadable
from tests.oms_engine.simulation.fix.logs import SOH, message, pieces

ONE = message("0", 1, {112: "x"})
TWO = message("1", 2, {112: "y"})


def types(data: bytes) -> list[str]:
    return [piece.type if isinstance(piece, Message) else piece.reason for piece in pieces(data)[0]]


@pytest.mark.parametrize("separator", [SOH, b"|", b"^A", b"<SOH>"])
def test_every_usual_separator_is_read(separator: bytes) -> None:
    (found,), between = pieces(ONE.replace(SOH, separator) + b"\n")
    assert isinstance(found, Message)
    assert (found.get(112), found.garbled, between) == ("x", "", 1)


@pytest.mark.parametrize(
    "between", [b"", b"\n", b"\r\n", b"\n\n", b" ", b"\n2026-01-05 09:00:00.123 IN : ", b" OUT\r\n<INFO> "]
)
def test_messages_are_found_whatever_stands_between_them(between: bytes) -> None:
    found, size = pieces(ONE + between + TWO)
    assert [each.type for each in found if isinstance(each, Message)] == ["0", "1"]
    assert size == len(between)


def test_a_message_knows_its_line_and_its_first_byte() -> None:
    found, _ = pieces(b"\n\n" + ONE + TWO + b"\r\n09:00 " + ONE)
    assert [(each.number, each.line, each.offset, each.size) for each in found] == [
        (1, 3, 2, len(ONE)),
        (2, 3, 2 + len(ONE), len(TWO)),
        (3, 4, 2 + len(ONE) + len(TWO) + 8, len(ONE)),
    ]


def test_lines_without_a_message_are_told_as_one_piece() -> None:
    found, between = pieces(b"# a log\n# of today\n" + ONE + b"\nconnection lost\n\n" + TWO)
    assert [each.reason.partition(":")[0] if isinstance(each, Unreadable) else each.type for each in found] == [
        "holds no message",
        "0",
        "holds no message",
        "1",
    ]
    assert [each.size for each in found] == [19, len(ONE), 17, len(TWO)]
    assert between == 1


def test_a_separator_in_a_text_belongs_to_the_text_when_the_length_says_so() -> None:
    whole = message("0", 1, {58: "a|b 10=123|c"}).replace(SOH, b"|")
    (found, _), _ = pieces(whole + ONE.replace(SOH, b"|"))
    assert isinstance(found, Message)
    assert (found.get(58), found.garbled) == ("a|b 10=123|c", "")


def test_raw_data_may_hold_what_looks_like_an_end_and_a_beginning() -> None:
    data = b"\x0110=000\x018=FIX.4.4\x01"
    body = b"35=0\x0149=A\x0156=B\x0134=1\x0152=20260105-09:00:00\x0195=%d\x0196=%b\x01" % (len(data), data)
    head = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    whole = head + b"10=%03d\x01" % (sum(head) % 256)
    (found, after), _ = pieces(whole + ONE)
    assert isinstance(found, Message)
    assert (found.get(96), found.garbled, found.size) == (data.decode(), "", len(whole))
    assert isinstance(after, Message)


def test_a_message_that_is_cut_off_ends_with_its_line() -> None:
    assert types(ONE[:40] + b"\n" + TWO) == ["has no CheckSum (10): it is cut off", "1"]


def test_a_message_that_is_cut_off_ends_where_the_next_one_begins() -> None:
    assert types(ONE[:40] + TWO) == ["has no CheckSum (10): it is cut off", "1"]


def test_the_last_message_may_be_cut_off_and_may_lack_its_last_separator() -> None:
    assert types(ONE + TWO[:30]) == ["0", "has no CheckSum (10): it is cut off"]
    assert types(ONE + TWO[:-1]) == ["0", "1"]


def test_a_message_without_a_body_length_still_ends_at_its_checksum() -> None:
    found, _ = pieces(ONE.replace(b"9=", b"99=", 1) + TWO)
    assert [each.type for each in found if isinstance(each, Message)] == ["0", "1"]


def test_a_wrong_body_length_does_not_swallow_the_next_message() -> None:
    found, _ = pieces(ONE.replace(b"\x019=", b"\x019=1", 1) + TWO)
    assert [each.type for each in found if isinstance(each, Message)] == ["0", "1"]


def test_what_is_longer_than_a_message_may_be_is_no_message() -> None:
    endless = b"8=FIX.4.4\x019=5\x0135=0\x0158=" + b"x" * (2 * MAX_MESSAGE)
    found, between = pieces(endless + b"\n" + ONE)
    assert sum(each.size for each in found) + between == len(endless) + 1 + len(ONE)
    assert f"within {MAX_MESSAGE:,} bytes" in found[0].reason if isinstance(found[0], Unreadable) else False
    assert isinstance(found[-1], Message)


def test_a_beginning_with_another_separator_says_so() -> None:
    assert types(b"8=FIX.4.4;9=5;35=0;10=000;\n" + ONE) == [
        "begins as a message, but BeginString is not followed by SOH, |, ^A or <SOH>",
        "0",
    ]


class Dripping(io.BytesIO):
    """A stream that gives a few bytes at a time, as a pipe does."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 7) if size and size > 0 else size)


def test_a_stream_may_give_a_few_bytes_at_a_time() -> None:
    data = (ONE + b"\n") * 20
    assert [piece.size for piece in Framing(Dripping(data)).pieces()] == [len(ONE)] * 20


def test_many_messages_are_read_without_being_held() -> None:
    data = (b"09:00:00 " + ONE + b"\n") * 6_000
    framing = Framing(io.BytesIO(data))
    assert sum(1 for piece in framing.pieces() if not piece.problem) == 6_000
    assert framing.between == 6_000 * 10
    assert len(framing._buffer) <= 4 * MAX_MESSAGE


def test_a_log_of_many_lines_without_a_message_is_read_in_parts() -> None:
    words = b"nothing of orders here\n" * 30_000
    framing = Framing(io.BytesIO(ONE + b"\n" + words + TWO + b"\n"))
    found = list(framing.pieces())
    assert [piece.problem == "" for piece in (found[0], found[-1])] == [True, True]
    assert found[-1].line == 30_002
    assert {piece.problem for piece in found[1:-1]} == {"holds no message: nothing begins with BeginString (8=FIX)"}
    assert sum(piece.size for piece in found) + framing.between == len(ONE + words + TWO) + 2


def test_a_line_that_never_ends_is_read_in_parts() -> None:
    framing = Framing(io.BytesIO(b"x" * (10 * MAX_MESSAGE)))
    sizes = [piece.size for piece in framing.pieces()]
    assert len(sizes) > 1
    assert sum(sizes) == 10 * MAX_MESSAGE


FRAGMENTS = st.sampled_from(
    [
        ONE,
        TWO,
        ONE.replace(SOH, b"|"),
        ONE[:25],
        TWO[9:],
        b"\n",
        b"\r\n",
        b"8=FIX",
        b"8=FIX.4.4\x01",
        b"10=000\x01",
        b"|10=1|",
        b"^A",
    ]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=40), max_size=12))
@example([b"8=FIX.4.4\x019=0\x01", b"10=000\x01"])
@example([b"8=FIX.4.4\x01", b"10=\x01"])
def test_every_byte_is_in_one_piece_or_between(parts: list[bytes]) -> None:
    data = b"".join(parts)
    found, between = pieces(data)
    assert sum(each.size for each in found) + between == len(data)
    assert all(each.size for each in found)
    ends = [each.offset + each.size for each in found]
    assert all(end <= each.offset for end, each in zip(ends, found[1:], strict=False))
    assert [each.line for each in found] == [data.count(b"\n", 0, each.offset) + 1 for each in found]
