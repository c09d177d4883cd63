"""Are durations told right from buckets of a fixed size, and does a series of a long run stay short?"""

import sys
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.simulation.load.measures import Histogram, Point, Series

durations = st.lists(st.one_of(st.integers(0, 100), st.integers(0, 10**7), st.integers(0, 10**13)), min_size=1)


def counted(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.note(value)
    return histogram


@given(durations, st.integers(1, 100))
def test_a_percentile_is_at_most_a_sixteenth_above_the_true_one(values: list[int], percent: int) -> None:
    true = sorted(values)[-(-len(values) * percent // 100) - 1]
    assert true <= counted(values).percentile(percent) <= true + true // 16


def test_what_nobody_noted_took_no_time() -> None:
    told = Histogram().told()
    assert (told.count, told.mean, told.p50, told.max) == (0, 0.0, 0.0, 0.0)
    assert Histogram().doubling() == ()


@given(durations, durations)
def test_two_histograms_together_are_one_of_all(some: list[int], others: list[int]) -> None:
    together = counted(some)
    together.add(counted(others))
    whole = counted(some + others)
    assert together.told() == whole.told()
    assert together.doubling() == whole.doubling()


def test_the_figures_are_microseconds() -> None:
    told = counted([1_000] * 98 + [50_000, 2_000_000]).told()
    assert (told.count, told.p50, told.p90, told.max) == (100, 1.0, 1.0, 2000.0)
    assert 50.0 <= told.p99 <= 50.0 * 17 / 16
    assert told.mean == 21.5


@given(durations)
def test_doubling_buckets_hold_everything_and_each_is_twice_the_one_before(values: list[int]) -> None:
    buckets = counted(values).doubling()
    assert sum(bucket.count for bucket in buckets) == len(values)
    assert buckets[0].count > 0
    assert buckets[-1].count > 0
    ends = [round(bucket.up_to * 1_000) for bucket in buckets]
    assert [end * 2 for end in ends[:-1]] == ends[1:]
    for value in values:
        assert any(value <= end for end in ends)


def test_a_duration_beyond_all_buckets_is_counted_in_the_last() -> None:
    histogram = counted([10**18])
    assert histogram.percentile(50) <= 10**18
    assert histogram.told().max == 10**15


def test_a_histogram_of_many_is_as_small_as_one_of_few() -> None:
    few, many = counted([1]), counted(list(range(0, 10**7, 101)))
    assert sys.getsizeof(many._counts) == sys.getsizeof(few._counts)


@given(st.integers(1, 3_000))
def test_a_series_keeps_its_first_and_last_point_and_few_between(number: int) -> None:
    series = Series(most=20)
    for n in range(number):
        series.note(Point(float(n), n, n, n))
    kept = [point.commands for point in series.points()]
    assert (kept[0], kept[-1]) == (0, number - 1)
    assert kept == sorted(set(kept))
    assert min(number, 10) <= len(kept) <= 22
    steps = {later - earlier for earlier, later in pairwise(kept[:-1])}
    assert len(steps) <= 1
