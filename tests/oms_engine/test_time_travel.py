"""Is the past what it was? At every position, by version and by time, also while others write."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from oms_engine import Engine, Order, Refused
from oms_engine.engine import PastEngine
from oms_engine.record import instant_text
from oms_engine.storage import projections
from oms_engine.storage.paths import TIMES_GO_BACK, note_times
from oms_engine.storage.projections import refill
from oms_engine.storage.schema import CURRENT, run_script
from tests.oms_engine.desk import READ_MODEL, START, Clock, Desk, Row
from tests.oms_engine.test_tree_properties import TradingDay
from tests.oms_engine.trees import child, client, live_group

Rows = dict[str, list[Row]]


def rows_of(connection: sqlite3.Connection) -> Rows:
    return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in READ_MODEL}  # noqa: S608 - own names


def rows_at(engine: Engine, as_of: str) -> Rows:
    with engine.at(as_of) as then:
        then._store.show_rows()
        return rows_of(then._store.connection)


def rows_of_a_store_with(events: list[Row]) -> Rows:
    """The read model of a new store in which these events happened and nothing else."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        run_script(fresh, CURRENT)
        fresh.executemany(f"INSERT INTO events VALUES ({', '.join('?' * 11)})", events)  # noqa: S608 - marks
        refill(fresh)
        return rows_of(fresh)


class RememberedDay(TradingDay):
    """Random commands; what the store showed after each of them is what it still shows of that moment."""

    def __init__(self) -> None:
        self.shown: dict[int, Rows] = {}
        super().__init__()

    def look(self) -> None:
        super().look()
        self.shown[self.read] = self.desk.rows(READ_MODEL)

    def store_is_what_its_events_say(self) -> None:
        super().store_is_what_its_events_say()
        events = self.desk.rows(("events",))["events"]
        for position in range(self.read + 1):
            known = self.shown.get(position) or rows_of_a_store_with(events[:position])
            assert rows_at(self.desk.engine, f"p{position}") == known
        self.orders_are_what_they_were(len(events))

    def orders_are_what_they_were(self, last: int) -> None:
        with self.desk.engine.at(f"p{last // 2}") as then:
            for order in then.query(size=500).content:
                assert isinstance(order, Order)
                assert then.find(order.order_id) == order
                assert self.desk.engine.replay(order.order_id, order.version).order == order
                assert order in then.tree(order.order_id).orders


TestRememberedDay = RememberedDay.TestCase
TestRememberedDay.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


class RememberedLongDay(RememberedDay):
    """Many commands."""


TestRememberedLongDay = pytest.mark.slow(RememberedLongDay.TestCase)
TestRememberedLongDay.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


