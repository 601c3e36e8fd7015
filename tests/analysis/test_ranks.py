"""Hodges and Lehmann's estimate with its signed-rank interval, against the textbook and against scipy's test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from significand.analysis.ranks import MOST_EXACT, MOST_PAIRS, RankEstimates, hodges_lehmann

BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
"""Depression scale of nine patients: Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, table 3.1."""

DIFFERENCES = st.lists(st.integers(-10_000, 10_000), min_size=6, max_size=14, unique_by=abs).filter(
    lambda x: 0 not in x
)


def of_one(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return estimate and bounds of a single sample."""
    found = hodges_lehmann(values, np.zeros(values.size, dtype=np.int64), 1, level)
    return float(found.point[0]), float(found.low[0]), float(found.high[0])


def test_textbook_example() -> None:
    """The book's examples 3.3 and 3.4: -0.46, and (-0.786, -0.010) with 96.0 % confidence."""
    assert of_one(AFTER - BEFORE) == pytest.approx((-0.46, -0.786, -0.010), abs=5e-4)


@pytest.mark.parametrize(("n", "known"), [(5, False), (6, True), (MOST_PAIRS, True), (MOST_PAIRS + 1, False)])
def test_too_few_or_too_many_pairs_have_no_interval(n: int, *, known: bool) -> None:
    """Of five differences the signed-rank test cannot reach 95 %; of very many there is no second opinion."""
    _, low, high = of_one(np.random.default_rng(0).normal(size=n))
    assert np.isfinite([low, high]).all() == known


@given(DIFFERENCES)
def test_the_interval_is_what_the_test_does_not_reject(values: list[int]) -> None:
    """Zero is outside exactly where scipy's exact signed-rank test rejects it at 5 %."""
    differences = np.array(values) + np.random.default_rng(0).uniform(0.01, 0.4, len(values))
    _, low, high = of_one(differences)
    p = stats.wilcoxon(differences, method="exact").pvalue
    assert (low <= 0 <= high) == (p > 0.05)


def test_beyond_what_is_counted_out_the_normal_distribution_does() -> None:
    """The bounds are neighbours of those that one pair fewer would have exactly."""
    values = np.sort(np.random.default_rng(2).normal(size=MOST_EXACT + 1))
    more, fewer = of_one(values), of_one(values[:-1])
    assert more == pytest.approx(fewer, abs=0.1)


def test_groups_of_several_sizes_are_as_each_alone() -> None:
    """Whatever stands beside them; an empty one has nothing."""
    random = np.random.default_rng(4)
    samples = [random.normal(size=n) for n in (7, 12, 7)]
    found = hodges_lehmann(np.concatenate(samples), np.repeat([0, 1, 3], [7, 12, 7]), 4)
    assert isinstance(found, RankEstimates)
    for place, sample in zip((0, 1, 3), samples, strict=True):
        assert (found.point[place], found.low[place], found.high[place]) == of_one(sample)
    assert np.isnan(found.point[2])


def test_one_odd_pair_turns_nothing() -> None:
    """Where the mean of ten is moved beyond its interval by one of them, the estimate stays."""
    values = np.append(np.linspace(0.9, 1.1, 9), 100.0)
    point, low, high = of_one(values)
    assert point == pytest.approx(1.0, abs=0.05)
    assert low > 0.9
    assert high < 100
