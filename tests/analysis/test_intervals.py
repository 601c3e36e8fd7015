import math
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import quantile_test

from significand.analysis.intervals import (
    Estimate,
    ci95_half_width,
    finite,
    mean,
    mean_bootstrap_t,
    mean_normal,
    mean_t,
    median_exact,
    sample_std,
)

NUMBERS = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)
SAMPLES = st.lists(NUMBERS, min_size=2, max_size=30)
STATISTICS = [mean, sample_std, ci95_half_width]


def test_example_by_hand() -> None:
    """Of 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squared deviations 32, so s = sqrt(32/7) and 1.96 s / sqrt(8)."""
    sample = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]
    assert mean(sample) == 5.0
    assert sample_std(sample) == pytest.approx(2.138089935, rel=1e-9)
    assert ci95_half_width(sample) == pytest.approx(1.96 * 2.138089935 / 2.828427125, rel=1e-9)


# NIST/SEMATECH e-Handbook, section 1.3.5.2 (ZARR13.DAT): n = 195, mean 9.261460, s 0.02278881; by hand
# 1.96 x 0.02278881 / sqrt(195) = 0.00319860. Here a sample made to have just that mean and deviation.
def test_half_width_of_a_published_mean_and_deviation() -> None:
    """The half-width follows from n and s alone, as 1.96 s / sqrt(n)."""
    shape = np.linspace(-1, 1, 195)
    sample = 9.261460 + shape / shape.std(ddof=1) * 0.02278881
    assert mean(sample.tolist()) == pytest.approx(9.261460, rel=1e-9)
    assert ci95_half_width(sample.tolist()) == pytest.approx(0.00319860, rel=1e-5)


@pytest.mark.parametrize("values", [[], [None], [math.nan, None], [3.0], [3.0, math.nan], [None, 3.0]])
def test_spread_of_fewer_than_two_values_is_nan(values: list[float | None]) -> None:
    """Deviation and interval of fewer than two values are NaN, never 0; the mean of one value is the value."""
    assert math.isnan(sample_std(values))
    assert math.isnan(ci95_half_width(values))
    assert mean(values) == 3.0 if 3.0 in values else math.isnan(mean(values))


def test_equal_values_have_no_spread() -> None:
    """Two equal values are a sample without spread: that 0 is measured, not missing."""
    assert sample_std([3.0, 3.0]) == 0.0
    assert ci95_half_width([3.0, 3.0]) == 0.0


@given(SAMPLES, st.lists(st.sampled_from([None, math.nan]), max_size=5), st.randoms(use_true_random=False))
@pytest.mark.parametrize("statistic", STATISTICS)
def test_missing_values_and_order_do_not_matter(
    statistic: Callable[[Sequence[float | None]], float],
    values: list[float],
    missing: list[float | None],
    random: Random,
) -> None:
    """A sample with NaN and None among it, in any order, gives what the sample gives."""
    mixed = [*values, *missing]
    random.shuffle(mixed)
    assert len(finite(mixed)) == len(values)
    assert statistic(mixed) == pytest.approx(statistic(values), rel=1e-9, abs=1e-6)


