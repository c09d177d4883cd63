"""Which types has the contract? Commands, events, records, and all that these are made of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from functools import cache

from oms_engine.contracts.description import (
    EnumDescription,
    FieldDescription,
    Kind,
    Shape,
    TypeDescription,
    described,
    enumeration,
)
from oms_engine.contracts.meanings import MEANINGS
from oms_engine.contracts.needs import asked_in, most_characters, needs
from oms_engine.domain.commands import COMMANDS, Command, CommandResult
from oms_engine.domain.events import EVENTS, StoredEvent
from oms_engine.domain.lifecycle import TransitionCheck
from oms_engine.domain.model import Allocation, Execution, Order, Quote, QuoteRequest
from oms_engine.errors import Problem
from oms_engine.record import Record

_ANSWERS: tuple[type[Record], ...] = (
    Order,
    Execution,
    Allocation,
    QuoteRequest,
    Quote,
    StoredEvent,
    CommandResult,
    Problem,
    TransitionCheck,
)
"""What the engine answers with; everything else follows from what these, the commands and the events are made of."""


def _with_parts(roots: Iterable[type[Record]]) -> dict[str, type[Record]]:
    """The types and those that they are made of; each before those that it needs."""
    found: dict[str, type[Record]] = {}
    waiting = [*roots]
    while waiting:
        record = waiting.pop(0)
        found[record.__name__] = record
        waiting += [part for part in _records_in(record) if part.__name__ not in found]
    return found


def _records_in(record: type[Record]) -> Iterator[type[Record]]:
    for field in described(record).fields:
        for shape in leaves(field.shape):
            if shape.kind is Kind.RECORD and shape.behind is not None and issubclass(shape.behind, Record):
                yield shape.behind


def leaves(shape: Shape) -> Iterator[Shape]:
    """A shape without the lists, maps and choices around it."""
    if shape.parts:
        for part in shape.parts:
            yield from leaves(part)
    else:
        yield shape


TYPES: Mapping[str, type[Record]] = _with_parts([*COMMANDS.values(), *EVENTS.values(), *_ANSWERS])
"""Name -> class, of every type of the contract."""


def names(group: str) -> list[str]:
    """The names of all commands, events or records, in their order."""
    return [name for name, record in TYPES.items() if described(record).group == group]


@cache
def type_named(name: str) -> TypeDescription:
    """The description of a type, with what its rules ask of it and what its fields mean."""
    record = TYPES[name]
    bare = described(record)
    fields = tuple(_complete(record, field) for field in bare.fields)
    if bare.group == "command":
        fields = (_type_field(bare.name), *fields)
    return replace(bare, closed=bare.closed or asked_in(record) is not None, fields=fields)


def _complete(record: type[Record], field: FieldDescription) -> FieldDescription:
    meaning, tag = field.description, field.fix
    if not meaning:
        meaning, tag = MEANINGS.get(f"{record.__name__}.{field.name}") or MEANINGS[field.name]
    field = replace(field, description=meaning, fix=tag)
    if asked_in(record) is None:
        return field
    needed = needs(record)
    is_text = field.shape == Shape(Kind.TEXT)
    return replace(
        field,
        required=field.attribute in needed.always,
        depends=field.attribute in needed.sometimes,
        length=most_characters(field.attribute) if is_text else None,
    )


def _type_field(name: str) -> FieldDescription:
    return FieldDescription(
        name="type",
        attribute="type",
        shape=Shape(Kind.TEXT, values=(name,)),
        required=True,
        description="name of the command",
    )


def needed_by(roots: Iterable[str]) -> tuple[list[EnumDescription], list[TypeDescription]]:
    """The enumerations and the types that stand behind names, each after all that it is made of."""
    enums: dict[str, EnumDescription] = {}
    found: dict[str, TypeDescription] = {}

    def add(name: str) -> None:
        if name in found:
            return
        told = type_named(name)
        for field in told.fields:
            for shape in leaves(field.shape):
                match shape.kind:
                    case Kind.EVENT:
                        for event in EVENTS:
                            add(event)
                    case Kind.RECORD:
                        add(shape.name)
                    case Kind.ENUM | Kind.CODE if shape.behind and issubclass(shape.behind, Enum):
                        enums.setdefault(shape.name, enumeration(shape.behind))
                    case _:
                        pass
        found[name] = told

    for name in roots:
        add(name)
    return list(enums.values()), list(found.values())


def is_command(name: str) -> bool:
    """Is it a command, which can be sent?"""
    return issubclass(TYPES[name], Command)
