"""Is the description of the types complete and true: every field with its meaning, and what its rules ask of it?"""

import re
from collections.abc import Iterator

import pytest

from oms_engine import Engine
from oms_engine.contracts.catalogue import TYPES, leaves, names, needed_by, type_named
from oms_engine.contracts.description import FieldDescription, Kind, described, enumeration
from oms_engine.contracts.meanings import MEANINGS
from oms_engine.domain.commands import COMMANDS
from oms_engine.domain.commands import PARTS as PART_OF
from oms_engine.domain.events import EVENTS
from oms_engine.domain.vocabulary import CxlRejReason, Side, State
from tests.oms_engine.contracts.conftest import PARTS


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.open() as engine:
        yield engine


def test_every_command_event_and_record_is_there() -> None:
    assert names("command") == list(COMMANDS)
    assert names("event") == list(EVENTS)
    assert {"Order", "Execution", "Allocation", "Quote", "QuoteRequest", "CommandResult", "Problem"} <= {
        *names("record")
    }


@pytest.mark.parametrize("name", TYPES)
def test_every_field_says_what_it_means_in_one_line(name: str) -> None:
    for field in type_named(name).fields:
        assert field.description, field.name
        assert "\n" not in field.description
        assert "*/" not in field.description  # it would end a comment of TypeScript or Java
        assert "|" not in field.description  # it would end a cell of a table


def test_no_meaning_is_given_that_nothing_asks_for() -> None:
    asked = {
        f"{name}.{field.name}" if f"{name}.{field.name}" in MEANINGS else field.name
        for name, record in TYPES.items()
        for field in described(record).fields
        if not field.description
    }
    assert asked == set(MEANINGS)


def test_types_are_read_as_they_stand_in_the_class() -> None:
    fields = {field.name: field for field in type_named("Order").fields}
    kinds = {name: fields[name].shape.kind for name in ("symbol", "price", "createdAt", "settlDate", "id", "side")}
    assert [*kinds.values()] == [Kind.TEXT, Kind.DECIMAL, Kind.INSTANT, Kind.DAY, Kind.WHOLE, Kind.ENUM]
    assert (fields["symbol"].fix, fields["symbol"].required, fields["price"].required) == (55, True, False)
    assert fields["pendingReplace"].shape.name == "ReplaceTerms"
    assert fields["isGroupedOrder"].shape.kind is Kind.FLAG
    (lots,) = (field for field in type_named("AllocationApplied").fields if field.name == "lots")
    assert [leaf.name for leaf in leaves(lots.shape)] == ["Lot"]


def test_enumerations_have_the_codes_of_fix() -> None:
    side = enumeration(Side)
    assert (side.fix, side.has_codes, side.is_numeric) == (54, True, False)
    assert [(value.wire, value.fix) for value in side.values][:2] == [("BUY", "1"), ("SELL", "2")]
    assert enumeration(State).fix == 39
    assert enumeration(CxlRejReason).is_numeric


def test_whatever_a_type_is_made_of_stands_before_it() -> None:
    _, types = needed_by(["CommandResult"])
    order = [told.name for told in types]
    assert order[-1] == "CommandResult"
    assert order.index("Violation") < order.index("Problem") < order.index("CommandResult")
    assert {told.name for told in needed_by(["StoredEvent"])[1]} >= set(EVENTS)


def _asked(name: str) -> tuple[str, dict[str, object]]:
    """The command that asks with a type, and an envelope of it in which nothing stands."""
    if name in COMMANDS:
        return name, {"type": name}
    (part,) = (part for part, record in PARTS.items() if record == name)
    attribute = re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", part)
    command = next(command for command, place in PART_OF.items() if place == attribute)
    return command, {"type": command, part: {}}


ASKED = [*COMMANDS, *PARTS.values()]


@pytest.mark.parametrize("name", ASKED)
def test_the_engine_refuses_a_command_without_what_its_contract_asks_for(name: str, engine: Engine) -> None:
    needed = {field.name for field in type_named(name).fields if field.required} - {"type"}
    _, envelope = _asked(name)
    result = engine.preview(envelope)
    missed = {found.field for found in result.error.violations} if result.error else set()
    assert needed <= missed
    assert needed or any(field.depends for field in type_named(name).fields)


def test_what_is_needed_in_some_cases_alone_is_told_apart() -> None:
    depends = {field.name for field in type_named("NewOrder").fields if field.depends}
    assert depends == {"orderQty", "price", "stopPx", "expireTime"}
    assert {field.name for field in type_named("ExecutionCorrectCmd").fields if field.depends} == {"execRefId"}
    assert not any(field.depends for field in type_named("Order").fields)


@pytest.mark.parametrize("name", ASKED)
def test_the_longest_text_of_the_contract_is_the_longest_that_the_engine_takes(name: str, engine: Engine) -> None:
    for field in type_named(name).fields:
        if field.length is not None:
            assert ("ORD-18", field.name) not in _broken(engine, name, field, field.length)
            longer = _broken(engine, name, field, field.length + 1)
            nothing_has_it = {("WHK-03", "execId")} & {*longer}
            assert field.name in {found for _, found in longer} or nothing_has_it, field.name


def _broken(engine: Engine, name: str, field: FieldDescription, length: int) -> list[tuple[str, str]]:
    """The rules that are broken, with their fields, when a text has this length."""
    _, envelope = _asked(name)
    part = next((value for value in envelope.values() if isinstance(value, dict)), envelope)
    part[field.name] = "x" * length
    result = engine.preview(envelope)
    return [(found.rule_id, found.field) for found in (result.error.violations if result.error else ())]


def test_only_texts_of_commands_are_limited() -> None:
    assert all(field.length is None for name in [*EVENTS, "Order"] for field in type_named(name).fields)
