import math
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.intervals import ci95_half_width, finite, mean, sample_std

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
