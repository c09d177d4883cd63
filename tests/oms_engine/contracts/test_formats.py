"""Is each contract a good one of its format? A tool that knows the format reads it."""

import json
import re
from functools import cache
from typing import Any

import fastavro
import jsonschema
import openapi_spec_validator
import pytest

from oms_engine import Refused
from oms_engine.contracts.catalogue import TYPES, names, needed_by, type_named
from oms_engine.contracts.java import RESERVED
from oms_engine.contracts.spec import ADDRESSES, FORMATS, GROUPS, MEDIA_TYPES, SCHEME, written
from oms_engine.domain.commands import COMMANDS
from oms_engine.domain.events import EVENTS
from oms_engine.errors import CODES
from oms_engine.workflows import rules_of

ALL = [f"schema/{name}" for name in TYPES]
FILES = [*ALL, *GROUPS]


@cache
def _schema(what: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(written(what, "json-schema"))


@pytest.mark.parametrize("what", FILES)
def test_a_json_schema_is_one(what: str) -> None:
    schema = _schema(what)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (schema["$schema"], schema["$id"]) == ("https://json-schema.org/draft/2020-12/schema", SCHEME + what)


@cache
def _avro(what: str) -> Any:  # noqa: ANN401 - JSON
    return fastavro.parse_schema(json.loads(written(what, "avro")))


@pytest.mark.parametrize("what", FILES)
def test_an_avro_schema_is_one(what: str) -> None:
    assert _avro(what)


def test_avro_says_what_its_strings_hold() -> None:
    fields = {field["name"]: field for field in json.loads(written("schema/Lot", "avro"))["fields"]}
    assert fields["quantity"]["type"] == {"type": "string", "logicalType": "oms-decimal"}
    assert fields["price"]["fixTag"] == 31
    (reason, *_) = json.loads(written("schema/OrderCancelRejected", "avro"))["fields"]
    assert (reason["type"], reason["codes"]["0"], reason["codes"]["99"]) == ("int", "TOO_LATE", "OTHER")


@pytest.mark.parametrize("what", FILES)
def test_openapi_is_valid(what: str) -> None:
    openapi_spec_validator.validate(json.loads(written(what, "openapi")))


@pytest.mark.parametrize("name", COMMANDS)
def test_openapi_has_a_path_for_a_command_with_every_status_of_its_rules(name: str) -> None:
    document = json.loads(written(f"schema/{name}", "openapi"))
    assert [*document["paths"]] == [f"/commands/{name}"]
    operation = document["paths"][f"/commands/{name}"]["post"]
    sent = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert sent == f"#/components/schemas/{name}"
    statuses = {str(CODES[rule.code].status) for rule in rules_of(name)}
    assert statuses | {"200", "400", "409", "500"} == set(operation["responses"])
    assert {"CommandResult", "Problem", name} <= set(document["components"]["schemas"])


def test_openapi_of_all_commands_has_all_paths() -> None:
    assert len(json.loads(written("commands", "openapi"))["paths"]) == len(COMMANDS)
    assert json.loads(written("events", "openapi"))["paths"] == {}


@pytest.mark.parametrize("what", FILES)
def test_python_has_a_class_for_every_type(what: str) -> None:
    text = written(what, "python")
    module: dict[str, Any] = {}
    exec(compile(text, what, "exec"), module)  # noqa: S102 - the text that we generate is what is tested
    for name in [what.removeprefix("schema/")] if what in ALL else names(GROUPS[what]):
        told = type_named(name)
        assert set(module[name].__annotations__) == {field.name for field in told.fields}
        assert module[name].__required_keys__ == {field.name for field in told.fields if field.required}


_KEYWORDS = """
abstract assert boolean break byte case catch char class const continue default do double else enum extends final
finally float for goto if implements import instanceof int interface long native new package private protected public
return short static strictfp super switch synchronized this throw throws transient try void volatile while true false
null
"""
JAVA_KEYWORDS = set(_KEYWORDS.split())
JAVA_TYPES = {"String", "BigDecimal", "Instant", "LocalDate", "Long", "Boolean", "Object", "long", "boolean", "Event"}


def test_no_component_of_java_is_called_like_a_keyword() -> None:
    known = {field.name for name in TYPES for field in type_named(name).fields}
    assert known & JAVA_KEYWORDS == {"new"}
    assert known & JAVA_KEYWORDS <= RESERVED
    assert "Object new_\n" in written("schema/SettingsChanged", "java")


@pytest.mark.parametrize("what", FILES)
def test_java_is_one_interface_with_a_record_for_every_type(what: str) -> None:
    text = written(what, "java")
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    roots = [what.removeprefix("schema/")] if what in ALL else names(GROUPS[what])
    enums, types = needed_by(roots)
    name = what.removeprefix("schema/") if what in ALL else what.capitalize()
    assert re.findall(r"public interface (\w+)", code) == [f"{name}Contract"]
    for opening, closing in ("()", "{}"):
        assert code.count(opening) == code.count(closing)
    records = dict(re.findall(r"record (\w+)\(([^)]*)\)", code))
    assert {*records} == {told.name for told in types}
    assert set(re.findall(r"\benum (\w+)", code)) == {told.name for told in enums}
    known = JAVA_TYPES | {*records} | {told.name for told in enums}
    for told in types:
        components = [part.split() for part in re.split(r",\s*\n", records[told.name].strip()) if part]
        assert [words[-1].rstrip("_") for words in components] == [field.name for field in told.fields]
        for words in components:
            assert set(re.findall(r"\w+", " ".join(words[:-1]))) - {"List", "Map"} <= known
    if what.endswith("StoredEvent"):
        assert code.count("implements Event") == len(EVENTS)


@pytest.mark.parametrize("what", FILES)
def test_typescript_names_every_field_and_needs_nothing_else(what: str) -> None:
    text = written(what, "typescript")
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    exported = re.findall(r"export (?:type|interface) (\w+)", code)
    assert len(set(exported)) == len(exported)
    roots = [what.removeprefix("schema/")] if what in ALL else names(GROUPS[what])
    for told in needed_by(roots)[1]:
        assert told.name in exported
        assert {field.name for field in told.fields} <= set(re.findall(r"(\w+)\??:", code))
    used = set(re.findall(r"(?<![\w\"'])[A-Z][A-Za-z]+(?=[;,>\[\] ])", re.sub(r'"[^"]*"', "", code)))
    assert used <= {*exported, "Array", "Record", "Name"}


def test_every_format_has_a_media_type_and_every_address_opens() -> None:
    assert set(MEDIA_TYPES) == set(FORMATS)
    for address in ADDRESSES:
        assert written(address.removeprefix(SCHEME).replace("NAME", "Order"))


def test_a_text_says_everything_of_a_type() -> None:
    text = written("schema/OrderCancelCmd")
    for field in type_named("OrderCancelCmd").fields:
        assert f"| `{field.name}` |" in text
    assert "framework/validation-rules.md#63-cxl-03-the-order-has-not-ended" in text
    assert "- Side: BUY (1), SELL (2)" in written("schema/NewOrder")
    assert "spec://schema/Violation" in written("schema/Problem")


def test_the_name_of_a_type_may_be_written_in_any_case() -> None:
    assert written("schema/order", "avro") == written("schema/Order", "avro")


@pytest.mark.parametrize(
    ("what", "form", "told"),
    [
        ("schema/Ordr", "text", "nearest: Order,"),
        ("schema/", "text", "nearest:"),
        ("schema/" + "x" * 100_000, "avro", "spec://index lists all"),
        ("nothing", "text", "use spec://index, spec://commands"),
        ("", "text", "use spec://index"),
        ("states", "avro", "avro is for spec://schema/NAME, spec://commands"),
        ("index", "java", "text alone"),
        ("schema/Order", "yaml", "use one of text, json-schema, avro, openapi, python, typescript, java"),
    ],
)
def test_what_has_no_contract_is_refused_with_what_has_one(what: str, form: str, told: str) -> None:
    with pytest.raises(Refused) as refused:
        written(what, form)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 500
    assert refused.value.problem.error_code == "OMS-VAL-004"
