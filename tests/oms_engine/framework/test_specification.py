from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.framework.specification import Specification


@dataclass(frozen=True)
class MoreThan:
    bound: int

    def __call__(self, candidate: int) -> bool:
        return candidate > self.bound


def more_than(bound: int) -> Specification[int]:
    return Specification.where(MoreThan(bound))


class Text:
    """Compiles to SQL-like text with its parameters."""

    def leaf(self, predicate: Callable[[int], bool]) -> tuple[str, tuple[int, ...]]:
        match predicate:
            case MoreThan(bound):
                return "x > ?", (bound,)
            case _:
                raise TypeError(predicate)

    def both(
        self, left: tuple[str, tuple[int, ...]], right: tuple[str, tuple[int, ...]]
    ) -> tuple[str, tuple[int, ...]]:
        return f"({left[0]} AND {right[0]})", left[1] + right[1]

    def either(
        self, left: tuple[str, tuple[int, ...]], right: tuple[str, tuple[int, ...]]
    ) -> tuple[str, tuple[int, ...]]:
        return f"({left[0]} OR {right[0]})", left[1] + right[1]

    def negation(self, inner: tuple[str, tuple[int, ...]]) -> tuple[str, tuple[int, ...]]:
        return f"NOT {inner[0]}", inner[1]

    def everything(self) -> tuple[str, tuple[int, ...]]:
        return "TRUE", ()


class Plain:
    """Compiles back to a plain function, so that both readings can be compared."""

    def leaf(self, predicate: Callable[[int], bool]) -> Callable[[int], bool]:
        return predicate

    def both(self, left: Callable[[int], bool], right: Callable[[int], bool]) -> Callable[[int], bool]:
        return lambda x: left(x) and right(x)

    def either(self, left: Callable[[int], bool], right: Callable[[int], bool]) -> Callable[[int], bool]:
        return lambda x: left(x) or right(x)

    def negation(self, inner: Callable[[int], bool]) -> Callable[[int], bool]:
        return lambda x: not inner(x)

    def everything(self) -> Callable[[int], bool]:
        return lambda _: True


def test_a_specification_is_satisfied_where_its_predicate_is_true() -> None:
    assert more_than(3).is_satisfied_by(4)
    assert not more_than(3).is_satisfied_by(3)


def test_everything_is_satisfied_by_anything_and_its_negation_by_nothing() -> None:
    assert Specification[int].everything().is_satisfied_by(0)
    assert not (~Specification[int].everything()).is_satisfied_by(0)


def test_a_specification_compiles_to_text_and_parameters_in_the_order_of_its_leaves() -> None:
    specification = more_than(1) & ~(more_than(7) | more_than(5)) & Specification.everything()
    assert specification.compile(Text()) == ("((x > ? AND NOT (x > ? OR x > ?)) AND TRUE)", (1, 7, 5))


def test_specifications_are_values() -> None:
    def built() -> list[Specification[int]]:
        a = more_than(1)
        return [a, a & a, a | a, ~a, Specification.everything()]

    assert built() == built()
    assert len({*built(), *built()}) == 5


def test_operators_and_their_names_build_the_same() -> None:
    a, b = more_than(1), more_than(2)
    assert a & b == a.and_(b)
    assert a | b == a.or_(b)
    assert ~a == a.not_()


def test_the_right_side_is_asked_only_when_the_left_does_not_decide() -> None:
    def refuse(_: int) -> bool:
        raise AssertionError

    unasked = Specification.where(refuse)
    assert not (more_than(5) & unasked).is_satisfied_by(1)
    assert (more_than(5) | unasked).is_satisfied_by(9)


numbers = st.integers(-3, 3)
specifications = st.recursive(
    st.one_of(numbers.map(more_than), st.just(Specification[int].everything())),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] & p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] | p[1]),
        inner.map(lambda s: ~s),
    ),
    max_leaves=8,
)


@given(specifications, specifications, specifications, numbers)
def test_specifications_obey_boolean_algebra(
    a: Specification[int], b: Specification[int], c: Specification[int], x: int
) -> None:
    anything = Specification[int].everything()
    for left, right in (
        (a & b, b & a),
        (a | b, b | a),
        (a & (b & c), (a & b) & c),
        (a | (b | c), (a | b) | c),
        (a & (b | c), (a & b) | (a & c)),
        (a | (b & c), (a | b) & (a | c)),
        (a & (a | b), a),
        (a | (a & b), a),
        (~(a & b), ~a | ~b),
        (~(a | b), ~a & ~b),
        (~~a, a),
        (a & anything, a),
        (a | ~anything, a),
        (a | ~a, anything),
        (a & ~a, ~anything),
    ):
        assert left.is_satisfied_by(x) is right.is_satisfied_by(x)


@given(specifications, numbers)
def test_what_a_specification_compiles_to_agrees_with_what_it_answers(a: Specification[int], x: int) -> None:
    assert a.compile(Plain())(x) is a.is_satisfied_by(x)
