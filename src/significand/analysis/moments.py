"""Mean and variance of many groups of values at once, in a few passes of array operations."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SQUARES_FIT = 1e-140, 1e140
"""Sizes of numbers whose squares neither vanish nor overflow, nor do sums of these."""


def grouped_spread(values: Floats, groups: Codes, n_groups: int) -> tuple[Floats, Floats, Codes]:
    """Return mean, sample standard deviation (n - 1) and count of each group, also of numbers whose squares do not fit.

    Such groups are worked out times a power of two, which costs no digit. Arguments as for `grouped_moments`.
    """
    sizes = np.zeros(n_groups)
    np.maximum.at(sizes, groups, np.abs(values))
    extreme = ((sizes < SQUARES_FIT[0]) | (sizes > SQUARES_FIT[1])) & np.isfinite(sizes)
    exponents = np.where(extreme, np.frexp(sizes)[1], 0)
    scaled = np.ldexp(values, -exponents[groups]) if exponents.any() else values
    mean, variance, n = grouped_moments(scaled, groups, n_groups)
    with np.errstate(over="ignore"):
        return np.ldexp(mean, exponents), np.ldexp(np.sqrt(variance), exponents), n


def grouped_moments(values: Floats, groups: Codes, n_groups: int) -> tuple[Floats, Floats, Codes]:
    """Return mean, sample variance (n - 1) and count of the values of each group; NaN where undefined.

    Deviations are taken from one of the group's own values, then summed, and the sum of squares is corrected for the
    rounding of the mean (Chan, Golub and LeVeque, The American Statistician 37, 1983, equation 1.7): a large mean costs
    no digits of the spread, and a group of equal values has a spread of exactly 0.

    Parameters
    ----------
    values
        One number per row, shape (n_rows,), none of them NaN.
    groups
        Group of each row, shape (n_rows,): from 0.
    n_groups
        How many groups there are; all three arrays that are returned have this length.
    """
    n = np.bincount(groups, minlength=n_groups)
    pilot = np.zeros(n_groups)
    pilot[groups] = values  # the last of each group
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # empty groups, and infinities among the values
        deviation = values - pilot[groups]
        offset = np.bincount(groups, weights=deviation, minlength=n_groups) / n
        deviation -= offset[groups]
        remainder = np.bincount(groups, weights=deviation, minlength=n_groups)
        deviation *= deviation
        squares = np.bincount(groups, weights=deviation, minlength=n_groups) - remainder**2 / n
        # Infinities differ by nothing that is a number, but their mean is one where all have the same sign.
        total = np.bincount(groups, weights=values, minlength=n_groups)
        mean = np.where(np.isfinite(offset), pilot + offset, total / n)
        return mean, np.where(n > 1, np.maximum(squares, 0.0) / (n - 1), np.nan), n
