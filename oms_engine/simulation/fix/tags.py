"""Which FIX 4.4 tags and codes are known, and which of our words do they stand for?"""

from collections.abc import Mapping
from enum import Enum
from types import UnionType
from typing import Any, NamedTuple, get_args

from oms_engine.domain.model import FillDetails, NewOrder, ReplaceTerms
from oms_engine.domain.vocabulary import FixEnum

SOH = b"\x01"
BEGIN_STRING = "FIX.4.4"


class Mapped(NamedTuple):
    """A field of ours and the FIX tag it stands in.

    Attributes:
        tag: FIX tag.
        field: Python name of our field.
        wire: Its name on our wire.
        kind: `text`, `decimal`, `whole`, `instant`, `day`, or `enum` for codes of the FIX specification.
        codes: FIX code -> our name, of an `enum`.
    """

    tag: int
    field: str
    wire: str
    kind: str
    codes: Mapping[str, str]


_NOT_IN_A_REQUEST = frozenset({"order_id", "cum_qty", "sending_time", "quote_id"})
"""Fields of a new order that are not read: the market names it, headers have the time, and quotes are no part."""

_OF_THIS_PROJECT = {"locate_id": 5700, "asset_class": 9701, "settl_type": 9702}
"""Fields whose values FIX 4.4 has no words for -> the user-defined tag that carries our own."""


def _kind(annotation: object) -> tuple[str, Mapping[str, str]]:
    parts = [*_flat(annotation)]
    enum = next((part for part in parts if isinstance(part, type) and issubclass(part, Enum)), None)
    if enum is not None and issubclass(enum, FixEnum):
        return "enum", {member.fix: member.name for member in enum}
    names = " ".join(str(part) for part in parts)
    return next((kind for part, kind in _KINDS if part in names), "text"), {}


_KINDS = (("datetime.datetime", "instant"), ("datetime.date", "day"), ("Decimal", "decimal"), ("int", "whole"))


def _flat(annotation: object) -> list[object]:
    """The types of a union, one by one."""
    if isinstance(annotation, UnionType):
        return [part for each in get_args(annotation) for part in _flat(each)]
    return [annotation]


def _mapped(record: Any, *, without: frozenset[str] = frozenset()) -> tuple[Mapped, ...]:  # noqa: ANN401 - a record's class
    rows = []
    for name, info in record.model_fields.items():
        tag = _OF_THIS_PROJECT.get(name) or (info.json_schema_extra or {}).get("fix")
        if tag and name not in without:
            rows.append(Mapped(tag, name, str(info.alias), *_kind(info.annotation)))
    return tuple(rows)


ORDER: tuple[Mapped, ...] = _mapped(NewOrder, without=_NOT_IN_A_REQUEST)
"""What a new order (D) says: every field of ours that has a FIX tag."""

TERMS: tuple[Mapped, ...] = _mapped(ReplaceTerms)
"""What a replace request (G) may change."""

FILL: tuple[Mapped, ...] = _mapped(FillDetails)
"""What a market may add to a fill."""

MSG_TYPES: Mapping[str, str] = {
    "0": "Heartbeat",
    "1": "TestRequest",
    "2": "ResendRequest",
    "3": "Reject",
    "4": "SequenceReset",
    "5": "Logout",
    "8": "ExecutionReport",
    "9": "OrderCancelReject",
    "A": "Logon",
    "D": "NewOrderSingle",
    "F": "OrderCancelRequest",
    "G": "OrderCancelReplaceRequest",
    "H": "OrderStatusRequest",
    "j": "BusinessMessageReject",
}
"""MsgType (35) -> its name; any other is counted as not replayed."""

SESSION_TYPES = frozenset({"0", "1", "2", "3", "4", "5", "A", "j"})
"""Messages about the connection; they are checked and counted, and no command follows from them."""

REQUESTS = frozenset({"D", "F", "G", "H"})
"""Messages that the side sends which has orders; the other messages of an order come from the market."""

