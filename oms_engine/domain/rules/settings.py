"""What must hold before settings are changed while running, and before a reference price is posted?"""

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from oms_engine.domain.commands import COMMANDS, ReferencePriceCmd, SettingsChangeCmd
from oms_engine.domain.rules.envelope import texts_and_numbers_fit
from oms_engine.domain.rules.facts import Facts, rule
from oms_engine.errors import SettingsError, shown
from oms_engine.framework.validation import Rule
from oms_engine.record import canonical_json
from oms_engine.settings import FIXED_AT_OPENING, Settings

ChangeFacts = Facts[SettingsChangeCmd]
PriceFacts = Facts[ReferencePriceCmd]

MAX_CHANGES = 50
"""Most settings that one command changes."""

MAX_VALUE = 100_000
"""Most characters of one setting as JSON."""

MAX_SYMBOL = 32
"""Most characters of the symbol of a reference price."""

_OUT_OF_BOUNDS = {"greater_than_equal", "less_than_equal"}


def misspelt_roles(settings: Settings) -> str | None:
    """What is wrong with the setting roles: a misspelt command in it would protect nothing. None when nothing is."""
    for name in settings.roles:
        if name not in COMMANDS:
            near = difflib.get_close_matches(name[:64], COMMANDS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            return f"setting roles names {shown(name)}, which is no command; {hint}valid: {', '.join(COMMANDS)}"
    return None


class Difference(NamedTuple):
    """A setting before and after a change, both as they stand on the wire."""

    key: str
    old: Any
    new: Any


def differences(facts: ChangeFacts) -> list[Difference]:
    """What the command changes indeed, in the order of the keys; asked only when its values are possible."""
    changes = facts.command.changes or {}
    before, after = facts.settings.to_wire(), facts.settings.with_changes(changes).to_wire()
    return [Difference(key, before[key], after[key]) for key in sorted(changes) if before[key] != after[key]]


def _unknown(facts: ChangeFacts) -> list[str]:
    return [key for key in facts.command.changes or {} if key not in Settings.names()]


def _fixed(facts: ChangeFacts) -> list[str]:
    return [key for key in facts.command.changes or {} if key in FIXED_AT_OPENING]


_KEPT = {
    "store.hashChain": "open the engine with it on to start a chain; a chain that was started stays",
    "store.personalData": "open the engine with sealed to begin sealing; a store that seals goes on with it",
}
"""Settings that become facts of the store -> what can be done about them."""


def _told_unknown(keys: Sequence[str]) -> str:
    changeable = [name for name in Settings.names() if name not in FIXED_AT_OPENING]
    near = difflib.get_close_matches(keys[0][:64], changeable, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    more = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
    return f"setting {shown(keys[0])}{more} is unknown; {hint}valid: {', '.join(changeable)}"


def _few(facts: ChangeFacts) -> bool:
    return len(facts.command.changes or {}) <= MAX_CHANGES


def _changeable(facts: ChangeFacts) -> bool:
    """Are there changes, and do they name only settings that can change?"""
    return bool(facts.command.changes) and _few(facts) and not (_unknown(facts) or _fixed(facts))


class _Fault(NamedTuple):
    """Why a value is impossible."""

    code: str
    message: str


def _fault(facts: ChangeFacts) -> _Fault | None:
    """The first value that is impossible; None when all are possible."""
    changes = facts.command.changes or {}
    try:
        after = facts.settings.with_changes(changes)
    except SettingsError as error:
        return _Fault("OMS-VAL-005" if _out_of_range(error) else "OMS-VAL-004", str(error))
    misspelt = misspelt_roles(after)
    if misspelt:
        return _Fault("OMS-VAL-004", misspelt)
    lengths = {key: len(canonical_json(value)) for key, value in after.to_wire().items() if key in changes}
    key = max(lengths, key=lengths.__getitem__)
    if lengths[key] > MAX_VALUE:
        told = f"setting {key} has {lengths[key]} characters as JSON; at most {MAX_VALUE} are accepted, so shorten it"
        return _Fault("OMS-VAL-005", told)
    return None


def _out_of_range(error: SettingsError) -> bool:
    """Was the value read, and found outside of its bounds? The settings tell bounds as what to give."""
    reason = error.__context__
    return isinstance(reason, ValidationError) and _tells_bounds(reason.errors(include_url=False)[0])


def _tells_bounds(error: ErrorDetails) -> bool:
    return error["type"] in _OUT_OF_BOUNDS or error["msg"].startswith("Value error, give ")


def _possible(code: str) -> Rule[ChangeFacts]:
    """No value has a fault of this code."""

    def told(facts: ChangeFacts) -> str:
        fault = _fault(facts)
        return fault.message if fault else ""

    return rule(
        "SET-02",
        code,
        "changes",
        lambda f: (fault := _fault(f)) is None or fault.code != code,
        told,
        scope="SettingsChangeCmd",
        applies=_changeable,
    )


CHANGE: tuple[Rule[ChangeFacts], ...] = (
    rule(
        "SET-01",
        "OMS-VAL-003",
        "changes",
        lambda f: bool(f.command.changes),
        lambda _: "changes is missing or empty; name at least one setting with its new value",
        scope="SettingsChangeCmd",
    ),
    rule(
        "SET-01",
        "OMS-VAL-005",
        "changes",
        _few,
        lambda f: f"changes names {len(f.command.changes or {})} settings; at most {MAX_CHANGES} are changed at once",
        scope="SettingsChangeCmd",
    ),
    rule(
        "SET-01",
        "OMS-VAL-004",
        "changes",
        lambda f: not _unknown(f),
        lambda f: _told_unknown(_unknown(f)),
        scope="SettingsChangeCmd",
        applies=_few,
    ),
    rule(
        "SET-01",
        "OMS-VAL-004",
        "changes",
        lambda f: not _fixed(f),
        lambda f: (
            f"setting {_fixed(f)[0]} shapes the process and was fixed when the engine was opened; "
            f"{_KEPT.get(_fixed(f)[0], 'leave it out, or open the engine with another value')}"
        ),
        scope="SettingsChangeCmd",
        applies=_few,
    ),
    _possible("OMS-VAL-004"),
    _possible("OMS-VAL-005"),
    rule(
        "SET-02",
        "OMS-VAL-001",
        "changes",
        lambda f: bool(differences(f)),
        lambda _: "nothing differs: every setting named has this value already; name one that is to change",
        scope="SettingsChangeCmd",
        applies=lambda f: _changeable(f) and _fault(f) is None,
    ),
)


def _symbol(facts: PriceFacts) -> str:
    return facts.command.symbol or ""


PRICE: tuple[Rule[PriceFacts], ...] = (
    rule(
        "SET-03",
        "OMS-VAL-003",
        "symbol",
        lambda f: bool(_symbol(f).strip()),
        lambda _: "symbol is missing; give the ticker of the security",
        scope="ReferencePriceCmd",
    ),
    rule(
        "SET-03",
        "OMS-VAL-005",
        "symbol",
        lambda f: len(_symbol(f)) <= MAX_SYMBOL,
        lambda f: f"symbol has {len(_symbol(f))} characters; at most {MAX_SYMBOL} are accepted, so shorten it",
        scope="ReferencePriceCmd",
    ),
    rule(
        "SET-03",
        "OMS-VAL-003",
        "price",
        lambda f: f.command.price is not None,
        lambda _: "price is missing; give the reference price of the symbol",
        scope="ReferencePriceCmd",
    ),
    rule(
        "SET-03",
        "OMS-VAL-005",
        "price",
        lambda f: f.command.price is not None and f.command.price > 0,
        lambda f: f"price is {f.command.price:f}; a reference price is above 0",
        scope="ReferencePriceCmd",
        applies=lambda f: f.command.price is not None,
    ),
    *(fits for fits in texts_and_numbers_fit(ReferencePriceCmd) if fits.field == "price"),
)
