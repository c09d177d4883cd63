"""What does a subscriber hear? What matches now, then each change once and in order, and a word when it leaves."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant

from oms_engine import Disconnected, Engine, Refused, StoreError, StreamMessage, Subscription
from oms_engine.framework.specification import Specification
from oms_engine.record import Record
from oms_engine.storage.feed import Feed
from tests.oms_engine.desk import START, Clock, Desk, Ids
from tests.oms_engine.test_tree_properties import TradingDay
from tests.oms_engine.viewing import DEADLINE, FakeWaits, View, drained, rows

ROOT = Path(__file__).parent.parent.parent

Short = tuple[str, str | None, int | None]


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "orders.db")


def heard(subscription: Subscription, number: int) -> list[StreamMessage]:
    """The next so many messages."""
    found = []
    for _ in range(number):
        message = subscription.take(timeout=DEADLINE)
        assert message is not None, f"only {found} came"
        found.append(message)
    return found


def short(messages: list[StreamMessage]) -> list[Short]:
    return [(message.type.value, message.key, message.version) for message in messages]


def live(desk: Desk, topic: str = "order-events", **options: object) -> Subscription:
    """A subscription that has caught up and is handed what happens."""
    subscription = desk.engine.follow(topic, **options)  # type: ignore[arg-type] # as the test says
    drained(subscription, desk.engine)
    while subscription.take(timeout=0) is not None:
        pass
    return subscription


# --- snapshot, then live


def test_what_matches_comes_first_and_then_each_change(desk: Desk) -> None:
    first = desk.given("LIVE")
    desk.given("FILLED")
    with desk.engine.follow(where=["state=LIVE"]) as subscription:
        assert short(heard(subscription, 2)) == [("SNAPSHOT", first, 3), ("SNAPSHOT_END", None, None)]
        second = desk.given("LIVE")
        desk.fill(second, "300")
        assert short(heard(subscription, 2)) == [("UPDATE", second, 3), ("UPDATE", second, 4)]


def test_a_snapshot_has_the_objects_with_their_versions_and_says_what_it_is_true_of(desk: Desk) -> None:
    order_id = desk.given("PART")
    with desk.engine.follow() as subscription:
        told, end = (message.to_wire() for message in heard(subscription, 2))
    assert told == {
        "type": "SNAPSHOT",
        "topic": "order-events",
        "key": order_id,
        "fromVersion": 1,
        "version": 4,
        "position": 4,
        "state": desk.order(order_id).to_wire(),
        "time": told["time"],
    }
    assert end == {"type": "SNAPSHOT_END", "topic": "order-events", "position": 4, "time": told["time"]}


def test_the_events_of_one_command_on_one_order_are_one_message(desk: Desk) -> None:
    order_id = desk.given("LIVE+PCXL")
    with live(desk) as subscription:
        desk.fill(order_id, "1000")
        (message,) = heard(subscription, 1)
    wire = message.to_wire()
    assert [event["type"] for event in wire["events"]] == ["ExecutionCreated", "OrderFilled", "OrderCancelRejected"]
    assert (wire["fromVersion"], wire["version"], wire["position"]) == (5, 7, 7)
    assert wire["state"] == desk.order(order_id).to_wire()
    assert wire["time"] == wire["events"][-1]["recordedAt"]


def test_a_command_in_a_tree_is_one_message_for_each_order_it_touches(desk: Desk) -> None:
    parent = desk.given("NEW")
    child = desk.given("LIVE", parentOrderId=parent, orderQty="1000")
    with live(desk) as subscription:
        desk.fill(child, "1000")
        messages = heard(subscription, 2)
    assert [(message.key, message.state.state) for message in messages] == [(child, "FILLED"), (parent, "FILLED")]  # type: ignore[union-attr] # orders


def test_the_state_of_a_message_is_that_of_its_own_version_however_much_happened_since(desk: Desk) -> None:
    subscription = desk.engine.follow()
    order_id = desk.given("CLOSED")
    messages = drained(subscription, desk.engine)[1:]
    assert [(message.version, message.state.state) for message in messages] == [  # type: ignore[union-attr] # orders
        (2, "UNACK"), (3, "LIVE"), (5, "FILLED"), (6, "CLOSED"),
    ]  # fmt: skip
    for message in messages:
        known = desk.engine.state_at(order_id, message.version)
        assert known is not None
        assert message.state == known.order


def test_an_object_that_stops_matching_leaves_once_and_may_come_back(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    with live(desk, where=["state=LIVE"]) as subscription:
        desk.fill(order_id, "1000")
        desk.ok("ExecutionBustCmd", orderId=order_id, execId="e1")
        desk.fill(order_id, "1000", exec_id="e2")
        desk.ok("OrderCloseCmd", orderId=order_id)
        other = desk.given("LIVE")
        messages = heard(subscription, 4)
    assert short(messages) == [
        ("LEAVE", order_id, 5), ("UPDATE", order_id, 7), ("LEAVE", order_id, 9), ("UPDATE", other, 3),
    ]  # fmt: skip
    assert messages[0].to_wire().keys() == {"type", "topic", "key", "fromVersion", "version", "position", "time"}
    assert messages[1].state is not None


def test_without_a_snapshot_only_what_was_told_can_leave(desk: Desk) -> None:
    known, unknown = desk.given("LIVE"), desk.given("LIVE")
    with live(desk, where=["state=LIVE"], include_snapshot=False) as subscription:
        desk.fill(known, "300")
        desk.fill(unknown, "1000")
        desk.fill(known, "700")
        other = desk.given("LIVE")
        assert short(heard(subscription, 3)) == [("UPDATE", known, 4), ("LEAVE", known, 6), ("UPDATE", other, 3)]


# --- the other topics


def test_execution_events_are_told_by_order_and_execution_and_filtered_by_the_execution(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.fill(order_id, "100", "99")
    desk.fill(order_id, "200", "101")
    where = ["status=ACTIVE", "lastPx__gt=100"]
    with desk.engine.follow("execution-events", where=where) as subscription:
        first, _ = heard(subscription, 2)
        desk.fill(order_id, "300", "102")
        desk.fill(order_id, "100", "98")
        desk.ok("ExecutionBustCmd", orderId=order_id, execId="e2")
        desk.ok("ExecutionCorrectCmd", orderId=order_id, execRefId="e1", lastPx="103", lastQty="100")
        messages = heard(subscription, 2)
    assert (first.key, first.exec_id, first.version) == (order_id, "e2", 5)
    assert [(m.type.value, m.exec_id, m.version) for m in messages] == [("UPDATE", "e3", 6), ("LEAVE", "e2", 8)]
    assert messages[0].to_wire()["execId"] == "e3"
    assert messages[0].state == desk.engine.executions(order_id)[2]


def test_quote_events_tell_the_request_with_its_quotes(desk: Desk) -> None:
    request = desk.ok("QuoteRequestCreateCmd", quoteRequest={"symbol": "IBM", "quantity": "100"}).id
    with desk.engine.follow("quote-events", where=["symbol=IBM"]) as subscription:
        first, _ = heard(subscription, 2)
        quote = {"quoteReqId": request, "quoteId": "q1", "price": "10", "quotedBy": "ann"}
        desk.ok("QuoteCreateCmd", quote=quote)
        desk.ok("QuoteAcceptCmd", quoteId="q1")
        desk.ok("QuoteRequestCreateCmd", quoteRequest={"symbol": "MSFT", "quantity": "100"})
        messages = heard(subscription, 2)
    assert first.to_wire()["state"]["quotes"] == []
    assert short([first, *messages]) == [("SNAPSHOT", request, 1), ("UPDATE", request, 2), ("UPDATE", request, 3)]
    assert [q["state"] for q in messages[1].to_wire()["state"]["quotes"]] == ["ACCEPTED"]
    assert short(heard(desk.engine.follow("quote-events", where=["symbol=IBM"]), 1)) == [("SNAPSHOT", request, 3)]


def test_settings_are_no_message_and_disturb_none(desk: Desk) -> None:
    with live(desk) as subscription:
        desk.ok("SettingsChangeCmd", changes={"routing": "manual"})
        order_id = desk.given("NEW")
        assert short(heard(subscription, 1)) == [("UPDATE", order_id, 1)]


# --- exactly once


class Racing(Feed):
    """A store in which something is committed just before or just after a snapshot is read."""

    before: Desk
    moment = ""
    done: str | None = None

    def found(self, query):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - as Feed's
        if self.moment == "before":
            self.happen()
        found = super().found(query)
        if self.moment == "after":
            self.happen()
        return found

    def happen(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("joined", [False, True], ids=["alone", "beside another subscriber"])
def test_what_is_committed_while_a_snapshot_is_read_is_told_once(moment: str, joined: bool, file: str) -> None:
    desk = Desk(file)
    first = desk.given("LIVE")
    beside = [live(desk)] if joined else []

    class Race(Racing):
        def happen(self) -> None:
            desk.fill(first, "300")
            desk.given("LIVE", orderId="second")
            for other in beside:
                drained(other, desk.engine)

    Race.moment = moment
    desk.engine._tailer._open_feed = lambda: Race(desk.engine._store)
    view = View()
    with desk.engine.follow() as subscription:
        for message in drained(subscription, desk.engine):
            view.apply(message)
        assert view.versions == {(first, None): 4, ("second", None): 3}
        assert view.shown == rows(desk.engine, "order", [])
        desk.fill("second", "1000")
        for message in drained(subscription, desk.engine):
            view.apply(message)
        assert view.shown == rows(desk.engine, "order", [])
    desk.engine.close()


def test_every_change_comes_once_and_in_order_while_several_threads_write(file: str) -> None:
    with Engine.open(file) as engine:
        ids = [f"o{number}" for number in range(4)]

        def trade(order_id: str) -> None:
            order = {"orderId": order_id, "clOrdId": order_id, "account": "A", "symbol": "IBM", "side": "BUY"}
            engine.execute({"type": "OrderCreateCmd", "order": order | {"ordType": "MARKET", "orderQty": "100"}})
            engine.execute({"type": "OrderAcceptCmd", "orderId": order_id})
            for number in range(10):
                fill = {"orderId": order_id, "execId": f"e{number}", "lastQty": "10", "lastPx": "5"}
                assert engine.execute({"type": "ExecutionCreateCmd", "execution": fill}).ok

        writers = [threading.Thread(target=trade, args=[order_id]) for order_id in ids]
        with engine.follow() as early:
            for writer in writers:
                writer.start()
            with engine.follow() as late:
                for writer in writers:
                    writer.join()
                for subscription in (early, late):
                    view = View()
                    told: list[int] = []
                    for message in drained(subscription, engine):
                        view.apply(message)
                        told += [event.position for event in message.events]
                    assert view.shown == rows(engine, "order", [])
                    assert told == sorted(told)
                    if subscription is early:
                        assert told == list(range(1, engine.counts()["events"] + 1))


TRADER = """
import sys
from oms_engine import Engine
name, url = sys.argv[1:]
with Engine.open(url) as engine:
    for number in range(10):
        order_id = f"{name}{number}"
        order = {"orderId": order_id, "clOrdId": order_id, "account": "A", "symbol": "IBM", "side": "BUY"}
        engine.execute({"type": "OrderCreateCmd", "order": order | {"ordType": "MARKET", "orderQty": "10"}})
        engine.execute({"type": "OrderAcceptCmd", "orderId": order_id})
        fill = {"orderId": order_id, "execId": "e1", "lastQty": "10", "lastPx": "5"}
        assert engine.execute({"type": "ExecutionCreateCmd", "execution": fill}).ok
