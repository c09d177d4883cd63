"""What do the commands about settings and reference prices decide? Asked only when every rule of the command holds."""

from decimal import Decimal

from oms_engine.domain.commands import ReferencePriceCmd, SettingsChangeCmd
from oms_engine.domain.decider.book import Book, NewId
from oms_engine.domain.events import SETTINGS_STREAM, ReferencePricePosted, SettingsChanged
from oms_engine.domain.rules.facts import Facts
from oms_engine.domain.rules.settings import differences


def change(facts: Facts[SettingsChangeCmd], book: Book, _: NewId) -> str:
    """Settings get other values, one event for each that differs."""
    changed = [SettingsChanged(key=key, old=old, new=new) for key, old, new in differences(facts)]
    book.record_settings(facts.set_before, changed)
    return SETTINGS_STREAM


def post(facts: Facts[ReferencePriceCmd], book: Book, _: NewId) -> str:
    """A symbol gets a reference price."""
    posted = ReferencePricePosted(symbol=facts.command.symbol or "", price=facts.command.price or Decimal(0))
    book.record_settings(facts.set_before, [posted])
    return SETTINGS_STREAM
