"""A clumsy or hostile caller gets a short answer, and nobody gets past a rule by writing a name differently."""

import json
import sqlite3
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine, Refused, StoredEvent
from oms_engine.domain.lifecycle import next_states
from oms_engine.domain.vocabulary import State
from oms_engine.errors import StoreBusy
from oms_engine.storage.event_store import EventStore
from tests.oms_engine.desk import START, Desk

MILLION = "x" * 1_000_000


@pytest.mark.parametrize("name", ["commandId", "correlationId", "causationId", "sessionId", "actor", "orderId"])
def test_a_million_letters_come_back_as_a_few(desk: Desk, name: str) -> None:
    problem = desk.refused("OrderAcceptCmd", **({"orderId": "o1"} | {name: MILLION}))
    assert len(json.dumps(problem.to_wire())) < 5_000


def test_a_malformed_command_id_never_stands_in_an_answer_as_an_id(desk: Desk) -> None:
    problem = desk.refused("OrderAcceptCmd", orderId="o1", commandId="a\nb\x1b[31m")
    assert problem.instance == "urn:oms:command:CMD-1"


def test_a_flood_of_unknown_fields_is_counted(desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order={f"field{n}": n for n in range(20_000)})
    unknown = [found for found in problem.violations if found.rule_id == "ENV-02"]
    assert len(unknown) == 21
    assert unknown[-1].message.startswith("19980 more names")
    assert len(json.dumps(problem.to_wire())) < 12_000


def test_a_name_that_is_not_alike_is_not_proposed(desk: Desk) -> None:
    problem = desk.refused("OrderCancelRejectCmd", orderId="o1", reason="x")
    assert "did you mean" not in problem.violations[0].message
    assert "cxlRejReason" in problem.violations[0].message


@pytest.mark.parametrize("name", ["ANN", " Ann ", "\uff41nn"])
def test_an_approver_is_not_promoted_by_another_way_to_write_the_name(name: str) -> None:
    desk = Desk(approvers={"ann": "SENIOR_TRADER"})
    order_id = desk.given("LIVE", orderQty="6000")
    desk.fill(order_id, "6000", exec_id="e1")
    asked = {"execId": "e1", "requestedBy": "bob", "approvedBy": name, "approvalLevel": "RISK_COMMITTEE"}
    assert desk.refused("ExecutionWhackCmd", **asked).error_code == "OMS-AUTH-002"


