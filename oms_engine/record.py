"""What is every value made of? One frozen record that is domain value, stored event and wire type at once."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Self

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, StrictBool, StrictInt, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

Wire = Mapping[str, Any]
"""A JSON object as it stands on the wire: camelCase names, decimals and instants as strings."""

MAX_INTEGER_DIGITS = 18
MAX_FRACTION_DIGITS = 8
"""What a decimal of a record may have before and after its point."""

_PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,64}(\.[0-9]{1,64})?", re.ASCII)
_JSON_NUMBER_DIGITS = 15
_TEXT_DIGITS = 64
_MAX_BITS = 1_024
"""The magnitude at which a float becomes infinite; longer integers are refused as infinite ones are."""

_MAX_INSTANT_LENGTH = 40
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@lru_cache(maxsize=4_096)
def plain(value: Decimal) -> str:
    """The decimal as text: no exponent, no trailing zeros, no negative zero; equal values have equal texts."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def within_digits(value: Decimal) -> bool:
    """Does the value fit 18 integer and 8 fraction digits? Leading and trailing zeros do not count."""
    whole, _, fraction = plain(value.copy_abs()).partition(".")
    return len(whole) <= MAX_INTEGER_DIGITS and len(fraction) <= MAX_FRACTION_DIGITS


def parse_decimal(value: object) -> Decimal:
    """Read an exact decimal from text, or from a JSON number of at most 15 significant digits.

    Exponents, NaN, infinities, booleans and longer JSON numbers are malformed: they would lose what the sender meant.
    """
    if isinstance(value, Decimal) and value.is_finite():
        return Decimal(plain(value))
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_json_number(value)
    raise PydanticCustomError("decimal_form", "is no decimal; send a string such as '10.5'")


@lru_cache(maxsize=4_096)
def _from_text(text: str) -> Decimal:
    if _PLAIN_DECIMAL.fullmatch(text):
        return Decimal(plain(Decimal(text)))
    raise PydanticCustomError(
        "decimal_form", "is no plain decimal; write digits with at most one point, such as '10.5'"
    )


def _from_json_number(value: float) -> Decimal:
    number = Decimal("NaN") if isinstance(value, int) and value.bit_length() > _MAX_BITS else Decimal(repr(value))
    if not number.is_finite():
        raise PydanticCustomError("decimal_form", "is not a finite number; send a string such as '10.5'")
    if len(number.normalize().as_tuple().digits) > _JSON_NUMBER_DIGITS or abs(number.adjusted()) > _TEXT_DIGITS:
        raise PydanticCustomError(
            "decimal_digits", "has more digits than a JSON number keeps (15 significant ones); send it as a string"
        )
    return Decimal(plain(number))


@lru_cache(maxsize=256)
def instant_text(value: datetime) -> str:
    """The instant as ISO-8601 in UTC with microseconds and Z; texts sort as the instants do."""
    in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_instant(value: object) -> datetime:
    """Read ISO-8601 with an offset; the result is in UTC."""
    if isinstance(value, str) and len(value) <= _MAX_INSTANT_LENGTH:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime):
        raise PydanticCustomError("instant_form", "is no ISO-8601 instant; write one such as '2026-01-02T09:30:00Z'")
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise PydanticCustomError("instant_offset", "has no offset from UTC; add 'Z' or one such as '+01:00'")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant_form", "lies outside the years 1 to 9999") from None


def parse_day(value: object) -> date:
    """Read a calendar day written as YYYY-MM-DD."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise PydanticCustomError("day_form", "is no date; write one such as '2026-01-02'")


def is_unicode(text: str) -> bool:
    """Can the text be stored and sent? Half of a surrogate pair, which JSON can spell, is no character."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


Exact = Annotated[
    Decimal,
    BeforeValidator(parse_decimal),
    PlainSerializer(plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,18}(\.\d{1,8})?$"}),
]
"""An exact decimal: a plain string on the wire."""

