"""What waits for a slow subscriber: in order, bounded, and one message per object when it is full."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.streaming.messages import MessageType, StreamMessage
from oms_engine.streaming.pending import Pending

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def message(key: str, version: int, position: int, kind: MessageType = MessageType.UPDATE) -> StreamMessage:
    return StreamMessage(kind, "order-events", position, NOW, key, None, version, version)


def taken(pending: Pending) -> list[tuple[str | None, int | None, int | None, int]]:
    found = []
    while (each := pending.take()) is not None:
        found.append((each.key, each.from_version, each.version, each.position))
    return found


def test_messages_are_kept_one_by_one_while_there_is_room() -> None:
    pending = Pending(3)
    for version in (1, 2, 3):
        assert pending.add(message("a", version, version))
    assert len(pending) == 3
    assert taken(pending) == [("a", 1, 1, 1), ("a", 2, 2, 2), ("a", 3, 3, 3)]
    assert pending.take() is None


def test_a_full_queue_keeps_the_newest_of_an_object_in_the_place_of_what_it_replaces() -> None:
    pending = Pending(2)
    assert pending.add(message("a", 1, 1))
    assert pending.add(message("b", 1, 2))
    assert pending.add(message("a", 2, 3))
    assert pending.add(message("a", 3, 4))
    assert taken(pending) == [("a", 1, 3, 1), ("b", 1, 1, 2)]


def test_a_full_queue_makes_room_for_another_object_by_making_one_message_of_several() -> None:
    pending = Pending(3)
    for version in (1, 2, 3):
        pending.add(message("a", version, version))
    assert pending.add(message("b", 1, 4))
    assert pending.add(message("a", 4, 5))
    assert taken(pending) == [("a", 1, 3, 1), ("b", 1, 1, 4), ("a", 4, 4, 5)]


def test_a_queue_full_of_different_objects_has_no_room_for_another_one() -> None:
    pending = Pending(2)
    pending.add(message("a", 1, 1))
    pending.add(message("b", 1, 2))
    assert not pending.add(message("c", 1, 3))
    assert taken(pending) == [("a", 1, 1, 1), ("b", 1, 1, 2)]


def test_a_leave_that_is_the_newest_stands_and_an_update_after_it_stands_for_both() -> None:
    pending = Pending(1)
    pending.add(message("a", 1, 1))
    pending.add(message("a", 2, 2, MessageType.LEAVE))
    left = pending.take()
    assert left is not None
    assert (left.type, left.from_version, left.version, left.position) == (MessageType.LEAVE, 1, 2, 1)
    pending.add(message("a", 2, 2, MessageType.LEAVE))
    pending.add(message("a", 3, 3))
    back = pending.take()
    assert back is not None
    assert (back.type, back.from_version, back.version) == (MessageType.UPDATE, 2, 3)


@given(steps=st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60), limit=st.integers(1, 5))
def test_whatever_is_added_and_taken_the_newest_comes_through_and_positions_never_fall(
    steps: list[tuple[str, bool]], limit: int
) -> None:
    pending = Pending(limit)
    versions = dict.fromkeys("abcd", 0)
    heard: dict[str | None, int] = {}
    positions = [0]
    added: dict[str, int] = {}

    def take() -> None:
        each = pending.take()
        if each is not None:
            assert each.from_version == heard.get(each.key, 0) + 1
            assert each.version is not None
            heard[each.key] = each.version
            positions.append(each.position)

    for number, (key, takes) in enumerate(steps, 1):
        if pending.add(message(key, versions[key] + 1, number)):
            versions[key] += 1
            added[key] = versions[key]
        assert len(pending) <= limit
        if takes:
            take()
    while pending:
        take()
    assert heard == added
    assert positions == sorted(positions)
