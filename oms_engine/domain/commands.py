"""What can be asked of an order? The commands, and how an envelope becomes one."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from oms_engine.domain.catalogue import violation
from oms_engine.domain.model import (
    SYSTEM_FIELDS,
    ExecutionReport,
    NewOrder,
    NewQuote,
    NewQuoteRequest,
    ReplaceTerms,
    fact,
)
from oms_engine.domain.vocabulary import (
    ApprovalLevel,
    CommandStatus,
    CxlRejReason,
    OrdRejReason,
    OrdType,
    QuoteState,
    Side,
    State,
)
from oms_engine.errors import Problem, shown
from oms_engine.framework.orchestration import TaskStatus
from oms_engine.framework.validation import Violation
from oms_engine.record import Exact, Flag, Record, Whole, is_unicode


def _no_flag(value: object) -> object:
    """In Python true equals 1, on the wire it is no code."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "is no whole number")
    return value


NoFlag = BeforeValidator(_no_flag)


class Command(Record):
    """A request to change something, with its envelope. Fields may be missing: the rules say which must not be."""

    version: Whole = Field(1, ge=1, le=1, description="schema version of the command")
    command_id: str | None = fact("idempotency key of the command; generated when not given", default=None)
    correlation_id: str | None = fact("copied to every event; the commandId when not given", default=None)
    causation_id: str | None = fact("what caused the command; copied to every event", default=None)
    session_id: str | None = fact("session of the sender", fix=49, default=None)
    actor: str | None = fact("who acts; the session when not given", default=None)
    expected_version: Whole | None = fact("version the order must have", default=None)

    creates: ClassVar[bool] = False
    """Does the command begin a new stream, or may its stream be empty?"""

    @property
    def type(self) -> str:
        """The name of the command on the wire."""
        return type(self).__name__

    def to_wire(self) -> dict[str, Any]:
        """The envelope as JSON, with its type."""
        return {"type": self.type} | super().to_wire()

    def payload(self) -> dict[str, Any]:
        """What is asked, without the envelope."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(ENVELOPE_FIELDS))

    def payload_json(self) -> str:
        """The same as JSON text, always in the order of the fields."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True, exclude=_ENVELOPE).decode()


ENVELOPE_FIELDS = frozenset(Command.model_fields)
_ENVELOPE = set(ENVELOPE_FIELDS)


class OrderCommand(Command):
    """A command about one existing order."""

    order_id: str | None = fact("the order", fix=37, default=None)


class OrderCreateCmd(Command):
    """Create an order; unless the desk handles it, it is placed at once."""

    creates = True
    order: NewOrder | None = fact("the order asked for", default=None)


class OrderPlaceCmd(OrderCommand):
    """Send a NEW order to the market."""

    ex_destination: str | None = fact("where the order is to be executed", fix=100, default=None)


class OrderAcceptCmd(OrderCommand):
    """The market acknowledges an order (ExecType 0)."""

    order_qty: Exact | None = fact("units of a cash order, which needs them here", fix=38, default=None)


class OrderRejectCmd(OrderCommand):
    """The market or the desk rejects an order that has no fills (ExecType 8)."""

    ord_rej_reason: Annotated[OrdRejReason, NoFlag] | None = fact("why, 99 when not given", fix=103, default=None)
    text: str | None = fact("free text", fix=58, default=None)


class OrderCancelCmd(OrderCommand):
    """Ask for a cancel (message F)."""

    cl_ord_id: str | None = fact("id of this request, unique per session", fix=11, default=None)
    orig_cl_ord_id: str | None = fact("current clOrdId of the order", fix=41, default=None)
    text: str | None = fact("free text", fix=58, default=None)


class OrderCancelAcceptCmd(OrderCommand):
    """The market confirms a cancel, or cancels by itself (ExecType 4)."""

    unsolicited: Flag | None = fact("true when nobody had asked for the cancel", default=None)
    text: str | None = fact("free text", fix=58, default=None)


class OrderCancelRejectCmd(OrderCommand):
    """The market refuses a cancel (message 9)."""

    cxl_rej_reason: Annotated[CxlRejReason, NoFlag] | None = fact("why, 99 when not given", fix=102, default=None)
    text: str | None = fact("free text", fix=58, default=None)


