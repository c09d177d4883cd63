"""What the engine recorded is compared with what a report says: statuses, reasons, and the values of a trade."""

from decimal import Decimal

import pytest

from oms_engine.domain.events import Event, ExecutionCreated, OrderCancelRejected, OrderRejected
from oms_engine.domain.vocabulary import CxlRejReason, OrdRejReason
from oms_engine.simulation.fix.comparing import COMPARED, compared, statuses
from oms_engine.simulation.fix.reading import Message
from oms_engine.simulation.fix.tags import TAGS
from oms_engine.simulation.fix.working import Working
from tests.oms_engine.desk import Desk


def report(kind: str, **tags: object) -> Message:
    return Message(2, 0, 2, 1, {35: kind, **{int(name[1:]): str(value) for name, value in tags.items()}})


def working(state: str, **order: object) -> Working:
    desk = Desk()
    return Working(report("D"), desk.order(desk.given(state, **order)), 0)


@pytest.mark.parametrize(
    ("state", "held"),
    [
        ("UNACK", "A"),
        ("LIVE", "0"),
        ("PART", "1"),
        ("FILLED", "2"),
        ("CXL", "4"),
        ("REJ", "8"),
        ("EXP", "C3"),
        ("CLOSED", "3"),
    ],
)
def test_an_order_in_every_state_has_its_status(state: str, held: str) -> None:
    assert "".join(statuses(working(state))) == held


def test_an_order_that_lives_longer_than_its_day_expires_and_is_not_done_for_the_day() -> None:
    in_force = {"timeInForce": "GOOD_TILL_CROSSING"}
    assert statuses(working("EXP", **in_force)) == ("C",)


def test_requests_that_are_not_answered_go_before_the_status_of_an_open_order_and_behind_that_of_another() -> None:
    for state, held in (("PART", "6E1"), ("FILLED", "26E")):
        order = working(state)
        order.asked("C2", cancel=True)
        order.asked("C3", cancel=False)
        assert "".join(statuses(order)) == held
        order.answered("C2", cancel=True)
        order.answered("", cancel=False)
        assert "".join(statuses(order)) == held.replace("6", "").replace("E", "")


FILL = ExecutionCreated.of(last_qty=Decimal(300), last_px=Decimal(100), exec_id="e1", order_id="o1", exec_type="F")


@pytest.mark.parametrize(
    ("message", "event", "found"),
    [
        (report("8", t150="F", t32=300, t31="100.0"), FILL, []),
        (report("8", t150="F", t32=301, t31="99"), FILL, [(32, "301", "300"), (31, "99", "100")]),
        (report("8", t103=7), OrderRejected(ord_rej_reason=OrdRejReason.OTHER), [(103, "7", "99")]),
        (report("8", t103="099"), OrderRejected(ord_rej_reason=OrdRejReason.OTHER), []),
        (report("8"), OrderRejected(ord_rej_reason=OrdRejReason.OTHER), []),
        (report("9", t102=1), OrderCancelRejected(cxl_rej_reason=CxlRejReason.TOO_LATE), [(102, "1", "0")]),
        (report("8", t102=1), OrderCancelRejected(cxl_rej_reason=CxlRejReason.TOO_LATE), []),
    ],
)
def test_what_an_event_recorded_is_what_the_report_says(message: Message, event: Event, found: list[object]) -> None:
    assert [tuple(each) for each in compared(message, working("PART"), [event])] == found


def test_every_tag_that_is_compared_can_differ() -> None:
    values = {f"t{tag}": "77" for tag in COMPARED}
    seen = {each.tag for each in compared(report("8", t150="0", **values), working("PART", stopPx="90"), [FILL])}
    seen |= {
        each.tag
        for each in compared(report("8", **values), working("REJ"), [OrderRejected(ord_rej_reason=OrdRejReason.OTHER)])
    }
    refused = OrderCancelRejected(cxl_rej_reason=CxlRejReason.OTHER)
    seen |= {each.tag for each in compared(report("9", **values), working("PART"), [refused])}
    assert seen == set(COMPARED) <= set(TAGS)
