"""How does a type read as markdown, for people and for models that are asked about it?"""

from collections.abc import Sequence

from oms_engine.contracts.catalogue import leaves, needed_by, type_named
from oms_engine.contracts.description import EnumDescription, FieldDescription, Kind, TypeDescription
from oms_engine.contracts.notation import Notation
from oms_engine.domain.catalogue import citation, description
from oms_engine.domain.commands import ENVELOPE_FIELDS
from oms_engine.domain.lifecycle import TARGETS
from oms_engine.workflows import WORKFLOWS

_GROUPS = {"command": "A command", "event": "The payload of an event", "record": "A record"}

_WORDS = Notation(
    plain={kind: {Kind.WHOLE: "integer", Kind.FLAG: "boolean"}.get(kind, kind.value) for kind in Kind},
    list_of="list of {}",
    map_of="name to {}",
    one_of=" or ",
    texts="{}",
)

_NOTES = {
    Kind.DECIMAL: "decimal: a string of plain digits, at most 18 before and 8 after the point, such as `10.5`",
    Kind.INSTANT: "instant: a string of RFC 3339, such as `2026-01-02T09:30:00.000000Z`",
    Kind.DAY: "day: a string such as `2026-01-02`",
    Kind.CODE: "codes of FIX are integers",
    Kind.EVENT: "event: the payload of the event that `type` names",
}


def type_page(name: str) -> str:
    """The page of one type: its fields, the values of its enumerations, and what its parts are."""
    told = type_named(name)
    enums, types = needed_by([name])
    parts = [part.name for part in types if part.name != name]
    lines = [f"# {name}", "", f"{_GROUPS[told.group]}. {told.description}", "", *field_table(told.fields)]
    if notes := _notes(told.fields):
        lines += ["", *(f"- {note}" for note in notes)]
    if enums:
        lines += ["", "## Values", "", *map(enum_line, enums)]
    if told.group == "command":
        lines += [
            "",
            "## Rules",
            "",
            *(f"- {rule}: {description(rule)}: `{citation(rule)}`" for rule in own_rules(name)),
        ]
    if parts:
        lines += ["", "## Parts", "", ", ".join(f"spec://schema/{part}" for part in parts)]
    return "\n".join(lines) + "\n"


def field_table(fields: Sequence[FieldDescription]) -> list[str]:
    """Fields as a table."""
    rows = [
        f"| `{field.name}` | {_WORDS.write(field.shape)} | {needed(field)} | {field.fix or '-'} | {field.description} |"
        for field in fields
    ]
    head = ["| Field | Type | There | FIX | Meaning |", "|---|---|---|---|---|"]
    return [*head, *rows] if rows else ["It has no fields."]


def needed(field: FieldDescription) -> str:
    """Is a field always there?"""
    return "always" if field.required else "it depends" if field.depends else "may be absent"


def enum_line(told: EnumDescription) -> str:
    """An enumeration with its values, and their codes where FIX has others."""
    if told.is_numeric:
        values = [f"{value.wire} {value.name}" for value in told.values]
    else:
        values = [f"{value.name} ({value.fix})" if told.has_codes else value.name for value in told.values]
    return f"- {told.name}: {', '.join(values)}. {told.description}"


def type_line(name: str) -> str:
    """A command or an event in one item of a list: what it is, and the names of its own fields."""
    told = type_named(name)
    around = {"type", *ENVELOPE_FIELDS} if told.group == "command" else set()
    own = [field for field in told.fields if field.attribute not in around]
    fields = ", ".join(f"`{field.name}`{'' if field.required else '?'}" for field in own) or "none of its own"
    target = f" Into {TARGETS[name]}." if name in TARGETS else ""
    rules = f" Rules: {', '.join(own_rules(name))}." if told.group == "command" else ""
    return f"- **{name}**: {told.description}{target} Fields: {fields}.{rules}"


def own_rules(command: str) -> list[str]:
    """The rules that a command is asked beside those that every command is asked, each once."""
    return list(dict.fromkeys(rule.id for rule in WORKFLOWS[command]))


def record_section(told: TypeDescription) -> list[str]:
    """A record as a section of a page."""
    return [f"## {told.name}", "", told.description, "", *field_table(told.fields), ""]


def _notes(fields: Sequence[FieldDescription]) -> list[str]:
    kinds = {leaf.kind for field in fields for leaf in leaves(field.shape)}
    return [note for kind, note in _NOTES.items() if kind in kinds]
