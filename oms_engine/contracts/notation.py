"""How does a language write a type? One table per language, and one way to read it."""

from collections.abc import Mapping
from dataclasses import dataclass

from oms_engine.contracts.description import EnumDescription, FieldDescription, Kind, Shape


@dataclass(frozen=True, slots=True)
class Notation:
    """What a language calls things.

    Attributes:
        plain: Kind -> name of its type.
        list_of: List of what stands in the braces.
        map_of: Names with values of what stands in the braces.
        one_of: What stands between types of which a value has one; empty where CHOICE is a plain type.
        texts: The braces hold texts of which a value is one, with commas between them unless there is nothing but the
            braces; empty where such a value is a plain text.
    """

    plain: Mapping[Kind, str]
    list_of: str
    map_of: str
    one_of: str = ""
    texts: str = ""

    def write(self, shape: Shape) -> str:
        """The type of a field."""
        match shape.kind:
            case Kind.TEXT if shape.values and self.texts:
                return self.texts.format((self.one_of if self.texts == "{}" else ", ").join(map(literal, shape.values)))
            case Kind.ENUM | Kind.CODE | Kind.RECORD:
                return shape.name
            case Kind.LIST | Kind.MAP:
                template = self.list_of if shape.kind is Kind.LIST else self.map_of
                return template.format(self.write(shape.parts[0]))
            case Kind.CHOICE if self.one_of:
                return self.one_of.join(map(self.write, shape.parts))
            case kind:
                return self.plain[kind]


def literal(value: str | int) -> str:
    """A value of an enumeration as source code."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def codes(told: EnumDescription) -> str:
    """What FIX calls the values, as a sentence; empty where it calls them the same."""
    if told.is_numeric:
        return " " + ", ".join(f"{value.wire} {value.name}" for value in told.values) + "."
    return f" Codes: {', '.join(f'{value.name} {value.fix}' for value in told.values)}." if told.has_codes else ""


def meaning(field: FieldDescription) -> str:
    """What a field means, with its FIX tag."""
    return f"{field.description}; FIX {field.fix}" if field.fix else field.description
