from collections.abc import Callable, Collection, Mapping
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.framework.validation import (
    Checklist,
    Rule,
    Severity,
    ValidationResult,
    Violation,
    chosen,
    validate,
)

Subject = Mapping[str, int]
FIELDS = ("price", "qty", "stop", "fee")


def positive(field: str, *, severity: Severity = Severity.REJECT, alone: bool = False) -> Rule[Subject]:
    return Rule[Subject](
        id=f"{field}-positive",
        code=f"CODE-{field}",
        description=f"{field} is positive",
        field=field,
        holds=lambda subject: subject[field] > 0,
        message=lambda subject: f"{field} was {subject[field]}; give more than 0",
        citation=f"rules.md#{field}",
        severity=severity,
        applies=lambda subject: field in subject,
        alone=alone,
    )


PRICE, QTY = positive("price"), positive("qty")


def refuse(_: Subject) -> bool:
    raise AssertionError


def ids(violations: Collection[Violation]) -> list[str]:
    return [violation.rule_id for violation in violations]


def test_a_rule_that_holds_reports_nothing() -> None:
    assert PRICE.check({"price": 1}) is None


def test_a_violated_rule_says_where_why_and_which_section_explains_it() -> None:
    violation = PRICE.check({"price": -3})
    assert violation is not None
    assert violation.to_wire() == {
        "ruleId": "price-positive",
        "field": "price",
        "message": "price was -3; give more than 0",
        "code": "CODE-price",
        "citation": "rules.md#price",
    }


def test_a_rule_whose_input_is_missing_is_not_evaluated() -> None:
    assert PRICE.verdict({}) is None
    assert PRICE.check({}) is None


def test_a_rule_whose_field_is_malformed_is_not_evaluated() -> None:
    assert PRICE.verdict({"price": -3}, malformed={"price"}) is None
    assert PRICE.check({"price": -3}, malformed={"qty"}) is not None


def test_a_rule_is_not_evaluated_when_any_of_its_inputs_is_malformed() -> None:
    notional = replace(PRICE, inputs=("price", "qty"))
    assert notional.reads == ("price", "qty")
    assert notional.verdict({"price": 1}, malformed=["qty"]) is None
    assert notional.verdict({"price": 1}, malformed=["fee"]) is True


def test_malformed_inputs_are_looked_at_before_anything_is_called() -> None:
    assert replace(PRICE, holds=refuse, applies=refuse).check({}, malformed=["price"]) is None


def test_a_predicate_that_is_merely_falsy_is_a_violation() -> None:
    falsy: Callable[[Subject], bool] = lambda subject: subject.get("none")  # type: ignore[assignment,return-value]  # noqa: E731
    assert replace(PRICE, holds=falsy).verdict({"price": 1}) is False


def test_a_rule_about_a_wider_subject_serves_for_a_narrower_one() -> None:
    narrow: Rule[dict[str, int]] = PRICE
    assert ids(validate([narrow, QTY], {"price": 0, "qty": 0}).violations) == ["price-positive", "qty-positive"]


def test_a_rule_refuses_and_does_not_report_alone_unless_it_says_so() -> None:
    plain = Rule[Subject](
        id="A", code="C", description="d", field="price", holds=lambda _: False, message=lambda _: "m", citation="c"
    )
    assert ids(validate([plain, plain], {}).violations) == ["A", "A"]


def test_rules_cannot_be_changed() -> None:
    for rule in (PRICE, PRICE & QTY, PRICE | QTY, ~PRICE):
        with pytest.raises(FrozenInstanceError):
            rule.severity = Severity.WARN  # type: ignore[misc]


def test_when_leaves_the_rule_itself_alone() -> None:
    narrowed = PRICE.when(lambda subject: subject["price"] > -10)
    assert narrowed.check({"price": -3}) is not None
    assert narrowed.verdict({"price": -30}) is None
    assert PRICE.check({"price": -30}) is not None


def test_conditions_are_asked_from_left_to_right_and_only_while_they_hold() -> None:
    asked: list[str] = []

    def condition(name: str, *, answer: bool) -> Callable[[Subject], bool]:
        def ask(_: Subject) -> bool:
            asked.append(name)
            return answer

        return ask

    rule = (
        PRICE.when(condition("first", answer=True))
        .when(condition("second", answer=False))
        .when(condition("third", answer=True))
    )
    assert rule.verdict({"price": 1}) is None
    assert asked == ["first", "second"]
    assert rule.verdict({}) is None
    assert asked == ["first", "second"]


def test_when_on_a_rule_without_a_condition_adds_one() -> None:
    always = replace(PRICE, applies=None).when(lambda subject: "price" in subject)
    assert always.verdict({}) is None
    assert always.verdict({"price": 0}) is False


def test_when_narrows_a_composition_as_a_whole() -> None:
    for rule in (PRICE & QTY, PRICE | QTY, ~(PRICE & QTY)):
        narrowed = rule.when(lambda subject: "fee" in subject)
        assert narrowed.verdict({"price": 0, "qty": 0}) is None
        assert narrowed.verdict({"price": 0, "qty": 0, "fee": 1}) is rule.verdict({"price": 0, "qty": 0})


