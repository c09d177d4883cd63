"""Which messages events become, and which orders a log of the market holds."""

import io

import pytest

from oms_engine import Engine
from oms_engine.domain.model import OrderState
from oms_engine.simulation.fix.frames import Sides
from oms_engine.simulation.fix.reading import Message
from oms_engine.simulation.fix.writing import FixLog, all_events, write_log
from tests.oms_engine.desk import Desk
from tests.oms_engine.simulation.fix.logs import assert_it_adds_up, orders_of, pieces, replayed


def written(engine: Engine, sides: Sides | None = None) -> list[Message]:
    """The messages of an engine without the frame of the session."""
    log = io.BytesIO()
    write_log(engine, log, sides)
    found, between = pieces(log.getvalue())
    assert between == log.getvalue().count(b"\n")
    messages = [each for each in found if isinstance(each, Message) and not each.garbled]
    assert len(messages) == len(found)
    return [each for each in messages if each.type not in {"A", "5"}]


def short(messages: list[Message]) -> list[str]:
    """Each message by MsgType and what happened: `8 F 1` is a fill after which the order is partially filled."""
    return [" ".join(filter(None, [each.type, each.get(150), each.get(39)])) for each in messages]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("NEW", []),
        ("UNACK", ["D"]),
        ("UNACK+PCXL", ["D", "F"]),
        ("UNACK+PMOD", ["D", "G"]),
        ("LIVE", ["D", "8 0 0"]),
        ("LIVE+PCXL", ["D", "8 0 0", "F"]),
        ("PART", ["D", "8 0 0", "8 F 1"]),
        ("FILLED", ["D", "8 0 0", "8 F 2"]),
        ("CXL", ["D", "8 0 0", "8 F 1", "8 4 4"]),
        ("REJ", ["D", "8 8 8"]),
        ("EXP", ["D", "8 0 0", "8 F 1", "8 C C"]),
        ("CLOSED", ["D", "8 0 0", "8 F 2"]),
    ],
)
def test_an_order_in_every_state_has_its_messages(state: str, told: list[str]) -> None:
    desk = Desk()
    desk.given(state)
    assert short(written(desk.engine)) == told


def test_a_new_order_says_what_was_asked_for() -> None:
    desk = Desk()
    desk.create(
        orderId="O1", clOrdId="C1", timeInForce="GOOD_TILL_DATE", expireTime="2026-02-01T10:00:00.5Z", text="a\x01b"
    )
    (message,) = written(desk.engine, Sides("HOUSE", "NYSE"))
    assert {tag: message.get(tag) for tag in (49, 56, 115, 34, 11, 1, 55, 54, 40, 38, 44, 59, 126, 58)} == {
        49: "HOUSE", 56: "NYSE", 115: "S1", 34: "2", 11: "C1", 1: "ACC", 55: "IBM", 54: "1", 40: "2", 38: "1000",
        44: "100", 59: "6", 126: "20260201-10:00:00.500", 58: "a b",
    }  # fmt: skip


def test_a_message_is_one_line_whatever_its_texts_hold() -> None:
    desk = Desk()
    desk.create(orderId="O1", clOrdId="C1", text="a\r\nb\tc\x1b[2J\x7f\x85\u2028d")
    log = io.BytesIO()
    write_log(desk.engine, log)
    lines = log.getvalue().decode().splitlines()
    assert len(lines) == 5
    assert "\x0158=a  b c [2J   d\x01" in lines[2]
    assert all(each.isprintable() for each in "".join(lines).split("\x01"))


def test_the_times_are_those_of_the_events() -> None:
    desk = Desk()
    desk.given("LIVE")
    assert [message.get(52)[:17] for message in written(desk.engine)] == ["20260102-09:30:00"] * 2