"""


@pytest.mark.slow
def test_every_change_comes_once_and_in_order_while_several_processes_write(file: str) -> None:
    with Engine.open(file) as engine, Engine.open(file) as other:
        subscriptions = [engine.follow(where=["state__in=UNACK,LIVE"]), other.follow(), other.follow(resume_from=0)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        writers = [subprocess.Popen([sys.executable, "-c", TRADER, name, file], env=environment) for name in "abc"]
        views = [View() for _ in subscriptions]
        told: list[list[int]] = [[] for _ in subscriptions]
        while (engine.counts()["events"]) < 150:
            assert not any(writer.poll() for writer in writers)
            for number, subscription in enumerate(subscriptions):
                for message in drained(subscription, engine):
                    views[number].apply(message)
                    told[number] += [event.position for event in message.events]
        assert [writer.wait(DEADLINE) for writer in writers] == [0, 0, 0]
        for number, subscription in enumerate(subscriptions):
            for message in drained(subscription, engine):
                views[number].apply(message)
                told[number] += [event.position for event in message.events]
        assert [view.shown for view in views] == [{}, *[rows(engine, "order", [])] * 2]
        assert told[1:] == [list(range(1, 151))] * 2


def test_a_file_with_a_strange_name_is_read_beside_its_writer(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "a b#?%41.db"))
    with live(desk) as subscription:
        order_id = desk.given("NEW")
        assert short(heard(subscription, 1)) == [("UPDATE", order_id, 1)]
    desk.engine.close()
    assert [path.name for path in tmp_path.glob("*.db")] == ["a b#?%41.db"]


def test_what_another_engine_writes_in_the_same_file_is_heard(file: str) -> None:
    desk, other = Desk(file), Desk(file)
    with live(desk) as subscription:
        order_id = other.given("LIVE")
        assert short(heard(subscription, 2)) == [("UPDATE", order_id, 2), ("UPDATE", order_id, 3)]
    desk.engine.close()
    other.engine.close()


def test_a_reader_beside_a_writer_holds_nobody_up(file: str) -> None:
    desk, other = Desk(file), Desk(file)
    order_id = desk.given("LIVE")
    with live(desk) as subscription, other.engine._store.writing():
        assert subscription.take(timeout=0) is None
        with desk.engine.follow() as second:
            assert short(heard(second, 1)) == [("SNAPSHOT", order_id, 3)]
    desk.engine.close()
    other.engine.close()


def test_a_command_with_more_events_than_are_read_at_once_is_told_as_a_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms_engine.streaming.reading.CHUNK", 2)
    order_id = desk.given("LIVE+PCXL")
    desk.fill(order_id, "1000")
    other = desk.given("LIVE")
    messages = drained(desk.engine.follow(resume_from=0), desk.engine)
    assert [len(message.events) for message in messages] == [2, 1, 1, 3, 2, 1]
    assert messages[-1].key == other


def test_streams_that_are_not_remembered_are_folded_anew() -> None:
    desk = Desk(store__cachedStreams=1)
    one, two = desk.given("LIVE"), desk.given("LIVE")
    with live(desk) as subscription:
        for quantity in ("100", "200"):
            desk.fill(one, quantity)
            desk.fill(two, quantity)
        quantities = [message.state.cum_qty for message in heard(subscription, 4)]  # type: ignore[union-attr] # orders
    assert quantities == [100, 100, 300, 300]
    desk.engine.close()


class WatchedDay(TradingDay):
    """Random commands, and subscribers with random filters who must always know exactly what a query answers."""

    @initialize(
        orders=st.lists(
            st.sampled_from(
                ["state=LIVE", "state__in=NEW,UNACK", "cumQty__gt=0", "parentOrderId=null", "leavesQty__between=1,5"]
            ),
            max_size=2,
        ),
        executions=st.lists(st.sampled_from(["status=ACTIVE", "lastQty__gte=2", "lastPx__lt=10"]), max_size=2),
        snapshot=st.booleans(),
    )
    def watch(self, orders: list[str], executions: list[str], snapshot: bool) -> None:
        self.filters = {"order": orders, "execution": executions}
        self.listening = snapshot

    def follow(self) -> None:
        engine = self.desk.engine
        topics = {"order": "order-events", "execution": "execution-events"}
        self.watched = engine
        self.views = {entity: View() for entity in topics}
        self.subscriptions = {
            entity: engine.follow(topics[entity], where=where, resume_from=None if self.listening else 0)
            for entity, where in self.filters.items()
        }

    @invariant()
    def a_subscriber_knows_what_a_query_answers(self) -> None:
        if getattr(self, "watched", None) is not self.desk.engine:
            self.follow()
        for entity, where in self.filters.items():
            view = self.views[entity]
            for message in drained(self.subscriptions[entity], self.desk.engine):
                view.apply(message)
            assert view.shown == rows(self.desk.engine, entity, where)


class ShortWatch(WatchedDay):
    """A few commands."""


TestShortWatch = ShortWatch.TestCase
TestShortWatch.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)


class LongWatch(WatchedDay):
    """Many commands."""


TestLongWatch = pytest.mark.slow(LongWatch.TestCase)
TestLongWatch.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# --- slow subscribers


def test_a_slow_subscriber_is_told_the_newest_of_each_object() -> None:
    desk = Desk(stream__queue=2)
    one, two = desk.given("LIVE"), desk.given("LIVE")
    with live(desk) as slow, live(desk) as quick:
        for _ in range(3):
            desk.fill(one, "100")
            desk.fill(two, "100")
            heard(quick, 2)
        messages = heard(slow, 2)
    assert [(m.key, m.from_version, m.version, m.events) for m in messages] == [(one, 4, 6, ()), (two, 4, 6, ())]
    assert [m.state.cum_qty for m in messages] == [300, 300]  # type: ignore[union-attr] # orders
    assert [m.position for m in messages] == [7, 8]
    desk.engine.close()


def test_a_subscriber_who_is_too_slow_is_disconnected_and_resumes_without_loss_or_repeat() -> None:
    desk = Desk(stream__queue=2)
    view = View()
    with live(desk) as slow, live(desk) as quick:
        for _ in range(4):
            desk.given("UNACK")
            heard(quick, 1)
        for message in heard(slow, 2):
            view.apply(message)
        with pytest.raises(Disconnected, match=r"stream\.queue is full; subscribe again with resume_from 4") as ended:
            slow.take(timeout=DEADLINE)
        desk.given("UNACK")
        assert len(heard(quick, 1)) == 1
    assert ended.value.resume_from == 4
    with desk.engine.follow(resume_from=ended.value.resume_from) as again:
        for message in drained(again, desk.engine):
            view.apply(message)
    assert view.shown == rows(desk.engine, "order", [])
    desk.engine.close()


class Lazy:
    """A subscriber that reads now and then, resumes when it is disconnected, and keeps what it is told."""

    def __init__(self, desk: Desk, where: list[str]) -> None:
        self.engine, self.where = desk.engine, where
        self.subscription = live(desk, where=where)
        self.known: dict[str | None, object] = {}

    def read(self) -> None:
        try:
            message = self.subscription.take(timeout=0)
        except Disconnected as ended:
            self.subscription.close()
            self.subscription = self.engine.follow(where=self.where, resume_from=ended.resume_from)
            return
        if message is not None and message.type == "LEAVE":
            self.known.pop(message.key, None)
        elif message is not None and message.state is not None:
            self.known[message.key] = message.state


def bust_the_first(desk: Desk, order_id: str) -> None:
    counts = [each for each in desk.engine.executions(order_id) if each.is_active]
    if counts:
        desk.ok("ExecutionBustCmd", orderId=order_id, execId=counts[0].exec_id)


@given(steps=st.lists(st.sampled_from(["fill 0", "fill 1", "fill 2", "bust 0", "bust 1", "new", "read"]), max_size=40))
def test_whatever_a_slow_subscriber_is_spared_it_knows_in_the_end_what_a_query_answers(steps: list[str]) -> None:
    desk = Desk(stream__queue=2)
    where = ["cumQty__between=100,200"]
    ids = [desk.given("LIVE") for _ in range(3)]
    slow, quick = Lazy(desk, where), live(desk)
    for step in steps:
        match step.split():
            case ["fill", which]:
                desk.fill(ids[int(which)], "50")
            case ["bust", which]:
                bust_the_first(desk, ids[int(which)])
            case ["new"]:
                desk.fill(desk.given("LIVE"), "100")
            case _:
                slow.read()
        drained(quick, desk.engine)
    while (slow.subscription.position or 0) < desk.engine.counts()["events"]:
        slow.read()
    found = desk.engine.query(where=where, size=500).content
    assert slow.known == {order.order_id: order for order in found}  # type: ignore[attr-defined] # orders
    desk.engine.close()


def test_resuming_at_the_position_of_any_message_goes_on_right_behind_it(desk: Desk) -> None:
    parent = desk.given("NEW")
    child = desk.given("LIVE", parentOrderId=parent)
    desk.fill(child, "1000")
    desk.ok("ExecutionBustCmd", orderId=child, execId="e1")
    where = ["state=LIVE"]
    whole = drained(desk.engine.follow(where=where, resume_from=0), desk.engine)
    assert {message.type.value for message in whole} == {"UPDATE", "LEAVE"}
    for number, message in enumerate(whole, 1):
        rest = desk.engine.follow(where=where, resume_from=message.position)
        assert [m.to_wire() for m in drained(rest, desk.engine)] == [m.to_wire() for m in whole[number:]]


def test_resuming_between_the_events_of_one_message_tells_the_whole_message(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.fill(order_id, "1000")
    (message,) = drained(desk.engine.follow(resume_from=4), desk.engine)
    assert (message.from_version, message.version) == (4, 5)


def test_the_place_to_resume_is_known_once_the_snapshot_was_read(desk: Desk) -> None:
    desk.given("LIVE")
    with desk.engine.follow() as subscription:
        assert subscription.position is None
        heard(subscription, 1)
        assert subscription.position is None
        heard(subscription, 1)
        assert subscription.position == 3


# --- heartbeats, waiting, closing


@pytest.fixture
def silent() -> Iterator[Engine]:
    clock = Clock()
    with Engine.open(clock=clock, new_id=Ids(), waits=FakeWaits()) as engine:
        yield engine


def test_after_some_silence_a_heartbeat_says_how_far_everything_was_told(silent: Engine) -> None:
    with silent.follow(where=["symbol=IBM"]) as subscription:
        assert [message.type.value for message in heard(subscription, 3)] == ["SNAPSHOT_END", "HEARTBEAT", "HEARTBEAT"]
        silent.execute({"type": "ReferencePriceCmd", "symbol": "IBM", "price": "10"})
        beats = [message.to_wire() for message in heard(subscription, 2)]
    assert beats[-1].keys() == {"type", "topic", "position", "time"}
    assert beats[-1]["time"] > START.isoformat()


def test_a_heartbeat_waits_for_the_silence_that_is_set(silent: Engine) -> None:
    with silent.follow() as subscription:
        heard(subscription, 1)
        assert subscription.take(timeout=14.9) is None
        beat = subscription.take(timeout=0.2)
    assert beat is not None
    assert beat.type == "HEARTBEAT"


def test_waiting_for_a_message_ends_in_time(desk: Desk) -> None:
    with live(desk) as subscription:
        assert subscription.take(timeout=0.01) is None
        assert not subscription.closed


def test_closing_a_subscription_ends_the_wait_of_its_reader(desk: Desk) -> None:
    subscription = live(desk)
    ended = threading.Event()

    def read() -> None:
        assert list(subscription) == []
        ended.set()

    threading.Thread(target=read).start()
    subscription.close()
    subscription.close()
    assert ended.wait(DEADLINE)
    assert subscription.closed
    assert subscription.take() is None


@pytest.mark.parametrize("url", [":memory:", ""], ids=["memory", "file"])
def test_closing_the_engine_ends_all_subscriptions_and_their_thread(url: str, file: str) -> None:
    desk = Desk(url or file)
    desk.given("LIVE")
    behind, with_the_others = desk.engine.follow(), live(desk)
    thread = desk.engine._tailer._thread
    assert thread is not None
    desk.engine.close()
    assert not thread.is_alive()
    assert (list(behind), list(with_the_others)) == ([], [])
    with pytest.raises(StoreError):
        desk.engine.follow()


def test_the_thread_ends_with_the_last_subscription_and_begins_again_with_the_next(desk: Desk) -> None:
    first = live(desk)
    thread = desk.engine._tailer._thread
    assert thread is not None
    first.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    desk.given("LIVE")
    with live(desk) as second:
        order_id = desk.given("NEW")
        assert short(heard(second, 1)) == [("UPDATE", order_id, 1)]


# --- async


def test_a_task_hears_the_same_and_holds_nobody_up(desk: Desk) -> None:
    first = desk.given("LIVE")

    async def listen() -> list[Short]:
        found: list[StreamMessage] = []
        with desk.engine.follow() as subscription:
            async for message in subscription:
                found.append(message)
                if message.type == "SNAPSHOT_END":
                    asyncio.get_running_loop().run_in_executor(None, desk.fill, first, "300")
                if message.type == "UPDATE":
                    break
        return short(found)

    assert asyncio.run(listen()) == [("SNAPSHOT", first, 3), ("SNAPSHOT_END", None, None), ("UPDATE", first, 4)]


def test_a_task_that_stops_waiting_loses_nothing(desk: Desk) -> None:
    async def listen() -> list[Short]:
        with desk.engine.follow() as subscription:
            assert (await anext(subscription)).type == "SNAPSHOT_END"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(subscription), 0.01)
            order_id = desk.given("NEW")
            return short([await anext(subscription)]) if order_id else []

    assert asyncio.run(listen()) == [("UPDATE", "o1", 1)]


def test_closing_ends_the_iteration_of_a_task(desk: Desk) -> None:
    async def listen() -> int:
        subscription = desk.engine.follow()
        number = 0
        async for _ in subscription:
            number += 1
            asyncio.get_running_loop().call_later(0.01, subscription.close)
        return number

    assert asyncio.run(listen()) == 1


def test_a_task_hears_heartbeats(silent: Engine) -> None:
    async def listen() -> str:
        with silent.follow(include_snapshot=False) as subscription:
            return (await anext(subscription)).type

    assert asyncio.run(listen()) == "HEARTBEAT"


# --- what cannot be


SPOILT = (
    "DROP TRIGGER events_are_not_changed",
    """CREATE TRIGGER spoil AFTER INSERT ON events WHEN NEW.type = 'ExecutionCreated'
       BEGIN UPDATE events SET payload = '{}' WHERE position = NEW.position; END""",
    "UPDATE events SET payload = '{}' WHERE position = 1",
)
"""What a hand in the file can do: the first event, and every fill from now on, can be read by nobody."""


def spoil(desk: Desk) -> None:
    with desk.engine._store.writing():
        for statement in SPOILT:
            desk.engine._store.connection.execute(statement)
        desk.engine._store.commit()


def test_an_event_that_cannot_be_read_ends_the_subscriptions_that_it_concerns_and_no_other(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    with live(desk, "quote-events") as quotes, live(desk) as orders, desk.engine.follow(resume_from=0) as replay:
        heard(replay, 2)
        spoil(desk)
        desk.fill(order_id, "1000")
        for subscription in (orders, replay):
            for _ in range(2):
                with pytest.raises(StoreError, match=r"event 4 \(ExecutionCreated\) cannot be read"):
                    subscription.take(timeout=DEADLINE)
        desk.ok("QuoteRequestCreateCmd", quoteRequest={"symbol": "IBM", "quantity": "100"})
        assert short(heard(quotes, 1))[0][0] == "UPDATE"
    with pytest.raises(StoreError, match=r"event 1 \(OrderCreated\) cannot be read"):
        list(desk.engine.follow(resume_from=0))


def test_an_order_whose_past_cannot_be_read_ends_who_would_hear_of_it_and_no_other(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    with live(desk, "quote-events", resume_from=3) as quotes, live(desk, resume_from=3) as orders:
        spoil(desk)
        desk.ok("OrderCancelCmd", orderId=order_id)
        with pytest.raises(StoreError, match=r"event 1 \(OrderCreated\) cannot be read"):
            orders.take(timeout=DEADLINE)
        desk.ok("QuoteRequestCreateCmd", quoteRequest={"symbol": "IBM", "quantity": "100"})
        assert short(heard(quotes, 1))[0][0] == "UPDATE"


def test_a_filter_that_fails_ends_its_own_subscription_and_no_other(desk: Desk) -> None:
    with live(desk) as broken, live(desk) as sound:
        broken._matches = Specification[Record].where(lambda _: 1 / 0 > 0)
        order_id = desk.given("NEW")
        assert short(heard(sound, 1)) == [("UPDATE", order_id, 1)]
        with pytest.raises(ZeroDivisionError):
            broken.take(timeout=DEADLINE)
        desk.given("NEW")
        assert len(heard(sound, 1)) == 1


def test_a_task_whose_loop_is_gone_disturbs_nobody(desk: Desk) -> None:
    with live(desk) as gone, live(desk) as sound:
        loop = asyncio.new_event_loop()
        gone._ready = lambda: loop.call_soon_threadsafe(print)
        loop.close()
        desk.given("NEW")
        assert len(heard(sound, 1)) == len(heard(gone, 1)) == 1


def park(desk: Desk, stream: str, *damage: str) -> None:
    """A projection that failed: the read model stays behind for one stream, and the store knows."""
    with desk.engine._store.writing():
        connection = desk.engine._store.connection
        for statement in damage:
            connection.execute(statement)
        connection.execute("INSERT INTO parked_events VALUES ('read-model', ?, 1, 'failed', 1, '2026')", (stream,))
        desk.engine._store.commit()


def test_a_snapshot_tells_what_the_events_say_where_the_read_model_is_behind(desk: Desk) -> None:
    order_id, other = desk.given("FILLED"), desk.given("LIVE")
    request = desk.ok("QuoteRequestCreateCmd", quoteRequest={"symbol": "IBM", "quantity": "100"}).id
    desk.ok("QuoteRejectCmd", quoteReqId=request)
    park(desk, f"order-{order_id}", "UPDATE orders SET state = 'LIVE', version = 3", "DELETE FROM executions")
    park(desk, f"quote-{request}", "UPDATE quote_requests SET state = 'PENDING'")
    follow = desk.engine.follow
    assert short(drained(follow(where=["state=LIVE"]), desk.engine))[:-1] == [("SNAPSHOT", other, 3)]
    assert short(drained(follow(where=["state=FILLED"]), desk.engine))[:-1] == [("SNAPSHOT", order_id, 5)]
    assert [m.exec_id for m in drained(follow("execution-events"), desk.engine)] == ["e1", None]
    assert len(drained(follow("quote-events", where=["state=PENDING"]), desk.engine)) == 1
    assert len(drained(follow("quote-events", where=["state=REJECTED"]), desk.engine)) == 2


def test_a_snapshot_has_the_rows_of_an_order_whose_events_cannot_be_read(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    spoil(desk)
    park(desk, f"order-{order_id}")
    desk.engine._store._committed.clear()
    assert short(heard(desk.engine.follow(), 1)) == [("SNAPSHOT", order_id, 3)]


def test_a_store_that_was_closed_ends_everybody(desk: Desk) -> None:
    with live(desk) as fed, desk.engine.follow() as behind:
        heard(behind, 1)
        desk.engine._store.close()
        for subscription in (fed, behind):
            with pytest.raises(StoreError, match="the engine is closed"):
                subscription.take(timeout=DEADLINE)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"topic": "orders"}, "OMS-VAL-004", 'topic "orders" is unknown; use one of order-events, execution-events'),
        ({"where": ["colour=red"]}, "OMS-VAL-004", '"colour" is no field of order'),
        ({"topic": "quote-events", "where": ["price=1"]}, "OMS-VAL-004", '"price" is no field of quote_request'),
        ({"resume_from": 1}, "OMS-VAL-005", "resumeFrom 1 is no position of this store; give 0"),
        ({"resume_from": -1}, "OMS-VAL-005", "resumeFrom -1 is no position"),
        ({"resume_from": True}, "OMS-VAL-004", "resumeFrom true is no position; give a whole number"),
    ],
)
def test_what_cannot_be_followed_is_refused(options: dict[str, object], code: str, words: str, desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        desk.engine.follow(**options)  # type: ignore[arg-type] # that is the point
    assert refused.value.problem.error_code == code
    assert words in refused.value.problem.detail
