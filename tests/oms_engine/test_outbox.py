"""Which messages are kept, for whom, and what do they say?"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine import Engine, Problem, Refused
from oms_engine.storage import sinks as sinks_module
from oms_engine.storage.outbox import ERASED, block_erased
from tests.oms_engine.desk import Desk
from tests.oms_engine.trees import child, client, live_group

Message = dict[str, Any]


@pytest.fixture
def told() -> Iterator[Desk]:
    """A desk whose messages are kept for the sink `default`."""
    desk = Desk(outbox__enabled=True)
    yield desk
    desk.engine.close()


def kept(engine: Engine, sink: str = "default") -> list[Message]:
    rows = engine._store.connection.execute(
        "SELECT payload FROM outbox WHERE sink = ? ORDER BY position, id", (sink,)
    ).fetchall()
    return [json.loads(payload) for (payload,) in rows]


def short(messages: Sequence[Message]) -> list[tuple[str, str, int, int]]:
    return [(found["topic"], found["key"], found["fromVersion"], found["version"]) for found in messages]


def why(call: Callable[[], object]) -> Problem:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.problem


# --- what is written


def test_n3_makes_five_messages(told: Desk) -> None:
    order_id = told.given("UNACK", orderQty="10")
    before = told.engine.outbox.count()
    told.accept(order_id)
    told.fill(order_id, "4")
    told.fill(order_id, "6")
    assert told.engine.outbox.count() - before == 1 + 2 + 2
    assert short(kept(told.engine)[before:]) == [
        ("order-events", order_id, 3, 3),
        ("order-events", order_id, 4, 4),
        ("execution-events", order_id, 4, 4),
        ("execution-events", order_id, 5, 5),
        ("order-events", order_id, 5, 6),
    ]


def test_a_message_has_all_events_of_its_command_and_the_order_after_them(told: Desk) -> None:
    order_id = told.given("LIVE", orderQty="10")
    told.fill(order_id, "10")
    execution, order = kept(told.engine)[-2:]
    assert [event["type"] for event in order["events"]] == ["ExecutionCreated", "OrderFilled"]
    assert order["state"] == told.order(order_id).to_wire()
    assert (order["type"], order["time"]) == ("UPDATE", order["events"][-1]["recordedAt"])
    assert [event["type"] for event in execution["events"]] == ["ExecutionCreated"]
    assert execution["execId"] == "e1"
    assert execution["state"] == told.engine.executions(order_id)[0].to_wire()


def test_no_order_is_ever_seen_full_and_live(told: Desk) -> None:
    order_id = told.given("LIVE", orderQty="10")
    told.fill(order_id, "10")
    states = [found["state"] for found in kept(told.engine) if found["topic"] == "order-events"]
    assert {state["state"] for state in states if state["leavesQty"] == "0"} == {"FILLED"}


def test_every_order_that_follows_has_its_own_message(told: Desk) -> None:
    parent = client(told, "1000")
    market = child(told, parent, "400")
    before = told.engine.outbox.count()
    told.fill(market, "400")
    messages = kept(told.engine)[before:]
    assert [(found["topic"], found["key"]) for found in messages] == [
        ("execution-events", market),
        ("order-events", market),
        ("order-events", parent),
    ]
    assert [found["state"]["cumQty"] for found in messages] == ["400", "400", "400"]


def test_taking_an_execution_back_tells_of_it(told: Desk) -> None:
    order_id = told.given("PART")
    told.ok("ExecutionWhackCmd", orderId=order_id, execId="e1", reason="ERROR", requestedBy="a", approvedBy="b")
    told.ok("ExecutionCreateCmd", execution={"orderId": order_id, "execId": "e2", "lastQty": "5", "lastPx": "9"})
    told.ok("ExecutionCorrectCmd", orderId=order_id, execRefId="e2", lastQty="6", lastPx="9")
    told.ok("ExecutionBustCmd", orderId=order_id, execId="e2", reason="BUST")
    executions = [found for found in kept(told.engine) if found["topic"] == "execution-events"]
    assert [(found["execId"], found["events"][0]["type"]) for found in executions] == [
        ("e1", "ExecutionCreated"),
        ("e1", "ExecutionWhacked"),
        ("e2", "ExecutionCreated"),
        ("e2", "ExecutionCorrected"),
        ("e2", "ExecutionBusted"),
    ]


def test_a_quote_request_is_told_with_its_quotes(told: Desk) -> None:
    told.ok("QuoteRequestCreateCmd", quoteRequest={"quoteReqId": "R1", "symbol": "IBM", "quantity": "100"})
    told.ok("QuoteCreateCmd", quote={"quoteId": "Q1", "quoteReqId": "R1", "price": "9", "quotedBy": "b"})
    told.ok("QuoteAcceptCmd", quoteId="Q1")
    messages = kept(told.engine)
    assert short(messages) == [("quote-events", "R1", n, n) for n in (1, 2, 3)]
    assert [quote["state"] for quote in messages[-1]["state"]["quotes"]] == ["ACCEPTED"]


def test_settings_are_nobodys_message(told: Desk) -> None:
    told.ok("SettingsChangeCmd", changes={"routing": "manual"})
    assert told.engine.outbox.count() == 0


def test_without_a_sink_nothing_is_kept(desk: Desk) -> None:
    desk.given("FILLED")
    assert desk.engine.sinks.all() == []
    assert desk.engine.outbox.count() == 0


def test_a_refused_command_and_a_preview_leave_no_message(told: Desk) -> None:
    order_id = told.given("UNACK")
    told.refused("ExecutionCreateCmd", execution={"orderId": order_id, "execId": "e", "lastQty": "1", "lastPx": "1"})
    assert told.engine.preview({"type": "OrderAcceptCmd", "orderId": order_id}).ok
    assert told.engine.outbox.count() == 1


def test_a_repeated_command_tells_nothing_again(told: Desk) -> None:
    order_id = told.given("UNACK")
    told.ok("OrderAcceptCmd", orderId=order_id, commandId="A")
    before = told.engine.outbox.count()
    assert told.ok("OrderAcceptCmd", orderId=order_id, commandId="A").duplicate
    assert told.engine.outbox.count() == before


def test_in_a_batch_each_command_has_its_own_messages_and_takes_them_back_with_it(told: Desk) -> None:
    order_id = told.given("UNACK")
    fill = {"orderId": order_id, "execId": "e", "lastQty": "1", "lastPx": "1"}
    commands = [
        {"type": "OrderAcceptCmd", "orderId": order_id},
        {"type": "ExecutionCreateCmd", "execution": {**fill, "lastQty": "2000"}},
        {"type": "ExecutionCreateCmd", "execution": fill},
    ]
    told.engine.execute_many(commands, dry_run=True)
    told.engine.execute_many(commands, atomic=True)
    assert told.engine.outbox.count() == 1
    done = told.engine.execute_many(commands)
    assert [outcome.result.ok for outcome in done.outcomes] == [True, False, True]
    assert short(kept(told.engine)[1:]) == [
        ("order-events", order_id, 3, 3),
        ("order-events", order_id, 4, 4),
        ("execution-events", order_id, 4, 4),
    ]


def test_a_rebuild_leaves_the_messages_alone(told: Desk) -> None:
    told.given("FILLED")
    before = kept(told.engine)
    told.engine.rebuild()
    assert kept(told.engine) == before


# --- sinks


def test_the_setting_registers_a_sink_where_there_is_none(tmp_path: Path) -> None:
    url = str(tmp_path / "oms.db")
    with Engine.open(url) as engine:
        assert engine.sinks.all() == []
    with Engine.open(url, settings={"outbox.enabled": True}, keep_settings=False) as engine:
        assert engine.sinks.all() == []
    for _ in range(2):
        with Engine.open(url, settings={"outbox.enabled": True}) as engine:
            assert [(sink.name, sink.kind) for sink in engine.sinks.all()] == [("default", "stdout")]
    with Engine.open(url, settings={"outbox.enabled": True}) as engine:
        engine.sinks.register("other")
        engine.sinks.remove("default")
    with Engine.open(url, settings={"outbox.enabled": True}) as engine:
        assert [sink.name for sink in engine.sinks.all()] == ["other"]


def test_every_engine_on_the_file_writes_for_a_sink_that_one_of_them_registered(tmp_path: Path) -> None:
    first, second = (Desk(str(tmp_path / "oms.db")) for _ in range(2))
    first.create()
    second.engine.sinks.register("audit")
    first.create(orderId="o9", clOrdId="c9")
    assert [found["key"] for found in kept(second.engine, "audit")] == ["o9"]
    second.engine.sinks.remove("audit", drop_reason="over")
    first.create(orderId="o10", clOrdId="c10")
    assert first.engine.outbox.count() == 0
    first.engine.close()
    second.engine.close()


def test_a_sink_is_told_its_topics_under_its_names(told: Desk) -> None:
    told.engine.sinks.register("fills", topics={"execution-events": "trades"})
    told.given("PART")
    assert [found["topic"] for found in kept(told.engine, "fills")] == ["trades"]


@pytest.mark.parametrize(
    ("asked", "field", "told_so"),
    [
        ({"name": "a b"}, "name", "letters, digits"),
        ({"name": ""}, "name", "letters, digits"),
        ({"kind": "kafka"}, "kind", "valid: file, stdout, callable"),
        ({"target": "x"}, "target", "has no target"),
        ({"kind": "file"}, "target", "needs the path"),
        ({"kind": "file", "target": "a\0b"}, "target", "needs the path"),
        ({"kind": "file", "target": "/nowhere/at/all"}, "target", "folder that exists"),
        ({"kind": "file", "target": "/"}, "target", "must be a file"),
        ({"topics": ["orders"]}, "topics", "valid: order-events"),
        ({"topics": []}, "topics", "needs a topic"),
        ({"topics": {"order-events": "a b"}}, "topics", "cannot be called"),
        ({"from_position": -1}, "from_position", "between 0 and 2"),
        ({"from_position": 3}, "from_position", "between 0 and 2"),
    ],
)
def test_a_sink_that_cannot_be_is_refused(asked: dict[str, Any], field: str, told_so: str, desk: Desk) -> None:
    desk.create()
    problem = why(lambda: desk.engine.sinks.register(**{"name": "s", **asked}))
    assert (problem.violations[0].field, problem.error_code[:9]) == (field, "OMS-VAL-0")
    assert told_so in problem.detail
    assert desk.engine.sinks.all() == []


def test_a_sink_does_not_write_into_the_database(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    with Engine.open(str(path)) as engine:
        for name in (path, Path(f"{path}-wal")):
            assert "the database itself" in why(lambda: engine.sinks.register("s", "file", str(name))).detail  # noqa: B023 - called at once
        assert engine.sinks.register("s", "file", str(tmp_path / "out.jsonl")).target == str(tmp_path / "out.jsonl")


def test_a_name_is_taken_once(told: Desk, tmp_path: Path) -> None:
    file = ("file", str(tmp_path / "audit.jsonl"))
    told.engine.sinks.register("audit", *file)
    same = why(lambda: told.engine.sinks.register("audit", *file))
    assert (same.error_code, same.hint) == ("OMS-DATA-001", "nothing is left to do")
    assert "with this target and these topics" in same.detail
    other = why(lambda: told.engine.sinks.register("audit", *file, topics=["quote-events"]))
    assert "with another target or other topics" in other.detail
    assert "another name" in other.hint


def test_a_file_belongs_to_one_sink(told: Desk, tmp_path: Path) -> None:
    told.engine.sinks.register("audit", "file", str(tmp_path / "audit.jsonl"))
    (tmp_path / "link").symlink_to(tmp_path / "audit.jsonl")
    for name in ("audit.jsonl", "link"):
        problem = why(lambda: told.engine.sinks.register("second", "file", str(tmp_path / name)))  # noqa: B023 - called at once
        assert 'is the file of sink "audit"; choose another file' in problem.detail


def test_an_unknown_sink_is_refused_with_those_there_are(told: Desk) -> None:
    calls: list[Callable[[], object]] = [
        lambda: told.engine.sinks.get("x"),
        lambda: told.engine.sinks.remove("x"),
        lambda: told.engine.outbox.parked(sink="x"),
        lambda: told.engine.outbox.retry(sink="x"),
        lambda: told.engine.relay(only=["x"]),
        lambda: told.engine.relay({"x": print}),
    ]
    for call in calls:
        assert 'sink "x" is not registered; registered: default' in why(call).detail
    told.engine.sinks.remove("default")
    assert "registered: none" in why(lambda: told.engine.sinks.get("x")).detail


def test_a_sink_with_waiting_messages_is_removed_only_with_a_reason(told: Desk) -> None:
    told.given("LIVE")
    problem = why(lambda: told.engine.sinks.remove("default"))
    assert problem.error_code == "OMS-VAL-006"
    assert '2 messages wait for sink "default"' in problem.detail
    assert told.engine.sinks.remove("default", drop_reason="moved", actor="ann") == 2
    assert told.engine.outbox.count() == 0
    dropped = told.engine.outbox.dropped()
    assert [(found.topic, found.key, found.version, found.reason, found.actor) for found in dropped] == [
        ("order-events", "o1", 3, "moved", "ann"),
        ("order-events", "o1", 2, "moved", "ann"),
    ]


# --- earlier events


def _story(desk: Desk) -> None:
    """Trees, groups, fills, corrections, quotes, settings and a batch."""
    desk.given("FILLED")
    order_id = desk.given("PART")
    desk.ok("ExecutionWhackCmd", orderId=order_id, execId="e1", reason="ERROR", requestedBy="a", approvedBy="b")
    desk.ok("SettingsChangeCmd", changes={"maxOrderQty": "5000"})
    parent = client(desk, "1000")
    desk.fill(child(desk, parent, "400"), "400")
    desk.fill(live_group(desk, "100", "200"), "150")
    desk.ok("QuoteRequestCreateCmd", quoteRequest={"quoteReqId": "R1", "symbol": "IBM", "quantity": "100"})
    desk.engine.execute_many(
        [
            {"type": "OrderCancelCmd", "orderId": order_id},
            {"type": "OrderCancelAcceptCmd", "orderId": order_id},
        ]
    )


def rows(desk: Desk, sink: str) -> list[tuple[object, ...]]:
    return desk.engine._store.connection.execute(
        "SELECT topic, key, stream_id, from_version, version, position, payload FROM outbox "
        "WHERE sink = ? ORDER BY position, id",
        (sink,),
    ).fetchall()


@pytest.mark.parametrize("at_once", [1, 3, 500])
def test_messages_of_earlier_events_are_those_that_were_written_then(
    at_once: int, told: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks_module, "_EVENTS_AT_ONCE", at_once)
    _story(told)
    seen: list[tuple[int, int]] = []
    told.engine.sinks.register("late", from_position=0, progress=lambda done, total: seen.append((done, total)))
    assert rows(told, "late") == rows(told, "default")
    total = told.engine.counts()["events"]
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)
    told.given("LIVE")
    assert rows(told, "late") == rows(told, "default")


@settings(max_examples=30)
@given(start=st.integers(0, 40), kept_states=st.integers(1, 3))
def test_from_any_position_nothing_behind_it_is_missed(start: int, kept_states: int) -> None:
    desk = Desk(outbox__enabled=True)
    _story(desk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinks_module, "_EVENTS_AT_ONCE", 2)
        patch.setattr(sinks_module, "_STATES_KEPT", kept_states)
        desk.engine.sinks.register("late", from_position=start)
    assert rows(desk, "late") == [row for row in rows(desk, "default") if int(str(row[5])) > start]
    desk.engine.close()


def test_a_relay_goes_on_with_the_earlier_events_when_the_registering_ended_early(
    told: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks_module, "_EVENTS_AT_ONCE", 3)
    _story(told)

    class LostError(Exception):
        pass

    def lost(_done: int, _total: int) -> None:
        raise LostError

    with pytest.raises(LostError):
        told.engine.sinks.register("late", from_position=0, progress=lost)
    unfinished = next(found for found in told.engine.sinks.status() if found.sink.name == "late")
    assert 0 < unfinished.backlog < told.engine.counts()["events"]
    told.given("LIVE")
    expected = kept(told.engine)
    received: list[Any] = []
    with told.engine.relay({"late": received.append}, only=["late"]) as relay:
        done = relay.run_once()
    assert received == expected
    assert done.filled > 1
    assert told.engine.sinks.get("late").complete


def test_a_sink_whose_earlier_messages_are_not_all_made_is_removed_only_with_a_reason(
    told: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks_module.Sinks, "fill", lambda *_: False)
    _story(told)
    told.engine.sinks.register("late", from_position=0)
    assert "earlier events wait" in why(lambda: told.engine.sinks.remove("late")).detail
    assert told.engine.sinks.remove("late", drop_reason="by mistake") == 0
    (dropped,) = told.engine.outbox.dropped()
    assert (dropped.topic, dropped.position) == (None, told.engine.counts()["events"])


# --- erasure


def test_what_is_erased_is_blocked_with_the_transaction_and_never_sent(told: Desk) -> None:
    erased, other = told.given("LIVE"), told.given("LIVE")
    store = told.engine._store
    with store.writing():
        assert block_erased(store.connection, [f"order-{erased}"], told.clock()) == 2
    assert {found["key"] for found in kept(told.engine)} == {erased, other}
    with store.writing():
        block_erased(store.connection, [f"order-{erased}"], told.clock())
        store.commit()
    told.fill(erased, "1")
    received: list[Any] = []
    with told.engine.relay({"default": received.append}) as relay:
        relay.run_once()
    assert {found["key"] for found in received} == {other}
    parked = told.engine.outbox.parked()
    assert {(found.key, found.last_error) for found in parked} == {(erased, ERASED)}
    status = told.engine.sinks.status()[0]
    assert (status.erased, status.parked, status.waiting) == (2, 2, 2)
    assert told.engine.outbox.retry() == 0
    assert "can only be dropped" in why(lambda: told.engine.outbox.retry([parked[0].id])).detail
    assert told.engine.outbox.drop(reason="erased") == 2
    with told.engine.relay({"default": received.append}) as relay:
        relay.run_once()
    assert [found["topic"] for found in received if found["key"] == erased] == ["order-events", "execution-events"]


def test_the_words_of_a_sink_are_erased_with_its_message(told: Desk) -> None:
    order_id = told.given("UNACK")
    with told.engine._store.writing():
        told.engine._store.connection.execute("UPDATE outbox SET parked_at = 'x', last_error = 'ACC is unknown'")
        told.engine._store.commit()
    told.engine.outbox.drop(reason="r")
    with told.engine._store.writing():
        block_erased(told.engine._store.connection, [f"order-{order_id}"], told.clock())
        told.engine._store.commit()
    assert [found.last_error for found in told.engine.outbox.dropped()] == [None]
