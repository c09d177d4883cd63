"""Which fields must a command have? Its rules are asked: those that they miss, whatever else is given."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

from oms_engine.contracts.description import FieldDescription, Kind, Shape, described
from oms_engine.domain.commands import COMMANDS, ENVELOPE_FIELDS, PARTS, Command
from oms_engine.domain.lifecycle import MACHINES
from oms_engine.domain.rules.envelope import LENGTHS, MAX_SHORT_TEXT
from oms_engine.domain.rules.facts import Facts
from oms_engine.framework.validation import Rule
from oms_engine.record import Record
from oms_engine.settings import Settings
from oms_engine.workflows import rules_of

MISSING = "OMS-VAL-003"
"""The code of rules that a field must be there."""

_SAMPLES: Mapping[Kind, Any] = {
    Kind.TEXT: "A",
    Kind.DECIMAL: Decimal(1),
    Kind.INSTANT: datetime(2000, 1, 1, tzinfo=UTC),
    Kind.DAY: datetime(2000, 1, 1, tzinfo=UTC).date(),
    Kind.WHOLE: 1,
    Kind.FLAG: True,
    Kind.LIST: ("A",),
    Kind.MAP: {"A": "A"},
}


class Needs(NamedTuple):
    """What must be there always, and what in some cases (names in Python)."""

    always: frozenset[str]
    sometimes: frozenset[str]


@cache
def asked_in(record: type[Record]) -> type[Command] | None:
    """The command that asks with a record: a command itself, or the one whose part the record is."""
    if issubclass(record, Command):
        return record
    return next((COMMANDS[name] for name in PARTS if _part(name).behind is record), None)


def most_characters(attribute: str) -> int:
    """How long a text of a command may be."""
    return LENGTHS.get(attribute, MAX_SHORT_TEXT)


@cache
def needs(record: type[Record]) -> Needs:
    """What a command, or the part of one, must have by the rules that it is asked."""
    command = asked_in(record)
    assert command is not None  # noqa: S101 - only what a command asks with needs anything by its rules
    fields = [field for field in described(record).fields if field.attribute not in ENVELOPE_FIELDS]
    ways = list(_ways(fields))
    refused = {
        field.attribute: [_refuses(rules, command, record, {**way, field.attribute: None}) for way in ways]
        for field in fields
        if (rules := _rules_about(command, field.name))
    }
    always = frozenset(name for name, answers in refused.items() if all(answers))
    return Needs(always, frozenset(name for name, answers in refused.items() if any(answers)) - always)


def _rules_about(command: type[Command], field: str) -> list[Rule[Any]]:
    """The rules that could miss a field: those that say so, and those that are asked whatever is given."""
    return [
        rule
        for rule in rules_of(command.__name__)
        if rule.field == field and (rule.code == MISSING or rule.applies is None)
    ]


def _ways(fields: list[FieldDescription]) -> Iterator[dict[str, Any]]:
    """Ways to fill a record: nothing, everything, and everything with each value of each enumeration in turn."""
    yield {field.attribute: None for field in fields}
    everything = {field.attribute: _sample(field.shape) for field in fields}
    yield everything
    for field in fields:
        if field.shape.kind is Kind.ENUM:
            yield from ({**everything, field.attribute: value} for value in _values(field.shape))


def _refuses(rules: list[Rule[Any]], command: type[Command], record: type[Record], values: dict[str, Any]) -> bool:
    """Does one of the rules refuse a record that has only these values?"""
    asked = record.of(**values)
    told = asked if isinstance(asked, Command) else command.of(**{PARTS[command.__name__]: asked})
    facts = Facts[Any](
        command=told,
        settings=_settings(),
        machine=MACHINES["standard"],
        now=datetime(2000, 1, 1, tzinfo=UTC),
        session_id="A",
        actor="A",
        around=None,  # type: ignore[arg-type] # whether a field is there is not asked of the store
        candidate=getattr(told, "order", None),
    )
    return any(rule.verdict(facts) is False for rule in rules)


@cache
def _settings() -> Settings:
    return Settings()


def _sample(shape: Shape) -> Any:  # noqa: ANN401 - a value of any shape
    if shape.kind in {Kind.ENUM, Kind.CODE}:
        return _values(shape)[0]
    if shape.kind is Kind.RECORD:
        assert shape.behind is not None  # noqa: S101 - a record has a class
        return shape.behind.of()  # type: ignore[attr-defined] # and it is one of records
    return _SAMPLES[shape.kind]


def _values(shape: Shape) -> list[Enum]:
    assert shape.behind is not None  # noqa: S101 - an enumeration has a class
    return list(shape.behind)  # type: ignore[call-overload,no-any-return] # as above


def _part(command: str) -> Shape:
    fields = described(COMMANDS[command]).fields
    return next(field.shape for field in fields if field.attribute == PARTS[command])
