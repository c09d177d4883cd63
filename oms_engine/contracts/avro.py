"""How does a type read as Avro?

What the wire carries is JSON, so decimals, instants and days are strings in the schema too: a decimal of Avro is bytes
of a fixed scale, which the wire does not have. Their logical types are names of our own; Avro asks readers to pass over
logical types that they do not know, and a program may register a conversion for them.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from oms_engine.contracts.catalogue import type_named
from oms_engine.contracts.description import (
    EnumDescription,
    FieldDescription,
    Kind,
    Shape,
    TypeDescription,
    enumeration,
)
from oms_engine.domain.events import EVENTS

Schema = str | dict[str, Any] | list[Any]

NAMESPACE = "oms"

_TEXTS: Schema = {"type": "array", "items": "string"}
_ANY: list[Schema] = ["boolean", "long", "double", "string", _TEXTS, {"type": "map", "values": ["string", _TEXTS]}]
"""A value that may be anything, as far as settings and the context of a problem go."""

_PLAIN: Mapping[Kind, Schema] = {
    Kind.TEXT: "string",
    Kind.DECIMAL: {"type": "string", "logicalType": "oms-decimal"},
    Kind.INSTANT: {"type": "string", "logicalType": "oms-instant"},
    Kind.DAY: {"type": "string", "logicalType": "oms-day"},
    Kind.WHOLE: "long",
    Kind.FLAG: "boolean",
    Kind.CODE: "int",
    Kind.ANY: _ANY,
}


def avro_of(roots: Sequence[str]) -> Schema:
    """The schema of a type, or the union of several; where a type is needed again, only its name stands."""
    writer = _Writer()
    if len(roots) == 1:
        return writer.record(type_named(roots[0]))
    return [writer.record(type_named(name)) for name in roots if name not in writer.written]


class _Writer:
    """Writes schemas, each name in full once."""

    def __init__(self) -> None:
        self.written: set[str] = set()

    def once(self, kind: str, told: TypeDescription | EnumDescription, rest: Callable[[], dict[str, Any]]) -> Schema:
        """The schema of a type with a name, or its name alone where it was written before.

        Args:
            kind: Avro's kind of schema.
            told: What is written.
            rest: Gives what only this kind has; asked when the name is taken, because a type may hold itself.
        """
        if told.name in self.written:
            return f"{NAMESPACE}.{told.name}"
        self.written.add(told.name)
        return {"type": kind, "name": told.name, "namespace": NAMESPACE, "doc": told.description, **rest()}

    def record(self, told: TypeDescription) -> Schema:
        return self.once("record", told, lambda: {"fields": [self.field(field) for field in told.fields]})

    def field(self, field: FieldDescription) -> Schema:
        schema: dict[str, Any] = {"name": field.name, "doc": field.description}
        if field.fix:
            schema["fixTag"] = field.fix
        if field.shape.kind is Kind.CODE:
            schema["codes"] = self.codes(field.shape)
        kind = self.shape(field.shape)
        if field.required:
            return schema | {"type": kind}
        options = kind if isinstance(kind, list) else [kind]
        return schema | {"type": ["null", *options], "default": None}

    def codes(self, shape: Shape) -> dict[str, str]:
        """What the integers of a reason code mean; an enumeration of Avro has no integers."""
        assert shape.behind is not None  # noqa: S101 - a code has a class
        assert issubclass(shape.behind, Enum)  # noqa: S101 - which is an enumeration
        return {str(value.wire): value.name for value in enumeration(shape.behind).values}

    def enum(self, told: EnumDescription) -> Schema:
        return self.once("enum", told, lambda: {"symbols": [value.name for value in told.values]})

    def shape(self, shape: Shape) -> Schema:
        match shape.kind:
            case Kind.RECORD:
                return self.record(type_named(shape.name))
            case Kind.ENUM if shape.behind and issubclass(shape.behind, Enum):
                return self.enum(enumeration(shape.behind))
            case Kind.LIST | Kind.MAP:
                kind, place = ("array", "items") if shape.kind is Kind.LIST else ("map", "values")
                return {"type": kind, place: self.shape(shape.parts[0])}
            case Kind.CHOICE:
                return [self.shape(part) for part in shape.parts]
            case Kind.EVENT:
                return [self.record(type_named(name)) for name in EVENTS]
            case plain:
                return _PLAIN[plain]
