"""How is the payload of an event read again, when every event of a store may have to be?

What we wrote ourselves is read by msgspec, into a twin of the record that is made from the fields pydantic knows: the
same names, the same types, a tenth of the time. It takes what we write and nothing else; whoever reads gives pydantic
what it refuses.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from types import NoneType
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

import msgspec

from oms_engine.record import Record, parse_day, parse_decimal, parse_instant

R = TypeVar("R", bound=Record)

Convert = Callable[[Any], Any]
"""Makes of what msgspec read the value that a record has."""

_TEXTS: dict[Any, Convert] = {
    Decimal: lru_cache(maxsize=4_096)(parse_decimal),
    datetime: lru_cache(maxsize=256)(parse_instant),
    date: lru_cache(maxsize=256)(parse_day),
}
"""What stands as text, and how it is read: in the very way of the record, and once where it comes again."""


REFUSED = (msgspec.MsgspecError, ValueError)
"""What is raised for a text that is not of the form in which we write."""


class Twin(msgspec.Struct):
    """What has the attributes of a record of ours; it is no record, and compares with none."""

    def as_dict(self) -> dict[str, Any]:
        """The values by name, in the order of the record's fields."""
        return msgspec.structs.asdict(self)


class Reader(Generic[R]):
    """Reads records of one kind from JSON that we wrote ourselves.

    Args:
        kind: The kind.

    Attributes:
        read: Gives what has the attributes of the record that a text says; raises REFUSED when the text says none.
    """

    def __init__(self, kind: type[R]) -> None:
        self._kind = kind
        twin, finish = _mould(kind)
        decode = msgspec.json.Decoder(twin).decode
        self.read: Callable[[str], Any] = decode if finish is None else _after(decode, finish)

    def record(self, text: str) -> R:
        """The record itself."""
        return self._kind.made(self.read(text).as_dict())


def _after(decode: Callable[[str], Any], finish: Convert) -> Callable[[str], Any]:
    return lambda text: finish(decode(text))


@cache
def _mould(kind: type[Record]) -> tuple[type[Twin], Convert | None]:
    """As which twin msgspec reads records of a kind, and what makes its values those of a record, where any is not."""
    fields: list[Any] = []
    converts: list[tuple[str, Convert]] = []
    for name, info in kind.model_fields.items():
        read, convert = _as_read(info.annotation)
        fields.append((name, read) if info.is_required() else (name, read, info.default))
        if convert is not None:
            converts.append((name, convert))
    twin: Any = msgspec.defstruct(
        kind.__name__,
        fields,
        bases=(Twin,),
        rename={name: str(info.alias) for name, info in kind.model_fields.items()},
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )
    return twin, _in_place(tuple(converts)) if converts else None


def _in_place(converts: Sequence[tuple[str, Convert]]) -> Convert:
    def finished(twin: Twin) -> Twin:
        for name, convert in converts:
            value = getattr(twin, name)
            if value is not None:
                setattr(twin, name, convert(value))
        return twin

    return finished


def _as_read(annotation: Any) -> tuple[Any, Convert | None]:  # noqa: ANN401 - any annotation
    """As what msgspec reads a value that has this type in a record, and what makes it one."""
    kind, parts = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _as_read(parts[0])
    if kind is tuple:
        read, convert = _as_read(parts[0])
        return tuple[read, ...], convert and _of_each(convert)  # type: ignore[valid-type] # found here
    if NoneType in parts:
        read, convert = _as_read(next(part for part in parts if part is not NoneType))
        return read | None, convert
    if annotation in _TEXTS:
        return str, _TEXTS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Record):
        twin, finish = _mould(annotation)
        return twin, _into_record(annotation, finish)
    return annotation, None


def _into_record(kind: type[Record], finish: Convert | None) -> Convert:
    return lambda twin: kind.made((finish(twin) if finish else twin).as_dict())


def _of_each(convert: Convert) -> Convert:
    return lambda values: tuple(map(convert, values))
