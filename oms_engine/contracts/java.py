"""How does a type read as records of Java (17 or later)?

One interface holds all of them, because a file of Java has one public type. Decimals are BigDecimal: a mapper must read
them from strings and write them as strings.
"""

from collections.abc import Mapping, Sequence

from oms_engine.contracts.catalogue import needed_by
from oms_engine.contracts.description import EnumDescription, FieldDescription, Kind, TypeDescription
from oms_engine.contracts.notation import Notation, meaning
from oms_engine.domain.events import EVENTS

_IMPORTS = """\
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
"""

RESERVED = frozenset({"class", "default", "new", "package"})
"""Words that cannot name a component; on the wire the name has no underscore."""

_JAVA = Notation(
    plain={
        Kind.TEXT: "String",
        Kind.DECIMAL: "BigDecimal",
        Kind.INSTANT: "Instant",
        Kind.DAY: "LocalDate",
        Kind.WHOLE: "Long",
        Kind.FLAG: "Boolean",
        Kind.ANY: "Object",
        Kind.CHOICE: "String",
        Kind.EVENT: "Event",
    },
    list_of="List<{}>",
    map_of="Map<String, {}>",
)

_NEVER_NULL: Mapping[Kind, str] = {Kind.WHOLE: "long", Kind.FLAG: "boolean"}
"""Kind -> the type of a value that is always there."""


def java_of(roots: Sequence[str], title: str, holder: str) -> str:
    """A file with the types and those that they are made of.

    Args:
        roots: Names of types.
        title: What the file is about.
        holder: Name of the interface that holds them, which is also that of the file.
    """
    enums, types = needed_by(roots)
    holds_events = any(field.shape.kind is Kind.EVENT for told in types for field in told.fields)
    parts = [*map(_enum, enums), *(_record(told, is_event=holds_events and told.name in EVENTS) for told in types)]
    if holds_events:
        parts.append(f"/** The payload of any event. */\nsealed interface Event permits {', '.join(EVENTS)} {{}}")
    body = "\n\n".join("\n".join(f"    {line}" for line in part.splitlines()) for part in parts)
    return "\n".join(
        [
            _IMPORTS,
            f"/** {title}: JSON objects as they stand on the wire; decimals are strings there, nulls are left out.",
            " * Generated; change the model, not this file. */",
            f"public interface {holder} {{",
            body,
            "}",
            "",
        ]
    )


def _enum(told: EnumDescription) -> str:
    if told.is_numeric:
        values = ", ".join(f"{value.name}({value.wire})" for value in told.values)
        tail = [f"    public final int code; // on the wire\n    {told.name}(int code) {{ this.code = code; }}"]
        return "\n".join([f"/** {told.description} */", f"enum {told.name} {{", f"    {values};", *tail, "}"])
    values = ",\n".join(
        f"    {value.name}" + (f" /* {value.fix} */" if told.has_codes else "") for value in told.values
    )
    return f"/** {told.description} */\nenum {told.name} {{\n{values}\n}}"


def _record(told: TypeDescription, *, is_event: bool) -> str:
    fields = ",\n".join(map(_component, told.fields))
    inside = f"\n{fields}\n" if fields else ""
    return f"/** {told.description} */\nrecord {told.name}({inside}){' implements Event' if is_event else ''} {{}}"


def _component(field: FieldDescription) -> str:
    name = f"{field.name}_" if field.name in RESERVED else field.name
    maybe = "" if field.required else "; may be null"
    boxed = _JAVA.write(field.shape)
    kind = _NEVER_NULL.get(field.shape.kind, boxed) if field.required else boxed
    return f"    /** {meaning(field)}{maybe} */\n    {kind} {name}"
