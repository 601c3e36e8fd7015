"""Sessions as a random effect: how much the same scatters, and what that leaves of a difference of two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from significand.analysis.sessions import Between, allowed_for, between, between_two, unknown

SHIFTS = st.floats(-1, 1)
ERRORS = st.floats(1e-4, 1)


def array(*values: float) -> np.ndarray:
    """Return numbers as an array."""
    return np.array(values)


def test_scatter_between_sessions_is_that_of_scipys_analysis_of_variance() -> None:
    """Runs times the variance of means, over the mean variance of runs, is the F of a one-way analysis of variance."""
    random = np.random.default_rng(1)
    pool = [random.normal(level, 1, 6) for level in (0.0, 0.5, 1.0, 3.0)]
    variance, within, df = between([pool])
    assert df == 3
    assert variance / within == pytest.approx(stats.f_oneway(*pool).statistic)


def test_each_pool_has_a_level_of_its_own() -> None:
    """Two pools that differ by much scatter as much as each of them does."""
    pool = [array(0.0, 0.1), array(0.2, 0.3), array(0.1, 0.5)]
    far = [one + 100 for one in pool]
    assert between([pool, far]) == pytest.approx((*between([pool])[:2], 4))


@pytest.mark.parametrize("pools", [[], [[array(1.0, 2.0)]], [[array(np.nan), array(1.0)]]])
def test_single_sessions_tell_nothing(pools: list[list[np.ndarray]]) -> None:
    """Nor do those without a run; nothing changes then."""
    variance, within, df = between(pools)
    assert np.isnan(variance)
    found = allowed_for(array(0.1), array(9.0), Between(array(variance), array(within), array(df)))
    assert [float(one[0]) for one in found] == [0.1, 9.0]


def test_with_equal_runs_it_is_the_test_of_one_new_session() -> None:
    """The variance is twice that of a session, with its degrees of freedom, once the runs' own part is in it."""
    error, df = allowed_for(array(0.01), array(9.0), Between(array(0.04), array(0.01), array(5.0)))
    assert (error[0], df[0]) == pytest.approx((np.sqrt(0.08), 5.0))


@given(st.floats(0, 2), st.floats(1e-3, 1), st.floats(0, 1), st.integers(2, 30), st.integers(1, 30))
def test_nothing_is_ever_narrowed(variance: float, error: float, part: float, sessions: int, runs: int) -> None:
    """Whatever sessions show; degrees of freedom lie between the least and the most of both."""
    known = Between(array(variance), array(part * variance), array(float(sessions)))
    wider, df = allowed_for(array(error), array(float(runs)), known)
    assert wider[0] >= error
    assert min(sessions, runs) - 1e-9 <= df[0] <= max(sessions, runs) + 1e-9


def test_the_very_same_is_rarely_found_to_differ() -> None:
    """Sessions drift by 3 %, runs scatter by 1 %: of ten earlier ones the difference is known, 5 % are false."""
    random = np.random.default_rng(2)
    false = 0
    for _ in range(600):
        logs = random.normal(0, 0.03, (12, 1)) + random.normal(0, 0.01, (12, 8))
        pair = logs[-1] - logs[-2]
        known = Between(*(array(one) for one in between([list(logs[:10])])))
        error, df = allowed_for(array(pair.std(ddof=1) / np.sqrt(8)), array(7.0), known)
        false += bool(2 * stats.t.sf(abs(pair.mean()) / error[0], df[0]) < 0.05)
    assert 0.02 < false / 600 < 0.08


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
