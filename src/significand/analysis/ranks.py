"""A second opinion on paired differences that no single odd pair can turn: Hodges and Lehmann's estimate.

The median of the averages of every two differences, itself with itself included, and the interval of all shifts that
Wilcoxon's signed-rank test does not reject (Hodges and Lehmann, Annals of Mathematical Statistics 34, 1963; Hollander,
Wolfe and Chicken, Nonparametric Statistical Methods, 3rd edition, 2014, sections 3.2 and 3.3). It asks only that
differences lie symmetrically about their centre. This module may import NumPy and SciPy's special functions only.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from significand.analysis.intervals import check_level
from significand.analysis.moments import Codes, Floats

MOST_EXACT = 60
"""Pairs up to which the signed-rank distribution is counted out; beyond, it is as good as normal."""

MOST_PAIRS = 400
"""Beyond, there is no second opinion: averages grow with the square, and the mean of so many has hardly an odd pair."""

AVERAGES_AT_ONCE = 2_000_000

RANK_ERROR = 1.25
"""Times the error of the t interval is that of the one by ranks, as a second opinion on it: at 95 % so much that five
pairs have one, and that those of six to nine are not much wider for the coarse steps of their ranks."""


@dataclass(frozen=True, eq=False)
class RankEstimates:
    """One entry per group, shape (n_groups,): estimate and bounds in the unit of the values; NaN where undefined."""

    point: Floats
    low: Floats
    high: Floats


def second_opinion(values: Floats, groups: Codes, n_groups: int, level: float = 0.95) -> RankEstimates:
    """Return what ranks say beside a t interval of that level: `hodges_lehmann` at the one that `RANK_ERROR` leaves."""
    check_level(level)
    return hodges_lehmann(values, groups, n_groups, max(level / 2, 1 - RANK_ERROR * (1 - level)))


def hodges_lehmann(values: Floats, groups: Codes, n_groups: int, level: float = 0.95) -> RankEstimates:
    """Return the estimate and its interval for each group.

    Parameters
    ----------
    values
        Paired differences, shape (n_rows,), none of them NaN.
    groups
        Group of each row, shape (n_rows,), from 0; rows of a group stand together.
    n_groups
        How many groups there are.
    level
        Least confidence level. Of five differences none reaches 95 %: bounds are NaN then.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1.
    """
    check_level(level)
    n = np.bincount(groups, minlength=n_groups)
    starts = np.searchsorted(groups, np.arange(n_groups))
    point, low, high = (np.full(n_groups, math.nan) for _ in range(3))
    for size in np.unique(n[(n > 0) & (n <= MOST_PAIRS)]).tolist():
        one, other = np.triu_indices(size)
        members = np.flatnonzero(n == size)
        left_out = _left_out(size, level)
        step = max(1, AVERAGES_AT_ONCE // one.size)
        for begin in range(0, members.size, step):
            some = members[begin : begin + step]
            rows = values[starts[some, None] + np.arange(size)]
            averages = np.sort((rows[:, one] + rows[:, other]) / 2, axis=1)
            point[some] = np.median(averages, axis=1)
            if left_out is not None:
                low[some], high[some] = averages[:, left_out], averages[:, -1 - left_out]
    return RankEstimates(point, low, high)


@functools.cache
def _left_out(n: int, level: float) -> int | None:
    """Return how many averages lie below the interval: the largest c with P(W < c) <= (1 - level) / 2; None without."""
    tail = (1 - level) / 2
    if n > MOST_EXACT:
        middle, deviation = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return max(0, math.floor(middle + float(ndtri(tail)) * deviation))
    chances = np.ones(1)  # of each sum of ranks: every rank is in it or not
    for rank in range(1, n + 1):
        longer = np.zeros(chances.size + rank)
        longer[: chances.size] += chances / 2
        longer[rank:] += chances / 2
        chances = longer
    below = int(np.searchsorted(np.cumsum(chances), tail * (1 + 1e-12), side="right"))
    return below - 1 if below else None