def test_a_name_with_invisible_characters_is_refused(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    desk.fill(order_id, "1", exec_id="e1")
    problem = desk.refused("ExecutionWhackCmd", execId="e1", requestedBy="ann", approvedBy="ann\u200b")
    assert [(found.rule_id, found.field) for found in problem.violations] == [("ENV-06", "approvedBy")]


def test_two_spellings_with_different_values_are_told_before_a_duplicate(desk: Desk) -> None:
    desk.create(clOrdId="C1")
    problem = desk.refused("OrderCreateCmd", order=desk.asked(clOrdId="C1") | {"clOrdID": "C2"})
    assert problem.violations[0].rule_id == "ENV-03"


def test_what_a_command_wanted_stands_in_its_refusal(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    assert desk.refused("OrderAcceptCmd", orderId=order_id).context["toState"] == "LIVE"
    assert desk.refused("OrderCloseCmd", orderId=order_id).context["toState"] == "CLOSED"


def test_system_fields_of_other_versions_are_ignored_and_told(desk: Desk) -> None:
    result = desk.create(placeQty="5", origClOrdId="c0", memberCount=2)
    assert result.ok
    assert "memberCount, origClOrdId, placeQty" in result.tasks[1].message


def test_an_order_without_a_sending_time_was_sent_when_it_came(desk: Desk) -> None:
    order = desk.order(desk.create().id)
    assert order.sending_time == order.created_at
    assert desk.order(desk.create(sendingTime="2026-01-01T00:00:00Z").id).sending_time == START.replace(
        day=1, hour=0, minute=0
    )


def test_an_order_with_fills_has_no_way_to_rejection(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    assert "REJ" in {state.to for state in desk.engine.next_states(desk.order(order_id))}
    desk.fill(order_id, "1")
    assert "REJ" not in {state.to for state in desk.engine.next_states(desk.order(order_id))}
    checked = desk.engine.check(order_id=order_id, path=["REJ", "CLOSED"])
    assert (checked.valid, checked.failed_from, checked.failed_to) == (False, State.LIVE, State.REJ)
    assert "END-01" in str(checked.error_message)
    assert "REJ" not in desk.refused("OrderRejectCmd", orderId=order_id).context["validTransitions"]


@pytest.mark.parametrize(
    "terms",
    [{"timeInForce": "GOOD_TILL_CANCEL"}, {"timeInForce": "GOOD_TILL_DATE", "expireTime": "2026-02-01T00:00:00Z"}],
)
def test_an_order_that_cannot_expire_yet_has_no_way_to_expiry(desk: Desk, terms: dict[str, Any]) -> None:
    order_id = desk.given("LIVE", **terms)
    checked = desk.engine.check(order_id=order_id)
    assert "EXP" not in {state.to for state in checked.next_states}
    assert not desk.engine.check(order_id=order_id, path=["EXP"]).valid
    assert desk.engine.check(order_id=order_id, path=["CXL", "CLOSED"]).valid
    desk.clock.now += timedelta(days=60)
    can_expire = "EXP" in {state.to for state in desk.engine.check(order_id=order_id).next_states}
    assert can_expire is (terms["timeInForce"] == "GOOD_TILL_DATE")


def test_the_desk_cancels_what_was_never_sent_at_once() -> None:
    ways = {state.to: state.command for state in next_states("desk", State.NEW)}
    assert ways[State.CXL] == "OrderCancelCmd"
    assert {state.to: state.command for state in next_states("desk", State.LIVE)}[State.CXL] == "OrderCancelAcceptCmd"


def test_the_tail_of_a_long_sort_is_not_ignored(desk: Desk) -> None:
    with pytest.raises(Refused, match="at most 1000"):
        desk.engine.query(sort="id,ASC;" * 142 + "id,ASC;nonsense")


@pytest.mark.parametrize("where", ["state=LIVE", {"field": "state", "value": "LIVE"}, [5], [None]])
def test_what_is_no_list_of_conditions_is_refused(desk: Desk, where: object) -> None:
    with pytest.raises(Refused) as refused:
        desk.engine.query(where=where)  # type: ignore[arg-type] # that is the mistake
    assert [found.rule_id for found in refused.value.problem.violations] == ["QRY-04"]


def test_a_json_string_stands_for_itself_and_null_for_null(desk: Desk) -> None:
    desk.create(clOrdId="null", text="null")
    desk.create()
    found = desk.engine.query(where=[{"field": "clOrdId", "value": "null"}])
    assert found.page.total_elements == 1
    assert desk.engine.query(where=[{"field": "text", "value": "null"}]).page.total_elements == 1
    assert desk.engine.query(where=[{"field": "text", "value": None}]).page.total_elements == 1
    both = desk.engine.query(where=[{"field": "clOrdId", "op": "in", "value": ["null", "c2"]}])
    assert both.page.total_elements == 2


def test_a_json_number_that_cannot_be_meant_is_refused_in_a_question(desk: Desk) -> None:
    with pytest.raises(Refused, match="15 significant ones"):
        desk.engine.query(where=[{"field": "price", "value": 0.30000000000000004}])


def test_a_long_limit_of_age_is_a_limit() -> None:
    desk = Desk(staleExecutionHours="1000000")
    order_id = desk.given("LIVE")
    fill = {"orderId": order_id, "execId": "e1", "lastQty": "1", "lastPx": "1", "transactTime": "2025-01-01T00:00:00Z"}
    desk.ok("ExecutionCreateCmd", execution=fill)


def test_an_answer_about_a_busy_store_names_the_command(tmp_path: Path) -> None:
    file = str(tmp_path / "orders.db")
    Engine.open(file).close()
    engine = Engine(
        EventStore.open(file, busy_seconds=0.01),
        settings=Desk().engine.settings,
        clock=lambda: START,
        new_id=lambda prefix: f"{prefix}-7",
    )
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        error = engine.execute({"type": "OrderAcceptCmd", "orderId": "o1", "correlationId": "C"}).error
        other.execute("ROLLBACK")
    assert error is not None
    assert error.error_code == "OMS-LOCK-002"
    assert error.instance == "urn:oms:command:CMD-7"
    assert error.context["correlationId"] == "C"


def test_a_new_file_that_another_process_is_writing_is_busy_not_foreign(tmp_path: Path) -> None:
    file = str(tmp_path / "orders.db")
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            EventStore.open(file, busy_seconds=0.01)
        other.execute("ROLLBACK")
    EventStore.open(file).close()


def test_many_threads_open_one_new_file_at_once(tmp_path: Path) -> None:
    file = str(tmp_path / "orders.db")
    failures: list[BaseException] = []
    gate = threading.Barrier(8)

    def opened() -> None:
        gate.wait()
        try:
            EventStore.open(file).close()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=opened) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_listener_that_fails_after_a_batch_is_told(desk: Desk) -> None:
    def broken(_events: Sequence[StoredEvent]) -> None:
        raise ValueError

    end = desk.engine.subscribe(broken)
    batch = desk.engine.execute_many([{"type": "OrderCreateCmd", "order": desk.asked()}])
    assert batch.outcomes[0].result.ok
    assert len(batch.warnings) == 1
    end()
    end()
    assert desk.engine.execute_many([{"type": "OrderCreateCmd", "order": desk.asked()}]).warnings == ()