@pytest.fixture(params=["memory", "file"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(":memory:" if request.param == "memory" else str(tmp_path / "oms.db"))
    yield desk
    desk.engine.close()


def test_an_order_is_read_as_of_a_version_a_position_and_a_time(desk: Desk) -> None:
    order_id = desk.given("PART")
    desk.ok("OrderCancelCmd", orderId=order_id)
    events = desk.engine.history(order_id)
    for event in events:
        for as_of in (f"v{event.version}", f"p{event.position}"):
            with desk.engine.at(as_of, order_id=order_id) as then:
                assert then.find(order_id).version == event.version
                assert then.moment.name == f"p{event.position}"
                assert then.now() == event.recorded_at
                assert [one.version for one in then.history(order_id)] == [*range(1, event.version + 1)]
    with desk.engine.at(instant_text(events[2].recorded_at)) as then:
        assert then.find(order_id).state == "LIVE"
        assert then.executions(order_id) == []
    with desk.engine.at(instant_text(events[3].recorded_at - timedelta(microseconds=1))) as then:
        assert then.find(order_id).version == 3


def test_queries_trees_allocations_and_counts_are_those_of_the_moment(desk: Desk) -> None:
    root = client(desk)
    below = child(desk, root, "1000", "PART")
    moment = f"p{desk.engine.counts()['events']}"
    desk.fill(below, "700")
    live_group(desk, "5", "5")
    with desk.engine.at(moment) as then:
        assert then.counts() == {"orders": 2, "executions": 1, "events": int(moment[1:])}
        assert [order.order_id for order in then.query(where=["state=LIVE"], sort="id").content] == [root, below]  # type: ignore[attr-defined]
        assert [lot.quantity for lot in then.query(entity="allocation").content] == [300]  # type: ignore[attr-defined]
        assert [fill.last_qty for fill in then.query(entity="execution").content] == [300]  # type: ignore[attr-defined]
        assert then.query(entity="event").page.total_elements == int(moment[1:])
        tree = then.tree(root)
        assert [(order.order_id, order.cum_qty) for order in tree.orders] == [(root, 300), (below, 300)]
        assert then.check(order_id=below, path=["FILLED"]).valid
        assert then.pending_since(START + timedelta(days=1)) == []
        assert then.due(START + timedelta(days=1), day_orders=True) != []
    assert desk.engine.query(where=["state=LIVE"]).page.total_elements == 3


def test_quotes_and_settings_are_those_of_the_moment(desk: Desk) -> None:
    desk.ok("QuoteRequestCreateCmd", quoteRequest={"quoteReqId": "Q", "symbol": "IBM", "quantity": "100"})
    desk.ok("QuoteCreateCmd", quote={"quoteReqId": "Q", "quoteId": "q1", "price": "10", "quotedBy": "ann"})
    desk.ok("SettingsChangeCmd", changes={"maxOrderQty": "5000"})
    desk.ok("ReferencePriceCmd", symbol="IBM", price="10")
    last = desk.engine.counts()["events"]
    desk.ok("QuoteAcceptCmd", quoteId="q1")
    desk.ok("SettingsChangeCmd", changes={"maxOrderQty": "7000"})
    with desk.engine.at(f"p{last}") as then:
        assert [quote.state for quote in then.query(entity="quote").content] == ["QUOTED"]  # type: ignore[attr-defined]
        assert [each.state for each in then.query(entity="quote_request").content] == ["QUOTED"]  # type: ignore[attr-defined]
        assert then.settings.max_order_qty == 5000
        assert then.posted_prices == {"IBM": 10}
    with desk.engine.at(f"p{last - 2}") as then:
        assert then.settings.max_order_qty != 5000
        assert then.posted_prices == {}
    told = {event.type: desk.engine.changes(event) for event in desk.engine.events()}
    assert told["QuoteAccepted"]["quotes.q1"] == ("QUOTED", "ACCEPTED")
    assert told["QuoteAccepted"]["state"] == ("QUOTED", "ACCEPTED")
    assert told["ReferencePricePosted"] == {"referencePrices.IBM": (None, "10")}


def test_before_the_first_event_there_is_nothing_and_the_future_is_now(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    for as_of, told in (("p0", "p0"), ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.000000Z, before the first event")):
        with desk.engine.at(as_of) as then:
            assert then.counts() == {"orders": 0, "executions": 0, "events": 0}
            assert then.query().content == []
            assert then.get(order_id) is None
            with pytest.raises(Refused, match=f"did not exist yet at {told}"):
                then.find(order_id)
            with pytest.raises(Refused, match=f"did not exist yet at {told}"):
                then.tree(order_id)
    with desk.engine.at("2999-01-01T00:00:00+01:00") as then:
        assert then.find(order_id) == desk.engine.find(order_id)
        assert then.now() < datetime(2027, 1, 1, tzinfo=UTC)


def test_the_past_of_an_empty_store_is_empty(desk: Desk) -> None:
    with desk.engine.at("2026-01-01T00:00:00Z") as then:
        assert (then.moment.position, then.query().content) == (0, [])


def test_a_moment_may_be_a_datetime(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    created = desk.engine.history(order_id)[0].recorded_at
    with desk.engine.at(created) as past:
        assert past.find(order_id).version == 2
    with pytest.raises(Refused, match="has no offset from UTC"):
        desk.engine.at(created.replace(tzinfo=None))


@pytest.mark.parametrize("moment", [3, None, ["p1"]])
def test_a_moment_is_text_or_a_time(moment: object, desk: Desk) -> None:
    with pytest.raises(Refused, match="is no text; write 'p3456'"):
        desk.engine.at(moment)  # type: ignore[arg-type] # what is refused


@pytest.mark.parametrize(
    ("as_of", "order_id", "code", "words"),
    [
        ("p4", "", "OMS-VAL-005", "beyond the last event; the last position is p3"),
        ("p999999999999999999", "", "OMS-VAL-005", "beyond the last event"),
        ("v4", "o1", "OMS-VAL-005", "has no version 4; it has v1 to v3"),
        ("v0", "o1", "OMS-VAL-005", "has no version 0; it has v1 to v3"),
        ("v1", "o9", "OMS-ORDER-001", "does not exist"),
        ("v1", "", "OMS-VAL-004", "name the order, or give a position or a time"),
        ("yesterday", "", "OMS-VAL-004", "is no ISO-8601 instant"),
        ("2026-01-02T09:30:00", "", "OMS-VAL-004", "has no offset from UTC"),
        ("p-1", "", "OMS-VAL-004", "no moment"),
        ("p", "", "OMS-VAL-004", "no moment"),
        ("p9999999999999999999999", "", "OMS-VAL-005", "p999999999999999999... is beyond the last event"),
        ("v1", "settings", "OMS-VAL-004", 'v1 is a version, and "settings" is no order; give a position or a time'),
        ("v٣", "o1", "OMS-VAL-004", "no moment"),
    ],
)
def test_a_moment_that_there_was_not_is_refused(as_of: str, order_id: str, code: str, words: str, desk: Desk) -> None:
    desk.given("LIVE")
    with pytest.raises(Refused) as refused:
        desk.engine.at(as_of, order_id=order_id)
    assert refused.value.problem.error_code == code
    assert words in refused.value.problem.detail


def test_the_past_takes_no_commands(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    before = desk.rows()
    with desk.engine.at("v2", order_id=order_id) as then:
        for attempt in (
            lambda: then.execute({"type": "OrderAcceptCmd", "orderId": order_id}),
            lambda: then.preview({"type": "OrderAcceptCmd", "orderId": order_id}),
            lambda: then.execute_many([{"type": "OrderAcceptCmd", "orderId": order_id}]),
            then.verify,
            then.compact,
        ):
            with pytest.raises(Refused, match="p2 is the past, which is only read"):
                attempt()
    assert desk.rows() == before


def test_a_moment_that_is_being_looked_at_does_not_move(tmp_path: Path) -> None:
    path = str(tmp_path / "oms.db")
    desk = Desk(path)
    order_id = desk.given("LIVE")
    with desk.engine.at("v3", order_id=order_id) as then, Engine.open(path, clock=Clock()) as other:
        desk.fill(order_id, "1000")
        other.execute({"type": "OrderCloseCmd", "orderId": order_id})
        assert then.query().content == [then.find(order_id)]
        assert then.find(order_id).state == "LIVE"
    assert desk.order(order_id).state == "CLOSED"
    desk.engine.close()


def test_the_past_is_walked_by_cursor(desk: Desk) -> None:
    for _ in range(5):
        desk.given("LIVE", symbol="IBM")
    moment = f"p{desk.engine.counts()['events']}"
    for number in range(1, 4):
        desk.fill(f"o{number}", "1000")
    with desk.engine.at(moment) as then:
        seen: list[str] = []
        cursor: str | None = "*"
        while cursor:
            page = then.query(where=["state__in=LIVE,UNACK", "symbol__startswith=I"], size=2, cursor=cursor)
            seen += [order.order_id for order in page.content]  # type: ignore[attr-defined]
            cursor = page.next_cursor
    assert seen == ["o5", "o4", "o3", "o2", "o1"]


def test_a_long_stream_has_its_past_beside_its_snapshots(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path / "oms.db"), snapshotEvery=5)
    order_id = desk.given("LIVE")
    for _ in range(20):
        desk.fill(order_id, "10")
    with desk.engine.at("v9", order_id=order_id) as then:
        assert then.find(order_id) == desk.engine.replay(order_id, 9).order
        assert then.find(order_id).cum_qty == 60
        assert then.state_at(order_id, 4) == desk.engine.state_at(order_id, 4)
    desk.engine.close()


def test_what_changed_is_folded_in_portions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections, "_STREAMS_AT_ONCE", 2)
    orders = [desk.given("LIVE") for _ in range(5)]
    before = desk.rows(READ_MODEL)
    moment = f"p{desk.engine.counts()['events']}"
    for order_id in orders:
        desk.fill(order_id, "1000")
    assert rows_at(desk.engine, moment) == before


def times_put_back(desk: Desk) -> None:
    """Let the recorded times go back, as a file of an older program may have them."""
    connection = desk.engine._store.connection
    connection.execute("DROP TRIGGER events_are_not_changed")
    at = instant_text(START - timedelta(days=1))
    connection.execute("UPDATE events SET recorded_at = ? WHERE position = 4", (at,))
    note_times(connection)


def test_a_time_is_found_in_a_file_whose_times_go_back(desk: Desk) -> None:
    for _ in range(3):
        desk.given("UNACK")
    times_put_back(desk)
    facts = desk.engine._store.connection.execute("SELECT name, value FROM store_facts").fetchall()
    assert (TIMES_GO_BACK, "at position 4") in facts
    with desk.engine.at(instant_text(START - timedelta(hours=1))) as then:
        assert then.moment.position == 4
    with desk.engine.at("2020-01-01T00:00:00Z") as then:
        assert then.moment.position == 0
    with desk.engine.at(instant_text(START + timedelta(milliseconds=2))) as then:
        assert then.moment.position == 4


def test_an_order_is_replayed_to_a_version(desk: Desk) -> None:
    order_id = desk.given("PART")
    assert [desk.engine.replay(order_id, version).order.state for version in (1, 2, 3)] == ["NEW", "UNACK", "LIVE"]
    assert desk.engine.replay(order_id).order == desk.order(order_id)
    assert desk.engine.is_contiguous(order_id)
    for version in (0, 5, -1):
        with pytest.raises(Refused, match="it has v1 to v4") as refused:
            desk.engine.replay(order_id, version)
        assert refused.value.problem.error_code == "OMS-VAL-005"
    for ask in (desk.engine.replay, desk.engine.is_contiguous):
        with pytest.raises(Refused) as refused:
            ask("nobody")
        assert refused.value.problem.error_code == "OMS-ORDER-001"


def test_a_stream_with_a_gap_is_not_contiguous(desk: Desk) -> None:
    order_id = desk.given("LIVE")
    connection = desk.engine._store.connection
    connection.execute("DROP TRIGGER events_are_not_deleted")
    connection.execute("DELETE FROM events WHERE version = 2")
    assert not desk.engine.is_contiguous(order_id)


def test_every_event_tells_what_it_changed(desk: Desk) -> None:
    order_id = desk.given("PART")
    desk.ok("OrderReplaceCmd", orderId=order_id, clOrdId="r1", orderQty="2000")
    told: list[dict[str, Any]] = [desk.engine.changes(event) for event in desk.engine.history(order_id)]
    assert told[0]["state"] == (None, "NEW")
    assert told[1] == {"state": ("NEW", "UNACK")}
    assert told[3]["cumQty"] == ("0", "300")
    assert told[4]["clOrdId"] == ("c1", "r1")
    assert told[4]["cancelState"] == (None, "PMOD")


def test_the_past_is_an_engine(desk: Desk) -> None:
    with desk.engine.at("p0") as then:
        assert isinstance(then, PastEngine)
        assert then.mode == desk.engine.mode
        assert then.check(path=["NEW"]).valid


def test_the_order_of_a_request_is_found_by_session_and_client_order_id() -> None:
    desk = Desk()
    order_id = desk.given("LIVE")
    clord = desk.engine.find(order_id).cl_ord_id
    before = f"p{desk.engine.counts()['events']}"
    assert desk.do("OrderCancelCmd", orderId=order_id, clOrdId="CANCEL-1").ok
    for request in (clord, "CANCEL-1"):
        found = desk.engine.order_of_request("S1", request)
        assert found is not None
        assert found.order_id == order_id
        assert desk.engine.order_of_request("S2", request) is None
    with desk.engine.at(before) as then:
        assert then.order_of_request("S1", "CANCEL-1") is None
        assert then.order_of_request("S1", clord) == then.find(order_id)
