"""What can be asked of orders, fills, allocations, quotes and events? Fields, operators, and how a question is read.

One registry serves everybody: the store compiles its conditions to SQL, and the same conditions can be asked of a
record in memory.
"""

import difflib
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from functools import reduce
from typing import Any, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from oms_engine.domain.catalogue import violation
from oms_engine.domain.events import StoredEvent
from oms_engine.domain.model import Allocation, Execution, Order, Quote, QuoteRequest
from oms_engine.errors import Refused, problem_of, shown
from oms_engine.framework.specification import Specification
from oms_engine.framework.validation import Violation
from oms_engine.record import Record, is_unicode, parse_day, parse_decimal, parse_instant, plain
from oms_engine.settings import Settings

MAX_VALUES = 100
MAX_CONDITIONS = 50
MAX_TEXT = 1_000
MAX_PAGE = 1_000_000_000

START = "*"
"""The cursor of the first page."""


class FieldType(StrEnum):
    """How the values of a field are read and compared."""

    STRING = "string"
    DECIMAL = "decimal"
    INTEGER = "integer"
    INSTANT = "instant"
    DATE = "date"
    ENUM = "enum"
    BOOLEAN = "boolean"


class Operator(StrEnum):
    """How a field is compared with what was given."""

    EQ = "eq"
    NE = "ne"
    LIKE = "like"
    STARTSWITH = "startswith"
    IN = "in"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    BETWEEN = "between"


_ORDERED = (
    Operator.EQ,
    Operator.NE,
    Operator.IN,
    Operator.GT,
    Operator.GTE,
    Operator.LT,
    Operator.LTE,
    Operator.BETWEEN,
)
OPERATORS: Mapping[FieldType, tuple[Operator, ...]] = {
    FieldType.STRING: (Operator.EQ, Operator.NE, Operator.LIKE, Operator.STARTSWITH, Operator.IN),
    FieldType.DECIMAL: _ORDERED,
    FieldType.INTEGER: _ORDERED,
    FieldType.INSTANT: _ORDERED,
    FieldType.DATE: _ORDERED,
    FieldType.ENUM: (Operator.EQ, Operator.NE, Operator.IN),
    FieldType.BOOLEAN: (Operator.EQ, Operator.NE),
}

_TYPES: Mapping[type, FieldType] = {
    str: FieldType.STRING,
    Decimal: FieldType.DECIMAL,
    int: FieldType.INTEGER,
    datetime: FieldType.INSTANT,
    date: FieldType.DATE,
    bool: FieldType.BOOLEAN,
}

_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
"""A whole number that fits the 64 bits of SQLite."""

Value = str | int | Decimal | datetime | date | bool


@dataclass(frozen=True, slots=True)
class QueryField:
    """One field of an entity, as the metamodel shows it."""

    name: str
    attribute: str
    type: FieldType
    nullable: bool
    description: str
    fix: int | None = None
    values: tuple[str, ...] = ()

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators this field takes."""
        return OPERATORS[self.type]


class Entity(NamedTuple):
    """What can be asked for: its record, its fields by wire name, and the field that orders it."""

    name: str
    record: type[Record]
    fields: Mapping[str, QueryField]
    sequence: str


def _field_of(attribute: str, info: FieldInfo) -> QueryField | None:
    annotation = info.annotation
    nullable = False
    if get_origin(annotation) in {Union, types.UnionType}:
        choices = [choice for choice in get_args(annotation) if choice is not type(None)]
        nullable = len(choices) < len(get_args(annotation))
        annotation = choices[0]
    if hasattr(annotation, "__metadata__"):
        annotation = get_args(annotation)[0]
    if not isinstance(annotation, type):
        return None
    members = tuple(str(member.value) for member in annotation) if issubclass(annotation, Enum) else ()
    kind = FieldType.ENUM if members else _TYPES.get(annotation)
    if kind is None:
        return None
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    fix = extra.get("fix")
    return QueryField(
        name=str(info.alias),
        attribute=attribute,
        type=kind,
        nullable=nullable,
        description=info.description or "",
        fix=fix if isinstance(fix, int) else None,
        values=members,
    )


def _entity(name: str, record: type[Record], sequence: str) -> Entity:
    found = (_field_of(attribute, info) for attribute, info in record.model_fields.items())
    return Entity(name, record, {field.name: field for field in found if field}, sequence)


ENTITIES: Mapping[str, Entity] = {
    entity.name: entity
    for entity in (
        _entity("order", Order, "id"),
        _entity("execution", Execution, "id"),
        _entity("allocation", Allocation, "id"),
        _entity("quote", Quote, "id"),
        _entity("quote_request", QuoteRequest, "id"),
        _entity("event", StoredEvent, "position"),
    )
}


SUMMED: Mapping[str, tuple[str, ...]] = {
    "order": ("orderQty", "cumQty", "leavesQty"),
    "execution": ("lastQty",),
    "allocation": ("quantity",),
    "quote": ("quantity",),
    "quote_request": ("quantity",),
    "event": (),
}
"""Entity -> the quantities that are added up when its rows are grouped; none of them is ever negative."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; a value that can be asked of a record, and read by a compiler.

    `values` holds what was given: nothing for a comparison with null, one value, the list of `in`, or the two ends of
    `between`, of which one may be None.
    """

    field: QueryField
    operator: Operator
    values: tuple[Value | None, ...]

    def __call__(self, candidate: Record) -> bool:
        """Does the record meet this condition?"""
        actual = getattr(candidate, self.field.attribute)
        if isinstance(actual, Enum):
            actual = actual.value
        if not self.values:
            return (actual is None) is (self.operator is Operator.EQ)
        if actual is None:
            return self.operator is Operator.NE
        return _COMPARISONS[self.operator](actual, self.values)


def _between(actual: Any, values: tuple[Any, ...]) -> bool:  # noqa: ANN401 - values of one field's type
    low, high = values
    return (low is None or actual >= low) and (high is None or actual <= high)


def fold_case(text: str) -> str:
    """The text as `like` compares it: ASCII letters in lower case, as SQLite's lower() makes them."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


