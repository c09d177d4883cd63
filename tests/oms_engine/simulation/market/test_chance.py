import ast
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.simulation import market
from oms_engine.simulation.market.chance import MILLION, Chance, Weighted

SEEDS = st.integers(0, 2**63 - 1)


def test_a_seed_gives_the_same_draws_on_every_machine() -> None:
    chance = Chance(7, 3, "venue")
    assert [chance.below(1_000_000) for _ in range(5)] == [817_530, 520_458, 337_846, 460_043, 694_006]


def test_nothing_that_others_draw_moves_a_stream() -> None:
    alone = Chance(1, 1, "street")
    expected = [alone.below(100) for _ in range(20)]
    chance, other = Chance(1, 1, "street"), Chance(1, 1, "retail")
    random.seed(5)
    assert [(chance.below(100), other.below(7), random.random())[0] for _ in range(20)] == expected  # noqa: S311 - must not matter


@pytest.mark.parametrize("other", [(2, 1, "a"), (1, 2, "a"), (1, 1, "b")])
def test_another_seed_session_or_purpose_gives_other_draws(other: tuple[int, int, str]) -> None:
    one, two = Chance(1, 1, "a"), Chance(*other)
    assert [one.below(MILLION) for _ in range(4)] != [two.below(MILLION) for _ in range(4)]


@given(SEEDS, st.integers(-1000, 1000), st.integers(0, 1000))
def test_a_number_lies_between_its_bounds(seed: int, low: int, width: int) -> None:
    chance = Chance(seed, 1, "x")
    drawn = [chance.between(low, low + width) for _ in range(50)]
    assert all(low <= each <= low + width for each in drawn)


def test_both_bounds_are_drawn() -> None:
    chance = Chance(1, 1, "x")
    assert {chance.between(3, 5) for _ in range(100)} == {3, 4, 5}


def test_weights_say_how_often_a_thing_is_drawn() -> None:
    chance, things = Chance(1, 1, "x"), Weighted((("a", 90), ("never", 0), ("b", 10)))
    drawn = [chance.weighted(things) for _ in range(10_000)]
    assert "never" not in drawn
    assert 8_800 < drawn.count("a") < 9_200


def test_what_happens_never_or_always_does() -> None:
    chance = Chance(1, 1, "x")
    assert not any(chance.happens(0) for _ in range(100))
    assert all(chance.happens(MILLION) for _ in range(100))
    assert 400 < sum(chance.happens(50_000) for _ in range(10_000)) < 600


@given(SEEDS)
def test_a_quantile_lies_within_its_table(seed: int) -> None:
    chance, table = Chance(seed, 1, "x"), (10, 20, 40, 1_000)
    assert all(10 <= chance.quantile(table) < 1_000 for _ in range(50))


def test_a_table_of_quantiles_says_how_many_lie_below_each() -> None:
    chance, table = Chance(1, 1, "x"), (10, 20, 40, 1_000)
    drawn = [chance.quantile(table) for _ in range(9_000)]
    assert 2_850 < sum(each < 20 for each in drawn) < 3_150
    assert 5_850 < sum(each < 40 for each in drawn) < 6_150


def test_nothing_in_the_market_depends_on_the_machine() -> None:
    """No float, which another machine may round in another way; no clock, and chance in one room alone."""
    files = sorted(Path(market.__path__[0]).glob("*.py"))
    assert len(files) > 20
    for file in files:
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        imported |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        assert not imported & {"time", "os", "uuid", "secrets", "math"}, file.name
        assert ("random" in imported) == (file.name == "chance.py"), file.name
        assert not any(isinstance(node, ast.Constant) and isinstance(node.value, float) for node in nodes), file.name
        assert not any(isinstance(node, ast.Div) for node in nodes), file.name
        called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        assert not called & {"hash", "id", "float"}, file.name