def test_and_reports_the_first_side_that_fails() -> None:
    both = PRICE & QTY
    assert both.check({"price": 1, "qty": 1}) is None
    assert both.check({"price": 0, "qty": 0}) == PRICE.check({"price": 0})
    assert both.check({"price": 1, "qty": 0}) == QTY.check({"qty": 0})


def test_or_is_violated_only_when_both_sides_are_and_reports_the_left() -> None:
    one = PRICE | QTY
    assert one.check({"price": 0, "qty": 1}) is None
    assert one.check({"price": 1, "qty": 0}) is None
    assert one.check({"price": 0, "qty": 0}) == PRICE.check({"price": 0})


def test_a_side_that_is_not_evaluated_leaves_the_decision_to_the_other() -> None:
    for rule in (PRICE & QTY, PRICE | QTY):
        assert rule.verdict({}) is None
        assert rule.verdict({"qty": 1}) is True
        assert rule.check({"qty": 0}) == QTY.check({"qty": 0})
        assert rule.check({"price": 0, "qty": 1}, malformed=["qty"]) == PRICE.check({"price": 0})


def test_not_holds_where_the_rule_is_violated_and_keeps_its_name() -> None:
    free = ~PRICE
    assert free.check({"price": 0}) is None
    assert free.verdict({}) is None
    violation = free.check({"price": 5})
    assert violation is not None
    assert (violation.rule_id, violation.message) == ("price-positive", "must not hold: price is positive")


def test_a_negation_can_be_given_a_name_and_a_message_of_its_own() -> None:
    free = replace(~PRICE, id="price-free", message=lambda _: "price was given; leave it out")
    violation = free.check({"price": 5})
    assert violation is not None
    assert (violation.rule_id, violation.message) == ("price-free", "price was given; leave it out")


def test_a_composition_reads_what_its_sides_read_and_says_so() -> None:
    assert (PRICE & QTY & PRICE).reads == ("price", "qty")
    assert (PRICE & QTY).description == "price is positive and qty is positive"
    assert (PRICE | QTY).description == "price is positive or qty is positive"
    assert (~PRICE).description == "not: price is positive"
    assert (~PRICE).reads == ("price",)
    assert ((PRICE & QTY).id, (PRICE | QTY).id) == ("price-positive", "price-positive")


def test_all_violations_are_reported_in_catalogue_order() -> None:
    rules = [positive(field) for field in FIELDS]
    result = validate(rules, {"price": 0, "qty": 1, "stop": 0, "fee": 0})
    assert ids(result.violations) == ["price-positive", "stop-positive", "fee-positive"]
    assert not result.ok


def test_warnings_are_kept_apart_and_do_not_refuse() -> None:
    result = validate([positive("price", severity=Severity.WARN), QTY], {"price": 0, "qty": 1})
    assert result.ok
    assert ids(result.warnings) == ["price-positive"]


def test_the_severity_of_a_pair_is_that_of_the_side_that_failed() -> None:
    lenient = positive("price", severity=Severity.WARN) & QTY
    assert ids(validate([lenient], {"price": 0, "qty": 1}).warnings) == ["price-positive"]
    assert ids(validate([lenient], {"price": 1, "qty": 0}).violations) == ["qty-positive"]


def test_no_rules_find_nothing() -> None:
    assert validate([], {"price": 0}) == ValidationResult()


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ValidationResult().violations = ()  # type: ignore[misc]


def test_a_duplicate_is_reported_alone_wherever_it_stands() -> None:
    rules = [positive("fee", severity=Severity.WARN), PRICE, positive("qty", alone=True), positive("stop")]
    result = validate(rules, {"price": 0, "qty": 0, "stop": 0, "fee": 0})
    assert (ids(result.violations), result.warnings) == (["qty-positive"], ())


def test_a_rule_that_would_report_alone_but_holds_changes_nothing() -> None:
    assert ids(validate([positive("qty", alone=True), PRICE], {"price": 0, "qty": 1}).violations) == ["price-positive"]


def test_fail_fast_stops_at_the_first_violation_that_refuses() -> None:
    catalogue = [positive("fee", severity=Severity.WARN), PRICE, replace(QTY, holds=refuse)]
    result = validate(catalogue, {"price": 0, "qty": 0, "fee": 0}, fail_fast=True)
    assert (ids(result.violations), ids(result.warnings)) == (["price-positive"], ["fee-positive"])


def test_malformed_fields_silence_the_rules_that_read_them() -> None:
    assert ids(validate([PRICE, QTY], {"price": 0, "qty": 0}, malformed=["price"]).violations) == ["qty-positive"]


subjects = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from([0, 1]))
malformed_fields = st.frozensets(st.sampled_from(FIELDS))
leaves = st.sampled_from([positive(field) for field in FIELDS])


