"""Does every rule refuse what it must and let the boundary pass? One table row for each violation and each boundary."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from oms_engine.collecting import Caller, collect
from oms_engine.domain.catalogue import RULES, citation
from oms_engine.domain.commands import COMMANDS, Command, ExecutionBustCmd, OrderCancelCmd, OrderCreateCmd, parse
from oms_engine.domain.lifecycle import MACHINES
from oms_engine.domain.model import ExecutionReport, NewOrder, NewQuote, NewQuoteRequest, SettingsState
from oms_engine.domain.rules import execution, order
from oms_engine.domain.rules.facts import Facts
from oms_engine.errors import Problem
from oms_engine.framework.validation import Rule, validate
from oms_engine.record import Exact, Record
from oms_engine.settings import Settings
from oms_engine.unit_of_work import UnitOfWork
from oms_engine.workflows import WORKFLOWS, rules_of
from tests.oms_engine.desk import START, Desk

VAL1, VAL2, VAL3, VAL4, VAL5 = (f"OMS-VAL-00{n}" for n in range(1, 6))
STATE1, STATE2, STATE3 = (f"OMS-STATE-00{n}" for n in range(1, 4))

FUTURE = "2026-01-02T09:30:00.002Z"

Changes = dict[str, object]
Lengths = dict[str, int]

ENVELOPE_TEXTS: Lengths = {"commandId": 64, "correlationId": 64, "causationId": 64, "sessionId": 64, "actor": 64}
ORDER_TEXTS: Lengths = {
    "orderId": 64,
    "clOrdId": 48,
    "account": 32,
    "symbol": 32,
    "securityId": 64,
    "securityDesc": 256,
    "securityExchange": 64,
    "exDestination": 64,
    "settlCurrency": 64,
    "text": 2_000,
    "locateId": 64,
    "maturityMonthYear": 64,
    "quoteId": 64,
    "parentOrderId": 64,
}
FILL_TEXTS: Lengths = {
    "execId": 64,
    "orderId": 64,
    "execType": 64,
    "lastMkt": 64,
    "lastCapacity": 64,
    "secondaryExecId": 64,
}
COMMAND_TEXTS: dict[str, tuple[str, Lengths]] = {
    "OrderPlaceCmd": ("NEW", {"orderId": 64, "exDestination": 64}),
    "OrderAcceptCmd": ("UNACK", {"orderId": 64}),
    "OrderRejectCmd": ("UNACK", {"orderId": 64, "text": 2_000}),
    "OrderCancelCmd": ("LIVE", {"orderId": 64, "clOrdId": 48, "origClOrdId": 48, "text": 2_000}),
    "OrderCancelAcceptCmd": ("LIVE+PCXL", {"orderId": 64, "text": 2_000}),
    "OrderCancelRejectCmd": ("LIVE+PCXL", {"orderId": 64, "text": 2_000}),
    "OrderReplaceCmd": (
        "LIVE",
        {"orderId": 64, "clOrdId": 48, "origClOrdId": 48, "symbol": 32, "account": 32, "text": 2_000},
    ),
    "OrderReplaceAcceptCmd": ("LIVE+PMOD", {"orderId": 64}),
    "OrderReplaceRejectCmd": ("LIVE+PMOD", {"orderId": 64, "text": 2_000}),
    "OrderExpireCmd": ("LIVE", {"orderId": 64}),
    "OrderCloseCmd": ("FILLED", {"orderId": 64, "reason": 2_000}),
    "ExecutionWhackCmd": (
        "PART",
        {"execId": 64, "orderId": 64, "reason": 2_000, "requestedBy": 64, "approvedBy": 64},
    ),
    "ExecutionBustCmd": ("PART", {"execId": 64, "orderId": 64, "reason": 2_000, "requestedBy": 64}),
    "ExecutionCorrectCmd": ("PART", {"execRefId": 64, "execId": 64, "orderId": 64, "reason": 2_000}),
}
"""The texts of every command about an order, the state in which it is carried out, and how long each may be."""

OTHER_TEXTS: dict[str, Lengths] = {
    "OrderCreateCmd": ORDER_TEXTS,
    "ExecutionCreateCmd": FILL_TEXTS,
    "OrderGroupCmd": {"groupOrderId": 64, "groupedBy": 64, "approvedBy": 64},
    "OrderUngroupCmd": {"groupOrderId": 64},
    "AllocationApproveCmd": {"orderId": 64, "approvedBy": 64},
    "AllocationRejectCmd": {"orderId": 64, "reason": 2_000},
    "QuoteRequestCreateCmd": {"quoteReqId": 64, "symbol": 32, "currency": 64, "account": 32},
    "QuoteCreateCmd": {"quoteId": 64, "quoteReqId": 64, "currency": 64, "quotedBy": 64},
    "QuoteAcceptCmd": {"quoteId": 64},
    "QuoteRejectCmd": {"quoteId": 64, "quoteReqId": 64, "reason": 2_000},
    "QuoteExpireCmd": {"quoteId": 64, "quoteReqId": 64, "reason": 2_000},
    "SettingsChangeCmd": {},
    "ReferencePriceCmd": {"symbol": 32},
}
"""The texts of all others, or of the part that they carry."""

TEXTS: dict[str, Lengths] = {kind: texts for kind, (_, texts) in COMMAND_TEXTS.items()} | OTHER_TEXTS

MEASURED_BY = {("ReferencePriceCmd", "symbol"): "SET-03"}
"""Texts whose length a rule of their own asks."""

PARTS: dict[str, tuple[str, type[Record]]] = {
    "OrderCreateCmd": ("order", NewOrder),
    "ExecutionCreateCmd": ("execution", ExecutionReport),
    "QuoteRequestCreateCmd": ("quoteRequest", NewQuoteRequest),
    "QuoteCreateCmd": ("quote", NewQuote),
}
"""The part of a command in which its fields stand."""

ORDER_DECIMALS = ("orderQty", "price", "stopPx", "maxFloor", "strikePrice", "cashOrderQty", "cumQty")
FILL_DECIMALS = ("lastQty", "lastPx", "dayOrderQty", "dayCumQty", "dayAvgPx")
DECIMALS: dict[str, tuple[str, ...]] = {
    "OrderCreateCmd": ORDER_DECIMALS,
    "ExecutionCreateCmd": FILL_DECIMALS,
    "OrderAcceptCmd": ("orderQty",),
    "OrderReplaceCmd": ("orderQty", "price", "stopPx"),
    "ExecutionCorrectCmd": ("lastQty", "lastPx"),
    "AllocationApproveCmd": ("quantity",),
    "AllocationRejectCmd": ("quantity",),
    "QuoteRequestCreateCmd": ("quantity",),
    "QuoteCreateCmd": ("price", "quantity"),
    "ReferencePriceCmd": ("price",),
}
"""The decimals of every command, or of the part that it carries."""

UNTAKEN = ("1.123456789", "1" * 19)
"""Decimals with one digit too many."""

ORDER_VIOLATIONS: list[tuple[str, str, str, Changes, Changes]] = [
    ("ENV-02", VAL2, "colour", {"colour": "blue"}, {}),
    ("ENV-03", VAL4, "clOrdId", {"clOrdID": "another"}, {}),
    ("ENV-06", VAL4, "clOrdId", {"clOrdId": "c\t1"}, {}),
    ("ENV-06", VAL4, "clOrdId", {"clOrdId": "ü"}, {}),
    ("ENV-06", VAL4, "price", {"price": "cheap"}, {}),
    ("ORD-02", VAL3, "symbol", {"symbol": None}, {}),
    ("ORD-02", VAL3, "symbol", {"symbol": " \t"}, {}),
    ("ORD-03", VAL3, "side", {"side": None}, {}),
    ("ORD-04", VAL3, "account", {"account": ""}, {}),
    ("ORD-06", VAL3, "clOrdId", {"clOrdId": None}, {}),
    ("ORD-07", VAL3, "ordType", {"ordType": None}, {}),
    ("ORD-08", VAL3, "orderQty", {"orderQty": None}, {}),
    ("ORD-08", VAL5, "orderQty", {"orderQty": "0"}, {}),
    ("ORD-08", VAL5, "orderQty", {"orderQty": "-0.00000001"}, {}),
    ("ORD-09", VAL3, "price", {"price": None}, {}),
    ("ORD-10", VAL3, "stopPx", {"ordType": "STOP", "price": None}, {}),
    ("ORD-10", VAL3, "stopPx", {"ordType": "STOP_LIMIT"}, {}),
    ("ORD-11", VAL3, "price", {"ordType": "STOP_LIMIT", "stopPx": "9", "price": None}, {}),
    ("ORD-12", VAL5, "price", {"price": "0"}, {}),
    ("ORD-12", VAL5, "price", {"price": "-1", "priceType": "PER_UNIT"}, {}),
    ("ORD-12", VAL5, "stopPx", {"stopPx": "0"}, {}),
    ("ORD-12", VAL5, "maxFloor", {"maxFloor": "0"}, {}),
    ("ORD-12", VAL5, "strikePrice", {"strikePrice": "-1", "priceType": "YIELD"}, {}),
    ("ORD-13", VAL1, "price", {"ordType": "MARKET"}, {}),
    ("ORD-13", VAL1, "price", {"ordType": "MARKET_ON_CLOSE"}, {}),
    ("ORD-14", VAL5, "orderQty", {"orderQty": "10000000.00000001"}, {}),
    ("ORD-14", VAL5, "orderQty", {"orderQty": "501"}, {"maxOrderQty": "500"}),
    ("ORD-15", VAL5, "cumQty", {"cumQty": "1000.00000001"}, {}),
    ("ORD-16", VAL3, "expireTime", {"timeInForce": "GOOD_TILL_DATE"}, {}),
    ("ORD-16", VAL5, "expireTime", {"timeInForce": "GOOD_TILL_DATE", "expireTime": "2026-01-02T09:30:00.001Z"}, {}),
    ("ORD-21", VAL4, "side", {"side": "buy"}, {}),
    ("ORD-12", VAL5, "price", {"price": "0"}, {"allowNonPositivePrice": "FUND"}),
    ("QUO-07", "OMS-QUOTE-002", "quoteId", {"quoteId": "nobody"}, {}),
    ("ORD-22", VAL4, "orderId", {"orderId": "o/1"}, {}),
    ("ORD-22", VAL4, "orderId", {"orderId": "../../etc/passwd"}, {}),
    ("TICK-01", VAL5, "price", {"price": "100.03"}, {"tickSize": "0.05"}),
    ("TICK-01", VAL5, "stopPx", {"stopPx": "100.03"}, {"tickSize": {"IBM": "0.05"}}),
    ("TICK-01", VAL5, "price", {"price": "100.03"}, {"tickSize": {"EQUITY": "0.05", "*": "0.01"}}),
]
"""Rule, code, field: what is changed in a good order, and in the settings, so that this rule refuses it."""
ORDER_VIOLATIONS += [("ORD-17", VAL5, name, {name: digits}, {}) for name in ORDER_DECIMALS for digits in UNTAKEN]

ORDER_BOUNDARIES: list[tuple[str, Changes, Changes]] = [
    ("ENV-03", {"clOrdId": "same", "clOrdID": "same"}, {}),
    ("ENV-06", {"clOrdId": " ~!"}, {}),
    ("ORD-08", {"orderQty": "0.00000001"}, {}),
    ("ORD-09", {"ordType": "MARKET", "price": None}, {}),
    ("ORD-10", {"ordType": "STOP", "price": None, "stopPx": "0.00000001"}, {}),
    ("ORD-11", {"ordType": "STOP_LIMIT", "stopPx": "9"}, {}),
    ("ORD-12", {"price": "0", "priceType": "SPREAD"}, {}),
    ("ORD-12", {"price": "-3", "stopPx": "-1", "priceType": "YIELD"}, {}),
    ("ORD-12", {"price": "0.00000001", "maxFloor": "0.00000001", "strikePrice": "0.00000001"}, {}),
    ("ORD-12", {"price": "-1"}, {"allowNonPositivePrice": "EQUITY"}),
    ("ORD-13", {"ordType": "STOP", "stopPx": "5"}, {}),
    ("ORD-14", {"orderQty": "10000000"}, {}),
    ("ORD-14", {"orderQty": "500.0"}, {"maxOrderQty": "500"}),
    ("ORD-15", {"cumQty": "1000.00"}, {}),
    ("ORD-16", {"timeInForce": "GOOD_TILL_DATE", "expireTime": FUTURE}, {}),
    ("ORD-17", {"price": "999999999999999999.99999999"}, {}),
    ("ORD-17", {"price": "000000000000000000001.10000000000000000000"}, {}),
    ("ORD-22", {"orderId": "A-z_0.9" + "x" * 57}, {}),
    ("TICK-01", {"price": "100.05"}, {"tickSize": "0.05"}),
    ("TICK-01", {"price": "100.03"}, {"tickSize": {"FUND": "0.05"}}),
    ("TICK-01", {"price": "100.03"}, {"tickSize": {"IBM": "0.01", "*": "0.05"}}),
    ("TICK-01", {"price": "100.03", "assetClass": "FUND"}, {"tickSize": {"EQUITY": "0.05"}}),
]
"""Rule: the nearest good order, which it lets pass."""
OF_ANOTHER = ("parentOrderId", "quoteId")
"""Ids in an order that name something else."""
ORDER_BOUNDARIES += [("ORD-18", {name: "x" * most}, {}) for name, most in ORDER_TEXTS.items() if name not in OF_ANOTHER]

FILL_VIOLATIONS: list[tuple[str, str, str, str, Changes, Changes]] = [
    ("EX-01", "OMS-ORDER-001", "orderId", "LIVE", {"orderId": "nobody"}, {}),
    ("EX-02", VAL3, "orderId", "LIVE", {"orderId": None}, {}),
    ("EX-02", VAL3, "execId", "LIVE", {"execId": " "}, {}),
    ("EX-03", VAL3, "lastQty", "LIVE", {"lastQty": None}, {}),
    ("EX-03", VAL3, "lastPx", "LIVE", {"lastPx": None}, {}),
    ("EX-03", VAL5, "lastQty", "LIVE", {"lastQty": "0"}, {}),
    ("EX-03", VAL5, "lastPx", "LIVE", {"lastPx": "-1"}, {}),
    ("ENV-06", VAL4, "execId", "LIVE", {"execId": "é"}, {}),
    ("EX-04", STATE2, "orderId", "UNACK", {}, {}),
    ("EX-05", "OMS-EXEC-004", "lastQty", "LIVE", {"lastQty": "1000.00000001"}, {}),
    ("EX-05", "OMS-EXEC-004", "lastQty", "PART", {"lastQty": "701"}, {}),
    ("EX-06", "OMS-EXEC-002", "execId", "PART", {"execId": "e1"}, {}),
    ("EX-07", VAL5, "transactTime", "LIVE", {"transactTime": "2026-01-01T09:30:00Z"}, {"staleExecutionHours": "24"}),
    ("EX-09", "OMS-EXEC-003", "execType", "LIVE", {"execType": "4"}, {}),
]
FILL_VIOLATIONS += [("ORD-17", VAL5, name, "LIVE", {name: digits}, {}) for name in FILL_DECIMALS for digits in UNTAKEN]

FILL_BOUNDARIES: list[tuple[str, str, Changes, Changes]] = [
    ("EX-03", "LIVE", {"lastQty": "0.00000001", "lastPx": "0.00000001"}, {}),
    ("EX-05", "PART", {"lastQty": "700"}, {}),
    ("EX-06", "PART", {"execId": "E1"}, {}),
    ("EX-07", "LIVE", {"transactTime": "2026-01-01T09:30:00.004Z"}, {"staleExecutionHours": "24"}),
    ("EX-07", "LIVE", {"transactTime": "1999-01-01T00:00:00Z"}, {}),
    ("EX-09", "LIVE", {"execType": "1"}, {}),
    ("EX-09", "LIVE", {"execType": "2"}, {}),
    ("EX-09", "LIVE", {"execType": "F"}, {}),
    ("ORD-17", "LIVE", dict.fromkeys(FILL_DECIMALS[1:], "999999999999999999.99999999"), {}),
    (
        "ORD-18",
        "LIVE",
        {name: "~" * most for name, most in FILL_TEXTS.items() if name[:5] not in {"order", "execT"}},
        {},
    ),
]

FOUR_EYES: Changes = {"execId": "e1", "requestedBy": "ann", "approvedBy": "bob"}
OPS: Changes = {"roles": {"OrderExpireCmd": ["ops"]}}
LEVELS: Changes = {"whack.levels": "0,30000,60000"}
TILL_DATE: Changes = {"timeInForce": "GOOD_TILL_DATE", "expireTime": "2026-01-02T10:00:00Z"}

COMMAND_VIOLATIONS: list[tuple[str, str, str, str, str, Changes, Changes]] = [
    ("ENV-04", "OMS-LOCK-001", "expectedVersion", "LIVE", "OrderExpireCmd", {"expectedVersion": 2}, {}),
    ("ENV-06", VAL4, "commandId", "LIVE", "OrderExpireCmd", {"commandId": "a b"}, {}),
    ("ENV-06", VAL4, "unsolicited", "LIVE", "OrderCancelAcceptCmd", {"unsolicited": "yes"}, {}),
    ("ENV-06", VAL4, "sessionId", "LIVE", "OrderExpireCmd", {"sessionId": "desk\u200b"}, {}),
    ("ENV-06", VAL4, "actor", "LIVE", "OrderExpireCmd", {"actor": "ann\t"}, {}),
    ("ENV-06", VAL4, "requestedBy", "PART", "ExecutionBustCmd", {"execId": "e1", "requestedBy": "ann\u200b"}, {}),
    ("ENV-06", VAL4, "requestedBy", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "requestedBy": "bob\u200d"}, {}),
    ("ENV-06", VAL4, "approvedBy", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "approvedBy": "ann\u2060"}, {}),
    ("ENV-07", VAL3, "execId", "PART", "ExecutionBustCmd", {"execId": ""}, {}),
    ("ENV-07", VAL3, "execId", "PART", "ExecutionWhackCmd", {"execId": None}, {}),
    (
        "ENV-08",
        "OMS-AUTH-003",
        "actor",
        "LIVE",
        "OrderExpireCmd",
        {"actor": "eve"},
        OPS,
    ),
    ("ORD-21", VAL4, "ordRejReason", "LIVE", "OrderRejectCmd", {"ordRejReason": 17}, {}),
    ("ORD-21", VAL4, "cxlRejReason", "LIVE+PCXL", "OrderCancelRejectCmd", {"cxlRejReason": "99"}, {}),
    ("LIF-01", STATE1, "orderId", "LIVE", "OrderPlaceCmd", {}, {}),
    ("LIF-01", STATE1, "orderId", "NEW", "OrderAcceptCmd", {}, {}),
    ("LIF-02", STATE2, "orderId", "LIVE", "OrderCancelAcceptCmd", {}, {}),
    ("LIF-02", STATE2, "orderId", "LIVE", "OrderCancelRejectCmd", {}, {}),
    ("LIF-03", STATE3, "orderId", "CLOSED", "OrderAcceptCmd", {}, {}),
    ("CXL-01", "OMS-ORDER-001", "orderId", "LIVE", "OrderCancelCmd", {"orderId": "nobody"}, {}),
    ("CXL-02", VAL1, "origClOrdId", "LIVE", "OrderCancelCmd", {"origClOrdId": "other"}, {}),
    ("CXL-02", "OMS-ORDER-002", "clOrdId", "LIVE", "OrderCancelCmd", {"clOrdId": "c1"}, {}),
    ("CXL-03", "OMS-ORDER-006", "orderId", "FILLED", "OrderCancelCmd", {}, {}),
    ("CXL-03", "OMS-ORDER-005", "orderId", "CXL", "OrderCancelCmd", {}, {}),
    ("CXL-03", STATE3, "orderId", "REJ", "OrderCancelCmd", {}, {}),
    ("CXL-04", STATE2, "orderId", "LIVE+PCXL", "OrderCancelCmd", {}, {}),
    ("CXL-05", STATE2, "orderId", "LIVE+PMOD", "OrderCancelCmd", {}, {}),
    ("CXL-07", STATE1, "orderId", "NEW", "OrderCancelCmd", {}, {}),
    ("ENV-06", VAL4, "clOrdId", "LIVE", "OrderCancelCmd", {"clOrdId": "ü"}, {}),
    ("END-01", STATE1, "orderId", "FILLED", "OrderRejectCmd", {}, {}),
    ("END-01", STATE2, "orderId", "PART", "OrderRejectCmd", {}, {}),
    ("END-02", STATE1, "orderId", "UNACK", "OrderExpireCmd", {}, {}),
    ("END-03", STATE1, "orderId", "LIVE", "OrderCloseCmd", {}, {}),
    ("WHK-01", "OMS-AUTH-001", "approvedBy", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "approvedBy": None}, {}),
    ("WHK-01", "OMS-AUTH-001", "approvedBy", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "requestedBy": None}, {}),
    ("WHK-01", "OMS-AUTH-001", "approvedBy", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "approvedBy": " ANN "}, {}),
    ("WHK-01", "OMS-AUTH-001", "approvedBy", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "approvedBy": "\uff41nn"}, {}),
    ("WHK-02", "OMS-AUTH-002", "approvalLevel", "PART", "ExecutionWhackCmd", FOUR_EYES, LEVELS),
    ("WHK-03", "OMS-ORDER-001", "orderId", "PART", "ExecutionBustCmd", {"execId": "e1", "orderId": "nobody"}, {}),
    ("WHK-03", "OMS-EXEC-001", "execId", "PART", "ExecutionBustCmd", {"execId": "e2"}, {}),
    ("WHK-03", "OMS-EXEC-001", "execId", "PART", "ExecutionBustCmd", {"execId": "e2", "orderId": None}, {}),
    ("WHK-05", "OMS-EXEC-005", "execId", "CLOSED", "ExecutionBustCmd", {"execId": "e1"}, {}),
]
COMMAND_BOUNDARIES: list[tuple[str, str, str, Changes, Changes]] = [
    ("ENV-04", "LIVE", "OrderExpireCmd", {"expectedVersion": 3}, {}),
    ("ENV-08", "LIVE", "OrderExpireCmd", {"actor": "ops"}, {"roles": {"OrderExpireCmd": ["ops"]}}),
    ("ENV-08", "LIVE", "OrderExpireCmd", {"actor": "eve"}, {"roles": {"OrderCloseCmd": ["ops"]}}),
    ("ORD-18", "LIVE", "OrderExpireCmd", {"commandId": "x" * 64, "actor": "y" * 64}, {}),
    ("CXL-02", "LIVE", "OrderCancelCmd", {"clOrdId": "c2", "origClOrdId": "c1"}, {}),
    ("CXL-06", "PART", "OrderCancelCmd", {}, {}),
    ("END-01", "LIVE", "OrderRejectCmd", {}, {}),
    ("ENV-06", "LIVE", "OrderExpireCmd", {"sessionId": "Börse 1", "actor": "Zoë 李"}, {}),
    ("ENV-06", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "requestedBy": "Zoë 李", "approvedBy": "Ann O'Neill"}, {}),
    ("WHK-01", "PART", "ExecutionWhackCmd", FOUR_EYES, {}),
    ("WHK-01", "PART", "ExecutionWhackCmd", {"execId": "e1"}, {"whack.fourEyes": False}),
    ("WHK-01", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "approvedBy": "ann"}, {"whack.fourEyes": False}),
    ("WHK-02", "PART", "ExecutionWhackCmd", FOUR_EYES, {"whack.levels": "0,30000.00000001,60000"}),
    ("WHK-02", "PART", "ExecutionWhackCmd", {**FOUR_EYES, "approvalLevel": "HEAD_OF_TRADING"}, LEVELS),
    ("WHK-02", "PART", "ExecutionWhackCmd", FOUR_EYES, {**LEVELS, "approvers": {"bob": "HEAD_OF_TRADING"}}),
    ("WHK-03", "PART", "ExecutionBustCmd", {"execId": "e1", "orderId": None}, {}),
    ("WHK-03", "PART", "ExecutionBustCmd", {"executionId": "e1"}, {}),
]

ELSEWHERE = {
    "ENV-01": "test_envelopes.py: without a known type there is no command to ask",
    "ENV-05": "test_idempotency.py",
    "ENV-09": "below, for every command",
    "ENV-10": "test_lifecycle.py: a check with two starts",
    "ORD-01": "below",
    "ORD-05": "below",
    "ORD-18": "below, for every text",
    "ORD-19": "test_idempotency.py",
    "END-02": "below, beside the table",
    "WHK-04": "below",
    "WHK-06": "below, on constructed facts: an active execution is part of cumQty",
    "CXL-06": "below, on constructed facts: an open order always has leaves",
    "CNF-01": "a rule of the tools, not of the engine",
}
ELSEWHERE_BY_FAMILY = {
    "QRY": "test_filters.py",
    "RSK": "test_risk.py",
    "QUO": "test_quotes.py",
    "SET": "test_settings_changes.py",
    **dict.fromkeys(("EQ", "SHT", "DRV", "FND", "STR", "FX", "DIG"), "test_assets.py"),
    **dict.fromkeys(("PAR", "GRP", "ALC", "RPL", "COR"), "test_rules_of_trees.py"),
}
OF_TREES = {"ORD-20", "EX-08", "CXL-08"}
"""Rules of other families that test_rules_of_trees.py violates."""


def _told(problem: Problem, rule_id: str, code: str, field: str) -> None:
    """The problem names this rule, with its code, field, sentence and section."""
    found = [one for one in problem.violations if (one.rule_id, one.code, one.field) == (rule_id, code, field)]
    assert len(found) == 1, problem.violations
    assert found[0].citation == citation(rule_id) == problem.violations[problem.violations.index(found[0])].citation
    assert len(found[0].message) > 20
    assert problem.error_code == problem.violations[0].code
    assert problem.citation == problem.violations[0].citation


def _desk(settings: Changes) -> Desk:
    dotted = {name.replace(".", "__"): value for name, value in settings.items()}
    return Desk(**dotted)


def _without_nothing(fields: Changes) -> Changes:
    return {name: value for name, value in fields.items() if value is not None}


def test_every_rule_is_violated_by_a_test() -> None:
    tables: list[list[Any]] = [ORDER_VIOLATIONS, FILL_VIOLATIONS, COMMAND_VIOLATIONS]
    violated = {row[0] for table in tables for row in table}
    by_family = {rule_id for rule_id in RULES if rule_id.partition("-")[0] in ELSEWHERE_BY_FAMILY}
    assert set(RULES) == violated | set(ELSEWHERE) | by_family | OF_TREES
    assert not violated & (OF_TREES | set(ELSEWHERE) - {"END-02"})


@pytest.mark.parametrize(("rule_id", "code", "field", "changes", "settings"), ORDER_VIOLATIONS)
def test_an_order_is_refused(rule_id: str, code: str, field: str, changes: Changes, settings: Changes) -> None:
    desk = _desk(settings)
    _told(desk.refused("OrderCreateCmd", order=desk.asked(**changes)), rule_id, code, field)


@pytest.mark.parametrize(("rule_id", "changes", "settings"), ORDER_BOUNDARIES)
def test_an_order_at_the_boundary_is_accepted(rule_id: str, changes: Changes, settings: Changes) -> None:
    result = _desk(settings).create(**changes)
    assert result.ok, (rule_id, result.message)


def _fill(desk: Desk, state: str, changes: Changes) -> Changes:
    fill = {"orderId": desk.given(state), "execId": "new", "lastQty": "100", "lastPx": "100"}
    return _without_nothing(fill | changes)


@pytest.mark.parametrize(("rule_id", "code", "field", "state", "changes", "settings"), FILL_VIOLATIONS)
def test_a_fill_is_refused(
    rule_id: str, code: str, field: str, state: str, changes: Changes, settings: Changes
) -> None:
    desk = _desk(settings)
    problem = desk.refused("ExecutionCreateCmd", execution=_fill(desk, state, changes))
    _told(problem, rule_id, code, field)


@pytest.mark.parametrize(("rule_id", "state", "changes", "settings"), FILL_BOUNDARIES)
def test_a_fill_at_the_boundary_is_booked(rule_id: str, state: str, changes: Changes, settings: Changes) -> None:
    desk = _desk(settings)
    result = desk.do("ExecutionCreateCmd", execution=_fill(desk, state, changes))
    assert result.ok, (rule_id, result.message)


@pytest.mark.parametrize(("rule_id", "code", "field", "state", "kind", "changes", "settings"), COMMAND_VIOLATIONS)
def test_a_command_is_refused(
    rule_id: str, code: str, field: str, state: str, kind: str, changes: Changes, settings: Changes
) -> None:
    desk = _desk(settings)
    order_id = desk.given(state)
    _told(desk.refused(kind, **_without_nothing({"orderId": order_id} | changes)), rule_id, code, field)


@pytest.mark.parametrize(("rule_id", "state", "kind", "changes", "settings"), COMMAND_BOUNDARIES)
def test_a_command_at_the_boundary_is_carried_out(
    rule_id: str, state: str, kind: str, changes: Changes, settings: Changes
) -> None:
    desk = _desk(settings)
    order_id = desk.given(state)
    result = desk.do(kind, **_without_nothing({"orderId": order_id} | changes))
    assert result.ok, (rule_id, result.message)


def _alone(problem: Problem) -> list[tuple[str, str, str]]:
    return [(one.rule_id, one.code, one.field) for one in problem.violations]


BESIDE: dict[tuple[str, str], tuple[str, str, str]] = {
    ("order", "orderId"): ("ORD-22", VAL4, "orderId"),
    ("execution", "execType"): ("EX-09", "OMS-EXEC-003", "execType"),
    ("OrderExpireCmd", "commandId"): ("ENV-06", VAL4, "commandId"),
    ("OrderCancelCmd", "origClOrdId"): ("CXL-02", VAL1, "origClOrdId"),
    ("OrderReplaceCmd", "origClOrdId"): ("RPL-02", VAL1, "origClOrdId"),
    ("OrderReplaceCmd", "symbol"): ("RPL-07", VAL1, "symbol"),
    ("OrderReplaceCmd", "account"): ("RPL-07", VAL1, "account"),
}
"""What else a text breaks that is too long."""


def _too_long(place: str, name: str) -> list[tuple[str, str, str]]:
    return sorted([("ORD-18", VAL5, name), *([BESIDE[place, name]] if (place, name) in BESIDE else [])])


@pytest.mark.parametrize(("name", "most"), [item for item in ORDER_TEXTS.items() if item[0] not in OF_ANOTHER])
def test_a_text_of_an_order_is_no_longer_than_its_field(name: str, most: int, desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(**{name: "x" * (most + 1)}))
    assert sorted(_alone(problem)) == _too_long("order", name)
    found = next(one for one in problem.violations if one.rule_id == "ORD-18")
    assert found.message == f"{name} has {most + 1} characters; at most {most} are accepted, so shorten it"


@pytest.mark.parametrize(("name", "most"), [item for item in FILL_TEXTS.items() if item[0] != "orderId"])
def test_a_text_of_a_fill_is_no_longer_than_its_field(name: str, most: int, desk: Desk) -> None:
    problem = desk.refused("ExecutionCreateCmd", execution=_fill(desk, "LIVE", {name: "x" * (most + 1)}))
    assert sorted(_alone(problem)) == _too_long("execution", name)


@pytest.mark.parametrize(("name", "most"), ENVELOPE_TEXTS.items())
def test_a_text_of_an_envelope_is_no_longer_than_its_field(name: str, most: int, desk: Desk) -> None:
    order_id = desk.given("LIVE")
    problem = desk.refused("OrderExpireCmd", orderId=order_id, **{name: "x" * (most + 1)})
    assert sorted(_alone(problem)) == _too_long("OrderExpireCmd", name)
    assert desk.do("OrderExpireCmd", orderId=order_id, **{name: "x" * most}).ok


_FOUND_BY = ("orderId", "execId", "execRefId")
"""Ids of what exists: one that is too long is not found, which is told first."""

_BESIDE_THE_TEXT: dict[str, Changes] = {
    "OrderReplaceCmd": {"price": "101"},
    "ExecutionWhackCmd": FOUR_EYES,
    "ExecutionBustCmd": {"execId": "e1"},
    "ExecutionCorrectCmd": {"execRefId": "e1", "lastQty": "100", "lastPx": "100"},
}
"""What a command needs beside its order."""


@pytest.mark.parametrize(
    ("kind", "state", "name", "most"),
    [
        (kind, state, name, most)
        for kind, (state, texts) in COMMAND_TEXTS.items()
        for name, most in texts.items()
        if name not in _FOUND_BY or (kind, name) == ("ExecutionCorrectCmd", "execId")
    ],
)
def test_a_text_of_a_command_is_no_longer_than_its_field(
    kind: str, state: str, name: str, most: int, desk: Desk
) -> None:
    fields = {"orderId": desk.given(state)} | _BESIDE_THE_TEXT.get(kind, {})
    problem = desk.refused(kind, **(fields | {name: "x" * (most + 1)}))
    assert sorted(_alone(problem)) == _too_long(kind, name)


@pytest.mark.parametrize(("kind", "state", "texts"), [(kind, *row) for kind, row in COMMAND_TEXTS.items()])
def test_texts_that_fill_their_fields_are_accepted(kind: str, state: str, texts: Lengths, desk: Desk) -> None:
    desk.given(state, orderId="y" * 64, clOrdId="x" * 48, symbol="y" * 32, account="y" * 32)
    longest = {name: ("x" if name == "origClOrdId" else "y") * most for name, most in texts.items()}
    second = {"approvedBy": "z" * 64} if "approvedBy" in texts else {}
    found_by = {name: "e1" for name in ("execRefId" if "execRefId" in texts else "execId",) if name in texts}
    result = desk.do(kind, **(_BESIDE_THE_TEXT.get(kind, {}) | longest | found_by | second))
    assert result.ok, result.message


@pytest.mark.parametrize(
    ("kind", "name", "most"), [(kind, name, most) for kind, texts in TEXTS.items() for name, most in texts.items()]
)
def test_the_length_of_a_text_is_asked_also_where_nothing_is_found(kind: str, name: str, most: int, desk: Desk) -> None:
    rule_id = MEASURED_BY.get((kind, name), "ORD-18")
    assert (rule_id, VAL5, name) in _asked_alone(desk, _envelope(kind, {name: "x" * (most + 1)}))
    assert (rule_id, VAL5, name) not in _asked_alone(desk, _envelope(kind, {name: "x" * most}))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in DECIMALS.items() for name in names])
def test_the_digits_of_a_decimal_are_asked_also_where_nothing_is_found(kind: str, name: str, desk: Desk) -> None:
    for digits in UNTAKEN:
        assert ("ORD-17", VAL5, name) in _asked_alone(desk, _envelope(kind, {name: digits}))
    assert ("ORD-17", VAL5, name) not in _asked_alone(desk, _envelope(kind, {name: "999999999999999999.99999999"}))


def _envelope(kind: str, fields: Changes) -> Changes:
    return {"type": kind, **({PARTS[kind][0]: fields} if kind in PARTS else fields)}


def _facts(desk: Desk, command: Command) -> Facts[Any]:
    """What the rules of a command look at, as the pipeline collects it."""
    caller = Caller(
        ledger=UnitOfWork(desk.engine._store, [], desk.engine._executor.rate, dry_run=True),
        settings=Settings(),
        machine=MACHINES["standard"],
        now=START,
        session_id="S1",
        actor="S1",
        set_before=SettingsState(),
    )
    return collect(command, caller, command_id_taken=False)


def _asked_alone(desk: Desk, envelope: Changes) -> list[tuple[str, str, str]]:
    """What the rules of a command say of it where nothing is stored."""
    command = parse(envelope).command
    assert command is not None
    found = validate(rules_of(command.type), _facts(desk, command)).violations
    return [(one.rule_id, one.code, one.field) for one in found]


def test_the_lists_name_every_text_and_every_decimal() -> None:
    def fields(record: type[Record], kind: object) -> set[str]:
        return {str(info.alias) for info in record.model_fields.values() if info.annotation == kind}

    assert fields(Command, str | None) == set(ENVELOPE_TEXTS)
    assert set(TEXTS) == set(COMMANDS)
    for name, command in COMMANDS.items():
        record, envelope = (PARTS[name][1], set()) if name in PARTS else (command, set(ENVELOPE_TEXTS))
        assert fields(record, str | None) == envelope | set(TEXTS[name]), name
        assert fields(record, Exact | None) == set(DECIMALS.get(name, ())), name


def test_only_texts_and_decimals_are_measured() -> None:
    def measured(rule_id: str) -> set[tuple[str, str]]:
        return {(kind, rule.field) for kind, rule in _all_rules() if rule.id == rule_id}

    texts = {(kind, name) for kind, names in TEXTS.items() for name in (*ENVELOPE_TEXTS, *names)}
    assert measured("ORD-18") == texts - set(MEASURED_BY)
    assert measured("ORD-17") == {(kind, name) for kind, names in DECIMALS.items() for name in names}


ABOUT_AN_ORDER = [kind for kind, texts in TEXTS.items() if "orderId" in texts and "Execution" not in kind]
ABOUT_AN_ORDER.remove("OrderCreateCmd")
NOT_FOUND = {
    "OrderCancelCmd": "CXL-01",
    "OrderReplaceCmd": "RPL-01",
    "AllocationApproveCmd": "ALC-01",
    "AllocationRejectCmd": "ALC-01",
}
"""The rule that says that the order exists, where it is not the one of every command."""


@pytest.mark.parametrize("kind", ABOUT_AN_ORDER)
def test_a_command_about_an_order_names_it(kind: str, desk: Desk) -> None:
    assert _alone(desk.refused(kind)) == [("ENV-07", VAL3, "orderId")]


@pytest.mark.parametrize("kind", ABOUT_AN_ORDER)
def test_a_command_about_an_order_names_one_that_exists(kind: str, desk: Desk) -> None:
    rule_id = NOT_FOUND.get(kind, "ENV-09")
    assert _alone(desk.refused(kind, orderId="nobody")) == [(rule_id, "OMS-ORDER-001", "orderId")]


def test_a_create_without_an_order_is_refused(desk: Desk) -> None:
    _told(desk.refused("OrderCreateCmd"), "ORD-01", VAL3, "order")
    _told(desk.refused("OrderCreateCmd", order=None), "ORD-01", VAL3, "order")


def test_a_fill_without_an_execution_is_refused(desk: Desk) -> None:
    _told(desk.refused("ExecutionCreateCmd"), "EX-01", VAL3, "execution")


def test_an_order_without_any_session_is_refused(desk: Desk) -> None:
    desk.engine._executor._session_id = " "
    _told(desk.refused("OrderCreateCmd", order=desk.asked()), "ORD-05", VAL3, "sessionId")
    assert desk.do("OrderCreateCmd", order=desk.asked(), sessionId="mine").ok
    assert desk.engine.execute({"type": "OrderCreateCmd", "order": desk.asked()}, session_id="caller").ok


def test_an_order_id_is_given_to_one_order_only(desk: Desk) -> None:
    first = desk.given("LIVE")
    _told(desk.refused("OrderCreateCmd", order=desk.asked(orderId=first)), "ORD-22", "OMS-DATA-001", "orderId")


def test_an_execution_is_taken_back_once(desk: Desk) -> None:
    order_id = desk.given("PART")
    desk.ok("ExecutionBustCmd", orderId=order_id, execId="e1")
    problem = desk.refused("ExecutionWhackCmd", orderId=order_id, **FOUR_EYES)
    _told(problem, "WHK-04", "OMS-EXEC-005", "execId")
    assert "BUSTED" in problem.detail


def test_an_execution_id_on_several_orders_needs_the_order(desk: Desk) -> None:
    first, second = desk.given("PART"), desk.given("PART")
    problem = desk.refused("ExecutionBustCmd", execId="e1")
    _told(problem, "WHK-03", VAL3, "orderId")
    assert first in problem.detail
    assert second in problem.detail
    assert desk.ok("ExecutionBustCmd", execId="e1", orderId=second).id == "e1"
    assert desk.order(first).cum_qty == 300


def test_an_execution_of_a_spread_may_cost_nothing(desk: Desk) -> None:
    order_id = desk.given("LIVE", priceType="SPREAD")
    fill = {"orderId": order_id, "execId": "e1", "lastQty": "10", "lastPx": "-0.5"}
    desk.ok("ExecutionCreateCmd", execution=fill)
    assert desk.order(order_id).avg_px == Decimal("-0.5")


def test_an_order_without_end_does_not_expire(desk: Desk) -> None:
    order_id = desk.given("LIVE", timeInForce="GOOD_TILL_CANCEL")
    _told(desk.refused("OrderExpireCmd", orderId=order_id), "END-02", STATE2, "orderId")


def test_an_order_with_a_date_expires_when_it_has_come(desk: Desk) -> None:
    order_id = desk.given("LIVE", **TILL_DATE)
    _told(desk.refused("OrderExpireCmd", orderId=order_id), "END-02", STATE2, "orderId")
    desk.clock.now = START + timedelta(minutes=30) - timedelta(milliseconds=1)
    assert desk.ok("OrderExpireCmd", orderId=order_id).state == "EXP"
    assert desk.order(order_id).tif_timestamp == START + timedelta(minutes=30)


def _changed(desk: Desk, command: Command, **changes: object) -> Facts[Any]:
    """The facts of a command about an order that is other than any command could make it."""
    facts = _facts(desk, command)
    order = facts.order.order.model_copy(update=changes)
    return replace(facts, state=replace(facts.order, order=order))


@pytest.mark.parametrize("leaves", ["0", "-0.00000001"])
def test_a_cancel_meets_what_no_command_brings_about(leaves: str, desk: Desk) -> None:
    command = OrderCancelCmd(order_id=desk.given("LIVE"))
    found = validate(order.CANCEL, _changed(desk, command, leaves_qty=Decimal(leaves))).violations
    assert [(one.rule_id, one.code, one.citation) for one in found] == [("CXL-06", "OMS-ORDER-006", citation("CXL-06"))]
    assert "o1" in found[0].message


def test_a_bust_never_takes_back_more_than_is_booked(desk: Desk) -> None:
    command = ExecutionBustCmd(order_id=desk.given("PART"), exec_id="e1")
    found = validate(execution.BUST, _changed(desk, command, cum_qty=Decimal("299.99999999"))).violations
    assert [(one.rule_id, one.code) for one in found] == [("WHK-06", "OMS-EXEC-005")]
    assert found[0].message.endswith("would leave cumQty at -0.00000001")
    assert validate(execution.BUST, _facts(desk, command)).ok


def test_rules_that_look_at_the_order_are_silent_without_one(desk: Desk) -> None:
    assert [one.rule_id for one in validate(order.CREATE, _facts(desk, OrderCreateCmd())).violations] == ["ORD-01"]


def _all_rules() -> list[tuple[str, Rule[Any]]]:
    return [(name, rule) for name in WORKFLOWS for rule in rules_of(name)]


def test_a_message_shows_small_numbers_without_an_exponent(desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(orderQty="-0.00000001"))
    assert problem.detail == "orderQty is -0.00000001; give a quantity above 0"


def test_every_rule_object_stands_in_the_catalogue_and_cites_its_section() -> None:
    for command, rule in _all_rules():
        assert rule.id in RULES, command
        assert rule.citation == citation(rule.id)
        assert rule.description == RULES[rule.id][1]
        assert rule.scope


def test_an_order_that_does_not_exist_yet_has_version_0(desk: Desk) -> None:
    problem = desk.refused("OrderCreateCmd", order=desk.asked(), expectedVersion=3)
    assert (problem.error_code, problem.violations[0].rule_id) == ("OMS-LOCK-001", "ENV-04")
    assert problem.detail == "expectedVersion is 3 but what it is about is at version 0; read it again and decide anew"
    desk.ok("OrderCreateCmd", order=desk.asked(), expectedVersion=0)