def test_a_log_begins_with_a_logon_of_both_sides_and_ends_with_their_logout() -> None:
    desk = Desk()
    desk.given("LIVE")
    log = io.BytesIO()
    told = write_log(desk.engine, log)
    found, _ = pieces(log.getvalue())
    assert [(each.type, each.get(49), each.get(34)) for each in found if isinstance(each, Message)] == [
        ("A", "OMS", "1"), ("A", "MARKET", "1"), ("D", "OMS", "2"), ("8", "MARKET", "2"),
        ("5", "OMS", "3"), ("5", "MARKET", "3"),
    ]  # fmt: skip
    assert (told.messages, told.types, told.orders, told.in_house) == (6, {"5": 2, "8": 1, "A": 2, "D": 1}, 1, 0)


def test_an_engine_without_events_has_an_empty_log() -> None:
    log = io.BytesIO()
    assert write_log(Desk().engine, log).messages == 0
    assert log.getvalue() == b""


def test_requests_without_an_id_get_one_that_nobody_has() -> None:
    desk = Desk()
    order_id = desk.given("LIVE", clOrdId="C1")
    desk.given("LIVE", clOrdId="C1~1")
    for _ in range(2):
        desk.ok("OrderCancelCmd", orderId=order_id)
        desk.ok("OrderCancelRejectCmd", orderId=order_id, cxlRejReason=2)
    desk.ok("OrderReplaceCmd", orderId=order_id, price="101")
    desk.ok("OrderReplaceAcceptCmd", orderId=order_id)
    names = [(each.type, each.get(11), each.get(41)) for each in written(desk.engine) if each.get(41)]
    assert names == [
        ("F", "C1~2", "C1"), ("9", "C1~2", "C1"), ("F", "C1~3", "C1"), ("9", "C1~3", "C1"), ("G", "C1~4", "C1"),
        ("8", "C1~4", "C1"),
    ]  # fmt: skip


def test_a_long_id_leaves_room_for_the_number_of_a_request() -> None:
    desk = Desk()
    order_id = desk.given("LIVE", clOrdId="C" * 48)
    desk.ok("OrderCancelCmd", orderId=order_id)
    assert written(desk.engine)[-1].get(11) == "C" * 40 + "~1"


def test_a_replace_repeats_all_terms_and_its_answer_shows_the_new_ones() -> None:
    desk = Desk()
    order_id = desk.given("PART", clOrdId="C1")
    desk.ok("OrderReplaceCmd", orderId=order_id, clOrdId="C2", orderQty="1200")
    desk.ok("OrderReplaceAcceptCmd", orderId=order_id)
    desk.ok("OrderCancelAcceptCmd", orderId=order_id, unsolicited=True, text="halted")
    request, replaced, cancelled = written(desk.engine)[3:]
    assert [request.get(tag) for tag in (35, 11, 41, 38, 44, 40, 59)] == ["G", "C2", "C1", "1200", "100", "2", "0"]
    assert [replaced.get(tag) for tag in (150, 39, 11, 41, 38, 151, 14)] == ["5", "1", "C2", "C1", "1200", "900", "300"]
    assert [cancelled.get(tag) for tag in (150, 11, 41, 151, 58)] == ["4", "C2", "", "0", "halted"]


def test_a_request_that_a_fill_ends_is_answered_behind_the_fill() -> None:
    desk = Desk()
    order_id = desk.given("LIVE+PCXL")
    desk.fill(order_id, "1000")
    assert short(written(desk.engine)) == ["D", "8 0 0", "F", "8 F 2", "9 2"]
    assert written(desk.engine)[-1].get(102) == "0"


def test_what_is_taken_back_names_its_execution() -> None:
    desk = Desk()
    order_id = desk.given("FILLED")
    desk.ok("ExecutionCorrectCmd", execRefId="e1", execId="x1", orderId=order_id, lastQty="900", lastPx="101")
    desk.ok("ExecutionBustCmd", execId="e1", orderId=order_id, reason="clearly erroneous")
    corrected, busted = written(desk.engine)[-2:]
    assert [corrected.get(tag) for tag in (150, 17, 19, 32, 31, 39, 14, 6)] == [
        "G",
        "x1",
        "e1",
        "900",
        "101",
        "1",
        "900",
        "101",
    ]
    assert [busted.get(tag) for tag in (150, 19, 32, 39, 14, 58)] == ["H", "e1", "900", "0", "0", "clearly erroneous"]


