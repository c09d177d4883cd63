import pytest

from oms_engine import Engine, Settings, SettingsError


def test_an_unknown_setting_is_refused_with_the_nearest_and_all_valid_names() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.of({"rooting": "manual"})
    assert str(caught.value).startswith('setting "rooting" is unknown; did you mean routing? valid: lifecycle.profile,')
    with pytest.raises(SettingsError, match=r'^setting "xyzzy" is unknown; valid: lifecycle\.profile,'):
        Settings.of({"xyzzy": "manual"})


def test_the_defaults_are_those_of_the_specification() -> None:
    defaults = Settings().to_wire()
    currencies, digital_assets = defaults.pop("currencies"), defaults.pop("digitalAssets")
    assert {"CHF", "EUR", "GBP", "JPY", "USD"} <= set(currencies)
    assert currencies == sorted(set(currencies))
    assert all(len(code) == 3 and code.isupper() for code in currencies)
    assert {"BTC", "ETH"} <= set(digital_assets)
    assert digital_assets == sorted(set(digital_assets) - set(currencies))
    assert defaults == {
        "lifecycle.profile": "standard",
        "routing": "auto",
        "maxOrderQty": "10000000",
        "staleExecutionHours": None,
        "tickSize": {},
        "allowNonPositivePrice": [],
        "equity.lotSize": "100",
        "equity.lotRule": "warn",
        "equity.requireLocate": True,
        "fx.minNotional": "10000",
        "grouping.maxMembers": 100,
        "grouping.crossAccount": "allow",
        "grouping.allocationUnit": "1",
        "pendingTimeoutSeconds": 120,
        "dayEnd": None,
        "risk.maxOrderQty": {},
        "risk.maxNotional": {},
        "risk.collarPercent": {},
        "risk.restrictedSymbols": {},
        "risk.maxOpenOrders": {},
        "risk.maxGrossNotional": {},
        "risk.killSwitch": False,
        "risk.maxCommandsPerSecond": None,
        "risk.referencePrice": {},
        "whack.fourEyes": True,
        "whack.levels": ["0", "50000", "500000"],
        "approvers": {},
        "roles": {},
        "query.defaultSize": 50,
        "query.maxSize": 500,
        "snapshotEvery": 100,
        "store.synchronous": "FULL",
        "store.hashChain": False,
        "store.personalData": "plain",
        "store.cachedStreams": 5000,
        "outbox.enabled": False,
        "outbox.pollMs": 200,
        "outbox.batch": 100,
        "outbox.maxAttempts": 10,
        "stream.queue": 1000,
        "stream.heartbeatSeconds": 15,
    }
    assert set(Settings.names()) == set(Settings().to_wire())


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("lifecycle.profile", "desk", "desk"),
        ("allowNonPositivePrice", "FUND, DERIVATIVE", ["FUND", "DERIVATIVE"]),
        ("digitalAssets", '["ETH", "BTC"]', ["BTC", "ETH"]),
        ("digitalAssets", "none", []),
        ("currencies", "USD,EUR", ["EUR", "USD"]),
        ("equity.lotSize", "1", "1"),
        ("equity.requireLocate", "off", False),
        ("fx.minNotional", "0", "0"),
        ("dayEnd", "22:00", "22:00"),
        ("dayEnd", "off", None),
        ("risk.killSwitch", "on", True),
        ("risk.maxOrderQty", "500", {"*": "500"}),
        ("risk.maxOrderQty", "off", {}),
        ("risk.maxNotional", '{"symbol:IBM": "1000", "account:ACC": 5}', {"symbol:IBM": "1000", "account:ACC": "5"}),
        ("risk.restrictedSymbols", "IBM, BTC", {"*": ["BTC", "IBM"]}),
        ("risk.restrictedSymbols", '{"account:ACC": ["IBM"]}', {"account:ACC": ["IBM"]}),
        ("risk.restrictedSymbols", "", {}),
        ("risk.maxCommandsPerSecond", "off", None),
        ("maxOrderQty", "5.50", "5.5"),
        ("maxOrderQty", 7, "7"),
        ("staleExecutionHours", "24", "24"),
        ("staleExecutionHours", "off", None),
        ("staleExecutionHours", None, None),
        ("tickSize", "0.05", {"*": "0.05"}),
        ("tickSize", "none", {}),
        ("tickSize", '{"IBM": "0.01", "*": "0.05"}', {"IBM": "0.01", "*": "0.05"}),
        ("whack.levels", "1, 2,3", ["1", "2", "3"]),
        ("whack.levels", "[1, 1, 1]", ["1", "1", "1"]),
        ("whack.fourEyes", "false", False),
        ("approvers", '{"bob": "RISK_COMMITTEE"}', {"bob": "RISK_COMMITTEE"}),
        ("roles", '{"OrderCreateCmd": ["ann"]}', {"OrderCreateCmd": ["ann"]}),
        ("query.defaultSize", "10", 10),
    ],
)
def test_a_setting_may_come_as_text_of_a_command_line(name: str, text: object, kept: object) -> None:
    assert Settings.of({name: text}).to_wire()[name] == kept


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("allowNonPositivePrice", "STOCKS", "'EQUITY'"),
        ("equity.lotSize", "0", "above 0"),
        ("equity.lotRule", "maybe", "use one of 'off', 'warn', 'reject'"),
        ("equity.requireLocate", "perhaps", "use true or false"),
        ("fx.minNotional", "-0.01", "give 0 or more"),
        ("grouping.maxMembers", 1, "give 2 or more"),
        ("grouping.maxMembers", 101, "give 100 or less"),
        ("grouping.crossAccount", "ask", "use one of 'allow', 'approve'"),
        ("grouping.allocationUnit", "0", "above 0"),
        ("pendingTimeoutSeconds", 0, "give 1 or more"),
        ("dayEnd", "24:00", "HH:MM"),
        ("risk.maxNotional", '{"symbol:IBM": "1e3"}', "plain decimal"),
        ("risk.maxNotional", {"IBM": "1"}, "use *, symbol:name or account:name"),
        ("risk.maxOpenOrders", "-1", "0 or more"),
        ("risk.restrictedSymbols", {"IBM": ["x"]}, "no scope"),
        ("risk.referencePrice", {"IBM": "0"}, "above 0"),
        ("risk.maxCommandsPerSecond", "0", "above 0"),
        ("lifecycle.profile", "loose", "'standard'"),
        ("routing", "fast", "use one of 'auto', 'manual'"),
        ("maxOrderQty", "0", "above 0"),
        ("maxOrderQty", "many", "plain decimal"),
        ("maxOrderQty", "0.123456789", "at most 18 digits before and 8 after"),
        ("risk.maxNotional", {"*": "1" * 19}, "at most 18 digits before and 8 after"),
        ("staleExecutionHours", "-1", "above 0"),
        ("tickSize", "0", "above 0"),
        ("tickSize", {"IBM": "-0.01"}, "above 0"),
        ("tickSize", "{broken", "well-formed json"),
        ("whack.levels", "3,2,1", "ascending order"),
        ("whack.levels", "-1,2,3", "ascending order"),
        ("whack.levels", "1,2", "give every value"),
        ("approvers", {"bob": "CEO"}, "'SENIOR_TRADER'"),
        ("whack.fourEyes", "perhaps", "use true or false"),
        ("query.maxSize", "abc", "use a whole number"),
        ("staleExecutionHours", "1000001", "at most 1000000 hours"),
        ("query.maxSize", 0, "give 1 or more"),
    ],
)
def test_an_impossible_value_is_refused_with_its_setting(name: str, value: object, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.of({name: value})
    assert str(refused.value).startswith(f"setting {name} cannot be ")
    assert words in str(refused.value) or words in str(refused.value).lower()


def test_a_default_page_is_not_larger_than_the_largest() -> None:
    with pytest.raises(SettingsError, match=r"query.defaultSize 600 is above query.maxSize 500"):
        Settings.of({"query.defaultSize": 600})


def test_a_misspelt_command_protects_nothing_and_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"OrderCreatCmd.*did you mean OrderCreateCmd"):
        Engine.open(settings={"roles": {"OrderCreatCmd": ["ann"]}})
