"""How does a type read as a module of TypeScript?"""

from collections.abc import Sequence

from oms_engine.contracts.catalogue import needed_by
from oms_engine.contracts.description import EnumDescription, FieldDescription, Kind, TypeDescription
from oms_engine.contracts.notation import Notation, codes, literal, meaning
from oms_engine.domain.events import EVENTS

_HEAD = """\
// {title}: JSON objects as they stand on the wire. Generated; change the model, not this file.

/** An exact decimal as plain digits, such as "10.5"; a number of JavaScript would round it. */
export type DecimalText = string;

/** A moment of RFC 3339, such as "2026-01-02T09:30:00.000000Z". */
export type InstantText = string;

/** A calendar day, such as "2026-01-02". */
export type DayText = string;
"""

_TYPESCRIPT = Notation(
    plain={
        Kind.TEXT: "string",
        Kind.DECIMAL: "DecimalText",
        Kind.INSTANT: "InstantText",
        Kind.DAY: "DayText",
        Kind.WHOLE: "number",
        Kind.FLAG: "boolean",
        Kind.ANY: "unknown",
    },
    list_of="Array<{}>",
    map_of="Record<string, {}>",
    one_of=" | ",
    texts="{}",
)


def typescript_of(roots: Sequence[str], title: str) -> str:
    """A module with the types and those that they are made of.

    Args:
        roots: Names of types.
        title: What the module is about.
    """
    enums, types = needed_by(roots)
    return "\n".join([_HEAD.format(title=title), *map(_enum, enums), *map(_type, types)])


def _enum(told: EnumDescription) -> str:
    values = " | ".join(literal(value.wire) for value in told.values)
    return f"/** {told.description}{codes(told)} */\nexport type {told.name} = {values};\n"


def _type(told: TypeDescription) -> str:
    if not any(field.shape.kind is Kind.EVENT for field in told.fields):
        return "\n".join([f"/** {told.description} */", f"export interface {told.name} {_body(told.fields)}", ""])
    around = [field for field in told.fields if field.name != "type" and field.shape.kind is not Kind.EVENT]
    return "\n".join(
        [
            "/** Which type of an event has which payload. */",
            "export interface EventPayloads {",
            *(f"  {name}: {name};" for name in EVENTS),
            "}",
            "",
            f"/** {told.description} Its type tells which payload it has. */",
            f"export type {told.name} = {_body(around)} & {{",
            "  [Name in keyof EventPayloads]: { type: Name; payload: EventPayloads[Name] };",
            "}[keyof EventPayloads];",
            "",
        ]
    )


def _body(fields: Sequence[FieldDescription]) -> str:
    return "\n".join(["{", *map(_field, fields), "}"]) if fields else "{}"


def _field(field: FieldDescription) -> str:
    optional = "" if field.required else "?"
    return f"  /** {meaning(field)} */\n  {field.name}{optional}: {_TYPESCRIPT.write(field.shape)};"
