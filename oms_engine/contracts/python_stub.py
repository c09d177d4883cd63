"""How does a type read as a typed module of Python: the JSON object as a TypedDict?"""

from collections.abc import Sequence

from oms_engine.contracts.catalogue import needed_by
from oms_engine.contracts.description import EnumDescription, FieldDescription, Kind, TypeDescription
from oms_engine.contracts.notation import Notation, codes, literal, meaning
from oms_engine.domain.events import EVENTS

_HEAD = '''"""{title}: JSON objects as they stand on the wire. Generated; change the model, not this file."""

from typing import Any, Literal, NotRequired, TypedDict

DecimalText = str
"""An exact decimal as plain digits, such as "10.5"; `decimal.Decimal` reads it."""

InstantText = str
"""A moment of RFC 3339, such as "2026-01-02T09:30:00.000000Z"."""

DayText = str
"""A calendar day, such as "2026-01-02"."""
'''

_PYTHON = Notation(
    plain={
        Kind.TEXT: "str",
        Kind.DECIMAL: "DecimalText",
        Kind.INSTANT: "InstantText",
        Kind.DAY: "DayText",
        Kind.WHOLE: "int",
        Kind.FLAG: "bool",
        Kind.ANY: "Any",
        Kind.EVENT: " | ".join(EVENTS),
    },
    list_of="list[{}]",
    map_of="dict[str, {}]",
    one_of=" | ",
    texts="Literal[{}]",
)


def python_of(roots: Sequence[str], title: str) -> str:
    """A module with the types and those that they are made of.

    Args:
        roots: Names of types.
        title: What the module is about.
    """
    enums, types = needed_by(roots)
    parts = [_HEAD.format(title=title), *map(_enum, enums), *(f"\n{_class(told)}" for told in types)]
    return "\n".join(parts)


def _enum(told: EnumDescription) -> str:
    values = ", ".join(literal(value.wire) for value in told.values)
    return f'{told.name} = Literal[{values}]\n"""{told.description}{codes(told)}"""\n'


def _class(told: TypeDescription) -> str:
    lines = [f"class {told.name}(TypedDict):", f'    """{told.description}"""']
    if told.fields:
        lines.append("")
    return "\n".join([*lines, *map(_field, told.fields), ""])


def _field(field: FieldDescription) -> str:
    kind = _PYTHON.write(field.shape)
    return f"    {field.name}: {kind if field.required else f'NotRequired[{kind}]'}  # {meaning(field)}"
