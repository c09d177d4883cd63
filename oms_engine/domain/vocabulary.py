"""Which words does the order domain know? Enumerations with their FIX codes; each docstring names the FIX tag."""

from enum import Enum, StrEnum
from typing import Self


class FixEnum(StrEnum):
    """An enumeration whose wire value is its name and which carries a FIX code for the FIX boundary."""

    fix: str

    def __new__(cls, name: str, fix: str) -> Self:
        """Keep the name as the value and the FIX code beside it."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.fix = fix
        return member


class Side(FixEnum):
    """Side of an order, FIX 54."""

    BUY = "BUY", "1"
    SELL = "SELL", "2"
    SELL_SHORT = "SELL_SHORT", "5"
    SUBSCRIBE = "SUBSCRIBE", "D"
    REDEEM = "REDEEM", "E"


class OrdType(FixEnum):
    """Order type, FIX 40."""

    MARKET = "MARKET", "1"
    LIMIT = "LIMIT", "2"
    STOP = "STOP", "3"
    STOP_LIMIT = "STOP_LIMIT", "4"
    MARKET_ON_CLOSE = "MARKET_ON_CLOSE", "5"


class TimeInForce(FixEnum):
    """How long an order stays in force, FIX 59."""

    DAY = "DAY", "0"
    GOOD_TILL_CANCEL = "GOOD_TILL_CANCEL", "1"
    AT_THE_OPENING = "AT_THE_OPENING", "2"
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL", "3"
    FILL_OR_KILL = "FILL_OR_KILL", "4"
    GOOD_TILL_CROSSING = "GOOD_TILL_CROSSING", "5"
    GOOD_TILL_DATE = "GOOD_TILL_DATE", "6"
    AT_THE_CLOSE = "AT_THE_CLOSE", "7"


class ExecInst(FixEnum):
    """Execution instruction, FIX 18."""

    NO_CROSS = "NO_CROSS", "A"
    OK_TO_CROSS = "OK_TO_CROSS", "B"
    MID_PEG = "MID_PEG", "M"


class HandlInst(FixEnum):
    """Handling instruction, FIX 21; it decides the routing of a new order."""

    AUTO = "AUTO", "1"
    BROKER_INTERVENTION_OK = "BROKER_INTERVENTION_OK", "2"
    MANUAL = "MANUAL", "3"


class PriceType(FixEnum):
    """Meaning of a price, FIX 423; SPREAD and YIELD may be zero or negative."""

    PERCENTAGE = "PERCENTAGE", "1"
    PER_UNIT = "PER_UNIT", "2"
    FIXED_AMOUNT = "FIXED_AMOUNT", "3"
    DISCOUNT = "DISCOUNT", "4"
    PREMIUM = "PREMIUM", "5"
    SPREAD = "SPREAD", "6"
    YIELD = "YIELD", "9"


class SecurityIdSource(FixEnum):
    """Scheme of a security identifier, FIX 22."""

    CUSIP = "CUSIP", "1"
    SEDOL = "SEDOL", "2"
    ISIN = "ISIN", "4"
    RIC = "RIC", "5"
    EXCHANGE_SYMBOL = "EXCHANGE_SYMBOL", "8"
    BLOOMBERG_SYMBOL = "BLOOMBERG_SYMBOL", "A"


class SecurityType(FixEnum):
    """Kind of security, FIX 167; the name is the code."""

    CS = "CS", "CS"
    FUT = "FUT", "FUT"
    OPT = "OPT", "OPT"
    ETF = "ETF", "ETF"
    ETN = "ETN", "ETN"
    MF = "MF", "MF"
    CORP = "CORP", "CORP"


class PositionEffect(FixEnum):
    """Whether a derivative order opens or closes a position, FIX 77."""

    OPEN = "OPEN", "O"
    CLOSE = "CLOSE", "C"


class SettlType(StrEnum):
    """How a foreign exchange order settles (names of this project)."""

    SPOT = "SPOT"
    FORWARD = "FORWARD"
    SWAP = "SWAP"


class AssetClass(StrEnum):
    """Asset class of an order, given or derived from its instrument."""

    EQUITY = "EQUITY"
    DERIVATIVE = "DERIVATIVE"
    FUND = "FUND"
    STRUCTURED_PRODUCT = "STRUCTURED_PRODUCT"
    FX_MONEY_MARKET = "FX_MONEY_MARKET"
    DIGITAL_ASSET = "DIGITAL_ASSET"
    GENERIC = "GENERIC"


class State(FixEnum):
    """State of an order with its OrdStatus, FIX 39; a LIVE order with fills is OrdStatus 1."""

    NEW = "NEW", "A"
    UNACK = "UNACK", "A"
    LIVE = "LIVE", "0"
    FILLED = "FILLED", "2"
    CXL = "CXL", "4"
    REJ = "REJ", "8"
    EXP = "EXP", "C"
    CLOSED = "CLOSED", "3"


OPEN_STATES = frozenset({State.NEW, State.UNACK, State.LIVE})
"""States in which an order still has open quantity; a pending request is answered in one of them."""

WORKING_STATES = frozenset({State.UNACK, State.LIVE})
"""States in which an order is in the market: a parent with such a child is not at rest."""


class CancelState(FixEnum):
    """What became of the last cancel or replace request: OrdStatus 6, E, 4, or message 9."""

    PCXL = "PCXL", "6"
    PMOD = "PMOD", "E"
    CXL = "CXL", "4"
    REJ = "REJ", "9"


class ExecutionStatus(StrEnum):
    """Whether an execution still counts: ACTIVE and CORRECTED do, WHACKED and BUSTED do not."""

    ACTIVE = "ACTIVE"
    CORRECTED = "CORRECTED"
    WHACKED = "WHACKED"
    BUSTED = "BUSTED"


class ApprovalLevel(StrEnum):
    """Who may approve a whack, lowest first."""

    SENIOR_TRADER = "SENIOR_TRADER"
    HEAD_OF_TRADING = "HEAD_OF_TRADING"
    RISK_COMMITTEE = "RISK_COMMITTEE"

    @property
    def rank(self) -> int:
        """Position in the ladder, 0 for the lowest."""
        return list(ApprovalLevel).index(self)


class Leg(StrEnum):
    """Side of the house an order stands on: CLI (client) or MKT (market)."""

    CLI = "CLI"
    MKT = "MKT"


class Role(StrEnum):
    """Place of an order in its tree."""

    CLIENT = "CLIENT"
    GROUP = "GROUP"
    MARKET = "MARKET"
    SLICE = "SLICE"


class Origin(StrEnum):
    """Who asked for a cancel."""

    CLIENT = "CLIENT"
    DESK = "DESK"
    PARENT = "PARENT"


class PlacementReason(StrEnum):
    """Why the quantity changed that a parent has placed in its children."""

    CHILD_CREATED = "CHILD_CREATED"
    CHILD_ENDED = "CHILD_ENDED"
    CHILD_REPLACED = "CHILD_REPLACED"
    CHILD_CORRECTED = "CHILD_CORRECTED"


class AllocState(StrEnum):
    """Where the allocation of an order stands that hands its fills on to a parent or to members."""

    NEW = "NEW"
    PENDING_ALLOC = "PENDING_ALLOC"
    ALLOC_FAILED = "ALLOC_FAILED"
    ALLOCATED = "ALLOCATED"


class AllocStatus(StrEnum):
    """Whether a lot that was handed on still counts."""

    APPLIED = "APPLIED"
    REVERSED = "REVERSED"


class Direction(StrEnum):
    """Which way a lot goes, seen from the order whose stream tells of it."""

    OUT = "OUT"
    IN = "IN"


class QuoteState(StrEnum):
    """State of a quote request and of a quote, which starts in QUOTED."""

    PENDING = "PENDING"
    QUOTED = "QUOTED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class CommandStatus(StrEnum):
    """Whether a command was carried out."""

    OK = "OK"
    FAILED = "FAILED"


class CxlRejReason(Enum):
    """Why a cancel or replace request was refused, FIX 102."""

    TOO_LATE = 0
    UNKNOWN_ORDER = 1
    BROKER_OPTION = 2
    ALREADY_PENDING = 3
    CANNOT_PROCESS_MASS_CANCEL = 4
    ORIG_ORD_MOD_TIME_MISMATCH = 5
    DUPLICATE_CL_ORD_ID = 6
    INVALID_PRICE_INCREMENT = 18
    OTHER = 99


class OrdRejReason(Enum):
    """Why an order was rejected, FIX 103."""

    BROKER_OPTION = 0
    UNKNOWN_SYMBOL = 1
    EXCHANGE_CLOSED = 2
    EXCEEDS_LIMIT = 3
    TOO_LATE_TO_ENTER = 4
    UNKNOWN_ORDER = 5
    DUPLICATE_ORDER = 6
    DUPLICATE_VERBAL_ORDER = 7
    STALE_ORDER = 8
    TRADE_ALONG_REQUIRED = 9
    INVALID_INVESTOR = 10
    UNSUPPORTED_CHARACTERISTIC = 11
    SURVEILLANCE = 12
    INCORRECT_QUANTITY = 13
    INCORRECT_ALLOCATED_QUANTITY = 14
    UNKNOWN_ACCOUNT = 15
    PRICE_EXCEEDS_BAND = 16
    INVALID_PRICE_INCREMENT = 18
    OTHER = 99
