"""Can the personal data of an account be destroyed for good, and does everything else stay as it was?

Files are searched byte by byte for what was erased.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine import Engine, Order, Projection, Refused, SettingsError, StoredEvent, Tables
from oms_engine.domain.decider.streams import evolve_privacy
from oms_engine.domain.events import EVENTS, PERSONAL, Event, OrderCancelRejected, impersonal
from oms_engine.domain.model import OrderState, PrivacyState, ReplaceTerms, StreamState
from oms_engine.domain.vocabulary import CxlRejReason
from oms_engine.engine import Erasure, random_id
from oms_engine.errors import StoreBusy, StoreUnavailable
from oms_engine.storage import erasure
from oms_engine.storage.erasure import Request
from oms_engine.storage.sealing import BEGINS, opened
from tests.oms_engine.desk import READ_MODEL, Desk
from tests.oms_engine.test_archive import lines_of, sealed
from tests.oms_engine.test_archive import why as why_not_imported
from tests.oms_engine.test_properties import envelopes, order_ids
from tests.oms_engine.test_verify import busy
from tests.oms_engine.trees import child, members

ACCOUNT, SECRET = "ZQX-ACCOUNT-7", "zqx-words-of-the-client"
OTHER, KEPT = "KLM-ACCOUNT-8", "klm-words-that-stay"


def desk_of(file: Path, **settings: object) -> Desk:
    desk = Desk(str(file), **{"store__personalData": "sealed", "snapshotEvery": 2, **settings})
    with_random_ids(desk)
    return desk


def with_random_ids(desk: Desk) -> None:
    """Let a desk give ids that no other desk on the same events has given."""
    desk.engine._new_id = desk.engine._executor._new_id = random_id


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "oms.db"


@pytest.fixture
def desk(file: Path) -> Iterator[Desk]:
    desk = desk_of(file)
    yield desk
    desk.engine.close()


def held(file: Path) -> bytes:
    """All bytes of a store, whether or not it is open."""
    return b"".join(part.read_bytes() for part in sorted(file.parent.glob(f"{file.name}*")))


def holds(file: Path, *words: str) -> list[str]:
    """Which of these words stand somewhere in the file or beside it, in any case."""
    data = held(file).lower()
    return [word for word in words if word.lower().encode() in data]


def erase(desk: Desk, account: str = ACCOUNT, **how: Any) -> Erasure:  # noqa: ANN401 - as Engine.erase
    return desk.engine.erase(account, **how)


def rebuilt(desk: Desk) -> None:
    """The read model must be what a rebuild makes, byte for byte, and everything must be sound."""
    before = desk.rows(READ_MODEL)
    desk.engine.rebuild()
    assert desk.rows(READ_MODEL) == before
    assert desk.engine.verify().findings == ()


def why(desk: Desk, account: str = ACCOUNT, **how: Any) -> tuple[str, str]:  # noqa: ANN401 - as Engine.erase
    """Code and sentence of an erasure that must be refused and must change nothing."""
    before = desk.rows()
    with pytest.raises(Refused) as refused:
        erase(desk, account, **how)
    assert desk.rows() == before
    return refused.value.problem.error_code, refused.value.problem.detail


def payloads(desk: Desk) -> list[str]:
    rows = desk.engine._store.connection.execute("SELECT payload FROM events ORDER BY position")
    return [row[0] for row in rows]


def life(desk: Desk, account: str, words: str) -> None:
    """Everything that can hold an account or a text: each ending, replaces, a tree, a group, quotes, limits."""
    mine = {"account": account, "text": words}
    desk.given("FILLED", **mine)
    desk.ok("OrderRejectCmd", orderId=desk.given("UNACK", **mine), text=words)
    name = desk.given("LIVE", **mine)
    desk.ok("OrderReplaceCmd", orderId=name, clOrdId=f"{name}-a", text=f"{words} first", orderQty="900")
    desk.ok("OrderReplaceRejectCmd", orderId=name, text=words)
    desk.ok("OrderReplaceCmd", orderId=name, clOrdId=f"{name}-b", text=f"{words} second")
    desk.ok("OrderReplaceAcceptCmd", orderId=name)
    desk.ok("OrderCancelCmd", orderId=name, text=words)
    desk.ok("OrderCancelRejectCmd", orderId=name, text=words)
    desk.ok("OrderReplaceCmd", orderId=name, clOrdId=f"{name}-c", text=f"{words} third", price="99")
    desk.ok("OrderCancelAcceptCmd", orderId=name, unsolicited=True, text=words)
    parent = desk.given("NEW", **mine)
    leaf = child(desk, parent, "1000", **mine)
    desk.fill(leaf, "1000")
    for same in (mine, {**mine, "account": f"{account}-X"}):
        names = [desk.given("NEW", **mine, orderQty="100"), desk.given("NEW", **same, orderQty="100")]
        group = desk.ok("OrderGroupCmd", memberOrderIds=names, groupedBy="desk").id
        desk.fill(child(desk, group, "200", **mine), "200")
    desk.ok(
        "QuoteRequestCreateCmd",
        quoteRequest={"quoteReqId": f"R-{name}", "account": account, "symbol": "EUR/USD", "quantity": "1000000"},
    )
    limits = {"*": "1000", "symbol:IBM": "900", f"account:{account}": "500"}
    now = desk.engine.settings.risk_max_open_orders
    desk.ok("SettingsChangeCmd", changes={"risk.maxOpenOrders": {**{k: str(v) for k, v in now.items()}, **limits}})
    desk.ok("SettingsChangeCmd", changes={"risk.restrictedSymbols": {f"account:{account}": ["EVIL"]}})


def test_what_is_erased_is_nowhere_in_the_file_and_everything_else_stays(file: Path) -> None:
    desk = desk_of(file, store__hashChain="on")
    desk.engine.sinks.register("audit", "callable")
    life(desk, ACCOUNT, SECRET)
    life(desk, OTHER, KEPT)
    assert holds(file, ACCOUNT, SECRET, OTHER, KEPT) == [ACCOUNT, SECRET, OTHER, KEPT]
    events = desk.rows(("events",))["events"]
    stayed = _of_other(desk)
    done = erase(desk, reason="asked for", actor="privacy office")
    assert (done.erased.orders, done.erased.quote_requests, done.erased.settings) == (11, 1, True)
    assert done.erased.messages > 10
    assert done.warnings == ()
    assert holds(file, f"{ACCOUNT}-X", f"{OTHER}-X") == [f"{ACCOUNT}-X", f"{OTHER}-X"]
    assert erase(desk, f"{ACCOUNT}-X").erased.orders == 1
    assert holds(file, ACCOUNT, SECRET, OTHER, KEPT) == [OTHER, KEPT]
    assert desk.rows(("events",))["events"][: len(events)] == events
    assert _of_other(desk) == stayed
    rebuilt(desk)
    desk.engine.close()
    assert holds(file, ACCOUNT, SECRET, OTHER, KEPT) == [OTHER, KEPT]
    with Engine.open(str(file)) as again:
        verified = again.verify()
        assert verified.sound
        assert verified.chain is not None
        assert again.settings.to_wire()["risk.maxOpenOrders"] == {
            "*": "1000", "symbol:IBM": "900", f"account:{OTHER}": "500",
        }  # fmt: skip


def _of_other(desk: Desk) -> list[Any]:
    """The orders, quote requests, histories and messages of the account that nothing is erased of."""
    kept: list[Any] = []
    for order in desk.engine.query(where=[f"account={OTHER}"], sort="id").content:
        assert order.text is None or order.text.startswith(KEPT)  # type: ignore[attr-defined] # the entity is order
        kept += [order, desk.engine.history(order.order_id)]  # type: ignore[attr-defined] # as above
    kept += desk.engine.query(entity="quote_request", where=[f"account={OTHER}"]).content
    store = desk.engine._store
    messages = store.connection.execute("SELECT * FROM outbox WHERE instr(payload, ?) ORDER BY id", (OTHER,))
    return [*kept, messages.fetchall()]


def test_an_erased_order_is_there_without_account_and_texts(desk: Desk) -> None:
    order_id = desk.given("LIVE", account=ACCOUNT, text=SECRET)
    desk.ok("OrderReplaceCmd", orderId=order_id, clOrdId="r1", text=f"{SECRET} two", orderQty="900")
    desk.ok("OrderCancelAcceptCmd", orderId=order_id, unsolicited=True, text=SECRET)
    before = desk.order(order_id)
    erase(desk)
    assert desk.order(order_id) == before.but(account=None, text=None)
    assert desk.engine.query(where=["account=null", "text=null"]).content == [desk.order(order_id)]
    assert desk.engine.query(where=[f"account={ACCOUNT}"]).content == []
    told = [event.payload.to_wire() for event in desk.engine.history(order_id)]
    assert "account" not in told[0]
    assert told[3]["requested"] == {"orderQty": "900"}
    assert [name for payload in told for name in payload if name in {"account", "text"}] == []
    past = desk.engine.state_at(order_id, 1)
    assert past is not None
    assert (past.order.account, past.order.text) == (None, None)


@pytest.mark.parametrize("as_of", ["p1", "p3", "v2", "2030-01-01T00:00:00Z"])
def test_the_past_of_an_erased_order_has_no_account_and_no_text(desk: Desk, as_of: str) -> None:
    order_id = desk.given("REJ", account=ACCOUNT, text=SECRET)
    with desk.engine.at(as_of, order_id=order_id) as before:
        assert before.find(order_id).account == ACCOUNT
    erase(desk)
    with desk.engine.at(as_of, order_id=order_id) as past:
        assert (past.find(order_id).account, past.find(order_id).text) == (None, None)
        assert past.query(where=["account=null"]).content == [past.find(order_id)]
        assert ACCOUNT not in str(past.history(order_id))
    with desk.engine.at("p0") as nothing:
        assert nothing.query().content == []


def test_the_event_of_an_erasure_names_the_key_and_not_the_account(desk: Desk) -> None:
    desk.given("REJ", account=ACCOUNT, text=SECRET)
    heard: list[StoredEvent] = []
    desk.engine.subscribe(heard.extend)
    done = erase(desk, reason="asked for", actor="privacy office").erased
    (event,) = heard
    assert (event.stream_id, event.type, event.version, event.position) == (
        "privacy", "PersonalDataErased", 1, done.position,
    )  # fmt: skip
    assert (event.actor, event.causation_id) == ("privacy office", event.command_id)
    assert event.payload.to_wire() == {
        "keyId": done.key_id, "orders": 1, "quoteRequests": 0, "reason": "asked for",
    }  # fmt: skip
    assert desk.engine.query(entity="event", where=["streamId=privacy"]).content == [event]
    assert desk.engine.verify_stream("privacy") == ()
    desk.given("REJ", account=OTHER)
    second = erase(desk, OTHER).erased
    with desk.engine._store.reading():
        state = desk.engine._store.state("privacy")
    assert state == PrivacyState(version=2, key_ids=(done.key_id, second.key_id))


def test_a_dry_run_tells_the_same_and_changes_nothing(desk: Desk, file: Path) -> None:
    desk.given("REJ", account=ACCOUNT, text=SECRET)
    before = desk.rows()
    told = erase(desk, dry_run=True)
    assert desk.rows() == before
    assert (told.compacted, told.warnings, told.erased.dry_run) == (None, (), True)
    assert erase(desk).erased == told.erased.but(dry_run=False)
    assert holds(file, ACCOUNT, SECRET) == []


def test_an_account_that_trades_again_has_another_key(desk: Desk) -> None:
    first = desk.given("REJ", account=ACCOUNT, text=SECRET)
    erased = erase(desk).erased
    second = desk.given("REJ", account=ACCOUNT, text=SECRET)
    assert desk.engine._store.connection.execute("SELECT key_id FROM account_keys").fetchone()[0] != erased.key_id
    assert (desk.order(first).account, desk.order(second).account) == (None, ACCOUNT)
    assert erase(desk).erased.orders == 1
    assert desk.order(second).account is None
    rebuilt(desk)


def test_a_repetition_of_an_erased_create_is_no_longer_recognised_by_its_content(desk: Desk) -> None:
    order = desk.asked(account=ACCOUNT, text=SECRET)
    created = desk.ok("OrderCreateCmd", order=order, commandId="K1")
    desk.ok("OrderRejectCmd", orderId=created.id, commandId="K2")
    erase(desk)
    assert desk.refused("OrderCreateCmd", order=order, commandId="K1").error_code == "OMS-DATA-001"
    assert desk.refused("OrderCreateCmd", order=order).error_code == "OMS-ORDER-002"
    assert desk.ok("OrderRejectCmd", orderId=created.id, commandId="K2").duplicate


def test_without_compacting_the_transaction_alone_takes_the_values_out_of_every_table(desk: Desk) -> None:
    life(desk, ACCOUNT, SECRET)
    done = erase(desk, compacts=False)
    erase(desk, f"{ACCOUNT}-X", compacts=False)
    assert done.compacted is None
    with closing(sqlite3.connect(":memory:")) as copy:
        desk.engine._store.connection.backup(copy)
        dump = "\n".join(copy.iterdump())
    assert ACCOUNT not in dump
    assert SECRET not in dump
    rebuilt(desk)


def test_what_is_deleted_is_overwritten_in_its_page_before_the_file_is_compacted(desk: Desk, file: Path) -> None:
    connection = desk.engine._store.connection
    connection.execute("PRAGMA secure_delete = OFF")
    quotes = {"quoteReqId": "R1", "account": ACCOUNT, "symbol": "EUR/USD", "quantity": "1000000"}
    desk.ok("QuoteRequestCreateCmd", quoteRequest=quotes)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert holds(file, ACCOUNT) == [ACCOUNT]
    erase(desk, compacts=False)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert holds(file, ACCOUNT) == []


def test_a_store_in_memory_can_be_erased_too() -> None:
    desk = Desk(store__personalData="sealed")
    order_id = desk.given("REJ", account=ACCOUNT, text=SECRET)
    assert erase(desk).compacted is None
    assert desk.order(order_id).account is None
    rebuilt(desk)


# What happens to an erased order afterwards


def test_nothing_personal_is_kept_of_what_happens_afterwards(desk: Desk, file: Path) -> None:
    order_id = desk.given("FILLED", account=ACCOUNT, text=SECRET)
    desk.given("FILLED", account=OTHER, text=KEPT)
    erase(desk)
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e1")
    assert desk.order(order_id).state == "LIVE"
    desk.ok("OrderReplaceCmd", orderId=order_id, account=ACCOUNT, text=SECRET, orderQty="900")
    pending = desk.order(order_id).pending_replace
    assert pending is not None
    assert (pending.order_qty, pending.text) == (900, None)
    desk.ok("OrderReplaceAcceptCmd", orderId=order_id)
    desk.ok("OrderCancelCmd", orderId=order_id, text=SECRET)
    desk.ok("OrderCancelAcceptCmd", orderId=order_id, text=SECRET)
    assert (desk.order(order_id).state, desk.order(order_id).text) == ("CXL", None)
    assert holds(file, ACCOUNT, SECRET, KEPT) == [KEPT]
    rebuilt(desk)


def test_a_limit_of_an_account_called_none_is_not_one_of_an_erased_account(desk: Desk) -> None:
    order_id = desk.given("FILLED", account=ACCOUNT)
    erase(desk)
    desk.ok("SettingsChangeCmd", changes={"risk.maxOrderQty": {"account:None": "1"}})
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e1")
    desk.ok("OrderReplaceCmd", orderId=order_id, orderQty="900")


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_every_personal_field_can_be_left_away(name: str) -> None:
    event: Event = EVENTS[name].of(requested=None, changed=None)
    for part in {path.partition(".")[0] for path in PERSONAL[name] if "." in path}:
        event = event.but(**{part: ReplaceTerms(text="words")})
    assert "words" not in impersonal(event).to_json()


def test_every_field_that_is_personal_is_listed() -> None:
    found = {}
    for name, event in EVENTS.items():
        fields = event.model_fields
        its = [field for field in ("account", "text") if field in fields]
        its += [f"{field}.text" for field, info in fields.items() if info.annotation is ReplaceTerms]
        if its:
            found[name] = tuple(its)
    assert found == PERSONAL


# Other engines on the same file


def test_another_engine_that_knows_the_order_writes_nothing_of_it_back(file: Path) -> None:
    one, other = desk_of(file), desk_of(file)
    filled = one.given("FILLED", account=ACCOUNT, text=SECRET)
    late = one.given("FILLED", account=ACCOUNT, text=SECRET)
    one.engine.sinks.register("audit", "callable")
    other.ok("SettingsChangeCmd", changes={"risk.maxOpenOrders": {f"account:{ACCOUNT}": "5", "*": "9"}})
    other.ok("ExecutionCorrectCmd", orderId=late, execRefId="e1", lastQty="1000", lastPx="99")
    assert other.engine.state_at(filled).order.account == ACCOUNT  # type: ignore[union-attr] # it is there
    erase(one)
    known = other.engine.state_at(late)
    assert known is not None
    assert (known.order.account, known.order.text) == (None, None)
    assert other.engine.settings.to_wire()["risk.maxOpenOrders"] == {"*": "9"}
    other.ok("OrderCloseCmd", orderId=filled)
    other.ok("ExecutionCorrectCmd", orderId=late, execRefId="e1", lastQty="1000", lastPx="98")
    other.ok("ExecutionBustCmd", orderId=late, execId="e1")
    other.ok("OrderCancelCmd", orderId=late, text=SECRET)
    other.ok("SettingsChangeCmd", changes={"risk.maxOpenOrders": {"*": "8"}})
    one.engine.compact()
    assert holds(file, ACCOUNT, SECRET) == []
    rebuilt(other)
    one.engine.close()
    other.engine.close()
    assert holds(file, ACCOUNT, SECRET) == []


def test_sinks_projections_and_subscriptions_forget_too(file: Path) -> None:
    one, other = desk_of(file), desk_of(file)
    seen = Projection("seen", "CREATE TABLE seen (order_id TEXT PRIMARY KEY, account TEXT)", _see)
    other.engine.add_projection(seen)
    with other.engine.follow(include_snapshot=False) as subscription:
        assert subscription.take(0) is None
        order_id = one.given("FILLED", account=ACCOUNT, text=SECRET)
        messages = [subscription.take(10) for _ in range(3)]
        assert [message.state.account for message in messages if message] == [ACCOUNT] * 3  # type: ignore[union-attr] # orders
        other.engine.project("seen")
        other.engine.sinks.register("late", "callable", from_position=0)
        warnings = erase(one).warnings
        (warning,) = warnings
        assert warning.startswith('projection seen may still hold the values, so rebuild it: projection "seen" belongs')
        other.ok("OrderCloseCmd", orderId=order_id)
        message = subscription.take(10)
        assert message is not None
        assert message.state.account is None  # type: ignore[union-attr] # an order
    other.engine.project("seen")
    assert other.rows(("seen",)) == {"seen": [(order_id, None)]}
    assert other.engine.sinks._states == {}
    one.engine.compact()
    assert holds(file, ACCOUNT, SECRET) == []
    one.engine.close()
    other.engine.close()


def _see(tables: Tables, _events: Sequence[StoredEvent], state: StreamState) -> None:
    if isinstance(state, OrderState):
        tables.execute("INSERT OR REPLACE INTO {seen} VALUES (?, ?)", (state.order.order_id, state.order.account))


def test_a_projection_of_the_same_program_is_written_anew(desk: Desk, file: Path) -> None:
    desk.engine.add_projection(Projection("seen", "CREATE TABLE seen (order_id TEXT PRIMARY KEY, account TEXT)", _see))
    order_id = desk.given("REJ", account=ACCOUNT)
    desk.engine.project("seen")
    assert erase(desk).warnings == ()
    assert desk.rows(("seen",)) == {"seen": [(order_id, None)]}
    assert holds(file, ACCOUNT) == []


def test_a_rebuild_that_is_under_way_does_not_bring_the_values_back(desk: Desk, file: Path) -> None:
    desk.given("REJ", account=ACCOUNT, text=SECRET)
    other = desk_of(file)
    with pytest.raises(StoreBusy):
        other.engine.rebuild(lambda _done, _all: erase(desk) and None)
    assert holds(file, ACCOUNT, SECRET) == []
    rebuilt(desk)
    other.engine.close()


def test_a_process_that_was_there_before_seals_what_it_writes(file: Path) -> None:
    before = desk_of(file, store__personalData="plain")
    after = desk_of(file)
    before.given("REJ", account=ACCOUNT, text=SECRET)
    assert sum(payload.startswith(BEGINS) for payload in payloads(before)) == 1
    erase(after)
    assert holds(file, ACCOUNT, SECRET) == []
    before.engine.close()
    after.engine.close()


def test_a_log_that_somebody_reads_is_told_of(desk: Desk, file: Path) -> None:
    desk.given("REJ", account=ACCOUNT, text=SECRET)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        (warning,) = erase(desk).warnings
    assert "another program reads the log" in warning
    desk.engine.compact()
    assert holds(file, ACCOUNT, SECRET) == []


def test_an_erasure_stands_when_the_file_cannot_be_compacted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = desk.given("REJ", account=ACCOUNT)

    def full() -> None:
        raise StoreBusy("another process writes")

    monkeypatch.setattr(desk.engine, "compact", full)
    done = erase(desk)
    assert done.compacted is None
    assert done.warnings == (
        "unused pages of the file may still hold the values: another process writes; run oms compact later",
    )
    assert desk.order(order_id).account is None


# What is refused


def test_nothing_is_erased_in_a_store_that_is_not_sealed(file: Path) -> None:
    desk = desk_of(file, store__personalData="plain")
    desk.given("REJ", account=ACCOUNT)
    code, told = why(desk)
    assert code == "OMS-VAL-004"
    assert "--set store.personalData=sealed" in told
    desk.engine.close()


def test_what_was_written_in_plain_before_is_refused_with_the_way_out(file: Path) -> None:
    plain = desk_of(file, store__personalData="plain")
    plain.given("REJ", account=ACCOUNT)
    plain.ok("SettingsChangeCmd", changes={"risk.maxOpenOrders": {f"account:{OTHER}": "5"}})
    plain.engine.close()
    desk = desk_of(file)
    desk._requests = 10
    later = desk.given("REJ", account=ACCOUNT, text=SECRET)
    assert "1 events before position 5, where sealing began" in why(desk)[1]
    assert "1 events before position 5" in why(desk, OTHER)[1]
    desk.given("REJ", account="THIRD")
    assert erase(desk, "THIRD").erased.orders == 1
    assert desk.order(later).text == SECRET
    desk.engine.close()


def test_open_orders_are_named_and_keep_the_data(desk: Desk) -> None:
    names = [desk.given("LIVE", account=ACCOUNT, orderQty="10") for _ in range(7)]
    code, told = why(desk)
    assert code == "OMS-STATE-002"
    assert f"{', '.join(names[:5])} and 2 more; cancel them" in told
    for name in names[1:]:
        desk.fill(name, "10")
    assert f"orders of the account: {names[0]}; cancel" in why(desk)[1]


@pytest.mark.parametrize("account", ["ZQX-ACCOUNT", "zqx-account-7", "", "NOBODY"])
def test_an_account_that_is_not_known_is_refused_without_naming_others(desk: Desk, account: str) -> None:
    desk.given("REJ", account=ACCOUNT)
    code, told = why(desk, account)
    assert code == "OMS-VAL-004"
    assert ACCOUNT not in told
    erase(desk)
    assert "erased already" in why(desk)[1]


@pytest.mark.parametrize("reason", [f"request of {ACCOUNT}", f"({ACCOUNT.lower()})", " ", "x" * 501])
def test_a_reason_says_why_and_not_who(desk: Desk, reason: str) -> None:
    desk.given("REJ", account=ACCOUNT)
    assert why(desk, reason=reason)[0] == "OMS-VAL-004"


def test_rows_that_cannot_be_written_anew_stop_the_erasure(desk: Desk) -> None:
    desk.given("REJ", account=ACCOUNT)
    connection = desk.engine._store.connection
    (trigger,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'events_are_not_changed'").fetchone()
    connection.execute("DROP TRIGGER events_are_not_changed")
    connection.execute("UPDATE events SET payload = '{' WHERE type = 'OrderRejected'")
    connection.execute(trigger)
    before = desk.rows()
    with pytest.raises(StoreUnavailable, match="cannot be written anew, so nothing was erased"):
        erase(desk)
    assert desk.rows() == before


def test_sealing_cannot_be_switched_off(file: Path) -> None:
    desk_of(file).engine.close()
    with pytest.raises(SettingsError, match="cannot be plain: this store seals personal data from position 1 on"):
        Engine.open(str(file), settings={"store.personalData": "plain"})
    with Engine.open(str(file)) as engine:
        assert engine.settings.personal_data == "sealed"
    with Engine.open(str(file), settings={"store.personalData": "sealed"}, keep_settings=False) as engine:
        assert engine.settings.personal_data == "sealed"


def test_who_only_reads_does_not_begin_to_seal(file: Path) -> None:
    with Engine.open(str(file), settings={"store.personalData": "sealed"}, keep_settings=False) as engine:
        assert engine._store.connection.execute("SELECT * FROM store_facts").fetchall() == []


# What stands in the file while nothing is erased


def test_events_hold_nothing_in_plain_and_read_as_if_they_did(file: Path) -> None:
    sealed, plain = desk_of(file), Desk()
    with_random_ids(plain)
    plain.clock()  # a new file has asked for the time once
    for desk in (sealed, plain):
        busy(desk)
        life(desk, ACCOUNT, SECRET)
    told = "\n".join(payloads(sealed))
    assert ACCOUNT not in told
    assert SECRET not in told
    assert SECRET in "\n".join(payloads(plain))

    def facts(desk: Desk) -> list[Any]:
        return [(event.stream_id, event.version, event.payload) for event in desk.engine.events(limit=10_000)]

    assert [fact for fact in facts(sealed) if "GRP" not in str(fact)] == [
        fact for fact in facts(plain) if "GRP" not in str(fact)
    ]
    rebuilt(sealed)
    sealed.engine.close()


def test_the_length_of_what_is_sealed_tells_little(desk: Desk) -> None:
    desk.create(account="A", text="x")
    desk.create(account="A", text="xxxxx")
    lengths = {len(next(iter(json.loads(p)["sealed"].values()))) for p in payloads(desk) if p.startswith(BEGINS)}
    assert len(lengths) == 1


def test_what_has_no_account_is_not_sealed(desk: Desk) -> None:
    desk.ok("QuoteRequestCreateCmd", quoteRequest={"quoteReqId": "R1", "symbol": "EUR/USD", "quantity": "1000000"})
    desk.ok("SettingsChangeCmd", changes={"risk.maxOpenOrders": {"*": "5"}, "dayEnd": "21:00"})
    assert [payload for payload in payloads(desk) if payload.startswith(BEGINS)] == []


def test_a_text_about_an_order_from_before_is_sealed_for_its_account(file: Path) -> None:
    early = desk_of(file, store__personalData="plain")
    order_id = early.given("UNACK", account=ACCOUNT)
    early.engine.close()
    desk = desk_of(file)
    desk.ok("OrderRejectCmd", orderId=order_id, text=SECRET)
    assert SECRET not in "\n".join(payloads(desk))
    assert desk.rows(("account_keys",))["account_keys"][0][1] == ACCOUNT
    assert desk.engine.history(order_id)[-1].payload.to_wire()["text"] == SECRET
    desk.engine.close()


def test_the_stream_of_erasures_has_no_other_events(desk: Desk) -> None:
    event = desk.engine.history(desk.given("REJ"))[-1]
    with pytest.raises(TypeError, match="OrderRejected is no event of erasure"):
        evolve_privacy(None, event)


def test_a_text_without_an_account_is_not_kept(desk: Desk) -> None:
    order_id = desk.given("REJ", account=ACCOUNT)
    erase(desk)
    rejected = OrderCancelRejected(cxl_rej_reason=CxlRejReason.OTHER, text=SECRET)
    last = desk.engine.history(order_id)[-1]
    with desk.engine._store.writing():
        desk.engine._store.append(
            [last.but(version=last.version + 1, position=last.position + 2, type=rejected.type, payload=rejected)]
        )
        desk.engine._store.commit()
    assert payloads(desk)[-1] == '{"cxlRejReason":99}'


@pytest.mark.parametrize("how", ["moved", "changed", "no text", "no mapping"])
def test_a_seal_that_does_not_fit_is_no_event(desk: Desk, how: str) -> None:
    desk.given("LIVE", account=ACCOUNT, text=SECRET)
    first = payloads(desk)[0]
    fields = json.loads(first)
    ((key, box),) = fields["sealed"].items()
    version = 2 if how == "moved" else 1
    made = {"changed": f"{box[:-8]}AAAAAAA=", "no text": 7}
    payload = json.dumps({**fields, "sealed": {key: made.get(how, box)} if how != "no mapping" else [key]})
    with pytest.raises(ValueError, match="what is sealed in it cannot be opened"):
        opened(desk.engine._store.connection, "order-o1", version, payload)


def test_a_store_whose_seal_was_changed_says_so(file: Path) -> None:
    desk = desk_of(file)
    order_id = desk.given("LIVE", account=ACCOUNT, text=SECRET)
    desk.engine.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE account_keys SET secret = zeroblob(32)")
        connection.execute("DELETE FROM snapshots")
        connection.commit()
    with Engine.open(str(file)) as engine:
        with pytest.raises(StoreUnavailable, match=r"event 1 \(OrderCreated\) cannot be read"):
            engine.history(order_id)
        assert not engine.verify().sound


# Copies


def test_an_export_has_no_keys_and_shows_what_they_seal_as_erased(file: Path, tmp_path: Path) -> None:
    desk = desk_of(file, store__hashChain="on")
    order_id = desk.given("LIVE", account=ACCOUNT, text=SECRET)
    lines = lines_of(desk)
    assert ACCOUNT.encode() not in b"".join(lines)
    copy = Desk(str(tmp_path / "copy.db"))
    with_random_ids(copy)
    copy.engine.import_archive(lines)
    assert copy.order(order_id) == desk.order(order_id).but(account=None, text=None)
    assert copy.engine.verify().findings == ()
    assert copy.rows(("events", "chain")) == desk.rows(("events", "chain"))
    assert lines_of(copy) == lines
    new = copy.given("REJ", account=ACCOUNT, text=SECRET, orderId="new", clOrdId="new")
    assert erase(copy).erased.orders == 1
    assert copy.order(new).account is None
    assert holds(tmp_path / "copy.db", ACCOUNT, SECRET) == []
    desk.engine.close()
    copy.engine.close()


def test_an_export_with_keys_is_the_whole_store_also_what_is_erased_in_it(file: Path) -> None:
    desk = desk_of(file)
    life(desk, ACCOUNT, SECRET)
    life(desk, OTHER, KEPT)
    erase(desk)
    copy = Desk()
    copy.engine.import_archive(lines_of(desk, with_keys=True))
    assert copy.rows(("events", "commands", "account_keys", *READ_MODEL)) == desk.rows(
        ("events", "commands", "account_keys", *READ_MODEL)
    )
    assert copy.engine.verify().findings == ()
    desk.engine.close()


@pytest.mark.parametrize("chained", ["on", "off"])
def test_an_import_seals_what_comes_in_plain(file: Path, chained: str) -> None:
    plain = Desk(store__hashChain=chained)
    with_random_ids(plain)
    busy(plain)
    life(plain, ACCOUNT, SECRET)
    desk = desk_of(file)
    desk.engine.import_archive(lines_of(plain))
    assert desk.rows(("commands", *READ_MODEL)) == plain.rows(("commands", *READ_MODEL))
    assert desk.engine.events(limit=10_000) == plain.engine.events(limit=10_000)
    verified = desk.engine.verify()
    assert verified.findings == ()
    assert (verified.chain is not None) == (chained == "on")
    erase(desk)
    erase(desk, f"{ACCOUNT}-X")
    assert holds(file, ACCOUNT, SECRET) == []
    rebuilt(desk)
    desk.engine.close()


def test_an_import_begins_a_chain_where_one_is_asked_for(file: Path) -> None:
    plain = Desk()
    plain.given("PART")
    desk = desk_of(file, store__hashChain="on")
    desk.engine.import_archive(lines_of(plain))
    verified = desk.engine.verify()
    assert verified.findings == ()
    assert verified.chain is not None
    assert (verified.chain.first, verified.chain.last) == (1, 4)
    desk.engine.close()


def test_a_store_that_was_sealed_late_is_imported_as_it_is(file: Path) -> None:
    early = desk_of(file, store__personalData="plain")
    early.given("REJ", account=OTHER)
    early.engine.close()
    desk = desk_of(file)
    desk.given("REJ", account=ACCOUNT, orderId="new", clOrdId="new")
    lines = lines_of(desk, with_keys=True)
    assert json.loads(lines[0])["sealedFrom"] == 4
    copy = Desk()
    copy.engine.import_archive(lines)
    assert lines_of(copy, with_keys=True) == lines
    assert erase(copy).erased.orders == 1
    desk.engine.close()


def test_a_seal_that_was_changed_is_not_imported(desk: Desk) -> None:
    desk.given("REJ", account=ACCOUNT)
    read = [json.loads(line) for line in lines_of(desk, with_keys=True)[:-1]]
    read[1]["secret"] = "00" * 32
    assert why_not_imported(sealed(read)).startswith('line 3, field "payload": what is sealed in it cannot be opened')


def test_a_backup_can_be_erased_like_the_store(desk: Desk, tmp_path: Path) -> None:
    desk.given("REJ", account=ACCOUNT, text=SECRET)
    desk.engine.backup(tmp_path / "copy.db")
    erase(desk)
    assert holds(tmp_path / "copy.db", ACCOUNT, SECRET) == [ACCOUNT, SECRET]
    copy = Desk(str(tmp_path / "copy.db"))
    with_random_ids(copy)
    erase(copy)
    copy.engine.close()
    assert holds(tmp_path / "copy.db", ACCOUNT, SECRET) == []


# Groups over accounts, and members whose account is not known


def test_a_group_over_accounts_keeps_what_belongs_to_none_of_them(desk: Desk) -> None:
    one, two = desk.given("NEW", account=ACCOUNT), desk.given("NEW", account=OTHER)
    group = desk.ok("OrderGroupCmd", memberOrderIds=[one, two], groupedBy="desk").id
    leaf = child(desk, group, "2000", account="DESK")
    desk.ok("OrderCancelCmd", orderId=group, text="of the desk")
    desk.ok("OrderCancelAcceptCmd", orderId=leaf)
    erase(desk)
    assert (desk.order(one).account, desk.order(two).account, desk.order(group).account) == (None, OTHER, "BLOCK")
    assert "of the desk" in {event.payload.to_wire().get("text") for event in desk.engine.history(group)}
    rebuilt(desk)


def test_members_whose_account_is_not_known_make_a_block(desk: Desk) -> None:
    names = members(desk, "100", "200", account=ACCOUNT)
    copy = Desk()
    with_random_ids(copy)
    copy.engine.import_archive(lines_of(desk))
    group = copy.ok("OrderGroupCmd", memberOrderIds=names, groupedBy="desk").id
    assert copy.order(group).account == "BLOCK"


def test_the_page_of_zeroed_bytes_is_set_back(desk: Desk) -> None:
    desk.given("REJ", account=ACCOUNT)
    connection = desk.engine._store.connection
    for name, number in (("OFF", 0), ("ON", 1), ("FAST", 2)):
        connection.execute(f"PRAGMA secure_delete = {name}")
        request = Request(ACCOUNT, random_id("CMD"), "me", None, desk.clock())
        erasure.erase(desk.engine._store, request, dry_run=True)
        assert connection.execute("PRAGMA secure_delete").fetchone()[0] == number


def test_many_streams_are_written_anew_in_parts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_STREAMS_AT_ONCE", 2)
    for _ in range(5):
        desk.given("REJ", account=ACCOUNT, text=SECRET)
    assert erase(desk).erased.orders == 5
    assert len(desk.engine.query(where=["account=null"]).content) == 5
    rebuilt(desk)


def test_what_waits_keeps_no_words_of_what_failed(desk: Desk) -> None:
    order_id = desk.given("REJ", account=ACCOUNT)
    connection = desk.engine._store.connection
    connection.execute(
        "INSERT INTO parked_events VALUES ('mine', ?, 1, ?, 1, '2026-01-02T09:30:00.000000Z')",
        (f"order-{order_id}", f"{ACCOUNT} is not mine"),
    )
    erase(desk)
    assert connection.execute("SELECT error FROM parked_events").fetchall() == [("erased",)]


# Whatever is sent


replaces = st.fixed_dictionaries(
    {
        "type": st.just("OrderReplaceCmd"),
        "orderId": order_ids,
        "clOrdId": st.sampled_from(["c4", "c5", "c6"]),
        "orderQty": st.sampled_from(["300", "1000", "2000"]),
    }
)
answers = st.fixed_dictionaries(
    {"type": st.sampled_from(["OrderReplaceAcceptCmd", "OrderReplaceRejectCmd"]), "orderId": order_ids}
)
anything = st.one_of(envelopes, envelopes, replaces, answers)


@settings(max_examples=25)
@given(sent=st.lists(anything, max_size=12), again=st.lists(anything, max_size=5))
def test_whatever_was_sent_an_erasure_leaves_nothing_and_a_rebuild_makes_the_same(
    sent: list[dict[str, Any]], again: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("sealed") / "oms.db"
    desk, plain = desk_of(file, store__hashChain="on"), Desk(snapshotEvery=2)
    with_random_ids(plain)
    plain.clock()  # a new file has asked for the time once
    for command in map(_personal, sent):
        assert desk.engine.execute(command).ok == plain.engine.execute(command).ok
    assert desk.rows(READ_MODEL) == plain.rows(READ_MODEL)
    rebuilt(desk)
    for order in desk.engine.query(where=["state__in=NEW,UNACK,LIVE"]).content:
        assert isinstance(order, Order)
        _end(desk, order)
    known = desk.engine.query(where=[f"account={ACCOUNT}"]).content
    if known:
        erase(desk)
    for command in map(_personal, again):
        if command["type"] != "OrderCreateCmd":
            desk.engine.execute(command)
    rebuilt(desk)
    desk.engine.compact()
    assert holds(file, ACCOUNT, SECRET) == []
    desk.engine.close()
    assert holds(file, ACCOUNT, SECRET) == []


def _personal(command: dict[str, Any]) -> dict[str, Any]:
    """The same command with an account and a text, where it takes them."""
    if command["type"] == "OrderCreateCmd":
        return {**command, "order": {**command["order"], "account": ACCOUNT, "text": SECRET}}
    takes = any(word in command["type"] for word in ("Cancel", "OrderReject", "ReplaceCmd", "ReplaceReject"))
    return {**command, "text": SECRET} if takes else command


def _end(desk: Desk, order: Order) -> None:
    """Let an order end by the shortest way."""
    if order.state == "NEW":
        desk.ok("OrderPlaceCmd", orderId=order.order_id)
    if order.state == "LIVE":
        desk.ok("OrderCancelAcceptCmd", orderId=order.order_id, unsolicited=True, text=SECRET)
    else:
        desk.ok("OrderRejectCmd", orderId=order.order_id, text=SECRET)