class OrderReplaceCmd(ReplaceTerms, OrderCommand):
    """Ask for other terms (message G); symbol, side, account and ordType may be repeated but not changed."""

    cl_ord_id: str | None = fact("id of this request, unique per session", fix=11, default=None)
    orig_cl_ord_id: str | None = fact("current clOrdId of the order", fix=41, default=None)
    symbol: str | None = fact("ticker, as it is", fix=55, default=None)
    side: Side | None = fact("side, as it is", fix=54, default=None)
    account: str | None = fact("account, as it is", fix=1, default=None)
    ord_type: OrdType | None = fact("order type, as it is", fix=40, default=None)


class OrderReplaceAcceptCmd(OrderCommand):
    """The market confirms a replace (ExecType 5)."""


class OrderReplaceRejectCmd(OrderCommand):
    """The market refuses a replace (message 9)."""

    cxl_rej_reason: Annotated[CxlRejReason, NoFlag] | None = fact("why, 99 when not given", fix=102, default=None)
    text: str | None = fact("free text", fix=58, default=None)


class OrderExpireCmd(OrderCommand):
    """The time in force has ended (ExecType C)."""


class OrderCloseCmd(OrderCommand):
    """Settle or clean up a final order (ExecType 3)."""

    reason: str | None = fact("why", default=None)


class ExecutionCreateCmd(Command):
    """Book a fill that the market reports (ExecType F)."""

    execution: ExecutionReport | None = fact("the fill as reported", default=None)


class ExecutionBustCmd(Command):
    """The market or the counterparty breaks a trade (ExecType H)."""

    exec_id: str | None = fact("the execution", fix=17, default=None)
    order_id: str | None = fact("its order; needed when several orders have this execId", fix=37, default=None)
    reason: str | None = fact("why", default=None)
    requested_by: str | None = fact("who asked for it", default=None)


class ExecutionWhackCmd(ExecutionBustCmd):
    """The desk takes an execution back; a second person must approve it."""

    approved_by: str | None = fact("the second person", default=None)
    approval_level: ApprovalLevel | None = fact("level of the second person unless the settings name it", default=None)


class ExecutionCorrectCmd(Command):
    """The market or the desk restates an execution (ExecType G)."""

    exec_ref_id: str | None = fact("the execution to correct", fix=19, default=None)
    exec_id: str | None = fact("id of the correcting report; without execRefId, the execution", fix=17, default=None)
    order_id: str | None = fact("its order; needed when several orders have this execId", fix=37, default=None)
    last_qty: Exact | None = fact("quantity as it should have been", fix=32, default=None)
    last_px: Exact | None = fact("price as it should have been", fix=31, default=None)
    reason: str | None = fact("why", default=None)


class OrderGroupCmd(Command):
    """Make one block order of several client orders."""

    creates = True
    member_order_ids: tuple[str, ...] | None = fact("orders that become members", default=None)
    group_order_id: str | None = fact("own id of the group; generated when not given", default=None)
    grouped_by: str | None = fact("who groups them; the actor when not given", default=None)
    approved_by: str | None = fact("second person, where accounts differ and grouping.crossAccount asks", default=None)
    auto_allocation: Flag | None = fact("true shares fills at once, false lets the desk decide", default=None)


class OrderUngroupCmd(Command):
    """Set the members of a group free."""

    group_order_id: str | None = fact("the group", default=None)


class AllocationApproveCmd(OrderCommand):
    """Hand pending quantity on to the parent or to the members."""

    quantity: Exact | None = fact("how much; all that is pending when not given", default=None)
    approved_by: str | None = fact("who approves; the actor when not given", default=None)


class AllocationRejectCmd(OrderCommand):
    """Refuse to hand pending quantity on; it stays pending."""

    quantity: Exact | None = fact("how much; all that is pending when not given", default=None)
    reason: str | None = fact("why", default=None)


class QuoteRequestCreateCmd(Command):
    """Ask for quotes (message R)."""

    creates = True
    quote_request: NewQuoteRequest | None = fact("the request", default=None)


class QuoteCreateCmd(Command):
    """Quote a request (message S)."""

    quote: NewQuote | None = fact("the quote", default=None)


class QuoteAcceptCmd(Command):
    """Take a quote."""

    quote_id: str | None = fact("the quote", fix=117, default=None)


