"""How does a tool declare its arguments, and how are they read? Everything not declared is refused by name."""

import difflib
import inspect
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, TypeVar, get_args, get_origin

from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp_types import ToolAnnotations
from pydantic import Field, StrictBool, ValidationError
from pydantic.alias_generators import to_snake
from pydantic_core import ErrorDetails

from oms_engine.domain.catalogue import in_catalogue_order, violation
from oms_engine.errors import Refused, problem_of, shown
from oms_engine.framework.validation import Violation
from oms_mcp.icons import DESTROYS, READS, WRITES
from oms_mcp.seam import Out
from oms_mcp.shapes import ResponseFormat, Wire

T = TypeVar("T")

_MOST_TOLD = 20
"""How many mistakes of one kind an answer tells."""

Raw = Any
"""An argument that goes to the engine as it came, because the engine says best what is wrong with it."""


def text(description: str, values: Iterable[str] = ()) -> Any:  # noqa: ANN401 - as pydantic's Field
    """An argument published as text, with its valid values when there are only some."""
    return _published(description, {"type": "string", **({"enum": [*values]} if values else {})})


def decimal(description: str) -> Any:  # noqa: ANN401 - as pydantic's Field
    """An argument published as a decimal in text; JSON numbers are read too."""
    return _published(description, {"type": "string"})


def whole(description: str) -> Any:  # noqa: ANN401 - as pydantic's Field
    """An argument published as a whole number."""
    return _published(description, {"type": "integer"})


def flag(description: str) -> Any:  # noqa: ANN401 - as pydantic's Field
    """An argument published as true or false."""
    return _published(description, {"type": "boolean"})


def _published(description: str, schema: Wire) -> Any:  # noqa: ANN401 - as pydantic's Field
    return Field(description=description, json_schema_extra=schema)


DryRun = Annotated[StrictBool, Field(description="true: answer what would happen, store nothing")]
CommandId = Annotated[Raw, text("your idempotency key: sent again, the first answer comes back")]
ExpectedVersion = Annotated[Raw, whole("refuse unless the order has this version")]
Confirm = Annotated[StrictBool, Field(description="true once the user agreed; needed unless dry_run")]
Format = Annotated[ResponseFormat, Field(description="detailed: every field that has a value")]
More = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as its module declares it.

    Attributes:
        run: The function; its name is that of the tool.
        answers: What its structured content is.
        title: Its name for people.
        read_only: It changes nothing.
        destructive: It ends or takes back something, or changes what holds for all.
        idempotent: The same call can be sent again.
        asks: The user has to agree to each call.
        required: Arguments that the engine asks for.
    """

    run: Callable[..., Any]
    answers: type[Out]
    title: str
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = True
    asks: bool = False
    required: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the tool."""
        return self.run.__name__


class Arguments(FuncMetadata):
    """Reads the arguments of one tool; whatever it does not declare is refused by name, and null is absent."""

    tool: str

    @cached_property
    def _structured(self) -> frozenset[str]:
        """The arguments that are lists or objects."""
        fields = self.arg_model.model_fields
        return frozenset(name for name, field in fields.items() if _takes_structure(field.annotation))

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        """The arguments for the tool's function; raises Refused with everything that is wrong with them."""
        fields = self.arg_model.model_fields
        unknown = [name for name in arguments_to_validate if name not in fields]
        found = unknown_arguments(unknown, f"argument of {self.tool}", [*fields])
        given = {
            name: _structure(value) if name in self._structured else value
            for name, value in arguments_to_validate.items()
            if name in fields and value is not None
        }
        try:
            read = self.arg_model.model_validate(given).model_dump_one_level()
        except ValidationError as error:
            found += _bounded(error.errors(include_url=False), lambda details: _misuse(self.tool, details))
        if found:
            raise Refused(problem_of(in_catalogue_order(found)))
        return read


def _takes_structure(annotation: object) -> bool:
    return any(get_origin(part) in {list, dict} for part in (annotation, *get_args(annotation)))


