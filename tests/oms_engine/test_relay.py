"""Does every message reach its sink, in order per key, whatever fails on the way?"""

import errno
import io
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import Refused, StoreError
from oms_engine.destinations import JsonLines, Printed, ReaderGone
from oms_engine.errors import StoreBusy
from oms_engine.relay import LEASE, Relay, Round
from oms_engine.storage.event_store import EventStore
from oms_engine.storage.outbox import _DUE, delay_after
from tests.oms_engine.desk import Desk

Message = Mapping[str, Any]
Told = tuple[str, str, int]


@pytest.fixture
def told() -> Iterator[Desk]:
    """A desk whose messages are kept for the sink `default`."""
    desk = Desk(outbox__enabled=True)
    yield desk
    desk.engine.close()


def name_of(message: Message) -> Told:
    return message["topic"], message["key"], message["version"]


def waiting(desk: Desk) -> list[Told]:
    return desk.engine._store.connection.execute(
        "SELECT topic, key, version FROM outbox ORDER BY position, id"
    ).fetchall()


def relay_of(desk: Desk, receive: Callable[[Message], object]) -> Relay:
    """A relay to `default`; time passes only where it waits."""
    return desk.engine.relay({"default": receive}, wait=lambda seconds: later(desk, seconds))


def later(desk: Desk, seconds: float) -> None:
    desk.clock.now += timedelta(seconds=seconds)


