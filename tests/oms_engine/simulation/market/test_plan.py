import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import ScenarioError
from oms_engine.simulation.market.faults import FAULTS
from oms_engine.simulation.market.mixes import MIXES
from oms_engine.simulation.market.plan import MarketPlan, session_of

PLANS = st.builds(
    MarketPlan,
    orders=st.integers(1, 100_000),
    seed=st.integers(0, 2**63 - 1),
    mix=st.sampled_from(sorted(MIXES)),
    faults=st.sampled_from(sorted(FAULTS)),
    orders_per_session=st.integers(1, 10_000),
)


@given(PLANS.filter(lambda plan: plan.sessions < 1_000))
def test_the_sessions_send_all_orders_and_none_sends_too_many(plan: MarketPlan) -> None:
    sizes = [plan.orders_of(number) for number in range(1, plan.sessions + 1)]
    assert sum(sizes) == plan.orders
    assert all(size == plan.orders_per_session for size in sizes[:-1])
    assert 1 <= sizes[-1] <= plan.orders_per_session


@given(PLANS, st.integers(1, 10_000))
def test_a_correlation_id_tells_plan_and_session(plan: MarketPlan, number: int) -> None:
    assert session_of(plan.correlation_id(number)) == (plan.digest, number)


@pytest.mark.parametrize(
    "text", ["", "CMD-1", "sim-123456789abc-", "sim-short-1", "run-123456789abc-1", "sim-123456789abc-²"]
)
def test_another_correlation_id_tells_nothing(text: str) -> None:
    assert session_of(text) is None


@given(PLANS, PLANS)
def test_plans_have_the_same_digest_only_if_they_are_equal(one: MarketPlan, two: MarketPlan) -> None:
    assert (one.digest == two.digest) == (one == two)
    assert one.digest == MarketPlan(one.orders, one.seed, one.mix, one.faults, one.orders_per_session).digest


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"orders": 0}, "orders 0 is out of range; use a whole number from 1 to 10,000,000"),
        ({"orders": 10_000_001}, "orders 10000001 is out of range"),
        ({"seed": -1}, "seed -1 is out of range; use a whole number from 0"),
        ({"orders_per_session": 0}, "orders_per_session 0 is out of range; use a whole number from 1 to 10,000"),
        ({"mix": "hedge"}, 'mix "hedge" is unknown; use one of retail, institutional, market-maker'),
        ({"faults": "all"}, 'faults "all" is unknown; use one of none, some, many'),
    ],
    ids=str,
)
def test_a_plan_that_cannot_be_is_refused_and_told_why(plan: dict[str, object], told: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        MarketPlan(**({"orders": 10} | plan))  # type: ignore[arg-type] # wrong on purpose
    assert told in str(refused.value)


def test_there_is_no_session_behind_the_last_one() -> None:
    with pytest.raises(ScenarioError, match="session 3 is out of range"):
        MarketPlan(20, orders_per_session=10).orders_of(3)
