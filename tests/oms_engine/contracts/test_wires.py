"""Do real objects fit the contracts? Everything that the scenarios of the corpus send, write and answer."""

import io
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import jsonschema
import pytest
from fastavro.validation import validate
from mypy import api as mypy

from oms_engine.contracts.catalogue import TYPES, names, type_named
from oms_engine.contracts.spec import GROUPS, written
from tests.oms_engine.contracts.conftest import Wire

pytestmark = pytest.mark.slow


@cache
def _schema(what: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(written(what, "json-schema"))


@cache
def _validator(what: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_schema(what), format_checker=jsonschema.FormatChecker())


@cache
def _avro(what: str) -> Any:  # noqa: ANN401 - JSON
    return fastavro.parse_schema(json.loads(written(what, "avro")))


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def test_something_of_every_type_was_seen(wires: Mapping[str, list[Wire]]) -> None:
    assert set(wires) == set(TYPES)


@pytest.mark.parametrize("name", TYPES)
def test_every_object_of_a_real_run_fits_its_json_schema(name: str, wires: Mapping[str, list[Wire]]) -> None:
    validator = _validator(f"schema/{name}")
    for wire in wires[name]:
        validator.validate(wire)
        assert set(wire) <= set(_schema(f"schema/{name}")["properties"])


@pytest.mark.parametrize("name", TYPES)
def test_an_object_that_lacks_a_field_or_has_a_strange_one_does_not_fit(
    name: str, wires: Mapping[str, list[Wire]]
) -> None:
    told, wire = type_named(name), wires[name][0]
    validator = _validator(f"schema/{name}")
    for field in told.fields:
        if field.required:
            assert not validator.is_valid({key: value for key, value in wire.items() if key != field.name})
    assert validator.is_valid({**wire, "colour": "red"}) is not told.closed


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("Order", "orderQty", 1000),
        ("Order", "orderQty", "1e3"),
        ("Order", "orderQty", "1" * 19),
        ("Order", "state", "OPEN"),
        ("Order", "createdAt", "yesterday"),
        ("Order", "settlDate", "2026-13-01"),
        ("Order", "version", "1"),
        ("OrderCloseCmd", "type", "OrderExpireCmd"),
        ("OrderCloseCmd", "version", 2),
        ("OrderCloseCmd", "reason", "x" * 2001),
        ("OrderRejected", "ordRejReason", 42),
        ("StoredEvent", "payload", {"colour": "red"}),
        ("CommandResult", "state", "OPEN"),
    ],
)
def test_a_value_of_another_form_does_not_fit(
    name: str, field: str, value: object, wires: Mapping[str, list[Wire]]
) -> None:
    wire = wires[name][0]
    assert _validator(f"schema/{name}").is_valid(wire)
    assert not _validator(f"schema/{name}").is_valid({**wire, field: value})


def test_the_payload_of_an_event_must_be_that_of_its_type(wires: Mapping[str, list[Wire]]) -> None:
    for wire in wires["StoredEvent"]:
        other = "OrderExpired" if wire["type"] != "OrderExpired" else "OrderCreated"
        assert not _validator("schema/StoredEvent").is_valid({**wire, "type": other})


def test_a_schema_of_many_types_takes_each_of_them(wires: Mapping[str, list[Wire]]) -> None:
    for what, group in GROUPS.items():
        for name in names(group):
            _validator(what).validate(wires[name][0])
    assert not _validator("commands").is_valid({"type": "OrderDanceCmd"})


@pytest.mark.parametrize("name", TYPES)
def test_every_object_of_a_real_run_comes_back_from_avro_as_it_was(name: str, wires: Mapping[str, list[Wire]]) -> None:
    schema = _avro(f"schema/{name}")
    for wire in wires[name]:
        assert validate(wire, schema, raise_errors=False), wire
        file = io.BytesIO()
        fastavro.schemaless_writer(file, schema, wire)
        file.seek(0)
        assert _without_nulls(fastavro.schemaless_reader(file, schema, None)) == wire


def _checked(folder: Path, name: str, wire: Wire) -> str:
    """What mypy says of an object that is written down as one of a type."""
    (folder / "contract.py").write_text(written(f"schema/{name}", "python"), encoding="utf-8")
    (folder / "use.py").write_text(f"from contract import {name}\n\nmade: {name} = {wire!r}\n", encoding="utf-8")
    cache_folder = str(folder.parent / "mypy")
    told, _, _ = mypy.run(
        [f"--cache-dir={cache_folder}", "--strict", str(folder / "use.py"), str(folder / "contract.py")]
    )
    return told


@pytest.mark.parametrize("name", ["OrderCreateCmd", "StoredEvent", "Order", "CommandResult", "TransitionCheck"])
def test_a_real_object_has_the_type_of_the_python_module(
    name: str, wires: Mapping[str, list[Wire]], tmp_path: Path
) -> None:
    wire = wires[name][0]
    assert _checked(tmp_path, name, wire).startswith("Success")
    first = next(field.name for field in type_named(name).fields if field.required)
    assert "Missing key" in _checked(tmp_path, name, {key: value for key, value in wire.items() if key != first})
    assert "Extra key" in _checked(tmp_path, name, {**wire, "colour": "red"})


@pytest.mark.parametrize("what", GROUPS)
def test_the_python_module_of_many_types_is_strictly_typed(what: str, tmp_path: Path) -> None:
    (tmp_path / "contract.py").write_text(written(what, "python"), encoding="utf-8")
    told, _, _ = mypy.run([f"--cache-dir={tmp_path}", "--strict", str(tmp_path / "contract.py")])
    assert told.startswith("Success"), told
