"""What can be set, and what holds when nothing is set? One frozen value, keyed by dotted names."""

import difflib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
)
from pydantic_core import ErrorDetails

from oms_engine.errors import SettingsError, shown
from oms_engine.record import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS, Exact, within_digits

_MAX_TEXT = 10_000
_MOST_HOURS = 1_000_000
_SCOPE = re.compile(r"(symbol|account):.{1,64}")


def _from_text(value: object) -> object:
    """Structured values may come as JSON text from a command line."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["} and len(value) <= _MAX_TEXT:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("write well-formed JSON: names in double quotes, every bracket closed") from None
    return value


def _ladder(value: object) -> object:
    value = _from_text(value)
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _ticks(value: object) -> object:
    value = _from_text(value)
    if value in (None, "none", "off", ""):
        return {}
    return value if isinstance(value, Mapping) else {"*": value}


def _optional_number(value: object) -> object:
    return None if value in (None, "off", "none", "") else value


def _by_scope(value: object) -> Mapping[str, object]:
    """One value for all, or values by `*`, `symbol:NAME` and `account:NAME`; off stands for none."""
    value = _from_text(value)
    if value in (None, "none", "off", ""):
        return {}
    scoped = value if isinstance(value, Mapping) else {"*": value}
    for key in scoped:
        if key != "*" and not _SCOPE.fullmatch(str(key)):
            raise ValueError(f"{shown(key)} is no scope; use *, symbol:NAME or account:NAME")
    return scoped


def _lists_by_scope(value: object) -> object:
    value = _from_text(value)
    listed = _names(value) if not isinstance(value, Mapping) else value
    return {key: _names(names) for key, names in _by_scope(listed or None).items()}


def _names(value: object) -> object:
    """A list of names; text may separate them with commas."""
    value = _from_text(value)
    if value in (None, "none", "off", ""):
        return []
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _switch(value: object) -> object:
    return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value


def _why(error: ErrorDetails) -> str:
    """What is wrong with a setting and what would be right, in our words."""
    context = error.get("ctx", {})
    match error["type"]:
        case "literal_error":
            why = f"use one of {str(context['expected']).replace(' or ', ', ')}"
        case "bool_parsing" | "bool_type":
            why = "use true or false"
        case "int_parsing" | "int_type" | "int_from_float":
            why = "use a whole number"
        case "string_pattern_mismatch":
            why = "write HH:MM in UTC, such as 21:00"
        case "string_type":
            why = "use text"
        case "missing":
            why = "give every value it needs, such as 0,50000,500000"
        case "greater_than_equal":
            why = f"give {context['ge']} or more"
        case "less_than_equal":
            why = f"give {context['le']} or less"
        case _:
            why = str(error["msg"]).removeprefix("Value error, ")
    return why


Level = Literal["SENIOR_TRADER", "HEAD_OF_TRADING", "RISK_COMMITTEE"]
AssetClassName = Literal[
    "EQUITY", "DERIVATIVE", "FUND", "STRUCTURED_PRODUCT", "FX_MONEY_MARKET", "DIGITAL_ASSET", "GENERIC"
]
Switch = Annotated[bool, BeforeValidator(_switch)]
Limits = Annotated[dict[str, Exact], BeforeValidator(_by_scope)]
"""A limit for all (`*`), for symbols (`symbol:IBM`) and for accounts (`account:ACC`); empty is off."""
OptionalNumber = Annotated[Exact | None, BeforeValidator(_optional_number)]

CURRENCIES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD "
    "HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD "
    "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN "
    "PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY "
    "TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
"""Currency codes of ISO 4217 that name money in circulation."""

DIGITAL_ASSETS = (
    "ADA ALGO ATOM AVAX BCH BTC DAI DOGE DOT ETC ETH FIL LINK LTC NEAR SOL TRX UNI USDC USDT XLM XMR XRP XTZ"
)


class Settings(BaseModel):
    """Settings of one engine; every field has the dotted name that users write as its alias."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    lifecycle_profile: Literal["standard", "matrix", "desk"] = Field(
        "standard", alias="lifecycle.profile", description="the lifecycle that orders of this engine follow"
    )
    routing: Literal["auto", "manual"] = Field(
        "auto", alias="routing", description="auto places orders that need no desk at once; manual leaves them NEW"
    )
    max_order_qty: Exact = Field(Decimal(10_000_000), alias="maxOrderQty", description="largest orderQty (ORD-14)")
    stale_execution_hours: Annotated[Exact | None, BeforeValidator(_optional_number)] = Field(
        None,
        alias="staleExecutionHours",
        description="oldest age of an execution report in hours (EX-07); off by default",
    )
    tick_size: Annotated[dict[str, Exact], BeforeValidator(_ticks)] = Field(
        default_factory=dict,
        alias="tickSize",
        description="price increment, one for all or by symbol or asset class (TICK-01)",
    )
    non_positive_price: Annotated[tuple[AssetClassName, ...], BeforeValidator(_names)] = Field(
        (),
        alias="allowNonPositivePrice",
        description="asset classes whose prices may be zero or negative (ORD-12, EX-03)",
    )
    currencies: Annotated[frozenset[str], BeforeValidator(_names)] = Field(
        frozenset(CURRENCIES.split()), alias="currencies", description="currency codes (FX-01, asset class)"
    )
    digital_assets: Annotated[frozenset[str], BeforeValidator(_names)] = Field(
        frozenset(DIGITAL_ASSETS.split()), alias="digitalAssets", description="digital assets (asset class)"
    )
    lot_size: Exact = Field(Decimal(100), alias="equity.lotSize", description="round lot of an equity order (EQ-01)")
    lot_rule: Literal["off", "warn", "reject"] = Field(
        "warn", alias="equity.lotRule", description="what an odd lot does (EQ-01)"
    )
    require_locate: Switch = Field(
        default=True, alias="equity.requireLocate", description="a short sale needs a locate (SHT-01)"
    )
    fx_min_notional: Exact = Field(
        Decimal(10_000), alias="fx.minNotional", description="smallest notional in foreign exchange (FX-02)"
    )
    max_members: int = Field(
        100, alias="grouping.maxMembers", ge=2, le=100, description="most members of a group (GRP-01)"
    )
    cross_account: Literal["allow", "approve"] = Field(
        "allow", alias="grouping.crossAccount", description="whether groups over accounts need approval (GRP-06)"
    )
    allocation_unit: Exact = Field(
        Decimal(1), alias="grouping.allocationUnit", description="smallest share of a member (deficit rule)"
    )
    pending_timeout_seconds: int = Field(
        120,
        alias="pendingTimeoutSeconds",
        ge=1,
        le=86_400,
        description="age from which a pending request is reported for escalation",
    )
    day_end: Annotated[str | None, BeforeValidator(_optional_number)] = Field(
        None,
        alias="dayEnd",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="time of day in UTC (HH:MM) at which the sweep expires DAY orders; off by default",
    )
    risk_max_order_qty: Limits = Field(
        default_factory=dict, alias="risk.maxOrderQty", description="largest orderQty (RSK-01)"
    )
    risk_max_notional: Limits = Field(
        default_factory=dict, alias="risk.maxNotional", description="largest orderQty x price (RSK-02)"
    )
    risk_collar_percent: Limits = Field(
        default_factory=dict,
        alias="risk.collarPercent",
        description="widest distance of a price from the reference price in percent (RSK-03)",
    )
    risk_restricted_symbols: Annotated[dict[str, frozenset[str]], BeforeValidator(_lists_by_scope)] = Field(
        default_factory=dict,
        alias="risk.restrictedSymbols",
        description="symbols that must not be traded, for all or by account (RSK-04)",
    )
    risk_max_open_orders: Limits = Field(
        default_factory=dict, alias="risk.maxOpenOrders", description="most open orders of an account (RSK-05)"
    )
    risk_max_gross_notional: Limits = Field(
        default_factory=dict, alias="risk.maxGrossNotional", description="largest open notional of an account (RSK-06)"
    )
    risk_kill_switch: Switch = Field(
        default=False, alias="risk.killSwitch", description="on stops everything but cancels and facts (RSK-07)"
    )
    risk_max_commands_per_second: OptionalNumber = Field(
        None,
        alias="risk.maxCommandsPerSecond",
        description="most commands of a session in a second, counted by each engine (RSK-08)",
    )
    risk_reference_price: Annotated[dict[str, Exact], BeforeValidator(_from_text)] = Field(
        default_factory=dict, alias="risk.referencePrice", description="reference price by symbol (RSK-02, 03, 06)"
    )
    four_eyes: bool = Field(
        default=True, alias="whack.fourEyes", description="a whack needs two different people (WHK-01)"
    )
    whack_levels: Annotated[tuple[Exact, Exact, Exact], BeforeValidator(_ladder)] = Field(
        (Decimal(0), Decimal(50_000), Decimal(500_000)),
        alias="whack.levels",
        description="notional from which each approval level is required (WHK-02)",
    )
    approvers: Annotated[dict[str, Level], BeforeValidator(_from_text)] = Field(
        default_factory=dict, alias="approvers", description="approval level by name (WHK-02)"
    )
    roles: Annotated[dict[str, tuple[str, ...]], BeforeValidator(_from_text)] = Field(
        default_factory=dict,
        alias="roles",
        description="permitted actors by command; a command not listed is open (ENV-08)",
    )
    default_size: int = Field(
        50, alias="query.defaultSize", ge=1, le=10_000, description="page size when none is given"
    )
    max_size: int = Field(500, alias="query.maxSize", ge=1, le=10_000, description="largest page size")
    snapshot_every: int = Field(
        100, alias="snapshotEvery", ge=2, le=100_000, description="events of a stream from one snapshot to the next"
    )
    synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL",
        alias="store.synchronous",
        description="FULL: an answer is on the disk; NORMAL: faster, a power cut may take back the last commits",
    )
    hash_chain: Switch = Field(
        default=False, alias="store.hashChain", description="events are chained by hashes from now on (oms verify)"
    )
    personal_data: Literal["plain", "sealed"] = Field(
        "plain",
        alias="store.personalData",
        description="sealed encrypts account and text by account, so that oms erase can destroy them",
    )
    cached_streams: int = Field(
        5_000, alias="store.cachedStreams", ge=1, le=1_000_000, description="streams kept in memory, last used first"
    )
    outbox_enabled: Switch = Field(
        default=False, alias="outbox.enabled", description="messages are written for other systems"
    )
    outbox_poll_ms: int = Field(
        200, alias="outbox.pollMs", ge=1, le=60_000, description="how often a relay looks for messages"
    )
    outbox_batch: int = Field(100, alias="outbox.batch", ge=1, le=10_000, description="messages a relay takes at once")
    outbox_max_attempts: int = Field(
        10, alias="outbox.maxAttempts", ge=1, le=1_000, description="attempts after which a message is parked"
    )
    stream_queue: int = Field(
        1_000, alias="stream.queue", ge=1, le=1_000_000, description="messages that wait for one subscriber"
    )
    stream_heartbeat_seconds: int = Field(
        15, alias="stream.heartbeatSeconds", ge=1, le=3_600, description="silence after which a heartbeat is sent"
    )

    @field_validator("whack_levels")
    @classmethod
    def _ascending(cls, levels: tuple[Decimal, Decimal, Decimal]) -> tuple[Decimal, Decimal, Decimal]:
        if not Decimal(0) <= levels[0] <= levels[1] <= levels[2]:
            raise ValueError("give three amounts in ascending order, such as 0,50000,500000")
        return levels

    @field_validator(
        "max_order_qty",
        "stale_execution_hours",
        "lot_size",
        "allocation_unit",
        "risk_max_commands_per_second",
    )
    @classmethod
    def _positive(cls, value: Decimal | None) -> Decimal | None:
        if value is not None and value <= 0:
            raise ValueError("give a value above 0")
        return value

    @field_validator("stale_execution_hours")
    @classmethod
    def _not_beyond_a_century(cls, value: Decimal | None) -> Decimal | None:
        if value is not None and value > _MOST_HOURS:
            raise ValueError(f"give at most {_MOST_HOURS} hours")
        return value

    @field_validator("*")
    @classmethod
    def _within_digits(cls, value: object) -> object:
        numbers = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        if not all(within_digits(number) for number in numbers if isinstance(number, Decimal)):
            raise ValueError(
                f"give at most {MAX_INTEGER_DIGITS} digits before and {MAX_FRACTION_DIGITS} after the point"
            )
        return value

    @field_validator("tick_size", "risk_reference_price")
    @classmethod
    def _all_positive(cls, values: dict[str, Decimal]) -> dict[str, Decimal]:
        if any(value <= 0 for value in values.values()):
            raise ValueError("give values above 0")
        return values

    @field_validator("fx_min_notional")
    @classmethod
    def _not_negative(cls, value: Decimal) -> Decimal:
        if value < 0:
            raise ValueError("give 0 or more")
        return value

    @field_validator(
        "risk_max_order_qty",
        "risk_max_notional",
        "risk_collar_percent",
        "risk_max_open_orders",
        "risk_max_gross_notional",
    )
    @classmethod
    def _limits_not_negative(cls, limits: dict[str, Decimal]) -> dict[str, Decimal]:
        if any(limit < 0 for limit in limits.values()):
            raise ValueError("give limits of 0 or more, or off")
        return limits

    @field_serializer("currencies", "digital_assets", "risk_restricted_symbols")
    def _sorted(self, value: frozenset[str] | dict[str, frozenset[str]]) -> object:
        """Sets have no order of their own; on the wire they have one."""
        return {key: sorted(names) for key, names in value.items()} if isinstance(value, dict) else sorted(value)

    @cached_property
    def in_force(self) -> frozenset[str]:
        """Attributes of the settings that are neither off nor empty."""
        return frozenset(name for name in type(self).model_fields if getattr(self, name))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Settings from dotted names; raises SettingsError naming key, value and the valid choices."""
        names = cls.names()
        for key in values:
            if key not in names:
                near = difflib.get_close_matches(key, names, n=1)
                hint = f" did you mean {near[0]}?" if near else ""
                raise SettingsError(f"setting {shown(key)} is unknown;{hint} valid: {', '.join(names)}")
        try:
            settings = cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            key = str(first["loc"][0])
            raise SettingsError(f"setting {key} cannot be {shown(values[key])}: {_why(first)}") from None
        if settings.default_size > settings.max_size:
            sizes = f"query.defaultSize {settings.default_size} is above query.maxSize {settings.max_size}"
            raise SettingsError(f"setting {sizes}; choose a default within the maximum")
        return settings

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The dotted names of all settings."""
        return tuple(str(field.alias) for field in cls.model_fields.values())

    def to_wire(self) -> dict[str, Any]:
        """All settings by dotted name, decimals as strings."""
        return self.model_dump(mode="json", by_alias=True)

    def given(self) -> dict[str, Any]:
        """The settings that were named, not left to their defaults, by dotted name as they stand on the wire."""
        wire = self.to_wire()
        return {
            str(type(self).model_fields[name].alias): wire[str(type(self).model_fields[name].alias)]
            for name in self.model_fields_set
        }

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """These settings with others in place; raises SettingsError naming key, value and the valid choices."""
        return self.of({**self.given(), **changes})


FIXED_AT_OPENING = frozenset(
    name for name in Settings.names() if name.split(".")[0] in {"query", "store", "outbox", "stream", "snapshotEvery"}
)
"""Settings that shape the process: they are not changed while it runs."""
