import pytest

from oms_engine import Engine, Settings, SettingsError


def test_an_unknown_setting_is_refused_with_the_nearest_and_all_valid_names() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.of({"rooting": "manual"})
    assert str(caught.value).startswith('setting "rooting" is unknown; did you mean routing? valid: lifecycle.profile,')
    with pytest.raises(SettingsError, match=r'^setting "xyzzy" is unknown; valid: lifecycle\.profile,'):
        Settings.of({"xyzzy": "manual"})


def test_the_defaults_are_those_of_the_specification() -> None:
    assert Settings().to_wire() == {
        "lifecycle.profile": "standard",
        "routing": "auto",
        "maxOrderQty": "10000000",
        "staleExecutionHours": None,
        "tickSize": {},
        "whack.fourEyes": True,
        "whack.levels": ["0", "50000", "500000"],
        "approvers": {},
        "roles": {},
        "query.defaultSize": 50,
        "query.maxSize": 500,
    }
    assert set(Settings.names()) == set(Settings().to_wire())


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
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
        ("lifecycle.profile", "desk", "'standard'"),
        ("routing", "fast", "use one of 'auto', 'manual'"),
        ("maxOrderQty", "0", "above 0"),
        ("maxOrderQty", "many", "plain decimal"),
        ("staleExecutionHours", "-1", "above 0"),
        ("tickSize", "0", "above 0"),
        ("tickSize", {"IBM": "-0.01"}, "above 0"),
        ("tickSize", "{broken", "plain decimal"),
        ("whack.levels", "3,2,1", "ascending order"),
        ("whack.levels", "-1,2,3", "ascending order"),
        ("whack.levels", "1,2", "field required"),
        ("approvers", {"bob": "CEO"}, "'SENIOR_TRADER'"),
        ("whack.fourEyes", "perhaps", "use true or false"),
        ("query.maxSize", "abc", "use a whole number"),
        ("staleExecutionHours", "1000001", "at most 1000000 hours"),
        ("query.maxSize", 0, "greater than or equal to 1"),
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
