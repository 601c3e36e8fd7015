"""Ratios above 1, and numbers with the digits of their intervals."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.present.words.factors import above_one, times, written

RATIOS = st.floats(1e-3, 1e3)


@given(RATIOS, RATIOS, RATIOS)
def test_a_ratio_and_its_inverse_are_told_alike_in_the_other_sense(low: float, point: float, high: float) -> None:
    """Only the word is another one, and the point is never below 1."""
    low, point, high = sorted((low, point, high))
    word, *factors = above_one(point, low, high)
    other, *inverses = above_one(1 / point, 1 / high, 1 / low)
    assert factors[0] >= 1
    assert factors[1] <= factors[0] <= factors[2]
    if point != 1:
        assert {word, other} == {"lower", "higher"}
        assert factors == pytest.approx(inverses, rel=1e-12)


def test_a_ratio_without_bounds_has_none() -> None:
    """And one of 0 is infinitely many times lower."""
    word, factor, low, high = above_one(0.0)
    assert (word, factor) == ("lower", math.inf)
    assert math.isnan(low)
    assert math.isnan(high)


def test_the_sense_may_be_that_of_another_ratio() -> None:
    """A second opinion is told as the first is, even below 1."""
    assert above_one(1.25, 0.8, 2.0, beside=0.9) == ("lower", 0.8, 0.5, 1.25)


def test_times_have_the_digits_of_their_interval() -> None:
    """And one less where they are to be terse."""
    assert times(0.572, 0.553, 0.591) == ("lower", "1.748", " [1.692, 1.808]")
    assert times(0.572, 0.553, 0.591, terse=True) == ("lower", "1.75", " [1.69, 1.81]")
    assert written(1.0004, 1.0001, 1.0007, 1) == ("1.00040", " [1.00010, 1.00070]")
