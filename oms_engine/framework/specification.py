"""Which candidates are meant? Predicates that combine with and, or, not, and compile to something other than Python.

A specification is asked (`is_satisfied_by`) or folded (`compile`): the compiler says what a leaf, a conjunction and so
on become, for instance SQL text with its parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

Predicate = Callable[[T], bool]
"""A leaf: anything that can be asked of a candidate. A value with `__call__` stays readable for a compiler."""


class Compiler(Protocol[T_co, R]):
    """What does each part of a specification become? `leaf` gets the predicate, the others what their parts became."""

    def leaf(self, predicate: Callable[[T_co], bool]) -> R:
        """One predicate; a compiler refuses those it cannot read with an error of its own."""

    def both(self, left: R, right: R) -> R:
        """Left and right."""

    def either(self, left: R, right: R) -> R:
        """Left or right."""

    def negation(self, inner: R) -> R:
        """What is not inner."""

    def everything(self) -> R:
        """Every candidate."""


class Specification(ABC, Generic[T]):
    """Which candidates are meant? Immutable; start from `where` or `everything`, combine with `&`, `|` and `~`."""

    @staticmethod
    def where(predicate: Predicate[T]) -> "Specification[T]":
        """The candidates of which the predicate is true."""
        return _Leaf(predicate)

    @staticmethod
    def everything() -> "Specification[T]":
        """All candidates: what `and_` starts from."""
        return _Everything()

    @abstractmethod
    def is_satisfied_by(self, candidate: T) -> bool:
        """Whether this candidate is meant."""

    @abstractmethod
    def compile(self, compiler: Compiler[T, R]) -> R:
        """What the compiler makes of this specification, from the leaves up."""

    def and_(self, other: "Specification[T]") -> "Specification[T]":
        """The candidates of both; the other is not asked where this one says no."""
        return _Both(self, other)

    def or_(self, other: "Specification[T]") -> "Specification[T]":
        """The candidates of either; the other is not asked where this one says yes."""
        return _Either(self, other)

    def not_(self) -> "Specification[T]":
        """All other candidates."""
        return _Negation(self)

    def __and__(self, other: "Specification[T]") -> "Specification[T]":
        return self.and_(other)

    def __or__(self, other: "Specification[T]") -> "Specification[T]":
        return self.or_(other)

    def __invert__(self) -> "Specification[T]":
        return self.not_()


@dataclass(frozen=True)
class _Leaf(Specification[T]):
    predicate: Predicate[T]

    def is_satisfied_by(self, candidate: T) -> bool:
        return bool(self.predicate(candidate))

    def compile(self, compiler: Compiler[T, R]) -> R:
        return compiler.leaf(self.predicate)


@dataclass(frozen=True)
class _Everything(Specification[T]):
    def is_satisfied_by(self, candidate: T) -> bool:  # noqa: ARG002 - whatever it is
        return True

    def compile(self, compiler: Compiler[T, R]) -> R:
        return compiler.everything()


@dataclass(frozen=True)
class _Both(Specification[T]):
    left: Specification[T]
    right: Specification[T]

    def is_satisfied_by(self, candidate: T) -> bool:
        return self.left.is_satisfied_by(candidate) and self.right.is_satisfied_by(candidate)

    def compile(self, compiler: Compiler[T, R]) -> R:
        return compiler.both(self.left.compile(compiler), self.right.compile(compiler))


@dataclass(frozen=True)
class _Either(Specification[T]):
    left: Specification[T]
    right: Specification[T]

    def is_satisfied_by(self, candidate: T) -> bool:
        return self.left.is_satisfied_by(candidate) or self.right.is_satisfied_by(candidate)

    def compile(self, compiler: Compiler[T, R]) -> R:
        return compiler.either(self.left.compile(compiler), self.right.compile(compiler))


@dataclass(frozen=True)
class _Negation(Specification[T]):
    inner: Specification[T]

    def is_satisfied_by(self, candidate: T) -> bool:
        return not self.inner.is_satisfied_by(candidate)

    def compile(self, compiler: Compiler[T, R]) -> R:
        return compiler.negation(self.inner.compile(compiler))
