"""What is wrong with this input, and by which rule? Rules as immutable values, and how they are asked.

A rule judges a subject in one of three ways: it holds (True), it is violated (False), or it is not evaluated (None),
because an input it reads is malformed or it does not apply. Not evaluated is never a violation, and it is neutral in
every composition: the other side decides alone, and two neutral sides are neutral together.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

from oms_engine.record import Record

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
"""What a rule judges; a rule about a wider subject serves where one about a narrower is asked for."""


class Severity(StrEnum):
    """Does a violation stop the command, or is it only told?"""

    REJECT = "REJECT"
    WARN = "WARN"


class Violation(Record):
    """Which rule was broken, where, and which section explains it?"""

    rule_id: str
    field: str
    message: str
    code: str
    citation: str


@dataclass(frozen=True, kw_only=True)  # no slots: with them Rule[Order](...) raises in Python 3.11
class Rule(Generic[T_contra]):
    """What must be true of a subject, and what is said when it is not?

    Attributes:
        id: Name of the rule in its catalogue.
        code: Error code a violation carries.
        description: The rule as a sentence.
        field: The field a violation points at.
        holds: The predicate; called only when the rule is evaluated.
        message: The sentence for a subject that breaks the rule.
        citation: `path#anchor` of the section that explains the rule.
        scope: Where the rule counts; free text of the catalogue.
        severity: REJECT refuses, WARN is told beside the result.
        inputs: The fields the rule reads; empty means only `field`.
        applies: The rule is not evaluated where this is false: so a missing input is treated.
        alone: A violation of this rule is reported without any other.
        needs: The rule is not evaluated where one of these is not given, so `chosen` can leave it out unasked.
    """

    id: str
    code: str
    description: str
    field: str
    holds: Callable[[T_contra], bool]
    message: Callable[[T_contra], str]
    citation: str
    scope: str = ""
    severity: Severity = Severity.REJECT
    inputs: tuple[str, ...] = ()
    applies: Callable[[T_contra], bool] | None = None
    alone: bool = False
    needs: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields this rule reads."""
        return self.inputs or (self.field,)

    def verdict(self, subject: T_contra, malformed: Collection[str] = ()) -> bool | None:
        """Does the subject obey? True, False, or None when the rule is not evaluated."""
        if malformed and any(name in malformed for name in self.reads):
            return None
        if self.applies is not None and not self.applies(subject):
            return None
        return bool(self.holds(subject))

    def check(self, subject: T_contra, malformed: Collection[str] = ()) -> Violation | None:
        """What is wrong with the subject by this rule? None also when the rule is not evaluated."""
        if self.verdict(subject, malformed) is not False:
            return None
        return self.culprit(subject, malformed).violation(subject)

    def culprit(self, subject: T_contra, malformed: Collection[str] = ()) -> "Rule[T_contra]":  # noqa: ARG002 - a pair of rules asks them
        """Which rule does a violation name? The rule itself; in a composition, the side that failed."""
        return self

    def violation(self, subject: T_contra) -> Violation:
        """The violation of this rule by a subject that breaks it."""
        return Violation(
            rule_id=self.id,
            field=self.field,
            message=self.message(subject),
            code=self.code,
            citation=self.citation,
        )

    def when(self, condition: Callable[[T_contra], bool]) -> "Rule[T_contra]":
        """The same rule, not evaluated where the condition is false; what it applied to before is asked first."""
        applies = self.applies
        if applies is None:
            return replace(self, applies=condition)
        return replace(self, applies=lambda subject: applies(subject) and condition(subject))

    def __and__(self, other: "Rule[T_contra]") -> "Rule[T_contra]":
        """Both must hold; the violation is that of the first that fails. Listed under the name of the left."""
        return _pair(self, other, decisive=False)

    def __or__(self, other: "Rule[T_contra]") -> "Rule[T_contra]":
        """One must hold; the violation is that of the left, or of the right where the left is not evaluated."""
        return _pair(self, other, decisive=True)

    def __invert__(self) -> "Rule[T_contra]":
        """Holds where the rule is violated. Keeps its name; `dataclasses.replace` gives it another, or a message."""
        return _Negation(
            **_shared(self)
            | {
                "description": f"not: {self.description}",
                "message": lambda _: f"must not hold: {self.description}",
                "inputs": self.reads,
                "applies": None,
            },
            inner=self,
        )