class QuoteRejectCmd(Command):
    """Refuse a quote, or a whole request with its open quotes."""

    quote_id: str | None = fact("the quote", fix=117, default=None)
    quote_req_id: str | None = fact("or the whole request", fix=131, default=None)
    reason: str | None = fact("why", default=None)


class QuoteExpireCmd(QuoteRejectCmd):
    """End a quote, or a whole request with its open quotes, because its time is over."""


class SettingsChangeCmd(Command):
    """Change settings while running; each change is an event with its actor."""

    creates = True
    changes: dict[str, Any] | None = fact("setting -> new value", default=None)


class ReferencePriceCmd(Command):
    """Post the reference price of a symbol."""

    creates = True
    symbol: str | None = fact("ticker of the security", fix=55, default=None)
    price: Exact | None = fact("its price", fix=44, default=None)


COMMANDS: dict[str, type[Command]] = {
    command.__name__: command
    for command in (
        OrderCreateCmd,
        OrderPlaceCmd,
        OrderAcceptCmd,
        OrderRejectCmd,
        OrderCancelCmd,
        OrderCancelAcceptCmd,
        OrderCancelRejectCmd,
        OrderReplaceCmd,
        OrderReplaceAcceptCmd,
        OrderReplaceRejectCmd,
        OrderExpireCmd,
        OrderCloseCmd,
        ExecutionCreateCmd,
        ExecutionWhackCmd,
        ExecutionBustCmd,
        ExecutionCorrectCmd,
        OrderGroupCmd,
        OrderUngroupCmd,
        AllocationApproveCmd,
        AllocationRejectCmd,
        QuoteRequestCreateCmd,
        QuoteCreateCmd,
        QuoteAcceptCmd,
        QuoteRejectCmd,
        QuoteExpireCmd,
        SettingsChangeCmd,
        ReferencePriceCmd,
    )
}

ALIASES: dict[str, str] = {
    "executionId": "execId",
    "execID": "execId",
    "clOrdID": "clOrdId",
    "quoteRequestId": "quoteReqId",
}
"""Other spellings that are understood on input and never written."""


class EventRef(Record):
    """An event that a command wrote: where it stands in its stream and in the store."""

    type: str
    stream_id: str
    version: int
    position: int | None = None


class TaskReport(Record):
    """How one task of the pipeline ended."""

    name: str
    status: TaskStatus
    message: str
    duration_micros: int


class CommandResult(Record):
    """The answer to a command, the same on every surface; `error` says why it was refused.

    `version` and `state` are those of the main object: the order, the quote or its request; settings have no state.
    """

    id: str
    status: CommandStatus
    message: str
    duplicate: bool = False
    version: int | None = None
    state: State | QuoteState | None = None
    events: tuple[EventRef, ...] = ()
    tasks: tuple[TaskReport, ...] = ()
    error: Problem | None = None

    @property
    def ok(self) -> bool:
        """Was the command carried out (now or before)?"""
        return self.status is CommandStatus.OK


MAX_UNKNOWN = 20
"""Unknown fields that are told one by one."""

_DEEPEST = 20
"""Levels of lists and objects in a value; no field needs more."""

_NEAR = 0.7
"""How alike a name must be to be proposed; below that a proposal misleads."""


class Draft(NamedTuple):
    """What could be read of an envelope, and what could not.

    `command` holds every field that could be read (None when not even the type is known); `envelope` and `payload` hold
    the violations found while reading; `malformed` names the fields that rules must not look at; `ignored` the system
    fields that were given and do not count.
    """

    type: str
    command: Command | None
    envelope: tuple[Violation, ...] = ()
    payload: tuple[Violation, ...] = ()
    malformed: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()


def parse(data: Mapping[str, Any]) -> Draft:
    """Read an envelope as far as it can be read; never raises."""
    name = data.get("type")
    kind = COMMANDS.get(name) if isinstance(name, str) else None
    if kind is None:
        return Draft(str(name)[:64], None, envelope=(_unknown_type(name),))
    return _Reader(kind).read(data)


