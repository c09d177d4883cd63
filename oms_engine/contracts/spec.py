"""What stands behind spec://? The contracts and the pages about the code, each written when it is asked for.

`spec://index` lists everything; `spec://schema/{name}` is one type, in any format; `spec://commands`, `spec://events`
and `spec://records` are pages, or all of them in one file of a format; `spec://states` and `spec://rules` are pages.
"""

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote

from oms_engine.contracts.avro import avro_of
from oms_engine.contracts.catalogue import TYPES, names
from oms_engine.contracts.formats import FORMATS, Format
from oms_engine.contracts.java import java_of
from oms_engine.contracts.json_schema import schema_of
from oms_engine.contracts.openapi import openapi_of
from oms_engine.contracts.pages import PAGES
from oms_engine.contracts.python_stub import python_of
from oms_engine.contracts.text import type_page
from oms_engine.contracts.typescript import typescript_of
from oms_engine.domain.catalogue import refused_value, violation
from oms_engine.errors import Refused, problem_of, shown

SCHEME = "spec://"

MEDIA_TYPES: Mapping[Format, str] = {
    "text": "text/markdown",
    "json-schema": "application/schema+json",
    "avro": "application/json",
    "openapi": "application/json",
    "python": "text/x-python",
    "typescript": "text/typescript",
    "java": "text/x-java",
}

GROUPS: Mapping[str, str] = {"commands": "command", "events": "event", "records": "record"}
"""Page -> the types that it is about, which it has in every format."""

EXAMPLES = f"{SCHEME}index, {SCHEME}commands, {SCHEME}schema/Order?format=avro"

_SCHEMA = "schema/"
_LOOKED_AT = 64
_NEAREST = 3


def asked(address: str, form: str = "") -> tuple[str, str]:
    """What an address asks for, and in which format: the one it names itself, else the one given, else text.

    Raises:
        Refused: OMS-VAL-004 it asks for something else than one format, OMS-VAL-001 it asks for another one than given.
    """
    if "#" in address:
        raise refused_value("path", f"{shown(address)} has no sections; leave out what follows #")
    head, _, query = address.removeprefix(SCHEME).partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    if any(name != "format" for name, _ in given) or len(given) > 1:
        message = f"{shown(address)} asks for something else than one format; addresses are {EXAMPLES}"
        raise refused_value("path", message)
    own = given[0][1] if given else ""
    if own and form and own != form:
        message = f"path already names the format {shown(own)}, and format another; send one of the two"
        raise Refused(problem_of([violation("ENV-10", "OMS-VAL-001", "format", message)]))
    return unquote(head), own or form or "text"


def opened(address: str, form: str = "") -> str:
    """What stands behind an address; see `asked` and `written` for what is refused."""
    return written(*asked(address, form))


def media_type(address: str) -> str:
    """The media type of what stands behind an address that can be opened."""
    return next(media for form, media in MEDIA_TYPES.items() if form == asked(address)[1])


def written(what: str, form: str = "text") -> str:
    """What stands behind `spec://` and this name, in a format.

    Args:
        what: `index`, `commands`, `states`, `events`, `rules`, `records`, or `schema/NAME` with the name of a type.
        form: One of `FORMATS`.

    Raises:
        Refused: OMS-VAL-004 for what has no contract (the message lists the nearest names) or not in this format.
    """
    if form not in FORMATS:
        raise refused_value("format", f"format {shown(form)} is unknown; use one of {', '.join(FORMATS)}")
    if what.startswith(_SCHEMA):
        name = type_called(what.removeprefix(_SCHEMA))
        return type_page(name) if form == "text" else _WRITERS[form](SCHEME + _SCHEMA + name, name, [name])
    if what not in PAGES:
        raise refused_value("path", f"{shown(SCHEME + what)} leads nowhere; use {', '.join(ADDRESSES)}")
    if form == "text":
        return PAGES[what]()
    if what not in GROUPS:
        raise refused_value(
            "format", f"{SCHEME}{what} is text alone; {form} is for {SCHEME}schema/NAME, {', '.join(_IN_ALL_FORMATS)}"
        )
    return _WRITERS[form](SCHEME + what, what.capitalize(), names(GROUPS[what]))


def type_called(name: str) -> str:
    """The name of a type as it is written; case does not matter.

    Raises:
        Refused: OMS-VAL-004 there is none; the message lists the nearest.
    """
    return name if name in TYPES else _called(name, TYPES, "command, event or record")


def address_called(name: str) -> str:
    """The address that a person means by the name of a page or of a type; an address is itself.

    Raises:
        Refused: OMS-VAL-004 there is neither; the message lists the nearest.
    """
    if name.startswith(SCHEME):
        return name
    known = _called(name, (*PAGES, *TYPES), "page, command, event or record")
    return SCHEME + (known if known in PAGES else _SCHEMA + known)


def _called(name: str, known: Iterable[str], what: str) -> str:
    folded = {each.casefold(): each for each in known}
    if name.casefold() in folded:
        return folded[name.casefold()]
    near = difflib.get_close_matches(name[:_LOOKED_AT].casefold(), folded, n=_NEAREST, cutoff=0)
    nearest = f"nearest: {', '.join(folded[each] for each in near)}; {SCHEME}index lists all"
    raise refused_value("path", f"no {what} is called {shown(name)}; {nearest}")


def require_text(form: str, path: str) -> None:
    """Raises Refused (OMS-VAL-004) where a format is asked of something that is text alone."""
    if form not in {"", "text"}:
        raise refused_value("format", f"format {shown(form)} is for {SCHEME} addresses; leave it out for {shown(path)}")


def _json(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


_Writer = Callable[[str, str, list[str]], str]
"""Given an address, a title and names of types; gives the text of a file."""

_WRITERS: Mapping[str, _Writer] = {
    "json-schema": lambda address, _, roots: _json(schema_of(roots, address)),
    "avro": lambda _, __, roots: _json(avro_of(roots)),
    "openapi": lambda _, title, roots: _json(openapi_of(roots, title)),
    "python": lambda _, title, roots: python_of(roots, title),
    "typescript": lambda _, title, roots: typescript_of(roots, title),
    "java": lambda _, title, roots: java_of(roots, title, f"{title}Contract"),
}

ADDRESSES = (*(SCHEME + page for page in PAGES), f"{SCHEME}schema/NAME")
_IN_ALL_FORMATS = tuple(SCHEME + page for page in GROUPS)
