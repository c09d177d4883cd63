"""What do the commands about settings and reference prices decide, and what do their events change?"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from oms_engine.domain.commands import Command, ReferencePriceCmd, SettingsChangeCmd
from oms_engine.domain.events import Event, ReferencePricePosted, SettingsChanged, StoredEvent
from oms_engine.domain.model import SettingsState
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.rules.settings import differences

NewId = Callable[[str], str]
"""Makes an id with the given prefix."""


def _change(facts: Facts[SettingsChangeCmd], _: NewId) -> list[Event]:
    return [SettingsChanged(key=key, old=old, new=new) for key, old, new in differences(facts)]


def _post(facts: Facts[ReferencePriceCmd], _: NewId) -> list[Event]:
    return [ReferencePricePosted(symbol=facts.command.symbol or "", price=facts.command.price or Decimal(0))]


DECISIONS: Mapping[type[Command], Callable[[Facts[Any], NewId], list[Event]]] = {
    SettingsChangeCmd: _change,
    ReferencePriceCmd: _post,
}
"""The events of each command about settings; asked only when every rule of the command holds."""


def evolve_settings(state: SettingsState | None, stored: StoredEvent) -> SettingsState:
    """What is set, and which prices are posted, after an event; it never refuses."""
    event = stored.payload
    before = state or SettingsState()
    match event:
        case SettingsChanged():
            return replace(before, version=stored.version, values={**before.values, event.key: event.new})
        case ReferencePricePosted():
            return replace(before, version=stored.version, prices={**before.prices, event.symbol: event.price})
        case _:
            raise TypeError(f"{event.type} is no event of the settings")
