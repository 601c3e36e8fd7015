"""One-sided tests of a mean below 0: against SciPy's, and how many more repeats they need."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from significand.analysis.below import Below
from significand.analysis.loss import More

FOUR = np.array([-0.3, -0.1, np.nan, -0.2, 0.1])


def test_p_values_and_interval_are_those_of_students_test() -> None:
    """What is missing does not count."""
    test, known = Below(FOUR), FOUR[np.isfinite(FOUR)]
    golden = stats.ttest_1samp(known, 0, alternative="less")
    assert test.p == pytest.approx(golden.pvalue, rel=1e-9)
    assert test.p_opposite == pytest.approx(1 - golden.pvalue, rel=1e-9)
    interval = stats.ttest_1samp(known, 0).confidence_interval(0.95)
    assert test.interval(0.95) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_what_is_exact_needs_no_spread() -> None:
    """A fact of a file is below 0 or is not; of a single run of anything else nobody knows."""
    single = np.array([-0.1])
    assert Below(single, exact=True).p == 0
    assert Below(-single, exact=True).p == 1
    assert np.isnan(Below(single).p)
    assert Below(single).needed(0.05) == More(repeats=1)


def test_what_the_meter_cannot_tell_counts_against_it() -> None:
    """A mean of -0.125 that may be wrong by 0.2 is not below 0, and no repeats would show it."""
    assert Below(FOUR, blur=0.2).p > 0.5
    assert Below(FOUR, blur=0.2).needed(0.05) == More()


@given(st.lists(st.floats(-1, 0.5), min_size=3, max_size=9, unique=True))
def test_so_many_more_repeats_of_the_same_show_it(values: list[float]) -> None:
    """With as many the p-value is small enough, with one less it is not."""
    test = Below(np.array(values))
    more = test.needed(0.05).repeats
    if more:
        at, before = (
            stats.t.cdf(test.mean / test.deviation * n**0.5, n - 1) for n in (test.n + more, test.n + more - 1)
        )
        assert at <= 0.05 + 1e-9
        assert before > 0.05 - 1e-9


def test_ranks_and_t_answer_as_comparisons_do() -> None:
    """Five pairs that all are lower show it; with one that is not, t may, and ranks do not."""
    lower = np.array([-0.10, -0.11, -0.12, -0.13, -0.14])
    assert Below(lower, ranks_beside=0.95).p == Below(lower).p < 0.001
    mixed = np.array([-0.10, -0.11, -0.12, -0.13, 0.001])
    assert Below(mixed).p < 0.05
    assert Below(mixed, ranks_beside=0.95).p == 1
    assert Below(-mixed, ranks_beside=0.95).p_opposite == 1
    assert Below(mixed[1:], ranks_beside=0.95).p == Below(mixed[1:]).p  # four: ranks say nothing


@given(st.lists(st.floats(-1, 0.5), min_size=5, max_size=12, unique=True))
def test_what_ranks_do_not_show_takes_more_repeats(values: list[float]) -> None:
    """No fewer than by t alone; none exactly where it is shown."""
    both, alone = Below(np.array(values), ranks_beside=0.95), Below(np.array(values))
    by_both, by_t = both.needed(0.04).repeats, alone.needed(0.04).repeats
    if by_both is not None:
        assert by_t is not None
        assert by_both >= by_t
        assert (by_both == 0) == (both.p <= 0.04)
