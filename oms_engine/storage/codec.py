"""How do values stand in a column, so that SQLite itself compares, sorts and indexes them by value?

Decimals become sortable text: a sign digit, 18 integer digits and 8 fraction digits; the digits of negative numbers are
complemented to nine. Instants and dates are ISO-8601, enumerations their names, booleans 0 and 1.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Any

from oms_engine.domain.filters import Entity, FieldType, QueryField
from oms_engine.record import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS, Record, instant_text, plain

SqlValue = str | int | None

_COMPLEMENT = str.maketrans("0123456789", "9876543210")
_ABOVE_ALL = "2"
_BELOW_ALL = "/"
_LIMIT = Decimal(10) ** MAX_INTEGER_DIGITS


@lru_cache(maxsize=4_096)
def sortable(value: Decimal) -> str:
    """The decimal as text that sorts by value; also values finer or larger than a column holds compare rightly."""
    if value.copy_abs() >= _LIMIT:
        return _ABOVE_ALL if value > 0 else _BELOW_ALL
    whole, _, fraction = plain(value.copy_abs()).partition(".")
    digits = whole.rjust(MAX_INTEGER_DIGITS, "0") + fraction.ljust(MAX_FRACTION_DIGITS, "0")
    return "1" + digits if value >= 0 else "0" + digits.translate(_COMPLEMENT) + "~"


@lru_cache(maxsize=4_096)
def from_sortable(text: str) -> Decimal:
    """The decimal that stands in a column."""
    digits = text[1:] if text[0] == "1" else text[1:-1].translate(_COMPLEMENT)
    value = Decimal(plain(Decimal(f"{digits[:MAX_INTEGER_DIGITS]}.{digits[MAX_INTEGER_DIGITS:]}")))
    return value if text[0] == "1" else value.copy_negate()


def decimal_sql(column: str) -> str:
    """An SQL expression that gives a decimal column as plain text, for views that people read."""
    whole = f"CAST(substr({column}, 2, {MAX_INTEGER_DIGITS}) AS INTEGER)"
    fraction = f"CAST(substr({column}, {MAX_INTEGER_DIGITS + 2}, {MAX_FRACTION_DIGITS}) AS INTEGER)"
    positive = f"printf('%d.%0{MAX_FRACTION_DIGITS}d', {whole}, {fraction})"
    complements = f"{'9' * MAX_INTEGER_DIGITS} - {whole}, {'9' * MAX_FRACTION_DIGITS} - {fraction}"
    negative = f"printf('-%d.%0{MAX_FRACTION_DIGITS}d', {complements})"
    return f"rtrim(rtrim(CASE substr({column}, 1, 1) WHEN '1' THEN {positive} WHEN '0' THEN {negative} END, '0'), '.')"


_TO_SQL: Mapping[FieldType, Callable[[Any], SqlValue]] = {
    FieldType.STRING: str,
    FieldType.ENUM: lambda value: value._value_ if isinstance(value, Enum) else str(value),
    FieldType.DECIMAL: sortable,
    FieldType.INTEGER: int,
    FieldType.INSTANT: instant_text,
    FieldType.DATE: date.isoformat,
    FieldType.BOOLEAN: int,
}

_OF_RECORD: Mapping[FieldType, Callable[[Any], SqlValue] | None] = {
    **_TO_SQL,
    FieldType.STRING: None,
    FieldType.INTEGER: None,
    FieldType.ENUM: attrgetter("_value_"),
}
"""The same for the values of a record, whose types are known; None for what stands in a column as it is."""

_FROM_SQL: Mapping[FieldType, Callable[[Any], object]] = {
    FieldType.DECIMAL: from_sortable,
    FieldType.INSTANT: datetime.fromisoformat,
    FieldType.DATE: date.fromisoformat,
    FieldType.BOOLEAN: bool,
}


def to_sql(field: QueryField, value: object) -> SqlValue:
    """A value of a field as it stands in its column."""
    return None if value is None else _TO_SQL[field.type](value)


class RowCodec:
    """Turns the records of one entity into rows and back; a column has the name of the record's attribute.

    A part that is a record of its own, which no question can compare, stands in its column as JSON.
    """

    def __init__(self, entity: Entity, parts: Mapping[str, type[Record]] | None = None) -> None:
        self.record = entity.record
        self.fields = tuple(entity.fields.values())
        self.parts = dict(parts or {})
        self.columns = (*(field.attribute for field in self.fields), *self.parts)
        self._writers: dict[str, Callable[[Any], SqlValue] | None] = {
            **{field.attribute: _OF_RECORD[field.type] for field in self.fields},
            **dict.fromkeys(self.parts, _json),
        }
        self._readers = tuple(
            (column, reader)
            for column, reader in (
                *((field.attribute, self._reader(field)) for field in self.fields),
                *((name, part.model_validate_json) for name, part in self.parts.items()),
            )
            if reader is not None
        )

    def _reader(self, field: QueryField) -> Callable[[Any], object] | None:
        if field.type is not FieldType.ENUM:
            return _FROM_SQL.get(field.type)
        annotation: Any = self.record.model_fields[field.attribute].annotation
        members: type[Enum] = annotation if isinstance(annotation, type) else annotation.__args__[0]
        return {str(member.value): member for member in members}.__getitem__

    def row(self, record: Record) -> tuple[SqlValue, ...]:
        """The record as a row, in the order of `columns`."""
        values = record.__dict__
        return tuple(
            value if (value := values[name]) is None or write is None else write(value)
            for name, write in self._writers.items()
        )

    def given(self, record: Record) -> dict[str, SqlValue]:
        """The columns of a record that are not null."""
        values = record.__dict__
        return {
            name: value if write is None else write(value)
            for name, write in self._writers.items()
            if (value := values[name]) is not None
        }

    def changed(self, before: Record, after: Record) -> dict[str, SqlValue]:
        """The columns in which a record differs from what it was; fields it shares with it are not even compared."""
        was, writers = before.__dict__, self._writers
        return {
            name: value if value is None or (write := writers[name]) is None else write(value)
            for name, value in after.__dict__.items()
            if value is not was[name] and value != was[name]
        }

    def read(self, row: tuple[Any, ...]) -> Record:
        """The record that stands in a row; nothing is checked again, so a page costs little more than its rows."""
        values = {**self.record.blank}
        values.update(zip(self.columns, row, strict=True))
        for column, reader in self._readers:
            value = values[column]
            if value is not None:
                values[column] = reader(value)
        return self.record.made(values)


def _json(part: Record) -> str:
    return part.to_json()
