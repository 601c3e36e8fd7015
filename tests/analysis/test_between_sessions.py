"""Sessions as a random effect, from other sessions or from the same work in the two that are compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from significand.analysis.sessions import Between, allowed_for, between, between_two, unknown

SHIFTS = st.floats(-1, 1)
ERRORS = st.floats(1e-4, 1)


def test_variance_of_sessions_is_pooled_over_their_levels() -> None:
    """By hand: means 1, 3 and 10, 14 around 2 and 12, so 2 + 8 over two degrees of freedom; of one pool too few."""
    pools = [[np.array([1.0]), np.array([3.0])], [np.array([9.0, 11.0]), np.array([14.0])]]
    variance, within, df = between(pools)
    assert (variance, within, df) == pytest.approx((5.0, 1.0, 2.0))
    assert between(pools[:1])[2] == 0
    assert np.isnan(between(pools[:1])[0])


@given(SHIFTS, ERRORS, ERRORS, st.integers(1, 50))
def test_the_same_work_never_narrows_an_interval(shift: float, error: float, own: float, df: int) -> None:
    """Whatever it shows, errors get no smaller and degrees of freedom no more."""
    found = between_two(shift, error, 1)
    wider, fewer = allowed_for(np.array([own]), np.array([float(df)]), found)
    assert wider[0] >= own
    assert fewer[0] <= df * (1 + 1e-9)


def test_a_shift_within_the_scatter_of_runs_changes_nothing() -> None:
    """Runs alone explain it, so nothing is known of sessions beyond."""
    error, df = np.array([0.02]), np.array([9.0])
    assert allowed_for(error, df, between_two(0.01, 0.02, 1)) == (error, df)


def test_a_large_shift_is_a_single_degree_of_freedom() -> None:
    """A difference as large as the shift itself has t = 1 with one degree of freedom: p = 0.5."""
    error, df = allowed_for(np.array([1e-5]), np.array([9.0]), between_two(0.1, 1e-5, 1))
    p = 2 * stats.t.sf(0.1 / error[0], df[0])
    assert p == pytest.approx(0.5, abs=1e-3)


def test_what_is_known_goes_before_what_the_two_show() -> None:
    """Setup by setup; of what nothing tells, nothing is known."""
    known = Between(np.array([0.1, np.nan]), np.array([0.0, np.nan]), np.array([4.0, 0.0]))
    both = known.or_else(between_two(0.2, 0.0, 2))
    assert both.variance.tolist() == [0.1, pytest.approx(0.02)]
    assert both.df.tolist() == [4.0, 1.0]
    assert not unknown(3).known.any()
