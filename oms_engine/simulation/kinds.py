"""What is a scenario about? The kinds it belongs to, by the commands it sends and the answers it expects."""

from collections.abc import Iterator, Mapping

from oms_engine.domain.commands import OrderCreateCmd, parse
from oms_engine.domain.model import NewOrder
from oms_engine.domain.rules.assets import classify
from oms_engine.domain.vocabulary import AssetClass
from oms_engine.settings import Settings
from oms_engine.simulation.scenario import Scenario, Step

_BY_COMMAND: Mapping[str, tuple[str, ...]] = {
    "fill": ("ExecutionCreateCmd",),
    "reject": ("OrderRejectCmd",),
    "cancel": ("OrderCancelCmd", "OrderCancelAcceptCmd", "OrderCancelRejectCmd"),
    "replace": ("OrderReplaceCmd", "OrderReplaceAcceptCmd", "OrderReplaceRejectCmd"),
    "expiry": ("OrderExpireCmd", "QuoteExpireCmd"),
    "close": ("OrderCloseCmd",),
    "correction": ("ExecutionWhackCmd", "ExecutionBustCmd", "ExecutionCorrectCmd"),
    "group": ("OrderGroupCmd", "OrderUngroupCmd"),
    "allocation": ("AllocationApproveCmd", "AllocationRejectCmd"),
    "quote": ("QuoteRequestCreateCmd", "QuoteCreateCmd", "QuoteAcceptCmd", "QuoteRejectCmd", "QuoteExpireCmd"),
    "settings": ("SettingsChangeCmd",),
}
_BY_ASSET: Mapping[AssetClass, str] = {
    AssetClass.DERIVATIVE: "derivative",
    AssetClass.FUND: "fund",
    AssetClass.STRUCTURED_PRODUCT: "structured",
    AssetClass.FX_MONEY_MARKET: "fx",
    AssetClass.DIGITAL_ASSET: "digital",
}

KINDS: Mapping[str, str] = {
    "fill": "executions are booked",
    "reject": "the market or the desk rejects an order",
    "cancel": "a cancel is asked for or answered",
    "replace": "a replace is asked for or answered",
    "expiry": "time in force ends",
    "close": "an order is settled",
    "correction": "executions are whacked, busted or corrected",
    "tree": "orders have children",
    "group": "orders are grouped or set free",
    "allocation": "the desk decides what is handed on",
    "quote": "quotes are asked for, given, taken or refused",
    "derivative": "options or futures",
    "fund": "units of a fund",
    "structured": "structured products",
    "fx": "currencies and deposits",
    "digital": "digital assets",
    "risk": "a limit, a restriction or the kill switch refuses",
    "refusal": "something is refused",
    "repeat": "something is sent again",
    "settings": "settings are changed on the way",
    "query": "the read model is asked",
    "check": "the lifecycle is asked",
}
"""Kind of scenario -> what happens in it."""


def kinds_of(scenario: Scenario) -> tuple[str, ...]:
    """The kinds a scenario belongs to, in the order of `KINDS`."""
    settings = Settings.of(scenario.settings)
    found = {kind for step in (*scenario.given, *scenario.steps) for kind in _kinds_of_step(step, settings)}
    return tuple(kind for kind in KINDS if kind in found)


def _kinds_of_step(step: Step, settings: Settings) -> Iterator[str]:
    if step.query is not None:
        yield "query"
    if step.check is not None:
        yield "check"
    command = step.do or {}
    yield from (kind for kind, names in _BY_COMMAND.items() if command.get("type") in names)
    match parse(command).command:
        case OrderCreateCmd(order=NewOrder() as order):
            yield from _kinds_of_order(order, settings)
    yield from _kinds_of_answer(step.expect)


def _kinds_of_order(order: NewOrder, settings: Settings) -> Iterator[str]:
    if order.parent_order_id:
        yield "tree"
    if kind := _BY_ASSET.get(classify(order, settings)):
        yield kind


def _kinds_of_answer(expect: Mapping[str, object]) -> Iterator[str]:
    error = expect.get("error")
    code = expect.get("errorCode") or (error.get("errorCode") if isinstance(error, Mapping) else None)
    if code or expect.get("status") == "FAILED":
        yield "refusal"
    if str(code).startswith("OMS-RISK-"):
        yield "risk"
    if expect.get("duplicate") is True:
        yield "repeat"