@dataclass(frozen=True, kw_only=True)
class _Pair(Rule[T_contra]):
    """Two rules as one. The first verdict equal to `decisive` settles it: False makes it an and, True an or."""

    left: Rule[T_contra]
    right: Rule[T_contra]
    decisive: bool

    def verdict(self, subject: T_contra, malformed: Collection[str] = ()) -> bool | None:
        if self.applies is not None and not self.applies(subject):
            return None
        left = self.left.verdict(subject, malformed)
        if left is self.decisive:
            return left
        right = self.right.verdict(subject, malformed)
        return left if right is None else right

    def culprit(self, subject: T_contra, malformed: Collection[str] = ()) -> Rule[T_contra]:
        failed = self.left if self.left.verdict(subject, malformed) is False else self.right
        return failed.culprit(subject, malformed)


@dataclass(frozen=True, kw_only=True)
class _Negation(Rule[T_contra]):
    """A rule turned round: what is not evaluated stays so."""

    inner: Rule[T_contra]

    def verdict(self, subject: T_contra, malformed: Collection[str] = ()) -> bool | None:
        if self.applies is not None and not self.applies(subject):
            return None
        inner = self.inner.verdict(subject, malformed)
        return None if inner is None else not inner


def _shared(rule: Rule[Any]) -> dict[str, Any]:
    return {field.name: getattr(rule, field.name) for field in fields(Rule)}


def _pair(left: Rule[T], right: Rule[T], *, decisive: bool) -> Rule[T]:
    word = "or" if decisive else "and"
    return _Pair(
        **_shared(left)
        | {
            "description": f"{left.description} {word} {right.description}",
            "inputs": tuple(dict.fromkeys(left.reads + right.reads)),
            "applies": None,
            "needs": tuple(name for name in left.needs if name in right.needs),
        },
        left=left,
        right=right,
        decisive=decisive,
    )


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What did a set of rules find? Violations refuse, warnings are only told; both in catalogue order."""

    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()

    @property
    def ok(self) -> bool:
        """No violation; warnings do not count."""
        return not self.violations


_CLEAN = ValidationResult()


def chosen(rules: Iterable[Rule[T]], given: Collection[str]) -> tuple[Rule[T], ...]:
    """The rules that have to be asked where only this is given."""
    return tuple(rule for rule in rules if all(name in given for name in rule.needs))


def validate(
    rules: Iterable[Rule[T]], subject: T, *, malformed: Collection[str] = (), fail_fast: bool = False
) -> ValidationResult:
    """What do these rules say of the subject, in the order given?

    All rules run, unless one that reports alone is violated: then the result holds that one only.

    Args:
        rules: The catalogue, in its order.
        subject: What is judged.
        malformed: Fields that could not be read; rules that read them are not evaluated.
        fail_fast: Stop at the first violation of severity REJECT.
    """
    violations: list[Violation] = []
    warnings: list[Violation] = []
    for rule in rules:
        if rule.verdict(subject, malformed) is not False:
            continue
        failed = rule.culprit(subject, malformed)
        found = violations if failed.severity is Severity.REJECT else warnings
        if failed.alone:
            violations.clear()
            warnings.clear()
        found.append(failed.violation(subject))
        if failed.alone or (fail_fast and found is violations):
            break
    return ValidationResult(tuple(violations), tuple(warnings)) if violations or warnings else _CLEAN


class Checklist(Generic[T_contra]):
    """Rules that are asked together, again and again; most often all of them hold, so that is found out first.

    Args:
        rules: In the order of their catalogue.
    """

    def __init__(self, rules: Iterable[Rule[T_contra]]) -> None:
        self.rules = tuple(rules)
        self._plain = tuple((rule.applies, rule.holds) for rule in self.rules)
        self._are_plain = all(type(rule) is Rule for rule in self.rules)

    def validate(self, subject: T_contra, malformed: Collection[str] = ()) -> ValidationResult:
        """As the function of this name."""
        if self._are_plain and not malformed and self._all_hold(subject):
            return _CLEAN
        return validate(self.rules, subject, malformed=malformed)

    def _all_hold(self, subject: T_contra) -> bool:
        """The verdicts of plain rules without a call for each: nothing here is malformed."""
        for applies, holds in self._plain:  # noqa: SIM110 - a generator would cost as much as a rule
            if (applies is None or applies(subject)) and not holds(subject):
                return False
        return True