Instant = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    PlainSerializer(instant_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in UTC: ISO-8601 with microseconds and Z on the wire."""

Day = Annotated[date, BeforeValidator(parse_day)]
"""A calendar day: YYYY-MM-DD on the wire."""

Flag = StrictBool
Whole = StrictInt


_NEW = object.__new__
_SET_VALUES, _SET_NAMES, _SET_EXTRA, _SET_PRIVATE = (
    BaseModel.__dict__[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""What a record is made of without a look at it: each slot that pydantic gives a model is set directly."""


class Record(BaseModel):
    """An immutable value: snake_case in Python, camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_enum_values=False,
        ser_json_inf_nan="strings",
    )

    _names: ClassVar[set[str]] = set()
    blank: ClassVar[Mapping[str, Any]] = {}
    """Every field in its order, with its default; None where it has none."""

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        """Note what a record of this class has, once its fields are known."""
        cls._names = set(cls.model_fields)
        cls.blank = {
            name: None if info.is_required() or info.default_factory else info.default
            for name, info in cls.model_fields.items()
        }

    @classmethod
    def of(cls, **values: Any) -> Self:  # noqa: ANN401 - the fields of the class
        """A record of values that are right already: read from our own store, or decided here. Nothing is checked.

        Fields that are left out have their defaults.
        """
        return cls.made({**cls.blank, **values})

    @classmethod
    def with_values(cls, values: Mapping[str, Any]) -> Self:
        """As `of`, from a mapping: some forty names given one by one cost as much as a statement of SQL."""
        return cls.made({**cls.blank, **values})

    @classmethod
    def made(cls, values: dict[str, Any]) -> Self:
        """As `of`, from a dict that names every field in its order and belongs to the record from now on."""
        record = _NEW(cls)
        _SET_VALUES(record, values)
        _SET_NAMES(record, cls._names)
        _SET_EXTRA(record, None)
        _SET_PRIVATE(record, None)
        return record

    def as_dict(self) -> dict[str, Any]:
        """The values by name, in the order of the fields; it belongs to the record and is not changed."""
        return self.__dict__

    def but(self, **changes: Any) -> Self:  # noqa: ANN401 - as above
        """The same record with other values in some fields, which are not checked either."""
        return self.made({**self.__dict__, **changes})

    def to_json(self) -> str:
        """The JSON text of `to_wire`, without spaces."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True).decode()

    def to_wire(self) -> dict[str, Any]:
        """The JSON object of this record: camelCase, no nulls, decimals and instants as strings."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(values: Mapping[str, object]) -> str:
    """A hash of values: equal ones have the same, whatever the order of their names and whether null is written out."""
    return hashlib.sha256(_CANONICAL.encode(_without_nulls(values)).encode()).hexdigest()[:32]


class Hashed:
    """What of a record is hashed, as `digest` hashes it: plain values, none of which holds others.

    Args:
        record: The record.
        names: Its fields that count.
    """

    def __init__(self, record: type[Record], names: Iterable[str]) -> None:
        kinds = {name: str(record.model_fields[name].annotation) for name in sorted(names)}
        self._writers = {
            name: next((write for kind, write in _AS_TEXT.items() if kind in annotation), None)
            for name, annotation in kinds.items()
        }

    def digest(self, values: Mapping[str, Any]) -> str:
        """The hash of these values."""
        given = {
            name: value if write is None else write(value)
            for name, write in self._writers.items()
            if (value := values[name]) is not None
        }
        text = _ENCODE(given)
        if text.isascii() and b"\x7f" not in text:  # the two spell all else in different ways
            return hashlib.sha256(text).hexdigest()[:32]
        return digest(given)


_ENCODE = msgspec.json.Encoder().encode
_AS_TEXT: Mapping[str, Callable[[Any], str]] = {
    "decimal.Decimal": plain,
    "datetime.datetime": instant_text,
    "datetime.date": date.isoformat,
}
"""Name of a type, as an annotation has it -> how its values are written."""


def _hashed(value: object) -> object:
    if isinstance(value, Record):
        return _without_nulls(value.__dict__)
    if isinstance(value, Decimal):
        return plain(value)
    return instant_text(value) if isinstance(value, datetime) else str(value)


_CANONICAL = json.JSONEncoder(default=_hashed, sort_keys=True, separators=(",", ":"))


def _without_nulls(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
