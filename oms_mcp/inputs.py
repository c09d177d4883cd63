"""How are envelopes, settings and database names read from what a person types?"""

import difflib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic_core import PydanticCustomError

from oms_engine.audit import ERASURE
from oms_engine.domain.commands import COMMANDS
from oms_engine.domain.events import EVENTS
from oms_engine.errors import Problem, SettingsError, StoreUnavailable, shown
from oms_engine.record import parse_instant
from oms_engine.settings import Settings
from oms_mcp.clients import CLIENTS

if TYPE_CHECKING:
    from knowledge_base import Library, Source

MAX_INPUT = 20_000_000

_SWITCHES = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("", "0", "false", "no", "off"), False)

Envelope = dict[str, Any]


class Misuse(Exception):
    """What was typed cannot be used as it stands; the message says what would be, and `way_out` so in short."""

    def __init__(self, message: str, way_out: str = "type what the message names") -> None:
        super().__init__(message)
        self.way_out = way_out


class Envelopes(NamedTuple):
    """Envelopes as they were given; `batch` is true for a list or JSON Lines, also with one element."""

    envelopes: list[Any]
    batch: bool


def read_text(name: str) -> str:
    """The text of a file, or of standard input for `-`."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_INPUT + 1)
        if len(data) > MAX_INPUT:
            raise Misuse(f"{name} has more than {MAX_INPUT:,} bytes; split it")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Misuse(f"{name} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Misuse(f"{shown(name)} cannot be read: {reason}") from None


def read_envelopes(source: str) -> Envelopes:
    """Envelopes from JSON text, a file, or `-`: one object, an array of objects, or one object per line."""
    inline = source.lstrip()[:1] in {"{", "[", ""} or (_is_scalar(source) and not Path(source).exists())
    text = source if inline else read_text(source)
    name = "the argument" if inline else source
    if not text.strip():
        raise Misuse(f'{name} is empty; give an envelope such as {{"type": "OrderAcceptCmd", "orderId": "O1"}}')
    try:
        whole = _json(text)
    except json.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if error.msg != "Extra data" or len(lines) == 1:
            raise Misuse(f"{name}, line {error.lineno}, column {error.colno}: no JSON: {error.msg}") from None
        return Envelopes([_line(name, number, line) for number, line in lines], batch=True)
    except _TwiceError as error:
        raise Misuse(f"{name}: {error}") from None
    return Envelopes(whole, batch=True) if isinstance(whole, list) else Envelopes([whole], batch=False)


def _is_scalar(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), list | dict)
    except (ValueError, RecursionError):
        return False


class _TwiceError(Exception):
    """A key stands twice in one object."""


def _json(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise Misuse("the JSON is nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise Misuse(f"the JSON cannot be read: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> Envelope:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _TwiceError(f"key {shown(twice)} stands twice in one object; keep one")
    return read


def _line(name: str, number: int, line: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return _json(line)
    except json.JSONDecodeError as error:
        raise Misuse(f"{name}, line {number}, column {error.colno}: no JSON: {error.msg}") from None
    except _TwiceError as error:
        raise Misuse(f"{name}, line {number}: {error}") from None


def read_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings by dotted name: those of the file in OMS_SETTINGS, then `KEY=VALUE` pairs.

    Raises:
        SettingsError: A setting is unknown or impossible.
        Misuse: A pair or the file cannot be read.
    """
    file = os.environ.get("OMS_SETTINGS", "")
    values = _settings_file(file) if file.strip() else {}
    values |= read_pairs(pairs, "--set ")
    Settings.of(values)
    return values


