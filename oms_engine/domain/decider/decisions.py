"""Which function decides which command? decide(facts, book) lets the events of a command happen in the book."""

from collections.abc import Callable, Mapping
from typing import Any

from oms_engine.domain.commands import (
    AllocationApproveCmd,
    AllocationRejectCmd,
    Command,
    ExecutionBustCmd,
    ExecutionCorrectCmd,
    ExecutionCreateCmd,
    ExecutionWhackCmd,
    OrderAcceptCmd,
    OrderCancelAcceptCmd,
    OrderCancelCmd,
    OrderCancelRejectCmd,
    OrderCloseCmd,
    OrderCreateCmd,
    OrderExpireCmd,
    OrderGroupCmd,
    OrderPlaceCmd,
    OrderRejectCmd,
    OrderReplaceAcceptCmd,
    OrderReplaceCmd,
    OrderReplaceRejectCmd,
    OrderUngroupCmd,
    QuoteAcceptCmd,
    QuoteCreateCmd,
    QuoteExpireCmd,
    QuoteRejectCmd,
    QuoteRequestCreateCmd,
    ReferencePriceCmd,
    SettingsChangeCmd,
)
from oms_engine.domain.decider import execution, group, order, quote, settings
from oms_engine.domain.decider.book import Book, NewId
from oms_engine.domain.rules.facts import Facts

_DECISIONS: Mapping[type[Command], Callable[[Facts[Any], Book, NewId], str]] = {
    OrderCreateCmd: order.create,
    OrderPlaceCmd: order.place,
    OrderAcceptCmd: order.accept,
    OrderRejectCmd: order.reject,
    OrderCancelCmd: order.cancel,
    OrderCancelAcceptCmd: order.cancel_accept,
    OrderCancelRejectCmd: order.cancel_reject,
    OrderReplaceCmd: order.replace,
    OrderReplaceAcceptCmd: order.replace_accept,
    OrderReplaceRejectCmd: order.replace_reject,
    OrderExpireCmd: order.expire,
    OrderCloseCmd: order.close,
    ExecutionCreateCmd: execution.fill,
    ExecutionWhackCmd: execution.whack,
    ExecutionBustCmd: execution.bust,
    ExecutionCorrectCmd: execution.restate,
    OrderGroupCmd: group.group,
    OrderUngroupCmd: group.ungroup,
    AllocationApproveCmd: group.approve_allocation,
    AllocationRejectCmd: group.reject_allocation,
    QuoteRequestCreateCmd: quote.request,
    QuoteCreateCmd: quote.quote,
    QuoteAcceptCmd: quote.accept,
    QuoteRejectCmd: quote.reject,
    QuoteExpireCmd: quote.expire,
    SettingsChangeCmd: settings.change,
    ReferencePriceCmd: settings.post,
}


def decide(facts: Facts[Any], book: Book, new_id: NewId) -> str:
    """Let the events of a command happen whose rules all hold; returns its main stream."""
    return _DECISIONS[type(facts.command)](facts, book, new_id)
