"""How do types read as a fragment of OpenAPI (3.1), and a command as the request of its path?"""

from collections.abc import Sequence
from typing import Any

from oms_engine.contracts.catalogue import is_command, needed_by, type_named
from oms_engine.contracts.json_schema import Schema, enum_schema, type_schema
from oms_engine.errors import CODES
from oms_engine.workflows import rules_of

VERSION = "1"
"""Schema version of the commands and of the events."""

_AT = "#/components/schemas/"
_ALWAYS = ("OMS-VAL-002", "OMS-VAL-004", "OMS-DATA-001", "OMS-LOCK-001", "OMS-SYS-001")
"""Codes that any command may get."""


def openapi_of(roots: Sequence[str], title: str) -> Schema:
    """A document of OpenAPI with the types as components; commands have paths besides.

    Args:
        roots: Names of types.
        title: Title of the document.
    """
    commands = [name for name in roots if is_command(name)]
    enums, types = needed_by([*roots, *(("CommandResult", "Problem") if commands else ())])
    schemas = {each.name: enum_schema(each) for each in enums}
    schemas |= {each.name: type_schema(each, _AT) for each in types}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": VERSION,
            "description": "A fragment to be taken into the document of a gateway, which names its servers itself.",
        },
        "paths": {f"/commands/{name}": {"post": _operation(name)} for name in commands},
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _operation(name: str) -> Schema:
    answers: dict[str, Any] = {"200": _answer("The command was carried out, now or before.", "CommandResult")}
    for status in sorted({str(CODES[code].status) for code in _codes(name)}):
        answers[status] = _answer(_titles(name, int(status)), "Problem", "application/problem+json")
    return {
        "operationId": name,
        "summary": type_named(name).description,
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"{_AT}{name}"}}}},
        "responses": answers,
    }


def _codes(name: str) -> set[str]:
    return {rule.code for rule in rules_of(name)} | set(_ALWAYS)


def _titles(name: str, status: int) -> str:
    """What a status can mean for a command: the error codes that its rules give."""
    return "; ".join(
        f"{code} {row.title}" for code, row in CODES.items() if row.status == status and code in _codes(name)
    )


def _answer(description: str, record: str, media: str = "application/json") -> Schema:
    return {"description": description, "content": {media: {"schema": {"$ref": f"{_AT}{record}"}}}}
