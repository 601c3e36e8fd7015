"""Repeats that resemble the one before: how much, and how much less they tell than as many independent ones.

This module may import NumPy only.
"""

import numpy as np

from significand.analysis.moments import Codes, Floats

FEWEST = 5
"""Values of which neighbours can be told apart from chance at all."""

FEWEST_TO_WIDEN = 10
"""With fewer the correlation found is little but chance: to allow for it costs independent repeats more power than it
saves others false claims."""

QUANTILE_90 = 1.2815515655446004
"""Of the standard normal. Correlations beyond it, which one in ten samples of independent values has, are allowed for;
`benchmarks/claims.py` simulates what that brings and costs."""

LARGEST = 0.9
"""Correlation that is allowed for at most: of what drifts all along, no sample knows the mean."""


def lag1(values: Floats, groups: Codes, n_groups: int) -> Floats:
    """Return the correlation of neighbours within each group.

    Sum of products of neighbouring deviations over the sum of squares (Box and Jenkins, Time Series Analysis, 1970,
    section 2.1.5).

    Parameters
    ----------
    values
        One number per row, shape (n_rows,), none of them NaN, in the order of time within each group.
    groups
        Group of each row, shape (n_rows,), from 0; rows of a group stand together.
    n_groups
        How many groups there are.

    Returns
    -------
    numpy.ndarray
        Shape (n_groups,); NaN with fewer than `FEWEST` values, or without spread.
    """
    n = np.bincount(groups, minlength=n_groups)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        means = np.bincount(groups, weights=values, minlength=n_groups) / n
        deviations = values - means[groups]
        together = groups[1:] == groups[:-1]
        products = np.where(together, deviations[1:] * deviations[:-1], 0.0)
        shared = np.bincount(groups[1:], weights=products, minlength=n_groups)
        squares = np.bincount(groups, weights=deviations**2, minlength=n_groups)
        return np.where((n >= FEWEST) & (squares > 0), shared / squares, np.nan)


def widening(correlation: Floats, n: Codes) -> Floats:
    """Return by what the standard error of a mean is multiplied where neighbours resemble each other.

    n independent values would have a variance of the mean of s^2 / n. Of a process whose neighbours correlate by r it
    is f s^2 / n with f = 1 + 2 sum (1 - k / n) r^k, and s^2 itself is too small by (n - f) / (n - 1) (Bayley and
    Hammersley, Supplement to the Journal of the Royal Statistical Society 8, 1946: n / f values are as good as
    independent). r is the sample's correlation, corrected for its bias of -(1 + 4 r) / n (Marriott and Pope, Biometrika
    41, 1954).

    Parameters
    ----------
    correlation
        As from `lag1`, any shape.
    n
        Values behind each.

    Returns
    -------
    numpy.ndarray
        Of the same shape, at least 1: exactly 1 of fewer than `FEWEST_TO_WIDEN`, or of a correlation below what one in
        ten samples of independent values exceeds (mean -1 / n, variance (n - 2)^2 / (n^2 (n - 1)): Moran, Biometrika
        35, 1948).
    """
    found = np.asarray(correlation, dtype=np.float64)
    count = np.maximum(np.asarray(n, dtype=np.float64), FEWEST_TO_WIDEN)
    usual = (QUANTILE_90 * (count - 2) / np.sqrt(count - 1) - 1) / count
    matters = (np.nan_to_num(found, nan=-1.0) > usual) & (np.asarray(n) >= FEWEST_TO_WIDEN)
    r = np.clip(np.where(matters, found + (1 + 4 * found) / count, 0.0), 0.0, LARGEST)
    # The sum in closed form, of the geometric series and its derivative.
    f = 1 + 2 * (r / (1 - r) - r * (1 - r**count) / (count * (1 - r) ** 2))
    f = np.minimum(f, count / 2)
    return np.sqrt(np.where(matters, f * (count - 1) / (count - f), 1.0))


def widening_of(values: Floats) -> float:
    """Return the same of one sample, shape (n,), in the order of time."""
    if values.size < FEWEST_TO_WIDEN:
        return 1.0
    groups = np.zeros(values.size, dtype=np.int64)
    return float(widening(lag1(values, groups, 1), np.array([values.size]))[0])
