"""Which rules hold for every command, whatever it asks?"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from oms_engine.domain.commands import ENVELOPE_FIELDS, Command
from oms_engine.domain.rules.facts import Facts, found, order_name, rule
from oms_engine.errors import shown
from oms_engine.framework.validation import Rule
from oms_engine.record import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS, Record, within_digits

AnyFacts = Facts[Command]

MAX_SHORT_TEXT = 64
MAX_CL_ORD_ID = 48

LENGTHS: Mapping[str, int] = {
    "cl_ord_id": MAX_CL_ORD_ID,
    "orig_cl_ord_id": MAX_CL_ORD_ID,
    "account": 32,
    "symbol": 32,
    "text": 2_000,
    "reason": 2_000,
    "security_desc": 256,
}
"""Most characters of a text field; every other text has at most 64."""

ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
"""How an id of ours may be written."""

_PRINTABLE = re.compile(r"[\x20-\x7e]+")


def folded(name: str) -> str:
    """A name as it is compared: neither case nor blanks nor another way to write its letters make another person."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


_ENVELOPE: tuple[Rule[AnyFacts], ...] = (
    rule(
        "ENV-05",
        "OMS-DATA-001",
        "commandId",
        lambda f: not f.command_id_taken,
        lambda f: f"commandId {shown(f.command.command_id)} belongs to another command; use a new commandId",
        scope="every command",
        alone=True,
    ),
    rule(
        "ENV-04",
        "OMS-LOCK-001",
        "expectedVersion",
        lambda f: f.version == f.command.expected_version,
        lambda f: (
            f"expectedVersion is {f.command.expected_version} but {order_name(f) if found(f) else 'what it is about'} "
            f"is at version {f.version}; read it again and decide anew"
        ),
        scope="every command",
        applies=lambda f: f.command.expected_version is not None and (bool(f.version) or f.command.creates),
        needs=("expected_version",),
    ),
    rule(
        "ENV-06",
        "OMS-VAL-004",
        "commandId",
        lambda f: bool(ID_FORM.fullmatch(f.command.command_id or "")),
        lambda f: f"commandId {shown(f.command.command_id)} is malformed; use 1 to 64 of A-Z a-z 0-9 . _ -",
        scope="every command",
        applies=lambda f: f.command.command_id is not None,
        needs=("command_id",),
    ),
    rule(
        "ENV-08",
        "OMS-AUTH-003",
        "actor",
        lambda f: f.actor in (f.settings.roles.get(f.command.type) or (f.actor,)),
        lambda f: f"actor {shown(f.actor)} may not send {f.command.type}; setting roles lists who may",
        scope="every command",
        needs=("settings.roles",),
    ),
)


def required(field: str, name: str, remedy: str) -> Rule[AnyFacts]:
    """A field without which a command says nothing."""
    return rule(
        "ENV-07",
        "OMS-VAL-003",
        field,
        lambda f: _is_given(getattr(f.command, name)),
        lambda _: f"{field} is missing; {remedy}",
        scope="every command",
    )


def _is_given(value: object) -> bool:
    """A blank text is absent; a number is given, also when it is 0."""
    return value is not None and (not isinstance(value, str) or bool(value.strip()))


def order_exists(rule_id: str) -> Rule[AnyFacts]:
    """The order that the command names is in the store; only a command that names one is asked."""
    return rule(
        rule_id,
        "OMS-ORDER-001",
        "orderId",
        found,
        lambda f: (
            f"order {shown(getattr(f.command, 'order_id', None))} does not exist; search_orders finds its orderId"
        ),
        scope="commands about an order",
        applies=lambda f: bool(getattr(f.command, "order_id", None)),
    )


def printable(field: str, name: str, place: str | None = None) -> Rule[AnyFacts]:
    """An id of another party is printable ASCII."""
    return rule(
        "ENV-06",
        "OMS-VAL-004",
        field,
        lambda f: bool(_PRINTABLE.fullmatch(_value(f, place, name))),
        lambda f: f"{field} {shown(_value(f, place, name))} has other than printable ASCII characters",
        scope="ids of other parties",
        applies=lambda f: bool(_value(f, place, name)),
        needs=(_given(place, name),),
    )


def readable(field: str, name: str) -> Rule[AnyFacts]:
    """A name has no invisible characters, which would make one person look like two."""
    return rule(
        "ENV-06",
        "OMS-VAL-004",
        field,
        lambda f: str(_value(f, None, name)).isprintable(),
        lambda f: f"{field} {shown(_value(f, None, name))} has characters that cannot be seen; write it without them",
        scope="names of people",
        applies=lambda f: bool(_value(f, None, name)),
        needs=(name,),
    )


def texts_and_numbers_fit(record: type[Record], place: str | None = None) -> tuple[Rule[AnyFacts], ...]:
    """ORD-17 and ORD-18 for every field of a record: of the command itself, or of the part that stands in `place`."""
    rules: list[Rule[AnyFacts]] = []
    for name, info in record.model_fields.items():
        if name in ENVELOPE_FIELDS and record is not Command:
            continue
        kind = str(info.annotation)
        if "Decimal" in kind:
            rules.append(_digits(name, str(info.alias), place))
        elif info.annotation in {str, str | None}:
            rules.append(_length(name, str(info.alias), place))
    return tuple(rules)


def _value(facts: AnyFacts, place: str | None, name: str) -> Any:  # noqa: ANN401 - a field of any record
    part = getattr(facts.command, place) if place else facts.command
    return getattr(part, name, None)


def _given(place: str | None, name: str) -> str:
    """How a field is called that is given in a command, or in a part of it."""
    return f"{place}.{name}" if place else name


def _digits(name: str, field: str, place: str | None) -> Rule[AnyFacts]:
    return rule(
        "ORD-17",
        "OMS-VAL-005",
        field,
        lambda f: within_digits(_value(f, place, name)),
        lambda f: (
            f"{field} {shown(format(_value(f, place, name), 'f'))} has too many digits; "
            f"at most {MAX_INTEGER_DIGITS} before and {MAX_FRACTION_DIGITS} after the point"
        ),
        scope="every decimal",
        applies=lambda f: _value(f, place, name) is not None,
        needs=(_given(place, name),),
    )


def _length(name: str, field: str, place: str | None) -> Rule[AnyFacts]:
    most = LENGTHS.get(name, MAX_SHORT_TEXT)
    return rule(
        "ORD-18",
        "OMS-VAL-005",
        field,
        lambda f: len(_value(f, place, name)) <= most,
        lambda f: f"{field} has {len(_value(f, place, name))} characters; at most {most} are accepted, so shorten it",
        scope="every text",
        applies=lambda f: isinstance(_value(f, place, name), str),
        needs=(_given(place, name),),
    )


EVERY_COMMAND: tuple[Rule[AnyFacts], ...] = (
    *_ENVELOPE,
    readable("sessionId", "session_id"),
    readable("actor", "actor"),
    *texts_and_numbers_fit(Command),
)
"""What every command is asked, whatever it wants."""
