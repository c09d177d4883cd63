"""Is every command told with who sent it, when, through which client, and what it did?"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from knowledge_base import Library
from oms_engine import Engine, Refused
from oms_engine.audit import _MARKS, AuditEntry, audit
from oms_engine.domain.commands import COMMANDS
from oms_engine.domain.events import EVENTS
from oms_engine.simulation.run import staged
from oms_engine.simulation.scenario import parse_scenarios

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOT_OF_COMMANDS = {"OrderFilled", "OrderReopened", "OrderPlacementChanged", "AllocationReversed", "PersonalDataErased"}
"""Events that no command writes alone into its main stream, and the one of an erasure."""


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def desk() -> Engine:
    return Engine.open(clock=Clock(), session_id="desk")


def create(number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of an order
    order = {"orderId": f"O{number}", "clOrdId": f"C{number}", "account": "A", "symbol": "ACME", "side": "BUY"}
    return {"type": "OrderCreateCmd", "order": order | {"ordType": "MARKET", "orderQty": "100"} | changes}


ACCEPT = {"type": "OrderAcceptCmd", "orderId": "O1"}


def told(entries: tuple[AuditEntry, ...]) -> list[tuple[str, str]]:
    return [(entry.command, entry.stream_id) for entry in entries]


@pytest.mark.slow
def test_every_command_of_every_scenario_is_told_with_its_type() -> None:
    """All of them, from their events alone: the store does not keep the type of a command."""
    with Library.open(semantic=False) as library:
        blocks = library.scenarios()
    seen: set[str] = set()
    for block in blocks:
        (scenario,) = parse_scenarios(block.text, block.path, line=block.line + 1)
        with staged(scenario) as rehearsal:
            steps = [*rehearsal.steps()]
            entries, last = audit(rehearsal.engine, limit=1_000)
        assert last is None
        did = [
            (step.do["type"], done.result.events[0].position)
            for step, done in zip([*scenario.given, *scenario.steps], steps, strict=False)
            if step.do and done.result and done.result.ok and not done.result.duplicate
        ]
        found = [(entry.command, entry.position) for entry in reversed(entries)]
        set_before = found[: len(found) - len(did)]
        assert {command for command, _ in set_before} <= {"SettingsChangeCmd"}, block.reference
        assert found[len(set_before) :] == did, block.reference
        seen |= {command for command, _ in found}
    assert seen == set(COMMANDS)


def test_every_event_belongs_to_a_command() -> None:
    assert set(_MARKS) | NOT_OF_COMMANDS == set(EVENTS)
    assert set(_MARKS.values()) == set(COMMANDS) - {""}


def test_an_entry_tells_who_when_from_where_and_what(desk: Engine) -> None:
    desk.run(create(1) | {"commandId": "K1", "correlationId": "talk"}, actor="ann", client="blotter 2.1")
    (entry,) = audit(desk).entries
    assert entry.to_wire() == {
        "position": 1,
        "recordedAt": "2026-01-05T09:01:00.000000Z",
        "actor": "ann",
        "client": "blotter 2.1",
        "command": "OrderCreateCmd",
        "commandId": "K1",
        "correlationId": "talk",
        "causationId": "K1",
        "streamId": "order-O1",
        "events": [
            {"type": "OrderCreated", "streamId": "order-O1", "version": 1, "position": 1},
            {"type": "OrderPlaced", "streamId": "order-O1", "version": 2, "position": 2},
        ],
    }


@pytest.mark.parametrize(
    ("sent", "actor", "client"),
    [
        ({}, "desk", None),
        ({"client": "desk"}, "desk", None),
        ({"client": "desk", "client_version": "2"}, "desk 2", None),
        ({"client": "blotter", "client_version": "2"}, "blotter 2", None),
        ({"client_version": "2"}, "desk", None),
        ({"actor": "ann", "client": "ann x y", "client_version": "1"}, "ann", "ann x y 1"),
        ({"actor": "ann", "client": "ann"}, "ann", "ann"),
        ({"actor": "ann", "client": "via", "client_version": "1"}, "ann", "via_1"),
        ({"actor": "ann", "client": "bob via", "client_version": "1"}, "ann", "bob_via_1"),
        ({"actor": "ann"}, "ann", None),
        ({"actor": "ann", "client": "blotter"}, "ann", "blotter"),
        ({"actor": "ann via x", "client": "blotter"}, "ann via x", "blotter"),
    ],
)
def test_the_client_is_told_beside_who_acts(desk: Engine, sent: dict[str, str], actor: str, client: str | None) -> None:
    desk.run(create(1), **sent)  # type: ignore[arg-type] # actor and client
    (entry,) = audit(desk).entries
    assert (entry.actor, entry.client) == (actor, client)


def test_batches_keep_actor_and_client_for_each_command(desk: Engine) -> None:
    desk.execute_many([create(1), create(2) | {"actor": "bob"}], actor="ann", client="blotter 2")
    assert [(entry.actor, entry.client) for entry in audit(desk).entries] == [
        ("bob", "blotter 2"),
        ("ann", "blotter 2"),
    ]


def test_the_newest_command_comes_first_and_a_refused_one_not_at_all(desk: Engine) -> None:
    desk.execute_many([create(1), ACCEPT, ACCEPT, create(1)])
    assert told(audit(desk).entries) == [("OrderAcceptCmd", "order-O1"), ("OrderCreateCmd", "order-O1")]


def test_a_command_is_told_once_with_all_it_changed(desk: Engine) -> None:
    desk.execute_many([create(1, handlInst="MANUAL"), create(2, parentOrderId="O1"), {**ACCEPT, "orderId": "O2"}])
    last, second, _ = audit(desk).entries
    assert {event.stream_id for event in second.events} == {"order-O1", "order-O2"}
    assert told((last,)) == [("OrderAcceptCmd", "order-O2")]
    assert told(audit(desk, about="O1").entries)[:2] == [("OrderAcceptCmd", "order-O2"), ("OrderCreateCmd", "order-O2")]


def test_pages_follow_each_other_without_gaps_while_commands_come_in(desk: Engine) -> None:
    desk.execute_many([create(number, handlInst="MANUAL") for number in range(7)])
    desk.execute_many([create(each, parentOrderId="O0", orderQty="40") for each in (20, 21)])
    everything = told(audit(desk).entries)
    walked: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = audit(desk, limit=2, cursor=cursor)
        walked += told(page.entries)
        assert desk.execute(create(100 + len(walked))).ok
        cursor = page.next_cursor
    assert walked == everything
    assert len(walked) == 9


def test_times_leave_out_what_was_before_and_after(desk: Engine) -> None:
    for number in range(1, 5):
        desk.execute(create(number))
    times = [entry.recorded_at for entry in reversed(audit(desk).entries)]
    assert told(audit(desk, since=times[1], until=times[3]).entries) == [
        ("OrderCreateCmd", "order-O3"),
        ("OrderCreateCmd", "order-O2"),
    ]


def test_an_actor_is_found_whole_whatever_the_client(desk: Engine) -> None:
    for number, (actor, client) in enumerate(
        [("ann", "blotter 2"), ("ann", ""), ("anna", ""), ("ann b", ""), ("", "bot 1.2"), ("", "bot 1.3")]
    ):
        desk.run(create(number), actor=actor, client=client)
    assert [entry.stream_id for entry in audit(desk, actor="ann").entries] == ["order-O1", "order-O0"]
    assert [entry.actor for entry in audit(desk, actor="bot").entries] == ["bot 1.3", "bot 1.2"]
    assert [entry.actor for entry in audit(desk, actor="bot 1.2").entries] == ["bot 1.2"]
    assert audit(desk, actor="blotter 2").entries == ()


def test_a_type_is_told_apart_from_those_that_write_the_same_event(desk: Engine) -> None:
    desk.execute({"type": "SettingsChangeCmd", "changes": {"lifecycle.profile": "desk"}})
    cancel = {"type": "OrderCancelCmd", "clOrdId": "X"}
    desk.execute_many([create(1, handlInst="MANUAL"), cancel | {"orderId": "O1", "clOrdId": "X1"}, create(2)])
    desk.execute_many([{**ACCEPT, "orderId": "O2"}, cancel | {"orderId": "O2"}])
    desk.execute({"type": "OrderCancelAcceptCmd", "orderId": "O2"})
    desk.execute_many([create(3), {**ACCEPT, "orderId": "O3"}])
    desk.execute({"type": "OrderCancelAcceptCmd", "orderId": "O3", "unsolicited": True})
    assert [entry.stream_id for entry in audit(desk, command="OrderCancelCmd").entries] == ["order-O2", "order-O1"]
    accepted = audit(desk, command="OrderCancelAcceptCmd").entries
    assert [entry.stream_id for entry in accepted] == ["order-O3", "order-O2"]


def test_an_erasure_is_told_too(tmp_path: Path) -> None:
    with Engine.open(str(tmp_path / "o.db"), settings={"store.personalData": "sealed"}, session_id="desk") as engine:
        engine.execute(create(1))
        engine.execute({"type": "OrderRejectCmd", "orderId": "O1", "ordRejReason": 0})
        engine.erase("A", actor="privacy")
        assert told(audit(engine, command="erase").entries) == [("erase", "privacy")]
        assert len(audit(engine, about="O1").entries) == 2
        assert audit(engine, actor="privacy").entries[0].events[0].type == "PersonalDataErased"


def test_quotes_and_settings_are_found_by_their_names(desk: Engine) -> None:
    quote = {"quoteReqId": "R1", "symbol": "ACME", "quantity": "5"}
    desk.execute({"type": "QuoteRequestCreateCmd", "quoteRequest": quote})
    desk.execute({"type": "SettingsChangeCmd", "changes": {"risk.killSwitch": True}})
    assert told(audit(desk, about="R1").entries) == [("QuoteRequestCreateCmd", "quote-R1")]
    assert told(audit(desk, about="settings").entries) == [("SettingsChangeCmd", "settings")]


def test_an_empty_store_has_no_entries(desk: Engine) -> None:
    assert audit(desk) == ((), None)
    assert audit(desk, about="settings") == ((), None)


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"limit": 0}, "OMS-VAL-005", "limit"),
        ({"limit": 1_001}, "OMS-VAL-005", "limit"),
        ({"cursor": "12"}, "OMS-VAL-004", "cursor"),
        ({"cursor": "p"}, "OMS-VAL-004", "cursor"),
        ({"cursor": "p-1"}, "OMS-VAL-004", "cursor"),
        ({"cursor": "p" + "9" * 19}, "OMS-VAL-004", "cursor"),
        ({"command": "OrderCreate"}, "OMS-VAL-004", "command"),
        ({"since": START, "until": START}, "OMS-VAL-005", "until"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(desk: Engine, asked: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        audit(desk, **asked)
    assert (refused.value.problem.error_code, refused.value.problem.violations[0].field) == (code, field)


def test_an_order_that_there_is_not_is_refused(desk: Engine) -> None:
    with pytest.raises(Refused, match='there is no stream "O9"'):
        audit(desk, about="O9")