def test_a_working_order_that_the_house_closes_is_done_for_the_day() -> None:
    desk = Desk(lifecycle__profile="desk")
    desk.ok("OrderCloseCmd", orderId=desk.given("PART"))
    assert short(written(desk.engine))[-1] == "8 3 3"


def test_an_order_with_children_stays_in_the_house_and_its_children_go_out() -> None:
    desk = Desk()
    parent = desk.create(handlInst="MANUAL").id
    child = desk.create(parentOrderId=parent, orderQty="600", clOrdId="M1").id
    desk.accept(child)
    desk.fill(child, "600")
    messages = written(desk.engine)
    assert short(messages) == ["D", "8 0 0", "8 F 2"]
    assert {each.get(11) for each in messages} == {"M1"}
    told = write_log(desk.engine, io.BytesIO())
    assert (told.orders, told.in_house) == (1, 1)


def test_a_group_goes_out_and_its_members_stay() -> None:
    desk = Desk()
    members = [desk.create(handlInst="MANUAL").id for _ in range(2)]
    desk.ok("OrderGroupCmd", memberOrderIds=members, groupOrderId="G1")
    desk.ok("OrderPlaceCmd", orderId="G1")
    desk.accept("G1")
    desk.fill("G1", "2000")
    messages = written(desk.engine)
    assert short(messages) == ["D", "8 0 0", "8 F 2"]
    assert (messages[0].get(11), messages[0].get(38)) == ("G1", "2000")


def test_the_same_events_give_the_same_bytes() -> None:
    logs = []
    for _ in range(2):
        desk = Desk()
        for state in ("FILLED", "CXL", "LIVE+PMOD"):
            desk.given(state)
        log = io.BytesIO()
        write_log(desk.engine, log)
        logs.append(log.getvalue())
    assert logs[0] == logs[1]


def test_an_order_that_has_ended_is_not_held_and_read_again_when_something_happens_to_it() -> None:
    desk = Desk()
    ended, busted = desk.given("FILLED"), desk.given("FILLED")
    desk.ok("OrderCloseCmd", orderId=ended)
    held = desk.order(busted).version
    desk.ok("ExecutionBustCmd", execId=desk.engine.executions(busted)[0].exec_id, orderId=busted)
    asked: list[tuple[str, int]] = []

    def earlier(order_id: str, version: int) -> OrderState | None:
        asked.append((order_id, version))
        return desk.engine.state_at(order_id, version)

    log = list(FixLog(set(), earlier=earlier).messages(all_events(desk.engine)))
    assert asked == [(busted, held)]
    assert log == list(FixLog(set()).messages(all_events(desk.engine)))


def test_progress_is_told() -> None:
    desk = Desk()
    desk.given("FILLED")
    told: list[tuple[int, int]] = []
    write_log(desk.engine, io.BytesIO(), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, desk.engine.position)]


def test_what_one_engine_did_another_does_again() -> None:
    desk = Desk()
    for state in ("UNACK+PCXL", "PART", "PART+PMOD", "FILLED", "CXL", "REJ", "EXP"):
        desk.given(state)
    log = io.BytesIO()
    write_log(desk.engine, log)
    account, orders = replayed(log.getvalue())
    assert_it_adds_up(account)
    assert (account.agrees, account.spotless) == (True, True)
    told = [
        (each.cl_ord_id, each.state, each.cancel_state, each.cum_qty, each.leaves_qty, each.avg_px) for each in orders
    ]
    source = {order.order_id: order for order in orders_of(desk.engine)}
    assert told[2][0] == "c3~1"
    assert [row[1:] for row in told] == [
        (each.state, each.cancel_state, each.cum_qty, each.leaves_qty, each.avg_px) for each in source.values()
    ]