def compose(inner: st.SearchStrategy[Rule[Subject]]) -> st.SearchStrategy[Rule[Subject]]:
    pairs = st.tuples(inner, inner)
    return st.one_of(pairs.map(lambda p: p[0] & p[1]), pairs.map(lambda p: p[0] | p[1]), inner.map(lambda rule: ~rule))


rules = st.recursive(leaves, compose, max_leaves=8)


@given(rules, rules, subjects, malformed_fields)
def test_de_morgan_holds_also_where_a_side_is_not_evaluated(
    a: Rule[Subject], b: Rule[Subject], subject: Subject, malformed: frozenset[str]
) -> None:
    assert (~(a & b)).verdict(subject, malformed) is (~a | ~b).verdict(subject, malformed)
    assert (~(a | b)).verdict(subject, malformed) is (~a & ~b).verdict(subject, malformed)


@given(rules, subjects, malformed_fields)
def test_a_rule_with_itself_or_turned_round_twice_judges_as_before(
    rule: Rule[Subject], subject: Subject, malformed: frozenset[str]
) -> None:
    before = rule.verdict(subject, malformed)
    assert (rule & rule).verdict(subject, malformed) is before
    assert (rule | rule).verdict(subject, malformed) is before
    assert (~~rule).verdict(subject, malformed) is before


@given(rules, rules, rules, subjects, malformed_fields)
def test_the_verdict_does_not_depend_on_order_or_brackets(
    a: Rule[Subject], b: Rule[Subject], c: Rule[Subject], subject: Subject, malformed: frozenset[str]
) -> None:
    assert (a & b).verdict(subject, malformed) is (b & a).verdict(subject, malformed)
    assert (a | b).verdict(subject, malformed) is (b | a).verdict(subject, malformed)
    assert ((a & b) & c).verdict(subject, malformed) is (a & (b & c)).verdict(subject, malformed)
    assert ((a | b) | c).verdict(subject, malformed) is (a | (b | c)).verdict(subject, malformed)


@given(rules, rules, subjects, malformed_fields)
def test_a_composition_is_evaluated_when_one_side_is(
    a: Rule[Subject], b: Rule[Subject], subject: Subject, malformed: frozenset[str]
) -> None:
    silent = a.verdict(subject, malformed) is None and b.verdict(subject, malformed) is None
    assert ((a & b).verdict(subject, malformed) is None) is silent
    assert ((a | b).verdict(subject, malformed) is None) is silent


@given(rules, rules, subjects, malformed_fields)
def test_combining_rules_changes_neither(
    a: Rule[Subject], b: Rule[Subject], subject: Subject, malformed: frozenset[str]
) -> None:
    before = a.check(subject, malformed), b.check(subject, malformed), a.description, b.description
    _ = a & b, a | b, ~a, a.when(lambda _: False)
    assert (a.check(subject, malformed), b.check(subject, malformed), a.description, b.description) == before


@given(rules, subjects, malformed_fields)
def test_a_violation_is_reported_exactly_when_the_verdict_is_false(
    rule: Rule[Subject], subject: Subject, malformed: frozenset[str]
) -> None:
    violation = rule.check(subject, malformed)
    assert (violation is not None) is (rule.verdict(subject, malformed) is False)
    assert violation is None or violation.field in rule.reads


@given(st.lists(rules), subjects, malformed_fields)
def test_collecting_all_is_checking_each_and_fail_fast_is_its_first(
    catalogue: list[Rule[Subject]], subject: Subject, malformed: frozenset[str]
) -> None:
    each = tuple(v for rule in catalogue if (v := rule.check(subject, malformed)) is not None)
    assert validate(catalogue, subject, malformed=malformed).violations == each
    assert validate(catalogue, subject, malformed=malformed, fail_fast=True).violations == each[:1]


def needing(field: str) -> Rule[Subject]:
    return replace(positive(field), needs=(field,))


@given(subject=st.dictionaries(st.sampled_from(FIELDS), st.integers(-1, 1)), data=st.data())
def test_rules_whose_field_is_not_given_are_left_out_without_a_difference(
    subject: dict[str, int], data: st.DataObject
) -> None:
    rules = [needing(field) for field in FIELDS]
    left, right = (data.draw(st.sampled_from(rules)) for _ in range(2))
    rules += [left & right, left | right, left & PRICE, PRICE | left, ~left]
    fewer = chosen(rules, set(subject))
    assert len(fewer) <= len(rules)
    assert validate(fewer, subject) == validate(rules, subject)
    assert Checklist(fewer).validate(subject) == validate(rules, subject)


def test_a_checklist_looks_at_what_is_malformed() -> None:
    checklist = Checklist([PRICE, QTY])
    assert ids(checklist.validate({"price": 0, "qty": 0}).violations) == ["price-positive", "qty-positive"]
    assert ids(checklist.validate({"price": 0, "qty": 0}, {"price"}).violations) == ["qty-positive"]
    assert checklist.validate({"price": 1, "qty": 1}).ok


def test_a_checklist_of_composed_rules_says_what_they_say() -> None:
    checklist = Checklist([PRICE & QTY])
    assert ids(checklist.validate({"price": 1, "qty": 0}).violations) == ["qty-positive"]
