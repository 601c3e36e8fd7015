import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.grouped import grouped_estimates
from significand.analysis.intervals import ci95_half_width, mean, mean_t, sample_std

VALUES = st.floats(min_value=-1e6, max_value=1e6) | st.just(math.nan)
ROWS = st.lists(st.tuples(VALUES, st.integers(min_value=0, max_value=4)), max_size=40)


@given(ROWS)
def test_many_groups_at_once_are_each_group_alone(rows: list[tuple[float, int]]) -> None:
    """Every number is what the functions for one sample say of the group's values."""
    estimates = grouped_estimates([value for value, _ in rows], [group for _, group in rows], 5, level=0.9)
    for group in range(5):
        sample = [value for value, own in rows if own == group]
        t = mean_t(sample, 0.9)
        half = (t.high - t.low) / 2
        assert estimates.n[group] == t.n
        expected = [mean(sample), sample_std(sample), ci95_half_width(sample), half]
        found = [column[group] for column in (estimates.mean, estimates.std, estimates.ci95, estimates.t_half_width)]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_a_large_mean_costs_no_digits() -> None:
    """The spread survives a mean a hundred million times as large."""
    # NIST Statistical Reference Datasets, NumAcc4: 1001 values, certified mean 10000000.2 and standard deviation 0.1.
    values = [10000000.2, *[10000000.1, 10000000.3] * 500]
    estimates = grouped_estimates([0.0, *values, 7.0], [0, *[1] * 1001, 2], 3)
    assert estimates.mean[1] == pytest.approx(10000000.2, rel=1e-15)
    assert estimates.std[1] == pytest.approx(0.1, rel=1e-7)


def test_equal_values_have_no_spread_at_all() -> None:
    """Rounding does not make a spread of 0.1 + 0.1 + 0.1."""
    estimates = grouped_estimates([0.1] * 7, [0] * 7, 1)
    assert (estimates.mean[0], estimates.std[0], estimates.t_half_width[0]) == (0.1, 0.0, 0.0)


def test_numbers_whose_squares_do_not_fit_have_a_mean_and_a_spread() -> None:
    """The largest and the smallest numbers are worked out as any others, group by group, and cost these no digit."""
    samples = [[1e308, 1.2e308, 1.7e308], [1e-310, 3e-310], [1.0, 2.0, 4.0], [-1e308, 1e308]]
    values = [value for sample in samples for value in sample]
    estimates = grouped_estimates(values, [group for group, sample in enumerate(samples) for _ in sample], 4)
    for group, sample in enumerate(samples):
        exact = [Fraction(value) for value in sample]
        assert estimates.mean[group] == pytest.approx(float(statistics.mean(exact)), rel=1e-12, abs=0)
        assert estimates.std[group] == pytest.approx(sample_std(sample), rel=1e-12, abs=0)
        assert estimates.ci95[group] == pytest.approx(ci95_half_width(sample), rel=1e-12, abs=0, nan_ok=True)
    # By hand: half the difference of two numbers, times the square root of 2.
    assert estimates.std[1] == pytest.approx(math.sqrt(2) * 1e-310, rel=1e-12, abs=0)
    assert estimates.std[3] == pytest.approx(math.sqrt(2) * 1e308, rel=1e-12)


def test_what_is_not_determined_is_missing_and_not_0() -> None:
    """A group without values has no mean, one with a single value no spread, and both say how many they had."""
    estimates = grouped_estimates([5.0, math.nan], [1, 2], 3)
    assert estimates.n.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(estimates.mean, [math.nan, 5.0, math.nan])
    for column in (estimates.std, estimates.ci95, estimates.t_half_width):
        assert np.isnan(column).all()


def test_an_infinite_value_bounds_nothing() -> None:
    """The mean is infinite as it is of one sample, and there is no interval."""
    estimates = grouped_estimates([1.0, math.inf, math.inf, 1.0, -math.inf, math.inf], [0, 0, 1, 1, 2, 2], 3)
    np.testing.assert_array_equal(estimates.mean, [math.inf, math.inf, math.nan])
    assert np.isnan(estimates.t_half_width).all()


def test_the_order_of_rows_does_not_matter_for_the_count() -> None:
    """Rows of a group need not stand together."""
    estimates = grouped_estimates([1.0, 10.0, 3.0, 30.0], [0, 1, 0, 1], 2)
    assert estimates.n.tolist() == [2, 2]
    assert estimates.mean.tolist() == [2.0, 20.0]


@pytest.mark.parametrize(
    ("values", "groups", "level", "words"),
    [
        ([1.0, 2.0], [0], 0.95, "for 2 runs"),
        ([1.0], [3], 0.95, "from 0 to 2"),
        ([1.0], [0], 95.0, "level is 95"),
        ([[1.0]], [0], 0.95, r"\(1, 1\)"),
    ],
)
def test_what_does_not_fit_is_refused(values: list[float], groups: list[int], level: float, words: str) -> None:
    """Wrong lengths, groups, levels and shapes are named with the value."""
    with pytest.raises(ValueError, match=words):
        grouped_estimates(values, groups, 3, level)