def _unknown_type(name: object) -> Violation:
    if name is None or name == "":
        message = f"type is missing; name the command, one of {', '.join(COMMANDS)}"
    else:
        near = difflib.get_close_matches(str(name)[:64], COMMANDS, n=1, cutoff=_NEAR)
        hint = f"did you mean {near[0]}? " if near else ""
        message = f"type {shown(name)} is no command; {hint}use one of {', '.join(COMMANDS)}"
    return violation("ENV-01", "OMS-VAL-004", "type", message)


_NESTED: Mapping[str, type[Record]] = {
    "order": NewOrder,
    "execution": ExecutionReport,
    "quoteRequest": NewQuoteRequest,
    "quote": NewQuote,
}
"""Field of an envelope -> the record that stands in it."""

PARTS: Mapping[str, str] = {
    command.__name__: name
    for command in COMMANDS.values()
    for name in ("order", "execution", "quote_request", "quote")
    if name in command.model_fields
}
"""Command -> the part that holds what it asks, where that is a record of its own (Python name)."""

_PART_ON_THE_WIRE: Mapping[type[Command], str] = {
    COMMANDS[command]: str(COMMANDS[command].model_fields[name].alias) for command, name in PARTS.items()
}


class _Reader:
    """Reads one envelope field by field, so that one malformed field does not hide what is wrong with the others."""

    def __init__(self, kind: type[Command]) -> None:
        self.kind = kind
        self.envelope: list[Violation] = []
        self.payload: list[Violation] = []
        self.malformed: set[str] = set()
        self.ignored: tuple[str, ...] = ()

    def read(self, data: Mapping[str, Any]) -> Draft:
        asked = dict(data)
        asked.pop("type", None)
        values = self._known(self.kind, asked, ())
        name = _PART_ON_THE_WIRE.get(self.kind)
        if name in values and isinstance(values[name], Mapping):
            inner = dict(values[name])
            if name == "order":
                inner = self._without_system_fields(self._without_session(inner, values))
            values[name] = self._known(_NESTED[name], inner, (name,))
        command = self._construct(values)
        if not (self.envelope or self.payload or self.ignored):
            return Draft(self.kind.__name__, command)
        return Draft(
            self.kind.__name__,
            command,
            tuple(self.envelope),
            tuple(self.payload),
            frozenset(self.malformed),
            self.ignored,
        )

    def _without_session(self, order: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """An order may name its session itself; it is the session of the envelope, and must not differ from it."""
        session = order.pop("sessionId", None)
        if _is_blank(session):
            return order
        if isinstance(session, str) and not is_unicode(session):
            self.envelope.append(_no_text("sessionId", session))
        elif values.setdefault("sessionId", session) != session:
            message = f"sessionId of order {shown(session)} differs from that of the envelope; send one of them"
            self.envelope.append(violation("ENV-03", "OMS-VAL-004", "sessionId", message))
        return order

    def _without_system_fields(self, order: dict[str, Any]) -> dict[str, Any]:
        given = _SYSTEM_NAMES.intersection(order)
        if not given:
            return order
        self.ignored = tuple(sorted(given))
        return {key: value for key, value in order.items() if key not in given or key == "cumQty"}

    def _known(self, model: type[Record], data: Mapping[Any, Any], path: tuple[str, ...]) -> dict[str, Any]:
        """The fields this model has, aliases resolved, null and blank left out; all others are told."""
        names = _wire_names(model)
        known: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        unknown: list[str] = []
        for key, value in data.items():
            if type(value) is str and key in names and key not in known and value.isascii() and value.strip():
                known[key] = value
                continue
            name = ALIASES.get(key, key) if isinstance(key, str) else str(key)
            if name not in names:
                unknown.append(name)
            elif name in known and known[name] != value:
                both = f"{spelled.get(name, name)} and {key}"
                message = f"{both} name the same field with different values; send {name} alone"
                self.envelope.append(violation("ENV-03", "OMS-VAL-004", name, message))
                self.malformed.add(name)
            elif name not in _NESTED and not _is_text(value):
                self._told(name, inside=bool(path)).append(_no_text(name, value))
                self.malformed.add(name)
            elif not _is_blank(value):
                known[name] = value
                spelled[name] = key
        if unknown:
            self.envelope.extend(_unknown_fields(self.kind, unknown, names, path))
        return known

    def _construct(self, values: dict[str, Any]) -> Command:
        """The command from what can be read; each field that cannot is told once and left out."""
        validate = self.kind.__pydantic_validator__.validate_python
        try:
            return validate(values)  # type: ignore[no-any-return] # a command of this kind
        except ValidationError as error:
            for details in error.errors(include_url=False):
                self._malformed(details, values)
        return validate(values)  # type: ignore[no-any-return] # as above

    def _malformed(self, details: ErrorDetails, values: dict[str, Any]) -> None:
        path = [str(part) for part in details["loc"]]
        inside = path[0] in _NESTED and len(path) > 1
        name = path[1] if inside else path[0]
        (values[path[0]] if inside else values).pop(name, None)
        self.malformed.add(name)
        self._told(name, inside=inside).append(_malformed_value(name, details))

    def _told(self, name: str, *, inside: bool) -> list[Violation]:
        """Where a malformed field is told: with the envelope, or with what the command asks."""
        return self.envelope if name in _ENVELOPE_NAMES and not inside else self.payload


@cache
def _wire_names(model: type[Record]) -> tuple[str, ...]:
    return tuple(str(field.alias) for field in model.model_fields.values())


_ENVELOPE_NAMES = frozenset(_wire_names(Command))
_SYSTEM_NAMES = frozenset(
    "".join(part if i == 0 else part.title() for i, part in enumerate(name.split("_"))) for name in SYSTEM_FIELDS
)


def _is_text(value: object, depth: int = 0) -> bool:
    """Are all texts in a value Unicode, keys among them, and is it not nested without end?"""
    if isinstance(value, str):
        return is_unicode(value)
    if depth > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(_is_text(part, depth + 1) for pair in value.items() for part in pair)
    return not isinstance(value, list | tuple) or all(_is_text(part, depth + 1) for part in value)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _unknown_fields(
    kind: type[Command], unknown: Sequence[str], valid: Sequence[str], path: tuple[str, ...]
) -> Iterator[Violation]:
    """One violation per unknown name; the first lists the valid ones, and a flood of names is only counted."""
    place = f"{path[0]} of {kind.__name__}" if path else kind.__name__
    for index, name in enumerate(unknown[:MAX_UNKNOWN]):
        near = difflib.get_close_matches(name[:64], valid, n=1, cutoff=_NEAR)
        hint = f"; did you mean {near[0]}?" if near else ""
        listed = f"{'' if near else ';'} valid: {', '.join(valid)}" if not index else ""
        yield violation("ENV-02", "OMS-VAL-002", name[:64], f"{shown(name)} is no field of {place}{hint}{listed}")
    if len(unknown) > MAX_UNKNOWN:
        message = f"{len(unknown) - MAX_UNKNOWN} more names are no field of {place}"
        yield violation("ENV-02", "OMS-VAL-002", path[0] if path else "type", message)


def _malformed_value(name: str, details: ErrorDetails) -> Violation:
    given = shown(details["input"])
    if details["type"] == "enum":
        valid = str(details["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
        near = difflib.get_close_matches(str(details["input"])[:64].upper(), valid.split(", "), n=1, cutoff=_NEAR)
        hint = f"did you mean {near[0]}? " if near else ""
        return violation("ORD-21", "OMS-VAL-004", name, f"{name} {given} is unknown; {hint}use one of {valid}")
    return violation("ENV-06", "OMS-VAL-004", name, f"{name} {given} {_why(details)}")


_REMEDIES = {
    "string_type": "is no text; send a JSON string",
    "int_type": "is no whole number; send a JSON integer",
    "tuple_type": "is no JSON list; send one, even for a single value",
    "dict_type": "is no JSON object; send one of names and values",
    "bool_type": "is neither true nor false; send a JSON boolean",
    "model_type": "is no JSON object; send one with the fields of the record",
}
_SPEAKS_FOR_ITSELF = {"decimal_form", "decimal_digits", "instant_form", "instant_offset", "day_form"}


def _no_text(name: str, value: object) -> Violation:
    return violation("ENV-06", "OMS-VAL-004", name, f"{name} {shown(value)} holds half a character; send Unicode text")


def _why(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind in _SPEAKS_FOR_ITSELF:
        return str(details["msg"])
    return _REMEDIES.get(kind, f"is not accepted: {details['msg'].lower()}")
