"""Can a value of a scenario ever be right? Names of states, codes, events and commands are looked up before it runs."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticCustomError

from oms_engine.domain.catalogue import RULES
from oms_engine.domain.commands import parse
from oms_engine.errors import CODES, shown
from oms_engine.record import parse_decimal

_LONGEST = 64
_ENVELOPE = "type"


def near(name: str, valid: Iterable[str]) -> str:
    """The beginning of a remedy: the nearest valid name, when one is near."""
    by_letters = {each.casefold(): each for each in valid}
    found = difflib.get_close_matches(name[:_LONGEST].casefold(), by_letters, n=1)
    dotted = next((each for each in by_letters.values() if each.startswith(f"{name}.")), "")
    if dotted and not found:
        return f"write its keys with a point, such as {dotted}; "
    return f"did you mean {by_letters[found[0]]}? " if found else ""


def unknown(value: object, what: str, valid: Iterable[str]) -> str:
    """That a value is none of the valid ones, with the nearest."""
    names = list(valid)
    return f"{shown(value)} is no {what}; {near(str(value), names)}valid: {', '.join(names)}"


def wrong_value(name: str, annotation: object, value: object) -> str | None:
    """Why a field can never have a value that is expected of it; None where it can."""
    if value is None:
        return None
    if name in _IDS:
        return _unknown_id(value, *_IDS[name])
    kinds = list(_leaves(annotation))
    names = [str(member.value) for kind in kinds if issubclass(kind, Enum) for member in kind]
    if names:
        return None if str(value) in names else unknown(value, name, names)
    return _no_decimal(value) if Decimal in kinds else _wrong_kind(kinds, value)


def _wrong_kind(kinds: Collection[type], value: object) -> str | None:
    """Why a value is no flag or no whole number where one is wanted."""
    if bool in kinds:
        return None if isinstance(value, bool) else f"{shown(value)} is neither true nor false; write one of the two"
    if int in kinds and not is_whole(value) and not str(value).isdecimal():
        return f"{shown(value)} is no whole number; write digits"
    return None


_IDS: Mapping[str, tuple[str, Collection[str]]] = {"errorCode": ("error code", CODES), "ruleId": ("rule", RULES)}
"""Field -> what it names; those of a user's own rules begin otherwise than ours."""


def _unknown_id(value: object, what: str, valid: Collection[str]) -> str | None:
    ours = {each.partition("-")[0] for each in valid}
    is_ours = str(value).partition("-")[0] in ours
    return unknown(value, what, valid) if is_ours and value not in valid else None


def is_whole(value: object) -> bool:
    """Is it a whole number, and not true or false, which Python counts among them?"""
    return isinstance(value, int) and not isinstance(value, bool)


def _no_decimal(value: object) -> str | None:
    try:
        parse_decimal(value)
    except PydanticCustomError as error:
        return f"{shown(value)} {error}"
    return None


def _leaves(annotation: Any) -> Iterator[type]:  # noqa: ANN401 - any annotation of a field
    """The types inside an annotation such as `State | None`."""
    if isinstance(annotation, type):
        yield annotation
    for part in get_args(annotation):
        yield from _leaves(part)


def record_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation of a field
    """The record inside an annotation such as `Problem | None` or `tuple[EventRef, ...]`."""
    return next((found for found in _leaves(annotation) if issubclass(found, BaseModel)), None)


def unreadable(envelope: Mapping[str, Any]) -> tuple[tuple[str, ...], str] | None:
    """The first key of an envelope that cannot be read, as a path, and why; None when it can be sent."""
    draft = parse(envelope)
    found = next(iter((*draft.envelope, *draft.payload)), None)
    if found is None:
        return None
    field = found.field or _ENVELOPE
    part = next((name for name in _parts(envelope) if field in envelope[name]), None)
    return ((part, field) if part and field not in envelope else (field,)), found.message


def _parts(envelope: Mapping[str, Any]) -> Iterator[str]:
    """The records in an envelope, which hold what is asked."""
    yield from (name for name, value in envelope.items() if isinstance(value, Mapping))


def expects_success(expect: Mapping[str, Any]) -> bool:
    """Does an expectation say that a command is carried out, so that its envelope must be readable?"""
    return bool(expect) and expect.get("status", "OK") == "OK" and not {"errorCode", "error"} & {*expect}
