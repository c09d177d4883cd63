"""How does a type read as JSON Schema (2020-12), alone and as a component of OpenAPI?"""

from collections.abc import Mapping, Sequence
from typing import Any

from oms_engine.contracts.catalogue import needed_by
from oms_engine.contracts.description import EnumDescription, FieldDescription, Kind, Shape, TypeDescription
from oms_engine.domain.events import EVENTS
from oms_engine.record import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PLAIN: Mapping[Kind, Schema] = {
    Kind.TEXT: {"type": "string"},
    Kind.DECIMAL: {
        "type": "string",
        "pattern": rf"^-?[0-9]{{1,{MAX_INTEGER_DIGITS}}}(\.[0-9]{{1,{MAX_FRACTION_DIGITS}}})?$",
    },
    Kind.INSTANT: {"type": "string", "format": "date-time"},
    Kind.DAY: {"type": "string", "format": "date"},
    Kind.WHOLE: {"type": "integer"},
    Kind.FLAG: {"type": "boolean"},
    Kind.ANY: {},
    Kind.EVENT: {"type": "object"},
}


def schema_of(roots: Sequence[str], address: str) -> Schema:
    """One schema that needs no other; of several types, that of an object which is one of them.

    Args:
        roots: Names of types.
        address: What identifies the schema.
    """
    enums, types = needed_by(roots)
    parts = {each.name: enum_schema(each) for each in enums}
    parts |= {each.name: type_schema(each, "#/$defs/") for each in types}
    head = {"$schema": DIALECT, "$id": address}
    if len(roots) == 1:
        own = parts.pop(roots[0])
        return head | own | ({"$defs": dict(sorted(parts.items()))} if parts else {})
    return head | {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in roots], "$defs": dict(sorted(parts.items()))}


def type_schema(told: TypeDescription, at: str) -> Schema:
    """The schema of one type.

    Args:
        told: The type.
        at: Where the types that it is made of stand, such as `#/$defs/`.
    """
    schema: Schema = {
        "title": told.name,
        "description": told.description,
        "type": "object",
        "properties": {field.name: _field(field, at) for field in told.fields},
    }
    if needed := [field.name for field in told.fields if field.required]:
        schema["required"] = needed
    if told.closed:
        schema["additionalProperties"] = False
    if any(field.shape.kind is Kind.EVENT for field in told.fields):
        schema["allOf"] = [_payload(name, at) for name in EVENTS]
    return schema


def _payload(name: str, at: str) -> Schema:
    """What the payload is where the type is this one."""
    return {
        "if": {"properties": {"type": {"const": name}}},
        "then": {"properties": {"payload": {"$ref": f"{at}{name}"}}},
    }


def enum_schema(told: EnumDescription) -> Schema:
    """The schema of an enumeration; what FIX calls the values stands beside them."""
    schema: Schema = {
        "title": told.name,
        "description": told.description,
        "type": "integer" if told.is_numeric else "string",
        "enum": [value.wire for value in told.values],
    }
    if told.is_numeric:
        schema["x-names"] = {str(value.wire): value.name for value in told.values}
    elif told.has_codes:
        schema["x-fix-codes"] = {value.name: value.fix for value in told.values}
    return schema | ({"x-fix-tag": told.fix} if told.fix else {})


def _field(field: FieldDescription, at: str) -> Schema:
    schema = {**_shape(field.shape, at), "description": field.description}
    bounds = {"minimum": field.least, "maximum": field.most, "maxLength": field.length, "x-fix-tag": field.fix}
    return schema | {name: value for name, value in bounds.items() if value is not None}


def _shape(shape: Shape, at: str) -> Schema:
    match shape.kind:
        case Kind.TEXT if shape.values:
            return {"const": shape.values[0]} if len(shape.values) == 1 else {"enum": list(shape.values)}
        case Kind.ENUM | Kind.CODE | Kind.RECORD:
            return {"$ref": f"{at}{shape.name}"}
        case Kind.LIST:
            return {"type": "array", "items": _shape(shape.parts[0], at)}
        case Kind.MAP:
            return {"type": "object", "additionalProperties": _shape(shape.parts[0], at)}
        case Kind.CHOICE:
            return {"anyOf": [_shape(part, at) for part in shape.parts]}
        case kind:
            return dict(_PLAIN[kind])