@given(SAMPLES, st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_statistics_follow_scale_and_shift(values: list[float], scale: float, shift: float) -> None:
    """The mean moves and scales with the sample; deviation and interval scale and do not move."""
    moved = [scale * value + shift for value in values]
    size = max(map(abs, [*values, *moved, shift]))
    assert mean(moved) == pytest.approx(scale * mean(values) + shift, rel=1e-9, abs=1e-9 * size)
    assert sample_std(moved) == pytest.approx(scale * sample_std(values), rel=1e-6, abs=1e-9 * size * max(scale, 1))
    assert ci95_half_width(moved) == pytest.approx(
        scale * ci95_half_width(values), rel=1e-6, abs=1e-9 * size * max(scale, 1)
    )


@given(SAMPLES)
def test_mean_lies_in_the_sample(values: list[float]) -> None:
    """The mean lies between the extremes, up to rounding, and the deviation is never negative."""
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= mean(values) <= max(values) + slack
    assert sample_std(values) >= 0


def test_spread_around_an_infinity_is_undefined() -> None:
    """An infinite value makes the mean infinite and the spread NaN, without a warning."""
    assert mean([1.0, math.inf]) == math.inf
    assert math.isnan(sample_std([1.0, math.inf]))
    assert math.isnan(ci95_half_width([1.0, math.inf]))


ESTIMATORS = [mean_normal, mean_t, partial(mean_bootstrap_t, resamples=999), median_exact]
# Student's sleep data, the differences within the ten patients (Biometrika 6, 1908; the data set `sleep` of R).
SLEEP = [-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4]


def test_t_interval_of_students_own_data() -> None:
    """The t interval is the one that R's t.test prints for the sleep data: -2.4598858 to -0.7001142 around -1.58."""
    estimate = mean_t(SLEEP)
    assert (estimate.method, estimate.level, estimate.n) == ("t", 0.95, 10)
    assert (estimate.point, estimate.low, estimate.high) == pytest.approx((-1.58, -2.4598858, -0.7001142), abs=1e-7)


def test_normal_interval_is_the_specified_one() -> None:
    """At 95 % it takes 1.96, as specified; at another level the quantile of the published table."""
    estimate = mean_normal(SLEEP)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(ci95_half_width(SLEEP), rel=1e-12)
    assert (estimate.method, estimate.level, estimate.n) == ("normal", 0.95, 10)
    at_90 = mean_normal(SLEEP, 0.90)
    assert (at_90.high - at_90.low) / (estimate.high - estimate.low) == pytest.approx(1.644854 / 1.96, rel=1e-6)


# n, rank of the lower bound, level in %: 1 - 2 sum_{i < rank} C(n, i) / 2^n, the largest rank with at least 95 %
# (Conover, Practical Nonparametric Statistics, 3rd edition, 1999, section 3.2); recomputed in the test with integers.
@pytest.mark.parametrize(
    ("n", "rank", "percent"),
    [(6, 1, 96.9), (7, 1, 98.4), (8, 1, 99.2), (9, 2, 96.1), (10, 2, 97.9), (12, 3, 96.1), (15, 4, 96.5),
     (16, 4, 97.9), (17, 5, 95.1), (18, 5, 96.9), (19, 5, 98.1), (20, 6, 95.9)],
)  # fmt: skip
def test_median_lies_between_the_tabulated_ranks(n: int, rank: int, percent: float) -> None:
    """The bounds are the tabulated order statistics, and the level is the exact one."""
    estimate = median_exact([float(value) for value in range(1, n + 1)])
    assert (estimate.point, estimate.low, estimate.high) == ((n + 1) / 2, rank, n + 1 - rank)
    assert 100 * estimate.level == pytest.approx(percent, abs=0.06)
    below = [sum(math.comb(n, i) for i in range(k)) for k in (rank, rank + 1)]
    assert estimate.level == pytest.approx(1 - 2 * below[0] / 2**n, rel=1e-12)
    assert 1 - 2 * below[1] / 2**n < 0.95


def test_median_interval_of_a_published_sample() -> None:
    """Snedecor and Cochran's interval of 19 values: 20.7 between 10.8 and 30.9 (the example of R's ci.median)."""
    sample = [
        30.2,
        20.4,
        15.1,
        10.2,
        10.5,
        60.8,
        20.8,
        25.0,
        20.7,
        30.9,
        10.8,
        5.1,
        50.9,
        40.0,
        20.9,
        10.8,
        0,
        20.5,
        50.8,
    ]
    estimate = median_exact(sample)
    assert (estimate.point, estimate.low, estimate.high, estimate.n) == (20.7, 10.8, 30.9, 19)


@given(st.lists(NUMBERS, min_size=1, max_size=60), st.sampled_from([0.6, 0.8, 0.9, 0.95, 0.99]))
def test_median_interval_agrees_with_scipy(values: list[float], level: float) -> None:
    """SciPy's inversion of the sign test gives the same interval, or none where there is none."""
    estimate = median_exact(values, level)
    scipy = quantile_test(values, q=0, p=0.5).confidence_interval(level)
    assert (estimate.low, estimate.high) == pytest.approx((scipy.low, scipy.high), nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "normal"), [(5, 0.878), (10, 0.918), (30, 0.941)])
def test_t_interval_covers_what_it_promises(n: int, normal: float) -> None:
    """On normal data 95 % intervals hold the mean in 93 to 97 of 100 cases; the specified ones in fewer at small n."""
    samples = np.random.default_rng(n).normal(3.0, 2.0, (4000, n))
    covered = [[e.low <= 3.0 <= e.high for e in (mean_t(sample), mean_normal(sample))] for sample in samples]
    by_t, by_normal = np.mean(covered, axis=0)
    assert 0.93 < by_t < 0.97
    # What the normal interval covers: P(|t| < 1.96) with n - 1 degrees of freedom, by any table of t.
    assert by_normal == pytest.approx(normal, abs=0.015)


def test_bootstrap_t_covers_skewed_data_better() -> None:
    """On log-normal data of 20 runs, where t covers some 86 %, bootstrap-t comes closer to 95 %."""
    samples = np.random.default_rng(2).lognormal(size=(250, 20))
    truth = math.exp(0.5)
    by_t = np.mean([e.low <= truth <= e.high for e in map(mean_t, samples)])
    studentised = [mean_bootstrap_t(sample, resamples=499) for sample in samples]
    by_bootstrap = np.mean([e.low <= truth <= e.high for e in studentised])
    assert by_t < by_bootstrap < 0.97


def test_bootstrap_t_is_near_t_on_symmetric_data() -> None:
    """Where t is right, bootstrap-t says nearly the same."""
    sample = np.random.default_rng(4).normal(10.0, 1.0, 40)
    by_t, studentised = mean_t(sample), mean_bootstrap_t(sample)
    assert studentised.method == "bootstrap-t"
    assert (studentised.low, studentised.high) == pytest.approx((by_t.low, by_t.high), abs=0.06)