EXEC_TYPES: Mapping[str, tuple[str, str]] = {
    "0": ("New", "OrderAcceptCmd"),
    "1": ("Partial fill", "ExecutionCreateCmd"),
    "2": ("Fill", "ExecutionCreateCmd"),
    "3": ("Done for day", "OrderExpireCmd"),
    "4": ("Canceled", "OrderCancelAcceptCmd"),
    "5": ("Replaced", "OrderReplaceAcceptCmd"),
    "6": ("Pending cancel", ""),
    "7": ("Stopped", ""),
    "8": ("Rejected", "OrderRejectCmd"),
    "9": ("Suspended", ""),
    "A": ("Pending new", ""),
    "B": ("Calculated", ""),
    "C": ("Expired", "OrderExpireCmd"),
    "D": ("Restated", "OrderReplaceCmd"),
    "E": ("Pending replace", ""),
    "F": ("Trade", "ExecutionCreateCmd"),
    "G": ("Trade correct", "ExecutionCorrectCmd"),
    "H": ("Trade cancel", "ExecutionBustCmd"),
    "I": ("Order status", ""),
}
"""ExecType (150) -> its name, and the command that an execution report of this kind becomes; none where it is empty."""

STATELESS = frozenset({"7", "9", "B"})
"""ExecTypes that tell of a state which orders do not have here, so there is nothing to compare."""

TAGS: Mapping[int, str] = {
    1: "Account",
    6: "AvgPx",
    7: "BeginSeqNo",
    8: "BeginString",
    9: "BodyLength",
    10: "CheckSum",
    11: "ClOrdID",
    14: "CumQty",
    15: "Currency",
    16: "EndSeqNo",
    17: "ExecID",
    18: "ExecInst",
    19: "ExecRefID",
    21: "HandlInst",
    22: "SecurityIDSource",
    29: "LastCapacity",
    30: "LastMkt",
    31: "LastPx",
    32: "LastQty",
    34: "MsgSeqNum",
    35: "MsgType",
    36: "NewSeqNo",
    37: "OrderID",
    38: "OrderQty",
    39: "OrdStatus",
    40: "OrdType",
    41: "OrigClOrdID",
    43: "PossDupFlag",
    44: "Price",
    45: "RefSeqNum",
    48: "SecurityID",
    49: "SenderCompID",
    50: "SenderSubID",
    52: "SendingTime",
    54: "Side",
    55: "Symbol",
    56: "TargetCompID",
    57: "TargetSubID",
    58: "Text",
    59: "TimeInForce",
    60: "TransactTime",
    63: "SettlType",
    64: "SettlDate",
    75: "TradeDate",
    76: "ExecBroker",
    77: "PositionEffect",
    93: "SignatureLength",
    89: "Signature",
    95: "RawDataLength",
    96: "RawData",
    97: "PossResend",
    98: "EncryptMethod",
    99: "StopPx",
    100: "ExDestination",
    102: "CxlRejReason",
    103: "OrdRejReason",
    107: "SecurityDesc",
    108: "HeartBtInt",
    111: "MaxFloor",
    112: "TestReqID",
    114: "LocateReqd",
    115: "OnBehalfOfCompID",
    117: "QuoteID",
    120: "SettlCurrency",
    122: "OrigSendingTime",
    123: "GapFillFlag",
    126: "ExpireTime",
    128: "DeliverToCompID",
    141: "ResetSeqNumFlag",
    150: "ExecType",
    151: "LeavesQty",
    152: "CashOrderQty",
    167: "SecurityType",
    198: "SecondaryOrderID",
    200: "MaturityMonthYear",
    201: "PutOrCall",
    202: "StrikePrice",
    207: "SecurityExchange",
    310: "UnderlyingSecurityType",
    354: "EncodedTextLen",
    355: "EncodedText",
    371: "RefTagID",
    372: "RefMsgType",
    373: "SessionRejectReason",
    378: "ExecRestatementReason",
    379: "BusinessRejectRefID",
    380: "BusinessRejectReason",
    423: "PriceType",
    424: "DayOrderQty",
    425: "DayCumQty",
    426: "DayAvgPx",
    432: "ExpireDate",
    434: "CxlRejResponseTo",
    447: "PartyIDSource",
    448: "PartyID",
    452: "PartyRole",
    453: "NoPartyIDs",
    461: "CFICode",
    527: "SecondaryExecID",
    528: "OrderCapacity",
    541: "MaturityDate",
    553: "Username",
    554: "Password",
    636: "WorkingIndicator",
    5700: "LocateID",
    9701: "AssetClass",
    9702: "SettlementKind",
}
"""Tag -> its name in FIX 4.4; the last three are user-defined, for what FIX has no words for. Others are counted."""


def tag_name(tag: int) -> str:
    """A tag as people know it: `OrdStatus (39)`."""
    return f"{TAGS[tag]} ({tag})" if tag in TAGS else f"tag {tag}"
