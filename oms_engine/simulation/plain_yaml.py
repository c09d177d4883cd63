"""How is YAML from outside read? As JSON is: text, whole numbers, booleans, null, lists and objects, nothing else.

Decimals and times stay text, so that nothing is rounded or guessed on the way in. Tags, anchors, aliases, repeated
keys, deep nesting and large documents are refused: plain data needs none of them, and each hides or multiplies it.
"""

# ruff: noqa: PLC0415 - a server that runs no scenario starts without a parser

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oms_engine.errors import shown

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 1_000_000
MAX_DEPTH = 20

_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)


class YamlError(Exception):
    """A text that is no plain YAML; `line` is 1-based, 0 when it is about the whole text."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class Located(dict[str, Any]):
    """An object that remembers on which line it began, and on which each of its keys stands."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def line_of(self, key: str) -> int:
        """The line of a key, or that of the object for a key that it does not have."""
        return self.lines.get(key, self.line)


@dataclass
class _Open:
    """A list or an object that has begun and not ended; `key` waits for its value."""

    value: list[Any] | Located
    key: str | None = None

    def add(self, value: object) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        else:
            self.value[str(self.key)] = value
            self.key = None

    def expects_key(self) -> bool:
        return isinstance(self.value, Located) and self.key is None

    def begin(self, key: str, line: int) -> None:
        if key in self.value:
            raise YamlError(line, f"key {shown(key)} stands twice in one object; keep one")
        self.key = key
        if isinstance(self.value, Located):
            self.value.lines[key] = line


def read_documents(text: str) -> Iterator[tuple[int, Any]]:
    """The documents of a YAML text, each with the line on which it begins; objects are `Located`.

    Raises:
        YamlError: The text is too large, malformed, or uses more of YAML than plain data needs.
    """
    import yaml

    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise YamlError(0, f"larger than {MAX_BYTES:,} bytes; split it")
    try:
        yield from _documents(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        if "nesting depth" in (error.problem or ""):  # the parser has a limit of its own and looks ahead
            raise _too_deep(line) from None
        raise YamlError(line, f"no YAML: {error.problem or error.context}{_remedy(error, line)}") from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(0, f"no YAML: {str(error).splitlines()[0]}") from None


_REMEDIES = {
    "cannot start any token": "begin lines with blanks instead of tabs, and put a text with signs such as @ in quotes",
    "mapping values are not allowed": "put a text with a colon in quotes, and begin keys of one object in one column",
    "did not find expected ',' or '}'": "close the { with a }, and part its keys with commas",
    "did not find expected ',' or ']'": "close the [ with a ], and part its items with commas",
    "did not find expected '-' indicator": "begin what belongs to one item in one column, behind its -",
    "did not find expected key": "begin the keys of one object in one column",
    "could not find expected ':'": "write a colon and a blank behind a key",
    "end of stream": "close the quotes",
}
"""What the parser says -> what a writer does about it."""


def _remedy(error: "yaml.MarkedYAMLError", line: int) -> str:
    """What to do about malformed YAML, and where that began which is malformed."""
    found = next((remedy for words, remedy in _REMEDIES.items() if words in (error.problem or "")), "")
    begun = error.context_mark.line + 1 if error.context_mark else line
    place = f" in what begins on line {begun}" if 0 < begun < line else ""
    return f"{place}; {found}" if found else place


def _documents(text: str) -> Iterator[tuple[int, Any]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: list[Any] = []
    stack = [_Open(document)]
    first = 0
    for event in yaml.parse(text, Loader=loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.DocumentStartEvent():
                first = 0
            case yaml.DocumentEndEvent():
                yield first, document.pop()
            case yaml.CollectionEndEvent():
                ended = stack.pop()
                stack[-1].add(ended.value)
            case yaml.NodeEvent():
                first = first or line
                _node(event, stack, line)


def _too_deep(line: int) -> YamlError:
    return YamlError(line, f"nested deeper than {MAX_DEPTH} levels; write it flatter")


def _node(event: "yaml.NodeEvent", stack: list[_Open], line: int) -> None:
    import yaml

    if event.anchor is not None:
        raise YamlError(line, "anchors (&) and aliases (*) are not accepted; write the value where it is used")
    if (tag := getattr(event, "tag", None)) is not None:
        raise YamlError(line, f"tag {shown(tag)} is not accepted; write plain text, numbers, lists, objects")
    if isinstance(event, yaml.ScalarEvent):
        if stack[-1].expects_key():
            stack[-1].begin(event.value, line)
        else:
            stack[-1].add(_scalar(event.value, plain=event.implicit[0]))
        return
    if stack[-1].expects_key():
        raise YamlError(line, "a key must be plain text")
    if len(stack) > MAX_DEPTH:
        raise _too_deep(line)
    stack.append(_Open([] if isinstance(event, yaml.SequenceStartEvent) else Located(line)))


def _scalar(text: str, *, plain: bool) -> str | int | bool | None:
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _WHOLE.fullmatch(text) else text