def _structure(value: object) -> object:
    """A list or an object, also when a client sent it as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return read if isinstance(read, list | dict) else value


def build(spec: ToolSpec) -> Tool:
    """The tool for the SDK: strict about arguments, with schemas that every client can read."""
    tool = Tool.from_function(
        spec.run,
        title=spec.title,
        description=" ".join(inspect.cleandoc(spec.run.__doc__ or "").split()),
        annotations=ToolAnnotations(
            title=spec.title,
            read_only_hint=spec.read_only,
            destructive_hint=spec.destructive,
            idempotent_hint=spec.idempotent,
            open_world_hint=False,
        ),
        icons=[DESTROYS if spec.destructive else READS if spec.read_only else WRITES],
        structured_output=False,
    )
    schema = portable(tool.parameters)
    required = [*schema.get("required", ()), *spec.required]
    tool.parameters = {**schema, **({"required": required} if required else {}), "additionalProperties": False}
    tool.fn_metadata = Arguments(
        tool=tool.name,
        arg_model=tool.fn_metadata.arg_model,
        output_model=spec.answers,
        output_schema=_output_schema(spec.answers),
    )
    return tool


@cache
def _output_schema(answers: type[Out]) -> Wire:
    return portable(answers.model_json_schema())


def portable(schema: Wire) -> Wire:
    """A JSON schema without titles, nullable unions and empty defaults, which cost tokens and confuse clients."""
    if "anyOf" in schema:
        choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
        schema = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**choices[0], **schema} if len(choices) == 1 else {**schema, "anyOf": choices}
    tidy: Wire = {}
    for key, value in schema.items():
        if key in {"properties", "$defs"}:
            tidy[key] = {name: portable(part) for name, part in value.items()}
        elif key in {"items", "additionalProperties"} and isinstance(value, dict):
            tidy[key] = portable(value)
        elif not _is_noise(key, value):
            tidy[key] = value
    return tidy


def _is_noise(key: str, value: object) -> bool:
    return (
        key == "title"
        or (key == "default" and value in (None, "", False))
        or (key == "additionalProperties" and value is True)
    )


def _misuse(tool: str, details: ErrorDetails) -> Violation:
    field = _place(details["loc"])
    match details["type"]:
        case "missing":
            return violation("ENV-07", "OMS-VAL-003", field, f"{field} is missing; {tool} needs it")
        case "literal_error":
            valid = str(details["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
            message = f"{field} {shown(details['input'])} is unknown; use one of {valid}"
            return violation("ORD-21", "OMS-VAL-004", field, message)
        case "greater_than_equal":
            return _out_of_bounds(field, details["input"], f"at least {details['ctx']['ge']:,}")
        case "less_than_equal":
            return _out_of_bounds(field, details["input"], f"at most {details['ctx']['le']:,}")
        case kind:
            form = _FORMS.get(kind, f"is not accepted: {details['msg'].lower()}")
            return violation("ENV-06", "OMS-VAL-004", field, f"{field} {shown(details['input'])} {form}")


def _out_of_bounds(field: str, value: object, bound: str) -> Violation:
    message = f"{field} {shown(value)} is out of bounds; send a whole number of {bound}"
    return violation("ENV-06", "OMS-VAL-005", field, message)


_FORMS = {
    "string_type": "is no text; send a JSON string",
    "int_type": "is no whole number; send a JSON integer",
    "bool_type": "is neither true nor false; send a JSON boolean",
    "list_type": "is no list; send a JSON array",
    "dict_type": "is no object; send a JSON object",
}


def _place(loc: tuple[int | str, ...]) -> str:
    """`where[0]` for the first element of where; texts of a caller are cut."""
    head, *rest = loc
    return str(head)[:64] + "".join(f"[{part}]" for part in rest if isinstance(part, int))


def unknown_argument(name: str, what: str, valid: Sequence[str]) -> Violation:
    """A name that means nothing here, with those that do."""
    near = difflib.get_close_matches(name[:64], valid, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    message = f"{shown(name)} is no {what}; {hint}valid: {', '.join(valid)}"
    return violation("ENV-02", "OMS-VAL-002", name[:64], message)


def unknown_arguments(names: Sequence[str], what: str, valid: Sequence[str]) -> list[Violation]:
    """Names that mean nothing here, each with those that do."""
    return _bounded(names, lambda name: unknown_argument(name, what, valid))


def _bounded(wrong: Sequence[T], tell: Callable[[T], Violation]) -> list[Violation]:
    """A violation for each of the first mistakes; the last one tells how many more there are."""
    told = [tell(mistake) for mistake in wrong[:_MOST_TOLD]]
    if len(wrong) > len(told):
        message = f"{told[-1].message}; and {len(wrong) - len(told):,} more"
        told[-1] = told[-1].model_copy(update={"message": message})
    return told


Actions = Mapping[str, tuple[str, Mapping[str, str]]]
"""Action of a tool -> the command it sends, and argument -> field of that command."""


def envelope_of(
    actions: Actions, action: str, given: Mapping[str, object], common: Mapping[str, object], part: str = ""
) -> Wire:
    """The envelope of a tool's action.

    Args:
        actions: What each action of the tool sends.
        action: The one that was chosen.
        given: Arguments that only some actions use.
        common: Fields that every action sends.
        part: The object of the envelope that the action's fields belong in; empty when they stand in it directly.

    Raises:
        Refused: OMS-VAL-002 for each argument that this action does not use.
    """
    command, fields = actions[action]
    require_used(action, given, fields)
    sent = {fields[name]: value for name, value in given.items() if name in fields}
    own = {part: {name: value for name, value in sent.items() if value is not None}} if part else sent
    return {"type": command, **common, **own}


def require_used(action: str, given: Mapping[str, object], used: Collection[str]) -> None:
    """Raises Refused (OMS-VAL-002) for each argument that was given and that an action does not use."""
    stray = [name for name, value in given.items() if value is not None and name not in used]
    if stray:
        valid = [*used] or ["none beside those of every action"]
        raise Refused(problem_of(unknown_arguments(stray, f"argument of action {action}", valid)))


def own_names(actions: Actions, action: str) -> dict[str, str]:
    """Field -> argument, for the arguments of an action that are written otherwise than the field of the command."""
    _, fields = actions[action]
    return {field: argument for argument, field in fields.items() if field != argument}


def arguments_of(fields: Iterable[str]) -> dict[str, str]:
    """Field -> argument, for fields whose arguments are the same names in snake_case."""
    return {field: to_snake(field) for field in fields if field != to_snake(field)}


def joined(given: Mapping[str, object], more: Mapping[str, Any] | None) -> Wire:
    """The fields given as arguments and those in `more`; raises Refused for a field given in both ways."""
    known = {name: value for name, value in given.items() if value is not None}
    further = more or {}
    twice = [given_twice(name, f"{name} is given as an argument and in more") for name in further if name in known]
    if twice:
        raise Refused(problem_of(twice))
    return {**known, **further}


def given_twice(field: str, message: str) -> Violation:
    """Two arguments that name the same thing."""
    return violation("ENV-10", "OMS-VAL-001", field, f"{message}; send one of the two")
