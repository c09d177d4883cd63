"""What is a figure, and how are variants compared so that a noisy machine slows them all?"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Target = tuple[str, float]
"""`at least` or `at most`, and the bound of a median."""


class Scale(NamedTuple):
    """How much work a benchmark does.

    Attributes:
        rounds: How often each variant has its turn; at least 2, for the quartiles.
        orders: Orders that there are, or that each turn takes through their life.
        documents: Documents that are searched; 0 for all of ours.
    """

    rounds: int
    orders: int = 0
    documents: int = 0


class Figure(NamedTuple):
    """What was measured: the median of the rounds, between which values half of them lie, and what is promised."""

    name: str
    unit: str
    median: float
    lower: float
    upper: float
    target: str = ""
    met: bool | None = None

    @classmethod
    def of(cls, name: str, unit: str, rounds: Sequence[float], target: Target | None = None) -> "Figure":
        """The figure of one value per round."""
        lower, median, upper = statistics.quantiles(rounds, n=4) if len(rounds) > 1 else (rounds[0],) * 3
        if target is None:
            return cls(name, unit, median, lower, upper)
        kind, bound = target
        met = median >= bound if kind == "at least" else median <= bound
        return cls(name, unit, median, lower, upper, f"{kind} {bound:g}", met)


Rounds = dict[str, list[float]]
"""Variant -> what was measured in each round."""


def take_turns(variants: Mapping[str, Callable[[], object]], rounds: int, warm_up: int) -> Rounds:
    """Microseconds of one call of each variant per round; who is first changes, and the first rounds do not count."""
    micros: Rounds = {name: [] for name in variants}
    for number in range(warm_up + rounds):
        for name in sorted(variants, reverse=bool(number % 2)):
            began = time.perf_counter_ns()
            variants[name]()
            micros[name].append((time.perf_counter_ns() - began) / 1_000)
    return {name: values[warm_up:] for name, values in micros.items()}


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """The ratio of two variants in each round."""
    return [above / below for above, below in zip(numerators, denominators, strict=True)]


def speed(name: str, took: Rounds, ours: str, theirs: str, target: Target | None = None) -> Figure:
    """How many times as fast one variant is as another, taken within the rounds."""
    return Figure.of(name, "x", ratios(took[theirs], took[ours]), target)


def compared(micros: Rounds, *, to: str) -> list[Figure]:
    """A figure per variant, and the ratio of each to one of them, taken within the rounds."""
    figures = [Figure.of(name, "us", values) for name, values in micros.items()]
    for name, values in micros.items():
        if name != to:
            figures.append(Figure.of(f"{name} / {to}", "", ratios(values, micros[to])))
    return figures
