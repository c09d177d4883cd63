"""Do settings change while the engine runs, is each change told with its actor, and is nothing else changed?"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from oms_engine import Engine, Settings, StoredEvent
from oms_engine.domain.decider.streams import evolve_settings
from oms_engine.domain.events import OrderClosed
from oms_engine.domain.model import SettingsState
from oms_engine.domain.rules.settings import MAX_CHANGES, MAX_VALUE
from oms_engine.settings import FIXED_AT_OPENING
from tests.oms_engine.desk import Desk

VAL1, VAL2, VAL3, VAL4, VAL5 = (f"OMS-VAL-00{n}" for n in range(1, 6))

Violations = list[tuple[str, str, str]]


def change(desk: Desk, /, **fields: object) -> Any:  # noqa: ANN401 - the result of a command
    return desk.ok("SettingsChangeCmd", **fields)


def refusal(desk: Desk, kind: str, /, **fields: object) -> Violations:
    problem = desk.refused(kind, **fields)
    return [(found.rule_id, found.code, found.field) for found in problem.violations]


def told(desk: Desk) -> list[StoredEvent]:
    """The events of the stream of the settings, in order of version."""
    return [event for event in desk.engine.events() if event.stream_id == "settings"]


def folded(desk: Desk) -> SettingsState:
    state = SettingsState()
    for event in told(desk):
        state = evolve_settings(state, event)
    return state


def test_a_change_counts_for_the_orders_that_come_later(desk: Desk) -> None:
    earlier = desk.create(orderQty="501")
    result = change(desk, changes={"maxOrderQty": "500"})
    assert (result.id, result.version) == ("settings", 1)
    assert refusal(desk, "OrderCreateCmd", order=desk.asked(orderQty="501")) == [("ORD-14", VAL5, "orderQty")]
    assert desk.create(orderQty="500").ok
    assert desk.order(earlier.id).order_qty == 501
    change(desk, changes={"maxOrderQty": "501"})
    assert desk.create(orderQty="501").ok


def test_the_lifecycle_of_later_commands_is_the_one_that_is_set(desk: Desk) -> None:
    order_id = desk.given("NEW")
    assert refusal(desk, "OrderRejectCmd", orderId=order_id) == [("END-01", "OMS-STATE-001", "orderId")]
    change(desk, changes={"lifecycle.profile": "desk"})
    assert desk.do("OrderRejectCmd", orderId=order_id).ok


def test_each_change_is_an_event_with_its_actor_in_the_order_of_the_keys(desk: Desk) -> None:
    changes = {"whack.fourEyes": False, "routing": "manual", "tickSize": "0.05", "staleExecutionHours": "24"}
    result = change(desk, changes=changes, actor="dora")
    assert [(event.type, event.stream_id, event.version) for event in result.events] == [
        ("SettingsChanged", "settings", version) for version in (1, 2, 3, 4)
    ]
    assert {event.actor for event in told(desk)} == {"dora"}
    assert [event.payload.to_wire() for event in told(desk)] == [
        {"key": "routing", "old": "auto", "new": "manual"},
        {"key": "staleExecutionHours", "new": "24"},
        {"key": "tickSize", "old": {}, "new": {"*": "0.05"}},
        {"key": "whack.fourEyes", "old": True, "new": False},
    ]


def test_what_has_the_value_already_is_no_change(desk: Desk) -> None:
    change(desk, changes={"maxOrderQty": "10000000.0", "routing": "manual", "tickSize": "none"})
    assert [event.payload.to_wire()["key"] for event in told(desk)] == ["routing"]


def test_a_change_can_take_a_limit_away_again(desk: Desk) -> None:
    change(desk, changes={"staleExecutionHours": "24", "risk.maxOrderQty": "100"})
    change(desk, changes={"staleExecutionHours": "off", "risk.maxOrderQty": None})
    assert folded(desk).values == {"staleExecutionHours": None, "risk.maxOrderQty": {}}
    assert desk.engine.settings.stale_execution_hours is None
    assert desk.engine.settings.risk_max_order_qty == {}


def test_a_change_keeps_what_was_set_before(desk: Desk) -> None:
    desk = Desk(maxOrderQty="600", tickSize="0.5")
    change(desk, changes={"routing": "manual"})
    change(desk, changes={"tickSize": {"IBM": "0.25"}})
    assert desk.engine.settings == Settings.of({"maxOrderQty": "600", "tickSize": {"IBM": "0.25"}, "routing": "manual"})


OTHER_VALUES: dict[str, object] = {
    "lifecycle.profile": "matrix",
    "routing": "manual",
    "maxOrderQty": "5.50",
    "staleExecutionHours": 24,
    "tickSize": {"IBM": "0.01", "*": "0.05"},
    "allowNonPositivePrice": "DERIVATIVE,FUND",
    "currencies": ["EUR", "CHF"],
    "digitalAssets": ["BTC"],
    "equity.lotSize": 10,
    "equity.lotRule": "reject",
    "equity.requireLocate": False,
    "fx.minNotional": "0",
    "grouping.maxMembers": 2,
    "grouping.crossAccount": "approve",
    "grouping.allocationUnit": "0.01",
    "pendingTimeoutSeconds": 1,
    "dayEnd": "17:30",
    "risk.maxOrderQty": {"symbol:IBM": "5"},
    "risk.maxNotional": "1000000",
    "risk.collarPercent": {"*": "5"},
    "risk.restrictedSymbols": {"account:A": ["TSLA", "IBM"]},
    "risk.maxOpenOrders": 3,
    "risk.maxGrossNotional": {"account:A": "1000"},
    "risk.killSwitch": "on",
    "risk.maxCommandsPerSecond": 5,
    "risk.referencePrice": {"IBM": "100"},
    "whack.fourEyes": False,
    "whack.levels": "1,2,3",
    "approvers": {"bob": "RISK_COMMITTEE"},
    "roles": {"OrderCreateCmd": ["ann"]},
}
"""Every setting that can change, with a value that is not its default."""


def test_the_table_has_every_setting_that_can_change() -> None:
    assert set(OTHER_VALUES) == set(Settings.names()) - FIXED_AT_OPENING


@pytest.mark.parametrize("key", OTHER_VALUES)
def test_every_setting_changes_and_changes_back(desk: Desk, key: str) -> None:
    default = desk.engine.settings.to_wire()[key]
    change(desk, changes={key: OTHER_VALUES[key]})
    now = desk.engine.settings.to_wire()[key]
    assert now == Settings.of({key: OTHER_VALUES[key]}).to_wire()[key] != default
    change(desk, changes={key: default})
    assert desk.engine.settings.to_wire()[key] == default
    assert [(event.payload.to_wire().get("old"), event.payload.to_wire().get("new")) for event in told(desk)] == [
        (default, now),
        (now, default),
    ]


@pytest.mark.parametrize(
    ("fields", "expected", "words"),
    [
        ({}, [("SET-01", VAL3, "changes")], "at least one setting"),
        ({"changes": {}}, [("SET-01", VAL3, "changes")], "at least one setting"),
        ({"changes": "routing"}, [("ENV-06", VAL4, "changes")], "changes"),
        (
            {"changes": {"rooting": "auto"}},
            [("SET-01", VAL4, "changes")],
            '"rooting" is unknown; did you mean routing?',
        ),
        (
            {"changes": {"xyz": 1, "abc": 2}},
            [("SET-01", VAL4, "changes")],
            '"xyz" (and 1 more) is unknown; valid: life',
        ),
        ({"changes": {"query.maxSize": 5}}, [("SET-01", VAL4, "changes")], "query.maxSize shapes the process"),
        ({"changes": {"store.hashChain": False}}, [("SET-01", VAL4, "changes")], "a chain that was started stays"),
        (
            {"changes": {"query.defaultSize": 5, "nothing": 1}},
            [("SET-01", VAL4, "changes"), ("SET-01", VAL4, "changes")],
            '"nothing" is unknown',
        ),
        (
            {"changes": {f"x{n}": n for n in range(MAX_CHANGES + 1)}},
            [("SET-01", VAL5, "changes")],
            f"names {MAX_CHANGES + 1} settings",
        ),
        ({"changes": {"routing": "fast"}}, [("SET-02", VAL4, "changes")], "use one of 'auto', 'manual'"),
        ({"changes": {"maxOrderQty": "many"}}, [("SET-02", VAL4, "changes")], "plain decimal"),
        ({"changes": {"maxOrderQty": None}}, [("SET-02", VAL4, "changes")], "no decimal"),
        ({"changes": {"dayEnd": "24:00"}}, [("SET-02", VAL4, "changes")], "dayEnd cannot be"),
        ({"changes": {"risk.maxNotional": {"IBM": "5"}}}, [("SET-02", VAL4, "changes")], '"IBM" is no scope'),
        ({"changes": {"approvers": {"bob": "CEO"}}}, [("SET-02", VAL4, "changes")], "'SENIOR_TRADER'"),
        ({"changes": {"roles": {"OrderCreatCmd": ["ann"]}}}, [("SET-02", VAL4, "changes")], "mean OrderCreateCmd?"),
        ({"changes": {"maxOrderQty": "0"}}, [("SET-02", VAL5, "changes")], "above 0"),
        ({"changes": {"grouping.maxMembers": 101}}, [("SET-02", VAL5, "changes")], "give 100 or less"),
        ({"changes": {"grouping.maxMembers": 1}}, [("SET-02", VAL5, "changes")], "give 2 or more"),
        ({"changes": {"whack.levels": "3,2,1"}}, [("SET-02", VAL5, "changes")], "ascending order"),
        ({"changes": {"risk.maxOpenOrders": "-1"}}, [("SET-02", VAL5, "changes")], "limits of 0 or more"),
        ({"changes": {"tickSize": {"IBM": "-0.01"}}}, [("SET-02", VAL5, "changes")], "above 0"),
        (
            {"changes": {"roles": {"OrderCreateCmd": ["x" * MAX_VALUE]}}},
            [("SET-02", VAL5, "changes")],
            f"at most {MAX_VALUE}",
        ),
        ({"changes": {"routing": "auto"}}, [("SET-02", VAL1, "changes")], "nothing differs"),
        ({"changes": {"maxOrderQty": 10_000_000, "tickSize": {}}}, [("SET-02", VAL1, "changes")], "nothing differs"),
        ({"changes": {"routing": "manual"}, "setting": "x"}, [("ENV-02", VAL2, "setting")], "setting"),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(
    desk: Desk, fields: dict[str, object], expected: Violations, words: str
) -> None:
    before = desk.engine.settings
    problem = desk.refused("SettingsChangeCmd", **fields)
    assert [(found.rule_id, found.code, found.field) for found in problem.violations] == expected
    assert words in problem.detail
    assert desk.engine.settings == before


def test_one_impossible_value_takes_the_good_ones_with_it(desk: Desk) -> None:
    assert refusal(desk, "SettingsChangeCmd", changes={"routing": "manual", "maxOrderQty": "-1"}) == [
        ("SET-02", VAL5, "changes")
    ]
    assert desk.engine.settings.routing == "auto"
    assert told(desk) == []


def test_a_change_names_the_version_of_the_settings_that_it_was_made_for(desk: Desk) -> None:
    change(desk, changes={"maxOrderQty": "500"})
    other = {"maxOrderQty": "600"}
    assert refusal(desk, "SettingsChangeCmd", changes=other, expectedVersion=2) == [
        ("ENV-04", "OMS-LOCK-001", "expectedVersion")
    ]
    assert change(desk, changes=other, expectedVersion=1).version == 2


def test_a_preview_of_a_change_changes_nothing(desk: Desk) -> None:
    result = desk.engine.preview({"type": "SettingsChangeCmd", "changes": {"maxOrderQty": "5"}})
    assert result.ok
    assert desk.engine.settings.max_order_qty == 10_000_000
    assert told(desk) == []
    assert desk.create(orderQty="6").ok


def test_the_same_command_sent_again_changes_nothing_again(desk: Desk) -> None:
    first = change(desk, changes={"maxOrderQty": "5"}, commandId="K1")
    again = change(desk, changes={"maxOrderQty": "5"}, commandId="K1")
    assert (again.duplicate, again.id, again.events) == (True, "settings", first.events)
    assert len(told(desk)) == 1


def test_roles_that_are_set_hold_from_the_next_command_on(desk: Desk) -> None:
    change(desk, changes={"roles": {"SettingsChangeCmd": ["dora"], "OrderCreateCmd": ["ann"]}})
    assert refusal(desk, "OrderCreateCmd", order=desk.asked()) == [("ENV-08", "OMS-AUTH-003", "actor")]
    assert desk.do("OrderCreateCmd", order=desk.asked(), actor="ann").ok
    assert refusal(desk, "SettingsChangeCmd", changes={"roles": {}}) == [("ENV-08", "OMS-AUTH-003", "actor")]
    change(desk, changes={"roles": {}}, actor="dora")
    assert desk.create().ok


def test_what_was_set_is_set_when_the_file_is_opened_again(tmp_path: Path) -> None:
    file = str(tmp_path / "orders.db")
    first = Desk(file)
    change(first, changes={"maxOrderQty": "500", "staleExecutionHours": "24"})
    change(first, changes={"staleExecutionHours": None})
    first.ok("ReferencePriceCmd", symbol="IBM", price="90")
    first.engine.close()
    second = Desk(file)
    assert second.engine.settings == Settings.of({"maxOrderQty": "500", "staleExecutionHours": None})
    assert refusal(second, "OrderCreateCmd", order=second.asked(orderQty="501")) == [("ORD-14", VAL5, "orderQty")]
    change(second, changes={"risk.collarPercent": "10"}, commandId="K1")  # a second desk counts its ids anew
    assert refusal(second, "OrderCreateCmd", order=second.asked(price="100", orderQty="1")) == [
        ("RSK-03", "OMS-RISK-003", "price")
    ]
    second.engine.close()


def test_another_engine_on_the_same_file_sees_what_is_set(tmp_path: Path) -> None:
    file = str(tmp_path / "orders.db")
    one, other = Desk(file), Desk(file)
    change(one, changes={"maxOrderQty": "500"}, commandId="K1")
    assert refusal(other, "OrderCreateCmd", order=other.asked(orderQty="501")) == [("ORD-14", VAL5, "orderQty")]
    for desk in (one, other):
        desk.engine.close()


def test_a_change_counts_within_its_batch_and_goes_with_it(desk: Desk) -> None:
    limit = {"type": "SettingsChangeCmd", "changes": {"maxOrderQty": "500"}}
    batch = desk.engine.execute_many([limit, {"type": "OrderCreateCmd", "order": desk.asked()}], atomic=True)
    assert [outcome.result.ok for outcome in batch.outcomes] == [True, False]
    assert batch.rolled_back
    assert told(desk) == []
    assert desk.create(orderQty="501").ok


def test_a_posted_price_is_the_reference_from_then_on(desk: Desk) -> None:
    desk = Desk(risk__collarPercent="10", risk__referencePrice={"IBM": "200"})
    assert refusal(desk, "OrderCreateCmd", order=desk.asked(price="100")) == [("RSK-03", "OMS-RISK-003", "price")]
    result = desk.ok("ReferencePriceCmd", symbol="IBM", price="100.50", actor="feed")
    assert (result.id, result.version) == ("settings", 3)
    event = told(desk)[-1]
    assert (event.type, event.actor, event.payload.to_wire()) == (
        "ReferencePricePosted",
        "feed",
        {"symbol": "IBM", "price": "100.5"},
    )
    assert desk.create(price="100").ok
    desk.ok("ReferencePriceCmd", symbol="IBM", price="50")
    assert refusal(desk, "OrderCreateCmd", order=desk.asked(price="100")) == [("RSK-03", "OMS-RISK-003", "price")]
    assert desk.create(price="100", symbol="MSFT").ok
    assert folded(desk).prices == {"IBM": 50}


def test_the_same_price_can_be_posted_again_and_settings_and_prices_share_a_stream(desk: Desk) -> None:
    desk.ok("ReferencePriceCmd", symbol="IBM", price="50")
    change(desk, changes={"routing": "manual"})
    desk.ok("ReferencePriceCmd", symbol="IBM", price="50")
    assert [event.version for event in told(desk)] == [1, 2, 3]
    assert folded(desk) == SettingsState(version=3, values={"routing": "manual"}, prices={"IBM": 50})  # type: ignore[dict-item] # a Decimal equals its whole number


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"price": "5"}, [("SET-03", VAL3, "symbol")]),
        ({"symbol": " ", "price": "5"}, [("SET-03", VAL3, "symbol")]),
        ({"symbol": "x" * 33, "price": "5"}, [("SET-03", VAL5, "symbol")]),
        ({"symbol": "x" * 1_000, "price": "5"}, [("SET-03", VAL5, "symbol")]),
        ({"symbol": "IBM"}, [("SET-03", VAL3, "price")]),
        ({"symbol": "IBM", "price": "0"}, [("SET-03", VAL5, "price")]),
        ({"symbol": "IBM", "price": "-1"}, [("SET-03", VAL5, "price")]),
        ({"symbol": "IBM", "price": "1.123456789"}, [("ORD-17", VAL5, "price")]),
        ({"symbol": "IBM", "price": "cheap"}, [("ENV-06", VAL4, "price")]),
        ({}, [("SET-03", VAL3, "symbol"), ("SET-03", VAL3, "price")]),
    ],
)
def test_a_price_that_is_none_is_not_posted(desk: Desk, fields: dict[str, object], expected: Violations) -> None:
    assert refusal(desk, "ReferencePriceCmd", **fields) == expected


def test_no_asset_class_has_a_reference_price_of_zero(desk: Desk) -> None:
    desk = Desk(allowNonPositivePrice="EQUITY")
    assert refusal(desk, "ReferencePriceCmd", symbol="IBM", price="0") == [("SET-03", VAL5, "price")]
    desk.ok("ReferencePriceCmd", symbol="x" * 32, price="0.00000001")


def test_an_event_of_another_kind_of_stream_is_a_mistake(desk: Desk) -> None:
    desk.ok("ReferencePriceCmd", symbol="IBM", price="50")
    [posted] = told(desk)
    with pytest.raises(TypeError, match="OrderClosed is no event of the settings"):
        evolve_settings(None, posted.model_copy(update={"payload": OrderClosed()}))


def test_two_engines_that_open_one_file_with_the_same_settings_both_open(tmp_path: Path) -> None:
    url = str(tmp_path / "orders.db")
    Engine.open(url).close()
    wanted = {"maxOrderQty": "500", "routing": "manual"}
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(lambda _: Engine.open(url, settings=wanted), range(4)))
    assert [engine.settings.routing for engine in engines] == ["manual"] * 4
    assert len(engines[0].events()) == 2
    for engine in engines:
        engine.close()


def test_an_empty_list_of_roles_leaves_a_command_to_everybody(desk: Desk) -> None:
    change(desk, changes={"roles": {"SettingsChangeCmd": []}})
    change(desk, changes={"routing": "manual"})


def test_a_preview_answers_as_the_command_would_when_the_pace_is_used_up(desk: Desk) -> None:
    desk = Desk(risk__maxCommandsPerSecond="1")
    assert desk.create().ok
    envelope = {"type": "OrderCreateCmd", "order": desk.asked()}
    previewed, done = desk.engine.preview(envelope), desk.engine.execute(envelope)
    assert previewed.error is not None
    assert done.error is not None
    assert previewed.error.error_code == done.error.error_code == "OMS-RISK-008"


def test_settings_that_are_not_kept_hold_for_their_engine_only_and_store_nothing(tmp_path: Path) -> None:
    url = str(tmp_path / "orders.db")
    with Engine.open(url, settings={"routing": "manual"}) as desk:
        with Engine.open(url, settings={"routing": "auto", "maxOrderQty": "5"}, keep_settings=False) as reader:
            assert (reader.settings.routing, reader.settings.max_order_qty) == ("auto", 5)
            assert len(reader.events()) == 1
        assert desk.settings.routing == "manual"