def read_pairs(pairs: Sequence[str], option: str = "") -> dict[str, Any]:
    """Names and values of `KEY=VALUE` pairs; raises Misuse for a pair that is none."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise Misuse(f"{option}{shown(pair)} is no KEY=VALUE, such as {option}routing=manual")
        if key.strip() in values:
            first = f"{option}{key.strip()}={values[key.strip()]}"
            raise Misuse(f"{shown(first)} and {shown(option + pair)} set the same; keep one")
        values[key.strip()] = value.strip()
    return values


def read_instant(text: str, option: str) -> datetime:
    """A time with its offset; raises Misuse saying how to write one."""
    try:
        return parse_instant(text)
    except PydanticCustomError as error:
        raise Misuse(f"{option} {shown(text)} {error}") from None


def event_type(name: str) -> str:
    """The name of a type of event; raises Misuse naming the nearest, since nobody would ever see one of another."""
    return _one_of(EVENTS, name, "--type", "event")


def command_type(name: str) -> str:
    """The name of a type of command, or `erase`; raises Misuse naming the nearest."""
    return _one_of({*COMMANDS, ERASURE}, name, "--command", "command")


def client_names(name: str) -> list[str]:
    """The clients that --snippet means; raises Misuse naming all of them."""
    if name not in {*CLIENTS, "all"}:
        raise Misuse(f"--snippet {shown(name)} is no client that is known here; use {', '.join(CLIENTS)} or all")
    return [*CLIENTS] if name == "all" else [name]


def _one_of(names: Iterable[str], name: str, option: str, what: str) -> str:
    valid = sorted(names)
    if name in valid:
        return name
    near = difflib.get_close_matches(name[:64], valid, n=1, cutoff=0)
    raise Misuse(f"{option} {shown(name)} is no type of {what}; did you mean {near[0]}? valid: {', '.join(valid)}")


def _settings_file(name: str) -> dict[str, Any]:
    from oms_engine.simulation.plain_yaml import YamlError, read_documents  # noqa: PLC0415 - only a file needs YAML

    try:
        text = read_text(name)
    except Misuse as error:
        raise Misuse(f"OMS_SETTINGS {error}") from None
    try:
        documents = [_json(text)] if text.lstrip()[:1] == "{" else [data for _, data in read_documents(text)]
    except json.JSONDecodeError as error:
        raise Misuse(f"OMS_SETTINGS {name}, line {error.lineno}: no JSON: {error.msg}") from None
    except (YamlError, _TwiceError) as error:
        raise Misuse(f"OMS_SETTINGS {name}, line {getattr(error, 'line', 1)}: {error}") from None
    if len(documents) != 1 or not isinstance(documents[0], Mapping):
        raise Misuse(f"OMS_SETTINGS {name} must hold one mapping of dotted names, such as routing: manual")
    values = dict(documents[0])
    try:
        Settings.of(values)
    except SettingsError as error:
        raise SettingsError(f"OMS_SETTINGS {name}: {error}") from None
    return values


def database_file(url: str) -> Path | None:
    """The file that a database name means; None for one in memory."""
    if url.strip() in {"", ":memory:", "sqlite://", "sqlite:///", "sqlite:///:memory:"}:
        return None
    file = Path(url.removeprefix("sqlite:///"))
    return file.expanduser() if file.parts[:1] == ("~",) else file


def named_database(url: str) -> str:
    """The database name, its file with a leading ~ replaced; empty where nothing is named."""
    file = database_file(url)
    if file is not None and file.is_dir():
        raise Misuse(f"{shown(str(file))} is a folder; name a file in it")
    return url if file is None else str(file)


def opened_library(folders: Sequence[str] | None = None, *, only: bool = False, semantic: bool = True) -> "Library":
    """The knowledge base: the documents that come along, and beside them folders of markdown.

    Args:
        folders: What --corpus names; what OMS_KB_CORPUS names when there are none.
        only: Leave out the documents that come along; OMS_KB_ONLY says so, too.
        semantic: False to search by keyword alone.
    """
    from knowledge_base import KnowledgeBaseError, Library  # noqa: PLC0415 - few commands need it

    named = [name for name in folders or os.environ.get("OMS_KB_CORPUS", "").split(os.pathsep) if name.strip()]
    own = () if only or _is_on("OMS_KB_ONLY") else own_documents()
    if not named and not own:
        raise Misuse("there is nothing to read: --only-corpus needs a folder, --corpus DIR or OMS_KB_CORPUS=DIR")
    try:
        return Library.open(*own, *map(Path, named), semantic=semantic)
    except KnowledgeBaseError as error:
        raise Misuse(f"the knowledge base cannot be opened: {error}", "correct --corpus or OMS_KB_CORPUS") from None


class LaterLibrary:
    """The knowledge base of `opened_library`, read when it is first asked for.

    What somebody named is read at once, so that what is wrong with it is told at once. The documents that come along
    are right, and a server answers before it has read them.
    """

    def __init__(self, folders: Sequence[str] | None = None, *, only: bool = False) -> None:
        self._lock = Lock()
        self._open = partial(opened_library, folders, only=only)
        self._library: Library | None = None
        self._closed = False
        if folders or only or os.environ.get("OMS_KB_CORPUS", "").strip() or _is_on("OMS_KB_ONLY"):
            self()

    def __call__(self) -> "Library":
        """The library itself."""
        from knowledge_base import KnowledgeBaseError  # noqa: PLC0415 - few commands need it

        with self._lock:
            if self._closed:
                raise KnowledgeBaseError("the library is closed")
            if self._library is None:
                self._library = self._open()
            return self._library

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            if self._library is not None:
                self._library.close()


def own_documents() -> "tuple[Source, ...]":
    """The documents that come along: those that were written, and those that the code writes about itself."""
    from knowledge_base import PACKAGED_CORPUS, Generated  # noqa: PLC0415 - few commands need it
    from oms_engine.contracts.pages import spec_documents  # noqa: PLC0415 - as above

    return (PACKAGED_CORPUS, Generated("spec", spec_documents()))


def _is_on(variable: str) -> bool:
    value = os.environ.get(variable, "").strip().lower()
    if value not in _SWITCHES:
        raise Misuse(f"{variable} is {shown(value)}; set it to 1 or 0")
    return _SWITCHES[value]


def named_for(url: str, command: str) -> str:
    """The database name for a command that does not run in a sandbox; its file may be new."""
    if database_file(url) is None:
        creates = "" if command == "import" else "; oms exec --db PATH creates one with its first command"
        raise Misuse(f"oms {command} needs a database: give --db PATH or set OMS_DB{creates}", "give --db PATH")
    return named_database(url)


def required_database(url: str, command: str) -> str:
    """The database name, when it names a file that exists."""
    name = named_for(url, command)
    if not Path(name).exists():
        told = f"there is no database {shown(name)}; oms exec --db PATH creates one with its first command"
        raise Misuse(told, "name a database that exists with --db")
    if not Path(name).stat().st_size:
        remedy = "restore a backup, or name another file"
        told = f"{shown(name)} cannot be used: the file is empty (0 bytes), so it is no store; {remedy}"
        raise StoreUnavailable(told, remedy=remedy, lasts=True)
    return name


def renamed(problem: Problem, field: str, option: str) -> Problem:
    """What the engine says about an argument, under the name it has on the command line."""
    told = tuple(
        found.model_copy(
            update={
                "message": found.message.replace(field, option, 1),
                "field": option.partition(" ")[0] if found.field == field.rpartition(" ")[2] else found.field,
            }
        )
        for found in problem.violations
    )
    return problem.model_copy(update={"detail": problem.detail.replace(field, option, 1), "violations": told})


def as_typed(problem: Problem, options: Mapping[str, str]) -> Problem:
    """What the engine says about arguments, where its sentences begin with them, under the names of their options."""

    def named(message: str) -> str:
        first, space, rest = message.partition(" ")
        return f"{options.get(first, first)}{space}{rest}"

    told = tuple(
        found.model_copy(update={"message": named(found.message), "field": options[found.field]})
        if found.field in options
        else found
        for found in problem.violations
    )
    detail = named(problem.detail) if problem.violations and problem.violations[0].field in options else problem.detail
    return problem.model_copy(update={"detail": detail, "violations": told})


def read_version(option: str, text: str) -> int | None:
    """A version as v12 or 12; None where none is given."""
    if not text:
        return None
    if not re.fullmatch(r"v?[0-9]{1,18}", text, re.ASCII):
        raise Misuse(f"{option} {shown(text)} is no version; write one such as v3")
    return int(text.removeprefix("v"))


def in_options(problem: Problem, *, order_id: str, from_state: str) -> Problem:
    """What the engine says about a check, in the words of the command line."""
    if order_id and from_state:
        return problem.model_copy(update={"detail": "--order and --from both name a start; give one of them"})
    if not order_id and not from_state and _is_no_state(problem):
        return problem.model_copy(update={"hint": f"{problem.hint}; to start where an order is, name it with --order"})
    return problem


def _is_no_state(problem: Problem) -> bool:
    return any(found.rule_id == "ORD-21" and found.field != "profile" for found in problem.violations)