class Flaky:
    """A sink that refuses the keys it is told to, and keeps what it took."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)
        self.taken: list[Told] = []

    def __call__(self, message: Message) -> None:
        if message["key"] in self.refused:
            raise ConnectionError(f"no way for {message['key']}")
        self.taken.append(name_of(message))


# --- delivery


def test_what_is_delivered_is_deleted_and_comes_in_order_of_position(told: Desk) -> None:
    for _ in range(2):
        told.given("FILLED")
    expected = waiting(told)
    sink = Flaky()
    with relay_of(told, sink) as relay:
        done = relay.run_once()
    assert sink.taken == expected
    assert done == Round(delivered=len(expected))
    assert waiting(told) == []


def test_a_batch_is_as_large_as_the_setting_says() -> None:
    desk = Desk(outbox__enabled=True, outbox__batch=2)
    desk.given("FILLED")
    rounds: list[Round] = []
    with relay_of(desk, Flaky()) as relay:
        relay.run_once(rounds.append)
    assert [done.delivered for done in rounds] == [2, 2]
    desk.engine.close()


def test_only_later_messages_of_a_failed_key_wait(told: Desk) -> None:
    bad, good = told.given("PART"), told.given("PART")
    sink = Flaky(bad)
    with relay_of(told, sink) as relay:
        done = relay.run_once()
        assert {key for _, key, _ in sink.taken} == {good}
        assert (done.failed, done.parked) == (1, 0)
        assert [row[1] for row in waiting(told)] == [bad] * 4
        sink.refused.clear()
        assert relay.run_once() == Round()
        later(told, 1)
        relay.run_once()
    assert [version for _, key, version in sink.taken if key == bad] == [2, 3, 4, 4]
    assert waiting(told) == []


def test_a_failure_is_kept_and_tried_again_after_its_delay(told: Desk) -> None:
    order_id = told.given("UNACK")
    attempts: list[float] = []
    started = told.clock.now

    def refuse(_message: Message) -> None:
        attempts.append(round((told.clock.now - started).total_seconds()))
        if len(attempts) == 5:
            relay.stop()
        raise ConnectionError("no way")

    with relay_of(told, refuse) as relay:
        assert relay.run() == Round(failed=5)
    assert attempts == [0, 1, 3, 7, 15]
    stored = told.engine._store.connection.execute("SELECT key, attempts, last_error FROM outbox").fetchone()
    assert stored == (order_id, 5, "ConnectionError: no way")
    status = told.engine.sinks.status()[0]
    assert (status.delayed, status.last_error) == (1, "ConnectionError: no way")
    assert status.next_attempt_at == told.clock.now + delay_after(5)
    later(told, 3_600)
    assert told.engine.sinks.status()[0].delayed == 1, "it failed, so it is shown as such until it is delivered"


def test_a_relay_tells_the_failure_of_a_sink_until_the_same_key_is_delivered(told: Desk) -> None:
    bad = told.given("PART")
    told.given("PART")
    sink = Flaky(bad)
    with relay_of(told, sink) as relay:
        relay.run_once()
        assert relay.failing["default"].error == f"ConnectionError: no way for {bad}"
        sink.refused.clear()
        told.given("UNACK")
        relay.run_once()
        assert relay.failing, "other keys say nothing about this one"
        later(told, 1)
        relay.run_once()
        assert not relay.failing


def test_delays_double_up_to_thirty_seconds() -> None:
    assert [delay_after(n).total_seconds() for n in (1, 2, 3, 4, 5, 6, 7, 1000)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_an_error_is_kept_up_to_its_two_thousandth_character(told: Desk) -> None:
    told.given("UNACK")

    def refuse(_message: Message) -> None:
        raise ValueError("x" * 5_000)

    with relay_of(told, refuse) as relay:
        relay.round()
    (error,) = told.engine._store.connection.execute("SELECT last_error FROM outbox").fetchone()
    assert len(error) == 2_000


# --- parking


@pytest.fixture
def stuck() -> Iterator[Desk]:
    """One order whose first message was parked after three attempts, and one that was delivered."""
    desk = Desk(outbox__enabled=True, outbox__maxAttempts=3)
    bad = desk.given("PART")
    desk.given("PART")
    total = Round()
    with relay_of(desk, Flaky(bad)) as relay:
        while not total.parked:
            total = total.plus(relay.round())
            later(desk, 40)
    assert (total.failed, total.parked) == (3, 1)
    yield desk
    desk.engine.close()


def test_after_its_last_attempt_a_message_is_parked_and_still_blocks_its_key(stuck: Desk) -> None:
    (parked,) = stuck.engine.outbox.parked()
    assert (parked.key, parked.version, parked.attempts) == ("o1", 2, 3)
    assert parked.last_error == "ConnectionError: no way for o1"
    stuck.given("UNACK")
    sink = Flaky()
    later(stuck, 10_000)
    with relay_of(stuck, sink) as relay:
        relay.run_once()
    assert {key for _, key, _ in sink.taken} == {"o3"}
    status = stuck.engine.sinks.status()[0]
    assert (status.parked, status.waiting, status.delayed) == (1, 3, 0)
    assert (status.last_error, status.next_attempt_at) == ("ConnectionError: no way for o1", None)


@pytest.mark.parametrize("how", [{}, {"sink": "default"}, {"key": "o1"}, {"ids": "all"}])
def test_a_parked_message_that_is_retried_goes_first(how: dict[str, Any], stuck: Desk) -> None:
    named = {**how, "ids": [found.id for found in stuck.engine.outbox.parked()]} if "ids" in how else how
    assert stuck.engine.outbox.retry(**named) == 1
    sink = Flaky()
    with relay_of(stuck, sink) as relay:
        relay.run_once()
    assert [version for _, _, version in sink.taken] == [2, 3, 4, 4]
    assert stuck.engine.outbox.count() == 0


def test_a_dropped_message_lets_its_key_go_on_and_its_reason_is_kept(stuck: Desk) -> None:
    (parked,) = stuck.engine.outbox.parked(sink="default", key="o1")
    assert stuck.engine.outbox.drop([parked.id], reason="sent by hand", actor="ann") == 1
    sink = Flaky()
    with relay_of(stuck, sink) as relay:
        relay.run_once()
    assert [version for _, _, version in sink.taken] == [3, 4, 4]
    (dropped,) = stuck.engine.outbox.dropped()
    assert (dropped.key, dropped.version, dropped.reason, dropped.actor) == ("o1", 2, "sent by hand", "ann")
    assert stuck.engine.sinks.status()[0].dropped == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda outbox: outbox.retry([999]), "message 999 is not parked"),
        (lambda outbox: outbox.drop([999], reason="r"), "message 999 is not parked"),
        (lambda outbox: outbox.drop(reason=" "), "must say why"),
        (lambda outbox: outbox.drop(reason="x" * 501), "must say why"),
        (lambda outbox: outbox.drop(reason="\ud800"), "must say why"),
    ],
)
def test_what_cannot_be_retried_or_dropped_is_refused(call: Callable[[Any], object], words: str, stuck: Desk) -> None:
    before = waiting(stuck)
    with pytest.raises(Refused, match=words):
        call(stuck.engine.outbox)
    assert waiting(stuck) == before
    assert len(stuck.engine.outbox.parked()) == 1


def test_only_parked_messages_are_dropped(stuck: Desk) -> None:
    assert stuck.engine.outbox.drop(reason="all of them") == 1
    assert stuck.engine.outbox.count() == 3


def test_what_is_due_is_found_without_reading_what_waits(told: Desk) -> None:
    asked = {"sink": "default", "filled": 1, "now": "", "owner": "", "limit": 1}
    plan = told.engine._store.connection.execute(f"EXPLAIN QUERY PLAN {_DUE}", asked).fetchall()
    steps = [step for *_, step in plan if "outbox" in step]
    assert [step.split("INDEX ")[-1].split(" (")[0] for step in steps] == [
        "outbox_in_order",
        "outbox_parked",
        "outbox_delayed",
        "SEARCH outbox_claims USING PRIMARY KEY",
    ]


# --- several relays


def test_a_relay_leaves_the_keys_alone_that_another_one_is_delivering(told: Desk) -> None:
    first = told.given("LIVE")
    by_other = Flaky()
    taken: list[Told] = []

    def meanwhile(message: Message) -> None:
        if not taken:
            told.fill(first, "1")
            told.given("UNACK")
            other.run_once()
        taken.append(name_of(message))

    with relay_of(told, by_other) as other, relay_of(told, meanwhile) as relay:
        relay.round()
        assert {key for _, key, _ in by_other.taken} == {"o2"}
        other.run_once()
    assert [version for _, _, version in taken] == [2, 3]
    assert [version for _, key, version in by_other.taken if key == first] == [4, 4]


def test_a_relay_that_died_leaves_its_messages_to_the_next_one_when_its_lease_ends(told: Desk) -> None:
    told.given("LIVE")
    outbox, sink = told.engine.outbox, told.engine.sinks.get("default")
    delivered = outbox.claim(sink, "dead", 100, LEASE)
    assert len(delivered) == 2
    receiver = Flaky()
    with relay_of(told, receiver) as relay:
        assert relay.run_once() == Round()
        later(told, LEASE.total_seconds())
        relay.run_once()
    assert [version for _, _, version in receiver.taken] == [2, 3]
    told.fill("o1", "1")
    assert outbox.settle(sink, "dead", delivered, max_attempts=10) == 0
    assert len(waiting(told)) == 2


def test_a_relay_whose_lease_ended_stops_in_its_batch(told: Desk) -> None:
    told.given("LIVE")
    taken: list[Told] = []

    def slow(message: Message) -> None:
        taken.append(name_of(message))
        later(told, LEASE.total_seconds() + 1)

    with relay_of(told, slow) as relay:
        assert relay.round() == Round(delivered=1)
        assert relay.round() == Round(delivered=1)
    assert [version for _, _, version in taken] == [2, 3]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("work"), st.integers(0, 2)),
        st.tuples(st.just("round"), st.integers(0, 1)),
        st.tuples(st.just("crash"), st.integers(1, 4)),
        st.tuples(st.just("time"), st.integers(1, 40)),
        st.tuples(st.just("refuse"), st.integers(0, 7)),
        st.tuples(st.just("retry"), st.just(0)),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_whatever_fails_every_message_comes_and_first_in_order_of_its_key(steps: list[tuple[str, int]]) -> None:
    desk = Desk(outbox__enabled=True, outbox__batch=3, outbox__maxAttempts=2)
    names = [desk.given("LIVE") for _ in range(3)]
    sink = Flaky()
    relays = [relay_of(desk, sink) for _ in range(2)]
    for number, (step, value) in enumerate(steps):
        if step == "work":
            desk.fill(names[value], "1")
        elif step == "round":
            relays[value].round()
        elif step == "crash":
            claimed = desk.engine.outbox.claim(desk.engine.sinks.get("default"), f"dead-{number}", value, LEASE)
            sink.taken += [(found.topic, found.key, found.version) for found in claimed]
        elif step == "time":
            later(desk, value)
        elif step == "refuse":
            sink.refused = {name for bit, name in enumerate(names) if value >> bit & 1}
        else:
            desk.engine.outbox.retry()
    sink.refused.clear()
    desk.engine.outbox.retry()
    while desk.engine.outbox.count():
        relays[0].run_once()
        later(desk, 5)
    written = [name_of(message) for message in _all_messages(desk)]
    first_seen = list(dict.fromkeys(sink.taken))
    assert sorted(first_seen) == sorted(written)
    for name in names:
        assert [found for found in first_seen if found[1] == name] == [found for found in written if found[1] == name]
    desk.engine.close()


def _all_messages(desk: Desk) -> list[Message]:
    received: list[Message] = []
    desk.engine.sinks.register("again", from_position=0)
    with desk.engine.relay({"again": received.append}, only=["again"]) as relay:
        relay.run_once()
    return received


# --- the loop


def test_a_relay_runs_until_it_is_stopped_and_waits_where_nothing_is_due(told: Desk) -> None:
    told.given("UNACK")
    sink = Flaky()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            told.given("UNACK")
        else:
            relay.stop()

    rounds: list[Round] = []
    with told.engine.relay({"default": sink}, wait=wait) as relay:
        assert relay.run(rounds.append) == Round(delivered=2)
    assert waits == [0.2, 0.2]
    assert rounds == [Round(delivered=1), Round(delivered=1)]


def test_a_relay_that_is_stopped_in_a_batch_keeps_what_it_did_and_gives_back_the_rest(told: Desk) -> None:
    told.given("FILLED")

    def receive(_message: Message) -> None:
        relay.stop()

    with relay_of(told, receive) as relay:
        assert relay.run() == Round(delivered=1)
    sink = Flaky()
    with relay_of(told, sink) as relay:
        assert relay.run_once().delivered == 3


def test_a_commit_of_the_engine_wakes_the_relay() -> None:
    received = threading.Event()
    desk = Desk(outbox__enabled=True, outbox__pollMs=60_000)
    with desk.engine.relay({"default": lambda _message: received.set()}) as relay:
        thread = threading.Thread(target=relay.run)
        thread.start()
        desk.given("UNACK")
        assert received.wait(20)
        relay.stop()
        thread.join(20)
        assert not thread.is_alive()
    assert desk.engine._executor.listeners == []
    desk.engine.close()


def test_a_busy_store_is_waited_for(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"), outbox__enabled=True)
    desk.given("UNACK")
    desk.engine._store.busy_seconds = 0.001
    other = EventStore.open(str(tmp_path / "oms.db"))
    waits: list[float] = []
    sink = Flaky()
    other.connection.execute("BEGIN IMMEDIATE")

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            other.connection.execute("ROLLBACK")
        else:
            relay.stop()

    with desk.engine.relay({"default": sink}, wait=wait) as relay:
        with pytest.raises(StoreBusy):
            relay.run_once()
        assert relay.run() == Round(delivered=1)
    assert len(waits) == 2
    other.close()
    desk.engine.close()


def test_a_sink_without_its_function_waits_and_the_others_go_on(told: Desk) -> None:
    told.engine.sinks.register("mine")
    told.given("UNACK")
    sink = Flaky()
    with told.engine.relay({"default": sink}) as relay:
        assert relay.without_receiver() == ["mine"]
        assert relay.run_once() == Round(delivered=1)
    assert told.engine.outbox.count() == 1


def test_a_sink_that_is_removed_or_moved_while_a_relay_runs_is_followed(told: Desk, tmp_path: Path) -> None:
    told.engine.sinks.remove("default")
    for name in ("one.jsonl", "two.jsonl"):
        told.engine.sinks.register("file", "file", str(tmp_path / name))
        if name == "one.jsonl":
            relay = told.engine.relay()
        told.given("UNACK")
        assert relay.run_once() == Round(delivered=1)
        told.engine.sinks.remove("file")
        assert relay.run_once() == Round()
    relay.close()
    relay.close()
    keys = [json.loads((tmp_path / name).read_text())["key"] for name in ("one.jsonl", "two.jsonl")]
    assert keys == ["o1", "o2"]


# --- where messages go


def test_a_file_gets_one_line_for_each_message(told: Desk, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    told.engine.sinks.register("file", "file", str(path))
    told.given("PART", text="one\u2028line\nonly")
    expected = waiting(told)[::2]
    with told.engine.relay(only=["file"]) as relay:
        relay.run_once()
    lines = path.read_text(encoding="ascii").split("\n")
    assert lines.pop() == ""
    assert sorted(name_of(json.loads(line)) for line in lines) == sorted(expected)


def test_half_a_line_is_ended_before_the_next_message(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"a": 1}\n{"b"')
    lines = JsonLines(str(path))
    lines.flush()
    lines.send('{"c": 3}')
    lines.flush()
    lines.close()
    assert path.read_text() == '{"a": 1}\n{"b"\n{"c": 3}\n'


def test_a_disk_that_is_full_fails_the_message_and_not_the_relay(
    told: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.jsonl"
    told.engine.sinks.register("file", "file", str(path))
    told.given("UNACK")
    write = os.write
    answers = iter([OSError(errno.ENOSPC, "No space left on device"), 7])

    def full(file: int, data: bytes) -> int:
        answer = next(answers, None)
        if isinstance(answer, OSError):
            raise answer
        return write(file, data[:answer])

    monkeypatch.setattr(os, "write", full)
    with told.engine.relay(only=["file"], wait=lambda seconds: later(told, seconds)) as relay:
        for words in ("No space left", "only 7 of"):
            assert relay.run_once() == Round(failed=1)
            (error,) = told.engine._store.connection.execute(
                "SELECT last_error FROM outbox WHERE sink = 'file'"
            ).fetchone()
            assert words in error
            later(told, 30)
        assert relay.run_once() == Round(delivered=1)
    _torn, line, end = path.read_text().split("\n")
    assert (json.loads(line)["key"], end) == ("o1", "")


def test_what_cannot_be_made_to_last_was_not_delivered(
    told: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.engine.sinks.remove("default")
    told.engine.sinks.register("file", "file", str(tmp_path / "out.jsonl"))
    told.given("LIVE")
    told.given("LIVE")
    (tmp_path / "out.jsonl").touch()

    def broken(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, told.engine.relay() as relay:
        patch.setattr(os, "fsync", broken)
        assert relay.round() == Round(failed=2)
    found = told.engine._store.connection.execute("SELECT version, attempts FROM outbox ORDER BY position").fetchall()
    assert found == [(2, 1), (3, 0), (2, 1), (3, 0)]
    later(told, 1)
    with told.engine.relay() as relay:
        assert relay.run_once().delivered == 4


def test_standard_output_gets_lines_until_nobody_reads_them(told: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    told.given("LIVE")
    with told.engine.relay() as relay:
        relay.run_once()
    assert [json.loads(line)["version"] for line in capsys.readouterr().out.splitlines()] == [2, 3]


def test_a_reader_that_is_gone_costs_no_attempt(told: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    told.given("FILLED")

    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            if self.tell():
                raise BrokenPipeError(errno.EPIPE, "Broken pipe")
            return super().write(text)

    monkeypatch.setattr("sys.stdout", Pipe())
    with told.engine.relay() as relay, pytest.raises(ReaderGone):
        relay.run()
    left = told.engine._store.connection.execute("SELECT version, attempts FROM outbox ORDER BY position").fetchall()
    assert left == [(3, 0), (4, 0), (5, 0)]
    Printed(io.StringIO()).close()


def test_an_error_with_half_a_character_is_kept_as_any_other(told: Desk) -> None:
    told.given("LIVE")

    def refuse(_: Message) -> None:
        raise OSError("cannot write \udcff.txt")

    with relay_of(told, refuse) as relay:
        assert relay.round().failed == 1
    errors = told.engine._store.connection.execute("SELECT attempts, last_error FROM outbox ORDER BY id").fetchall()
    assert errors[0] == (1, "OSError: cannot write \\udcff.txt")


def test_a_sink_whose_earlier_messages_cannot_be_made_does_not_hold_up_another(told: Desk) -> None:
    told.given("LIVE")
    connection = told.engine._store.connection
    (trigger,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'events_are_not_changed'").fetchone()
    connection.execute("DROP TRIGGER events_are_not_changed")
    connection.execute("UPDATE events SET schema_version = 2 WHERE position = 2")
    connection.execute(trigger)
    with pytest.raises(StoreError, match="upgrade oms-mcp"):
        told.engine.sinks.register("late", from_position=0)
    taken: list[Message] = []
    with told.engine.relay({"default": taken.append, "late": taken.append}) as relay:
        assert relay.run_once().delivered == 2
        assert list(relay.stuck) == ["late"]
        assert "upgrade oms-mcp" in relay.stuck["late"]
    assert {message["topic"] for message in taken} == {"order-events"}


def test_nobody_is_told_of_a_sink_before_it_is_registered(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"))
    store = desk.engine._store
    seen: list[str] = []
    with store.writing():
        store.connection.execute(
            "INSERT INTO sinks VALUES ('ghost', 'stdout', NULL, '{}', '2026-01-01T00:00:00.000000Z', 0, 0)"
        )
        other = threading.Thread(target=lambda: seen.extend(sink.name for sink in desk.engine.sinks.all()))
        other.start()
        other.join()
    assert seen == []
    desk.engine.close()
