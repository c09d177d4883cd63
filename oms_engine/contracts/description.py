"""What is a type made of? One description that every format is written from, and the only place that reads a model."""

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from oms_engine.domain.commands import Command
from oms_engine.domain.events import Event
from oms_engine.record import Record


class Kind(StrEnum):
    """What a value is on the wire; all but WHOLE, FLAG, RECORD, LIST, MAP, EVENT and ANY are strings there."""

    TEXT = "text"
    DECIMAL = "decimal"
    INSTANT = "instant"
    DAY = "day"
    WHOLE = "whole"
    FLAG = "flag"
    ENUM = "enum"
    CODE = "code"
    RECORD = "record"
    EVENT = "event"
    LIST = "list"
    MAP = "map"
    CHOICE = "choice"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of a field.

    Attributes:
        kind: What the value is. CODE is an enumeration whose wire values are the integers of FIX; EVENT is the payload
            of any event, told by the `type` beside it; CHOICE is one of `parts`.
        name: Of an enumeration or a record.
        behind: The class of that name.
        parts: Items of a list, values of a map, or what can be chosen from.
        values: The texts that are possible, where the type has no name.
    """

    kind: Kind
    name: str = ""
    behind: type | None = None
    parts: tuple["Shape", ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDescription:
    """One field.

    Attributes:
        name: On the wire.
        attribute: In Python.
        shape: Its type.
        required: An object without it is no object of the type.
        depends: It must be there in some cases, which rules decide.
        description: What it means.
        fix: FIX tag.
        least: Smallest value.
        most: Largest value.
        length: Most characters.
    """

    name: str
    attribute: str
    shape: Shape
    required: bool
    depends: bool = False
    description: str = ""
    fix: int | None = None
    least: int | None = None
    most: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeDescription:
    """One type.

    Attributes:
        name: Of the class, and on the wire.
        group: Is it asked (`command`), has it happened (`event`), or is it neither (`record`)?
        closed: Nothing but its fields may stand in it; another type may get further ones with a later version.
        description: What it is.
        fields: In their order.
    """

    name: str
    group: Literal["command", "event", "record"]
    closed: bool
    description: str
    fields: tuple[FieldDescription, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an enumeration: its name, what stands on the wire, and its FIX code."""

    name: str
    wire: str | int
    fix: str


@dataclass(frozen=True, slots=True)
class EnumDescription:
    """An enumeration with its values and its FIX tag."""

    name: str
    description: str
    fix: int | None
    values: tuple[Value, ...]

    @property
    def is_numeric(self) -> bool:
        """Are its values integers on the wire?"""
        return isinstance(self.values[0].wire, int)

    @property
    def has_codes(self) -> bool:
        """Does FIX know these values by other codes?"""
        return any(value.fix != value.name for value in self.values)


_PLAIN: Mapping[Any, Kind] = {
    Any: Kind.ANY,
    Event: Kind.EVENT,
    str: Kind.TEXT,
    Decimal: Kind.DECIMAL,
    datetime: Kind.INSTANT,
    date: Kind.DAY,
    bool: Kind.FLAG,
    int: Kind.WHOLE,
}

_FIX_TAG = re.compile(r"\bFIX (\d+)")


@cache
def described(record: type[Record]) -> TypeDescription:
    """What a class of records says of itself: names, types, meanings and FIX tags of its fields."""
    group: Literal["command", "event", "record"] = (
        "command" if issubclass(record, Command) else "event" if issubclass(record, Event) else "record"
    )
    fields = []
    for attribute, info in record.model_fields.items():
        shape, nullable = _read(info.annotation)
        extra = info.json_schema_extra
        tag = extra.get("fix") if isinstance(extra, dict) else None
        fields.append(
            FieldDescription(
                name=str(info.alias),
                attribute=attribute,
                shape=shape,
                required=not nullable,
                description=info.description or "",
                fix=tag if isinstance(tag, int) else None,
                least=next((bound.ge for bound in info.metadata if hasattr(bound, "ge")), None),
                most=next((bound.le for bound in info.metadata if hasattr(bound, "le")), None),
            )
        )
    return TypeDescription(
        name=record.__name__,
        group=group,
        closed=group == "event",
        description=_in_one_line(record.__doc__ or ""),
        fields=tuple(fields),
    )


@cache
def enumeration(kind: type[Enum]) -> EnumDescription:
    """What an enumeration says of itself."""
    text = _in_one_line(kind.__doc__ or "")
    tag = _FIX_TAG.search(text)
    values = tuple(Value(value.name, value.value, str(getattr(value, "fix", value.value))) for value in kind)
    return EnumDescription(kind.__name__, text, int(tag[1]) if tag else None, values)


def _read(annotation: Any) -> tuple[Shape, bool]:  # noqa: ANN401 - any type that a field can have
    """The shape of a type, and whether a value may be missing."""
    options = [option for option in _options(annotation) if option is not type(None)]
    nullable = len(options) < len(_options(annotation)) or annotation is Any
    shapes = tuple(_shape(option) for option in options)
    return (shapes[0] if len(shapes) == 1 else Shape(Kind.CHOICE, parts=shapes)), nullable


def _options(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as above
    return get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)


def _shape(kind: Any) -> Shape:  # noqa: ANN401 - as above
    if get_origin(kind) is not None:
        return _made_of_others(get_origin(kind), get_args(kind))
    if kind in _PLAIN:
        return Shape(_PLAIN[kind])
    if issubclass(kind, Record):
        return Shape(Kind.RECORD, kind.__name__, kind)
    return Shape(Kind.ENUM if issubclass(kind, str) else Kind.CODE, kind.__name__, kind)


def _made_of_others(origin: Any, arguments: tuple[Any, ...]) -> Shape:  # noqa: ANN401 - as above
    if origin is Literal:
        return Shape(Kind.TEXT, values=arguments)
    if origin is tuple:
        return Shape(Kind.LIST, parts=(_shape(arguments[0]),))
    if origin is dict:
        return Shape(Kind.MAP, parts=(_shape(arguments[1]),))
    return _shape(arguments[0])  # Annotated: what stands behind the first belongs to pydantic


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