_COMPARISONS: Mapping[Operator, Callable[[Any, tuple[Any, ...]], bool]] = {
    Operator.EQ: lambda actual, values: actual == values[0],
    Operator.NE: lambda actual, values: actual != values[0],
    Operator.LIKE: lambda actual, values: fold_case(values[0]) in fold_case(actual),
    Operator.STARTSWITH: lambda actual, values: actual.startswith(values[0]),
    Operator.IN: lambda actual, values: actual in values,
    Operator.GT: lambda actual, values: actual > values[0],
    Operator.GTE: lambda actual, values: actual >= values[0],
    Operator.LT: lambda actual, values: actual < values[0],
    Operator.LTE: lambda actual, values: actual <= values[0],
    Operator.BETWEEN: _between,
}


class Sort(NamedTuple):
    """One key of the order of a result."""

    field: QueryField
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A question that was read: entity, conditions, order and page, all of them valid.

    `cursor` is what a page ended with, to go on behind it; `*` goes from the start; None goes by page.
    """

    entity: Entity
    conditions: tuple[Condition, ...]
    sort: tuple[Sort, ...]
    page: int
    size: int
    warnings: tuple[str, ...] = ()
    cursor: str | None = None

    @property
    def specification(self) -> Specification[Record]:
        """All conditions as one specification."""
        leaves = (Specification[Record].where(condition) for condition in self.conditions)
        return reduce(Specification.and_, leaves, Specification[Record].everything())


Where = Iterable[str | Mapping[str, Any]]
"""Conditions as `field=value`, `field__op=value`, or {field, op, value}."""


def read_query(
    settings: Settings,
    *,
    entity: str = "order",
    where: Where = (),
    sort: str = "",
    page: int | str | None = None,
    size: int | str | None = None,
    cursor: str = "",
) -> Query:
    """Read a question; raises Refused (OMS-VAL-004) naming everything that is wrong with it and the valid choices."""
    reader = _QueryReader()
    known = reader.entity(entity)
    conditions = tuple(found for item in reader.bounded(where) if (found := reader.condition(known, item)))
    keys = reader.sort(known, sort)
    number = reader.whole("page", page, 0)
    if cursor and page is not None and page != "":
        reader.page_beside_cursor()
    length = reader.whole("size", size, settings.default_size)
    if reader.violations:
        raise Refused(problem_of(reader.violations))
    warnings = []
    if number < 0:
        warnings.append(f"page {number} is negative; page 0 is shown")
        number = 0
    if number > MAX_PAGE:
        warnings.append(f"page {shown(number)} is beyond the last page; page {MAX_PAGE} is shown")
        number = MAX_PAGE
    if not 1 <= length <= settings.max_size:
        clamped = min(max(length, 1), settings.max_size)
        warnings.append(f"size {shown(length)} is outside 1 to {settings.max_size}; {clamped} is used")
        length = clamped
    return Query(known, conditions, keys, number, length, tuple(warnings), cursor or None)


def read_group(entity: Entity, name: str) -> QueryField:
    """The field to group rows by; raises Refused (OMS-VAL-004) listing the valid ones."""
    if name in entity.fields:
        return entity.fields[name]
    near = difflib.get_close_matches(name[:64], entity.fields, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    message = f"group_by {shown(name)} is no field of {entity.name}; {hint}valid: {', '.join(entity.fields)}"
    raise Refused(problem_of([violation("QRY-02", "OMS-VAL-004", "group_by", message)]))


class _QueryReader:
    """Reads the parts of a question and collects what is wrong with them."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def _refuse(self, rule_id: str, field: str, message: str) -> None:
        self.violations.append(violation(rule_id, "OMS-VAL-004", field[:64], message))

    def page_beside_cursor(self) -> None:
        """A cursor knows where its page starts."""
        self._refuse("QRY-04", "cursor", "cursor and page both say where the page starts; send one of them")

    def entity(self, name: str) -> Entity:
        if name in ENTITIES:
            return ENTITIES[name]
        message = f"entity {shown(name)} cannot be queried; use one of {', '.join(ENTITIES)}"
        raise Refused(problem_of([violation("QRY-01", "OMS-VAL-004", "entity", message)]))

    def bounded(self, where: Where) -> list[str | Mapping[str, Any]]:
        if isinstance(where, str | Mapping):
            self._refuse("QRY-04", "where", "where is one condition; send a list of conditions")
            return []
        conditions = list(where)
        if len(conditions) > MAX_CONDITIONS:
            self._refuse(
                "QRY-04", "where", f"where has {len(conditions)} conditions; at most {MAX_CONDITIONS} are accepted"
            )
        return conditions[:MAX_CONDITIONS]

    def condition(self, entity: Entity, item: str | Mapping[str, Any]) -> Condition | None:
        parts = self._parts(item)
        if parts is None:
            return None
        name, operator_name, given = parts
        field = entity.fields.get(name)
        if field is None:
            self._unknown_field("QRY-02", entity, name)
            return None
        operator = self._operator(field, operator_name)
        return None if operator is None else self._values(field, operator, given)

    def _parts(self, item: str | Mapping[str, Any]) -> "tuple[str, str, _Given] | None":
        if isinstance(item, str):
            left, equals, text = item.partition("=")
            if not equals:
                self._refuse(
                    "QRY-04", "where", f"condition {shown(item)} has no '='; write field=value or field__op=value"
                )
                return None
            name, _, operator = left.partition("__")
            given = _Given(text, is_null=text == "null")
            return name.strip(), operator.strip() or ("eq" if "__" not in left else ""), given
        if not isinstance(item, Mapping):
            self._refuse("QRY-04", "where", f"condition {shown(item)} is neither text nor {{field, op, value}}")
            return None
        extra = set(item) - {"field", "op", "value"}
        if extra or "field" not in item or "value" not in item:
            self._refuse(
                "QRY-04", "where", f"condition {shown(dict(item))} must be {{field, op, value}}; op may be left out"
            )
            return None
        try:
            return str(item["field"]), str(item.get("op", "eq")), _given(item["value"])
        except PydanticCustomError as error:
            self._refuse("QRY-04", str(item["field"]), f"{item['field']} is compared with a number that {error}")
            return None

    def _unknown_field(self, rule_id: str, entity: Entity, name: str) -> None:
        near = difflib.get_close_matches(name[:64], entity.fields, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        message = f"{shown(name)} is no field of {entity.name}; {hint}valid: {', '.join(entity.fields)}"
        self._refuse(rule_id, name, message)

    def _operator(self, field: QueryField, name: str) -> Operator | None:
        if name in field.operators:
            return Operator(name)
        message = (
            f"operator {shown(name)} cannot be used on {field.name}, a field of type {field.type}; "
            f"use one of {', '.join(field.operators)}"
        )
        self._refuse("QRY-03", field.name, message)
        return None

    def _values(self, field: QueryField, operator: Operator, given: "_Given") -> Condition | None:
        if given.is_null and operator in {Operator.EQ, Operator.NE}:
            if field.nullable:
                return Condition(field, operator, ())
            self._refuse("QRY-04", field.name, f"{field.name} is never null; compare it with a value")
            return None
        parts = given.parts() if operator in {Operator.IN, Operator.BETWEEN} else [given.text]
        if operator is Operator.BETWEEN:
            return self._between(field, parts, given.text)
        if len(parts) > MAX_VALUES:
            self._refuse(
                "QRY-04", field.name, f"{field.name}__in has {len(parts)} values; at most {MAX_VALUES} are accepted"
            )
            return None
        values = [self._value(field, part) for part in parts]
        return None if None in values else Condition(field, operator, tuple(values))

    def _between(self, field: QueryField, parts: list[str], text: str) -> Condition | None:
        if len(parts) != 2 or not any(part.strip() for part in parts):  # noqa: PLR2004 - between has two ends
            self._refuse(
                "QRY-04",
                field.name,
                f"{field.name}__between={shown(text)} must be 'a,b', 'a,' or ',b', both ends included",
            )
            return None
        ends = [self._value(field, part) if part.strip() else None for part in parts]
        if any(part.strip() and end is None for part, end in zip(parts, ends, strict=True)):
            return None
        low, high = ends
        if low is not None and high is not None and low > high:  # type: ignore[operator] # both have the field's type
            self._refuse(
                "QRY-04", field.name, f"{field.name}__between={shown(text)} is empty; put the smaller value first"
            )
            return None
        return Condition(field, Operator.BETWEEN, (low, high))

    def _value(self, field: QueryField, text: str) -> Value | None:
        text = text if field.type is FieldType.STRING else text.strip()
        if not text.strip() or len(text) > MAX_TEXT:
            self._refuse(
                "QRY-04", field.name, f"{field.name} is compared with {shown(text)}; give 1 to {MAX_TEXT} characters"
            )
            return None
        try:
            return _READERS[field.type](field, text)
        except (ValueError, PydanticCustomError) as error:
            self._refuse("QRY-04", field.name, f"{field.name} is compared with {shown(text)}, which {error}")
            return None

    def sort(self, entity: Entity, text: str) -> tuple[Sort, ...]:
        """The sort keys; the sequence of the entity always comes last, and alone and descending by default."""
        sequence = entity.fields[entity.sequence]
        if not text or not text.strip():
            return (Sort(sequence, descending=True),)
        if len(text) > MAX_TEXT:
            self._refuse("QRY-05", "sort", f"sort has {len(text)} characters; at most {MAX_TEXT} are accepted")
            return ()
        keys = [key for part in text.split(";") if (key := self._sort_key(entity, part))]
        return (*keys, Sort(sequence, descending=False))

    def _sort_key(self, entity: Entity, part: str) -> Sort | None:
        name, _, direction = (piece.strip() for piece in part.partition(","))
        field = entity.fields.get(name)
        if field is None:
            self._unknown_field("QRY-05", entity, name)
            return None
        if direction.upper() not in {"", "ASC", "DESC"}:
            self._refuse("QRY-05", "sort", f"direction {shown(direction)} of {name} is unknown; use ASC or DESC")
            return None
        return Sort(field, descending=direction.upper() == "DESC")

    def whole(self, name: str, value: int | str | None, default: int) -> int:
        if value is None or value == "":
            return default
        if isinstance(value, bool) or not _WHOLE.fullmatch(str(value)):
            self._refuse("QRY-04", name, f"{name} {shown(value)} is no whole number of at most 18 digits")
            return default
        return int(value)


class _Given(NamedTuple):
    """What a field is compared with: one text, or the items of a JSON list; null only where null was meant."""

    text: str
    is_null: bool = False
    items: tuple[str, ...] | None = None

    def parts(self) -> list[str]:
        """The values of an operator that takes several."""
        return self.text.split(",") if self.items is None else list(self.items)


def _given(value: object) -> _Given:
    """A JSON value: a string stands for itself, even the string "null"."""
    if isinstance(value, list | tuple):
        items = tuple(_as_text(part) for part in value)
        return _Given(",".join(items), items=items)
    return _Given(_as_text(value), is_null=value is None)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return plain(parse_decimal(value))
    return "null" if value is None else str(value)


def _read_text(_: QueryField, text: str) -> str:
    if not is_unicode(text):
        raise ValueError("holds half a character; give Unicode text")
    return text


def _read_integer(_: QueryField, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("is no whole number of at most 18 digits")
    return int(text)


def _read_enum(field: QueryField, text: str) -> Value:
    if text not in field.values:
        raise ValueError(f"is unknown; use one of {', '.join(field.values)}")
    return text


def _read_boolean(_: QueryField, text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("is neither true nor false")
    return text == "true"


_READERS: Mapping[FieldType, Callable[[QueryField, str], Value]] = {
    FieldType.STRING: _read_text,
    FieldType.DECIMAL: lambda _, text: parse_decimal(text),
    FieldType.INTEGER: _read_integer,
    FieldType.INSTANT: lambda _, text: parse_instant(text),
    FieldType.DATE: lambda _, text: parse_day(text),
    FieldType.ENUM: _read_enum,
    FieldType.BOOLEAN: _read_boolean,
}
