import pytest

from oms_engine import Settings, SettingsError


def test_an_unknown_setting_is_refused_with_the_nearest_and_all_valid_names() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.of({"rooting": "manual"})
    assert str(caught.value).startswith('setting "rooting" is unknown; did you mean routing? valid: lifecycle.profile,')
    with pytest.raises(SettingsError, match=r'^setting "xyzzy" is unknown; valid: lifecycle\.profile,'):
        Settings.of({"xyzzy": "manual"})
