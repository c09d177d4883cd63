"""Which numbers of a session are missing, come twice or begin again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.simulation.fix.reading import Message
from oms_engine.simulation.fix.sequences import MAX_DIRECTIONS, Direction, Sequences


class Session:
    """Messages of one direction; each call answers with what was found."""

    def __init__(self) -> None:
        self.sequences = Sequences()
        self.count = 0

    def __call__(self, number: object, kind: str = "8", **tags: object) -> str:
        self.count += 1
        fields = {35: kind, 49: "B", 56: "A", 34: number} | {int(name[1:]): value for name, value in tags.items()}
        found = self.sequences.check(
            Message(self.count, 0, self.count, 1, {tag: str(value) for tag, value in fields.items()})
        )
        return "repeated" if found.repeated else ", ".join(kind for kind, _ in found.findings)

    @property
    def missing(self) -> list[tuple[int, int]]:
        return [(gap.first, gap.last) for gap in self.direction.gaps]

    @property
    def direction(self) -> Direction:
        found = self.sequences.direction("B", "A")
        assert found is not None
        return found


def test_numbers_in_order_have_nothing_to_find_wherever_they_begin() -> None:
    session = Session()
    assert [session(number) for number in (5, 6, 7)] == ["", "", ""]


def test_a_gap_is_told_once_and_stays_missing() -> None:
    session = Session()
    assert [session(number) for number in (1, 2, 5, 6)] == ["", "", "gap", ""]
    assert session.missing == [(3, 4)]


def test_a_late_message_closes_its_part_of_the_gap() -> None:
    session = Session()
    assert [session(number) for number in (1, 6, 3)] == ["", "gap", "out of order"]
    assert session.missing == [(2, 2), (4, 5)]
    assert session(4, t43="Y") == "resent"
    assert session.missing == [(2, 2), (5, 5)]


def test_a_number_that_was_read_is_not_read_again() -> None:
    session = Session()
    assert [session(1), session(2)] == ["", ""]
    assert session(2) == "repeated"
    assert session(2, t43="Y") == "repeated"
    assert session(3) == ""


def test_the_first_number_without_a_logon_begins_a_new_session() -> None:
    session = Session()
    assert [session(7), session(8), session(1), session(2)] == ["", "", "new session", ""]
    assert session.direction.sessions == 2


@pytest.mark.parametrize("tags", [{"number": 1}, {"number": 4, "t141": "Y"}])
def test_a_logon_begins_a_new_session(tags: dict[str, object]) -> None:
    session = Session()
    number = tags.pop("number")
    assert [session(7), session(number, "A", **tags), session(int(str(number)) + 1)] == ["", "", ""]
    assert session.direction.sessions == 2


def test_a_gap_that_was_filled_with_nothing_is_none() -> None:
    session = Session()
    assert [session(1), session(6), session(2, "4", t123="Y", t36=6, t43="Y"), session(7)] == ["", "gap", "", ""]
    assert session.missing == []


def test_a_gap_fill_ahead_skips_numbers_without_a_gap() -> None:
    session = Session()
    assert [session(1), session(2, "4", t123="Y", t36=9), session(9)] == ["", "", ""]
    assert session.missing == []


def test_a_reset_without_gap_fill_is_told() -> None:
    session = Session()
    assert [session(5), session(9, "4", t36=3), session(3)] == ["", "sequence reset", ""]


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "9" * 30, "²"])
def test_what_is_no_number_is_left_out(number: str) -> None:
    session = Session()
    assert [session(1), session(number), session(2)] == ["", "", ""]


def test_a_gap_belongs_to_what_came_before_it() -> None:
    session = Session()
    session(1)
    session(4)
    direction = session.direction
    gap = direction.gap_since(1)
    assert gap is not None
    assert (gap.first, gap.last) == (2, 3)
    assert direction.gap_since(2) is None


def test_a_direction_that_is_only_asked_about_does_not_begin() -> None:
    session = Session()
    session(1)
    assert session.sequences.direction("A", "B") is None
    assert list(session.sequences.directions) == [("B", "A")]


def test_directions_beyond_the_bound_are_told_and_not_watched() -> None:
    session = Session()
    answers = [session(1, t49=f"S{number}") for number in range(MAX_DIRECTIONS + 2)]
    assert answers == [*[""] * MAX_DIRECTIONS, *["too many directions"] * 2]
    assert len(session.sequences.directions) == MAX_DIRECTIONS
    assert [session(9, t49="S0"), session(9, t49=f"S{MAX_DIRECTIONS}")] == ["gap", "too many directions"]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_what_is_missing_is_what_never_came(numbers: list[int]) -> None:
    session = Session()
    first = numbers[0]
    seen: set[int] = set()
    for number in numbers:
        answer = session(number, t43="Y")
        assert (answer == "repeated") == (number < first or number in seen)
        if number >= first:
            seen.add(number)
    missing = {number for low, high in session.missing for number in range(low, high + 1)}
    assert missing == set(range(first, max(seen) + 1)) - seen
