"""Repeats that resemble the one before: their correlation, and what the interval makes of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.autocorrelation import FEWEST, FEWEST_TO_WIDEN, lag1, widening, widening_of

VALUES = st.lists(st.floats(-10, 10), min_size=FEWEST, max_size=40)


def process(correlation: float, n: int, samples: int, seed: int) -> np.ndarray:
    """Return samples of a stationary process whose neighbours correlate so, shape (samples, n)."""
    random = np.random.default_rng(seed)
    values = np.empty((samples, n))
    values[:, 0] = random.normal(size=samples)
    for k in range(1, n):
        values[:, k] = correlation * values[:, k - 1] + np.sqrt(1 - correlation**2) * random.normal(size=samples)
    return values


def test_textbook_example() -> None:
    """Ten yields of a batch process: Box and Jenkins, section 2.1.5, work r1 out as -149.7 / 189.6 = -0.79."""
    yields = np.array([47.0, 64, 23, 71, 38, 64, 55, 41, 59, 48])
    groups = np.repeat([0, 1], [10, 5])
    found = lag1(np.concatenate([yields, np.arange(5.0)]), groups, 2)
    assert found == pytest.approx([-149.7 / 189.6, 0.4])


def test_of_few_or_equal_values_it_is_unknown() -> None:
    """And then nothing is widened."""
    values = np.array([1.0, 2.0, 1.0, 2.0, *[3.0] * 12])
    found = lag1(values, np.repeat([0, 1], [4, 12]), 2)
    assert np.isnan(found).all()
    assert (widening(found, np.array([4, 12])) == 1).all()


def test_of_fewer_than_ten_nothing_is_widened() -> None:
    """Their correlation is little but chance."""
    assert widening_of(np.arange(FEWEST_TO_WIDEN - 1.0)) == 1
    assert widening_of(np.arange(float(FEWEST_TO_WIDEN))) > 1


def test_the_sum_is_that_of_its_terms() -> None:
    """The factor is the formula's, added up term by term, with the correlation corrected for its bias."""
    n, found = 20, 0.35
    r = found + (1 + 4 * found) / n
    f = 1 + 2 * sum((1 - k / n) * r**k for k in range(1, n))
    expected = np.sqrt(f * (n - 1) / (n - f))
    assert widening(np.array([found]), np.array([n])) == pytest.approx([expected])


def test_intervals_of_dependent_repeats_cover_more_often() -> None:
    """Of a correlation of 0.5 and 30 repeats, 26 % of t tests claim what is not there; widened, at most 12 %."""
    samples = process(0.5, 30, 1500, seed=3)
    t = samples.mean(axis=1) / samples.std(axis=1, ddof=1) * np.sqrt(30)
    wider = np.array([widening_of(one) for one in samples])
    assert np.mean(np.abs(t) > 2.045) > 0.2
    assert np.mean(np.abs(t) / wider > 2.045) < 0.12


@given(VALUES)
def test_nothing_is_ever_narrowed(values: list[float]) -> None:
    """Nor widened beyond any number; neighbours that alternate are left alone."""
    assert 1 <= widening_of(np.array(values)) < 10
    assert widening_of(np.tile([1.0, -1.0], 10)) == 1
