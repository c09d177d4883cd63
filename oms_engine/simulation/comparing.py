"""Where does what happened differ from what was expected? What is not named is not compared."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticCustomError

from oms_engine.domain.quantities import round_half_up
from oms_engine.record import Record, instant_text, parse_decimal, parse_instant

_AVERAGE_DIGITS = (4, 8)


class Difference(Record):
    """Where the engine did not do what the scenario expects; a side that is absent is left out on the wire.

    `note` is what the engine said about it, when it refused something, and `rule` the rule by which it did.
    """

    place: str
    line: int
    field: str
    expected: Any = None
    actual: Any = None
    note: str | None = None
    rule: str | None = None


def compare(expected: Any, actual: Any, place: str, line: int, field: str = "") -> Iterator[Difference]:  # noqa: ANN401 - JSON
    """Where `actual` does not have what `expected` names; what is not named is not compared.

    Objects are compared key by key, lists element by element, numbers as decimals, times as moments; null means absent.
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name, value in expected.items():
            yield from compare(value, actual.get(name), place, line, f"{field}.{name}" if field else name)
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, pair in enumerate(zip(expected, actual, strict=True)):
            yield from compare(*pair, place, line, f"{field}[{index}]")
    elif not _same(field.rpartition(".")[2], expected, actual):
        yield Difference(place=place, line=line, field=field, expected=expected, actual=actual)


def named(expected: object) -> int:
    """How many values an expectation names; a list is one, and so is an empty object."""
    return sum(map(named, expected.values())) if isinstance(expected, Mapping) and expected else 1


def _same(name: str, expected: object, actual: object) -> bool:
    if any(value is None or isinstance(value, bool | list | Mapping) for value in (expected, actual)):
        return expected == actual and type(expected) is type(actual)
    for read in (parse_decimal, _moment):
        try:
            left, right = read(expected), read(actual)
        except PydanticCustomError:
            continue
        return left == (_average(right, expected) if name == "avgPx" and isinstance(right, Decimal) else right)
    return expected == actual


def _moment(value: object) -> str:
    return instant_text(parse_instant(value))


def _average(actual: Decimal, expected: object) -> Decimal:
    """The average with as many decimals as the expectation has, at least 4, half-up."""
    digits = len(str(expected).partition(".")[2])
    low, high = _AVERAGE_DIGITS
    return round_half_up(actual, min(max(digits, low), high))
