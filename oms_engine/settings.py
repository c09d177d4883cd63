"""What can be set, and what holds when nothing is set? One frozen value, keyed by dotted names."""

import difflib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from oms_engine.errors import SettingsError, shown
from oms_engine.record import Exact

_MAX_TEXT = 10_000
_MOST_HOURS = 1_000_000


def _from_text(value: object) -> object:
    """Structured values may come as JSON text from a command line."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["} and len(value) <= _MAX_TEXT:
        try:
            return json.loads(value)
        except ValueError:
            return value
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


def _why(error: ErrorDetails) -> str:
    """What is wrong with a setting and what would be right, in our words."""
    match error["type"]:
        case "literal_error":
            return f"use one of {str(error['ctx']['expected']).replace(' or ', ', ')}"
        case "bool_parsing" | "bool_type":
            return "use true or false"
        case "int_parsing" | "int_type" | "int_from_float":
            return "use a whole number"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


Level = Literal["SENIOR_TRADER", "HEAD_OF_TRADING", "RISK_COMMITTEE"]


class Settings(BaseModel):
    """Settings of one engine; every field has the dotted name that users write as its alias."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    lifecycle_profile: Literal["standard"] = Field(
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

    @field_validator("whack_levels")
    @classmethod
    def _ascending(cls, levels: tuple[Decimal, Decimal, Decimal]) -> tuple[Decimal, Decimal, Decimal]:
        if not Decimal(0) <= levels[0] <= levels[1] <= levels[2]:
            raise ValueError("give three amounts in ascending order, such as 0,50000,500000")
        return levels

    @field_validator("max_order_qty", "stale_execution_hours")
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

    @field_validator("tick_size")
    @classmethod
    def _positive_ticks(cls, ticks: dict[str, Decimal]) -> dict[str, Decimal]:
        if any(tick <= 0 for tick in ticks.values()):
            raise ValueError("give increments above 0")
        return ticks

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
