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


def kinds(pending: Pending) -> list[tuple[str, int | None, int | None, int]]:
    found = []
    while (each := pending.take()) is not None:
        found.append((each.type.value, each.from_version, each.version, each.position))
    return found


def test_a_leave_takes_in_the_update_before_it() -> None:
    pending = Pending(1)
    assert pending.add(message("a", 1, 1))
    assert pending.add(message("a", 2, 2, MessageType.LEAVE))
    assert kinds(pending) == [("LEAVE", 1, 2, 1)]


def test_a_leave_is_kept_when_the_object_comes_back() -> None:
    pending = Pending(2)
    assert pending.add(message("a", 1, 1, MessageType.LEAVE))
    assert pending.add(message("a", 2, 2))
    assert pending.add(message("a", 3, 3))
    assert kinds(pending) == [("LEAVE", 1, 1, 1), ("UPDATE", 2, 3, 2)]
    assert pending.add(message("a", 1, 1, MessageType.LEAVE))
    assert pending.add(message("b", 1, 2))
    assert not pending.add(message("a", 2, 3))


def test_an_object_that_left_and_came_back_and_left_has_left_once() -> None:
    pending = Pending(2)
    assert pending.add(message("a", 1, 1, MessageType.LEAVE))
    assert pending.add(message("a", 2, 2))
    assert pending.add(message("a", 3, 3, MessageType.LEAVE))
    assert pending.add(message("b", 1, 4))
    assert kinds(pending) == [("LEAVE", 1, 3, 1), ("UPDATE", 1, 1, 4)]


@given(
    steps=st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=80),
    limit=st.integers(1, 5),
)
def test_whatever_is_added_and_taken_the_newest_comes_through_and_positions_never_fall(
    steps: list[tuple[str, bool, bool]], limit: int
) -> None:
    pending = Pending(limit)
    added = dict.fromkeys("abc", (MessageType.LEAVE, 0))
    heard = dict(added)
    positions = [0]

    def take() -> None:
        each = pending.take()
        if each is not None:
            assert each.key is not None
            assert each.version is not None
            kind, version = heard[each.key]
            assert each.from_version == version + 1
            assert each.type is MessageType.UPDATE or kind is MessageType.UPDATE or each.version > each.from_version
            heard[each.key] = each.type, each.version
            positions.append(each.position)

    for number, (key, stays, takes) in enumerate(steps, 1):
        kind, version = added[key]
        now = MessageType.UPDATE if stays or kind is MessageType.LEAVE else MessageType.LEAVE
        if pending.add(message(key, version + 1, number, now)):
            added[key] = now, version + 1
        assert len(pending) <= limit
        if takes:
            take()
    while pending:
        take()
    assert heard == added
    assert positions == sorted(positions)