def test_bootstrap_of_a_large_sample_is_done_in_parts() -> None:
    """A sample whose resamples do not fit at once is resampled in parts, every resample once."""
    sample = np.random.default_rng(5).normal(size=30_000)
    estimate = mean_bootstrap_t(sample, resamples=199)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 / math.sqrt(30_000), rel=0.25)


def test_bootstrap_with_ties_may_have_no_bound() -> None:
    """One deviating value among ten is absent from a third of all resamples: on its side nothing bounds the mean."""
    estimate = mean_bootstrap_t([*[1.0] * 9, 2.0])
    assert estimate.low < estimate.point < estimate.high == math.inf


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    "values",
    [
        [], [None], [math.nan], [1.0], [1.0, math.nan], [1.0, 2.0], [3.0, 3.0], [0.0, 0.0], [-1.0, 1.0],
        [math.inf], [1.0, math.inf], [math.inf, -math.inf], [math.inf] * 12, [*range(11), math.inf],
        [1e308, -1e308] * 6, [5e-324] * 12, [5e-324, 1e308] * 6, [7.0] * 12, [0.1] * 11 + [None], [0.0] * 11 + [1.0],
    ],
)  # fmt: skip
def test_awkward_samples_have_defined_estimates(
    estimator: Callable[[Sequence[float | None]], Estimate], values: list[float | None]
) -> None:
    """Every sample has an estimate without a warning; bounds are both missing or hold the point; n is right."""
    estimate = estimator(values)
    assert estimate.n == len(finite(values))
    assert math.isnan(estimate.low) == math.isnan(estimate.high)
    if estimate.n < 2:
        assert math.isnan(estimate.low)
    assert math.isnan(estimate.low) or math.isnan(estimate.point) or estimate.low <= estimate.point <= estimate.high


@given(
    st.lists(NUMBERS, min_size=10, max_size=20, unique=True), st.randoms(use_true_random=False), st.floats(0.01, 100)
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimates_follow_scale_and_ignore_order(
    estimator: Callable[[Sequence[float | None]], Estimate], values: list[float], random: Random, scale: float
) -> None:
    """In another unit and another order, point and bounds are the same quantity."""
    first = estimator(values)
    moved = [scale * value for value in values]
    random.shuffle(moved)
    second = estimator(moved)
    size = scale * max(map(abs, values))
    for bound in ("point", "low", "high"):
        assert getattr(second, bound) == pytest.approx(scale * getattr(first, bound), rel=1e-6, abs=1e-6 * size)


@pytest.mark.parametrize(("estimator", "fewest"), list(zip(ESTIMATORS, [2, 2, 10, 6], strict=True)))
def test_interval_needs_its_number_of_runs(
    estimator: Callable[[Sequence[float | None]], Estimate], fewest: int
) -> None:
    """One run fewer than a method needs leaves the point and no bounds; with that many there are bounds."""
    values = [float(value) for value in range(fewest)]
    assert math.isfinite(estimator(values).low)
    short = estimator(values[:-1])
    assert math.isfinite(short.point)
    assert math.isnan(short.low)
    assert short.level == 0.95


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, math.nan])
def test_level_must_be_a_probability(
    estimator: Callable[[Sequence[float | None], float], Estimate], level: float
) -> None:
    """A level that is none is refused with its value and an example."""
    with pytest.raises(ValueError, match=r"level is .*between 0 and 1.*0\.95"):
        estimator([1.0, 2.0], level)


def test_too_few_resamples_are_refused() -> None:
    """Resamples that cannot have the quantile are refused with the number that can."""
    with pytest.raises(ValueError, match=r"resamples is 38; level 0\.95 needs at least 39"):
        mean_bootstrap_t(SLEEP, resamples=38)
    assert math.isfinite(mean_bootstrap_t(SLEEP, resamples=39).low)


@pytest.mark.parametrize("exponent", [1000, 700, -700, -1020])
def test_numbers_of_any_size_have_the_spread_of_their_digits(exponent: int) -> None:
    """Times a power of two mean, spread and half-width are so many times larger; no square overflows."""
    sample = [1.0, 1.25, 3.5]
    scaled = [math.ldexp(value, exponent) for value in sample]
    assert mean(scaled) == math.ldexp(mean(sample), exponent)
    assert sample_std(scaled) == math.ldexp(sample_std(sample), exponent)
    assert ci95_half_width(scaled) == pytest.approx(math.ldexp(ci95_half_width(sample), exponent), rel=1e-12)
    assert mean_t(scaled).low == pytest.approx(math.ldexp(mean_t(sample).low, exponent), rel=1e-12)


def test_a_half_width_beyond_the_largest_number_is_not_known() -> None:
    """Neither infinite nor 0, but missing."""
    assert math.isnan(ci95_half_width([1.7e308, -1.7e308]))
