from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.simulation.market.agenda import Agenda
from oms_engine.simulation.market.chance import Chance
from oms_engine.simulation.market.line import LATENCIES, MILLISECOND, SECOND, Line
from oms_engine.simulation.market.messages import Accepted, CancelRequest, Report, Request


def line(slowness: int = 1) -> Line:
    return Line(Chance(1, 1, "line"), slowness)


@given(st.lists(st.integers(0, 3_000), min_size=2, max_size=60))
def test_nothing_overtakes(pauses: list[int]) -> None:
    one, now = line(), 0
    arrivals = []
    for pause in pauses:
        now += pause
        arrivals.append(one.arrival(Accepted("A"), now))
        assert arrivals[-1] > now
    assert all(first <= second for first, second in pairwise(arrivals))


def test_what_is_sent_while_the_line_is_down_arrives_when_it_is_up_again() -> None:
    one = line()
    before = one.arrival(Accepted("A"), 0)
    one.go_down(5 * SECOND)
    assert before < SECOND
    assert 5 * SECOND < one.arrival(Accepted("B"), SECOND) < 6 * SECOND


def test_a_shorter_outage_does_not_end_a_longer_one() -> None:
    one = line()
    one.go_down(5 * SECOND)
    one.go_down(SECOND)
    assert one.arrival(Accepted("A"), 0) > 5 * SECOND


def test_on_a_slow_day_messages_take_longer() -> None:
    assert line(400).arrival(CancelRequest("A", "A", 0), 0) >= 400 * 120
    assert line(1).arrival(CancelRequest("A", "A", 0), 0) < 100 * MILLISECOND


@pytest.mark.parametrize("kind", [*Request.__args__, *Report.__args__], ids=lambda kind: kind.__name__)
def test_every_kind_of_message_has_a_latency_that_rises_to_its_worst(kind: type) -> None:
    table = LATENCIES[kind]
    assert len(table) == 11
    assert all(low < high for low, high in pairwise(table))


def test_the_agenda_goes_by_time_and_then_by_who_came_first() -> None:
    agenda, seen = Agenda(100), []
    for name, when in (("late", 90), ("first", 10), ("second", 10)):
        agenda.at(when, lambda name=name: seen.append((name, agenda.clock())))
    while agenda.go_on():
        pass
    assert seen == [("first", 10), ("second", 10), ("late", 90)]


def test_what_would_come_after_the_close_is_left_out() -> None:
    agenda, seen = Agenda(100), []
    agenda.at(150, seen.append, "whatever the close")
    agenda.later(99, seen.append, "before")
    agenda.later(100, seen.append, "too late")
    while agenda.go_on():
        pass
    assert seen == ["before", "whatever the close"]
